"""Records of runs: found again by every word that one would try, and without a secret in them."""

import dataclasses
import datetime as dt
import re

import pytest
from seisbatch.launch.runs import Record, find, new_name, records, save, shown_command
from seisbatch.launch.service import Run
from seisbatch.outcome import RunError


def record(name="cross_correlate-20260101-120000-ab12", started="2026-01-01T12:00:00+00:00", step="s-1", **changed):
    options = ("--channels", "CI.*..BHZ", "--out", "s3://results/run1")
    of_one = Record(name, "emr", "emr", "us-west-2", "cross_correlate", options, started, Run("j-1", step, "s3://b/logs", True))
    return dataclasses.replace(of_one, **changed)


@pytest.fixture
def folder(tmp_path):
    """Three runs: two of a day on one cluster, and one of the day after."""
    for name, started, step in (
        ("stack_ccfs-20260102-080000-cd34", "2026-01-02T08:00:00+00:00", "s-3"),
        ("cross_correlate-20260101-120000-ab12", "2026-01-01T12:00:00+00:00", "s-1"),
        ("cross_correlate-20260101-130000-ef56", "2026-01-01T13:00:00+00:00", "s-2"),
    ):
        save(tmp_path / "runs", record(name, started, step))
    return tmp_path / "runs"


def test_a_record_is_read_as_it_was_kept(folder):
    assert records(folder)[0] == record()


@pytest.mark.parametrize(
    ("word", "step"),
    [
        (None, "s-3"), ("stack", "s-3"), ("cross_correlate-20260101-12", "s-1"), ("s-1", "s-1"), ("j-1", "s-3"),
        ("cross_correlate-20260101-130000-ef56", "s-2"),
    ],
)  # fmt: skip
def test_a_run_is_found(folder, word, step):
    assert find(folder, word).run.id == step


def test_what_is_not_found_is_told(folder, tmp_path):
    with pytest.raises(RunError, match="cross may be 2 runs: cross_correlate-20260101-120000-ab12, cross_correlate-2"):
        find(folder, "cross")
    with pytest.raises(RunError, match="there is no run s-9; the last ones are .*stack_ccfs"):
        find(folder, "s-9")
    with pytest.raises(RunError, match="no run has been sent to a cluster from here"):
        find(tmp_path / "none", None)
    whole = next(folder.glob("*.json")).read_text()
    for broken in ("{}", "[1]", whole[:40], re.sub(r'"started": "[^"]*"', '"started": null', whole)):
        (folder / "x.json").write_text(broken)
        with pytest.raises(RunError, match=r"x.json is no record of a run"):
            find(folder, None)


def test_no_secret_is_kept_or_shown(folder):
    secret = (
        "--mongo-uri",
        "mongodb://me:canary@host/db",
        "--x-token=canary",
        "--",
        "--conf",
        "spark.hadoop.x.secret.key=canary",
    )
    kept = record("z-1", options=secret)
    save(folder, kept)
    text = (folder / "z-1.json").read_text()
    assert "canary" not in text
    assert "spark.hadoop.x.secret.key=..." in text
    assert "canary" not in shown_command(find(folder, "z-1"))


def test_a_command_is_shown_as_it_can_be_typed():
    assert shown_command(record()) == ("./submit.sh --on emr cross_correlate --channels 'CI.*..BHZ' --out s3://results/run1")


def test_names_are_what_every_service_takes():
    now = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    names = {new_name("x" * 100 + " ü/..", now) for _ in range(20)}
    assert len(names) > 15  # two that are sent in one second differ
    for name in names:
        assert len(name) <= 64
        assert name.isascii()
        assert name.replace("-", "").isalnum()
