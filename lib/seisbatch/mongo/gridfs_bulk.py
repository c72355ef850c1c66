"""Samples of many data into GridFS at once, under ids that follow from what they are of: putting them again changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
from bson import ObjectId
from pymongo import ReplaceOne, UpdateOne
from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.documents import object_id
from seisbatch.mongo.storage import Samples

CHUNK_BYTES = 255 * 1024
"""GridFS's own."""
HELD_BYTES = 16_000_000
FILES, CHUNKS = "fs.files", "fs.chunks"


def gridfs_id(identity: str) -> ObjectId:
    """The id in GridFS of the samples of what has an identity of its own."""
    return object_id(FILES, identity)


class GridFSWriter:
    """Holds some :data:`HELD_BYTES` of samples, or those of one datum that has more, and puts them together.

    They are there once :meth:`flush` returns: the chunks first, then the files that they are of.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._files, self._chunks = database[FILES], database[CHUNKS]
        self._held: list[tuple[str, memoryview]] = []
        self._n_held = 0

    def put(self, identity: str, samples: Samples) -> ObjectId:
        """Put samples, shape (npts,), as float64; the id under which they are, once they are flushed."""
        body = memoryview(np.ascontiguousarray(samples, np.float64).view(np.uint8).data)
        if self._n_held and self._n_held + body.nbytes > HELD_BYTES:
            self.flush()
        self._held.append((identity, body))
        self._n_held += body.nbytes
        return gridfs_id(identity)

    def flush(self) -> None:
        """Write what is held."""
        if not self._held:
            return
        held, self._held, self._n_held = self._held, [], 0
        self._cut_short(held)
        if chunks := list(_chunks(held)):
            self._chunks.bulk_write(chunks, ordered=False)
        now = dt.datetime.now(dt.UTC)
        files: list[Any] = [
            UpdateOne(
                {"_id": gridfs_id(identity)},
                {"$set": {"length": body.nbytes, "chunkSize": CHUNK_BYTES}, "$setOnInsert": {"uploadDate": now}},
                upsert=True,
            )
            for identity, body in held
        ]
        self._files.bulk_write(files, ordered=False)

    def _cut_short(self, held: list[tuple[str, memoryview]]) -> None:
        """Remove chunks of files that have other lengths than before."""
        lengths = {gridfs_id(identity): body.nbytes for identity, body in held}
        with self._files.find({"_id": {"$in": list(lengths)}}, {"length": True}) as found:
            others = [one["_id"] for one in found if one.get("length") != lengths[one["_id"]]]
        for own in others:
            self._chunks.delete_many({"files_id": own})


def _chunks(held: list[tuple[str, memoryview]]) -> Iterator[ReplaceOne[Document]]:
    for identity, body in held:
        own = gridfs_id(identity)
        for number, first in enumerate(range(0, body.nbytes, CHUNK_BYTES)):
            chunk = {"_id": object_id(CHUNKS, f"{identity}/{number}"), "files_id": own, "n": number}
            yield ReplaceOne({"_id": chunk["_id"]}, {**chunk, "data": bytes(body[first : first + CHUNK_BYTES])}, upsert=True)
