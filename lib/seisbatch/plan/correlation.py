"""The plan of a correlation: from the channel-days of an index to blocks of channels and tiles of pairs, keys only.

The channels of a group of days are ranked by name. A **block** is consecutive ranks on one day, at most ``BLOCK_CHANNELS``
and as many as in every other block, or one less: the unit that is fetched and preprocessed. A **side** is a whole number
of blocks, a **tile** two sides of one group of days: the unit that is correlated and written as one file. All of it
follows from the whole plan and the parameters, never from what is left to do.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from seisbatch.config import OptionError
from seisbatch.names import Channel
from seisbatch.plan.estimate import OBJECT_BYTES_A_SAMPLE, Estimate, Selected, estimate
from seisbatch.plan.pair_share import count_pairs, selects_all
from seisbatch.plan.run import BLOCK_CHANNELS, CorrelationRun
from seisbatch.plan.units import Units
from seisbatch.times import DAY_SECONDS

FILE_BYTES = 128_000_000
"""What a file of CCFs aims at: days of a small network share one, up to a month of them."""

CHANNEL = list(Channel._fields)


@dataclass(frozen=True, eq=False)
class CorrelationPlan:
    """The commit units of a whole run, as DataFrames of keys; how many there are; what they will take."""

    problems: DataFrame
    blocks: Units
    tiles: Units
    planned: dict[str, int]
    estimate: Estimate

    def lines(self) -> list[tuple[str, str]]:
        """What the run will take, for the terminal."""
        return self.estimate.lines()


def correlation_plan(index: DataFrame, run: CorrelationRun) -> CorrelationPlan:
    """Cut the channel-days of an index (rows of ``CHANNEL_DAY``) into blocks and tiles.

    Raises OptionError where the options select nothing, or where the work would not fit the memory.
    """
    days = index.where(_wanted(run)).persist()
    named, problems = days.where("outcome IS NULL"), days.where("outcome IS NOT NULL")
    selected = _selected(days)
    if not selected.channel_days:
        raise OptionError(_nothing(run, problems))
    if not selects_all(run.pairs):
        selected = replace(selected, pair_share=_pair_share(named, run, selected.widest_day))
    ranked = _ranked(named.withColumn("group", _group(run, days_a_file(run, selected))))
    blocks = _blocks(ranked).persist()
    tiles = _tiles(blocks, run).persist()
    n_tiles, n_blocks = _count(tiles)
    return CorrelationPlan(
        problems=problems,
        blocks=Units("channel-day", blocks, n_blocks, selected.channel_days),
        tiles=Units("tile", tiles, n_tiles, n_tiles),
        planned={"channel-day": selected.channel_days + selected.problems, "tile": n_tiles},
        estimate=estimate(run, selected, n_blocks, n_tiles),
    )


def _count(tiles: DataFrame) -> tuple[int, int]:
    """Tiles, and the blocks that those on the diagonal hold, which is all of them."""
    diagonal = F.col("source_side") == F.col("receiver_side")
    row = tiles.agg(F.count("*"), F.sum(F.when(diagonal, F.size("source_blocks")))).first()
    return (int(row[0]), int(row[1] or 0)) if row else (0, 0)


def _wanted(run: CorrelationRun) -> Column:
    """Rows of channels that some pair needs, and every problem of the index."""
    wanted = F.lit(True)
    if run.pairs.components is not None:
        letters = sorted({letter for pair in run.pairs.components for letter in pair})
        wanted &= F.substring("chan", -1, 1).isin(letters)
    if run.pairs.listed:
        listed = sorted({str(name) for pair in run.pairs.listed for name in pair})
        wanted &= F.concat_ws(".", *CHANNEL).isin(listed)
    return wanted | F.col("outcome").isNotNull()


def _selected(days: DataFrame) -> Selected:
    """Counts that the estimate and the cut into files need."""
    # An index states rates, a listing sizes: either gives the other, about.
    n_bytes = F.coalesce("size", F.col("sample_rate") * DAY_SECONDS * OBJECT_BYTES_A_SAMPLE)
    rate = F.coalesce("sample_rate", F.col("size") / DAY_SECONDS)
    a_day = days.groupBy("date").agg(
        F.count_if(F.col("outcome").isNull()).alias("channels"),
        F.count_if(F.col("outcome").isNotNull()).alias("problems"),
        F.sum(n_bytes).alias("bytes"),
        F.max(rate).alias("rate_max"),
        F.sum(rate * DAY_SECONDS).alias("samples"),
    )
    row = a_day.agg(
        F.sum("channels"), F.sum("problems"), F.max("channels"), F.count_if(F.col("channels") > 0), F.sum("bytes"),
        F.max("rate_max"), F.sum(F.col("channels") * F.col("channels")), F.sum("samples"), F.max_by("date", "channels"),
    ).first()  # fmt: skip
    assert row is not None
    total, problems, widest, n_days, n_bytes_read, rate_max, squares, samples = (value or 0 for value in row[:-1])
    return Selected(
        channel_days=int(total),
        problems=int(problems),
        channels_a_day=int(widest),
        days=int(n_days),
        read_bytes=int(n_bytes_read),
        rate_max=float(rate_max),
        channels_squared=int(squares),
        samples=float(samples),
        widest_day=row[-1],
    )


def _pair_share(named: DataFrame, run: CorrelationRun, day: dt.date | None) -> float:
    """Of the pairs of the day with the most channels, those that are wanted: of the other days it is much the same."""
    rows = named.where(F.col("date") == F.lit(day)).select(*CHANNEL, "lat", "lon").collect()
    names = [Channel(*row[: len(CHANNEL)]) for row in rows]
    places = np.array([[np.nan if value is None else value for value in row[len(CHANNEL) :]] for row in rows], np.float64)
    return count_pairs(names, places, run.pairs) / max(1, len(names) ** 2 // 2)


def _nothing(run: CorrelationRun, problems: DataFrame) -> str:
    reasons = [row["reason"] for row in problems.select("reason").limit(3).collect()]
    what = f"no channel-day matches --channels {run.channels} from {run.start} up to {run.end} in {run.archive.root}"
    return "\n  ".join([what, *reasons])


def days_a_file(run: CorrelationRun, selected: Selected) -> int:
    """Days whose CCFs share a file: as many as :data:`FILE_BYTES` holds, at most a month."""
    side = min(run.tile, selected.channels_a_day)
    rows = side * side / (2 if selected.channels_a_day <= run.tile else 1) * run.substacks
    return max(1, min(31, int(FILE_BYTES / max(1.0, rows * run.ccf_bytes))))


def _group(run: CorrelationRun, days: int) -> Column:
    """The first day of the group that a day is in: its period where stacks are asked for, else its share of a month."""
    date = F.col("date")
    match run.stack_over:
        case "none":
            into_month = F.floor((F.dayofmonth(date) - 1) / days) * days
            return F.date_add(F.trunc(date, "month"), into_month.cast("int"))
        case "day":
            return date
        case "all":
            return F.lit(run.start)
        case period:
            return F.trunc(date, period)


def _ranked(days: DataFrame) -> DataFrame:
    """Each channel-day with the rank of its channel among those of its group, and its block."""
    channels = days.select("group", *CHANNEL).distinct()
    of_group = Window.partitionBy("group")
    rank = F.row_number().over(of_group.orderBy(*CHANNEL)) - 1
    n_channels = F.count("*").over(of_group)
    block = F.floor(F.col("rank") * F.ceil(n_channels / BLOCK_CHANNELS) / n_channels)
    ranks = channels.withColumn("rank", rank).withColumn("block", block.cast("int"))
    return days.join(ranks, ["group", *CHANNEL])


def _blocks(ranked: DataFrame) -> DataFrame:
    row = F.struct("rank", "unit", *CHANNEL, "s3key", "lat", "lon", "etag", "pieces")
    return ranked.groupBy("group", "date", "block").agg(F.sort_array(F.collect_list(row)).alias("channel_days"))


def _tiles(blocks: DataFrame, run: CorrelationRun) -> DataFrame:
    """Every two sides of a group that can hold a pair, with the blocks of each."""
    side = F.floor(F.col("block") / (run.tile // BLOCK_CHANNELS)).cast("int")
    sides = (
        blocks.select("group", side.alias("side"), F.struct("date", "block").alias("of"))
        .groupBy("group", "side")
        .agg(F.sort_array(F.collect_list("of")).alias("blocks"))
    )
    sources = sides.select("group", F.col("side").alias("source_side"), F.col("blocks").alias("source_blocks"))
    receivers = sides.select("group", F.col("side").alias("receiver_side"), F.col("blocks").alias("receiver_blocks"))
    return sources.join(receivers, "group").where(
        F.col("source_side") == F.col("receiver_side")
        if run.pairs.kind == "auto"
        else F.col("source_side") <= F.col("receiver_side")
    )
