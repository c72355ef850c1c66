"""The index files of an archive as documents, one a file, in the two collections that a short course of MsPASS keeps them in.

What is found by year, day and format is the key of the index file to read::

    database.s3_waveform_index.find_one({"year": 2011, "day": 70, "format": "parquet"})["s3key"]

Fields: ``s3key``, ``index_type`` (the first part of the key), ``format`` (``csv`` or ``parquet``), ``year``, ``filename``; of a
day's index also ``yrday`` (``2011_070``, as keys of its objects have it) and ``day`` (of the year).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from seisbatch.archives.layout import IndexFile
from seisbatch.mongo.connect import Document
from seisbatch.outcome import RunError

CATALOGUES = "s3_catalog_index"
DAYS = "s3_waveform_index"
BATCH = 1000


@dataclass(frozen=True)
class Written:
    """How many documents of a collection were written, and how many of them were not there before."""

    documents: int
    new: int


def document(file: IndexFile) -> Document:
    """The document of an index file."""
    found: Document = {"s3key": file.s3key, "index_type": file.folder, "format": file.form, "year": file.year}
    if file.date:
        found |= {"yrday": f"{file.date:%Y_%j}", "day": file.date.timetuple().tm_yday}
    return found | {"filename": file.s3key.rpartition("/")[2]}


def write_index_files(database: Database[Document], files: Iterable[IndexFile]) -> Mapping[str, Written]:
    """Write the documents of index files; what became of them, by collection.

    A document is known by its ``s3key``, of which a collection has one only: one that is there is brought up to date and
    keeps its ``_id`` and whatever else it holds. Documents of other keys stay as they are.
    """
    of_collection: dict[str, list[Document]] = {CATALOGUES: [], DAYS: []}
    for file in files:
        of_collection[DAYS if file.date else CATALOGUES].append(document(file))
    return {name: _upsert(database[name], documents) for name, documents in of_collection.items()}


def _upsert(collection: Collection[Document], documents: list[Document]) -> Written:
    try:
        collection.create_index("s3key", unique=True)
    except DuplicateKeyError:
        raise RunError(
            f"MongoDB, database {collection.database.name}: {collection.name} has several documents of one s3key. "
            "Remove those that are too many, or choose another --mongo-database"
        ) from None
    new = 0
    for start in range(0, len(documents), BATCH):
        updates: list[Any] = [
            UpdateOne({"s3key": one["s3key"]}, {"$set": one}, upsert=True) for one in documents[start : start + BATCH]
        ]
        done = collection.bulk_write(updates, ordered=False)
        new += done.upserted_count
    return Written(len(documents), new)
