"""Values of a document that somebody wrote, each of the type that it should be; what is not is told with its ``_id``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from seisbatch.mongo.document_types import shown, type_name
from seisbatch.outcome import Corrupt

FIRST, LAST = -62135596800.0, 253402300799.0
"""Seconds since 1970 of the years 1 and 9999."""
SHOWN_PROBLEMS = 3


class Values:
    """A document's values by name; each may be absent, which is the same as null. All methods raise Corrupt."""

    def __init__(self, collection: str, document: Mapping[str, Any]) -> None:
        self._collection, self._document = collection, document

    def wrong(self, what: str) -> Corrupt:
        """What is wrong with the document, as an error."""
        return Corrupt(f"document {self._document.get('_id')} of {self._collection}: {what}")

    def text(self, name: str) -> str | None:
        """A text; None where there is none."""
        value = self._document.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self._of_type(name, value, "a text")

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A number between two others; None where there is none, or NaN."""
        value = self._document.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._of_type(name, value, "a number")
        if math.isnan(value):
            return None
        if math.isinf(value) or not low <= value <= high:
            raise self.wrong(f"{name} is {value}, which cannot be")
        return float(value)

    def needed(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A number that must be there."""
        value = self.number(name, low, high)
        if value is None:
            raise self.wrong(f"it has no {name}")
        return value

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number between two others; None where there is none."""
        value = self._document.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._of_type(name, value, "a whole number")
        if not low <= value <= high:
            raise self.wrong(f"{name} is {value}, which cannot be")
        return int(value)

    def instant_ns(self, name: str) -> int:
        """An instant, which documents have as seconds since 1970, to the microsecond; it must be there."""
        return round(self.needed(name, FIRST, LAST) * 1e6) * 1000

    def place(self) -> tuple[float, float]:
        """Latitude and longitude, from -180 to 180 degrees; they must be there."""
        lat, lon = self.needed("lat", -90, 90), self.needed("lon", -180, 360)
        return lat, lon - 360 if lon > 180 else lon

    def _of_type(self, name: str, value: Any, wanted: str) -> Corrupt:
        return self.wrong(f"{name} is {shown(value)} ({type_name(value)}), not {wanted}")


def told_problems(problems: Sequence[str]) -> str:
    """Some problems in one line; empty where there is none."""
    more = f"; and {len(problems) - SHOWN_PROBLEMS:,} more" if len(problems) > SHOWN_PROBLEMS else ""
    return "; ".join(problems[:SHOWN_PROBLEMS]) + more


def wrongly_typed(name: str, *wanted: str) -> dict[str, Any]:
    """The query of documents that have something of another type under a name; null and nothing are right."""
    return {name: {"$exists": True, "$not": {"$type": [*wanted, "null"]}}}
