"""The ground motion: a diffuse field of surface waves, local noise, and the wavelets of a few earthquakes.

The field is Gaussian. Between two stations a distance r apart its normalised covariance at frequency f is J0(k r), with
k = 2 pi f / c(f): the covariance of surface waves that arrive from all sides alike (Aki, 1957, Bull. Earthq. Res. Inst. 35).
Vertical, north and east motion are three independent fields of that kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from obspy.geodetics import gps2dist_azimuth
from scipy import fft
from scipy.special import j0

from seisbatch.sample.events import EVENTS, wavelets
from seisbatch.sample.network import DAYS, STATIONS, Recorder
from seisbatch.times import DAY_SECONDS

Complex = npt.NDArray[np.complex64]
Real = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FieldParameters:
    """What the field is made from; the archive's ``parameters.json``. km/s, Hz, m/s."""

    velocity_limit: float = 3.0
    velocity_range: float = 1.0
    velocity_frequency: float = 0.25
    band: tuple[float, float, float, float] = (0.04, 0.08, 0.7, 1.0)
    field_rms: float = 5.0e-8
    noise_share: float = 0.12
    noise_corner: float = 3.0
    seed: int = 20240101

    def phase_velocity(self, frequencies: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """c(f) = limit + range * exp(-f / frequency) [km/s]."""
        f = np.asarray(frequencies, dtype=np.float64)
        return self.velocity_limit + self.velocity_range * np.exp(-f / self.velocity_frequency)

    def amplitude(self, frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Shape of the field's amplitude spectrum: one over the band, with cosine flanks."""
        low, one, other, high = self.band
        up = np.clip((frequencies - low) / (one - low), 0, 1)
        down = np.clip((high - frequencies) / (high - other), 0, 1)
        shape: npt.NDArray[np.float64] = 0.25 * (1 - np.cos(np.pi * up)) * (1 - np.cos(np.pi * down))
        return shape


PARAMETERS = FieldParameters()
SPAN_SECONDS = len(DAYS) * DAY_SECONDS
NODES_A_HERTZ = 4000
"""Frequencies at which the covariance is factored; between them k r changes by less than 0.1."""
_COMPONENTS = "ZNE"


def distances_km() -> npt.NDArray[np.float64]:
    """Distances between the stations on the WGS84 ellipsoid, shape (station, station)."""
    return np.array(
        [[gps2dist_azimuth(a.lat, a.lon, b.lat, b.lon)[0] / 1000 for b in STATIONS] for a in STATIONS], dtype=np.float64
    )


def field_spectra(component: str, parameters: FieldParameters = PARAMETERS) -> Complex:
    """Spectra of one component's field over all days, shape (frequency, station): bins of ``1 / SPAN_SECONDS`` from zero.

    They stop where the field's band does.
    """
    rng = np.random.default_rng([parameters.seed, _COMPONENTS.index(component)])
    n_bins = int(parameters.band[3] * SPAN_SECONDS) + 1
    frequencies = np.arange(n_bins) / SPAN_SECONDS
    gaussian = rng.standard_normal((n_bins, len(STATIONS), 2), dtype=np.float32).view(np.complex64)[..., 0]
    r = distances_km()
    edges = np.linspace(0, n_bins, int(parameters.band[3] * NODES_A_HERTZ) + 1).astype(int)
    middles = (edges[:-1] + edges[1:]) / 2 / SPAN_SECONDS
    wavenumbers = 2 * np.pi * middles / parameters.phase_velocity(middles)
    covariances = j0(wavenumbers[:, None, None] * r) + 1e-6 * np.eye(len(STATIONS))
    factors = np.linalg.cholesky(covariances).astype(np.complex64)
    spectra = np.empty_like(gaussian)
    for first, stop, factor in zip(edges[:-1], edges[1:], factors, strict=True):
        spectra[first:stop] = gaussian[first:stop] @ factor.T
    shape = parameters.amplitude(frequencies)
    # Bins of unit variance, of this shape, give this rms: irfft divides by the length, and both signs of f count.
    scale = parameters.field_rms * SPAN_SECONDS / np.sqrt(4 * np.sum(shape**2))
    return np.asarray(spectra * (shape * scale)[:, None], dtype=np.complex64)


def ground_motion(recorder: Recorder, field: Complex, parameters: FieldParameters = PARAMETERS) -> Real:
    """What a recorder writes over all days, in counts before rounding, float32, at its rate.

    ``field`` has the spectra of its component, shape (frequency, station). The field, the recorder's own noise and the
    earthquakes are added as ground velocity and taken through its response in the frequency domain.
    """
    n_samples = round(SPAN_SECONDS * recorder.rate)
    rng = np.random.default_rng([parameters.seed, *str(recorder.name).encode()])
    n_bins = n_samples // 2 + 1
    # A coarse grid serves for what is smooth in frequency.
    coarse = np.linspace(0, recorder.rate / 2, 4097)
    noise = parameters.noise_share * parameters.field_rms / (1 + (coarse / parameters.noise_corner) ** 2)
    shape = np.interp(np.arange(n_bins), coarse * SPAN_SECONDS, noise).astype(np.float32)
    shape *= np.float32(recorder.rate * np.sqrt(SPAN_SECONDS / (2 * 2 * np.trapezoid((noise / noise[0]) ** 2, coarse))))
    motion = rng.standard_normal((n_bins, 2), dtype=np.float32).view(np.complex64)[:, 0]
    motion *= shape
    station = [item.code for item in STATIONS].index(recorder.name.sta)
    motion[: len(field)] += field[:, station] * np.float32(recorder.rate)
    events = np.zeros(n_samples, np.float32)
    for first, wavelet in wavelets(recorder, recorder.rate):
        events[first : first + len(wavelet)] += wavelet
    motion += fft.rfft(events)
    motion *= _response(recorder, n_bins)
    motion[0] = 0
    counts: Real = fft.irfft(motion, n_samples, overwrite_x=True)
    return counts


def _response(recorder: Recorder, n_bins: int) -> Complex:
    """A recorder's response at every bin: exact below 1 Hz, where it curves, interpolated above."""
    frequencies = np.concatenate((np.arange(0, 1, 1 / 4000), np.linspace(1, recorder.rate / 2, 4097)))
    response = recorder.counts_a_metre_a_second(frequencies)
    at = np.arange(n_bins) / SPAN_SECONDS
    real, imaginary = np.interp(at, frequencies, response.real), np.interp(at, frequencies, response.imag)
    return (real + 1j * imaginary).astype(np.complex64)


def recordings(recorders: tuple[Recorder, ...]) -> Iterator[tuple[Recorder, Real]]:
    """Every recorder with what it writes; the fields are made once a component."""
    fields = {component: field_spectra(component) for component in {item.name.component for item in recorders}}
    for recorder in recorders:
        yield recorder, ground_motion(recorder, fields[recorder.name.component])


__all__ = ["EVENTS", "PARAMETERS", "FieldParameters", "distances_km", "field_spectra", "ground_motion", "recordings"]
