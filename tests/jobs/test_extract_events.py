"""Events out of the sample's event files, against obspy reading the same objects and StationXML files."""

from __future__ import annotations

import io
import os
import shutil

import numpy as np
import obspy
import pytest
import seisbatch
from seisbatch.names import Channel
from seisbatch.process.segments import Segment
from seisbatch.sample.events import EVENTS
from seisbatch.sample.faults import pack
from seisbatch.times import from_datetime

from tests.jobs.results import outcomes, rows

KEYS = {event.event_id: f"event_waveforms/{event.time:%Y}/{event.time:%Y_%j}/{event.event_id}.ms" for event in EVENTS}


@pytest.fixture(scope="module")
def out(sample_archive, run_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("events") / "out"
    assert run_job("extract_events", "--root", sample_archive, "--data-tag", "local", "--out", folder) == 0
    return folder


def test_every_trace_of_every_event_is_there(out, sample_archive):
    for event in EVENTS:
        ours = seisbatch.read_waveforms(out, source_id=event.event_id)
        theirs = obspy.read(sample_archive / KEYS[event.event_id], format="MSEED")
        assert len(ours) == len(theirs) > 20
        theirs.sort()
        ours.sort()
        for one, other in zip(ours, theirs, strict=True):
            assert one.id == other.id
            np.testing.assert_array_equal(one.data, other.data)
            assert abs(one.stats.starttime - other.stats.starttime) < 1e-6
            assert one.stats.sampling_rate == pytest.approx(other.stats.sampling_rate, rel=1e-9)
    found = outcomes(out, "event")
    assert {unit: row["outcome"] for unit, row in found.items()} == dict.fromkeys(KEYS, "ok")
    assert sum(row["windows"] for row in found.values()) == len(rows(out, "wf_TimeSeries"))


def test_the_traces_of_a_batch_of_events_are_one_object_of_miniseed(sample_archive, run_job, tmp_path):
    folder = tmp_path / "out"
    assert run_job("extract_events", "--root", sample_archive, "--format", "mseed", "--out", folder) == 0
    paths = sorted((folder / "miniseed").glob("**/*.ms"))
    assert [path.relative_to(folder / "miniseed").as_posix() for path in paths] == [
        "year=2023/month=12/events-00000.ms",
        "year=2024/month=01/events-00000.ms",
    ]
    bodies = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    live = rows(folder, "wf_TimeSeries")
    for event in EVENTS:
        theirs = obspy.read(sample_archive / KEYS[event.event_id], format="MSEED")
        places = [(row["dfile"], row["foff"], row["nbytes"]) for row in live if row["source_id"] == event.event_id]
        parts = b"".join(bodies[key][offset : offset + length] for key, offset, length in places)
        for ours in (seisbatch.read_waveforms(folder, source_id=event.event_id), obspy.read(io.BytesIO(parts), format="MSEED")):
            assert len(ours) == len(theirs) > 20
            ours.sort()
            for one, other in zip(ours, theirs.sort(), strict=True):
                assert (one.id, one.stats.starttime) == (other.id, other.stats.starttime)
                np.testing.assert_array_equal(one.data, other.data)
    assert sum(map(len, bodies.values())) == sum(row["nbytes"] for row in live)
    for path in paths:
        assert len(obspy.read(path, format="MSEED")) > 20


def test_rows_know_event_station_and_channel_epoch(out, sample_archive):
    """JULI's gain changes at noon of the second day: its channel has two epochs, and each event that of its time."""
    inventory = obspy.Inventory()
    for file in (sample_archive / "FDSNstationXML").rglob("*.xml"):
        inventory += obspy.read_inventory(file, format="STATIONXML")
    events = {event.event_id: event for event in EVENTS}
    two_epochs = {}
    for row in rows(out, "wf_TimeSeries"):
        event = events[row["source_id"]]
        assert (row["source_time"], row["source_lat"], row["source_lon"]) == (event.time, event.lat, event.lon)
        assert (row["source_depth"], row["magnitude"]) == (event.depth, event.magnitude)
        if row["sta"] == "LIMA":  # no StationXML
            assert row["channel_id"] is row["lat"] is None
            continue
        codes = {"network": row["net"], "station": row["sta"], "location": row["loc"], "channel": row["chan"]}
        ((station,),) = inventory.select(**codes, time=obspy.UTCDateTime(row["starttime"]))
        (channel,) = station
        assert (row["lat"], row["lon"], row["elev"]) == (channel.latitude, channel.longitude, channel.elevation / 1000)
        name, start = row["channel_id"].split("/")
        assert name == f"{row['net']}.{row['sta']}.{row['loc']}.{row['chan']}"
        assert obspy.UTCDateTime(start) == channel.start_date
        assert obspy.UTCDateTime(row["site_id"].split("/")[1]) == station.start_date
        two_epochs.setdefault(name, set()).add(row["channel_id"])
    assert max(map(len, two_epochs.values())) == 2


def test_ids_are_those_of_the_tables(out, sample_archive, run_job, tmp_path):
    import pyarrow.parquet as pq

    assert run_job("load_stations", "--root", sample_archive, "--archive", "scedc", "--out", tmp_path / "stations") == 0
    assert run_job("load_catalog", "--root", sample_archive, "--out", tmp_path / "events") == 0
    live = rows(out, "wf_TimeSeries")
    for table, column in (("channel", "channel_id"), ("site", "site_id")):
        known = {row[column] for row in pq.read_table(tmp_path / "stations" / table).to_pylist()}
        assert {row[column] for row in live if row[column]} <= known
    known = set(pq.read_table(tmp_path / "events/source", partitioning=None)["source_id"].to_pylist())
    assert {row["source_id"] for row in live} == known
    # and the table of events serves in place of the catalogue
    options = ["--root", sample_archive, "--events", tmp_path / "events", "--min-magnitude", 3.3, "--out", tmp_path / "out"]
    assert run_job("extract_events", *options) == 0
    assert {row["source_id"] for row in rows(tmp_path / "out", "wf_TimeSeries")} == {"90000003"}


def test_traces_have_places_and_the_event(out):
    (trace,) = seisbatch.read_waveforms(out, sta="ALFA", chan="BHZ", source_id="90000001")
    assert trace.stats.coordinates == {"latitude": 34.98, "longitude": -117.69, "elevation": 820.0}
    assert (trace.stats.source.latitude, trace.stats.source.depth) == (35.05, 8.0)
    assert trace.stats.source.time == obspy.UTCDateTime(EVENTS[0].time)


def test_what_cannot_be_read_is_an_outcome(sample_archive, run_job, tmp_path):
    archive = tmp_path / "archive"
    shutil.copytree(sample_archive, archive, copy_function=os.link)
    first, second, third = (archive / KEYS[event.event_id] for event in EVENTS)
    first.unlink()
    body = second.read_bytes()
    second.unlink()
    second.write_bytes(body[:-77])
    body = bytearray(third.read_bytes())
    third.unlink()
    # Records of 512 bytes: of the first trace, the frames of one are spoilt.
    body[64:512] = bytes(reversed(body[64:512]))
    third.write_bytes(body)
    options = ["--root", archive, "--out", tmp_path / "out", "--max-bad-fraction", 0.9]
    assert run_job("extract_events", *options) == 0
    found = outcomes(tmp_path / "out", "event")
    assert found["90000001"]["outcome"] == "missing"
    assert found["90000002"]["outcome"] == "corrupt"
    assert "truncated" in found["90000002"]["reason"]
    assert found["90000003"]["outcome"] == "ok"
    assert "channels that cannot be decoded: 1" in found["90000003"]["reason"]
    buried = {row["unit"] for row in rows(tmp_path / "out", "cemetery")}
    assert {"90000001", "90000002"} < buried
    assert len(buried) == 3
    whole = len(obspy.read(sample_archive / KEYS["90000003"], format="MSEED"))
    assert len(rows(tmp_path / "out", "wf_TimeSeries")) == whole - 1


def test_an_event_of_thousands_of_traces(sample_archive, run_job, tmp_path):
    """One object, 1,500 traces, two of them with a gap: as many rows as segments, samples as they were."""
    archive = tmp_path / "archive"
    shutil.copytree(sample_archive, archive, copy_function=os.link)
    rng = np.random.default_rng(5)
    start_ns = from_datetime(EVENTS[0].time) - 10 * 10**9
    samples = {}
    parts = []
    for number in range(1500):
        name = Channel("XX", f"S{number // 3:03d}", "", ("HHZ", "HHN", "HHE")[number % 3])
        values = np.cumsum(rng.integers(-40, 40, 1500)).astype(np.int32)
        pieces = [Segment(start_ns, 100.0, values)]
        if number in (7, 700):
            pieces = [pieces[0].part(0, 500), pieces[0].part(900, 1500)]
        samples[str(name)] = pieces
        parts.append(pack(name, pieces))
    (archive / KEYS["90000001"]).unlink()
    (archive / KEYS["90000001"]).write_bytes(b"".join(parts))
    options = ["--root", archive, "--event-ids", "90000001", "--out", tmp_path / "out"]
    assert run_job("extract_events", *options) == 0
    stream = seisbatch.read_waveforms(tmp_path / "out")
    assert len(stream) == 1502
    found = {}
    for trace in stream:
        found.setdefault(trace.id, []).append(trace.data)
    for name, pieces in samples.items():
        for ours, theirs in zip(found[name], pieces, strict=True):
            np.testing.assert_array_equal(ours, theirs.samples)
    assert "coordinates unknown: 1502" in outcomes(tmp_path / "out", "event")["90000001"]["reason"]


def test_a_selection_of_channels_and_again(sample_archive, run_job, tmp_path, capsys):
    options = ["--root", sample_archive, "--channels", "XX.ALFA.*.BHZ", "--out", tmp_path / "out"]
    assert run_job("extract_events", *options) == 0
    assert {row["chan"] for row in rows(tmp_path / "out", "wf_TimeSeries")} == {"BHZ"}
    capsys.readouterr()
    assert run_job("extract_events", *options) == 0
    assert "nothing to do" in capsys.readouterr().out
    options = ["--root", sample_archive, "--channels", "XX.NO.*.BHZ", "--out", tmp_path / "none"]
    assert run_job("extract_events", *options) == 3
    assert {row["outcome"] for row in outcomes(tmp_path / "none", "event").values()} == {"empty"}


def test_what_cannot_be_is_said(sample_archive, run_job, tmp_path, capsys):
    for options, message in [
        (["--archive", "ncedc"], "holds no events: cut_windows --events"),
        (["--root", sample_archive, "--min-magnitude", 8], "none of 3 events is selected"),
        (["--root", sample_archive, "--channels", "XX"], "is no channel pattern"),
    ]:
        assert run_job("extract_events", *options, "--out", tmp_path / "out") == 2
        assert message in capsys.readouterr().err
