"""From runs of samples to one trace a day on the common grid: detrended, tapered, filtered and resampled run by run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from seisbatch.process.decimate import decimator
from seisbatch.process.grid import HIGHEST_SHARE, Preprocessing, as_ratio
from seisbatch.process.response import ResponseCurve
from seisbatch.process.segments import ChannelDay, DataError, Run
from seisbatch.times import SECOND_NS

TAPER_SHARE = 0.05
TAPER_PERIODS = 2.0
"""The cosine taper at either end of a run: the shorter of this share of it and this many periods of ``freqmin``."""
SHORTEST_PERIODS = 2.0
"""A run shorter than this many periods of ``freqmin`` cannot be filtered: it counts as a gap."""
UPPER_FLANK = 1.25
LOWER_FLANK = 0.5
"""The band-pass is one over the band; its cosine flanks end at these multiples of ``freqmax`` and ``freqmin``."""
PAD_PERIODS = 4.0
"""Zeros after a run, in periods of ``freqmin``: what the filter rings on must not come round to the run's start."""
LEAST_SHARE = 0.1
"""A response above the band is divided by in full down to this share of its amplitude at the band's end."""
BINS_AT_A_TIME = 65_536

Real = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class DayTrace:
    """A channel-day at the sampling rate of the windows.

    ``samples`` shape (day_samples,), zero in gaps; ``covered`` bool, the same shape: recorded, not bridged, not dead.
    ``clock_seconds`` at the times ``clock_times`` [s after midnight] is by how much the recorder's time tags are ahead of the
    grid that its samples were put on.
    """

    samples: Real
    covered: npt.NDArray[np.bool_]
    clock_times: npt.NDArray[np.float64]
    clock_seconds: npt.NDArray[np.float64]


def day_trace(day: ChannelDay, params: Preprocessing, dtype: npt.DTypeLike = np.float32) -> DayTrace:
    """Put a channel-day on the grid of ``params.sampling_rate``, sample ``k`` at ``k / sampling_rate`` after midnight.

    Each run is, by itself, demeaned, detrended, tapered, band-passed without phase, shifted to the grid by phase and
    resampled by its spectrum. Nothing reaches across a gap. A rate far above the band is first decimated by a short filter,
    whose response is divided out of the spectrum again; so is the instrument's, where the run has one: the band-pass keeps
    its inverse within bounds.

    Raises DataError where the recorded rate is too low for the band, or where a response is zero or not finite in it.
    """
    if params.freqmax > HIGHEST_SHARE * day.rate:
        raise DataError(f"recorded at {day.rate:g} Hz, too low for --freqmax {params.freqmax:g}")
    samples = np.zeros(params.day_samples, dtype)
    covered = np.zeros(params.day_samples, bool)
    clock_times: list[npt.NDArray[np.float64]] = []
    clock_seconds: list[npt.NDArray[np.float64]] = []
    shortest = SHORTEST_PERIODS / params.freqmin * day.rate
    for run in day.runs:
        if len(run.samples) < shortest:
            continue
        ratio = as_ratio(params.sampling_rate, day.rate)
        after_midnight = (run.start_ns - day.day_ns) / SECOND_NS
        first = round(after_midnight * params.sampling_rate)
        values = _on_grid(run, day.rate, params, after_midnight - first / params.sampling_rate, dtype)
        begin, end = max(0, first), min(params.day_samples, first + len(values))
        samples[begin:end] = values[begin - first : end - first]
        covered[begin:end] = True
        for bridge_first, bridge_stop in (*run.filled, *_dead(run.samples, math.ceil(day.rate / params.freqmin))):
            one = max(0, first + math.floor(bridge_first * ratio))
            other = min(params.day_samples, first + math.ceil(bridge_stop * ratio))
            covered[one:other] = False
        grid_rate = params.sampling_rate / float(ratio)
        clock_times.append(after_midnight + run.clock_samples / day.rate)
        clock_seconds.append(run.clock_seconds + run.clock_samples * (1 / day.rate - 1 / grid_rate))
    if not clock_times:
        raise DataError(f"no run of samples is as long as {SHORTEST_PERIODS:g} periods of --freqmin {params.freqmin:g}")
    return DayTrace(samples, covered, np.concatenate(clock_times), np.concatenate(clock_seconds))


def _on_grid(run: Run, rate: float, params: Preprocessing, late: float, dtype: npt.DTypeLike) -> Real:
    """A run filtered and resampled; its first sample moves ``late`` seconds back, on to the grid."""
    high = min(UPPER_FLANK * params.freqmax, params.sampling_rate / 2, rate / 2)
    low = LOWER_FLANK * params.freqmin
    coarse = decimator(rate, high)
    samples = coarse.apply(run.samples, dtype)
    coarse_rate = rate / coarse.factor
    n_samples = len(samples)
    ratio = as_ratio(params.sampling_rate, rate) * coarse.factor
    padded = n_samples + math.ceil(PAD_PERIODS / params.freqmin * coarse_rate)
    blocks = int(fft.next_fast_len(-(-padded // ratio.denominator), real=True))
    length, out_length = blocks * ratio.denominator, blocks * ratio.numerator
    work = np.zeros(length, dtype)
    work[:n_samples] = samples
    del samples
    _detrend(work[:n_samples])
    _taper(work[:n_samples], min(TAPER_SHARE * n_samples, TAPER_PERIODS / params.freqmin * coarse_rate))
    spectrum = fft.rfft(work, overwrite_x=True)
    del work
    step = coarse_rate / length
    first, stop = math.ceil(low / step), min(math.floor(high / step) + 1, len(spectrum), out_length // 2 + 1)
    frequencies = np.arange(first, stop) * step
    weights = _band_pass(frequencies, low, params.freqmin, params.freqmax, high)
    weights *= out_length / length / coarse.response(frequencies)
    out = np.zeros(out_length // 2 + 1, spectrum.dtype)
    np.multiply(spectrum[first:stop], weights.astype(dtype), out=out[first:stop])
    del spectrum
    if run.curve is not None:
        _divide(out[first:stop], frequencies, run.curve, params.freqmax)
    if late:
        out[first:stop] *= np.exp(-2j * np.pi * late * frequencies).astype(out.dtype)
    n_out = math.ceil(len(run.samples) * as_ratio(params.sampling_rate, rate))
    resampled: Real = fft.irfft(out, out_length, overwrite_x=True)[:n_out]
    return resampled


def _divide(spectrum: npt.NDArray[np.complexfloating], frequencies: Real, curve: ResponseCurve, freqmax: float) -> None:
    """Divide a spectrum by a response, in place.

    Above ``freqmax`` the inverse is let grow to one over :data:`LEAST_SHARE` of what it is there and no further: a recorder's
    filters may leave nothing but rounding.
    """
    least = LEAST_SHARE * np.abs(curve.at(np.array([freqmax])))
    for low in range(0, len(spectrum), BINS_AT_A_TIME):
        part = slice(low, low + BINS_AT_A_TIME)
        response = curve.at(frequencies[part])
        amplitude = np.abs(response)
        np.maximum(amplitude, least, out=amplitude, where=frequencies[part] > freqmax)
        if not (amplitude.all() and np.isfinite(amplitude).all()):
            raise DataError(f"the response is zero or not finite between {frequencies[0]:g} and {freqmax:g} Hz")
        spectrum[part] *= (response.conj() / np.square(amplitude)).astype(spectrum.dtype)


def _dead(samples: npt.NDArray[np.generic], length: int) -> list[tuple[int, int]]:
    """Stretches of ``length`` samples, one period of ``freqmin``, in which every sample is the same: a dead recorder's."""
    n_blocks = len(samples) // length
    blocks = samples[: n_blocks * length].reshape(n_blocks, length)
    return [(int(n) * length, (int(n) + 1) * length) for n in np.flatnonzero(blocks.max(axis=1) == blocks.min(axis=1))]


def _detrend(samples: Real) -> None:
    """Take the straight line of least squares off, in place; its sums are float64."""
    n_samples = len(samples)
    from_middle = np.arange(n_samples) - (n_samples - 1) / 2
    values = samples.astype(np.float64)
    slope = from_middle @ values / (from_middle @ from_middle) if n_samples > 1 else 0.0
    values -= values.mean()
    from_middle *= slope
    values -= from_middle
    samples[:] = values


def _taper(samples: Real, width: float) -> None:
    """A half cosine over ``width`` samples at either end, in place."""
    n = int(width)
    if n:
        ramp = (0.5 * (1 - np.cos(np.pi * (np.arange(n) + 0.5) / n))).astype(samples.dtype)
        samples[:n] *= ramp
        samples[-n:] *= ramp[::-1]


def _band_pass(frequencies: Real, low: float, freqmin: float, freqmax: float, high: float) -> npt.NDArray[np.float64]:
    """One from ``freqmin`` to ``freqmax``, with half cosines down to ``low`` and ``high``."""
    up = np.clip((frequencies - low) / (freqmin - low), 0, 1)
    down = np.clip((high - frequencies) / (high - freqmax), 0, 1)
    weights: npt.NDArray[np.float64] = 0.25 * (1 - np.cos(np.pi * up)) * (1 - np.cos(np.pi * down))
    return weights
