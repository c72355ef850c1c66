"""Batches of channel-days in, outcomes out: each fetched, decoded and made ground motion; rows, or objects and rows of them."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from seisbatch.acquire.objects import open_store
from seisbatch.acquire.pack import pack
from seisbatch.acquire.responses import ResponseEpoch
from seisbatch.archives import ARCHIVES
from seisbatch.names import Channel
from seisbatch.outcome import Outcome, Rejected, Result, UnitError, guard
from seisbatch.process.segments import Segment
from seisbatch.schema import CEMETERY, WF_TIME_SERIES
from seisbatch.steps.batches import Batch, BatchFiles, OutcomeRow, unit_row, write_batches
from seisbatch.steps.ground_motion import ground_motion, within
from seisbatch.steps.index_table import part_of
from seisbatch.steps.motion_objects import MotionSettings, Row, as_objects, day_key, rows_of
from seisbatch.steps.responses import known_as
from seisbatch.steps.spectra import MAX_AHEAD_OBJECTS, bodies_of, segments_of
from seisbatch.steps.stations import Stations, station_responses
from seisbatch.times import DAY_NS, SECOND_NS, day_start_ns, to_datetime

Request = Mapping[str, Any]
"""A row of ``CHANNEL_DAY``."""


def write_motion(settings: MotionSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a channel-day and one a batch, for batches (columns ``name``, ``channel_days``).

    Those of one object stand one after another.
    """
    work = functools.partial(_write_batch, settings)
    return write_batches(settings, (WF_TIME_SERIES, CEMETERY), batches, _inputs, work)


def _inputs(batch: Batch) -> list[str]:
    return [f"{row['unit']} {row['s3key']}" for row in batch["channel_days"]]


def _write_batch(settings: MotionSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    days: Sequence[Request] = batch["channel_days"]
    parts = [part_of(row, ARCHIVES[settings.layout].HOLDS) for row in days]
    once = [part for part, _ in itertools.groupby(parts)]
    store = open_store(settings.archive)
    with store.fetch_ahead(once, max_bytes=settings.ahead_bytes, max_in_flight=MAX_AHEAD_OBJECTS) as fetched:
        bodies = bodies_of(parts, fetched)
        for _, of_object in itertools.groupby(days, key=lambda row: (row["date"], row["s3key"])):
            yield from _write_object(settings, list(of_object), bodies, files)


def _write_object(
    settings: MotionSettings, days: Sequence[Request], bodies: Iterator[tuple[Any, int]], files: BatchFiles
) -> Iterator[OutcomeRow]:
    """The channel-days of one object of the archive."""
    made: list[tuple[Channel, Sequence[Row], Sequence[Segment]]] = []
    outcomes: list[OutcomeRow] = []
    for row in days:
        body, n_read = next(bodies)
        name = Channel(row["net"], row["sta"], row["loc"], row["chan"])
        done = guard(functools.partial(channel_day, settings, name, row, body))
        del body
        if done.value is None:
            files.add(CEMETERY, [_dead(settings, name, row, done)])
            place = {"lat": row["lat"], "lon": row["lon"]}
            outcomes.append(unit_row("channel-day", row["unit"], done, row["s3key"], bytes_read=n_read, date=row["date"],
                                     windows_planned=_seconds_planned(settings, row), **place))  # fmt: skip
            continue
        rows, segments, notes = done.value
        result: Result[None] = Result(None, Outcome.OK, "; ".join(notes), done.seconds)
        n_bytes = sum(segment.samples.nbytes for segment in segments)
        seconds = sum(len(segment.samples) / segment.rate for segment in segments)
        outcomes.append(unit_row("channel-day", row["unit"], result, row["s3key"], bytes_read=n_read, bytes_written=n_bytes,
                                 windows=round(seconds), windows_planned=_seconds_planned(settings, row), date=row["date"],
                                 lat=rows[0]["lat"], lon=rows[0]["lon"]))  # fmt: skip
        if settings.to == "parquet":
            _add(files, name, rows, segments)
        elif settings.to == "sac":
            _put(settings, files, day_key(settings.layout, name, row["date"], "sac"), [(name, rows, segments)])
        else:
            made.append((name, rows, segments))
    if made:
        _put(settings, files, day_key(settings.layout, made[0][0], days[0]["date"], "mseed"), made)
    yield from outcomes


def _seconds_planned(settings: MotionSettings, row: Request) -> int:
    start_ns, end_ns = day_span(row["date"], settings)
    return max(1, round((end_ns - start_ns) / SECOND_NS))


def _add(files: BatchFiles, name: Channel, rows: Sequence[Row], segments: Sequence[Segment]) -> None:
    for row, segment in zip(rows, segments, strict=True):
        files.add_segment({**row, "samples": pack(name, segment)})


def _put(
    settings: MotionSettings,
    files: BatchFiles,
    key: str,
    channels: Sequence[tuple[Channel, Sequence[Row], Sequence[Segment]]],
) -> None:
    for item in as_objects(settings.to, key, channels):
        files.put(item.key, item.body)
        files.add(WF_TIME_SERIES, item.rows)


def channel_day(settings: MotionSettings, name: Channel, row: Request, body: Any) -> tuple[list[Row], list[Segment], list[str]]:
    """The ground motion of a channel-day: rows, their segments, and what is worth knowing about it.

    ``body`` is the object's bytes, or the UnitError that fetching it ended with. Raises UnitError where it cannot be had.
    """
    if isinstance(body, UnitError):
        raise body
    segments, recorded, notes = segments_of(body, name, ARCHIVES[settings.layout].HOLDS)
    epochs = responses_of(settings.stations, name)
    made, told = ground_motion(known_as(epochs, (recorded, name)), segments, day_start_ns(row["date"]), epochs, settings.motion)
    kept = within(made, settings.span)
    rows, remarks = rows_of(settings, name, f"{row['date']}", row["s3key"], kept, (row["lat"], row["lon"]))
    return rows, kept, [*notes, *told, *remarks]


def responses_of(stations: Stations, name: Channel) -> tuple[ResponseEpoch, ...]:
    """The responses of a channel's station; Rejected where nothing tells any."""
    epochs, trouble = station_responses(stations, name.net, name.sta)
    if not epochs:
        raise Rejected(f"no response of {name} is known: {trouble or stations.kind + ' has none'}")
    return epochs


def _dead(settings: MotionSettings, name: Channel, row: Request, done: Result[Any]) -> Row:
    """A channel-day's row of the cemetery."""
    start_ns, end_ns = day_span(row["date"], settings)
    return {"unit": row["unit"], **name._asdict(), "starttime": to_datetime(start_ns), "endtime": to_datetime(end_ns),
            "data_tag": settings.data_tag, "outcome": str(done.outcome), "reason": done.reason,
            "parameters_id": settings.parameters_id}  # fmt: skip


def day_span(date: dt.date, settings: MotionSettings) -> tuple[int, int]:
    """What of a day is asked for."""
    start_ns, end_ns = day_start_ns(date), day_start_ns(date) + DAY_NS
    return (max(start_ns, settings.span[0]), min(end_ns, settings.span[1])) if settings.span else (start_ns, end_ns)
