"""Copies of objects from one store to another: what is new is found folder by folder, each is copied whole or not at all."""

from __future__ import annotations

import functools
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore
from typing import Any

import pyarrow as pa

from seisbatch.acquire.backend import Listed
from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.outcome import Outcome, Result, UnitError, guard

COPIES_AT_A_TIME = 8
"""Of a task: threads wait for the stores, not for the processor."""
IN_MEMORY_BYTES = 8_000_000
"""Larger objects go through a temporary file."""
RANGE_BYTES = 64_000_000
GIVE_UP = 100
"""After so many failures a task tries no more: a place that takes nothing is not asked a million times."""
NOT_TRIED = f"not tried, as {GIVE_UP} others had failed"
LARGE_AT_A_TIME = 2
"""Of a task: so many ranges, and so many temporary files, are held."""

FOLDERS = pa.schema([("prefix", pa.string()), ("deep", pa.bool_())])
"""A folder to look through, all of it or what stands right in it."""
LOOKED_THROUGH = pa.schema(
    [("key", pa.string()), ("size", pa.int64()), ("version", pa.string()), ("there", pa.int64()), ("reason", pa.string())]
)
"""An object to copy; or, of a null key, how many objects of a folder are there already, or why it could not be listed."""
COPIES = pa.schema([("key", pa.string()), ("size", pa.int64()), ("reason", pa.string())])
"""What became of an object: ``reason`` is null where it was copied."""


@dataclass(frozen=True)
class CopySettings:
    """Where objects are, and where they are copied to."""

    source: StoreSettings
    to: StoreSettings


def is_copied(key: str, last: str) -> bool:
    """Whether an object is one to copy: none that a run keeps to itself, under a name that begins with ``_``; nor the ``last``.

    >>> is_copied("clip/a.parquet", "manifest.json"), is_copied("_scratch/a.npy", "manifest.json")
    (True, False)
    """
    return key != last and not any(part.startswith("_") for part in key.split("/"))


def is_new(item: Listed, copy: Listed | None) -> bool:
    """Whether an object has no copy, one of another size, or one that was made before the object was written."""
    return copy is None or copy.size != item.size or item.written > copy.written


def new_objects(settings: CopySettings, last: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`LOOKED_THROUGH` for folders, rows of :data:`FOLDERS`; ``last`` is a key that is left to the end."""
    source, to = open_store(settings.source), open_store(settings.to)
    for folder in (row for batch in batches for row in batch.to_pylist()):
        prefix = folder["prefix"]
        found = guard(functools.partial(_compared, source, to, prefix, last, deep=folder["deep"]))
        rows: list[dict[str, Any]] = [{"reason": f"{prefix}/ cannot be listed: {found.reason}"}]
        if found.value is not None:
            new, n_there = found.value
            rows = [{"there": n_there}, *({"key": item.key, "size": item.size, "version": item.version} for item in new)]
        yield pa.RecordBatch.from_pylist(rows, LOOKED_THROUGH)


def _compared(source: Store, to: Store, prefix: str, last: str, *, deep: bool) -> tuple[list[Listed], int]:
    """The objects of a folder that are new, and how many are there."""

    def listed(store: Store) -> Sequence[Listed]:
        found = store.list_versions(prefix) if deep else store.list_flat(prefix)
        return [item for item in found if is_copied(item.key, last)]

    objects = listed(source)
    copies = {item.key: item for item in listed(to)} if objects else {}
    new = [item for item in objects if is_new(item, copies.get(item.key))]
    return new, len(objects) - len(new)


def copy_objects(
    settings: CopySettings, copied: Callable[[], None], failed: Callable[[], None], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`COPIES` for objects, rows of :data:`LOOKED_THROUGH`; ``copied`` and ``failed`` are called of each."""
    copier = Copier(settings)
    waiting: deque[tuple[dict[str, Any], Future[Result[None]]]] = deque()

    def next_row() -> dict[str, Any]:
        row, future = waiting.popleft()
        result = future.result()
        (copied if not result.reason else failed)()
        return {"key": row["key"], "size": row["size"], "reason": result.reason or None}

    with ThreadPoolExecutor(COPIES_AT_A_TIME, thread_name_prefix="copy") as pool:
        for batch in batches:
            rows = []
            for row in batch.to_pylist():
                waiting.append((row, pool.submit(copier.copy, row["key"], row["size"], row["version"])))
                if len(waiting) > 2 * COPIES_AT_A_TIME:
                    rows.append(next_row())
            yield pa.RecordBatch.from_pylist(rows, COPIES)
        yield pa.RecordBatch.from_pylist([next_row() for _ in range(len(waiting))], COPIES)


class Copier:
    """Copies objects, several at a time, in bounded memory."""

    def __init__(self, settings: CopySettings) -> None:
        self._source, self._to = open_store(settings.source), open_store(settings.to)
        self._large = Semaphore(LARGE_AT_A_TIME)
        self._n_failed = 0

    def copy(self, key: str, size: int, version: str) -> Result[None]:
        """Copy an object of that size and version, and tell what became of it."""
        if self._n_failed >= GIVE_UP:
            return Result(None, Outcome.FAILED, NOT_TRIED, 0.0)
        result = guard(functools.partial(self._copy, key, size, version))
        self._n_failed += bool(result.reason)  # which threads may count a little short
        return result

    def _copy(self, key: str, size: int, version: str) -> None:
        if size <= IN_MEMORY_BYTES:
            self._to.put(key, bytes(self._source.get(key)))
            return
        with self._large, tempfile.TemporaryDirectory(prefix="seisbatch-") as folder:
            path = Path(folder) / "object"
            with path.open("wb") as file:
                for start in range(0, size, RANGE_BYTES):
                    length = min(RANGE_BYTES, size - start)
                    [part] = self._source.get_ranges(key, [start], [length], version)
                    if len(part) != length:
                        raise UnitError(f"{key}: {len(part)} bytes at {start} instead of {length}")
                    file.write(part)
            self._to.put(key, path)
