"""Data brought up to date where they stand in MongoDB."""

from __future__ import annotations

import numpy as np
import pymongo
import pytest
from bson import ObjectId
from gridfs import GridFSBucket
from pymongo.monitoring import CommandListener
from seisbatch.mongo import Database

from tests.mongo.made import SAMPLES, START, in_database, seismogram, series

WF = "wf_TimeSeries"


class Sent(CommandListener):
    """What update commands a client sends."""

    def __init__(self):
        self.updates = []

    def started(self, event):
        if event.command_name == "update":
            self.updates += [one["u"] for one in event.command["updates"]]

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


def test_only_changed_keys_travel(mongo_uri, mongo_database):
    sent = Sent()
    with pymongo.MongoClient(mongo_uri, event_listeners=[sent]) as client:
        database = Database(client, mongo_database.name)
        datum = in_database(database, series(snr=1.0, note="old", tags=["a"]))
        datum.metadata["snr"] = 4.5
        datum.metadata["tags"].append("b")
        del datum.metadata["note"]
        assert database.update_metadata(datum) is datum
        assert sent.updates == [{"$set": {"snr": 4.5, "tags": ["a", "b"]}, "$unset": {"note": ""}}]
        database.update_metadata(datum)
        assert len(sent.updates) == 1  # nothing is changed any more
        database.update_metadata(datum, ignore_metadata_changed_test=True)
        assert {"snr", "sta", "starttime", "npts"} <= sent.updates[1]["$set"].keys()
    document = mongo_database[WF].find_one()
    assert (document["snr"], document["tags"]) == (4.5, ["a", "b"])
    assert "note" not in document


def test_excluded_keys_are_not_updated(database):
    datum = in_database(database, series(snr=1.0, pick=2.0))
    datum.metadata.update({"snr": 5.0, "pick": 6.0})
    database.update_metadata(datum, exclude_keys=["pick"])
    document = database[WF].find_one()
    assert (document["snr"], document["pick"]) == (5.0, 2.0)


def test_the_data_tag_is_replaced_when_given_and_else_stays(database):
    datum = series()
    database.save_data(datum, data_tag="raw")
    datum.metadata["snr"] = 1.0
    database.update_metadata(datum)
    assert database[WF].find_one()["data_tag"] == "raw"
    database.update_metadata(datum, data_tag="picked")
    assert database[WF].find_one()["data_tag"] == "picked"


def test_rule_1_read_only_and_normalised_attributes_are_never_altered(database):
    datum = in_database(database, series(source_lat=38.3))
    datum.metadata.update({"net": "XX", "source_lat": 0.0, "storage_mode": "tape"})
    database.update_metadata(datum)
    document = database[WF].find_one()
    assert (document["net"], document["storage_mode"]) == ("BW", "gridfs")
    assert (document["READONLYERROR_net"], document["READONLYERROR_source_lat"]) == ("XX", 0.0)
    assert "source_lat" not in document
    log = database.elog.find_one({"wf_TimeSeries_id": document["_id"]})
    assert len(log["logdata"]) == 3
    assert document["elog_id"] == log["_id"]
    assert datum.live
    assert (datum.metadata["net"], datum.metadata["source_lat"]) == ("BW", 38.3)


def test_an_id_that_was_changed_updates_no_other_document(database):
    other, datum = (in_database(database, series()) for _ in range(2))
    own = datum.metadata["_id"]
    datum.metadata.update({"_id": other.metadata["_id"], "snr": 9.0})
    database.update_metadata(datum)
    assert [one["_id"] for one in database[WF].find({"snr": 9.0})] == [own]
    assert datum.metadata["_id"] == own
    assert "_id was" in database.elog.find_one({"wf_TimeSeries_id": own})["logdata"][0]["error_message"]


@pytest.mark.parametrize("key", ["source_id", "site_id", "channel_id"])
def test_rule_2_a_changed_cross_referencing_id_kills_and_the_graveyard_has_the_metadata(database, key):
    before = ObjectId()
    datum = in_database(database, series(**{key: before}))
    datum.metadata.update({key: ObjectId(), "snr": 9.0})
    database.update_metadata(datum)
    assert not datum.live
    document = database[WF].find_one()
    assert document[key] == before
    assert "snr" not in document
    grave = database.cemetery.find_one({"wf_TimeSeries_id": document["_id"]})
    assert grave["tombstone"]["snr"] == 9.0


def test_rule_3_logs_and_histories_are_never_updated_in_place(database):
    datum = series()
    datum.elog.post("one", "first")
    datum.history.add("one")
    database.save_data(datum)
    logs, histories = list(database.elog.find()), list(database.history_object.find())
    datum.elog.post("two", "second")
    datum.history.add("two")
    database.update_data(datum)
    for name, before in (("elog", logs), ("history_object", histories)):
        assert [database[name].find_one({"_id": one["_id"]}) for one in before] == before
        assert database[name].count_documents({}) == 2
    own = datum.metadata["_id"]
    entries = [entry for log in database.elog.find({"wf_TimeSeries_id": own}) for entry in log["logdata"]]
    assert [entry["error_message"] for entry in entries] == ["first", "second"]
    assert database[WF].find_one()["elog_id"] == logs[0]["_id"]
    steps = database.history_object.find_one({"_id": {"$ne": histories[0]["_id"]}})["steps"]
    assert [step["algorithm"] for step in steps] == ["ORIGIN", "two"]


@pytest.mark.parametrize(
    ("mode", "lives", "stored"), [("promiscuous", True, "5"), ("cautious", True, 5.0), ("pedantic", False, 1.0)]
)
def test_modes_of_an_update(database, mode, lives, stored):
    datum = in_database(database, series(calib=1.0))
    datum.metadata["calib"] = "5"
    database.update_metadata(datum, mode=mode)
    assert datum.live == lives
    assert database[WF].find_one()["calib"] == stored


def test_an_update_does_not_tell_of_samples_that_are_not_stored(database):
    datum = in_database(database, series())
    datum.samples = SAMPLES[1000:2000]
    datum.starttime += 10
    datum.metadata["snr"] = 3.0
    database.update_metadata(datum)
    document = database[WF].find_one()
    assert (document["npts"], document["starttime"], document["snr"]) == (3000, START, 3.0)
    assert "update_data" in database.elog.find_one()["logdata"][0]["error_message"]
    database.update_data(datum)
    document = database[WF].find_one()
    assert (document["npts"], document["starttime"]) == (1000, START + 10)
    assert document["endtime"] == pytest.approx(START + 10 + 9.99)


def test_a_start_time_that_was_corrected_is_updated_with_what_follows(database):
    datum = in_database(database, series())
    datum.starttime += 1
    database.update_metadata(datum)
    document = database[WF].find_one()
    assert (document["starttime"], document["endtime"]) == (START + 1, pytest.approx(START + 1 + 29.99))


@pytest.mark.parametrize("datum", [series, seismogram])
def test_update_data_replaces_samples_and_leaves_nothing_of_the_old_in_gridfs(database, datum):
    datum = datum()
    told = database.save_data(datum, data_tag="raw", return_list=["_id", "gridfs_id"])
    datum.samples = datum.samples * 2
    datum.metadata["filtered"] = True
    assert database.update_data(datum, data_tag="filtered") is datum
    document = database[f"wf_{type(datum).__name__}"].find_one({"_id": told["_id"]})
    assert document["gridfs_id"] != told["gridfs_id"]
    assert (document["data_tag"], document["filtered"]) == ("filtered", True)
    with GridFSBucket(database).open_download_stream(document["gridfs_id"]) as stream:
        np.testing.assert_array_equal(np.frombuffer(stream.read()), datum.samples.ravel())
    assert database["fs.files"].count_documents({}) == 1
    assert database["fs.chunks"].distinct("files_id") == [document["gridfs_id"]]


def test_update_data_from_a_file_to_gridfs_and_to_the_end_of_a_file(database, tmp_path):
    datum = series()
    database.save_data(datum, storage_mode="file", dir=tmp_path, dfile="x")
    database.update_data(datum, storage_mode="file", dir=tmp_path, dfile="x")
    document = database[WF].find_one()
    assert (document["storage_mode"], document["foff"]) == ("file", 24_000)
    database.update_data(datum)
    assert database[WF].find_one()["storage_mode"] == "gridfs"
    assert (tmp_path / "x").stat().st_size == 48_000


def test_dead_data_and_data_whose_document_is_gone_are_buried(database):
    datum = in_database(database, series())
    datum.kill("snr", "too low")
    database.update_metadata(datum)
    assert database.cemetery.find_one()["logdata"][0]["error_message"] == "too low"
    assert database[WF].count_documents({}) == 1
    for update in (database.update_metadata, database.update_data):
        datum = in_database(database, series())
        database[WF].delete_one({"_id": datum.metadata["_id"]})
        datum.metadata["snr"] = 1.0
        files = database["fs.files"].count_documents({})
        update(datum)
        assert not datum.live
        grave = database.cemetery.find_one({"wf_TimeSeries_id": datum.metadata["_id"]})
        assert "no document" in grave["logdata"][-1]["error_message"]
        assert database["fs.files"].count_documents({}) == files


def test_what_was_never_saved_has_nothing_to_update(database):
    for update in (database.update_metadata, database.update_data):
        with pytest.raises(ValueError, match="save_data makes one"):
            update(series())


@pytest.mark.parametrize("update", ["update_metadata", "update_data"])
def test_names_that_an_update_would_take_for_a_path_change_no_other_field(database, update):
    datum = in_database(database, series(snr={"p": 1.0}))
    datum.metadata.update({"snr.p": 3.0, "sta.x": 4.0, "$price": 5.0, "pick": 6.0})
    getattr(database, update)(datum)
    document = database[WF].find_one()
    assert (document["snr"], document["sta"], document["pick"]) == ({"p": 1.0}, "RJOB", 6.0)
    assert len(database.elog.find_one({"wf_TimeSeries_id": document["_id"]})["logdata"]) == 3
    assert datum.metadata.changed == {"snr.p", "sta.x", "$price"}
    told = database.save_data(datum)
    assert database[WF].find_one({"_id": told["_id"]})["snr.p"] == 3.0


def test_a_key_that_one_update_excludes_is_still_changed_for_the_next(database):
    datum = in_database(database, series(pick=2.0))
    for update in (database.update_metadata, database.update_data):
        datum.metadata["pick"] += 1
        update(datum, exclude_keys=["pick"])
        assert database[WF].find_one()["pick"] == datum.metadata["pick"] - 1
        database.update_metadata(datum)
        assert database[WF].find_one()["pick"] == datum.metadata["pick"]


def test_what_tells_of_new_samples_is_not_excluded(database):
    datum = in_database(database, series())
    datum.samples = SAMPLES[:100]
    database.update_data(datum, exclude_keys=["npts", "endtime"])
    again = database.read_data(datum.metadata["_id"])
    assert (again.live, again.npts) == (True, 100)
    assert "npts tell" in database.elog.find_one()["logdata"][0]["error_message"]


def test_a_datum_is_updated_and_buried_in_the_collection_that_it_was_read_from(database):
    document = in_database(database, series()).metadata.loaded
    database[WF].delete_many({})
    database.wf_miniseed.insert_one(document)
    datum = database.read_data(document["_id"], collection="wf_miniseed")
    datum.metadata["snr"] = 3.0
    assert database.update_metadata(datum).live
    datum.samples = datum.samples * 2
    assert database.update_data(datum).live
    assert database.wf_miniseed.find_one()["snr"] == 3.0
    told = database.save_data(datum)
    datum.metadata["snr"] = 4.0
    database.update_metadata(datum)
    assert database[WF].find_one({"_id": told["_id"]})["snr"] == 4.0
    dead = database.read_data(document["_id"], collection="wf_miniseed")
    dead.kill("snr", "too low")
    database.save_data(dead)
    assert database.cemetery.find_one()["wf_miniseed_id"] == document["_id"]


def test_what_no_document_is_whole_without_is_not_deleted(database):
    datum = in_database(database, series(snr=1.0))
    for key in ("time_standard", "utc_convertible", "snr"):
        del datum.metadata[key]
    database.update_metadata(datum)
    document = database[WF].find_one()
    assert (document["time_standard"], document["utc_convertible"]) == ("UTC", True)
    assert "snr" not in document
    assert datum.metadata["time_standard"] == "UTC"
    assert not datum.metadata.changed
    assert len(database.elog.find_one()["logdata"]) == 2


def test_a_value_that_mongodb_cannot_hold_does_not_count_as_written(database):
    datum = in_database(database, series(n=1, snr=1.0, site_lat=47.7))
    datum.metadata.update({"n": 2**70, "snr": 2.0})
    database.update_metadata(datum)
    assert database[WF].find_one()["n"] == 1
    assert datum.metadata.changed == {"n"}
    datum.metadata["n"] = 3
    database.update_metadata(datum, ignore_metadata_changed_test=True)
    assert database[WF].find_one()["n"] == 3
    assert not datum.metadata.changed
