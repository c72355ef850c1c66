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
PAIRS_AT_A_TIME = 64
FREQUENCIES_AT_A_TIME = 128
"""Blocks in which pair spectra are turned from frequency-major to pair-major: they fit the cache."""


def accumulate_pairs(sources: Spectra, receivers: Spectra | None, out: Spectra) -> None:
    """Add to ``out`` the sum over windows of ``X_source * conj(X_receiver)``.

    That is the conjugate of the pair spectrum, which BLAS leaves so that a source's pairs stand side by side; its transform is
    the CCF with its lags reversed. ``sources`` and ``receivers`` complex64, shape (frequency, channel, window); windows that
    are not valid are zero. ``out`` complex64, shape (frequency, source, receiver). Without ``receivers`` the pairs are those
    of the sources among themselves, and only those whose source does not come after its receiver are filled in.
    """
    for number in range(len(sources)):
        pairs = out[number].T
        source = sources[number].T
        if receivers is None:
            cherk(1.0, source, beta=1.0, c=pairs, trans=_CONJUGATE_TRANSPOSE, lower=1, overwrite_c=1)
        else:
            cgemm(1.0, receivers[number].T, source, beta=1.0, c=pairs, trans_a=_CONJUGATE_TRANSPOSE, overwrite_c=1)


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
    """CCFs of some pairs from the sums (frequency, source, receiver) of :func:`accumulate_pairs`.

    ``sources``, ``receivers`` and ``n_windows`` (at least one each), all of shape (pair,), say which pairs and how many
    windows were summed. Returns float32, shape (pair, lag), lags from ``-maxlag`` to ``+maxlag`` at ``ccf_rate``; amplitudes
    are those of the correlation at the windows' sampling rate.
    """
    n_bins, _, n_receivers = pair_spectra.shape
    by_pair = pair_spectra.reshape(n_bins, -1)
    columns = sources * n_receivers + receivers
    scale = (params.ccf_nfft / params.nfft / n_windows).astype(np.float32)[:, None]
    half = n_lags(params.maxlag, params.ccf_rate) // 2
    out = np.empty((len(columns), 2 * half + 1), np.float32)
    spectra = np.zeros((min(PAIRS_AT_A_TIME, len(columns)), params.ccf_nfft // 2 + 1), np.complex64)
    for first in range(0, len(columns), PAIRS_AT_A_TIME):
        chosen = columns[first : first + PAIRS_AT_A_TIME]
        pairs = slice(first, first + len(chosen))
        for low in range(0, n_bins, FREQUENCIES_AT_A_TIME):
            block = by_pair[low : low + FREQUENCIES_AT_A_TIME][:, chosen]
            spectra[: len(chosen), params.first_bin + low : params.first_bin + low + len(block)] = block.T
        reversed_lags = fft.irfft(spectra[: len(chosen)], params.ccf_nfft, axis=1)
        np.multiply(reversed_lags[:, half::-1], scale[pairs], out=out[pairs, : half + 1])
        np.multiply(reversed_lags[:, : -half - 1 : -1], scale[pairs], out=out[pairs, half + 1 :])
    return out
