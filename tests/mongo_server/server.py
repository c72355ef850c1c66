"""A server of MongoDB's wire protocol for the tests: made once, started where no MongoDB is named.

Its jars come by the Ivy that pyspark ships and are held to their hashes; its sources are compiled by Eclipse's compiler, one
of those jars, so that any Java that runs Spark will do.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
MADE = HERE.parents[1] / ".build" / "mongo-server"
CONNECTOR = HERE.parents[1] / "conf" / "jars" / "mongo-spark"
SOURCES = sorted(HERE.glob("*.java"))
STARTS_WITHIN_S = 60
INSTEAD = "Or name a MongoDB that the tests may use: MONGODB_TEST_URI=mongodb://..."


class ServerError(Exception):
    """The server could not be made, or did not start."""


def _fetching() -> ModuleType:
    """What fetches jars for the launcher too."""
    specification = importlib.util.spec_from_file_location("fetch_jars", HERE.parents[1] / "conf" / "jars" / "fetch.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


jars = _fetching()
java = jars.java


def connector() -> list[Path]:
    """The jars of Spark's connector to MongoDB; ServerError where they cannot be fetched."""
    try:
        found: list[Path] = jars.fetched(CONNECTOR, MADE.parent / "jars")
    except jars.JarsError as error:
        raise ServerError(str(error)) from None
    return found


def made_server() -> Path:
    """The folder with the server's jars and classes, made where there is none of the same sources."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in [HERE / "ivy.xml", HERE / "jars.sha256", *SOURCES]))
    target = MADE / digest.hexdigest()[:16]
    if target.is_dir():
        return target
    MADE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MADE, prefix="part-") as part:
        made = Path(part) / "made"
        try:
            jars.fetch(HERE, Path(part), made)
        except jars.JarsError as error:
            raise ServerError(f"{error}. {INSTEAD}") from None
        compile_sources(made)
        try:
            made.rename(target)
        except OSError:  # another test run was faster
            if not target.is_dir():
                raise
    return target


def compile_sources(made: Path) -> None:
    """Classes beside the jars."""
    [compiler] = made.glob("ecj-*.jar")
    options = ["-source", "17", "-target", "17", "-proc:none", "-nowarn", "-d", str(made), "-cp", classpath(made)]
    run([java(), "-jar", str(compiler), *options, *map(str, SOURCES)], "compiling the test server failed")


def classpath(made: Path) -> str:
    return os.pathsep.join([str(made), *map(str, sorted(made.glob("*.jar")))])


def run(command: list[str], problem: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    if done.returncode:
        raise ServerError(f"{problem}:\n{done.stdout[-3000:]}\n{INSTEAD}")


class Server:
    """A server on a port of 127.0.0.1, with its documents in memory, or in a file where one is named.

    It runs in a context, and ends with it or with this process. Documents in a file outlive it: it can be killed, and started
    again at the address that it had. As of mongod, a kill may lose what was acknowledged in the last 100 ms, and whatever it
    takes besides to write the file; never what was written with ``WriteConcern(j=True)`` or came before the command
    ``fsync`` of ``admin``. What is left is what the database held between two commands: nothing later without what was earlier,
    in any collection. Users that were made are gone. Writing a document takes about 1 ms there: tests with a file are small.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.uri = ""
        self._file = file
        self._port = 0
        self._log = tempfile.TemporaryFile()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers; again at the address that it had. Raises ServerError where it does not."""
        if not shutil.which(java()):
            raise ServerError(f"no Java at {java()}: run the tests with ./submit.sh test. {INSTEAD}")
        made = made_server()
        options = ["-Xmx1g", "-Djava.util.Arrays.useLegacyMergeSort=true", "-cp", classpath(made)]
        where = ["127.0.0.1", str(self._port), *([str(self._file)] if self._file else [])]
        self._process = subprocess.Popen(
            [java(), *options, "Main", *where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], STARTS_WITHIN_S)
        word, _, uri = (self._process.stdout.readline() if ready else "").strip().partition(" ")
        if word != "ready":
            self.kill()
            self._log.seek(0)
            told = self._log.read()[-3000:].decode(errors="replace")
            raise ServerError(f"the test server did not start within {STARTS_WITHIN_S} s:\n{told}\n{INSTEAD}")
        self.uri, self._port = uri, int(uri.rpartition(":")[2])

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does."""
        if self._process:
            self._process.kill()
            self._wait()

    def stop(self) -> None:
        """End it in order: everything is in its file."""
        if self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                print("the test server did not end by itself", file=sys.stderr)
                self._process.kill()
            self._wait()

    def _wait(self) -> None:
        assert self._process is not None
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait()
        self._process = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()


@contextmanager
def running_server() -> Iterator[str]:
    """The URI of a server on a free port of 127.0.0.1; it ends with the context, or with this process."""
    with Server() as server:
        yield server.uri
