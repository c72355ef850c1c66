"""What a channel-day's clips are: rows of ``CLIP`` without their bytes, and the day's manifest for those that are objects."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from seisbatch.names import Channel
from seisbatch.schema import CLIP
from seisbatch.sinks.dataset import parquet_file, reading_error
from seisbatch.steps.batches import batch_key
from seisbatch.steps.sound_settings import SoundSettings
from seisbatch.times import DAY_NS, SECOND_NS, from_datetime, to_datetime

Row = dict[str, Any]

READ_AT_A_TIME = 8
COLUMNS = ("id", "clock", "starttime", "endtime", "sampling_rate", "npts", "n_padded", "rms", "peak", "units", "gain",
           "n_clipped", "s3key", "sound_format", "picture_nbytes")  # fmt: skip


def read_clips(settings: SoundSettings, units: Sequence[str], start_ns: int, end_ns: int) -> list[Row]:
    """Rows of the clips that units hold and that were cut for a time in ``[start_ns, end_ns)``, without sound and picture."""
    first, stop = (pa.scalar(to_datetime(instant_ns), CLIP.arrow().field("clock").type) for instant_ns in (start_ns, end_ns))

    def rows_of(unit: str) -> list[Row]:
        key = batch_key(CLIP, unit)
        try:
            with parquet_file(settings.out, key) as file:
                table = file.read(columns=list(COLUMNS), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise reading_error(key, error) from error
        rows: list[Row] = table.filter(
            pc.and_(pc.greater_equal(table["clock"], first), pc.less(table["clock"], stop))
        ).to_pylist()
        return rows

    with ThreadPoolExecutor(READ_AT_A_TIME, thread_name_prefix="clips") as pool:
        return [row for rows in pool.map(rows_of, units) for row in rows]


def recorded_seconds(settings: SoundSettings, clips: Sequence[Row]) -> float:
    """How long was recorded, as far as clips tell: each stands for the time up to the next."""
    share = settings.step_s / settings.clip_s
    return math.fsum((clip["npts"] - clip["n_padded"]) / clip["sampling_rate"] for clip in clips) * share


def manifest_key(name: Channel, start_ns: int) -> str:
    """The key of a channel-day's manifest."""
    return f"{clip_folder(start_ns)}/{name}.manifest.json"


def clip_folder(start_ns: int) -> str:
    """The folder of the clips of a day that are objects of their own."""
    return f"clips/{to_datetime(start_ns):%Y/%m/%d}"


def clip_manifest(
    settings: SoundSettings, name: Channel, start_ns: int, end_ns: int, clips: Sequence[Row], units_missing: Sequence[str]
) -> bytes:
    """The manifest, as JSON, of the clips of a channel's day, or of the part of it from one instant up to another.

    Every clip's id, times of its first and last sample, files under the output, zeros, levels and gain, a line each; runs of
    clips that are not there; and units of work that were not written. A level of silence, which has none, is null.
    """
    head = {
        "channel": str(name),
        "start": _time(start_ns),
        "end": _time(end_ns),
        "clip_s": settings.clip_s,
        "step_s": settings.step_s,
        "levels": f"dB re {clips[0]['units']}" if clips else None,
        "parameters_id": settings.parameters_id,
        "n_clips": len(clips),
        "missing": _missing(settings, start_ns, end_ns, {from_datetime(clip["clock"]) for clip in clips}),
        "units_missing": list(units_missing),
    }
    lines = ",\n".join(json.dumps(_entry(clip, clip_folder(start_ns)), allow_nan=False) for clip in clips)
    return f'{json.dumps(head, indent=1)[:-2]},\n "clips": [\n{lines}\n ]\n}}\n'.encode()


def _entry(clip: Row, folder: str) -> Row:
    """A clip's line: its files have its id as their name."""
    kinds = [clip["sound_format"] and clip["sound_format"][:4].rstrip("0123456789"), clip["picture_nbytes"] and "png"]
    stem = f"{folder}/{clip['id'].replace('/', '.')}"
    return {
        "id": clip["id"],
        "start": _time(from_datetime(clip["starttime"])),
        "end": _time(from_datetime(clip["endtime"])),
        "files": [f"{stem}.{kind}" for kind in kinds if kind],
        "sampling_rate": clip["sampling_rate"],
        "npts": clip["npts"],
        "n_padded": clip["n_padded"],
        "rms": _finite(clip["rms"]),
        "peak": _finite(clip["peak"]),
        "gain": clip["gain"],
        "n_clipped": clip["n_clipped"],
        "recordings": clip["s3key"].split(","),
    }


def _missing(settings: SoundSettings, start_ns: int, end_ns: int, there: set[int]) -> list[Row]:
    """Runs of times on the clock that have no clip: the first, the end of the last, and their number."""
    step_ns, length_ns = round(settings.step_s * SECOND_NS), round(settings.clip_s * SECOND_NS)
    midnight_ns = start_ns // DAY_NS * DAY_NS
    runs: list[list[int]] = []
    for clock_ns in range(midnight_ns + -(-(start_ns - midnight_ns) // step_ns) * step_ns, end_ns, step_ns):
        if clock_ns // 1000 * 1000 in there:  # as tables have times
            continue
        if runs and runs[-1][-1] == clock_ns - step_ns:
            runs[-1][-1] = clock_ns
        else:
            runs.append([clock_ns, clock_ns])
    return [
        {"start": _time(first), "end": _time(last + length_ns), "clips": (last - first) // step_ns + 1} for first, last in runs
    ]


def _time(instant_ns: int) -> str:
    """A time as manifests have it, to the microsecond."""
    time = to_datetime(instant_ns)
    return f"{time:%Y-%m-%dT%H:%M:%S}{f'.{time.microsecond:06}' if time.microsecond else ''}Z"


def _finite(value: float | None) -> float | None:
    return round(value, 3) if value is not None and math.isfinite(value) else None
