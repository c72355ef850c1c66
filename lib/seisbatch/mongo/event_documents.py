"""Events from the documents of ``source``, MsPASS's or ours: only those that are selected are fetched."""

from __future__ import annotations

import math
from typing import Any

from bson import ObjectId

from seisbatch.mongo.catalog import SOURCE
from seisbatch.mongo.connect import Document, MongoSettings, connected
from seisbatch.mongo.values import Values, told_problems, wrongly_typed
from seisbatch.outcome import Corrupt, RunError
from seisbatch.steps.sources import SourceSelection
from seisbatch.times import SECOND_NS, to_datetime

FIELDS = (
    *("source_id", "event_id", "time", "lat", "lon", "depth"),
    *("magnitude", "magnitude_type", "event_type", "s3key", "catalog"),
)
SLACK_S = 1e-6
SLACK_DEGREES = 0.01
"""What is fetched beyond the edges of a selection: the rows are judged again, as those of tables are."""
LEAST_RADIUS_KM = 6335.0
"""The least radius of curvature of the ellipsoid: a distance is never more degrees of latitude than on a sphere of it."""


def read_source_documents(mongo: MongoSettings, selection: SourceSelection) -> list[dict[str, Any]]:
    """Rows of the table ``source`` for the events that are selected, and some just outside its edges.

    An event's ``source_id`` is that of its table where the document has it, a text, or else its ``event_id``, or, of MsPASS's
    documents, which have neither, its ``_id`` in hexadecimal. Raises RunError where the server does not answer, where the
    database has no event, and where a document that may be selected cannot be an event: its ``_id`` is told.
    """
    rows, problems = [], []
    with connected(mongo) as database:
        collection = database[SOURCE]
        with collection.find(source_query(selection), dict.fromkeys(FIELDS, True)) as documents:
            for document in documents:
                try:
                    rows.append(_row(document, mongo.place))
                except Corrupt as error:
                    problems.append(str(error))
        if not rows and not problems and collection.find_one({}, {"_id": True}) is None:
            raise RunError(f"{mongo.place} has no document in its collection {SOURCE}: is that the database?")
    if problems:
        raise RunError(f"{mongo.place}: {told_problems(problems)}. Mend or delete what cannot be an event")
    return rows


def source_query(selection: SourceSelection) -> Document:
    """What the server is asked for: every event that is selected, and whatever of a wrong type hides whether it is."""
    start, end = (None if ns is None else ns / SECOND_NS for ns in (selection.start_ns, selection.end_ns))
    limits = [
        _limited("time", None if start is None else start - SLACK_S, None if end is None else end + SLACK_S),
        _limited("magnitude", selection.min_magnitude, selection.max_magnitude),
        _limited("depth", selection.min_depth, selection.max_depth),
        *_inside(selection),
    ]
    if selection.event_ids:
        ids = sorted(selection.event_ids)
        own = [ObjectId(text) for text in ids if ObjectId.is_valid(text)]
        limits.append({"$or": [{"event_id": {"$in": ids}}, {"event_id": None, "_id": {"$in": own}}]})
    wanted = [limit for limit in limits if limit]
    return {"$and": wanted} if wanted else {}


def _limited(name: str, low: float | None, high: float | None) -> Document:
    if low is None and high is None:
        return {}
    between = {word: limit for word, limit in (("$gte", low), ("$lte", high)) if limit is not None}
    return {"$or": [{name: between}, wrongly_typed(name, "number")]}


def _inside(selection: SourceSelection) -> list[Document]:
    """Limits of latitude and longitude that hold the region, and something around it."""
    if selection.region is None:
        return []
    if len(selection.region) == 4:
        west, east, south, north = selection.region
        width = (east - west) % 360
    else:
        lat, lon, km = selection.region
        reach = km / LEAST_RADIUS_KM
        south, north = lat - math.degrees(reach), lat + math.degrees(reach)
        if -90 < south - SLACK_DEGREES and north + SLACK_DEGREES < 90:
            half = 1.01 * math.degrees(math.asin(min(1.0, math.sin(reach) / math.cos(math.radians(lat)))))
        else:
            half = 180.0
        west, width = lon - half, 2 * half
    limits = [_limited("lat", south - SLACK_DEGREES, north + SLACK_DEGREES)]
    if width + 2 * SLACK_DEGREES < 360:
        first = (west - SLACK_DEGREES) % 360 - 360
        turns = (first + 360 * turn for turn in range(2))  # documents have -180 to 180 degrees, or 0 to 360
        ranges = [{"lon": {"$gte": begin, "$lte": begin + width + 2 * SLACK_DEGREES}} for begin in turns]
        limits.append({"$or": [*ranges, wrongly_typed("lon", "number")]})
    return limits


def _row(document: Document, place: str) -> dict[str, Any]:
    values = Values(SOURCE, document)
    lat, lon = values.place()
    event_id = values.text("event_id") or str(document["_id"])
    of_table = document.get("source_id")
    return {
        "source_id": of_table if isinstance(of_table, str) and of_table else event_id,
        "event_id": event_id,
        "time": to_datetime(values.instant_ns("time")),
        "lat": lat,
        "lon": lon,
        **{name: values.number(name) for name in ("depth", "magnitude")},
        **{name: values.text(name) for name in ("magnitude_type", "event_type", "s3key")},
        "catalog": values.text("catalog") or place,
    }
