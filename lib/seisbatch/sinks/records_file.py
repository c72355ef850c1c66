"""Objects of records of miniSEED, one segment's after another's, put together on disk: memory does not grow with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from seisbatch.outcome import RunError, is_out_of_space


class RecordsFile:
    """A local file of records, which is gone when it is left; whoever made it puts it where it belongs before."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="seisbatch-")
        self.path = Path(self._folder.name) / "records.ms"
        self._file = self.path.open("wb")
        self.size = 0

    def __enter__(self) -> RecordsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            self._file.close()
        finally:
            self._folder.cleanup()

    def append(self, records: bytes) -> int:
        """Add the records of a segment; the offset at which they begin. RunError where the disk is full."""
        offset = self.size
        with space_for(self._folder.name):
            self._file.write(records)
        self.size += len(records)
        return offset

    def finish(self) -> Path:
        """The file, with all that was added; RunError where the disk is full."""
        with space_for(self._folder.name):
            self._file.flush()
        return self.path


@contextmanager
def space_for(folder: str | Path) -> Iterator[None]:
    """What is written in a folder of the local disk, which is the run's trouble where it is full: RunError."""
    try:
        yield
    except OSError as error:
        if is_out_of_space(error):
            raise RunError(f"no space left in {folder}: {error}") from error
        raise
