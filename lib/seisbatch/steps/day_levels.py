"""A channel-day's levels out of its minutes: mean power and percentiles in every band, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from seisbatch.acquire.objects import open_store
from seisbatch.outcome import Missing, Rejected, UnitError
from seisbatch.process.bands import hybrid_millidecade_bands
from seisbatch.process.levels import band_levels, level_percentiles, mean_levels
from seisbatch.schema import PSD, PSD_DAY
from seisbatch.sinks.dataset import reading_error, samples_matrix
from seisbatch.steps.batches import batch_key
from seisbatch.steps.minutes import MINUTE_NS, bands_of
from seisbatch.steps.sound_settings import HYBRID_MILLIDECADE, ONE_HERTZ, SoundSettings
from seisbatch.times import to_datetime

Levels = npt.NDArray[np.float32]

PERCENTS = tuple(int(name[1:]) for name in PSD_DAY.names if name[0] == "p" and name[1:].isdigit())
BLOCK_BYTES = 200_000_000
"""Of a day's levels in bands of 1 Hz that are held at a time: a day of minutes at 64 kHz is 184 MB. What has more is read
several times, a block of bands each."""
MAX_AHEAD_OBJECTS = 8
_PLAIN = ("starttime", "seconds", "frames")


@dataclass(eq=False)
class DayLevels:
    """The minutes of a channel-day, in order, and their levels.

    ``levels``: of each minute, float32, shape (n_minutes, n_bands), by set of bands; those in bands of 1 Hz are not held, but
    where there are no others ``drawn`` has them in hybrid millidecades. ``means``, shape (n_bands,), and ``percentiles``, shape
    (len(PERCENTS), n_bands), are of all sets.
    """

    rate: float
    units: str
    minutes_ns: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    frames: npt.NDArray[np.int32]
    levels: dict[str, Levels]
    drawn: Levels | None = None
    means: dict[str, Levels] = field(default_factory=dict)
    percentiles: dict[str, Levels] = field(default_factory=dict)


def day_levels(settings: SoundSettings, units: Sequence[str], start_ns: int, end_ns: int) -> DayLevels | None:
    """The levels of the minutes that units hold, and that begin from one instant up to, and without, another.

    ``units`` are names of batches whose rows of ``PSD`` are read, in order; a unit may have none. None where no minute is left.

    Raises Rejected, with both units named, where units have other rates or levels relative to something else.
    """
    held = [band_set for band_set in settings.band_sets if band_set != ONE_HERTZ]
    block = _Block(settings, start_ns, end_ns) if ONE_HERTZ in settings.band_sets else None
    parts: list[dict[str, npt.NDArray[np.generic]]] = []
    first: tuple[str, float, str] | None = None
    for unit, table in _tables(settings, units, start_ns, end_ns, ["sampling_rate", "units", *_PLAIN, *settings.band_sets]):
        this = unit, float(table["sampling_rate"][0].as_py()), str(table["units"][0].as_py())
        first = first or this
        _require_alike(first, this)
        part: dict[str, npt.NDArray[np.generic]] = {name: table[name].to_numpy() for name in _PLAIN}
        part |= {band_set: samples_matrix(table[band_set]) for band_set in held}
        if block is not None:
            levels = samples_matrix(table[ONE_HERTZ])
            block.add(levels)
            if not held:
                part["drawn"] = _in_millidecades(levels, first[1])
        parts.append(part)
    if first is None:
        return None
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    del parts
    made = DayLevels(first[1], first[2], joined["starttime"].astype("datetime64[ns]").astype(np.int64), joined["seconds"],
                     joined["frames"], {band_set: joined[band_set] for band_set in held}, joined.get("drawn"))  # fmt: skip
    for band_set, levels in made.levels.items():
        made.means[band_set] = mean_levels(levels, made.frames)
        made.percentiles[band_set] = level_percentiles(levels, PERCENTS)
    if block is not None:
        made.means[ONE_HERTZ], made.percentiles[ONE_HERTZ] = block.reduced(units, made.frames)
    return made


class _Block:
    """Levels in bands of 1 Hz, minute by minute, of as many bands as may be held: the first ones, then the next."""

    def __init__(self, settings: SoundSettings, start_ns: int, end_ns: int) -> None:
        self._settings, self._span = settings, (start_ns, end_ns)
        self._most = -(-(end_ns - start_ns) // MINUTE_NS) + 1
        self._first = self._n_minutes = self._n_bands = 0
        self._levels: Levels = np.empty((0, 0), np.float32)

    def add(self, levels: Levels) -> None:
        """The next minutes: all of their bands, of which this block's are kept."""
        if not self._levels.size:
            self._n_bands = levels.shape[1]
            width = max(1, min(self._n_bands, BLOCK_BYTES // (4 * self._most)))
            self._levels = np.empty((self._most, width), np.float32)
        chosen = levels[:, self._first : self._first + self._levels.shape[1]]
        self._levels[self._n_minutes : self._n_minutes + len(levels), : chosen.shape[1]] = chosen
        self._n_minutes += len(levels)

    def reduced(self, units: Sequence[str], frames: npt.NDArray[np.int32]) -> tuple[Levels, Levels]:
        """Levels of the mean power, and percentiles, of all bands; what is not held yet is read."""
        means, percentiles = [], []
        while True:
            n_here = min(self._levels.shape[1], self._n_bands - self._first)
            levels = self._levels[: self._n_minutes, :n_here]
            means.append(mean_levels(levels, frames))
            percentiles.append(level_percentiles(levels, PERCENTS))
            self._first += n_here
            if self._first >= self._n_bands:
                return np.concatenate(means), np.concatenate(percentiles, axis=1)
            self._n_minutes = 0
            for _, table in _tables(self._settings, units, *self._span, [ONE_HERTZ, "starttime"]):
                self.add(samples_matrix(table[ONE_HERTZ]))


def _tables(
    settings: SoundSettings, units: Sequence[str], start_ns: int, end_ns: int, columns: Sequence[str]
) -> Iterator[tuple[str, pa.Table]]:
    """Columns of the minutes between two instants, unit by unit; those without any are passed over."""
    keys = {batch_key(PSD, unit): unit for unit in units}
    schema = PSD.arrow()
    first, stop = (pa.scalar(to_datetime(instant_ns), schema.field("starttime").type) for instant_ns in (start_ns, end_ns))
    store = open_store(settings.out)
    with store.fetch_ahead(keys, max_bytes=settings.ahead_bytes, max_in_flight=MAX_AHEAD_OBJECTS) as fetched:
        for key, body in fetched:
            if isinstance(body, Missing):
                continue
            if isinstance(body, UnitError):
                raise body
            try:
                table = pq.read_table(pa.BufferReader(body), columns=list(columns), use_threads=False)
                table = table.filter(pc.and_(pc.greater_equal(table["starttime"], first), pc.less(table["starttime"], stop)))
            except (pa.ArrowException, OSError) as error:
                raise reading_error(key, error) from error
            if table.num_rows:
                yield keys[key], table


def _require_alike(one: tuple[str, float, str], other: tuple[str, float, str]) -> None:
    """Rejected where a unit's rate, or what its levels are relative to, is not that of another."""
    if one[1] != other[1]:
        raise Rejected(f"recorded at {one[1]:g} Hz in {one[0]}, at {other[1]:g} Hz in {other[0]}: a day has one rate")
    if one[2] != other[2]:
        raise Rejected(f"levels re {one[2]} in {one[0]}, re {other[2]} in {other[0]}: a day has one unit")


def _in_millidecades(levels: Levels, rate: float) -> Levels:
    """Levels per Hz in bands of 1 Hz as such in hybrid millidecades."""
    return band_levels(10 ** (levels / 10), rate, hybrid_millidecade_bands(rate))


def drawn_levels(levels: DayLevels) -> tuple[Levels, npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Levels per Hz of each minute that a picture shows, and their bands' lower and upper edges [Hz]; None where there is none.

    They are in hybrid millidecades; in third octaves where the day has no narrower bands.
    """
    if levels.drawn is not None:
        bands, shown = hybrid_millidecade_bands(levels.rate), levels.drawn
    else:
        band_set = HYBRID_MILLIDECADE if HYBRID_MILLIDECADE in levels.levels else next(iter(levels.levels))
        bands, shown = bands_of(band_set, levels.rate), levels.levels[band_set]
        if band_set != HYBRID_MILLIDECADE:
            shown = shown - (10 * np.log10(bands.width)).astype(np.float32)
    return (shown, bands.lower, bands.upper) if len(bands) else None
