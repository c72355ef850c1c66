"""Tables loaded into MongoDB, read back with pymongo: MsPASS's documents, each once, and an account of every row."""

from __future__ import annotations

import datetime as dt
import html
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

import numpy as np
import obspy
import pyarrow.parquet as pq
import pytest
import seisbatch
from bson import ObjectId
from bson.int64 import Int64
from gridfs import GridFSBucket
from pymongo import MongoClient
from seisbatch.mongo import Database
from seisbatch.mongo.catalog import save_catalog
from seisbatch.mongo.stations import save_inventory

from tests.conftest import REPOSITORY
from tests.jobs.loaded import contents, made_output
from tests.jobs.results import outcomes, rows
from tests.mongo.mspass_documents import bson_types, mspass_document
from tests.mongo.wire_proxy import WireProxy

OBSPY = Path(obspy.__path__[0])
STATIONXML = OBSPY / "core/data/BW_GR_misc.xml"
QUAKEML = OBSPY / "io/quakeml/tests/data/qml-example-1.2-RC3.xml"
CANARY = "canary"


@pytest.fixture(scope="module")
def outs(run_job, sample_archive, tmp_path_factory):
    """Runs over the sample: its stations and events, windows about these, and a day's correlations."""
    folder = tmp_path_factory.mktemp("outs")
    root, all_bad = ["--root", sample_archive], ["--max-bad-fraction", 1]
    sample = ["--archive", "scedc", *root]
    windows = [*sample, "--events", folder / "events", "--phases", "none", "--from", -10, "--to", 100, *all_bad]
    for job, name, *options in [
        ("load_stations", "stations", *sample),
        ("load_catalog", "events", *sample, "--start", "2023-12-31", "--end", "2024-01-03"),
        ("cut_windows", "windows", *windows),
        ("cut_windows", "objects", *windows, "--format", "mseed", "--data-tag", "objects"),
        ("cross_correlate", "ccfs", *root, "--days", 1, "--channels", "XX.[A-C]*.*.BHZ", *all_bad),
    ]:
        assert run_job(job, *options, "--out", folder / name) == 0
    return folder


@pytest.fixture
def load(run_job, mongo_uri, mongo_database):
    """Loads outputs into the database; the exit code."""

    def run(*tables, uri=mongo_uri, database=mongo_database, options=()):
        where = ["--mongo-uri", uri, "--mongo-database", database.name]
        return run_job("load_mongo", "--tables", ",".join(map(str, tables)), *where, *options)

    return run


@pytest.fixture
def other_database(mongo_uri):
    with MongoClient(mongo_uri) as client:
        name = f"seisbatch_tests_{uuid.uuid4().hex[:12]}"
        yield client[name]
        client.drop_database(name)


def account(out):
    """Documents and rows of each file of an account, by its table."""
    found: dict[str, list[int]] = {}
    for unit in outcomes(out, "table-file").values():
        told = found.setdefault(unit["s3key"].partition("/")[0], [0, 0])
        told[0] += unit["windows"]
        told[1] += unit["windows_planned"]
    return found


# --- what the documents are


def test_every_row_is_a_document_and_what_they_name_is_there(outs, load, mongo_database, tmp_path, capsys):
    tables = [outs / name for name in ("stations", "events", "windows", "ccfs")]
    assert load(*tables, options=["--out", tmp_path / "account"]) == 0
    assert f"MongoDB's database {mongo_database.name}" in html.unescape((tmp_path / "account/report.html").read_text())
    for out in tables:
        for name in ("wf_TimeSeries", "cemetery", "ccf", "source", "channel"):
            if found := rows(out, name):
                assert mongo_database[name].count_documents({}) == len(found)
                told = f"{name}: {len(found)} documents, {len(found)} of them new, in MongoDB's database {mongo_database.name}"
                assert told in capsys.readouterr().out if name == "wf_TimeSeries" else True
    assert mongo_database.outcomes.count_documents({}) == sum(len(rows(out, "outcomes")) for out in tables)
    counted = {name: mongo_database[name].count_documents({}) for name in account(tmp_path / "account")}
    assert account(tmp_path / "account") == {name: [number, number] for name, number in counted.items()}

    events = {row["source_id"]: row for row in rows(outs / "events", "source")}
    segments = {row["id"]: row for row in rows(outs / "windows", "wf_TimeSeries")}
    n_referring = 0
    for document in mongo_database.wf_TimeSeries.find():
        row = segments.pop(document["row_id"])
        assert (document["net"], document["sta"], document["chan"], document.get("loc", "")) == (
            *(row["net"], row["sta"], row["chan"], row["loc"]),
        )
        assert document["starttime"] == row["starttime"].timestamp()
        assert document["endtime"] == row["endtime"].timestamp()
        source = mongo_database.source.find_one({"_id": document["source_id"]})
        assert source["time"] == events[row["source_id"]]["time"].timestamp()
        assert not {name for name in document if name.startswith("source_")} - {"source_id"}
        assert ("channel_id" in document) == (row["channel_id"] is not None)
        if row["channel_id"] is None:  # a station without StationXML
            continue
        n_referring += 1
        channel = mongo_database.channel.find_one({"_id": document["channel_id"]})
        assert (channel["sta"], channel["chan"], channel["loc"]) == (row["sta"], row["chan"], row["loc"])
        assert channel["starttime"] <= document["starttime"] < channel["endtime"]
        assert (channel["lat"], channel["lon"]) == (document["lat"], document["lon"])
        site = mongo_database.site.find_one({"_id": document["site_id"]})
        assert (site["sta"], site["loc"]) == (row["sta"], row["loc"])
    assert not segments
    assert n_referring > 50

    dead = {row["unit"]: row for row in rows(outs / "windows", "cemetery")}
    for document in mongo_database.cemetery.find():
        row = dead.pop(document["unit"])
        [entry] = document["logdata"]
        assert (entry["algorithm"], entry["error_message"]) == ("cut_windows", row["reason"])
        assert document["tombstone"]["starttime"] == row["starttime"].timestamp()
    assert not dead

    correlations = {(row["source_sta"], row["receiver_sta"]): row for row in rows(outs / "ccfs", "ccf")}
    for document in mongo_database.ccf.find():
        row = correlations.pop((document["source_sta"], document["receiver_sta"]))
        assert document["date"] == row["date"].isoformat()
        assert (document["encoding"], document["npts"]) == ("float32", len(row["samples"]))
        np.testing.assert_array_equal(np.frombuffer(document["samples"], "<f4"), np.array(row["samples"], np.float32))
    assert not correlations


def test_types_are_those_of_mspass(outs, load, mongo_database):
    assert load(outs / "windows", options=["--samples", "gridfs", "--only", "wf_TimeSeries,cemetery"]) == 0
    for title, collection in (
        ("wf_TimeSeries: storage_mode gridfs, straight after save_data", "wf_TimeSeries"),
        ("cemetery: a new datum killed, saved", "cemetery"),
        ("fs.files", "fs.files"),
        ("fs.chunks", "fs.chunks"),
    ):
        theirs = mspass_document(title)
        ours = mongo_database[collection].find_one()
        if collection == "cemetery":
            theirs["logdata"] = theirs["logdata"][:1]  # the other entry says that it was never saved
            for name in ("calib", "npts", "sampling_rate", "delta"):  # which nobody knows of a window without samples
                del theirs["tombstone"][name]
            ours["tombstone"] = {name: ours["tombstone"][name] for name in theirs["tombstone"]}
        for document in (ours, theirs):
            if collection == "fs.files":
                assert isinstance(document.pop("uploadDate"), dt.datetime)
                document["length"] = int(document["length"])  # of 64 bits there
        assert bson_types({name: ours[name] for name in theirs}) == bson_types(theirs)
    by_reference = mspass_document("wf_TimeSeries: storage_mode file, format MSEED")
    assert load(outs / "objects", options=["--only", "wf_TimeSeries"]) == 0
    ours = mongo_database.wf_TimeSeries.find_one({"data_tag": "objects"})
    assert bson_types({name: ours[name] for name in by_reference}) == bson_types(by_reference)


def test_stations_and_events_are_as_saving_their_files_has_them(run_job, load, mongo_database, other_database, tmp_path):
    for job, option, file in (("load_stations", "--stations", STATIONXML), ("load_catalog", "--catalog", QUAKEML)):
        assert run_job(job, "--archive", "scedc", option, file, "--out", tmp_path / job) == 0
    assert load(tmp_path / "load_stations", tmp_path / "load_catalog", options=["--only", "site,channel,source"]) == 0
    save_inventory(other_database, STATIONXML)
    save_catalog(other_database, QUAKEML)
    ours, theirs = contents(mongo_database), contents(other_database)
    assert {name: len(found) for name, found in ours.items()} == {"channel": 30, "site": 5, "source": len(theirs["source"])}
    assert ours == theirs
    again = ["--only", "site,channel,source", "--out", tmp_path / "account"]
    assert load(tmp_path / "load_stations", tmp_path / "load_catalog", options=again) == 0
    assert contents(mongo_database) == theirs


def test_samples_stay_where_they_are_and_the_documents_name_the_place(outs, load, mongo_database):
    assert load(outs / "windows", outs / "objects", options=["--only", "wf_TimeSeries"]) == 0
    kept = {row["id"]: row for row in rows(outs / "windows", "wf_TimeSeries")}
    seen = 0
    for document in mongo_database.wf_TimeSeries.find():
        if document["data_tag"] == "objects":
            assert (document["storage_mode"], document["format"]) == ("file", "mseed")
            with open(f"{document['dir']}/{document['dfile']}", "rb") as file:
                file.seek(document["foff"])
                records = file.read(document["nbytes"])
        else:
            assert (document["storage_mode"], document["format"]) == ("url", "parquet")
            file = pq.ParquetFile(document["url"].removeprefix("file://"))
            row = file.read_row_group(document["row_group"]).slice(document["row"], 1).to_pylist()[0]
            assert row["id"] == document["row_id"]
            records = row["samples"]
        [trace] = obspy.read(io.BytesIO(records), format="MSEED")
        assert trace.stats.npts == document["npts"] == kept[document["row_id"]]["npts"]
        assert trace.stats.starttime.timestamp == pytest.approx(document["starttime"], abs=1e-4)
        assert (trace.stats.station, trace.stats.channel) == (document["sta"], document["chan"])
        seen += 1
    assert seen == 2 * len(kept) > 0


def test_objects_of_a_bucket_are_named_by_their_url(outs, load, mongo_database, s3_server, tmp_path):
    import boto3

    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="waves")
    for name in ("windows", "objects"):
        for path in (outs / name).rglob("*"):
            if path.is_file() and "load_mongo" not in path.parts:
                client.upload_file(str(path), "waves", f"runs/{path.relative_to(outs).as_posix()}")
    options = [
        "--only",
        "wf_TimeSeries",
        "--source-endpoint",
        s3_server,
        "--source-region",
        "us-east-1",
        "--out",
        tmp_path / "o",
    ]
    assert load("s3://waves/runs/windows", "s3://waves/runs/objects", options=options) == 0
    one = mongo_database.wf_TimeSeries.find_one({"data_tag": "objects"})
    assert one["storage_mode"] == "url"
    key = one["url"].removeprefix("s3://waves/")
    body = client.get_object(Bucket="waves", Key=key)["Body"].read()[one["foff"] :][: one["nbytes"]]
    [trace] = obspy.read(io.BytesIO(body), format="MSEED")
    assert trace.stats.npts == one["npts"]
    other = mongo_database.wf_TimeSeries.find_one({"data_tag": "windows"})
    assert other["url"].startswith("s3://waves/runs/windows/wf_TimeSeries/year=")
    assert other["format"] == "parquet"


@pytest.mark.parametrize("samples", ["reference", "gridfs"])
def test_data_are_read_as_the_table_has_them(outs, load, mongo_database, samples):
    out = outs / "windows"
    assert load(outs / "stations", out, options=["--only", "wf_TimeSeries,channel,site", "--samples", samples]) == 0
    database = Database(mongo_database.client, mongo_database.name)
    stream = seisbatch.read_waveforms(out, sta="ALFA", chan="BHZ")
    ensemble = database.read_data(database.wf_TimeSeries.find({"sta": "ALFA", "chan": "BHZ"}))
    assert len(ensemble.members) == len(stream) > 0
    assert not ensemble.dead
    for member in ensemble.members:
        [trace] = [one for one in stream if one.stats.window == member.metadata["window"]
                   and abs(one.stats.starttime.timestamp - member.starttime) < 1e-5]  # fmt: skip
        np.testing.assert_array_equal(member.samples, trace.data)
        assert member.metadata["channel_lat"] == pytest.approx(trace.stats.coordinates.latitude)


def test_samples_in_gridfs_are_the_rows(outs, load, mongo_database):
    assert load(outs / "objects", options=["--samples", "gridfs", "--only", "wf_TimeSeries"]) == 0
    bucket = GridFSBucket(mongo_database)
    kept = {row["id"]: row for row in rows(outs / "objects", "wf_TimeSeries")}
    assert mongo_database["fs.files"].count_documents({}) == len(kept)
    for document in mongo_database.wf_TimeSeries.find():
        row = kept.pop(document["row_id"])
        records = (outs / "objects" / row["dfile"]).read_bytes()[row["foff"] :][: row["nbytes"]]
        [trace] = obspy.read(io.BytesIO(records), format="MSEED")
        samples = np.frombuffer(bucket.open_download_stream(document["gridfs_id"]).read())
        np.testing.assert_array_equal(samples, trace.data.astype(float))
        assert not {"dir", "dfile", "url", "foff", "nbytes"} & document.keys()
    assert not kept


def outcome_row(unit, reason, **more):
    return {"run_id": "r", "job": "cut_windows", "kind": "window", "unit": unit, "outcome": "ok", "reason": reason,
            "bytes_read": 1, "bytes_written": 1, "seconds": 1.0, **more}  # fmt: skip


def test_text_that_looks_like_json_stays_text_and_large_numbers_whole(load, mongo_database, tmp_path):
    reasons = ['{"$oid": "0123456789abcdef01234567"}', "[1, 2]", "{}", "{not json}", '{"a": "\n"}', '"quoted"', "null", "é {1}"]
    found = [outcome_row(f"u{number}", reason) for number, reason in enumerate(reasons)]
    found += [outcome_row("large", "", bytes_read=3_000_000_000), outcome_row("[small]", "", bytes_read=2**31 - 1)]
    made_output(tmp_path / "out", "cut_windows", {"outcomes": [found]})
    assert load(tmp_path / "out") == 0
    assert {one["unit"]: one["reason"] for one in mongo_database.outcomes.find()} == {
        row["unit"]: row["reason"] for row in found
    }
    large = mongo_database.outcomes.find_one({"unit": "large"})["bytes_read"]
    assert (large, type(large)) == (3_000_000_000, Int64)
    assert type(mongo_database.outcomes.find_one({"unit": "[small]"})["bytes_read"]) is int


# --- loading again, and beside others


def test_loading_again_changes_nothing_and_keeps_what_others_wrote(outs, load, mongo_database, capsys):
    tables = [outs / name for name in ("stations", "events", "windows", "ccfs")]
    mine = [{"_id": number, "note": "mine"} for number in range(3)]
    for name in ("wf_TimeSeries", "channel", "outcomes", "fs.files"):
        mongo_database[name].insert_many(mine)
    mongo_database.wf_TimeSeries.create_index([(name, 1) for name in ("net", "sta", "loc", "chan", "starttime")], name="own")
    assert load(*tables, options=["--samples", "gridfs"]) == 0
    mongo_database.wf_TimeSeries.update_one({"sta": "ALFA"}, {"$set": {"snr": 3.5}})
    first = contents(mongo_database)
    capsys.readouterr()
    assert load(*tables, options=["--samples", "gridfs"]) == 0
    assert contents(mongo_database) == first
    told = capsys.readouterr().out
    assert len(re.findall(r"\d documents, 0 of them new", told)) == 7
    for name in ("wf_TimeSeries", "channel", "outcomes", "fs.files"):
        assert list(mongo_database[name].find({"note": "mine"}).sort("_id", 1)) == mine
    keys = [tuple(index["key"]) for index in mongo_database.wf_TimeSeries.index_information().values()]
    assert len(keys) == len(set(keys)) > 3


def test_two_data_sets_of_the_same_windows_do_not_mix(outs, load, mongo_database):
    assert load(outs / "windows", outs / "objects", options=["--only", "wf_TimeSeries,cemetery"]) == 0
    n_rows = [len(rows(outs / "windows", name)) for name in ("wf_TimeSeries", "cemetery")]
    for tag in ("windows", "objects"):
        assert [mongo_database[name].count_documents({"data_tag": tag}) for name in ("wf_TimeSeries", "cemetery")] == n_rows


def test_epochs_that_mspass_saved_keep_their_ids_and_the_data_name_these(outs, load, mongo_database):
    row = next(row for row in rows(outs / "stations", "channel") if row["sta"] == "BRAV" and row["chan"] == "BHZ")
    own = ObjectId()
    codes = {"net": "XX", "sta": "BRAV", "chan": "BHZ", "loc": "", "starttime": row["starttime"].timestamp()}
    mongo_database.channel.insert_one({"_id": own, "chan_id": own, **codes, "note": "mine"})
    assert load(outs / "stations", outs / "windows", options=["--only", "site,channel,wf_TimeSeries"]) == 0
    [document] = mongo_database.channel.find(codes)
    assert (document["_id"], document["chan_id"], document["note"]) == (own, own, "mine")
    assert document["stationxml"].startswith("<")
    found = list(mongo_database.wf_TimeSeries.find({"sta": "BRAV", "chan": "BHZ"}))
    assert found
    assert {one["channel_id"] for one in found} == {own}


def test_what_a_catalogue_no_longer_tells_is_forgotten(run_job, load, mongo_database, tmp_path):
    text = QUAKEML.read_text()
    (tmp_path / "events.xml").write_text(text)
    assert run_job("load_catalog", "--archive", "scedc", "--catalog", tmp_path / "events.xml", "--out", tmp_path / "1") == 0
    assert load(tmp_path / "1", options=["--only", "source"]) == 0
    assert mongo_database.source.find_one()["depth"] > 0
    mongo_database.source.update_one({}, {"$set": {"note": "mine"}})
    (tmp_path / "events.xml").write_text(re.sub(r"(?s)<depth>.*?</depth>", "", text))
    assert run_job("load_catalog", "--archive", "scedc", "--catalog", tmp_path / "events.xml", "--out", tmp_path / "2") == 0
    assert load(tmp_path / "2", options=["--only", "source"]) == 0
    [document] = mongo_database.source.find()
    assert "depth" not in document
    assert document["note"] == "mine"


# --- what goes wrong


def test_rows_that_become_no_document_have_a_reason(outs, load, mongo_database, tmp_path):
    shutil.copytree(outs / "windows", tmp_path / "out", ignore=shutil.ignore_patterns("load_mongo"))
    file = sorted((tmp_path / "out" / "wf_TimeSeries").rglob("*.parquet"))[0]
    table = pq.read_table(file, partitioning=None)
    samples = table["samples"].to_pylist()
    samples[0] = b"\0" * len(samples[0])
    number = table.schema.get_field_index("samples")
    pq.write_table(table.set_column(number, table.schema.field("samples"), [samples]), file)
    options = ["--samples", "gridfs", "--only", "wf_TimeSeries", "--out", tmp_path / "account"]
    n_rows = len(rows(outs / "windows", "wf_TimeSeries"))
    lost = table["id"][0].as_py()
    for _ in range(2):
        assert load(tmp_path / "out", options=options) == 3
        assert mongo_database.wf_TimeSeries.count_documents({}) == n_rows - 1
        [dead] = mongo_database.cemetery.find()
        assert (dead["unit"], dead["tombstone"]["sta"]) == (lost, lost.split(".")[1])
        [row] = outcomes(tmp_path / "account", "row").values()
        assert row["outcome"] == dead["outcome"] == "corrupt"
        assert row["reason"] == dead["logdata"][0]["error_message"] != ""
        assert account(tmp_path / "account") == {"wf_TimeSeries": [n_rows - 1, n_rows]}
    shutil.copy2(outs / "windows" / file.relative_to(tmp_path / "out"), file)
    assert load(tmp_path / "out", options=options) == 0
    assert mongo_database.wf_TimeSeries.count_documents({}) == n_rows
    assert mongo_database.cemetery.count_documents({}) == 0


def test_an_event_at_an_impossible_place_is_an_outcome(load, mongo_database, tmp_path):
    event = {"time": dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "lat": 35.0, "lon": -117.0, "catalog": "made"}
    events = [{"source_id": str(n), "event_id": str(n), **event, "lat": 35.0 + 60 * (n == 1)} for n in range(3)]
    made_output(tmp_path / "out", "load_catalog", {"source": [events]})
    assert load(tmp_path / "out", options=["--max-bad-fraction", 1]) == 0
    assert sorted(one["event_id"] for one in mongo_database.source.find()) == ["0", "2"]
    [row] = outcomes(tmp_path / "out" / "load_mongo", "row").values()
    assert (row["outcome"], row["reason"][:29]) == ("rejected", "it is at an impossible place:")


def test_a_damaged_file_is_an_outcome_and_the_others_are_loaded(load, mongo_database, tmp_path):
    files = [[outcome_row(f"{file}/{number}", "") for number in range(5)] for file in range(3)]
    made_output(tmp_path / "out", "cut_windows", {"outcomes": files})
    damaged = tmp_path / "out" / "outcomes" / "part-00001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:200])
    assert load(tmp_path / "out") == 3
    assert mongo_database.outcomes.count_documents({}) == 10
    found = {
        unit.rpartition("/")[2]: row["outcome"] for unit, row in outcomes(tmp_path / "out" / "load_mongo", "table-file").items()
    }
    assert found == {"part-00000.parquet": "ok", "part-00001.parquet": "corrupt", "part-00002.parquet": "ok"}


def test_what_cannot_be_loaded_is_said(outs, load, mongo_database, tmp_path, capsys):
    shutil.copytree(outs / "windows", tmp_path / "out", ignore=shutil.ignore_patterns("load_mongo"))
    manifest = tmp_path / "out" / "manifest.json"
    whole = manifest.read_text()
    for change, options, code, message in [
        (None, ["--only", "wf_TimeSeries,seismograms"], 2, "--only seismograms: tables that are loaded are source, site,"),
        (None, ["--only", "ccf"], 2, "has no such table"),
        (lambda told: told.update(complete=False), [], 1, "holds no complete run of cut_windows or"),
        (
            lambda told: told["tables"]["wf_TimeSeries"].update(files=3),
            [],
            1,
            "wf_TimeSeries has 2 files, its manifest counts 3",
        ),
        (lambda told: told["tables"]["wf_TimeSeries"].update(rows=9), [], 1, "its manifest counts 9: it was changed"),
    ]:
        told = json.loads(whole)
        if change:
            change(told)
        manifest.write_text(json.dumps(told))
        assert load(tmp_path / "out", options=options) == code
        assert message in capsys.readouterr().err
    assert load("", options=[]) == 2
    assert "--tables is needed" in capsys.readouterr().err


def test_a_plan_writes_nothing(outs, load, mongo_database, tmp_path, capsys):
    code = load(outs / "windows", uri="mongodb://127.0.0.1:1", options=["--plan", "--out", tmp_path / "account"])
    assert code == 0
    assert "wf_TimeSeries, cemetery, outcomes" in capsys.readouterr().out
    assert not (tmp_path / "account").exists()


# --- the server


def test_no_more_tasks_write_at_once_than_connections_are_allowed(load, mongo_uri, mongo_database, tmp_path):
    files = [[outcome_row(f"{file}/{number}", "") for number in range(600)] for file in range(8)]
    made_output(tmp_path / "out", "cut_windows", {"outcomes": files})
    for connections, most in ((1, 1), (2, 2)):
        with WireProxy(mongo_uri, seconds=0.5) as proxy:
            assert load(tmp_path / "out", uri=proxy.uri, options=["--connections", connections]) == 0
            assert proxy.writes >= 2
            assert proxy.most == most
    assert mongo_database.outcomes.count_documents({}) == 4800


def test_a_server_that_is_away_is_told_before_spark_starts(outs, load, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("SEISBATCH_MONGO_URI", f"mongodb://{CANARY}:{CANARY}@127.0.0.1:1/?serverSelectionTimeoutMS=500")
    started = time.monotonic()
    assert load(outs / "windows", uri="env", options=["--out", tmp_path / "o"]) == 1
    assert time.monotonic() - started < 15
    told = "".join(capfd.readouterr())
    assert "load_mongo: MongoDB does not answer: 127.0.0.1:1: " in told
    assert "starting Spark" not in told
    assert CANARY not in told
    assert not (tmp_path / "o").exists()


def launched(*words, **more):
    command = [str(REPOSITORY / "submit.sh"), "--on", "local[2]", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=REPOSITORY, **more
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An output with rows enough to be in the middle of."""
    files = [[outcome_row(f"{file}/{number}", "a reason") for number in range(1250)] for file in range(16)]
    return made_output(tmp_path_factory.mktemp("many") / "out", "cut_windows", {"outcomes": files})


def wait_for_documents(collection, process, number):
    deadline = time.monotonic() + 120
    while collection.estimated_document_count() < number:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_load_that_was_killed_is_made_whole(many, run_job, mongo_uri, mongo_database, other_database, load, tmp_path):
    assert load(many, database=other_database, options=["--out", tmp_path / "undisturbed"]) == 0
    command = ["load_mongo", "--tables", many, "--mongo-uri", mongo_uri, "--mongo-database", mongo_database.name]
    command += ["--out", tmp_path / "account"]
    process = launched(*command)
    wait_for_documents(mongo_database.outcomes, process, 2500)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert 0 < mongo_database.outcomes.estimated_document_count() < 20_000
    assert not (tmp_path / "account" / "manifest.json").exists()
    assert run_job(*command) == 0
    assert contents(mongo_database) == contents(other_database)


def test_a_server_that_dies_in_the_middle_ends_the_load_with_one_line(many, mongo_uri, mongo_database, tmp_path):
    with WireProxy(mongo_uri, seconds=0.2) as proxy:
        where = ["--mongo-uri", f"{proxy.uri}?serverSelectionTimeoutMS=1000", "--mongo-database", mongo_database.name]
        process = launched("load_mongo", "--tables", many, *where, "--out", tmp_path / "account")
        wait_for_documents(mongo_database.outcomes, process, 2000)
        proxy.stop()
        told, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    [line] = [line for line in told.splitlines() if "MongoDB" in line and not line.startswith("  ")]
    assert line.startswith("load_mongo: MongoDB does not answer"), told
    assert "\tat " not in told


def test_no_word_of_the_uri_anywhere_and_no_speculation(outs, mongo_account, mongo_database, tmp_path):
    assert not re.search("secret|password|token", str(tmp_path))  # else Spark would hide the command line in any case
    events, account_of = tmp_path / "events", tmp_path / "account"
    events.mkdir()
    tables = ",".join(str(outs / name) for name in ("stations", "windows"))
    words = ["load_mongo", "--tables", tables, "--mongo-uri", "env", "--mongo-database", mongo_database.name]
    words += ["--out", account_of, "--samples", "gridfs", "--"]
    for setting in (f"spark.eventLog.dir={events}", "spark.eventLog.compress=false", "spark.speculation=true"):
        words += ["--conf", setting]
    process = launched(*words, env=os.environ | {"SEISBATCH_MONGO_URI": mongo_account})
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert mongo_database.wf_TimeSeries.count_documents({}) > 0  # written by the user with the password
    files = {path: path.read_bytes() for folder in (account_of, events) for path in folder.rglob("*") if path.is_file()}
    log = b"".join(text for path, text in files.items() if events in path.parents)
    assert b"AppendData" in log
    assert b'"spark.speculation":"false"' in log
    assert b'"spark.speculation":"true"' not in log
    for text in (told.encode(), *files.values()):
        assert b"canary" not in text
        assert b"mongodb://" not in text


# --- the sink of other jobs


def test_the_sink_of_a_job_is_loaded_even_where_the_job_was_complete(run_job, mongo_uri, mongo_database, tmp_path, capsys):
    common = ["--archive", "scedc", "--stations", STATIONXML, "--out", tmp_path / "out"]
    assert run_job("load_stations", *common) == 0  # as if killed before the load
    to_mongo = ["--sink", "mongo", "--mongo-uri", mongo_uri, "--mongo-database", mongo_database.name]
    assert run_job("load_stations", *common, *to_mongo) == 0
    told = capsys.readouterr().out
    assert "nothing to do" in told
    assert "channel: 30 documents, 30 of them new" in told
    assert mongo_database.channel.count_documents({}) == 30
    mongo_database.channel.delete_many({"sta": "RJOB"})
    assert run_job("load_stations", *common, *to_mongo) == 0
    assert mongo_database.channel.count_documents({}) == 30
    assert json.loads((tmp_path / "out" / "load_mongo" / "manifest.json").read_text())["mongo"]["collections"]["site"] == {
        "documents": 5,
        "new": 0,
    }


def test_the_sink_of_index_archive(run_job, sample_archive, mongo_uri, mongo_database, tmp_path):
    options = ["--root", sample_archive, "--out", tmp_path / "out", "--segments", "--max-bad-fraction", 1]
    to_mongo = ["--sink", "mongo", "--mongo-uri", mongo_uri, "--mongo-database", mongo_database.name]
    assert run_job("index_archive", *options, *to_mongo) == 0
    objects, pieces = (rows(tmp_path / "out", name) for name in ("index", "wf_miniseed"))
    assert mongo_database["index"].count_documents({}) == len(objects) > 0
    assert mongo_database.wf_miniseed.count_documents({}) == len(pieces) > len(objects) // 2
    assert mongo_database.s3_waveform_index.count_documents({}) > 0
    one = mongo_database.wf_miniseed.find_one({"npts": {"$gt": 1000}})
    assert (one["storage_mode"], one["format"]) == ("file", "mseed")
    with open(f"{one['dir']}/{one['dfile']}", "rb") as file:
        file.seek(one["foff"])
        [trace] = obspy.read(io.BytesIO(file.read(one["nbytes"])), format="MSEED")
    assert (trace.stats.npts, trace.stats.station) == (one["npts"], one["sta"])
    theirs = mspass_document(
        "wf_miniseed: after index_mseed_file, normalize_mseed and a source_id (loc set to show a non-blank one)"
    )
    named = {name for name in theirs if not name.startswith(("channel_", "site_", "source_"))} - {"last_packet_time", "loc"}
    assert bson_types({name: one[name] for name in named}) == bson_types({name: theirs[name] for name in named})


def test_a_sink_needs_a_server_before_the_job_begins(run_job, tmp_path, capsys):
    common = ["--archive", "scedc", "--stations", STATIONXML, "--out", tmp_path / "out"]
    for more, code, message in [
        (["--sink", "mongo"], 2, "--sink mongo needs --mongo-uri"),
        (["--mongo-uri", "mongodb://127.0.0.1:1"], 2, "--mongo-uri goes with --sink mongo"),
        (
            ["--sink", "mongo", "--mongo-uri", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"],
            1,
            "MongoDB does not answer",
        ),
    ]:
        assert run_job("load_stations", *common, *more) == code
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
