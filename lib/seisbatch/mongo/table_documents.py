"""Rows of the flat tables as documents, column by column: one a row, under an id that follows from what the row is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seisbatch.acquire.objects import StoreSettings
from seisbatch.mongo.document_columns import Columns, Fields, Kind, embedded, seconds
from seisbatch.mongo.documents import object_id
from seisbatch.mongo.elog import Badness, LogEntry
from seisbatch.names import Channel
from seisbatch.schema import (
    BINARY,
    CCF,
    CEMETERY,
    DATE,
    INDEX,
    OUTCOMES,
    SAMPLES,
    STACK,
    STRING,
    TIME,
    WF_MINISEED,
    WF_TIME_SERIES,
    Table,
)
from seisbatch.sinks.samples import SAC

_PAIR = tuple(f"{role}_{code}" for role in ("source", "receiver") for code in Channel._fields)
_PLACE = {"storage_mode": Kind.TEXT, "dir": Kind.TEXT, "dfile": Kind.TEXT, "url": Kind.TEXT, "foff": Kind.INT,
          "nbytes": Kind.INT, "format": Kind.TEXT}  # fmt: skip
"""Where a document keeps its samples."""


@dataclass(frozen=True)
class Output:
    """An output whose tables are loaded: where it is, the run that made it, and where that run's data came from."""

    store: StoreSettings
    run_id: str
    job: str
    source: str


@dataclass(frozen=True)
class Place:
    """Where some rows stand: the output, the key of the table's file, the row group, and the first row in it."""

    output: Output
    key: str
    row_group: int
    first_row: int


@dataclass(frozen=True)
class FlatTable:
    """How the rows of a table become documents.

    A document is known by the output's source, and by the run where it is ``of_run``, and by some columns of the row. It has
    every column, but for those that are ``left_out``; ``more`` are fields that ``finish`` adds.
    """

    table: Table
    identity: tuple[str, ...]
    of_run: bool = True
    left_out: frozenset[str] = frozenset()
    more: Fields = field(default_factory=dict)
    finish: Callable[[Place, pa.RecordBatch, Columns], Columns] | None = None
    blank: bool = True
    """Whether blank texts are kept."""

    @property
    def fields(self) -> Fields:
        """The fields of a document."""
        own = {one.name: _kind(one.type) for one in self.table.fields if one.name not in self.left_out}
        return {"_id": Kind.ID, **own, **self.more}

    def identities(self, output: Output, batch: pa.RecordBatch) -> list[str]:
        """What the documents of some rows are known by."""
        prefix = [output.run_id] * self.of_run + [output.source]
        parts = [_text(batch.column(name)) for name in self.identity]
        joined: list[str] = pc.binary_join_element_wise(*prefix, *parts, "/").to_pylist()
        return joined

    def columns(self, place: Place, batch: pa.RecordBatch) -> Columns:
        """The documents of some rows, of which columns that are not read are none."""
        found: Columns = {
            "_id": pa.array([str(object_id(self.table.name, one)) for one in self.identities(place.output, batch)])
        }
        for one in self.table.fields:
            if one.name in self.fields and one.name in batch.schema.names:
                found[one.name] = _plain(batch.column(one.name), one.type, self.blank)
        return found if self.finish is None else self.finish(place, batch, found)


def _kind(kind: pa.DataType) -> Kind:
    if kind in (SAMPLES, BINARY):
        return Kind.BINARY
    if kind in (STRING, DATE):
        return Kind.TEXT
    return Kind.INT if pa.types.is_integer(kind) else Kind.DOUBLE


def _text(column: pa.Array) -> pa.Array:
    """A column as it stands in an identity: times as microseconds since 1970."""
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).cast(pa.string())


def _plain(column: pa.Array, kind: pa.DataType, blank: bool) -> pa.Array:
    if kind == TIME:
        return seconds(column)
    if kind == SAMPLES:
        return pa.array([None if one is None else one.values.to_numpy().astype("<f4").tobytes() for one in column], BINARY)
    if kind == STRING and not blank:
        return pc.if_else(pc.equal(column, ""), None, column)
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    return column.cast(pa.string()) if kind == DATE else column


def _constant(value: object, n_rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), n_rows)


def _at(root: str, keys: pa.Array) -> Columns:
    """Objects under a root as a document names them: a file in its folder, or the URL of one in a bucket."""
    names = pc.binary_join_element_wise(root.rstrip("/"), keys, "/")
    if root.startswith("s3://"):
        return {"storage_mode": pc.if_else(pc.is_valid(keys), "url", None), "url": names}
    parts = pc.extract_regex(names, r"(?s)^(?P<dir>.*)/(?P<dfile>[^/]*)$")
    return {
        "storage_mode": pc.if_else(pc.is_valid(keys), "file", None),
        "dir": pc.struct_field(parts, "dir"),
        "dfile": pc.struct_field(parts, "dfile"),
    }


def _waveforms(place: Place, batch: pa.RecordBatch, found: Columns) -> Columns:
    """MsPASS's fields of a datum whose samples stay where they are: in whole records of an object, or in the table."""
    n_rows = batch.num_rows
    root = place.output.store.root
    in_object = pc.is_valid(batch.column("dfile"))
    samples = _at(root, batch.column("dfile")) | {
        "foff": found["foff"],
        "nbytes": found["nbytes"],
        "format": pc.if_else(in_object, pc.if_else(pc.equal(batch.column("encoding"), SAC), SAC, "mseed"), "parquet"),
    }
    url = f"{root.rstrip('/')}/{place.key}" if root.startswith("s3://") else f"file://{quote(f'{root}/{place.key}', safe='/=')}"
    in_table = {
        "storage_mode": _constant("url", n_rows),
        "url": _constant(url, n_rows),
        "row_group": _constant(place.row_group, n_rows).cast(pa.int64()),
        "row": pa.array(np.arange(place.first_row, place.first_row + n_rows, dtype=np.int64)),
    }
    for name, values in in_table.items():
        there = samples.get(name, pa.nulls(n_rows, values.type))
        samples[name] = pc.if_else(in_object, there, values)
    return found | samples | {
        "row_id": batch.column("id"),
        "delta": pc.divide(1.0, found["sampling_rate"]),
        "calib": _constant(1.0, n_rows),
        "utc_convertible": _constant(True, n_rows),
        "time_standard": _constant("UTC", n_rows),
    }  # fmt: skip


def _miniseed(place: Place, batch: pa.RecordBatch, found: Columns) -> Columns:
    """MsPASS's fields of a datum that stands in an object of the archive."""
    n_rows = batch.num_rows
    root = place.output.source
    if root.startswith("s3://"):
        root = root.partition(" at ")[0]  # the service that holds the bucket
    return found | _at(root, batch.column("s3key")) | {
        "format": _constant("mseed", n_rows),
        "delta": pc.divide(1.0, found["sampling_rate"]),
        "time_standard": _constant("UTC", n_rows),
    }  # fmt: skip


def _ccfs(place: Place, batch: pa.RecordBatch, found: Columns) -> Columns:
    lengths = pc.list_value_length(batch.column("samples")).cast(pa.int64())
    encoding = pc.if_else(pc.is_valid(batch.column("samples")), "float32", None)
    return found | {"npts": lengths, "encoding": encoding}


_TOMBSTONE = (*Channel._fields, "starttime", "endtime", "data_tag")


def _dead(place: Place, batch: pa.RecordBatch, found: Columns) -> Columns:
    """MsPASS's document of a datum that is dead: what is known of it, and why, as a log."""
    times = {name: seconds(batch.column(name)) for name in ("starttime", "endtime")}
    told = pa.table({name: times.get(name, batch.column(name)) for name in (*_TOMBSTONE, "reason")}).to_pylist()
    tombstones = [{name: row[name] for name in _TOMBSTONE} for row in told]
    logs = [[log_entry(place.output.job, row["reason"])] for row in told]
    return found | {"tombstone": pa.array(map(embedded, tombstones)), "logdata": pa.array(map(embedded, logs))}


def log_entry(algorithm: str, reason: str) -> Mapping[str, object]:
    """An entry of ``logdata`` about a datum that is of no use; the same each time, so of no process."""
    return LogEntry(algorithm, Badness.INVALID, reason, process_id=0).document()


FLAT = {
    flat.table.name: flat
    for flat in (
        FlatTable(
            WF_TIME_SERIES,
            ("data_tag", "id"),
            left_out=frozenset(("id", "encoding", "samples", "source_time", "source_lat", "source_lon", "source_depth")),
            more=_PLACE
            | {
                "url": Kind.TEXT,
                "row_group": Kind.INT,
                "row": Kind.INT,
                "row_id": Kind.TEXT,
                "delta": Kind.DOUBLE,
                "calib": Kind.DOUBLE,
                "utc_convertible": Kind.BOOL,
                "time_standard": Kind.TEXT,
                "gridfs_id": Kind.ID,
                "site_id": Kind.ID,
                "channel_id": Kind.ID,
                "source_id": Kind.ID,
            },  # fmt: skip
            finish=_waveforms,
            blank=False,
        ),
        FlatTable(
            WF_MINISEED,
            ("archive", "s3key", *Channel._fields, "starttime", "foff"),
            of_run=False,
            more=_PLACE | {"delta": Kind.DOUBLE, "time_standard": Kind.TEXT},
            finish=_miniseed,
            blank=False,
        ),
        FlatTable(
            CEMETERY,
            ("data_tag", "unit"),
            left_out=frozenset((*Channel._fields, "starttime", "endtime", "reason")),
            more={"tombstone": Kind.EMBEDDED, "logdata": Kind.EMBEDDED},
            finish=_dead,
        ),
        FlatTable(CCF, (*_PAIR, "starttime"), more={"npts": Kind.INT, "encoding": Kind.TEXT}, finish=_ccfs),
        FlatTable(STACK, (*_PAIR, "starttime"), more={"npts": Kind.INT, "encoding": Kind.TEXT}, finish=_ccfs),
        FlatTable(INDEX, ("archive", "s3key"), of_run=False),
        FlatTable(OUTCOMES, ("kind", "unit")),
    )
}
"""Tables of which each row is a document.

The samples of a correlation are float32 as they are in the table, one after another, as binary: a list would hold them as
doubles with a name each, some 14 bytes instead of 4.
"""
