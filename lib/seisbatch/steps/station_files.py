"""Batches of StationXML files in, outcomes out: every station, channel and response becomes a row."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from seisbatch.acquire.inventory import Inventory, read_inventory
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.outcome import Outcome, Result, UnitError, guard
from seisbatch.schema import CHANNEL, RESPONSE, SITE
from seisbatch.steps.batches import Batch, BatchFiles, BatchSettings, OutcomeRow, unit_row, write_batches

IN_FLIGHT = 32
AHEAD_BYTES = 64_000_000
SHOWN_PROBLEMS = 3


@dataclass(frozen=True, kw_only=True)
class StationFilesSettings(BatchSettings):
    """Which files to read, and which of their channels to keep."""

    stations: StoreSettings
    channels: str


def write_stations(settings: StationFilesSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a file and one a batch, for batches (columns ``name``, ``keys``)."""
    tables = (CHANNEL, SITE, RESPONSE)
    return write_batches(settings, tables, batches, lambda batch: batch["keys"], functools.partial(_load_batch, settings))


def _load_batch(settings: StationFilesSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    store = open_store(settings.stations)
    patterns = ChannelPatterns(settings.channels)
    with store.fetch_ahead(batch["keys"], max_bytes=AHEAD_BYTES, max_in_flight=IN_FLIGHT) as bodies:
        for key, body in bodies:
            done = guard(functools.partial(_selected, body, key, patterns))
            n_read = 0 if isinstance(body, UnitError) else len(body)
            found = done.value or Inventory()
            for table, rows in ((SITE, found.sites), (CHANNEL, found.channels), (RESPONSE, found.responses)):
                files.add(table, rows)
            row = unit_row("station-file", key, _judged(done), key, windows=len(found.channels), bytes_read=n_read)
            yield row


def _selected(body: Any, key: str, patterns: ChannelPatterns) -> Inventory:
    """The rows of a file that match the patterns."""
    if isinstance(body, UnitError):
        raise body
    found = read_inventory(body)
    found.channels = [row for row in found.channels if patterns.matches(Channel(*(row[code] for code in Channel._fields)))]
    ids = {row["channel_id"] for row in found.channels}
    sites = {row["site_id"] for row in found.channels}
    found.responses = [row | {"s3key": key} for row in found.responses if row["channel_id"] in ids]
    found.sites = [row | {"s3key": key} for row in found.sites if row["site_id"] in sites or patterns.text == "*.*.*.*"]
    found.channels = [row | {"s3key": key} for row in found.channels]
    return found


def _judged(done: Result[Inventory]) -> Result[Inventory]:
    """A file of which a part could not be read is rejected, with what is wrong; the rest of it is loaded."""
    if done.value is None:
        return done
    if not (problems := done.value.problems):
        return done if done.value.channels else Result(None, Outcome.OK, "no channel of it matches --channels", done.seconds)
    more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
    return Result(None, Outcome.REJECTED, "in part: " + "; ".join(problems[:SHOWN_PROBLEMS]) + more, done.seconds)
