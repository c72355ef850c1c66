"""AWS as moto has it, with made-up keys and nothing of this machine's own; requests filled in, and arguments of a run."""

import gzip
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from moto.emr.models import emr_backends
from moto.emrserverless.models import emrserverless_backends
from seisbatch.launch.template import read_template

CONF = Path(__file__).resolve().parents[2] / "conf" / "emr"
REGION, ACCOUNT, STAGING = "us-west-2", "123456789012", "staging"
PLACES = {
    "name": "cross_correlate-20260101-120000", "job": "cross_correlate", "logs": f"s3://{STAGING}/seisbatch/logs",
    "log_key": "", "chip": "g", "architecture": "aarch64", "serverless_architecture": "ARM64", "bucket": STAGING,
    "prefix": "seisbatch/", "role": f"arn:aws:iam::{ACCOUNT}:role/seisbatch", "application": "",
}  # fmt: skip
ARGUMENTS = [
    "--deploy-mode", "client", "--py-files", "s3://staging/packages/1/seisbatch.zip", "--conf", "spark.executor.cores=4",
    "--conf", "spark.driver.extraJavaOptions=-Duser.timezone=UTC -XX:+UseSerialGC",
    "s3://staging/packages/2/cross_correlate.py", "--channels", "CI.*..BHZ", "--out", "s3://results/run1",
]  # fmt: skip


@pytest.fixture
def aws(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=STAGING, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield


def template(name, **places):
    return read_template(CONF / name, PLACES | places)


def application():
    """The application of conf/emr with a release that moto knows: it knows those of the old form alone."""
    return template("application.json") | {"releaseLabel": "emr-7.5.0"}


def cluster_of(run):
    """A cluster as moto keeps it; its states change only where a test changes them."""
    return emr_backends[ACCOUNT][REGION].clusters[run.group]


def step_of(run):
    [found] = [step for step in cluster_of(run).steps if step.id == run.id]
    return found


def job_run_of(run):
    [found] = [one for one in emrserverless_backends[ACCOUNT][REGION].job_runs[run.group] if one.id == run.id]
    return found


def put_log(uri, text):
    """A log as the services write it."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress(text.encode()))
