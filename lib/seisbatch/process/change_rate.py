"""Samples at a lower rate: a rational ratio of rates, by filters of finite length that keep tones' amplitude and phase."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy import signal

from seisbatch.process.decimate import decimator, padded
from seisbatch.process.grid import as_ratio
from seisbatch.process.segments import DataError, Samples

PASSED_SHARE = 0.8
"""Up to this share of the new Nyquist frequency tones are kept; from the new Nyquist frequency on they are suppressed."""
STOP_DECIBELS = 100.0
"""By how much they are suppressed; what is kept is true to the same measure."""
REACH = 36
"""How far the filters reach to either side at most, in samples of the new rate."""
MOST_PHASES = 64
OUTPUTS_AT_A_TIME = 65_536

Real = npt.NDArray[np.floating]


def decimate(samples: Samples, rate: float, to_rate: float) -> Real:
    """Samples at ``to_rate`` [Hz], float32 or float64 as they came (float64 of int32), shape (ceil(n * to_rate / rate),).

    Output ``i`` stands ``i / to_rate`` after the first input. Tones below ``PASSED_SHARE`` of the new Nyquist frequency keep
    their amplitude to 0.01 % and their phase, those from that frequency on are suppressed by some ``STOP_DECIBELS``. Before the
    first and after the last sample these are repeated: an offset makes no step; what is nearer than ``REACH / to_rate``
    seconds to an end is partly of such samples.

    A far lower rate is reached in two stages: a short filter and a whole factor first, then the steep filter (Kaiser's design,
    polyphase) at a rate near the new one. The samples themselves are returned where the rates are one (see ``as_ratio``).

    Raises DataError where ``to_rate`` is above the rate, or less than a ten-thousandth of it.
    """
    ratio = as_ratio(to_rate, rate)
    if ratio > 1:
        raise DataError(f"recorded at {rate:g} Hz, below --sampling-rate {to_rate:g}")
    if not ratio:
        raise DataError(f"recorded at {rate:g} Hz: --sampling-rate {to_rate:g} is less than a ten-thousandth of it")
    if ratio == 1 or not len(samples):
        return samples
    kind = np.result_type(samples, np.float32)
    coarse = decimator(rate, to_rate / 2)
    # The filters see samples less the first one: their gain at zero is 1 only to their own measure, and offsets may be large.
    if coarse.factor == 1:
        out = _resampled(samples, ratio, kind)
    else:
        near = coarse.apply(samples, kind)
        out = _resampled(near, ratio * coarse.factor, kind)[: math.ceil(len(samples) * ratio)]
        out += near[0]
    out += samples[0]
    return out


def _resampled(samples: Samples, ratio: Fraction, kind: np.dtype[np.floating]) -> Real:
    """The steep filter at some multiple of the rate, at the outputs alone, of the samples less the first one."""
    if ratio.numerator > MOST_PHASES:  # rates that no small numbers relate: a matrix of all phases would be large
        taps = _taps(ratio.numerator, ratio.denominator).astype(kind)
        whole = padded(samples, 0, len(samples), kind)
        found: Real = signal.resample_poly(whole, ratio.numerator, ratio.denominator, window=taps, padtype="edge")
        return found
    reach, matrix = _matrix(ratio.numerator, ratio.denominator, kind)
    span, n_block = matrix.shape
    step = int(n_block / ratio)
    n_out = math.ceil(len(samples) * ratio)
    out = np.empty((-(-n_out // n_block), n_block), kind)
    at_a_time = max(1, OUTPUTS_AT_A_TIME // n_block)
    for first in range(0, len(out), at_a_time):
        blocks = out[first : first + at_a_time]
        inputs = padded(samples, first * step - reach, (len(blocks) - 1) * step + span, kind)
        np.matmul(np.lib.stride_tricks.sliding_window_view(inputs, span)[::step], matrix, out=blocks)
    return out.reshape(-1)[:n_out]


@functools.lru_cache(maxsize=16)
def _matrix(up: int, down: int, kind: np.dtype[np.floating]) -> tuple[int, Real]:
    """The filter as a matrix from inputs to a block of outputs, and how many inputs before the block it begins.

    One product with it is several times as fast as the sums one by one, though most of it is zero.
    """
    taps = _taps(up, down)
    half = len(taps) // 2
    reach = -(-half // up)
    n_blocks = max(1, 2 * reach // down)  # then about half of it is zero
    inputs = np.arange(-reach, n_blocks * down + reach)
    tap = half + np.arange(n_blocks * up) * down - inputs[:, None] * up
    matrix = np.where((tap >= 0) & (tap < len(taps)), up * taps[np.clip(tap, 0, len(taps) - 1)], 0)
    return reach, matrix.astype(kind)


@functools.lru_cache(maxsize=16)
def _taps(up: int, down: int) -> npt.NDArray[np.float64]:
    """A symmetric low-pass at ``up`` times the rate that is to be divided by ``down``."""
    nyquist = 1 / down  # in units of half the rate that the filter runs at
    n_taps, beta = signal.kaiserord(STOP_DECIBELS, (1 - PASSED_SHARE) * nyquist)
    taps: npt.NDArray[np.float64] = signal.firwin(n_taps | 1, (1 + PASSED_SHARE) / 2 * nyquist, window=("kaiser", beta))
    return taps
