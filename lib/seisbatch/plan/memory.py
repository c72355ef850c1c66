"""What a worker needs in memory, projected before anything runs; and the largest tile that fits a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seisbatch.config import OptionError
from seisbatch.process.correlation import PAIRS_AT_A_TIME
from seisbatch.process.grid import Preprocessing
from seisbatch.process.response import INVERSE_BYTES, Removal
from seisbatch.sinks.parquet import ROW_GROUP_BYTES
from seisbatch.steps import correlate
from seisbatch.steps.sides import SLAB_BYTES
from seisbatch.steps.sound_settings import ONE_HERTZ
from seisbatch.steps.spectra import ahead_bytes

PROCESS_BYTES = 300_000_000
"""A worker with everything imported and nothing loaded, as measured, with some room."""
BYTES_A_SAMPLE = 18
"""Samples while a channel-day is preprocessed: the object, int32, and three working copies of float32."""
GRID_BYTES, GRID_BYTES_RMA = 35, 55
"""A sample of the day at the rate of the windows: transforms, running sums, normalisation."""
MOTION_BYTES = {("float32", True): 50, ("float32", False): 60, ("float64", True): 90, ("float64", False): 110}
"""A sample while a channel-day becomes ground motion, as measured, by precision and whether ``pre_filt`` keeps the padding
short: the object, int32, padded samples, spectrum, inverse, records, and their way into a table."""
SOUND_BYTES = 8
"""A sample of a hydrophone's recording: int32, and what of it is copied where files meet."""
CLIP_BYTES = 60
"""A sample of a clip while it is drawn and encoded."""
DAY_MINUTES, LEVEL_COPIES = 1440, 2.5
"""Levels of a day: as read, in order, and a few bands sorted."""
LARGEST_TILE = 128
COMPLEX_BYTES = 8


@dataclass(frozen=True)
class MemoryNeeds:
    """Projected peak memory of one worker process [bytes], by stage."""

    preprocessing: Preprocessing
    substack: int
    block_channels: int

    @property
    def arrays(self) -> int:
        return 2 if self.preprocessing.method == "deconvolution" else 1

    @property
    def spectra_a_day(self) -> int:
        """Bytes of one channel-day's band spectra."""
        return self.preprocessing.n_windows * self.preprocessing.n_bins * COMPLEX_BYTES * self.arrays

    def for_block(self, samples_a_day: float, memory: int) -> int:
        """Preprocessing: a channel-day's working copies, a block's spectra twice, and what is fetched ahead."""
        block = 2 * self.block_channels * self.spectra_a_day
        on_grid = self.preprocessing.day_samples * (GRID_BYTES_RMA if self.preprocessing.time_norm == "rma" else GRID_BYTES)
        return int(PROCESS_BYTES + samples_a_day * BYTES_A_SAMPLE + on_grid + block + ahead_bytes(memory))

    def for_tile(self, side: int) -> int:
        """Correlation: every pair's spectrum (a substack each), slabs of both sides (one read ahead), a row group."""
        substacks = -(-self.preprocessing.n_windows // self.substack) if self.substack else 1
        pairs = side * side * self.preprocessing.n_bins * COMPLEX_BYTES * substacks
        one_frequency = side * self.preprocessing.n_windows * COMPLEX_BYTES * self.arrays
        slabs = 6 * max(SLAB_BYTES, one_frequency)
        inverse = 2 * PAIRS_AT_A_TIME * self.preprocessing.ccf_nfft * 4
        return int(PROCESS_BYTES + pairs + slabs + inverse + 2 * correlate.INVERSE_BYTES + 3 * ROW_GROUP_BYTES)


def tile_side(needs: MemoryNeeds, memory: int, asked: int | None) -> int:
    """Channels on a side of a tile: a multiple of a block's, as asked or the largest that fits.

    Raises OptionError where not even the smallest fits, or where what is asked for does not.
    """
    step = needs.block_channels
    if asked is not None:
        side = max(step, asked - asked % step)
        if needs.for_tile(side) > memory:
            raise OptionError(
                f"--tile {asked} needs about {needs.for_tile(side) / 1e9:.2f} GB a worker, --memory is "
                f"{memory / 1e9:.2f} GB: give a smaller tile or more memory"
            )
        return side
    fitting = [side for side in range(step, LARGEST_TILE + 1, step) if needs.for_tile(side) <= memory]
    if not fitting:
        raise OptionError(
            f"--memory {memory / 1e9:.2f}GB is too little for the smallest tile of {step} channels: it needs about "
            f"{needs.for_tile(step) / 1e9:.2f} GB (fewer windows, a narrower band or a larger --substack need less)"
        )
    return fitting[-1]


def motion_bytes(samples_a_day: float, removal: Removal, memory: int) -> int:
    """Peak memory of a worker that makes ground motion: one channel-day, kept inverses, and what is fetched ahead."""
    a_sample = MOTION_BYTES[removal.precision, removal.pre_filt is not None]
    return int(PROCESS_BYTES + samples_a_day * a_sample + INVERSE_BYTES + ahead_bytes(memory))


def sound_bytes(n_samples: float, n_bytes: int, clip_samples: float, rate: float, band_sets: Sequence[str], memory: int) -> int:
    """Peak memory of a worker that makes clips and levels: one recording, what is fetched ahead; then a day's minutes."""
    of_unit = n_bytes + SOUND_BYTES * n_samples + CLIP_BYTES * clip_samples + 2 * ROW_GROUP_BYTES
    n_levels = (rate / 2 if ONE_HERTZ in band_sets else 0.0) + (3_000 if band_sets else 0)
    of_day = DAY_MINUTES * n_levels * LEVEL_COPIES * 4
    return int(PROCESS_BYTES + ahead_bytes(memory) + max(of_unit, of_day))
