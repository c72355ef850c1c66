"""What is told of a datum beside its document: log, history, grave. All of it is written once and never updated."""

from __future__ import annotations

import uuid
from typing import Any

import bson
from bson import ObjectId
from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.data import Datum, Ensemble
from seisbatch.mongo.documents import object_id
from seisbatch.mongo.elog import Badness
from seisbatch.mongo.outgoing import storable
from seisbatch.mongo.plain import plain

ELOG, HISTORY, CEMETERY, ABORTIONS = "elog", "history_object", "cemetery", "abortions"
LOG_ENTRIES, MESSAGE_LENGTH = 2000, 2000
"""Of one document: first half and last of a longer log, and so many bytes of longer messages as UTF-8, so that it fits."""
TOMBSTONE_BYTES = 8_000_000
"""Of what a grave has of the metadata, and a history of its steps."""


def save_elog(database: Database[Document], datum: Datum, collection: str, wf_id: Any, data_tag: str | None) -> ObjectId | None:
    """Save what the datum's log has of new, linked to its document; its id, or None where there is nothing new.

    It counts as saved (``datum.elog.saved``) once the caller has written the document.
    """
    entries = datum.elog.documents(unsaved=True)
    if not entries:
        return None
    document: Document = {"_id": ObjectId(), "logdata": _few(entries), f"{collection}_id": wf_id}
    if data_tag is not None:
        document["data_tag"] = data_tag
    database[ELOG].insert_one(document)
    return ObjectId(document["_id"])


def save_elog_of_ensemble(database: Database[Document], ensemble: Ensemble[Any], data_tag: str | None) -> None:
    """Save what the log of an ensemble as a whole has of new, linked to no document."""
    if entries := ensemble.elog.documents(unsaved=True):
        tag = {} if data_tag is None else {"data_tag": data_tag}
        database[ELOG].insert_one({"_id": ObjectId(), "logdata": _few(entries)} | tag)
        ensemble.elog.saved = len(ensemble.elog)


def save_history(
    database: Database[Document], datum: Datum, collection: str, wf_id: Any, algorithm: str, algorithm_id: str
) -> ObjectId | None:
    """Save the datum's history; its id, or None where there is none. It is rooted anew once the document is written.

    MsPASS's own field ``processing_history`` is a pickle, which is not written: the steps stand in ``steps``.
    """
    if not len(datum.history):
        return None
    steps = []
    for step in datum.history.documents():
        parameters, _ = storable(step["parameters"])
        steps.append(step | {"parameters": parameters})
        for name in step["parameters"].keys() - parameters.keys():
            datum.elog.post(algorithm, f"history: MongoDB cannot hold {name} of {step['algorithm']}; it was left out")
    for step in sorted(steps, key=_size, reverse=True):
        if _size({"steps": steps}) <= TOMBSTONE_BYTES:
            break
        step["parameters"] = {}
        datum.elog.post(algorithm, f"history: parameters of {step['algorithm']} are too large and were left out")
    document: Document = {
        "_id": ObjectId(),
        "save_uuid": str(uuid.uuid4()),
        "save_stage": len(datum.history),
        "alg_name": algorithm,
        "alg_id": algorithm_id,
        f"{collection}_id": wf_id,
        "steps": steps,
    }
    database[HISTORY].insert_one(document)
    return ObjectId(document["_id"])


def bury(database: Database[Document], datum: Datum, collection: str, data_tag: str | None = None) -> tuple[str, ObjectId]:
    """Save what is left of a dead datum: metadata and log; the collection and the id of that document.

    One that was never born, as its reader says by ``is_abortion``, is one of ``abortions``, any other one of ``cemetery``.
    However often a document cannot be read for the same reason, it has one abortion.
    """
    own = datum.metadata.loaded.get("_id")
    tombstone, problems = storable(dict(datum.metadata))
    problems += _fit(tombstone)
    for problem in problems:
        datum.elog.post("bury", problem, Badness.INFORMATIONAL)
    document: Document = {"_id": ObjectId(), "tombstone": tombstone, "logdata": _few(datum.elog.documents())}
    if datum.metadata.get("is_abortion") is True:
        place, told = ABORTIONS, {"type": str(type(datum))}
    else:
        place, told = CEMETERY, {f"{datum.collection or collection}_id": own} if own is not None else {}
        if data_tag is not None:
            told["data_tag"] = data_tag
    if place == ABORTIONS and own is not None:
        reasons = " ".join(entry.message for entry in datum.elog)
        document["_id"] = object_id(ABORTIONS, f"{collection}/{own}/{reasons}")
    grave = {"_id": document.pop("_id")}
    database[place].update_one(grave, {"$setOnInsert": document | told}, upsert=True)
    datum.elog.saved = len(datum.elog)
    return place, grave["_id"]


def _few(entries: list[Document]) -> list[Document]:
    entries = [plain(entry | {"error_message": _cut(entry["error_message"])}) for entry in entries]
    left_out = len(entries) - LOG_ENTRIES
    if left_out <= 0:
        return entries
    half = LOG_ENTRIES // 2
    told = entries[half] | {"error_message": f"{left_out + 1} entries are left out here"}
    return [*entries[:half], told, *entries[-half + 1 :]]


def _cut(message: str) -> str:
    return message[:MESSAGE_LENGTH].encode(errors="backslashreplace")[:MESSAGE_LENGTH].decode(errors="ignore")


def _fit(values: Document) -> list[str]:
    """Take the largest values away until the rest fits into a document; in words which."""
    problems = []
    while values and _size(values) > TOMBSTONE_BYTES:
        largest = max(values, key=lambda name: _size({"": values[name]}))
        del values[largest]
        problems.append(f"{largest} is too large for a document and was left out")
    return problems


def _size(document: Document) -> int:
    return len(bson.encode(document))
