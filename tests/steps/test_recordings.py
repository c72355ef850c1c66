"""The recordings of a batch: what comes out of files in a folder, against the signal that they were made of."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc

import numpy as np
import pytest
import soundfile
from seisbatch.acquire.objects import StoreSettings
from seisbatch.acquire.pack import pack
from seisbatch.names import Channel
from seisbatch.process.clock import ClockWindows, whole_clip
from seisbatch.process.segments import Segment
from seisbatch.steps.recordings import read_recordings
from seisbatch.steps.sound_settings import SoundSettings

SECOND = 10**9
DAY_NS = 17_448 * 86_400 * SECOND
"""2017-10-09"""
NAME = Channel("OO", "HYEA2", "", "YDH")
RATE = 1000.0


def noise(n, seed=0):
    return np.random.default_rng(seed).integers(-(2**20), 2**20, n, dtype=np.int32)


def miniseed(samples, start_s, rate=RATE, name=NAME):
    return pack(name, Segment(DAY_NS + round(start_s * SECOND), rate, samples))


def wav(samples, rate=RATE):
    out = io.BytesIO()
    soundfile.write(out, samples, round(rate), format="WAV", subtype="PCM_16" if samples.dtype == np.int16 else "FLOAT")
    return out.getvalue()


class Archive:
    """A folder of recordings; each is known to begin at some time, which its samples' may not be."""

    def __init__(self, folder):
        self.folder = folder
        self.settings = SoundSettings(
            run_id="run", job="make_spectrograms", out=StoreSettings(str(folder / "out")), parameters_id="id", metadata=(),
            archive=StoreSettings(str(folder)), ahead_bytes=1_000_000, track=1, clip_s=2.0, step_s=2.0, gaps="leave_out",
            sound="wav32", gain=None, picture=None, places=("parquet",), band_sets=(), calibration=None, stations=None,
            long_term=lambda *_, **__: b"",
        )  # fmt: skip

    def put(self, key, known_s, data):
        if data is not None:
            (self.folder / key).write_bytes(data)
        return {"s3key": key, "start_ns": DAY_NS + round(known_s * SECOND), "size": len(data or b""), "version": None}

    def files(self, samples, bounds_s, start_s=0.0, rate=RATE):
        """A signal in files of miniSEED that begin at some seconds of it, known by whole ones."""
        numbers = [0, *(round(bound * rate) for bound in bounds_s), len(samples)]
        return [
            self.put(
                f"{first:08d}.ms", int(start_s + first / rate), miniseed(samples[first:stop], start_s + first / rate, rate)
            )
            for first, stop in zip(numbers[:-1], numbers[1:], strict=True)
        ]

    def read(self, own, span_s, before=None, after=None, rate=RATE):
        """What is read for a batch, as (key, first sample, until [s]), its outcomes and its clips of 2 s by their second."""
        start_ns, end_ns = (DAY_NS + round(second * SECOND) for second in span_s)
        batch = {**NAME._asdict(), "name": "batch", "start_ns": start_ns, "end_ns": end_ns, "rate": rate, "recordings": own,
                 "before": before, "after": after}  # fmt: skip
        windows = ClockWindows(start_ns, end_ns, 2 * SECOND, 2 * SECOND)
        read, clips, outcomes, until_before = [], {}, [], -(2**63)
        for segments, until_ns, key in read_recordings(self.settings, batch, end_ns, outcomes):
            assert min(segment.start_ns for segment in segments) >= until_before
            until_before = until_ns
            read.append(key)
            windows.add(segments)
            clips |= dict(self._clips(windows.ready(until_ns), rate))
        clips |= dict(self._clips(windows.rest(), rate))
        return read, {row["s3key"]: row for row in outcomes}, clips

    def _clips(self, windows, rate):
        for window in windows:
            if (clip := whole_clip(window, rate, round(2 * rate))) is not None:
                yield (window.clock_ns - DAY_NS) // SECOND, clip.samples


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path)


def assert_clips(clips, samples, expected_s, start_s=0.0, rate=RATE):
    assert sorted(clips) == list(expected_s)
    for second, clip in clips.items():
        first = max(0, int(np.ceil((second - start_s) * rate - 0.05)))
        np.testing.assert_array_equal(clip, samples[first : first + round(2 * rate)])


@pytest.mark.parametrize("seed", range(6))
def test_batches_of_files_of_any_boundaries_give_the_clips_of_the_whole_signal(archive, seed):
    """Files cut anywhere, batches of 10 seconds, each with its neighbours: every clip, once, is the signal's own."""
    rng = np.random.default_rng(seed)
    rate, start_s = [(1000.0, 0.2504), (64_000.0, 0.000015625), (48_000.0, 0.0)][seed % 3]
    samples = noise(round(30.5 * rate), seed)
    files = archive.files(samples, np.sort(rng.uniform(1, 29, 7)), start_s, rate)
    clips = {}
    for batch_s in (0, 10, 20):
        until_s = batch_s + 10
        own = [file for file in files if batch_s <= (file["start_ns"] - DAY_NS) / SECOND < until_s]
        before = [file for file in files if (file["start_ns"] - DAY_NS) / SECOND < batch_s]
        after = [file for file in files if (file["start_ns"] - DAY_NS) / SECOND >= until_s]
        _, outcomes, found = archive.read(own, (batch_s, until_s), (before or [None])[-1], (after or [None])[0], rate)
        assert {row["outcome"] for row in outcomes.values()} <= {"ok"}
        assert list(outcomes) == [file["s3key"] for file in own]
        assert all(batch_s <= second < until_s for second in found)
        clips |= found
    assert_clips(clips, samples, range(2 if start_s > 0.01 else 0, 30, 2), start_s, rate)


def test_neighbours_are_read_only_where_they_are_needed(archive):
    samples = noise(40_000)
    files = archive.files(samples, [10, 20, 30])
    read, _, clips = archive.read(files[1:3], (10, 30), files[0], files[3])
    assert read == [file["s3key"] for file in files[1:3]]
    assert_clips(clips, samples, range(10, 30, 2))
    read, outcomes, clips = archive.read(files[1:3], (8, 32), files[0], files[3])
    assert read == [file["s3key"] for file in files]
    assert list(outcomes) == read[1:3]
    assert_clips(clips, samples, range(8, 32, 2))


def test_a_batch_without_recordings_of_its_own_has_what_its_neighbours_hold(archive):
    samples = noise(40_000)
    files = archive.files(samples, [33])
    read, outcomes, clips = archive.read([], (10, 20), files[0], files[1])
    assert (read, outcomes) == ([files[0]["s3key"]], {})
    assert_clips(clips, samples, range(10, 20, 2))


def test_a_file_whose_known_time_is_that_of_the_batch_and_whose_samples_begin_late_needs_the_one_before(archive):
    """Known by whole seconds: it says 10, and begins at 10.7, where the one before ends."""
    samples = noise(30_000)
    files = archive.files(samples, [10.7, 20])
    read, _, clips = archive.read(files[1:2], (10, 20), files[0], files[2])
    assert read == [file["s3key"] for file in files[:2]]
    assert_clips(clips, samples, range(10, 20, 2))


def test_each_recording_that_cannot_be_used_has_its_outcome_and_the_others_their_clips(archive):
    samples = noise(60_000)
    good, cut, gone, other_rate, other_channel, floats = (samples[first : first + 10_000] for first in range(0, 60_000, 10_000))
    own = [
        archive.put("good.ms", 0, miniseed(good, 0)),
        archive.put("cut.ms", 10, miniseed(cut, 10)[:-100]),
        archive.put("gone.ms", 20, None),
        archive.put("rate.ms", 30, miniseed(other_rate, 30, 1000.1)),
        archive.put("channel.ms", 40, miniseed(other_channel, 40, name=NAME._replace(chan="HDH"))),
        archive.put("nan.ms", 50, miniseed(np.where(floats > 0, floats, np.nan).astype(np.float32), 50)),
        archive.put("last.ms", 60, miniseed(good, 60)),
    ]
    read, outcomes, clips = archive.read(own, (0, 70))
    assert read == ["good.ms", "last.ms"]
    assert {unit: row["outcome"] for unit, row in outcomes.items()} == {
        "good.ms": "ok", "cut.ms": "corrupt", "gone.ms": "missing", "rate.ms": "rejected", "channel.ms": "rejected",
        "nan.ms": "rejected", "last.ms": "ok",
    }  # fmt: skip
    assert outcomes["rate.ms"]["reason"] == "sampled at 1000.1 Hz, the channel at 1000 Hz"
    assert "OO.HYEA2..HDH" in outcomes["channel.ms"]["reason"]
    assert [row["windows"] for row in outcomes.values()] == [10, 0, 0, 0, 0, 0, 10]
    assert {row["kind"] for row in outcomes.values()} == {"object"}
    assert {row["date"] for row in outcomes.values()} == {dt.date(2017, 10, 9)}
    assert [row["bytes_read"] for row in outcomes.values()] == [
        (archive.folder / unit).stat().st_size if unit != "gone.ms" else 0 for unit in outcomes
    ]
    assert sorted(clips) == [0, 2, 4, 6, 8, 60, 62, 64, 66, 68]


def test_a_neighbour_that_cannot_be_read_is_no_outcome_here(archive):
    samples = noise(20_000)
    [own] = archive.files(samples, [], 5.5)
    after = archive.put("after.ms", 25, b"no recording")
    _, outcomes, clips = archive.read([own], (4, 28), archive.put("before.ms", 0, None), after)
    assert list(outcomes) == [own["s3key"]]
    assert_clips(clips, samples, range(6, 24, 2), 5.5)


def test_a_gap_costs_the_clips_that_touch_it(archive):
    samples = noise(30_000)
    files = archive.files(samples, [9, 13.5])
    _, _, clips = archive.read([files[0], files[2]], (0, 30))
    assert_clips(clips, samples, [0, 2, 4, 6, *range(14, 30, 2)])


def test_a_file_sent_twice_changes_nothing(archive):
    samples = noise(20_000)
    files = archive.files(samples, [10])
    again = archive.put("again.ms", 0, (archive.folder / files[0]["s3key"]).read_bytes())
    _, outcomes, clips = archive.read([files[0], again, files[1]], (0, 20))
    assert [row["outcome"] for row in outcomes.values()] == ["ok", "ok", "ok"]
    assert_clips(clips, samples, range(0, 20, 2))


def test_records_of_another_time_than_the_name_are_told(archive):
    samples = noise(10_000)
    elsewhere = archive.put("elsewhere.ms", 10, miniseed(samples, 7200))
    early = archive.put("early.ms", 20, miniseed(samples, 15))
    _, outcomes, _ = archive.read([elsewhere, early], (10, 30))
    assert outcomes["elsewhere.ms"]["outcome"] == "rejected"
    assert "2017-10-09T02:00:00" in outcomes["elsewhere.ms"]["reason"]
    assert "2017-10-09T00:00:10" in outcomes["elsewhere.ms"]["reason"]
    assert outcomes["early.ms"]["outcome"] == "ok"
    assert "5.000 s before" in outcomes["early.ms"]["reason"]


def test_wav_files_follow_one_another_by_their_names(archive):
    samples = noise(20_000).astype(np.int16)
    files = [archive.put(f"{k}.wav", 5 * k, wav(samples[5000 * k : 5000 * k + 5000])) for k in range(4)]
    _, outcomes, clips = archive.read(files[1:3], (4, 16), files[0], files[3])
    assert [row["outcome"] for row in outcomes.values()] == ["ok", "ok"]
    assert_clips(clips, samples, range(4, 16, 2))


def test_a_slow_clock_takes_its_last_sample_from_the_next_file(archive):
    """At 999.995 Hz two seconds may have 1999 samples: the last one comes after them, and the file ends there."""
    rate, phase, samples = 999.995, 0.905, noise(30_000)
    first, second = (
        archive.put(f"{number}.ms", number / rate, miniseed(samples[number:stop], (number + phase) / rate, rate))
        for number, stop in ((0, 9999), (9999, 30_000))
    )
    read, _, clips = archive.read([first], (0, 10), None, second)
    assert read == ["0.ms", "9999.ms"]
    np.testing.assert_array_equal(clips[8], samples[8000:10_000])


@pytest.mark.parametrize("start_s", [0.0, 0.5], ids=["the batch's own", "own, and the one before"])
def test_one_recording_is_held_decoded_at_a_time(archive, start_s):
    """Five of 8 MB, while clips are taken: beside one there are its bytes, the next one's, and what a window lacks."""
    rate, n_bytes = 200_000.0, 8_000_000
    files = archive.files(np.tile(noise(200_000) >> 14, 50), [10, 20, 30, 40], start_s, rate)
    start_ns, end_ns, before = DAY_NS + 10 * SECOND, DAY_NS + 50 * SECOND, files[0]
    batch = {**NAME._asdict(), "name": "batch", "start_ns": start_ns, "end_ns": end_ns, "rate": rate, "recordings": files[1:],
             "before": before, "after": None}  # fmt: skip
    windows = ClockWindows(start_ns, end_ns, SECOND, SECOND)
    n_read = n_clips = 0
    tracemalloc.start()
    for segments, until_ns, _ in read_recordings(archive.settings, batch, end_ns, []):
        n_read += 1
        windows.add(segments)
        del segments
        n_clips += sum(whole_clip(window, rate, 200_000) is not None for window in windows.ready(until_ns))
    n_clips += sum(whole_clip(window, rate, 200_000) is not None for window in windows.rest())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (n_read, n_clips) == ((5, 40) if start_s else (4, 40))
    assert n_bytes < peak < 2 * n_bytes + max(file["size"] for file in files)
