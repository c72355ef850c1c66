"""The sample archive is laid out as SCEDC's bucket, its index tells the truth, and its earthquakes arrive on time."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import itertools
from pathlib import Path

import numpy as np
import obspy
import pyarrow.parquet as pq
import pytest
from scipy import signal
from seisbatch.outcome import RunError
from seisbatch.sample import write_sample_archive
from seisbatch.sample.faults import FAULTS

from tests.sample import (
    BROKEN,
    day_file,
    day_folder,
    days,
    index_path,
    index_rows,
    indexed_channel,
    midnight,
    parameters,
    read_day,
    station_inventory,
)

DAYS = [dt.date(2023, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 1, 2)]
PLANTED = {(str(fault.channel), fault.date): fault.plant for fault in FAULTS}
INDEX_COLUMNS = ["ms_filename", "net", "sta", "seedchan", "location", "lat", "lon", "sample_rate"]
EARTH_AXIS, EARTH_FLATTENING = 6378.137, 1 / 298.257223563


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def hashes(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files(root)}


def cartesian(lat: float, lon: float) -> np.ndarray:
    """A point of the WGS84 ellipsoid [km]; over 100 km the chord is a metre shorter than the arc."""
    eccentricity = EARTH_FLATTENING * (2 - EARTH_FLATTENING)
    phi, theta = np.radians([lat, lon])
    normal = EARTH_AXIS / np.sqrt(1 - eccentricity * np.sin(phi) ** 2)
    return normal * np.array([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), (1 - eccentricity) * np.sin(phi)])


def catalogue(root: Path) -> list[dict[str, str]]:
    rows = []
    for path in sorted(root.glob("earthquake_catalogs/index/csv/year=*/*_catalog_index.csv")):
        with path.open(newline="") as file:
            rows += csv.DictReader(file)
    return rows


def test_written_twice_it_is_the_same_to_the_byte(sample_archive, tmp_path):
    again = tmp_path / "deeper" / "again"
    assert write_sample_archive(again, quiet=True) is True
    assert hashes(again) == hashes(sample_archive)
    assert list(again.parent.iterdir()) == [again]


def test_archive_that_is_there_is_left_alone(sample_archive):
    before = {path: path.stat().st_mtime_ns for path in files(sample_archive)}
    assert write_sample_archive(sample_archive, quiet=True) is False
    assert {path: path.stat().st_mtime_ns for path in files(sample_archive)} == before


@pytest.mark.parametrize(
    ("name", "content"),
    [("thesis.tex", "mine"), ("parameters.json", "[]"), ("parameters.json", "{}"), ("parameters.json", '{"version": 0}')],
)
def test_folder_of_something_else_is_refused_and_kept(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(RunError, match="remove it"):
        write_sample_archive(tmp_path, quiet=True)
    assert [path.read_text() for path in files(tmp_path)] == [content]


def test_size_is_that_of_a_quick_download(sample_archive):
    assert sum(path.stat().st_size for path in files(sample_archive)) <= 150e6


def test_twelve_stations_over_about_100_km(sample_archive):
    stations = parameters(sample_archive)["stations"]
    places = [cartesian(station["lat"], station["lon"]) for station in stations]
    distances = [np.linalg.norm(one - other) for one, other in itertools.combinations(places, 2)]
    assert len({station["code"] for station in stations}) == 12
    assert 70 < max(distances) < 110
    assert min(distances) > 5
    assert {row["sta"] for row in index_rows(sample_archive, DAYS[0])} == {station["code"] for station in stations}


def test_every_object_stands_under_a_key_of_scedc(sample_archive):
    assert days(sample_archive) == DAYS
    keys = {"parameters.json"}
    for date in DAYS:
        keys |= {str(index_path(sample_archive, date, form).relative_to(sample_archive)) for form in ("csv", "parquet")}
        for row in index_rows(sample_archive, date):
            path = day_file(sample_archive, indexed_channel(row), date)
            assert row["ms_filename"] == path.name
            if PLANTED.get((indexed_channel(row), date)) != "missing":
                keys.add(str(path.relative_to(sample_archive)))
    for year, form in itertools.product((2023, 2024), ("csv", "parquet")):
        keys.add(f"earthquake_catalogs/index/{form}/year={year}/{year}_catalog_index.{form}")
    keys |= {f"event_waveforms/{row['PREFIX']}{row['MS_FILENAME']}" for row in catalogue(sample_archive)}
    without = {fault.channel.sta for fault in FAULTS if fault.plant == "no_stationxml"}
    stations = {station["code"] for station in parameters(sample_archive)["stations"]} - without
    keys |= {f"FDSNstationXML/XX/XX_{sta}.xml" for sta in stations}
    assert {str(path.relative_to(sample_archive)) for path in files(sample_archive)} == keys
    assert "continuous_waveforms/2023/2023_365/XXALFA_BHZ___2023365.ms" in keys
    assert "continuous_waveforms/2024/2024_001/XXDELT_BHZ10_2024001.ms" in keys
    assert "event_waveforms/2024/2024_002/90000003.ms" in keys


@pytest.mark.parametrize("date", DAYS, ids=str)
def test_parquet_and_csv_index_say_the_same(sample_archive, date):
    table = pq.read_table(index_path(sample_archive, date, "parquet"), partitioning=None)
    assert table.column_names == INDEX_COLUMNS
    assert [str(field.type) for field in table.schema] == ["string"] * 5 + ["double"] * 3
    text = index_rows(sample_archive, date)
    assert list(text[0]) == INDEX_COLUMNS
    numbers = ("lat", "lon", "sample_rate")
    read = [{key: (float(row[key]) if row[key] else None) if key in numbers else row[key] for key in row} for row in text]
    assert read == table.to_pylist()
    names = [row["ms_filename"] for row in text]
    assert len(set(names)) == len(names)


def test_indexed_coordinates_are_those_of_the_stationxml(sample_archive):
    places = {station["code"]: (station["lat"], station["lon"]) for station in parameters(sample_archive)["stations"]}
    left_out = set()
    for row in index_rows(sample_archive, DAYS[0]):
        path = sample_archive / f"FDSNstationXML/XX/XX_{row['sta']}.xml"
        if path.exists():
            station = station_inventory(sample_archive, row["sta"])[0][0]
            assert (station.latitude, station.longitude) == places[row["sta"]]
        if row["lat"]:
            assert (float(row["lat"]), float(row["lon"])) == places[row["sta"]]
        else:
            assert path.exists(), "a station is somewhere, by the index or by its StationXML"
            left_out.add(row["sta"])
    assert len(left_out) == 1, "the real index leaves coordinates out, too"


@pytest.mark.parametrize("date", DAYS, ids=str)
def test_day_files_read_as_the_index_says(sample_archive, date):
    rows = index_rows(sample_archive, date)
    whole = 0
    for row in rows:
        channel = indexed_channel(row)
        plant = PLANTED.get((channel, date))
        if plant in BROKEN:
            continue
        path = day_file(sample_archive, channel, date)
        records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 512)
        assert (records[:, 6] == ord("D")).all(), f"{path.name}: no header at some multiple of 512 bytes"
        stream = read_day(sample_archive, channel, date)
        for trace in stream:
            assert (trace.stats.mseed.encoding, trace.stats.mseed.record_length) == ("STEIM2", 512)
            assert trace.data.dtype == np.int32
            assert trace.stats.sampling_rate == pytest.approx(float(row["sample_rate"]), rel=1e-6)
            assert trace.id == channel or plant == "other_location"
        if plant in (None, "no_stationxml", "gain_change"):
            whole += 1
            assert len(stream) == 1
            assert stream[0].stats.starttime == midnight(date)
            assert stream[0].stats.npts == 86_400 * float(row["sample_rate"])
            assert 5 < np.median(np.abs(stream[0].data)) < 200
    assert whole >= 12
    present = {path.name for path in day_folder(sample_archive, date).iterdir()}
    missing = {row["ms_filename"] for row in rows} - present
    assert missing == {
        day_file(sample_archive, name, day).name for (name, day), plant in PLANTED.items() if (plant, day) == ("missing", date)
    }
    assert present <= {row["ms_filename"] for row in rows}


def test_parquet_and_csv_catalogue_say_the_same(sample_archive):
    tables = sorted(sample_archive.glob("earthquake_catalogs/index/parquet/year=*/*.parquet"))
    rows = [row for path in tables for row in pq.read_table(path, partitioning=None).to_pylist()]
    assert [[str(value) for value in row.values()] for row in rows] == [
        [
            str(float(text)) if isinstance(value, float) else text
            for text, value in zip(line.values(), row.values(), strict=True)
        ]
        for line, row in zip(catalogue(sample_archive), rows, strict=True)
    ]


def test_catalogue_names_files_of_its_events(sample_archive):
    rows = catalogue(sample_archive)
    assert len(rows) == len({row["EVID"] for row in rows}) == 3
    for row in rows:
        origin = obspy.UTCDateTime(row["ORIGIN_DATETIME"])
        assert row["PREFIX"] == origin.strftime("%Y/%Y_%j/")
        assert origin.date in DAYS
        stream = obspy.read(str(sample_archive / "event_waveforms" / row["PREFIX"] / row["MS_FILENAME"]), format="MSEED")
        assert sorted(trace.id for trace in stream) == sorted(parameters(sample_archive)["channels"])
        assert len(stream) == int(row["NUMWAVEFORMS"])
        for trace in stream:
            assert trace.stats.starttime <= origin - 29
            assert trace.stats.endtime >= origin + 119


def test_event_files_hold_the_samples_of_the_day_files(sample_archive):
    for row in catalogue(sample_archive):
        path = sample_archive / "event_waveforms" / row["PREFIX"] / row["MS_FILENAME"]
        stream = obspy.read(str(path), format="MSEED")
        date = obspy.UTCDateTime(row["ORIGIN_DATETIME"]).date
        for sta in ("ALFA", "HOTL"):
            event = stream.select(station=sta, channel="BHZ")[0]
            day = read_day(sample_archive, f"XX.{sta}..BHZ", date)[0].trim(event.stats.starttime, event.stats.endtime)
            assert day.stats.starttime == event.stats.starttime
            np.testing.assert_array_equal(day.data, event.data)


@pytest.mark.parametrize("number", range(3))
def test_waves_of_an_earthquake_arrive_after_their_travel_time(sample_archive, number):
    row = catalogue(sample_archive)[number]
    stated = parameters(sample_archive)
    stations = {station["code"]: cartesian(station["lat"], station["lon"]) for station in stated["stations"]}
    epicentre = cartesian(float(row["LATITUDE"]), float(row["LONGITUDE"]))
    origin = obspy.UTCDateTime(row["ORIGIN_DATETIME"])
    path = sample_archive / "event_waveforms" / row["PREFIX"] / row["MS_FILENAME"]
    apart = 0
    for trace in obspy.read(str(path), format="MSEED"):
        length = np.hypot(np.linalg.norm(stations[trace.stats.station] - epicentre), float(row["DEPTH"]))
        p, s = (length / stated[key] for key in ("p_velocity", "s_velocity"))
        rate = trace.stats.sampling_rate
        # The responses are flat at 0.6 to 5 Hz, and the filter has no phase: peaks stay where they are.
        sos = signal.butter(2, [0.6, 5.0], "bandpass", fs=rate, output="sos")
        velocity = signal.sosfiltfilt(sos, trace.data.astype(float))
        times = np.arange(len(velocity)) / rate + (trace.stats.starttime - origin)
        at = times[np.argmax(velocity)]
        assert at == pytest.approx(s, abs=0.1), trace.id
        before = times < s - 1.0
        if s - p > 2.0:
            apart += 1
            assert times[before][np.argmax(velocity[before])] == pytest.approx(p, abs=0.1), trace.id
        quiet = np.abs(velocity[times < p - 2.0])
        assert velocity.max() > 10 * np.sqrt(np.mean(quiet**2)), trace.id
    assert apart >= 12
