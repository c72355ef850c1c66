"""Periods of CCFs in, stacks out: reads the CCFs of a batch of sources over a period, writes the stacks of their pairs."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.outcome import Corrupt, Missing, guard
from seisbatch.schema import CCF, OUTCOMES, ROW_GROUPS, STACK
from seisbatch.sinks.dataset import parquet_file, samples_matrix
from seisbatch.sinks.parquet import TableFile, recorded_unit
from seisbatch.steps.memory import give_back
from seisbatch.times import day_start_ns, to_datetime

CHUNK_ROWS = 2000


@dataclass(frozen=True)
class StackSettings:
    """Where CCFs are read, which of them are stacked, and where the stacks go."""

    run_id: str
    job: str
    ccfs: StoreSettings
    out: StoreSettings
    channels: str
    start: dt.date
    end: dt.date
    parameters_id: str
    metadata: tuple[tuple[str, str], ...]


def channel_key(role: str) -> pc.Expression:
    """NET.STA.LOC.CHA of a CCF's source or receiver, as an expression over its columns."""
    return pc.binary_join_element_wise(*(pc.field(f"{role}_{code}") for code in Channel._fields), ".")


def read_row_groups(ccfs: StoreSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`ROW_GROUPS` for CCF files (column ``s3key``): what each of their row groups holds."""
    columns = [name for name in CCF.names if name.startswith("source_") and name[7:] in Channel._fields]
    for batch in batches:
        for key in batch.column("s3key").to_pylist():
            with parquet_file(ccfs, key) as file:
                rows = []
                for number in range(file.num_row_groups):
                    table = file.read_row_group(number, columns=["date", *columns])
                    sources = [".".join(codes) for codes in zip(*(table[name].to_pylist() for name in columns), strict=True)]
                    dates = pc.min_max(table["date"]).as_py()
                    rows.append(
                        {
                            "s3key": key,
                            "row_group": number,
                            "source_first": min(sources),
                            "source_last": max(sources),
                            "date_first": dates["min"],
                            "date_last": dates["max"],
                            "rows": table.num_rows,
                            "bytes": file.metadata.row_group(number).total_byte_size,
                        }
                    )
                yield ROW_GROUPS.batch(rows)


def write_stacks(settings: StackSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`OUTCOMES`, one a batch of sources (columns ``period period_end batch source_from source_to row_groups``).

    A batch whose file is there is not done again: its outcome is read from the file.
    """
    common = {"run_id": settings.run_id, "job": settings.job, "kind": "source-group"}
    for batch in batches:
        for unit in batch.to_pylist():
            done = guard(functools.partial(_stack_batch, settings, unit))
            give_back()
            row = done.value or {"outcome": str(done.outcome), "reason": done.reason, "bytes_read": 0, "bytes_written": 0}
            name = {"unit": f"{unit['period']}/{unit['batch']}", "date": unit["period"]}
            yield OUTCOMES.batch([{**common, "outcome": "ok", "reason": "", "seconds": done.seconds, **row, **name}])


@dataclass(eq=False)
class PairSum:
    """The running sum of a pair's CCFs, each times its windows."""

    samples: npt.NDArray[np.float64]
    first: dict[str, Any]
    n_windows: int = 0
    days: set[dt.date] = field(default_factory=set)


def _stack_batch(settings: StackSettings, unit: dict[str, Any]) -> dict[str, Any]:
    """Stack a batch, unless that is done; columns of its outcome row."""
    period = unit["period"]
    key = f"{STACK.name}/year={period.year:04d}/month={period.month:02d}/{period}-{unit['batch']:04d}.parquet"
    out = open_store(settings.out)
    # Where batches are cut depends on the memory: a file may be that of another cut.
    inputs = hashlib.sha256(json.dumps(unit, default=str, sort_keys=True).encode()).hexdigest()
    try:
        recorded = recorded_unit(out, key)
        if recorded.pop("inputs", None) == inputs:
            return recorded
    except (Missing, Corrupt):  # a file that is damaged is written anew
        pass
    sums: dict[tuple[str, ...], PairSum] = {}
    row: dict[str, Any] = {"s3key": key, "windows_planned": 0, "bytes_read": 0}
    for item in unit["row_groups"]:
        with parquet_file(settings.ccfs, item["s3key"]) as file:
            table = file.read_row_group(item["row_group"]).filter(_wanted(settings, unit))
        row["bytes_read"] += item["bytes"]
        for start in range(0, table.num_rows, CHUNK_ROWS):
            row["windows_planned"] += _add(sums, table.slice(start, CHUNK_ROWS), ChannelPatterns(settings.channels))
    if not sums:  # a day without data among others: nothing that could be stacked is missing
        reason = f"no CCF of the channels asked for from {period} up to {unit['period_end']}"
        return {**row, "windows": 0, "bytes_written": 0, "reason": reason}
    with TableFile(out, key, STACK, dict(settings.metadata)) as file:
        names = sorted(sums)
        for start in range(0, len(names), CHUNK_ROWS):
            chosen = [sums[name] for name in names[start : start + CHUNK_ROWS]]
            file.write(_columns(settings, unit, chosen))
        row["windows"] = file.rows
        row["bytes_written"] = file.commit({**row, "inputs": inputs})
    return row


def _wanted(settings: StackSettings, unit: dict[str, Any]) -> pc.Expression:
    """Rows of the unit's sources, and of those of its period's days that are asked for."""
    first, end = max(unit["period"], settings.start), min(unit["period_end"], settings.end)
    source = channel_key("source")
    wanted = (pc.field("date") >= first) & (pc.field("date") < end) & (source >= unit["source_from"])
    return wanted if unit["source_to"] is None else wanted & (source < unit["source_to"])


def _add(sums: dict[tuple[str, ...], PairSum], table: pa.Table, patterns: ChannelPatterns) -> int:
    """Add CCFs to their pairs' sums; how many were."""
    samples = samples_matrix(table["samples"])
    added = 0
    for row, ccf in zip(table.drop_columns(["samples"]).to_pylist(), samples, strict=True):
        source, receiver = (tuple(row[f"{role}_{code}"] for code in Channel._fields) for role in ("source", "receiver"))
        if not (patterns.matches(Channel(*source)) and patterns.matches(Channel(*receiver))):
            continue
        total = sums.setdefault((*source, *receiver), PairSum(np.zeros(len(ccf)), row))
        total.samples += ccf * float(row["n_windows"])
        total.n_windows += row["n_windows"]
        total.days.add(row["date"])
        added += 1
    return added


def _columns(settings: StackSettings, unit: dict[str, Any], chosen: list[PairSum]) -> dict[str, Any]:
    n = len(chosen)
    kept = [name for name in STACK.names if name in CCF.names and name not in ("samples", "n_windows", "date", "parameters_id")]
    start = max(unit["period"], settings.start)
    end = min(unit["period_end"], settings.end)
    return {name: [item.first[name] for item in chosen] for name in kept} | {
        "date": [unit["period"]] * n,
        "starttime": [to_datetime(day_start_ns(start))] * n,
        "endtime": [to_datetime(day_start_ns(end))] * n,
        "n_days": [len(item.days) for item in chosen],
        "n_windows": [item.n_windows for item in chosen],
        "parameters_id": [settings.parameters_id] * n,
        "samples": np.array([item.samples / item.n_windows for item in chosen], np.float32),
    }
