"""What a run will take, from counts alone: bytes, units, files, memory."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from seisbatch.config import OptionError
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.memory import MemoryNeeds
from seisbatch.plan.run import BLOCK_CHANNELS, CorrelationRun
from seisbatch.steps.sides import SLAB_BYTES
from seisbatch.times import DAY_SECONDS

OBJECT_BYTES_A_SAMPLE = 1.3
"""Steim-2 of real ground motion takes 1.1 to 1.7 bytes a sample."""
KNOWN_PAIRS = 500_000
"""Pairs whose distance a worker remembers: of more stations each is reckoned for every file that it is in."""
KEY_BYTES = 200
"""A channel-day's row of the plan, in a shuffle."""


@dataclass(frozen=True)
class Selected:
    """Counts of the channel-days of a plan."""

    channel_days: int
    problems: int
    channels_a_day: int
    days: int
    read_bytes: int
    rate_max: float
    channels_squared: int
    """Sum over days of the square of the day's channels."""
    samples: float = 0.0
    """Recorded, as far as rates or sizes tell."""
    widest_day: dt.date | None = None
    """The day with the most channels."""
    pair_share: float | None = None
    """Of all pairs of a day, those that are wanted; None where it is all of them."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take; bytes are estimates, counts are exact."""

    channel_days: int
    days: int
    channels_a_day: int
    blocks: int
    tiles: int
    tile: int
    pair_days: int
    read_bytes: int
    scratch_bytes: int
    shuffle_bytes: int
    output_bytes: int
    worker_bytes: int
    memory: int
    cost: Cost
    are_pairs_counted: bool = False
    """Whether a day's pairs were counted by distance and name; else their number is the most that there can be."""

    def lines(self) -> list[tuple[str, str]]:
        """Labels and values for the terminal."""
        return [
            ("channel-days", f"{self.channel_days:,} ({self.days:,} days, up to {self.channels_a_day:,} channels)"),
            ("tasks", f"{self.blocks:,} blocks to preprocess, {self.tiles:,} tiles of up to {self.tile} channels a side"),
            ("pair-days", f"{'about' if self.are_pairs_counted else 'up to'} {self.pair_days:,}"),
            ("to read", f"about {size(self.read_bytes)}"),
            ("scratch spectra", f"up to {size(self.scratch_bytes)}, removed at the end"),
            ("shuffle", f"about {size(self.shuffle_bytes)}, keys only"),
            ("output", f"up to {size(self.output_bytes)} before compression"),
            ("memory", f"at most {size(self.worker_bytes)} a worker of {size(self.memory)} allowed"),
            *priced(self.cost),
        ]


def estimate(run: CorrelationRun, selected: Selected, blocks: int, tiles: int) -> Estimate:
    """Project a plan; OptionError where a worker would need more memory than it may use."""
    needs = MemoryNeeds(run.preprocessing, substack=run.substack, block_channels=BLOCK_CHANNELS)
    for_block = needs.for_block(selected.rate_max * DAY_SECONDS, run.memory)
    if for_block > run.memory:
        raise OptionError(
            f"--memory {size(run.memory)}: preprocessing a channel-day of {selected.rate_max:g} Hz needs about "
            f"{size(for_block)} a worker; give at least that, or leave such channels out with --channels"
        )
    side = min(run.tile, -(-selected.channels_a_day // BLOCK_CHANNELS) * BLOCK_CHANNELS)
    every_pair = selected.channels_squared // 2
    every_pair += selected.channel_days // 2 if run.pairs.kind in ("auto", "all") else 0
    share = selected.pair_share
    pair_days = every_pair if share is None else round(share * every_pair)
    rows = pair_days * run.substacks
    if run.stack_over != "none":
        rows = max(1, pair_days * periods(run.stack_over, selected.days) // max(1, selected.days))
    scratch_bytes = selected.channel_days * needs.spectra_a_day
    return Estimate(
        channel_days=selected.channel_days,
        days=selected.days,
        channels_a_day=selected.channels_a_day,
        blocks=blocks,
        tiles=tiles,
        tile=run.tile,
        pair_days=pair_days,
        read_bytes=selected.read_bytes,
        scratch_bytes=scratch_bytes,
        shuffle_bytes=selected.channel_days * KEY_BYTES * 2,
        output_bytes=rows * run.ccf_bytes,
        worker_bytes=max(for_block, needs.for_tile(side)),
        memory=run.memory,
        cost=_cost(run, selected, Work(blocks, tiles, side, rows, scratch_bytes)),
        are_pairs_counted=share is not None,
    )


def periods(stack_over: str, days: int) -> int:
    """Stacks that a pair which is there every day has, about."""
    of_days = {"day": 1.0, "week": 7.0, "month": 30.44, "all": math.inf}[stack_over]
    return max(1, math.ceil(days / of_days))


@dataclass(frozen=True)
class Work:
    """What a run cuts its work into: blocks, tiles of ``side`` channels, rows of CCFs, bytes of spectra."""

    blocks: int
    tiles: int
    side: int
    rows: int
    scratch_bytes: int


def _cost(run: CorrelationRun, selected: Selected, work: Work) -> Cost:
    """CPU by rates that hold here, requests by what each unit asks for: a tile reads both of its sides' blocks, in slabs.

    A tile multiplies all of its pairs, also those that are not wanted: only these are transformed back.
    """
    params = run.preprocessing
    n_channels = selected.channels_squared / max(1, selected.channel_days)  # a day's, as a channel-day meets them
    sides = 1.0 if run.pairs.kind == "auto" else max(1.0, n_channels / run.tile)
    products = selected.channels_squared / 2 if sides > 1 else selected.channel_days * min(work.side, n_channels) / 2
    height = max(1, SLAB_BYTES // max(1, work.side * params.n_windows * 8))
    slabs = -(-params.n_bins // height)
    block_reads = work.blocks * sides
    moved = Cost(
        gets=selected.days + selected.channel_days + block_reads * (1 + slabs),
        read_bytes=selected.read_bytes + work.scratch_bytes * sides,
    )
    output = run_cost(work.tiles, work.rows * run.ccf_bytes / max(1, work.tiles), work.tiles)
    scratch = run_cost(work.blocks, work.scratch_bytes / max(1, work.blocks), work.blocks)
    kernels = Cost(work=_kernels(run, selected, work, products))
    own = Cost(gets=scratch.gets, puts=scratch.puts, lists=work.blocks / 1000, put_bytes=scratch.put_bytes)
    return moved + output + own + kernels


def _kernels(run: CorrelationRun, selected: Selected, work: Work, products: float) -> dict[str, float]:
    params = run.preprocessing
    arrays = 2 if params.method == "deconvolution" else 1
    spans = selected.days if run.stack_over == "none" else periods(run.stack_over, selected.days)
    located = products if products / max(1, selected.days) > KNOWN_PAIRS else 0.0
    return {
        "decode_mb": selected.read_bytes / 1e6,
        "preprocess_msamples": selected.samples / 1e6,
        "window_msamples": selected.channel_days * params.n_windows * params.nfft * arrays / 1e6,
        "product_giga": products * params.n_windows * params.n_bins / 1e9,
        "geometry_kpairs": located * spans / max(1, selected.days) / 1e3,
        "inverse_msamples": work.rows * params.ccf_nfft / 1e6,
        "table_krows": work.rows / 1e3,
        "table_mb": work.rows * run.ccf_bytes / 1e6,
    }


def size(n_bytes: float) -> str:
    """Bytes as people read them.

    >>> size(38_000_000)
    '38.0 MB'
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000 or unit == "TB":
            return f"{n_bytes:.0f} B" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    raise AssertionError
