"""What goes wrong becomes an outcome or one clear message; nothing is lost, and what may heal is tried again."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from seisbatch.acquire.miniseed import decode
from seisbatch.archives import scedc
from seisbatch.names import Channel, parse_channel
from seisbatch.sample import faults
from seisbatch.sample.network import DAYS

from tests.jobs.results import data_columns, indexed, outcomes, rows

SOME = "XX.ALFA..BHZ,XX.BRAV..BHZ,XX.CHAR..BHZ,XX.DELT..BHZ,XX.FOXT..BHZ,XX.LIMA..BHZ"


@pytest.fixture
def archive(sample_archive, tmp_path) -> Path:
    """A copy of the sample archive (of links) that a test may change."""
    copy = tmp_path / "archive"
    shutil.copytree(sample_archive, copy, copy_function=os.link)
    return copy


def path_of(archive: Path, channel: str, day: int) -> Path:
    return archive / scedc.day_file_key(parse_channel(channel), DAYS[day])


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_the_same_faults_on_other_channels_and_times(archive, run_job, tmp_path):
    """The sample's faults, planted anew with other numbers in channels that had none."""
    rng = np.random.default_rng(1)
    free = ["XX.HOTL..BHZ", "XX.INDI..BHZ", "XX.JULI..BHZ", "XX.KILO..BHZ", "XX.GOLF..BHZ", "XX.LIMA..BHZ", "XX.ALFA..BHZ"]
    free = [free[number] for number in rng.permutation(len(free))]
    at = float(rng.uniform(20_000, 50_000))
    planted = [
        (lambda r: faults.with_gap(r, at, float(rng.uniform(900, 3000))), "ok", r"gaps: 1; windows left out for coverage: \d+"),
        (lambda r: faults.with_small_gaps(r, int(rng.integers(100, 400)), 5), "ok", r"samples bridged: \d+"),
        (lambda r: faults.with_overlap(r, at, 60.0, equal=True), "ok", "overlapping samples merged: 1200"),
        (lambda r: faults.with_overlap(r, at, 60.0, equal=False), "ok", "conflicting samples left out: 2400"),
        (lambda r: faults.flat(r, int(rng.integers(-99, 99))), "rejected", "^flat: every sample is"),
        (lambda r: faults.with_only(r, at, 1000.0), "rejected", "^no window is left of 189: 189 for coverage"),
        (lambda r: faults.with_only(r, at, 15.0), "rejected", "^no run of samples is as long as 2 periods"),
    ]
    for channel, (plant, _, _) in zip(free, planted, strict=True):
        path = path_of(archive, channel, 2)
        recording = decode(path.read_bytes())[parse_channel(channel)]
        replace(path, faults.pack(parse_channel(channel), plant(recording)))
    out = tmp_path / "out"
    options = ["--root", archive, "--start", DAYS[2], "--days", 1, "--channels", "XX.*..BHZ", "--out", out]
    assert run_job("cross_correlate", *options) == 0
    found = outcomes(out)
    assert sorted(found) == [unit for unit in sorted(indexed(archive)) if unit.endswith(f"..BHZ/{DAYS[2]}")]
    for channel, (_, outcome, reason) in zip(free, planted, strict=True):
        row = found[f"{channel}/{DAYS[2]}"]
        assert row["outcome"] == outcome, row
        assert re.search(reason, row["reason"]), row


def test_objects_that_are_no_channel_day(archive, run_job, tmp_path):
    """Missing, cut, empty, of another format, of another channel: one outcome each."""
    whole = path_of(archive, "XX.ALFA..BHZ", 2).read_bytes()
    path_of(archive, "XX.ALFA..BHZ", 2).unlink()
    replace(path_of(archive, "XX.BRAV..BHZ", 2), whole[:-100])
    replace(path_of(archive, "XX.CHAR..BHZ", 2), b"")
    replace(path_of(archive, "XX.DELT..BHZ", 2), b"PK\x03\x04" + bytes(5000))
    replace(path_of(archive, "XX.FOXT..BHZ", 2), whole)
    out = tmp_path / "out"
    options = ["--root", archive, "--start", DAYS[2], "--days", 1, "--channels", "XX.*..BHZ", "--out", out]
    assert run_job("cross_correlate", *options) == 0
    found = {unit.split(".")[1]: (row["outcome"], row["reason"]) for unit, row in outcomes(out).items()}
    assert found["ALFA"][0] == "missing"
    assert found["BRAV"][0] == "corrupt"
    assert "truncated" in found["BRAV"][1]
    assert found["CHAR"] == ("corrupt", "0 bytes")
    assert found["DELT"][0] == "corrupt"
    assert found["FOXT"] == ("corrupt", "the object holds XX.ALFA..BHZ, not XX.FOXT..BHZ")
    # 7 of 12 are left: 21 pairs.
    assert len(rows(out, "ccf")) == 21


def test_what_may_heal_is_tried_again_and_only_that(archive, run_job, tmp_path, capsys):
    """A channel-day whose object cannot be read fails; once it can be, the same command makes the run whole."""
    path = path_of(archive, "XX.FOXT..BHZ", 2)
    data = path.read_bytes()
    path.unlink()
    path.symlink_to(path.name)
    options = ["--root", archive, "--start", DAYS[2], "--days", 1, "--channels", SOME, "--tile", 8]
    assert run_job("cross_correlate", *options, "--out", tmp_path / "out") == 0
    assert outcomes(tmp_path / "out")[f"XX.FOXT..BHZ/{DAYS[2]}"]["outcome"] == "failed"
    assert "the same command again retries them" in capsys.readouterr().out
    path.unlink()
    path.write_bytes(data)
    assert run_job("cross_correlate", *options, "--out", tmp_path / "out") == 0
    assert {row["outcome"] for row in outcomes(tmp_path / "out").values()} == {"ok"}
    assert run_job("cross_correlate", *options, "--out", tmp_path / "at-once") == 0
    assert data_columns(tmp_path / "out").equals(data_columns(tmp_path / "at-once"))


def test_damaged_files_of_an_earlier_try_are_written_anew(archive, run_job, tmp_path):
    broken = path_of(archive, "XX.KILO..BHZ", 2)
    data = broken.read_bytes()
    broken.unlink()
    broken.symlink_to(broken.name)
    out = tmp_path / "out"
    options = ["--root", archive, "--start", DAYS[2], "--days", 1, "--channels", "XX.*..BHZ", "--tile", 8]
    assert run_job("cross_correlate", *options, "--out", out) == 0
    (of_first_block, _) = sorted(out.glob("_scratch/**/*.spec"))
    of_first_block.write_bytes(of_first_block.read_bytes()[:-1000])
    (of_first_tile, *_) = sorted(out.glob("ccf/**/*.parquet"))
    of_first_tile.write_bytes(b"PAR1 and no more")
    broken.unlink()
    broken.write_bytes(data)
    assert run_job("cross_correlate", *options, "--out", out) == 0
    assert run_job("cross_correlate", *options, "--out", tmp_path / "at-once") == 0
    assert data_columns(out).equals(data_columns(tmp_path / "at-once"))
    assert len(outcomes(out, "tile")) == 3


def test_every_pair_of_a_station_with_many_channels(archive, run_job, tmp_path):
    """Twenty channels of one station lie in three sides of a tile of eight."""
    (segment,) = decode(path_of(archive, "XX.ALFA..BHZ", 2).read_bytes())[parse_channel("XX.ALFA..BHZ")]
    names = [Channel("XX", "ALFA", f"{number:02d}", "BHZ") for number in range(20)]
    for name in names:
        path_of(archive, str(name), 2).write_bytes(faults.pack(name, [segment]))
    index = archive / scedc.day_index_key(DAYS[2])
    table = pq.read_table(index, partitioning=None)
    row = next(row for row in table.to_pylist() if row["sta"] == "ALFA" and row["seedchan"] == "BHZ")
    extra = [row | {"location": n.loc, "ms_filename": path_of(archive, str(n), 2).name} for n in names]
    index.unlink()
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(extra, schema=table.schema)]), index)
    options = ["--root", archive, "--start", DAYS[2], "--days", 1, "--channels", "XX.ALFA.??.BHZ", "--pairs", "station"]
    assert run_job("cross_correlate", *options, "--tile", 8, "--out", tmp_path / "out") == 0
    assert len(rows(tmp_path / "out", "ccf")) == 20 * 19 // 2


def test_a_day_without_index_is_a_unit_and_the_others_go_on(archive, run_job, tmp_path):
    for form in ("parquet", "csv"):
        (archive / scedc.day_index_key(DAYS[1], form)).unlink()
    assert run_job("cross_correlate", "--root", archive, "--channels", SOME, "--out", tmp_path / "out") == 0
    found = outcomes(tmp_path / "out")
    assert found[f"index/{DAYS[1]}"]["outcome"] == "missing"
    assert len(found) == 2 * len(SOME.split(",")) + 1


def test_an_index_in_csv_alone_serves_with_and_without_its_header(archive, run_job, tmp_path):
    for number, day in enumerate(DAYS):
        (archive / scedc.day_index_key(day, "parquet")).unlink()
        csv = archive / scedc.day_index_key(day, "csv")
        lines = csv.read_text().splitlines(keepends=True)
        replace(csv, "".join(lines[number % 2 :]).encode())
    assert run_job("cross_correlate", "--root", archive, "--channels", SOME, "--out", tmp_path / "out") == 0
    assert {row["outcome"] for row in outcomes(tmp_path / "out").values()} == {"ok"}
    assert len(outcomes(tmp_path / "out")) == 3 * len(SOME.split(","))


def test_hostile_and_doubled_index_rows_are_outcomes(archive, run_job, tmp_path):
    key = archive / scedc.day_index_key(DAYS[0])
    table = pq.read_table(key, partitioning=None)
    first = table.slice(0, 1).to_pylist()[0]
    extra = [
        first | {"ms_filename": "../../../etc/passwd"},
        first | {"ms_filename": "../../../etc/passwd"},
        first | {"sta": "../A"},
        first,
        first,
    ]
    key.unlink()
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(extra, schema=table.schema)]), key)
    assert run_job("cross_correlate", "--root", archive, "--days", 1, "--out", tmp_path / "out") == 0
    found = outcomes(tmp_path / "out")
    assert len(found) == table.num_rows + 5
    assert sum(row["outcome"] == "rejected" for unit, row in found.items() if "passwd" in unit) == 2
    assert sum("twice" in row["reason"] for row in found.values()) == 2


def test_nothing_selected_ends_with_one_message(sample_archive, run_job, tmp_path, capsys):
    assert run_job("cross_correlate", "--root", sample_archive, "--channels", "NO.*.*.*", "--out", tmp_path / "out") == 2
    assert "no channel-day matches --channels NO.*.*.*" in capsys.readouterr().err


def test_an_output_that_nothing_was_written_to_is_free_for_corrected_options(sample_archive, run_job, tmp_path, capsys):
    options = ["--days", 1, "--channels", "XX.ALFA..BHZ,XX.CHAR..BHZ", "--out", tmp_path / "out"]
    assert run_job("cross_correlate", "--root", f"{sample_archive}-mistyped", *options) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert run_job("cross_correlate", "--root", sample_archive, *options, "--channels", "XX.NO.*.*") == 2
    assert run_job("cross_correlate", "--root", sample_archive, *options) == 0
    assert len(rows(tmp_path / "out", "ccf")) == 1


def test_an_empty_result_is_no_success(sample_archive, run_job, tmp_path, capsys):
    """One channel alone has no pair between stations."""
    options = ["--root", sample_archive, "--channels", "XX.ALFA..BHZ", "--min-coverage", "1.0", "--days", 1]
    assert run_job("cross_correlate", *options, "--out", tmp_path / "out") != 0
    assert "nothing was written" in capsys.readouterr().err


def test_too_many_bad_units_give_another_exit_code(sample_archive, run_job, tmp_path, capsys):
    options = ["--root", sample_archive, "--channels", "XX.KILO..BH?,XX.ALFA..BHZ", "--days", 1, "--out", tmp_path / "out"]
    assert run_job("cross_correlate", *options, "--max-bad-fraction", "0.4") == 3
    assert "2 of 4 channel-days are bad, more than --max-bad-fraction 0.4 allows" in capsys.readouterr().out
    assert run_job("cross_correlate", *options, "--max-bad-fraction", "0.4") == 3


def test_plan_tells_and_writes_nothing(sample_archive, run_job, tmp_path, capsys):
    assert run_job("cross_correlate", "--root", sample_archive, "--plan", "--out", tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "channel-days" in told
    assert "70 (3 days, up to 24 channels)" in told
    assert not any((tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("memory", ["100MB", "450MB"])
def test_what_would_not_fit_is_refused_before_any_work(sample_archive, run_job, tmp_path, capsys, memory):
    options = ["--root", sample_archive, "--out", tmp_path / "out", "--memory", memory]
    assert run_job("cross_correlate", *options) == 2
    assert "--memory" in capsys.readouterr().err
    assert not (tmp_path / "out" / "_scratch").exists()


@pytest.mark.parametrize(
    ("options", "n_rows"),
    [
        (["--pairs", "auto"], 8),
        (["--pairs", "station"], 3 + 3 + 1),
        (["--pairs", "all"], 8 * 9 // 2),
        (["--pairs", "XX.CHAR..BHZ:XX.ALFA..BHN"], 1),
        (["--components", "ZZ"], 1 + 2 + 2),
        (["--max-distance", "1"], 0),
        (["--substack", "50"], 4 * (3 * 3 + 3 * 2 + 3 * 2)),
        (["--method", "deconvolution"], 3 * 3 + 3 * 2 + 3 * 2),
        (["--method", "coherency", "--whitening", "none"], 3 * 3 + 3 * 2 + 3 * 2),
        (["--circular"], 3 * 3 + 3 * 2 + 3 * 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_selections_and_methods(sample_archive, run_job, tmp_path, options, n_rows):
    """ALFA and CHAR have three components each, BRAV a vertical and a 100 Hz one."""
    channels = "XX.ALFA..BH?,XX.CHAR..BH?,XX.BRAV..BHZ,XX.BRAV..HHZ"
    common = ["--root", sample_archive, "--start", DAYS[1], "--days", 1, "--channels", channels, "--out", tmp_path / "out"]
    code = run_job("cross_correlate", *common, *options)
    assert len(rows(tmp_path / "out", "ccf")) == n_rows
    assert code == (0 if n_rows else 3)
