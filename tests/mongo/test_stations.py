"""Stations and channels as documents of site and channel: MsPASS's fields, obspy's values and responses, each epoch once."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import obspy
import pytest
from bson import ObjectId
from obspy.core.inventory import Network
from seisbatch.mongo.stations import read_response, save_inventory
from seisbatch.outcome import Corrupt, Missing, Outcome, guard

from tests.mongo.mspass_documents import bson_types, mspass_document
from tests.obspy_example import obspy_example

OBSPY = Path(obspy.__path__[0])
STATIONXML = OBSPY / "io/stationxml/tests/data"
MISC = OBSPY / "core/data/BW_GR_misc.xml"
ANMO = OBSPY / "core/tests/data/IU_ANMO_BH.xml"
MORE = {"stationxml": "string", "sampling_rate": "double", "gain": "double", "units": "string"}
FREQUENCIES = np.geomspace(0.001, 10, 30)


def counts(saved):
    return (saved.sites.documents, saved.sites.new), (saved.channels.documents, saved.channels.new)


def whole(database):
    return [sorted(database[name].find(), key=lambda one: one["_id"]) for name in ("site", "channel")]


def epochs(path):
    """Every channel epoch of a file as obspy reads it."""
    for network in obspy.read_inventory(path, format="STATIONXML"):
        for station in network:
            for channel in station:
                yield network.code, station, channel


def seconds(instant, where_none):
    return where_none if instant is None else instant.timestamp


def test_documents_are_those_of_mspass(mongo_database):
    """MsPASS's were made from the same file: their values and types, and the response as StationXML besides."""
    sites, channels = mspass_document("site: save_inventory"), mspass_document("channel: save_inventory")
    saved = save_inventory(mongo_database, MISC, mspass_pickles=True)
    assert counts(saved) == ((5, 5), (30, 30))
    assert saved.problems == ()
    for name, own, theirs, more in (("site", "site_id", sites, {}), ("channel", "chan_id", channels, MORE)):
        known = {key: theirs[key] for key in ("net", "sta", "loc", "chan", "starttime") if key in theirs}
        [ours] = mongo_database[name].find(known)
        assert bson_types(ours) == bson_types(theirs) | more
        assert ours[own] == ours["_id"]
        for key in ("_id", own, "serialized_channel_data"):
            ours.pop(key, None), theirs.pop(key, None)
        assert {key: value for key, value in ours.items() if key not in more} == theirs


def test_the_pickle_is_obspys_channel(mongo_database):
    save_inventory(mongo_database, MISC, mspass_pickles=True)
    told = {(station.code, channel.code, channel.start_date.timestamp): channel for _, station, channel in epochs(MISC)}
    for document in mongo_database.channel.find():
        unpickled = pickle.loads(document["serialized_channel_data"])
        assert unpickled == told[document["sta"], document["chan"], document["starttime"]]


@pytest.mark.parametrize("file", [MISC, ANMO, STATIONXML / "only_soh.xml", STATIONXML / "stationxml_IU.ANTO.30.LDO.xml"])
def test_values_and_responses_are_those_of_obspy(file, mongo_database):
    save_inventory(mongo_database, file)
    told = list(epochs(file))
    assert mongo_database.channel.count_documents({}) == len(told) > 0
    for net, station, channel in told:
        [document] = mongo_database.channel.find(
            {
                "net": net,
                "sta": station.code,
                "loc": channel.location_code,
                "chan": channel.code,
                "starttime": seconds(channel.start_date, 0.0),
            }
        )
        assert document["endtime"] == seconds(channel.end_date, 2556144000.0)
        assert document["coords"] == document["location"]["coordinates"] == [channel.longitude, channel.latitude]
        assert (document["elev"], document["edepth"]) == (channel.elevation / 1000, channel.depth / 1000)
        assert document.get("hang") == channel.azimuth
        assert document.get("vang") == (None if channel.dip is None else channel.dip + 90)
        assert document.get("sampling_rate") == channel.sample_rate
        if channel.response is None or not channel.response.response_stages:
            continue
        [[[read]]] = read_response(document)
        assert document["gain"] == channel.response.instrument_sensitivity.value
        assert document["units"] == channel.response.instrument_sensitivity.input_units
        expected = channel.response.get_evalresp_response_for_frequencies(FREQUENCIES)
        np.testing.assert_array_equal(read.response.get_evalresp_response_for_frequencies(FREQUENCIES), expected)


def test_a_response_read_back_is_taken_off_a_trace_as_obspy_does_it(mongo_database):
    save_inventory(mongo_database, MISC)
    stream = obspy_example()
    document = mongo_database.channel.find_one({"sta": "RJOB", "chan": "EHZ", "starttime": {"$gt": 1.19e9}})
    ours, obspys = (stream.select(channel="EHZ")[0].copy() for _ in range(2))
    ours.remove_response(read_response(document))
    obspys.remove_response(obspy.read_inventory(MISC, format="STATIONXML"))
    np.testing.assert_array_equal(ours.data, obspys.data)


def test_every_way_to_give_stations_gives_the_same_epochs_once(mongo_database):
    save_inventory(mongo_database, MISC)
    before = whole(mongo_database)
    for again in (str(MISC), MISC.read_bytes(), MISC.read_text()):
        assert counts(save_inventory(mongo_database, again)) == ((5, 0), (30, 0))
        assert whole(mongo_database) == before
    inventory = obspy.read_inventory(MISC, format="STATIONXML")
    assert counts(save_inventory(mongo_database, inventory)) == ((5, 0), (30, 0))
    without_text = [[{**one, "stationxml": ""} for one in documents] for documents in (before[1], whole(mongo_database)[1])]
    assert without_text[0] == without_text[1]  # obspy writes StationXML in words of its own


def test_stations_put_together_of_channels_one_by_one(mongo_database):
    """As obspy adds inventories: a station stands there as often as it has channels."""
    together = obspy.Inventory(networks=[])
    for net, station, channel in epochs(MISC):
        one = copy.copy(station)
        one.channels = [channel]
        together += obspy.Inventory(networks=[Network(net, stations=[one])])
    saved = save_inventory(mongo_database, together)
    assert counts(saved) == ((5, 5), (30, 30))
    assert saved.problems == ()
    together[-1][0].latitude = 48.0
    saved = save_inventory(mongo_database, together)
    assert counts(saved) == ((5, 0), (30, 0))
    [problem] = saved.problems
    assert problem.startswith("BW.RJOB: its epoch from 2007-12-17")
    assert "twice" in problem


def test_documents_that_mspass_wrote_keep_their_ids_and_what_else_they_hold(mongo_database):
    """The channel has its site's id, as MsPASS does it; the epoch has ended since."""
    own = ObjectId()
    codes = {"net": "BW", "sta": "RJOB", "loc": "", "starttime": 1197849600.0, "endtime": 2556144000.0}
    mongo_database.site.insert_one({"_id": own, "site_id": own, **codes})
    mongo_database.channel.insert_one({"_id": own, "chan_id": own, "chan": "EHZ", "note": "mine", **codes})
    inventory = obspy.read_inventory(MISC, format="STATIONXML").select(
        station="RJOB", channel="EHZ", starttime=obspy.UTCDateTime(2008, 1, 1)
    )
    inventory[0][0].end_date = inventory[0][0][0].end_date = obspy.UTCDateTime(2015, 1, 1)
    assert counts(save_inventory(mongo_database, inventory)) == ((1, 0), (1, 0))
    [site], [channel] = whole(mongo_database)
    assert site["_id"] == site["site_id"] == channel["_id"] == channel["chan_id"] == own
    assert channel["note"] == "mine"
    assert site["endtime"] == channel["endtime"] == obspy.UTCDateTime(2015, 1, 1).timestamp
    assert "serialized_channel_data" not in channel
    read_response(channel)


def test_a_site_is_a_location_code_at_its_own_place(mongo_database):
    """Of ANMO's two location codes one is deeper and elsewhere; MsPASS has a site for each."""
    save_inventory(mongo_database, ANMO)
    told = list(epochs(ANMO))
    assert len({(channel.location_code, channel.depth) for _, _, channel in told}) > 1
    sites = list(mongo_database.site.find())
    expected = {(station.start_date.timestamp, channel.location_code) for _, station, channel in told}
    assert sorted((site["starttime"], site["loc"]) for site in sites) == sorted(expected)
    for site in sites:
        places = {
            (channel.longitude, channel.latitude, channel.elevation / 1000, channel.depth / 1000)
            for _, station, channel in told
            if (station.start_date.timestamp, channel.location_code) == (site["starttime"], site["loc"])
        }
        assert (*site["coords"], site["elev"], site["edepth"]) in places


def test_an_epoch_without_a_beginning_or_an_end_has_mspasss_times(mongo_database):
    inventory = obspy.read_inventory(STATIONXML / "IRIS_single_channel_with_response.xml", format="STATIONXML")
    for item in (inventory[0][0], inventory[0][0][0]):
        item.start_date = item.end_date = None
    for new in (1, 0):
        assert counts(save_inventory(mongo_database, inventory)) == ((1, new), (1, new))
    for [document] in whole(mongo_database):
        assert (document["starttime"], document["endtime"]) == (0.0, 2556144000.0)


def test_stations_without_channels_and_files_without_responses(mongo_database):
    """What a coarser file does not tell stays as a finer one told it."""
    save_inventory(mongo_database, MISC)
    before = whole(mongo_database)
    inventory = obspy.read_inventory(MISC, format="STATIONXML", level="channel")
    assert counts(save_inventory(mongo_database, inventory)) == ((5, 0), (30, 0))
    inventory = obspy.read_inventory(MISC, format="STATIONXML", level="station")
    assert counts(save_inventory(mongo_database, inventory)) == ((5, 0), (0, 0))
    assert whole(mongo_database) == before


def test_a_response_that_lacks_a_stage_is_told_and_its_channel_saved(mongo_database):
    file = STATIONXML / "IRIS_single_channel_with_response.xml"
    text = file.read_text()
    assert text.count('<Stage number="2">') == 1
    saved = save_inventory(mongo_database, text.replace('<Stage number="2">', '<Stage number="9">'), mspass_pickles=True)
    assert counts(saved) == ((1, 1), (1, 1))
    [problem] = saved.problems
    assert problem.startswith("response of IU.ANMO.10.BHZ/")
    assert "stage 2 is missing" in problem
    [channel] = mongo_database.channel.find()
    assert not {"stationxml", "serialized_channel_data"} & set(channel)
    with pytest.raises(Missing, match=r"IU\.ANMO\.10\.BHZ has no StationXML"):
        read_response(channel)


def test_a_response_that_no_document_holds_is_told_and_its_channel_saved(mongo_database):
    file = STATIONXML / "IRIS_single_channel_with_response.xml"
    comments = f"<Comment><Value>{'x' * 4_000_000}</Value></Comment>" * 5
    text = file.read_text()
    assert text.count("<Latitude") == 2  # the station's and the channel's
    head, _, rest = text.rpartition("<Latitude")
    saved = save_inventory(mongo_database, f"{head}{comments}<Latitude{rest}")
    assert counts(saved) == ((1, 1), (1, 1))
    [problem] = saved.problems
    assert problem.startswith("response of IU.ANMO.10.BHZ/")
    assert problem.endswith("too large for a document")
    assert mongo_database.channel.count_documents({"stationxml": {"$exists": False}}) == 1


def test_a_channel_that_cannot_be_saved_is_told(mongo_database):
    saved = save_inventory(mongo_database, STATIONXML / "channel_without_coordinates.xml")
    assert counts(saved) == ((1, 1), (0, 0))
    assert saved.problems[0].startswith("IV.LATE.00.BHZ: it has no possible place")


@pytest.mark.parametrize(
    ("given", "outcome", "reason"),
    [
        (b"<FDSNStationXML", Outcome.CORRUPT, "not well-formed"),
        ("<html></html>", Outcome.CORRUPT, "the document is 'html'"),
        (STATIONXML / "minimal_station.xml", Outcome.CORRUPT, "no station"),
        ("/nowhere/stations.xml", Outcome.MISSING, "/nowhere/stations.xml: No such file"),
    ],
)
def test_a_bad_file_is_an_outcome_and_leaves_nothing(given, outcome, reason, mongo_database):
    result = guard(lambda: save_inventory(mongo_database, given))
    assert result.outcome is outcome
    assert reason in result.reason
    assert mongo_database.list_collection_names() == []


def test_a_damaged_response_in_a_document_is_corrupt():
    with pytest.raises(Corrupt, match="not well-formed"):
        read_response({"stationxml": "<FDSNStationXML"})


def test_an_epoch_that_is_there_twice_gets_no_third(mongo_database):
    """MsPASS takes an epoch whose end changed for another one; a time that is none is nobody's epoch."""
    known = {"net": "BW", "sta": "RJOB", "chan": "EHZ", "starttime": 1197849600}  # an int, and no blank loc
    ended = [{**known, "endtime": 1.3e9}, {**known, "endtime": 2556144000.0}, {**known, "starttime": float("nan")}]
    mongo_database.channel.insert_many(ended)
    assert counts(save_inventory(mongo_database, MISC))[1] == (30, 29)
    assert mongo_database.channel.count_documents({}) == 29 + len(ended)
    assert mongo_database.channel.count_documents({**known, "stationxml": {"$exists": True}}) == 1


def test_the_index_that_finds_an_epoch_is_made_unless_its_like_is_there(mongo_database):
    keys = ["net", "sta", "loc", "chan", "starttime"]
    mongo_database.channel.create_index(keys, unique=True, name="mine")
    save_inventory(mongo_database, MISC)
    assert set(mongo_database.channel.index_information()) == {"_id_", "mine"}
    made = mongo_database.site.index_information().values()
    assert [("net", 1), ("sta", 1), ("loc", 1), ("starttime", 1)] in [index["key"] for index in made]
