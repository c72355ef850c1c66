"""Decoding a channel-day: ours, pymseed's own, and obspy's.

    python tests/benchmarks/bench_decode.py

The best of several interleaved rounds each, on a real 40 Hz day (where the real files are) and made days; pymseed's own is its
record list unpacked into numpy arrays.
"""

from __future__ import annotations

import gc
import io
import sys
import time
import warnings
from collections.abc import Callable, Sequence
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


def best(data: bytes, readers: Sequence[Callable[[bytes], int]], rounds: int) -> list[float]:
    """The shortest time of each reader; they take turns, so that none has the quieter machine."""
    shortest = [float("inf")] * len(readers)
    for _ in range(rounds):
        for number, read in enumerate(readers):
            gc.collect()
            started = time.perf_counter()
            read(data)
            shortest[number] = min(shortest[number], time.perf_counter() - started)
    return shortest


def measure(rounds: int = 15) -> list[dict[str, object]]:
    """Rows of the table: our time as a multiple of pymseed's own, and obspy's, which reads no miniSEED 3."""
    warnings.simplefilter("ignore")
    rows: list[dict[str, object]] = []
    for name, data in cases().items():
        readers = [ours, pymseeds] if "miniSEED 3" in name else [ours, pymseeds, obspys]
        if len({read(data) for read in readers}) != 1:
            raise AssertionError(f"{name}: the readers find different numbers of samples")
        took, own, *obspy_took = best(data, readers, rounds)
        is_day = name.startswith("real") or "day" in name
        bound = f"at most {LIMIT}" if is_day else ""
        rows.append({"measure": f"(c) decoding, time over pymseed's: {name}", "value": took / own, "bound": bound})
        if obspy_took:
            rows.append(
                {"measure": f"(c) decoding, times as fast as obspy: {name}", "value": obspy_took[0] / took, "bound": ""}
            )
    return rows


if __name__ == "__main__":
    for row in measure():
        print(row)
