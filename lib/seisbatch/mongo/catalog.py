"""Events as documents of ``source``, as MsPASS's save_catalog has them, each once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from seisbatch.acquire.quakeml import event_row, read_events
from seisbatch.mongo.connect import Document
from seisbatch.mongo.documents import FIELD_BYTES, XML, object_id, place, write_documents, xml_bytes
from seisbatch.mongo.pickles import mspass_pickle
from seisbatch.times import SECOND_NS, from_datetime

SOURCE = "source"


@dataclass(frozen=True)
class SavedCatalog:
    """How many events have their document now, how many of these are new, and why the others of the catalogue have none.

    A problem begins with the event's own id. One with the pickle alone leaves the event its document.
    """

    events: int
    new: int
    problems: tuple[str, ...]


def save_catalog(database: Database[Document], catalog: Any, mspass_pickles: bool = False) -> SavedCatalog:
    """Save the events of QuakeML (bytes, text or a path) or of an obspy ``Catalog`` in the collection ``source``.

    An event has its preferred origin and magnitude, or else the first of them; km, degrees, seconds since 1970. A depth or
    magnitude that it does not tell is not in the document. Its ``_id`` follows from its own id, ``event_id``: an event that is
    there is brought up to date. ``mspass_pickles`` writes obspy's event as ``serialized_event`` besides, for MsPASS.
    Raises Corrupt where the document is not QuakeML, Missing and Denied where its file cannot be read.
    """
    problems: list[str] = []
    documents = _documents(_events(catalog), mspass_pickles, problems)
    written = write_documents(database[SOURCE], documents)
    return SavedCatalog(written.documents, written.new, tuple(problems))


def _events(catalog: Any) -> Iterable[Any]:
    events: Iterable[Any] = read_events(xml_bytes(catalog)) if isinstance(catalog, XML) else catalog
    return events


def _documents(events: Iterable[Any], mspass_pickles: bool, problems: list[str]) -> Iterator[Document]:
    seen: set[str] = set()
    for event in events:
        event_id = str(event.resource_id)
        try:
            if event_id in seen:
                raise ValueError("it stands there twice; the first is taken")
            document = source_document(event_row(event))
        except ValueError as error:
            problems.append(f"event {event_id}: {error}")
            continue
        seen.add(event_id)
        if mspass_pickles:
            pickled = mspass_pickle(event)
            if len(pickled) <= FIELD_BYTES:
                document["serialized_event"] = pickled
            else:
                problems.append(f"event {event_id}: its pickle of {len(pickled):,} bytes is too large for a document")
        yield document


def source_document(row: dict[str, Any]) -> Document:
    """The document of an event's row, as :func:`seisbatch.acquire.quakeml.event_row` has it, None for what it does not tell.

    ValueError where it is at an impossible place.
    """
    lat, lon = row["lat"], row["lon"]
    if not (abs(lat) <= 90 and -180 <= lon <= 360):
        raise ValueError(f"it is at an impossible place: latitude {lat}, longitude {lon}")
    where = {"lat": lat, "lon": lon - 360 if lon > 180 else lon}
    own = object_id(SOURCE, row["event_id"])
    return {
        "_id": own,
        "source_id": own,
        "event_id": row["event_id"],
        **place(where, "epicenter"),
        "depth": _finite(row["depth"]),
        "time": from_datetime(row["time"]) / SECOND_NS,
        "magnitude": (magnitude := _finite(row["magnitude"])),
        "magnitude_type": None if magnitude is None else row["magnitude_type"] or None,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
