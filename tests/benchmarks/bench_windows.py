"""An hour of every channel after an earthquake, out of a made day of 2,000 channel-days behind 20 ms of latency: the job
beside a loop that gets and reads one whole object after another.

    python tests/benchmarks/bench_windows.py
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib.util
import io
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import boto3
import numpy as np
import obspy
import pyarrow as pa
import pyarrow.parquet as pq
from botocore import UNSIGNED
from botocore.config import Config
from seisbatch.archives import scedc
from seisbatch.names import Channel
from seisbatch.process.segments import Segment
from seisbatch.sample.faults import pack, with_gap, with_only
from seisbatch.times import day_start_ns

if TYPE_CHECKING:
    from seisbatch.app import App

REPOSITORY = Path(__file__).resolve().parents[2]
DAY = dt.date(2011, 3, 11)
ORIGIN = "2011-03-11T05:46:23.2"
WINDOW = 100.0, 3700.0
LATENCY = 0.02
N_CHANNELS = 2000
RUNS = 3


def bodies() -> list[bytes]:
    """A few dozen recordings: 20 and 100 Hz, whole, with gaps, and of a part of the day."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(24):
        rate = 100.0 if number % 3 == 0 else 20.0
        steps = np.rint(rng.normal(0, 12, round(86_400 * rate)))
        samples = (np.cumsum(steps) % 100_000).astype(np.int32)
        recording = [Segment(day_start_ns(DAY), rate, samples)]
        if number % 8 == 1:
            recording = with_gap(recording, 3600.0 * (number % 24), 900.0)
        if number % 12 == 2:
            recording = with_only(recording, 40_000.0, 30_000.0)  # nothing in the window
        made.append(pack(Channel("CI", "AAAA", "", "BHZ"), recording))
    return made


def named(body: bytes, name: Channel) -> bytes:
    """A body whose records carry another channel's codes."""
    records = np.frombuffer(body, np.uint8).reshape(-1, 512).copy()
    codes = f"{name.sta:<5}{name.loc:<2}{name.chan}{name.net:<2}".encode()
    records[:, 8:20] = np.frombuffer(codes, np.uint8)
    return records.tobytes()


class Server(asyncio.Protocol):
    """Just enough of S3: objects and ranges of them, each answer after the latency; counts what it sends."""

    objects: dict[str, tuple[bytes, Channel | None]]
    sent: multiprocessing.Value  # type: ignore[valid-type]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            asyncio.get_running_loop().call_later(LATENCY, self.answer, head.decode("latin-1"))

    def answer(self, head: str) -> None:
        method, path, _ = head.split("\r\n", 1)[0].split(" ")
        found = self.objects.get(unquote(urlsplit(path).path).lstrip("/"))
        if found is None:
            body = b"<Error><Code>NoSuchKey</Code></Error>"
            self.transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n" % len(body))
            self.transport.write(b"" if method == "HEAD" else body)
            return
        data, name = found
        size, status, extra = len(data), "200 OK", ""
        first, stop = 0, size
        if wanted := re.search(r"\r\nrange: bytes=(\d*)-(\d*)", head, re.IGNORECASE):
            low, high = wanted.groups()
            first = int(low) if low else max(0, size - int(high))
            stop = min(size, int(high) + 1) if low and high else size
            status, extra = "206 Partial Content", f"content-range: bytes {first}-{stop - 1}/{size}\r\n"
        if name is not None:  # whole records, given their names
            low_record, high_record = first // 512 * 512, -(-stop // 512) * 512
            part = named(data[low_record:high_record], name)[first - low_record : stop - low_record]
        else:
            part = data[first:stop]
        modified = "Fri, 11 Mar 2011 00:00:00 GMT"
        self.transport.write(
            f'HTTP/1.1 {status}\r\ncontent-length: {len(part)}\r\n{extra}etag: "x"\r\nlast-modified: {modified}\r\n'
            "accept-ranges: bytes\r\n\r\n".encode()
        )
        if method != "HEAD":
            self.transport.write(part)
            with self.sent.get_lock():
                self.sent.value += len(part)


def serve(names: list[Channel], ready, sent) -> None:  # noqa: ANN001
    """Run the server; ``ready`` gets its port."""
    made = bodies()
    objects: dict[str, tuple[bytes, Channel | None]] = {}
    rows = []
    for number, name in enumerate(names):
        key = scedc.day_file_key(name, DAY)
        if number % 50 != 49:  # some that the index names are not there
            objects[f"archive/{key}"] = (made[number % len(made)], name)
        rows.append({"ms_filename": key.rpartition("/")[2], "net": name.net, "sta": name.sta, "seedchan": name.chan,
                     "location": "  ", "lat": 34.0, "lon": -117.0, "sample_rate": 20.0})  # fmt: skip
    index = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), index)
    objects[f"archive/{scedc.day_index_key(DAY)}"] = (index.getvalue(), None)
    Server.objects, Server.sent = objects, sent

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=2048)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def loop(endpoint: str, names: list[Channel]) -> tuple[float, int]:
    """Get, read, cut, append, one channel after another; seconds and samples."""
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-west-2", config=Config(signature_version=UNSIGNED))
    start, end = (obspy.UTCDateTime(ORIGIN) + seconds for seconds in WINDOW)
    found = obspy.Stream()
    started = time.perf_counter()
    for name in names:
        try:
            body = client.get_object(Bucket="archive", Key=scedc.day_file_key(name, DAY))["Body"].read()
        except client.exceptions.NoSuchKey:
            continue
        stream = obspy.read(io.BytesIO(body), format="MSEED")
        for trace in stream.trim(start, end):
            found.append(trace.copy())  # or each would keep the memory of its whole day
    return time.perf_counter() - started, sum(len(trace) for trace in found)


def flow_of(job: str) -> Callable[[App, Any], None]:
    """The flow of a job's file."""
    specification = importlib.util.spec_from_file_location(job, REPOSITORY / "jobs" / f"{job}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    flow: Callable[[App, Any], None] = module.flow
    return flow


def job(endpoint: str, out: Path, spark_ready: bool) -> float:  # noqa: FBT001
    """The job's seconds, its session being there."""
    from seisbatch.app import run_job
    from seisbatch.config import parse_or_exit

    options = ["--archive", "scedc", "--root", "s3://archive", "--source-endpoint", endpoint, "--time", ORIGIN,
               "--from", str(WINDOW[0]), "--to", str(WINDOW[1]), "--channels", "CI.*.*.*", "--data-tag", "tohoku",
               "--out", str(out)]  # fmt: skip
    started = time.perf_counter()
    assert run_job("cut_windows", parse_or_exit("cut_windows", options, ""), flow_of("cut_windows")) == 0
    return time.perf_counter() - started


def measure() -> list[dict[str, object]]:
    """Rows of the table."""
    from bench_job import session

    names = [Channel("CI", f"{chr(65 + n // 260)}{chr(65 + n // 10 % 26)}{n % 10}", "", chan)
             for n in range(N_CHANNELS // 4) for chan in ("BHZ", "BHN", "BHE", "HHZ")]  # fmt: skip
    names.sort()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    sent = multiprocessing.Value("q", 0)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(names, there, sent), daemon=True)
    server.start()
    endpoint = f"http://127.0.0.1:{here.recv()}"
    try:
        spark = session(2)
        with tempfile.TemporaryDirectory() as folder:
            seconds = []
            for number in range(1 + RUNS):  # the first brings the workers up
                before = sent.value
                seconds.append(job(endpoint, Path(folder, f"out-{number}"), True))
                n_bytes = sent.value - before
            import seisbatch

            n_samples = sum(len(trace) for trace in seisbatch.read_waveforms(Path(folder, f"out-{RUNS}")))
        spark.stop()
        before = sent.value
        looped, n_looped = loop(endpoint, names)
        loop_bytes = sent.value - before
    finally:
        server.terminate()
    taken = statistics.median(seconds[1:])
    return [
        {"measure": f"an hour of {len(names)} channels, the job, s ({n_samples / 1e6:.0f} million samples; median of {RUNS})",
         "value": taken, "bound": ""},
        {"measure": f"the loop over whole objects, s ({n_looped / 1e6:.0f} million samples)", "value": looped, "bound": ""},
        {"measure": "times as fast as the loop", "value": looped / taken, "bound": "at least 20"},
        {"measure": "share of the loop's bytes", "value": n_bytes / loop_bytes, "bound": "at most 0.1"},
    ]  # fmt: skip


if __name__ == "__main__":
    for row in measure():
        print(row)
