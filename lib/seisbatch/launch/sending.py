"""Sending a job to Amazon EMR: where to, what may be sent, and the service that takes it."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from seisbatch.config import CONF, OptionError, parse
from seisbatch.launch.emr import Emr
from seisbatch.launch.logs import lines_of
from seisbatch.launch.secrecy import refuse_secrets
from seisbatch.launch.serverless import Serverless
from seisbatch.launch.service import ON_EMR, ON_SERVERLESS, Service
from seisbatch.launch.template import read_template
from seisbatch.options import JOBS

CHIPS = {"x86_64": "i", "aarch64": "g"}
"""The letter in the name of a machine type, as in m7g: Intel, Graviton."""
SERVERLESS_ARCHITECTURES = {"x86_64": "X86_64", "aarch64": "ARM64"}
PLACES_READ_AND_WRITTEN = (
    "out", "root", "index", "stations", "stations_table", "catalog", "tables", "waveforms", "ccfs", "recordings",
)  # fmt: skip
"""Options whose value is a place; a cache is one of each worker's own."""
_IDS = {ON_EMR: re.compile(r"j-[A-Z0-9]{1,60}"), ON_SERVERLESS: re.compile(r"[0-9a-z]{1,64}")}


class Settings(Protocol):
    """What is read of :class:`seisbatch.launch.settings.LaunchSettings`."""

    @property
    def region(self) -> str | None: ...
    @property
    def profile(self) -> str | None: ...
    @property
    def architecture(self) -> str: ...
    @property
    def serverless_role(self) -> str | None: ...
    def required_staging(self) -> str: ...


class Where(NamedTuple):
    """What ``--on`` names: a service of Amazon's, and a cluster or an application of it where one is there already."""

    service: str
    id: str | None

    @classmethod
    def of(cls, text: str) -> Where:
        """OptionError where it is none.

        >>> Where.of("emr:j-2AXXXXXXGAPLF"), Where.of("emr-serverless")
        (Where(service='emr', id='j-2AXXXXXXGAPLF'), Where(service='emr-serverless', id=None))
        """
        service, colon, name = text.partition(":")
        if service in _IDS and (not colon or _IDS[service].fullmatch(name)):
            return cls(service, name or None)
        raise OptionError(f"--on {text}: write emr, emr:j-CLUSTER, emr-serverless or emr-serverless:APPLICATION")

    def __str__(self) -> str:
        return f"{self.service}:{self.id}" if self.id else self.service


def places(settings: Settings, name: str, job: str) -> dict[str, str]:
    """The places that the templates of conf/emr name, filled in for a run."""
    staging = settings.required_staging()
    bucket, _, prefix = staging.removeprefix("s3://").partition("/")
    return {
        "name": name,
        "job": job,
        "logs": f"{staging}/logs",
        "bucket": bucket,
        "prefix": f"{prefix}/" if prefix else "",
        "log_key": "",
        "chip": CHIPS[settings.architecture],
        "architecture": settings.architecture,
        "serverless_architecture": SERVERLESS_ARCHITECTURES[settings.architecture],
        "role": settings.serverless_role or "",
        "application": "",
    }


def service_for(
    where: Where, client: Any, filled: Mapping[str, str] | None = None, s3: Any = None, conf: Path = CONF
) -> Service:
    """The service that takes runs there, which reads logs with the client ``s3``.

    Without places for its templates it only tells of runs that it has.
    """
    if where.service == ON_EMR:
        of_cluster = read_template(conf / "emr" / "cluster.json", filled) if filled and not where.id else None
        return Emr(client, where.id, of_cluster, functools.partial(lines_of, s3))
    if filled is None:
        return Serverless(client, where.id)
    application = None if where.id else read_template(conf / "emr" / "application.json", filled)
    return Serverless(client, where.id, application, read_template(conf / "emr" / "job-run.json", filled))


def checked_options(job: str, words: Sequence[str], extra: Sequence[str]) -> tuple[list[str], Mapping[str, Any]]:
    """The options of a job as they are sent, and validated, before anything is: those of a user's own job as they are.

    ``--config FILE`` is a file of this computer: what it says is sent instead of it. OptionError where an option is impossible,
    is a secret, or names a place of this computer to write to.
    """
    sent = _without_files(words)
    values: Mapping[str, Any] = dict(parse(job, JOBS[job], sent)) if job in JOBS else {}
    refuse_secrets(values, sent, extra)
    _refuse_local(values)
    return sent, values


def _refuse_local(values: Mapping[str, Any]) -> None:
    """OptionError where an option names a place of this computer."""
    for key in PLACES_READ_AND_WRITTEN:
        for place in str(values.get(key) or "").split(","):
            if "://" not in place and ("/" in place or Path(place).is_dir()) and place:
                verb = "write to" if key == "out" else "read from"
                flag = key.replace("_", "-")
                raise OptionError(f"--{flag} {place}: a cluster cannot {verb} this computer: write s3://bucket/prefix")
    if values.get("archive") == "sample" and values.get("root") in (None, "auto"):
        raise OptionError(
            "--archive sample: that is made on this computer: choose another archive, or copy it to a bucket and name it with "
            "--root s3://bucket/prefix"
        )


def _without_files(words: Sequence[str]) -> list[str]:
    """Options with each ``--config FILE`` replaced by what the file says, before all others, which override it."""
    of_files: list[str] = []
    others: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--config" and left:
            of_files += _of_file(Path(left.pop(0)))
        elif word.startswith("--config="):
            of_files += _of_file(Path(word.partition("=")[2]))
        else:
            others.append(word)
    return of_files + others


def _of_file(path: Path) -> list[str]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"--config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"--config {path}: {error}") from error
    words: list[str] = []
    for key, value in tables.items():
        for name, of_name in (value if isinstance(value, dict) else {key: value}).items():
            flag = name.replace("_", "-")
            words.append(f"--{'' if of_name else 'no-'}{flag}" if isinstance(of_name, bool) else f"--{flag}={of_name}")
    return words
