"""Recordings whose names tell no time in, rows of RECORDING out: their first records tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from seisbatch.acquire.objects import Part, StoreSettings, open_store
from seisbatch.acquire.sound import HEAD_BYTES, recording_header
from seisbatch.names import Channel
from seisbatch.outcome import Rejected, UnitError, guard
from seisbatch.schema import RECORDING

IN_FLIGHT = 32
"""Objects whose beginnings a worker fetches at a time."""
NO_TIME = "no time in its name: --time-pattern tells how it stands there"


@dataclass(frozen=True)
class RecordingTimesSettings:
    """Where recordings are read, and the channel that is wanted of them."""

    archive: StoreSettings
    name: Channel


def read_recording_times(settings: RecordingTimesSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`RECORDING` for objects (columns ``s3key``, ``size``, ``version``), whose first bytes are read.

    The row of an object that cannot be read, tells no time, or is known to hold other channels alone has its outcome.
    """
    store = open_store(settings.archive)
    for rows in batches:
        objects = rows.to_pylist()
        parts = [Part(row["s3key"], ((0, HEAD_BYTES),)) for row in objects]
        with store.fetch_ahead(parts, max_bytes=IN_FLIGHT * HEAD_BYTES, max_in_flight=IN_FLIGHT) as heads:
            yield RECORDING.batch(_row(settings.name, row, head) for row, (_, head) in zip(objects, heads, strict=True))


def _row(name: Channel, row: Mapping[str, Any], head: Any) -> dict[str, Any]:
    done = guard(lambda: _start_ns(name, row, head))
    told = (
        {"outcome": None, "reason": None} if done.value is not None else {"outcome": str(done.outcome), "reason": done.reason}
    )
    return {**row, **name._asdict(), "unit": row["s3key"], "start_ns": done.value, **told}


def _start_ns(name: Channel, row: Mapping[str, Any], head: Any) -> int:
    if isinstance(head, UnitError):
        raise head
    header = recording_header(head, row["s3key"], name)
    if header.start_ns is None:
        raise Rejected(NO_TIME)
    if name not in header.channels and len(head) < HEAD_BYTES:  # the object is no longer than its head
        raise Rejected(f"no channel {name} in it: it holds {', '.join(map(str, header.channels))}")
    return header.start_ns
