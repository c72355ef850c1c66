"""Documents of waveforms linked to those of their station, their channel and their event, by codes and times.

A link is an id in the waveform's document: ``site_id``, ``channel_id``, ``source_id``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import UpdateOne
from pymongo.database import Database

from seisbatch.mongo.candidates import Candidates, Datum, EpochCandidates, NoMatch, SourceCandidates, TravelTime
from seisbatch.mongo.connect import Document
from seisbatch.mongo.document_schema import Kind, Schema

BATCH = 1000
STATION_TARGETS = ("site", "channel")
SOURCE = "source"
EXAMPLES = 5


@dataclass(frozen=True)
class Links:
    """What became of the links to one collection; together these are the documents that were matched."""

    linked: int = 0
    """Documents that got an id, in a dry run those that would."""
    there: int = 0
    """Documents that have this id already."""
    differing: int = 0
    """Documents that have another id and keep it; with ``overwrite`` there are none."""
    ambiguous: int = 0
    """Documents that several epochs or events fit: none is chosen."""
    across: int = 0
    """Documents whose samples go from one epoch into another: no one epoch is true of all of them, none is chosen."""
    unmatched: int = 0
    """Documents that nothing fits."""
    examples: tuple[str, ...] = ()
    """Some of those that were not linked, each with the reason."""


@dataclass(frozen=True)
class Linked:
    """What :func:`link` did, or in a dry run would do."""

    documents: int
    """Documents that the query matched."""
    changed: int
    """Documents that were written."""
    overtaken: int
    """Documents that someone else gave an id in between, which were left; the counts by collection hold them."""
    by_collection: Mapping[str, Links]


@dataclass
class _Count:
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, what: str, example: str | None = None) -> None:
        self.counts[what] += 1
        if example and len(self.examples) < EXAMPLES:
            self.examples.append(example)


def link(
    database: Database[Document],
    schema: Schema,
    collection: str,
    query: Mapping[str, Any] | None = None,
    *,
    targets: Sequence[str] | None = None,
    tolerance: float | None = None,
    source_window: tuple[float, float] | None = None,
    travel_time: TravelTime | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
) -> Linked:
    """Link the documents of a collection of waveforms that a query matches; all of them without a query.

    ``targets`` are ``site``, ``channel`` and ``source``; by default ``site``, ``channel`` where data have one component, and
    ``source`` where a ``source_window`` is given.

    A station or channel epoch fits where it has the datum's codes (a location code that is absent is the blank one) and holds
    its first and last sample, give or take ``tolerance`` seconds: one sampling interval, if it is not given.
    An event fits where its origin is at most ``source_window[0]`` seconds before the first sample and at most
    ``source_window[1]`` after it. With ``travel_time``, a function of an event's document and of the document of the datum's
    channel or site that gives seconds from the origin to an arrival, or None, that arrival must be within the samples besides.

    An id that is there stays, unless ``overwrite`` is given; so does one to which nothing fits. Documents that nothing or
    more than one thing fits are counted, and linked to nothing. A second run finds nothing to do.

    Raises ValueError of a collection that is not of waveforms, of unknown targets, and of a source without a window.
    """
    if schema.collection(collection).kind is not Kind.WAVEFORMS:
        raise ValueError(f"{collection} is no collection of waveforms")
    chosen = _targets(schema, collection, targets, source_window)
    epochs = {name: EpochCandidates(database[name], tolerance) for name in chosen if name in STATION_TARGETS}
    candidates: dict[str, Candidates] = {**epochs}
    if SOURCE in chosen:
        assert source_window
        places = list(epochs.values()) or [EpochCandidates(database[name], tolerance) for name in STATION_TARGETS]
        candidates[SOURCE] = SourceCandidates(database[SOURCE], source_window, travel_time, places[::-1])
    found = {name: _Count() for name in candidates}
    documents = changed = overtaken = 0
    for batch in _batches(database, schema, collection, query or {}):
        documents += len(batch)
        writes = [write for one in batch if (write := _write(one, candidates, found, overwrite))]
        matched = len(writes)
        if writes and not dry_run:
            matched = database[collection].bulk_write(writes, ordered=False).matched_count
        changed += matched
        overtaken += len(writes) - matched
    return Linked(
        documents,
        changed,
        overtaken,
        {name: Links(**count.counts, examples=tuple(count.examples)) for name, count in found.items()},
    )


def _targets(
    schema: Schema, collection: str, targets: Sequence[str] | None, source_window: tuple[float, float] | None
) -> Sequence[str]:
    if targets is None:
        one_component = "tmatrix" not in schema.required(collection)
        return ["site", *(["channel"] if one_component else []), *([SOURCE] if source_window else [])]
    known = (*STATION_TARGETS, SOURCE)
    if isinstance(targets, str) or set(targets) - set(known):
        raise ValueError(f"unknown targets {targets}; known are {', '.join(known)}")
    if SOURCE in targets and not source_window:
        raise ValueError("source: give a source_window, the seconds before and after the first sample that its origin is in")
    return targets


def _batches(database: Database[Document], schema: Schema, collection: str, query: Mapping[str, Any]) -> Iterator[list[Datum]]:
    fields = schema.collection(collection).fields
    known = ("net", "sta", "loc", "chan", "starttime", "endtime", "delta", "npts", "site_id", "channel_id", "source_id")
    names = {key: name for name in known for key in (name, *fields[name].aliases)}
    batch: list[Datum] = []
    with database[collection].find(query, dict.fromkeys(names, True), batch_size=BATCH) as cursor:
        for document in cursor:
            batch.append(Datum({names.get(key, key): value for key, value in document.items()}))
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _write(
    datum: Datum, candidates: Mapping[str, Candidates], found: Mapping[str, _Count], overwrite: bool
) -> UpdateOne | None:
    new: Document = {}
    for name, choice in candidates.items():
        key, count = f"{name}_id", found[name]
        before = datum.document.get(key)
        try:
            own = choice.match(datum)
        except NoMatch as error:
            count.add(error.kind, f"{datum.told()}: {error}")
            continue
        if before == own:
            count.add("there")
        elif before is None or overwrite:
            count.add("linked")
            new[key] = own
        else:
            count.add("differing", f"{datum.told()}: its {key} is {before}, what fits is {own}")
    if not new:
        return None
    unchanged = {} if overwrite else dict.fromkeys(new)  # a null stands for a field that is absent, too
    return UpdateOne({"_id": datum.document["_id"], **unchanged}, {"$set": new})
