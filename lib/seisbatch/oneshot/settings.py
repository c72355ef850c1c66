"""Settings of the calls, all of them from the environment: where results go, and options of ``remove_response``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seisbatch.config import OptionError, options_of, validated
from seisbatch.mongo.uri import is_mongo_uri
from seisbatch.options import NOT_PARAMETERS, RemoveResponse
from seisbatch.outcome import RunError
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.processing import motion_of
from seisbatch.plan.stores import archive_stations, archive_store, layout_of, out_store
from seisbatch.steps.motion_objects import MotionSettings

BUCKET = "S3_OUTPUT_BUCKET"
PREFIX = "SEISBATCH_"
JOB = "remove_response"
OPTIONS = (
    "archive root source_endpoint source_region anonymous stations "
    "units pre_filt water_level taper zero_mean precision "
    "bandpass highpass lowpass notch notch_quality corners zero_phase sampling_rate "
    "data_tag format out_endpoint out_region"
).split()
"""Options of the job that a call has too: ``units`` is that of the environment variable SEISBATCH_UNITS."""
DEFAULTS = {"archive": "scedc", "format": "mseed"}
"""Where they are not the job's."""

_OF_OTHERS = {"CONF", "PYTHON", "JAVA", "MONGO_URI", "TEST_DATA"}
_FLAG = re.compile(r"--([a-z][a-z-]*)")


class SettingsError(RunError):
    """A setting is missing, unknown or impossible; the message names the environment variable and what would be valid."""


@dataclass(frozen=True, kw_only=True)
class CallIdentity(RunIdentity):
    """What names the results of calls with the same settings."""

    job = JOB


def read_settings(environment: Mapping[str, str]) -> MotionSettings:
    """What every call of this process does; SettingsError where the environment does not tell, or says something impossible.

    S3_OUTPUT_BUCKET is a bucket, ``bucket/prefix``, with or without ``s3://``, or the absolute path of a folder. SEISBATCH_ and
    the name of one of :data:`OPTIONS` in upper case is that option, whose default and meaning stand in
    ``conf/jobs/remove_response.toml``, but for :data:`DEFAULTS`.
    """
    values = {option.key: option.default for option in options_of(JOB)} | DEFAULTS | _given(environment)
    try:
        options = validated(RemoveResponse, values | {"out": _output(environment.get(BUCKET, "").strip())})
        if options.stations and is_mongo_uri(options.stations):
            raise OptionError("--stations: a call reads StationXML: name a folder or s3://bucket/prefix")
        return _resolved(options)
    except ValueError as error:
        raise SettingsError(_FLAG.sub(lambda flag: variable(flag[1].replace("-", "_")), str(error))) from None


def variable(option: str) -> str:
    """The environment variable of an option.

    >>> variable("pre_filt")
    'SEISBATCH_PRE_FILT'
    """
    return BUCKET if option == "out" else PREFIX + option.upper()


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    given = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX) in _OF_OTHERS:
            continue
        option = name.removeprefix(PREFIX).lower()
        if option not in OPTIONS:
            near = difflib.get_close_matches(option, OPTIONS, 1, 0.6)
            meant = f"; is {variable(near[0])} meant?" if near else ""
            raise SettingsError(f"{name} is no setting{meant} Known are {', '.join(map(variable, OPTIONS))}")
        given[option] = value.strip()
    return given


def _output(text: str) -> str:
    if not text:
        raise SettingsError(f"{BUCKET} is not set: name the bucket, or bucket/prefix, that the results go to")
    return text if text.startswith(("s3://", "/")) else f"s3://{text}"


def _resolved(options: RemoveResponse) -> MotionSettings:
    named = {key: getattr(options, key) for key in OPTIONS if key not in NOT_PARAMETERS}
    identity = CallIdentity(parameters=named, out=out_store(options))
    shared: dict[str, Any] = identity.names
    return MotionSettings(
        **shared,
        archive=archive_store(options),
        layout=layout_of(options),
        stations=archive_stations(options),
        motion=motion_of(options),
        span=None,
        to=options.format,
        data_tag=options.data_tag,
        ahead_bytes=0,
    )
