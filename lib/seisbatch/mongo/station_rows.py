"""Rows of the tables ``channel``, ``site`` and ``response`` from documents, MsPASS's or ours: asked for by station."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seisbatch.acquire.stationxml import BEFORE_ALL, epoch_id
from seisbatch.mongo.connect import Document, MongoSettings, held
from seisbatch.mongo.station_documents import channel_of, epoch_span
from seisbatch.mongo.stations import CHANNEL, SITE
from seisbatch.mongo.values import Values
from seisbatch.steps.station_tables import StationRows
from seisbatch.times import to_datetime

_PLACE = ("net", "sta", "starttime", "endtime", "lat", "lon", "elev")
_CHANNEL = (*_PLACE, "loc", "chan", "edepth", "hang", "vang", "sampling_rate")
_SITE = (*_PLACE, "name")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class StationRowDocuments:
    """The stations of a MongoDB database, as rows."""

    mongo: MongoSettings

    @property
    def place(self) -> str:
        """The servers and the database."""
        return self.mongo.place

    def opened(self) -> StationRows:
        """What looks them up."""
        return DocumentRows(self.mongo)


class DocumentRows:
    """Rows of documents; each has the document's ``_id`` besides. A document that cannot be one raises Corrupt."""

    def __init__(self, mongo: MongoSettings) -> None:
        self._mongo = mongo

    def channels(self, net: str, sta: str) -> Sequence[Row]:
        """The channel epochs of a station, by name and beginning."""
        with held(self._mongo) as database, database[CHANNEL].find({"net": net, "sta": sta}, _fields(_CHANNEL)) as documents:
            rows = [_channel_row(document) for document in documents.sort("_id", 1)]
        return sorted(rows, key=lambda row: str(row["channel_id"]))

    def site(self, row: Row) -> Row | None:
        """The document of ``site`` of the same station whose epoch holds when that of the channel begins."""
        query = {"net": row["net"], "sta": row["sta"]}
        with held(self._mongo) as database, database[SITE].find(query, _fields(_SITE)) as documents:
            found = [_epoch_row(Values(SITE, document)) for document in documents.sort([("starttime", 1), ("_id", 1)])]
        begins = row["starttime"]
        alive = [
            site
            for site in found
            if (site["starttime"] is None or (begins and site["starttime"] <= begins))
            and (site["endtime"] is None or begins is None or begins < site["endtime"])
        ]
        return next(iter(alive), None)

    def responses(self, rows: Sequence[Row]) -> Mapping[str, str]:
        """StationXML of the channel epochs whose documents have it: a pickle of MsPASS is none."""
        ids = {row["_id"]: row["channel_id"] for row in rows}
        query = {"_id": {"$in": list(ids)}, "stationxml": {"$type": "string"}}
        with held(self._mongo) as database, database[CHANNEL].find(query, {"stationxml": True}) as documents:
            return {ids[document["_id"]]: document["stationxml"] for document in documents}


def _fields(names: Sequence[str]) -> dict[str, bool]:
    return dict.fromkeys(names, True)


def _channel_row(document: Document) -> dict[str, Any]:
    values = Values(CHANNEL, document)
    name = channel_of(values)
    start_ns, _ = epoch_span(values)
    return {
        "_id": document["_id"],
        "channel_id": epoch_id(name, BEFORE_ALL if start_ns is None else start_ns),
        **name._asdict(),
        **_epoch_row(values),
        **{key: values.number(key) for key in ("edepth", "hang", "vang", "sampling_rate")},
    }


def _epoch_row(values: Values) -> dict[str, Any]:
    start_ns, end_ns = epoch_span(values)
    lat, lon = values.place()
    return {
        "net": values.text("net"),
        "sta": values.text("sta"),
        "starttime": None if start_ns is None else to_datetime(start_ns),
        "endtime": None if end_ns is None else to_datetime(end_ns),
        "lat": lat,
        "lon": lon,
        "elev": values.needed("elev"),
        "name": values.text("name"),
    }
