"""Writes the sample archive under the keys of SCEDC's bucket."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from seisbatch.archives import scedc
from seisbatch.names import Channel
from seisbatch.outcome import RunError
from seisbatch.process.segments import Segment
from seisbatch.sample.events import EVENTS, P_VELOCITY, S_VELOCITY
from seisbatch.sample.faults import FAULTS, NOT_MINISEED, Fault, Recording, faults_of, pack, planted, truncated
from seisbatch.sample.field import PARAMETERS, Real, recordings
from seisbatch.sample.network import DAYS, NETWORK, RECORDERS, STATIONS, Recorder
from seisbatch.sample.stationxml import station_xml
from seisbatch.sample.whole import tell, write_whole
from seisbatch.times import DAY_SECONDS, SECOND_NS, day_of_year, day_start_ns, from_datetime

VERSION = 1
PARAMETERS_FILE = "parameters.json"
EVENT_SECONDS = (-30.0, 120.0)
NO_INDEX_COORDINATES = "KILO"
"""A station whose coordinates the index leaves out, as the real one does for some."""


def write_sample_archive(folder: Path, *, quiet: bool = False) -> bool:
    """Write the sample archive to a folder; False where it is there already.

    It takes about a quarter of a minute and 110 MB, and is the same to the byte every time. The folder appears when all is
    written.
    Raises RunError where the folder holds something else.
    """
    return write_whole(folder, _is_there, lambda unfinished: _write(unfinished, quiet))


def _is_there(folder: Path) -> bool:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        version = json.loads((folder / PARAMETERS_FILE).read_text(encoding="utf-8")).get("version")
    except (OSError, ValueError, AttributeError):
        raise RunError(f"{folder} is not a sample archive: remove it, or name another --root") from None
    if version != VERSION:
        raise RunError(f"{folder} holds version {version} of the sample archive, this is {VERSION}: remove it")
    return True


def _write(root: Path, quiet: bool) -> None:
    events: dict[str, list[bytes]] = {event.event_id: [] for event in EVENTS}
    for number, (recorder, counts) in enumerate(recordings(RECORDERS)):
        if not quiet:
            tell(f"writing the sample archive: channel {number + 1} of {len(RECORDERS)}")
        samples = _with_gain_change(recorder, counts)
        for date in recorder.days:
            data = _day_file(recorder, samples, date)
            if data is not None:
                _put(root, scedc.day_file_key(recorder.name, date), data)
        for event in EVENTS:
            events[event.event_id].append(_event_part(recorder, samples, from_datetime(event.time)))
    for date in DAYS:
        _write_index(root, date)
    for station in STATIONS:
        if not any(fault.plant == "no_stationxml" and fault.channel.sta == station.code for fault in FAULTS):
            _put(root, scedc.station_key(NETWORK, station.code), station_xml(station))
    _write_catalogue(root, events)
    _put(root, PARAMETERS_FILE, json.dumps(_parameters(), indent=2).encode() + b"\n")
    if not quiet:
        tell("the sample archive is written", end="\n")


def _put(root: Path, key: str, data: bytes) -> None:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _with_gain_change(recorder: Recorder, counts: Real) -> Any:
    if recorder.gain_factor_from_noon != 1:
        counts[round(1.5 * DAY_SECONDS * recorder.rate) :] *= recorder.gain_factor_from_noon
    return np.rint(counts).astype(np.int32)


def _cut(recorder: Recorder, samples: Any, start_ns: int, seconds: float) -> Segment:
    first = round((start_ns - day_start_ns(DAYS[0])) * recorder.rate / SECOND_NS)
    return Segment(start_ns, recorder.rate, samples[first : first + round(seconds * recorder.rate)])


def _day_file(recorder: Recorder, samples: Any, date: dt.date) -> bytes | None:
    """The bytes of a day file with its faults; None for one that is missing."""
    faults = {fault.plant: fault for fault in faults_of(recorder.name, date)}
    if "missing" in faults:
        return None
    before, after = _across_midnight(faults.get("across_midnight"))
    start_ns = day_start_ns(date) - round(before * SECOND_NS)
    recording: Recording = [_cut(recorder, samples, start_ns, before + DAY_SECONDS + after)]
    for fault in faults.values():
        recording = planted(recording, fault)
    if "not_miniseed" in faults:
        return NOT_MINISEED
    name: Channel = recorder.name._replace(loc="00") if "other_location" in faults else recorder.name
    data = pack(name, recording)
    return truncated(data) if "truncated" in faults else data


def _across_midnight(fault: Fault | None) -> tuple[float, float]:
    numbers = dict(fault.numbers) if fault else {}
    return numbers.get("before", 0.0), numbers.get("after", 0.0)


def _event_part(recorder: Recorder, samples: Any, origin_ns: int) -> bytes:
    before, after = EVENT_SECONDS
    step_ns = round(SECOND_NS / recorder.rate)
    start_ns = (origin_ns + round(before * SECOND_NS)) // step_ns * step_ns
    return pack(recorder.name, [_cut(recorder, samples, start_ns, after - before)])


def _write_index(root: Path, date: dt.date) -> None:
    rows = []
    for recorder in RECORDERS:
        if date not in recorder.days:
            continue
        station = recorder.station
        known = station.code != NO_INDEX_COORDINATES
        rows.append(
            {
                "ms_filename": scedc.day_file_key(recorder.name, date).rpartition("/")[2],
                "net": NETWORK,
                "sta": station.code,
                "seedchan": recorder.name.chan,
                "location": recorder.name.loc or "  ",
                "lat": station.lat if known else None,
                "lon": station.lon if known else None,
                "sample_rate": recorder.rate,
            }
        )
    _write_table(root, rows, {form: scedc.day_index_key(date, form) for form in ("parquet", "csv")})


def _write_table(root: Path, rows: list[dict[str, Any]], keys: dict[str, str]) -> None:
    table = pa.Table.from_pylist(rows)
    for key in keys.values():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, root / keys["parquet"])
    with (root / keys["csv"]).open("wb") as file:
        file.write(",".join(table.column_names).encode() + b"\n")
        pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(include_header=False, quoting_style="none"))


def _write_catalogue(root: Path, files: dict[str, list[bytes]]) -> None:
    for year in sorted({event.time.year for event in EVENTS}):
        rows = []
        for event in (event for event in EVENTS if event.time.year == year):
            prefix = f"{year}/{year}_{day_of_year(event.time.date()):03d}/"
            rows.append(
                {
                    "EVID": event.event_id,
                    "ORIGIN_DATETIME": event.time.strftime("%Y-%m-%d %H:%M:%S.%f"),
                    "EVENT_TYPE": "eq",
                    "MAG": event.magnitude,
                    "MAGTYPE": "l",
                    "LATITUDE": event.lat,
                    "LONGITUDE": event.lon,
                    "DEPTH": event.depth,
                    "NUMPHASES": 2 * len(RECORDERS),
                    "NUMWAVEFORMS": len(RECORDERS),
                    "PREFIX": prefix,
                    "MS_FILENAME": f"{event.event_id}.ms",
                }
            )
            _put(root, f"event_waveforms/{prefix}{event.event_id}.ms", b"".join(files[event.event_id]))
        folder = "earthquake_catalogs/index"
        _write_table(
            root, rows, {form: f"{folder}/{form}/year={year}/{year}_catalog_index.{form}" for form in ("parquet", "csv")}
        )


def _parameters() -> dict[str, Any]:
    return {
        "version": VERSION,
        "field": dataclasses.asdict(PARAMETERS),
        "phase_velocity": "velocity_limit + velocity_range * exp(-f / velocity_frequency), km/s, f in Hz",
        "covariance": "J0(2 pi f r / phase_velocity), r in km",
        "p_velocity": P_VELOCITY,
        "s_velocity": S_VELOCITY,
        "days": [date.isoformat() for date in DAYS],
        "stations": [dataclasses.asdict(station) for station in STATIONS],
        "channels": [str(recorder.name) for recorder in RECORDERS],
    }
