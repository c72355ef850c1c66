"""The loudest and the quietest clips of a run, for the report: every clip's level is read, and few clips' pictures."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.names import Channel
from seisbatch.outcome import UnitError
from seisbatch.report.sound_levels import in_order
from seisbatch.sinks.dataset import parquet_file
from seisbatch.steps.sound_settings import CLIPS

SHOWN = 12
MOST_FILES = 30_000
"""Files whose levels are read; of more, such as are spread evenly over the run."""
READERS = 24
"""At a time: of each file there is little to read."""
PICTURE_BYTES = 8_000_000
"""Of all pictures on the page; those beyond are left out."""
_COLUMNS = [
    *Channel._fields,
    *("clock", "rms", "peak", "units", "n_padded", "sound_file"),
    *("picture", "picture_file", "picture_foff", "picture_nbytes"),
]


@dataclass(frozen=True)
class SheetClip:
    """A clip: its time, levels [dB], its picture where there is one, and the object of its sound where it is one by itself."""

    name: str
    clock: Any
    rms: float
    peak: float | None
    units: str
    n_padded: int
    picture: bytes | None
    sound: str | None


@dataclass(frozen=True)
class ClipSheet:
    """The loudest clips, the loudest first, the quietest, the quietest first; the clips that they are of.

    ``n_silent``: clips without any sound, or of no known level, which are not ranked. ``medians``: of the clips' levels of each
    file that was read, by the name of its channel and day; ``units``: what levels are relative to, by channel.
    """

    loudest: Sequence[SheetClip]
    quietest: Sequence[SheetClip]
    n_clips: int
    n_silent: int
    n_files: int
    n_read: int
    medians: Mapping[tuple[str, Any], float]
    units: Mapping[str, str]


@dataclass(frozen=True, order=True)
class _Place:
    rms: float
    key: str
    row: int


def clip_sheet(store: Store, keys: Sequence[tuple[str, Any, str]]) -> ClipSheet | None:
    """The sheet of files of clips: each one's channel, day and key. None where there is no clip."""
    read = sorted(keys, key=lambda item: item[2])[:: -(-len(keys) // MOST_FILES) or 1]
    loud: list[_Place] = []
    quiet: list[_Place] = []
    levels: dict[tuple[str, Any], list[npt.NDArray[np.float32]]] = defaultdict(list)
    units: dict[str, str] = {}
    n_clips = n_silent = 0
    found = in_order(partial(_levels, store.settings), (key for *_, key in read), READERS)
    for (name, date, key), (rms, unit) in zip(read, found, strict=True):
        ranked = np.flatnonzero(np.isfinite(rms))
        n_clips, n_silent = n_clips + len(rms), n_silent + len(rms) - len(ranked)
        if not len(ranked):
            continue
        units.setdefault(name, unit)
        levels[name, date].append(rms[ranked])
        order = ranked[np.argsort(rms[ranked], kind="stable")]
        loud = sorted([*loud, *(_Place(-float(rms[row]), key, int(row)) for row in order[-SHOWN:])])[:SHOWN]
        quiet = sorted([*quiet, *(_Place(float(rms[row]), key, int(row)) for row in order[:SHOWN])])[:SHOWN]
    if not n_clips:
        return None
    n_ranked = n_clips - n_silent  # of few clips none is shown twice
    loud, quiet = loud[: -(-n_ranked // 2)], quiet[: n_ranked // 2]
    rows = _rows(store.settings, [*loud, *quiet])
    # Loud and quiet ones take turns at what room there is for pictures.
    turns = [place for pair in itertools.zip_longest(loud, quiet) for place in pair if place]
    room, clips = PICTURE_BYTES, {}
    for place in turns:
        clips[place] = _clip(store, rows[place.key, place.row], room)
        room -= len(clips[place].picture or b"")
    medians = {day: float(np.median(np.concatenate(parts))) for day, parts in levels.items()}
    return ClipSheet(
        [clips[place] for place in loud], [clips[place] for place in quiet], n_clips, n_silent, len(keys), len(read), medians,
        units,
    )  # fmt: skip


def _levels(out: StoreSettings, key: str) -> tuple[npt.NDArray[np.float32], str]:
    """The levels of a file's clips, NaN where there is none, and what they are relative to."""
    with parquet_file(out, key) as file:
        rows = file.read(columns=["rms", "units"], use_threads=False)
    return rows["rms"].to_numpy().astype(np.float32), rows["units"][0].as_py() if rows.num_rows else ""


def _rows(out: StoreSettings, places: Sequence[_Place]) -> dict[tuple[str, int], dict[str, Any]]:
    """Some rows, with their pictures; of their files the row groups that hold them are read, and no more."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for place in places:
        wanted[place.key].append(place.row)
    rows = {}
    for key, numbers in wanted.items():
        with parquet_file(out, key) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            first = 0
            for group, n_rows in enumerate(sizes):
                inside = sorted({row for row in numbers if first <= row < first + n_rows})
                if inside:
                    held = file.read_row_group(group, columns=_COLUMNS, use_threads=False)
                    taken = held.take([row - first for row in inside]).to_pylist()
                    rows.update({(key, row): values for row, values in zip(inside, taken, strict=True)})
                first += n_rows
    return rows


def _clip(store: Store, row: Mapping[str, Any], room: int) -> SheetClip:
    sound = row["sound_file"]
    return SheetClip(
        name=".".join(row[code] for code in Channel._fields),
        clock=row["clock"],
        rms=row["rms"],
        peak=row["peak"],
        units=row["units"],
        n_padded=row["n_padded"],
        picture=_picture(store, row, room),
        sound=sound if sound and sound.startswith(f"{CLIPS}/") else None,
    )


def _picture(store: Store, row: Mapping[str, Any], room: int) -> bytes | None:
    """A clip's picture, from where it stands; None where there is none, or no room for it."""
    picture: bytes | None = row["picture"]
    if picture is not None:
        return picture if len(picture) <= room else None
    n_bytes = row["picture_nbytes"]
    if row["picture_file"] is None or not n_bytes or n_bytes > room:
        return None
    try:
        return bytes(store.get_range(row["picture_file"], row["picture_foff"] or 0, n_bytes))
    except UnitError:  # gone since: the page tells of the rest
        return None
