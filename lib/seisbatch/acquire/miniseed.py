"""miniSEED to segments, straight into the arrays that are processed."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymseed import MS3TraceList, PymseedError, configure_logging, sourceid2nslc

from seisbatch.names import Channel, channel
from seisbatch.outcome import Corrupt
from seisbatch.process.segments import Segment
from seisbatch.times import SECOND_NS

MEASURED_SECONDS = 3600
"""Segments at least this long have their rate measured from their time tags (resolution 100 microseconds)."""
SAMPLES_A_BYTE = 8
"""No miniSEED encoding packs more: a header that promises more is hostile, and nothing is allocated for it."""

_DTYPES = {"i": np.int32, "f": np.float32, "d": np.float64}


def decode(data: Any) -> dict[Channel, list[Segment]]:
    """Every segment of every channel in an object, miniSEED 2 or 3.

    ``data`` is any buffer. Records are joined within half a sample of the time expected, as libmseed does. A segment of at
    least an hour carries the rate that its first and last time tags give, a shorter one that of its header. Samples are
    int32, float32 or float64, as recorded.

    Raises Corrupt where the object is empty, is not miniSEED, is cut within a record, holds anything between records, or
    holds text or impossible headers.
    """
    if not len(data):
        raise Corrupt("0 bytes")
    configure_logging()
    try:
        traces = MS3TraceList.from_buffer(data, record_list=True)
    except (PymseedError, ValueError) as error:
        raise Corrupt(_in_short(error)) from None
    try:
        _check_whole(traces, len(data))
        segments: dict[Channel, list[Segment]] = {}
        for trace in traces:
            name = _name(trace.sourceid)
            segments.setdefault(name, []).extend(_segment(segment, len(data)) for segment in trace)
        return segments
    except (PymseedError, ValueError, OverflowError) as error:
        raise Corrupt(_in_short(error)) from None
    finally:
        traces.close()


def _in_short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"not miniSEED: {text}"[:200]


def _check_whole(traces: MS3TraceList, n_bytes: int) -> None:
    """Corrupt unless the records fill the object: libmseed passes over a record that is cut at the end."""
    lists = [segment.recordlist for trace in traces for segment in trace]
    if not lists:
        raise Corrupt("not miniSEED: no record")
    n_records = sum(records.recordcnt for records in lists)
    length = lists[0][0].record.reclen
    if n_records * length == n_bytes:
        return
    whole = sum(record.record.reclen for records in lists for record in records)
    if whole != n_bytes:
        raise Corrupt(f"truncated: {n_records} whole records are {whole} of {n_bytes} bytes")


def _name(source_id: str) -> Channel:
    try:
        net, sta, loc, chan = sourceid2nslc(source_id)
        return channel(net, sta, loc, chan)
    except (PymseedError, ValueError) as error:
        raise Corrupt(f"records name no channel: {error}") from None


def _segment(segment: Any, n_bytes: int) -> Segment:
    n_samples, rate = segment.samplecnt, segment.samprate
    if n_samples > n_bytes * SAMPLES_A_BYTE:
        raise Corrupt(f"headers promise {n_samples} samples in {n_bytes} bytes")
    if not 0 < rate < 1e7 or n_samples <= 0:
        raise Corrupt(f"headers give {n_samples} samples at {rate} Hz")
    _, kind = segment.sample_size_type
    if kind not in _DTYPES:
        raise Corrupt(f"records hold {'text' if kind == 't' else kind}, not samples")
    samples = np.empty(n_samples, _DTYPES[kind])
    unpacked = segment.unpack_recordlist(samples)
    if unpacked != n_samples:
        raise Corrupt(f"headers promise {n_samples} samples, records hold {unpacked}")
    seconds = (segment.endtime - segment.starttime) / SECOND_NS
    if seconds >= MEASURED_SECONDS:
        rate = (n_samples - 1) / seconds
    return Segment(start_ns=segment.starttime, rate=rate, samples=samples)
