"""A run of make_spectrograms: options resolved to recordings and to what is made of them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from seisbatch.acquire.objects import StoreSettings
from seisbatch.acquire.recording_times import TimePattern
from seisbatch.config import OptionError, day_range
from seisbatch.names import Channel, ChannelPatterns, parse_channel
from seisbatch.options import MakeSpectrograms
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.stores import archive_stations, archive_store, index_table, layout_of, out_store, own_store, read_store
from seisbatch.plan.sync import is_within, refuse_same
from seisbatch.process.levels import Calibration
from seisbatch.report.labelled import labelled_clip, long_term_picture
from seisbatch.sample.hydrophone import SENSITIVITY
from seisbatch.steps.calibrations import read_calibration
from seisbatch.steps.index_table import IndexPlace
from seisbatch.steps.sound_settings import BAND_SETS, OBJECTS, PLACES, PictureSettings, SoundSettings
from seisbatch.steps.spectra import ahead_bytes
from seisbatch.steps.stations import Stations
from seisbatch.times import DAY_SECONDS, parse_day

RESULT_VERSION = 1
SAMPLE_RECORDINGS = "sample-recordings"
STATIONXML = "stationxml"
WHALEDR_OVERLAP = 0.995
WHALEDR_FREQUENCIES = (10.0, 8000.0)
PARAMETERS = (
    "clip_s step_s gaps sound pictures axes preset nfft overlap window frequencies shades decibels every_frame pooling colours "
    "size bands sensitivity counts_per_volt write unit_minutes track time_pattern"
).split()
"""Options that determine results; days are added to those that are there."""


@dataclass(frozen=True, kw_only=True)
class SoundRun(RunIdentity):
    """Everything that a run of make_spectrograms does, resolved from its options.

    ``layout`` is empty where recordings are files with the time in their name; ``start`` and ``end`` where all are wanted.
    """

    job = "make_spectrograms"

    options: MakeSpectrograms
    is_sample: bool
    layout: str
    archive: StoreSettings
    stations: Stations | None
    index_table: IndexPlace | None
    start: dt.date | None
    end: dt.date | None
    channel: Channel | None
    gain: float | None
    picture: PictureSettings | None
    places: tuple[str, ...]
    band_sets: tuple[str, ...]
    calibration: Calibration | None
    sync: StoreSettings | None

    @property
    def source(self) -> str:
        """Where recordings come from: those of other archives, buckets or hosts never mix."""
        if self.layout:
            return self.archive.place
        root = urlsplit(self.archive.root)
        return f"{root.scheme}://{root.hostname}" if root.scheme else "folders"

    @property
    def channels(self) -> str:
        """Patterns of the channels that are wanted."""
        return self.options.channels

    @property
    def unit_minutes(self) -> int:
        """Minutes of a commit unit, once they are known."""
        return int(self.parameters["unit_minutes"])

    def with_unit_minutes(self, minutes: int) -> SoundRun:
        """The run with units of so many minutes, which results depend on."""
        return replace(self, parameters={**self.parameters, "unit_minutes": minutes})

    @property
    def sound(self) -> SoundSettings:
        """Settings of both stages."""
        options = self.options
        return SoundSettings(
            **self.names,
            archive=self.archive,
            ahead_bytes=ahead_bytes(options.memory),
            track=options.track,
            clip_s=options.clip_s,
            step_s=options.step_s,
            gaps=options.gaps,
            sound=options.sound,
            gain=self.gain,
            picture=self.picture,
            places=self.places,
            band_sets=self.band_sets,
            calibration=self.calibration,
            stations=self.stations,
            long_term=long_term_picture,
        )


def sound_run(options: MakeSpectrograms) -> SoundRun:
    """Resolve the options of make_spectrograms; OptionError, or RunError for a --sync, where they do not go together."""
    is_sample = options.archive == "sample" and options.root is None and options.recordings is None
    of_files = is_sample or options.recordings is not None
    try:
        ChannelPatterns(options.channels)
        TimePattern(options.time_pattern)
        channel = parse_channel(options.channel) if options.channel else None
        calibration = _calibration(options, is_sample)
    except ValueError as error:
        raise OptionError(str(error)) from None
    start, end = _days(options, of_files)
    values = options.model_dump()
    gain = options.gain or ("peak" if options.preset == "whaledr" else 1.0)
    parameters: dict[str, Any] = {key: values[key] for key in PARAMETERS} | {"gain": gain, "result_version": RESULT_VERSION}
    if calibration is not None:  # by its values: a file of the same name may hold others
        curve = (calibration.decibels, calibration.frequencies)
        parameters["sensitivity"] = [None if values is None else values.tolist() for values in curve]
    run = SoundRun(
        options=options,
        is_sample=is_sample,
        layout="" if of_files else layout_of(options),
        archive=_recordings_store(options, is_sample),
        stations=_stations(options, of_files),
        index_table=None if of_files else index_table(options),
        start=start,
        end=end,
        channel=channel,
        gain=None if gain == "peak" else float(gain),
        picture=_picture(options),
        places=_some_of("--write", options.write, PLACES),
        band_sets=_some_of("--bands", options.bands, BAND_SETS) if options.bands else (),
        calibration=calibration,
        sync=own_store(options, options.sync) if options.sync else None,
        out=out_store(options),
        parameters=parameters,
    )
    _check_places(run)
    return run


def _check_places(run: SoundRun) -> None:
    """Raise OptionError, before anything is done, where the output lies in the recordings, or its copy in the output."""
    if is_within(run.out, run.archive) and OBJECTS in run.places and run.options.sound and not run.layout:
        raise OptionError(
            f"--out {run.out.root} is within the recordings, which its sound files would be taken for: name another place"
        )
    if run.sync is not None:
        refuse_same(run.out, run.sync)


def _recordings_store(options: MakeSpectrograms, is_sample: bool) -> StoreSettings:
    if is_sample:
        return read_store(options, SAMPLE_RECORDINGS)
    return read_store(options, options.recordings) if options.recordings else archive_store(options)


def _days(options: MakeSpectrograms, of_files: bool) -> tuple[dt.date | None, dt.date | None]:
    """The days that are asked for; those that recordings begin on, where that is not said."""
    try:
        start = parse_day(options.start) if options.start else None
        end = parse_day(options.end) if options.end else None
    except ValueError as error:
        raise OptionError(str(error)) from None
    if start is None:
        if not of_files:
            raise OptionError(f"--archive {options.archive} needs --start, such as --start 2022-01-02")
        if options.days:
            raise OptionError(f"--days {options.days} needs --start")
        return None, end
    if of_files and options.days is None and end is None:
        return start, None
    try:
        return day_range(start, options.days, end)
    except OverflowError:
        raise OptionError(f"--days {options.days}: there are not so many days after {start}") from None


def _calibration(options: MakeSpectrograms, is_sample: bool) -> Calibration | None:
    if options.sensitivity is None:
        return Calibration.of_hydrophone(SENSITIVITY, 1.0) if is_sample else None
    if options.sensitivity in ("none", STATIONXML):
        if options.counts_per_volt is not None:
            raise ValueError("--counts-per-volt goes with a --sensitivity in dB re 1 V per uPa")
        return None
    return read_calibration(options.sensitivity, options.counts_per_volt)


def _stations(options: MakeSpectrograms, of_files: bool) -> Stations | None:
    if options.sensitivity != STATIONXML:
        return None
    if of_files and options.stations is None:
        raise OptionError("--sensitivity stationxml: name the folder of the StationXML files with --stations")
    return archive_stations(options)


def _picture(options: MakeSpectrograms) -> PictureSettings | None:
    if not options.pictures:
        if options.axes:
            raise OptionError("--axes goes with --pictures")
        return None
    whaledr = options.preset == "whaledr"
    frequencies = options.frequencies or (WHALEDR_FREQUENCIES if whaledr else None)
    width, height = map(int, options.size.split("x"))
    pairs = {"frequencies": frequencies, "shades": options.shades, "decibels": options.decibels}
    for key, values in pairs.items():
        if values is not None and len(values) != 2:
            raise OptionError(f"--{key}: give two numbers with a comma between, not {','.join(f'{one:g}' for one in values)}")
    low, high = frequencies or (None, None)
    settings = PictureSettings(
        nfft=options.nfft,
        overlap=options.overlap,
        overlap_share=WHALEDR_OVERLAP if whaledr else None,
        window=options.window,
        width=width,
        height=height,
        low=low,
        high=high,
        shades=(options.shades[0], options.shades[1]),
        decibels=(options.decibels[0], options.decibels[1]) if options.decibels else None,
        every_frame=options.every_frame,
        pooling=options.pooling,
        colours=options.colours,
        labelled=labelled_clip if options.axes else None,
    )
    return settings


def check_rate(run: SoundRun, rate: float) -> None:
    """Raise OptionError where clips or pictures cannot be made of recordings at ``rate`` [Hz]."""
    n_samples = round(run.options.clip_s * rate)
    if n_samples < 1:
        raise OptionError(f"--clip-s {run.options.clip_s:g} is less than a sample at {rate:g} Hz")
    if round(run.options.step_s * rate) < 1:
        raise OptionError(f"--step-s {run.options.step_s:g} is less than a sample at {rate:g} Hz")
    if run.options.clip_s > DAY_SECONDS or run.options.step_s > DAY_SECONDS:
        raise OptionError("--clip-s and --step-s: at most a day of 86400 s")
    if run.picture is None:
        return
    try:
        frames, look = run.picture.of(rate, n_samples)
    except ValueError as error:
        raise OptionError(f"recordings of {rate:g} Hz: {error}") from None
    if frames.nfft > n_samples:
        raise OptionError(f"--nfft {frames.nfft}: a clip of {run.options.clip_s:g} s at {rate:g} Hz has {n_samples} samples")
    if look.high > rate / 2:
        raise OptionError(f"--frequencies {look.low:g},{look.high:g}: recordings of {rate:g} Hz reach up to {rate / 2:g} Hz")


def _some_of(option: str, text: str, valid: Sequence[str]) -> tuple[str, ...]:
    words = re.split(r"\s*,\s*", text.strip())
    if unknown := [word for word in words if word not in valid]:
        raise OptionError(f"{option} {unknown[0]}: give some of {', '.join(valid)}")
    return tuple(word for word in valid if word in words)
