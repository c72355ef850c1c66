"""StationXML to channel epochs: where a channel stood, and when. Responses are not read here."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import obspy
from lxml import etree

from seisbatch.names import STAND_IN, Channel, channel
from seisbatch.outcome import Corrupt
from seisbatch.times import to_datetime

_DOCUMENT_TYPE = "XML with a document type is refused"
BEFORE_ALL, AFTER_ALL = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class ChannelEpoch:
    """A channel from one instant up to, and without, another [ns since 1970]; degrees, metres, Hz.

    An epoch of a station itself has a name whose location and channel codes are empty.
    """

    name: Channel
    start_ns: int
    end_ns: int
    lat: float
    lon: float
    elevation: float
    sample_rate: float | None = None
    azimuth: float | None = None
    """Of the sensor's axis, clockwise from north."""
    dip: float | None = None
    """Of the sensor's axis, down from the horizontal."""


def read_stations(data: Any) -> list[ChannelEpoch]:
    """The epochs of the channels, and of the stations themselves, in a StationXML document.

    A channel whose codes are not FDSN's, or that has no complete place, is left out. Raises Corrupt where the document is
    not well-formed StationXML, names an impossible place or date, or has a document type: an entity in it could stand for
    anything, a file of this machine among them.
    """
    root = parse_document(data)
    try:
        check_dates(root)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about each value that obspy passes over
            inventory = obspy.read_inventory(io.BytesIO(plain_text(data, root)), format="STATIONXML", level="channel")
        return list(_epochs(inventory))
    except (Corrupt, MemoryError):
        raise
    except Exception as error:  # obspy raises a dozen kinds for what is not StationXML
        raise Corrupt(f"not StationXML: {type(error).__name__}: {error}"[:300]) from None


def parse_document(data: Any) -> Any:
    """The root of an XML document that nothing can be smuggled in by.

    Raises Corrupt where it is not well-formed or has a document type.
    """
    text = bytes(data)
    head = text.replace(b"\0", b"").upper()
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise Corrupt(_DOCUMENT_TYPE)
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Corrupt(f"not well-formed: {error}") from None
    # In an encoding such as EBCDIC the bytes look different: the parser has the last word, before obspy reads them.
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise Corrupt(_DOCUMENT_TYPE)
    return root


def plain_text(data: Any, root: Any) -> bytes:
    """The document (``root`` parsed) without comments and processing instructions.

    Obspy takes a value's text up to the first of them: a pole after a comment would be at zero.
    """
    if next(root.iter(etree.Comment, etree.ProcessingInstruction), None) is None:
        return bytes(data)
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    text: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def check_dates(root: Any) -> None:
    """ValueError for a date that obspy would pass over: an epoch without its end would serve for ever."""
    for element in root.iter("{*}Station", "{*}Channel"):
        for name in ("startDate", "endDate"):
            if (text := element.get(name)) is not None:
                try:
                    obspy.UTCDateTime(text)
                except Exception as error:
                    raise ValueError(f"line {element.sourceline}: {name} {text[:40]!r} is no date") from error


def _epochs(inventory: Any) -> Iterator[ChannelEpoch]:
    for network in inventory:
        for station in network:
            codes = network.code or "", station.code or ""
            with suppress(ValueError):
                name = channel(*codes, "", STAND_IN)._replace(chan="")
                yield ChannelEpoch(name, *span(station), *_place(station))
            for item in station:
                try:
                    name = channel(*codes, item.location_code or "", item.code or "")
                except ValueError:
                    continue
                yield ChannelEpoch(
                    name,
                    *span(item),
                    *_place(item),
                    float(item.sample_rate) if item.sample_rate else None,
                    None if item.azimuth is None else float(item.azimuth),
                    None if item.dip is None else float(item.dip),
                )


def span(item: Any) -> tuple[int, int]:
    return item.start_date.ns if item.start_date else BEFORE_ALL, item.end_date.ns if item.end_date else AFTER_ALL


def _place(item: Any) -> tuple[float, float, float]:
    lat, lon, elevation = float(item.latitude), float(item.longitude), float(item.elevation)
    if not (abs(lat) <= 90 and abs(lon) <= 180 and math.isfinite(elevation)):
        raise Corrupt(f"{item.code} stands at an impossible place: latitude {lat}, longitude {lon}, elevation {elevation}")
    return lat, lon, elevation


def epoch_id(name: Channel | str, start_ns: int) -> str:
    """The id of a channel's epoch, or of that of a station named ``NET.STA``.

    >>> epoch_id("CI.CCA", 0)
    'CI.CCA/1970-01-01T00:00:00.000000'
    """
    return f"{name}/{to_datetime(start_ns):%Y-%m-%dT%H:%M:%S.%f}" if start_ns > BEFORE_ALL else f"{name}/"


def epoch_at(epochs: Sequence[ChannelEpoch], name: Channel, instant_ns: int) -> ChannelEpoch | None:
    """The epoch of a channel at an instant; that of the station itself has an empty location and channel code."""
    return next((epoch for epoch in epochs if epoch.name == name and epoch.start_ns <= instant_ns < epoch.end_ns), None)


def place_at(epochs: Sequence[ChannelEpoch], name: Channel, instant_ns: int) -> ChannelEpoch | None:
    """The epoch that tells where a channel stood at an instant; None where none does.

    Where the channel's own epochs do not cover the instant, another location code of the same channel serves, and then the
    station's own coordinates.
    """
    alive = [epoch for epoch in epochs if epoch.start_ns <= instant_ns < epoch.end_ns]
    rules: tuple[Callable[[Channel], bool], ...] = (
        lambda other: other == name,
        lambda other: other._replace(loc=name.loc) == name,
        lambda other: other == Channel(name.net, name.sta, "", ""),
    )
    for is_same in rules:
        for epoch in alive:
            if is_same(epoch.name):
                return epoch
    return None
