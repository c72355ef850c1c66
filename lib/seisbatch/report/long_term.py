"""The long-term spectral average as an image: levels over time and frequency, brought to the dots of a picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float32]
Hertz = npt.NDArray[np.float64]

LOWEST = 10.0
"""Hz; where the axis of a channel begins whose bands reach :data:`AUDIBLE`: below it is flow more than sound."""
AUDIBLE = 1000.0


def long_term_image(
    times: npt.NDArray[np.int64],
    levels: Levels,
    lower: Hertz,
    upper: Hertz,
    row_ns: int,
    width: int,
    height: int,
) -> tuple[Levels, float, float]:
    """Levels of dots, shape (height, width), the highest frequency first, and the axis' lowest and highest frequency [Hz].

    ``times`` int64, shape (n,) [ns since 1970, ascending]: when rows of ``levels``, shape (n, n_bands) [dB per Hz], begin, each
    of ``row_ns``. A dot has the mean power of what is in it: of the rows, and of the Hz. NaN where there is nothing, minus
    infinity where there is no power. Rows of dots are evenly spaced in the frequency's logarithm.

    Raises ValueError where there is no row, or no band above zero.
    """
    if not len(times):
        raise ValueError("no minutes to draw a long-term average of")
    edges = _frequency_edges(lower, upper, height)
    columns = _by_time(times, levels, row_ns, width)
    return _by_frequency(columns, lower, upper, edges), float(edges[0]), float(edges[-1])


def mean_levels(levels: npt.NDArray[np.floating], first_rows: npt.NDArray[np.intp]) -> Levels:
    """Levels of the mean power of runs of rows, float32, shape (n_runs, n_bands), of levels [dB], shape (n_rows, n_bands).

    Each run goes from a row of ``first_rows``, which ascend, to the next; NaN is not counted, and left where there is nothing
    else.
    """
    means = np.empty((len(first_rows), levels.shape[1]), np.float32)
    stops = np.append(first_rows[1:], len(levels))
    for number, (first, stop) in enumerate(zip(first_rows, stops, strict=True)):
        if stop - first == 1:
            means[number] = levels[first]
            continue
        power = _power(levels[first:stop])
        known = ~np.isnan(power)
        with np.errstate(invalid="ignore"):
            means[number] = _decibels(power.sum(axis=0, where=known, dtype=np.float64) / known.sum(axis=0))
    return means


def shown_from(lower: Hertz, upper: Hertz) -> float:
    """Where the axis of frequency begins [Hz]: :data:`LOWEST`, or the first band above zero; ValueError where there is none."""
    above = lower[(lower > 0) & (upper > lower)]
    if not above.size:
        raise ValueError("no band above zero to draw a long-term average of")
    first, last = float(above[0]), float(upper[-1])
    return min(max(first, LOWEST), last / 2) if last >= AUDIBLE else first


def _frequency_edges(lower: Hertz, upper: Hertz, height: int) -> Hertz:
    """Edges [Hz] of the dots of the axis, shape (height + 1,)."""
    return np.geomspace(shown_from(lower, upper), float(upper[-1]), height + 1)


def _by_time(times: npt.NDArray[np.int64], levels: Levels, row_ns: int, width: int) -> Levels:
    """Levels of every column of dots, shape (width, n_bands)."""
    start = int(times[0])
    dot_ns = (int(times[-1]) + row_ns - start) / width
    columns = np.full((width, levels.shape[1]), np.nan, np.float32)
    if row_ns < dot_ns:  # some rows a dot
        dots = np.minimum(((times - start + row_ns / 2) / dot_ns).astype(np.intp), width - 1)
        first_rows = np.flatnonzero(np.diff(dots, prepend=-1))
        columns[dots[first_rows]] = mean_levels(levels, first_rows)
    else:  # some dots a row
        middles = (np.arange(width) + 0.5) * dot_ns
        rows = np.searchsorted(times - start, middles, side="right") - 1
        inside = middles < times[rows] - start + row_ns
        columns[inside] = levels[rows[inside]]
    return columns


def _by_frequency(levels: Levels, lower: Hertz, upper: Hertz, edges: Hertz) -> Levels:
    """Levels of every dot, shape (height, columns), of levels, shape (columns, n_bands)."""
    power = _power(levels)
    known = ~np.isnan(power)
    power[~known] = 0
    whole = bool(known.all())
    height = len(edges) - 1
    image = np.full((height, len(levels)), np.nan, np.float32)
    first = np.searchsorted(upper, edges[:-1], side="right")
    stop = np.searchsorted(lower, edges[1:], side="left")
    for dot in range(height):
        bands = slice(first[dot], stop[dot])
        hertz = (np.minimum(upper[bands], edges[dot + 1]) - np.maximum(lower[bands], edges[dot])).astype(np.float32)
        of_all = hertz.sum() if whole else known[:, bands] @ hertz
        with np.errstate(invalid="ignore"):
            image[height - 1 - dot] = _decibels((power[:, bands] @ hertz) / of_all)
    return image


def _power(levels: npt.NDArray[np.floating]) -> Levels:
    power: Levels = np.exp(levels * np.float32(np.log(10) / 10), dtype=np.float32)
    return power


def _decibels(power: npt.NDArray[np.floating]) -> Levels:
    with np.errstate(divide="ignore", invalid="ignore"):
        levels: Levels = (10 * np.log10(power)).astype(np.float32)
    return levels
