"""A minute of a hydrophone's recording to its row of levels: mean power of the minute's seconds, in bands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from seisbatch.names import Channel
from seisbatch.process.bands import Bands, hybrid_millidecade_bands, one_hertz_bands, third_octave_bands
from seisbatch.process.clock import ClockWindow, edge_of
from seisbatch.process.levels import Calibration, band_levels, density_sum, second_frames
from seisbatch.process.segments import Segment
from seisbatch.steps.sound_settings import HYBRID_MILLIDECADE, ONE_HERTZ, THIRD_OCTAVE, SoundSettings, level_units
from seisbatch.times import SECOND_NS, to_datetime

Row = dict[str, Any]

MINUTE_NS = 60 * SECOND_NS
BANDS = {ONE_HERTZ: one_hertz_bands, HYBRID_MILLIDECADE: hybrid_millidecade_bands, THIRD_OCTAVE: third_octave_bands}
LOWEST_RATE = 3.5
"""[Hz] Below, a second has fewer than the four samples of the shortest spectrum."""
ONE_HERTZ_STEP = 1 / 64
"""[dB] To which levels in bands of 1 Hz are rounded: a hundredth of what a minute's level is uncertain by, and it lets the
32,001 numbers of a minute at 64 kHz be compressed."""


def bands_of(band_set: str, rate: float) -> Bands:
    """The bands of one of ``BAND_SETS`` at a sampling rate [Hz]; none where all of them are beyond the Nyquist frequency."""
    return BANDS[band_set](rate)


def minute_row(
    settings: SoundSettings, name: Channel, window: ClockWindow, rate: float, calibration: Calibration | None
) -> Row | None:
    """A row of ``PSD``: levels of the mean power of the seconds that lie whole in the minute's gap-free pieces.

    Seconds overlap by half, each with a Hann window and without its mean (Welch). ``rate``: the channel's nominal rate [Hz].
    A second with a sample that is no finite number is left out, as ``frames`` tells. None where no second is whole, or there
    are fewer than four samples in one.
    """
    if rate < LOWEST_RATE:
        return None
    shortest = second_frames(rate).nfft
    total: npt.NDArray[np.float64] | float = 0.0
    n_frames = n_samples = 0
    for piece in (_in_minute(piece, window.clock_ns) for piece in window.pieces):
        n_samples += len(piece.samples)
        if len(piece.samples) >= shortest:
            of_piece, number = density_sum(piece.samples, rate)
            total, n_frames = total + of_piece, n_frames + number
    if not n_frames:
        return None
    density = np.asarray(total) / n_frames
    levels = {
        band_set: band_levels(density, rate, bands_of(band_set, rate), calibration, per_hertz=band_set != THIRD_OCTAVE)
        for band_set in settings.band_sets
    }
    if ONE_HERTZ in levels:
        levels[ONE_HERTZ] = np.rint(levels[ONE_HERTZ] / ONE_HERTZ_STEP) * np.float32(ONE_HERTZ_STEP)
    return {**name._asdict(), "starttime": to_datetime(window.clock_ns), "sampling_rate": rate, "seconds": n_samples / rate,
            "frames": n_frames, "units": level_units(calibration), **levels,
            "parameters_id": settings.parameters_id}  # fmt: skip


def _in_minute(piece: Segment, clock_ns: int) -> Segment:
    """What of a piece lies in the minute, its end not included."""
    first, stop = (
        math.ceil((instant_ns - piece.start_ns) * piece.rate / SECOND_NS - edge_of(piece.rate))
        for instant_ns in (clock_ns, clock_ns + MINUTE_NS)
    )
    first = min(max(0, first), len(piece.samples))
    return piece.part(first, min(max(first, stop), len(piece.samples)))
