"""What the launcher needs to know of the cloud: ``conf/emr/launch.toml``, overridden by the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from botocore.exceptions import BotoCoreError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from seisbatch.config import CONF
from seisbatch.launch.clients import region_here
from seisbatch.outcome import RunError

LAUNCH_FILE = "emr/launch.toml"

VARIABLE = "SEISBATCH_"
"""A key in capitals after this is the environment variable that overrides it, such as SEISBATCH_STAGING."""


def _none(word: str) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value == word else value)


def _place(value: Any) -> Any:
    if not isinstance(value, str) or value == "none":
        return None
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=+-]+)*/?", value):
        raise ValueError("write s3://bucket/prefix, of letters, digits and _.=+- alone: spark-submit takes others for its own")
    return value.rstrip("/")


def _folder(value: Any) -> Any:
    return None if value == "none" else Path(str(value)).expanduser().resolve()


class LaunchSettings(BaseModel):
    """Where runs on Amazon EMR start from; None where a setting says auto or none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: Annotated[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] | None, _none("auto")]
    profile: Annotated[Annotated[str, Field(min_length=1)] | None, _none("none")]
    staging: Annotated[str | None, BeforeValidator(_place)]
    python: Literal["3.11", "3.12", "3.13"]
    architecture: Literal["x86_64", "aarch64"]
    wheels: Annotated[Path | None, BeforeValidator(_folder)]
    serverless_role: Annotated[Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$")] | None, _none("none")]

    def required_region(self) -> str:
        """The region that runs are in; RunError, saying how it is set, where nothing does."""
        try:
            region = self.region or region_here(self.profile)
        except BotoCoreError as error:
            raise RunError(f"conf/{LAUNCH_FILE}: {error}") from None
        if not region:
            raise RunError(f"in which region? Set region in conf/{LAUNCH_FILE}, or AWS_REGION, such as us-west-2")
        return str(region)

    def required_staging(self) -> str:
        """Where packages and logs go; RunError, saying how it is set, where nothing does."""
        if self.staging is None:
            raise RunError(
                f'where may packages and logs go? Set staging = "s3://bucket/prefix" in conf/{LAUNCH_FILE}, or '
                f"{VARIABLE}STAGING=s3://bucket/prefix; the bucket is best in the cluster's region"
            )
        return self.staging


def read_settings(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> LaunchSettings:
    """The settings of a file, by default that of the configuration folder, and of the environment, which comes first.

    Raises RunError, naming the file or the variable and what would be valid.
    """
    path = path or CONF / LAUNCH_FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: {error}") from None
    variables = {key: f"{VARIABLE}{key.upper()}" for key in LaunchSettings.model_fields if key != "python"}
    given = {key: environment[variable] for key, variable in variables.items() if environment.get(variable)}
    try:
        return LaunchSettings.model_validate(values | given)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        place = f"{variables[key]}" if key in given else f"{path}: {key}"
        raise RunError(f"{place}: {problem['msg'].removeprefix('Value error, ')}") from None
