"""The common grid: tones keep amplitude and phase, gaps keep apart, clocks are put right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import fft, signal
from seisbatch.process.resample import day_trace
from seisbatch.process.response import ResponseCurve
from seisbatch.process.segments import ChannelDay, DataError, Segment, assemble
from seisbatch.process.spectra import window_spectra

from tests.process.made import DAY_NS, day_of, noise, parameters

DAY = 86_400


def tone(frequency: float, rate: float, offset: float = 0.0, seconds: float = DAY, amplitude: float = 1000.0) -> np.ndarray:
    """A cosine of the time since midnight, sampled from ``offset`` on."""
    t = offset + np.arange(round(seconds * rate)) / rate
    return (amplitude * np.cos(2 * np.pi * frequency * t + 0.3)).astype(np.float32)


@pytest.mark.parametrize("rate", [20.0, 40.0, 100.0, 31.25])
@pytest.mark.parametrize("frequency", [0.12, 0.4, 0.79])
@pytest.mark.parametrize("offset", [0.0, 0.013, 3.0071])
def test_a_tone_keeps_amplitude_and_phase_on_the_grid(rate, frequency, offset):
    params = parameters()
    day = day_of(tone(frequency, rate, offset, DAY - 20), rate, offset)
    trace = day_trace(day, params, np.float64)
    t = np.arange(params.day_samples) / params.sampling_rate
    inner = slice(round(100 * 4), round((DAY - 200) * 4))
    expected = 1000 * np.cos(2 * np.pi * frequency * t + 0.3)
    np.testing.assert_allclose(trace.samples[inner], expected[inner], atol=1.0)


@pytest.mark.parametrize(("frequency", "left"), [(0.02, 1e-3), (1.5, 1e-3), (1.9, 1e-3), (7.0, 1e-3), (13.7, 1e-3)])
def test_what_is_out_of_the_band_is_gone(frequency, left):
    trace = day_trace(day_of(tone(frequency, 40.0), 40.0), parameters(), np.float64)
    assert np.abs(trace.samples[400:-400]).max() < 1000 * left


def test_float32_is_float64_to_a_millionth():
    day = day_of(noise(1, 20.0), 20.0)
    single, double = (day_trace(day, parameters(), kind).samples for kind in (np.float32, np.float64))
    assert single.dtype == np.float32
    assert np.abs(single - double).max() < 3e-6 * np.abs(double).max()


def test_offset_and_trend_of_a_digitizer_go():
    samples = noise(2, 20.0)
    day = day_of(samples, 20.0)
    shifted = day_of((samples + 2_000_000 + np.arange(len(samples)) // 1000).astype(np.int32), 20.0)
    one, other = (day_trace(item, parameters(), np.float64).samples for item in (day, shifted))
    assert np.abs(one - other)[400:-400].max() < 0.02 * one.std()


def test_nothing_reaches_across_a_gap():
    samples = noise(3, 20.0)
    first, second = samples[: 20 * 30_000], samples[20 * 31_000 :]
    spiked = first.copy()
    spiked[-2000] += 10**6
    rest = Segment(DAY_NS + 31_000 * 10**9, 20.0, second)
    days = [assemble([Segment(DAY_NS, 20.0, part), rest], DAY_NS, max_fill=1) for part in (first, spiked)]
    plain, with_spike = (day_trace(day, parameters()) for day in days)
    gap = slice(30_000 * 4, 31_000 * 4)
    assert not plain.covered[gap].any()
    assert not with_spike.samples[gap].any()
    after = slice(31_000 * 4, None)
    np.testing.assert_array_equal(plain.samples[after], with_spike.samples[after])
    assert np.abs(plain.samples - with_spike.samples).max() > 1000


def test_bridged_samples_are_not_covered():
    samples = noise(4, 20.0)
    parts = [Segment(DAY_NS, 20.0, samples[:200_000]), Segment(DAY_NS + 10_001 * 10**9, 20.0, samples[200_020:])]
    trace = day_trace(assemble(parts, DAY_NS, max_fill=1), parameters())
    np.testing.assert_array_equal(np.flatnonzero(~trace.covered), np.arange(40_000, 40_004))


def test_a_drifting_clock_is_put_right_to_the_end_of_the_day():
    """A tone sampled at 40.000016 Hz: without a correction its phase would be 35 ms off at midnight."""
    frequency, true_rate = 0.5, 40.000016
    params = parameters(cc_len=1000.0, cc_step=1000.0)
    spectra = []
    for rate in (40.0, true_rate):
        t = np.arange(int(DAY * rate)) / rate
        samples = (1e4 * np.cos(2 * np.pi * frequency * t)).astype(np.float32)
        spectra.append(window_spectra(assemble([Segment(DAY_NS, rate, samples)], DAY_NS, max_fill=1), params).spectra)
    at = int(np.argmin(np.abs(params.frequencies - frequency)))
    phases = np.angle(spectra[1][:, at] / spectra[0][:, at])
    assert np.abs(phases).max() < 2 * np.pi * frequency * 0.0005
    # The drift that was there: more than thirty times as much.
    assert DAY * 0.000016 / 40 > 30 * 0.0005 * 2


def test_a_rate_too_low_for_the_band_is_refused():
    with pytest.raises(DataError, match="recorded at 1 Hz, too low for --freqmax 0.8"):
        day_trace(day_of(noise(5, 4.0)[:DAY].astype(np.int32), 1.0), parameters())


def test_a_segment_too_short_to_filter_counts_as_a_gap():
    samples = noise(6, 20.0)
    parts = [Segment(DAY_NS, 20.0, samples[:300]), Segment(DAY_NS + 100 * 10**9, 20.0, samples[2000:])]
    trace = day_trace(assemble(parts, DAY_NS, max_fill=1), parameters())
    assert not trace.covered[:400].any()
    assert trace.covered[400:].all()


def seismometer(frequencies: np.ndarray, period: float, gain: float) -> np.ndarray:
    """Counts per m/s of a seismometer with a corner of a period [s], 0.707 of critically damped."""
    s, corner = 2j * np.pi * frequencies, 2 * np.pi / period
    return gain * s**2 / (s**2 + np.sqrt(2) * corner * s + corner**2)


def with_response(day: ChannelDay, curve: ResponseCurve | None) -> ChannelDay:
    return replace(day, runs=tuple(replace(run, curve=curve) for run in day.runs))


def recorded(motion: np.ndarray, rate: float, period: float, gain: float) -> ChannelDay:
    """A day of what a seismometer writes of ground velocity [m/s], knowing its response."""
    counts = fft.irfft(fft.rfft(motion) * seismometer(fft.rfftfreq(len(motion), 1 / rate), period, gain), len(motion))
    frequencies = np.geomspace(1e-4, rate / 2, 3000)
    curve = ResponseCurve(frequencies, seismometer(frequencies, period, gain))
    day = day_of(np.rint(counts).astype(np.int32), rate)
    return with_response(day, curve)


def motion_of(seed: int, rate: float) -> np.ndarray:
    """Ground velocity of micrometres a second from 0.01 to 2 Hz [m/s]."""
    sos = signal.butter(4, [0.01, 2.0], "bandpass", fs=rate, output="sos")
    return 1e-6 * signal.sosfiltfilt(sos, np.random.default_rng(seed).standard_normal(round(DAY * rate)))


INNER = slice(4 * 200, -4 * 200)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_different_instruments_give_the_same_ground_motion(kind):
    """A seismometer of 120 s and one of 1 s beside it, which turns 0.1 Hz by 164 degrees and writes a hundredth of it."""
    motion, params = motion_of(5, 20.0), parameters()
    long, short = recorded(motion, 20.0, 120.0, 6e8), recorded(motion, 20.0, 1.0, 9e10)
    one, other = (day_trace(day, params, kind).samples for day in (long, short))
    assert one.dtype == kind
    ground = day_trace(day_of(motion.astype(np.float64), 20.0), params, np.float64).samples
    for found in (one, other):
        assert np.abs(found - ground)[INNER].max() < 2e-3 * np.abs(ground).max()
    raw = [day_trace(with_response(day, None), params, kind).samples[INNER] for day in (long, short)]
    assert np.corrcoef(*raw)[0, 1] < 0.8


def test_the_correlation_of_different_instruments_is_that_of_the_ground():
    """Their phase difference is in the cross spectrum; without the responses it is what the instruments' formulas say."""
    params = parameters(whitening="none")
    days = [recorded(motion_of(6, 20.0), 20.0, period, 1e10) for period in (60.0, 5.0)]
    f = params.frequencies
    by_formula = np.angle(seismometer(f, 5.0, 1) / seismometer(f, 60.0, 1))
    assert np.abs(by_formula).max() > 2
    for known, expected, allowed in ((True, np.zeros(len(f)), 2e-3), (False, by_formula, 0.03)):
        one, other = (window_spectra(day if known else with_response(day, None), params).spectra for day in days)
        phase = np.angle((np.conj(one) * other).sum(axis=0))[5:-5]
        np.testing.assert_allclose(np.angle(np.exp(1j * (phase - expected[5:-5]))), 0, atol=allowed)


def test_a_filter_that_leaves_nothing_beside_the_band_is_not_undone_there():
    """A recorder whose filters end at the band's end: what is above is rounding, and is raised tenfold at most."""
    params = parameters(sampling_rate=4.0, freqmin=0.2, freqmax=1.0)
    frequencies = np.linspace(0.001, 10, 20_000)
    steep = 1e9 / (1 + (frequencies / 1.05) ** 200)
    day = day_of((1000 * noise(8, 20.0)).astype(np.int32) + np.random.default_rng(1).integers(-9, 10, DAY * 20), 20.0)
    curve = ResponseCurve(frequencies, steep.astype(complex))
    trace = day_trace(with_response(day, curve), params, np.float64)
    plain = day_trace(day, params, np.float64)
    ground, counts = (np.fft.rfft(one.samples * np.hanning(len(one.samples))) for one in (trace, plain))
    f = np.fft.rfftfreq(len(plain.samples), 1 / 4)
    band = (f > 0.21) & (f < 0.99)
    np.testing.assert_allclose(1e9 * ground[band], counts[band], atol=1e-3 * np.abs(counts[band]).max())
    assert 1e9 * np.abs(ground[f > 1.0]).max() < 10.1 * np.abs(counts[f > 1.0]).max()


def test_a_response_that_is_zero_in_the_band_is_an_error_of_the_data():
    day = recorded(motion_of(7, 20.0), 20.0, 60.0, 1e9)
    curve = ResponseCurve(np.linspace(0.001, 10, 2000), np.zeros(2000, complex))
    with pytest.raises(DataError, match=r"the response is zero or not finite between 0.05.* and 0.8 Hz"):
        day_trace(with_response(day, curve), parameters())
