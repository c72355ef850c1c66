"""Which events are wanted, and catalogue files in, outcomes out."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from seisbatch.acquire.geodesy import distance_azimuths
from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.archives.layout import IndexedLayout
from seisbatch.outcome import Missing, Outcome, Result, guard
from seisbatch.schema import SOURCE
from seisbatch.steps.batches import Batch, BatchFiles, BatchSettings, OutcomeRow, unit_row, write_batches
from seisbatch.steps.catalogue import Rows, read_catalogue
from seisbatch.times import from_datetime

SHOWN_PROBLEMS = 3
Box = tuple[float, float, float, float]
Circle = tuple[float, float, float]


@dataclass(frozen=True)
class SourceSelection:
    """Events in a half-open span of time, within limits, in a region; None where there is no limit.

    ``region`` is a box (west, east, south, north) or a circle (latitude, longitude, radius in km). An event without a depth or
    a magnitude is outside any limit of it.
    """

    start_ns: int | None = None
    end_ns: int | None = None
    min_magnitude: float | None = None
    max_magnitude: float | None = None
    min_depth: float | None = None
    max_depth: float | None = None
    region: Box | Circle | None = None
    event_ids: frozenset[str] = frozenset()

    def wants(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of ``SOURCE`` is selected."""
        return (
            _within(from_datetime(row["time"]), self.start_ns, None if self.end_ns is None else self.end_ns - 1)
            and _within(row["magnitude"], self.min_magnitude, self.max_magnitude)
            and _within(row["depth"], self.min_depth, self.max_depth)
            and (not self.event_ids or row["event_id"] in self.event_ids)
            and self._is_inside(row["lat"], row["lon"])
        )

    def _is_inside(self, lat: float, lon: float) -> bool:
        if self.region is None:
            return True
        if len(self.region) == 3:
            return distance_azimuths(self.region[0], self.region[1], lat, lon)[0] <= self.region[2]
        west, east, south, north = self.region
        return south <= lat <= north and (lon - west) % 360 <= (east - west) % 360


def parse_region(text: str) -> Box | Circle:
    """A region from ``WEST,EAST,SOUTH,NORTH`` or ``circle:LAT,LON,KM``.

    >>> parse_region("-119,-116,33,36")
    (-119.0, -116.0, 33.0, 36.0)
    """
    word, colon, numbers = text.rpartition(":")
    try:
        values = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        values = ()
    if word == "circle" and len(values) == 3 and abs(values[0]) <= 90 and abs(values[1]) <= 360 and values[2] > 0:
        return values
    if not colon and len(values) == 4 and values[2] < values[3] and max(map(abs, values[:2])) <= 360:
        return values
    raise ValueError(f"{text!r} is no region: write WEST,EAST,SOUTH,NORTH or circle:LAT,LON,KM")


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


@dataclass(frozen=True, kw_only=True)
class CatalogueSettings(BatchSettings):
    """Which catalogues to read, and which of their events to keep."""

    catalogue: StoreSettings
    layout: str
    selection: SourceSelection


def write_sources(settings: CatalogueSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a catalogue file and one a batch, for batches (columns ``name``, ``date``, ``keys``).

    ``keys`` are the names that one catalogue may have, the likeliest first.
    """
    return write_batches(settings, (SOURCE,), batches, lambda batch: batch["keys"], functools.partial(_load, settings))


def _load(settings: CatalogueSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    store = open_store(settings.catalogue)
    done = guard(functools.partial(read_any, store, batch["keys"], settings.layout))
    key, n_bytes, wanted = batch["keys"][0], 0, []
    if done.value is not None:
        key, n_bytes, (rows, problems) = done.value
        wanted = [row for row in rows if settings.selection.wants(row)]
        files.add(SOURCE, wanted)
        done = Result(done.value, Outcome.OK, told(len(rows), problems), done.seconds)
    yield unit_row("catalogue", batch["name"], done, key, windows=len(wanted), bytes_read=n_bytes, date=batch["date"])


def told(n_events: int, problems: Sequence[str]) -> str:
    """What is worth knowing of a catalogue."""
    more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
    left_out = f", {len(problems)} left out: {'; '.join(problems[:SHOWN_PROBLEMS])}{more}" if problems else ""
    return f"of {n_events:,} events" + left_out


def read_any(store: Store, keys: Sequence[str], layout: str) -> tuple[str, int, Rows]:
    """The first of some keys that is there, its size, and what :func:`read_catalogue` makes of it; else Missing."""
    archive = ARCHIVES[layout]
    event_key = cast(IndexedLayout, archive).event_key if archive.DAY_INDEX_COLUMNS else None
    for number, key in enumerate(keys):
        try:
            return key, store.size(key), read_catalogue(store, key, event_key)
        except Missing:
            if number == len(keys) - 1:
                raise
    raise Missing("no catalogue")
