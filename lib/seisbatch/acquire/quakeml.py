"""QuakeML to events."""

from __future__ import annotations

import hashlib
import io
import warnings
from typing import Any

import obspy
from lxml import etree

from seisbatch.acquire.stationxml import parse_document
from seisbatch.outcome import Corrupt
from seisbatch.times import to_datetime


def read_quakeml(data: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Events of a QuakeML document, and what is wrong with those that could not become one.

    An event has its preferred origin and magnitude, or else the first of them. Depth comes out in km. Raises Corrupt where the
    document is not QuakeML.
    """
    rows, problems = [], []
    for event in read_events(data):
        try:
            rows.append(event_row(event))
        except ValueError as error:
            problems.append(f"event {event.resource_id}: {error}")
    return rows, problems


def read_events(data: Any) -> Any:
    """A QuakeML document as an obspy ``Catalog``; Corrupt where it is none.

    An event without an id gets one that follows from what it holds, where obspy would make up another each time.
    """
    root = parse_document(data)
    if etree.QName(root).localname.lower() != "quakeml":
        raise Corrupt(f"not QuakeML: the document is {etree.QName(root).localname!r}")
    nameless = [event for event in root.iterfind("{*}eventParameters/{*}event") if not event.get("publicID")]
    for event in nameless:
        digest = hashlib.sha256(etree.tostring(event, method="c14n", with_tail=False))
        event.set("publicID", f"smi:local/{digest.hexdigest()[:32]}")
    if nameless:
        data = etree.tostring(root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return obspy.read_events(io.BytesIO(bytes(data)), format="QUAKEML")
    except Exception as error:  # obspy raises many kinds for what is not QuakeML
        raise Corrupt(f"not QuakeML: {type(error).__name__}: {error}"[:300]) from None


def event_row(event: Any) -> dict[str, Any]:
    """What an obspy ``Event`` tells, as :func:`read_quakeml` has it; ValueError without an origin with a time and a place."""
    try:
        return _row(event)
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(str(error)) from None


def _row(event: Any) -> dict[str, Any]:
    origin = event.preferred_origin() or (event.origins[0] if event.origins else None)
    if origin is None or origin.time is None or origin.latitude is None or origin.longitude is None:
        raise ValueError("it has no origin with a time and a place")
    magnitude = event.preferred_magnitude() or (event.magnitudes[0] if event.magnitudes else None)
    return {
        "event_id": str(event.resource_id),
        "time": to_datetime(origin.time.ns),
        "lat": float(origin.latitude),
        "lon": float(origin.longitude),
        "depth": None if origin.depth is None else float(origin.depth) / 1000,
        "magnitude": None if magnitude is None or magnitude.mag is None else float(magnitude.mag),
        "magnitude_type": magnitude.magnitude_type if magnitude else None,
        "event_type": event.event_type,
    }
