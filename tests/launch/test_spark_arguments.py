"""The call of spark-submit, as Spark itself takes it to pieces; and the properties, as Spark knows them."""

from pathlib import Path

import pytest
from seisbatch.config import OptionError
from seisbatch.launch.settings import read_settings
from seisbatch.launch.spark_arguments import read_properties, spark_submit_arguments

CONF = Path(__file__).resolve().parents[2] / "conf"
FILE = CONF / "spark" / "emr.conf"
STAGING = "s3://staging/packages"
URIS = {
    "package": f"{STAGING}/1/seisbatch-1.zip",
    "configuration": f"{STAGING}/2/conf-2.zip",
    "environment": f"{STAGING}/3/environment-3.tar.gz",
    "job": f"{STAGING}/4/cross_correlate.py",
}
SETTINGS = read_settings(CONF / "emr" / "launch.toml", {"SEISBATCH_REGION": "us-west-2"})


def arguments(*options, extra=(), uris=URIS, job="cross_correlate"):
    return spark_submit_arguments(uris, FILE, job, options, extra, SETTINGS)


def confs(words):
    """What each property is in the end."""
    return dict(value.split("=", 1) for flag, value in zip(words, words[1:], strict=False) if flag == "--conf")


def test_every_line_of_the_properties_is_one_of_sparks_and_every_group_says_why(spark):
    jvm = spark._jvm
    for holder in ("internal.config.package$", "internal.config.UI$", "deploy.yarn.config.package$", "sql.internal.SQLConf$"):
        jvm.java.lang.Class.forName(f"org.apache.spark.{holder}")  # registers its own
    registry = jvm.org.apache.spark.internal.config.ConfigEntry
    for key, value in read_properties(FILE).items():
        if key.startswith("spark.executorEnv."):
            continue
        entry = registry.findEntry(key)
        assert entry is not None, key
        entry.valueConverter().apply(value)  # raises where the value is none of its kind
    before = ""
    for line in FILE.read_text().splitlines():
        assert not line.startswith("spark.") or before.startswith(("#", "spark.")), line
        before = line


def test_spark_takes_the_call_to_pieces_as_it_is_meant(spark):
    words = arguments("--channels=CI.*..BHZ", "--plan", extra=["--conf", "spark.executor.cores=2", "--driver-memory", "8g"])
    jvm = spark._jvm
    to_scala = jvm.org.apache.spark.api.python.PythonUtils
    environment = to_scala.toScalaMap({"SPARK_CONF_DIR": "/nonexistent", "YARN_CONF_DIR": "/nonexistent"})
    parsed = jvm.org.apache.spark.deploy.SparkSubmitArguments(to_scala.toSeq(words), environment)
    assert (parsed.master(), parsed.deployMode()) == ("yarn", "cluster")
    assert parsed.primaryResource() == URIS["job"]
    assert parsed.isPython()
    assert parsed.childArgs().mkString("\n") == "--channels=CI.*..BHZ\n--plan"
    assert parsed.pyFiles() == URIS["package"]
    assert parsed.archives() == f"{URIS['environment']}#environment,{URIS['configuration']}#configuration"
    assert parsed.driverMemory() == "8g"  # what the user says holds
    assert parsed.sparkProperties().get("spark.executor.cores").get() == "2"
    assert parsed.sparkProperties().get("spark.sql.session.timeZone").get() == "UTC"


def test_driver_and_workers_find_the_same_environment():
    found = confs(arguments())
    workers = {key.removeprefix("spark.executorEnv."): value for key, value in found.items() if "executorEnv" in key}
    assert workers["PYTHONPATH"] == "./environment"
    assert workers["SEISBATCH_CONF"] == "./configuration"
    assert (workers["TZ"], workers["OMP_NUM_THREADS"], workers["AWS_REGION"]) == ("UTC", "1", "us-west-2")
    for prefix in ("spark.yarn.appMasterEnv.", "spark.emr-serverless.driverEnv."):
        assert {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)} == workers
    assert found["spark.pyspark.python"] == "python3.11"
    mine = confs(arguments(extra=["--conf", "spark.executorEnv.SEISBATCH_X=1"]))
    assert mine["spark.yarn.appMasterEnv.SEISBATCH_X"] == "1"


@pytest.mark.parametrize(
    ("options", "extra", "mebibytes"),
    [
        ((), (), 9216),  # 4 workers of 2 GB and a GiB are less than the file has
        (("--memory", "4GB"), (), 16283),  # 4 * 4e9 / 2**20 + 1024, rounded up
        (("--memory=4GiB",), (), 17408),
        (("--memory", "4GB"), ("--executor-cores", "8"), 31542),
        (("--memory", "4GB"), ("--conf", "spark.executor.cores=1"), 9216),
    ],
)
def test_an_executor_has_the_memory_of_its_workers(options, extra, mebibytes):
    assert confs(arguments(*options, extra=extra))["spark.executor.memoryOverhead"] == f"{mebibytes}m"


def test_what_the_user_says_of_memory_holds():
    words = arguments("--memory", "4GB", extra=["--conf", "spark.executor.memoryOverhead=5g"])
    assert confs(words)["spark.executor.memoryOverhead"] == "5g"
    assert "spark.executor.pyspark.memory" not in confs(words)


def test_files_and_libraries_find_their_places():
    uris = URIS | {"files": f"{STAGING}/5/files-5.zip", "--events": f"{STAGING}/6/mine.xml", "jar:a.jar": f"{STAGING}/7/a.jar"}
    words = arguments("--events=/here/mine.xml", "--plan", uris=uris, job="cut_windows")
    assert words[-3:] == [URIS["job"], f"--events={STAGING}/6/mine.xml", "--plan"]
    assert words[words.index("--archives") + 1].endswith(f",{STAGING}/5/files-5.zip#files")
    assert words[words.index("--jars") + 1] == f"{STAGING}/7/a.jar"


def test_files_of_the_users_go_along_with_the_launchers():
    """spark-submit takes the last of each list alone."""
    extra = ["--archives", "s3://mine/model.zip#model", "--py-files=s3://mine/a.zip", "--jars", "s3://mine/a.jar", "-v"]
    words = arguments("--plan", extra=extra)
    assert words.count("--archives") == words.count("--py-files") == 1
    assert words[words.index("--archives") + 1].split(",")[::2] == [
        f"{URIS['environment']}#environment",
        "s3://mine/model.zip#model",
    ]
    assert words[words.index("--py-files") + 1] == f"{URIS['package']},s3://mine/a.zip"
    assert words[words.index("--jars") + 1] == "s3://mine/a.jar"
    assert words[-3:] == ["-v", URIS["job"], "--plan"]


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--deploy-mode", "client"], "--deploy-mode: a run on Amazon EMR has its own"),
        (["--properties-file=mine.conf"], "--properties-file"),
        (["--conf", "spark.executor.cores=many"], "write a number"),
    ],
)
def test_what_cannot_be_is_refused(extra, told):
    with pytest.raises(OptionError, match=told):
        arguments(extra=extra)


def test_memory_that_is_none_is_refused():
    with pytest.raises(OptionError, match="--memory lots: 'lots' is no amount of bytes"):
        arguments("--memory", "lots")
