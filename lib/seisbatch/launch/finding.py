"""What a check of ``./submit.sh doctor`` found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: a run goes well, may not, or cannot."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """A line: what was looked at, what it is like, and what to do about it where there is something."""

    level: Level
    what: str
    told: str
    to_do: str = ""

    def __str__(self) -> str:
        return f"  {self.level:<8}  {self.what:<14}  {self.told}" + (f": {self.to_do}" if self.to_do else "")


def ok(what: str, told: str) -> Finding:
    return Finding(Level.OK, what, told)


def warning(what: str, told: str, to_do: str) -> Finding:
    return Finding(Level.WARNING, what, told, to_do)


def problem(what: str, told: str, to_do: str) -> Finding:
    return Finding(Level.PROBLEM, what, told, to_do)
