"""Catalogues under every spelling, QuakeML, and what is selected of them."""

from __future__ import annotations

import datetime as dt
import io

import obspy
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from obspy.core.event import Catalog, Event, Magnitude, Origin

from tests.jobs.results import outcomes

UTC = dt.UTC
LANDERS = {"source_id": "3031111", "time": dt.datetime(1992, 6, 28, 11, 57, 34, 130000, tzinfo=UTC), "lat": 34.2,
           "lon": -116.437, "depth": -0.1, "magnitude": 7.3}  # fmt: skip

SPELLINGS = {
    "one column of time": {
        "EVID": [3031111], "ORIGIN_DATETIME": ["1992-06-28 11:57:34.130"], "MAG": [7.3], "LATITUDE": [34.2],
        "LONGITUDE": [-116.437], "DEPTH": [-0.1], "PREFIX": ["1992/1992_180/"], "MS_FILENAME": ["3031111.ms"]},
    "a timestamp": {
        "EVID": ["3031111"], "ORIGIN_DATETIME": [dt.datetime(1992, 6, 28, 11, 57, 34, 130000)], "MAG": ["7.3"],
        "LATITUDE": [34.2], "LONGITUDE": [-116.437], "DEPTH": [-0.1], "PREFIX": ["1992/1992_180"], "MS_FILENAME": [""]},
    "date beside time": {
        "YYYY/MM/DD": ["1992/06/28"], "HH:mm:SS.ss": ["11:57:34.13"], "EVID": [3031111.0], "MAG": [7.3], "LAT": [34.2],
        "LON": [-116.437], "DEPTH": [-0.1]},
    "the documentation's names": {
        "eventdate": ["1992-06-28"], "eventtime": ["11:57:34.13"], "eventtype": ["eq"], "magnitude": [7.3],
        "magnitudetype": ["w"], "latitude": [34.2], "longitude": [-116.437], "depth": [-0.1], "eventid": ["3031111"],
        "numphases": [120], "numwaveforms": [900]},
    "sixty seconds": {
        "eventdate": ["1992-06-28"], "eventtime": ["11:56:94.13"], "magnitude": [7.3], "latitude": [34.2],
        "longitude": [243.563], "depth": [-0.1], "eventid": ["3031111"], "PREFIX": [None], "MS_FILENAME": [None]},
}  # fmt: skip


def sources(out):
    files = sorted((out / "source").rglob("*.parquet"))
    return pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).to_pylist()


def write(root, year, columns, form="parquet"):
    path = root / f"earthquake_catalogs/index/{form}/year={year}/{year}_catalog_index.{form}"
    path.parent.mkdir(parents=True)
    table = pa.table(columns)
    pq.write_table(table, path) if form == "parquet" else pyarrow.csv.write_csv(table, path)


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_the_columns(spelling, form, run_job, tmp_path):
    write(tmp_path / "archive", 1992, SPELLINGS[spelling], form)
    options = ["--archive", "scedc", "--root", tmp_path / "archive", "--start", "1992-01-01", "--end", "1993-01-01"]
    assert run_job("load_catalog", *options, "--out", tmp_path / "out") == 0
    (row,) = sources(tmp_path / "out")
    assert {key: row[key] for key in LANDERS} | {"lon": round(row["lon"], 9)} == LANDERS
    assert row["s3key"] == "event_waveforms/1992/1992_180/3031111.ms"


def test_bad_rows_are_told_and_the_rest_is_loaded(run_job, tmp_path):
    columns = {
        "EVID": ["1", "2", "3", "4", "5", "5", "../6"],
        "ORIGIN_DATETIME": ["2020-01-02 03:04:05", "yesterday", *["2020-01-02 03:04:05"] * 5],
        "MAG": [1.0, 1.0, None, 1.0, 1.0, 1.0, 1.0],
        "LATITUDE": [34.0, 34.0, 34.0, 134.0, 34.0, 34.0, 34.0],
        "LONGITUDE": [-117.0] * 7,
        "DEPTH": [5.0] * 7,
        "PREFIX": ["2020/2020_002", "", "", "", "", "", ""],
    }
    write(tmp_path / "archive", 2020, columns)
    options = ["--archive", "scedc", "--root", tmp_path / "archive", "--start", "2020-01-01", "--end", "2022-01-01"]
    assert run_job("load_catalog", *options, "--out", tmp_path / "out") == 0
    assert [row["source_id"] for row in sources(tmp_path / "out")] == ["1", "3", "5"]
    found = outcomes(tmp_path / "out", "catalogue")
    there, not_there = found["year=2020/catalogue"], found["year=2021/catalogue"]
    assert there["outcome"] == "ok"
    assert "4 left out" in there["reason"]
    assert "row 2: 'yesterday' is no origin time" in there["reason"]
    assert not_there["outcome"] == "missing"


SELECTED = {
    "all": ([], {"90000001", "90000002", "90000003"}),
    "magnitude": (["--min-magnitude", 3, "--max-magnitude", 3.2], {"90000001"}),
    "depth": (["--min-depth", 8], {"90000001", "90000002"}),
    "box": (["--region", "-117.4,-117.0,34.5,35.1"], {"90000001", "90000003"}),
    "circle": (["--region", "circle:35.33,-117.52,10"], {"90000002"}),
    "time": (["--start", "2023-12-31T15:20:05", "--end", "2024-01-02"], {"90000002"}),
    "ids": (["--event-ids", "90000003,90000009"], {"90000003"}),
}


@pytest.mark.parametrize("what", SELECTED)
def test_selection(what, sample_archive, run_job, tmp_path):
    options, expected = SELECTED[what]
    assert run_job("load_catalog", "--root", sample_archive, *options, "--out", tmp_path / "out") == 0
    assert {row["event_id"] for row in sources(tmp_path / "out")} == expected


def test_quakeml_and_what_is_none(run_job, tmp_path):
    folder = tmp_path / "events"
    folder.mkdir()
    time = obspy.UTCDateTime("2011-03-11T05:46:23.2")
    first, second = (
        Origin(time=time + 9, latitude=1.0, longitude=2.0),
        Origin(time=time, latitude=38.297, longitude=142.373, depth=29000.0),
    )
    event = Event(origins=[first, second], magnitudes=[Magnitude(mag=9.1, magnitude_type="Mww")])
    event.preferred_origin_id = second.resource_id
    event.preferred_magnitude_id = event.magnitudes[0].resource_id
    body = io.BytesIO()
    Catalog([event, Event(magnitudes=[Magnitude(mag=1.0)])]).write(body, format="QUAKEML")
    (folder / "tohoku.xml").write_bytes(body.getvalue())
    (folder / "bomb.xml").write_bytes(b'<!DOCTYPE a [<!ENTITY b "b">]><q:quakeml>&b;</q:quakeml>')
    (folder / "station.xml").write_bytes(b"<FDSNStationXML/>")
    assert run_job("load_catalog", "--catalog", folder, "--out", tmp_path / "out", "--archive", "scedc") == 3
    (row,) = sources(tmp_path / "out")
    assert row["event_id"] == str(event.resource_id)
    assert (row["lat"], row["lon"], row["depth"], row["magnitude"]) == (38.297, 142.373, 29.0, 9.1)
    assert row["time"] == dt.datetime(2011, 3, 11, 5, 46, 23, 200000, tzinfo=UTC)
    found = pq.read_table(tmp_path / "out/outcomes/outcomes.parquet").to_pylist()
    of_files = {row["s3key"]: row for row in found if row["kind"] == "catalogue"}
    assert {key: row["outcome"] for key, row in of_files.items()} == {
        "tohoku.xml": "ok", "bomb.xml": "corrupt", "station.xml": "corrupt"}  # fmt: skip
    assert "1 left out" in of_files["tohoku.xml"]["reason"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--archive", "ncedc"], "has no catalogue of events"),
        (["--archive", "scedc"], "give --start and --end"),
        (["--region", "1,2,3"], "is no region"),
        (["--min-magnitude", 5, "--max-magnitude", 4], "--max-magnitude 4 is below --min-magnitude 5"),
        (["--start", "2024-01-01", "--end", "2023-01-01"], "--end 2023-01-01 is not after --start 2024-01-01"),
    ],
)
def test_what_cannot_be_is_said(options, message, run_job, tmp_path, capsys):
    assert run_job("load_catalog", *options, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
