"""The samples of rows of ``wf_TimeSeries``, whether they stand in the table or in objects of miniSEED beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seisbatch.acquire.miniseed import decode
from seisbatch.acquire.objects import Store
from seisbatch.outcome import Corrupt, UnitError
from seisbatch.process.segments import Segment
from seisbatch.sinks.sac import read_sac
from seisbatch.times import SECOND_NS, from_datetime

READ_BYTES = 16_000_000
"""Records that are read at a time, and held."""
READ_ROWS = 4096
GAP_BYTES = 65_536
"""What stands between two segments and is less than this is read with them: another request would take longer."""
TOLERANCE_NS = 1_000_000
MINISEED, SAC = "miniseed", "sac"
"""What samples are encoded as."""

Row = Mapping[str, Any]
Records = bytes | UnitError


def with_records(store: Store, rows: Iterable[Row]) -> Iterator[tuple[Row, Records]]:
    """Each row in turn with its records, or the UnitError that reading them ended with.

    ``store`` is the output that the rows are of. Of an object, ranges that are near to each other are read together, those of
    some :data:`READ_BYTES` of rows at a time.
    """
    held: list[Row] = []
    n_bytes = 0
    for row in rows:
        held.append(row)
        n_bytes += (row["nbytes"] or 0) if row["samples"] is None else len(row["samples"])
        if n_bytes >= READ_BYTES or len(held) >= READ_ROWS:
            yield from _read(store, held)
            held, n_bytes = [], 0
    yield from _read(store, held)


def _read(store: Store, rows: Sequence[Row]) -> Iterator[tuple[Row, Records]]:
    numbers: dict[str, list[int]] = {}
    found: dict[int, Records] = {}
    for number, row in enumerate(rows):
        if row["samples"] is not None:
            continue
        if row["dfile"] is None or (row["foff"] or 0) < 0 or (row["nbytes"] or 0) <= 0:
            found[number] = Corrupt("the row has no samples, and names no records of an object")
        else:
            numbers.setdefault(row["dfile"], []).append(number)
    for key, of_object in numbers.items():
        found |= _read_object(store, key, {number: (rows[number]["foff"] or 0, rows[number]["nbytes"]) for number in of_object})
    for number, row in enumerate(rows):
        yield row, found.pop(number) if row["samples"] is None else row["samples"]


def _read_object(store: Store, key: str, places: Mapping[int, tuple[int, int]]) -> dict[int, Records]:
    """The records at some places (offset, length) of an object, by the numbers of the places."""
    ranges: list[list[int]] = []  # start, end
    within: dict[int, int] = {}
    for number, (offset, length) in sorted(places.items(), key=lambda item: item[1]):
        if not ranges or offset > ranges[-1][1] + GAP_BYTES:
            ranges.append([offset, offset])
        ranges[-1][1] = max(ranges[-1][1], offset + length)
        within[number] = len(ranges) - 1
    try:
        parts = store.get_ranges(key, [start for start, _ in ranges], [end - start for start, end in ranges])
    except UnitError as error:
        return dict.fromkeys(places, error)
    except ValueError as error:
        return dict.fromkeys(places, Corrupt(str(error)))
    found: dict[int, Records] = {}
    for number, (offset, length) in places.items():
        first = offset - ranges[within[number]][0]
        records = bytes(memoryview(parts[within[number]])[first : first + length])
        found[number] = records if len(records) == length else Corrupt(f"{key} ends within the records from byte {offset} on")
    return found


def segment_of(row: Row, records: Records) -> Segment:
    """A row's segment out of its records, at the row's own sampling rate.

    Raises the UnitError that the records are, and Corrupt where they are damaged or not those of the row.
    """
    if isinstance(records, UnitError):
        raise records
    if row["encoding"] not in (MINISEED, SAC):
        raise Corrupt(f"samples are encoded as {row['encoding']}, not as {MINISEED} or {SAC}")
    if not row["sampling_rate"] > 0:
        raise Corrupt(f"a sampling rate of {row['sampling_rate']} Hz")
    if row["encoding"] == SAC:
        segments = [read_sac(records)]
    else:
        segments = [segment for of_channel in decode(records).values() for segment in of_channel]
    start_ns = from_datetime(row["starttime"])
    tolerance = max(TOLERANCE_NS, round(0.5 * SECOND_NS / row["sampling_rate"]))
    if len(segments) != 1 or len(segments[0].samples) != row["npts"] or abs(segments[0].start_ns - start_ns) > tolerance:
        raise Corrupt(f"the records are not those of {row['id']}: {len(segments)} segments, {len(records)} bytes")
    return Segment(segments[0].start_ns, row["sampling_rate"], segments[0].samples)
