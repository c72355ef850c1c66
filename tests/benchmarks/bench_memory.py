"""One object fifty times larger than the rest: the memory of the workers, and the time of an event of 4,450 traces.

python tests/benchmarks/bench_memory.py
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bench_job import WorkerMemory, session
from bench_windows import flow_of
from seisbatch.acquire.pack import pack
from seisbatch.archives import scedc, sds
from seisbatch.names import Channel
from seisbatch.process.segments import Segment
from seisbatch.times import day_start_ns

DAY = dt.date(2022, 1, 2)
SMALL, FACTOR = 1_600_000, 50
"""Samples of the other objects, some 2 MB, and how many times as many the large one has."""
MEMORY_MB = 600
N_TRACES = 4450


def counts(n_samples: int, seed: int) -> np.ndarray:
    """A wandering signal of whole numbers."""
    rng = np.random.default_rng(seed)
    return (np.cumsum(rng.integers(-30, 31, n_samples, dtype=np.int32), dtype=np.int64) % 1_000_000).astype(np.int32)


def mixed_lengths(name: Channel, n_samples: int, seed: int) -> bytes:
    """A day in records of two lengths: it has to be read whole."""
    rate = n_samples / 86_400
    whole = Segment(day_start_ns(DAY), rate, counts(n_samples, seed))
    half = n_samples // 2
    return pack(name, whole.part(0, half), 512) + pack(name, whole.part(half, n_samples), 4096)


def write_days(archive: Path) -> None:
    """Forty channel-days, one of them large."""
    for number in range(40):
        name = Channel("XX", f"S{number:03d}", "", "HHZ")
        path = archive / sds.day_file_key(name, DAY)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mixed_lengths(name, SMALL * (FACTOR if number == 20 else 1), number))


def write_events(root: Path) -> None:
    """Twenty events, one of them large: 4,450 traces."""
    lines = ["EVID,ORIGIN_DATETIME,LATITUDE,LONGITUDE,DEPTH,MAG"]
    for number in range(20):
        event_id = f"E{number:03d}"
        n_traces = N_TRACES if number == 10 else N_TRACES // FACTOR
        samples = counts(SMALL * FACTOR // N_TRACES, number)
        segment = Segment(day_start_ns(DAY), 100.0, samples)
        names = [Channel("XX", f"S{trace // 3:04d}", "", ("HHZ", "HHN", "HHE")[trace % 3]) for trace in range(n_traces)]
        parts = [pack(name, segment, 512) for name in names]
        path = root / "archive" / scedc.event_key(event_id, DAY)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(parts))
        lines.append(f"{event_id},{DAY} 00:00:00,34,-117,5,3")
    (root / "events.csv").write_text("\n".join(lines) + "\n")


def run(job: str, *options: object) -> float:
    """Seconds of a job in this process."""
    from seisbatch.app import run_job
    from seisbatch.config import parse_or_exit

    started = time.perf_counter()
    assert run_job(job, parse_or_exit(job, [str(option) for option in options], ""), flow_of(job)) == 0
    return time.perf_counter() - started


def measure() -> list[dict[str, object]]:
    """Rows of the table."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_days(root / "days")
        write_events(root)
        days = ["--archive", "sds", "--root", root / "days", "--memory", f"{MEMORY_MB}MB"]
        events = [
            "--archive",
            "scedc",
            "--root",
            root / "archive",
            "--events",
            root / "events.csv",
            "--memory",
            f"{MEMORY_MB}MB",
        ]
        jobs = {
            "cut_windows": [*days, "--time", f"{DAY}T12:00:00"],
            "extract_events": events,
            "index_archive": [*days, "--start", DAY, "--days", 1, "--segments"],
        }
        for job, options in jobs.items():
            spark = session(2)
            with WorkerMemory() as watched:
                seconds = run(job, *options, "--out", root / f"out-{job}")
            spark.stop()
            peak = max(watched.peaks.values()) / 1e6
            what = f"{job}, one object {FACTOR} times larger than the rest: largest worker, MB ({seconds:.1f} s in all)"
            rows.append({"measure": what, "value": peak, "bound": f"at most {MEMORY_MB}"})
            files = sorted((root / f"out-{job}/outcomes").rglob("*.parquet"))
            units = [pq.read_table(file, partitioning=None).filter(pc.field("kind") != "batch") for file in files]
            slowest = max(pc.max(table["seconds"]).as_py() for table in units)
            rows.append({"measure": f"{job}, the large object, s", "value": slowest, "bound": ""})
    return rows


if __name__ == "__main__":
    for row in measure():
        print(row)
