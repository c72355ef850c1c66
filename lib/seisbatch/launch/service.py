"""What the services that a job can be sent to have in common: a request, a run, its state, and what can be asked of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from botocore import xform_name

from seisbatch.launch.failures import telling

ON_EMR, ON_SERVERLESS = "emr", "emr-serverless"


@dataclass(frozen=True)
class Request:
    """One call of a service as it is sent: ``emr``, ``RunJobFlow`` and its parameters."""

    service: str
    operation: str
    parameters: dict[str, Any]

    def send(self, client: Any, what: str) -> dict[str, Any]:
        """The service's answer; RunError, beginning with ``what`` was done, where it refuses."""
        with telling(what):
            answer: dict[str, Any] = getattr(client, xform_name(self.operation))(**self.parameters)
        return answer


@dataclass(frozen=True)
class Run:
    """A run that a service has taken."""

    group: str
    """The cluster or the application that it runs on."""
    id: str
    """The step or the job run."""
    logs: str = ""
    """Where its logs go, ``s3://bucket/prefix``; empty where none are kept."""
    owns_group: bool = False
    """Whether the cluster was made for it, and ends with it."""


@dataclass(frozen=True)
class RunState:
    """What became of a run so far."""

    name: str
    """In the service's words, such as ``RUNNING``."""
    is_final: bool
    is_ok: bool
    message: str = ""
    """Why, where the service says."""
    exit_code: int | None = None
    """The job's own, where the service says."""
    ended: dt.datetime | None = None
    """When it ended, where the service says."""


class Log(NamedTuple):
    """A gzipped log on S3, which the service writes while a run goes on or some minutes after its end."""

    name: str
    """What wrote it, and where to: ``driver stdout``, ``step stderr``, ``controller``."""
    uri: str
    is_drivers: bool = False


class Service(Protocol):
    """A service that runs jobs. Every method raises RunError where AWS refuses, Unreachable where it does not answer."""

    def requests(self, name: str, arguments: Sequence[str]) -> list[Request]:
        """What :meth:`submit` would send that changes anything, without sending it or asking anything."""

    def require(self) -> None:
        """RunError where it is clear beforehand that it takes no run: asked before packages of hundreds of MB are sent."""

    def submit(self, name: str, arguments: Sequence[str]) -> Run:
        """Start a run of that name with arguments as spark-submit takes them, the job file and its options among them."""

    def state(self, run: Run) -> RunState: ...

    def cancel(self, run: Run) -> None:
        """Ask for its end; a cluster that was made for it ends too."""

    def logs(self, run: Run) -> list[Log]:
        """Its logs as far as they are known: the driver's, and those of what started it."""

    def ui(self, run: Run) -> str | None:
        """A link to the Spark UI that lets in whoever has it, for a while; None where there is none yet."""

    def page(self, run: Run) -> str:
        """The run's page in Amazon's console, which asks for a login."""
