"""What a run of make_spectrograms takes, from counts alone: objects, bytes, requests, core-hours, dollars.

Clips, objects and the bytes of wav files are exact; the others are estimates, by the ratios that stand here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from seisbatch.launch.rates import Rates
from seisbatch.names import Channel
from seisbatch.plan.cost import RUN_PUTS, Cost, CostLine, puts_of
from seisbatch.plan.estimate import size
from seisbatch.plan.prices import Prices
from seisbatch.process.bands import hybrid_millidecade_bands, one_hertz_bands, third_octave_bands
from seisbatch.progress import duration
from seisbatch.sinks.shards import SHARD_BYTES
from seisbatch.steps.sound_settings import BAND_SETS, HYBRID_MILLIDECADE, ONE_HERTZ, TAR, THIRD_OCTAVE
from seisbatch.times import DAY_SECONDS

WAV_HEADER_BYTES = 44
WAV_SAMPLE_BYTES = {"wav32": 4, "wav16": 2}
FLAC_SAMPLE_BYTES = 1.1
"""Bytes a sample of flac: 0.77 of the sample's recordings (100 counts rms), 1.40 of a louder sea (rms of 3,000 counts)."""
PNG_PIXEL_BYTES = 0.78
"""Bytes a pixel of a palette PNG of a clip: 0.73 of the sample's recordings, 0.78 to 0.83 of a sea with upsweeps at 64 kHz."""
LEVEL_BYTES = {ONE_HERTZ: 1.7, HYBRID_MILLIDECADE: 2.8, THIRD_OCTAVE: 3.2}
"""Bytes a level in a minute's row: as zstd has them, of 1 Hz rounded to 1/64 dB."""
BANDS = {ONE_HERTZ: one_hertz_bands, HYBRID_MILLIDECADE: hybrid_millidecade_bands, THIRD_OCTAVE: third_octave_bands}
DAY_LEVELS = 13
"""Values of a band in a day's row: its edges and centre, the mean and nine percentiles."""
LONG_TERM_BYTES = 1_000_000
"""A day's long-term spectral average as a picture."""
CLIP_ROW_BYTES = 100
"""A clip's row of the table without its sound and picture, compressed."""
MANIFEST_ROW_BYTES = 400
"""A clip in a day's manifest, in JSON."""


@dataclass(frozen=True, kw_only=True)
class SoundWork:
    """What a run reads and makes of it.

    ``seconds`` recorded on ``days`` days by ``recordings`` objects of ``read_bytes`` together; clips of ``clip_s`` every
    ``step_s`` [s]; ``picture``: width and height; ``sound`` and ``band_sets`` as of
    :class:`~seisbatch.steps.sound_settings.SoundSettings`; ``unit_seconds``: of a commit unit of stage 1; ``place``: where
    clips are packed, ``parquet`` or ``tar``; ``cores`` that work at a time.
    """

    channel: Channel
    rate: float
    seconds: float
    days: int
    recordings: int
    read_bytes: int
    clip_s: float
    step_s: float
    sound: str | None
    picture: tuple[int, int] | None
    band_sets: tuple[str, ...]
    unit_seconds: float
    place: str
    cores: int

    @property
    def clips(self) -> int:
        """Clips that begin in what is recorded."""
        return math.floor(self.seconds / self.step_s + 1e-9)

    @property
    def units(self) -> int:
        """Commit units of stage 1."""
        return min(self.recordings, math.ceil(self.seconds / self.unit_seconds - 1e-9))

    @property
    def sound_bytes(self) -> int:
        """Of one clip's sound; 0 where there is none."""
        n_samples = round(self.rate * self.clip_s)
        if self.sound is None:
            return 0
        if self.sound == "flac":
            return round(FLAC_SAMPLE_BYTES * n_samples)
        return WAV_HEADER_BYTES + WAV_SAMPLE_BYTES[self.sound] * n_samples

    @property
    def picture_bytes(self) -> int:
        """Of one clip's picture; 0 where there is none."""
        return round(PNG_PIXEL_BYTES * self.picture[0] * self.picture[1]) if self.picture else 0

    @property
    def files_a_clip(self) -> int:
        return (self.sound is not None) + (self.picture is not None)

    @property
    def minute_bytes(self) -> int:
        """Of one minute's row of levels."""
        return round(sum(len(BANDS[name](self.rate)) * LEVEL_BYTES[name] for name in self.band_sets))

    @property
    def day_bytes(self) -> int:
        """Of what a day's levels become: the table's rows, the netCDF file with its minutes, and the picture."""
        if not self.band_sets:
            return 0
        n_levels = sum(len(BANDS[name](self.rate)) for name in self.band_sets)
        return self.minute_bytes * DAY_SECONDS // 60 + 2 * DAY_LEVELS * 4 * n_levels + LONG_TERM_BYTES

    @property
    def kernels(self) -> dict[str, float]:
        """How much of each kernel there is, by the names of the rates."""
        msamples = self.seconds * self.rate / 1e6
        pixels = self.clips * self.picture[0] * self.picture[1] if self.picture else 0
        levels = msamples if self.band_sets else 0.0
        return {"sound_msamples": msamples, "picture_mpixels": pixels / 1e6, "level_msamples": levels}


@dataclass(frozen=True)
class Written:
    """What a layout takes: objects, their bytes, and the cost of the whole run."""

    objects: int
    n_bytes: int
    cost: Cost


@dataclass(frozen=True)
class SoundEstimate:
    """What a run takes with clips packed, and with objects as the archive's document has them."""

    work: SoundWork
    rates: Rates
    prices: Prices

    @property
    def clip_objects(self) -> int:
        """Sounds and pictures that are objects of their own in the document's layout."""
        return self.work.clips * self.work.files_a_clip

    @cached_property
    def packed(self) -> Written:
        """Sounds and pictures in Parquet rows or tar shards, a file or some a unit."""
        work = self.work
        clips = work.clips * (work.sound_bytes + work.picture_bytes)
        a_unit = clips / max(1, work.units)
        in_tar = work.place == TAR and bool(clips)
        shards = math.ceil(a_unit / SHARD_BYTES) if in_tar else 0
        puts = work.units * (shards * puts_of(a_unit / shards) if in_tar else puts_of(a_unit) - 1)
        return self._written(work.units * shards, clips, puts)

    @cached_property
    def document(self) -> Written:
        """An object a sound and one a picture, and a manifest a day; the tables have the rows alone."""
        work = self.work
        clips = work.clips * (work.sound_bytes + work.picture_bytes)
        manifests = work.days * (work.files_a_clip > 0)
        puts = manifests + sum(work.clips * puts_of(n_bytes) for n_bytes in (work.sound_bytes, work.picture_bytes) if n_bytes)
        rows = work.clips * MANIFEST_ROW_BYTES if manifests else 0
        return self._written(self.clip_objects + manifests, clips + rows, puts)

    def _written(self, objects: int, n_bytes: int, puts: int) -> Written:
        """A layout of so many objects, bytes and requests beside what is the same in both: tables, and the days' files."""
        work = self.work
        tables = work.units * (1 + bool(work.band_sets))
        of_days = 3 * work.days * bool(work.band_sets)
        minutes = math.ceil(work.seconds / 60)
        levels = minutes * work.minute_bytes + work.days * work.day_bytes
        puts += work.units + of_days + RUN_PUTS
        if work.band_sets:
            puts += work.units * puts_of(minutes * work.minute_bytes / max(1, work.units))
            puts += work.days * (puts_of(work.day_bytes) - 1)
        gets = work.recordings + 2 * work.units + 2 * work.units  # each unit's neighbours; its levels, and their footer
        n_bytes += work.clips * CLIP_ROW_BYTES + levels
        return Written(
            objects=objects + tables + of_days + RUN_PUTS,
            n_bytes=n_bytes,
            cost=Cost(
                work=work.kernels,
                gets=gets,
                puts=puts,
                read_bytes=work.read_bytes,
                put_bytes=n_bytes,
                out_bytes=n_bytes,
            ),
        )

    def lines(self) -> list[tuple[str, str]]:
        """Labels and values for the terminal."""
        work = self.work
        recorded = f"{work.seconds / 3600:,.1f} h on {work.days:,} days"
        lines = [
            ("channel", f"{work.channel} at {work.rate:g} Hz"),
            ("recordings", f"{work.recordings:,}, {recorded}; {size(work.read_bytes)} to read"),
            ("clips", f"{work.clips:,} of {work.clip_s:g} s every {work.step_s:g} s{self._each()}"),
        ]
        if work.band_sets:
            sets = ", ".join(name.replace("_", " ") for name in BAND_SETS if name in work.band_sets)
            lines.append(("levels", f"{math.ceil(work.seconds / 60):,} minutes: {sets}"))
        packed = "tar shards" if work.place == TAR else "Parquet"
        return [
            *lines,
            CostLine(f"packed in {packed}", self._told(self.packed)),
            CostLine("objects of clips", self._told(self.document)),
            CostLine("rates", self.rates.source()),
            CostLine("prices", self.prices.source()),
        ]

    def _each(self) -> str:
        """What a clip becomes, in words."""
        work = self.work
        about = "about " if work.sound == "flac" else ""
        sound = f"; {work.sound} of {about}{size(work.sound_bytes)}" if work.sound else ""
        picture = work.picture
        return sound + (f"; picture of {picture[0]} x {picture[1]}, about {size(work.picture_bytes)}" if picture else "")

    def _told(self, written: Written) -> str:
        cost = written.cost
        on_demand, spot, serverless = cost.compute_dollars(self.rates, self.prices)
        seconds = cost.core_seconds(self.rates)
        return (
            f"{written.objects:,} objects, {size(written.n_bytes)}; about {duration(seconds / self.work.cores)} on "
            f"{self.work.cores:,} cores ({seconds / 3600:,.1f} core-hours): ${on_demand:,.2f} on demand, ${spot:,.2f} on spot, "
            f"${serverless:,.2f} serverless; requests ${cost.request_dollars(self.prices):,.2f}; "
            f"${cost.month_dollars(self.prices):,.2f} a month to keep"
        )
