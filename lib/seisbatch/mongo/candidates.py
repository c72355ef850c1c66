"""What a waveform may be linked to: epochs of stations and channels, and events, each loaded once."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from pymongo.collection import Collection

from seisbatch.mongo.connect import Document
from seisbatch.mongo.stations import AFTER_ALL, BEFORE_ALL, CHANNEL

TravelTime = Callable[[Mapping[str, Any], Mapping[str, Any]], float | None]
"""Seconds from the origin of an event's document to an arrival at the place of a station's; None where there is none."""
CODES = ("net", "sta", "loc")
KINDS = ("ambiguous", "across", "unmatched")


class NoMatch(Exception):
    """Nothing is chosen for a datum; ``kind`` is one of :data:`KINDS`, the message says why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Datum:
    """A waveform's document, its times read from it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def codes(self, *more: str) -> tuple[str, ...]:
        """Its codes, an absent or null location as the blank one; NoMatch where it lacks another."""
        found = [self.document.get(name) for name in (*CODES, *more)]
        found[2] = found[2] or ""
        if missing := [name for name, code in zip((*CODES, *more), found, strict=True) if not isinstance(code, str)]:
            raise NoMatch("unmatched", f"it has no {' and no '.join(missing)}")
        return tuple(map(str, found))

    def span(self) -> tuple[float, float]:
        """The times of its first and last sample, epoch seconds; NoMatch where it does not tell."""
        start, end = (number(self.document.get(name)) for name in ("starttime", "endtime"))
        npts = number(self.document.get("npts"))
        if end is None and start is not None and npts is not None:
            end = start + max(0.0, npts - 1) * self.delta()
        if start is None or end is None or end < start:
            raise NoMatch("unmatched", "it has no times of its first and last sample that are numbers")
        return start, end

    def delta(self) -> float:
        """Its sampling interval [s], 0 where it does not tell."""
        return number(self.document.get("delta")) or 0.0

    def told(self) -> str:
        """Its name, in a few words."""
        codes = ".".join(str(self.document.get(name) or "") for name in (*CODES, "chan"))
        return f"{self.document['_id']} ({codes} from {self.document.get('starttime')})"


class Candidates(Protocol):
    """What is chosen from."""

    def match(self, datum: Datum) -> Any:
        """The ``_id`` of the one that fits; NoMatch."""


def number(value: Any) -> float | None:
    """A finite number as a float; None of anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None


class EpochCandidates:
    """The epochs of ``site`` or ``channel``; a missing time of one is that of an epoch that is open there."""

    def __init__(self, collection: Collection[Document], tolerance: float | None) -> None:
        self._codes = ("chan",) if collection.name == CHANNEL else ()
        self._tolerance = tolerance
        self._name = collection.name
        self._epochs: dict[tuple[str, ...], list[tuple[float, float, Document]]] = {}
        wanted = (*CODES, *self._codes, "starttime", "endtime", "lat", "lon", "elev", "edepth")
        with collection.find({}, dict.fromkeys(wanted, True)) as cursor:
            for document in cursor.sort("_id", 1):
                codes = tuple(str(document.get(name) or "") for name in (*CODES, *self._codes))
                start, end = number(document.get("starttime")), number(document.get("endtime"))
                span = BEFORE_ALL if start is None else start, AFTER_ALL if end is None else end
                self._epochs.setdefault(codes, []).append((*span, document))

    def match(self, datum: Datum) -> Any:
        """The ``_id`` of the epoch that holds all of a datum; NoMatch."""
        return self.document(datum)["_id"]

    def document(self, datum: Datum) -> Document:
        """The document of that epoch."""
        codes, (start, end) = datum.codes(*self._codes), datum.span()
        epochs = self._epochs.get(codes, [])
        if not epochs:
            raise NoMatch("unmatched", f"there is no {self._name} {'.'.join(codes)}")
        found = [epoch for begins, ends, epoch in epochs if begins <= start and end <= ends]
        if not found:
            slack = datum.delta() if self._tolerance is None else self._tolerance
            found = [epoch for begins, ends, epoch in epochs if begins - slack <= start and end <= ends + slack]
        if len(found) == 1:
            return found[0]
        if found:
            raise NoMatch("ambiguous", f"{len(found)} epochs of {self._name} hold it: {_ids(found)}")
        touched = [epoch for begins, ends, epoch in epochs if begins <= end and start <= ends]
        if touched:
            raise NoMatch("across", f"the epoch of {self._name} begins or ends within it: {_ids(touched)}")
        raise NoMatch("unmatched", f"no epoch of {self._name} {'.'.join(codes)} is of that time")


class SourceCandidates:
    """The events of ``source``, by their origin times."""

    def __init__(
        self,
        collection: Collection[Document],
        window: tuple[float, float],
        travel_time: TravelTime | None,
        places: Sequence[EpochCandidates],
    ) -> None:
        self._before, self._after = window
        self._travel_time, self._places = travel_time, places
        fields = ("time", "lat", "lon", "depth", "magnitude", "magnitude_type")
        with collection.find({}, dict.fromkeys(fields, True)) as cursor:
            timed = [(time, document) for document in cursor if (time := number(document.get("time"))) is not None]
        timed.sort(key=lambda item: item[0])
        self._times = [time for time, _ in timed]
        self._events = [document for _, document in timed]

    def match(self, datum: Datum) -> Any:
        """The ``_id`` of the event that fits; NoMatch."""
        start, end = datum.span()
        first = bisect.bisect_left(self._times, start - self._before)
        events = self._events[first : bisect.bisect_right(self._times, start + self._after)]
        if events and self._travel_time is not None:
            place = self._place(datum)
            events = [event for event in events if _arrives(self._travel_time(event, place), event["time"], start, end)]
        if len(events) == 1:
            return events[0]["_id"]
        if events:
            raise NoMatch("ambiguous", f"{len(events)} events fit: {_ids(events)}")
        raise NoMatch("unmatched", "no event fits")

    def _place(self, datum: Datum) -> Document:
        """The document of its channel, or else of its site."""
        for candidates in self._places:
            try:
                return candidates.document(datum)
            except NoMatch as error:
                problem = error
        raise problem


def _arrives(seconds: float | None, time: float, start: float, end: float) -> bool:
    return seconds is not None and start <= time + seconds <= end


def _ids(documents: Iterable[Document]) -> str:
    ids = [str(document["_id"]) for document in documents]
    return ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")
