"""The SeisComP Data Structure, on a disk or in any bucket: one object a channel-day, by year, network, station and channel."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection

from seisbatch.archives.layout import ObjectName, object_name
from seisbatch.names import Channel
from seisbatch.times import day_of_year

NAME = "sds"
ROOT = None
REGION = None
STATIONS = None
HOLDS = "channel-day"
DAY_INDEX_COLUMNS = ()

_KEY = re.compile(
    r"(?P<year>\d{4})/(?P<net>\w{1,8})/(?P<sta>[\w-]{1,8})/(?P<chan>\w{3})\.D/"
    r"(?P=net)\.(?P=sta)\.(?P<loc>[\w-]{0,8})\.(?P=chan)\.D\.(?P=year)\.(?P<day>\d{3})",
    re.ASCII,
)


def day_file_key(name: Channel, day: dt.date) -> str:
    """The key of a channel-day.

    >>> day_file_key(Channel("GR", "FUR", "", "BHZ"), dt.date(2022, 1, 2))
    '2022/GR/FUR/BHZ.D/GR.FUR..BHZ.D.2022.002'
    """
    return f"{day.year:04d}/{name.net}/{name.sta}/{name.chan}.D/{name}.D.{day.year:04d}.{day_of_year(day):03d}"


def parse_day_file_key(key: str) -> ObjectName:
    """The channel and the day that a key names; ValueError where it is not the key of a channel-day."""
    match = _KEY.fullmatch(key)
    if not match:
        raise ValueError(f"{key[:200]!r} is no key of an SDS channel-day")
    return object_name(**match.groupdict())


def networks_prefix(year: int) -> str | None:
    """The prefix whose folders are networks."""
    return f"{year:04d}/"


def day_prefixes(day: dt.date, networks: Collection[str]) -> list[str]:
    """Prefixes that hold the objects of a day: those of its whole year."""
    return [f"{day.year:04d}/{net}/" for net in networks]


def station_key(net: str, sta: str) -> str:
    """The key of a station's StationXML: the structure has none, a folder of one's own may."""
    return f"{net}/{net}_{sta}.xml"
