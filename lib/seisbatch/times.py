"""UTC instants and days.

An instant is an ``int`` of nanoseconds since 1970-01-01T00:00:00 UTC (leap seconds not counted, as POSIX time has it);
a day is a ``datetime.date``, half-open: from its midnight up to, and without, the next.
"""

from __future__ import annotations

import datetime as dt

SECOND_NS = 1_000_000_000
DAY_SECONDS = 86_400
DAY_NS = DAY_SECONDS * SECOND_NS

_EPOCH = dt.date(1970, 1, 1)


def day_start_ns(day: dt.date) -> int:
    """The instant at which a UTC day begins.

    >>> day_start_ns(dt.date(1970, 1, 2)) == DAY_NS
    True
    """
    return (day - _EPOCH).days * DAY_NS


def day_of_year(day: dt.date) -> int:
    """1 for January 1st.

    >>> day_of_year(dt.date(2024, 12, 31))
    366
    """
    return day.timetuple().tm_yday


def from_day_of_year(year: int, day: int) -> dt.date:
    """The date of a year and a day of it; ValueError when the year has no such day.

    >>> from_day_of_year(2022, 2)
    datetime.date(2022, 1, 2)
    """
    date = dt.date(year, 1, 1) + dt.timedelta(days=day - 1)
    if day < 1 or date.year != year:
        raise ValueError(f"{year} has no day {day}")
    return date


def parse_day(text: str) -> dt.date:
    """A day from ``2022-01-02``, ``2022-002`` or ``2022,002``; ValueError names what was expected.

    >>> parse_day("2022-002")
    datetime.date(2022, 1, 2)
    """
    try:
        year, sep, day = text.strip().replace(",", "-").partition("-")
        if sep and len(day) == 3 and day.isdigit():
            return from_day_of_year(int(year), int(day))
        return dt.date.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is not a day: write 2022-01-02, or 2022-002 with the day of the year") from error


def period_end(first: dt.date, over: str, end: dt.date) -> dt.date:
    """The day after a period that begins on ``first``: a day, week or month; ``end`` where it is all of them.

    >>> period_end(dt.date(2023, 12, 1), "month", dt.date(2030, 1, 1))
    datetime.date(2024, 1, 1)
    """
    match over:
        case "day":
            return first + dt.timedelta(days=1)
        case "week":
            return first + dt.timedelta(days=7)
        case "month":
            return (first.replace(day=1) + dt.timedelta(days=31)).replace(day=1)
        case _:
            return end


def parse_instant(text: str) -> int:
    """An instant from ISO 8601, such as ``2011-03-11T05:46:23.2`` or ``2011-03-11``, UTC unless it says otherwise.

    >>> parse_instant("1970-01-01T00:00:01.5")
    1500000000
    """
    try:
        return from_datetime(dt.datetime.fromisoformat(text.strip()))
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: write 2011-03-11T05:46:23.2") from error


def days_from(start: dt.date, end: dt.date) -> list[dt.date]:
    """The days from ``start`` up to, and without, ``end``."""
    return [start + dt.timedelta(days=n) for n in range((end - start).days)]


def to_datetime(instant_ns: int) -> dt.datetime:
    """A UTC datetime, rounded down to the microsecond."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=instant_ns // 1000)


def from_datetime(instant: dt.datetime) -> int:
    """The instant of a datetime; a naive one is taken as UTC."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)
    delta = aware - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * DAY_SECONDS + delta.seconds) * SECOND_NS + delta.microseconds * 1000


_LEAP_SECONDS = (
    *((year, 1) for year in (*range(1973, 1981), 1988, 1990, 1991, 1996, 1999, 2006, 2009, 2017)),
    *((year, 7) for year in (1972, 1981, 1982, 1983, 1985, 1992, 1993, 1994, 1997, 2012, 2015)),
)
"""Years and months before the first day of which a leap second was inserted (IERS Bulletin C)."""
_AFTER_LEAP_SECONDS_NS = tuple(day_start_ns(dt.date(year, month, 1)) for year, month in _LEAP_SECONDS)


def spans_leap_second(start_ns: int, end_ns: int) -> bool:
    """Whether a leap second is between two instants: times between them are then off by one, in some records or programs.

    >>> spans_leap_second(day_start_ns(dt.date(2016, 12, 31)), day_start_ns(dt.date(2017, 1, 1)))
    True
    """
    return any(start_ns < after <= end_ns + SECOND_NS for after in _AFTER_LEAP_SECONDS_NS)
