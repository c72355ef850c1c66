"""Frequency bands of sound levels: 1 Hz, hybrid millidecades, third octaves; how a spectrum's power is divided between them.

Hybrid millidecades: S. B. Martin et al., "Hybrid millidecade spectra: A practical format for exchange of long-term ambient
sound data", JASA Express Letters 1, 011203 (2021), doi 10.1121/10.0003324, with the table of bands as its authors corrected it.
Third octaves: IEC 61260-1:2014, base ten, that is decidecades (ISO 18405).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Real = npt.NDArray[np.floating]
Hertz = npt.NDArray[np.float64]

FIRST_THOUSANDTH = 2638
"""Of a decade: the first from ``10 ** (k / 1000)`` Hz on that is at least 1 Hz wide."""


@dataclass(frozen=True, eq=False)
class Bands:
    """Bands that ascend: lower edge, centre and upper edge [Hz], float64, shape (n_bands,)."""

    lower: Hertz
    centre: Hertz
    upper: Hertz

    @property
    def width(self) -> Hertz:
        """Bandwidth [Hz], shape (n_bands,)."""
        return self.upper - self.lower

    def __len__(self) -> int:
        return len(self.centre)


@functools.lru_cache(maxsize=16)
def one_hertz_bands(rate: float) -> Bands:
    """Bands of 1 Hz around 0, 1, 2, ... Hz; the last ends at the Nyquist frequency of ``rate`` [Hz]."""
    centre = np.arange(math.floor(rate / 2) + 1, dtype=np.float64)
    return Bands(centre - 0.5, centre, np.minimum(centre + 0.5, rate / 2))


@functools.lru_cache(maxsize=16)
def hybrid_millidecade_bands(rate: float) -> Bands:
    """Bands of 1 Hz around 0 to 434 Hz, and of a thousandth of a decade above; the last ends at the Nyquist frequency.

    The edges of the upper ones are ``10 ** (k / 1000)`` Hz. They begin with the first that is at least 1 Hz wide, around 435.01
    Hz; the band around 434 Hz ends at its lower edge, 434.51 Hz. (The paper's own text has the change at 455 Hz: there the
    centres, not the edges, were powers of ten. The corrected table is what PyPAM and MBARI's archive of spectra have.)
    """
    nyquist = rate / 2
    stop = math.ceil(1000 * math.log10(nyquist) - 1e-9)  # of the last band whose lower edge is below the Nyquist frequency
    if stop <= FIRST_THOUSANDTH:
        return one_hertz_bands(rate)
    edges = 10 ** (np.arange(FIRST_THOUSANDTH, stop + 1) / 1000)
    edges[-1] = nyquist
    centres = np.minimum(10 ** ((np.arange(FIRST_THOUSANDTH, stop) + 0.5) / 1000), nyquist)
    below = np.arange(round(centres[0]), dtype=np.float64)
    lower = np.concatenate((below - 0.5, edges[:-1]))
    return Bands(lower, np.concatenate((below, centres)), np.append(lower[1:], nyquist))


@functools.lru_cache(maxsize=16)
def third_octave_bands(rate: float, lowest: float = 10.0) -> Bands:
    """Base-ten third octaves (decidecades): centres ``10 ** (k / 10)`` Hz, edges half a tenth of a decade to either side.

    From the band around ``lowest`` [Hz] to the last that ends below the Nyquist frequency of ``rate`` [Hz].
    """
    first = round(10 * math.log10(lowest))
    stop = math.floor(10 * math.log10(rate / 2) + 0.5 + 1e-9)
    numbers = np.arange(first, max(first, stop))
    return Bands(10 ** ((numbers - 0.5) / 10), 10 ** (numbers / 10), 10 ** ((numbers + 0.5) / 10))


def band_powers(density: Real, resolution: float, bands: Bands) -> Real:
    """Power in bands, float64, shape (..., n_bands), of a power spectral density, shape (..., n_bins), unit**2 per Hz.

    The bins are ``resolution`` [Hz] apart, the first at zero. Each stands for the band of that width around it, and what an
    edge cuts is divided in proportion, as in Martin et al.: no power is lost or counted twice. A Hann window spreads a tone
    over three bins, or four: a tone within two bins of an edge is divided between both bands, and their sum is its power.
    Likewise a tone's power is that of a band of 1 Hz and its neighbours together; the band alone has 1.8 dB less, 3.2 dB if the
    tone is halfway between bins.

    NaN where a bin in the band is NaN.
    """
    weights = _weights(density.shape[-1], resolution, bands)
    flat = density.reshape(-1, density.shape[-1])
    unknown = np.isnan(flat)
    powers: Real = (weights @ np.where(unknown, 0.0, flat).T).T
    if unknown.any():
        powers[(weights @ unknown.astype(np.float64).T).T > 0] = np.nan
    return powers.reshape(*density.shape[:-1], len(bands))


@functools.lru_cache(maxsize=16)
def _weights(n_bins: int, resolution: float, bands: Bands) -> sparse.csr_array:
    """How many Hz of each bin are in each band, shape (n_bands, n_bins)."""
    first = np.clip(np.floor(bands.lower / resolution + 0.5), 0, n_bins).astype(np.intp)
    stop = np.clip(np.ceil(bands.upper / resolution + 0.5), first, n_bins).astype(np.intp)
    row = np.repeat(np.arange(len(bands)), stop - first)
    column = np.arange(len(row)) - np.repeat(np.cumsum(stop - first) - stop, stop - first)
    shared = np.minimum(bands.upper[row], (column + 0.5) * resolution) - np.maximum(
        bands.lower[row], (column - 0.5) * resolution
    )
    return sparse.csr_array((np.maximum(shared, 0), (row, column)), shape=(len(bands), n_bins))
