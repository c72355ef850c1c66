"""Days of an archive in, its index out: read from the archive's own, or listed; a day that cannot have changed is left.

A month is a file. Its record says of every day from what it was made, so that a later run reads or lists just the days
that may be different by now.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.archives.layout import IndexedLayout
from seisbatch.names import ChannelPatterns
from seisbatch.outcome import RETRIED, Corrupt, Empty, Missing, Outcome, Result, UnitError, guard
from seisbatch.schema import INDEX, OUTCOMES
from seisbatch.sinks.parquet import TableFile, recorded_unit
from seisbatch.steps.batches import BatchSettings, OutcomeRow, batch_key, unit_row
from seisbatch.steps.index import Listing, channel_days

SHOWN_PROBLEMS = 3
LISTED = "listed when it had settled"
OPEN = "listed when it might still change"


@dataclass(frozen=True, kw_only=True)
class ArchiveIndexSettings(BatchSettings):
    """Which archive to index, which channels, and from which day on a listing may still change."""

    archive: StoreSettings
    layout: str
    channels: str
    unsettled_from: dt.date


def write_index(settings: ArchiveIndexSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a day and one a month, for months (columns ``name``, ``days``)."""
    out = open_store(settings.out)
    listing = Listing(open_store(settings.archive), ARCHIVES[settings.layout])
    for batch in (row for rows in batches for row in rows.to_pylist()):
        month = Month(settings, out, listing, batch["name"])
        rows = month.update(batch["days"])
        yield OUTCOMES.batch({"run_id": settings.run_id, "job": settings.job, **row} for row in rows)


class Month:
    """A month's file of the index."""

    def __init__(self, settings: ArchiveIndexSettings, out: Store, listing: Listing, name: str) -> None:
        self._settings, self._out, self._listing = settings, out, listing
        self._key = batch_key(INDEX, name)
        self._name = name
        self._days: dict[str, dict[str, Any]] = {}
        try:
            self._days = recorded_unit(out, self._key)["days"]
        except (Missing, Corrupt, KeyError):
            pass  # not written yet, or not whole: every day is done

    def update(self, days: list[dt.date]) -> list[OutcomeRow]:
        """Bring days up to date; their outcomes, and the file's."""
        patterns = ChannelPatterns(self._settings.channels)
        fresh: dict[str, list[dict[str, Any]]] = {}
        for day in days:
            version = self._version(day)
            known = self._days.get(day.isoformat())
            if known and known["version"] == version != OPEN and known["outcome"]["outcome"] not in RETRIED:
                continue
            rows, outcome = self._day(day, patterns)
            fresh[day.isoformat()] = rows
            self._days[day.isoformat()] = {"version": version, "outcome": outcome}
        n_rows, n_bytes = self._write(fresh) if fresh else self._there()
        outcomes = [{**self._days[day.isoformat()]["outcome"], "date": day} for day in days]
        told = f"{len(fresh)} of {len(days)} days read anew"
        done: Result[None] = Result(None, Outcome.OK, told, sum(row["seconds"] for row in outcomes))
        batch = unit_row("batch", f"batch/{self._name}", done, self._key, windows=n_rows, windows_planned=len(days),
                         bytes_written=n_bytes, date=min(days))  # fmt: skip
        return [*outcomes, batch]

    def _version(self, day: dt.date) -> str:
        """From what a day's rows are made: the version of the archive's own index of it, or whether it had settled."""
        layout = self._listing.layout
        if not layout.DAY_INDEX_COLUMNS:
            return LISTED if day < self._settings.unsettled_from else OPEN
        for form in ("parquet", "csv"):
            try:
                return f"{form} {self._listing.store.version(cast(IndexedLayout, layout).day_index_key(day, form))}"
            except Missing:
                continue
            except UnitError as error:
                return f"{error.outcome}: {error}"  # reading it will tell
        return "no index"

    def _day(self, day: dt.date, patterns: ChannelPatterns) -> tuple[list[dict[str, Any]], OutcomeRow]:
        done = guard(lambda: _rows(self._listing, self._settings.layout, day, patterns))
        rows, reason = done.value or ([], done.reason)
        row = unit_row("day", f"index/{day}", Result(None, done.outcome, reason, done.seconds), "", windows=len(rows))
        return rows, row

    def _there(self) -> tuple[int, int]:
        record = recorded_unit(self._out, self._key)
        return int(record["rows"]), int(record["bytes_written"])

    def _write(self, fresh: Mapping[str, list[dict[str, Any]]]) -> tuple[int, int]:
        """Write the file: the rows of days that are new, and of the others what was there."""
        kept: list[dict[str, Any]] = []
        if any(day not in fresh for day in self._days):
            table = pq.ParquetFile(pa.BufferReader(self._out.get(self._key))).read()
            kept = [row for row in table.to_pylist() if row["date"].isoformat() not in fresh]
        rows = sorted(
            (*kept, *(row for of_day in fresh.values() for row in of_day)), key=lambda row: (row["date"], row["s3key"])
        )
        with TableFile(self._out, self._key, INDEX, dict(self._settings.metadata)) as file:
            file.write_rows(rows)
            return len(rows), file.commit({"days": self._days, "rows": len(rows)})


def _rows(listing: Listing, layout: str, day: dt.date, patterns: ChannelPatterns) -> tuple[list[dict[str, Any]], str]:
    """Rows of ``INDEX`` of a day, and what is worth knowing; the UnitError that reading the archive's index ended with."""
    found = channel_days(listing, day, patterns)
    problems = [row for row in found if row.get("outcome")]
    rows = [_index_row(layout, row) for row in found if not row.get("outcome")]
    if not rows and len(problems) == 1 and problems[0]["unit"] in (f"index/{day}", f"listing/{day}"):
        error = UnitError(problems[0]["reason"])
        error.outcome = Outcome(problems[0]["outcome"])
        raise error
    if not rows:
        raise Empty("no object of the day")
    told = "; ".join(row["reason"] for row in problems[:SHOWN_PROBLEMS])
    more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
    return rows, f"{len(problems)} left out: {told}{more}" if problems else ""


def _index_row(layout: str, row: Mapping[str, Any]) -> dict[str, Any]:
    date: dt.date = row["date"]
    return {**row, "archive": layout, "year": date.year, "day": date.timetuple().tm_yday}
