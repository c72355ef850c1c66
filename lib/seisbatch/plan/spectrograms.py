"""The plan of make_spectrograms: the recordings that there are, and the commit units of both stages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from seisbatch.acquire.objects import open_store
from seisbatch.config import OptionError
from seisbatch.launch.rates import read_rates
from seisbatch.names import Channel
from seisbatch.outcome import RunError, UnitError
from seisbatch.plan.cost import CostLine
from seisbatch.plan.estimate import size
from seisbatch.plan.memory import sound_bytes
from seisbatch.plan.prices import read_prices
from seisbatch.plan.recordings import find_recordings, rate_of
from seisbatch.plan.sound_estimate import SoundEstimate, SoundWork
from seisbatch.plan.sound_run import SoundRun, check_rate
from seisbatch.plan.sound_units import (
    CHANNEL,
    WAV_BYTES_A_SAMPLE,
    Spacing,
    check_unit_minutes,
    holes,
    sound_days,
    sound_units,
    spacing_of,
    unit_minutes,
)
from seisbatch.plan.sync import sync_output
from seisbatch.plan.units import Units
from seisbatch.sinks.manifest import claimed_parameters
from seisbatch.steps.sound_settings import PARQUET, TAR
from seisbatch.times import DAY_NS, DAY_SECONDS, SECOND_NS, day_start_ns, days_from, to_datetime

if TYPE_CHECKING:
    from seisbatch.app import App

PROBED = 10
LEAST_BYTES_A_SAMPLE = {"wav": WAV_BYTES_A_SAMPLE, "": 0.6}
"""Of recordings: 16 bit in wav, and what packs quiet recordings best, Steim's and FLAC's differences."""


@dataclass(frozen=True, eq=False)
class Recordings:
    """Rows of ``RECORDING``, those that can be read and those that cannot; rates [Hz] of the channels; the days asked for."""

    frame: DataFrame
    problems: DataFrame
    rates: Mapping[Channel, float]
    span_ns: tuple[int, int]
    is_span_given: bool


@dataclass(frozen=True, eq=False)
class SoundPlan:
    """The commit units of both stages, how many units of each kind are planned, and what they will take."""

    units: Units
    days: Units
    planned: dict[str, int]
    problems: DataFrame | None
    told: list[tuple[str, str]]

    def lines(self) -> list[tuple[str, str]]:
        """What the run will take, for the terminal."""
        return self.told


def recordings_of(app: App, run: SoundRun) -> Recordings:
    """The recordings of the days that are asked for, and those just before and after them.

    Raises OptionError where there are none, or options do not fit what is there.
    """
    return _of_archive(app, run) if run.layout else _of_files(app, run)


def _of_files(app: App, run: SoundRun) -> Recordings:
    if run.is_sample:
        from seisbatch.sample.hydrophone import write_sample_recordings

        write_sample_recordings(Path(run.archive.root))
    wanted = None
    if run.start or run.end:
        first = day_start_ns(run.start) - DAY_NS if run.start else -(2**62)
        wanted = first, day_start_ns(run.end) + DAY_NS if run.end else 2**62
    options = run.options
    found = find_recordings(app.spark, run.archive, options.time_pattern, run.channel, wanted, options.track)
    frame = found.frame.persist()
    named = frame.where("outcome IS NULL")
    reach = named.agg(F.min("start_ns"), F.max("start_ns")).first()
    if reach is None or reach[0] is None:
        raise OptionError(f"no recording in {run.archive.root} can be used")
    start = run.start or to_datetime(reach[0]).date()
    end = run.end or max(start, to_datetime(reach[1]).date()) + dt.timedelta(days=1)
    rates = {found.name: options.rate or found.rate}
    date = F.lit(None).cast("date")
    problems = frame.where("outcome IS NOT NULL").select("unit", date.alias("date"), "outcome", "reason")
    return Recordings(named, problems, rates, _span(start, end), run.start is not None)


def _of_archive(app: App, run: SoundRun) -> Recordings:
    assert run.start is not None
    assert run.end is not None
    day = dt.timedelta(days=1)
    rows = app.index(run, days_from(run.start - day, run.end + day), by_channel=True).persist()
    start_ns = F.unix_date("date").cast("long") * DAY_NS
    unit = F.concat_ws(" ", "s3key", F.concat_ws(".", *CHANNEL))
    named = rows.where("outcome IS NULL").select(
        unit.alias("unit"), *CHANNEL, "s3key", start_ns.alias("start_ns"), "size", F.col("etag").alias("version"), "sample_rate"
    )
    inside = F.col("date").between(F.lit(run.start), F.lit(run.end - day))
    problems = rows.where(F.col("outcome").isNotNull() & inside).select("unit", "date", "outcome", "reason")
    channels = named.groupBy(*CHANNEL).agg(
        F.max("sample_rate").alias("rate"), F.slice(F.sort_array(F.collect_list("s3key")), 1, PROBED).alias("keys")
    )
    rates = {}
    for row in channels.collect():
        name = Channel(*(row[code] for code in CHANNEL))
        rates[name] = run.options.rate or row["rate"] or rate_of(open_store(run.archive), row["keys"], name)
    if not rates:
        raise OptionError(
            f"{run.archive.root}: no channel of {run.layout} matches --channels {run.channels}, {run.start} up to {run.end}"
        )
    return Recordings(named.drop("sample_rate"), problems, rates, _span(run.start, run.end), is_span_given=True)


def _span(start: dt.date, end: dt.date) -> tuple[int, int]:
    if end <= start:
        raise OptionError(f"--end {end} is not after {start}, when the recordings begin")
    return day_start_ns(start), day_start_ns(end)


def sound_plan(found: Recordings, run: SoundRun) -> tuple[SoundRun, SoundPlan]:
    """The run, of which by now all parameters are known, and its commit units.

    Raises OptionError where options do not fit the recordings' rate, or a worker's memory.
    """
    for rate in found.rates.values():
        check_rate(run, rate)
    spacing = spacing_of(found.frame, max(found.rates.values()))
    if run.layout:  # whose objects are days, however many of them there are
        spacing = Spacing(DAY_NS, _largest(found))
    work = _work(found, run, spacing)
    if not work:
        raise OptionError(_none_in_span(found, run))
    minutes = (
        run.options.unit_minutes
        or _minutes_there(run)
        or min(unit_minutes(_recorded(one, spacing), _bytes_a_second(one)) for one in work)
    )
    check_unit_minutes(minutes)
    work = [replace(one, unit_seconds=60.0 * minutes) for one in work]
    needed = _check_memory(found, run, spacing)
    run = run.with_unit_minutes(minutes)
    units = sound_units(found.frame, found.rates, minutes, spacing, found.span_ns).persist()
    days = sound_days(units).persist()
    missing = holes(found.frame, spacing, found.span_ns if found.is_span_given else None).persist()
    n_units, n_days, n_missing, n_problems = (frame.count() for frame in (units, days, missing, found.problems))
    n_own = sum(one.recordings for one in work)
    problems = missing.select("unit", "date", "outcome", "reason").unionByName(found.problems)
    rates, prices = read_rates(), read_prices()
    return run, SoundPlan(
        units=Units("object", units, n_units, n_own + n_units),
        days=Units("channel-day", days, n_days, 2 * n_days),
        planned={"object": n_own + n_missing + n_problems, "channel-day": n_days, "batch": n_units + n_days},
        problems=problems.withColumn("kind", F.lit("object")) if n_missing + n_problems else None,
        told=[
            *(line for one in work for line in SoundEstimate(one, rates, prices).lines()[:-2]),
            CostLine("rates", rates.source()),
            CostLine("prices", prices.source()),
            ("missing", f"{n_missing:,} stretches of time without a recording, {n_problems:,} recordings that cannot be used"),
            ("tasks", f"{n_units:,} of {minutes} minutes, then {n_days:,} days"),
            ("memory", f"at most {size(needed)} a worker of {size(run.options.memory)} allowed"),
        ],
    )


def _minutes_there(run: SoundRun) -> int | None:
    """Minutes of the units that the output holds: what auto chooses follows from the recordings, which may be more by now."""
    try:
        there = claimed_parameters(open_store(run.out)).get("unit_minutes")
    except (RunError, UnitError):  # which the run, once it begins, tells
        return None
    return there if isinstance(there, int) and there > 0 else None


def _work(found: Recordings, run: SoundRun, spacing: Spacing) -> list[SoundWork]:
    """What there is to do for each channel, as far as sizes and times of recordings tell."""
    start_ns, end_ns = found.span_ns
    rows = (
        found.frame.where((F.col("start_ns") >= start_ns) & (F.col("start_ns") < end_ns))
        .groupBy(*CHANNEL)
        .agg(
            F.count("*").alias("number"),
            F.coalesce(F.sum("size"), F.lit(0)).alias("n_bytes"),
            F.countDistinct(F.floor(F.col("start_ns") / DAY_NS)).alias("days"),
            F.max(F.lower("s3key")).endswith(".wav").alias("is_wav"),
        )
        .orderBy(*CHANNEL)
    )
    work = []
    for row in rows.collect():
        name = Channel(*(row[code] for code in CHANNEL))
        seconds = row["number"] * spacing.ns / SECOND_NS
        if row["n_bytes"]:  # recorders that sleep between recordings
            seconds = min(seconds, row["n_bytes"] / (LEAST_BYTES_A_SAMPLE["wav" if row["is_wav"] else ""] * found.rates[name]))
        work.append(
            SoundWork(
                channel=name,
                rate=found.rates[name],
                seconds=seconds,
                days=row["days"],
                recordings=row["number"],
                read_bytes=row["n_bytes"],
                clip_s=run.options.clip_s,
                step_s=run.options.step_s,
                sound=run.options.sound,
                picture=(run.picture.width, run.picture.height) if run.picture else None,
                band_sets=run.band_sets,
                unit_seconds=DAY_SECONDS,
                place=TAR if TAR in run.places else PARQUET,
                cores=found.frame.sparkSession.sparkContext.defaultParallelism,
            )
        )
    return work


def _none_in_span(found: Recordings, run: SoundRun) -> str:
    first, last = (to_datetime(instant).date() for instant in found.span_ns)
    reach = found.frame.agg(F.min("start_ns"), F.max("start_ns")).first()
    there = ""
    if reach is not None and reach[0] is not None:
        there = "; those there begin from {:%Y-%m-%dT%H:%M} to {:%Y-%m-%dT%H:%M}".format(*map(to_datetime, reach))
    return f"no recording in {run.archive.root} begins from {first} up to {last}{there}"


def _recorded(work: SoundWork, spacing: Spacing) -> Spacing:
    """With the time that a recording lasts, where that is known to be less than the time from one to the next."""
    return Spacing(min(spacing.ns, round(work.seconds / work.recordings * SECOND_NS)), spacing.size)


def _bytes_a_second(work: SoundWork) -> float:
    """Of what a second of recording becomes."""
    return (work.sound_bytes + work.picture_bytes) / work.step_s + work.minute_bytes / 60


def _largest(found: Recordings) -> int:
    """Bytes of the largest recording; 0 where they are not known."""
    largest = found.frame.agg(F.max("size")).first()
    return int(largest[0] or 0) if largest else 0


def _check_memory(found: Recordings, run: SoundRun, spacing: Spacing) -> int:
    """Bytes that a worker needs; OptionError where it may not use them."""
    n_bytes = _largest(found)
    rate = max(found.rates.values())
    longest_s = spacing.ns / SECOND_NS * max(1.0, n_bytes / max(1, spacing.size))
    n_samples = min(longest_s * rate, n_bytes / LEAST_BYTES_A_SAMPLE[""]) if n_bytes else longest_s * rate
    needed = sound_bytes(n_samples, n_bytes, run.options.clip_s * rate, rate, run.band_sets, run.options.memory)
    if needed > run.options.memory:
        raise OptionError(
            f"--memory {size(run.options.memory)}: recordings of {size(n_bytes)}, some {longest_s:,.0f} s at {rate:g} Hz, "
            f"need about {size(needed)} a worker; give at least that, or fewer --bands"
        )
    return needed


def sync(app: App, run: SoundRun) -> None:
    """Copy what is new of the output to another place, where that is asked for; RunError where some could not be copied."""
    if run.sync is None:
        return
    copied = sync_output(app.spark, run.out, run.sync)
    print(
        f"  copied: {copied.n_copied:,} new objects, {size(copied.n_bytes)}, to {run.sync.root}; {copied.n_there:,} were there",
        flush=True,
    )
