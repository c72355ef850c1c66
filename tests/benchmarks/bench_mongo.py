"""Documents of 100,000 segments by Spark's connector beside pymongo's own insert_many of the same documents, and 200 MB of
samples to GridFS by two workers beside GridFS's own upload, all on the same server: that of MONGODB_TEST_URI or of the tests.

    python tests/benchmarks/bench_mongo.py
"""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from gridfs import GridFSBucket
from pymongo import MongoClient
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.acquire.pack import pack
from seisbatch.config import parse
from seisbatch.mongo.indexes import make_indexes
from seisbatch.names import Channel
from seisbatch.options import LoadMongo
from seisbatch.process.segments import Segment
from seisbatch.schema import WF_TIME_SERIES
from seisbatch.sinks.parquet import TableFile

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

WF = WF_TIME_SERIES.name
N_ROWS, FILE_ROWS = 100_000, 1000
N_SEGMENTS, SEGMENT_SAMPLES = 250, 100_000
RATE = 100.0
RUNS = 7


@contextmanager
def server() -> Iterator[str]:
    """The URI of a MongoDB."""
    from tests.mongo_server.server import running_server

    if uri := os.environ.get("MONGODB_TEST_URI"):
        yield uri
        return
    with running_server() as uri:
        yield uri


def session(samples: str) -> Any:
    """A session on two cores with the connector, as the launcher gives it."""
    import bench_job

    from tests.mongo_server.server import connector

    launchers = {} if samples == "gridfs" else {"spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseSerialGC"}
    return bench_job.session(2, **launchers, **{"spark.jars": ",".join(map(str, connector()))})


def made_output(folder: Path, n_rows: int, file_rows: int, samples: bytes | None, npts: int) -> None:
    """A complete output of cut_windows: segments whose samples stand in the table, or in objects that are never read."""
    store = open_store(StoreSettings(str(folder)))
    start = dt.datetime(2011, 3, 11, 5, 46, 23, 200_000, tzinfo=dt.UTC)
    for number in range(n_rows // file_rows):
        with TableFile(store, f"{WF}/year=2011/month=03/windows-{number:05d}.parquet", WF_TIME_SERIES, {}) as file:
            file.write_rows([row(number * file_rows + one, start, samples, npts) for one in range(file_rows)])
            file.commit({})
    tables = {WF: {"files": n_rows // file_rows, "rows": n_rows, "bytes": 0}}
    told = {"job": "cut_windows", "run_id": "cut_windows-benchmark", "parameters": {}, "complete": True, "tables": tables}
    (folder / "manifest.json").write_text(json.dumps(told))
    (folder / "_run.json").write_text(json.dumps({"job": "cut_windows", "source": "s3://scedc-pds"}))


def row(number: int, start: dt.datetime, samples: bytes | None, npts: int) -> dict[str, Any]:
    """A segment with all that a job knows of one."""
    name = Channel("CI", f"S{number // 4 % 500:03d}", "", ("BHE", "BHN", "BHZ", "HHZ")[number % 4])
    window = f"{38_000_000 + number // 2000}"
    epoch = f"{name}/2005-01-01T00:00:00.000000"
    place = {"dfile": None, "samples": samples}
    if samples is None:
        place = {"dfile": f"miniseed/year=2011/month=03/windows-{number // 1000:05d}.ms", "samples": None}
    return {
        **name._asdict(), "id": f"{name}/{window}/0", "starttime": start,
        "endtime": start + dt.timedelta(seconds=(npts - 1) / RATE), "sampling_rate": RATE, "npts": npts, "units": "counts",
        "data_tag": "benchmark", "window": window, "lat": 34.0,
        "lon": -117.0, "elev": 0.5, "site_id": f"CI.{name.sta}/2005-01-01T00:00:00.000000", "channel_id": epoch,
        "source_id": window, "source_time": start, "source_lat": 38.3, "source_lon": 142.4, "source_depth": 29.0,
        "magnitude": 9.1, "phase": "P", "arrival": start, "s3key": f"continuous_waveforms/2011/2011_070/CI{name.sta}.ms",
        "parameters_id": "benchmark", "foff": 512 * number % 100_000_000, "nbytes": 51_200, "encoding": "miniseed", **place,
    }  # fmt: skip


def load(folder: Path, uri: str, database: str, samples: str, connections: int) -> Callable[[], None]:
    """What writes the documents of an output."""
    from pyspark.sql import SparkSession
    from seisbatch.plan.mongo_load import load_plan, load_run, write_table

    options = ["--tables", str(folder), "--mongo-uri", uri, "--mongo-database", database, "--samples", samples]
    options += ["--connections", str(connections)]
    run = load_run(parse("load_mongo", LoadMongo, options))
    spark = SparkSession.getActiveSession()
    units = load_plan(spark, run).batches.frame
    return lambda: write_table(run, spark, units, WF, all_new=True)


def taken(work: Callable[[], object]) -> float:
    """Seconds of some work."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def documents(client: MongoClient[dict[str, Any]], uri: str, folder: Path) -> list[dict[str, object]]:
    """The connector beside insert_many."""
    made_output(folder, N_ROWS, FILE_ROWS, None, 12_000)
    ours, theirs = client["seisbatch_benchmark"], client["seisbatch_benchmark_theirs"]
    write = load(folder, uri, ours.name, "reference", 4)
    write()  # warms up
    rows = list(ours[WF].find())
    assert len(rows) == N_ROWS
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(RUNS):
        for name, database in (("theirs", theirs), ("ours", ours)):
            client.drop_database(ours.name), client.drop_database(theirs.name)  # what a server holds makes it slower
            make_indexes(database, [WF])
            seconds[name].append(taken(write if name == "ours" else lambda: theirs[WF].insert_many(rows)))
            assert database[WF].estimated_document_count() == N_ROWS
    mine, pymongos = (statistics.median(seconds[name]) for name in ("ours", "theirs"))
    return [
        {"measure": f"{N_ROWS} documents by the connector, s (median of {RUNS})", "value": mine, "bound": ""},
        {"measure": "the same by insert_many, s", "value": pymongos, "bound": ""},
        {"measure": "times of insert_many", "value": mine / pymongos, "bound": "at most 2"},
    ]


def samples(client: MongoClient[dict[str, Any]], uri: str, folder: Path) -> list[dict[str, object]]:
    """Samples in GridFS beside GridFSBucket's own upload of the same bytes."""
    rng = np.random.default_rng(0)
    counts = np.cumsum(np.rint(rng.normal(0, 12, SEGMENT_SAMPLES))).astype(np.int32)
    segment = Segment(1_299_822_383_200_000_000, RATE, counts)
    made_output(folder, N_SEGMENTS, N_SEGMENTS // 10, pack(Channel("CI", "S000", "", "BHZ"), segment), SEGMENT_SAMPLES)
    ours, theirs = client["seisbatch_benchmark"], client["seisbatch_benchmark_theirs"]
    write = load(folder, uri, ours.name, "gridfs", 2)
    body = counts.astype(np.float64).tobytes()

    def upload() -> None:
        bucket = GridFSBucket(theirs)
        for _ in range(N_SEGMENTS):
            bucket.upload_from_stream("", body)

    write(), upload()  # warms up
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(RUNS):
        for name, database in (("theirs", theirs), ("ours", ours)):
            client.drop_database(ours.name), client.drop_database(theirs.name)  # what a server holds makes it slower
            make_indexes(database, [WF, "fs.files", "fs.chunks"])
            seconds[name].append(taken(write if name == "ours" else upload))
            assert database["fs.files"].estimated_document_count() == N_SEGMENTS
    n_mb = N_SEGMENTS * len(body) / 1e6
    mine, theirs_rate = (n_mb / statistics.median(seconds[name]) for name in ("ours", "theirs"))
    return [
        {"measure": f"{n_mb:.0f} MB of samples to GridFS by two workers, MB/s (median of {RUNS})", "value": mine, "bound": ""},
        {"measure": "the same by upload_from_stream, MB/s", "value": theirs_rate, "bound": ""},
        {"measure": "share of the speed of upload_from_stream", "value": mine / theirs_rate, "bound": "at least 0.8"},
    ]


PARTS = {"reference": documents, "gridfs": samples}


def measure_part(name: str) -> list[dict[str, object]]:
    """Rows of the table about documents whose samples are left where they are, or go to GridFS."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with server() as uri, tempfile.TemporaryDirectory() as folder, MongoClient(uri) as client:
        spark = session(name)
        try:
            return PARTS[name](client, uri, Path(folder))
        finally:
            spark.stop()
            for database in ("seisbatch_benchmark", "seisbatch_benchmark_theirs"):
                client.drop_database(database)


def measure() -> list[dict[str, object]]:
    """Rows of the table; each part has a Java of its own, as each load has."""
    rows = []
    for name in PARTS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows += pool.apply(measure_part, (name,))
    return rows


if __name__ == "__main__":
    for one in measure():
        print(one)
