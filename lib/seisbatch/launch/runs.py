"""Records of runs that were sent to a cluster, ``.build/runs/RUN.json``, by which they are found again, without any secret."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seisbatch.launch.secrecy import redacted
from seisbatch.launch.service import Run
from seisbatch.outcome import RunError

NAME_LENGTH = 64
"""What EMR Serverless takes as the token of a run."""


@dataclass(frozen=True)
class Record:
    """A run that was sent: its name, what it was, and where it is."""

    name: str
    where: str
    """As ``--on`` had it."""
    service: str
    region: str
    job: str
    options: tuple[str, ...]
    started: str
    """UTC, ISO 8601."""
    run: Run
    out: str | None = None
    out_endpoint: str | None = None
    out_region: str | None = None
    profile: str | None = None
    """The name of the profile whose credentials it was sent with."""

    @property
    def started_at(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.started)


def new_name(job: str, now: dt.datetime) -> str:
    """A name for a run that no other has: of letters, digits, ``-`` and ``_``, which every service takes.

    >>> new_name("cross_correlate", dt.datetime(2026, 1, 2, 3, 4, 5))[:-4]
    'cross_correlate-20260102-030405-'
    """
    when = f"-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    return re.sub(r"[^A-Za-z0-9_-]+", "-", job)[: NAME_LENGTH - len(when)] + when


def save(folder: Path, record: Record) -> None:
    """Keep a record, whole or not at all; secrets among the options are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = dataclasses.asdict(dataclasses.replace(record, options=tuple(redacted(record.options))))
    part = folder / f".{record.name}.{os.getpid()}"
    part.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / f"{record.name}.json")


def records(folder: Path) -> list[Record]:
    """Every run that there is a record of, the oldest first."""
    return sorted(map(_read, folder.glob("[!.]*.json")), key=lambda record: (record.started, record.name))


def find(folder: Path, word: str | None) -> Record:
    """The newest run, or the one whose name begins with a word, or whose step, job run or cluster it is.

    RunError where there is none, or where several names begin with it.
    """
    known = records(folder)
    if not known:
        raise RunError("no run has been sent to a cluster from here: ./submit.sh --on emr... JOB sends one")
    if word is None:
        return known[-1]
    exact = [record for record in known if word in (record.name, record.run.id, record.run.group)]
    found = exact[-1:] or [record for record in known if record.name.startswith(word)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(record.name for record in (found or known)[-5:])
    if found:
        raise RunError(f"{word} may be {len(found)} runs: {names}{', ...' if len(found) > 5 else ''}")
    raise RunError(f"there is no run {word}; the last ones are {names}")


def _read(path: Path) -> Record:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        record = Record(**kept | {"options": tuple(kept["options"]), "run": Run(**kept["run"])})
        record.started_at.astimezone(dt.UTC)
        return record
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path} is no record of a run ({type(error).__name__}): remove it") from error


def shown_command(record: Record) -> str:
    """The command that started a run, as it may be shown."""
    return " ".join(["./submit.sh", "--on", record.where, record.job, *_quoted(record.options)])


def _quoted(words: Sequence[str]) -> list[str]:
    return [word if re.fullmatch(r"[\w./:=,@%+-]+", word) else "'" + word.replace("'", r"'\''") + "'" for word in words]
