"""The sample's StationXML is valid, and obspy makes of it the response that its numbers stand for."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import obspy
import pytest
from obspy.io.stationxml.core import validate_stationxml

from tests.sample import days, index_rows, indexed_channel, parameters, station_inventory

FDSN = {"f": "http://www.fdsn.org/xml/station/1"}
FREQUENCIES = np.geomspace(0.005, 1.0, 60)
STATIONS = ["ALFA", "BRAV", "CHAR", "DELT", "ECHO", "FOXT", "GOLF", "HOTL", "INDI", "JULI", "KILO"]


def path_of(root: Path, sta: str) -> Path:
    return root / f"FDSNstationXML/XX/XX_{sta}.xml"


def epochs(root: Path, sta: str) -> list[ET.Element]:
    return ET.parse(path_of(root, sta)).getroot().findall("f:Network/f:Station/f:Channel", FDSN)


def number(element: ET.Element, path: str) -> float:
    found = element.find("/".join(f"f:{part}" for part in path.split("/")), FDSN)
    assert found is not None, path
    return float(found.text)


def roots(stage: ET.Element, kind: str) -> np.ndarray:
    found = stage.findall(f"f:PolesZeros/f:{kind}", FDSN)
    return np.array([complex(number(item, "Real"), number(item, "Imaginary")) for item in found])


def stage_response(stage: ET.Element, frequencies: np.ndarray) -> np.ndarray:
    """A stage by the definitions of the StationXML standard."""
    response = np.full(len(frequencies), number(stage, "StageGain/Value"), complex)
    if stage.find("f:PolesZeros", FDSN) is not None:
        s = 2j * np.pi * frequencies[:, None]
        response *= np.prod(s - roots(stage, "Zero"), axis=1) / np.prod(s - roots(stage, "Pole"), axis=1)
        response *= number(stage, "PolesZeros/NormalizationFactor")
    if stage.find("f:FIR", FDSN) is not None:
        taps = np.array([float(item.text) for item in stage.findall("f:FIR/f:NumeratorCoefficient", FDSN)])
        step = 1 / number(stage, "Decimation/InputSampleRate")
        times = np.arange(len(taps)) * step - number(stage, "Decimation/Correction")
        response *= np.exp(-2j * np.pi * frequencies[:, None] * times) @ taps
    return response


def written_response(channel: ET.Element, frequencies: np.ndarray) -> np.ndarray:
    """Counts per m/s of an epoch, from the document's own numbers."""
    stages = channel.findall("f:Response/f:Stage", FDSN)
    return np.prod([stage_response(stage, frequencies) for stage in stages], axis=0)


def obspy_responses(root: Path, sta: str, frequencies: np.ndarray) -> list[np.ndarray]:
    """What obspy's evalresp makes of every epoch, in the document's order."""
    channels = station_inventory(root, sta)[0][0].channels
    return [channel.response.get_evalresp_response_for_frequencies(frequencies, output="VEL") for channel in channels]


@pytest.mark.parametrize("sta", STATIONS)
def test_document_obeys_the_fdsn_schema(sample_archive, sta):
    valid, errors = validate_stationxml(str(path_of(sample_archive, sta)))
    assert valid, errors


@pytest.mark.parametrize("sta", STATIONS)
def test_response_by_obspy_is_that_of_the_written_numbers(sample_archive, sta):
    for channel, response in zip(epochs(sample_archive, sta), obspy_responses(sample_archive, sta, FREQUENCIES), strict=True):
        np.testing.assert_allclose(written_response(channel, FREQUENCIES), response, rtol=2e-5)
        high = np.geomspace(1.0, 0.3 * number(channel, "SampleRate"), 20)
        again = obspy.read_inventory(str(path_of(sample_archive, sta)), format="STATIONXML")[0][0]
        matching = [item for item in again if _same_epoch(item, channel)]
        assert len(matching) == 1
        by_obspy = matching[0].response.get_evalresp_response_for_frequencies(high, output="VEL")
        np.testing.assert_allclose(written_response(channel, high), by_obspy, rtol=2e-5)


def _same_epoch(channel: obspy.core.inventory.Channel, element: ET.Element) -> bool:
    start = obspy.UTCDateTime(element.get("startDate"))
    return (channel.code, channel.location_code, channel.start_date) == (
        element.get("code"),
        element.get("locationCode"),
        start,
    )


@pytest.mark.parametrize("sta", STATIONS)
def test_stated_sensitivity_and_rates_are_those_of_the_stages(sample_archive, sta):
    for channel in epochs(sample_archive, sta):
        at = number(channel, "Response/InstrumentSensitivity/Frequency")
        stated = number(channel, "Response/InstrumentSensitivity/Value")
        assert abs(written_response(channel, np.array([at]))[0]) == pytest.approx(stated, rel=1e-6)
        decimations = channel.findall("f:Response/f:Stage/f:Decimation", FDSN)
        inputs = [number(item, "InputSampleRate") for item in decimations]
        outputs = [rate / number(item, "Factor") for rate, item in zip(inputs, decimations, strict=True)]
        assert [*inputs[1:], number(channel, "SampleRate")] == outputs


def test_every_indexed_channel_has_an_epoch_for_each_of_its_days(sample_archive):
    without = set()
    for date in days(sample_archive):
        for row in index_rows(sample_archive, date):
            if row["sta"] not in STATIONS:
                without.add(row["sta"])
                continue
            first, last = obspy.UTCDateTime(date.isoformat()), obspy.UTCDateTime(date.isoformat()) + 86_399
            for time in (first, last):
                found = station_inventory(sample_archive, row["sta"]).select(
                    station=row["sta"], location=row["location"].strip(), channel=row["seedchan"], time=time
                )
                assert found.get_contents()["channels"] == [f"XX.{row['sta']}.{row['location'].strip()}.{row['seedchan']}"]
                assert found[0][0][0].sample_rate == float(row["sample_rate"])
    stations = {station["code"] for station in parameters(sample_archive)["stations"]}
    assert without == stations - set(STATIONS)
    assert len(without) == 1
    assert not list(sample_archive.rglob(f"*{without.pop()}*.xml"))


def test_channels_are_oriented_as_their_codes_say(sample_archive):
    orientations = {"Z": (0.0, -90.0), "N": (0.0, 0.0), "E": (90.0, 0.0)}
    for sta in STATIONS:
        for channel in station_inventory(sample_archive, sta)[0][0]:
            assert (channel.azimuth, channel.dip) == orientations[channel.code[-1]]


def test_sensors_of_vertical_channels_agree_in_phase(sample_archive):
    frequencies = np.linspace(0.1, 0.5, 41)
    phases: dict[str, list[np.ndarray]] = {}
    for sta in STATIONS:
        channels = station_inventory(sample_archive, sta)[0][0].channels
        for channel, response in zip(channels, obspy_responses(sample_archive, sta, frequencies), strict=True):
            phases.setdefault(channel.code, []).append(np.unwrap(np.angle(response)))
    assert len(phases["BHZ"]) == 14
    assert np.ptp(phases["BHZ"], axis=0).max() < 1e-4
    # A second-order sensor of corner f0 at 0.707 damping leads by atan(1.414 x / (1 - x^2)), x = f0 / f.
    for band, period in (("BHZ", 120.0), ("HHZ", 30.0)):
        x = 1 / period / frequencies
        np.testing.assert_allclose(phases[band][0], np.arctan2(np.sqrt(2) * x, 1 - x**2), atol=1e-3)


def test_gain_doubles_at_noon_where_the_fault_says(sample_archive):
    first, second = epochs(sample_archive, "INDI")
    assert first.get("endDate") == second.get("startDate") == "2024-01-01T12:00:00.000000Z"
    one, other = obspy_responses(sample_archive, "INDI", FREQUENCIES)
    np.testing.assert_allclose(other / one, 2.0, rtol=1e-6)
    assert [channel.get("code") for channel in (first, second)] == ["BHZ", "BHZ"]
    assert all(len(epochs(sample_archive, sta)) == channels_of(sample_archive, sta) for sta in STATIONS if sta != "INDI")


def channels_of(root: Path, sta: str) -> int:
    return len({indexed_channel(row) for date in days(root) for row in index_rows(root, date) if row["sta"] == sta})
