"""What the steps share that make clips, pictures and levels of hydrophone recordings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisbatch.acquire.objects import StoreSettings
from seisbatch.names import Channel
from seisbatch.process.levels import Calibration
from seisbatch.process.picture import Look, Picture
from seisbatch.process.segments import Segment
from seisbatch.process.spectrogram import WHALEDR_S, Frames, whaledr_frames
from seisbatch.steps.batches import BatchSettings
from seisbatch.steps.stations import Stations

ONE_HERTZ = "one_hertz"
HYBRID_MILLIDECADE = "hybrid_millidecade"
THIRD_OCTAVE = "third_octave"
BAND_SETS = (ONE_HERTZ, HYBRID_MILLIDECADE, THIRD_OCTAVE)

PARQUET, TAR, OBJECTS = "parquet", "tar", "objects"
PLACES = (PARQUET, TAR, OBJECTS)

CLIPS, SHARDS, LEVELS, LONG_TERM = "clips", "shards", "levels", "long_term"
"""Folders of objects beside the tables: of clips, of shards that hold many, of days' netCDF files and of their pictures."""

UPA, COUNT = "1 uPa", "1 count"
"""What levels are relative to, where the sensitivity is known and where it is not."""

LEAVE_OUT, PAD = "leave_out", "pad"

SOUNDS = ("wav32", "wav16", "flac")

Labelled = Callable[[Channel, Segment, Frames, Look, Picture, npt.NDArray[np.uint8], str], bytes]
"""Draws a clip's picture with axes as a PNG file: the channel, the clip, how it was drawn, the picture, its colour table, and
what its levels are relative to."""
LongTermPicture = Callable[..., bytes]
"""Draws the long-term spectral average of a channel-day as a PNG file."""


LEAST_NFFT = 256
"""Of frames whose length is not given, in clips that are long enough for :data:`FRAMES_A_CLIP` of them side by side."""
FRAMES_A_CLIP = 8


def level_units(calibration: Calibration | None) -> str:
    """What levels are relative to, as tables have it."""
    return COUNT if calibration is None else UPA


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """How clips are drawn; what is None follows from the sampling rate.

    ``nfft``: 56 ms to the nearest power of two, at low rates more, up to 256; ``overlap``: that share of it, or such that
    there is a frame a pixel; ``low`` and ``high`` [Hz]: 0 and the Nyquist frequency. The rest is of
    :class:`~seisbatch.process.spectrogram.Frames` and :class:`~seisbatch.process.picture.Look`, ``decibels`` re 1 uPa where
    the sensitivity is one number. ``labelled`` draws with axes, for people.
    """

    nfft: int | None = None
    overlap: int | None = None
    overlap_share: float | None = None
    window: str = "hann"
    width: int = 512
    height: int = 512
    low: float | None = None
    high: float | None = None
    shades: tuple[float, float] = (0.5, 0.95)
    decibels: tuple[float, float] | None = None
    every_frame: bool = False
    pooling: str = "nearest"
    colours: str = "viridis"
    labelled: Labelled | None = None

    def of(self, rate: float, n_samples: int) -> tuple[Frames, Look]:
        """How a clip of ``n_samples`` at ``rate`` [Hz] is drawn; ValueError, naming the option, where that cannot be."""
        nfft = _usual_nfft(rate, n_samples) if self.nfft is None else self.nfft
        overlap = self.overlap
        if overlap is None and self.overlap_share is not None:
            overlap = int(nfft * self.overlap_share)
        elif overlap is None:
            overlap = nfft - max(1, min(n_samples // self.width, nfft // 2))
        frames = Frames(nfft, overlap, self.window)
        low = 0.0 if self.low is None else self.low
        high = rate / 2 if self.high is None else self.high
        look = Look(
            self.width, self.height, low, high, self.shades, self.decibels, self.every_frame, self.pooling
        )  # fmt: skip
        return frames, look


def _usual_nfft(rate: float, n_samples: int) -> int:
    """56 ms; where that is a few samples alone, of which no frequency can be told, more, so that a clip has some frames."""
    least = min(LEAST_NFFT, 1 << int(math.log2(max(4, n_samples // FRAMES_A_CLIP))))
    usual = whaledr_frames(rate).nfft if WHALEDR_S * rate >= least else least
    return max(usual, least)


@dataclass(frozen=True, kw_only=True)
class SoundSettings(BatchSettings):
    """Where hydrophone recordings are read, and what is made of them.

    ``clip_s`` and ``step_s`` [s]: a clip's length, and from one to the next on the UTC clock. ``gaps``: clips that touch one
    are left out, or padded with zeros. ``sound``: the files that clips become, one of :data:`SOUNDS`, or none; ``gain`` is what
    samples are multiplied by, None to the clip's peak. ``places``: where encoded clips go, some of :data:`PLACES`.
    ``band_sets``: levels of which bands are measured, some of :data:`BAND_SETS`. ``track``: of a file of several, from 1 on.

    ``calibration`` holds for all recordings; where it is None and ``stations`` are given, their responses tell it.
    """

    archive: StoreSettings
    ahead_bytes: int
    track: int
    clip_s: float
    step_s: float
    gaps: str
    sound: str | None
    gain: float | None
    picture: PictureSettings | None
    places: tuple[str, ...]
    band_sets: tuple[str, ...]
    calibration: Calibration | None
    stations: Stations | None
    long_term: LongTermPicture
