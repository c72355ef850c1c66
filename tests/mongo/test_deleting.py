"""Data deleted from MongoDB, with their samples, logs and histories."""

from __future__ import annotations

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener
from seisbatch.mongo import Database
from seisbatch.mongo.references import object_reference
from seisbatch.outcome import Denied

from tests.mongo.made import series

WF = "wf_TimeSeries"


def saved(database, **options):
    datum = series()
    datum.elog.post("bandpass", "clipped")
    datum.history.add("bandpass")
    return database.save_data(datum, **options)["_id"]


def on_disk(folder, name):
    return {"storage_mode": "file", "dir": folder, "dfile": name}


def counts(database):
    return [database[name].count_documents({}) for name in (WF, "fs.files", "fs.chunks", "history_object", "elog")]


def test_gridfs_samples_are_always_deleted_and_by_default_the_history_but_not_the_log(database):
    own, other = saved(database), saved(database)
    told = database.delete_data(own)
    assert (told.documents, told.gridfs, told.histories, told.elogs) == (1, 1, 1, 0)
    assert counts(database) == [1, 1, 1, 1, 2]
    assert database[WF].find_one()["_id"] == other
    database.delete_data(other, remove_unreferenced_files=True, clear_history=False, clear_elog=True)
    assert counts(database) == [0, 0, 0, 1, 1]


def test_logs_of_mspass_are_found_by_the_id_that_the_document_has(database):
    own = saved(database)
    database.elog.update_many({}, {"$unset": {"wf_TimeSeries_id": ""}})
    database.history_object.update_many({}, {"$unset": {"wf_TimeSeries_id": ""}})
    database.delete_data(own, clear_elog=True)
    assert counts(database) == [0, 0, 0, 0, 0]


def test_a_file_goes_only_when_it_is_asked_for_and_no_other_document_names_its_dir_and_dfile(database, tmp_path):
    ids = [saved(database, **on_disk(tmp_path, name)) for name in ("shared", "shared", "own", "kept")]
    database.delete_data(ids[3])
    assert (tmp_path / "kept").exists()
    told = database.delete_data(ids[0], remove_unreferenced_files=True)
    assert (told.files, told.files_kept) == (0, 1)
    assert (tmp_path / "shared").exists()
    told = database.delete_data(ids[2], remove_unreferenced_files=True)
    assert (told.files, told.files_kept) == (1, 0)
    assert not (tmp_path / "own").exists()
    database.delete_data(ids[1], remove_unreferenced_files=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_a_file_that_another_collection_names_stays(database, tmp_path):
    own = saved(database, **on_disk(tmp_path, "day"))
    database.wf_miniseed.insert_one({"dir": str(tmp_path), "dfile": "day"})
    database.delete_data(own, remove_unreferenced_files=True)
    assert (tmp_path / "day").exists()


def test_what_is_left_of_an_earlier_place_of_the_samples_is_no_reason_to_remove_a_file(database, tmp_path):
    datum = series()
    database.save_data(datum, **on_disk(tmp_path, "day"))
    own = database.save_data(datum)["_id"]  # in GridFS, with dir and dfile as they were
    database.delete_many_data(database[WF].distinct("_id", {"_id": {"$ne": own}}))
    database.delete_data(own, remove_unreferenced_files=True)
    assert (tmp_path / "day").exists()


def test_objects_that_are_referred_to_are_never_removed(database, tmp_path):
    (tmp_path / "object").write_bytes(b"x")
    own = database.save_data(series(), reference={"storage_mode": "url", "url": f"file://{tmp_path}/object"})["_id"]
    far = database.save_data(series(), reference=object_reference("s3://bucket/key", 0, 512))["_id"]
    told = database.delete_many_data([own, far], remove_unreferenced_files=True)
    assert (told.documents, told.files) == (2, 0)
    assert (tmp_path / "object").exists()


class Finds(CommandListener):
    def __init__(self):
        self.number = 0

    def started(self, event):
        self.number += event.command_name == "find"

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


def test_the_bulk_form_asks_for_other_references_once(mongo_uri, mongo_database, tmp_path):
    finds = Finds()
    with MongoClient(mongo_uri, event_listeners=[finds]) as client:
        database = Database(client, mongo_database.name)
        ids = [saved(database, **on_disk(tmp_path, f"file-{number % 40}")) for number in range(80)]
        finds.number = 0
        told = database.delete_many_data(ids[1:], remove_unreferenced_files=True)
    assert (told.documents, told.files, told.files_kept) == (79, 39, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["file-0"]
    assert finds.number <= 5  # the documents, and each collection of waveforms once


def test_what_is_not_there_is_told(database, tmp_path):
    own = saved(database, **on_disk(tmp_path, "x"))
    (tmp_path / "x").unlink()
    told = database.delete_data(own, remove_unreferenced_files=True)
    assert (told.documents, told.files, told.files_not_there) == (1, 0, 1)
    told = database.delete_many_data([own, own])
    assert (told.documents, told.not_there) == (0, 1)


def test_a_deletion_that_was_interrupted_is_finished_by_the_same_call(database, tmp_path):
    place = tmp_path / "folder"
    own, in_gridfs = saved(database, **on_disk(place, "x")), saved(database)
    (place / "x").unlink()
    (place / "x").mkdir()  # cannot be removed as a file can
    with pytest.raises(Denied, match=r"folder/x is not removed, nor the documents"):
        database.delete_many_data([in_gridfs, own], remove_unreferenced_files=True)
    assert database[WF].count_documents({}) == 2
    (place / "x").rmdir()
    told = database.delete_many_data([in_gridfs, own], remove_unreferenced_files=True)
    assert (told.documents, told.files_not_there) == (2, 1)
    assert counts(database)[:3] == [0, 0, 0]


@pytest.mark.parametrize("collection", ["site", "channel", "source", "elog"])
def test_rules_1_and_2_documents_of_normalising_collections_are_deleted_by_mongodbs_own_methods(database, collection):
    own = database[collection].insert_one({"sta": "RJOB"}).inserted_id
    with pytest.raises(ValueError, match=f"database.{collection}.delete_one"):
        database.delete_data(own, collection=collection)
    assert database[collection].count_documents({}) == 1


def test_a_file_stays_that_another_document_names_by_another_path(database, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in (tmp_path / "below" / "..", tmp_path / "link"):
        datum, other = series(), series()
        database.save_data(datum, storage_mode="file", dir=folder, dfile="x")
        database.save_data(other, storage_mode="file", dir=tmp_path, dfile="x")
        deleted = database.delete_data(datum.metadata["_id"], remove_unreferenced_files=True)
        assert (deleted.files, deleted.files_kept) == (0, 1)
        assert database.read_data(other.metadata["_id"]).live
        assert database.delete_data(other.metadata["_id"], remove_unreferenced_files=True).files == 1
