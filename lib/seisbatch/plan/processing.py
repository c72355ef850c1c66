"""What becomes of samples, out of the options of ``remove_response``: for the job, and for single calls without Spark."""

from __future__ import annotations

from typing import Any

from seisbatch.options import RemoveResponse
from seisbatch.process.filters import Filters
from seisbatch.process.response import Removal
from seisbatch.steps.ground_motion import Motion


def motion_of(options: RemoveResponse) -> Motion:
    """What becomes of samples; ValueError, naming the option, where values do not go together."""
    return Motion(
        units=options.units,
        removal=Removal(
            pre_filt=_few("--pre-filt", options.pre_filt, 4),
            water_level=options.water_level,
            taper=options.taper,
            zero_mean=options.zero_mean,
            precision=options.precision,
        ),
        filters=Filters(
            bandpass=_few("--bandpass", options.bandpass, 2),
            highpass=options.highpass,
            lowpass=options.lowpass,
            notch=options.notch,
            notch_quality=options.notch_quality,
            corners=options.corners,
            zero_phase=options.zero_phase,
        ),
        sampling_rate=options.sampling_rate,
    )


def _few(option: str, values: tuple[float, ...] | None, number: int) -> Any:
    if values is not None and len(values) != number:
        raise ValueError(f"{option} {','.join(f'{value:g}' for value in values)}: give {number} frequencies")
    return values
