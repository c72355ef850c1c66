"""Preprocessing parameters, and the grids of time and frequency that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len

from seisbatch.times import DAY_SECONDS

EDGE_SHARE = 0.1
"""Width of each cosine edge of the band, as a share of the band; the edges lie inside it."""
HIGHEST_SHARE = 0.45
"""The band may reach up to this share of a sampling rate: the filter's flank needs the rest."""


def as_ratio(numerator: float, denominator: float) -> Fraction:
    """The quotient of two rates in small whole numbers."""
    return Fraction(numerator / denominator).limit_denominator(10_000)


def convenient_rate(minimum: float) -> float:
    """The lowest of 1, 2, 4, 5, 8 (and 10, 20, 25, 40, 50, 80, 100 ..., 0.1, 0.2, 0.25 ...) that is not below ``minimum``.

    >>> convenient_rate(1.25), convenient_rate(11), convenient_rate(0.22)
    (2.0, 20.0, 0.25)
    """
    decade = 10.0 ** math.floor(math.log10(minimum))
    steps = (1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0)
    rates = [step * decade for step in steps if not (step == 2.5 and decade == 1.0)]
    return next(round(rate, 9) for rate in rates if rate >= minimum * (1 - 1e-9))


def n_lags(maxlag: float, ccf_rate: float) -> int:
    """Samples of a lag axis from ``-maxlag`` to ``+maxlag`` [s] at a rate [Hz]: ``2 * round(maxlag * ccf_rate) + 1``."""
    return 2 * round(maxlag * ccf_rate) + 1


@dataclass(frozen=True)
class Preprocessing:
    """How a channel-day becomes the band spectra of its windows. Seconds and Hz throughout.

    Raises ValueError, naming the option, where values do not go together.
    """

    sampling_rate: float
    freqmin: float
    freqmax: float
    cc_len: float
    cc_step: float
    maxlag: float
    ccf_rate: float
    circular: bool = False
    max_fill: float = 1.0
    min_coverage: float = 0.95
    max_over_std: float = 10.0
    time_norm: str = "none"
    whitening: str = "phase_only"
    smooth_bins: int = 20
    method: str = "cross_correlation"

    def __post_init__(self) -> None:
        if not 0 < self.freqmin < self.freqmax:
            raise ValueError(f"--freqmin {self.freqmin:g} must be above 0 and below --freqmax {self.freqmax:g}")
        if self.freqmax > HIGHEST_SHARE * self.sampling_rate:
            least = convenient_rate(self.freqmax / HIGHEST_SHARE)
            raise ValueError(
                f"--sampling-rate {self.sampling_rate:g} is too low for --freqmax {self.freqmax:g}: give at least {least:g}"
            )
        if self.ccf_rate < 2 * self.freqmax:
            raise ValueError(f"--ccf-rate {self.ccf_rate:g} is below twice --freqmax {self.freqmax:g}")
        if self.cc_len > DAY_SECONDS:
            raise ValueError(f"--cc-len {self.cc_len:g} is longer than a day of {DAY_SECONDS} s")
        if self.maxlag >= self.cc_len:
            raise ValueError(f"--maxlag {self.maxlag:g} must be below --cc-len {self.cc_len:g}")
        for option, seconds in (("--cc-len", self.cc_len), ("--cc-step", self.cc_step)):
            if not _is_whole(seconds * self.sampling_rate) or seconds * self.sampling_rate < 1:
                raise ValueError(f"{option} {seconds:g} is no whole number of samples at {self.sampling_rate:g} Hz")
        if not _is_whole(DAY_SECONDS * self.sampling_rate):
            raise ValueError(f"--sampling-rate {self.sampling_rate:g}: a day must be a whole number of samples")
        if self.circular and not _is_whole(self.cc_len * self.ccf_rate / 2):
            raise ValueError(f"--circular needs an even number of samples in --cc-len at --ccf-rate {self.ccf_rate:g}")
        if self.circular and 2 * self.maxlag > self.cc_len:
            raise ValueError(f"--circular: --maxlag {self.maxlag:g} must be at most half of --cc-len {self.cc_len:g}")
        if self.n_bins < 3:
            raise ValueError(f"--freqmin {self.freqmin:g} to --freqmax {self.freqmax:g} is too narrow for --cc-len")

    @property
    def window_samples(self) -> int:
        return round(self.cc_len * self.sampling_rate)

    @property
    def step_samples(self) -> int:
        return round(self.cc_step * self.sampling_rate)

    @property
    def day_samples(self) -> int:
        return round(DAY_SECONDS * self.sampling_rate)

    @property
    def n_windows(self) -> int:
        """Windows that lie wholly in a day; window ``k`` begins ``k * cc_step`` after midnight."""
        return (self.day_samples - self.window_samples) // self.step_samples + 1

    @cached_property
    def nfft(self) -> int:
        """Length of the windows' transforms.

        At least ``cc_len + maxlag``, so that the correlation is linear, of a length that transforms fast and that gives a
        whole, even number of samples at ``ccf_rate``; exactly ``cc_len`` where it is to be circular.
        """
        if self.circular:
            return self.window_samples
        ratio = as_ratio(self.ccf_rate, self.sampling_rate)
        least = math.ceil((self.cc_len + self.maxlag) * self.sampling_rate)
        step = ratio.denominator * (1 if ratio.numerator % 2 == 0 else 2)
        return step * int(next_fast_len(-(-least // step), real=True))

    @cached_property
    def ccf_nfft(self) -> int:
        """Length of the inverse transform that gives the correlation at ``ccf_rate``."""
        return int(self.nfft * as_ratio(self.ccf_rate, self.sampling_rate))

    @property
    def first_bin(self) -> int:
        return math.ceil(self.freqmin * self.nfft / self.sampling_rate - 1e-9)

    @property
    def n_bins(self) -> int:
        """Frequencies kept: those from ``freqmin`` to ``freqmax``."""
        return math.floor(self.freqmax * self.nfft / self.sampling_rate + 1e-9) - self.first_bin + 1

    @property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """The frequencies kept [Hz], shape (n_bins,)."""
        return np.arange(self.first_bin, self.first_bin + self.n_bins, dtype=np.float64) * (self.sampling_rate / self.nfft)

    @property
    def band_weights(self) -> npt.NDArray[np.float64]:
        """Weights of the frequencies kept: one, with a half cosine at either edge that lies inside the band."""
        width = EDGE_SHARE * (self.freqmax - self.freqmin)
        inside = np.minimum(self.frequencies - self.freqmin, self.freqmax - self.frequencies)
        return 0.5 * (1 - np.cos(np.pi * np.clip(inside / width, 0, 1)))


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6
