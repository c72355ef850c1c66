"""Marks on a time axis in UTC, at round times of a fraction of a second up to years."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from seisbatch.times import DAY_NS, SECOND_NS

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
STEPS_NS = (
    *(factor * 10**power for power in range(9) for factor in (1, 2, 5)),
    *(factor * SECOND_NS for factor in (1, 2, 5, 10, 15, 30)),
    *(factor * MINUTE_NS for factor in (1, 2, 5, 10, 15, 30)),
    *(factor * HOUR_NS for factor in (1, 2, 3, 6, 12)),
    *(factor * DAY_NS for factor in (1, 2, 5, 10)),
)
MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
DOTS_A_LABEL = 82
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Ticks:
    """Times to mark [ns since 1970], the step between them (of months, about), and the day where all of the axis is on one."""

    at_ns: tuple[int, ...]
    step_ns: int
    day: str

    def label(self, at_ns: int, whole: bool = False) -> str:
        """A time as the axis has it, or, the ``whole`` of it, with its date."""
        time = _EPOCH + dt.timedelta(seconds=at_ns // SECOND_NS)
        if self.step_ns >= DAY_NS and not whole:
            return f"{time:%Y-%m-%d}" if self.step_ns < 28 * DAY_NS else f"{time:%Y-%m}"
        clock = f"{time:%H:%M}" if self.step_ns >= MINUTE_NS and not whole else f"{time:%H:%M:%S}"
        if whole or self.step_ns < SECOND_NS:
            n_digits = len(f"{self.step_ns % SECOND_NS:09d}".rstrip("0"))
            fraction = at_ns % SECOND_NS
            digits = f"{fraction:09d}"[:n_digits] if not whole else f"{fraction:09d}".rstrip("0")
            clock += f".{digits}" if digits else ""
        if whole:
            return f"{time:%Y-%m-%d} {clock}"
        if not self.day and not at_ns % DAY_NS:
            return f"{time:%m-%d}"
        return clock


def time_ticks(start_ns: int, end_ns: int, n_dots: int) -> Ticks:
    """Round times from ``start_ns`` to ``end_ns`` for an axis of ``n_dots``; one that is less than half a dot before counts."""
    span = end_ns - start_ns
    start_ns -= span // (2 * n_dots)
    most = max(2, n_dots // DOTS_A_LABEL)
    first, last = (_EPOCH + dt.timedelta(seconds=ns // SECOND_NS) for ns in (end_ns - span, end_ns - 1))
    day = f"{first:%Y-%m-%d}" if first.date() == last.date() else ""
    for step in STEPS_NS:
        if span // step <= most:
            at = range(-(-start_ns // step) * step, end_ns + 1, step)
            return Ticks(tuple(at), step, day if step < DAY_NS else "")
    months = next((n for n in MONTHS if span // (n * 30 * DAY_NS) <= most), MONTHS[-1])
    numbers = range(-(-(12 * first.year + first.month - 1) // months) * months, 12 * last.year + last.month, months)
    marks = (int((dt.datetime(n // 12, n % 12 + 1, 1, tzinfo=dt.UTC) - _EPOCH).total_seconds()) * SECOND_NS for n in numbers)
    return Ticks(tuple(at for at in marks if start_ns <= at <= end_ns), months * 30 * DAY_NS, "")
