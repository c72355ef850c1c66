"""Where a run reads and writes: options to store settings."""

from __future__ import annotations

import os
from pathlib import Path

from seisbatch.acquire.objects import StoreSettings
from seisbatch.archives import ARCHIVES
from seisbatch.config import ArchiveOptions, IndexedOptions, MongoOptions, OptionError, OutputOptions, SourceOptions
from seisbatch.mongo.connect import MongoSettings
from seisbatch.steps.stations import Stations

SAMPLE_ROOT = "sample-archive"
MONGO_URI = "SEISBATCH_MONGO_URI"
"""The environment variable that may hold MongoDB's URI."""


def store_settings(root: str, endpoint: str | None, region: str | None, anonymous: bool) -> StoreSettings:
    """A store; a folder's name becomes absolute, as workers have another working directory."""
    if "://" in root and not root.startswith("s3://"):
        raise OptionError(f"{root}: write s3://bucket/prefix, or the name of a folder")
    if "://" not in root:
        root = str(Path(root).expanduser().resolve())
    return StoreSettings(root=root, endpoint=endpoint, region=region, anonymous=anonymous)


def layout_of(options: ArchiveOptions) -> str:
    """The layout of an archive; the sample archive has SCEDC's."""
    return "scedc" if options.archive == "sample" else options.archive


def archive_store(options: ArchiveOptions) -> StoreSettings:
    """The archive that a run reads."""
    layout = ARCHIVES[layout_of(options)]
    root = options.root or (SAMPLE_ROOT if options.archive == "sample" else layout.ROOT)
    if root is None:
        raise OptionError(f"--archive {options.archive} has no public bucket: give --root, a folder or s3://bucket/prefix")
    return store_settings(root, options.source_endpoint, options.source_region or layout.REGION, options.anonymous)


def archive_stations(options: SourceOptions) -> Stations:
    """The StationXML files that a run reads; by default those of the archive."""
    archive = archive_store(options)
    if options.stations is None:
        return Stations(archive, layout_of(options), of_archive=True)
    store = store_settings(options.stations, archive.endpoint, archive.region, options.anonymous)
    return Stations(store, layout_of(options), of_archive=False)


def index_table(options: IndexedOptions) -> StoreSettings | None:
    """The output of index_archive that a run reads, where it does."""
    if options.index is None:
        return None
    archive = archive_store(options)
    return store_settings(options.index, archive.endpoint, archive.region, options.anonymous)


def out_store(options: OutputOptions) -> StoreSettings:
    """Where a run writes."""
    return store_settings(options.out, options.out_endpoint, options.out_region, anonymous=False)


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
