"""Options to settings of MongoDB; apart from those of stores, as its client takes a while to import."""

from __future__ import annotations

import os

from seisbatch.config import OptionError
from seisbatch.mongo.connect import MONGO_URI, MongoSettings
from seisbatch.options import MongoOptions


def mongo_settings(options: MongoOptions) -> MongoSettings | None:
    """The MongoDB that a run writes to, where it does."""
    if options.mongo_uri is None:
        return None
    uri = options.mongo_uri.get_secret_value()
    if uri == "env" and not (uri := os.environ.get(MONGO_URI, "")):
        raise OptionError(f"--mongo-uri env: there is no environment variable {MONGO_URI}")
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise OptionError(f"--mongo-uri: write mongodb://host:27017, none, or env for that of {MONGO_URI}")
    return MongoSettings(uri, options.mongo_database)
