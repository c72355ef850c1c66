"""Reading a run's output back with plain pyarrow, and the theory of the sample's field."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import j0


def rows(out: Path, table: str) -> list[dict[str, Any]]:
    """All rows of a table under an output."""
    files = sorted((out / table).rglob("*.parquet"))  # outcomes of units without a day stand in no month's folder
    return pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).to_pylist() if files else []


def outcomes(out: Path, kind: str | None = "channel-day") -> dict[str, dict[str, Any]]:
    """Outcome rows of one kind, or of all, by unit; a unit that stands twice fails."""
    found = [row for row in rows(out, "outcomes") if kind in (None, row["kind"])]
    by_unit = {row["unit"]: row for row in found}
    assert len(by_unit) == len(found)
    return by_unit


def data_columns(out: Path, table: str = "ccf") -> pa.Table:
    """A table's rows in a canonical order, every column."""
    files = sorted((out / table).glob("year=*/month=*/*.parquet"))
    whole = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).replace_schema_metadata(None)
    order = [
        name for name in whole.column_names if name.startswith(("source_", "receiver_")) and not name.endswith(("lat", "lon"))
    ]
    return whole.sort_by([(name, "ascending") for name in ["starttime", *order]])


def indexed(archive: Path) -> list[str]:
    """Channel-days that the archive's csv indexes name."""
    units = []
    for file in sorted((archive / "continuous_waveforms/index/csv").rglob("*.csv")):
        year, day = file.name.split("_")[:2]
        date = dt.date(int(year), 1, 1) + dt.timedelta(days=int(day) - 1)
        with file.open() as lines:
            for row in csv.DictReader(lines):
                units.append(f"{row['net']}.{row['sta']}.{row['location'].strip()}.{row['seedchan']}/{date}")
    return units


def expected_ccf(archive: Path, distance: float, lags: np.ndarray, freqmin: float, freqmax: float) -> np.ndarray:
    """The stack that theory expects of a pair, to a factor: J0 of wavenumber times distance over the band.

    From the archive's parameter file alone; the band has cosine edges of a tenth of its width, once for each channel.
    """
    field = json.loads((archive / "parameters.json").read_text())["field"]
    f = np.linspace(freqmin, freqmax, 801)
    velocity = field["velocity_limit"] + field["velocity_range"] * np.exp(-f / field["velocity_frequency"])
    inside = np.minimum(f - freqmin, freqmax - f) / (0.1 * (freqmax - freqmin))
    weight = np.sin(np.pi / 2 * np.clip(inside, 0, 1)) ** 4
    spectrum = weight * j0(2 * np.pi * f / velocity * distance)
    return np.cos(2 * np.pi * np.outer(lags, f)) @ spectrum


def slowest_velocity(archive: Path) -> float:
    """The least phase velocity of the field in the band [km/s]."""
    field = json.loads((archive / "parameters.json").read_text())["field"]
    return field["velocity_limit"] + field["velocity_range"] * np.exp(-0.5 / field["velocity_frequency"])
