"""Broadband sound levels of a clip: root mean square and peak."""

from __future__ import annotations

import math

import numpy as np

from seisbatch.process.levels import Calibration
from seisbatch.process.segments import DataError, Samples
from seisbatch.process.spectrogram import Frames, frame_powers


def clip_levels(
    samples: Samples, rate: float, calibration: Calibration | None = None, n_padded: int = 0
) -> tuple[float | None, float | None]:
    """Levels [dB re 1 uPa] of a clip's root mean square and largest magnitude, less its mean.

    Without ``calibration`` they are re 1 count.

    ``samples`` int32, float32 or float64, shape (n,), ``n_padded`` of which are zeros that were not recorded and do not count.
    The level of silence is minus infinity.

    A sensitivity that is one number holds for both, exactly. Where it is a curve, the root mean square is that of the
    frequencies that the curve knows: the sum of power spectral density over sensitivity (Welch, seconds that overlap by half),
    None where it knows none. A peak has no one frequency, nor a curve a phase: it is None then.

    Raises DataError where samples are no finite numbers, or too few for a spectrum.
    """
    n = len(samples) - n_padded
    values = samples.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = float(values.sum()) / n
        values -= mean
        power = (float(values @ values) - n_padded * mean * mean) / n
    if not math.isfinite(power):
        raise DataError("samples that are no finite numbers, or too large for a level")
    if calibration is not None and calibration.flat is None:
        return _curved(samples, rate, calibration, len(samples) / n), None
    if 0 < n_padded == np.count_nonzero(samples == 0):  # all zeros are padding; otherwise a recorded sample is one as well
        values = values[samples != 0]
    peak = max(float(values.max()), -float(values.min()))
    sensitivity = (calibration.flat if calibration else None) or 0.0
    return _level(power) - sensitivity, _level(peak**2) - sensitivity


def _curved(samples: Samples, rate: float, calibration: Calibration, share: float) -> float | None:
    nfft = max(4, min(round(rate), len(samples)))
    frames = Frames(nfft, nfft // 2, "hann", symmetric=False, detrend=True)
    sensitivity = calibration.at(frames.frequencies(rate))
    known = np.isfinite(sensitivity)
    if not known.any():
        return None
    starts = np.arange(frames.number(len(samples))) * frames.step
    total = np.zeros(len(sensitivity))
    for _, power in frame_powers(samples, starts, rate, frames):
        total += power.sum(axis=0, dtype=np.float64)
    density = total[known] * 10 ** (-sensitivity[known] / 10) / len(starts)
    return _level(float(density.sum()) * rate / nfft * share)


def _level(power: float) -> float:
    return 10 * math.log10(power) if power > 0 else -math.inf
