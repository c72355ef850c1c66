"""Sound levels: scipy's densities, bands of the standards, tones and noise of known pressure at their levels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal
from seisbatch.process.bands import band_powers, hybrid_millidecade_bands, one_hertz_bands, third_octave_bands
from seisbatch.process.levels import (
    Calibration,
    band_levels,
    level_percentiles,
    mean_density,
    mean_levels,
    second_densities,
)
from seisbatch.process.segments import DataError

RATE = 64_000.0
SECONDS = 5
TIMES = np.arange(round(SECONDS * RATE)) / RATE
BANDS = {"1 Hz": one_hertz_bands, "millidecades": hybrid_millidecade_bands, "third octaves": third_octave_bands}
HYDROPHONE = Calibration.of_hydrophone(-170.0, 2.0**23 / 3)
COUNTS_PER_UPA = 10 ** (-170 / 20) * 2**23 / 3


def tone(frequency: float, level: float = 120.0) -> np.ndarray:
    """Counts of a tone of a level [dB re 1 uPa, root mean square], and of a quieter sea."""
    noise = 10 ** (30 / 20) * np.random.default_rng(0).standard_normal(len(TIMES))
    pressure = np.sqrt(2) * 10 ** (level / 20) * np.sin(2 * np.pi * frequency * TIMES + 0.3) + noise
    return np.rint(pressure * COUNTS_PER_UPA).astype(np.int32)


@pytest.mark.parametrize("rate", [64_000.0, 8000.0, 999.0])
def test_densities_are_welchs(rate):
    samples = np.rint(1000 * np.random.default_rng(0).standard_normal(round(7.3 * rate)) + 250).astype(np.int32)
    frequencies, _, seconds = signal.spectrogram(samples, rate, "hann", round(rate), round(rate) // 2, detrend="constant")
    np.testing.assert_allclose(np.diff(frequencies), 1.0)
    found = second_densities(samples, rate)
    assert found.shape == seconds.T.shape
    inner = slice(1, None)  # of the removed mean there is rounding alone
    decibels = 10 * np.log10(found[:, inner] / seconds.T[:, inner])
    assert np.abs(decibels[seconds.T[:, inner] > 1e-5 * seconds.max()]).max() < 1e-3
    _, welch = signal.welch(samples, rate, "hann", round(rate))
    np.testing.assert_allclose(mean_density(samples, rate)[inner], welch[inner], rtol=1e-4)


def test_hybrid_millidecades_are_those_of_the_corrected_table():
    """Edges and centres as published with PyPAM and, for the numbers of bands, with the spectra of MBARI."""
    bands = hybrid_millidecade_bands(512_000.0)
    np.testing.assert_array_equal(bands.centre[:435], np.arange(435))
    published = [(433.5, 434, 434.5102242), (434.5102242, 435.0107606, 435.5118737), (435.5118737, 436.013564, 436.5158322)]
    np.testing.assert_allclose(np.stack((bands.lower, bands.centre, bands.upper), 1)[434:437], published, rtol=1e-9)
    [at_1000] = np.flatnonzero(np.isclose(bands.lower, 1000))
    np.testing.assert_allclose((bands.centre[at_1000], bands.upper[at_1000]), (1001.151956, 1002.305238), rtol=1e-9)
    np.testing.assert_allclose(
        (bands.lower[-1], bands.centre[-1], bands.upper[-1]), (255_858.5887, 256_000, 256_000), rtol=1e-9
    )
    of_mbari = (bands.centre >= 10) & (bands.centre < 100_000)
    assert of_mbari.sum() == 2787
    assert (bands.width[435:-1] >= 1).all()


@pytest.mark.parametrize("rate", [64_000.0, 20_000.0, 900.0, 200.0, 199.0])
@pytest.mark.parametrize("kind", ["1 Hz", "millidecades"])
def test_bands_meet_and_reach_the_nyquist_frequency(kind, rate):
    bands = BANDS[kind](rate)
    np.testing.assert_array_equal(bands.lower[1:], bands.upper[:-1])
    assert bands.lower[0] == -0.5
    assert bands.upper[-1] == rate / 2
    assert (bands.width > 0).all()
    assert ((bands.lower < bands.centre) & (bands.centre <= bands.upper)).all()


def test_third_octaves_are_those_of_the_base_ten_series():
    bands = third_octave_bands(RATE)
    named = {10: 10.0, 125: 125.89, 1000: 1000.0, 8000: 7943.3, 25_000: 25_119.0}
    for centre in named.values():
        assert np.isclose(bands.centre, centre, rtol=1e-4).sum() == 1
    [at_1000] = np.flatnonzero(np.isclose(bands.centre, 1000))
    np.testing.assert_allclose((bands.lower[at_1000], bands.upper[at_1000]), (891.25, 1122.02), rtol=1e-5)
    np.testing.assert_allclose(bands.lower[1:], bands.upper[:-1])
    assert (bands.centre[0], bands.upper[-1]) == (10.0, pytest.approx(28_184, abs=1))  # the next ends above 32 kHz
    assert third_octave_bands(RATE, 25).centre[0] == pytest.approx(25.119, abs=1e-3)
    assert len(third_octave_bands(15.0)) == 0


@pytest.mark.parametrize("kind", BANDS)
def test_power_is_divided_in_proportion_and_none_is_lost(kind):
    bands = BANDS[kind](2000.0)
    density = np.random.default_rng(0).exponential(size=(3, 1001))
    powers = band_powers(density, 1.0, bands)
    edges = np.append(np.arange(1001) - 0.5, 1000.5)
    for row, power in zip(density, powers, strict=True):
        below = np.concatenate(([0], np.cumsum(row)))
        np.testing.assert_allclose(power, np.interp(bands.upper, edges, below) - np.interp(bands.lower, edges, below))
    one = np.zeros(1001)
    one[500] = 1.0
    shared = band_powers(one, 1.0, bands)
    assert shared.sum() == pytest.approx(1.0)
    touched = (bands.upper > 499.5) & (bands.lower < 500.5)
    assert (shared[touched] > 0).all()
    assert not shared[~touched].any()


@pytest.mark.parametrize("frequency", [64.0, 430.3, 1000.5, 1259.7, 10_000.0, 20_017.25])
@pytest.mark.parametrize("kind", BANDS)
def test_a_tone_of_known_pressure_comes_out_at_its_level(kind, frequency):
    """Whatever its place between bins: in its band and, where bands are as narrow as a Hann window's lobe, their neighbours."""
    bands = BANDS[kind](RATE)
    levels = band_levels(mean_density(tone(frequency), RATE), RATE, bands, HYDROPHONE, per_hertz=False)
    near = (bands.upper > frequency - 2.5) & (bands.lower < frequency + 2.5)
    assert 10 * np.log10(np.sum(10 ** (levels[near] / 10))) == pytest.approx(120, abs=0.1)
    if kind == "third octaves":
        [within] = np.flatnonzero((bands.lower <= frequency) & (frequency < bands.upper))
        if frequency != 1259.7:
            assert levels[within] == pytest.approx(120, abs=0.1)


@pytest.mark.parametrize(("kind", "centre"), [("millidecades", 10_011.5), ("third octaves", 1000.0), ("third octaves", 19.95)])
def test_a_tone_in_the_middle_of_a_band_is_in_that_band(kind, centre):
    bands = BANDS[kind](RATE)
    within = np.abs(bands.centre - centre).argmin()
    density = mean_density(tone(bands.centre[within]), RATE)
    levels = band_levels(density, RATE, bands, HYDROPHONE, per_hertz=False)
    assert levels.argmax() == within
    assert levels[within] == pytest.approx(120, abs=0.1)
    spread = band_levels(density, RATE, bands, HYDROPHONE)
    assert spread[within] == pytest.approx(120 - 10 * np.log10(bands.width[within]), abs=0.1)


def test_a_band_of_one_hertz_has_two_thirds_of_its_tone():
    levels = band_levels(mean_density(tone(1000.0), RATE), RATE, one_hertz_bands(RATE), HYDROPHONE)
    assert levels[1000] == pytest.approx(120 + 10 * np.log10(2 / 3), abs=0.02)
    assert levels[[999, 1001]] == pytest.approx(120 + 10 * np.log10(1 / 6), abs=0.02)


def test_a_tone_on_an_edge_is_halved():
    edge = 10**3.05
    bands = third_octave_bands(RATE)
    [upper] = np.flatnonzero(np.isclose(bands.lower, edge))
    levels = band_levels(mean_density(tone(edge), RATE), RATE, bands, HYDROPHONE, per_hertz=False)
    assert levels[[upper - 1, upper]] == pytest.approx(117, abs=0.5)
    assert np.sum(10 ** (levels[[upper - 1, upper]] / 10)) == pytest.approx(1e12, rel=0.01)


@pytest.mark.parametrize("kind", BANDS)
def test_white_noise_comes_out_at_its_density(kind):
    samples = 200 * np.random.default_rng(0).standard_normal(round(60 * RATE)).astype(np.float32)
    bands = BANDS[kind](RATE)
    density = mean_density(samples, RATE)
    expected = 10 * np.log10(200**2 / (RATE / 2)) - 20 * np.log10(COUNTS_PER_UPA)
    levels = band_levels(density, RATE, bands, HYDROPHONE)
    of_noise = bands.lower > 1.5
    assert np.mean(10 ** (levels[of_noise].astype(float) / 10)) == pytest.approx(10 ** (expected / 10), rel=0.01)
    sure = of_noise & (bands.width > 200)
    np.testing.assert_allclose(levels[sure], expected, atol=0.15)
    whole = band_levels(density, RATE, bands, HYDROPHONE, per_hertz=False)
    np.testing.assert_allclose(whole - levels, 10 * np.log10(bands.width), atol=1e-4)


def test_sensitivities_are_decibels_numbers_or_curves():
    density = np.full(32_001, 4.0)
    bands = third_octave_bands(RATE, 100)
    flat = band_levels(density, RATE, bands, Calibration.of_counts(COUNTS_PER_UPA))
    np.testing.assert_allclose(flat, 10 * np.log10(4) - 20 * np.log10(COUNTS_PER_UPA), atol=1e-4)
    np.testing.assert_allclose(band_levels(density, RATE, bands, HYDROPHONE), flat, atol=1e-4)
    np.testing.assert_allclose(band_levels(density, RATE, bands), 10 * np.log10(4), atol=1e-4)
    curve = Calibration.of_hydrophone([-170.0, -160.0], 2.0**23 / 3, [100.0, 10_000.0])
    np.testing.assert_allclose(curve.at(np.array([100.0, 1000.0, 10_000.0])) - HYDROPHONE.decibels, [0, 5, 10], atol=1e-9)
    levels = band_levels(density, RATE, bands, curve)
    [at_1000] = np.flatnonzero(np.isclose(bands.centre, 1000))
    assert levels[at_1000] == pytest.approx(flat[at_1000] - 5, abs=0.01)
    known = (bands.lower > 100.5) & (bands.upper < 9999.5)
    assert np.isfinite(levels[known]).all()
    assert np.isnan(levels[~known]).all()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Calibration.of_counts(0.0), "counts per uPa"),
        (lambda: Calibration.of_counts(float("nan")), "counts per uPa"),
        (lambda: Calibration.of_hydrophone(-170.0, -1.0), "counts per volt"),
        (lambda: Calibration.of_hydrophone(float("inf"), 1.0), "no finite number"),
        (lambda: Calibration.of_hydrophone([-170.0, -171.0], 1.0), "needs their frequencies"),
        (lambda: Calibration.of_hydrophone([-170.0, -171.0], 1.0, [200.0, 100.0]), "frequencies above 0 that ascend"),
        (lambda: Calibration.of_hydrophone([-170.0, -171.0], 1.0, [0.0, 100.0]), "frequencies above 0 that ascend"),
        (lambda: Calibration.of_hydrophone([-170.0, -171.0], 1.0, [1.0, 2.0, 3.0]), "a value at each"),
        (lambda: Calibration.of_hydrophone(-170.0, 1.0, [1.0, 2.0]), "a value at each"),
    ],
)
def test_what_is_no_sensitivity_is_said(make, told):
    with pytest.raises(ValueError, match=told):
        make()


def test_percentiles_are_levels_below_which_a_share_is():
    levels = np.stack((np.arange(101.0), np.arange(200.0, 301.0), np.full(101, -np.inf)), 1)[::-1]
    found = level_percentiles(levels, [5, 50, 95])
    np.testing.assert_allclose(found[:, :2], [[5, 205], [50, 250], [95, 295]])
    assert np.isnan(found[:, 2]).all()
    levels = levels.copy()
    levels[:51, 0] = np.nan  # 100 down to 50
    levels[0, 1] = -np.inf  # 300
    np.testing.assert_allclose(level_percentiles(levels, [0, 100])[:, :2], [[0, 200], [49, 299]])


def made_levels() -> np.ndarray:
    """Of 300 bands at 77 times, with silence, unknown bands, and a band without any."""
    rng = np.random.default_rng(0)
    levels = (60 + 20 * rng.standard_normal((77, 300))).astype(np.float32)
    levels[rng.random(levels.shape) < 0.1] = np.nan
    levels[rng.random(levels.shape) < 0.1] = -np.inf
    levels[:, 7] = np.nan
    return levels


def test_percentiles_are_numpys():
    levels = made_levels()
    percents = (1, 5, 10, 25, 50, 75, 90, 95, 99)
    found = level_percentiles(levels, percents)
    counted = np.where(np.isfinite(levels), levels, np.nan).astype(np.float64)
    known = np.arange(300) != 7
    np.testing.assert_allclose(found[:, known], np.nanpercentile(counted[:, known], percents, axis=0), atol=1e-4)
    assert np.isnan(found[:, 7]).all()


@pytest.mark.parametrize("offset", [0.0, -400.0, 900.0])
def test_the_mean_is_of_powers_weighted(offset):
    """Of floating-point samples, whose powers may not fit into float32, too."""
    levels = made_levels()
    levels[:, 8] = -np.inf
    weights = np.random.default_rng(1).integers(1, 120, 77)
    found = mean_levels(levels + np.float32(offset), weights)
    counted = ~np.isnan(levels)
    powers = np.where(counted, 10 ** (levels.astype(np.float64) / 10), 0)
    known = ~np.isin(np.arange(300), (7, 8))
    expected = 10 * np.log10((weights @ powers)[known] / (weights @ counted)[known])
    np.testing.assert_allclose(found[known] - offset, expected, atol=1e-3)
    assert np.isnan(found[7])
    assert found[8] == -np.inf


def test_silence_has_no_level():
    assert (band_levels(mean_density(np.zeros(16_000), 8000.0), 8000.0, third_octave_bands(8000.0)) == -np.inf).all()


def test_less_than_a_second_and_no_numbers_are_errors_of_the_data():
    with pytest.raises(DataError, match="7999 samples are fewer than the 8000"):
        mean_density(np.zeros(7999), 8000.0)
    with np.errstate(invalid="ignore"), pytest.raises(DataError, match="no finite numbers"):
        mean_density(np.full(8000, np.nan), 8000.0)
