"""Names, patterns and days as users write them."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from seisbatch.config import OptionError, day_range
from seisbatch.names import ChannelPatterns, Pair, channel, file_name, parse_channel, parse_nscl, parse_pair
from seisbatch.times import day_start_ns, from_datetime, parse_day, to_datetime


@pytest.mark.parametrize("text", ["CI.CCA..BHN", "CI.CCA.--.BHN"])
def test_an_empty_location_is_written_in_two_ways(text):
    assert parse_channel(text) == ("CI", "CCA", "", "BHN")


def test_the_other_order_of_codes():
    assert parse_nscl("CI.SOC.HHZ.10") == parse_channel("CI.SOC.10.HHZ")


def test_padding_of_headers_and_indexes_goes():
    assert channel("CI", "CCA  ", "  ", "BHN") == parse_channel("CI.CCA..BHN")


@pytest.mark.parametrize(
    "codes",
    [("", "A", "", "BHZ"), ("..", "A", "", "BHZ"), ("CI", "A/B", "", "BHZ"), ("CI", "A", "..", "BHZ"), ("CI", "A", "", "BH"),
     ("CI", "A\0", "", "BHZ"), ("CI", "A" * 9, "", "BHZ"), ("CI", "Ä", "", "BHZ"), ("CI", "A", "", "B\nZ")],
)  # fmt: skip
def test_what_could_become_a_path_is_no_name(codes):
    with pytest.raises(ValueError, match="code"):
        channel(*codes)


@pytest.mark.parametrize(
    ("patterns", "name", "matches"),
    [
        ("*.*.*.*", "CI.CCA..BHN", True),
        ("CI.*..BH?", "CI.CCA..BHN", True),
        ("CI.*.--.BH?", "CI.CCA..BHN", True),
        ("CI.*.--.BH?", "CI.CCA.10.BHN", False),
        ("CI.*.*.BH?", "CI.CCA.10.BHN", True),
        ("CI.*..BH[ZN]", "CI.CCA..BHE", False),
        ("NC.*.*.*, CI.CCA.*.*", "CI.CCA..BHN", True),
        ("ci.*.*.*", "CI.CCA..BHN", False),
        ("CI.CC.*.*", "CI.CCA..BHN", False),
    ],
)
def test_patterns(patterns, name, matches):
    assert ChannelPatterns(patterns).matches(parse_channel(name)) is matches


@pytest.mark.parametrize("text", ["", "CI.*.BHZ", "CI.*..BHZ,", "CI.*..BHZ;x", "../*.*.*.*"])
def test_what_is_no_pattern_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"write NET\.STA\.LOC\.CHA"):
        ChannelPatterns(text)


def test_a_pair_keeps_its_order():
    pair = parse_pair("CI.B..BHZ:CI.A.--.BHZ")
    assert pair == Pair(parse_channel("CI.B..BHZ"), parse_channel("CI.A..BHZ"))
    assert str(pair) == "CI.B..BHZ:CI.A..BHZ"
    with pytest.raises(ValueError, match="is no pair"):
        parse_pair("CI.B..BHZ")


@pytest.mark.parametrize("text", ["2024-02-29", "2024-060", "2024,060"])
def test_days_are_written_in_several_ways(text):
    assert parse_day(text) == dt.date(2024, 2, 29)


@pytest.mark.parametrize("text", ["2023-02-29", "2023-366", "2023-000", "2024", "tomorrow", ""])
def test_days_that_are_none(text):
    with pytest.raises(ValueError, match="write 2022-01-02, or 2022-002"):
        parse_day(text)


def test_instants_are_those_of_the_calendar():
    for day in (dt.date(1969, 12, 31), dt.date(1972, 2, 29), dt.date(2022, 1, 2)):
        midnight = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        assert day_start_ns(day) == int(midnight.timestamp()) * 10**9
        assert to_datetime(day_start_ns(day)) == midnight
        assert from_datetime(midnight) == day_start_ns(day)


def test_a_range_of_days():
    start, day = dt.date(2024, 1, 1), dt.timedelta(days=1)
    assert day_range(start, None, None) == (start, start + day)
    assert day_range(start, 31, None) == (start, dt.date(2024, 2, 1))
    assert day_range(start, 31, dt.date(2024, 2, 1)) == (start, dt.date(2024, 2, 1))
    with pytest.raises(OptionError, match="contradict"):
        day_range(start, 30, dt.date(2024, 2, 1))
    with pytest.raises(OptionError, match="is not after"):
        day_range(start, None, start)


def test_labels_become_names_of_files_that_are_safe_and_not_alike():
    labels = [
        *(
            "a/b",
            "a:b",
            "a b",
            "a-b",
            "a_b",
            "a.b",
            "a--b",
            "../a",
            "..",
            ".",
            "",
            ".a",
            "a.",
            "_a",
            "-",
            "/",
            "\\",
            "\0",
            "é",
            "a\n",
        ),
        *(
            "2024-01-01T00:00:00.000000",
            "2024-01-01T000000.000000",
            "2024-01-01T00:00:00.000000/P",
            "smi:local/1",
            "smi-local-1",
        ),
        *("x" * 80, "x" * 81, "x" * 5000, "quakeml:a.b/c?id=1&x=2", "quakeml:a.b/c?id=1&x=3"),
    ]
    names = [file_name(label) for label in labels]
    assert len(set(names)) == len(set(labels))
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name)
        assert not name.endswith(".")
    assert file_name("ci38457511") == "ci38457511"
    assert file_name("2024-01-01T00:00:00.000000") == "2024-01-01T000000.000000"
