"""Segments exported as miniSEED, SAC and ASDF, against obspy reading the archive's own objects and StationXML files."""

from __future__ import annotations

import json
import shutil

import boto3
import h5py
import numpy as np
import obspy
import pyarrow as pa
import pyarrow.parquet as pq
import pyasdf
import pytest
from obspy import UTCDateTime
from obspy.geodetics import gps2dist_azimuth
from obspy.io.sac import SACTrace
from seisbatch.sample.events import EVENTS

from tests.jobs.results import outcomes, rows

EVENT_OF = {event.event_id: event for event in EVENTS}
NULL = -12345.0


@pytest.fixture(scope="module")
def made(sample_archive, run_job, tmp_path_factory):
    """The tables that are exported: events, windows about predicted arrivals (in objects of miniSEED), stations."""
    folder = tmp_path_factory.mktemp("made")
    common = ["--root", sample_archive]
    assert run_job("extract_events", *common, "--data-tag", "Local.1", "--out", folder / "events") == 0
    phases = ["--events", "archive", "--phases", "p,P,Pn", "--from", -5, "--to", 20, "--format", "mseed"]
    assert run_job("cut_windows", *common, *phases, "--out", folder / "windows") == 0
    assert run_job("load_stations", *common, "--archive", "scedc", "--out", folder / "stations") == 0
    return folder


@pytest.fixture(scope="module")
def inventory(sample_archive):
    found = obspy.Inventory()
    for file in (sample_archive / "FDSNstationXML").rglob("*.xml"):
        found += obspy.read_inventory(file, format="STATIONXML")
    return found


def event_object(archive, event):
    path = archive / f"event_waveforms/{event.time:%Y}/{event.time:%Y_%j}/{event.event_id}.ms"
    return obspy.read(path, format="MSEED").sort()


def all_of(archive):
    """Every trace of every event's object, by channel and time."""
    return obspy.Stream([trace for event in EVENTS for trace in event_object(archive, event)])


def exported(out, suffix):
    return sorted((out / "export").rglob(f"*{suffix}"))


def assert_same(ours, theirs, near=1e-6, as_float=False):
    """The same traces: every sample, names, times and rates."""
    assert len(ours) == len(theirs) > 0

    def order(trace):
        return trace.id, round(trace.stats.starttime.timestamp, 2)

    for one, other in zip(sorted(ours, key=order), sorted(theirs, key=order), strict=True):
        assert one.id == other.id
        assert abs(one.stats.starttime - other.stats.starttime) <= near
        assert one.stats.sampling_rate == pytest.approx(other.stats.sampling_rate, rel=1e-7)
        np.testing.assert_array_equal(one.data, other.data.astype(np.float32) if as_float else other.data)
        assert one.data.dtype == (np.float32 if as_float else other.data.dtype)


def files_of(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in exported(out, "") if path.is_file()}


def assert_accounted(out, kind, number):
    found = outcomes(out, kind)
    assert {row["outcome"] for row in found.values()} == {"ok"}
    assert len(found) == number
    manifest = json.loads((out / "manifest.json").read_text())
    files = files_of(out)
    table = rows(out, "exports")
    assert {row["s3key"]: row["nbytes"] for row in table} == {key: len(body) for key, body in files.items()}
    assert manifest["objects"] == {"export": {"files": len(files), "bytes": sum(map(len, files.values()))}}
    assert manifest["tables"]["exports"]["rows"] == len(files)
    return table


def test_a_file_of_miniseed_an_event_is_its_object(made, sample_archive, run_job, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_job("export_waveforms", "--waveforms", made / "events", "--out", out) == 0
    assert len(exported(out, ".ms")) == len(EVENTS)
    for event in EVENTS:
        path = out / f"export/{event.time:year=%Y/month=%m}/{event.event_id}.ms"
        assert_same(obspy.read(path, format="MSEED"), event_object(sample_archive, event))
    table = assert_accounted(out, "window", len(EVENTS))
    by_event = {row["source_id"]: row for row in table}
    for event in EVENTS:
        theirs, row = event_object(sample_archive, event), by_event[event.event_id]
        assert (row["segments"], row["npts"]) == (len(theirs), sum(len(trace) for trace in theirs))
        assert abs(UTCDateTime(row["starttime"]) - min(trace.stats.starttime for trace in theirs)) < 1e-6
        assert (row["window"], row["data_tag"], row["sta"]) == (event.event_id, "Local.1", None)
    capsys.readouterr()
    assert run_job("export_waveforms", "--waveforms", made / "events", "--out", out) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("group", ["channel", "batch"])
def test_files_of_miniseed_by_channel_or_as_in_the_table(group, made, sample_archive, run_job, tmp_path):
    """Each month has its own files."""
    out = tmp_path / "out"
    assert run_job("export_waveforms", "--waveforms", made / "events", "--group", group, "--out", out) == 0
    paths = exported(out, ".ms")
    assert_same([trace for path in paths for trace in obspy.read(path, format="MSEED")], all_of(sample_archive))
    if group == "batch":
        assert [path.name for path in paths] == ["events-00000.ms"] * 2
    else:
        pairs = {(trace.id, f"{trace.stats.starttime.datetime:month=%m}") for trace in all_of(sample_archive)}
        assert {(path.stem, path.parent.name) for path in paths} == pairs
        for path in paths:
            assert {trace.id for trace in obspy.read(path, format="MSEED")} == {path.stem}
    assert_accounted(out, "file", len(paths))


@pytest.mark.parametrize("group", ["window", "channel"])
def test_batches_cut_at_other_places_make_the_same_files(group, made, run_job, tmp_path, monkeypatch):
    """Row groups that hold segments of several batches are read by each of them; a table of an earlier version is read too."""
    options = ["--waveforms", made / "events", "--group", group]
    assert run_job("export_waveforms", *options, "--out", tmp_path / "one") == 0
    monkeypatch.setattr("seisbatch.plan.exports.BATCH_SAMPLES", 30_000)
    shutil.copytree(made / "events", tmp_path / "events")
    for path in (tmp_path / "events/wf_TimeSeries").rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None).drop_columns(["dfile", "foff", "nbytes"])
        pq.write_table(table, path, row_group_size=5)
    options[1] = tmp_path / "events"
    assert run_job("export_waveforms", *options, "--out", tmp_path / "two") == 0
    assert files_of(tmp_path / "two") == files_of(tmp_path / "one")
    assert len(outcomes(tmp_path / "one", "batch")) == 2
    assert len(outcomes(tmp_path / "two", "batch")) >= 3


@pytest.fixture(scope="module")
def sac(made, run_job, tmp_path_factory):
    out = tmp_path_factory.mktemp("sac") / "out"
    options = ["--waveforms", made / "windows", "--stations-table", made / "stations", "--format", "sac", "--out", out]
    assert run_job("export_waveforms", *options) == 0
    return out


def test_sac_files_hold_the_samples_of_the_windows(sac, made, sample_archive):
    ours = [obspy.read(path, format="SAC")[0] for path in exported(sac, ".SAC")]
    theirs = [trace for path in sorted((made / "windows/miniseed").rglob("*.ms")) for trace in obspy.read(path, format="MSEED")]
    assert len(ours) == len(theirs) > 60
    assert_same(ours, theirs, near=2e-5, as_float=True)  # seconds from the origin time are float32
    names = {path.relative_to(sac / "export").as_posix() for path in exported(sac, ".SAC")}
    for trace in theirs:
        (event,) = (event for event in EVENTS if -10 < trace.stats.starttime - UTCDateTime(event.time) < 60)
        name = f"{trace.id}.{trace.stats.starttime.datetime:%Y-%m-%dT%H%M%S}"
        folder = f"{event.time:year=%Y/month=%m}/{event.event_id}"
        assert [path for path in names if path.startswith(f"{folder}/{name}")]
    assert_accounted(sac, "window", len(EVENTS))


def test_sac_headers_are_those_of_station_event_and_arrival(sac, made, inventory):
    arrivals = {(row["sta"], row["loc"], row["chan"], row["source_id"]): row for row in rows(made / "windows", "wf_TimeSeries")}
    oriented = 0
    for path in exported(sac, ".SAC"):
        event = EVENT_OF[path.parent.name]
        head = SACTrace.read(str(path))
        assert (head.kevnm, head.iztype, head.idep, head.lcalda) == (event.event_id, "io", "iunkn", True)
        origin = UTCDateTime(event.time)
        assert abs(head.reftime + head.o - origin) < 1e-6
        assert -0.001 < head.reftime - origin <= 0
        assert (head.evla, head.evlo) == pytest.approx((event.lat, event.lon), abs=1e-5)
        assert (head.evdp, head.mag) == pytest.approx((event.depth, event.magnitude), rel=1e-6)
        row = arrivals[head.kstnm, head.khole or "", head.kcmpnm, event.event_id]
        assert abs(head.reftime + head.a - UTCDateTime(row["arrival"])) < 2e-6
        assert head.ka == row["phase"]
        assert head.b == pytest.approx(head.a - 5, abs=1.1 * head.delta)
        assert head.npts == len(obspy.read(path, format="SAC")[0])
        if head.kstnm == "LIMA":  # no StationXML: the place is that of the archive's index
            assert head.stel is head.cmpaz is None
            continue
        codes = {"network": "XX", "station": head.kstnm, "location": head.khole or "", "channel": head.kcmpnm}
        ((station,),) = inventory.select(**codes, time=head.reftime + head.b)
        (channel,) = station
        place = channel.latitude, channel.longitude
        assert (head.stla, head.stlo) == pytest.approx(place, abs=1e-5)
        assert (head.stel, head.stdp) == (channel.elevation, channel.depth)
        assert (head.cmpaz, head.cmpinc) == (channel.azimuth, channel.dip + 90)
        metres, azimuth, back_azimuth = gps2dist_azimuth(event.lat, event.lon, *place)
        assert head.dist == pytest.approx(metres / 1000, abs=0.003)
        assert (head.az, head.baz) == pytest.approx((azimuth, back_azimuth), abs=0.01)
        assert head.gcarc == pytest.approx(metres / 111_195, rel=1e-3)
        oriented += channel.code[-1] in "NE"
    assert oriented > 10


def test_a_window_of_no_event_is_relative_to_its_first_sample(sample_archive, run_job, tmp_path):
    cut = ["--time", "2024-01-01T12:00:00.0001", "--from", 0, "--to", 60, "--channels", "XX.ALFA..BHZ,XX.DELT.10.BHZ"]
    assert run_job("cut_windows", "--root", sample_archive, *cut, "--out", tmp_path / "windows") == 0
    options = ["--waveforms", tmp_path / "windows", "--format", "sac", "--out", tmp_path / "out"]
    assert run_job("export_waveforms", *options) == 0
    paths = exported(tmp_path / "out", ".SAC")
    assert {path.parent.name for path in paths} == {"2024-01-01T120000.000100"}
    for path in paths:
        head = SACTrace.read(str(path))
        assert head.iztype == "ib"
        assert 0 <= head.b < 0.001
        assert head.o is head.a is head.kevnm is head.evla is head.dist is head.mag is None
    assert [SACTrace.read(str(path)).khole for path in paths] == [None, "10"]


@pytest.fixture(scope="module")
def asdf(made, run_job, tmp_path_factory):
    out = tmp_path_factory.mktemp("asdf") / "out"
    options = ["--waveforms", made / "events", "--stations-table", made / "stations", "--format", "asdf", "--out", out]
    assert run_job("export_waveforms", *options) == 0
    return out


def test_asdf_files_hold_every_trace_with_its_event_and_station(asdf, sample_archive, inventory):
    paths = exported(asdf, ".h5")
    assert [path.relative_to(asdf / "export").as_posix() for path in paths] == [
        "year=2023/month=12/export-00000.h5",
        "year=2024/month=01/export-00000.h5",
    ]
    found = []
    frequencies = np.array([0.02, 0.5, 4.0])
    for path in paths:
        with pyasdf.ASDFDataSet(str(path), mode="r", mpi=False) as data:
            events = {str(event.resource_id): event for event in data.events}
            assert len(events) == len({str(event) for event in events})
            for station in data.waveforms:
                for trace in station["local_1"]:
                    found.append(trace)
                    (event_id,) = trace.stats.asdf.event_ids
                    origin = events[str(event_id)].preferred_origin()
                    event = EVENT_OF[str(event_id).rpartition("/")[2]]
                    assert abs(origin.time - UTCDateTime(event.time)) < 1e-6
                    assert (origin.latitude, origin.longitude, origin.depth) == (event.lat, event.lon, 1000 * event.depth)
                    assert events[str(event_id)].preferred_magnitude().mag == event.magnitude
                    assert trace.stats.asdf.labels == [event.event_id]
                name = station._station_name
                if name == "XX.LIMA":
                    assert "StationXML" not in station
                    continue
                theirs = inventory.select(network="XX", station=name[3:])
                ((whole,),) = station.StationXML
                channels = {(item.location_code, item.code, str(item.start_date)): item for item in whole}
                assert channels.keys() == {(item.location_code, item.code, str(item.start_date)) for item in theirs[0][0]}
                for item in theirs[0][0]:
                    ours = channels[item.location_code, item.code, str(item.start_date)]
                    assert (ours.latitude, ours.elevation, ours.azimuth) == (item.latitude, item.elevation, item.azimuth)
                    np.testing.assert_allclose(
                        ours.response.get_evalresp_response_for_frequencies(frequencies),
                        item.response.get_evalresp_response_for_frequencies(frequencies),
                        rtol=1e-12,
                    )
    assert_same(found, all_of(sample_archive))
    assert_accounted(asdf, "window", len(EVENTS))


def test_asdf_without_stations_is_plain_hdf5(made, sample_archive, run_job, tmp_path):
    options = ["--waveforms", made / "windows", "--format", "asdf", "--source-ids", "90000002", "--out", tmp_path / "out"]
    assert run_job("export_waveforms", *options) == 0
    (path,) = exported(tmp_path / "out", ".h5")
    theirs = {(row["sta"], row["loc"], row["chan"]): row for row in rows(made / "windows", "wf_TimeSeries")
              if row["source_id"] == "90000002"}  # fmt: skip
    with h5py.File(path, "r") as file:
        assert file.attrs["file_format"] == b"ASDF"
        data = {name: item for group in file["Waveforms"].values() for name, item in group.items()}
        assert len(data) == len(theirs) > 20
        for name, item in data.items():
            net, sta, loc, chan = name.partition("__")[0].split(".")
            row = theirs[sta, loc, chan]
            assert (item.shape, item.dtype) == ((row["npts"],), np.int32)
            assert abs(item.attrs["starttime"] / 1e9 - row["starttime"].timestamp()) < 1e-6
            assert item.attrs["event_id"] == b"smi:local/event/90000002"


def test_stations_without_a_response_and_with_a_damaged_one(made, inventory, run_job, tmp_path):
    """What the table of channels tells stands for the first; the second is left out, and told."""
    shutil.copytree(made / "stations", tmp_path / "stations")
    (path,) = (tmp_path / "stations/response").rglob("*.parquet")
    table = pq.read_table(path, partitioning=None)
    live = [row for row in table.to_pylist() if (row["sta"], row["chan"]) != ("ALFA", "BHZ")]
    for row in live:
        if row["sta"] == "BRAV":
            row["stationxml"] = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + row["stationxml"]
    pq.write_table(pa.Table.from_pylist(live, schema=table.schema), path)
    options = ["--waveforms", made / "events", "--stations-table", tmp_path / "stations", "--format", "asdf"]
    assert run_job("export_waveforms", *options, "--channels", "XX.[AB]*.*.*", "--out", tmp_path / "out") == 0
    for row in outcomes(tmp_path / "out", "window").values():
        assert row["outcome"] == "ok"
        assert row["reason"] == "StationXML of XX.BRAV corrupt: XML with a document type is refused"
    for path in exported(tmp_path / "out", ".h5"):
        with pyasdf.ASDFDataSet(str(path), mode="r", mpi=False) as data:
            assert "StationXML" not in data.waveforms["XX.BRAV"]
            ((station,),) = data.waveforms["XX.ALFA"].StationXML
            ((theirs,),) = inventory.select(station="ALFA")
            assert (station.latitude, station.longitude, station.elevation) == (34.98, -117.69, 820.0)
            ours = {item.code: item for item in station}
            assert {code: item.response is None for code, item in ours.items()} == {"BHZ": True, "BHN": False, "BHE": False}
            for item in theirs:
                for word in ("latitude", "longitude", "elevation", "depth", "azimuth", "dip", "sample_rate", "start_date"):
                    assert getattr(ours[item.code], word) == getattr(item, word)


def test_windows_alike_in_name_or_second_are_all_there(sample_archive, run_job, tmp_path):
    """Arrivals a tenth of a second apart, with names of events that no file can have, or that differ in such signs alone."""
    picks = [("41:36.5", "smi:local/a b"), ("41:36.55", "smi:local/a_b"), ("41:36.6", "../a"), ("41:36.65", "smi:local/a/b")]
    lines = [f"XX,ALFA,,BHZ,2024-01-01T03:{time},P,{source}" for time, source in picks]
    (tmp_path / "picks.csv").write_text("\n".join(["net,sta,loc,chan,time,phase,source_id", *lines]) + "\n")
    cut = ["--arrivals", tmp_path / "picks.csv", "--from", 0, "--to", 8, "--out", tmp_path / "windows"]
    assert run_job("cut_windows", "--root", sample_archive, *cut) == 0
    day = obspy.read(sample_archive / "continuous_waveforms/2024/2024_001/XXALFA_BHZ___2024001.ms", format="MSEED")
    starts = [UTCDateTime(f"2024-01-01T03:{time}") for time, _ in picks]
    theirs = [day.slice(start - 1e-3, start + 8 - 1e-3, nearest_sample=False)[0] for start in starts]
    for form, suffix, reader in (("mseed", ".ms", "MSEED"), ("sac", ".SAC", "SAC")):
        out = tmp_path / form
        assert run_job("export_waveforms", "--waveforms", tmp_path / "windows", "--format", form, "--out", out) == 0
        paths = exported(out, suffix)
        assert len(paths) == 4
        found = [trace for path in paths for trace in obspy.read(path, format=reader)]
        assert_same(found, theirs, as_float=form == "sac", near=1e-6)
        for path in paths:
            assert all(part.replace("=", "").replace("--", "-").replace(".", "").replace("-", "").isalnum()
                       for part in path.relative_to(out).parts)  # fmt: skip
    assert run_job("export_waveforms", "--waveforms", tmp_path / "windows", "--format", "asdf", "--out", tmp_path / "asdf") == 0
    (path,) = exported(tmp_path / "asdf", ".h5")
    with pyasdf.ASDFDataSet(str(path), mode="r", mpi=False) as data:
        (station,) = data.waveforms
        found = [trace for tag in station.get_waveform_tags() for trace in station[tag]]
        assert {str(event.event_descriptions[0].text) for event in data.events} == {source for _, source in picks}
    assert_same(found, theirs)


def test_a_selection(made, sample_archive, run_job, tmp_path):
    event = EVENTS[1]
    after = ["--start", "2024-01-01", "--end", "2024-01-02", "--channels", "XX.[AB]*..BHZ,XX.ALFA..BHN"]
    assert run_job("export_waveforms", "--waveforms", made / "events", *after, "--out", tmp_path / "one") == 0
    (path,) = exported(tmp_path / "one", ".ms")
    theirs = [trace for trace in event_object(sample_archive, event)
              if trace.id in ("XX.ALFA..BHZ", "XX.BRAV..BHZ", "XX.ALFA..BHN")]  # fmt: skip
    assert_same(obspy.read(path, format="MSEED"), theirs)
    ids = ["--source-ids", "90000001, 90000003", "--data-tag", "Local.1"]
    assert run_job("export_waveforms", "--waveforms", made / "events", *ids, "--out", tmp_path / "two") == 0
    assert [path.stem for path in exported(tmp_path / "two", ".ms")] == ["90000001", "90000003"]


@pytest.mark.parametrize("fixture", ["sac", "asdf"])
def test_a_file_that_is_gone_is_written_again_the_same(fixture, request, made, run_job, tmp_path):
    done = request.getfixturevalue(fixture)
    out = tmp_path / "out"
    shutil.copytree(done, out)
    files, table = files_of(out), rows(out, "exports")
    gone, *_, spoilt = sorted(files)
    (out / gone).unlink()
    (out / spoilt).write_bytes(files[spoilt][:-10])
    (out / "export/year=2023/month=12/stranger.SAC").write_bytes(b"left by an earlier try")
    (out / "manifest.json").unlink()
    waveforms = made / {"sac": "windows", "asdf": "events"}[fixture]
    options = ["--waveforms", waveforms, "--stations-table", made / "stations", "--format", fixture, "--out", out]
    assert run_job("export_waveforms", *options) == 0
    assert files_of(out) == files
    assert rows(out, "exports") == table


def test_what_is_whole_is_not_written_again(made, run_job, tmp_path):
    out = tmp_path / "out"
    options = ["--waveforms", made / "events", "--group", "channel", "--out", out]
    assert run_job("export_waveforms", *options) == 0
    times = {path: path.stat().st_mtime_ns for path in exported(out, ".ms")}
    kept, lost = sorted((out / "exports").rglob("*.parquet"))
    lost.unlink()  # as by a kill just before the second batch was committed
    (out / "manifest.json").unlink()
    assert run_job("export_waveforms", *options) == 0
    again = {path: path.stat().st_mtime_ns for path in exported(out, ".ms")}
    assert again.keys() == times.keys()
    for path, time in times.items():
        assert (again[path] == time) == (path.parent.name == kept.parent.name)


def test_an_object_of_miniseed_that_is_gone_is_an_outcome_of_its_windows(made, sample_archive, run_job, tmp_path):
    shutil.copytree(made / "windows", tmp_path / "windows")
    (path,) = (tmp_path / "windows/miniseed/year=2023").rglob("*.ms")
    path.unlink()
    options = ["--waveforms", tmp_path / "windows", "--out", tmp_path / "out"]
    assert run_job("export_waveforms", *options) == 3
    found = outcomes(tmp_path / "out", "window")
    assert {unit: row["outcome"] for unit, row in found.items()} == {
        "90000001/2023-12": "missing", "90000002/2024-01": "ok", "90000003/2024-01": "ok",
    }  # fmt: skip
    assert "no object miniseed/year=2023/month=12/windows-00000.ms" in found["90000001/2023-12"]["reason"]
    lost = [row for row in rows(tmp_path / "windows", "wf_TimeSeries") if row["source_id"] == "90000001"]
    assert {row["unit"] for row in rows(tmp_path / "out", "cemetery")} == {row["id"] for row in lost}
    assert [path.stem for path in exported(tmp_path / "out", ".ms")] == ["90000002", "90000003"]


@pytest.mark.parametrize("form", ["mseed", "sac", "asdf"])
def test_a_damaged_row_is_left_out_and_told(form, made, sample_archive, run_job, tmp_path):
    shutil.copytree(made / "events", tmp_path / "events")
    (path,) = (tmp_path / "events/wf_TimeSeries/year=2023").rglob("*.parquet")
    table = pq.read_table(path, partitioning=None)
    live = table.to_pylist()
    torn, wrong = live[3], live[7]
    wrong["samples"] = live[8]["samples"]
    wrong["npts"] += 5
    torn["samples"] = torn["samples"][:-100]
    pq.write_table(pa.Table.from_pylist(live, schema=table.schema), path)
    options = ["--waveforms", tmp_path / "events", "--format", form, "--max-bad-fraction", 0.5, "--out", tmp_path / "out"]
    assert run_job("export_waveforms", *options) == 0
    found = outcomes(tmp_path / "out", "window")
    assert [row["outcome"] for row in found.values()].count("ok") == 2
    row = found["90000001/2023-12"]
    assert row["outcome"] == "corrupt"
    assert row["reason"].startswith(f"2 of {len(live)} segments: ")
    assert (row["windows"], row["windows_planned"]) == (len(live) - 2, len(live))
    assert {row["unit"] for row in rows(tmp_path / "out", "cemetery")} == {torn["id"], wrong["id"]}
    assert sum(row["segments"] for row in rows(tmp_path / "out", "exports")) == len(all_of(sample_archive)) - 2
    if form == "mseed":
        left = {f"{row['net']}.{row['sta']}.{row['loc']}.{row['chan']}" for row in live} - {
            f"{row['net']}.{row['sta']}.{row['loc']}.{row['chan']}" for row in (torn, wrong)
        }
        ours = obspy.read(tmp_path / "out/export/year=2023/month=12/90000001.ms", format="MSEED")
        assert_same(ours, [trace for trace in event_object(sample_archive, EVENTS[0]) if trace.id in left])


def test_a_damaged_file_of_the_table_is_an_outcome(made, sample_archive, run_job, tmp_path, capsys):
    shutil.copytree(made / "events", tmp_path / "events")
    (path,) = (tmp_path / "events/wf_TimeSeries/year=2023").rglob("*.parquet")
    body = path.read_bytes()
    path.write_bytes(body[:-50])
    options = ["--waveforms", tmp_path / "events", "--out", tmp_path / "out"]
    assert run_job("export_waveforms", *options) == 3
    key = path.relative_to(tmp_path / "events").as_posix()
    assert outcomes(tmp_path / "out", "table-file")[key]["outcome"] == "corrupt"
    assert {row["outcome"] for row in outcomes(tmp_path / "out", "window").values()} == {"ok"}
    assert [path.stem for path in exported(tmp_path / "out", ".ms")] == ["90000002", "90000003"]
    path.unlink()
    capsys.readouterr()
    assert run_job("export_waveforms", "--waveforms", tmp_path / "events", "--out", tmp_path / "other") == 1
    assert "has 1 files, its manifest counts 2" in capsys.readouterr().err


def test_what_cannot_be_is_said(made, run_job, tmp_path, capsys):
    waveforms = ["--waveforms", made / "events"]
    for options, code, message in [
        (["--waveforms", tmp_path / "nowhere"], 1, "holds no complete run of cut_windows or extract_events"),
        (["--waveforms", made / "stations"], 1, "holds no complete run of cut_windows or extract_events"),
        ([*waveforms, "--stations-table", made / "events", "--format", "sac"], 1, "holds no complete run of load_stations"),
        ([*waveforms, "--stations-table", made / "stations"], 2, "--stations-table goes with --format sac or asdf"),
        ([*waveforms, "--format", "sac", "--group", "channel"], 2, "--group channel goes with --format mseed"),
        ([*waveforms, "--channels", "XX"], 2, "is no channel pattern"),
        ([*waveforms, "--start", "2024-01-02", "--end", "2024-01-01"], 2, "--end 2024-01-01 is not after"),
        ([*waveforms, "--source-ids", "1"], 2, "has no segment that is selected"),
    ]:
        assert run_job("export_waveforms", *options, "--out", tmp_path / "out") == code
        assert message in capsys.readouterr().err
    assert run_job("export_waveforms", *waveforms, "--out", made / "events") == 2
    assert "is where the waveforms are" in capsys.readouterr().err


def test_from_a_bucket_to_a_bucket(s3_server, made, sac, run_job, tmp_path):
    """The same files as from disk to disk; rows whose samples stand in objects of miniSEED."""
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="results")
    for job in ("windows", "stations"):
        for path in (made / job).rglob("*"):
            if path.is_file():
                client.upload_file(str(path), "results", f"{job}/{path.relative_to(made / job)}")
    options = ["--waveforms", "s3://results/windows", "--stations-table", "s3://results/stations", "--format", "sac"]
    options += ["--source-endpoint", s3_server, "--source-region", "us-east-1", "--out", "s3://results/export"]
    assert run_job("export_waveforms", *options, "--out-endpoint", s3_server, "--out-region", "us-east-1") == 0
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="results", Prefix="export/export/")
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    theirs = files_of(sac)
    assert {key.removeprefix("export/") for key in keys} == theirs.keys()
    for key in keys[::10]:
        body = client.get_object(Bucket="results", Key=key)["Body"].read()
        assert body == theirs[key.removeprefix("export/")]
