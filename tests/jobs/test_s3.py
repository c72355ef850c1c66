"""Every job from one S3 service, read anonymously, to another, written with keys: what it gives from disk to disk."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import seisbatch
from pyspark.sql import DataFrame, SparkSession
from seisbatch.options import JOBS
from seisbatch.sample.network import DAYS

from tests.jobs.every_job import MADE_BEFORE, SOME, Places, Results, other_files, tables
from tests.jobs.loaded import contents
from tests.jobs.results import outcomes
from tests.jobs.s3_places import Service, source_and_results

OF_THE_PLACE = ("parameters_id", "etag", "catalog")
"""Columns that tell the place, or the options that name it."""


@pytest.fixture(scope="module")
def services(run_job, sample_archive: Path) -> Iterator[tuple[Service, Service]]:
    """The sample archive, and where results go; keys are in the environment, as workers have them."""
    with source_and_results() as (source, results):
        for path in sample_archive.rglob("*"):
            if path.is_file():
                source.put(f"copy/{path.relative_to(sample_archive).as_posix()}", path)
        yield source, results


@pytest.fixture
def places(services) -> Places:
    source, results = services
    return Places(
        archive="s3://archive/copy",
        made="s3://archive/made",
        recordings="s3://archive/recordings",
        reading=["--source-endpoint", source.endpoint],
        writing=["--out-endpoint", results.endpoint, "--out-region", "us-east-1"],
    )


@pytest.fixture
def run(services, places: Places, run_job, sample_results: Results):
    """Runs a job from S3 to S3, after what it reads was put there; the exit code."""

    def run_one(job: str, out: str, options: Places = places) -> int:
        for made in sample_results.inputs(job):
            services[0].put_folder(made, "recordings" if job == "make_spectrograms" else f"made/{made.name}")
        return run_job(job, *options.options(job, out))

    return run_one


@pytest.mark.parametrize("job", [job for job in JOBS if job != "load_mongo"])
def test_a_job_gives_the_same_tables_as_from_disk_to_disk(job, run, services, sample_results, tmp_path):
    local = sample_results.of(job)
    assert run(job, f"s3://results/{job}") == 0
    keys = services[1].download(job, tmp_path)
    assert {"manifest.json", "report.html"} < set(keys)
    assert not [key for key in keys if key.startswith("_scratch")]
    assert tables(tmp_path, without=OF_THE_PLACE) == tables(local, without=OF_THE_PLACE)
    assert other_files(tmp_path) == other_files(local)
    one, two = outcomes(tmp_path, None), outcomes(local, None)
    assert {unit: row["outcome"] for unit, row in one.items()} == {unit: row["outcome"] for unit, row in two.items()}
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"canary-secret" not in path.read_bytes()


def test_documents_are_loaded_from_s3(run, places, services, sample_results, mongo_uri, mongo_database, tmp_path):
    """Samples go to GridFS: what names a place differs."""
    mongo = ["--mongo-uri", mongo_uri, "--samples", "gridfs"]
    named = replace(places, mongo=[*mongo, "--mongo-database", mongo_database.name])
    assert run("load_mongo", "s3://results/load_mongo", named) == 0
    assert "manifest.json" in services[1].download("load_mongo", tmp_path)
    found = contents(mongo_database)
    for job in MADE_BEFORE["load_mongo"][1]:
        for name, table in tables(sample_results.of(job)).items():
            if name in ("channel", "wf_TimeSeries", "ccf"):  # site has those too that only channels name
                assert len(found[name]) == table.num_rows
    assert len(found["fs.files"]) == len(found["wf_TimeSeries"]) > 0


def test_a_run_that_is_complete_is_not_done_again(run, services, capsys):
    out = "s3://results/again"
    for said in ("ccf: 6 rows", "nothing to do"):
        assert run("cross_correlate", out) == 0
        assert said in capsys.readouterr().out
    ccfs = seisbatch.open_ccfs(out, endpoint=services[1].endpoint, region="us-east-1")
    assert ccfs.sizes["pair"] == 6


def test_what_is_wrong_with_the_run_ends_it_with_one_message(places, run_job, tmp_path, capsys):
    elsewhere = replace(places, archive="s3://nowhere", writing=[])
    assert run_job("cross_correlate", *elsewhere.options("cross_correlate", tmp_path / "out")) == 1
    assert "s3://nowhere: no such bucket" in capsys.readouterr().err
    assert run_job("cross_correlate", *places.options("cross_correlate", "s3://nowhere/run")) == 1
    assert "s3://nowhere/run: no such bucket" in capsys.readouterr().err


def read_over_s3a(spark: SparkSession, services: tuple[Service, Service], prefix: str) -> DataFrame:
    """What plain Spark reads of the results, through Hadoop's connector."""
    settings = {"endpoint": services[1].endpoint, "endpoint.region": "us-east-1", "path.style.access": "true"}
    options = {f"fs.s3a.bucket.results.{name}": value for name, value in settings.items()}
    return spark.read.options(**options).parquet(f"s3a://results/{prefix}")


def ccfs_of(rows: Iterable[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """CCFs in an order of their own, every sample of them."""
    names = ("date", "source_sta", "source_chan", "receiver_sta", "receiver_chan", "n_windows", "distance", "parameters_id")
    return sorted((*(row[name] for name in names), tuple(row["samples"])) for row in rows)


def test_plain_spark_reads_whole_units_while_the_run_goes_on(spark, services, places, run_job, tmp_path):
    """The second of two months' units is kept waiting at the service while another thread reads: the first is there, whole."""
    put, is_held, may_go_on = itertools.count(1), threading.Event(), threading.Event()
    seen: dict[str, Any] = {}

    def hold(method: str, path: str) -> None:
        if method == "PUT" and "/ccf/" in path and next(put) == 2:
            is_held.set()
            may_go_on.wait(180)

    def read() -> None:
        try:
            assert is_held.wait(180)
            while not (seen.get("keys") and any("/ccf/" in key for key in seen["keys"])):
                pages = services[1].client.list_objects_v2(Bucket="results", Prefix="growing/")
                seen["keys"] = [item["Key"] for item in pages["Contents"]]
            seen["rows"] = ccfs_of(row.asDict() for row in read_over_s3a(spark, services, "growing").collect())
        finally:
            may_go_on.set()

    options = ["--archive", "scedc", "--root", places.archive, "--start", DAYS[0], "--days", 2, *SOME, "--max-bad-fraction", 1]
    services[1].hold = hold
    reader = threading.Thread(target=read)
    reader.start()
    assert run_job("cross_correlate", *options, *places.reading, *places.writing, "--out", "s3://results/growing") == 0
    reader.join()
    services[1].hold = None
    others = {key.split("/")[1] for key in seen["keys"]} - {"ccf"}
    assert others == {"_run.json", "_scratch"}  # which Spark did not read
    services[1].download("growing", tmp_path)
    first, second = (ccfs_of(pq.read_table(file).to_pylist()) for file in sorted((tmp_path / "ccf").rglob("*.parquet")))
    assert seen["rows"] in (first, second)
    whole = read_over_s3a(spark, services, "growing/ccf")
    assert {"year", "month"} < set(whole.columns)
    assert ccfs_of(row.asDict() for row in whole.collect()) == sorted(first + second)
