"""Tables loaded into MongoDB: what a user finds there, and what a second load makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import seisbatch
from seisbatch.mongo import Database

from tests.jobs.results import rows
from tests.mongo.mspass_documents import bson_types, mspass_document


@pytest.fixture(scope="module")
def outputs(run_job, sample_archive, tmp_path_factory):
    """Stations, events, and the windows of the sample archive about one of these."""
    folder = tmp_path_factory.mktemp("outputs")
    for job, more in (("load_stations", []), ("load_catalog", []), ("cut_windows", ["--events", "archive", "--to", 60])):
        out = folder / job
        assert run_job(job, "--root", sample_archive, "--out", out, "--max-bad-fraction", 1, *more) == 0
    return folder


@pytest.fixture
def load(run_job, mongo_uri, mongo_database, tmp_path):
    """Loads outputs into the test's database; the exit code."""

    def run(*outs, more=()):
        tables = ",".join(map(str, outs))
        place = ["--mongo-uri", mongo_uri, "--mongo-database", mongo_database.name, "--out", tmp_path / "load"]
        return run_job("load_mongo", "--tables", tables, *place, *more)

    return run


def everything(database):
    return {
        name: {one["_id"]: one for one in database[name].find()}
        for name in database.list_collection_names()
        if not name.startswith("fs.")
    }


def test_documents_are_whole_refer_to_one_another_and_are_there_once(outputs, load, mongo_database, capsys):
    mongo_database.channel.insert_one({"sta": "FOREIGN"})
    every = [outputs / job for job in ("load_stations", "load_catalog", "cut_windows")]
    assert load(*every) == 0
    told = capsys.readouterr().out
    found = everything(mongo_database)
    segments, dead = (rows(outputs / "cut_windows", name) for name in ("wf_TimeSeries", "cemetery"))
    assert f"wf_TimeSeries: {len(segments)} documents, {len(segments)} of them new" in told
    assert len(found["wf_TimeSeries"]) == len(segments) > 60
    assert sorted(one["logdata"][0]["error_message"] for one in found["cemetery"].values()) == sorted(
        one["reason"] for one in dead
    )
    assert len(found["channel"]) == 1 + len(rows(outputs / "load_stations", "channel"))
    of_row = {one["id"]: one for one in segments}
    for one in found["wf_TimeSeries"].values():
        row = of_row[one["row_id"]]
        assert ("channel_id" in one) == (row["channel_id"] is not None)
        assert one["source_id"] in found["source"]
    linked = [one for one in found["wf_TimeSeries"].values() if "channel_id" in one]
    assert len(linked) > 50
    for one in linked:
        assert found["channel"][one["channel_id"]]["chan"] == one["chan"]
        assert found["site"][one["site_id"]]["sta"] == one["sta"]
    wanted = bson_types(mspass_document("wf_TimeSeries: storage_mode gridfs, straight after save_data"))
    del wanted["gridfs_id"]
    assert {name: bson_types(one[name]) for name in wanted} == wanted
    for name in ("site", "channel", "source"):
        wanted = bson_types(mspass_document(f"{name}: save_{'catalog' if name == 'source' else 'inventory'}"))
        document = next(one for one in found[name].values() if one.get("sta") != "FOREIGN")
        has = {key: type_ for key, type_ in wanted.items() if not key.startswith("serialized") and key in document}
        assert {key: bson_types(document[key]) for key in has} == has
        assert wanted.keys() - has.keys() <= {"serialized_channel_data", "serialized_event", "magnitude_type"}

    capsys.readouterr()
    assert load(*every) == 0
    told = capsys.readouterr().out
    again = everything(mongo_database)
    for name in ("wf_TimeSeries", "cemetery", "site", "channel", "source"):
        assert again[name] == found[name]
        assert f"{name}: {len(found[name]) - (name == 'channel')} documents, 0 of them new" in told
    assert len(again["outcomes"]) == len(found["outcomes"])


@pytest.mark.parametrize("samples", ["reference", "gridfs"])
def test_data_are_read_as_the_table_has_them(outputs, load, mongo_database, samples):
    out = outputs / "cut_windows"
    assert load(outputs / "load_stations", out, more=["--only", "wf_TimeSeries,channel,site", "--samples", samples]) == 0
    database = Database(mongo_database.client, mongo_database.name)
    stream = seisbatch.read_waveforms(out, sta="ALFA", chan="BHZ")
    ensemble = database.read_data(database.wf_TimeSeries.find({"sta": "ALFA", "chan": "BHZ"}))
    assert len(ensemble.members) == len(stream) > 0
    assert not ensemble.dead
    traces = {(trace.stats.window, trace.stats.starttime.timestamp): trace for trace in stream}
    for member in ensemble.members:
        [trace] = [one for (window, start), one in traces.items()
                   if window == member.metadata["window"] and abs(start - member.starttime) < 1e-5]  # fmt: skip
        np.testing.assert_array_equal(member.samples, trace.data)
        assert member.metadata["channel_lat"] == pytest.approx(trace.stats.coordinates.latitude)
    in_gridfs = mongo_database["fs.files"].count_documents({})
    assert in_gridfs == (mongo_database.wf_TimeSeries.count_documents({}) if samples == "gridfs" else 0)
    assert load(outputs / "load_stations", out, more=["--only", "wf_TimeSeries", "--samples", samples]) == 0
    assert mongo_database["fs.files"].count_documents({}) == in_gridfs
