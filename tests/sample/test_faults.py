"""Every fault of the sample's fault table is really in the bytes, where the table says."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import obspy
import pytest
from obspy.io.mseed import ObsPyMSEEDError
from scipy.interpolate import CubicSpline
from seisbatch.sample.faults import FAULTS, Fault

from tests.sample import day_file, days, index_rows, indexed_channel, midnight, read_day

Check = Callable[[Path, Fault], None]
CHECKS: dict[str, Check] = {}
RATE = 20.0
LIMIT = 2**23 - 1
"""The largest count of a 24-bit digitizer."""


def shows(name: str) -> Callable[[Check], Check]:
    """Names the fault of the table that a function looks for."""

    def register(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return register


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_planted_fault_is_in_the_bytes(sample_archive, fault):
    CHECKS[fault.name](sample_archive, fault)


def test_table_has_every_fault_once():
    assert sorted(fault.name for fault in FAULTS) == sorted(CHECKS)
    assert len({(fault.channel, fault.date) for fault in FAULTS}) == len(FAULTS)


def test_channel_days_of_the_table_are_indexed(sample_archive):
    indexed = {(indexed_channel(row), date) for date in days(sample_archive) for row in index_rows(sample_archive, date)}
    assert {(str(fault.channel), fault.date) for fault in FAULTS} <= indexed


def traces_of(root: Path, fault: Fault) -> obspy.Stream:
    """A faulty day's traces as obspy joins its records, by start."""
    stream = read_day(root, str(fault.channel), fault.date)
    stream.traces.sort(key=lambda trace: (trace.stats.starttime, trace.stats.npts))
    return stream


def seconds(trace: obspy.Trace, fault: Fault) -> tuple[float, float]:
    """Times of a trace's first sample, and of the one that would follow its last, in seconds of the day."""
    start = midnight(fault.date)
    return trace.stats.starttime - start, trace.stats.endtime + trace.stats.delta - start


def event_trace(root: Path, channel: str, day: str) -> obspy.Trace:
    """The recording of a day's earthquake, which no fault of day files is in."""
    (path,) = root.glob(f"event_waveforms/*/{day}/*.ms")
    (trace,) = [item for item in obspy.read(str(path), format="MSEED") if item.id == channel]
    return trace


def lag_behind(event: obspy.Trace, day: obspy.Trace) -> float:
    """Seconds by which a day's motion is later than an event file's by their time tags, by least squares of the slope."""
    offset = event.stats.starttime - day.stats.starttime
    times = np.arange(day.stats.npts) * day.stats.delta
    near = (times > offset - 5) & (times < offset + event.stats.npts * event.stats.delta + 5)
    motion = CubicSpline(times[near], day.data[near].astype(float))
    at = offset + np.arange(event.stats.npts) * event.stats.delta
    slope, apart = motion(at, 1), motion(at) - event.data
    return float(-np.sum(slope * apart) / np.sum(slope**2))


@shows("20-minute gap")
def gap_of_20_minutes(root: Path, fault: Fault) -> None:
    before, after = (seconds(trace, fault) for trace in traces_of(root, fault))
    assert before == (0, 36_000)
    assert after == (36_000 + 20 * 60, 86_400)


@shows("300 small gaps")
def small_gaps(root: Path, fault: Fault) -> None:
    stream = traces_of(root, fault)
    assert len(stream) == 301
    pieces = np.array([seconds(trace, fault) for trace in stream])
    assert (pieces[0, 0], pieces[-1, 1]) == (0, 86_400)
    np.testing.assert_allclose(pieces[1:, 0] - pieces[:-1, 1], 6 / RATE, atol=1e-6)
    np.testing.assert_allclose(np.diff(pieces[1:, 0]), 86_400 / 301, atol=0.06)
    assert [trace.id for trace in stream] == [str(fault.channel)] * 301


def _overlap(root: Path, fault: Fault) -> np.ndarray:
    """The second copy less the first, of two minutes from 50 000 s on that are in both."""
    first, second = traces_of(root, fault)
    assert seconds(first, fault) == (0, 50_120)
    assert seconds(second, fault) == (50_000, 86_400)
    return second.data[:2400] - first.data[-2400:]


@shows("overlap, equal samples")
def equal_overlap(root: Path, fault: Fault) -> None:
    assert not _overlap(root, fault).any()


@shows("overlap, unequal samples")
def unequal_overlap(root: Path, fault: Fault) -> None:
    assert _overlap(root, fault).all()


@shows("late start")
def late_start(root: Path, fault: Fault) -> None:
    (trace,) = traces_of(root, fault)
    assert seconds(trace, fault) == (6 * 3600, 86_400)


@shows("three hours of data")
def three_hours(root: Path, fault: Fault) -> None:
    (trace,) = traces_of(root, fault)
    assert seconds(trace, fault) == (30_000, 30_000 + 3 * 3600)


@shows("dead channel")
def dead(root: Path, fault: Fault) -> None:
    (trace,) = traces_of(root, fault)
    assert seconds(trace, fault) == (0, 86_400)
    assert np.ptp(trace.data) == 0


@shows("clipped spikes")
def spikes(root: Path, fault: Fault) -> None:
    (trace,) = traces_of(root, fault)
    at = np.flatnonzero(trace.data == LIMIT) / RATE
    np.testing.assert_array_equal(at, 40_000 + np.arange(40) * 180)
    assert 40_000 + 7200 - at[-1] == 180
    event = event_trace(root, str(fault.channel), "2023_365")
    assert np.abs(np.delete(trace.data, np.flatnonzero(trace.data == LIMIT))).max() == np.abs(event.data).max() < LIMIT / 100


@shows("sub-sample time offset")
def sub_sample_offset(root: Path, fault: Fault) -> None:
    (trace,) = traces_of(root, fault)
    assert trace.stats.starttime - midnight(fault.date) == pytest.approx(0.013, abs=1e-6)
    assert trace.stats.npts == 86_400 * RATE
    event = event_trace(root, str(fault.channel), "2023_365")
    assert (event.stats.starttime - midnight(fault.date)) * RATE % 1 == 0
    # The motion moved with the time tags: without it the lag would be 13 ms.
    assert lag_behind(event, trace) == pytest.approx(0, abs=0.0005)


@shows("rate of 40.000016 Hz")
def odd_rate(root: Path, fault: Fault) -> None:
    (trace,) = traces_of(root, fault)
    assert trace.stats.sampling_rate != 40.0
    assert trace.stats.sampling_rate == pytest.approx(40.000016, abs=2e-6)  # blockette 100 is a float32
    data = day_file(root, str(fault.channel), fault.date).read_bytes()
    (last,) = obspy.read(io.BytesIO(data[-512:]), format="MSEED")
    before_last = trace.stats.npts - last.stats.npts
    rate = before_last / (last.stats.starttime - trace.stats.starttime)
    assert rate == pytest.approx(40.000016, abs=1e-8)
    assert trace.stats.starttime == midnight(fault.date)
    assert last.stats.starttime - midnight(fault.date) + last.stats.npts / rate == pytest.approx(86_400, abs=2 / rate)
    trace.stats.sampling_rate = rate
    event = event_trace(root, str(fault.channel), "2023_365")
    assert event.stats.sampling_rate == 40.0
    # With time tags alone changed, and not the samples, it would be 22 ms off when the earthquake comes.
    assert lag_behind(event, trace) == pytest.approx(0, abs=0.0005)


@shows("day file across midnight")
def across_midnight(root: Path, fault: Fault) -> None:
    (trace,) = traces_of(root, fault)
    assert seconds(trace, fault) == (-20, 86_400 + 15)
    position = days(root).index(fault.date)
    before, after = (read_day(root, str(fault.channel), days(root)[position + step])[0] for step in (-1, 1))
    np.testing.assert_array_equal(trace.data[: 20 * 20], before.data[-20 * 20 :])
    np.testing.assert_array_equal(trace.data[-15 * 20 :], after.data[: 15 * 20])


@shows("other location code")
def other_location(root: Path, fault: Fault) -> None:
    path = day_file(root, str(fault.channel), fault.date)
    assert "_BHZ10_" in path.name
    headers = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 512)
    # Bytes 13 and 14 of a fixed header are the location code.
    assert {bytes(row) for row in headers[:, 13:15]} == {b"00"}
    assert {trace.id for trace in traces_of(root, fault)} == {"XX.JULI.00.BHZ"}


@shows("missing object")
def missing(root: Path, fault: Fault) -> None:
    path = day_file(root, str(fault.channel), fault.date)
    assert not path.exists()
    assert path.parent.is_dir()
    assert path.name in [row["ms_filename"] for row in index_rows(root, fault.date)]


@shows("truncated file")
def truncated(root: Path, fault: Fault) -> None:
    path = day_file(root, str(fault.channel), fault.date)
    assert path.stat().st_size % 512
    whole = path.stat().st_size // 512 * 512
    with path.open("rb") as file:
        records = file.read(whole)
        assert re.match(rb"\d{6}D ", file.read(8)), "the record that is cut begins as one"
    assert len(records) % 512 == 0
    (trace,) = obspy.read(io.BytesIO(records), format="MSEED")
    assert seconds(trace, fault)[1] == pytest.approx(86_400 * 2 / 3, rel=0.02)


@shows("not miniSEED")
def not_miniseed(root: Path, fault: Fault) -> None:
    path = day_file(root, str(fault.channel), fault.date)
    assert path.read_bytes().lstrip().lower().startswith(b"<html")
    with pytest.raises((ObsPyMSEEDError, ValueError)):
        obspy.read(str(path), format="MSEED")


@shows("no StationXML")
def no_stationxml(root: Path, fault: Fault) -> None:
    assert not list(root.rglob(f"*{fault.channel.sta}*.xml"))
    assert len(list(root.glob("FDSNstationXML/XX/*.xml"))) == 11
    assert traces_of(root, fault)[0].stats.npts == 86_400 * RATE


@shows("response epoch changes at noon")
def gain_change(root: Path, fault: Fault) -> None:
    path = root / f"FDSNstationXML/XX/XX_{fault.channel.sta}.xml"
    inventory = obspy.read_inventory(str(path), format="STATIONXML")
    noon = midnight(fault.date) + 43_200
    sensitivities = [
        inventory.get_response(str(fault.channel), time).instrument_sensitivity.value for time in (noon - 1, noon + 1)
    ]
    assert sensitivities[1] / sensitivities[0] == pytest.approx(2)
    assert sorted(channel.start_date for channel in inventory[0][0])[1] == noon
    (trace,) = traces_of(root, fault)
    half_hours = trace.data.reshape(48, -1).astype(float)
    loudness = np.sqrt(np.median(half_hours**2, axis=1))
    # Within a few percent from half hour to half hour, and twice that from noon on.
    np.testing.assert_allclose(loudness / loudness[:24].mean(), np.repeat([1.0, 2.0], 24), rtol=0.15)
    assert loudness[24:].mean() / loudness[:24].mean() == pytest.approx(2, rel=0.03)
