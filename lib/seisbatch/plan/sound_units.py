"""Commit units of make_spectrograms: spans of the UTC clock of a channel, and its days; which recordings they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from seisbatch.config import OptionError
from seisbatch.names import Channel
from seisbatch.times import DAY_NS, SECOND_NS

MINUTE_NS = 60 * SECOND_NS
UNIT_MINUTES = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)
"""What auto chooses from: parts of a day that people know."""
UNIT_BYTES = 400_000_000
WAV_BYTES_A_SAMPLE = 2.0
"""At least, as a rule: 16 bits. What compresses tells less of how long it lasts."""
LONGER = 2.0
"""Recordings of so many times the usual bytes are longer ones, and not only louder, where they are compressed."""
LONGEST_SPACINGS = 3
"""A recording is taken to end at the latest so many times the usual spacing after it begins: not all are of one length."""

CHANNEL = list(Channel._fields)
OBJECT = ("s3key", "start_ns", "size", "version")


@dataclass(frozen=True)
class Spacing:
    """Of a channel's recordings: the usual time from one's beginning to the next [ns], and their usual size [bytes]."""

    ns: int
    size: int


def spacing_of(recordings: DataFrame, rate: float | None = None) -> Spacing:
    """The usual spacing of recordings (rows of ``RECORDING``), copies aside.

    Where there is one a channel alone: a day, or what a wav file lasts at ``rate`` [Hz], if that is less.
    """
    since = F.col("start_ns") - F.lag("start_ns").over(Window.partitionBy(CHANNEL).orderBy("start_ns", "s3key"))
    is_wav = F.lower("s3key").endswith(".wav")
    spaced = (
        recordings.withColumn("since", since)
        .agg(F.median(F.when(F.col("since") > 0, F.col("since"))), F.median("size"), F.bool_and(is_wav))
        .first()
    )
    ns, n_bytes, are_wav = spaced if spaced else (None, None, False)
    size = round(n_bytes or 0)
    if ns:
        return Spacing(round(ns), size)
    lasts_ns = round(size / (WAV_BYTES_A_SAMPLE * rate) * SECOND_NS) if are_wav and size and rate else DAY_NS
    return Spacing(max(SECOND_NS, min(lasts_ns, DAY_NS)), size)


def unit_minutes(spacing: Spacing, bytes_a_second: float) -> int:
    """Minutes of a unit: a recording at least, and as many as make files of some hundred MB."""
    least = min(-(-(spacing.ns - SECOND_NS) // MINUTE_NS), UNIT_MINUTES[-1])  # names are rounded
    fitting = [
        minutes for minutes in UNIT_MINUTES if minutes >= least and minutes * 60 * bytes_a_second <= UNIT_BYTES
    ]  # fmt: skip
    return fitting[-1] if fitting else next(minutes for minutes in UNIT_MINUTES if minutes >= least)


def check_unit_minutes(minutes: int) -> None:
    """Raise OptionError where a day does not divide into units of so many minutes."""
    if minutes > 1440 or 1440 % minutes:
        raise OptionError(f"--unit-minutes {minutes}: give minutes that divide a day's 1440, such as 20 or 60")


def sound_units(
    recordings: DataFrame, rates: Mapping[Channel, float], minutes: int, spacing: Spacing, span_ns: tuple[int, int]
) -> DataFrame:
    """Units of a span (name, channel, start_ns, end_ns, rate, recordings, before, after) of recordings with times and channels.

    A unit is there where a recording begins in it, or may reach into it from before.
    """
    unit_ns = minutes * MINUTE_NS
    in_time = Window.partitionBy(CHANNEL).orderBy("start_ns", "s3key")
    this = F.struct(*OBJECT)
    longest = F.greatest(F.lit(spacing.ns), (F.col("size") / max(1, spacing.size) * spacing.ns).cast("long"), F.lit(MINUTE_NS))
    may_end = F.col("start_ns") + F.coalesce(longest, F.lit(spacing.ns)) * LONGEST_SPACINGS
    placed = (
        recordings.select(*CHANNEL, *OBJECT, this.alias("this"), may_end.alias("may_end"))
        .withColumn("previous", F.lag(F.struct("this", "may_end")).over(in_time))
        .withColumn("following", F.lead("this").over(in_time))
    )
    last = F.least(F.coalesce(F.col("following.start_ns"), F.col("may_end")), F.col("may_end")) - 1
    first_number, last_number = (_number(F.col("start_ns"), unit_ns), _number(F.greatest(last, F.col("start_ns")), unit_ns))
    touched = placed.withColumn("own_number", first_number).withColumn(
        "number", F.explode(F.sequence(first_number, last_number))
    )
    start, end = F.col("number") * unit_ns, (F.col("number") + 1) * unit_ns
    own = F.col("number") == F.col("own_number")
    reaches = F.when(F.col("previous.may_end") > start, F.col("previous.this"))
    grouped = (
        touched.where((start >= span_ns[0]) & (start < span_ns[1]))
        .withColumn("before_own", F.when(own, reaches))
        .groupBy(*CHANNEL, "number")
        .agg(
            F.sort_array(F.collect_list(F.when(own, F.struct("start_ns", "s3key", "this")))).alias("own"),
            F.min_by("before_own", F.when(own, F.struct("start_ns", "s3key"))).alias("before_own"),
            F.max_by("this", F.when(~own, F.struct("start_ns", "s3key"))).alias("reaching"),
            F.max_by("following", F.struct("start_ns", "s3key")).alias("following"),
        )
    )
    day = F.timestamp_seconds(_number(start, SECOND_NS))
    name = F.format_string(
        "%s/%s-%s", F.date_format(day, "'year='yyyy'/month='MM"), F.concat_ws(".", *CHANNEL),
        F.date_format(day, "yyyyMMdd'T'HHmm"),
    )  # fmt: skip
    pairs = [one for channel, rate in rates.items() for one in (F.lit(str(channel)), F.lit(float(rate)))]
    recordings_of = F.transform("own", lambda one: one["this"])
    return grouped.select(
        name.alias("name"),
        *CHANNEL,
        start.alias("start_ns"),
        end.alias("end_ns"),
        F.create_map(*pairs)[F.concat_ws(".", *CHANNEL)].alias("rate"),
        recordings_of.alias("recordings"),
        F.when(F.size("own") > 0, F.col("before_own")).otherwise(F.col("reaching")).alias("before"),
        F.when(F.col("following.start_ns") < end + DAY_NS, F.col("following")).alias("after"),
        F.to_date(day).alias("date"),
    )


def _number(instant: Column, unit_ns: int) -> Column:
    """How many whole units there are since 1970; not by a quotient alone, whose 53 bits end at some 200 ns."""
    return F.round((instant - F.pmod(instant, F.lit(unit_ns))) / unit_ns).cast("long")


def sound_days(units: DataFrame) -> DataFrame:
    """Days of units (name, channel, date, start_ns, end_ns, units)."""
    day_ns = F.unix_date("date").cast("long") * DAY_NS
    name = F.format_string(
        "%s/%s-%s", F.date_format("date", "'year='yyyy'/month='MM"), F.concat_ws(".", *CHANNEL),
        F.date_format("date", "yyyyMMdd"),
    )  # fmt: skip
    return (
        units.groupBy(*CHANNEL, "date")
        .agg(F.sort_array(F.collect_list("name")).alias("units"))
        .select(
            name.alias("name"), *CHANNEL, "date", day_ns.alias("start_ns"), (day_ns + DAY_NS).alias("end_ns"), "units"
        )  # fmt: skip
    )


def holes(recordings: DataFrame, spacing: Spacing, span_ns: tuple[int, int] | None) -> DataFrame:
    """Stretches of time without a recording (unit, channel, date, outcome, reason), each cut at midnights.

    Between two recordings of a channel that are more than one and a half times the usual spacing apart, or, after one that is
    longer than usual by its size, so much more; and, of a span that is asked for, before the first and after the last.
    """
    in_time = Window.partitionBy(CHANNEL).orderBy("start_ns", "s3key")
    followed = recordings.select(
        *CHANNEL, "s3key", "start_ns", "size",
        F.lag("s3key").over(in_time).alias("previous_key"),
        F.lead("start_ns").over(in_time).alias("next_ns"), F.lead("s3key").over(in_time).alias("next_key"),
    )  # fmt: skip
    ratio = F.col("size") / max(1, spacing.size)
    is_longer = (ratio > 1) & (F.lower("s3key").endswith(".wav") | (ratio > LONGER))
    lasts = F.when(is_longer, ratio * spacing.ns).otherwise(F.lit(spacing.ns)).cast("long")
    usual, late = F.col("start_ns") + lasts, spacing.ns * 3 // 2
    lo, hi = span_ns or (-(2**62), 2**62)
    last = F.coalesce("next_ns", F.lit(hi if span_ns else None).cast("long"))
    between = followed.where(last - usual > late - spacing.ns).select(
        *CHANNEL, usual.alias("first"), last.alias("last"), F.col("s3key").alias("one"), F.col("next_key").alias("other")
    )
    if span_ns:
        none = F.lit(None).cast("string")
        leading = followed.where(F.col("previous_key").isNull() & (F.col("start_ns") - lo > late - spacing.ns))
        between = between.unionByName(
            leading.select(*CHANNEL, F.lit(lo).alias("first"), F.col("start_ns").alias("last"), none.alias("one"),
                           F.col("s3key").alias("other"))
        )  # fmt: skip
    inside = between.select(
        *CHANNEL, "one", "other", F.greatest("first", F.lit(lo)).alias("first"), F.least("last", F.lit(hi)).alias("last")
    ).where("first < last")
    day = F.explode(F.sequence(_number(F.col("first"), DAY_NS), _number(F.col("last") - 1, DAY_NS)))
    of_day = inside.withColumn("day", day).select(
        *CHANNEL, "one", "other", F.date_from_unix_date(F.col("day").cast("int")).alias("date"),
        F.greatest("first", F.col("day") * DAY_NS).alias("first"), F.least("last", (F.col("day") + 1) * DAY_NS).alias("last"),
    )  # fmt: skip
    unit = F.format_string("%s/%s/%s", F.concat_ws(".", *CHANNEL), _instant("first"), _instant("last"))
    reason = F.concat(
        F.format_string("no recording for %.0f s", (F.col("last") - F.col("first")) / SECOND_NS),
        F.coalesce(F.concat(F.lit(", after "), "one"), F.lit("")),
        F.coalesce(F.concat(F.lit(", before "), "other"), F.lit("")),
    )
    return of_day.select(*CHANNEL, unit.alias("unit"), "date", F.lit("missing").alias("outcome"), reason.alias("reason"))


def _instant(column: str) -> Column:
    return F.date_format(F.timestamp_seconds(_number(F.col(column), SECOND_NS)), "yyyy-MM-dd'T'HH:mm:ss")
