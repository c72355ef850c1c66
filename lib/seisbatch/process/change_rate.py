"""Samples at a lower rate: a rational ratio of rates, by filters of finite length that keep tones' amplitude and phase."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
from scipy import signal

from seisbatch.process.decimate import decimator
from seisbatch.process.grid import as_ratio
from seisbatch.process.segments import DataError, Samples

PASSED_SHARE = 0.8
"""Up to this share of the new Nyquist frequency tones are kept; from the new Nyquist frequency on they are suppressed."""
STOP_DECIBELS = 100.0
"""By how much they are suppressed; what is kept is true to the same measure."""
REACH = 36
"""How far the filters reach to either side at most, in samples of the new rate."""

Real = npt.NDArray[np.floating]


def decimate(samples: Samples, rate: float, to_rate: float) -> Real:
    """Samples at ``to_rate`` [Hz], float32 or float64 as they came (float64 of int32), shape (ceil(n * to_rate / rate),).

    Output ``i`` stands ``i / to_rate`` after the first input. Tones below ``PASSED_SHARE`` of the new Nyquist frequency keep
    their amplitude to 0.01 % and their phase, those from that frequency on are suppressed by some ``STOP_DECIBELS``. Before the
    first and after the last sample these are repeated: an offset makes no step; what is nearer than ``REACH / to_rate``
    seconds to an end is partly of such samples.

    A far lower rate is reached in two stages: a short filter and a whole factor first, then the steep filter (Kaiser's design,
    polyphase) at a rate near the new one. The samples themselves are returned where the rates are one (see ``as_ratio``).

    Raises DataError where ``to_rate`` is above the rate, or less than a ten-thousandth of it.
    """
    ratio = as_ratio(to_rate, rate)
    if ratio > 1:
        raise DataError(f"recorded at {rate:g} Hz, below --sampling-rate {to_rate:g}")
    if not ratio:
        raise DataError(f"recorded at {rate:g} Hz: --sampling-rate {to_rate:g} is less than a ten-thousandth of it")
    if ratio == 1 or not len(samples):
        return samples
    coarse = decimator(rate, to_rate / 2)
    left = ratio * coarse.factor
    # The filters see samples less the first one: their gain at zero is 1 only to their own measure, and offsets may be large.
    from_first = coarse.apply(samples, np.result_type(samples, np.float32))
    taps = _taps(left.numerator, left.denominator).astype(from_first.dtype)
    out: Real = signal.resample_poly(from_first, left.numerator, left.denominator, window=taps, padtype="edge")
    out = out[: math.ceil(len(samples) * ratio)]
    out += samples[0]
    return out


@functools.lru_cache(maxsize=64)
def _taps(up: int, down: int) -> npt.NDArray[np.float64]:
    """A symmetric low-pass at ``up`` times the rate that is to be divided by ``down``."""
    nyquist = 1 / down  # in units of half the rate that the filter runs at
    n_taps, beta = signal.kaiserord(STOP_DECIBELS, (1 - PASSED_SHARE) * nyquist)
    taps: npt.NDArray[np.float64] = signal.firwin(n_taps | 1, (1 + PASSED_SHARE) / 2 * nyquist, window=("kaiser", beta))
    return taps
