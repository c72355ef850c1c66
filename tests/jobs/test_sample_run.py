"""The main job on the sample archive: accounted, true to the physics, safe to run again."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import seisbatch
from seisbatch.sample.faults import FAULTS
from seisbatch.sample.network import DAYS

from tests.jobs.results import expected_ccf, indexed, outcomes, rows, slowest_velocity

BAND = (0.1, 0.5)


@pytest.fixture(scope="module")
def out(run_job, sample_archive, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample-run") / "out"
    assert run_job("cross_correlate", "--root", sample_archive, "--out", folder) == 0
    return folder


def test_every_indexed_channel_day_has_one_outcome(out, sample_archive):
    assert sorted(outcomes(out)) == sorted(indexed(sample_archive))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_planted_fault_comes_out_as_the_table_says(out, fault):
    row = outcomes(out)[f"{fault.channel}/{fault.date}"]
    assert row["outcome"] == fault.outcome, row
    assert re.search(fault.reason, row["reason"]), row["reason"]


def test_channel_days_without_a_fault_are_ok(out):
    planted = {f"{fault.channel}/{fault.date}" for fault in FAULTS}
    assert {row["outcome"] for unit, row in outcomes(out).items() if unit not in planted} == {"ok"}


def test_windows_of_every_pair_are_those_that_both_channels_have(out):
    used = {unit: row["windows"] for unit, row in outcomes(out).items()}
    for row in rows(out, "ccf"):
        names = [".".join(row[f"{role}_{code}"] for code in ("net", "sta", "loc", "chan")) for role in ("source", "receiver")]
        one, other = (used[f"{name}/{row['date']}"] for name in names)
        assert one + other - 189 <= row["n_windows"] <= min(one, other)


@pytest.mark.parametrize("days", [(0, 1, 2), (0, 2)], ids=["three days", "two days"])
def test_vertical_stacks_are_what_a_diffuse_field_gives(out, sample_archive, days):
    ccfs = seisbatch.open_ccfs(out)
    vertical = [pair for pair in ccfs.pair.values if re.fullmatch(r"XX\.\w+\.\.BHZ:XX\.\w+\.\.BHZ", pair)]
    assert len(vertical) == 66
    lags = ccfs.lag.values
    fine = np.arange(-1.0, 1.0001, 0.05)
    for pair in vertical:
        chosen = ccfs.sel(pair=pair).isel(time=list(days))
        windows = chosen.n_windows.values
        assert (windows > 0).sum() >= 2
        stack = np.nansum(chosen.ccf.values * windows[:, None], axis=0) / windows.sum()
        distance = float(chosen.distance)
        near = np.abs(lags) <= distance / slowest_velocity(sample_archive) + 3 / BAND[0]
        expected = expected_ccf(sample_archive, distance, lags, *BAND)
        assert np.corrcoef(stack[near], expected[near])[0, 1] >= 0.9, pair
        fits = [
            np.corrcoef(stack[near], expected_ccf(sample_archive, distance, lags[near] - delay, *BAND))[0, 1] for delay in fine
        ]
        dominant_period = 2 / sum(BAND)
        assert abs(fine[int(np.argmax(fits))]) <= dominant_period / 8, pair


def test_running_again_does_no_work_and_says_so(out, run_job, sample_archive, capsys):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert run_job("cross_correlate", "--root", sample_archive, "--out", out) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


def test_other_parameters_never_mix(out, run_job, sample_archive, capsys):
    assert run_job("cross_correlate", "--root", sample_archive, "--out", out, "--freqmax", "0.4") == 1
    message = capsys.readouterr().err
    assert "--freqmax 0.5 there, 0.4 now" in message
    assert run_job("stack_ccfs", "--ccfs", out, "--out", out) == 2


def test_manifest_and_report_tell_the_run(out):
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["planned"]["channel-day"] == sum(manifest["outcomes"]["channel-day"].values())
    assert manifest["tables"]["ccf"]["rows"] == len(rows(out, "ccf"))
    page = (out / "report.html").read_text()
    assert "The run is whole." in page
    assert page.count("data:image/png;base64,") == 3
    assert not (out / "_scratch").exists()


def test_azimuths_point_from_source_to_receiver(out):
    ccfs = seisbatch.open_ccfs(out, pair="XX.KILO..BHZ:XX.HOTL..BHZ")
    # KILO stands south of HOTL and a little east of it: HOTL is seen to the north, KILO to the south.
    assert ccfs.pair.item() == "XX.KILO..BHZ:XX.HOTL..BHZ"
    assert 330 < float(ccfs.azimuth.item()) < 360
    assert 150 < float(ccfs.back_azimuth.item()) < 180
    turned = seisbatch.open_ccfs(out, pair=("XX.HOTL..BHZ", "XX.KILO..BHZ"))
    np.testing.assert_array_equal(turned.ccf.values, ccfs.ccf.values[:, :, ::-1])


def test_reader_selects_days(out):
    ccfs = seisbatch.open_ccfs(out, pair="XX.ALFA..BHZ:XX.BRAV..BHZ", start=DAYS[1], end=DAYS[2])
    assert [str(time)[:10] for time in ccfs.time.values] == [str(DAYS[1])]
    assert ccfs.attrs["freqmax"] == 0.5
    with pytest.raises(KeyError, match="holds no CCF"):
        seisbatch.open_ccfs(out, pair="XX.NONE..BHZ:XX.BRAV..BHZ")


def test_stacks_made_directly_equal_stacks_of_the_daily_ccfs(out, run_job, sample_archive, tmp_path):
    assert run_job("stack_ccfs", "--ccfs", out, "--out", tmp_path / "stacks") == 0
    direct = ["--root", sample_archive, "--out", tmp_path / "direct", "--stack-over", "all"]
    assert run_job("cross_correlate", *direct) == 0
    one, other = (seisbatch.open_ccfs(tmp_path / name, stacks=True) for name in ("stacks", "direct"))
    np.testing.assert_array_equal(one.pair, other.pair)
    np.testing.assert_array_equal(one.n_windows, other.n_windows)
    np.testing.assert_allclose(one.ccf, other.ccf, atol=1e-6 * float(np.abs(other.ccf).max()))
    days = {row["n_days"] for row in rows(tmp_path / "stacks", "stack")}
    assert days == {1, 2, 3}


def test_tiles_do_not_change_the_result(out, run_job, sample_archive, tmp_path):
    options = ["--root", sample_archive, "--channels", "XX.*.*.BH?", "--out", tmp_path / "tiled", "--tile", "8"]
    assert run_job("cross_correlate", *options) == 0
    tiles = outcomes(tmp_path / "tiled", "tile")
    sizes = {row["windows_planned"] for row in tiles.values()}
    assert len(tiles) >= 3
    assert len(sizes) > 1
    tiled = seisbatch.open_ccfs(tmp_path / "tiled")
    whole = seisbatch.open_ccfs(out).sel(pair=tiled.pair)
    np.testing.assert_array_equal(tiled.n_windows, whole.n_windows)
    np.testing.assert_allclose(tiled.ccf, whole.ccf, atol=1e-5 * float(np.nanmax(np.abs(whole.ccf))))


def test_pairs_are_each_there_once(out):
    found = [
        (row["date"], *(row[f"{role}_{code}"] for role in ("source", "receiver") for code in ("net", "sta", "loc", "chan")))
        for row in rows(out, "ccf")
    ]
    assert len(found) == len(set(found))
    ok = {unit for unit, row in outcomes(out).items() if row["outcome"] == "ok"}
    expected = 0
    for day in DAYS:
        names = sorted(unit.partition("/")[0] for unit in ok if unit.endswith(str(day)))
        expected += sum(a.split(".")[1] != b.split(".")[1] for a, b in itertools.combinations(names, 2))
    assert len(found) == expected
