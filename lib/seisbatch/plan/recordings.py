"""Which recordings of a hydrophone a store holds, when each begins, and of which channel and rate they are."""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from seisbatch.acquire.backend import Listed
from seisbatch.acquire.objects import Store, StoreSettings, check_key, open_store
from seisbatch.acquire.recording_times import AUTO, RECORDS, TimePattern
from seisbatch.acquire.sound import HEAD_BYTES, RecordingHeader, recording_header
from seisbatch.config import OptionError
from seisbatch.names import Channel, channel
from seisbatch.outcome import Denied, Outcome, RunError, UnitError
from seisbatch.process.segments import MAX_RATE_DEVIATION
from seisbatch.schema import RECORDING
from seisbatch.steps.recording_times import NO_TIME, RecordingTimesSettings, read_recording_times
from seisbatch.times import to_datetime

SOUND_ENDINGS = (".wav", ".flac")
ENDINGS = (".mseed", ".ms", ".miniseed", ".msd", ".seed", *SOUND_ENDINGS)
PROBES = 10
"""Objects of which one must be readable, to tell the channel and the rate."""
KEYS_A_TASK = 256
ASKED = 32
"""Objects whose sizes are asked for at a time."""
SHOWN = 3
SHOWN_CHANNELS = 20

_NAMES_CHANNEL = re.compile(
    r"([A-Z0-9]{1,2})([-.])([A-Z0-9]{1,5})\2([A-Z0-9]{0,2})\2([A-Z][A-Z0-9]{2})(?=[-._])"  # OO-HYEA2--YDH-2017...
)
_OBJECTS = pa.schema([RECORDING.arrow().field(name) for name in ("s3key", "size", "version")])


@dataclass(frozen=True, eq=False)
class FoundRecordings:
    """Rows of :data:`RECORDING` in order of time, those without a time last; their channel, and its nominal rate [Hz]."""

    frame: DataFrame
    name: Channel
    rate: float


class _Recording(NamedTuple):
    start_ns: int | None
    key: str
    size: int | None
    version: str | None
    outcome: str | None = None
    reason: str | None = None


def find_recordings(
    spark: SparkSession,
    store: StoreSettings,
    pattern: str,
    name: Channel | None,
    wanted_ns: tuple[int, int] | None,
    track: int,
) -> FoundRecordings:
    """The recordings in a store that begin in a span, and the last that begins before it, which may reach into it.

    Recordings are the objects that end in one of :data:`ENDINGS`, whatever the case, or, where there are none, those whose
    names hold a time; names of objects or folders that begin with ``_`` or ``.`` are left out, and so is miniSEED whose name
    is that of another channel. Times are those of the names, or, with the pattern ``auto``, of miniSEED's first records, which
    ``records`` takes always. What has none, or cannot be read, or is a second sound file of the same time, is a row with an
    outcome, whatever the span.

    The channel is ``name``, or else the one that the first readable miniSEED holds. Sizes and versions are null where neither
    the store's listing nor the object tells them.

    Raises OptionError where nothing fits, or options do not fit what is there; RunError where the store, or the first
    :data:`PROBES` objects, cannot be read.
    """
    try:
        times = TimePattern(pattern)
    except ValueError as error:
        raise OptionError(str(error)) from None
    opened = open_store(store)
    found, unread = _listed(opened, times, name)
    timed = [recording for recording in found if recording.start_ns is not None]
    first = _in_span(timed, wanted_ns, store.root) if timed and not unread else sorted(timed) or unread
    name, rate = _probe(opened, first[:PROBES], name, track)
    if unread:
        read = _read_times(spark, RecordingTimesSettings(store, name), unread)
        found += read
        timed += [recording for recording in read if recording.start_ns is not None]
        if not timed:
            raise RunError(f"{store.root}: {_count(unread)}, none of which can be read: {read[0].key}: {read[0].reason}")
    rows = _without_doubles(_sized(opened, _in_span(timed, wanted_ns, store.root))) + [
        row for row in found if row.start_ns is None
    ]
    return FoundRecordings(spark.createDataFrame(_table(rows, name)), name, rate)


def _listed(store: Store, times: TimePattern, name: Channel | None) -> tuple[list[_Recording], list[_Recording]]:
    """Recordings whose time, or whose want of one, is known, and those whose records tell it."""
    root = store.settings.root
    store.require()
    try:
        listed = [item for item in store.list_known("") if not re.search(r"(^|/)[_.]", item.key)]
    except Denied as error:
        raise RunError(f"the recordings cannot be listed: {error}") from error
    except UnitError as error:
        raise RunError(f"{root} cannot be listed: {error}") from error
    items = [item for item in listed if item.key.lower().endswith(ENDINGS)]
    items = items or [item for item in listed if times.start_ns(item.key) is not None]
    if not items:
        there = _some([item.key for item in listed], SHOWN) or "nothing"
        raise OptionError(
            f"no recordings in {root}: there is {there}; they end in {' '.join(ENDINGS)}, or have a time in their names"
        )
    found, unread = [], []
    for item in _of_channel(items, name):
        start_ns = times.start_ns(item.key)
        recording = _Recording(start_ns, item.key, item.size if item.size >= 0 else None, item.version or None)
        if reason := _unfit(item.key):
            found.append(recording._replace(start_ns=None, outcome=str(Outcome.REJECTED), reason=reason))
        elif start_ns is not None:
            found.append(recording)
        elif times.text in (AUTO, RECORDS) and not item.key.lower().endswith(SOUND_ENDINGS):
            unread.append(recording)
        else:
            found.append(recording._replace(outcome=str(Outcome.REJECTED), reason=NO_TIME))
    if not unread and all(recording.start_ns is None for recording in found):
        raise OptionError(f"{root}: {_count(found)}, and none has a time in its name that --time-pattern {times.text} finds")
    return found, unread


def _unfit(key: str) -> str | None:
    try:
        check_key(key)
    except ValueError as error:
        return str(error)
    return None


def _of_channel(items: Sequence[Listed], name: Channel | None) -> Sequence[Listed]:
    """Without those whose names are of other channels; OptionError where it is not told which of several is wanted."""
    of = [_named_channel(item.key) for item in items]
    there = {found for found in of if found is not None}
    if name is None and len(there) > 1:
        raise OptionError(f"there are recordings of {_some([*map(str, sorted(there))])}: name one with --channel")
    if name not in there:  # names may be written otherwise
        return items
    return [item for item, found in zip(items, of, strict=True) if found in (None, name)]


def _named_channel(key: str) -> Channel | None:
    """The channel that miniSEED's name begins with, if it does."""
    found = None if key.lower().endswith(SOUND_ENDINGS) else _NAMES_CHANNEL.match(key, key.rfind("/") + 1)
    return channel(found[1], found[3], found[4], found[5]) if found else None


def _in_span(timed: Sequence[_Recording], wanted_ns: tuple[int, int] | None, root: str) -> list[_Recording]:
    """Those that begin in a span and the last before it, in order of time; OptionError where there is none."""
    ordered = sorted(timed)
    if wanted_ns is None:
        return ordered
    starts = [recording.start_ns or 0 for recording in ordered]
    first, stop = (bisect.bisect_left(starts, instant) for instant in wanted_ns)
    if not (chosen := ordered[max(0, first - 1) : stop]):
        there = " to ".join(f"{to_datetime(instant):%Y-%m-%dT%H:%M:%S}" for instant in (starts[0], starts[-1]))
        raise OptionError(f"{root}: {_count(timed)}, which begin from {there}: none in the time asked for")
    return chosen


def _sized(store: Store, recordings: Sequence[_Recording]) -> list[_Recording]:
    """With the sizes and versions that the listing does not tell: without them a recording that changed is not noticed."""

    def asked(recording: _Recording) -> _Recording:
        if recording.size is not None:
            return recording
        try:
            size, version = store.head(recording.key)
        except UnitError:  # which is told where it is read
            return recording
        return recording._replace(size=size, version=version or None)

    with ThreadPoolExecutor(ASKED, thread_name_prefix="head") as pool:
        return list(pool.map(asked, recordings))


def _without_doubles(ordered: Sequence[_Recording]) -> list[_Recording]:
    """Of sound files that begin at the same time the first is read: which hydrophone each is of cannot be told."""
    rows: list[_Recording] = []
    last: _Recording | None = None
    for recording in ordered:
        is_sound = recording.key.lower().endswith(SOUND_ENDINGS)
        if is_sound and last is not None and recording.start_ns == last.start_ns:
            reason = f"{last.key} begins at the same time, and is read"
            rows.append(recording._replace(outcome=str(Outcome.REJECTED), reason=reason))
            continue
        rows.append(recording)
        last = recording if is_sound else last
    return rows


def _probe(store: Store, first: Sequence[_Recording], name: Channel | None, track: int) -> tuple[Channel, float]:
    """The channel, and its nominal rate, from the first object that can be read and has it."""
    reasons: list[str] = []
    denied = 0
    for recording in first:
        try:
            head = store.get_range(recording.key, 0, HEAD_BYTES)
            header = recording_header(head, recording.key, name)
        except UnitError as error:
            reasons.append(f"{recording.key}: {error}")
            denied += isinstance(error, Denied)
            continue
        found = _channel_in(header, recording.key, name, track)
        if found is not None:
            return found, nominal_rate(header.rate)
        reasons.append(f"{recording.key} holds {_some([*map(str, header.channels)])}, not --channel {name}")
    what = "is access to the archive allowed? " if denied == len(first) else ""
    raise RunError(f"none of the first {len(first)} recordings can be used: {what}{reasons[0]}")


def rate_of(store: Store, keys: Sequence[str], name: Channel) -> float:
    """A channel's nominal rate [Hz], from the first of some objects that can be read; RunError where none can."""
    return _probe(store, [_Recording(None, key, None, None) for key in keys], name, 1)[1]


def _channel_in(header: RecordingHeader, key: str, name: Channel | None, track: int) -> Channel | None:
    """The channel that is wanted of an object; None where it has others."""
    if header.tracks:
        if name is None:
            raise OptionError("wav and flac files name no channel: give --channel NET.STA.LOC.CHA")
        if track > header.tracks:
            raise OptionError(f"--track {track}: {key} has {header.tracks}")
        return name
    if name is None:
        if len(header.channels) > 1:
            raise OptionError(f"{key} holds {_some([*map(str, header.channels)])}: name one with --channel")
        return header.channels[0]
    return name if name in header.channels else None


def nominal_rate(rate: float) -> float:
    """A rate as it is meant: a whole number of Hz, where it is that within the rates that count as one.

    >>> nominal_rate(63999.99), nominal_rate(0.1)
    (64000.0, 0.1)
    """
    whole = float(round(rate))
    return whole if abs(rate - whole) <= MAX_RATE_DEVIATION * rate else rate


def _read_times(spark: SparkSession, settings: RecordingTimesSettings, unread: Sequence[_Recording]) -> list[_Recording]:
    keys = pa.table([[row.key for row in unread], [row.size for row in unread], [row.version for row in unread]], _OBJECTS)
    frame = spark.createDataFrame(keys).repartition(-(-len(unread) // KEYS_A_TASK))
    read = frame.mapInArrow(functools.partial(read_recording_times, settings), RECORDING.spark()).toArrow()
    columns = (read.column(name).to_pylist() for name in ("start_ns", "s3key", "size", "version", "outcome", "reason"))
    return sorted((_Recording(*row) for row in zip(*columns, strict=True)), key=lambda row: row.key)


def _table(rows: Sequence[_Recording], name: Channel) -> pa.Table:
    start_ns, keys, sizes, versions, outcomes, reasons = zip(*rows, strict=True)
    codes = [pa.repeat(code, len(rows)) for code in name]
    return pa.table([keys, *codes, keys, start_ns, sizes, versions, outcomes, reasons], RECORDING.arrow())


def _count(recordings: Sequence[_Recording]) -> str:
    return f"{len(recordings):,} recordings, such as {', '.join(recording.key for recording in recordings[:SHOWN])}"


def _some(names: Sequence[str], shown: int = SHOWN_CHANNELS) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
