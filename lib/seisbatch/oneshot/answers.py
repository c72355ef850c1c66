"""A request to its answer: ground motion made and put, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seisbatch.acquire.objects import open_store
from seisbatch.oneshot.requests import Request
from seisbatch.outcome import Denied, Outcome, RunError, UnitError
from seisbatch.steps.motion_objects import MotionSettings
from seisbatch.steps.motion_requests import motion_of_request


@dataclass(frozen=True)
class Answer:
    """What became of a request: keys of the objects that were put in the bucket, the outcome and its reason or remarks."""

    bucket: str
    keys: tuple[str, ...]
    outcome: Outcome
    reason: str
    n_read: int

    def as_json(self) -> dict[str, Any]:
        """As the caller gets it; ``key`` is the first of the keys."""
        return {
            "key": self.keys[0] if self.keys else None,
            "keys": list(self.keys),
            "bucket": self.bucket,
            "outcome": str(self.outcome),
            "reason": self.reason,
        }


def answer(request: Request, settings: MotionSettings) -> Answer:
    """Make and put what is asked for; what the data do not give is an answer too.

    Raises UnitError where reading or writing failed, which another try may change, and RunError where the output refuses
    what it is given.
    """
    bucket, prefix = _place(settings.out.root)
    try:
        found = motion_of_request(settings, request)
    except UnitError as error:
        if error.outcome is Outcome.FAILED:
            raise
        return Answer(bucket, (), error.outcome, str(error), 0)
    store = open_store(settings.out)
    for item in found.objects:
        try:
            store.put(item.key, item.body)
        except Denied as error:
            raise RunError(f"the output cannot be written: {error}") from None
    keys = tuple(prefix + item.key for item in found.objects)
    return Answer(bucket, keys, Outcome.OK, "; ".join(found.notes), found.n_read)


def _place(root: str) -> tuple[str, str]:
    """The bucket, and what of a key in it stands before the store's own; of a folder its path, and nothing."""
    if not root.startswith("s3://"):
        return root, ""
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
