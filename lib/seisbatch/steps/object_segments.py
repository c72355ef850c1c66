"""Objects of an index in, outcomes out: the contiguous pieces that each holds, by the headers of its records."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.acquire.scan import RecordedPiece, scan
from seisbatch.outcome import Empty, UnitError, guard
from seisbatch.schema import INDEX, WF_MINISEED
from seisbatch.steps.batches import Batch, BatchFiles, BatchSettings, OutcomeRow, batch_key, unit_row, write_batches
from seisbatch.times import to_datetime

BATCH_OBJECTS = 512
"""Objects whose pieces share a file."""
IN_FLIGHT = 16
BATCHES = pa.schema(
    [
        ("name", pa.string()),
        ("objects", pa.list_(pa.struct([("s3key", pa.string()), ("date", pa.date32()), ("etag", pa.string())]))),
    ]
)
"""Batches of objects."""


@dataclass(frozen=True, kw_only=True)
class ObjectSegmentsSettings(BatchSettings):
    """Where the objects stand."""

    archive: StoreSettings
    layout: str
    ahead_bytes: int


def plan_objects(out: StoreSettings, months: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of the objects that the index's files of months (columns ``name``, ``days``) name on some days."""
    store = open_store(out)
    for month in (row for rows in months for row in rows.to_pylist()):
        data = store.get(batch_key(INDEX, month["name"]))
        table = pq.ParquetFile(pa.BufferReader(data)).read(columns=["s3key", "date", "etag"])
        days = set(month["days"])
        objects = sorted((row for row in table.to_pylist() if row["date"] in days), key=lambda row: (row["date"], row["s3key"]))
        folder = month["name"].rpartition("/")[0]
        batches = []
        for date, group in itertools.groupby(objects, key=lambda row: row["date"]):  # a day's own, whatever days are asked for
            of_day = list(group)
            batches += [
                {
                    "name": f"{folder}/objects-{date:%d}-{first // BATCH_OBJECTS:05d}",
                    "objects": of_day[first : first + BATCH_OBJECTS],
                }
                for first in range(0, len(of_day), BATCH_OBJECTS)
            ]
        yield pa.RecordBatch.from_pylist(batches, schema=BATCHES)


def write_segments(settings: ObjectSegmentsSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one an object and one a batch, for batches (columns ``name``, ``objects``)."""
    return write_batches(settings, (WF_MINISEED,), batches, _inputs, functools.partial(_scan_batch, settings))


def _inputs(batch: Batch) -> list[str]:
    return [f"{item['s3key']} {item['etag']}" for item in batch["objects"]]


def _scan_batch(settings: ObjectSegmentsSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    store = open_store(settings.archive)
    keys = [item["s3key"] for item in batch["objects"]]
    with store.fetch_ahead(keys, max_bytes=settings.ahead_bytes, max_in_flight=IN_FLIGHT) as bodies:
        for item, (key, body) in zip(batch["objects"], bodies, strict=True):
            done = guard(functools.partial(_pieces, body))
            common = {"archive": settings.layout, "s3key": key, "etag": item["etag"]}
            files.add(WF_MINISEED, [{**common, **_row(piece)} for piece in done.value or ()])
            n_read = 0 if isinstance(body, UnitError) else len(body)
            n_pieces = len(done.value or ())
            yield unit_row("object", key, done, key, windows=n_pieces, bytes_read=n_read, date=item["date"])
            del body


def _pieces(body: Any) -> list[RecordedPiece]:
    if isinstance(body, UnitError):
        raise body
    found = list(scan(body))
    if not found:
        raise Empty("no record of it holds samples")
    return found


def _row(piece: RecordedPiece) -> dict[str, Any]:
    return {
        **piece.name._asdict(),
        "starttime": to_datetime(piece.start_ns),
        "endtime": to_datetime(piece.last_ns),
        "sampling_rate": piece.rate,
        "npts": piece.n_samples,
        "foff": piece.offset,
        "nbytes": piece.n_bytes,
        "reclen": piece.record_bytes,
    }
