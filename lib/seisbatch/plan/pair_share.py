"""The share of a day's pairs that a selection wants, from names and coordinates: what an estimate scales with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seisbatch.names import Channel
from seisbatch.steps.pairs import PairSelection

EARTH_KM = 6371.0
ROWS_AT_A_TIME = 512

Places = npt.NDArray[np.float64]


def selects_all(selection: PairSelection) -> bool:
    """Whether every pair of different stations is wanted: then there is nothing to count."""
    is_any_distance = selection.min_distance == 0 and selection.max_distance is None
    return selection.kind in ("cross", "all") and selection.components is None and is_any_distance


def count_pairs(names: Sequence[Channel], places: Places, selection: PairSelection) -> int:
    """Pairs that a selection wants of channels at ``places``, shape (channel, 2): latitude and longitude [degrees].

    Places that are not known are NaN. Distances are those of a sphere, within 0.6 % of the ellipsoid's: it is for estimates.
    """
    order = sorted(range(len(names)), key=lambda number: names[number])
    names, places = [names[number] for number in order], np.radians(places[order])
    if selection.kind == "listed":
        here = set(names)
        return sum(pair.source in here and pair.receiver in here for pair in selection.listed)
    stations = _numbered([name.station for name in names])
    letters = _numbered([name.component for name in names])
    wanted = _components([name.component for name in names], letters, selection)
    units = np.column_stack(
        (np.cos(places[:, 0]) * np.cos(places[:, 1]), np.cos(places[:, 0]) * np.sin(places[:, 1]), np.sin(places[:, 0]))
    )
    total = 0
    for first in range(0, len(names), ROWS_AT_A_TIME):
        rows = np.arange(first, min(first + ROWS_AT_A_TIME, len(names)))
        columns = np.arange(len(names))
        chosen = columns[None, :] >= rows[:, None]
        if wanted is not None:
            chosen &= wanted[letters[rows]][:, letters]
        same_station = stations[rows][:, None] == stations[None, :]
        match selection.kind:
            case "auto":
                chosen &= columns[None, :] == rows[:, None]
            case "station":
                chosen &= same_station & (columns[None, :] != rows[:, None])
            case "cross":
                chosen &= ~same_station
        if selection.min_distance > 0 or selection.max_distance is not None:
            chord = np.linalg.norm(units[rows][:, None] - units[None, :], axis=2)
            distance = 2 * EARTH_KM * np.arcsin(np.clip(chord / 2, 0, 1))  # NaN is in no range
            chosen &= (distance >= selection.min_distance) & (distance <= (selection.max_distance or np.inf))
        total += int(chosen.sum())
    return total


def _numbered(words: Sequence[object]) -> npt.NDArray[np.intp]:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(word, len(numbers)) for word in words], np.intp)


def _components(
    letters: Sequence[str], numbers: npt.NDArray[np.intp], selection: PairSelection
) -> npt.NDArray[np.bool_] | None:
    if selection.components is None:
        return None
    letter_of = dict(zip(numbers.tolist(), letters, strict=True))
    n = len(letter_of)
    return np.array([[letter_of[a] + letter_of[b] in selection.components for b in range(n)] for a in range(n)], bool)
