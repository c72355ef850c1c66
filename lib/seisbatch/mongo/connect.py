"""The one way to MongoDB: a database of a server that answered, and errors in one line without the URI's user and password."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConfigurationError, PyMongoError, ServerSelectionTimeoutError

from seisbatch.outcome import RunError

MONGO_URI = "SEISBATCH_MONGO_URI"
"""The environment variable that may hold MongoDB's URI."""
ANSWERS_WITHIN_MS = 10_000
"""What a server is given to answer, unless the URI says otherwise."""
MESSAGE_LENGTH = 500
_DETAILS = re.compile(r" \(configured timeouts: [^)]*\)|, (Timeout: [\d.]+s|full error: |Topology Description: ).*", re.DOTALL)
"""What pymongo adds to its messages for those who look for errors in it."""

Document = dict[str, Any]


@dataclass(frozen=True)
class MongoSettings:
    """Where MongoDB is, with the user and the password where it asks for them, and which of its databases is meant."""

    uri: str = field(repr=False)
    database: str


@contextmanager
def connected(settings: MongoSettings) -> Iterator[Database[Document]]:
    """The database, of a server that has answered.

    Raises RunError, in one line and without the URI's user and password, where the URI is wrong, where the server does not
    answer or refuses the user, and where what is done with the database ends with an error of MongoDB.
    """
    try:
        with _client(settings.uri) as client:
            client.admin.command("ping")
            yield client[settings.database]
    except ServerSelectionTimeoutError as error:
        raise RunError(
            f"MongoDB does not answer: {_told(settings.uri, error)}. Is that its address, and is it running?"
        ) from None
    except ConfigurationError as error:
        raise RunError(f"MongoDB's URI is wrong: {_told(settings.uri, error)}") from None
    except PyMongoError as error:
        raise RunError(f"MongoDB, database {settings.database}: {_told(settings.uri, error)}") from None


def settings_of(client: MongoClient[Any], database: str) -> MongoSettings:
    """Settings by which others reach the server of a client: the URI of ``SEISBATCH_MONGO_URI`` where there is one, else its
    address, which does for a server that asks for no password. The client's own password is not looked at.
    """
    if uri := os.environ.get(MONGO_URI):
        return MongoSettings(uri, database)
    client.admin.command("ping")  # or it may have no address yet
    address = client.address or next(iter(client.nodes))
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return MongoSettings(f"mongodb://{host}:{address[1]}/", database)


def _client(uri: str) -> MongoClient[Document]:
    options: dict[str, Any] = {"appname": "seisbatch", "serverSelectionTimeoutMS": ANSWERS_WITHIN_MS}
    if "serverselectiontimeoutms=" in uri.lower():
        del options["serverSelectionTimeoutMS"]
    try:
        _user_info(uri)
        return MongoClient(uri, **options)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _user_info(uri: str) -> list[str]:
    """The user and the password of a URI, as they stand there; ValueError where they would be taken for something else.

    >>> _user_info("mongodb://reader:p%40ss@one:27017,two/?replicaSet=a")
    ['reader', 'p%40ss']
    """
    rest = uri.partition("://")[2]
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :]:
        raise ValueError("a user or password with / ? or @ in it must be escaped: %2F, %3F, %40")
    return [part for part in authority.rpartition("@")[0].partition(":")[::2] if part]


def _told(uri: str, error: PyMongoError) -> str:
    """An error's message in one line, without pymongo's details and without the URI's user and password."""
    text = str(error)
    if isinstance(error, BulkWriteError):
        problems = [*error.details.get("writeErrors", []), *error.details.get("writeConcernErrors", [])]
        text = next((str(problem.get("errmsg")) for problem in problems), text)
    text = " ".join(_DETAILS.sub("", text).split())
    try:
        secrets = _user_info(uri)
    except ValueError:  # which is the error
        secrets = []
    for secret in sorted({*secrets, *map(unquote_plus, secrets)}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text[:MESSAGE_LENGTH]
