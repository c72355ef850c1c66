"""The log of what went wrong with a datum, as MsPASS keeps it in ``logdata``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_PREFIX = "ErrorSeverity."


class Badness(StrEnum):
    """How bad an entry is, from the harmless to the worst."""

    INFORMATIONAL = "Informational"
    DEBUG = "Debug"
    """Only read: MsPASS has it."""
    COMPLAINT = "Complaint"
    """A problem that was repaired, or that leaves the datum usable."""
    SUSPECT = "Suspect"
    """The datum may be wrong."""
    INVALID = "Invalid"
    """The datum is of no use: entries of data that were killed."""
    FATAL = "Fatal"


@dataclass(frozen=True)
class LogEntry:
    """What an algorithm had to say, and the process that posted it."""

    algorithm: str
    badness: Badness
    message: str
    process_id: int = field(default_factory=os.getpid)
    job_id: int = 0

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> LogEntry:
        """An entry of ``logdata``; ValueError where a field is missing or the badness is none."""
        try:
            return cls(
                str(document["algorithm"]),
                Badness(str(document["badness"]).removeprefix(_PREFIX)),
                str(document["error_message"]),
                int(document["process_id"]),
                int(document["job_id"]),
            )
        except KeyError as error:
            raise ValueError(f"an entry of a log without {error.args[0]}") from None

    def document(self) -> dict[str, Any]:
        """The entry as it stands in ``logdata``."""
        return {
            "job_id": self.job_id,
            "algorithm": self.algorithm,
            "badness": f"{_PREFIX}{self.badness}",
            "error_message": self.message,
            "process_id": self.process_id,
        }


@dataclass
class ErrorLog:
    """Entries in the order in which they were posted.

    >>> log = ErrorLog()
    >>> entry = log.post("bandpass", "corner above Nyquist, clipped")
    >>> log.documents()[0]["badness"]
    'ErrorSeverity.Complaint'
    """

    entries: list[LogEntry] = field(default_factory=list)
    saved: int = field(default=0, compare=False)
    """Of the entries, the first so many stand in documents already."""

    @classmethod
    def from_documents(cls, logdata: Iterable[Mapping[str, Any]]) -> ErrorLog:
        """The log of a ``logdata`` list; ValueError where an entry is none."""
        return cls([LogEntry.from_document(document) for document in logdata])

    def documents(self, *, unsaved: bool = False) -> list[dict[str, Any]]:
        """The log as a ``logdata`` list, or what of it stands in no document yet."""
        return [entry.document() for entry in self.entries[self.saved if unsaved else 0 :]]

    def post(self, algorithm: str, message: str | Exception, badness: Badness = Badness.COMPLAINT) -> LogEntry:
        """Add an entry of this process."""
        entry = LogEntry(algorithm, Badness(badness), str(message))
        self.entries.append(entry)
        return entry

    def __iter__(self) -> Iterator[LogEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)
