"""Stations and channels as documents of ``site`` and ``channel``, as MsPASS's save_inventory has them, each epoch once."""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from seisbatch.acquire.inventory import Inventory, read_inventory, response_inventory
from seisbatch.mongo.connect import Document
from seisbatch.mongo.documents import FIELD_BYTES, XML, batches, object_id, place, write_documents, xml_bytes
from seisbatch.mongo.index_files import Written
from seisbatch.mongo.indexes import make_indexes
from seisbatch.mongo.pickles import mspass_pickle
from seisbatch.outcome import Corrupt, Missing
from seisbatch.times import SECOND_NS, from_datetime

SITE, CHANNEL = "site", "channel"
KEYS = {SITE: ("net", "sta", "loc", "starttime"), CHANNEL: ("net", "sta", "loc", "chan", "starttime")}
"""What a document is known by, whoever wrote it."""
ID_NAMES = {SITE: "site_id", CHANNEL: "chan_id"}
"""The field that repeats a document's ``_id``."""
BEFORE_ALL, AFTER_ALL = 0.0, 2556144000.0
"""MsPASS's times of an epoch without a beginning, and of one without an end: 1970 and 2051."""

Key = tuple[Any, ...]


@dataclass(frozen=True)
class SavedInventory:
    """Documents of stations and of channels, how many of them are new, and what could not be saved, by channel."""

    sites: Written
    channels: Written
    problems: tuple[str, ...]


def save_inventory(database: Database[Document], inventory: Any, mspass_pickles: bool = False) -> SavedInventory:
    """Save StationXML (bytes, text or a path) or an obspy ``Inventory`` in the collections ``site`` and ``channel``.

    A site is a location code of a station's epoch, at the place of the latest of its channels; a station without channels is
    one of blank location code. A channel keeps its response as StationXML, for :func:`read_response`. An epoch that is there,
    of MsPASS's writing or ours, keeps its ``_id`` and is brought up to date; what the file does not tell stays as it is.
    ``mspass_pickles`` writes obspy's channel as ``serialized_channel_data`` besides, for MsPASS, where it has a response.
    Raises Corrupt where the document is not StationXML, Missing and Denied where its file cannot be read.
    """
    found = read_inventory(_stationxml(inventory))
    problems = list(found.problems)
    make_indexes(database, KEYS)
    return SavedInventory(
        _save(database[SITE], site_documents(found)),
        _save(database[CHANNEL], channel_documents(found, problems, mspass_pickles)),
        tuple(problems),
    )


def read_response(document: Mapping[str, Any]) -> Any:
    """The obspy ``Inventory`` of a channel's document: that epoch with its response, as ``Trace.remove_response`` takes it.

    Raises Missing where the document has no StationXML, Corrupt where it is none.
    """
    if not (text := document.get("stationxml")):
        codes = ".".join(str(document.get(code, "")) for code in ("net", "sta", "loc", "chan"))
        raise Missing(f"the document of {codes} has no StationXML")
    return response_inventory(text)


def response_of(database: Database[Document], waveform: Any) -> Any:
    """The obspy ``Inventory`` of what a waveform was recorded with, as :func:`read_response` gives it.

    ``waveform`` is a datum or its document, which has a ``channel_id``, or the id itself. Raises Missing where there is no id,
    no such channel or no StationXML of it, Corrupt where that is none.
    """
    metadata = waveform if isinstance(waveform, Mapping) else getattr(waveform, "metadata", {"channel_id": waveform})
    channel_id = metadata.get("channel_id")
    if channel_id is None:
        raise Missing(f"{metadata.get('_id')} has no channel_id: link it to its channel first")
    document = database[CHANNEL].find_one({"_id": channel_id})
    if document is None:
        raise Missing(f"there is no channel {channel_id}")
    return read_response(document)


def _stationxml(inventory: Any) -> bytes:
    if isinstance(inventory, XML):
        return xml_bytes(inventory)
    buffer = io.BytesIO()
    try:
        inventory.write(buffer, format="STATIONXML")
    except Exception as error:  # obspy raises many kinds for what StationXML cannot hold
        raise Corrupt(f"no StationXML can be made of it: {type(error).__name__}: {error}"[:300]) from None
    return buffer.getvalue()


def site_documents(found: Inventory) -> Iterator[Document]:
    """The documents of ``site``, under ids of their own: one of each location code of a station's epoch."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in found.channels:
        own = row["site_id"], row["loc"]
        if own not in latest or _begins(row) >= _begins(latest[own]):
            latest[own] = row
    with_channels = {site_id for site_id, _ in latest}
    sites = {row["site_id"]: row for row in found.sites}
    bare = {(site_id, ""): row for site_id, row in sites.items() if site_id not in with_channels}
    for (site_id, loc), row in [*latest.items(), *bare.items()]:
        yield {
            "_id": object_id(SITE, f"{site_id}/{loc}"),
            **_epoch(sites[site_id]),
            **_where(row),
            "loc": loc,
        }


def channel_documents(found: Inventory, problems: list[str], mspass_pickles: bool = False) -> Iterator[Document]:
    """The documents of ``channel``, under ids of their own; what is wrong with their responses is added to the problems."""
    responses = {row["channel_id"]: row["stationxml"] for row in found.responses}
    for row in found.channels:
        document: Document = {
            "_id": object_id(CHANNEL, row["channel_id"]),
            **_epoch(row),
            **_where(row),
            **{name: row[name] for name in ("loc", "chan", "hang", "vang", "sampling_rate", "gain", "units")},
        }
        if row["channel_id"] in responses:
            try:
                document |= _response(responses[row["channel_id"]], mspass_pickles)
            except Corrupt as error:
                problems.append(f"response of {row['channel_id']}: {error}")
        yield document


def _response(stationxml: str, mspass_pickles: bool) -> Document:
    found: Document = {"stationxml": stationxml}
    if mspass_pickles:
        found["serialized_channel_data"] = mspass_pickle(response_inventory(stationxml)[0][0][0])
    for value in found.values():
        if len(value if isinstance(value, bytes) else value.encode()) > FIELD_BYTES:
            raise Corrupt("it is too large for a document")
    return found


def _epoch(row: Mapping[str, Any]) -> Document:
    ends = row["endtime"]
    return {
        "net": row["net"],
        "sta": row["sta"],
        "starttime": _begins(row),
        "endtime": AFTER_ALL if ends is None else _seconds(ends),
    }


def _where(row: Mapping[str, Any]) -> Document:
    return place(row, "location") | {"elev": row["elev"], "edepth": row.get("edepth")}


def _begins(row: Mapping[str, Any]) -> float:
    return BEFORE_ALL if row["starttime"] is None else _seconds(row["starttime"])


def _seconds(instant: dt.datetime) -> float:
    return from_datetime(instant) / SECOND_NS


def _save(collection: Collection[Document], documents: Iterable[Document]) -> Written:
    written = new = 0
    for some in batches(documents):
        done = write_documents(collection, with_known_ids(collection, some))
        written, new = written + done.documents, new + done.new
    return Written(written, new)


def with_known_ids(collection: Collection[Document], documents: Sequence[Document]) -> Iterator[Document]:
    """Documents as they are to be written: under the ids of those that are there, without what the file does not tell."""
    names = KEYS[collection.name]
    there = known_ids(collection, {(document["net"], document["sta"]) for document in documents})
    for document in documents:
        own = there.setdefault(epoch_key(names, document), document["_id"])
        told = {name: value for name, value in document.items() if value is not None}
        yield told | {"_id": own, ID_NAMES[collection.name]: own}


def epoch_key(names: Iterable[str], document: Mapping[str, Any]) -> Key:
    """What an epoch is known by: the values of :data:`KEYS`, the last of which is its start, in microseconds."""
    *codes, begins = (document.get(name, "") for name in names)
    return *codes, round(begins * 1e6) if isinstance(begins, int | float) and math.isfinite(begins) else None


def known_ids(collection: Collection[Document], stations: Iterable[tuple[str, str]]) -> dict[Key, ObjectId]:
    """The ids of the epochs that a collection has of some stations (net, sta); the first where it has one more than once."""
    names = KEYS[collection.name]
    nets, stas = (sorted(set(codes)) for codes in zip(*stations, strict=True))
    found: dict[Key, ObjectId] = {}
    with collection.find({"net": {"$in": nets}, "sta": {"$in": stas}}, dict.fromkeys(names, True)) as cursor:
        for document in cursor.sort("_id", 1):
            found.setdefault(epoch_key(names, document), document["_id"])
    return found
