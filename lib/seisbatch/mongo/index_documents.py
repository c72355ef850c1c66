"""What index_archive wrote, from the documents of ``index`` and ``wf_miniseed``: the channels of a day that are asked for."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from seisbatch.acquire.objects import check_key
from seisbatch.mongo.connect import Document, MongoSettings, connected, held
from seisbatch.mongo.station_documents import channel_of
from seisbatch.mongo.values import Values, wrongly_typed
from seisbatch.names import STAND_IN, Channel, ChannelPatterns, channel
from seisbatch.outcome import Corrupt, Outcome, RunError
from seisbatch.schema import INDEX, WF_MINISEED
from seisbatch.steps.index_table import OpenedIndex, Pieces, channel_days_of, no_object_of, problem

OBJECTS, PIECES = INDEX.name, WF_MINISEED.name
_OBJECT = ("s3key", *Channel._fields, "sample_rate", "lat", "lon", "size", "etag")
_PIECE = ("s3key", "etag", *Channel._fields, "starttime", "endtime", "sampling_rate", "foff", "nbytes", "reclen")
KEYS_A_QUERY = 1000
MOST_BYTES = 2**53
MOST_RECORD = 2**31 - 1
"""Numbers beyond these are no sizes of objects, and none of records."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class IndexDocuments:
    """The index in a MongoDB database, which may have those of several archives."""

    mongo: MongoSettings

    def require(self, layout: str) -> None:
        """Raise RunError where the server does not answer, or the database has no index of the archive."""
        with connected(self.mongo) as database:
            document = database[OBJECTS].find_one({"archive": layout}, {"date": True})
            if document is None:
                held_archives = sorted(map(str, database[OBJECTS].distinct("archive")))
                has = f"has an index of {', '.join(held_archives)}" if held_archives else f"has no documents in {OBJECTS}"
                raise RunError(f"{self.mongo.place} {has}, none of {layout}")
        try:
            dt.date.fromisoformat(Values(OBJECTS, document).text("date") or "")
        except (Corrupt, ValueError):
            told = f"document {document['_id']} of {OBJECTS}: date is {document.get('date')!r}, not a text as 2022-01-31"
            raise RunError(f"{self.mongo.place}: {told}") from None

    def opened(self, layout: str) -> OpenedIndex:
        """The index of an archive."""
        return IndexOfArchive(self.mongo, layout)


class IndexOfArchive:
    """Documents of one archive, asked for by day and channel; as :class:`seisbatch.steps.index_table.IndexTable` tells them."""

    def __init__(self, mongo: MongoSettings, layout: str) -> None:
        self._mongo, self._layout = mongo, layout

    def channel_days(self, day: dt.date, patterns: ChannelPatterns) -> Rows:
        """The channel-days of a day that match the patterns, and a row for each document that cannot be one.

        Raises RunError where the server does not answer.
        """
        of_day = {"archive": self._layout, "date": day.isoformat()}
        problems: Rows = []
        with held(self._mongo) as database:
            query = of_day | channels_query(patterns)
            rows = [row for one in _find(database, OBJECTS, query, _OBJECT) if (row := _checked(_object, one, day, problems))]
            if not rows and not problems and database[OBJECTS].find_one(of_day, {"_id": True}) is None:
                return [no_object_of(day)]
            pieces = self._pieces(database, rows, day, patterns, problems)
        return channel_days_of([of_day | {"date": day} | row for row in rows], day, patterns, pieces) + problems

    def _pieces(
        self, database: Database[Document], rows: Rows, day: dt.date, patterns: ChannelPatterns, problems: Rows
    ) -> Pieces:
        """The pieces of objects; of one that holds other channels than those asked for, that it has none of these."""
        found: Pieces = {}
        doubtful: set[str] = set()
        for some in _chunks(sorted({row["s3key"] for row in rows})):
            of_objects = {"archive": self._layout, "s3key": {"$in": some}}
            for document in _find(database, PIECES, of_objects | channels_query(patterns), _PIECE):
                if piece := _checked(_piece, document, day, problems):
                    version, name = (document["s3key"], document.get("etag")), piece.pop("name")
                    found.setdefault(version, {}).setdefault(name, []).append(piece)
                else:
                    doubtful.add(document["s3key"])
        several = sorted({row["s3key"] for row in rows if row["chan"] is None and (row["s3key"], row["etag"]) not in found})
        for some in _chunks(several):
            of_objects = {"archive": self._layout, "s3key": {"$in": some}}
            versions: list[Document] = [{"$match": of_objects}, {"$group": {"_id": {"s3key": "$s3key", "etag": "$etag"}}}]
            for group in database[PIECES].aggregate(versions):
                key, etag = group["_id"]["s3key"], group["_id"].get("etag")
                if etag is None or isinstance(etag, str):
                    found.setdefault((key, etag), {})
        for of_object in found.values():
            for pieces in of_object.values():
                pieces.sort(key=lambda piece: (piece["foff"], piece["start_ns"]))
        return {version: of_object for version, of_object in found.items() if version[0] not in doubtful}


def channels_query(patterns: ChannelPatterns) -> Document:
    """The query of documents of channels that may match, and of those whose codes are of wrong types, which are to be told.

    A code that is not there may be any: of an object that holds several channels, or a blank location.
    """
    wanted = [
        {code: condition for code, part in zip(Channel._fields, parts, strict=True) if (condition := _code(part))}
        for parts in patterns.parts
    ]
    if not all(wanted):
        return {}
    return {"$or": [*wanted, *(wrongly_typed(code, "string") for code in Channel._fields)]}


def _code(part: str) -> Any:
    """What a code must be for a part of a pattern; None where it may be anything."""
    if not {*"*?["} & {*part}:
        return {"$in": [part, None]}
    known, bracket, _ = part.partition("[")  # what follows is judged here: classes of characters are not the same everywhere
    text = "".join({"*": ".*", "?": "."}.get(letter) or re.escape(letter) for letter in known)
    text = f"^{text}" if bracket else f"^{text}$"
    return None if text in ("^", "^.*", "^.*$") else {"$in": [re.compile(text), None]}


def _chunks(keys: Sequence[str]) -> Iterator[list[str]]:
    return (list(keys[start : start + KEYS_A_QUERY]) for start in range(0, len(keys), KEYS_A_QUERY))


def _find(database: Database[Document], name: str, query: Document, fields: Iterable[str]) -> Iterator[Document]:
    with database[name].find(query, dict.fromkeys(fields, True)) as cursor:
        yield from cursor


def _checked(read: Any, document: Document, day: dt.date, problems: Rows) -> dict[str, Any] | None:
    """What a document tells; None where it cannot be, which is a problem of the index."""
    try:
        found: dict[str, Any] = read(document)
        return found
    except Corrupt as error:
        problems.append(problem(f"index/{day}/{document['_id']}", day, Outcome.REJECTED, f"index: {error}"))
        return None


def _object(document: Document) -> dict[str, Any]:
    values = Values(OBJECTS, document)
    codes = {code: values.text(code) for code in Channel._fields}
    try:
        name = channel(codes["net"] or "", codes["sta"] or "", codes["loc"] or "", codes["chan"] or STAND_IN)
    except ValueError as error:
        raise values.wrong(str(error)) from None
    several = codes["chan"] is None
    return {
        "net": name.net,
        "sta": name.sta,
        "loc": codes["loc"] if several else name.loc,
        "chan": None if several else name.chan,
        "s3key": _key(values),
        "sample_rate": values.number("sample_rate"),
        "lat": values.number("lat"),
        "lon": values.number("lon"),
        "size": values.whole("size", 0, MOST_BYTES),
        "etag": values.text("etag"),
    }


def _piece(document: Document) -> dict[str, Any]:
    values = Values(PIECES, document)
    name = channel_of(values)
    _key(values)
    values.text("etag")
    foff, nbytes = values.whole("foff", 0, MOST_BYTES), values.whole("nbytes", 1, MOST_BYTES)
    if foff is None or nbytes is None:
        raise values.wrong("it has no foff or no nbytes")
    return {
        "name": name,
        "start_ns": values.instant_ns("starttime"),
        "last_ns": values.instant_ns("endtime"),
        "foff": foff,
        "nbytes": nbytes,
        "reclen": values.whole("reclen", 1, MOST_RECORD),
        "sampling_rate": values.needed("sampling_rate"),
    }


def _key(values: Values) -> str:
    try:
        return check_key(values.text("s3key") or "")
    except ValueError as error:
        raise values.wrong(str(error)) from None
