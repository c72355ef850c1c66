"""MongoDB's documents of index files, used as the short course uses them: found by day, then read for the objects' keys."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import REPOSITORY
from tests.jobs.results import rows

FIRST, LAST = dt.date(2011, 3, 9), dt.date(2011, 3, 12)
"""Days of which there is an index, as Parquet and, but for the last, as csv without a header."""
TOHOKU = dt.datetime(2011, 3, 11, 5, 46, 23)
STATIONS = ("BZN", "CCA")


def day_rows(day):
    names = [f"CI{station:_<5}BHZ___{day:%Y%j}.ms" for station in STATIONS]
    n_rows = len(names)
    codes = {"net": ["CI"] * n_rows, "sta": list(STATIONS), "seedchan": ["BHZ"] * n_rows, "location": ["  "] * n_rows}
    return {"ms_filename": names, **codes, "lat": [33.5, 35.2], "lon": [-116.7, -118.3], "sample_rate": [40.0] * n_rows}


@pytest.fixture
def archive(tmp_path):
    """SCEDC's layout of four days in 2011 and the last of 2022, with catalogues of three years."""
    root = tmp_path / "archive"
    for day in (*(FIRST + dt.timedelta(days=number) for number in range(4)), dt.date(2022, 12, 31)):
        for form in ("parquet", "csv") if day != LAST else ("parquet",):
            folder = root / f"continuous_waveforms/index/{form}/year={day:%Y}/year_doy={day:%Y_%j}"
            write_table(day_rows(day), folder / f"{day:%Y_%j}_waveform_index.{form}")
    for year, forms in {2011: ("csv",), 2022: ("parquet",), 2023: ("csv", "parquet")}.items():
        for form in forms:
            events = {"EVID": [year * 10], "MAG": [5.08], "PREFIX": [f"{year}/{year}_232"], "MS_FILENAME": [f"{year * 10}.ms"]}
            write_table(events, root / f"earthquake_catalogs/index/{form}/year={year}/{year}_catalog_index.{form}")
    return root


def write_table(columns, path):
    path.parent.mkdir(parents=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        pd.DataFrame(columns).to_csv(path, index=False, header="catalog" in path.name)


def options(archive, out, *more):
    return ["--archive", "scedc", "--root", archive, "--out", out, "--max-bad-fraction", 1, *more]


def test_the_whole_way_of_the_course(archive, run_job, mongo_uri, mongo_database, tmp_path, capsys):
    mongo = ["--mongo-uri", mongo_uri, "--mongo-database", mongo_database.name]
    common = options(archive, tmp_path / "out", *mongo)
    assert run_job("index_archive", *common, "--start", FIRST, "--end", LAST + dt.timedelta(days=1)) == 0
    told = capsys.readouterr().out
    assert f"s3_waveform_index: 7 documents, 7 of them new, in MongoDB's database {mongo_database.name}" in told
    assert run_job("index_archive", *common, "--start", "2022-12-31", "--end", "2023-01-02") == 0

    catalogues, days = mongo_database["s3_catalog_index"], mongo_database["s3_waveform_index"]
    query = {"year": 2023, "format": "parquet"}
    assert catalogues.count_documents(query) == 1
    found = catalogues.find_one(query)
    assert not {"yrday", "day"} & found.keys()
    catalogue = pd.read_parquet(archive / found["s3key"])
    [event] = catalogue.loc[catalogue["MAG"] > 4.5].to_dict(orient="records")
    assert f"event_waveforms/{event['PREFIX']}/{event['MS_FILENAME']}" == "event_waveforms/2023/2023_232/20230.ms"

    query = {"year": TOHOKU.year, "day": TOHOKU.timetuple().tm_yday, "format": "parquet"}
    assert days.count_documents(query) == 1
    found = days.find_one(query)
    assert (found["index_type"], found["yrday"]) == ("continuous_waveforms", "2011_070")
    index = pd.read_parquet(archive / found["s3key"])
    keys = [f"continuous_waveforms/{found['year']}/{found['yrday']}/{name}" for name in index["ms_filename"]]
    assert keys[0] == "continuous_waveforms/2011/2011_070/CIBZN__BHZ___2011070.ms"
    assert keys == [row["s3key"] for row in rows(tmp_path / "out", "index") if row["date"] == TOHOKU.date()]

    files = [path.relative_to(archive).as_posix() for path in archive.rglob("*index.*")]
    documents = [*catalogues.find(), *days.find()]
    assert sorted(one["s3key"] for one in documents) == sorted(files)
    assert all(type(one["year"]) is int for one in documents)


def test_a_second_run_adds_what_is_new_and_nothing_twice(archive, run_job, mongo_uri, mongo_database, tmp_path):
    common = options(archive, tmp_path / "out", "--mongo-uri", mongo_uri, "--mongo-database", mongo_database.name)
    common += ["--start", FIRST, "--days", 4]

    def run():
        assert run_job("index_archive", *common) == 0
        text = (tmp_path / "out" / "manifest.json").read_text()
        assert mongo_uri.rpartition("/")[2] not in text  # neither host nor port
        return json.loads(text)["mongo"]

    def told(days, new):
        counts = {"s3_catalog_index": {"documents": 1, "new": min(new, 1) if new == 7 else 0}}
        return {"database": mongo_database.name, "collections": counts | {"s3_waveform_index": {"documents": days, "new": new}}}

    assert run() == told(7, 7)
    first = {one["s3key"]: one["_id"] for one in mongo_database.s3_waveform_index.find()}
    assert run() == told(7, 0)
    assert {one["s3key"]: one["_id"] for one in mongo_database.s3_waveform_index.find()} == first
    late = archive / f"continuous_waveforms/index/csv/year=2011/year_doy={LAST:%Y_%j}/{LAST:%Y_%j}_waveform_index.csv"
    write_table(day_rows(LAST), late)
    gone = next(archive.rglob("2011_068*.csv"))
    gone.unlink()
    assert run() == told(7, 1)
    assert mongo_database.s3_waveform_index.count_documents({}) == 8  # that of the file that is gone stays
    assert mongo_database.s3_waveform_index.count_documents({"day": 71, "format": "csv"}) == 1


def test_nothing_is_asked_of_mongodb_for_a_plan_or_without_a_uri(archive, run_job, mongo_uri, mongo_database, tmp_path, capsys):
    common = options(archive, tmp_path / "out", "--start", FIRST, "--days", 1)
    assert run_job("index_archive", *common, "--mongo-uri", "mongodb://127.0.0.1:1", "--plan") == 0
    assert "MongoDB's database scedc_s3" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert run_job("index_archive", *common) == 0
    assert "mongo" not in json.loads((tmp_path / "out" / "manifest.json").read_text())


def test_a_server_that_is_not_there_ends_the_run_before_it_begins(archive, run_job, tmp_path, capfd):
    uri = tmp_path / "uri"
    uri.write_text("mongodb://canary-user:canary-pass@127.0.0.1:1/?serverSelectionTimeoutMS=300\n")
    uri.chmod(0o600)
    common = options(archive, tmp_path / "out", "--start", FIRST, "--days", 1)
    assert run_job("index_archive", *common, "--mongo-uri", f"file:{uri}") == 1
    told = "".join(capfd.readouterr())
    assert "index_archive: MongoDB does not answer: 127.0.0.1:1: " in told
    assert "canary" not in told
    assert not list((tmp_path / "out").rglob("*.*"))
    assert run_job("index_archive", *common) == 0  # the output was given back


def test_what_cannot_be_is_said(archive, run_job, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("SEISBATCH_MONGO_URI", raising=False)
    uri = "mongodb://canary-user:canary-pass@127.0.0.1:1"
    open_uri = "mongodb://127.0.0.1:1"
    for more, message in [
        (["--archive", "ncedc", "--mongo-uri", open_uri], "--archive ncedc has no index files"),
        (["--mongo-uri", "env"], "there is no environment variable SEISBATCH_MONGO_URI"),
        (["--mongo-uri", "canary-host:27017"], "write mongodb://host:27017, none, env for"),
        (["--mongo-uri", uri], "--mongo-uri: a user or a password does not belong on the command line"),
        (["--mongo-uri", f"{open_uri}/?proxyPassword=canary"], "does not belong on the command line"),
        (["--mongo-uri", "mongodb://canary:1?canary@127.0.0.1"], "must be escaped"),
        (["--out", uri], "mongodb://...: write s3://bucket/prefix, or the name of a folder"),
        (["--mongo-uri", uri, "--mongo-database", "a.b"], "--mongo-database a.b: "),
        (["--mongo-uri", uri, "--mongo-databas", "a"], "is --mongo-database meant?"),
        ([uri], "mongodb://...: what is this for?"),
    ]:
        try:
            code = run_job("index_archive", *options(archive, tmp_path / "out", "--start", FIRST, *more))
        except SystemExit as end:
            code = end.code
        assert code == 2
        told = "".join(capsys.readouterr())
        assert message in told
        assert "canary" not in told


def test_the_uri_of_the_environment(archive, run_job, mongo_account, mongo_database, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("SEISBATCH_MONGO_URI", mongo_account)
    common = options(archive, tmp_path / "out", "--mongo-uri", "env", "--mongo-database", mongo_database.name)
    assert run_job("index_archive", *common, "--start", FIRST, "--days", 1) == 0
    assert mongo_database.s3_waveform_index.count_documents({}) == 2
    assert "canary" not in "".join(capfd.readouterr())


def test_no_word_of_the_uri_in_outputs_logs_and_events(archive, mongo_account, mongo_database, tmp_path):
    """Through the launcher, as Spark tells the command line in its UI and in its event log."""
    assert not re.search("secret|password|token", str(tmp_path))  # else Spark would hide the command line in any case
    events, out = tmp_path / "events", tmp_path / "out"
    events.mkdir()
    command = [REPOSITORY / "submit.sh", "--on", "local[1]", "index_archive", *options(archive, out), "--start", FIRST]
    command += ["--days", 1, "--mongo-uri", "env", "--mongo-database", mongo_database.name]
    command += ["--", "--conf", f"spark.eventLog.dir={events}", "--conf", "spark.eventLog.compress=false"]
    uri = tmp_path / "uri"
    uri.write_text(mongo_account)
    uri.chmod(0o600)
    environment = {**os.environ, "SEISBATCH_MONGO_URI": f"file:{uri}"}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert mongo_database.s3_waveform_index.count_documents({}) == 2  # written by the user with the password
    files = {path: path.read_bytes() for folder in (out, events) for path in folder.rglob("*") if path.is_file()}
    assert any(b"sun.java.command" in text for path, text in files.items() if events in path.parents)
    for told in (done.stdout.encode(), done.stderr.encode(), *files.values()):
        assert b"canary" not in told
        assert b"mongodb://" not in told
