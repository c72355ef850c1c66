"""Assembling segments: gaps, overlaps, rates, the day's edges."""

from __future__ import annotations

import time

import numpy as np
import pytest
from seisbatch.process.segments import DataError, NoSamples, Run, Segment, assemble, cut_run, run_end_ns

from tests.process.made import DAY_NS

DAY = 86_400


def at(seconds: float, samples: np.ndarray, rate: float = 20.0) -> Segment:
    return Segment(DAY_NS + round(seconds * 1e9), rate, samples)


def ramp(n: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + n, dtype=np.int32)


def test_one_whole_segment_is_taken_as_it_is():
    samples = ramp(DAY * 20)
    day = assemble([at(0, samples)], DAY_NS, max_fill=1)
    assert np.shares_memory(day.runs[0].samples, samples)
    assert (day.rate, len(day.runs), day.counts.n_samples, day.counts.n_gaps) == (20.0, 1, DAY * 20, 0)


@pytest.mark.parametrize("late", [-0.4, 0.0, 0.4])
def test_within_half_a_sample_is_contiguous(late):
    day = assemble([at(0, ramp(200)), at(10 + late / 20, ramp(200, 200))], DAY_NS, max_fill=0)
    assert len(day.runs) == 1
    np.testing.assert_array_equal(day.runs[0].samples, ramp(400))
    assert day.counts.n_filled == 0


def test_beyond_half_a_sample_is_a_gap():
    day = assemble([at(0, ramp(200)), at(10 + 0.6 / 20, ramp(200))], DAY_NS, max_fill=0)
    assert len(day.runs) == 2


def test_short_gaps_are_bridged_by_a_line_marked_and_counted():
    day = assemble([at(0, ramp(200)), at(11, ramp(200, 220))], DAY_NS, max_fill=1)
    assert len(day.runs) == 1
    np.testing.assert_array_equal(day.runs[0].samples, ramp(420))
    assert day.runs[0].filled == ((200, 220),)
    assert (day.counts.n_filled, day.counts.n_samples) == (20, 400)
    assert len(assemble([at(0, ramp(200)), at(11.1, ramp(200, 220))], DAY_NS, max_fill=1).runs) == 2


def test_the_clock_across_a_bridge_keeps_its_fraction_of_a_sample():
    late = 0.02  # 0.4 samples
    day = assemble([at(0, ramp(200)), at(10.5 + late, ramp(200))], DAY_NS, max_fill=1)
    run = day.runs[0]
    assert np.interp(0, run.clock_samples, run.clock_seconds) == 0
    assert np.interp(409, run.clock_samples, run.clock_seconds) == pytest.approx(late)


def test_equal_overlap_is_kept_once():
    day = assemble([at(0, ramp(400)), at(10, ramp(400, 200))], DAY_NS, max_fill=0)
    assert len(day.runs) == 1
    np.testing.assert_array_equal(day.runs[0].samples, ramp(600))
    assert day.counts.n_overlap_samples == 200


def test_unequal_overlap_is_left_out_of_both():
    day = assemble([at(0, ramp(400)), at(10, ramp(400, 500))], DAY_NS, max_fill=0)
    assert [(run.start_ns - DAY_NS, len(run.samples)) for run in day.runs] == [(0, 200), (20 * 10**9, 200)]
    np.testing.assert_array_equal(day.runs[1].samples, ramp(200, 700))
    assert day.counts.n_conflict_samples == 400


def test_a_copy_within_a_longer_segment():
    long = ramp(2000)
    inside = at(20, long[400:800])
    assert len(assemble([at(0, long), inside], DAY_NS, max_fill=0).runs) == 1
    differs = at(20, long[400:800] + 1)
    day = assemble([at(0, long), differs], DAY_NS, max_fill=0)
    np.testing.assert_array_equal(np.concatenate([run.samples for run in day.runs]), np.r_[long[:400], long[800:]])


def test_three_copies_in_conflict_leave_nothing_of_the_doubtful_time():
    parts = [at(0, ramp(400)), at(10, ramp(400, 7)), at(12, ramp(100, 99))]
    day = assemble(parts, DAY_NS, max_fill=0)
    kept = sorted((run.start_ns - DAY_NS) / 1e9 for run in day.runs)
    assert kept == [0, 20]
    assert day.counts.n_samples == 400


def test_any_number_of_copies_that_agree_lose_nothing():
    """Pieces of one recording, overlapping at random: all that any of them holds is kept, once."""
    rng = np.random.default_rng(3)
    whole = ramp(4000)
    for _ in range(300):
        firsts = rng.integers(0, 3000, rng.integers(2, 7))
        spans = [(int(first), int(first + rng.integers(20, 1000))) for first in firsts]
        day = assemble([at(first / 20, whole[first:stop]) for first, stop in spans], DAY_NS, max_fill=0)
        held = np.zeros(len(whole), bool)
        for first, stop in spans:
            held[first:stop] = True
        found = np.zeros(len(whole), int)
        for run in day.runs:
            first = round((run.start_ns - DAY_NS) / 1e9 * 20)
            np.testing.assert_array_equal(run.samples, whole[first : first + len(run.samples)])
            found[first : first + len(run.samples)] += 1
        np.testing.assert_array_equal(found, held.astype(int))
        assert day.counts.n_conflict_samples == 0


def test_jittering_rates_are_one_rate_and_the_drift_is_known():
    rate = 40.000016
    day = assemble([at(0, np.zeros(DAY * 40, np.int32), rate)], DAY_NS, max_fill=1)
    run = day.runs[0]
    assert day.rate == 40.0
    last = DAY * 40 - 1
    true_time = last / rate
    assert last / day.rate + np.interp(last, run.clock_samples, run.clock_seconds) == pytest.approx(true_time, abs=1e-6)
    assert day.counts.max_drift_seconds == pytest.approx(DAY * 0.000016 / 40, rel=1e-3)


def test_mixed_jitter_is_unified_and_other_rates_are_refused():
    parts = [at(0, ramp(4000), 40.0), at(100, ramp(4000, 4000), 40.000016)]
    assert len(assemble(parts, DAY_NS, max_fill=1).runs) == 1
    with pytest.raises(DataError, match="sampling rates differ: 20, 40 Hz"):
        assemble([at(0, ramp(100), 20.0), at(100, ramp(100), 40.0)], DAY_NS, max_fill=1)


@pytest.mark.parametrize(("rate", "nominal"), [(99.9995, 100.0), (0.1, 0.1), (1 / 30, 1 / 30), (31.25, 31.25)])
def test_nominal_rates(rate, nominal):
    assert assemble([at(0, ramp(100), rate)], DAY_NS, max_fill=1).rate == pytest.approx(nominal, abs=1e-12)


def test_the_day_is_half_open():
    before, after = at(-10, ramp(400)), at(DAY - 10, ramp(400))
    day = assemble([before, after], DAY_NS, max_fill=0)
    assert [len(run.samples) for run in day.runs] == [200, 200]
    assert day.runs[0].samples[0] == 200
    np.testing.assert_array_equal(day.runs[1].samples, ramp(200))
    # A first sample just before midnight, and the first of the next day.
    edge = assemble([at(-0.02, ramp(DAY * 20 + 1))], DAY_NS, max_fill=0)
    assert len(edge.runs[0].samples) == DAY * 20


def test_nothing_in_the_day():
    with pytest.raises(NoSamples):
        assemble([at(-100, ramp(200))], DAY_NS, max_fill=1)
    with pytest.raises(NoSamples):
        assemble([], DAY_NS, max_fill=1)


def test_samples_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="not finite"):
        assemble([at(0, np.array([1.0, np.nan, 2.0], np.float32))], DAY_NS, max_fill=1)


def test_five_thousand_gaps_take_no_time():
    parts = [at(17 * number, ramp(20 * 15)) for number in range(5000)]
    started = time.process_time()
    day = assemble(parts, DAY_NS, max_fill=1)
    assert time.process_time() - started < 1
    assert len(day.runs) == 5000
    bridged = assemble(parts, DAY_NS, max_fill=2)
    assert (len(bridged.runs), bridged.counts.n_filled) == (1, 4999 * 40)


def test_order_of_segments_does_not_matter():
    rng = np.random.default_rng(3)
    parts = [at(30 * number + rng.uniform(0, 40), ramp(400, int(rng.integers(100)))) for number in range(60)]
    one = assemble(parts, DAY_NS, max_fill=1)
    other = assemble([parts[number] for number in rng.permutation(60)], DAY_NS, max_fill=1)
    assert [run.start_ns for run in one.runs] == [run.start_ns for run in other.runs]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(one.runs, other.runs, strict=True))


def clock(run: Run, numbers: np.ndarray) -> np.ndarray:
    return np.interp(numbers, run.clock_samples, run.clock_seconds)


def drifting_run() -> Run:
    """1,000 samples at 20 Hz, 20 of them bridged, whose clock drifts by 4 ms from the 500th on."""
    parts = [at(0, ramp(400)), at(21, ramp(80, 420)), at(25, ramp(500, 500), rate=20 * (1 - 8e-6))]
    (run,) = assemble(parts, DAY_NS, max_fill=1).runs
    return run


@pytest.mark.parametrize("cuts", [[], [300], [410], [300, 500, 501], [0, 1000], [-5, 2000], [700, 700]])
def test_pieces_of_a_run_put_together_are_the_run(cuts):
    run = drifting_run()
    pieces = cut_run(run, 20.0, [DAY_NS + round(number / 20 * 1e9) for number in cuts])
    assert len(pieces) == len(cuts) + 1
    np.testing.assert_array_equal(np.concatenate([piece.samples for piece in pieces]), run.samples)
    first = 0
    bridged = []
    for piece in pieces:
        n = len(piece.samples)
        if not n:
            continue
        assert np.shares_memory(piece.samples, run.samples)
        assert piece.start_ns == run.start_ns + round(first / 20 * 1e9)
        np.testing.assert_allclose(clock(piece, np.arange(n)), clock(run, first + np.arange(n)), atol=1e-12)
        bridged += [number for one, stop in piece.filled for number in range(first + one, first + stop)]
        first += n
    assert bridged == list(range(400, 420))


def test_a_sample_belongs_to_the_side_that_its_time_tag_is_on():
    """Behind a bridged gap the recorder's samples stand 10 ms late on the grid."""
    segments = [at(0, ramp(2000)), at(100.4, ramp(2000, 2008))]
    (run,) = assemble([segments[0], Segment(segments[1].start_ns + 10**7, 20.0, segments[1].samples)], DAY_NS, max_fill=1).runs
    assert run_end_ns(run, 20.0) == DAY_NS + 200_410_000_000
    instant_ns = DAY_NS + 150_410_000_000
    before, after = cut_run(run, 20.0, [instant_ns])
    assert after.samples[0] == 2008 + 1000
    assert after.start_ns + round(1e9 * clock(after, np.array([0]))[0]) == pytest.approx(instant_ns, abs=2)
    assert run_end_ns(before, 20.0) == pytest.approx(instant_ns, abs=2)
