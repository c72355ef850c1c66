"""Values as MongoDB can hold them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
from bson import Decimal128, ObjectId
from obspy import UTCDateTime

from seisbatch.times import SECOND_NS, from_datetime

NOT_PLAIN = object()
"""What :func:`plain` gives of a value that MongoDB cannot hold."""
_AS_THEY_ARE = (bool, float, bytes, ObjectId, Decimal128, dt.datetime)


DEPTH = 90
"""Lists and dicts in one another; MongoDB holds 100, those of the document and of its grave included."""


def plain(value: Any, depth: int = DEPTH) -> Any:
    """A value as MongoDB can hold it, or :data:`NOT_PLAIN`: a time of obspy as epoch seconds, arrays and tuples as lists.

    Characters that are none of Unicode, as in names of files that are not UTF-8, are written out.

    >>> plain({"picks": np.array([1.5, 2.0]), "at": UTCDateTime(1)})
    {'picks': [1.5, 2.0], 'at': 1.0}
    """
    if isinstance(value, UTCDateTime):
        return float(value.timestamp)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value if is_unicode(value) else value.encode(errors="backslashreplace").decode()
    if value is None or isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else NOT_PLAIN
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not depth:
        return NOT_PLAIN
    if isinstance(value, list | tuple):
        elements = [plain(element, depth - 1) for element in value]
        return NOT_PLAIN if any(element is NOT_PLAIN for element in elements) else elements
    if isinstance(value, Mapping):
        inner = {str(name): plain(element, depth - 1) for name, element in value.items()}
        if len(inner) < len(value):  # 1 and "1" are one name
            return NOT_PLAIN
        return NOT_PLAIN if any(one is NOT_PLAIN or not is_name(name) for name, one in inner.items()) else inner
    return NOT_PLAIN


def is_name(text: str) -> bool:
    """Whether a text can be the name of a field."""
    return "\0" not in text and is_unicode(text)


def is_unicode(text: str) -> bool:
    """Whether a text can be stored as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def epoch_seconds(time: dt.datetime) -> float:
    """Seconds since 1970, UTC."""
    return from_datetime(time) / SECOND_NS
