"""Objects of a store, a local folder or S3 alike: get, ranges, put, list, delete, and fetching ahead.

A unit's error (no such object, denied, retries exhausted) is raised as the :class:`~seisbatch.outcome.UnitError` that it
becomes; what is wrong with the run (no such bucket, no way to the endpoint, no space) as
:class:`~seisbatch.outcome.RunError`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from seisbatch.outcome import Corrupt, Denied, Missing, RunError, UnitError, is_out_of_space

CONNECT_SECONDS = 10
REQUEST_SECONDS = 120
RETRIES = 8
RETRY_SECONDS = 180
BACKOFF_BASE = 3
"""With a first wait of 0.1 s, the eight retries of a request are spread over about ten seconds."""
KEY_BYTES = 1024

_NO_BUCKET = re.compile(r"<Code>NoSuchBucket</Code>")
_NO_CONNECTION = re.compile(r"kind: Connect\b|dns error")
_WRONG_REGION = re.compile(
    r"redirect without LOCATION|"
    r"<Code>(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)</Code>"
)
_BEYOND_THE_END = re.compile(r"416 Range Not Satisfiable|<Code>InvalidRange</Code>")
_STAGED = re.compile(r"_put-[0-9a-f]{16}\.tmp")


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
    if not key or not key.isprintable() or "\\" in key or len(key.encode()) > KEY_BYTES:
        raise ValueError(f"{key[:80]!r} is no valid key: 1 to {KEY_BYTES} bytes of printable text")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{key[:80]!r} is no valid key: it would leave its folder")
    return key


class _Backend(Protocol):
    """What :class:`Store` needs of a place that holds objects; errors are the place's own."""

    def open(self, key: str) -> tuple[int, Callable[[], Any]]:
        """An object's size, and what reads it."""

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[Any]: ...

    def size(self, key: str) -> int: ...

    def put(self, key: str, data: Any) -> None: ...

    def list(self, prefix: str) -> Iterator[tuple[str, int]]: ...

    def delete(self, keys: Sequence[str]) -> None: ...

    def delete_prefix(self, prefix: str) -> None: ...


class Store:
    """One store; made by :func:`open_store`."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self._backend: _Backend = _S3(settings) if settings.root.startswith("s3://") else _Folder(settings)

    def get(self, key: str) -> Any:
        """The object's bytes, as a buffer; Missing, Denied."""
        with self._errors(check_key(key)):
            return self._backend.open(key)[1]()

    def get_range(self, key: str, start: int, length: int) -> Any:
        """At most ``length`` bytes from ``start`` on, as a buffer; none where the object ends before."""
        return self.get_ranges(key, [start], [length])[0]

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[Any]:
        """Several ranges of one object, each as :meth:`get_range` gives it."""
        if len(starts) != len(lengths) or any(number < 0 for number in (*starts, *lengths)):
            raise ValueError("ranges: as many starts as lengths, none of them below 0")
        with self._errors(check_key(key)):
            return self._backend.get_ranges(key, starts, lengths)

    def size(self, key: str) -> int:
        """The object's size in bytes; Missing where there is none."""
        with self._errors(check_key(key)):
            return self._backend.size(key)

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            self.size(key)
        except Missing:
            return False
        return True

    def put(self, key: str, data: bytes | Path | Sequence[Any]) -> None:
        """Write an object whole or not at all, over what was there; ``data`` may be parts, or a file's path."""
        if isinstance(data, Path) and not data.is_file():
            raise UnitError(f"{key} cannot be written: there is no file {data}")
        with self._errors(check_key(key)):
            self._backend.put(key, data)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys and sizes under a prefix that ends a folder's name (``""`` is all), sorted."""
        folder = prefix.rstrip("/")
        with self._errors(check_key(folder) if folder else prefix):
            found = sorted(self._backend.list(folder))
        yield from found

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
    def fetch_ahead(self, keys: Iterable[str], *, max_bytes: int, max_in_flight: int) -> Iterator[Iterator[tuple[str, Any]]]:
        """An iterator of each key in turn and its bytes, or the UnitError that fetching it ended with.

        Objects are fetched while earlier ones are being used: at most ``max_in_flight`` of them, and no more than
        ``max_bytes`` under way, held or in use; a single object that is larger is fetched when it is the only one.
        """
        budget = _Budget(max_bytes)
        pool = ThreadPoolExecutor(max_in_flight, thread_name_prefix="fetch")
        try:
            yield self._ahead(pool, budget, iter(keys), max_in_flight)
        finally:
            budget.close()
            pool.shutdown(wait=True, cancel_futures=True)

    def _ahead(
        self, pool: ThreadPoolExecutor, budget: _Budget, keys: Iterator[str], max_in_flight: int
    ) -> Iterator[tuple[str, Any]]:
        waiting: deque[tuple[int, str, Future[Any]]] = deque()
        for number, key in enumerate(keys):
            waiting.append((number, key, pool.submit(self._fetch, key, number, budget)))
            if len(waiting) >= max_in_flight:
                yield from _consume(waiting, budget)
        while waiting:
            yield from _consume(waiting, budget)

    def _fetch(self, key: str, number: int, budget: _Budget) -> Any:
        """The bytes of the object that is ``number``-th in line, or its UnitError, once the budget has room for it."""
        try:
            with self._errors(check_key(key)):
                size, read = self._backend.open(key)
                if not budget.try_take(number, size):
                    del read  # an idle connection would time out: the object is asked for again when there is room
                    if not budget.take(number, size):
                        return UnitError("no longer wanted")
                    _, read = self._backend.open(key)
                return read()
        except UnitError as error:
            return error
        except ValueError as error:
            return Corrupt(str(error))
        finally:
            budget.take(number, 0)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        where = f"{self.settings.root}/{key}"
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if _NO_BUCKET.search(str(error)):
                raise self._no_bucket() from None
            raise Missing(f"no object {key}") from None
        except (PermissionError, exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            if _WRONG_REGION.search(str(error)):
                raise self._wrong_region() from None
            raise Denied(f"{where}: access denied ({_first_line(error)})") from None
        except exceptions.BaseError as error:
            text = str(error)
            if _NO_BUCKET.search(text):
                raise self._no_bucket() from None
            if _NO_CONNECTION.search(text):
                raise RunError(
                    f"{self.settings.root}: no connection{self._at() or ' to S3'} after {RETRIES} retries: "
                    "check the endpoint, the region's name and the network"
                ) from None
            if _WRONG_REGION.search(text):
                raise self._wrong_region() from None
            raise UnitError(f"{where}{self._at()}: {_first_line(error)}") from None
        except OSError as error:
            if is_out_of_space(error):
                raise RunError(f"no space left to write {where}") from None
            raise UnitError(f"{where}: {_first_line(error)}") from None

    def _no_bucket(self) -> RunError:
        return RunError(f"{self.settings.root}: no such bucket{self._at()}: check its name, the endpoint and the region")

    def _wrong_region(self) -> RunError:
        region = self.settings.region or "the default region"
        return RunError(f"{self.settings.root} is not in {region}{self._at()}: name the bucket's own region")

    def _at(self) -> str:
        return f" at {self.settings.endpoint}" if self.settings.endpoint else ""


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]


class _Budget:
    """Bytes that may be held at a time, given out strictly in the order of the line: nobody waits for one behind him."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: dict[int, int] = {}
        self._total = 0
        self._next = 0
        self._closed = False
        self._changed = threading.Condition()

    def try_take(self, number: int, size: int) -> bool:
        """Take ``size`` bytes if it is this one's turn and there is room."""
        with self._changed:
            return self._grant(number, size)

    def take(self, number: int, size: int) -> bool:
        """Take ``size`` bytes when it is this one's turn and there is room, unless its turn is over; False once closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._next > number or self._grant(number, size)) and (
                not self._closed
            )

    def give_back(self, number: int) -> None:
        """What this one took is held no longer."""
        with self._changed:
            self._total -= self._held.pop(number, 0)
            self._changed.notify_all()

    def close(self) -> None:
        """Let everyone who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _grant(self, number: int, size: int) -> bool:
        if number != self._next or (self._total and self._total + size > self._max_bytes):
            return False
        self._next = number + 1
        self._held[number] = size
        self._total += size
        self._changed.notify_all()
        return True


def _consume(waiting: deque[tuple[int, str, Future[Any]]], budget: _Budget) -> Iterator[tuple[str, Any]]:
    """Yield the first in line; what it held is free once the consumer asks for the next."""
    number, key, future = waiting.popleft()
    body = future.result()
    del future
    yield key, body
    del body
    budget.give_back(number)


class _Folder:
    """Objects as files under a folder: a key is the file's path, letter by letter."""

    def __init__(self, settings: StoreSettings) -> None:
        self._root = os.path.abspath(settings.root)
        try:
            os.makedirs(self._root, exist_ok=True)
        except (OSError, ValueError) as error:
            raise RunError(f"{settings.root} cannot be used as a folder: {_first_line(error)}") from None

    def _path(self, key: str) -> str:
        return os.path.join(self._root, key)

    def open(self, key: str) -> tuple[int, Callable[[], Any]]:
        path = self._path(key)
        return self.size(key), lambda: Path(path).read_bytes()

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[Any]:
        self.size(key)
        with open(self._path(key), "rb", buffering=0) as file:
            return [_read_at(file.fileno(), start, length) for start, length in zip(starts, lengths, strict=True)]

    def size(self, key: str) -> int:
        try:
            found = os.stat(self._path(key))
        except OSError as error:
            if len(max(key.split("/"), key=len).encode()) > 255:  # no file can have such a name
                raise FileNotFoundError(key) from error
            raise
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(key)
        return found.st_size

    def put(self, key: str, data: Any) -> None:
        path = self._path(key)
        staged = os.path.join(os.path.dirname(path), f"_put-{secrets.token_hex(8)}.tmp")
        try:
            with _create(staged) as file:
                if isinstance(data, Path):
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
                else:
                    for part in [data] if isinstance(data, bytes | bytearray | memoryview) else data:
                        file.write(part)
            os.replace(staged, path)
        except BaseException as error:
            Path(staged).unlink(missing_ok=True)
            if isinstance(error, FileNotFoundError):  # a folder that vanished is no missing object
                raise UnitError(f"{key} cannot be written: {_first_line(error)}") from None
            raise

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        yield from _files(self._path(prefix) if prefix else self._root, f"{prefix}/" if prefix else "", ())

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            Path(self._path(key)).unlink(missing_ok=True)

    def delete_prefix(self, prefix: str) -> None:
        folder = Path(self._path(prefix))
        if folder.is_dir():
            shutil.rmtree(folder, onerror=_unless_gone)  # it does not follow links
        with suppress(OSError):  # not empty, or gone already
            if str(folder.parent) != self._root:
                folder.parent.rmdir()


def _unless_gone(function: Any, path: str, found: Any) -> None:
    """What another process removed first needs no removing."""
    if not isinstance(found[1], FileNotFoundError):
        raise found[1]


def _read_at(file: int, start: int, length: int) -> bytes:
    parts = []
    while length > 0 and (part := os.pread(file, min(length, 1 << 30), start)):
        parts.append(part)
        start, length = start + len(part), length - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _create(path: str) -> BinaryIO:
    """A new file, and its folders: another worker may be removing them as empty at this moment."""
    for _ in range(100):
        with suppress(FileNotFoundError):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return open(path, "xb")
    return open(path, "xb")


def _files(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, int]]:
    """Keys and sizes of the files in a folder; links are followed, but never in a circle."""
    try:
        here = os.stat(folder)
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    identity = (here.st_dev, here.st_ino)
    if identity in above:
        return
    for entry in entries:
        try:
            if entry.is_dir():
                yield from _files(entry.path, f"{prefix}{entry.name}/", (*above, identity))
            elif entry.is_file() and not _STAGED.fullmatch(entry.name):
                yield f"{prefix}{entry.name}", entry.stat().st_size
        except FileNotFoundError:
            continue


class _S3:
    """Objects of a bucket under a prefix."""

    def __init__(self, settings: StoreSettings) -> None:
        bucket, _, prefix = settings.root.removeprefix("s3://").partition("/")
        if not bucket:
            raise RunError(f"{settings.root} names no bucket: write s3://bucket/prefix")
        options: dict[str, Any] = {}
        if settings.endpoint:
            url = urlsplit(settings.endpoint)
            if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
                raise RunError("the endpoint is none: write http://host:port or https://host, without a user's name")
            options["endpoint"] = settings.endpoint.rstrip("/")
            options["virtual_hosted_style_request"] = False
        if settings.anonymous:
            options["skip_signature"] = True
        else:
            options["credential_provider"] = _credentials(settings)
        if settings.region:
            options["region"] = settings.region
        self._bucket_seen = False
        try:
            self._store = S3Store(
                bucket,
                prefix=prefix.strip("/") or None,
                client_options={
                    "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                    "timeout": timedelta(seconds=REQUEST_SECONDS),
                    "allow_http": True,
                },
                retry_config={
                    "max_retries": RETRIES,
                    "retry_timeout": timedelta(seconds=RETRY_SECONDS),
                    "backoff": {
                        "init_backoff": timedelta(seconds=0.1),
                        "max_backoff": timedelta(seconds=15),
                        "base": BACKOFF_BASE,
                    },
                },
                **options,
            )
        except (exceptions.BaseError, ValueError) as error:
            raise RunError(f"{settings.root} cannot be used: {_first_line(error)}") from None

    def open(self, key: str) -> tuple[int, Callable[[], Any]]:
        found = obstore.get(self._store, key)
        self._bucket_seen = True
        return int(found.meta["size"]), found.bytes

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[Any]:
        wanted = [number for number, length in enumerate(lengths) if length]
        parts: list[Any] = [b""] * len(lengths)
        try:
            found: Sequence[Any]
            if len(wanted) == 1:
                (only,) = wanted
                found = [obstore.get_range(self._store, key, start=starts[only], length=lengths[only])]
            elif wanted:
                size = self.size(key)
                wanted = [number for number in wanted if starts[number] < size]
                ends = [min(starts[number] + lengths[number], size) for number in wanted]
                found = obstore.get_ranges(self._store, key, starts=[starts[number] for number in wanted], ends=ends)
            else:
                self.size(key)
                found = []
        except exceptions.BaseError as error:
            if _BEYOND_THE_END.search(str(error)):
                return parts
            raise
        for number, part in zip(wanted, found, strict=True):
            parts[number] = part
        return parts

    def size(self, key: str) -> int:
        try:
            return int(obstore.head(self._store, key)["size"])
        except FileNotFoundError:
            if not self._bucket_seen:  # the answer to HEAD has no body that would tell a missing bucket from an object
                try:
                    obstore.get_range(self._store, key, start=0, length=1)
                except FileNotFoundError as error:
                    self._bucket_seen = not _NO_BUCKET.search(str(error))
                    raise
            raise

    def put(self, key: str, data: Any) -> None:
        obstore.put(self._store, key, iter(data) if isinstance(data, list | tuple) else data)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        for batch in obstore.list(self._store, prefix or None):
            for item in batch:
                yield str(item["path"]), int(item["size"])

    def delete(self, keys: Sequence[str]) -> None:
        for first in range(0, len(keys), 1000):
            try:
                obstore.delete(self._store, list(keys[first : first + 1000]))
            except FileNotFoundError as error:
                if _NO_BUCKET.search(str(error)):
                    raise

    def delete_prefix(self, prefix: str) -> None:
        self.delete([key for key, _ in self.list(prefix)])


def _credentials(settings: StoreSettings) -> Boto3CredentialProvider:
    """The chain of credentials that every AWS tool follows: environment, profiles, roles."""
    try:
        return Boto3CredentialProvider()
    except Exception as error:  # botocore raises its own kinds for a profile that is not there, or half written
        raise RunError(
            f"no AWS credentials for {settings.root} ({type(error).__name__}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, a profile or a role"
        ) from None


_STORES: dict[tuple[int, StoreSettings], Store] = {}


def open_store(settings: StoreSettings) -> Store:
    """The store of these settings, made once a process: connections do not survive a fork."""
    key = (os.getpid(), settings)
    if key not in _STORES:
        _STORES[key] = Store(settings)
    return _STORES[key]
