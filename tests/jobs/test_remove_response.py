"""Ground motion of the sample's channel-days, against obspy's removal of the same responses."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import obspy
import pytest
import seisbatch
from obspy import UTCDateTime

from tests.jobs.results import outcomes, rows

PRE_FILT = (0.02, 0.05, 7.0, 9.0)
FLAT = ("ALFA", "BHZ"), ("CHAR", "BHE")
OPTIONS = ("--pre-filt", ",".join(map(str, PRE_FILT)), "--start", "2024-01-01", "--days", 1)
EDGE = 300.0
"""Seconds at either end of a piece in which the length of the transforms shows, beside its taper."""


def expected(archive, sta, chan, start=None, end=None, output="VEL", day="2024001"):
    """Obspy's ground motion of a channel-day, or of a part of it."""
    (path,) = archive.glob(f"continuous_waveforms/*/*/XX{sta}_{chan}___{day}.ms")
    stream = obspy.read(path, format="MSEED").merge(method=-1)
    assert len(stream) == 1, "choose a channel without a gap"
    trace = stream[0]
    if start is not None or end is not None:
        trace.trim(start, None if end is None else end - 0.9 * trace.stats.delta)
    inventory = obspy.read_inventory(archive / f"FDSNstationXML/XX/XX_{sta}.xml", format="STATIONXML")
    middle = trace.stats.starttime + (trace.stats.endtime - trace.stats.starttime) / 2
    epoch = inventory.select(time=middle)  # obspy takes the one that ends where the trace begins
    return trace.remove_response(epoch, output=output, pre_filt=PRE_FILT, water_level=60)


def assert_equal(trace, theirs, tolerance=1e-5):
    """Samples within a share of the peak away from the tapers and the edges, at the same times."""
    assert trace.stats.npts == theirs.stats.npts
    assert abs(trace.stats.starttime - theirs.stats.starttime) < 1e-3
    margin = int(0.025 * trace.stats.npts + EDGE * trace.stats.sampling_rate)
    ours, other = trace.data[margin:-margin], theirs.data[margin:-margin]
    assert len(ours) > 0.5 * trace.stats.npts
    assert np.abs(ours - other).max() <= tolerance * np.abs(other).max()


@pytest.fixture(scope="module")
def out(sample_archive, run_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion") / "out"
    assert run_job("remove_response", "--root", sample_archive, *OPTIONS, "--out", folder) == 0
    return folder


@pytest.mark.parametrize(("sta", "chan"), FLAT)
def test_a_channel_day_is_what_obspy_makes_of_it(sta, chan, out, sample_archive):
    (trace,) = seisbatch.read_waveforms(out, sta=sta, chan=chan)
    assert trace.data.dtype == np.float32
    assert_equal(trace, expected(sample_archive, sta, chan))


def test_every_row_has_its_units_and_every_channel_day_its_outcome(out):
    made = rows(out, "wf_TimeSeries")
    assert {row["units"] for row in made} == {"m/s"}
    days = outcomes(out)
    good = {unit for unit, row in days.items() if row["outcome"] == "ok"}
    assert {f"{row['net']}.{row['sta']}.{row['loc']}.{row['chan']}/2024-01-01" for row in made} == good
    bad = {row["unit"] for row in rows(out, "cemetery")}
    assert bad == days.keys() - good
    assert all(row["reason"] for unit, row in days.items() if unit in bad)


@pytest.mark.parametrize(("units", "output", "si"), [("disp", "DISP", "m"), ("acc", "ACC", "m/s**2")])
def test_displacement_and_acceleration(units, output, si, sample_archive, run_job, tmp_path):
    options = [*OPTIONS, "--units", units, "--precision", "float64", "--channels", "XX.ALFA..BHZ", "--out", tmp_path / "out"]
    assert run_job("remove_response", "--root", sample_archive, *options) == 0
    (trace,) = seisbatch.read_waveforms(tmp_path / "out")
    assert trace.stats.units == si
    assert_equal(trace, expected(sample_archive, "ALFA", "BHZ", output=output), 1e-6)


def test_a_gain_that_changes_at_noon_splits_the_day_there(out, sample_archive):
    first, second = seisbatch.read_waveforms(out, sta="INDI", chan="BHZ")
    noon = UTCDateTime("2024-01-01T12:00:00")
    assert first.stats.endtime < noon <= second.stats.starttime
    assert_equal(first, expected(sample_archive, "INDI", "BHZ", end=noon))
    assert_equal(second, expected(sample_archive, "INDI", "BHZ", start=noon))


@pytest.mark.parametrize("to", ["mseed", "sac"])
def test_objects_stand_under_the_archives_own_keys(to, out, sample_archive, run_job, tmp_path):
    folder = tmp_path / "out"
    options = [*OPTIONS, "--channels", "XX.ALFA..BH?,XX.CHAR..BHE", "--format", to, "--out", folder]
    assert run_job("remove_response", "--root", sample_archive, *options) == 0
    made = rows(folder, "wf_TimeSeries")
    assert {row["units"] for row in made} == {"m/s"}
    paths = {path.relative_to(folder).as_posix() for path in (folder / "waveforms").rglob("*.*")}
    assert paths == {row["dfile"] for row in made}
    key = "waveforms/continuous_waveforms/2024/2024_001/XXALFA_BHZ___2024001"
    (trace,) = obspy.read(folder / f"{key}.{'ms' if to == 'mseed' else 'sac'}", format="MSEED" if to == "mseed" else "SAC")
    (row,) = seisbatch.read_waveforms(out, sta="ALFA", chan="BHZ")
    np.testing.assert_array_equal(trace.data, row.data)
    assert abs(trace.stats.starttime - row.stats.starttime) < 1e-3
    (again,) = seisbatch.read_waveforms(folder, sta="ALFA", chan="BHZ")
    np.testing.assert_array_equal(again.data, row.data)
    if to == "sac":
        assert trace.stats.sac["kuser0"].strip() == "m/s"


def test_a_window_of_filtered_and_decimated_motion(out, sample_archive, run_job, tmp_path):
    options = [*OPTIONS[:2], "--channels", "XX.ALFA..BHZ", "--bandpass", "0.1,1", "--sampling-rate", 5]
    window = ["--window-start", "2024-01-01T03:00:00", "--window-end", "2024-01-01T04:00:00"]
    assert run_job("remove_response", "--root", sample_archive, *options, *window, "--out", tmp_path / "out") == 0
    (trace,) = seisbatch.read_waveforms(tmp_path / "out")
    assert (trace.stats.sampling_rate, trace.stats.npts) == (5, 18_000)
    assert trace.stats.starttime == UTCDateTime("2024-01-01T03:00:00")
    (whole,) = seisbatch.read_waveforms(out, sta="ALFA", chan="BHZ")
    whole.data = whole.data.astype(float)
    whole.filter("bandpass", freqmin=0.1, freqmax=1, corners=4, zerophase=True)
    theirs = whole.slice(trace.stats.starttime, trace.stats.endtime).data[::4]
    assert np.abs(trace.data - theirs).max() < 2e-3 * np.abs(theirs).max()  # of four samples one: nothing above 1 Hz aliases


def test_segments_of_windows_become_motion_and_keep_what_they_tell(sample_archive, run_job, tmp_path):
    cut, made = tmp_path / "windows", tmp_path / "motion"
    window = ["--time", "2024-01-01T06:00:00", "--from", 0, "--to", 7200, "--channels", "XX.ALFA..BH?"]
    assert run_job("cut_windows", "--root", sample_archive, *window, "--out", cut) == 0
    options = ["--waveforms", cut, "--stations", sample_archive, *OPTIONS[:2], "--precision", "float64", "--out", made]
    assert run_job("remove_response", "--root", sample_archive, *options) == 0
    for trace in seisbatch.read_waveforms(made):
        start, end = UTCDateTime("2024-01-01T06:00:00"), UTCDateTime("2024-01-01T08:00:00")
        assert_equal(trace, expected(sample_archive, "ALFA", trace.stats.channel, start, end), 1e-6)
    before = {row["id"]: row for row in rows(cut, "wf_TimeSeries")}
    after = {row["id"]: row for row in rows(made, "wf_TimeSeries")}
    assert before.keys() == after.keys()
    kept = ("net", "sta", "loc", "chan", "starttime", "window", "lat", "lon", "site_id", "channel_id", "s3key")
    assert all(after[key][name] == before[key][name] for key in after for name in kept)
    assert {row["units"] for row in after.values()} == {"m/s"}
    stations = tmp_path / "stations"
    shutil.copytree(sample_archive / "FDSNstationXML/XX", stations)
    text = (stations / "XX_ALFA.xml").read_text()
    (stations / "XX_ALFA.xml").write_text(text.replace('<Channel code="BHZ"', '<Channel code="LHZ"'))
    lacking = ["--waveforms", cut, "--stations", stations, *OPTIONS[:2], "--out", tmp_path / "lacking"]
    assert run_job("remove_response", "--root", sample_archive, *lacking) == 0
    (told,) = outcomes(tmp_path / "lacking", "window").values()
    assert (told["outcome"], told["windows"], told["windows_planned"]) == ("ok", 2, 3)
    assert "1 of 3 segments rejected" in told["reason"]
    (dead,) = rows(tmp_path / "lacking", "cemetery")
    assert "no epoch" in dead["reason"]
    twice = ["--waveforms", made, "--stations", sample_archive, "--out", tmp_path / "twice"]
    assert run_job("remove_response", "--root", sample_archive, *twice) != 0  # no counts


def test_what_is_left_out_of_a_segment_is_told(sample_archive, run_job, tmp_path):
    """The gain of INDI changes at noon: of ten seconds before it there is no ground motion."""
    cut, made = tmp_path / "windows", tmp_path / "motion"
    window = ["--time", "2024-01-01T11:59:50", "--from", 0, "--to", 3600, "--channels", "XX.INDI..BHZ", "--format", "mseed"]
    assert run_job("cut_windows", "--root", sample_archive, *window, "--out", cut) == 0
    options = ["--waveforms", cut, "--stations", sample_archive, *OPTIONS[:2], "--out", made]
    assert run_job("remove_response", "--root", sample_archive, *options) == 0
    (trace,) = seisbatch.read_waveforms(made)
    assert trace.stats.starttime == UTCDateTime("2024-01-01T12:00:00")
    (told,) = outcomes(made, "window").values()
    assert told["outcome"] == "ok"
    assert "XX.INDI..BHZ: pieces left out: 1 (a piece of 200 samples" in told["reason"]


def test_a_file_of_requests(out, sample_archive, run_job, tmp_path):
    requests = [
        {"day": "2024,001", "nscl": "XX.ALFA.BHZ."},
        {"nscl": "XX.ALFA.BHN.", "start_time": "2024-01-01T03:00:00", "end_time": "2024-01-01T03:10:00", "format": "sac"},
        {"day": "2024,001", "nscl": "XX.NONE.BHZ."},
    ]
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    folder = tmp_path / "out"
    options = ["--request", tmp_path / "requests.json", "--format", "mseed", *OPTIONS[:2], "--out", folder]
    assert run_job("remove_response", "--root", sample_archive, *options) == 0
    told = outcomes(folder, "request")
    assert sorted(row["outcome"] for row in told.values()) == ["missing", "ok", "ok"]
    (trace,) = obspy.read(folder / "waveforms/continuous_waveforms/2024/2024_001/XXALFA_BHZ___2024001.ms", format="MSEED")
    (row,) = seisbatch.read_waveforms(out, sta="ALFA", chan="BHZ")
    np.testing.assert_array_equal(trace.data, row.data)
    (path,) = (folder / "waveforms/windows").rglob("*.sac")
    (window,) = obspy.read(path, format="SAC")
    assert (window.stats.channel, window.stats.npts) == ("BHN", 12_000)


def test_an_archive_is_never_taken_for_an_output_of_its_own(sample_archive, run_job, tmp_path, capsys):
    """GeoNet's keys begin with the folder that ground motion is put in, of which a run deletes what it did not write."""
    source = sample_archive / "continuous_waveforms/2024/2024_001/XXALFA_BHZ___2024001.ms"
    path = tmp_path / "waveforms/miniseed/2024/2024.001/ALFA.XX/2024.001.ALFA.10-BHZ.XX.D"
    path.parent.mkdir(parents=True)
    path.write_bytes(source.read_bytes())
    options = ["--archive", "geonet", "--root", tmp_path, "--start", "2024-01-01", "--stations", sample_archive]
    assert run_job("remove_response", *options, "--out", tmp_path) != 0
    assert "waveforms holds what no run here wrote: choose another --out" in capsys.readouterr().err
    assert path.read_bytes() == source.read_bytes()
    assert {file.name for file in tmp_path.rglob("*") if file.is_file()} == {path.name}


def test_a_request_that_is_wrong_is_refused_before_anything_runs(run_job, tmp_path, capsys):
    (tmp_path / "requests.json").write_text('[{"day": "2024,001"}, {"day": "2024,400", "nscl": "XX.ALFA.BHZ."}]')
    assert run_job("remove_response", "--request", tmp_path / "requests.json", "--out", tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert "request 1: nscl" in told
    assert "request 2: day" in told


@pytest.mark.parametrize("options", [("--channels", "XX.ALFA..BH?"), ("--index", "out/index")])
def test_what_requests_would_pass_over_is_refused(options, run_job, tmp_path, capsys):
    (tmp_path / "requests.json").write_text('[{"day": "2024,001", "nscl": "XX.ALFA.BHZ."}]')
    assert run_job("remove_response", "--request", tmp_path / "requests.json", *options, "--out", tmp_path / "out") == 2
    assert "leave out --channels and --index" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def broken(text, defect):
    """StationXML of a station with a defect in every response."""
    match defect:
        case "zero gain":
            return re.sub(r'(<Stage number="2">.*?<StageGain>\s*<Value>)[^<]*', r"\g<1>0.0", text, flags=re.DOTALL)
        case "missing stage":
            return text.replace('<Stage number="2">', '<Stage number="7">')
        case "no epoch":
            return text.replace('startDate="2020', 'startDate="2030')
    raise AssertionError(defect)


@pytest.mark.parametrize(
    ("defect", "told"), [("zero gain", "stage 2"), ("missing stage", "stage 2"), ("no epoch", "no epoch of XX.ALFA..BHZ")]
)
def test_metadata_that_cannot_be_used_are_an_outcome_that_names_the_stage(defect, told, sample_archive, run_job, tmp_path):
    stations = tmp_path / "stations"
    shutil.copytree(sample_archive / "FDSNstationXML/XX", stations)
    path = stations / "XX_ALFA.xml"
    text = path.read_text()
    path.write_text(broken(text, defect))
    assert path.read_text() != text
    folder = tmp_path / "out"
    options = [*OPTIONS, "--channels", "XX.ALFA..BHZ,XX.CHAR..BHE", "--stations", stations, "--out", folder]
    assert run_job("remove_response", "--root", sample_archive, *options) == 0
    days = outcomes(folder)
    assert days["XX.CHAR..BHE/2024-01-01"]["outcome"] == "ok"
    assert days["XX.ALFA..BHZ/2024-01-01"]["outcome"] == "rejected"
    assert told in days["XX.ALFA..BHZ/2024-01-01"]["reason"]
    assert {row["sta"] for row in rows(folder, "wf_TimeSeries")} == {"CHAR"}


def test_a_real_channel_day_is_what_obspy_makes_of_it(real_archive, run_job, tmp_path):
    folder = tmp_path / "out"
    options = ["--archive", "scedc", "--root", real_archive, "--start", "2022-01-02", "--channels", "CI.HEC..BHN"]
    removal = ["--pre-filt", "0.01,0.02,15,18", "--format", "mseed", "--out", folder]
    assert run_job("remove_response", *options, *removal) == 0
    key = "continuous_waveforms/2022/2022_002/CIHEC__BHN___2022002.ms"
    ours = obspy.read(folder / "waveforms" / key, format="MSEED")
    theirs = obspy.read(real_archive / key, format="MSEED")
    assert len(ours) == len(theirs)
    inventory = obspy.read_inventory(real_archive / "FDSNstationXML/CI/CI_HEC.xml", format="STATIONXML")
    for trace, other in zip(ours, theirs, strict=True):
        near = 0.4 * trace.stats.delta
        other.trim(trace.stats.starttime - near, trace.stats.endtime + near)  # of the day
        other.remove_response(inventory, output="VEL", pre_filt=(0.01, 0.02, 15, 18), water_level=60)
        assert_equal(trace, other)


def test_the_same_command_again_redoes_what_is_missing_and_no_more(sample_archive, run_job, tmp_path, capsys):
    folder = tmp_path / "out"
    command = ["remove_response", "--root", sample_archive, "--start", "2023-12-31", "--days", 2, "--channels", "XX.ALFA..BHZ",
               "--format", "sac", "--out", folder]  # fmt: skip
    assert run_job(*command) == 0
    assert run_job(*command) == 0
    assert "nothing to do" in capsys.readouterr().out
    paths = sorted((folder / "waveforms").rglob("*.sac"))
    before = [path.read_bytes() for path in paths]
    (folder / "manifest.json").unlink()
    paths[0].unlink()
    kept = paths[1].stat().st_mtime_ns
    assert run_job(*command) == 0
    assert [path.read_bytes() for path in paths] == before
    tables = sorted((folder / "wf_TimeSeries").rglob("*.parquet"))
    assert len(tables) == 2  # a file a month: that of January was not touched
    assert paths[1].stat().st_mtime_ns == kept
