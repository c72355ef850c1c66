"""Mutated miniSEED and StationXML: each has exactly one outcome, in bounded time and memory; no crash, no hang.

    python tests/benchmarks/gauntlet_mutants.py 10000

Half of the mutants are miniSEED, half StationXML; mutant N is the same in every run. They are decoded in subprocesses, a
batch in each, so that a segmentation fault is seen, and known by the mutant it came from. Exits with 1 if any mutant crashed
the process, hung, took too much memory, raised anything but a UnitError, wrote to stderr, or left a mark outside.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import os
import pickle
import random
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "lib"), str(ROOT / "tests/acquire")]

BATCH = 500
SECONDS_EACH = 10.0
"""That a mutant may take; the slowest that is known takes 0.1."""
STARTUP_SECONDS = 60.0
MEMORY_BYTES = 4_000_000_000
"""Address space of a worker; imports take about 1.5 GB of it."""
SEED_BYTES = 60_000
INTERESTING = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


# -- seeds ------------------------------------------------------------------------------------------------------------


def miniseed_seeds() -> list[bytes]:
    """Well-formed and odd files: made, packaged with obspy, and real ones where they are."""
    import numpy as np
    from miniseed_files import ENCODINGS, REAL, obspy_records, packaged, records, signal

    samples = signal(3000) % 30_000
    seeds = [
        records(samples, encoding=encoding, version=version, length=length)
        for encoding in ENCODINGS
        for version, length in ((2, 256), (2, 512), (2, 4096), (3, 512), (3, 4000))
    ]
    seeds += [obspy_records(samples.astype(np.int32), encoding="STEIM2", byteorder="<", reclen=512)]
    seeds += [b"".join(records(signal(200, n), source_id=f"FDSN:CI_S{n}__B_H_Z") for n in range(20))]
    seeds += [path.read_bytes()[:SEED_BYTES] for path in packaged()]
    seeds += [path.read_bytes()[: 512 * 100] for path in sorted(REAL.rglob("*.ms"))]
    return [seed for seed in seeds if seed]


def stationxml_seeds() -> list[bytes]:
    from miniseed_files import OBSPY, REAL

    paths = [path for path in OBSPY.rglob("*.xml") if "data" in path.parts] + sorted(REAL.rglob("*.xml"))
    texts = [path.read_bytes() for path in sorted(paths)]
    return [text for text in texts if b"FDSNStationXML" in text[:2000] and len(text) < SEED_BYTES]


# -- mutations --------------------------------------------------------------------------------------------------------


def mutate(seed: bytes, others: list[bytes], rng: random.Random, tokens: list[bytes]) -> bytes:
    """A seed with some values changed, or one to eight coarser mutations of it."""
    data = bytearray(seed)
    if rng.random() < 0.5:
        return change_values(data, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        at = rng.randrange(len(data))
        length = min(rng.choice((1, 2, 8, 64, 512, 4096)), len(data) - at)
        match rng.randrange(12):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 2:  # a number in the first header, or in any record's
                kind = rng.choice((">H", "<H", ">I", "<I"))
                place = rng.randrange(64) + rng.choice((0, 256, 512, 1024, 4096))
                if place + 4 <= len(data):
                    struct.pack_into(kind, data, place, rng.choice(INTERESTING) & (0xFFFF if kind[1] == "H" else 0xFFFFFFFF))
            case 3:
                del data[at:]
            case 4:
                del data[at : at + length]
            case 5:
                data[at:at] = data[at : at + length] * rng.choice((1, 1, 2, 50))
            case 6:
                data[at : at + length] = bytes(length)
            case 7:
                data[at : at + length] = rng.randbytes(length)
            case 8:
                other = rng.choice(others)
                data[at:] = other[rng.randrange(len(other)) :]
            case 9:
                data[at:at] = rng.choice(tokens)
            case 10:
                data += rng.choice(others)
            case 11:  # blocks change places
                size = rng.choice((128, 256, 512, 4096))
                blocks = [data[n : n + size] for n in range(0, len(data), size)]
                rng.shuffle(blocks)
                data = bytearray(b"".join(blocks))
    return bytes(data[: 4 * SEED_BYTES])


VALUE = re.compile(rb'>([^<>\s][^<>]*)<|="([^"]*)"')
VALUES = [
    b"", b"0", b"-1", b"1e308", b"-1e999", b"nan", b"inf", b"99999999999999999999", b"0000-00-00", b"2262-04-12",
    b"9999-12-31T23:59:59.999999Z", b"2016-12-31T23:59:60", b"x" * 9999, b"../x", b"--", b" ", b"&amp;", b"&#x2603;",
]  # fmt: skip


def change_values(data: bytearray, rng: random.Random) -> bytes:
    """One to four values of fields changed, and nothing about how the fields stand."""
    for _ in range(rng.randint(1, 4)):
        if data.lstrip()[:1] == b"<":
            found = list(VALUE.finditer(bytes(data)))
            start, stop = (one := rng.choice(found)).span(1 if one[1] is not None else 2)
            data[start:stop] = rng.choice([*VALUES, str(rng.uniform(-400, 400)).encode(), data[start:stop] * 2])
        else:
            size = rng.choice((128, 256, 512, 4096))
            at = rng.randrange(-(-len(data) // size)) * size + rng.choice((rng.randrange(8, 64), rng.randrange(64, 512)))
            if at < len(data):
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256), data[at] ^ 1 << rng.randrange(8)))
    return bytes(data)


class Mark:
    """Leaves a mark when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path,)


def tokens(kind: str, mark: str) -> list[bytes]:
    """What an attacker, or a broken transfer, would put in."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(5_000_000))
    common = [b"", b"\0", b"\xff" * 64, pickle.dumps(Mark(mark)), packed.getvalue(), b"<html>", "\u202e\u2603".encode()]
    if kind == "miniseed":
        return [*common, b"000001D ", b"MS\x03", struct.pack(">HH", 1000, 0), struct.pack(">HH", 1000, 48), b"DQRM"]
    bomb = '<!DOCTYPE a [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 20}">' for n in range(1, 9)) + "]>"
    return [
        *common, bomb.encode(), b"&a8;", b"&", b"<", b"]]>", b"<![CDATA[", b"<!--", b"<?x", b'"', b"&#0;", b"&#x110000;",
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd">', b"nan", b"-1e999", b"<Channel>" * 300, b"</Station>", b"99999-99-99",
        b"<Latitude>91</Latitude>", b'<Channel code="" locationCode="">',
    ]  # fmt: skip


# -- a worker ---------------------------------------------------------------------------------------------------------


def work(kind: str, first: int, stop: int, mark: str) -> None:
    """Decode the mutants ``first`` to ``stop``; a line before and a line after each."""
    from seisbatch.acquire.miniseed import SAMPLES_A_BYTE, decode
    from seisbatch.acquire.stationxml import read_stations
    from seisbatch.outcome import UnitError

    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    seeds = miniseed_seeds() if kind == "miniseed" else stationxml_seeds()
    words = tokens(kind, mark)
    print(json.dumps({"ready": True}), flush=True)
    for number in range(first, stop):
        rng = random.Random(f"{kind} {number}")
        data = mutate(rng.choice(seeds), seeds, rng, words)
        print(json.dumps({"begin": number}), flush=True)
        started = time.perf_counter()
        try:
            if kind == "miniseed":
                found = decode(data)
                n_samples = sum(len(segment.samples) for segments in found.values() for segment in segments)
                rates = [segment.rate for segments in found.values() for segment in segments]
                well = n_samples <= SAMPLES_A_BYTE * len(data) and all(rate > 0 for rate in rates)
            else:
                well = all(abs(epoch.lat) <= 90 and abs(epoch.lon) <= 180 for epoch in read_stations(data))
            outcome = "ok" if well else "BUG: impossible values"
        except UnitError as error:
            outcome = str(error.outcome) if str(error) else "BUG: no reason"
        except BaseException as error:
            outcome = f"BUG: {type(error).__name__}: {error}"[:300]
        print(json.dumps({"end": number, "outcome": outcome, "seconds": time.perf_counter() - started}), flush=True)


def batch(kind: str, first: int, stop: int, mark: str) -> list[tuple[int, str, float]]:
    """Outcomes of the mutants ``first`` to ``stop``; after one that kills or blocks the worker a new worker goes on."""
    outcomes: list[tuple[int, str, float]] = []
    while first < stop:
        command = [sys.executable, "-W", "ignore", __file__, "--worker", kind, str(first), str(stop), mark]
        limit = STARTUP_SECONDS + SECONDS_EACH + 0.2 * (stop - first)
        with tempfile.TemporaryFile() as errors:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as worker:
                try:
                    text = worker.communicate(timeout=limit)[0]
                    death = f"CRASH: worker ended with {worker.returncode}" if worker.returncode else ""
                except subprocess.TimeoutExpired:
                    worker.kill()
                    text, death = worker.communicate()[0], "HANG"
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
        lines = [json.loads(line) for line in text.decode().splitlines() if line.endswith("}")]
        done = [(line["end"], line["outcome"], line["seconds"]) for line in lines if "end" in line]
        outcomes += done
        first = done[-1][0] + 1 if done else first
        if death:
            if {"ready": True} not in lines:
                raise SystemExit(f"the worker does not start: {said[-2000:]}")
            outcomes.append((first, f"{death} {said[-300:]}", limit))
            first += 1
        elif said:
            outcomes.append((first - 1, f"BUG: wrote to stderr: {said[:300]}", 0.0))
    return outcomes


# -- all --------------------------------------------------------------------------------------------------------------


def run(count: int) -> int:
    """Run ``count`` mutants; the number of those that went wrong."""
    started = time.perf_counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        mark = str(Path(folder, "mark"))
        for kind, number in (("miniseed", (count + 1) // 2), ("stationxml", count // 2)):
            outcomes = [
                one for first in range(0, number, BATCH) for one in batch(kind, first, min(first + BATCH, number), mark)
            ]
            bad = [one for one in outcomes if one[1].startswith(("BUG", "CRASH", "HANG")) or one[2] > SECONDS_EACH]
            if sorted(one[0] for one in outcomes) != list(range(number)):
                bad.append((-1, f"{number} mutants, {len(outcomes)} outcomes", 0.0))
            counts = Counter(outcome.partition(":")[0].split()[0] for _, outcome, _ in outcomes)
            slowest = max(outcomes, key=lambda one: one[2], default=(0, "", 0.0))
            print(f"{kind}: {number} mutants, {dict(counts)}; slowest {slowest[2]:.3f} s (mutant {slowest[0]})")
            for one in bad[:20]:
                print(f"  mutant {one[0]}: {one[1]} ({one[2]:.2f} s)")
            wrong += len(bad)
        if Path(mark).exists():
            print("a pickle ran")
            wrong += 1
    print(f"{wrong} went wrong; {time.perf_counter() - started:.0f} s")
    return wrong


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("count", type=int, nargs="?", default=10_000, help="mutants (%(default)s)")
        sys.exit(1 if run(parser.parse_args().count) else 0)
