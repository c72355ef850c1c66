"""A folder that appears when all that belongs in it is written."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_whole(folder: Path, is_there: Callable[[Path], bool], write: Callable[[Path], None]) -> bool:
    """Write a folder next to its place and give it its name at the end; False where ``is_there`` says that it is there.

    Another process may write the same at the same time: the first that is done wins, and both go on.
    """
    if is_there(folder):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".sample-archive-", dir=folder.parent))
    try:
        write(unfinished)
        unfinished.chmod(0o755)
        try:
            os.rename(unfinished, folder)
        except OSError:
            if not is_there(folder):
                raise
        return True
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def tell(line: str, end: str = "") -> None:
    """A line that renews itself on a terminal; elsewhere only the last, which has an ``end``, is written."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end=end, file=sys.stderr, flush=True)
    elif end:
        print(line, file=sys.stderr, flush=True)
