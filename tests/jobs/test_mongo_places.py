"""Jobs that read their stations, events and index from MongoDB give what they give from files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid

import obspy
import pytest
from pymongo import MongoClient

from tests.conftest import REPOSITORY, account_of
from tests.jobs.results import outcomes, rows
from tests.mongo.loaded import load_stations, load_table
from tests.mongo_server.proxy import proxied

CHANNELS = "XX.[ALF]*.*.BH?"
"""Among them a station without StationXML, and one whose epochs change."""
DAY = ["--start", "2024-01-01", "--days", 1]


@pytest.fixture(scope="module")
def made(sample_archive, run_job, mongo_uri, tmp_path_factory):
    """A folder with an index and a catalogue, and a database with the same and with stations."""
    folder = tmp_path_factory.mktemp("places")
    common = ["--root", sample_archive, "--max-bad-fraction", 1]
    assert run_job("index_archive", *common, "--segments", "--channels", CHANNELS, "--out", folder / "index") == 0
    assert run_job("load_catalog", *common, "--out", folder / "catalogue") == 0
    with MongoClient(mongo_uri) as client:
        database = client[f"seisbatch_places_{uuid.uuid4().hex[:12]}"]
        for out, table in ((folder / "index", "index"), (folder / "index", "wf_miniseed"), (folder / "catalogue", "source")):
            assert load_table(database, out, table)
        load_stations(database, sample_archive)
        yield folder, database
        client.drop_database(database.name)


def place_of(uri, database):
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}/{database.name}"


@pytest.fixture
def place(made, mongo_uri, monkeypatch):
    """The database as a place; what else the server's URI has is in the environment."""
    monkeypatch.setenv("SEISBATCH_MONGO_URI", mongo_uri)
    return place_of(mongo_uri, made[1])


def table_of(out, name):
    """A table without what names the run, in an order of its own."""
    found = [{key: value for key, value in row.items() if key != "parameters_id"} for row in rows(out, name)]
    return sorted(found, key=lambda row: str(row.get("id", row.get("unit", row))))


def told(out, kind):
    """What became of each unit, and its place; words alone differ, of a station that is nowhere."""
    found = outcomes(out, kind)
    said = {unit: row["reason"].replace("no document of the station", "no StationXML") for unit, row in found.items()}
    return {unit: (row["outcome"], said[unit], row["lat"], row["lon"], row["bytes_read"]) for unit, row in found.items()}


def test_windows_are_the_same(made, place, sample_archive, run_job, tmp_path, capfd):
    folder, _ = made
    options = ["--root", sample_archive, "--channels", CHANNELS, "--from", -5, "--to", 40, "--max-bad-fraction", 1]
    options += ["--phases", "p,P,Pn", "--min-magnitude", 2.6]
    files = ["--events", folder / "catalogue", "--index", folder / "index"]
    assert run_job("cut_windows", *options, *files, "--out", tmp_path / "files") == 0
    documents = ["--stations", place, "--events", place, "--index", place]
    assert run_job("cut_windows", *options, *documents, "--out", tmp_path / "documents") == 0
    found = table_of(tmp_path / "documents", "wf_TimeSeries")
    assert found == table_of(tmp_path / "files", "wf_TimeSeries")
    assert {row["site_id"] is None for row in found} == {True, False}
    assert table_of(tmp_path / "documents", "cemetery") == table_of(tmp_path / "files", "cemetery")
    for kind in ("window", "channel-day"):
        assert told(tmp_path / "documents", kind) == told(tmp_path / "files", kind)

    parameters = json.loads((tmp_path / "documents/manifest.json").read_text())["parameters"]
    assert parameters["stations"] == parameters["events"] == place
    capfd.readouterr()
    assert run_job("cut_windows", *options, *documents, "--out", tmp_path / "documents") == 0
    assert "nothing to do" in capfd.readouterr().out
    whole = ["--stations", f"{place}?retryReads=false", "--events", f"mongodb:///{made[1].name}", "--index", place]
    assert run_job("cut_windows", *options, *whole, "--out", tmp_path / "documents") == 0  # the same place, spelt otherwise
    others = ["--stations", f"{place}2", "--events", place, "--index", place]
    assert run_job("cut_windows", *options, *others, "--out", tmp_path / "documents") == 1
    assert f"--stations {place} there, {place}2 now" in capfd.readouterr().err


def test_events_are_the_same(made, place, sample_archive, run_job, tmp_path):
    folder, _ = made
    options = ["--root", sample_archive, "--channels", CHANNELS, "--region", "-119,-116,33,36", "--max-bad-fraction", 1]
    assert run_job("extract_events", *options, "--events", folder / "catalogue", "--out", tmp_path / "files") == 0
    assert run_job("extract_events", *options, "--stations", place, "--events", place, "--out", tmp_path / "documents") == 0
    found = table_of(tmp_path / "documents", "wf_TimeSeries")
    assert found
    assert found == table_of(tmp_path / "files", "wf_TimeSeries")
    assert {unit: row["outcome"] for unit, row in outcomes(tmp_path / "documents", "event").items()} == {
        unit: row["outcome"] for unit, row in outcomes(tmp_path / "files", "event").items()
    }


def test_correlations_are_the_same(made, place, sample_archive, run_job, tmp_path):
    folder, _ = made
    options = ["--root", sample_archive, *DAY, "--channels", "XX.[AF]*..BHZ", "--max-bad-fraction", 1]
    assert run_job("cross_correlate", *options, "--index", folder / "index", "--out", tmp_path / "files") == 0
    assert run_job("cross_correlate", *options, "--stations", place, "--index", place, "--out", tmp_path / "documents") == 0
    found = table_of(tmp_path / "documents", "ccf")
    assert found
    assert found == table_of(tmp_path / "files", "ccf")
    assert told(tmp_path / "documents", "channel-day") == told(tmp_path / "files", "channel-day")


def test_a_server_that_goes_away_ends_the_run_once(made, mongo_uri, sample_archive, run_job, tmp_path, capfd, monkeypatch):
    """It answers until a worker asks for a station."""
    _, database = made
    options = ["--root", sample_archive, "--channels", "XX.A*..BHZ", "--out", tmp_path / "out"]
    with proxied(mongo_uri, cut_at=b"\x02sta\x00") as proxy:
        account = f"mongodb://{proxy.address}/?serverSelectionTimeoutMS=300"
        monkeypatch.setenv("SEISBATCH_MONGO_URI", account)
        assert run_job("cut_windows", *options, "--stations", f"mongodb://{proxy.address}/{database.name}") == 1
    captured = capfd.readouterr()
    assert captured.err.splitlines()[-1].startswith(f"cut_windows: MongoDB does not answer: {proxy.address}: ")
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("job", "options", "code", "message"),
    [
        ("cut_windows", ["--stations", "mongodb://canary:canary@h/db"], 2, "--stations: a user or a password does not belong"),
        ("cut_windows", ["--events", "mongodb://canary:canary@h/db"], 2, "--events: a user or a password does not belong"),
        ("cross_correlate", ["--index", "mongodb://canary:canary@h/db"], 2, "--index: a user or a password does not belong"),
        ("extract_events", ["--events", "mongodb://canary:can/ary@h/db"], 2, "--events: MongoDB's URI is wrong: a user"),
        ("load_stations", ["--stations", "mongodb://canary:canary@h/db"], 2, "mongodb://...: write s3://bucket/prefix"),
        ("load_catalog", ["--catalog", "mongodb://canary:canary@h/db"], 2, "mongodb://...: write s3://bucket/prefix"),
        ("cut_windows", ["--stations", "mongodb://h"], 2, "--stations: name a database: mongodb://HOST/DATABASE"),
        ("cut_windows", ["--stations", "PLACE2"], 1, "2 has no document in its collections channel and site"),
        ("extract_events", ["--events", "PLACE2"], 1, "2 has no document in its collection source"),
        ("cross_correlate", ["--index", "PLACE2"], 1, "2 has no documents in index, none of scedc"),
        ("cut_windows", ["--events", "PLACE", "--min-magnitude", 9], 2, "none of the events of mongodb://"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(job, options, code, message, place, sample_archive, run_job, tmp_path, capfd):
    options = [str(word).replace("PLACE", place) for word in options]
    assert run_job(job, "--root", sample_archive, *options, "--out", tmp_path / "out") == code
    captured = capfd.readouterr()
    assert message in captured.err
    assert "canary" not in "".join(captured)
    assert not list((tmp_path / "out").rglob("*.*"))


def test_exported_files_have_the_stations_of_mongodb(made, place, sample_archive, run_job, tmp_path):
    common = ["--root", sample_archive]
    events = ["--channels", "XX.A*.*.BH?", "--event-ids", "90000001", "--max-bad-fraction", 1]
    assert run_job("extract_events", *common, *events, "--out", tmp_path / "events") == 0
    assert run_job("load_stations", *common, "--archive", "scedc", "--out", tmp_path / "stations") == 0
    for stations in (tmp_path / "stations", place):
        out = tmp_path / ("files" if stations == place else "tables")
        options = ["--waveforms", tmp_path / "events", "--stations-table", stations, "--format", "sac", "--out", out]
        assert run_job("export_waveforms", *options) == 0
    files = sorted((tmp_path / "files/export").rglob("*.SAC"))
    assert files
    for file in files:
        other = tmp_path / "tables" / file.relative_to(tmp_path / "files")
        (ours,), (theirs,) = (obspy.read(path, format="SAC") for path in (file, other))
        assert ours.stats.sac == theirs.stats.sac
        assert {"cmpaz", "cmpinc"} <= ours.stats.sac.keys()


def test_no_word_of_user_and_password_in_outputs_logs_and_events(made, mongo_uri, sample_archive, tmp_path):
    """Through the launcher, as Spark tells the command line in its UI and in its event log."""
    assert not re.search("secret|password|token", str(tmp_path))  # else Spark would hide the command line in any case
    _, database = made
    events, out, uri = tmp_path / "events", tmp_path / "out", tmp_path / "uri"
    events.mkdir()
    place = place_of(mongo_uri, database)
    command = [REPOSITORY / "submit.sh", "--on", "local[1]", "cut_windows", "--root", sample_archive, "--out", out]
    command += ["--channels", "XX.A*..BHZ", "--events", place, "--stations", f"mongodb:///{database.name}", "--index", place]
    command += ["--", "--conf", f"spark.eventLog.dir={events}", "--conf", "spark.eventLog.compress=false"]
    with account_of(mongo_uri, database) as account:
        uri.write_text(f"{account}\n")
        uri.chmod(0o600)
        environment = {**os.environ, "SEISBATCH_MONGO_URI": f"file:{uri}"}
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert {row["site_id"].partition("/")[0] for row in rows(out, "wf_TimeSeries")} == {"XX.ALFA"}
    files = {path: path.read_bytes() for folder in (out, events) for path in folder.rglob("*") if path.is_file()}
    assert any(b"sun.java.command" in text for path, text in files.items() if events in path.parents)
    for text in (done.stdout.encode(), done.stderr.encode(), *files.values()):
        assert b"canary" not in text
