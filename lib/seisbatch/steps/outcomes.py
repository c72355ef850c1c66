"""Outcome rows in, files out: the outcomes table, one file a month."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.schema import FILES, OUTCOMES
from seisbatch.sinks.parquet import TableFile


@dataclass(frozen=True)
class OutcomesSettings:
    """Where the outcomes go, and what their files say of the run."""

    out: StoreSettings
    metadata: tuple[tuple[str, str], ...]


def write_outcomes(settings: OutcomesSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write rows of :data:`OUTCOMES`, sorted by month, to one file a month; rows of :data:`FILES`."""
    store = open_store(settings.out)
    rows = (row for batch in batches for row in batch.to_pylist())
    for folder, of_month in itertools.groupby(rows, key=_folder):
        key = f"{folder}/outcomes.parquet"
        with TableFile(store, key, OUTCOMES, dict(settings.metadata)) as file:
            for chunk in _chunks(of_month, 10_000):
                file.write_rows(chunk)
            size = file.commit({})
            yield FILES.batch([{"table": OUTCOMES.name, "s3key": key, "rows": file.rows, "bytes": size}])


def _folder(row: dict[str, Any]) -> str:
    """Where a unit's outcome stands; units such as a station's file have no day."""
    date = row["date"]
    return f"{OUTCOMES.name}/year={date.year:04d}/month={date.month:02d}" if date else OUTCOMES.name


def _chunks(rows: Iterator[dict[str, Any]], length: int) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(itertools.islice(rows, length)):
        yield chunk
