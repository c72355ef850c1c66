"""Settings of the launch: the file, the environment, and what is refused."""

import tomllib
from pathlib import Path

import pytest
from seisbatch.launch.clients import client
from seisbatch.launch.settings import LaunchSettings, read_settings
from seisbatch.outcome import RunError

FILE = Path(__file__).resolve().parents[2] / "conf" / "emr" / "launch.toml"


def test_every_key_has_an_explanation():
    text = FILE.read_text()
    assert set(tomllib.loads(text)) == set(LaunchSettings.model_fields)
    lines = text.splitlines()
    for number, line in enumerate(lines):
        assert not line or line.startswith("#") or lines[number - 1].startswith("# "), line


def test_the_environment_comes_before_the_file():
    plain = read_settings(FILE, {})
    assert (plain.region, plain.staging, plain.python, plain.architecture) == (None, None, "3.11", "x86_64")
    given = {"SEISBATCH_STAGING": "s3://mine/some/where/", "SEISBATCH_REGION": "us-west-2", "SEISBATCH_ARCHITECTURE": "aarch64"}
    settings = read_settings(FILE, given | {"SEISBATCH_PYTHON": "/usr/bin/python3"})  # this computer's own
    assert (settings.required_staging(), settings.region) == ("s3://mine/some/where", "us-west-2")
    assert (settings.architecture, settings.python) == ("aarch64", "3.11")


def test_the_region_is_that_of_amazon_s_variables(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert read_settings(FILE, {}).required_region() == "eu-central-1"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert read_settings(FILE, {}).required_region() == client("s3").meta.region_name == "us-west-2"


def test_without_a_place_for_packages_it_says_how_one_is_named():
    with pytest.raises(RunError, match="SEISBATCH_STAGING=s3://bucket/prefix"):
        read_settings(FILE, {}).required_staging()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("STAGING", "bucket/prefix", "write s3://bucket/prefix"),
        ("STAGING", "s3://", "write s3://bucket/prefix"),
        ("STAGING", "s3://mine/my files,2024", "spark-submit takes others for its own"),
        ("REGION", "oregon", "pattern"),
        ("ARCHITECTURE", "arm64", "'x86_64' or 'aarch64'"),
        ("SERVERLESS_ROLE", "admin", "pattern"),
    ],
)
def test_what_is_impossible_names_itself(variable, value, told):
    with pytest.raises(RunError, match=rf"^SEISBATCH_{variable}: .*{told}"):
        read_settings(FILE, {f"SEISBATCH_{variable}": value})


def test_a_file_that_is_wrong_is_named(tmp_path):
    file = tmp_path / "launch.toml"
    with pytest.raises(RunError, match=r"launch\.toml: No such file"):
        read_settings(file, {})
    file.write_text(FILE.read_text() + "stagging = 's3://mine'\n")
    with pytest.raises(RunError, match=r"launch\.toml: stagging: Extra inputs"):
        read_settings(file, {})
