"""Which days a run is about, from its options."""

from __future__ import annotations

import datetime as dt

from seisbatch import sample
from seisbatch.config import OptionError, day_range
from seisbatch.times import parse_day


def days_of(archive: str, start: str | None, days: int | None, end: str | None) -> tuple[dt.date, dt.date]:
    """The first day, and the day after the last one, that options select; of the sample archive all, where nothing is said.

    Raises OptionError where they do not go together.
    """
    try:
        last = parse_day(end) if end else None
        first = parse_day(start) if start else None
    except ValueError as error:
        raise OptionError(str(error)) from None
    if first is None:
        if archive != "sample":
            raise OptionError(f"--archive {archive} needs --start, such as --start 2022-01-02")
        first, days = sample.DAYS[0], days or (None if last else len(sample.DAYS))
    try:
        return day_range(first, days, last)
    except OverflowError:
        raise OptionError(f"--days {days}: there are not so many days after {first}") from None
