"""Data saved in MongoDB: what the documents hold, and what becomes of data that are not as they should be."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import obspy
import pytest
from bson import ObjectId
from gridfs import GridFSBucket
from obspy import UTCDateTime
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect
from seisbatch.mongo import Database
from seisbatch.mongo.data import Seismogram, TimeSeries, TimeSeriesEnsemble
from seisbatch.mongo.elog import Badness
from seisbatch.mongo.references import object_reference

from tests.mongo.made import SAMPLES, START, in_database, seismogram, series
from tests.mongo.mspass_documents import bson_types, mspass_document
from tests.obspy_example import obspy_example


def gridfs_bytes(database, document):
    with GridFSBucket(database).open_download_stream(document["gridfs_id"]) as stream:
        return stream.read()


# --- create ---------------------------------------------------------------------------------------------------------


def test_save_data_of_an_obspy_trace_as_in_the_example(database):
    trace = obspy.read(format="MSEED", pathname_or_url=mseed_bytes())[0]
    database.save_data(trace)
    document = database.wf_TimeSeries.find_one()
    assert (document["net"], document["sta"], document["chan"], document["npts"]) == ("BW", "RJOB", "EHZ", 3000)
    assert document["starttime"] == pytest.approx(trace.stats.starttime.timestamp, abs=1e-6)
    np.testing.assert_array_equal(np.frombuffer(gridfs_bytes(database, document)), trace.data)


def mseed_bytes():
    trace = obspy.Trace(np.arange(3000, dtype=np.int32), {"network": "BW", "station": "RJOB", "channel": "EHZ", "delta": 0.01})
    buffer = io.BytesIO()
    trace.write(buffer, format="MSEED")
    buffer.seek(0)
    return buffer


def test_a_document_has_the_fields_and_types_of_mspass(database, tmp_path):
    def saved(datum, **options):
        told = database.save_data(datum, **options)
        return database["wf_Seismogram" if isinstance(datum, Seismogram) else "wf_TimeSeries"].find_one({"_id": told["_id"]})

    def same_types(document, title):
        wanted = bson_types(mspass_document(title))
        assert {name: bson_types(document[name]) for name in wanted} == wanted, title

    same_types(saved(series(), data_tag="raw"), "wf_TimeSeries: storage_mode gridfs, straight after save_data")
    on_disk = {"storage_mode": "file", "dir": tmp_path, "data_tag": "raw"}
    same_types(saved(series(), dfile="wf.bin", **on_disk), "wf_TimeSeries: storage_mode file, format None (binary doubles)")
    same_types(saved(series(), dfile="wf.mseed", format="MSEED", **on_disk), "wf_TimeSeries: storage_mode file, format MSEED")
    logged = series()
    logged.elog.post("bandpass", "corner above Nyquist, clipped")
    same_types(saved(logged, data_tag="logged"), "wf_TimeSeries: with an elog entry")
    same_types(database.elog.find_one(), "elog: written by save_data (no wf id: the wf document holds elog_id instead)")
    with_history = series()
    with_history.history.add("bandpass", freqmin=0.5)
    same_types(saved(with_history, data_tag="hist"), "wf_TimeSeries: with history")
    steps = database.history_object.find_one()
    wanted = {
        name: type_ for name, type_ in bson_types(mspass_document("history_object")).items() if name != "processing_history"
    }
    assert {name: bson_types(steps[name]) for name in wanted} == wanted
    three = seismogram(calib=1.0)
    three.history.add("rotate")
    same_types(saved(three, data_tag="3c"), "wf_Seismogram: gridfs")
    dead = series()
    dead.kill("snr", "SNR below threshold")
    database.save_data(dead)
    wanted = bson_types(mspass_document("cemetery: a new datum killed, saved"))
    grave = database.cemetery.find_one()
    assert {name: bson_types(grave["tombstone"][name]) for name in wanted["tombstone"]} == wanted["tombstone"]
    assert bson_types(grave["logdata"])[0] == wanted["logdata"][0]


def test_blank_codes_are_not_in_documents_of_waveforms_but_on_tombstones(database):
    database.save_data(series(loc="", note=""))
    assert not {"loc", "note"} & database.wf_TimeSeries.find_one().keys()
    dead = series(loc="")
    dead.kill("test", "no use")
    database.save_data(dead)
    assert database.cemetery.find_one()["tombstone"]["loc"] == ""


def test_samples_of_a_seismogram_are_component_after_component_in_gridfs_and_interleaved_in_files(database, tmp_path):
    three = seismogram()
    told = database.save_data(three, return_list=["_id", "gridfs_id"])
    body = gridfs_bytes(database, told)
    np.testing.assert_array_equal(np.frombuffer(body).reshape(3, 10), three.samples)
    database.save_data(seismogram(), storage_mode="file", dir=tmp_path, dfile="three")
    np.testing.assert_array_equal(np.frombuffer((tmp_path / "three").read_bytes()).reshape(10, 3).T, three.samples)


def test_miniseed_in_files_is_read_by_obspy(database, tmp_path):
    places = [
        database.save_data(
            series(), storage_mode="file", dir=tmp_path, dfile="day", format="MSEED", return_list=["foff", "nbytes"]
        )
        for _ in range(2)
    ]
    assert places[1]["foff"] == places[0]["nbytes"]
    body = (tmp_path / "day").read_bytes()[places[1]["foff"] :]
    [trace] = obspy.read(io.BytesIO(body), format="MSEED")
    np.testing.assert_array_equal(trace.data, SAMPLES)
    assert trace.id == "BW.RJOB..EHZ"


def test_the_file_may_be_named_in_the_metadata(database, tmp_path):
    database.save_data(series(dir=str(tmp_path), dfile="data.binary"), storage_mode="file")
    np.testing.assert_array_equal(np.frombuffer((tmp_path / "data.binary").read_bytes()), SAMPLES)
    with pytest.raises(ValueError, match="needs dir and dfile"):
        database.save_data(series(), storage_mode="file")


def test_samples_by_reference_stay_where_they_are(database):
    url = "s3://scedc-pds/continuous_waveforms/2011/2011_070/CIBZN__BHZ___2011070.ms"
    database.save_data(series(), reference=object_reference(url, 512, 4096))
    document = database.wf_TimeSeries.find_one()
    assert (document["storage_mode"], document["url"], document["foff"], document["nbytes"]) == ("url", url, 512, 4096)
    assert database["fs.files"].count_documents({}) == 0


def test_save_data_returns_what_is_asked_for(database):
    told = database.save_data(series(), return_list=["_id", "npts", "nothing"])
    assert told == {"is_live": True, "_id": database.wf_TimeSeries.find_one()["_id"], "npts": 3000}
    datum = series()
    assert database.save_data(datum, return_data=True) is datum
    assert database.wf_TimeSeries.count_documents({"_id": datum.metadata["_id"]}) == 1
    datum.kill("test", "no use")
    told = database.save_data(datum)
    assert told == {"is_live": False, "cemetery_id": database.cemetery.find_one()["_id"]}


def test_a_saved_copy_always_has_a_new_id_and_the_data_tag_that_is_given_or_none(database):
    datum = series()
    ids = [database.save_data(datum, data_tag=tag)["_id"] for tag in ("raw", "filtered", None)]
    assert len(set(ids)) == 3
    assert [database.wf_TimeSeries.find_one({"_id": own}).get("data_tag") for own in ids] == ["raw", "filtered", None]


def test_all_metadata_are_stored_but_those_of_normalised_collections(database):
    ids = {name: ObjectId() for name in ("source_id", "site_id", "channel_id")}
    values = {"source_lat": 38.3, "site_elev": 0.5, "channel_hang": 90.0}
    database.save_data(series(snr={"rms": 3.5}, tags=["a", "b"], **ids, **values))
    document = database.wf_TimeSeries.find_one()
    assert {name: document[name] for name in ids} == ids
    assert (document["snr"], document["tags"]) == ({"rms": 3.5}, ["a", "b"])
    assert not values.keys() & document.keys()
    assert "elog_id" not in document


def test_excluded_keys_are_not_saved_but_what_a_document_needs_is(database):
    datum = series(secret=1)
    database.save_data(datum, exclude_keys=["secret", "npts"])
    document = database.wf_TimeSeries.find_one()
    assert "secret" not in document
    assert document["npts"] == 3000
    assert "npts was to be left out" in database.elog.find_one()["logdata"][0]["error_message"]


def test_save_ensemble_data_copies_the_ensembles_metadata_over_that_of_each_member(database):
    ensemble = TimeSeriesEnsemble([series(gather="mine"), series(), series()])
    ensemble.metadata["gather"] = "g1"
    ensemble.members[2].kill("test", "no use")
    ensemble.elog.post("gather", "one of three is of no use")
    told = database.save_ensemble_data(ensemble, data_tag="ens")
    assert [one["is_live"] for one in told] == [True, True, False]
    assert [one["gather"] for one in database.wf_TimeSeries.find({"data_tag": "ens"})] == ["g1", "g1"]
    assert database.cemetery.find_one()["tombstone"]["gather"] == "g1"
    assert database.elog.find_one()["logdata"][0]["error_message"] == "one of three is of no use"
    assert database.save_ensemble_data(ensemble, return_data=True) is ensemble


def test_the_handle_for_seismograms_and_data_of_the_other_kind(mongo_database):
    database = Database(mongo_database.client, mongo_database.name, db_schema="wf_Seismogram")
    database.save_data(seismogram())
    database.save_data(series())
    assert (database.wf_Seismogram.count_documents({}), database.wf_TimeSeries.count_documents({})) == (1, 1)
    with pytest.raises(ValueError, match="wf_Seismogram holds no TimeSeries"):
        database.save_data(series(), collection="wf_Seismogram")
    with pytest.raises(ValueError, match="source holds no waveforms"):
        Database(mongo_database.client, mongo_database.name, db_schema="source")


# --- the outcomes of a save -----------------------------------------------------------------------------------------


def test_outcome_1_no_problem_leaves_no_log(database):
    database.save_data(series(), mode="pedantic")
    assert database.elog.count_documents({}) == 0


def test_outcome_2_repaired_types_are_harmless_and_logged(database):
    datum = series(calib=1, snr="4.5")
    database.save_data(datum, mode="cautious")
    document = database.wf_TimeSeries.find_one()
    assert type(document["calib"]) is float
    [entry] = database.elog.find_one({"_id": document["elog_id"]})["logdata"]
    assert (entry["badness"], entry["algorithm"]) == ("ErrorSeverity.Complaint", "save_data")
    database.save_data(series(calib=1))
    assert [type(one["calib"]) for one in database.wf_TimeSeries.find()] == [float, int]  # promiscuous: as it is


@pytest.mark.parametrize(("mode", "value"), [("cautious", "xyz"), ("cautious", [1.0]), ("pedantic", 1)])
def test_a_type_that_cannot_be_converted_or_in_pedantic_mode_any_wrong_one_kills(database, mode, value):
    told = database.save_data(series(calib=value), mode=mode)
    assert not told["is_live"]
    assert database.wf_TimeSeries.count_documents({}) == database["fs.files"].count_documents({}) == 0
    assert "calib" in database.cemetery.find_one()["logdata"][0]["error_message"]


def test_outcome_3_changed_read_only_and_normalised_values_are_saved_under_another_key_and_logged(database):
    datum = in_database(database, series(site_lat=47.7, loc="00"))
    datum.metadata.update({"sta": "OTHER", "site_lat": 1.0, "source_note": "mine"})
    del datum.metadata["loc"]
    told = database.save_data(datum)
    document = database.wf_TimeSeries.find_one({"_id": told["_id"]})
    assert (document["sta"], document["loc"]) == ("RJOB", "00")
    assert document["READONLYERROR_sta"] == "OTHER"
    assert document["READONLYERROR_site_lat"] == 1.0
    assert document["READONLYERROR_source_note"] == "mine"
    assert not {"site_lat", "source_note"} & document.keys()
    log = database.elog.find_one({"_id": document["elog_id"]})["logdata"]
    assert [entry["badness"] for entry in log] == ["ErrorSeverity.Suspect"] * 4
    assert (datum.metadata["sta"], datum.metadata["site_lat"]) == ("RJOB", 47.7)
    assert not datum.metadata.changed


@pytest.mark.parametrize("key", ["source_id", "site_id", "channel_id"])
@pytest.mark.parametrize("deleted", [False, True])
def test_outcome_4_a_changed_cross_referencing_id_kills_and_sends_to_the_graveyard(database, key, deleted):
    datum = in_database(database, series(**{key: ObjectId()}))
    own = datum.metadata["_id"]
    if deleted:
        del datum.metadata[key]
    else:
        datum.metadata[key] = ObjectId()
    told = database.save_data(datum)
    assert not told["is_live"]
    assert not datum.live
    assert database.wf_TimeSeries.count_documents({}) == 1
    grave = database.cemetery.find_one()
    assert grave["wf_TimeSeries_id"] == grave["tombstone"]["_id"] == own
    assert grave["logdata"][-1]["badness"] == "ErrorSeverity.Invalid"
    assert key in grave["logdata"][-1]["error_message"]


def test_a_first_id_may_be_given(database):
    datum = series()
    own = datum.metadata["channel_id"] = ObjectId()
    database.save_data(datum)
    assert database.wf_TimeSeries.find_one()["channel_id"] == own


def test_outcome_5_system_errors_end_the_save(database, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        database.save_data(series(), storage_mode="file", dir=tmp_path / "file" / "below", dfile="x")
    assert database.wf_TimeSeries.count_documents({}) == 0
    with pytest.raises(ValueError, match="tape"):
        database.save_data(series(), storage_mode="tape")


def test_a_save_never_fails_for_what_metadata_hold(database):
    datum = series(
        pick=UTCDateTime(START), weights=np.arange(3.0), huge=2**70, thing=object(), nested={"at": UTCDateTime(START)},
        dotted={"a.b": 1},
    )  # fmt: skip
    datum.metadata["nul\0"] = 1
    assert database.save_data(datum)["is_live"]
    document = database.wf_TimeSeries.find_one()
    assert (document["pick"], document["weights"], document["nested"]) == (START, [0.0, 1.0, 2.0], {"at": START})
    assert document["dotted"] == {"a.b": 1}
    assert not {"huge", "thing"} & document.keys()
    told = " ".join(entry["error_message"] for entry in database.elog.find_one()["logdata"])
    assert all(word in told for word in ("huge", "thing", "1180591620717411303424", "nul"))


def test_metadata_too_large_for_a_document_kill_and_leave_a_tombstone_that_fits(database):
    told = database.save_data(series(note="x" * 17_000_000, remark="small"))
    assert not told["is_live"]
    grave = database.cemetery.find_one()
    assert grave["tombstone"]["remark"] == "small"
    assert "more than a document" in grave["logdata"][0]["error_message"]
    assert "note is too large" in grave["logdata"][1]["error_message"]


def test_a_log_of_any_length_fits(database):
    datum = series()
    for number in range(5000):
        datum.elog.post("loop", f"{number} " + "x" * 5000)
    datum.kill("loop", "no use")
    database.save_data(datum)
    log = database.cemetery.find_one()["logdata"]
    assert log[0]["error_message"].startswith("0 x")
    assert log[-1]["error_message"] == "no use"
    assert any("3002 entries are left out" in entry["error_message"] for entry in log)


# --- logs, graves and histories -------------------------------------------------------------------------------------


def test_log_entries_are_always_saved_and_linked_both_ways(database):
    datum = series()
    datum.elog.post("bandpass", "corner above Nyquist, clipped")
    told = database.save_data(datum, data_tag="logged", return_list=["_id", "elog_id"])
    log = database.elog.find_one({"_id": told["elog_id"]})
    assert (log["wf_TimeSeries_id"], log["data_tag"]) == (told["_id"], "logged")
    [entry] = log["logdata"]
    assert (entry["algorithm"], entry["badness"]) == ("bandpass", "ErrorSeverity.Complaint")
    assert isinstance(entry["process_id"], int)
    database.save_data(datum)
    assert database.elog.count_documents({}) == 1  # what stands in a document is not written twice


def test_samples_of_dead_data_are_thrown_away_and_the_query_for_the_dead_finds_them(database):
    datum = series()
    datum.elog.post("bandpass", "first")
    datum.kill("snr", "SNR 1.2 below 3")
    database.save_data(datum, data_tag="tohoku")
    assert database["fs.files"].count_documents({}) == database.wf_TimeSeries.count_documents({}) == 0
    assert datum.samples.size == 0
    [grave] = database.cemetery.find({"tombstone": {"$exists": True}, "data_tag": "tohoku"})
    stone = grave["tombstone"]
    assert (stone["net"], stone["sta"], stone["starttime"], stone["npts"]) == ("BW", "RJOB", START, 3000)
    assert [entry["error_message"] for entry in grave["logdata"]] == ["first", "SNR 1.2 below 3"]


def test_what_was_never_born_goes_to_abortions(database):
    datum = TimeSeries(None, {"_id": ObjectId(), "net": "BW", "is_abortion": True})
    datum.kill("read_data", "no such file")
    assert "abortions_id" in database.save_data(datum)
    wanted = mspass_document("abortions: a reader failure (illegal storage_mode)").keys()
    document = database.abortions.find_one()
    assert document.keys() == wanted
    assert "TimeSeries" in document["type"]


def test_a_saved_history_is_cleared_and_rooted_anew_at_what_was_saved(database):
    datum = series()
    datum.history.add("bandpass", freqmin=0.5)
    own = database.save_data(datum, alg_id="7")["_id"]
    document = database.history_object.find_one()
    assert (document["wf_TimeSeries_id"], document["alg_name"], document["alg_id"]) == (own, "save_data", "7")
    assert [step["algorithm"] for step in document["steps"]] == ["bandpass"]
    assert database.wf_TimeSeries.find_one()["history_object_id"] == document["_id"]
    [origin] = datum.history
    assert origin.parameters == {"collection": "wf_TimeSeries", "id": str(own)}


def test_saving_history_is_optional(database):
    datum = series()
    datum.history.add("bandpass")
    database.save_data(datum, save_history=False)
    database.save_data(series())  # none to save
    assert database.history_object.count_documents({}) == 0
    assert len(datum.history) == 1


def test_a_new_document_does_not_take_over_the_logs_of_the_one_it_was_read_as(database):
    datum = series(elog_id=ObjectId(), history_object_id=ObjectId())
    database.save_data(datum)
    assert not {"elog_id", "history_object_id"} & database.wf_TimeSeries.find_one().keys()


def test_data_tag_and_storage_of_a_reused_datum_are_those_of_the_last_save(database, tmp_path):
    datum = series()
    database.save_data(datum, storage_mode="file", dir=tmp_path, dfile="x", data_tag="one")
    database.save_data(datum)
    first, second = database.wf_TimeSeries.find()
    assert (first["storage_mode"], first["data_tag"]) == ("file", "one")
    assert second["storage_mode"] == "gridfs"
    assert Path(second["dir"]) == tmp_path  # as MsPASS: storage_mode alone tells
    assert Badness.COMPLAINT not in {entry.badness for entry in datum.elog}


def test_a_wrong_call_kills_no_data_and_saves_no_part_of_them(database, tmp_path):
    three = seismogram()
    on_disk = {"storage_mode": "file", "dir": tmp_path}
    with pytest.raises(ValueError, match="three components"):
        database.save_data(three, **on_disk, dfile="x", format="MSEED")
    datum = series()
    with pytest.raises(ValueError, match="no name of a file"):
        database.save_data(datum, **on_disk, dfile="below/x")
    for reference, message in (
        ({"url": "s3://bucket/key"}, "storage_mode"),
        ({"storage_mode": "url", "url": object()}, "url"),
        ({"storage_mode": "gridfs", "gridfs_id": ObjectId()}, "deleted with it"),
    ):
        with pytest.raises(ValueError, match=message):
            database.save_data(datum, reference=reference)
    assert three.live
    assert datum.live
    ensemble = TimeSeriesEnsemble([series(dir=str(tmp_path), dfile="x"), series()])
    with pytest.raises(ValueError, match="needs dir and dfile"):
        database.save_data(ensemble, storage_mode="file")
    assert not any(database[name].count_documents({}) for name in ("wf_TimeSeries", "wf_Seismogram", "cemetery"))
    assert not list(tmp_path.iterdir())
    database.save_data(datum, reference={"storage_mode": "url", "url": "s3://bucket/key", "foff": np.int64(512), "nbytes": 512})
    assert database.wf_TimeSeries.find_one()["foff"] == 512


@pytest.mark.parametrize("place", [{"dir": 5}, {"dfile": 5}, {"dir": "nul\0"}, {"dfile": "a/b"}])
def test_metadata_that_name_no_file_kill_their_datum_alone(database, tmp_path, place):
    datum = series(**{"dir": str(tmp_path), "dfile": "x"} | place)
    assert not database.save_data(datum, storage_mode="file")["is_live"]
    assert "is no name of a" in database.cemetery.find_one()["logdata"][0]["error_message"]


@pytest.mark.parametrize(
    ("n_samples", "starttime", "delta"), [(0, START, 0.01), (20_000, START, 1 / 30e6), (20_000, 253402300000.0, 0.01)]
)
def test_what_miniseed_cannot_give_back_is_not_saved_as_such(database, tmp_path, n_samples, starttime, delta):
    codes = {"net": "BW", "sta": "RJOB", "chan": "EHZ"}
    datum = TimeSeries(np.arange(n_samples) % 7, codes, starttime=starttime, delta=delta)
    told = database.save_data(datum, storage_mode="file", dir=tmp_path, dfile="x", format="MSEED")
    assert not told["is_live"]
    assert "does not fit into miniSEED" in database.cemetery.find_one()["logdata"][0]["error_message"]
    assert database.wf_TimeSeries.count_documents({}) == 0


def test_float64_is_not_added_to_the_file_of_miniseed_that_a_datum_was_read_from(database, tmp_path):
    datum = series()
    database.save_data(datum, storage_mode="file", dir=tmp_path, dfile="day", format="MSEED")
    before = (tmp_path / "day").read_bytes()
    again = database.read_data(datum.metadata["_id"])
    for save in (database.save_data, database.update_data):
        with pytest.raises(ValueError, match="format MSEED, not binary: give dir and dfile"):
            save(again, storage_mode="file")
    assert (tmp_path / "day").read_bytes() == before
    database.save_data(again, storage_mode="file", dfile="other", dir=tmp_path)
    database.save_data(again, storage_mode="file")
    assert (tmp_path / "other").stat().st_size == 2 * SAMPLES.nbytes


@pytest.mark.parametrize("save", ["save_data", "update_data"])
def test_times_in_memory_are_those_of_the_document_where_the_rate_is_not_quite_the_inverse(database, save):
    datum = TimeSeries(np.zeros(200_000), {"delta": 0.025, "sampling_rate": 40.00002}, starttime=START)
    database.save_data(datum)
    datum.metadata["note"] = 1
    getattr(database, save)(datum)
    document = database.wf_TimeSeries.find_one({"_id": datum.metadata["_id"]})
    for name in ("starttime", "delta", "sampling_rate", "endtime"):
        assert datum.metadata[name] == document[name], name
    assert datum.delta == 0.025


def test_a_parameter_that_mongodb_cannot_hold_leaves_the_rest_of_the_history(database):
    datum = series()
    datum.history.add("bandpass", freqmin=0.5)
    datum.history.add("taper", window=np.hanning, width=3)
    datum.history.add("stack", weights=list(range(2_000_000)))
    assert database.save_data(datum)["is_live"]
    steps = database.history_object.find_one()["steps"]
    assert [(step["algorithm"], step["parameters"]) for step in steps] == [
        ("bandpass", {"freqmin": 0.5}), ("taper", {"width": 3}), ("stack", {}),
    ]  # fmt: skip
    log = database.elog.find_one()["logdata"]
    assert [word in entry["error_message"] for word, entry in zip(("window", "stack"), log, strict=True)] == [True, True]


def test_a_save_that_the_server_ended_is_whole_when_it_is_tried_again(database, monkeypatch):
    insert = Collection.insert_one

    def fails(self, *args, **options):
        if self.name == "wf_TimeSeries":
            raise AutoReconnect("connection closed")
        return insert(self, *args, **options)

    datum = series()
    datum.elog.post("bandpass", "clipped")
    datum.history.add("bandpass")
    monkeypatch.setattr(Collection, "insert_one", fails)
    with pytest.raises(AutoReconnect):
        database.save_data(datum)
    monkeypatch.undo()
    told = database.save_data(datum, return_list=["elog_id", "history_object_id"])
    assert database.elog.find_one({"_id": told["elog_id"]})["logdata"][0]["error_message"] == "clipped"
    assert database.history_object.find_one({"_id": told["history_object_id"]})["steps"][0]["algorithm"] == "bandpass"


@pytest.mark.parametrize("dies", [False, True])
def test_text_that_is_no_unicode_ends_no_save(database, dies):
    datum = series(note="caf\udce9", more={"note": "caf\udce9"}, name={"caf\udce9": 1})
    datum.metadata["caf\udce9"] = 1
    datum.elog.post("read", "no file caf\udce9")
    if dies:
        datum.kill("read", ValueError("no file caf\udce9"))
    assert database.save_data(datum)["is_live"] != dies
    document = database.cemetery.find_one()["tombstone"] if dies else database.wf_TimeSeries.find_one()
    assert (document["note"], document["more"]) == ("caf\\udce9", {"note": "caf\\udce9"})
    assert "name" not in document
    log = (database.cemetery if dies else database.elog).find_one()["logdata"]
    assert log[0]["error_message"] == "no file caf\\udce9"


def test_no_file_is_written_whose_name_no_document_holds(database, tmp_path):
    told = database.save_data(series(dir=str(tmp_path), dfile="caf\udce9"), storage_mode="file")
    assert not told["is_live"]
    assert not list(tmp_path.iterdir())


class Untold:
    def __eq__(self, other):
        raise ValueError("more than one truth")

    def __repr__(self):
        raise ValueError("no words")


def nested(depth, inner=()):
    return nested(depth - 1, [inner]) if depth else inner


def endless():
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize("value", [threading.Lock, Untold, endless, lambda: nested(200), lambda: nested(400)])
@pytest.mark.parametrize("dies", [False, True])
def test_values_that_cannot_be_copied_compared_told_or_nested_end_no_save(database, value, dies):
    datum = series(loaded=value())
    datum.metadata["thing"] = value()
    if dies:
        datum.kill("test", "no use")
    assert database.save_data(datum)["is_live"] != dies
    assert database.wf_TimeSeries.count_documents({}) == (not dies)
    if not dies:
        assert "thing" not in database.wf_TimeSeries.find_one()
        datum.metadata["snr"] = 1.0
        database.update_metadata(datum)
        assert database.wf_TimeSeries.find_one()["snr"] == 1.0


def test_a_trace_that_is_no_datum_is_buried_and_the_others_of_its_stream_saved(database):
    stream = obspy_example()
    stream[1].data = np.ma.masked_less(stream[1].data, 0)
    stream[2].data = stream[2].data * 1j
    told = database.save_data(stream)
    assert [one["is_live"] for one in told] == [True, False, False]
    masked, of_complex = database.cemetery.find()
    assert (masked["tombstone"]["chan"], masked["tombstone"]["npts"]) == (stream[1].stats.channel, stream[1].stats.npts)
    assert "masked" in masked["logdata"][0]["error_message"]
    assert "complex" in of_complex["logdata"][0]["error_message"]


def test_a_log_of_any_alphabet_fits_beside_a_large_tombstone(database):
    datum = series(note="x" * 7_900_000)
    for _ in range(2500):
        datum.elog.post("loop", "ε€" * 3000)
    datum.kill("loop", "no use")
    database.save_data(datum)
    grave = database.cemetery.find_one()
    assert len(grave["tombstone"]["note"]) == 7_900_000
    assert grave["logdata"][0]["error_message"] == "ε€" * 400


def test_one_key_in_the_place_of_a_list_of_keys_is_refused(database):
    datum = series(secret=1)
    with pytest.raises(ValueError, match="a list of keys"):
        database.save_data(datum, exclude_keys="secret")
    database.save_data(datum)
    for update in (database.update_metadata, database.update_data):
        with pytest.raises(ValueError, match="a list of keys"):
            update(datum, exclude_keys="secret")
    assert database.wf_TimeSeries.count_documents({}) == database["fs.files"].count_documents({}) == 1


def test_names_that_become_one_are_not_merged_in_silence(database):
    datum = series(weights={1: "a", "1": "b"})
    database.save_data(datum)
    assert "weights" not in database.wf_TimeSeries.find_one()
    assert "weights" in database.elog.find_one()["logdata"][0]["error_message"]
