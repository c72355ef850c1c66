"""Every job from one S3 service, read anonymously, to another, written with keys: what it gives from disk to disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import seisbatch
from seisbatch.options import JOBS

from tests.jobs.every_job import MADE_BEFORE, Places, Results, other_files, tables
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
