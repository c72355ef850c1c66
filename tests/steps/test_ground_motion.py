"""Segments of one day to ground motion: times, rates and what is told of them."""

from __future__ import annotations

import numpy as np
import pytest
from seisbatch.acquire.responses import read_responses
from seisbatch.process.response import Removal
from seisbatch.process.segments import Segment
from seisbatch.sample.network import DAYS, RECORDERS
from seisbatch.sample.stationxml import station_xml
from seisbatch.steps.ground_motion import Motion, ground_motion
from seisbatch.times import SECOND_NS, day_start_ns

(RECORDER,) = (recorder for recorder in RECORDERS if str(recorder.name) == "XX.ALFA..BHZ")
DAY_NS = day_start_ns(DAYS[1])


@pytest.fixture(scope="module")
def epochs():
    return read_responses(station_xml(RECORDER.station))


def motion(**options):
    return Motion("vel", Removal(pre_filt=(0.02, 0.05, 1.0, 2.0), precision="float64"), **options)


@pytest.mark.parametrize(("rate", "to"), [(19.999, 4.0), (20.0, 19.9999), (20.0, 3.33333), (20.0, 7.0), (19.998, 4.0)])
def test_the_rate_that_is_told_is_that_of_the_samples(rate, to, epochs):
    """A wave packet late in the day stands where it stood, by the rate of the row, also where the rates have no small ratio."""
    n, late, hertz = int(20_000 * rate), 19_000.0, 0.3
    seconds = np.arange(n) / rate
    packet = np.exp(-(((seconds - late) / 20) ** 2)) * np.sin(2 * np.pi * hertz * (seconds - late))
    counts = np.rint(1e6 * packet).astype(np.int32)
    [whole], _ = ground_motion(RECORDER.name, [Segment(DAY_NS, rate, counts)], DAY_NS, epochs, motion())
    [lower], _ = ground_motion(RECORDER.name, [Segment(DAY_NS, rate, counts)], DAY_NS, epochs, motion(sampling_rate=to))
    assert lower.rate == pytest.approx(to, rel=1e-4)
    at = np.arange(len(lower.samples)) / lower.rate
    expected = np.interp(at, seconds, whole.samples)
    assert np.abs(lower.samples - expected).max() < 5e-3 * np.abs(expected).max()


def test_time_tags_that_jitter_are_no_other_rate(epochs):
    """Pieces that each begin 0.4 of a sample late are one run at the nominal rate; a sample that is put in is told."""
    counts = np.random.default_rng(1).integers(-1000, 1000, 3000, dtype=np.int32)
    starts = [DAY_NS + round(number * 1000.4 / 20 * SECOND_NS) for number in range(3)]
    parts = [Segment(start, 20.0, counts[1000 * number :][:1000]) for number, start in enumerate(starts)]
    [two], notes = ground_motion(RECORDER.name, parts[:2], DAY_NS, epochs, motion())
    assert (two.rate, len(two.samples), notes) == (20.0, 2000, [])
    [three], notes = ground_motion(RECORDER.name, parts, DAY_NS, epochs, motion())
    assert (three.rate, len(three.samples)) == (20.0, 3001)
    assert any("put in" in note for note in notes)
