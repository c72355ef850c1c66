"""Colour tables of 256 entries, for pictures without matplotlib.

viridis and magma (S. van der Walt, N. Smith, E. Firing) and cividis (J. Nunez, C. Anderton, R. Renslow) are matplotlib's, which
dedicates them to the public domain (CC0).
"""

from __future__ import annotations

import base64
import zlib

import numpy as np
import numpy.typing as npt

STEPS = {
    "viridis": (
        "eNp9ktERAyEIRBdoLSWk/1JiYAXUnJPczc5jffpx8SVviEDUH0+o+A+qYJKzn1oK7aSQ79i4+xGMG8OdaAQ5cnU2ldNpAWtJcWiZsnGnPJo+6l"
        "f77xwjLn3BuPQ4hOcWrLEYe79AapRMlpjj6C/N3CC/96g/amhyLvUYLzbmqPI5x2jswqEZUp5gXmJLl2lW5hYKcQ6bWK2GZgO39AkEZvgTYLxo"
        "FiAEv+BivMFs4vqa6BcU0YgJ"
    ),
    "magma": (
        "eNp1UgEOxDAIAvr/N3urqF3vcklDgOJincACCIgPUps0EkIiBzdZRY65TITDn5gcxuMvhzVyY5PIwie/HTJ8lTzRh0No6UbJ7JLda95mpd/Dep"
        "vIeuROOlDOK49X/pK3GVdhYZwYwn4648fILAmdT8UdiAqMbJJ9Rta+eOEuaYkiClqqfRWiSFbJf74cqJGzDrUaPeWzIDgLMjOq1biPaujm41O4"
        "HP2Y4yhnpC8H304vVMs/AVl+AFeZLbc="
    ),
    "cividis": (
        "eNqFklEOxCAIRGfsnmTvs/e/jVRQFLTNtsS8PAbsR/H9gQWgnloEyuApTzNkC6trz4daF3C1k9JOTdAKQg6mSVJ0lxsDzXSmzXbggrEky3cgJ+"
        "M5xigR5VqC8S7JMMKwcGxLki72G31nGMyX+pe/eGf541dLdn5ITpajK3l2C8jMlMMYZxl8YQ5Acl4Kp4ndo6VV3VcPd1OLQ2dQ7E/SH/gG+WtE"
        "HA=="
    ),
}
"""Each table as the steps from a colour to the next, deflated, as base64."""

COLOUR_TABLES = (*STEPS, "grey")


def colour_table(name: str, reverse: bool = False) -> npt.NDArray[np.uint8]:
    """A table's red, green and blue, uint8, shape (256, 3), the lowest level's colour first unless ``reverse``.

    Raises ValueError for a name that is not of COLOUR_TABLES.

    >>> colour_table("viridis")[[0, 255]].tolist()
    [[68, 1, 84], [253, 231, 36]]
    """
    if name not in COLOUR_TABLES:
        raise ValueError(f"no colour table {name}: give one of {', '.join(COLOUR_TABLES)}")
    if name == "grey":
        table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    else:
        steps = np.frombuffer(zlib.decompress(base64.b64decode(STEPS[name])), np.uint8)
        table = np.cumsum(steps.reshape(256, 3), axis=0, dtype=np.uint8)
    return table[::-1].copy() if reverse else table
