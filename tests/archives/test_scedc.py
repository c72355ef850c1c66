"""SCEDC's keys, there and back, and the keys that are none."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from seisbatch.archives import scedc
from seisbatch.names import Channel, parse_channel


def test_keys_of_the_real_bucket(real_archive):
    found = 0
    for path in (real_archive / "continuous_waveforms").rglob("*.ms"):
        key = path.relative_to(real_archive).as_posix()
        assert scedc.day_file_key(*scedc.parse_day_file_key(key)) == key
        found += 1
    assert found == 3
    for form in ("parquet", "csv"):
        assert (real_archive / scedc.day_index_key(dt.date(2022, 1, 2), form)).is_file()
    assert (real_archive / scedc.station_key("CI", "CCA")).is_file()


def test_there_and_back():
    rng = np.random.default_rng(0)
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    for _ in range(500):
        codes = ["".join(rng.choice(letters, size)) for size in (2, rng.integers(1, 6), rng.choice([0, 2]), 3)]
        name, day = Channel(*codes), dt.date(1999, 1, 1) + dt.timedelta(days=int(rng.integers(0, 10_000)))
        assert scedc.parse_day_file_key(scedc.day_file_key(name, day)) == (name, day)


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
