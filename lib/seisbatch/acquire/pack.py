"""Segments to miniSEED: encoded, or, where an object has them, in its own records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pymseed import DataEncoding, MS3Record, MS3TraceList, PymseedError, nslc2sourceid

from seisbatch.acquire.window import Records, sample_numbers
from seisbatch.names import Channel
from seisbatch.process.segments import Segment
from seisbatch.times import SECOND_NS

EDGE_RECORD_BYTES = 512
NEAR = 0.4
"""Share of a sample by which a record's time may differ from that of the segment that it is a part of."""
_LONGEST_CODES = (2, 5, 2, 3)
"""Characters of a channel's codes in miniSEED 2."""
_KINDS = {"i": ("i", np.int32), "f": ("f", np.float32), "d": ("d", np.float64)}
_PLAIN = {"i": DataEncoding.INT32, "f": DataEncoding.FLOAT32, "d": DataEncoding.FLOAT64}


def pack(name: Channel, segment: Segment, record_bytes: int = 4096) -> bytes:
    """A segment as records of miniSEED 2: whole numbers as Steim-2 where their steps fit into it, else as they are.

    Codes that are too long for that, as FDSN allows them since miniSEED 3, make records of miniSEED 3.
    The header's rate is a fraction of small whole numbers: a rate that is none is known from elsewhere.
    """
    kind = "i" if segment.samples.dtype.kind in "iu" else "f" if segment.samples.dtype.itemsize <= 4 else "d"
    samples = np.ascontiguousarray(segment.samples, _KINDS[kind][1])
    version = 2 if all(len(code) <= longest for code, longest in zip(name, _LONGEST_CODES, strict=True)) else 3
    for encoding in (DataEncoding.STEIM2, _PLAIN[kind]) if kind == "i" else (_PLAIN[kind],):
        traces = MS3TraceList()
        try:
            traces.add_data(nslc2sourceid(*name), samples, kind, segment.rate, starttime=segment.start_ns)
            return b"".join(traces.generate(max_record_length=record_bytes, encoding=encoding, format_version=version))
        except PymseedError:
            if encoding == _PLAIN[kind]:
                raise
        finally:
            traces.close()
    raise AssertionError


@dataclass(frozen=True, eq=False)
class Recorded(Segment):
    """A segment that was cut out of an object, and its records: the object's own, but for those that were cut at an edge."""

    records: bytes


def cut_records(name: Channel, segment: Segment, found: Records, first: int, stop: int) -> Segment:
    """The samples ``first`` to ``stop`` of what some records hold, a view; its records are copied out of them.

    Where the samples are one after another in records of one length, whole records inside are taken as they are, which takes
    a fraction of the time of encoding them again. Not where a clock has run off so far that the first record's own time is
    not the segment's.
    """
    cut = segment.part(first, stop)
    if found.length is None:
        return cut
    numbers = sample_numbers(found)
    if numbers[-1] != len(segment.samples):
        return cut
    low, high = int(np.searchsorted(numbers, first)), int(np.searchsorted(numbers, stop, "right")) - 1
    if low >= high:
        return cut
    body, length = memoryview(found.body), found.length
    before, after = segment.samples[first : numbers[low]], segment.samples[numbers[high] : stop]
    begins = _edge(body, length, low - 1, int(first - numbers[low - 1]), before) if len(before) else _edge(body, length, low)
    if abs(begins.start_ns - cut.start_ns) > NEAR * SECOND_NS / cut.rate:
        return cut
    records = [bytes(body[low * length : high * length])]
    if len(before):
        records.insert(0, pack(name, begins, EDGE_RECORD_BYTES))
    if len(after):
        records.append(pack(name, _edge(body, length, high, 0, after), EDGE_RECORD_BYTES))
    return Recorded(cut.start_ns, cut.rate, cut.samples, b"".join(records))


def _edge(body: memoryview, length: int, record: int, n_before: int = 0, samples: Any = ()) -> Segment:
    """Samples of a record, ``n_before`` others of it before them, by its own time and rate: so its neighbours follow on."""
    header = MS3Record.parse(body[record * length : (record + 1) * length])
    rate = header.samprate
    return Segment(header.starttime + round(n_before * SECOND_NS / rate), rate, np.asarray(samples))
