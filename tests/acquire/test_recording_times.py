"""Times in the names of recordings, as archives of hydrophones write them."""

from __future__ import annotations

import time

import obspy
import pytest
from seisbatch.acquire.recording_times import TimePattern


def instant(text: str) -> int:
    return obspy.UTCDateTime(text).ns


MIDNIGHT = "2017-10-09T00:00:00"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("CE02SHBP/LJ01D/11-HYDBBA106/2017/10/09/OO-HYEA2--YDH-2017-10-09T00:00:00.000015.mseed", f"{MIDNIGHT}.000015"),
        ("OO-HYEA2--YDH-2017-10-09T00_00_00.000015.mseed", f"{MIDNIGHT}.000015"),
        ("OO-HYVM1--YDH.2015-09-01T23-59-59.999984.mseed", "2015-09-01T23:59:59.999984"),
        ("671379494.171009000000.wav", MIDNIGHT),
        ("5146.231231235959.d24.wav", "2023-12-31T23:59:59"),
        ("SITE_671379494.171009000000.flac", MIDNIGHT),
        ("MARS_20171009_000000.wav", MIDNIGHT),
        ("MARS-20171009T000000Z-16kHz.wav", MIDNIGHT),
        ("20171009T000000Z", MIDNIGHT),
        ("AMAR538.1.20171009T000000Z.wav", MIDNIGHT),
        ("ICLISTENHF1234_20171009T000000.000Z.flac", MIDNIGHT),
        ("2017-10-09_00-00-00.wav", MIDNIGHT),
        ("2017_10_09_00_00_00.wav", MIDNIGHT),
        ("2017-10-09 00-00-00.wav", MIDNIGHT),
        ("PAM_20171009T000000.123Z.wav", f"{MIDNIGHT}.123"),
        ("PAM_20171009_000000_123.wav", MIDNIGHT),
        ("PAM_20171009_000000.123.wav", f"{MIDNIGHT}.123"),
        ("20171009000000.wav", MIDNIGHT),
        ("SanctSound_CI01_01_671379494_20181031T165945Z.flac", "2018-10-31T16:59:45"),
        ("S1_20181031T095945-0700.wav", "2018-10-31T16:59:45"),
        ("2018-10-31T18:59:45+02:00.wav", "2018-10-31T16:59:45"),
        ("rec_20171009_000000-0100.wav", MIDNIGHT),  # a number that counts, not an hour's offset
        ("20240229_120000_20240229_120000.wav", "2024-02-29T12:00:00"),
        ("rec_20171009_000000.16000Hz.wav", MIDNIGHT),
        ("20171009_000000.1.wav", MIDNIGHT),
        ("20171009T000000.0123.wav", f"{MIDNIGHT}.0123"),
    ],
)
def test_auto_knows_the_forms_of_archives(key, expected):
    assert TimePattern("auto").start_ns(key) == instant(expected)


@pytest.mark.parametrize(
    "key",
    [
        "1507507200.wav",  # seconds since 1970, or a serial number
        "12345678901234.wav",
        "120171009_000000.wav",
        "20171009_0000001.wav",
        "20171309_000000.wav",
        "20170229_000000.wav",
        "20171009_250000.wav",
        "20171009_006000.wav",
        "2017-10-09.wav",
        "20171009.wav",
        "2017100900.wav",
        "171009000000.wav",
        "671379494.171309000000.wav",
        "671379494.1710090000001.wav",
        "171009_000000.wav",
        "20170901_000000_20171009_000000.wav",  # which of them?
        "20171009T000000Z/hydrophone.wav",
        "2017-1009_000000.wav",
        "noise.wav",
        "",
    ],
)
def test_auto_does_not_guess(key):
    assert TimePattern("auto").start_ns(key) is None


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("%Y%m%d_%H%M%S", "a/MARS_20171009_000102.wav", "2017-10-09T00:01:02"),
        ("%Y%m%d", "day20171009.wav", MIDNIGHT),
        ("%y%m%d_%H%M%S", "CINMS_B_32_00_disk01_171009_000000.x.wav", MIDNIGHT),
        ("%Y/%m/%d/rec%H%M", "root/2017/10/09/rec2359.wav", "2017-10-09T23:59:00"),
        ("%Y.%j.%H.%M.%S", "NV.NCBC..HDH.2017.282.00.00.01", "2017-10-09T00:00:01"),
        ("T%s.", "X_T1507507200.wav", MIDNIGHT),
        ("%s.%f", "1507507200.25.wav", f"{MIDNIGHT}.25"),
        ("%Y%m%dT%H%M%SZ_to", "20171009T000000Z_to_20171009T001500Z.wav", MIDNIGHT),
        ("%Y/%Y%m%d", "2017/20171009.wav", MIDNIGHT),
        ("100%%_%Y%m%d", "100%_20171009.wav", MIDNIGHT),
        ("%H%M%S.%f_%Y%m%d", "000000.000001_20171009.wav", f"{MIDNIGHT}.000001"),
    ],
)
def test_a_pattern_is_found_where_it_stands(pattern, key, expected):
    assert TimePattern(pattern).start_ns(key) == instant(expected)


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("%Y%m%d_%H%M%S", "20171009_000000/a.wav"),  # in the last part alone
        ("%Y%m%d_%H%M%S", "120171009_000000.wav"),
        ("%Y%m%d_%H%M%S", "20171009_0000001.wav"),
        ("%Y%m%d_%H%M%S", "20171399_000000.wav"),
        ("%Y%j", "2017366.wav"),
        ("%Y/%Y%m%d", "2016/20171009.wav"),
        ("%Y%m%d", "99991231.wav"),
        ("a.%Y%m%d", "ab20171009"),
    ],
)
def test_a_pattern_matches_nothing_else(pattern, key):
    assert TimePattern(pattern).start_ns(key) is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("%Q%Y%m%d", "--time-pattern %Q%Y%m%d: %Q is none of %Y %y"),
        ("%H%M%S", "--time-pattern %H%M%S: it gives no date"),
        ("%Y%m", "it gives no date"),
        ("", "it gives no date"),
        ("%Y%m%d%", "% is none of"),
    ],
)
def test_a_pattern_that_cannot_be_is_told(pattern, message):
    with pytest.raises(ValueError, match=message):
        TimePattern(pattern)


@pytest.mark.parametrize("key", ["1" * 1000 + ".wav", "2017-" * 200, "20" * 500, "1." * 500])
def test_hostile_names_take_no_time(key):
    started = time.perf_counter()
    for pattern in ("auto", "%Y%m%d", "%s%f%Y%j"):
        assert TimePattern(pattern).start_ns(key) is None
    assert time.perf_counter() - started < 0.5
