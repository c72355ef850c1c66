"""FLAC files read back by soundfile."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from seisbatch.process.segments import DataError
from seisbatch.sinks.flac import flac_file


def read(data: bytes) -> tuple[soundfile.SoundFile, np.ndarray]:
    """The file, and its samples as the numbers that were written."""
    file = soundfile.SoundFile(io.BytesIO(data))
    shift = {"PCM_16": 16, "PCM_24": 8}[file.subtype]
    return file, file.read(dtype="int32") >> shift


@pytest.mark.parametrize(("largest", "subtype"), [(32_767, "PCM_16"), (32_768, "PCM_24"), (2**23 - 1, "PCM_24")])
@pytest.mark.parametrize("rate", [1000, 44_100, 64_000, 512_000])
def test_samples_are_written_without_loss(largest, subtype, rate):
    samples = np.random.default_rng(0).integers(-largest, largest + 1, 20_000, dtype=np.int32)
    samples[:2] = largest, -largest
    flac = flac_file(samples, rate)
    file, found = read(flac.data)
    assert (file.format, file.subtype, file.samplerate, file.channels) == ("FLAC", subtype, rate, 1)
    np.testing.assert_array_equal(found, samples)
    assert (flac.gain, flac.n_clipped) == (1.0, 0)
    assert len(flac.data) < 1.1 * samples.nbytes


def test_counts_of_16_bits_stay_so():
    samples = np.array([0, 32_767, -32_768], np.int16)
    np.testing.assert_array_equal(read(flac_file(samples, 8000).data)[1], samples)


def test_what_is_beyond_24_bits_is_clipped_and_counted():
    flac = flac_file(np.array([0, 2**23 - 1, 2**23, -(2**23), -(2**23) - 1, 2**31 - 1], np.int32), 8000)
    highest, lowest = 2**23 - 1, -(2**23)
    assert read(flac.data)[1].tolist() == [0, highest, highest, lowest, lowest, highest]
    assert flac.n_clipped == 3


def test_a_gain_brings_into_reach_what_would_be_clipped():
    samples = np.array([2**31 - 256, -(2**31), 512], np.int32)
    flac = flac_file(samples, 8000, gain=1 / 256)
    assert read(flac.data)[1].tolist() == [2**23 - 1, -(2**23), 2]
    assert (flac.gain, flac.n_clipped) == (1 / 256, 0)


def test_to_the_peak_states_the_gain():
    samples = np.array([0, 1000, -4000, 3000], np.int32)
    flac = flac_file(samples, 8000, gain=None)
    found = read(flac.data)[1]
    assert found[2] == -(2**23) + 1
    np.testing.assert_allclose(found, samples * flac.gain, atol=1)


@pytest.mark.parametrize(
    ("samples", "rate", "told"),
    [
        (np.zeros(3, np.int32), 8000.5, "8000.5 Hz"),
        (np.zeros(3, np.int32), 1_000_000, "up to 655350 Hz"),
        (np.zeros(3, np.int32), 96_001, "multiple of 10 Hz"),
        (np.zeros(0, np.int32), 8000, "no samples"),
        (np.array([np.nan]), 8000, "no finite numbers"),
    ],
)
def test_what_is_no_sound_is_said(samples, rate, told):
    with pytest.raises(DataError, match=told):
        flac_file(samples, rate)
