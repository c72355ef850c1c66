"""Batches of windows in, outcomes out: fetch what holds a window of a channel, cut it, write segments and the missing."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.acquire.pack import Recorded, pack
from seisbatch.acquire.travel_times import LONGEST_SECONDS, degrees_between, first_arrival
from seisbatch.acquire.window import Records, Span
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.outcome import Empty, Missing, Outcome, Rejected, Result, UnitError, guard
from seisbatch.process.pieces import join
from seisbatch.process.segments import Segment
from seisbatch.schema import CEMETERY, WF_TIME_SERIES
from seisbatch.steps.batches import Batch, BatchFiles, BatchSettings, OutcomeRow, unit_row, write_batches
from seisbatch.steps.index_table import pieces_from
from seisbatch.steps.spectra import select_channel
from seisbatch.steps.stations import Stations, site_of, station_epochs
from seisbatch.steps.window_objects import Found, ObjectRequest, Pieces, Whole, day_span, pieces_of, read_ahead
from seisbatch.times import SECOND_NS, to_datetime

NEAR_MIDNIGHT_NS = 900 * SECOND_NS
"""Day files begin and end as much as this from midnight, where they hold the records that begin in a day: a window so near to
it needs both days."""
FULL = 1.5
"""A window is whole with up to this many samples fewer than its length has: both of its edges may lie between samples."""
STATION_READERS = 32
SHOWN_CHANNELS = 5

Request = Mapping[str, Any]
SOURCE_COLUMNS = ("source_id", "source_time", "source_lat", "source_lon", "source_depth", "magnitude")


@dataclass(frozen=True, kw_only=True)
class WindowSettings(BatchSettings):
    """Which part of time to cut about each anchor, or about the arrival that follows it, and where to read."""

    archive: StoreSettings
    stations: Stations
    from_ns: int
    to_ns: int
    phases: tuple[str, ...]
    model: str
    channels: str
    must_be_whole: bool
    data_tag: str
    ahead_bytes: int


@dataclass(frozen=True)
class Target:
    """When a window begins and ends, and the arrival that it is relative to, where it is."""

    span: Span
    phase: str | None
    arrival_ns: int | None


def write_windows(settings: WindowSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a window and one a batch, for batches (columns ``name``, ``requests``).

    A request is a channel (or a station, where its objects hold all of its channels), an anchor, and the objects that may
    hold the window.
    """
    work = functools.partial(_cut_batch, settings)
    return write_batches(settings, (WF_TIME_SERIES, CEMETERY), batches, _inputs, work)


def _inputs(batch: Batch) -> list[str]:
    return [f"{_unit(request)} {item['s3key']}" for request in batch["requests"] for item in request["objects"]]


def _unit(request: Request) -> str:
    codes = [request[code] for code in Channel._fields if request[code] is not None]
    return f"{'.'.join(codes)}/{request['label']}"


def _name(request: Request) -> Channel | None:
    return None if request["chan"] is None else Channel(*(request[code] for code in Channel._fields))


def _cut_batch(settings: WindowSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    pool = ThreadPoolExecutor(STATION_READERS, thread_name_prefix="station")  # waiting for stations' files
    try:
        yield from _cut_windows(settings, batch["requests"], files, pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _cut_windows(
    settings: WindowSettings, requests: Sequence[Request], files: BatchFiles, pool: ThreadPoolExecutor
) -> Iterator[OutcomeRow]:
    store = open_store(settings.archive)
    for net, sta in dict.fromkeys((request["net"], request["sta"]) for request in requests):
        pool.submit(station_epochs, settings.stations, net, sta)  # for later, and for the targets
    targets = [guard(functools.partial(_target, settings, request)) for request in requests]
    asked = [_objects(request, target.value) for request, target in zip(requests, targets, strict=True)]
    found = read_ahead(store, [item for items in asked for item in items], settings.ahead_bytes)
    for request, target, items in zip(requests, targets, asked, strict=True):
        choose = functools.partial(_choose, request, ChannelPatterns(settings.channels))
        notes: list[str] = []
        n_read, parts = 0, []
        for item in items:
            read = next(found)
            n_read += _n_fetched(read)
            parts.append(guard(functools.partial(pieces_of, store, item, read, functools.partial(choose, notes))))
            del read
        window = WindowOf(settings, request, items, files)
        done = target if target.value is None else guard(functools.partial(window.write, target.value, parts, notes))
        seconds = target.seconds + sum(part.seconds for part in parts) + done.seconds
        reason = "; ".join(notes) if done.outcome is Outcome.OK else done.reason
        if done.outcome is not Outcome.OK:
            window.bury(_name(request), target.value, done.outcome, done.reason)
        key = items[0].key if items else request["objects"][0]["s3key"]
        yield unit_row("window", _unit(request), Result(None, done.outcome, reason, seconds), key, windows=window.n_rows,
                       bytes_read=n_read, bytes_written=window.n_bytes, date=to_datetime(request["anchor_ns"]).date(),
                       **window.place)  # fmt: skip


def _n_fetched(found: Found) -> int:
    return found.n_fetched if isinstance(found, Records) else found.size if isinstance(found, Whole) else 0


def _target(settings: WindowSettings, request: Request) -> Target:
    """When the window is; Rejected where it is relative to an arrival that cannot be predicted."""
    anchor_ns = request["anchor_ns"]
    if not settings.phases:
        arrival_ns = anchor_ns if request["phase"] else None
        return Target(Span(anchor_ns + settings.from_ns, anchor_ns + settings.to_ns), request["phase"], arrival_ns)
    name = _name(request) or Channel(request["net"], request["sta"], "", "")
    of_index = request["objects"][0]["lat"], request["objects"][0]["lon"]
    site = site_of(settings.stations, name, anchor_ns, of_index)
    if site.lat is None or site.lon is None:
        raise Rejected(f"no arrival can be predicted: {'; '.join(site.notes)}")
    degrees = degrees_between(request["source_lat"], request["source_lon"], site.lat, site.lon)
    depth = request["source_depth"] or 0.0
    arrival = first_arrival(settings.model, settings.phases, degrees, depth)
    if arrival is None:
        raise Rejected(f"no arrival of {', '.join(settings.phases)} at {degrees:.2f} degrees from {depth:g} km depth")
    if arrival.seconds > LONGEST_SECONDS:
        raise Rejected(f"{arrival.phase} arrives {arrival.seconds:.0f} s after the origin, later than {LONGEST_SECONDS} s")
    arrival_ns = anchor_ns + round(arrival.seconds * SECOND_NS)
    return Target(Span(arrival_ns + settings.from_ns, arrival_ns + settings.to_ns), arrival.phase, arrival_ns)


def _objects(request: Request, target: Target | None) -> list[ObjectRequest]:
    """The objects that may hold a part of the window."""
    if target is None:
        return []
    name = _name(request)
    return [
        ObjectRequest(item["s3key"], name, target.span, day, pieces_from(item["pieces"]), item["etag"])
        for item in request["objects"]
        if (day := day_span(item["date"])).start_ns < target.span.end_ns + NEAR_MIDNIGHT_NS
        and day.end_ns > target.span.start_ns - NEAR_MIDNIGHT_NS
    ]


def _choose(request: Request, patterns: ChannelPatterns, notes: list[str], decoded: Pieces) -> Pieces:
    """The channel that was asked for, under its own name; of a station's object every channel that matches the patterns."""
    name = _name(request)
    if name is None:
        return {other: segments for other, segments in decoded.items() if patterns.matches(other)}
    segments, remarks = select_channel(decoded, name)
    notes += [remark for remark in remarks if remark not in notes]
    return {name: segments}


class WindowOf:
    """One request's segments on their way into rows."""

    def __init__(self, settings: WindowSettings, request: Request, items: Sequence[ObjectRequest], files: BatchFiles) -> None:
        self._settings, self._request, self._items, self._files = settings, request, items, files
        self.n_rows = self.n_bytes = 0
        self.place: dict[str, float | None] = {}

    def write(self, target: Target, parts: Sequence[Result[Pieces]], notes: list[str]) -> None:
        """Write what the objects hold of the window; UnitError where that is nothing, or not what was asked for."""
        if not parts:
            raise Missing("the index names no object of the window's day")
        troubles = [part for part in parts if part.value is None]
        for part in troubles:
            if part.outcome is Outcome.FAILED:  # another try may find the rest
                raise UnitError(part.reason)
        pieces: Pieces = {}
        for part in parts:
            for name, segments in (part.value or {}).items():
                pieces.setdefault(name, []).extend(segments)
        refused = 0
        for name in sorted(pieces):
            told = guard(functools.partial(self._write_channel, target, name, pieces[name], notes))
            if told.outcome is Outcome.OK or len(pieces) == 1:
                _raise(told)
                continue
            refused += 1
            self.bury(name, target, told.outcome, told.reason)
        if not self.n_rows:
            for part in troubles:
                _raise(part)
            raise Empty(f"no channel of {', '.join(map(str, sorted(pieces)[:SHOWN_CHANNELS])) or 'the object'} has a sample")
        notes += [f"{part.outcome}: {part.reason}" for part in troubles]
        notes += [f"channels without: {refused}"] if refused else []

    def _write_channel(self, target: Target, name: Channel, segments: Sequence[Segment], notes: list[str]) -> None:
        joined = join(sorted(segments, key=lambda segment: segment.start_ns))
        if not joined:
            raise Empty(f"no sample in the window from {to_datetime(target.span.start_ns):%Y-%m-%dT%H:%M:%S.%f} on")
        if self._settings.must_be_whole:
            expected = (target.span.end_ns - target.span.start_ns) / SECOND_NS * joined[0].rate
            if len(joined) > 1 or len(joined[0].samples) < expected - FULL:
                n_samples = sum(len(piece.samples) for piece in joined)
                raise Rejected(f"not whole: {n_samples} of {expected:.0f} samples in {len(joined)} pieces")
        if len(joined) > 1:
            notes.append(f"pieces: {len(joined)}")
        index = self._request["objects"][0]
        site = site_of(self._settings.stations, name, joined[0].start_ns, (index["lat"], index["lon"]))
        notes += [note for note in site.notes if note not in notes]
        self.place = {"lat": site.lat, "lon": site.lon}
        common = {
            **name._asdict(),
            **site.columns(),
            **{column: self._request[column] for column in SOURCE_COLUMNS},
            "phase": target.phase,
            "arrival": None if target.arrival_ns is None else to_datetime(target.arrival_ns),
            "units": "counts",
            "data_tag": self._settings.data_tag,
            "window": self._request["label"],
            "s3key": ",".join(item.key for item in self._items),
            "parameters_id": self._settings.parameters_id,
            "encoding": "miniseed",
        }
        for number, piece in enumerate(joined):
            samples = piece.records if isinstance(piece, Recorded) else pack(name, piece)
            self.n_rows += 1
            self.n_bytes += len(samples)
            own = {
                "id": f"{name}/{self._request['label']}/{number}",
                "starttime": to_datetime(piece.start_ns),
                "endtime": to_datetime(piece.end_ns - round(SECOND_NS / piece.rate)),
                "sampling_rate": piece.rate,
                "npts": len(piece.samples),
                "samples": samples,
            }
            self._files.add_segment({**common, **own})

    def bury(self, name: Channel | None, target: Target | None, outcome: Outcome, reason: str) -> None:
        """Write to the cemetery what there is nothing of; the window of a channel, or of a station."""
        codes = name._asdict() if name else {code: self._request[code] or "" for code in Channel._fields}
        span = target.span if target else Span(self._request["anchor_ns"], self._request["anchor_ns"])
        unit = f"{name}/{self._request['label']}" if name else _unit(self._request)
        row = {"unit": unit, **codes, "starttime": to_datetime(span.start_ns), "endtime": to_datetime(span.end_ns),
               "data_tag": self._settings.data_tag, "outcome": str(outcome), "reason": reason,
               "parameters_id": self._settings.parameters_id}  # fmt: skip
        self._files.add(CEMETERY, [row])


def _raise(done: Result[Any]) -> None:
    """Raise what a guarded part ended with."""
    if done.outcome is not Outcome.OK:
        raise done.error


def window_label(start_ns: int) -> str:
    """The name of a window by its start."""
    return f"{to_datetime(start_ns):%Y-%m-%dT%H:%M:%S.%f}"


def day_of(instant_ns: int) -> dt.date:
    """The UTC day of an instant."""
    return to_datetime(instant_ns).date()
