"""Responses by time: of the sample's StationXML, whose station INDI changes its gain at noon of the second day."""

from __future__ import annotations

import io
import shutil

import numpy as np
import obspy
import pytest
from seisbatch.acquire.objects import StoreSettings
from seisbatch.acquire.responses import read_responses
from seisbatch.names import Channel
from seisbatch.outcome import Outcome, Rejected, UnitError
from seisbatch.process.resample import day_trace
from seisbatch.process.segments import ChannelDay, Segment, assemble
from seisbatch.sample.network import DAYS, RECORDERS
from seisbatch.steps.responses import response_at, response_spans, with_responses
from seisbatch.steps.stations import StationFiles, station_responses
from seisbatch.times import DAY_NS, day_start_ns

from tests.process.made import parameters

INDI = Channel("XX", "INDI", "", "BHZ")
NOON_NS = day_start_ns(DAYS[1]) + DAY_NS // 2


def files(folder) -> StationFiles:
    return StationFiles(StoreSettings(str(folder)), "scedc", of_archive=True)


def test_a_station_has_the_response_of_every_channel(sample_archive):
    """Against the formula that the sample's waveforms went through."""
    epochs, trouble = files(sample_archive).responses("XX", "DELT")
    assert trouble == ""
    frequencies = np.array([0.02, 0.3, 2.0, 7.0])
    for recorder in (recorder for recorder in RECORDERS if recorder.name.sta == "DELT"):
        epoch = response_at(epochs, recorder.name, NOON_NS)
        expected = recorder.counts_a_metre_a_second(frequencies)
        np.testing.assert_allclose(epoch.curve("vel", recorder.rate).at(frequencies), expected, rtol=1e-5)


def test_the_response_is_that_of_the_time(sample_archive):
    epochs, _ = files(sample_archive).responses("XX", "INDI")
    before, after = (response_at(epochs, INDI, instant) for instant in (NOON_NS - 1, NOON_NS))
    at = np.array([0.3])
    assert after.curve("vel", 20.0).at(at) == pytest.approx(2 * before.curve("vel", 20.0).at(at), rel=1e-6)
    assert response_at(epochs, INDI._replace(loc="10"), NOON_NS) is None
    assert response_at(epochs, INDI, 0) is None


def test_a_stretch_is_cut_where_another_epoch_begins(sample_archive):
    epochs, _ = files(sample_archive).responses("XX", "INDI")
    first, second = sorted((epoch for epoch in epochs if epoch.name == INDI), key=lambda epoch: epoch.start_ns)
    hour = DAY_NS // 24
    assert response_spans(epochs, INDI, NOON_NS - hour, NOON_NS + hour) == [
        (NOON_NS - hour, NOON_NS, first),
        (NOON_NS, NOON_NS + hour, second),
    ]
    assert response_spans(epochs, INDI, NOON_NS - hour, NOON_NS) == [(NOON_NS - hour, NOON_NS, first)]
    opened = first.start_ns
    assert response_spans(epochs, INDI, opened - 5, opened + 5) == [(opened - 5, opened, None), (opened, opened + 5, first)]
    other = INDI._replace(chan="BHN")
    assert response_spans(epochs, other, opened - 5, opened + 5) == [(opened - 5, opened + 5, None)]


def test_a_file_is_read_once_and_what_is_wrong_with_it_is_told(sample_archive, tmp_path):
    shutil.copytree(sample_archive / "FDSNstationXML", tmp_path / "FDSNstationXML")
    place = files(tmp_path)
    epochs, _ = station_responses(place, "XX", "ALFA")
    for file in tmp_path.rglob("*ALFA*"):
        file.unlink()
    assert station_responses(place, "XX", "ALFA")[0] is epochs
    assert place.responses("XX", "ALFA") == ((), "no StationXML")
    for file in tmp_path.rglob("*BRAV*"):
        file.write_bytes(b"<FDSNStationXML>")
    found, trouble = station_responses(place, "XX", "BRAV")
    assert found == ()
    assert trouble.startswith("StationXML corrupt: ")


def test_a_file_that_could_not_be_read_is_read_again(sample_archive, tmp_path):
    """A lasting verdict on channel-days must not follow from a passing failure."""
    shutil.copytree(sample_archive / "FDSNstationXML", tmp_path / "FDSNstationXML")
    (file,) = tmp_path.rglob("*CHAR*")
    whole = file.read_bytes()
    file.unlink()
    file.symlink_to(file)  # a circle
    place = files(tmp_path)
    with pytest.raises(UnitError) as caught:
        station_responses(place, "XX", "CHAR")
    assert caught.value.outcome == Outcome.FAILED
    file.unlink()
    file.write_bytes(whole)
    epochs, trouble = station_responses(place, "XX", "CHAR")
    assert epochs
    assert trouble == ""


def day_of(start_ns: int, seconds: int) -> ChannelDay:
    samples = np.arange(20 * seconds, dtype=np.int32)
    return assemble([Segment(start_ns, 20.0, samples)], day_start_ns(DAYS[1]), max_fill=1)


def test_a_day_is_cut_where_the_response_changes(sample_archive):
    responses = files(sample_archive).responses("XX", "INDI")
    day, notes = with_responses(day_of(NOON_NS - 10**12, 2000), responses, (INDI,), "acc")
    assert notes == []
    assert [(run.start_ns, len(run.samples)) for run in day.runs] == [(NOON_NS - 10**12, 20_000), (NOON_NS, 20_000)]
    one, other = (run.curve.at(np.array([0.3])) for run in day.runs)
    assert other == pytest.approx(2 * one, rel=1e-9)
    velocity, _ = with_responses(day_of(NOON_NS, 2000), responses, (INDI,), "vel")
    assert velocity.runs[0].curve.at(np.array([0.3])) == pytest.approx(other * 2j * np.pi * 0.3, rel=1e-6)


def test_samples_of_no_epoch_are_left_out_and_counted(sample_archive):
    epochs, trouble = files(sample_archive).responses("XX", "INDI")
    late = tuple(epoch for epoch in epochs if epoch.start_ns == NOON_NS)
    day, notes = with_responses(day_of(NOON_NS - 10**11, 200), (late, trouble), (INDI,), "vel")
    assert [(run.start_ns, len(run.samples)) for run in day.runs] == [(NOON_NS, 2000)]
    assert notes == ["samples left out, no epoch of XX.INDI..BHZ with a response: 2000"]
    with pytest.raises(Rejected, match=r"^no epoch of XX.INDI..BHZ with a response$"):
        with_responses(day_of(NOON_NS - 10**12, 200), (late, trouble), (INDI,), "vel")
    with pytest.raises(Rejected, match=r"^no epoch of XX.INDI..BHZ with a response; no StationXML$"):
        with_responses(day, ((), "no StationXML"), (INDI,), "vel")


def test_a_response_that_cannot_be_rejects_the_day_with_channel_and_stage(sample_archive):
    (file,) = (sample_archive / "FDSNstationXML").rglob("*ALFA*")
    inventory = obspy.read_inventory(str(file), format="STATIONXML")
    for item in inventory[0][0]:
        item.response.response_stages[1].stage_gain = 0.0
    buffer = io.BytesIO()
    inventory.write(buffer, format="STATIONXML")
    name = Channel("XX", "ALFA", "", "BHZ")
    with pytest.raises(Rejected, match=r"XX.ALFA..BHZ.* stage 2: its gain is 0"):
        with_responses(day_of(NOON_NS, 200), (tuple(read_responses(buffer.getvalue())), ""), (name,), "vel")


def test_the_records_location_code_counts_where_it_has_an_epoch_else_the_archives(sample_archive):
    responses = files(sample_archive).responses("XX", "DELT")
    blank, ten, none = (Channel("XX", "DELT", loc, "BHZ") for loc in ("", "10", "77"))
    for names, expected in (((ten, blank), ten), ((none, blank), blank), ((blank, ten), blank)):
        day, _ = with_responses(day_of(NOON_NS, 200), responses, names, "vel")
        assert day.runs[0].curve is response_at(responses[0], expected, NOON_NS).curve("vel", 20.0)


@pytest.mark.parametrize(("units", "name"), [("vel", "XX.BRAV..HHZ"), ("disp", "XX.ALFA..BHZ"), ("acc", "XX.ALFA..BHZ")])
def test_ground_motion_on_the_grid_is_obspys(sample_archive, units, name):
    """The band-pass has the shape of obspy's ``pre_filt``; what differs is the ends of the day."""
    net, sta, _, chan = name.split(".")
    (file,) = sample_archive.rglob(f"{net}{sta}_*{chan}*_{DAYS[0]:%Y%j}.ms")
    (trace,) = obspy.read(str(file), format="MSEED")
    segment = Segment(trace.stats.starttime.ns, trace.stats.sampling_rate, trace.data.copy())
    day = assemble([segment], day_start_ns(DAYS[0]), max_fill=1)
    day, _ = with_responses(day, files(sample_archive).responses(net, sta), (Channel(net, sta, "", chan),), units)
    found = day_trace(day, parameters(), np.float64).samples
    inventory = obspy.read_inventory(str(next(sample_archive.rglob(f"*_{sta}.xml"))), format="STATIONXML")
    trace.remove_response(inventory, output=units.upper(), pre_filt=(0.05, 0.1, 0.8, 1.0), water_level=None)
    expected = trace.data[:: round(trace.stats.sampling_rate / 4)]
    assert trace.stats.starttime.ns == day_start_ns(DAYS[0])
    inner = slice(len(found) // 10, -len(found) // 10)
    assert np.abs(found - expected)[inner].max() < 1e-6 * np.abs(expected[inner]).max()
