"""Samples as the whole numbers of a sound file: the gain stated, nothing scaled silently, and clipped samples counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seisbatch.process.segments import DataError

RATE_TOLERANCE = 1e-5
"""Sound files have whole rates only: one within this of a whole number, as a share, is that number."""


LEAST_PEAK = 16.0
"""Floats are often parts of 1, of which whole numbers make silence."""


@dataclass(frozen=True)
class Sound:
    """A file's bytes; ``gain``: what the samples were multiplied by; ``n_clipped``: how many did not fit and were clipped."""

    data: bytes
    gain: float
    n_clipped: int


def whole_rate(rate: float, kind: str, highest: int = 2**32 - 1) -> int:
    """The sampling rate [Hz] that a file of a ``kind`` states; DataError where it is no whole number, or above ``highest``."""
    whole = round(rate)
    if not 0 < whole <= highest or abs(rate - whole) > RATE_TOLERANCE * rate:
        raise DataError(f"a {kind} file has a whole sampling rate up to {highest} Hz, not {rate:g} Hz")
    return whole


def whole_numbers(samples: npt.NDArray[Any], bits: int, gain: float | None) -> tuple[npt.NDArray[Any], float, int]:
    """``samples`` times ``gain`` as signed whole numbers of ``bits``, the gain, and how many were clipped.

    ``samples`` int16, int32, float32 or float64, shape (n,); the numbers: int32, or int16 where the samples are and stay.
    ``gain`` 1: whole numbers stay as they are. Another number multiplies them. None: to the peak, so that the largest
    magnitude becomes the largest value of ``bits``, as ``obspy.Trace.normalize`` and the whaledr script have it; silence
    stays silence, of gain 1. Values are cut off towards zero, as there.

    Raises DataError for samples or a gain that are no finite numbers, and for floats of which so little is left as whole
    numbers that nobody would hear it: fewer than :data:`LEAST_PEAK` steps.
    """
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float64)
    if gain is None:
        peak = max(abs(float(samples.max())), abs(float(samples.min()))) if len(samples) else 0.0
        gain = highest / peak if peak else 1.0
        scaled = samples / (peak or 1.0) * highest
    else:
        scaled = samples if gain == 1 else samples * np.float64(gain)
    if not math.isfinite(gain) or not np.isfinite(scaled).all():
        raise DataError("samples or a gain that are no finite numbers")
    if samples.dtype.kind == "f" and 0 < (peak := float(np.abs(scaled).max(initial=0.0))) < LEAST_PEAK:
        raise DataError(
            f"floats of at most {peak:.3g} are silence as whole numbers: give --gain peak, or a number such as {highest}"
        )
    n_clipped = 0
    if scaled.dtype.kind == "f" or scaled.dtype.itemsize * 8 > bits:
        n_clipped = int(np.count_nonzero(scaled > highest) + np.count_nonzero(scaled < lowest))
        if n_clipped:
            scaled = np.clip(scaled, lowest, highest)
    return scaled if scaled.dtype == np.int16 else scaled.astype(np.int32, copy=False), gain, n_clipped
