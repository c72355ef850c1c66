"""What a store is made of: its settings, and what every place that holds objects can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

NO_BUCKET = re.compile(r"<Code>NoSuchBucket</Code>")
"""What S3's answer says where it is the bucket that is missing, not the object."""
_OF_CREDENTIALS = re.compile(
    r"<(Token-\d+|AWSAccessKeyId|StringToSign|StringToSignBytes|SignatureProvided|CanonicalRequest|CanonicalRequestBytes)>"
    r".*?(</\1>|\Z)",
    re.DOTALL,
)
"""What S3's answer repeats of the request's credentials, where it refuses them."""


@dataclass(frozen=True)
class StoreSettings:
    """Where a store is: ``s3://bucket/prefix``, a folder, or ``https://host/path``, which is read only.

    Credentials themselves are never part of it.
    """

    root: str
    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False
    credentials: str | None = None
    """Who gives the credentials: ``earthscope``, one network's at a time; else they are the environment's, if any."""
    cache: CacheSettings | None = None
    """Where what is read is kept for the next time, if it is."""

    @property
    def place(self) -> str:
        """The store's root, and the service that holds it."""
        return f"{self.root} at {self.endpoint}" if self.endpoint else self.root


@dataclass(frozen=True)
class CacheSettings:
    """A store that keeps what was read from another, and the bytes that it may hold."""

    store: StoreSettings
    max_bytes: int


class Opened(NamedTuple):
    """An object about to be read: its size, its version as :meth:`Backend.head` has it, and what reads it."""

    size: int
    version: str
    read: Callable[[], Any]


class Listed(NamedTuple):
    """An object as a listing has it: key, size, version, and when it was written [s since 1970].

    Where a listing does not tell them, the size is -1, the version empty and the time 0.
    """

    key: str
    size: int
    version: str
    written: float


class Changed(Exception):
    """An object is no longer the version that was asked for."""


class Backend(Protocol):
    """What a store needs of a place that holds objects; errors are the place's own."""

    def require(self) -> None:
        """Raise RunError unless there is such a place."""

    def open(self, key: str) -> Opened: ...

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int], version: str | None) -> list[Any]:
        """Ranges of an object, cut at its end; Changed where a version is named and the object is another."""

    def tail(self, key: str, length: int) -> tuple[int, Any]:
        """An object's size, and its last bytes."""

    def head(self, key: str) -> tuple[int, str]:
        """An object's size, and a text that changes with its content."""

    def put(self, key: str, data: Any) -> None: ...

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every object under a prefix."""

    def list_flat(self, prefix: str) -> Iterator[Listed]:
        """Every object right under a prefix, those in its folders left out."""

    def touch(self, key: str) -> None:
        """Note that an object is of use, where the place can: it counts as written now."""

    def folders(self, prefix: str) -> Iterator[str]: ...

    def delete(self, keys: Sequence[str]) -> None: ...

    def delete_prefix(self, prefix: str) -> None: ...


def first_line(error: BaseException) -> str:
    """An error's message, short enough for a table, and without what S3 says in it of credentials."""
    return _OF_CREDENTIALS.sub("", str(error)).strip().partition("\n")[0][:300]
