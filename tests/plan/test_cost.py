"""What a run costs: core-hours, requests and dollars by hand arithmetic; known counts of made plans."""

from __future__ import annotations

import math

import numpy as np
import pytest
from obspy.geodetics import gps2dist_azimuth
from seisbatch.config import CONF, parse
from seisbatch.launch.rates import RATES_FILE, read_rates
from seisbatch.names import Channel
from seisbatch.options import CrossCorrelate
from seisbatch.plan.cost import Cost, priced, puts_of, run_cost
from seisbatch.plan.estimate import Selected, estimate, periods
from seisbatch.plan.pair_share import count_pairs, selects_all
from seisbatch.plan.prices import read_prices
from seisbatch.plan.run import correlation_run
from seisbatch.steps.pairs import pair_selection

PRICES = read_prices()
SHIPPED = read_rates(CONF / RATES_FILE)


def rates(**core_seconds):
    of = SHIPPED.core_seconds.model_copy(update=core_seconds)
    return SHIPPED.model_copy(update={"core_seconds": of})


def test_dollars_follow_from_counts_rates_and_prices():
    """A million MB at 0.0036 s are one core-hour; 1,000,000 GETs at 0.00036 s 0.1, 100,000 PUTs at 0.00072 s 0.02."""
    of = rates(decode_mb=0.0036, get=0.00036, put=0.00072)
    cost = Cost(work={"decode_mb": 1e6}, gets=1e6, puts=1e5, out_bytes=2e12)
    assert cost.core_seconds(of) / 3600 == pytest.approx(1.12)
    assert cost.request_dollars(PRICES) == pytest.approx(1000 * 0.0004 + 100 * 0.005)
    assert cost.month_dollars(PRICES) == pytest.approx(2000 * 0.023)
    assert cost.compute_dollars(of, PRICES) == pytest.approx(
        (1.12 * (0.0408 + 0.0102), 1.12 * (0.0163 + 0.0102), 1.12 * (0.0421 + 4 * 0.00462))
    )
    lines = dict(cost.lines(of, PRICES))
    assert lines["core-hours"].startswith("about 1.1, by rates of ")
    assert lines["requests"] == "about 1,000,000 GET, 100,000 PUT: $0.90"
    assert lines["compute"] == "about $0.06 on demand, $0.03 on spot, $0.07 serverless, of Graviton"
    assert lines["to keep"] == "about $46.00 a month"


def test_requests_that_carry_more_than_their_rate_is_of_take_as_many_times_as_long():
    of = rates(get=0.001, put=0.002)
    assert Cost(gets=10, read_bytes=10 * 512_000).core_seconds(of) == pytest.approx(0.01)
    assert Cost(gets=10, read_bytes=30 * 512_000).core_seconds(of) == pytest.approx(0.03)
    assert Cost(puts=1, put_bytes=5 * 512_000).core_seconds(of) == pytest.approx(0.01)


def test_costs_add_up():
    both = Cost(work={"decode_mb": 1.0, "table_mb": 2.0}, gets=1) + Cost(work={"table_mb": 3.0}, gets=2, puts=4, lists=5)
    assert both.work == {"decode_mb": 1.0, "table_mb": 5.0}
    assert (both.gets, both.puts, both.lists) == (3, 4, 5)


@pytest.mark.parametrize(("n_bytes", "puts"), [(0, 1), (5 * 2**20, 1), (5 * 2**20 + 1, 4), (128 * 10**6, 27)])
def test_objects_beyond_five_mebibytes_are_put_in_parts(n_bytes, puts):
    assert puts_of(n_bytes) == puts
    assert run_cost(3, n_bytes, 0).puts == 3 * puts + 4


def test_prices_that_cannot_be_read_are_told_and_end_nothing(tmp_path, monkeypatch):
    (tmp_path / "rates.toml").write_text("date = 2025")
    monkeypatch.setenv("SEISBATCH_BUILD", str(tmp_path))
    [(label, told)] = priced(Cost(gets=1))
    assert (label, told.partition(": ")[0]) == ("cost", "not known")
    assert "rates.toml" in told


def correlation(*words: str, channels: int = 2000, days: int = 10, share: float | None = None):
    """The estimate of a run over so many channels of 100 Hz on so many days, in blocks of 8 and tiles of 128."""
    options = ["--archive", "scedc", "--start", "2022-01-02", "--days", str(days), "--tile", "128", *words]
    run = correlation_run(parse("cross_correlate", CrossCorrelate, options))
    n = channels * days
    selected = Selected(
        channel_days=n, problems=0, channels_a_day=channels, days=days, read_bytes=int(1.3 * 8_640_000 * n),
        rate_max=100.0, channels_squared=n * channels, samples=8_640_000.0 * n, pair_share=share,
    )  # fmt: skip
    sides = math.ceil(channels / 128)
    return run, estimate(run, selected, days * channels // 8, days * sides * (sides + 1) // 2)


def test_the_work_of_a_correlation_follows_from_its_channels_windows_and_bins():
    """1800 s every 450 s are 189 windows a day; padded by 200 s at 2 Hz 4000 samples; from 0.1 to 0.5 Hz 801 frequencies."""
    run, told = correlation()
    work = told.cost.work
    assert (run.preprocessing.n_windows, run.preprocessing.nfft, run.preprocessing.n_bins) == (189, 4000, 801)
    assert work["preprocess_msamples"] == pytest.approx(20_000 * 8.64)
    assert work["decode_mb"] == pytest.approx(20_000 * 8.64 * 1.3)
    assert work["window_msamples"] == pytest.approx(20_000 * 189 * 4000 / 1e6)
    pair_days = 10 * 2000 * 2000 // 2
    assert work["product_giga"] == pytest.approx(pair_days * 189 * 801 / 1e9)
    assert work["geometry_kpairs"] == pytest.approx(pair_days / 1e3)
    assert correlation(channels=900)[1].cost.work["geometry_kpairs"] == 0  # 405,000 pairs: every worker remembers them
    assert work["inverse_msamples"] == pytest.approx(pair_days * run.preprocessing.ccf_nfft / 1e6)
    assert told.cost.out_bytes == pytest.approx(pair_days * 4 * run.preprocessing.maxlag * 2 * 2, rel=0.01)
    assert told.cost.puts > 2500 * 4 + told.tiles  # blocks of 9.7 MB in parts
    assert told.cost.gets > 20_000 + 10 + 2500 * 16  # channel-days, indexes, each block in each of a side's tiles


def test_pairs_that_are_not_wanted_are_multiplied_and_not_transformed_back():
    every, near = correlation()[1], correlation("--max-distance", "150", share=0.1)[1]
    assert near.cost.work["product_giga"] == every.cost.work["product_giga"]
    assert near.cost.work["inverse_msamples"] == pytest.approx(0.1 * every.cost.work["inverse_msamples"])
    assert near.cost.out_bytes == pytest.approx(0.1 * every.cost.out_bytes)
    assert dict(near.lines())["pair-days"] == "about 2,000,000"
    assert dict(every.lines())["pair-days"] == "up to 20,000,000"


def test_stacks_are_one_a_pair_and_period():
    assert [periods(over, 365) for over in ("day", "week", "month", "all")] == [365, 53, 12, 1]
    _, months = correlation("--stack-over", "month", days=60)
    assert months.cost.work["table_krows"] == pytest.approx(2 * 2_000_000 / 1e3)


@pytest.mark.parametrize(
    ("kind", "components", "distances"),
    [
        ("cross", "all", (0, 60)), ("all", "ZZ", (20, None)), ("station", "all", (0, None)), ("auto", "all", (0, None)),
        ("cross", "ZZ,NE", (10, 90)), ("XX.S01..HHZ:XX.S02..HHZ,XX.S99..HHZ:XX.S02..HHZ", "all", (0, None)),
    ],
)  # fmt: skip
def test_pairs_are_counted_as_a_run_selects_them(kind, components, distances):
    rng = np.random.default_rng(2)
    names = [Channel("XX", f"S{n:02d}", "", f"HH{c}") for n in range(12) for c in "ZNE"]
    places = np.repeat(np.column_stack((34 + rng.uniform(0, 1, 12), -117 + rng.uniform(0, 1, 12))), 3, axis=0)
    selection = pair_selection(kind, components, *distances)
    expected = 0
    for i, source in enumerate(names):
        for j, receiver in enumerate(names):
            if source <= receiver and selection.names_match(source, receiver):
                km = gps2dist_azimuth(*places[i], *places[j])[0] / 1000
                expected += kind.startswith("XX") or selection.distance_matches(km)
    assert count_pairs(names, places, selection) == pytest.approx(expected, rel=0.01)
    assert not selects_all(selection)


def test_channels_whose_place_is_not_known_are_in_no_range():
    names = [Channel("XX", code, "", "HHZ") for code in "ABC"]
    places = np.array([[34.0, -117.0], [34.1, -117.0], [np.nan, np.nan]])
    assert count_pairs(names, places, pair_selection("cross", "all", 0, 50)) == 1
    assert count_pairs(names, places, pair_selection("cross", "all", 0, None)) == 3
    assert selects_all(pair_selection("cross", "all", 0, None))


@pytest.mark.parametrize(
    ("job", "words", "requests"),
    [
        # 11 stations have a file; one batch, which is looked up, becomes a file of each of three tables
        ("load_stations", [], "12 GET, 7 PUT, 41 LIST"),
        # indexes of three days in two months, which are looked up and become a file each
        ("index_archive", [], "5 GET, 6 PUT, 41 LIST"),
        # three requests for each window that it counts, in one batch
        ("cut_windows", ["--time", "2024-01-01T12:00:00", "--channels", "*.*.*.BHZ"], None),
    ],
)
def test_requests_of_the_sample_are_known(job, words, requests, run_job, sample_archive, tmp_path, capsys):
    assert run_job(job, "--archive", "sample", "--root", sample_archive, "--out", tmp_path / "out", "--plan", *words) == 0
    told = capsys.readouterr().out
    if requests:
        assert f": {requests}, " in told
        return
    [windows] = [int(line.split()[1].rstrip(":")) for line in told.splitlines() if line.startswith("  windows ")]
    assert f"about {3 * windows + 1 + 1:,} GET, 5 PUT, 41 LIST" in told  # the day's index, the look-up of the batch
    assert all(f"  {label} " in told for label in ("core-hours", "compute", "to keep", "prices"))
