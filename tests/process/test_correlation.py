"""CCFs against the tests' own float64 code, scipy, and delayed copies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import signal
from seisbatch.process.correlation import accumulate_pairs, ccfs_from_pair_spectra, common_windows
from seisbatch.process.grid import Preprocessing
from seisbatch.process.resample import day_trace
from seisbatch.process.segments import DataError, Segment, assemble
from seisbatch.process.spectra import WindowSpectra, window_spectra
from seisbatch.process.stacking import linear_stack

from tests.process.made import DAY_NS, day_of, noise, parameters, reference_ccf, reference_windows

DAY = 86_400


def ccf_of(channels: list[WindowSpectra], params: Preprocessing) -> dict[tuple[int, int], np.ndarray]:
    """CCFs of all pairs in one tile."""
    slab = np.ascontiguousarray(np.stack([item.spectra for item in channels], axis=1).transpose(2, 1, 0), np.complex64)
    out = np.zeros((len(slab), len(channels), len(channels)), np.complex64)
    accumulate_pairs(slab, None, out)
    valid = np.array([item.valid for item in channels])
    counts = common_windows(valid, valid)
    s, r = np.triu_indices(len(channels))
    ccfs = ccfs_from_pair_spectra(out, s, r, counts[s, r], params)
    return {(int(a), int(b)): ccf for a, b, ccf in zip(s, r, ccfs, strict=True)}


def gappy_days(rate: float = 20.0) -> list:
    """Five channel-days: whole, with gaps, late, with a burst, with many bridged gaps."""
    traces = [noise(seed, rate) + noise(99, rate) for seed in range(5)]

    def cut(samples: np.ndarray, *edges: tuple[float, float]) -> list[Segment]:
        return [Segment(DAY_NS + round(a * 1e9), rate, samples[round(a * rate) : round(b * rate)]) for a, b in edges]

    traces[3][round(50_000 * rate) : round(50_010 * rate)] *= 200
    parts = [
        cut(traces[0], (0, DAY)),
        cut(traces[1], (0, 20_000), (22_000, 60_000.5), (60_400, DAY)),
        cut(traces[2], (30_000, DAY)),
        cut(traces[3], (0, DAY)),
        cut(traces[4], *((600 * n, 600 * n + 599.5) for n in range(144))),
    ]
    return [assemble(part, DAY_NS, max_fill=1) for part in parts]


@pytest.mark.parametrize("whitening", ["none", "phase_only"])
def test_stacked_ccfs_equal_the_mean_over_windows(whitening):
    params = parameters(whitening=whitening, max_over_std=10.0, freqmin=0.1, freqmax=0.8)
    days = gappy_days()
    channels = [window_spectra(day, params) for day in days]
    valid = np.array([channel.valid for channel in channels])
    assert [int(row.sum()) for row in valid] == pytest.approx([95, 88, 62, 93, 95], abs=3)
    windows = [reference_windows(day_trace(day, params, np.float64).samples, params) for day in days]
    for (one, other), ccf in ccf_of(channels, params).items():
        common = valid[one] & valid[other]
        expected = reference_ccf(windows[one], windows[other], common, params, whitening)
        assert np.abs(ccf - expected).max() <= 1e-5 * np.abs(expected).max(), (one, other)


def test_windows_are_left_out_for_their_reasons_alone():
    params = parameters(max_over_std=10.0)
    whole, gaps, late, burst, bridged = (window_spectra(day, params) for day in gappy_days())
    step, length = params.cc_step, params.cc_len
    starts = np.arange(95) * step

    def overlap(a: float, b: float) -> np.ndarray:
        return np.maximum(0, np.minimum(starts + length, b) - np.maximum(starts, a))

    missing = overlap(20_000, 22_000) + overlap(60_000.5, 60_400)
    np.testing.assert_array_equal(gaps.valid, missing <= 0.05 * length + 0.5)
    np.testing.assert_array_equal(late.valid, overlap(0, 30_000) <= 0.05 * length)
    np.testing.assert_array_equal(burst.valid, overlap(49_990, 50_020) == 0)
    assert whole.valid.all()
    assert bridged.valid.all()
    assert bridged.coverage == pytest.approx(np.full(95, 1 - 0.5 / 600), abs=1e-3)
    assert burst.rejected["amplitude"] == (~burst.valid).sum()


@pytest.mark.parametrize("cuts", [(5,), (2, 3), (1, 2, 2)], ids=["one tile", "two sides", "three unequal sides"])
def test_tiles_give_the_same(cuts):
    params = parameters()
    channels = [window_spectra(day, params) for day in gappy_days()]
    whole = ccf_of(channels, params)
    slab = np.ascontiguousarray(np.stack([item.spectra for item in channels], axis=1).transpose(2, 1, 0), np.complex64)
    valid = np.array([item.valid for item in channels])
    edges = list(itertools.pairwise([0, *np.cumsum(cuts)]))
    seen = set()
    for (a, b), (c, d) in itertools.combinations_with_replacement(edges, 2):
        sources, receivers = slab[:, a:b], slab[:, c:d]
        out = np.zeros((len(slab), b - a, d - c), np.complex64)
        accumulate_pairs(sources, None if (a, b) == (c, d) else receivers, out)
        counts = common_windows(valid[a:b], valid[c:d])
        pairs = [(s, r) for s in range(b - a) for r in range(d - c) if a + s <= c + r]
        s, r = (np.array(numbers) for numbers in zip(*pairs, strict=True))
        for (i, j), ccf in zip(pairs, ccfs_from_pair_spectra(out, s, r, counts[s, r], params), strict=True):
            expected = whole[a + i, c + j]
            assert np.abs(ccf - expected).max() <= 1e-5 * np.abs(expected).max()
            seen.add((a + i, c + j))
    assert seen == set(whole)


def test_against_scipy_on_windows_limited_to_the_band_beforehand():
    params = parameters(freqmin=0.05, freqmax=1.5, sampling_rate=4.0, cc_len=1200.0, cc_step=1200.0)
    sos = signal.butter(6, [0.2, 1.0], "bandpass", fs=4.0, output="sos")
    rng = np.random.default_rng(5)
    common = rng.standard_normal(DAY * 4)
    traces = [signal.sosfiltfilt(sos, common + rng.standard_normal(DAY * 4)) for _ in range(2)]
    channels = [window_spectra(day_of((1e4 * trace).astype(np.float32), 4.0), params) for trace in traces]
    windows = [reference_windows(1e4 * trace, params) for trace in traces]
    # The day's first and last windows are tapered: they are left to the test against our own reference.
    for channel in channels:
        channel.valid[[0, -1]] = False
        channel.spectra[[0, -1]] = 0
    ccf = ccf_of(channels, params)[0, 1]
    half = round(params.maxlag * 4)
    expected = np.mean(
        [
            signal.correlate(b, a, "full")[len(a) - 1 - half : len(a) + half]
            for a, b in zip(windows[0][1:-1], windows[1][1:-1], strict=True)
        ],
        axis=0,
    )
    assert np.abs(ccf - expected).max() <= 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("delay", [3.0, -7.5, 0.25, 12.113, -0.07])
@pytest.mark.parametrize("ccf_rate", [4.0, 2.5, 20.0])
@pytest.mark.parametrize("whitening", ["none", "phase_only", "rma"])
def test_a_delayed_copy_stands_at_its_delay(delay, ccf_rate, whitening):
    """The receiver records the same noise ``delay`` seconds later: the peak stands at +delay, to a hundredth of a second."""
    params = parameters(ccf_rate=ccf_rate, whitening=whitening)
    source = noise(7, 20.0).astype(np.float64)
    spectrum = np.fft.rfft(source) * np.exp(-2j * np.pi * np.fft.rfftfreq(len(source), 1 / 20.0) * delay)
    receiver = np.fft.irfft(spectrum, len(source))
    channels = [window_spectra(day_of(trace.astype(np.float32), 20.0), params) for trace in (source, receiver)]
    ccf = ccf_of(channels, params)[0, 1]
    half = round(params.maxlag * ccf_rate)
    assert len(ccf) == 2 * half + 1
    fine = signal.resample(ccf, len(ccf) * 50)
    lags = -half / ccf_rate + np.arange(len(fine)) / (50 * ccf_rate)
    assert lags[np.argmax(fine)] == pytest.approx(delay, abs=0.015)


def test_a_one_bin_sine_correlates_to_a_cosine():
    params = parameters(freqmin=0.1, freqmax=0.8, circular=True, cc_len=1000.0, cc_step=1000.0, maxlag=50.0)
    t = np.arange(DAY * 4) / 4.0
    frequency = 0.4
    channels = [window_spectra(day_of((1000 * np.cos(2 * np.pi * frequency * t + phase)).astype(np.float32), 4.0), params)
                for phase in (0.0, 0.9)]  # fmt: skip
    for channel in channels:
        channel.valid[[0, -1]] = False
        channel.spectra[[0, -1]] = 0
    ccf = ccf_of(channels, params)[0, 1]
    lags = np.arange(-200, 201) / 4.0
    # Mean power of a sine times the window's samples; the receiver leads by 0.9 rad, so the peak is at a negative lag.
    expected = 1000**2 / 2 * 4000 * np.cos(2 * np.pi * frequency * lags + 0.9)
    np.testing.assert_allclose(ccf, expected, atol=2e-3 * np.abs(expected).max())


def test_circular_and_linear_differ_as_they_should():
    """A copy delayed within the window comes round at the other side only where the correlation is circular."""
    rng = np.random.default_rng(1)
    window = rng.standard_normal(4000)
    rolled = np.roll(window, 100)
    for circular in (False, True):
        params = parameters(circular=circular, cc_len=1000.0, cc_step=1000.0, maxlag=100.0)
        assert params.nfft == 4000 if circular else params.nfft >= 4400
        spectra = [np.fft.rfft(samples, params.nfft) for samples in (window, rolled)]
        ccf = np.fft.irfft(np.conj(spectra[0]) * spectra[1], params.nfft)
        share = ccf[100] / (window @ window)
        assert share == pytest.approx(1.0) if circular else share < 0.98


@pytest.mark.parametrize("method", ["coherency", "deconvolution"])
def test_methods_take_the_source_spectrum_out(method):
    """White noise through a filter of the source's own: coherency and deconvolution give the filter-free delay."""
    params = parameters(method=method, smooth_bins=1, whitening="none")
    source = noise(11, 20.0).astype(np.float64)
    channels = [window_spectra(day_of(trace.astype(np.float32), 20.0), params) for trace in (source, 5 * np.roll(source, 60))]
    first = channels[0].source_spectra if method == "deconvolution" else channels[0].spectra
    assert first is not None
    both = channels[0].valid & channels[1].valid
    product = (np.conj(first) * channels[1].spectra)[both].mean(axis=0)
    inner = params.band_weights > 0.99
    amplitude = 5.0 if method == "deconvolution" else 1.0
    expected = amplitude * np.exp(-2j * np.pi * params.frequencies * 3.0)
    assert np.abs(product - expected)[inner].max() < 0.35 * amplitude
    assert np.abs((product - expected)[inner].mean()) < 0.02 * amplitude


def test_common_windows_are_counted_exactly():
    rng = np.random.default_rng(0)
    one, other = rng.random((7, 301)) < 0.6, rng.random((5, 301)) < 0.3
    expected = [[sum(a and b for a, b in zip(x, y, strict=True)) for y in other] for x in one]
    np.testing.assert_array_equal(common_windows(one, other), expected)


def test_an_all_gap_day_and_a_flat_one_are_refused():
    with pytest.raises(DataError, match="flat: every sample is 5"):
        window_spectra(day_of(np.full(DAY * 20, 5, np.int32), 20.0), parameters())
    short = assemble([Segment(DAY_NS, 20.0, noise(1, 20.0, 600))], DAY_NS, max_fill=1)
    with pytest.raises(DataError, match="no window is left of 95: 95 for coverage"):
        window_spectra(short, parameters())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_samples_beyond_single_precision_are_refused():
    samples = noise(1, 20.0).astype(np.float64)
    samples[1_000_000] = 3e38
    with pytest.raises(DataError, match="too large"):
        window_spectra(day_of(samples, 20.0), parameters())


def test_a_recorder_that_dies_in_the_day_gives_no_windows_of_rounding_errors():
    samples = noise(12, 20.0)
    samples[20 * 40_000 :] = samples[20 * 40_000]
    found = window_spectra(day_of(samples, 20.0), parameters(whitening="phase_only"))
    dead = np.arange(95) * 900 >= 40_200
    assert not found.valid[dead].any()
    assert found.valid[np.arange(95) * 900 + 1800 <= 40_000].all()


@pytest.mark.parametrize("time_norm", ["one_bit", "rma", "clip"])
def test_time_normalisation_keeps_an_earthquake_from_ruling(time_norm):
    """A burst a thousand times as strong: normalised, the day's CCF is the quiet day's, else it is the burst's."""
    quiet = [noise(seed, 20.0) + noise(50, 20.0) for seed in (1, 2)]
    loud = [trace.astype(np.int64).copy() for trace in quiet]
    burst = slice(20 * 43_000, 20 * 43_300)
    for trace, roll in zip(loud, (0, 400), strict=True):
        trace[burst] += 1000 * np.roll(noise(77, 20.0), roll)[burst]
    found = {}
    for norm in (time_norm, "none"):
        params = parameters(time_norm=norm)
        for name, traces in (("quiet", quiet), ("loud", loud)):
            channels = [window_spectra(day_of(trace.astype(np.int32), 20.0), params) for trace in traces]
            ccf = ccf_of(channels, params)[0, 1]
            found[norm, name] = ccf / np.abs(ccf).max()
    like = {norm: np.corrcoef(found[norm, "quiet"], found[norm, "loud"])[0, 1] for norm in (time_norm, "none")}
    assert like[time_norm] > 0.9
    assert like["none"] < 0.5


def test_stack_weighs_windows():
    ccfs = np.array([[1.0, 2.0], [4.0, 5.0]], np.float32)
    stack, total = linear_stack(ccfs, np.array([3, 1], np.int32))
    np.testing.assert_allclose(stack, [1.75, 2.75])
    assert total == 4
    with pytest.raises(ValueError, match="no window"):
        linear_stack(ccfs, np.array([0, 0], np.int32))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"freqmin": 0.9}, "--freqmin 0.9 must be above 0 and below --freqmax 0.8"),
        ({"freqmax": 1.9}, "--sampling-rate 4 is too low for --freqmax 1.9: give at least 5"),
        ({"ccf_rate": 1.0}, "--ccf-rate 1 is below twice --freqmax 0.8"),
        ({"maxlag": 1800.0}, "--maxlag 1800 must be below --cc-len 1800"),
        ({"cc_step": 0.1}, "--cc-step 0.1 is no whole number of samples at 4 Hz"),
        ({"cc_len": 90_000.0}, "--cc-len 90000 is longer than a day"),
        ({"circular": True, "maxlag": 1000.0}, "--circular: --maxlag 1000 must be at most half"),
    ],
)
def test_impossible_parameters_name_the_option(changed, message):
    with pytest.raises(ValueError, match="^" + message):
        parameters(**changed)


@pytest.mark.parametrize("ccf_rate", [2.0, 2.5, 4.0, 5.0, 10.0, 20.0])
def test_lengths_of_transforms_fit_both_rates(ccf_rate):
    params = parameters(ccf_rate=ccf_rate)
    assert params.nfft / params.sampling_rate == pytest.approx(params.ccf_nfft / ccf_rate)
    assert params.ccf_nfft % 2 == 0
    assert params.nfft >= (params.cc_len + params.maxlag) * params.sampling_rate
