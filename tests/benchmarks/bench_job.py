"""The whole job: wall time against its kernels' CPU time, and the memory of every worker in a run of several tiles."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from seisbatch.archives import scedc
from seisbatch.names import Channel
from seisbatch.process.segments import Segment
from seisbatch.sample.faults import pack
from seisbatch.times import day_start_ns

REPOSITORY = Path(__file__).resolve().parents[2]
DAY = dt.date(2024, 3, 1)
BODIES = 4
"""Different recordings; the channels' objects are copies of them under their own names."""


def write_archive(folder: Path, n_channels: int, rate: float) -> None:
    """A day of ``n_channels`` stations' verticals in SCEDC's layout."""
    rng = np.random.default_rng(0)
    rows, recordings = [], []
    for number in range(n_channels):
        name = Channel("XX", f"B{number:03d}", "", "HHZ")
        if number < BODIES:
            steps = rng.normal(0, 12, round(86_400 * rate))
            body = np.rint(np.cumsum(steps) - np.cumsum(np.convolve(steps, np.ones(50) / 50, "same"))).astype(np.int32)
            samples = body if number == 0 else np.roll(body, 1000 * number)
            recordings.append(samples)
        path = folder / scedc.day_file_key(name, DAY)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack(name, [Segment(day_start_ns(DAY), rate, recordings[number % BODIES])]))
        lat, lon = 34 + rng.uniform(0, 1), -117 + rng.uniform(0, 1)
        rows.append(
            {"ms_filename": path.name, "net": "XX", "sta": name.sta, "seedchan": "HHZ", "location": "  ",
             "lat": lat, "lon": lon, "sample_rate": rate}
        )  # fmt: skip
    index = folder / scedc.day_index_key(DAY)
    index.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), index)


def run_job(*arguments: str) -> int:
    """cross_correlate in this process' Spark session."""
    from seisbatch.app import run_job as run_in_app
    from seisbatch.config import parse_or_exit

    specification = importlib.util.spec_from_file_location("cross_correlate", REPOSITORY / "jobs/cross_correlate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return run_in_app("cross_correlate", parse_or_exit("cross_correlate", arguments, ""), module.flow)


def session(cores: int, **more: str) -> Any:
    """A local session with the properties of local runs, and more."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{cores}]")
    for line in (REPOSITORY / "conf/spark/local.conf").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            key, value = line.split(None, 1)
            builder = builder.config(key, value.strip())
    for key, value in more.items():
        builder = builder.config(key, value)
    return builder.config("spark.eventLog.enabled", "false").config("spark.ui.enabled", "false").getOrCreate()


def kernel_seconds(archive: Path, arguments: list[str]) -> float:
    """CPU time of the kernels alone on the same data, in this process: decode, preprocess, correlate, transform back."""
    from seisbatch.acquire.miniseed import decode
    from seisbatch.config import parse
    from seisbatch.options import CrossCorrelate
    from seisbatch.plan.run import correlation_run
    from seisbatch.process.correlation import accumulate_pairs, ccfs_from_pair_spectra
    from seisbatch.process.segments import assemble
    from seisbatch.process.spectra import window_spectra
    from seisbatch.steps.correlate import INVERSE_BYTES

    params = correlation_run(parse("cross_correlate", CrossCorrelate, arguments)).preprocessing
    bodies = [path.read_bytes() for path in sorted(archive.glob("continuous_waveforms/2*/*/*.ms"))]
    slab = np.empty((params.n_bins, len(bodies), params.n_windows), np.complex64)
    started = time.process_time()
    for number, body in enumerate(bodies):
        (segments,) = decode(body).values()
        slab[:, number] = window_spectra(assemble(segments, day_start_ns(DAY), max_fill=1), params).spectra.T
    out = np.zeros((params.n_bins, len(bodies), len(bodies)), np.complex64)
    accumulate_pairs(slab, None, out)
    s, r = np.triu_indices(len(bodies), 1)
    counts = np.full(len(s), params.n_windows, np.int32)
    chunk = INVERSE_BYTES // (4 * params.ccf_nfft)
    for first in range(0, len(s), chunk):
        some = slice(first, first + chunk)
        ccfs_from_pair_spectra(out, s[some], r[some], counts[some], params)
    return time.process_time() - started


def measure_wall(folder: Path) -> list[dict[str, object]]:
    """(d): 50 channels of 100 Hz, one day, two cores, workers warm."""
    archive = folder / "fifty"
    write_archive(archive, 50, 100.0)
    options = ["--archive", "scedc", "--root", str(archive), "--start", str(DAY), "--freqmax", "2", "--sampling-rate", "20",
               "--ccf-rate", "20", "--out"]  # fmt: skip
    spark = session(2)
    walls, kernels = [], []
    for number in range(3):
        started = time.perf_counter()
        assert run_job(*options, str(folder / f"out-{number}")) == 0
        walls.append(time.perf_counter() - started)
        kernels.append(kernel_seconds(archive, [*options, "x"]))
    spark.stop()
    wall, kernel = min(walls[1:]), min(kernels)
    return [
        {
            "measure": "(d) whole job, 50 channels of 100 Hz, wall s",
            "value": wall,
            "bound": f"at most {1.4 * kernel / 2 + 3:.2f}",
        },
        {"measure": "(d) its kernels' CPU s on one core", "value": kernel, "bound": ""},
    ]


class WorkerMemory:
    """Watches the resident memory of every Python worker of this process' Spark."""

    def __init__(self) -> None:
        self.peaks: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> WorkerMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for child in psutil.Process().children(recursive=True):
                try:
                    parent = child.parent()
                    if "pyspark.daemon" in child.cmdline() and parent and "pyspark.daemon" in parent.cmdline():
                        # The kernel's own high-water mark: nothing between two looks is missed.
                        status = Path(f"/proc/{child.pid}/status").read_text()
                        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
                        self.peaks[child.pid] = max(peak, self.peaks.get(child.pid, 0))
                except (psutil.NoSuchProcess, OSError, IndexError):
                    continue


def measure_memory(folder: Path, n_channels: int = 200, memory: int = 850) -> list[dict[str, object]]:
    """(e): 200 channels with a budget [MB] that forces at least three tiles."""
    archive = folder / "many"
    write_archive(archive, n_channels, 20.0)
    out = folder / "out-memory"
    options = ["--archive", "scedc", "--root", str(archive), "--start", str(DAY), "--out", str(out), "--memory", f"{memory}MB"]
    options += ["--freqmax", "2", "--sampling-rate", "20", "--ccf-rate", "20"]
    spark = session(2)
    with WorkerMemory() as watched:
        assert run_job(*options) == 0
    spark.stop()
    tiles = len(list(out.glob("ccf/**/*.parquet")))
    assert tiles >= 3
    assert watched.peaks
    peak = max(watched.peaks.values()) / 1e6
    what = f"(e) {n_channels} channels in {tiles} tiles: largest of {len(watched.peaks)} workers, MB"
    return [{"measure": what, "value": peak, "bound": f"at most {memory}"}]


def measure() -> list[dict[str, object]]:
    """Rows of the table."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        return [*measure_wall(Path(folder)), *measure_memory(Path(folder))]


if __name__ == "__main__":
    for row in measure():
        print(row)
