"""What is wrong with collections, told and set right, on a server."""

from __future__ import annotations

import math
from pathlib import Path

import obspy
import pytest
from bson import Int64, ObjectId, Regex
from gridfs import GridFS
from pymongo import UpdateOne
from seisbatch.mongo import maintain
from seisbatch.mongo.catalog import save_catalog
from seisbatch.mongo.document_schema import load_schema
from seisbatch.mongo.maintain import Cleaned, clean, verify
from seisbatch.mongo.repair import Rules, repair
from seisbatch.mongo.stations import save_inventory

SCHEMA = load_schema()


def datum(**more):
    """A document of wf_TimeSeries that is sound."""
    return {
        "_id": ObjectId(),
        "npts": 3000,
        "delta": 0.01,
        "starttime": 1251073203.0,
        "utc_convertible": True,
        "time_standard": "UTC",
        "storage_mode": "gridfs",
    } | more


def found(database, collection="wf_TimeSeries", **arguments):
    return {one.id: one for one in verify(database, SCHEMA, collection, **arguments)}


def everything(database):
    """All documents, in their order and with their types."""
    return {name: repr(list(database[name].find().sort("_id"))) for name in database.list_collection_names()}


# --- verify ----------------------------------------------------------------------------------------------------------


def test_sound_documents_are_told_as_such(mongo_database):
    site = mongo_database.site.insert_one({"net": "GR"}).inserted_id
    samples = GridFS(mongo_database).put(b"12345678")
    mongo_database.wf_TimeSeries.insert_one(datum(site_id=site, gridfs_id=samples, npts=Int64(1), site_lat=48.1))
    [report] = verify(mongo_database, SCHEMA, "wf_TimeSeries")
    assert report.sound


def test_everything_that_is_wrong_with_a_document(mongo_database):
    document = datum(sta=501, site_id=ObjectId(), snr={"rms": 1.0})
    del document["delta"]
    mongo_database.wf_TimeSeries.insert_one(document)
    [report] = verify(mongo_database, SCHEMA, "wf_TimeSeries")
    assert not report.sound
    assert report.id == document["_id"]
    assert report.missing == ("delta",)
    assert [problem.message for problem in report.types] == ["sta: 501 is int, not string"]
    assert report.references == ("site_id",)
    assert report.undefined == ("snr",)


@pytest.mark.parametrize("test", maintain.TESTS)
def test_only_what_is_asked_is_tested(mongo_database, test):
    document = datum(sta=501, site_id=ObjectId(), snr={})
    del document["npts"]
    mongo_database.wf_TimeSeries.insert_one(document)
    [report] = verify(mongo_database, SCHEMA, "wf_TimeSeries", tests=[test])
    assert [name for name in maintain.TESTS if getattr(report, name)] == [test]


def test_only_what_the_query_matches_is_verified(mongo_database):
    mine, other = datum(data_tag="mine"), datum(data_tag="other")
    mongo_database.wf_TimeSeries.insert_many([mine, other])
    assert set(found(mongo_database, query={"data_tag": "mine"})) == {mine["_id"]}


def test_references_of_many_documents(mongo_database, monkeypatch):
    monkeypatch.setattr(maintain, "BATCH", 10)
    sites = [ObjectId() for _ in range(7)]
    mongo_database.site.insert_many({"_id": site} for site in sites[:4])
    documents = [datum(site_id=sites[number % 7], number=number) for number in range(95)]
    mongo_database.wf_TimeSeries.insert_many(documents)
    reports = found(mongo_database)
    assert len(reports) == 95
    for document in documents:
        expected = () if document["number"] % 7 < 4 else ("site_id",)
        assert reports[document["_id"]].references == expected


def test_references_by_ids_of_ones_own(mongo_database, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        """
        [shot]
        kind = "normalising"
        fields._id = { type = "int" }
        [wf_TimeSeries.fields]
        shot_id = { type = "int", reference = "shot" }
        site_id = { type = "string" }
        """
    )
    mongo_database.shot.insert_many([{"_id": 1}, {"_id": Int64(2)}])
    mongo_database.site.insert_one({"_id": "FUR"})
    there = [datum(shot_id=Int64(1)), datum(shot_id=2, site_id="FUR")]
    not_there = [datum(shot_id=3), datum(shot_id="1"), datum(shot_id=True)]
    mongo_database.wf_TimeSeries.insert_many(there + not_there)
    reports = {one.id: one.references for one in verify(mongo_database, load_schema(path), "wf_TimeSeries")}
    assert [reports[one["_id"]] for one in there] == [(), ()]
    assert [reports[one["_id"]] for one in not_there] == [("shot_id",)] * 3


def test_references_that_are_no_ids(mongo_database):
    """Values of other types, of which a regular expression could be taken for a search."""
    site = ObjectId()
    mongo_database.site.insert_many([{"_id": site}, {"_id": "FUR"}])
    wrong = [datum(site_id=value) for value in (Regex("."), None, str(site), {"gt": ""}, [site], "FUR")]
    mongo_database.wf_TimeSeries.insert_many(wrong)
    reports = found(mongo_database)
    assert [reports[one["_id"]].references for one in wrong] == [("site_id",)] * 6
    assert all(reports[one["_id"]].types for one in wrong)


def test_what_cannot_be_verified(mongo_database):
    with pytest.raises(ValueError, match="no collection wf"):
        verify(mongo_database, SCHEMA, "wf")
    for tests in (["type"], "types"):
        with pytest.raises(ValueError, match="tests are missing, types, references, undefined"):
            verify(mongo_database, SCHEMA, "wf_TimeSeries", tests=tests)


# --- clean -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def untidy(mongo_database):
    """Documents with everything that can be set right, and with what cannot."""
    documents = [
        datum(),
        datum(_id="text", npts="3000", starttime=Int64(1251073203), snr={"rms": 3}),
        datum(Station="RJOB", **{"tags": ["a", 1]}),
        datum(sta="FUR", Station="RJOB"),
        datum(npts="xyz", calib=math.nan),
        datum(delta=0.5, dt=0.25),
        datum(site_id="6b04d0534ec34db51fab873f", site_elev=1),
        {key: value for key, value in datum(dt=1, Station=5).items() if key != "delta"},
        {key: value for key, value in datum(sta=1).items() if key not in ("starttime", "npts")},
    ]
    mongo_database.wf_TimeSeries.insert_many(documents)
    mongo_database.site.insert_one({"net": "GR", "lat": "48"})
    mongo_database.elog.insert_one({"logdata": "no list"})
    return mongo_database


OPTIONS = {"rename": {"Station": "sta"}, "drop_undefined": True, "delete_missing_required": True}


def test_a_dry_run_changes_nothing_and_the_run_does_what_it_said(untidy):
    before = everything(untidy)
    said = clean(untidy, SCHEMA, "wf_TimeSeries", **OPTIONS)
    assert everything(untidy) == before
    assert said == Cleaned(
        documents=9, changed=4, deleted=1, renamed=3, retyped=6, dropped=2, conflicts=2, unconvertible=2, unreachable=0
    )
    assert clean(untidy, SCHEMA, "wf_TimeSeries", **OPTIONS, dry_run=False) == said
    after = everything(untidy)
    assert {name for name in before if after[name] != before[name]} == {"wf_TimeSeries"}

    again = clean(untidy, SCHEMA, "wf_TimeSeries", **OPTIONS, dry_run=False)
    assert again == Cleaned(documents=8, conflicts=2, unconvertible=2)
    assert everything(untidy) == after


def test_what_becomes_of_each_document(untidy):
    before = list(untidy.wf_TimeSeries.find())
    clean(untidy, SCHEMA, "wf_TimeSeries", **OPTIONS, dry_run=False)
    after = {str(one["_id"]): one for one in untidy.wf_TimeSeries.find()}
    sound, text, renamed, taken, unconvertible, both, referring, alias, lacking = (after.get(str(one["_id"])) for one in before)
    assert sound == before[0]
    assert text == datum(_id="text")
    assert type(text["starttime"]) is float
    assert renamed == datum(_id=before[2]["_id"], sta="RJOB")
    assert taken == before[3]
    assert unconvertible["npts"] == "xyz"
    assert both == before[5]
    assert referring["site_id"] == ObjectId("6b04d0534ec34db51fab873f")
    assert type(referring["site_elev"]) is float
    assert alias == datum(_id=before[7]["_id"], delta=1.0, sta="5")
    assert type(alias["delta"]) is float
    assert lacking is None


def test_by_default_nothing_is_dropped_or_deleted(untidy):
    done = clean(untidy, SCHEMA, "wf_TimeSeries", dry_run=False)
    assert (done.documents, done.deleted, done.dropped) == (9, 0, 0)
    assert untidy.wf_TimeSeries.count_documents({"Station": "RJOB"}) == 2
    assert untidy.wf_TimeSeries.find_one({"_id": "text"})["snr"] == {"rms": 3}


def test_types_are_left_when_they_are_not_asked_for(untidy):
    done = clean(untidy, SCHEMA, "wf_TimeSeries", retype=False, dry_run=False)
    assert (done.retyped, done.renamed) == (0, 1)
    assert untidy.wf_TimeSeries.find_one({"_id": "text"})["npts"] == "3000"


def test_only_what_the_query_matches_is_cleaned(untidy):
    done = clean(untidy, SCHEMA, "wf_TimeSeries", {"_id": "text"}, **OPTIONS, dry_run=False)
    assert (done.documents, done.changed, done.deleted) == (1, 1, 0)
    assert untidy.wf_TimeSeries.count_documents({}) == 9


def test_normalising_collections_are_cleaned_when_they_are_named(untidy):
    assert clean(untidy, SCHEMA, "site", dry_run=False).retyped == 1
    assert untidy.site.find_one()["lat"] == 48.0


def test_what_is_cleaned_is_sound(untidy):
    clean(untidy, SCHEMA, "wf_TimeSeries", **OPTIONS, dry_run=False)
    wrong = {one.id for one in verify(untidy, SCHEMA, "wf_TimeSeries", tests=["missing", "types"]) if not one.sound}
    assert len(wrong) == 2  # the _id that is text, and npts that is no number
    assert "text" in wrong


def test_many_documents(mongo_database, monkeypatch):
    monkeypatch.setattr(maintain, "BATCH", 20)
    mongo_database.wf_TimeSeries.insert_many(datum(npts=str(number)) for number in range(333))
    assert clean(mongo_database, SCHEMA, "wf_TimeSeries", dry_run=False).changed == 333
    assert sorted(one["npts"] for one in mongo_database.wf_TimeSeries.find()) == list(range(333))


def test_a_double_of_whole_value_becomes_an_int():
    """Looked at as it is sent: not every server tells 3.0 from 3 when it is set."""
    document = datum(npts=3000.0)
    found = repair(document, Rules(SCHEMA, "wf_TimeSeries", {}, True, False, False))
    expected = {"_id": document["_id"], "npts": {"$eq": 3000.0}}
    assert found.operation == UpdateOne(expected, {"$set": {"npts": 3000}})
    assert repr(found.operation).count("3000.0") == 1


@pytest.mark.parametrize(
    ("wrong", "options", "change"),
    [
        ({"npts": "4"}, {}, {"$set": {"npts": 5}}),
        ({"calib": 1}, {}, {"$set": {"calib": 2.5}}),
        ({"Station": "FUR"}, {"rename": {"Station": "sta"}}, {"$set": {"sta": "RJOB"}}),
        ({"Station": 5}, {"rename": {"Station": "sta"}}, {"$set": {"Station": 6}}),
        ({}, {"delete_missing_required": True}, {"$set": {"npts": 7}}),
    ],
)
def test_what_someone_else_changed_in_between_is_left(mongo_database, monkeypatch, wrong, options, change):
    mine, theirs = datum(delta="3"), datum(**wrong)
    if options.get("delete_missing_required"):
        del theirs["npts"]
    mongo_database.wf_TimeSeries.insert_many([mine, theirs])
    real = maintain.repair

    def meanwhile(document, rules):
        mongo_database.wf_TimeSeries.update_one({"_id": theirs["_id"]}, change)
        return real(document, rules)

    monkeypatch.setattr(maintain, "repair", meanwhile)
    monkeypatch.setattr(maintain, "BATCH", 2)
    done = clean(mongo_database, SCHEMA, "wf_TimeSeries", **options, dry_run=False)
    assert (done.changed + done.deleted, done.overtaken) == (2, 1)
    there = {one["_id"]: one for one in mongo_database.wf_TimeSeries.find()}
    assert there[mine["_id"]]["delta"] == 3.0
    assert there[theirs["_id"]] == theirs | change["$set"]


def test_keys_that_updates_cannot_name_are_left(mongo_database, tmp_path):
    """Unsetting a.b would take b out of the sub-document a."""
    mine = load_schema_with_snr(tmp_path)
    mongo_database.wf_TimeSeries.insert_one(datum(snr={"rms": 1}, **{"snr.rms": 2}))
    before = everything(mongo_database)
    done = clean(mongo_database, mine, "wf_TimeSeries", drop_undefined=True, dry_run=False)
    assert done == Cleaned(documents=1, unreachable=1)
    assert everything(mongo_database) == before


def load_schema_with_snr(folder):
    path = folder / "snr.toml"
    path.write_text('[wf_TimeSeries.fields]\nsnr = "dict"\n')
    return load_schema(path)


@pytest.mark.parametrize("collection", ["elog", "history_object", "cemetery", "abortions"])
def test_logs_and_history_are_never_cleaned(untidy, collection):
    with pytest.raises(ValueError, match=f"{collection} says what became of data"):
        clean(untidy, SCHEMA, collection, dry_run=False)


@pytest.mark.parametrize(
    ("rename", "problem"),
    [
        ({"_id": "id"}, "'_id' cannot be renamed"),
        ({"id": "_id"}, "'_id' cannot be renamed, or be a new name"),
        ({"a": "snr.rms"}, "'snr.rms'"),
        ({"a": "$set"}, "'\\$set'"),
        ({"a": ""}, "''"),
        ({"a": "b", "b": "c"}, "renamed itself"),
        ({"a": "b", "b": "a"}, "renamed itself"),
        ({"a": "nowhere"}, "schema does not know"),
    ],
)
def test_renames_that_cannot_be(untidy, rename, problem):
    before = everything(untidy)
    with pytest.raises(ValueError, match=problem):
        clean(untidy, SCHEMA, "wf_TimeSeries", rename=rename, drop_undefined=True, dry_run=False)
    assert everything(untidy) == before


def test_what_is_saved_here_is_sound_and_left_by_a_cleaning(mongo_database):
    data = Path(obspy.__path__[0])
    save_inventory(mongo_database, data / "core/data/BW_GR_misc.xml", mspass_pickles=True)
    save_catalog(mongo_database, data / "io/quakeml/tests/data/neries_events.xml", mspass_pickles=True)
    for collection in ("site", "channel", "source"):
        verified = found(mongo_database, collection)
        assert verified
        assert all(one.sound for one in verified.values()), next(one for one in verified.values() if not one.sound)
        before = everything(mongo_database)
        cleaned = clean(mongo_database, SCHEMA, collection, drop_undefined=True, delete_missing_required=True, dry_run=False)
        assert cleaned == Cleaned(documents=len(verified))
        assert everything(mongo_database) == before
