"""The sample's ground motion is a diffuse field: coherence J0(k r), independent components, a little local noise."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import numpy as np
import obspy
import pytest
from obspy.geodetics import gps2dist_azimuth
from scipy import signal
from scipy.special import j0

from tests.sample import day_file, days, midnight, parameters, read_day, station_inventory

WINDOW = 1000.0
"""Seconds of the windows of cross-spectra: within a bin of 1 mHz k r changes by less than 0.2."""
BAND = (0.1, 0.5)
NOON = obspy.UTCDateTime(2024, 1, 1, 12)
"""From when on the gain of INDI is twice what it was."""


def whole_day(root: Path, channel: str, date: dt.date) -> tuple[np.ndarray, np.ndarray]:
    """Samples of a day on the grid that begins at midnight, and where there are any."""
    stream = read_day(root, channel, date)
    rate = stream[0].stats.sampling_rate
    n = round(86_400 * rate)
    samples, there = np.zeros(n), np.zeros(n, bool)
    for trace in stream:
        first = round((trace.stats.starttime - midnight(date)) * rate)
        part = trace.data[max(0, -first) : n - first]
        samples[max(0, first) : max(0, first) + len(part)] = part
        there[max(0, first) : max(0, first) + len(part)] = True
    if channel == "XX.INDI..BHZ":
        samples[round(max(0, NOON - midnight(date)) * rate) :] /= 2
    return samples, there


def quiet(root: Path, date: dt.date, windows: int) -> np.ndarray:
    """Windows of a day that no earthquake is in."""
    out = np.ones(windows, bool)
    for path in root.glob(f"event_waveforms/*/{date:%Y}_{date:%j}/*.ms"):
        for trace in obspy.read(str(path), format="MSEED", headonly=True):
            first, last = (time - midnight(date) for time in (trace.stats.starttime, trace.stats.endtime))
            out[int(first // WINDOW) : int(last // WINDOW) + 1] = False
    return out


def response(root: Path, channel: str, frequencies: np.ndarray) -> np.ndarray:
    """A channel's response on the first day by obspy; a like one's where there is no StationXML."""
    if not (root / f"FDSNstationXML/XX/XX_{channel.split('.')[1]}.xml").exists():
        channel = "XX.ALFA..BHZ"
    found = station_inventory(root, channel.split(".")[1]).get_response(channel, midnight(days(root)[0]))
    return found.get_evalresp_response_for_frequencies(frequencies, output="VEL")


def spectra(root: Path, channel: str, dates: list[dt.date], band: tuple[float, float] = BAND) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, and spectra of ground velocity, shape (window, frequency); NaN in windows without quiet, whole data.

    Their squared magnitudes are powers a bin [(m/s)^2].
    """
    rows: list[np.ndarray | None] = []
    for date in dates:
        if not day_file(root, channel, date).exists():
            rows.append(None)
            continue
        samples, there = whole_day(root, channel, date)
        length = round(WINDOW * len(samples) / 86_400)
        windows = len(samples) // length
        samples, there = (item[: windows * length] for item in (samples, there))
        all_frequencies, _, short = signal.stft(samples, length / WINDOW, nperseg=length, noverlap=0, boundary=None)
        chosen = (all_frequencies >= band[0]) & (all_frequencies <= band[1])
        frequencies = all_frequencies[chosen]
        velocity = short[chosen].T / response(root, channel, frequencies)
        usable = there.reshape(windows, length).all(axis=1) & quiet(root, date, windows)
        rows.append(np.where(usable[:, None], velocity, np.nan))
    shape = next(row.shape for row in rows if row is not None)
    return frequencies, np.concatenate([np.full(shape, np.nan) if row is None else row for row in rows])


def coherence(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, int]:
    """Complex coherence of two sets of spectra, and the number of windows that are in both."""
    both = np.isfinite(one[:, 0]) & np.isfinite(other[:, 0])
    one, other = one[both], other[both]
    powers = [np.mean(np.abs(item) ** 2, axis=0) for item in (one, other)]
    return np.mean(one * other.conj(), axis=0) / np.sqrt(powers[0] * powers[1]), int(both.sum())


def velocity_of(root: Path, frequencies: np.ndarray) -> np.ndarray:
    """Phase velocity [km/s] by the numbers and the formula of the archive's parameters.json."""
    field = parameters(root)["field"]
    return field["velocity_limit"] + field["velocity_range"] * np.exp(-frequencies / field["velocity_frequency"])


def aki(root: Path, sta: str, other: str, frequencies: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """J0(k r)."""
    places = {station["code"]: (station["lat"], station["lon"]) for station in parameters(root)["stations"]}
    r = gps2dist_azimuth(*places[sta], *places[other])[0] / 1000
    return j0(2 * np.pi * frequencies * r / velocity)


def expected(root: Path, sta: str, other: str, frequencies: np.ndarray) -> np.ndarray:
    return aki(root, sta, other, frequencies, velocity_of(root, frequencies))


def standardised(measured: np.ndarray, truth: np.ndarray, windows: int) -> np.ndarray:
    """Errors of a coherence of Gaussian signals over their standard deviation, real and imaginary; every third bin.

    A Hann window makes neighbours alike. For a real coherence g of N windows the variance is (1 - g^2)^2 / 2N of the
    real part, (1 - g^2) / 2N of the imaginary one.
    """
    rest = 1 - truth**2
    errors = np.array([(measured.real - truth) / rest, measured.imag / np.sqrt(rest)]) * np.sqrt(2 * windows)
    return errors[:, ::3]


@pytest.fixture(scope="module")
def verticals(sample_archive) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Spectra of every station's broadband vertical channel over all days."""
    dates = days(sample_archive)
    out = {}
    for station in parameters(sample_archive)["stations"]:
        frequencies, out[station["code"]] = spectra(sample_archive, f"XX.{station['code']}..BHZ", dates)
    # The planted fault of FOXT: its first day is sampled 13 ms late.
    out["FOXT"][: len(out["FOXT"]) // len(dates)] *= np.exp(-2j * np.pi * frequencies * 0.013)
    return frequencies, out


@pytest.fixture(scope="module")
def coherences(verticals) -> dict[tuple[str, str], tuple[np.ndarray, int]]:
    """Coherence of every pair of stations, and the number of windows in it."""
    _, by_station = verticals
    return {(one, other): coherence(by_station[one], by_station[other]) for one, other in itertools.combinations(by_station, 2)}


def test_coherence_of_vertical_channels_is_j0_within_statistical_error(sample_archive, verticals, coherences):
    frequencies, _ = verticals
    assert len(coherences) == 66
    assert min(windows for _, windows in coherences.values()) > 150
    errors = []
    for pair, (measured, windows) in coherences.items():
        error = standardised(measured, expected(sample_archive, *pair, frequencies), windows)
        # 268 numbers of mean square one: their mean square errs by 0.09.
        assert np.mean(error**2) == pytest.approx(1, abs=0.4), pair
        assert np.abs(error).max() < 5, pair
        errors.append(error)
    assert np.mean(np.square(errors)) == pytest.approx(1, abs=0.05)
    # Averaged over pairs and frequencies: no bias of the real part, no delay in the imaginary one.
    assert np.abs(np.mean(errors, axis=(0, 2))).max() < 0.05


def test_phase_velocity_is_that_of_the_parameters_to_half_a_percent(sample_archive, verticals, coherences):
    frequencies, _ = verticals
    stated = velocity_of(sample_archive, frequencies)
    factors = np.arange(0.98, 1.021, 0.005)
    misfits = [
        sum(
            np.mean(standardised(measured, aki(sample_archive, *pair, frequencies, factor * stated), windows) ** 2)
            for pair, (measured, windows) in coherences.items()
        )
        for factor in factors
    ]
    assert factors[np.argmin(misfits)] == pytest.approx(1.0)


def test_horizontal_channels_of_one_kind_are_coherent_as_j0(sample_archive):
    date = days(sample_archive)[2]
    frequencies, one = spectra(sample_archive, "XX.ALFA..BHN", [date])
    _, other = spectra(sample_archive, "XX.ECHO..BHN", [date])
    measured, windows = coherence(one, other)
    error = standardised(measured, expected(sample_archive, "ALFA", "ECHO", frequencies), windows)
    assert np.mean(error**2) == pytest.approx(1, abs=0.4)


def test_components_are_independent_of_each_other(sample_archive):
    date = days(sample_archive)[2]
    found = {axis: spectra(sample_archive, f"XX.ALFA..BH{axis}", [date])[1] for axis in "ZNE"}
    for one, other in itertools.combinations("ZNE", 2):
        measured, windows = coherence(found[one], found[other])
        error = standardised(measured, np.zeros(len(measured)), windows)
        assert np.mean(error**2) == pytest.approx(1, abs=0.4), (one, other)


@pytest.mark.parametrize(
    ("one", "other", "day"),
    [
        ("BRAV..BHZ", "BRAV..HHZ", 0),
        ("HOTL..BHZ", "HOTL..HHZ", 1),
        ("DELT..BHZ", "DELT.10.BHZ", 2),
        ("JULI..BHZ", "JULI.10.BHZ", 1),
    ],
)
def test_sensors_of_one_place_tell_the_same_motion(sample_archive, one, other, day):
    """Their phase, less the responses', is none to 0.1 degree: sensors, filters and clocks are as the StationXML says."""
    date = days(sample_archive)[day]
    first, second = (spectra(sample_archive, f"XX.{name}", [date])[1] for name in (one, other))
    both = np.isfinite(first[:, 0]) & np.isfinite(second[:, 0])
    cross = np.mean(first[both] * second[both].conj(), axis=0)
    assert np.abs(np.angle(cross)).max() < 0.05
    assert np.angle(cross.sum()) == pytest.approx(0, abs=np.radians(0.1))
    gain = np.sum(np.abs(first[both]) ** 2) / np.sum(np.abs(second[both]) ** 2)
    assert gain == pytest.approx(1, abs=0.01)


def test_local_noise_is_what_is_stated_and_at_most_a_quarter(sample_archive):
    """Of two sensors at one place: what they share is the field, what they do not is noise."""
    stated = parameters(sample_archive)["field"]
    date = days(sample_archive)[2]
    frequencies, one = spectra(sample_archive, "XX.DELT..BHZ", [date], (0.03, 7.0))
    _, other = spectra(sample_archive, "XX.DELT.10.BHZ", [date], (0.03, 7.0))
    usable = np.isfinite(one[:, 0])
    one, other = one[usable], other[usable]
    # Both signs of a frequency count; a Hann window scaled to keep amplitudes has 1.5 of white power.
    shared = 2 / 1.5 * np.mean((one * other.conj()).real, axis=0)
    apart = 2 / 1.5 * np.mean(np.abs(one - other) ** 2, axis=0) / 2
    field, noise = np.sqrt(shared.sum()), np.sqrt(apart.sum())
    assert noise <= field / 4
    assert field == pytest.approx(stated["field_rms"], rel=0.03)
    assert noise == pytest.approx(stated["noise_share"] * stated["field_rms"], rel=0.06)
    low, high = stated["band"][0], stated["band"][3]
    outside = (frequencies < low) | (frequencies > high + 2 / WINDOW)
    assert abs(shared[outside].sum()) < 0.01 * shared.sum()
