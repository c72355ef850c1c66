"""Catalogues of events to rows of ``source``: an archive's own index under every spelling of its columns, and QuakeML."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from seisbatch.acquire.objects import Store
from seisbatch.acquire.quakeml import read_quakeml
from seisbatch.outcome import Corrupt
from seisbatch.schema import SOURCE

Rows = tuple[list[dict[str, Any]], list[str]]
EventKey = Callable[..., str]

_SPELLINGS = {
    "event_id": ("evid", "eventid"),
    "datetime": ("origindatetime", "origintime", "eventdatetime", "datetime"),
    "date": ("yyyymmdd", "yyymmdd", "eventdate", "date", "origindate"),
    "clock": ("hhmmssss", "hhmmss", "eventtime", "time"),
    "magnitude": ("mag", "magnitude"),
    "magnitude_type": ("magtype", "magnitudetype", "mtype", "m"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "longitude"),
    "depth": ("depth",),
    "event_type": ("eventtypecode", "eventtype", "et", "type"),
    "prefix": ("prefix",),
    "ms_filename": ("msfilename",),
}
_TIME = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ]+(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d*)?)\s*(?:Z|\+00:?00)?")
_NEEDED = ("event_id", "lat", "lon")


def read_catalogue(store: Store, key: str, event_key: EventKey | None) -> Rows:
    """Rows of ``SOURCE`` of a catalogue file (.parquet, .csv, QuakeML), and what is wrong with those that became none.

    ``event_key`` makes the key of an event's waveforms, as :func:`seisbatch.archives.scedc.event_key` does. An id that stands
    there twice is taken once. Raises Corrupt, and what :meth:`Store.get` raises.
    """
    data = store.get(key)
    suffix = key.lower().rpartition(".")[2]
    if suffix in ("parquet", "csv"):
        rows, problems = _of_table(_parquet(key, data) if suffix == "parquet" else _csv(key, data), event_key)
    else:
        rows, problems = read_quakeml(data)
    unique: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["event_id"] in unique:
            problems.append(f"event {row['event_id']} stands there twice")
        unique.setdefault(row["event_id"], {"source_id": row["event_id"], **row, "catalog": key})
    return list(unique.values()), problems


def _parquet(key: str, data: Any) -> pa.Table:
    try:
        return pq.ParquetFile(pa.BufferReader(data)).read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Corrupt(f"{key}: {error}") from error


def _csv(key: str, data: Any) -> pa.Table:
    try:
        return pyarrow.csv.read_csv(io.BytesIO(bytes(data).lstrip(b"\xef\xbb\xbf")))
    except pa.ArrowException as error:
        raise Corrupt(f"{key}: {error}") from error


def _of_table(table: pa.Table, event_key: EventKey | None) -> Rows:
    if set(SOURCE.names) <= set(table.column_names):
        return [{name: row[name] for name in SOURCE.names} for row in table.to_pylist()], []
    found = _columns(table.column_names)
    if missing := [name for name in _NEEDED if name not in found]:
        raise Corrupt(f"no column for {', '.join(missing)}: the file has {', '.join(table.column_names)[:200]}")
    rows, problems = [], []
    for number, values in enumerate(table.select(list(found.values())).rename_columns(list(found)).to_pylist()):
        try:
            rows.append(_row(values, event_key))
        except ValueError as error:
            problems.append(f"row {number + 1}: {error}")
    return rows, problems


def _columns(names: list[str]) -> dict[str, str]:
    """The columns that the file has for each of ours; ``eventtype`` beside ``eventtime`` is told by its letters."""
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in names}
    return {
        ours: plain[spelling] for ours, spellings in _SPELLINGS.items() for spelling in spellings[::-1] if spelling in plain
    }


def _row(values: Mapping[str, Any], event_key: EventKey | None) -> dict[str, Any]:
    event_id = _text(values["event_id"])
    if not re.fullmatch(r"[\w.:/=?&-]{1,200}", event_id):
        raise ValueError(f"{event_id[:40]!r} is no event id")
    time = _time(values)
    lat, lon = _number(values["lat"], "latitude"), _number(values["lon"], "longitude")
    if lat is None or lon is None or abs(lat) > 90 or not -180 <= lon <= 360:
        raise ValueError(f"event {event_id} is at an impossible place: latitude {lat}, longitude {lon}")
    key = None
    if event_key is not None:
        key = event_key(event_id, time.date(), _text(values.get("prefix")), _text(values.get("ms_filename")))
    return {
        "event_id": event_id,
        "time": time,
        "lat": lat,
        "lon": lon - 360 if lon > 180 else lon,
        "depth": _number(values.get("depth"), "depth"),
        "magnitude": _number(values.get("magnitude"), "magnitude"),
        "magnitude_type": _text(values.get("magnitude_type")) or None,
        "event_type": _text(values.get("event_type")) or None,
        "s3key": key,
    }


def _time(values: Mapping[str, Any]) -> dt.datetime:
    """The origin time, from one column or from a date beside a time; 60 seconds are the next minute."""
    whole = values.get("datetime")
    if whole is None or whole == "":
        clock = values.get("clock")
        whole = (
            clock if isinstance(clock, dt.datetime) else f"{_day(values.get('date'))} {'' if clock is None else clock}".strip()
        )
    if isinstance(whole, dt.datetime):
        return whole if whole.tzinfo else whole.replace(tzinfo=dt.UTC)
    match = _TIME.fullmatch(str(whole).strip())
    if not match:
        raise ValueError(f"{str(whole)[:40]!r} is no origin time")
    year, month, day, hour, minute = map(int, match.groups()[:5])
    return dt.datetime(year, month, day, tzinfo=dt.UTC) + dt.timedelta(hours=hour, minutes=minute, seconds=float(match[6]))


def _day(value: Any) -> str:
    return value.strftime("%Y-%m-%d") if isinstance(value, dt.date) else str(value or "").strip()


def _text(value: Any) -> str:
    """A cell's text; a whole number that the file has as a float loses its point."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _number(value: Any, what: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is no {what}") from None
    return number if math.isfinite(number) else None
