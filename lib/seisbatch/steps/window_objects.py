"""The objects that windows are cut from, read ahead of their use: by range, whole, or, where they are large, in chunks."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from seisbatch.acquire.ahead import Budget
from seisbatch.acquire.chunks import record_chunks
from seisbatch.acquire.miniseed import decode, decode_each
from seisbatch.acquire.objects import Replaced, Store, check_key
from seisbatch.acquire.pack import cut_records
from seisbatch.acquire.window import Piece, Records, Span, read_pieces, read_records
from seisbatch.names import Channel
from seisbatch.outcome import Corrupt, UnitError, guard
from seisbatch.process.pieces import cut, numbers_inside
from seisbatch.process.segments import Segment
from seisbatch.times import DAY_NS, day_start_ns

IN_FLIGHT = 64
"""Objects that a worker reads at a time: most of that time is waiting for the store."""
IN_CHUNKS_BYTES = 32_000_000
"""Objects above this size that have to be read whole are read in chunks."""

Pieces = dict[Channel, list[Segment]]


@dataclass(frozen=True)
class ObjectRequest:
    """An object, the channel that is looked for in it (None where any is), the window, and the day that it should hold.

    ``pieces`` are where the channel stands in the object of that ``version``, where an index tells.
    """

    key: str
    name: Channel | None
    span: Span
    day: Span
    pieces: tuple[Piece, ...] | None = None
    version: str | None = None


@dataclass(frozen=True)
class Whole:
    """An object's bytes; or, of one that is read in chunks, just its size."""

    body: Any
    size: int


Found = Records | Whole | UnitError


def day_span(day: dt.date) -> Span:
    """A UTC day."""
    return Span(day_start_ns(day), day_start_ns(day) + DAY_NS)


def read_ahead(store: Store, requests: Sequence[ObjectRequest], max_bytes: int) -> Iterator[Found]:
    """What each request finds, in turn, several read at a time; a UnitError is handed over, not raised.

    What is read by range takes at most half of ``max_bytes``, objects that are read whole the other half; one is given back
    when the next is asked for.
    """
    budget = Budget(max_bytes // 2)
    waiting: deque[tuple[int, Future[Found]]] = deque()

    def read(number: int, request: ObjectRequest) -> Found:
        try:
            done = guard(lambda: _read(store, request, max_bytes // 2 // IN_FLIGHT, lambda size: budget.take(number, size)))
        finally:
            budget.leave(number)
        return done.error if done.value is None else done.value

    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="window") as pool:
        try:
            for number, request in enumerate(requests):
                waiting.append((number, pool.submit(read, number, request)))
                if len(waiting) >= IN_FLIGHT:
                    yield from _consume(waiting, budget)
            while waiting:
                yield from _consume(waiting, budget)
        finally:
            budget.close()
            pool.shutdown(wait=True, cancel_futures=True)


def _consume(waiting: deque[tuple[int, Future[Found]]], budget: Budget) -> Iterator[Found]:
    number, future = waiting.popleft()
    found = future.result()
    del future
    yield found
    del found
    budget.give_back(number)


def _read(store: Store, request: ObjectRequest, range_bytes: int, take: Callable[[int], bool]) -> Found:
    try:
        check_key(request.key)
    except ValueError as error:
        raise Corrupt(str(error)) from None
    if request.name is not None:
        found = _pieces(store, request, range_bytes) or read_records(
            store, request.key, request.name, request.span, supposed=request.day, max_bytes=range_bytes
        )
        if found is not None:
            return found
    size = store.size(request.key)
    if size > IN_CHUNKS_BYTES:
        return Whole(None, size)
    if not take(size):
        return UnitError("no longer wanted")
    return Whole(store.get(request.key), size)


def _pieces(store: Store, request: ObjectRequest, range_bytes: int) -> Records | None:
    """What an index says where it is; None where it does not, or no longer holds."""
    if request.name is None or request.pieces is None:
        return None
    try:
        return read_pieces(store, request.key, request.name, request.span, request.pieces,
                           version=request.version, max_bytes=range_bytes)  # fmt: skip
    except Replaced:
        return None


def pieces_of(
    store: Store,
    request: ObjectRequest,
    found: Found,
    choose: Callable[[dict[Channel, list[Segment]]], Pieces],
    spoilt: dict[Channel, Corrupt] | None = None,
) -> Pieces:
    """What an object holds of a window, by channel, copied out of it; ``choose`` takes the channels that are wanted.

    Raises the UnitError that reading ended with, and Corrupt where the object is damaged. Of an object of several channels,
    one that cannot be decoded spoils nothing unless it is wanted; then it is put into ``spoilt``, if that is given.
    """
    if isinstance(found, UnitError):
        raise found
    if isinstance(found, Records) and not len(found.body):
        if found.size and request.name is not None:  # none of its pieces is in the window
            return choose({request.name: []})
        raise Corrupt(f"{request.key}: 0 bytes")
    if isinstance(found, Records) and found.length is not None:
        decoded = decode(found.body)
        chosen = choose(decoded)
        if len(decoded) == 1 and chosen.keys() == decoded.keys():
            ((name, segments),) = chosen.items()
            if len(segments) == 1:
                first, stop = numbers_inside(segments[0], request.span.start_ns, request.span.end_ns)
                return {name: [cut_records(name, segments[0], found, first, stop)] if stop > first else []}
        return {name: _cut(segments, request.span) for name, segments in chosen.items()}
    in_chunks = isinstance(found, Whole) and found.body is None
    held, bad = _held(record_chunks(store, request.key, found.size) if in_chunks else [found.body], request.span)
    if request.name is not None:
        for error in bad.values():
            raise error
    pieces = choose(held)
    for name in [name for name in pieces if name in bad]:
        if spoilt is None:
            raise bad[name]
        spoilt[name] = bad[name]
        del pieces[name]
    return pieces


def _held(bodies: Iterable[Any], span: Span) -> tuple[Pieces, dict[Channel, Corrupt]]:
    """What some bytes hold of a span, by channel, and the channels that cannot be decoded; one channel at a time is."""
    held: Pieces = {}
    bad: dict[Channel, Corrupt] = {}
    for body in bodies:
        for name, segments in decode_each(body):
            parts = held.setdefault(name, [])
            if isinstance(segments, Corrupt):
                bad[name] = segments
            else:
                parts += _cut(segments, span)
            del segments
    return held, bad


def _cut(segments: Sequence[Segment], span: Span) -> list[Segment]:
    return [Segment(part.start_ns, part.rate, np.array(part.samples)) for part in cut(segments, span.start_ns, span.end_ns)]
