"""Samples of many data put into GridFS: what GridFS itself reads, however often they are put, and after a broken try."""

from __future__ import annotations

import numpy as np
import pytest
from gridfs import GridFSBucket
from seisbatch.mongo.gridfs_bulk import CHUNK_BYTES, HELD_BYTES, GridFSWriter, gridfs_id

IN_A_CHUNK = CHUNK_BYTES // 8


@pytest.fixture
def put(mongo_database):
    def run(samples):
        writer = GridFSWriter(mongo_database)
        ids = {name: writer.put(name, values) for name, values in samples.items()}
        writer.flush()
        return ids

    return run


def read(database, own):
    return np.frombuffer(GridFSBucket(database).open_download_stream(own).read())


def contents(database):
    return [list(database[name].find().sort("_id", 1)) for name in ("fs.files", "fs.chunks")]


def test_gridfs_reads_what_was_put_of_any_length_and_type(put, mongo_database):
    rng = np.random.default_rng(0)
    lengths = (0, 1, IN_A_CHUNK - 1, IN_A_CHUNK, IN_A_CHUNK + 1, HELD_BYTES // 8 + 5)
    samples = {f"{n}": rng.normal(size=n) for n in lengths} | {"counts": np.arange(-5, 5, dtype=np.int32)}
    for name, own in put(samples).items():
        assert own == gridfs_id(name)
        np.testing.assert_array_equal(read(mongo_database, own), samples[name].astype(float))
    assert len({one["_id"] for one in contents(mongo_database)[1]}) == sum(-(-n * 8 // CHUNK_BYTES) for n in lengths) + 1


def test_putting_again_changes_nothing_and_mends_what_is_not_whole(put, mongo_database):
    samples = {"a": np.arange(3.0 * IN_A_CHUNK), "b": np.ones(7)}
    put(samples)
    first = contents(mongo_database)
    put(samples)
    assert contents(mongo_database) == first
    mongo_database["fs.chunks"].delete_many({"n": 1})
    mongo_database["fs.files"].update_one({"_id": gridfs_id("b")}, {"$set": {"length": 0}})
    put(samples)
    assert contents(mongo_database) == first


def test_chunks_of_a_try_that_was_broken_before_their_files_are_put_again(put, mongo_database):
    samples = {"a": np.arange(3.0 * IN_A_CHUNK), "b": np.ones(7)}
    put(samples)
    first = contents(mongo_database)
    mongo_database["fs.files"].delete_many({})
    mongo_database["fs.chunks"].delete_many({"n": 1})
    mongo_database["fs.chunks"].update_one({"n": 2}, {"$set": {"data": b"half"}})
    put(samples)
    chunks = [{**one, "data": bytes(one["data"])} for one in contents(mongo_database)[1]]
    assert chunks == first[1]
    np.testing.assert_array_equal(read(mongo_database, gridfs_id("a")), samples["a"])


def test_fewer_samples_leave_nothing_of_those_before(put, mongo_database):
    put({"a": np.arange(3.0 * IN_A_CHUNK)})
    own = put({"a": np.arange(5.0)})["a"]
    np.testing.assert_array_equal(read(mongo_database, own), np.arange(5.0))
    assert mongo_database["fs.chunks"].count_documents({"files_id": own}) == 1
