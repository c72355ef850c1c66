"""The sample network: stations, channels, and the responses of their recorders."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from seisbatch.names import Channel

NETWORK = "XX"
DAYS = (dt.date(2023, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 1, 2))

COUNTS_A_VOLT = 400_000.0

Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Station:
    """A station: code, WGS84 coordinates [degrees], elevation [m]."""

    code: str
    lat: float
    lon: float
    elevation: float


STATIONS = (
    Station("ALFA", 34.980, -117.690, 820.0),
    Station("BRAV", 35.160, -117.800, 905.0),
    Station("CHAR", 35.310, -117.610, 760.0),
    Station("DELT", 35.120, -117.480, 640.0),
    Station("ECHO", 34.830, -117.420, 930.0),
    Station("FOXT", 35.020, -117.210, 710.0),
    Station("GOLF", 35.260, -117.330, 690.0),
    Station("HOTL", 35.400, -117.270, 1010.0),
    Station("INDI", 35.190, -117.090, 870.0),
    Station("JULI", 34.880, -117.010, 780.0),
    Station("KILO", 34.740, -117.190, 1120.0),
    Station("LIMA", 34.900, -117.560, 840.0),
)


@dataclass(frozen=True)
class Sensor:
    """A seismometer: flat to velocity above a corner of a period [s] at 0.707 damping; gain in V per m/s."""

    description: str
    period: float
    gain: float

    @property
    def poles(self) -> tuple[complex, complex]:
        corner = 2 * np.pi / self.period
        return complex(-corner, corner) / np.sqrt(2), complex(-corner, -corner) / np.sqrt(2)

    def response(self, frequencies: npt.NDArray[np.float64]) -> Complex:
        """Volts per m/s; poles and zeros in rad/s, normalised to one far above the corner."""
        s: Complex = 2j * np.pi * frequencies.astype(np.complex128)
        first, second = self.poles
        return s * s / ((s - first) * (s - second)) * self.gain


BROADBAND = Sensor("broadband, 120 s", 120.0, 1500.0)
SHORT_PERIOD = Sensor("intermediate, 30 s", 30.0, 1500.0)


@dataclass(frozen=True)
class Recorder:
    """A channel of the sample: its name, rate [Hz], sensor, and the factor that its gain takes at noon of the second day."""

    name: Channel
    rate: float
    sensor: Sensor
    days: tuple[dt.date, ...] = DAYS
    gain_factor_from_noon: float = 1.0

    @property
    def station(self) -> Station:
        return next(station for station in STATIONS if station.code == self.name.sta)

    def counts_a_metre_a_second(self, frequencies: npt.NDArray[np.float64]) -> Complex:
        """Response of sensor, digitizer and decimation filters, shape of ``frequencies`` [Hz]."""
        response = self.sensor.response(frequencies) * COUNTS_A_VOLT
        for taps, rate in fir_stages(self.rate):
            response = response * _zero_phase(taps, rate, frequencies)
        return response


def fir_stages(rate: float) -> list[tuple[npt.NDArray[np.float64], float]]:
    """The decimation stages of a recorder: filter taps and input rate [Hz], by five and then by two.

    Linear-phase low-passes of odd length, with unit gain at zero frequency, whose delay is corrected.
    """
    stages = []
    for factor, taps in ((5, 61), (2, 91)):
        input_rate = rate * (10 if factor == 5 else 2)
        coefficients = signal.firwin(taps, 0.8 / factor, window=("kaiser", 9.0))
        stages.append((coefficients / coefficients.sum(), input_rate))
    return stages


def _zero_phase(taps: npt.NDArray[np.float64], rate: float, frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Amplitude of a symmetric filter whose delay is corrected."""
    half = len(taps) // 2
    angle = 2 * np.pi * frequencies / rate
    amplitude: npt.NDArray[np.float64] = np.full_like(angle, taps[half])
    for n in range(1, half + 1):
        amplitude += 2 * taps[half + n] * np.cos(n * angle)
    return amplitude


def _recorders() -> tuple[Recorder, ...]:
    out = []
    for station in STATIONS:
        factor = 2.0 if station.code == "INDI" else 1.0
        out.append(Recorder(Channel(NETWORK, station.code, "", "BHZ"), 20.0, BROADBAND, gain_factor_from_noon=factor))
    for code in ("ALFA", "CHAR", "ECHO", "KILO"):
        out += [Recorder(Channel(NETWORK, code, "", f"BH{axis}"), 20.0, BROADBAND) for axis in "NE"]
    out.append(Recorder(Channel(NETWORK, "DELT", "10", "BHZ"), 40.0, BROADBAND))
    out.append(Recorder(Channel(NETWORK, "JULI", "10", "BHZ"), 40.0, BROADBAND))
    out += [Recorder(Channel(NETWORK, code, "", "HHZ"), 100.0, SHORT_PERIOD, DAYS[:2]) for code in ("BRAV", "HOTL")]
    return tuple(sorted(out, key=lambda recorder: recorder.name))


RECORDERS = _recorders()
