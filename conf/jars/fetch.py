"""Jars of a set, fetched once, by the Ivy that pyspark ships, and each held to its hash.

    python conf/jars/fetch.py SET FOLDER

SET is a folder with ``ivy.xml``, which names what is wanted, and ``jars.sha256``, the hash of every jar of it. The jars
stand in a folder of FOLDER that is named by both; prints their paths, comma separated, as spark-submit takes them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

FETCHED_WITHIN_S = 600
PASSWORD = "changeit"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END", re.DOTALL)


class JarsError(Exception):
    """The jars could not be fetched, or are not the ones that were asked for."""


def java() -> str:
    """The Java that Spark runs on."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"


def fetched(jars: Path, folder: Path) -> list[Path]:
    """The jars of a set, fetched where they are not in the folder already; JarsError, in one line, where that fails."""
    digest = hashlib.sha256(b"".join((jars / name).read_bytes() for name in ("ivy.xml", "jars.sha256")))
    target = folder / f"{jars.name}-{digest.hexdigest()[:16]}"
    if not target.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="part-") as part:
            fetch(jars, Path(part), Path(part) / "made")
            try:
                (Path(part) / "made").rename(target)
            except OSError:  # another run was faster
                if not target.is_dir():
                    raise
    return sorted(target.glob("*.jar"))


def fetch(jars: Path, part: Path, to: Path) -> None:
    """Fetch the jars of a set into a folder; ``part`` is one for what is needed meanwhile."""
    import pyspark

    [ivy] = (Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar")
    settings = ["-warn", "-cache", str(part / "cache"), "-ivy", str(jars / "ivy.xml"), "-confs", "default"]
    command = [java(), *trust(part), "-jar", str(ivy), *settings, "-retrieve", str(to / "[artifact]-[revision].[ext]")]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=FETCHED_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JarsError(f"the jars of {jars.name} could not be fetched: {type(error).__name__}: {error}") from None
    if done.returncode:
        raise JarsError(f"the jars of {jars.name} could not be fetched: {_told(done.stdout)}")
    wanted = dict(reversed(line.split()) for line in (jars / "jars.sha256").read_text().splitlines())
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in to.glob("*.jar")}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise JarsError(f"jars of {jars.name} are not those of its jars.sha256: {', '.join(wrong)}")


def _told(text: str) -> str:
    """What Ivy says was the matter: the first line that tells of a trouble, or else its last."""
    lines = [line.strip(" :\t") for line in text.splitlines() if line.strip(" :\t")]
    troubles = [line for line in lines if re.search(r"Exception|not found|UNRESOLVED|problem while", line)]
    return (troubles or lines[-1:] or ["no word of why"])[0][:300]


def trust(part: Path) -> list[str]:
    """The certificates of SSL_CERT_FILE, as most programs read them there, for Java, which has its own."""
    bundle = os.environ.get("SSL_CERT_FILE")
    if not bundle or not Path(bundle).is_file():
        return []
    found = [base64.b64decode(text) for text in _CERTIFICATE.findall(Path(bundle).read_bytes())]
    store = part / "trusted.jks"
    store.write_bytes(_java_keystore(found))
    settings = {"trustStore": store, "trustStoreType": "JKS", "trustStorePassword": PASSWORD}
    return [f"-Djavax.net.ssl.{name}={value}" for name, value in settings.items()]


def _java_keystore(certificates: list[bytes]) -> bytes:
    """Java's own keystore of trusted certificates (DER), by its format: a header, the entries, a salted hash of all."""

    def text(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode()

    body = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for number, certificate in enumerate(certificates):
        body += struct.pack(">I", 2) + text(str(number)) + struct.pack(">Q", 0)  # a trusted certificate, its name, its date
        body += text("X.509") + struct.pack(">I", len(certificate)) + certificate
    salt = PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite"
    return body + hashlib.sha1(salt + body).digest()


if __name__ == "__main__":
    try:
        print(",".join(map(str, fetched(Path(sys.argv[1]), Path(sys.argv[2])))))
    except JarsError as error:
        sys.exit(f"submit.sh: {error}. The same command tries again")
