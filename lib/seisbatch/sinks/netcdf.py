"""A channel-day's levels as a netCDF-4 file, with the attributes of CF-1.8 and ACDD-1.3."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import h5netcdf
import numpy as np
import numpy.typing as npt

from seisbatch import __version__
from seisbatch.names import Channel
from seisbatch.process.bands import Bands
from seisbatch.times import SECOND_NS, to_datetime

Levels = npt.NDArray[np.float32]

MINUTE = 60
COMPRESSION = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
CHUNK_VALUES = 100_000
SUMMARY = (
    "Levels of every minute are of its mean power spectral density by Welch's method: seconds that overlap by half and lie "
    "whole in what was recorded, each with a periodic Hann window and without its mean. Means are of the power of all seconds "
    "of the day; percentiles are over the levels of its minutes, silence not counted: the P-th is the level they are below "
    "for P % of the time. Levels are NaN where the sensitivity is not known, and minus infinity where there is no power."
)
REFERENCES = (
    "Hybrid millidecades: S. B. Martin et al., JASA Express Letters 1, 011203 (2021), doi 10.1121/10.0003324, with the bands "
    "of its corrected table; third octaves: IEC 61260-1:2014, base ten, that is decidecades (ISO 18405:2017); Welch's method: "
    "P. D. Welch, IEEE Transactions on Audio and Electroacoustics 15 (1967), doi 10.1109/TAU.1967.1161901"
)


@dataclass(frozen=True, eq=False)
class BandSet:
    """The levels of a day in one set of bands [dB].

    ``variable`` and ``frequency`` are names in the file, ``long_name`` says what the bands are. ``per_hertz``: densities, else
    levels of whole bands. ``levels``: of every minute, shape (n_minutes, n_bands), or None; ``mean``, shape (n_bands,);
    ``percentiles``, shape (n_percents, n_bands).
    """

    variable: str
    frequency: str
    long_name: str
    bands: Bands
    per_hertz: bool
    levels: Levels | None
    mean: Levels
    percentiles: Levels


@dataclass(frozen=True, eq=False)
class SoundDay:
    """A channel-day whose levels are written: from one instant up to, and without, another [ns since 1970].

    ``units``: what levels are relative to, such as ``1 uPa``; ``sensitivity``: a number [dB], or in words. ``minutes_ns``: the
    minutes that there are; ``seconds``: how much of each is recorded, ``frames``: how many seconds were averaged over.
    """

    name: Channel
    span_ns: tuple[int, int]
    rate: float
    units: str
    sensitivity: float | str
    minutes_ns: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    frames: npt.NDArray[np.int32]
    percents: tuple[int, ...]
    sets: tuple[BandSet, ...]
    parameters_id: str


def day_netcdf(day: SoundDay) -> bytes:
    """The file of a channel-day; the same day gives the same bytes with the same versions of the libraries.

    Dimensions: ``time``, the minutes; one of the frequencies of each set of bands, ``percentile``, and ``bound`` (2), the first
    and the second edge of a band or a minute. Variables of a set ``X``: ``X(time, frequency)``, unless it is not to be had by
    minute, ``X_mean(frequency)``, ``X_percentiles(percentile, frequency)``.
    """
    out = io.BytesIO()
    with h5netcdf.File(out, "w") as file:
        file.attrs.update(_attributes(day))
        file.dimensions = {"time": len(day.minutes_ns), "percentile": len(day.percents), "bound": 2}
        minutes = day.minutes_ns / SECOND_NS
        _add(file, "time", ("time",), minutes, {
            "standard_name": "time", "long_name": "start of the minute", "units": "seconds since 1970-01-01T00:00:00Z",
            "calendar": "standard", "axis": "T", "bounds": "time_bounds",
        })  # fmt: skip
        _add(file, "time_bounds", ("time", "bound"), np.stack((minutes, minutes + MINUTE), 1), {})
        _add(file, "seconds", ("time",), day.seconds, {"long_name": "recorded seconds of the minute", "units": "s"})
        told = {"long_name": "seconds, overlapping by half, that were averaged over", "units": "1"}
        _add(file, "frames", ("time",), day.frames, told)
        told = {"long_name": "share of the minutes whose level is below", "units": "percent"}
        _add(file, "percentile", ("percentile",), np.asarray(day.percents, np.int32), told)
        for of_bands in day.sets:
            _add_set(file, day, of_bands)
    return out.getvalue()


def level_units(units: str, per_hertz: bool) -> str:
    """The unit of levels.

    >>> level_units("1 uPa", True), level_units("1 count", False)
    ('dB re 1 uPa2/Hz', 'dB re 1 count2')
    """
    return f"dB re {units}2{'/Hz' if per_hertz else ''}"


def _add_set(file: h5netcdf.File, day: SoundDay, of: BandSet) -> None:
    name, frequency, bands = of.variable, of.frequency, of.bands
    file.dimensions[frequency] = len(bands)
    _add(file, frequency, (frequency,), bands.centre, {
        "long_name": f"centres of {of.long_name}", "units": "Hz", "bounds": f"{frequency}_bounds"
    })  # fmt: skip
    edges = np.stack((bands.lower, bands.upper), 1)
    _add(file, f"{frequency}_bounds", (frequency, "bound"), edges, {"long_name": f"edges of {of.long_name}", "units": "Hz"})
    kind = "power spectral density level" if of.per_hertz else "power level"
    units = {"units": level_units(day.units, of.per_hertz)}
    if of.levels is not None:
        told = {"long_name": f"mean {kind} of the minute in {of.long_name}", "cell_methods": "time: mean"}
        _add(file, name, ("time", frequency), of.levels, told | units)
    told = {"long_name": f"{kind} of the day's mean power in {of.long_name}", "cell_methods": "time: mean"}
    _add(file, f"{name}_mean", (frequency,), of.mean, told | units)
    told = {"long_name": f"percentiles of the minutes' mean {kind} in {of.long_name}"}
    _add(file, f"{name}_percentiles", ("percentile", frequency), of.percentiles, told | units)


def _add(
    file: h5netcdf.File, name: str, dimensions: tuple[str, ...], values: npt.NDArray[np.generic], told: Mapping[str, str]
) -> None:
    shape = values.shape
    options: dict[str, object] = {}
    if values.size:
        chunks = (max(1, min(shape[0], CHUNK_VALUES // max(1, shape[1]))), shape[1]) if len(shape) == 2 else shape
        options = {"chunks": chunks, **COMPRESSION}
    if values.dtype == np.float32:
        options["fillvalue"] = np.float32(np.nan)
    variable = file.create_variable(name, dimensions, values.dtype, data=values, **options)
    variable.attrs.update(told)


def _attributes(day: SoundDay) -> dict[str, object]:
    """The file's attributes. There is no time of writing among them: the same data make the same file."""
    start, end = (f"{to_datetime(instant_ns):%Y-%m-%dT%H:%M:%SZ}" for instant_ns in day.span_ns)
    kinds = ", ".join(of.long_name for of in day.sets)
    return {
        "Conventions": "CF-1.8, ACDD-1.3",
        "title": f"Sound levels of {day.name}, {to_datetime(day.span_ns[0]):%Y-%m-%d}, in {kinds}",
        "summary": SUMMARY,
        "keywords": "underwater sound, ambient noise, power spectral density, soundscape",
        "id": f"{day.name}/{to_datetime(day.span_ns[0]):%Y-%m-%d}",
        "source": f"hydrophone recordings of {day.name}",
        "history": f"made by seisbatch {__version__}",
        "processing_level": f"parameters {day.parameters_id}",
        "references": REFERENCES,
        "time_coverage_start": start,
        "time_coverage_end": end,
        "time_coverage_duration": f"PT{(day.span_ns[1] - day.span_ns[0]) // SECOND_NS}S",
        "time_coverage_resolution": "PT60S",
        "recorded_seconds": float(day.seconds.sum()),
        "channel": str(day.name),
        "sampling_rate": day.rate,
        "sampling_rate_units": "Hz",
        "sensitivity": day.sensitivity,
        "sensitivity_units": "dB re 1 count/uPa",
        "parameters_id": day.parameters_id,
    }
