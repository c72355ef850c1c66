"""Segments as SAC files, headers filled from their rows.

SAC has times to the millisecond for its reference and as float32 seconds relative to it, samples as float32, and places as
float32 degrees: what does not fit into that is rounded.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from obspy import UTCDateTime
from obspy.io.sac import SACTrace

from seisbatch.names import Channel
from seisbatch.outcome import Corrupt
from seisbatch.process.segments import Segment
from seisbatch.times import SECOND_NS, from_datetime

MILLISECOND_NS = 1_000_000
CODE_LENGTH, EVENT_LENGTH = 8, 16

_QUANTITIES = {
    "m": {"idep": "idisp", "kuser0": "m"},
    "m/s": {"idep": "ivel", "kuser0": "m/s"},
    "m/s**2": {"idep": "iacc", "kuser0": "m/s**2"},
}

Row = Mapping[str, Any]


def sac_bytes(row: Row, name: Channel, segment: Segment, epoch: Row | None) -> bytes:
    """A segment as a SAC file; ``row`` is its row of ``wf_TimeSeries``, ``epoch`` its channel's row of ``channel``, if known.

    The reference time is the event's origin time where that is known, which ``o`` is relative to like ``b`` and ``a``, the
    arrival; else the time of the first sample. Elevations and depths of stations are in m, of events in km. Distances and
    azimuths are on the WGS84 ellipsoid. Of ground motion ``idep`` says which, and ``kuser0`` its units: those of SI,
    where SAC's own programs take nm. Where the event's name is longer than SAC's sixteen characters, its end stands there.
    """
    origin_ns = None if row["source_time"] is None else from_datetime(row["source_time"])
    zero_ns = segment.start_ns if origin_ns is None else origin_ns
    zero_ns -= zero_ns % MILLISECOND_NS
    zero = UTCDateTime(ns=zero_ns)

    def since(instant_ns: int) -> float:
        return (instant_ns - zero_ns) / SECOND_NS

    headers: dict[str, Any] = {
        **{"nzyear": zero.year, "nzjday": zero.julday, "nzhour": zero.hour, "nzmin": zero.minute, "nzsec": zero.second},
        "nzmsec": zero.microsecond // 1000,
        "iztype": "ib" if origin_ns is None else "io",
        "b": since(segment.start_ns),
        "o": None if origin_ns is None else since(origin_ns),
        "delta": 1 / segment.rate,
        **{"knetwk": name.net, "kstnm": name.sta, "khole": name.loc or None, "kcmpnm": name.chan},
        **{"stla": row["lat"], "stlo": row["lon"], "stel": _metres(row["elev"])},
        **{"evla": row["source_lat"], "evlo": row["source_lon"], "evdp": row["source_depth"], "mag": row["magnitude"]},
        "kevnm": _text(row["source_id"], EVENT_LENGTH, end=True),
        "lcalda": True,
        **_QUANTITIES.get(row["units"], {"idep": "iunkn"}),
    }
    if row["arrival"] is not None:
        headers |= {"a": since(from_datetime(row["arrival"])), "ka": _text(row["phase"], CODE_LENGTH)}
    if epoch is not None:
        headers |= {"cmpaz": epoch["hang"], "cmpinc": epoch["vang"], "stdp": _metres(epoch["edepth"])}
    known = {key: value for key, value in headers.items() if value is not None}
    file = io.BytesIO()
    SACTrace(data=segment.samples.astype(np.float32), **known).write(file)
    return file.getvalue()


def read_sac(data: Any) -> Segment:
    """The samples of a SAC file as a segment, its start to the microsecond; Corrupt where it is none."""
    try:
        trace = SACTrace.read(io.BytesIO(bytes(data)))
        start_ns, rate, samples = (trace.reftime + trace.b).ns, 1 / trace.delta, trace.data
    except Exception as error:  # obspy raises several kinds for what is not SAC
        raise Corrupt(f"not SAC: {type(error).__name__}: {error}"[:300]) from None
    return Segment(start_ns, rate, samples)


def _metres(km: float | None) -> float | None:
    return None if km is None else 1000 * km


def _text(text: str | None, length: int, *, end: bool = False) -> str | None:
    """Text that SAC has room for: its beginning, or its end."""
    if text is None:
        return None
    plain = text.encode("ascii", "replace").decode()
    return plain[-length:] if end else plain[:length]
