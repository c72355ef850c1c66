"""Normalisation in time and in frequency."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

Real = npt.NDArray[np.floating]
Spectra = npt.NDArray[np.complexfloating]

CLIP_STANDARD_DEVIATIONS = 3.0
MEDIAN_TO_STD = 1.4826
"""Standard deviation of Gaussian noise over the median of its absolute value."""
WATER_LEVEL = 1e-6
"""Amplitude spectra are not let fall below this share of their largest value before anything is divided by them."""


def normalise_time(samples: Real, covered: npt.NDArray[np.bool_], kind: str, half_period: float, std: float) -> Real:
    """A day's trace normalised in time; gaps (not ``covered``) stay as they are and do not count.

    ``one_bit`` keeps the sign; ``rma`` divides by the running mean of the absolute value over ``half_period`` samples, half
    the longest period of the band (Bensen et al., 2007, Geophys. J. Int. 169); ``clip`` limits to
    :data:`CLIP_STANDARD_DEVIATIONS` standard deviations, taken from the median so that what is to be clipped does not count.
    """
    match kind:
        case "none":
            return samples
        case "one_bit":
            return np.sign(samples)
        case "clip":
            limit = CLIP_STANDARD_DEVIATIONS * MEDIAN_TO_STD * np.median(np.abs(samples[covered]))
            return np.clip(samples, -limit, limit)
        case "rma":
            width = max(1, round(half_period))
            weight = uniform_filter1d(covered.astype(np.float64), width, mode="constant")
            mean = uniform_filter1d(np.abs(samples, dtype=np.float64) * covered, width, mode="constant")
            # Where little was recorded the mean says little: below a tenth of the window it is not trusted alone.
            mean = mean / np.maximum(weight, 0.1)
            normalised: Real = (samples / np.maximum(mean, WATER_LEVEL * std)).astype(samples.dtype)
            return normalised
    raise ValueError(f"time normalisation {kind!r}: none, one_bit, rma or clip")


def smoothed(values: Real, n_bins: int) -> Real:
    """Running mean along the last axis over ``n_bins`` bins; at the ends over those that there are."""
    width = min(n_bins, values.shape[-1])
    total = uniform_filter1d(values.astype(np.float64), width, axis=-1, mode="constant")
    share = uniform_filter1d(np.ones(values.shape[-1]), width, mode="constant")
    mean: Real = (total / share).astype(values.dtype)
    return mean


def floored(amplitudes: Real) -> Real:
    """Amplitudes held above the water level of their window, so that they can be divided by."""
    highest = amplitudes.max(axis=-1, keepdims=True)
    tiny = np.finfo(amplitudes.dtype).tiny
    held: Real = np.maximum(amplitudes, np.maximum(WATER_LEVEL * highest, tiny))
    return held


def whiten(spectra: Spectra, kind: str, smooth_bins: int) -> Spectra:
    """Spectra, shape (window, frequency), whitened: ``phase_only`` X / abs(X), ``rma`` X / running mean of abs(X)."""
    match kind:
        case "none":
            return spectra
        case "phase_only":
            return spectra / floored(np.abs(spectra))
        case "rma":
            return spectra / floored(smoothed(np.abs(spectra), smooth_bins))
    raise ValueError(f"whitening {kind!r}: none, phase_only or rma")
