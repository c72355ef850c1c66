"""Where a run reads and writes: options to store settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seisbatch.acquire.backend import CacheSettings
from seisbatch.acquire.objects import StoreSettings
from seisbatch.acquire.web import check_address, is_web
from seisbatch.archives import ARCHIVES
from seisbatch.config import OptionError, shown
from seisbatch.mongo.uri import is_mongo_uri
from seisbatch.options import ArchiveOptions, IndexedOptions, OutputOptions, SourceOptions
from seisbatch.steps.index_table import IndexFiles, IndexPlace
from seisbatch.steps.stations import StationFiles, Stations

SAMPLE_ROOT = "sample-archive"
CACHE_FOLDER = "seisbatch-cache"
"""What is kept stands in a folder of its own: whatever else is under ``--cache`` is never counted, and never removed."""


def store_settings(root: str, endpoint: str | None, region: str | None, anonymous: bool) -> StoreSettings:
    """A store; a folder's name becomes absolute, as workers have another working directory."""
    if is_web(root):
        try:
            return StoreSettings(root=check_address(root))
        except ValueError as error:
            raise OptionError(str(error)) from None
    if "://" in root and not root.startswith("s3://"):
        raise OptionError(
            f"{shown(root)}: write s3://bucket/prefix, or the name of a folder; http(s)://host/path/ can be read alone"
        )
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
    region = options.source_region or layout.REGION
    store = store_settings(root, options.source_endpoint, region, options.anonymous)
    if options.credentials != "auto":
        store = restricted(store, options.credentials, options.archive, is_public=options.root is None)
    return _with_cache(store, options)


def restricted(store: StoreSettings, credentials: str, archive: str, *, is_public: bool) -> StoreSettings:
    """An archive's store that is read with credentials of the archive's own; OptionError where it has none."""
    if archive != credentials:
        raise OptionError(f"--credentials {credentials} goes with --archive {credentials} alone")
    if is_public:
        raise OptionError(
            f"--credentials {credentials}: restricted networks are not in the public bucket: give --root, the access "
            "point's alias as s3://ALIAS"
        )
    return replace(store, credentials=credentials, anonymous=False)


def _with_cache(store: StoreSettings, options: ArchiveOptions) -> StoreSettings:
    kept = own_store(options, options.cache) if options.cache else None
    return cached(store, kept, options.cache_size)


def cached(store: StoreSettings, kept: StoreSettings | None, max_bytes: int) -> StoreSettings:
    """A store of which what is read is kept, if that is asked for; a folder of this machine needs no copy."""
    if kept is None or "://" not in store.root:
        return store
    return replace(store, cache=CacheSettings(replace(kept, root=f"{kept.root.rstrip('/')}/{CACHE_FOLDER}"), max_bytes))


def archive_stations(options: SourceOptions) -> Stations:
    """The stations that a run reads: StationXML files, by default those of the archive, or documents of MongoDB."""
    if options.stations and is_mongo_uri(options.stations):
        from seisbatch.plan.mongo import mongo_stations

        return mongo_stations(options.stations)
    archive = archive_store(options)
    if options.stations is None:
        return StationFiles(archive, layout_of(options), of_archive=True)
    store = store_settings(options.stations, archive.endpoint, archive.region, options.anonymous)
    return StationFiles(_with_cache(store, options), layout_of(options), of_archive=False)


def index_table(options: IndexedOptions) -> IndexPlace | None:
    """What index_archive wrote and a run reads, where it does: its output, or documents of MongoDB."""
    if options.index is None:
        return None
    if is_mongo_uri(options.index):
        from seisbatch.plan.mongo import mongo_index

        return mongo_index(options.index)
    return IndexFiles(own_store(options, options.index))


def with_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options of which those that name a MongoDB have its place: however it is spelt, the same is the same, and no secret."""
    found = dict(values)
    for key, value in values.items():
        if isinstance(value, str) and is_mongo_uri(value):
            from seisbatch.plan.mongo import mongo_place

            found[key] = mongo_place(f"--{key.replace('_', '-')}", value).place
    return found


def out_store(options: OutputOptions) -> StoreSettings:
    """Where a run writes."""
    return own_store(options, options.out)


def own_store(options: OutputOptions, root: str) -> StoreSettings:
    """A place of the user's own: the output, and what other jobs wrote; nothing is written to a web server."""
    if is_web(root):
        raise OptionError(f"{shown(re.split('[?#]', root)[0])} is read only: write s3://bucket/prefix, or the name of a folder")
    return store_settings(root, options.out_endpoint, options.out_region, anonymous=False)


def read_store(options: ArchiveOptions, root: str) -> StoreSettings:
    """A place that is read as the archive is: with the options of its endpoint, region, credentials and cache."""
    return _with_cache(store_settings(root, options.source_endpoint, options.source_region, options.anonymous), options)
