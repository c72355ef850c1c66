"""Which recordings a folder of a hydrophone's files holds."""

from __future__ import annotations

import io

import numpy as np
import obspy
import pytest
import soundfile
from seisbatch.acquire.objects import StoreSettings
from seisbatch.config import OptionError
from seisbatch.names import Channel
from seisbatch.outcome import RunError
from seisbatch.plan.recordings import find_recordings
from seisbatch.schema import RECORDING

from tests.acquire.web_servers import Apache, serving

NAME = Channel("OO", "HYEA2", "", "YDH")
DAY = "2017-10-09"


def instant(text: str) -> int:
    return obspy.UTCDateTime(text).ns


def miniseed(start: str, chan: str = "YDH", rate: float = 64000.0) -> bytes:
    codes = {"network": "OO", "station": "HYEA2", "channel": chan, "sampling_rate": rate}
    out = io.BytesIO()
    obspy.Trace(np.arange(500, dtype=np.int32), {**codes, "starttime": obspy.UTCDateTime(start)}).write(out, format="MSEED")
    return out.getvalue()


def wav(tracks: int = 1) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros((100, tracks)), 96000, format="WAV", subtype="PCM_24")
    return out.getvalue()


@pytest.fixture
def recordings(spark, tmp_path):
    """Finds recordings among files that are given by name and content; name, rate, and rows without nulls."""

    def found(files, pattern="auto", name=None, span=None, track=1):
        for key, content in files.items():
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).write_bytes(content)
        wanted = (instant(span[0]), instant(span[1])) if span else None
        got = find_recordings(spark, StoreSettings(str(tmp_path)), pattern, name, wanted, track)
        table = got.frame.toArrow()
        assert table.schema.names == RECORDING.names
        return got.name, got.rate, table.to_pylist()

    return found


OOI = [f"OO-HYEA2--YDH-{DAY}T00:{minute:02d}:00.000015.mseed" for minute in (0, 5, 10, 15)]


def of_ooi(folder="2017/10/09/"):
    return {folder + key: miniseed(key[14:-6]) for key in OOI}


def test_times_of_names_channel_and_rate_of_records(recordings):
    others = {
        "2017/10/09/OO-HYEA2--HHZ-2017-10-09T00:00:00.000015.mseed": miniseed(DAY, "HHZ"),
        "_tmp/a.wav": b"",
        "x.txt": b"",
    }
    name, rate, rows = recordings(of_ooi() | others, name=NAME)
    assert (name, rate) == (NAME, 64000.0)
    assert [row["s3key"] for row in rows] == [f"2017/10/09/{key}" for key in OOI]
    assert [row["start_ns"] for row in rows] == [instant(key[14:-6]) for key in OOI]
    assert all(row["unit"] == row["s3key"] and row["size"] and row["version"] and row["outcome"] is None for row in rows)
    assert {(row["net"], row["sta"], row["loc"], row["chan"]) for row in rows} == {NAME}


def test_a_span_keeps_what_begins_in_it_and_the_one_before(recordings):
    _, _, rows = recordings(of_ooi(), span=(f"{DAY}T00:07:00", f"{DAY}T00:15:00"))
    assert [row["s3key"][-25:-6] for row in rows] == [key[-25:-6] for key in OOI[1:3]]
    with pytest.raises(
        OptionError, match="4 recordings, such as .*, which begin from 2017-10-09T00:00:00 to .*T00:15:00: none"
    ):
        recordings({}, span=("2017-10-01", "2017-10-08"))


def test_times_of_records_where_names_tell_none(recordings):
    files = {f"hyd.{number}.ms": miniseed(f"{DAY}T00:{5 * number:02d}:00.5") for number in range(4)}
    files |= {"other.ms": miniseed(DAY, "HHZ"), "text.ms": b"<html>504</html>"}
    name, _, rows = recordings(files, span=(f"{DAY}T00:06:00", f"{DAY}T00:11:00"))
    assert name == NAME
    timed = [(row["s3key"], row["start_ns"]) for row in rows if row["outcome"] is None]
    assert timed == [("hyd.1.ms", instant(f"{DAY}T00:05:00.5")), ("hyd.2.ms", instant(f"{DAY}T00:10:00.5"))]
    problems = {row["s3key"]: (row["outcome"], row["reason"]) for row in rows if row["outcome"]}
    assert problems["other.ms"] == ("rejected", "no channel OO.HYEA2..YDH in it: it holds OO.HYEA2..HHZ")
    assert problems["text.ms"][0] == "corrupt"


def test_sound_files(recordings):
    files = {"MARS_20171009_000000.WAV": wav(), "noise.wav": wav(), "b/MARS_20171009_000000.wav": wav()}
    _, rate, rows = recordings(files, name=NAME)
    assert rate == 96000
    told = {row["s3key"]: (row["outcome"], row["reason"]) for row in rows}
    assert told["MARS_20171009_000000.WAV"] == (None, None)
    assert told["noise.wav"] == ("rejected", "no time in its name: --time-pattern tells how it stands there")
    assert told["b/MARS_20171009_000000.wav"][0] == "rejected"
    assert "MARS_20171009_000000.WAV begins at the same time" in told["b/MARS_20171009_000000.wav"][1]
    with pytest.raises(OptionError, match=r"wav and flac files name no channel: give --channel NET\.STA\.LOC\.CHA"):
        recordings({})
    with pytest.raises(OptionError, match="--track 2: .* has 1"):
        recordings({}, name=NAME, track=2)
    with pytest.raises(OptionError, match="3 recordings, such as .*none has a time in its name that --time-pattern %Y%j finds"):
        recordings({}, pattern="%Y%j", name=NAME)


def test_names_without_an_ending_are_recordings_where_they_hold_a_time(recordings):
    name, _, rows = recordings({"20171009T000000": miniseed(DAY), "readme": b"", "y": b""})
    assert (name, [row["s3key"] for row in rows]) == (NAME, ["20171009T000000"])


def test_several_channels_are_named(recordings):
    with pytest.raises(OptionError, match=r"OO\.HYEA2\.\.HHZ, OO\.HYEA2\.\.YDH: name one with --channel"):
        recordings({"20171009T000000.mseed": miniseed(DAY) + miniseed(DAY, "HHZ")})
    name, rate, _ = recordings({"20171009T000000.mseed": miniseed(DAY, "HHZ", 200.0) + miniseed(DAY)}, name=NAME)
    assert (name, rate) == (NAME, 64000)
    with pytest.raises(RunError, match=r"holds OO\.HYEA2\.\.HHZ, OO\.HYEA2\.\.YDH, not --channel OO\.X\.\.YDH"):
        recordings({}, name=NAME._replace(sta="X"))


def test_a_listing_on_the_web(spark, tmp_path, recordings):
    files = of_ooi() | {"2017/10/09/unnamed.ms": miniseed(f"{DAY}T00:20:00")}
    recordings(files)
    with serving(Apache, tmp_path) as address:
        got = find_recordings(spark, StoreSettings(address), "auto", None, None, 1)
    rows = got.frame.toArrow().to_pylist()
    assert (got.name, got.rate) == (NAME, 64000)
    assert [row["s3key"] for row in rows] == list(files)
    assert [row["size"] for row in rows] == [len(data) for data in files.values()]  # asked for: pages do not tell them
    assert all(row["version"] and row["outcome"] is None for row in rows)


def test_records_may_tell_the_times_whatever_names_say(recordings):
    files = {f"20000101T00000{number}.mseed": miniseed(f"{DAY}T00:0{number}:00") for number in range(2)}
    _, _, rows = recordings(files, "records")
    assert [row["start_ns"] for row in rows] == [instant(f"{DAY}T00:0{number}:00") for number in range(2)]


def test_the_first_may_be_broken(recordings):
    files = {f"20171009T00000{number}.mseed": b"broken" for number in range(9)} | {"20171009T000009.mseed": miniseed(DAY)}
    assert recordings(files)[:2] == (NAME, 64000)
    with pytest.raises(RunError, match="none of the first 10 recordings can be used: .*T000000.mseed is no miniSEED"):
        recordings({"20171009T000009.mseed": b""})


@pytest.mark.parametrize(
    ("files", "pattern", "message"),
    [
        ({}, "auto", "no recordings in .*: there is nothing; they end in .mseed"),
        ({"a/readme.txt": b"", ".hidden.wav": b""}, "auto", "there is a/readme.txt; they end in"),
        ({}, "%H", "--time-pattern %H: it gives no date"),
    ],
)
def test_what_is_there_is_told_where_nothing_fits(recordings, tmp_path, files, pattern, message):
    with pytest.raises(OptionError, match=message):
        recordings(files, pattern)
