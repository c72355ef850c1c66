"""What became of a unit of work: the outcomes, and the errors that become one.

An error that belongs to a unit (its object is missing, its bytes are corrupt, its data break a stated rule) is a
:class:`UnitError`: it is recorded as a row and the run goes on. An error that belongs to the run (a bad option,
denied credentials, a full disk) is a :class:`RunError`: it ends the run with one message and a non-zero exit code.
"""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")

REASON_LENGTH = 500
"""Reasons are cut to this many characters, so that one hostile file cannot bloat the outcomes table."""


class Outcome(StrEnum):
    """What became of a unit."""

    OK = "ok"
    EMPTY = "empty"
    """No samples in what was asked."""
    MISSING = "missing"
    """No such object."""
    DENIED = "denied"
    """The store refused to hand the object out."""
    CORRUPT = "corrupt"
    """The bytes are not what their format says."""
    REJECTED = "rejected"
    """The data break a stated rule, such as too many gaps."""
    FAILED = "failed"
    """A bug, or an exhausted retry."""


def plural(kind: str) -> str:
    """Units of a kind, in words.

    >>> plural("window"), plural("batch")
    ('windows', 'batches')
    """
    return f"{kind}es" if kind.endswith("ch") else f"{kind}s"


RETRIED = frozenset({Outcome.FAILED, Outcome.DENIED})
"""Outcomes that another try may change; the others follow from the data."""


class UnitError(Exception):
    """A unit that cannot be processed; ``outcome`` says what becomes of it, the message why."""

    outcome = Outcome.FAILED


class Empty(UnitError):
    outcome = Outcome.EMPTY


class Missing(UnitError):
    outcome = Outcome.MISSING


class Denied(UnitError):
    outcome = Outcome.DENIED


class Corrupt(UnitError):
    outcome = Outcome.CORRUPT


class Rejected(UnitError):
    outcome = Outcome.REJECTED


class RunError(Exception):
    """What is wrong with the run, not with a unit of it: ends the run with this message and a non-zero exit code."""


@dataclass(frozen=True)
class Result(Generic[T]):
    """What :func:`guard` made of one unit: a value where it succeeded, and always an outcome, a reason and the time."""

    value: T | None
    outcome: Outcome
    reason: str
    seconds: float

    @property
    def error(self) -> UnitError:
        """What the work ended with, where it has no value, to be raised or handed on."""
        error = UnitError(self.reason)
        error.outcome = self.outcome
        return error


def guard(work: Callable[[], T], passing: tuple[type[Exception], ...] = ()) -> Result[T]:
    """Run the work of one unit and turn whatever it raises into an outcome.

    :class:`RunError`, and errors of the machine rather than of the unit (``MemoryError``, a full disk), pass through, and so
    do those of the types ``passing``.
    An unforeseen exception becomes ``failed`` with the place it came from, so that a bug is seen and counted.
    """
    started = time.perf_counter()

    def result(value: T | None, outcome: Outcome, reason: str) -> Result[T]:
        return Result(value, outcome, reason[:REASON_LENGTH], time.perf_counter() - started)

    try:
        return result(work(), Outcome.OK, "")
    except UnitError as error:
        return result(None, error.outcome, str(error))
    except (RunError, MemoryError):
        raise
    except passing:
        raise
    except Exception as error:
        if isinstance(error, OSError) and is_out_of_space(error):
            raise RunError(f"no space left: {error}") from error
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
        return result(None, Outcome.FAILED, f"{type(error).__name__} at {place}: {error}")


def is_out_of_space(error: OSError) -> bool:
    """Whether the error says that a disk or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
