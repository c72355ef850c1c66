"""SCEDC's keys, there and back, and the keys that are none."""

from __future__ import annotations

import datetime as dt

import pytest
from seisbatch.archives import scedc
from seisbatch.names import Channel, parse_channel


def test_keys_of_the_real_bucket(real_archive):
    found = 0
    for path in (real_archive / "continuous_waveforms").rglob("*.ms"):
        key = path.relative_to(real_archive).as_posix()
        name = scedc.parse_day_file_key(key)
        assert scedc.day_file_key(Channel(*name[:4]), name.date) == key
        found += 1
    assert found == 3
    for form in ("parquet", "csv"):
        assert (real_archive / scedc.day_index_key(dt.date(2022, 1, 2), form)).is_file()
    assert (real_archive / scedc.station_key("CI", "CCA")).is_file()


def test_the_last_day_of_a_leap_year():
    assert scedc.day_file_key(parse_channel("CI.A..BHZ"), dt.date(2024, 12, 31)).endswith("2024_366/CIA____BHZ___2024366.ms")


@pytest.mark.parametrize(
    "key",
    [
        "continuous_waveforms/2022/2022_002/CICCA__BHN___2022003.ms",
        "continuous_waveforms/2022/2022_367/CICCA__BHN___2022367.ms",
        "continuous_waveforms/2022/2022_000/CICCA__BHN___2022000.ms",
        "continuous_waveforms/2022/2022_002/CICCA__BHN___2022002.ms.bak",
        "continuous_waveforms/2022/2022_002/../CICCA__BHN___2022002.ms",
        "continuous_waveforms/2022/2022_002/CI_____BHN___2022002.ms",
        "continuous_waveforms/2022/2022_002/CIC_A__BHN___2022002.ms",
        "x" * 10_000,
        "",
    ],
)
def test_what_is_no_key(key):
    with pytest.raises(ValueError):  # noqa: PT011
        scedc.parse_day_file_key(key)


@pytest.mark.parametrize("name", ["", "../../etc/passwd.ms", "a/b.ms", "/a.ms", "a\0.ms", "a.ms\n", "x" * 65 + ".ms", "a.txt"])
def test_an_index_cannot_name_a_file_elsewhere(name):
    with pytest.raises(ValueError, match="no file name"):
        scedc.indexed_key(name, dt.date(2022, 1, 2))
