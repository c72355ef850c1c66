"""Ground motion as rows of ``wf_TimeSeries``, and as objects of miniSEED or SAC under an archive's own keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seisbatch.acquire.objects import StoreSettings
from seisbatch.acquire.pack import pack
from seisbatch.archives import ARCHIVES
from seisbatch.names import Channel
from seisbatch.process.segments import Segment
from seisbatch.schema import WF_TIME_SERIES
from seisbatch.sinks.sac import sac_bytes
from seisbatch.sinks.samples import MINISEED, SAC
from seisbatch.steps.batches import WAVEFORMS, BatchSettings
from seisbatch.steps.ground_motion import UNITS, Motion, SpanNs
from seisbatch.steps.stations import Place, Stations, site_of
from seisbatch.times import SECOND_NS, to_datetime

Row = dict[str, Any]
MINISEED_SUFFIX = ".ms"


@dataclass(frozen=True, kw_only=True)
class MotionSettings(BatchSettings):
    """Where channel-days and their responses are read, what becomes of them, and as what they are written.

    ``to`` is parquet (rows), mseed or sac (objects, of which the rows say where they are); ``span``, where there is one, is
    what is kept of the time [ns].
    """

    archive: StoreSettings
    layout: str
    stations: Stations
    motion: Motion
    span: SpanNs | None
    to: str
    data_tag: str
    ahead_bytes: int


def rows_of(
    settings: MotionSettings, name: Channel, label: str, s3key: str, segments: Sequence[Segment], of_index: Place
) -> tuple[list[Row], list[str]]:
    """The rows of a channel's segments, without their samples; and remarks on where the channel stood."""
    rows: list[Row] = []
    notes: list[str] = []
    for number, segment in enumerate(segments):
        site = site_of(settings.stations, name, segment.start_ns, of_index)
        notes += [note for note in site.notes if note not in notes]
        rows.append(
            {
                **dict.fromkeys(WF_TIME_SERIES.names),
                **name._asdict(),
                **site.columns(),
                "id": f"{name}/{label}/{number}",
                **segment_columns(segment, settings.motion),
                "data_tag": settings.data_tag,
                "window": label,
                "s3key": s3key,
                "parameters_id": settings.parameters_id,
                "encoding": SAC if settings.to == "sac" else MINISEED,
            }
        )
    return rows, notes


def segment_columns(segment: Segment, motion: Motion) -> Row:
    """What a row tells of a segment's samples: when they were recorded, how many they are, and in which units."""
    return {
        "starttime": to_datetime(segment.start_ns),
        "endtime": to_datetime(segment.end_ns - round(SECOND_NS / segment.rate)),
        "sampling_rate": segment.rate,
        "npts": len(segment.samples),
        "units": UNITS[motion.units],
    }


def day_key(layout: str, name: Channel, date: dt.date, to: str) -> str:
    """The key of the object that a channel's day of miniSEED goes to; for other formats without its ending.

    >>> day_key("scedc", Channel("CI", "CCA", "", "BHN"), dt.date(2022, 1, 2), "sac")
    'waveforms/continuous_waveforms/2022/2022_002/CICCA__BHN___2022002'
    """
    key = f"{WAVEFORMS}/{ARCHIVES[layout].day_file_key(name, date)}"
    if to == "mseed":
        return key
    stem = key.removesuffix(MINISEED_SUFFIX)
    return stem if ARCHIVES[layout].HOLDS == "channel-day" else f"{stem}.{name.loc}.{name.chan}"


@dataclass(frozen=True)
class MotionObject:
    """An object to put, and the rows of the segments that stand in it, which say where."""

    key: str
    body: bytes
    rows: list[Row]


def as_objects(to: str, key: str, channels: Iterable[tuple[Channel, Sequence[Row], Sequence[Segment]]]) -> list[MotionObject]:
    """One object of miniSEED of all the segments, or one of SAC of each, numbered from the second on."""
    found: list[MotionObject] = []
    records: list[bytes] = []
    placed: list[Row] = []
    offset = 0
    for name, rows, segments in channels:
        for number, (row, segment) in enumerate(zip(rows, segments, strict=True)):
            body = sac_bytes(row, name, segment, None) if to == "sac" else pack(name, segment)
            own = f"{key}{f'.{number}' if number else ''}.sac" if to == "sac" else key
            told = {**row, "dfile": own, "foff": offset, "nbytes": len(body)}
            if to == "sac":
                found.append(MotionObject(own, body, [told]))
                continue
            records.append(body)
            placed.append(told)
            offset += len(body)
    return [MotionObject(key, b"".join(records), placed)] if placed else found
