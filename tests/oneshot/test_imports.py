"""A call in a process of its own that has no packages but the image's: none of Spark."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2]
CALL = """
import json, sys
absent, form = set(json.loads(sys.argv[1])), sys.argv[2]

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from seisbatch.oneshot import handler
window = {"start_time": "2024-01-02T06:00", "end_time": "2024-01-02T06:10"}
print(json.dumps(handler({"nscl": "XX.ALFA.BHZ.", "format": form, **window}, None)))
"""


@pytest.mark.parametrize("form", ["mseed", "sac", "parquet"])
def test_a_call_needs_no_package_but_the_image_s(form, sample_archive, tmp_path):
    lock = (HERE / "conf/requirements-lambda.lock").read_text()
    in_image = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)) | {"seisbatch"}
    owners = {name: {owner.lower().replace("_", "-") for owner in of} for name, of in packages_distributions().items()}
    absent = [name for name, of in owners.items() if not of & in_image]
    assert {"pyspark", "py4j", "pandas", "pymongo", "xarray"} <= set(absent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEISBATCH_")}
    environment |= {"PYTHONPATH": str(HERE / "lib"), "S3_OUTPUT_BUCKET": str(tmp_path), "SEISBATCH_ROOT": str(sample_archive)}
    words = [sys.executable, "-c", CALL, json.dumps(absent), form]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["outcome"] == "ok", answer
    assert (tmp_path / answer["key"]).is_file()
