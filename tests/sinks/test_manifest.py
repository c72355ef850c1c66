"""The claim on an output, and its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.outcome import RunError
from seisbatch.sinks.manifest import abandon, claim, complete_manifest, write_json


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(StoreSettings(str(tmp_path / "out")))


def test_the_same_parameters_go_on_and_others_are_refused_with_the_difference(store):
    assert claim(store, "job", "1", {"freqmin": 0.1, "pairs": ["a"]}) is None
    assert claim(store, "job", "1", {"freqmin": 0.1, "pairs": ["a"]}) is None
    with pytest.raises(RunError, match=r"--freqmin 0\.1 there, 0\.2 now\. Choose another --out"):
        claim(store, "job", "2", {"freqmin": 0.2, "pairs": ["a"]})
    with pytest.raises(RunError, match="holds results of job, not of other"):
        claim(store, "other", "1", {})


def test_a_whole_run_is_known_by_its_manifest(store):
    claim(store, "job", "1", {})
    with pytest.raises(RunError, match="no complete run of job"):
        complete_manifest(store, "job")
    write_json(store, "manifest.json", {"job": "job", "complete": True})
    assert claim(store, "job", "1", {})["complete"]
    assert complete_manifest(store, "job")["job"] == "job"
    with pytest.raises(RunError, match="no complete run of other"):
        complete_manifest(store, "other")


def test_a_claim_is_given_back_only_where_nothing_was_written(store):
    claim(store, "job", "1", {})
    abandon(store)
    assert claim(store, "job", "2", {}) is None
    store.put("_scratch/2/part", b"x")
    abandon(store)
    with pytest.raises(RunError, match="other parameters"):
        claim(store, "job", "1", {})


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_folder_of_something_else_is_not_taken(store, text):
    store.put("_run.json", text)
    with pytest.raises(RunError, match="is --out a folder of this suite"):
        claim(store, "job", "1", {})


def test_no_temporary_file_stays(store):
    claim(store, "job", "1", {})
    assert [path.name for path in Path(store.settings.root).iterdir()] == ["_run.json"]
    assert json.loads(Path(store.settings.root, "_run.json").read_text())["job"] == "job"
