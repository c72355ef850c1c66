"""What every bucket layout answers: keys of objects, there and back, and where to list a day's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple, Protocol

from seisbatch.names import Channel, channel
from seisbatch.times import from_day_of_year

PLACEHOLDER = "XXX"


class ObjectName(NamedTuple):
    """What a key says of its object; ``loc`` and ``chan`` are None where it holds every channel of a station.

    Of objects that differ by ``version`` alone the one with the highest is the one to read.
    """

    net: str
    sta: str
    loc: str | None
    chan: str | None
    date: dt.date
    version: int = 0


class IndexFile(NamedTuple):
    """What the key of an archive's own index file says: ``folder`` is the first part of the key, what the file is an index of.

    ``date`` is None where it is a year's: the catalogue of its events.
    """

    s3key: str
    folder: str
    form: str
    year: int
    date: dt.date | None


class Layout(Protocol):
    """A bucket layout; a module of :mod:`seisbatch.archives` is one."""

    @property
    def NAME(self) -> str: ...  # noqa: N802
    @property
    def ROOT(self) -> str | None:  # noqa: N802
        """The public bucket, where there is one."""

    @property
    def REGION(self) -> str | None: ...  # noqa: N802
    @property
    def STATIONS(self) -> str | None:  # noqa: N802
        """The prefix of the archive's StationXML files, where it has any."""

    @property
    def HOLDS(self) -> str:  # noqa: N802
        """``channel-day`` or ``station-day``."""

    @property
    def DAY_INDEX_COLUMNS(self) -> tuple[str, ...]:  # noqa: N802
        """Columns of the archive's own day index; none where it has no index and is listed."""

    def day_file_key(self, name: Channel, day: dt.date) -> str:
        """The key of the object that holds a channel's day."""

    def parse_day_file_key(self, key: str) -> ObjectName:
        """What a key says; ValueError where it is none of this layout."""

    def networks_prefix(self, year: int) -> str | None:
        """The prefix whose folders are networks; None where a day is listed without knowing them."""

    def day_prefixes(self, day: dt.date, networks: Collection[str]) -> list[str]:
        """Prefixes that hold all objects of a day, and maybe of other days of its year."""

    def station_key(self, net: str, sta: str) -> str:
        """The key of a station's StationXML."""


class IndexedLayout(Layout, Protocol):
    """A layout whose archive has an index of every day, and a catalogue of every year's events."""

    def catalogue_key(self, year: int, form: str = "parquet") -> str:
        """The key of a year's catalogue, as ``parquet`` or ``csv``."""

    def event_key(self, event_id: str, day: dt.date, prefix: str = "", ms_filename: str = "") -> str:
        """The key of the object with an event's waveforms; ValueError where a part could leave the folder of events."""

    def day_index_key(self, day: dt.date, form: str = "parquet") -> str:
        """The key of a day's index, as ``parquet`` or ``csv``."""

    def index_prefixes(self, year: int) -> list[str]:
        """Prefixes that hold all index files of a year."""

    def parse_index_key(self, key: str) -> IndexFile:
        """What the key of an index file says; ValueError where it is none."""

    def indexed_key(self, ms_filename: str, day: dt.date) -> str:
        """The key of a file that the index of a day names; ValueError where the name could leave the day's folder."""


def object_name(net: str, sta: str, loc: str | None, chan: str | None, year: str, day: str) -> ObjectName:
    """An object's name from the parts of its key; ValueError where a code or the day is none."""
    name = channel(net, sta, loc or "", PLACEHOLDER if chan is None else chan)
    date = from_day_of_year(int(year), int(day))
    return ObjectName(name.net, name.sta, None if chan is None else name.loc, None if chan is None else name.chan, date)


def lists_years(layout: Layout) -> bool:
    """Whether the prefixes of a day hold the other days of its year too."""
    first, last = dt.date(2024, 1, 1), dt.date(2024, 12, 31)
    return layout.day_prefixes(first, ["XX"]) == layout.day_prefixes(last, ["XX"])
