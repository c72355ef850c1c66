"""Distances and directions on the earth."""

from __future__ import annotations

import functools

from obspy.geodetics import gps2dist_azimuth


@functools.lru_cache(maxsize=500_000)
def distance_azimuths(lat1: float, lon1: float, lat2: float, lon2: float) -> tuple[float, float, float]:
    """Distance [km], azimuth and back-azimuth [degrees] from a source to a receiver on the WGS84 ellipsoid.

    The azimuth is the direction at the source towards the receiver, the back-azimuth that at the receiver towards the
    source, both clockwise from north.
    """
    metres, azimuth, back_azimuth = gps2dist_azimuth(lat1, lon1, lat2, lon2)
    return metres / 1000, azimuth, back_azimuth
