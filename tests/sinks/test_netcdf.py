"""A day's netCDF file, read by netCDF4 and by xarray."""

from __future__ import annotations

import datetime as dt
import time

import netCDF4
import numpy as np
import pytest
import xarray
from seisbatch.names import Channel
from seisbatch.process.bands import Bands, hybrid_millidecade_bands, one_hertz_bands, third_octave_bands
from seisbatch.sinks.netcdf import BandSet, SoundDay, day_netcdf
from seisbatch.times import SECOND_NS, day_start_ns

START = day_start_ns(dt.date(2017, 10, 9))
PERCENTS = (5, 50, 95)
N_MINUTES = 7


def band_set(name: str, frequency: str, bands: Bands, per_hertz: bool, by_minute: bool) -> BandSet:
    rng = np.random.default_rng(len(bands))
    levels = (60 + rng.standard_normal((N_MINUTES, len(bands)))).astype(np.float32)
    levels[0, :1], levels[1, 1:2] = np.nan, -np.inf
    percentiles = np.percentile(levels, PERCENTS, axis=0, method="lower").astype(np.float32)
    return BandSet(name, frequency, "some bands", bands, per_hertz, levels if by_minute else None, levels.mean(0), percentiles)


def day(rate: float = 2000.0, units: str = "1 uPa", sensitivity: float | str = -50.0) -> SoundDay:
    sets = (
        band_set("hybrid_millidecade", "frequency", hybrid_millidecade_bands(rate), True, True),
        band_set("third_octave", "third_octave_frequency", third_octave_bands(rate), False, True),
        band_set("one_hertz", "one_hertz_frequency", one_hertz_bands(rate), True, False),
    )
    minutes = START + 60 * SECOND_NS * np.array([0, 1, 2, 3, 700, 701, 1439])
    seconds = np.array([60.0, 60, 30.5, 60, 60, 60, 60])
    name = Channel("OO", "HYEA2", "", "YDH")
    span = (START, START + 86_400 * SECOND_NS)
    return SoundDay(name, span, rate, units, sensitivity, minutes, seconds, np.full(7, 119, np.int32), PERCENTS, sets, "id")


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "day.nc"
    path.write_bytes(day_netcdf(day()))
    return path


def test_netcdf4_reads_what_was_written(written):
    made = day()
    with netCDF4.Dataset(written) as file:
        file.set_auto_mask(False)
        for of in made.sets:
            if of.levels is None:
                assert of.variable not in file.variables
            else:
                assert file[of.variable].dimensions == ("time", of.frequency)
                np.testing.assert_array_equal(file[of.variable][:], of.levels)
                assert file[of.variable].filters()["zlib"]
            np.testing.assert_array_equal(file[f"{of.variable}_mean"][:], of.mean)
            np.testing.assert_array_equal(file[f"{of.variable}_percentiles"][:], of.percentiles)
            np.testing.assert_array_equal(file[of.frequency][:], of.bands.centre)
            edges = file[file[of.frequency].bounds]
            np.testing.assert_array_equal(edges[:], np.stack((of.bands.lower, of.bands.upper), 1))
            unit = "dB re 1 uPa2/Hz" if of.per_hertz else "dB re 1 uPa2"
            assert file[f"{of.variable}_mean"].units == unit
        assert all(variable.long_name for name, variable in file.variables.items() if name != "time_bounds")
        assert (file.Conventions, file.channel, file.sampling_rate) == ("CF-1.8, ACDD-1.3", "OO.HYEA2..YDH", 2000.0)
        assert file.sensitivity == -50.0
        assert file.time_coverage_start == "2017-10-09T00:00:00Z"
        assert file.time_coverage_end == "2017-10-10T00:00:00Z"
        assert "10.1121/10.0003324" in file.references
        assert file.recorded_seconds == pytest.approx(390.5)


def test_xarray_reads_times_and_frequencies(written):
    with xarray.open_dataset(written, engine="netcdf4") as found:
        assert found.time.values[4] == np.datetime64("2017-10-09T11:40:00")
        level = found.hybrid_millidecade.sel(frequency=500, method="nearest").isel(time=3)
        assert float(level) == day().sets[0].levels[3, np.abs(day().sets[0].bands.centre - 500).argmin()]
        assert float(found.one_hertz_percentiles.sel(percentile=50, one_hertz_frequency=700)) == pytest.approx(60, abs=2)
        np.testing.assert_array_equal(found.seconds.values, day().seconds)


def test_the_same_day_is_the_same_file(written):
    time.sleep(1.1)  # HDF5 knows times to the second
    assert day_netcdf(day()) == written.read_bytes()


def test_a_slow_recording_has_no_third_octaves_and_words_for_a_sensitivity(tmp_path):
    path = tmp_path / "day.nc"
    path.write_bytes(day_netcdf(day(15.0, "1 count", "none")))
    with netCDF4.Dataset(path) as file:
        assert file["third_octave"].shape == (N_MINUTES, 0)
        assert file["hybrid_millidecade"].units == "dB re 1 count2/Hz"
        assert file.sensitivity == "none"
