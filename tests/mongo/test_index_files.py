"""Documents of index files: those of the course, once each, beside what others keep in the same collections."""

from __future__ import annotations

import datetime as dt

import pytest
from seisbatch.archives import scedc
from seisbatch.mongo.index_files import write_index_files
from seisbatch.outcome import RunError

DAY = dt.date(2011, 3, 11)
DAY_KEY = "continuous_waveforms/index/parquet/year=2011/year_doy=2011_070/2011_070_waveform_index.parquet"
YEAR_KEY = "earthquake_catalogs/index/csv/year=1992/1992_catalog_index.csv"


def files(*keys):
    return [scedc.parse_index_key(key) for key in keys]


def test_the_documents_of_two_keys(mongo_database):
    written = write_index_files(mongo_database, files(DAY_KEY, YEAR_KEY))
    assert {name: (told.documents, told.new) for name, told in written.items()} == {
        "s3_waveform_index": (1, 1),
        "s3_catalog_index": (1, 1),
    }
    assert mongo_database.s3_waveform_index.find_one({}, {"_id": False}) == {
        "s3key": DAY_KEY,
        "index_type": "continuous_waveforms",
        "format": "parquet",
        "year": 2011,
        "yrday": "2011_070",
        "day": 70,
        "filename": "2011_070_waveform_index.parquet",
    }
    assert mongo_database.s3_catalog_index.find_one({}, {"_id": False}) == {
        "s3key": YEAR_KEY,
        "index_type": "earthquake_catalogs",
        "format": "csv",
        "year": 1992,
        "filename": "1992_catalog_index.csv",
    }


def test_documents_that_are_there_keep_their_ids_and_what_else_they_hold(mongo_database):
    days = mongo_database.s3_waveform_index
    mine = days.insert_one({"s3key": DAY_KEY, "year": "2011", "note": "seen"}).inserted_id
    other = days.insert_one({"s3key": "elsewhere", "year": 2011}).inserted_id
    for _ in range(2):
        written = write_index_files(mongo_database, files(DAY_KEY))
        assert (written["s3_waveform_index"].documents, written["s3_waveform_index"].new) == (1, 0)
    assert days.count_documents({}) == 2
    assert days.find_one({"year": 2011, "day": 70, "note": "seen"})["_id"] == mine
    assert days.find_one({"_id": other}) == {"_id": other, "s3key": "elsewhere", "year": 2011}


def test_a_collection_with_a_key_twice_is_refused_and_left(mongo_database):
    mongo_database.s3_waveform_index.insert_many([{"s3key": DAY_KEY}, {"s3key": DAY_KEY}])
    with pytest.raises(RunError, match="s3_waveform_index has several documents of one s3key"):
        write_index_files(mongo_database, files(DAY_KEY))
    assert mongo_database.s3_waveform_index.count_documents({}) == 2


def test_twenty_years_of_days(mongo_database):
    days = [dt.date(2000, 1, 1) + dt.timedelta(days=number) for number in range(20 * 365)]
    keys = [scedc.day_index_key(day, form) for day in days for form in ("csv", "parquet")]
    assert write_index_files(mongo_database, files(*keys))["s3_waveform_index"].new == len(keys)
    assert write_index_files(mongo_database, files(*keys[:2000]))["s3_waveform_index"].new == 0
    assert mongo_database.s3_waveform_index.count_documents({}) == len(keys)
    assert sorted(one["day"] for one in mongo_database.s3_waveform_index.find({"year": 2004, "format": "csv"})) == [
        *range(1, 367)
    ]
