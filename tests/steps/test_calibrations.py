"""Sensitivities of options and of StationXML, against obspy's own evaluation of it."""

from __future__ import annotations

import datetime as dt
import warnings

import numpy as np
import pytest
from obspy import UTCDateTime
from obspy.core.inventory import Channel, Inventory, Network, Site, Station
from obspy.core.inventory.response import FIRResponseStage, InstrumentSensitivity, PolesZerosResponseStage, Response
from scipy import signal
from seisbatch.acquire.objects import StoreSettings
from seisbatch.outcome import Outcome, UnitError
from seisbatch.process.levels import Calibration
from seisbatch.steps.calibrations import calibration_of, read_calibration
from seisbatch.steps.stations import StationFiles
from seisbatch.times import day_start_ns

from tests.steps.sound_made import HYDROPHONE, sound_settings

RATE = 1000.0
OPENED = UTCDateTime(2017, 1, 1)
AT = day_start_ns(dt.date(2017, 10, 9))


def hydrophone(units: str = "PA", gain: float = 1000.0) -> Response:
    """A hydrophone with a high pass at 2 Hz and a resonance, and a digitizer that filters."""
    poles = [-12.6 + 0j, -12.6 + 0.1j, -12.6 - 0.1j, -200 + 1500j, -200 - 1500j]
    taps = signal.firwin(63, 0.8).tolist()
    return Response(
        instrument_sensitivity=InstrumentSensitivity(gain * 2e5, 50.0, units, "COUNTS"),
        response_stages=[
            PolesZerosResponseStage(1, gain, 50.0, units, "V", "LAPLACE (RADIANS/SECOND)", 50.0, [0j, 0j, 0j], poles,
                                    normalization_factor=2.3e6),
            FIRResponseStage(2, 2e5, 0.0, "V", "COUNTS", "NONE", coefficients=taps, decimation_input_sample_rate=RATE,
                             decimation_factor=1, decimation_offset=0, decimation_delay=0.0, decimation_correction=0.0),
        ],
    )  # fmt: skip


def flat(units: str = "PA", value: float = 3.2e8) -> Response:
    return Response(instrument_sensitivity=InstrumentSensitivity(value, 50.0, units, "COUNTS"))


def settings_of(folder, response):
    """Settings of a run whose stations are a file with one epoch of the hydrophone, of 2017."""
    net, sta, loc, chan = HYDROPHONE
    channel = Channel(chan, loc, 44.5, -125.4, 0.0, 2900.0, sample_rate=RATE, response=response, start_date=OPENED,
                      end_date=UTCDateTime(2018, 1, 1))  # fmt: skip
    station = Station(sta, 44.5, -125.4, 0.0, channels=[channel], site=Site("ridge"), creation_date=OPENED)
    inventory = Inventory([Network(net, stations=[station])], source="test")
    inventory.write(str(folder / f"{net}_{sta}.xml"), format="STATIONXML")
    stations = StationFiles(StoreSettings(str(folder)), "sds", False)
    return sound_settings(folder, calibration=None, stations=stations)


@pytest.mark.parametrize(("units", "per_unit"), [("PA", 1.0), ("UPA", 1e6), ("Pascal", 1.0)])
def test_a_response_becomes_a_curve_of_what_obspy_evaluates(units, per_unit, tmp_path):
    response = hydrophone(units)
    found, note = calibration_of(settings_of(tmp_path, response), HYDROPHONE, AT, RATE)
    assert note == ""
    frequencies = np.concatenate((np.geomspace(0.05, 400, 997), np.linspace(400, 499.9, 501), [500.0]))
    response.response_stages[0].input_units = "M"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = response.get_evalresp_response_for_frequencies(frequencies, output="DISP")
    expected = 20 * np.log10(np.abs(values) * per_unit / 1e6)
    np.testing.assert_allclose(found.at(frequencies), expected, atol=0.01)
    assert len(found.frequencies) < 20_000
    assert np.isnan(found.at(np.array([0.0, 501.0]))).all()


@pytest.mark.parametrize(("units", "decibels"), [("PA", 20 * np.log10(3.2e2)), ("uPa", 20 * np.log10(3.2e8))])
def test_an_overall_sensitivity_alone_is_a_number(units, decibels, tmp_path):
    found, note = calibration_of(settings_of(tmp_path, flat(units)), HYDROPHONE, AT, RATE)
    assert found.frequencies is None
    assert float(found.decibels) == pytest.approx(decibels)
    assert "taken as flat" in note


def without_gain():
    response = hydrophone()
    response.response_stages[1].stage_gain = 0.0
    return response


@pytest.mark.parametrize(
    ("response", "at", "told"),
    [
        (hydrophone("M/S"), AT, "OO.HYEA2..YDH, response stage 1: its input, M/S, is no pressure"),
        (flat("M/S"), AT, "OO.HYEA2..YDH: its input, M/S, is no pressure"),
        (Response(), AT, "OO.HYEA2..YDH: its"),
        (None, AT, "OO.HYEA2..YDH: its epoch has no response"),
        (without_gain(), AT, "OO.HYEA2..YDH, response stage 2: its gain is 0.0"),
        (hydrophone(), day_start_ns(dt.date(2018, 1, 1)), "no epoch of it at 2018-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_what_is_no_response_to_pressure_is_said(response, at, told, tmp_path):
    with pytest.raises(UnitError, match=told) as caught:
        calibration_of(settings_of(tmp_path, response), HYDROPHONE, at, RATE)
    assert caught.value.outcome == Outcome.REJECTED


def test_a_station_without_stationxml_is_said(tmp_path):
    stations = StationFiles(StoreSettings(str(tmp_path)), "sds", False)
    with pytest.raises(UnitError, match=r"OO.HYEA2..YDH is known, .*no StationXML"):
        calibration_of(sound_settings(tmp_path, calibration=None, stations=stations), HYDROPHONE, AT, RATE)


def test_a_sensitivity_that_is_given_holds_whatever_stations_say(tmp_path):
    given = Calibration(np.asarray(-50.0))
    assert calibration_of(sound_settings(tmp_path, calibration=given), HYDROPHONE, AT, RATE) == (given, "")
    assert calibration_of(sound_settings(tmp_path, calibration=None), HYDROPHONE, AT, RATE) == (None, "")


def test_a_number_is_of_counts_or_of_volts():
    assert float(read_calibration("-50", None).decibels) == -50
    assert float(read_calibration("-170", 1e6).decibels) == pytest.approx(-50)


def test_a_curve_is_read_of_a_file(tmp_path):
    file = tmp_path / "curve.csv"
    file.write_text("\ufeff# of the maker\nfrequency,sensitivity\n10, -170\n\n1000,-172\n# the rest\n20000,-175.5\n", "utf-8")
    found = read_calibration(str(file), 1e6)
    np.testing.assert_allclose(found.frequencies, [10, 1000, 20_000])
    np.testing.assert_allclose(found.decibels, [-50, -52, -55.5])
    np.testing.assert_allclose(found.at(np.array([100.0])), [-51])
    np.testing.assert_allclose(read_calibration(str(file), None).decibels, [-170, -172, -175.5])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("f,s\n10,-170\nx,-171\n", "line 3: 'x,-171' are no two numbers"),
        ("10,-170\n5,-171\n", "line 2: 5 Hz: frequencies are above 0 and ascend"),
        ("0,-170\n", "line 1: 0 Hz"),
        ("10,-170,1\n", "line 1: 3 columns"),
        ("10,nan\n", "line 1: '10,nan' are no two finite numbers"),
        ("f,s\n10,-170\n", "two or more frequencies"),
        ("", "two or more frequencies"),
    ],
)
def test_what_is_no_curve_is_said_with_its_line(text, told, tmp_path):
    file = tmp_path / "curve.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"--sensitivity .*curve.csv.*{told}"):
        read_calibration(str(file), None)


@pytest.mark.parametrize(
    ("text", "counts", "told"),
    [
        ("nowhere.csv", None, "--sensitivity nowhere.csv: .* there is no such file"),
        ("nan", None, "--sensitivity nan: a sensitivity that is no finite number"),
        ("-170", -1.0, "--counts-per-volt: -1 counts per volt"),
    ],
)
def test_what_is_no_sensitivity_is_said(text, counts, told):
    with pytest.raises(ValueError, match=told):
        read_calibration(text, counts)
