"""Segments of a channel, and the channel-day that they are assembled to."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seisbatch.times import DAY_NS, SECOND_NS

if TYPE_CHECKING:
    from seisbatch.process.response import ResponseCurve

Samples = npt.NDArray[Any]

MAX_RATE_DEVIATION = 1e-5
"""Rates within this of each other, as a share, are one rate: over a day they drift apart by at most 0.9 s, and that
drift is known from the time tags and taken out by phase."""


class DataError(ValueError):
    """The data break a stated rule."""


class NoSamples(DataError):
    """No sample lies in what was asked for."""


@dataclass(frozen=True, eq=False)
class Segment:
    """A gap-free run of samples: time of the first [ns since 1970], rate [Hz], samples (1-D int32, float32 or float64)."""

    start_ns: int
    rate: float
    samples: Samples

    @property
    def end_ns(self) -> int:
        """The time at which the next sample would be."""
        return self.start_ns + round(len(self.samples) / self.rate * SECOND_NS)

    def part(self, first: int, stop: int) -> Segment:
        """The samples ``first`` to ``stop``, without a copy."""
        if first == 0 and stop == len(self.samples):
            return self
        return Segment(self.start_ns + round(first / self.rate * SECOND_NS), self.rate, self.samples[first:stop])


@dataclass
class Counts:
    """What assembling a channel-day met: numbers of samples, of gaps left after bridging, and the largest drift [s]."""

    n_samples: int = 0
    n_filled: int = 0
    n_gaps: int = 0
    n_overlap_samples: int = 0
    n_conflict_samples: int = 0
    max_drift_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Run:
    """Samples without a gap that is longer than was bridged.

    Sample ``i`` stands at ``start_ns + i / rate`` plus the clock's error there: ``clock_seconds`` at the sample numbers
    ``clock_samples``, linear between. ``filled`` has the (first, stop) sample numbers that were bridged. ``curve``: the
    response that is to be taken off, where one is.
    """

    start_ns: int
    samples: Samples
    filled: tuple[tuple[int, int], ...]
    clock_samples: npt.NDArray[np.float64]
    clock_seconds: npt.NDArray[np.float64]
    curve: ResponseCurve | None = None


@dataclass(frozen=True, eq=False)
class ChannelDay:
    """One channel's samples of one UTC day at a nominal rate [Hz]; its runs are in order, disjoint, and lie in the day."""

    day_ns: int
    rate: float
    runs: tuple[Run, ...]
    counts: Counts = field(default_factory=Counts)


def assemble(segments: Sequence[Segment], day_ns: int, *, max_fill: float) -> ChannelDay:
    """Assemble a channel's segments to its channel-day.

    - Segments are contiguous when the next begins within half a sample of the time expected.
    - Rates within :data:`MAX_RATE_DEVIATION` of each other are one; the nominal rate is the whole number of Hz (or of seconds
      a sample) that near, else their median. Each segment keeps its measured rate.
    - Where two segments overlap, aligned to the nearest sample, samples that are equal are kept once; where any differ
      nobody can tell which are right, and the overlapping samples of both are left out.
    - Gaps of at most ``max_fill`` seconds are bridged by a straight line, and marked; longer ones stay.
    - Samples outside the day are left out; a sample within half a sample before midnight still counts as the day's first.

    Takes time linear in samples and segments. Raises NoSamples where nothing lies in the day, and DataError where rates
    differ or samples are not finite.
    """
    counts = Counts()
    if not any(len(segment.samples) for segment in segments):
        raise NoSamples("no samples")
    rate = nominal_rate(segments)
    kept = [cut for segment in segments if (cut := _in_day(segment, day_ns)) is not None]
    if not kept:
        raise NoSamples("no sample lies in the day")
    for segment in kept:
        if segment.samples.dtype.kind == "f" and not np.isfinite(segment.samples).all():
            raise DataError("samples that are not finite numbers")
    kept.sort(key=lambda segment: (segment.start_ns, -len(segment.samples)))
    disjoint = without_overlaps(kept, rate, counts)
    if not disjoint:
        raise NoSamples("every sample is in conflict with another copy")
    runs = [_run(parts, rate, counts) for parts in _parts_of_runs(disjoint, rate, max_fill)]
    counts.n_gaps = len(runs) - 1
    counts.n_samples = sum(len(run.samples) for run in runs) - counts.n_filled
    counts.max_drift_seconds = float(max(np.abs(run.clock_seconds).max() for run in runs))
    return ChannelDay(day_ns, rate, tuple(runs), counts)


def nominal_rate(segments: Sequence[Segment]) -> float:
    """The one rate that segments were meant to have [Hz], as :func:`assemble` says; DataError where theirs differ."""
    rates = np.array([segment.rate for segment in segments])
    middle = float(np.median(rates))
    if np.abs(rates / middle - 1).max() > MAX_RATE_DEVIATION:
        told = ", ".join(f"{rate:g}" for rate in sorted(set(np.round(rates, 6)))[:5])
        raise DataError(f"sampling rates differ: {told} Hz")
    for nominal in (float(round(middle)), 1 / max(1, round(1 / middle))):
        if nominal and abs(middle / nominal - 1) <= MAX_RATE_DEVIATION:
            return nominal
    return middle


def _in_day(segment: Segment, day_ns: int) -> Segment | None:
    """What of a segment lies in the day."""
    step = SECOND_NS / segment.rate
    first = max(0, int(np.ceil((day_ns - segment.start_ns) / step - 0.5)))
    stop = min(len(segment.samples), int(np.ceil((day_ns + DAY_NS - segment.start_ns) / step - 0.5)))
    return segment.part(first, stop) if stop > first else None


def without_overlaps(segments: Sequence[Segment], rate: float, counts: Counts) -> list[Segment]:
    """Disjoint segments of ones sorted by start, without a copy: overlaps end as :func:`assemble` says, and are counted."""
    half_ns = SECOND_NS / rate / 2
    tie = itertools.count()

    def placed(segment: Segment) -> tuple[int, int, int, Segment]:
        """By start, to the nearest sample; then the longest first, which holds the others."""
        since = round((segment.start_ns - segments[0].start_ns) * rate / SECOND_NS)
        return since, -len(segment.samples), next(tie), segment

    waiting = sorted(map(placed, segments))
    out: list[Segment] = []
    doubtful_ns = -(2**63)
    """Up to here samples were left out: another copy that begins before it is in doubt as well."""

    def put_back(segment: Segment) -> None:
        """What is left of a segment takes its place among those to come: some may begin before it."""
        if len(segment.samples):
            heapq.heappush(waiting, placed(segment))

    while waiting:
        *_, segment = heapq.heappop(waiting)
        if segment.start_ns < doubtful_ns - half_ns:
            first = min(len(segment.samples), _samples_until(segment, doubtful_ns))
            if first:
                counts.n_conflict_samples += first
                put_back(segment.part(first, len(segment.samples)))
                continue
        last = out[-1] if out else None
        if last is None or segment.start_ns >= last.end_ns - half_ns:
            out.append(segment)
            continue
        offset = _samples_until(last, segment.start_ns)
        shared = min(len(last.samples) - offset, len(segment.samples))
        if shared <= 0:
            out.append(segment)
            continue
        mine, other = last.samples[offset : offset + shared], segment.samples[:shared]
        if np.array_equal(mine, other):
            counts.n_overlap_samples += shared
            put_back(segment.part(shared, len(segment.samples)))
            continue
        counts.n_conflict_samples += 2 * shared
        doubtful_ns = max(doubtful_ns, last.part(0, offset + shared).end_ns)
        out.pop()
        if offset:
            out.append(last.part(0, offset))
        put_back(last.part(offset + shared, len(last.samples)))
        put_back(segment.part(shared, len(segment.samples)))
    return out


def _samples_until(segment: Segment, instant_ns: int) -> int:
    """Samples of a segment before an instant, to the nearest sample."""
    return max(0, round((instant_ns - segment.start_ns) * segment.rate / SECOND_NS))


def _parts_of_runs(segments: Sequence[Segment], rate: float, max_fill: float) -> list[list[Segment]]:
    """Segments grouped to runs: within one no gap is longer than ``max_fill`` seconds (to half a sample)."""
    longest_ns = (max_fill + 0.5 / rate) * SECOND_NS
    runs = [[segments[0]]]
    for segment in segments[1:]:
        if segment.start_ns - runs[-1][-1].end_ns <= longest_ns:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return runs


def _run(parts: Sequence[Segment], rate: float, counts: Counts) -> Run:
    """One run of segments that touch, or whose gaps are bridged; a single segment's samples are not copied."""
    start_ns = parts[0].start_ns
    samples: list[Samples] = []
    filled: list[tuple[int, int]] = []
    clock: list[tuple[int, float]] = []
    length = 0
    for part in parts:
        since_start = (part.start_ns - start_ns) / SECOND_NS
        missing = max(0, round(since_start * rate) - length)
        if missing:
            line = np.linspace(float(samples[-1][-1]), float(part.samples[0]), missing + 2)[1:-1]
            samples.append(np.rint(line).astype(part.samples.dtype) if part.samples.dtype.kind == "i" else line)
            filled.append((length, length + missing))
            length += missing
            counts.n_filled += missing
        last = len(part.samples) - 1
        clock.append((length, since_start - length / rate))
        clock.append((length + last, since_start + last / part.rate - (length + last) / rate))
        samples.append(part.samples)
        length += len(part.samples)
    number, seconds = np.array(clock, dtype=np.float64).T
    return Run(start_ns, samples[0] if len(samples) == 1 else np.concatenate(samples), tuple(filled), number, seconds)


def run_end_ns(run: Run, rate: float) -> int:
    """The time, by the recorder's tags, at which a run's next sample would be."""
    return run.start_ns + round((len(run.samples) / rate + float(run.clock_seconds[-1])) * SECOND_NS)


def cut_run(run: Run, rate: float, instants_ns: Sequence[int]) -> list[Run]:
    """A run cut at ascending instants: one run more than there are instants, some maybe without samples.

    A sample belongs to the side that the recorder's tags put it on, to half a sample. No samples are copied.
    """
    cuts = [0]
    for instant_ns in instants_ns:
        nominal = (instant_ns - run.start_ns) / SECOND_NS * rate
        number = round(nominal - float(np.interp(nominal, run.clock_samples, run.clock_seconds)) * rate)
        cuts.append(min(max(number, cuts[-1]), len(run.samples)))
    return [_part_of_run(run, rate, first, stop) for first, stop in itertools.pairwise([*cuts, len(run.samples)])]


def _part_of_run(run: Run, rate: float, first: int, stop: int) -> Run:
    """The samples ``first`` to ``stop``, what of them was bridged, and their clock."""
    ends = np.array([first, max(first, stop - 1)], dtype=np.float64)
    inside = (run.clock_samples > ends[0]) & (run.clock_samples < ends[1])
    number = np.insert(ends, 1, run.clock_samples[inside])
    seconds = np.insert(np.interp(ends, run.clock_samples, run.clock_seconds), 1, run.clock_seconds[inside])
    filled = [(max(one, first) - first, min(other, stop) - first) for one, other in run.filled if one < stop and other > first]
    start_ns = run.start_ns + round(first / rate * SECOND_NS)
    return replace(
        run,
        start_ns=start_ns,
        samples=run.samples[first:stop],
        filled=tuple(filled),
        clock_samples=number - first,
        clock_seconds=seconds,
    )
