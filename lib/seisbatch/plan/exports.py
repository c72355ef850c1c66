"""The plan of exports: from the row groups of wf_TimeSeries to batches of windows, channels or files, keys only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.config import OptionError
from seisbatch.mongo.uri import is_mongo_uri
from seisbatch.names import ChannelPatterns
from seisbatch.options import NOT_PARAMETERS, ExportWaveforms
from seisbatch.outcome import RunError
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.estimate import OBJECT_BYTES_A_SAMPLE
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.stores import out_store, store_settings
from seisbatch.plan.units import BatchPlan, Units
from seisbatch.schema import EXPORT_PARTS, WF_TIME_SERIES
from seisbatch.sinks.manifest import complete_manifest
from seisbatch.steps.exports import ExportSettings, SegmentSelection, read_parts
from seisbatch.steps.station_tables import StationRowsPlace, StationTableFiles
from seisbatch.times import parse_instant

RESULT_VERSION = 1
BATCH_SAMPLES = 64_000_000
"""Samples of a batch: some 100 MB of miniSEED, 256 MB of SAC."""
SEGMENT_SAMPLES = 4096
"""What a segment counts beside its samples: a batch has no more than some 16,000 of them."""
FILES_A_TASK = 16
PLACES = frozenset(("waveforms", "stations_table"))


@dataclass(frozen=True, kw_only=True)
class ExportsRun(RunIdentity):
    """Everything that a run of export_waveforms does, resolved from its options."""

    job = "export_waveforms"

    options: ExportWaveforms
    waveforms: StoreSettings
    stations: StationRowsPlace | None
    selection: SegmentSelection
    n_files: int

    @property
    def source(self) -> str:
        """Where the data come from: results of other places never mix."""
        return " ".join(store.place for store in (self.waveforms, self.stations) if store)

    @property
    def exports(self) -> ExportSettings:
        """Settings of the stage that exports."""
        return ExportSettings(
            **self.names,
            waveforms=self.waveforms,
            stations=self.stations,
            selection=self.selection,
            group=self.options.group,
            to=self.options.format,
        )


def exports_run(options: ExportWaveforms) -> ExportsRun:
    """Resolve the options of export_waveforms.

    Raises OptionError where they do not go together, RunError where what another job wrote is not whole.
    """
    place = functools.partial(
        store_settings, endpoint=options.source_endpoint, region=options.source_region, anonymous=options.anonymous
    )
    waveforms, out = place(options.waveforms), out_store(options)
    if (waveforms.root, waveforms.endpoint) == (out.root, out.endpoint):
        raise OptionError(f"--out {options.out} is where the waveforms are: choose another place for the files")
    if options.format != "mseed" and options.group != "window":
        raise OptionError(f"--group {options.group} goes with --format mseed, not with {options.format}")
    if options.format == "mseed" and options.stations_table:
        raise OptionError("--stations-table goes with --format sac or asdf: miniSEED has no room for it")
    selection = _selection(options)
    manifest = complete_manifest(open_store(waveforms), "cut_windows", "extract_events", "remove_response")
    stations, made_of = _stations(options, place)
    made = {"waveforms": manifest["parameters"]} | made_of
    chosen = {key: value for key, value in options.model_dump().items() if key not in NOT_PARAMETERS | PLACES}
    return ExportsRun(
        parameters=chosen | made | {"result_version": RESULT_VERSION},
        options=options,
        waveforms=waveforms,
        stations=stations,
        out=out,
        selection=selection,
        n_files=manifest["tables"].get(WF_TIME_SERIES.name, {}).get("files", 0),
    )


def _stations(
    options: ExportWaveforms, place: Callable[[str], StoreSettings]
) -> tuple[StationRowsPlace | None, dict[str, Any]]:
    """Where stations are looked up, if they are, and what they are made of, as a parameter."""
    if options.stations_table is None:
        return None, {}
    if is_mongo_uri(options.stations_table):
        from seisbatch.plan.mongo import mongo_station_rows

        documents = mongo_station_rows(options.stations_table)
        return documents, {"stations_table": documents.place}
    store = place(options.stations_table)
    return StationTableFiles(store), {"stations_table": complete_manifest(open_store(store), "load_stations")["parameters"]}


def _selection(options: ExportWaveforms) -> SegmentSelection:
    try:
        ChannelPatterns(options.channels)
        start, end = (None if text is None else parse_instant(text) for text in (options.start, options.end))
    except ValueError as error:
        raise OptionError(str(error)) from None
    if start is not None and end is not None and end <= start:
        raise OptionError(f"--end {options.end} is not after --start {options.start}")
    source_ids = frozenset(word.strip() for word in (options.source_ids or "").split(",") if word.strip())
    return SegmentSelection(options.channels, source_ids, options.data_tag, start, end)


class SegmentsRun(Protocol):
    """A run over segments that other jobs wrote."""

    @property
    def waveforms(self) -> StoreSettings: ...
    @property
    def n_files(self) -> int: ...
    @property
    def exports(self) -> ExportSettings: ...


def exports_plan(spark: SparkSession, run: SegmentsRun) -> BatchPlan:
    """Cut what is selected into batches, month by month.

    Raises OptionError where nothing is, RunError where the table lacks files that its manifest counts.
    """
    table = open_store(run.waveforms).list_versions(f"{WF_TIME_SERIES.name}/")
    files = [(item.key, item.version) for item in table if item.key.endswith(".parquet")]
    if len(files) != run.n_files:
        raise RunError(
            f"{run.waveforms.root}/{WF_TIME_SERIES.name} has {len(files)} files, its manifest counts {run.n_files}: "
            f"the table is not whole"
        )
    keys = spark.createDataFrame(files, "s3key string, version string").repartition(max(1, len(files) // FILES_A_TASK))
    parts = keys.mapInArrow(functools.partial(read_parts, run.exports), EXPORT_PARTS.spark()).persist()
    of_group = F.collect_list(F.struct("s3key", "row_group", "version")).alias("parts")
    sums = F.sum("rows").alias("rows"), F.sum("samples").alias("samples"), F.min("first").alias("first")
    groups = parts.where("outcome IS NULL").groupBy("month", "label").agg(*sums, of_group)
    before = Window.partitionBy("month").orderBy("first", "label").rowsBetween(Window.unboundedPreceding, -1)
    cost = F.sum(F.col("samples") + SEGMENT_SAMPLES * F.col("rows")).over(before)
    number = F.floor(F.coalesce(cost, F.lit(0)) / BATCH_SAMPLES).cast("int")
    name = F.format_string("%s/export-%05d", "month", number).alias("name")
    batches = (
        groups.select(name, "first", "label", "rows", "samples", "parts")
        .groupBy("name")
        .agg(
            F.sort_array(F.collect_list(F.struct("first", "label", "rows"))).alias("groups"),
            F.array_sort(F.array_distinct(F.flatten(F.collect_list("parts")))).alias("parts"),
            F.sum("samples").alias("samples"),
        )
        .persist()
    )
    totals = (F.count("*"), F.sum(F.size("groups")), F.sum("samples"))
    n_batches, n_groups, n_samples = (int(value or 0) for value in batches.agg(*totals).first() or (0, 0, 0))
    problems = parts.where("outcome IS NOT NULL").select(
        F.lit("table-file").alias("kind"),
        F.col("s3key").alias("unit"),
        F.lit(None).cast("date").alias("date"),
        "outcome",
        "reason",
    )
    unread = problems.select("unit", "reason").collect()
    if not n_groups:
        what = f"--waveforms {run.waveforms.root} has no segment that is selected"
        raise OptionError("\n  ".join([what, *(row["reason"] for row in unread[:3])]))
    kind = run.exports.kind
    return BatchPlan(
        batches=Units(kind, batches, n_batches, n_groups + n_batches),
        planned={kind: n_groups, "batch": n_batches} | ({"table-file": len(unread)} if unread else {}),
        told=[
            (f"{kind}s", f"{n_groups:,}"),
            ("samples", f"{n_samples:,} in {len(files):,} files of the table"),
            ("tasks", f"{n_batches:,} batches of up to {BATCH_SAMPLES // 1_000_000} million samples, or a single {kind}"),
            *priced(exports_cost(n_samples, n_groups, n_batches, len(files), run.exports.to), is_small=True),
        ],
        problems=problems if unread else None,
    )


def exports_cost(n_samples: int, n_groups: int, n_batches: int, n_files: int, to: str) -> Cost:
    """Of segments that are read, decoded and written as files, one a window, a channel and month, or a file of the table."""
    out_bytes = n_samples * (OBJECT_BYTES_A_SAMPLE if to == "mseed" else 4)
    return run_cost(n_groups + n_batches, out_bytes / max(1, n_groups), n_batches) + Cost(
        work={"decode_mb": 2 * OBJECT_BYTES_A_SAMPLE * n_samples / 1e6},
        gets=2 * n_files + n_batches,
        read_bytes=OBJECT_BYTES_A_SAMPLE * n_samples,
    )
