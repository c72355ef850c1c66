"""The layout of the Southern California Earthquake Data Center's public bucket: pure strings, no I/O.

Continuous data are one miniSEED object a channel-day; each day has an index of them, each station a StationXML file.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection

from seisbatch.archives.layout import IndexFile, ObjectName, object_name
from seisbatch.names import Channel
from seisbatch.times import day_of_year, from_day_of_year

NAME = "scedc"
ROOT = "s3://scedc-pds"
REGION = "us-west-2"
STATIONS = "FDSNstationXML/"
HOLDS = "channel-day"

DAY_INDEX_COLUMNS = ("ms_filename", "net", "sta", "seedchan", "location", "lat", "lon", "sample_rate")

_DAY_FILE = re.compile(
    r"continuous_waveforms/(?P<year>\d{4})/(?P=year)_(?P<day>\d{3})/"
    r"(?P<net>[A-Z0-9]{2})(?P<sta>[A-Z0-9_]{5})(?P<chan>[A-Z0-9]{3})(?P<loc>[A-Z0-9_]{3})(?P=year)(?P=day)\.ms"
)
_INDEX_FILE = re.compile(
    r"(?P<folder>continuous_waveforms|earthquake_catalogs)/index/(?P<form>parquet|csv)/year=(?P<year>\d{4})/"
    r"(year_doy=(?P=year)_(?P<day>\d{3})/)?[a-z0-9_]+\.(?P=form)"
)
_EVENT_FOLDER = re.compile(r"\d{4}/\d{4}_\d{3}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\.ms")


def day_folder(day: dt.date) -> str:
    """The prefix under which a day's objects stand, with its closing slash."""
    return f"continuous_waveforms/{day.year:04d}/{day.year:04d}_{day_of_year(day):03d}/"


def day_file_key(name: Channel, day: dt.date) -> str:
    """The key of a channel-day.

    >>> day_file_key(Channel("CI", "CCA", "", "BHN"), dt.date(2022, 1, 2))
    'continuous_waveforms/2022/2022_002/CICCA__BHN___2022002.ms'
    """
    stem = f"{name.net}{name.sta:_<5}{name.chan}{name.loc:_<3}"
    return f"{day_folder(day)}{stem}{day.year:04d}{day_of_year(day):03d}.ms"


def parse_day_file_key(key: str) -> ObjectName:
    """The channel and the day that a key names; ValueError where it is not the key of a channel-day."""
    match = _DAY_FILE.fullmatch(key)
    if not match:
        raise ValueError(f"{key[:200]!r} is no key of a SCEDC channel-day")
    return object_name(**{part: text.rstrip("_") for part, text in match.groupdict().items()})


def networks_prefix(year: int) -> str | None:
    """A day is listed whole."""
    return None


def day_prefixes(day: dt.date, networks: Collection[str]) -> list[str]:
    """The prefix that holds the objects of a day."""
    return [day_folder(day)]


def indexed_key(ms_filename: str, day: dt.date) -> str:
    """The key of a file that the index of a day names; ValueError where the name could leave the day's folder."""
    if not _FILE_NAME.fullmatch(ms_filename):
        raise ValueError(f"{ms_filename!r} is no file name of a SCEDC day index")
    return day_folder(day) + ms_filename


def day_index_key(day: dt.date, form: str = "parquet") -> str:
    """The key of a day's index, as ``parquet`` or ``csv``."""
    year, year_day = f"{day.year:04d}", f"{day.year:04d}_{day_of_year(day):03d}"
    folder = f"continuous_waveforms/index/{form}/year={year}/year_doy={year_day}"
    return f"{folder}/{year_day}_waveform_index.{form}"


def index_prefixes(year: int) -> list[str]:
    """The prefixes that hold a year's index files: of its days and of its events, as Parquet and as csv."""
    folders = ("continuous_waveforms", "earthquake_catalogs")
    return [f"{folder}/index/{form}/year={year:04d}/" for folder in folders for form in ("parquet", "csv")]


def parse_index_key(key: str) -> IndexFile:
    """What the key of an index file says; ValueError where it is none.

    >>> parse_index_key(day_index_key(dt.date(2011, 3, 11), "csv")).date
    datetime.date(2011, 3, 11)
    """
    if match := _INDEX_FILE.fullmatch(key):
        folder, form, year, day = match.group("folder", "form", "year", "day")
        date = from_day_of_year(int(year), int(day)) if day else None
        if key == (day_index_key(date, form) if date else catalogue_key(int(year), form)):
            return IndexFile(key, folder, form, int(year), date)
    raise ValueError(f"{key[:200]!r} is no key of a SCEDC index file")


def station_key(net: str, sta: str) -> str:
    """The key of a station's StationXML, all its epochs."""
    return f"FDSNstationXML/{net}/{net}_{sta}.xml"


def catalogue_key(year: int, form: str = "parquet") -> str:
    """The key of a year's catalogue of events, as ``parquet`` or ``csv``."""
    return f"earthquake_catalogs/index/{form}/year={year:04d}/{year:04d}_catalog_index.{form}"


def event_key(event_id: str, day: dt.date, prefix: str = "", ms_filename: str = "") -> str:
    """The key of the object with an event's waveforms; what a catalogue leaves out follows from the event's id and day.

    Raises ValueError where a part of it could leave the folder of events.

    >>> event_key("39645386", dt.date(2023, 8, 20), "2023/2023_232", "39645386.ms")
    'event_waveforms/2023/2023_232/39645386.ms'
    >>> event_key("3031425", dt.date(1992, 6, 28))
    'event_waveforms/1992/1992_180/3031425.ms'
    """
    folder = prefix.strip().strip("/") or f"{day.year:04d}/{day.year:04d}_{day_of_year(day):03d}"
    name = ms_filename.strip() or f"{event_id}.ms"
    if not _EVENT_FOLDER.fullmatch(folder) or not _FILE_NAME.fullmatch(name):
        raise ValueError(f"{folder[:80]!r} and {name[:80]!r} name no event's file")
    return f"event_waveforms/{folder}/{name}"
