"""mspasspy's side of ``interop_mspass.py``, run by the Python that has it: ``mspass_side.py WHAT IN OUT``.

WHAT is ``read`` (data that IN names), ``change`` (bring a datum up to date, delete another) or ``write`` (a database; IN names
a folder). IN and OUT are files of extended JSON; IN has the ``uri`` and the ``database`` too. What mspasspy raises is told as
such: the other side judges.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path

import numpy as np
import obspy
from bson import json_util
from mspasspy.ccore.seismic import Seismogram, TimeSeriesEnsemble
from mspasspy.ccore.utility import AtomicType, ErrorSeverity
from mspasspy.db.client import DBClient
from mspasspy.db.database import Database
from mspasspy.db.normalize import normalize_mseed
from mspasspy.util import logging_helper
from mspasspy.util.converter import Stream2Seismogram, Trace2TimeSeries

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.obspy_example import obspy_example  # noqa: E402

MODES = ("promiscuous", "cautious", "pedantic")
TARGETS = {"wf_TimeSeries": ["site", "channel", "source"], "wf_miniseed": ["site", "channel", "source"]}
THREE = ["site", "source"]


def told(datum):
    """What mspasspy says of a datum."""
    found = {"live": bool(datum.live), "log": [entry.message for entry in datum.elog.get_error_log()]}
    if datum.live:
        samples = np.ascontiguousarray(np.array(datum.data, dtype=np.float64))
        found |= {"starttime": float(datum.t0), "delta": float(datum.dt), "npts": int(datum.npts)}
        found |= {"shape": list(samples.shape), "sha256": hashlib.sha256(samples.tobytes()).hexdigest()}
        found["metadata"] = {key: datum[key] for key in datum.keys() if key not in ("_id", "tmatrix")}
    if isinstance(datum, Seismogram) and datum.live:
        found |= {"tmatrix": np.array(datum.tmatrix).ravel().tolist()}
    return found


def read_one(database, collection, own, mode, targets=()):
    """What mspasspy reads, or the error that it raises."""
    try:
        return told(database.read_data(own, mode=mode, collection=collection, normalize=list(targets) or None))
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}".splitlines()[0]}


def read(database, wanted):
    """Data in the three modes, an ensemble of them, a history, what mspasspy verifies, a response and an event."""
    found = {"data": {}, "verified": {}, "motion": {}}
    for title, (collection, own) in wanted["data"].items():
        targets = TARGETS.get(collection, THREE)
        found["data"][title] = {mode: read_one(database, collection, own, mode, targets) for mode in MODES}
        found["verified"][title] = {key: tests for key, tests in database.verify(own, collection).items()}
        if collection == "wf_Seismogram":
            found["motion"][title] = motion_error(database.read_data(own, collection=collection))
    ids = [own for collection, own in wanted["data"].values() if collection == "wf_TimeSeries"]
    with database.wf_TimeSeries.find({"_id": {"$in": ids}}).sort("_id", 1) as cursor:
        found["ensemble"] = [told(member) for member in database.read_data(cursor).member]
    if own := wanted.get("history"):
        found["history"] = told(database.read_data(own, load_history=True))
    if channel := wanted.get("channel"):
        response = database.get_response(time=channel.pop("time"), **channel)
        found["sensitivity"] = response.instrument_sensitivity.value
        found["events"] = [pickle.loads(one["serialized_event"]).resource_id.id for one in database.source.find()]
    return found


def motion_error(seismogram):
    """How far a Seismogram of the example, turned to east, north and up, is from what the example has there."""
    seismogram.rotate_to_standard()
    expected = np.array(east_north_up().data)
    return float(np.abs(np.array(seismogram.data) - expected).max() / np.abs(expected).max())


def change(database, wanted):
    """Bring one datum up to date, and delete another."""
    datum = database.read_data(wanted["update"])
    datum.data *= 2.0
    datum["snr"] = 4.5
    database.update_data(datum)
    database.delete_data(wanted["delete"], "TimeSeries")
    return {"updated": told(database.read_data(wanted["update"]))}


def write(database, wanted):
    """A database as a user of mspasspy makes it; each datum by a title, as mspasspy reads it."""
    folder = wanted["folder"]
    database.save_inventory(obspy.read_inventory())
    catalog = obspy.read_events()
    database.save_catalog(catalog)
    links = {
        "source_id": database.source.find_one()["_id"],
        "channel_id": database.channel.find_one({"sta": "RJOB", "chan": "EHZ"}, sort=[("starttime", -1)])["_id"],
        "site_id": database.site.find_one({"sta": "RJOB"}, sort=[("starttime", -1)])["_id"],
    }
    saved = write_miniseed(database, folder, links)
    saved |= write_time_series(database, folder, links)
    saved |= write_seismograms(database, folder, links)
    write_dead(database)
    seen = {}
    for title, (collection, own) in saved.items():
        seen[title] = read_one(database, collection, own, "promiscuous", TARGETS.get(collection, THREE))
    return {"saved": saved, "seen": seen}


def write_miniseed(database, folder, links):
    """A file of three channels, indexed and normalised, and one of them read, filtered and saved."""
    stream = obspy_example()
    for trace in stream:
        trace.data = np.rint(trace.data * 100).astype(np.int32)
    stream.write(str(Path(folder, "day.mseed")), format="MSEED", encoding="STEIM2", reclen=512)
    database.index_mseed_file("day.mseed", dir=folder)
    normalize_mseed(database)
    database.wf_miniseed.update_many({}, {"$set": {"source_id": links["source_id"]}})
    saved = {f"indexed {doc['chan']}": ("wf_miniseed", doc["_id"]) for doc in database.wf_miniseed.find()}
    datum = database.read_data(next(iter(saved.values()))[1], collection="wf_miniseed", normalize=["channel"])
    datum["snr"] = {"rms": 3.5, "peak": 9.0}
    datum["tags"] = ["a", "b"]
    return saved | {"read from the index": keep(database, datum, data_tag="preprocessed")}


def write_time_series(database, folder, links):
    saved = {}
    for title, options in {
        "gridfs": {"data_tag": "raw"},
        "binary file": {"storage_mode": "file", "dir": folder, "dfile": "wf.bin"},
        "binary file, second": {"storage_mode": "file", "dir": folder, "dfile": "wf.bin"},
        "MSEED file": {"storage_mode": "file", "dir": folder, "dfile": "wf.mseed", "format": "MSEED"},
    }.items():
        saved[title] = keep(database, series(links), **options)
    datum = series(links)
    datum.elog.log_error("bandpass", "corner above Nyquist, clipped", ErrorSeverity.Complaint)
    saved["with a log"] = keep(database, datum)
    datum = series(links)
    datum.set_as_origin("read_data", "0", "made", AtomicType.TIMESERIES)
    logging_helper.info(datum, "1", "bandpass")
    saved["with a history"] = keep(database, datum)
    for storage, options in {"gridfs": {}, "file": {"dir": folder, "dfile": "ens.bin"}}.items():
        ensemble = TimeSeriesEnsemble()
        ensemble["gather"] = "g1"
        for number in range(2):
            ensemble.member.append(series(links, number))
        ensemble.set_live()
        ensemble = database.save_data(ensemble, return_data=True, storage_mode=storage, **options)
        for number, member in enumerate(ensemble.member):
            saved[f"member {number} of an ensemble, {storage}"] = ("wf_TimeSeries", member["_id"])
    return saved


def write_seismograms(database, folder, links):
    saved = {}
    turned = np.array([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    for title, matrix in {"cardinal": None, "turned": turned, "sheared": turned @ np.diag([1.0, 0.5, 2.0])}.items():
        for storage, options in {"gridfs": {}, "file": {"dir": folder, "dfile": "three.bin"}}.items():
            datum = east_north_up()
            for key in ("source_id", "site_id"):
                datum[key] = links[key]
            if matrix is not None:
                datum.transform(matrix)
            saved[f"Seismogram {title}, {storage}"] = keep(database, datum, "wf_Seismogram", storage_mode=storage, **options)
    return saved


def write_dead(database):
    """One datum killed before it was saved, one after, and one that could not be read."""
    killed = series({})
    killed.kill()
    killed.elog.log_error("snr", "SNR below threshold", ErrorSeverity.Invalid)
    database.save_data(killed)
    killed = database.read_data(keep(database, series({}))[1])
    killed.kill()
    killed.elog.log_error("snr", "SNR 1.2 below 3", ErrorSeverity.Invalid)
    database.save_data(killed)
    _, own = keep(database, series({}))
    database.wf_TimeSeries.update_one({"_id": own}, {"$set": {"storage_mode": "tape"}})
    database.save_data(database.read_data(own))


def east_north_up():
    return Stream2Seismogram(obspy_example().sort(["channel"]), cardinal=True)


def series(links, number=0):
    datum = Trace2TimeSeries(obspy_example()[number])
    for key, value in links.items():
        datum[key] = value
    return datum


def keep(database, datum, collection="wf_TimeSeries", **options):
    return collection, database.save_data(datum, **options)["_id"]


if __name__ == "__main__":
    what, given, out = sys.argv[1:]
    wanted = json_util.loads(Path(given).read_text())
    answer = {"read": read, "change": change, "write": write}[what](
        Database(DBClient(wanted["uri"]), wanted["database"]), wanted
    )
    Path(out).write_text(json_util.dumps(answer))
