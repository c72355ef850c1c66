"""A load: the tables of complete outputs, file by file, and the documents that MongoDB has of them in the end."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.config import OptionError, parameters_id
from seisbatch.mongo.check_documents import check_documents
from seisbatch.mongo.connect import Document, MongoSettings, connected
from seisbatch.mongo.indexes import make_indexes
from seisbatch.mongo.load_documents import JOB, LoadSettings, make_documents, schema_of
from seisbatch.mongo.normalising_documents import NORMALISING
from seisbatch.mongo.storage import GRIDFS
from seisbatch.mongo.table_documents import Output
from seisbatch.options import LoadMongo
from seisbatch.outcome import RunError
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.mongo import mongo_settings
from seisbatch.plan.mongo_connector import write_documents
from seisbatch.plan.stores import out_store, store_settings
from seisbatch.plan.units import BatchPlan, Units
from seisbatch.progress import Progress
from seisbatch.schema import CCF, CEMETERY, CHANNEL, INDEX, OUTCOMES, SITE, SOURCE, STACK, WF_MINISEED, WF_TIME_SERIES
from seisbatch.sinks.manifest import claimed_source, complete_manifest

if TYPE_CHECKING:
    from pymongo.database import Database

    from seisbatch.app import App

log = logging.getLogger("seisbatch")

RESULT_VERSION = 1
JOBS = (
    *("cut_windows", "extract_events", "remove_response", "load_catalog", "load_stations", "index_archive"),
    *("cross_correlate", "stack_ccfs"),
)
"""Whose outputs are loaded."""
GROWING = "index_archive"
"""Whose manifest counts what its last run wrote, not what is there."""
COLLECTIONS = tuple(
    table.name for table in (SOURCE, SITE, CHANNEL, WF_TIME_SERIES, CEMETERY, CCF, STACK, INDEX, WF_MINISEED, OUTCOMES)
)
"""In the order in which they are loaded: what others refer to comes first."""
FOLDER = "load_mongo"
"""Where, beside the tables, the account of a load goes."""
IN_GRIDFS = "fs.files", "fs.chunks", CEMETERY.name
"""What samples in GridFS are written to besides: those that cannot be read are data that are dead."""
UNITS = pa.schema([("collection", pa.string()), ("output", pa.int32()), ("key", pa.string())])


@dataclass(frozen=True, kw_only=True)
class LoadRun(RunIdentity):
    """Everything that a load does, resolved from its options."""

    job = JOB

    outputs: tuple[Output, ...]
    files: tuple[tuple[str, int, str], ...]
    """Collection, number of the output, and key of each file."""
    rows: dict[tuple[str, int], int]
    """What the manifests count, by collection and output, where that is all that there is."""
    mongo: MongoSettings
    samples: str
    connections: int

    @property
    def parameters_id(self) -> str:
        """Of no parameter: the account of a load takes the place of the one before, and nothing of two can mix."""
        return parameters_id({"result_version": RESULT_VERSION})

    @property
    def source(self) -> str:
        return ""

    @property
    def settings(self) -> LoadSettings:
        """Settings of the stages that make documents, and that check what the server has."""
        return LoadSettings(run_id=self.run_id, job=self.job, outputs=self.outputs, mongo=self.mongo, samples=self.samples)

    @property
    def collections(self) -> list[str]:
        """What is loaded, in order."""
        there = {collection for collection, _, _ in self.files}
        return [name for name in COLLECTIONS if name in there]


def load_run(options: LoadMongo, outs: Sequence[StoreSettings] | None = None) -> LoadRun:
    """Resolve the options of load_mongo; the outputs that are loaded may be given as stores.

    Raises OptionError where they do not go together, RunError where an output is not whole.
    """
    mongo = mongo_settings(options)
    if mongo is None:
        raise OptionError("--mongo-uri is needed: mongodb://host:27017, or env for that of the environment")
    stores = list(outs or _stores(options))
    if options.anonymous and options.out == "auto":
        raise OptionError("--out is needed with --anonymous: where the account of the load goes")
    wanted = _wanted(options.only)
    outputs, files, rows = [], [], {}
    for number, settings in enumerate(stores):
        store = open_store(settings)
        manifest = complete_manifest(store, *JOBS)
        outputs.append(Output(settings, manifest["run_id"], manifest["job"], claimed_source(store)))
        for name in wanted:
            table = CHANNEL.name if name == SITE.name else name  # a site has the place of one of its channels
            told = manifest["tables"].get(table, {"files": 0, "rows": 0})
            keys = [key for key, _ in store.list(f"{table}/") if key.endswith(".parquet")]
            if manifest["job"] != GROWING and len(keys) != told["files"]:
                raise RunError(
                    f"{settings.root}/{table} has {len(keys)} files, its manifest counts {told['files']}: it is not whole"
                )
            files += [(name, number, key) for key in keys]
            if keys and manifest["job"] != GROWING and name != SITE.name:
                rows[name, number] = told["rows"]
    if not files:
        roots = ", ".join(settings.root for settings in stores)
        raise OptionError(f"--only {options.only or 'all'}: {roots} has no such table")
    return LoadRun(
        outputs=tuple(outputs),
        files=tuple(files),
        rows=rows,
        mongo=mongo,
        samples=options.samples,
        connections=options.connections,
        out=out_store(options) if options.out != "auto" else _beside(stores[0]),
        parameters={
            "tables": [output.run_id for output in outputs],
            "only": options.only or "all",
            "samples": options.samples,
            "mongo_database": mongo.database,
            "result_version": RESULT_VERSION,
        },
    )


def _stores(options: LoadMongo) -> list[StoreSettings]:
    roots = [word.strip() for word in options.tables.split(",") if word.strip()]
    settings = [
        store_settings(root, options.source_endpoint, options.source_region, options.anonymous) for root in dict.fromkeys(roots)
    ]
    if not settings:
        raise OptionError("--tables is needed: the --out of runs of other jobs, comma separated")
    return settings


def _wanted(only: str | None) -> list[str]:
    if only is None:
        return list(COLLECTIONS)
    words = {word.strip() for word in only.split(",")}
    if unknown := sorted(words - set(COLLECTIONS)):
        raise OptionError(f"--only {', '.join(unknown)}: tables that are loaded are {', '.join(COLLECTIONS)}")
    return [name for name in COLLECTIONS if name in words]


def _beside(store: StoreSettings) -> StoreSettings:
    return replace(store, root=f"{store.root.rstrip('/')}/{FOLDER}", anonymous=False)


def require_server(mongo: MongoSettings) -> None:
    """RunError where MongoDB does not answer: before Spark is started, and before there is anything to load."""
    with connected(mongo):
        pass


def load_plan(spark: SparkSession, run: LoadRun) -> BatchPlan:
    """One unit a file of a table."""
    files = pa.table(dict(zip(UNITS.names, zip(*run.files, strict=True), strict=True)), schema=UNITS)
    units = Units("table-file", spark.createDataFrame(files), len(run.files), len(run.files))
    n_rows = sum(run.rows.values())
    return BatchPlan(
        batches=units,
        planned={"table-file": len(run.files)},
        told=[
            (
                "tables",
                f"{', '.join(run.collections)}: {len(run.files):,} files of {len(run.outputs)} outputs, {n_rows:,} rows",
            ),
            ("into", f"MongoDB's database {run.mongo.database}, over {run.connections} connections at most"),
            ("samples", "put into GridFS" if run.samples == GRIDFS else "left where they are"),
            *priced(run_cost(1, 1e6, 0) + Cost(gets=3 * len(run.files), work={"table_krows": n_rows / 1e3}), is_small=True),
        ],
    )


def load(app: App, run: LoadRun, plan: BatchPlan) -> None:
    """Write the documents of every table, then account for each row by what the server has.

    All is written again, whatever is there: a server that ended may have lost what it had acknowledged.
    Raises RunError where MongoDB does not answer, or refuses a document.
    """
    units = plan.batches.frame.persist()
    with connected(run.mongo) as database:
        make_indexes(database, [*run.collections, *(IN_GRIDFS if run.samples == GRIDFS else ())])
        before = _there_already(run, database, units)
        for name in run.collections:
            write_table(run, app.spark, units, name, all_new=not before.get(name))
    checked = app.run(check_documents, run.settings, plan.batches, at_most=run.connections)
    _refuse_changed(run, checked)
    found = _counted(checked)
    counts = {name: {"documents": found[name], "new": max(0, found[name] - before.get(name, 0))} for name in run.collections}
    app.finish(run, plan, documents={"database": run.mongo.database, "collections": counts})


def _there_already(run: LoadRun, database: Database[Document], units: DataFrame) -> dict[str, int]:
    """How many of the documents that are going to be written are there, by collection."""
    filled = [name for name in run.collections if database[name].estimated_document_count()]
    if not filled:
        return {}
    log.info("looking which documents are there already")
    some = units.where(F.col("collection").isin(filled)).coalesce(1).repartition(run.connections)
    return _counted(some.mapInArrow(functools.partial(check_documents, run.settings), OUTCOMES.spark()))


def _counted(outcomes: DataFrame) -> dict[str, int]:
    """Documents that the server has, by collection."""
    files = outcomes.where("kind = 'table-file'")
    counts = files.groupBy(F.split("s3key", "/")[0].alias("collection")).agg(F.sum("windows").alias("documents")).collect()
    return {row["collection"]: row["documents"] for row in counts}


def write_table(run: LoadRun, spark: SparkSession, units: DataFrame, collection: str, *, all_new: bool) -> None:
    """Write the documents of a collection, in no more tasks than may write at once."""
    done = spark.sparkContext.accumulator(0)
    make = functools.partial(make_documents, run.settings, collection, functools.partial(done.add, 1))
    n_files = sum(name == collection for name, _, _ in run.files)
    keys = units.where(F.col("collection") == collection).coalesce(1)
    if collection not in NORMALISING:  # of those one task, so that the order is that of the files
        keys = keys.repartition(min(n_files, run.connections))
    frame = keys.mapInArrow(make, from_arrow_schema(schema_of(collection)))
    with Progress(f"{collection}: files", n_files, lambda: done.value, lambda: 0):
        write_documents(frame, run.mongo, collection, run.connections, all_new=all_new)


def _refuse_changed(run: LoadRun, checked: DataFrame) -> None:
    """RunError where a table, all of whose rows have their document, has other rows than its manifest counts."""
    table = F.split("s3key", "/")[0].alias("collection")
    root = F.col("unit").substr(F.lit(1), F.length("unit") - F.length("s3key") - 1).alias("root")
    files = checked.where("kind = 'table-file'").groupBy(table, root)
    found = files.agg(F.sum("windows_planned").alias("rows"), F.bool_and(F.col("outcome") == "ok").alias("whole")).collect()
    counted = {(name, run.outputs[number].store.root): rows for (name, number), rows in run.rows.items()}
    for row in found:
        expected = counted.get((row["collection"], row["root"]))
        if row["whole"] and expected is not None and row["rows"] != expected:
            raise RunError(
                f"{row['root']}/{row['collection']} has {row['rows']} rows, its manifest counts {expected}: it was changed"
            )
