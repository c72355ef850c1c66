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
_AS_THEY_ARE = (str, bool, float, bytes, ObjectId, Decimal128, dt.datetime)


def plain(value: Any) -> Any:
    """A value as MongoDB can hold it, or :data:`NOT_PLAIN`: a time of obspy as epoch seconds, arrays and tuples as lists.

    >>> plain({"picks": np.array([1.5, 2.0]), "at": UTCDateTime(1)})
    {'picks': [1.5, 2.0], 'at': 1.0}
    """
    if isinstance(value, UTCDateTime):
        return float(value.timestamp)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else NOT_PLAIN
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        elements = [plain(element) for element in value]
        return NOT_PLAIN if any(element is NOT_PLAIN for element in elements) else elements
    if isinstance(value, Mapping):
        inner = {str(name): plain(element) for name, element in value.items()}
        return NOT_PLAIN if any(element is NOT_PLAIN or "\0" in name for name, element in inner.items()) else inner
    return NOT_PLAIN


def epoch_seconds(time: dt.datetime) -> float:
    """Seconds since 1970, UTC."""
    return from_datetime(time) / SECOND_NS
