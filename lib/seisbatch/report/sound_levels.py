"""A channel's spectral levels over a run, for the report: the long-term average, and percentiles over frequency."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from seisbatch.acquire.objects import StoreSettings
from seisbatch.process.levels import level_percentiles
from seisbatch.report.long_term import Hertz, Levels, mean_levels
from seisbatch.sinks.dataset import parquet_file, samples_matrix
from seisbatch.steps.sound_settings import HYBRID_MILLIDECADE, ONE_HERTZ, THIRD_OCTAVE
from seisbatch.times import DAY_NS, SECOND_NS, day_start_ns

T = TypeVar("T")
U = TypeVar("U")

PERCENTS = (5, 25, 50, 75, 95)
PREFERRED = (HYBRID_MILLIDECADE, THIRD_OCTAVE, ONE_HERTZ)
MINUTE_DAYS = 10
"""Runs of more days are drawn, and told, by their days."""
MINUTE_BYTES = 250_000_000
"""So are those whose minutes are more than this."""
MOST_DAYS = 1500
"""Days of a channel that are read; of more, such as are spread evenly over the run."""
MOST_COLUMNS = 1500
MINUTE_NS = 60 * SECOND_NS
READERS = 8
BANDS_AT_A_TIME = 128

DayKey = tuple[dt.date, str]


@dataclass(frozen=True, eq=False)
class ChannelLevels:
    """A channel's levels [dB re ``units`` squared per Hz] in bands with edges and centres [Hz], shape (n_bands,).

    ``levels`` float32, shape (n, n_bands): of the times ``times_ns``, int64, shape (n,), each of ``row_ns``. ``percentiles``,
    shape (5, n_bands), of :data:`PERCENTS`; ``mean``, shape (n_bands,), of the power. ``averaged`` and ``over`` say in words
    what the times and what the percentiles are of.
    """

    name: str
    units: str
    bands: str
    lower: Hertz
    centre: Hertz
    upper: Hertz
    times_ns: npt.NDArray[np.int64]
    row_ns: int
    levels: Levels
    percentiles: Levels
    mean: Levels
    averaged: str
    over: str


@dataclass(frozen=True, eq=False)
class _Day:
    """A row of ``psd_day``: its levels are per Hz, whatever the bands."""

    date: dt.date
    seconds: float
    units: str
    edges: tuple[Hertz, Hertz, Hertz]
    mean: Levels
    percentiles: Levels


def channel_levels(
    out: StoreSettings, name: str, day_keys: Sequence[DayKey], minute_keys: Sequence[str]
) -> ChannelLevels | None:
    """A channel's levels from its files of ``psd_day``, and of ``psd`` where they are few; None where there are no levels."""
    spacing = -(-len(day_keys) // MOST_DAYS)
    bands, days = _days(out, sorted(day_keys)[::spacing])
    if not days:
        return None
    lower, centre, upper = days[0].edges
    means = np.stack([day.mean for day in days])
    seconds = np.array([day.seconds for day in days])
    times = np.array([day_start_ns(day.date) for day in days])
    row_ns, levels, averaged = spacing * DAY_NS, means, "Each column is the mean of a day"
    if spacing > 1:
        averaged += f", one in {spacing}"
    percentiles, over = days[0].percentiles, f"over the minutes of {days[0].date}"
    if len(days) > 1:
        of_days = np.stack([day.percentiles for day in days])  # a day of less than a minute has none
        percentiles = np.stack([level_percentiles(of_days[:, number], (50,))[0] for number in range(len(PERCENTS))])
        over = f"each the median of {len(days):,} days' own"
    if len(day_keys) <= MINUTE_DAYS and len(day_keys) * 1440 * means[0].nbytes <= MINUTE_BYTES:
        at, minutes = _minutes(out, minute_keys, bands, upper - lower, len(day_keys) * 1440)
        if len(at):
            times, row_ns, levels = _columns(at, minutes)
            averaged = f"Each column is the mean of {row_ns // MINUTE_NS} minutes" if row_ns > MINUTE_NS else "By minutes"
        if len(at) and len(days) > 1:
            percentiles = np.concatenate(
                [
                    level_percentiles(minutes[:, first : first + BANDS_AT_A_TIME], PERCENTS)
                    for first in range(0, len(centre), BANDS_AT_A_TIME)
                ],
                axis=1,
            )
            over = f"over the {len(at):,} minutes of {len(days)} days"
    return ChannelLevels(
        name, days[0].units, bands, lower, centre, upper, times, row_ns, levels, percentiles.astype(np.float32),
        _weighted_mean(means, seconds), averaged, over,
    )  # fmt: skip


def in_order(work: Callable[[T], U], items: Iterable[T], readers: int = READERS) -> Iterator[U]:
    """What ``work`` makes of items, in their order; some are worked at together, since a store answers slowly."""
    with ThreadPoolExecutor(readers, thread_name_prefix="read") as pool:
        yield from pool.map(work, items)


def _days(out: StoreSettings, keys: Sequence[DayKey]) -> tuple[str, list[_Day]]:
    """The bands that are shown, and the rows of them, in order of time."""
    for bands in PREFERRED:
        found = list(filter(None, in_order(partial(_day, out, bands), keys)))
        if found:
            first = found[0]
            return bands, [day for day in found if len(day.mean) == len(first.mean) and day.units == first.units]
    return "", []


def _day(out: StoreSettings, bands: str, key: DayKey) -> _Day | None:
    edges, levels = ["lower", "centre", "upper"], ["mean", *(f"p{percent}" for percent in PERCENTS)]
    with parquet_file(out, key[1]) as file:
        rows = file.read(columns=["bands", "seconds", "units", *edges, *levels], use_threads=False)
    rows = rows.filter(pc.field("bands") == bands)
    if not rows.num_rows:
        return None
    lower, centre, upper = (_numbers(rows, column).astype(np.float64) for column in edges)
    shown = np.stack([_numbers(rows, column) for column in levels]) - _per_hertz(bands, upper - lower)
    return _Day(
        key[0], rows["seconds"][0].as_py(), rows["units"][0].as_py(), (lower, centre, upper), shown[0], shown[1:]
    )  # fmt: skip


def _numbers(rows: pa.Table, column: str) -> Levels:
    values: Levels = samples_matrix(rows[column].slice(0, 1))[0]
    return values


def _per_hertz(bands: str, width: Hertz) -> Levels:
    """What is taken off levels: those of third octaves are of whole bands."""
    off: Levels = (10 * np.log10(width) if bands == THIRD_OCTAVE else np.zeros(len(width))).astype(np.float32)
    return off


def _minutes(
    out: StoreSettings, keys: Sequence[str], bands: str, width: Hertz, most: int
) -> tuple[npt.NDArray[np.int64], Levels]:
    """When minutes begin, and their levels per Hz: at most so many rows."""
    at, levels, n_rows = np.zeros(most, np.int64), np.empty((most, len(width)), np.float32), 0
    for times, rows in in_order(partial(_minutes_of, out, bands, len(width)), sorted(keys)):
        stop = min(most, n_rows + len(times))
        at[n_rows:stop], levels[n_rows:stop] = times[: stop - n_rows], rows[: stop - n_rows]
        n_rows = stop
    levels[:n_rows] -= _per_hertz(bands, width)
    return at[:n_rows], levels[:n_rows]


def _minutes_of(out: StoreSettings, bands: str, n_bands: int, key: str) -> tuple[npt.NDArray[np.int64], Any]:
    with parquet_file(out, key) as file:
        rows = file.read(columns=["starttime", bands], use_threads=False)
    rows = rows.filter(pc.equal(pc.list_value_length(rows[bands]), n_bands))
    if not rows.num_rows:
        return np.zeros(0, np.int64), np.zeros((0, n_bands), np.float32)
    return rows["starttime"].cast(pa.int64()).to_numpy() * 1000, samples_matrix(rows[bands])


def _columns(at: npt.NDArray[np.int64], minutes: Levels) -> tuple[npt.NDArray[np.int64], int, Levels]:
    """Minutes, averaged to at most :data:`MOST_COLUMNS`: when they begin, how long they are, and their levels."""
    n_minutes = int((at.max() - at.min()) // MINUTE_NS) + 1
    row_ns = -(-n_minutes // MOST_COLUMNS) * MINUTE_NS
    number = (at - at.min()) // row_ns
    first_rows = np.flatnonzero(np.diff(number, prepend=-1))
    return at.min() + number[first_rows] * row_ns, row_ns, mean_levels(minutes, first_rows)


def _weighted_mean(means: Levels, seconds: npt.NDArray[np.float64]) -> Levels:
    """The level of the mean power of days, each for as long as was recorded; days without a level of a band do not count."""
    known = np.where(np.isnan(means), 0, seconds[:, None])
    power = np.where(np.isnan(means), 0, 10 ** (means.astype(np.float64) / 10))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Levels = (10 * np.log10((power * known).sum(axis=0) / known.sum(axis=0))).astype(np.float32)
    return mean
