"""Windows on the UTC clock, against the one long signal that the segments were cut from."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from seisbatch.process.clock import ClockWindows, flaw, padded_clip, whole_clip
from seisbatch.process.segments import DataError, NoSamples, Segment

SECOND = 10**9
DAY = 86_400 * SECOND
DAY_NS = 17_448 * DAY
"""2017-10-09"""
RATE = 200.0


def noise(n, seed=0):
    return np.random.default_rng(seed).integers(-(2**20), 2**20, n, dtype=np.int32)


def of(samples, start_ns=DAY_NS, rate=RATE):
    return Segment(start_ns, rate, samples)


def part(whole, first, stop):
    """Samples of a segment as a file of their own would have them: its time to the nanosecond, its own samples."""
    start_ns = whole.start_ns + round(first * SECOND / whole.rate)
    return Segment(start_ns, whole.rate, whole.samples[first:stop].copy())


def windows_of(segments, start_s, end_s, length_s, step_s):
    found = ClockWindows(DAY_NS + round(start_s * SECOND), DAY_NS + round(end_s * SECOND),
                         round(length_s * SECOND), round(step_s * SECOND))  # fmt: skip
    found.add(segments)
    return list(found.rest())


def clips_of(windows, n_samples, rate=RATE):
    return [None if (clip := whole_clip(window, rate, n_samples)) is None else clip.samples for window in windows]


@pytest.mark.parametrize("seed", range(8))
def test_files_of_any_boundaries_give_the_clips_of_the_whole_signal(seed):
    """Cut anywhere, some parts sent twice or overlapping: every clip is the signal's own."""
    rng = np.random.default_rng(seed)
    rate = float(rng.choice([200.0, 64_000 / 3, 48_000.0, 64_000.0]))
    n_all = round(rate * 3.6)
    phase = rng.uniform(0.1, 0.25)  # of a sample: at no clock, nor a third of a sample on, is a sample at its edge
    whole = of(noise(n_all, seed), DAY_NS + round(phase * SECOND / rate), rate)
    length, step = rng.choice([0.25, 0.1, 0.5]), rng.choice([0.25, 0.1, 0.5])
    bounds = np.sort(rng.choice(np.arange(1, n_all), 25, replace=False))
    parts = [part(whole, first, stop) for first, stop in zip([0, *bounds], [*bounds, n_all], strict=True)]
    parts += [part(whole, first, min(n_all, first + 997)) for first in rng.integers(0, n_all - 1, 10)]
    parts.sort(key=lambda piece: piece.start_ns)
    windows = ClockWindows(DAY_NS, DAY_NS + 3 * SECOND, round(length * SECOND), round(step * SECOND))
    found = []
    for number, piece in enumerate(parts):
        windows.add([piece])
        found += windows.ready(min((later.start_ns for later in parts[number + 1 :]), default=0))
    found += windows.rest()
    n = round(length * rate)
    assert [window.clock_ns - DAY_NS for window in found] == [round(k * step * SECOND) for k in range(round(3 / step))]
    for window, clip in zip(found, clips_of(found, n, rate), strict=True):
        first = int(np.ceil((window.clock_ns - whole.start_ns) / SECOND * rate))
        np.testing.assert_array_equal(clip, whole.samples[first : first + n])


@pytest.mark.parametrize("tag_ns", [0, 15_000], ids=["on the clock", "a sample later, to the microsecond"])
def test_a_file_that_begins_a_sample_after_the_clock_goes_on_with_the_last_sample_of_the_one_before(tag_ns):
    """At 64 kHz files begin at 00:05:00.000000 or .000015, which is 15.625 microseconds cut to whole ones."""
    rate = 64_000.0
    whole = of(noise(640_000), DAY_NS, rate)
    first = 320_000 + (tag_ns > 0)
    files = [part(whole, 0, first), of(whole.samples[first:], DAY_NS + 5 * SECOND + tag_ns, rate)]
    found = clips_of(windows_of(files, 0, 10, 1, 1), 64_000, rate)
    np.testing.assert_array_equal(np.concatenate(found[:9]), whole.samples[: 9 * 64_000])


def test_the_first_clip_may_begin_nearly_a_sample_after_the_clock():
    rate = 64_000.0
    whole = of(noise(64_000), DAY_NS + 15_000, rate)
    [window] = windows_of([whole], 0, 1, 0.5, 1)
    clip = whole_clip(window, rate, 32_000)
    assert (clip.start_ns, flaw(window, rate, 32_000)) == (DAY_NS + 15_000, "")
    np.testing.assert_array_equal(clip.samples, whole.samples[:32_000])
    assert whole_clip(replace(window, clock_ns=DAY_NS - 1000), rate, 32_000) is not None  # as true as the tag is
    assert whole_clip(replace(window, clock_ns=DAY_NS - 3000), rate, 32_000) is None


@pytest.mark.parametrize("rate", [64_000.01, 63_999.99, 64_000.5, 63_999.5])
def test_a_clock_that_drifts_makes_clips_of_the_same_number_of_samples(rate):
    """Each begins with the sample that the recorder's tags have first at or after the clock."""
    whole = of(noise(64_000 * 7), DAY_NS + 7_000, rate)
    files = [part(whole, 0, 100_001), part(whole, 100_001, 331_333), part(whole, 331_333, len(whole.samples))]
    windows = windows_of(files, 0, 6, 1, 1)
    for number, (window, clip) in enumerate(zip(windows, clips_of(windows, 64_000, 64_000.0), strict=True)):
        first = round(np.ceil((number - 7e-6) * rate - 0.064))
        np.testing.assert_array_equal(clip, whole.samples[first : first + 64_000])
        assert 0 <= first / rate + 7e-6 - number + 1e-6 < 1 / 63_000
        assert abs(window.pieces[0].start_ns - window.clock_ns) < 15_626


def test_windows_begin_again_at_midnight():
    hour = 3600 * SECOND
    windows = ClockWindows(DAY_NS - 10 * hour, DAY_NS + 8 * hour, 7 * hour, 7 * hour)
    assert [(window.clock_ns - DAY_NS) // hour for window in windows.rest()] == [-10, -3, 0, 7]


@pytest.mark.parametrize(("length", "step"), [(2, 0.5), (0.5, 2)])
def test_windows_longer_and_shorter_than_their_step(length, step):
    whole = of(noise(2400))
    found = clips_of(windows_of([part(whole, 0, 1111), part(whole, 1111, 2400)], 1.3, 10, length, step), round(length * RATE))
    firsts = [round(k * step * RATE) for k in range(100) if 1.3 <= k * step < 10]
    np.testing.assert_array_equal(found, [whole.samples[first : first + round(length * RATE)] for first in firsts])


def test_a_gap_of_one_sample_is_a_gap():
    whole = of(noise(2000))
    windows = windows_of([part(whole, 0, 500), part(whole, 501, 2000)], 0, 10, 2, 2)
    assert [clip is not None for clip in clips_of(windows, 400)] == [True, False, True, True, True]
    assert flaw(windows[1], RATE, 400) == "1 of 400 samples missing"
    clip, n_padded = padded_clip(windows[1], RATE, 400)
    expected = whole.samples[400:800].copy()
    expected[100] = 0
    np.testing.assert_array_equal(clip.samples, expected)
    assert (clip.start_ns, n_padded) == (DAY_NS + 2 * SECOND, 1)


def test_a_clip_is_padded_on_the_grid_of_the_samples_there_are():
    """Recorded from 0.5 s and 0.3 of a sample on, with a gap: 100 zeros, the samples, the gap, the samples, the end."""
    whole = of(noise(240), DAY_NS + SECOND // 2 + round(0.3 * SECOND / RATE))
    [window] = windows_of([part(whole, 0, 60), part(whole, 80, 240)], 0, 2, 2, 2)
    clip, n_padded = padded_clip(window, RATE, 400)
    expected = np.zeros(400, np.int32)
    expected[100:340] = whole.samples
    expected[160:180] = 0
    np.testing.assert_array_equal(clip.samples, expected)
    assert (clip.start_ns - DAY_NS, n_padded) == (round(0.3 * SECOND / RATE), 180)


def test_samples_that_are_on_the_clock_stay_on_it_after_a_gap():
    whole = of(noise(1200))
    [_, window, _] = windows_of([part(whole, 0, 300), part(whole, 500, 1200)], 0, 6, 2, 2)
    clip, n_padded = padded_clip(window, RATE, 400)
    np.testing.assert_array_equal(clip.samples, [0] * 100 + list(whole.samples[500:800]))
    assert (clip.start_ns, n_padded) == (DAY_NS + 2 * SECOND, 100)


def test_where_nothing_was_recorded_there_is_no_clip():
    [first, last] = windows_of([of(noise(100), DAY_NS + 3 * SECOND)], 0, 4, 2, 2)
    assert (first.pieces, whole_clip(first, RATE, 400), flaw(first, RATE, 400)) == ((), None, "no samples")
    with pytest.raises(NoSamples):
        padded_clip(first, RATE, 400)
    assert padded_clip(last, RATE, 400)[1] == 300


def test_a_file_sent_twice_counts_once_and_copies_that_differ_count_not_at_all():
    whole = of(noise(2000))
    other = part(whole, 900, 1100)
    other.samples[50] += 1
    windows = windows_of([whole, part(whole, 300, 700), other], 0, 10, 2, 2)
    assert [clip is not None for clip in clips_of(windows, 400)] == [True, True, False, True, True]
    assert "copies that differ" in flaw(windows[2], RATE, 400)
    clip, n_padded = padded_clip(windows[2], RATE, 400)
    assert n_padded == 200
    np.testing.assert_array_equal(clip.samples[:100], whole.samples[800:900])
    np.testing.assert_array_equal(clip.samples[300:], whole.samples[1100:1200])
    assert not clip.samples[100:300].any()


def test_samples_of_another_type_are_not_joined():
    whole = of(noise(800))
    floats = Segment(DAY_NS + 2 * SECOND + SECOND // 2, RATE, whole.samples[500:].astype(np.float32))
    windows = windows_of([part(whole, 0, 500), floats], 0, 4, 2, 2)
    assert [clip is not None for clip in clips_of(windows, 400)] == [True, False]
    with pytest.raises(DataError, match="float32, int32"):
        padded_clip(windows[1], RATE, 400)


def test_a_window_inside_one_segment_is_no_copy():
    whole = of(noise(2000))
    for clip in clips_of(windows_of([whole], 0, 10, 2, 2), 400):
        assert np.shares_memory(clip, whole.samples)


def test_of_an_object_that_is_done_only_what_the_next_window_needs_is_held():
    """By a weak reference: the array of a file is gone once its last window waits for the next file."""
    import weakref

    windows = ClockWindows(DAY_NS, DAY_NS + 20 * SECOND, 2 * SECOND, 2 * SECOND)
    whole = of(noise(2000))
    held = part(whole, 0, 1000)
    reference = weakref.ref(held.samples)
    windows.add([held])
    del held
    found = [window.clock_ns for window in windows.ready(DAY_NS + 5 * SECOND)]
    assert len(found) == 2
    assert reference() is None
    windows.add([part(whole, 1000, 2000)])
    np.testing.assert_array_equal(clips_of(windows.ready(DAY_NS + 10 * SECOND), 400), whole.samples[800:1600].reshape(2, 400))


def fragments_seconds(n_fragments, length_s):
    whole = of(noise(40 * n_fragments))
    parts = [part(whole, 40 * k, 40 * k + 45) for k in range(n_fragments)]
    started = time.process_time()
    windows = ClockWindows(DAY_NS, DAY_NS + n_fragments * SECOND // 5, length_s * SECOND, length_s * SECOND)
    found = []
    for piece in parts:
        windows.add([piece])
        found += windows.ready(piece.start_ns)
    found += windows.rest()
    assert sum(clip is not None for clip in clips_of(found, round(length_s * RATE))) >= len(found) - 1
    return time.process_time() - started


@pytest.mark.parametrize("length_s", [5, 600])
def test_thousands_of_tiny_segments_take_time_in_proportion(length_s):
    few, many = fragments_seconds(3_000, length_s), fragments_seconds(12_000, length_s)
    assert many < 10 * few  # 4 times as many; 16 times the time if every one met every other


def test_windows_of_no_length_are_refused():
    with pytest.raises(ValueError, match="above 0"):
        ClockWindows(0, SECOND, 0, SECOND)
