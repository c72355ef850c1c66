"""The report's numbers: planned units against outcomes, and what was written."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.outcome import RunError
from seisbatch.report.collect import RunFacts, read_outcomes, reconcile, write_report
from seisbatch.report.section import record_section
from seisbatch.schema import CCF, OUTCOMES
from seisbatch.sinks.parquet import TableFile

DAYS = [dt.date(2024, 1, 30), dt.date(2024, 2, 1)]


def outcome(unit: str, outcome: str = "ok", **changed: object) -> dict[str, object]:
    return {
        "run_id": "r", "job": "cross_correlate", "kind": "channel-day", "unit": unit, "date": DAYS[0], "outcome": outcome,
        "reason": "", "bytes_read": 100, "bytes_written": 10, "seconds": 0.5, "windows": 3, "windows_planned": 4,
        "lat": 34.0, "lon": -117.0,
    } | changed  # fmt: skip


def table(*rows: dict[str, object]):
    import pyarrow as pa

    return pa.Table.from_batches([OUTCOMES.batch(rows)])


def test_every_planned_unit_has_one_outcome():
    counts = reconcile(table(outcome("a"), outcome("b", "missing")), {"channel-day": 2})
    assert counts == {("channel-day", "ok"): 1, ("channel-day", "missing"): 1}


@pytest.mark.parametrize("units", [["a"], ["a", "a"], ["a", "b", "c"], ["a", "b", "b"], []])
def test_lost_doubled_and_surplus_units_end_the_run(units):
    with pytest.raises(RunError, match="2 channel-days were planned"):
        reconcile(table(*map(outcome, units)), {"channel-day": 2})


def ccf_row(sta: str, receiver: str, date: dt.date, distance: float | None) -> dict[str, object]:
    names = {f"source_{c}": v for c, v in zip(("net", "sta", "loc", "chan"), ("XX", sta, "", "BHZ"), strict=True)}
    names |= {f"receiver_{c}": v for c, v in zip(("net", "sta", "loc", "chan"), ("XX", receiver, "", "BHZ"), strict=True)}
    start = dt.datetime.combine(date, dt.time(), dt.UTC)
    return names | {
        "date": date, "starttime": start, "endtime": start + dt.timedelta(days=1), "n_windows": 10 if date == DAYS[0] else 30,
        "lag_step": 0.5, "maxlag": 2.0, "distance": distance, "azimuth": 1.0, "back_azimuth": 2.0, "source_lat": 1.0,
        "source_lon": 1.0, "receiver_lat": 1.0, "receiver_lon": 1.0, "method": "cross_correlation", "parameters_id": "p",
    }  # fmt: skip


def write_ccfs(store: Store) -> dict[tuple[str, str, dt.date], np.ndarray]:
    """Two days of three pairs, one of them at no distance; the samples of each."""
    rng = np.random.default_rng(0)
    made = {}
    for date in DAYS:
        rows = [ccf_row("A", "B", date, 20.0), ccf_row("A", "C", date, 10.0), ccf_row("C", "D", date, 0.0)]
        samples = rng.normal(size=(3, 9)).astype(np.float32)
        for row, values in zip(rows, samples, strict=True):
            made[row["source_sta"], row["receiver_sta"], date] = values
        columns = {name: [row[name] for row in rows] for name in rows[0]} | {"samples": samples}
        key = f"ccf/year={date.year}/month={date.month:02d}/{date}.parquet"
        with TableFile(store, key, CCF, {}) as file:
            file.write(columns)
            file.commit({})
    return made


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(StoreSettings(str(tmp_path / "out")))


def test_the_record_section_is_the_mean_over_windows_by_distance(store):
    made = write_ccfs(store)
    section, paths = record_section(store.settings, CCF, {"freqmin": 0.1, "freqmax": 0.5})
    assert section.names == ["XX.A..BHZ:XX.C..BHZ", "XX.A..BHZ:XX.B..BHZ"]
    np.testing.assert_array_equal(section.distances_km, [10, 20])
    np.testing.assert_allclose(section.lags_s, np.arange(-2, 2.1, 0.5))
    for receiver, stack in zip("CB", section.ccfs, strict=True):
        mean = (10 * made["A", receiver, DAYS[0]] + 30 * made["A", receiver, DAYS[1]]) / 40
        np.testing.assert_allclose(stack, mean, atol=1e-6)
    assert paths == [("XX.A", "XX.B", 2), ("XX.A", "XX.C", 2)]


def test_the_manifest_counts_what_there_is(store):
    write_ccfs(store)
    tile = {"kind": "tile", "s3key": "ccf/year=2024/month=01/2024-01-30.parquet", "windows": 3, "bytes_written": 700}
    rows = [outcome("XX.A..BHZ/2024-01-30"), outcome("XX.B..BHZ/2024-01-30", "corrupt", reason="byte 512: torn"),
            outcome("t1", **tile)]  # fmt: skip
    with TableFile(store, "outcomes/year=2024/month=01/outcomes.parquet", OUTCOMES, {}) as file:
        file.write({name: [row.get(name) for row in rows] for name in OUTCOMES.names})
        file.commit({})
    facts = RunFacts("cross_correlate", "r", "p", {"freqmin": 0.1}, {}, dt.datetime.now(dt.UTC), {"channel-day": 2}, 0.5)
    manifest = write_report(store, facts, read_outcomes(store))
    assert manifest["outcomes"] == {"channel-day": {"ok": 1, "corrupt": 1}, "tile": {"ok": 1}}
    assert manifest["tables"]["ccf"] == {"files": 1, "rows": 3, "bytes": 700}
    assert manifest["tables"]["outcomes"]["rows"] == 3
    page = bytes(store.get("report.html")).decode()
    assert "byte N: torn" in page
    assert "byte 512: torn" in page
