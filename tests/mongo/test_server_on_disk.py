"""The server of the tests that keeps its documents in a file, and is killed."""

import threading
import time

import pytest
from gridfs import GridFSBucket
from pymongo import MongoClient, WriteConcern
from pymongo.errors import ConnectionFailure, DuplicateKeyError

from tests.mongo_server.server import Server

SAMPLES = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("mongo") / "documents.mv") as server:
        yield server


@pytest.fixture
def client(server):
    with MongoClient(server.uri, serverSelectionTimeoutMS=10_000) as client:
        yield client


def test_what_was_acknowledged_a_second_ago_outlives_kill_after_kill(server, client):
    database = client.second_ago
    database.wf.create_index("row", unique=True)
    database.wf.insert_many([{"_id": n, "row": n, "delta": 0.01} for n in range(200)])
    gridfs_id = GridFSBucket(database).upload_from_stream("", SAMPLES)
    address = server.uri
    time.sleep(1)
    for _ in range(2):
        server.kill()
        server.start()
        assert server.uri == address
        assert [document["_id"] for document in database.wf.find().sort("_id")] == list(range(200))
        assert database.wf.find_one({"row": 199}) == {"_id": 199, "row": 199, "delta": 0.01}
        assert GridFSBucket(database).open_download_stream(gridfs_id).read() == SAMPLES
    with pytest.raises(DuplicateKeyError):
        database.wf.insert_one({"_id": 200, "row": 199})


def test_a_kill_in_the_middle_of_writing_leaves_what_was_there_at_one_moment(server, client):
    database = client.middle
    database.wf.create_index("row", unique=True)
    acknowledged = []

    def write():
        try:
            while True:
                n = len(acknowledged)
                database.get_collection("elog", write_concern=WriteConcern(j=n % 100 == 0)).insert_one({"_id": n})
                database.wf.insert_one({"_id": n, "row": n})
                acknowledged.append(n)
        except ConnectionFailure:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    while len(acknowledged) < 150:
        time.sleep(0.01)
    server.kill()
    writer.join()
    server.start()
    logged, documents = (sorted(one["_id"] for one in database[name].find()) for name in ("elog", "wf"))
    assert logged == list(range(len(logged)))
    assert documents == list(range(len(documents)))
    assert len(logged) - len(documents) in (0, 1)
    assert len(logged) > 100  # written with j=True
    assert [database.wf.find_one({"row": n})["_id"] for n in documents] == documents


def test_fsync_and_an_end_in_order_lose_nothing(server, client):
    sites = client.synced.site
    sites.insert_many([{"_id": n} for n in range(200)])
    client.admin.command("fsync")
    server.kill()
    server.start()
    assert sites.count_documents({}) == 200
    sites.insert_many([{"_id": n} for n in range(200, 400)])
    server.stop()
    server.start()
    assert sites.count_documents({}) == 400
