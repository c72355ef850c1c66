"""The plan of indexing an archive: months of days, and batches of the objects that they name."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from seisbatch import sample
from seisbatch.acquire.objects import StoreSettings
from seisbatch.archives import ARCHIVES
from seisbatch.config import OptionError, day_range
from seisbatch.mongo.connect import MongoSettings
from seisbatch.names import ChannelPatterns
from seisbatch.options import NOT_PARAMETERS, IndexArchive
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.mongo import mongo_settings
from seisbatch.plan.stores import archive_store, layout_of, out_store
from seisbatch.plan.units import BatchPlan, Units
from seisbatch.steps.archive_index import ArchiveIndexSettings
from seisbatch.steps.object_segments import BATCHES, ObjectSegmentsSettings, plan_objects
from seisbatch.steps.spectra import ahead_bytes
from seisbatch.times import days_from, parse_day

RESULT_VERSION = 2
MONTHS = "name string, days array<date>"


@dataclass(frozen=True, kw_only=True)
class IndexRun(RunIdentity):
    """Everything that a run of index_archive does, resolved from its options."""

    job = "index_archive"

    options: IndexArchive
    is_sample: bool
    archive: StoreSettings
    start: dt.date
    end: dt.date
    mongo: MongoSettings | None

    @property
    def source(self) -> str:
        """The archive: indexes of other places never mix."""
        return self.archive.place

    @property
    def index(self) -> ArchiveIndexSettings:
        """Settings of the stage that reads or lists days."""
        return ArchiveIndexSettings(
            **self.names,
            archive=self.archive,
            layout=layout_of(self.options),
            channels=self.options.channels,
            unsettled_from=dt.datetime.now(dt.UTC).date() - dt.timedelta(days=self.options.settled_days),
        )

    @property
    def segments(self) -> ObjectSegmentsSettings:
        """Settings of the stage that scans objects."""
        return ObjectSegmentsSettings(
            **self.names,
            archive=self.archive,
            layout=layout_of(self.options),
            ahead_bytes=ahead_bytes(self.options.memory),
        )


def index_run(options: IndexArchive) -> IndexRun:
    """Resolve the options of index_archive; OptionError where they do not go together."""
    try:
        ChannelPatterns(options.channels)
        end = parse_day(options.end) if options.end else None
        start = parse_day(options.start) if options.start else None
    except ValueError as error:
        raise OptionError(str(error)) from None
    mongo = mongo_settings(options)
    if mongo and not ARCHIVES[layout_of(options)].DAY_INDEX_COLUMNS:
        raise OptionError(f"--mongo-uri: --archive {options.archive} has no index files, so there are no documents of them")
    days = options.days
    if start is None:
        if options.archive != "sample":
            raise OptionError(f"--archive {options.archive} needs --start, such as --start 2022-01-01")
        start, days = sample.DAYS[0], days or (None if end else len(sample.DAYS))
    if end is None and days is None:
        end = dt.datetime.now(dt.UTC).date()
    start, end = day_range(start, days, end)
    values = options.model_dump()
    parameters = {
        key: values[key] for key in values.keys() - NOT_PARAMETERS - {"start", "end", "days", "settled_days", "segments"}
    }
    return IndexRun(
        options=options,
        is_sample=options.archive == "sample" and options.root is None,
        archive=archive_store(options),
        start=start,
        end=end,
        mongo=mongo,
        out=out_store(options),
        parameters=parameters | {"result_version": RESULT_VERSION},
    )


def index_plan(spark: SparkSession, run: IndexRun) -> BatchPlan:
    """One batch a month."""
    days = days_from(run.start, run.end)
    months = [
        {"name": f"year={year:04d}/month={month:02d}/index", "days": list(of_month)}
        for (year, month), of_month in itertools.groupby(days, key=lambda day: (day.year, day.month))
    ]
    told = [("days", f"{len(days):,} from {run.start} on"), ("tasks", f"{len(months):,} months")]
    told += priced(run_cost(len(months), 1e6, len(months)) + Cost(gets=len(days)), is_small=True)
    if run.mongo:
        told.append(("documents", f"one an index file, in MongoDB's database {run.mongo.database}"))
    return BatchPlan(
        batches=Units("day", spark.createDataFrame(months, MONTHS), len(months), len(days) + len(months)),
        planned={"day": len(days), "batch": len(months)},
        told=told,
    )


def segments_plan(plan: BatchPlan, run: IndexRun) -> BatchPlan:
    """Batches of the objects that the index, which is there by now, names; beside what was planned before."""
    batches: DataFrame = plan.batches.frame.mapInArrow(functools.partial(plan_objects, run.out), from_arrow_schema(BATCHES))
    batches = batches.persist()
    counted = batches.agg(F.count("*"), F.sum(F.size("objects"))).first()
    n_batches, n_objects = (int(value or 0) for value in counted) if counted else (0, 0)
    return BatchPlan(
        batches=Units("object", batches, n_batches, n_objects + n_batches),
        planned=plan.planned | {"object": n_objects, "batch": plan.planned["batch"] + n_batches},
        told=[("objects", f"{n_objects:,}, whose headers are read"), ("tasks", f"{n_batches:,} batches")],
    )
