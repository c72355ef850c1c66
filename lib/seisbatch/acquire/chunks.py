"""Large objects in chunks of whole records: what is held does not grow with the object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymseed import MS3Record, PymseedError

from seisbatch.acquire.miniseed import LONGEST_RECORD
from seisbatch.acquire.objects import Store
from seisbatch.outcome import Corrupt

CHUNK_BYTES = 8_000_000


def record_chunks(store: Store, key: str, size: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Any]:
    """An object's bytes from its beginning to its end, cut between records; each chunk is one request.

    Raises Corrupt where something between records is none, or the last is cut, and what :meth:`Store.get_range` raises.
    """
    rest, start = b"", 0
    while start < size:
        body = store.get_range(key, start, chunk_bytes)
        if not len(body):
            raise Corrupt(f"{key} ends at byte {start} of {size}")
        start += len(body)
        chunk = rest + bytes(body)
        whole = len(chunk) if start >= size else whole_records(chunk)
        if whole:
            yield memoryview(chunk)[:whole]
        rest = chunk[whole:]
        if len(rest) > LONGEST_RECORD:
            raise Corrupt(f"byte {start - len(rest)}: no record of miniSEED")


def whole_records(chunk: bytes) -> int:
    """How many bytes of a chunk, which begins with a record, are whole records."""
    view, end = memoryview(chunk), 0
    while end < len(chunk):
        try:
            length = int(MS3Record.parse(view[end:]).reclen)
        except (PymseedError, ValueError):  # cut, or none: what follows tells
            break
        end += length
    return end
