"""Tar files of a few hundred megabytes in WebDataset's form, which machine-learning loaders stream.

What belongs together stands next to each other under one key, told apart by the extension: ``KEY.wav``, ``KEY.png``,
``KEY.json``. WebDataset splits a name at the first dot after the last slash, so that a key has none there.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seisbatch.sinks.records_file import space_for
from seisbatch.times import SECOND_NS

SHARD_BYTES = 400_000_000
"""A new shard begins when one is this large."""


@dataclass(frozen=True)
class Place:
    """Where a file's bytes stand: an object, the offset in it, and how many."""

    key: str
    offset: int
    length: int


class TarShards:
    """Shards ``STEM.tar``, ``STEM-1.tar``, ``STEM-2.tar`` ..., each put as an object once it is full, the last by `finish`.

    A shard is put together on the local disk: memory does not grow with it. Its bytes follow from what was added alone: owners
    have no names, and times are given. No shard is made where nothing is added.
    """

    def __init__(self, put: Callable[[str, Path], object], stem: str, shard_bytes: int = SHARD_BYTES) -> None:
        self._put, self._stem, self._shard_bytes = put, stem, shard_bytes
        self._number = 0
        self._shard: _Shard | None = None

    @property
    def next_key(self) -> str:
        """The key of the shard that is being filled, or would be next."""
        return f"{self._stem}-{self._number}.tar" if self._number else f"{self._stem}.tar"

    def add(self, name: str, time_ns: int, files: Mapping[str, bytes]) -> dict[str, Place]:
        """Add the files of one key, by extension, to one shard; where each stands.

        ``time_ns``: the time that members state, in whole seconds, not before 1970. Raises ValueError for a key with a dot
        in its last part, RunError where the disk is full.
        """
        if "." in name.rpartition("/")[2]:
            raise ValueError(f"{name} has a dot, at which its extension would begin")
        self._shard = self._shard or _Shard()
        places = {
            extension: Place(self.next_key, self._shard.append(f"{name}.{extension}", time_ns, data), len(data))
            for extension, data in files.items()
        }
        if self._shard.size >= self._shard_bytes:
            self.finish()
        return places

    def finish(self) -> None:
        """Put the shard that is being filled, if any."""
        if self._shard:
            with self._shard as shard:
                self._put(self.next_key, shard.finish())
            self._shard = None
            self._number += 1

    def discard(self) -> None:
        """Remove what was put together but not put."""
        if self._shard:
            self._shard.__exit__()
            self._shard = None


class _Shard:
    """A local file in the format of tar (ustar), gone when it is left."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="seisbatch-")
        self._path = Path(self._folder.name) / "shard.tar"
        self._file = self._path.open("wb")
        self.size = 0

    def __enter__(self) -> _Shard:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        finally:
            self._folder.cleanup()

    def append(self, name: str, time_ns: int, data: bytes) -> int:
        """Add a member; the offset of its data."""
        member = tarfile.TarInfo(name)  # of owner and group 0, without names
        member.size, member.mtime = len(data), max(0, time_ns // SECOND_NS)
        header = member.tobuf(tarfile.USTAR_FORMAT)
        offset = self.size + len(header)
        with space_for(self._folder.name):
            for part in (header, data, bytes(-len(data) % tarfile.BLOCKSIZE)):
                self.size += self._file.write(part)
        return offset

    def finish(self) -> Path:
        """The file with its end: two empty blocks, and whole records."""
        end = 2 * tarfile.BLOCKSIZE
        with space_for(self._folder.name):
            self._file.write(bytes(end + -(self.size + end) % tarfile.RECORDSIZE))
            self._file.close()
        return self._path
