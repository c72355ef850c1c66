"""Outputs to load into MongoDB, made by hand, and what is in a database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.schema import TABLES
from seisbatch.sinks.parquet import TableFile


def made_output(folder: Path, job: str, rows: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> Path:
    """A complete output with the rows of each file of some tables."""
    store = open_store(StoreSettings(str(folder)))
    for name, files in rows.items():
        for number, of_file in enumerate(files):
            with TableFile(store, f"{name}/part-{number:05d}.parquet", TABLES[name], {}) as file:
                file.write_rows(of_file)
                file.commit({})
    tables = {name: {"files": len(files), "rows": sum(map(len, files)), "bytes": 0} for name, files in rows.items()}
    told = {"job": job, "run_id": f"{job}-made", "parameters": {}, "complete": True, "tables": tables}
    (folder / "manifest.json").write_text(json.dumps(told))
    (folder / "_run.json").write_text(json.dumps({"job": job, "source": "s3://archive/prefix at http://127.0.0.1:1"}))
    return folder


def contents(database: Any) -> dict[str, list[dict[str, Any]]]:
    """Every document of a database, by collection."""
    return {name: list(database[name].find().sort("_id", 1)) for name in sorted(database.list_collection_names())}
