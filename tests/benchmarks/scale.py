"""What a year of SCEDC, and twenty of them, cost: the table of SCALE.md, by the rates and prices that hold here.

    python tests/benchmarks/scale.py

Counts of a made network in place of an index: 2,000 channels a day, two thirds of 100 Hz (HH), a third of 40 Hz (BH), a third
of them vertical; stations spread over southern California.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

import numpy as np  # noqa: E402
from seisbatch.config import parse  # noqa: E402
from seisbatch.launch.rates import read_rates  # noqa: E402
from seisbatch.names import Channel  # noqa: E402
from seisbatch.options import CrossCorrelate, CutWindows, RemoveResponse  # noqa: E402
from seisbatch.plan.cost import Cost  # noqa: E402
from seisbatch.plan.estimate import KEY_BYTES, Selected, estimate, size  # noqa: E402
from seisbatch.plan.motion import BATCH_SAMPLES, motion_cost, motion_run  # noqa: E402
from seisbatch.plan.pair_share import count_pairs  # noqa: E402
from seisbatch.plan.prices import read_prices  # noqa: E402
from seisbatch.plan.run import BLOCK_CHANNELS, correlation_run  # noqa: E402
from seisbatch.plan.windows import window_cost, window_run  # noqa: E402

CHANNELS, VERTICALS = 2000, 667
RATES_HZ = (100.0, 100.0, 40.0)
BYTES_A_SAMPLE = 1.3
EVENTS_A_DAY = 30
"""Of magnitude 1.5 and more, about, in southern California."""
ARCHIVE = ["--archive", "scedc", "--start", "2022-01-01"]


def places(number: int) -> np.ndarray:
    """Latitudes and longitudes of stations, denser towards Los Angeles."""
    rng = np.random.default_rng(0)
    near = rng.normal((34.2, -117.8), (0.7, 1.0), (number // 2, 2))
    return np.concatenate((near, rng.uniform((32.6, -120.8), (36.4, -115.0), (number - number // 2, 2))))


def correlation(channels: int, days: int, *words: str) -> tuple[Cost, dict[str, float]]:
    run = correlation_run(parse("cross_correlate", CrossCorrelate, [*ARCHIVE, "--days", str(days), *words]))
    samples = channels * days * float(np.mean(RATES_HZ)) * 86_400
    n_blocks = days * -(-channels // BLOCK_CHANNELS)
    sides = math.ceil(channels / run.tile)
    share = None
    if run.pairs.max_distance is not None:
        names = [Channel("CI", f"S{number:03d}", "", "HHZ") for number in range(channels)]
        share = count_pairs(names, places(channels), run.pairs) / (channels**2 // 2)
    selected = Selected(
        channel_days=channels * days, problems=0, channels_a_day=channels, days=days, read_bytes=int(BYTES_A_SAMPLE * samples),
        rate_max=100.0, channels_squared=channels**2 * days, samples=samples, pair_share=share,
    )  # fmt: skip
    groups = days if run.stack_over == "none" else max(1, round(days / 30.44))
    told = estimate(run, selected, n_blocks, groups * sides * (sides + 1) // 2)
    units = n_blocks + told.tiles
    return told.cost, {"scratch": told.scratch_bytes, "pair-days": told.pair_days, "units": units,
                       "shuffle": told.shuffle_bytes, "outcomes": channels * days + told.tiles}  # fmt: skip


def motion(days: int) -> tuple[Cost, dict[str, float]]:
    words = [*ARCHIVE, "--days", str(days), "--pre-filt", "0.005,0.01,15,18", "--memory", "4GB"]
    run = motion_run(parse("remove_response", RemoveResponse, words))
    samples = CHANNELS * days * float(np.mean(RATES_HZ)) * 86_400
    n_batches = math.ceil(samples / BATCH_SAMPLES)
    more = {"units": n_batches, "shuffle": 2 * KEY_BYTES * CHANNELS * days, "outcomes": CHANNELS * days + n_batches}
    return motion_cost(run, CHANNELS * days, n_batches, samples, BYTES_A_SAMPLE * samples), more  # type: ignore[arg-type]


def windows(days: int) -> tuple[Cost, dict[str, float]]:
    """Five minutes of every channel about each event."""
    words = ["--archive", "scedc", "--events", "archive", "--from", "-60", "--to", "240"]
    run = window_run(parse("cut_windows", CutWindows, words))
    number = EVENTS_A_DAY * days * CHANNELS
    n_batches = math.ceil(number / run.batch)
    more = {"units": n_batches, "shuffle": 2 * KEY_BYTES * number, "outcomes": number + n_batches}
    return window_cost(run, number, n_batches, float(np.mean(RATES_HZ))), more


def main() -> None:
    """Print the rows."""
    rates, prices = read_rates(), read_prices()
    print(f"{rates.source()}; {prices.source()}\n")
    columns = "what|years|core-hours|GET|PUT|shuffle|scratch|output|on demand|spot|requests|to keep, a month".split("|")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    jobs = [
        ("correlate verticals to 150 km, monthly stacks",
         lambda days: correlation(VERTICALS, days, "--max-distance", "150", "--stack-over", "month")),
        ("correlate verticals to 150 km, every day", lambda days: correlation(VERTICALS, days, "--max-distance", "150")),
        ("correlate all channels, monthly stacks", lambda days: correlation(CHANNELS, days, "--stack-over", "month")),
        ("correlate all channels, every day", lambda days: correlation(CHANNELS, days)),
        ("remove the response of all", motion),
        ("cut 5 min about 30 events a day", windows),
    ]  # fmt: skip
    for what, job in jobs:
        for years in (1, 20):
            cost, more = job(round(365.25 * years))
            on_demand, spot, _ = cost.compute_dollars(rates, prices)
            hours = cost.core_seconds(rates) / 3600
            cells = [what, years, f"{hours:,.0f}", f"{cost.gets / 1e6:,.1f} M", f"{cost.puts / 1e6:,.2f} M"]
            cells += [size(more["shuffle"]), size(more.get("scratch", 0)), size(cost.out_bytes)]
            dollars = (on_demand, spot, cost.request_dollars(prices), cost.month_dollars(prices))
            print("| " + " | ".join([*map(str, cells), *(f"${one:,.2f}" for one in dollars)]) + " |")
            told = {key: f"{value:,.0f}" for key, value in more.items() if key in ("units", "outcomes", "pair-days")}
            seconds = {key: round(getattr(rates.core_seconds, key) * value / 3600) for key, value in cost.work.items()}
            print(f"    {told}; core-hours {seconds}", file=sys.stderr)


if __name__ == "__main__":
    main()
