"""Preprocessing a 100 Hz channel-day to whitened spectra, one core, beside obspy's own chain of the same steps.

The rival is what a careful obspy user writes: ``Trace.detrend``, ``taper``, ``filter`` (zero-phase Butterworth band-pass),
``resample`` to the windows' rate, windows as a view, batched ``scipy.fft.rfft``, phase whitening in numpy. Both results are
compared before they are timed. The windows' rate is the default one for a band up to 2 Hz, for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import obspy
from scipy import fft, signal
from seisbatch.process.grid import Preprocessing
from seisbatch.process.segments import Segment, assemble
from seisbatch.process.spectra import window_spectra

RATE = 100.0
PARAMETERS = Preprocessing(
    sampling_rate=8, freqmin=0.1, freqmax=2, cc_len=1800, cc_step=450, maxlag=200, ccf_rate=5, whitening="phase_only"
)


def made_samples() -> np.ndarray:
    """A day of coloured noise in counts, int32."""
    rng = np.random.default_rng(0)
    sos = signal.butter(2, [0.05, 8], "bandpass", fs=RATE, output="sos")
    return np.rint(3000 * signal.sosfilt(sos, rng.standard_normal(round(86_400 * RATE)))).astype(np.int32)


def ours(samples: np.ndarray, dtype: type) -> np.ndarray:
    """The band spectra of the day's windows."""
    return window_spectra(assemble([Segment(0, RATE, samples)], 0, max_fill=1), PARAMETERS, dtype).spectra


def with_obspy(samples: np.ndarray) -> np.ndarray:
    """The same by obspy's methods and numpy, float64."""
    trace = obspy.Trace(samples.astype(np.float64), {"sampling_rate": RATE})
    trace.detrend("linear")
    trace.taper(max_percentage=0.05, max_length=2 / PARAMETERS.freqmin)
    trace.filter("bandpass", freqmin=0.75 * PARAMETERS.freqmin, freqmax=1.2 * PARAMETERS.freqmax, corners=4, zerophase=True)
    trace.resample(PARAMETERS.sampling_rate)
    windows = np.lib.stride_tricks.sliding_window_view(trace.data, PARAMETERS.window_samples)[:: PARAMETERS.step_samples]
    std = trace.data.std()
    windows = windows[np.abs(windows).max(axis=1) <= PARAMETERS.max_over_std * std]
    spectra = fft.rfft(windows, PARAMETERS.nfft, axis=1)
    spectra = spectra[:, PARAMETERS.first_bin : PARAMETERS.first_bin + PARAMETERS.n_bins]
    return spectra / np.abs(spectra) * PARAMETERS.band_weights


def _best_seconds(work: Callable[[], np.ndarray], rounds: int) -> float:
    best = np.inf
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def measure(rounds: int = 5) -> list[dict[str, object]]:
    """Rows of the table."""
    samples = made_samples()
    rival = with_obspy(samples)
    for dtype in (np.float32, np.float64):
        mine = ours(samples, dtype)
        assert mine.shape == rival.shape
        inner = slice(2, -2)
        likeness = np.abs(np.vdot(mine[inner], rival[inner])) / np.vdot(rival[inner], rival[inner]).real
        assert likeness > 0.98, likeness
    seconds = {
        "float32": _best_seconds(lambda: ours(samples, np.float32), rounds),
        "float64": _best_seconds(lambda: ours(samples, np.float64), rounds),
        "obspy": _best_seconds(lambda: with_obspy(samples), max(2, rounds // 2)),
    }
    return [
        {"measure": "(b) preprocessing a 100 Hz channel-day, ms, float32", "value": 1000 * seconds["float32"], "bound": ""},
        {
            "measure": "(b) preprocessing, times as fast as obspy's chain, float64",
            "value": seconds["obspy"] / seconds["float64"],
            "bound": "at least 5",
        },
        {
            "measure": "(b) preprocessing, times as fast as obspy's chain, float32",
            "value": seconds["obspy"] / seconds["float32"],
            "bound": "at least 10",
        },
    ]


if __name__ == "__main__":
    for row in measure():
        print(row)
