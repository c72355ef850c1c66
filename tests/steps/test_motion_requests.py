"""Requests for ground motion, in archives whose objects hold stations, or whose keys have no room for a channel."""

from __future__ import annotations

import datetime as dt
import io

import obspy
import pyarrow as pa
import pytest
from seisbatch.acquire.objects import StoreSettings
from seisbatch.archives import ARCHIVES
from seisbatch.names import Channel
from seisbatch.oneshot.requests import read_request
from seisbatch.outcome import UnitError
from seisbatch.plan.motion_requests import BATCHES
from seisbatch.process.response import Removal
from seisbatch.steps.ground_motion import Motion
from seisbatch.steps.motion_objects import MotionSettings
from seisbatch.steps.motion_requests import motion_of_request, write_requests
from seisbatch.steps.stations import StationFiles

DAY = dt.date(2024, 1, 2)
SOURCE = "continuous_waveforms/2024/2024_002/XXALFA_{}___2024002.ms"


def settings(layout, archive, out, stations, **more):
    return MotionSettings(
        run_id="run", job="remove_response", out=StoreSettings(str(out)), parameters_id="id", metadata=(),
        archive=StoreSettings(str(archive)), layout=layout, stations=StationFiles(StoreSettings(str(stations)), "scedc", False),
        motion=Motion("vel", Removal(pre_filt=(0.02, 0.05, 7.0, 9.0))), span=None, to="mseed", data_tag="motion", ahead_bytes=0,
        **more,
    )  # fmt: skip


@pytest.fixture
def station_days(sample_archive, tmp_path):
    """EarthScope's layout: one object with both channels of a station."""
    path = tmp_path / "archive" / ARCHIVES["earthscope"].day_file_key(Channel("XX", "ALFA", "", "BHZ"), DAY)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join((sample_archive / SOURCE.format(chan)).read_bytes() for chan in ("BHN", "BHZ")))
    return tmp_path / "archive"


def test_two_channels_of_one_station_s_object_do_not_overwrite_each_other(station_days, sample_archive, tmp_path):
    run = settings("earthscope", station_days, tmp_path / "out", sample_archive)
    found = {}
    for chan in ("BHN", "BHZ"):
        [item] = motion_of_request(run, read_request({"day": "2024-01-02", "nscl": f"XX.ALFA.{chan}."})).objects
        found[item.key] = obspy.read(io.BytesIO(item.body), format="MSEED")
    assert [{trace.stats.channel for trace in stream} for stream in found.values()] == [{"BHN"}, {"BHZ"}]


def batch(*requests):
    rows = [
        {"unit": str(found), **found.name._asdict(), "start_ns": found.start_ns, "end_ns": found.end_ns, "day": found.day,
         "to": found.to, "days": found.days}
        for found in map(read_request, requests)
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist([{"name": "requests-00000", "requests": rows}], schema=BATCHES)


def test_a_channel_that_the_archive_has_no_key_for_is_missing(sample_archive, tmp_path):
    run = settings("geonet", sample_archive, tmp_path / "out", sample_archive)
    requests = batch({"day": "2024-01-02", "nscl": "NZ.WEL.HHZ."}, {"day": "2024-01-02", "nscl": "NZ.WEL.HHZ.10"})
    told = [row for rows in write_requests(run, iter([requests])) for row in rows.to_pylist() if row["kind"] == "request"]
    assert [row["outcome"] for row in told] == ["missing", "missing"]
    assert "two digits" in told[0]["reason"]


def test_a_window_of_which_one_day_could_not_be_read_fails(sample_archive, tmp_path):
    """Another try may find the day: half of the window is no answer."""
    archive = tmp_path / "archive"
    for day in ("2024_001/XXALFA_BHZ___2024001", "2024_002/XXALFA_BHZ___2024002"):
        path = archive / f"continuous_waveforms/2024/{day}.ms"
        path.parent.mkdir(parents=True)
        path.write_bytes((sample_archive / path.relative_to(archive)).read_bytes())
    path.unlink()
    path.symlink_to(path.name)  # a loop of links: an error of the machine's
    run = settings("scedc", archive, tmp_path / "out", sample_archive)
    window = read_request({"nscl": "XX.ALFA.BHZ.", "start_time": "2024-01-01T23:00", "end_time": "2024-01-02T01:00"})
    with pytest.raises(UnitError, match="symbolic links"):
        motion_of_request(run, window)
