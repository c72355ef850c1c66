"""Samples of rows out of objects of miniSEED: few requests, and nothing of what is not there."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.acquire.pack import pack
from seisbatch.names import Channel
from seisbatch.outcome import Corrupt, Missing
from seisbatch.process.segments import Segment
from seisbatch.sinks.samples import GAP_BYTES, READ_BYTES, segment_of, with_records
from seisbatch.times import from_datetime

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
NAME = Channel("XX", "ALFA", "", "BHZ")


class Counted(Store):
    """A store that counts what is asked of it."""

    def __init__(self, root) -> None:
        super().__init__(StoreSettings(str(root)))
        self.ranges = []

    def get_ranges(self, key, starts, lengths):
        self.ranges.append(list(zip(starts, lengths, strict=True)))
        return super().get_ranges(key, starts, lengths)


def row(number: int, offset: int, records: bytes, **changed):
    return {"id": f"XX.ALFA..BHZ/w/{number}", "starttime": START, "sampling_rate": 20.0, "npts": 2000, "samples": None,
            "encoding": "miniseed", "dfile": "miniseed/a.ms", "foff": offset, "nbytes": len(records)} | changed  # fmt: skip


@pytest.fixture(scope="module")
def segments():
    rng = np.random.default_rng(3)
    return [np.cumsum(rng.integers(-50, 50, 2000)).astype(np.int32) for _ in range(3000)]


@pytest.fixture(scope="module")
def archive(segments, tmp_path_factory):
    """Three thousand segments, one after another in one object, and the rows that tell where."""
    folder = tmp_path_factory.mktemp("records")
    parts, rows, offset = [], [], 0
    for number, samples in enumerate(segments):
        parts.append(pack(NAME, Segment(from_datetime(START), 20.0, samples)))
        rows.append(row(number, offset, parts[-1]))
        offset += len(parts[-1])
    Store(StoreSettings(str(folder))).put("miniseed/a.ms", b"".join(parts))
    return folder, rows


def test_thousands_of_rows_are_some_requests_and_each_has_its_own_samples(archive, segments):
    folder, rows = archive
    store = Counted(folder)
    found = list(with_records(store, rows))
    assert [told["id"] for told, _ in found] == [told["id"] for told in rows]
    for number, (told, records) in enumerate(found):
        np.testing.assert_array_equal(segment_of(told, records).samples, segments[number])
    n_bytes = sum(told["nbytes"] for told in rows)
    assert n_bytes > 10_000_000
    assert sum(map(len, store.ranges)) <= 1 + n_bytes // READ_BYTES


def test_what_lies_far_apart_is_not_read_with_what_is_between(archive, segments):
    folder, rows = archive
    store = Counted(folder)
    chosen = [rows[number] for number in (2990, 10, 11, 1500)]
    for told, records in with_records(store, chosen):
        np.testing.assert_array_equal(segment_of(told, records).samples, segments[int(told["id"].split("/")[-1])])
    (ranges,) = store.ranges
    assert len(ranges) == 3
    assert sum(length for _, length in ranges) < sum(told["nbytes"] for told in chosen) + GAP_BYTES


def test_rows_of_either_kind_together(archive, segments):
    folder, rows = archive
    body = (folder / "miniseed/a.ms").read_bytes()
    own = {**rows[1], "samples": body[rows[1]["foff"] :][: rows[1]["nbytes"]], "dfile": None, "foff": None, "nbytes": None}
    found = [
        segment_of(told, records).samples for told, records in with_records(Store(StoreSettings(str(folder))), [own, rows[0]])
    ]
    np.testing.assert_array_equal(found, [segments[1], segments[0]])


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"dfile": "miniseed/b.ms"}, Missing, "no object miniseed/b.ms"),
        ({"dfile": "../secret"}, Corrupt, "no valid key"),
        ({"dfile": None}, Corrupt, "names no records"),
        ({"nbytes": None}, Corrupt, "names no records"),
        ({"foff": -5}, Corrupt, "names no records"),
        ({"nbytes": 1 << 40}, Corrupt, "ends within the records"),
        ({"foff": 1 << 40}, Corrupt, "ends within the records"),
        ({"foff": 1}, Corrupt, "miniSEED"),
        ({"npts": 1999}, Corrupt, "not those of XX.ALFA..BHZ/w/7"),
        ({"starttime": START + dt.timedelta(seconds=1)}, Corrupt, "not those of"),
        ({"encoding": "float32"}, Corrupt, "encoded as float32"),
    ],
)
def test_a_row_whose_records_are_not_there_says_so_and_no_other_row_does(archive, segments, changed, error, message):
    folder, rows = archive
    (told, records), (other, theirs) = with_records(Store(StoreSettings(str(folder))), [{**rows[7], **changed}, rows[9]])
    with pytest.raises(error, match=message):
        segment_of(told, records)
    np.testing.assert_array_equal(segment_of(other, theirs).samples, segments[9])
