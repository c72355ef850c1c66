"""What documents of events and of stations share: ids that follow from what they are of, places, reading and writing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.collection import Collection

from seisbatch.mongo.connect import Document
from seisbatch.mongo.index_files import Written
from seisbatch.outcome import Denied, Missing

BATCH = 1000
BATCH_BYTES = 16_000_000
"""Of long texts and binaries in one bulk write."""
FIELD_BYTES = 7_500_000
"""The largest text or binary in a field: a document of MongoDB holds 16 MB, and two of these."""
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")

XML = bytes | bytearray | memoryview | str | Path
"""What an XML document is given as: its bytes, its text, or the path of its file."""


def object_id(collection: str, identity: str) -> ObjectId:
    """The ``_id`` of what has an identity of its own: the same, wherever and whenever it is saved.

    >>> object_id("source", "smi:example/1")
    ObjectId('e6fc4ddefe0213464b36ca2f')
    """
    return ObjectId(hashlib.sha256(f"{collection}/{identity}".encode()).digest()[:12])


def place(row: Mapping[str, Any], point: str) -> Document:
    """The fields of a place [degrees], as numbers, as [lon, lat], and under the name ``point`` as GeoJSON."""
    lat, lon = row["lat"], row["lon"]
    return {"lat": lat, "lon": lon, "coords": [lon, lat], point: {"type": "Point", "coordinates": [lon, lat]}}


def xml_bytes(source: Any) -> bytes:
    """The bytes of an ``XML`` document; Missing where there is no such file, Denied where it may not be read."""
    if isinstance(source, str):
        text = source.removeprefix("\ufeff")
        if text.lstrip().startswith("<"):
            return _DECLARATION.sub("", text, count=1).encode()  # the declaration may name the encoding that the file had
    if not isinstance(source, str | Path):
        return bytes(source)
    try:
        return Path(source).expanduser().read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise Missing(f"{source}: {error.strerror}") from None
    except PermissionError as error:
        raise Denied(f"{source}: {error.strerror}") from None


def write_documents(collection: Collection[Document], documents: Iterable[Document]) -> Written:
    """Write documents that have their ``_id``; how many, and how many of them were not there before.

    One that is there gets the fields given, loses those given as None, and keeps whatever else it holds.
    """
    written = new = 0
    for batch in batches(documents):
        written += len(batch)
        new += collection.bulk_write([_update(one) for one in batch], ordered=False).upserted_count
    return Written(written, new)


def _update(document: Document) -> UpdateOne:
    given = {name: value for name, value in document.items() if value is not None and name != "_id"}
    absent = {name: "" for name, value in document.items() if value is None}
    return UpdateOne({"_id": document["_id"]}, {"$set": given} | ({"$unset": absent} if absent else {}), upsert=True)


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Some documents at a time: as many as one bulk write takes."""
    batch: list[Document] = []
    n_bytes = 0
    for document in documents:
        batch.append(document)
        n_bytes += sum(len(value) for value in document.values() if isinstance(value, str | bytes))
        if len(batch) == BATCH or n_bytes >= BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch
