"""Where a job can be sent, what is refused before anything is, and a run from its options to its exit code."""

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from seisbatch.config import OptionError
from seisbatch.launch.__main__ import Command, command_of, dry_run, sent_and_followed
from seisbatch.launch.follow import Screen
from seisbatch.launch.runs import records
from seisbatch.launch.secrecy import redacted
from seisbatch.launch.sending import Where, checked_options, places, service_for
from seisbatch.outcome import RunError

from tests.launch.conftest import ACCOUNT, ARGUMENTS, PLACES, REGION, put_log
from tests.launch.test_requests import problems

HERE = Path(__file__).resolve().parents[2]
OUT = ["--out", "s3://results/run1"]
NAME = PLACES["name"]


@dataclass(frozen=True)
class LaunchSettings:
    region: str | None = REGION
    profile: str | None = None
    architecture: str = "aarch64"
    serverless_role: str | None = f"arn:aws:iam::{ACCOUNT}:role/seisbatch"
    staging: str = "s3://staging/seisbatch"

    def required_staging(self):
        return self.staging


FILLED = places(LaunchSettings(), NAME, "cross_correlate")


@pytest.mark.parametrize("text", ["emr", "emr:j-2AXXXXXXGAPLF", "emr-serverless", "emr-serverless:00f1abcdef"])
def test_a_place_is_read_and_told_alike(text):
    assert str(Where.of(text)) == text


@pytest.mark.parametrize("text", ["emr:", "emr:2AXXXX", "emr-serverless:", "emr-eks", "emr:j-2A;rm", "emr-serverless:../x"])
def test_a_place_that_is_none_is_told(text):
    with pytest.raises(OptionError, match=f"--on {text}: write emr, emr:j-CLUSTER, emr-serverless or"):
        Where.of(text)


@pytest.mark.parametrize(
    ("architecture", "machine", "word"), [("x86_64", "m7i.xlarge", "X86_64"), ("aarch64", "m7g.xlarge", "ARM64")]
)
def test_machines_are_of_the_environment_s_architecture(architecture, machine, word):
    filled = places(LaunchSettings(architecture=architecture), NAME, "j")
    [cluster] = service_for(Where.of("emr"), None, filled).requests(NAME, ARGUMENTS)
    assert cluster.parameters["Instances"]["InstanceFleets"][0]["InstanceTypeConfigs"][0]["InstanceType"] == machine
    application, _ = service_for(Where.of("emr-serverless"), None, filled).requests(NAME, ARGUMENTS)
    assert application.parameters["architecture"] == word


# --- a dry run


@pytest.mark.parametrize(
    ("where", "operations"),
    [
        ("emr", ["RunJobFlow"]), ("emr:j-1", ["AddJobFlowSteps"]),
        ("emr-serverless", ["CreateApplication", "StartJobRun"]), ("emr-serverless:00f1", ["StartJobRun"]),
    ],
)  # fmt: skip
def test_a_dry_run_tells_requests_as_they_are_sent_and_asks_nothing(where, operations):
    requests = service_for(Where.of(where), None, FILLED).requests(NAME, ARGUMENTS)  # without a client
    told = json.loads(dry_run(requests, {"seisbatch.zip": "s3://staging/packages/1/seisbatch.zip"}))
    assert [one["operation"] for one in told["requests"]] == operations
    for one in told["requests"]:
        assert problems(one["parameters"], one["service"], one["operation"]) == ""
    assert told["uploads"] == {"seisbatch.zip": "s3://staging/packages/1/seisbatch.zip"}


# --- options


def test_options_are_checked_before_anything_is_sent(tmp_path):
    with pytest.raises(OptionError, match="unknown option --chanels; is --channels meant?"):
        checked_options("cross_correlate", [*OUT, "--chanels", "x"], [])
    file = tmp_path / "mine.toml"
    file.write_text("days = 3")
    values = checked_options("cross_correlate", [*OUT, "--config", str(file)], [])
    assert (values["out"], values["days"]) == ("s3://results/run1", 3)


URI = "mongodb://me:canary@host:27017/db"


@pytest.mark.parametrize(
    ("job", "words", "extra"),
    [
        ("load_mongo", ["--mongo-uri", URI], []),
        ("load_mongo", ["--mongo-uri", "mongodb://host"], []),
        ("load_mongo", ["--mongo-uri", "file:/home/me/uri"], []),
        ("my_job", ["--database", URI], []),
        ("my_job", [], ["--conf", "spark.hadoop.fs.s3a.secret.key=canary"]),
        ("my_job", [], ["--conf", f"spark.yarn.appMasterEnv.SEISBATCH_MONGO_URI={URI}"]),
        ("my_job", [], ["--conf=spark.executorEnv.AWS_SESSION_TOKEN=canary"]),
    ],
)
def test_secrets_are_refused(job, words, extra):
    with pytest.raises(OptionError, match="Amazon shows a run's arguments to everyone") as caught:
        checked_options(job, words, extra)
    assert "canary" not in str(caught.value)


def test_what_is_no_secret_is_sent():
    checked_options("load_mongo", ["--mongo-uri", "env"], [])
    provider = "spark.hadoop.fs.s3a.aws.credentials.provider=software.amazon.awssdk.X"
    checked_options("my_job", ["--index", "mongodb://host/db"], ["--conf", provider, "--conf", "spark.executor.cores=4"])
    assert redacted(["--conf", provider]) == ["--conf", provider]


@pytest.mark.parametrize("extra", [["spark.executor.cores=4"], ["--conf"], ["--conf", "--plan"], ["--conf", "a=b", "--jars"]])
def test_what_spark_submit_would_take_for_the_job_file_is_refused(extra):
    with pytest.raises(OptionError, match="what is this for|KEY=VALUE|a value is missing"):
        checked_options("my_job", [], extra)


# --- commands


def test_a_command_is_taken_to_its_parts():
    words = ["--on", "emr", "--dry-run", "cross_correlate", *OUT, "--", "--conf", "a=b"]
    assert command_of(words) == Command(Where("emr", None), True, "cross_correlate", OUT, ["--conf", "a=b"])
    assert command_of(["--on=emr-serverless", "my.py", "--on", "x"]).options == ["--on", "x"]
    for wrong in ([], ["--on", "emr"], ["cross_correlate"], ["--on", "emr", "--fast", "j"]):
        with pytest.raises(OptionError):
            command_of(wrong)


def finished(client):
    """Steps of this client's clusters are complete as soon as they are looked for."""
    from tests.launch.conftest import emr_backends

    def complete(**_):
        for cluster in emr_backends[ACCOUNT][REGION].clusters.values():
            for step in cluster.steps:
                step.state = "COMPLETED"
                logs = f"s3://staging/seisbatch/logs/{cluster.id}"
                put_log(f"{logs}/steps/{step.id}/stderr.gz", "INFO Client: Submitted application application_1_0001\n")
                put_log(f"{logs}/containers/application_1_0001/container_1_0001_01_000001/stdout.gz", "all is well\n")

    client.meta.events.register("before-call.emr.DescribeStep", complete)
    return client


def test_a_run_is_sent_followed_and_recorded(aws, tmp_path, monkeypatch):
    monkeypatch.setenv("SEISBATCH_BUILD", str(tmp_path))
    command = Command(Where("emr", None), False, "cross_correlate", OUT, ["--conf", "a.token=canary"])
    service = service_for(command.where, finished(boto3.client("emr")), FILLED, boto3.client("s3"))
    screen = Screen(io.StringIO(), io.StringIO(), False, io.StringIO())
    code = sent_and_followed(service, command, NAME, ARGUMENTS, {"out": OUT[1]}, LaunchSettings(), screen)
    assert (code, screen.out.getvalue()) == (0, "all is well\n")
    [kept] = records(tmp_path / "runs")
    assert (kept.name, kept.where, kept.region, kept.out) == (NAME, "emr", REGION, OUT[1])
    assert kept.options == (*OUT, "--", "--conf", "a.token=...")
    for told in (screen.err.getvalue(), (tmp_path / "runs" / f"{NAME}.json").read_text()):
        assert "canary" not in told
        assert "AKIA" not in told


# --- as programs


def launcher(*words, **environment):
    command = [sys.executable, "-m", "seisbatch.launch", *words]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60)


def test_status_and_logs_find_a_run_again(s3_server, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    boto3.client("s3").create_bucket(Bucket="staging")
    service = service_for(Where("emr", None), boto3.client("emr"), FILLED, boto3.client("s3"))
    run = service.submit(NAME, ARGUMENTS)
    from seisbatch.launch.runs import Record, save

    started = "2026-01-01T12:00:00+00:00"
    save(tmp_path / "runs", Record(NAME, "emr", "emr", "us-east-1", "cross_correlate", tuple(OUT), started, run))
    build = {"SEISBATCH_BUILD": str(tmp_path)}
    told = launcher("status", **build)
    assert (told.returncode, told.stderr) == (0, "")
    assert f"{run.id}: RUNNING after " in told.stdout
    assert f"./submit.sh --on emr cross_correlate {' '.join(OUT)}" in told.stdout
    assert f"#/clusterDetails/{run.group}" in told.stdout
    missing = launcher("logs", "cross", **build)
    assert missing.returncode == 1
    assert "the driver's log is not there yet" in missing.stderr
    put_log({log.name: log.uri for log in service.logs(run)}["step stderr"], "one\ntwo\n")
    shown = launcher("logs", run.id, **build)
    assert (shown.returncode, shown.stdout) == (0, "one\ntwo\n")
    service.cancel(run)
    other = launcher("status", "stack", **build)
    assert other.returncode == 1
    assert f"submit.sh: there is no run stack; the last ones are {NAME}" in other.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["status", "--help"], 0, "usage: ./submit.sh --on WHERE"),
        (["run"], 2, "name where a job is to run"),
        (["run", "--on", "emr-eks", "cross_correlate"], 2, "--on emr-eks: write emr"),
        (["run", "--on", "emr", "cross_correlate", "--chanels", "x"], 2, "is --channels meant?"),
        (["run", "--on", "emr", "no_such_job"], 2, "there is no job no_such_job"),
        (["run", "--on", "emr", "load_mongo", "--mongo-uri", URI], 2, "write --mongo-uri env"),
        (["status"], 1, "no run has been sent to a cluster from here"),
        (["logs", "a", "b"], 2, "name one run"),
    ],
)
def test_what_is_wrong_is_told_in_one_message(words, code, told, tmp_path):
    done = launcher(*words, SEISBATCH_BUILD=str(tmp_path))
    assert done.returncode == code
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stdout + done.stderr


def test_a_role_is_asked_for_where_there_is_none(aws):
    filled = places(LaunchSettings(serverless_role=None), NAME, "j")
    service = service_for(Where.of("emr-serverless:00f1"), boto3.client("emr-serverless"), filled)
    with pytest.raises(RunError, match="needs a role to run as"):
        service.submit(NAME, ARGUMENTS)
