"""When a recording begins, by its name."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from seisbatch.times import SECOND_NS, from_datetime

AUTO = "auto"
RECORDS = "records"
FIRST_YEAR, LAST_YEAR = 1900, 2261
"""Years of which every nanosecond fits into 64 bits, and that a recording can be of."""

_ISO = re.compile(
    r"(?<!\d)(?P<Y>(?:19|20)\d\d)(?P<dash>[-_]?)(?P<m>\d\d)(?P=dash)(?P<d>\d\d)"
    r"(?P<t>[T_ -]?)(?P<H>\d\d)(?P<colon>[:_-]?)(?P<M>\d\d)(?P=colon)(?P<S>\d\d)(?!\d)"
    r"(?:[.,](?:(?P<f>\d{1,9})(?![0-9A-Za-z])|(?P<fz>\d{1,9})Z))?"
    r"(?P<z>[+-](?:0\d|1[0-4]):?(?:00|15|30|45)(?!\d))?",
    re.ASCII,
)
"""ISO 8601 in full or in short, and what file systems and recorders make of it; also 14 digits in a row."""
_SOUNDTRAP = re.compile(
    r"(?:^|[/_])\d{2,10}\.(?P<y>\d\d)(?P<m>\d\d)(?P<d>\d\d)(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)(?=\.|$)", re.ASCII
)
"""The recorder's serial number, and the time without a century."""

_DIRECTIVES = {
    "Y": r"\d{4}",
    "y": r"\d\d",
    "m": r"\d\d",
    "d": r"\d\d",
    "j": r"\d{3}",
    "H": r"\d\d",
    "M": r"\d\d",
    "S": r"\d\d",
    "f": r"\d{1,9}",
    "s": r"\d{1,11}",
}
_TOKENS = re.compile(r"%(.)|([^%]+)|%\Z", re.DOTALL)
_DATES = ({"Y", "m", "d"}, {"y", "m", "d"}, {"Y", "j"}, {"y", "j"}, {"s"})


class TimePattern:
    """Finds the time in a key: ``auto`` knows forms that archives use, ``records`` finds none, others are patterns.

    ``auto`` reads, in a key's last part, ``2017-10-09T00:00:00.000015`` (as OOI has it; with other separators, or none, as
    well), ``20171009T000000Z``, ``20171009_000000.123``, ``20171009000000``, and SoundTrap's ``671379494.171009000000``. Times
    are UTC, unless a ``T`` is in them and an offset such as ``-0700`` follows. Digits that adjoin others, and dates that cannot
    be, are no match, and neither is a name in which two different times stand.

    A pattern has directives ``%Y %y %m %d %j %H %M %S %f %s`` (year, without century, month, day, day of year, hour, minute,
    second, fraction of it, seconds since 1970) and is found anywhere in the key's last part, or in the whole key where it has
    a ``/``; a directive that is there twice reads the same twice.

    >>> TimePattern("auto").start_ns("2017/MARS_20171009_000001.wav") == 1507507201 * SECOND_NS
    True
    >>> TimePattern("%Y/%j/hyd%H%M").start_ns("2017/282/hyd0000.wav") == 1507507200 * SECOND_NS
    True
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._pattern = None if text in (AUTO, RECORDS) else _compiled(text)

    def start_ns(self, key: str) -> int | None:
        """The time in a key, in nanoseconds since 1970; None where there is none."""
        if self.text == RECORDS:
            return None
        if self._pattern is None:
            return _known_form(key.rpartition("/")[2])
        place = key if "/" in self.text else key.rpartition("/")[2]
        times = (_time(found.groupdict()) for found in self._pattern.finditer(place))
        return next((time for time in times if time is not None), None)


def _known_form(name: str) -> int | None:
    iso = {_iso_time(found.groupdict()) for found in _ISO.finditer(name)}
    times = (iso | {_time(found.groupdict()) for found in _SOUNDTRAP.finditer(name)}) - {None}
    return times.pop() if len(times) == 1 else None


def _iso_time(found: Mapping[str, str | None]) -> int | None:
    if not found["t"] and (found["dash"] or found["colon"]):
        return None
    fraction = found["f"] or found["fz"]
    if found["f"] and found["t"] != "T" and len(found["f"]) not in (3, 6):  # it may be the number of a channel or a recorder
        fraction = None
    time = _time({**found, "f": fraction})
    offset = found["z"] if found["t"] == "T" and found["colon"] != "-" else None
    if time is None or offset is None:
        return time
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return time - (minutes if offset[0] == "+" else -minutes) * 60 * SECOND_NS


def _time(found: Mapping[str, str | None]) -> int | None:
    """The instant of directives and what was read for them; None where there is no such date or time."""
    fraction_ns = int((found.get("f") or "0").ljust(9, "0"))
    if seconds := found.get("s"):
        return int(seconds) * SECOND_NS + fraction_ns if int(seconds) < (LAST_YEAR - 1970) * 365 * 86400 else None
    number = {key: int(value) for key, value in found.items() if value is not None and key in "YymdjHMS"}
    year = number["Y"] if "Y" in number else number["y"] + (1900 if number["y"] >= 69 else 2000)  # as POSIX has it
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    try:
        hour, minute, second = (number.get(key, 0) for key in "HMS")
        date = dt.datetime(year, number.get("m", 1), number.get("d", 1), hour, minute, second)
    except ValueError:
        return None
    if "j" in number:
        date += dt.timedelta(days=number["j"] - 1)
        if date.year != year:
            return None
    return from_datetime(date) + fraction_ns


def _compiled(text: str) -> re.Pattern[str]:
    parts: list[str] = []
    known: set[str] = set()
    tokens = list(_TOKENS.finditer(text))
    for token in tokens:
        directive, literal = token.groups()
        if literal is not None:
            parts.append(re.escape(literal))
        elif directive == "%":
            parts.append("%")
        elif directive in _DIRECTIVES:
            parts.append(f"(?P={directive})" if directive in known else f"(?P<{directive}>{_DIRECTIVES[directive]})")
            known.add(directive)
        else:
            raise ValueError(
                f"--time-pattern {text}: %{directive or ''} is none of {' '.join('%' + key for key in _DIRECTIVES)}"
            )
    if not any(date <= known for date in _DATES):
        raise ValueError(
            f"--time-pattern {text}: it gives no date: write auto, or a pattern such as %Y%m%d_%H%M%S (%j: day of the year)"
        )
    before = r"(?<!\d)" if tokens[0].group(1) in _DIRECTIVES else ""
    after = r"(?!\d)" if tokens[-1].group(1) in _DIRECTIVES else ""
    return re.compile(f"{before}{''.join(parts)}{after}", re.ASCII)
