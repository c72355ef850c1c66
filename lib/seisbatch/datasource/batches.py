"""Rows of segments to Arrow: few large ones or many small ones a batch, samples without a copy in Python's objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from seisbatch.schema import EXACT_SAMPLES, Table

BATCH_BYTES = 4_000_000
BATCH_ROWS = 1000

Row = dict[str, Any]


def record_batches(rows: Iterable[Row], table: Table) -> Iterator[pa.RecordBatch]:
    """Batches of rows of a table; one ends once it has :data:`BATCH_BYTES` of samples."""
    held: list[Row] = []
    n_bytes = 0
    for row in rows:
        held.append(row)
        n_bytes += _bytes(row.get("samples"))
        del row  # or its samples would be held while the next is read
        if n_bytes >= BATCH_BYTES or len(held) >= BATCH_ROWS:
            batch = _batch(held, table)
            held, n_bytes = [], 0
            yield batch
            del batch
    if held:
        yield _batch(held, table)


def _bytes(samples: Any) -> int:
    return 0 if samples is None else len(samples) if isinstance(samples, bytes) else int(samples.nbytes)


def _batch(rows: Sequence[Row], table: Table) -> pa.RecordBatch:
    columns = []
    for field in table.fields:
        values = [row.get(field.name) for row in rows]
        columns.append(_lists(values) if field.type == EXACT_SAMPLES else pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=table.arrow())


def _lists(values: Sequence[Any]) -> pa.ListArray:
    """Arrays of samples as a column of lists."""
    ends = np.cumsum([0, *(0 if value is None else len(value) for value in values)], dtype=np.int32)
    there = [value for value in values if value is not None]
    flat = np.empty(ends[-1], np.float64)
    if there:
        np.concatenate(there, out=flat)
    missing = pa.array([value is None for value in values])
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat), type=EXACT_SAMPLES, mask=missing)
