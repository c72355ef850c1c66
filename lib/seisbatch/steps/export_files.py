"""Files that segments are exported to: miniSEED, SAC and ASDF, each put whole, several at a time."""

from __future__ import annotations

import functools
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from seisbatch.names import Channel, file_name
from seisbatch.outcome import Outcome, Result, UnitError, guard
from seisbatch.process.segments import Segment
from seisbatch.sinks.asdf import AsdfFile
from seisbatch.sinks.records_file import space_for
from seisbatch.sinks.sac import sac_bytes
from seisbatch.steps.batches import BatchFiles
from seisbatch.steps.station_tables import StationTables

EXPORT = "export"
"""Folder of the files."""
PUTS = 32
HELD_BYTES = 32_000_000
"""Files and their bytes in memory that are on their way at a time."""
SHARED = ("window", *Channel._fields, "source_id", "data_tag")

Row = Mapping[str, Any]


@dataclass(eq=False)
class ExportedFile:
    """A file that is being exported: its key, segments by group, and what its row of ``exports`` tells."""

    key: str
    segments: dict[str, int] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)

    def add(self, label: str, row: Row) -> None:
        """A segment of a group is in it."""
        self.segments[label] = self.segments.get(label, 0) + 1
        told = self.columns
        if not told:
            told |= {column: row[column] for column in SHARED}
            told |= {"segments": 0, "npts": 0, "starttime": row["starttime"], "endtime": row["endtime"]}
        told |= {column: None for column in SHARED if told[column] != row[column]}
        told["segments"] += 1
        told["npts"] += row["npts"]
        told["starttime"] = min(told["starttime"], row["starttime"])
        told["endtime"] = max(told["endtime"], row["endtime"])


Done = tuple[ExportedFile, Result[int]]


class Puts:
    """Files on their way to the store, several at a time, never more than :data:`HELD_BYTES` of them in memory."""

    def __init__(self, files: BatchFiles, pool: ThreadPoolExecutor) -> None:
        self._files, self._pool = files, pool
        self._waiting: deque[tuple[ExportedFile, int, Future[Result[int]]]] = deque()
        self._held = 0
        self._done: list[Done] = []

    def put(self, file: ExportedFile, data: bytes | Path) -> None:
        """Put a file as soon as there is room for it."""
        n_held = len(data) if isinstance(data, bytes) else 0
        while self._waiting and (len(self._waiting) >= PUTS or self._held + n_held > HELD_BYTES):
            self._take()
        future = self._pool.submit(guard, functools.partial(self._files.put, file.key, data))
        self._waiting.append((file, n_held, future))
        self._held += n_held

    def _take(self) -> None:
        file, n_held, future = self._waiting.popleft()
        self._done.append((file, future.result()))
        self._held -= n_held

    def finish(self) -> list[Done]:
        """Every file with its bytes, or with what became of it."""
        while self._waiting:
            self._take()
        return self._done


class Writer(Protocol):
    """Segments in, files out."""

    def add(self, label: str, row: Row, name: Channel, segment: Segment, records: bytes) -> Sequence[str] | None:
        """Write a segment of a group; what of it is worth knowing, if anything. UnitError where it cannot be written."""

    def finish(self) -> list[Done]:
        """Put what is left; every file with its bytes, or what became of it. A reason beside ``ok`` is worth knowing."""


@contextmanager
def writer_of(format: str, files: BatchFiles, name: str, stations: StationTables | None) -> Iterator[Writer]:
    """The writer of a format, for the batch ``name``; what it holds on the local disk is gone when it is left."""
    with ThreadPoolExecutor(PUTS, thread_name_prefix="put") as pool, tempfile.TemporaryDirectory(prefix="seisbatch-") as folder:
        puts = Puts(files, pool)
        month = name.rpartition("/")[0]
        match format:
            case "mseed":
                yield MiniseedWriter(puts, month, Path(folder))
            case "sac":
                yield SacWriter(puts, month, stations)
            case _:
                with AsdfFile() as file:
                    yield AsdfWriter(puts, name, file, stations)


class MiniseedWriter:
    """A file of miniSEED for every group, its records as they are stored."""

    def __init__(self, puts: Puts, month: str, folder: Path) -> None:
        self._puts, self._month, self._folder = puts, month, folder
        self._files: dict[str, tuple[ExportedFile, Path]] = {}

    def add(self, label: str, row: Row, name: Channel, segment: Segment, records: bytes) -> None:
        if label not in self._files:
            key = f"{EXPORT}/{self._month}/{file_name(label)}.ms"
            self._files[label] = ExportedFile(key), self._folder / f"{len(self._files)}.ms"
        file, path = self._files[label]
        with space_for(self._folder), path.open("ab") as part:  # there may be more of them than files that can be open
            part.write(records)
        file.add(label, row)

    def finish(self) -> list[Done]:
        for file, path in self._files.values():
            self._puts.put(file, path)
        return self._puts.finish()


class SacWriter:
    """A SAC file for every segment, in a folder for every group."""

    def __init__(self, puts: Puts, month: str, stations: StationTables | None) -> None:
        self._puts, self._month, self._stations = puts, month, stations
        self._keys: set[str] = set()

    def add(self, label: str, row: Row, name: Channel, segment: Segment, records: bytes) -> None:
        epoch = self._stations.epoch(name, segment.start_ns) if self._stations else None
        body = sac_bytes(row, name, segment, epoch)
        stem = f"{EXPORT}/{self._month}/{file_name(label)}/{name}.{row['starttime']:%Y-%m-%dT%H%M%S.%f}"
        number, key = 0, f"{stem}.SAC"
        while key in self._keys:  # an event's object may hold a channel twice
            number += 1
            key = f"{stem}.{number}.SAC"
        self._keys.add(key)
        file = ExportedFile(key)
        file.add(label, row)
        self._puts.put(file, body)

    def finish(self) -> list[Done]:
        return self._puts.finish()


class AsdfWriter:
    """One ASDF file for all groups of a batch."""

    def __init__(self, puts: Puts, name: str, file: AsdfFile, stations: StationTables | None) -> None:
        self._puts, self._stations, self._asdf = puts, stations, file
        self._file = ExportedFile(f"{EXPORT}/{name}.h5")
        self._names: set[Channel] = set()

    def add(self, label: str, row: Row, name: Channel, segment: Segment, records: bytes) -> None:
        self._asdf.add(row, name, segment)
        self._names.add(name)
        self._file.add(label, row)

    def finish(self) -> list[Done]:
        if not self._names:
            return []
        notes: list[str] = []
        done = guard(lambda: self._complete(notes))
        if done.value is None:
            return [(self._file, Result(None, done.outcome, done.reason, done.seconds))]
        self._puts.put(self._file, done.value)
        told = "; ".join(notes)
        return [
            (file, Result(result.value, result.outcome, told, result.seconds) if result.outcome is Outcome.OK else result)
            for file, result in self._puts.finish()
        ]

    def _complete(self, notes: list[str]) -> Path:
        found: Sequence[Any] = () if self._stations is None else tuple(self._stations.inventories(self._names))
        for station, inventory in found:
            if isinstance(inventory, UnitError):
                notes.append(f"StationXML of {station} {inventory.outcome}: {inventory}")
            else:
                self._asdf.add_station(inventory)
        return self._asdf.finish()
