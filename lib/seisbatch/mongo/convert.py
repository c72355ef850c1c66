"""Waveforms in memory from and to ``obspy``: traces, streams, and the three traces of a station."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from seisbatch.mongo.data import Seismogram, SeismogramEnsemble, TimeSeries, TimeSeriesEnsemble
from seisbatch.mongo.plain import NOT_PLAIN, plain
from seisbatch.mongo.sampling import ORIENTATION, TIMING

ALIGNMENT = 0.01
"""Samples of three components that are no further apart than this share of a sample, from first to last, are simultaneous."""
LEAST_VOLUME = 1e-3
"""Of the box that three unit vectors span: below it they are nearly in one plane, and motion across it is not recorded."""

_CODES = {"network": "net", "station": "sta", "location": "loc", "channel": "chan"}
_OF_STATS = frozenset({*_CODES, *TIMING, "component"})
"""Names that obspy reads its own meaning into."""
_ANGLES = (("hang", "vang"), ("channel_hang", "channel_vang"))
_ORDER = {"E": 0, "1": 0, "N": 1, "2": 1, "Z": 2, "3": 2}
_LETTERS = {"E": (90.0, 90.0), "N": (0.0, 90.0), "Z": (0.0, 0.0)}


def time_series_of(trace: Trace) -> TimeSeries:
    """A trace as a TimeSeries; float64 samples are not copied.

    ``stats`` become metadata: ``net``, ``sta``, ``loc``, ``chan``, ``starttime`` and ``endtime`` (epoch seconds), ``delta``,
    ``sampling_rate``, ``npts``, ``calib``, and every other one that is plain: text, numbers, ids of MongoDB, lists and dicts of
    these, times as epoch seconds. A ``response`` is left out; anything else that is not plain too, and the log says so.

    Raises ValueError where the samples are masked (a merged stream with gaps: split it), complex, or without a rate.
    """
    values, left_out = _values(trace)
    series = TimeSeries(trace.data, values, starttime=values["starttime"])
    for message in left_out:
        series.elog.post("time_series_of", message)
    return series


def time_series_or_dead(trace: Trace) -> TimeSeries:
    """As :func:`time_series_of`, but of a trace that it refuses a dead one, whose log says why."""
    try:
        return time_series_of(trace)
    except ValueError as error:
        dead = TimeSeries(None, _values(trace)[0] | {"npts": len(trace.data)})
        dead.kill("time_series_of", error)
        return dead


def trace_of(series: TimeSeries) -> Trace:
    """A TimeSeries as a trace with samples of its own; metadata that obspy has no name for become stats of the same name.

    Metadata that are called as one of obspy's own stats (``station``) give way to it. A trace has neither the log nor the
    history. Raises ValueError where it is dead: a trace cannot tell.
    """
    if not series.live:
        raise ValueError(f"{series!r} is dead")
    return _trace(series.samples, series.metadata)


def ensemble_of(stream: Stream) -> TimeSeriesEnsemble:
    """Each trace of a stream as a member; raises what :func:`time_series_of` raises."""
    return TimeSeriesEnsemble([time_series_of(trace) for trace in stream])


def stream_of(data: TimeSeriesEnsemble | SeismogramEnsemble | Seismogram) -> Stream:
    """The live members of an ensemble as a stream, one trace each or, of seismograms, three.

    Traces of a Seismogram have ``hang`` and ``vang`` in degrees: the azimuth of the component, clockwise from north, and its
    angle from the upward vertical. Their channel codes are the first letters of ``chan`` with E, N or Z where a component
    points there, else with its number: 1, 2, 3. Raises ValueError for a Seismogram that is dead, and where the rows of
    ``tmatrix`` are not of unit length: angles cannot tell.
    """
    if isinstance(data, Seismogram):
        return Stream(_traces(data))
    traces: list[Trace] = []
    for member in data.members:
        if member.live:
            traces += _traces(member) if isinstance(member, Seismogram) else [trace_of(member)]
    return Stream(traces)


def seismogram_of(stream: Stream) -> Seismogram:
    """The three traces of one sensor as a Seismogram: E, N, Z, or 1, 2, Z, or 1, 2, 3; of other letters as they come.

    The directions are ``hang`` and ``vang`` (or ``channel_hang`` and ``channel_vang``) of each trace's stats, degrees as
    :func:`stream_of` gives them, and where there are none those that the letters E, N and Z promise. Metadata are those that
    the three have in common; ``chan`` is that of the last component, as MsPASS has it.

    Raises ValueError where there are not three traces of one station, location and band; where start, rate or length differ
    (beyond :data:`ALIGNMENT`); where a direction is not known; and where they are nearly in one plane.
    """
    parts = [time_series_of(trace) for trace in stream]
    if len(parts) != 3:
        raise ValueError(f"a Seismogram is made of three traces, not {len(parts)}")
    parts = _in_order(parts)
    _refuse_different(parts)
    tmatrix = np.array([_direction(*_angles(part)) for part in parts])
    if abs(np.linalg.det(tmatrix)) < LEAST_VOLUME:
        raise ValueError(f"the components of {_name(parts[0])} are in one plane")
    first, *others = (dict(part.metadata) for part in parts)
    unwanted = {name for pair in _ANGLES for name in pair} | set(ORIENTATION)
    common = {
        name: value
        for name, value in first.items()
        if name not in unwanted and all(name in other and other[name] == value for other in others)
    }
    seismogram = Seismogram(
        np.stack([part.samples for part in parts]),
        common | {"chan": parts[2].metadata["chan"], "sampling_rate": first["sampling_rate"]},
        starttime=parts[0].starttime,
        tmatrix=tmatrix,
    )
    for entry in itertools.chain.from_iterable(part.elog for part in parts):
        if entry not in seismogram.elog.entries:
            seismogram.elog.entries.append(entry)
    return seismogram


def seismograms_of(stream: Stream) -> SeismogramEnsemble:
    """The seismograms of a stream: traces of one station, location and band, in the order in which these are first met.

    Raises what :func:`seismogram_of` raises of any of them, so a stream holds one time window of each station.
    """
    groups: dict[tuple[str, ...], Stream] = {}
    for trace in stream:
        stats = trace.stats
        groups.setdefault((stats.network, stats.station, stats.location, stats.channel[:-1]), Stream()).append(trace)
    return SeismogramEnsemble([seismogram_of(group) for group in groups.values()])


def _values(trace: Trace) -> tuple[dict[str, Any], list[str]]:
    """What of a trace's stats becomes metadata, and in words what does not."""
    values: dict[str, Any] = {}
    left_out = []
    for name, value in trace.stats.items():
        if name in _OF_STATS or name == "response":
            continue
        held = plain(value)
        if held is NOT_PLAIN:
            left_out.append(f"{name}, of type {type(value).__name__}, is no plain value and was left out")
        else:
            values[name] = held
    values |= {key: trace.stats[name] for name, key in _CODES.items()}
    values |= {"sampling_rate": trace.stats.sampling_rate, "delta": trace.stats.delta}
    return values | {"starttime": trace.stats.starttime.timestamp}, left_out


def _trace(samples: np.ndarray[Any, Any], metadata: Mapping[str, Any]) -> Trace:
    header: dict[str, Any] = {name: str(metadata.get(key) or "") for name, key in _CODES.items()}
    header |= {"sampling_rate": metadata["sampling_rate"], "starttime": UTCDateTime(metadata["starttime"])}
    trace = Trace(samples.copy(), header)
    known = {*_OF_STATS, *_CODES.values()}
    for name, value in metadata.items():
        if name not in known:
            trace.stats[name] = value
    return trace


def _traces(seismogram: Seismogram) -> list[Trace]:
    if not seismogram.live:
        raise ValueError(f"{seismogram!r} is dead")
    tmatrix = seismogram.tmatrix
    if not np.allclose(np.linalg.norm(tmatrix, axis=1), 1, rtol=0, atol=1e-6):
        raise ValueError(f"the components of {seismogram!r} are no directions: rows of tmatrix are not of unit length")
    shared = {name: value for name, value in seismogram.metadata.items() if name not in ORIENTATION}
    traces = []
    for number, (row, samples) in enumerate(zip(tmatrix, seismogram.samples, strict=True), start=1):
        east, north, up = (float(element) for element in row)
        vang = math.degrees(math.atan2(math.hypot(east, north), up))
        hang = math.degrees(math.atan2(east, north)) % 360 if math.hypot(east, north) > 1e-6 else 0.0
        letters = [letter for letter, angles in _LETTERS.items() if np.allclose(row, _direction(*angles), rtol=0, atol=1e-6)]
        chan = str(shared.get("chan", ""))[:-1] + (letters[0] if letters else str(number))
        traces.append(_trace(samples, shared | {"chan": chan, "hang": hang, "vang": vang}))
    return traces


def _in_order(parts: list[TimeSeries]) -> list[TimeSeries]:
    places = [_ORDER.get(part.metadata["chan"][-1:]) for part in parts]
    if set(places) != {0, 1, 2}:
        return parts
    return [parts[places.index(place)] for place in range(3)]


def _refuse_different(parts: list[TimeSeries]) -> None:
    first = parts[0]
    if len({_name(part) for part in parts}) != 3 or len({_name(part)[:-1] for part in parts}) != 1:
        raise ValueError(f"not three channels of one sensor: {', '.join(_name(part) for part in parts)}")
    for part in parts[1:]:
        names = f"{_name(first)} and {_name(part)}"
        if part.npts != first.npts:
            raise ValueError(f"{names} differ in length: {first.npts} and {part.npts} samples")
        if abs(part.delta - first.delta) * max(1, first.npts - 1) > ALIGNMENT * first.delta:
            raise ValueError(f"{names} differ in rate: {first.sampling_rate} and {part.sampling_rate} Hz")
        if abs(part.starttime - first.starttime) > ALIGNMENT * first.delta:
            raise ValueError(f"{names} differ in start: by {part.starttime - first.starttime:.6f} s")


def _angles(part: TimeSeries) -> tuple[float, float]:
    for names in _ANGLES:
        there = [name for name in names if part.metadata.get(name) is not None]
        if len(there) == 1:
            raise ValueError(f"{_name(part)} has {there[0]} alone: a direction is two angles")
        if there:
            hang, vang = (float(part.metadata[name]) for name in names)
            if not (math.isfinite(hang) and math.isfinite(vang)):
                raise ValueError(f"{_name(part)} has a direction that is not finite: {hang}, {vang}")
            return hang, vang
    try:
        return _LETTERS[part.metadata["chan"][-1:]]
    except KeyError:
        raise ValueError(f"{_name(part)} has no hang and vang, and its letter is none of E, N, Z") from None


def _direction(hang: float, vang: float) -> tuple[float, float, float]:
    """The unit vector east, north, up of two angles in degrees; multiples of 90 degrees are exact."""
    return _sin(hang) * _sin(vang), _sin(hang + 90) * _sin(vang), _sin(vang + 90)


def _sin(degrees: float) -> float:
    quarters, rest = divmod(degrees % 360, 90)
    return (0.0, 1.0, 0.0, -1.0)[int(quarters)] if rest == 0 else math.sin(math.radians(degrees))


def _name(part: TimeSeries) -> str:
    return ".".join(str(part.metadata[code]) for code in _CODES.values())
