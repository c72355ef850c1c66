"""Options to settings of MongoDB; apart from those of stores, as its client takes a while to import.

A user and a password stand on no command line: they come from the environment variable :data:`MONGO_URI` or from a file.
"""

from __future__ import annotations

import os
import re

from seisbatch.config import OptionError
from seisbatch.mongo.connect import MongoSettings
from seisbatch.mongo.index_documents import IndexDocuments
from seisbatch.mongo.kept_uri import FILE, MONGO_URI, kept_uri
from seisbatch.mongo.station_documents import StationDocuments
from seisbatch.mongo.station_rows import StationRowDocuments
from seisbatch.mongo.uri import MongoUri, is_mongo_uri, parse_uri
from seisbatch.options import MongoOptions

WRITTEN_TO = "--mongo-uri"
_DATABASE = re.compile(r"[A-Za-z0-9_-]{1,63}")


def mongo_settings(options: MongoOptions) -> MongoSettings | None:
    """The MongoDB that a run writes to, where it does; OptionError where its URI cannot be."""
    if options.mongo_uri is None:
        return None
    text = options.mongo_uri.get_secret_value().strip()
    if text == "env" or text.startswith(FILE):
        return MongoSettings(str(_kept_uri(WRITTEN_TO, text)), options.mongo_database)
    if not is_mongo_uri(text):
        raise OptionError(
            f"{WRITTEN_TO}: write mongodb://host:27017, none, env for that of {MONGO_URI}, or file:PATH for that in a file"
        )
    return MongoSettings(str(_with_account(WRITTEN_TO, _open_uri(WRITTEN_TO, text))), options.mongo_database)


def mongo_place(option: str, text: str) -> MongoSettings:
    """The database that an option names as a place to read: ``mongodb://HOST/DATABASE``, or ``mongodb:///DATABASE``.

    User, password and options are those of :data:`MONGO_URI` where it names the same servers, and where the option names none.
    OptionError where that cannot be, or where the option itself has a user or another secret.
    """
    uri = _open_uri(option, text)
    if not _DATABASE.fullmatch(uri.path):
        raise OptionError(f"{option}: name a database: mongodb://HOST/DATABASE, or mongodb:///DATABASE with {MONGO_URI}")
    found = _with_account(option, uri)
    return MongoSettings(str(MongoUri(uri.scheme, "", uri.hosts, "", uri.options) if found is uri else found), uri.path)


def mongo_stations(text: str) -> StationDocuments:
    """The stations of a database that ``--stations`` names."""
    return StationDocuments(mongo_place("--stations", text))


def mongo_station_rows(text: str) -> StationRowDocuments:
    """The stations of a database that ``--stations-table`` names; RunError where the database has none."""
    mongo = mongo_place("--stations-table", text)
    StationDocuments(mongo).require()
    return StationRowDocuments(mongo)


def mongo_index(text: str) -> IndexDocuments:
    """The index of a database that ``--index`` names."""
    return IndexDocuments(mongo_place("--index", text))


def _open_uri(option: str, text: str) -> MongoUri:
    """A URI that stands on a command line."""
    try:
        uri = parse_uri(text)
        has_secrets = bool(uri.secrets)
    except ValueError as error:
        raise OptionError(f"{option}: MongoDB's URI is wrong: {error}") from None
    if has_secrets:
        how = f"write {option} env" if option == WRITTEN_TO else f"give {option} only mongodb://HOST/DATABASE"
        raise OptionError(
            f"{option}: a user or a password does not belong on the command line, where others see it: set {MONGO_URI} to the "
            f"whole URI, or to {FILE}PATH of a file with it, and {how}"
        )
    return uri


def _with_account(option: str, uri: MongoUri) -> MongoUri:
    """A URI that was given openly, or, where that of the environment is of the same servers, that one, with its options."""
    if uri.hosts:
        try:
            servers = uri.servers
        except ValueError as error:
            raise OptionError(f"{option}: MongoDB's URI is wrong: {error}") from None
        if not os.environ.get(MONGO_URI):
            return uri
        kept = _kept_uri(option, "env")
        if (kept.scheme, kept.servers) != (uri.scheme, servers):
            return uri
    else:
        kept = _kept_uri(option, "env")
    return kept.with_options_of(uri)


def _kept_uri(option: str, word: str) -> MongoUri:
    """The URI that ``env`` or ``file:PATH`` stands for."""
    try:
        return kept_uri(option, word)
    except ValueError as error:
        raise OptionError(str(error)) from None
