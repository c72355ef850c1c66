"""Requests for ground motion of a channel's day, or a window of one or two days: from the archive's objects to objects."""

from __future__ import annotations

import datetime as dt
import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from seisbatch.acquire.objects import open_store
from seisbatch.acquire.pack import pack
from seisbatch.archives import ARCHIVES
from seisbatch.names import Channel
from seisbatch.outcome import Empty, Missing, Outcome, Result, guard
from seisbatch.process.segments import Segment
from seisbatch.schema import EXPORTS, WF_TIME_SERIES
from seisbatch.steps.batches import WAVEFORMS, Batch, BatchFiles, OutcomeRow, unit_row, write_batches
from seisbatch.steps.motion import channel_day
from seisbatch.steps.motion_objects import MINISEED_SUFFIX, MotionObject, MotionSettings, Row, as_objects, day_key
from seisbatch.times import day_of_year, to_datetime

SUFFIXES = {"mseed": MINISEED_SUFFIX, "sac": "", "parquet": ".parquet"}
"""Of the key of a window's object; SAC's follows the number of the segment."""


class Request(Protocol):
    """A channel from one instant up to, and without, another [ns since 1970], of one or two UTC days, as a format (``to``).

    ``day`` is the day that is asked for as such, None of a window; ``to`` None is the format of the settings.
    """

    @property
    def name(self) -> Channel: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def day(self) -> dt.date | None: ...
    @property
    def to(self) -> str | None: ...
    @property
    def days(self) -> Sequence[dt.date]: ...


@dataclass(frozen=True)
class Requested:
    """What a request comes to: objects to put, what is worth knowing, and the bytes that were read for it."""

    objects: list[MotionObject]
    notes: list[str]
    n_read: int


def motion_of_request(settings: MotionSettings, request: Request) -> Requested:
    """The ground motion that a request asks for, as objects: of miniSEED or Parquet one, of SAC one a segment.

    A day's object has the key that the archive gives it (in the folder ``waveforms``), a window's one of its channel and times.
    Each day is processed by itself. Raises UnitError where there is nothing of it: of two days, what the first ended with; and
    where either failed, since another try may find it.
    """
    to = request.to or settings.to
    own = replace(settings, to=to, span=None if request.day else (request.start_ns, request.end_ns))
    store = open_store(settings.archive)
    rows: list[Row] = []
    segments: list[Segment] = []
    notes: list[str] = []
    troubles: list[Result[Any]] = []
    n_read = 0
    for day in request.days:
        key = _archive_key(settings, request.name, day)
        fetched = guard(functools.partial(store.get, key))
        n_read += 0 if fetched.value is None else len(fetched.value)
        body = fetched.error if fetched.value is None else fetched.value
        of_day = {"date": day, "s3key": key, "lat": None, "lon": None}
        done = guard(functools.partial(channel_day, own, request.name, of_day, body))
        del fetched, body
        if done.value is None:
            if done.outcome is Outcome.FAILED:
                raise done.error
            troubles.append(done)
            notes.append(f"{day} {done.outcome}: {done.reason}")
            continue
        rows += done.value[0]
        segments += done.value[1]
        notes += [note for note in done.value[2] if note not in notes]
    if not rows:
        raise troubles[0].error if troubles else Empty("no day is asked for")
    key = request_key(settings.layout, request, to)
    if to == "parquet":
        return Requested(
            [_as_parquet(own, f"{key.removesuffix('.parquet')}.parquet", request.name, rows, segments)], notes, n_read
        )
    return Requested(as_objects(to, key, [(request.name, rows, segments)]), notes, n_read)


def _archive_key(settings: MotionSettings, name: Channel, day: dt.date) -> str:
    """The key of the object of the archive that has a channel's day; Missing where there can be none."""
    try:
        return ARCHIVES[settings.layout].day_file_key(name, day)
    except ValueError as error:
        raise Missing(str(error)) from None


def request_key(layout: str, request: Request, to: str) -> str:
    """The key of the object of a request; a day's one holds its channel alone, also where the archive's hold stations."""
    if request.day is None:
        return window_key(request, to)
    if to == "mseed" and ARCHIVES[layout].HOLDS != "channel-day":
        return day_key(layout, request.name, request.day, "") + MINISEED_SUFFIX
    return day_key(layout, request.name, request.day, to)


def window_key(request: Request, to: str) -> str:
    """The key of the object of a window."""
    start, end = (to_datetime(instant) for instant in (request.start_ns, request.end_ns))
    name = request.name
    codes = f"{name.net}.{name.sta}.{name.loc or '--'}.{name.chan}"
    times = f"{start:%Y%m%dT%H%M%S.%f}-{end:%Y%m%dT%H%M%S.%f}"
    return f"{WAVEFORMS}/windows/{start:%Y}/{start:%Y}_{day_of_year(start.date()):03d}/{codes}.{times}{SUFFIXES[to]}"


def _as_parquet(
    settings: MotionSettings, key: str, name: Channel, rows: Sequence[Row], segments: Sequence[Segment]
) -> MotionObject:
    full = [{**row, "samples": pack(name, segment)} for row, segment in zip(rows, segments, strict=True)]
    table = pa.Table.from_batches([WF_TIME_SERIES.batch(full)]).replace_schema_metadata(dict(settings.metadata))
    body = io.BytesIO()
    pq.write_table(table, body, compression="zstd")
    return MotionObject(key, body.getvalue(), list(rows))


@dataclass(frozen=True)
class PlannedRequest:
    """A request as a row of a plan has it."""

    name: Channel
    start_ns: int
    end_ns: int
    day: dt.date | None
    to: str | None
    days: Sequence[dt.date]


def write_requests(settings: MotionSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a request and one a batch, for batches (columns ``name``, ``requests``)."""
    return write_batches(settings, (EXPORTS,), batches, _inputs, functools.partial(_write_batch, settings))


def _inputs(batch: Batch) -> list[str]:
    return [row["unit"] for row in batch["requests"]]


def _write_batch(settings: MotionSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    for row in batch["requests"]:
        name = Channel(*(row[code] for code in Channel._fields))
        request = PlannedRequest(name, row["start_ns"], row["end_ns"], row["day"], row["to"], row["days"])
        done = guard(functools.partial(motion_of_request, settings, request))
        key = guard(functools.partial(_archive_key, settings, name, row["days"][0])).value or ""
        if done.value is None:
            yield unit_row("request", row["unit"], done, key, date=row["days"][0])
            continue
        n_written = 0
        for item in done.value.objects:
            n_written += files.put(item.key, item.body)
            files.add(EXPORTS, [_exported(settings, row["to"] or settings.to, name, item)])
        result: Result[None] = Result(None, Outcome.OK, "; ".join(done.value.notes), done.seconds)
        yield unit_row("request", row["unit"], result, key, date=row["days"][0], windows=len(done.value.objects),
                       bytes_read=done.value.n_read, bytes_written=n_written)  # fmt: skip


def _exported(settings: MotionSettings, to: str, name: Channel, item: MotionObject) -> Mapping[str, Any]:
    """An object's row of ``exports``."""
    return {
        "s3key": item.key,
        "format": to,
        "window": item.rows[0]["window"] if len({row["window"] for row in item.rows}) == 1 else None,
        **name._asdict(),
        "data_tag": settings.data_tag,
        "starttime": min(row["starttime"] for row in item.rows),
        "endtime": max(row["endtime"] for row in item.rows),
        "segments": len(item.rows),
        "npts": sum(row["npts"] for row in item.rows),
        "nbytes": len(item.body),
        "parameters_id": settings.parameters_id,
    }
