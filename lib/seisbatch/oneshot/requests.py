"""What one call asks for: a channel's day, or a window of it, out of the fields of an event."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from seisbatch.names import Channel, parse_nscl
from seisbatch.times import DAY_NS, SECOND_NS, day_start_ns, days_from, from_day_of_year, parse_day, parse_instant, to_datetime

FORMATS = ("mseed", "sac", "parquet")
FIELDS = ("nscl", "day", "start_time", "end_time", "format")
MAX_DAYS = 2
LONGEST_VALUE = 80
"""Characters of a field's value, of which none needs as many."""

_YEAR_AND_DAY = re.compile(r"(\d{4}),(\d{1,3})", re.ASCII)
_EPOCH_SECONDS = re.compile(r"\d{9,11}(\.\d{1,9})?", re.ASCII)


class RequestError(ValueError):
    """What is asked for is impossible: the message names the field and what would be valid; ``status`` is HTTP's."""

    status = 400


@dataclass(frozen=True)
class Request:
    """A channel from one instant up to, and without, another [ns since 1970]; ``to`` is a format, None where none is named.

    ``day`` is the day that is asked for as such.
    """

    name: Channel
    start_ns: int
    end_ns: int
    day: dt.date | None
    to: str | None

    @property
    def days(self) -> list[dt.date]:
        """The UTC days that it touches: one or two."""
        return _days(self.start_ns, self.end_ns)

    def __str__(self) -> str:
        if self.day is not None:
            return f"{self.name} {self.day}"
        return f"{self.name} {to_datetime(self.start_ns).isoformat()[:-6]}/{to_datetime(self.end_ns).isoformat()[:-6]}"


def read_request(fields: Mapping[str, Any]) -> Request:
    """A request from its fields; RequestError names the one that is wrong.

    ``nscl`` is NET.STA.CHA.LOC, such as ``CI.SOC.HHZ.``; an empty location may be ``--`` or blanks. With it goes either ``day``
    (``2019,183``, ``2019-183``, ``2019-07-02``) or ``start_time`` and ``end_time``: ISO 8601, UTC unless it says otherwise, or
    seconds since 1970, as a number or as its digits (nine or more of them before the point). The window is half open and
    touches at most two UTC days. ``format`` is mseed, sac or parquet.

    >>> print(read_request({"day": "2019,183", "nscl": "CI.SOC.HHZ."}))
    CI.SOC..HHZ 2019-07-02
    """
    for field in fields:
        if field not in FIELDS:
            raise RequestError(_unknown(field))
    name = _channel(fields.get("nscl"))
    to = _format(fields.get("format"))
    bounds = [field for field in ("start_time", "end_time") if fields.get(field) is not None]
    if fields.get("day") is not None:
        if bounds:
            raise RequestError(f"day and {' and '.join(bounds)}: give either day, or start_time and end_time")
        day = _day(fields["day"])
        return Request(name, day_start_ns(day), day_start_ns(day) + DAY_NS, day, to)
    if len(bounds) < 2:
        missing = "end_time is" if bounds == ["start_time"] else "start_time is" if bounds else "day is"
        raise RequestError(f"{missing} missing: give either day, such as 2019,183, or start_time and end_time")
    start_ns, end_ns = (_instant(field, fields[field]) for field in bounds)
    if end_ns <= start_ns:
        raise RequestError(f"end_time {_shown(fields['end_time'])} is not after start_time {_shown(fields['start_time'])}")
    if end_ns - start_ns > MAX_DAYS * DAY_NS or len(_days(start_ns, end_ns)) > MAX_DAYS:
        raise RequestError(f"end_time {_shown(fields['end_time'])}: a window may touch {MAX_DAYS} UTC days, no more")
    return Request(name, start_ns, end_ns, None, to)


def _days(start_ns: int, end_ns: int) -> list[dt.date]:
    return days_from(to_datetime(start_ns).date(), to_datetime(end_ns - 1).date() + dt.timedelta(days=1))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _unknown(field: str) -> str:
    near = difflib.get_close_matches(str(field), FIELDS, 1, 0.6)
    return f"unknown field {_shown(field)}" + (f"; is {near[0]} meant?" if near else "") + f" Known are {', '.join(FIELDS)}"


def _text(field: str, value: Any, valid: str) -> str:
    if isinstance(value, str) and value.strip() and len(value) <= LONGEST_VALUE and value.isprintable():
        return value
    raise RequestError(f"{field} {_shown(value)}: {valid}")


def _channel(value: Any) -> Channel:
    if value is None:
        raise RequestError("nscl is missing: write NET.STA.CHA.LOC, such as CI.SOC.HHZ.")
    try:
        return parse_nscl(_text("nscl", value, "write NET.STA.CHA.LOC, such as CI.SOC.HHZ."))
    except RequestError:
        raise
    except ValueError as error:
        raise RequestError(f"nscl {_shown(value)}: {error}") from None


def _format(value: Any) -> str | None:
    if value is None:
        return None
    to = _text("format", value, f"write one of {', '.join(FORMATS)}").strip().lower()
    if to not in FORMATS:
        raise RequestError(f"format {_shown(value)}: write one of {', '.join(FORMATS)}")
    return to


def _day(value: Any) -> dt.date:
    text = _text("day", value, "write 2019,183 or 2019-183, with the day of the year, or 2019-07-02").strip()
    try:
        match = _YEAR_AND_DAY.fullmatch(text)
        day = from_day_of_year(int(match[1]), int(match[2])) if match else parse_day(text)
        _check_years(day_start_ns(day))
        return day
    except (ValueError, OverflowError) as error:
        raise RequestError(f"day {_shown(value)}: {error}") from None


def _instant(field: str, value: Any) -> int:
    """An instant [ns since 1970] from ISO text, or from seconds: exact to the nanosecond where they are text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    valid = "write ISO 8601, such as 2019-07-06T03:19:53.04, or seconds since 1970"
    text = str(value) if is_number else _text(field, value, valid).strip()
    try:
        if is_number or _EPOCH_SECONDS.fullmatch(text):
            instant = int(Decimal(text) * SECOND_NS)
        else:
            instant = parse_instant(text)
        _check_years(instant)
    except (ValueError, ArithmeticError):  # not finite, or beyond the years that there are
        raise RequestError(f"{field} {_shown(value)}: {valid}") from None
    return instant


def _check_years(instant_ns: int) -> None:
    """OverflowError where an instant, or a day after or before it, is beyond what 64 bits hold: the years 1678 to 2261."""
    if abs(instant_ns) > 2**63 - 1 - DAY_NS:
        raise OverflowError("no year from 1678 to 2261")
