"""Waveforms in memory from and to rows of the table ``wf_TimeSeries``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
from pymseed import PymseedError

from seisbatch.acquire.pack import pack
from seisbatch.mongo.data import Datum, Samples, TimeSeries
from seisbatch.names import Channel, channel
from seisbatch.process.segments import Segment
from seisbatch.schema import STRING, TIME, WF_TIME_SERIES
from seisbatch.sinks.samples import Records, segment_of
from seisbatch.times import SECOND_NS, from_datetime, to_datetime

_TIMES = frozenset(field.name for field in WF_TIME_SERIES.fields if field.type == TIME)
_TEXTS = frozenset(field.name for field in WF_TIME_SERIES.fields if field.type == STRING)
_REQUIRED = frozenset(field.name for field in WF_TIME_SERIES.fields if not field.nullable)
_PLACE = {"dfile": None, "foff": None, "nbytes": None}
_INT32 = np.iinfo(np.int32)


def time_series_of_row(row: Mapping[str, Any], records: Records | None = None) -> TimeSeries:
    """A row as a TimeSeries: each of its columns that is not null is in the metadata, times as epoch seconds.

    ``records`` are the miniSEED records of a row whose samples stand in an object, or the UnitError that reading them ended
    with, as :func:`~seisbatch.sinks.samples.with_records` gives them; without, those in ``row["samples"]``. The history begins
    at the row's ``id``. The start time is the row's.

    Raises the UnitError that the records are, and Corrupt where they are not those of the row, or there are none.
    """
    segment = segment_of(row, (row.get("samples") or b"") if records is None else records)
    values = {name: row[name] for name in WF_TIME_SERIES.names if row.get(name) is not None and name != "samples"}
    values |= {name: _epoch(values[name]) for name in _TIMES & values.keys()}
    series = TimeSeries(segment.samples, values)
    series.history.reroot(WF_TIME_SERIES.name, row["id"])
    return series


def row_of(series: TimeSeries, columns: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A TimeSeries as a row that holds its samples, as miniSEED; columns that are given come before the metadata's.

    Samples that are all whole numbers of int32 are packed as such (Steim-2), others as float64: either way the row's samples
    equal those of the TimeSeries. Times are rounded to the microsecond; MongoDB's ids become
    text. Metadata that the table has no column for are not in
    the row; a column that may be null and that nobody gives is.

    Raises ValueError where the TimeSeries is dead or empty, a column that may not be null is given by nobody, or codes or rate
    are not ones that miniSEED holds.
    """
    if not series.live or not series.npts:
        raise ValueError(f"{series!r} is dead or has no samples: no row of {WF_TIME_SERIES.name}")
    given = dict(series.metadata) | dict(columns or {}) | _PLACE | {"encoding": "miniseed", "samples": None}
    given |= {name: series.metadata[name] for name in ("starttime", "endtime", "sampling_rate", "npts")}
    row: dict[str, Any] = {name: given.get(name) for name in WF_TIME_SERIES.names}
    row |= {name: _datetime(row[name]) for name in _TIMES if row[name] is not None}
    row |= {name: str(row[name]) for name in _TEXTS if row[name] is not None}
    if missing := sorted(name for name in _REQUIRED if row[name] is None):
        raise ValueError(f"{series!r} has no {', '.join(missing)}")
    name = channel(*(row[code] for code in Channel._fields))
    row |= name._asdict()
    segment = segment_of_series(series)
    try:
        row["samples"] = pack(name, segment)
    except PymseedError as error:
        raise ValueError(f"{series!r} does not fit into miniSEED: {error}") from None
    return row


def segment_of_series(series: Datum) -> Segment:
    """The samples as a segment that miniSEED holds best: int32 where that loses nothing, its start to the microsecond."""
    return Segment(from_datetime(_datetime(series.starttime)), series.sampling_rate, _narrowest(series.samples))


def _epoch(time: dt.datetime) -> float:
    return from_datetime(time) / SECOND_NS


def _datetime(time: float | dt.datetime) -> dt.datetime:
    return time if isinstance(time, dt.datetime) else to_datetime(round(time * 1e6) * 1000)


def _narrowest(samples: Samples) -> np.ndarray[Any, Any]:
    """Samples as int32 where that loses nothing."""
    whole = np.all((samples >= _INT32.min) & (samples <= _INT32.max)) and np.array_equal(samples, np.rint(samples))
    return samples.astype(np.int32) if whole else samples
