"""Sensitivities of hydrophones: of the option ``--sensitivity``, or of the responses that StationXML tells."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seisbatch.acquire.responses import PRESSURE
from seisbatch.names import Channel
from seisbatch.outcome import Rejected
from seisbatch.process.levels import Calibration
from seisbatch.process.response import ResponseCurve
from seisbatch.process.segments import DataError
from seisbatch.steps.responses import response_at
from seisbatch.steps.sound_settings import SoundSettings
from seisbatch.steps.stations import station_responses
from seisbatch.times import to_datetime

Decibels = npt.NDArray[np.float64]

DB_OF_UPA_PER_PA = 120.0
LOWEST = 1e-3
"""[Hz] From where on a response becomes a curve of sensitivity: no level is of a frequency below."""
TOLERANCE = 0.002
"""[dB] By which the middle of two points may differ from the line between them: nothing then is off by 0.01 dB."""
MOST_ROUNDS = 12
DEPTH = 160.0
"""[dB] Below the largest response: what is less, towards zero or the Nyquist frequency, no recorder's counts tell."""


def read_calibration(text: str, counts_per_volt: float | None) -> Calibration:
    """The sensitivity that ``--sensitivity`` gives: a number, or a CSV file with a curve.

    [dB re 1 count per uPa], or, with ``counts_per_volt``, [dB re 1 V per uPa]. A curve has two columns, frequency [Hz] and
    sensitivity; lines that begin with ``#`` and a first line of names are passed over. (``none`` and ``stationxml`` are
    no sensitivities: whoever reads options knows them.)

    Raises ValueError, which names the option, and the line of a file.
    """
    try:
        decibels: float | list[float] = float(text)
        frequencies = None
    except ValueError:
        frequencies, decibels = _read_curve(Path(text))
    try:
        if counts_per_volt is not None:
            return Calibration.of_hydrophone(decibels, counts_per_volt, frequencies)
        return Calibration(np.asarray(decibels, np.float64), None if frequencies is None else np.asarray(frequencies))
    except ValueError as error:
        option = "--counts-per-volt" if "counts per volt" in str(error) else f"--sensitivity {text}"
        raise ValueError(f"{option}: {error}") from None


def _read_curve(path: Path) -> tuple[list[float], list[float]]:
    """Frequencies [Hz] and decibels of a CSV file."""
    option = f"--sensitivity {path}"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise ValueError(f"{option}: give a number of dB, stationxml, none, or a CSV file: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{option} cannot be read: {error}") from None
    frequencies: list[float] = []
    decibels: list[float] = []
    may_be_names = True
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        where = f"{option}, line {number}"
        if len(cells) != 2:
            raise ValueError(f"{where}: {len(cells)} columns: write frequency [Hz], sensitivity [dB]")
        try:
            frequency, value = map(float, cells)
        except ValueError:
            if may_be_names:
                may_be_names = False
                continue
            raise ValueError(f"{where}: {line.strip()[:60]!r} are no two numbers") from None
        may_be_names = False
        if not (math.isfinite(frequency) and math.isfinite(value)):
            raise ValueError(f"{where}: {line.strip()[:60]!r} are no two finite numbers")
        if frequency <= (frequencies[-1] if frequencies else 0):
            raise ValueError(f"{where}: {frequency:g} Hz: frequencies are above 0 and ascend")
        frequencies.append(frequency)
        decibels.append(value)
    return frequencies, decibels


def calibration_of(settings: SoundSettings, name: Channel, start_ns: int, rate: float) -> tuple[Calibration | None, str]:
    """The sensitivity of a channel at an instant, and what is worth knowing about it.

    That of the settings; else, where they name stations, that of the channel's response then, at ``rate`` [Hz]; else None.

    Raises UnitError, naming the channel, where the response is asked for and there is none, it is not of a hydrophone, or its
    metadata are defective.
    """
    if settings.calibration is not None or settings.stations is None:
        return settings.calibration, ""
    epochs, trouble = station_responses(settings.stations, name.net, name.sta)
    epoch = response_at(epochs, name, start_ns)
    if epoch is None:
        when = f"{to_datetime(start_ns):%Y-%m-%dT%H:%M:%SZ}"
        why = trouble or f"{settings.stations.kind} has no epoch of it at {when}"
        raise Rejected(f"no response of {name} is known, which --sensitivity stationxml needs: {why}")
    gain = epoch.pressure_gain()
    if gain is not None:
        note = f"{settings.stations.kind} has an overall sensitivity alone, without stages: taken as flat"
        return Calibration(np.asarray(20 * math.log10(gain) - DB_OF_UPA_PER_PA)), note
    curve = epoch.curve(PRESSURE, rate)
    try:
        return _sensitivity_curve(curve, rate), ""
    except (ValueError, DataError) as error:
        raise Rejected(f"{name}: no sensitivity follows from its response: {error}") from None


def _sensitivity_curve(curve: ResponseCurve, rate: float) -> Calibration:
    """A response [counts per Pa] as decibels, from :data:`LOWEST` to the Nyquist frequency, to 0.01 dB between its points.

    Notches of filters are as deep as :data:`DEPTH`; where the response stays that deep up to an end, the curve ends before.
    """
    highest = rate / 2 * (1 + 1e-6)  # the last bin's frequency is a rounded number
    inner = curve.frequencies[(curve.frequencies > LOWEST) & (curve.frequencies < highest)]  # dense where there is a notch
    start = np.concatenate(([LOWEST], inner, [highest]))
    floor = 20 * math.log10(np.abs(curve.at(start)).max()) - DB_OF_UPA_PER_PA - DEPTH

    def decibels_at(frequencies: Decibels) -> Decibels:
        with np.errstate(divide="ignore"):
            values: Decibels = 20 * np.log10(np.abs(curve.at(frequencies))) - DB_OF_UPA_PER_PA
        return np.maximum(values, floor)

    frequencies, decibels = _refined(decibels_at, start)
    useful = np.flatnonzero(decibels > floor)
    return Calibration(decibels[useful[0] : useful[-1] + 1], frequencies[useful[0] : useful[-1] + 1])


def _refined(decibels_at: Callable[[Decibels], Decibels], frequencies: Decibels) -> tuple[Decibels, Decibels]:
    """Points halved, in the logarithm of frequency, until what is between two of them is on their line."""
    decibels = decibels_at(frequencies)
    open_intervals = np.arange(len(frequencies) - 1)
    for _ in range(MOST_ROUNDS):
        middles = np.sqrt(frequencies[open_intervals] * frequencies[open_intervals + 1])
        found = decibels_at(middles)
        error = np.abs(found - (decibels[open_intervals] + decibels[open_intervals + 1]) / 2)
        frequencies = np.insert(frequencies, open_intervals + 1, middles)
        decibels = np.insert(decibels, open_intervals + 1, found)
        bad = np.flatnonzero(error > TOLERANCE)
        if not len(bad):
            break
        left = open_intervals[bad] + bad
        open_intervals = np.sort(np.concatenate((left, left + 1)))
    return frequencies, decibels
