"""Jobs over restricted networks: workers fetch credentials of each network themselves, and write none."""

from __future__ import annotations

import datetime as dt

import pytest
import seisbatch
from seisbatch.acquire import restricted
from seisbatch.archives import earthscope, scedc
from seisbatch.names import Channel
from seisbatch.sample.network import DAYS

from tests import earthscope_api, faulty_s3
from tests.jobs.results import outcomes

NETWORKS = ("XX", "ZZ")


@pytest.fixture
def logged_in(spark, monkeypatch):
    api = earthscope_api.Api()
    restricted._client.cache_clear()
    with earthscope_api.serving(api) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
            monkeypatch.setitem(spark.sparkContext.environment, name, value)
        yield api
    restricted._client.cache_clear()


def test_windows_of_two_networks(logged_in, sample_archive, run_job, tmp_path, capfd):
    """The older of two versions of a station-day is empty: the newer is read."""
    for net in NETWORKS:
        for sta in ("ALFA", "BRAV"):
            key = earthscope.day_file_key(Channel(net, sta, "", "BHZ"), DAYS[0])
            path = tmp_path / "bucket" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            body = (sample_archive / scedc.day_file_key(Channel("XX", sta, "", "BHZ"), DAYS[0])).read_bytes()
            path.with_name(f"{path.name}#1").write_bytes(b"")
            path.with_name(f"{path.name}#2").write_bytes(body.replace(b"BHZXX", f"BHZ{net}".encode()))
    bucket = faulty_s3.Bucket(tmp_path / "bucket", 0.0)
    bucket.allows = earthscope_api.allows
    time = dt.datetime.combine(DAYS[0], dt.time(6)).isoformat()
    with faulty_s3.serving(bucket) as endpoint:
        options = [
            "--archive",
            "earthscope",
            "--credentials",
            "earthscope",
            "--root",
            "s3://point",
            "--source-endpoint",
            endpoint,
        ]
        options += ["--channels", "XX.*.*.*,ZZ.*.*.*", "--time", time, "--stations", sample_archive / "FDSNstationXML"]
        assert run_job("cut_windows", *options, "--out", tmp_path / "out") == 0
    assert {row["outcome"] for row in outcomes(tmp_path / "out", "window").values()} == {"ok"}
    found = {trace.id for trace in seisbatch.read_waveforms(tmp_path / "out")}
    assert found == {f"{net}.{sta}..BHZ" for net in NETWORKS for sta in ("ALFA", "BRAV")}
    assert set(logged_in.asked) == set(NETWORKS)
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    said = "".join(capfd.readouterr()).encode()
    assert not [canary for canary in earthscope_api.CANARIES if canary.encode() in written + said]


def test_a_refusal_ends_the_run_with_one_message(logged_in, run_job, tmp_path, capsys):
    logged_in.refuses = {"ZZ": 403}
    options = ["--archive", "earthscope", "--credentials", "earthscope", "--root", "s3://point", "--channels", "ZZ.*.*.*"]
    assert run_job("cut_windows", *options, "--time", "2022-01-02", "--out", tmp_path / "out") == 1
    assert "no credentials for network ZZ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--archive", "earthscope"], "give --root, the access point's alias"),
        (["--archive", "scedc", "--root", "s3://x"], "goes with --archive earthscope alone"),
    ],
)
def test_what_cannot_be_is_said(options, message, run_job, tmp_path, capsys):
    options += ["--credentials", "earthscope", "--time", "2022-01-02", "--out", tmp_path / "out"]
    assert run_job("cut_windows", *options) == 2
    assert message in capsys.readouterr().err
