"""Memory that a worker has freed goes back to the system, so that one stage's peak does not add to the next one's."""

from __future__ import annotations

import ctypes
import functools
import gc

import pyarrow as pa


def give_back() -> None:
    """Return what Arrow's pool and the C library hold of freed memory."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own; others return memory by themselves
    if trim is not None:
        trim(0)


@functools.cache
def settle() -> None:
    """Once a worker: what it has imported stays, and the garbage collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()
