"""The layout of the Northern California Earthquake Data Center's public bucket: one object a channel-day, no index."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection

from seisbatch.archives.layout import ObjectName, object_name
from seisbatch.names import Channel
from seisbatch.times import day_of_year

NAME = "ncedc"
ROOT = "s3://ncedc-pds"
REGION = "us-west-2"
STATIONS = "FDSNstationXML/"
HOLDS = "channel-day"
DAY_INDEX_COLUMNS = ()

_KEY = re.compile(
    r"continuous_waveforms/(?P<net>\w{1,2})/(?P<year>\d{4})/(?P=year)\.(?P<day>\d{3})/"
    r"(?P<sta>\w{1,5})\.(?P=net)\.(?P<chan>\w{3})\.(?P<loc>\w{0,2})\.D\.(?P=year)\.(?P=day)",
    re.ASCII,
)


def day_file_key(name: Channel, day: dt.date) -> str:
    """The key of a channel-day.

    >>> day_file_key(Channel("BK", "CMB", "00", "BHZ"), dt.date(2022, 1, 2))
    'continuous_waveforms/BK/2022/2022.002/CMB.BK.BHZ.00.D.2022.002'
    """
    date = f"{day.year:04d}.{day_of_year(day):03d}"
    return f"{day_prefixes(day, [name.net])[0]}{name.sta}.{name.net}.{name.chan}.{name.loc}.D.{date}"


def parse_day_file_key(key: str) -> ObjectName:
    """The channel and the day that a key names; ValueError where it is not the key of a channel-day."""
    match = _KEY.fullmatch(key)
    if not match:
        raise ValueError(f"{key[:200]!r} is no key of an NCEDC channel-day")
    return object_name(**match.groupdict())


def networks_prefix(year: int) -> str | None:
    """The prefix whose folders are networks."""
    return "continuous_waveforms/"


def day_prefixes(day: dt.date, networks: Collection[str]) -> list[str]:
    """Prefixes that hold the objects of a day."""
    folder = f"{day.year:04d}/{day.year:04d}.{day_of_year(day):03d}"
    return [f"continuous_waveforms/{net}/{folder}/" for net in networks]


def station_key(net: str, sta: str) -> str:
    """The key of a station's StationXML."""
    return f"FDSNstationXML/{net}/{net}_{sta}.xml"
