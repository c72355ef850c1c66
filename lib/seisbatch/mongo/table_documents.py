"""Rows of the tables as documents of MongoDB: MsPASS's where it has them, each with an ``_id`` that follows from the row.

Times are epoch seconds, days ISO text; what is null is not there. Where samples are is not said here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from bson import ObjectId

from seisbatch.acquire.inventory import Inventory
from seisbatch.mongo.catalog import source_document, source_id_of
from seisbatch.mongo.connect import Document
from seisbatch.mongo.documents import object_id
from seisbatch.mongo.elog import Badness, LogEntry
from seisbatch.mongo.plain import epoch_seconds
from seisbatch.mongo.references import object_reference
from seisbatch.mongo.stations import channel_documents, channel_id_of, site_documents, site_id_of
from seisbatch.schema import CCF, CEMETERY, CHANNEL, INDEX, OUTCOMES, SITE, SOURCE, STACK, WF_MINISEED, WF_TIME_SERIES, Table

Row = Mapping[str, Any]
_PLACE = frozenset(("samples", "encoding", "dfile", "foff", "nbytes"))
_OF_SOURCE = frozenset(("source_time", "source_lat", "source_lon", "source_depth"))
_PAIR = tuple(f"{role}_{code}" for role in ("source", "receiver") for code in ("net", "sta", "loc", "chan"))

IDENTITY: Mapping[str, tuple[str, ...]] = {
    WF_TIME_SERIES.name: ("data_tag", "parameters_id", "id"),
    CEMETERY.name: ("data_tag", "parameters_id", "unit"),
    CCF.name: ("parameters_id", *_PAIR, "starttime"),
    STACK.name: ("parameters_id", *_PAIR, "starttime", "endtime"),
    OUTCOMES.name: ("run_id", "kind", "unit", "date"),
    INDEX.name: ("archive", "s3key", "net", "sta", "loc", "chan", "date"),
    WF_MINISEED.name: ("archive", "s3key", "net", "sta", "loc", "chan", "starttime", "foff"),
}
"""The columns that tell a row of a table from all others, of other runs too; events and stations have ids of their own."""


def row_identity(table: str, row: Row) -> ObjectId:
    """The ``_id`` of a row's document: the same, however often it is loaded."""
    return object_id(table, "/".join(_text(row.get(name)) for name in IDENTITY[table]))


def waveform_document(row: Row) -> Document:
    """A row of ``wf_TimeSeries`` as MsPASS has it, but for where its samples are.

    Its ids are those of the documents of ``source``, ``site`` and ``channel``; the event's own values stand there alone.
    """
    document = _document(WF_TIME_SERIES, row, without=_PLACE | _OF_SOURCE | {"id"})
    document |= {
        "row_id": row["id"],
        "delta": 1 / row["sampling_rate"],
        "utc_convertible": True,
        "time_standard": "UTC",
    }
    if row.get("site_id"):
        document["site_id"] = site_id_of(row["site_id"], row["loc"])
    if row.get("channel_id"):
        document["channel_id"] = channel_id_of(row["channel_id"])
    if row.get("source_id"):
        document["source_id"] = source_id_of(row["source_id"])
    return {name: value for name, value in document.items() if value != ""}


def cemetery_document(row: Row, job: str) -> Document:
    """A row of ``cemetery`` as MsPASS buries its dead: what it would have been, and the log of the job that tells why."""
    stone = _document(CEMETERY, row, without=("reason", "data_tag"))
    del stone["_id"]
    entry = LogEntry(job, Badness.INVALID, f"{row['outcome']}: {row['reason']}", process_id=0)
    return {
        "_id": row_identity(CEMETERY.name, row),
        "data_tag": row["data_tag"],
        "tombstone": stone,
        "logdata": [entry.document()],
    }


def event_document(row: Row) -> Document:
    """A row of ``source``, as :func:`~seisbatch.mongo.catalog.save_catalog` has it, and what it tells besides.

    ValueError where it is at an impossible place.
    """
    more = {name: row.get(name) for name in ("event_type", "s3key", "catalog")}
    return _present(source_document(dict(row)) | more)


def station_documents(
    sites: Iterable[Row], channels: Iterable[Row], responses: Iterable[Row], problems: list[str]
) -> Iterator[tuple[str, Document]]:
    """Rows of one file of ``site``, ``channel`` and ``response`` as documents, each with its collection.

    They are those of :func:`~seisbatch.mongo.stations.save_inventory`. ``problems`` tells of responses that no document holds.
    """
    found = Inventory()
    found.sites, found.channels, found.responses = ([dict(row) for row in rows] for rows in (sites, channels, responses))
    for name, key, documents in (
        (SITE.name, "site_id", site_documents(found)),
        (CHANNEL.name, "chan_id", channel_documents(found, False, problems)),
    ):
        for document in documents:
            yield name, _present(document | {key: document["_id"]})


def correlation_document(table: Table, row: Row) -> Document:
    """A row of ``ccf`` or ``stack``; its samples are little-endian float32, a third of what a list of doubles takes."""
    document = _document(table, row, without=("samples",))
    if row.get("samples") is not None:
        document |= {"samples": np.asarray(row["samples"], "<f4").tobytes(), "encoding": "float32"}
    return document


def piece_document(row: Row, root: str) -> Document:
    """A row of ``wf_miniseed``, as MsPASS has a piece of a file of miniSEED; ``root`` is that of the archive."""
    document = _document(WF_MINISEED, row, without=("foff", "nbytes")) | {
        "delta": 1 / row["sampling_rate"],
        "utc_convertible": True,
        "time_standard": "UTC",
    }
    place = object_reference(f"{root.rstrip('/')}/{row['s3key']}", row["foff"], row["nbytes"])
    return {name: value for name, value in document.items() if value != ""} | place


def index_document(row: Row) -> Document:
    """A row of ``index``."""
    return _document(INDEX, row)


def outcome_document(row: Row) -> Document:
    """A row of ``outcomes``."""
    return _document(OUTCOMES, row)


def _document(table: Table, row: Row, without: Collection[str] = ()) -> Document:
    found = {name: _value(row.get(name)) for name in table.names if name not in without}
    return {"_id": row_identity(table.name, row)} | _present(found)


def _present(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return epoch_seconds(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def _text(value: Any) -> str:
    found = _value(value)
    return "" if found is None else str(found)


DOCUMENT_OF: Mapping[str, Callable[[Row], Document]] = {
    WF_TIME_SERIES.name: waveform_document,
    SOURCE.name: event_document,
    CCF.name: lambda row: correlation_document(CCF, row),
    STACK.name: lambda row: correlation_document(STACK, row),
    INDEX.name: index_document,
    OUTCOMES.name: outcome_document,
}
"""What makes a document of a row alone; of the other tables more is needed."""
