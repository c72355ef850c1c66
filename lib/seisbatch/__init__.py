"""seisbatch: Apache Spark batch jobs for archives of seismic and hydrophone recordings.

In a notebook, ``seisbatch.open_ccfs(path)`` and ``seisbatch.read_waveforms(path)`` read what the jobs wrote.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_READERS = {"open_ccfs": "seisbatch.reader.ccfs", "read_waveforms": "seisbatch.reader.waveforms"}


def __getattr__(name: str) -> Any:
    """Readers are imported when they are first used: the workers need neither them nor xarray."""
    if name not in _READERS:
        raise AttributeError(f"module 'seisbatch' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_READERS[name]), name)
