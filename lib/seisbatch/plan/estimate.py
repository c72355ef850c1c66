"""What a run will take, from counts alone: bytes, units, files, memory."""

from __future__ import annotations

from dataclasses import dataclass

from seisbatch.config import OptionError
from seisbatch.plan.memory import MemoryNeeds
from seisbatch.plan.run import BLOCK_CHANNELS, CorrelationRun
from seisbatch.times import DAY_SECONDS

OBJECT_BYTES_A_SAMPLE = 1.3
"""Steim-2 of real ground motion takes 1.1 to 1.7 bytes a sample."""
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

    def lines(self) -> list[tuple[str, str]]:
        """Labels and values for the terminal."""
        return [
            ("channel-days", f"{self.channel_days:,} ({self.days:,} days, up to {self.channels_a_day:,} channels)"),
            ("tasks", f"{self.blocks:,} blocks to preprocess, {self.tiles:,} tiles of up to {self.tile} channels a side"),
            ("pair-days", f"up to {self.pair_days:,}"),
            ("to read", f"about {size(self.read_bytes)}"),
            ("scratch spectra", f"up to {size(self.scratch_bytes)}, removed at the end"),
            ("shuffle", f"about {size(self.shuffle_bytes)}, keys only"),
            ("output", f"up to {size(self.output_bytes)} before compression"),
            ("memory", f"at most {size(self.worker_bytes)} a worker of {size(self.memory)} allowed"),
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
    pair_days = selected.channels_squared // 2 + (selected.channel_days // 2 if run.pairs.kind in ("auto", "all") else 0)
    rows = pair_days * run.substacks if run.stack_over == "none" else pair_days // max(1, selected.days) or 1
    return Estimate(
        channel_days=selected.channel_days,
        days=selected.days,
        channels_a_day=selected.channels_a_day,
        blocks=blocks,
        tiles=tiles,
        tile=run.tile,
        pair_days=pair_days,
        read_bytes=selected.read_bytes,
        scratch_bytes=selected.channel_days * needs.spectra_a_day,
        shuffle_bytes=selected.channel_days * KEY_BYTES * 2,
        output_bytes=rows * run.ccf_bytes,
        worker_bytes=max(for_block, needs.for_tile(side)),
        memory=run.memory,
    )


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
