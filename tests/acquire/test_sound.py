"""Recordings of hydrophones, against what soundfile, obspy and the wave module write."""

from __future__ import annotations

import io
import struct
import tracemalloc
import wave

import numpy as np
import pytest
import soundfile
from miniseed_files import START_NS, obspy_read, records, signal
from seisbatch.acquire.sound import HEAD_BYTES, decode_recording, recording_header
from seisbatch.names import Channel
from seisbatch.outcome import Corrupt, Empty, Rejected

NAME = Channel("OO", "HYEA2", "", "YDH")
RATE = 64000
COUNTS = {bits: np.random.default_rng(bits).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 3000) for bits in (16, 24, 32)}


def sound(samples, form: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=form, subtype=subtype)
    return file.getvalue()


def counts(form: str, bits: int) -> bytes:
    """A file of whole numbers, which soundfile takes as parts of 2**31."""
    return sound((COUNTS[bits] << (32 - bits)).astype(np.int32), form, f"PCM_{bits}")


def decoded(data, name=NAME, **options):
    return decode_recording(data, "a/key", name, START_NS, **options)


WHOLE = [("WAV", 16), ("WAV", 24), ("WAV", 32), ("WAVEX", 16), ("WAVEX", 24), ("RF64", 24), ("FLAC", 16), ("FLAC", 24)]


@pytest.mark.parametrize(("form", "bits"), WHOLE)
def test_whole_numbers_are_counts_of_their_own_scale(form, bits):
    data = counts(form, bits)
    [segment] = decoded(memoryview(data))
    assert (segment.start_ns, segment.rate, segment.samples.dtype) == (START_NS, RATE, np.int32)
    np.testing.assert_array_equal(segment.samples, COUNTS[bits])
    header = recording_header(data[:HEAD_BYTES], "a/key")
    assert (header.channels, header.start_ns, header.rate, header.tracks) == ((), None, RATE, 1)


@pytest.mark.parametrize("bits", [16, 32])
def test_what_the_wave_module_writes(bits):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, bits // 8, RATE, 0, "NONE", ""))
        out.writeframes(COUNTS[bits].astype(f"<i{bits // 8}").tobytes())
    [segment] = decoded(file.getvalue())
    np.testing.assert_array_equal(segment.samples, COUNTS[bits])


@pytest.mark.parametrize(
    ("form", "subtype", "kind"), [("WAV", "FLOAT", "f4"), ("WAVEX", "DOUBLE", "f8"), ("RF64", "FLOAT", "f4")]
)
def test_floats_are_as_recorded(form, subtype, kind):
    samples = (np.random.default_rng(1).standard_normal(500) * 1e6).astype(kind)
    [segment] = decoded(sound(samples, form, subtype))
    assert segment.samples.dtype == kind
    np.testing.assert_array_equal(segment.samples, samples)


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_of_several_tracks_the_one_that_is_asked_for(form):
    tracks = np.random.default_rng(2).integers(-(2**15), 2**15, (300_000, 3)).astype(np.int16)
    data = sound(tracks, form, "PCM_16")
    [segment] = decoded(data, track=3)
    np.testing.assert_array_equal(segment.samples, tracks[:, 2])
    assert recording_header(data, "a/key").tracks == 3
    with pytest.raises(Rejected, match="no track 4: it has 3"):
        decoded(data, track=4)


@pytest.mark.parametrize("version", [2, 3])
def test_the_records_of_the_channel_tell_times_and_samples(version):
    ours = records(signal(900), source_id="FDSN:OO_HYEA2__Y_D_H", rate=RATE, version=version)
    others = records(signal(400, 1), source_id="FDSN:OO_HYEA2__H_H_Z", rate=200, version=version)
    [segment] = decode_recording(others + ours, "a/key.wav", NAME, 0)
    assert (segment.start_ns, segment.rate) == (START_NS, RATE)
    np.testing.assert_array_equal(segment.samples, signal(900))
    if version == 2:
        [trace] = obspy_read(ours)
        np.testing.assert_array_equal(segment.samples, trace.data)
    other = Channel("OO", "HYEA2", "", "HHZ")
    header = recording_header(others + ours[:-100], "a/key", NAME)
    assert (header.channels, header.start_ns, header.rate) == ((other, NAME), START_NS, RATE)
    assert recording_header(others + ours, "a/key").rate == 200
    with pytest.raises(Rejected, match=r"no channel OO\.X\.\.YDH in it: it holds OO\.HYEA2\.\.HHZ, OO\.HYEA2\.\.YDH"):
        decoded(others + ours, Channel("OO", "X", "", "YDH"))


CUT = {
    "wav": counts("WAV", 24),
    "wav of floats": sound(np.zeros(1000, "f4"), "WAV", "FLOAT"),
    "RF64": counts("RF64", 24),
    "flac": counts("FLAC", 24),
    "miniSEED": records(signal(5000), source_id="FDSN:OO_HYEA2__Y_D_H"),
}


@pytest.mark.parametrize("form", CUT)
def test_what_is_cut_short_is_corrupt(form):
    whole = CUT[form]
    decoded(whole)
    for length in (0, 3, 11, 30, 50, 100, len(whole) // 2 + 5, len(whole) - 3):
        with pytest.raises(Corrupt):
            decoded(whole[:length])


def test_a_wav_cut_short_tells_what_is_there():
    whole = CUT["wav"]
    with pytest.raises(Corrupt, match="truncated: the header promises 9,000 bytes of samples, 8,000 are there"):
        decoded(whole[:-1000])


def test_garbage_in_a_flac_file_is_corrupt():
    broken = bytearray(CUT["flac"])
    middle = len(broken) // 2
    broken[middle : middle + 20] = bytes(20)
    with pytest.raises(Corrupt):
        decoded(broken)


def test_a_header_that_was_never_finished_is_corrupt():
    wav = bytearray(counts("WAV", 16))
    at = wav.index(b"data") + 4
    for states in (0, 0xFFFFFFFF):
        wav[at : at + 4] = struct.pack("<I", states)
        with pytest.raises(Corrupt, match="states no"):
            decoded(wav)


def test_a_header_that_promises_the_world_takes_no_memory():
    flac = bytearray(CUT["flac"])
    flac[21:26] = bytes([flac[21] | 0x0F, 255, 255, 255, 255])  # 2**36 - 1 samples
    with pytest.raises(Corrupt, match="promises 68,719,476,735 samples in"):
        decoded(flac)


@pytest.mark.parametrize("data", [b"<html><body>504</body></html>", b"RIFF\x04\0\0\0AVI ", b"OggS" + bytes(100), bytes(4096)])
def test_other_files_are_corrupt(data):
    with pytest.raises(Corrupt):
        decoded(data)
    with pytest.raises(Corrupt):
        recording_header(data, "a/key")


def test_no_samples_are_empty_and_packed_ones_rejected():
    with pytest.raises(Empty):
        decoded(sound(np.zeros(0, np.int16), "WAV", "PCM_16"))
    with pytest.raises(Rejected, match="ULAW"):
        decoded(sound(np.zeros(100, np.int16), "WAV", "ULAW"))


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_beside_the_samples_and_the_body_nothing_large_is_held(form):
    data = memoryview(sound(np.random.default_rng(3).integers(-99, 99, 2_000_000).astype(np.int16), form, "PCM_16"))
    decoded(data)
    tracemalloc.start()
    decoded(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.1 * 4 * 2_000_000
