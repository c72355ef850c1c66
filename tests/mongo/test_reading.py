"""Data read from MongoDB, as the document on create, read, update and delete has it; mspasspy's own documents too."""

from __future__ import annotations

import io

import boto3
import numpy as np
import obspy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson import ObjectId
from gridfs import GridFSBucket
from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandListener
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.acquire.pack import pack
from seisbatch.mongo import Database
from seisbatch.mongo.data import Seismogram, SeismogramEnsemble, TimeSeries, TimeSeriesEnsemble
from seisbatch.mongo.document_schema import load_schema
from seisbatch.mongo.elog import Badness
from seisbatch.mongo.ensembles import read_ensemble
from seisbatch.mongo.objects import Stores
from seisbatch.mongo.reading import read_datum
from seisbatch.mongo.storage import append_file, put_gridfs
from seisbatch.names import Channel
from seisbatch.outcome import RunError
from seisbatch.process.segments import Segment
from seisbatch.schema import WF_TIME_SERIES
from seisbatch.times import to_datetime

from tests.mongo.made import seismogram
from tests.mongo.mspass_documents import mspass_document, mspass_documents
from tests.obspy_example import obspy_example

SCHEMA = load_schema()
START = 1251073203.0
GRIDFS_TITLE = "wf_TimeSeries: storage_mode gridfs, straight after save_data"
MINISEED_TITLE = "wf_miniseed: after index_mseed_file, normalize_mseed and a source_id (loc set to show a non-blank one)"
SAMPLES = np.random.default_rng(0).normal(size=300)
PLACES = {"lat": 47.7, "lon": 12.8, "elev": 0.86}
EPOCH = {"net": "BW", "sta": "RJOB", "loc": "", "starttime": 0.0, "endtime": 2556144000.0}


def read(database, what, collection="wf_TimeSeries", **options):
    return read_datum(database, SCHEMA, what, collection, **options)


def saved(database, collection="wf_TimeSeries", samples=SAMPLES, **more):
    """The document of some samples in GridFS, saved; with None what is not in it."""
    document = {
        "_id": ObjectId(),
        "net": "BW",
        "sta": "RJOB",
        "chan": "EHZ",
        "starttime": START,
        "delta": 0.01,
        "npts": samples.shape[-1],
        "utc_convertible": True,
        "time_standard": "UTC",
        **put_gridfs(GridFSBucket(database), samples),
        **more,
    }
    document = {name: value for name, value in document.items() if value is not None}
    database[collection].insert_one(document)
    return document


@pytest.fixture
def stations(mongo_database):
    """A site, a channel and an event, by their collections' names; with what is not wanted in data."""
    documents = {
        "site": {"_id": (site := ObjectId()), "site_id": site, **EPOCH, **PLACES},
        "channel": {"_id": (own := ObjectId()), "chan_id": own, "chan": "EHZ", "hang": 0.0, "vang": 0.0, **EPOCH, **PLACES,
                    "stationxml": "<x/>" * 1000, "serialized_channel_data": b"pickle"},
        "source": {"_id": (source := ObjectId()), "source_id": source, "lat": 41.8, "lon": 79.7, "depth": 1.0,
                   "time": START - 5, "serialized_event": b"pickle"},
    }  # fmt: skip
    for name, document in documents.items():
        mongo_database[name].insert_one(document)
    return {name: document["_id"] for name, document in documents.items()}


def ids_of(stations):
    return {f"{name}_id": own for name, own in stations.items()}


def messages(datum):
    return [(entry.badness, entry.message) for entry in datum.elog]


def assert_never_born(datum, *words):
    assert not datum.live
    assert datum.npts == 0
    assert datum.metadata["is_abortion"] is True
    entry = list(datum.elog)[-1]
    assert (entry.algorithm, entry.badness) == ("read_data", Badness.INVALID)
    for word in words:
        assert word in entry.message


# --- what is read ----------------------------------------------------------------------------------------------------


def test_read_data_takes_an_id_or_a_document_that_has_one(mongo_database):
    document = saved(mongo_database)
    for what in (document["_id"], document, document | {"note": "not in the database"}):
        datum = read(mongo_database, what)
        assert type(datum) is TimeSeries
        np.testing.assert_array_equal(datum.samples, SAMPLES)
        assert datum.metadata["_id"] == document["_id"]
    assert datum.metadata["note"] == "not in the database"
    assert "note" not in mongo_database.wf_TimeSeries.find_one()
    with pytest.raises(ValueError, match="without _id"):
        read(mongo_database, {"npts": 3})


def test_read_data_returns_none_for_an_id_that_is_not_there(mongo_database):
    saved(mongo_database)
    assert read(mongo_database, ObjectId()) is None


def test_the_log_is_empty_and_nothing_counts_as_changed_after_a_good_read(mongo_database, stations):
    document = saved(mongo_database, **ids_of(stations))
    datum = read(mongo_database, document["_id"])
    assert datum.live
    assert len(datum.elog) == 0
    assert datum.metadata.changed == frozenset()
    assert datum.metadata["is_abortion"] is False
    assert len(datum.history) == 0


def test_history_begins_at_the_document_where_it_is_asked_for(mongo_database):
    document = saved(mongo_database)
    [step] = read(mongo_database, document["_id"], load_history=True).history
    assert step.algorithm == "ORIGIN"
    assert step.parameters == {"collection": "wf_TimeSeries", "id": str(document["_id"])}


def test_a_collection_of_three_components_gives_a_seismogram(mongo_database, tmp_path):
    three = np.arange(60.0).reshape(3, 20)
    unit = np.eye(3).ravel().tolist()
    document = saved(mongo_database, "wf_Seismogram", three, tmatrix=unit, cardinal=True, orthogonal=True)
    datum = read(mongo_database, document["_id"], "wf_Seismogram")
    assert type(datum) is Seismogram
    np.testing.assert_array_equal(datum.samples, three)
    dead = read(mongo_database, document | {"gridfs_id": ObjectId()}, "wf_Seismogram")
    assert type(dead) is Seismogram
    assert_never_born(dead, "no samples in GridFS")
    path = tmp_path / "mine.toml"
    path.write_text('[wf_mine]\nkind = "waveforms"\nlike = "wf_Seismogram"')
    mongo_database.wf_mine.insert_one(document)
    datum = read_datum(mongo_database, load_schema(path), document["_id"], "wf_mine")
    np.testing.assert_array_equal(datum.samples, three)


def test_a_collection_that_is_not_of_waveforms_and_options_that_there_are_not_are_refused(mongo_database):
    document = saved(mongo_database)
    for collection, message in (("site", "no collection of waveforms"), ("wf_none", "no collection wf_none")):
        with pytest.raises(ValueError, match=message):
            read(mongo_database, document, collection)
    for options in ({"mode": "careless"}, {"normalize": ["elog"]}, {"normalize": "site"}, {"exclude_keys": "calib"}):
        with pytest.raises(ValueError, match="careless|elog|site|calib"):
            read(mongo_database, document, **options)


# --- modes -----------------------------------------------------------------------------------------------------------


def test_promiscuous_is_the_default_and_takes_all_metadata_as_they_are(mongo_database):
    document = saved(mongo_database, calib="12", dir=7, snr={"rms": 3.5}, nsamp=5)
    metadata = read(mongo_database, document["_id"]).metadata
    assert {name: metadata[name] for name in document} == document


def test_cautious_converts_mismatched_types_and_logs_each(mongo_database):
    document = saved(mongo_database, calib="12", npts="300", starttime=int(START), loc=10)
    datum = read(mongo_database, document["_id"], mode="cautious")
    assert datum.live
    found = {name: datum.metadata[name] for name in ("calib", "npts", "starttime", "loc")}
    assert found == {"calib": 12.0, "npts": 300, "starttime": START, "loc": "10"}
    assert list(map(type, found.values())) == [float, int, float, str]
    assert {badness for badness, _ in messages(datum)} == {Badness.COMPLAINT}
    assert sorted(message.partition(":")[0] for _, message in messages(datum)) == ["calib", "loc", "npts", "starttime"]
    assert datum.metadata.changed == frozenset()


@pytest.mark.parametrize("wrong", [{"foff": "xyz"}, {"calib": [1.0]}])
def test_cautious_kills_only_what_cannot_be_converted(mongo_database, wrong):
    """The document's own examples: text that is no number as an integer, a list as a float."""
    document = saved(mongo_database, **wrong)
    [(key, value)] = wrong.items()
    assert_never_born(read(mongo_database, document["_id"], mode="cautious"), key, str(value))
    assert read(mongo_database, document["_id"]).live


def test_pedantic_kills_of_any_conflict_in_type(mongo_database):
    document = saved(mongo_database, calib=12, dir=7)
    assert_never_born(read(mongo_database, document["_id"], mode="pedantic"), "calib: 12 is int, not double", "dir: 7")
    sound = saved(mongo_database, note=[1, "unknown to the schema"])
    assert read(mongo_database, sound["_id"], mode="pedantic").live


@pytest.mark.parametrize("mode", ["cautious", "pedantic"])
def test_aliases_become_the_names_that_the_schema_has(mongo_database, mode):
    document = saved(mongo_database, delta=None, dt=0.01, starttime=None, t0=START, npts=None, nsamp=300)
    datum = read(mongo_database, document["_id"], mode=mode)
    assert datum.live
    assert (datum.delta, datum.starttime, datum.npts) == (0.01, START, 300)
    assert not {"dt", "t0", "nsamp"} & set(datum.metadata)
    assert_never_born(read(mongo_database, document["_id"]), "npts is None")


def test_an_alias_beside_the_name_that_it_stands_for_is_left_and_logged(mongo_database):
    document = saved(mongo_database, dt=0.5)
    datum = read(mongo_database, document["_id"], mode="cautious")
    assert (datum.delta, datum.metadata["dt"]) == (0.01, 0.5)
    [(badness, message)] = messages(datum)
    assert badness is Badness.COMPLAINT
    assert message.startswith("dt is another name of delta")


def test_cautious_converts_ids_before_it_follows_them(mongo_database, stations):
    document = saved(mongo_database, site_id=str(stations["site"]))
    assert read(mongo_database, document["_id"], mode="cautious").metadata["site_lat"] == 47.7
    loose = read(mongo_database, document["_id"])
    assert loose.live
    assert "site_lat" not in loose.metadata
    [(_, message)] = messages(loose)
    assert message.startswith("there is no site of its site_id")


# --- normalisation ---------------------------------------------------------------------------------------------------


def test_ids_bring_what_site_channel_and_source_hold_without_ids_pickles_and_stationxml(mongo_database, stations):
    document = saved(mongo_database, **ids_of(stations), channel_hang=99.0)
    metadata = read(mongo_database, document["_id"]).metadata
    brought = {name: metadata[name] for name in metadata if name.startswith(("site_", "channel_", "source_"))}
    codes = {"net": "BW", "sta": "RJOB", "loc": "", "starttime": 0.0, "endtime": 2556144000.0, **PLACES}
    assert brought == {
        **ids_of(stations),
        **{f"site_{name}": value for name, value in codes.items()},
        **{f"channel_{name}": value for name, value in (codes | {"chan": "EHZ", "hang": 0.0, "vang": 0.0}).items()},
        "source_lat": 41.8,
        "source_lon": 79.7,
        "source_depth": 1.0,
        "source_time": START - 5,
    }


def test_only_the_collections_of_normalize_are_loaded(mongo_database, stations):
    document = saved(mongo_database, **ids_of(stations))
    metadata = read(mongo_database, document["_id"], normalize=["source"]).metadata
    assert "source_lat" in metadata
    assert not {"site_lat", "channel_lat"} & set(metadata)


def test_an_id_of_nothing_is_a_complaint(mongo_database, stations):
    gone = ObjectId()
    document = saved(mongo_database, **ids_of(stations) | {"channel_id": gone})
    datum = read(mongo_database, document["_id"])
    assert datum.live
    assert messages(datum) == [(Badness.COMPLAINT, f"there is no channel of its channel_id, {gone}")]
    assert datum.metadata["channel_id"] == gone


def test_a_datum_without_a_required_id_is_none_and_elog_says_why(mongo_database, stations):
    document = saved(mongo_database, site_id=stations["site"])
    for _ in range(2):
        assert read(mongo_database, document["_id"], required=["site", "source"]) is None
    [told] = mongo_database.elog.find()
    assert told["wf_TimeSeries_id"] == document["_id"]
    [entry] = told["logdata"]
    assert (entry["algorithm"], entry["badness"]) == ("read_data", "ErrorSeverity.Complaint")
    assert "no source_id, which is required" in entry["error_message"]
    assert not SCHEMA.undefined(told, "elog")
    assert not SCHEMA.missing(told, "elog")
    assert read(mongo_database, document["_id"], required=["site"]).live


def test_a_datum_whose_required_id_is_of_nothing_is_none_too(mongo_database):
    document = saved(mongo_database, source_id=ObjectId())
    assert read(mongo_database, document["_id"], required=["source"]) is None
    assert "there is no source" in mongo_database.elog.find_one()["logdata"][0]["error_message"]


def test_keys_can_be_dropped_in_the_read_but_not_those_that_a_datum_needs(mongo_database, stations):
    document = saved(mongo_database, **ids_of(stations), calib=1.0, tags=["a"])
    keys = ["calib", "tags", "site_lat", "gridfs_id", "starttime", "delta", "_id", "not there"]
    datum = read(mongo_database, document["_id"], exclude_keys=keys)
    assert datum.live
    assert not {"calib", "tags", "site_lat", "gridfs_id"} & set(datum.metadata)
    assert {"starttime", "delta", "_id", "site_lon"} <= set(datum.metadata)


def test_a_schema_of_ones_own_excludes_fields_of_any_collection(mongo_database, stations, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        "[wf_TimeSeries.fields]\ncalib = { excluded = true, aliases = ['factor'] }\n"
        "[site.fields]\nlat = { excluded = true }\n[channel.fields]\nstationxml = { excluded = false }"
    )
    document = saved(mongo_database, **ids_of(stations), factor=1.0)
    datum = read_datum(mongo_database, load_schema(path), document["_id"], "wf_TimeSeries")
    assert not {"calib", "factor", "site_lat", "channel_serialized_channel_data"} & set(datum.metadata)
    assert datum.metadata["channel_stationxml"].startswith("<x/>")


# --- samples that cannot be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"storage_mode": "tape"}, ["illegal storage_mode 'tape'"]),
        ({"storage_mode": "file", "dir": "/nowhere", "dfile": "x", "foff": 0}, ["/nowhere/x", "No such file"]),
        ({"storage_mode": "file", "dir": "/nowhere", "dfile": "a\0b", "foff": 0}, ["null byte"]),
        ({"gridfs_id": ObjectId()}, ["no samples in GridFS"]),
        ({"npts": 299}, ["2400 bytes, not the 2392"]),
        ({"npts": 10**30}, ["2400 bytes, not the 8000000"]),
        ({"delta": None}, ["a delta or sampling_rate"]),
        ({"delta": -1.0}, ["delta is -1.0, not more than 0"]),
        ({"starttime": "yesterday"}, ["starttime is 'yesterday'"]),
        ({"storage_mode": "url", "format": "mseed", "url": "http://x/y", "foff": 0, "nbytes": 5}, ["illegal url"]),
        ({"storage_mode": "url", "format": "mseed", "url": "file:///a/../b", "foff": 0, "nbytes": 5}, ["illegal url"]),
        ({"storage_mode": "url", "format": "SAC", "url": "file:///a"}, ["format 'SAC'"]),
        ({"storage_mode": "url", "format": "mseed", "url": "file:///nowhere/x", "foff": 0, "nbytes": 5}, ["nowhere/x"]),
    ],
)
def test_what_cannot_be_read_is_dead_and_its_log_says_why(mongo_database, wrong, words):
    document = {"_id": ObjectId(), "starttime": START, "delta": 0.01, "npts": 300, "sta": "RJOB"}
    document |= put_gridfs(GridFSBucket(mongo_database), SAMPLES) | wrong
    document = {name: value for name, value in document.items() if value is not None}
    datum = read(mongo_database, document)
    assert_never_born(datum, *words)
    assert {name: datum.metadata[name] for name in document} == document


def test_a_server_that_fails_is_no_fault_of_the_datum(mongo_uri):
    from pymongo import MongoClient

    client = MongoClient(mongo_uri)
    database = client["seisbatch_none"]
    client.close()
    with pytest.raises(PyMongoError):
        read(database, {"_id": 1, "npts": 3, "storage_mode": "gridfs", "gridfs_id": ObjectId()})


# --- mspasspy's own documents ----------------------------------------------------------------------------------------


@pytest.fixture
def mspass_database(mongo_database):
    """What mspasspy wrote, as it stands."""
    for one in mspass_documents().values():
        mongo_database[one["collection"]].insert_one(one["document"])
    return mongo_database


def raw(database, document):
    """The samples of a document in GridFS as MongoDB holds them."""
    chunks = database["fs.chunks"].find({"files_id": document["gridfs_id"]}).sort("n", 1)
    return np.frombuffer(b"".join(chunk["data"] for chunk in chunks))


def test_documents_of_mspass_in_gridfs(mspass_database):
    document = mspass_document(GRIDFS_TITLE)
    for mode in ("promiscuous", "cautious", "pedantic"):
        datum = read(mspass_database, document["_id"], mode=mode)
        np.testing.assert_array_equal(datum.samples, raw(mspass_database, document))
        np.testing.assert_array_equal(datum.samples, obspy_example().select(channel="EHZ")[0].data)
        assert dict(datum.metadata) == document | {"is_abortion": False}
        assert messages(datum) == []


def test_a_document_of_mspass_of_the_usual_workflow_keeps_all_it_holds(mspass_database):
    """Its samples are others here, as MsPASS's are not at hand."""
    document = mspass_document("wf_TimeSeries: read from wf_miniseed, filtered, attributes added, saved (the usual workflow)")
    samples = np.arange(3000.0)
    mspass_database["fs.files"].delete_many({"_id": document["gridfs_id"]})
    GridFSBucket(mspass_database).upload_from_stream_with_id(document["gridfs_id"], "", samples.tobytes())
    datum = read(mspass_database, document["_id"])
    np.testing.assert_array_equal(datum.samples, samples)
    assert datum.metadata["snr"] == {"rms": 3.5, "peak": 9.0}
    assert datum.metadata["tags"] == ["a", "b"]
    assert datum.metadata["source_depth"] == mspass_document("source: save_catalog")["depth"]
    assert not [name for name in datum.metadata if "serialized" in name]


def test_a_seismogram_of_mspass_in_gridfs_and_in_a_binary_file(mspass_database, tmp_path):
    """GridFS holds component after component, a file the three samples of an instant together."""
    document = mspass_document("wf_Seismogram: gridfs")
    three = np.array([trace.data for trace in obspy_example()], dtype=np.float64)
    for name in ("fs.files", "fs.chunks"):
        mspass_database[name].delete_many({"$or": [{"_id": document["gridfs_id"]}, {"files_id": document["gridfs_id"]}]})
    GridFSBucket(mspass_database).upload_from_stream_with_id(document["gridfs_id"], "", three.tobytes())
    datum = read(mspass_database, document["_id"], "wf_Seismogram")
    np.testing.assert_array_equal(datum.samples, raw(mspass_database, document).reshape(3, 3000))
    np.testing.assert_array_equal(datum.tmatrix, np.array(document["tmatrix"]).reshape(3, 3))
    assert len(datum.elog) == 0
    (tmp_path / "wf.bin").write_bytes(three.T.tobytes())
    place = {"storage_mode": "file", "format": "binary", "dir": str(tmp_path), "dfile": "wf.bin", "foff": 0}
    datum = read(mspass_database, document | place, "wf_Seismogram")
    body = np.frombuffer((tmp_path / "wf.bin").read_bytes())
    np.testing.assert_array_equal(datum.samples, body.reshape(3000, 3).T)


def test_documents_of_mspass_in_files_of_binary_and_of_miniseed(mspass_database, tmp_path):
    north, east = (obspy_example().select(channel=code)[0] for code in ("EHN", "EHE"))
    (tmp_path / "wf.bin").write_bytes(north.data.astype(np.float64).tobytes())
    east.write(tmp_path / "wf.mseed", format="MSEED")
    size = (tmp_path / "wf.mseed").stat().st_size
    for title, trace, more in (
        ("wf_TimeSeries: storage_mode file, format None (binary doubles)", north, {}),
        ("wf_TimeSeries: storage_mode file, format MSEED", east, {"nbytes": size}),
    ):
        datum = read(mspass_database, mspass_document(title) | {"dir": str(tmp_path)} | more)
        np.testing.assert_array_equal(datum.samples, trace.data)
        assert (datum.starttime, datum.metadata["chan"]) == (trace.stats.starttime.timestamp, trace.stats.channel)


def test_wf_miniseed_of_mspass_with_a_file_of_obspy(mspass_database, tmp_path):
    document = mspass_document(MINISEED_TITLE)
    trace = obspy_example().select(channel="EHZ")[0]
    trace.data = np.round(trace.data).astype(np.int32)
    other = trace.copy()
    other.stats.station = "FUR"
    obspy.Stream([other, trace]).write(tmp_path / "day.mseed", format="MSEED", reclen=512)
    first = io.BytesIO()
    other.write(first, format="MSEED", reclen=512)
    offset, size = len(first.getvalue()), (tmp_path / "day.mseed").stat().st_size
    place = {"dir": str(tmp_path), "foff": offset, "nbytes": size - offset}
    mspass_database.wf_miniseed.update_one({"_id": document["_id"]}, {"$set": place})
    datum = read(mspass_database, document["_id"], "wf_miniseed", mode="pedantic")
    np.testing.assert_array_equal(datum.samples, trace.data)
    assert (datum.starttime, datum.endtime) == (START, trace.stats.endtime.timestamp)


def test_the_illegal_storage_mode_that_mspass_made_an_abortion_of_is_one_here(mongo_database):
    tombstone = mspass_document("abortions: a reader failure (illegal storage_mode)")["tombstone"]
    document = {name: value for name, value in tombstone.items() if name != "is_abortion"}
    datum = read(mongo_database, document)
    assert_never_born(datum, "storage_mode 'tape'")
    assert dict(datum.metadata) == tombstone


# --- objects ---------------------------------------------------------------------------------------------------------


def records_of(samples, start=START):
    body = io.BytesIO()
    header = {"network": "BW", "station": "RJOB", "channel": "EHZ", "starttime": obspy.UTCDateTime(start), "sampling_rate": 100}
    obspy.Trace(samples, header).write(body, format="MSEED")
    return body.getvalue()


def test_miniseed_in_an_object_on_s3_and_in_a_file_by_url(mongo_database, s3_server, tmp_path):
    samples = [np.arange(start, start + 2000, dtype=np.int32) for start in (0, 70)]
    parts = [records_of(one) for one in samples]
    s3 = boto3.client("s3", endpoint_url=s3_server)
    s3.create_bucket(Bucket="waves")
    s3.put_object(Bucket="waves", Key="a/day.ms", Body=b"".join(parts))
    (tmp_path / "of this day=1.ms").write_bytes(b"".join(parts))
    document = {"_id": ObjectId(), "starttime": START, "delta": 0.01, "npts": 2000, "storage_mode": "url", "format": "mseed",
                "foff": len(parts[0]), "nbytes": len(parts[1])}  # fmt: skip
    stores = Stores(endpoint=s3_server, region="us-east-1")
    for url in ("s3://waves/a/day.ms", (tmp_path / "of this day=1.ms").as_uri(), f"file://{tmp_path}/of this day=1.ms"):
        datum = read(mongo_database, document | {"url": url}, stores=stores)
        np.testing.assert_array_equal(datum.samples, samples[1])
    for wrong, word in (
        ({"url": "s3://waves/a/gone.ms"}, "no object a/gone.ms"),
        ({"url": "s3://nobody/a/day.ms"}, "no such bucket"),
        ({"nbytes": len(parts[1]) + 1}, "ends 1 bytes before"),
        ({"npts": 1999}, "segments of [2000] samples, not one of 1999"),
        ({"foff": None}, "foff is None"),
    ):
        assert_never_born(read(mongo_database, document | {"url": "s3://waves/a/day.ms"} | wrong, stores=stores), word)


def test_a_service_of_objects_that_does_not_answer_is_no_fault_of_the_datum(mongo_database, monkeypatch):
    document = {"_id": ObjectId(), "starttime": START, "delta": 0.01, "npts": 20, "storage_mode": "url", "format": "mseed",
                "url": "s3://waves/a", "foff": 0, "nbytes": 512}  # fmt: skip
    monkeypatch.setattr("seisbatch.acquire.s3.RETRIES", 0)
    with pytest.raises(RunError, match="no connection"):
        read(mongo_database, document, stores=Stores(endpoint="http://127.0.0.1:9", region="us-east-1", anonymous=True))


def table_file(store, key, samples, group_rows):
    """A table wf_TimeSeries of some samples, so many rows a row group."""
    rows = []
    for number, one in enumerate(samples):
        start_ns = int((START + number) * 1e9)
        rows.append({
            "id": f"BW.RJOB..EHZ/{number}", "net": "BW", "sta": "RJOB", "loc": "", "chan": "EHZ",
            "starttime": to_datetime(start_ns), "endtime": to_datetime(start_ns + (len(one) - 1) * 10**7),
            "sampling_rate": 100.0, "npts": len(one), "units": "counts", "data_tag": "t", "window": "w",
            "s3key": "k", "parameters_id": "p", "encoding": "miniseed",
            "samples": pack(Channel("BW", "RJOB", "", "EHZ"), Segment(start_ns, 100.0, one)),
        })  # fmt: skip
    body = io.BytesIO()
    pq.write_table(pa.Table.from_batches([WF_TIME_SERIES.batch(rows)]), body, row_group_size=group_rows)
    store.put(key, body.getvalue())


@pytest.mark.parametrize("place", ["s3", "file"])
def test_rows_of_a_parquet_table_by_row_group_row_and_id(mongo_database, s3_server, tmp_path, place):
    samples = [np.arange(number, number + 100 + number, dtype=np.int32) for number in range(5)]
    root = "s3://waves/out" if place == "s3" else str(tmp_path / "out")
    if place == "s3":
        boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket="waves")
    stores = Stores(endpoint=s3_server, region="us-east-1")
    table_file(open_store(stores.settings(root)), "wf_TimeSeries/year=2009/a.parquet", samples, 2)
    url = f"{root}/wf_TimeSeries/year=2009/a.parquet" if place == "s3" else f"file://{root}/wf_TimeSeries/year=2009/a.parquet"
    if place == "file":
        assert pq.ParquetFile(url.removeprefix("file://")).num_row_groups == 3
    document = {"starttime": START, "delta": 0.01, "storage_mode": "url", "format": "parquet", "url": url}
    documents = [
        document | {"_id": ObjectId(), "npts": len(one), "row_group": number // 2, "row": number % 2,
                    "row_id": f"BW.RJOB..EHZ/{number}"}
        for number, one in enumerate(samples)
    ]  # fmt: skip
    ensemble = read_ensemble(mongo_database, SCHEMA, documents, "wf_TimeSeries", stores=stores)
    assert messages(ensemble) == []
    for datum, one in zip(ensemble.members, samples, strict=True):
        np.testing.assert_array_equal(datum.samples, one)
    for wrong, word in (
        ({"row": 1}, "is BW.RJOB..EHZ/1, not BW.RJOB..EHZ/0"),
        ({"row": 2}, "has 2 rows, none of number 2"),
        ({"row_group": 3}, "3 row groups, none of number 3"),
        ({"row_group": None}, "row_group is None"),
        ({"npts": 7}, "not one of 7"),
        ({"url": url.replace("a.parquet", "b.parquet")}, "b.parquet"),
    ):
        assert_never_born(read(mongo_database, documents[0] | wrong, stores=stores), word)


def test_a_file_that_is_no_parquet_table_of_waveforms(mongo_database, tmp_path):
    document = {"_id": 1, "starttime": START, "delta": 0.01, "npts": 100, "storage_mode": "url", "format": "parquet",
                "row_group": 0, "row": 0, "row_id": "BW.RJOB..EHZ/0"}  # fmt: skip
    store = open_store(StoreSettings(str(tmp_path)))
    table_file(store, "a.parquet", [np.arange(100, dtype=np.int32)], 1)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-9])
    (tmp_path / "text.parquet").write_bytes(b"no table " * 100)
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1" + b"\xff" * (len(whole) // 3) + whole[4 + len(whole) // 3 :])
    pq.write_table(pq.read_table(tmp_path / "a.parquet", columns=["id"]), tmp_path / "other.parquet")
    for name in ("cut", "text", "damaged", "other"):
        assert_never_born(read(mongo_database, document | {"url": f"file://{tmp_path}/{name}.parquet"}))
    assert read(mongo_database, document | {"url": f"file://{tmp_path}/a.parquet"}).live


# --- ensembles -------------------------------------------------------------------------------------------------------


def test_an_ensemble_is_read_of_a_list_of_ids_in_its_order_or_of_a_cursor(mongo_database):
    documents = [saved(mongo_database, samples=SAMPLES[:number], number=number) for number in range(10, 20)]
    ids = [document["_id"] for document in documents[::-1]]
    ensemble = read_ensemble(mongo_database, SCHEMA, ids, "wf_TimeSeries")
    assert type(ensemble) is TimeSeriesEnsemble
    assert [datum.metadata["_id"] for datum in ensemble.members] == ids
    assert [datum.npts for datum in ensemble.members] == list(range(19, 9, -1))
    cursor = mongo_database.wf_TimeSeries.find({"number": {"$gt": 14}}).sort("number", -1).limit(3)
    ensemble = read_ensemble(mongo_database, SCHEMA, cursor, "wf_TimeSeries")
    assert [datum.npts for datum in ensemble.members] == [19, 18, 17]
    assert type(read_ensemble(mongo_database, SCHEMA, [], "wf_Seismogram")) is SeismogramEnsemble


def test_an_ensemble_tells_of_ids_that_are_not_there_of_data_ignored_and_of_the_dead(mongo_database, stations):
    live = saved(mongo_database, source_id=stations["source"])
    without = saved(mongo_database)
    dead = saved(mongo_database, source_id=stations["source"], storage_mode="tape")
    gone = ObjectId()
    ids = [gone, without["_id"], dead["_id"], live["_id"]]
    ensemble = read_ensemble(mongo_database, SCHEMA, ids, "wf_TimeSeries", required=["source"])
    assert [datum.metadata["_id"] for datum in ensemble.members] == [live["_id"]]
    assert [datum.metadata["_id"] for datum in ensemble.dead] == [dead["_id"]]
    assert_never_born(ensemble.dead[0], "tape")
    told = sorted(entry.message for entry in ensemble.elog)
    expected = {gone: "no such document", without["_id"]: "no source_id", dead["_id"]: "dead: illegal storage_mode 'tape'"}
    assert len(told) == 3
    for own, words in expected.items():
        [message] = [message for message in told if message.startswith(str(own))]
        assert words in message


def test_a_query_of_too_much_is_refused_before_samples_are_read(mongo_database):
    documents = [saved(mongo_database, storage_mode="tape", npts=1000) for _ in range(4)]
    ids = [document["_id"] for document in documents]
    for what in (ids, mongo_database.wf_TimeSeries.find()):
        with pytest.raises(ValueError, match=r"of (4|more than 3) data: the limit is max_members, 3"):
            read_ensemble(mongo_database, SCHEMA, what, "wf_TimeSeries", max_members=3)
    for what in (ids, mongo_database.wf_TimeSeries.find()):
        with pytest.raises(ValueError, match=r"3\.2e-05 GB .*max_bytes, 3\.1e-05 GB"):
            read_ensemble(mongo_database, SCHEMA, what, "wf_TimeSeries", max_bytes=31_000)
    assert len(read_ensemble(mongo_database, SCHEMA, ids, "wf_TimeSeries", max_bytes=32_000, max_members=4).dead) == 4


def test_what_many_data_share_is_fetched_once(mongo_uri, mongo_database, stations):
    from pymongo import MongoClient

    class Finds(CommandListener):
        seen = []

        def started(self, event):
            if event.command_name == "find":
                self.seen.append(event.command["find"])

        def succeeded(self, event): ...
        def failed(self, event): ...

    ids = [saved(mongo_database, samples=SAMPLES[:3], **ids_of(stations))["_id"] for _ in range(30)]
    with MongoClient(mongo_uri, event_listeners=[Finds()]) as client:
        ensemble = read_ensemble(client[mongo_database.name], SCHEMA, ids, "wf_TimeSeries")
    assert {datum.metadata["site_lat"] for datum in ensemble.members} == {47.7}
    assert sorted(name for name in Finds.seen if not name.startswith("fs.")) == ["channel", "site", "source", "wf_TimeSeries"]


def test_samples_of_files_stand_in_the_order_in_which_they_were_written(mongo_database, tmp_path):
    written = [append_file(tmp_path, "data", one) for one in (SAMPLES[:10], SAMPLES[10:30])]
    data = [
        read(mongo_database, {"_id": number, "starttime": START, "delta": 1.0, "npts": place["nbytes"] // 8, **place})
        for number, place in enumerate(written)
    ]
    np.testing.assert_array_equal(np.concatenate([datum.samples for datum in data]), SAMPLES[:30])


@pytest.mark.parametrize("tmatrix", [{"a": 1}, [{}] * 9, "unit", [[1.0], [2.0, 3.0]]])
def test_a_tmatrix_of_anything_else_than_numbers_leaves_a_dead_datum(mongo_database, tmatrix):
    database = Database(mongo_database.client, mongo_database.name)
    own = database.save_data(seismogram())["_id"]
    database.wf_Seismogram.update_one({"_id": own}, {"$set": {"tmatrix": tmatrix}})
    datum = database.read_data(own, collection="wf_Seismogram")
    assert not datum.live
    assert "tmatrix is not nine finite numbers" in datum.elog.entries[-1].message
