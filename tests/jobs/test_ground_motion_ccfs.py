"""Correlations of ground motion: instruments of two kinds at one place, a gain that changes, stations without a response.

BRAV and HOTL of the sample have a seismometer of 120 s (BHZ, 20 Hz) and one of 30 s (HHZ, 100 Hz, two days), which record the
same field; the band is about the shorter one's corner.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import seisbatch
from seisbatch.config import parse
from seisbatch.options import JOBS
from seisbatch.plan.run import correlation_run
from seisbatch.sample.field import PARAMETERS
from seisbatch.sample.network import DAYS

from tests.jobs.results import outcomes

BAND = (0.05, 0.1)
OPTIONS = (
    "--freqmin",
    BAND[0],
    "--freqmax",
    BAND[1],
    "--whitening",
    "none",
    "--maxlag",
    100,
    "--sampling-rate",
    1,
    "--ccf-rate",
    1,
)
CHANNELS = "XX.BRAV..*,XX.HOTL..*,XX.INDI..*,XX.JULI.10.*,XX.LIMA..*"


@pytest.fixture(scope="module")
def out(run_job, sample_archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ground-motion")
    for units in ("vel", "none"):
        options = ("--root", sample_archive, "--out", folder / units, "--channels", CHANNELS, "--pairs", "all", "--days", 2)
        assert run_job("cross_correlate", *options, *OPTIONS, "--remove-response", units) == 0
    return folder


def ccf(out, one, other) -> tuple[np.ndarray, np.ndarray]:
    """Lags and the CCFs of the first two days."""
    found = seisbatch.open_ccfs(out, pair=(one, other), start=DAYS[0], end=DAYS[2])
    return found.lag.values, np.asarray(found.ccf.values, dtype=np.float64).reshape(-1, len(found.lag))


def power(low: float, high: float) -> float:
    """Of the sample's field in the band [(m/s)**2], which the windows' spectra weight by cosine edges of a tenth inside it."""
    f = np.linspace(0, 2, 200_001)
    shape = PARAMETERS.amplitude(f) ** 2
    inside = np.clip(np.minimum(f - low, high - f) / (0.1 * (high - low)), 0, 1)
    weight = 0.5 * (1 - np.cos(np.pi * inside))
    return float(PARAMETERS.field_rms**2 * (shape * weight**2).sum() / shape.sum())


@pytest.mark.parametrize("station", ["BRAV", "HOTL"])
def test_two_instruments_at_one_place_give_the_autocorrelation_of_the_ground(out, station):
    names = f"XX.{station}..BHZ", f"XX.{station}..HHZ"
    lags, of_both = ccf(out / "vel", *names)
    _, of_one = ccf(out / "vel", names[0], names[0])
    _, counts = ccf(out / "none", *names)
    for both, one, raw in zip(of_both, of_one, counts, strict=True):
        assert lags[both.argmax()] == 0
        assert np.abs(both - both[::-1]).max() < 0.01 * both.max()
        assert np.abs(both - one).max() < 0.02 * both.max()
        assert np.abs(raw - raw[::-1]).max() > 0.4 * raw.max()  # the instruments' phases differ by 20 to 45 degrees


def test_amplitudes_are_those_of_ground_velocity(out):
    """At lag zero a window's mean square of the field, times its 1,800 samples; two days of noise tell it to some percent."""
    lags, found = ccf(out / "vel", "XX.BRAV..BHZ", "XX.BRAV..HHZ")
    assert found[:, lags == 0].mean() / 1800 == pytest.approx(power(*BAND), rel=0.05)


def test_a_gain_that_doubles_at_noon_is_no_change_of_the_ground(out):
    lags, found = ccf(out / "vel", "XX.INDI..BHZ", "XX.INDI..BHZ")
    assert found[1][lags == 0] == pytest.approx(found[0][lags == 0], rel=0.2)
    _, raw = ccf(out / "none", "XX.INDI..BHZ", "XX.INDI..BHZ")
    assert raw[1][lags == 0] > 2 * raw[0][lags == 0]


def test_channel_days_without_a_response_are_rejected_and_say_so(out):
    rows = outcomes(out / "vel")
    for day in DAYS[:2]:
        row = rows[f"XX.LIMA..BHZ/{day}"]
        assert (row["outcome"], row["reason"]) == ("rejected", "no epoch of XX.LIMA..BHZ with a response; no StationXML")
    others = {unit: row for unit, row in rows.items() if "LIMA" not in unit}
    assert {row["outcome"] for row in others.values()} == {"ok"}
    assert rows[f"XX.JULI.10.BHZ/{DAYS[0]}"]["reason"].startswith("records carry location code '00'")


def test_counts_are_the_default_under_the_name_that_such_runs_always_had(out):
    def run(*arguments):
        return correlation_run(parse("cross_correlate", JOBS["cross_correlate"], arguments))

    assert "remove_response" not in run().parameters
    assert run("--remove-response", "none").run_id == run().run_id
    assert len({run("--remove-response", units).run_id for units in ("none", "disp", "vel", "acc")}) == 4
    assert json.loads((out / "vel" / "manifest.json").read_text())["parameters"]["remove_response"] == "vel"
