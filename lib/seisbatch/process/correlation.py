"""Correlation of all pairs of a block of channels at once.

The CCF of a pair is the mean over their common windows of ``irfft(conj(X_source) * X_receiver)``: **a positive lag is energy
that arrives at the receiver after the source.** The mean is linear, so it is taken over the spectra, one Hermitian product of
channels a frequency, and only the mean is transformed back.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.linalg.blas import cgemm, cherk

from seisbatch.process.grid import Preprocessing, n_lags

Spectra = npt.NDArray[np.complex64]

_CONJUGATE_TRANSPOSE = 2


def accumulate_pairs(sources: Spectra, receivers: Spectra | None, out: Spectra) -> None:
    """Add to ``out`` the sum over windows of ``conj(X_source) * X_receiver``.

    ``sources`` and ``receivers`` complex64, shape (frequency, channel, window); windows that are not valid are zero. ``out``
    complex64, shape (frequency, receiver, source). Without ``receivers`` the pairs are those of the sources among
    themselves, and only those whose source does not come after its receiver are filled in.
    """
    for number in range(len(sources)):
        pairs = out[number].T
        source = sources[number].T
        if receivers is None:
            cherk(1.0, source, beta=1.0, c=pairs, trans=_CONJUGATE_TRANSPOSE, overwrite_c=1)
        else:
            cgemm(1.0, source, receivers[number].T, beta=1.0, c=pairs, trans_a=_CONJUGATE_TRANSPOSE, overwrite_c=1)


def common_windows(sources: npt.NDArray[np.bool_], receivers: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Windows valid in both channels, shape (source, receiver); masks have shape (channel, window)."""
    counts: npt.NDArray[np.int32] = np.rint(sources.astype(np.float32) @ receivers.T.astype(np.float32)).astype(np.int32)
    return counts


def ccfs_from_pair_spectra(
    pair_spectra: Spectra,
    sources: npt.NDArray[np.intp],
    receivers: npt.NDArray[np.intp],
    n_windows: npt.NDArray[np.int32],
    params: Preprocessing,
) -> npt.NDArray[np.float32]:
    """CCFs of some pairs from the summed pair spectra (frequency, receiver, source) of :func:`accumulate_pairs`.

    ``sources``, ``receivers`` and ``n_windows`` (at least one each), all of shape (pair,), say which pairs and how many
    windows were summed. Returns float32, shape (pair, lag), lags from ``-maxlag`` to ``+maxlag`` at ``ccf_rate``; amplitudes
    are those of the correlation at the windows' sampling rate.
    """
    n_receivers, n_sources = pair_spectra.shape[1:]
    flat = pair_spectra.reshape(-1, n_receivers * n_sources)
    spectra = np.zeros((len(sources), params.ccf_nfft // 2 + 1), np.complex64)
    band = slice(params.first_bin, params.first_bin + params.n_bins)
    spectra[:, band] = np.take(flat, receivers * n_sources + sources, axis=1).T
    correlations = fft.irfft(spectra, params.ccf_nfft, axis=1, overwrite_x=True)
    half = n_lags(params.maxlag, params.ccf_rate) // 2
    scale = (params.ccf_nfft / params.nfft / n_windows).astype(np.float32)[:, None]
    out = np.empty((len(sources), 2 * half + 1), np.float32)
    np.multiply(correlations[:, -half:], scale, out=out[:, :half])
    np.multiply(correlations[:, : half + 1], scale, out=out[:, half:])
    return out
