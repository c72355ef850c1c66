"""What the report of a run of ``make_spectrograms`` shows, from its outcomes and tables: levels, days, and some clips."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from seisbatch.acquire.objects import Store
from seisbatch.names import Channel
from seisbatch.outcome import Outcome
from seisbatch.report.clip_sheet import ClipSheet, clip_sheet
from seisbatch.report.sound_levels import ChannelLevels, channel_levels
from seisbatch.schema import CEMETERY, CLIP, PSD, PSD_DAY, Table
from seisbatch.sinks.dataset import table_dataset

MOST_CHANNELS = 3
"""Channels whose levels are shown."""
MOST_LISTED = 1000
_FILE = re.compile(r"(?P<channel>[^/]+)-(?P<date>\d{8})(?:T[^/]*)?\.parquet")
"""The end of a key: the channel and the day that a file's rows are of."""


@dataclass(frozen=True)
class SoundDay:
    """A channel-day: hours recorded and asked for, clips, those left out, their median level [dB], and what is said of it."""

    channel: str
    date: dt.date
    hours: float
    planned_hours: float
    clips: int
    left_out: int
    rms: float | None
    remark: str


@dataclass(frozen=True, eq=False)
class SoundSection:
    """Levels by channel, some of the ``n_channels``; the first days of ``n_days``; and the clips' sheet."""

    levels: Sequence[ChannelLevels]
    n_channels: int
    days: Sequence[SoundDay]
    n_days: int
    sheet: ClipSheet | None


def sound_section(store: Store, outcomes: pa.Table) -> SoundSection:
    """All that is shown of a run, in the memory of some hundred MB whatever its length."""
    sheet = clip_sheet(store, list(_files(store, CLIP)))
    by_day = list(_files(store, PSD_DAY))
    by_minute = list(_files(store, PSD))
    names = sorted({name for name, *_ in by_day})
    levels = [
        channel_levels(
            store.settings,
            name,
            [(date, key) for of, date, key in by_day if of == name],
            [key for of, _, key in by_minute if of == name],
        )
        for name in names[:MOST_CHANNELS]
    ]
    days = _days(store, outcomes, sheet)
    return SoundSection([one for one in levels if one], len(names), days[:MOST_LISTED], len(days), sheet)


def _files(store: Store, table: Table) -> Iterator[tuple[str, dt.date, str]]:
    """The channel, the day and the key of a table's files."""
    for key, _ in store.list(f"{table.name}/"):
        if found := _channel_day(key):
            yield *found, key


def _channel_day(key: str) -> tuple[str, dt.date] | None:
    match = _FILE.fullmatch(key.rpartition("/")[2])
    return (match["channel"], dt.datetime.strptime(match["date"], "%Y%m%d").date()) if match else None


def _days(store: Store, outcomes: pa.Table, sheet: ClipSheet | None) -> list[SoundDay]:
    """The channel-days of a run, in order of channel and day."""
    clips: Counter[tuple[str, dt.date]] = Counter()
    of_clips = (pc.field("kind") == "batch") & pc.starts_with(pc.field("s3key"), f"{CLIP.name}/")
    for row in outcomes.filter(of_clips).select(["s3key", "windows"]).to_pylist():
        if day := _channel_day(row["s3key"]):
            clips[day] += row["windows"] or 0
    left_out = _left_out(store)
    medians = sheet.medians if sheet else {}
    columns = ["unit", "date", "outcome", "reason", "windows", "windows_planned"]
    days = []
    for row in outcomes.filter(pc.field("kind") == "channel-day").select(columns).to_pylist():
        name = row["unit"].partition("/")[0]
        day = (name, row["date"])
        said = row["reason"] if row["outcome"] == Outcome.OK else f"{row['outcome']}: {row['reason']}"
        hours, planned = ((row[column] or 0) / 3600 for column in ("windows", "windows_planned"))
        days.append(SoundDay(name, row["date"], hours, planned, clips[day], left_out[day], medians.get(day), said))
    return sorted(days, key=lambda day: (day.channel, day.date))


def _left_out(store: Store) -> Counter[tuple[str, dt.date]]:
    """Clips that were left out of what was recorded, by channel and day."""
    dataset = table_dataset(store.settings, CEMETERY)
    if dataset is None:
        return Counter()
    columns = {code: pc.field(code) for code in Channel._fields} | {"date": pc.field("starttime").cast(pa.date32())}
    touched = pc.field("outcome") != str(Outcome.EMPTY)  # of the others there is a row for all that are one after another
    groups = (
        dataset.to_table(columns=columns, filter=touched).group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()
    )
    return Counter({(".".join(row[code] for code in Channel._fields), row["date"]): row["count_all"] for row in groups})
