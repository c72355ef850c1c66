"""wav files of one channel: 16- or 32-bit PCM, the gain stated."""

from __future__ import annotations

import io
import math
import wave
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

PCM: dict[int, np.dtype[np.signedinteger[Any]]] = {16: np.dtype("<i2"), 32: np.dtype("<i4")}
RATE_TOLERANCE = 1e-5
"""wav has whole rates only: one within this of a whole number, as a share, is that number."""


@dataclass(frozen=True)
class Wav:
    """A file's bytes; ``gain``: what the samples were multiplied by; ``n_clipped``: how many did not fit and were clipped."""

    data: bytes
    gain: float
    n_clipped: int


def wav_file(samples: npt.NDArray[Any], rate: float, bits: int = 32, gain: float | None = 1.0) -> Wav:
    """A wav file of ``samples``, int16, int32, float32 or float64, shape (n,), as ``bits`` 16 or 32.

    ``gain`` 1: whole numbers are written as they are. Another number multiplies them. None: to the peak, so that the largest
    magnitude becomes the largest value that the file can hold, as ``obspy.Trace.normalize`` and the whaledr script have it;
    silence stays silence, of gain 1. Values are cut off towards zero, as there. What does not fit is clipped, and counted.

    Raises ValueError for other bits, a rate that is no whole number, or samples or a gain that are no finite numbers.
    """
    if bits not in PCM:
        raise ValueError(f"{bits} bits: give {' or '.join(map(str, PCM))}")
    whole_rate = round(rate)
    if not 0 < whole_rate < 2**32 or abs(rate - whole_rate) > RATE_TOLERANCE * rate:
        raise ValueError(f"a wav file has a whole sampling rate, not {rate:g} Hz")
    kind = PCM[bits]
    limits = np.iinfo(kind)
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float64)
    n_clipped = 0
    if gain is None:
        peak = max(abs(float(samples.max())), abs(float(samples.min()))) if len(samples) else 0.0
        gain = limits.max / peak if peak else 1.0
        scaled = samples / (peak or 1.0) * limits.max
    else:
        scaled = samples if gain == 1 else samples * np.float64(gain)
    if not math.isfinite(gain) or not np.isfinite(scaled).all():
        raise ValueError("samples or a gain that are no finite numbers")
    if not np.can_cast(scaled.dtype, kind):
        n_clipped = int(np.count_nonzero(scaled > limits.max) + np.count_nonzero(scaled < limits.min))
        if n_clipped:
            scaled = np.clip(scaled, limits.min, limits.max)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(kind.itemsize)
        out.setframerate(whole_rate)
        out.writeframes(np.ascontiguousarray(scaled.astype(kind)).data)
    return Wav(file.getvalue(), gain, n_clipped)
