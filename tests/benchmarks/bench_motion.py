"""The whole job remove_response, 60 channel-days of 100 Hz on two cores: wall time against its kernels' CPU time."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import bench_job
from obspy import UTCDateTime
from obspy.core.inventory import Channel, Inventory, Network, Station
from seisbatch import names
from seisbatch.sample.network import SHORT_PERIOD, Recorder
from seisbatch.sample.stationxml import response

N_DAYS, RATE = 60, 100.0
OPTIONS = ["--archive", "scedc", "--start", str(bench_job.DAY), "--pre-filt", "0.005,0.01,40,45", "--plot", "first:1"]


def write_archive(folder: Path) -> None:
    """A day of 60 stations' verticals in SCEDC's layout, each with its StationXML."""
    bench_job.write_archive(folder, N_DAYS, RATE)
    since = UTCDateTime(2000, 1, 1)
    recorder = Recorder(names.Channel("XX", "B000", "", "HHZ"), RATE, SHORT_PERIOD)
    (folder / "FDSNstationXML/XX").mkdir(parents=True)
    for number in range(N_DAYS):
        code = f"B{number:03d}"
        of_channel = {"sample_rate": RATE, "start_date": since, "response": response(recorder, 1 + number / 100)}
        channel = Channel("HHZ", "", 34.5, -116.5, 0.0, 0.0, **of_channel)
        station = Station(code, 34.5, -116.5, 0.0, channels=[channel], start_date=since, creation_date=since)
        inventory = Inventory([Network("XX", stations=[station])], source="benchmark")
        inventory.write(folder / f"FDSNstationXML/XX/XX_{code}.xml", format="STATIONXML")


def run_job(*arguments: str) -> int:
    """remove_response in this process' Spark session."""
    from seisbatch.app import run_job as run_in_app
    from seisbatch.config import parse_or_exit

    sys.path.insert(0, str(bench_job.REPOSITORY))
    from jobs.remove_response import flow

    return run_in_app("remove_response", parse_or_exit("remove_response", arguments, ""), flow)


def kernel_seconds(archive: Path, arguments: list[str]) -> float:
    """CPU time of the kernels alone on the same data, in this process: decode, remove the response, encode."""
    from seisbatch.acquire.miniseed import decode
    from seisbatch.acquire.pack import pack
    from seisbatch.acquire.responses import read_responses
    from seisbatch.config import parse
    from seisbatch.options import RemoveResponse
    from seisbatch.plan.processing import motion_of
    from seisbatch.steps.ground_motion import ground_motion
    from seisbatch.times import day_start_ns

    motion = motion_of(parse("remove_response", RemoveResponse, arguments))
    bodies = [path.read_bytes() for path in sorted(archive.glob("continuous_waveforms/2*/*/*.ms"))]
    documents = [path.read_bytes() for path in sorted(archive.glob("FDSNstationXML/XX/*.xml"))]
    started = time.process_time()
    for body, document in zip(bodies, documents, strict=True):
        ((name, segments),) = decode(body).items()
        for segment in ground_motion(name, segments, day_start_ns(bench_job.DAY), read_responses(document), motion)[0]:
            pack(name, segment)
    return time.process_time() - started


def measure() -> list[dict[str, object]]:
    """Rows of the table."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        archive = folder / "sixty"
        write_archive(archive)
        options = [*OPTIONS, "--root", str(archive), "--out"]
        spark = bench_job.session(2)
        walls, kernels = [], []
        for _ in range(3):
            started = time.perf_counter()
            assert run_job(*options, str(folder / "out")) == 0
            walls.append(time.perf_counter() - started)
            shutil.rmtree(folder / "out")
            kernels.append(kernel_seconds(archive, [*options, "x"]))
        spark.stop()
    wall, kernel = min(walls[1:]), min(kernels)
    return [
        {
            "measure": f"remove_response of {N_DAYS} channel-days of {RATE:.0f} Hz, wall s",
            "value": wall,
            "bound": f"at most {1.4 * kernel / 2 + 3:.2f}",
        },
        {"measure": "its kernels' CPU s on one core", "value": kernel, "bound": ""},
    ]


if __name__ == "__main__":
    for row in measure():
        print(row)
