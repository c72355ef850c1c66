"""What windows are relative to: one time, events, or a table of arrivals. One row an anchor."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from seisbatch.acquire.objects import open_store
from seisbatch.acquire.travel_times import LONGEST_SECONDS
from seisbatch.config import OptionError
from seisbatch.names import STAND_IN, channel
from seisbatch.options import CutWindows
from seisbatch.outcome import RunError, UnitError
from seisbatch.plan.sources import read_sources, source_selection
from seisbatch.plan.stores import own_store
from seisbatch.sample.events import EVENTS
from seisbatch.steps.windows import NEAR_MIDNIGHT_NS, day_of, window_label
from seisbatch.times import SECOND_NS, from_datetime, parse_instant

USUAL_SECONDS = 900
"""Within a quarter of an hour the first P wave is everywhere: a channel that has only a later day is not asked for."""
TIME = pa.timestamp("us", tz="UTC")
ANCHORS = pa.schema(
    [
        ("label", pa.string()),
        ("anchor_ns", pa.int64()),
        ("month", pa.string()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("first_asked", pa.date32()),
        ("last_asked", pa.date32()),
        ("source_id", pa.string()),
        ("source_time", TIME),
        ("source_lat", pa.float64()),
        ("source_lon", pa.float64()),
        ("source_depth", pa.float64()),
        ("magnitude", pa.float64()),
        ("phase", pa.string()),
        *((f"only_{code}", pa.string()) for code in ("net", "sta", "loc", "chan")),
    ]
)
"""A label (unique for a channel), an instant, the days whose objects may hold a part of the window, and those of them that
the window should lie in; channel codes that are null are any."""
ONE_OF_A_KIND = ("label", "only_net", "only_sta", "only_loc", "only_chan")


@dataclass(frozen=True, eq=False)
class Anchors:
    """A table of anchors, in words, and whether each is of one station."""

    table: pa.Table
    told: str
    of_stations: bool

    @property
    def days(self) -> list[dt.date]:
        """Every day whose objects may hold a part of a window, in order."""
        return self._days("first_day", "last_day")

    @property
    def asked(self) -> list[dt.date]:
        """Every day that a window should lie in, in order."""
        return self._days("first_asked", "last_asked")

    def _days(self, *columns: str) -> list[dt.date]:
        days: set[dt.date] = set()
        for first, last in set(zip(*(self.table[column].to_pylist() for column in columns), strict=True)):
            days |= {first + dt.timedelta(days=number) for number in range((last - first).days + 1)}
        return sorted(days)


def anchors_of(options: CutWindows, from_ns: int, to_ns: int) -> Anchors:
    """The anchors that the options name; OptionError where there is none, or they contradict each other."""
    if sum(word is not None for word in (options.time, options.events, options.arrivals)) > 1:
        raise OptionError("--time, --events and --arrivals exclude each other: give one of them")
    if options.phases and options.events is None:
        raise OptionError("--phases needs --events: arrivals are predicted from an event's place and depth")
    if options.arrivals is not None:
        return _arrivals(options, from_ns, to_ns)
    if options.events is not None:
        return _events(options, from_ns, to_ns)
    time = options.time or (EVENTS[0].time.isoformat() if options.archive == "sample" else None)
    if time is None:
        raise OptionError("when? Give --time, --events or --arrivals")
    try:
        anchor_ns = parse_instant(time)
    except ValueError as error:
        raise OptionError(str(error)) from None
    row = _row(window_label(anchor_ns + from_ns), anchor_ns, anchor_ns + from_ns, anchor_ns + to_ns)
    seconds = (to_ns - from_ns) / SECOND_NS
    return Anchors(_table([row]), f"{row['label']}, {seconds:g} s", of_stations=False)


def _row(label: str, anchor_ns: int, start_ns: int, end_ns: int, *, predicted: bool = False, **columns: Any) -> dict[str, Any]:
    last_ns = end_ns + LONGEST_SECONDS * SECOND_NS if predicted else end_ns
    asked_ns = end_ns + USUAL_SECONDS * SECOND_NS if predicted else end_ns
    return {
        "label": label,
        "anchor_ns": anchor_ns,
        "month": f"{day_of(anchor_ns):year=%Y/month=%m}",
        "first_day": day_of(start_ns - NEAR_MIDNIGHT_NS),
        "last_day": day_of(last_ns + NEAR_MIDNIGHT_NS - 1),
        "first_asked": day_of(start_ns),
        "last_asked": day_of(asked_ns - 1),
        **columns,
    }


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=ANCHORS)


def _events(options: CutWindows, from_ns: int, to_ns: int) -> Anchors:
    """Origin times; where windows are relative to arrivals, the days up to the latest that there can be."""
    path = None if options.events == "archive" else options.events
    sources = read_sources(options, path, source_selection(options, options.archive))
    rows = [
        _row(
            source["source_id"],
            anchor_ns := from_datetime(source["time"]),
            anchor_ns + from_ns,
            anchor_ns + to_ns,
            predicted=bool(options.phases),
            source_id=source["source_id"],
            source_time=source["time"],
            source_lat=source["lat"],
            source_lon=source["lon"],
            source_depth=source["depth"],
            magnitude=source["magnitude"],
        )
        for source in sources
    ]
    seconds = (to_ns - from_ns) / SECOND_NS
    about = f"the arrival of {', '.join(options.phases.split(','))}" if options.phases else "the origin time"
    return Anchors(_table(rows), f"{seconds:g} s about {about} of {len(rows):,} events", of_stations=False)


def _arrivals(options: CutWindows, from_ns: int, to_ns: int) -> Anchors:
    """Rows of a csv or Parquet file with columns net, sta and time, and maybe loc, chan, phase and source_id."""
    table = _read_table(options)
    if missing := [name for name in ("net", "sta", "time") if name not in table.column_names]:
        raise OptionError(f"--arrivals {options.arrivals}: no column {', '.join(missing)}; there are {table.column_names}")
    rows = []
    for number, arrival in enumerate(table.to_pylist(), 1):
        try:
            rows.append(_arrival(arrival, from_ns, to_ns))
        except ValueError as error:
            raise OptionError(f"--arrivals {options.arrivals}: row {number}: {error}") from None
    if not rows:
        raise OptionError(f"--arrivals {options.arrivals}: no row")
    counted = Counter(tuple(row.get(name) for name in ONE_OF_A_KIND) for row in rows)
    if twice := [key for key, number in counted.items() if number > 1]:
        raise OptionError(f"--arrivals {options.arrivals}: {' '.join(filter(None, twice[0]))} stands there twice")
    seconds = (to_ns - from_ns) / SECOND_NS
    return Anchors(_table(rows), f"{seconds:g} s about each of {len(rows):,} arrivals", of_stations=True)


def _arrival(arrival: dict[str, Any], from_ns: int, to_ns: int) -> dict[str, Any]:
    time = arrival["time"]
    anchor_ns = from_datetime(time) if isinstance(time, dt.datetime) else parse_instant(str(time))
    loc, chan = arrival.get("loc"), arrival.get("chan") or None
    name = channel(str(arrival["net"]), str(arrival["sta"]), loc or "", chan or STAND_IN)
    phase = str(arrival.get("phase") or "arrival")
    source_id = arrival.get("source_id")
    words = [window_label(anchor_ns), phase, *([str(source_id)] if source_id else [])]
    return _row(
        "/".join(words),
        anchor_ns,
        anchor_ns + from_ns,
        anchor_ns + to_ns,
        phase=phase,
        source_id=str(source_id) if source_id else None,
        only_net=name.net,
        only_sta=name.sta,
        only_loc=None if loc is None else name.loc,
        only_chan=name.chan if chan else None,
    )


def _read_table(options: CutWindows) -> pa.Table:
    path = str(options.arrivals)
    whole = path if "://" in path else str(Path(path).expanduser().resolve())
    root, _, name = whole.rpartition("/")
    store = open_store(own_store(options, root))
    store.require()
    try:
        data = store.get(name)
        if name.lower().endswith(".parquet"):
            return pq.ParquetFile(pa.BufferReader(data)).read()
        codes = dict.fromkeys(("net", "sta", "loc", "chan", "phase", "source_id", "time"), pa.string())
        text = pyarrow.csv.ConvertOptions(column_types=codes, strings_can_be_null=False)
        return pyarrow.csv.read_csv(pa.BufferReader(data), convert_options=text)
    except (UnitError, ValueError) as error:
        raise RunError(f"--arrivals {path} cannot be read: {error}") from error
    except (pa.ArrowException, OSError) as error:
        raise OptionError(f"--arrivals {path} is no csv or Parquet file: {error}") from error
