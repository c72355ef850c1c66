"""Documents as mspasspy wrote them, and the BSON types of a document."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bson import ObjectId, json_util

HERE = Path(__file__).resolve().parents[2]
FILE = "mspass_documents.json"
NAMES = {bool: "bool", int: "int", float: "double", str: "string", bytes: "binary", ObjectId: "objectId"}


def mspass_documents():
    """Every document by its title, with its collection; the test is skipped where the shared folder is not there."""
    shared = Path(os.environ.get("SEISBATCH_TEST_DATA", HERE.parent / "shared" / "data")).parent / FILE
    if not shared.is_file():
        pytest.skip(f"no {FILE} beside the test data: set SEISBATCH_TEST_DATA")
    return json_util.loads(shared.read_text(), json_options=json_util.CANONICAL_JSON_OPTIONS)


def mspass_document(title):
    """A document by its title."""
    return mspass_documents()[title]["document"]


def bson_types(value):
    """The types of a value as BSON has them, of what is in it too."""
    if isinstance(value, dict):
        return {name: bson_types(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [bson_types(inner) for inner in value]
    return NAMES[type(value)]
