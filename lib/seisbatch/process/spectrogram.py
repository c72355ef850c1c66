"""Spectrogram frames of a clip: one-sided power spectral density, as ``scipy.signal.spectrogram`` has it, in float32."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from seisbatch.process.segments import DataError, Samples

WHALEDR_S = 0.056
"""[s] A frame of the whaledr archive, to the nearest power of two."""
BATCH_BYTES = 500_000
"""Of the frames that are transformed at a time: they and their spectra stay in a core's cache."""

Power = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Frames:
    """How the frames of a spectrogram are taken: ``nfft`` samples each, the next one ``nfft - overlap`` samples later.

    ``window``: a name that ``scipy.signal.get_window`` knows; ``symmetric`` as matplotlib's specgram has it
    (``numpy.hanning``), otherwise periodic, as ``scipy.signal.spectrogram`` makes it of a name. ``detrend``: each frame's mean
    is removed (``constant`` in scipy, whose default it is); otherwise nothing is (matplotlib's default).

    Raises ValueError, naming the option, where values are none or do not go together.
    """

    nfft: int = 4096
    overlap: int = 4075
    window: str = "hann"
    symmetric: bool = True
    detrend: bool = False

    def __post_init__(self) -> None:
        if self.nfft < 4:
            raise ValueError(f"--nfft {self.nfft}: give a number of samples of at least 4")
        if not 0 <= self.overlap < self.nfft:
            raise ValueError(f"--overlap {self.overlap}: give a number from 0 to below --nfft {self.nfft}")
        try:
            window_samples(self.window, 8, self.symmetric)
        except ValueError as error:
            raise ValueError(f"--window {self.window}: {error}") from error

    @property
    def step(self) -> int:
        """Samples from a frame to the next."""
        return self.nfft - self.overlap

    def number(self, n_samples: int) -> int:
        """How many whole frames there are in ``n_samples``; DataError where there is none."""
        if n_samples < self.nfft:
            raise DataError(f"{n_samples} samples are fewer than the {self.nfft} of a spectrogram's frame")
        return (n_samples - self.nfft) // self.step + 1

    def frequencies(self, rate: float) -> npt.NDArray[np.float64]:
        """The bins' frequencies [Hz], float64, shape (nfft // 2 + 1,)."""
        return np.arange(self.nfft // 2 + 1, dtype=np.float64) * (rate / self.nfft)


def whaledr_frames(rate: float) -> Frames:
    """The frames of the whaledr hydrophone archive: 56 ms to the nearest power of two, 99.5 % overlap, symmetric Hann window.

    >>> whaledr_frames(64_000)
    Frames(nfft=4096, overlap=4075, window='hann', symmetric=True, detrend=False)
    """
    wanted = WHALEDR_S * rate
    lower = 2 ** math.floor(math.log2(wanted))
    nfft = lower if wanted - lower <= 2 * lower - wanted else 2 * lower
    return Frames(nfft, int(nfft * 0.995))


def spectrogram(
    samples: Samples,
    rate: float,
    frames: Frames,
    low: float = 0.0,
    high: float = math.inf,
    dtype: npt.DTypeLike = np.float32,
) -> tuple[Power, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Levels of every frame, their frequencies [Hz] and the times [s] of the frames' centres after the first sample.

    ``samples`` int32, float32 or float64, shape (n,); ``low`` and ``high`` [Hz]: the bins kept. Levels: ``dtype``, shape
    (n_frames, n_bins), dB re 1 squared unit of the samples per Hz, minus infinity where there is no power at all. They are
    ``10 * log10`` of ``scipy.signal.spectrogram(samples, rate, window, nperseg=nfft, noverlap=overlap, detrend=...)``, whose
    scaling is "density" and mode "psd", and of ``matplotlib.mlab.specgram(samples, NFFT=nfft, Fs=rate, noverlap=overlap)`` with
    the same window, both transposed.

    As float32, levels are within 0.001 dB down to 60 dB below the strongest bin of a frame and within 0.1 dB down to 110 dB;
    some 140 dB below it there is rounding alone. Counts beyond 2**24 lose their last bits. As float64 nothing of this is felt.

    Raises DataError where the samples are fewer than a frame's, or no bin is between ``low`` and ``high``.
    """
    frequencies = frames.frequencies(rate)
    kept = np.flatnonzero((frequencies >= low) & (frequencies <= high))
    if not len(kept):
        raise DataError(f"recorded at {rate:g} Hz: no frequency of the spectrogram is from {low:g} to {high:g} Hz")
    starts = np.arange(frames.number(len(samples))) * frames.step
    levels = np.empty((len(starts), len(kept)), dtype)
    for first, power in frame_powers(samples, starts, rate, frames, dtype):
        levels[first : first + len(power)] = power[:, kept[0] : kept[-1] + 1]
    with np.errstate(divide="ignore"):
        np.log10(levels, out=levels)
    levels *= 10
    times = (starts.astype(np.float64) + frames.nfft / 2) / rate
    return levels, frequencies[kept], times


def frame_powers(
    samples: Samples, starts: npt.NDArray[np.intp], rate: float, frames: Frames, dtype: npt.DTypeLike = np.float32
) -> Iterator[tuple[int, Power]]:
    """Power spectral density of chosen frames, batch by batch: the batch's first index in ``starts``, and the densities.

    ``starts``: each frame's first sample. Densities: ``dtype``, shape (n_batch, nfft // 2 + 1), squared unit of the samples per
    Hz, one-sided: all bins but that of zero and of the Nyquist frequency are doubled.
    """
    samples = np.asarray(samples, dtype)
    window = _scaled_window(frames, rate).astype(dtype)
    n_batch = max(1, BATCH_BYTES // window.nbytes)
    batch = np.empty((min(n_batch, len(starts)), frames.nfft), dtype)
    for first in range(0, len(starts), n_batch):
        chosen = starts[first : first + n_batch].tolist()
        for row, start in zip(batch, chosen, strict=False):
            frame = samples[start : start + frames.nfft]
            if frames.detrend:
                frame = frame - frame.mean(dtype=np.float64).astype(dtype)
            np.multiply(frame, window, out=row)
        spectra = fft.rfft(batch[: len(chosen)], axis=1)
        power = np.square(spectra.real)
        power += np.square(spectra.imag)
        power[:, 0] /= 2
        if frames.nfft % 2 == 0:
            power[:, -1] /= 2
        yield first, power


def nyquist_powers(samples: Samples, rate: float, frames: Frames) -> npt.NDArray[np.float64]:
    """Density of every frame at the Nyquist frequency alone, float64, shape (n_frames,); none where ``nfft`` is odd.

    It is a correlation of the samples with the window of alternating sign, in blocks by fast transforms, at a thirtieth of
    the cost of the frames' own. (A frame's mean is of no account there: its part in the sum cancels.) What is lost in the
    transforms' rounding is zero.
    """
    if frames.nfft % 2:
        return np.empty(0)
    n_starts = (frames.number(len(samples)) - 1) * frames.step + 1
    length = fft.next_fast_len(8 * frames.nfft, real=True)
    n_valid = length - frames.nfft + 1
    window = _scaled_window(frames, rate).copy()
    window[1::2] *= -1
    turned = np.conj(fft.rfft(window, length))
    rounding = (8 * np.finfo(np.float64).eps) ** 2 * np.square(window).sum()
    powers = []
    for first in range(0, n_starts, n_valid):
        block = samples[first : first + length].astype(np.float64)
        spectrum = fft.rfft(block, length)
        spectrum *= turned
        sums = fft.irfft(spectrum, length)[-first % frames.step : min(n_valid, n_starts - first) : frames.step]
        power = np.square(sums) / 2
        power[power <= rounding * np.square(block).sum()] = 0
        powers.append(power)
    return np.concatenate(powers)


def window_samples(name: str, n: int, symmetric: bool) -> npt.NDArray[np.float64]:
    """A window as ``scipy.signal.get_window`` makes it, float64, shape (n,); ValueError for an unknown name."""
    if name == "hann":  # without scipy.signal, which takes 50 MB to import
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n, dtype=np.float64) / (n - symmetric))
    from scipy import signal

    window: npt.NDArray[np.float64] = signal.get_window(name, n, fftbins=not symmetric)
    return window


@functools.lru_cache(maxsize=16)
def _scaled_window(frames: Frames, rate: float) -> npt.NDArray[np.float64]:
    """The window, such that a bin's squared modulus is its one-sided density."""
    window = window_samples(frames.window, frames.nfft, frames.symmetric)
    return window * np.float64(math.sqrt(2 / (rate * float(np.square(window).sum()))))
