"""Objects of a store, a local folder, S3 or a web server alike: get, ranges, put, list, delete, and fetching ahead.

A unit's error (no such object, denied, retries exhausted) is raised as the :class:`~seisbatch.outcome.UnitError` that it
becomes; what is wrong with the run (no such bucket, no way to the endpoint, no space) as
:class:`~seisbatch.outcome.RunError`.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from obstore import exceptions

from seisbatch.acquire import s3
from seisbatch.acquire.ahead import Budget, consume
from seisbatch.acquire.backend import NO_BUCKET, Backend, Changed, Listed, StoreSettings, first_line
from seisbatch.acquire.cache import Cache, Cached
from seisbatch.acquire.folder import Folder
from seisbatch.acquire.restricted import ByNetwork
from seisbatch.acquire.web import Web, is_web
from seisbatch.outcome import Corrupt, Denied, Missing, RunError, UnitError, is_out_of_space

__all__ = ["NoSuchBucket", "Part", "Replaced", "Store", "StoreSettings", "check_key", "open_store"]

KEY_BYTES = 1024
LISTERS = 16
"""Objects that are asked for their size at a time."""
IDLE_SECONDS = 2.0
"""An answer waits this long for room; then its connection is given up and the object asked for again."""

_NO_CONNECTION = re.compile(r"kind: Connect\b|dns error")
_REFUSED = re.compile(r"status code: 40[13]\b")
_WRONG_REGION = re.compile(
    r"redirect without LOCATION|"
    r"<Code>(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)</Code>"
)


def check_key(key: str) -> str:
    """The key, if it is safe as an object's name and as a path under a root; ValueError else.

    >>> check_key("continuous_waveforms/2022/a.ms")
    'continuous_waveforms/2022/a.ms'
    """
    parts = key.split("/")
    if not key or not key.isprintable() or "\\" in key or len(key.encode()) > KEY_BYTES:
        raise ValueError(f"{key[:80]!r} is no valid key: 1 to {KEY_BYTES} bytes of printable text")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{key[:80]!r} is no valid key: it would leave its folder")
    return key


class Part(NamedTuple):
    """An object, or some ranges of it (offset and length), of the version that is named, one after another."""

    key: str
    ranges: tuple[tuple[int, int], ...] | None = None
    version: str | None = None


class Replaced(UnitError):
    """An object is no longer the version that was asked for."""


class NoSuchBucket(RunError):
    """There is no bucket of that name."""


class Store:
    """One store; made by :func:`open_store`."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self._backend: Backend = _place(settings)
        if settings.cache is not None:
            kept = Cache(_place(settings.cache.store), settings.cache.store.root, settings.cache.max_bytes)
            self._backend = Cached(self._backend, settings.place, kept)

    def require(self) -> None:
        """Raise RunError where the store is a folder that does not exist."""
        self._backend.require()

    def get(self, key: str) -> Any:
        """The object's bytes, as a buffer; Missing, Denied."""
        with self._errors(check_key(key)):
            return self._backend.open(key).read()

    def get_range(self, key: str, start: int, length: int) -> Any:
        """At most ``length`` bytes from ``start`` on, as a buffer; none where the object ends before."""
        return self.get_ranges(key, [start], [length])[0]

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int], version: str | None = None) -> list[Any]:
        """Several ranges of one object, each as :meth:`get_range` gives it.

        Raises Replaced where a version is named, as :meth:`version` has it, and the object is another by now.
        """
        if len(starts) != len(lengths) or any(number < 0 for number in (*starts, *lengths)):
            raise ValueError("ranges: as many starts as lengths, none of them below 0")
        with self._errors(check_key(key)):
            return self._backend.get_ranges(key, starts, lengths, version)

    def tail(self, key: str, length: int) -> tuple[int, Any]:
        """The object's size and its last ``length`` bytes, or all of it where it is smaller, in one request."""
        with self._errors(check_key(key)):
            return self._backend.tail(key, length)

    def head(self, key: str) -> tuple[int, str]:
        """The object's size in bytes, and its version as :meth:`version` has it; Missing where there is none."""
        with self._errors(check_key(key)):
            return self._backend.head(key)

    def size(self, key: str) -> int:
        """The object's size in bytes; Missing where there is none."""
        with self._errors(check_key(key)):
            return self._backend.head(key)[0]

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            self.size(key)
        except Missing:
            return False
        return True

    def put(self, key: str, data: bytes | Path | Sequence[Any]) -> None:
        """Write an object whole or not at all, over what was there.

        ``data`` may be parts, or the path of a file that is not written to any more: a folder may take it without a copy.
        """
        if isinstance(data, Path) and not data.is_file():
            raise UnitError(f"{key} cannot be written: there is no file {data}")
        with self._errors(check_key(key)):
            self._backend.put(key, data)

    def version(self, key: str) -> str:
        """A text that changes with the object's content, such as its ETag; Missing where there is none."""
        with self._errors(check_key(key)):
            return self._backend.head(key)[1]

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys and sizes under a prefix that ends a folder's name (``""`` is all), sorted."""
        return ((item.key, item.size) for item in self.list_versions(prefix))

    def list_versions(self, prefix: str) -> Iterator[Listed]:
        """The objects, and their versions as :meth:`version` has them, under a prefix that ends a folder's name, sorted."""
        found = self.list_known(prefix)
        if any(item.size < 0 for item in found):
            with ThreadPoolExecutor(LISTERS, thread_name_prefix="head") as pool:
                yield from (item for item in pool.map(self._asked, found) if item is not None)
        else:
            yield from found

    def list_known(self, prefix: str) -> Sequence[Listed]:
        """The objects under a prefix, sorted, as the place's own listing has them, which may not tell sizes and versions."""
        folder = prefix.rstrip("/")
        with self._errors(check_key(folder) if folder else prefix):
            return sorted(self._backend.list(folder))

    def _asked(self, item: Listed) -> Listed | None:
        """An object with its size and version, which are asked for if need be; None where it is gone by now."""
        try:
            with self._errors(check_key(item.key)):
                if item.size >= 0:
                    return item
                size, version = self._backend.head(item.key)
                return item._replace(size=size, version=version)
        except Missing:
            return None

    def list_flat(self, prefix: str) -> Sequence[Listed]:
        """The objects right under a prefix that ends a folder's name (``""`` is the root), those in its folders left out."""
        folder = prefix.rstrip("/")
        with self._errors(check_key(folder) if folder else prefix):
            return sorted(self._backend.list_flat(folder))

    def folders(self, prefix: str) -> Sequence[str]:
        """Names of the folders right under a prefix that ends a folder's name (``""`` is the root), sorted."""
        folder = prefix.rstrip("/")
        with self._errors(check_key(folder) if folder else prefix):
            return sorted(self._backend.folders(folder))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        checked = [check_key(key) for key in keys]
        with self._errors(checked[0] if checked else ""):
            self._backend.delete(checked)

    def delete_prefix(self, prefix: str) -> None:
        """Delete every object under a prefix, and, on a disk, the folders that this leaves empty."""
        folder = check_key(prefix.rstrip("/"))
        with self._errors(folder):
            self._backend.delete_prefix(folder)

    @contextmanager
    def fetch_ahead(
        self, keys: Iterable[str | Part], *, max_bytes: int, max_in_flight: int
    ) -> Iterator[Iterator[tuple[str, Any]]]:
        """An iterator of each key in turn and its bytes, or the UnitError that fetching it ended with.

        Objects, or parts of them, are fetched while earlier ones are being used: at most ``max_in_flight`` of them, and no
        more than ``max_bytes`` under way, held or in use; a single object that is larger is fetched when it is the only one.
        """
        budget = Budget(max_bytes)
        pool = ThreadPoolExecutor(max_in_flight, thread_name_prefix="fetch")
        try:
            yield self._ahead(pool, budget, iter(keys), max_in_flight)
        finally:
            budget.close()
            pool.shutdown(wait=True, cancel_futures=True)

    def _ahead(
        self, pool: ThreadPoolExecutor, budget: Budget, keys: Iterator[str | Part], max_in_flight: int
    ) -> Iterator[tuple[str, Any]]:
        waiting: deque[tuple[int, str, Future[Any]]] = deque()
        for number, wanted in enumerate(keys):
            part = Part(wanted) if isinstance(wanted, str) else wanted
            waiting.append((number, part.key, pool.submit(self._fetch, part, number, budget)))
            if len(waiting) >= max_in_flight:
                yield from consume(waiting, budget)
        while waiting:
            yield from consume(waiting, budget)

    def _fetch(self, part: Part, number: int, budget: Budget) -> Any:
        """The bytes of what is ``number``-th in line, or its UnitError, once the budget has room for it."""
        try:
            if part.ranges is not None:
                starts, lengths = zip(*part.ranges, strict=True)
                if not budget.take(number, sum(lengths)):
                    return UnitError("no longer wanted")
                bodies = self.get_ranges(part.key, starts, lengths, part.version)
                return bodies[0] if len(bodies) == 1 else b"".join(map(bytes, bodies))
            with self._errors(check_key(part.key)):
                opened = self._backend.open(part.key)
                if not budget.take(number, size := opened.size, IDLE_SECONDS):
                    del opened
                    if not budget.take(number, size):
                        return UnitError("no longer wanted")
                    opened = self._backend.open(part.key)
                return opened.read()
        except UnitError as error:
            return error
        except ValueError as error:
            return Corrupt(str(error))
        finally:
            budget.leave(number)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        where = f"{self.settings.root}/{key}"
        try:
            yield
        except Changed:
            raise Replaced(f"{where} is not what it was when it was indexed") from None
        except (FileNotFoundError, NotADirectoryError) as error:
            if NO_BUCKET.search(str(error)):
                raise self._no_bucket() from None
            raise Missing(f"no object {key}") from None
        except (PermissionError, exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            if _WRONG_REGION.search(str(error)):
                raise self._wrong_region() from None
            raise Denied(f"{where}: access denied ({first_line(error)})") from None
        except exceptions.BaseError as error:
            text = str(error)
            if NO_BUCKET.search(text):
                raise self._no_bucket() from None
            if _NO_CONNECTION.search(text):
                raise RunError(
                    f"{self.settings.root}: no connection{self._at() or ' to S3'} after {s3.RETRIES} retries: "
                    "check the endpoint, the region's name and the network"
                ) from None
            if _WRONG_REGION.search(text):
                raise self._wrong_region() from None
            if _REFUSED.search(text):  # of a listing
                raise Denied(f"{where}: access denied ({first_line(error)})") from None
            raise UnitError(f"{where}{self._at()}: {first_line(error)}") from None
        except OSError as error:
            if is_out_of_space(error):
                raise RunError(f"no space left to write {where}") from None
            raise UnitError(f"{where}: {first_line(error)}") from None

    def _no_bucket(self) -> NoSuchBucket:
        return NoSuchBucket(f"{self.settings.root}: no such bucket{self._at()}: check its name, the endpoint and the region")

    def _wrong_region(self) -> RunError:
        region = self.settings.region or "the default region"
        return RunError(f"{self.settings.root} is not in {region}{self._at()}: name the bucket's own region")

    def _at(self) -> str:
        return f" at {self.settings.endpoint}" if self.settings.endpoint else ""


def _place(settings: StoreSettings) -> Backend:
    if is_web(settings.root):
        return Web(settings)
    if not settings.root.startswith("s3://"):
        return Folder(settings)
    return ByNetwork(settings) if settings.credentials == "earthscope" else s3.S3(settings)


_STORES: dict[tuple[int, StoreSettings], Store] = {}


def open_store(settings: StoreSettings) -> Store:
    """The store of these settings, made once a process: connections do not survive a fork."""
    key = (os.getpid(), settings)
    if key not in _STORES:
        _STORES[key] = Store(settings)
    return _STORES[key]
