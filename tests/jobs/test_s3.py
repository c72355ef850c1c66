"""The same job from one S3 server, read anonymously, to another."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
import seisbatch
from seisbatch.sample.network import DAYS

from tests.jobs.results import data_columns, outcomes

SOME = "XX.ALFA..BHZ,XX.BRAV..BHZ,XX.CHAR..BHZ,XX.KILO..BHN"


@pytest.fixture
def two_servers(s3_server, sample_archive):
    """Endpoints of a server with the archive's bucket, open to all, and of another with an empty bucket."""
    from moto.server import ThreadedMotoServer

    source = boto3.client("s3", endpoint_url=s3_server)
    source.create_bucket(Bucket="archive", ACL="public-read")
    for path in sample_archive.rglob("*"):
        if path.is_file() and (DAYS[2].strftime("%Y_%j") in path.name or "2024002" in path.name or path.suffix == ".xml"):
            key = f"copy/{path.relative_to(sample_archive)}"
            source.put_object(Bucket="archive", Key=key, Body=path.read_bytes(), ACL="public-read")
    other = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    other.start()
    host, port = other.get_host_and_port()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="results")
    yield s3_server, f"http://{host}:{port}"
    other.stop()


def download(endpoint: str, prefix: str, folder: Path) -> list[str]:
    """Copy objects to a folder; their keys."""
    client = boto3.client("s3", endpoint_url=endpoint)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="results", Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    for key in keys:
        path = folder / key.removeprefix(f"{prefix}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file("results", key, str(path))
    return keys


def test_from_one_server_to_another_as_from_disk_to_disk(two_servers, run_job, sample_archive, tmp_path, capsys):
    source, other = two_servers
    common = ["--start", DAYS[2], "--days", 1, "--channels", SOME]
    s3 = ["--archive", "scedc", "--root", "s3://archive/copy", "--source-endpoint", source]
    s3 += ["--out", "s3://results/run", "--out-endpoint", other, "--out-region", "us-east-1"]
    assert run_job("cross_correlate", *common, *s3) == 0
    assert run_job("cross_correlate", *common, "--root", sample_archive, "--out", tmp_path / "disk") == 0
    keys = download(other, "run", tmp_path / "s3")
    assert not [key for key in keys if "_scratch" in key]
    assert "run/manifest.json" in keys
    assert "run/report.html" in keys
    names = [name for name in data_columns(tmp_path / "disk").column_names if name != "parameters_id"]
    assert data_columns(tmp_path / "s3").select(names).equals(data_columns(tmp_path / "disk").select(names))
    one, two = outcomes(tmp_path / "s3"), outcomes(tmp_path / "disk")
    assert {unit: row["outcome"] for unit, row in one.items()} == {unit: row["outcome"] for unit, row in two.items()}
    ccfs = seisbatch.open_ccfs("s3://results/run", endpoint=other, region="us-east-1")
    assert ccfs.sizes["pair"] == 6
    capsys.readouterr()
    assert run_job("cross_correlate", *common, *s3) == 0
    assert "nothing to do" in capsys.readouterr().out
    for path in (tmp_path / "s3").rglob("*"):
        assert not path.is_file() or b"canary-secret" not in path.read_bytes()


def test_what_is_wrong_with_the_run_ends_it_with_one_message(two_servers, run_job, tmp_path, capsys):
    source, other = two_servers
    base = ["--archive", "scedc", "--source-endpoint", source, "--start", DAYS[2], "--channels", SOME]
    assert run_job("cross_correlate", *base, "--root", "s3://nowhere", "--out", tmp_path / "out") == 1
    assert "s3://nowhere: no such bucket" in capsys.readouterr().err
    out = ["--out", "s3://nowhere/run", "--out-endpoint", other, "--out-region", "us-east-1"]
    assert run_job("cross_correlate", *base, "--root", "s3://archive/copy", *out) == 1
    assert "s3://nowhere/run: no such bucket" in capsys.readouterr().err
