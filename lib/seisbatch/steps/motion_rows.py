"""Batches of windows of ``wf_TimeSeries`` in, outcomes out: their segments of counts become ground motion, row by row."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from seisbatch.acquire.pack import pack
from seisbatch.names import Channel
from seisbatch.outcome import Rejected
from seisbatch.process.segments import Segment, nominal_rate
from seisbatch.schema import CEMETERY, WF_TIME_SERIES
from seisbatch.sinks.samples import MINISEED
from seisbatch.steps.batches import Batch, BatchFiles, OutcomeRow, write_batches
from seisbatch.steps.export_files import Done, Row
from seisbatch.steps.exports import ExportSettings, batch_inputs, write_groups
from seisbatch.steps.ground_motion import Motion, SpanNs, motion_of_segments, within
from seisbatch.steps.motion import responses_of
from seisbatch.steps.motion_objects import segment_columns
from seisbatch.steps.stations import Stations

COUNTS = "counts"


@dataclass(frozen=True, kw_only=True)
class RowMotionSettings(ExportSettings):
    """Which segments of which table, where their responses are, what becomes of them, and what is kept of the time."""

    responses: Stations
    motion: Motion
    span: SpanNs | None
    data_tag: str


def write_motion_of_rows(settings: RowMotionSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a window and one a batch, for batches (columns ``name``, ``groups``, ``parts``)."""
    work = functools.partial(_write_batch, settings)
    return write_batches(settings, (WF_TIME_SERIES, CEMETERY), batches, batch_inputs, work)


def _write_batch(settings: RowMotionSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    yield from write_groups(settings, batch, files, MotionWriter(settings, files))


class MotionWriter:
    """Segments as rows of their ground motion: a row keeps what it tells of its window, event and place."""

    def __init__(self, settings: RowMotionSettings, files: BatchFiles) -> None:
        self._settings, self._files = settings, files

    def add(self, label: str, row: Row, name: Channel, segment: Segment, records: bytes) -> list[str]:
        """What of a segment is left out, if anything.

        Raises Rejected of samples that are no counts, and what making ground motion of them raises.
        """
        settings = self._settings
        if row["units"] != COUNTS:
            raise Rejected(f"samples are {row['units']}, not {COUNTS}: the response is removed already")
        epochs = responses_of(settings.responses, name)
        made, notes = motion_of_segments(name, [segment], nominal_rate([segment]), epochs, settings.motion)
        pieces = within(made, settings.span)
        for number, piece in enumerate(pieces):
            self._files.add_segment(
                {
                    **{column: row[column] for column in WF_TIME_SERIES.names},
                    "id": row["id"] if len(pieces) == 1 else f"{row['id']}.{number}",
                    **segment_columns(piece, settings.motion),
                    "data_tag": settings.data_tag,
                    "parameters_id": settings.parameters_id,
                    "encoding": MINISEED,
                    "samples": pack(name, piece),
                    **dict.fromkeys(("dfile", "foff", "nbytes")),
                }
            )
        return [f"{name}: {note}" for note in notes]

    def finish(self) -> list[Done]:
        """All that was added is in the table."""
        return []
