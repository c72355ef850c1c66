"""Levels of clips: sines of known pressure, silence, padding, a sensitivity that changes with frequency."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal
from seisbatch.process.clip_levels import clip_levels
from seisbatch.process.levels import Calibration
from seisbatch.process.segments import DataError

RATE = 8000.0
TIMES = np.arange(round(3 * RATE)) / RATE


def sine(frequency: float, amplitude: float) -> np.ndarray:
    """Whole periods, whose largest sample is the amplitude."""
    return amplitude * np.cos(2 * np.pi * frequency * TIMES)


def test_a_sine_has_the_levels_of_its_amplitude_whatever_its_mean():
    rms, peak = clip_levels(np.rint(sine(250, 1e6) + 3e5).astype(np.int32), RATE)
    np.testing.assert_allclose((rms, peak), (20 * np.log10(1e6 / np.sqrt(2)), 120), atol=1e-4)


def test_a_flat_sensitivity_makes_them_pressures():
    pressure = 10 ** (110 / 20) * np.sqrt(2)  # uPa, of 110 dB
    calibration = Calibration.of_hydrophone(-170.0, 2.0**23 / 3)
    counts = sine(250, pressure * 10 ** (-170 / 20) * 2**23 / 3)
    np.testing.assert_allclose(clip_levels(counts, RATE, calibration), (110, 110 + 10 * np.log10(2)), atol=1e-6)


@pytest.mark.parametrize("offset", [0, 5_000_000])
def test_padding_does_not_count(offset):
    recorded = np.rint(sine(250, 1000) + offset).astype(np.int32)
    padded = np.concatenate((np.zeros(9000, np.int32), recorded))
    np.testing.assert_allclose(clip_levels(padded, RATE, None, 9000), clip_levels(recorded, RATE), atol=1e-3)


def test_silence_has_no_level():
    assert clip_levels(np.full(100, 7, np.int32), RATE) == (-np.inf, -np.inf)


def test_a_curve_weighs_every_frequency_by_its_own_sensitivity():
    """Two sines, of 100 and 90 dB where the sensitivity is -40 and -20 dB, and one that the curve does not know."""
    curve = Calibration(np.array([-40.0, -40, -20, -20]), np.array([50.0, 200, 1000, 3000]))
    counts = sine(100, np.sqrt(2) * 10 ** (60 / 20)) + sine(2000, np.sqrt(2) * 10 ** (70 / 20)) + sine(3500, 1e6)
    rms, peak = clip_levels(counts, RATE, curve)
    np.testing.assert_allclose(rms, 10 * np.log10(10**10 + 10**9), atol=0.02)
    assert peak is None


def test_a_flat_curve_agrees_with_a_number():
    noise = signal.lfilter([1.0], [1, -0.5], np.random.default_rng(0).standard_normal(len(TIMES))) * 1000
    curve = Calibration(np.array([-30.0, -30.0]), np.array([0.5, 5000.0]))
    np.testing.assert_allclose(
        clip_levels(noise, RATE, curve)[0], clip_levels(noise, RATE, Calibration(np.asarray(-30.0)))[0], atol=0.1
    )


def test_a_curve_of_other_frequencies_tells_nothing():
    assert clip_levels(sine(100, 1), RATE, Calibration(np.zeros(2), np.array([1e4, 2e4]))) == (None, None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_what_is_no_finite_number_is_said(bad):
    with pytest.raises(DataError, match="no finite numbers"):
        clip_levels(np.array([0.0, bad, 1.0]), RATE)
