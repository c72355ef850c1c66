"""The planner on a made index of ten million channel-days, with the driver's memory of conf/spark/local.conf: time and memory.

    python tests/benchmarks/bench_planner.py [CHANNELS DAYS]

No object and no file of the index is there: rows of ``CHANNEL_DAY`` are made by Spark in place of ``app.index``. Each planner
runs in a process of its own, up to the counts that it prints and the keys of the first tasks; its memory is that of the
session's Java and of Python, at their largest.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "lib")]

import psutil  # noqa: E402
from bench_job import session  # noqa: E402

CHANNELS, DAYS = 2000, 5000
START = dt.date(2002, 1, 1)
PLANNERS = ("cross_correlate", "cross_correlate of stations", "remove_response", "cut_windows")
WINDOW_EVENTS = 5000
MEGABYTE = 1e6


def made_index(spark: Any, n_channels: int, n_days: int) -> Any:
    """Rows of ``CHANNEL_DAY``: every channel on every day, as a task of eight days reads them from an archive's index."""
    from pyspark.sql import functions as F  # noqa: N812
    from seisbatch.schema import CHANNEL_DAY

    day, number = F.floor(F.col("id") / n_channels).cast("int"), F.col("id") % n_channels
    sta = F.format_string("S%04d", F.floor(number / 2))
    chan = F.when(number % 2 == 0, "HHZ").otherwise("BHZ")
    date = F.date_add(F.lit(START), day)
    s3key = F.concat(
        F.date_format(date, "'continuous_waveforms/'yyyy'/'yyyy'_'DDD'/CI'"),
        sta,
        chan,
        F.date_format(date, "'___'yyyyDDD'.ms'"),
    )
    values = {
        "unit": F.concat_ws("/", F.concat_ws(".", F.lit("CI"), sta, F.lit(""), chan), date.cast("string")),
        "date": date,
        "net": F.lit("CI"),
        "sta": sta,
        "loc": F.lit(""),
        "chan": chan,
        "s3key": s3key,
        "sample_rate": F.when(number % 2 == 0, 100.0).otherwise(40.0),
        "lat": 33 + (number % 100) / 25,
        "lon": -119 + F.floor(number / 100) / 5,
    }
    rows = spark.range(0, n_channels * n_days, 1, max(1, n_days // 8))
    schema = CHANNEL_DAY.spark()
    return rows.select(*(values.get(field.name, F.lit(None)).cast(field.dataType).alias(field.name) for field in schema))


def plan(planner: str, spark: Any, n_channels: int, n_days: int, folder: Path) -> list[Any]:
    """Plan a run; its stages' commit units."""
    from seisbatch.config import parse
    from seisbatch.options import CrossCorrelate, CutWindows, RemoveResponse

    index = made_index(spark, n_channels, n_days)
    job = planner.split()[0]
    archive = ["--archive", "scedc", "--root", str(folder), "--out", str(folder / "out")]
    days = ["--start", START.isoformat(), "--days", str(n_days)]
    if job == "cut_windows":
        from seisbatch.plan.windows import window_anchors, window_plan, window_run

        events = folder / "events.csv"
        events.write_text(made_events(WINDOW_EVENTS * n_days // DAYS, n_days))
        cut = window_run(parse(job, CutWindows, [*archive, "--events", str(events), "--from", "-60", "--to", "240"]))
        told = window_plan(spark, index, window_anchors(cut), cut)
        units = [told.batches]
    elif job == "remove_response":
        from seisbatch.plan.motion import days_plan, motion_run

        told = days_plan(index, motion_run(parse(job, RemoveResponse, [*archive, *days, "--memory", "4GB"])))
        units = [told.batches]
    else:
        from seisbatch.plan.correlation import correlation_plan
        from seisbatch.plan.run import correlation_run

        kind = ["--pairs", "station"] if planner.endswith("stations") else ["--max-distance", "150"]
        told = correlation_plan(index, correlation_run(parse(job, CrossCorrelate, [*archive, *days, *kind])))
        units = [told.blocks, told.tiles]
    for label, value in told.lines():
        print(f"  {label}: {value}", file=sys.stderr)
    return units


def made_events(number: int, n_days: int) -> str:
    """A catalogue of events at times spread over the days."""
    lines = ["event_id,time,lat,lon,depth,magnitude"]
    for event in range(number):
        at = dt.datetime(START.year, START.month, START.day) + dt.timedelta(days=n_days * (event + 0.5) / number)
        lines.append(f"{event},{at:%Y-%m-%dT%H:%M:%S},34.0,-118.0,8.0,4.0")
    return "\n".join(lines) + "\n"


def hand_out(spark: Any, units: Any) -> int:
    """Keys of a stage's units through Python workers, in the tasks that a run has; how many there were."""
    from seisbatch.app import TASKS_A_CORE

    n_tasks = spark.sparkContext.defaultParallelism * TASKS_A_CORE
    counted = units.frame.repartition(n_tasks).mapInArrow(count_rows, "n long")
    return int(counted.agg({"n": "sum"}).first()[0])


def count_rows(batches: Any) -> Any:
    import pyarrow as pa

    for batch in batches:
        yield pa.RecordBatch.from_pydict({"n": pa.array([batch.num_rows], pa.int64())})


def cpu_seconds() -> float:
    """CPU time of this process and of those that it started, which are still there."""
    spent = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system
    return spent


class Memory(threading.Thread):
    """The largest resident memory of this process and of those that it started [MB], as long as it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.python = self.java = self.workers = 0.0

    def run(self) -> None:
        me = psutil.Process()
        while True:
            self.python = max(self.python, me.memory_info().rss / MEGABYTE)
            workers = 0.0
            for child in me.children(recursive=True):
                try:
                    rss = child.memory_info().rss / MEGABYTE
                    if child.name() == "java":
                        self.java = max(self.java, rss)
                    else:
                        workers += rss
                except psutil.NoSuchProcess:
                    continue
            self.workers = max(self.workers, workers)
            time.sleep(0.2)


def measure_here(planner: str, n_channels: int, n_days: int) -> dict[str, float]:
    """Seconds, memory [MB] and scratch on disk [MB] of planning, and of handing the keys to workers."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    memory = Memory()
    memory.start()
    with tempfile.TemporaryDirectory() as folder:
        spark = session(2, **{"spark.local.dir": folder, "spark.driver.memory": driver_memory()})
        spark.range(1).count()
        started, spent = time.perf_counter(), cpu_seconds()
        units = plan(planner, spark, n_channels, n_days, Path(folder))
        planned, spent_planning = time.perf_counter(), cpu_seconds()
        n_units = sum(hand_out(spark, one) for one in units)
        handed, spent_handing = time.perf_counter(), cpu_seconds()
        assert n_units == sum(one.number for one in units)
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / MEGABYTE
        spark.stop()
    return {
        "planned": planned - started, "handed": handed - planned, "units": n_units, "disk": disk,
        "planned_cpu": spent_planning - spent, "handed_cpu": spent_handing - spent_planning,
        "java": memory.java, "python": memory.python, "workers": memory.workers,
    }  # fmt: skip


def driver_memory() -> str:
    """That of conf/spark/local.conf; Java is started with it."""
    conf = Path(__file__).resolve().parents[2] / "conf/spark/local.conf"
    [line] = [line for line in conf.read_text().splitlines() if line.startswith("spark.driver.memory")]
    return line.split()[1]


def measure(n_channels: int = CHANNELS, n_days: int = DAYS, planners: Sequence[str] = PLANNERS) -> list[dict[str, object]]:
    """Rows of the table."""
    rows: list[dict[str, object]] = []
    environment = os.environ | {"PYSPARK_SUBMIT_ARGS": f"--driver-memory {driver_memory()} pyspark-shell"}
    for planner in planners:
        command = [sys.executable, __file__, planner, str(n_channels), str(n_days)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)
        told = f"plan of {planner}, {n_channels:,} channels, {n_days:,} days"
        rows += [
            {"measure": f"{told}, s", "value": found["planned"], "bound": "at most 600" if n_channels * n_days <= 1e7 else ""},
            {"measure": "  of it CPU, s", "value": found["planned_cpu"], "bound": ""},
            {"measure": f"  handing {found['units']:,} units to workers, s", "value": found["handed"], "bound": ""},
            {"measure": "  memory of Java, MB", "value": found["java"], "bound": "at most 2,800"},
            {"measure": "  memory of the driver's Python, MB", "value": found["python"], "bound": "at most 400"},
            {"measure": "  on disk, MB", "value": found["disk"], "bound": ""},
        ]
    return rows


def _alone(words: Sequence[str], done: Callable[[str], None]) -> None:
    if len(words) == 3:
        done(json.dumps(measure_here(words[0], int(words[1]), int(words[2]))))
        return
    for row in measure(*map(int, words)):
        done(f"{row['measure']}: {row['value']:.4g} {row['bound']}")


if __name__ == "__main__":
    _alone(sys.argv[1:], print)
