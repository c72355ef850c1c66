"""The pixels of a spectrogram's picture, from those frames and bins alone that reach one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisbatch.process.segments import DataError, Samples
from seisbatch.process.spectrogram import Frames, Power, frame_powers, nyquist_powers

POOLINGS = ("nearest", "mean")
SHADES = 256
"""Entries of the colour table."""
NO_POWER = np.float32(1e-37)


@dataclass(frozen=True)
class Look:
    """What a picture shows: ``width`` x ``height`` pixels from ``low`` to ``high`` [Hz], and how levels become colours.

    Levels from ``bottom`` to ``top`` [dB re 1 squared unit of the samples per Hz] get the colours from first to last; those
    beyond get the first, or the last. Without ``decibels`` = (bottom, top), ``shades`` states them as shares of the clip's own
    range, from the lowest level (0) to the highest (1) of every bin above zero up to the Nyquist frequency, not only of those
    shown: (0.5, 0.95) is the whaledr archive's. The range is that of the frames in the picture, and at the Nyquist frequency
    that of all frames; or, with ``every_frame``, that of all frames and bins, as there, which takes 20 times as long.

    ``pooling`` ``nearest``: a pixel is the bin nearest to its middle, of the frame nearest to it. ``mean``: the mean power of
    all bins and frames whose middles are in the pixel, or the nearest where there is none; frames of a small overlap do for it.

    Raises ValueError, naming the option, where values are none or do not go together.
    """

    width: int = 512
    height: int = 512
    low: float = 10.0
    high: float = 8000.0
    shades: tuple[float, float] = (0.5, 0.95)
    decibels: tuple[float, float] | None = None
    every_frame: bool = False
    pooling: str = "nearest"

    def __post_init__(self) -> None:
        if not (0 < self.width <= 65_535 and 0 < self.height <= 65_535):
            raise ValueError(f"--size {self.width}x{self.height}: give pixels from 1x1 to 65535x65535")
        if not 0 <= self.low < self.high < math.inf:
            raise ValueError(f"--frequencies {self.low:g},{self.high:g}: give two frequencies, the lower one first")
        if not 0 <= self.shades[0] < self.shades[1] <= 1:
            raise ValueError(
                f"--shades {self.shades[0]:g},{self.shades[1]:g}: give two shares from 0 to 1, the lower one first"
            )
        if self.decibels is not None and not -math.inf < self.decibels[0] < self.decibels[1] < math.inf:
            raise ValueError(f"--decibels {self.decibels[0]:g},{self.decibels[1]:g}: give two levels, the lower one first")
        if self.pooling not in POOLINGS:
            raise ValueError(f"--pooling {self.pooling}: give one of {', '.join(POOLINGS)}")


@dataclass(frozen=True, eq=False)
class Picture:
    """``indices`` into a colour table of 256 entries, uint8, shape (height, width): the first row is the highest frequency.

    ``bottom`` and ``top`` [dB]: where the first colour ends and the last begins; minus infinity for a clip without any power.
    """

    indices: npt.NDArray[np.uint8]
    bottom: float
    top: float


def draw(samples: Samples, rate: float, frames: Frames, look: Look) -> Picture:
    """The picture of a clip from its first sample's time to its last's, ``samples`` int32, float32 or float64, shape (n,).

    Compared with matplotlib's ``specgram``, ``imshow(interpolation="nearest")`` and ``savefig`` at the size of the figure: both
    take the frame and the bin under a pixel's middle, the level's colour is ``floor(256 * (level - bottom) / (top - bottom))``,
    and frames begin at the same samples, so that pixels agree where both took the same frame and bin. They differ thus:

    * Half a frame at each end of the clip has no frame of its own: the first and last are repeated here, there it is blank.
    * The whaledr script stretches its image by one bin and by one frame too much: its rows drift by a quarter of a bin up to 8
      of 32 kHz, where many of the highest are the next bin's. Without that, colours are equal but for one step here and there.
    * The range there is that of some 15,000 frames. Minima of noise are the deeper the more frames are looked at, by 20 to 40
      dB, most of all at the Nyquist frequency, whose bin has no phase and passes through zero; hence that bin is looked at in
      all frames here too, and ``bottom`` is commonly the same, or some dB higher. ``every_frame`` has the same range.
    * A bin without any power (digital silence) is not counted in the range; there it makes the picture blank.

    Raises DataError where the samples are fewer than a frame's, are no finite numbers, or do not reach the highest frequency.
    """
    if look.high > rate / 2:
        raise DataError(f"recorded at {rate:g} Hz: --frequencies {look.low:g},{look.high:g} reach above {rate / 2:g} Hz")
    taken, columns = _frames_of_columns(len(samples), frames, look)
    bins, rows = _bins_of_rows(rate, frames, look)
    shown = np.zeros((look.width, look.height), np.float32)
    levels = _Range()
    measured = look.decibels is None and not look.every_frame
    for first, power in frame_powers(samples, taken * frames.step, rate, frames, np.float32):
        if measured:
            levels.add(power[:, 1:])
        pooled = power[:, bins] if rows is None else power[:, bins] @ rows
        if columns is None:
            shown[first : first + len(power)] = pooled
        else:
            _add_columns(shown, columns[first : first + len(power)], pooled)
    if columns is not None:
        shown /= np.bincount(columns, minlength=look.width).astype(np.float32)[:, None]
    if measured and not levels.silence:
        nyquist = nyquist_powers(samples, rate, frames)
        if nyquist.all():  # frames that only touch a sound beside silence have any level
            levels.add(nyquist)
    elif look.every_frame and look.decibels is None:
        starts = np.arange(frames.number(len(samples))) * frames.step
        for _, power in frame_powers(samples, starts, rate, frames, np.float64):
            levels.add(power[:, 1:])
    if not np.isfinite(shown).all() or not levels.highest < math.inf:
        raise DataError("samples that are no finite numbers, or too large for a spectrogram")
    bottom, top = look.decibels or levels.part(look.shades)
    return Picture(_indices(shown, bottom, top), bottom, top)


class _Range:
    """The lowest and highest of densities, those of no power aside."""

    def __init__(self) -> None:
        self.lowest, self.highest, self.silence = math.inf, 0.0, False

    def add(self, power: Power) -> None:
        if not power.size:
            return
        lowest = power.min()
        if lowest <= 0:
            lowest = power.min(where=power > 0, initial=np.inf)
            self.silence = True
        self.lowest = min(self.lowest, float(lowest))
        self.highest = max(self.highest, float(power.max()))

    def part(self, shades: tuple[float, float]) -> tuple[float, float]:
        """The levels [dB] at two shares of the range."""
        if not self.highest > 0:
            return -math.inf, -math.inf
        lowest, highest = 10 * math.log10(self.lowest), 10 * math.log10(self.highest)
        return lowest + shades[0] * (highest - lowest), lowest + shades[1] * (highest - lowest)


def _frames_of_columns(n_samples: int, frames: Frames, look: Look) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp] | None]:
    """The frames to take, by number, and each one's column where columns take several."""
    last = frames.number(n_samples) - 1
    edges = (np.arange(look.width + 1) * (n_samples / look.width) - frames.nfft / 2) / frames.step
    nearest = np.clip(np.rint((edges[:-1] + edges[1:]) / 2), 0, last).astype(np.intp)
    if look.pooling == "nearest":
        return nearest, None
    begins, ends = _inside(edges, nearest, last)
    columns = np.repeat(np.arange(look.width), ends - begins)
    return np.concatenate([np.arange(begin, end) for begin, end in zip(begins, ends, strict=True)]), columns


def _bins_of_rows(rate: float, frames: Frames, look: Look) -> tuple[npt.NDArray[np.intp] | slice, Power | None]:
    """The bins to take, row by row from the highest frequency, or where rows are means, the bins and their weights.

    Weights: shape (n_bins, height). The bin of zero is never shown.
    """
    edges = np.linspace(look.low, look.high, look.height + 1) * (frames.nfft / rate)
    nearest = np.clip(np.rint((edges[:-1] + edges[1:]) / 2), 1, frames.nfft // 2).astype(np.intp)
    if look.pooling == "nearest":
        return nearest[::-1], None
    begins, ends = _inside(edges, nearest, frames.nfft // 2, first=1)
    weights = np.zeros((ends.max() - begins.min(), look.height), np.float32)
    for row, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        weights[begin - begins.min() : end - begins.min(), look.height - 1 - row] = 1 / (end - begin)
    return slice(int(begins.min()), int(ends.max())), weights


def _inside(
    edges: npt.NDArray[np.float64], nearest: npt.NDArray[np.intp], last: int, first: int = 0
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The whole numbers from one edge to below the next, half open; the nearest where there is none."""
    limits = np.clip(np.ceil(edges), first, last + 1).astype(np.intp)
    begins, ends = limits[:-1], limits[1:]
    some = ends > begins
    return np.where(some, begins, nearest), np.where(some, ends, nearest + 1)


def _add_columns(shown: Power, columns: npt.NDArray[np.intp], pooled: Power) -> None:
    """Add frames to their columns, which ascend."""
    changes = np.flatnonzero(np.diff(columns, prepend=-1))
    shown[columns[changes]] += np.add.reduceat(pooled, changes, axis=0)


def _indices(shown: Power, bottom: float, top: float) -> npt.NDArray[np.uint8]:
    """Densities, shape (width, height), as indices, shape (height, width)."""
    if not top > bottom:
        return np.zeros(shown.shape[::-1], np.uint8)
    levels = np.log10(np.maximum(shown, NO_POWER))
    per_decibel = SHADES / (top - bottom)
    levels *= np.float32(10 * per_decibel)
    levels -= np.float32(bottom * per_decibel)
    np.clip(levels, 0, SHADES - 1, out=levels)
    return np.ascontiguousarray(levels.astype(np.uint8).T)
