"""A minute's levels, against scipy's spectra and known pressures."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from scipy import signal
from seisbatch.process.bands import hybrid_millidecade_bands
from seisbatch.process.clock import ClockWindow
from seisbatch.process.levels import Calibration
from seisbatch.process.segments import Segment
from seisbatch.schema import PSD
from seisbatch.steps.minutes import bands_of, minute_row
from seisbatch.steps.sound_settings import BAND_SETS, HYBRID_MILLIDECADE, ONE_HERTZ, THIRD_OCTAVE
from seisbatch.times import SECOND_NS, day_start_ns

from tests.steps.sound_made import HYDROPHONE, SENSITIVITY, sound_settings, tone_counts

RATE = 2000.0
MINUTE = day_start_ns(dt.date(2017, 10, 9)) + 61 * 60 * SECOND_NS


def noise(seconds: float, rate: float = RATE) -> np.ndarray:
    return np.rint(1000 * np.random.default_rng(0).standard_normal(round(seconds * rate))).astype(np.int32)


def row_of(pieces, rate=RATE, **changes):
    settings = sound_settings(Path("/nowhere"), **changes)
    return minute_row(settings, HYDROPHONE, ClockWindow(MINUTE, tuple(pieces)), rate, settings.calibration)


def test_levels_are_of_welchs_density():
    samples = noise(60)
    row = row_of([Segment(MINUTE, RATE, samples)])
    assert (row["frames"], row["seconds"], row["units"], row["sampling_rate"]) == (119, 60.0, "1 uPa", RATE)
    assert row["starttime"] == dt.datetime(2017, 10, 9, 1, 1, tzinfo=dt.UTC)
    _, density = signal.welch(samples, RATE, "hann", round(RATE))
    expected = 10 * np.log10(density) - SENSITIVITY
    np.testing.assert_allclose(row[ONE_HERTZ][2:-1], expected[2:-1], atol=1 / 128 + 1e-3)
    assert not np.any(row[ONE_HERTZ] * 64 % 1)
    assert not set(row) - set(PSD.names)
    PSD.batch([row])


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_seconds_are_taken_of_each_piece_alone(dtype):
    """A step between pieces of a minute, which a spectrum across the gap would see, is not seen."""
    first, second = noise(20.3).astype(dtype), (noise(30.9) + 2_000_000).astype(dtype)
    short = noise(0.7).astype(dtype)
    row = row_of([
        Segment(MINUTE, RATE, first),
        Segment(MINUTE + 22 * SECOND_NS, RATE, short),
        Segment(MINUTE + 25 * SECOND_NS, RATE, second),
    ])  # fmt: skip
    parts = [signal.welch(part, RATE, "hann", round(RATE))[1] for part in (first, second)]
    assert (row["frames"], row["seconds"]) == (39 + 60, pytest.approx(20.3 + 0.7 + 30.9))
    expected = 10 * np.log10((39 * parts[0] + 60 * parts[1]) / 99) - SENSITIVITY
    np.testing.assert_allclose(row[ONE_HERTZ][2:-1], expected[2:-1], atol=1 / 128 + 1e-3)


@pytest.mark.parametrize("shift", [0.0, 0.4, 0.9])
def test_samples_beyond_the_minute_are_not_its_own(shift):
    """Whichever the first sample's place on the clock is, a whole minute is as many samples as its rate has."""
    n = round(60 * RATE)
    samples = np.concatenate((noise(60), [10**9, -(10**9)])).astype(np.int32)
    before = Segment(MINUTE + round(shift / RATE * SECOND_NS), RATE, samples)
    one, other = row_of([before]), row_of([Segment(before.start_ns, RATE, samples[:n])])
    assert one["seconds"] == other["seconds"] == 60.0
    np.testing.assert_array_equal(one[ONE_HERTZ], other[ONE_HERTZ])
    early = Segment(MINUTE - round(0.7 / RATE * SECOND_NS), RATE, np.concatenate(([10**9], noise(60))).astype(np.int32))
    np.testing.assert_array_equal(row_of([early])[HYBRID_MILLIDECADE], other[HYBRID_MILLIDECADE])


def test_a_tone_and_noise_have_their_levels_in_every_band_set():
    frequency = float(hybrid_millidecade_bands(8000.0).centre[-200])
    row = row_of([Segment(MINUTE, 8000.0, tone_counts(frequency, 120.0, 8000.0, 60) + noise(60, 8000.0) / 100)], 8000.0)
    for band_set in BAND_SETS:
        bands = bands_of(band_set, 8000.0)
        power = 10 ** (row[band_set].astype(float) / 10) * (1 if band_set == THIRD_OCTAVE else bands.width)
        near = (bands.upper > frequency - 3) & (bands.lower < frequency + 3)
        assert 10 * np.log10(power[near].sum()) == pytest.approx(120, abs=0.1)
        far = (bands.lower > frequency + 250) & (bands.upper < 3900)
        of_noise = 10 * np.log10(100 / 4000) - SENSITIVITY
        assert 10 * np.log10(power[far].sum() / bands.width[far].sum()) == pytest.approx(of_noise, abs=0.1)


def test_only_what_is_asked_for_is_measured():
    row = row_of([Segment(MINUTE, RATE, noise(60))], band_sets=(THIRD_OCTAVE,), calibration=None)
    assert set(row) & set(BAND_SETS) == {THIRD_OCTAVE}
    assert row["units"] == "1 count"


def test_where_there_is_no_second_there_is_no_row():
    assert row_of([]) is None
    assert row_of([Segment(MINUTE, RATE, noise(0.9)), Segment(MINUTE + 2 * SECOND_NS, RATE, noise(0.99))]) is None
    assert row_of([Segment(MINUTE, 2.0, noise(60, 2.0))], 2.0) is None


def test_a_slow_recording_has_no_third_octaves():
    row = row_of([Segment(MINUTE, 20.0, noise(60, 20.0))], 20.0)
    assert [len(row[band_set]) for band_set in (ONE_HERTZ, HYBRID_MILLIDECADE, THIRD_OCTAVE)] == [11, 11, 0]


def test_seconds_with_what_is_no_number_are_left_out():
    samples = noise(60).astype(np.float32)
    samples[10_500], samples[50_000:51_000] = np.nan, np.inf
    row = row_of([Segment(MINUTE, RATE, samples)])
    assert row["frames"] == 119 - 2 - 2
    assert np.isfinite(row[ONE_HERTZ][1:]).all()
    assert row_of([Segment(MINUTE, RATE, np.full(120_000, np.nan))]) is None


def test_silence_and_bands_without_a_sensitivity_are_marked():
    curve = Calibration(np.array([-50.0, -60.0]), np.array([10.0, 500.0]))
    row = row_of([Segment(MINUTE, RATE, np.zeros(120_000, np.int32))], calibration=curve)
    assert (row[ONE_HERTZ][11:500] == -np.inf).all()
    assert np.isnan(row[ONE_HERTZ][501:]).all()
