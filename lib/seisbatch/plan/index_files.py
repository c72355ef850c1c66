"""An archive's own index files: which there are, and their documents in MongoDB."""

from __future__ import annotations

import datetime as dt
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, cast

from seisbatch.acquire.objects import Store, open_store
from seisbatch.archives import ARCHIVES
from seisbatch.archives.layout import IndexedLayout, IndexFile
from seisbatch.mongo.connect import connected
from seisbatch.mongo.index_files import write_index_files
from seisbatch.outcome import RunError, UnitError
from seisbatch.plan.archive_index import IndexRun
from seisbatch.plan.stores import layout_of
from seisbatch.steps.index import LISTERS

log = logging.getLogger("seisbatch")


def index_files(store: Store, layout: IndexedLayout, start: dt.date, end: dt.date) -> list[IndexFile]:
    """Index files that an archive holds of days from ``start`` up to, and without, ``end``, and of the years of these days.

    Other objects beside them are passed over. Raises RunError where the archive cannot be listed.
    """
    last = end - dt.timedelta(days=1)
    prefixes = [prefix for year in range(start.year, last.year + 1) for prefix in layout.index_prefixes(year)]
    try:
        with ThreadPoolExecutor(LISTERS) as pool:
            keys = [key for listed in pool.map(lambda prefix: list(store.list(prefix)), prefixes) for key, _ in listed]
    except UnitError as error:
        raise RunError(f"the archive's index files cannot be listed: {error}") from error
    found = []
    for key in keys:
        try:
            file = layout.parse_index_key(key)
        except ValueError:
            continue
        if file.date is None or start <= file.date < end:
            found.append(file)
    return found


def write_index_documents(run: IndexRun) -> dict[str, Any]:
    """Write a document of every index file to the MongoDB of a run; what the manifest tells of it, nothing where there is none.

    Raises RunError where the server does not answer, before anything else is done.
    """
    if run.mongo is None:
        return {}
    layout = cast(IndexedLayout, ARCHIVES[layout_of(run.options)])
    with connected(run.mongo) as database:
        written = write_index_files(database, index_files(open_store(run.archive), layout, run.start, run.end))
    for name, told in written.items():
        log.info("MongoDB: %d documents of %s, %d of them new", told.documents, name, told.new)
    return {"database": run.mongo.database, "collections": {name: asdict(told) for name, told in written.items()}}
