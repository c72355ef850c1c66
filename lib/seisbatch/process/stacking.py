"""Stacks of CCFs over days."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def linear_stack(ccfs: npt.NDArray[np.float32], n_windows: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.float32], int]:
    """The mean of CCFs, shape (ccf, lag), weighted by the windows that each averages: the mean over all windows.

    Returns float32, shape (lag,), and the number of windows; ValueError where there are none.
    """
    total = int(n_windows.sum())
    if not total:
        raise ValueError("no window to stack")
    stack: npt.NDArray[np.float32] = (n_windows.astype(np.float64) @ ccfs / total).astype(np.float32)
    return stack, total
