"""Channel-days of a hydrophone in, outcomes out: what the clips and minutes of a day's units come to."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from seisbatch.acquire.objects import open_store
from seisbatch.names import Channel
from seisbatch.outcome import Empty, Missing, Outcome, Result, guard
from seisbatch.process.segments import MAX_RATE_DEVIATION
from seisbatch.schema import CLIP, PSD_DAY
from seisbatch.sinks.netcdf import BandSet, SoundDay, day_netcdf
from seisbatch.steps.batches import IN_FLIGHT, Batch, BatchFiles, OutcomeRow, batch_key, unit_row, write_batches
from seisbatch.steps.clip_manifests import clip_manifest, manifest_key, read_clips, recorded_seconds
from seisbatch.steps.day_levels import PERCENTS, DayLevels, day_levels, drawn_levels
from seisbatch.steps.minutes import bands_of
from seisbatch.steps.sound_settings import (
    HYBRID_MILLIDECADE,
    LEVELS,
    LONG_TERM,
    OBJECTS,
    ONE_HERTZ,
    THIRD_OCTAVE,
    SoundSettings,
)
from seisbatch.times import SECOND_NS

MISSING = "missing"
LONG_NAMES = {
    HYBRID_MILLIDECADE: "hybrid millidecades",
    THIRD_OCTAVE: "third octaves (decidecades)",
    ONE_HERTZ: "bands of 1 Hz",
}
FREQUENCIES = {
    HYBRID_MILLIDECADE: "frequency",
    THIRD_OCTAVE: "third_octave_frequency",
    ONE_HERTZ: "one_hertz_frequency",
}
WHOLE = 0.5
"""[s] By which a day's recorded seconds may be fewer than asked for, besides what its clock may drift, and the day be whole."""


def write_sound_days(settings: SoundSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a channel-day and one a batch of it alone, for batches of one channel-day each.

    Columns: ``name``, ``net``, ``sta``, ``loc``, ``chan``, ``date``, ``start_ns`` and ``end_ns`` (what of the day is asked for)
    and ``units`` (names of the batches of clips and minutes that it is made from, in order). A day is made again when one of
    them is another than it was, or is there now.
    """
    inputs, work = functools.partial(_inputs, settings), functools.partial(_write_day, settings)
    return write_batches(settings, (PSD_DAY,), batches, inputs, work)


def levels_key(name: str) -> str:
    """The key of a channel-day's netCDF file."""
    return f"{LEVELS}/{name}.nc"


def long_term_key(name: str) -> str:
    """The key of a channel-day's long-term spectral average."""
    return f"{LONG_TERM}/{name}.png"


def _inputs(settings: SoundSettings, batch: Batch) -> list[str]:
    """The units' names with the versions of their first table's files, which are put last."""
    store = open_store(settings.out)

    def version(unit: str) -> str:
        try:
            return store.version(batch_key(CLIP, unit))
        except Missing:
            return MISSING

    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="version") as pool:
        return [f"{unit} {found}" for unit, found in zip(batch["units"], pool.map(version, batch["units"]), strict=True)]


def _write_day(settings: SoundSettings, batch: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    name = Channel(batch["net"], batch["sta"], batch["loc"], batch["chan"])
    asked = max(1, round((batch["end_ns"] - batch["start_ns"]) / SECOND_NS))
    done = guard(functools.partial(_day, settings, name, batch, files, asked))
    columns: dict[str, Any] = {"date": batch["date"], "windows_planned": asked}
    if done.value is None:
        open_store(settings.out).delete([levels_key(batch["name"]), long_term_key(batch["name"])])  # what an earlier try left
        yield unit_row("channel-day", f"{name}/{batch['date']}", done, "", **columns)
        return
    seconds, n_bytes, reason = done.value
    result: Result[None] = Result(None, Outcome.OK, reason, done.seconds)
    columns |= {"windows": min(asked, round(seconds)), "bytes_written": n_bytes}
    yield unit_row("channel-day", f"{name}/{batch['date']}", result, "", **columns)


def _day(settings: SoundSettings, name: Channel, batch: Batch, files: BatchFiles, asked: int) -> tuple[float, int, str]:
    """Write a channel-day: its recorded seconds, the bytes of its objects, and what is worth knowing about it.

    Raises Empty where nothing of it was recorded, and UnitError where what is there cannot be read or does not go together.
    """
    span = batch["start_ns"], batch["end_ns"]
    is_there = [not text.endswith(f" {MISSING}") for text in _inputs(settings, batch)]
    units = [unit for unit, there in zip(batch["units"], is_there, strict=True) if there]
    missing = [unit for unit, there in zip(batch["units"], is_there, strict=True) if not there]
    told = f"{len(missing)} of its {len(batch['units'])} units are not there" if missing else ""
    n_bytes, seconds = 0, 0.0
    if OBJECTS in settings.places or not settings.band_sets:
        clips = read_clips(settings, units, *span)
        seconds = recorded_seconds(settings, clips)
        if OBJECTS in settings.places and clips:
            n_bytes += files.put(manifest_key(name, span[0]), clip_manifest(settings, name, *span, clips, missing))
        elif OBJECTS in settings.places:  # what an earlier try left
            open_store(settings.out).delete([manifest_key(name, span[0])])
    if settings.band_sets:
        levels = day_levels(settings, units, *span)
        if levels is None:
            raise Empty("; ".join(filter(None, ("no minute has a second without a gap", told))))
        seconds = float(levels.seconds.sum())
        n_bytes += _write_levels(settings, name, batch, levels, files)
    elif not seconds:
        raise Empty("; ".join(filter(None, ("no clip was recorded", told))))
    if seconds < asked * (1 - MAX_RATE_DEVIATION) - WHOLE:
        told = "; ".join(filter(None, (f"partial: {_hours(seconds, asked)} recorded", told)))
    return seconds, n_bytes, told


def _hours(seconds: float, asked: int) -> str:
    """How long was recorded of what was asked for; in hours where a tenth of one is missing.

    >>> _hours(84_960.0, 86_400), _hours(86_370.0, 86_400), _hours(30.5, 60)
    ('23.6 of 24 h', '86370 of 86400 s', '30.5 of 60 s')
    """
    if asked - seconds >= 360:
        return f"{seconds / 3600:.1f} of {asked / 3600:.4g} h"
    return f"{round(seconds, 1):g} of {asked} s"


def _write_levels(settings: SoundSettings, name: Channel, batch: Batch, levels: DayLevels, files: BatchFiles) -> int:
    """Write the rows, the netCDF file and the picture of a day; the bytes of the last two."""
    n_bytes = files.put(levels_key(batch["name"]), day_netcdf(_sound_day(settings, name, batch, levels)))
    drawn = drawn_levels(levels)
    if drawn is not None:
        shown, lower, upper = drawn
        title = f"{name} {batch['date']}"
        picture = settings.long_term(levels.minutes_ns, shown, lower, upper, levels.units, title=title)
        n_bytes += files.put(long_term_key(batch["name"]), picture)
    for band_set in settings.band_sets:
        files.add(PSD_DAY, [_row(settings, name, batch, levels, band_set)])
    return n_bytes


def _row(settings: SoundSettings, name: Channel, batch: Batch, levels: DayLevels, band_set: str) -> dict[str, Any]:
    """A row of ``PSD_DAY``."""
    bands = bands_of(band_set, levels.rate)
    percentiles = {f"p{percent}": row for percent, row in zip(PERCENTS, levels.percentiles[band_set], strict=True)}
    return {
        **name._asdict(), "date": batch["date"], "sampling_rate": levels.rate, "seconds": float(levels.seconds.sum()),
        "minutes": len(levels.minutes_ns), "bands": band_set, "units": levels.units, "lower": bands.lower.astype(np.float32),
        "centre": bands.centre.astype(np.float32), "upper": bands.upper.astype(np.float32), "mean": levels.means[band_set],
        **percentiles, "parameters_id": settings.parameters_id,
    }  # fmt: skip


def _sound_day(settings: SoundSettings, name: Channel, batch: Batch, levels: DayLevels) -> SoundDay:
    """A day as its netCDF file has it."""
    sets = tuple(
        BandSet(band_set, FREQUENCIES[band_set], LONG_NAMES[band_set], bands_of(band_set, levels.rate),
                band_set != THIRD_OCTAVE, levels.levels.get(band_set), levels.means[band_set], levels.percentiles[band_set])
        for band_set in _in_order(settings.band_sets)
    )  # fmt: skip
    return SoundDay(name, (batch["start_ns"], batch["end_ns"]), levels.rate, levels.units, _sensitivity(settings),
                    levels.minutes_ns, levels.seconds, levels.frames, PERCENTS, sets, settings.parameters_id)  # fmt: skip


def _in_order(band_sets: Sequence[str]) -> list[str]:
    """Sets of bands that levels of each minute are of first."""
    return [band_set for band_set in LONG_NAMES if band_set in band_sets]


def _sensitivity(settings: SoundSettings) -> float | str:
    """What the levels were calibrated with: a number [dB re 1 count per uPa], or words."""
    if settings.calibration is None:
        return "none" if settings.stations is None else "response of StationXML"
    return "curve" if settings.calibration.frequencies is not None else float(settings.calibration.decibels)
