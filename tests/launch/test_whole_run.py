"""A command line to a cluster, as a user gives it: all is built, uploaded once, submitted, followed, and found again."""

import datetime as dt
import io
import json
import zipfile

import boto3
import pytest
from seisbatch.launch import __main__ as launcher
from seisbatch.launch import environment
from seisbatch.launch.follow import Follower

from tests.launch.conftest import REGION, STAGING, put_log, step_of

JOB = [
    "cross_correlate",
    "--archive",
    "scedc",
    "--start",
    "2022-01-02",
    "--channels",
    "CI.*..BHZ",
    "--out",
    f"s3://{STAGING}/run1",
]


@pytest.fixture
def launch_settings(monkeypatch, tmp_path):
    """The settings of a user who has staging, and an environment that is packed already."""
    monkeypatch.setenv("SEISBATCH_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("SEISBATCH_STAGING", f"s3://{STAGING}/seisbatch")
    monkeypatch.setenv("SEISBATCH_REGION", REGION)
    monkeypatch.setattr(environment, "fetch_wheels", lambda folder, *_: one_wheel(folder))


def one_wheel(folder):
    with zipfile.ZipFile(folder / "obspy-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("obspy/__init__.py", "")


def staged():
    found = boto3.client("s3").list_objects_v2(Bucket=STAGING, Prefix="seisbatch/packages/")["Contents"]
    return {item["Key"]: item["LastModified"] for item in found}


def body(key):
    return boto3.client("s3").get_object(Bucket=STAGING, Key=key)["Body"].read()


def test_a_dry_run_prints_the_requests_and_sends_nothing(aws, launch_settings, capsys):
    assert launcher.main(["run", "--on", "emr", "--dry-run", *JOB]) == 0
    told = json.loads(capsys.readouterr().out)
    [request] = told["requests"]
    assert (request["service"], request["operation"]) == ("emr", "RunJobFlow")
    arguments = request["parameters"]["Steps"][0]["HadoopJarStep"]["Args"]
    assert arguments[0] == "spark-submit"
    [job] = [number for number, word in enumerate(arguments) if word.endswith("cross_correlate.py")]
    assert arguments[job].startswith(f"s3://{STAGING}/seisbatch/packages/")
    assert [part for word in arguments[job + 1 :] for part in word.split("=", 1)] == JOB[1:]
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=STAGING)
    assert not boto3.client("emr").list_clusters()["Clusters"]


def test_without_a_region_nothing_is_packed(aws, launch_settings, monkeypatch, capsys):
    for name in ("SEISBATCH_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(environment, "fetch_wheels", lambda *_: pytest.fail("packed"))
    assert launcher.main(["run", "--on", "emr", "--dry-run", *JOB]) == 1
    assert "or AWS_REGION, such as us-west-2" in capsys.readouterr().err


def test_a_run_is_built_uploaded_once_followed_and_found_again(aws, launch_settings, monkeypatch, capsys):
    runs = []
    submitted = Follower.follow

    def ends_with_three(self):
        record = self._record
        runs.append(record)
        step = step_of(record.run)
        step.state, step.end_datetime = "FAILED", dt.datetime.now(dt.UTC)
        put_log(f"s3://{STAGING}/seisbatch/logs/{record.run.group}/steps/{record.run.id}/stderr.gz",
                "INFO Client: tracking URL\nUser application exited with status 3\n")  # fmt: skip
        return submitted(self)

    monkeypatch.setattr(Follower, "follow", ends_with_three)
    monkeypatch.setattr("seisbatch.launch.follow.LOG_SECONDS", 0.0)
    assert launcher.main(["run", "--on", "emr", *JOB]) == 3
    first = staged()
    assert {key.rpartition("/")[2].split("-")[0].split(".")[0] for key in first} >= {"cross_correlate", "environment"}
    package = next(key for key in first if "/seisbatch-" in key and key.endswith(".zip"))
    assert "seisbatch/steps/correlate.py" in zipfile.ZipFile(io.BytesIO(body(package))).namelist()
    assert launcher.main(["run", "--on", "emr", *JOB]) == 3
    assert staged() == first  # nothing was sent again
    capsys.readouterr()
    assert launcher.main(["status"]) == 0
    told = capsys.readouterr().out
    assert runs[1].name in told
    assert "FAILED" in told
    assert "canary-secret" not in told
