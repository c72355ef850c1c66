"""A document of a waveform and its samples, read into a :class:`TimeSeries` or a :class:`Seismogram`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypedDict, Unpack

from bson import ObjectId
from gridfs import GridFSBucket
from pymongo.database import Database
from pymongo.errors import PyMongoError

from seisbatch.mongo.connect import Document
from seisbatch.mongo.data import Seismogram, TimeSeries
from seisbatch.mongo.document_schema import Kind, Mode, Schema
from seisbatch.mongo.document_types import shown
from seisbatch.mongo.documents import object_id
from seisbatch.mongo.elog import ErrorLog
from seisbatch.mongo.normalising import Normalising
from seisbatch.mongo.objects import Objects, Stores
from seisbatch.mongo.sampling import ORIENTATION, TIMING
from seisbatch.mongo.storage import read_samples
from seisbatch.outcome import guard

NORMALIZE = ("site", "channel", "source")
ALGORITHM = "read_data"
"""What entries of logs of reading are from."""
KEPT_KEYS = frozenset(("_id", *TIMING, *ORIENTATION))
"""What a datum cannot be without: it is not excluded."""
QUERY_IDS = 500


@dataclass(frozen=True)
class ReadOptions:
    """How data are read; :func:`read_datum` tells what each option does."""

    mode: Mode | str = Mode.PROMISCUOUS
    normalize: Sequence[str] = NORMALIZE
    required: Sequence[str] = ()
    load_history: bool = False
    exclude_keys: Sequence[str] = ()
    stores: Stores | None = None


class Reading(TypedDict, total=False):
    """The same as keywords of functions."""

    mode: Mode | str
    normalize: Sequence[str]
    required: Sequence[str]
    load_history: bool
    exclude_keys: Sequence[str]
    stores: Stores | None


@dataclass(frozen=True)
class Ignored:
    """A document that no datum was made of, as it lacks what is required."""

    document: Mapping[str, Any]
    reason: str


Read = TimeSeries | Seismogram | Ignored


class _Prepared(NamedTuple):
    """A document with the names and types that the mode gives it, what of it becomes metadata, and what is wrong with it."""

    document: Document
    values: Document
    problems: list[str]
    log: ErrorLog


class Reader:
    """Reads data of one collection, one after another. ValueError of options or a collection that there are not."""

    def __init__(self, database: Database[Document], schema: Schema, collection: str, options: ReadOptions) -> None:
        if schema.collection(collection).kind is not Kind.WAVEFORMS:
            raise ValueError(f"{collection} is no collection of waveforms")
        if isinstance(options.exclude_keys, str):
            raise ValueError(f"exclude_keys is a list of keys, not {options.exclude_keys!r}")
        self.database, self.schema, self.collection, self.options = database, schema, collection, options
        self.mode = Mode(options.mode)
        self.has_components = "tmatrix" in schema.required(collection)
        self._excluded = frozenset(options.exclude_keys)
        targets = dict.fromkeys([*options.normalize, *options.required])
        self._normalising = Normalising(database, schema, collection, [*targets])
        self._bucket = GridFSBucket(database)
        self._objects = Objects(options.stores)

    @property
    def n_components(self) -> int:
        """Of each datum."""
        return 3 if self.has_components else 1

    def documents(self, ids: Sequence[Any]) -> dict[Any, Document]:
        """The documents of ids that are there, by these."""
        without = dict.fromkeys(self.schema.excluded(self.collection), False) or None
        found: dict[Any, Document] = {}
        for start in range(0, len(ids), QUERY_IDS):
            with self.database[self.collection].find({"_id": {"$in": list(ids[start : start + QUERY_IDS])}}, without) as cursor:
                found |= {document["_id"]: document for document in cursor}
        return found

    def read(self, documents: Iterable[Mapping[str, Any]]) -> Iterator[Read]:
        """The data of documents, in their order, each read when its turn comes; what they share is fetched first.

        Raises PyMongoError where the server fails, and RunError where the service that holds objects does.
        """
        prepared = [self._prepare(dict(document)) for document in documents]
        self._normalising.fetch(one.document for one in prepared)
        for one in prepared:
            yield self._read(one)

    def _prepare(self, document: Document) -> _Prepared:
        log = ErrorLog()
        named = document if self.mode is Mode.PROMISCUOUS else self._renamed(document, log)
        values, problems = self._checked(named, log)
        return _Prepared(named | values, values, problems, log)

    def _checked(self, document: Mapping[str, Any], log: ErrorLog) -> tuple[Document, list[str]]:
        """What is not excluded of a document, as the mode has it, and what is wrong with it; conversions are logged."""
        values = {key: value for key, value in document.items() if not self._is_excluded(key)}
        found = self.schema.checked(values, self.collection, self.mode)
        for conversion in found.conversions:
            log.post(ALGORITHM, f"{conversion.key}: {shown(conversion.before)} became {shown(conversion.after)}")
        return found.document, [problem.message for problem in found.problems]

    def _read(self, one: _Prepared) -> Read:
        brought = self._normalising.bring(one.document)
        dangling = {name: f"there is no {name} of its {name}_id, {one.document[f'{name}_id']}" for name in brought.dangling}
        for name in self.options.required:
            if name in brought.without_id:
                return Ignored(one.document, f"it has no {name}_id, which is required")
            if name in dangling:
                return Ignored(one.document, f"{dangling[name]}, which is required")
        for message in dangling.values():
            one.log.post(ALGORITHM, message)
        values, problems = self._checked(brought.values, one.log)
        datum = self._datum(one.document, one.values | values, "; ".join([*one.problems, *problems]))
        datum.elog.entries[:0] = one.log.entries
        datum.collection = self.collection
        if self.options.load_history:
            datum.history.reroot(self.collection, one.document["_id"])
        return datum

    def _datum(self, document: Document, metadata: Document, problem: str) -> TimeSeries | Seismogram:
        kind = Seismogram if self.has_components else TimeSeries
        if not problem:
            work = partial(read_samples, self._bucket, document, self.n_components, self._objects)
            done = guard(work, passing=(PyMongoError,))
            problem = done.reason
            if done.value is not None:
                try:
                    return kind(done.value, metadata | {"is_abortion": False})
                except ValueError as error:
                    problem = str(error)
        dead = kind(None, metadata | {"is_abortion": True})
        dead.kill(ALGORITHM, problem)
        return dead

    def _renamed(self, document: Document, log: ErrorLog) -> Document:
        """A document with its aliases as the names that they stand for, but for one whose name is there too."""
        names = {key: self.schema.canonical(self.collection, key) for key in document}
        found: Document = {}
        for key, value in document.items():
            if names[key] != key and (names[key] in document or names[key] in found):
                log.post(ALGORITHM, f"{key} is another name of {names[key]}, which is there: it was left as it is")
                found[key] = value
            else:
                found[names[key]] = value
        return found

    def _is_excluded(self, key: str) -> bool:
        if self.schema.canonical(self.collection, key) in KEPT_KEYS:
            return False
        return key in self._excluded or self.schema.is_excluded(self.collection, key)


def read_datum(
    database: Database[Document],
    schema: Schema,
    document_or_id: Mapping[str, Any] | Any,
    collection: str,
    **options: Unpack[Reading],
) -> TimeSeries | Seismogram | None:
    """Read one datum: a Seismogram where the collection's documents must have a ``tmatrix``, else a TimeSeries.

    A document is taken as it is; it must have its ``_id``. None where the collection has no document of an id.

    - ``mode`` ``promiscuous`` takes values as they are. ``cautious`` converts those of a wrong type, logs each, and kills the
      datum where one cannot be converted; ``pedantic`` kills it of any. Both give aliases the names that they stand for.
    - ``normalize``: collections whose document, by the datum's id of it, gives it metadata such as ``site_lat``. An id of
      nothing is logged.
    - ``required``: those without which there is no datum but None; a document of ``elog`` tells why.
    - ``load_history`` lets the history begin at this document.
    - ``exclude_keys`` are left out of the metadata, besides what the schema excludes; a datum's times, rate, length and
      orientation are not.
    - ``stores`` is how objects on S3 are reached.

    A datum that was killed, or whose samples cannot be read, is dead, without samples: its log says why, and its metadata have
    ``is_abortion`` True, those of others False. Raises ValueError of an unknown mode or collection, and of a document without
    ``_id``; PyMongoError and RunError where a server fails.
    """
    reader = Reader(database, schema, collection, ReadOptions(**options))
    if isinstance(document_or_id, Mapping):
        if "_id" not in document_or_id:
            raise ValueError(f"a document of {collection} without _id")
        document = document_or_id
    elif (there := reader.documents([document_or_id]).get(document_or_id)) is not None:
        document = there
    else:
        return None
    [datum] = reader.read([document])
    if isinstance(datum, Ignored):
        _tell(database, collection, datum)
        return None
    return datum


def _tell(database: Database[Document], collection: str, ignored: Ignored) -> None:
    """Write why a datum was ignored; once, however often it is."""
    log = ErrorLog()
    log.post(ALGORITHM, f"ignored: {ignored.reason}")
    own = ignored.document["_id"]
    about = {"logdata": log.documents(), f"{collection}_id": own}
    elog_id: ObjectId = object_id("elog", f"{collection}/{own}/{ignored.reason}")
    database["elog"].update_one({"_id": elog_id}, {"$setOnInsert": about}, upsert=True)
