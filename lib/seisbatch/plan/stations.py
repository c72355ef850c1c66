"""The plan of loading stations: StationXML files, in batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.config import OptionError
from seisbatch.names import ChannelPatterns
from seisbatch.options import NOT_PARAMETERS, LoadStations
from seisbatch.outcome import RunError, UnitError
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.stores import archive_store, layout_of, out_store, store_settings
from seisbatch.plan.units import BatchPlan, Units
from seisbatch.steps.station_files import StationFilesSettings

RESULT_VERSION = 1
BATCH_FILES = 64
"""StationXML files whose rows share a file: some thousand channel epochs."""
SUFFIXES = (".xml", ".stationxml")


@dataclass(frozen=True, kw_only=True)
class StationsRun(RunIdentity):
    """Everything that a run of load_stations does, resolved from its options."""

    job = "load_stations"

    is_sample: bool
    stations: StoreSettings
    prefix: str
    channels: str

    @property
    def source(self) -> str:
        """Where the files come from: results of other places never mix."""
        return f"{self.stations.place} {self.prefix}".rstrip()

    @property
    def files(self) -> StationFilesSettings:
        """Settings of the stage that reads the files."""
        return StationFilesSettings(
            **self.names,
            stations=self.stations,
            channels=self.channels,
        )


def stations_run(options: LoadStations) -> StationsRun:
    """Resolve the options of load_stations; OptionError where they do not go together."""
    try:
        ChannelPatterns(options.channels)
    except ValueError as error:
        raise OptionError(str(error)) from None
    archive, layout = archive_store(options), ARCHIVES[layout_of(options)]
    if options.stations is None:
        if layout.STATIONS is None:
            raise OptionError(f"--archive {options.archive} has no StationXML files: give --stations, a file or a folder")
        store, prefix = archive, layout.STATIONS
    else:
        store, prefix = _place(options.stations, archive, options.anonymous)
    parameters = {key: value for key, value in options.model_dump().items() if key not in NOT_PARAMETERS}
    return StationsRun(
        is_sample=options.archive == "sample" and options.root is None and options.stations is None,
        stations=store,
        prefix=prefix,
        out=out_store(options),
        channels=options.channels,
        parameters=parameters | {"batch": BATCH_FILES, "result_version": RESULT_VERSION},
    )


def _place(stations: str, archive: StoreSettings, anonymous: bool) -> tuple[StoreSettings, str]:
    """A folder or a prefix, or the one that holds a single file, and the file's name."""
    whole = stations if "://" in stations else str(Path(stations).expanduser().resolve())
    root, _, name = whole.rpartition("/")
    is_file = name.lower().endswith(SUFFIXES) and not Path(whole).is_dir()
    place = store_settings(root if is_file else stations, archive.endpoint, archive.region, anonymous)
    return place, name if is_file else ""


def stations_plan(spark: SparkSession, run: StationsRun) -> BatchPlan:
    """Cut the StationXML files into batches; OptionError where there is none."""
    keys, n_bytes = _files(run)
    batches = [
        {"name": f"part-{number:05d}", "keys": keys[first : first + BATCH_FILES]}
        for number, first in enumerate(range(0, len(keys), BATCH_FILES))
    ]
    frame = spark.createDataFrame(batches, "name string, keys array<string>")
    return BatchPlan(
        batches=Units("station-file", frame, len(batches), len(keys) + len(batches)),
        planned={"station-file": len(keys), "batch": len(batches)},
        told=[
            ("files", f"{len(keys):,} StationXML files, {n_bytes / 1e6:,.1f} MB"),
            ("tasks", f"{len(batches):,} batches"),
            *priced(run_cost(3 * len(batches), 1e6, len(batches)) + Cost(gets=len(keys), read_bytes=n_bytes), is_small=True),
        ],
    )


def _files(run: StationsRun) -> tuple[list[str], int]:
    """Keys of the files, and their bytes."""
    store = open_store(run.stations)
    try:
        if run.prefix.lower().endswith(SUFFIXES):
            return [run.prefix], store.size(run.prefix)
        found = [(key, size) for key, size in store.list(run.prefix) if key.lower().endswith(SUFFIXES)]
    except UnitError as error:
        raise RunError(f"the stations' files cannot be listed: {error}") from error
    if not found:
        raise OptionError(f"no StationXML file ({' or '.join(SUFFIXES)}) in {run.stations.root}/{run.prefix}")
    return [key for key, _ in found], sum(size for _, size in found)
