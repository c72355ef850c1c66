"""Batches of events in, outcomes out: every trace of an event's object becomes rows, joined with the event and its station."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from seisbatch.acquire.miniseed import decode_each
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.acquire.pack import pack
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.outcome import Corrupt, Empty, Outcome, Rejected, Result, UnitError, guard
from seisbatch.process.segments import Segment
from seisbatch.schema import CEMETERY, WF_TIME_SERIES
from seisbatch.steps.batches import Batch, BatchFiles, BatchSettings, OutcomeRow, unit_row, write_batches
from seisbatch.steps.stations import Stations, site_of
from seisbatch.times import SECOND_NS, to_datetime

IN_FLIGHT = 4
EVENT_COLUMNS = {"source_id": "source_id", "source_time": "time", "source_lat": "lat", "source_lon": "lon",
                 "source_depth": "depth", "magnitude": "magnitude"}  # fmt: skip
"""Columns of a segment that tell its event, and those of ``source`` that they have."""


@dataclass(frozen=True, kw_only=True)
class EventSettings(BatchSettings):
    """Where events' objects and stations stand, and which channels to keep."""

    archive: StoreSettings
    stations: Stations
    channels: str
    data_tag: str
    ahead_bytes: int


def write_events(settings: EventSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one an event and one a batch, for batches (columns ``name``, ``events``: rows of ``SOURCE``)."""
    work = functools.partial(_extract_batch, settings)
    return write_batches(settings, (WF_TIME_SERIES, CEMETERY), batches, _inputs, work)


def _inputs(batch: Batch) -> list[str]:
    return [f"{event['source_id']} {event['s3key']}" for event in batch["events"]]


def _extract_batch(settings: EventSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    store = open_store(settings.archive)
    keys = [event["s3key"] for event in batch["events"] if event["s3key"]]
    with store.fetch_ahead(keys, max_bytes=settings.ahead_bytes, max_in_flight=IN_FLIGHT) as bodies:
        for event in batch["events"]:
            body = next(bodies)[1] if event["s3key"] else Rejected("its catalogue names no object with its waveforms")
            extraction = Extraction(settings, event, files)
            done = guard(functools.partial(extraction.run, body))
            if done.outcome is Outcome.OK:
                done = Result(None, Outcome.OK, extraction.told(), done.seconds)
            else:
                files.add(CEMETERY, [extraction.dead(None, event["time"], done.outcome, done.reason)])
            n_read = 0 if isinstance(body, UnitError) else len(body)
            yield unit_row("event", event["source_id"], done, event["s3key"], windows=extraction.n_rows, bytes_read=n_read,
                           bytes_written=extraction.n_bytes, date=event["time"].date())  # fmt: skip
            del body


class Extraction:
    """One event's traces on their way into rows."""

    def __init__(self, settings: EventSettings, event: Mapping[str, Any], files: BatchFiles) -> None:
        self._settings, self._event, self._files = settings, event, files
        self._patterns = ChannelPatterns(settings.channels)
        self._notes: Counter[str] = Counter()
        self._numbers: Counter[Channel] = Counter()
        self.n_rows = self.n_bytes = 0

    def run(self, body: Any) -> None:
        """Write every segment of the channels that are wanted; UnitError where there is none."""
        if isinstance(body, UnitError):
            raise body
        for name, found in decode_each(body):
            if not self._patterns.matches(name):
                continue
            if isinstance(found, Corrupt):
                self._notes["channels that cannot be decoded"] += 1
                self._files.add(CEMETERY, [self.dead(name, self._event["time"], found.outcome, str(found))])
                continue
            for segment in found:
                self._files.add_segment(self._row(name, segment))
        if not self.n_rows:
            raise Empty(f"no sample of --channels {self._settings.channels} in {self._event['s3key']}")

    def _row(self, name: Channel, segment: Segment) -> dict[str, Any]:
        site = site_of(self._settings.stations, name, segment.start_ns, (None, None))
        self._notes.update(f"segments with {note.rpartition(': ')[2]}" for note in site.notes)
        samples = pack(name, segment)
        number = self._numbers[name]
        self._numbers[name] += 1
        self.n_rows += 1
        self.n_bytes += len(samples)
        return {
            **name._asdict(),
            **site.columns(),
            **{ours: self._event[theirs] for ours, theirs in EVENT_COLUMNS.items()},
            "id": f"{name}/{self._event['source_id']}/{number}",
            "starttime": to_datetime(segment.start_ns),
            "endtime": to_datetime(segment.end_ns - round(SECOND_NS / segment.rate)),
            "sampling_rate": segment.rate,
            "npts": len(segment.samples),
            "units": "counts",
            "data_tag": self._settings.data_tag,
            "window": self._event["source_id"],
            "s3key": self._event["s3key"],
            "parameters_id": self._settings.parameters_id,
            "encoding": "miniseed",
            "samples": samples,
        }

    def dead(self, name: Channel | None, time: Any, outcome: Outcome, reason: str) -> dict[str, Any]:
        """A row of the cemetery: a channel of the event, or all of it."""
        codes = name._asdict() if name else dict.fromkeys(Channel._fields, "")
        unit = f"{name}/{self._event['source_id']}" if name else self._event["source_id"]
        return {"unit": unit, **codes, "starttime": time, "endtime": time, "data_tag": self._settings.data_tag,
                "outcome": str(outcome), "reason": reason, "parameters_id": self._settings.parameters_id}  # fmt: skip

    def told(self) -> str:
        """What is worth knowing of the event's traces."""
        told = [f"channels: {len(self._numbers)}", *(f"{what}: {number}" for what, number in self._notes.items())]
        return "; ".join(told)
