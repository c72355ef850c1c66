"""Levels of a hydrophone at 64 kHz: five minutes of samples to their rows, and a day of minutes to its files.

    python tests/benchmarks/bench_sound_levels.py

CPU seconds of one core: of minutes' rows, beside the FFTs of their seconds alone; and of a day, in a
process of its own, whose memory is its own.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "lib")]

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from scipy import fft  # noqa: E402
from seisbatch.acquire.objects import open_store  # noqa: E402
from seisbatch.process.clock import ClockWindow  # noqa: E402
from seisbatch.process.segments import Segment  # noqa: E402
from seisbatch.schema import CLIP, PSD  # noqa: E402
from seisbatch.sinks.parquet import TableFile  # noqa: E402
from seisbatch.steps.minutes import MINUTE_NS, minute_row  # noqa: E402
from seisbatch.steps.sound_days import write_sound_days  # noqa: E402
from seisbatch.times import DAY_NS, day_start_ns, to_datetime  # noqa: E402

from tests.steps.sound_made import HYDROPHONE, sound_settings  # noqa: E402

RATE, MINUTES, UNIT_MINUTES = 64_000.0, 5, 20
DAY = dt.date(2017, 10, 9)
NAME = "year=2017/month=10/OO.HYEA2..YDH-20171009"
UNITS = [f"{NAME}T{minute // 60:02}{minute % 60:02}" for minute in range(0, 1440, UNIT_MINUTES)]


def made_minute(number: int) -> np.ndarray:
    return np.rint(1000 * np.random.default_rng(number).standard_normal(round(60 * RATE), np.float32)).astype(np.int32)


def minutes(folder: Path) -> dict[str, float]:
    """CPU seconds of five minutes' rows, and of the FFTs of their seconds alone."""
    settings = sound_settings(folder)
    windows = [ClockWindow(n * MINUTE_NS, (Segment(n * MINUTE_NS, RATE, made_minute(n)),)) for n in range(MINUTES)]
    minute_row(settings, HYDROPHONE, windows[0], RATE, settings.calibration)
    started = time.process_time()
    for window in windows:
        minute_row(settings, HYDROPHONE, window, RATE, settings.calibration)
    taken = time.process_time() - started
    second = made_minute(0)[: round(RATE)].astype(np.float32)
    started = time.process_time()
    for _ in range(119 * MINUTES):
        fft.rfft(second)
    return {"rows": taken, "FFTs alone": time.process_time() - started}


def write_units(folder: Path) -> None:
    """A day's files of minutes: levels that vary as those of a sea do, one minute's noise as another's."""
    settings = sound_settings(folder)
    window = ClockWindow(0, (Segment(0, RATE, made_minute(0)),))
    row = minute_row(settings, HYDROPHONE, window, RATE, settings.calibration)
    rng = np.random.default_rng(0)
    for number, unit in enumerate(UNITS):
        rows = []
        for minute in range(number * UNIT_MINUTES, (number + 1) * UNIT_MINUTES):
            changed = {}
            for band_set in settings.band_sets:
                noise = 0.8 * rng.standard_normal(len(row[band_set]), np.float32)
                changed[band_set] = np.rint(64 * (row[band_set] + noise)) / np.float32(64)
            rows.append({**row, **changed, "starttime": to_datetime(day_start_ns(DAY) + minute * MINUTE_NS)})
        for table, of_table in ((PSD, rows), (CLIP, [])):
            with TableFile(open_store(settings.out), f"{table.name}/{unit}.parquet", table, {}) as file:
                file.write_rows(of_table)
                file.commit({})


def day(folder: Path) -> dict[str, float]:
    """CPU seconds of a day, and the largest memory of this process before and after [MB]."""
    row = {"name": NAME, **HYDROPHONE._asdict(), "date": DAY, "start_ns": day_start_ns(DAY),
           "end_ns": day_start_ns(DAY) + DAY_NS, "units": UNITS}  # fmt: skip
    before = largest_memory()
    started = time.process_time()
    told = [row for rows in write_sound_days(sound_settings(folder), iter([pa.RecordBatch.from_pylist([row])]))
            for row in rows.to_pylist()]  # fmt: skip
    assert told[0]["outcome"] == "ok", told
    return {"CPU": time.process_time() - started, "before": before, "after": largest_memory()}


def largest_memory() -> float:
    """The largest memory of this process [MB], without what it was before it began (which getrusage has)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            told = minutes(Path(folder))
            print(f"five minutes to rows: {told['rows']:.2f} s, their FFTs alone {told['FFTs alone']:.2f} s")
        write_units(Path(folder))
        done = subprocess.run([sys.executable, __file__, folder], stdout=subprocess.PIPE, check=True)
        found = json.loads(done.stdout)
        print(f"a day of minutes to its files: {found['CPU']:.1f} s, {found['before']:.0f} MB before, {found['after']:.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(day(Path(sys.argv[1]))))
    else:
        main()
