"""What may import what: the layers of the design, read from the imports of every module, nested ones too."""

import ast
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]

BASE = {"names", "times", "outcome"}
BELOW_ACQUIRE = BASE | {"archives", "process"}
BELOW_TABLES = BELOW_ACQUIRE | {"acquire"}
TABLES = BELOW_TABLES | {"schema", "steps", "sinks"}
FOR_BYTES = {"numpy", "scipy", "boto3", "botocore", "obstore", "pymseed", "obspy", "soundfile", "lxml", "earthscope_sdk"}
EVERYTHING = None

MAY_IMPORT = {
    # the package or module: (parts of seisbatch besides itself, other packages besides the standard library)
    "names": (BASE, {"numpy"}),
    "times": (BASE, {"numpy"}),
    "outcome": (BASE, {"numpy"}),
    "archives": ({"names", "times"}, set()),
    "process": ({"times"}, {"numpy", "scipy"}),
    "options": (BELOW_ACQUIRE, {"pydantic"}),
    "config": (BELOW_ACQUIRE | {"options"}, {"pydantic"}),
    "progress": (set(), set()),
    "sample": (BELOW_TABLES, {"numpy", "scipy", "pymseed", "obspy", "pyarrow"}),
    "acquire": (BELOW_ACQUIRE, FOR_BYTES),
    "schema": (TABLES, FOR_BYTES | {"pyarrow"}),
    "steps": (TABLES, FOR_BYTES | {"pyarrow"}),
    "sinks": (TABLES, FOR_BYTES | {"pyarrow", "pyasdf", "h5netcdf"}),
    "reader": (TABLES, {"numpy", "obspy", "pyarrow", "xarray"}),
    "mongo": (TABLES, FOR_BYTES | {"pyarrow", "pymongo", "bson", "gridfs"}),  # two that come with pymongo
    "report": (TABLES | {"mongo"}, FOR_BYTES | {"pyarrow", "pymongo", "matplotlib"}),
    "launch": (
        TABLES | {"config", "mongo", "options", "progress", "sample"},
        FOR_BYTES | {"packaging", "pydantic", "pyarrow", "pymongo"},
    ),
    # Of plan what goes without Spark: tests/oneshot/test_imports.py sees to it.
    "oneshot": (TABLES | {"config", "mongo", "options", "plan"}, set()),
    "plan": (EVERYTHING, EVERYTHING),
    "app": (EVERYTHING, EVERYTHING),
    "datasource": (EVERYTHING, EVERYTHING),
    "__init__": (set(), set()),  # the readers are imported when they are first used
}
SPARK = {"pyspark", "py4j"}
SPARK_IN_FUNCTIONS = {"schema.py"}
SPARK_ANYWHERE = {"mongo/spark.py"}

UNPICKLING = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve"}
PICKLING = {"mongo/pickles.py": {"pickle.dumps"}}  # and nothing of that package besides: what is not imported cannot load
OBSPY_READ = {"obspy.read", "obspy.core.read", "obspy.core.stream.read"}
JOB_LINES = 60


def violations(root):
    """Every breach of the layers and of the rules on reading, in lib/seisbatch and jobs/ under a root."""
    lib = root / "lib" / "seisbatch"
    found = []
    for file in sorted(lib.rglob("*.py")):
        name = file.relative_to(lib).as_posix()
        tree = ast.parse(file.read_text(encoding="utf-8"))
        problems = [*_layer_problems(name, tree, lib), *_reading_problems(tree, PICKLING.get(name, set()))]
        found += [f"lib/seisbatch/{name}: {problem}" for problem in problems]
    for file in sorted((root / "jobs").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        problems = _reading_problems(ast.parse(text))
        if len(text.splitlines()) > JOB_LINES:
            problems.append(f"longer than {JOB_LINES} lines")
        found += [f"jobs/{file.name}: {problem}" for problem in problems]
    for folder in ("lib", "jobs", "tests"):
        found += [f"{file.relative_to(root)}: name it after what it does" for file in (root / folder).rglob("utils.py")]
    return found


def _layer_problems(name, tree, lib):
    layer = name.partition("/")[0].removesuffix(".py")
    if layer not in MAY_IMPORT:
        return [f"{layer} has no place among the layers: give it one in tests/test_layers.py"]
    parts, packages = MAY_IMPORT[layer]
    late = _late(tree)
    problems = []
    for node, target in _imports(tree, name):
        top, *rest = target.split(".")
        if top in sys.stdlib_module_names:
            continue
        if top == "seisbatch":
            part = rest[0] if rest and _is_module(lib / rest[0]) else None
            allowed = part is None or part == layer or parts is EVERYTHING or part in parts
        elif top in SPARK:
            lazily = name in SPARK_IN_FUNCTIONS and node in late
            allowed = packages is EVERYTHING or lazily or name in SPARK_ANYWHERE
        else:
            allowed = packages is EVERYTHING or top in packages
        if not allowed:
            problems.append(f"line {node.lineno}: may not import {target}")
    return problems


def _is_module(path):
    return path.is_dir() or path.with_suffix(".py").is_file()


def _imports(tree, name):
    """Every import anywhere in a module, by its whole name: ``from a import b`` is a.b, relative ones are resolved."""
    package = ["seisbatch", *name.split("/")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                yield node, ".".join([*base, *filter(None, [node.module]), alias.name])


def _late(tree):
    """Nodes that importing a module does not run: bodies of functions, and what only a type checker sees."""
    outer = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    outer += [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {inner for node in outer for statement in node.body for inner in ast.walk(statement)}


def _reading_problems(tree, pickling=frozenset()):
    problems = []
    called = {}  # a name in this module -> what it stands for
    for node, target in _imports(tree, ""):
        if target.split(".")[0] in UNPICKLING and target not in pickling:
            problems.append(f"line {node.lineno}: may not import {target}: nothing untrusted is executed")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                called[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            called |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = ast.unparse(node.func).partition(".")
        given = {keyword.arg for keyword in node.keywords}
        if called.get(first, first) + dot + rest in OBSPY_READ and "format" not in given:
            problems.append(f"line {node.lineno}: obspy.read without format= unpickles what it does not know")
    return problems


def test_every_module_keeps_to_its_layer():
    assert violations(HERE) == []


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("lib/seisbatch/names.py", "import pyarrow", "line 1: may not import pyarrow"),
        ("lib/seisbatch/archives/new.py", "from seisbatch.acquire import objects", "may not import seisbatch.acquire.objects"),
        (
            "lib/seisbatch/archives/new.py",
            "from ..acquire.objects import Store",
            "may not import seisbatch.acquire.objects.Store",
        ),
        ("lib/seisbatch/archives/new.py", "from seisbatch import acquire", "may not import seisbatch.acquire"),
        ("lib/seisbatch/process/new.py", "def f():\n    import obspy.core", "line 2: may not import obspy.core"),
        ("lib/seisbatch/acquire/new.py", "import pyarrow.parquet as pq", "may not import pyarrow.parquet"),
        ("lib/seisbatch/steps/new.py", "def f():\n    from pyspark.sql import Row", "may not import pyspark.sql.Row"),
        ("lib/seisbatch/steps/new.py", "import seisbatch.plan.new", "may not import seisbatch.plan.new"),
        ("lib/seisbatch/schema.py", "from pyspark.sql import types", "may not import pyspark.sql.types"),
        ("lib/seisbatch/report/new.py", "def f():\n    import pyspark", "may not import pyspark"),
        ("lib/seisbatch/mongo/new.py", "import pyspark", "may not import pyspark"),
        ("lib/seisbatch/config.py", "import numpy", "may not import numpy"),
        ("lib/seisbatch/__init__.py", "from seisbatch.acquire import objects", "may not import seisbatch.acquire.objects"),
        ("lib/seisbatch/helpers.py", "", "helpers has no place among the layers"),
        ("lib/seisbatch/plan/utils.py", "", "name it after what it does"),
        ("lib/seisbatch/plan/new.py", "def f():\n    from pickle import loads", "line 2: may not import pickle.loads"),
        ("lib/seisbatch/plan/new.py", "import cloudpickle", "may not import cloudpickle"),
        ("lib/seisbatch/mongo/new.py", "from pickle import dumps", "may not import pickle.dumps"),
        ("lib/seisbatch/mongo/pickles.py", "from pickle import dumps, loads", "may not import pickle.loads"),
        ("lib/seisbatch/mongo/pickles.py", "from pickle import load as dumps", "may not import pickle.load"),
        ("lib/seisbatch/mongo/pickles.py", "from pickle import *", "may not import pickle.*"),
        ("lib/seisbatch/mongo/pickles.py", "import pickle\npickle.dumps(1)", "line 1: may not import pickle"),
        ("jobs/new.py", "from pickle import dumps", "may not import pickle.dumps"),
        ("lib/seisbatch/acquire/new.py", "import obspy\nobspy.read('x')", "line 2: obspy.read without format="),
        ("lib/seisbatch/acquire/new.py", "import obspy as o\no.read('x')", "obspy.read without format="),
        ("lib/seisbatch/acquire/new.py", "from obspy import read as r\nr('x')", "obspy.read without format="),
        ("lib/seisbatch/acquire/new.py", "from obspy.core import stream\nstream.read('x')", "obspy.read without format="),
        ("jobs/new.py", "import obspy\nobspy.read('x')", "obspy.read without format="),
        ("jobs/new.py", "#\n" * 61, "longer than 60 lines"),
    ],
)
def test_a_planted_violation_is_found(file, text, problem, tmp_path):
    plant(tmp_path, file, text)
    [found] = violations(tmp_path)
    assert found.startswith(file)
    assert problem in found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("lib/seisbatch/archives/new.py", "import datetime\nfrom seisbatch.names import Channel\nfrom . import other"),
        ("lib/seisbatch/schema.py", "def f():\n    from pyspark.sql.types import StructType"),
        ("lib/seisbatch/schema.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pyspark"),
        ("lib/seisbatch/mongo/spark.py", "import pyspark"),
        ("lib/seisbatch/mongo/pickles.py", "from pickle import dumps"),
        ("lib/seisbatch/plan/new.py", "import pyspark\nimport anything\nfrom seisbatch import app"),
        ("lib/seisbatch/report/new.py", "from seisbatch import __version__\nimport matplotlib.figure"),
        ("lib/seisbatch/__init__.py", "import importlib"),
        ("lib/seisbatch/acquire/new.py", "import obspy\nobspy.read('x', format='MSEED')\nopen('y').read()"),
        ("jobs/new.py", "#\n" * 60),
    ],
)
def test_what_is_allowed_is_not_found(file, text, tmp_path):
    plant(tmp_path, file, text)
    assert violations(tmp_path) == []


def plant(root, file, text):
    """One module among empty ones of every layer."""
    for layer in ("acquire", "archives", "plan"):
        (root / "lib" / "seisbatch" / layer).mkdir(parents=True)
    for module in ("names", "app"):
        (root / "lib" / "seisbatch" / f"{module}.py").touch()
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)
