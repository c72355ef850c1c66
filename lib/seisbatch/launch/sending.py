"""Sending a job to Amazon EMR: where to, what may be sent, and the service that takes it."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seisbatch.config import CONF, OptionError, parse
from seisbatch.launch.emr import Emr
from seisbatch.launch.logs import lines_of
from seisbatch.launch.secrecy import refuse_secrets
from seisbatch.launch.serverless import Serverless
from seisbatch.launch.service import ON_EMR, ON_SERVERLESS, Service
from seisbatch.launch.settings import LaunchSettings
from seisbatch.launch.spark_arguments import split_extra
from seisbatch.launch.template import read_template
from seisbatch.options import JOBS

CHIPS = {"x86_64": "i", "aarch64": "g"}
"""The letter in the name of a machine type, as in m7g: Intel, Graviton."""
SERVERLESS_ARCHITECTURES = {"x86_64": "X86_64", "aarch64": "ARM64"}
_IDS = {ON_EMR: re.compile(r"j-[A-Z0-9]{1,60}"), ON_SERVERLESS: re.compile(r"[0-9a-z]{1,64}")}


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


def places(settings: LaunchSettings, name: str, job: str) -> dict[str, str]:
    """The places that the templates of conf/emr name, filled in for a run."""
    staging = settings.required_staging()
    bucket, _, prefix = staging.removeprefix("s3://").partition("/")
    return {
        "name": name,
        "job": re.sub(r"[^A-Za-z0-9_.:/=+@-]+", "-", job),  # what a tag may be
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
    application = read_template(conf / "emr" / "application.json", filled)
    return Serverless(client, where.id, application, read_template(conf / "emr" / "job-run.json", filled))


def checked_options(job: str, words: Sequence[str], extra: Sequence[str]) -> Mapping[str, Any]:
    """The validated options of a job of the suite, before anything is sent; of a user's own job nothing is known here.

    OptionError where one is impossible, or is a secret.
    """
    values: Mapping[str, Any] = dict(parse(job, JOBS[job], words)) if job in JOBS else {}
    refuse_secrets(values, words, extra)
    split_extra(extra)
    return values
