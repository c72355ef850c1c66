"""Planned objects in, rows of segments out: fetched ahead of their use, one segment at a time decoded."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from seisbatch.acquire.miniseed import Header, RecordedSegment, recorded
from seisbatch.acquire.objects import open_store
from seisbatch.acquire.pack import Recorded, pack
from seisbatch.acquire.window import Span
from seisbatch.datasource.options import ReadSettings
from seisbatch.datasource.planning import PlannedObject
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.outcome import Corrupt, Empty, Outcome, Result, RunError, UnitError, guard
from seisbatch.process.pieces import join
from seisbatch.process.segments import Segment
from seisbatch.steps.spectra import MAX_AHEAD_OBJECTS, select_channel
from seisbatch.steps.window_objects import Found, ObjectRequest, day_span, pieces_of, read_ahead
from seisbatch.times import SECOND_NS, to_datetime

ROW_SAMPLES = 20_000_000
"""A segment of more samples comes in several rows: what Spark holds of a row stays bounded. A day at 200 Hz has 17 million."""
SHOWN_CHANNELS = 5

Row = dict[str, Any]
Held = TypeVar("Held")


def segment_rows(settings: ReadSettings, objects: Sequence[PlannedObject]) -> Iterator[Row]:
    """Rows of ``SEGMENT`` of some objects, at least one each, in their order; ``samples`` are an array, or bytes.

    An object without samples in a span that does not touch its day has none. Raises RunError for one that cannot be read
    where the settings say so.
    """
    read = _whole if settings.span is None else functools.partial(_by_range, span=settings.span)
    for row in read(settings, objects):
        if settings.fails and row["outcome"] not in (Outcome.OK, Outcome.EMPTY):
            name = ".".join(row[code] for code in Channel._fields if row[code] is not None)
            raise RunError(f"{name} of {row['date']}: {row['outcome']}: {row['reason']}")
        yield row


def _whole(settings: ReadSettings, objects: Sequence[PlannedObject]) -> Iterator[Row]:
    store = open_store(settings.archive)
    parts = [item.part for item in objects if item.part is not None]
    with store.fetch_ahead(parts, max_bytes=settings.ahead_bytes, max_in_flight=MAX_AHEAD_OBJECTS) as bodies:
        for item in objects:
            if item.part is None:
                yield _problem(item)
                continue
            _, body = next(bodies)
            yield from _of_body(settings, item, body)
            del body


def _of_body(settings: ReadSettings, item: PlannedObject, body: Any) -> Iterator[Row]:
    """The rows of an object that was fetched, or of the UnitError that fetching it ended with."""
    notes: list[str] = []

    def opened() -> dict[Channel, list[RecordedSegment]]:
        if isinstance(body, UnitError):
            raise body
        held: dict[Channel, list[RecordedSegment]] = {}
        for name, segments in stack.enter_context(recorded(body)):
            held.setdefault(name, []).extend(segments)
        return _choose(settings, item, notes, held)

    with ExitStack() as stack:
        done = guard(opened)
        if done.value is None:
            yield _row(item, item.channel, done.outcome, done.reason)
            return
        for name, segments in sorted(done.value.items()):
            if not segments:
                yield _row(item, name, Outcome.EMPTY, "no record of it holds samples")
            for segment in segments:
                yield from _of_recorded(settings, item, name, segment, "; ".join(notes))


def _of_recorded(
    settings: ReadSettings, item: PlannedObject, name: Channel, segment: RecordedSegment, note: str
) -> Iterator[Row]:
    """The rows of a segment in its records, which are decoded where that is needed."""
    header = guard(segment.header)
    if header.value is None:
        yield _row(item, name, header.outcome, header.reason)
        return
    found = header.value
    if settings.samples == "none":
        parts = _parts(found.n_samples)
        yield from (_row(item, name, Outcome.OK, note, **_times(found, *part), encoding=str(found.dtype)) for part in parts)
        return
    if settings.samples == "miniseed" and found.n_samples <= ROW_SAMPLES:
        columns = {**_times(found, 0, found.n_samples), "encoding": "miniseed", "samples": segment.records()}
        yield _row(item, name, Outcome.OK, note, **columns)
        return
    done = guard(segment.decode)
    if done.value is None:
        yield _row(item, name, done.outcome, done.reason, **_times(found, 0, found.n_samples))
        return
    yield from _of_segment(settings, item, name, done.value, note)


def _of_segment(settings: ReadSettings, item: PlannedObject, name: Channel, segment: Segment, note: str) -> Iterator[Row]:
    """The rows of a decoded segment."""
    header = Header(segment.start_ns, segment.rate, len(segment.samples), segment.samples.dtype)
    for first, stop in _parts(header.n_samples):
        part = segment.part(first, stop)
        columns: Row = {**_times(header, first, stop), "encoding": str(header.dtype)}
        if settings.samples == "miniseed":
            records = segment.records if isinstance(segment, Recorded) and part is segment else pack(name, part)
            columns |= {"encoding": "miniseed", "samples": records}
        elif settings.samples == "decoded":
            columns["samples"] = part.samples
        yield _row(item, name, Outcome.OK, note, **columns)


def _by_range(settings: ReadSettings, objects: Sequence[PlannedObject], span: Span) -> Iterator[Row]:
    store = open_store(settings.archive)
    requests = [
        ObjectRequest(item.part.key, item.channel, span, day_span(item.date), item.pieces, item.version)
        for item in objects
        if item.part is not None
    ]
    found = read_ahead(store, requests, settings.ahead_bytes)
    waiting = iter(requests)
    for item in objects:
        if item.part is None:
            yield _problem(item)
            continue
        notes: list[str] = []
        choose = functools.partial(_choose, settings, item, notes)
        read: Found = next(found)
        spoilt: dict[Channel, Corrupt] = {}
        pieces = guard(functools.partial(pieces_of, store, next(waiting), read, choose, spoilt))
        del read
        corrupt = (_row(item, name, Outcome.CORRUPT, str(error)) for name, error in sorted(spoilt.items()))
        for row in itertools.chain(_of_pieces(settings, item, pieces, notes), corrupt):
            if item.is_asked or row["outcome"] == Outcome.OK:
                yield row


def _of_pieces(
    settings: ReadSettings, item: PlannedObject, pieces: Result[dict[Channel, list[Segment]]], notes: Sequence[str]
) -> Iterator[Row]:
    """The rows of what an object holds of a span."""
    if pieces.value is None:
        yield _row(item, item.channel, pieces.outcome, pieces.reason)
        return
    for name, segments in sorted(pieces.value.items()):
        joined = join(sorted(segments, key=lambda segment: segment.start_ns))
        if not joined:
            yield _row(item, name, Outcome.EMPTY, "no sample from starttime to endtime")
        for segment in joined:
            yield from _of_segment(settings, item, name, segment, "; ".join(notes))


def _choose(
    settings: ReadSettings, item: PlannedObject, notes: list[str], held: Mapping[Channel, list[Held]]
) -> dict[Channel, list[Held]]:
    """The channel that the index names, under that name; of an object that holds several those that the options select."""
    if item.channel is not None:
        segments, remarks = select_channel(held, item.channel)
        notes += remarks
        return {item.channel: segments}
    patterns = ChannelPatterns(settings.channels)
    chosen = {name: segments for name, segments in held.items() if patterns.matches(name)}
    if not chosen:
        names = ", ".join(map(str, sorted(held)[:SHOWN_CHANNELS]))
        raise Empty(f"the object holds {names or 'no record'}, none of which matches {settings.channels}")
    return chosen


def _parts(n_samples: int) -> Iterator[tuple[int, int]]:
    """The first sample of each row of a segment, and the one after its last."""
    for first in range(0, n_samples, ROW_SAMPLES):
        yield first, min(first + ROW_SAMPLES, n_samples)


def _times(header: Header, first: int, stop: int) -> Row:
    """When the samples ``first`` to ``stop`` of a segment were taken."""
    first_ns, last_ns = (header.start_ns + round(number / header.rate * SECOND_NS) for number in (first, stop - 1))
    return {
        "starttime": to_datetime(first_ns),
        "endtime": to_datetime(last_ns),
        "sampling_rate": header.rate,
        "npts": stop - first,
    }


def _problem(item: PlannedObject) -> Row:
    return _row(item, item.channel, Outcome(item.outcome or Outcome.FAILED), item.reason or "")


def _row(item: PlannedObject, name: Channel | None, outcome: Outcome, reason: str, **columns: Any) -> Row:
    codes = name._asdict() if name else {"net": item.net, "sta": item.sta, "loc": item.loc, "chan": item.chan}
    return {
        **codes,
        "date": item.date,
        "s3key": item.part.key if item.part else None,
        "outcome": str(outcome),
        "reason": reason,
        **columns,
    }
