"""The layout of GeoNet's public bucket: one object a channel-day, every location numeric, no index."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection

from seisbatch.archives.layout import ObjectName, object_name
from seisbatch.names import Channel
from seisbatch.times import day_of_year

NAME = "geonet"
ROOT = "s3://geonet-open-data"
REGION = "ap-southeast-2"
STATIONS = None
HOLDS = "channel-day"
DAY_INDEX_COLUMNS = ()

_KEY = re.compile(
    r"waveforms/miniseed/(?P<year>\d{4})/(?P=year)\.(?P<day>\d{3})/(?P<sta>\w{1,5})\.(?P<net>\w{1,2})/"
    r"(?P=year)\.(?P=day)\.(?P=sta)\.(?P<loc>\d{2})-(?P<chan>\w{3})\.(?P=net)\.D",
    re.ASCII,
)


def day_file_key(name: Channel, day: dt.date) -> str:
    """The key of a channel-day; ValueError for a channel without a numeric location, of which there are none.

    >>> day_file_key(Channel("NZ", "WEL", "10", "HHZ"), dt.date(2022, 1, 2))
    'waveforms/miniseed/2022/2022.002/WEL.NZ/2022.002.WEL.10-HHZ.NZ.D'
    """
    if not re.fullmatch(r"\d{2}", name.loc):
        raise ValueError(f"{name}: locations of GeoNet's channels are two digits")
    date = f"{day.year:04d}.{day_of_year(day):03d}"
    return f"{day_prefixes(day, ())[0]}{name.sta}.{name.net}/{date}.{name.sta}.{name.loc}-{name.chan}.{name.net}.D"


def parse_day_file_key(key: str) -> ObjectName:
    """The channel and the day that a key names; ValueError where it is not the key of a channel-day."""
    match = _KEY.fullmatch(key)
    if not match:
        raise ValueError(f"{key[:200]!r} is no key of a GeoNet channel-day")
    return object_name(**match.groupdict())


def networks_prefix(year: int) -> str | None:
    """A day is listed whole."""
    return None


def day_prefixes(day: dt.date, networks: Collection[str]) -> list[str]:
    """The prefix that holds the objects of a day."""
    return [f"waveforms/miniseed/{day.year:04d}/{day.year:04d}.{day_of_year(day):03d}/"]


def station_key(net: str, sta: str) -> str:
    """The key of a station's StationXML: the bucket has none, a folder of one's own may."""
    return f"{net}/{net}_{sta}.xml"
