"""Days in, channel-days out: reads an archive's own index of each day."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.names import ChannelPatterns, channel
from seisbatch.outcome import Corrupt, Denied, Missing, Outcome, RunError, UnitError
from seisbatch.schema import CHANNEL_DAY, DOUBLE, STRING


@dataclass(frozen=True)
class IndexSettings:
    """Which index to read, and which of its channels to keep."""

    layout: str
    archive: StoreSettings
    channels: str


def read_indexes(settings: IndexSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`CHANNEL_DAY` for batches with a column ``date``; a day's rows are sorted by channel."""
    store = open_store(settings.archive)
    patterns = ChannelPatterns(settings.channels)
    for batch in batches:
        for day in batch.column("date").to_pylist():
            yield CHANNEL_DAY.batch(channel_days(store, ARCHIVES[settings.layout], day, patterns))


def channel_days(store: Store, layout: Any, day: dt.date, patterns: ChannelPatterns) -> list[dict[str, Any]]:
    """The channel-days of a day that match the patterns, and a row for each problem of the index.

    A day without an index, and an index row that names no valid channel or file, or a channel a second time, become rows
    with an outcome. Raises RunError where the store denies the index: no later day would fare better.
    """
    try:
        table = _day_index(store, layout, day)
    except Denied as error:
        raise RunError(f"the archive's index cannot be read: {error}") from error
    except UnitError as error:
        return [_problem(f"index/{day}", day, error.outcome, f"index of the day: {error}")]
    rows: dict[str, dict[str, Any]] = {}
    problems = []
    for row in table.to_pylist():
        try:
            name = channel(row["net"] or "", row["sta"] or "", row["location"] or "", row["seedchan"] or "")
            key = layout.indexed_key(row["ms_filename"] or "", day)
        except ValueError as error:
            problems.append(_problem(f"index/{day}/{row['ms_filename']}", day, Outcome.REJECTED, f"index row: {error}"))
            continue
        unit = f"{name}/{day}"
        if not patterns.matches(name):
            continue
        if unit in rows:
            reason = f"the index names {name} twice; {rows[unit]['s3key']} is read"
            problems.append(_problem(f"{unit}/{row['ms_filename']}", day, Outcome.REJECTED, reason))
            continue
        rows[unit] = {
            "unit": unit,
            "date": day,
            **name._asdict(),
            "s3key": key,
            **{field: row[field] for field in ("sample_rate", "lat", "lon")},
        }
    return sorted(rows.values(), key=lambda row: row["unit"]) + problems


def _problem(unit: str, day: dt.date, outcome: Outcome, reason: str) -> dict[str, Any]:
    return {"unit": unit, "date": day, "outcome": str(outcome), "reason": reason}


def _day_index(store: Store, layout: Any, day: dt.date) -> pa.Table:
    """A day's index, from Parquet or else from csv, under an explicit schema; its strings not yet normalised."""
    texts = ("ms_filename", "net", "sta", "seedchan", "location")
    schema = pa.schema([(name, STRING if name in texts else DOUBLE) for name in layout.DAY_INDEX_COLUMNS])
    key = layout.day_index_key(day, "parquet")
    try:
        data = store.get(key)
    except Missing:
        return _csv_index(store, layout, day, schema)
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read(columns=schema.names)
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError) as error:
        raise Corrupt(f"{key}: {error}") from error


def _csv_index(store: Store, layout: Any, day: dt.date, schema: pa.Schema) -> pa.Table:
    key = layout.day_index_key(day, "csv")
    data = bytes(store.get(key))
    has_header = data.lstrip(b'\xef\xbb\xbf "\r\n').lower().startswith(schema.names[0].encode())
    try:
        return pyarrow.csv.read_csv(
            io.BytesIO(data),
            read_options=pyarrow.csv.ReadOptions(column_names=schema.names, skip_rows=int(has_header)),
            convert_options=pyarrow.csv.ConvertOptions(column_types=schema),
        )
    except pa.ArrowException as error:
        raise Corrupt(f"{key}: {error}") from error
