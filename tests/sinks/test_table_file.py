"""Files of tables, written by workers and read back."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.schema import DOUBLE, SAMPLES, STRING, Field, Table
from seisbatch.sinks.parquet import TableFile

TABLE = Table(
    "levels",
    "levels in bands",
    (Field("bands", STRING, "", "kind"), Field("rate", DOUBLE, "Hz", "rate"), Field("mean", SAMPLES, "dB", "levels")),
)


def test_rows_have_samples_of_their_own_number_or_none(tmp_path):
    rows = [
        {"bands": "one", "mean": np.arange(5, dtype=np.float32)},
        {"bands": "two", "mean": np.array([-np.inf, np.nan], np.float32)},
        {"bands": "three", "mean": np.empty(0, np.float32)},
    ]
    with TableFile(open_store(StoreSettings(str(tmp_path))), "levels/a.parquet", TABLE, {}) as file:
        file.write_rows(rows)
        file.write_rows([{"bands": "none of both"}])
        file.commit({})
    table = pq.read_table(tmp_path / "levels" / "a.parquet")
    for row, found in zip(rows, table.to_pylist(), strict=False):
        np.testing.assert_array_equal(np.array(found["mean"], np.float32), row["mean"])
    assert table.column("mean").null_count == 1
