"""miniSEED to segments, straight into the arrays that are processed."""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymseed import MS3Record, MS3TraceList, PymseedError, configure_logging, sourceid2nslc

from seisbatch.names import Channel, channel
from seisbatch.outcome import Corrupt, Rejected
from seisbatch.process.segments import Segment
from seisbatch.times import SECOND_NS, spans_leap_second

MEASURED_SECONDS = 3600
"""Segments at least this long have their rate measured from their time tags (resolution 100 microseconds)."""
SAMPLES_A_BYTE = 2
"""No encoding packs more (Steim-2: seven in four bytes): headers that promise more are hostile, nothing is allocated."""
MAX_SEGMENTS = 10_000
"""Of one channel in one object: libmseed's search for a record's place takes time that grows as their square."""
MAX_CHANNELS = 100_000
MAX_RATE = 1e7
LONGEST_RECORD = 10_485_760
"""bytes, libmseed's limit."""

_CHUNK_BYTES = 1_000_000
_MANY_CHANNELS = 500
_RECORD_BEGINS = re.compile(rb"MS?\x03?\Z|MS\x03|\d{1,6}\Z|\d{6}[DRQM]")
_VERSION_3 = b"MS\x03"
_HEADER_BYTES = 40
_LENGTHS = struct.Struct("<BHI")
"""Of the name, the extra headers and the samples, at byte 33 of a version 3 header."""
_LENGTH_COMES_FIRST = (struct.pack(">HH", 48, 1000), struct.pack("<HH", 48, 1000))
"""Offset and type of the first blockette, at byte 46 of a version 2 header; the length's exponent is then at byte 54."""
_DTYPES = {"i": np.int32, "f": np.float32, "d": np.float64}
_ERRORS = (PymseedError, ValueError, OverflowError)


def decode(data: Any, wanted: Callable[[Channel], bool] | None = None) -> dict[Channel, list[Segment]]:
    """Every segment of every channel in an object, miniSEED 2 or 3; of channels that are not ``wanted`` none.

    ``data`` is any buffer. Records are joined within half a sample of the time expected, as libmseed does. A segment of at
    least an hour carries the rate that its first and last time tags give, a shorter one, or one with a leap second in it, that
    of its header. Samples are
    int32, float32 or float64, as recorded. A channel whose records hold no samples has no segments.

    Raises Corrupt where the object is empty, is not miniSEED, is cut within a record, holds anything between records, or
    holds text or impossible headers; Rejected where a channel is in more than :data:`MAX_SEGMENTS` pieces.
    """
    segments: dict[Channel, list[Segment]] = {}
    for name, found in decode_each(data, wanted):
        if isinstance(found, Corrupt):
            raise found
        segments.setdefault(name, []).extend(found)
    return segments


def decode_each(
    data: Any, wanted: Callable[[Channel], bool] | None = None
) -> Iterator[tuple[Channel, list[Segment] | Corrupt]]:
    """The traces of an object one after another, as :func:`decode` has them; only one at a time is held decoded.

    A channel may come in several traces. One whose samples cannot be decoded comes as the Corrupt that it ends with. Raises
    what :func:`decode` raises of the object as a whole.
    """
    with recorded(data) as traces:
        for name, segments in traces:
            found: list[Segment] | Corrupt
            try:
                found = [segment.decode() for segment in segments if wanted is None or wanted(name)]
            except Corrupt as error:
                found = error
            yield name, found
            del found


@dataclass(frozen=True)
class Header:
    """What the headers of a segment's records tell of it: time of the first sample [ns], rate [Hz], number and type."""

    start_ns: int
    rate: float
    n_samples: int
    dtype: np.dtype[Any]


class RecordedSegment:
    """A segment in its records, of which nothing is decoded until it is asked for; of use while :func:`recorded` is open."""

    def __init__(self, segment: Any, alone_in: memoryview | None) -> None:
        self._segment = segment
        self._alone_in = alone_in
        """The object, where it holds nothing else."""

    def header(self) -> Header:
        """What its headers tell; Corrupt where that is impossible, or text."""
        try:
            return _header(self._segment)
        except _ERRORS as error:
            raise Corrupt(_in_short(error)) from None

    def decode(self) -> Segment:
        """Its samples; Corrupt where the records do not hold what their headers promise."""
        try:
            return _segment(self._segment)
        except _ERRORS as error:
            raise Corrupt(_in_short(error)) from None

    def records(self) -> bytes:
        """Its records, as the object has them, in the order of their times."""
        if self._alone_in is not None:
            return bytes(self._alone_in)
        return b"".join(record.record.record_mv for record in self._segment.recordlist)


@contextmanager
def recorded(data: Any) -> Iterator[list[tuple[Channel, list[RecordedSegment]]]]:
    """The traces of an object, as :func:`decode_each` has them, by the headers alone.

    Raises what :func:`decode` raises of the object as a whole.
    """
    if not len(data):
        raise Corrupt("0 bytes")
    buffer = memoryview(data).cast("B")
    configure_logging()
    traces = None
    try:
        try:
            traces = _traces(buffer)
            _check_promise(traces, len(buffer))
            held = [(_name(trace.sourceid), [segment for segment in trace if segment.samplecnt]) for trace in traces]
            alone_in = buffer if [len(trace) for trace in traces] == [1] else None
        except _ERRORS as error:
            raise Corrupt(_in_short(error)) from None
        yield [(name, [RecordedSegment(segment, alone_in) for segment in segments]) for name, segments in held]
    finally:
        if traces is not None:
            traces.close()


def _in_short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"not miniSEED: {text}"[:200]


def _traces(buffer: memoryview) -> MS3TraceList:
    """Every record of the object, in traces; Corrupt where records do not fill it.

    libmseed passes over a record that is cut at the end of what it is given; whether all was read is seen from the number
    of records, which is first told from the headers' lengths alone. If that is not it, they are walked through one by one.
    """
    try:
        ends = _supposed_ends(buffer)
        if ends:
            traces = _read(buffer, ends)
            if _n_records(traces) == len(ends):
                return traces
            traces.close()
    except _ERRORS:
        pass
    ends = _record_ends(buffer)
    traces = _read(buffer, ends)
    if (n_records := _n_records(traces)) != len(ends):
        traces.close()
        raise Corrupt(f"the length of some of the {len(ends)} records cannot be told from them (only of {n_records})")
    return traces


def _supposed_ends(buffer: memoryview) -> Sequence[int]:
    """Offsets at which records end, if their headers tell it without a search; else none.

    Version 3 headers do, and those of version 2 whose first blockette is the one with the record's length, all the same.
    """
    n_bytes = len(buffer)
    if buffer[:3] != _VERSION_3:
        length = MS3Record.parse(buffer).reclen
        if n_bytes % length:
            return ()
        headers = np.frombuffer(buffer, np.uint8).reshape(-1, length)
        first = bytes(headers[0, 46:50])
        known = first in _LENGTH_COMES_FIRST and (headers[:, 46:50] == headers[0, 46:50]).all()
        return range(length, n_bytes + 1, length) if known and (headers[:, 54] == headers[0, 54]).all() else ()
    ends = []
    end = 0
    while end + _HEADER_BYTES <= n_bytes and buffer[end : end + 3] == _VERSION_3:
        name, extra, samples = _LENGTHS.unpack_from(buffer, end + 33)
        end += _HEADER_BYTES + name + extra + samples
        ends.append(end)
    return ends if end == n_bytes else ()


def _read(buffer: memoryview, ends: Sequence[int]) -> MS3TraceList:
    """Traces of the records that end at ``ends``; Rejected as soon as they are too many pieces to go on."""
    traces = MS3TraceList()
    try:
        start = unchecked = 0
        while start < len(buffer):
            number = bisect.bisect_right(ends, start + _CHUNK_BYTES)
            stop = ends[number - 1] if number and ends[number - 1] > start else ends[number]
            traces.add_buffer(buffer[start:stop], record_list=True)
            unchecked += stop - start
            if stop == len(buffer) or traces.numtraceids < _MANY_CHANNELS or unchecked >= 2 * _CHUNK_BYTES:
                _check_pieces(traces)
                unchecked = 0
            start = stop
    except BaseException:
        traces.close()
        raise
    return traces


def _check_pieces(traces: MS3TraceList) -> None:
    if traces.numtraceids > MAX_CHANNELS:
        raise Rejected(f"more than {MAX_CHANNELS} channels in one object")
    for trace in traces:
        if len(trace) > MAX_SEGMENTS:
            raise Rejected(f"{trace.sourceid} is in more than {MAX_SEGMENTS} segments")


def _n_records(traces: MS3TraceList) -> int:
    return sum(len(segment.recordlist or ()) for trace in traces for segment in trace)


def _record_ends(buffer: memoryview) -> list[int]:
    """The offsets at which the object's records end; Corrupt, with the offset, where what follows is none."""
    ends: list[int] = []
    end = 0
    try:
        for record in MS3Record.from_buffer(buffer):
            end += record.reclen
            ends.append(end)
    except _ERRORS as error:
        if not ends:
            raise Corrupt(_in_short(error)) from None
        rest = bytes(buffer[end:])
        shortest = min(np.diff([0, *ends]))
        what = "truncated: " if len(rest) < shortest and _RECORD_BEGINS.match(rest) else ""
        told = f"{len(ends)} whole records, then {len(rest)} bytes"
        raise Corrupt(f"{what}byte {end}: {_in_short(error)} ({told})") from None
    return ends


def _check_promise(traces: MS3TraceList, n_bytes: int) -> None:
    n_samples = sum(segment.samplecnt for trace in traces for segment in trace)
    if n_samples > n_bytes * SAMPLES_A_BYTE:
        raise Corrupt(f"headers promise {n_samples} samples in {n_bytes} bytes")


def _name(source_id: str) -> Channel:
    try:
        net, sta, loc, chan = sourceid2nslc(source_id)
        return channel(net, sta, loc, chan)
    except (PymseedError, ValueError) as error:
        raise Corrupt(f"records name no channel: {error}") from None


def _header(segment: Any) -> Header:
    n_samples, rate = segment.samplecnt, segment.samprate
    _, kind = segment.sample_size_type
    if kind not in _DTYPES:
        raise Corrupt(f"records hold {'text' if kind == 't' else repr(kind)}, not samples")
    if not 0 < rate < MAX_RATE or n_samples < 0:
        raise Corrupt(f"headers give {n_samples} samples at {rate} Hz")
    seconds = (segment.endtime - segment.starttime) / SECOND_NS
    if seconds >= MEASURED_SECONDS and not spans_leap_second(segment.starttime, segment.endtime):
        rate = (n_samples - 1) / seconds
    return Header(segment.starttime, rate, n_samples, np.dtype(_DTYPES[kind]))


def _segment(segment: Any) -> Segment:
    header = _header(segment)
    samples = np.empty(header.n_samples, header.dtype)
    unpacked = segment.unpack_recordlist(samples)
    if unpacked != header.n_samples:
        raise Corrupt(f"headers promise {header.n_samples} samples, records hold {unpacked}")
    return Segment(start_ns=header.start_ns, rate=header.rate, samples=samples)
