"""Waveforms of MongoDB as a DataFrame, read in parallel by Spark's workers."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Unpack

import pyarrow as pa
from pymongo import MongoClient
from pymongo.cursor import Cursor
from pymongo.database import Database
from pyspark.sql import DataFrame, SparkSession

from seisbatch.mongo.connect import Document, MongoSettings, connected, settings_of
from seisbatch.mongo.distributed import Task, id_text, read_batches
from seisbatch.mongo.document_schema import Schema, load_schema
from seisbatch.mongo.kept_uri import MONGO_URI
from seisbatch.mongo.reading import Reading, ReadOptions
from seisbatch.mongo.storage import ITEM_BYTES
from seisbatch.outcome import RunError

PARTITION_BYTES = 128_000_000
"""Samples that a task reads, by what the documents tell of them, where nobody says how many partitions there are to be."""
POSITION = "position"
_IDS = pa.schema([pa.field("_id", pa.string(), nullable=False), pa.field(POSITION, pa.int64(), nullable=False)])
_CHUNK = 100_000


def read_distributed(
    spark: SparkSession,
    settings: MongoSettings,
    selection: Mapping[str, Any] | Cursor[Document] | DataFrame | Iterable[Any],
    collection: str | None = None,
    *,
    schema: Schema | None = None,
    data_tag: str | None = None,
    columns: Sequence[str] = (),
    partitions: int | None = None,
    **options: Unpack[Reading],
) -> DataFrame:
    """Waveforms as rows of :data:`~seisbatch.mongo.distributed.DISTRIBUTED`, read when the DataFrame is used.

    ``selection`` is a query; or a cursor of ``find``, whose collection, sort, limit and skip are taken, and which is not used
    up; or ids or documents that have one, in any iterable; or a DataFrame with a column ``_id`` (hexadecimal, or extended
    JSON). Of these only ids pass through the driver. A DataFrame that has a column ``storage_mode`` is one of whole documents,
    which are taken as they are. Rows come in the order of a cursor or iterable.

    ``collection`` is by default the cursor's, or ``wf_TimeSeries``. ``data_tag`` passes over data of other tags. ``columns``
    are names in the metadata, such as ``source_depth``, that get columns of their own, besides. ``partitions`` is the number
    of tasks. The other options are those of :func:`~seisbatch.mongo.reading.read_datum`.

    Every datum has a row. One that is not ``live`` has no samples, and its ``elog`` says why: with ``is_abortion`` it could not
    be read, without it lacks what is ``required`` or has no document. Nothing is written to the database. A worker
    holds some 16 MB of samples and one datum.

    Raises ValueError of options that there are not, and RunError where MongoDB does not answer.
    """
    if collection is None:
        collection = selection.collection.name if isinstance(selection, Cursor) else "wf_TimeSeries"
    is_whole = isinstance(selection, DataFrame) and "storage_mode" in selection.columns
    task = Task(settings, schema or load_schema(), collection, ReadOptions(**options), data_tag, tuple(columns), is_whole)
    rows = task.table.spark()
    with connected(settings) as database:
        task.reader(database)
        if isinstance(selection, DataFrame):
            keys = _of_frame(selection, partitions)
        else:
            keys = _of_ids(spark, _wanted(database, task, selection), task, partitions)
    return keys.mapInArrow(functools.partial(read_batches, task), rows)


def read_distributed_data(
    client: MongoClient[Any],
    name: str,
    selection: Mapping[str, Any] | Cursor[Document] | DataFrame | Iterable[Any],
    *,
    spark: SparkSession | None = None,
    **options: Any,
) -> DataFrame:
    """:func:`read_distributed` of the database of a name at the server that a client is connected to, in the session there is.

    ``options`` are those of :func:`read_distributed`. Workers connect by themselves, and the client is not asked for its
    password: for a server that asks for one, its URI must be in the environment variable ``SEISBATCH_MONGO_URI``.
    """
    session = spark or SparkSession.builder.getOrCreate()
    return read_distributed(session, settings_of(client, name), selection, **options)


def _wanted(
    database: Database[Document], task: Task, selection: Mapping[str, Any] | Cursor[Document] | Iterable[Any]
) -> Iterator[tuple[Any, Any]]:
    """The ids that are selected, each with the number of samples where that is known."""
    if isinstance(selection, Mapping):
        tag = {} if task.data_tag is None else {"data_tag": task.data_tag}
        query = {"$and": [dict(selection), tag]} if tag else selection
        selection = database[task.collection].find(query, {"npts": True})
    elif isinstance(selection, Cursor):
        selection = selection.clone()
        first = next(selection, None)
        if first is not None and database[task.collection].find_one(first["_id"], {"_id": True}) is None:
            raise RunError(
                f"MongoDB, database {database.name}: as the workers reach it, {task.collection} has no document "
                f"{first['_id']}, which the cursor has. Is it the same server? It may be that of {MONGO_URI}"
            )
        selection.rewind()
    for one in selection:
        yield (one["_id"], one.get("npts")) if isinstance(one, Mapping) else (one, None)


def _of_ids(spark: SparkSession, wanted: Iterable[tuple[Any, Any]], task: Task, partitions: int | None) -> DataFrame:
    """Ids and their positions, in as many partitions as keep the workers busy with a few samples each."""
    batches = []
    number = n_samples = 0
    wanted = iter(wanted)
    while some := list(itertools.islice(wanted, _CHUNK)):
        ids = [id_text(own) for own, _ in some]
        batches.append(pa.record_batch([ids, range(number, number + len(some))], schema=_IDS))
        number += len(some)
        n_samples += sum(npts for _, npts in some if isinstance(npts, int))
    keys = spark.createDataFrame(pa.Table.from_batches(batches, schema=_IDS))
    if partitions is None:
        partitions = max(spark.sparkContext.defaultParallelism, -(-n_samples * ITEM_BYTES // PARTITION_BYTES))
    n_tasks = max(1, min(number, partitions))
    return keys.repartitionByRange(n_tasks, POSITION).sortWithinPartitions(POSITION)


def _of_frame(frame: DataFrame, partitions: int | None) -> DataFrame:
    if "_id" not in frame.columns:
        raise ValueError(f"a DataFrame without a column _id: it has {', '.join(frame.columns)}")
    keys = frame if "storage_mode" in frame.columns else frame.select("_id")
    return keys if partitions is None else keys.repartition(partitions)
