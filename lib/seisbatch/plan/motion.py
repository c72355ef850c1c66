"""A run of remove_response: options resolved to samples and to what becomes of them, and its plan of channel-days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from seisbatch.acquire.objects import StoreSettings
from seisbatch.archives import ARCHIVES
from seisbatch.config import OptionError
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.oneshot.requests import Request
from seisbatch.options import NOT_PARAMETERS, RemoveResponse
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.days import days_of
from seisbatch.plan.estimate import OBJECT_BYTES_A_SAMPLE, size
from seisbatch.plan.exports import exports_plan
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.memory import motion_bytes
from seisbatch.plan.motion_requests import read_requests, requests_plan
from seisbatch.plan.motion_rows import MotionRowsRun, motion_rows_run
from seisbatch.plan.processing import motion_of
from seisbatch.plan.stores import archive_stations, archive_store, index_table, layout_of, out_store, with_places
from seisbatch.plan.units import BatchPlan, Step, Units
from seisbatch.report.waveforms import parse_plot
from seisbatch.steps.ground_motion import Motion, SpanNs
from seisbatch.steps.index_table import IndexPlace
from seisbatch.steps.motion import write_motion
from seisbatch.steps.motion_objects import MotionSettings
from seisbatch.steps.motion_requests import write_requests
from seisbatch.steps.spectra import ahead_bytes
from seisbatch.steps.stations import Stations
from seisbatch.times import DAY_NS, DAY_SECONDS, days_from, parse_instant, to_datetime

if TYPE_CHECKING:
    from seisbatch.app import App

RESULT_VERSION = 1
BATCH_SAMPLES = 64_000_000
"""Samples of a batch: some 256 MB of float32."""
RECORDS_BYTES = {"float32": 12, "float64": 24}
"""A sample that is held with its records, which are joined."""
LEAST_SAMPLES = 125_000
"""What a channel-day counts at least: a batch has no more than some 500 of them."""
FLOAT64_TIMES = 2.0
"""As long as float32, of which the rate is, takes the removal of a response in float64: transforms of twice the bytes."""
USUAL_RATE = 100.0
"""Where neither an index nor a listing tells a channel-day's size."""

ALL_CHANNELS = "*.*.*.*"

CHANNEL = list(Channel._fields)


@dataclass(frozen=True, kw_only=True)
class MotionRun(RunIdentity):
    """Everything that a run of remove_response does, resolved from its options."""

    job = "remove_response"

    options: RemoveResponse
    is_sample: bool
    layout: str
    archive: StoreSettings
    stations: Stations
    index_table: IndexPlace | None
    start: dt.date
    end: dt.date
    span: SpanNs | None
    of_samples: Motion
    requests: tuple[Request, ...] = ()

    @property
    def source(self) -> str:
        """Where the data come from: results of other places never mix."""
        return self.archive.place

    @property
    def channels(self) -> str:
        """Patterns of the channels that are wanted."""
        return self.options.channels

    @property
    def step(self) -> Step:
        """What is done with a batch."""
        return write_requests if self.requests else write_motion

    @property
    def motion(self) -> MotionSettings:
        """Settings of that step."""
        return MotionSettings(
            **self.names,
            archive=self.archive,
            layout=self.layout,
            stations=self.stations,
            motion=self.of_samples,
            span=self.span,
            to=self.options.format,
            data_tag=self.options.data_tag,
            ahead_bytes=ahead_bytes(self.options.memory),
        )


def motion_run(options: RemoveResponse) -> MotionRun | MotionRowsRun:
    """Resolve the options of remove_response; OptionError where they do not go together."""
    layout = layout_of(options)
    try:
        patterns = ChannelPatterns(options.channels)
        parse_plot(options.plot)
        of_samples = motion_of(options)
        span = _span(options)
    except ValueError as error:
        raise OptionError(str(error)) from None
    if options.waveforms:
        return motion_rows_run(options, of_samples, span)
    if options.request:
        return _requests_run(options, of_samples, span)
    if ARCHIVES[layout].HOLDS != "channel-day" and options.index is None and patterns.named_at("XX", "X") is None:
        raise OptionError(
            f"--archive {options.archive}: its objects hold whole stations: name locations and channels, such as "
            "--channels 'IU.*.00.BHZ', or give --index, which index_archive --segments made"
        )
    start, end = _days(options, span)
    days = {"start": start.isoformat(), "end": end.isoformat(), "days": (end - start).days}
    return _run(options, of_samples, days, start=start, end=end, span=span)


def _requests_run(options: RemoveResponse, of_samples: Motion, span: SpanNs | None) -> MotionRun:
    if span or options.start or options.days or options.end:
        raise OptionError("--request names its own times: leave out --start, --days, --end, --window-start and --window-end")
    if options.channels != ALL_CHANNELS or options.index is not None:
        raise OptionError("--request names its own channels, and reads their days whole: leave out --channels and --index")
    assert options.request is not None
    requests = tuple(read_requests(options.request))
    days = [day for request in requests for day in request.days]
    told = {"request": [f"{request} {request.to or options.format}" for request in requests]}
    return _run(options, of_samples, told, start=min(days), end=max(days), span=None, requests=requests)


def _run(options: RemoveResponse, of_samples: Motion, parameters: Mapping[str, Any], **more: Any) -> MotionRun:
    chosen = {key: value for key, value in options.model_dump().items() if key not in NOT_PARAMETERS}
    return MotionRun(
        options=options,
        is_sample=options.archive == "sample" and options.root is None,
        layout=layout_of(options),
        archive=archive_store(options),
        stations=archive_stations(options),
        index_table=index_table(options),
        out=out_store(options),
        of_samples=of_samples,
        parameters={**with_places(chosen), **parameters, "result_version": RESULT_VERSION},
        **more,
    )


def _span(options: RemoveResponse) -> SpanNs | None:
    if options.window_start is None and options.window_end is None:
        return None
    first = parse_instant(options.window_start) if options.window_start else -(2**63)
    last = parse_instant(options.window_end) if options.window_end else 2**63 - 1
    if last <= first:
        raise ValueError(f"--window-end {options.window_end} is not after --window-start {options.window_start}")
    return first, last


def _days(options: RemoveResponse, span: SpanNs | None) -> tuple[dt.date, dt.date]:
    """The days that are asked for: those of the window, where no others are."""
    start, days, end = options.start, options.days, options.end
    if span and start is None and options.window_start:
        start = to_datetime(span[0]).date().isoformat()
        if days is None and end is None and options.window_end:
            end = (to_datetime(span[1] - 1).date() + dt.timedelta(days=1)).isoformat()
    first, last = days_of(options.archive, start, days, end)
    if span:
        first = max(first, to_datetime(span[0]).date()) if options.window_start else first
        last = min(last, to_datetime(span[1] - 1 + DAY_NS).date()) if options.window_end else last
        if last <= first:
            raise OptionError("the days that are asked for are outside of --window-start to --window-end")
    return first, last


def motion_plan(app: App, run: MotionRun | MotionRowsRun) -> BatchPlan:
    """The commit units of a run; OptionError where nothing is selected."""
    if isinstance(run, MotionRowsRun):
        run.stations.require()
        return exports_plan(app.spark, run)
    if run.requests:
        app.prepare(is_sample=run.is_sample, stores=[run.archive], stations=run.stations)
        return requests_plan(app.spark, run.requests)
    return days_plan(app.index(run, days_from(run.start, run.end), by_channel=True), run)


def days_plan(index: DataFrame, run: MotionRun) -> BatchPlan:
    """Cut the channel-days of an index (rows of ``CHANNEL_DAY``) into batches of much the same size, month by month.

    Those of one object stay together. Raises OptionError where nothing is selected.
    """
    days = index.persist()
    named, problems = days.where("outcome IS NULL"), days.where("outcome IS NOT NULL")
    samples = F.coalesce(F.col("sample_rate") * DAY_SECONDS, "size", F.lit(USUAL_RATE * DAY_SECONDS))
    row = F.struct(*CHANNEL, "unit", "date", "s3key", "lat", "lon", "etag", "pieces")
    objects = named.groupBy("date", "s3key").agg(
        F.sort_array(F.collect_list(row)).alias("rows"), F.sum(F.greatest(samples, F.lit(LEAST_SAMPLES))).alias("samples")
    )
    month = F.date_format("date", "'year='yyyy'/month='MM")
    before = Window.partitionBy(month).orderBy("date", "s3key").rowsBetween(Window.unboundedPreceding, -1)
    number = F.floor(F.coalesce(F.sum("samples").over(before), F.lit(0)) / BATCH_SAMPLES).cast("int")
    batches = (
        objects.withColumn("name", F.format_string("%s/motion-%05d", month, number))
        .groupBy("name")
        .agg(F.flatten(F.transform(F.array_sort(F.collect_list(F.struct("date", "s3key", "rows"))), lambda of: of["rows"]))
             .alias("channel_days"))
        .persist()
    )  # fmt: skip
    counted = batches.agg(F.count("*"), F.sum(F.size("channel_days"))).first()
    n_batches, n_days = (int(value or 0) for value in counted) if counted else (0, 0)
    sums = named.agg(F.sum(samples), F.max(samples), F.sum("size")).first()
    n_samples, n_largest, n_listed = (float(value or 0) for value in sums) if sums else (0.0, 0.0, 0.0)
    if not n_days:
        reasons = [row["reason"] for row in problems.select("reason").limit(3).collect()]
        what = f"no channel-day matches --channels {run.channels} from {run.start} up to {run.end} in {run.archive.root}"
        raise OptionError("\n  ".join([what, *reasons]))
    n_problems = problems.count()
    needed = motion_bytes(n_largest, run.of_samples.removal, run.options.memory)
    if run.options.format == "mseed":  # an object is put together in memory: of a station-day all of its channels
        widest = objects.agg(F.max("samples")).first()
        needed += int(RECORDS_BYTES[run.of_samples.removal.precision] * (float(widest[0] or 0) - n_largest if widest else 0.0))
    if needed > run.options.memory:
        raise OptionError(
            f"--memory {size(run.options.memory)}: a channel-day of {n_largest / DAY_SECONDS:g} Hz needs about {size(needed)} "
            "a worker; give at least that, or --pre-filt, --precision float32 or --format parquet, or leave such channels out"
        )
    return BatchPlan(
        batches=Units("channel-day", batches, n_batches, n_days + n_batches),
        planned={"channel-day": n_days + n_problems, "batch": n_batches},
        told=[
            ("channel-days", f"{n_days:,} from {run.start} up to {run.end}"),
            ("tasks", f"{n_batches:,} batches"),
            ("to read", f"about {size(n_listed or OBJECT_BYTES_A_SAMPLE * n_samples)}"),
            (
                "output",
                f"up to {size(_output_bytes(run, n_samples))}, {run.of_samples.removal.precision}, {run.options.format}",
            ),
            ("memory", f"at most {size(needed)} a worker of {size(run.options.memory)} allowed"),
            *priced(motion_cost(run, n_days, n_batches, n_samples, n_listed or OBJECT_BYTES_A_SAMPLE * n_samples)),
        ],
        problems=problems if n_problems else None,
    )


def motion_cost(run: MotionRun, n_days: int, n_batches: int, n_samples: float, read_bytes: float) -> Cost:
    """Of channel-days: decoded, their response removed, written; further filters and other rates are not counted."""
    out_bytes = _output_bytes(run, n_samples)
    times = FLOAT64_TIMES if run.of_samples.removal.precision == "float64" else 1.0
    files = n_days if run.options.format == "mseed" else n_batches
    return run_cost(files, out_bytes / max(1, files), n_batches) + Cost(
        work={
            "decode_mb": read_bytes / 1e6,
            "response_msamples": times * n_samples / 1e6,
            "table_mb": out_bytes / 1e6,
        },
        gets=(run.end - run.start).days + n_days,
        read_bytes=read_bytes,
    )


def _output_bytes(run: MotionRun, n_samples: float) -> float:
    """Of the samples that a window leaves, at the rates that they are recorded with: a lower one leaves fewer."""
    item = 8 if run.of_samples.removal.precision == "float64" and run.options.format != "sac" else 4
    days = (run.end - run.start).days
    share = 1.0 if run.span is None else min(1.0, (run.span[1] - run.span[0]) / (days * DAY_NS))
    return item * share * n_samples
