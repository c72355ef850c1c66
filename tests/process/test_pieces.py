"""Windows cut out of segments, and pieces joined."""

from __future__ import annotations

import numpy as np
import pytest
from seisbatch.process.pieces import cut, join
from seisbatch.process.segments import Segment

SECOND = 10**9
START_NS = 1_641_081_600 * SECOND


@pytest.mark.parametrize(
    ("from_s", "to_s", "expected"),
    [(0, 1, (0, 10)), (0.05, 0.95, (1, 10)), (-5, 0.31, (0, 4)), (9.5, 20, (95, 100)), (10, 20, None), (0.31, 0.39, None)],
)
def test_a_cut_is_half_open(from_s, to_s, expected):
    segment = Segment(START_NS, 10.0, np.arange(100, dtype=np.int32))
    found = cut([segment], START_NS + round(from_s * SECOND), START_NS + round(to_s * SECOND))
    if expected is None:
        assert found == []
    else:
        (piece,) = found
        assert (piece.samples[0], piece.samples[-1] + 1) == expected
        assert piece.start_ns == START_NS + expected[0] * SECOND // 10


def runs(pieces):
    """First, last and start [s] of made pieces whose samples count tenths of seconds."""
    return [(int(p.samples[0]), int(p.samples[-1]), round((p.start_ns - START_NS) / SECOND, 3)) for p in pieces]


def part(first, stop, *, late=0.0, add=0):
    samples = np.arange(first, stop, dtype=np.int32) + add
    return Segment(START_NS + round((first / 10 + late) * SECOND), 10.0, samples)


def test_contiguous_pieces_are_one():
    assert runs(join([part(0, 50), part(50, 80, late=0.04), part(80, 90)])) == [(0, 89, 0.0)]


def test_a_gap_stays():
    assert runs(join([part(0, 50), part(51, 80)])) == [(0, 49, 0.0), (51, 79, 5.1)]


def test_an_equal_overlap_is_kept_once():
    assert runs(join([part(0, 50), part(40, 80)])) == [(0, 79, 0.0)]
    assert runs(join([part(0, 50), part(10, 20), part(50, 60)])) == [(0, 59, 0.0)]


def test_an_unequal_overlap_is_left_as_it_is():
    found = join([part(0, 50), part(40, 80, add=1)])
    assert [len(piece.samples) for piece in found] == [50, 40]


def test_other_rates_and_types_are_not_joined():
    other = Segment(START_NS + 5 * SECOND, 20.0, np.arange(5, dtype=np.int32))
    floats = Segment(START_NS + 5 * SECOND, 10.0, np.arange(5, dtype=np.float32))
    assert len(join([part(0, 50), other])) == 2
    assert len(join([part(0, 50), floats])) == 2
