from __future__ import annotations

import math

import pytest
from seisbatch.acquire.geodesy import distance_azimuths


def test_the_two_real_stations() -> None:
    distance, azimuth, back_azimuth = distance_azimuths(35.15252, -118.01649, 34.8294, -116.335)
    assert distance == pytest.approx(157.6, abs=0.1)
    assert azimuth == pytest.approx(102.7, abs=0.2)
    assert back_azimuth == pytest.approx(283.7, abs=0.2)


@pytest.mark.parametrize(
    ("receiver", "azimuth", "back_azimuth", "km"),
    [
        ((1.0, 0.0), 0.0, 180.0, 110.574),  # north: a degree of the ellipsoid's meridian at the equator
        ((-1.0, 0.0), 180.0, 0.0, 110.574),
        ((0.0, 1.0), 90.0, 270.0, 111.319),  # east: a degree of the equator
        ((0.0, -1.0), 270.0, 90.0, 111.319),
    ],
)
def test_the_four_directions(receiver: tuple[float, float], azimuth: float, back_azimuth: float, km: float) -> None:
    found = distance_azimuths(0.0, 0.0, *receiver)
    assert found[0] == pytest.approx(km, abs=0.001)
    assert math.cos(math.radians(found[1] - azimuth)) == pytest.approx(1)
    assert math.cos(math.radians(found[2] - back_azimuth)) == pytest.approx(1)


def test_the_other_way_round() -> None:
    there, back = distance_azimuths(35.0, -118.0, 60.0, 25.0), distance_azimuths(60.0, 25.0, 35.0, -118.0)
    assert there[0] == pytest.approx(back[0])
    assert there[1] == pytest.approx(back[2])
    assert there[2] == pytest.approx(back[1])


def test_known_line() -> None:
    """Flinders Peak to Buninyong: the worked example of Geoscience Australia's manual (on GRS80; equal to the millimetre)."""
    flinders, buninyong = (-37.95103341666667, 144.42486788888888), (-37.65282113888889, 143.92649552777777)
    distance, azimuth, back_azimuth = distance_azimuths(*flinders, *buninyong)
    assert distance == pytest.approx(54.972271, abs=2e-6)
    assert azimuth == pytest.approx(306.868158, abs=1e-4)
    assert back_azimuth == pytest.approx(127.173631, abs=1e-4)


def test_one_place() -> None:
    assert distance_azimuths(35.0, -118.0, 35.0, -118.0)[0] == 0


def test_across_the_date_line() -> None:
    assert distance_azimuths(0.0, 179.5, 0.0, -179.5)[0] == pytest.approx(111.319, abs=0.001)


def test_asked_twice_computed_once() -> None:
    distance_azimuths.cache_clear()
    distance_azimuths(1.0, 2.0, 3.0, 4.0)
    distance_azimuths(1.0, 2.0, 3.0, 4.0)
    assert distance_azimuths.cache_info().hits == 1


def test_impossible_places() -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        distance_azimuths(91.0, 0.0, 0.0, 0.0)
