"""Filters against scipy and obspy: the same numbers, in float32 too, at any length; wrong options name themselves."""

from __future__ import annotations

import numpy as np
import pytest
from obspy.signal import filter as obspy_filter
from scipy import signal
from seisbatch.process.filters import SAMPLES_AT_A_TIME, Filters, apply_filters
from seisbatch.process.segments import DataError

RATE = 100.0
TIMES = np.arange(3 * SAMPLES_AT_A_TIME // 2) / RATE


def made(seed: int = 0, n: int = len(TIMES)) -> np.ndarray:
    """White noise on a digitizer's offset."""
    return 1000 * np.random.default_rng(seed).standard_normal(n) + 5000


def off(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, as a share of the peak."""
    assert one.shape == other.shape
    return float(np.abs(one - other).max() / np.abs(other).max())


@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize("corners", [2, 4])
@pytest.mark.parametrize(
    ("options", "of_obspy"),
    [
        ({"bandpass": (0.05, 8.0)}, lambda x, **k: obspy_filter.bandpass(x, 0.05, 8.0, RATE, **k)),
        ({"bandpass": (0.002, 0.01)}, lambda x, **k: obspy_filter.bandpass(x, 0.002, 0.01, RATE, **k)),
        ({"highpass": 0.01}, lambda x, **k: obspy_filter.highpass(x, 0.01, RATE, **k)),
        ({"lowpass": 30.0}, lambda x, **k: obspy_filter.lowpass(x, 30.0, RATE, **k)),
    ],
)
def test_obspy_has_the_same_samples_from_end_to_end(options, of_obspy, corners, zero_phase):
    samples = made()
    expected = of_obspy(samples, corners=corners, zerophase=zero_phase)
    filters = Filters(**options, corners=corners, zero_phase=zero_phase)
    assert off(apply_filters(samples, RATE, filters), expected) < 1e-9
    single = apply_filters(samples.astype(np.float32), RATE, filters)
    assert single.dtype == np.float32
    assert off(single, expected) < 1e-6


def test_a_causal_filter_is_scipys_sosfilt():
    samples = made()
    sos = signal.butter(4, [0.5, 5.0], "bandpass", fs=RATE, output="sos")
    filters = Filters(bandpass=(0.5, 5.0), zero_phase=False)
    assert off(apply_filters(samples, RATE, filters), signal.sosfilt(sos, samples)) < 1e-12


def test_tapered_samples_are_filtered_as_by_scipys_sosfiltfilt():
    samples = (made() - 5000) * signal.windows.tukey(len(TIMES), 0.1)
    sos = signal.butter(4, [0.5, 5.0], "bandpass", fs=RATE, output="sos")
    filters = Filters(bandpass=(0.5, 5.0))
    inner = slice(2000, -2000)
    assert off(apply_filters(samples, RATE, filters)[inner], signal.sosfiltfilt(sos, samples)[inner]) < 1e-6


def test_filters_follow_each_other():
    samples = made()
    expected = samples
    for options in ({"bandpass": (0.1, 20.0)}, {"highpass": 0.2}, {"lowpass": 15.0}, {"notch": 10.0}):
        expected = apply_filters(expected, RATE, Filters(**options, zero_phase=False))
    both = Filters(bandpass=(0.1, 20.0), highpass=0.2, lowpass=15.0, notch=10.0, zero_phase=False)
    assert off(apply_filters(samples, RATE, both), expected) < 1e-9


@pytest.mark.parametrize("zero_phase", [True, False])
def test_a_notch_takes_its_tone_and_leaves_the_others(zero_phase):
    inner = slice(len(TIMES) // 4, -len(TIMES) // 4)
    filters = Filters(notch=16.7, zero_phase=zero_phase)
    hum, beside = np.cos(2 * np.pi * 16.7 * TIMES), np.cos(2 * np.pi * 12.0 * TIMES)
    out = apply_filters(hum + beside, RATE, filters)[inner]
    np.testing.assert_allclose(out, beside[inner], atol=0.06)
    assert np.abs(apply_filters(hum, RATE, filters)[inner]).max() < 1e-3
    numerator, denominator = signal.iirnotch(16.7, 30.0, fs=RATE)
    if not zero_phase:
        assert off(apply_filters(hum, RATE, filters), signal.lfilter(numerator, denominator, hum)) < 1e-6


@pytest.mark.parametrize(("frequency", "amplitude"), [(0.02, 0.0), (1.0, 1.0), (20.0, 0.0), (0.1, 0.5), (5.0, 0.5)])
def test_tones_pass_without_phase_by_the_square_of_one_passs_amplitude(frequency, amplitude):
    """A Butterworth filter's corners are at -3 dB of one pass: at half of the amplitude forward and backward."""
    tone = np.cos(2 * np.pi * frequency * TIMES + 0.4)
    out = apply_filters(tone, RATE, Filters(bandpass=(0.1, 5.0)))
    inner = slice(20_000, -20_000)
    np.testing.assert_allclose(out[inner], amplitude * tone[inner], atol=2e-3)


def test_an_impulse_stays_in_the_middle_without_phase_and_comes_later_with_it():
    impulse = np.zeros(20_001)
    impulse[10_000] = 1.0
    out = apply_filters(impulse, RATE, Filters(bandpass=(0.5, 5.0)))
    np.testing.assert_allclose(out, out[::-1], atol=1e-9)
    assert out.argmax() == 10_000
    causal = apply_filters(impulse, RATE, Filters(bandpass=(0.5, 5.0), zero_phase=False))
    assert not causal[:10_000].any()
    assert causal.argmax() > 10_000


@pytest.mark.parametrize("n", [0, 1, 2, 5, SAMPLES_AT_A_TIME, SAMPLES_AT_A_TIME + 1])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_any_length_is_filtered_to_finite_numbers(n, kind):
    samples = made(n=n).astype(kind)
    before = samples.copy()
    out = apply_filters(samples, RATE, Filters(bandpass=(0.001, 10.0), notch=3.0))
    assert out.dtype == kind
    assert out.shape == (n,)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(samples, before)


def test_counts_are_filtered_as_float64():
    counts = np.rint(made()).astype(np.int32)
    out = apply_filters(counts, RATE, Filters(highpass=1.0))
    np.testing.assert_array_equal(out, apply_filters(counts.astype(np.float64), RATE, Filters(highpass=1.0)))


def test_no_filter_is_none():
    samples = made()
    assert Filters().is_none
    assert not Filters(notch=1.0).is_none
    np.testing.assert_array_equal(apply_filters(samples, RATE, Filters()), samples)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bandpass": (2.0, 1.0)}, "--bandpass 2,1"),
        ({"bandpass": (0.0, 1.0)}, "--bandpass 0,1"),
        ({"bandpass": (1.0, float("nan"))}, "--bandpass 1,nan"),
        ({"highpass": -1.0}, "--highpass -1"),
        ({"lowpass": 0.0}, "--lowpass 0"),
        ({"notch": float("inf")}, "--notch inf"),
        ({"highpass": 5.0, "lowpass": 1.0}, "--highpass 5 .* --lowpass 1"),
        ({"notch_quality": 0.0}, "--notch-quality 0"),
        ({"corners": 0}, "--corners 0"),
        ({"corners": 11}, "--corners 11"),
    ],
)
def test_impossible_options_name_themselves(options, told):
    with pytest.raises(ValueError, match=told):
        Filters(**options)


@pytest.mark.parametrize(
    "options", [{"bandpass": (1.0, 50.0)}, {"highpass": 50.0}, {"lowpass": 60.0}, {"notch": 50.0}, {"bandpass": (60.0, 70.0)}]
)
def test_a_corner_above_what_was_recorded_is_an_error_of_the_data(options):
    with pytest.raises(DataError, match=f"recorded at 100 Hz: --{next(iter(options))} .* not below 50 Hz"):
        apply_filters(made(), RATE, Filters(**options))
