"""Jobs over a bucket that fails one request in ten: the results of one that does not."""

from __future__ import annotations

import pytest
from seisbatch.archives import scedc
from seisbatch.names import parse_channel
from seisbatch.sample.network import DAYS

from tests.faulty_s3 import Bucket, serving
from tests.jobs.results import data_columns, outcomes

FAULTS = ("500", "503", "cut", "reset")


def key_of(channel):
    return scedc.day_file_key(parse_channel(channel), DAYS[0])


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_windows(share, sample_archive, run_job, tmp_path):
    bucket = Bucket(sample_archive, share, FAULTS)
    bucket.denied = {key_of("XX.BRAV..BHZ")}
    with serving(bucket) as endpoint:
        options = ["--archive", "scedc", "--root", "s3://any", "--source-endpoint", endpoint, "--source-region", "us-east-1"]
        options += ["--time", "2023-12-31T15:20:04.25", "--out", tmp_path / "out"]
        assert run_job("cut_windows", *options) == 0
    assert run_job("cut_windows", "--root", sample_archive, "--out", tmp_path / "undisturbed") == 0
    found, expected = (outcomes(tmp_path / name, "window") for name in ("out", "undisturbed"))
    denied = next(unit for unit in found if unit.startswith("XX.BRAV..BHZ/"))
    assert found.pop(denied)["outcome"] == "denied"
    expected.pop(denied)
    assert {unit: row["outcome"] for unit, row in found.items()} == {unit: row["outcome"] for unit, row in expected.items()}
    ours, theirs = (data_columns(tmp_path / name, "wf_TimeSeries").to_pylist() for name in ("out", "undisturbed"))
    theirs = [row for row in theirs if (row["sta"], row["chan"]) != ("BRAV", "BHZ")]
    kept = ("id", "starttime", "endtime", "samples", "sampling_rate", "npts", "lat", "lon")
    assert [[row[name] for name in kept] for row in ours] == [[row[name] for name in kept] for row in theirs]
    assert sum(bucket.spoilt.values()) > 5


def test_correlations(sample_archive, run_job, tmp_path):
    options = ["--start", DAYS[0], "--days", 1, "--channels", "XX.[A-F]*..BHZ", "--archive", "scedc"]
    bucket = Bucket(sample_archive, 0.1, FAULTS, seed=3)
    with serving(bucket) as endpoint:
        there = ["--root", "s3://any", "--source-endpoint", endpoint, "--source-region", "us-east-1"]
        assert run_job("cross_correlate", *options, *there, "--out", tmp_path / "out") == 0
    assert run_job("cross_correlate", *options, "--root", sample_archive, "--out", tmp_path / "undisturbed") == 0
    assert data_columns(tmp_path / "out").equals(data_columns(tmp_path / "undisturbed"))


@pytest.mark.parametrize("job", ["cut_windows", "cross_correlate"])
def test_one_refusal_after_another_ends_the_run(job, sample_archive, run_job, tmp_path, capsys):
    bucket = Bucket(sample_archive, 0.0)
    bucket.denied = {key for key in map(str, sample_archive.rglob("*.ms"))}
    bucket.denied = {key.removeprefix(f"{sample_archive}/") for key in bucket.denied}
    with serving(bucket) as endpoint:
        options = ["--archive", "scedc", "--root", "s3://any", "--source-endpoint", endpoint, "--source-region", "us-east-1"]
        options += ["--time", "2023-12-31T15:20:04"] if job == "cut_windows" else ["--start", DAYS[0], "--days", 3]
        assert run_job(job, *options, "--max-denied", 5, "--out", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "to one worker, more than --max-denied 5" in told
    assert "--no-anonymous" in told
    assert not (tmp_path / "out/manifest.json").exists()
