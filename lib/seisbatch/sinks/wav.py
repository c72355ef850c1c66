"""wav files of one channel: 16- or 32-bit PCM, or floats as they were recorded, the gain stated."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import wavfile

from seisbatch.process.segments import DataError
from seisbatch.sinks.pcm import Sound, whole_numbers, whole_rate

PCM: dict[int, np.dtype[np.signedinteger[Any]]] = {16: np.dtype("<i2"), 32: np.dtype("<i4")}


def wav_file(samples: npt.NDArray[Any], rate: float, bits: int = 32, gain: float | None = 1.0) -> Sound:
    """A wav file of ``samples``, int16, int32, float32 or float64, shape (n,), as ``bits`` 16 or 32.

    ``gain`` and what is clipped are those of :func:`~seisbatch.sinks.pcm.whole_numbers`; but floats, which are often parts of
    1, stay floats (float32) in a file of 32 bits where ``gain`` is 1: as whole numbers they would be silence.

    Raises ValueError for other bits, and DataError for a rate that is no whole number, for samples or a gain that are no
    finite numbers, and for floats that would be silence.
    """
    if bits not in PCM:
        raise ValueError(f"{bits} bits: give {' or '.join(map(str, PCM))}")
    stated_rate = whole_rate(rate, "wav")
    file = io.BytesIO()
    if bits == 32 and gain == 1 and samples.dtype.kind == "f":
        as_recorded = samples.astype("<f4", copy=False)
        if not np.isfinite(as_recorded).all():
            raise DataError("samples that are no finite numbers")
        wavfile.write(file, stated_rate, as_recorded)
        return Sound(file.getvalue(), gain, 0)
    whole, gain, n_clipped = whole_numbers(samples, bits, gain)
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(PCM[bits].itemsize)
        out.setframerate(stated_rate)
        out.writeframes(np.ascontiguousarray(whole.astype(PCM[bits], copy=False)).data)
    return Sound(file.getvalue(), gain, n_clipped)
