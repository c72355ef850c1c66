"""Files of tables in, documents out: what Spark's connector writes is made by the workers that read the files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from bson import ObjectId
from pymongo.database import Database

from seisbatch.acquire.objects import open_store
from seisbatch.mongo.connect import Document, MongoSettings, connected
from seisbatch.mongo.document_columns import Columns, Fields, columns_of, connector_schema, for_connector
from seisbatch.mongo.documents import object_id, write_documents
from seisbatch.mongo.epoch_ids import EpochIds
from seisbatch.mongo.gridfs_bulk import GridFSWriter
from seisbatch.mongo.normalising_documents import NORMALISING, normalising_documents
from seisbatch.mongo.outgoing import PLACE
from seisbatch.mongo.storage import GRIDFS
from seisbatch.mongo.table_documents import FLAT, Output, Place, log_entry
from seisbatch.names import Channel
from seisbatch.outcome import Result, UnitError, guard
from seisbatch.schema import CEMETERY, SOURCE, WF_TIME_SERIES
from seisbatch.sinks.dataset import parquet_file, reading_error
from seisbatch.sinks.samples import segment_of, with_records
from seisbatch.steps.memory import settle
from seisbatch.times import SECOND_NS, from_datetime

READ_ROWS = 1000
GRIDFS_ROWS = 64
"""Rows that are read at a time, without and with their samples."""
JOB = "load_mongo"


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """Which outputs are loaded, into which MongoDB, and whether samples stay where they are (``reference``) or go to GridFS."""

    run_id: str
    job: str
    outputs: tuple[Output, ...]
    mongo: MongoSettings
    samples: str


def document_fields(collection: str) -> Fields:
    """The fields of a collection's documents."""
    return NORMALISING[collection] if collection in NORMALISING else FLAT[collection].fields


def make_documents(
    settings: LoadSettings, collection: str, tell: Callable[[], None], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Documents of a collection for the connector, of files (columns ``output``, ``key``) of its table; each is told when done.

    Those that its columns cannot hold are written here, and so are samples for GridFS, before the documents that name them.
    What cannot be read is passed over: who checks what the server has reads it again, and tells.
    """
    settle()
    with connected(settings.mongo) as database:
        make = _maker(settings, database, collection)
        for unit in (row for rows in batches for row in rows.to_pylist()):
            try:
                for columns in make(settings.outputs[unit["output"]], unit["key"]):
                    batch, others = for_connector(document_fields(collection), columns)
                    write_documents(database[collection], others)
                    if batch.num_rows:
                        yield batch
            except UnitError:  # accounted for when what the server has is checked
                pass
            tell()


def schema_of(collection: str) -> pa.Schema:
    """What :func:`make_documents` yields."""
    return connector_schema(document_fields(collection))


Maker = Callable[[Output, str], Iterator[Columns]]


def _maker(settings: LoadSettings, database: Database[Document], collection: str) -> Maker:
    if collection in NORMALISING:
        return functools.partial(_normalising, database, collection)
    if collection == WF_TIME_SERIES.name:
        return functools.partial(_waveforms, settings, database, EpochIds(database))
    return functools.partial(_flat, collection)


def _normalising(database: Database[Document], collection: str, output: Output, key: str) -> Iterator[Columns]:
    """What a document no longer tells is removed from the one that is there, as saving it would."""
    for made in normalising_documents(database, collection, output.store, key):
        for name in {name for one in made.documents for name, value in one.items() if value is None}:
            without = [one["_id"] for one in made.documents if one.get(name, "") is None]
            database[collection].update_many({"_id": {"$in": without}, name: {"$exists": True}}, {"$unset": {name: ""}})
        if made.documents:
            yield columns_of(NORMALISING[collection], made.documents)


def _flat(collection: str, output: Output, key: str) -> Iterator[Columns]:
    flat = FLAT[collection]
    for place, batch in table_rows(output, key, flat.table.names, READ_ROWS):
        yield flat.columns(place, batch)


def table_rows(output: Output, key: str, columns: list[str], n_rows: int) -> Iterator[tuple[Place, pa.RecordBatch]]:
    """The rows of a table's file, some at a time; a column that an older file has not is null. Raises UnitError."""
    table = FLAT[key.partition("/")[0]].table
    schema = pa.schema([one for one in table.arrow() if one.name in columns])
    try:
        with parquet_file(output.store, key) as file:
            named = set(file.schema_arrow.names)
            there = [name for name in columns if name in named]
            for group in range(file.num_row_groups):
                first = 0
                for batch in file.iter_batches(n_rows, row_groups=[group], columns=there):
                    arrays = [
                        batch.column(one.name).cast(one.type) if one.name in there else pa.nulls(batch.num_rows, one.type)
                        for one in schema
                    ]
                    names = schema.names
                    yield Place(output, key, group, first), pa.RecordBatch.from_arrays(arrays, names=names)
                    first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise reading_error(key, error) from error


def _waveforms(
    settings: LoadSettings, database: Database[Document], epochs: EpochIds, output: Output, key: str
) -> Iterator[Columns]:
    flat = FLAT[WF_TIME_SERIES.name]
    to_gridfs = settings.samples == GRIDFS
    names = [name for name in flat.table.names if to_gridfs or name != "samples"]
    writer = GridFSWriter(database)
    for place, batch in table_rows(output, key, names, GRIDFS_ROWS if to_gridfs else READ_ROWS):
        columns = flat.columns(place, batch) | _references(epochs, batch)
        yield _in_gridfs(database, writer, place, batch, columns) if to_gridfs else columns


def _references(epochs: EpochIds, batch: pa.RecordBatch) -> Columns:
    """The ids of the documents that data refer to."""
    site_ids, channel_ids, source_ids, locations = (
        batch.column(name).to_pylist() for name in ("site_id", "channel_id", "source_id", "loc")
    )
    events = {one: object_id(SOURCE.name, one) for one in set(source_ids) if one is not None}
    ids = {
        "site_id": epochs.sites(site_ids, locations),
        "channel_id": epochs.channels(channel_ids),
        "source_id": [events.get(one) for one in source_ids],
    }
    return {name: pa.array([None if one is None else str(one) for one in found], pa.string()) for name, found in ids.items()}


_ELSEWHERE = PLACE - {"storage_mode", "gridfs_id", "row_id"}


def _in_gridfs(
    database: Database[Document], writer: GridFSWriter, place: Place, batch: pa.RecordBatch, columns: Columns
) -> Columns:
    """The documents of the rows whose samples could be put into GridFS; the others are data that are dead."""
    flat = FLAT[WF_TIME_SERIES.name]
    identities = flat.identities(place.output, batch)
    put: list[ObjectId | None] = []
    dead: list[Document] = []
    read = with_records(open_store(place.output.store), batch.to_pylist())
    for identity, (row, records) in zip(identities, read, strict=True):
        done = guard(functools.partial(segment_of, row, records))
        put.append(None if done.value is None else writer.put(identity, done.value.samples))
        if done.value is None:
            dead.append(_tombstone(identity, row, done))
    writer.flush()
    write_documents(database[CEMETERY.name], dead)
    alive = [tombstone_id(identity) for identity, own in zip(identities, put, strict=True) if own is not None]
    database[CEMETERY.name].delete_many({"_id": {"$in": alive}})  # of an earlier try
    kept = pa.array([own is not None for own in put])
    columns = {name: column for name, column in columns.items() if name not in _ELSEWHERE}
    columns["storage_mode"] = pa.repeat(GRIDFS, len(put))
    columns["gridfs_id"] = pa.array([None if own is None else str(own) for own in put], pa.string())
    return {name: column.filter(kept) for name, column in columns.items()}


def _tombstone(identity: str, row: Mapping[str, Any], done: Result[Any]) -> Document:
    """The document of a datum whose samples cannot be read."""
    codes = {name: row[name] for name in Channel._fields}
    times = {name: from_datetime(row[name]) / SECOND_NS for name in ("starttime", "endtime")}
    told = {**codes, **times, "data_tag": row["data_tag"], "npts": row["npts"], "sampling_rate": row["sampling_rate"]}
    return {
        "_id": tombstone_id(identity),
        "unit": row["id"],
        "data_tag": row["data_tag"],
        "outcome": str(done.outcome),
        "parameters_id": row["parameters_id"],
        "tombstone": told,
        "logdata": [log_entry(JOB, done.reason)],
    }


def tombstone_id(identity: str) -> ObjectId:
    """The id in the cemetery of a datum that could not be loaded."""
    return object_id(CEMETERY.name, f"{JOB}/{identity}")
