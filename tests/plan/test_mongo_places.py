"""MongoDB as a place to read: whose user and password, which documents travel, and what becomes of those that are wrong."""

from __future__ import annotations

import datetime as dt
import pickle

import numpy as np
import pytest
from bson import ObjectId
from obspy.geodetics import gps2dist_azimuth
from pydantic import SecretStr
from seisbatch.acquire.objects import StoreSettings
from seisbatch.config import OptionError
from seisbatch.mongo.connect import MongoSettings
from seisbatch.mongo.event_documents import read_source_documents
from seisbatch.mongo.index_documents import IndexDocuments
from seisbatch.mongo.station_documents import StationDocuments
from seisbatch.mongo.station_rows import StationRowDocuments
from seisbatch.names import Channel, ChannelPatterns
from seisbatch.options import MongoOptions
from seisbatch.outcome import Corrupt, RunError
from seisbatch.plan.mongo import MONGO_URI, mongo_place, mongo_settings
from seisbatch.steps.sources import SourceSelection
from seisbatch.steps.station_tables import StationTables
from seisbatch.steps.stations import StationFiles, site_of

from tests.mongo.loaded import listening, load_stations
from tests.mongo.mspass_documents import mspass_document

ACCOUNT = "canary-user:canary%2Fpass@"
KEPT = f"mongodb://{ACCOUNT}Two,one:27018/admin?tls=true&replicaSet=rs0&readPreference=secondaryPreferred"
DAY = dt.date(2024, 1, 1)


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.setenv(MONGO_URI, KEPT)


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        ("mongodb:///scedc", KEPT),
        ("mongodb://one:27018,two:27017/scedc", KEPT),  # the same servers in another order
        ("mongodb://two,one:27018/scedc?tls=false", KEPT.replace("tls=true&", "") + "&tls=false"),
        ("mongodb://two/scedc", "mongodb://two/"),
        ("mongodb://three:1/scedc?tls=true&tlsCAFile=/a.pem", "mongodb://three:1/?tls=true&tlsCAFile=/a.pem"),
        ("mongodb+srv://one/scedc", "mongodb+srv://one/"),
    ],
)
def test_user_and_options_are_those_of_the_environment_where_the_servers_are_the_same(place, uri, kept):
    settings = mongo_place("--stations", place)
    assert (settings.uri, settings.database) == (uri, "scedc")
    assert "canary" not in repr(StationDocuments(settings))
    assert "canary" not in settings.place


def test_a_cluster_that_is_looked_up(monkeypatch):
    monkeypatch.setenv(MONGO_URI, f"mongodb+srv://{ACCOUNT}cluster.example.org/?retryWrites=true&w=majority")
    for place in ("mongodb+srv://Cluster.example.org/scedc", "mongodb:///scedc"):
        settings = mongo_place("--index", place)
        assert settings.uri.startswith(f"mongodb+srv://{ACCOUNT}cluster.example.org/?retryWrites=true")
        assert settings.place == "mongodb+srv://cluster.example.org/scedc"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (f"mongodb://{ACCOUNT}one/scedc", f"does not belong on the command line, where others see it: set {MONGO_URI}"),
        (f"MongoDB://{ACCOUNT}one/scedc", "must begin with 'mongodb://'"),
        ("mongodb://canary:can/ary@one/scedc", "must be escaped"),
        ("mongodb://one/scedc?tlsCertificateKeyFilePassword=canary", "does not belong on the command line"),
        ("mongodb://one", "name a database: mongodb://HOST/DATABASE"),
        ("mongodb://one/a.b", "name a database"),
        ("mongodb://one:x/scedc", "its hosts are not host:port"),
    ],
)
def test_a_place_that_cannot_be_is_said_in_a_line_without_it(place, message, monkeypatch):
    monkeypatch.delenv(MONGO_URI, raising=False)
    with pytest.raises(OptionError, match="^--events: ") as caught:
        mongo_place("--events", place)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "canary" not in str(caught.value)


def test_no_host_and_nothing_in_the_environment(monkeypatch):
    monkeypatch.delenv(MONGO_URI, raising=False)
    with pytest.raises(OptionError, match=f"--events: there is no environment variable {MONGO_URI}"):
        mongo_place("--events", "mongodb:///scedc")
    monkeypatch.setenv(MONGO_URI, "canary")
    with pytest.raises(OptionError, match=f"{MONGO_URI}: this is no URI of MongoDB") as caught:
        mongo_place("--events", "mongodb:///scedc")
    assert "canary" not in str(caught.value)


def settings_of(text):
    return mongo_settings(MongoOptions(mongo_uri=text, mongo_database="scedc"))


def test_the_uri_in_a_file_of_one_s_own(monkeypatch, tmp_path):
    file = tmp_path / "uri"
    file.write_text(f"{KEPT}\nanything else\n")
    file.chmod(0o600)
    expected = MongoSettings(KEPT, "scedc")
    assert settings_of(f"file:{file}") == expected
    monkeypatch.setenv(MONGO_URI, f"file:{file}")
    assert settings_of("env") == mongo_place("--stations", "mongodb:///scedc") == expected
    assert settings_of("mongodb://one:27018,two") == expected
    assert settings_of("none") is None
    for mode in (0o640, 0o604, 0o622):
        file.chmod(mode)
        with pytest.raises(OptionError, match="others may read or write it.*chmod 600"):
            settings_of("env")
    file.chmod(0o600)
    for text, message in (("", "its first line is empty"), ("canary", "no URI of MongoDB"), ("\xff", "it holds no text")):
        file.write_bytes(text.encode("latin-1"))
        with pytest.raises(OptionError, match=message) as caught:
            settings_of("env")
        assert "canary" not in str(caught.value)
    with pytest.raises(OptionError, match=r"file:.*none: No such file"):
        settings_of(f"file:{tmp_path}/none")
    assert "canary" not in repr(MongoOptions(mongo_uri=SecretStr(KEPT), mongo_database="scedc"))


@pytest.fixture
def mongo(mongo_uri, mongo_database):
    """The test's database as a place; its client is one that is listened to."""
    separator = "&" if "?" in mongo_uri else "/?"
    return MongoSettings(f"{mongo_uri.rstrip('/')}{separator}retryReads=true", mongo_database.name)


def test_every_epoch_is_that_of_the_files(sample_archive, mongo, mongo_database):
    """Coordinates and ids before, in and after each epoch of each channel, and of location codes that there are not."""
    load_stations(mongo_database, sample_archive)
    files = StationFiles(StoreSettings(str(sample_archive)), "scedc", of_archive=True)
    documents = pickle.loads(pickle.dumps(StationDocuments(mongo)))  # noqa: S301 - what Spark does with it
    documents.require()
    checked = 0
    for file in sorted((sample_archive / "FDSNstationXML").rglob("*.xml")):
        net, sta = file.stem.split("_")
        for epoch in files.epochs(net, sta)[0]:
            instants = {epoch.start_ns - 1000, epoch.start_ns, epoch.end_ns - 1000, epoch.end_ns, 1_704_000_000_000_000_000}
            for name in (epoch.name, epoch.name._replace(loc="77")) if epoch.name.chan else ():
                for instant_ns in instants:
                    expected = site_of(files, name, instant_ns, (1.0, 2.0))
                    found = site_of(documents, name, instant_ns, (1.0, 2.0))
                    assert found.columns() == expected.columns()
                    assert bool(found.notes) == bool(expected.notes)
                    checked += expected.lat != 1.0
    assert checked > 50


def test_of_a_station_its_documents_travel_and_of_these_what_is_needed(sample_archive, mongo, mongo_database):
    load_stations(mongo_database, sample_archive)
    total = mongo_database.channel.count_documents({})
    with listening() as heard:
        epochs, trouble = StationDocuments(mongo).epochs("XX", "ALFA")
    assert trouble == ""
    own = mongo_database.channel.count_documents({"sta": "ALFA"})
    assert len(epochs) == len(heard.documents) == own + mongo_database.site.count_documents({"sta": "ALFA"}) < total
    assert {command["find"] for command in heard.commands} == {"channel", "site"}
    assert {key for one in heard.documents for key in one} <= {
        *("_id", "net", "sta", "loc", "chan", "starttime", "endtime", "lat", "lon", "elev", "hang", "vang", "sampling_rate")
    }


def test_responses_of_documents_are_those_of_the_files(sample_archive, mongo, mongo_database):
    load_stations(mongo_database, sample_archive)
    expected, _ = StationFiles(StoreSettings(str(sample_archive)), "scedc", of_archive=True).responses("XX", "INDI")
    with listening() as heard:
        found, trouble = StationDocuments(mongo).responses("XX", "INDI")
    assert trouble == ""
    assert {key for one in heard.documents for key in one} == {"_id", "stationxml"}
    expected = sorted(expected, key=lambda epoch: (epoch.name, epoch.start_ns))
    assert [(one.name, one.start_ns, one.end_ns) for one in found] == [(one.name, one.start_ns, one.end_ns) for one in expected]
    at = np.array([0.01, 0.3, 7.0])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.curve("vel", 20.0).at(at), other.curve("vel", 20.0).at(at), rtol=1e-9)


def test_documents_without_a_response_that_can_be_read_are_told(sample_archive, mongo, mongo_database):
    load_stations(mongo_database, sample_archive)
    wrong = [{"$unset": {"stationxml": ""}}, {"$set": {"stationxml": 7}}, {"$set": {"stationxml": "<!DOCTYPE a><a/>"}}]
    ids = [one["_id"] for one in mongo_database.channel.find({"sta": "ALFA"}).sort("_id", 1)]
    for own, change in zip(ids, wrong, strict=True):
        mongo_database.channel.update_one({"_id": own}, change)
    found, trouble = StationDocuments(mongo).responses("XX", "ALFA")
    assert found == ()
    for own, told in zip(ids, ("no StationXML", "stationxml is 7", "document type"), strict=True):
        assert f"document {own} of channel: {told}" in trouble.replace("XML with a ", "")
    assert StationDocuments(mongo).responses("XX", "NONE") == ((), "no document of the station")


def test_documents_of_mspass_itself(mongo, mongo_database):
    channel, site = mspass_document("channel: save_inventory"), mspass_document("site: save_inventory")
    mongo_database.channel.insert_one(channel)
    mongo_database.site.insert_one(site)
    place = StationDocuments(mongo)
    name = Channel("BW", "RJOB", "", "EHZ")
    start_ns, end_ns = 989884800 * 10**9, 1165881600 * 10**9
    found = site_of(place, name, start_ns, (None, None))
    assert (found.lat, found.lon, found.elev) == (47.737167, 12.795714, 0.86)
    assert found.channel_id == "BW.RJOB..EHZ/2001-05-15T00:00:00.000000"
    assert found.notes == ()
    assert site_of(place, name, end_ns, (None, None)).notes == ("MongoDB has no epoch of the channel: coordinates unknown",)
    none = site_of(place, name._replace(sta="NONE"), start_ns, (1.0, 2.0))
    assert (none.lat, none.notes) == (1.0, ("no document of the station: coordinates from the index",))
    own = site_of(place, Channel("GR", "FUR", "", "HHZ"), 1_900_000_000 * 10**9, (None, None))  # its end is open
    assert (own.lat, own.site_id) == (48.162899, "GR.FUR/2006-12-16T00:00:00.000000")


def test_an_epoch_without_beginning_and_end(mongo, mongo_database):
    """MsPASS writes them as 0 and as a day in 2051."""
    site = mspass_document("site: save_inventory") | {"starttime": 0}
    del site["loc"]
    mongo_database.site.insert_one(site)
    for instant_ns in (-(10**18), 0, 9 * 10**18):
        found = site_of(StationDocuments(mongo), Channel("GR", "FUR", "", "BHZ"), instant_ns, (None, None))
        assert (found.site_id, found.lat) == ("GR.FUR/", 48.162899)


def test_documents_of_wrong_types_are_told_with_their_ids(mongo, mongo_database):
    document = mspass_document("channel: save_inventory")
    del document["_id"]
    wrong = [{"lat": "47"}, {"lat": 91.0}, {"starttime": None}, {"chan": 3}, {"chan": "a/b"}, {"endtime": float("inf")}]
    wrong += [{"elev": True}, {"lon": [1]}, {"starttime": 1e300}, {"hang": "n"}]
    ids = mongo_database.channel.insert_many([document | more | {"sta": f"S{n}"} for n, more in enumerate(wrong)]).inserted_ids
    for number, own in enumerate(ids):
        epochs, trouble = StationDocuments(mongo).epochs("BW", f"S{number}")
        assert epochs == ()
        assert trouble.startswith(f"document {own} of channel: ")
        with pytest.raises(Corrupt, match=f"document {own} of channel: "):
            StationRowDocuments(mongo).opened().channels("BW", f"S{number}")
    mongo_database.channel.insert_one(document | {"sta": "S0"})
    found = site_of(StationDocuments(mongo), Channel("BW", "S0", "", "EHZ"), 10**18, (None, None))
    assert found.lat == 47.737167
    assert f"document {ids[0]} of channel: lat is '47' (string), not a number" in found.notes[0]


def test_a_database_without_stations_is_said(mongo):
    with pytest.raises(RunError, match=f"{mongo.database} has no document in its collections channel and site"):
        StationDocuments(mongo).require()


def test_stations_for_exports(sample_archive, mongo, mongo_database):
    """Orientations and responses, against those of the archive's own files."""
    load_stations(mongo_database, sample_archive)
    tables = StationTables(StationRowDocuments(mongo).opened())
    name = Channel("XX", "ALFA", "", "BHZ")
    epoch = tables.epoch(name, 1_704_000_000 * 10**9)
    assert epoch is not None
    assert (epoch["hang"], epoch["vang"]) == (0.0, 0.0)
    ((station, inventory),) = tables.inventories([name, name._replace(sta="NONE")])
    assert station == "XX.ALFA"
    response = inventory.select(channel="BHZ", time=inventory[0][0][0].start_date)[0][0][0].response
    assert response.instrument_sensitivity.value > 0
    mongo_database.channel.update_many({}, {"$unset": {"stationxml": ""}})
    ((_, bare),) = StationTables(StationRowDocuments(mongo).opened()).inventories([name])
    assert bare[0][0][0].dip == inventory[0][0][0].dip
    assert bare[0][0].latitude == inventory[0][0].latitude


EVENTS = [
    # time, latitude, longitude, depth, magnitude
    ("2020-01-01T00:00:00", 35.0, -117.0, 10.0, 4.0),
    ("2020-06-01T12:00:00.25", 35.5, 243.2, None, 5.5),  # the same longitude, from 0 to 360
    ("2021-01-01T00:00:00", -18.0, 179.9, 600.0, 6.5),
    ("2021-06-01T00:00:00", -18.0, -179.9, 33.0, None),
    ("2022-01-01T00:00:00", 89.5, 0.0, 0.0, 7.0),
]


def epoch_seconds(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


@pytest.fixture
def events(mongo_database):
    names = ("lat", "lon", "depth", "magnitude")
    for number, (time, *values) in enumerate(EVENTS):
        known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        extra = {"serialized_event": b"x" * 1000, "event_id": f"event-{number}", "source_id": ObjectId()}
        mongo_database.source.insert_one({"time": epoch_seconds(time), **known, **extra})
    return mongo_database.source


def seconds_ns(text):
    return round(epoch_seconds(text) * 1e9)


@pytest.mark.parametrize(
    ("selection", "numbers", "travelled"),
    [
        (SourceSelection(), [0, 1, 2, 3, 4], 5),
        (SourceSelection(seconds_ns("2020-06-01T12:00:00.25"), seconds_ns("2021-01-01")), [1], 2),
        (SourceSelection(seconds_ns("2020-06-01T12:00:00.25"), seconds_ns("2021-01-01") - 2000), [1], 1),
        (SourceSelection(min_magnitude=5.5), [1, 2, 4], 3),
        (SourceSelection(max_magnitude=5.4), [0], 1),
        (SourceSelection(min_depth=33, max_depth=600), [2, 3], 2),
        (SourceSelection(event_ids=frozenset({"event-0", "event-4", "none"})), [0, 4], 2),
        (SourceSelection(region=(-119, -116, 33, 36)), [0, 1], 2),
        (SourceSelection(region=(170, -170, -30, 0)), [2, 3], 2),  # across 180 degrees
        (SourceSelection(region=(350, 10, 80, 90)), [4], 1),
        (SourceSelection(region=(35.0, -117.0, 50)), [0], 1),
        (SourceSelection(region=(35.0, 243.0, 70)), [0, 1], 2),
        (SourceSelection(region=(-18.0, 180.0, 30)), [2, 3], 2),
        (SourceSelection(region=(89.0, 180.0, 250)), [4], 1),  # over the pole
        (SourceSelection(min_magnitude=6, max_depth=100, region=(-20, 20, 80, 90)), [4], 1),
    ],
)
def test_events_are_selected_by_the_server(selection, numbers, travelled, events, mongo):
    with listening() as heard:
        rows = [row for row in read_source_documents(mongo, selection) if selection.wants(row)]
    assert sorted(row["source_id"] for row in rows) == [f"event-{number}" for number in numbers]
    assert len(heard.documents) == travelled
    assert not any("serialized_event" in one for one in heard.documents)
    for row in rows:
        time, lat, lon, depth, magnitude = EVENTS[int(row["event_id"][-1])]
        assert row["time"] == dt.datetime.fromisoformat(time).replace(tzinfo=dt.UTC)
        assert gps2dist_azimuth(row["lat"], row["lon"], lat, lon)[0] < 1e-3
        assert (row["depth"], row["magnitude"]) == (depth, magnitude)


def test_an_event_of_mspass_goes_by_its_id(mongo, mongo_database):
    document = mspass_document("source: save_catalog")
    mongo_database.source.insert_many([document, {**document, "_id": ObjectId()}])
    hexadecimal = str(document["_id"])
    (row,) = read_source_documents(mongo, SourceSelection(event_ids=frozenset({hexadecimal})))
    assert row["source_id"] == row["event_id"] == hexadecimal
    assert row["time"] == dt.datetime(2012, 4, 4, 14, 21, 42, 300000, dt.UTC)
    assert (row["lat"], row["lon"], row["depth"], row["magnitude"], row["s3key"]) == (41.818, 79.689, 1.0, 4.4, None)


@pytest.mark.parametrize("wrong", [{"time": "2012"}, {"lat": None}, {"lat": 91.0}, {"magnitude": "4"}, {"depth": [1]}])
def test_an_event_of_wrong_types_ends_with_its_id_wherever_it_may_be_selected(wrong, mongo, mongo_database):
    document = mspass_document("source: save_catalog") | wrong
    mongo_database.source.insert_one(document)
    everything = SourceSelection(seconds_ns("2012-01-01"), seconds_ns("2013-01-01"), min_magnitude=4.0, min_depth=0.5)
    for selection in (SourceSelection(), everything):
        with pytest.raises(RunError, match=f"document {document['_id']} of source: "):
            read_source_documents(mongo, selection)


def test_a_database_without_events_is_said(mongo):
    with pytest.raises(RunError, match="has no document in its collection source"):
        read_source_documents(mongo, SourceSelection())


def object_document(sta, chan, more=(), **others):
    codes = {"net": "XX", "sta": sta, "loc": "", "chan": chan}
    codes = {code: value for code, value in codes.items() if value is not None}
    whole = {"archive": "scedc", "date": DAY.isoformat(), "s3key": f"{sta}{chan}", **codes, "etag": "e", "size": 9}
    return whole | dict(more) | others


def piece_document(key, chan, **more):
    times = {"starttime": 1704067200.123456, "endtime": 1704070800.0, "sampling_rate": 20.0}
    place = {"foff": 512, "nbytes": 1024, "reclen": 512, "npts": 3}
    return {"archive": "scedc", "s3key": key, "etag": "e", "net": "XX", "sta": "A", "chan": chan, **times, **place, **more}


def channel_days(mongo, patterns, day=DAY):
    return IndexDocuments(mongo).opened("scedc").channel_days(day, ChannelPatterns(patterns))


def test_days_and_channels_of_an_index_are_selected_by_the_server(mongo, mongo_database):
    stations = [f"S{number}" for number in range(30)]
    mongo_database["index"].insert_many(
        [object_document(sta, chan, date=date, note="x") for sta in stations for chan in ("BHZ", "HNZ")
         for date in ("2024-01-01", "2024-01-02")]
        + [object_document("S3", "BHZ", archive="ncedc")]
    )  # fmt: skip
    mongo_database.wf_miniseed.insert_many(
        [piece_document(f"{sta}{chan}", chan, sta=sta) for sta in stations for chan in ("BHZ", "HNZ")]
    )
    for patterns, expected in [
        ("XX.S3..BHZ", ["XX.S3..BHZ"]),
        ("XX.S3.--.B*,XX.S1.*.HN?", ["XX.S1..HNZ", "XX.S3..BHZ"]),
        ("XX.S2?..BHZ", [f"XX.S{number}..BHZ" for number in range(20, 30)]),
    ]:
        with listening() as heard:
            rows = channel_days(mongo, patterns)
        assert [row["unit"] for row in rows] == [f"{name}/2024-01-01" for name in expected]
        of_index = [one for one in heard.documents if "size" in one]
        assert len(of_index) == len(expected)
        assert not any({"note", "npts"} & one.keys() for one in heard.documents)
        assert {command.get("find") for command in heard.commands} == {"index", "wf_miniseed"}
    (row,) = channel_days(mongo, "XX.S3..BHZ")
    (piece,) = row["pieces"]
    assert piece["start_ns"] == 1704067200_123456_000
    assert (piece["foff"], piece["nbytes"], piece["reclen"]) == (512, 1024, 512)
    assert len(channel_days(mongo, "XX.[!S]*..BHZ,XX.S?..BHZ")) == 10
    assert channel_days(mongo, "YY.*.*.*") == []
    (missing,) = channel_days(mongo, "XX.*.*.*", dt.date(2024, 1, 3))
    assert missing["outcome"] == "missing"


def test_an_object_of_a_whole_station_is_its_channels(mongo, mongo_database):
    mongo_database["index"].insert_one(object_document("A", None, s3key="A", loc=None))
    mongo_database["index"].insert_one(object_document("B", None, s3key="B", loc=None))
    mongo_database.wf_miniseed.insert_many([piece_document("A", "BHZ", foff=4096), piece_document("A", "HHZ", loc="00")])
    with listening() as heard:
        rows = channel_days(mongo, "XX.*..BHZ")
    assert [(row["unit"], row["size"], bool(row["pieces"])) for row in rows] == [
        ("XX.A..BHZ/2024-01-01", 1024, True),
        ("XX.B/2024-01-01", 9, False),
    ]
    assert len([one for one in heard.documents if "foff" in one]) == 1
    assert [row["unit"] for row in channel_days(mongo, "XX.*.*.LHZ")] == ["XX.B/2024-01-01"]  # A has none


def test_documents_of_an_index_that_cannot_be_are_problems(mongo, mongo_database):
    wrong = [{"chan": 7}, {"s3key": "../a"}, {"size": "9"}, {"sta": "a b"}, {"lat": [1]}, {"loc": 0}, {"s3key": None}]
    ids = mongo_database["index"].insert_many([object_document("A", "BHZ", more) for more in wrong]).inserted_ids
    mongo_database["index"].insert_many([object_document("B", "BHZ"), object_document("C", "BHZ")])
    pieces = [piece_document("BBHZ", "BHZ", sta="B", nbytes=-1), piece_document("BBHZ", "BHZ", sta="B")]
    bad_piece, _ = mongo_database.wf_miniseed.insert_many(pieces).inserted_ids
    mongo_database.wf_miniseed.insert_one(piece_document("CBHZ", "BHZ", sta="C", etag=["e"]))
    rows = channel_days(mongo, "XX.*..BHZ")
    good = [row for row in rows if not row.get("outcome")]
    assert [(row["unit"], row["pieces"]) for row in good] == [("XX.B..BHZ/2024-01-01", None), ("XX.C..BHZ/2024-01-01", None)]
    problems = {row["reason"].split()[2]: row for row in rows if row.get("outcome") == "rejected"}
    assert {*map(str, ids), str(bad_piece)} < problems.keys()
    assert len(problems) == len(wrong) + 2
    assert len({row["unit"] for row in rows}) == len(rows)


def test_an_index_of_other_archives_or_days_of_another_kind(mongo, mongo_database):
    with pytest.raises(RunError, match="has no documents in index, none of scedc"):
        IndexDocuments(mongo).require("scedc")
    mongo_database["index"].insert_one(object_document("A", "BHZ", archive="ncedc", date=dt.datetime(2024, 1, 1)))
    with pytest.raises(RunError, match="has an index of ncedc, none of scedc"):
        IndexDocuments(mongo).require("scedc")
    with pytest.raises(RunError, match="date is datetime.*, not a text as 2022-01-31"):
        IndexDocuments(mongo).require("ncedc")
