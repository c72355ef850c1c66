"""A correlation run: options resolved to places, dates, kernels' parameters and pairs, with the id of what it makes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from seisbatch.acquire.objects import StoreSettings
from seisbatch.archives import ARCHIVES
from seisbatch.config import OptionError
from seisbatch.names import ChannelPatterns
from seisbatch.options import NOT_PARAMETERS, CrossCorrelate
from seisbatch.plan.days import days_of
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.memory import MemoryNeeds, tile_side
from seisbatch.plan.stores import archive_stations, archive_store, index_table, layout_of, out_store, with_places
from seisbatch.process.grid import Preprocessing, convenient_rate, n_lags
from seisbatch.steps.correlate import CorrelateSettings
from seisbatch.steps.index_table import IndexPlace
from seisbatch.steps.pairs import PairSelection, pair_selection
from seisbatch.steps.spectra import SpectraSettings, ahead_bytes
from seisbatch.steps.stations import Stations
from seisbatch.times import days_from

RESULT_VERSION = 1
"""Raised whenever the same parameters give other numbers than before, so that results never mix."""

BLOCK_CHANNELS = 8
"""Channel-days in a block, the unit that is fetched and preprocessed."""


@dataclass(frozen=True, kw_only=True)
class CorrelationRun(RunIdentity):
    """Everything that a correlation run does, resolved from its options."""

    job = "cross_correlate"

    is_sample: bool
    layout: str
    archive: StoreSettings
    stations: Stations
    index_table: IndexPlace | None
    start: dt.date
    end: dt.date
    channels: str
    preprocessing: Preprocessing
    remove_response: str
    pairs: PairSelection
    substack: int
    stack_over: str
    tile: int
    memory: int

    @property
    def source(self) -> str:
        """Where the data come from: results of other places never mix."""
        return self.archive.place

    @property
    def days(self) -> list[dt.date]:
        """The days that are correlated."""
        return days_from(self.start, self.end)

    @property
    def spectra(self) -> SpectraSettings:
        """Settings of the stage that preprocesses channel-days."""
        return SpectraSettings(
            run_id=self.run_id,
            job=self.job,
            layout=self.layout,
            archive=self.archive,
            stations=self.stations,
            out=self.out,
            scratch=self.scratch,
            preprocessing=self.preprocessing,
            ahead_bytes=ahead_bytes(self.memory),
            remove_response=self.remove_response,
        )

    @property
    def correlate(self) -> CorrelateSettings:
        """Settings of the stage that correlates tiles."""
        return CorrelateSettings(
            run_id=self.run_id,
            job=self.job,
            out=self.out,
            scratch=self.scratch,
            preprocessing=self.preprocessing,
            pairs=self.pairs,
            substack=self.substack,
            stack_over=self.stack_over,
            start=self.start,
            end=self.end,
            parameters_id=self.parameters_id,
            metadata=self.metadata,
        )

    @property
    def substacks(self) -> int:
        """CCFs that one pair has a day."""
        return -(-self.preprocessing.n_windows // self.substack) if self.substack else 1

    @property
    def ccf_bytes(self) -> int:
        """Bytes of one CCF's samples."""
        return 4 * n_lags(self.preprocessing.maxlag, self.preprocessing.ccf_rate)


def correlation_run(options: CrossCorrelate) -> CorrelationRun:
    """Resolve the options of cross_correlate; OptionError where they do not go together."""
    start, end = days_of(options.archive, options.start, options.days, options.end)
    try:
        patterns = ChannelPatterns(options.channels)
        if (
            ARCHIVES[layout_of(options)].HOLDS != "channel-day"
            and options.index is None
            and patterns.named_at("XX", "X") is None
        ):
            raise OptionError(
                f"--archive {options.archive}: its objects hold whole stations: name locations and channels, such as "
                "--channels 'IU.*.00.BHZ', or give --index, which index_archive --segments made"
            )
        pairs = pair_selection(
            options.pairs, options.components, options.min_distance, options.max_distance, _pair_lines(options.pairs)
        )
        preprocessing = _preprocessing(options)
    except (ValueError, OverflowError) as error:
        raise OptionError(str(error)) from None
    if options.substack and options.stack_over != "none":
        raise OptionError("--substack cuts a day into several CCFs, --stack-over makes one of many days: give one of them")
    needs = MemoryNeeds(preprocessing, substack=options.substack, block_channels=BLOCK_CHANNELS)
    tile = tile_side(needs, options.memory, options.tile)
    chosen = {key: value for key, value in options.model_dump().items() if key not in NOT_PARAMETERS}
    if options.remove_response == "none":
        del chosen["remove_response"]  # runs that were made before there was the option are resumed
    parameters = with_places(chosen) | {
        "start": start.isoformat(),
        "days": (end - start).days,
        "end": end.isoformat(),
        "pairs": sorted(map(str, pairs.listed)) or options.pairs,
        "sampling_rate": preprocessing.sampling_rate,
        "ccf_rate": preprocessing.ccf_rate,
        "tile": tile,
        "block": BLOCK_CHANNELS,
        "result_version": RESULT_VERSION,
    }
    return CorrelationRun(
        is_sample=options.archive == "sample" and options.root is None,
        layout=layout_of(options),
        archive=archive_store(options),
        stations=archive_stations(options),
        index_table=index_table(options),
        out=out_store(options),
        start=start,
        end=end,
        channels=options.channels,
        preprocessing=preprocessing,
        remove_response=options.remove_response,
        pairs=pairs,
        substack=options.substack,
        stack_over=options.stack_over,
        tile=tile,
        memory=options.memory,
        parameters=parameters,
    )


def _pair_lines(pairs: str) -> list[str]:
    if not pairs.startswith("@"):
        return []
    try:
        return Path(pairs[1:]).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ValueError(f"--pairs {pairs}: {error.strerror}") from None


def _preprocessing(options: CrossCorrelate) -> Preprocessing:
    return Preprocessing(
        sampling_rate=options.sampling_rate or convenient_rate(4 * options.freqmax),
        freqmin=options.freqmin,
        freqmax=options.freqmax,
        cc_len=options.cc_len,
        cc_step=options.cc_step,
        maxlag=options.maxlag,
        ccf_rate=options.ccf_rate or convenient_rate(2.5 * options.freqmax),
        circular=options.circular,
        max_fill=options.max_fill,
        min_coverage=options.min_coverage,
        max_over_std=options.max_over_std,
        time_norm=options.time_norm,
        whitening=options.whitening,
        smooth_bins=options.smooth_bins,
        method=options.method,
    )
