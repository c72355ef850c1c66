"""Runs as steps of a cluster on Amazon EMR: one that is there, or one that is made for the run and ends with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from seisbatch.launch.failures import reason_told, telling
from seisbatch.launch.service import ON_EMR, Log, Request, Run, RunState
from seisbatch.outcome import RunError

RUNNER = "command-runner.jar"
"""Amazon's program that runs a command on the primary node as a step."""
ATTEMPTS = 2
"""How often YARN starts a driver, at most."""
_SUBMITTED = re.compile(r"Submitted application (application_\d+_\d+)")
_BEFORE_SPARK_4 = re.compile(r"emr-[1-7]\.")
_FINAL_STEP = {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}
_ENDING_CLUSTER = {"TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS"}


def step(name: str, arguments: Sequence[str], on_failure: str) -> dict[str, Any]:
    """A step (StepConfig) that calls spark-submit; ``on_failure`` is CONTINUE or TERMINATE_CLUSTER."""
    runs = {"Jar": RUNNER, "Args": ["spark-submit", *arguments]}
    return {"Name": name, "ActionOnFailure": on_failure, "HadoopJarStep": runs}


def add_step_request(cluster: str, name: str, arguments: Sequence[str]) -> Request:
    """A step for a cluster that is there; it goes on for others where this one fails."""
    return Request(ON_EMR, "AddJobFlowSteps", {"JobFlowId": cluster, "Steps": [step(name, arguments, "CONTINUE")]})


def create_cluster_request(cluster: Mapping[str, Any], name: str, arguments: Sequence[str]) -> Request:
    """A cluster as conf/emr/cluster.json has it, with one step, after which it ends."""
    return Request(ON_EMR, "RunJobFlow", {**cluster, "Steps": [step(name, arguments, "TERMINATE_CLUSTER")]})


def kill_request(cluster: str, application: str) -> Request:
    """A step that ends an application of YARN."""
    runs = {"Jar": RUNNER, "Args": ["yarn", "application", "-kill", application]}
    kills = {"Name": f"kill {application}", "ActionOnFailure": "CONTINUE", "HadoopJarStep": runs}
    return Request(ON_EMR, "AddJobFlowSteps", {"JobFlowId": cluster, "Steps": [kills]})


def driver_containers(application: str) -> list[str]:
    """The containers in which YARN may have run an application's driver, that of the last attempt first.

    >>> driver_containers("application_1767268800000_0001")
    ['container_1767268800000_0001_02_000001', 'container_1767268800000_0001_01_000001']
    """
    numbers = application.removeprefix("application_")
    return [f"container_{numbers}_{attempt:02d}_000001" for attempt in range(ATTEMPTS, 0, -1)]


class Emr:
    """Amazon EMR on EC2: the cluster ``j-...``, or else one made of ``template``, a filled in request RunJobFlow.

    ``read`` gives the lines of a gzipped log on S3, or None where it is not there.
    """

    def __init__(
        self,
        client: Any,
        cluster: str | None = None,
        template: Mapping[str, Any] | None = None,
        read: Callable[[str], Iterable[str] | None] = lambda uri: None,
    ) -> None:
        self._client, self._cluster, self._template, self._read = client, cluster, template or {}, read
        self._known: dict[str, list[str]] = {}  # applications of YARN by step

    def requests(self, name: str, arguments: Sequence[str]) -> list[Request]:
        if self._cluster:
            return [add_step_request(self._cluster, name, arguments)]
        return [create_cluster_request(self._template, name, arguments)]

    def require(self) -> None:
        if self._cluster:
            self._required(self._cluster)

    def submit(self, name: str, arguments: Sequence[str]) -> Run:
        [request] = self.requests(name, arguments)
        if not self._cluster:
            made = str(request.send(self._client, "creating the cluster")["JobFlowId"])
            return Run(made, self._only_step(made), _s3(self._template.get("LogUri", "")), owns_group=True)
        cluster = self._required(self._cluster)
        answer = request.send(self._client, f"adding a step to {self._cluster}")
        return Run(self._cluster, str(answer["StepIds"][0]), _s3(cluster.get("LogUri") or ""))

    def state(self, run: Run) -> RunState:
        what = f"the state of {run.id} on {run.group}"
        answer = Request(ON_EMR, "DescribeStep", {"ClusterId": run.group, "StepId": run.id}).send(self._client, what)
        if not answer.get("Step"):
            raise RunError(f"{what}: there is no such step")
        status = answer["Step"]["Status"]
        name, ended = status["State"], (status.get("Timeline") or {}).get("EndDateTime")
        if name == "COMPLETED":
            return RunState(name, is_final=True, is_ok=True, exit_code=0, ended=ended)
        if name not in ("PENDING", "CANCELLED"):
            return RunState(name, is_final=name in _FINAL_STEP, is_ok=False, message=_reason(status), ended=ended)
        of_cluster = self._describe(run.group)["Status"]
        if name == "CANCELLED":
            return RunState(name, is_final=True, is_ok=False, message=_reason(status) or _reason(of_cluster))
        has_ended = of_cluster["State"] in _ENDING_CLUSTER
        return RunState(f"{name}, cluster {of_cluster['State']}", has_ended, False, _reason(of_cluster) if has_ended else "")

    def cancel(self, run: Run) -> None:
        """A driver within the cluster outlives the step that started it: YARN is told to end it."""
        what = f"cancelling {run.id} on {run.group}"
        if run.owns_group:
            Request(ON_EMR, "TerminateJobFlows", {"JobFlowIds": [run.group]}).send(self._client, what)
            return
        steps = {"ClusterId": run.group, "StepIds": [run.id], "StepCancellationOption": "SEND_INTERRUPT"}
        [answer] = Request(ON_EMR, "CancelSteps", steps).send(self._client, what)["CancelStepsInfoList"]
        if answer["Status"] == "FAILED":
            raise RunError(f"{what}: {answer.get('Reason') or 'Amazon EMR did not take it, and does not say why'}")
        for application in self._applications(run):
            kill_request(run.group, application).send(self._client, what)

    def logs(self, run: Run) -> list[Log]:
        if not run.logs:
            return []
        root, found = f"{run.logs}/{run.group}", []
        for application in self._applications(run):
            for container in driver_containers(application):
                found += [
                    Log(f"driver {name}", f"{root}/containers/{application}/{container}/{name}.gz", is_drivers=True)
                    for name in ("stderr", "stdout")
                ]
        step_logs = [Log(f"step {name}", f"{root}/steps/{run.id}/{name}.gz") for name in ("stderr", "stdout")]
        return [*found, *step_logs, Log("controller", f"{root}/steps/{run.id}/controller.gz")]

    def _applications(self, run: Run) -> list[str]:
        """The applications of YARN that a step has started: as Amazon EMR tells, or else as the step's log does."""
        if not self._known.get(run.id):
            asked = Request(ON_EMR, "DescribeStep", {"ClusterId": run.group, "StepId": run.id})
            about = (asked.send(self._client, f"the step {run.id}").get("Step") or {}).get("AdditionalInfo") or {}
            lines = self._read(f"{run.logs}/{run.group}/steps/{run.id}/stderr.gz") if run.logs else None
            told = about.get("ResourceManagerApplicationIds") or _SUBMITTED.findall("\n".join(lines or ()))
            self._known[run.id] = list(dict.fromkeys(told))
        return self._known[run.id]

    def ui(self, run: Run) -> str | None:
        """The Spark history server that Amazon keeps outside of the cluster, for 30 days after its end."""
        arn = self._describe(run.group).get("ClusterArn")
        try:
            made = self._client.create_persistent_app_ui(TargetResourceArn=arn, ProfilerType="SHS")
            found = self._client.get_persistent_app_ui_presigned_url(
                PersistentAppUIId=made["PersistentAppUIId"], PersistentAppUIType="SHS"
            )
        except (ClientError, BotoCoreError):  # not yet, or not allowed: the run itself is none the worse
            return None
        return found.get("PresignedURL") if found.get("PresignedURLReady") else None

    def page(self, run: Run) -> str:
        region = self._client.meta.region_name
        return f"https://{region}.console.aws.amazon.com/emr/home?region={region}#/clusterDetails/{run.group}"

    def _required(self, name: str) -> dict[str, Any]:
        """What there is to know of a cluster that takes steps; RunError where it takes none."""
        cluster = self._describe(name)
        state = cluster["Status"]["State"]
        if state in _ENDING_CLUSTER:
            why = f"{state} {_reason(cluster['Status'])}".strip()
            raise RunError(f"the cluster {name} is {why}: name another, or write --on emr for one that is made for the run")
        if not any(application["Name"] == "Spark" for application in cluster.get("Applications", [])):
            raise RunError(f"the cluster {name} has no Spark: name one that was made with the application Spark")
        if _BEFORE_SPARK_4.match(cluster.get("ReleaseLabel") or ""):
            raise RunError(
                f"the cluster {name} is of release {cluster['ReleaseLabel']}, whose Spark is older than 4: name one of the "
                "release in conf/emr/cluster.json, or write --on emr for one that is made for the run"
            )
        return cluster

    def _describe(self, cluster: str) -> dict[str, Any]:
        request = Request(ON_EMR, "DescribeCluster", {"ClusterId": cluster})
        found: dict[str, Any] = request.send(self._client, f"the cluster {cluster}")["Cluster"]
        return found

    def _only_step(self, cluster: str) -> str:
        made = f"the cluster {cluster} was made, and runs the job"
        try:
            with telling(f"the step of {cluster}: {made}"):
                return str(self._client.list_steps(ClusterId=cluster)["Steps"][0]["Id"])
        except KeyboardInterrupt:
            raise RunError(f"{made}: `aws emr terminate-clusters --cluster-ids {cluster}` ends both") from None


def _reason(status: Mapping[str, Any]) -> str:
    """Why a step or a cluster is in its state, as far as it is said."""
    details, change = status.get("FailureDetails") or {}, status.get("StateChangeReason") or {}
    said = [details.get("Reason"), details.get("Message") or change.get("Message")]
    return reason_told(": ".join(filter(None, said)))


def _s3(uri: str) -> str:
    """A place on S3 as everybody else writes it: EMR answers s3n://bucket/prefix/."""
    return re.sub(r"^s3[an]://", "s3://", uri).rstrip("/")
