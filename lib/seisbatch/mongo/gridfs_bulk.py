"""Samples of many data into GridFS at once, under ids that follow from what they are of: putting them again changes nothing."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from bson import ObjectId
from pymongo import ReplaceOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from seisbatch.mongo.connect import Document
from seisbatch.mongo.documents import object_id
from seisbatch.mongo.storage import ITEM_BYTES

CHUNK_BYTES = 255 * 1024
"""GridFS's own."""
IN_A_CHUNK = CHUNK_BYTES // ITEM_BYTES
HELD_BYTES = 16_000_000
SENT_CHUNKS = 8
"""Chunks that are sent at once: more take more time each, as their message outgrows the caches."""
FILES, CHUNKS = "fs.files", "fs.chunks"
DUPLICATE_KEY = 11000
"""The code of what MongoDB tells of a document that is there already."""

Numbers = npt.NDArray[np.generic]
Held = tuple[str, Numbers]


def gridfs_id(identity: str) -> ObjectId:
    """The id in GridFS of the samples of what has an identity of its own."""
    return object_id(FILES, identity)


class GridFSWriter:
    """Holds some :data:`HELD_BYTES` of samples, or those of one datum that has more, and puts them together.

    They are there once :meth:`flush` returns: the chunks first, then the files that they are of.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._files, self._chunks = database[FILES], database[CHUNKS]
        self._held: list[Held] = []
        self._n_held = 0

    def put(self, identity: str, samples: Numbers) -> ObjectId:
        """Put samples, shape (npts,), as float64; the id under which they are, once they are flushed."""
        n_bytes = ITEM_BYTES * samples.size
        if self._n_held and self._n_held + n_bytes > HELD_BYTES:
            self.flush()
        self._held.append((identity, samples))
        self._n_held += n_bytes
        return gridfs_id(identity)

    def flush(self) -> None:
        """Write what is held."""
        if not self._held:
            return
        held, self._held, self._n_held = self._held, [], 0
        new = not self._cut_short(held)
        chunks = _chunks(held)
        while some := list(itertools.islice(chunks, SENT_CHUNKS)):
            self._put_chunks(some, new=new)
        now = dt.datetime.now(dt.UTC)
        files: list[Any] = [
            UpdateOne(
                {"_id": gridfs_id(identity)},
                {"$set": {"length": ITEM_BYTES * samples.size, "chunkSize": CHUNK_BYTES}, "$setOnInsert": {"uploadDate": now}},
                upsert=True,
            )
            for identity, samples in held
        ]
        self._files.bulk_write(files, ordered=False)

    def _put_chunks(self, chunks: list[Document], *, new: bool) -> None:
        """Put chunks, in half the server's time where they are new; those without their file are of a try that was broken."""
        if new:
            try:
                self._chunks.insert_many(chunks, ordered=False)
            except BulkWriteError as error:
                if any(one["code"] != DUPLICATE_KEY for one in error.details["writeErrors"]):
                    raise
            else:
                return
        self._chunks.bulk_write([ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in chunks], ordered=False)

    def _cut_short(self, held: list[Held]) -> bool:
        """Remove chunks of files that have other lengths than before; whether any of the files is there."""
        lengths = {gridfs_id(identity): ITEM_BYTES * samples.size for identity, samples in held}
        with self._files.find({"_id": {"$in": list(lengths)}}, {"length": True}) as found:
            before = {one["_id"]: one.get("length") for one in found}
        for own, length in before.items():
            if length != lengths[own]:
                self._chunks.delete_many({"files_id": own})
        return bool(before)


def _chunks(held: list[Held]) -> Iterator[Document]:
    for identity, samples in held:
        own = gridfs_id(identity)
        for number, first in enumerate(range(0, samples.size, IN_A_CHUNK)):
            data = samples[first : first + IN_A_CHUNK].astype(np.float64).tobytes()
            yield {"_id": object_id(CHUNKS, f"{identity}/{number}"), "files_id": own, "n": number, "data": data}
