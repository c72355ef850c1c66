"""A run of remove_response over segments that cut_windows or extract_events wrote."""

from __future__ import annotations

from dataclasses import dataclass

from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.config import OptionError
from seisbatch.options import NOT_PARAMETERS, RemoveResponse
from seisbatch.plan.identity import RunIdentity
from seisbatch.plan.stores import archive_stations, out_store, store_settings, with_places
from seisbatch.plan.units import Step
from seisbatch.schema import WF_TIME_SERIES
from seisbatch.sinks.manifest import complete_manifest
from seisbatch.steps.exports import SegmentSelection
from seisbatch.steps.ground_motion import Motion, SpanNs
from seisbatch.steps.motion_rows import RowMotionSettings, write_motion_of_rows
from seisbatch.steps.stations import Stations

RESULT_VERSION = 1
OF_ARCHIVES = ("start", "days", "end", "request", "index")


@dataclass(frozen=True, kw_only=True)
class MotionRowsRun(RunIdentity):
    """Everything that such a run does, resolved from its options."""

    job = "remove_response"

    options: RemoveResponse
    waveforms: StoreSettings
    stations: Stations
    n_files: int
    span: SpanNs | None
    of_samples: Motion

    @property
    def source(self) -> str:
        """Where the segments come from: results of other places never mix."""
        return self.waveforms.place

    @property
    def step(self) -> Step:
        """What is done with a batch."""
        return write_motion_of_rows

    @property
    def exports(self) -> RowMotionSettings:
        """Settings of that step."""
        start_ns, end_ns = self.span or (None, None)
        return RowMotionSettings(
            **self.names,
            waveforms=self.waveforms,
            stations=None,
            selection=SegmentSelection(self.options.channels, frozenset(), None, start_ns, end_ns),
            group="window",
            to="parquet",
            may_lose=True,
            responses=self.stations,
            motion=self.of_samples,
            span=self.span,
            data_tag=self.options.data_tag,
        )

    motion = exports


def motion_rows_run(options: RemoveResponse, of_samples: Motion, span: SpanNs | None) -> MotionRowsRun:
    """Resolve the options of such a run.

    Raises OptionError where they do not go together, RunError where what another job wrote is not whole.
    """
    for name in OF_ARCHIVES:
        if getattr(options, name) is not None:
            raise OptionError(f"--{name} goes with an archive, not with --waveforms")
    if options.format != "parquet":
        raise OptionError(f"--format {options.format}: with --waveforms rows are written; export_waveforms makes files of them")
    assert options.waveforms is not None
    waveforms = store_settings(options.waveforms, options.source_endpoint, options.source_region, anonymous=False)
    out = out_store(options)
    if (waveforms.root, waveforms.endpoint) == (out.root, out.endpoint):
        raise OptionError(f"--out {options.out} is where the waveforms are: choose another place for their ground motion")
    manifest = complete_manifest(open_store(waveforms), "cut_windows", "extract_events")
    chosen = {key: value for key, value in options.model_dump().items() if key not in NOT_PARAMETERS}
    made = {"waveforms": manifest["parameters"]}
    return MotionRowsRun(
        options=options,
        waveforms=waveforms,
        stations=archive_stations(options),
        n_files=manifest["tables"].get(WF_TIME_SERIES.name, {}).get("files", 0),
        span=span,
        of_samples=of_samples,
        out=out,
        parameters=with_places(chosen) | made | {"result_version": RESULT_VERSION},
    )
