"""A server of MongoDB's wire protocol for the tests: made once, started where no MongoDB is named.

Its jars come by the Ivy that pyspark ships and are held to their hashes; its sources are compiled by Eclipse's compiler, one
of those jars, so that any Java that runs Spark will do.
"""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
MADE = HERE.parents[1] / ".build" / "mongo-server"
SOURCES = sorted(HERE.glob("*.java"))
STARTS_WITHIN_S = 60
INSTEAD = "Or name a MongoDB that the tests may use: MONGODB_TEST_URI=mongodb://..."


class ServerError(Exception):
    """The server could not be made, or did not start."""


def java() -> str:
    """The Java that Spark runs on."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"


def made_server() -> Path:
    """The folder with the server's jars and classes, made where there is none of the same sources."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in [HERE / "ivy.xml", HERE / "jars.sha256", *SOURCES]))
    target = MADE / digest.hexdigest()[:16]
    if target.is_dir():
        return target
    MADE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MADE, prefix="part-") as part:
        made = Path(part) / "made"
        fetch_jars(Path(part), made)
        compile_sources(made)
        try:
            made.rename(target)
        except OSError:  # another test run was faster
            if not target.is_dir():
                raise
    return target


def fetch_jars(part: Path, to: Path) -> None:
    """Jars of ``ivy.xml``, each with the hash that ``jars.sha256`` has of it."""
    import pyspark

    [ivy] = (Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar")
    settings = ["-warn", "-cache", str(part / "cache"), "-ivy", str(HERE / "ivy.xml"), "-confs", "default"]
    retrieve = ["-retrieve", str(to / "[artifact]-[revision].[ext]")]
    run([java(), *trust(part), "-jar", str(ivy), *settings, *retrieve], "fetching the jars of the test server failed")
    wanted = dict(reversed(line.split()) for line in (HERE / "jars.sha256").read_text().splitlines())
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in to.glob("*.jar")}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise ServerError(f"jars of the test server are not those of jars.sha256: {', '.join(wrong)}. {INSTEAD}")


def trust(part: Path) -> list[str]:
    """The certificates of SSL_CERT_FILE, as most programs read them there, for Java, which has its own."""
    bundle = os.environ.get("SSL_CERT_FILE")
    if not bundle:
        return []
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
    from cryptography.x509 import load_pem_x509_certificates

    with warnings.catch_warnings(action="ignore"):  # of odd serial numbers, which some have
        certificates = load_pem_x509_certificates(Path(bundle).read_bytes())
    named = [pkcs12.PKCS12Certificate(one, str(number).encode()) for number, one in enumerate(certificates)]
    store = part / "trusted.p12"
    store.write_bytes(pkcs12.serialize_java_truststore(named, BestAvailableEncryption(b"changeit")))
    return [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]


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
