"""Rows of the tables of stations and events as the documents that saving their StationXML and QuakeML would write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa
from pymongo.database import Database

from seisbatch.acquire.inventory import Inventory
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.mongo.catalog import source_document
from seisbatch.mongo.connect import Document
from seisbatch.mongo.document_columns import Fields, Kind
from seisbatch.mongo.documents import BATCH, object_id
from seisbatch.mongo.stations import channel_documents, site_documents, with_known_ids
from seisbatch.schema import CHANNEL, RESPONSE, SITE, SOURCE, Table
from seisbatch.sinks.dataset import parquet_file, reading_error

CHANNEL_ROWS = 64
"""Channels whose responses are held at a time: some 10 KB each, and a few of them MB."""

_EPOCH: Fields = {
    **dict.fromkeys(("net", "sta", "loc"), Kind.TEXT),
    **dict.fromkeys(("starttime", "endtime", "lat", "lon", "elev", "edepth"), Kind.DOUBLE),
    **dict.fromkeys(("coords", "location"), Kind.EMBEDDED),
}
NORMALISING: dict[str, Fields] = {
    SOURCE.name: {
        **dict.fromkeys(("_id", "source_id"), Kind.ID),
        **dict.fromkeys(("event_id", "magnitude_type"), Kind.TEXT),
        **dict.fromkeys(("lat", "lon", "depth", "time", "magnitude"), Kind.DOUBLE),
        **dict.fromkeys(("coords", "epicenter"), Kind.EMBEDDED),
    },
    SITE.name: {**dict.fromkeys(("_id", "site_id"), Kind.ID), **_EPOCH},
    CHANNEL.name: {
        **dict.fromkeys(("_id", "chan_id"), Kind.ID),
        **_EPOCH,
        **dict.fromkeys(("chan", "units", "stationxml"), Kind.TEXT),
        **dict.fromkeys(("hang", "vang", "sampling_rate", "gain"), Kind.DOUBLE),
    },
}
"""Their fields. They are written by one task, file after file: what stands in two of them ends as the last has it."""


@dataclass
class Made:
    """Some documents, by the ids of rows what became none and why, and what else is wrong."""

    documents: list[Document]
    lost: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def normalising_documents(database: Database[Document], collection: str, store: StoreSettings, key: str) -> Iterator[Made]:
    """The documents of a file of the table of a collection, some at a time; raises UnitError where it cannot be read.

    Those of ``site`` are of the file of channels of the same name, as each has the place of a channel.
    """
    match collection:
        case SOURCE.name:
            yield from _sources(store, key)
        case SITE.name:
            yield from _sites(database, store, key)
        case _:
            yield from _channels(database, store, key)


def _sources(store: StoreSettings, key: str) -> Iterator[Made]:
    rows = _rows(store, key, SOURCE)
    while some := list(islice(rows, BATCH)):
        made = Made([])
        for row in some:
            own = object_id(SOURCE.name, row["source_id"])
            try:
                made.documents.append(source_document(row) | {"_id": own, "source_id": own})
            except ValueError as error:
                made.lost[row["source_id"]] = str(error)
        yield made


def _sites(database: Database[Document], store: StoreSettings, key: str) -> Iterator[Made]:
    sites = list(_rows(store, beside(SITE, key), SITE))
    known = {row["site_id"] for row in sites}
    channels = list(_rows(store, key, CHANNEL))
    found = Inventory(sites=sites, channels=[row for row in channels if row["site_id"] in known])
    notes = [f"{row['channel_id']} has no station in the table" for row in channels if row["site_id"] not in known]
    documents = list(site_documents(found))
    for first in range(0, max(1, len(documents)), BATCH):
        some = documents[first : first + BATCH]
        yield Made(list(with_known_ids(database[SITE.name], some)) if some else [], notes=notes)
        notes = []


def _channels(database: Database[Document], store: StoreSettings, key: str) -> Iterator[Made]:
    rows = _rows(store, key, CHANNEL)
    responses = _rows(store, beside(RESPONSE, key), RESPONSE)
    response = next(responses, None)
    while some := list(islice(rows, CHANNEL_ROWS)):
        found = Inventory(channels=some)
        for row in some:  # responses stand in the order of the channels that have one
            if response is not None and response["channel_id"] == row["channel_id"]:
                found.responses.append(response)
                response = next(responses, None)
        notes: list[str] = []
        documents = list(channel_documents(found, notes))
        yield Made(list(with_known_ids(database[CHANNEL.name], documents)), notes=notes)


def beside(table: Table, key: str) -> str:
    """The key of another table's file of the same rows."""
    return f"{table.name}/{key.partition('/')[2]}"


def _rows(store: StoreSettings, key: str, table: Table) -> Iterator[dict[str, Any]]:
    """The rows of a file, none where there is none beside the channels' own."""
    if table in (SITE, RESPONSE) and not open_store(store).exists(key):
        return
    try:
        with parquet_file(store, key) as file:
            for batch in file.iter_batches(CHANNEL_ROWS):
                for row in batch.to_pylist():
                    yield {**dict.fromkeys(table.names), **row}
    except (pa.ArrowException, OSError) as error:
        raise reading_error(key, error) from error
