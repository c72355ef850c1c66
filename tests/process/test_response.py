from __future__ import annotations

import math

import numpy as np
import pytest
from obspy.signal.invsim import cosine_taper
from obspy.signal.util import _npts2nfft
from scipy import signal
from seisbatch.process.response import (
    Removal,
    ResponseCurve,
    edge_seconds,
    good_length,
    obspy_length,
    remove_response,
)
from seisbatch.process.segments import DataError, NoSamples

RATE = 20.0
CORNER, DAMPING, GAIN = 1 / 30, 0.707, 6e8
"""Of a seismometer [Hz, share of critical, counts s/m]."""
PRE_FILT = (0.005, 0.01, 6.0, 8.0)


def seismometer(frequencies, unit="vel"):
    """The response of a damped pendulum with a velocity transducer, from its equation of motion."""
    s = 2j * np.pi * np.asarray(frequencies, float)
    w0 = 2 * np.pi * CORNER
    to_velocity = GAIN * s**2 / (s**2 + 2 * DAMPING * w0 * s + w0**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(to_velocity * {"disp": s, "vel": 1, "acc": 1 / s}[unit])


def curve_of(unit="vel", highest=RATE / 2, n=3000):
    frequencies = np.geomspace(1e-6, highest, n)
    return ResponseCurve(frequencies, seismometer(frequencies, unit))


def made_counts(n=20_000, offset=0.0, dtype=np.int32):
    """Coloured noise in counts."""
    rng = np.random.default_rng(5)
    sos = signal.butter(2, [0.02, 5], "bandpass", fs=RATE, output="sos")
    return np.rint(offset + 3000 * signal.sosfilt(sos, rng.standard_normal(n))).astype(dtype)


def within_peak(one, other, cut=0):
    inner = slice(cut, len(other) - cut)
    return np.abs(one[inner] - other[inner]).max() / np.abs(other).max()


@pytest.mark.parametrize("unit", ["disp", "vel", "acc"])
def test_a_curve_is_the_response_between_its_points(unit):
    wanted = np.geomspace(2e-6, RATE / 2, 10_001)
    assert np.abs(curve_of(unit).at(wanted) / seismometer(wanted, unit) - 1).max() < 1e-11


def test_a_curve_goes_on_below_its_first_point_and_not_above_its_last():
    curve = curve_of("disp")
    below = np.array([1e-8, 5e-7])
    np.testing.assert_allclose(np.abs(curve.at(below)), np.abs(seismometer(below, "disp")), rtol=1e-4)
    assert curve.at([0.0])[0] == 0
    flat = ResponseCurve(np.array([0.1, 1.0, 10.0]), np.full(3, 5.0 + 0j), at_zero=5.0 + 0j)
    np.testing.assert_allclose(flat.at([0.0, 0.01, 0.5, 10.0]), 5)
    with pytest.raises(DataError, match="known up to 10 Hz"):
        curve.at([12.0])


@pytest.mark.parametrize("motion_unit", ["disp", "vel", "acc"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_motion_that_a_seismometer_was_moved_with_comes_back(motion_unit, precision):
    """The pendulum's equation is integrated in time; nothing there knows of spectra."""
    fine = 10
    t = np.arange(12_000 * fine) / (RATE * fine) - 300
    w, width = 2 * np.pi * 0.05, 30.0
    ground = np.exp(-((t / width) ** 2) / 2) * np.cos(w * t) * 1e-4  # displacement [m]
    velocity = np.gradient(ground, t, edge_order=2)
    acceleration = np.gradient(velocity, t, edge_order=2)
    w0 = 2 * np.pi * CORNER
    pendulum = signal.StateSpace([[0, 1], [-(w0**2), -2 * DAMPING * w0]], [[0], [-1]], [[0, -GAIN]], [[0]])
    _, counts, _ = signal.lsim(pendulum, acceleration, t - t[0])
    curve = curve_of(motion_unit)
    removal = Removal(pre_filt=(0.002, 0.004, 0.5, 1), water_level=None, precision=precision)
    found = remove_response(np.rint(counts[::fine]).astype(np.int32), RATE, curve, removal)
    truth = {"disp": ground, "vel": velocity, "acc": acceleration}[motion_unit][::fine]
    assert found.dtype == precision
    assert within_peak(found, truth, cut=400) < 1e-3


@pytest.mark.parametrize("n", [2, 3, 5, 10, 11, 100, 1001])
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_the_taper_is_that_of_sac_as_obspy_has_it(n, share):
    samples = np.random.default_rng(n).standard_normal(n)
    flat = ResponseCurve(np.array([1e-3, 1.0, RATE / 2]), np.ones(3, complex), at_zero=1 + 0j)
    removal = Removal(taper=share, zero_mean=False, water_level=100, precision="float64")
    expected = samples * cosine_taper(n, share, sactaper=True, halfcosine=False)
    # with room after them, so that the bin of the Nyquist frequency, which loses its sign, is as good as empty
    spectrum = np.fft.rfft(expected, 4096)
    spectrum[-1] = abs(spectrum[-1])
    np.testing.assert_allclose(
        remove_response(samples, RATE, flat, removal, 4096), np.fft.irfft(spectrum)[:n], rtol=0, atol=1e-12
    )


def test_the_length_without_pre_filt_is_that_of_obspy_or_a_better_one_above():
    for n in [1, 2, 7, 2501, 8191, 86_400, 100_003, 864_001, 1_800_029, 3_456_000, 3_456_007]:
        assert obspy_length(n) == _npts2nfft(n)
        length = good_length(n, RATE, Removal(), curve_of())
        assert length >= obspy_length(n)
        assert length % 2 == 0


@pytest.mark.parametrize("unit", ["disp", "vel", "acc"])
@pytest.mark.parametrize("water_level", [None, 100.0])
def test_with_pre_filt_any_length_serves_away_from_the_edge(unit, water_level):
    counts, curve = made_counts(400_000), curve_of(unit)
    removal = Removal(pre_filt=(0.01, 0.02, 6, 8), water_level=water_level, precision="float64")
    edge = math.ceil(edge_seconds(removal) * RATE)
    short = good_length(len(counts), RATE, removal, curve)
    found = remove_response(counts, RATE, curve, removal)
    assert short < 1.6 * len(counts)
    for length in (obspy_length(len(counts)), 2**20, 3 * short):
        assert within_peak(found, remove_response(counts, RATE, curve, removal, length), edge) < 1e-6


def test_where_the_water_level_sets_in_within_the_band_the_length_is_that_of_obspy():
    removal = Removal(pre_filt=(0.01, 0.02, 6, 8), water_level=60)
    assert good_length(400_000, RATE, removal, curve_of("disp")) == 800_000
    assert good_length(400_000, RATE, removal, curve_of("vel")) < 500_000


@pytest.mark.parametrize("unit", ["disp", "vel", "acc"])
def test_float32_is_good_to_five_digits_of_the_peak(unit):
    counts, curve = made_counts(), curve_of(unit)
    exact = remove_response(counts, RATE, curve, Removal(pre_filt=PRE_FILT, precision="float64"))
    assert within_peak(remove_response(counts, RATE, curve, Removal(pre_filt=PRE_FILT)), exact) < 2e-6


def test_an_offset_of_a_recorder_costs_no_digits():
    near, far = made_counts(), made_counts(offset=2_000_000_000)
    removal = Removal(pre_filt=PRE_FILT)
    assert within_peak(remove_response(far, RATE, curve_of(), removal), remove_response(near, RATE, curve_of(), removal)) < 1e-6


def test_samples_are_left_as_they_are():
    for dtype in (np.int32, np.float32, np.float64):
        counts = made_counts(dtype=dtype)
        before = counts.copy()
        remove_response(counts, RATE, curve_of(), Removal(precision="float64"))
        np.testing.assert_array_equal(counts, before)


def test_a_curve_of_another_gain_gives_the_motion_divided_by_it():
    counts, curve = made_counts(), curve_of()
    for precision, limit in (("float32", 1e-6), ("float64", 1e-14)):
        removal = Removal(pre_filt=PRE_FILT, precision=precision)
        one = remove_response(counts, RATE, curve, removal)
        other = remove_response(counts, RATE, curve.scaled(4.1), removal)
        alone = ResponseCurve(curve.frequencies, 4.1 * curve.values)
        assert within_peak(other * 4.1, one) < limit
        assert within_peak(remove_response(counts, RATE, alone, removal), other) < limit


@pytest.mark.parametrize("water_level", [None, 0.0, 20.0])
@pytest.mark.parametrize("pre_filt", [None, (0.0, 0.01, 9.0, 11.0)])
def test_where_the_response_is_zero_nothing_is_made_of_it(water_level, pre_filt):
    frequencies = np.geomspace(1e-6, RATE / 2, 2000)
    values = seismometer(frequencies) * np.cos(np.pi * frequencies / RATE)  # a filter's zero at the Nyquist frequency
    values[-1] = 0
    removal = Removal(pre_filt=pre_filt, water_level=water_level, precision="float64")
    assert np.isfinite(remove_response(made_counts(), RATE, ResponseCurve(frequencies, values), removal)).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_samples_is_finite(n):
    for removal in (Removal(), Removal(pre_filt=PRE_FILT), Removal(taper=0, zero_mean=False, water_level=None)):
        found = remove_response(np.arange(n, dtype=np.int32), RATE, curve_of(), removal)
        assert found.shape == (n,)
        assert np.isfinite(found).all()


def test_what_cannot_be_removed_is_said():
    counts, curve = made_counts(), curve_of()
    with pytest.raises(NoSamples):
        remove_response(counts[:0], RATE, curve, Removal())
    with pytest.raises(DataError, match="not a finite number"):
        remove_response(np.array([1.0, np.nan, 3.0]), RATE, curve, Removal())
    with pytest.raises(DataError, match="--pre-filt begins at 11 Hz, the samples end at 10 Hz"):
        remove_response(counts, RATE, curve, Removal(pre_filt=(11, 12, 13, 14)))
    with pytest.raises(DataError, match="known up to 10 Hz"):
        remove_response(counts, 2 * RATE, curve, Removal())
    for length in (len(counts) + 1, len(counts) - 2):
        with pytest.raises(ValueError, match="even length"):
            remove_response(counts, RATE, curve, Removal(), length)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pre_filt": (0.1, 0.05, 5, 8)}, "--pre-filt 0.1,0.05,5,8"),
        ({"pre_filt": (0.1, 0.1, 5, 8)}, "--pre-filt"),
        ({"pre_filt": (0.1, 0.2, 5, 5)}, "--pre-filt"),
        ({"pre_filt": (-1, 0.2, 5, 8)}, "--pre-filt"),
        ({"pre_filt": (0.1, 0.2, 5)}, "--pre-filt"),
        ({"pre_filt": (0.1, 0.2, 5, math.nan)}, "--pre-filt"),
        ({"water_level": -3.0}, "--water-level -3"),
        ({"water_level": math.inf}, "--water-level inf"),
        ({"taper": 1.5}, "--taper 1.5"),
        ({"precision": "float16"}, "--precision float16"),
    ],
)
def test_an_impossible_option_names_itself(options, message):
    with pytest.raises(ValueError, match=message):
        Removal(**options)
