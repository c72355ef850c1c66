"""Pictures with axes: the data's own pixels in their frame, and the long-term average where its time and frequency are."""

from __future__ import annotations

import datetime as dt
import io

import numpy as np
import pytest
from matplotlib import image
from seisbatch.names import Channel
from seisbatch.process.bands import hybrid_millidecade_bands
from seisbatch.process.picture import Look, Picture, draw
from seisbatch.process.segments import Segment
from seisbatch.process.spectrogram import Frames
from seisbatch.report.labelled import BOTTOM, LEFT, RIGHT, TOP, labelled_clip, long_term_picture
from seisbatch.report.time_ticks import time_ticks
from seisbatch.sinks.colours import colour_table

NAME = Channel("XX", "HYD", "", "YDH")
RATE = 8000.0
START = int(dt.datetime(2024, 1, 31, tzinfo=dt.UTC).timestamp()) * 10**9
MINUTE = 60 * 10**9


def inside(png: bytes) -> np.ndarray:
    """What stands in the frame, without the line around it."""
    whole = (255 * image.imread(io.BytesIO(png), format="png")[..., :3]).round().astype(np.uint8)
    return whole[TOP + 1 : -BOTTOM - 1, LEFT + 1 : -RIGHT - 1]


def clip(samples: np.ndarray, look: Look) -> tuple[bytes, Picture]:
    frames = Frames(512, 256)
    picture = draw(samples, RATE, frames, look)
    return labelled_clip(NAME, Segment(START, RATE, samples), frames, look, picture, colour_table("magma"), "1 uPa"), picture


@pytest.mark.parametrize(("size", "times"), [((512, 300), (1, 1)), ((200, 100), (2, 3))])
def test_a_labelled_clip_has_the_picture_s_own_pixels(size, times):
    samples = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    png, picture = clip(samples, Look(*size, 0, 4000))
    shown = colour_table("magma")[picture.indices].repeat(times[0], axis=1).repeat(times[1], axis=0)
    np.testing.assert_array_equal(inside(png), shown[1:-1, 1:-1])
    assert clip(samples, Look(*size, 0, 4000))[0] == png
    assert b"tEXt" not in png and b"tIME" not in png  # noqa: PT018


def test_a_silent_clip_is_drawn_too():
    png, picture = clip(np.zeros(8000, np.int32), Look(512, 300, 0, 4000))
    assert picture.bottom == -np.inf
    assert (inside(png) == colour_table("magma")[0]).all()


def long_term(levels: np.ndarray, bands, minutes=None, **more) -> np.ndarray:
    minutes = np.arange(len(levels)) * MINUTE if minutes is None else minutes
    return inside(long_term_picture(START + minutes, levels, bands.lower, bands.upper, "1 uPa", "title", **more))


def frequency(row: int, height: int, highest: float, lowest: float = 10.0) -> float:
    """The frequency of a row's middle: rows are evenly spaced in its logarithm."""
    return highest * (lowest / highest) ** ((row + 1.5) / (height + 2))


@pytest.mark.parametrize("tone", [25.0, 440.0, 3000.0])
@pytest.mark.parametrize("n_minutes", [1, 300, 3000])
def test_a_tone_is_at_its_frequency(tone, n_minutes):
    bands = hybrid_millidecade_bands(RATE)
    levels = np.full((n_minutes, len(bands)), 60, np.float32)
    levels[:, np.searchsorted(bands.upper, tone)] = 90
    shown = long_term(levels, bands)
    brightest = shown.astype(int).sum(axis=2).argmax(axis=0)
    assert (brightest == brightest[0]).all()
    nearby = frequency(brightest[0], len(shown), RATE / 2)
    assert nearby == pytest.approx(tone, abs=max(0.6, 0.015 * tone))


def test_minutes_that_are_missing_are_blank_and_silence_is_not():
    bands = hybrid_millidecade_bands(RATE)
    levels = np.random.default_rng(0).normal(60, 5, (100, len(bands))).astype(np.float32)
    levels[80:90] = -np.inf
    levels[90:] = np.nan
    minutes = np.r_[0:50, 150:200] * MINUTE
    order = np.random.default_rng(1).permutation(100)
    blank = (long_term(levels[order], bands, minutes[order]) == 255).all(axis=2)
    assert (blank.all(axis=0) | ~blank.any(axis=0)).all()
    middles = (np.arange(blank.shape[1]) + 1.5) / (blank.shape[1] + 2) * 200
    there = (middles < 50) | ((middles > 150) & (middles < 190))
    assert (blank[0] == ~there).mean() > 0.995
    silent = long_term(levels[order], bands, minutes[order])[:, (middles > 181) & (middles < 189)]
    assert (silent == colour_table("viridis")[0]).all()


def test_a_dot_is_the_mean_power_of_its_minutes():
    bands = hybrid_millidecade_bands(RATE)
    levels = np.full((4000, len(bands)), 60, np.float32)
    levels[:2000:4] = 70  # one dot has four minutes: 10 log10((3 * 1e6 + 1e7) / 4), 5.1 dB above the others
    levels[2000:3000] += 5.12
    shown = long_term(levels, bands)
    assert np.abs(shown[100, 10:490].astype(int) - shown[100, 600]).max() <= 3


def test_there_is_nothing_to_draw():
    bands = hybrid_millidecade_bands(RATE)
    with pytest.raises(ValueError, match="no minutes"):
        long_term(np.zeros((0, len(bands)), np.float32), bands)
    assert (long_term(np.full((3, len(bands)), np.nan, np.float32), bands) == 255).all()


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0.01, ["00:00:00.000", "00:00:00.002", "00:00:00.004"]),
        (5, ["00:00:00", "00:00:01", "00:00:02"]),
        (3600, ["00:00", "00:10", "00:20"]),
        (86_400, ["00:00", "03:00", "06:00"]),
        (3 * 86_400, ["01-31", "12:00", "02-01"]),
        (366 * 86_400, ["2024-03", "2024-05", "2024-07"]),
        (6000 * 86_400, ["2026-01", "2028-01", "2030-01"]),
    ],
)
def test_times_are_marked_where_a_clock_or_calendar_has_them(seconds, labels):
    ticks = time_ticks(START, START + round(seconds * 1e9), 800)
    assert [ticks.label(at) for at in ticks.at_ns[:3]] == labels
    assert len(ticks.at_ns) <= 11
