"""Windows out of objects of fixed-length records: only the bytes that hold them are fetched.

The object's end tells the record length and the last time; where a window's records stand is then told by interpolation
between known times and checked against the records themselves. Where an object does not lend itself to
that (records of several lengths or out of order, several channels, miniSEED 3), it has to be read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pymseed import MS3Record, PymseedError

from seisbatch.acquire.objects import Store
from seisbatch.names import Channel
from seisbatch.times import SECOND_NS

WHOLE_BYTES = 32_768
"""Objects up to this size are read whole: asking twice would take longer."""
TAIL_BYTES = 4096
GUARD_NS = 300 * SECOND_NS
"""Read on either side of a window, at least: records that are out of order by less are found."""
REACHES_END_NS = 60 * SECOND_NS
"""An object whose last record is so near to its supposed end has nothing after it."""
MARGIN = 0.004
"""Share of an object's records that is read on either side of a guess."""
MOST_OF_IT = 0.5
"""An object of which a window needs more than this share is read whole."""
MAX_GUESSES = 6
JUST_BEFORE_NS = SECOND_NS
"""A piece that ends so little before a window may have its last sample in it, to the accuracy of times."""
MICROSECOND_NS = 1000
"""Times of pieces are known to this."""

_RECORD_LENGTHS = (512, 4096, 1024, 256, 2048, 128)
_HEADER = np.dtype([("skipped", "V20"), ("year", "u2"), ("day", "u2"), ("hour", "u1"), ("minute", "u1"), ("second", "u1"),
                    ("unused", "u1"), ("fraction", "u2"), ("n_samples", "u2"), ("rate_factor", "i2"),
                    ("rate_multiplier", "i2"), ("flags", "V4"), ("correction", "i4")])  # fmt: skip
_FRACTION_NS = 100_000
"""Unit of a header's fraction and correction; a microsecond blockette beside it tells less than this."""
_MOST_CORRECTION = 10_000
"""Where clocks are corrected by more than this (a second), headers alone do not tell when a record begins."""
_ABOUT_NS = 2 * SECOND_NS
_ABOUT = 1.01
"""What headers tell of times and of rates is true to this."""


@dataclass(frozen=True)
class Records:
    """Whole records of an object that hold a window, how many bytes were fetched for them, and the object's size.

    ``length`` is that of each record, where they are of one length, of one channel, and one after another in time.
    """

    body: Any
    n_fetched: int
    size: int
    length: int | None = None


@dataclass(frozen=True)
class Span:
    """When a record, or a window, begins and ends [ns]; half-open."""

    start_ns: int
    end_ns: int


def read_records(
    store: Store, key: str, name: Channel, window: Span, *, supposed: Span | None = None, max_bytes: int = 1 << 40
) -> Records | None:
    """The records of an object that hold a channel's window, and some around them; None where it must be read whole.

    ``supposed`` is when the object should begin and end. A window that reaches beyond its last record is in it only if that
    one is near that end: else records that came late may stand before it.
    More than ``max_bytes`` are not read at a time: None too. Raises
    what :meth:`Store.get` raises.
    """
    size, tail = store.tail(key, TAIL_BYTES)
    if size <= WHOLE_BYTES:
        body = store.get(key) if size > len(tail) else tail
        return Records(body, size + (len(tail) if size > len(tail) else 0), size)
    length, last = _last_record(tail, size)
    if last is None or not _is_of(name, memoryview(tail)[-length:]):
        return None
    if window.end_ns > last.end_ns and (supposed is None or last.end_ns < supposed.end_ns - REACHES_END_NS):
        return None
    n_records = size // length
    n_fetched = len(tail)
    codes = _codes(memoryview(tail)[-length:])
    if bytes(codes[5:7]).decode("ascii", "replace").strip() != name.loc:  # in all of the object, or after the channel's own
        if _codes(memoryview(store.get_range(key, 0, length))) != codes:
            return None
        n_fetched += length
    begins_ns = supposed.start_ns if supposed else last.end_ns - (last.end_ns - last.start_ns) * n_records
    known = [(min(begins_ns, last.start_ns), 0), (last.end_ns, n_records)]
    guarded = Span(window.start_ns - GUARD_NS, window.end_ns + GUARD_NS)
    most = min(int(MOST_OF_IT * n_records), max_bytes // length)
    found = _search(lambda first, stop: store.get_range(key, first * length, (stop - first) * length),
                    name, guarded, known, n_records, length, most)  # fmt: skip
    if found is None or found.high_ns > last.start_ns + SECOND_NS + _FRACTION_NS or _codes(found.needed) != codes:
        return None
    return Records(found.needed, n_fetched + found.n_fetched, size, length)


class Piece(NamedTuple):
    """Records of a channel that follow one another in time and in an object; ``n_bytes`` of them from ``offset`` on."""

    start_ns: int
    last_ns: int
    """Time of the last sample."""
    offset: int
    n_bytes: int
    record_bytes: int | None
    """Length of each record, where they are of one length."""


def read_pieces(
    store: Store, key: str, name: Channel, window: Span, pieces: Sequence[Piece], *, version: str | None, max_bytes: int
) -> Records | None:
    """The records that hold a channel's window, of an object whose pieces are known: nothing but them is asked for.

    None where the object does not hold what it should, or more than ``max_bytes`` would have to be read. Raises
    what :meth:`Store.get_ranges` raises, Replaced where the object is another version.
    """
    bodies: list[Any] = []
    n_fetched, record_bytes = 0, None
    for piece in pieces:
        if piece.last_ns + JUST_BEFORE_NS < window.start_ns or piece.start_ns >= window.end_ns:
            continue
        if piece.n_bytes <= 0:
            return None
        record_bytes = piece.record_bytes
        length = record_bytes or piece.n_bytes
        n_records = piece.n_bytes // length

        def read(first: int, stop: int, start: int = piece.offset, length: int = length) -> Any:
            return store.get_ranges(key, [start + first * length], [(stop - first) * length], version)[0]

        if n_records == 1 or piece.n_bytes <= WHOLE_BYTES:
            body = read(0, n_records) if piece.n_bytes <= max_bytes - n_fetched else b""
            if len(body) != piece.n_bytes or not _is_of(name, memoryview(body)) or not _begins(body, piece):
                return None
            bodies.append(body)
            n_fetched += len(body)
            continue
        known = [(piece.start_ns, 0), (piece.last_ns, n_records)]
        found = _search(read, name, window, known, n_records, length, (max_bytes - n_fetched) // length)
        if found is None or (found.first == 0 and not _begins(found.body, piece)):
            return None
        bodies.append(found.needed)
        n_fetched += found.n_fetched
    size = sum(piece.n_bytes for piece in pieces)
    if len(bodies) == 1:
        return Records(bodies[0], n_fetched, size, record_bytes)
    return Records(b"".join(map(bytes, bodies)), n_fetched, size)


def _begins(body: Any, piece: Piece) -> bool:
    """Whether the first of some records is the first of a piece."""
    try:
        return abs(MS3Record.parse(memoryview(body)).starttime - piece.start_ns) <= MICROSECOND_NS
    except (PymseedError, ValueError):
        return False


class _Found(NamedTuple):
    """Records from ``first`` on, when the last of them begins, and what was fetched until they were found.

    ``needed`` are those that may hold a part of the time span: the others around it were read to see that it is all there.
    """

    first: int
    body: Any
    needed: memoryview
    high_ns: int
    n_fetched: int


def _search(
    read: Callable[[int, int], Any],
    name: Channel,
    span: Span,
    known: list[tuple[int, int]],
    n_records: int,
    length: int,
    most: int,
) -> _Found | None:
    """The records of one length that hold a time span, guessed from what is known of times and numbers, and checked.

    None where they are more than ``most``, out of order, or not what they should be.
    """
    n_fetched = 0
    early, late = span.start_ns - _ABOUT_NS, span.end_ns + _ABOUT_NS
    guess = _between(known, early, late)
    for _ in range(MAX_GUESSES):
        margin = 2 + MARGIN * n_records
        first, stop = max(0, int(guess[0] - margin)), min(n_records, int(guess[1] + margin) + 1)
        if stop - first > most:
            return None
        body = read(first, stop)
        n_fetched += len(body)
        if len(body) != (stop - first) * length or not _is_of(name, memoryview(body)[:length]):
            return None
        headers = np.frombuffer(body, np.uint8).reshape(-1, length)
        fields = _fields(headers)
        starts = _starts(headers, fields)
        if starts is None:
            return None
        low, high = (int(starts[0]), first), (int(starts[-1]), stop - 1)
        if (first == 0 or low[0] <= early) and (stop == n_records or high[0] >= late):
            begin, end = _overlapping(fields, starts, early, late)
            needed = memoryview(body)[begin * length : end * length]
            return _Found(first, body, needed, high[0], n_fetched)
        guess = _beyond(low, high, n_records, early, late) if len(known) == 2 else _between([*known, low, high], early, late)
        known = [*known, low, high]
    return None


def _is_of(name: Channel, record: memoryview) -> bool:
    """Whether a record of version 2 is of a channel; its location code may differ from that of its key."""
    header = bytes(_codes(record)).decode("ascii", "replace")
    return (header[:5].strip(), header[7:10].strip(), header[10:12].strip()) == (name.sta, name.chan, name.net)


def _codes(record: memoryview) -> memoryview:
    """Station, location, channel and network, as they stand in a record of version 2."""
    return record[8:20]


def _between(known: Sequence[tuple[int, int]], start_ns: int, end_ns: int) -> tuple[float, float]:
    """The records at two times, by what stands between known times and record numbers."""
    points = sorted(known)
    times = [float(time - start_ns) for time, _ in points]
    first, last = np.interp([0, end_ns - start_ns], times, np.maximum.accumulate([number for _, number in points]))
    return float(first), float(last)


def _beyond(low: tuple[int, int], high: tuple[int, int], n_records: int, start_ns: int, end_ns: int) -> tuple[float, float]:
    """The records at two times, if all follow one another as those between ``low`` and ``high`` do."""
    a_record = max(1.0, (high[0] - low[0]) / max(1, high[1] - low[1]))
    first, last = (min(max(0.0, low[1] + (time - low[0]) / a_record), n_records) for time in (start_ns, end_ns))
    return first, last


def _last_record(tail: Any, size: int) -> tuple[int, Span | None]:
    """The record length of an object and its last record, where its end tells them."""
    view = memoryview(tail)
    for length in _RECORD_LENGTHS:
        if size % length == 0 and length <= len(view):
            record = _record(view[-length:])
            if record is not None:
                return length, record
    return 0, None


def _record(data: memoryview) -> Span | None:
    """One record of version 2 that fills ``data``, with samples; None where it is none."""
    if bytes(data[:2]) == b"MS":
        return None
    try:
        record = MS3Record.parse(data)
    except (PymseedError, ValueError):
        return None
    if record.reclen != len(data) or record.samprate <= 0 or record.samplecnt <= 0:
        return None
    return Span(record.starttime, record.endtime + round(SECOND_NS / record.samprate))


def _starts(headers: npt.NDArray[np.uint8], fields: npt.NDArray[Any]) -> npt.NDArray[np.int64] | None:
    """When each record begins [ns], by its fixed header; None where they are not in order, or not of one channel."""
    if (headers[:, 8:20] != headers[0, 8:20]).any():  # station, location, channel, network
        return None
    starts = _begin(fields)
    if (np.diff(starts) < 0).any() or (np.abs(fields["correction"].astype(np.int64)) > _MOST_CORRECTION).any():
        return None
    return starts


def _begin(fields: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    years = (fields["year"].astype(np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    days = years + fields["day"] - 1
    seconds = ((days * 24 + fields["hour"]) * 60 + fields["minute"]) * 60 + fields["second"]
    return np.asarray(seconds * SECOND_NS + fields["fraction"].astype(np.int64) * _FRACTION_NS)


def _rate(fields: npt.NDArray[Any]) -> float | None:
    """The rate that all headers give [Hz]; None where they give several, or none."""
    factor, multiplier = (int(fields[name][0]) for name in ("rate_factor", "rate_multiplier"))
    same = (fields["rate_factor"] == factor).all() and (fields["rate_multiplier"] == multiplier).all()
    if not same or not factor or not multiplier:
        return None
    return float(abs(float(factor)) ** np.sign(factor) * abs(float(multiplier)) ** np.sign(multiplier))


def _overlapping(fields: npt.NDArray[Any], starts: npt.NDArray[np.int64], start_ns: int, end_ns: int) -> tuple[int, int]:
    """Of records in order the first that may reach into a time span, and the one after the last; all where none does.

    None is taken to end before the next one begins, whatever its header tells of its length.
    """
    rate = _rate(fields)
    if rate is None:
        return 0, len(starts)
    ends = starts + fields["n_samples"] * (_ABOUT * SECOND_NS / rate)
    ends[:-1] = np.maximum(ends[:-1], starts[1:])
    ends[-1] = max(ends[-1], end_ns)
    inside = np.flatnonzero((ends >= start_ns) & (starts <= end_ns))
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, len(starts))


def _fields(headers: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Fixed headers of records, in their own byte order."""
    fields = headers[:, : _HEADER.itemsize].copy().view(_HEADER)[:, 0]
    if not (1900 <= int(fields["year"][0]) <= 2100 and 1 <= int(fields["day"][0]) <= 366):
        fields = headers[:, : _HEADER.itemsize].copy().view(_HEADER.newbyteorder())[:, 0]
    return fields


def sample_numbers(records: Records) -> npt.NDArray[np.int64]:
    """The number of the first sample of each record of one length, and of the sample after the last."""
    assert records.length
    fields = _fields(np.frombuffer(records.body, np.uint8).reshape(-1, records.length))
    return np.concatenate(([0], np.cumsum(fields["n_samples"].astype(np.int64))))
