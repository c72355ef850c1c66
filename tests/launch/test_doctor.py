"""The doctor against a made AWS and broken environments: what it finds, what it says to do, its exit code, no secret."""

from __future__ import annotations

import email.utils
import re
import stat
import urllib.request

import boto3
import pytest
from botocore.exceptions import UnauthorizedSSOTokenError
from seisbatch.archives import ARCHIVES
from seisbatch.launch import checks_here as here
from seisbatch.launch import checks_there as there
from seisbatch.launch.doctor import asked, main
from seisbatch.launch.finding import Level

NOW = 1_700_000_000.0


@pytest.fixture
def aws(s3_server, monkeypatch, tmp_path):
    """S3 and STS of a server of its own, with the archives' public buckets and one for results."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("SEISBATCH_BUILD", str(tmp_path / "build"))
    monkeypatch.delenv("SEISBATCH_MONGO_URI", raising=False)
    s3 = boto3.client("s3")
    for layout in ARCHIVES.values():
        if layout.ROOT:
            where = {} if layout.REGION == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": layout.REGION}}
            s3.create_bucket(Bucket=layout.ROOT.removeprefix("s3://"), **where)
    s3.create_bucket(Bucket="results")
    return s3


def found(capsys, *words):
    """The exit code, and by what each line is about its level and text."""
    code = main(words)
    lines = capsys.readouterr().out.splitlines()
    assert not any("canary" in line for line in lines)
    return code, {match[2]: (match[1], match[3]) for line in lines if (match := re.match(r"  (\w+) +(\S.*?)  +(.*)", line))}


def test_all_is_well_where_it_is(aws, capsys):
    code, lines = found(capsys, "--out", "s3://results/run1")
    assert code == 0
    assert {level for level, _ in lines.values()} <= {"ok", "warning"}
    assert lines["credentials"] == ("ok", "arn:aws:sts::123456789012:user/moto, from env")
    assert lines["output"] == ("ok", "s3://results/run1: listed; an object written, read and deleted")
    assert lines["clock"][0] == "ok"
    assert lines["scedc"] == ("ok", "s3://scedc-pds is read without credentials")
    assert lines["packages"][0] == "ok"
    assert "Contents" not in aws.list_objects_v2(Bucket="results")


def test_a_bucket_that_is_not_there_is_a_problem_with_what_to_do(aws, capsys):
    code, lines = found(capsys, "--out=s3://resluts/run1")
    assert code == 1
    assert lines["output"] == ("problem", "s3://resluts/run1: 404: there is no such bucket: make it, or correct its name")


def test_a_bucket_of_another_region_is_told(aws):
    there_too = {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    aws.create_bucket(Bucket="far", **there_too)
    findings = list(there.bucket("output", "s3://far/x"))
    assert any("eu-central-1, not in us-east-1" in one.told and one.level is Level.WARNING for one in findings)


def test_keys_that_aws_does_not_know_are_a_problem_with_what_to_do(aws, capsys):
    """moto checks keys and policies once it is asked to, from so many calls on."""

    def unchecked_calls(number):
        url, kind = f"{aws.meta.endpoint_url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, number, kind)).close()

    unchecked_calls(b"0")
    try:
        code, lines = found(capsys, "--out", "s3://results")
    finally:
        unchecked_calls(b"inf")
    assert code == 1
    assert lines["credentials"][0] == "problem"
    assert lines["credentials"][1].startswith("InvalidClientTokenId, from env: set AWS_PROFILE, or AWS_ACCESS_KEY_ID")
    assert lines["output"][0] == "problem"


def test_without_credentials_only_what_needs_them_is_a_problem(aws, capsys, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    code, lines = found(capsys)
    assert (code, lines["credentials"][0]) == (0, "ok")
    code, lines = found(capsys, "--on", "emr", "--out", "s3://results")
    assert (code, lines["credentials"][0], lines["output"][0]) == (1, "problem", "problem")
    assert "AWS_PROFILE" in lines["credentials"][1]


def test_without_a_network_it_says_so_and_does_not_end(capsys, monkeypatch, aws):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    code, lines = found(capsys, "--out", "s3://results")
    assert code == 1
    assert "EndpointConnectionError: is there a network" in lines["output"][1]
    assert lines["scedc"][0] == "warning"


def test_a_profile_that_is_not_there_is_named(aws, capsys, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    code, lines = found(capsys, "--out", "s3://results")
    assert code == 1
    assert "nobody" in lines["credentials"][1]
    assert lines["region"][0] == "problem"


def test_a_region_is_needed_on_emr_alone(aws, monkeypatch):
    assert (there.region(needed=True).level, there.region(needed=False).level) == (Level.WARNING, Level.OK)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert (there.region(needed=True).level, there.region(needed=False).level) == (Level.PROBLEM, Level.OK)


def test_region_and_profile_are_those_that_a_run_would_take(aws, capsys, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[profile mine]\naws_access_key_id = AKIAMINE\naws_secret_access_key = canary\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in {"PROFILE": "mine", "REGION": "us-west-2", "STAGING": "s3://results/x"}.items():
        monkeypatch.setenv(f"SEISBATCH_{name}", value)
    _, lines = found(capsys, "--on", "emr-serverless", "--out", "out/run1")
    assert (lines["credentials"][0], lines["region"]) == ("ok", ("ok", "us-west-2"))
    assert lines["staging"] == ("ok", "s3://results/x: listed; an object written, read and deleted")
    assert lines["role"][0] == "problem"
    assert lines["output"] == ("problem", "out/run1: write s3://bucket/prefix")
    monkeypatch.delenv("SEISBATCH_REGION")
    monkeypatch.setenv("AWS_REGION", "us-west-2")  # which boto3 by itself does not read
    assert there.region(needed=True).told == "us-west-2"


def test_credentials_that_ran_out_or_are_half_there_are_told_as_such(monkeypatch, aws):
    assert there.why(UnauthorizedSSOTokenError(), "")[1] == there.LOG_IN
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "AWS_SECRET_ACCESS_KEY both" in there.credentials(needed=True).to_do


@pytest.mark.parametrize(
    ("off", "level", "told"),
    [(2, Level.OK, "within 2 s"), (-90, Level.WARNING, "90 s slow"), (1200, Level.PROBLEM, "1200 s fast")],
)
def test_a_clock_that_is_off_is_told(off, level, told):
    answer = {"ResponseMetadata": {"HTTPHeaders": {"date": email.utils.formatdate(NOW, usegmt=True)}}}
    clock = there.clock(answer, NOW + off)
    assert (clock.level, told in clock.told) == (level, True)
    assert there.clock({"ResponseMetadata": {"HTTPHeaders": {"date": "noon"}}}).level is Level.WARNING


def test_a_mongodb_that_does_not_answer_is_a_problem_without_its_password():
    uri = "mongodb://user:canary@127.0.0.1:9/?serverSelectionTimeoutMS=200"
    told = there.mongodb({"SEISBATCH_MONGO_URI": uri})
    assert told.level is Level.PROBLEM
    assert "127.0.0.1:9" in str(told)
    assert "canary" not in str(told)
    assert there.mongodb({}) is None


@pytest.mark.parametrize(("version", "level"), [("17.0.9", Level.OK), ("21", Level.OK), ("1.8.0_392", Level.PROBLEM)])
def test_java_is_the_one_that_is_named(version, level, tmp_path):
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2023-10-17' >&2\n")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    assert here.java({"SEISBATCH_JAVA": str(java)}, is_local=True).level is level
    assert here.java({}, is_local=False).level is Level.OK


def test_a_java_that_is_not_there_is_installed_by_the_first_run(tmp_path, monkeypatch):
    monkeypatch.setattr(here, "REPOSITORY", tmp_path)
    assert here.java({"PATH": str(tmp_path), "JAVA_HOME": str(tmp_path)}, is_local=True).level is Level.WARNING


@pytest.mark.parametrize(("version", "level"), [((3, 10), "problem"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "problem")])
def test_pythons_that_the_locks_hold_for(version, level):
    assert here.python(version).level == level


def test_packages_are_those_of_the_lock(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("nowhere-to-be-found==1.0 \\\n    --hash=sha256:00\nnumpy==0.1 ; python_full_version >= '3.0'\n"
                    "tzdata==1 ; sys_platform == 'emscripten'\n")  # fmt: skip
    told = here.packages(lock)
    assert told.level is Level.PROBLEM
    assert "nowhere-to-be-found is missing, not 1.0; numpy " in told.told
    assert "tzdata" not in told.told
    assert here.packages(tmp_path / "none").level is Level.PROBLEM


def test_a_spark_of_another_minor_version_is_a_problem_on_emr():
    assert here.spark("4.0.1", on_emr=True).level is Level.OK
    assert here.spark("4.1.0", on_emr=True).level is Level.PROBLEM
    assert here.spark("4.1.0", on_emr=False).level is Level.OK
    assert here.spark(None, on_emr=False).level is Level.PROBLEM


def test_memory_is_that_of_a_worker_a_core():
    assert here.memory(64e9, 16).level is Level.OK
    assert "local[6]" in here.memory(16e9, 16).to_do
    assert here.memory(None, 4).level is Level.WARNING


def test_space_and_the_build_folder(tmp_path, monkeypatch):
    assert here.space(str(tmp_path / "none")).level is Level.PROBLEM
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEISBATCH_BUILD", str(tmp_path / "file"))
    assert here.build().level is Level.PROBLEM


@pytest.mark.parametrize("words", [["--on"], ["--on", "moon"], ["--outt", "x"], ["now"]])
def test_what_is_no_usage_is_told(words, capsys):
    assert main(words) == 2
    assert "usage: ./submit.sh doctor" in capsys.readouterr().err
    assert asked(["--on=emr:j-1", "--out", "s3://a/b"]) == ("emr:j-1", "s3://a/b")
    assert main(["--help"]) == 0
