"""A real cluster of Spark's own on this computer: a master and workers, each a process of its own, of pyspark's classes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

STARTS_WITHIN_S = 90
STARTS_SOON = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
OF_A_USER = ("PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME", "SEISBATCH_JAVA")


class Cluster:
    """A master and two workers of one core and 2 GB each.

    Their environment is that of a machine which knows nothing of the project: no ``PYTHONPATH``, no variable of Spark's or
    seisbatch's, a working directory of their own; but for the Java that the tests run with. Logs stand in the folder. It runs
    in a context.
    """

    def __init__(self, folder: Path, spark_home: Path) -> None:
        self._folder = folder
        self._spark_class = spark_home / "bin" / "spark-class"
        self._environment = {name: os.environ[name] for name in OF_A_USER if name in os.environ}
        self._environment |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_JAVA_OPTS": STARTS_SOON}
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._workers: list[subprocess.Popen[bytes]] = []
        self._web = ""
        self.url = ""

    def __enter__(self) -> Cluster:
        try:
            log = self._start("master", "master.Master", "--port", "0")
            self.url = _told(log, r"Starting Spark master at (spark://\S+)")
            self._web = "http://127.0.0.1:" + _told(log, r"'MasterUI' on port (\d+)")
            self.make_up_workers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in reversed(self._daemons):
            kill_tree(daemon.pid)
            daemon.wait()

    def make_up_workers(self) -> None:
        """Start what is missing of two workers, and wait until the master counts on them."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        while len(self._workers) < 2:
            name = f"worker-{len(self._daemons)}"
            size = ["--cores", "1", "--memory", "2g", "--work-dir", str(self._folder / name)]
            self._start(name, "worker.Worker", self.url, *size)
            self._workers.append(self._daemons[-1])
        wait_until(lambda: self._alive() == 2)

    def kill_worker(self) -> None:
        """``kill -9`` of a worker and of every process that it started: executors, and their Python workers."""
        worker = self._workers[0]
        assert any("CoarseGrainedExecutorBackend" in word for child in children(worker.pid) for word in child.cmdline())
        kill_tree(worker.pid)
        worker.wait()

    def applications(self) -> set[str]:
        """The applications that workers have started executors for."""
        return {folder.name for folder in self._folder.glob("worker-*/app-*")}

    def _start(self, name: str, daemon: str, *arguments: str) -> Path:
        log = self._folder / f"{name}.log"
        command = [str(self._spark_class), f"org.apache.spark.deploy.{daemon}", *arguments]
        command += ["--host", "127.0.0.1", "--webui-port", "0"]
        with log.open("wb") as file:
            started = subprocess.Popen(command, env=self._environment, cwd=self._folder, stdout=file, stderr=file)
        self._daemons.append(started)
        return log

    def _alive(self) -> int:
        with urllib.request.urlopen(f"{self._web}/json/", timeout=10) as answer:
            return sum(worker["state"] == "ALIVE" for worker in json.load(answer)["workers"])


def _told(log: Path, pattern: str) -> str:
    """What a daemon tells in its log."""
    found: list[str] = []

    def look() -> bool:
        found[:] = re.findall(pattern, log.read_text())
        return bool(found)

    wait_until(look, log)
    return found[0]


def wait_until(is_so: Callable[[], bool], log: Path | None = None) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, log.read_text() if log else ""
        time.sleep(0.1)


def children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def kill_tree(pid: int) -> None:
    """Kill a process that was started here, and its children, at once."""
    try:
        whole = [psutil.Process(pid), *children(pid)]
    except psutil.NoSuchProcess:
        return
    for process in whole:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
