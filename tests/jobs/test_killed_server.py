"""A load whose server is killed in the middle: the same command completes it, nothing twice, nothing missing."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.mongo_server.server import Server

DATABASE = "killed"
ENOUGH = 70
"""Documents of ccf that are there when the server is killed: some of its batches."""


@pytest.fixture(scope="module")
def ccfs(run_job, sample_archive, tmp_path_factory):
    """A day's correlations of the sample archive."""
    out = tmp_path_factory.mktemp("ccfs") / "out"
    assert run_job("cross_correlate", "--root", sample_archive, "--out", out, "--days", 1, "--max-bad-fraction", 1) == 0
    return out


def documents(uri, name):
    with MongoClient(uri) as client:
        database = client[name]
        return {one: {document["_id"]: document for document in database[one].find()} for one in ("ccf", "outcomes")}


def kill_in_the_middle(server, killed):
    """Kill the server once some of the documents of ccf are there."""
    with MongoClient(server.uri, serverSelectionTimeoutMS=5000) as client:
        while not killed.is_set():
            try:
                if client[DATABASE].ccf.count_documents({}) >= ENOUGH:
                    server.kill()
                    killed.set()
            except PyMongoError:
                return
            time.sleep(0.005)


def test_a_load_is_completed_after_its_server_was_killed(ccfs, run_job, mongo_uri, tmp_path, capsys):
    def load(uri, name):
        return run_job("load_mongo", "--tables", ccfs, "--mongo-uri", uri, "--mongo-database", name, "--out", tmp_path / name)

    undisturbed = f"undisturbed_{uuid.uuid4().hex[:8]}"
    try:
        assert load(mongo_uri, undisturbed) == 0
        wanted = documents(mongo_uri, undisturbed)
    finally:
        with MongoClient(mongo_uri) as client:
            client.drop_database(undisturbed)
    assert len(wanted["ccf"]) > 2 * ENOUGH
    with Server(tmp_path / "documents.mv") as server:
        killed = threading.Event()
        watcher = threading.Thread(target=kill_in_the_middle, args=(server, killed))
        watcher.start()
        capsys.readouterr()
        began = time.monotonic()
        assert load(server.uri, DATABASE) == 1
        assert time.monotonic() - began < 60
        assert killed.is_set()
        watcher.join()
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("load_mongo:")]
        assert len(told) == 1
        assert "MongoDB does not answer" in told[0]
        server.start()
        assert len(documents(server.uri, DATABASE)["ccf"]) < len(wanted["ccf"])
        assert load(server.uri, DATABASE) == 0
        assert documents(server.uri, DATABASE) == wanted
        assert load(server.uri, DATABASE) == 0
        assert documents(server.uri, DATABASE) == wanted
