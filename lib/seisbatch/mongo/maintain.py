"""Collections as a whole: what is wrong with their documents, and what can be set right.

Documents pass one by one: what is held of them is what was found, of :data:`BATCH` documents at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from pymongo import DeleteOne, UpdateOne
from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.document_schema import Kind, Mode, Problem, Schema
from seisbatch.mongo.document_types import is_of
from seisbatch.mongo.repair import Repair, Rules, repair

BATCH = 500
TESTS = ("missing", "types", "references", "undefined")


@dataclass(frozen=True)
class Verified:
    """What was found in one document."""

    id: Any
    missing: tuple[str, ...] = ()
    """Required fields that it has neither by name nor by alias."""
    types: tuple[Problem, ...] = ()
    """Values of wrong types."""
    references: tuple[str, ...] = ()
    """Fields that refer to documents that are not there, or by a value that is no id of theirs as its type is wrong."""
    undefined: tuple[str, ...] = ()
    """Keys that the schema does not know."""

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not (self.missing or self.types or self.references or self.undefined)


def verify(
    database: Database[Document],
    schema: Schema,
    collection: str,
    query: Mapping[str, Any] | None = None,
    tests: Collection[str] = TESTS,
) -> Iterator[Verified]:
    """What tests find in each document that a query matches, sound ones too; all documents without a query.

    Nothing is written. Raises ValueError of a collection that the schema does not have and of a test that there is not.
    """
    schema.collection(collection)
    if isinstance(tests, str) or (unknown := sorted(set(tests) - set(TESTS))):
        raise ValueError(
            f"unknown tests {tests if isinstance(tests, str) else ', '.join(unknown)}; tests are {', '.join(TESTS)}"
        )
    return _verified(database, schema, collection, query or {}, frozenset(tests))


def _verified(
    database: Database[Document], schema: Schema, collection: str, query: Mapping[str, Any], tests: Collection[str]
) -> Iterator[Verified]:
    references = schema.references(collection) if "references" in tests else {}
    batch: list[tuple[Verified, Mapping[str, Any]]] = []
    with database[collection].find(query, batch_size=BATCH) as documents:
        for document in documents:
            ids = {key: document[key] for key in references if key in document}
            wrong = tuple(key for key, one in ids.items() if not is_of(one, str(schema.type_of(collection, key))))
            found = Verified(
                document["_id"],
                missing=schema.missing(document, collection) if "missing" in tests else (),
                types=schema.checked(document, collection, Mode.PEDANTIC).problems if "types" in tests else (),
                references=wrong,
                undefined=schema.undefined(document, collection) if "undefined" in tests else (),
            )
            batch.append((found, {key: one for key, one in ids.items() if key not in wrong}))
            if len(batch) == BATCH:
                yield from _with_references(database, references, batch)
                batch = []
    yield from _with_references(database, references, batch)


def _with_references(
    database: Database[Document], references: Mapping[str, str], batch: list[tuple[Verified, Mapping[str, Any]]]
) -> Iterator[Verified]:
    there: dict[str, set[Any]] = {}
    for target in set(references.values()):
        wanted = {one for _, ids in batch for key, one in ids.items() if references[key] == target}
        found = database[target].find({"_id": {"$in": list(wanted)}}, {"_id": True}) if wanted else ()
        there[target] = {one["_id"] for one in found}
    for verified, ids in batch:
        dangling = (key for key, one in ids.items() if one not in there[references[key]])
        yield replace(verified, references=(*verified.references, *dangling))


@dataclass(frozen=True)
class Cleaned:
    """What :func:`clean` did, or in a dry run would do."""

    documents: int = 0
    """Documents that the query matched."""
    changed: int = 0
    """Documents that something was changed in."""
    deleted: int = 0
    """Documents that were deleted, as required fields are missing."""
    renamed: int = 0
    """Keys that got another name."""
    retyped: int = 0
    """Values that became another type."""
    dropped: int = 0
    """Keys that the schema does not know and that were dropped."""
    conflicts: int = 0
    """Keys that were left, as the document has one of the new name."""
    unconvertible: int = 0
    """Values of a wrong type that were left, as they cannot become the right one."""
    unreachable: int = 0
    """Keys that were left, as updates cannot name them: they hold a ``.`` or start with ``$``."""
    overtaken: int = 0
    """Documents that someone else changed in between, which were left; the counts above hold them."""


def clean(
    database: Database[Document],
    schema: Schema,
    collection: str,
    query: Mapping[str, Any] | None = None,
    rename: Mapping[str, str] | None = None,
    retype: bool = True,
    drop_undefined: bool = False,
    delete_missing_required: bool = False,
    dry_run: bool = True,
) -> Cleaned:
    """Set the documents that a query matches right, or in a dry run tell what that would do.

    Keys are renamed as ``rename`` says, and aliases to the names of their fields; then values of wrong types are converted as
    cautious reading does; then keys that the schema does not know are dropped; then documents without what is required are
    deleted (samples that they refer to are not). No value that is there is written over, and no ``_id`` is changed. A second
    run finds nothing to do.

    Raises ValueError of a collection that the schema does not have or that is a log, and of an impossible ``rename``.
    """
    if schema.collection(collection).kind is Kind.LOG:
        raise ValueError(f"{collection} says what became of data: it is never cleaned")
    rules = Rules(schema, collection, rename or {}, retype, drop_undefined, delete_missing_required)
    counts = dict.fromkeys((field.name for field in fields(Cleaned)), 0)
    writes: list[DeleteOne | UpdateOne] = []

    def write() -> None:
        if writes and not dry_run:
            done = database[collection].bulk_write(list(writes), ordered=False)
            counts["overtaken"] += len(writes) - done.matched_count - done.deleted_count
        writes.clear()

    with database[collection].find(query or {}, batch_size=BATCH) as documents:
        for document in documents:
            found = repair(document, rules)
            _count(found, counts)
            if found.operation:
                writes.append(found.operation)
            if len(writes) == BATCH:
                write()
    write()
    return Cleaned(**counts)


def _count(found: Repair, counts: dict[str, int]) -> None:
    counts["documents"] += 1
    counts["deleted"] += isinstance(found.operation, DeleteOne)
    counts["changed"] += isinstance(found.operation, UpdateOne)
    for name in ("renamed", "retyped", "dropped", "conflicts", "unconvertible", "unreachable"):
        counts[name] += len(getattr(found, name))
