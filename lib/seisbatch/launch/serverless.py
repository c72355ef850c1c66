"""Runs on EMR Serverless: an application that is there, or one that is made once and found again by its name and release."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from seisbatch.launch.failures import reason_told, telling
from seisbatch.launch.service import ON_SERVERLESS, Log, Request, Run, RunState
from seisbatch.outcome import RunError

NEW_APPLICATION = "(the application's id)"
"""What stands for the application in a request that is shown before there is one."""
ALIVE = ["CREATING", "CREATED", "STARTING", "STARTED", "STOPPING", "STOPPED"]
CREATION_SECONDS = 120

_FINAL = {"SUCCESS", "FAILED", "CANCELLED"}
_ALONE = {"--verbose", "-v", "--supervise"}
_OF_A_CLUSTER = {"--master", "--deploy-mode"}
_PLAIN = re.compile(r"[\w.,:;/@%+=#-]*", re.ASCII)
_EXIT_CODE = re.compile(r"ExitCode: (\d+)")


class SparkSubmit(NamedTuple):
    """spark-submit's arguments in their parts."""

    options: list[tuple[str, str]]
    """``("--conf", "key=value")`` and such; those that stand alone have an empty value."""
    entry_point: str
    entry_point_arguments: list[str]


def split_arguments(arguments: Sequence[str]) -> SparkSubmit:
    """spark-submit's arguments: its own options end at the job file. RunError where there is no job file.

    >>> split_arguments(["--conf", "a=b", "-v", "s3://b/job.py", "--out", "s3://b/out"])
    SparkSubmit(options=[('--conf', 'a=b'), ('-v', '')], entry_point='s3://b/job.py', entry_point_arguments=['--out', 's3://b/out'])
    """
    options: list[tuple[str, str]] = []
    words = list(arguments)
    while words and words[0].startswith("-"):
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word in _ALONE:
            options.append((word, ""))
        elif name.startswith("--") and equals:
            options.append((name, value))
        elif words:
            options.append((word, words.pop(0)))
    if not words:
        raise RunError("spark-submit's arguments name no job file")
    return SparkSubmit(options, words[0], words[1:])


def job_driver(arguments: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What a job run is told to do (JobDriver), and properties of Spark that it is told apart (spark-defaults).

    A job run takes spark-submit's options as one line of text. What has a space in it, or what a shell would not leave as it
    is, is a property apart, so that nothing depends on how that line is taken to pieces; RunError where an option that is no
    property has one. The master is the service's own.
    """
    parts = split_arguments(arguments)
    line: list[str] = []
    apart: dict[str, str] = {}
    for name, value in parts.options:
        if name in _OF_A_CLUSTER:
            continue
        key, _, of_key = value.partition("=")
        if name in ("--conf", "-c") and (key in apart or not _PLAIN.fullmatch(value)):
            line = _without(line, key)  # which would hold, though it came first
            apart[key] = of_key
        elif _PLAIN.fullmatch(value):
            line += [name, value] if value else [name]
        else:
            raise RunError(f"{name} {value}: EMR Serverless takes no spaces and no such signs here")
    driver = {"entryPoint": parts.entry_point, "entryPointArguments": parts.entry_point_arguments}
    return {"sparkSubmit": driver | ({"sparkSubmitParameters": " ".join(line)} if line else {})}, apart


def _without(line: list[str], key: str) -> list[str]:
    """Words of spark-submit without those that set a property."""
    sets = {at for at, word in enumerate(line) if at and line[at - 1] in ("--conf", "-c") and word.startswith(f"{key}=")}
    return [word for at, word in enumerate(line) if not {at, at + 1} & sets]


def start_request(template: Mapping[str, Any], application: str, arguments: Sequence[str]) -> Request:
    """A job run as conf/emr/job-run.json has it, of a job with its arguments."""
    driver, apart = job_driver(arguments)
    parameters: dict[str, Any] = {**template, "applicationId": application, "jobDriver": driver}
    if apart:
        overrides = dict(parameters.get("configurationOverrides", {}))
        own = overrides.get("applicationConfiguration", [])
        overrides["applicationConfiguration"] = [*own, {"classification": "spark-defaults", "properties": apart}]
        parameters["configurationOverrides"] = overrides
    return Request(ON_SERVERLESS, "StartJobRun", parameters)


class Serverless:
    """EMR Serverless: the application of an id, or else one like ``application``, a filled in request CreateApplication.

    ``run_template`` is a filled in request StartJobRun, whose application may be anything.
    """

    def __init__(
        self,
        client: Any,
        application_id: str | None = None,
        application: Mapping[str, Any] | None = None,
        run_template: Mapping[str, Any] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._id, self._application = client, application_id, dict(application or {})
        self._template, self._sleep = run_template or {}, sleep

    def requests(self, name: str, arguments: Sequence[str]) -> list[Request]:
        if self._id:
            return [start_request(self._template, self._id, arguments)]
        create = Request(ON_SERVERLESS, "CreateApplication", {**self._application, "clientToken": name})
        return [create, start_request(self._template, NEW_APPLICATION, arguments)]

    def require(self) -> None:
        if not self._template.get("executionRoleArn"):
            raise RunError(
                "EMR Serverless needs a role to run as: make one that has conf/emr/policy.json and trusts "
                "emr-serverless.amazonaws.com, and name its ARN as serverless_role in conf/emr/launch.toml"
            )
        if self._id:
            asked = Request(ON_SERVERLESS, "GetApplication", {"applicationId": self._id})
            found = asked.send(self._client, f"the application {self._id}")["application"]
            if found["state"] == "TERMINATED":
                raise RunError(f"the application {self._id} is {found['state']}: name another, or write --on emr-serverless")
            packed_for = self._application.get("architecture")
            if packed_for and found.get("architecture", packed_for) != packed_for:
                raise RunError(
                    f"the application {self._id} is of {found['architecture']}, and packages would be of {packed_for}: set "
                    "architecture in conf/emr/launch.toml, or name another"
                )

    def submit(self, name: str, arguments: Sequence[str]) -> Run:
        self.require()
        *create, start = self.requests(name, arguments)
        application = self._id or self._find() or self._create(create[0])
        request = Request(start.service, start.operation, start.parameters | {"applicationId": application})
        answer = request.send(self._client, f"starting a job run on {application}")
        monitoring = start.parameters.get("configurationOverrides", {}).get("monitoringConfiguration", {})
        logs = monitoring.get("s3MonitoringConfiguration", {}).get("logUri", "")
        return Run(application, str(answer["jobRunId"]), logs.rstrip("/"))

    def state(self, run: Run) -> RunState:
        of_run = {"applicationId": run.group, "jobRunId": run.id}
        answer = Request(ON_SERVERLESS, "GetJobRun", of_run).send(self._client, f"the state of {run.id} on {run.group}")
        name, details = answer["jobRun"]["state"], answer["jobRun"].get("stateDetails") or ""
        ended = answer["jobRun"].get("endedAt") or answer["jobRun"].get("updatedAt")
        if name == "SUCCESS":
            return RunState(name, is_final=True, is_ok=True, exit_code=0, ended=ended)
        code = _EXIT_CODE.search(details)
        is_final = name in _FINAL
        message = reason_told(details) if is_final else ""
        return RunState(name, is_final, False, message, int(code[1]) if code else None, ended if is_final else None)

    def cancel(self, run: Run) -> None:
        of_run = {"applicationId": run.group, "jobRunId": run.id}
        Request(ON_SERVERLESS, "CancelJobRun", of_run).send(self._client, f"cancelling {run.id} on {run.group}")

    def logs(self, run: Run) -> list[Log]:
        folder = f"{run.logs}/applications/{run.group}/jobs/{run.id}/SPARK_DRIVER"
        names = ("stderr", "stdout") if run.logs else ()
        return [Log(f"driver {name}", f"{folder}/{name}.gz", is_drivers=True) for name in names]

    def ui(self, run: Run) -> str | None:
        try:
            found = self._client.get_dashboard_for_job_run(applicationId=run.group, jobRunId=run.id)
        except (ClientError, BotoCoreError):  # not yet, or not allowed: the run itself is none the worse
            return None
        return str(found["url"]) if found.get("url") else None

    def page(self, run: Run) -> str:
        region = self._client.meta.region_name
        return f"https://{region}.console.aws.amazon.com/emr/home?region={region}#/serverless-applications/{run.group}/{run.id}"

    def _find(self) -> str | None:
        """An application of the name, the release and the architecture that would be made."""
        wanted = {key: self._application.get(key) for key in ("name", "releaseLabel", "architecture")}
        with telling("listing the applications of EMR Serverless"):
            for page in self._client.get_paginator("list_applications").paginate(states=ALIVE):
                for found in page["applications"]:
                    if {key: found.get(key, wanted[key]) for key in wanted} == wanted:
                        return str(found["id"])
        return None

    def _create(self, request: Request) -> str:
        """Make the application, and wait until it takes runs."""
        what = f"creating the application {self._application.get('name')}"
        made = str(request.send(self._client, what)["applicationId"])
        for _ in range(CREATION_SECONDS):
            asked = Request(ON_SERVERLESS, "GetApplication", {"applicationId": made})
            found = asked.send(self._client, what)["application"]
            if found["state"] != "CREATING":
                return made
            self._sleep(1)
        raise RunError(f"{what}: {made} has not been ready for {CREATION_SECONDS} s: try again with --on emr-serverless:{made}")
