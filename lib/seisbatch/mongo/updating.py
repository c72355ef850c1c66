"""A datum that was read or saved before, brought up to date where it stands: only what was changed travels."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from gridfs import GridFSBucket, NoFile
from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.data import Datum
from seisbatch.mongo.document_schema import Schema
from seisbatch.mongo.elog import Badness
from seisbatch.mongo.logs import save_elog, save_history
from seisbatch.mongo.outgoing import LINKS, PLACE, Outgoing, WriteOptions, outgoing, settle
from seisbatch.mongo.sampling import ORIENTATION, TIMING
from seisbatch.mongo.saving import Destination
from seisbatch.mongo.storage import GRIDFS


def update_datum(
    database: Database[Document],
    schema: Schema,
    datum: Datum,
    collection: str,
    options: WriteOptions,
    *,
    every_key: bool,
) -> bool:
    """Write the keys that were changed since the datum was loaded, or every key; False where the datum is dead now.

    Where the number of samples has changed its times and rate are not written: the samples that are stored are others.
    """
    algorithm = "update_metadata"
    if not datum.live:
        return False
    excluded = options.exclude_keys | LINKS | {"_id", "data_tag"}
    held: frozenset[str] = frozenset()
    if "npts" in datum.metadata.changed:
        held = frozenset(TIMING)
        datum.elog.post(
            algorithm, f"the samples were changed: {', '.join(sorted(held))} stay until update_data", Badness.SUSPECT
        )
    keys = (set(datum.metadata.changed) | (set(datum.metadata) if every_key else set())) - excluded
    held |= _unaddressed(datum, keys, algorithm)
    written = outgoing(datum, schema, collection, options.mode, keys - held, algorithm, protected=PLACE)
    if written is None:
        return False
    held |= keys - written.fields.keys() - written.removed - written.restored  # what MongoDB cannot hold
    if options.data_tag is not None:
        written.fields["data_tag"] = options.data_tag
    return _write(database, datum, collection, written, algorithm, held | options.exclude_keys)


def update_samples(
    database: Database[Document],
    schema: Schema,
    datum: Datum,
    collection: str,
    destination: Destination,
    options: WriteOptions,
) -> bool:
    """Put the datum's samples in the place of those that its document has, and write what was changed in its metadata.

    The new samples are saved first, the document then names them, and what GridFS held of the old is deleted last.
    """
    algorithm = "update_data"
    if not datum.live:
        return False
    exclude_keys = options.exclude_keys
    if needed := exclude_keys & {*TIMING, *ORIENTATION}:
        datum.elog.post(algorithm, f"{', '.join(sorted(needed))} tell of the samples, and were not left out")
        exclude_keys -= needed
    excluded = exclude_keys | LINKS | {"_id", "data_tag"}
    keys = (set(datum.metadata.changed) | set(TIMING)) - excluded
    held = _unaddressed(datum, keys, algorithm)
    written = outgoing(datum, schema, collection, options.mode, keys - held, algorithm, protected=PLACE)
    if written is None:
        return False
    held |= keys - written.fields.keys() - written.removed - written.restored  # what MongoDB cannot hold
    bucket = GridFSBucket(database)
    before = database[collection].find_one({"_id": datum.metadata["_id"]}, dict.fromkeys((*PLACE, "_id"), True))
    if before is None:
        _kill_gone(datum, collection, algorithm)
        return False
    try:
        placed = destination.put(bucket, datum)
    except ValueError as error:
        datum.kill(algorithm, f"its samples cannot be saved: {error}")
        return False
    written.fields |= placed
    if options.data_tag is not None:
        written.fields["data_tag"] = options.data_tag
    own = datum.metadata["_id"]
    if options.with_history and (saved := save_history(database, datum, collection, own, algorithm, options.algorithm_id)):
        written.fields["history_object_id"] = saved
    done = _write(database, datum, collection, written, algorithm, held | exclude_keys)
    if done and "history_object_id" in written.fields:
        datum.history.reroot(collection, own)
    unwanted = before if done else placed
    if unwanted.get("storage_mode") == GRIDFS:
        _delete_gridfs(bucket, unwanted)
    return done


def _unaddressed(datum: Datum, keys: Set[str], algorithm: str) -> frozenset[str]:
    """Names that an update takes for a path or an operator; the log tells of those that were changed."""
    found = frozenset(key for key in keys if "." in key or key.startswith("$"))
    for key in sorted(found & datum.metadata.changed):
        datum.elog.post(algorithm, f"{key}: no update reaches a field of that name; save_data saves it", Badness.SUSPECT)
    return found


def _write(
    database: Database[Document],
    datum: Datum,
    collection: str,
    written: Outgoing,
    algorithm: str,
    held: frozenset[str],
) -> bool:
    own = datum.metadata["_id"]
    blank = {key for key, value in written.fields.items() if value == ""}
    changes: dict[str, Any] = {}
    if fields := {key: value for key, value in written.fields.items() if key not in blank}:
        changes["$set"] = fields
    if removed := (written.removed | blank):
        changes["$unset"] = dict.fromkeys(sorted(removed), "")
    if changes and not database[collection].update_one({"_id": own}, changes).matched_count:
        _kill_gone(datum, collection, algorithm)
        return False
    if elog_id := save_elog(database, datum, collection, own, fields.get("data_tag") or datum.metadata.get("data_tag")):
        database[collection].update_one({"_id": own, "elog_id": {"$exists": False}}, {"$set": {"elog_id": elog_id}})
        datum.elog.saved = len(datum.elog)
    settle(datum, written)
    datum.metadata.clear_changed(but=held)
    return True


def _kill_gone(datum: Datum, collection: str, algorithm: str) -> None:
    datum.kill(algorithm, f"{collection} has no document {datum.metadata['_id']} any more")


def _delete_gridfs(bucket: GridFSBucket, document: Mapping[str, Any]) -> None:
    try:
        bucket.delete(document.get("gridfs_id"))
    except NoFile:  # deleted before: what was wanted
        return
