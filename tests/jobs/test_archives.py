"""The same recordings under every layout's keys, listed instead of indexed, give the same CCFs."""

from __future__ import annotations

import os

import pytest
import seisbatch
from seisbatch.archives import ARCHIVES
from seisbatch.names import parse_channel
from seisbatch.sample.network import DAYS

from tests.jobs.results import data_columns, outcomes

NAMES = ["XX.ALFA..BHZ", "XX.BRAV..BHZ", "XX.JULI.10.BHZ", "XX.DELT.10.BHZ"]
OPTIONS = ["--start", DAYS[0], "--days", 2]


def relay(sample_archive, folder, layout) -> None:
    """Links to the sample's day files under the keys of another layout."""
    for text in NAMES:
        name = parse_channel(text)
        for day in DAYS[:2]:
            source = sample_archive / ARCHIVES["scedc"].day_file_key(name, day)
            path = folder / layout.day_file_key(name, day)
            if not source.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, path)
            (path.parent / "checksums.txt").write_text("not a channel-day")


@pytest.fixture(scope="module")
def indexed(sample_archive, run_job, tmp_path_factory):
    out = tmp_path_factory.mktemp("indexed") / "out"
    options = [*OPTIONS, "--root", sample_archive, "--channels", ",".join(NAMES), "--out", out]
    assert run_job("cross_correlate", *options) == 0
    return out


@pytest.mark.parametrize(("name", "channels"), [("sds", "*.*.*.*"), ("ncedc", "XX.*.*.BHZ")])
def test_a_listed_archive(name, channels, indexed, sample_archive, run_job, tmp_path, capsys):
    relay(sample_archive, tmp_path / "archive", ARCHIVES[name])
    options = [*OPTIONS, "--archive", name, "--root", tmp_path / "archive", "--channels", channels]
    options += ["--stations", sample_archive / "FDSNstationXML", "--out", tmp_path / "out"]
    assert run_job("cross_correlate", *options) == 0
    same = [column for column in data_columns(indexed).column_names if column != "parameters_id"]
    assert data_columns(tmp_path / "out").select(same).equals(data_columns(indexed).select(same))
    found = {unit: row["outcome"] for unit, row in outcomes(tmp_path / "out").items()}
    others = {unit for unit in found if unit.startswith("listing/")}
    assert len(others) == (2 if name == "ncedc" else 0)  # a year's prefix does not say of which day a stray file is
    assert {found[unit] for unit in others} <= {"rejected"}
    assert {unit: outcome for unit, outcome in found.items() if unit not in others} == {
        unit: row["outcome"] for unit, row in outcomes(indexed).items()
    }
    assert seisbatch.open_ccfs(tmp_path / "out").attrs["archive"] == name


def test_what_cannot_be_is_said_before_anything_runs(run_job, tmp_path, capsys):
    assert run_job("cross_correlate", *OPTIONS, "--archive", "sds", "--out", tmp_path / "out") == 2
    assert "--archive sds has no public bucket: give --root" in capsys.readouterr().err
    assert run_job("cross_correlate", *OPTIONS, "--archive", "earthscope", "--out", tmp_path / "out") == 2
    assert "its objects hold whole stations" in capsys.readouterr().err
