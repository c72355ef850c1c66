"""The walk of a short course: an archive's index in MongoDB, a day found in it, an hour cut, saved, counted, read, plotted."""

from __future__ import annotations

import datetime as dt

import matplotlib
import numpy as np
import obspy
import pandas as pd
import pytest
from obspy import UTCDateTime
from seisbatch.mongo import Database
from seisbatch.mongo.convert import stream_of, time_series_of
from seisbatch.mongo.data import TimeSeries

DAY = dt.date(2023, 12, 31)
ORIGIN = UTCDateTime("2023-12-31T05:46:23.2")
TAG = "tohoku"
GAP = 1800.0, 9000.0
"""Seconds after the origin that one channel has no samples of: its hour is cut short. Another one has none of the hour."""


@pytest.fixture
def archive(tmp_path):
    """A day of three channels under SCEDC's keys, with that day's index and a catalogue's: written by obspy and pandas."""
    root, names = tmp_path / "archive", []
    for number, station in enumerate(("BZN", "CCA", "SOC")):
        name = f"CI{station:_<5}BHZ___{DAY:%Y%j}.ms"
        samples = np.random.default_rng(number).integers(-1000, 1000, 86_400, dtype=np.int32)
        header = {"network": "CI", "station": station, "channel": "BHZ", "starttime": UTCDateTime(DAY), "sampling_rate": 1.0}
        stream = obspy.Stream([obspy.Trace(samples, header)])
        if station != "BZN":
            begin, end = GAP if station == "CCA" else (-3600, 7200)
            stream = stream.slice(endtime=ORIGIN + begin) + stream.slice(starttime=ORIGIN + end)
        path = root / f"continuous_waveforms/{DAY:%Y}/{DAY:%Y_%j}/{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        stream.write(str(path), format="MSEED")
        names.append((name, "CI", station, "BHZ", "  ", 33.5 + number, -116.7, 1.0))
    columns = ["ms_filename", "net", "sta", "seedchan", "location", "lat", "lon", "sample_rate"]
    events = pd.DataFrame({"EVID": [1], "MAG": [9.1], "PREFIX": ["2023/2023_365"], "MS_FILENAME": ["1.ms"]})
    for frame, key in (
        (pd.DataFrame(names, columns=columns),
         f"continuous_waveforms/index/parquet/year={DAY:%Y}/year_doy={DAY:%Y_%j}/{DAY:%Y_%j}_waveform_index.parquet"),
        (events, f"earthquake_catalogs/index/parquet/year={DAY:%Y}/{DAY:%Y}_catalog_index.parquet"),
    ):  # fmt: skip
        (root / key).parent.mkdir(parents=True)
        frame.to_parquet(root / key)
    return root


def hour(trace):
    """The course's window of a trace, +100 s to +3700 s: a datum that is dead where the trace has none of it."""
    cut = trace.slice(ORIGIN + 100, ORIGIN + 3700)
    if len(cut):
        return time_series_of(cut)
    datum: TimeSeries = time_series_of(trace)
    datum.kill("window", "no samples in the window")
    return datum


def test_the_walk(archive, run_job, mongo_uri, mongo_database, tmp_path):
    mongo = ["--mongo-uri", mongo_uri, "--mongo-database", mongo_database.name]
    place = ["--archive", "scedc", "--root", archive, "--out", tmp_path / "index", "--start", DAY, "--days", 1]
    assert run_job("index_archive", *place, *mongo) == 0
    db = Database(mongo_database.client, mongo_database.name)
    assert db.s3_catalog_index.count_documents({"year": 2023, "format": "parquet"}) == 1

    found = db.s3_waveform_index.find_one({"year": ORIGIN.year, "day": ORIGIN.julday, "format": "parquet"})
    index = pd.read_parquet(archive / found["s3key"])
    assert len(index) == 3
    folder = tmp_path / "wf_TimeSeries" / TAG
    for name in index["ms_filename"]:
        key = f"continuous_waveforms/{found['year']}/{found['yrday']}/{name}"
        for trace in obspy.read(str(archive / key), format="MSEED"):
            db.save_data(hour(trace), storage_mode="file", dir=folder, dfile="SCEDC.binary", data_tag=TAG)

    assert db.wf_TimeSeries.count_documents({"data_tag": TAG}) == 2
    graves = db.cemetery.find({"data_tag": TAG, "tombstone": {"$exists": True}})
    assert sorted(one["tombstone"]["sta"] for one in graves) == ["CCA", "SOC", "SOC"]  # the parts outside of the hour

    ensemble = db.read_data(db.wf_TimeSeries.find({"sta": "BZN"}))
    [datum] = ensemble.members
    whole = obspy.read(str(archive / f"continuous_waveforms/2023/2023_365/CIBZN__BHZ___{DAY:%Y%j}.ms"), format="MSEED")[0]
    np.testing.assert_array_equal(datum.samples, whole.slice(ORIGIN + 100, ORIGIN + 3700).data)
    assert datum.starttime == pytest.approx((ORIGIN + 100).timestamp, abs=1)
    [short] = db.read_data(db.wf_TimeSeries.find({"sta": "CCA"})).members
    assert short.npts == pytest.approx(GAP[0] - 100, abs=1)

    matplotlib.use("agg")
    picture = tmp_path / "BZN.png"
    stream_of(ensemble).plot(outfile=str(picture))
    assert matplotlib.pyplot.imread(picture).std() > 0.01  # not an empty page
