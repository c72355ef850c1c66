"""Windows out of the sample's day files, against obspy reading the same files whole."""

from __future__ import annotations

import io
import json
import os
import shutil

import numpy as np
import obspy
import pytest
import seisbatch
from obspy import UTCDateTime

from tests.jobs.results import outcomes, rows

EVENT = "2023-12-31T15:20:04.25"
BAD = {"XX.KILO..BHE": "corrupt", "XX.KILO..BHN": "corrupt", "XX.CHAR..BHN": "empty"}
"""Channels of the first day that have nothing in the window, or whose file is no miniSEED, or cut within a record."""


def day_files(archive, trace, start, end):
    """What obspy reads of a channel from the day files about a window, cut to it."""
    stream = obspy.Stream()
    for path in sorted((archive / "continuous_waveforms").glob("2*/*/*.ms")):
        if path.name.startswith(f"XX{trace.stats.station}_{trace.stats.channel}{trace.stats.location or '___'}"):
            for found in obspy.read(path, format="MSEED"):
                if found.stats.starttime < end and found.stats.endtime >= start:
                    stream += found
    sliced = stream.slice(start - 1e-4, end - 1e-4, nearest_sample=False)
    sliced.sort(["starttime"])
    return sliced


@pytest.fixture(scope="module")
def out(sample_archive, run_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows") / "out"
    options = ["--time", EVENT, "--from", -30, "--to", 300, "--data-tag", "event", "--out", folder]
    assert run_job("cut_windows", "--root", sample_archive, *options) == 0
    return folder


def test_every_channel_has_what_its_day_file_has_there(out, sample_archive):
    assert_as_in_day_files(seisbatch.read_waveforms(out, data_tag="event"), sample_archive)


def assert_as_in_day_files(stream, sample_archive):
    start, end = UTCDateTime(EVENT) - 30, UTCDateTime(EVENT) + 300
    assert len(stream) >= 20
    for trace in stream:
        if (trace.stats.station, trace.stats.location) == ("JULI", "10"):
            continue  # its records carry another location code than its key
        pieces = day_files(sample_archive, trace, start, end)
        near = 0.1 / trace.stats.sampling_rate  # obspy counts samples from midnight on, at a rate that is off in one file
        (*_, theirs) = (piece for piece in pieces if piece.stats.starttime < trace.stats.starttime + near)
        np.testing.assert_array_equal(trace.data, theirs.data[: len(trace.data)])
        assert trace.data.dtype == np.int32
        assert abs(trace.stats.starttime - theirs.stats.starttime) < near
        assert start - near <= trace.stats.starttime < trace.stats.endtime < end
    whole = [trace for trace in stream if trace.stats.sampling_rate == 20 and trace.stats.npts == 6600]
    assert len(whole) >= 15


@pytest.mark.parametrize("samples_in", ["mseed", "both"])
def test_one_object_of_miniseed_a_batch_holds_the_records_of_its_rows(samples_in, out, sample_archive, run_job, tmp_path):
    folder = tmp_path / "out"
    options = ["--time", EVENT, "--from", -30, "--to", 300, "--data-tag", "event", "--format", samples_in, "--out", folder]
    assert run_job("cut_windows", "--root", sample_archive, *options) == 0
    (path,) = (folder / "miniseed").glob("**/*.*")
    assert path.relative_to(folder).as_posix() == "miniseed/year=2023/month=12/windows-00000.ms"
    whole = obspy.read(path, format="MSEED")
    assert_as_in_day_files(whole, sample_archive)
    stream = seisbatch.read_waveforms(folder, data_tag="event")
    assert_as_in_day_files(stream, sample_archive)
    plain = seisbatch.read_waveforms(out)
    assert [(trace.id, str(trace.stats.starttime)) for trace in stream] == [
        (trace.id, str(trace.stats.starttime)) for trace in plain
    ]
    body = path.read_bytes()
    live = rows(folder, "wf_TimeSeries")
    for row in live:
        part = body[row["foff"] : row["foff"] + row["nbytes"]]
        (trace,) = obspy.read(io.BytesIO(part), format="MSEED")
        assert (trace.id, trace.stats.npts) == (f"{row['net']}.{row['sta']}.{row['loc']}.{row['chan']}", row["npts"])
        assert row["dfile"] == path.relative_to(folder).as_posix()
        assert row["samples"] == (part if samples_in == "both" else None)
    assert sum(row["nbytes"] for row in live) == len(body)
    assert all(row["dfile"] is row["foff"] is row["nbytes"] is None for row in rows(out, "wf_TimeSeries"))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["objects"] == {"miniseed": {"files": 1, "bytes": len(body)}}
    assert json.loads((out / "manifest.json").read_text())["objects"] == {}
    page = (folder / "report.html").read_text()
    assert f"{folder}/miniseed" in page
    assert "<h2>Waveforms</h2>" in page


def test_an_object_of_miniseed_that_is_gone_is_written_again_and_a_stranger_is_not_kept(
    sample_archive, run_job, tmp_path, capsys
):
    folder = tmp_path / "out"
    options = ["--time", EVENT, "--channels", "XX.[AB]*..BHZ", "--format", "mseed", "--root", sample_archive, "--out", folder]
    assert run_job("cut_windows", *options) == 0
    (path,) = (folder / "miniseed").glob("**/*.ms")
    body, table = path.read_bytes(), rows(folder, "wf_TimeSeries")
    path.unlink()
    (folder / "manifest.json").unlink()  # as after a kill
    stranger = path.with_name("windows-00001.ms")
    stranger.write_bytes(body)
    assert run_job("cut_windows", *options) == 0
    assert path.read_bytes() == body
    assert rows(folder, "wf_TimeSeries") == table
    assert not stranger.exists()
    capsys.readouterr()
    assert run_job("cut_windows", *options) == 0
    told = capsys.readouterr().out
    assert "nothing to do" in told
    assert "miniseed: 1 files" in told
    assert run_job("cut_windows", *options, "--format", "both") == 1
    assert "--format mseed there, both now" in capsys.readouterr().err


def test_every_indexed_channel_is_accounted_for(out, sample_archive):
    found = outcomes(out, "window")
    assert len(found) == 24
    bad = {unit.partition("/")[0]: row["outcome"] for unit, row in found.items() if row["outcome"] != "ok"}
    assert bad == BAD
    buried = rows(out, "cemetery")
    assert {row["unit"].partition("/")[0] for row in buried} == set(BAD)
    assert all(row["reason"] for row in buried)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["planned"] == {"window": 24, "batch": 1}
    assert manifest["tables"]["cemetery"]["rows"] == len(BAD)
    live = rows(out, "wf_TimeSeries")
    assert len({row["id"] for row in live}) == len(live) == manifest["tables"]["wf_TimeSeries"]["rows"]


def test_only_a_share_of_the_bytes_moves(out, sample_archive):
    read = sum(row["bytes_read"] for row in outcomes(out, "window").values())
    day = sum(path.stat().st_size for path in (sample_archive / "continuous_waveforms/2023/2023_365").iterdir())
    assert read < 0.1 * day


def test_traces_have_coordinates(out):
    (trace,) = seisbatch.read_waveforms(out, sta="ALFA", chan="BHZ")
    assert (trace.stats.coordinates.latitude, trace.stats.coordinates.longitude) == (34.98, -117.69)
    (trace,) = seisbatch.read_waveforms(out, sta="LIMA", chan="BHZ")  # without StationXML: from the index
    assert trace.stats.coordinates.latitude == 34.9


def test_reading_selects(out):
    assert {trace.stats.channel for trace in seisbatch.read_waveforms(out, chan="BH[NE]")} == {"BHN", "BHE"}
    assert {trace.stats.location for trace in seisbatch.read_waveforms(out, loc="")} == {""}
    with pytest.raises(KeyError, match="no segment of XX"):
        seisbatch.read_waveforms(out, net="XX", data_tag="other")
    with pytest.raises(KeyError):
        seisbatch.read_waveforms(out, start="2023-12-31T15:25:10")
    with pytest.raises(FileNotFoundError):
        seisbatch.read_waveforms(out / "nowhere")


def test_across_new_year_it_is_one_piece(sample_archive, run_job, tmp_path):
    """ECHO's second file begins twenty seconds before midnight, with samples that the first holds too."""
    options = [
        "--time",
        "2024-01-01T00:00:00",
        "--from",
        -90,
        "--to",
        45.5,
        "--channels",
        "XX.*..BHZ",
        "--out",
        tmp_path / "out",
    ]
    assert run_job("cut_windows", "--root", sample_archive, *options) == 0
    stream = seisbatch.read_waveforms(tmp_path / "out")
    for trace in stream.select(location=""):
        if trace.stats.station in ("DELT", "GOLF", "FOXT"):
            continue  # late, missing, and 13 ms off on one of the two days
        theirs = day_files(sample_archive, trace, UTCDateTime(2024, 1, 1) - 90, UTCDateTime(2024, 1, 1) + 45.5)
        theirs.merge(method=1)
        np.testing.assert_array_equal(trace.data, theirs[0].data)
        assert trace.stats.npts == round(135.5 * 20)
    found = outcomes(tmp_path / "out", "window")
    (golf,) = [row for unit, row in found.items() if "GOLF" in unit]
    assert golf["outcome"] == "ok"
    assert "missing: no object" in golf["reason"]  # the second day's; what the first holds is there
    assert stream.select(station="GOLF")[0].stats.npts == 90 * 20


@pytest.mark.parametrize(("gaps", "n_pieces"), [("pieces", 2), ("whole", 0)])
def test_a_gap_gives_pieces_or_nothing(gaps, n_pieces, sample_archive, run_job, tmp_path):
    out = tmp_path / "out"
    options = ["--time", "2024-01-01T10:00:00", "--from", -600, "--to", 1800, "--channels", "XX.[AB]*..BHZ", "--gaps", gaps]
    assert run_job("cut_windows", "--root", sample_archive, *options, "--out", out) == 0
    stream = seisbatch.read_waveforms(out)
    assert len(stream.select(station="BRAV")) == n_pieces
    assert len(stream.select(station="ALFA")) == 1
    row = next(row for unit, row in outcomes(out, "window").items() if "BRAV" in unit)
    assert row["outcome"] == ("ok" if n_pieces else "rejected")
    assert ("pieces: 2" if n_pieces else "not whole: 24000 of 48000 samples in 2 pieces") in row["reason"]


def test_again_it_does_nothing_and_what_failed_is_tried_again(sample_archive, run_job, tmp_path, capsys):
    archive = tmp_path / "archive"
    shutil.copytree(sample_archive, archive, copy_function=os.link)
    path = archive / "continuous_waveforms/2023/2023_365/XXALFA_BHZ___2023365.ms"
    path.rename(path.with_suffix(".kept"))
    path.symlink_to(path.name)
    options = ["--time", EVENT, "--channels", "XX.[AB]*..BHZ", "--root", archive, "--out", tmp_path / "out"]
    assert run_job("cut_windows", *options) == 0
    assert {row["outcome"] for row in outcomes(tmp_path / "out", "window").values()} == {"ok", "failed"}
    path.unlink()
    path.with_suffix(".kept").rename(path)
    assert run_job("cut_windows", *options) == 0
    assert {row["outcome"] for row in outcomes(tmp_path / "out", "window").values()} == {"ok"}
    assert rows(tmp_path / "out", "cemetery") == []
    capsys.readouterr()
    assert run_job("cut_windows", *options) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_what_cannot_be_is_said(sample_archive, run_job, tmp_path, capsys):
    for options, message in [
        (["--time", "yesterday"], "'yesterday' is no time"),
        (["--time", EVENT, "--from", 10, "--to", 5], "--to 5 must be after --from 10"),
        (["--time", EVENT, "--channels", "NO.*.*.*"], "no channel matches --channels NO"),
    ]:
        assert run_job("cut_windows", "--root", sample_archive, *options, "--out", tmp_path / "out") == 2
        assert message in capsys.readouterr().err
