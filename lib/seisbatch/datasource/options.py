"""Options of the data source, as ``spark.read.option`` gives them, resolved to what is read."""

from __future__ import annotations

import datetime as dt
import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seisbatch import sample
from seisbatch.acquire.objects import StoreSettings
from seisbatch.acquire.window import Span
from seisbatch.archives import ARCHIVES
from seisbatch.config import OptionError, day_range
from seisbatch.names import ChannelPatterns
from seisbatch.options import Memory
from seisbatch.plan.stores import SAMPLE_ROOT, cached, restricted, store_settings
from seisbatch.steps.windows import NEAR_MIDNIGHT_NS, day_of
from seisbatch.times import DAY_NS, day_start_ns, days_from, parse_day, parse_instant

Text = Annotated[str, Field(min_length=1)]


class ReadOptions(BaseModel):
    """Every option, with its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive: Literal["sample", "scedc", "ncedc", "geonet", "earthscope", "sds"] = "scedc"
    """Layout of the archive; sample is built in and written on first use, sds is any folder or bucket in the SeisComP
    structure."""
    path: Text | None = None
    """Where the archive stands, as ``load(path)`` gives it: a folder or ``s3://bucket/prefix``; by default the archive's public
    bucket (for sample, ./sample-archive)."""
    channels: Text = "*.*.*.*"
    """Patterns NET.STA.LOC.CHA with * and ?, comma separated; -- is the empty location."""
    start: Text | None = None
    """First UTC day, such as 2022-01-02 or 2022-002."""
    end: Text | None = None
    """UTC day up to which, and without which; by default one day is read."""
    days: Annotated[int, Field(gt=0)] | None = None
    """Number of days, in place of ``end``."""
    starttime: Text | None = None
    """UTC time from which on samples are wanted, such as 2022-01-02T10:00:00: only the bytes that hold them are fetched."""
    endtime: Text | None = None
    """UTC time up to which, and without which; with both, ``start`` is not needed."""
    index: Text | None = None
    """The output of index_archive; by default the archive's own index of every day, or a listing where it has none."""
    own_endpoint: Text | None = None
    """URL of the S3 service that holds ``index`` and ``cache``, which are read with credentials; by default Amazon's own."""
    own_region: Text | None = None
    """Region of their bucket; by default that of the environment."""
    endpoint: Text | None = None
    """URL of the S3 service that holds the archive; by default Amazon's own."""
    region: Text | None = None
    """Region of the archive's bucket; by default the archive's own."""
    anonymous: bool = True
    """Read without credentials, as public buckets allow; ``false`` takes those of the environment, a profile or a role."""
    credentials: Literal["auto", "earthscope"] = "auto"
    """``earthscope`` for restricted networks of that archive, one network at a time, through the package earthscope-sdk."""
    cache: Text | None = None
    """Folder or ``s3://`` prefix that keeps what was read of a bucket."""
    cache_size: Annotated[Memory, Field(gt=0)] = 50_000_000_000
    """Bytes that may be kept there, such as 50GB."""
    samples: Literal["decoded", "miniseed", "none"] = "decoded"
    """``decoded``: array<double>; ``miniseed``: binary, whole records, at a tenth of the size; ``none``: the table has no such
    column, and nothing is decoded."""
    errors: Literal["rows", "fail"] = "rows"
    """What becomes of an object that cannot be read: a row with its outcome and reason, or the end of the query."""
    ahead: Annotated[Memory, Field(gt=0)] = 64_000_000
    """Bytes of objects that a worker fetches ahead and holds, such as 64MB."""


@dataclass(frozen=True)
class ReadSettings:
    """What a worker needs to know to read objects."""

    archive: StoreSettings
    channels: str
    samples: str
    span: Span | None
    fails: bool
    ahead_bytes: int


@dataclass(frozen=True)
class ReadRequest:
    """What is to be read: the days whose index tells the objects, those of them that were asked for, and how to read."""

    read: ReadSettings
    layout: str
    is_sample: bool
    index_table: StoreSettings | None
    days: tuple[dt.date, ...]
    asked: frozenset[dt.date]
    """The other days are looked at only for what stands beyond their midnight."""


def read_request(given: Mapping[str, str]) -> ReadRequest:
    """Resolve the options; OptionError where one is unknown or impossible, or two do not go together."""
    options = _validated(given)
    try:
        ChannelPatterns(options.channels)
    except ValueError as error:
        raise OptionError(f"option channels: {error}") from None
    layout = "scedc" if options.archive == "sample" else options.archive
    root = options.path or (SAMPLE_ROOT if options.archive == "sample" else ARCHIVES[layout].ROOT)
    if root is None:
        raise OptionError(f"archive {options.archive} has no public bucket: load a folder or s3://bucket/prefix")
    region = options.region or ARCHIVES[layout].REGION
    place = functools.partial(store_settings, endpoint=options.endpoint, region=region, anonymous=options.anonymous)
    own = functools.partial(store_settings, endpoint=options.own_endpoint, region=options.own_region, anonymous=False)
    days, asked, span = _times(options)
    archive = place(root)
    if options.credentials != "auto":
        try:
            archive = restricted(archive, options.credentials, options.archive, is_public=options.path is None)
        except OptionError as error:
            raise OptionError(str(error).replace("--root", "a path").replace("--", "option ")) from None
    return ReadRequest(
        read=ReadSettings(
            archive=cached(archive, own(options.cache) if options.cache else None, options.cache_size),
            channels=options.channels,
            samples=options.samples,
            span=span,
            fails=options.errors == "fail",
            ahead_bytes=options.ahead,
        ),
        layout=layout,
        is_sample=options.archive == "sample" and options.path is None,
        index_table=own(options.index) if options.index else None,
        days=tuple(days),
        asked=frozenset(asked),
    )


def _validated(given: Mapping[str, str]) -> ReadOptions:
    known = list(ReadOptions.model_fields)
    named = {name.lower(): value for name, value in given.items()}  # Spark's options have no case
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.75)
            meant = f" ({' or '.join(near)}?)" if near else ""
            raise OptionError(f"unknown option {name}{meant}; known are {', '.join(known)}")
    try:
        return ReadOptions.model_validate(named)
    except ValidationError as error:
        raise OptionError("; ".join(_explain(problem) for problem in error.errors())) from None


def _explain(problem: Mapping[str, Any]) -> str:
    return f"option {problem['loc'][0]} {problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}"


def _times(options: ReadOptions) -> tuple[list[dt.date], list[dt.date], Span | None]:
    """The days to look at, those that were asked for, and the span outside of which no sample is wanted."""
    first_ns, end_ns = _instant("starttime", options.starttime), _instant("endtime", options.endtime)
    range_of_days = _days(options, is_bounded=first_ns is not None and end_ns is not None)
    if first_ns is None and end_ns is None:
        assert range_of_days
        return range_of_days, range_of_days, None
    # An open side ends where no object of the days can have samples.
    lowest = day_start_ns(range_of_days[0]) - DAY_NS if range_of_days else 0
    highest = day_start_ns(range_of_days[-1]) + 2 * DAY_NS if range_of_days else 0
    span = Span(lowest if first_ns is None else first_ns, highest if end_ns is None else end_ns)
    if first_ns is not None and end_ns is not None and end_ns <= first_ns:
        raise OptionError(f"option endtime {options.endtime} is not after starttime {options.starttime}")
    first, last = day_of(span.start_ns - NEAR_MIDNIGHT_NS), day_of(span.end_ns + NEAR_MIDNIGHT_NS - 1)
    days = range_of_days or days_from(first, last + dt.timedelta(days=1))
    near, asked = (_touched(days, span, beyond_ns) for beyond_ns in (NEAR_MIDNIGHT_NS, 0))
    if not asked:
        given = " and ".join(f"{name} {text}" for name in ("starttime", "endtime") if (text := getattr(options, name)))
        raise OptionError(f"option {given} leaves nothing of {days[0]} to {days[-1]}")
    return near, asked, span


def _touched(days: list[dt.date], span: Span, beyond_ns: int) -> list[dt.date]:
    """The days that a span touches, or comes near to."""
    begins = ((day, day_start_ns(day)) for day in days)
    return [
        day
        for day, begins_ns in begins
        if begins_ns < span.end_ns + beyond_ns and begins_ns + DAY_NS > span.start_ns - beyond_ns
    ]


def _days(options: ReadOptions, *, is_bounded: bool) -> list[dt.date] | None:
    """The days that ``start``, ``end`` and ``days`` name; None where a span says all."""
    start, end, days = _day("start", options.start), _day("end", options.end), options.days
    if start is None:
        if is_bounded and end is None and days is None:
            return None
        if options.archive != "sample":
            raise OptionError(
                f"archive {options.archive} needs option start, such as 2022-01-02, or both of starttime and endtime"
            )
        start, days = sample.DAYS[0], days or (None if end else len(sample.DAYS))
    try:
        return days_from(*day_range(start, days, end))
    except OverflowError:
        raise OptionError(f"option days {days}: there are not so many days after {start}") from None
    except OptionError as error:
        raise OptionError(str(error).replace("--", "")) from None


def _day(name: str, text: str | None) -> dt.date | None:
    try:
        return None if text is None else parse_day(text)
    except ValueError as error:
        raise OptionError(f"option {name}: {error}") from None


def _instant(name: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        raise OptionError(f"option {name}: {error}") from None
