"""Waveforms in a notebook: tables of segments as ``obspy`` streams."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from obspy import Stream, Trace, UTCDateTime
from obspy.core import AttribDict

from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.names import Channel
from seisbatch.process.segments import Segment
from seisbatch.schema import WF_TIME_SERIES
from seisbatch.sinks.dataset import table_dataset
from seisbatch.sinks.samples import segment_of, with_records

MAX_BYTES = 4_000_000_000
_SOURCE = {"time": "source_time", "latitude": "source_lat", "longitude": "source_lon", "depth": "source_depth",
           "magnitude": "magnitude"}  # fmt: skip
_WILDCARDS = frozenset("*?[")


def read_waveforms(
    path: str | Path,
    net: str = "*",
    sta: str = "*",
    loc: str = "*",
    chan: str = "*",
    *,
    data_tag: str | None = None,
    source_id: str | None = None,
    start: str | dt.datetime | None = None,
    end: str | dt.datetime | None = None,
    endpoint: str | None = None,
    region: str | None = None,
) -> Stream:
    """Segments that a job wrote, as one ``obspy.Stream``, sorted by channel and time.

    ``path`` is the job's ``--out``, a folder or ``s3://bucket/prefix`` (with ``endpoint`` and ``region`` where they are not
    Amazon's own). ``net``, ``sta``, ``loc`` and ``chan`` may hold ``*``, ``?`` and ``[...]``; an empty location is ``""``.
    ``source_id`` keeps the segments of one event, ``start`` and ``end`` (UTC) those that begin before ``end`` and end at
    ``start`` or after it, whole.

    The samples are as they were recorded, or as a job made them, their type too. Each trace has its exact sampling rate,
    ``stats.units`` (counts, or of ground motion), and ``stats.coordinates`` (latitude and
    longitude in degrees, elevation in m) where they are known, ``stats.data_tag``, ``stats.window``, and ``stats.s3key``: the
    objects it comes from. One of an event has ``stats.source`` (``source_id``, ``time``, ``latitude``, ``longitude``, ``depth``
    in km, ``magnitude``), one cut about an arrival ``stats.phase`` and ``stats.arrival``.

    Raises FileNotFoundError where the path holds no such table, KeyError where nothing matches, ValueError where it would be
    more than 4 GB, and :class:`~seisbatch.outcome.UnitError` where samples are missing or damaged.
    """
    root = str(path) if str(path).startswith("s3://") else str(Path(path).expanduser().resolve())
    settings = StoreSettings(root=root, endpoint=endpoint, region=region, anonymous=False)
    dataset = table_dataset(settings, WF_TIME_SERIES)
    if dataset is None:
        raise FileNotFoundError(f"{path} holds no {WF_TIME_SERIES.name} table")
    patterns = dict(zip(Channel._fields, (net, sta, "" if loc == "--" else loc, chan), strict=True))
    condition = _condition(patterns, {"data_tag": data_tag, "source_id": source_id}, start, end)
    names = dataset.to_table(columns=[*Channel._fields, "npts"], filter=condition)
    n_samples = pc.sum(names["npts"]).as_py() or 0
    if 4 * n_samples > MAX_BYTES:
        raise ValueError(f"{names.num_rows} segments are {4 * n_samples / 1e9:.1f} GB: name channels, or a start and an end")
    rows = [
        row
        for row in dataset.to_table(filter=condition).to_pylist()
        if all(fnmatchcase(row[code], pattern) for code, pattern in patterns.items())
    ]
    if not rows:
        raise KeyError(f"{path} holds no segment of {'.'.join(patterns.values())} that was asked for")
    found = [(row, segment_of(row, records)) for row, records in with_records(Store(settings), rows)]
    found.sort(key=lambda item: (*(item[0][code] for code in Channel._fields), item[0]["starttime"]))
    return Stream([_trace(row, segment) for row, segment in found])


def _condition(
    patterns: dict[str, str], exact: dict[str, str | None], start: str | dt.datetime | None, end: str | dt.datetime | None
) -> pc.Expression | None:
    terms = [pc.field(code) == text for code, text in patterns.items() if not _WILDCARDS & set(text)]
    terms += [pc.field(column) == text for column, text in exact.items() if text is not None]
    if start is not None:
        terms.append(pc.field("endtime") >= _instant(start))
    if end is not None:
        terms.append(pc.field("starttime") < _instant(end))
    condition = None
    for term in terms:
        condition = term if condition is None else condition & term
    return condition


def _instant(time: str | dt.datetime) -> pa.Scalar:
    when = dt.datetime.fromisoformat(time) if isinstance(time, str) else time
    return pa.scalar(when if when.tzinfo else when.replace(tzinfo=dt.UTC), pa.timestamp("us", tz="UTC"))


def _trace(row: Mapping[str, Any], segment: Segment) -> Trace:
    header = {
        **dict(zip(("network", "station", "location", "channel"), (row[code] for code in Channel._fields), strict=True)),
        "starttime": UTCDateTime(row["starttime"]),
        "sampling_rate": row["sampling_rate"],
        **{key: row[key] for key in ("data_tag", "window", "s3key", "units")},
    }
    if row["lat"] is not None and row["lon"] is not None:
        header["coordinates"] = AttribDict(latitude=row["lat"], longitude=row["lon"])
        if row["elev"] is not None:
            header["coordinates"].elevation = 1000 * row["elev"]
    if row["source_id"] is not None:
        header["source"] = AttribDict(source_id=row["source_id"])
        for key, column in _SOURCE.items():
            if row[column] is not None:
                header["source"][key] = UTCDateTime(row[column]) if key == "time" else row[column]
    if row["phase"] is not None:
        header |= {"phase": row["phase"], "arrival": UTCDateTime(row["arrival"])}
    return Trace(segment.samples, header)
