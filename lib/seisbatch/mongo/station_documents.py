"""Where a channel stood, and with what, from documents of ``channel`` and ``site``, MsPASS's or ours: asked for by station."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pymongo.database import Database

from seisbatch.acquire.responses import ResponseEpoch, read_responses
from seisbatch.acquire.stationxml import AFTER_ALL, BEFORE_ALL, ChannelEpoch
from seisbatch.mongo import stations
from seisbatch.mongo.connect import Document, MongoSettings, connected, held
from seisbatch.mongo.stations import CHANNEL, SITE
from seisbatch.mongo.values import LAST, Values, told_problems
from seisbatch.names import Channel, channel
from seisbatch.outcome import Corrupt, RunError
from seisbatch.steps.stations import Epochs, Responses

_NONE = "no document of the station"
_EPOCH = ("starttime", "endtime", "lat", "lon", "elev")
FIELDS = {SITE: _EPOCH, CHANNEL: (*Channel._fields, *_EPOCH, "hang", "vang", "sampling_rate")}
"""What is asked for of a document to tell its epoch: neither responses nor pickles."""


@dataclass(frozen=True)
class StationDocuments:
    """The stations of a MongoDB database."""

    mongo: MongoSettings
    kind = "MongoDB"

    def require(self) -> None:
        """Raise RunError where the server does not answer, or the database has no station."""
        with connected(self.mongo) as database:
            if not any(database[name].find_one({}, {"_id": True}) for name in FIELDS):
                raise RunError(f"{self.mongo.place} has no document in its collections channel and site: is that the database?")

    def epochs(self, net: str, sta: str) -> Epochs:
        """The epochs of a station's channels and of the station itself, by their beginning.

        A document that cannot be one is told. Raises RunError where the server does not answer.
        """
        found: list[ChannelEpoch] = []
        problems: list[str] = []
        with held(self.mongo) as database:
            documents = [(name, one) for name in FIELDS for one in _documents(database, name, net, sta)]
        for name, document in documents:
            try:
                found.append(_epoch(name, net, sta, document))
            except Corrupt as error:
                problems.append(str(error))
        found.sort(key=lambda epoch: (epoch.name, epoch.start_ns))
        return tuple(found), told_problems(problems) if documents else _NONE

    def responses(self, net: str, sta: str) -> Responses:
        """The responses that the documents of a station's channels keep as StationXML, by channel and beginning.

        One that cannot be read is told, and so are those that keep none, or a pickle of MsPASS alone. Raises RunError where
        the server does not answer.
        """
        found: list[ResponseEpoch] = []
        problems: list[str] = []
        with held(self.mongo) as database, database[CHANNEL].find({"net": net, "sta": sta}, {"stationxml": True}) as cursor:
            documents = list(cursor.sort("_id", 1))
        for document in documents:
            values = Values(CHANNEL, document)
            try:
                if (text := values.text("stationxml")) is None:
                    raise values.wrong("no StationXML")
                found += _responses(values, text)
            except Corrupt as error:
                problems.append(str(error))
        found.sort(key=lambda epoch: (epoch.name, epoch.start_ns))
        return tuple(found), told_problems(problems) if documents else _NONE


def _responses(values: Values, text: str) -> list[ResponseEpoch]:
    try:
        return read_responses(text.encode())
    except Corrupt as error:
        raise values.wrong(str(error)) from None


def _documents(database: Database[Document], name: str, net: str, sta: str) -> Iterator[Document]:
    query = {"net": net, "sta": sta}
    with database[name].find(query, dict.fromkeys(FIELDS[name], True)) as cursor:
        yield from cursor.sort("_id", 1)


def _epoch(collection: str, net: str, sta: str, document: Document) -> ChannelEpoch:
    values = Values(collection, document)
    name = channel_of(values) if collection == CHANNEL else Channel(net, sta, "", "")
    start_ns, end_ns = epoch_span(values)
    lat, lon = values.place()
    vang = values.number("vang")
    return ChannelEpoch(
        name,
        BEFORE_ALL if start_ns is None else start_ns,
        AFTER_ALL if end_ns is None else end_ns,
        lat,
        lon,
        round(1000 * values.needed("elev"), 6),  # metres are told to the micrometre: km and back is the same number again
        values.number("sampling_rate"),
        values.number("hang"),
        None if vang is None else vang - 90,
    )


def channel_of(values: Values) -> Channel:
    """The channel of a document; Corrupt where its codes are not FDSN's."""
    try:
        return channel(*(values.text(code) or "" for code in Channel._fields))
    except ValueError as error:
        raise values.wrong(str(error)) from None


def epoch_span(values: Values) -> tuple[int | None, int | None]:
    """When an epoch begins and ends [ns since 1970]; None where it is open.

    MsPASS writes the beginning of time as 0 and its end as a day in 2051.
    """
    start, end = values.needed("starttime"), values.needed("endtime")
    start_ns = None if start == stations.BEFORE_ALL else values.instant_ns("starttime")
    is_open = end == stations.AFTER_ALL or end > LAST
    return start_ns, None if is_open else values.instant_ns("endtime")
