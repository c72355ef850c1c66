"""``./submit.sh calibrate``: what the kernels that dominate cost on this machine, in CPU time of one thread.

Made data of the kind that archives hold; a few rounds of each kernel, of which the median counts. What is measured is written
to ``.build/rates.toml``, which ``--plan`` reckons with from then on.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from seisbatch import __version__
from seisbatch.acquire.geodesy import distance_azimuths
from seisbatch.acquire.miniseed import decode
from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.acquire.pack import cut_records, pack
from seisbatch.acquire.responses import read_responses
from seisbatch.acquire.window import Span, read_records
from seisbatch.config import EXIT_USAGE
from seisbatch.launch.made_bucket import serve
from seisbatch.launch.rates import CoreSeconds, Rates, build_folder
from seisbatch.names import Channel
from seisbatch.process.bands import hybrid_millidecade_bands, third_octave_bands
from seisbatch.process.correlation import accumulate_pairs, ccfs_from_pair_spectra
from seisbatch.process.grid import Preprocessing
from seisbatch.process.levels import band_levels, mean_density
from seisbatch.process.picture import Look, draw
from seisbatch.process.pieces import numbers_inside
from seisbatch.process.resample import day_trace
from seisbatch.process.response import Removal, remove_response
from seisbatch.process.segments import Segment, assemble
from seisbatch.process.spectra import window_spectra
from seisbatch.process.spectrogram import whaledr_frames
from seisbatch.sample.network import STATIONS
from seisbatch.sample.stationxml import station_xml
from seisbatch.schema import CCF
from seisbatch.sinks.colours import colour_table
from seisbatch.sinks.parquet import TableFile
from seisbatch.sinks.png import palette_png
from seisbatch.sinks.wav import wav_file
from seisbatch.times import DAY_SECONDS, SECOND_NS, day_start_ns

USAGE = """usage: ./submit.sh calibrate

Measures on this machine, in about a minute, what the kernels that dominate cost; --plan reckons with it from then on."""
DAY = dt.date(2024, 1, 2)
RATE = 100.0
NAME = Channel("XX", "BRAV", "", "HHZ")
PREPROCESSING = Preprocessing(
    sampling_rate=2.0, freqmin=0.1, freqmax=0.5, cc_len=1800.0, cc_step=450.0, maxlag=200.0, ccf_rate=2.0
)
"""Those of conf/jobs/cross_correlate.toml."""
MANY_WINDOWS = Preprocessing(
    sampling_rate=20.0, freqmin=0.1, freqmax=5.0, cc_len=900.0, cc_step=450.0, maxlag=200.0, ccf_rate=20.0
)
"""Of a recording at 20 Hz: the windows' transforms take most of the time."""
CORRELATED = 64
HYDROPHONE_RATE, CLIP_S, CLIPS, PIXELS = 64_000.0, 5, 12, 512
WINDOW_S, WINDOWS = 300, 24
REQUESTS, REQUEST_BYTES = 100, 512_000
ROWS = 2000
ROUNDS = 5
Say = Callable[[str], None]


def calibrate(say: Say = print, rounds: int = ROUNDS, seconds: int = DAY_SECONDS) -> Rates:
    """Measure every rate; ``seconds`` of recording are decoded and preprocessed a round, a day by default."""
    measured: dict[str, float] = {}
    for what, kernels in (
        ("channel-days", _channel_days), ("correlations", _correlations), ("tables", _tables), ("windows", _windows),
        ("hydrophones", _hydrophones), ("requests", _requests),
    ):  # fmt: skip
        started = time.monotonic()
        measured |= kernels(rounds, seconds)
        say(f"  {what}: {time.monotonic() - started:.0f} s")
    return Rates(
        date=dt.datetime.now(dt.UTC).date(), machine=machine(), version=__version__, core_seconds=CoreSeconds(**measured)
    )


def cpu_seconds(work: Callable[[], Any], rounds: int) -> float:
    """The median CPU time of some rounds, after one that does not count."""
    work()
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return max(1e-9, statistics.median(spent))


def machine() -> str:
    """The processor, its architecture and the system."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {platform.machine()}, {platform.system()}, {os.cpu_count()} cores"


def made_counts(number: int, rate: float) -> Segment:
    """Counts that Steim-2 packs about as it packs real ones, from the day's beginning."""
    steps = np.rint(np.random.default_rng(0).normal(0, 12, number))
    walk = np.cumsum(steps)
    return Segment(day_start_ns(DAY), rate, (walk - np.linspace(0, walk[-1], number)).astype(np.int32))


def _channel_days(rounds: int, seconds: int) -> dict[str, float]:
    recorded = made_counts(round(seconds * RATE), RATE)
    packed = pack(NAME, recorded)
    msamples = len(recorded.samples) / 1e6
    coarse = assemble([made_counts(round(seconds * 20.0), 20.0)], day_start_ns(DAY), max_fill=1.0)
    grid = cpu_seconds(lambda: day_trace(assemble([recorded], day_start_ns(DAY), max_fill=1.0), PREPROCESSING), rounds)
    whole = cpu_seconds(lambda: window_spectra(coarse, MANY_WINDOWS), rounds)
    alone = cpu_seconds(lambda: day_trace(coarse, MANY_WINDOWS), rounds)
    n_transformed = int(window_spectra(coarse, MANY_WINDOWS).valid.sum()) * MANY_WINDOWS.nfft
    station = next(station for station in STATIONS if station.code == NAME.sta)
    epochs = read_responses(station_xml(station))
    curve = next(epoch for epoch in epochs if epoch.name == NAME).curve("vel", RATE)
    removal = Removal()
    return {
        "decode_mb": cpu_seconds(lambda: decode(packed), rounds) / (len(packed) / 1e6),
        "preprocess_msamples": grid / msamples,
        "window_msamples": max(1e-9, whole - alone) / max(1e-6, n_transformed / 1e6),
        "response_msamples": cpu_seconds(lambda: remove_response(recorded.samples, RATE, curve, removal), rounds) / msamples,
    }


def _correlations(rounds: int, _: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    shape = (PREPROCESSING.n_bins, CORRELATED, PREPROCESSING.n_windows)
    spectra = rng.standard_normal((*shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    spectra = np.ascontiguousarray(spectra)
    sums = np.zeros((PREPROCESSING.n_bins, CORRELATED, CORRELATED), np.complex64)
    s, r = np.triu_indices(CORRELATED, 1)
    counts = np.full(len(s), PREPROCESSING.n_windows, np.int32)
    products = cpu_seconds(lambda: accumulate_pairs(spectra, None, sums), rounds)
    inverse = cpu_seconds(lambda: ccfs_from_pair_spectra(sums, s, r, counts, PREPROCESSING), rounds)
    distances = cpu_seconds(_distances, rounds)
    return {
        "geometry_kpairs": distances / (len(STATIONS) ** 2 / 1e3),
        "product_giga": products / (len(s) * PREPROCESSING.n_windows * PREPROCESSING.n_bins / 1e9),
        "inverse_msamples": inverse / (len(s) * PREPROCESSING.ccf_nfft / 1e6),
    }


def _distances() -> None:
    """Of every pair of the sample's stations, each reckoned anew."""
    distance_azimuths.cache_clear()
    for one in STATIONS:
        for other in STATIONS:
            distance_azimuths(one.lat, one.lon, other.lat, other.lon)


def _tables(rounds: int, _: int) -> dict[str, float]:
    ccfs = np.random.default_rng(0).standard_normal((ROWS, 801), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        store = _folder(folder)

        def write(samples: Any) -> None:
            with TableFile(store, "table.parquet", CCF, {}) as file:
                file.write(_ccf_rows(samples))
                file.commit({})

        rows = cpu_seconds(lambda: write(ccfs[:, :1]), rounds)
        whole = cpu_seconds(lambda: write(ccfs), rounds)
    return {"table_krows": rows / (ROWS / 1e3), "table_mb": max(1e-9, whole - rows) / (ccfs.nbytes / 1e6)}


def _ccf_rows(samples: Any) -> dict[str, Any]:
    """Columns as a tile writes them."""
    n = len(samples)
    instant = dt.datetime(DAY.year, DAY.month, DAY.day, tzinfo=dt.UTC)
    columns: dict[str, Any] = {"date": [DAY] * n, "starttime": [instant] * n, "endtime": [instant] * n}
    for number, role in enumerate(("source", "receiver")):
        codes = {"net": "XX", "sta": "", "loc": "", "chan": "HHZ"}
        columns |= {f"{role}_{code}": [value] * n for code, value in codes.items()}
        columns[f"{role}_sta"] = [f"S{(row * (1 + number)) % 1000:03d}" for row in range(n)]
        columns |= {f"{role}_lat": [34.0 + row / n for row in range(n)], f"{role}_lon": [-117.0 - row / n for row in range(n)]}
    geometry = {"distance": 1.0, "azimuth": 2.0, "back_azimuth": 3.0}
    columns |= {name: [scale * row for row in range(n)] for name, scale in geometry.items()}
    return columns | {
        "n_windows": np.full(n, 189, np.int32), "lag_step": np.full(n, 0.5), "maxlag": np.full(n, 200.0),
        "method": ["cross_correlation"] * n, "parameters_id": ["0" * 16] * n, "samples": samples,
    }  # fmt: skip


def _windows(rounds: int, seconds: int) -> dict[str, float]:
    key = "day.ms"
    length = min(WINDOW_S, seconds // 4)
    with tempfile.TemporaryDirectory() as folder:
        store = _folder(folder)
        store.put(key, pack(NAME, made_counts(round(seconds * RATE), RATE), 512))
        begin = day_start_ns(DAY)
        day = Span(begin, begin + seconds * SECOND_NS)
        starts = np.linspace(0.1, 0.8, WINDOWS) * seconds

        def cut() -> None:
            for start in starts:
                first = begin + round(start) * SECOND_NS
                span = Span(first, first + length * SECOND_NS)
                found = read_records(store, key, NAME, span, supposed=day)
                if found is None or found.length is None:  # a recording so short that it is read whole
                    decode(store.get(key))
                    continue
                ((segment,),) = decode(found.body).values()
                cut_records(NAME, segment, found, *numbers_inside(segment, span.start_ns, span.end_ns))

        return {"window_cut": cpu_seconds(cut, rounds) / WINDOWS}


def _hydrophones(rounds: int, _: int) -> dict[str, float]:
    length = round(CLIP_S * HYDROPHONE_RATE)
    recorded = made_counts(CLIPS * length, HYDROPHONE_RATE)
    name = Channel("OO", "HYEA2", "", "YDH")
    packed = pack(name, recorded)
    clips = recorded.samples.reshape(CLIPS, length)
    frames, look, palette = whaledr_frames(HYDROPHONE_RATE), Look(), colour_table("viridis")

    def sound() -> None:
        decode(packed)
        for clip in clips:
            wav_file(clip, HYDROPHONE_RATE, gain=None)

    def pictures() -> None:
        for clip in clips[: CLIPS // 2]:
            palette_png(draw(clip, HYDROPHONE_RATE, frames, look).indices, palette)

    def levels() -> None:
        density = mean_density(recorded.samples, HYDROPHONE_RATE)
        for bands in (hybrid_millidecade_bands(HYDROPHONE_RATE), third_octave_bands(HYDROPHONE_RATE)):
            band_levels(density, HYDROPHONE_RATE, bands)

    msamples = len(recorded.samples) / 1e6
    return {
        "sound_msamples": cpu_seconds(sound, rounds) / msamples,
        "picture_mpixels": cpu_seconds(pictures, rounds) / (CLIPS // 2 * look.width * look.height / 1e6),
        "level_msamples": cpu_seconds(levels, rounds) / msamples,
    }


@contextmanager
def _bucket() -> Iterator[Store]:
    """A bucket that another process serves: what it spends is not ours."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(there, REQUEST_BYTES), daemon=True)
    server.start()
    try:
        if not here.poll(60):
            raise TimeoutError("the server of made objects does not start")
        yield open_store(StoreSettings("s3://calibrate", endpoint=f"http://127.0.0.1:{here.recv()}", anonymous=True))
    finally:
        server.terminate()
        server.join()


def _requests(rounds: int, _: int) -> dict[str, float]:
    body = bytes(REQUEST_BYTES)
    with _bucket() as store:

        def get() -> None:
            for _ in range(REQUESTS):
                store.get("day.ms")

        def put() -> None:
            for _ in range(REQUESTS):
                store.put("day.ms", body)

        return {"get": cpu_seconds(get, rounds) / REQUESTS, "put": cpu_seconds(put, rounds) / REQUESTS}


def _folder(path: str) -> Store:
    return open_store(StoreSettings(path))


def main(words: Sequence[str]) -> int:
    """Measure and write ``.build/rates.toml``; the exit code."""
    if words:
        print(USAGE, file=sys.stdout if words[0] in ("-h", "--help") else sys.stderr)
        return 0 if words[0] in ("-h", "--help") else EXIT_USAGE
    print("calibrate: measuring, in about a minute", flush=True)
    rates = calibrate()
    path = build_folder() / "rates.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(rates.toml(), encoding="utf-8")
    part.replace(path)
    for name, value in rates.core_seconds.model_dump().items():
        print(f"  {name:<20} {value:.3g}")
    print(f"  {rates.machine}\n  written to {path}: --plan reckons with it from now on")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
