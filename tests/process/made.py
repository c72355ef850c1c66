"""Made channel-days, and a float64 reference of the whole chain, written apart from the code under test."""

from __future__ import annotations

import numpy as np
from scipy import fft, signal
from seisbatch.process.grid import Preprocessing
from seisbatch.process.segments import ChannelDay, Segment, assemble

DAY_NS = 19_000 * 86_400 * 10**9
"""A midnight."""


def parameters(**changed: object) -> Preprocessing:
    """Parameters of a small correlation; what a test needs otherwise is named."""
    values: dict[str, object] = {
        "sampling_rate": 4.0, "freqmin": 0.1, "freqmax": 0.8, "cc_len": 1800.0, "cc_step": 900.0, "maxlag": 100.0,
        "ccf_rate": 4.0, "whitening": "none", "max_over_std": 0.0,
    }  # fmt: skip
    return Preprocessing(**(values | changed))  # type: ignore[arg-type]


def day_of(samples: np.ndarray, rate: float, offset: float = 0.0, max_fill: float = 1.0) -> ChannelDay:
    """One segment that begins ``offset`` seconds after midnight."""
    return assemble([Segment(DAY_NS + round(offset * 1e9), rate, samples)], DAY_NS, max_fill=max_fill)


def noise(seed: int, rate: float, seconds: float = 86_400.0) -> np.ndarray:
    """Noise of 0.02 to 1.2 Hz, some hundreds of counts, whole numbers."""
    rng = np.random.default_rng(seed)
    sos = signal.butter(4, [0.02, 1.2], "bandpass", fs=rate, output="sos")
    return np.rint(300 * signal.sosfiltfilt(sos, rng.standard_normal(round(seconds * rate)))).astype(np.int32)


def reference_windows(trace: np.ndarray, params: Preprocessing) -> np.ndarray:
    """Windows of a day's trace, one by one."""
    length, step = round(params.cc_len * params.sampling_rate), round(params.cc_step * params.sampling_rate)
    return np.array([trace[first : first + length] for first in range(0, len(trace) - length + 1, step)])


def reference_band(params: Preprocessing, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies of a transform of ``n`` samples and the weights of the band: a cosine edge of a tenth inside it."""
    f = np.fft.rfftfreq(n, 1 / params.sampling_rate)
    weight = np.zeros_like(f)
    width = 0.1 * (params.freqmax - params.freqmin)
    for number, value in enumerate(f):
        if params.freqmin - 1e-9 <= value <= params.freqmax + 1e-9:
            edge = min(value - params.freqmin, params.freqmax - value, width) / width
            weight[number] = 0.5 * (1 - np.cos(np.pi * edge))
    return f, weight


def reference_ccf(one: np.ndarray, other: np.ndarray, common: np.ndarray, params: Preprocessing, whitening: str) -> np.ndarray:
    """Mean over common windows of irfft(conj(X) Y) in float64, one window after another, at the windows' rate.

    ``one`` and ``other`` are windows in time; transforms are padded to at least cc_len + maxlag before whitening.
    """
    n = params.nfft
    assert n >= (params.cc_len + params.maxlag) * params.sampling_rate
    _, weight = reference_band(params, n)
    total = np.zeros(n)
    for window in np.flatnonzero(common):
        spectra = []
        for samples in (one[window], other[window]):
            spectrum = fft.rfft(samples.astype(np.float64), n)
            if whitening == "phase_only":
                spectrum = np.exp(1j * np.angle(spectrum))
            spectra.append(spectrum * weight)
        total += fft.irfft(np.conj(spectra[0]) * spectra[1], n)
    half = round(params.maxlag * params.sampling_rate)
    return np.concatenate((total[-half:], total[: half + 1])) / common.sum()
