"""Indexes that are made once, whatever others have made."""

from __future__ import annotations

from seisbatch.mongo.indexes import INDEXES, UNIQUE, make_indexes


def keys(collection):
    return [tuple(name for name, _ in index["key"]) for index in collection.index_information().values()]


def test_every_index_is_there_once(mongo_database):
    for _ in range(2):
        make_indexes(mongo_database, [*INDEXES, *UNIQUE])
        for name, expected in (INDEXES | UNIQUE).items():
            assert sorted(keys(mongo_database[name])) == sorted([("_id",), *expected])


def test_an_index_of_another_name_and_other_options_serves(mongo_database):
    mongo_database.source.create_index([("event_id", 1)], name="mine", unique=True)
    make_indexes(mongo_database, ["source"])
    assert mongo_database.source.index_information()["mine"]["unique"]
    assert sorted(keys(mongo_database.source)) == [("_id",), ("event_id",), ("time",)]
