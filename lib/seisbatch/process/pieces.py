"""Pieces of recordings: what of them lies in a window, joined where nothing is between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seisbatch.process.segments import MAX_RATE_DEVIATION, Segment
from seisbatch.times import SECOND_NS

EDGE = 0.05
"""Share of a sample by which a time tag may miss a window's edge: tags have a resolution of 100 microseconds."""


def cut(segments: Sequence[Segment], start_ns: int, end_ns: int) -> list[Segment]:
    """Samples of the segments whose time is in ``[start_ns, end_ns)``, to :data:`EDGE` of a sample, as segments in order."""
    found = [(segment, numbers_inside(segment, start_ns, end_ns)) for segment in segments]
    pieces = [segment.part(first, stop) for segment, (first, stop) in found if stop > first]
    return sorted(pieces, key=lambda piece: piece.start_ns)


def numbers_inside(segment: Segment, start_ns: int, end_ns: int, edge: float = EDGE) -> tuple[int, int]:
    """The first sample of a segment in ``[start_ns, end_ns)`` and the one after the last; not below it where there is none.

    ``edge`` is the share of a sample by which its time may be before an instant and still be the instant's.
    """
    first, stop = (
        int(np.ceil((instant - segment.start_ns) * segment.rate / SECOND_NS - edge)) for instant in (start_ns, end_ns)
    )
    return max(0, first), min(len(segment.samples), stop)


def join(pieces: Sequence[Segment]) -> list[Segment]:
    """Pieces in order, joined where the next begins within half a sample of the time expected.

    Of two that overlap with equal samples the second loses its copy; where the samples differ both are kept as they are.
    """
    joined: list[Segment] = []
    for piece in pieces:
        if not joined or not _is_one_rate(joined[-1], piece):
            joined.append(piece)
            continue
        last = joined[-1]
        late = (piece.start_ns - last.end_ns) * last.rate / SECOND_NS
        n_over = -round(late)
        if n_over <= 0 and abs(late) > 0.5:
            joined.append(piece)
        elif n_over <= 0 or _agree(last, piece, n_over):
            rest = piece.samples[max(0, n_over) :]
            joined[-1] = Segment(last.start_ns, last.rate, np.concatenate((last.samples, rest)))
        else:
            joined.append(piece)
    return joined


def join_disjoint(pieces: Sequence[Segment]) -> list[Segment]:
    """Pieces in order that do not overlap, joined where nothing is between them; takes time linear in their samples.

    The next begins within half a sample of the time that the one before it tells, and all of what is joined drifts from the
    time that its first sample and its rate tell by no more than :data:`MAX_RATE_DEVIATION`. A piece that is joined to
    nothing is handed on without a copy.
    """
    runs: list[list[Segment]] = []
    n_samples = 0
    for piece in pieces:
        if runs and _follows(runs[-1], n_samples, piece):
            runs[-1].append(piece)
            n_samples += len(piece.samples)
        else:
            runs.append([piece])
            n_samples = len(piece.samples)
    return [
        run[0] if len(run) == 1 else Segment(run[0].start_ns, run[0].rate, np.concatenate([piece.samples for piece in run]))
        for run in runs
    ]


def _follows(run: Sequence[Segment], n_samples: int, piece: Segment) -> bool:
    """Whether a piece is the next of pieces that hold ``n_samples`` together."""
    first, last = run[0], run[-1]
    sample_ns = SECOND_NS / last.rate
    drift_ns = abs(piece.start_ns - first.start_ns - n_samples / first.rate * SECOND_NS)
    return (
        _is_one_rate(last, piece)
        and abs(piece.start_ns - last.end_ns) <= sample_ns / 2
        and drift_ns <= sample_ns / 2 + MAX_RATE_DEVIATION * (piece.start_ns - first.start_ns)
    )


def _is_one_rate(one: Segment, other: Segment) -> bool:
    return abs(one.rate / other.rate - 1) <= MAX_RATE_DEVIATION and one.samples.dtype == other.samples.dtype


def _agree(last: Segment, piece: Segment, n_over: int) -> bool:
    """Whether the last samples of one are the first of the other, or hold all of it."""
    first = len(last.samples) - n_over
    if first < 0:
        return False
    shared = last.samples[first : first + len(piece.samples)]
    return bool(np.array_equal(shared, piece.samples[: len(shared)]))
