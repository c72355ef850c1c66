"""The plan of windows: from the channel-days of an index to batches of channels, keys only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from seisbatch.acquire.objects import StoreSettings
from seisbatch.archives import ARCHIVES
from seisbatch.config import NOT_PARAMETERS, CutWindows, OptionError
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.stores import archive_stations, archive_store, layout_of, out_store
from seisbatch.plan.units import Units
from seisbatch.steps.spectra import ahead_bytes
from seisbatch.steps.stations import Stations
from seisbatch.steps.windows import WindowSettings
from seisbatch.times import DAY_NS, SECOND_NS, parse_instant, to_datetime

RESULT_VERSION = 1
BATCH_CHANNELS = 256
"""Channels whose segments share a file: an hour of them at 100 Hz is some 75 MB."""
NEAR_MIDNIGHT_NS = 60 * SECOND_NS
"""Day files begin and end as much as this from midnight: a window so near to it needs both days."""
LONGEST_NS = 31 * DAY_NS

CHANNEL = list(Channel._fields)


@dataclass(frozen=True, kw_only=True)
class WindowRun(RunIdentity):
    """Everything that a run of cut_windows does, resolved from its options."""

    job = "cut_windows"

    is_sample: bool
    layout: str
    archive: StoreSettings
    stations: Stations
    out: StoreSettings
    window: str
    start_ns: int
    end_ns: int
    channels: str
    gaps: str
    data_tag: str
    memory: int

    @property
    def source(self) -> str:
        """Where the data come from: results of other places never mix."""
        return self.archive.place

    @property
    def start(self) -> dt.date:
        """The first day whose objects may hold a part of the window."""
        return to_datetime(self.start_ns - NEAR_MIDNIGHT_NS).date()

    @property
    def end(self) -> dt.date:
        """The day after the last one."""
        return to_datetime(self.end_ns + NEAR_MIDNIGHT_NS - 1).date() + dt.timedelta(days=1)

    @property
    def windows(self) -> WindowSettings:
        """Settings of the stage that cuts windows."""
        return WindowSettings(
            run_id=self.run_id,
            job=self.job,
            archive=self.archive,
            stations=self.stations,
            out=self.out,
            window=self.window,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            must_be_whole=self.gaps == "whole",
            data_tag=self.data_tag,
            parameters_id=self.parameters_id,
            metadata=self.metadata,
            ahead_bytes=ahead_bytes(self.memory),
        )


def window_run(options: CutWindows) -> WindowRun:
    """Resolve the options of cut_windows; OptionError where they do not go together."""
    if ARCHIVES[layout_of(options)].HOLDS != "channel-day":
        raise OptionError(f"--archive {options.archive}: its objects hold whole stations, which cut_windows does not read yet")
    try:
        ChannelPatterns(options.channels)
        origin_ns = parse_instant(options.time)
    except ValueError as error:
        raise OptionError(str(error)) from None
    start_ns, end_ns = (origin_ns + round(seconds * SECOND_NS) for seconds in (options.from_, options.to))
    if not start_ns < end_ns <= start_ns + LONGEST_NS:
        raise OptionError(f"--to {options.to:g} must be after --from {options.from_:g}, by 31 days at most")
    values = options.model_dump(by_alias=True)
    parameters = {key: value for key, value in values.items() if key not in NOT_PARAMETERS}
    return WindowRun(
        is_sample=options.archive == "sample" and options.root is None,
        layout=layout_of(options),
        archive=archive_store(options),
        stations=archive_stations(options),
        out=out_store(options),
        window=f"{to_datetime(start_ns):%Y-%m-%dT%H:%M:%S.%f}",
        start_ns=start_ns,
        end_ns=end_ns,
        channels=options.channels,
        gaps=options.gaps,
        data_tag=options.data_tag,
        memory=options.memory,
        parameters=parameters | {"time_ns": origin_ns, "batch": BATCH_CHANNELS, "result_version": RESULT_VERSION},
    )


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """The commit units of a run of windows, and what they will take."""

    problems: DataFrame
    batches: Units
    planned: dict[str, int]
    told: list[tuple[str, str]]

    def lines(self) -> list[tuple[str, str]]:
        """What the run will take, for the terminal."""
        return self.told


def window_plan(index: DataFrame, run: WindowRun) -> WindowPlan:
    """Cut the channels of an index (rows of ``CHANNEL_DAY``) into batches; OptionError where nothing is selected."""
    days = index.persist()
    named, problems = days.where("outcome IS NULL"), days.where("outcome IS NOT NULL")
    # A day that is read only for what may stand beyond its midnight says nothing of a window that it does not touch.
    inside = F.col("date").between(to_datetime(run.start_ns).date(), to_datetime(run.end_ns - 1).date())
    channels = named.groupBy(*CHANNEL).agg(
        F.sort_array(F.collect_list(F.struct("date", "s3key", "lat", "lon"))).alias("objects"),
        F.max(inside).alias("is_asked"),
    )
    ranked = channels.where("is_asked").withColumn("rank", F.row_number().over(Window.orderBy(*CHANNEL)) - 1)
    batch = F.floor(F.col("rank") / BATCH_CHANNELS).cast("int").alias("batch")
    batches = ranked.groupBy(batch).agg(F.sort_array(F.collect_list(F.struct("rank", *CHANNEL, "objects"))).alias("channels"))
    batches = batches.persist()
    counted = batches.agg(F.count("*"), F.sum(F.size("channels"))).first()
    n_batches, n_channels = (int(value or 0) for value in counted) if counted else (0, 0)
    if not n_channels:
        reasons = [row["reason"] for row in problems.select("reason").limit(3).collect()]
        what = f"no channel matches --channels {run.channels} on {run.start} in {run.archive.root}"
        raise OptionError("\n  ".join([what, *reasons]))
    problems = problems.where(inside)
    n_problems = problems.count()
    seconds = (run.end_ns - run.start_ns) / SECOND_NS
    return WindowPlan(
        problems=problems,
        batches=Units("window", batches, n_batches, n_channels + n_batches),
        planned={"window": n_channels, "window-file": n_batches} | ({"channel-day": n_problems} if n_problems else {}),
        told=[
            ("window", f"{run.window}, {seconds:g} s, of {n_channels:,} channels"),
            ("objects", f"of {(run.end - run.start).days} days, of each the window's share and some around it"),
            ("tasks", f"{n_batches:,} batches of up to {BATCH_CHANNELS} channels"),
        ],
    )
