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

from seisbatch.names import Channel, channel
from seisbatch.outcome import Corrupt

_DOCUMENT_TYPE = "StationXML with a document type is refused"
_BEFORE_ALL, _AFTER_ALL = -(2**63), 2**63 - 1


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
    text = bytes(data)
    head = text.replace(b"\0", b"").upper()
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise Corrupt(_DOCUMENT_TYPE)
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(text, parser)
        # In an encoding such as EBCDIC the bytes look different: the parser has the last word, before obspy reads them.
        if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
            raise Corrupt(_DOCUMENT_TYPE)
        _check_dates(root)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about each value that obspy passes over
            inventory = obspy.read_inventory(io.BytesIO(text), format="STATIONXML", level="channel")
        return list(_epochs(inventory))
    except (Corrupt, MemoryError):
        raise
    except etree.XMLSyntaxError as error:
        raise Corrupt(f"not well-formed: {error}") from None
    except Exception as error:  # obspy raises a dozen kinds for what is not StationXML
        raise Corrupt(f"not StationXML: {type(error).__name__}: {error}"[:300]) from None


def _check_dates(root: Any) -> None:
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
                name = channel(*codes, "", "XXX")._replace(chan="")
                yield ChannelEpoch(name, *_span(station), *_place(station))
            for item in station:
                try:
                    name = channel(*codes, item.location_code or "", item.code or "")
                except ValueError:
                    continue
                yield ChannelEpoch(
                    name,
                    *_span(item),
                    *_place(item),
                    float(item.sample_rate) if item.sample_rate else None,
                    None if item.azimuth is None else float(item.azimuth),
                    None if item.dip is None else float(item.dip),
                )


def _span(item: Any) -> tuple[int, int]:
    return item.start_date.ns if item.start_date else _BEFORE_ALL, item.end_date.ns if item.end_date else _AFTER_ALL


def _place(item: Any) -> tuple[float, float, float]:
    lat, lon, elevation = float(item.latitude), float(item.longitude), float(item.elevation)
    if not (abs(lat) <= 90 and abs(lon) <= 180 and math.isfinite(elevation)):
        raise Corrupt(f"{item.code} stands at an impossible place: latitude {lat}, longitude {lon}, elevation {elevation}")
    return lat, lon, elevation


def coordinates_at(epochs: Sequence[ChannelEpoch], name: Channel, instant_ns: int) -> tuple[float, float, float] | None:
    """Latitude, longitude [degrees] and elevation [m] of a channel at an instant; None where no epoch has it.

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
                return epoch.lat, epoch.lon, epoch.elevation
    return None
