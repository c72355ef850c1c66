"""Events: which are wanted, where their catalogues stand, and the plan of loading them."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import SparkSession

from seisbatch import sample
from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.archives.layout import IndexedLayout
from seisbatch.config import OptionError
from seisbatch.mongo.uri import is_mongo_uri
from seisbatch.options import NOT_PARAMETERS, ArchiveOptions, EventOptions, LoadCatalog
from seisbatch.outcome import Missing, RunError, UnitError
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.stores import archive_store, layout_of, out_store, own_store, store_settings
from seisbatch.plan.units import BatchPlan, Units
from seisbatch.schema import SOURCE
from seisbatch.sinks.dataset import table_dataset
from seisbatch.steps.sources import CatalogueSettings, SourceSelection, parse_region, read_any
from seisbatch.times import parse_instant, to_datetime

RESULT_VERSION = 1
SUFFIXES = (".xml", ".qml", ".quakeml", ".csv", ".parquet")
FORMS = ("parquet", "csv")
Keys = list[tuple[str, dt.date | None, list[str]]]
"""Name of a catalogue, its first day where it has one, and the keys that it may have."""


def source_selection(options: EventOptions, archive: str) -> SourceSelection:
    """Which events the options select; OptionError where they say nothing that can be."""
    try:
        start, end = (parse_instant(text) if text else None for text in (options.start, options.end))
        region = parse_region(options.region) if options.region else None
    except (ValueError, OverflowError) as error:
        raise OptionError(str(error)) from None
    if archive == "sample" and start is None and end is None:
        start = parse_instant(sample.DAYS[0].isoformat())
        end = parse_instant((sample.DAYS[-1] + dt.timedelta(days=1)).isoformat())
    if start is not None and end is not None and end <= start:
        raise OptionError(f"--end {options.end} is not after --start {options.start}")
    for name, low, high in (
        ("magnitude", options.min_magnitude, options.max_magnitude),
        ("depth", options.min_depth, options.max_depth),
    ):
        if low is not None and high is not None and high < low:
            raise OptionError(f"--max-{name} {high:g} is below --min-{name} {low:g}")
    ids = frozenset(word.strip() for word in (options.event_ids or "").split(",") if word.strip())
    return SourceSelection(
        start, end, options.min_magnitude, options.max_magnitude, options.min_depth, options.max_depth, region, ids
    )


def catalogues(
    options: ArchiveOptions, path: str | None, selection: SourceSelection, *, is_own: bool
) -> tuple[StoreSettings, Keys]:
    """Where the catalogues stand, and which there are: those of a path, or the archive's own of the years selected.

    The path is a place of the user's own, read as outputs are, or one that is read as the archive is.

    Raises OptionError where the archive has none, or the years are not told.
    """
    archive = archive_store(options)
    if path is not None:
        return _of_path(path, functools.partial(own_store, options) if is_own else functools.partial(_beside, archive))
    layout = ARCHIVES[layout_of(options)]
    if not layout.DAY_INDEX_COLUMNS:
        raise OptionError(f"--archive {options.archive} has no catalogue of events: name a QuakeML, csv or Parquet file")
    if selection.start_ns is None or selection.end_ns is None:
        raise OptionError(f"--archive {options.archive}: its catalogues are of a year each: give --start and --end")
    first, last = to_datetime(selection.start_ns).year, to_datetime(selection.end_ns - 1).year
    indexed = cast(IndexedLayout, layout)
    return archive, [
        (f"year={year:04d}/catalogue", dt.date(year, 1, 1), [indexed.catalogue_key(year, form) for form in FORMS])
        for year in range(first, last + 1)
    ]


def _beside(archive: StoreSettings, root: str) -> StoreSettings:
    return store_settings(root, archive.endpoint, archive.region, archive.anonymous)


def _of_path(path: str, place: Callable[[str], StoreSettings]) -> tuple[StoreSettings, Keys]:
    whole = path if "://" in path else str(Path(path).expanduser().resolve())
    root, _, name = whole.rpartition("/")
    if name.lower().endswith(SUFFIXES) and not Path(whole).is_dir():
        return place(root), [("part-00000", None, [name])]
    settings = place(path)
    store = open_store(settings)
    store.require()
    try:
        found = [key for key, _ in store.list("") if key.lower().endswith(SUFFIXES)]
    except UnitError as error:
        raise RunError(f"the catalogues cannot be listed: {error}") from error
    if not found:
        raise OptionError(f"no catalogue ({', '.join(SUFFIXES)}) in {path}")
    return settings, [(f"part-{number:05d}", None, [key]) for number, key in enumerate(found)]


def read_sources(options: ArchiveOptions, path: str | None, selection: SourceSelection) -> list[dict[str, Any]]:
    """The selected events, in order of time: of a job's ``source`` table, of MongoDB, of catalogue files, or the archive's own.

    Raises RunError where a catalogue cannot be read, and OptionError where no event is selected.
    """
    if path is not None and is_mongo_uri(path):
        rows, all_of_them = _of_documents(path, selection)
    else:
        rows = _of_files(path, options, selection)
        all_of_them = f"{len(rows):,} events"
    unique = {row["source_id"]: row for row in reversed(rows) if selection.wants(row)}
    if not unique:
        raise OptionError(f"none of {all_of_them} is selected")
    return sorted(unique.values(), key=lambda row: (row["time"], row["source_id"]))


def _of_documents(path: str, selection: SourceSelection) -> tuple[list[dict[str, Any]], str]:
    """Events of a MongoDB database that may be selected, and all of its events in words: nobody counts them."""
    from seisbatch.mongo.event_documents import read_source_documents  # MongoDB's client takes a while to import
    from seisbatch.plan.mongo import mongo_place

    mongo = mongo_place("--events", path)
    return read_source_documents(mongo, selection), f"the events of {mongo.place}"


def _of_files(path: str | None, options: ArchiveOptions, selection: SourceSelection) -> list[dict[str, Any]]:
    rows = _of_table(path, options) if path is not None else None
    if rows is None:
        settings, keys = catalogues(options, path, selection, is_own=True)
        store = open_store(settings)
        store.require()
        rows = [row for _, _, names in keys for row in _rows(store, names, layout_of(options))]
    return rows


def _rows(store: Store, keys: list[str], layout: str) -> list[dict[str, Any]]:
    try:
        return read_any(store, keys, layout)[2][0]
    except Missing as error:
        raise RunError(f"there is no catalogue {' or '.join(keys)} in {store.settings.root}") from error
    except UnitError as error:
        raise RunError(f"catalogue {keys[0]} cannot be read: {error}") from error


def _of_table(path: str, options: ArchiveOptions) -> list[dict[str, Any]] | None:
    """Rows of a ``source`` table under an output; None where there is none."""
    if path.lower().endswith(SUFFIXES):
        return None
    try:
        dataset = table_dataset(own_store(options, path), SOURCE)
        return dataset.to_table().to_pylist() if dataset else None
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"the source table of {path} cannot be read: {error}") from error


@dataclass(frozen=True, kw_only=True)
class CatalogueRun(RunIdentity):
    """Everything that a run of load_catalog does, resolved from its options."""

    job = "load_catalog"

    is_sample: bool
    catalogue: StoreSettings
    layout: str
    keys: Keys
    selection: SourceSelection

    @property
    def source(self) -> str:
        """Where the catalogues come from: results of other places never mix."""
        return self.catalogue.place

    @property
    def files(self) -> CatalogueSettings:
        """Settings of the stage that reads the catalogues."""
        return CatalogueSettings(
            **self.names,
            catalogue=self.catalogue,
            layout=self.layout,
            selection=self.selection,
        )


def catalogue_run(options: LoadCatalog) -> CatalogueRun:
    """Resolve the options of load_catalog; OptionError where they do not go together."""
    selection = source_selection(options, options.archive)
    settings, keys = catalogues(options, options.catalog, selection, is_own=False)
    parameters = {key: value for key, value in options.model_dump().items() if key not in NOT_PARAMETERS}
    return CatalogueRun(
        is_sample=options.archive == "sample" and options.root is None and options.catalog is None,
        catalogue=settings,
        layout=layout_of(options),
        keys=keys,
        selection=selection,
        out=out_store(options),
        parameters=parameters | {"result_version": RESULT_VERSION},
    )


def catalogue_plan(spark: SparkSession, run: CatalogueRun) -> BatchPlan:
    """One batch a catalogue."""
    batches = [{"name": name, "date": date, "keys": keys} for name, date, keys in run.keys]
    frame = spark.createDataFrame(batches, "name string, date date, keys array<string>")
    return BatchPlan(
        batches=Units("catalogue", frame, len(batches), 2 * len(batches)),
        planned={"catalogue": len(batches), "batch": len(batches)},
        told=[
            ("catalogues", f"{len(batches):,} files in {run.catalogue.root}"),
            *priced(run_cost(len(batches), 1e6, len(batches)) + Cost(gets=len(batches)), is_small=True),
        ],
    )
