"""An index that changes between two tries: the second's results are those of a run that saw nothing else."""

from __future__ import annotations

import datetime as dt
import math
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import seisbatch
from seisbatch.archives import scedc
from seisbatch.sample.network import DAYS

from tests.jobs.results import data_columns, outcomes, rows

EARLY = "XX.ALFA..BHZ,XX.BRAV..BHZ,XX.CHAR..BHZ,XX.DELT..BHZ,XX.ECHO..BHZ,XX.FOXT..BHZ,XX.HOTL..BHZ,XX.INDI..BHZ,XX.JULI..BHZ"


@pytest.fixture
def archive(sample_archive, tmp_path) -> Path:
    copy = tmp_path / "archive"
    shutil.copytree(sample_archive, copy, copy_function=os.link)
    return copy


def change_index(archive: Path, day: int, change) -> None:
    """Write a day's index anew, of rows that a function makes of its own."""
    path = archive / scedc.day_index_key(DAYS[day])
    table = pq.read_table(path, partitioning=None)
    path.unlink()
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema), path)


@pytest.mark.parametrize("stack_over", ["none", "all"])
def test_a_day_whose_index_was_unreadable_brings_new_channels(stack_over, archive, run_job, tmp_path):
    """The first day has no ALFA: when the second can be read, every channel's place in the plan is another."""
    change_index(archive, 1, lambda found: [row for row in found if row["sta"] != "ALFA"])
    index = archive / scedc.day_index_key(DAYS[2])
    kept = index.read_bytes()
    index.unlink()
    index.symlink_to(index.name)
    options = ["--root", archive, "--start", DAYS[1], "--days", 2, "--channels", EARLY, "--tile", 8, "--stack-over", stack_over]
    assert run_job("cross_correlate", *options, "--out", tmp_path / "out") == 0
    index.unlink()
    index.write_bytes(kept)
    assert run_job("cross_correlate", *options, "--out", tmp_path / "out") == 0
    assert run_job("cross_correlate", *options, "--out", tmp_path / "at-once") == 0
    table = "ccf" if stack_over == "none" else "stack"
    assert data_columns(tmp_path / "out", table).equals(data_columns(tmp_path / "at-once", table))
    assert set(outcomes(tmp_path / "out")) == set(outcomes(tmp_path / "at-once"))


def test_values_of_an_index_that_cannot_be_are_as_good_as_none(archive, run_job, tmp_path):
    """No StationXML, and places and rates that are none: CCFs without a distance, and a whole run."""
    shutil.rmtree(archive / "FDSNstationXML")
    bad = {"ALFA": {"lat": math.nan}, "BRAV": {"lat": 95.0}, "CHAR": {"sample_rate": math.nan}, "DELT": {"lon": math.inf}}
    change_index(archive, 2, lambda found: [row | bad.get(row["sta"], {}) for row in found])
    options = ["--root", archive, "--start", DAYS[2], "--days", 1, "--channels", EARLY, "--out", tmp_path / "out"]
    assert run_job("cross_correlate", *options) == 0
    found = rows(tmp_path / "out", "ccf")
    assert len(found) == 36
    for row in found:
        unknown = {row["source_sta"], row["receiver_sta"]} & {"ALFA", "BRAV", "DELT"}
        assert (row["distance"] is None) == bool(unknown)
        assert row["distance"] is None or 0 < row["distance"] < 100


def test_a_damaged_index_is_the_days_outcome(archive, run_job, tmp_path):
    path = archive / scedc.day_index_key(DAYS[1])
    data = bytearray(path.read_bytes())
    path.unlink()
    data[4:200] = os.urandom(196)
    path.write_bytes(data)
    options = ["--root", archive, "--channels", EARLY, "--out", tmp_path / "out"]
    assert run_job("cross_correlate", *options) == 0
    assert outcomes(tmp_path / "out")[f"index/{DAYS[1]}"]["outcome"] == "corrupt"


def test_another_archive_never_mixes_with_the_first(archive, sample_archive, run_job, tmp_path, capsys):
    options = ["--start", DAYS[2], "--days", 1, "--channels", "XX.[AB]*..BHZ", "--out", tmp_path / "out"]
    assert run_job("cross_correlate", "--root", archive, *options) == 0
    assert run_job("cross_correlate", "--root", sample_archive, *options) == 1
    assert f"made from {archive}, not from {sample_archive}" in capsys.readouterr().err


@pytest.fixture(scope="module")
def daily(sample_archive, run_job, tmp_path_factory):
    out = tmp_path_factory.mktemp("daily") / "out"
    assert run_job("cross_correlate", "--root", sample_archive, "--channels", EARLY, "--out", out) == 0
    return out


@pytest.mark.parametrize("over", ["week", "month", "all", "2"])
def test_stacks_of_a_range_hold_its_days_alone(over, daily, run_job, tmp_path):
    options = ["--ccfs", daily, "--stack-over", over, "--start", DAYS[2], "--out", tmp_path / "out"]
    assert run_job("stack_ccfs", *options) == 0
    stacks = rows(tmp_path / "out", "stack")
    windows = {
        tuple(row[f"{role}_sta"] for role in ("source", "receiver")): row["n_windows"]
        for row in rows(daily, "ccf")
        if row["date"] == DAYS[2]
    }
    assert {(row["source_sta"], row["receiver_sta"]): row["n_windows"] for row in stacks} == windows
    assert {row["n_days"] for row in stacks} == {1}
    assert {row["starttime"].date() for row in stacks} == {DAYS[2]}


def test_a_day_without_data_does_not_spoil_stacks_of_days(daily, run_job, tmp_path):
    """Its neighbours' CCFs share a file, so that the day is planned; that it has none is no fault."""
    ccfs = tmp_path / "ccfs"
    shutil.copytree(daily, ccfs)
    (file,) = ccfs.glob("ccf/year=2024/month=01/*.parquet")
    table = pq.read_table(file, partitioning=None)
    later = [date + dt.timedelta(days=int(date == DAYS[2])) for date in table["date"].to_pylist()]
    pq.write_table(table.set_column(table.column_names.index("date"), "date", pa.array(later)), file)
    options = ["--ccfs", ccfs, "--stack-over", "day", "--end", "2024-01-05", "--out", tmp_path / "out"]
    assert run_job("stack_ccfs", *options) == 0
    assert {row["date"] for row in rows(tmp_path / "out", "stack")} == {*DAYS[:2], dt.date(2024, 1, 3)}
    assert len(outcomes(tmp_path / "out", "source-group")) == 4


def test_stacks_cut_for_another_memory_are_made_anew(daily, run_job, tmp_path):
    out = tmp_path / "out"
    assert run_job("stack_ccfs", "--ccfs", daily, "--memory", "2GB", "--out", out) == 0
    (file,) = out.glob("stack/**/*.parquet")
    expected = data_columns(out, "stack")
    (out / "manifest.json").unlink()
    shutil.copy(file, file.with_name(file.name.replace("-0000", "-0001")))  # a second batch of another cut
    assert run_job("stack_ccfs", "--ccfs", daily, "--memory", "500MB", "--out", out) == 0
    assert data_columns(out, "stack").equals(expected)


@pytest.mark.parametrize("over", ["week", "month"])
def test_direct_stacks_are_dated_as_those_of_stack_ccfs(over, daily, sample_archive, run_job, tmp_path):
    common = ["--stack-over", over, "--start", DAYS[1]]
    direct = ["--root", sample_archive, "--channels", EARLY, "--days", 2, "--tile", 8]
    assert run_job("cross_correlate", *common, *direct, "--out", tmp_path / "direct") == 0
    assert run_job("stack_ccfs", *common, "--ccfs", daily, "--out", tmp_path / "stacks") == 0
    dated = [
        {(row["source_sta"], row["receiver_sta"], row["date"], row["starttime"], row["endtime"], row["n_days"]) for row in
         rows(tmp_path / name, "stack")}
        for name in ("direct", "stacks")
    ]  # fmt: skip
    assert dated[0] == dated[1]
    assert seisbatch.open_ccfs(tmp_path / "direct", stacks=True).sizes["time"] == 1


def test_substacks_and_stacks_do_not_go_together(run_job, tmp_path, capsys):
    assert run_job("cross_correlate", "--substack", 50, "--stack-over", "all", "--out", tmp_path / "out") == 2
    assert "give one of them" in capsys.readouterr().err
