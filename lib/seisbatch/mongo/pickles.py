"""Pickles for MsPASS, which keeps obspy's objects so. They are written where a user asks for them; none is ever loaded."""

from __future__ import annotations

from pickle import dumps
from typing import Any

PROTOCOL = 4
"""That of MsPASS's own."""


def mspass_pickle(item: Any) -> bytes:
    """The pickle of obspy's ``Event`` or ``Channel``."""
    return dumps(item, protocol=PROTOCOL)
