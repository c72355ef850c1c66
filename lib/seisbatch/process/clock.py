"""Windows on the UTC clock of a recording that comes in segments: of files, with gaps, copies and clocks that drift."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seisbatch.process.pieces import EDGE, join_disjoint, numbers_inside
from seisbatch.process.segments import (
    MAX_RATE_DEVIATION,
    Counts,
    DataError,
    NoSamples,
    Samples,
    Segment,
    without_overlaps,
)
from seisbatch.times import DAY_NS, SECOND_NS

TAG_NS = 1_000
"""Resolution of the finest time tags of miniSEED 2: those of a sample on the clock may be this much before it. Hydrophones at
64 kHz have files that begin one sample after the clock, at 15.625 microseconds, and say 15."""
BEYOND_SAMPLES = 2
"""Samples that a window has beyond its end: its first may come nearly a sample after the clock, and the rest follow it."""


@dataclass(frozen=True, eq=False)
class ClockWindow:
    """What was recorded in a window that begins at ``clock_ns``.

    ``pieces`` are free of gaps, in order and disjoint, joined across the files' boundaries, of samples from the first at or
    after the clock on; none where nothing was recorded. The last may go on beyond the window's end, by
    :data:`BEYOND_SAMPLES` and what a clock may drift, so that the window's number of samples can be taken from it. A sample's
    time may be before the clock by :func:`edge_of`. Samples of which there are copies that differ are in no piece: nobody can
    tell which is right; ``n_conflicts`` is their number, all copies counted.
    """

    clock_ns: int
    pieces: tuple[Segment, ...]
    n_conflicts: int = 0


def edge_of(rate: float) -> float:
    """The share of a sample by which a time tag may be before an instant and still be the instant's: what tags resolve."""
    return min(0.5, max(EDGE, TAG_NS * rate / SECOND_NS))


class ClockWindows:
    """Windows of ``length_ns`` that begin in ``[start_ns, end_ns)``, on multiples of ``step_ns`` after midnight UTC.

    They may overlap (a step that is shorter than they are) and leave time out (a longer one); where the step does not divide
    the day, the last of a day and the first of the next overlap. Segments are of one channel and one rate (within
    ``MAX_RATE_DEVIATION``): what else comes is never joined. Each window takes time linear in the samples and segments that
    lie in it. Samples are copied only where a window has more than one segment, and what is left of an object that is done.

    Raises ValueError for a length or a step that is not above 0.
    """

    def __init__(self, start_ns: int, end_ns: int, length_ns: int, step_ns: int) -> None:
        if length_ns <= 0 or step_ns <= 0:
            raise ValueError(f"windows of {length_ns} ns every {step_ns} ns: both must be above 0")
        self._end_ns, self._length_ns, self._step_ns = end_ns, length_ns, step_ns
        self._clock_ns = self._forgotten_ns = _first_clock(start_ns, step_ns)
        self._beyond_ns = 0
        self._later: list[tuple[int, int, Segment]] = []
        """A heap of the segments that begin after the windows so far."""
        self._open: list[Segment] = []
        """The segments that the window before had something of, or would have had."""
        self._tie = itertools.count()

    def add(self, segments: Sequence[Segment]) -> None:
        """Take segments, in any order; they may overlap. What lies before the windows to come is passed over."""
        for segment in segments:
            self._beyond_ns = max(self._beyond_ns, self._beyond(segment.rate))
            if (needed := self._needed(segment)) is not None:
                heapq.heappush(self._later, (needed.start_ns, next(self._tie), needed))

    def ready(self, until_ns: int) -> Iterator[ClockWindow]:
        """The windows, in order, that samples from ``until_ns`` on cannot change; then forgets what no later one needs.

        A window's pieces are views: who keeps the last one keeps the object that it lies in.
        """
        while self._clock_ns < self._end_ns and self._clock_ns + self._length_ns + self._beyond_ns <= until_ns:
            yield self._take()
        self._forget()

    def rest(self) -> Iterator[ClockWindow]:
        """All windows that are left, in order: no segments come any more."""
        while self._clock_ns < self._end_ns:
            yield self._take()
        self._forget()

    def _take(self) -> ClockWindow:
        clock_ns, end_ns = self._clock_ns, self._clock_ns + self._length_ns
        while self._later and self._later[0][0] < end_ns + self._beyond_ns:
            self._open.append(heapq.heappop(self._later)[2])
        self._open = [segment for segment in self._open if segment.end_ns > clock_ns]
        self._clock_ns = min(clock_ns + self._step_ns, clock_ns - clock_ns % DAY_NS + DAY_NS)
        counts = Counts()
        pieces = self._pieces(clock_ns, end_ns)
        if len(pieces) > 1:
            pieces = join_disjoint(without_overlaps(pieces, pieces[0].rate, counts))
        inside = tuple(piece for piece in pieces if _samples_after(end_ns, piece) < -edge_of(piece.rate))
        return ClockWindow(clock_ns, inside, counts.n_conflict_samples)

    def _pieces(self, clock_ns: int, end_ns: int) -> list[Segment]:
        """What of the segments lies in a window and, so far as it may be needed, beyond; sorted by start."""
        pieces = []
        for segment in self._open:
            until_ns = end_ns + self._beyond(segment.rate)
            first, stop = numbers_inside(segment, clock_ns, until_ns, edge_of(segment.rate))
            if stop > first:
                pieces.append(segment.part(first, stop))
        return sorted(pieces, key=lambda piece: (piece.start_ns, -len(piece.samples)))

    def _beyond(self, rate: float) -> int:
        return math.ceil(BEYOND_SAMPLES / rate * SECOND_NS + MAX_RATE_DEVIATION * self._length_ns)

    def _needed(self, segment: Segment) -> Segment | None:
        """What of a segment the windows to come need; an array of its own where most of its object is done."""
        if self._clock_ns >= self._end_ns or segment.end_ns <= self._clock_ns:
            return None
        first = max(0, math.floor((self._clock_ns - segment.start_ns) / SECOND_NS * segment.rate) - 1)
        if not first:
            return segment
        kept = segment.part(first, len(segment.samples))
        owner = kept.samples if kept.samples.base is None else kept.samples.base
        if 2 * kept.samples.nbytes > getattr(owner, "nbytes", 0):
            return kept
        return Segment(kept.start_ns, kept.rate, kept.samples.copy())

    def _forget(self) -> None:
        """Hold only what the windows to come need; nothing to do where the next is still the one that it was."""
        if self._forgotten_ns == self._clock_ns:
            return
        self._forgotten_ns = self._clock_ns
        self._open = [needed for segment in self._open if (needed := self._needed(segment)) is not None]
        later = [(tie, needed) for _, tie, segment in self._later if (needed := self._needed(segment)) is not None]
        self._later = [(segment.start_ns, tie, segment) for tie, segment in later]
        heapq.heapify(self._later)


def _first_clock(start_ns: int, step_ns: int) -> int:
    day_ns = start_ns - start_ns % DAY_NS
    return min(day_ns - (day_ns - start_ns) // step_ns * step_ns, day_ns + DAY_NS)


def _samples_after(instant_ns: int, piece: Segment) -> float:
    """Samples from an instant to the first of a piece; below 0 where that is earlier."""
    return (piece.start_ns - instant_ns) / SECOND_NS * piece.rate


def whole_clip(window: ClockWindow, rate: float, n_samples: int) -> Segment | None:
    """A window's clip: ``n_samples`` without a gap from the first on the clock on, whose time is within one sample of it.

    None where there is no such clip: :func:`flaw` tells why. ``rate`` [Hz] is the channel's nominal rate; the clip has the
    number of samples that is asked for, however its clock drifts, and no copy is made of them.
    """
    if not window.pieces or not _is_of_rate(window.pieces[0], rate):
        return None
    first = window.pieces[0]
    if _samples_before(window.clock_ns, first) or len(first.samples) < n_samples:
        return None
    return first.part(0, n_samples)


def flaw(window: ClockWindow, rate: float, n_samples: int) -> str:
    """Why a window has no whole clip, in words; nothing where it has one."""
    if whole_clip(window, rate, n_samples) is not None:
        return ""
    told = [f"{window.n_conflicts} samples in copies that differ"] if window.n_conflicts else []
    try:
        _, n_missing = padded_clip(window, rate, n_samples)
        told.append(f"{n_missing} of {n_samples} samples missing")
    except DataError as error:
        told.append(str(error))
    return "; ".join(reversed(told))


def padded_clip(window: ClockWindow, rate: float, n_samples: int) -> tuple[Segment, int]:
    """A window's clip with zeros where nothing was recorded, and how many they are.

    Its samples stand where those of the window's first piece are, counted back to the first on the clock; later pieces to the
    nearest sample. Raises NoSamples where there is no sample at all, DataError where they are of several types or rates:
    what scale they share is not known.
    """
    placed = _placed(window, n_samples)
    if not placed:
        raise NoSamples("no samples")
    kinds = sorted({str(samples.dtype) for _, samples in placed})
    if len(kinds) > 1 or not all(_is_of_rate(piece, rate) for piece in window.pieces):
        rates = sorted({f"{piece.rate:g} Hz" for piece in window.pieces})
        raise DataError(f"samples are of several kinds: {', '.join(kinds if len(kinds) > 1 else rates)}")
    first = window.pieces[0]
    start_ns = first.start_ns - round(_samples_before(window.clock_ns, first) / first.rate * SECOND_NS)
    if len(placed) == 1 and len(placed[0][1]) == n_samples:
        return Segment(start_ns, first.rate, placed[0][1]), 0
    padded = np.zeros(n_samples, placed[0][1].dtype)
    for number, samples in placed:
        padded[number : number + len(samples)] = samples
    return Segment(start_ns, first.rate, padded), n_samples - sum(len(samples) for _, samples in placed)


def _placed(window: ClockWindow, n_samples: int) -> list[tuple[int, Samples]]:
    """The samples of a window's pieces, and at which of ``n_samples`` they begin; not of those that lie beyond."""
    placed: list[tuple[int, Samples]] = []
    stop = 0
    for piece in window.pieces:
        first = window.pieces[0]
        since = round(_samples_after(first.start_ns, piece)) + _samples_before(window.clock_ns, first)
        number = max(stop, since)
        samples = piece.samples[: max(0, n_samples - number)]
        if len(samples):
            placed.append((number, samples))
            stop = number + len(samples)
    return placed


def _samples_before(clock_ns: int, piece: Segment) -> int:
    """Whole samples that are missing between the clock and the first of a piece: none where it is within one of the clock."""
    late, edge = _samples_after(clock_ns, piece), edge_of(piece.rate)
    return 0 if late <= 1 + edge else math.floor(late + edge)


def _is_of_rate(piece: Segment, rate: float) -> bool:
    return abs(piece.rate / rate - 1) <= MAX_RATE_DEVIATION
