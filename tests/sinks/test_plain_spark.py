"""Any Spark reads what workers write, with its own reader and its default settings."""

import datetime as dt

import numpy as np
import pytest
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.schema import CCF, CLIP, PSD
from seisbatch.sinks.parquet import TableFile

MADE = {"int32": 3, "int64": 4, "double": 1.5, "float": 2.5, "string": "XX", "binary": b"\x00\xff", "bool": True}


def made_row(table, number):
    """A row with a value in every column."""
    row = {}
    for field in table.fields:
        kind = str(field.type)
        if kind.startswith("list"):
            row[field.name] = np.arange(5, dtype=np.float32) + number
        elif kind.startswith("timestamp"):
            row[field.name] = dt.datetime(2022, 1, 2, number, tzinfo=dt.UTC)
        elif kind.startswith("date"):
            row[field.name] = dt.date(2022, 1, 2)
        else:
            row[field.name] = MADE[kind]
    return row


@pytest.mark.parametrize("table", [CCF, CLIP, PSD], ids=lambda table: table.name)
def test_rows_come_back_as_they_were_written(table, spark, tmp_path):
    rows = [made_row(table, number) for number in range(3)]
    with TableFile(open_store(StoreSettings(root=str(tmp_path))), f"{table.name}/part.parquet", table, {}) as file:
        file.write_rows(rows)
        file.commit({})
    read = [row.asDict() for row in spark.read.parquet(f"{tmp_path}/{table.name}").collect()]
    assert len(read) == len(rows)
    for found, made in zip(sorted(read, key=str), sorted(rows, key=str), strict=True):
        for name, value in made.items():
            if isinstance(value, dt.datetime):
                assert found[name] == value.replace(tzinfo=None)  # the session's zone is UTC
            elif isinstance(value, np.ndarray):
                assert found[name] == value.tolist()
            else:
                assert found[name] == value
