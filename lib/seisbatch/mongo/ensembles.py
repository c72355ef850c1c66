"""Data that belong together, read from MongoDB as one ensemble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack, cast

from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.data import Ensemble, Seismogram, SeismogramEnsemble, TimeSeries, TimeSeriesEnsemble
from seisbatch.mongo.document_schema import Schema
from seisbatch.mongo.document_types import converted
from seisbatch.mongo.elog import Badness
from seisbatch.mongo.reading import ALGORITHM, Ignored, Reader, Reading, ReadOptions
from seisbatch.mongo.storage import ITEM_BYTES

MAX_MEMBERS = 100_000
MAX_BYTES = 2_000_000_000


def read_ensemble(
    database: Database[Document],
    schema: Schema,
    ids_or_cursor: Iterable[Any],
    collection: str,
    *,
    max_members: int = MAX_MEMBERS,
    max_bytes: int = MAX_BYTES,
    **options: Unpack[Reading],
) -> TimeSeriesEnsemble | SeismogramEnsemble:
    """Read the data of ids, or of documents such as those of a cursor, in their order, each as ``read_datum`` does.

    Those that are dead are in ``dead``, not among the members. The ensemble's log tells of them, of ids that are not there, and
    of data that were ignored for want of what is required.

    Raises ValueError, before any samples are read, where there are more than ``max_members`` or the ``npts`` of the documents
    make more than ``max_bytes`` of samples; else as ``read_datum``.
    """
    reader = Reader(database, schema, collection, ReadOptions(**options))
    wanted: list[Any] = []
    n_bytes = 0
    for one in ids_or_cursor:
        wanted.append(one)
        if len(wanted) > max_members:
            number = len(ids_or_cursor) if isinstance(ids_or_cursor, Sequence) else f"more than {max_members}"
            raise ValueError(f"an ensemble of {number} data: the limit is max_members, {max_members}")
        if isinstance(one, Mapping):
            n_bytes += _check_size(n_bytes, reader, one, max_bytes)
    there = reader.documents([one for one in wanted if not isinstance(one, Mapping)])
    for document in there.values():
        n_bytes += _check_size(n_bytes, reader, document, max_bytes)
    ensemble: Ensemble[Any] = SeismogramEnsemble() if reader.has_components else TimeSeriesEnsemble()
    documents = []
    for one in wanted:
        if isinstance(one, Mapping):
            documents.append(one)
        elif one in there:
            documents.append(there[one])
        else:
            ensemble.elog.post(ALGORITHM, f"{one}: there is no such document in {collection}")
    for datum in reader.read(documents):
        _add(ensemble, datum)
    return cast(TimeSeriesEnsemble | SeismogramEnsemble, ensemble)


def _check_size(before: int, reader: Reader, document: Mapping[str, Any], limit: int) -> int:
    """The bytes of a document's samples, as far as it tells; ValueError where they are too many, with those before."""
    try:
        npts = max(0, converted(document.get("npts", document.get("nsamp")), "int"))
    except ValueError:  # its datum will be dead, and say so
        return 0
    n_bytes: int = npts * reader.n_components * ITEM_BYTES
    if before + n_bytes > limit:
        total = (before + n_bytes) / 1e9
        raise ValueError(f"an ensemble of {total:.3g} GB of samples, or more: the limit is max_bytes, {limit / 1e9:.3g} GB")
    return n_bytes


def _add(ensemble: Ensemble[Any], datum: TimeSeries | Seismogram | Ignored) -> None:
    if isinstance(datum, Ignored):
        ensemble.elog.post(ALGORITHM, f"{datum.document['_id']}: ignored: {datum.reason}")
    elif datum.live:
        ensemble.members.append(datum)
    else:
        why = "; ".join(entry.message for entry in datum.elog if entry.badness is Badness.INVALID)
        ensemble.dead.append(datum)
        ensemble.elog.post(ALGORITHM, f"{datum.metadata['_id']}: dead: {why}")
