"""Segments to miniSEED."""

from __future__ import annotations

import numpy as np
from pymseed import DataEncoding, MS3TraceList, PymseedError, nslc2sourceid

from seisbatch.names import Channel
from seisbatch.process.segments import Segment

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
