"""Days in, channel-days out: reads an archive's own index of each day, or lists the day where it has none."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from seisbatch.acquire.backend import Listed
from seisbatch.acquire.miniseed import MAX_RATE
from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.archives.layout import IndexedLayout, Layout, lists_years
from seisbatch.names import ChannelPatterns, channel
from seisbatch.outcome import Corrupt, Denied, Missing, Outcome, RunError, UnitError
from seisbatch.schema import CHANNEL_DAY, DOUBLE, STRING
from seisbatch.steps.index_table import IndexPlace, problem

LISTERS = 16
"""Prefixes that a worker lists at a time."""


@dataclass(frozen=True)
class IndexSettings:
    """Which index to read, and which of its channels to keep."""

    layout: str
    archive: StoreSettings
    channels: str
    table: IndexPlace | None = None
    """What index_archive wrote, where it is read in place of the archive's own index or a listing."""
    by_channel: bool = False
    """Whether objects that hold whole stations are split into the channels that are wanted of them."""


def read_indexes(settings: IndexSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`CHANNEL_DAY` for batches with a column ``date``; a day's rows are sorted by channel."""
    store = open_store(settings.archive)
    patterns = ChannelPatterns(settings.channels)
    listing = Listing(store, ARCHIVES[settings.layout])
    table = settings.table.opened(settings.layout) if settings.table else None
    for batch in batches:
        for day in batch.column("date").to_pylist():
            rows = table.channel_days(day, patterns) if table else channel_days(listing, day, patterns)
            yield CHANNEL_DAY.batch(_by_channel(rows, patterns) if settings.by_channel else rows)


def _by_channel(rows: list[dict[str, Any]], patterns: ChannelPatterns) -> Iterator[dict[str, Any]]:
    """Rows of objects that hold a whole station as rows of the channels that the patterns name of it; a problem else."""
    for row in rows:
        if row.get("outcome") or row["chan"] is not None:
            yield row
            continue
        named = patterns.named_at(row["net"], row["sta"])
        if named is None:
            reason = f"which channels {row['s3key']} holds is not known: index_archive --segments tells, or name them"
            yield problem(row["unit"], row["date"], Outcome.REJECTED, reason)
        for name in named or ():
            # The object's size says nothing of a channel's.
            yield {**row, **name._asdict(), "unit": f"{name}/{row['date']}", "size": None}


class Listing:
    """The objects of an archive that has no index, by prefix; one that holds a whole year is listed once."""

    def __init__(self, store: Store, layout: Layout) -> None:
        self.store = store
        self.layout = layout
        self._of_prefix: dict[str, Sequence[str]] = {}
        self._of_year: dict[str, list[Listed]] = {}

    def objects(self, day: dt.date, networks: Sequence[str] | None) -> list[Listed]:
        """The objects under the prefixes of a day, those of other networks left out where networks are named."""
        if networks is None:
            prefix = self.layout.networks_prefix(day.year)
            networks = self._networks(prefix) if prefix else []
        prefixes = self.layout.day_prefixes(day, networks)
        with ThreadPoolExecutor(LISTERS) as pool:
            return [item for found in pool.map(self._under, prefixes) for item in found]

    def _networks(self, prefix: str) -> Sequence[str]:
        if prefix not in self._of_prefix:
            self._of_prefix[prefix] = self.store.folders(prefix)
        return self._of_prefix[prefix]

    def _under(self, prefix: str) -> list[Listed]:
        if not lists_years(self.layout):
            return list(self.store.list_versions(prefix))
        if prefix not in self._of_year:
            self._of_year[prefix] = list(self.store.list_versions(prefix))
        return self._of_year[prefix]


def channel_days(listing: Listing, day: dt.date, patterns: ChannelPatterns) -> list[dict[str, Any]]:
    """The channel-days of a day that match the patterns, and a row for each problem; from its index, or else listed."""
    if listing.layout.DAY_INDEX_COLUMNS:
        return indexed(listing.store, cast(IndexedLayout, listing.layout), day, patterns)
    return listed(listing, day, patterns)


def listed(listing: Listing, day: dt.date, patterns: ChannelPatterns) -> list[dict[str, Any]]:
    """The channel-days that a listing of a day's prefixes finds, and a row for each key there that names none.

    Where a prefix holds more than a day, keys of another form are passed over: which day they would be of is not known.
    Raises RunError where the store denies the listing.
    """
    layout = listing.layout
    try:
        found = listing.objects(day, patterns.networks)
    except Denied as error:
        raise RunError(f"the archive cannot be listed: {error}") from error
    except UnitError as error:
        return [problem(f"listing/{day}", day, error.outcome, f"listing of the day: {error}")]
    rows: dict[str, dict[str, Any]] = {}
    problems: list[dict[str, Any]] = []
    versions: dict[str, int] = {}
    for item in found:
        try:
            name = layout.parse_day_file_key(item.key)
        except ValueError as error:
            if not lists_years(layout):
                problems.append(problem(f"listing/{day}/{item.key}", day, Outcome.REJECTED, f"listing: {error}"))
            continue
        if name.date != day or not patterns.may_match(name.net, name.sta, name.loc, name.chan):
            continue
        codes = {"net": name.net, "sta": name.sta, "loc": name.loc, "chan": name.chan}
        unit = f"{'.'.join(code for code in codes.values() if code is not None)}/{day}"
        if unit in rows and name.version == versions[unit]:
            reason = f"{unit.partition('/')[0]} stands there twice; {rows[unit]['s3key']} is read"
            problems.append(problem(f"{unit}/{item.key}", day, Outcome.REJECTED, reason))
        elif name.version >= versions.get(unit, 0):  # of several versions the last is read
            versions[unit] = name.version
            rows[unit] = {"unit": unit, "date": day, **codes, "s3key": item.key, "size": item.size, "etag": item.version}
    return sorted(rows.values(), key=lambda row: row["unit"]) + problems


def indexed(store: Store, layout: IndexedLayout, day: dt.date, patterns: ChannelPatterns) -> list[dict[str, Any]]:
    """The channel-days of a day's index that match the patterns, and a row for each problem of the index.

    A day without an index, and an index row that names no valid channel or file, or a channel a second time, become rows
    with an outcome. Raises RunError where the store denies the index: no later day would fare better.
    """
    try:
        table = _day_index(store, layout, day)
    except Denied as error:
        raise RunError(f"the archive's index cannot be read: {error}") from error
    except UnitError as error:
        return [problem(f"index/{day}", day, error.outcome, f"index of the day: {error}")]
    rows: dict[str, dict[str, Any]] = {}
    problems: list[dict[str, Any]] = []
    for row in table.to_pylist():
        try:
            name = channel(row["net"] or "", row["sta"] or "", row["location"] or "", row["seedchan"] or "")
            key = layout.indexed_key(row["ms_filename"] or "", day)
        except ValueError as error:
            unit = f"index/{day}/{row['ms_filename']}#{len(problems)}"
            problems.append(problem(unit, day, Outcome.REJECTED, f"index row: {error}"))
            continue
        unit = f"{name}/{day}"
        if not patterns.matches(name):
            continue
        if unit in rows:
            reason = f"the index names {name} twice; {rows[unit]['s3key']} is read"
            problems.append(problem(f"{unit}/{row['ms_filename']}#{len(problems)}", day, Outcome.REJECTED, reason))
            continue
        rows[unit] = {
            "unit": unit,
            "date": day,
            **name._asdict(),
            "s3key": key,
            "sample_rate": _within(row["sample_rate"], 1e-9, MAX_RATE),
            "lat": _within(row["lat"], -90, 90),
            "lon": _within(row["lon"], -180, 360),
        }
    return sorted(rows.values(), key=lambda row: row["unit"]) + problems


def _within(value: float | None, low: float, high: float) -> float | None:
    """A number of an index, if it can be one: others are as good as none."""
    return value if value is not None and low <= value <= high else None


def _day_index(store: Store, layout: IndexedLayout, day: dt.date) -> pa.Table:
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
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:  # of what the bytes are, not of reading them
        raise Corrupt(f"{key}: {error}") from error


def _csv_index(store: Store, layout: IndexedLayout, day: dt.date, schema: pa.Schema) -> pa.Table:
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
