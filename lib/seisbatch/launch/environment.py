"""The packages that workers of a cluster need, as one archive, made from wheels without running anything of them.

Wheels are for the cluster's Python and processor, whatever computer this is, so that it works from a Mac. They are those of
``conf/requirements.lock`` with its hashes, less what the cluster brings: PySpark of its own version.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from seisbatch.outcome import RunError

LOCK = Path(__file__).resolve().parents[3] / "conf" / "requirements.lock"

OF_THE_CLUSTER = frozenset({"pyspark", "py4j"})
"""What the cluster has, and must not get in another version than its own."""

FORMAT = 1
"""Goes up where the same wheels make another archive: one that was made before is not taken for it."""

NEWEST_GLIBC = 34
"""Wheels may need a glibc up to 2.34, that of Amazon Linux 2023, on which EMR's Spark 4 runs."""

OLDEST_GLIBC = 5

_NO_WHEEL = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)==(\S+)")
_OF_THE_INSTALLER = re.compile(r"[^/]+\.data/(?:purelib|platlib)/(.+)")
_NOT_A_MODULE = re.compile(r"[^/]+\.data/.*|(?:.*/)?__pycache__/.*")


def locked(text: str, python: str, architecture: str) -> list[str]:
    """The lines of a lock that a Python such as ``3.11`` on ``x86_64`` or ``aarch64`` under Linux needs, sorted, with hashes.

    Conditions are those of the Python there: pip would judge them by the one that it runs in.
    """
    there = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": architecture,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    lines = []
    for entry in re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n?", "", text)).splitlines():
        wanted, *hashes = entry.split("--hash=")
        if not wanted.strip():
            continue
        requirement = Requirement(wanted.strip())
        if requirement.name in OF_THE_CLUSTER or (requirement.marker and not requirement.marker.evaluate(there)):
            continue
        requirement.marker = None
        lines.append(" ".join([str(requirement), *(f"--hash={digest.strip()}" for digest in hashes)]))
    return sorted(lines)


def environment_file(build: Path, python: str, architecture: str, lock: Path = LOCK, own: Path | None = None) -> Path:
    """A tar.gz with the folder of modules of a lock for such a Python, made in a folder where it is not there yet.

    The folder is what ``PYTHONPATH`` names on the cluster. The name tells the lock, the Python and the processor; the same
    wheels give the same bytes. Wheels of a lock's versions in the folder ``own`` are taken as they are: the user built them.
    Raises RunError where a package has no wheel, or pip cannot fetch one.
    """
    wanted = locked(lock.read_text(encoding="utf-8"), python, architecture)
    built = _built(own, wanted, python, architecture) if own else {}
    digest = hashlib.sha256("\n".join([f"{FORMAT} {python} {architecture}", *wanted]).encode())
    for wheel in built.values():
        digest.update(wheel.read_bytes())
    target = build / f"environment-{digest.hexdigest()[:16]}.tar.gz"
    if target.exists():
        return target
    build.mkdir(parents=True, exist_ok=True)
    print(f"packing the environment of Python {python} on {architecture} (once, some minutes)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=build) as folder:
        fetch_wheels(Path(folder), [line for line in wanted if line not in built], python, architecture)
        part = build / f"{target.name}.{os.getpid()}"
        try:
            pack([*sorted(Path(folder).glob("*.whl")), *built.values()], part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target


def _platforms(architecture: str) -> list[str]:
    """What wheels may be for, from the newest on."""
    newest_first = range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)
    return [f"manylinux_2_{minor}_{architecture}" for minor in newest_first] + [f"manylinux2014_{architecture}"]


def _built(folder: Path, wanted: list[str], python: str, architecture: str) -> dict[str, Path]:
    """Wheels that a user built, by the line of the lock that each is for; RunError where there is no such folder."""
    if not folder.is_dir():
        raise RunError(f"wheels = {folder} in conf/emr/launch.toml is no folder")
    version = tuple(map(int, python.split(".")))
    platforms = [*_platforms(architecture), f"linux_{architecture}"]  # what a wheel built on the spot is for
    fits = {*cpython_tags(version, [f"cp{python.replace('.', '')}"], platforms), *compatible_tags(version, None, platforms)}
    found = {}
    for wheel in sorted(folder.glob("*.whl")):
        try:
            name, number, _, tags = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename as error:
            raise RunError(f"{wheel}: {error}") from None
        for line in wanted:
            if tags & fits and line.split(" ")[0] == f"{name}=={number}":
                found[line] = wheel
    return found


def fetch_wheels(folder: Path, wanted: list[str], python: str, architecture: str) -> None:
    """Fetch wheels with pip, from wherever it is set up to take them; every file has one of the lock's hashes.

    Raises RunError, naming the package and what to do, where one has no wheel.
    """
    if not wanted:
        return
    listed = folder / "wanted.lock"
    listed.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    command += ["--abi", f"cp{python.replace('.', '')}", "--abi", "abi3", "--abi", "none"]
    command += [word for platform in _platforms(architecture) for word in ("--platform", platform)]
    done = subprocess.run([*command, "--dest", str(folder), "--requirement", str(listed)], capture_output=True, text=True)
    if not done.returncode:
        return
    if missing := _NO_WHEEL.search(done.stderr):
        name, version = missing.groups()
        raise RunError(
            f"{name} {version} has no wheel for Python {python} on {architecture}. In conf/emr/launch.toml, set another "
            "architecture or python, or name a folder of wheels: this one's is built on such a computer with "
            f"'python{python} -m pip wheel --no-deps {name}=={version}'"
        )
    told = [line for line in done.stderr.splitlines() if line.strip()]
    raise RunError(f"the packages for Python {python} on {architecture} cannot be fetched: {' '.join(told[-3:])}")


def pack(wheels: list[Path], target: Path) -> None:
    """Write the modules of wheels as one tar.gz, without commands and data files, sorted and without a date.

    A wheel is a zip: unpacking it runs nothing of it. Its bytes were checked against the lock's hash as it was fetched, so
    that its own list of hashes adds nothing. Raises RunError where a name would leave the folder.
    """
    members: dict[str, tuple[Path, zipfile.ZipInfo]] = {}
    for wheel in wheels:
        members |= {name: (wheel, info) for name, info in _modules(wheel)}
    opened = {wheel: zipfile.ZipFile(wheel) for wheel in wheels}
    try:
        # level 1: a quarter of the time of the usual one, and a tenth more bytes
        with target.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as compressed:
            with tarfile.open(mode="w", fileobj=compressed, format=tarfile.GNU_FORMAT) as archive:
                for name, (wheel, info) in sorted(members.items()):
                    member = tarfile.TarInfo(name)  # of nobody, and of 1970
                    member.size = info.file_size
                    member.mode = 0o755 if info.external_attr >> 16 & stat.S_IXUSR else 0o644
                    with opened[wheel].open(info) as content:
                        archive.addfile(member, content)
    finally:
        for wheel_file in opened.values():
            wheel_file.close()


def _modules(wheel: Path) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Files of a wheel that belong into a folder of modules, by their names there."""
    with zipfile.ZipFile(wheel) as package:
        for info in package.infolist():
            moved = _OF_THE_INSTALLER.fullmatch(info.filename)
            name = moved[1] if moved else info.filename
            if info.is_dir() or (not moved and _NOT_A_MODULE.fullmatch(name)):
                continue
            if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
                raise RunError(f"{wheel.name} holds a file {name!r} outside of its folder")
            yield name, info
