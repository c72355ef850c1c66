"""A window read by ranges is the window of the whole file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from miniseed_files import OBSPY, REAL, START_NS, obspy_records, records
from seisbatch.acquire.miniseed import decode
from seisbatch.acquire.objects import Replaced, Store, StoreSettings
from seisbatch.acquire.pack import Recorded, pack
from seisbatch.acquire.scan import scan
from seisbatch.acquire.window import WHOLE_BYTES, Piece, Records, Span, read_pieces, read_records
from seisbatch.names import Channel
from seisbatch.outcome import Missing, UnitError
from seisbatch.process.pieces import cut
from seisbatch.process.segments import Segment
from seisbatch.sinks.samples import segment_of
from seisbatch.steps.window_objects import ObjectRequest, pieces_of, read_ahead
from seisbatch.times import to_datetime

SECOND = 10**9
DAY = 86_400 * SECOND
START_2056_NS = (86 * 365 + 22) * DAY
"""2056-01-02T00:00:00"""
A_DAY = Span(START_NS, START_NS + DAY)


def noise(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    quiet = rng.normal(0, 20, n)
    quiet[n // 3 : n // 2] *= 200  # an uneven file: some records hold many more samples than others
    return np.cumsum(np.rint(quiet)).astype(np.int32) % 1_000_000


def gappy(**options: object) -> bytes:
    samples = noise(20 * 86_400, 1)
    cuts = [0, 200_000, 230_000, 900_000, 901_000, 1_728_000]
    runs = [(first + 500 * number, stop) for number, (first, stop) in enumerate(zip(cuts[:-1], cuts[1:], strict=True))]
    return b"".join(
        records(samples[first:stop], rate=20.0, start_ns=START_NS + first * SECOND // 20, **options) for first, stop in runs
    )


def by_start(*runs: bytes, length: int) -> bytes:
    """The records of some runs, by their times: of the same channel, side by side."""
    cut_up = [run[at : at + length] for run in runs for at in range(0, len(run), length)]
    return b"".join(sorted(cut_up, key=lambda record: record[20:30]))


def with_header_rate(data: bytes, rate: int, length: int = 512) -> bytes:
    """Records of 1 Hz with a blockette 100, which tells so and holds, and another rate in their headers."""
    out = np.frombuffer(data, np.uint8).reshape(-1, length).copy()
    assert not out[:, 56:64].any()  # there is room
    for at, field in ((32, struct.pack(">hh", rate, 1)), (39, b"\2"), (50, b"\0\x38"), (56, struct.pack(">HHf", 100, 0, 1.0))):
        out[:, at : at + len(field)] = np.frombuffer(field, np.uint8)
    return out.tobytes()


def whole_blocks(run: bytes, length: int) -> bytes:
    """As many records as fill blocks of a length."""
    return run[: len(run) // length * length]


def corrected(data: bytes, seconds: int, length: int = 512) -> bytes:
    """Records whose headers ask that their clock be corrected."""
    out = np.frombuffer(data, np.uint8).reshape(-1, length).copy()
    out[:, 40:44] = np.frombuffer((seconds * 10_000).to_bytes(4, "big", signed=True), np.uint8)
    return out.tobytes()


def made_files() -> dict[str, bytes]:
    day = noise(20 * 86_400)
    files = {f"records of {length}": records(day, rate=20.0, length=length) for length in (128, 256, 512, 1024, 4096)}
    for order, name in (("<", "little"), (">", "big")):
        files[f"{name} endian"] = obspy_records(day[:800_000], encoding="STEIM2", reclen=512, byteorder=order)
    files["gaps"] = gappy(length=512)
    files["late start"] = records(day[800_000:], rate=20.0, start_ns=START_NS + 40_000 * SECOND)
    files["early end"] = records(day[:500_000], rate=20.0)
    files["three days"] = records(np.tile(day, 3), rate=20.0)
    overlap = [records(day[:900_000], rate=20.0), records(day[898_000:], rate=20.0, start_ns=START_NS + 44_900 * SECOND)]
    files["overlap"] = b"".join(overlap)
    quiet, shifted = day[:900_000] // 10_000, START_NS + 25_000 * SECOND + SECOND // 50
    runs = records(quiet, rate=20.0, length=4096), records(day[500_000:], rate=20.0, length=4096, start_ns=shifted)
    files["side by side"] = by_start(*runs, length=4096)
    files["a record an hour"] = records(np.arange(30 * 86_400) // 500, rate=1.0, length=4096)
    late = (day[:864_000], 0), (day[1_008_000:], 50_400), (day[864_000:1_008_000], 43_200)  # what came late stands at the end
    files["late records"] = b"".join(records(part, rate=20.0, start_ns=START_NS + begins * SECOND) for part, begins in late)
    files["lengths change"] = whole_blocks(records(day[:86_400], rate=1.0), 4096) + records(
        day[:800_000], rate=20.0, length=4096, start_ns=START_NS + 86_400 * SECOND
    )
    files["a rate of the header's own"] = with_header_rate(records(day[:259_200], rate=1.0), 100)
    files["in 2056"] = records(day, rate=20.0, start_ns=START_2056_NS)  # a year that is the same in either byte order
    files["floats"] = records(np.sin(np.arange(400_000)), rate=20.0, encoding="float32", length=4096)
    return files


MADE = made_files()
WHOLE_ONLY = {
    "miniSEED 3": records(noise(400_000), rate=20.0, version=3),
    "lengths mixed": records(noise(400_000), rate=20.0)
    + records(noise(400_000), rate=20.0, length=1024, start_ns=START_NS + DAY),
    "clock corrected": corrected(records(noise(400_000), rate=20.0), 500),
    "out of order": records(noise(300_000), rate=20.0, start_ns=START_NS + DAY // 2) + records(noise(300_000), rate=20.0),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(StoreSettings(str(tmp_path / "root")))


def read(store: Store, start_ns: int, end_ns: int, name: Channel | None = None) -> Records | None:
    name = name or Channel("CI", "CCA", "", "BHN")
    return read_records(store, "k", name, Span(start_ns, end_ns), supposed=A_DAY)


def pieces(data: object, start_ns: int, end_ns: int) -> dict[Channel, list[Segment]]:
    found = {name: cut(segments, start_ns, end_ns) for name, segments in decode(data).items()}
    return {name: segments for name, segments in found.items() if segments}


def assert_same(some: dict[Channel, list[Segment]], whole: dict[Channel, list[Segment]]) -> None:
    assert some.keys() == whole.keys()
    for name, segments in some.items():
        assert len(segments) == len(whole[name])
        for one, other in zip(segments, whole[name], strict=True):
            np.testing.assert_array_equal(one.samples, other.samples)
            assert abs(one.start_ns - other.start_ns) < 0.1 * SECOND / one.rate


def windows(data: bytes, number: int, seed: int) -> list[tuple[int, int]]:
    """Random windows about what a file holds, some of them beyond it."""
    segments = [segment for found in decode(data).values() for segment in found]
    first, last = min(s.start_ns for s in segments), max(s.end_ns for s in segments)
    rng = np.random.default_rng(seed)
    starts = rng.uniform(first - 600 * SECOND, last + 600 * SECOND, number)
    lengths = rng.choice([1, 10, 300, 3600, 20_000], number) * SECOND
    return [(int(start), int(start + length)) for start, length in zip(starts, lengths, strict=True)]


@pytest.mark.parametrize("name", MADE)
def test_a_window_by_range_is_the_window_of_the_whole(name: str, store: Store) -> None:
    data = MADE[name]
    store.put("k", data)
    whole = decode(data)
    ranged = recorded = 0
    for start_ns, end_ns in windows(data, 80, len(name)):
        found = read(store, start_ns, end_ns)
        if found is None:
            continue
        ranged += 1
        expected = {channel: cut(segments, start_ns, end_ns) for channel, segments in whole.items()}
        some = pieces(found.body, start_ns, end_ns) if len(found.body) else {}
        assert_same(some, {channel: segments for channel, segments in expected.items() if segments})
        if len(found.body):
            recorded += own_records_hold_the_same(store, found, Span(start_ns, end_ns))
    assert ranged > 30  # most windows need no whole file
    if name.startswith(("records", "little", "big", "floats")):
        assert recorded > 20


@pytest.mark.parametrize("ppm", [2, 5, 500])
def test_a_clock_that_runs_off_leaves_rows_that_can_be_read(ppm: int, store: Store) -> None:
    """Each record's time is its own; the segment's times are on a straight line between the first and the last."""
    samples = noise(800 * 2000)
    data = b"".join(
        records(samples[n : n + 800], rate=100.0, start_ns=START_NS + round(n * (1 + ppm * 1e-6) / 100 * 1e4) * 100_000)
        for n in range(0, len(samples), 800)
    )
    store.put("k", data)
    for number in range(10):
        span = Span(START_NS + (500 + 997 * number) * SECOND, START_NS + (3500 + 997 * number) * SECOND)
        found = read(store, span.start_ns, span.end_ns)
        assert found is not None
        ((name, cut_out),) = pieces_of(
            store, ObjectRequest("k", Channel("CI", "CCA", "", "BHN"), span, A_DAY), found, dict
        ).items()
        for piece in cut_out:
            own = piece.records if isinstance(piece, Recorded) else pack(name, piece)
            row = {"id": "x", "encoding": "miniseed", "sampling_rate": piece.rate, "npts": len(piece.samples),
                   "starttime": to_datetime(piece.start_ns)}  # fmt: skip
            np.testing.assert_array_equal(segment_of(row, own).samples, piece.samples)


def test_another_location_in_the_same_object_is_not_taken_for_it(store: Store) -> None:
    other = records(noise(600_000, 3), rate=20.0, source_id="FDSN:CI_CCA_10_B_H_N", start_ns=START_NS + 10_000 * SECOND)
    data = records(noise(600_000), rate=20.0) + other
    store.put("k", data)
    (whole,) = (segments for channel, segments in decode(data).items() if channel.loc == "")
    for start in range(0, 40_000, 2500):
        span = Span(START_NS + start * SECOND, START_NS + (start + 600) * SECOND)
        found = read(store, span.start_ns, span.end_ns, Channel("CI", "CCA", "", "BHN"))
        some = decode(found.body).get(Channel("CI", "CCA", "", "BHN"), []) if found else whole
        expected = cut(whole, span.start_ns, span.end_ns)
        assert_same({"": cut(some, span.start_ns, span.end_ns)}, {"": expected})


def own_records_hold_the_same(store: Store, found: Records, span: Span) -> int:
    """What is kept of an object's own records decodes to the samples that were cut; how many pieces were kept so."""
    (name,) = decode(found.body)
    cut_out = pieces_of(store, ObjectRequest("k", name, span, A_DAY), found, dict)
    kept = [segment for segment in cut_out[name] if isinstance(segment, Recorded)]
    for segment in kept:
        ((again,),) = decode(segment.records).values()
        np.testing.assert_array_equal(again.samples, segment.samples)
        assert again.samples.dtype == segment.samples.dtype
        assert abs(again.start_ns - segment.start_ns) < 0.1 * SECOND / segment.rate
    return len(kept)


@pytest.mark.parametrize("name", [*MADE, "miniSEED 3", "lengths mixed", "out of order", "three channels"])
def test_a_window_by_pieces_is_the_window_of_the_whole(name: str, store: Store) -> None:
    """Where pieces stand is told by an index; of one among several channels in an object too."""
    data = MADE.get(name) or WHOLE_ONLY.get(name) or among_others()
    store.put("k", data)
    channel = Channel("CI", "CCA", "", "BHN")
    pieces_there = [
        Piece(found.start_ns, found.last_ns, found.offset, found.n_bytes, found.record_bytes)
        for found in scan(data)
        if found.name == channel
    ]
    whole = decode(data)[channel]
    version = store.version("k")
    read_of = ranged = 0
    for start_ns, end_ns in windows(data, 60, len(name)):
        span = Span(start_ns, end_ns)
        found = read_pieces(store, "k", channel, span, pieces_there, version=version, max_bytes=1 << 40)
        if found is None:
            assert name == "miniSEED 3"  # its records are of as many lengths as there are
            continue
        ranged += 1
        read_of += found.n_fetched / len(data)
        expected = cut(whole, start_ns, end_ns)
        some = pieces(found.body, start_ns, end_ns).get(channel, []) if len(found.body) else []
        assert_same({channel: some}, {channel: expected})
    assert ranged == 60 or name == "miniSEED 3"
    if name == "records of 512":
        assert read_of / ranged < 0.2


def among_others() -> bytes:
    """A station's day: the channel's records between those of two others."""
    samples = noise(600_000)
    parts = [records(samples + n, rate=20.0, source_id=f"FDSN:CI_CCA__B_H_{letter}") for n, letter in enumerate("ENZ")]
    return b"".join(parts)


def test_pieces_of_another_version_are_refused(store: Store) -> None:
    data = MADE["records of 512"]
    store.put("k", data)
    (found,) = scan(data)
    piece = Piece(found.start_ns, found.last_ns, found.offset, found.n_bytes, found.record_bytes)
    span = Span(START_NS + 3600 * SECOND, START_NS + 7200 * SECOND)
    channel = Channel("CI", "CCA", "", "BHN")
    version = store.version("k")
    store.put("k", data + data[-512:])
    with pytest.raises(Replaced):
        read_pieces(store, "k", channel, span, [piece], version=version, max_bytes=1 << 40)
    store.put("k", data[512 * 7 :])  # without a version the records themselves tell, where they can
    first = Span(START_NS, START_NS + SECOND)
    assert read_pieces(store, "k", channel, first, [piece], version=None, max_bytes=1 << 40) is None
    assert read_pieces(store, "k", channel, span, [piece], version=None, max_bytes=1000) is None


def test_pieces_are_no_more_bytes_together_than_may_be_read(store: Store) -> None:
    data = MADE["gaps"]
    store.put("k", data)
    pieces = [Piece(found.start_ns, found.last_ns, found.offset, found.n_bytes, found.record_bytes) for found in scan(data)]
    most = max(piece.n_bytes for piece in pieces)
    assert most < 0.8 * len(data)
    for max_bytes, is_read in ((len(data) + 10_000, True), (0.9 * len(data), False), (most, False)):
        found = read_pieces(
            store, "k", Channel("CI", "CCA", "", "BHN"), A_DAY, pieces, version=None, max_bytes=int(max_bytes)
        )  # fmt: skip
        assert (found is not None) == is_read


@pytest.mark.parametrize("name", WHOLE_ONLY)
def test_what_does_not_lend_itself_is_read_whole(name: str, store: Store) -> None:
    store.put("k", WHOLE_ONLY[name])
    assert read(store, START_NS + DAY // 4, START_NS + DAY // 4 + 60 * SECOND) is None


def test_an_hour_of_a_day_moves_little(store: Store) -> None:
    data = MADE["records of 512"]
    store.put("k", data)
    for hour in range(1, 23):
        start = START_NS + hour * 3600 * SECOND
        found = read(store, start, start + 3600 * SECOND)
        assert found is not None
        assert found.size == len(data)
        assert len(found.body) < 0.2 * len(data)


@pytest.mark.parametrize("path", sorted(OBSPY.rglob("io/mseed/tests/data/**/*")), ids=lambda path: path.name)
def test_obspys_own_files(path: Path, store: Store) -> None:
    if not path.is_file() or path.stat().st_size == 0:
        return
    data = path.read_bytes()
    store.put("k", data)
    try:
        whole = decode(data)
    except UnitError:
        # What cannot be read whole has no right answer; it must not be taken for one that can, nor crash.
        read(store, START_NS, START_NS + SECOND)
        return
    if not any(whole.values()):
        return
    for start_ns, end_ns in windows(data, 6, 0):
        for name in whole:
            found = read(store, start_ns, end_ns, name)
            if found is not None:
                some, expected = (pieces(body, start_ns, end_ns).get(name, []) for body in (found.body, data))
                assert_same({name: some}, {name: expected})


@pytest.mark.skipif(not REAL.is_dir(), reason="no real files: set SEISBATCH_TEST_DATA")
def test_real_files(store: Store) -> None:
    ranged = 0
    for path in sorted(REAL.rglob("*.ms")):
        data = path.read_bytes()
        store.put("k", data)
        for start_ns, end_ns in windows(data, 100, 1):
            (name,) = decode(data)
            found = read(store, start_ns, end_ns, name)
            if found is not None:
                ranged += 1
                assert_same(pieces(found.body, start_ns, end_ns), pieces(data, start_ns, end_ns))
    assert ranged > 150


def test_what_nobody_foresaw_is_of_one_object_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in "abc":
        store.put(key, MADE["records of 512"])
    own = store.tail

    def tail(key: str, length: int) -> object:
        return {}[key] if key == "b" else own(key, length)

    monkeypatch.setattr(store, "tail", tail)
    span = Span(START_NS + 3600 * SECOND, START_NS + 3700 * SECOND)
    requests = [ObjectRequest(key, Channel("CI", "CCA", "", "BHN"), span, A_DAY) for key in ("a", "b", "../c", "c", "d")]
    found = [item.outcome if isinstance(item, UnitError) else "ok" for item in read_ahead(store, requests, 1 << 28)]
    assert found == ["ok", "failed", "corrupt", "ok", "missing"]


def test_small_empty_and_absent_objects(store: Store) -> None:
    data = records(noise(2000), rate=20.0)
    assert len(data) < WHOLE_BYTES
    store.put("k", data)
    found = read(store, START_NS, START_NS + SECOND)
    assert found is not None
    assert bytes(found.body) == data
    store.put("empty", b"")
    found = read_records(store, "empty", Channel("CI", "CCA", "", "BHN"), Span(START_NS, START_NS + SECOND))
    assert found is not None
    assert len(found.body) == 0
    with pytest.raises(Missing):
        read_records(store, "nothing", Channel("CI", "CCA", "", "BHN"), Span(START_NS, START_NS + SECOND))
