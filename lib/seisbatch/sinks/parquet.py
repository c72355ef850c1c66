"""Parquet files that workers write themselves: whole or absent, with the run's parameters and the unit's record inside."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from seisbatch import __version__
from seisbatch.acquire.objects import Store
from seisbatch.outcome import Corrupt, RunError, is_out_of_space
from seisbatch.schema import Table

ROW_GROUP_BYTES = 16_000_000
LARGE_BYTES = 200_000
"""Rows with binaries of this size are handed over one by one, without a copy: copies cost more than the rest of writing."""
BINARIES = {"sound": "zstd"}
"""Binaries that are not compressed already, as records of miniSEED and pictures are. A wav file of 24-bit counts as 32 bits
becomes 0.6 to 0.9 of its size at 400 to 800 MB a core-second; of what has nothing to give (samples to their peak, FLAC) zstd
lets go at 1,500 to 2,000."""
_UNIT = b"seisbatch.unit"
_FOOTER_READ = 65_536


class TableFile:
    """One Parquet file of a table: rows are buffered into row groups, and :meth:`commit` puts the whole file at once.

    Samples are written in Parquet's plain encoding: split into streams of bytes they would be a tenth smaller, but Spark's own
    reader does not know that of lists. Left without a commit, nothing is written.
    """

    def __init__(self, store: Store, key: str, table: Table, metadata: Mapping[str, str]) -> None:
        self._store, self._key = store, key
        self._schema = table.arrow({"seisbatch.table": table.name, "seisbatch.version": __version__, **metadata})
        lists = {f.name for f in table.fields if pa.types.is_list(f.type)}
        floats = [f"{name}.list.element" for name in lists]
        binaries = {f.name for f in table.fields if pa.types.is_binary(f.type)}
        plain = [f.name for f in table.fields if f.name not in lists | binaries]
        self._folder = tempfile.TemporaryDirectory(prefix="seisbatch-")
        self._path = Path(self._folder.name) / "part.parquet"
        self._writer = pq.ParquetWriter(
            self._path,
            self._schema,
            compression=dict.fromkeys(plain + floats, "zstd") | {name: BINARIES.get(name, "none") for name in binaries},
            use_dictionary=plain,  # no file is there twice
            write_statistics=plain,  # the least and the largest of samples take eight times as long as writing them
        )
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self.rows = 0

    def __enter__(self) -> TableFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._writer.close()
        self._folder.cleanup()

    def write(self, columns: Mapping[str, Any]) -> None:
        """Add rows, given as one array or list a column; a column left out is null."""
        n_rows = len(next(iter(columns.values())))
        arrays = [
            _array(columns[field.name], field.type) if field.name in columns else pa.nulls(n_rows, field.type)
            for field in self._schema
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._pending.append(batch)
        self._pending_bytes += batch.nbytes
        self.rows += n_rows
        if self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def write_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, given one by one; a column that a row leaves out is null."""
        large = any(isinstance(value, bytes) and len(value) >= LARGE_BYTES for row in rows for value in row.values())
        for some in [[row] for row in rows] if large else [rows] if rows else []:
            self.write({field.name: [row.get(field.name) for row in some] for field in self._schema})

    def _flush(self) -> None:
        if self._pending:
            try:
                self._writer.write_table(pa.Table.from_batches(self._pending), row_group_size=self.rows)
            except OSError as error:
                if is_out_of_space(error):
                    raise RunError(f"no space left in {self._folder.name} while writing {self._key}: {error}") from error
                raise
        self._pending, self._pending_bytes = [], 0

    def commit(self, unit: Mapping[str, Any]) -> int:
        """Put the file, with the unit's record in its footer; the bytes written."""
        self._flush()
        self._writer.add_key_value_metadata({_UNIT.decode(): json.dumps(dict(unit), default=str)})
        self._writer.close()
        size = self._path.stat().st_size
        self._store.put(self._key, self._path)
        return size


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    """A column; a float32 matrix (row, sample) becomes lists without a copy."""
    if pa.types.is_list(kind):
        if values[0] is None:  # so are the others
            return pa.nulls(len(values), kind)
        if not isinstance(values, np.ndarray):
            return _lists(values, kind)
        matrix: npt.NDArray[np.float32] = np.ascontiguousarray(values)
        offsets = np.arange(0, matrix.size + 1, matrix.shape[1], dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.ravel()))
    if pa.types.is_binary(kind) and len(values) == 1 and isinstance(values[0], bytes):  # without a copy
        ends = np.array([0, len(values[0])], np.int32)
        return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(ends), pa.py_buffer(values[0])])
    return pa.array(values, type=kind)


def _lists(rows: Sequence[npt.NDArray[np.float32]], kind: pa.ListType) -> pa.Array:
    """Rows of samples, each of a number of its own."""
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(rows), kind.value_type))


def read_footer(store: Store, key: str) -> pq.FileMetaData:
    """A Parquet file's footer, by its last bytes alone; Missing where the file is not there."""
    size = store.size(key)
    tail = bytes(store.get_range(key, max(0, size - _FOOTER_READ), min(size, _FOOTER_READ)))
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if tail[-4:] != b"PAR1" or length > size:
        raise Corrupt(f"{key} is no Parquet file")
    if length > len(tail):
        tail = bytes(store.get_range(key, size - length, length))
    try:
        return pq.read_metadata(pa.BufferReader(tail))
    except (pa.ArrowException, OSError) as error:  # of what the bytes are: they are all there
        raise Corrupt(f"{key} has no footer that can be read: {error}") from error


def recorded_unit(store: Store, key: str) -> dict[str, Any]:
    """The record of the unit that wrote a file, with the file's size; Missing where the file is not there, or Corrupt."""
    try:
        record: dict[str, Any] = json.loads(read_footer(store, key).metadata[_UNIT])
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"{key} is no file of a unit: {error}") from error
    return {**record, "bytes_written": store.size(key)}
