"""Stations that were loaded, looked up by channel: orientations at a time, and StationXML of whole stations."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from obspy import Inventory, UTCDateTime
from obspy.core.inventory import Channel as ChannelMetadata
from obspy.core.inventory import Network, Site, Station

from seisbatch.acquire.inventory import response_inventory
from seisbatch.acquire.objects import StoreSettings
from seisbatch.names import Channel
from seisbatch.outcome import Missing, UnitError
from seisbatch.schema import CHANNEL, RESPONSE, SITE, Table
from seisbatch.sinks.dataset import table_dataset
from seisbatch.times import from_datetime

HELD_STATIONS = 512

Row = Mapping[str, Any]


class StationRows(Protocol):
    """Rows of ``channel``, ``site`` and ``response``, looked up."""

    def channels(self, net: str, sta: str) -> Sequence[Row]:
        """The channel epochs of a station; Corrupt where they cannot be told."""

    def site(self, row: Row) -> Row | None:
        """The station epoch of a channel epoch."""

    def responses(self, rows: Sequence[Row]) -> Mapping[str, str]:
        """StationXML by ``channel_id`` of those of some channel epochs that have a response."""


class StationRowsPlace(Protocol):
    """Where such rows stand; it can be pickled, and tells its place from others."""

    @property
    def place(self) -> str:
        """In words, as results of other places never mix."""

    def __hash__(self) -> int:
        """Of what tells it from other places."""

    def opened(self) -> StationRows:
        """What looks them up."""


@dataclass(frozen=True)
class StationTableFiles:
    """The output of load_stations."""

    store: StoreSettings

    @property
    def place(self) -> str:
        return self.store.place

    def opened(self) -> StationRows:
        """Its tables, those of epochs held."""
        return TableRows(self.store)


class TableRows:
    """Tables ``channel``, ``site`` and ``response`` of an output; those of epochs are held, responses are read as needed."""

    def __init__(self, store: StoreSettings) -> None:
        self._store = store
        self._channels = self._read(CHANNEL)
        self._sites = self._read(SITE)

    def _read(self, table: Table, condition: pc.Expression | None = None) -> pa.Table:
        dataset = table_dataset(self._store, table)
        if dataset is None:
            raise Missing(f"{self._store.root} holds no {table.name} table")
        return dataset.to_table(filter=condition)

    def channels(self, net: str, sta: str) -> Sequence[Row]:
        rows: list[Row] = self._channels.filter((pc.field("net") == net) & (pc.field("sta") == sta)).to_pylist()
        return rows

    def site(self, row: Row) -> Row | None:
        return next(iter(self._sites.filter(pc.field("site_id") == row["site_id"]).to_pylist()), None)

    def responses(self, rows: Sequence[Row]) -> Mapping[str, str]:
        found = self._read(RESPONSE, pc.field("channel_id").isin([row["channel_id"] for row in rows]))
        return dict(zip(found["channel_id"].to_pylist(), found["stationxml"].to_pylist(), strict=True))


class StationTables:
    """Stations looked up by channel; the epochs of the last :data:`HELD_STATIONS` are held."""

    def __init__(self, rows: StationRows) -> None:
        self._rows = rows
        self._epochs = functools.lru_cache(maxsize=HELD_STATIONS)(rows.channels)

    def epoch(self, name: Channel, instant_ns: int) -> Row | None:
        """The row of ``channel`` that holds at an instant; None where there is none."""
        for row in self._epochs(name.net, name.sta):
            begins, ends = (None if row[key] is None else from_datetime(row[key]) for key in ("starttime", "endtime"))
            if Channel(*(row[code] for code in Channel._fields)) == name and (begins is None or begins <= instant_ns):
                if ends is None or instant_ns < ends:
                    return row
        return None

    def inventories(self, names: Iterable[Channel]) -> Iterator[tuple[str, Inventory | UnitError]]:
        """Every station of some channels, in order, with all epochs of these; the UnitError where its StationXML is damaged.

        A channel epoch without a response has what its row tells. A station that the tables do not have is left out.
        """
        wanted = set(names)
        for net, sta in sorted({name[:2] for name in wanted}):
            try:
                rows = [row for row in self._epochs(net, sta) if Channel(*(row[code] for code in Channel._fields)) in wanted]
                if rows:
                    yield f"{net}.{sta}", self._inventory(rows, self._rows.responses(rows))
            except UnitError as error:
                yield f"{net}.{sta}", error

    def _inventory(self, epochs: Iterable[Row], responses: Mapping[str, str]) -> Inventory:
        """Networks of one station, a channel epoch each: who writes them merges them."""
        networks, created = [], UTCDateTime(0)
        for row in epochs:
            if row["channel_id"] in responses:
                own = response_inventory(responses[row["channel_id"]])
                networks += own.networks
                created = max(created, own.created or created)
            else:
                networks.append(self._network(row))
        return Inventory(networks=networks, source="seisbatch", created=created)

    def _network(self, row: Row) -> Network:
        """A channel epoch without a response, out of its row and that of its station."""
        site = self._rows.site(row) or row
        channel = ChannelMetadata(
            row["chan"],
            row["loc"],
            **_place(row),
            depth=1000 * (row["edepth"] or 0),
            azimuth=row["hang"],
            dip=None if row["vang"] is None else row["vang"] - 90,
            sample_rate=row["sampling_rate"],
        )
        station = Station(row["sta"], **_place(site), site=Site(site.get("name") or ""), channels=[channel])
        return Network(row["net"], stations=[station])


def _place(row: Row) -> dict[str, Any]:
    """Coordinates [degrees, m] and the epoch of a row, as obspy names them."""
    dates = {"start_date": row["starttime"], "end_date": row["endtime"]}
    return {"latitude": row["lat"], "longitude": row["lon"], "elevation": 1000 * row["elev"]} | {
        key: None if date is None else UTCDateTime(date) for key, date in dates.items()
    }


@functools.lru_cache(maxsize=4)
def station_tables(place: StationRowsPlace) -> StationTables:
    """The stations of a place, opened once a process."""
    return StationTables(place.opened())
