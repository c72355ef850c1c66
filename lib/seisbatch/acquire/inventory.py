"""StationXML to rows of stations, channels and responses: every epoch, each response as the file has it."""

from __future__ import annotations

import copy
import io
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import obspy
from lxml import etree

from seisbatch.acquire.stationxml import BEFORE_ALL, check_dates, epoch_id, parse_document, plain_text
from seisbatch.names import STAND_IN, Channel, channel
from seisbatch.outcome import Corrupt
from seisbatch.times import from_datetime, to_datetime

Row = dict[str, Any]


@dataclass
class Inventory:
    """Rows of the tables ``site``, ``channel`` and ``response``, and what of the file could not become one, and why."""

    sites: list[Row] = field(default_factory=list)
    channels: list[Row] = field(default_factory=list)
    responses: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_inventory(data: Any) -> Inventory:
    """Every station epoch, channel epoch and response of a StationXML document.

    An epoch that names no FDSN codes, no place, or stands there twice is a problem, and so is a response that lacks a stage;
    the rest is read. Elevations and depths come out in km. Raises Corrupt where the document is not StationXML.
    """
    root = parse_document(data)
    if etree.QName(root).localname != "FDSNStationXML":
        raise Corrupt(f"not StationXML: the document is {etree.QName(root).localname!r}")
    try:
        check_dates(root)
    except ValueError as error:
        raise Corrupt(f"not StationXML: {error}") from None
    found = Inventory()
    seen: set[str] = set()
    for network in root.iterfind("{*}Network"):
        for station in network.iterfind("{*}Station"):
            _read_station(root, network, station, found, seen)
    if not found.sites and not found.problems:
        raise Corrupt("no station in the document")
    return found


def _read_station(root: Any, network: Any, station: Any, found: Inventory, seen: set[str]) -> None:
    net, sta = (network.get("code") or "").strip(), (station.get("code") or "").strip()
    try:
        channel(net, sta, "", STAND_IN)
        site = {"site_id": _unique(f"{net}.{sta}", station), "net": net, "sta": sta, **_epoch(station)}
        site["name"] = station.findtext("{*}Site/{*}Name")
    except ValueError as error:
        found.problems.append(f"{net}.{sta}: {error}")
        return
    if site["site_id"] not in seen:
        found.sites.append(site)
        seen.add(site["site_id"])
    elif site not in found.sites:  # else files put together, each with some channels of the station
        found.problems.append(
            f"{net}.{sta}: its epoch from {station.get('startDate')} on stands there twice; the first is taken"
        )
    for item in station.iterfind("{*}Channel"):
        label = f"{net}.{sta}.{item.get('locationCode') or ''}.{item.get('code')}"
        try:
            name = channel(net, sta, item.get("locationCode") or "", item.get("code") or "")
            row = {"channel_id": _id(name, item, seen), "site_id": site["site_id"], **name._asdict(), **_channel(item)}
        except ValueError as error:
            found.problems.append(f"{label}: {error}")
            continue
        found.channels.append(row)
        try:
            text = _response(root, network, station, item)
        except ValueError as error:
            found.problems.append(f"response of {row['channel_id']}: {error}")
            continue
        if text is not None:
            own = {key: row[key] for key in ("channel_id", *Channel._fields, "starttime", "endtime")}
            found.responses.append(own | {"stationxml": text})


def _unique(name: Channel | str, item: Any) -> str:
    start = item.get("startDate")
    return epoch_id(name, obspy.UTCDateTime(start).ns if start else BEFORE_ALL)


def _id(name: Channel, item: Any, seen: set[str]) -> str:
    unique = _unique(name, item)
    if unique in seen:
        raise ValueError(f"its epoch from {item.get('startDate')} on stands there twice; the first is taken")
    seen.add(unique)
    return unique


def _epoch(item: Any) -> Row:
    lat, lon, elevation = (_number(item, name) for name in ("Latitude", "Longitude", "Elevation"))
    if lat is None or lon is None or elevation is None or abs(lat) > 90 or abs(lon) > 180:
        raise ValueError(f"it has no possible place: latitude {lat}, longitude {lon}, elevation {elevation}")
    start, end = (
        to_datetime(obspy.UTCDateTime(text).ns) if (text := item.get(name)) else None for name in ("startDate", "endDate")
    )
    if start and end and from_datetime(end) < from_datetime(start):
        raise ValueError(f"its epoch ends at {end} before it begins at {start}")
    return {"starttime": start, "endtime": end, "lat": lat, "lon": lon, "elev": elevation / 1000}


def _channel(item: Any) -> Row:
    depth, azimuth, dip = (_number(item, name) for name in ("Depth", "Azimuth", "Dip"))
    return {
        **_epoch(item),
        "edepth": None if depth is None else depth / 1000,
        "hang": azimuth,
        "vang": None if dip is None else dip + 90,
        "sampling_rate": _number(item, "SampleRate"),
        "gain": _number(item, "Response/{*}InstrumentSensitivity/{*}Value"),
        "gain_frequency": _number(item, "Response/{*}InstrumentSensitivity/{*}Frequency"),
        "units": item.findtext("{*}Response/{*}InstrumentSensitivity/{*}InputUnits/{*}Name"),
    }


def _number(item: Any, name: str) -> float | None:
    """A finite number; None where the element is not there."""
    text = item.findtext("{*}" + name)
    if text is None:
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text}")
    return value


def _response(root: Any, network: Any, station: Any, item: Any) -> str | None:
    """StationXML of one channel epoch; None where it has no response. ValueError where a stage of it is missing."""
    response = item.find("{*}Response")
    if response is None or not len(response):
        return None
    numbers = sorted(_stage_numbers(response))
    for expected, number in enumerate(numbers, 1):
        if number != expected:
            raise ValueError(
                f"stage {expected} is missing of {numbers[-1]}" if number > expected else f"stage {number} stands there twice"
            )
    document = _shell(root, ("Source", "Sender", "Created"))
    of_network = _shell(network, ("Description",))
    of_station = _shell(station, ("Latitude", "Longitude", "Elevation", "Site"))
    of_station.append(copy.deepcopy(item))
    of_network.append(of_station)
    document.append(of_network)
    etree.cleanup_namespaces(document)
    return str(etree.tostring(document, encoding="unicode"))


def _stage_numbers(response: Any) -> Iterator[int]:
    for stage in response.iterfind("{*}Stage"):
        text = stage.get("number") or ""
        if not text.strip().isdigit():
            raise ValueError(f"a stage is numbered {text[:20]!r}")
        yield int(text)


def _shell(element: Any, kept: tuple[str, ...]) -> Any:
    """An element with its attributes and some of its children."""
    shell = etree.Element(element.tag, dict(element.attrib), nsmap=element.nsmap)
    shell.extend([copy.deepcopy(child) for name in kept for child in element.iterfind("{*}" + name)])
    return shell


def response_inventory(stationxml: str) -> Any:
    """StationXML of a channel epoch, as :func:`read_inventory` made it, as an obspy ``Inventory``; Corrupt where it is none."""
    data = stationxml.encode()
    root = parse_document(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about each value that obspy passes over
            return obspy.read_inventory(io.BytesIO(plain_text(data, root)), format="STATIONXML")
    except Exception as error:  # obspy raises a dozen kinds for what is not StationXML
        raise Corrupt(f"not StationXML: {type(error).__name__}: {error}"[:300]) from None
