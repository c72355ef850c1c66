"""What every job shares: the session, the claim on the output, stages with progress, reconciliation, the manifest."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.accumulators import Accumulator
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from seisbatch import sample
from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.archives.layout import lists_years
from seisbatch.config import EXIT_USAGE, OptionError, options_of
from seisbatch.outcome import RETRIED, Outcome, RunError, UnitError, plural
from seisbatch.plan.cost import CostLine
from seisbatch.plan.estimate import size
from seisbatch.plan.units import Units
from seisbatch.progress import Progress, duration
from seisbatch.report.collect import OBJECTS, RunFacts, read_outcomes, reconcile, remove_strangers, write_report
from seisbatch.schema import CEMETERY, CHANNEL_DAY, FILES, OUTCOMES
from seisbatch.sinks.manifest import MANIFEST_KEY, abandon, claim, write_json
from seisbatch.steps.index import IndexSettings, read_indexes
from seisbatch.steps.index_table import IndexPlace
from seisbatch.steps.memory import settle
from seisbatch.steps.outcomes import OutcomesSettings, write_outcomes
from seisbatch.steps.stations import Stations

log = logging.getLogger("seisbatch")

EXIT_RUN = 1
EXIT_BAD_UNITS = 3

TASKS_A_CORE = 16
UNITS_A_TASK = 2
"""At least, once every core has a task: a Python worker takes some 0.2 s from one task to the next."""
EVENLY_SPREAD_UNITS = 20_000
INDEX_DAYS_A_TASK = 8
YEAR_DAYS = 366
EPOCH = dt.date(1970, 1, 1)

_denied: Counter[str] = Counter()
"""Units of a run that this worker was denied."""

Settings = TypeVar("Settings")
Step = Callable[[Settings, Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class Run(Protocol):
    """What the shared part needs to know of any run."""

    @property
    def out(self) -> StoreSettings: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def parameters_id(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def scratch(self) -> str: ...
    @property
    def metadata(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def source(self) -> str: ...


class ArchiveRun(Run, Protocol):
    """A run that reads an archive's index."""

    @property
    def is_sample(self) -> bool: ...
    @property
    def archive(self) -> StoreSettings: ...
    @property
    def stations(self) -> Stations | None: ...
    @property
    def layout(self) -> str: ...
    @property
    def channels(self) -> str: ...
    @property
    def index_table(self) -> IndexPlace | None: ...


class Plan(Protocol):
    """What is planned: how many units of each kind, and the problems that planning already met.

    Problems are units with an outcome and a reason; channel-days, unless a column ``kind`` says otherwise.
    """

    @property
    def problems(self) -> DataFrame | None: ...
    @property
    def planned(self) -> dict[str, int]: ...
    def lines(self) -> list[tuple[str, str]]: ...


class App:
    """One run of one job."""

    def __init__(self, job: str, max_bad_fraction: float, max_denied: int, *, writes_documents: bool = False) -> None:
        self.job = job
        self.max_bad_fraction = max_bad_fraction
        self.max_denied = max_denied
        self.exit_code = 0
        self._started = dt.datetime.now(dt.UTC)
        self.writes_documents = writes_documents
        self._stages: list[DataFrame] = []
        self._claimed: Store | None = None
        self._grows = False

    @functools.cached_property
    def spark(self) -> SparkSession:
        """The session, started when it is first needed.

        Without speculation where documents are written: a second try of a task that is not dead would write the same documents
        at the same time, over connections that nobody counted.
        """
        log.info("starting Spark")
        builder = SparkSession.builder.appName(f"seisbatch {self.job}")
        if self.writes_documents:
            builder = builder.config("spark.speculation", "false")
        session = builder.getOrCreate()
        if self.writes_documents and session.sparkContext.getConf().get("spark.speculation", "false") == "true":
            raise RunError("Spark's session was started with spark.speculation: documents would be written twice at a time")
        return session

    def begin(self, run: Run, *, grows: bool = False) -> bool:
        """Claim the output; False, having said so, where it is complete already.

        One that ``grows`` is never complete: every run adds to it, and what it does not touch stays.

        Raises RunError where the output belongs to other parameters.
        """
        out = open_store(run.out)
        manifest = claim(out, self.job, run.parameters_id, run.parameters, run.source, () if grows else OBJECTS)
        self._claimed = out
        self._grows = grows
        if grows:
            return True
        if not manifest or not manifest["complete"]:
            return True
        self.exit_code = manifest["exit_code"]
        out.delete_prefix(run.scratch)  # a run that was killed as its last step began
        say(f"{self.job}: nothing to do, {run.out.root} is complete since {manifest['finished']}.")
        _say_result(run.out.root, manifest)
        return False

    def prepare(self, *, is_sample: bool, stores: Sequence[StoreSettings], stations: Stations | None = None) -> None:
        """Write the sample archive, which is the first store, where it is asked for; RunError where a place is not there."""
        if is_sample:
            sample.write_sample_archive(Path(stores[0].root))
        for store in stores:
            open_store(store).require()
        if stations:
            stations.require()

    def index(self, run: ArchiveRun, days: Sequence[dt.date], *, by_channel: bool = False) -> DataFrame:
        """Rows of ``CHANNEL_DAY``: every channel-day that the archive's index names and the options select, of some days.

        Of an object that holds a whole station there is one row, or ``by_channel`` one of each channel that is selected.
        """
        self.prepare(is_sample=run.is_sample, stores=[run.archive], stations=run.stations)
        if run.index_table:
            run.index_table.require(run.layout)
        log.info("reading the index of %s in %s, %d days from %s", run.layout, run.archive.root, len(days), days[0])
        spark = self.spark
        days_a_task = YEAR_DAYS if lists_years(ARCHIVES[run.layout]) else INDEX_DAYS_A_TASK
        since = ",".join(str((day - EPOCH).days) for day in days)
        day = F.element_at(F.split(F.lit(since), ","), F.col("id").cast("int") + 1).cast("int")
        dates = spark.range(0, len(days), 1, max(1, len(days) // days_a_task)).select(
            F.date_add(F.lit(EPOCH), day).alias("date")
        )
        settings = IndexSettings(run.layout, run.archive, run.channels, run.index_table, by_channel)
        return dates.mapInArrow(functools.partial(read_indexes, settings), CHANNEL_DAY.spark())

    def announce(self, plan: Plan, *, only: bool) -> bool:
        """Print what the run will take, and, where that is all that was asked for, what it would cost: then False."""
        lines = [line for line in plan.lines() if only or not isinstance(line, CostLine)]
        width = max(len(label) for label, _ in lines)
        for label, value in lines:
            say(f"  {label:<{width}}  {value}")
        return not only

    def run(self, step: Step[Settings], settings: Settings, units: Units, *, at_most: int | None = None) -> DataFrame:
        """Map a step over commit units, in so many tasks at most; its outcome rows, which are kept."""
        context = self.spark.sparkContext
        done, bad = context.accumulator(0), context.accumulator(0)
        cores = context.defaultParallelism
        tasks_a_core = max(1, min(TASKS_A_CORE, units.number // (UNITS_A_TASK * cores)))
        n_tasks = max(1, min(units.number, cores * tasks_a_core, at_most or units.number))
        keys = units.frame.coalesce(1) if units.number <= EVENLY_SPREAD_UNITS else units.frame
        counted = functools.partial(_counted, step, settings, done, bad, self.max_denied)
        outcomes = keys.repartition(n_tasks).mapInArrow(counted, OUTCOMES.spark()).persist()
        with Progress(plural(units.kind), units.outcomes, lambda: done.value, lambda: bad.value):
            outcomes.count()
        self._stages.append(outcomes)
        return outcomes

    def finish(self, run: Run, plan: Plan, *, plot: str | None = None, documents: Mapping[str, Any] | None = None) -> None:
        """Reconcile planned units with outcomes, write the outcomes, the report and, last, the manifest.

        ``plot`` says which waveforms the report shows, ``documents`` what the manifest tells of those in MongoDB.
        """
        log.info("writing outcomes and report")
        outcomes = self._outcomes(plan, run)
        store = open_store(run.out)
        month = F.trunc("date", "month")
        few = sum(plan.planned.values()) <= EVENLY_SPREAD_UNITS
        by_month = outcomes.coalesce(1) if few else outcomes.repartition(month)
        by_month = by_month.sortWithinPartitions(month, "kind", "date", "unit")
        settings = OutcomesSettings(run.out, run.metadata)
        store.delete_prefix(OUTCOMES.name)  # those of an earlier try: the index may have changed since
        by_month.mapInArrow(functools.partial(write_outcomes, settings), FILES.spark()).count()
        written = read_outcomes(store)
        if not self._grows:
            remove_strangers(store, written)
        counts = reconcile(written, plan.planned)
        self.exit_code = EXIT_BAD_UNITS if self._too_bad(counts, plan.planned) else 0
        complete = not any(number for (_, outcome), number in counts.items() if outcome in RETRIED)
        facts = RunFacts(
            job=self.job,
            run_id=run.run_id,
            parameters_id=run.parameters_id,
            parameters=dict(run.parameters),
            comments={option.key: option.comment for option in options_of(self.job)},
            started=self._started,
            planned=plan.planned,
            max_bad_fraction=self.max_bad_fraction,
            plot=plot,
            documents=documents,
        )
        manifest = write_report(store, facts, written)
        n_documents = sum(told["documents"] for told in (documents or {"collections": {}})["collections"].values())
        of_tables = (table["rows"] for name, table in manifest["tables"].items() if name not in (OUTCOMES.name, CEMETERY.name))
        if not n_documents and not any(of_tables):
            print(f"{self.job}: nothing was written: nothing that was asked for has data", file=sys.stderr)
            self.exit_code = EXIT_BAD_UNITS
        manifest |= {"complete": complete, "exit_code": self.exit_code}
        if documents:
            manifest["mongo"] = dict(documents)
        write_json(store, MANIFEST_KEY, manifest)
        if complete:
            store.delete_prefix(run.scratch)
        self.spark.catalog.clearCache()
        _say_result(run.out.root, manifest)
        if not complete:
            say("Some units failed; the same command again retries them, and only what depends on them.")

    def abandon(self) -> None:
        """Give back an output that was claimed and never written to."""
        if self._claimed is not None:
            with suppress(UnitError, RunError):  # what ended the run is told; this must not hide it
                abandon(self._claimed)

    def _outcomes(self, plan: Plan, run: Run) -> DataFrame:
        stages = functools.reduce(DataFrame.unionByName, self._stages)
        if plan.problems is None:
            return stages
        kind = F.col("kind") if "kind" in plan.problems.columns else F.lit("channel-day")
        return stages.unionByName(
            plan.problems.select(
                F.lit(run.run_id).alias("run_id"),
                F.lit(self.job).alias("job"),
                kind.alias("kind"),
                *("unit", "date", "outcome", "reason"),
                *(F.lit(0).cast("bigint").alias(name) for name in ("bytes_read", "bytes_written")),
                F.lit(0.0).alias("seconds"),
            ),
            allowMissingColumns=True,
        )

    def _too_bad(self, counts: Mapping[tuple[str, str], int], planned: Mapping[str, int]) -> bool:
        for kind in planned:
            total = sum(number for (of, _), number in counts.items() if of == kind)
            bad = total - counts.get((kind, Outcome.OK), 0)
            if bad > self.max_bad_fraction * total:
                say(f"{bad} of {total} {plural(kind)} are bad, more than --max-bad-fraction {self.max_bad_fraction:g} allows.")
                return True
        return False


def _counted(
    step: Step[Settings],
    settings: Settings,
    done: Accumulator[int],
    bad: Accumulator[int],
    max_denied: int,
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """A step whose rows are counted for the progress line, and which ends where the store refuses one thing after another."""
    settle()
    for batch in step(settings, batches):
        outcomes = batch.column("outcome").to_pylist()
        done.add(batch.num_rows)
        bad.add(sum(outcome != Outcome.OK for outcome in outcomes))
        if Outcome.DENIED in outcomes:
            run_id = batch.column("run_id")[0].as_py()
            _denied[run_id] += outcomes.count(Outcome.DENIED)
            if _denied[run_id] > max_denied:
                refused = batch.column("reason")[outcomes.index(Outcome.DENIED)].as_py()
                raise RunError(
                    f"the store refused {_denied[run_id]} objects to one worker, more than --max-denied {max_denied}: "
                    f"{refused}. Are credentials needed (--no-anonymous), or others?"
                )
        yield batch


def say(line: str) -> None:
    """A line of the job's own output."""
    print(line, flush=True)


def _say_result(root: str, manifest: dict[str, Any]) -> None:
    for kind, counts in manifest["outcomes"].items():
        counted = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(counts.items(), key=lambda of: -of[1]))
        say(f"  {plural(kind)}: {counted}")
    for name, table in manifest["tables"].items():
        say(f"  {name}: {table['rows']:,} rows in {table['files']:,} files, {size(table['bytes'])}, in {root}/{name}")
    mongo = manifest.get("mongo", {"collections": {}})
    for name, told in mongo["collections"].items():
        say(
            f"  {name}: {told['documents']:,} documents, {told['new']:,} of them new, in MongoDB's database {mongo['database']}"
        )
    for name, told in manifest.get("objects", {}).items():
        say(f"  {name}: {told['files']:,} files, {size(told['bytes'])}, in {root}/{name}")
    say(f"  report: {root}/{manifest['report']}")
    say(f"  took {duration(manifest['seconds'])}")


def run_job(job: str, options: Any, flow: Callable[[App, Any], None]) -> int:
    """Run a job's flow; the exit code. What is wrong with the run becomes one clear message."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for library in ("py4j", "matplotlib", "httpx"):
        logging.getLogger(library).setLevel(logging.WARNING)
    to_mongo = getattr(options, "sink", "parquet") == "mongo"
    max_denied = getattr(options, "max_denied", 0)
    app = App(job, options.max_bad_fraction, max_denied, writes_documents=to_mongo or job == "load_mongo")
    had_session = SparkSession.getActiveSession() is not None
    try:
        if getattr(options, "sink", "mongo") == "parquet" and options.mongo_uri and job != "index_archive":
            raise OptionError("--mongo-uri goes with --sink mongo")
        if to_mongo:
            return _with_load(app, options, flow)
        flow(app, options)
        return app.exit_code
    except OptionError as error:
        app.abandon()
        print(f"{job}: {error}\nSee ./submit.sh {job} --help", file=sys.stderr)
        return EXIT_USAGE
    except RunError as error:
        app.abandon()
        print(f"{job}: {error}", file=sys.stderr)
        return EXIT_RUN
    except (PySparkException, Py4JError) as error:
        message = _run_error_of(str(error))
        if message is None:
            raise
        app.abandon()
        print(f"{job}: {message}", file=sys.stderr)
        return EXIT_RUN
    finally:
        if "spark" in app.__dict__ and not had_session:
            app.spark.stop()


def _with_load(app: App, options: Any, flow: Callable[[App, Any], None]) -> int:
    """A job's flow, then the load of its tables into MongoDB, also where they were complete already; the exit code."""
    from seisbatch.plan.sink import load_options, load_tables

    of_load = load_options(options)
    flow(app, options)
    if options.plan:
        return app.exit_code
    loading = App("load_mongo", of_load.max_bad_fraction, of_load.max_denied, writes_documents=True)
    loading.__dict__["spark"] = app.spark  # the one session of the run
    load_tables(loading, options, of_load)
    return app.exit_code or loading.exit_code


def _run_error_of(text: str) -> str | None:
    """The message of a RunError that a worker raised, out of Spark's report of it."""
    match = re.search(r"^(?:seisbatch\.[\w.]+\.)?(?:RunError|NoSuchBucket): (.+)$", text, re.MULTILINE)
    return match[1] if match else None
