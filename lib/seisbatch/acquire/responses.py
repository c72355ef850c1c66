"""StationXML to response curves. What is wrong with a response is said, with its stage; nothing is guessed in its place."""

from __future__ import annotations

import functools
import io
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import obspy
from obspy.core.inventory.response import PolesZerosResponseStage, PolynomialResponseStage

from seisbatch.acquire.response_grid import Frequencies, Values, sampled_curve
from seisbatch.acquire.stationxml import check_dates, parse_document, plain_text, span
from seisbatch.names import Channel, channel
from seisbatch.outcome import Corrupt, Rejected, UnitError
from seisbatch.process.response import ResponseCurve

UNITS = {"disp": 0, "vel": 1, "acc": 2}
"""What a response can be to, and how many times displacement is differentiated for it."""
PRESSURE = "pressure"
"""What a hydrophone's response is to [Pa]."""
BEYOND_NYQUIST = 1.0005
"""Curves end at this multiple of the Nyquist frequency: a recorder's rate may be a little above the nominal one."""
RATE_DIFFERENCE = 0.01
"""Share by which the rate that the last stage gives may be below that of the samples."""
PROPORTIONAL = 1e-12
"""Curves whose ratio is one number, within this, have one shape: the components of a sensor differ in gain alone."""

_MOTION = re.compile(r"(N|U|C|M|)M(/S(\*\*2)?)?")
_PER_METRE = {"N": 1e9, "U": 1e6, "M": 1e3, "C": 1e2, "": 1.0}
_PRESSURE = re.compile(r"(U|H|K|)PA")
_PER_PASCAL = {"U": 1e6, "H": 1e-2, "K": 1e-3, "": 1.0}


@dataclass(frozen=True, eq=False)
class ResponseEpoch:
    """The response of a channel from one instant up to, and without, another [ns since 1970]."""

    name: Channel
    start_ns: int
    end_ns: int
    response: Any
    """Of obspy; None where the document has none."""
    shapes: dict[tuple[str, str], list[ResponseCurve]] = field(default_factory=dict, repr=False)
    """The first curve of each shape, by units and rate; of all epochs of a document."""
    _curves: dict[tuple[str, str], ResponseCurve | UnitError] = field(default_factory=dict, repr=False)

    def curve(self, units: str, rate: float) -> ResponseCurve:
        """The response of samples at a rate [Hz], all stages, by evalresp, to ``disp`` [m], ``vel`` [m/s] or ``acc`` [m/s**2],
        or, of a hydrophone, to :data:`PRESSURE` [Pa].

        It is evaluated once for each units and rate, to four digits. Raises Rejected, with the channel and, where it is one
        stage's, the number of the stage, where the metadata give no response to that.
        """
        key = units, f"{rate:.4g}"
        if key not in self._curves:
            try:
                curve = self._evaluated(units, float(key[1]))
                self._curves[key] = _of_known_shape(curve, self.shapes.setdefault(key, []))
            except UnitError as error:
                self._curves[key] = error
        found = self._curves[key]
        if isinstance(found, UnitError):
            raise type(found)(str(found))
        return found

    def pressure_gain(self) -> float | None:
        """Counts per Pa where the document gives an overall sensitivity alone; None where it has stages.

        Raises Rejected, with the channel, where it gives none, or not to pressure.
        """
        response = self.response
        if response is None or response.response_stages or response.instrument_polynomial:
            return None
        sensitivity = response.instrument_sensitivity
        if not sensitivity:
            raise self._rejected("its response has neither stages nor an overall sensitivity")
        self._check_sensitivity()
        if not sensitivity.input_units:
            raise self._rejected("no input units are given")
        match = _PRESSURE.fullmatch(_plain_unit(sensitivity.input_units))
        if match is None:
            raise self._rejected(f"its input, {sensitivity.input_units[:40]}, is no pressure")
        return abs(float(sensitivity.value)) * _PER_PASCAL[match[1]]

    def _evaluated(self, units: str, rate: float) -> ResponseCurve:
        self._check_stages()
        self._check_rate(rate)
        highest = rate / 2 * BEYOND_NYQUIST
        order, per_unit = self._input(units)
        output = "DISP" if units == PRESSURE else units.upper()  # to evalresp pressure is as displacement: taken as it is
        response = _with_plain_units(self.response, order)

        def evaluate(frequencies: Frequencies, last_stage: int | None = None) -> Values:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what was checked above
                values: Values = response.get_evalresp_response_for_frequencies(
                    frequencies, output=output, end_stage=last_stage, hide_sensitivity_mismatch_warning=True
                )
            return per_unit * values

        probe = np.geomspace(highest * 1e-5, highest, 50)
        problem = _problem(evaluate, probe)
        if problem:
            # the first stage up to which the same is wrong
            numbers = sorted(stage.stage_sequence_number for stage in response.response_stages)
            guilty = next((number for number in numbers if _problem(functools.partial(evaluate, last_stage=number), probe)), 0)
            raise self._rejected(problem, guilty or numbers[-1])
        curve = sampled_curve(evaluate, highest, UNITS.get(units, 0) - order)
        if not np.isfinite(curve.values).all():
            raise self._rejected("the response is not finite at every frequency")
        at_zero = complex(evaluate(np.array([0.0, highest]))[0])
        return ResponseCurve(curve.frequencies, curve.values, at_zero if np.isfinite(at_zero) else 0j)

    def _input(self, units: str) -> tuple[int, float]:
        """What the first stage takes: how often differentiated, and how many of its units are one of metres, or of pascals."""
        stages, sensitivity = self.response.response_stages, self.response.instrument_sensitivity
        first = min(stages, key=lambda stage: stage.stage_sequence_number)
        unit = first.input_units or (sensitivity.input_units if sensitivity else None)
        if not unit:
            raise self._rejected("no input units are given", first.stage_sequence_number)
        if units == PRESSURE:
            match = _PRESSURE.fullmatch(_plain_unit(unit))
            if match is None:
                raise self._rejected(f"its input, {unit[:40]}, is no pressure", first.stage_sequence_number)
            return 0, _PER_PASCAL[match[1]]
        match = _MOTION.fullmatch(_plain_unit(unit))
        if match is None:
            raise self._rejected(f"its input, {unit[:40]}, is no ground motion", first.stage_sequence_number)
        return {None: 0, "/S": 1, "/S**2": 2}[match[2]], _PER_METRE[match[1]]

    def _check_stages(self) -> None:
        """Rejected for what evalresp would pass over, or say without the stage."""
        response = self.response
        if response is None:
            raise self._rejected("its epoch has no response")
        if response.instrument_polynomial:
            raise self._rejected("its response is a polynomial")
        if not response.response_stages:
            raise self._rejected("its response has no stages")
        stages = sorted(response.response_stages, key=lambda stage: stage.stage_sequence_number)
        numbers = [stage.stage_sequence_number for stage in stages]
        for number in range(1, numbers[-1] + 1):
            if number not in numbers:
                raise self._rejected("it is missing", number)
            if numbers.count(number) > 1:
                raise self._rejected("there is more than one of this number", number)
        for stage in stages:
            number = stage.stage_sequence_number
            if isinstance(stage, PolynomialResponseStage):
                raise self._rejected("it is a polynomial", number)
            if stage.stage_gain is None or not math.isfinite(stage.stage_gain) or stage.stage_gain == 0:
                raise self._rejected(f"its gain is {stage.stage_gain}", number)
            if stage.decimation_input_sample_rate == 0 and _is_digital_filter(stage):  # evalresp takes it for none at all
                raise self._rejected("its input sample rate is 0", number)
            if isinstance(stage, PolesZerosResponseStage) and not stage.normalization_factor:
                raise self._rejected(f"its normalization factor is {stage.normalization_factor}", number)
        for before, stage in zip(stages, stages[1:], strict=False):
            given, taken = before.output_units, stage.input_units
            if given and taken and _plain_unit(given) != _plain_unit(taken):
                message = f"it takes {taken[:40]}, and stage {before.stage_sequence_number} gives {given[:40]}"
                raise self._rejected(message, stage.stage_sequence_number)
        self._check_sensitivity()

    def _check_sensitivity(self) -> None:
        sensitivity = self.response.instrument_sensitivity
        if sensitivity and (not sensitivity.value or not math.isfinite(sensitivity.value)):
            raise self._rejected(f"its overall sensitivity is {sensitivity.value}")

    def _check_rate(self, rate: float) -> None:
        """Rejected where the last stage's samples are fewer: beyond their Nyquist frequency filters say nothing."""
        for stage in sorted(self.response.response_stages, key=lambda stage: stage.stage_sequence_number, reverse=True):
            if stage.decimation_input_sample_rate and stage.decimation_factor:
                given = float(stage.decimation_input_sample_rate) / stage.decimation_factor
                if given < rate * (1 - RATE_DIFFERENCE):
                    raise self._rejected(f"it gives {given:g} Hz, recorded are {rate:g} Hz", stage.stage_sequence_number)
                return

    def _rejected(self, problem: str, stage: int | None = None) -> Rejected:
        return Rejected(f"{self.name}: {problem}" if stage is None else f"{self.name}, response stage {stage}: {problem}")


def read_responses(data: bytes) -> list[ResponseEpoch]:
    """The epochs of the channels in a StationXML document, each with its response, whatever that is.

    A channel whose codes are not FDSN's is left out. Raises Corrupt where the document is not well-formed StationXML or has a
    document type.
    """
    root = parse_document(data)
    try:
        check_dates(root)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about each value that obspy passes over
            inventory = obspy.read_inventory(io.BytesIO(plain_text(data, root)), format="STATIONXML")
    except MemoryError:
        raise
    except Exception as error:  # obspy raises a dozen kinds for what is not StationXML
        raise Corrupt(f"not StationXML: {type(error).__name__}: {error}"[:300]) from None
    shapes: dict[tuple[str, str], list[ResponseCurve]] = {}
    epochs = []
    for network in inventory:
        for station in network:
            for item in station:
                try:
                    name = channel(network.code or "", station.code or "", item.location_code or "", item.code or "")
                except ValueError:
                    continue
                epochs.append(ResponseEpoch(name, *span(item), item.response, shapes))
    return epochs


def _plain_unit(unit: str) -> str:
    """A unit as evalresp spells it: ``m/s^2``, ``M/(SEC**2)``, ``m/s/s`` are ``M/S**2``.

    >>> [_plain_unit(unit) for unit in ("m/s^2", "M/(SEC**2)", "cm/s/s", "NM/SEC", "Volts", "Pa")]
    ['M/S**2', 'M/S**2', 'CM/S**2', 'NM/S', 'V', 'PA']
    """
    plain = re.sub(r"[\s()]", "", unit.upper()).replace("^", "**").replace("SEC", "S")
    plain = re.sub(r"/S/S$|/S2$", "/S**2", plain)
    plain = re.sub(r"^(VOLT|COUNT|PASCAL)S$", r"\1", plain)
    return {"VOLT": "V", "PASCAL": "PA"}.get(plain, plain)


def _is_digital_filter(stage: Any) -> bool:
    coefficients = getattr(stage, "coefficients", None) or getattr(stage, "numerator", None)
    return bool(coefficients) or "DIGITAL" in getattr(stage, "pz_transfer_function_type", "")


def _with_plain_units(response: Any, order: int) -> Any:
    """The response with the first stage's input in metres, spelt as evalresp knows it: it scales some spellings, not others."""
    first = min(response.response_stages, key=lambda stage: stage.stage_sequence_number)
    plain = ("M", "M/S", "M/S**2")[order]
    if first.input_units == plain:
        return response
    first, copy = _copied(first), _copied(response)
    first.input_units = plain
    copy.response_stages = [
        first if stage.stage_sequence_number == first.stage_sequence_number else stage for stage in response.response_stages
    ]
    return copy


def _copied(item: Any) -> Any:
    copy = object.__new__(type(item))
    copy.__dict__.update(item.__dict__)
    return copy


def _problem(evaluate: Callable[[Frequencies], Values], probe: Frequencies) -> str | None:
    """What is wrong with a response, in words."""
    try:
        values = evaluate(probe)
    except MemoryError:
        raise
    except Exception as error:  # of obspy and of evalresp, a dozen kinds
        return f"it cannot be evaluated: {type(error).__name__}: {error}"[:300]
    if not np.isfinite(values).all():
        return "the response is not a finite number"
    return None if values[:-1].all() else "the response is zero"


def _of_known_shape(curve: ResponseCurve, shapes: list[ResponseCurve]) -> ResponseCurve:
    """The curve, as a multiple of one met before where it is one."""
    for shape in shapes:
        if not np.array_equal(shape.frequencies, curve.frequencies):
            continue
        ratios = curve.values / shape.values
        factor = float(ratios[0].real)
        if factor > 0 and np.abs(ratios / factor - 1).max() < PROPORTIONAL:
            return shape.scaled(factor)
    shapes.append(curve)
    return curve
