"""What a cluster gets: the package, its packages, the configuration and the job file, each named by its content."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seisbatch.config import CONF
from seisbatch.launch.environment import environment_file

if TYPE_CHECKING:
    from seisbatch.launch.settings import LaunchSettings  # brings boto3, which a package alone does not need

LIB = Path(__file__).resolve().parents[2]

CONF_FILES = ("jobs/*.toml", "emr/prices.toml", "emr/rates.toml")
"""What jobs read of the configuration: their options, and what a plan is priced with."""

PACKAGE, ENVIRONMENT, CONFIGURATION, JOB, FILES = "package", "environment", "configuration", "job", "files"
JAR = "jar:"
"""Before the name of a Java library, of which there may be several."""


@dataclass(frozen=True)
class Artefact:
    """A file that is sent: what it is for, where it is, and the SHA-256 of its bytes."""

    name: str
    path: Path
    sha256: str


def artefact(name: str, path: Path) -> Artefact:
    """A file as it is now."""
    with path.open("rb") as file:
        return Artefact(name, path, hashlib.file_digest(file, "sha256").hexdigest())


def artefacts(build: Path, job: Path, settings: LaunchSettings, conf: Path = CONF) -> list[Artefact]:
    """Everything that a run of a job on a cluster needs, made where it is not there yet.

    Raises RunError where it cannot be made.
    """
    return [
        package_zip(build),
        conf_zip(build, conf),
        artefact(JOB, job),
        environment_archive(build, settings.python, settings.architecture, settings.wheels),
    ]


def environment_archive(build: Path, python: str, architecture: str, wheels: Path | None = None) -> Artefact:
    """The packages of the lock for a Python such as ``3.11`` on ``x86_64`` or ``aarch64``, some of them of wheels built before.

    Raises RunError where one has no wheel.
    """
    return artefact(ENVIRONMENT, environment_file(build, python, architecture, own=wheels))


def package_zip(build: Path, lib: Path = LIB) -> Artefact:
    """The package as a zip: the same sources, the same bytes."""
    files = sorted(file for file in (lib / "seisbatch").rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    contents = {file.relative_to(lib).as_posix(): file.read_bytes() for file in files}
    return artefact(PACKAGE, _zipped(build, "seisbatch", contents))


def conf_zip(build: Path, conf: Path = CONF) -> Artefact:
    """What jobs read of the configuration folder, as a zip: drivers and workers elsewhere have it as SEISBATCH_CONF."""
    files = sorted(file for pattern in CONF_FILES for file in conf.glob(pattern))
    contents = {file.relative_to(conf).as_posix(): file.read_bytes() for file in files}
    return artefact(CONFIGURATION, _zipped(build, "conf", contents))


def files_zip(build: Path, files: Mapping[str, Path]) -> Artefact:
    """Files by the names that they get on the cluster, as a zip."""
    return artefact(FILES, _zipped(build, "files", {name: file.read_bytes() for name, file in sorted(files.items())}))


def jars(paths: Iterable[Path]) -> list[Artefact]:
    """Java libraries that drivers and executors need, such as those of the connector to MongoDB."""
    return [artefact(f"{JAR}{path.name}", path) for path in paths]


def _zipped(build: Path, name: str, contents: Mapping[str, bytes]) -> Path:
    """A zip named by its content, made only where that is new."""
    digest = hashlib.sha256()
    for path, content in contents.items():
        digest.update(f"{path} {len(content)}\n".encode() + content)
    target = build / f"{name}-{digest.hexdigest()[:16]}.zip"
    if not target.exists():
        build.mkdir(parents=True, exist_ok=True)
        part = build / f"{target.name}.{os.getpid()}"
        with zipfile.ZipFile(part, "w") as package:
            for path, content in contents.items():
                info = zipfile.ZipInfo(path)  # dated 1980
                info.external_attr = 0o644 << 16
                package.writestr(info, content, zipfile.ZIP_DEFLATED)
        part.replace(target)
    return target


if __name__ == "__main__":  # submit.sh wants the path of the package
    print(package_zip(Path(sys.argv[1])).path)
