"""What would set one document right, as one write that does nothing where someone else was faster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import DeleteOne, UpdateOne

from seisbatch.mongo.document_schema import Schema
from seisbatch.mongo.document_types import converted, is_of


@dataclass(frozen=True)
class Rules:
    """What is to be done with the documents of a collection.

    Raises ValueError of names that no update can give, of ``_id``, and of renaming that a second run would go on with.
    """

    schema: Schema
    collection: str
    rename: Mapping[str, str]
    retype: bool
    drop_undefined: bool
    delete_missing_required: bool

    def __post_init__(self) -> None:
        for old, new in self.rename.items():
            for name in (old, new):
                if not isinstance(name, str) or not is_reachable(name) or name == "_id":
                    raise ValueError(f"rename: {name!r} cannot be renamed, or be a new name")
            if new in self.rename:
                raise ValueError(f"rename: {old!r} would become {new!r}, which is renamed itself: rename one after the other")
            if self.drop_undefined and self.schema.field(self.collection, new) is None:
                raise ValueError(f"rename: {old!r} would become {new!r}, which the schema does not know, and be dropped")


@dataclass
class Repair:
    """The write for one document, if any, and the keys of what it does and of what it leaves."""

    operation: UpdateOne | DeleteOne | None = None
    renamed: list[str] = field(default_factory=list)
    retyped: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    unconvertible: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)


def is_reachable(key: str) -> bool:
    """Whether an update can name a key.

    >>> is_reachable("snr"), is_reachable("snr.rms"), is_reachable("$set")
    (True, False, False)
    """
    return bool(key) and "." not in key and not key.startswith("$") and "\0" not in key


def repair(document: Mapping[str, Any], rules: Rules) -> Repair:
    """What is to be done with a document; of one that is deleted nothing else is told."""
    schema, collection = rules.schema, rules.collection
    done = Repair()
    names = set(document)
    result: set[str] = set()
    unchanged: dict[str, Any] = {"_id": document["_id"]}
    update: dict[str, dict[str, Any]] = {"$set": {}, "$unset": {}, "$rename": {}, "$inc": {}}
    for key, value in document.items():
        name = schema.canonical(collection, rules.rename.get(key, key))
        in_conflict = name != key and name in names
        if in_conflict:
            done.conflicts.append(key)
            name = key
        wanted = schema.type_of(collection, name)
        drop = wanted is None and rules.drop_undefined and not in_conflict
        if drop and not is_reachable(key):
            done.unreachable.append(key)
            drop = False
        if drop:
            done.dropped.append(key)
            update["$unset"][key] = ""
            continue
        names.add(name)
        result.add(name)
        if wanted is not None and rules.retype and not is_of(value, wanted):
            new = _converted(key, value, wanted)
            if new is None:
                done.unconvertible.append(key)
            else:
                done.retyped.append(key)
                unchanged[key] = {"$eq": value}
                if isinstance(value, int) and isinstance(new, float) and name == key:
                    update["$inc"][key] = 0.0  # some servers leave an equal number of another type undone when it is set
                else:
                    update["$set"][name] = new
        if name != key:
            done.renamed.append(key)
            unchanged |= {key: unchanged.get(key, {"$exists": True}), name: {"$exists": False}}
            if name in update["$set"]:
                update["$unset"][key] = ""
            else:
                update["$rename"][key] = name
    missing = schema.missing(dict.fromkeys(result), collection) if rules.delete_missing_required else ()
    if missing:
        absent = {name: {"$exists": False} for name in missing}
        return Repair(DeleteOne({"_id": document["_id"], **absent}))
    if update := {operator: about for operator, about in update.items() if about}:
        done.operation = UpdateOne(unchanged, update)
    return done


def _converted(key: str, value: Any, wanted: str) -> Any:
    """A value as another type; None where it cannot be, as no ``_id`` can."""
    try:
        return None if key == "_id" else converted(value, wanted)
    except ValueError:
        return None
