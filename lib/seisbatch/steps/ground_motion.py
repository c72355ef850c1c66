"""A channel's segments of one day to ground motion: the one step that the job, its requests and a single call run."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seisbatch.acquire.responses import ResponseEpoch
from seisbatch.names import Channel
from seisbatch.outcome import Empty, Outcome, Rejected, Result, guard
from seisbatch.process.change_rate import decimate
from seisbatch.process.filters import Filters, apply_filters
from seisbatch.process.grid import as_ratio
from seisbatch.process.pieces import cut, numbers_inside
from seisbatch.process.response import Removal, remove_response
from seisbatch.process.segments import MAX_RATE_DEVIATION, DataError, NoSamples, Run, Segment, assemble
from seisbatch.steps.responses import response_spans
from seisbatch.times import to_datetime

UNITS = {"disp": "m", "vel": "m/s", "acc": "m/s**2"}
"""Of the samples of each kind of ground motion."""
SHORTEST_PERIODS = 2.0
SHORTEST_SAMPLES = 32
"""A piece of fewer periods of the lowest frequency that is kept, or samples, is all edge: it is left out."""
SAME_RATE = 1e-9

SpanNs = tuple[int, int]


@dataclass(frozen=True)
class Motion:
    """How counts become ground motion (``units``: disp, vel or acc): in this order.

    The response is removed, then filters are applied, then the sampling rate [Hz] is lowered, where one is given.
    """

    units: str
    removal: Removal
    filters: Filters = Filters()
    sampling_rate: float | None = None

    @property
    def lowest(self) -> float | None:
        """The lowest frequency that is kept whole [Hz]; None where nothing limits it."""
        corners = [self.filters.highpass, self.filters.bandpass[0] if self.filters.bandpass else None]
        corners.append(self.removal.pre_filt[1] if self.removal.pre_filt else None)
        return max((corner for corner in corners if corner is not None), default=None)


def ground_motion(
    name: Channel, segments: Sequence[Segment], day_ns: int, epochs: Sequence[ResponseEpoch], motion: Motion
) -> tuple[list[Segment], list[str]]:
    """Ground motion of a channel's segments of one day, as segments in order; and what is worth knowing about it.

    Overlaps are settled and no gap is bridged, as :func:`~seisbatch.process.segments.assemble` has it. Each run of samples
    is cut where an epoch of the channel ends, and each piece is processed by itself with its epoch's response: near its
    ends it is tapered. A piece that is too short, in no epoch, or of an epoch whose response cannot be used is left out, and
    told.

    Raises Empty where there is no sample in the day, and Rejected where the data break a rule or no piece is left.
    """
    try:
        day = assemble(segments, day_ns, max_fill=0.0)
    except NoSamples as error:
        raise Empty(str(error)) from error
    except DataError as error:
        raise Rejected(str(error)) from error
    done, notes = motion_of_segments(name, [_measured(run, day.rate) for run in day.runs], day.rate, epochs, motion)
    counted = {
        "gaps": day.counts.n_gaps,
        "samples put in where time tags moved on by half of one": day.counts.n_filled,
        "overlapping samples merged": day.counts.n_overlap_samples,
        "conflicting samples left out": day.counts.n_conflict_samples,
    }
    return done, [*(f"{what}: {number}" for what, number in counted.items() if number), *notes]


def motion_of_segments(
    name: Channel, segments: Sequence[Segment], rate: float, epochs: Sequence[ResponseEpoch], motion: Motion
) -> tuple[list[Segment], list[str]]:
    """Ground motion of segments of a nominal rate [Hz], cut where an epoch of the channel ends; and what was left out.

    Raises Rejected where nothing is left.
    """
    done: list[Segment] = []
    lost: list[str] = []
    for segment in segments:
        for piece, epoch in _by_epoch(name, segment, epochs):
            result = guard(functools.partial(_piece, name, piece, epoch, rate, motion))
            if result.value is None:
                lost.append(_told(result))
            else:
                done.append(result.value)
    if not done:
        raise Rejected("; ".join(dict.fromkeys(lost)))
    return done, [f"pieces left out: {len(lost)} ({'; '.join(dict.fromkeys(lost))})"] if lost else []


def _told(result: Result[Segment]) -> str:
    """Why a piece is left out; what another try may change is raised."""
    if result.outcome is Outcome.REJECTED:
        return result.reason
    raise result.error


def within(segments: Sequence[Segment], span: SpanNs | None) -> list[Segment]:
    """What of the segments is in a span; Empty where nothing is."""
    if span is None:
        return list(segments)
    found = cut(segments, *span)
    if not found:
        raise Empty(f"no sample in the window from {to_datetime(span[0]):%Y-%m-%dT%H:%M:%S.%f} on")
    return found


def _measured(run: Run, rate: float) -> Segment:
    """A run as a segment of the rate that its time tags give, if not so far from the nominal one that it is their jitter."""
    n_steps = len(run.samples) - 1
    late = float(run.clock_seconds[-1] - run.clock_seconds[0])
    drift = late * rate / n_steps if n_steps else 0.0
    return Segment(run.start_ns, rate / (1 + drift) if SAME_RATE < abs(drift) <= MAX_RATE_DEVIATION else rate, run.samples)


def _by_epoch(
    name: Channel, segment: Segment, epochs: Sequence[ResponseEpoch]
) -> Iterator[tuple[Segment, ResponseEpoch | None]]:
    """A segment cut where epochs begin and end, each part with its epoch; None for what is in none."""
    for start_ns, end_ns, epoch in response_spans(epochs, name, segment.start_ns, segment.end_ns):
        first, stop = numbers_inside(segment, start_ns, end_ns)
        if stop > first:
            yield segment.part(first, stop), epoch


def _piece(name: Channel, piece: Segment, epoch: ResponseEpoch | None, rate: float, motion: Motion) -> Segment:
    """Ground motion of one piece, in one epoch; Rejected where that cannot be had. ``rate`` is the nominal one [Hz]."""
    if epoch is None:
        raise Rejected(f"no epoch of {name} has a response at {to_datetime(piece.start_ns):%Y-%m-%dT%H:%M:%S}")
    shortest = max(SHORTEST_SAMPLES, SHORTEST_PERIODS / motion.lowest * rate if motion.lowest else 0)
    if len(piece.samples) < shortest:
        raise Rejected(f"a piece of {len(piece.samples)} samples, shorter than {shortest:.0f}")
    try:
        samples = remove_response(piece.samples, rate, epoch.curve(motion.units, rate), motion.removal)
        samples = apply_filters(samples, rate, motion.filters)
        if not np.isfinite(samples).all():
            raise Rejected(f"the ground motion of {len(samples)} samples is not finite")
        if motion.sampling_rate is None:
            return Segment(piece.start_ns, piece.rate, samples)
        samples = decimate(samples, rate, motion.sampling_rate)
        # of rates that no small numbers relate, a little off the one that is asked for
        ratio = as_ratio(motion.sampling_rate, rate)
        return Segment(piece.start_ns, piece.rate * ratio.numerator / ratio.denominator, samples)
    except DataError as error:
        raise Rejected(str(error)) from error
