"""Responses of a channel in time: which holds at an instant, and where within a stretch of samples another one begins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from seisbatch.acquire.responses import ResponseEpoch
from seisbatch.names import Channel

Span = tuple[int, int, ResponseEpoch | None]
"""From one instant up to, and without, another [ns since 1970], and the epoch that holds; None where none does."""


def response_at(epochs: Sequence[ResponseEpoch], name: Channel, instant_ns: int) -> ResponseEpoch | None:
    """The epoch of a channel at an instant, the first where several hold; None where none does."""
    return next((epoch for epoch in epochs if epoch.name == name and epoch.start_ns <= instant_ns < epoch.end_ns), None)


def response_spans(epochs: Sequence[ResponseEpoch], name: Channel, start_ns: int, end_ns: int) -> list[Span]:
    """A stretch of time cut where another epoch of a channel begins to hold; in order, without a gap."""
    own = [epoch for epoch in epochs if epoch.name == name]
    cuts = {edge for epoch in own for edge in (epoch.start_ns, epoch.end_ns) if start_ns < edge < end_ns}
    pieces = [
        (first, stop, response_at(own, name, first)) for first, stop in itertools.pairwise(sorted({start_ns, *cuts, end_ns}))
    ]
    alike = [list(same) for _, same in itertools.groupby(pieces, key=lambda piece: id(piece[2]))]
    return [(same[0][0], same[-1][1], same[0][2]) for same in alike]
