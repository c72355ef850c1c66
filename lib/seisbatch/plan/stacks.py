"""The plan of stacks: from the row groups of CCF files to batches of sources of a period, keys only."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.config import OptionError
from seisbatch.names import ChannelPatterns
from seisbatch.options import NOT_PARAMETERS, StackCcfs
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.estimate import size
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.memory import PROCESS_BYTES
from seisbatch.plan.stores import out_store, store_settings
from seisbatch.plan.units import Units
from seisbatch.schema import CCF, ROW_GROUPS
from seisbatch.sinks.manifest import complete_manifest
from seisbatch.steps.stack import StackSettings, read_row_groups
from seisbatch.times import parse_day

RESULT_VERSION = 1
FILES_A_TASK = 64
EXPANSION = 4
"""Bytes in memory for each byte of CCFs: sums are float64, and a row group is held beside them."""


@dataclass(frozen=True, kw_only=True)
class StackRun(RunIdentity):
    """Everything that a run of stack_ccfs does, resolved from its options."""

    job = "stack_ccfs"

    ccfs: StoreSettings
    start: dt.date
    end: dt.date
    stack_over: str
    channels: str
    memory: int

    @property
    def source(self) -> str:
        """Where the data come from: results of other places never mix."""
        return self.ccfs.place

    @property
    def stack(self) -> StackSettings:
        """Settings of the stage that stacks."""
        return StackSettings(
            run_id=self.run_id,
            job=self.job,
            ccfs=self.ccfs,
            out=self.out,
            channels=self.channels,
            start=self.start,
            end=self.end,
            parameters_id=self.parameters_id,
            metadata=self.metadata,
        )


def stack_run(options: StackCcfs) -> StackRun:
    """Resolve the options of stack_ccfs; OptionError where they do not go together, RunError where the CCFs are not whole."""
    ccfs = store_settings(options.ccfs, options.source_endpoint, options.source_region, options.anonymous)
    out = out_store(options)
    if (ccfs.root, ccfs.endpoint) == (out.root, out.endpoint):
        raise OptionError(f"--out {options.out} is where the CCFs are: choose another place for the stacks")
    made = complete_manifest(open_store(ccfs), "cross_correlate")["parameters"]
    try:
        ChannelPatterns(options.channels)
        start = parse_day(options.start or made["start"])
        end = parse_day(options.end or made["end"])
    except ValueError as error:
        raise OptionError(str(error)) from None
    if end <= start:
        raise OptionError(f"--end {end} is not after --start {start}")
    chosen = {key: value for key, value in options.model_dump().items() if key not in NOT_PARAMETERS | {"ccfs"}}
    own = {"start": start.isoformat(), "end": end.isoformat(), "result_version": RESULT_VERSION, "ccfs": made}
    return StackRun(
        parameters=chosen | own,
        ccfs=ccfs,
        out=out,
        start=start,
        end=end,
        stack_over=options.stack_over,
        channels=options.channels,
        memory=options.memory,
    )


@dataclass(frozen=True, eq=False)
class StackPlan:
    """The commit units of a run of stacks, and what they will take."""

    batches: Units
    planned: dict[str, int]
    told: list[tuple[str, str]]
    problems: DataFrame | None = None

    def lines(self) -> list[tuple[str, str]]:
        """What the run will take, for the terminal."""
        return self.told


def stack_plan(spark: SparkSession, run: StackRun) -> StackPlan:
    """Cut the CCFs of a run into batches of sources, each small enough for a worker; OptionError where there are none."""
    keys = [(key,) for key, _ in open_store(run.ccfs).list(f"{CCF.name}/") if key.endswith(".parquet")]
    if not keys:
        raise OptionError(f"--ccfs {run.ccfs.root} holds no CCFs")
    files = spark.createDataFrame(keys, "s3key string").repartition(max(1, len(keys) // FILES_A_TASK))
    read = functools.partial(read_row_groups, run.ccfs)
    in_range = (F.col("date_last") >= F.lit(run.start)) & (F.col("date_first") < F.lit(run.end))
    periods = F.when(in_range, _periods(run))  # null, hence no row, where the row group is out of range
    groups = files.mapInArrow(read, ROW_GROUPS.spark()).withColumn("period", F.explode(periods)).persist()
    busiest = groups.groupBy("period").agg(
        (F.sum("bytes") / F.count_distinct("date_first")).alias("day"),
        F.sum("bytes").alias("all"),
        F.count("*").alias("groups"),
    )
    row = busiest.agg(F.max("day"), F.sum("all"), F.count("*"), F.sum("groups")).first()
    if row is None or not row[2]:
        raise OptionError(f"--ccfs {run.ccfs.root} holds no CCF from {run.start} up to {run.end}")
    a_day, n_bytes, n_periods, n_groups = float(row[0]), int(row[1]), int(row[2]), int(row[3])
    room = run.memory - PROCESS_BYTES
    if room < PROCESS_BYTES // 2:
        raise OptionError(f"--memory {size(run.memory)} is too little: a worker needs at least {size(1.5 * PROCESS_BYTES)}")
    n_batches = max(1, -(-int(a_day * EXPANSION) // room))
    batches = _batches(groups, run, n_batches).persist()
    number = batches.count()
    return StackPlan(
        batches=Units("source-group", batches, number, number),
        planned={"source-group": number},
        told=[
            ("periods", f"{n_periods:,}, from {run.start} up to {run.end}"),
            ("CCF files", f"{len(keys):,}"),
            ("to read", f"about {size(n_bytes)} before compression"),
            ("tasks", f"{number:,} batches of sources"),
            *priced(stack_cost(n_bytes, n_groups, number, len(keys))),
        ],
    )


def stack_cost(n_bytes: float, n_groups: int, n_batches: int, n_files: int) -> Cost:
    """Of CCFs that are read and summed; a day's row groups become as many bytes of stacks, at most."""
    out_bytes = n_bytes / max(1, n_groups) * n_batches
    return run_cost(n_batches, out_bytes / max(1, n_batches), n_batches) + Cost(
        work={"table_mb": (n_bytes + out_bytes) / 1e6}, gets=2 * n_files + n_groups, read_bytes=n_bytes
    )


def _periods(run: StackRun) -> Column:
    """First days of all periods that a row group's days touch."""
    first, last = F.greatest("date_first", F.lit(run.start)), F.least("date_last", F.lit(run.end) - F.expr("interval 1 day"))
    match run.stack_over:
        case "all":
            return F.array(F.lit(run.start))
        case "day":
            return F.sequence(first, last.cast("date"))
        case "week" | "month":
            step = F.expr(f"interval 1 {run.stack_over}")
            return F.sequence(F.trunc(first, run.stack_over), F.trunc(last.cast("date"), run.stack_over), step)
        case number:
            days = F.sequence(first, last.cast("date"))
            since = F.transform(days, lambda day: F.floor(F.date_diff(day, F.lit(run.start)) / int(number)) * int(number))
            return F.array_distinct(F.transform(since, lambda n: F.date_add(F.lit(run.start), n.cast("int"))))


def _period_end(run: StackRun) -> Column:
    period = F.col("period")
    match run.stack_over:
        case "all":
            return F.lit(run.end)
        case "day":
            return F.date_add(period, 1)
        case "week":
            return F.date_add(period, 7)
        case "month":
            return F.add_months(period, 1)
        case number:
            return F.date_add(period, int(number))


def _batches(groups: DataFrame, run: StackRun, n_batches: int) -> DataFrame:
    """A period's row groups by ranges of sources; the ranges begin at names with which row groups begin."""
    names = groups.select("period", "source_first").distinct()
    in_order = Window.partitionBy("period").orderBy("source_first")
    starts = (
        names.withColumn("batch", F.ntile(n_batches).over(in_order) - 1)
        .groupBy("period", "batch")
        .agg(F.min("source_first").alias("source_from"))
        .withColumn("source_to", F.lead("source_from").over(Window.partitionBy("period").orderBy("batch")))
    )
    touching = groups.join(starts, "period").where(
        (F.col("source_last") >= F.col("source_from"))
        & (F.col("source_to").isNull() | (F.col("source_first") < F.col("source_to")))
    )
    item = F.struct("s3key", "row_group", "bytes")
    return (
        touching.groupBy("period", "batch", "source_from", "source_to")
        .agg(F.sort_array(F.collect_list(item)).alias("row_groups"))
        .withColumn("period_end", _period_end(run))
    )
