"""A database that answers, and errors that tell what is wrong in one line and no password."""

from __future__ import annotations

import socket

import pytest
from pymongo import MongoClient
from seisbatch.mongo.connect import MongoSettings, connected
from seisbatch.outcome import RunError

from tests.conftest import MONGO_PASSWORD, MONGO_USER

CANARY = "canary"


@pytest.fixture
def nowhere() -> str:
    """An address at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def error_of(uri: str, database: str = "any") -> str:
    with pytest.raises(RunError) as caught, connected(MongoSettings(uri, database)):
        pass
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


def test_a_user_with_a_password_of_odd_characters_writes(mongo_account, mongo_database):
    with connected(MongoSettings(mongo_account, mongo_database.name)) as database:
        database.things.insert_one({"a": 1})
    assert mongo_database.things.count_documents({"a": 1}) == 1


def test_a_wrong_password_is_refused_and_not_told(mongo_account):
    message = error_of(mongo_account.replace("canary-pass", "canary-wrong"))
    assert "Authentication failed" in message
    assert CANARY not in message


def test_a_server_that_is_not_there_is_told_by_its_address(nowhere):
    message = error_of(f"mongodb://canary-user:canary-pass@{nowhere}/?serverSelectionTimeoutMS=300")
    assert message.startswith(f"MongoDB does not answer: {nowhere}: ")
    assert "Topology" not in message
    assert CANARY not in message


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("mongodb://canary:can/ary@127.0.0.1:1/", "must be escaped: %2F"),
        ("mongodb://canary:1/canary@127.0.0.1:1/", "must be escaped: %2F"),  # else canary is taken for a host, 1 for its port
        ("mongodb://canary:1?canary@127.0.0.1:1/", "must be escaped: %2F"),
        ("mongodb://canary:can@ary@127.0.0.1:1/", "must be escaped"),
        ("mongodb://canary:can%ary@127.0.0.1:1/", "must be escaped"),
        ("mongodb://canary:canary@127.0.0.1:123456/", "Port must be"),
        ("mongodb://canary:canary", "Port contains non-digit"),
        ("mongodb://", "at least one hostname"),
        ("http://canary:canary@127.0.0.1", "must begin with 'mongodb://'"),
    ],
)
def test_a_wrong_uri_is_told_without_it(uri, problem):
    message = error_of(uri)
    assert message.startswith("MongoDB's URI is wrong: ")
    assert problem in message
    assert CANARY not in message


def test_settings_do_not_show_the_uri():
    assert CANARY not in repr(MongoSettings(f"mongodb://{CANARY}@host", "any"))


def test_an_error_that_tells_the_user_tells_it_no_more(mongo_account, mongo_database):
    """What a server may say of a user, here in the key of a document."""
    mongo_database.things.create_index("who", unique=True)
    mongo_database.things.insert_one({"who": f"{MONGO_USER} {MONGO_PASSWORD}"})
    with MongoClient(mongo_account) as client, pytest.raises(Exception, match=MONGO_USER):  # or this test would not test
        client[mongo_database.name].things.insert_one({"who": f"{MONGO_USER} {MONGO_PASSWORD}"})
    with (
        pytest.raises(RunError, match=r"duplicate key.*\*\*\* \*\*\*") as caught,
        connected(MongoSettings(mongo_account, mongo_database.name)) as database,
    ):
        database.things.insert_many([{"who": f"{MONGO_USER} {MONGO_PASSWORD}"}])
    assert CANARY not in str(caught.value)
