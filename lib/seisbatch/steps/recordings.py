"""The recordings of a batch, one after another: fetched ahead, decoded, checked, and what became of each."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from seisbatch.acquire.objects import Store, open_store
from seisbatch.acquire.sound import decode_recording
from seisbatch.names import Channel
from seisbatch.outcome import RETRIED, Outcome, Rejected, Result, UnitError, guard
from seisbatch.process.clock import edge_of
from seisbatch.process.segments import MAX_RATE_DEVIATION, Segment
from seisbatch.steps.batches import Batch, OutcomeRow, unit_row
from seisbatch.steps.sound_settings import SoundSettings
from seisbatch.steps.spectra import MAX_AHEAD_OBJECTS
from seisbatch.times import SECOND_NS, to_datetime

NAME_NS = 2 * SECOND_NS
"""A recording's samples begin at most so much before the time that is known of it: names often have whole seconds."""
LONGEST_SECONDS = 60.0
"""Of the windows that are made beside clips: minutes."""

Recording = Mapping[str, Any]


def read_recordings(
    settings: SoundSettings, batch: Batch, needed_until_ns: int, outcomes: list[OutcomeRow]
) -> Iterator[tuple[list[Segment], int, str]]:
    """The recordings that a batch needs, in order: segments of its channel by start, ``until_ns``, and the object's key.

    No samples that come later begin before ``until_ns``, but for recordings whose samples begin more than :data:`NAME_NS`
    before the time that is known of them: a note in their outcome says so. The outcome of each recording of the batch's own
    is appended to ``outcomes`` (``windows``: seconds recorded). It is rejected where its rate is not the batch's within
    ``MAX_RATE_DEVIATION``, where samples are not finite numbers, and where all of it lies outside the batch's span though
    its known time does not, farther from that than it is long.

    Of the neighbours, ``before`` is read where the own samples begin later than one sample after ``start_ns``, ``after`` where
    those so far end before ``needed_until_ns``. Neighbours have their outcomes where they are a batch's own: here they may be
    missing without a word. One that another try may yet have is told in the outcome of the own recording next to it, so that
    the batch is tried again.

    Only one recording is held decoded, so long as who iterates lets go of one before asking for the next.
    """
    own, before, after = batch["recordings"] or [], batch["before"], batch["after"]
    store = open_store(settings.archive)
    decoded = functools.partial(_decoded, settings, batch)
    begins = [recording["start_ns"] - NAME_NS for recording in (*own, after) if recording is not None]
    end_ns = max(needed_until_ns, batch["end_ns"])
    held = _Held(settings, batch, needed_until_ns)
    if before is not None and own and held.is_late(begins[0]):  # as its time alone tells
        wanted, begins = [before, *own], [0, *begins]
    else:
        wanted = own
    keys = [recording["s3key"] for recording in wanted]
    with store.fetch_ahead(keys, max_bytes=settings.ahead_bytes, max_in_flight=MAX_AHEAD_OBJECTS) as fetched:
        for number, (recording, (key, body)) in enumerate(zip(wanted, fetched, strict=True), 1):
            if recording is before:
                before = None
                yield from _neighbour(recording, body, decoded, begins[number], held)
                continue
            done = guard(functools.partial(_own, batch, decoded, recording, body))
            outcomes.append(_outcome(batch, recording, done, body))
            segments = done.value
            del done
            if segments is None:
                continue
            if before is not None and held.is_late(segments[0].start_ns):
                del segments  # which are decoded again: not both are held
                yield from _neighbour(before, _body(store, before), decoded, begins[0], held)
                segments = decoded(recording, body)
            before = None
            held.add(segments)
            del body
            is_last = number == len(wanted) and not held.needs(after)
            yield segments, end_ns if is_last else begins[number], key
            del segments
    if before is not None:
        yield from _neighbour(before, _body(store, before), decoded, begins[0] if begins else end_ns, held)
    if held.needs(after):
        yield from _neighbour(after, _body(store, after), decoded, end_ns, held)
    _tell_troubles(held, after, outcomes)


def channel_of(batch: Batch) -> Channel:
    """The channel that a batch is of."""
    return Channel(batch["net"], batch["sta"], batch["loc"], batch["chan"])


def recording_unit(batch: Batch, recording: Recording) -> str:
    """The id of a recording as a unit: an object may hold several channels."""
    return f"{channel_of(batch)}/{recording['s3key']}"


class _Held:
    """Up to when samples have come, and whether more are needed."""

    def __init__(self, settings: SoundSettings, batch: Batch, needed_until_ns: int) -> None:
        self._start_ns, self._rate = batch["start_ns"], batch["rate"]
        self._needed_until_ns = needed_until_ns
        self._window_s = max(settings.clip_s, LONGEST_SECONDS)
        self._is_all = False
        self.troubles: list[tuple[Recording, Result[list[Segment]]]] = []

    def add(self, segments: Sequence[Segment]) -> None:
        last = max(segments, key=lambda segment: segment.end_ns)
        samples = -edge_of(last.rate)
        if last.rate < self._rate:  # a window's number of samples is there only after its end
            samples += 1 + (self._rate - last.rate) * self._window_s
        self._is_all |= last.end_ns >= self._needed_until_ns + samples / last.rate * SECOND_NS

    def is_late(self, instant_ns: int) -> bool:
        return bool(instant_ns > self._start_ns + (1 + edge_of(self._rate)) * SECOND_NS / self._rate)

    def needs(self, after: Recording | None) -> bool:
        return after is not None and not self._is_all and after["start_ns"] - NAME_NS < self._needed_until_ns


def _neighbour(
    recording: Recording, body: Any, decoded: Any, until_ns: int, held: _Held
) -> Iterator[tuple[list[Segment], int, str]]:
    """A recording of another batch, if it can be had."""
    done = guard(functools.partial(decoded, recording, body))
    if done.outcome in RETRIED:
        held.troubles.append((recording, done))
    if done.value:
        held.add(done.value)
        segments = done.value
        del done
        yield segments, until_ns, recording["s3key"]


def _tell_troubles(held: _Held, after: Recording | None, outcomes: list[OutcomeRow]) -> None:
    """Neighbours that could not be had, in the outcome of the own recording next to them."""
    for recording, done in held.troubles:
        if outcomes:
            row = outcomes[-1 if recording is after else 0]
            row |= {"outcome": str(done.outcome), "reason": f"its clips go on in {recording['s3key']}: {done.reason}"}


def _body(store: Store, recording: Recording) -> Any:
    """An object's bytes, or the UnitError that fetching it ended with."""
    done = guard(functools.partial(store.get, recording["s3key"]))
    return done.error if done.value is None else done.value


def _own(batch: Batch, decoded: Any, recording: Recording, body: Any) -> list[Segment]:
    segments: list[Segment] = decoded(recording, body)
    start_ns, end_ns = _span(segments)
    is_outside = end_ns <= batch["start_ns"] or start_ns >= batch["end_ns"]
    if is_outside and abs(start_ns - recording["start_ns"]) > end_ns - start_ns:
        told = f"{_text(start_ns)} to {_text(end_ns)}"
        raise Rejected(f"its samples are of {told}, by its name it begins at {_text(recording['start_ns'])}")
    return segments


def _decoded(settings: SoundSettings, batch: Batch, recording: Recording, body: Any) -> list[Segment]:
    """The segments of the batch's channel in a recording, by start; UnitError where it cannot be used."""
    if isinstance(body, UnitError):
        raise body
    segments = decode_recording(body, recording["s3key"], channel_of(batch), recording["start_ns"], settings.track)
    others = sorted({segment.rate for segment in segments if abs(segment.rate / batch["rate"] - 1) > MAX_RATE_DEVIATION})
    if others:
        told = ", ".join(f"{rate:.10g}" for rate in others[:5])
        raise Rejected(f"sampled at {told} Hz, the channel at {batch['rate']:.10g} Hz")
    if not all(segment.samples.dtype.kind == "i" or np.isfinite(segment.samples).all() for segment in segments):
        raise Rejected("samples that are not finite numbers")
    return sorted(segments, key=lambda segment: segment.start_ns)


def _outcome(batch: Batch, recording: Recording, done: Result[list[Segment]], body: Any) -> OutcomeRow:
    seconds = sum(len(segment.samples) / segment.rate for segment in done.value or ())
    early_ns = recording["start_ns"] - done.value[0].start_ns if done.value else 0
    told: Result[None] = Result(None, done.outcome, done.reason, done.seconds)
    if done.outcome == Outcome.OK and early_ns > NAME_NS:
        remark = f"its samples begin {early_ns / SECOND_NS:.3f} s before the time of its name: clips made by then lack them"
        told = Result(None, Outcome.OK, remark, done.seconds)
    n_read = 0 if isinstance(body, UnitError) else len(body)
    return unit_row("object", recording_unit(batch, recording), told, recording["s3key"], windows=round(seconds),
                    bytes_read=n_read, date=to_datetime(recording["start_ns"]).date())  # fmt: skip


def _span(segments: Sequence[Segment]) -> tuple[int, int]:
    """From the first sample's time to the last end, of segments by start."""
    return segments[0].start_ns, max(segment.end_ns for segment in segments)


def _text(instant_ns: int) -> str:
    return to_datetime(instant_ns).isoformat(timespec="microseconds").removesuffix("+00:00")
