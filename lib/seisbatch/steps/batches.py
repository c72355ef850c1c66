"""Batches of units: what the steps share that write the rows of several tables, a file of each a batch.

The file of a step's first table is put last, with the batch's record in its footer: where it is there, all of the batch is,
the objects that it names beside its tables too.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.outcome import RETRIED, Corrupt, Missing, Outcome, Result
from seisbatch.schema import OUTCOMES, WF_TIME_SERIES, Table
from seisbatch.sinks.parquet import TableFile, recorded_unit
from seisbatch.sinks.records_file import RecordsFile
from seisbatch.steps.memory import give_back

WRITE_BYTES = 4_000_000
"""Rows that are held before they are handed to the file."""
MINISEED = "miniseed"
"""Folder of the objects of miniSEED, beside those of the tables."""
WAVEFORMS = "waveforms"
"""Folder of objects under an archive's own keys."""
IN_FLIGHT = 32
"""Objects that are looked for at a time."""
PUTS_IN_FLIGHT = 16
"""Objects that are put at a time: their bytes are held until they are."""

OutcomeRow = dict[str, Any]
Batch = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """A run's names, where its tables go, what their files say of it, and where the samples of segments stand.

    ``format`` is ``parquet``: in the table; ``mseed``: in an object of miniSEED, one a batch; or ``both``.
    """

    run_id: str
    job: str
    out: StoreSettings
    parameters_id: str
    metadata: tuple[tuple[str, str], ...]
    format: str = "parquet"


def write_batches(
    settings: BatchSettings,
    tables: Sequence[Table],
    batches: Iterator[pa.RecordBatch],
    inputs: Callable[[Batch], Sequence[str]],
    work: Callable[[Batch, BatchFiles], Iterable[OutcomeRow]],
) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`OUTCOMES`, one a unit and one a batch, for batches (a column ``name``, and what ``work`` needs).

    ``work`` writes a batch's rows and yields the outcomes of its units. A batch that is written already, of the same
    ``inputs``, is not done again unless one of its units may change by another try.
    """
    out = open_store(settings.out)
    for batch in (row for rows in batches for row in rows.to_pylist()):
        names = list(inputs(batch))
        outcomes = recorded_batch(out, tables[0], batch["name"], names)
        if outcomes is None:
            with BatchFiles(out, settings.metadata, tables, batch["name"], settings.format) as files:
                files.replaces(recorded_objects(out, tables[0], batch["name"]))
                outcomes = files.commit(list(work(batch, files)), names)
            give_back()
        common = {"run_id": settings.run_id, "job": settings.job}
        yield OUTCOMES.batch({**common, **row, "date": _date(row)} for row in outcomes)


def _date(row: OutcomeRow) -> dt.date | None:
    """A unit's day, which a file's record has as text."""
    date = row.get("date")
    return dt.date.fromisoformat(date) if isinstance(date, str) else date


def unit_row(kind: str, unit: str, done: Result[Any], s3key: str, **columns: Any) -> OutcomeRow:
    """The outcome of a unit; what ``columns`` does not tell is zero."""
    return {"kind": kind, "unit": unit, "outcome": str(done.outcome), "reason": done.reason, "s3key": s3key, "windows": 0,
            "bytes_read": 0, "bytes_written": 0, "seconds": done.seconds, **columns}  # fmt: skip


def batch_key(table: Table, name: str) -> str:
    """The key of a batch's file of a table."""
    return f"{table.name}/{name}.parquet"


def miniseed_key(name: str) -> str:
    """The key of a batch's object of miniSEED."""
    return f"{MINISEED}/{name}.ms"


def recorded_batch(out: Store, table: Table, name: str, inputs: Sequence[str]) -> list[OutcomeRow] | None:
    """The outcomes of a batch that is written, of the same inputs, and need not be done again; else None."""
    key = batch_key(table, name)
    try:
        record = recorded_unit(out, key)
    except (Missing, Corrupt):
        return None
    units: list[OutcomeRow] = record["outcomes"]
    if record["inputs"] != list(inputs) or any(row["outcome"] in RETRIED for row in units):
        return None
    if not _are_there(out, record.get("objects", {})):
        return None
    return [*units, _batch_row(name, key, units, record["rows"], record["bytes_written"])]


def recorded_objects(out: Store, table: Table, name: str) -> list[str]:
    """The objects that a batch which is written put beside its tables."""
    try:
        return list(recorded_unit(out, batch_key(table, name)).get("objects", {}))
    except (Missing, Corrupt):
        return []


def _are_there(out: Store, sizes: Mapping[str, int]) -> bool:
    """Whether objects stand there, each of its size."""

    def is_there(key: str) -> bool:
        try:
            return out.size(key) == sizes[key]
        except Missing:
            return False

    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="size") as pool:
        return all(pool.map(is_there, sizes))


class BatchFiles:
    """The files of one batch, one a table, the first of which commits it; left without a commit, no table has it."""

    def __init__(
        self, out: Store, metadata: Sequence[tuple[str, str]], tables: Sequence[Table], name: str, format: str = "parquet"
    ) -> None:
        self._out, self._metadata = out, dict(metadata)
        self._tables, self._name = tables, name
        self._format = format
        self._records: RecordsFile | None = None
        self._objects: dict[str, int] = {}
        self._replaced: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._puts: deque[Future[None]] = deque()
        self._clean_up = ExitStack()
        self._files: dict[str, TableFile] = {}
        self._held: dict[str, list[Mapping[str, Any]]] = {}
        self._n_held = 0

    def __enter__(self) -> BatchFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._pool:  # a put that is under way ends before the batch does: another try may put the same object
            self._pool.shutdown(wait=True, cancel_futures=True)
        for file in self._files.values():
            file.__exit__(kind, error, traceback)
        if self._records:
            self._records.__exit__(kind, error, traceback)
        self._clean_up.close()

    def when_left(self, clean_up: Callable[[], object]) -> None:
        """Call this when the batch is left, with a commit or without."""
        self._clean_up.callback(clean_up)

    def add(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows to a table."""
        for row in rows:
            self._held.setdefault(table.name, []).append(row)
            self._n_held += 100 + sum(len(value) for value in row.values() if isinstance(value, bytes | str))
            if self._n_held > WRITE_BYTES:
                self._flush()

    def add_segment(self, row: Mapping[str, Any]) -> None:
        """Add a row of ``WF_TIME_SERIES`` with its samples, which stand where the run's format has them."""
        if self._format == "parquet":
            self.add(WF_TIME_SERIES, [row])
            return
        self._records = self._records or RecordsFile()
        offset = self._records.append(row["samples"])
        place = {"dfile": miniseed_key(self._name), "foff": offset, "nbytes": len(row["samples"])}
        self.add(WF_TIME_SERIES, [{**row, **place, "samples": row["samples"] if self._format == "both" else None}])

    def put(self, key: str, data: bytes | Path) -> int:
        """Put an object that the batch is not whole without; its bytes."""
        self._out.put(key, data)
        self._objects[key] = data.stat().st_size if isinstance(data, Path) else len(data)
        return self._objects[key]

    def put_soon(self, key: str, data: bytes) -> None:
        """Put an object that the batch is not whole without, beside others: many small ones one by one are many round trips.

        What a put ends with is raised by a later one, or by :meth:`commit`, which waits for all.
        """
        self._pool = self._pool or ThreadPoolExecutor(PUTS_IN_FLIGHT, thread_name_prefix="put")
        while len(self._puts) >= PUTS_IN_FLIGHT:
            self._puts.popleft().result()
        self._objects[key] = len(data)
        self._puts.append(self._pool.submit(self._out.put, key, data))

    def replaces(self, objects: Iterable[str]) -> None:
        """Remove these objects of an earlier try, but for those that are put again, before the batch is committed."""
        self._replaced.update(objects)

    def remove(self, key: str) -> None:
        """Remove an object that an earlier try may have left, and that is none of the batch's now."""
        self._out.delete([key])

    def _flush(self) -> None:
        for table in self._tables:
            if rows := self._held.pop(table.name, []):
                self._file(table).write_rows(rows)
        self._n_held = 0

    def _file(self, table: Table) -> TableFile:
        if table.name not in self._files:
            self._files[table.name] = TableFile(self._out, batch_key(table, self._name), table, self._metadata)
        return self._files[table.name]

    def commit(self, units: Sequence[OutcomeRow], inputs: Sequence[str]) -> list[OutcomeRow]:
        """Put the files; the outcomes of the batch's units and of the batch itself."""
        self._flush()
        while self._puts:
            self._puts.popleft().result()
        if self._records:
            self.put(miniseed_key(self._name), self._records.finish())
        elif self._format != "parquet":  # what an earlier try left
            self._out.delete([miniseed_key(self._name)])
        self._out.delete(self._replaced - self._objects.keys())
        for table in self._tables[1:]:
            if table.name in self._files:
                self._files[table.name].commit({})
            else:  # what an earlier try left
                self._out.delete([batch_key(table, self._name)])
        first = self._file(self._tables[0])
        record = {"outcomes": list(units), "rows": first.rows, "inputs": list(inputs), "objects": self._objects}
        n_bytes = first.commit(record)
        return [*units, _batch_row(self._name, batch_key(self._tables[0], self._name), units, first.rows, n_bytes)]


def _batch_row(name: str, key: str, units: Sequence[OutcomeRow], rows: int, n_bytes: int) -> OutcomeRow:
    dates = [date for row in units if (date := _date(row))]
    return {"kind": "batch", "unit": f"batch/{name}", "outcome": str(Outcome.OK), "reason": "", "s3key": key,
            "date": min(dates, default=None), "windows": rows, "windows_planned": len(units), "bytes_read": 0,
            "bytes_written": n_bytes, "seconds": sum(row["seconds"] for row in units)}  # fmt: skip
