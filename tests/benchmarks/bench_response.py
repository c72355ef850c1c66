"""Removing the response of a 100 Hz channel-day, one core, beside ``obspy.Trace.remove_response`` with the same options.

The response has the stages of a broadband station: poles and zeros, a digitizer's gain, two FIR filters that decimate by four.
The rival is at its best: the inventory is parsed, its response attached to the trace. Results are compared, then timed,
by the processor's time: one core is all that either uses.

python tests/benchmarks/bench_response.py
"""

from __future__ import annotations

import functools
import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import obspy
from obspy.core.inventory import Channel, Inventory, Network, Station
from obspy.core.inventory.response import (
    CoefficientsTypeResponseStage,
    FIRResponseStage,
    InstrumentSensitivity,
    PolesZerosResponseStage,
    Response,
)
from scipy import signal
from seisbatch.acquire.responses import ResponseEpoch, read_responses
from seisbatch.process import response as kernel
from seisbatch.process.response import Removal, remove_response

RATE = 100.0
PRE_FILT = (0.005, 0.01, 40.0, 45.0)
WATER_LEVEL = 60.0
UNITS = "vel"
GAINS = {"HHZ": 1500.0, "HHN": 1497.0, "HHE": 1504.5}
"""Of a sensor's components [V s/m]."""
FIR_LENGTHS = (255, 181)
MEGABYTE = 2**20


def station_xml() -> bytes:
    """A station of three components."""
    channels = [
        Channel(code, "00", 35, -118, 700, 0, sample_rate=RATE, start_date=obspy.UTCDateTime(2020, 1, 1), response=made(gain))
        for code, gain in GAINS.items()
    ]
    station = Station("BENCH", 35, -118, 700, channels=channels)
    out = io.BytesIO()
    Inventory([Network("XX", [station])], source="benchmark").write(out, format="STATIONXML")
    return out.getvalue()


def made(gain: float) -> Response:
    """The response of a 120 s seismometer and a digitizer of 1,600 Hz."""
    poles = [-0.03701 + 0.03701j, -0.03701 - 0.03701j, -1131 + 0j, -1005 + 0j, -502.7 + 0j]
    sensor = PolesZerosResponseStage(
        1, gain, 1.0, "M/S", "V", "LAPLACE (RADIANS/SECOND)", 1.0, [0j, 0j], poles, normalization_factor=1.0
    )
    at = 2j * np.pi
    sensor.normalization_factor = float(abs(np.prod([at - pole for pole in poles]) / at**2))
    digitizer = CoefficientsTypeResponseStage(
        2, 400_000.0, 1.0, "V", "COUNTS", "DIGITAL", numerator=[], denominator=[], decimation_input_sample_rate=1600.0,
        decimation_factor=1, decimation_offset=0, decimation_delay=0.0, decimation_correction=0.0,
    )  # fmt: skip
    filters = []
    for number, (length, rate) in enumerate(zip(FIR_LENGTHS, (1600.0, 400.0), strict=True), start=3):
        delay = (length - 1) / 2 / rate
        filters.append(
            FIRResponseStage(
                number, 1.0, 1.0, "COUNTS", "COUNTS", symmetry="NONE",
                coefficients=[float(tap) for tap in signal.firwin(length, 0.43 * rate / 4, fs=rate, window=("kaiser", 9))],
                decimation_input_sample_rate=rate, decimation_factor=4, decimation_offset=0,
                decimation_delay=delay, decimation_correction=delay,
            )
        )  # fmt: skip
    sensitivity = InstrumentSensitivity(gain * 400_000, 1.0, "M/S", "COUNTS")
    return Response(instrument_sensitivity=sensitivity, response_stages=[sensor, digitizer, *filters])


def made_samples() -> np.ndarray:
    """A day of coloured noise in counts, int32."""
    rng = np.random.default_rng(0)
    sos = signal.butter(2, [0.05, 8], "bandpass", fs=RATE, output="sos")
    return np.rint(3000 * signal.sosfilt(sos, rng.standard_normal(round(86_400 * RATE)))).astype(np.int32)


def removal_of(precision: str) -> Removal:
    return Removal(PRE_FILT, WATER_LEVEL, precision=precision)


def ours(samples: np.ndarray, epoch: ResponseEpoch, precision: str) -> np.ndarray:
    """Of one component."""
    return remove_response(samples, RATE, epoch.curve(UNITS, RATE), removal_of(precision))


def ours_afresh(samples: np.ndarray, document: bytes, precision: str) -> np.ndarray:
    """With a response that is not known yet: the document is parsed, its response evaluated and inverted."""
    kernel._inverses.clear()
    return ours(samples, read_responses(document)[0], precision)


def three_components(samples: np.ndarray, document: bytes) -> None:
    """Of a station, one after the other, with responses that are not known yet."""
    kernel._inverses.clear()
    for epoch in read_responses(document):
        ours(samples, epoch, "float32")


def with_obspy(samples: np.ndarray, response: Response) -> np.ndarray:
    """The same by obspy, float64."""
    trace = obspy.Trace(samples, {"sampling_rate": RATE, "response": response})
    trace.remove_response(
        output=UNITS.upper(), pre_filt=PRE_FILT, water_level=WATER_LEVEL, hide_sensitivity_mismatch_warning=True
    )
    return trace.data


def _seconds(work: Callable[[], object], rounds: int) -> float:
    best = np.inf
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def peak_megabytes() -> float:
    """Of this program; Linux hands ``ru_maxrss`` on from the program that started it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / MEGABYTE


def extra_memory(who: str) -> float:
    """By how many MB a process of its own grows beyond what holds the samples, the response and the libraries."""
    command = [sys.executable, __file__, who]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print_extra_memory(who: str) -> None:
    """In that process. What has been used and freed before is small beside a day."""
    epoch = read_responses(station_xml())[0]
    short = np.arange(20_000, dtype=np.int32) % 977
    run = functools.partial(with_obspy, response=epoch.response) if who == "obspy" else None
    run = run or functools.partial(ours, epoch=epoch, precision=who)
    run(short)
    samples = np.random.default_rng(0).integers(-3000, 3000, round(86_400 * RATE), np.int32)
    before = peak_megabytes()
    run(samples)
    print(peak_megabytes() - before)


def measure(rounds: int = 4) -> list[dict[str, object]]:
    """Rows of the table."""
    document, samples = station_xml(), made_samples()
    epochs = read_responses(document)
    response = epochs[0].response
    started = time.process_time()
    rival = with_obspy(samples, response)
    rival_seconds = time.process_time() - started
    edge = round(kernel.edge_seconds(removal_of("float64")) * RATE)
    for precision, limit in (("float64", 1e-6), ("float32", 1e-5)):
        difference = np.abs(ours(samples, epochs[0], precision) - rival)[edge:-edge].max() / np.abs(rival).max()
        assert difference < limit, (precision, difference)
    del rival
    seconds = {}
    for precision in ("float64", "float32"):
        seconds[precision, "first"] = _seconds(functools.partial(ours_afresh, samples, document, precision), rounds)
        kernel._inverses.clear()
        ours(samples, epochs[0], precision)
        seconds[precision, "kept"] = _seconds(functools.partial(ours, samples, epochs[0], precision), rounds)
    three = _seconds(functools.partial(three_components, samples, document), rounds)
    kernel._inverses.clear()
    rival_seconds = min(rival_seconds, _seconds(functools.partial(with_obspy, samples, response), 1))
    memory = {who: extra_memory(who) for who in ("float32", "float64", "obspy")}
    name = "(f) response removal, a 100 Hz day with two FIR stages"
    return [
        {"measure": f"{name}, ms, float32", "value": 1000 * seconds["float32", "kept"], "bound": ""},
        {"measure": f"{name}, ms, float64", "value": 1000 * seconds["float64", "kept"], "bound": ""},
        {"measure": f"{name}, s, obspy", "value": rival_seconds, "bound": ""},
        {
            "measure": "(f) response removal, times as fast as obspy, float64",
            "value": rival_seconds / seconds["float64", "kept"],
            "bound": "at least 25",
        },
        {
            "measure": "(f) response removal, times as fast as obspy, float32",
            "value": rival_seconds / seconds["float32", "kept"],
            "bound": "at least 50",
        },
        {
            "measure": "(f) response removal, times as fast as obspy, first of its epoch, float64",
            "value": rival_seconds / seconds["float64", "first"],
            "bound": "at least 12",
        },
        {
            "measure": "(f) response removal, times as fast as obspy, first of its epoch, float32",
            "value": rival_seconds / seconds["float32", "first"],
            "bound": "at least 12",
        },
        {
            "measure": "(f) response removal, three components over one, first of their epoch, float32",
            "value": three / seconds["float32", "first"],
            "bound": "at most 2.3",
        },
        {"measure": "(f) response removal, extra memory, MB, float32", "value": memory["float32"], "bound": ""},
        {
            "measure": "(f) response removal, extra memory over obspy's, float32",
            "value": memory["float32"] / memory["obspy"],
            "bound": "at most 0.33",
        },
        {
            "measure": "(f) response removal, extra memory over obspy's, float64",
            "value": memory["float64"] / memory["obspy"],
            "bound": "at most 0.33",
        },
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _print_extra_memory(sys.argv[1])
    else:
        for row in measure():
            print(row)
