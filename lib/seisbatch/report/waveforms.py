"""The waveforms that a run's report shows: the first of them, or those of some channels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from seisbatch.acquire.geodesy import distance_azimuths
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.process.segments import Segment
from seisbatch.schema import WF_TIME_SERIES
from seisbatch.sinks.dataset import table_dataset
from seisbatch.sinks.samples import segment_of, with_records

MOST_TRACES = 120
MOST_POINTS = 3000
"""Points of a trace that is drawn: the smallest and largest sample of as many stretches as there are dots."""
BATCH_ROWS = 64
NAMES_READ = 200_000
"""Rows that are looked at for the channels that are asked for."""


@dataclass(frozen=True, eq=False)
class Wiggle:
    """A trace to draw: name, seconds and samples of its points, and the distance [km] where the event is known."""

    name: str
    seconds: npt.NDArray[np.float64]
    samples: npt.NDArray[np.float64]
    distance_km: float | None
    arrival_seconds: float | None
    phase: str | None


@dataclass(frozen=True, eq=False)
class WaveformSection:
    """Traces of one window or event, in order of distance or of name; time zero is the origin time, or the window's start."""

    wiggles: list[Wiggle]
    what: str
    since: str


def parse_plot(text: str) -> tuple[int, ChannelPatterns | None]:
    """What ``--plot`` asks for: ``first:15``, or patterns of channels.

    >>> parse_plot("first:15")[0]
    15
    """
    if match := re.fullmatch(r"first:(\d{1,3})", text):
        return min(int(match[1]), MOST_TRACES), None
    return MOST_TRACES, ChannelPatterns(text)


def waveform_section(out: StoreSettings, plot: str) -> WaveformSection | None:
    """The traces of a run's first window that ``plot`` asks for; None where there are none."""
    number, patterns = parse_plot(plot)
    chosen: list[dict[str, Any]] = []
    for row in _rows(out, patterns):
        if not chosen or row["window"] == chosen[0]["window"]:
            chosen.append(row)
        if len(chosen) >= number:
            break
    if not chosen:
        return None
    first = chosen[0]
    zero = first["source_time"] or min(row["starttime"] for row in chosen)
    wiggles = [_wiggle(row, segment_of(row, records), zero) for row, records in with_records(open_store(out), chosen)]
    if all(wiggle.distance_km is not None for wiggle in wiggles):
        wiggles.sort(key=lambda wiggle: (wiggle.distance_km, wiggle.name))
    asked = f"--plot {plot}" if patterns else f"the first {len(wiggles)} segments"
    since = "the origin time" if first["source_time"] else f"{zero:%Y-%m-%d %H:%M:%S}"
    return WaveformSection(wiggles, f"Window {first['window']}, {asked}, each to its own scale", since)


def _rows(out: StoreSettings, patterns: ChannelPatterns | None) -> Iterator[dict[str, Any]]:
    """Rows of the table that match, in its order."""
    dataset = table_dataset(out, WF_TIME_SERIES)
    seen = 0
    for fragment in sorted(dataset.get_fragments(), key=lambda part: part.path) if dataset else []:
        names = fragment.to_table(schema=WF_TIME_SERIES.arrow(), columns=list(Channel._fields)).to_pylist()
        seen += len(names)
        if not any(_is_wanted(row, patterns) for row in names):
            continue
        for batch in fragment.to_batches(schema=WF_TIME_SERIES.arrow(), batch_size=BATCH_ROWS):
            wanted = [_is_wanted(row, patterns) for row in batch.select(list(Channel._fields)).to_pylist()]
            yield from batch.filter(pa.array(wanted)).to_pylist()
        if seen > NAMES_READ:
            return


def _is_wanted(row: Mapping[str, Any], patterns: ChannelPatterns | None) -> bool:
    return patterns is None or patterns.matches(Channel(*(row[code] for code in Channel._fields)))


def _wiggle(row: Mapping[str, Any], segment: Segment, zero: Any) -> Wiggle:
    values = segment.samples.astype(np.float64)
    seconds = (row["starttime"] - zero).total_seconds() + np.arange(len(values)) / row["sampling_rate"]
    distance = None
    if None not in (row["lat"], row["lon"], row["source_lat"], row["source_lon"]):
        distance = distance_azimuths(row["source_lat"], row["source_lon"], row["lat"], row["lon"])[0]
    name = ".".join(row[code] for code in Channel._fields)
    arrival = (row["arrival"] - zero).total_seconds() if row["arrival"] else None
    return Wiggle(name, *envelope(seconds, values - np.median(values)), distance, arrival, row["phase"])


def envelope(
    seconds: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The smallest and the largest value of each stretch, so that no peak is lost on the way to the picture."""
    length = -(-len(values) // (MOST_POINTS // 2))
    if length <= 2:
        return seconds, values
    whole = len(values) // length * length
    stretches = values[:whole].reshape(-1, length)
    low, high = stretches.argmin(axis=1), stretches.argmax(axis=1)
    first, last = np.minimum(low, high), np.maximum(low, high)
    at = (np.arange(0, whole, length)[:, None] + np.stack((first, last), axis=1)).ravel()
    return seconds[at], values[at]
