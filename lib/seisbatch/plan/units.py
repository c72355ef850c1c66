"""Commit units: what a stage maps over."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame


@dataclass(frozen=True, eq=False)
class Units:
    """A stage's commit units as a DataFrame of keys, how many there are, and how many outcomes they will give."""

    kind: str
    frame: DataFrame
    number: int
    outcomes: int
