"""The plan of windows: from anchors and the channel-days of an index to batches of requests, keys only."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812

from seisbatch.acquire.objects import StoreSettings
from seisbatch.acquire.travel_times import phase_list
from seisbatch.config import OptionError
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.options import NOT_PARAMETERS, CutWindows
from seisbatch.plan.anchors import Anchors, anchors_of
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.estimate import OBJECT_BYTES_A_SAMPLE, size
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.stores import archive_stations, archive_store, index_table, layout_of, out_store, with_places
from seisbatch.plan.units import BatchPlan, Units
from seisbatch.report.waveforms import parse_plot
from seisbatch.steps.index_table import IndexPlace
from seisbatch.steps.spectra import ahead_bytes
from seisbatch.steps.stations import Stations
from seisbatch.steps.windows import SOURCE_COLUMNS, WindowSettings
from seisbatch.times import DAY_NS, DAY_SECONDS, SECOND_NS

RESULT_VERSION = 2
BATCH_SECONDS = 256 * 3600
"""Seconds of windows whose segments share a file: at 100 Hz some 75 MB."""
MIN_BATCH, MAX_BATCH = 16, 1024
LONGEST_NS = 31 * DAY_NS
USUAL_RATE = 100.0
"""Where neither an index nor a listing tells a channel's rate."""
WINDOW_GETS = 3
"""Requests that find and fetch a window in a day's object: its last record, then the guess that is right. Of an evenly recorded
day two, measured; more where what is recorded changes."""
WINDOW_BYTES = 130_000
"""Read beside the window itself, measured at 100 Hz: the last records, and some minutes around it."""

CHANNEL = list(Channel._fields)


@dataclass(frozen=True, kw_only=True)
class WindowRun(RunIdentity):
    """Everything that a run of cut_windows does, resolved from its options."""

    job = "cut_windows"

    options: CutWindows
    is_sample: bool
    layout: str
    archive: StoreSettings
    stations: Stations
    index_table: IndexPlace | None
    from_ns: int
    to_ns: int
    phases: tuple[str, ...]

    @property
    def source(self) -> str:
        """Where the data come from: results of other places never mix."""
        return self.archive.place

    @property
    def channels(self) -> str:
        """Patterns of the channels that are wanted."""
        return self.options.channels

    @property
    def batch(self) -> int:
        """Windows of a batch."""
        seconds = (self.to_ns - self.from_ns) / SECOND_NS
        return int(min(MAX_BATCH, max(MIN_BATCH, BATCH_SECONDS // seconds)))

    @property
    def windows(self) -> WindowSettings:
        """Settings of the stage that cuts windows."""
        return WindowSettings(
            **self.names,
            format=self.options.format,
            archive=self.archive,
            stations=self.stations,
            from_ns=self.from_ns,
            to_ns=self.to_ns,
            phases=self.phases,
            model=self.options.model,
            channels=self.channels,
            must_be_whole=self.options.gaps == "whole",
            data_tag=self.options.data_tag,
            ahead_bytes=ahead_bytes(self.options.memory),
        )


def window_run(options: CutWindows) -> WindowRun:
    """Resolve the options of cut_windows; OptionError where they do not go together."""
    try:
        ChannelPatterns(options.channels)
        parse_plot(options.plot)
        phases = phase_list(options.phases) if options.phases else ()
    except ValueError as error:
        raise OptionError(str(error)) from None
    from_ns, to_ns = (round(seconds * SECOND_NS) for seconds in (options.from_, options.to))
    if not 0 < to_ns - from_ns <= LONGEST_NS or max(abs(from_ns), abs(to_ns)) > LONGEST_NS:
        raise OptionError(f"--to {options.to:g} must be after --from {options.from_:g}, by 31 days at most")
    values = options.model_dump(by_alias=True)
    parameters = with_places({key: value for key, value in values.items() if key not in NOT_PARAMETERS})
    return WindowRun(
        options=options,
        is_sample=options.archive == "sample" and options.root is None,
        layout=layout_of(options),
        archive=archive_store(options),
        stations=archive_stations(options),
        index_table=index_table(options),
        out=out_store(options),
        from_ns=from_ns,
        to_ns=to_ns,
        phases=phases,
        parameters=parameters | {"result_version": RESULT_VERSION},
    )


def window_anchors(run: WindowRun) -> Anchors:
    """What the windows are relative to; OptionError where there is nothing, RunError where a table of it cannot be read."""
    return anchors_of(run.options, run.from_ns, run.to_ns)


def window_plan(spark: SparkSession, index: DataFrame, anchors: Anchors, run: WindowRun) -> BatchPlan:
    """Cut the windows of every channel of an index (rows of ``CHANNEL_DAY``) into batches, month by month.

    Raises OptionError where nothing is selected.
    """
    days = index.persist()
    named, problems = days.where("outcome IS NULL"), days.where("outcome IS NOT NULL")
    windows = spark.createDataFrame(anchors.table).withColumn("date", F.explode(F.sequence("first_day", "last_day")))
    found = named.join(windows if anchors.of_stations else F.broadcast(windows), _belongs(named, windows, anchors)).drop(
        windows["date"]
    )
    # A day that is read only for what may stand beyond its midnight says nothing of a window that it does not touch.
    inside = F.col("date").between(F.col("first_asked"), F.col("last_asked"))
    anchor = ["label", "anchor_ns", "month", "phase", *SOURCE_COLUMNS]
    requests = found.groupBy(*anchor, *CHANNEL).agg(
        F.sort_array(F.collect_list(F.struct("date", "s3key", "lat", "lon", "etag", "pieces"))).alias("objects"),
        F.max(inside).alias("is_asked"),
    )
    ranked = requests.where("is_asked")
    order = Window.partitionBy("month").orderBy("anchor_ns", "label", *CHANNEL)
    ranked = ranked.withColumn("rank", F.row_number().over(order) - 1)
    name = F.format_string("%s/windows-%05d", "month", F.floor(F.col("rank") / run.batch).cast("int"))
    request = F.struct("rank", *anchor, *CHANNEL, "objects")
    batches = ranked.groupBy(name.alias("name")).agg(F.sort_array(F.collect_list(request)).alias("requests")).persist()
    counted = batches.agg(F.count("*"), F.sum(F.size("requests"))).first()
    n_batches, n_windows = (int(value or 0) for value in counted) if counted else (0, 0)
    if not n_windows:
        reasons = [row["reason"] for row in problems.select("reason").limit(3).collect()]
        what = f"no channel matches --channels {run.channels} for {anchors.told} in {run.archive.root}"
        raise OptionError("\n  ".join([what, *reasons]))
    problems = problems.where(F.col("date").isin(anchors.asked))
    rate = F.coalesce("sample_rate", F.col("size") / (DAY_SECONDS * OBJECT_BYTES_A_SAMPLE))
    is_problem = F.col("outcome").isNotNull() & F.col("date").isin(anchors.asked)
    told = days.agg(F.count_if(is_problem), F.avg(F.when(F.col("outcome").isNull(), rate))).first()
    n_problems, mean_rate = (int(told[0] or 0), float(told[1] or USUAL_RATE)) if told else (0, USUAL_RATE)
    cost = window_cost(run, n_windows, n_batches, mean_rate) + Cost(gets=len(anchors.days))
    return BatchPlan(
        batches=Units("window", batches, n_batches, n_windows + n_batches),
        planned={"window": n_windows, "batch": n_batches} | ({"channel-day": n_problems} if n_problems else {}),
        told=[
            ("windows", f"{n_windows:,}: {anchors.told}"),
            ("objects", f"of {len(anchors.days):,} days, of each the window's share and some around it"),
            ("tasks", f"{n_batches:,} batches of up to {run.batch} windows"),
            ("output", f"about {size(cost.out_bytes)}, records of miniSEED"),
            *priced(cost),
        ],
        problems=problems,
    )


def window_cost(run: WindowRun, n_windows: int, n_batches: int, rate: float) -> Cost:
    """Of windows of channels at ``rate`` [Hz], each found in its object by range; predicting arrivals is not counted."""
    n_bytes = (run.to_ns - run.from_ns) / SECOND_NS * rate * OBJECT_BYTES_A_SAMPLE
    output = run_cost(n_batches, n_windows * n_bytes / max(1, n_batches), n_batches)
    return output + Cost(
        work={"window_cut": n_windows, "decode_mb": n_windows * n_bytes / 1e6},
        gets=WINDOW_GETS * n_windows,
        read_bytes=n_windows * (n_bytes + WINDOW_BYTES),
    )


def _belongs(days: DataFrame, windows: DataFrame, anchors: Anchors) -> Column:
    """Whether a channel-day may hold a part of an anchor's window."""
    belongs = days["date"] == windows["date"]
    if not anchors.of_stations:
        return belongs
    for code in ("net", "sta"):
        belongs &= days[code] == windows[f"only_{code}"]
    for code in ("loc", "chan"):
        belongs &= windows[f"only_{code}"].isNull() | days[code].isNull() | (days[code] == windows[f"only_{code}"])
    return belongs
