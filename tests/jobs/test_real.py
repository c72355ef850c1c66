"""Real objects of SCEDC's bucket, under the keys that they have there."""

from __future__ import annotations

import json

import numpy as np
import obspy
import pyarrow.parquet as pq
import pytest
import seisbatch
from obspy.geodetics import gps2dist_azimuth

from tests.jobs.results import outcomes, rows

DAY = ["--archive", "scedc", "--start", "2022-01-02", "--days", "1"]
PAIR = "CI.CCA..BHN:CI.HEC..BHN"


@pytest.fixture(scope="module")
def real_pair(real_archive, run_job, tmp_path_factory):
    """The two real channel-days, correlated."""
    out = tmp_path_factory.mktemp("real") / "out"
    assert run_job("cross_correlate", *DAY, "--root", real_archive, "--channels", "CI.*..BHN", "--out", out) == 0
    return out


def test_the_real_pair_has_one_ccf_with_its_windows(real_pair):
    (row,) = rows(real_pair, "ccf")
    assert (row["source_sta"], row["receiver_sta"]) == ("CCA", "HEC")
    used = [found["windows"] for found in outcomes(real_pair).values()]
    assert 0 < row["n_windows"] <= min(used) <= 189  # (86400 - 1800) / 450 + 1 windows of a day


def test_its_distance_and_azimuths_are_those_of_its_stationxml(real_pair, real_archive):
    places = {}
    for sta in ("CCA", "HEC"):
        inventory = obspy.read_inventory(real_archive / f"FDSNstationXML/CI/CI_{sta}.xml", format="STATIONXML")
        found = inventory.get_coordinates(f"CI.{sta}..BHN", obspy.UTCDateTime(2022, 1, 2))
        places[sta] = found["latitude"], found["longitude"]
    metres, azimuth, back_azimuth = gps2dist_azimuth(*places["CCA"], *places["HEC"])
    ccfs = seisbatch.open_ccfs(real_pair, pair=PAIR)
    assert float(ccfs.distance[0]) == pytest.approx(metres / 1000, rel=1e-6)
    assert float(ccfs.azimuth[0]) == pytest.approx(azimuth, abs=1e-4)
    assert float(ccfs.back_azimuth[0]) == pytest.approx(back_azimuth, abs=1e-4)


def test_its_ccf_is_that_of_windows_read_with_obspy(real_pair, real_archive):
    """The same windows by obspy's own filter and resampling: not the same numbers, but the same function."""
    files = sorted((real_archive / "continuous_waveforms/2022/2022_002").glob("*BHN*.ms"))
    days = [obspy.read(file, format="MSEED").merge(fill_value=0)[0] for file in files]
    rate = 2.0
    for trace in days:
        trace.detrend("linear")
        trace.filter("bandpass", freqmin=0.02, freqmax=0.8, corners=2, zerophase=True)
        trace.interpolate(rate, method="lanczos", a=20, starttime=obspy.UTCDateTime(2022, 1, 2, 0, 1), npts=172_000)
    length, step, maxlag = 3600, 900, 400
    n = 8192
    f = np.fft.rfftfreq(n, 1 / rate)
    edge = np.clip(np.minimum(f - 0.1, 0.5 - f) / 0.04, 0, 1)
    band = np.sin(np.pi / 2 * edge) ** 2
    total = np.zeros(n)
    for first in range(0, 172_000 - length + 1, step):
        spectra = [np.fft.rfft(trace.data[first : first + length], n) for trace in days]
        white = [band * spectrum / np.abs(spectrum) for spectrum in spectra]
        total += np.fft.irfft(white[0].conj() * white[1], n)
    expected = np.concatenate((total[-maxlag:], total[: maxlag + 1]))
    ccfs = seisbatch.open_ccfs(real_pair, pair=PAIR)
    lags = np.arange(-maxlag, maxlag + 1) / rate
    ours = np.interp(lags, ccfs.lag, ccfs.ccf[0, 0])
    assert np.corrcoef(ours, expected)[0, 1] > 0.9


def test_every_file_carries_its_parameters(real_pair):
    files = sorted(real_pair.glob("*/year=*/month=*/*.parquet"))
    assert len(files) == 2
    for file in files:
        metadata = pq.read_schema(file).metadata
        assert metadata[b"seisbatch.parameters_id"]
        assert json.loads(metadata[b"seisbatch.parameters"])["channels"] == "CI.*..BHN"


def test_an_hour_at_a_low_rate_is_an_outcome(real_archive, run_job, tmp_path):
    """The one-hour LHZ file: neither an error nor a silent drop."""
    out = tmp_path / "out"
    assert run_job("cross_correlate", *DAY, "--root", real_archive, "--channels", "CI.*..*H?", "--out", out) == 0
    found = outcomes(out)
    indexed = pq.read_table(next((real_archive / "continuous_waveforms/index").rglob("*2022_002*.parquet"))).to_pylist()
    assert len(found) == sum(row["net"] == "CI" and row["seedchan"][1] == "H" for row in indexed)
    (low,) = [row for unit, row in found.items() if "LHZ" in unit]
    assert low["outcome"] == "rejected"
    assert "1 Hz" in low["reason"]
