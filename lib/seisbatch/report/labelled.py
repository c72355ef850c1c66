"""Pictures of sound with axes, for people: a clip's spectrogram, and the long-term spectral average of a day or of a run."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from seisbatch.names import Channel
from seisbatch.process.picture import Look, Picture
from seisbatch.process.segments import Segment
from seisbatch.process.spectrogram import Frames
from seisbatch.report.long_term import long_term_image
from seisbatch.report.time_ticks import Ticks, time_ticks
from seisbatch.sinks.colours import colour_table

DOTS_AN_INCH = 100
LEFT, RIGHT, TOP, BOTTOM = 76, 96, 32, 54
"""Margins [dots] around the picture itself."""
BAR_OFFSET, BAR_WIDTH = 14, 14
TICK = 5
DOTS_A_MARK = 40
"""The least between two marks of a frequency or a level."""
LEAST_WIDTH, LEAST_HEIGHT = 400, 240
"""Smaller pictures are drawn with several dots a pixel."""
LONG_WIDTH, LONG_HEIGHT = 1000, 440
INK = "#1c2024"
KILOHERTZ_FROM = 2000.0
SHOWN_PERCENTILES = (1.0, 99.7)
"""Of the levels: the first and the last colour of a long-term average."""
MINUTE_NS = 60_000_000_000

Colours = npt.NDArray[np.uint8]
Marks = Sequence[tuple[float, str]]
"""Where on an axis, as a share of its length, and what is written there."""


def labelled_clip(
    name: Channel, clip: Segment, frames: Frames, look: Look, picture: Picture, colours: Colours, units: str
) -> bytes:
    """A clip's picture with axes, as a PNG file: UTC, frequency, and a bar of its colours' levels.

    ``colours`` uint8, shape (256, 3); ``units``: what levels are relative to, such as ``1 uPa``. The picture's own pixels stand
    in it as they are, small ones enlarged by a whole number. A clip without any power has no bar. The same clip gives the same
    bytes.
    """
    height, width = picture.indices.shape
    wide, high = -(-LEAST_WIDTH // width), -(-LEAST_HEIGHT // height)
    pixels = colours[picture.indices.repeat(high, axis=0).repeat(wide, axis=1)]
    ticks = time_ticks(clip.start_ns, clip.end_ns, pixels.shape[1])
    scale, unit = (1000.0, "kHz") if look.high >= KILOHERTZ_FROM else (1.0, "Hz")
    return _framed(
        pixels,
        colours,
        (picture.bottom, picture.top) if picture.top > picture.bottom else None,
        title=f"{name}   {ticks.label(clip.start_ns, whole=True)} UTC",
        below=f"time [UTC]; {frames.window} window of {frames.nfft} samples, {frames.overlap / frames.nfft:.1%} overlap",
        beside=f"frequency [{unit}]",
        bar=f"level [{decibels(units)}]",
        times=_time_marks(ticks, clip.start_ns, clip.end_ns),
        frequencies=_even_marks(look.low / scale, look.high / scale, pixels.shape[0]),
    )


def long_term_picture(
    minutes_ns: npt.NDArray[np.int64],
    levels: npt.NDArray[np.float32],
    lower: npt.NDArray[np.floating],
    upper: npt.NDArray[np.floating],
    units: str,
    title: str,
    *,
    row_ns: int | None = None,
) -> bytes:
    """The long-term spectral average of a day, or of a run, as a PNG file: time by frequency, which is logarithmic.

    ``minutes_ns`` int64, shape (n,) [ns since 1970, any order]: when each row of ``levels`` begins, float32, shape
    (n, n_bands) [dB re ``units`` squared per Hz]; ``lower`` and ``upper``, shape (n_bands,) [Hz]: the bands' edges, ascending.
    ``row_ns``: how long a row lasts; by default the shortest time between two, a minute where there is one.

    A dot is the mean power of what is in it, in time and in frequency. Where there is no row, or levels are NaN, it is blank;
    minus infinity (silence) has the lowest colour. The frequency axis begins at 10 Hz where bands reach 1 kHz, else with the
    first band above zero. The same levels give the same bytes.

    Raises ValueError where there is no row, or no band above zero.
    """
    order = np.argsort(minutes_ns, kind="stable")
    times = np.asarray(minutes_ns)[order]
    steps = np.diff(times)
    row_ns = row_ns or int(min(steps[steps > 0], default=MINUTE_NS))
    image, lowest, highest = long_term_image(
        times,
        np.asarray(levels, np.float32)[order],
        np.asarray(lower, np.float64),
        np.asarray(upper, np.float64),
        row_ns,
        LONG_WIDTH,
        LONG_HEIGHT,
    )
    finite = image[np.isfinite(image)]
    bottom, top = (float(level) for level in np.percentile(finite, SHOWN_PERCENTILES)) if finite.size else (0.0, 0.0)
    if top - bottom < 1:
        bottom, top = (bottom + top) / 2 - 0.5, (bottom + top) / 2 + 0.5
    colours = colour_table("viridis")
    some = ~np.isnan(image)
    pixels = np.full((*image.shape, 3), 255, np.uint8)
    pixels[some] = colours[np.clip((image[some] - bottom) * (256 / (top - bottom)), 0, 255).astype(np.uint8)]
    start, end = int(times[0]), int(times[-1]) + row_ns
    ticks = time_ticks(start, end, LONG_WIDTH)
    return _framed(
        pixels,
        colours,
        (bottom, top) if finite.size else None,
        title=title,
        below="time [UTC]" + (f", {ticks.day}" if ticks.day else ""),
        beside="frequency [Hz]",
        bar=f"level [{decibels(units)}]",
        times=_time_marks(ticks, start, end),
        frequencies=_log_marks(lowest, highest),
    )


def decibels(units: str, per: str = "/Hz") -> str:
    """The unit of levels, in words: of spectral density, or of power where nothing is ``per``.

    >>> decibels("1 uPa")
    'dB re 1 µPa²/Hz'
    """
    return f"dB re {units.replace('uPa', 'µPa')}²{per}"


def _framed(
    pixels: Colours,
    colours: Colours,
    range_db: tuple[float, float] | None,
    *,
    title: str,
    below: str,
    beside: str,
    bar: str,
    times: Marks,
    frequencies: Marks,
) -> bytes:
    """A PNG file of an image, uint8, shape (height, width, 3), dot for dot, in a frame with marks, and a bar of its colours.

    matplotlib's axes take five times as long as what is drawn here of lines and of words.
    """
    height, width = pixels.shape[:2]
    whole = np.array((LEFT + width + RIGHT, TOP + height + BOTTOM))
    figure = Figure(figsize=tuple(whole / DOTS_AN_INCH), dpi=DOTS_AN_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    lines: list[list[tuple[float, float]]] = []

    def write(x: float, y: float, text: str, horizontal: str, vertical: str, rotation: float = 0) -> None:
        figure.text(x / whole[0], y / whole[1], text, ha=horizontal, va=vertical, color=INK, fontsize=9, rotation=rotation)

    def frame(left: int, n_dots: int, image: Colours) -> int:
        figure.figimage(image, left, BOTTOM, origin="upper")  # images of axes would be resampled
        right, top = left + n_dots, BOTTOM + height
        lines.append([(left, BOTTOM), (right, BOTTOM), (right, top), (left, top), (left, BOTTOM)])
        return right

    right = frame(LEFT, width, pixels)
    for share, text in times:
        x = LEFT + share * width
        lines.append([(x, BOTTOM), (x, BOTTOM - TICK)])
        write(x, BOTTOM - TICK - 3, text, "center", "top")
    for share, text in frequencies:
        y = BOTTOM + share * height
        lines.append([(LEFT, y), (LEFT - TICK, y)])
        write(LEFT - TICK - 3, y, text, "right", "center_baseline")
    write(LEFT + width / 2, 8, below, "center", "bottom")
    write(14, BOTTOM + height / 2, beside, "center", "center", rotation=90)
    write(LEFT, whole[1] - 10, title, "left", "top")
    if range_db is not None:
        shades = colours[np.arange(height)[::-1] * 256 // height]
        right = frame(right + BAR_OFFSET, BAR_WIDTH, np.repeat(shades[:, None], BAR_WIDTH, axis=1))
        for share, text in _even_marks(*range_db, height):
            y = BOTTOM + share * height
            lines.append([(right, y), (right + TICK, y)])
            write(right + TICK + 3, y, text, "left", "center_baseline")
        write(whole[0] - 14, BOTTOM + height / 2, bar, "center", "center", rotation=90)
    figure.add_artist(LineCollection([np.array(line) / whole for line in lines], colors=INK, linewidths=0.7))
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 1})
    return out.getvalue()


def _time_marks(ticks: Ticks, start_ns: int, end_ns: int) -> Marks:
    return [(max(0, at - start_ns) / (end_ns - start_ns), ticks.label(at)) for at in ticks.at_ns]


def _even_marks(low: float, high: float, n_dots: int) -> Marks:
    at = MaxNLocator(nbins=max(2, min(10, n_dots // DOTS_A_MARK)), steps=(1, 2, 2.5, 5, 10)).tick_values(low, high)
    return [((value - low) / (high - low), f"{value:,.10g}") for value in at if low <= value <= high]


def _log_marks(low: float, high: float) -> Marks:
    subs = (1.0, 2.0, 5.0) if high / low < 1e5 else (1.0,)
    at = LogLocator(subs=subs).tick_values(low, high)
    within = [value for value in at if low * 0.9999 <= value <= high * 1.0001]
    if len(within) < 2:  # less than an octave
        within = [value for value in MaxNLocator(5).tick_values(low, high) if low <= value <= high]
    return [(float(np.log(value / low) / np.log(high / low)), f"{value:,.10g}") for value in within]
