"""A database of the suite's own kind."""

from __future__ import annotations

import pytest
from seisbatch.mongo import Database


@pytest.fixture
def database(mongo_database):
    """An empty one, as a user opens it."""
    return Database(mongo_database.client, mongo_database.name)
