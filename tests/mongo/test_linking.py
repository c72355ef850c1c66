"""Waveforms linked to epochs of stations and channels, and to events."""

from __future__ import annotations

import obspy
import pytest
from bson import ObjectId
from obspy.geodetics import gps2dist_azimuth
from seisbatch.mongo.catalog import save_catalog
from seisbatch.mongo.document_schema import load_schema
from seisbatch.mongo.linking import link
from seisbatch.mongo.maintain import verify
from seisbatch.mongo.reading import read_datum
from seisbatch.mongo.stations import response_of, save_inventory
from seisbatch.outcome import Missing

from tests.mongo.mspass_documents import mspass_document
from tests.mongo.test_stations import MISC
from tests.obspy_example import obspy_example

SCHEMA = load_schema()
T0, T1, T2 = 1_000_000_000.0, 1_100_000_000.0, 1_200_000_000.0
OPEN = 2556144000.0


def epoch(database, collection, start, end, loc="", **more):
    document = {"_id": ObjectId(), "net": "XX", "sta": "ALFA", "loc": loc, "starttime": start, "endtime": end, **more}
    if collection == "channel":
        document = {"chan": "BHZ"} | document
    return database[collection].insert_one(document).inserted_id


def wf(database, start, seconds=60.0, collection="wf_TimeSeries", **more):
    document = {"_id": ObjectId(), "net": "XX", "sta": "ALFA", "chan": "BHZ", "starttime": start, "delta": 0.1,
                "npts": round(seconds * 10) + 1, "endtime": start + seconds} | more  # fmt: skip
    document = {name: value for name, value in document.items() if value is not None}
    return database[collection].insert_one(document).inserted_id


def ids(database, own, collection="wf_TimeSeries"):
    document = database[collection].find_one({"_id": own})
    return tuple(document.get(name) for name in ("site_id", "channel_id", "source_id"))


def counts(links):
    found = {name: getattr(links, name) for name in ("linked", "there", "differing", "ambiguous", "across", "unmatched")}
    return {name: number for name, number in found.items() if number}


@pytest.fixture
def epochs(mongo_database):
    """Of the blank location code one that ended and one that is open; of code 00 one."""
    return {
        name: [
            epoch(mongo_database, name, T0, T1),
            epoch(mongo_database, name, T1, OPEN),
            epoch(mongo_database, name, T0, OPEN, "00"),
        ]
        for name in ("site", "channel")
    }


def test_epochs_are_those_that_hold_the_first_and_last_sample(mongo_database, epochs):
    at = [
        (wf(mongo_database, T0 + 5), 0),
        (wf(mongo_database, T1 - 60), 0),
        (wf(mongo_database, T1), 1),
        (wf(mongo_database, T2, loc=""), 1),
        (wf(mongo_database, T2, loc="00"), 2),
        (wf(mongo_database, T0 - 0.05, loc="00"), 2),  # half a sample before
        (wf(mongo_database, T2, endtime=None), 1),
    ]
    done = link(mongo_database, SCHEMA, "wf_TimeSeries")
    assert (done.documents, done.changed, done.overtaken) == (7, 7, 0)
    assert {name: counts(links) for name, links in done.by_collection.items()} == {
        "site": {"linked": 7},
        "channel": {"linked": 7},
    }
    for own, number in at:
        assert ids(mongo_database, own) == (epochs["site"][number], epochs["channel"][number], None)
    again = link(mongo_database, SCHEMA, "wf_TimeSeries")
    assert again.changed == 0
    assert counts(again.by_collection["channel"]) == {"there": 7}


def test_a_dry_run_tells_the_same_and_writes_nothing(mongo_database, epochs):
    own = wf(mongo_database, T2)
    before = mongo_database.wf_TimeSeries.find_one()
    dry = link(mongo_database, SCHEMA, "wf_TimeSeries", dry_run=True)
    assert mongo_database.wf_TimeSeries.find_one() == before
    assert dry == link(mongo_database, SCHEMA, "wf_TimeSeries")
    assert ids(mongo_database, own)[:2] == (epochs["site"][1], epochs["channel"][1])


def test_only_what_the_query_matches_is_linked(mongo_database, epochs):
    first, second = wf(mongo_database, T2, data_tag="a"), wf(mongo_database, T2)
    assert link(mongo_database, SCHEMA, "wf_TimeSeries", {"data_tag": "a"}).documents == 1
    assert ids(mongo_database, first)[0] == epochs["site"][1]
    assert ids(mongo_database, second)[0] is None


def test_what_fits_nothing_or_too_much_is_counted_shown_and_left(mongo_database, epochs):
    epoch(mongo_database, "channel", T2, OPEN)  # a second one that holds it
    across, ambiguous = wf(mongo_database, T1 - 30), wf(mongo_database, T2 + 10)
    for start, more in ((T0 - 1000, {}), (T2, {"sta": "BRAV"}), (T2, {"chan": None}), (T2, {"starttime": "yesterday"})):
        wf(mongo_database, start, **more)
    links = link(mongo_database, SCHEMA, "wf_TimeSeries", targets=["channel"]).by_collection["channel"]
    assert counts(links) == {"across": 1, "ambiguous": 1, "unmatched": 4}
    assert len(links.examples) == 5
    assert any(str(across) in example and "begins or ends within it" in example for example in links.examples)
    assert any(str(ambiguous) in example and "2 epochs" in example for example in links.examples)
    assert any("no channel XX.BRAV..BHZ" in example for example in links.examples)
    assert mongo_database.wf_TimeSeries.count_documents({"channel_id": {"$exists": True}}) == 0


def test_a_tolerance_bridges_what_stands_beyond_an_epoch(mongo_database):
    own = epoch(mongo_database, "channel", T1, T2)
    datum = wf(mongo_database, T1 - 3)
    options = {"targets": ["channel"]}
    assert counts(link(mongo_database, SCHEMA, "wf_TimeSeries", **options).by_collection["channel"]) == {"across": 1}
    link(mongo_database, SCHEMA, "wf_TimeSeries", tolerance=3.0, **options)
    assert ids(mongo_database, datum)[1] == own


def test_an_id_that_differs_stays_unless_it_is_to_be_overwritten(mongo_database, epochs):
    other = ObjectId()
    own, null = wf(mongo_database, T2, site_id=other), wf(mongo_database, T2)
    mongo_database.wf_TimeSeries.update_one({"_id": null}, {"$set": {"site_id": None}})
    links = link(mongo_database, SCHEMA, "wf_TimeSeries").by_collection["site"]
    assert counts(links) == {"differing": 1, "linked": 1}
    assert str(other) in links.examples[0]
    assert ids(mongo_database, own)[:2] == (other, epochs["channel"][1])
    assert ids(mongo_database, null)[0] == epochs["site"][1]
    links = link(mongo_database, SCHEMA, "wf_TimeSeries", overwrite=True).by_collection["site"]
    assert counts(links) == {"linked": 1, "there": 1}
    assert ids(mongo_database, own)[0] == epochs["site"][1]


def test_three_components_are_linked_to_their_site(mongo_database, epochs):
    own = wf(mongo_database, T2, collection="wf_Seismogram", chan=None)
    assert list(link(mongo_database, SCHEMA, "wf_Seismogram").by_collection) == ["site"]
    assert ids(mongo_database, own, "wf_Seismogram") == (epochs["site"][1], None, None)


def test_an_event_whose_origin_is_in_the_window(mongo_database):
    times = {name: T2 + seconds for name, seconds in (("before", -100), ("at", -20), ("after", 10), ("twin", 3000))}
    sources = {name: ObjectId() for name in times}
    mongo_database.source.insert_many({"_id": sources[name], "time": time} for name, time in times.items())
    mongo_database.source.insert_one({"time": T2 + 3001})
    own = wf(mongo_database, T2)
    late, lonely = wf(mongo_database, T2 + 3005), wf(mongo_database, T0)
    done = link(mongo_database, SCHEMA, "wf_TimeSeries", targets=["source"], source_window=(20.0, 0.0))
    assert counts(done.by_collection["source"]) == {"linked": 1, "ambiguous": 1, "unmatched": 1}
    assert [ids(mongo_database, one)[2] for one in (own, late, lonely)] == [sources["at"], None, None]
    wider = link(mongo_database, SCHEMA, "wf_TimeSeries", {"_id": lonely}, source_window=(20.0, 1e9), dry_run=True)
    assert counts(wider.by_collection["source"]) == {"ambiguous": 1}


def test_an_event_whose_arrival_at_the_station_is_in_the_samples(mongo_database, epochs):
    """Two events near to each other in time; the nearer one's waves arrive in the datum, the other's after it."""
    mongo_database.channel.update_many({}, {"$set": {"lat": 0.0, "lon": 0.0}})
    near, far = ({"_id": ObjectId(), "time": T2, "lat": 0.0, "lon": lon} for lon in (1.0, 30.0))
    mongo_database.source.insert_many([near, far])
    own = wf(mongo_database, T2 + 10)

    def seconds(source, place):
        return gps2dist_azimuth(source["lat"], source["lon"], place["lat"], place["lon"])[0] / 6000

    window = {"targets": ["source"], "source_window": (600.0, 0.0)}
    assert link(mongo_database, SCHEMA, "wf_TimeSeries", **window).by_collection["source"].ambiguous == 1
    done = link(mongo_database, SCHEMA, "wf_TimeSeries", travel_time=seconds, **window)
    assert counts(done.by_collection["source"]) == {"linked": 1}
    assert ids(mongo_database, own)[2] == near["_id"]


@pytest.mark.parametrize(
    ("collection", "options", "message"),
    [
        ("site", {}, "no collection of waveforms"),
        ("wf_TimeSeries", {"targets": ["elog"]}, "unknown targets"),
        ("wf_TimeSeries", {"targets": "site"}, "unknown targets"),
        ("wf_TimeSeries", {"targets": ["source"]}, "give a source_window"),
    ],
)
def test_what_cannot_be_linked_is_refused(mongo_database, collection, options, message):
    with pytest.raises(ValueError, match=message):
        link(mongo_database, SCHEMA, collection, **options)


def test_many_documents_pass_in_batches(mongo_database, epochs):
    mongo_database.wf_TimeSeries.insert_many(
        {"net": "XX", "sta": "ALFA", "chan": "BHZ", "t0": T2 + number, "dt": 1.0, "nsamp": 1} for number in range(2500)
    )
    done = link(mongo_database, SCHEMA, "wf_TimeSeries")
    assert (done.documents, done.changed) == (2500, 2500)
    assert mongo_database.wf_TimeSeries.count_documents({"channel_id": epochs["channel"][1]}) == 2500


def test_documents_of_mspass_are_linked_as_mspass_linked_them(mongo_database):
    """Its wf_miniseed has the ids that normalize_mseed gave it; here they are found anew."""
    document = mspass_document(
        "wf_miniseed: after index_mseed_file, normalize_mseed and a source_id (loc set to show a non-blank one)"
    )
    expected = document.pop("site_id"), document.pop("channel_id")
    own = {"_id": expected[0], "net": "BW", "sta": "RJOB", "loc": "", "starttime": document["channel_starttime"],
           "endtime": document["channel_endtime"]}  # fmt: skip
    mongo_database.site.insert_one(own)
    mongo_database.channel.insert_many([own | {"chan": "EHZ"}, own | {"chan": "EHN", "_id": ObjectId()}])
    mongo_database.channel.insert_one(mspass_document("channel: save_inventory"))
    del document["loc"]  # which stands there as an example
    mongo_database.wf_miniseed.insert_one(document)
    assert link(mongo_database, SCHEMA, "wf_miniseed").changed == 1
    assert ids(mongo_database, document["_id"], "wf_miniseed")[:2] == expected


def test_linked_data_are_normalised_sound_and_have_their_response(mongo_database, tmp_path):
    """From obspy's own example: station, event and trace."""
    save_inventory(mongo_database, MISC)
    trace = obspy_example().select(channel="EHZ")[0]
    origin = obspy.core.event.Origin(time=trace.stats.starttime - 4, latitude=47.0, longitude=12.0, depth=5000.0)
    save_catalog(mongo_database, obspy.core.event.Catalog([obspy.core.event.Event(origins=[origin])]))
    trace.data = trace.data.astype("int32")
    trace.write(tmp_path / "day", format="MSEED")
    start = trace.stats.starttime.timestamp
    own = wf(mongo_database, start, net="BW", sta="RJOB", chan="EHZ", delta=0.01, npts=3000, endtime=start + 29.99,
             storage_mode="file", format="mseed", dir=str(tmp_path), dfile="day", foff=0,
             nbytes=(tmp_path / "day").stat().st_size, utc_convertible=True, time_standard="UTC")  # fmt: skip
    done = link(mongo_database, SCHEMA, "wf_TimeSeries", source_window=(10.0, 0.0))
    assert {name: counts(links) for name, links in done.by_collection.items()} == dict.fromkeys(
        ("site", "channel", "source"), {"linked": 1}
    )
    assert [found.sound for found in verify(mongo_database, SCHEMA, "wf_TimeSeries")] == [True]
    datum = read_datum(mongo_database, SCHEMA, own, "wf_TimeSeries")
    inventory = obspy.read_inventory(MISC, format="STATIONXML")
    place = inventory.get_coordinates("BW.RJOB..EHZ", trace.stats.starttime)
    assert (datum.metadata["site_lat"], datum.metadata["channel_lon"]) == (place["latitude"], place["longitude"])
    assert datum.metadata["source_depth"] == 5.0
    document = mongo_database.wf_TimeSeries.find_one()
    expected = trace.copy().remove_response(inventory).data
    for what in (datum, document, document["channel_id"]):
        assert (trace.copy().remove_response(response_of(mongo_database, what)).data == expected).all()
    for what in ({"_id": 1}, ObjectId(), {"channel_id": ObjectId()}):
        with pytest.raises(Missing, match="no channel"):
            response_of(mongo_database, what)
