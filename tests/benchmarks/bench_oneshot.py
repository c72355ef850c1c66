"""One call of seisbatch.oneshot in a process of its own: a 100 Hz day, from one bucket to another.

python tests/benchmarks/bench_oneshot.py
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from moto.server import ThreadedMotoServer
from seisbatch.acquire.pack import pack
from seisbatch.archives import scedc
from seisbatch.process.segments import Segment
from seisbatch.sample.network import RECORDERS
from seisbatch.sample.stationxml import station_xml
from seisbatch.times import DAY_SECONDS, day_start_ns

REPOSITORY = Path(__file__).resolve().parents[2]
DAY = dt.date(2024, 1, 2)
RECORDER = next(recorder for recorder in RECORDERS if recorder.rate == 100)
"""Its response has two FIR stages."""
RUNS = 3
CALLS = """
import json, re, sys, time
def now(): return time.perf_counter(), time.process_time()
marks = [now()]
from seisbatch.oneshot import handler
marks.append(now())
for _ in range(3):
    answer = handler(json.loads(sys.argv[1]), None)
    assert answer["outcome"] == "ok", answer
    marks.append(now())
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
print(json.dumps([[[b - a for a, b in zip(*pair)] for pair in zip(marks, marks[1:])], peak / 1e6]))
"""
"""Seconds, and those of CPU, of importing and of each call; the peak [MB], where getrusage could tell that of the parent."""
SETTINGS = {
    "of the defaults": {},
    "float64, band-pass, to 40 Hz": {
        "SEISBATCH_PRECISION": "float64",
        "SEISBATCH_PRE_FILT": "0.005,0.01,40,45",
        "SEISBATCH_BANDPASS": "0.1,10",
        "SEISBATCH_SAMPLING_RATE": "40",
    },
}


def fill(client: Any) -> None:
    """The archive's bucket, with a day and its StationXML, and one for results."""
    samples = np.cumsum(np.random.default_rng(0).integers(-300, 301, DAY_SECONDS * 100)) % 1_000_000
    name = RECORDER.name
    day = pack(name, Segment(day_start_ns(DAY), 100.0, samples.astype(np.int32)), 512)
    client.create_bucket(Bucket="results")
    client.create_bucket(Bucket="archive", ACL="public-read")
    bodies = {scedc.day_file_key(name, DAY): day, scedc.station_key(name.net, name.sta): station_xml(RECORDER.station)}
    for key, body in bodies.items():
        client.put_object(Bucket="archive", Key=key, Body=body, ACL="public-read")


def measured(settings: dict[str, str], request: dict[str, str]) -> tuple[list[list[float]], float]:
    """What a new process takes for a few calls, one after another."""
    command = [sys.executable, "-W", "ignore", "-c", CALLS, json.dumps(request)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def measure() -> list[dict[str, object]]:
    """Rows of the table."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEISBATCH_")} | {
        **{"AWS_ACCESS_KEY_ID": "AKIATESTS", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"},
        **{"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY / "lib")},
        **{"S3_OUTPUT_BUCKET": "results", "SEISBATCH_OUT_ENDPOINT": endpoint},
        **{"SEISBATCH_ROOT": "s3://archive", "SEISBATCH_SOURCE_ENDPOINT": endpoint},
    }
    os.environ.update({name: environment[name] for name in environment if name.startswith("AWS_")})
    fill(boto3.client("s3", endpoint_url=endpoint))
    name = RECORDER.name
    request = {"day": f"{DAY}", "nscl": f"{name.net}.{name.sta}.{name.chan}.{name.loc}"}
    rows: list[dict[str, object]] = []
    for told, settings in SETTINGS.items():
        found = [measured(environment | settings, request) for _ in range(RUNS)]
        imported, first, *_, last = (
            [statistics.median(of_run[number][kind] for of_run, _ in found) for kind in (0, 1)]
            for number in range(len(found[0][0]))
        )
        rows += [
            {"measure": f"one call, {told}: imports, s ({imported[1]:.1f} of CPU)", "value": imported[0], "bound": ""},
            {"measure": f"one call, {told}: the first, s ({first[1]:.1f})", "value": first[0], "bound": "at most 6"},
            {"measure": f"one call, {told}: the third, s ({last[1]:.1f})", "value": last[0], "bound": "at most 4"},
            {"measure": f"one call, {told}: peak, MB", "value": max(peak for _, peak in found), "bound": "at most 1000"},
        ]  # fmt: skip
    server.stop()
    return rows


if __name__ == "__main__":
    for row in measure():
        print(row)
