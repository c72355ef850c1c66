"""The sample's recordings as a stranger reads them, with obspy and scipy: what its constants say is in the bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import obspy
import pytest
from scipy import signal
from seisbatch.outcome import RunError
from seisbatch.sample import hydrophone
from seisbatch.sample.hydrophone import CALLS, CLICKS, GAP, RATE, SENSITIVITY, SHIP, TONES, write_sample_recordings

START = obspy.UTCDateTime("2022-01-02T00:00:00")
NAMES = [f"XS.HYD1..YDH.20220102T00{minute:02d}00.mseed" for minute in (0, 5, 10, 20, 25)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hydrophone") / "recordings"
    write_sample_recordings(folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def traces(folder) -> obspy.Stream:
    """The segments that are whole."""
    stream = obspy.Stream()
    for name in NAMES:
        if "T0020" not in name:
            stream += obspy.read(str(folder / name), format="MSEED")
    return stream.merge(method=-1)


def pressure(traces: obspy.Stream, first: float, last: float) -> np.ndarray:
    """uPa, between two times in seconds after the start."""
    [part] = traces.slice(START + first, START + last - 0.5 / RATE)
    assert part.stats.npts == round((last - first) * RATE)
    return part.data / 10 ** (SENSITIVITY / 20)


def decibels(power: float) -> float:
    return 10 * np.log10(power)


def test_five_files_of_five_minutes_with_one_missing_one_cut_and_a_gap(folder, traces):
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert sum(path.stat().st_size for path in folder.iterdir()) < 25e6
    assert {trace.id for trace in traces} == {"XS.HYD1..YDH"}
    assert {trace.stats.sampling_rate for trace in traces} == {16000.0}
    assert traces[0].data.dtype == np.int32
    spans = [(trace.stats.starttime - START, trace.stats.endtime - START + 1 / RATE) for trace in traces]
    np.testing.assert_allclose(spans, [(0, GAP[0]), (GAP[1], 900), (1500, 1800)], atol=1e-4)
    assert GAP[1] - GAP[0] == pytest.approx(12)
    cut = (folder / NAMES[3]).read_bytes()
    assert len(cut) % 512
    assert obspy.read(str(folder / NAMES[0]), format="MSEED", headonly=True)[0].stats.mseed.encoding == "STEIM2"


def test_noise_has_the_density_that_is_stated(traces):
    frequencies, found = signal.welch(pressure(traces, 1560, 1690), RATE, nperseg=16000)
    for low, high in ((15, 30), (60, 90), (300, 600), (900, 1200), (3000, 4000), (7000, 7900)):
        band = (frequencies >= low) & (frequencies < high)
        expected = 10 ** ((97 - 8.5 * np.log10(1 + (frequencies[band] / 10) ** 2)) / 10)
        assert abs(decibels(found[band].sum() / expected.sum())) < 0.35, (low, high)
    assert decibels(found[1000]) == pytest.approx(63, abs=1)


def test_noise_goes_on_across_files(traces):
    """A step between files would be heard: the samples beside one differ no more than others do."""
    steps = np.abs(np.diff(pressure(traces, 595, 605)))
    assert steps[5 * 16000 - 1] < 4 * steps.std() + steps.mean()


@pytest.mark.parametrize("tone", TONES, ids=lambda tone: f"{tone.frequency:g} Hz")
def test_tones_have_their_levels_across_files_and_come_and_go(traces, tone):
    def level(first, last):
        samples = pressure(traces, first, last)
        wave = np.exp(-2j * np.pi * tone.frequency * np.arange(len(samples)) / RATE)
        return decibels(2 * abs(np.mean(samples * wave)) ** 2)

    assert level(SHIP[1] + 10, 410) == pytest.approx(tone.level, abs=0.1)
    assert level(550, SHIP[2]) == pytest.approx(tone.level, abs=0.1)
    assert level(SHIP[0], SHIP[1]) == pytest.approx(tone.level - 6.02, abs=0.2)  # half the amplitude on average
    assert level(100, SHIP[0]) < tone.level - 25
    assert level(1560, 1660) < tone.level - 25


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.seconds:g} s")
def test_calls_sweep_at_their_times_and_levels(traces, call):
    samples = pressure(traces, call.seconds, call.seconds + call.duration)
    low = signal.butter(4, 60, "highpass", fs=RATE, output="sos")
    half = 2048
    for share in (0.2, 0.5, 0.8):
        middle = round(share * len(samples))
        window = np.hanning(2 * half)
        spectrum = np.abs(np.fft.rfft(signal.sosfiltfilt(low, samples)[middle - half : middle + half] * window)) ** 2
        frequencies = np.fft.rfftfreq(2 * half, 1 / RATE)
        near = np.abs(frequencies - call.first - share * (call.last - call.first)) < 250
        centre = np.sum(frequencies[near] * spectrum[near]) / spectrum[near].sum()
        assert centre == pytest.approx(call.first + share * (call.last - call.first), abs=15)
    plateau = samples[len(samples) // 5 : -len(samples) // 5]
    others = (
        sum(10 ** (tone.level / 10) for tone in TONES if SHIP[0] < call.seconds < SHIP[3]) + 10**11.0
    )  # the ship, and the noise of all frequencies
    assert decibels(np.mean(plateau**2) - others) == pytest.approx(call.level, abs=0.5)


def test_clicks_are_where_they_are_said_to_be(traces):
    for click in CLICKS:
        samples = pressure(traces, click.seconds - 0.1, click.seconds + 0.1)
        assert abs(int(np.argmax(np.abs(samples))) - 1600) <= 1
        assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(click.level, abs=0.5)


def test_written_again_the_bytes_are_the_same_and_what_is_there_is_left(folder, tmp_path):
    again = tmp_path / "again"
    write_sample_recordings(again, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]
    assert all((again / name).read_bytes() == (folder / name).read_bytes() for name in NAMES)
    written = {path: path.stat().st_mtime_ns for path in again.iterdir()}
    write_sample_recordings(again, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in again.iterdir()} == written


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.wav").write_bytes(b"mine")
    with pytest.raises(RunError, match="holds something else"):
        write_sample_recordings(tmp_path, quiet=True)
    assert (tmp_path / "mine.wav").read_bytes() == b"mine"
    one = tmp_path / "one"
    one.mkdir()
    (one / hydrophone.recording_name(0)).write_bytes(b"")
    with pytest.raises(RunError, match="not hold all"):
        write_sample_recordings(one, quiet=True)
