"""From a channel-day to the band spectra of its windows: the one preprocessing transform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from seisbatch.process.grid import Preprocessing
from seisbatch.process.normalise import floored, normalise_time, smoothed, whiten
from seisbatch.process.resample import DayTrace, day_trace
from seisbatch.process.segments import ChannelDay, DataError

BATCH_BYTES = 32_000_000

Spectra = npt.NDArray[np.complexfloating]


@dataclass(frozen=True, eq=False)
class WindowSpectra:
    """Band spectra of a channel-day's windows.

    ``spectra`` complex, shape (n_windows, n_bins), zero for windows that are not ``valid`` (bool, n_windows).
    ``source_spectra``: the same divided by the smoothed power, for deconvolution by this channel; else None.
    ``coverage`` float32 (n_windows): recorded share of each window. ``rejected``: windows left out, by reason.
    """

    spectra: Spectra
    source_spectra: Spectra | None
    valid: npt.NDArray[np.bool_]
    coverage: npt.NDArray[np.float32]
    rejected: Mapping[str, int]


def window_spectra(day: ChannelDay, params: Preprocessing, dtype: npt.DTypeLike = np.float32) -> WindowSpectra:
    """Preprocess a channel-day and transform its windows; only the bins of the band are kept.

    A window is left out where less than ``min_coverage`` of it was recorded, where its peak exceeds ``max_over_std`` standard
    deviations of the day's recorded samples. ``dtype`` float32 serves; float64 is for comparison.

    Raises DataError where the channel is flat or too large for the precision, where the band is not recorded, or where no
    window is left.
    """
    if all(np.ptp(run.samples) == 0 for run in day.runs):
        raise DataError(f"flat: every sample is {day.runs[0].samples[0]}")
    trace = day_trace(day, params, dtype)
    if not np.isfinite(trace.samples).all():
        raise DataError("samples too large to be filtered")
    std = float(np.sqrt(np.mean(np.square(trace.samples[trace.covered], dtype=np.float64)))) if trace.covered.any() else 0.0
    coverage, rejected, valid = _judge(trace, params, std)
    if not valid.any():
        told = ", ".join(f"{number} for {reason}" for reason, number in rejected.items() if number)
        raise DataError(f"no window is left of {params.n_windows}: {told}")
    samples = normalise_time(trace.samples, trace.covered, params.time_norm, params.sampling_rate / (2 * params.freqmin), std)
    complex_type = np.result_type(samples.dtype, np.complex64)
    spectra = np.zeros((params.n_windows, params.n_bins), complex_type)
    source_spectra = np.zeros_like(spectra) if params.method == "deconvolution" else None
    windows = _windows(samples, params)
    numbers = np.flatnonzero(valid)
    batch = max(1, BATCH_BYTES // (params.nfft * samples.itemsize))
    weights = params.band_weights.astype(samples.dtype)
    for first in range(0, len(numbers), batch):
        chosen = numbers[first : first + batch]
        band = _band(windows[chosen], params)
        band *= _clock_phase(trace, params, chosen).astype(complex_type)
        if source_spectra is None:
            spectra[chosen] = band * weights
        else:
            spectra[chosen] = band * weights
            power = floored(smoothed(np.square(np.abs(band)), params.smooth_bins))
            source_spectra[chosen] = band * weights / power
    return WindowSpectra(spectra, source_spectra, valid, coverage, rejected)


def _windows(samples: npt.NDArray[np.generic], params: Preprocessing) -> npt.NDArray[np.generic]:
    """A view of the windows, shape (n_windows, window_samples)."""
    return np.lib.stride_tricks.sliding_window_view(samples, params.window_samples)[:: params.step_samples]


def _judge(
    trace: DayTrace, params: Preprocessing, std: float
) -> tuple[npt.NDArray[np.float32], dict[str, int], npt.NDArray[np.bool_]]:
    """Coverage of every window, how many are left out for which reason, and which are valid."""
    starts = np.arange(params.n_windows) * params.step_samples
    recorded = np.concatenate(([0], np.cumsum(trace.covered)))
    coverage = (recorded[starts + params.window_samples] - recorded[starts]) / params.window_samples
    covered = coverage >= params.min_coverage - 1e-9
    calm = np.ones(params.n_windows, bool)
    if params.max_over_std:
        loud = np.concatenate(([0], np.cumsum(np.abs(trace.samples) > params.max_over_std * std)))
        calm = loud[starts + params.window_samples] == loud[starts]
    rejected = {
        "coverage": int((~covered).sum()),
        "amplitude": int((covered & ~calm).sum()),
    }
    return coverage.astype(np.float32), rejected, covered & calm


def _band(windows: npt.NDArray[np.generic], params: Preprocessing) -> Spectra:
    """Spectra of windows, whitened, in the band; running means reach beyond its edges."""
    margin = params.smooth_bins if params.whitening == "rma" or params.method != "cross_correlation" else 0
    low = max(0, params.first_bin - margin)
    high = min(params.nfft // 2 + 1, params.first_bin + params.n_bins + margin)
    spectra = whiten(fft.rfft(windows, params.nfft, axis=-1)[:, low:high], params.whitening, params.smooth_bins)
    if params.method == "coherency":
        spectra = spectra / floored(smoothed(np.abs(spectra), params.smooth_bins))
    return spectra[:, params.first_bin - low : params.first_bin - low + params.n_bins]


def _clock_phase(trace: DayTrace, params: Preprocessing, windows: npt.NDArray[np.intp]) -> npt.NDArray[np.complex128]:
    """What the clock's error at each window's centre does to its phase, taken back."""
    centres = windows * params.cc_step + params.cc_len / 2
    seconds = np.interp(centres, trace.clock_times, trace.clock_seconds)
    if not seconds.any():
        return np.ones((1, 1), np.complex128)
    phase: npt.NDArray[np.complex128] = np.exp(-2j * np.pi * seconds[:, None] * params.frequencies)
    return phase
