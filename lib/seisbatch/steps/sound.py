"""Units of a hydrophone's channel in, outcomes out: clips with sound and picture, and minutes' levels, in one pass."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from seisbatch.names import Channel
from seisbatch.outcome import Empty, Outcome, Rejected, Result, guard
from seisbatch.process.clock import ClockWindow, ClockWindows, flaw, padded_clip, whole_clip
from seisbatch.process.levels import Calibration
from seisbatch.process.segments import Segment
from seisbatch.schema import CEMETERY, CLIP, PSD
from seisbatch.steps.batches import Batch, BatchFiles, OutcomeRow, unit_row, write_batches
from seisbatch.steps.calibrations import calibration_of
from seisbatch.steps.clips import ClipWriter, clip_stamp
from seisbatch.steps.minutes import minute_row
from seisbatch.steps.recordings import channel_of, read_recordings, recording_unit
from seisbatch.steps.sound_settings import PAD, SoundSettings
from seisbatch.times import SECOND_NS, to_datetime

MINUTE_NS = 60 * SECOND_NS


def write_sound(settings: SoundSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``OUTCOMES``, one a recording and one a unit, for the units of :func:`seisbatch.plan.sound_units.sound_units`."""
    return write_batches(settings, (CLIP, PSD, CEMETERY), batches, _inputs, functools.partial(_write_unit, settings))


def _inputs(unit: Batch) -> list[str]:
    """What a unit's results follow from, besides the run's parameters."""
    neighbours = (unit["before"], *unit["recordings"], unit["after"])
    return [f"{unit['rate']:g} Hz", *(f"{row['s3key']} {row['version']} {row['size']}" for row in neighbours if row)]


def _write_unit(settings: SoundSettings, unit: Batch, files: BatchFiles) -> Iterator[OutcomeRow]:
    name = channel_of(unit)
    calibrated = guard(functools.partial(calibration_of, settings, name, unit["start_ns"], unit["rate"]))
    if calibrated.value is None:
        for row in unit["recordings"]:
            date = to_datetime(row["start_ns"]).date()
            yield unit_row("object", recording_unit(unit, row), calibrated, row["s3key"], date=date)
        return
    calibration, note = calibrated.value
    outcomes: list[OutcomeRow] = []
    started = time.perf_counter()
    of_unit = _Unit(settings, unit, name, calibration, files)
    for segments, until_ns, s3key in read_recordings(settings, unit, of_unit.needed_until_ns, outcomes):
        of_unit.add(segments, until_ns, s3key)
        del segments  # or it would be held while the next is decoded
    of_unit.finish()
    spent = time.perf_counter() - started
    share = (spent - sum(row["seconds"] for row in outcomes)) / max(1, len(outcomes))
    for row in outcomes:
        row["seconds"] += share  # of making clips and minutes, which go across recordings
        if trouble := of_unit.failed.get(row["s3key"]):
            row |= {"outcome": str(Outcome.FAILED), "reason": trouble}
        elif note and row["outcome"] == Outcome.OK:
            row["reason"] = "; ".join(filter(None, (row["reason"], note)))
        yield row


class _Unit:
    """The clips and minutes of a unit, as its recordings come in."""

    def __init__(
        self, settings: SoundSettings, unit: Batch, name: Channel, calibration: Calibration | None, files: BatchFiles
    ) -> None:
        self._settings, self._name, self._files = settings, name, files
        self._rate: float = unit["rate"]
        self._calibration = calibration
        self._n_samples = round(settings.clip_s * self._rate)
        self._clip_ns = round(settings.clip_s * SECOND_NS)
        span = unit["start_ns"], unit["end_ns"]
        self._clips = ClockWindows(*span, self._clip_ns, round(settings.step_s * SECOND_NS))
        self._minutes = ClockWindows(*span, MINUTE_NS, MINUTE_NS) if settings.band_sets else None
        self._writer = ClipWriter(settings, name, unit["name"], self._rate, calibration, files)
        self._sources: list[tuple[int, int, str]] = []
        self._start_ns, self._is_reached = span[0], False
        self._silent: tuple[int, int] | None = None
        """The clips one after another that nothing was recorded of: when the first begins and the last ends."""
        self.needed_until_ns = span[1] + max(0, self._clip_ns - round(settings.step_s * SECOND_NS))
        """Up to here the unit's windows reach."""
        self.failed: dict[str, str] = {}
        """Recordings of which a clip met what was not foreseen."""

    def add(self, segments: list[Segment], until_ns: int, s3key: str) -> None:
        """Take a recording's segments; nothing that comes later begins before ``until_ns``."""
        self._is_reached |= any(segment.end_ns > self._start_ns for segment in segments)
        self._sources += [(segment.start_ns, segment.end_ns, s3key) for segment in segments]
        self._clips.add(segments)
        self._write_clips(self._clips.ready(until_ns))
        if self._minutes:
            self._minutes.add(segments)
            self._write_minutes(self._minutes.ready(until_ns))
        self._sources = [source for source in self._sources if source[1] > until_ns - 2 * self._clip_ns]

    def finish(self) -> None:
        """Write what is left; nothing of a unit that no recording reaches into: that one is missing is told elsewhere."""
        if self._is_reached:
            self._write_clips(self._clips.rest())
            self._tell_silence()
        if self._minutes:
            self._write_minutes(self._minutes.rest())
        self._writer.finish()

    def _write_clips(self, windows: Iterable[ClockWindow]) -> None:
        for window in windows:
            if not window.pieces and not window.n_conflicts:
                first = self._silent[0] if self._silent else window.clock_ns
                self._silent = first, window.clock_ns + self._clip_ns
                continue
            self._tell_silence()
            end_ns = window.clock_ns + self._clip_ns
            keys = dict.fromkeys(key for first, last, key in self._sources if first < end_ns and last > window.clock_ns)
            done = guard(functools.partial(self._write_clip, window, list(keys)))
            if done.outcome is Outcome.FAILED:
                self.failed |= dict.fromkeys(keys, f"clip at {to_datetime(window.clock_ns):%H:%M:%S}: {done.reason}")
            elif done.outcome is not Outcome.OK:
                self._bury(window.clock_ns, end_ns, done)

    def _write_clip(self, window: ClockWindow, s3keys: list[str]) -> None:
        clip, n_padded = whole_clip(window, self._rate, self._n_samples), 0
        if clip is None and self._settings.gaps == PAD:
            clip, n_padded = padded_clip(window, self._rate, self._n_samples)
        if clip is None:
            raise Rejected(f"touches a gap: {flaw(window, self._rate, self._n_samples)}")
        self._writer.add(window.clock_ns, clip, n_padded, s3keys)

    def _tell_silence(self) -> None:
        if self._silent:
            reason = Empty("nothing was recorded")
            self._bury(*self._silent, Result(None, reason.outcome, str(reason), 0.0))
            self._silent = None

    def _bury(self, start_ns: int, end_ns: int, done: Result[Any]) -> None:
        """The row of the cemetery of a clip, or of those one after another, that there is nothing of."""
        row: Mapping[str, Any] = {
            "unit": f"{self._name}/{clip_stamp(start_ns)}",
            **self._name._asdict(),
            "starttime": to_datetime(start_ns),
            "endtime": to_datetime(end_ns),
            "data_tag": CLIP.name,
            "outcome": str(done.outcome),
            "reason": done.reason,
            "parameters_id": self._settings.parameters_id,
        }
        self._files.add(CEMETERY, [row])

    def _write_minutes(self, windows: Iterable[ClockWindow]) -> None:
        for window in windows:
            if window.pieces and (
                row := minute_row(self._settings, self._name, window, self._rate, self._calibration)
            ):  # fmt: skip
                self._files.add(PSD, [row])
