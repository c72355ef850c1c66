"""The indexes of the collections that are written here: what documents are looked for by, once for all."""

from __future__ import annotations

from collections.abc import Iterable

from pymongo.collection import Collection
from pymongo.database import Database

from seisbatch.mongo.connect import Document

CODES = ("net", "sta", "loc", "chan", "starttime")
_PAIR = ("source_net", "source_sta", "receiver_net", "receiver_sta", "date")

INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    "site": (("net", "sta", "loc", "starttime"),),
    "channel": (CODES,),
    "source": (("time",), ("event_id",)),
    "wf_TimeSeries": (CODES, ("source_id",), ("channel_id",), ("data_tag",)),
    "wf_miniseed": (CODES, ("s3key",)),
    "cemetery": (("unit",), ("data_tag",)),
    "ccf": (_PAIR,),
    "stack": (_PAIR,),
    "index": (("date", "net", "sta"), ("s3key",)),
    "outcomes": (("run_id", "kind", "unit"),),
    "fs.files": (("filename", "uploadDate"),),
}
"""Keys of the indexes of each collection, all ascending. They need not be unique: what others wrote may not be."""
UNIQUE: dict[str, tuple[tuple[str, ...], ...]] = {"fs.chunks": (("files_id", "n"),)}
"""Those that are: GridFS's own."""


def make_indexes(database: Database[Document], names: Iterable[str]) -> None:
    """The indexes of some collections, but for those whose key has one already, of whatever name and options."""
    for name in names:
        for key in INDEXES.get(name, ()):
            _make(database[name], key, unique=False)
        for key in UNIQUE.get(name, ()):
            _make(database[name], key, unique=True)


def _make(collection: Collection[Document], names: tuple[str, ...], *, unique: bool) -> None:
    key = [(name, 1) for name in names]
    if not any(index["key"] == key for index in collection.index_information().values()):
        collection.create_index(key, unique=unique)
