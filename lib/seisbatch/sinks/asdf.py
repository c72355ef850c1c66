"""ASDF files: segments with their events and stations, by ``pyasdf``, written on the local disk by one thread, without MPI."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from obspy import Inventory, Trace, UTCDateTime
from obspy.core.event import Catalog, Event, EventDescription, Magnitude, Origin, ResourceIdentifier

from seisbatch.names import Channel, file_name
from seisbatch.outcome import RunError
from seisbatch.process.segments import Segment

COMPRESSION = "gzip-3"
_QUAKEML_URI = re.compile(r"(smi|quakeml):[\w][\w.*()~'-]{2,}/[\w.*()~'-][\w.*()+?~'=,;#/&-]*", re.ASCII)
_NO_SPACE = re.compile(r"errno = (28|122)\b|No space left|quota exceeded", re.IGNORECASE)
"""How HDF5 tells of a full disk, or quota: as text."""

Row = Mapping[str, Any]


class AsdfFile:
    """A new ASDF file, which is gone when it is left; whoever made it puts it where it belongs before."""

    def __init__(self) -> None:
        from pyasdf import ASDFDataSet  # only workers that write ASDF load HDF5

        self._folder = tempfile.TemporaryDirectory(prefix="seisbatch-")
        self.path = Path(self._folder.name) / "waveforms.h5"
        self._data = ASDFDataSet(str(self.path), compression=COMPRESSION, mpi=False)
        self._names: set[tuple[str, ...]] = set()
        self._events: dict[str, Event] = {}

    def __enter__(self) -> AsdfFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            self._data.__exit__(None, None, None)
        finally:
            self._folder.cleanup()

    def add(self, row: Row, name: Channel, segment: Segment) -> None:
        """Add a segment, with its row of ``wf_TimeSeries``: tagged as its data set, labelled as its window, of its event."""
        codes = dict(zip(("network", "station", "location", "channel"), name, strict=True))
        header = {**codes, "starttime": UTCDateTime(ns=segment.start_ns), "sampling_rate": segment.rate}
        trace = Trace(segment.samples, header)
        event = None
        if row["source_id"] is not None:
            event = event_uri(row["source_id"])
            if event not in self._events:
                self._events[event] = _event(event, row)
        tag, labels = self._unique_tag(trace, row["data_tag"]), [file_name(row["window"])]
        try:
            self._data.add_waveforms(trace, tag, event_id=event, labels=labels)
        except OSError as error:
            raise self._judged(error) from error

    def _unique_tag(self, trace: Trace, data_tag: str) -> str:
        """The tag of a segment: ASDF names them by seconds, and two of a channel, as of events close in time, may be alike."""
        tag = asdf_tag(data_tag)
        begins, ends = (time.strftime("%Y-%m-%dT%H:%M:%S") for time in (trace.stats.starttime, trace.stats.endtime))
        number, unique = 0, tag
        while (trace.id, begins, ends, unique) in self._names:
            number += 1
            unique = f"{tag}_{number}"
        self._names.add((trace.id, begins, ends, unique))
        return unique

    def add_station(self, inventory: Inventory) -> None:
        """Add the StationXML of one station."""
        try:
            self._data.add_stationxml(inventory)
        except OSError as error:
            raise self._judged(error) from error

    def finish(self) -> Path:
        """The file, with all that was added; RunError where the disk is full."""
        try:
            if self._events:
                self._data.events = Catalog(list(self._events.values()), resource_id=ResourceIdentifier("smi:local/catalogue"))
            self._data.flush()
        except OSError as error:
            raise self._judged(error) from error
        self._data.__exit__(None, None, None)
        return self.path

    def _judged(self, error: OSError) -> Exception:
        return RunError(f"no space left in {self._folder.name} for ASDF: {error}") if _NO_SPACE.search(str(error)) else error


def asdf_tag(data_tag: str) -> str:
    """A data tag as a tag that ASDF allows: lower case letters, digits and ``_``.

    >>> asdf_tag("Tohoku.2011")
    'tohoku_2011'
    """
    tag = re.sub(r"[^a-z0-9_]", "_", data_tag.lower())
    return "stationxml_" if tag == "stationxml" else tag


def event_uri(source_id: str) -> str:
    """An event's id as QuakeML has ids: as it is where it is one.

    >>> event_uri("38457511"), event_uri("quakeml:ci.anss.org/Event/CI/38457511")
    ('smi:local/event/38457511', 'quakeml:ci.anss.org/Event/CI/38457511')
    """
    return source_id if _QUAKEML_URI.fullmatch(source_id) else f"smi:local/event/{file_name(source_id)}"


def _event(uri: str, row: Row) -> Event:
    """An event with what a segment's row tells of it; without an origin where that is just its id."""
    event = Event(resource_id=ResourceIdentifier(uri), event_descriptions=[EventDescription(text=row["source_id"])])
    if row["source_time"] is not None:
        depth = row["source_depth"]
        event.origins = [
            Origin(
                resource_id=ResourceIdentifier(f"{uri}/origin"),
                time=UTCDateTime(row["source_time"]),
                latitude=row["source_lat"],
                longitude=row["source_lon"],
                depth=None if depth is None else 1000 * depth,
            )
        ]
        event.preferred_origin_id = event.origins[0].resource_id
    if row["magnitude"] is not None:
        event.magnitudes = [Magnitude(resource_id=ResourceIdentifier(f"{uri}/magnitude"), mag=row["magnitude"])]
        event.preferred_magnitude_id = event.magnitudes[0].resource_id
    return event
