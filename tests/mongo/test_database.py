"""The Database as a whole: data saved, linked, read, brought up to date and saved again."""

from __future__ import annotations

import io

import numpy as np
import obspy
import pytest
from bson import ObjectId
from seisbatch.mongo import Database

from tests.mongo.made import SAMPLES, START, seismogram, series


def stations(database):
    """The inventory that obspy has as its example, with BW.RJOB from 2007 on."""
    buffer = io.BytesIO()
    obspy.read_inventory().write(buffer, format="STATIONXML")
    database.save_inventory(buffer.getvalue())


def test_what_is_saved_is_read_the_same(database, tmp_path):
    for datum in (series(), seismogram()):
        for options in ({}, {"storage_mode": "file", "dir": tmp_path, "dfile": "x"}):
            told = database.save_data(datum, data_tag="raw", **options)
            collection = f"wf_{type(datum).__name__}"
            read = database.read_data(told["_id"], collection=collection)
            assert type(read) is type(datum)
            np.testing.assert_array_equal(read.samples, datum.samples)
            assert (read.starttime, read.delta, read.metadata["data_tag"]) == (START, 0.01, "raw")
            assert database.read_data(ObjectId(), collection=collection) is None


def test_a_workflow_with_stations(database):
    stations(database)
    own = database.save_data(series())["_id"]
    assert database.normalize().by_collection["channel"].linked == 1
    datum = database.read_data(own)
    assert datum.metadata["channel_vang"] == 0
    assert datum.metadata["site_lat"] == pytest.approx(47.737167)
    datum.samples = datum.samples - datum.samples.mean()
    datum.metadata["site_lat"] = 0.0  # an accident
    told = database.save_data(datum, data_tag="demeaned", mode="pedantic")
    document = database.wf_TimeSeries.find_one({"_id": told["_id"]})
    assert document["channel_id"] == database.channel.find_one({"sta": "RJOB", "chan": "EHZ", "endtime": 2556144000.0})["_id"]
    assert document["is_abortion"] is False
    assert document["READONLYERROR_site_lat"] == 0
    assert not any(key.startswith(("channel_", "site_")) for key in document.keys() - {"channel_id", "site_id"})
    trace = obspy.Trace(SAMPLES, {"network": "BW", "station": "RJOB", "channel": "EHZ", "starttime": obspy.UTCDateTime(START)})
    trace.remove_response(database.read_response(datum))
    [verified] = database.verify(query={"_id": own})
    assert verified.sound


def test_what_cannot_be_read_is_dead_and_in_abortions(database, tmp_path):
    own = database.save_data(series(), storage_mode="file", dir=tmp_path, dfile="x")["_id"]
    (tmp_path / "x").unlink()
    datum = database.read_data(own)
    assert not datum.live
    ensemble = database.read_ensemble_data([own])
    assert (ensemble.members, len(ensemble.dead)) == ([], 1)
    database.save_data(datum)
    [grave] = database.abortions.find()  # however often it is read or saved
    assert grave["tombstone"]["_id"] == own
    assert "No such file" in grave["logdata"][0]["error_message"]
    assert "TimeSeries" in grave["type"]
    assert database.cemetery.count_documents({}) == 0


def test_a_cursor_is_read_as_an_ensemble_and_saved_as_one(database):
    for number in range(3):
        database.save_data(series(number=number), data_tag="raw")
    ensemble = database.read_data(database.wf_TimeSeries.find().sort("number", -1))
    assert [member.metadata["number"] for member in ensemble.members] == [2, 1, 0]
    ensemble.metadata["gather"] = "all"
    database.save_ensemble_data(ensemble, data_tag="gathered")
    assert database.wf_TimeSeries.count_documents({"data_tag": "gathered", "gather": "all"}) == 3


def test_a_schema_of_ones_own(mongo_database, tmp_path):
    (tmp_path / "mine.toml").write_text(
        '[wf_TimeSeries.fields]\nsnr = { type = "double", aliases = ["ratio"] }\n[wf_mine]\nkind = "waveforms"\n'
        'like = "wf_TimeSeries"\n'
    )
    database = Database(mongo_database.client, mongo_database.name, "wf_mine", schema=tmp_path / "mine.toml")
    database.save_data(series(ratio="4"), mode="cautious")
    assert database.wf_mine.find_one()["ratio"] == 4.0
    told = database.clean(dry_run=False)
    assert (told.renamed, database.wf_mine.find_one()["snr"]) == (1, 4.0)
