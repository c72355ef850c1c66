"""A datum saved: its samples, its log and history, and last its document, so that a document that is there is whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bson import ObjectId
from gridfs import GridFSBucket
from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.data import Datum, Seismogram
from seisbatch.mongo.document_schema import Schema
from seisbatch.mongo.logs import save_elog, save_history
from seisbatch.mongo.outgoing import LINKS, Outgoing, WriteOptions, outgoing, settle, storable
from seisbatch.mongo.rows import segment_of_series
from seisbatch.mongo.storage import BINARY, FILE, GRIDFS, MINISEED, append_file, append_miniseed, check_name, put_gridfs
from seisbatch.names import channel

ALGORITHM = "save_data"


@dataclass(frozen=True)
class Destination:
    """Where samples are saved: in GridFS, at the end of a file, or nowhere, as they stand where a reference says.

    ``folder``, ``name`` and ``form`` (``binary`` or ``MSEED``) are of a file; ``reference`` are the fields of a document that
    say where the samples are. Raises ValueError where these do not go together.
    """

    storage_mode: str = GRIDFS
    folder: str | Path | None = None
    name: str | None = None
    form: str = BINARY
    reference: Document | None = None

    def __post_init__(self) -> None:
        if self.reference is not None:
            if told := [message for message in storable(self.reference)[1] if "left out" in message]:
                raise ValueError(f"a reference of {'; '.join(told)}")
            if "storage_mode" not in self.reference:
                raise ValueError("a reference without storage_mode does not tell where samples are")
            if self.reference["storage_mode"] == GRIDFS:
                raise ValueError("samples in GridFS are those of one document, and are deleted with it: save a copy of them")
            return
        if self.storage_mode not in (GRIDFS, FILE):
            raise ValueError(
                f"storage_mode {self.storage_mode!r}: samples are saved in {GRIDFS} or a {FILE}, or give a reference"
            )
        if self.form not in (BINARY, MINISEED):
            raise ValueError(f"format {self.form!r}: files are {BINARY} or {MINISEED}")

    def of(self, datum: Datum) -> Destination:
        """The same with the file that a datum's metadata name, where none is given.

        ValueError where they name none, or one of another format; of a name given that is none; of a Seismogram as miniSEED.
        """
        if self.reference is not None or self.storage_mode != FILE:
            return self
        if self.name:
            check_name(self.name, self.folder)
        if self.form == MINISEED and isinstance(datum, Seismogram):
            raise ValueError("a file of miniSEED does not hold the three components of a Seismogram: write it as binary")
        folder, name = self.folder or datum.metadata.get("dir"), self.name or datum.metadata.get("dfile")
        if datum.live and not (folder and name):
            raise ValueError("storage_mode file needs dir and dfile, as arguments or in the metadata")
        held = datum.metadata.get("format")
        if datum.live and not (self.folder and self.name) and isinstance(held, str) and held.lower() != self.form.lower():
            raise ValueError(f"{folder}/{name} of the metadata is a file of format {held}, not {self.form}: give dir and dfile")
        return replace(self, folder=folder, name=name)

    def put(self, bucket: GridFSBucket, datum: Datum) -> Document:
        """Save the samples; the fields of a document that say where. ValueError where miniSEED cannot hold them."""
        if self.reference is not None:
            return storable(self.reference)[0]
        if self.storage_mode == GRIDFS:
            return put_gridfs(bucket, datum.samples)
        assert self.folder is not None
        assert self.name is not None
        if self.form == BINARY:
            return append_file(self.folder, self.name, datum.samples)
        codes = (str(datum.metadata.get(code) or "") for code in ("net", "sta", "loc", "chan"))
        return append_miniseed(self.folder, self.name, channel(*codes), segment_of_series(datum))


def save_datum(
    database: Database[Document],
    schema: Schema,
    datum: Datum,
    collection: str,
    destination: Destination,
    options: WriteOptions,
) -> Document | None:
    """The document of a live datum, as it was saved; None where the datum is dead, or was killed for what its log tells.

    The datum in memory is then what the document is, and its metadata count as loaded.
    """
    if not datum.live:
        return None
    excluded = _excluded(datum, schema, collection, options.exclude_keys) | LINKS | {"_id", "data_tag"}
    keys = (datum.metadata.keys() | datum.metadata.changed) - excluded
    written = outgoing(datum, schema, collection, options.mode, keys, ALGORITHM, protected=())
    if written is None:
        return None
    own: Document = {"utc_convertible": True, "time_standard": "UTC"}
    document = own | {key: value for key, value in written.fields.items() if value != ""}
    try:
        document |= destination.put(GridFSBucket(database), datum)
    except ValueError as error:
        datum.kill(ALGORITHM, f"its samples cannot be saved: {error}")
        return None
    document["_id"] = ObjectId()
    own_id = document["_id"]
    if options.data_tag is not None:
        document["data_tag"] = options.data_tag
    if options.with_history and (saved := save_history(database, datum, collection, own_id, ALGORITHM, options.algorithm_id)):
        document["history_object_id"] = saved
    if elog_id := save_elog(database, datum, collection, own_id, options.data_tag):
        document["elog_id"] = elog_id
    database[collection].insert_one(document)
    datum.collection = collection
    datum.elog.saved = len(datum.elog)
    if "history_object_id" in document:
        datum.history.reroot(collection, own_id)
    for key in (LINKS | {"data_tag"}) - document.keys():
        datum.metadata.pop(key, None)
    settle(datum, Outgoing(document, restored=written.restored))
    datum.metadata.clear_changed()
    return document


def _excluded(datum: Datum, schema: Schema, collection: str, keys: frozenset[str]) -> frozenset[str]:
    """Keys that are not saved: of those that are asked for, all but what a document must have."""
    needed = {key for key in keys if schema.canonical(collection, key) in schema.required(collection)}
    for key in sorted(needed & datum.metadata.keys()):
        datum.elog.post(ALGORITHM, f"{key} was to be left out, but no document is whole without it: it was saved")
    return keys - needed


def returned(datum: Datum, document: Document | None, place: tuple[str, Any] | None, wanted: tuple[str, ...]) -> Document:
    """What a saving method tells of a datum: whether it is alive, and what is wanted of its document, or where its grave is."""
    if document is None:
        assert place is not None
        grave, own = place
        return {"is_live": False, f"{grave}_id": own}
    return {"is_live": True} | {key: document[key] for key in wanted if key in document}
