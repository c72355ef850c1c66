"""Stores to test with: a folder, and S3 as moto's server speaks it, signed and anonymous."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from seisbatch.acquire.objects import Store, StoreSettings

sys.path.insert(0, str(Path(__file__).parent))  # for miniseed_files

BUCKET = "archive"
REGION = "us-west-2"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Made-up keys, and nothing of this machine's own."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CANARY-KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY-SECRET")


@pytest.fixture
def s3(s3_endpoint: str, credentials: None) -> Iterator[object]:
    """A client of the server, with an empty bucket."""
    client = boto3.client("s3", endpoint_url=s3_endpoint, region_name=REGION)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for item in page.get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path) -> Store:
    """One suite for both."""
    if request.param == "folder":
        return Store(StoreSettings(str(tmp_path / "root")))
    request.getfixturevalue("s3")
    endpoint = request.getfixturevalue("s3_endpoint")
    return Store(StoreSettings(f"s3://{BUCKET}/some/prefix", endpoint, REGION))
