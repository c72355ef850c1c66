"""Spark's connector to MongoDB: how documents are written by it, and what its errors come to."""

from __future__ import annotations

import logging
import re

from py4j.protocol import Py4JJavaError
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from seisbatch.mongo.connect import ANSWERS_WITHIN_MS, MongoSettings
from seisbatch.outcome import RunError
from seisbatch.schema import CCF, CHANNEL, STACK

log = logging.getLogger("seisbatch")

BATCH = {CHANNEL.name: 16, CCF.name: 64, STACK.name: 64}
"""Documents that a task sends at once, where they are large; a task holds them."""
MANY = 1000

_ERROR = re.compile(r"com\.mongodb\.(?:\w+\.)*(\w+): ([^\n]*)")
_NO_ANSWER = re.compile(r"MongoTimeoutException|MongoSocket\w*|MongoNodeIsRecovering\w*|MongoNotPrimary\w*")
_SEEN_FROM_HERE = re.compile(r"\. Client view of cluster state.*|, full error.*")
_DUPLICATE = re.compile(r"\bE11000\b|\bcode=11000\b")
_PYTHON = re.compile(r"^(?:seisbatch\.outcome\.)?RunError: ", re.MULTILINE)


def connector_uri(uri: str, connections: int) -> str:
    """A URI whose clients hold a few connections at most, and wait for a server no longer than ours do.

    >>> connector_uri("mongodb://one:27017", 4)
    'mongodb://one:27017/?maxPoolSize=4&serverSelectionTimeoutMS=10000&appName=seisbatch'
    """
    place, _, query = uri.partition("?")
    scheme, _, rest = place.partition("://")
    given = [word for word in query.split("&") if word]
    names = {word.partition("=")[0].lower(): word.partition("=")[2] for word in given}
    if not names.get("maxpoolsize", "").isdigit() or not 0 < int(names["maxpoolsize"]) <= connections:
        given = [word for word in given if not word.lower().startswith("maxpoolsize=")] + [f"maxPoolSize={connections}"]
    more = {"serverSelectionTimeoutMS": ANSWERS_WITHIN_MS, "appName": "seisbatch"}
    given += [f"{name}={value}" for name, value in more.items() if name.lower() not in names]
    return f"{scheme}://{rest}{'' if '/' in rest else '/'}?{'&'.join(given)}"


def write_documents(
    frame: DataFrame, settings: MongoSettings, collection: str, connections: int, *, all_new: bool = False
) -> None:
    """Write documents as columns, each under its ``_id``: what one that is there holds besides stays.

    Where they are ``all_new`` they are inserted, in less time; where one turns out to be there, put there by a task that was
    tried before or by another row, all are written again.

    The URI is an option of the write alone: options are in no plan, and in none of Spark's own settings.
    Raises PyMongoError for what MongoDB refused, RunError where Spark does not have the connector.
    """
    operations = ("insert", "replace") if all_new else ("update",)
    options = {
        "connection.uri": connector_uri(settings.uri, connections),
        "database": settings.database,
        "collection": collection,
        "convertjson": "objectOrArrayOnly",
        "ignorenullvalues": "true",
        "maxbatchsize": str(BATCH.get(collection, MANY)),
    }
    for operation in operations:
        try:
            frame.write.format("mongodb").mode("append").options(**options, operationtype=operation).save()
        except (PySparkException, Py4JJavaError) as error:
            if operation == operations[-1] or not _DUPLICATE.search(str(error)):
                raise _told(error) from None
            log.info("%s: documents are there already; all are written again", collection)
        else:
            return


def _told(error: Exception) -> Exception:
    """A failed write as one line; the connector's own account of it is some hundred."""
    text = str(error)
    if "DATA_SOURCE_NOT_FOUND" in text or "ClassNotFoundException: mongodb" in text:
        return RunError(
            "Spark has no connector to MongoDB: ./submit.sh gives it to load_mongo and with --sink mongo; spark-submit takes "
            "it by --packages org.mongodb.spark:mongo-spark-connector_2.13:10.5.0"
        )
    match = _ERROR.search(text)
    if match is None or _PYTHON.search(text):  # which says it better
        return error
    kind, message = match[1], _SEEN_FROM_HERE.sub("", match[2])
    return ServerSelectionTimeoutError(message) if _NO_ANSWER.fullmatch(kind) else PyMongoError(message)
