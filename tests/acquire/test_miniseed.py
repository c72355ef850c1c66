from __future__ import annotations

import pickle
import struct
import threading
import time
import tracemalloc
import warnings
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from miniseed_files import (
    ENCODINGS,
    OBSPY,
    REAL,
    START_NS,
    joined,
    obspy_read,
    obspy_records,
    packaged,
    records,
    signal,
)
from obspy import UTCDateTime
from pymseed import MS3Record
from seisbatch.acquire import miniseed
from seisbatch.acquire.miniseed import decode
from seisbatch.acquire.scan import scan
from seisbatch.names import parse_channel
from seisbatch.outcome import Corrupt, Rejected, UnitError

CCA = parse_channel("CI.CCA..BHN")

NOT_WELL_FORMED = {
    "full SEED: control headers stand before or between the data records": {
        "RJOB.BW.EHZ.D.300806.0000.fullseed", "blockette008.mseed", "fullseed.mseed", "fullseed_dataquality_M.mseed",
        "fullseed_dataquality_Q.mseed", "fullseed_dataquality_R.mseed",
    },
    "no blockette 1000 in the last record: its length is not known": {
        "no-blockette1000-steim1.mseed", "mseed_no_blkt_1000.mseed", "mseed_not_a_single_blkt_48byte_data_offset.mseed",
    },
    "noise, or a piece of a record, where a record should be": {
        "brokenlastrecord.mseed", "corrupt_one_extra_byte_at_end.mseed", "single_record_plus_noise_record.mseed",
        "various_noise_records.mseed",
    },
    "text": {
        "text-encoded.mseed", "fullASCII_bigEndian.mseed", "fullASCII_littleEndian.mseed", "smallASCII_bigEndian.mseed",
        "smallASCII_littleEndian.mseed", "rt130_sr0_cropped.mseed",
    },
    "codes that FDSN does not allow": {
        "nan_float32.mseed", "nan_float64.mseed", "gecko_non_ascii_header.ms", "2005-07-23-1452-04S.CER___030.mseed",
        "D1360930.203.mseed",
    },
    "an impossible header": {"microsecond_wrap.mseed"},
    "header and data of different byte order": {"endiantest.be-header.le-data.mseed"},
}  # fmt: skip


# -- against obspy ----------------------------------------------------------------------------------------------------


def same_samples(data: bytes) -> None:
    """What decode gives is what obspy gives: channel by channel, samples, starts and lengths."""
    ours = decode(data)
    theirs: dict[str, list] = {}
    for trace in obspy_read(data):
        if len(trace):
            theirs.setdefault(trace.id.replace(" ", ""), []).append(trace)
    assert {str(name) for name, segments in ours.items() if segments} == set(theirs)
    for name, segments in ours.items():
        if not segments:
            continue
        traces = sorted(theirs[str(name)], key=lambda trace: trace.stats.starttime.ns)
        mine = sorted(segments, key=lambda segment: segment.start_ns)
        np.testing.assert_array_equal(joined([s.samples for s in mine]), joined([t.data for t in traces]))
        assert abs(mine[0].start_ns - traces[0].stats.starttime.ns) <= 1000


@pytest.mark.skipif(not REAL.is_dir(), reason="no real files: set SEISBATCH_TEST_DATA")
@pytest.mark.parametrize("name", ["CICCA__BHN", "CIHEC__BHN", "NCH"])
def test_real_files(name: str) -> None:
    (path,) = [path for path in REAL.rglob("*.ms") if name in path.name]
    same_samples(path.read_bytes())


@pytest.mark.skipif(not REAL.is_dir(), reason="no real files: set SEISBATCH_TEST_DATA")
def test_a_real_day_is_one_segment_in_one_array() -> None:
    data = (REAL / "continuous_waveforms/2022/2022_002/CICCA__BHN___2022002.ms").read_bytes()
    ((name, (segment,)),) = decode(data).items()
    assert name == CCA
    assert segment.start_ns == UTCDateTime(2022, 1, 2, 0, 0, 0, 19538).ns
    assert segment.samples.dtype == np.int32
    assert segment.samples.flags.owndata
    assert len(segment.samples) == 86400 * 40
    assert segment.rate == pytest.approx(40, rel=1e-9)


@pytest.mark.parametrize("path", packaged(), ids=lambda path: path.name)
def test_packaged_files_have_one_outcome_each(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = path.read_bytes()
    started = time.process_time()
    try:
        outcome = decode(data)
    except UnitError as error:
        outcome = error
    assert time.process_time() - started < 5
    assert capfd.readouterr() == ("", "")
    if isinstance(outcome, UnitError):
        assert isinstance(outcome, Corrupt)
        assert str(outcome)
        known = path.name in set().union(*NOT_WELL_FORMED.values())
        if not known:  # then obspy finds no samples in it either
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    samples = sum(len(trace) for trace in obspy_read(data))
                except Exception:  # noqa: BLE001
                    samples = 0
            assert samples == 0
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same_samples(data)


def test_most_packaged_files_decode() -> None:
    def decodes(path: Path) -> bool:
        try:
            decode(path.read_bytes())
        except Corrupt:
            return False
        return True

    files = packaged()
    assert sum(map(decodes, files)) >= 80
    names = {path.name for path in files}
    assert set().union(*NOT_WELL_FORMED.values()) <= names


# -- made files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [256, 512, 1024, 2048, 4096, 8192])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("encoding", ["STEIM1", "STEIM2", "INT16", "INT32", "FLOAT32", "FLOAT64"])
def test_miniseed_2(encoding: str, order: str, length: int) -> None:
    samples = signal(5000) % 30_000
    kind = {"INT16": np.int16, "FLOAT32": np.float32, "FLOAT64": np.float64}.get(encoding, np.int32)
    data = obspy_records(samples.astype(kind), encoding=encoding, byteorder=order, reclen=length)
    ((name, (segment,)),) = decode(data).items()
    assert name == CCA
    np.testing.assert_array_equal(segment.samples, samples)
    assert segment.samples.dtype == {np.int16: np.int32}.get(kind, kind)
    assert (segment.start_ns, segment.rate) == (START_NS, 40.0)


@pytest.mark.parametrize("length", [256, 512, 4096, 100_000])
@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_miniseed_3(encoding: str, length: int) -> None:
    samples = signal(5000) % 30_000
    data = records(samples, encoding=encoding, length=length, version=3, start_ns=START_NS + 1)
    ((name, (segment,)),) = decode(data).items()
    assert name == CCA
    np.testing.assert_array_equal(segment.samples, samples)
    assert segment.samples.dtype == ENCODINGS[encoding][1]
    assert segment.start_ns == START_NS + 1


def test_floats_that_are_no_numbers_come_through() -> None:
    samples = np.array([1.5, np.nan, np.inf, -0.0], np.float32)
    ((_, (segment,)),) = decode(records(samples, encoding="float32")).items()
    np.testing.assert_array_equal(segment.samples, samples)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer(wrap) -> None:
    assert len(decode(wrap(records(signal(1000))))[CCA][0].samples) == 1000


def test_versions_lengths_and_encodings_in_one_object() -> None:
    samples = signal(3000)
    second = 1_000_000_000
    data = (
        records(samples[:1000], encoding="steim1", length=512)
        + records(samples[1000:2000], start_ns=START_NS + 25 * second, length=4096, version=3)
        + records(samples[2000:], start_ns=START_NS + 50 * second, length=256, encoding="int32")
    )
    ((_, (segment,)),) = decode(data).items()
    np.testing.assert_array_equal(segment.samples, samples)


def test_many_channels_of_an_event() -> None:
    parts, expected = [], {}
    for number in range(700):
        samples = signal(300, number)
        parts.append(records(samples, source_id=f"FDSN:CI_S{number:04d}_10_H_H_Z"))
        expected[parse_channel(f"CI.S{number:04d}.10.HHZ")] = samples
    decoded = decode(b"".join(parts))
    assert list(decoded) == sorted(expected)
    for name, (segment,) in decoded.items():
        np.testing.assert_array_equal(segment.samples, expected[name])


def test_records_that_change_type_within_a_channel() -> None:
    data = records(signal(400)) + records(signal(400), start_ns=START_NS + 10_000_000_000, encoding="float64")
    try:
        decoded = decode(data)
    except Corrupt:
        return
    assert sorted(segment.samples.dtype.kind for segment in decoded[CCA]) == ["f", "i"]


# -- segments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("late", "n_segments"), [(0.0, 1), (0.45, 1), (-0.45, 1), (0.55, 2), (-0.55, 2), (1.0, 2), (40, 2)])
def test_records_within_half_a_sample_are_joined(late: float, n_segments: int) -> None:
    step = 25_000_000
    data = records(signal(1000)) + records(signal(1000, 1), start_ns=START_NS + round((1000 + late) * step))
    segments = decode(data)[CCA]
    assert len(segments) == n_segments
    assert sum(len(segment.samples) for segment in segments) == 2000


def test_records_out_of_order_are_put_in_order() -> None:
    samples = signal(4000)
    data = records(samples)
    pieces = [data[at : at + 512] for at in range(0, len(data), 512)]
    ((_, (segment,)),) = decode(b"".join(reversed(pieces))).items()
    np.testing.assert_array_equal(segment.samples, samples)
    assert segment.start_ns == START_NS


def test_a_record_twice_is_kept_twice() -> None:
    data = records(signal(3000))
    assert sum(len(s.samples) for s in decode(data + data[512:1024])[CCA]) > 3000


def test_five_thousand_gaps() -> None:
    step = 25_000_000
    parts = [records(signal(40, n), start_ns=START_NS + n * 80 * step, length=256) for n in range(5000)]
    started = time.process_time()
    segments = decode(b"".join(parts))[CCA]
    assert time.process_time() - started < 5
    assert len(segments) == 5000
    assert [segment.start_ns for segment in segments] == [START_NS + n * 80 * step for n in range(5000)]


def hostile_pieces(n: int) -> bytes:
    """Records of a channel that are all apart, in no order."""
    record = bytearray(records(np.arange(8), length=128, encoding="int32"))
    days = np.random.default_rng(1).permutation(n)
    parts = []
    for number in days:
        minute = int(number) * 3
        struct.pack_into(
            ">HHBBB", record, 20, 1970 + minute // 525_600, 1 + minute // 1440 % 365, minute // 60 % 24, minute % 60, 0
        )
        parts.append(bytes(record))
    return b"".join(parts)


@pytest.mark.parametrize("n", [20_000, 100_000])
def test_too_many_pieces_are_refused_soon(n: int) -> None:
    data = hostile_pieces(n)
    started = time.process_time()
    with pytest.raises(Rejected, match="more than 10000 segments"):
        decode(data)
    assert time.process_time() - started < 10


def test_too_many_channels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniseed, "MAX_CHANNELS", 3)
    data = b"".join(records(signal(10), source_id=f"FDSN:CI_S{n}__B_H_Z") for n in range(4))
    with pytest.raises(Rejected, match="more than 3 channels"):
        decode(data)


def test_records_without_samples_are_passed_over() -> None:
    path = OBSPY / "io/mseed/tests/data/three_records_zero_data_in_middle.mseed"
    same_samples(path.read_bytes())
    event = (OBSPY / "io/mseed/src/libmseed/test/data/detection.record.mseed").read_bytes()
    assert list(decode(event).values()) == [[]]


# -- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [40.000016, 39.99998, 40.0])
def test_a_day_s_rate_is_measured_from_its_time_tags(rate: float) -> None:
    data = drifting(rate, hours=24)
    (segment,) = decode(data)[CCA]
    assert segment.rate == pytest.approx(rate, rel=3e-9)


def test_a_short_segment_has_its_header_s_rate() -> None:
    (segment,) = decode(drifting(40.0004, hours=0.5))[CCA]
    assert segment.rate == 40.0


def drifting(rate: float, hours: float) -> bytes:
    """Records whose header says 40 Hz, and whose time tags tell another rate."""
    each = 4000
    count = round(hours * 3600 * 40 / each)
    return b"".join(
        records(np.zeros(each, np.int32), start_ns=START_NS + round(n * each / rate * 1e9), length=8192, version=3)
        for n in range(count)
    )


@pytest.mark.parametrize("rate", [0.01, 1.0, 100.0, 64_000.0])
def test_slow_and_fast(rate: float) -> None:
    (segment,) = decode(records(signal(500), rate=rate))[CCA]
    assert segment.rate == pytest.approx(rate, rel=1e-6)


# -- what is refused --------------------------------------------------------------------------------------------------


def test_nothing() -> None:
    with pytest.raises(Corrupt, match=r"^0 bytes$"):
        decode(b"")


@pytest.mark.parametrize("keep", [1, 39, 40, 47, 48, 100, 511, 513, 512 * 3 + 1, 512 * 4 - 1])
def test_a_cut_file_says_where(keep: int) -> None:
    data = records(signal(5000))
    whole = keep // 512
    told = rf"truncated: byte {whole * 512}: .*\({whole} whole records, then {keep - whole * 512} bytes\)$"
    with pytest.raises(Corrupt, match=f"^{told if whole else 'not miniSEED: '}"):
        decode(data[:keep])


@pytest.mark.parametrize("version", [2, 3])
def test_every_way_to_cut_a_file(version: int) -> None:
    data = records(signal(3000), version=version)
    ends = []
    for record in MS3Record.from_buffer(data):
        ends.append((ends[-1] if ends else 0) + record.reclen)
    for keep in range(1, len(data)):
        if keep in ends:
            decode(data[:keep])
        else:
            with pytest.raises(Corrupt):
                decode(data[:keep])


def test_a_cut_file_of_mixed_lengths_that_has_as_many_records_as_an_even_one() -> None:
    data = records(signal(100)) + records(signal(50, 1), start_ns=START_NS + 10**12, length=256)
    data += (
        records(signal(100, 2), start_ns=START_NS + 2 * 10**12) + records(signal(100, 3), start_ns=START_NS + 3 * 10**12)[:256]
    )
    assert len(data) == 3 * 512
    with pytest.raises(Corrupt, match="^byte 1280: .*3 whole records, then 256 bytes"):
        decode(data)


def test_a_length_that_does_not_come_first_is_found_all_the_same() -> None:
    """Blockette 1001 before blockette 1000."""
    samples = signal(3000)
    data = bytearray(obspy_records(samples, encoding="STEIM2", reclen=512))
    for at in range(0, len(data), 512):
        head = data[at : at + 64]
        blockette = bytes(head[48:56])
        data[at + 39] = 2
        data[at + 48 : at + 56] = struct.pack(">HHBBBB", 1001, 56, 100, 0, 0, 0)
        data[at + 56 : at + 64] = struct.pack(">HH", 1000, 0) + blockette[4:]
    ((_, (segment,)),) = decode(bytes(data)).items()
    np.testing.assert_array_equal(segment.samples, samples)


@pytest.mark.parametrize("junk", [b"\0" * 512, b"junk" * 128, b"x", b"\0" * 100, b"<html>" * 100])
def test_anything_between_records(junk: bytes) -> None:
    data = records(signal(5000))
    for at in (0, 1024, len(data)):
        with pytest.raises(Corrupt, match=f"^byte {at}: " if at else "^not miniSEED: "):
            decode(data[:at] + junk + data[at:])


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("/tmp/seisbatch-was-here"),)


def zipped(data: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.ms", data)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Bomb()),
        zipped(records(signal(1000))),
        zipped(b"\0" * 10_000_000),
        b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>",
        b"\x1f\x8b" + b"\0" * 600,
        b"RIFF" + b"\0" * 1000,
        b"000001D " + b"\xff" * 504,
        b"MS\x03" + b"\xff" * 509,
        b"\xff" * 4096,
    ],
)
def test_what_is_not_miniseed(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    marker = Path("/tmp/seisbatch-was-here")
    marker.unlink(missing_ok=True)
    with pytest.raises(Corrupt):
        decode(data)
    assert not marker.exists()
    assert capfd.readouterr() == ("", "")


def test_text() -> None:
    with pytest.raises(Corrupt, match="records hold text, not samples"):
        decode((OBSPY / "io/mseed/src/libmseed/test/data/text-encoded.mseed").read_bytes())


def test_bad_codes() -> None:
    data = bytearray(records(signal(100)))
    data[8:13] = b"../x "
    with pytest.raises(Corrupt, match="records name no channel"):
        decode(data)


@pytest.mark.parametrize("count", [0xFFFF, 30_000])
def test_headers_that_promise_more_than_there_is(count: int) -> None:
    data = bytearray(records(signal(100)))
    struct.pack_into(">H", data, 30, count)
    tracemalloc.start()
    with pytest.raises(Corrupt):
        decode(bytes(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_headers_of_version_3_that_promise_four_thousand_million_samples() -> None:
    data = bytearray(records(signal(100), version=3))
    struct.pack_into("<I", data, 24, 0xFFFFFFF0)
    struct.pack_into("<I", data, 28, 0)
    with pytest.raises(Corrupt):
        decode(bytes(data))


@pytest.mark.parametrize("offset", [20, 24, 28, 30, 32, 34, 39, 44, 46, 48, 50, 52, 53, 54])
@pytest.mark.parametrize("value", [0, 1, 0x7F, 0x80, 0xFF])
def test_any_byte_of_a_header(offset: int, value: int) -> None:
    data = bytearray(records(signal(3000)))
    data[offset] = value
    try:
        decoded = decode(bytes(data))
    except UnitError:
        return
    assert sum(len(segment.samples) for segments in decoded.values() for segment in segments) <= 2 * len(data)


def test_workers_that_decode_at_the_same_time() -> None:
    good, bad = records(signal(20_000)), records(signal(20_000))[:-7]
    errors: list[object] = []

    def work() -> None:
        for _ in range(10):
            if len(decode(good)[CCA][0].samples) != 20_000:
                errors.append("samples")
            try:
                decode(bad)
                errors.append("not refused")
            except Corrupt:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("day", ["2016-12-31", "2015-12-31"])
def test_a_day_that_ends_with_a_leap_second(day):
    """The last record reaches beyond midnight; the rate is the recorder's, not a second's worth off."""
    start_ns = UTCDateTime(day).ns
    data = records(signal(20 * 86_400 + 40), rate=20.0, start_ns=start_ns)
    ((segment,),) = decode(data).values()
    assert abs(segment.rate / 20.0 - 1) < 1e-9
    pieces = list(scan(data))
    assert pieces[0].start_ns == start_ns
    assert sum(piece.n_samples for piece in pieces) == 20 * 86_400 + 40
    assert abs(pieces[-1].last_ns - start_ns - 86_401.95 * 1e9) < 1e9 + 1e6
