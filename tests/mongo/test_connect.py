"""A database that answers, and errors that tell what is wrong in one line and no password."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo import MongoClient
from seisbatch.mongo.connect import MongoSettings, connected, held
from seisbatch.outcome import RunError

from tests.conftest import MONGO_PASSWORD, MONGO_USER
from tests.mongo_server.proxy import authority_and_certificate, proxied

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
        ("mongodb://canary@127.0.0.1:1/?authMechanism=SCRAM-SHA-256", "A password is required"),
        ("mongodb://127.0.0.1:1/?tls=canary", "tls must be 'true' or 'false'"),  # else there would be no TLS, and no word of it
        ("mongodb://127.0.0.1:1/?tsl=canary", "Unknown option"),
        ("mongodb://127.0.0.1:1/?tls=true&tlsCAFile=/no/such/file", "file is not readable"),
        ("mongodb://127.0.0.1:1/?tls=true&tlsCAFile=/etc/hosts", "no certificate"),
        ("mongodb+srv://canary:canary@one,two/", "one, and only one, hostname"),
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


def test_secrets_in_options_are_not_told(nowhere):
    options = "serverSelectionTimeoutMS=100&authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:canary-token"
    assert CANARY not in error_of(f"mongodb://canary-key:canary-secret@{nowhere}/?{options}")


def test_the_place_has_servers_and_database_alone():
    names = ["mongodb://canary:canary@Two:27017,one:27018/admin?tls=true", "mongodb://one:27018,two"]
    assert {MongoSettings(name, "scedc").place for name in names} == {"mongodb://one:27018,two:27017/scedc"}
    cluster = MongoSettings("mongodb+srv://canary:canary@Cluster0.example.org/?authSource=admin", "scedc")
    assert cluster.place == "mongodb+srv://cluster0.example.org/scedc"
    assert MongoSettings("mongodb://[::1]:27018", "scedc").place == "mongodb://[::1]:27018/scedc"


def test_a_worker_s_four_tries_take_ten_seconds_together_however_many_threads_ask(nowhere):
    settings = MongoSettings(f"mongodb://{nowhere}", "any")

    def ask():
        with pytest.raises(RunError, match=f"MongoDB does not answer: {nowhere}: "), held(settings) as database:
            database.things.find_one()

    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ask(), range(12)))
    assert 4 * (time.monotonic() - begun) < 14


def test_a_server_is_given_ten_seconds(nowhere):
    begun = time.monotonic()
    error_of(f"mongodb://{nowhere}")
    assert 8 < time.monotonic() - begun < 13


def test_a_server_that_goes_away_in_the_middle(mongo_uri, mongo_database):
    mongo_database.things.insert_one({"a": 1})
    with proxied(mongo_uri, cut_at=b"last words") as proxy:
        settings = MongoSettings(f"mongodb://{proxy.address}/?serverSelectionTimeoutMS=500", mongo_database.name)
        with held(settings) as database:
            assert database.things.find_one()["a"] == 1
        with pytest.raises(RunError, match=f"MongoDB does not answer: {proxy.address}: "), held(settings) as database:
            database.things.find_one({"a": "last words"})


@pytest.fixture
def tls(mongo_uri, tmp_path):
    """The address of a server that speaks TLS alone, and the file of the authority that signed its certificate."""
    authority, context = authority_and_certificate(tmp_path, "authority")
    with proxied(mongo_uri, context) as proxy:
        yield proxy.address, authority


def test_tls_with_the_authority_that_the_uri_names(tls, mongo_database):
    address, authority = tls
    with connected(MongoSettings(f"mongodb://{address}/?tls=true&tlsCAFile={authority}", mongo_database.name)) as database:
        database.things.insert_one({"a": 1})
    assert mongo_database.things.count_documents({"a": 1}) == 1


def test_tls_with_another_authority_is_refused(tls, tmp_path):
    address, _ = tls
    other, _ = authority_and_certificate(tmp_path, "other")
    message = error_of(f"mongodb://canary:canary@{address}/?tls=true&tlsCAFile={other}&serverSelectionTimeoutMS=500")
    assert message.startswith("MongoDB's server and this computer do not trust each other: ")
    assert "certificate verify failed" in message
    assert "tlsCAFile names the authority" in message
    assert CANARY not in message


def test_tls_that_the_server_wants_and_the_uri_does_not(tls):
    assert "does not answer" in error_of(f"mongodb://{tls[0]}/?serverSelectionTimeoutMS=500")
