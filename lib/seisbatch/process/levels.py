"""Sound levels: calibrated power spectral density of seconds, levels in bands, percentiles [dB re 1 uPa**2, per Hz]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisbatch.process.bands import Bands, Real, band_powers
from seisbatch.process.segments import DataError, Samples
from seisbatch.process.spectrogram import Frames, frame_powers

BANDS_AT_A_TIME = 256
"""Whose levels over time are held in order at once: a day of minutes of them is 1.5 MB."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Sensitivity of a recording chain [dB re 1 count per uPa]: one number, or a curve over ``frequencies`` [Hz, ascending].

    A curve is interpolated linearly in dB over the logarithm of frequency. Outside of it nothing is known: levels are NaN.

    Raises ValueError where a curve is none.
    """

    decibels: npt.NDArray[np.float64]
    frequencies: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.decibels).all():
            raise ValueError("a sensitivity that is no finite number")
        if self.frequencies is None:
            if np.size(self.decibels) != 1:
                raise ValueError("a sensitivity of several values needs their frequencies")
        elif (
            np.shape(self.frequencies) != np.shape(self.decibels)
            or len(self.frequencies) < 2
            or not (np.diff(self.frequencies) > 0).all()
            or not 0 < self.frequencies[0] < self.frequencies[-1] < np.inf
        ):
            raise ValueError("a sensitivity curve needs two or more frequencies above 0 that ascend, and a value at each")

    @classmethod
    def of_counts(cls, counts_per_upa: float) -> Calibration:
        """A flat sensitivity in counts per uPa; ValueError unless it is above zero."""
        if not counts_per_upa > 0:
            raise ValueError(f"a sensitivity of {counts_per_upa:g} counts per uPa: give a number above 0")
        return cls(np.asarray(20 * np.log10(counts_per_upa)))

    @classmethod
    def of_hydrophone(
        cls, sensitivity: float | Sequence[float], counts_per_volt: float, frequencies: Sequence[float] | None = None
    ) -> Calibration:
        """A hydrophone's sensitivity [dB re 1 V/uPa], a number or a curve, and the counts per volt of what follows it.

        >>> float(Calibration.of_hydrophone(-170.0, 1e6).decibels)
        -50.0
        """
        if not counts_per_volt > 0:
            raise ValueError(f"{counts_per_volt:g} counts per volt: give a number above 0")
        decibels = np.asarray(sensitivity, np.float64) + 20 * np.log10(counts_per_volt)
        return cls(decibels, None if frequencies is None else np.asarray(frequencies, np.float64))

    @property
    def flat(self) -> float | None:
        """The sensitivity [dB re 1 count per uPa] where it is one number; None where it is a curve."""
        return None if self.frequencies is not None else float(np.asarray(self.decibels).item())

    def at(self, frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The sensitivity [dB re 1 count per uPa] at frequencies [Hz], NaN outside of a curve."""
        if self.frequencies is None:
            return np.full(len(frequencies), float(self.decibels))
        known = (frequencies >= self.frequencies[0]) & (frequencies <= self.frequencies[-1])
        found = np.full(len(frequencies), np.nan)
        found[known] = np.interp(np.log10(frequencies[known]), np.log10(self.frequencies), self.decibels)
        return found


def second_frames(rate: float) -> Frames:
    """Seconds that overlap by half, with a periodic Hann window, each without its mean: a resolution of 1 Hz."""
    nfft = max(2, round(rate))
    return Frames(nfft, nfft // 2, "hann", symmetric=False, detrend=True)


def second_densities(samples: Samples, rate: float) -> Real:
    """Power spectral density of every second, half a second apart: float32, shape (n_seconds, n_bins), counts**2/Hz.

    ``samples`` int32, float32 or float64, shape (n,). Bins are ``rate / round(rate)``, that is 1 Hz apart, from zero to the
    Nyquist frequency. The mean over the rows is ``scipy.signal.welch(samples, rate, "hann", nperseg=round(rate))``.

    A minute at 64 kHz is 119 rows, 15 MB: pass what fits, and :func:`mean_density` where the mean is enough.

    Raises DataError where there is less than a second.
    """
    frames = second_frames(rate)
    starts = np.arange(frames.number(len(samples))) * frames.step
    densities = np.empty((len(starts), frames.nfft // 2 + 1), np.float32)
    for first, power in frame_powers(samples, starts, rate, frames):
        densities[first : first + len(power)] = power
    return densities


def mean_density(samples: Samples, rate: float) -> npt.NDArray[np.float64]:
    """The mean of :func:`second_densities` (Welch), float64, shape (n_bins,), counts**2/Hz, in the memory of a few seconds.

    Raises DataError where there is less than a second, or samples are no finite numbers.
    """
    total, n_frames = density_sum(samples, rate)
    if n_frames < second_frames(rate).number(len(samples)) or not np.isfinite(total).all():
        raise DataError("samples that are no finite numbers, or too large for a spectrum")
    return total / n_frames


def density_sum(samples: Samples, rate: float) -> tuple[npt.NDArray[np.float64], int]:
    """The sum of :func:`second_densities`, float64, shape (n_bins,), and how many seconds, overlapping by half, it is of.

    Seconds in which a sample is no finite number are left out: there may be none left.

    Raises DataError where there is less than a second.
    """
    frames = second_frames(rate)
    starts = np.arange(frames.number(len(samples))) * frames.step
    if samples.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(samples))
        starts = starts[np.searchsorted(bad, starts) == np.searchsorted(bad, starts + frames.nfft)]
    total = np.zeros(frames.nfft // 2 + 1)
    for _, power in frame_powers(samples, starts, rate, frames):
        total += power.sum(axis=0, dtype=np.float64)
    return total, len(starts)


def band_levels(
    density: Real, rate: float, bands: Bands, calibration: Calibration | None = None, per_hertz: bool = True
) -> npt.NDArray[np.float32]:
    """Levels in bands, float32, shape (..., n_bands), of densities as :func:`second_densities` has them, shape (..., n_bins).

    ``per_hertz``: mean spectral density levels [dB re 1 uPa**2/Hz], in which 1 Hz and hybrid millidecade bands are given;
    otherwise levels of the whole bands [dB re 1 uPa**2], usual for third octaves. Without ``calibration``: dB re 1 count**2.
    NaN where the sensitivity is not known in the whole band, minus infinity where there is no power.
    """
    resolution = rate / second_frames(rate).nfft
    if calibration is not None:
        sensitivity = calibration.at(np.arange(density.shape[-1], dtype=np.float64) * resolution)
        density = density * 10 ** (-sensitivity / 10)
    powers = band_powers(density, resolution, bands)
    if per_hertz:
        powers = powers / bands.width
    with np.errstate(divide="ignore"):
        return (10 * np.log10(powers)).astype(np.float32)


def level_percentiles(levels: Real, percents: Sequence[float]) -> npt.NDArray[np.float32]:
    """Percentiles over time: float32, shape (n_percents, n_bands), of levels [dB], shape (n_times, n_bands).

    The P-th percentile is the level below which P % of the values are, interpolated between two of them (what acousticians call
    the level that is exceeded for 100 - P % of the time). Levels that are no finite numbers, such as silence, are not counted;
    NaN where none is left.
    """
    found = np.full((len(percents), levels.shape[1]), np.nan, np.float32)
    for first in range(0, levels.shape[1], BANDS_AT_A_TIME):
        ordered = np.ascontiguousarray(levels[:, first : first + BANDS_AT_A_TIME].T, np.float32)
        ordered[~np.isfinite(ordered)] = np.nan
        ordered.sort(axis=1)  # what is not a number comes last
        number = np.isfinite(ordered).sum(axis=1)
        some = np.flatnonzero(number)
        position = np.asarray(percents, np.float64)[:, None] / 100 * (number[some] - 1)
        below = np.floor(position).astype(np.intp)
        low, high = ordered[some, below], ordered[some, np.minimum(below + 1, number[some] - 1)]
        found[:, first + some] = low + (position - below) * (high - low)
    return found


def mean_levels(levels: Real, weights: npt.NDArray[np.number]) -> npt.NDArray[np.float32]:
    """Levels of the mean power over time: float32, shape (n_bands,), of levels [dB], shape (n_times, n_bands).

    ``weights``: of the times, shape (n_times,), such as the seconds that each is a mean of. Levels that are NaN, where the
    sensitivity is not known, are not counted; minus infinity is no power. NaN where none is left.
    """
    found = np.full(levels.shape[1], np.nan, np.float32)
    weights = weights.astype(np.float64)
    for first in range(0, levels.shape[1], BANDS_AT_A_TIME):
        chosen = np.ascontiguousarray(levels[:, first : first + BANDS_AT_A_TIME].T, np.float32)
        unknown = np.isnan(chosen)
        chosen[unknown] = -np.inf
        largest = chosen.max(axis=1, initial=-np.inf, keepdims=True)
        largest[~np.isfinite(largest)] = 0
        chosen -= largest  # powers of up to one, whatever the unit
        chosen *= np.float32(math.log(10) / 10)
        counted = (~unknown).astype(np.float64) @ weights
        with np.errstate(divide="ignore", invalid="ignore"):
            means = np.exp(chosen, out=chosen) @ weights / counted
            found[first : first + len(means)] = largest[:, 0] + 10 * np.log10(means)
    return found
