"""Tables loaded into MongoDB: what a user finds there, and what a second load makes of it."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import time

import numpy as np
import pytest
import seisbatch
from bson import ObjectId
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.mongo import Database
from seisbatch.schema import WF_TIME_SERIES
from seisbatch.sinks.parquet import TableFile

from tests.conftest import REPOSITORY
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


def made_output(folder, **columns):
    """An output of one segment, complete as a job leaves it."""
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    codes = {"net": "XX", "sta": "ALFA", "loc": "", "chan": "BHZ"}
    row = codes | {
        "id": "XX.ALFA..BHZ/w/0", "starttime": start, "endtime": start, "sampling_rate": 1.0, "npts": 1, "units": "counts",
        "data_tag": "made", "window": "w", "s3key": "k", "parameters_id": "p", "encoding": "miniseed", "samples": b"",
    }  # fmt: skip
    with TableFile(
        open_store(StoreSettings(str(folder))), "wf_TimeSeries/year=2024/month=01/a.parquet", WF_TIME_SERIES, {}
    ) as file:
        file.write_rows([row | columns])
        file.commit({})
    tables = {"wf_TimeSeries": {"files": 1, "rows": 1, "bytes": 0}}
    told = {"job": "cut_windows", "run_id": "cut_windows-made", "parameters": {}, "complete": True, "tables": tables}
    (folder / "manifest.json").write_text(json.dumps(told))
    (folder / "_run.json").write_text(json.dumps({"job": "cut_windows", "source": "made"}))


@pytest.mark.parametrize(
    "text", ['{"$oid": "6b04d0534ec34db51fab8741"}', "[1, 2]", '{"a": 1}', "{", '"quoted"', "$net", "null"]
)
def test_text_that_looks_like_json_stays_text(load, mongo_database, tmp_path, text):
    made_output(tmp_path / "out", window=text, s3key=text)
    assert load(tmp_path / "out") == 0
    document = mongo_database.wf_TimeSeries.find_one()
    assert (document["window"], document["s3key"]) == (text, text)
    assert type(document["_id"]) is ObjectId


def test_a_server_that_is_away_is_one_clear_line(outputs, run_job, tmp_path, capsys):
    began = time.monotonic()
    place = ["--mongo-uri", "mongodb://127.0.0.1:1", "--out", tmp_path / "load"]
    assert run_job("load_mongo", "--tables", outputs / "cut_windows", *place) == 1
    assert time.monotonic() - began < 20
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("load_mongo")]
    assert "MongoDB does not answer" in line
    assert "127.0.0.1:1" in line


def test_a_job_loads_what_it_wrote_and_what_a_killed_one_left(sample_archive, run_job, mongo_uri, mongo_database, tmp_path):
    place = ["--root", sample_archive, "--out", tmp_path / "out"]
    sink = ["--sink", "mongo", "--mongo-uri", mongo_uri, "--mongo-database", mongo_database.name]
    assert run_job("load_catalog", *place) == 0  # as if it was killed before the load
    assert mongo_database.source.count_documents({}) == 0
    assert run_job("load_catalog", *place, *sink) == 0
    assert mongo_database.source.count_documents({}) == len(rows(tmp_path / "out", "source")) > 0


def test_no_word_of_the_uri_in_outputs_logs_and_events_of_a_load(outputs, mongo_account, mongo_database, tmp_path):
    """By the launcher, as a user runs it, with an account whose name and password are told nowhere; then a wrong password."""
    events, out = tmp_path / "events", tmp_path / "load"
    events.mkdir()
    spark = ["--", "--conf", f"spark.eventLog.dir={events}", "--conf", "spark.eventLog.compress=false"]

    def run(uri):
        options = ["--mongo-uri", "env", "--mongo-database", mongo_database.name, "--only", "source", "--out", str(out)]
        command = ["./submit.sh", "--on", "local[2]", "load_mongo", "--tables", str(outputs / "load_catalog"), *options, *spark]
        environment = os.environ | {"SEISBATCH_MONGO_URI": uri}
        return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, timeout=300)

    done = run(mongo_account)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert mongo_database.source.count_documents({}) > 0
    wrong = run(mongo_account.replace("canary-pass", "canary-none"))
    assert wrong.returncode == 1
    told = (wrong.stdout + wrong.stderr).decode().splitlines()  # spark-submit puts both into one
    assert [line for line in told if "Authentication failed" in line] == told[-1:]
    assert len(told) < 10
    files = {path: path.read_bytes() for folder in (out, events) for path in folder.rglob("*") if path.is_file()}
    assert any(b"mongodb" in text for path, text in files.items() if events in path.parents)
    for told in (*files.values(), done.stdout, done.stderr, wrong.stdout, wrong.stderr):
        assert b"canary" not in told
