"""StationXML of the sample's stations, with every stage of their responses."""

from __future__ import annotations

import io

import numpy as np
from obspy import UTCDateTime
from obspy.core.inventory import Channel, Inventory, Network, Site, Station
from obspy.core.inventory.response import (
    CoefficientsTypeResponseStage,
    FIRResponseStage,
    InstrumentSensitivity,
    PolesZerosResponseStage,
    Response,
)

from seisbatch.sample.network import COUNTS_A_VOLT, DAYS, NETWORK, RECORDERS, Recorder, fir_stages
from seisbatch.sample.network import Station as SampleStation

SENSITIVITY_FREQUENCY = 0.3
OPENED = UTCDateTime(2020, 1, 1)


def station_xml(station: SampleStation) -> bytes:
    """The StationXML document of a station."""
    channels = [epoch for recorder in RECORDERS if recorder.name.sta == station.code for epoch in _epochs(recorder)]
    place = Station(
        station.code, station.lat, station.lon, station.elevation,
        channels=channels, site=Site(f"{station.code.title()}, synthetic"), start_date=OPENED, creation_date=OPENED,
    )  # fmt: skip
    network = Network(NETWORK, stations=[place], description="seisbatch's sample network", start_date=OPENED)
    inventory = Inventory(networks=[network], source="seisbatch.sample", sender="seisbatch")
    inventory.created = OPENED
    inventory.module, inventory.module_uri = "seisbatch.sample", None
    out = io.BytesIO()
    inventory.write(out, format="STATIONXML")
    return out.getvalue()


def _epochs(recorder: Recorder) -> list[Channel]:
    """The channel's epochs: two, where its gain changes at noon of the second day."""
    if recorder.gain_factor_from_noon == 1:
        return [_epoch(recorder, OPENED, None, 1.0)]
    noon = UTCDateTime(DAYS[1].isoformat()) + 43_200
    return [_epoch(recorder, OPENED, noon, 1.0), _epoch(recorder, noon, None, recorder.gain_factor_from_noon)]


def _epoch(recorder: Recorder, start: UTCDateTime, end: UTCDateTime | None, factor: float) -> Channel:
    azimuth, dip = {"Z": (0.0, -90.0), "N": (0.0, 0.0), "E": (90.0, 0.0)}[recorder.name.component]
    station = recorder.station
    return Channel(
        recorder.name.chan, recorder.name.loc, station.lat, station.lon, station.elevation, 0.0,
        azimuth=azimuth, dip=dip, sample_rate=recorder.rate, start_date=start, end_date=end,
        response=response(recorder, factor),
    )  # fmt: skip


def response(recorder: Recorder, factor: float) -> Response:
    """The response of a recorder whose gain is ``factor`` times its usual one: sensor, digitizer and two filters."""
    sensor, rate = recorder.sensor, recorder.rate
    at = np.array([SENSITIVITY_FREQUENCY])
    normalised = abs(complex(sensor.response(at)[0])) / sensor.gain
    stages = [
        PolesZerosResponseStage(
            1, sensor.gain * normalised, SENSITIVITY_FREQUENCY, "M/S", "V", "LAPLACE (RADIANS/SECOND)",
            SENSITIVITY_FREQUENCY, [0j, 0j], list(sensor.poles), 1 / normalised, description=sensor.description,
        ),
        CoefficientsTypeResponseStage(
            2, COUNTS_A_VOLT * factor, 0.0, "V", "COUNTS", "DIGITAL", numerator=[], denominator=[],
            decimation_input_sample_rate=rate * 10, decimation_factor=1, decimation_offset=0,
            decimation_delay=0.0, decimation_correction=0.0,
        ),
    ]  # fmt: skip
    for number, (taps, input_rate) in enumerate(fir_stages(rate), start=3):
        delay = (len(taps) - 1) / 2 / input_rate
        stages.append(
            FIRResponseStage(
                number, 1.0, 0.0, "COUNTS", "COUNTS", symmetry="NONE", coefficients=list(map(float, taps)),
                decimation_input_sample_rate=input_rate, decimation_factor=5 if number == 3 else 2, decimation_offset=0,
                decimation_delay=delay, decimation_correction=delay,
            )
        )  # fmt: skip
    sensitivity = abs(complex(recorder.counts_a_metre_a_second(at)[0])) * factor
    return Response(
        instrument_sensitivity=InstrumentSensitivity(sensitivity, SENSITIVITY_FREQUENCY, "M/S", "COUNTS"),
        response_stages=stages,
    )
