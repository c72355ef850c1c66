"""Predicted arrivals, by TauP's method (Crotwell, Owens and Ritsema 1999) as obspy has it."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from obspy.geodetics import locations2degrees
from obspy.taup import TauPyModel

MODELS = ("iasp91", "ak135", "prem", "1066a", "jb", "pwdk", "sp6", "herrin")
FIRST = ("ttp",)
"""TauP's word for every kind of P wave; ``first`` on the command line."""
DISTANCE_STEP = 0.02
"""degrees: a travel time is computed at multiples of it, and carried on by the ray parameter."""
DEPTH_STEP = 0.1
"""km."""
LONGEST_SECONDS = 3 * 3600
"""No body wave takes longer; windows relative to later arrivals are not planned for."""
_FLATTENING = 1 / 298.257223563
_lock = threading.Lock()


@dataclass(frozen=True)
class Arrival:
    """A predicted arrival: the phase, and the seconds after the origin time."""

    phase: str
    seconds: float


def phase_list(text: str) -> tuple[str, ...]:
    """The phases of a comma-separated list, ``first`` being any P wave; ValueError where TauP knows no such phase.

    >>> phase_list("P, Pdiff")
    ('P', 'Pdiff')
    """
    phases = tuple(word.strip() for word in text.split(",") if word.strip())
    if not phases:
        raise ValueError("no phase is named: write P,Pdiff or first")
    if phases == ("first",):
        return FIRST
    for phase in phases:
        try:
            _model("iasp91").get_travel_times(10.0, 40.0, [phase])
        except Exception as error:  # obspy raises several kinds for what is no phase
            raise ValueError(f"{phase!r} is no phase that TauP knows: {error}") from None
    return phases


def degrees_between(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Angle at the earth's centre between two places of geographic coordinates, which is what travel times go by."""
    return float(locations2degrees(_geocentric(lat1), lon1, _geocentric(lat2), lon2))


def _geocentric(lat: float) -> float:
    return math.degrees(math.atan((1 - _FLATTENING) ** 2 * math.tan(math.radians(lat))))


def first_arrival(model: str, phases: Sequence[str], degrees: float, depth_km: float) -> Arrival | None:
    """The earliest of some phases at a distance from an event; None where none of them arrives there.

    TauP is asked once for each rounded distance and depth. The ray parameter, which is the slope of the travel time, takes
    the time to the exact distance: within some hundredths of a second.
    """
    nearest = round(degrees / DISTANCE_STEP) * DISTANCE_STEP
    found = _computed(model, tuple(phases), round(nearest, 6), round(round(max(0.0, depth_km) / DEPTH_STEP) * DEPTH_STEP, 6))
    if found is None:
        return None
    phase, seconds, slope = found
    return Arrival(phase, seconds + slope * (degrees - nearest))


@functools.lru_cache(maxsize=100_000)
def _computed(model: str, phases: tuple[str, ...], degrees: float, depth_km: float) -> tuple[str, float, float] | None:
    with _lock:  # its caches are shared
        arrivals = _model(model).get_travel_times(depth_km, degrees, list(phases))
    if not arrivals:
        return None
    first = min(arrivals, key=lambda arrival: arrival.time)
    # Beyond 180 degrees, the long way round, a phase arrives earlier the further off.
    slope = first.ray_param_sec_degree * (1 if first.purist_distance % 360 <= 180 else -1)
    return str(first.name), float(first.time), float(slope)


@functools.lru_cache(maxsize=len(MODELS))
def _model(name: str) -> Any:
    return TauPyModel(name)
