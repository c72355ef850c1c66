"""Response removal: from counts to ground motion by division in the frequency domain, as obspy's ``Trace.remove_response``.

The order is obspy's: the mean off, SAC's cosine taper, a real FFT of the padded samples, the cosine flanks of ``pre_filt``, the
inverse of the response with or without a water level, the inverse FFT. The response comes as a curve, known at frequencies of
its own; its inverse at the bins of a transform is made once for each curve, rate, length and way of removal, and kept.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.interpolate import PPoly, make_interp_spline

from seisbatch.process import long_fft
from seisbatch.process.segments import DataError, NoSamples, Samples

Frequencies = npt.NDArray[np.float64]
Spectrum = npt.NDArray[np.complexfloating]
Real = npt.NDArray[np.floating]

SPLINE_DEGREE = 5
RATE_TOLERANCE = 1e-3
"""By what share of its last frequency a curve may be asked beyond it: recorders' rates are a little off the nominal ones."""
EDGE_WIDTHS = 40.0
"""Zeros after the samples, in units of one over the narrower flank of ``pre_filt``: see :func:`edge_seconds`."""
INVERSE_BYTES = 192 * 2**20
"""Of inverse spectra that are kept in a process: five days of 100 Hz in float32. A larger one is made anew each time."""
BINS_AT_A_TIME = 2**17
MAXIMA, BINS_BESIDE = 8, 2048


@dataclass(frozen=True, eq=False)
class ResponseCurve:
    """A response at frequencies dense enough to interpolate between.

    ``frequencies`` [Hz] float64, shape (n,), ascending, the first above 0; ``values`` complex128, shape (n,), counts per unit
    of motion; ``at_zero`` the value at no frequency. ``origin`` is a curve that this one is ``factor`` times: they share their
    inverse spectra.
    """

    frequencies: Frequencies
    values: npt.NDArray[np.complex128]
    at_zero: complex = 0j
    origin: ResponseCurve | None = None
    factor: float = 1.0

    def scaled(self, factor: float) -> ResponseCurve:
        """The same curve times a number above 0."""
        return ResponseCurve(
            self.frequencies, self.values * factor, self.at_zero * factor, self.origin or self, self.factor * factor
        )

    def at(self, frequencies: npt.ArrayLike) -> npt.NDArray[np.complex128]:
        """The response at frequencies [Hz] from 0 up, complex128 of their shape.

        Between the curve's frequencies by a spline of degree 5; below the first as the power of frequency that the curve begins
        with, and ``at_zero`` at 0. Raises DataError for frequencies above the last, by more than :data:`RATE_TOLERANCE`.
        """
        wanted = np.asarray(frequencies, np.float64)
        first, last = self.frequencies[0], self.frequencies[-1]
        if wanted.size and wanted.max() > last * (1 + RATE_TOLERANCE):
            raise DataError(f"the response is known up to {last:g} Hz, not at {wanted.max():g} Hz")
        values: npt.NDArray[np.complex128] = self._polynomials(np.clip(wanted, first, last))
        below = (wanted > 0) & (wanted < first)
        values[below] *= (wanted[below] / first) ** self._first_power
        values[wanted == 0] = self.at_zero
        return values

    @functools.cached_property
    def _polynomials(self) -> Any:
        degree = min(SPLINE_DEGREE, len(self.frequencies) - 1)
        parts = [
            PPoly.from_spline(make_interp_spline(self.frequencies, part, k=degree))
            for part in (self.values.real, self.values.imag)
        ]  # it would drop the imaginary part of complex values
        return PPoly(parts[0].c + 1j * parts[1].c, parts[0].x)

    @functools.cached_property
    def _first_power(self) -> float:
        """The slope of the logarithm of the amplitude at the first frequency."""
        if len(self.frequencies) < 2 or not self.values[:2].all():
            return 0.0
        (one, other), (low, high) = np.abs(self.values[:2]), self.frequencies[:2]
        return float(np.log(other / one) / np.log(high / low))


@dataclass(frozen=True)
class Removal:
    """How a response is removed; the words are those of ``Trace.remove_response``.

    ``pre_filt``: the corners of a band-pass [Hz], one between the inner two, with half-cosine flanks to zero at the outer two.
    ``water_level`` [dB]: amplitudes further than this below the response's largest are raised to it; None: as they are.
    ``taper``: the share of the samples under SAC's cosine taper, both ends together; 0: none.
    """

    pre_filt: tuple[float, float, float, float] | None = None
    water_level: float | None = 60.0
    taper: float = 0.05
    zero_mean: bool = True
    precision: str = "float32"

    def __post_init__(self) -> None:
        """Raises ValueError that names the option."""
        if self.pre_filt is not None:
            corners = self.pre_filt
            ascending = len(corners) == 4 and 0 <= corners[0] < corners[1] <= corners[2] < corners[3]
            if not ascending or not all(map(math.isfinite, corners)):
                said = ",".join(f"{corner:g}" for corner in corners)
                raise ValueError(f"--pre-filt {said}: give four ascending frequencies in Hz, such as 0.01,0.02,8,9")
            object.__setattr__(self, "pre_filt", tuple(map(float, corners)))
        if self.water_level is not None and not 0 <= self.water_level < math.inf:
            raise ValueError(f"--water-level {self.water_level:g}: give decibels from 0 up, or none")
        if not 0 <= self.taper <= 1:
            raise ValueError(f"--taper {self.taper:g}: give a share of the samples, from 0 to 1")
        if self.precision not in ("float32", "float64"):
            raise ValueError(f"--precision {self.precision}: give float32 or float64")


def remove_response(samples: Samples, rate: float, curve: ResponseCurve, removal: Removal, n_fft: int | None = None) -> Real:
    """Ground motion from samples [counts], shape (n,), int32, float32 or float64; returns the same shape, of the precision.

    ``n_fft``: an even length of at least n, by default :func:`good_length`. The samples are left as they are.
    Raises NoSamples where there are none, DataError where one is not finite, where the band of ``pre_filt`` lies above the
    Nyquist frequency, or where the curve ends below that.
    """
    n_samples = len(samples)
    if not n_samples:
        raise NoSamples("no samples to remove a response from")
    if n_fft is None:
        n_fft = good_length(n_samples, rate, removal, curve)
    if n_fft < n_samples or n_fft % 2:
        raise ValueError(f"a transform of {n_fft} for {n_samples} samples: give an even length, at least theirs")
    mean = np.mean(samples, dtype=np.float64)
    if not np.isfinite(mean):
        raise DataError("a sample is not a finite number")
    level = _level(curve.origin or curve, rate, obspy_length(n_samples), removal)
    inverse = _kept_inverse(curve.origin or curve, rate, n_fft, removal, level)

    work = np.zeros(n_fft, removal.precision)
    # in float64, a buffer at a time: a large offset would cost float32 its digits
    offset = mean if removal.zero_mean else np.float64(0)
    np.subtract(samples, offset, out=work[:n_samples], dtype=np.float64, casting="same_kind")
    if removal.taper:
        _taper(work[:n_samples], removal.taper)
    spectrum: Any = long_fft.forward(work)
    del work
    spectrum *= inverse
    last = long_fft.last_bin(n_fft)
    spectrum[last] = abs(spectrum[last])  # obspy's way with the bin of the Nyquist frequency, which can only be real
    motion: Real = long_fft.backward(spectrum, n_fft)[:n_samples]
    if curve.factor != 1:
        motion *= 1 / curve.factor
    return motion


def good_length(n_samples: int, rate: float, removal: Removal, curve: ResponseCurve) -> int:
    """The length that samples are padded to, even and quick to transform.

    With ``pre_filt`` the padding is that of :func:`edge_seconds`, since nothing longer comes round. Without it, or where the
    water level sets in between f1 and f3, whose kink rings on for long, it is obspy's; and never more than that.
    """
    length = obspy_length(n_samples)
    if removal.pre_filt and not _is_clipped(curve, rate, length, removal):
        length = min(length, n_samples + math.ceil(edge_seconds(removal) * rate))
    return 2 * int(fft.next_fast_len(-(-length // 2), real=True))


def _is_clipped(curve: ResponseCurve, rate: float, n_fft: int, removal: Removal) -> bool:
    """Whether the water level changes the response in the band or on its lower flank."""
    assert removal.pre_filt
    f1, _, f3, _ = removal.pre_filt
    inside = (curve.frequencies > f1) & (curve.frequencies < min(f3, rate / 2))
    return bool((np.abs(curve.values[inside]) < _level(curve, rate, n_fft, removal)).any())


def edge_seconds(removal: Removal) -> float:
    """How far [s] from the ends of the samples the result no longer depends on the length of the transform.

    A half-cosine flank of width ``w`` [Hz] rings on as ``1 / t ** 3``: :data:`EDGE_WIDTHS` times ``1 / w`` from the ends, with
    as much padding behind, what comes round is below a millionth of the peak. Without ``pre_filt`` nothing bounds the ringing,
    and this is infinite.
    """
    if removal.pre_filt is None:
        return math.inf
    f1, f2, f3, f4 = removal.pre_filt
    return EDGE_WIDTHS / min(f2 - f1, f4 - f3)


def obspy_length(n_samples: int) -> int:
    """The transform length of obspy's ``Trace.remove_response``: twice the samples, with no large prime factor."""
    n_fft = 2 * (n_samples + n_samples % 2)
    if n_fft <= 5000:
        return n_fft
    for length in range(n_fft, n_fft + 21, 2):
        if _largest_factor(length) < 500:
            return length
    return 1 << (n_fft - 1).bit_length()


def _largest_factor(number: int) -> int:
    largest, divisor = 1, 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            largest, number = divisor, number // divisor
        divisor += 1
    return max(largest, number)


def _taper(samples: Real, share: float) -> None:
    """SAC's taper, a quarter of a cosine at either end, in place: the first and the last sample become zero."""
    n_samples = len(samples)
    if n_samples < 2:
        return
    width = int(n_samples * share / 2 + (0.5 if share < 1 else 0))
    up, down = max(width, 1), min(n_samples - width - 1, n_samples - 2)
    rise = min(up + 1, down)  # where the two overlap the falling one has the last word
    samples[:rise] *= np.sin(np.pi / 2 * np.arange(rise) / up)
    samples[down:] *= np.cos(np.pi / 2 * np.arange(n_samples - down) / (n_samples - 1 - down))


_inverses: OrderedDict[tuple[ResponseCurve, float, int, Removal, float], Spectrum] = OrderedDict()
_inverses_lock = threading.Lock()


def _kept_inverse(curve: ResponseCurve, rate: float, n_fft: int, removal: Removal, level: float) -> Spectrum:
    """What a spectrum is multiplied by, in the order of :mod:`long_fft`. The last used are kept."""
    key = curve, rate, n_fft, removal, level
    with _inverses_lock:
        if key in _inverses:
            _inverses.move_to_end(key)
            return _inverses[key]
    found = long_fft.arranged(_inverse(*key), n_fft)
    with _inverses_lock:
        _inverses[key] = found
        while sum(inverse.nbytes for inverse in _inverses.values()) > INVERSE_BYTES:
            _inverses.popitem(last=False)
    return found


def _inverse(curve: ResponseCurve, rate: float, n_fft: int, removal: Removal, level: float) -> Spectrum:
    """The inverse at each bin, made a slice at a time: the response, the water level, the flanks of ``pre_filt``."""
    step = rate / n_fft
    first, stop = 0, n_fft // 2 + 1
    if removal.pre_filt:
        f1, *_, f4 = removal.pre_filt
        if f1 >= rate / 2:
            raise DataError(f"--pre-filt begins at {f1:g} Hz, the samples end at {rate / 2:g} Hz")
        first = math.ceil(f1 / step)
        stop = max(first, min(stop, math.floor(f4 / step) + 1))
    inverse: Spectrum = np.zeros(n_fft // 2 + 1, np.complex64 if removal.precision == "float32" else np.complex128)
    for low in range(first, stop, BINS_AT_A_TIME):
        frequencies = step * np.arange(low, min(low + BINS_AT_A_TIME, stop), dtype=np.float64)
        values = curve.at(frequencies)
        amplitudes = np.abs(values)
        # 1 / value, of an amplitude no larger than 1 / level; nothing is made of what is zero
        divisors = np.maximum(amplitudes, level) * amplitudes
        part = np.divide(values.conj(), divisors, out=np.zeros_like(values), where=amplitudes > 0)
        if removal.pre_filt:
            part *= _flanks(frequencies, removal.pre_filt)
        inverse[low : low + len(part)] = part
    if removal.water_level is None:
        inverse[0] = 0
    return inverse


def _level(curve: ResponseCurve, rate: float, n_fft: int, removal: Removal) -> float:
    """The amplitude that smaller ones are raised to: so far below the largest at any bin of a transform of ``n_fft``.

    Some responses have their largest at the first bin, wherever that is: the level is that of obspy's length, so that the
    result does not depend on the length in use. To ten digits, by which lengths that differ little share their inverse.
    """
    if removal.water_level is None:
        return 0.0
    n_bins = n_fft // 2 + 1
    if n_bins <= BINS_AT_A_TIME // 4:
        bins = np.arange(n_bins)
    else:
        bins = _bins_of_maximum(curve, rate / n_fft, n_bins)
    largest = float(np.abs(curve.at(bins * (rate / n_fft))).max())
    return float(f"{largest * 10 ** (-removal.water_level / 20):.10e}")


def _bins_of_maximum(curve: ResponseCurve, step: float, n_bins: int) -> npt.NDArray[np.int64]:
    """Bins of which one has the largest amplitude, to 1e-10: the first ones, the last, and those about the curve's maxima."""
    amplitudes = np.abs(curve.values)
    is_maximum = np.zeros(len(amplitudes), bool)
    is_maximum[1:-1] = (amplitudes[1:-1] >= amplitudes[:-2]) & (amplitudes[1:-1] >= amplitudes[2:])
    is_maximum &= (curve.frequencies >= step) & (curve.frequencies <= step * (n_bins - 1))
    maxima = np.flatnonzero(is_maximum)
    maxima = maxima[np.argsort(amplitudes[maxima])[-MAXIMA:]]
    found = [np.arange(BINS_BESIDE), np.arange(n_bins - BINS_BESIDE, n_bins)]
    for low, high in zip(curve.frequencies[maxima - 1], curve.frequencies[maxima + 1], strict=True):
        found.append(np.linspace(low / step, high / step, BINS_BESIDE).round().astype(np.int64).clip(0, n_bins - 1))
    return np.unique(np.concatenate(found))


def _flanks(frequencies: Frequencies, corners: tuple[float, float, float, float]) -> Frequencies:
    """SAC's cosine taper of a spectrum."""
    f1, f2, f3, f4 = corners
    weights = np.ones_like(frequencies)
    for is_flank, outer, inner in ((frequencies < f2, f1, f2), (frequencies > f3, f4, f3)):
        share = np.clip((frequencies[is_flank] - outer) / (inner - outer), 0, 1)
        weights[is_flank] *= 0.5 * (1 - np.cos(np.pi * share))
    return weights
