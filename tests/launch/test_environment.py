"""The packed environment: whose wheels, which files of them, and that a bare Python can work with it."""

import os
import platform
import re
import subprocess
import sys
import tarfile

import pytest
from seisbatch.launch.bundle import conf_zip, package_zip
from seisbatch.launch.environment import LOCK, environment_file, locked
from seisbatch.outcome import RunError

from tests.launch.wheels import make_wheel


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of wheels that is all that pip knows of."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_lock(folder, *lines):
    lock = folder / "some.lock"
    lock.write_text("# Pinned.\n" + "\n".join(lines).replace(" --hash", " \\\n    --hash") + "\n")
    return lock


def members(archive):
    with tarfile.open(archive) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}


@pytest.mark.parametrize(("python", "numpys"), [("3.11", {"2.4"}), ("3.12", {"2.5"}), ("3.13", {"2.5"})])
def test_conditions_are_those_of_the_python_over_there(python, numpys):
    lines = locked(LOCK.read_text(), python, "aarch64")
    assert {re.match(r"numpy==(\d+\.\d+)", line)[1] for line in lines if line.startswith("numpy==")} == numpys
    names = [line.partition("==")[0] for line in lines]
    assert len(set(names)) == len(names)
    assert {"obspy", "boto3", "pydantic", "matplotlib"} <= set(names)
    assert not {"pyspark", "py4j", "tzdata"} & set(names)  # the cluster's own, and Windows'
    assert all(" --hash=sha256:" in line for line in lines)


def test_an_archive_is_made_once_and_of_the_same_bytes(shelf, tmp_path):
    lock = write_lock(tmp_path, make_wheel(shelf, "beta"), make_wheel(shelf, "alpha"))
    first = environment_file(tmp_path / "one", "3.12", "aarch64", lock)
    made = first.stat().st_mtime_ns
    assert environment_file(tmp_path / "one", "3.12", "aarch64", lock) == first
    assert first.stat().st_mtime_ns == made
    again = environment_file(tmp_path / "two", "3.12", "aarch64", lock)
    assert (again.name, again.read_bytes()) == (first.name, first.read_bytes())
    other = environment_file(tmp_path / "one", "3.12", "x86_64", lock)
    assert sorted((tmp_path / "one").iterdir()) == sorted({first, other})  # two, and nothing else is left


def test_modules_are_packed_and_commands_are_not(shelf, tmp_path):
    files = {
        "gamma-1.data/platlib/gamma_native.so": "native",
        "gamma-1.data/purelib/gamma_more/__init__.py": "",
        "gamma-1.data/scripts/gamma": "#!python",
        "gamma-1.data/data/share/gamma.1": "manual",
        "gamma_more/__pycache__/x.cpython-311.pyc": "compiled",
    }
    line = make_wheel(shelf, "gamma", tag="cp311-cp311-manylinux_2_28_x86_64", files=files)
    found = members(environment_file(tmp_path / "build", "3.11", "x86_64", write_lock(tmp_path, line)))
    info = {f"gamma-1.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    assert set(found) == {"gamma.py", "gamma_native.so", "gamma_more/__init__.py"} | info
    assert list(found) == sorted(found)
    assert found["gamma_native.so"] == b"native"


def test_a_file_that_would_leave_the_folder_is_refused(shelf, tmp_path):
    line = make_wheel(shelf, "delta", files={"delta-1.data/purelib/../../evil.py": ""})
    with pytest.raises(RunError, match=r"delta-1-py3-none-any.whl holds a file '../../evil.py'"):
        environment_file(tmp_path / "build", "3.11", "x86_64", write_lock(tmp_path, line))
    assert list((tmp_path / "build").iterdir()) == []


def test_a_package_without_a_wheel_is_named_and_one_built_by_hand_is_taken(shelf, tmp_path):
    pure = make_wheel(shelf, "pure")
    lock = write_lock(tmp_path, pure, make_wheel(shelf, "native", tag="cp311-cp311-manylinux_2_28_x86_64"))
    assert "native.py" in members(environment_file(tmp_path / "build", "3.11", "x86_64", lock))
    with pytest.raises(RunError, match=r"native 1 has no wheel for Python 3\.11 on aarch64.*conf/emr/launch\.toml") as told:
        environment_file(tmp_path / "build", "3.11", "aarch64", lock)
    assert "python3.11 -m pip wheel --no-deps native==1" in str(told.value)

    own = tmp_path / "own"
    own.mkdir()
    make_wheel(own, "native", tag="cp311-cp311-linux_aarch64", files={"where.txt": "there"})
    make_wheel(own, "native", tag="cp312-cp312-linux_aarch64")  # another Python's
    make_wheel(own, "native", version="2", tag="cp311-cp311-linux_aarch64")  # not what is locked
    found = members(environment_file(tmp_path / "build", "3.11", "aarch64", lock, own))
    assert found["where.txt"] == b"there"
    assert found["native.py"] == b"VERSION = '1'\n"
    assert "pure.py" in found
    with pytest.raises(RunError, match="no folder"):
        environment_file(tmp_path / "build", "3.11", "aarch64", lock, tmp_path / "none")


def test_a_wheel_that_is_not_the_locked_one_is_refused(shelf, tmp_path):
    lock = write_lock(tmp_path, make_wheel(shelf, "epsilon"))
    make_wheel(shelf, "epsilon", files={"more.py": ""})
    with pytest.raises(RunError, match="cannot be fetched: .*"):
        environment_file(tmp_path / "build", "3.11", "x86_64", lock)


@pytest.mark.skipif(sys.platform != "linux", reason="manylinux wheels run on Linux only")
def test_a_bare_python_runs_a_job_with_what_is_sent_alone(tmp_path):
    """Real wheels of this computer's Python: what an executor has, less Spark, is enough for the options of every job."""
    needed = ("pydantic", "annotated-types", "typing-extensions", "typing-inspection", "packaging")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    lines = [line for line in locked(LOCK.read_text(), python, platform.machine()) if line.startswith(needed)]
    environment = environment_file(tmp_path / "build", python, platform.machine(), write_lock(tmp_path, *lines))
    package, conf = package_zip(tmp_path / "build"), conf_zip(tmp_path / "build")
    container = tmp_path / "container"
    container.mkdir()
    with tarfile.open(environment) as archive:
        archive.extractall(container / "environment", filter="data")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", conf.path, container / "configuration"], check=True)
    program = "import seisbatch, pydantic; from seisbatch.config import parse; from seisbatch.options import JOBS\n"
    program += (
        "for job in JOBS: parse(job, JOBS[job], ['--max-bad-fraction', '0.25'] + ['--tables', 'x'] * (job == 'load_mongo'))\n"
    )
    program += "print(seisbatch.__file__, pydantic.__file__, len(JOBS))"
    paths = f"./environment:{package.path}"
    done = subprocess.run(
        [os.path.realpath(sys.executable), "-S", "-s", "-c", program],
        env={"PYTHONPATH": paths, "SEISBATCH_CONF": "./configuration", "PATH": os.environ["PATH"]},
        cwd=container,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{package.path}/seisbatch/__init__.py {container / 'environment' / 'pydantic'}")
