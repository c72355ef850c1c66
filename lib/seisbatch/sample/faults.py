"""The world's faults: functions that plant one in a recording, and the table of those in the sample archive."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from obspy import Trace, UTCDateTime
from scipy import fft
from scipy.interpolate import CubicSpline

from seisbatch.acquire.pack import pack as pack_segment
from seisbatch.names import Channel, parse_channel
from seisbatch.process.segments import Segment
from seisbatch.sample.network import DAYS
from seisbatch.times import SECOND_NS

RECORD_BYTES = 512

Recording = list[Segment]


def pack(name: Channel, recording: Recording) -> bytes:
    """A recording as miniSEED 2: Steim-2 records of 512 bytes, segment after segment."""
    parts: list[bytes] = []
    for segment in recording:
        whole = segment.rate == round(segment.rate)
        parts.append(pack_segment(name, segment, RECORD_BYTES) if whole else _with_actual_rate(name, segment))
    return b"".join(parts)


def _with_actual_rate(name: Channel, segment: Segment) -> bytes:
    """Records that state a rate which is no whole number in a blockette 100, as recorders do and libmseed does not."""
    codes = dict(zip(("network", "station", "location", "channel"), name, strict=True))
    start = UTCDateTime(ns=segment.start_ns)
    trace = Trace(segment.samples.astype(np.int32), {**codes, "starttime": start, "sampling_rate": segment.rate})
    out = io.BytesIO()
    trace.write(out, format="MSEED", encoding="STEIM2", reclen=RECORD_BYTES)
    return out.getvalue()


def _cut(segment: Segment, pieces: list[tuple[int, int]]) -> Recording:
    return [segment.part(first, stop) for first, stop in pieces if stop > first]


def with_gap(recording: Recording, at: float, seconds: float) -> Recording:
    """The first segment with a gap that begins ``at`` seconds into it."""
    segment, n = recording[0], len(recording[0].samples)
    first, stop = round(at * segment.rate), round((at + seconds) * segment.rate)
    return _cut(segment, [(0, first), (stop, n)]) + recording[1:]


def with_small_gaps(recording: Recording, number: int, samples: int) -> Recording:
    """The first segment with ``number`` gaps of ``samples`` samples each, evenly spread."""
    segment, n = recording[0], len(recording[0].samples)
    starts = np.linspace(0, n, number + 2)[1:-1].astype(int)
    edges = [0, *(edge for start in starts for edge in (start, start + samples)), n]
    return _cut(segment, list(zip(edges[::2], edges[1::2], strict=True))) + recording[1:]


def with_overlap(recording: Recording, at: float, seconds: float, *, equal: bool) -> Recording:
    """The first segment in two that overlap; the second's copy of the overlap is equal, or off by ten counts."""
    segment = recording[0]
    first, stop = round(at * segment.rate), round((at + seconds) * segment.rate)
    second = segment.part(first, len(segment.samples))
    if not equal:
        samples = second.samples.copy()
        samples[: stop - first] += 10
        second = Segment(second.start_ns, second.rate, samples)
    return [segment.part(0, stop), second, *recording[1:]]


def with_only(recording: Recording, at: float, seconds: float) -> Recording:
    """Nothing but ``seconds`` of the first segment, from ``at`` on."""
    segment = recording[0]
    return [segment.part(round(at * segment.rate), round((at + seconds) * segment.rate))]


def flat(recording: Recording, value: int = 7) -> Recording:
    """Every sample the same."""
    return [Segment(part.start_ns, part.rate, np.full_like(part.samples, value)) for part in recording]


def with_spikes(recording: Recording, at: float, seconds: float, every: float) -> Recording:
    """Spikes at the digitizer's limit, one ``every`` seconds, from ``at`` on for ``seconds``."""
    segment = recording[0]
    samples = segment.samples.copy()
    samples[round(at * segment.rate) : round((at + seconds) * segment.rate) : round(every * segment.rate)] = 2**23 - 1
    return [Segment(segment.start_ns, segment.rate, samples), *recording[1:]]


def sampled_late(recording: Recording, seconds: float) -> Recording:
    """The same motion sampled a fraction of a sample later, as the time tags say."""
    segment = recording[0]
    n = len(segment.samples)
    spectrum = fft.rfft(segment.samples.astype(np.float64))
    spectrum *= np.exp(2j * np.pi * seconds * np.arange(len(spectrum)) * segment.rate / n)
    samples = np.rint(fft.irfft(spectrum, n)).astype(np.int32)
    return [Segment(segment.start_ns + round(seconds * SECOND_NS), segment.rate, samples), *recording[1:]]


def sampled_at(recording: Recording, rate: float) -> Recording:
    """The same motion sampled at a rate that is a little off, as headers and time tags say."""
    segment = recording[0]
    times = np.arange(len(segment.samples)) / segment.rate
    at = np.arange(int(times[-1] * rate) + 1) / rate
    samples = np.rint(CubicSpline(times, segment.samples)(at)).astype(np.int32)
    return [Segment(segment.start_ns, rate, samples), *recording[1:]]


def truncated(data: bytes) -> bytes:
    """An object cut in the middle of a record, two thirds in."""
    return data[: len(data) * 2 // 3 // RECORD_BYTES * RECORD_BYTES + RECORD_BYTES // 2]


NOT_MINISEED = b"<html><head><title>503 Service Unavailable</title></head><body>Please try again later.</body></html>\n" * 40


@dataclass(frozen=True)
class Fault:
    """A planted fault: where, what, and what cross_correlate makes of it.

    ``plant`` names a function of this module, called with ``numbers``; or is ``missing``, ``truncated``, ``not_miniseed``,
    ``other_location``, ``across_midnight`` or ``no_stationxml``, ``gain_change``, which are planted when files are written.
    ``reason`` is a regular expression that the outcome's reason matches.
    """

    name: str
    channel: Channel
    date: dt.date
    plant: str
    numbers: tuple[tuple[str, Any], ...]
    outcome: str
    reason: str


def _fault(name: str, channel: str, day: int, plant: str, outcome: str, reason: str, **numbers: Any) -> Fault:
    return Fault(name, parse_channel(channel), DAYS[day], plant, tuple(numbers.items()), outcome, reason)


EVENT = "(; windows left out for amplitude: 4)?$"
EVENT_ONLY = "^(windows left out for amplitude: 4)?$"
"""An earthquake stands out of a day in the four windows that hold it, a quarter of their length apart."""

FAULTS: tuple[Fault, ...] = (
    _fault("20-minute gap", "XX.BRAV..BHZ", 1, "with_gap", "ok", r"gaps: 1; windows left out for coverage: \d+",
           at=36_000.0, seconds=1200.0),
    _fault("300 small gaps", "XX.ALFA..BHN", 0, "with_small_gaps", "ok", "samples bridged: 1800" + EVENT,
           number=300, samples=6),
    _fault("overlap, equal samples", "XX.CHAR..BHZ", 1, "with_overlap", "ok", "overlapping samples merged: 2400" + EVENT,
           at=50_000.0, seconds=120.0, equal=True),
    _fault("overlap, unequal samples", "XX.ALFA..BHE", 0, "with_overlap", "ok", "conflicting samples left out: 4800",
           at=50_000.0, seconds=120.0, equal=False),
    _fault("late start", "XX.DELT..BHZ", 1, "with_only", "ok", r"windows left out for coverage: \d+",
           at=21_600.0, seconds=64_800.0),
    _fault("three hours of data", "XX.CHAR..BHN", 0, "with_only", "ok", r"windows left out for coverage: \d+",
           at=30_000.0, seconds=10_800.0),
    _fault("dead channel", "XX.CHAR..BHE", 2, "flat", "rejected", "^flat: every sample is 7$"),
    _fault("clipped spikes", "XX.ECHO..BHN", 0, "with_spikes", "ok", r"windows left out for amplitude: \d+",
           at=40_000.0, seconds=7200.0, every=180.0),
    _fault("sub-sample time offset", "XX.FOXT..BHZ", 0, "sampled_late", "ok", EVENT_ONLY, seconds=0.013),
    _fault("rate of 40.000016 Hz", "XX.DELT.10.BHZ", 0, "sampled_at", "ok", EVENT_ONLY, rate=40.000016),
    _fault("day file across midnight", "XX.ECHO..BHZ", 1, "across_midnight", "ok", "^$", before=20.0, after=15.0),
    _fault("other location code", "XX.JULI.10.BHZ", 0, "other_location", "ok", "records carry location code '00'"),
    _fault("missing object", "XX.GOLF..BHZ", 1, "missing", "missing", "^no object continuous_waveforms/2024/2024_001/XXGOLF"),
    _fault("truncated file", "XX.KILO..BHN", 0, "truncated", "corrupt", "^truncated: "),
    _fault("not miniSEED", "XX.KILO..BHE", 0, "not_miniseed", "corrupt", "^not miniSEED"),
    _fault("no StationXML", "XX.LIMA..BHZ", 0, "no_stationxml", "ok", "no StationXML: coordinates from the index$"),
    _fault("response epoch changes at noon", "XX.INDI..BHZ", 1, "gain_change", "ok", "^$"),
)  # fmt: skip


def faults_of(channel: Channel, date: dt.date) -> list[Fault]:
    """The faults planted in a channel-day."""
    return [fault for fault in FAULTS if (fault.channel, fault.date) == (channel, date)]


def planted(recording: Recording, fault: Fault) -> Recording:
    """A recording with a fault of its samples; unchanged where the fault is one of the file."""
    functions = {
        function.__name__: function
        for function in (with_gap, with_small_gaps, with_overlap, with_only, flat, with_spikes, sampled_late, sampled_at)
    }
    function = functions.get(fault.plant)
    return function(recording, **dict(fault.numbers)) if function else recording
