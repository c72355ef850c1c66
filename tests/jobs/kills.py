"""Runs that are killed in the middle: waiting for the moment, and what must come out of them all the same."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.jobs.results import data_columns, outcomes


def committed(out: Path) -> int:
    """Units of cross_correlate that are whole on storage; the report's files come after all of them."""
    return len(list(out.glob("_scratch/**/*.spec"))) + len(list(out.glob("ccf/**/*.parquet")))


def wait_for(process: subprocess.Popen[str], out: Path, number: int) -> int:
    """Wait until so many units are committed; how many are."""
    deadline = time.monotonic() + 240
    while (found := committed(out)) < number:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return found


def finish(process: subprocess.Popen[str]) -> str:
    """Wait until a run ends well; what it said."""
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return told


def assert_equal_to(out: Path, undisturbed: Path) -> None:
    """The output of a run that was disturbed is that of one that was not, and nothing of the disturbance is left."""
    assert data_columns(out).equals(data_columns(undisturbed))
    one, other = outcomes(out), outcomes(undisturbed)
    kept = ("outcome", "reason", "windows", "bytes_read", "bytes_written")
    assert {u: [row[k] for k in kept] for u, row in one.items()} == {u: [row[k] for k in kept] for u, row in other.items()}
    assert not (out / "_scratch").exists()
    assert not [path for path in out.rglob("*") if path.is_file() and path.stat().st_size == 0]
