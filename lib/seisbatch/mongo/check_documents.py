"""What a server has of the documents of tables: every row has its own, or a reason why not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
from bson import ObjectId
from pymongo.database import Database

from seisbatch.mongo.connect import Document, connected
from seisbatch.mongo.documents import object_id
from seisbatch.mongo.gridfs_bulk import FILES, gridfs_id
from seisbatch.mongo.load_documents import LoadSettings, table_rows, tombstone_id
from seisbatch.mongo.normalising_documents import NORMALISING, normalising_documents
from seisbatch.mongo.storage import GRIDFS
from seisbatch.mongo.table_documents import FLAT, Output
from seisbatch.mongo.values import told_problems
from seisbatch.outcome import Outcome, Result, UnitError
from seisbatch.schema import CEMETERY, OUTCOMES, WF_TIME_SERIES
from seisbatch.steps.batches import OutcomeRow, unit_row

CHECK_ROWS = 2000

Lost = tuple[Outcome, str]
NOT_THERE: Lost = (Outcome.FAILED, "the server does not have its document")


class Asked(NamedTuple):
    """A row that has a document: what it is called, the document's id, and what else is known by the same identity."""

    label: str
    own: ObjectId
    identity: str


@dataclass
class Account:
    """Of a file's rows, how many there are, how many have their document, and why the others have none."""

    rows: int = 0
    found: int = 0
    lost: dict[str, Lost] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def result(self, trouble: UnitError | None, seconds: float) -> Result[None]:
        """What became of the file."""
        if trouble is not None:
            return Result(None, trouble.outcome, str(trouble), seconds)
        if self.lost:
            outcome, reason = next(iter(self.lost.values()))
            return Result(None, outcome, f"{len(self.lost)} of {self.rows} rows: {reason}", seconds)
        return Result(None, Outcome.OK, told_problems(self.notes), seconds)


def check_documents(settings: LoadSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a file and one a row without its document, for files (``output``, ``key``, ``collection``).

    A file's ``windows`` are the documents that the server has of it, ``windows_planned`` those that there should be.
    """
    common = {"run_id": settings.run_id, "job": settings.job}
    with connected(settings.mongo) as database:
        for unit in (row for rows in batches for row in rows.to_pylist()):
            rows = _outcomes(settings, database, settings.outputs[unit["output"]], unit["collection"], unit["key"])
            yield OUTCOMES.batch({**common, **row} for row in rows)


def file_unit(output: Output, collection: str, key: str) -> str:
    """What a file is called as a unit: that of sites is the one of the channels that their places come from."""
    return f"{output.store.root}/{collection}/{key.partition('/')[2]}"


def _outcomes(
    settings: LoadSettings, database: Database[Document], output: Output, collection: str, key: str
) -> Iterator[OutcomeRow]:
    account, trouble, started = Account(), None, time.perf_counter()
    in_gridfs = collection == WF_TIME_SERIES.name and settings.samples == GRIDFS
    try:
        for asked in _asked(database, output, collection, key, account):
            there = _there(database, collection, [one.own for one in asked])
            account.rows += len(asked)
            lost = {one.label: NOT_THERE for one in asked if one.own not in there}
            if in_gridfs:
                lost |= _lost_samples(database, asked)
            account.found += len(asked) - len(lost)
            account.lost |= lost
    except UnitError as error:
        trouble = error
    done = account.result(trouble, time.perf_counter() - started)
    unit = file_unit(output, collection, key)
    yield unit_row("table-file", unit, done, f"{collection}/{key.partition('/')[2]}",
                   windows=account.found, windows_planned=account.rows)  # fmt: skip
    for label, (outcome, reason) in account.lost.items():
        yield unit_row("row", f"{unit} {label}", Result(None, outcome, reason, 0.0), key)


def _asked(database: Database[Document], output: Output, collection: str, key: str, account: Account) -> Iterator[list[Asked]]:
    """The documents that there should be of a file, some at a time; rows of which there can be none are accounted for."""
    if collection in NORMALISING:
        for made in normalising_documents(database, collection, output.store, key):
            account.rows += len(made.lost)
            account.lost |= {label: (Outcome.REJECTED, reason) for label, reason in made.lost.items()}
            account.notes += made.notes
            yield [Asked(str(one["_id"]), one["_id"], "") for one in made.documents]
        return
    flat = FLAT[collection]
    for _, batch in table_rows(output, key, list(flat.identity), CHECK_ROWS):
        labels = zip(*(batch.column(name).to_pylist() for name in flat.identity), strict=True)
        found = zip(labels, flat.identities(output, batch), strict=True)
        yield [Asked("/".join(map(str, label)), object_id(collection, identity), identity) for label, identity in found]


def _there(database: Database[Document], collection: str, ids: Sequence[ObjectId]) -> set[ObjectId]:
    with database[collection].find({"_id": {"$in": list(ids)}}, {"_id": True}) as cursor:
        return {one["_id"] for one in cursor}


def _lost_samples(database: Database[Document], asked: Sequence[Asked]) -> dict[str, Lost]:
    """Rows whose samples are not in GridFS, and why: those that could not be read are in the cemetery."""
    by_tombstone = {tombstone_id(one.identity): one.label for one in asked}
    by_file = {gridfs_id(one.identity): one.label for one in asked}
    gone = by_file.keys() - _there(database, FILES, list(by_file))
    lost: dict[str, Lost] = {by_file[own]: (Outcome.FAILED, "GridFS does not have its samples") for own in gone}
    with database[CEMETERY.name].find({"_id": {"$in": list(by_tombstone)}}, {"outcome": True, "logdata": True}) as cursor:
        for one in cursor:
            lost[by_tombstone[one["_id"]]] = (Outcome(one["outcome"]), one["logdata"][0]["error_message"])
    return lost
