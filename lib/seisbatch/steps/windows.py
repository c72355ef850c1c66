"""Batches of channels in, outcomes out: fetch what holds a window of each channel, cut it, write segments and the missing."""

from __future__ import annotations

import datetime as dt
import functools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from seisbatch.acquire.miniseed import decode
from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.acquire.pack import pack
from seisbatch.acquire.window import Records, Span, read_records
from seisbatch.names import Channel
from seisbatch.outcome import RETRIED, Corrupt, Empty, Missing, Outcome, Rejected, UnitError, guard
from seisbatch.process.pieces import cut, join
from seisbatch.process.segments import Segment
from seisbatch.schema import CEMETERY, OUTCOMES, WF_TIME_SERIES, Table
from seisbatch.sinks.parquet import TableFile, recorded_unit
from seisbatch.steps.memory import give_back
from seisbatch.steps.spectra import select_channel
from seisbatch.steps.stations import Stations, coordinates, station_epochs
from seisbatch.times import SECOND_NS, day_start_ns, to_datetime

IN_FLIGHT = 64
"""Objects that a worker reads at a time: most of that time is waiting for the store."""
WRITE_BYTES = 4_000_000
"""Samples that are held before they are handed to the file."""
FULL = 1.5
"""A window is whole with up to this many samples fewer than its length has: both of its edges may lie between samples."""


@dataclass(frozen=True)
class WindowSettings:
    """Which window to cut, and where to read and write."""

    run_id: str
    job: str
    archive: StoreSettings
    stations: Stations
    out: StoreSettings
    window: str
    start_ns: int
    end_ns: int
    must_be_whole: bool
    data_tag: str
    parameters_id: str
    metadata: tuple[tuple[str, str], ...]
    ahead_bytes: int


@dataclass(frozen=True, eq=False)
class Cut:
    """What a channel has in the window."""

    pieces: list[Segment]
    lat: float | None
    lon: float | None
    notes: list[str]


def write_windows(settings: WindowSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`OUTCOMES`, one a channel and one a batch, for batches (columns ``batch``, ``channels``).

    A batch that is already written is not done again unless one of its windows may change by another try.
    """
    out, archive = open_store(settings.out), open_store(settings.archive)
    for batch in (row for rows in batches for row in rows.to_pylist()):
        outcomes = _recorded(settings, out, batch)
        if outcomes is None:
            outcomes = _write_batch(settings, out, archive, batch)
            give_back()
        date = to_datetime(settings.start_ns).date()
        yield OUTCOMES.batch({"run_id": settings.run_id, "job": settings.job, "date": date, **row} for row in outcomes)


def batch_key(table: Table, start: dt.datetime, batch: int) -> str:
    """The key of a batch's file of a table."""
    return f"{table.name}/year={start.year:04d}/month={start.month:02d}/{start:%Y%m%dT%H%M%S%f}-{batch:05d}.parquet"


def _recorded(settings: WindowSettings, out: Store, batch: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The outcomes of a batch that is written, of the same objects, and need not be done again."""
    key = batch_key(WF_TIME_SERIES, to_datetime(settings.start_ns), batch["batch"])
    try:
        record = recorded_unit(out, key)
    except (Missing, Corrupt):
        return None
    windows: list[dict[str, Any]] = record["outcomes"]
    if record["objects"] != _objects(batch) or any(row["outcome"] in RETRIED for row in windows):
        return None
    return [*windows, _batch_row(batch["batch"], key, windows, record["rows"], record["bytes_written"])]


def _objects(batch: dict[str, Any]) -> list[str]:
    return [item["s3key"] for channel in batch["channels"] for item in channel["objects"]]


def _write_batch(settings: WindowSettings, out: Store, archive: Store, batch: dict[str, Any]) -> list[dict[str, Any]]:
    start = to_datetime(settings.start_ns)
    key = batch_key(WF_TIME_SERIES, start, batch["batch"])
    outcomes: list[dict[str, Any]] = []
    live: list[dict[str, Any]] = []
    dead: list[dict[str, Any]] = []
    requests = [
        (item["s3key"], Channel(*(channel[code] for code in Channel._fields)), day_start_ns(item["date"]))
        for channel in batch["channels"]
        for item in channel["objects"]
    ]
    with TableFile(out, key, WF_TIME_SERIES, dict(settings.metadata)) as file:
        bodies = _read_ahead(settings, archive, requests)
        for channel in batch["channels"]:
            name = Channel(*(channel[code] for code in Channel._fields))
            fetched = [next(bodies) for _ in channel["objects"]]
            done = guard(functools.partial(_cut, settings, archive, name, channel["objects"], fetched))
            n_read = sum(item.n_fetched for item in fetched if isinstance(item, Records))
            row = {"kind": "window", "unit": f"{name}/{settings.window}", "outcome": str(done.outcome), "reason": done.reason,
                   "s3key": channel["objects"][0]["s3key"], "windows": 0, "bytes_read": n_read, "bytes_written": 0,
                   "seconds": done.seconds}  # fmt: skip
            if done.value is None:
                dead.append({"unit": row["unit"], **name._asdict(), "outcome": row["outcome"], "reason": row["reason"]})
            else:
                keys = ",".join(item["s3key"] for item in channel["objects"])
                rows = _rows(settings, name, done.value, keys)
                live += rows
                n_bytes = sum(len(item["samples"]) for item in rows)
                row |= {"windows": len(rows), "lat": done.value.lat, "lon": done.value.lon, "bytes_written": n_bytes}
                row |= {"reason": "; ".join(done.value.notes)}
            outcomes.append(row)
            if sum(len(item["samples"]) for item in live) > WRITE_BYTES:
                file.write_rows(live)
                live.clear()
        file.write_rows(live)
        _write_dead(settings, out, batch["batch"], dead)
        n_bytes = file.commit({"outcomes": outcomes, "rows": file.rows, "objects": _objects(batch)})
        return [*outcomes, _batch_row(batch["batch"], key, outcomes, file.rows, n_bytes)]


def _batch_row(batch: int, key: str, windows: list[dict[str, Any]], rows: int, n_bytes: int) -> dict[str, Any]:
    return {"kind": "window-file", "unit": f"batch/{batch}", "outcome": str(Outcome.OK), "reason": "", "s3key": key,
            "windows": rows, "windows_planned": len(windows), "bytes_read": 0, "bytes_written": n_bytes,
            "seconds": sum(row["seconds"] for row in windows)}  # fmt: skip


def _read_ahead(
    settings: WindowSettings, archive: Store, requests: list[tuple[str, Channel, int]]
) -> Iterator[Records | UnitError | None]:
    """What :func:`read_records` makes of each key in turn, several at a time; a UnitError is handed over, not raised.

    The stations' files are fetched beside, so that they are there when they are asked for.
    """

    def read(key: str, name: Channel, begins_ns: int) -> Records | UnitError | None:
        try:
            station_epochs(settings.stations, name.net, name.sta)
            span = Span(settings.start_ns, settings.end_ns)
            return read_records(archive, key, name, span, begins_ns=begins_ns, max_bytes=settings.ahead_bytes // IN_FLIGHT)
        except UnitError as error:
            return error
        except ValueError as error:
            return Corrupt(str(error))

    waiting: deque[Future[Records | UnitError | None]] = deque()
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="window") as pool:
        try:
            for request in requests:
                waiting.append(pool.submit(read, *request))
                if len(waiting) >= IN_FLIGHT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _cut(
    settings: WindowSettings,
    archive: Store,
    name: Channel,
    objects: list[dict[str, Any]],
    fetched: list[Records | UnitError | None],
) -> Cut:
    """A channel's pieces in the window; UnitError where there are none, or not what was asked for."""
    pieces, notes, troubles = [], [], []
    for item, found in zip(objects, fetched, strict=True):
        if isinstance(found, UnitError):
            troubles.append(found)
            continue
        try:
            body = archive.get(item["s3key"]) if found is None else found.body
            if not len(body):
                raise Corrupt(f"{item['s3key']}: 0 bytes")
            segments, remarks = select_channel(decode(body), name)
        except UnitError as error:
            troubles.append(error)
            continue
        pieces += cut(segments, settings.start_ns, settings.end_ns)
        notes += [remark for remark in remarks if remark not in notes]
    joined = join(sorted(pieces, key=lambda piece: piece.start_ns))
    if not joined:
        raise troubles[0] if troubles else Empty(f"no sample in the window from {settings.window} on")
    notes += [f"{error.outcome}: {error}" for error in troubles]
    if len(joined) > 1:
        notes.append(f"pieces: {len(joined)}")
    if settings.must_be_whole:
        expected = (settings.end_ns - settings.start_ns) / SECOND_NS * joined[0].rate
        if len(joined) > 1 or len(joined[0].samples) < expected - FULL:
            n_samples = sum(len(piece.samples) for piece in joined)
            raise Rejected(f"not whole: {n_samples} of {expected:.0f} samples in {len(joined)} pieces")
    of_index = objects[0]["lat"], objects[0]["lon"]
    lat, lon, remarks = coordinates(settings.stations, name, joined[0].start_ns, of_index)
    return Cut(joined, lat, lon, [*notes, *remarks])


def _rows(settings: WindowSettings, name: Channel, found: Cut, keys: str) -> list[dict[str, Any]]:
    """Rows of :data:`WF_TIME_SERIES` of a channel's pieces."""
    common = {**name._asdict(), "units": "counts", "data_tag": settings.data_tag, "window": settings.window, "lat": found.lat,
              "lon": found.lon, "s3key": keys, "parameters_id": settings.parameters_id, "encoding": "miniseed"}  # fmt: skip
    return [
        {
            **common,
            "id": f"{name}/{settings.window}/{number}",
            "starttime": to_datetime(piece.start_ns),
            "endtime": to_datetime(piece.end_ns - round(SECOND_NS / piece.rate)),
            "sampling_rate": piece.rate,
            "npts": len(piece.samples),
            "samples": pack(name, piece),
        }
        for number, piece in enumerate(found.pieces)
    ]


def _write_dead(settings: WindowSettings, out: Store, batch: int, dead: list[dict[str, Any]]) -> None:
    """The cemetery's file of a batch, before the file that commits the batch; what an earlier try left is gone."""
    start = to_datetime(settings.start_ns)
    key = batch_key(CEMETERY, start, batch)
    if not dead:
        out.delete([key])
        return
    common = {"starttime": start, "endtime": to_datetime(settings.end_ns), "data_tag": settings.data_tag,
              "parameters_id": settings.parameters_id}  # fmt: skip
    with TableFile(out, key, CEMETERY, dict(settings.metadata)) as file:
        file.write_rows([{**common, **row} for row in dead])
        file.commit({})
