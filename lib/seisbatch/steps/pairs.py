"""Which pairs of channels are correlated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from seisbatch.acquire.geodesy import distance_azimuths
from seisbatch.names import Channel, Pair, parse_pair

Kind = Literal["cross", "station", "auto", "all", "listed"]
_KINDS = ("cross", "station", "auto", "all")


@dataclass(frozen=True)
class Geometry:
    """Distance [km] and directions [degrees] of a pair; None where a station's place is not known."""

    distance: float | None
    azimuth: float | None
    back_azimuth: float | None


@dataclass(frozen=True)
class PairSelection:
    """The pairs asked for. The source of a pair is the channel that sorts first by network, station, location, channel."""

    kind: Kind
    listed: frozenset[Pair]
    components: frozenset[str] | None
    min_distance: float
    max_distance: float | None

    def names_match(self, source: Channel, receiver: Channel) -> bool:
        """Whether the pair is asked for, its distance apart."""
        if self.components is not None and source.component + receiver.component not in self.components:
            return False
        match self.kind:
            case "listed":
                return Pair(source, receiver) in self.listed
            case "auto":
                return source == receiver
            case "station":
                return source.station == receiver.station and source != receiver
            case "cross":
                return source.station != receiver.station
            case _:
                return True

    def distance_matches(self, distance: float | None) -> bool:
        """Whether a distance [km] is in range; an unknown one is only where no range is asked for."""
        if distance is None:
            return self.min_distance == 0 and self.max_distance is None
        return self.min_distance <= distance and (self.max_distance is None or distance <= self.max_distance)

    def mask(self, sources: Sequence[Channel], receivers: Sequence[Channel]) -> npt.NDArray[np.bool_]:
        """Shape (source, receiver): the pairs asked for, their distance apart. A source never sorts after its receiver."""
        return np.array([[s <= r and self.names_match(s, r) for r in receivers] for s in sources], dtype=bool).reshape(
            len(sources), len(receivers)
        )


def pair_selection(
    pairs: str, components: str, min_distance: float, max_distance: float | None, lines: Sequence[str] = ()
) -> PairSelection:
    """The selection that options describe; ``lines`` are those of the file that ``@FILE`` names.

    Raises ValueError naming the option and what would be valid.
    """
    listed: frozenset[Pair] = frozenset()
    if pairs not in _KINDS:
        texts = [line.partition("#")[0] for line in lines] if pairs.startswith("@") else pairs.split(",")
        try:
            listed = frozenset(Pair(*sorted(parse_pair(text))) for text in texts if text.strip())
        except ValueError as error:
            raise ValueError(f"--pairs: {error}; or one of {', '.join(_KINDS)}") from None
        if not listed:
            raise ValueError(f"--pairs {pairs}: names no pair")
    if max_distance is not None and max_distance < min_distance:
        raise ValueError(f"--max-distance {max_distance:g} is below --min-distance {min_distance:g}")
    return PairSelection(
        "listed" if listed else pairs,  # type: ignore[arg-type]
        listed,
        None if components == "all" else _components(components),
        min_distance,
        max_distance,
    )


def _components(text: str) -> frozenset[str]:
    pairs = [part.strip().upper() for part in text.split(",")]
    if not all(len(pair) == 2 and pair.isalnum() for pair in pairs):
        raise ValueError(f"--components {text}: write pairs of component letters such as ZZ or ZZ,NE, or all")
    return frozenset(pairs)


def geometry(source: tuple[float | None, float | None], receiver: tuple[float | None, float | None]) -> Geometry:
    """Distance and directions between two places (latitude, longitude)."""
    if None in source or None in receiver:
        return Geometry(None, None, None)
    return Geometry(*distance_azimuths(*source, *receiver))
