"""The call of spark-submit that starts a job on Amazon EMR, on EC2 and Serverless alike.

The driver runs on the cluster (``--deploy-mode cluster``). As client on the primary machine its log and its exit code would be
the step's, but spark-submit unpacks no archive for a client's driver before it starts, and a job imports the packed environment
in its first lines; all drivers would share that machine too. In cluster mode YARN unpacks archives into the working folder of
driver and executors alike, as Serverless does, so that ``./environment`` is right for all. The job's exit code stands in what
YARN tells of the end ("User application exited with status 3"), and in the manifest.

``PYTHONPATH`` and not ``PYSPARK_PYTHON`` names the environment: it is a folder of modules for the cluster's own Python, while a
Python of ours would be tied to the paths and libraries of where it was packed. PySpark is the cluster's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from seisbatch.config import OptionError, given, options_of
from seisbatch.launch.bundle import CONFIGURATION, ENVIRONMENT, FILES, JAR, JOB, PACKAGE
from seisbatch.launch.settings import LaunchSettings
from seisbatch.options import JOBS, Memory
from seisbatch.outcome import RunError

ARCHIVES = (ENVIRONMENT, CONFIGURATION, FILES)
"""What is unpacked into the working folder, each under its own name."""

DRIVER_ENVIRONMENTS = ("spark.yarn.appMasterEnv.", "spark.emr-serverless.driverEnv.")
"""What a driver finds in its environment: on EC2, on Serverless. Each leaves the other's alone."""
WORKER_ENVIRONMENT = "spark.executorEnv."

CORES, OVERHEAD = "spark.executor.cores", "spark.executor.memoryOverhead"
BESIDE_HEAP = 2**30
"""Bytes that Java needs beyond its heap, beside the Python workers."""

Properties = dict[str, str]


def read_properties(path: Path) -> Properties:
    """A properties file of Spark in its order; RunError where it cannot be read."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: {error}") from None
    pairs = (re.split(r"\s*[=:]\s*|\s+", line, maxsplit=1) for line in lines if line and not line.startswith(("#", "!")))
    return {key: "".join(value) for key, *value in pairs}


def spark_submit_arguments(
    uris: Mapping[str, str],
    properties: Path,
    job: str,
    options: Sequence[str],
    extra: Sequence[str],
    settings: LaunchSettings,
) -> list[str]:
    """Arguments of spark-submit: its own, the job file, then the job's options as they are.

    ``uris`` are where the artefacts of a run are on S3, by name; that of a file whose name is an option's flag becomes the
    option's value. Properties come in the order file, run, ``extra`` (the user's own arguments), of which the last one holds.

    Raises OptionError where ``extra`` says what cannot be, and RunError where nothing says which region it is.
    """
    found = read_properties(properties)
    theirs = _properties_of(extra)
    found |= _of_run(uris, settings)
    if OVERHEAD not in theirs and job in JOBS:
        needed = int((found | theirs).get(CORES, "1")) * memory_of(job, options) + BESIDE_HEAP
        found[OVERHEAD] = f"{max(-(-needed // 2**20), _mebibytes(found.get(OVERHEAD, '0')))}m"
    found |= _of_driver(found | theirs)
    arguments = ["--master", "yarn", "--deploy-mode", "cluster", "--name", f"seisbatch-{job}", "--py-files", uris[PACKAGE]]
    if jars := [uri for name, uri in uris.items() if name.startswith(JAR)]:
        arguments += ["--jars", ",".join(jars)]
    arguments += ["--archives", ",".join(f"{uris[name]}#{name}" for name in ARCHIVES if name in uris)]
    for key, value in found.items():
        arguments += ["--conf", f"{key}={value}"]
    return [*arguments, *extra, uris[JOB], *with_places(options, uris)]


def with_places(options: Sequence[str], uris: Mapping[str, str]) -> list[str]:
    """Options whose files were uploaded, with their places.

    >>> with_places(["--events=picks.xml", "--plan"], {"--events": "s3://b/picks.xml"})
    ['--events=s3://b/picks.xml', '--plan']
    """
    flags = (word.partition("=")[0] for word in options)
    return [f"{flag}={uris[flag]}" if flag in uris else word for flag, word in zip(flags, options, strict=True)]


def memory_of(job: str, options: Sequence[str]) -> int:
    """Bytes that a Python worker of a job may use: its ``--memory``, or that of a job without one."""
    values = {option.key: option.default for option in options_of(job)} | given(job, options)
    try:
        return TypeAdapter(Memory).validate_python(values.get("memory", "2GB"))
    except ValidationError as error:
        raise OptionError(f"--memory {values['memory']}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _of_run(uris: Mapping[str, str], settings: LaunchSettings) -> Properties:
    python = f"python{settings.python}"
    return {
        "spark.pyspark.python": python,
        "spark.pyspark.driver.python": python,
        f"{WORKER_ENVIRONMENT}PYTHONPATH": f"./{ENVIRONMENT}",
        f"{WORKER_ENVIRONMENT}SEISBATCH_CONF": f"./{CONFIGURATION}",
        f"{WORKER_ENVIRONMENT}PYSPARK_PYTHON": python,
        f"{WORKER_ENVIRONMENT}AWS_REGION": settings.required_region(),  # machines of EC2 do not know it by themselves
    }


def _of_driver(properties: Mapping[str, str]) -> Properties:
    """The driver's environment: that of the workers."""
    variables = {key.removeprefix(WORKER_ENVIRONMENT): key for key in properties if key.startswith(WORKER_ENVIRONMENT)}
    return {
        f"{prefix}{name}": properties[key]
        for prefix in DRIVER_ENVIRONMENTS
        for name, key in variables.items()
        if f"{prefix}{name}" not in properties
    }


def _properties_of(arguments: Iterable[str]) -> Properties:
    """The properties that arguments of spark-submit set; OptionError where they say where the driver runs, or name a file."""
    found = {}
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name in ("--deploy-mode", "--master", "--properties-file"):
            raise OptionError(f"{name}: a run on Amazon EMR has its own; settings are given one by one with --conf KEY=VALUE")
        if name in ("--conf", "-c"):
            key, _, of_key = (value if equals else next(words, "")).partition("=")
            found[key] = of_key
        elif name == "--executor-cores":
            found[CORES] = value if equals else next(words, "")
    if not found.get(CORES, "1").isdigit():
        raise OptionError(f"{CORES} {found[CORES]}: write a number")
    return found


def _mebibytes(size: str) -> int:
    """An amount of memory as Spark has it, such as ``9g``; without a unit it is of MiB."""
    match = re.fullmatch(r"(\d+)([kmgt]?)b?", size.strip().lower())
    if not match:
        raise RunError(f"{OVERHEAD} {size}: write an amount such as 9g")
    return int(int(match[1]) * 2.0 ** {"k": -10, "m": 0, "": 0, "g": 10, "t": 20}[match[2]])
