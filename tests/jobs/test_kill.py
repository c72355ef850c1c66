"""``kill -9`` of the driver and of Python workers, at five moments each: the same command makes the run whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import REPOSITORY
from tests.jobs.kills import assert_equal_to, committed, finish, wait_for
from tests.jobs.results import outcomes

CHANNELS = "XX.*.*.BH?"
MOMENTS = (1, 4, 7, 12, 17)
"""Units committed when a kill falls: during preprocessing, and, of the 9 blocks and 12 tiles, among the tiles."""
N_BLOCKS, N_TILES = 9, 12


@pytest.fixture(scope="module")
def undisturbed(run_job, sample_archive, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert run_job("cross_correlate", *options(sample_archive, out)) == 0
    tiles = outcomes(out, "tile")
    assert len(tiles) == N_TILES
    return out


def options(archive: Path, out: Path) -> list[str]:
    return ["--root", str(archive), "--channels", CHANNELS, "--tile", "8", "--out", str(out)]


def start(archive: Path, out: Path) -> subprocess.Popen[str]:
    """The job through the launcher, on one core, in a process group of its own."""
    command = [str(REPOSITORY / "submit.sh"), "--on", "local[1]", "cross_correlate", *options(archive, out)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=out.parent
    )


def test_killed_driver(undisturbed, sample_archive, run_job, tmp_path, capsys):
    out = tmp_path / "out"
    for moment in MOMENTS:
        process = start(sample_archive, out)
        wait_for(process, out, moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert 0 < committed(out) < N_BLOCKS + N_TILES
        assert not (out / "manifest.json").exists()
    finish(start(sample_archive, out))
    assert_equal_to(out, undisturbed)
    assert run_job("cross_correlate", *options(sample_archive, out)) == 0
    assert "nothing to do" in capsys.readouterr().out


def python_workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Spark's Python workers of a run: forks of its daemon."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "pyspark.daemon" in child.cmdline() and "pyspark.daemon" in child.parent().cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def test_killed_python_workers(undisturbed, sample_archive, tmp_path):
    out = tmp_path / "out"
    process = start(sample_archive, out)
    killed = set()
    for moment in MOMENTS:
        wait_for(process, out, moment)
        deadline = time.monotonic() + 60
        while not (workers := [worker for worker in python_workers(process) if worker.pid not in killed]):
            assert time.monotonic() < deadline
        for worker in workers:
            worker.kill()
            killed.add(worker.pid)
        assert 0 < committed(out) < N_BLOCKS + N_TILES
    assert len(killed) >= len(MOMENTS)
    finish(process)
    assert_equal_to(out, undisturbed)
