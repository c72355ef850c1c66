"""This suite and mspasspy side by side on one MongoDB: what one writes, the other reads.

    python tests/benchmarks/interop_mspass.py --mspass /path/to/venv/bin/python

First this suite writes a database and mspasspy reads it, brings a datum up to date and deletes another; then mspasspy writes
one and this suite does the same with it. Samples, times, orientation and coordinates must be equal, to the bit but for
``tmatrix`` (1e-12). mspasspy runs in an interpreter of its own (``--mspass``), with ``mspass_side.py``. The server is that of
the tests, or of MONGODB_TEST_URI. What is known to fail in mspasspy itself is listed as such.

Exits with 1 if any check fails, with 2 where there is no mspasspy.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "lib"), str(ROOT)]

import numpy as np  # noqa: E402
import obspy  # noqa: E402
from bson import ObjectId, json_util  # noqa: E402
from pymongo import MongoClient  # noqa: E402
from seisbatch.mongo.convert import seismogram_of, time_series_of  # noqa: E402
from seisbatch.mongo.data import Datum, Seismogram, TimeSeries, TimeSeriesEnsemble  # noqa: E402
from seisbatch.mongo.database import Database  # noqa: E402
from seisbatch.mongo.elog import Badness, ErrorLog  # noqa: E402
from seisbatch.mongo.references import object_reference  # noqa: E402

from tests.mongo_server.server import ServerError, running_server  # noqa: E402
from tests.obspy_example import obspy_example  # noqa: E402

SIDE = Path(__file__).with_name("mspass_side.py")
MODES = ("promiscuous", "cautious", "pedantic")
TIMEOUT_S = 600
TOLD = 300
TURNED = np.array([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
COORDINATES = {
    "wf_TimeSeries": ("site_lat", "site_lon", "site_elev", "channel_lat", "channel_lon", "channel_elev", "channel_hang",
                      "channel_vang", "source_lat", "source_lon", "source_depth", "source_time"),
    "wf_Seismogram": ("site_lat", "site_lon", "site_elev", "source_lat", "source_lon", "source_depth", "source_time"),
}  # fmt: skip
COORDINATES["wf_miniseed"] = COORDINATES["wf_TimeSeries"]
KNOWN = re.compile(r"MsPASSError: \w+ is not defined")
"""What mspasspy raises of its own documents too, read cautiously: its schemas of waveforms lack chan, or net, sta and loc."""
UNWRITTEN = {"starttime_shift": ["undefined"]}
"""What mspasspy's verify finds in mspasspy's own documents too: its schema asks for it, and it is never written."""


class Checks:
    """Rows of the table."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, what: str, problems: list[str]) -> None:
        self.rows.append(("failed" if problems else "passed", what, "; ".join(problems)))

    def known(self, what: str, why: str) -> None:
        self.rows.append(("known", what, why))

    def same(self, what: str, found: Any, expected: Any) -> None:
        self.add(what, [] if found == expected else [f"{found!r}, not {expected!r}"])

    def show(self) -> int:
        """Print the table; the number of checks that failed."""
        width = max(len(what) for _, what, _ in self.rows)
        for outcome, what, told in self.rows:
            print(f"{outcome:<7} {what:<{width}}  {' '.join(told.split())[:TOLD]}".rstrip())
        counts = {word: sum(row[0] == word for row in self.rows) for word in ("passed", "failed", "known")}
        print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['known']} known to fail in mspasspy itself")
        return counts["failed"]


class Mspass:
    """mspasspy in its own interpreter, on one database."""

    def __init__(self, python: str, uri: str, database: str) -> None:
        self.command = [python, "-W", "ignore", str(SIDE)]
        self.uri, self.database = uri, database

    def __call__(self, what: str, wanted: dict[str, Any]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            given, out = Path(folder, "given.json"), Path(folder, "out.json")
            given.write_text(json_util.dumps(wanted | {"uri": self.uri, "database": self.database}))  # no password in a command
            command = [*self.command, what, str(given), str(out)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=folder)
            if done.returncode:
                raise RuntimeError(f"mspasspy's side ({what}) ended with {done.returncode}:\n{done.stderr[-3000:]}")
            answer: dict[str, Any] = json_util.loads(out.read_text())
            return answer


def told(datum: Datum | None) -> dict[str, Any]:
    """What this suite has of a datum, as mspasspy's side tells it."""
    if datum is None or not datum.live:
        return {"live": False, "log": [entry.message for entry in datum.elog] if datum else ["not there"]}
    samples = np.ascontiguousarray(datum.samples, np.float64)
    found = {"live": True, "starttime": datum.starttime, "delta": datum.delta, "npts": datum.npts}
    found |= {"shape": list(samples.shape), "sha256": hashlib.sha256(samples.tobytes()).hexdigest()}
    if isinstance(datum, Seismogram):
        found["tmatrix"] = datum.tmatrix.ravel().tolist()
    return found | {"metadata": dict(datum.metadata)}


def differences(found: dict[str, Any], expected: dict[str, Any], coordinates: tuple[str, ...] = ()) -> list[str]:
    """In what one side's datum is not the other's."""
    for side in (found, expected):
        if "raised" in side or not side["live"]:
            return [side.get("raised") or "dead: " + "; ".join(side["log"])]
    names = [name for name in ("starttime", "delta", "npts", "shape", "sha256") if found[name] != expected[name]]
    if "tmatrix" in expected and not np.allclose(found["tmatrix"], expected["tmatrix"], rtol=0, atol=1e-12):
        names.append("tmatrix")
    one, other = found["metadata"], expected["metadata"]
    names += [name for name in coordinates if name not in one or name not in other or one[name] != other[name]]
    return [f"differs in {', '.join(names)}"] if names else []


# -- ours, read by mspasspy -------------------------------------------------------------------------------------------


def write_ours(database: Database, folder: Path) -> dict[str, tuple[str, ObjectId, dict[str, Any]]]:
    """A database of ours: by title the collection, the ``_id``, and what is told of the datum before it is saved."""
    database.save_catalog(obspy.read_events(), mspass_pickles=True)
    database.save_inventory(obspy.read_inventory(), mspass_pickles=True)
    source = database.source.find_one({}, {"_id": True}, sort=[("time", 1)])
    assert source
    records = obspy_example()[:2]
    for trace in records:
        trace.data = np.rint(trace.data * 100).astype(np.int32)
    first = folder / "first.mseed"
    records[0].write(str(first), format="MSEED", reclen=512)
    size = first.stat().st_size
    records.write(str(folder / "day.mseed"), format="MSEED", reclen=512)
    place = {"dir": folder, "dfile": "ours.bin", "storage_mode": "file"}
    two = object_reference(str(folder / "day.mseed"), size, (folder / "day.mseed").stat().st_size - size)
    saved = {}

    def save(title: str, datum: Datum, **options: Any) -> None:
        datum.metadata["source_id"] = source["_id"]
        before = told(datum)
        own = database.save_data(datum, **options)["_id"]
        saved[title] = "wf_Seismogram" if isinstance(datum, Seismogram) else "wf_TimeSeries", own, before

    save("gridfs", one(0), data_tag="raw")
    save("binary file", one(0), **place)
    save("binary file, second", one(1), **place)
    save("MSEED file", one(2), **place | {"dfile": "ours.mseed", "format": "MSEED"})
    save("records in a file, by reference", time_series_of(records[1]), reference=two)
    datum = one(0)
    datum.elog.post("bandpass", "corner above Nyquist, clipped")
    save("with a log", datum)
    datum = one(0)
    datum.history.add("bandpass", freqmin=0.5, freqmax=10.0)
    save("with a history", datum)
    for title, matrix in {"cardinal": np.eye(3), "turned": TURNED, "sheared": TURNED @ np.diag([1.0, 0.5, 2.0])}.items():
        for storage, options in {"gridfs": {}, "file": place}.items():
            cardinal = seismogram_of(obspy_example())
            turned = Seismogram(matrix @ cardinal.samples, dict(cardinal.metadata), tmatrix=matrix)
            save(f"Seismogram {title}, {storage}", turned, **options)
    ensemble = TimeSeriesEnsemble([one(0), one(1)])
    ensemble.metadata["source_id"] = source["_id"]
    for number, member in enumerate(database.save_data(ensemble)):
        saved[f"member {number} of an ensemble"] = "wf_TimeSeries", member["_id"], told(one(number))
    killed = one(0)
    killed.kill("snr", "SNR below threshold")
    database.save_data(killed)
    database.normalize("wf_TimeSeries")
    database.normalize("wf_Seismogram")
    return saved


def one(number: int) -> TimeSeries:
    return time_series_of(obspy_example()[number])


def epoch(chan: str) -> Any:
    """obspy's channel of the example."""
    return obspy.read_inventory().select(station="RJOB", channel=chan, time=obspy.UTCDateTime(2009, 8, 24))[0][0][0]


def places(chan: str) -> dict[str, Any]:
    """Where the example's channel and the first of the events are, by obspy: degrees, km, epoch seconds."""
    channel, origin = epoch(chan), min((event.origins[0] for event in obspy.read_events()), key=lambda one: one.time)
    where = {"lat": channel.latitude, "lon": channel.longitude, "elev": channel.elevation / 1000}
    source = {"lat": origin.latitude, "lon": origin.longitude, "depth": origin.depth / 1000, "time": origin.time.timestamp}
    named = {"site": where, "channel": where | {"hang": channel.azimuth, "vang": channel.dip + 90}, "source": source}
    return {f"{name}_{key}": value for name, values in named.items() for key, value in values.items()}


def ours_by_mspass(checks: Checks, database: Database, mspass: Mspass, folder: Path) -> None:
    saved = write_ours(database, folder)
    wanted: dict[str, Any] = {"data": {title: [collection, own] for title, (collection, own, _) in saved.items()}}
    wanted["history"] = saved["with a history"][1]
    wanted["channel"] = {"net": "BW", "sta": "RJOB", "chan": "EHZ", "time": saved["gridfs"][2]["starttime"]}
    found = mspass("read", wanted)
    for title, (collection, _, before) in saved.items():
        as_saved = before | {"metadata": places(before["metadata"]["chan"])}
        for mode in MODES:
            what, seen = f"mspasspy reads ours, {mode}: {title}", found["data"][title][mode]
            if mode == "cautious" and KNOWN.match(seen.get("raised", "")):
                checks.known(what, seen["raised"])
            else:
                checks.add(what, differences(seen, as_saved, COORDINATES[collection]))
        checks.same(f"mspasspy verifies ours: {title}", found["verified"][title], UNWRITTEN)
    for title, error in found["motion"].items():
        checks.add(f"mspasspy turns ours to east, north and up: {title}", [f"off by {error:.2g}"] if error > 1e-9 else [])
    series = [before["sha256"] for collection, _, before in saved.values() if collection == "wf_TimeSeries"]
    checks.same(
        "mspasspy reads ours as an ensemble", sorted(one.get("sha256", "dead") for one in found["ensemble"]), sorted(series)
    )
    checks.add("mspasspy reads ours with its history", differences(found["history"], saved["with a history"][2]))
    checks.same("mspasspy finds our response", found["sensitivity"], epoch("EHZ").response.instrument_sensitivity.value)
    checks.same(
        "mspasspy finds our events", sorted(found["events"]), sorted(event.resource_id.id for event in obspy.read_events())
    )
    own, gone = saved["gridfs"][1], saved["with a log"][1]
    document = database.wf_TimeSeries.find_one({"_id": gone})
    assert document
    changed = mspass("change", {"update": own, "delete": gone})
    after = told(database.read_data(own))
    checks.add("mspasspy brings ours up to date, we read it", differences(after, changed["updated"], ("snr",)))
    left = [database.wf_TimeSeries.find_one({"_id": gone}), database.fs.files.find_one({"_id": document["gridfs_id"]}),
            database.elog.find_one({"_id": document["elog_id"]})]  # fmt: skip
    checks.same("mspasspy deletes ours, with samples and log", left, [None] * 3)


# -- mspasspy's, read by us -------------------------------------------------------------------------------------------


def mspass_by_us(checks: Checks, database: Database, mspass: Mspass, folder: Path) -> None:
    answer = mspass("write", {"folder": str(folder)})
    saved, seen = answer["saved"], answer["seen"]
    for title, (collection, own) in saved.items():
        for mode in MODES:
            found = told(database.read_data(own, collection=collection, mode=mode))
            checks.add(f"we read mspasspy's, {mode}: {title}", differences(found, seen[title], COORDINATES[collection]))
        if collection == "wf_Seismogram":
            error = motion_error(database.read_data(own, collection=collection))
            checks.add(f"the motion of mspasspy's: {title}", [f"off by {error:.2g}"] if error > 1e-9 else [])
    for collection in ("wf_TimeSeries", "wf_Seismogram", "wf_miniseed", "site", "channel", "source", "elog", "cemetery"):
        problems = [f"{one.id}: {one}" for one in database.verify(collection) if one.missing or one.types or one.references]
        checks.add(f"we verify mspasspy's {collection}", problems[:2])
    series = [own for collection, own in saved.values() if collection == "wf_TimeSeries"]
    ensemble = database.read_ensemble_data(series)
    expected = sorted(one.get("sha256", "dead") for title, one in seen.items() if saved[title][0] == "wf_TimeSeries")
    checks.same(
        "we read mspasspy's as an ensemble", sorted(told(one).get("sha256", "dead") for one in ensemble.members), expected
    )
    linked = database.normalize("wf_miniseed", targets=("site", "channel"), dry_run=True)
    checks.same("our normalize finds mspasspy's links", {name: one.there for name, one in linked.by_collection.items()},
                {"site": 3, "channel": 3})  # fmt: skip
    logs = [ErrorLog.from_documents(one["logdata"]) for one in database.elog.find({}).sort("_id", 1)]
    checks.same("we read mspasspy's log", [(entry.message, entry.badness) for log in logs for entry in log],
                [("corner above Nyquist, clipped", Badness.COMPLAINT)])  # fmt: skip
    graves = [*database.cemetery.find(), *database.abortions.find()]
    told_there = {entry.message.strip() for one in graves for entry in ErrorLog.from_documents(one["logdata"])}
    unsaid = {"SNR below threshold", "SNR 1.2 below 3", "Illegal storage mode=tape"} - told_there
    checks.same("we read mspasspy's graves: what they do not tell", unsaid, set())
    stations = database.save_inventory(obspy.read_inventory())
    checks.same("our save_inventory knows mspasspy's stations", (stations.sites.new, stations.channels.new), (0, 0))
    response = database.read_response(database.read_data(saved["gridfs"][1]))
    checks.same("we find the response of mspasspy's", response[0][0][0].code, "EHZ")
    change_theirs(checks, database, mspass, saved)


def motion_error(datum: Datum | None) -> float:
    """How far a Seismogram of the example is from its ground motion towards east, north and up, by ``tmatrix``."""
    if not isinstance(datum, Seismogram) or not datum.live:
        return np.inf
    expected = np.stack([trace.data for trace in obspy_example().sort(["channel"])])
    return float(np.abs(np.linalg.solve(datum.tmatrix, datum.samples) - expected).max() / np.abs(expected).max())


def change_theirs(checks: Checks, database: Database, mspass: Mspass, saved: dict[str, Any]) -> None:
    for title in ("gridfs", "binary file", "Seismogram turned, gridfs"):
        collection, own = saved[title]
        what = f"we bring mspasspy's up to date, it reads it: {title}"
        datum = database.read_data(own, collection=collection)
        if datum is None or not datum.live:
            checks.add(what, ["we do not read it"])
            continue
        datum.samples = datum.samples * 2
        datum.metadata["snr"] = 4.5
        database.update_data(datum, collection=collection)
        found = mspass("read", {"data": {title: [collection, own]}})["data"][title]["promiscuous"]
        checks.add(what, differences(found, told(datum), ("snr",)))
    for title in ("with a log", "with a history", "binary file", "Seismogram sheared, gridfs"):
        collection, own = saved[title]
        document = database[collection].find_one({"_id": own}) or {}
        database.delete_data(own, clear_elog=True, collection=collection)
        ids = {"fs.files": "gridfs_id", "elog": "elog_id", "history_object": "history_object_id", collection: "_id"}
        left = [name for name, key in ids.items() if key in document and database[name].find_one({"_id": document[key]})]
        checks.same(f"we delete mspasspy's, with all that is its own: {title}", left, [])


# -- all --------------------------------------------------------------------------------------------------------------


ASK = """
import mspasspy.db.database
from importlib.metadata import version
from mspasspy.ccore.utility import Metadata
metadata = Metadata()
metadata["nbytes"] = 1
print(version("mspasspy"), type(metadata["nbytes"]).__name__)
"""


def version_of(python: str) -> str:
    """mspasspy's version; exits with 2 where that Python has none that works."""
    try:
        done = subprocess.run([python, "-W", "ignore", "-c", ASK], capture_output=True, text=True, timeout=TIMEOUT_S)
    except OSError as error:
        problem = f"{python}: {error.strerror}"
    else:
        if not done.returncode:
            version, kind = done.stdout.split()[-2:]
            if kind == "int":
                return version
            problem = f"that of {python} makes every int a {kind}: it was built with pybind11 3, it takes 2.13"
        else:
            problem = f"{python} has none: {(done.stderr.strip() or 'it failed').splitlines()[-1]}"
    print(f"no mspasspy at hand, {problem}. Name a Python that has it by --mspass", file=sys.stderr)
    sys.exit(2)


@contextmanager
def databases() -> Iterator[tuple[MongoClient[dict[str, Any]], str]]:
    """A client, and its URI, of the MongoDB of the tests."""
    if uri := os.environ.get("MONGODB_TEST_URI"):
        with MongoClient(uri) as client:
            yield client, uri
        return
    with running_server() as uri, MongoClient(uri) as client:
        yield client, uri


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mspass", default=sys.executable, metavar="PYTHON", help="a Python that has mspasspy (this one)")
    python = parser.parse_args().mspass
    print(f"mspasspy {version_of(python)}")
    checks = Checks()
    try:
        with databases() as (client, uri), tempfile.TemporaryDirectory() as folder:
            for check in (ours_by_mspass, mspass_by_us):
                name = f"seisbatch_interop_{uuid.uuid4().hex[:8]}"
                place = Path(folder, name)
                place.mkdir()
                try:
                    check(checks, Database(client, name), Mspass(python, uri, name), place)
                finally:
                    client.drop_database(name)
    except ServerError as error:
        sys.exit(str(error))
    return 1 if checks.show() else 0


if __name__ == "__main__":
    sys.exit(main())
