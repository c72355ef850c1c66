"""Fixtures that several test packages share: Spark, the sample archive, real files, object stores."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.cluster import Cluster
from tests.jobs.every_job import Results

REPOSITORY = Path(__file__).resolve().parents[1]
RunJob = Callable[..., int]

LONGEST = [
    "test_launcher.py",
    "jobs/test_cluster.py",
    "jobs/test_load_mongo.py",
    "jobs/test_kill.py",
    "jobs/test_s3.py",
    "jobs/test_make_spectrograms.py",
    "jobs/test_accounting.py",
    "test_datasource.py",
    "acquire/test_faults.py",
    "jobs/test_remove_response.py",
    "jobs/test_killed_server.py",
    "acquire/test_responses.py",
]
"""Files that take the longest, the first beside one that writes the sample archive. Of tests in several processes they come
first, then the other jobs: a long file at the end would leave the other processes idle."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):  # one process: in the order asked for
        return
    tests = REPOSITORY / "tests"
    ranks = {tests / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (ranks.get(item.path, len(ranks)), not item.path.is_relative_to(tests / "jobs")))


@pytest.fixture(scope="session")
def real_archive() -> Path:
    """A few real objects under SCEDC's keys."""
    folder = Path(os.environ.get("SEISBATCH_TEST_DATA", REPOSITORY.parent / "shared" / "data")) / "scedc-pds"
    if not folder.is_dir():
        pytest.skip("no real data: set SEISBATCH_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def sample_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample archive, written once for all tests, of every process of the run."""
    from seisbatch.sample import write_sample_archive

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # the run's; a worker has a folder of its own in it
    with (folder / "sample.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back as the file is closed
        write_sample_archive(folder / "sample" / "archive", quiet=True)
    return folder / "sample" / "archive"


@pytest.fixture(scope="session")
def sample_results(run_job: RunJob, sample_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What every job makes of a little of the sample, in this process, each when it is first asked for."""
    return Results(run_job, sample_archive, tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers of Spark's own, for all tests that ask for one."""
    with Cluster(tmp_path_factory.mktemp("cluster"), Path(os.environ["SPARK_HOME"])) as started:
        yield started


def spark_properties() -> dict[str, str]:
    """The properties of local runs, as the launcher gives them."""
    lines = (REPOSITORY / "conf/spark/local.conf").read_text().splitlines()
    pairs = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
    return {key: value.strip() for key, value in pairs}


@pytest.fixture(scope="session")
def spark() -> Iterator[object]:
    """One local session for the whole run, with the properties of local runs and the connectors to MongoDB and to S3."""
    from pyspark.sql import SparkSession

    from tests.mongo_server.server import jars

    os.environ.update(S3_CREDENTIALS)  # workers inherit what the JVM was started with
    found: list[Path] = []
    for name in ("mongo-spark", "hadoop-aws"):
        try:
            found += jars.fetched(REPOSITORY / "conf" / "jars" / name, REPOSITORY / ".build" / "jars")
        except jars.JarsError as error:  # tests that need no connector run without
            print(error, file=sys.stderr)
    builder = SparkSession.builder.master("local[2,4]").appName("tests").config("spark.jars", ",".join(map(str, found)))
    for key, value in (spark_properties() | {"spark.eventLog.enabled": "false", "spark.ui.enabled": "false"}).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def run_job(spark: object) -> RunJob:
    """Runs a job's flow in this process, as its entry point would; the exit code."""

    def run(job: str, *arguments: object) -> int:
        from seisbatch.app import run_job as run_in_app
        from seisbatch.config import parse_or_exit

        flow = job_module(job).flow
        return run_in_app(job, parse_or_exit(job, [str(argument) for argument in arguments], ""), flow)

    return run


def job_module(job: str):  # noqa: ANN201
    """A job file as a module."""
    specification = importlib.util.spec_from_file_location(f"job_{job}", REPOSITORY / "jobs" / f"{job}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


S3_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTS",
    "AWS_SECRET_ACCESS_KEY": "canary-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of an S3 server of its own, and credentials for it in the environment."""
    from moto.server import ThreadedMotoServer

    for name, value in S3_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()  # buckets of tests before
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def mongo_uri() -> Iterator[str]:
    """A MongoDB: that of MONGODB_TEST_URI, or else a server of its wire protocol that runs as long as the tests."""
    from tests.mongo_server.server import ServerError, running_server

    if uri := os.environ.get("MONGODB_TEST_URI"):
        yield uri
        return
    try:
        with running_server() as uri:
            yield uri
    except ServerError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def mongo_database(mongo_uri: str) -> Iterator[object]:
    """A database of a name of its own, empty, and dropped after the test."""
    from pymongo import MongoClient

    with MongoClient(mongo_uri) as client:
        database = client[f"seisbatch_tests_{uuid.uuid4().hex[:12]}"]
        yield database
        client.drop_database(database.name)


MONGO_USER, MONGO_PASSWORD = "canary-user", "canary-pass:word/@%"


@pytest.fixture
def mongo_account(mongo_uri: str, mongo_database) -> Iterator[str]:  # noqa: ANN001
    """A URI with a user who may write to that database, and a password with every character that must be escaped."""
    with account_of(mongo_uri, mongo_database) as uri:
        yield uri


@contextmanager
def account_of(mongo_uri: str, mongo_database) -> Iterator[str]:  # noqa: ANN001
    """Such a URI for any database."""
    mongo_database.command("createUser", MONGO_USER, pwd=MONGO_PASSWORD, roles=["readWrite"])
    whole = urlsplit(mongo_uri)
    user = urlencode({MONGO_USER: MONGO_PASSWORD}).replace("=", ":")
    options = dict(parse_qsl(whole.query)) | {"authSource": mongo_database.name, "authMechanism": "SCRAM-SHA-256"}
    yield f"{whole.scheme}://{user}@{whole.netloc.rpartition('@')[2]}/?{urlencode(options)}"
    mongo_database.command("dropUser", MONGO_USER)
