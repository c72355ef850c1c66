"""What of a datum's metadata goes into its document, by the rules that MsPASS has for writing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import bson

from seisbatch.mongo.connect import Document
from seisbatch.mongo.data import Datum
from seisbatch.mongo.document_schema import Mode, Schema
from seisbatch.mongo.document_types import shown
from seisbatch.mongo.elog import Badness
from seisbatch.mongo.metadata import same
from seisbatch.mongo.plain import NOT_PLAIN, is_name, plain

ALTERED = "READONLYERROR_"
"""What the key of a changed value is given that must not be changed, as MsPASS has it."""
PLACE = frozenset(
    ("storage_mode", "gridfs_id", "dir", "dfile", "foff", "nbytes", "format", "url", "row_group", "row", "row_id")
)
"""Where the samples are: writers of samples alone say so."""
LINKS = frozenset(("elog_id", "history_object_id"))
"""What a document was written with: a new one has its own."""
DOCUMENT_BYTES = 16 * 2**20 - 2**16
"""What a document may have beside what its writer adds."""


@dataclass(frozen=True)
class WriteOptions:
    """How data are written; the methods of :class:`~seisbatch.mongo.database.Database` tell what each option does."""

    mode: Mode
    exclude_keys: frozenset[str]
    data_tag: str | None
    with_history: bool = False
    algorithm_id: str = "0"


@dataclass
class Outgoing:
    """What is written: fields, those taken away, and what has to be told of the datum in memory afterwards."""

    fields: Document = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    restored: set[str] = field(default_factory=set)
    """Keys that were changed and were not to be: they get back what they had."""


def outgoing(
    datum: Datum, schema: Schema, collection: str, mode: Mode, keys: Collection[str], algorithm: str, protected: Collection[str]
) -> Outgoing | None:
    """What some keys of a datum give to its document; None where the datum was killed for one of them, which its log tells.

    Ids of normalising documents that were changed since they were loaded kill it. Of keys that are read-only, of values of
    normalising documents and of ``protected`` keys the document keeps what it has: what the datum has now goes under another
    name, and into the log. Values of wrong types are treated as ``mode`` says, those that MongoDB cannot hold are converted,
    or left out.
    """
    metadata, loaded = datum.metadata, datum.metadata.loaded
    if "_id" in loaded and metadata.get("_id") != loaded["_id"]:
        datum.elog.post(algorithm, f"_id was {loaded['_id']} and stays so, not {shown(metadata.get('_id'))}", Badness.SUSPECT)
        metadata["_id"] = loaded["_id"]
    changed = metadata.changed
    for key in sorted(changed):
        if schema.is_immutable(collection, key) and key in loaded:
            datum.kill(algorithm, f"{key} was {loaded[key]} and is now {metadata.get(key)}: an id that links may not change")
    if not datum.live:
        return None
    stored = "_id" in loaded
    found = Outgoing()
    values: Document = {}
    for key in sorted(keys):
        normalised = schema.is_normalised(collection, key)
        kept = stored and (key in protected or schema.is_read_only(collection, key))
        if key in changed and (normalised or kept):
            found.restored.add(key)
            values |= _altered(datum, key, loaded, "a value of another document" if normalised else "read-only", algorithm)
            if not normalised and key in loaded:
                values[key] = loaded[key]
        elif key not in metadata:
            if stored and schema.canonical(collection, key) in schema.required(collection):
                datum.elog.post(algorithm, f"{key} was deleted, but no document is whole without it: it stays", Badness.SUSPECT)
                values[key] = loaded[key]
            else:
                found.removed.add(key)
        elif not normalised:
            values[key] = metadata[key]
    found.fields = _checked(datum, schema, collection, mode, _storable(datum, values, algorithm), algorithm)
    if datum.live and (n_bytes := len(bson.encode(found.fields))) > DOCUMENT_BYTES:
        datum.kill(algorithm, f"its metadata are {n_bytes:,} bytes, more than a document of MongoDB can hold")
    return found if datum.live else None


def settle(datum: Datum, written: Outgoing) -> None:
    """Make the datum in memory what its document is: changed values that were not to be changed are what they were."""
    metadata = datum.metadata
    loaded = metadata.loaded
    for key in written.restored:
        if key in loaded:
            metadata[key] = loaded[key]
        else:
            metadata.pop(key, None)
    for key, value in written.fields.items():
        if key not in metadata or not same(metadata[key], value):  # rate and interval set anew would follow each other
            metadata[key] = value


def storable(values: Document) -> tuple[Document, list[str]]:
    """Values as MongoDB can hold them, and in words which of them are not what they were, or not there."""
    found, told = {}, []
    for key, value in values.items():
        stored = plain(value)
        if not key or not is_name(key):
            told.append(f"{key!r} is no name of a field: its value {shown(value)} was left out")
        elif stored is NOT_PLAIN:
            told.append(f"{key}: MongoDB cannot hold {shown(value)} of type {type(value).__name__}; it was left out")
        else:
            found[key] = stored
            if type(stored) is not type(value):
                told.append(f"{key}: {type(value).__name__} became {type(stored).__name__}")
            elif isinstance(value, str) and stored != value:
                told.append(f"{key}: characters that are none of Unicode were written out: {shown(stored)}")
    return found, told


def _storable(datum: Datum, values: Document, algorithm: str) -> Document:
    found, told = storable(values)
    for message in told:
        datum.elog.post(algorithm, message)
    return found


def _altered(datum: Datum, key: str, loaded: Document, kind: str, algorithm: str) -> Document:
    """The changed value under its other name, if there is one; the log tells of it."""
    before = f"it was {shown(loaded[key])} and stays so" if key in loaded else "it was not there"
    now = {f"{ALTERED}{key}": datum.metadata[key]} if key in datum.metadata else {}
    told = f"{shown(datum.metadata[key])} was saved as {ALTERED}{key}" if now else "that it was deleted is not saved"
    datum.elog.post(algorithm, f"{key} is {kind}: {before}; {told}", Badness.SUSPECT)
    return now


def _checked(datum: Datum, schema: Schema, collection: str, mode: Mode, values: Document, algorithm: str) -> Document:
    checked = schema.checked(values, collection, mode)
    for problem in checked.problems:
        datum.kill(algorithm, f"{problem.message} (mode {mode})")
    for conversion in checked.conversions:
        datum.elog.post(algorithm, f"{conversion.key}: {shown(conversion.before)} became {shown(conversion.after)}")
    return checked.document
