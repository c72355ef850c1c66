"""Spectrogram frames against scipy and matplotlib, and the pixels of a picture against those frames."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image, mlab
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy import signal
from seisbatch.process.picture import Look, draw
from seisbatch.process.segments import DataError
from seisbatch.process.spectrogram import Frames, nyquist_powers, spectrogram, whaledr_frames

RATE = 64_000.0
WHALEDR = whaledr_frames(RATE)


def sea(seconds: float = 5.0, rate: float = RATE, seed: int = 0) -> np.ndarray:
    """Counts of a quiet sea: surf that falls with frequency, white noise, and a hum, on an offset."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    surf = signal.sosfilt(signal.butter(1, 200, fs=rate, output="sos"), rng.standard_normal(n))
    hum = np.sin(2 * np.pi * 60 * np.arange(n) / rate)
    return np.rint(20_000 * surf + 300 * rng.standard_normal(n) + 500 * hum + 70).astype(np.int32)


@pytest.mark.parametrize("kind", [np.int32, np.float32, np.float64])
@pytest.mark.parametrize(
    "frames",
    [
        Frames(4096, 4075 - 4096 % 21, "hann", symmetric=False, detrend=True),
        Frames(4096, 2048, "hann", symmetric=False, detrend=False),
        Frames(1000, 250, "hamming", symmetric=True, detrend=True),
        Frames(999, 333, "blackmanharris", symmetric=False, detrend=False),
        Frames(4096, 0, "boxcar", symmetric=False, detrend=True),
    ],
)
def test_every_frame_is_scipys(frames, kind):
    samples = sea(0.5).astype(kind)
    window = signal.get_window(frames.window, frames.nfft, fftbins=not frames.symmetric)
    detrend = "constant" if frames.detrend else False
    frequencies, times, density = signal.spectrogram(
        samples.astype(np.float64), RATE, window, frames.nfft, frames.overlap, detrend=detrend
    )
    expected = 10 * np.log10(density.T + 1e-300)
    levels, our_frequencies, our_times = spectrogram(samples, RATE, frames)
    assert levels.dtype == np.float32
    np.testing.assert_allclose(our_frequencies, frequencies)
    np.testing.assert_allclose(our_times, times)
    heard = expected > expected.max(axis=1, keepdims=True) - 60
    heard[:, 0] &= not frames.detrend  # what a removed mean leaves is rounding
    np.testing.assert_allclose(levels[heard], expected[heard], atol=1e-3)
    assert heard.mean() > 0.5
    whole, _, _ = spectrogram(samples, RATE, frames, dtype=np.float64)
    np.testing.assert_allclose(whole[:, 1:], expected[:, 1:], atol=1e-6)


def test_every_frame_is_matplotlibs_at_the_overlap_of_the_whaledr_archive():
    samples = sea(0.5)
    density, frequencies, times = mlab.specgram(samples, NFFT=4096, Fs=RATE, noverlap=4075)
    expected = 10 * np.log10(density.T)
    levels, our_frequencies, our_times = spectrogram(samples, RATE, WHALEDR)
    np.testing.assert_allclose(our_frequencies, frequencies)
    np.testing.assert_allclose(our_times, times)
    heard = expected > expected.max(axis=1, keepdims=True) - 60
    np.testing.assert_allclose(levels[heard], expected[heard], atol=1e-3)


@pytest.mark.parametrize(("rate", "nfft"), [(64_000, 4096), (32_000, 2048), (96_000, 4096), (200, 8)])
def test_the_archives_frames_at_other_rates(rate, nfft):
    """nearest power of two of 0.056 s: 1792 is nearer to 2048, 5376 to 4096, 11.2 to 8."""
    assert whaledr_frames(rate).nfft == nfft


def test_white_noise_comes_out_at_its_density():
    noise = 300 * np.random.default_rng(1).standard_normal(round(20 * RATE))
    levels, _, _ = spectrogram(noise, RATE, Frames(4096, 2048), 100, 31_900)
    mean = 10 * np.log10(np.mean(10 ** (levels.astype(float) / 10)))
    assert mean == pytest.approx(10 * np.log10(300**2 / (RATE / 2)), abs=0.02)


def test_a_chirps_ridge_is_where_its_frequency_is():
    times = np.arange(round(5 * RATE)) / RATE
    chirp = 1000 * signal.chirp(times, 500, 5, 7500)
    levels, frequencies, centres = spectrogram(chirp, RATE, WHALEDR, 10, 8000)
    ridge = frequencies[levels.argmax(axis=1)]
    assert np.abs(ridge - (500 + 1400 * centres)).max() < RATE / 4096
    picture = draw(chirp.astype(np.float32), RATE, WHALEDR, Look())
    brightest = picture.indices == picture.indices.max(axis=0)
    rows = (brightest * np.arange(512)[:, None]).sum(axis=0) / brightest.sum(axis=0)
    shown = 8000 - (rows + 0.5) * 7990 / 512
    middles = (np.arange(512) + 0.5) / 512 * 5
    inside = slice(4, -4)  # half a frame at the ends repeats its neighbour
    assert np.abs(shown - (500 + 1400 * middles))[inside].max() < RATE / 4096


def shades(levels, bottom, top):
    return np.clip(np.floor(256 * (levels - bottom) / (top - bottom)), 0, 255)


def test_pixels_are_the_nearest_frames_and_bins():
    samples = sea()
    levels, frequencies, times = spectrogram(samples, RATE, WHALEDR, dtype=np.float64)
    picture = draw(samples, RATE, WHALEDR, Look(width=300, height=200, low=100, high=6000))
    assert picture.indices.shape == (200, 300)
    middles = (np.arange(300) + 0.5) / 300 * 5
    rows = 6000 - (np.arange(200) + 0.5) / 200 * 5900
    columns = np.abs(times - middles[:, None]).argmin(axis=1)
    bins = np.abs(frequencies - rows[:, None]).argmin(axis=1)
    lowest, highest = min(levels[columns, 1:].min(), levels[:, -1].min()), levels[columns, 1:].max()
    assert picture.bottom == pytest.approx(lowest + 0.50 * (highest - lowest), abs=0.3)
    assert picture.top == pytest.approx(lowest + 0.95 * (highest - lowest), abs=0.03)
    expected = shades(levels[columns][:, bins].T, picture.bottom, picture.top)
    assert np.abs(picture.indices - expected).max() <= 1
    assert (picture.indices == expected).mean() > 0.999


def test_pixels_are_those_of_matplotlibs_figure():
    """The whaledr archive's figure, but for its extent, which is that of its frames and bins."""
    samples = sea(1.0)
    density, frequencies, times = mlab.specgram(samples, NFFT=4096, Fs=RATE, noverlap=4075)
    levels = 10 * np.log10(density[1:])[::-1]
    lowest, highest = levels.min(), levels.max()
    bottom, top = lowest + 0.50 * (highest - lowest), lowest + 0.95 * (highest - lowest)
    bin_width, step = frequencies[1], times[1] - times[0]
    figure = Figure(figsize=(5.12, 5.12), dpi=100, frameon=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    extent = (times[0] - step / 2, times[-1] + step / 2, bin_width / 2, frequencies[-1] + bin_width / 2)
    axes.imshow(levels, interpolation="nearest", extent=extent, norm=Normalize(bottom, top), cmap="grey")
    axes.axis("tight")
    axes.set_xlim(0, 1)
    axes.set_ylim(10, 8000)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    expected = np.rint(255 * image.imread(file)[..., 0]).astype(int)
    picture = draw(samples, RATE, WHALEDR, Look(decibels=(bottom, top)))
    assert picture.indices.shape == expected.shape == (512, 512)
    drawn = slice(17, -17)  # half a frame at either end is blank there
    difference = np.abs(picture.indices - expected)[:, drawn]
    assert (difference == 0).mean() > 0.85
    assert (difference <= 1).mean() > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_colours_span_the_range_of_all_frames_as_in_the_whaledr_archive(seed):
    samples = sea(1.0, seed=seed)
    density, _, _ = mlab.specgram(samples, NFFT=4096, Fs=RATE, noverlap=4075)
    levels = 10 * np.log10(density[1:])
    lowest, highest = levels.min(), levels.max()
    bottom, top = lowest + 0.50 * (highest - lowest), lowest + 0.95 * (highest - lowest)
    picture = draw(samples, RATE, WHALEDR, Look(every_frame=True))
    assert (picture.bottom, picture.top) == (pytest.approx(bottom, abs=1e-3), pytest.approx(top, abs=1e-3))
    from_some = draw(samples, RATE, WHALEDR, Look())
    assert bottom - 0.01 < from_some.bottom < bottom + 6
    assert from_some.top == pytest.approx(top, abs=0.5)


@pytest.mark.parametrize(
    "frames", [WHALEDR, Frames(512, 100, symmetric=False), Frames(64, 0, "hamming"), Frames(64, 63), Frames(101, 50)]
)
def test_the_nyquist_frequency_alone_is_as_in_whole_frames(frames):
    samples = sea(0.4)
    window = signal.get_window(frames.window, frames.nfft, fftbins=not frames.symmetric)
    _, _, density = signal.spectrogram(samples.astype(float), RATE, window, frames.nfft, frames.overlap, detrend=False)
    found = nyquist_powers(samples, RATE, frames)
    if frames.nfft % 2:
        assert not len(found)
    else:
        np.testing.assert_allclose(found, density[-1], rtol=1e-6, atol=1e-9 * density[-1].max())


def test_colours_of_stated_levels():
    samples = sea(1.0)
    picture = draw(samples, RATE, WHALEDR, Look(decibels=(10.0, 60.0)))
    assert (picture.bottom, picture.top) == (10.0, 60.0)
    twice = draw(samples * 10, RATE, WHALEDR, Look(decibels=(30.0, 80.0)))
    assert np.abs(picture.indices.astype(int) - twice.indices).max() <= 1


def test_pooled_pixels_are_mean_powers_of_what_is_in_them():
    samples = sea()
    frames = Frames(4096, 3072)
    levels, frequencies, times = spectrogram(samples, RATE, frames, dtype=np.float64)
    power = 10 ** (levels / 10)
    picture = draw(samples, RATE, frames, Look(width=40, height=50, low=0, high=8000, decibels=(0, 64), pooling="mean"))
    for column, row in [(0, 0), (3, 10), (20, 25), (39, 49)]:
        in_time = (times >= column / 8) & (times < (column + 1) / 8)
        in_frequency = (frequencies >= 160 * (49 - row)) & (frequencies < 160 * (50 - row)) & (frequencies > 0)
        mean = power[in_time][:, in_frequency].mean()
        assert abs(int(picture.indices[row, column]) - shades(10 * np.log10(mean), 0, 64)) <= 1


def test_pooling_changes_nothing_where_pixels_are_smaller_than_bins_and_frames():
    samples = sea(1.0)
    frames = Frames(4096, 2048)
    nearest, mean = (draw(samples, RATE, frames, Look(decibels=(0, 64), pooling=pooling)) for pooling in ("nearest", "mean"))
    assert np.abs(nearest.indices.astype(int) - mean.indices).max() <= 1


def test_silence_is_the_first_colour_and_does_not_widen_the_range():
    samples = sea()
    loud = draw(samples, RATE, WHALEDR, Look())
    samples[len(samples) // 2 :] = 0
    pause = sea()
    pause[100_000:104_200] = 0  # one frame or none of the picture is in it
    assert draw(pause, RATE, WHALEDR, Look()).bottom == pytest.approx(loud.bottom, abs=15)
    half = draw(samples, RATE, WHALEDR, Look())
    assert half.bottom == pytest.approx(loud.bottom, abs=15)
    assert not half.indices[:, 270:].any()
    silent = draw(np.zeros(320_000, np.int32), RATE, WHALEDR, Look())
    assert not silent.indices.any()
    assert silent.bottom == silent.top == -np.inf
    assert (spectrogram(np.zeros(5000), RATE, WHALEDR)[0] == -np.inf).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_numbers_are_an_error_of_the_data(bad):
    samples = sea(1.0).astype(np.float64)
    samples[30_000] = bad
    with np.errstate(all="ignore"), pytest.raises(DataError, match="no finite numbers"):
        draw(samples, RATE, WHALEDR, Look())


def test_what_was_not_recorded_cannot_be_shown():
    with pytest.raises(DataError, match="4095 samples are fewer than the 4096"):
        spectrogram(np.zeros(4095), RATE, WHALEDR)
    with pytest.raises(DataError, match="recorded at 8000 Hz: --frequencies 10,8000 reach above 4000 Hz"):
        draw(np.zeros(40_000), 8000, WHALEDR, Look())
    with pytest.raises(DataError, match="no frequency of the spectrogram is from 40000"):
        spectrogram(np.zeros(5000), RATE, WHALEDR, 40_000, 50_000)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Frames(1), "--nfft 1:"),
        (lambda: Frames(512, 512), "--overlap 512"),
        (lambda: Frames(512, -1), "--overlap -1"),
        (lambda: Frames(window="none such"), "--window none such"),
        (lambda: Look(width=0), "--size 0x512"),
        (lambda: Look(low=8000, high=10), "--frequencies 8000,10"),
        (lambda: Look(shades=(0.9, 0.5)), "--shades 0.9,0.5"),
        (lambda: Look(decibels=(3, 3)), "--decibels 3,3"),
        (lambda: Look(pooling="max"), "--pooling max"),
    ],
)
def test_impossible_options_name_themselves(make, told):
    with pytest.raises(ValueError, match=told):
        make()
