"""Where a channel stood: StationXML, read once a worker."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.acquire.stationxml import ChannelEpoch, coordinates_at, read_stations
from seisbatch.archives import ARCHIVES
from seisbatch.names import Channel
from seisbatch.outcome import Denied, Missing, UnitError

Place = tuple[float | None, float | None]


@dataclass(frozen=True)
class Stations:
    """Where StationXML files stand: in the archive under its layout's keys, or in a folder of the user's own."""

    store: StoreSettings
    layout: str
    of_archive: bool

    def keys(self, net: str, sta: str) -> list[str]:
        """Keys under which a station's file may stand, the likeliest first."""
        key = ARCHIVES[self.layout].station_key(net, sta)
        return [key] if self.of_archive else [f"{net}_{sta}.xml", f"{net}/{net}_{sta}.xml", key]


def coordinates(
    stations: Stations, name: Channel, instant_ns: int, of_index: Place
) -> tuple[float | None, float | None, list[str]]:
    """Latitude and longitude from the StationXML epoch at an instant, else from the index; a note where not from StationXML."""
    epochs, trouble = station_epochs(stations, name.net, name.sta)
    place = coordinates_at(epochs, name, instant_ns)
    if place is not None:
        return place[0], place[1], []
    trouble = trouble or "StationXML has no epoch of the channel"
    if None not in of_index:
        return *of_index, [f"{trouble}: coordinates from the index"]
    return None, None, [f"{trouble}: coordinates unknown"]


@functools.lru_cache(maxsize=4096)
def station_epochs(stations: Stations, net: str, sta: str) -> tuple[tuple[ChannelEpoch, ...], str]:
    """Epochs of a station, read once a worker; and what went wrong, where something did."""
    store = open_store(stations.store)
    for key in stations.keys(net, sta):
        try:
            return tuple(read_stations(store.get(key))), ""
        except (Missing, Denied):
            continue
        except UnitError as error:
            return (), f"StationXML {error.outcome}: {error}"
    return (), "no StationXML"
