from __future__ import annotations

import numpy as np
import pytest
from seisbatch.process import long_fft


@pytest.mark.parametrize("length", [2, 10, 4096, 100_000, 2 * 50_021, 33 * 2 * 997, 225 * 226, 2**18, 2 * 3**5 * 5**4])
@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 3e-6), (np.float64, 1e-13)])
def test_a_long_transform_is_numpys_in_another_order(length, dtype, limit):
    samples = np.random.default_rng(length).standard_normal(length)
    expected = np.fft.rfft(samples)
    spectrum = long_fft.forward(samples.astype(dtype))
    in_order = long_fft.arranged(expected, length)
    scale = np.abs(expected).max()
    assert np.abs(spectrum - in_order).max() < limit * scale
    assert abs(spectrum[long_fft.last_bin(length)] - expected[-1]) < limit * scale
    back = long_fft.backward(spectrum, length)
    assert back.dtype == dtype
    assert np.abs(back - samples).max() < limit * np.abs(samples).max() * 10


def test_a_day_is_a_matrix_of_short_rows_and_columns():
    rows = long_fft.n_rows(9_447_840)
    assert 9_447_840 % rows == 0
    assert max(rows, 9_447_840 // rows) < 4000
