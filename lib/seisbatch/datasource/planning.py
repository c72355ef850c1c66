"""The plan of a read: the objects that an archive's index names and the options select, in groups of a bounded size."""

from __future__ import annotations

import datetime as dt
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from seisbatch.acquire.objects import Part, open_store
from seisbatch.acquire.window import Piece, Span
from seisbatch.archives import ARCHIVES
from seisbatch.archives.layout import lists_years
from seisbatch.config import OptionError
from seisbatch.datasource.options import ReadRequest
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.outcome import RunError
from seisbatch.plan.estimate import size
from seisbatch.progress import Progress
from seisbatch.sample import write_sample_archive
from seisbatch.steps.index import Listing, channel_days
from seisbatch.steps.index_table import IndexTable, part_of, pieces_from
from seisbatch.times import DAY_NS, DAY_SECONDS, day_start_ns

log = logging.getLogger("seisbatch")

INDEX_READERS = 16
SHORT_DAYS = 31
"""The index of so many is read without a word of progress."""
LISTED_DAYS = 4
"""Days listed at a time, many prefixes of each."""
PARTITION_BYTES = 64_000_000
PARTITION_OBJECTS = 256
LEAST_BYTES = 4_000_000
"""A partition of less is not worth a task."""
PARTITIONS_A_CORE = 2
BYTES_A_SAMPLE = 1.25
"""Of Steim-2 records, where the index states a rate and no size."""
UNKNOWN_BYTES = 8_000_000
OF_A_RANGE_BYTES = 200_000
"""What is read beside a window, whatever its length."""

Find = Callable[[dt.date], list[dict[str, Any]]]


class PlannedObject(NamedTuple):
    """An object to read, with the channel that the index names (None where it holds several), or a problem of the index.

    ``part`` is what holds the channel, of the object or all of it, and ``pieces`` where the channel stands in it, where the
    index tells. ``is_asked`` is false where its day is looked at only for what stands beyond its midnight.
    """

    date: dt.date
    net: str | None
    sta: str | None
    loc: str | None
    chan: str | None
    part: Part | None
    pieces: tuple[Piece, ...] | None
    version: str | None
    outcome: str | None
    reason: str | None
    n_bytes: int
    is_asked: bool

    @property
    def channel(self) -> Channel | None:
        """The channel that is looked for; None where every one that the options select is."""
        if self.net is None or self.sta is None or self.loc is None or self.chan is None:
            return None
        return Channel(self.net, self.sta, self.loc, self.chan)


def planned_objects(request: ReadRequest) -> list[PlannedObject]:
    """Every object that is to be read, and every problem of the index, in the order of days and channels.

    Raises OptionError where nothing is selected, and RunError where the archive or its index is not there, is denied, or
    has a problem that the query is to fail of.
    """
    archive = request.read.archive
    if request.is_sample:
        write_sample_archive(Path(archive.root))
    for store in (archive, request.index_table):
        if store is not None:
            open_store(store).require()
    log.info("reading the index of %s in %s, %d days from %s", request.layout, archive.root, len(request.days), request.days[0])
    find, at_a_time = _index(request)
    of_days: list[list[PlannedObject]] = []
    progress = Progress("days of the index", len(request.days), lambda: len(of_days), lambda: 0)
    with (
        progress if len(request.days) > SHORT_DAYS else nullcontext(),
        ThreadPoolExecutor(at_a_time, thread_name_prefix="index") as pool,
    ):
        of_days.extend(pool.map(functools.partial(_objects_of_day, request, find), request.days))
    objects = [item for of_day in of_days for item in of_day]
    if not objects:
        raise OptionError(
            f"no channel matches option channels {request.read.channels} from {request.days[0]} to {request.days[-1]} "
            f"in {archive.root}"
        )
    problem = next((item for item in objects if item.outcome), None)
    if problem and request.read.fails:
        raise RunError(f"{problem.date}: {problem.outcome}: {problem.reason}")
    n_bytes = sum(item.n_bytes for item in objects)
    log.info("%d objects to read, about %s", sum(item.outcome is None for item in objects), size(n_bytes))
    return objects


def _index(request: ReadRequest) -> tuple[Find, int]:
    """What finds the rows of a day, and of how many days at a time."""
    patterns = ChannelPatterns(request.read.channels)
    if request.index_table:
        table = IndexTable(open_store(request.index_table), request.layout)
        return lambda day: table.channel_days(day, patterns), 1  # it holds a month
    layout = ARCHIVES[request.layout]
    listing = Listing(open_store(request.read.archive), layout)
    at_a_time = INDEX_READERS if layout.DAY_INDEX_COLUMNS else 1 if lists_years(layout) else LISTED_DAYS
    return lambda day: channel_days(listing, day, patterns), at_a_time


def _objects_of_day(request: ReadRequest, find: Find, day: dt.date) -> list[PlannedObject]:
    is_asked = day in request.asked
    return [
        PlannedObject(
            date=day,
            **{code: row.get(code) for code in Channel._fields},
            part=None if row.get("outcome") else part_of(row, ARCHIVES[request.layout].HOLDS),
            pieces=pieces_from(row.get("pieces")),
            version=row.get("etag"),
            outcome=row.get("outcome"),
            reason=row.get("reason"),
            n_bytes=0 if row.get("outcome") else _bytes_to_read(row, day, request.read.span),
            is_asked=is_asked,
        )
        for row in find(day)
        if is_asked or not row.get("outcome")
    ]


def _bytes_to_read(row: Mapping[str, Any], day: dt.date, span: Span | None) -> int:
    """Bytes that will be fetched of an object, as far as the index tells."""
    rate = row.get("sample_rate")
    whole = row.get("size") or (round(rate * DAY_SECONDS * BYTES_A_SAMPLE) if rate else UNKNOWN_BYTES)
    if span is None:
        return int(whole)
    begins_ns = day_start_ns(day)
    inside = min(span.end_ns, begins_ns + DAY_NS) - max(span.start_ns, begins_ns)
    return int(min(whole, whole * max(0, inside) / DAY_NS + OF_A_RANGE_BYTES))


def partitioned(objects: Sequence[PlannedObject], cores: int) -> Iterator[tuple[PlannedObject, ...]]:
    """Objects in groups, in their order: each of a bounded number of bytes and objects, enough groups for every core."""
    total = sum(item.n_bytes for item in objects)
    at_most = min(PARTITION_BYTES, max(LEAST_BYTES, total // (PARTITIONS_A_CORE * cores)))
    group: list[PlannedObject] = []
    n_bytes = 0
    for item in objects:
        if group and (n_bytes + item.n_bytes > at_most or len(group) >= PARTITION_OBJECTS):
            yield tuple(group)
            group, n_bytes = [], 0
        group.append(item)
        n_bytes += item.n_bytes
    if group:
        yield tuple(group)
