"""Blocks of channel-days in, outcomes out: fetch, decode and preprocess each channel-day once, write its band spectra."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from seisbatch.acquire.miniseed import decode
from seisbatch.acquire.objects import Part, Store, StoreSettings, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.names import Channel
from seisbatch.outcome import RETRIED, Corrupt, Empty, Missing, Rejected, Result, UnitError, guard
from seisbatch.process.grid import Preprocessing
from seisbatch.process.segments import DataError, NoSamples, Segment, assemble
from seisbatch.process.spectra import WindowSpectra, window_spectra
from seisbatch.schema import OUTCOMES
from seisbatch.sinks.spectra_file import ChannelSpectra, Spectra, encode, read_header
from seisbatch.steps.index_table import part_of
from seisbatch.steps.memory import give_back
from seisbatch.steps.responses import with_responses
from seisbatch.steps.stations import Stations, coordinates, station_responses
from seisbatch.times import DAY_NS, day_start_ns

MAX_AHEAD_OBJECTS = 32

Held = TypeVar("Held")
"""What is known of a segment: decoded or not."""


def ahead_bytes(memory: int) -> int:
    """Bytes that a worker may hold of objects fetched ahead, of the memory it may use."""
    return min(128_000_000, memory // 10)


@dataclass(frozen=True)
class SpectraSettings:
    """Where channel-days are read, how they are preprocessed, and where the spectra go."""

    run_id: str
    job: str
    layout: str
    archive: StoreSettings
    stations: Stations
    out: StoreSettings
    scratch: str
    preprocessing: Preprocessing
    ahead_bytes: int
    remove_response: str
    """Units of the ground motion that counts become: disp, vel or acc; or none."""


def spectra_key(scratch: str, group: dt.date, date: dt.date, block: int) -> str:
    """The key of a block's spectra."""
    return f"{scratch}/spectra/{group}/{date}-{block:05d}.spec"


def write_spectra(settings: SpectraSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`OUTCOMES`, one a channel-day, for blocks (columns ``group``, ``date``, ``block``, ``channel_days``).

    A block that is already written is not done again, its outcomes are read from it, unless one of them may change by
    another try.
    """
    out, archive = open_store(settings.out), open_store(settings.archive)
    blocks = [block for batch in batches for block in batch.to_pylist()]
    pending = []
    for block in blocks:
        block["key"] = spectra_key(settings.scratch, block["group"], block["date"], block["block"])
        recorded = _recorded(out, block)
        if recorded is None:
            pending.append(block)
        else:
            yield _outcomes(settings, block["date"], recorded)
    holds = ARCHIVES[settings.layout].HOLDS
    parts = [part_of(row, holds) for block in pending for row in block["channel_days"]]
    once = [part for part, _ in itertools.groupby(parts)]
    with archive.fetch_ahead(once, max_bytes=settings.ahead_bytes, max_in_flight=MAX_AHEAD_OBJECTS) as fetched:
        bodies = bodies_of(parts, fetched)
        for block in pending:
            outcomes = _write_block(settings, out, block, bodies)
            give_back()
            yield _outcomes(settings, block["date"], outcomes)


def bodies_of(parts: Sequence[Part], fetched: Iterator[tuple[str, Any]]) -> Iterator[tuple[Any, int]]:
    """The body of each part, and the bytes that were fetched for it: none, where those of the part before serve again."""
    for _, same in itertools.groupby(parts):
        _, body = next(fetched)
        n_bytes = 0 if isinstance(body, UnitError) else len(body)
        for _ in same:
            yield body, n_bytes
            n_bytes = 0
        del body


def _recorded(out: Store, block: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The outcomes of a block that is written, whole, of the same channel-days, and need not be done again."""
    key = block["key"]
    try:
        header = read_header(out, key)
    except (Missing, Corrupt):
        return None
    if out.size(key) != header.size or any(row["outcome"] in RETRIED for row in header.outcomes):
        return None
    planned = [(row["unit"], row["s3key"]) for row in block["channel_days"]]
    if [(row["unit"], row["s3key"]) for row in header.outcomes] != planned:  # the index has changed
        return None
    return header.outcomes


def _outcomes(settings: SpectraSettings, date: dt.date, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    common = {"run_id": settings.run_id, "job": settings.job, "kind": "channel-day", "date": date}
    return OUTCOMES.batch({**common, **row} for row in rows)


def _write_block(
    settings: SpectraSettings, out: Store, block: dict[str, Any], bodies: Iterator[tuple[Any, int]]
) -> list[dict[str, Any]]:
    """Preprocess the channel-days of a block, write their spectra, and return their outcome rows."""
    channels: list[ChannelSpectra] = []
    arrays: list[Spectra] = []
    outcomes = []
    n_channels = len(block["channel_days"])
    for row in block["channel_days"]:
        body, n_bytes = next(bodies)
        done = guard(functools.partial(_channel_day, settings, row, block["date"], body))
        outcomes.append(_outcome_row(settings, row, done, n_bytes))
        del body
        if done.value is None:
            continue
        spectra = [done.value.windows.spectra]
        if done.value.windows.source_spectra is not None:
            spectra.append(done.value.windows.source_spectra)
        if not arrays:
            n_windows, n_bins = spectra[0].shape
            arrays = [np.empty((n_bins, n_channels, n_windows), np.complex64) for _ in spectra]
        for array, values in zip(arrays, spectra, strict=True):
            array[:, len(channels)] = values.T
        name = Channel(row["net"], row["sta"], row["loc"], row["chan"])
        channels.append(ChannelSpectra(row["rank"], name, done.value.windows.valid, done.value.lat, done.value.lon))
    arrays = [array[:, : len(channels)] for array in arrays]
    out.put(block["key"], encode(channels, arrays, outcomes))
    return outcomes


def _outcome_row(
    settings: SpectraSettings, row: Mapping[str, Any], done: Result[ChannelDaySpectra], size: int
) -> dict[str, Any]:
    value = done.value
    return {
        "unit": row["unit"],
        "outcome": str(done.outcome),
        "reason": "; ".join(value.notes) if value else done.reason,
        "s3key": row["s3key"],
        "windows": int(value.windows.valid.sum()) if value else 0,
        "windows_planned": settings.preprocessing.n_windows,
        "lat": value.lat if value else row["lat"],
        "lon": value.lon if value else row["lon"],
        "bytes_read": size,
        "bytes_written": value.windows.spectra.nbytes if value else 0,
        "seconds": done.seconds,
    }


@dataclass(frozen=True, eq=False)
class ChannelDaySpectra:
    """A channel-day's spectra, its coordinates, and what is worth knowing about it."""

    windows: WindowSpectra
    lat: float | None
    lon: float | None
    notes: list[str]


def _channel_day(settings: SpectraSettings, row: Mapping[str, Any], date: dt.date, body: Any) -> ChannelDaySpectra:
    """Decode, assemble and preprocess one channel-day; UnitError where that cannot be done."""
    if isinstance(body, UnitError):
        raise body
    name = Channel(row["net"], row["sta"], row["loc"], row["chan"])
    segments, recorded, notes = segments_of(body, name, ARCHIVES[settings.layout].HOLDS)
    day_ns = day_start_ns(date)
    try:
        day = assemble(segments, day_ns, max_fill=settings.preprocessing.max_fill)
        del segments
        if settings.remove_response != "none":
            responses = station_responses(settings.stations, name.net, name.sta)
            day, left_out = with_responses(day, responses, (recorded, name), settings.remove_response)
            notes += left_out
        windows = window_spectra(day, settings.preprocessing)
    except NoSamples as error:
        raise Empty(str(error)) from error
    except DataError as error:
        raise Rejected(str(error)) from error
    lat, lon, note = coordinates(settings.stations, name, day_ns + DAY_NS // 2, (row["lat"], row["lon"]))
    return ChannelDaySpectra(windows, lat, lon, [*notes, *_notes(day.counts, windows), *note])


def segments_of(body: Any, name: Channel, holds: str) -> tuple[list[Segment], Channel, list[str]]:
    """The segments of a channel in an object's bytes, the name that their records carry, and remarks; UnitError where none."""
    if holds == "channel-day":
        decoded = decode(body)
        segments, notes = select_channel(decoded, name)
        return segments, recorded_as(decoded, name), notes
    decoded = decode(body, lambda other: other == name)
    if name not in decoded:  # which channels a station has is not known from its key
        raise Empty(_other_channels(decoded, name))
    return decoded[name], name, []


def select_channel(decoded: Mapping[Channel, list[Held]], name: Channel) -> tuple[list[Held], list[str]]:
    """The segments of a channel in what an object holds.

    The key is a hint, the records are the truth: where they carry another location code than the key they are taken, and
    a note says so. Raises Corrupt where the object does not hold it.
    """
    found = recorded_as(decoded, name)
    return decoded[found], [] if found == name else [f"records carry location code {found.loc or '--'!r}"]


def recorded_as(decoded: Iterable[Channel], name: Channel) -> Channel:
    """The name that a channel's records carry, among those that an object holds; Corrupt where none is the channel's."""
    others = [other for other in decoded if other._replace(loc=name.loc) == name]
    if name in others:
        return name
    if len(others) != 1:
        raise Corrupt(_other_channels(decoded, name))
    return others[0]


def _other_channels(decoded: Iterable[Channel], name: Channel) -> str:
    held = ", ".join(sorted(map(str, decoded))[:5])
    return f"the object holds {held or 'no record'}, not {name}"


def _notes(counts: Any, windows: WindowSpectra) -> list[str]:
    """What was mended or left out, with its numbers."""
    told = {
        "gaps": counts.n_gaps,
        "samples bridged": counts.n_filled,
        "overlapping samples merged": counts.n_overlap_samples,
        "conflicting samples left out": counts.n_conflict_samples,
        **{f"windows left out for {reason}": number for reason, number in windows.rejected.items()},
    }
    return [f"{what}: {number}" for what, number in told.items() if number]
