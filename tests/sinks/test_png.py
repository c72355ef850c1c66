"""PNG and wav files read back by others: matplotlib, Pillow, scipy, obspy."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import obspy
import pytest
from matplotlib import image
from PIL import Image
from scipy.io import wavfile
from seisbatch.process.segments import DataError
from seisbatch.sinks.colours import COLOUR_TABLES, colour_table
from seisbatch.sinks.png import palette_png
from seisbatch.sinks.wav import wav_file


def made(height: int, width: int, kind: str = "noise") -> np.ndarray:
    if kind == "flat":
        return np.full((height, width), 7, np.uint8)
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["noise", "flat"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (512, 512), (3, 700), (700, 3)])
@pytest.mark.parametrize("table", COLOUR_TABLES)
def test_matplotlib_and_pillow_read_the_colours_that_were_written(height, width, kind, table):
    indices, palette = made(height, width, kind), colour_table(table)
    data = palette_png(indices, palette)
    colours = image.imread(io.BytesIO(data), format="png")[..., :3]
    np.testing.assert_array_equal(np.rint(colours * 255).astype(np.uint8), palette[indices])
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), indices)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), palette[indices])


def test_a_small_palette_is_enough():
    palette = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    indices = np.array([[0, 1, 0], [1, 0, 1]], np.uint8)
    with Image.open(io.BytesIO(palette_png(indices, palette))) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), palette[indices])
    with pytest.raises(ValueError, match="index 2 is beyond the palette of 2"):
        palette_png(np.full((2, 2), 2, np.uint8), palette)


@pytest.mark.parametrize(
    ("indices", "palette", "told"),
    [
        (np.zeros((0, 3), np.uint8), np.zeros((1, 3), np.uint8), "indices"),
        (np.zeros(3, np.uint8), np.zeros((1, 3), np.uint8), "indices"),
        (np.zeros((2, 2), np.int64), np.zeros((1, 3), np.uint8), "indices"),
        (np.zeros((2, 2), np.uint8), np.zeros((257, 3), np.uint8), "palette"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 4), np.uint8), "palette"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 3)), "palette"),
    ],
)
def test_what_is_no_picture_is_said(indices, palette, told):
    with pytest.raises(ValueError, match=told):
        palette_png(indices, palette)


def test_runs_of_one_colour_take_no_room():
    assert len(palette_png(made(512, 512, "flat"), colour_table("viridis"))) < 5000


@pytest.mark.parametrize("table", ["viridis", "magma", "cividis"])
def test_colour_tables_are_matplotlibs(table):
    expected = matplotlib.colormaps[table](np.arange(256), bytes=True)[:, :3]
    np.testing.assert_array_equal(colour_table(table), expected)
    np.testing.assert_array_equal(colour_table(table, reverse=True), expected[::-1])


def test_an_unknown_colour_table_names_the_others():
    with pytest.raises(ValueError, match="no colour table jet: give one of viridis, magma, cividis, grey"):
        colour_table("jet")


def counts(largest: int) -> np.ndarray:
    samples = np.random.default_rng(0).integers(-largest, largest + 1, 10_000, dtype=np.int32)
    samples[:2] = largest, -largest
    return samples


@pytest.mark.parametrize(("bits", "largest"), [(32, 2**31 - 1), (32, 8_000_000), (16, 32_767)])
def test_samples_are_written_as_they_are(bits, largest):
    samples = counts(largest)
    wav = wav_file(samples, 64_000.0, bits)
    rate, read = wavfile.read(io.BytesIO(wav.data))
    assert rate == 64_000
    assert read.dtype == f"int{bits}"
    np.testing.assert_array_equal(read, samples)
    assert (wav.gain, wav.n_clipped) == (1.0, 0)


def test_to_the_peak_as_obspy_normalises():
    samples = counts(123_457)
    wav = wav_file(samples, 64_000.0, gain=None)
    trace = obspy.Trace(samples.copy(), {"sampling_rate": 64_000.0}).normalize()
    _, read = wavfile.read(io.BytesIO(wav.data))
    np.testing.assert_array_equal(read, (trace.data * (2**31 - 1)).astype(np.int32))
    assert np.abs(read.astype(float)).max() == 2**31 - 1
    np.testing.assert_allclose(read, samples * wav.gain, atol=1.0)
    half = wav_file(samples, 64_000.0, 16, gain=None)
    np.testing.assert_allclose(wavfile.read(io.BytesIO(half.data))[1], samples * half.gain, atol=1.0)


def test_what_does_not_fit_is_clipped_and_counted():
    samples = np.array([0, 32_767, 32_768, -32_768, -32_769, 100_000], np.int32)
    wav = wav_file(samples, 8000, 16)
    assert wavfile.read(io.BytesIO(wav.data))[1].tolist() == [0, 32_767, 32_767, -32_768, -32_768, 32_767]
    assert wav.n_clipped == 3
    loud = wav_file(np.array([0.5, 1.5e9, -1.5e9], np.float32), 8000, gain=2.0)
    assert wavfile.read(io.BytesIO(loud.data))[1].tolist() == [1, 2**31 - 1, -(2**31)]
    assert loud.n_clipped == 2


def test_a_gain_is_a_factor():
    wav = wav_file(np.array([0.25, -1.0, 0.5], np.float32), 8000, gain=2.0**31 - 1)
    assert wavfile.read(io.BytesIO(wav.data))[1].tolist() == [536_870_911, -(2**31) + 1, 1_073_741_823]


def test_floats_stay_what_they_are_and_never_become_silence():
    samples = np.array([0.25, -1.0, 0.5, 3e9], np.float32)
    wav = wav_file(samples, 8000)
    rate, read = wavfile.read(io.BytesIO(wav.data))
    assert (rate, read.dtype, wav.gain, wav.n_clipped) == (8000, np.float32, 1.0, 0)
    np.testing.assert_array_equal(read, samples)
    with pytest.raises(DataError, match="--gain peak"):
        wav_file(samples[:3], 8000, 16)
    with pytest.raises(DataError, match="no finite numbers"):
        wav_file(np.array([np.inf], np.float32), 8000)
    assert not wavfile.read(io.BytesIO(wav_file(np.zeros(3, np.float32), 8000, 16).data))[1].any()


def test_silence_has_no_peak_to_go_to():
    wav = wav_file(np.zeros(100, np.int32), 8000, gain=None)
    assert not wavfile.read(io.BytesIO(wav.data))[1].any()
    assert wav.gain == 1.0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((np.zeros(3), 8000, 24), "24 bits"),
        ((np.zeros(3), 8000.5), "8000.5 Hz"),
        ((np.zeros(3), 0.2), "0.2 Hz"),
        ((np.array([np.nan]), 8000), "no finite numbers"),
        ((np.array([1.0]), 8000, 32, np.inf), "no finite numbers"),
    ],
)
def test_what_is_no_sound_is_said(arguments, told):
    with pytest.raises(ValueError, match=told):
        wav_file(*arguments)
