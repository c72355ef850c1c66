"""The plan of extracting events: batches of the events selected, month by month."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from seisbatch.acquire.objects import StoreSettings
from seisbatch.archives import ARCHIVES
from seisbatch.config import OptionError
from seisbatch.names import ChannelPatterns
from seisbatch.options import NOT_PARAMETERS, ExtractEvents
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.sources import read_sources, source_selection
from seisbatch.plan.stores import archive_stations, archive_store, layout_of, out_store, with_places
from seisbatch.plan.units import BatchPlan, Units
from seisbatch.report.waveforms import parse_plot
from seisbatch.schema import SOURCE
from seisbatch.steps.events import EventSettings
from seisbatch.steps.sources import SourceSelection
from seisbatch.steps.spectra import ahead_bytes
from seisbatch.steps.stations import Stations

RESULT_VERSION = 1
EVENT_BYTES = 20_000_000
"""An event's object, about, which is not asked for its size: a hundred channels of an hour or so."""
BATCH_EVENTS = 16
"""Events whose segments share a file."""


@dataclass(frozen=True, kw_only=True)
class EventsRun(RunIdentity):
    """Everything that a run of extract_events does, resolved from its options."""

    job = "extract_events"

    options: ExtractEvents
    is_sample: bool
    archive: StoreSettings
    stations: Stations
    selection: SourceSelection

    @property
    def source(self) -> str:
        """Where the data come from: results of other places never mix."""
        return self.archive.place

    @property
    def events(self) -> EventSettings:
        """Settings of the stage that extracts events."""
        return EventSettings(
            **self.names,
            format=self.options.format,
            archive=self.archive,
            stations=self.stations,
            channels=self.options.channels,
            data_tag=self.options.data_tag,
            ahead_bytes=ahead_bytes(self.options.memory),
        )


def events_run(options: ExtractEvents) -> EventsRun:
    """Resolve the options of extract_events; OptionError where they do not go together."""
    try:
        ChannelPatterns(options.channels)
        parse_plot(options.plot)
    except ValueError as error:
        raise OptionError(str(error)) from None
    if not ARCHIVES[layout_of(options)].DAY_INDEX_COLUMNS:
        raise OptionError(f"--archive {options.archive} holds no events: cut_windows --events takes them out of its day files")
    parameters = with_places({key: value for key, value in options.model_dump().items() if key not in NOT_PARAMETERS})
    return EventsRun(
        options=options,
        is_sample=options.archive == "sample" and options.root is None,
        archive=archive_store(options),
        stations=archive_stations(options),
        selection=source_selection(options, options.archive),
        out=out_store(options),
        parameters=parameters | {"batch": BATCH_EVENTS, "result_version": RESULT_VERSION},
    )


def events_plan(spark: SparkSession, run: EventsRun) -> BatchPlan:
    """Cut the selected events into batches; OptionError where none is selected, RunError where a catalogue cannot be read."""
    rows = read_sources(run.options, run.options.events, run.selection)
    batches: list[dict[str, Any]] = []
    for (year, month), of_month in itertools.groupby(rows, key=lambda row: (row["time"].year, row["time"].month)):
        events = list(of_month)
        batches += [
            {"name": f"year={year:04d}/month={month:02d}/events-{first // BATCH_EVENTS:05d}",
             "events": events[first : first + BATCH_EVENTS]}
            for first in range(0, len(events), BATCH_EVENTS)
        ]  # fmt: skip
    event = SOURCE.spark().simpleString()
    frame = spark.createDataFrame(batches, f"name string, events array<{event}>")
    return BatchPlan(
        batches=Units("event", frame, len(batches), len(rows) + len(batches)),
        planned={"event": len(rows), "batch": len(batches)},
        told=[
            ("events", f"{len(rows):,} from {rows[0]['time']:%Y-%m-%d %H:%M} to {rows[-1]['time']:%Y-%m-%d %H:%M}"),
            ("tasks", f"{len(batches):,} batches of up to {BATCH_EVENTS} events"),
            *priced(events_cost(len(rows), len(batches)), is_small=True),
        ],
    )


def events_cost(n_events: int, n_batches: int) -> Cost:
    """Of events' objects, fetched whole, decoded, and their records written again."""
    n_bytes = n_events * EVENT_BYTES
    return run_cost(n_batches, n_bytes / max(1, n_batches), n_batches) + Cost(
        work={"decode_mb": 2 * n_bytes / 1e6}, gets=n_events, read_bytes=n_bytes
    )
