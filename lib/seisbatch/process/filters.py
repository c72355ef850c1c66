"""Butterworth filters and a notch as second-order sections, without phase or causal, as ``obspy.signal.filter`` has them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from seisbatch.process.segments import DataError, Samples

MAX_CORNERS = 10
SAMPLES_AT_A_TIME = 65_536
"""Samples filtered at a time: their float64 copy fits the cache, and no other is held."""

Real = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Filters:
    """Filters that follow each other. Corners [Hz]; ``corners`` is the order of the Butterworth filters.

    ``zero_phase``: forward, then backward over the samples, which doubles the attenuation. ``notch_quality`` is the notch's
    frequency over its width at -3 dB of one pass.

    Raises ValueError, naming the option, where values are none or do not go together.
    """

    bandpass: tuple[float, float] | None = None
    highpass: float | None = None
    lowpass: float | None = None
    notch: float | None = None
    notch_quality: float = 30.0
    corners: int = 4
    zero_phase: bool = True

    def __post_init__(self) -> None:
        if self.bandpass is not None:
            low, high = self.bandpass
            if not 0 < low < high < math.inf:
                raise ValueError(f"--bandpass {low:g},{high:g}: give two frequencies above 0, the lower one first")
        for option, frequency in (("highpass", self.highpass), ("lowpass", self.lowpass), ("notch", self.notch)):
            if frequency is not None and not 0 < frequency < math.inf:
                raise ValueError(f"--{option} {frequency:g}: give a frequency above 0")
        if self.highpass is not None and self.lowpass is not None and self.highpass >= self.lowpass:
            raise ValueError(f"--highpass {self.highpass:g} must be below --lowpass {self.lowpass:g}: nothing would pass")
        if not 0 < self.notch_quality < math.inf:
            raise ValueError(f"--notch-quality {self.notch_quality:g}: give a number above 0")
        if not 1 <= self.corners <= MAX_CORNERS:
            raise ValueError(f"--corners {self.corners}: give a number from 1 to {MAX_CORNERS}")

    @property
    def is_none(self) -> bool:
        """Whether nothing is filtered."""
        return not self._frequencies

    @property
    def _frequencies(self) -> list[tuple[str, float]]:
        """Each frequency with its option."""
        named = [("bandpass", corner) for corner in self.bandpass or ()]
        single = {"highpass": self.highpass, "lowpass": self.lowpass, "notch": self.notch}
        return named + [(option, corner) for option, corner in single.items() if corner is not None]

    def sections(self, rate: float) -> npt.NDArray[np.float64]:
        """All filters at a sampling rate [Hz] as second-order sections, shape (n_sections, 6).

        Raises DataError where a frequency is not below half the rate.
        """
        for option, frequency in self._frequencies:
            if frequency >= rate / 2:
                raise DataError(f"recorded at {rate:g} Hz: --{option} {frequency:g} is not below {rate / 2:g} Hz")
        return _sections(self, rate)


@functools.lru_cache(maxsize=64)
def _sections(filters: Filters, rate: float) -> npt.NDArray[np.float64]:
    butter = functools.partial(signal.butter, filters.corners, fs=rate, output="sos")
    found = []
    if filters.bandpass is not None:
        found.append(butter(filters.bandpass, btype="bandpass"))
    if filters.highpass is not None:
        found.append(butter(filters.highpass, btype="highpass"))
    if filters.lowpass is not None:
        found.append(butter(filters.lowpass, btype="lowpass"))
    if filters.notch is not None:
        found.append(signal.tf2sos(*signal.iirnotch(filters.notch, filters.notch_quality, fs=rate)))
    return np.concatenate(found)


def apply_filters(samples: Samples, rate: float, filters: Filters) -> Real:
    """The filtered samples, shape (n,), float32 or float64 as they came (int32: float64); as they are where there is no filter.

    Before the first and after the last sample there is rest, as in ``obspy.signal.filter``: with ``zero_phase`` the samples
    are run through ``scipy.signal.sosfilt`` forward and backward from zero, not continued by an odd extension as by
    ``sosfiltfilt``. Ground motion is tapered at its ends, where both agree.

    Sums are float64 for float32 samples too: sections of a low corner at a high rate need it. One array of the samples' size
    is held beside the samples.

    Raises DataError where a corner is not below the Nyquist frequency.
    """
    if filters.is_none:
        return samples
    sections = filters.sections(rate)
    out = np.empty(len(samples), np.result_type(samples, np.float32))
    _run_through(sections, samples, out)
    if filters.zero_phase:
        _run_through(sections, out[::-1], out[::-1])
    return out


def _run_through(sections: npt.NDArray[np.float64], samples: Samples, out: Real) -> None:
    """Filter from zero, chunk by chunk; ``out`` may be ``samples``."""
    state = np.zeros((len(sections), 2))
    for first in range(0, len(samples), SAMPLES_AT_A_TIME):
        chunk = slice(first, first + SAMPLES_AT_A_TIME)
        out[chunk], state = signal.sosfilt(sections, samples[chunk].astype(np.float64), zi=state)
