"""Five minutes of a hydrophone at 64 kHz to 60 clips: a wav file and a picture of 512 x 512 pixels of each, one core.

    python tests/benchmarks/bench_spectrogram.py

Ours runs in a process of its own, which reads the file, so that its memory is its own. The rival is what the script of the
whaledr archive does with a clip: ``mlab.specgram`` at 99.5 % overlap, ``imshow``, ``savefig`` as PNG, and a wav file of the
peak by obspy. It is measured on a few clips and scaled to 60.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lib"))

import numpy as np  # noqa: E402
from seisbatch.acquire.miniseed import decode  # noqa: E402
from seisbatch.process.bands import hybrid_millidecade_bands, third_octave_bands  # noqa: E402
from seisbatch.process.levels import band_levels, mean_density  # noqa: E402
from seisbatch.process.picture import Look, draw  # noqa: E402
from seisbatch.process.spectrogram import whaledr_frames  # noqa: E402
from seisbatch.sinks.colours import colour_table  # noqa: E402
from seisbatch.sinks.png import palette_png  # noqa: E402
from seisbatch.sinks.wav import wav_file  # noqa: E402

RATE, CLIP_S, MINUTES = 64_000.0, 5, 5
N_CLIPS = MINUTES * 60 // CLIP_S
RIVAL_CLIPS = 3


def made_samples(seconds: float) -> np.ndarray:
    """Counts of a sea, int32: surf that falls with frequency, white noise, and upsweeps like a whale's every 5 s."""
    from scipy import signal

    rng = np.random.default_rng(0)
    n = round(seconds * RATE)
    surf = signal.sosfilt(signal.butter(1, 200, fs=RATE, output="sos"), rng.standard_normal(n, np.float32))
    times = np.arange(n) / RATE % CLIP_S
    upsweep = np.where((times > 1) & (times < 3), signal.chirp(times - 1, 500, 2, 4000), 0)
    return np.rint(20_000 * surf + 300 * rng.standard_normal(n, np.float32) + 2000 * upsweep).astype(np.int32)


def clips(samples: np.ndarray) -> list[np.ndarray]:
    """The samples of every clip, views."""
    length = round(CLIP_S * RATE)
    return [samples[first : first + length] for first in range(0, len(samples), length)]


def ours(path: Path) -> dict[str, float]:
    """CPU seconds of every step, bytes written, and the largest memory of this process [MB]."""
    spent = {}
    sizes = {"wav": 0, "png": 0}

    def timed(step: str, work, *arguments, **options):
        started = time.process_time()
        answer = work(*arguments, **options)
        spent[step] = spent.get(step, 0.0) + time.process_time() - started
        return answer

    frames, look, palette = whaledr_frames(RATE), Look(), colour_table("viridis")
    before = largest_memory()
    data = timed("read and decode", path.read_bytes)
    [[segment]] = timed("read and decode", decode, data).values()
    del data
    for clip in clips(segment.samples):
        sizes["wav"] += len(timed("wav", wav_file, clip, RATE, gain=None).data)
        picture = timed("frames and pixels", draw, clip, RATE, frames, look)
        sizes["png"] += len(timed("PNG", palette_png, picture.indices, palette))
    found = {**spent, "wav MB": sizes["wav"] / 1e6, "png MB": sizes["png"] / 1e6, "memory": largest_memory(), "before": before}
    minute = round(60 * RATE)
    for first in range(0, len(segment.samples), minute):
        density = timed("levels", mean_density, segment.samples[first : first + minute], RATE)
        for bands in (hybrid_millidecade_bands(RATE), third_octave_bands(RATE)):
            timed("levels", band_levels, density, RATE, bands)
    return {**found, "levels": spent["levels"]}


def largest_memory() -> float:
    """The largest resident memory of this process so far [MB]; on Linux without what it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def with_matplotlib(samples: np.ndarray, folder: Path) -> None:
    """The clip's picture and wav file as the whaledr script makes them."""
    import matplotlib

    matplotlib.use("Agg")
    import obspy
    from matplotlib import mlab, pyplot
    from matplotlib.colors import Normalize

    nfft = 4096
    density, frequencies, times = mlab.specgram(samples / 1e-6, NFFT=nfft, Fs=RATE, noverlap=int(nfft * 0.995))
    levels = np.flipud(10 * np.log10(density[1:]))
    lowest, highest = levels.min(), levels.max()
    norm = Normalize(lowest + 0.50 * (highest - lowest), lowest + 0.95 * (highest - lowest))
    figure = pyplot.figure(frameon=False, figsize=(8, 8))
    axes = pyplot.Axes(figure, [0.0, 0.0, 1.0, 1.0])
    axes.set_axis_off()
    figure.add_axes(axes)
    extent = (times[0], times[-1], frequencies[1] / 1e3, frequencies[-1] / 1e3)
    axes.imshow(levels, interpolation="nearest", extent=extent, norm=norm, cmap="viridis")
    figure.set_size_inches(512 / figure.get_dpi(), 512 / figure.get_dpi())
    axes.axis("tight")
    axes.set_xlim(0, len(samples) / RATE)
    axes.set_ylim(0.01, 8)
    pyplot.savefig(folder / "clip.png")
    pyplot.close("all")
    trace = obspy.Trace(samples.copy(), {"sampling_rate": RATE}).normalize()
    trace.data = (trace.data * (2**31 - 1)).astype("int32")
    trace.write(str(folder / "clip.wav"), format="WAV", framerate=RATE)


def measure(rounds: int = 3) -> list[dict[str, object]]:
    """Rows of the table."""
    from seisbatch.acquire.pack import pack
    from seisbatch.names import Channel
    from seisbatch.process.segments import Segment

    samples = made_samples(MINUTES * 60)
    steps = ("wav", "frames and pixels", "PNG")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hydrophone.mseed"
        path.write_bytes(pack(Channel("OO", "HYEA2", "", "YDH"), Segment(0, RATE, samples)))
        command = [sys.executable, __file__, str(path)]
        found = [json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) for _ in range(rounds)]
        with_matplotlib(samples[: round(RATE)], Path(folder))  # imports, fonts
        started = time.process_time()
        for clip in clips(samples)[:RIVAL_CLIPS]:
            with_matplotlib(clip, Path(folder))
        rival = (time.process_time() - started) / RIVAL_CLIPS * N_CLIPS
    best = min(found, key=lambda one: sum(one[step] for step in steps))
    kernels = sum(best[step] for step in steps)
    told = f"hydrophone, {MINUTES} min at 64 kHz to {N_CLIPS} wav files and pictures"
    rows: list[dict[str, object]] = [{"measure": f"{told}, core-seconds", "value": kernels, "bound": "at most 1.5"}]
    rows += [{"measure": f"  of it {step}", "value": best[step], "bound": ""} for step in steps]
    return rows + [
        {"measure": "  reading and decoding the file besides, s", "value": best["read and decode"], "bound": ""},
        {"measure": "  levels of its minutes in bands besides, s", "value": best["levels"], "bound": ""},
        {"measure": f"{told}, MB of memory", "value": max(one["memory"] for one in found), "bound": "at most 200"},
        {"measure": "  of it Python and libraries", "value": best["before"], "bound": ""},
        {"measure": "  MB of wav files written", "value": best["wav MB"], "bound": ""},
        {"measure": "  MB of pictures written", "value": best["png MB"], "bound": ""},
        {"measure": f"the same by matplotlib and obspy, s ({RIVAL_CLIPS} clips, scaled)", "value": rival, "bound": ""},
        {"measure": "  times as long", "value": rival / kernels, "bound": ""},
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(ours(Path(sys.argv[1]))))
    else:
        for row in measure():
            print(row)
