"""Events as documents of source: MsPASS's fields, obspy's values, each event once."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import obspy
import pytest
from obspy.core.event import Catalog, Comment, Event, Magnitude, Origin
from seisbatch.mongo.catalog import save_catalog
from seisbatch.outcome import Outcome, guard

from tests.mongo.mspass_documents import bson_types, mspass_document

FOLDER = Path(obspy.__path__[0]) / "io/quakeml/tests/data"
NERIES = FOLDER / "neries_events.xml"


def whole(collection):
    return {document["event_id"]: document for document in collection.find()}


def minimal(event_id, **fields):
    origin = Origin(time=obspy.UTCDateTime(2020, 1, 1, 0, 0, 0, 250000), latitude=10, longitude=20, **fields)
    return Event(resource_id=event_id, origins=[origin])


def test_documents_are_those_of_mspass(mongo_database):
    """MsPASS's was made from the same file: its values and types, and the event's own id besides."""
    theirs = mspass_document("source: save_catalog")
    saved = save_catalog(mongo_database, NERIES, mspass_pickles=True)
    assert (saved.events, saved.new, saved.problems) == (3, 3, ())
    ours = mongo_database.source.find_one({"time": theirs["time"]})
    assert bson_types(ours) == bson_types(theirs) | {"event_id": "string"}
    assert ours["source_id"] == ours["_id"]
    for own in ("_id", "source_id", "serialized_event"):
        del ours[own], theirs[own]
    assert ours == theirs | {"event_id": "quakeml:eu.emsc/event/20120404_0000041"}


@pytest.mark.parametrize("file", ["iris_events.xml", "preferred.xml", "qml-example-1.2-RC3.xml", "usgs_event.xml"])
def test_values_are_those_of_obspy(file, mongo_database):
    events = obspy.read_events(FOLDER / file, format="QUAKEML")
    assert save_catalog(mongo_database, (FOLDER / file).read_bytes()).events == len(events)
    documents = whole(mongo_database.source)
    for event in events:
        origin, magnitude = event.preferred_origin() or event.origins[0], event.preferred_magnitude() or event.magnitudes[0]
        document = documents[event.resource_id.id]
        assert document["time"] == origin.time.timestamp
        assert document["coords"] == document["epicenter"]["coordinates"] == [origin.longitude, origin.latitude]
        assert document["depth"] == pytest.approx(origin.depth / 1000, abs=0)
        assert (document["magnitude"], document["magnitude_type"]) == (magnitude.mag, magnitude.magnitude_type)
        assert "serialized_event" not in document


def test_the_pickle_is_obspys_event(mongo_database):
    save_catalog(mongo_database, NERIES, mspass_pickles=True)
    events = {event.resource_id.id: event for event in obspy.read_events(NERIES, format="QUAKEML")}
    for document in mongo_database.source.find():
        assert pickle.loads(document["serialized_event"]) == events[document["event_id"]]


def test_every_way_to_give_events_gives_the_same_documents_once(mongo_database):
    catalog = obspy.read_events(NERIES, format="QUAKEML")
    text = NERIES.read_text()
    assert text.startswith("<?xml")  # text with a declaration of what its encoding was
    first = save_catalog(mongo_database, str(NERIES))
    documents = whole(mongo_database.source)
    for again in (NERIES, NERIES.read_bytes(), text, catalog):
        saved = save_catalog(mongo_database, again)
        assert (saved.events, saved.new) == (first.events, 0)
    assert whole(mongo_database.source) == documents


def test_an_event_that_changed_is_brought_up_to_date_and_keeps_what_its_user_added(mongo_database):
    event = minimal("smi:a/1", depth=5000)
    event.magnitudes = [Magnitude(mag=4.5, magnitude_type="mb")]
    save_catalog(mongo_database, Catalog([event]))
    mongo_database.source.update_one({}, {"$set": {"note": "mine"}})
    mongo_database.source.insert_one({"lat": 1.0, "magnitude": 2.0})  # MsPASS's own have no event_id
    changed = copy.deepcopy(event)
    changed.origins[0].depth, changed.magnitudes = 7000, []
    saved = save_catalog(mongo_database, Catalog([changed]))
    assert (saved.events, saved.new) == (1, 0)
    [document] = mongo_database.source.find({"event_id": "smi:a/1"})
    assert (document["depth"], document["note"]) == (7.0, "mine")
    assert not {"magnitude", "magnitude_type"} & set(document)
    assert mongo_database.source.count_documents({}) == 2


def test_what_cannot_become_a_document_is_told_and_the_rest_saved(mongo_database):
    nowhere = minimal("smi:a/nowhere")
    nowhere.origins[0].latitude = 95
    events = [minimal("smi:a/1"), Event(resource_id="smi:a/2"), nowhere, minimal("smi:a/1"), minimal("smi:a/3", depth=1)]
    saved = save_catalog(mongo_database, Catalog(events))
    assert (saved.events, saved.new) == (2, 2)
    told = dict(problem.removeprefix("event ").split(": ", 1) for problem in saved.problems)
    assert "no origin" in told["smi:a/2"]
    assert "impossible place: latitude 95" in told["smi:a/nowhere"]
    assert "twice" in told["smi:a/1"]
    assert saved.events + len(saved.problems) == len(events)
    documents = whole(mongo_database.source)
    assert documents["smi:a/1"]["time"] == 1577836800.25
    assert "depth" not in documents["smi:a/1"]
    assert documents["smi:a/3"]["depth"] == 0.001


def test_a_pickle_that_no_document_holds_is_told_and_its_event_saved(mongo_database):
    event = minimal("smi:a/1")
    event.comments = [Comment(text="x" * 20_000_000)]
    saved = save_catalog(mongo_database, Catalog([event, minimal("smi:a/2")]), mspass_pickles=True)
    assert (saved.events, saved.new) == (2, 2)
    [problem] = saved.problems
    assert problem.startswith("event smi:a/1: its pickle of 20,")
    assert [one["event_id"] for one in mongo_database.source.find({"serialized_event": {"$exists": True}})] == ["smi:a/2"]


def test_events_without_an_id_are_saved_once_too(mongo_database):
    text = NERIES.read_text().replace('<event publicID="quakeml:eu.emsc/event/20120404_0000041"', "<event")
    assert text != NERIES.read_text()
    assert save_catalog(mongo_database, text).new == 3
    assert save_catalog(mongo_database, text).new == 0
    assert mongo_database.source.find_one({"time": 1333549302.3})["magnitude"] == 4.4


@pytest.mark.parametrize(
    ("given", "outcome", "reason"),
    [
        (b"<quakeml", Outcome.CORRUPT, "not well-formed"),
        ("<html></html>", Outcome.CORRUPT, "the document is 'html'"),
        (b'<!DOCTYPE q [<!ENTITY e SYSTEM "file:///etc/passwd">]><q:quakeml/>', Outcome.CORRUPT, "document type"),
        ("/nowhere/events.xml", Outcome.MISSING, "/nowhere/events.xml: No such file"),
    ],
)
def test_a_bad_file_is_an_outcome_and_leaves_nothing(given, outcome, reason, mongo_database):
    result = guard(lambda: save_catalog(mongo_database, given))
    assert result.outcome is outcome
    assert reason in result.reason
    assert mongo_database.list_collection_names() == []


def test_more_events_than_one_write_takes(mongo_database):
    events = Catalog([minimal(f"smi:a/{number}") for number in range(2500)])
    assert save_catalog(mongo_database, events).new == 2500
    assert mongo_database.source.count_documents({}) == 2500
