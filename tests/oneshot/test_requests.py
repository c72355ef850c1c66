"""What one call asks for: every way to write it, and what is said of a wrong one."""

from __future__ import annotations

import datetime as dt

import pytest
from obspy import UTCDateTime
from seisbatch.names import Channel
from seisbatch.oneshot.requests import Request, RequestError, read_request

SOC = Channel("CI", "SOC", "", "HHZ")
RIDGECREST = "2019-07-06T03:19:53.04"


@pytest.mark.parametrize("day", ["2019,183", "2019-183", "2019-07-02", "20190702", " 2019,183 "])
def test_a_day_may_be_written_in_several_ways(day):
    request = read_request({"day": day, "nscl": "CI.SOC.HHZ."})
    start = UTCDateTime(year=2019, julday=183)
    assert request == Request(SOC, start.ns, (start + 86_400).ns, dt.date(2019, 7, 2), None)
    assert request.days == [dt.date(2019, 7, 2)]


def test_a_day_of_the_year_needs_no_zeros_after_a_comma():
    assert read_request({"day": "2022,2", "nscl": "CI.SOC.HHZ."}).day == dt.date(2022, 1, 2)
    assert read_request({"day": "2024,366", "nscl": "CI.SOC.HHZ."}).day == dt.date(2024, 12, 31)


@pytest.mark.parametrize(
    ("nscl", "loc"), [("CI.SOC.HHZ.", ""), ("CI.SOC.HHZ.--", ""), ("CI.SOC.HHZ.  ", ""), ("CI.SOC.HHZ.10", "10")]
)
def test_a_channel_is_named_in_the_order_of_nscl(nscl, loc):
    assert read_request({"day": "2019,183", "nscl": nscl}).name == Channel("CI", "SOC", loc, "HHZ")


@pytest.mark.parametrize(
    "start_time",
    [RIDGECREST, f"{RIDGECREST}Z", "2019-07-05T20:19:53.04-07:00", "1562383193.04", 1562383193.04, " 2019-07-06 03:19:53.04"],
)
def test_a_time_may_be_written_in_several_ways(start_time):
    request = read_request({"nscl": "CI.SOC.HHZ.", "start_time": start_time, "end_time": "2019-07-06T03:25"})
    assert (request.start_ns, request.end_ns) == (UTCDateTime(RIDGECREST).ns, UTCDateTime("2019-07-06T03:25").ns)
    assert request.day is None


def test_seconds_are_exact_where_they_are_written_out():
    request = read_request({"nscl": "CI.SOC.HHZ.", "start_time": "1562383193.123456789", "end_time": 1562383194})
    assert (request.start_ns, request.end_ns) == (1_562_383_193_123_456_789, 1_562_383_194_000_000_000)


@pytest.mark.parametrize(
    ("start_time", "end_time", "days"),
    [
        ("2019-07-02T23:00", "2019-07-03T01:00", [2, 3]),
        ("2019-07-02T23:00", "2019-07-03", [2]),
        ("2019-07-02", "2019-07-04", [2, 3]),
    ],
)
def test_a_window_touches_the_days_that_have_an_instant_of_it(start_time, end_time, days):
    request = read_request({"nscl": "CI.SOC.HHZ.", "start_time": start_time, "end_time": end_time})
    assert [day.day for day in request.days] == days


@pytest.mark.parametrize(("given", "to"), [("mseed", "mseed"), ("SAC", "sac"), ("Parquet", "parquet"), (None, None)])
def test_a_format_may_be_named(given, to):
    assert read_request({"day": "2019,183", "nscl": "CI.SOC.HHZ.", "format": given}).to == to


WINDOW = {"nscl": "CI.SOC.HHZ.", "start_time": "2019-07-02", "end_time": "2019-07-03"}
DAY = {"nscl": "CI.SOC.HHZ.", "day": "2019,183"}


@pytest.mark.parametrize(
    ("fields", "named", "told"),
    [
        ({}, "nscl", "NET.STA.CHA.LOC"),
        ({"day": "2019,183"}, "nscl", "NET.STA.CHA.LOC"),
        (DAY | {"nscl": "CI.SOC..HHZ"}, "nscl", "chan code"),
        (DAY | {"nscl": "CI.SOC.HHZ"}, "nscl", "such as CI.SOC.HHZ."),
        (DAY | {"nscl": "CI.*.HHZ."}, "nscl", "no sta code"),
        (DAY | {"nscl": "../../etc.passwd.HHZ."}, "nscl", ""),
        (DAY | {"nscl": 17}, "nscl 17", ""),
        (DAY | {"nscl": "CI.SOC\n.HHZ."}, "nscl", ""),
        (DAY | {"nscl": "x" * 5000}, "nscl", ""),
        ({"nscl": "CI.SOC.HHZ."}, "day", "start_time and end_time"),
        (DAY | {"day": "2019,366"}, "day '2019,366'", "2019 has no day 366"),
        (DAY | {"day": "2019,0"}, "day '2019,0'", ""),
        (DAY | {"day": "2019-02-30"}, "day", ""),
        (DAY | {"day": "9999-12-31"}, "day", ""),
        (DAY | {"day": "0000,1"}, "day", ""),
        (DAY | {"day": "0219-07-02"}, "day '0219-07-02'", "1678 to 2261"),
        (WINDOW | {"start_time": "0219-07-02"}, "start_time '0219-07-02'", ""),
        (DAY | {"day": 2019183}, "day 2019183", "2019,183"),
        (DAY | {"day": ""}, "day", ""),
        (DAY | WINDOW, "day and start_time and end_time", "either"),
        ({**WINDOW, "end_time": None}, "end_time is missing", ""),
        ({**WINDOW, "start_time": None}, "start_time is missing", ""),
        (WINDOW | {"start_time": "yesterday"}, "start_time 'yesterday'", "ISO 8601"),
        (WINDOW | {"start_time": "2019"}, "start_time '2019'", "ISO 8601"),
        (WINDOW | {"start_time": True}, "start_time True", ""),
        (WINDOW | {"end_time": float("nan")}, "end_time nan", ""),
        (WINDOW | {"end_time": float("inf")}, "end_time inf", ""),
        (WINDOW | {"end_time": 1e300}, "end_time 1e+300", ""),
        (WINDOW | {"end_time": "9999-12-31T23:59:59"}, "end_time", ""),
        (WINDOW | {"end_time": ["2019-07-03"]}, "end_time", ""),
        (WINDOW | {"end_time": "2019-07-02"}, "end_time '2019-07-02' is not after start_time", ""),
        (WINDOW | {"end_time": "2019-07-01"}, "end_time", "not after"),
        (WINDOW | {"end_time": "2019-07-04T00:00:00.000001"}, "end_time", "2 UTC days"),
        (DAY | {"format": "wav"}, "format 'wav'", "mseed, sac, parquet"),
        (DAY | {"format": 3}, "format 3", "mseed, sac, parquet"),
        (DAY | {"s3_output_bucket": "other"}, "'s3_output_bucket'", "Known are nscl, day"),
        (WINDOW | {"endtime": "2019-07-03"}, "'endtime'", "is end_time meant?"),
    ],
)
def test_a_wrong_request_names_its_field_and_what_would_be_valid(fields, named, told):
    with pytest.raises(RequestError) as raised:
        read_request(fields)
    message = str(raised.value)
    assert named in message
    assert told in message
    assert len(message) < 400
    assert raised.value.status == 400
