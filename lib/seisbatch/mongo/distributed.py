"""Waveforms as rows: what workers read from MongoDB and hand on, and data made of such rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from bson import ObjectId, json_util
from pymongo.database import Database

from seisbatch.mongo.connect import Document, MongoSettings, connected
from seisbatch.mongo.data import Seismogram, TimeSeries
from seisbatch.mongo.document_schema import Schema
from seisbatch.mongo.document_types import is_of
from seisbatch.mongo.elog import ErrorLog
from seisbatch.mongo.history import History
from seisbatch.mongo.reading import ALGORITHM, Ignored, Read, Reader, ReadOptions
from seisbatch.mongo.storage import ITEM_BYTES
from seisbatch.schema import BINARY, DOUBLE, INT, LONG, STRING, Field, Table

FLOAT64 = "float64"
ROW_BYTES = 2_000_000_000
"""Samples of one row: Arrow and the JVM hold no more in one value."""
BATCH_BYTES = 16_000_000
"""A batch of rows ends once it has so many bytes of samples: a larger datum comes alone, or last."""
BATCH_ROWS = 500
CHUNK = 200
"""Documents that are fetched at a time."""

BOOL = pa.bool_()
DISTRIBUTED = Table(
    "distributed",
    "a datum that was read from MongoDB, or that could not be",
    (
        Field("_id", STRING, "", "of its document: hexadecimal of an ObjectId, else extended JSON", nullable=False),
        Field("net", STRING, "", "network code"),
        Field("sta", STRING, "", "station code"),
        Field("loc", STRING, "", "location code; null where its document has none, as of a blank one"),
        Field("chan", STRING, "", "channel code"),
        Field("starttime", DOUBLE, "s", "time of the first sample, since 1970"),
        Field("endtime", DOUBLE, "s", "time of the last sample, since 1970"),
        Field("delta", DOUBLE, "s", "sampling interval"),
        Field("sampling_rate", DOUBLE, "Hz", "sampling rate"),
        Field("npts", LONG, "", "number of samples, of each component"),
        Field("components", INT, "", "1 of a TimeSeries, 3 of a Seismogram", nullable=False),
        Field("encoding", STRING, "", "of the samples: float64, little-endian, one component after another", nullable=False),
        Field("samples", BINARY, "", "the samples in their encoding; null where it is not live"),
        Field("metadata", STRING, "", "what else is known, as extended JSON", nullable=False),
        Field("history", STRING, "", "the steps that made it, as extended JSON"),
        Field("elog", STRING, "", "its log, as JSON; it says why it is not live", nullable=False),
        Field("live", BOOL, "", "whether it is of use", nullable=False),
        Field("is_abortion", BOOL, "", "whether it has a document but could not be read", nullable=False),
    ),
)
_COLUMNS = {"net": "string", "sta": "string", "loc": "string", "chan": "string", "npts": "int"} | dict.fromkeys(
    ("starttime", "endtime", "delta", "sampling_rate"), "double"
)
_TYPES = {"double": DOUBLE, "int": LONG, "bool": BOOL, "string": STRING, "ObjectId": STRING}


@dataclass(frozen=True)
class Task:
    """What a worker needs to know to read data."""

    settings: MongoSettings
    schema: Schema
    collection: str
    options: ReadOptions
    data_tag: str | None = None
    """Data of other tags are passed over."""
    columns: tuple[str, ...] = ()
    """Names in the metadata that get columns of their own, besides."""
    whole: bool = False
    """Whether the rows given are whole documents, not their ids alone."""

    def reader(self, database: Database[Document]) -> Reader:
        """What reads them; ValueError of options that there are not."""
        return Reader(database, self.schema, self.collection, self.options)

    @property
    def table(self) -> Table:
        """The table of the rows; ValueError of a column whose type no column can have, or that there is already."""
        fields = []
        for name in self.columns:
            kind = self.schema.type_of(self.collection, name)
            if kind not in _TYPES:
                raise ValueError(f"no column can be made of {name}: its type is {kind or 'not known to the schema'}")
            if name in DISTRIBUTED.names:
                raise ValueError(f"there is a column {name} already")
            fields.append(Field(name, _TYPES[kind], "", f"{name} of the metadata; null where it has another type"))
        return Table(DISTRIBUTED.name, DISTRIBUTED.row, (*DISTRIBUTED.fields, *fields))


def id_text(own: Any) -> str:
    """An ``_id`` as text.

    >>> id_text(ObjectId("6b04d0534ec34db51fab8741")), id_text(3)
    ('6b04d0534ec34db51fab8741', '{"$numberInt": "3"}')
    """
    return str(own) if isinstance(own, ObjectId) else json_util.dumps(own, json_options=json_util.CANONICAL_JSON_OPTIONS)


def id_of_text(text: Any) -> Any:
    """An ``_id`` out of its text, as :func:`id_text` or Spark's connector of MongoDB has it; other values as they are.

    >>> id_of_text("6b04d0534ec34db51fab8741") == id_of_text('{"$oid": "6b04d0534ec34db51fab8741"}')
    True
    """
    if not isinstance(text, str):
        return text
    if ObjectId.is_valid(text):
        return ObjectId(text)
    try:
        return json_util.loads(text)
    except (ValueError, TypeError):  # the _id is a text of its own
        return text


def read_batches(task: Task, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of the task's table, one for each id or document of some batches, in their order.

    At most :data:`BATCH_BYTES` of samples and one datum are held. Raises RunError where the server fails.
    """
    table = task.table
    with connected(task.settings) as database:
        reader = task.reader(database)
        held: list[Document] = []
        n_bytes = 0
        for batch in batches:
            for row in _rows(task, reader, batch):
                held.append(row)
                n_bytes += len(row.get("samples") or b"")
                del row
                if n_bytes >= BATCH_BYTES or len(held) >= BATCH_ROWS:
                    rows, held, n_bytes = table.batch(held), [], 0
                    yield rows
                    del rows
        if held:
            yield table.batch(held)


def _rows(task: Task, reader: Reader, batch: pa.RecordBatch) -> Iterator[Document]:
    for start in range(0, batch.num_rows, CHUNK):
        given = batch.slice(start, CHUNK).to_pylist()
        documents: list[Mapping[str, Any] | None]
        if task.whole:
            documents = [document_of_row(task.schema, task.collection, row) for row in given]
        else:
            ids = [id_of_text(row["_id"]) for row in given]
            there = reader.documents(ids)
            documents = [there.get(own) for own in ids]
        wanted = [one for one in documents if one is not None and _fits(reader, one)]
        wanted = [one for one in wanted if task.data_tag is None or one.get("data_tag") == task.data_tag]
        data = reader.read(wanted)
        for row, document in zip(given, documents, strict=True):
            if document is None:
                own = id_text(id_of_text(row["_id"]))
                yield _without_datum(task, reader, own, {}, f"there is no such document in {task.collection}")
            elif task.data_tag is not None and document.get("data_tag") != task.data_tag:
                continue
            elif not _fits(reader, document):
                reason = f"{document['npts']} samples are too large for a row, which holds {ROW_BYTES / 1e9:.3g} GB"
                yield _without_datum(task, reader, id_text(document["_id"]), document, reason, is_abortion=True)
            else:
                yield _row_of(task, reader, next(data))


def _fits(reader: Reader, document: Mapping[str, Any]) -> bool:
    npts = document.get("npts")
    return not isinstance(npts, int) or npts * reader.n_components * ITEM_BYTES <= ROW_BYTES


def _row_of(task: Task, reader: Reader, read: Read) -> Document:
    if isinstance(read, Ignored):
        return _without_datum(task, reader, id_text(read.document["_id"]), read.document, f"ignored: {read.reason}")
    return distributed_row(read, task.columns, task.schema, task.collection)


def _without_datum(
    task: Task, reader: Reader, own: str, document: Mapping[str, Any], reason: str, *, is_abortion: bool = False
) -> Document:
    log = ErrorLog()
    log.post(ALGORITHM, reason)
    return {
        **_columns(dict(document) | {"is_abortion": is_abortion}, task.columns, task.schema, task.collection),
        "_id": own,
        "components": reader.n_components,
        "encoding": FLOAT64,
        "elog": _json(log.documents()),
        "live": False,
        "is_abortion": is_abortion,
    }


def document_of_row(schema: Schema, collection: str, row: Mapping[str, Any]) -> Document:
    """A document out of a row of its fields, as Spark's connector of MongoDB has them: nulls are absent, ids are text."""
    found: Document = {}
    for key, value in row.items():
        if value is not None:
            found[key] = id_of_text(value) if schema.type_of(collection, key) == "ObjectId" else value
    return found


def distributed_row(
    datum: TimeSeries | Seismogram, columns: Sequence[str] = (), schema: Schema | None = None, collection: str = ""
) -> Document:
    """A datum that has an ``_id`` as a row of :data:`DISTRIBUTED`; what was changed in it counts as loaded there.

    ``columns`` are names in the metadata that get columns of their own, of the types that a schema has for them.
    """
    samples = np.ascontiguousarray(datum.samples, "<f8").tobytes() if datum.live else None
    return {
        **_columns(datum.metadata, columns, schema, collection),
        "_id": id_text(datum.metadata["_id"]),
        "components": 3 if isinstance(datum, Seismogram) else 1,
        "encoding": FLOAT64,
        "samples": samples,
        "history": _json(datum.history.documents()) if len(datum.history) else None,
        "elog": _json(datum.elog.documents()),
        "live": datum.live,
        "is_abortion": bool(datum.metadata.get("is_abortion", False)),
    }


def datum_of_row(row: Any) -> TimeSeries | Seismogram:
    """The datum of a row of :data:`DISTRIBUTED`: a mapping, or a Row of Spark. ValueError where it is none.

    Of a row that is not live it is dead, with the log that says why.
    """
    values = row if isinstance(row, Mapping) else row.asDict()
    if values["encoding"] != FLOAT64:
        raise ValueError(f"samples are encoded as {values['encoding']}, not as {FLOAT64}")
    metadata = json_util.loads(values["metadata"])
    metadata |= {name: values[name] for name in _COLUMNS if values.get(name) is not None}
    metadata["_id"] = id_of_text(values["_id"])
    kind, shape = (Seismogram, (3, -1)) if values["components"] == 3 else (TimeSeries, (-1,))
    samples = np.frombuffer(values["samples"], "<f8").astype(np.float64).reshape(shape) if values["live"] else None
    datum = kind(samples, metadata)
    datum.elog = ErrorLog.from_documents(json_util.loads(values["elog"]))
    if values.get("history"):
        datum.history = History.from_documents(json_util.loads(values["history"]))
    return datum


def _json(value: Any) -> str:
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)


def _columns(metadata: Mapping[str, Any], columns: Sequence[str], schema: Schema | None, collection: str) -> Document:
    """Metadata as columns, where they have the types of these, and the rest as text."""
    own = {name: metadata[name] for name, kind in _COLUMNS.items() if name in metadata and is_of(metadata[name], kind)}
    rest = {name: value for name, value in metadata.items() if name not in own and name != "_id"}
    more = {}
    for name in columns:
        kind = schema.type_of(collection, name) if schema else None
        if kind and name in metadata and is_of(metadata[name], kind):
            more[name] = str(metadata[name]) if kind == "ObjectId" else metadata[name]
    return {**own, **more, "metadata": _json(rest)}
