"""What names a run: its job, its output, and the parameters that determine its results, however often it is resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from seisbatch.acquire.objects import StoreSettings
from seisbatch.config import parameters_id


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """A run's names, all of them functions of its parameters."""

    job: ClassVar[str]
    parameters: Mapping[str, Any]
    out: StoreSettings

    @cached_property
    def parameters_id(self) -> str:
        return parameters_id(self.parameters)

    @property
    def run_id(self) -> str:
        return f"{self.job}-{self.parameters_id}"

    @property
    def scratch(self) -> str:
        """Prefix of what is removed at the end."""
        return f"_scratch/{self.parameters_id}"

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every file of the run's tables says of it."""
        parameters = json.dumps(self.parameters, sort_keys=True, default=str)
        return (("seisbatch.parameters_id", self.parameters_id), ("seisbatch.parameters", parameters))

    @property
    def names(self) -> dict[str, Any]:
        """What a step needs to know of the run that it is part of."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "out": self.out,
            "parameters_id": self.parameters_id,
            "metadata": self.metadata,
        }
