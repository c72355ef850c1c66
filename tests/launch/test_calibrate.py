"""Rates: what is shipped is whole, what is measured is written as it is read, what is wrong in a file is named."""

from __future__ import annotations

import re
import tomllib

import pytest
from seisbatch.config import CONF
from seisbatch.launch import calibrate as calibrating
from seisbatch.launch.calibrate import calibrate, cpu_seconds, main
from seisbatch.launch.rates import RATES_FILE, CoreSeconds, read_rates
from seisbatch.outcome import RunError

SHIPPED = CONF / RATES_FILE


def test_what_is_shipped_is_dated_and_every_rate_has_its_comment():
    rates = read_rates(SHIPPED)
    assert str(rates.date) in rates.source()
    assert rates.machine in rates.source()
    assert SHIPPED.read_text() == rates.toml()
    lines = SHIPPED.read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"\w+ = \d", line) and not line.startswith("date")]
    assert len(keys) == len(CoreSeconds.model_fields)
    assert all(lines[number - 1].startswith("# ") for number in keys)


def test_a_calibration_measures_every_kernel_and_its_file_is_read_in_place_of_what_is_shipped(tmp_path, monkeypatch):
    """On half an hour in place of a day; each rate within a factor of 30 of those shipped, whatever the machine."""
    monkeypatch.setenv("SEISBATCH_BUILD", str(tmp_path / "build"))
    for name, less in (("CORRELATED", 16), ("CLIPS", 2), ("REQUESTS", 20), ("ROWS", 200), ("WINDOWS", 4)):
        monkeypatch.setattr(calibrating, name, less)
    monkeypatch.setattr(calibrating, "calibrate", lambda: calibrate(print, rounds=1, seconds=1800))
    assert read_rates() == read_rates(SHIPPED)
    assert main([]) == 0
    found, shipped = read_rates().core_seconds.model_dump(), read_rates(SHIPPED).core_seconds.model_dump()
    assert tomllib.loads((tmp_path / "build/rates.toml").read_text())["core_seconds"] == found
    for name, seconds in found.items():
        assert shipped[name] / 30 < seconds < shipped[name] * 30, name
    assert read_rates() != read_rates(SHIPPED)


def test_work_is_timed_by_the_cpu_that_it_takes():
    assert cpu_seconds(lambda: sum(range(2_000_000)), 3) > 4 * cpu_seconds(lambda: sum(range(100_000)), 3)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("decode_mb = ", "decode_mb = -", r"core_seconds\.decode_mb: .*greater than 0"),
        ("decode_mb", "decode_megabyte", r"core_seconds\.decode_m"),
        ("[core_seconds]", "[core_seconds", "line"),
        ("date = ", "day = ", "date: Field required"),
    ],
)
def test_a_wrong_table_names_itself_and_the_key(before, after, message, tmp_path):
    path = tmp_path / "rates.toml"
    path.write_text(SHIPPED.read_text().replace(before, after, 1))
    with pytest.raises(RunError, match=f"rates.toml: .*{message}"):
        read_rates(path)


def test_a_word_is_no_usage_of_calibrate(capsys):
    assert main(["now"]) == 2
    assert main(["--help"]) == 0
    assert "usage: ./submit.sh calibrate" in capsys.readouterr().out
