"""Objects of a store, a local folder or S3 alike: get, ranges, put, list, delete, and fetching ahead.

A unit's error (no such object, denied, retries exhausted) is raised as the :class:`~seisbatch.outcome.UnitError` that it
becomes; what is wrong with the run (no such bucket, no space) as :class:`~seisbatch.outcome.RunError`.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import LocalStore, S3Store

from seisbatch.outcome import Denied, Missing, RunError, UnitError

T = TypeVar("T")

CONNECT_SECONDS = 10
REQUEST_SECONDS = 120
RETRIES = 6
RETRY_SECONDS = 180
KEY_BYTES = 1024

_NO_BUCKET = re.compile(r"NoSuchBucket|bucket does not exist", re.IGNORECASE)
_NO_SPACE = re.compile(r"StorageFull|No space left|Disk quota|os error (28|122)\b")


@dataclass(frozen=True)
class StoreSettings:
    """Where a store is: ``s3://bucket/prefix`` or a folder. Credentials are never part of it."""

    root: str
    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False


def check_key(key: str) -> str:
    """The key, if it is safe as an object's name and as a path under a root; ValueError else.

    >>> check_key("continuous_waveforms/2022/a.ms")
    'continuous_waveforms/2022/a.ms'
    """
    parts = key.split("/")
    if not key or len(key.encode()) > KEY_BYTES or not key.isprintable() or "\\" in key:
        raise ValueError(f"{key[:80]!r} is no valid key: 1 to {KEY_BYTES} bytes of printable text")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{key[:80]!r} is no valid key: it would leave its folder")
    return key


class Store:
    """One store; made by :func:`open_store`."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self._store = _s3_store(settings) if settings.root.startswith("s3://") else _local_store(settings)

    def get(self, key: str) -> Any:
        """The object's bytes, as a buffer; Missing, Denied."""
        with self._errors(key):
            return obstore.get(self._store, check_key(key)).bytes()

    def get_range(self, key: str, start: int, length: int) -> Any:
        """At most ``length`` bytes from ``start`` on, as a buffer."""
        with self._errors(key):
            return obstore.get_range(self._store, check_key(key), start=start, length=length)

    def size(self, key: str) -> int:
        """The object's size in bytes; Missing where there is none."""
        with self._errors(key):
            return int(obstore.head(self._store, check_key(key))["size"])

    def put(self, key: str, data: bytes | Path | Sequence[Any]) -> None:
        """Write an object whole or not at all, over what was there; ``data`` may be parts, or a file's path."""
        body: Any = iter(data) if isinstance(data, list) else data
        with self._errors(key):
            obstore.put(self._store, check_key(key), body)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys and sizes under a prefix that ends a folder's name, sorted."""
        with self._errors(prefix):
            found = [item for batch in obstore.list(self._store, prefix.rstrip("/") or None) for item in batch]
        yield from sorted((str(item["path"]), int(item["size"])) for item in found)

    def delete_prefix(self, prefix: str) -> None:
        """Delete every object under a prefix, and, on a disk, the folders that this leaves empty."""
        keys = [key for key, _ in self.list(prefix)]
        with self._errors(prefix):
            for first in range(0, len(keys), 1000):
                obstore.delete(self._store, keys[first : first + 1000])
        if isinstance(self._store, LocalStore):
            folder = Path(self.settings.root, check_key(prefix.rstrip("/")))
            _remove_empty(folder)
            if folder.parent != Path(self.settings.root) and folder.parent.is_dir() and not any(folder.parent.iterdir()):
                folder.parent.rmdir()

    @contextmanager
    def fetch_ahead(self, keys: Iterable[str], *, max_bytes: int, max_in_flight: int) -> Iterator[Iterator[tuple[str, Any]]]:
        """An iterator of each key in turn and its bytes, or the UnitError that fetching it ended with.

        Objects are fetched while earlier ones are being used: at most ``max_in_flight`` at a time, and no more than
        ``max_bytes`` held or under way (by the mean size so far), but always one.
        """
        pool = ThreadPoolExecutor(max_in_flight)
        try:
            yield _ahead(pool, self.get, iter(keys), max_bytes, max_in_flight)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, exceptions.NotFoundError) as error:
            if _NO_BUCKET.search(str(error)):
                raise RunError(f"{self.settings.root}: no such bucket{self._at()}") from None
            raise Missing(f"no object {key}") from None
        except (PermissionError, exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise Denied(f"{self.settings.root}/{key}: access denied ({_first_line(error)})") from None
        except (exceptions.BaseError, OSError) as error:
            if _NO_SPACE.search(str(error)):
                raise RunError(f"no space left to write {self.settings.root}/{key}") from None
            raise UnitError(f"{self.settings.root}/{key}{self._at()}: {_first_line(error)}") from None

    def _at(self) -> str:
        return f" at {self.settings.endpoint}" if self.settings.endpoint else ""


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]


def _local_store(settings: StoreSettings) -> LocalStore:
    try:
        return LocalStore(settings.root, mkdir=True)
    except (exceptions.BaseError, OSError) as error:
        raise RunError(f"{settings.root} cannot be used as a folder: {_first_line(error)}") from None


def _s3_store(settings: StoreSettings) -> S3Store:
    bucket, _, prefix = settings.root.removeprefix("s3://").partition("/")
    if not bucket:
        raise RunError(f"{settings.root} names no bucket: write s3://bucket/prefix")
    options: dict[str, Any] = {}
    if settings.endpoint:
        if urlsplit(settings.endpoint).scheme not in ("http", "https"):
            raise RunError(f"{settings.endpoint} is no endpoint: write http://host:port or https://host")
        options["endpoint"] = settings.endpoint
        options["virtual_hosted_style_request"] = False
    if settings.region:
        options["region"] = settings.region
    if settings.anonymous:
        options["skip_signature"] = True
    else:
        options["credential_provider"] = _credentials(settings)
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options={
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
            "allow_http": True,
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        **options,
    )


def _credentials(settings: StoreSettings) -> Boto3CredentialProvider:
    """The chain of credentials that every AWS tool follows: environment, profiles, roles."""
    try:
        return Boto3CredentialProvider()
    except (ValueError, AttributeError) as error:
        raise RunError(
            f"no AWS credentials for {settings.root}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
        ) from error


def _remove_empty(folder: Path) -> None:
    """Remove a tree of folders that hold no file."""
    if folder.is_dir():
        for child in folder.iterdir():
            _remove_empty(child)
        if not any(folder.iterdir()):
            folder.rmdir()


def _ahead(
    pool: ThreadPoolExecutor, get: Callable[[str], Any], keys: Iterator[str], max_bytes: int, max_in_flight: int
) -> Iterator[tuple[str, Any]]:
    waiting: deque[tuple[str, Future[Any]]] = deque()
    fetched_bytes = fetched = 0

    def attempt(key: str) -> Any:
        try:
            return get(key)
        except UnitError as error:
            return error
        except ValueError as error:
            return Missing(str(error))

    def room() -> bool:
        mean = fetched_bytes / fetched if fetched else max_bytes / 4
        return not waiting or (len(waiting) < max_in_flight and (len(waiting) + 1) * mean <= max_bytes)

    for key in keys:
        waiting.append((key, pool.submit(attempt, key)))
        while waiting and not room():
            first, future = waiting.popleft()
            body = future.result()
            fetched, fetched_bytes = fetched + 1, fetched_bytes + _length(body)
            yield first, body
            del body
    while waiting:
        first, future = waiting.popleft()
        yield first, future.result()


def _length(body: Any) -> int:
    return 0 if isinstance(body, UnitError) else len(body)


_STORES: dict[tuple[int, StoreSettings], Store] = {}


def open_store(settings: StoreSettings) -> Store:
    """The store of these settings, made once a process: connections do not survive a fork."""
    key = (os.getpid(), settings)
    if key not in _STORES:
        _STORES[key] = Store(settings)
    return _STORES[key]
