"""Metadata: names and values that remember what they were when they were loaded."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np


class Metadata(MutableMapping[str, Any]):
    """A dict of names and values that tells which of them are no longer what was loaded.

    A value that was replaced by an equal one of the same type, or put back, is not changed; one that was changed in place, such
    as a list that was appended to, is. numpy's scalars are kept as Python's own, which MongoDB can store.

    >>> metadata = Metadata({"sta": "RJOB", "tags": ["raw"]})
    >>> metadata["tags"].append("picked")
    >>> metadata["snr"] = 4.5
    >>> del metadata["sta"]
    >>> sorted(metadata.changed)
    ['snr', 'sta', 'tags']
    """

    def __init__(self, loaded: Mapping[str, Any] | None = None) -> None:
        self._values = {name: _plain(value) for name, value in (loaded or {}).items()}
        self._loaded: dict[str, Any] = {}
        self.clear_changed()

    @property
    def changed(self) -> frozenset[str]:
        """Names whose value was changed, added or deleted since it was loaded; a deleted one is here, but not in the dict."""
        return frozenset(
            name
            for name in self._values.keys() | self._loaded.keys()
            if name not in self._values or name not in self._loaded or not same(self._values[name], self._loaded[name])
        )

    @property
    def loaded(self) -> dict[str, Any]:
        """The values as they were loaded, a copy."""
        return _copied(self._loaded)

    def clear_changed(self, but: Collection[str] = ()) -> None:
        """What is there now counts as loaded, but for some names."""
        kept = {name: self._loaded[name] for name in but if name in self._loaded}
        self._loaded = _copied({name: value for name, value in self._values.items() if name not in but}) | kept

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = _plain(value)

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Metadata({self._values!r})"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of values; those that cannot be copied, such as open files, as they are."""
    found = {}
    for name, value in values.items():
        try:
            found[name] = copy.deepcopy(value)
        except Exception:  # of whatever a user's class raises
            found[name] = value
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same type; NaN is what it was, and what does not tell is not the same."""
    try:
        return _same(one, other)
    except Exception:  # of whatever a user's class raises
        return one is other


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other or (one != one and other != other))
