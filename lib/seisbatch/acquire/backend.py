"""What a store is made of: its settings, and what every place that holds objects can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

NO_BUCKET = re.compile(r"<Code>NoSuchBucket</Code>")
"""What S3's answer says where it is the bucket that is missing, not the object."""


@dataclass(frozen=True)
class StoreSettings:
    """Where a store is: ``s3://bucket/prefix`` or a folder. Credentials are never part of it."""

    root: str
    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False

    @property
    def place(self) -> str:
        """The store's root, and the service that holds it."""
        return f"{self.root} at {self.endpoint}" if self.endpoint else self.root


class Backend(Protocol):
    """What a store needs of a place that holds objects; errors are the place's own."""

    def require(self) -> None:
        """Raise RunError unless there is such a place."""

    def open(self, key: str) -> tuple[int, Callable[[], Any]]:
        """An object's size, and what reads it."""

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[Any]: ...

    def tail(self, key: str, length: int) -> tuple[int, Any]:
        """An object's size, and its last bytes."""

    def size(self, key: str) -> int: ...

    def put(self, key: str, data: Any) -> None: ...

    def version(self, key: str) -> str:
        """A text that changes with an object's content."""

    def list(self, prefix: str) -> Iterator[tuple[str, int, str]]:
        """Key, size and version of every object under a prefix."""

    def folders(self, prefix: str) -> Iterator[str]: ...

    def delete(self, keys: Sequence[str]) -> None: ...

    def delete_prefix(self, prefix: str) -> None: ...


def first_line(error: BaseException) -> str:
    """An error's message, short enough for a table."""
    return str(error).strip().partition("\n")[0][:300]
