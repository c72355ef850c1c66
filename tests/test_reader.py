"""Results in a notebook: what a seismologist asks of them."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
import seisbatch
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.schema import CCF, STACK
from seisbatch.sinks.parquet import TableFile

DAYS = [dt.date(2024, 1, 31), dt.date(2024, 2, 1)]
LAGS = np.arange(-20, 21) * 0.5
PARAMETERS = {"freqmin": 0.1, "circular": False, "pairs": ["a", "b"], "max_distance": None, "whitening": "rma"}


def arrival(sta: str, receiver: str, day: dt.date) -> float:
    """Lag at which the made CCF of a pair peaks: five seconds for each letter between the stations, one more the second day."""
    return 2.5 * (ord(receiver) - ord(sta)) + DAYS.index(day)


def write(folder, table, pairs, method="coherency") -> None:
    store = Store(StoreSettings(str(folder)))
    for day in DAYS:
        start = dt.datetime.combine(day, dt.time(0, 10), dt.UTC)
        rows, samples = [], []
        for source, receiver in pairs[day]:
            codes = {"net": "XX", "loc": "", "chan": "BHZ"}
            row = {f"{role}_{code}": value for role in ("source", "receiver") for code, value in codes.items()}
            row |= {"source_sta": source, "receiver_sta": receiver, "date": day, "starttime": start, "n_windows": 5,
                    "endtime": start + dt.timedelta(hours=23), "lag_step": 0.5, "maxlag": 10.0, "distance": 30.0,
                    "azimuth": 40.0, "back_azimuth": 221.0, "source_lat": 1.0, "source_lon": 2.0, "receiver_lat": 3.0,
                    "receiver_lon": 4.0, "method": method, "parameters_id": "p", "n_days": 1}  # fmt: skip
            rows.append(row)
            samples.append(np.exp(-((LAGS - arrival(source, receiver, day)) ** 2)))
        columns = {name: [row[name] for row in rows] for name in table.names if name != "samples"}
        key = f"{table.name}/year={day.year}/month={day.month:02d}/{day}.parquet"
        with TableFile(store, key, table, {"seisbatch.parameters": json.dumps(PARAMETERS)}) as file:
            file.write(columns | {"samples": np.array(samples, np.float32)})
            file.commit({})


@pytest.fixture
def out(tmp_path):
    write(tmp_path, CCF, {DAYS[0]: [("A", "B"), ("A", "C")], DAYS[1]: [("A", "C")]})
    return tmp_path


def test_the_lag_axis_is_in_seconds_and_a_peak_stands_at_its_lag(out):
    ccfs = seisbatch.open_ccfs(out, pair="XX.A..BHZ:XX.C..BHZ")
    np.testing.assert_allclose(ccfs.lag, LAGS)
    assert ccfs.lag.units == "s"
    for day, ccf in zip(DAYS, ccfs.ccf.sel(pair="XX.A..BHZ:XX.C..BHZ"), strict=True):
        assert float(ccf.lag[int(ccf.values.argmax())]) == arrival("A", "C", day)
    assert [str(time) for time in ccfs.time.values.astype("datetime64[m]")] == ["2024-01-31T00:10", "2024-02-01T00:10"]


def test_the_other_order_turns_lags_and_directions(out):
    ccfs = seisbatch.open_ccfs(out, pair=("XX.C..BHZ", "XX.A..BHZ"), end=DAYS[1])
    assert ccfs.pair.values == ["XX.C..BHZ:XX.A..BHZ"]
    assert float(ccfs.lag[int(ccfs.ccf[0, 0].values.argmax())]) == -arrival("A", "C", DAYS[0])
    assert (float(ccfs.azimuth[0]), float(ccfs.back_azimuth[0])) == (221, 40)
    assert (float(ccfs.source_lat[0]), float(ccfs.receiver_lat[0])) == (3, 1)
    assert (ccfs.source.item(), ccfs.receiver.item()) == ("XX.C..BHZ", "XX.A..BHZ")


def test_a_deconvolution_has_no_mirror_image(tmp_path):
    write(tmp_path, CCF, {day: [("A", "B")] for day in DAYS}, method="deconvolution")
    assert seisbatch.open_ccfs(tmp_path, pair="XX.A..BHZ:XX.B..BHZ").sizes["time"] == 2
    with pytest.raises(ValueError, match=r"deconvolutions by XX\.A\.\.BHZ: ask for XX\.A\.\.BHZ:XX\.B\.\.BHZ"):
        seisbatch.open_ccfs(tmp_path, pair="XX.B..BHZ:XX.A..BHZ")


def test_what_a_pair_does_not_have_is_not_a_number(out):
    ccfs = seisbatch.open_ccfs(out)
    absent = ccfs.sel(pair="XX.A..BHZ:XX.B..BHZ").isel(time=1)
    assert np.isnan(absent.ccf).all()
    assert int(absent.n_windows) == 0
    assert int(ccfs.n_windows.sum()) == 15


def test_days_are_half_open(out):
    assert seisbatch.open_ccfs(out, start="2024-01-31", end="2024-02-01").sizes["time"] == 1
    assert seisbatch.open_ccfs(out, start=DAYS[1]).sizes["time"] == 1
    with pytest.raises(KeyError, match="holds no CCF of any pair from 2024-02-02"):
        seisbatch.open_ccfs(out, start="2024-02-02")


def test_attributes_tell_the_run_and_fit_into_netcdf(out):
    attributes = seisbatch.open_ccfs(out).attrs
    assert (attributes["method"], attributes["parameters_id"], attributes["freqmin"]) == ("coherency", "p", 0.1)
    assert {type(value) for value in attributes.values()} <= {str, int, float}
    assert json.loads(attributes["pairs"]) == ["a", "b"]


def test_what_is_not_there_is_said(out, tmp_path):
    with pytest.raises(KeyError, match=r"XX\.A\.\.BHZ:XX\.Z\.\.BHZ"):
        seisbatch.open_ccfs(out, pair="XX.A..BHZ:XX.Z..BHZ")
    with pytest.raises(FileNotFoundError, match="holds no ccf or stack table"):
        seisbatch.open_ccfs(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no stack table"):
        seisbatch.open_ccfs(out, stacks=True)
    with pytest.raises(ValueError, match="is no pair"):
        seisbatch.open_ccfs(out, pair="XX.A..BHZ")


def test_more_than_fits_is_refused_with_the_way_out(out, monkeypatch):
    monkeypatch.setattr("seisbatch.reader.ccfs.MAX_BYTES", 100)
    with pytest.raises(ValueError, match="name a pair"):
        seisbatch.open_ccfs(out)


def test_stacks_beside_daily_ccfs(out):
    write(out, STACK, {day: [("A", "B")] for day in DAYS})
    assert seisbatch.open_ccfs(out, stacks=True).sizes == {"pair": 1, "time": 2, "lag": 41}
    assert seisbatch.open_ccfs(out).sizes["pair"] == 2
