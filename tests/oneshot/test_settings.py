"""Settings of the calls out of the environment: what they mean, and what is said of wrong ones."""

from __future__ import annotations

import pytest
from seisbatch.oneshot.settings import SettingsError, read_settings
from seisbatch.process.filters import Filters
from seisbatch.process.response import Removal

OUT = {"S3_OUTPUT_BUCKET": "my-bucket"}


def test_a_bucket_is_enough():
    settings = read_settings(OUT | {"AWS_REGION": "us-west-2", "HOME": "/root"})
    assert (settings.out.root, settings.out.anonymous) == ("s3://my-bucket", False)
    assert (settings.archive.root, settings.archive.region, settings.archive.anonymous) == ("s3://scedc-pds", "us-west-2", True)
    assert (settings.layout, settings.to, settings.span) == ("scedc", "mseed", None)
    assert settings.motion.units == "vel"
    assert settings.motion.removal == Removal()
    assert settings.motion.filters == Filters()
    assert settings.motion.sampling_rate is None


@pytest.mark.parametrize(
    ("output", "root"),
    [("b", "s3://b"), ("s3://b", "s3://b"), ("b/some/prefix", "s3://b/some/prefix"), (" b ", "s3://b"), ("/folder", "/folder")],
)
def test_the_output_is_a_bucket_a_prefix_or_a_folder(output, root):
    assert read_settings({"S3_OUTPUT_BUCKET": output}).out.root == root


def test_options_are_those_of_the_job():
    settings = read_settings(
        OUT
        | {
            "SEISBATCH_UNITS": "acc",
            "SEISBATCH_PRE_FILT": "0.005,0.01,15,18",
            "SEISBATCH_WATER_LEVEL": "none",
            "SEISBATCH_PRECISION": "float64",
            "SEISBATCH_BANDPASS": "0.1,10",
            "SEISBATCH_NOTCH": "60",
            "SEISBATCH_CORNERS": "2",
            "SEISBATCH_ZERO_PHASE": "false",
            "SEISBATCH_SAMPLING_RATE": "40",
            "SEISBATCH_FORMAT": "sac",
            "SEISBATCH_ARCHIVE": "ncedc",
            "SEISBATCH_ROOT": "s3://copy/of",
            "SEISBATCH_SOURCE_ENDPOINT": "http://127.0.0.1:9",
            "SEISBATCH_SOURCE_REGION": "eu-west-1",
            "SEISBATCH_ANONYMOUS": "false",
            "SEISBATCH_OUT_REGION": "us-east-2",
        }  # fmt: skip
    )
    assert settings.motion.units == "acc"
    assert settings.motion.removal == Removal(pre_filt=(0.005, 0.01, 15, 18), water_level=None, precision="float64")
    assert settings.motion.filters == Filters(bandpass=(0.1, 10), notch=60, corners=2, zero_phase=False)
    assert (settings.motion.sampling_rate, settings.to, settings.layout) == (40, "sac", "ncedc")
    archive = settings.archive
    assert (archive.root, archive.endpoint, archive.region) == ("s3://copy/of", "http://127.0.0.1:9", "eu-west-1")
    assert not archive.anonymous
    assert settings.out.region == "us-east-2"


def test_results_of_other_parameters_have_another_id():
    one, same, other = (
        read_settings(OUT | more).parameters_id
        for more in ({}, {"SEISBATCH_OUT_REGION": "us-east-2"}, {"SEISBATCH_UNITS": "disp"})
    )
    assert one == same != other


@pytest.mark.parametrize(
    ("environment", "named", "told"),
    [
        ({}, "S3_OUTPUT_BUCKET is not set", "name the bucket"),
        ({"S3_OUTPUT_BUCKET": " "}, "S3_OUTPUT_BUCKET is not set", ""),
        (OUT | {"SEISBATCH_UNITS": "velocity"}, "SEISBATCH_UNITS velocity", "'disp', 'vel' or 'acc'"),
        (OUT | {"SEISBATCH_UNIT": "vel"}, "SEISBATCH_UNIT is no setting", "is SEISBATCH_UNITS meant?"),
        (OUT | {"SEISBATCH_START": "2019-07-02"}, "SEISBATCH_START is no setting", "Known are SEISBATCH_ARCHIVE"),
        (OUT | {"SEISBATCH_PRE_FILT": "0.01,0.02"}, "SEISBATCH_PRE_FILT 0.01,0.02", "give 4 frequencies"),
        (OUT | {"SEISBATCH_PRE_FILT": "low"}, "SEISBATCH_PRE_FILT low", "commas"),
        (OUT | {"SEISBATCH_PRE_FILT": "4,3,2,1"}, "SEISBATCH_PRE_FILT", ""),
        (OUT | {"SEISBATCH_WATER_LEVEL": "-3"}, "SEISBATCH_WATER_LEVEL -3", "greater than or equal to 0"),
        (OUT | {"SEISBATCH_BANDPASS": "10,1"}, "SEISBATCH_BANDPASS", ""),
        (OUT | {"SEISBATCH_FORMAT": "wav"}, "SEISBATCH_FORMAT wav", "'parquet', 'mseed' or 'sac'"),
        (OUT | {"SEISBATCH_ARCHIVE": "iris"}, "SEISBATCH_ARCHIVE iris", "'scedc'"),
        (OUT | {"SEISBATCH_ARCHIVE": "sds"}, "SEISBATCH_ARCHIVE sds", "SEISBATCH_ROOT"),
        (OUT | {"SEISBATCH_ROOT": "ftp://x"}, "ftp://x", "s3://bucket/prefix"),
        (OUT | {"SEISBATCH_STATIONS": "mongodb://me:canary@host/db"}, "SEISBATCH_STATIONS", "StationXML"),
    ],
)
def test_a_wrong_setting_names_its_variable_and_what_would_be_valid(environment, named, told):
    with pytest.raises(SettingsError) as raised:
        read_settings(environment)
    message = str(raised.value)
    assert named in message
    assert told in message
    assert "--" not in message
    assert "canary" not in message
