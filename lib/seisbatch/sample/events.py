"""The earthquakes of the sample: where, when and how large, and the wavelets that stations record of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from obspy.geodetics import gps2dist_azimuth

from seisbatch.sample.network import DAYS, STATIONS, Recorder, Station
from seisbatch.times import SECOND_NS, day_start_ns, from_datetime

P_VELOCITY = 6.0
S_VELOCITY = 3.5
"""km/s, straight rays."""


@dataclass(frozen=True)
class Event:
    """An earthquake: id, origin time (UTC), place [degrees, km], magnitude."""

    event_id: str
    time: dt.datetime
    lat: float
    lon: float
    depth: float
    magnitude: float

    def travel_seconds(self, station: Station, velocity: float) -> float:
        """Travel time of a straight ray to a station."""
        metres, _, _ = gps2dist_azimuth(self.lat, self.lon, station.lat, station.lon)
        return float(np.hypot(metres / 1000, self.depth)) / velocity


EVENTS = (
    Event("90000001", dt.datetime(2023, 12, 31, 15, 20, 4, 250000, tzinfo=dt.UTC), 35.05, -117.35, 8.0, 3.1),
    Event("90000002", dt.datetime(2024, 1, 1, 3, 41, 30, tzinfo=dt.UTC), 35.33, -117.52, 11.5, 2.6),
    Event("90000003", dt.datetime(2024, 1, 2, 21, 5, 12, 500000, tzinfo=dt.UTC), 34.79, -117.11, 5.2, 3.4),
)


def wavelets(recorder: Recorder, rate: float) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """First sample and ground velocity [m/s] of the P and S wavelets of every event, at a recorder's station and rate."""
    station = next(item for item in STATIONS if item.code == recorder.name.sta)
    start_ns = day_start_ns(DAYS[0])
    for event in EVENTS:
        distance = event.travel_seconds(station, 1.0)
        for velocity, frequency, share in ((P_VELOCITY, 2.0, 0.4), (S_VELOCITY, 1.0, 1.0)):
            arrival = (from_datetime(event.time) - start_ns) / SECOND_NS + event.travel_seconds(station, velocity)
            peak = share * 2e-5 * 10 ** (event.magnitude - 3) / max(1.0, distance / 10)
            first = int((arrival - 3 / frequency) * rate)
            t = (first + np.arange(int(6 / frequency * rate))) / rate - arrival
            argument = (np.pi * frequency * t) ** 2
            yield first, (peak * (1 - 2 * argument) * np.exp(-argument)).astype(np.float32)
