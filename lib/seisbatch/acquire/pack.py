"""Segments to miniSEED: encoded, or, where an object has them, in its own records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pymseed import DataEncoding, MS3TraceList, PymseedError, nslc2sourceid

from seisbatch.acquire.window import Records, sample_numbers
from seisbatch.names import Channel
from seisbatch.process.segments import Segment

EDGE_RECORD_BYTES = 512
_KINDS = {"i": ("i", np.int32), "f": ("f", np.float32), "d": ("d", np.float64)}
_PLAIN = {"i": DataEncoding.INT32, "f": DataEncoding.FLOAT32, "d": DataEncoding.FLOAT64}


def pack(name: Channel, segment: Segment, record_bytes: int = 4096) -> bytes:
    """A segment as records of miniSEED 2: whole numbers as Steim-2 where their steps fit into it, else as they are.

    The header's rate is a fraction of small whole numbers: a rate that is none is known from elsewhere.
    """
    kind = "i" if segment.samples.dtype.kind in "iu" else "f" if segment.samples.dtype.itemsize <= 4 else "d"
    samples = np.ascontiguousarray(segment.samples, _KINDS[kind][1])
    for encoding in (DataEncoding.STEIM2, _PLAIN[kind]) if kind == "i" else (_PLAIN[kind],):
        traces = MS3TraceList()
        try:
            traces.add_data(nslc2sourceid(*name), samples, kind, segment.rate, starttime=segment.start_ns)
            return b"".join(traces.generate(max_record_length=record_bytes, encoding=encoding, format_version=2))
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
    a fraction of the time of encoding them again.
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
    edges = segment.part(first, int(numbers[low])), segment.part(int(numbers[high]), stop)
    before, after = (pack(name, edge, EDGE_RECORD_BYTES) if len(edge.samples) else b"" for edge in edges)
    inside = bytes(memoryview(found.body)[low * found.length : high * found.length])
    return Recorded(cut.start_ns, cut.rate, cut.samples, before + inside + after)
