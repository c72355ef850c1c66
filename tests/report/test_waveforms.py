"""The waveforms of a report."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image
from seisbatch.report import plots
from seisbatch.report.waveforms import MOST_POINTS, WaveformSection, Wiggle, envelope, parse_plot


def test_no_peak_is_lost_on_the_way_to_the_picture():
    rng = np.random.default_rng(0)
    values = rng.normal(size=360_007)
    values[123_456], values[200_001] = 50, -60
    seconds = np.arange(len(values)) / 100
    at, drawn = envelope(seconds, values)
    assert len(drawn) <= MOST_POINTS
    assert (np.diff(at) >= 0).all()
    assert (drawn.max(), drawn.min()) == (50, -60)
    assert at[drawn.argmax()] == pytest.approx(1234.56)


def test_a_short_trace_is_drawn_as_it_is():
    values = np.arange(100.0)
    assert envelope(values, values)[1] is values


@pytest.mark.parametrize("distances", [[None] * 15, list(np.linspace(10, 900, 60))])
def test_every_trace_is_drawn(distances):
    seconds = np.arange(1000) / 20
    wiggles = [
        Wiggle(f"XX.S{n:03d}..BHZ", seconds, np.sin(seconds), km, None if km is None else 20.0, "P")
        for n, km in enumerate(distances)
    ]
    picture = image.imread(io.BytesIO(plots.waveforms(WaveformSection(wiggles, "what", "the origin time"))))
    dark = (picture[..., :3].max(axis=2) < 0.5).any(axis=1)
    assert dark.mean() > 0.5  # traces from top to bottom


@pytest.mark.parametrize("text", ["first:0x", "XX.ALFA"])
def test_what_is_no_choice(text):
    with pytest.raises(ValueError, match="pattern"):
        parse_plot(text)
