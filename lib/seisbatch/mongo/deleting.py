"""Data deleted: documents, with the samples that they alone have."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gridfs import GridFSBucket, NoFile
from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.document_schema import Kind, Schema
from seisbatch.mongo.logs import ELOG, HISTORY
from seisbatch.mongo.outgoing import LINKS, PLACE
from seisbatch.mongo.storage import FILE, GRIDFS
from seisbatch.outcome import Denied

BATCH = 500
File = tuple[str, str]


@dataclass(frozen=True)
class Deleted:
    """How many documents of each kind were deleted, and what of the samples."""

    documents: int = 0
    not_there: int = 0
    """Ids that the collection does not have."""
    gridfs: int = 0
    """Files of GridFS."""
    files: int = 0
    files_kept: int = 0
    """Files that were to be removed, but that other documents name."""
    files_not_there: int = 0
    histories: int = 0
    elogs: int = 0

    def __add__(self, other: Deleted) -> Deleted:
        more = asdict(other)
        return Deleted(**{name: number + more[name] for name, number in asdict(self).items()})


def delete(
    database: Database[Document],
    schema: Schema,
    collection: str,
    ids: Iterable[Any],
    *,
    remove_unreferenced_files: bool,
    clear_history: bool,
    clear_elog: bool,
) -> Deleted:
    """Delete data by their ids; whether other documents name their files is asked once for many.

    Samples go before the documents that name them: what was interrupted is finished by the same call. What GridFS holds is
    always deleted; a file only if that is asked for and no document that stays names its ``dir`` and ``dfile``, be it by
    another path to that folder, in any collection of waveforms; objects that a ``url`` names never.

    Raises ValueError of a collection that does not hold waveforms, Denied where a file may not be removed.
    """
    if schema.collection(collection).kind is not Kind.WAVEFORMS:
        raise ValueError(
            f"{collection} holds no waveforms: its documents are deleted by MongoDB's own methods, such as "
            f"database.{collection}.delete_one, once no waveform refers to them"
        )
    wanted = list(dict.fromkeys(ids))
    found = Deleted()
    files: set[File] = set()
    for batch in _batches(wanted):
        fields = dict.fromkeys((*PLACE, *LINKS), True)
        documents = list(database[collection].find({"_id": {"$in": batch}}, fields))
        files |= {(one["dir"], one["dfile"]) for one in documents if one.get("storage_mode") == FILE and _names_file(one)}
        found += Deleted(
            documents=0,
            not_there=len(batch) - len(documents),
            gridfs=_delete_gridfs(GridFSBucket(database), documents),
            histories=_delete_linked(database, HISTORY, collection, documents) if clear_history else 0,
            elogs=_delete_linked(database, ELOG, collection, documents) if clear_elog else 0,
        )
    if remove_unreferenced_files:
        found += _remove_files(database, schema, collection, set(wanted), files)
    for batch in _batches(wanted):
        found += Deleted(documents=database[collection].delete_many({"_id": {"$in": batch}}).deleted_count)
    return found


def _batches(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _names_file(document: Mapping[str, Any]) -> bool:
    folder, name = document.get("dir"), document.get("dfile")
    return isinstance(folder, str) and isinstance(name, str) and bool(folder) and Path(name).name == name


def _delete_gridfs(bucket: GridFSBucket, documents: list[Document]) -> int:
    deleted = 0
    for document in documents:
        if document.get("storage_mode") == GRIDFS:
            try:
                bucket.delete(document.get("gridfs_id"))
            except NoFile:  # as in a deletion that was interrupted
                continue
            deleted += 1
    return deleted


def _delete_linked(database: Database[Document], name: str, collection: str, documents: list[Document]) -> int:
    """Delete the documents of a log that belong to some data: those that name them, and those that they name."""
    key = {HISTORY: "history_object_id", ELOG: "elog_id"}[name]
    named = [one[key] for one in documents if key in one]
    of_these = [{f"{collection}_id": {"$in": [one["_id"] for one in documents]}}, {"_id": {"$in": named}}]
    return sum(database[name].delete_many(query).deleted_count for query in of_these)


def _remove_files(database: Database[Document], schema: Schema, collection: str, ids: set[Any], files: set[File]) -> Deleted:
    """Remove the files that no document names but those that are being deleted, whatever path to a folder each of them has."""
    real = functools.cache(os.path.realpath)
    by_place = {(real(folder), name): (folder, name) for folder, name in sorted(files)}
    named: set[File] = set()
    waveforms = [name for name, one in schema.collections.items() if one.kind is Kind.WAVEFORMS]
    for batch in _batches(sorted({name for _, name in files})):
        for one in waveforms:
            for document in database[one].find({"dfile": {"$in": batch}}, {"dir": True, "dfile": True}):
                if (one != collection or document["_id"] not in ids) and isinstance(document.get("dir"), str):
                    named |= {(real(document["dir"]), document["dfile"])} & by_place.keys()
    removed = gone = 0
    for place in sorted(by_place.keys() - named):
        path = Path(*by_place[place])
        try:
            path.unlink()
        except FileNotFoundError:
            gone += 1
        except OSError as error:
            raise Denied(f"{path} is not removed, nor the documents of its samples deleted: {error.strerror}") from None
        else:
            removed += 1
    return Deleted(files=removed, files_kept=len(named), files_not_there=gone)
