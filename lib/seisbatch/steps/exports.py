"""Batches of windows, channels or files of ``wf_TimeSeries`` in, outcomes out: their segments become files of other formats."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.names import Channel, ChannelPatterns, channel
from seisbatch.outcome import RETRIED, Corrupt, Outcome, Result, UnitError, guard
from seisbatch.schema import CEMETERY, EXPORT_PARTS, EXPORTS, WF_TIME_SERIES
from seisbatch.sinks.dataset import parquet_file, reading_error
from seisbatch.sinks.samples import Records, segment_of, with_records
from seisbatch.steps.batches import Batch, BatchFiles, BatchSettings, OutcomeRow, unit_row, write_batches
from seisbatch.steps.export_files import ExportedFile, Writer, writer_of
from seisbatch.steps.station_tables import StationRowsPlace, station_tables
from seisbatch.times import from_datetime

READ_ROWS = 64
KEYS = ("window", *Channel._fields, "starttime", "endtime", "npts", "source_id", "data_tag")
"""Columns that say whether a segment is selected, and which group it is of."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class SegmentSelection:
    """Segments of some channels, events (all where there is none) and a data set that touch a half-open span of time."""

    channels: str
    source_ids: frozenset[str]
    data_tag: str | None
    start_ns: int | None
    end_ns: int | None

    @functools.cached_property
    def _patterns(self) -> ChannelPatterns:
        return ChannelPatterns(self.channels)

    def wants(self, row: Row) -> bool:
        """Whether a row of ``wf_TimeSeries`` is selected."""
        return (
            (not self.source_ids or row["source_id"] in self.source_ids)
            and (self.data_tag is None or row["data_tag"] == self.data_tag)
            and (self.start_ns is None or from_datetime(row["endtime"]) >= self.start_ns)
            and (self.end_ns is None or from_datetime(row["starttime"]) < self.end_ns)
            and self._patterns.matches(Channel(*(row[code] for code in Channel._fields)))
        )


@dataclass(frozen=True, kw_only=True)
class ExportSettings(BatchSettings):
    """Which segments to export out of which table, as what (``to``), and by what they are grouped: window, channel or batch."""

    waveforms: StoreSettings
    stations: StationRowsPlace | None
    selection: SegmentSelection
    group: str
    to: str
    may_lose: bool = False
    """Whether a group is ok with a part of its segments, where no other try may find the rest."""

    @property
    def kind(self) -> str:
        """What a group is as a unit of the run."""
        return "window" if self.group == "window" else "file"


def read_parts(settings: ExportSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``EXPORT_PARTS`` for files of the table (columns ``s3key``, ``version``): what of them is selected."""
    for batch in batches:
        for file in batch.to_pylist():
            common = {**file, "month": file["s3key"].partition("/")[2].rpartition("/")[0]}
            done = guard(functools.partial(_parts, settings, file["s3key"]))
            parts = [{"outcome": str(done.outcome), "reason": done.reason}] if done.value is None else done.value
            yield EXPORT_PARTS.batch({**common, **part} for part in parts)


def _parts(settings: ExportSettings, key: str) -> list[dict[str, Any]]:
    found: dict[tuple[int, str], dict[str, Any]] = {}
    try:
        with parquet_file(settings.waveforms, key) as file:
            for number in range(file.num_row_groups):
                for row in file.read_row_group(number, columns=list(KEYS)).to_pylist():
                    if settings.selection.wants(row):
                        label = _label(settings.group, row, key)
                        part = found.setdefault((number, label), {"row_group": number, "label": label, "rows": 0, "samples": 0})
                        part["first"] = min(part.get("first", row["starttime"]), row["starttime"])
                        part["rows"] += 1
                        part["samples"] += row["npts"]
    except (pa.ArrowException, OSError) as error:
        raise reading_error(key, error) from error
    return list(found.values())


def _label(group: str, row: Row, key: str) -> str:
    match group:
        case "window":
            return str(row["window"])
        case "channel":
            return ".".join(row[code] for code in Channel._fields)
        case _:
            return key.rpartition("/")[2].removesuffix(".parquet")


def write_exports(settings: ExportSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a group of segments and one a batch, for batches (columns ``name``, ``groups``, ``parts``).

    A group is a window or event, a channel of a month, or a file of the table; the parts are the row groups that hold them.
    """
    return write_batches(settings, (EXPORTS, CEMETERY), batches, batch_inputs, functools.partial(_export_batch, settings))


def batch_inputs(batch: Batch) -> list[str]:
    groups = [f"{group['label']} {group['rows']}" for group in batch["groups"]]
    return [*groups, *(f"{part['s3key']} {part['row_group']} {part['version']}" for part in batch["parts"])]


@dataclass(eq=False)
class Group:
    """What is known of a group: how many segments were planned and found, and why some of them are not written."""

    planned: int
    found: int = 0
    lost: int = 0
    n_read: int = 0
    n_written: int = 0
    seconds: float = 0.0
    troubles: list[tuple[Outcome, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lose(self, number: int, outcome: Outcome, reason: str) -> None:
        """Some of its segments are not written."""
        self.lost += number
        self.troubles.append((outcome, reason))

    def result(self, may_lose: bool) -> Result[None]:
        """What became of it, by the first of its troubles; one that another try may change comes before the others."""
        if not self.troubles:
            return Result(None, Outcome.OK, "; ".join(dict.fromkeys(self.notes)), self.seconds)
        outcome, reason = _worst(self.troubles)
        if self.lost >= self.planned:
            return Result(None, outcome, reason, self.seconds)
        part = f"{self.lost} of {self.planned} segments"
        if may_lose and outcome not in RETRIED:
            return Result(None, Outcome.OK, f"{part} {outcome}: {reason}", self.seconds)
        return Result(None, outcome, f"{part}: {reason}", self.seconds)


def _worst(troubles: Sequence[tuple[Outcome, str]]) -> tuple[Outcome, str]:
    return next((trouble for trouble in troubles if trouble[0] in RETRIED), troubles[0])


def _export_batch(settings: ExportSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    stations = None if settings.stations is None else station_tables(settings.stations)
    with writer_of(settings.to, files, batch["name"], stations) as writer:
        yield from write_groups(settings, batch, files, writer)


def write_groups(settings: ExportSettings, batch: Batch, files: BatchFiles, writer: Writer) -> Iterator[OutcomeRow]:
    """Hand the segments of a batch to a writer; outcomes of the groups. What cannot be written has a row of the cemetery."""
    groups = {group["label"]: Group(group["rows"]) for group in batch["groups"]}
    unread: list[tuple[Outcome, str]] = []
    rows = with_records(open_store(settings.waveforms), _rows(settings, batch["parts"], groups, unread))
    for row, records in rows:
        group = groups[row["label"]]
        done = guard(functools.partial(_write, writer, row, records))
        group.found += 1
        group.seconds += done.seconds
        group.n_read += len(records) if isinstance(records, bytes) else 0
        if done.outcome is not Outcome.OK:
            group.lose(1, done.outcome, done.reason)
            files.add(CEMETERY, [_dead(settings, row, done)])
        group.notes += done.value or ()
    for file, put in writer.finish():
        _account(settings, file, put, groups, files)
    month = batch["name"].rpartition("/")[0].replace("year=", "").replace("/month=", "-")
    for planned in batch["groups"]:
        group = groups[planned["label"]]
        if gone := group.planned - group.found:
            changed = (Outcome.CORRUPT, "the table is not what it was when this was planned")
            group.lose(gone, *_worst(unread or [changed]))
        result, told = (
            group.result(settings.may_lose),
            {"windows": group.planned - group.lost, "windows_planned": group.planned},
        )
        yield unit_row(settings.kind, f"{planned['label']}/{month}", result, "", bytes_read=group.n_read,
                       bytes_written=group.n_written, date=planned["first"].date(), **told)  # fmt: skip


def _rows(
    settings: ExportSettings, parts: Sequence[Mapping[str, Any]], groups: Mapping[str, Group], unread: list[tuple[Outcome, str]]
) -> Iterator[Row]:
    """Rows of the table that are selected and of some groups, each with its group's ``label``; what cannot be read is told."""
    for part in parts:
        key = part["s3key"]
        try:
            with parquet_file(settings.waveforms, key) as file:
                for batch in file.iter_batches(READ_ROWS, row_groups=[part["row_group"]]):
                    labels = [_label(settings.group, row, key) for row in batch.select(list(KEYS)).to_pylist()]
                    chosen = batch.filter(pa.array([label in groups for label in labels])).to_pylist()
                    for label, row in zip((label for label in labels if label in groups), chosen, strict=True):
                        if settings.selection.wants(row):
                            yield {**dict.fromkeys(WF_TIME_SERIES.names), **row, "label": label}
        except (pa.ArrowException, OSError) as error:
            judged = reading_error(key, error)
            unread.append((judged.outcome, str(judged)))


def _write(writer: Writer, row: Row, records: Records) -> Sequence[str] | None:
    if isinstance(records, UnitError):
        raise records
    segment = segment_of(row, records)
    try:
        name = channel(*(row[code] for code in Channel._fields))
    except ValueError as error:
        raise Corrupt(str(error)) from None
    return writer.add(row["label"], row, name, segment, records)


def _account(
    settings: ExportSettings, file: ExportedFile, put: Result[int], groups: Mapping[str, Group], files: BatchFiles
) -> None:
    """Write a file's row of ``exports``; or tell the groups in it that it could not be put."""
    for label, number in file.segments.items():
        if put.value is None:
            groups[label].lose(number, put.outcome, put.reason)
        else:
            groups[label].n_written += put.value * number // file.columns["segments"]
            groups[label].notes += [put.reason] if put.reason else []
    if put.value is not None:
        told = {"s3key": file.key, "format": settings.to, "nbytes": put.value, "parameters_id": settings.parameters_id}
        files.add(EXPORTS, [{**file.columns, **told}])


def _dead(settings: ExportSettings, row: Row, done: Result[Any]) -> dict[str, Any]:
    """A segment's row of the cemetery."""
    kept = {column: row[column] for column in (*Channel._fields, "starttime", "endtime", "data_tag")}
    return {**kept, "unit": row["id"], "outcome": str(done.outcome), "reason": done.reason,
            "parameters_id": settings.parameters_id}  # fmt: skip
