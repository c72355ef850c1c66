"""What many data share, such as a station, brought to each of them by the ids in their documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.document_schema import Schema

KEPT = 20_000
"""Documents of one collection that are held; beyond, those that are not needed at the time are dropped."""
QUERY_IDS = 1000


@dataclass(frozen=True)
class Brought:
    """Values for a datum's metadata, and the collections whose document there is not: no id, or one of nothing."""

    values: Document
    without_id: tuple[str, ...] = ()
    dangling: tuple[str, ...] = ()


@dataclass
class Normalising:
    """The documents of normalising collections that data refer to; each is fetched once, however many data share it.

    ``targets`` are names of collections, such as ``site``. ValueError where documents of the collection cannot refer to them.
    """

    database: Database[Document]
    schema: Schema
    collection: str
    targets: Sequence[str]
    _held: dict[str, dict[Any, Document | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = [prefix[:-1] for prefix in self.schema.normalised_prefixes(self.collection)]
        if isinstance(self.targets, str) or (unknown := sorted(set(self.targets) - set(known))):
            told = self.targets if isinstance(self.targets, str) else ", ".join(unknown)
            raise ValueError(f"documents of {self.collection} are not normalised by {told}; known are {', '.join(known)}")

    def fetch(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Fetch what some documents refer to and is not held yet, in a few queries."""
        held = list(documents)
        for target in self.targets:
            wanted = dict.fromkeys(one for document in held if (one := self._id(document, target)) is not None)
            kept = self._held.setdefault(target, {})
            if len(kept) + len(wanted) > KEPT:
                self._held[target] = kept = {one: kept[one] for one in wanted if one in kept}
            new = [one for one in wanted if one not in kept]
            kept |= dict.fromkeys(new)
            for start in range(0, len(new), QUERY_IDS):
                query = {"_id": {"$in": new[start : start + QUERY_IDS]}}
                with self.database[target].find(query, dict.fromkeys(self.schema.excluded(target), False) or None) as found:
                    for document in found:
                        kept[document["_id"]] = self._values(target, document)

    def bring(self, document: Mapping[str, Any]) -> Brought:
        """The values of what a document refers to, which must have been fetched, under names such as ``site_lat``."""
        values: Document = {}
        without, dangling = [], []
        for target in self.targets:
            own = self._id(document, target)
            if own is None:
                without.append(target)
            elif (found := self._held[target][own]) is None:
                dangling.append(target)
            else:
                values |= found
        return Brought(values, tuple(without), tuple(dangling))

    @staticmethod
    def _id(document: Mapping[str, Any], target: str) -> Any:
        """The id that a document has of a collection's; what can be none becomes text, which is nobody's."""
        own = document.get(f"{target}_id")
        return repr(own) if isinstance(own, dict | list) else own

    def _values(self, target: str, document: Document) -> Document:
        own = {"_id", *self.schema.references(target)}
        return {f"{target}_{key}": value for key, value in document.items() if key not in own}
