"""The ids of stations' and channels' documents for data that name their epochs by text, as the tables have it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bson import ObjectId
from pymongo.database import Database

from seisbatch.mongo.connect import Document
from seisbatch.mongo.documents import object_id
from seisbatch.mongo.stations import BEFORE_ALL, CHANNEL, KEYS, SITE, Key, epoch_key, known_ids
from seisbatch.times import SECOND_NS, parse_instant

HELD = 200_000
"""Ids that are held at a time."""


class EpochIds:
    """The ids of the documents that a database has of epochs, whoever wrote them, or that those to come will get."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._held: dict[str, dict[str, ObjectId]] = {SITE: {}, CHANNEL: {}}

    def channels(self, channel_ids: Sequence[str | None]) -> list[ObjectId | None]:
        """Of ``NET.STA.LOC.CHA/START``."""
        return self._ids(CHANNEL, channel_ids)

    def sites(self, site_ids: Sequence[str | None], locations: Sequence[str]) -> list[ObjectId | None]:
        """Of ``NET.STA/START``, and the location codes of the channels that stood there."""
        pairs = zip(site_ids, locations, strict=True)
        return self._ids(SITE, [None if one is None else f"{one}/{loc}" for one, loc in pairs])

    def _ids(self, name: str, identities: Sequence[str | None]) -> list[ObjectId | None]:
        held = self._held[name]
        if len(held) > HELD:
            held.clear()
        if new := {one for one in identities if one is not None} - held.keys():
            held |= self._looked_for(name, new)
        return [None if one is None else held[one] for one in identities]

    def _looked_for(self, name: str, identities: Collection[str]) -> dict[str, ObjectId]:
        keys = {identity: _key(name, identity) for identity in identities}
        stations = {(key[0], key[1]) for key in keys.values() if key is not None}
        known = known_ids(self._database[name], stations) if stations else {}
        found: dict[str, ObjectId] = {}
        for identity, key in keys.items():
            own = None if key is None else known.get(key)
            found[identity] = own or object_id(name, identity)
        return found


def _key(name: str, identity: str) -> Key | None:
    """What the epoch of an identity is known by; None where it is not one that stations' files gave."""
    epoch, _, loc = identity.rpartition("/") if name == SITE else (identity, "", "")
    codes, _, start = epoch.rpartition("/")
    try:
        begins = parse_instant(start) / SECOND_NS if start else BEFORE_ALL
        values = [*codes.split("."), *([loc] if name == SITE else []), begins]
        return epoch_key(KEYS[name], dict(zip(KEYS[name], values, strict=True)))
    except ValueError:
        return None
