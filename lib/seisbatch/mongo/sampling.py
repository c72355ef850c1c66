"""Metadata of what has samples: where a value follows from others, it follows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seisbatch.mongo.metadata import Metadata

RATE_TOLERANCE = 1e-6
"""A sampling rate and an interval that agree as well as this, as a share, are kept as they were loaded."""
TIME_TOLERANCE = 0.01
"""An end time that is off by no more than this share of a sample is kept as it was loaded."""
TIME_RESOLUTION = 1e-6
"""s; epoch seconds as floats are no finer."""
MATRIX_TOLERANCE = 1e-6
TIMING = ("starttime", "delta", "sampling_rate", "npts", "endtime")
ORIENTATION = ("tmatrix", "cardinal", "orthogonal")


class SampledMetadata(Metadata):
    """Metadata in which these five are always there, and agree:

    - ``starttime`` (epoch seconds, float) may be set: ``endtime`` follows.
    - ``delta`` (s) or ``sampling_rate`` (Hz) may be set: the other one is its inverse, ``endtime`` follows.
    - ``npts`` (int) follows from the samples, and ``endtime`` (of the last sample; of no samples, ``starttime``) from the
      others: setting either to anything else is a ValueError, and so is deleting any of the five.

    Of those loaded ``starttime`` must be there, and ``delta`` or ``sampling_rate``. What is missing is filled in. A sampling
    rate or end time that contradicts the rest is corrected, which counts as a change, and ``corrections`` says so. Raises
    ValueError where they are not finite numbers, or ``npts`` is not the number of samples.
    """

    def __init__(self, loaded: Mapping[str, Any], npts: int) -> None:
        self.corrections: list[str] = []
        super().__init__(self._filled(loaded, npts))
        self._agree(npts)

    def resize(self, npts: int) -> None:
        """There are now so many samples."""
        self._values["npts"] = npts
        self._set_end()

    def _filled(self, loaded: Mapping[str, Any], npts: int) -> dict[str, Any]:
        values = dict(loaded)
        if "starttime" not in values or not ("delta" in values or "sampling_rate" in values):
            raise ValueError("a datum needs a starttime, and a delta or sampling_rate")
        values["starttime"] = _number("starttime", values["starttime"])
        for name, inverse in (("delta", "sampling_rate"), ("sampling_rate", "delta")):
            values[name] = _positive(name, values[name]) if name in values else 1 / _positive(inverse, values[inverse])
        if values.setdefault("npts", npts) != npts:
            raise ValueError(f"npts is {values['npts']} in the metadata, there are {npts} samples")
        values["npts"] = npts
        values.setdefault("endtime", _end(values))
        return values

    def _agree(self, npts: int) -> None:
        values = self._values
        if abs(values["sampling_rate"] * values["delta"] - 1) > RATE_TOLERANCE:
            self.corrections.append(f"sampling_rate was {values['sampling_rate']}, delta is {values['delta']} s")
            values["sampling_rate"] = 1 / values["delta"]
        if not self._is_end(values["endtime"]):
            self.corrections.append(f"endtime was {values['endtime']}, the last of {npts} samples is at {_end(values)}")
            self._set_end()

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "starttime":
            self._values[name] = _number(name, value)
            self._set_end()
        elif name in ("delta", "sampling_rate"):
            self._values[name] = _positive(name, value)
            self._values["delta" if name == "sampling_rate" else "sampling_rate"] = 1 / self._values[name]
            self._set_end()
        elif name == "npts":
            if value != self._values[name]:
                raise ValueError(f"npts follows from the samples: there are {self._values[name]}, not {value}")
        elif name == "endtime":
            if not self._is_end(value):
                raise ValueError("endtime follows from starttime, delta and the number of samples")
        else:
            super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        if name in TIMING:
            raise ValueError(f"a datum has a {name} as long as it has samples")
        super().__delitem__(name)

    def _set_end(self) -> None:
        self._values["endtime"] = _end(self._values)

    def _is_end(self, value: Any) -> bool:
        tolerance = max(TIME_TOLERANCE * float(self._values["delta"]), TIME_RESOLUTION)
        return abs(_number("endtime", value) - _end(self._values)) <= tolerance


class OrientedMetadata(SampledMetadata):
    """Metadata of three components, in which ``tmatrix``, ``cardinal`` and ``orthogonal`` are always there too, and agree.

    ``tmatrix`` is a list of nine floats, row after row, as MsPASS stores it; nine numbers or three rows may be set. The other
    two (bool) follow from it and can be set to nothing else.
    """

    def _filled(self, loaded: Mapping[str, Any], npts: int) -> dict[str, Any]:
        values = super()._filled(loaded, npts)
        if "tmatrix" not in values:
            raise ValueError("three components need a tmatrix")
        values["tmatrix"] = _matrix(values["tmatrix"])
        return _orientation(values["tmatrix"]) | values

    def _agree(self, npts: int) -> None:
        super()._agree(npts)
        for name, value in _orientation(self._values["tmatrix"]).items():
            if self._values[name] != value:
                self.corrections.append(f"{name} was {self._values[name]}, which the tmatrix contradicts")
                self._values[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "tmatrix":
            self._values[name] = _matrix(value)
            self._values |= _orientation(self._values[name])
        elif name in ORIENTATION:
            if value != self._values[name]:
                raise ValueError(f"{name} follows from tmatrix: it is {self._values[name]}")
        else:
            super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        if name in ORIENTATION:
            raise ValueError(f"three components have a {name}")
        super().__delitem__(name)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a finite number")
    return float(value)


def _positive(name: str, value: Any) -> float:
    number = _number(name, value)
    if number <= 0 or not math.isfinite(1 / number):
        raise ValueError(f"{name} is {value!r}, not more than 0")
    return number


def _end(values: Mapping[str, Any]) -> float:
    return float(values["starttime"] + max(0, values["npts"] - 1) * values["delta"])


def _matrix(value: Any) -> list[float]:
    try:
        matrix: npt.NDArray[np.float64] = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("tmatrix is not nine finite numbers") from None
    if matrix.shape not in ((9,), (3, 3)) or not np.isfinite(matrix).all():
        raise ValueError("tmatrix is not nine finite numbers")
    return [float(element) for element in matrix.ravel()]


def _orientation(tmatrix: list[float]) -> dict[str, bool]:
    rows = np.array(tmatrix).reshape(3, 3)
    unit = np.eye(3)
    return {
        "cardinal": bool(np.allclose(rows, unit, rtol=0, atol=MATRIX_TOLERANCE)),
        "orthogonal": bool(np.allclose(rows @ rows.T, unit, rtol=0, atol=MATRIX_TOLERANCE)),
    }
