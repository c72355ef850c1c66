"""The sample archive as another reader sees it: SCEDC's layout, obspy's numbers, the stated field, the planted faults."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
from pathlib import Path

import numpy as np
import obspy
import pyarrow.parquet as pq
import pytest
from obspy.geodetics import gps2dist_azimuth
from scipy import signal
from scipy.special import j0
from seisbatch.outcome import RunError
from seisbatch.sample import write_sample_archive

DAYS = {"2023_365": dt.date(2023, 12, 31), "2024_001": dt.date(2024, 1, 1), "2024_002": dt.date(2024, 1, 2)}
UNREADABLE = {"XXKILO_BHN___2023365.ms", "XXKILO_BHE___2023365.ms"}
MISSING = "XXGOLF_BHZ___2024001.ms"


@pytest.fixture(scope="module")
def root(sample_archive) -> Path:
    return sample_archive


def index(root: Path, day: str) -> list[dict[str, object]]:
    folder = root / f"continuous_waveforms/index/parquet/year={day[:4]}/year_doy={day}"
    return pq.read_table(folder / f"{day}_waveform_index.parquet", partitioning=None).to_pylist()


def day_file(root: Path, name: str) -> Path:
    year, doy = name[-10:-6], name[-6:-3]
    return root / f"continuous_waveforms/{year}/{year}_{doy}/{name}"


def read(root: Path, name: str) -> obspy.Stream:
    return obspy.read(day_file(root, name), format="MSEED")


def inventory(root: Path, station: str) -> obspy.Inventory:
    return obspy.read_inventory(root / f"FDSNstationXML/XX/XX_{station}.xml", format="STATIONXML")


def test_it_is_the_same_to_the_byte_every_time_and_small(root, tmp_path):
    again = tmp_path / "again"
    assert write_sample_archive(again, quiet=True)

    def digests(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert digests(again) == digests(root)
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) <= 150e6
    assert not write_sample_archive(again, quiet=True)  # there already
    assert not [path for path in tmp_path.iterdir() if path != again]


def test_another_folder_is_never_written_over(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="is not a sample archive"):
        write_sample_archive(tmp_path, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_twelve_stations_over_a_hundred_kilometres(root):
    stations = {row["sta"]: (row["lat"], row["lon"]) for row in index(root, "2023_365") if row["lat"] is not None}
    assert len({row["sta"] for row in index(root, "2023_365")}) == 12
    places = list(stations.values())
    assert 70 < max(gps2dist_azimuth(*a, *b)[0] / 1000 for a in places for b in places) < 110
    verticals = {row["sta"] for row in index(root, "2024_002") if row["seedchan"] == "BHZ"}
    assert len(verticals) == 12


@pytest.mark.parametrize("day", DAYS)
def test_parquet_csv_and_files_agree(root, day):
    rows = index(root, day)
    csv_file = root / f"continuous_waveforms/index/csv/year={day[:4]}/year_doy={day}/{day}_waveform_index.csv"
    with csv_file.open() as lines:
        in_csv = list(csv.DictReader(lines))
    assert [[str(value) if value is not None else "" for value in row.values()] for row in rows] == [
        [str(float(value)) if name in ("lat", "lon", "sample_rate") and value else value for name, value in row.items()]
        for row in in_csv
    ]
    named = {row["ms_filename"] for row in rows}
    assert all(row["location"] in ("  ", "10") for row in rows)
    there = {path.name for path in (root / f"continuous_waveforms/{day[:4]}/{day}").iterdir()}
    assert named - there == ({MISSING} if day == "2024_001" else set())
    assert there <= named


@pytest.mark.parametrize("day", DAYS)
def test_obspy_reads_every_sound_file_as_the_index_says(root, day):
    midnight = obspy.UTCDateTime(DAYS[day].isoformat())
    for row in index(root, day):
        name = row["ms_filename"]
        if name in UNREADABLE or name == MISSING:
            continue
        stream = read(root, name)
        for trace in stream:
            assert (trace.stats.network, trace.stats.station, trace.stats.channel) == ("XX", row["sta"], row["seedchan"])
            assert trace.stats.mseed["encoding"] == "STEIM2"
            assert trace.stats.mseed["record_length"] == 512
            assert trace.data.dtype == np.int32
            assert trace.stats.sampling_rate == pytest.approx(row["sample_rate"], rel=1e-6)
            assert midnight - 60 < trace.stats.starttime < trace.stats.endtime < midnight + 86_460
        assert {trace.stats.location or "  " for trace in stream} == {
            "00" if name == "XXJULI_BHZ10_2023365.ms" else row["location"]
        }


def response_by_hand(channel, frequencies: np.ndarray) -> np.ndarray:
    """Counts per m/s from the numbers that the XML states, stage by stage."""
    total = np.ones(len(frequencies), complex)
    for stage in channel.response.response_stages:
        total *= stage.stage_gain
        if hasattr(stage, "poles"):
            s = 2j * np.pi * frequencies
            total *= stage.normalization_factor * np.prod([s - zero for zero in stage.zeros], axis=0)
            total /= np.prod([s - pole for pole in stage.poles], axis=0)
        elif hasattr(stage, "coefficients"):
            taps = np.array(stage.coefficients)
            _, h = signal.freqz(taps, worN=frequencies, fs=stage.decimation_input_sample_rate)
            total *= h * np.exp(2j * np.pi * frequencies * stage.decimation_correction)
    return total


@pytest.mark.parametrize(("station", "chan"), [("ALFA", "BHZ"), ("BRAV", "HHZ"), ("DELT", "BHZ")])
def test_obspy_evaluates_the_response_that_the_xml_states(root, station, chan):
    (channel,) = inventory(root, station).select(channel=chan, location="10" if station == "DELT" else "")[0][0]
    frequencies = np.linspace(0.01, 0.35 * channel.sample_rate, 200)
    ours = response_by_hand(channel, frequencies)
    theirs = channel.response.get_evalresp_response_for_frequencies(frequencies, output="VEL")
    np.testing.assert_allclose(theirs, ours, rtol=2e-3)
    at = np.array([channel.response.instrument_sensitivity.frequency])
    assert abs(response_by_hand(channel, at)[0]) == pytest.approx(channel.response.instrument_sensitivity.value, rel=1e-6)


def test_verticals_agree_in_phase_within_the_band(root):
    frequencies = np.linspace(0.1, 0.5, 41)
    phases = []
    for path in sorted((root / "FDSNstationXML/XX").iterdir()):
        (channel,) = obspy.read_inventory(path, format="STATIONXML").select(
            channel="BHZ", location="", time=obspy.UTCDateTime(2023, 12, 31, 12)
        )[0][0]
        phases.append(np.unwrap(np.angle(response_by_hand(channel, frequencies))))
    assert len(phases) == 11  # one station has no StationXML
    assert np.ptp(phases, axis=0).max() < 0.01


def test_the_field_is_diffuse(root):
    """Coherence between stations is J0(k r), less what the local noise takes; from the files, by scipy, in counts."""
    parameters = json.loads((root / "parameters.json").read_text())
    field = parameters["field"]
    names = [f"XX{sta}_BHZ___2024002.ms" for sta in ("ALFA", "BRAV", "CHAR", "DELT", "ECHO", "LIMA")]
    traces = [read(root, name)[0].data[: 20 * 3600 * 20 : 10].astype(float) for name in names]  # 20 hours, quiet, at 2 Hz
    places = {station["code"]: (station["lat"], station["lon"]) for station in parameters["stations"]}
    measured, expected = [], []
    for a in range(len(names)):
        for b in range(a):
            f, cross = signal.csd(traces[a], traces[b], fs=2.0, nperseg=512)
            power = [signal.welch(traces[n], fs=2.0, nperseg=512)[1] for n in (a, b)]
            distance = gps2dist_azimuth(*places[names[a][2:6]], *places[names[b][2:6]])[0] / 1000
            band = (f >= 0.1) & (f <= 0.5)
            velocity = field["velocity_limit"] + field["velocity_range"] * np.exp(-f[band] / field["velocity_frequency"])
            measured.append((cross.real / np.sqrt(power[0] * power[1]))[band])
            expected.append(j0(2 * np.pi * f[band] / velocity * distance))
    measured, expected = np.array(measured), np.array(expected)
    share = float((measured * expected).sum() / (expected**2).sum())
    assert 1 / (1 + 0.25**2) - 0.02 < share < 1.02  # local noise of at most a quarter of the amplitude
    # 560 half-overlapped stretches: a coherence is known to some 0.05
    assert np.sqrt(np.mean((measured - share * expected) ** 2)) < 0.06


def test_events_arrive_when_straight_rays_do(root):
    parameters = json.loads((root / "parameters.json").read_text())
    places = {station["code"]: (station["lat"], station["lon"]) for station in parameters["stations"]}
    found = 0
    for catalogue in sorted((root / "earthquake_catalogs/index/parquet").rglob("*.parquet")):
        for event in pq.read_table(catalogue, partitioning=None).to_pylist():
            origin = obspy.UTCDateTime(event["ORIGIN_DATETIME"])
            stream = obspy.read(root / "event_waveforms" / event["PREFIX"] / event["MS_FILENAME"], format="MSEED")
            assert len(stream) == event["NUMWAVEFORMS"]
            for trace in stream.select(channel="BHZ"):
                metres, _, _ = gps2dist_azimuth(event["LATITUDE"], event["LONGITUDE"], *places[trace.stats.station])
                ray = np.hypot(metres / 1000, event["DEPTH"])
                samples = np.abs(trace.data - np.median(trace.data))
                peak = trace.stats.starttime + int(samples.argmax()) * trace.stats.delta
                assert peak - origin == pytest.approx(ray / parameters["s_velocity"], abs=0.3)
                found += 1
    assert found == 3 * 14


def lengths(root: Path, name: str) -> list[tuple[float, float]]:
    """Start and end of every trace, in seconds of its day."""
    traces = read(root, name)
    midnight = obspy.UTCDateTime(DAYS[f"{name[-10:-6]}_{name[-6:-3]}"].isoformat())
    return [(trace.stats.starttime - midnight, trace.stats.endtime - midnight) for trace in traces]


def test_faults_of_time_are_in_the_bytes(root):
    (_, end), (start, _) = lengths(root, "XXBRAV_BHZ___2024001.ms")
    assert start - end == pytest.approx(1200.05)
    assert len(lengths(root, "XXALFA_BHN___2023365.ms")) == 301
    ((_, end), (start, _)) = lengths(root, "XXCHAR_BHZ___2024001.ms")
    assert end - start == pytest.approx(119.95)
    ((start, end),) = lengths(root, "XXDELT_BHZ___2024001.ms")
    assert start == 6 * 3600
    ((start, end),) = lengths(root, "XXCHAR_BHN___2023365.ms")
    assert end - start == pytest.approx(3 * 3600 - 0.05)
    ((start, _),) = lengths(root, "XXFOXT_BHZ___2023365.ms")
    assert start == pytest.approx(0.013, abs=2e-4)
    ((start, end),) = lengths(root, "XXECHO_BHZ___2024001.ms")
    assert start == pytest.approx(-20)
    assert end > 86_400


def test_faults_of_samples_are_in_the_bytes(root):
    one, other = read(root, "XXALFA_BHE___2023365.ms")
    overlap = one.stats.endtime - other.stats.starttime
    n = round(overlap * 20) + 1
    assert n == 2400
    assert (one.data[-n:] != other.data[:n]).all()
    one, other = read(root, "XXCHAR_BHZ___2024001.ms")
    assert (one.data[-2400:] == other.data[:2400]).all()
    assert np.ptp(read(root, "XXCHAR_BHE___2024002.ms")[0].data) == 0
    spikes = read(root, "XXECHO_BHN___2023365.ms")[0].data
    assert (np.abs(spikes) > 8_000_000).sum() == 40
    rate = read(root, "XXDELT_BHZ10_2023365.ms")[0].stats.sampling_rate
    assert rate == pytest.approx(40.000016, abs=4e-6)
    assert rate != 40


def test_faults_of_files_are_there(root):
    assert not day_file(root, MISSING).exists()
    assert day_file(root, "XXKILO_BHN___2023365.ms").stat().st_size % 512 == 256
    assert day_file(root, "XXKILO_BHE___2023365.ms").read_bytes().startswith(b"<html>")
    assert not (root / "FDSNstationXML/XX/XX_LIMA.xml").exists()
    epochs = inventory(root, "INDI").select(channel="BHZ")[0][0].channels
    assert [str(epoch.start_date)[:16] for epoch in epochs][1] == "2024-01-01T12:00"
    assert epochs[1].response.instrument_sensitivity.value == pytest.approx(2 * epochs[0].response.instrument_sensitivity.value)
    halves = np.split(read(root, "XXINDI_BHZ___2024001.ms")[0].data.astype(float), [43_200 * 20])
    assert np.std(halves[1]) / np.std(halves[0]) == pytest.approx(2, rel=0.1)
