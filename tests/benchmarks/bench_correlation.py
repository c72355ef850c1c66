"""Correlation of all pairs of 100 channels of one day, one core, beside per-pair rivals on the same spectra.

The rivals do a sample of the pairs, on spectra laid out for them (channel, window, frequency). ``every window`` goes through a
pair's windows, multiplies, transforms back and averages the correlations in float64, as per-pair codes do; ``every window,
batched`` is the fastest form of that: float32, all windows of a pair in one call; ``mean spectrum`` averages the products of a
pair's windows in float32 and transforms once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from scipy import fft
from seisbatch.process.correlation import accumulate_pairs, ccfs_from_pair_spectra
from seisbatch.process.grid import Preprocessing, n_lags
from seisbatch.steps.correlate import INVERSE_BYTES

N_CHANNELS = 100
PARAMETERS = Preprocessing(
    sampling_rate=20, freqmin=0.1, freqmax=3.389, cc_len=900, cc_step=457, maxlag=200, ccf_rate=20, max_over_std=0
)


def made_spectra() -> np.ndarray:
    """Spectra (frequency, channel, window) with a common part, so that CCFs are not all noise."""
    rng = np.random.default_rng(0)
    shape = (PARAMETERS.n_bins, N_CHANNELS, PARAMETERS.n_windows)
    spectra = np.empty(shape, np.complex64)
    for number in range(shape[0]):
        real = rng.standard_normal((*shape[1:], 2), dtype=np.float32)
        spectra[number] = real.view(np.complex64)[..., 0] + (1 + 1j)
    return spectra


def ours(spectra: np.ndarray, kept: Sequence[int] = ()) -> np.ndarray:
    """All pairs, transformed back some hundreds at a time as a tile does; the CCFs of the pairs ``kept``."""
    out = np.zeros((len(spectra), N_CHANNELS, N_CHANNELS), np.complex64)
    accumulate_pairs(spectra, None, out)
    s, r = np.triu_indices(N_CHANNELS, 1)
    counts = np.full(len(s), spectra.shape[2], np.int32)
    found = []
    chunk = INVERSE_BYTES // (4 * n_lags(PARAMETERS.maxlag, PARAMETERS.ccf_rate))
    for n in range(0, len(s), chunk):
        pairs = slice(n, n + chunk)
        ccfs = ccfs_from_pair_spectra(out, s[pairs], r[pairs], counts[pairs], PARAMETERS)
        found += [ccfs[number - n].copy() for number in kept if n <= number < n + chunk]
    return np.array(found)


def _crop(correlation: np.ndarray) -> np.ndarray:
    half = n_lags(PARAMETERS.maxlag, PARAMETERS.ccf_rate) // 2
    return np.concatenate((correlation[-half:], correlation[: half + 1]))


def every_window(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A pair whose windows are transformed back one after another; spectra (window, frequency)."""
    total = np.zeros(PARAMETERS.nfft)
    spectrum = np.zeros(PARAMETERS.nfft // 2 + 1, np.complex128)
    for x, y in zip(one, other, strict=True):
        spectrum[PARAMETERS.first_bin : PARAMETERS.first_bin + PARAMETERS.n_bins] = np.conj(x) * y
        total += fft.irfft(spectrum, PARAMETERS.nfft)
    return _crop(total / len(one))


def every_window_batched(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A pair whose windows are transformed back in one call."""
    spectra = np.zeros((len(one), PARAMETERS.nfft // 2 + 1), np.complex64)
    spectra[:, PARAMETERS.first_bin : PARAMETERS.first_bin + PARAMETERS.n_bins] = np.conj(one) * other
    return _crop(fft.irfft(spectra, PARAMETERS.nfft, axis=1, overwrite_x=True).mean(axis=0))


def mean_spectrum(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A pair whose windows' products are averaged before one transform."""
    spectrum = np.zeros(PARAMETERS.nfft // 2 + 1, np.complex64)
    band = slice(PARAMETERS.first_bin, PARAMETERS.first_bin + PARAMETERS.n_bins)
    spectrum[band] = np.einsum("wf,wf->f", np.conj(one), other) / len(one)
    return _crop(fft.irfft(spectrum, PARAMETERS.nfft))


def _milliseconds_a_pair(rival: Callable[..., np.ndarray], by_channel: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    started = time.perf_counter()
    for s, r in pairs:
        rival(by_channel[s], by_channel[r])
    return 1000 * (time.perf_counter() - started) / len(pairs)


def measure(rounds: int = 5) -> list[dict[str, object]]:
    """Rows of the table; the rounds alternate and the best of each counts."""
    spectra = made_spectra()
    by_channel = np.ascontiguousarray(spectra.transpose(1, 2, 0))
    s, r = np.triu_indices(N_CHANNELS, 1)
    some = np.random.default_rng(1).choice(len(s), 60, replace=False)
    pairs = [(int(s[n]), int(r[n])) for n in some]
    rivals = {"every window": every_window, "batched": every_window_batched, "mean spectrum": mean_spectrum}
    best = dict.fromkeys(("ours", *rivals), np.inf)
    for _ in range(rounds):
        started = time.perf_counter()
        ours(spectra)
        best["ours"] = min(best["ours"], 1000 * (time.perf_counter() - started) / len(s))
        for name, rival in rivals.items():
            best[name] = min(best[name], _milliseconds_a_pair(rival, by_channel, pairs[:12]))
    checked = sorted(int(n) for n in some[:5])
    for ccf, n in zip(ours(spectra, checked), checked, strict=True):
        one, other = s[n], r[n]
        for rival in rivals.values():
            expected = rival(by_channel[one], by_channel[other])
            assert np.abs(ccf - expected).max() < 2e-5 * np.abs(expected).max()
    what = f"{N_CHANNELS} channels, {PARAMETERS.n_windows} windows, {PARAMETERS.n_bins} bins, {len(ccf)} lags"
    return [
        {"measure": f"(a) correlation, ms a pair-day ({what})", "value": best["ours"], "bound": "at most 0.35"},
        {
            "measure": "(a) times as fast as every window transformed back",
            "value": best["every window"] / best["ours"],
            "bound": "at least 150",
        },
        {
            "measure": "(a) times as fast as the same in float32, all windows in one call",
            "value": best["batched"] / best["ours"],
            "bound": "",
        },
        {
            "measure": "(a) times as fast as one mean spectrum a pair",
            "value": best["mean spectrum"] / best["ours"],
            "bound": "at least 5",
        },
    ]


if __name__ == "__main__":
    for row in measure():
        print(row)
