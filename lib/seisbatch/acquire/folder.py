"""Objects as files under a folder."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from seisbatch.acquire.backend import Changed, Listed, Opened, StoreSettings, first_line
from seisbatch.outcome import RunError, UnitError

_STAGED = re.compile(r"_put-[0-9a-f]{16}\.tmp")


class Folder:
    """Objects as files under a folder: a key is the file's path, letter by letter."""

    def __init__(self, settings: StoreSettings) -> None:
        self._root = os.path.abspath(settings.root)
        self._name = settings.root
        if "\0" in self._root or (os.path.lexists(self._root) and not os.path.isdir(self._root)):
            raise self._unusable("it is none")

    def _unusable(self, why: str) -> RunError:
        return RunError(f"{self._name} cannot be used as a folder: {why}")

    def require(self) -> None:
        """Raise RunError where there is no such folder."""
        if not os.path.isdir(self._root):
            raise RunError(f"there is no folder {self._name}")

    def _path(self, key: str) -> str:
        return os.path.join(self._root, key)

    def open(self, key: str) -> Opened:
        path = self._path(key)
        return Opened(*self.head(key), lambda: Path(path).read_bytes())

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int], version: str | None) -> list[Any]:
        if self.head(key)[1] != version is not None:
            raise Changed(key)
        with open(self._path(key), "rb", buffering=0) as file:
            return [_read_at(file.fileno(), start, length) for start, length in zip(starts, lengths, strict=True)]

    def tail(self, key: str, length: int) -> tuple[int, Any]:
        size, _ = self.head(key)
        with open(self._path(key), "rb", buffering=0) as file:
            return size, _read_at(file.fileno(), max(0, size - length), length)

    def head(self, key: str) -> tuple[int, str]:
        try:
            found = os.stat(self._path(key))
        except OSError as error:
            if len(max(key.split("/"), key=len).encode()) > 255:  # no file can have such a name
                raise FileNotFoundError(key) from error
            raise
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(key)
        return found.st_size, _version(found)

    def put(self, key: str, data: Any) -> None:
        try:
            os.makedirs(self._root, exist_ok=True)
        except OSError as error:
            raise self._unusable(first_line(error)) from None
        path = self._path(key)
        staged = os.path.join(os.path.dirname(path), f"_put-{secrets.token_hex(8)}.tmp")
        try:
            if not (isinstance(data, Path) and _link(data, staged)):
                with _create(staged) as file:
                    if isinstance(data, Path):
                        with data.open("rb") as source:
                            shutil.copyfileobj(source, file, 1 << 20)
                    else:
                        for part in [data] if isinstance(data, bytes | bytearray | memoryview) else data:
                            file.write(part)
            os.replace(staged, path)
            Path(staged).unlink(missing_ok=True)  # which is left where both are the same file
        except BaseException as error:
            Path(staged).unlink(missing_ok=True)
            if isinstance(error, FileNotFoundError):  # a folder that vanished is no missing object
                raise UnitError(f"{key} cannot be written: {first_line(error)}") from None
            raise

    def list(self, prefix: str) -> Iterator[Listed]:
        yield from _files(self._path(prefix) if prefix else self._root, f"{prefix}/" if prefix else "", ())

    def list_flat(self, prefix: str) -> Iterator[Listed]:
        above = f"{prefix}/" if prefix else ""
        for entry in self._entries(prefix):
            with suppress(FileNotFoundError):  # gone by now
                if entry.is_file() and not _STAGED.fullmatch(entry.name):
                    found = entry.stat()
                    yield Listed(f"{above}{entry.name}", found.st_size, _version(found), found.st_mtime)

    def touch(self, key: str) -> None:
        with suppress(FileNotFoundError):  # gone by now
            os.utime(self._path(key))

    def folders(self, prefix: str) -> Iterator[str]:
        yield from (entry.name for entry in self._entries(prefix) if entry.is_dir())

    def _entries(self, prefix: str) -> Sequence[os.DirEntry[str]]:
        try:
            return [*os.scandir(self._path(prefix) if prefix else self._root)]
        except (FileNotFoundError, NotADirectoryError):
            return []

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


def _link(file: Path, path: str) -> bool:
    """Give a file another name, if it stands on the same disk; nothing is copied."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.link(file, path)
    except OSError:  # another disk, or one without links: the file is copied, which tells what is wrong
        return False
    return True


def _version(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"


def _files(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Listed]:
    """The files in a folder; links are followed, but never in a circle."""
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
                found = entry.stat()
                yield Listed(f"{prefix}{entry.name}", found.st_size, _version(found), found.st_mtime)
        except FileNotFoundError:
            continue
