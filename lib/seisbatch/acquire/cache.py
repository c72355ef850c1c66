"""What was read of a store, kept in another: whole objects and ranges, by key and version, up to a number of bytes.

Every use asks the store for the object's version first, which is a small request: what has changed there is read anew.
"""

from __future__ import annotations

import errno
import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from obstore import exceptions

from seisbatch.acquire.backend import Backend, Changed, Listed, Opened, first_line
from seisbatch.outcome import RunError

HEAD_SECONDS = 60
"""How long the version of an object is taken as known."""
HEADS = 10_000
LARGEST_SHARE = 4
"""An object of more than a fourth of what may be kept is not kept."""
KEPT_SHARE = 0.8
"""Of the bytes that may be kept, what is left when the oldest has gone."""
LOOKS = 100
"""What is kept is counted each time that a process has added a hundredth of what may be kept: others add to it too."""


class Cache:
    """Objects that are kept, each under a name of its own; the oldest go where they would be more than ``max_bytes``."""

    def __init__(self, kept: Backend, name: str, max_bytes: int) -> None:
        self._kept, self._name, self._max_bytes = kept, name, max_bytes
        self._added = max_bytes  # the first addition looks

    def find(self, name: str, length: int, start: int = 0) -> Any | None:
        """What is kept under a name from a byte on, if it is there and of the length that it should be."""
        try:
            (found,) = self._kept.get_ranges(name, [start], [length], None)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (exceptions.BaseError, OSError) as error:
            raise self._unusable(error) from None
        if len(found) != length:
            return None
        self._kept.touch(name)
        return found

    def keep(self, name: str, body: Any) -> None:
        """Keep a body; RunError where that cannot be done: a cache that does not work is not what was asked for."""
        if len(body) * LARGEST_SHARE > self._max_bytes:
            return
        try:
            self._kept.put(name, bytes(body))
            self._added += len(body)
            if self._added * LOOKS >= self._max_bytes:
                self._added = 0
                self._trim()
        except (exceptions.BaseError, OSError) as error:
            raise self._unusable(error) from None

    def _trim(self) -> None:
        items = sorted(self._kept.list(""), key=lambda item: item.written)
        surplus = sum(item.size for item in items) - self._max_bytes
        if surplus <= 0:
            return
        surplus += round((1 - KEPT_SHARE) * self._max_bytes)
        gone = []
        for item in items:
            if surplus <= 0:
                break
            gone.append(item.key)
            surplus -= item.size
        self._kept.delete(gone)

    def _unusable(self, error: Exception) -> RunError:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "no space left" if full else first_line(error)
        return RunError(f"the cache {self._name} cannot be used: {why}")


class Cached:
    """A place that holds objects, of which what was read once is kept."""

    def __init__(self, place: Backend, place_name: str, cache: Cache) -> None:
        self._place, self._cache = place, cache
        self._prefix = hashlib.sha256(place_name.encode()).hexdigest()[:16]
        self._heads: OrderedDict[str, tuple[float, tuple[int, str]]] = OrderedDict()

    def open(self, key: str) -> Opened:
        size, version = self.head(key)
        return Opened(size, version, partial(self._whole, key, size, version))

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int], version: str | None) -> list[Any]:
        size, there = self.head(key)
        if there != version is not None:
            raise Changed(key)
        wanted = [max(0, min(length, size - start)) for start, length in zip(starts, lengths, strict=True)]
        parts = [self._found(key, there, start, length) for start, length in zip(starts, wanted, strict=True)]
        missing = [number for number, part in enumerate(parts) if part is None]
        if not missing:
            return parts
        try:
            fetched = self._place.get_ranges(
                key, [starts[number] for number in missing], [wanted[number] for number in missing], there
            )
        except Changed:
            self._heads.pop(key, None)  # unless another thread has seen it too
            if version is None and self.head(key)[1] != there:
                return self.get_ranges(key, starts, lengths, None)
            raise
        for number, body in zip(missing, fetched, strict=True):
            parts[number] = body
            self._cache.keep(self._name(key, there, f"{starts[number]}-{wanted[number]}"), body)
        return parts

    def tail(self, key: str, length: int) -> tuple[int, Any]:
        try:
            return self._tail(key, length)
        except Changed:  # since it was asked for its size
            self._heads.pop(key, None)
            return self._tail(key, length)

    def _tail(self, key: str, length: int) -> tuple[int, Any]:
        size, version = self.head(key)
        return size, self.get_ranges(key, [max(0, size - length)], [min(length, size)], version)[0]

    def head(self, key: str) -> tuple[int, str]:
        now = time.monotonic()
        asked, found = self._heads.get(key, (now - 2 * HEAD_SECONDS, (0, "")))
        if now - asked > HEAD_SECONDS:
            found = self._place.head(key)
            self._heads[key] = now, found
            while len(self._heads) > HEADS:
                self._heads.popitem(last=False)
        return found

    def _whole(self, key: str, size: int, version: str) -> Any:
        body = self._cache.find(self._name(key, version, "whole"), size)
        if body is None:
            opened = self._place.open(key)
            body = opened.read()
            self._heads[key] = time.monotonic(), (opened.size, opened.version)
            self._cache.keep(self._name(key, opened.version, "whole"), body)
        return body

    def _found(self, key: str, version: str, start: int, length: int) -> Any | None:
        if not length:
            return b""
        found = self._cache.find(self._name(key, version, f"{start}-{length}"), length)
        return self._cache.find(self._name(key, version, "whole"), length, start) if found is None else found

    def _name(self, key: str, version: str, part: str) -> str:
        """Where a part of an object is kept: any key and version may be, however long and of whatever characters."""
        digest = hashlib.sha256(f"{key}\n{version}".encode()).hexdigest()
        return f"{self._prefix}/{digest[:2]}/{digest[2:34]}/{part}"

    def require(self) -> None:
        self._place.require()

    def put(self, key: str, data: Any) -> None:
        self._place.put(key, data)
        self._heads.pop(key, None)

    def list(self, prefix: str) -> Iterator[Listed]:
        return self._place.list(prefix)

    def touch(self, key: str) -> None:
        self._place.touch(key)

    def list_flat(self, prefix: str) -> Iterator[Listed]:
        return self._place.list_flat(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        return self._place.folders(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        self._place.delete(keys)
        for key in keys:
            self._heads.pop(key, None)

    def delete_prefix(self, prefix: str) -> None:
        self._place.delete_prefix(prefix)
        self._heads.clear()
