"""Waveforms read in parallel: one row a datum, none lost, no password in the plan."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from bson import ObjectId
from gridfs import GridFSBucket
from pymongo import MongoClient
from seisbatch.mongo import distributed
from seisbatch.mongo.connect import MongoSettings, settings_of
from seisbatch.mongo.data import Seismogram, TimeSeries
from seisbatch.mongo.distributed import DISTRIBUTED, Task, datum_of_row, distributed_row, read_batches
from seisbatch.mongo.document_schema import load_schema
from seisbatch.mongo.reading import ReadOptions, read_datum
from seisbatch.mongo.spark import read_distributed, read_distributed_data
from seisbatch.mongo.storage import put_gridfs
from seisbatch.outcome import RunError

from tests.conftest import MONGO_PASSWORD
from tests.mongo.mspass_documents import mspass_document

SCHEMA = load_schema()
START = 1251073203.0


def samples_of(number):
    return np.random.default_rng(number).normal(size=20 + number)


@pytest.fixture
def stored(mongo_database):
    """Thirty data of an event, of two tags, in an order of their own."""
    source = mongo_database.source.insert_one({"depth": 7.5, "serialized_event": b"pickle"}).inserted_id
    bucket = GridFSBucket(mongo_database)
    documents = [
        {"_id": ObjectId(), "net": "BW", "sta": f"S{number:02}", "chan": "EHZ", "starttime": START + number, "delta": 0.01,
         "npts": len(samples_of(number)), "number": number, "rank": number * 7 % 30, "snr": {"rms": 3.5}, "source_id": source,
         "data_tag": "even" if number % 2 == 0 else "odd", **put_gridfs(bucket, samples_of(number))}
        for number in range(30)
    ]  # fmt: skip
    mongo_database.wf_TimeSeries.insert_many(documents)
    return documents


@pytest.fixture
def settings(mongo_uri, mongo_database):
    return MongoSettings(mongo_uri, mongo_database.name)


def numbers(rows):
    return [datum_of_row(row).metadata["number"] for row in rows]


def reasons(row):
    return [entry.message for entry in datum_of_row(row).elog]


def test_all_data_of_a_cursor_as_a_program_of_mspass_asks_for_them(mongo_uri, mongo_database, stored, spark):
    with MongoClient(mongo_uri) as client:
        cursor = client[mongo_database.name].wf_TimeSeries.find({})
        rows = read_distributed_data(client, mongo_database.name, cursor).collect()
        assert len(list(cursor)) == 30  # it was not used up
    assert [field for field in rows[0].asDict()] == DISTRIBUTED.names
    for row, document in zip(rows, stored, strict=True):
        assert row.live
        assert row._id == str(document["_id"])
        assert (row.net, row.sta, row["loc"], row.chan) == ("BW", document["sta"], None, "EHZ")
        assert (row.starttime, row.delta, row.npts) == (document["starttime"], 0.01, document["npts"])
        datum = datum_of_row(row)
        np.testing.assert_array_equal(datum.samples, samples_of(document["number"]))
        expected = read_datum(mongo_database, SCHEMA, document["_id"], "wf_TimeSeries")
        assert dict(datum.metadata) == dict(expected.metadata)
        assert datum.metadata["source_depth"] == 7.5
        assert datum.metadata.changed == frozenset()
        datum.samples[0] = 1.0  # they are the datum's own


def test_sort_limit_and_skip_of_a_cursor_mean_what_they_mean(mongo_uri, mongo_database, stored, spark, settings):
    with MongoClient(mongo_uri) as client:
        cursor = client[mongo_database.name].wf_TimeSeries.find({"number": {"$gt": 3}}).sort("rank", -1).skip(2).limit(9)
        expected = [document["number"] for document in cursor.clone()]
        for partitions in (1, 4):
            frame = read_distributed(spark, settings, cursor, partitions=partitions)
            assert numbers(frame.collect()) == expected
            assert frame.rdd.getNumPartitions() == partitions


def test_a_query_ids_and_data_frames_select(mongo_database, stored, spark, settings):
    ids = [document["_id"] for document in stored[10:14]]
    texts = [(str(ids[0]),), (json.dumps({"$oid": str(ids[1])}),), (str(ids[2]),), (str(ids[3]),)]
    for selection in (
        {"number": {"$gte": 10, "$lt": 14}},
        ids,
        stored[10:14],
        spark.createDataFrame(texts, "_id string"),
        spark.createDataFrame([(*text, "else") for text in texts], "_id string, more string"),
    ):
        assert sorted(numbers(read_distributed(spark, settings, selection).collect())) == [10, 11, 12, 13]
    rows = read_distributed(spark, settings, {}, data_tag="odd").collect()
    assert sorted(numbers(rows)) == list(range(1, 30, 2))
    rows = read_distributed(spark, settings, spark.createDataFrame(texts, "_id string"), data_tag="odd", partitions=3).collect()
    assert sorted(numbers(rows)) == [11, 13]
    assert read_distributed(spark, settings, {"number": 99}).collect() == []


def test_whole_documents_of_a_data_frame_are_taken_as_they_are(mongo_database, stored, spark, settings):
    """As Spark's connector gives them: ids as text, an absent field as a null."""
    rows = [
        (
            str(one["_id"]),
            one["starttime"],
            one["delta"],
            one["npts"],
            "gridfs",
            json.dumps({"$oid": str(one["gridfs_id"])}),
            tag,
        )
        for one, tag in ((stored[3], "changed"), (stored[4], None))
    ]
    names = "_id string, starttime double, delta double, npts int, storage_mode string, gridfs_id string, data_tag string"
    mongo_database.wf_TimeSeries.delete_many({})
    found = read_distributed(spark, settings, spark.createDataFrame(rows, names)).collect()
    for row, number in zip(sorted(found, key=lambda row: row.starttime), (3, 4), strict=True):
        datum = datum_of_row(row)
        np.testing.assert_array_equal(datum.samples, samples_of(number))
        assert datum.metadata["gridfs_id"] == stored[number]["gridfs_id"]
        assert datum.metadata.get("data_tag") == (None if number == 4 else "changed")


def test_what_cannot_be_read_is_a_row_with_its_reason_and_nothing_is_written(mongo_database, stored, spark, settings):
    gone = ObjectId()
    for number, change in ((5, {"storage_mode": "tape"}), (6, {"source_id": None}), (7, {"npts": 10**12})):
        mongo_database.wf_TimeSeries.update_one({"number": number}, {"$set": change})
    ids = [*(document["_id"] for document in stored), gone]
    rows = {row._id: row for row in read_distributed(spark, settings, ids, required=["source"]).collect()}
    assert len(rows) == 31
    dead = {
        str(stored[5]["_id"]): (True, "illegal storage_mode 'tape'"),
        str(stored[6]["_id"]): (False, "ignored: it has no source_id, which is required"),
        str(stored[7]["_id"]): (True, "too large for a row"),
        str(gone): (False, "no such document in wf_TimeSeries"),
    }
    assert {own for own, row in rows.items() if not row.live} == set(dead)
    for own, (is_abortion, words) in dead.items():
        row = rows[own]
        assert (row.samples, row.is_abortion) == (None, is_abortion)
        [message] = reasons(row)
        assert words in message
        datum = datum_of_row(row)
        assert not datum.live
        assert datum.metadata["is_abortion"] is is_abortion
        assert datum.metadata["_id"] == ObjectId(own)
    assert datum_of_row(rows[str(stored[5]["_id"])]).metadata["storage_mode"] == "tape"
    assert set(mongo_database.list_collection_names()) == {"source", "wf_TimeSeries", "fs.files", "fs.chunks"}


def test_values_get_columns_of_their_own(mongo_database, stored, spark, settings):
    mongo_database.wf_TimeSeries.update_one({"number": 1}, {"$set": {"calib": "none"}})
    mongo_database.wf_TimeSeries.update_one({"number": 2}, {"$set": {"calib": 2.0}})
    options = {"columns": ["source_depth", "source_id", "calib"], "load_history": True}
    frame = read_distributed(spark, settings, {"number": {"$in": [1, 2]}}, **options)
    rows = sorted(frame.collect(), key=lambda row: row.starttime)
    assert [row.source_depth for row in rows] == [7.5, 7.5]
    assert [row.source_id for row in rows] == [str(stored[0]["source_id"])] * 2
    assert [row.calib for row in rows] == [None, 2.0]
    assert [datum_of_row(row).metadata["calib"] for row in rows] == ["none", 2.0]
    [step] = datum_of_row(rows[0]).history
    assert step.parameters["id"] == str(stored[1]["_id"])
    for column, message in (("snr", "not known"), ("tags.x", "not known"), ("npts", "already"), ("source_coords", "list")):
        with pytest.raises(ValueError, match=message):
            read_distributed(spark, settings, {}, columns=[column])
    for wrong in ({"mode": "careless"}, {"normalize": ["elog"]}, {"collection": "site"}):
        with pytest.raises(ValueError, match="careless|elog|site"):
            read_distributed(spark, settings, {}, **wrong)
    with pytest.raises(ValueError, match="without a column _id"):
        read_distributed(spark, settings, spark.range(3))


def test_seismograms_of_mspass(mongo_database, spark, settings):
    document = mspass_document("wf_Seismogram: gridfs")
    three = np.random.default_rng(0).normal(size=(3, 3000))
    GridFSBucket(mongo_database).upload_from_stream_with_id(document["gridfs_id"], "", three.tobytes())
    mongo_database.wf_Seismogram.insert_one(document)
    [row] = read_distributed(spark, settings, mongo_database.wf_Seismogram.find()).collect()
    datum = datum_of_row(row)
    assert type(datum) is Seismogram
    np.testing.assert_array_equal(datum.samples, three)
    assert dict(datum.metadata) == document | {"is_abortion": False}


def test_a_datum_is_its_row_and_back():
    values = {"_id": "of my own", "starttime": START, "delta": 0.01, "when": ObjectId(), "tags": ["a", 1, 2.0], "most": np.inf}
    values |= {"bytes": b"ab", "day": dt.datetime(2020, 1, 2), "large": 2**40}
    datum = TimeSeries(np.arange(5), values)
    datum.elog.post("bandpass", "clipped")
    datum.history.add("bandpass", freqmin=0.5)
    back = datum_of_row(distributed_row(datum))
    np.testing.assert_array_equal(back.samples, datum.samples)
    assert dict(back.metadata) == dict(datum.metadata)
    assert (back.elog, back.history, back.live) == (datum.elog, datum.history, True)
    with pytest.raises(ValueError, match="encoded as float32"):
        datum_of_row(distributed_row(datum) | {"encoding": "float32"})


def test_a_worker_holds_a_batch_and_one_datum(stored, settings, monkeypatch):
    import pyarrow as pa

    monkeypatch.setattr(distributed, "BATCH_BYTES", 1000)
    monkeypatch.setattr(distributed, "CHUNK", 7)
    ids = pa.record_batch({"_id": [str(document["_id"]) for document in stored]})
    task = Task(settings, SCHEMA, "wf_TimeSeries", ReadOptions())
    batches = list(read_batches(task, [ids, ids.slice(0, 1)]))
    assert sum(batch.num_rows for batch in batches) == 31
    sizes = [[len(one) for one in batch["samples"].to_pylist()] for batch in batches]
    assert all(sum(size[:-1]) < 1000 for size in sizes)
    assert all(sum(size) >= 1000 for size in sizes[:-1])


def test_the_password_is_in_no_plan(mongo_account, mongo_database, stored, spark, capfd):
    settings = MongoSettings(mongo_account, mongo_database.name)
    frame = read_distributed(spark, settings, {"number": {"$lt": 3}})
    assert sorted(numbers(frame.collect())) == [0, 1, 2]
    frame.explain(True)
    frame.explain("formatted")
    told = capfd.readouterr()
    assert "MapInArrow" in told.out
    plan = frame._jdf.queryExecution().toString()
    lineage = frame.rdd.toDebugString().decode()
    for text in (told.out, told.err, plan, lineage, str(frame), repr(settings)):
        for secret in (MONGO_PASSWORD, "canary-pass", "mongodb://"):
            assert secret not in text


def test_workers_reach_the_server_by_its_address_or_by_the_environments_uri(
    mongo_uri, mongo_account, mongo_database, stored, spark, monkeypatch
):
    """Not by the client's password, which is not asked for; a server that has not what the cursor has is told of at once."""
    name = mongo_database.name
    with MongoClient(mongo_account) as client:
        monkeypatch.delenv("SEISBATCH_MONGO_URI", raising=False)
        assert "canary" not in settings_of(client, name).uri
        monkeypatch.setenv("SEISBATCH_MONGO_URI", mongo_account)
        assert len(read_distributed_data(client, name, client[name].wf_TimeSeries.find(), spark=spark).collect()) == 30
        monkeypatch.setenv("SEISBATCH_MONGO_URI", mongo_account.replace("canary-pass", "wrong"))
        with pytest.raises(RunError, match="MongoDB") as error:
            read_distributed_data(client, name, client[name].wf_TimeSeries.find())
        assert "canary" not in str(error.value)
    other = MongoSettings(mongo_uri, "seisbatch_none")
    with pytest.raises(RunError, match="Is it the same server"):
        read_distributed(spark, other, mongo_database.wf_TimeSeries.find())
