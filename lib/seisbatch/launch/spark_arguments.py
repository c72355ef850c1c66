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

from seisbatch.config import OptionError, given, options_of, shown
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

ALONE = frozenset({"--verbose", "-v", "--supervise"})
"""Options of spark-submit that have no value."""
ADDED = ("--py-files", "--jars", "--archives")
"""Lists of files: spark-submit takes the last one alone, so that the user's go to the launcher's."""

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
    options_there = split_extra(extra)
    theirs = _properties_of(options_there)
    found |= _of_run(uris, settings)
    if OVERHEAD not in theirs and job in JOBS:
        needed = int((found | theirs).get(CORES, "1")) * memory_of(job, options) + BESIDE_HEAP
        found[OVERHEAD] = f"{max(-(-needed // 2**20), _mebibytes(found.get(OVERHEAD, '0')))}m"
    found |= _of_driver(found | theirs)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"seisbatch-{job}")
    arguments = ["--master", "yarn", "--deploy-mode", "cluster", "--name", name]
    ours = {
        "--py-files": [uris[PACKAGE]],
        "--jars": [uri for name, uri in uris.items() if name.startswith(JAR)],
        "--archives": [f"{uris[name]}#{name}" for name in ARCHIVES if name in uris],
    }
    for flag in ADDED:
        if files := ours[flag] + [value for name, value in options_there if name == flag]:
            arguments += [flag, ",".join(files)]
    for key, value in found.items():
        arguments += ["--conf", f"{key}={value}"]
    for flag, value in options_there:
        if flag not in ADDED:
            arguments += [flag] if flag in ALONE else [flag, value]
    return [*arguments, uris[JOB], *with_places(options, uris)]


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


def split_extra(arguments: Iterable[str]) -> list[tuple[str, str]]:
    """The user's own arguments of spark-submit, as options with their values.

    OptionError where a word is none of either, where they say where the driver runs, or name a file of settings.

    >>> split_extra(["--conf", "a=b", "--driver-memory=8g", "-v"])
    [('--conf', 'a=b'), ('--driver-memory', '8g'), ('-v', '')]
    """
    found: list[tuple[str, str]] = []
    words = iter(arguments)
    for word in words:
        name, equals, joined = word.partition("=")
        if not word.startswith("-"):
            raise OptionError(
                f"{shown(word)}: what is this for? After -- come options of spark-submit, such as --conf KEY=VALUE"
            )
        if name in ("--deploy-mode", "--master", "--properties-file"):
            raise OptionError(f"{name}: a run on Amazon EMR has its own; settings are given one by one with --conf KEY=VALUE")
        value = joined if equals or word in ALONE else next(words, None)
        if value is None or (name in ("--conf", "-c") and "=" not in value):
            raise OptionError(f"{name}: {f'{shown(value)} is no KEY=VALUE' if value else 'a value is missing'}")
        found.append((name, value))
    return found


def _properties_of(options: Iterable[tuple[str, str]]) -> Properties:
    """The properties that options of spark-submit set."""
    found = {}
    for name, value in options:
        if name in ("--conf", "-c"):
            key, _, of_key = value.partition("=")
            found[key] = of_key
        elif name == "--executor-cores":
            found[CORES] = value
    if not found.get(CORES, "1").isdigit():
        raise OptionError(f"{CORES} {found[CORES]}: write a number")
    return found


def _mebibytes(size: str) -> int:
    """An amount of memory as Spark has it, such as ``9g``; without a unit it is of MiB."""
    match = re.fullmatch(r"(\d+)([kmgt]?)b?", size.strip().lower())
    if not match:
        raise RunError(f"{OVERHEAD} {size}: write an amount such as 9g")
    return int(int(match[1]) * 2.0 ** {"k": -10, "m": 0, "": 0, "g": 10, "t": 20}[match[2]])
