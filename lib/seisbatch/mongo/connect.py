"""The one way to MongoDB: a database of a server that answered, and errors in one line without the URI's user and password."""

from __future__ import annotations

import os
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConfigurationError, ConnectionFailure, PyMongoError

from seisbatch.mongo.kept_uri import MONGO_URI, kept_uri
from seisbatch.mongo.uri import parse_uri, without_secrets
from seisbatch.outcome import RunError

ANSWERS_WITHIN_MS = 10_000
"""What a server is given to answer, unless the URI says otherwise."""
TRIES = 4
"""As often Spark tries a task: a worker gives a server its share of that time, so that the whole run ends within it."""
MESSAGE_LENGTH = 500
_DETAILS = re.compile(r" \(configured timeouts: [^)]*\)|, (Timeout: [\d.]+s|full error: |Topology Description: ).*", re.DOTALL)
"""What pymongo adds to its messages for those who look for errors in it."""
_NO_TLS = re.compile(r"SSL handshake failed|CERTIFICATE_VERIFY_FAILED|\[SSL")

Document = dict[str, Any]


@dataclass(frozen=True)
class MongoSettings:
    """Where MongoDB is, with the user and the password where it asks for them, and which of its databases is meant."""

    uri: str = field(repr=False)
    database: str

    @property
    def place(self) -> str:
        """The servers and the database, without user, password and options: the same for whoever reads there.

        >>> MongoSettings("mongodb://reader:secret@Two,one:27018/?tls=true", "scedc").place
        'mongodb://one:27018,two:27017/scedc'
        """
        uri = parse_uri(self.uri)
        return f"{uri.scheme}{','.join(uri.servers)}/{self.database}"


@contextmanager
def connected(settings: MongoSettings) -> Iterator[Database[Document]]:
    """The database, of a server that has answered.

    Raises RunError, in one line and without the URI's user and password, where the URI is wrong, where the server does not
    answer or refuses the user, and where what is done with the database ends with an error of MongoDB.
    """
    with _told_as_run_errors(settings), _client(settings.uri) as client:
        client.admin.command("ping")
        yield client[settings.database]


@contextmanager
def held(settings: MongoSettings) -> Iterator[Database[Document]]:
    """The database, by a client that this process keeps: for workers, which ask again and again, from many threads.

    Raises what :func:`connected` raises, but waits less: the driver has found the server there, and Spark tries a task
    :data:`TRIES` times. Once the server did not answer, it is not waited for again in that time.
    """
    since, told = _AWAY.get(settings, (0.0, ""))
    if told and time.monotonic() - since < ANSWERS_WITHIN_MS / TRIES / 1000:
        raise RunError(told)
    with _told_as_run_errors(settings, remembered=True):
        yield _held_client(settings.uri)[settings.database]


_HELD: dict[tuple[int, str], MongoClient[Document]] = {}
_HOLDING = threading.Lock()
_AWAY: dict[MongoSettings, tuple[float, str]] = {}
"""When a server was found away, and how that was told: who waits beside the first, or comes after, need not wait again."""


def _held_client(uri: str) -> MongoClient[Document]:
    key = (os.getpid(), uri)  # connections do not survive a fork
    with _HOLDING:
        if key not in _HELD:
            _HELD[key] = _client(uri, ANSWERS_WITHIN_MS // TRIES)
        return _HELD[key]


@contextmanager
def _told_as_run_errors(settings: MongoSettings, *, remembered: bool = False) -> Iterator[None]:
    try:
        yield
    except ConnectionFailure as error:
        told = _no_answer(settings, _told(settings.uri, error))
        if remembered:
            _AWAY[settings] = time.monotonic(), told
        raise RunError(told) from None
    except ConfigurationError as error:
        raise RunError(f"MongoDB's URI is wrong: {_told(settings.uri, error)}") from None
    except PyMongoError as error:
        raise RunError(f"MongoDB, database {settings.database}: {_told(settings.uri, error)}") from None


def settings_of(client: MongoClient[Any], database: str) -> MongoSettings:
    """Settings by which others reach the server of a client: the URI of ``SEISBATCH_MONGO_URI`` where there is one, else its
    address, which does for a server that asks for no password. The client's own password is not looked at.

    Raises ValueError where that variable holds no URI, and none of a file.
    """
    if os.environ.get(MONGO_URI):
        return MongoSettings(str(kept_uri(MONGO_URI, "env")), database)
    client.admin.command("ping")  # or it may have no address yet
    address = client.address or next(iter(client.nodes))
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return MongoSettings(f"mongodb://{host}:{address[1]}/", database)


def _no_answer(settings: MongoSettings, what: str) -> str:
    servers = parse_uri(settings.uri).servers
    if not any(server.rpartition(":")[0] in what for server in servers):
        what = f"{','.join(servers)}: {what}"
    if _NO_TLS.search(what):
        return (
            f"MongoDB's server and this computer do not trust each other: {what}. TLS is set in the URI: tlsCAFile names the "
            "authority that signed the server's certificate, tlsCertificateKeyFile a certificate of one's own"
        )
    return f"MongoDB does not answer: {what}. Is that its address, and is it running?"


def _client(uri: str, within_ms: int = ANSWERS_WITHIN_MS) -> MongoClient[Document]:
    """A client; ConfigurationError of a URI that pymongo would take for another, or in part."""
    timeouts = {"serverSelectionTimeoutMS": within_ms, "connectTimeoutMS": ANSWERS_WITHIN_MS}
    options: dict[str, Any] = {name: value for name, value in timeouts.items() if f"{name.lower()}=" not in uri.lower()}
    try:
        parse_uri(uri)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # pymongo passes over what it does not know: tls=yes would be no TLS
            return MongoClient(uri, appname="seisbatch", **options)
    except (ValueError, TypeError, UserWarning) as error:
        raise ConfigurationError(str(error)) from None
    except OSError as error:  # of a file that an option names
        raise ConfigurationError(error.strerror or str(error)) from None


def _told(uri: str, error: PyMongoError) -> str:
    """An error's message in one line, without pymongo's details and without the URI's user and password."""
    text = str(error)
    if isinstance(error, BulkWriteError):
        problems = [*error.details.get("writeErrors", []), *error.details.get("writeConcernErrors", [])]
        text = next((str(problem.get("errmsg")) for problem in problems), text)
    return without_secrets(" ".join(_DETAILS.sub("", text).split()), uri)[:MESSAGE_LENGTH]
