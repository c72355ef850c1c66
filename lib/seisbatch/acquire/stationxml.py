"""StationXML to channel epochs: where a channel stood, and when. Responses are not read here."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import obspy
from lxml import etree

from seisbatch.names import Channel, channel
from seisbatch.outcome import Corrupt

_BEFORE_ALL, _AFTER_ALL = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class ChannelEpoch:
    """A channel from one instant up to, and without, another [ns since 1970]; degrees, metres, Hz."""

    name: Channel
    start_ns: int
    end_ns: int
    lat: float
    lon: float
    elevation: float
    sample_rate: float | None


def read_stations(data: Any) -> list[ChannelEpoch]:
    """The channel epochs of a StationXML document.

    Raises Corrupt where it is not well-formed StationXML, or has a document type: an entity in it could stand for anything,
    a file of this machine among them.
    """
    text = bytes(data)
    head = text.replace(b"\0", b"").upper()
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise Corrupt("StationXML with a document type is refused")
    try:
        etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
        inventory = obspy.read_inventory(io.BytesIO(text), format="STATIONXML", level="channel")
    except etree.XMLSyntaxError as error:
        raise Corrupt(f"not well-formed: {error}") from None
    except Exception as error:  # obspy raises a dozen kinds for what is not StationXML
        raise Corrupt(f"not StationXML: {type(error).__name__}: {error}"[:300]) from None
    epochs = []
    for network in inventory:
        for station in network:
            for item in station:
                try:
                    name = channel(network.code or "", station.code or "", item.location_code or "", item.code or "")
                except ValueError:
                    continue
                epochs.append(
                    ChannelEpoch(
                        name,
                        item.start_date.ns if item.start_date else _BEFORE_ALL,
                        item.end_date.ns if item.end_date else _AFTER_ALL,
                        float(item.latitude),
                        float(item.longitude),
                        float(item.elevation),
                        float(item.sample_rate) if item.sample_rate else None,
                    )
                )
    return epochs


def coordinates_at(epochs: Sequence[ChannelEpoch], name: Channel, instant_ns: int) -> tuple[float, float, float] | None:
    """Latitude, longitude [degrees] and elevation [m] of a channel at an instant; None where no epoch has it.

    Where the channel's own epochs do not cover the instant, another location code of the same channel serves, and then any
    channel of the station: they stand on the same ground.
    """
    alive = [epoch for epoch in epochs if epoch.start_ns <= instant_ns < epoch.end_ns]
    for same in (
        lambda other: other == name,
        lambda other: other._replace(loc=name.loc) == name,
        lambda other: other.station == name.station,
    ):
        for epoch in alive:
            if same(epoch.name):
                return epoch.lat, epoch.lon, epoch.elevation
    return None
