"""Lower sampling rates: tones below 80 % of the new Nyquist frequency are kept, those above it suppressed."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from seisbatch.process.change_rate import REACH, decimate
from seisbatch.process.segments import DataError

RATES = [(100.0, 40.0), (50.0, 20.0), (200.0, 1.0), (100.0, 50.0), (100.0, 1.0), (40.0, 39.0), (31.25, 20.0), (500.0, 100.0)]


def tone(frequency: float, rate: float, n: int, phase: float = 0.0) -> np.ndarray:
    return np.cos(2 * np.pi * frequency * np.arange(n) / rate + phase)


def long_enough(rate: float, to_rate: float) -> int:
    """Samples for some hundred samples out."""
    return math.ceil(500 * rate / to_rate)


@pytest.mark.parametrize(("rate", "to_rate"), RATES)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.8])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_tone_below_80_percent_of_nyquist_keeps_amplitude_and_phase(rate, to_rate, share, kind):
    """Sample for sample the tone at the new rate from the first input's time on: no phase, no shift."""
    frequency = share * to_rate / 2
    n = long_enough(rate, to_rate)
    out = decimate(tone(frequency, rate, n, 0.7).astype(kind), rate, to_rate)
    expected = tone(frequency, to_rate, math.ceil(Fraction(to_rate) / Fraction(rate) * n), 0.7)
    assert out.dtype == kind
    assert out.shape == expected.shape
    inner = slice(REACH, -REACH)
    assert np.abs(out - expected)[inner].max() < 1e-4


@pytest.mark.parametrize(("rate", "to_rate"), RATES)
@pytest.mark.parametrize("place", [0.0, 0.001, 0.1, 0.37, 0.99])
def test_a_tone_from_the_new_nyquist_frequency_on_is_suppressed_by_80_decibels(rate, to_rate, place):
    """Wherever it would alias to, from just the new Nyquist frequency to just the old one."""
    frequency = to_rate / 2 + place * (rate - to_rate) / 2
    out = decimate(tone(frequency, rate, long_enough(rate, to_rate)), rate, to_rate)
    assert np.abs(out)[REACH:-REACH].max() < 1e-4


@pytest.mark.parametrize(("rate", "to_rate"), RATES)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 199, 200, 201, 1000])
def test_lengths_are_what_the_new_rate_holds_of_the_time(rate, to_rate, n):
    out = decimate(np.ones(n), rate, to_rate)
    assert len(out) == math.ceil(n * Fraction(to_rate) / Fraction(rate))
    np.testing.assert_allclose(out, 1.0, atol=1e-12)


@pytest.mark.parametrize(("rate", "to_rate"), RATES)
def test_an_impulse_stays_where_it_was(rate, to_rate):
    """An impulse at a time that both rates have: symmetric about it, of its area, and no wider than stated."""
    ratio = Fraction(rate) / Fraction(to_rate)
    middle = 100 * ratio.denominator
    impulse = np.zeros(2 * int(middle * ratio) + 1)
    impulse[int(middle * ratio)] = 1.0
    out = decimate(impulse, rate, to_rate)
    assert len(out) == 2 * middle + 1
    assert out.argmax() == middle
    np.testing.assert_allclose(out, out[::-1], atol=1e-12)
    assert out.sum() == pytest.approx(1 / ratio, rel=1e-4)
    assert not out[: middle - REACH].any()


def test_an_offset_makes_no_step_at_the_ends():
    """A quiet channel of a digitizer with a large offset, in float32."""
    quiet = np.random.default_rng(1).standard_normal(20_000)
    out = decimate((quiet + 1e6).astype(np.float32), 100.0, 40.0)
    assert np.abs(out - 1e6).max() < 5


def test_float32_is_float64_to_five_millionths():
    samples = np.random.default_rng(2).standard_normal(200_000)
    for rate, to_rate in RATES:
        double, single = decimate(samples, rate, to_rate), decimate(samples.astype(np.float32), rate, to_rate)
        assert np.abs(double - single).max() < 5e-6 * np.abs(double).max()


def test_rates_that_no_small_numbers_relate():
    """39.97 to 20 Hz: 2,000 outputs to 3,997 inputs."""
    for share in (0.3, 0.8):
        out = decimate(tone(share * 10, 39.97, 4000, 0.7), 39.97, 20.0)
        np.testing.assert_allclose(out[REACH:-REACH], tone(share * 10, 20.0, len(out), 0.7)[REACH:-REACH], atol=1e-4)
    assert np.abs(decimate(tone(11.0, 39.97, 4000), 39.97, 20.0))[REACH:-REACH].max() < 1e-4


@pytest.mark.parametrize("rate", [30.0, 50.0, 100.5, 200.0])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_every_sample_of_hours_is_in_its_place(rate, kind):
    """A few tones over far more samples than are filtered at a time."""
    frequencies, n = (0.013, 0.7, 2.9, 7.99), round(2 * 3600 * rate)
    out = decimate(sum(tone(f, rate, n, f) for f in frequencies).astype(kind), rate, 20.0)
    assert len(out) == 2 * 3600 * 20
    expected = sum(tone(f, 20.0, len(out), f) for f in frequencies)
    assert np.abs(out - expected)[REACH:-REACH].max() < 1e-4 * 4


def test_the_same_rate_and_the_recorders_own_deviation_from_it_change_nothing():
    samples = np.random.default_rng(3).standard_normal(1000)
    for rate in (40.0, 40.000016, 39.99998):
        np.testing.assert_array_equal(decimate(samples, rate, 40.0), samples)


def test_counts_are_decimated_as_float64():
    counts = np.random.default_rng(4).integers(-9, 9, 1000, dtype=np.int32) + 2_000_000_000
    for rate, to_rate in ((100.0, 40.0), (200.0, 1.0)):
        expected = decimate(counts.astype(np.float64), rate, to_rate)
        np.testing.assert_allclose(decimate(counts, rate, to_rate), expected, rtol=1e-15)


def test_no_samples_stay_none():
    assert decimate(np.empty(0, np.float32), 100.0, 40.0).shape == (0,)


def test_a_higher_rate_is_an_error_of_the_data():
    with pytest.raises(DataError, match="recorded at 40 Hz, below --sampling-rate 50"):
        decimate(np.ones(100), 40.0, 50.0)
    with pytest.raises(DataError, match="recorded at 500 Hz: --sampling-rate 0.01 is less than a ten-thousandth of it"):
        decimate(np.ones(100), 500.0, 0.01)
