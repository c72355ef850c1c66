"""Windows about events, predicted arrivals and given arrivals, against obspy's TauP and the day files."""

from __future__ import annotations

import datetime as dt
import io
import os
import shutil

import numpy as np
import obspy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import seisbatch
from obspy.core.event import Catalog, Event, Magnitude, Origin
from obspy.geodetics import gps2dist_azimuth, kilometers2degrees
from obspy.taup import TauPyModel
from seisbatch.archives import earthscope
from seisbatch.names import Channel
from seisbatch.sample.events import EVENTS

from tests.jobs.results import outcomes, rows
from tests.jobs.test_cut_windows import day_files


def from_day_file(archive, trace):
    """What the day file has of the same channel at the same time, by obspy."""
    pieces = day_files(archive, trace, trace.stats.starttime - 1, trace.stats.endtime + 1)
    (piece,) = (part for part in pieces if part.stats.starttime <= trace.stats.starttime <= part.stats.endtime)
    first = round((trace.stats.starttime - piece.stats.starttime) * trace.stats.sampling_rate)
    return piece.data[first : first + trace.stats.npts]


def test_windows_about_origin_times(sample_archive, run_job, tmp_path):
    options = ["--root", sample_archive, "--events", "archive", "--from", -10, "--to", 60, "--channels", "XX.*..BHZ"]
    assert run_job("cut_windows", *options, "--out", tmp_path / "out") == 0
    found = outcomes(tmp_path / "out", "window")
    assert len(found) == 3 * 12
    for event in EVENTS:
        stream = seisbatch.read_waveforms(tmp_path / "out", source_id=event.event_id)
        assert len(stream) >= 9
        for trace in stream:
            assert abs(trace.stats.starttime - (obspy.UTCDateTime(event.time) - 10)) <= trace.stats.delta
            if trace.stats.npts == 1400 and trace.stats.sampling_rate == 20.0:
                np.testing.assert_array_equal(trace.data, from_day_file(sample_archive, trace))
            assert trace.stats.source.magnitude == event.magnitude


def test_windows_about_predicted_arrivals(sample_archive, run_job, tmp_path):
    """The window begins so many seconds before the arrival that TauP predicts for that station."""
    options = ["--root", sample_archive, "--events", "archive", "--phases", "p,P,Pn", "--from", -5, "--to", 20]
    assert run_job("cut_windows", *options, "--out", tmp_path / "out", "--channels", "XX.*.*.BHZ,XX.*.*.HHZ") == 0
    model = TauPyModel("iasp91")
    stream = seisbatch.read_waveforms(tmp_path / "out")
    assert len(stream) >= 25
    for trace in stream:
        source, place = trace.stats.source, trace.stats.coordinates
        metres, _, _ = gps2dist_azimuth(source.latitude, source.longitude, place.latitude, place.longitude)
        first = model.get_travel_times(source.depth, kilometers2degrees(metres / 1000), ["p", "P", "Pn"])[0]
        # 0.3 % of the distance is the difference of an ellipsoid and a sphere: 0.06 s at 100 km.
        assert abs(trace.stats.arrival - (source.time + first.time)) < 0.1
        assert trace.stats.phase == first.name
        start = trace.stats.starttime - (trace.stats.arrival - 5)
        assert start <= trace.stats.delta or trace.stats.npts < 25 * trace.stats.sampling_rate - 2
    two = {trace.stats.arrival.timestamp for trace in stream if trace.stats.source.source_id == "90000001"}
    assert len(two) > 9  # every station has its own


def quakeml(path, **origin):
    event = Event(origins=[Origin(**origin)], magnitudes=[Magnitude(mag=7.0)])
    body = io.BytesIO()
    Catalog([event]).write(body, format="QUAKEML")
    path.write_bytes(body.getvalue())


def test_a_teleseism_across_new_year_and_one_in_the_shadow(sample_archive, run_job, tmp_path):
    """P of an event near Fiji some minutes before midnight arrives after it; P is not seen at 140 degrees."""
    quakeml(tmp_path / "fiji.xml", time=obspy.UTCDateTime(2023, 12, 31, 23, 50), latitude=-18.0, longitude=178.0, depth=550e3)
    options = ["--root", sample_archive, "--phases", "P,Pdiff", "--from", -60, "--to", 300, "--channels", "XX.ALFA..BHZ"]
    assert run_job("cut_windows", *options, "--events", tmp_path / "fiji.xml", "--out", tmp_path / "out") == 0
    (trace,) = seisbatch.read_waveforms(tmp_path / "out")
    model = TauPyModel("iasp91")
    metres, _, _ = gps2dist_azimuth(-18.0, 178.0, 34.98, -117.69)
    predicted = model.get_travel_times(550.0, kilometers2degrees(metres / 1000), ["P"])[0].time
    assert abs(trace.stats.arrival - (obspy.UTCDateTime(2023, 12, 31, 23, 50) + predicted)) < 1.0
    assert trace.stats.arrival > obspy.UTCDateTime(2024, 1, 1)
    assert trace.stats.npts == 360 * 20
    quakeml(tmp_path / "far.xml", time=obspy.UTCDateTime(2024, 1, 1, 12), latitude=-34.0, longitude=18.0, depth=10e3)
    assert run_job("cut_windows", *options, "--events", tmp_path / "far.xml", "--out", tmp_path / "far") == 0
    degrees = kilometers2degrees(gps2dist_azimuth(-34, 18, 34.98, -117.69)[0] / 1000)
    assert TauPyModel("iasp91").get_travel_times(10.0, degrees, ["P"]) == []
    assert seisbatch.read_waveforms(tmp_path / "far")[0].stats.phase == "Pdiff"
    options[3] = "P"
    assert run_job("cut_windows", *options, "--events", tmp_path / "far.xml", "--out", tmp_path / "shadow") == 3
    (row,) = rows(tmp_path / "shadow", "cemetery")
    assert row["outcome"] == "rejected"
    assert "no arrival of P at" in row["reason"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_windows_about_given_arrivals(form, sample_archive, run_job, tmp_path):
    picks = [
        {"net": "XX", "sta": "ALFA", "loc": "", "chan": "BHZ", "time": "2024-01-01T03:41:36.5", "phase": "P"},
        {"net": "XX", "sta": "ALFA", "loc": "", "chan": "BHZ", "time": "2024-01-01T03:41:41.25", "phase": "S"},
        {"net": "XX", "sta": "ECHO", "loc": "", "chan": "BHZ", "time": "2023-12-31T15:20:10", "phase": "P"},
        {"net": "XX", "sta": "NONE", "loc": "", "chan": "BHZ", "time": "2023-12-31T15:20:10", "phase": "P"},
    ]
    table = pa.Table.from_pylist(picks)
    path = tmp_path / f"picks.{form}"
    if form == "csv":
        lines = [",".join(picks[0]), *(",".join(row.values()) for row in picks)]
        path.write_text("\n".join(lines) + "\n")
    else:
        pq.write_table(table, path)
    options = ["--root", sample_archive, "--arrivals", path, "--from", -2, "--to", 8, "--out", tmp_path / "out"]
    assert run_job("cut_windows", *options) == 0
    stream = seisbatch.read_waveforms(tmp_path / "out")
    assert len(stream) == 3
    for pick in picks[:3]:
        time = obspy.UTCDateTime(pick["time"])
        (trace,) = (item for item in stream.select(station=pick["sta"]) if item.stats.arrival == time)
        assert (trace.stats.phase, trace.stats.npts) == (pick["phase"], 200)
        np.testing.assert_array_equal(trace.data, from_day_file(sample_archive, trace))


def test_an_arrival_without_codes_of_a_channel_is_of_all_of_the_station(sample_archive, run_job, tmp_path):
    (tmp_path / "picks.csv").write_text("net,sta,time\nXX,ALFA,2024-01-01T03:41:36.5\n")
    options = ["--root", sample_archive, "--arrivals", tmp_path / "picks.csv", "--out", tmp_path / "out"]
    assert run_job("cut_windows", *options) == 0
    assert {trace.stats.channel for trace in seisbatch.read_waveforms(tmp_path / "out")} == {"BHZ", "BHN", "BHE"}


def test_objects_of_whole_stations(sample_archive, run_job, tmp_path):
    """EarthScope's layout: every channel of a station's day is in one object."""
    day = dt.date(2023, 12, 31)
    archive = tmp_path / "archive"
    for sta in ("ALFA", "BRAV"):
        files = sorted((sample_archive / "continuous_waveforms/2023/2023_365").glob(f"XX{sta}_*.ms"))
        path = archive / earthscope.day_file_key(Channel("XX", sta, "", "BHZ"), day)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(file.read_bytes() for file in files))
    stations = sample_archive / "FDSNstationXML"
    options = ["--time", EVENTS[0].time.isoformat(), "--channels", "XX.*..BH[NZ]", "--out", tmp_path / "out"]
    assert run_job("cut_windows", "--archive", "earthscope", "--root", archive, "--stations", stations, *options) == 0
    found = outcomes(tmp_path / "out", "window")
    assert {unit.partition("/")[0] for unit in found} == {"XX.ALFA", "XX.BRAV"}
    stream = seisbatch.read_waveforms(tmp_path / "out")
    assert {trace.id for trace in stream} == {f"XX.ALFA..BH{c}" for c in "NZ"} | {
        f"XX.BRAV..BH{c}" for c in "NZ" if sorted(sample_archive.rglob(f"XXBRAV_BH{c}*.ms"))
    }
    for trace in stream:
        np.testing.assert_array_equal(trace.data, from_day_file(sample_archive, trace))


def test_an_object_read_in_chunks_gives_the_same(sample_archive, run_job, tmp_path, monkeypatch):
    """Objects that have to be read whole and are large: records of two lengths, here in chunks of a few records."""
    from seisbatch.acquire import chunks
    from seisbatch.acquire.miniseed import decode
    from seisbatch.acquire.objects import StoreSettings, open_store
    from seisbatch.process.pieces import cut, join

    folder = tmp_path / "objects"
    folder.mkdir()
    for file in sorted((sample_archive / "continuous_waveforms/2024/2024_001").glob("*.ms")):
        body = file.read_bytes()
        if "KILO" in file.name or len(body) < 5000:
            continue
        shutil.copy(file, folder / file.name)
        ((name, whole),) = decode(body).items() if len(decode(body)) == 1 else [(None, None)]
        if name is None:
            continue
        store = open_store(StoreSettings(root=str(folder)))
        parts = []
        for chunk in chunks.record_chunks(store, file.name, len(body), chunk_bytes=70_001):
            parts += decode(chunk)[name]
        start = whole[0].start_ns + 3600 * 10**9
        ours = join(sorted(cut(parts, start, start + 900 * 10**9), key=lambda part: part.start_ns))
        theirs = join(cut(whole, start, start + 900 * 10**9))
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one.samples, other.samples)
            assert abs(one.start_ns - other.start_ns) < 200_000


def test_a_large_object_cut_by_the_job(sample_archive, run_job, tmp_path, monkeypatch):
    """Records of two lengths are read whole; above a limit, which workers take from the module, in chunks."""
    archive = tmp_path / "archive"
    shutil.copytree(sample_archive, archive, copy_function=os.link)
    path = archive / "continuous_waveforms/2023/2023_365/XXALFA_BHZ___2023365.ms"
    trace = obspy.read(path, format="MSEED")[0]
    body = b""
    middle = trace.stats.starttime + 43200
    for part, reclen in ((trace.slice(endtime=middle), 512), (trace.slice(starttime=middle + trace.stats.delta), 4096)):
        buffer = io.BytesIO()
        part.write(buffer, format="MSEED", reclen=reclen, encoding="STEIM2")
        body += buffer.getvalue()
    path.unlink()
    path.write_bytes(body)
    options = ["--time", EVENTS[0].time.isoformat(), "--channels", "XX.ALFA..BHZ"]
    assert run_job("cut_windows", "--root", archive, *options, "--out", tmp_path / "out") == 0
    (ours,) = seisbatch.read_waveforms(tmp_path / "out")
    np.testing.assert_array_equal(ours.data, from_day_file(sample_archive, ours))
    assert ours.stats.npts == 6600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "2024-01-01", "--events", "archive"], "exclude each other"),
        (["--phases", "P"], "--phases needs --events"),
        (["--events", "archive", "--phases", "Pxyz"], "is no phase that TauP knows"),
        (["--events", "archive", "--min-magnitude", 9], "none of 3 events is selected"),
        (["--events", "nowhere.xml"], "there is no catalogue nowhere.xml"),
    ],
)
def test_what_cannot_be_is_said(options, message, sample_archive, run_job, tmp_path, capsys):
    assert run_job("cut_windows", "--root", sample_archive, *options, "--out", tmp_path / "out") in (1, 2)
    assert message in capsys.readouterr().err


def test_a_table_of_arrivals_that_is_none(sample_archive, run_job, tmp_path, capsys):
    path = tmp_path / "picks.csv"
    for text, message in [
        ("net,time\nXX,2024-01-01\n", "no column sta"),
        ("net,sta,time\nXX,ALFA,noon\n", "row 1: 'noon' is no time"),
        ("net,sta,time\nXX,../A,2024-01-01\n", "row 1: '../A' is no sta code"),
        ("net,sta,time\nXX,ALFA,2024-01-01\nXX,ALFA,2024-01-01T00:00\n", "stands there twice"),
        ("net,sta,time\n", "no row"),
    ]:
        path.write_text(text)
        assert run_job("cut_windows", "--root", sample_archive, "--arrivals", path, "--out", tmp_path / "out") == 2
        assert message in capsys.readouterr().err
