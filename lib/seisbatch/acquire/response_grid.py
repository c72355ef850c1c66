"""Frequencies at which a response has to be evaluated so that it can be interpolated everywhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seisbatch.process.response import ResponseCurve

Frequencies = npt.NDArray[np.float64]
Values = npt.NDArray[np.complex128]

LOWEST = 1e-7
"""[Hz] Below the first bin of a transform of a hundred days."""
POINTS_A_DECADE = 40
LINEAR_POINTS = 128
"""The first grid is spaced evenly in logarithm, and at least as densely as this many points up to the highest frequency."""
TOLERANCE = 1e-11
ROUNDING = 1e-15
"""Of the response below: where filters take it to nearly nothing, evaluation itself is no more precise than that."""
NOISE = 1e-7
MOST_POINTS = 120_000
MOST_ROUNDS = 16


def sampled_curve(evaluate: Callable[[Frequencies], Values], highest: float, power: int) -> ResponseCurve:
    """A curve from :data:`LOWEST` to ``highest`` [Hz] that is within 1e-11 of what it is made from.

    Every interval is halved until the spline through the points foretells its middle. The exceptions are kinks, such as those
    of the spline through a response list, about which the grid ends at :data:`MOST_POINTS` and the curve is within 1e-6, and
    where evaluation itself is noise. ``power``: of the frequency, that makes the response flat in the sensor's own unit.
    """
    start = np.geomspace(LOWEST, highest, round(np.log10(highest / LOWEST) * POINTS_A_DECADE))
    even = highest / LINEAR_POINTS
    start = start[start * (10 ** (1 / POINTS_A_DECADE) - 1) < even]
    frequencies = np.unique([*start, *np.linspace(start[-1], highest, 1 + int(np.ceil((highest - start[-1]) / even)))])
    values = evaluate(frequencies)
    open_intervals = np.arange(len(frequencies) - 1)
    before = np.full(len(open_intervals), np.inf)
    for _ in range(MOST_ROUNDS):
        middles = (frequencies[open_intervals] + frequencies[open_intervals + 1]) / 2
        evaluated = evaluate(middles)
        error = np.abs(evaluated - ResponseCurve(frequencies, values).at(middles))
        error /= np.maximum(np.abs(evaluated), ROUNDING / TOLERANCE * _envelope(frequencies, values, power)[open_intervals])
        is_noise = (error < NOISE) & (error > before / 2)
        bad = np.flatnonzero((error > TOLERANCE) & ~is_noise)
        frequencies = np.insert(frequencies, open_intervals + 1, middles)
        values = np.insert(values, open_intervals + 1, evaluated)
        if not len(bad) or len(frequencies) > MOST_POINTS:
            break
        # the halves of an interval that failed, and their neighbours: the spline there leans on it
        left = open_intervals[bad] + bad
        errors = np.full(len(frequencies) - 1, np.nan)
        for offset in (-1, 2, 0, 1):
            at = left + offset
            inside = (at >= 0) & (at < len(errors))
            errors[at[inside]] = error[bad][inside] if offset in (0, 1) else np.inf
        open_intervals = np.flatnonzero(~np.isnan(errors))
        before = errors[open_intervals]
    return ResponseCurve(frequencies, values)


def _envelope(frequencies: Frequencies, values: Values, power: int) -> Frequencies:
    """The largest amplitude at or below each frequency, in the sensor's own unit, back in that of the values."""
    weights = frequencies ** float(power)
    envelope: Frequencies = np.maximum.accumulate(np.abs(values) * weights) / weights
    return envelope
