"""Decimation by a whole factor, exact over a band: a short filter keeps aliases out, its response is given back."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

ALIAS_DECIBELS = 120.0
"""By how much what would alias into the band is suppressed."""
OVERSAMPLING = 5.0
"""The decimated rate is at least this many times the band's end, so that the filter may be short."""
OUTPUTS_AT_A_TIME = 16_384
RESPONSE_POINTS = 8_192

Real = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Decimator:
    """A symmetric low-pass and the factor that follows it."""

    factor: int
    taps: npt.NDArray[np.float64]
    rate: float
    band_end: float

    def apply(self, samples: npt.NDArray[np.generic], dtype: npt.DTypeLike) -> Real:
        """Every ``factor``-th sample of the filtered samples less the first sample, shape (ceil(n / factor),).

        Output ``i`` stands at input ``i * factor``. Before the first and after the last sample these are repeated.
        """
        if self.factor == 1:
            return padded(samples, 0, len(samples), dtype)
        n_out = -(-len(samples) // self.factor)
        rows = -(-len(self.taps) // self.factor)
        filters = np.zeros((rows, self.factor), dtype)
        filters.flat[: len(self.taps)] = self.taps
        out = np.empty(n_out, dtype)
        half = len(self.taps) // 2
        for first in range(0, n_out, OUTPUTS_AT_A_TIME):
            n = min(OUTPUTS_AT_A_TIME, n_out - first)
            block = padded(samples, first * self.factor - half, (n + rows - 1) * self.factor, dtype)
            products = filters @ block.reshape(-1, self.factor).T
            total = out[first : first + n]
            total[:] = products[0, :n]
            for row in range(1, rows):
                total += products[row, row : row + n]
        return out

    def response(self, frequencies: Real) -> npt.NDArray[np.float64]:
        """The filter's amplitude at frequencies [Hz] up to the band's end; it has no phase."""
        if self.factor == 1:
            return np.ones_like(frequencies)
        grid, values = self._response_grid
        return np.interp(frequencies, grid, values)

    @functools.cached_property
    def _response_grid(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        grid = np.linspace(0, self.band_end, RESPONSE_POINTS)
        half = len(self.taps) // 2
        angles = 2 * np.pi / self.rate * np.outer(grid, np.arange(1, half + 1))
        return grid, self.taps[half] + 2 * np.cos(angles) @ self.taps[half + 1 :]


def padded(samples: npt.NDArray[np.generic], first: int, length: int, dtype: npt.DTypeLike) -> Real:
    """Samples from ``first`` on, less the very first one; the first and the last are repeated where there are none."""
    low, high = max(0, first), min(len(samples), first + length)
    out = np.empty(length, dtype)
    inside = out[low - first : high - first]
    # Whole numbers are subtracted as such: float32 would lose what is small beside a digitizer's offset.
    np.subtract(samples[low:high], samples[0], out=inside, dtype=_wide(samples.dtype), casting="unsafe")
    out[: low - first] = inside[0]
    out[high - first :] = inside[-1]
    return out


def _wide(dtype: np.dtype[np.generic]) -> npt.DTypeLike:
    """A type in which differences of samples do not overflow."""
    return np.float64 if dtype.kind == "f" or dtype.itemsize > 4 else np.int64


@functools.lru_cache(maxsize=64)
def decimator(rate: float, band_end: float) -> Decimator:
    """The decimator by the largest factor of 2, 3 and 5 that leaves ``OVERSAMPLING`` times the band's end [Hz].

    Its filter passes the band, and stops what would alias into it by ``ALIAS_DECIBELS`` (Kaiser's design).
    """
    factor = max(n for n in _smooth_numbers(max(1, int(rate / (OVERSAMPLING * band_end)))))
    if factor == 1:
        return Decimator(1, np.ones(1), rate, band_end)
    stop = rate / factor - band_end
    n_taps, beta = signal.kaiserord(ALIAS_DECIBELS, (stop - band_end) / (rate / 2))
    taps = signal.firwin(n_taps | 1, (stop + band_end) / 2, window=("kaiser", beta), fs=rate)
    return Decimator(factor, taps, rate, band_end)


def _smooth_numbers(limit: int) -> list[int]:
    """Numbers up to ``limit`` with no factor above 5."""
    return sorted(2**a * 3**b * 5**c for a in range(14) for b in range(9) for c in range(7) if 2**a * 3**b * 5**c <= limit)
