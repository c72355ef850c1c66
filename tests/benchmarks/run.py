"""Runs every benchmark on one core's worth of threads and prints the table.

./submit.sh benchmarks
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bench_correlation
import bench_decode
import bench_job
import bench_memory
import bench_mongo
import bench_motion
import bench_oneshot
import bench_preprocess
import bench_response
import bench_sound_job
import bench_sound_levels
import bench_spectrogram
import bench_windows


def main() -> None:
    """Print the table."""
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    rows = []
    for module in (
        bench_correlation,
        bench_preprocess,
        bench_response,
        bench_decode,
        bench_job,
        bench_windows,
        bench_memory,
        bench_mongo,
        bench_oneshot,
        bench_motion,
        bench_spectrogram,
        bench_sound_levels,
        bench_sound_job,
    ):
        for row in module.measure():
            rows.append(row)
            print(f"  {row['measure']}: {row['value']:.3g} {row['bound']}", file=sys.stderr, flush=True)
    width = max(len(str(row["measure"])) for row in rows)
    print(f"\n{'measure':<{width}}  {'value':>10}  bound")
    for row in rows:
        print(f"{row['measure']:<{width}}  {row['value']:>10.3g}  {row['bound']}")


if __name__ == "__main__":
    main()
