"""Responses of a channel in time: which holds at an instant, and where within a stretch of samples another one begins."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from seisbatch.acquire.responses import ResponseEpoch
from seisbatch.names import Channel
from seisbatch.outcome import Rejected
from seisbatch.process.segments import ChannelDay, cut_run, run_end_ns
from seisbatch.steps.stations import Responses

Span = tuple[int, int, ResponseEpoch | None]
"""From one instant up to, and without, another [ns since 1970], and the epoch that holds; None where none does."""


def response_at(epochs: Sequence[ResponseEpoch], name: Channel, instant_ns: int) -> ResponseEpoch | None:
    """The epoch of a channel at an instant, the first where several hold; None where none does."""
    return next((epoch for epoch in epochs if epoch.name == name and epoch.start_ns <= instant_ns < epoch.end_ns), None)


def known_as(epochs: Sequence[ResponseEpoch], names: Sequence[Channel]) -> Channel:
    """The first of a channel's names that has an epoch; the first of all where none has."""
    return next((name for name in names if any(epoch.name == name for epoch in epochs)), names[0])


def response_spans(epochs: Sequence[ResponseEpoch], name: Channel, start_ns: int, end_ns: int) -> list[Span]:
    """A stretch of time cut where another epoch of a channel begins to hold; in order, without a gap."""
    own = [epoch for epoch in epochs if epoch.name == name]
    cuts = {edge for epoch in own for edge in (epoch.start_ns, epoch.end_ns) if start_ns < edge < end_ns}
    pieces = [
        (first, stop, response_at(own, name, first)) for first, stop in itertools.pairwise(sorted({start_ns, *cuts, end_ns}))
    ]
    alike = [list(same) for _, same in itertools.groupby(pieces, key=lambda piece: id(piece[2]))]
    return [(same[0][0], same[-1][1], same[0][2]) for same in alike]


def with_responses(day: ChannelDay, responses: Responses, names: Sequence[Channel], units: str) -> tuple[ChannelDay, list[str]]:
    """A channel-day whose runs know the response that they were recorded with, for ground motion in ``units``; and remarks.

    Runs are cut where another epoch begins; samples of a time without a usable response are left out and counted. The channel
    is known by the first of its names that has an epoch. Raises Rejected, saying why, where no sample is left.
    """
    epochs, trouble = responses
    name = known_as(epochs, names)
    runs = []
    without: Counter[str] = Counter()
    for run in day.runs:
        spans = response_spans(epochs, name, run.start_ns, run_end_ns(run, day.rate))
        pieces = cut_run(run, day.rate, [first for first, _, _ in spans[1:]])
        for piece, (_, _, epoch) in zip(pieces, spans, strict=True):
            try:
                if epoch is None:
                    raise Rejected("; ".join(filter(None, (f"no epoch of {name} with a response", trouble))))
                curve = epoch.curve(units, day.rate)
            except Rejected as error:
                without[str(error)] += len(piece.samples)
                continue
            if len(piece.samples):
                runs.append(replace(piece, curve=curve))
    if not runs:
        raise Rejected("; ".join(without))
    return replace(day, runs=tuple(runs)), [f"samples left out, {why}: {number}" for why, number in without.items() if number]
