"""Jobs on a real cluster, from a folder that is not the repository: each ships itself, and gives what it gives locally.

Half a minute each: some by default, every job with ``SEISBATCH_ON_CLUSTER=all ./submit.sh test tests/jobs/test_cluster.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient
from seisbatch.options import JOBS

from tests.cluster import Cluster
from tests.conftest import REPOSITORY
from tests.jobs.every_job import MADE_BEFORE, Places, Results, other_files, tables
from tests.jobs.kills import assert_equal_to, committed, finish, wait_for
from tests.jobs.loaded import contents
from tests.jobs.results import outcomes

USUAL = ("cross_correlate", "cut_windows", "make_spectrograms")
"""In two stages with scratch objects, in one, and with libraries and native code of its own."""
SENT = [job for job in JOBS if job != "load_mongo"] if os.environ.get("SEISBATCH_ON_CLUSTER") == "all" else USUAL
N_UNITS = 14
"""Of the run that loses a worker: 6 blocks of channels, 8 tiles of pairs."""


def start(cluster: Cluster, folder: Path, job: str, *options: object) -> subprocess.Popen[str]:
    """A job sent to the cluster by the launcher; the JVMs of a few seconds compile little."""
    command = [REPOSITORY / "submit.sh", "--on", cluster.url, job, *options]
    command += ["--", "--conf", "spark.executor.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, start_new_session=True
    )


def test_the_interpreter_of_the_workers_has_no_seisbatch(tmp_path):
    """The launcher names it to the workers; isolated, it sees what is installed and nothing else."""
    asked = [sys.executable, "-I", "-c", "import pyspark, numpy; import seisbatch"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "No module named 'seisbatch'" in done.stderr


@pytest.mark.parametrize("job", SENT)
def test_a_job_gives_the_same_tables_as_locally(job: str, cluster: Cluster, sample_results: Results, tmp_path: Path) -> None:
    local = sample_results.of(job)
    before = cluster.applications()
    finish(start(cluster, tmp_path, job, *sample_results.places.options(job, "out")))
    assert len(cluster.applications() - before) == 1
    out = tmp_path / "out"
    assert tables(out) == tables(local)
    assert other_files(out) == other_files(local)
    told, wanted = outcomes(out, None), outcomes(local, None)
    assert {unit: row["outcome"] for unit, row in told.items()} == {unit: row["outcome"] for unit, row in wanted.items()}


def test_documents_are_the_same_as_locally(
    cluster: Cluster, sample_results: Results, run_job, mongo_uri: str, mongo_database, tmp_path: Path
) -> None:
    """Workers get the connector from the driver, and find the server by the URI that the driver was given."""
    sample_results.inputs("load_mongo")
    assert set(MADE_BEFORE["load_mongo"][1]) < set(JOBS)

    def options(name: str) -> list[str]:
        where = Places(**vars(sample_results.places) | {"mongo": ["--mongo-uri", mongo_uri, "--mongo-database", name]})
        return where.options("load_mongo", tmp_path / name)

    other = f"{mongo_database.name}_local"
    with MongoClient(mongo_uri) as client:
        try:
            assert run_job("load_mongo", *options(other)) == 0
            finish(start(cluster, tmp_path, "load_mongo", *options(mongo_database.name)))
            found = contents(mongo_database)
            assert found == contents(client[other])
        finally:
            client.drop_database(other)
    assert len(found["ccf"]) == 6
    assert {"site", "channel", "wf_TimeSeries", "outcomes"} < set(found)


def test_a_worker_that_is_killed_changes_nothing(cluster: Cluster, run_job, sample_archive: Path, tmp_path: Path) -> None:
    """``kill -9`` of a worker, its executor and Python workers among the tiles: what its executor held is made again."""
    options = ["--root", sample_archive, "--channels", "XX.*.*.BH?", "--tile", 8, "--days", 2]
    assert run_job("cross_correlate", *options, "--out", tmp_path / "undisturbed") == 0
    process = start(cluster, tmp_path, "cross_correlate", *options, "--out", "out")
    try:
        wait_for(process, tmp_path / "out", N_UNITS // 2)
        cluster.kill_worker()
        assert 0 < committed(tmp_path / "out") < N_UNITS
        finish(process)
    finally:
        cluster.make_up_workers()
    assert_equal_to(tmp_path / "out", tmp_path / "undisturbed")
