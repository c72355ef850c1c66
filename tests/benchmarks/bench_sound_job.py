"""The whole job make_spectrograms, a made day of 288 files of 64 kHz on two cores: wall time against its kernels' CPU time.

    python tests/benchmarks/bench_sound_job.py [FILES]

The day takes 12 GB, its clips and pictures 25 GB of temporary space. Files differ in the times of their records alone: the
clips are those of one five minutes, again and again, which no kernel knows.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import bench_job
import bench_spectrogram
import numpy as np
from seisbatch.acquire.pack import pack
from seisbatch.names import Channel
from seisbatch.process.segments import Segment
from seisbatch.times import SECOND_NS, day_start_ns, to_datetime

NAME = Channel("OO", "HYEA2", "", "YDH")
DAY = dt.date(2017, 10, 9)
N_FILES, FILE_SECONDS, N_WARM = 288, 300, 8
N_KERNEL_FILES = 6
"""Files that the kernels' time is measured on, spread over the run: before, between and after."""
OPTIONS = ["--preset", "whaledr"]


def write_day(folder: Path, n_files: int) -> None:
    """Five-minute files of miniSEED, one after another."""
    folder.mkdir()
    samples = bench_spectrogram.made_samples(FILE_SECONDS)
    records = np.frombuffer(pack(NAME, Segment(day_start_ns(DAY), bench_spectrogram.RATE, samples)), np.uint8).copy()
    length = 1 << int(records[54])
    headers = records.reshape(-1, length)
    hour, minute = headers[:, 24].copy(), headers[:, 25].copy()  # the rest of the time stays: minutes are added
    for number in range(n_files):
        since = hour.astype(int) * 60 + minute + number * FILE_SECONDS // 60
        headers[:, 24], headers[:, 25] = since // 60, since % 60
        start = to_datetime(day_start_ns(DAY) + number * FILE_SECONDS * SECOND_NS)
        (folder / f"OO-HYEA2--YDH-{start:%Y-%m-%dT%H:%M:%S}.mseed").write_bytes(records.data)


def run_job(*arguments: str) -> int:
    """make_spectrograms in this process' Spark session."""
    from seisbatch.app import run_job as run_in_app
    from seisbatch.config import parse_or_exit

    sys.path.insert(0, str(bench_job.REPOSITORY))
    from jobs.make_spectrograms import flow

    return run_in_app("make_spectrograms", parse_or_exit("make_spectrograms", arguments, ""), flow)


def kernel_seconds(file: Path) -> float:
    """CPU time of the kernels alone on one file, in this process: decode, cut, draw, encode, measure levels."""
    from seisbatch.acquire.sound import decode_recording
    from seisbatch.config import parse
    from seisbatch.options import MakeSpectrograms
    from seisbatch.plan.sound_run import sound_run
    from seisbatch.process.clip_levels import clip_levels
    from seisbatch.process.clock import ClockWindows, whole_clip
    from seisbatch.process.picture import draw
    from seisbatch.sinks.colours import colour_table
    from seisbatch.sinks.png import palette_png
    from seisbatch.sinks.wav import wav_file
    from seisbatch.steps.minutes import minute_row

    arguments = [*OPTIONS, "--recordings", str(file.parent), "--unit-minutes", "20", "--out", "x"]
    run = sound_run(parse("make_spectrograms", MakeSpectrograms, arguments))
    settings, rate = run.sound, bench_spectrogram.RATE
    assert settings.picture is not None
    palette = colour_table(settings.picture.colours)
    body = file.read_bytes()
    started = time.process_time()
    segments = decode_recording(body, file.name, NAME, 0)
    first_ns, n_samples = segments[0].start_ns, round(settings.clip_s * rate)
    span = first_ns, first_ns + FILE_SECONDS * SECOND_NS
    clips = ClockWindows(*span, round(settings.clip_s * SECOND_NS), round(settings.step_s * SECOND_NS))
    minutes = ClockWindows(*span, 60 * SECOND_NS, 60 * SECOND_NS)
    clips.add(segments)
    minutes.add(segments)
    number = 0
    for window in clips.rest():
        clip = whole_clip(window, rate, n_samples)
        assert clip is not None
        frames, look = settings.picture.of(rate, n_samples)
        palette_png(draw(clip.samples, rate, frames, look).indices, palette)
        wav_file(clip.samples, rate, 32, settings.gain)
        clip_levels(clip.samples, rate, None, 0)
        number += 1
    for window in minutes.rest():
        assert minute_row(settings, NAME, window, rate, None) is not None
    assert number == FILE_SECONDS / settings.clip_s
    return time.process_time() - started


def measure(n_files: int = N_FILES) -> list[dict[str, object]]:
    """Rows of the table."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_day(folder / "warm", N_WARM)
        write_day(folder / "day", n_files)
        (file, *_) = (folder / "warm").iterdir()
        spark = bench_job.session(2)
        assert run_job(*OPTIONS, "--recordings", str(folder / "warm"), "--out", str(folder / "warm-out")) == 0
        kernels = [kernel_seconds(file) for _ in range(N_KERNEL_FILES // 2)]
        started = time.perf_counter()
        assert run_job(*OPTIONS, "--recordings", str(folder / "day"), "--out", str(folder / "out")) == 0
        wall = time.perf_counter() - started
        kernels += [kernel_seconds(file) for _ in range(N_KERNEL_FILES // 2)]
        shutil.rmtree(folder / "out")
        spark.stop()
    kernel = float(np.median(kernels)) * n_files
    return [
        {
            "measure": f"make_spectrograms of {n_files} files of five minutes at 64 kHz, wall s",
            "value": wall,
            "bound": f"at most {1.4 * kernel / 2 + 3:.1f}",
        },
        {"measure": "its kernels' CPU s on one core", "value": kernel, "bound": ""},
    ]


if __name__ == "__main__":
    for row in measure(*map(int, sys.argv[1:])):
        print(row)
