"""Decoding a channel-day: ours, pymseed's own, and obspy's.

    python tests/benchmarks/bench_decode.py

The best of several interleaved rounds each, in milliseconds and megasamples a second, on a real 40 Hz day (where the real
files are) and made days. Exits with 1 where ours takes more than 1.1 times as long as pymseed's record list unpacked into a
numpy array.
"""

from __future__ import annotations

import argparse
import gc
import io
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "lib"), str(ROOT / "tests/acquire")]

import numpy as np  # noqa: E402
import obspy  # noqa: E402
from miniseed_files import REAL, START_NS, records  # noqa: E402
from pymseed import MS3TraceList  # noqa: E402
from seisbatch.acquire.miniseed import decode  # noqa: E402

LIMIT = 1.1
DAY = 86_400


def ours(data: bytes) -> int:
    return sum(len(segment.samples) for segments in decode(data).values() for segment in segments)


def pymseeds(data: bytes) -> int:
    with MS3TraceList.from_buffer(data, record_list=True) as traces:
        arrays = [segment.create_numpy_array_from_recordlist() for trace in traces for segment in trace]
        return sum(map(len, arrays))


def obspys(data: bytes) -> int:
    return sum(len(trace) for trace in obspy.read(io.BytesIO(data), format="MSEED"))


READERS: dict[str, Callable[[bytes], int]] = {"ours": ours, "pymseed": pymseeds, "obspy": obspys}


def noise(n: int) -> np.ndarray:
    """Counts that Steim-2 packs about as it packs real ones."""
    rng = np.random.default_rng(0)
    return np.cumsum(np.rint(rng.normal(0, 12, n))).astype(np.int32)


def cases() -> dict[str, bytes]:
    found = {}
    real = REAL / "continuous_waveforms/2022/2022_002/CICCA__BHN___2022002.ms"
    if real.exists():
        found["real CI.CCA..BHN, 40 Hz"] = real.read_bytes()
    day = noise(100 * DAY)
    hour_ns = 3600 * 10**9
    found["made day, 100 Hz"] = records(day, rate=100.0)
    found["made day, 100 Hz, miniSEED 3"] = records(day, rate=100.0, version=3, length=4096)
    found["made day, 100 Hz, 24 gaps"] = b"".join(
        records(day[n * 360_000 : (n + 1) * 360_000 - 500], rate=100.0, start_ns=START_NS + n * hour_ns) for n in range(24)
    )
    found["made hour, 1 Hz"] = records(noise(3600), rate=1.0)
    event = [records(noise(6000), rate=100.0, source_id=f"FDSN:CI_S{n:04d}__H_H_Z") for n in range(1000)]
    found["made event, 1,000 channels"] = b"".join(event)
    return found


def best(data: bytes, rounds: int) -> dict[str, float]:
    """The shortest time of each reader; they take turns, so that none has the quieter machine."""
    shortest = dict.fromkeys(READERS, float("inf"))
    for _ in range(rounds):
        for name, read in READERS.items():
            gc.collect()
            started = time.perf_counter()
            read(data)
            shortest[name] = min(shortest[name], time.perf_counter() - started)
    return shortest


def measure(rounds: int = 15) -> list[dict[str, object]]:
    """A row a day file: our time as a multiple of pymseed's own."""
    warnings.simplefilter("ignore")
    rows: list[dict[str, object]] = []
    for name, data in cases().items():
        if name.startswith("real") or "day" in name:
            took = best(data, rounds)
            share = took["ours"] / took["pymseed"]
            rows.append({"measure": f"(c) decoding, time over pymseed's: {name}", "value": share, "bound": f"at most {LIMIT}"})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="(%(default)s)")
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    slow = []
    print(f"{'':32}{'MB':>7}{'Msamples':>10}" + "".join(f"{name + ' [ms]':>14}" for name in READERS) + f"{'ours/pymseed':>14}")
    for name, data in cases().items():
        n_samples = {read(data) for read in READERS.values() if not (read is obspys and "miniSEED 3" in name)}
        if len(n_samples) != 1:
            print(f"{name}: readers differ: {n_samples}")
            return 1
        readers = READERS.copy()
        if "miniSEED 3" in name:
            READERS.pop("obspy")
        took = best(data, rounds)
        READERS.update(readers)
        ratio = took["ours"] / took["pymseed"]
        times = "".join(f"{took[reader] * 1e3:14.2f}" if reader in took else f"{'-':>14}" for reader in readers)
        print(f"{name:32}{len(data) / 1e6:7.1f}{n_samples.pop() / 1e6:10.2f}{times}{ratio:14.2f}")
        if ratio > LIMIT and "day" in name + ("day" if name.startswith("real") else ""):
            slow.append(name)
    if slow:
        print(f"slower than {LIMIT} times pymseed: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
