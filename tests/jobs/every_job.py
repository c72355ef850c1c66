"""Every job over a little of the sample, as options that say nothing of where: for runs in one place and in another."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from seisbatch.sample.hydrophone import SENSITIVITY, recording_name, write_sample_recordings
from seisbatch.sample.network import DAYS

DAY = DAYS[2]
NEXT_DAY = DAY + dt.timedelta(days=1)
SOME = ["--channels", "XX.ALFA..BHZ,XX.BRAV..BHZ,XX.CHAR..BHZ,XX.KILO..BHN"]
ONE_DAY = ["--start", DAY, "--days", 1]
EVENTS = ["--start", DAY, "--end", NEXT_DAY]

FROM_ARCHIVE: dict[str, list[Any]] = {
    "cross_correlate": [*ONE_DAY, *SOME],
    "cut_windows": ["--time", f"{DAY}T21:05", "--to", 60, *SOME],
    "remove_response": [*ONE_DAY, "--channels", "XX.ALFA..BHZ,XX.KILO..BHN"],
    "load_stations": [],
    "index_archive": [*EVENTS, "--segments"],
    "load_catalog": EVENTS,
    "extract_events": EVENTS,
}
SOUND = ["--sensitivity", SENSITIVITY, "--unit-minutes", 5, "--clip-s", 60, "--step-s", 60, "--size", "64x64"]
MADE_BEFORE = {
    "stack_ccfs": ("--ccfs", ["cross_correlate"]),
    "export_waveforms": ("--waveforms", ["cut_windows"]),
    "load_mongo": ("--tables", ["load_stations", "cut_windows", "cross_correlate"]),
}
"""Jobs that read what others wrote: the option that names it, and the jobs."""


@dataclass(frozen=True)
class Places:
    """Where jobs read and write: an archive, what was made before, recordings; options of the places that they read and write.

    What was made before is a root under which each job's output stands by the job's name.
    """

    archive: str
    made: str
    recordings: str
    reading: list[str] = field(default_factory=list)
    writing: list[str] = field(default_factory=list)
    mongo: list[str] = field(default_factory=list)

    def options(self, job: str, out: str | Path) -> list[str]:
        """The options of a job that writes to ``out``; KeyError for a job that is not here."""
        if job in MADE_BEFORE:
            option, jobs = MADE_BEFORE[job]
            options = [option, ",".join(f"{self.made}/{other}" for other in jobs)]
            options += ["--anonymous"] if self.reading else []
        elif job == "make_spectrograms":
            options = ["--recordings", self.recordings, *SOUND]
        else:
            options = ["--archive", "scedc", "--root", self.archive, *FROM_ARCHIVE[job]]
        options += self.mongo if job == "load_mongo" else []
        return [*map(str, options), *self.reading, *self.writing, "--out", str(out)]


class Results:
    """Outputs of local runs, each made when it is first asked for, in a folder that others only read."""

    def __init__(self, run: Callable[..., int], archive: Path, folder: Path) -> None:
        self._run = run
        self.folder = folder
        self.recordings = folder / "recordings"
        self.places = Places(str(archive), str(folder), str(self.recordings))

    def of(self, job: str) -> Path:
        """The output of a job that writes tables."""
        out = self.folder / job
        if not out.exists():
            self.inputs(job)
            assert self._run(job, *self.places.options(job, out)) == 0
        return out

    def inputs(self, job: str) -> list[Path]:
        """What a job reads besides the archive, made if need be."""
        if job == "make_spectrograms" and not self.recordings.exists():
            whole = self.folder / "whole"
            write_sample_recordings(whole, quiet=True)
            self.recordings.mkdir()
            for number in (0, 1):
                shutil.move(whole / recording_name(number), self.recordings)
        return (
            [self.recordings] if job == "make_spectrograms" else [self.of(name) for name in MADE_BEFORE.get(job, ("", []))[1]]
        )


def tables(out: Path, *, without: tuple[str, ...] = ()) -> Mapping[str, pa.Table]:
    """Every table of an output but that of outcomes, its rows in a canonical order, less some columns."""
    found = {}
    for folder in sorted({file.relative_to(out).parts[0] for file in out.rglob("*.parquet")} - {"outcomes"}):
        files = sorted((out / folder).rglob("*.parquet"))
        whole = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).replace_schema_metadata(None)
        whole = whole.drop_columns([name for name in without if name in whole.column_names])
        order = [name for name in whole.column_names if not pa.types.is_nested(whole.schema.field(name).type)]
        found[folder] = whole.sort_by([(name, "ascending") for name in order])
    return found


def other_files(out: Path) -> dict[str, bytes]:
    """What else a job wrote: objects under their keys, such as exported waveforms."""
    own = {"manifest.json", "report.html", "_run.json"}
    files = (file for file in out.rglob("*") if file.is_file() and file.suffix != ".parquet")
    found = {file.relative_to(out).as_posix(): file for file in files}
    return {key: file.read_bytes() for key, file in found.items() if key not in own and not key.startswith("report")}
