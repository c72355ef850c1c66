"""The options of every job: which values are possible. Defaults and explanations stand in ``conf/jobs/JOB.toml`` alone."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr


def _word_is_none(word: str) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value == word else value)


def _bytes(value: Any) -> Any:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", str(value).strip(), re.IGNORECASE)
    if not match:
        raise ValueError(f"{value!r} is no amount of bytes: write 1500MB or 2GB")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))


def _numbers(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return tuple(float(word) for word in value.split(","))
    except ValueError:
        raise ValueError(f"{value!r} is no list of numbers: write them with commas between") from None


AutoText = Annotated[str | None, _word_is_none("auto")]
AutoDay = Annotated[str | None, _word_is_none("auto")]
AutoCount = Annotated[Annotated[int, Field(gt=0)] | None, _word_is_none("auto")]
AutoRate = Annotated[Annotated[float, Field(gt=0)] | None, _word_is_none("auto")]
NoRate = Annotated[Annotated[float, Field(gt=0)] | None, _word_is_none("none")]
NoNumbers = Annotated[tuple[float, ...] | None, BeforeValidator(_numbers), _word_is_none("none")]
AutoNumbers = Annotated[tuple[float, ...] | None, BeforeValidator(_numbers), _word_is_none("auto")]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers)]
NoText = Annotated[str | None, _word_is_none("none")]
AllText = Annotated[str | None, _word_is_none("all")]
NoLimit = Annotated[float | None, _word_is_none("none")]
Limit = Annotated[Annotated[float, Field(ge=0)] | None, _word_is_none("none")]
Memory = Annotated[int, BeforeValidator(_bytes)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Options(BaseModel):
    """Options of a job; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OutputOptions(Options):
    out: Annotated[str, Field(min_length=1)]
    out_endpoint: AutoText
    out_region: AutoText


class ArchiveOptions(OutputOptions):
    """Options of a job that reads an archive."""

    archive: Literal["sample", "scedc", "ncedc", "geonet", "earthscope", "sds"]
    root: AutoText
    source_endpoint: AutoText
    source_region: AutoText
    anonymous: bool
    credentials: Literal["auto", "earthscope"]
    cache: NoText
    cache_size: Memory
    max_denied: Annotated[int, Field(ge=0)]


class SourceOptions(ArchiveOptions):
    stations: AutoText


class SmallRunOptions(Options):
    max_bad_fraction: Fraction
    plan: bool


class RunOptions(SmallRunOptions):
    memory: Memory


class MongoOptions(Options):
    """Where MongoDB is; the URI may hold a password."""

    mongo_uri: Annotated[SecretStr | None, _word_is_none("none")]
    mongo_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,63}$")]


class SinkOptions(MongoOptions, OutputOptions, SmallRunOptions):
    """Options of a job whose tables may go to MongoDB too."""

    sink: Literal["parquet", "mongo"]


class IndexedOptions(SourceOptions):
    index: AutoText


class CrossCorrelate(IndexedOptions, RunOptions, SinkOptions):
    """Options of cross_correlate."""

    start: AutoDay
    days: AutoCount
    end: AutoDay
    channels: Annotated[str, Field(min_length=1)]
    pairs: Annotated[str, Field(min_length=1)]
    components: Annotated[str, Field(min_length=1)]
    min_distance: NotNegative
    max_distance: Limit
    sampling_rate: AutoRate
    freqmin: Positive
    freqmax: Positive
    remove_response: Literal["none", "disp", "vel", "acc"]
    max_fill: NotNegative
    cc_len: Positive
    cc_step: Positive
    min_coverage: Fraction
    max_over_std: NotNegative
    time_norm: Literal["none", "one_bit", "rma", "clip"]
    whitening: Literal["none", "phase_only", "rma"]
    smooth_bins: Annotated[int, Field(ge=1)]
    method: Literal["cross_correlation", "coherency", "deconvolution"]
    maxlag: Positive
    ccf_rate: AutoRate
    circular: bool
    substack: Annotated[int, Field(ge=0)]
    stack_over: Literal["none", "day", "week", "month", "all"]
    tile: AutoCount


class StackCcfs(RunOptions, SinkOptions):
    """Options of stack_ccfs."""

    ccfs: Annotated[str, Field(min_length=1)]
    source_endpoint: AutoText
    source_region: AutoText
    anonymous: bool
    stack_over: Annotated[str, Field(pattern=r"^(day|week|month|all|[1-9]\d*)$")]
    start: AutoDay
    end: AutoDay
    channels: Annotated[str, Field(min_length=1)]


class EventOptions(Options):
    """Which events."""

    start: AutoText
    end: AutoText
    min_magnitude: NoLimit
    max_magnitude: NoLimit
    min_depth: NoLimit
    max_depth: NoLimit
    region: Annotated[str | None, _word_is_none("none")]
    event_ids: AllText


class LoadMongo(OutputOptions, SmallRunOptions, MongoOptions):
    """Options of load_mongo."""

    tables: str
    source_endpoint: AutoText
    source_region: AutoText
    anonymous: bool
    only: AllText
    samples: Literal["reference", "gridfs"]
    connections: Annotated[int, Field(ge=1, le=1000)]
    max_denied: Annotated[int, Field(ge=0)]


class LoadCatalog(ArchiveOptions, EventOptions, SinkOptions):
    """Options of load_catalog."""

    catalog: AutoText


Plot = Annotated[str, Field(pattern=r"^(first:\d{1,3}|[^:]*\..*)$")]
DataTag = Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
SamplesIn = Literal["parquet", "mseed", "both"]


class ExtractEvents(SourceOptions, EventOptions, RunOptions, SinkOptions):
    """Options of extract_events."""

    events: AutoText
    channels: Annotated[str, Field(min_length=1)]
    data_tag: DataTag
    format: SamplesIn
    plot: Plot


class CutWindows(IndexedOptions, EventOptions, RunOptions, SinkOptions):
    """Options of cut_windows."""

    time: AutoText
    events: NoText
    arrivals: NoText
    phases: NoText
    model: Literal["iasp91", "ak135", "prem", "1066a", "jb", "pwdk", "sp6", "herrin"]
    from_: Annotated[float, Field(alias="from")]
    to: float
    channels: Annotated[str, Field(min_length=1)]
    gaps: Literal["pieces", "whole"]
    data_tag: DataTag
    format: SamplesIn
    plot: Plot


class RemoveResponse(IndexedOptions, RunOptions, SinkOptions):
    """Options of remove_response."""

    waveforms: NoText
    request: NoText
    start: AutoDay
    days: AutoCount
    end: AutoDay
    channels: Annotated[str, Field(min_length=1)]
    window_start: AutoText
    window_end: AutoText
    units: Literal["disp", "vel", "acc"]
    pre_filt: NoNumbers
    water_level: Limit
    taper: Annotated[float, Field(ge=0, le=1)]
    zero_mean: bool
    precision: Literal["float32", "float64"]
    bandpass: NoNumbers
    highpass: NoRate
    lowpass: NoRate
    notch: NoRate
    notch_quality: Positive
    corners: Annotated[int, Field(ge=1, le=20)]
    zero_phase: bool
    sampling_rate: NoRate
    data_tag: DataTag
    format: Literal["parquet", "mseed", "sac"]
    plot: Plot


class MakeSpectrograms(IndexedOptions, RunOptions):
    """Options of make_spectrograms."""

    recordings: NoText
    time_pattern: Annotated[str, Field(min_length=1)]
    channel: AutoText
    track: Annotated[int, Field(ge=1)]
    start: AutoDay
    days: AutoCount
    end: AutoDay
    channels: Annotated[str, Field(min_length=1)]
    rate: AutoRate
    clip_s: Positive
    step_s: Positive
    gaps: Literal["leave_out", "pad"]
    sound: Annotated[Literal["wav32", "wav16", "flac"] | None, _word_is_none("none")]
    gain: Annotated[Literal["peak"] | Positive | None, _word_is_none("auto")]
    pictures: bool
    axes: bool
    preset: Literal["clear", "whaledr"]
    nfft: AutoCount
    overlap: Annotated[Annotated[int, Field(ge=0)] | None, _word_is_none("auto")]
    window: Annotated[str, Field(min_length=1)]
    frequencies: AutoNumbers
    shades: Numbers
    decibels: NoNumbers
    every_frame: bool
    pooling: Literal["nearest", "mean"]
    colours: Literal["viridis", "magma", "cividis", "grey"]
    size: Annotated[str, Field(pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$")]
    bands: NoText
    sensitivity: AutoText
    counts_per_volt: NoRate
    write: Annotated[str, Field(min_length=1)]
    unit_minutes: AutoCount
    sync: NoText


class ExportWaveforms(OutputOptions, SmallRunOptions):
    """Options of export_waveforms."""

    waveforms: Annotated[str, Field(min_length=1)]
    stations_table: NoText
    source_endpoint: AutoText
    source_region: AutoText
    anonymous: bool
    channels: Annotated[str, Field(min_length=1)]
    source_ids: AllText
    data_tag: AllText
    start: AutoText
    end: AutoText
    format: Literal["mseed", "sac", "asdf"]
    group: Literal["window", "channel", "batch"]
    max_denied: Annotated[int, Field(ge=0)]


class IndexArchive(ArchiveOptions, RunOptions, SinkOptions):
    """Options of index_archive."""

    start: AutoDay
    days: AutoCount
    end: AutoDay
    channels: Annotated[str, Field(min_length=1)]
    segments: bool
    settled_days: Annotated[int, Field(ge=0)]


class LoadStations(SourceOptions, SinkOptions):
    """Options of load_stations."""

    channels: Annotated[str, Field(min_length=1)]


JOBS: dict[str, type[Options]] = {
    "cross_correlate": CrossCorrelate,
    "stack_ccfs": StackCcfs,
    "cut_windows": CutWindows,
    "remove_response": RemoveResponse,
    "load_stations": LoadStations,
    "index_archive": IndexArchive,
    "load_catalog": LoadCatalog,
    "extract_events": ExtractEvents,
    "export_waveforms": ExportWaveforms,
    "load_mongo": LoadMongo,
    "make_spectrograms": MakeSpectrograms,
}

NOT_PARAMETERS = frozenset(
    (
        "root source_endpoint source_region anonymous credentials cache cache_size index out out_endpoint out_region memory "
        "sink mongo_uri mongo_database max_bad_fraction max_denied plot plan"
    ).split()
)
"""Options that say where and how a run works, not what comes out of it."""
