"""From what a run left on storage to its report page and its manifest."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from seisbatch import __version__
from seisbatch.acquire.objects import Store
from seisbatch.outcome import Outcome, RunError, plural
from seisbatch.report.page import Availability, RecordSection, RunReport, UnitRow, render
from seisbatch.report.section import record_section
from seisbatch.report.sound import sound_section
from seisbatch.report.waveforms import waveform_section
from seisbatch.schema import (
    CCF,
    CEMETERY,
    CHANNEL,
    CLIP,
    EXPORTS,
    INDEX,
    OUTCOMES,
    PSD,
    PSD_DAY,
    RESPONSE,
    SITE,
    SOURCE,
    STACK,
    WF_MINISEED,
    WF_TIME_SERIES,
)
from seisbatch.sinks.dataset import table_dataset
from seisbatch.steps.batches import MINISEED, WAVEFORMS, miniseed_key
from seisbatch.steps.export_files import EXPORT
from seisbatch.steps.sound_settings import CLIPS, LEVELS, LONG_TERM, SHARDS

REPORT_KEY = "report.html"
FILE_KINDS = ("tile", "source-group", "batch")
"""Units that are one file of a table, and of tables beside it."""
BESIDE = (CEMETERY, SITE, RESPONSE, PSD)
"""Tables whose files are named as those of the table that they are written with."""
ALL = (CCF, STACK, INDEX, WF_MINISEED, SOURCE, CHANNEL, WF_TIME_SERIES, EXPORTS, CLIP, PSD_DAY, *BESIDE)
OBJECTS = (MINISEED, EXPORT, WAVEFORMS, CLIPS, SHARDS, LEVELS, LONG_TERM)
"""Folders of objects that stand beside the tables."""
READING_KINDS = ("channel-day", "window", "file", "event", "object", "catalogue", "station-file")
LISTED_UNITS = 12
AVAILABILITY_ROWS = 400
AVAILABILITY_COLUMNS = 400
_CHANNEL_DAY = re.compile(
    r"(?P<name>year=(?P<year>\d{4})/month=(?P<month>\d\d)/(?P<channel>[^/]+)-\d{6}(?P<day>\d\d))\.parquet"
)
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class RunFacts:
    """What storage does not tell: which run it was, when it began, and what was planned."""

    job: str
    run_id: str
    parameters_id: str
    parameters: Mapping[str, Any]
    comments: Mapping[str, str]
    started: dt.datetime
    planned: Mapping[str, int]
    max_bad_fraction: float
    plot: str | None = None
    """Which waveforms the page shows."""
    documents: Mapping[str, Any] | None = None
    """What was written to MongoDB: the database, and by collection the documents and how many are new."""


def read_outcomes(store: Store) -> pa.Table:
    """The outcomes table, as it stands on storage."""
    dataset = table_dataset(store.settings, OUTCOMES)
    return dataset.to_table() if dataset else OUTCOMES.arrow().empty_table()


def reconcile(outcomes: pa.Table, planned: Mapping[str, int]) -> Counter[tuple[str, str]]:
    """Units by kind and outcome; RunError unless every planned unit has exactly one outcome."""
    for kind, number in planned.items():
        units = outcomes.filter(pc.field("kind") == kind)["unit"]
        distinct = pc.count_distinct(units).as_py()
        if not number == len(units) == distinct:
            raise RunError(
                f"{number} {plural(kind)} were planned, but there are {len(units)} outcomes of {distinct} units: "
                "please report this"
            )
    return _counted(outcomes)


def _counted(outcomes: pa.Table) -> Counter[tuple[str, str]]:
    """Units by kind and outcome. Rows are counted by Arrow: as Python's objects those of a large run would fill the memory."""
    groups = outcomes.group_by(["kind", "outcome"], use_threads=False).aggregate([([], "count_all")])
    return Counter({(row["kind"], row["outcome"]): row["count_all"] for row in groups.to_pylist()})


def remove_strangers(store: Store, outcomes: pa.Table) -> None:
    """Delete files and objects that no unit of this run wrote: an earlier try may have been planned from another index."""
    owned = set(outcomes.filter(pc.field("kind").isin(FILE_KINDS))["s3key"].to_pylist())
    beside = {key.partition("/")[2] for key in owned}
    for table in ALL:
        keys = [key for key, _ in store.list(f"{table.name}/")]
        store.delete([key for key in keys if key not in owned and (table not in BESIDE or key.partition("/")[2] not in beside)])
    objects = {miniseed_key(key.removesuffix(".parquet")) for key in beside}
    if exports := table_dataset(store.settings, EXPORTS):
        objects.update(exports.to_table(columns=["s3key"])["s3key"].to_pylist())
    if any(store.list(f"{WAVEFORMS}/")) and (segments := table_dataset(store.settings, WF_TIME_SERIES)):
        objects.update(pc.unique(segments.to_table(columns=["dfile"])["dfile"]).to_pylist())
    objects.update(_sound_objects(store, beside))
    for folder in OBJECTS:
        store.delete([key for key, _ in store.list(f"{folder}/") if key not in objects])


def _sound_objects(store: Store, beside: Iterable[str]) -> Iterator[str]:
    """Objects of clips that rows name, and those of channel-days, which are named as their files of ``psd_day`` are."""
    if clips := table_dataset(store.settings, CLIP):
        for column in ("sound_file", "picture_file"):
            yield from filter(None, pc.unique(clips.to_table(columns=[column])[column]).to_pylist())
    for key in beside:
        if match := _CHANNEL_DAY.fullmatch(key):
            yield f"{LEVELS}/{match['name']}.nc"
            yield f"{LONG_TERM}/{match['name']}.png"
            yield f"{CLIPS}/{match['year']}/{match['month']}/{match['day']}/{match['channel']}.manifest.json"


def write_report(store: Store, facts: RunFacts, outcomes: pa.Table) -> dict[str, Any]:
    """Write the report page of a run whose tables are complete; the manifest's contents."""
    finished = dt.datetime.now(dt.UTC)
    counts = _counted(outcomes)
    tables = _tables(store, outcomes)
    objects = _objects(store)
    channel_days = outcomes.filter(pc.field("kind") == "channel-day")
    seconds = (finished - facts.started).total_seconds()
    section = next(filter(None, (_section(store, facts, name) for name in tables)), None)
    page = RunReport(
        job=facts.job,
        run_id=facts.run_id,
        parameters_id=facts.parameters_id,
        version=__version__,
        started=facts.started,
        finished=finished,
        out=store.settings.root,
        max_bad_fraction=facts.max_bad_fraction,
        parameters=[(key, str(value), facts.comments.get(key, "")) for key, value in facts.parameters.items()],
        counts=_grouped(outcomes),
        planned=dict(facts.planned),
        availability=_availability(channel_days),
        stations=_stations(outcomes),
        paths=section[1] if section else [],
        section=section[0] if section else None,
        waveforms=waveform_section(store.settings, facts.plot) if facts.plot and WF_TIME_SERIES.name in tables else None,
        slowest=_units(outcomes.sort_by([("seconds", "descending")])),
        worst=_units(outcomes.filter(pc.field("outcome") != str(Outcome.OK))),
        totals=_totals(outcomes, seconds),
        written=[
            *((name, f"{store.settings.root}/{name}", table["files"], table["rows"]) for name, table in tables.items()),
            *((name, f"{store.settings.root}/{name}", told["files"], None) for name, told in objects.items()),
            *_documents(facts.documents),
        ],
        sound=sound_section(store, outcomes) if {CLIP.name, PSD_DAY.name} & tables.keys() else None,
    )
    store.put(REPORT_KEY, render(page).encode())
    kinds = sorted({kind for kind, _ in counts})
    return {
        "job": facts.job,
        "run_id": facts.run_id,
        "version": __version__,
        "parameters_id": facts.parameters_id,
        "parameters": dict(facts.parameters),
        "started": facts.started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "planned": dict(facts.planned),
        "outcomes": {kind: {outcome: n for (of, outcome), n in counts.items() if of == kind} for kind in kinds},
        "tables": tables,
        "objects": objects,
        "report": REPORT_KEY,
    }


def _tables(store: Store, outcomes: pa.Table) -> dict[str, dict[str, int]]:
    """Files, rows and bytes of every table that the tiles wrote, and of the outcomes themselves."""
    tables: dict[str, dict[str, int]] = {}
    for row in outcomes.filter(pc.field("kind").isin(FILE_KINDS) & (pc.field("bytes_written") > 0)).to_pylist():
        told = tables.setdefault(row["s3key"].partition("/")[0], {"files": 0, "rows": 0, "bytes": 0})
        told["files"] += 1
        told["rows"] += row["windows"]
        told["bytes"] += row["bytes_written"]
    for table in BESIDE:
        if dataset := table_dataset(store.settings, table):
            files = list(store.list(f"{table.name}/"))
            tables[table.name] = {"files": len(files), "rows": dataset.count_rows(), "bytes": sum(n for _, n in files)}
    files = list(store.list(f"{OUTCOMES.name}/"))
    tables[OUTCOMES.name] = {"files": len(files), "rows": outcomes.num_rows, "bytes": sum(n for _, n in files)}
    return tables


def _objects(store: Store) -> dict[str, dict[str, int]]:
    """Number and bytes of the objects beside the tables, by folder."""
    found = {folder: [size for _, size in store.list(f"{folder}/")] for folder in OBJECTS}
    return {folder: {"files": len(sizes), "bytes": sum(sizes)} for folder, sizes in found.items() if sizes}


def _grouped(outcomes: pa.Table) -> list[tuple[str, str, str, int]]:
    """Units by kind, outcome and reason; numbers in reasons are struck so that like ones fall together."""
    distinct = outcomes.group_by(["kind", "outcome", "reason"], use_threads=False).aggregate([([], "count_all")])
    groups: Counter[tuple[str, str, str]] = Counter()
    for row in distinct.to_pylist():
        groups[row["kind"], row["outcome"], _NUMBERS.sub("N", row["reason"])[:120]] += row["count_all"]
    return [(*key, number) for key, number in sorted(groups.items(), key=lambda item: (item[0][0], -item[1]))]


def _availability(channel_days: pa.Table) -> Availability | None:
    """Share of windows used by channel and day; by station and month where there are too many to see."""
    if not channel_days.num_rows:
        return None
    channels, row = _numbered(pc.replace_substring_regex(channel_days["unit"], "/.*", ""))
    days, column = _numbered(channel_days["date"])
    if len(channels) > AVAILABILITY_ROWS:
        channels = [".".join(name.split(".")[:2]) for name in channels]
    if len(days) > AVAILABILITY_COLUMNS:
        days = [day[:7] for day in days]
    labels, of_channel = np.unique(channels, return_inverse=True)
    dates, of_day = np.unique(days, return_inverse=True)
    row, column = of_channel[row], of_day[column]
    used = np.zeros((len(labels), len(dates)))
    planned, bad = np.zeros_like(used), np.zeros_like(used)
    np.add.at(used, (row, column), np.array(channel_days["windows"].fill_null(0)))
    np.add.at(planned, (row, column), np.maximum(1, np.array(channel_days["windows_planned"].fill_null(1))))
    np.add.at(bad, (row, column), np.array(pc.not_equal(channel_days["outcome"], str(Outcome.OK))))
    fraction = np.divide(used, planned, out=np.full_like(used, np.nan), where=planned > 0)
    return Availability(channels=list(labels), days=list(dates), fraction=fraction, bad=bad > 0)


def _stations(outcomes: pa.Table) -> list[tuple[str, float, float]]:
    located = outcomes.filter(pc.is_valid(pc.field("lat")) & pc.is_valid(pc.field("lon")))
    station = pc.replace_substring_regex(located["unit"], r"^([^.]*\.[^.]*)\..*$", r"\1")  # units of one channel
    places = located.select(["lat", "lon"]).append_column("station", station)
    last = places.group_by("station", use_threads=False).aggregate([("lat", "last"), ("lon", "last")])
    return sorted((row["station"], row["lat_last"], row["lon_last"]) for row in last.to_pylist())


def _numbered(column: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Distinct values as text, and of every row the number of its own."""
    values = pc.unique(column)
    return [str(value) for value in values.to_pylist()], np.array(pc.index_in(column, value_set=values), np.intp)


def _units(outcomes: pa.Table) -> list[UnitRow]:
    return [
        UnitRow(
            row["unit"] if row["kind"] == "channel-day" else f"{row['kind']} {row['unit']}",
            row["outcome"],
            row["reason"],
            row["seconds"],
            row["bytes_read"],
        )
        for row in outcomes.slice(0, LISTED_UNITS).to_pylist()
    ]


def _documents(documents: Mapping[str, Any] | None) -> Iterator[tuple[str, str, None, int]]:
    """What was written to MongoDB, as the page's table of what was written has it."""
    if not documents:
        return
    for name, told in documents["collections"].items():
        where = f"MongoDB's database {documents['database']}: documents, {told['new']:,} of them new"
        yield name, where, None, told["documents"]


def _totals(outcomes: pa.Table, seconds: float) -> list[tuple[str, str]]:
    """Labels and values: bytes, seconds and rates, by kind of unit."""
    fetched = pc.sum(outcomes.filter(pc.field("kind").isin(READING_KINDS))["bytes_read"]).as_py() or 0
    totals = [("Wall time", f"{seconds:,.1f} s")]
    if fetched:
        totals.append(("Archive read at", f"{fetched / 1e6 / seconds:,.1f} MB/s"))
    for kind in sorted(set(outcomes["kind"].to_pylist())):
        units = outcomes.filter(pc.field("kind") == kind)
        read, written, spent = (pc.sum(units[name]).as_py() or 0 for name in ("bytes_read", "bytes_written", "seconds"))
        totals += [
            (f"{plural(kind)}: read", f"{read / 1e6:,.1f} MB"),
            (f"{plural(kind)}: written", f"{written / 1e6:,.1f} MB"),
            (f"{plural(kind)}: time in units", f"{spent:,.1f} s"),
            (f"{plural(kind)}: mean of a unit", f"{1000 * spent / units.num_rows:,.0f} ms"),
        ]
    return totals


def _section(store: Store, facts: RunFacts, table: str) -> tuple[RecordSection, list[tuple[str, str, int]]] | None:
    known = {CCF.name: CCF, STACK.name: STACK}
    return record_section(store.settings, known[table], facts.parameters) if table in known else None
