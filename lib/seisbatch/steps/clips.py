"""A hydrophone's clips, one by one: the sound, the picture, their levels, and where each of them stands."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seisbatch.names import Channel
from seisbatch.outcome import Outcome
from seisbatch.process.clip_levels import clip_levels
from seisbatch.process.levels import Calibration
from seisbatch.process.picture import draw
from seisbatch.process.segments import DataError, Segment
from seisbatch.schema import CEMETERY, CLIP
from seisbatch.sinks.colours import colour_table
from seisbatch.sinks.flac import flac_file
from seisbatch.sinks.pcm import Sound
from seisbatch.sinks.png import palette_png
from seisbatch.sinks.shards import SHARD_BYTES, Place, TarShards
from seisbatch.sinks.wav import wav_file
from seisbatch.steps.batches import BatchFiles
from seisbatch.steps.sound_settings import (
    CLIPS,
    COUNT,
    OBJECTS,
    PARQUET,
    SHARDS,
    TAR,
    UPA,
    PictureSettings,
    SoundSettings,
    level_units,
)
from seisbatch.times import SECOND_NS, to_datetime

EXTENSIONS = {"wav32": "wav", "wav16": "wav", "flac": "flac"}
PICTURE_EXTENSION = "png"

Row = dict[str, Any]
_palette = functools.cache(colour_table)


def clip_stamp(clock_ns: int) -> str:
    """A clip's time on the clock in names.

    >>> clip_stamp(1_507_507_205 * 10**9), clip_stamp(1_507_507_205_500_000_000)
    ('20171009T000005Z', '20171009T000005.500000Z')
    """
    time = to_datetime(clock_ns)
    return f"{time:%Y%m%dT%H%M%S}{f'.{time.microsecond:06}' if time.microsecond else ''}Z"


def clip_key(name: Channel, clock_ns: int, extension: str) -> str:
    """The key of a clip's own object."""
    return f"{CLIPS}/{to_datetime(clock_ns):%Y/%m/%d}/{name}.{clip_stamp(clock_ns)}.{extension}"


def shard_member(name: Channel, clock_ns: int) -> str:
    """The name of a clip's files in a shard, without extension: it has no dot, at which readers would split it."""
    return f"{name}.{clip_stamp(clock_ns)}".replace(".", "_")


class ClipWriter:
    """Writes a channel's clips of a batch, in the order of their times.

    ``rate`` [Hz]: the channel's nominal sampling rate, which sounds state and pictures are drawn with. A clip that cannot be
    drawn or written as a sound goes to the cemetery, whole. ``n_written`` and ``n_left_out``: clips so far.
    """

    def __init__(
        self,
        settings: SoundSettings,
        name: Channel,
        batch_name: str,
        rate: float,
        calibration: Calibration | None,
        files: BatchFiles,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        self._settings, self._name, self._rate = settings, name, rate
        self._calibration, self._files = calibration, files
        self._flat = None if calibration is None else calibration.flat
        self._shards = TarShards(files.put, f"{SHARDS}/{batch_name}", shard_bytes) if TAR in settings.places else None
        if self._shards:
            files.when_left(self._shards.discard)
        self.n_written = self.n_left_out = 0

    def add(self, clock_ns: int, clip: Segment, n_padded: int, s3keys: Sequence[str]) -> None:
        """Encode a clip, and write its row and its bytes where the run has them."""
        try:
            measured, encoded = self._encode(clip, n_padded)
        except DataError as error:
            self.leave_out(clock_ns, Outcome.REJECTED, str(error))
            return
        row = {
            "id": f"{self._name}/{clip_stamp(clock_ns)}",
            **self._name._asdict(),
            "clock": to_datetime(clock_ns),
            "starttime": to_datetime(clip.start_ns),
            "endtime": to_datetime(clip.end_ns - round(SECOND_NS / clip.rate)),
            "sampling_rate": self._rate,
            "npts": len(clip.samples),
            "n_padded": n_padded,
            **measured,
            "s3key": ",".join(s3keys),
            "parameters_id": self._settings.parameters_id,
        }
        self._files.add(CLIP, [row | self._put(clock_ns, clip.start_ns, row, encoded)])
        self.n_written += 1

    def leave_out(self, clock_ns: int, outcome: Outcome, reason: str) -> None:
        """Write to the cemetery that there is no clip for a time on the clock, and why."""
        end_ns = clock_ns + round(self._settings.clip_s * SECOND_NS)
        row = {"unit": f"{self._name}/{clip_stamp(clock_ns)}", **self._name._asdict(), "starttime": to_datetime(clock_ns),
               "endtime": to_datetime(end_ns), "data_tag": CLIP.name, "outcome": str(outcome), "reason": reason,
               "parameters_id": self._settings.parameters_id}  # fmt: skip
        self._files.add(CEMETERY, [row])
        self.n_left_out += 1

    def finish(self) -> None:
        """Put the last shard."""
        if self._shards:
            self._shards.finish()
            self._files.remove(self._shards.next_key)

    def _encode(self, clip: Segment, n_padded: int) -> tuple[Row, dict[str, tuple[str, bytes]]]:
        """What a row tells of a clip's levels and files, and the files: extension and bytes of ``sound`` and ``picture``."""
        rms, peak = clip_levels(clip.samples, self._rate, self._calibration, n_padded)
        row: Row = {"rms": rms, "peak": peak, "units": level_units(self._calibration)}
        encoded = {}
        if self._settings.sound is not None:
            sound = self._sound(clip, self._settings.sound)
            row |= {"gain": sound.gain, "n_clipped": sound.n_clipped, "sound_format": self._settings.sound}
            encoded["sound"] = (EXTENSIONS[self._settings.sound], sound.data)
        if self._settings.picture is not None:
            data, told = self._picture(clip, self._settings.picture)
            row |= told
            encoded["picture"] = (PICTURE_EXTENSION, data)
        return row, encoded

    def _sound(self, clip: Segment, kind: str) -> Sound:
        if kind == "flac":
            return flac_file(clip.samples, self._rate, self._settings.gain)
        return wav_file(clip.samples, self._rate, {"wav16": 16, "wav32": 32}[kind], self._settings.gain)

    def _picture(self, clip: Segment, settings: PictureSettings) -> tuple[bytes, Row]:
        """The PNG file, and its levels: where one sensitivity holds, levels that were asked for are re 1 uPa too."""
        try:
            frames, look = settings.of(self._rate, len(clip.samples))
        except ValueError as error:
            raise DataError(f"recorded at {self._rate:g} Hz: {error}") from error
        sensitivity = self._flat or 0.0
        of_counts = look
        if look.decibels is not None:
            of_counts = replace(look, decibels=(look.decibels[0] + sensitivity, look.decibels[1] + sensitivity))
        picture = draw(clip.samples, self._rate, frames, of_counts)
        picture = replace(picture, bottom=picture.bottom - sensitivity, top=picture.top - sensitivity)
        units = COUNT if self._flat is None else UPA
        palette = _palette(settings.colours)
        if settings.labelled is not None:
            data = settings.labelled(self._name, clip, frames, look, picture, palette, units)
        else:
            data = palette_png(picture.indices, palette)
        return data, {"bottom": picture.bottom, "top": picture.top, "picture_units": units}

    def _put(self, clock_ns: int, start_ns: int, row: Row, encoded: dict[str, tuple[str, bytes]]) -> Row:
        """Put a clip's files where the run has them; the columns that tell where."""
        in_shard: dict[str, Place] = {}
        if self._shards:
            members = dict(encoded.values()) | {"json": _json(row)}
            in_shard = self._shards.add(shard_member(self._name, clock_ns), start_ns, members)
        columns: Row = {}
        for kind, (extension, data) in encoded.items():
            place = in_shard.get(extension)
            if OBJECTS in self._settings.places:
                key = clip_key(self._name, clock_ns, extension)
                self._files.put_soon(key, data)
                place = place or Place(key, 0, len(data))
            columns[kind] = data if PARQUET in self._settings.places else None
            columns[f"{kind}_nbytes"] = len(data)
            if place:
                columns |= {f"{kind}_file": place.key, f"{kind}_foff": place.offset}
        return columns


def _json(row: Row) -> bytes:
    """A clip's row as JSON, which has no number for minus infinity: null."""
    plain = {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
    return json.dumps(plain, default=lambda time: time.isoformat(), allow_nan=False).encode()
