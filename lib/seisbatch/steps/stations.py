"""Where a channel stood and what it recorded with: epochs of stations, such as StationXML has them, read once a worker."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.acquire.responses import ResponseEpoch, read_responses
from seisbatch.acquire.stationxml import ChannelEpoch, epoch_at, epoch_id, place_at, read_stations
from seisbatch.archives import ARCHIVES
from seisbatch.names import Channel
from seisbatch.outcome import Corrupt, Denied, Missing, UnitError

Place = tuple[float | None, float | None]
Epochs = tuple[tuple[ChannelEpoch, ...], str]
"""Epochs of a station, and what went wrong, where something did."""
Responses = tuple[tuple[ResponseEpoch, ...], str]
"""Epochs of a station's channels with their responses, and what went wrong, where something did."""
HELD_RESPONSES = 32
"""Stations whose responses a worker holds: some five times their StationXML, which may be megabytes of filter taps."""

Read = TypeVar("Read")


class Stations(Protocol):
    """A place that knows stations; what of it reaches the workers can be pickled, and tells it from other places."""

    @property
    def kind(self) -> str:
        """What the epochs stand in, in words."""

    def require(self) -> None:
        """Raise RunError where there is no such place."""

    def __hash__(self) -> int:
        """Of what tells it from other places."""

    def epochs(self, net: str, sta: str) -> Epochs:
        """The epochs of a station's channels, and of the station itself, whose location and channel codes are empty."""

    def responses(self, net: str, sta: str) -> Responses:
        """The epochs of a station's channels with their responses.

        Raises UnitError where reading failed and another try may do, RunError where the place does not answer.
        """


@dataclass(frozen=True)
class StationFiles:
    """StationXML files: in the archive under its layout's keys, or in a folder of the user's own."""

    store: StoreSettings
    layout: str
    of_archive: bool
    kind = "StationXML"

    def require(self) -> None:
        """Raise RunError where they should stand in a folder that is not there."""
        open_store(self.store).require()

    def epochs(self, net: str, sta: str) -> Epochs:
        """The epochs that the first of a station's files has."""
        try:
            return self._first(net, sta, read_stations)
        except UnitError as error:
            return (), f"StationXML {error.outcome}: {error}"

    def responses(self, net: str, sta: str) -> Responses:
        """The responses that the first of a station's files has."""
        try:
            return self._first(net, sta, read_responses)
        except Corrupt as error:
            return (), f"StationXML {error.outcome}: {error}"

    def _first(self, net: str, sta: str, read: Callable[[bytes], Iterable[Read]]) -> tuple[tuple[Read, ...], str]:
        """What is read of the first of a station's files."""
        store = open_store(self.store)
        for key in self.keys(net, sta):
            try:
                return tuple(read(bytes(store.get(key)))), ""
            except (Missing, Denied):
                continue
        return (), "no StationXML"

    def keys(self, net: str, sta: str) -> list[str]:
        """Keys under which a station's file may stand, the likeliest first."""
        key = ARCHIVES[self.layout].station_key(net, sta)
        return [key] if self.of_archive else [f"{net}_{sta}.xml", f"{net}/{net}_{sta}.xml", key]


@dataclass(frozen=True)
class Site:
    """Where a channel stood at an instant [degrees, km], the ids of its epochs where they are known, and remarks."""

    lat: float | None
    lon: float | None
    elev: float | None
    site_id: str | None
    channel_id: str | None
    notes: tuple[str, ...]

    def columns(self) -> dict[str, float | str | None]:
        """As columns of a table."""
        return {"lat": self.lat, "lon": self.lon, "elev": self.elev, "site_id": self.site_id, "channel_id": self.channel_id}


def site_of(stations: Stations, name: Channel, instant_ns: int, of_index: Place) -> Site:
    """A channel's site from the epochs at an instant; coordinates else from the index, which is a remark."""
    epochs, trouble = station_epochs(stations, name.net, name.sta)
    own = epoch_at(epochs, name, instant_ns)
    station = epoch_at(epochs, Channel(name.net, name.sta, "", ""), instant_ns)
    place = place_at(epochs, name, instant_ns)
    site_id = epoch_id(name.station, station.start_ns) if station else None
    channel_id = epoch_id(name, own.start_ns) if own else None
    if place is not None:
        return Site(place.lat, place.lon, place.elevation / 1000, site_id, channel_id, (trouble,) if trouble else ())
    trouble = trouble or f"{stations.kind} has no epoch of the channel"
    told = "coordinates unknown" if None in of_index else "coordinates from the index"
    return Site(*of_index, None, site_id, channel_id, (f"{trouble}: {told}",))


def coordinates(
    stations: Stations, name: Channel, instant_ns: int, of_index: Place
) -> tuple[float | None, float | None, list[str]]:
    """Latitude and longitude as :func:`site_of` has them; a note where they are not from its epochs."""
    site = site_of(stations, name, instant_ns, of_index)
    return (None, None, list(site.notes)) if None in (site.lat, site.lon) else (site.lat, site.lon, list(site.notes))


def station_epochs(stations: Stations, net: str, sta: str) -> Epochs:
    """Epochs of a station, read once a worker; and what went wrong, where something did."""
    with _READING[hash((net, sta)) % len(_READING)]:  # a station's channels ask for it at the same time
        return _station_epochs(stations, net, sta)


def station_responses(stations: Stations, net: str, sta: str) -> Responses:
    """Responses of a station, and what went wrong, where something did; those of the last :data:`HELD_RESPONSES` are held.

    Raises what :meth:`Stations.responses` raises; that is not held.
    """
    with _READING[hash((net, sta)) % len(_READING)]:
        return _station_responses(stations, net, sta)


_READING = tuple(threading.Lock() for _ in range(256))


@functools.lru_cache(maxsize=4096)
def _station_epochs(stations: Stations, net: str, sta: str) -> Epochs:
    return stations.epochs(net, sta)


@functools.lru_cache(maxsize=HELD_RESPONSES)
def _station_responses(stations: Stations, net: str, sta: str) -> Responses:
    return stations.responses(net, sta)
