"""The layout of EarthScope's buckets: one object a station-day with all of its channels, no index."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection

from seisbatch.archives.layout import ObjectName, object_name
from seisbatch.names import Channel
from seisbatch.times import day_of_year

NAME = "earthscope"
ROOT = "s3://earthscope-geophysical-data"
REGION = "us-east-2"
STATIONS = None
HOLDS = "station-day"
DAY_INDEX_COLUMNS = ()
OPEN_NETWORKS = ("AK", "II", "IU", "N4", "PB", "TA", "UU", "UW")

_KEY = re.compile(
    r"miniseed/(?P<net>\w{1,8})/(?P<year>\d{4})/(?P<day>\d{3})/(?P<sta>\w{1,8})\.(?P=net)\.(?P=year)\.(?P=day)(#(?P<version>\d{1,9}))?",
    re.ASCII,
)


def day_file_key(name: Channel, day: dt.date) -> str:
    """The key of the station-day that holds a channel's day.

    >>> day_file_key(Channel("IU", "ANMO", "00", "BHZ"), dt.date(2022, 1, 2))
    'miniseed/IU/2022/002/ANMO.IU.2022.002'
    """
    return f"{day_prefixes(day, [name.net])[0]}{name.sta}.{name.net}.{day.year:04d}.{day_of_year(day):03d}"


def parse_day_file_key(key: str) -> ObjectName:
    """The station and the day that a key names, with or without a version; ValueError where it names none."""
    match = _KEY.fullmatch(key)
    if not match:
        raise ValueError(f"{key[:200]!r} is no key of an EarthScope station-day")
    name = object_name(match["net"], match["sta"], None, None, match["year"], match["day"])
    return name._replace(version=int(match["version"] or 0))


def network_of(key: str) -> str | None:
    """The network under whose prefix a key, or a prefix, stands.

    >>> network_of("miniseed/IU/2022/002/")
    'IU'
    """
    folder, _, rest = key.partition("/")
    net, slash, _ = rest.partition("/")
    return net if folder == "miniseed" and slash and re.fullmatch(r"\w{1,8}", net, re.ASCII) else None


def networks_prefix(year: int) -> str | None:
    """The prefix whose folders are networks."""
    return "miniseed/"


def day_prefixes(day: dt.date, networks: Collection[str]) -> list[str]:
    """Prefixes that hold the objects of a day."""
    return [f"miniseed/{net}/{day.year:04d}/{day_of_year(day):03d}/" for net in networks]


def station_key(net: str, sta: str) -> str:
    """The key of a station's StationXML: the bucket has none, a folder of one's own may."""
    return f"{net}/{net}_{sta}.xml"
