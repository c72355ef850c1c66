"""FLAC files of one channel: 16- or 24-bit PCM without loss, the gain stated."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from seisbatch.process.segments import DataError
from seisbatch.sinks.pcm import Sound, whole_numbers, whole_rate

BITS = 24
"""The most that libsndfile writes: FLAC of 32 bits is younger, and most readers do not know it."""
HIGHEST_RATE, HIGHEST_ODD_RATE = 655_350, 65_535
"""The highest rate [Hz] that a FLAC frame's head can tell, and the highest that need not be a multiple of ten (RFC 9639)."""
LEVEL = 0.0
"""The fastest: the slowest that is still fast makes files of noise smaller by 1 % alone."""


def flac_file(samples: npt.NDArray[Any], rate: float, gain: float | None = 1.0) -> Sound:
    """A FLAC file of ``samples``, int16, int32, float32 or float64, shape (n,): of 16 bits where all fit, else of 24.

    ``gain`` and what is clipped, such as whole numbers beyond 24 bits, are those of
    :func:`~seisbatch.sinks.pcm.whole_numbers`. Raises DataError for a rate that FLAC cannot state, no samples, or
    samples or a gain that are no finite numbers.
    """
    stated_rate = whole_rate(rate, "FLAC", HIGHEST_RATE)
    if stated_rate > HIGHEST_ODD_RATE and stated_rate % 10:
        raise DataError(f"a FLAC file has a sampling rate that is a multiple of 10 Hz above 65 kHz, not {rate:g} Hz")
    if not len(samples):
        raise DataError("a FLAC file of no samples cannot be read")
    whole, gain, n_clipped = whole_numbers(samples, BITS, gain)
    limits = np.iinfo(np.int16)
    if whole.min() >= limits.min and whole.max() <= limits.max:
        whole, subtype = whole.astype(np.int16, copy=False), "PCM_16"
    else:
        whole, subtype = whole << 8, "PCM_24"  # libsndfile takes the upper 24 of 32 bits
    file = io.BytesIO()
    soundfile.write(file, whole, stated_rate, subtype, format="FLAC", compression_level=LEVEL)
    return Sound(file.getvalue(), gain, n_clipped)
