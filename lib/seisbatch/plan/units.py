"""Commit units: what a stage maps over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

Step = Callable[[Any, Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
"""What a stage maps: its settings, and batches of units; rows of outcomes come out."""


@dataclass(frozen=True, eq=False)
class Units:
    """A stage's commit units as a DataFrame of keys, how many there are, and how many outcomes they will give."""

    kind: str
    frame: DataFrame
    number: int
    outcomes: int


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The commit units of a run of one stage, how many units of each kind are planned, and what they will take."""

    batches: Units
    planned: dict[str, int]
    told: list[tuple[str, str]]
    problems: DataFrame | None = None

    def lines(self) -> list[tuple[str, str]]:
        """What the run will take, for the terminal."""
        return self.told
