"""What index_archive wrote, read back: the objects of a day, and the pieces that they hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from seisbatch.acquire.objects import Part, Store, StoreSettings, open_store
from seisbatch.acquire.window import Piece
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.outcome import Corrupt, Outcome, RunError, UnitError
from seisbatch.schema import INDEX, WF_MINISEED
from seisbatch.times import from_datetime

Pieces = dict[tuple[str, str | None], dict[Channel, list[dict[str, Any]]]]
"""Pieces by object, which is its key and version, and by channel."""


def part_of(row: Mapping[str, Any], holds: str) -> Part:
    """What to fetch for a row of ``CHANNEL_DAY``: the object, or of a whole station's the channel's own bytes, where known."""
    if row.get("pieces") is None or holds == "channel-day":
        return Part(row["s3key"])
    ranges: list[tuple[int, int]] = []
    for piece in sorted(row["pieces"], key=lambda piece: int(piece["foff"])):
        start, length = piece["foff"], piece["nbytes"]
        if ranges and sum(ranges[-1]) == start:
            start, length = ranges[-1][0], ranges.pop()[1] + length
        ranges.append((start, length))
    return Part(row["s3key"], tuple(ranges), row["etag"])


class OpenedIndex(Protocol):
    """An index of one archive, about to be read."""

    def channel_days(self, day: dt.date, patterns: ChannelPatterns) -> list[dict[str, Any]]:
        """The channel-days of a day that match the patterns, and a row for each problem."""


class IndexPlace(Protocol):
    """Where an index stands that index_archive wrote; it can be pickled."""

    def require(self, layout: str) -> None:
        """Raise RunError where there is no such place, or no index of such an archive."""

    def opened(self, layout: str) -> OpenedIndex:
        """The index of an archive."""


@dataclass(frozen=True)
class IndexFiles:
    """The output of index_archive."""

    store: StoreSettings

    def require(self, layout: str) -> None:
        """Raise RunError where it is a folder that is not there."""
        open_store(self.store).require()

    def opened(self, layout: str) -> OpenedIndex:
        """Its table."""
        return IndexTable(open_store(self.store), layout)


class IndexTable:
    """What index_archive wrote, a month of it at a time: objects, and their pieces where their headers were read."""

    def __init__(self, store: Store, layout: str) -> None:
        self._store, self._layout = store, layout
        self._month: tuple[str, pa.Table] | None = None
        self._segments: tuple[str, list[str]] | None = None

    def channel_days(self, day: dt.date, patterns: ChannelPatterns) -> list[dict[str, Any]]:
        """The channel-days of a day that match the patterns; a row with a problem where the table has no such day."""
        try:
            found = self._of_month(day).filter(pc.field("date") == day).to_pylist()
            pieces = self._pieces(day) if found else {}
        except UnitError as error:
            return [problem(f"index/{day}", day, error.outcome, f"index table: {error}")]
        if not found:
            return [no_object_of(day)]
        if other := next((row["archive"] for row in found if row["archive"] != self._layout), None):
            raise RunError(f"{self._store.settings.root} is an index of {other}, not of {self._layout}")
        return channel_days_of(found, day, patterns, pieces)

    def _pieces(self, day: dt.date) -> Pieces:
        """The contiguous pieces of a day's objects, by object and channel, in the order in which they stand there."""
        prefix = f"{WF_MINISEED.name}/year={day.year:04d}/month={day.month:02d}"
        if self._segments is None or self._segments[0] != prefix:
            self._segments = prefix, [key for key, _ in self._store.list(prefix)]
        found: Pieces = {}
        for key in self._segments[1]:
            if not key.startswith(f"{prefix}/objects-{day:%d}-"):
                continue
            for row in _parquet(self._store, key).to_pylist():
                name = Channel(*(row[code] for code in Channel._fields))
                piece = {"start_ns": from_datetime(row["starttime"]), "last_ns": from_datetime(row["endtime"]),
                         **{column: row[column] for column in ("foff", "nbytes", "reclen", "sampling_rate")}}  # fmt: skip
                found.setdefault((row["s3key"], row["etag"]), {}).setdefault(name, []).append(piece)
        return found

    def _of_month(self, day: dt.date) -> pa.Table:
        key = f"{INDEX.name}/year={day.year:04d}/month={day.month:02d}/index.parquet"
        if self._month is None or self._month[0] != key:
            self._month = key, _parquet(self._store, key)
        return self._month[1]


def _parquet(store: Store, key: str) -> pa.Table:
    data = store.get(key)
    try:
        return pq.ParquetFile(pa.BufferReader(data)).read()
    except (pa.ArrowException, OSError, ValueError) as error:  # of what the bytes are, not of reading them
        raise Corrupt(f"{key}: {error}") from error


def channel_days_of(
    found: Iterable[Mapping[str, Any]], day: dt.date, patterns: ChannelPatterns, pieces: Pieces
) -> list[dict[str, Any]]:
    """Rows of ``INDEX`` of a day as rows of ``CHANNEL_DAY``, those that match.

    Of an object that holds several channels there is a row of each that is known to stand in it.
    """
    rows: list[dict[str, Any]] = []
    for row in found:
        codes = [row[code] for code in Channel._fields]
        if not patterns.may_match(*codes):
            continue
        of_object = pieces.get((row["s3key"], row["etag"]))
        if row["chan"] is None and of_object is not None:
            rows += [_of_channel(row, name, held) for name, held in of_object.items() if patterns.matches(name)]
        else:
            unit = f"{'.'.join(code for code in codes if code is not None)}/{day}"
            name = Channel(*(code or "" for code in codes))
            rows.append({**row, "unit": unit, "pieces": (of_object or {}).get(name)})
    return sorted(rows, key=lambda row: str(row["unit"]))


def no_object_of(day: dt.date) -> dict[str, Any]:
    """What is said of a day that an index does not have."""
    return problem(f"index/{day}", day, Outcome.MISSING, "index table: no object of the day")


def _of_channel(row: Mapping[str, Any], name: Channel, pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of one channel of an object that holds several."""
    n_bytes, rate = sum(piece["nbytes"] for piece in pieces), max(piece["sampling_rate"] for piece in pieces)
    unit = f"{name}/{row['date']}"
    return {**row, **name._asdict(), "unit": unit, "size": n_bytes, "sample_rate": rate, "pieces": pieces}


def pieces_from(rows: Sequence[Mapping[str, Any]] | None) -> tuple[Piece, ...] | None:
    """Pieces of a row of ``CHANNEL_DAY``."""
    if rows is None:
        return None
    return tuple(Piece(row["start_ns"], row["last_ns"], row["foff"], row["nbytes"], row["reclen"]) for row in rows)


def problem(unit: str, day: dt.date, outcome: Outcome, reason: str) -> dict[str, Any]:
    """A row of ``CHANNEL_DAY`` that tells what is wrong with an index."""
    return {"unit": unit, "date": day, "outcome": str(outcome), "reason": reason}
