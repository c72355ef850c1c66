"""The steps that made a datum, since it was last saved or read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

ORIGIN = "ORIGIN"


@dataclass(frozen=True)
class Step:
    """A step: its id, the algorithm (``ORIGIN`` for where the datum comes from) and its parameters, plain values."""

    id: str
    algorithm: str
    parameters: Mapping[str, Any]


@dataclass
class History:
    """Steps, each on what the one before it made.

    A step's id follows from the algorithm, the parameters and the steps before it: the same steps from the same origin have the
    same ids, whenever and wherever they are run. The ids of data that have an origin of their own differ.

    >>> history = History()
    >>> history.reroot("wf_TimeSeries", "6b04d0534ec34db51fab8741")
    >>> step = history.add("bandpass", freqmin=0.5, freqmax=10.0)
    >>> [step.algorithm for step in history]
    ['ORIGIN', 'bandpass']
    """

    steps: list[Step] = field(default_factory=list)

    @classmethod
    def from_documents(cls, documents: Iterable[Mapping[str, Any]]) -> History:
        """The history of a list of documents as :meth:`documents` gives it; ValueError where one is none."""
        try:
            return cls([Step(doc["id"], doc["algorithm"], dict(doc["parameters"])) for doc in documents])
        except KeyError as error:
            raise ValueError(f"a step of a history without {error.args[0]}") from None

    def documents(self) -> list[dict[str, Any]]:
        """The steps as documents: ``id``, ``algorithm``, ``parameters``."""
        return [{"id": step.id, "algorithm": step.algorithm, "parameters": dict(step.parameters)} for step in self.steps]

    def add(self, algorithm: str, **parameters: Any) -> Step:
        """Add a step."""
        before = self.steps[-1].id if self.steps else ""
        told = json.dumps([before, algorithm, parameters], sort_keys=True, default=str)
        step = Step(hashlib.sha256(told.encode()).hexdigest()[:32], algorithm, parameters)
        self.steps.append(step)
        return step

    def reroot(self, collection: str, saved_id: object) -> None:
        """Clear it: the datum now comes from what was saved, a document of a collection, by its id."""
        self.steps.clear()
        self.add(ORIGIN, collection=collection, id=str(saved_id))

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)
