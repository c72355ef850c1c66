"""Jars that are fetched once, held to their hashes; what goes wrong is told in one line."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import ssl
import subprocess
import sys
from pathlib import Path

import certifi
import pytest

HERE = Path(__file__).resolve().parents[1]
FETCH = HERE / "conf" / "jars" / "fetch.py"
BODY = b"a jar"


@pytest.fixture
def jars(tmp_path):
    """A set of one jar, and a Java whose Ivy brings that."""
    folder = tmp_path / "some-jars"
    folder.mkdir()
    (folder / "ivy.xml").write_text("<ivy-module version='2.0'/>")
    (folder / "jars.sha256").write_text(f"{hashlib.sha256(BODY).hexdigest()}  one-1.0.jar\n")
    java = tmp_path / "java-home" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> "{tmp_path}/asked"\n'
        "for word; do pattern=$word; done; folder=${pattern%/*}\n"
        f'mkdir -p "$folder"; printf "a jar" > "$folder/one-1.0.jar"\n'
    )
    java.chmod(0o755)
    return folder


def fetch(jars, tmp_path, **environment):
    known = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    command = [sys.executable, FETCH, jars, tmp_path / "fetched"]
    environment = known | {"JAVA_HOME": str(tmp_path / "java-home")} | environment
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=60)


def test_jars_are_fetched_once_and_named(jars, tmp_path):
    for _ in range(2):
        done = fetch(jars, tmp_path)
        [jar] = done.stdout.strip().split(",")
        assert Path(jar).read_bytes() == BODY
    assert len((tmp_path / "asked").read_text().splitlines()) == 1
    assert [path.name for path in (tmp_path / "fetched").iterdir()] == [Path(jar).parent.name]


def test_a_jar_that_is_not_the_one_asked_for_is_refused(jars, tmp_path):
    (jars / "jars.sha256").write_text(f"{hashlib.sha256(b'another').hexdigest()}  one-1.0.jar\n")
    done = fetch(jars, tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "submit.sh: jars of some-jars are not those of its jars.sha256: one-1.0.jar. The same command tries again\n"
    )
    assert not list((tmp_path / "fetched").iterdir())


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "could not be fetched: FileNotFoundError: "),
        ("echo ':: loading settings'; echo '::  problem while downloading: no route to host'; exit 1", "no route to host"),
        ("exit 3", "no word of why"),
    ],
)
def test_what_keeps_them_from_being_fetched_is_one_line(script, message, jars, tmp_path):
    java = tmp_path / "java-home" / "bin" / "java"
    java.unlink()
    if script is not None:
        java.write_text(f"#!/bin/sh\n{script}\n")
        java.chmod(0o755)
    done = fetch(jars, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("submit.sh: the jars of some-jars could not be fetched: ")
    assert message in line


def test_java_trusts_what_ssl_cert_file_names(tmp_path, monkeypatch):
    """Java's own tool reads the store of certificates that is made for Ivy."""
    specification = importlib.util.spec_from_file_location("fetch_jars", FETCH)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    told = module.trust(tmp_path)
    store = tmp_path / "trusted.jks"
    assert f"-Djavax.net.ssl.trustStore={store}" in told
    tool = [module.java(), "-m", "java.base/sun.security.tools.keytool.Main"]
    listed = subprocess.run([*tool, "-list", "-keystore", store, "-storepass", "changeit"], capture_output=True, text=True)
    assert listed.returncode == 0, listed.stdout
    assert (
        listed.stdout.count("trustedCertEntry") == len(ssl.create_default_context(cafile=certifi.where()).get_ca_certs()) > 50
    )
