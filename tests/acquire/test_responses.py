from __future__ import annotations

import copy
import io
import math
import re
import warnings
from pathlib import Path

import numpy as np
import obspy
import pytest
from miniseed_files import OBSPY
from obspy.core.inventory.response import PolynomialResponseStage, ResponseListResponseStage
from seisbatch.acquire.responses import ResponseEpoch, read_responses
from seisbatch.acquire.stationxml import read_stations
from seisbatch.names import Channel, parse_channel
from seisbatch.outcome import Corrupt, Rejected
from seisbatch.process.response import Removal, edge_seconds, obspy_length, remove_response
from seisbatch.sample.network import RECORDERS
from seisbatch.sample.stationxml import station_xml

UNITS = ("disp", "vel", "acc")
NAME = Channel("IU", "ANMO", "00", "BHZ")


def packaged(name: str) -> bytes:
    return (OBSPY / name).read_bytes()


def with_obspy(samples, rate, response, units, removal):
    """The same by ``Trace.remove_response``."""
    trace = obspy.Trace(samples.copy(), {"sampling_rate": rate, "response": response})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace.remove_response(
            output=units.upper(),
            pre_filt=removal.pre_filt,
            water_level=removal.water_level,
            hide_sensitivity_mismatch_warning=True,
        )
    return trace.data


def within_peak(one, other, cut=0):
    inner = slice(cut, len(other) - cut)
    return np.abs(one[inner] - other[inner]).max() / np.abs(other).max()


def made_counts(n=1201):
    rng = np.random.default_rng(2)
    walk = np.cumsum(rng.standard_normal(n))
    return np.rint(5000 + 100 * walk + 300 * rng.standard_normal(n)).astype(np.int32)


def removals(rate):
    """With and without ``pre_filt`` and water level, float64."""
    for pre_filt in (None, (0.01 * rate, 0.02 * rate, 0.35 * rate, 0.4 * rate)):
        for water_level in (None, 60.0):
            yield Removal(pre_filt=pre_filt, water_level=water_level, precision="float64")


def limit_of(response, rate, units, removal, length):
    """1e-9, or where nothing bounds the inverse what evalresp changes by when its frequencies do, in their last digit.

    At the zeros of a filter, near the Nyquist frequency, it knows the response no better than that.
    """
    if removal.pre_filt or removal.water_level is not None:
        return 1e-9
    f = np.arange(1, length // 2 + 1) * rate / length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, other = (
            response.get_evalresp_response_for_frequencies(at, units.upper(), hide_sensitivity_mismatch_warning=True)
            for at in (f, np.nextafter(f, rate))
        )
    return max(1e-9, 10 * np.abs(other / one - 1).max())


def test_every_packaged_response_is_as_in_obspy_or_rejected_with_its_reason():
    """A channel of each response that comes with obspy: stages of poles and zeros, FIR, IIR, lists, and broken ones."""
    counts = made_counts()
    length = obspy_length(len(counts))
    agreeing, reasons, seen = 0, [], set()
    for file in sorted(OBSPY.rglob("*.xml")):
        if b"FDSNStationXML" not in (data := file.read_bytes()):
            continue
        for epoch in read_responses(data):
            response = epoch.response
            stages = response.response_stages if response else []
            if (looks := "\n".join([str(response and response.instrument_polynomial), *map(str, stages)])) in seen:
                continue  # but for its coefficients
            seen.add(looks)
            rates = [s.decimation_input_sample_rate / s.decimation_factor for s in stages if s.decimation_input_sample_rate]
            rate = rates[-1] if rates else 100.0
            has_list = any(isinstance(stage, ResponseListResponseStage) for stage in stages)
            for units in UNITS:
                try:
                    curve = epoch.curve(units, rate)
                except Rejected as error:
                    reasons.append((str(epoch.name), str(error)))
                    break
                for removal in removals(rate):
                    limit = 1e-6 if has_list else limit_of(response, rate, units, removal, length)  # a list's spline has kinks
                    expected = with_obspy(counts, rate, response, units, removal)
                    found = remove_response(counts, rate, curve, removal, length)
                    assert within_peak(found, expected) < limit, (file.name, epoch.name, units, removal)
                    if removal.pre_filt:
                        single = Removal(removal.pre_filt, removal.water_level)
                        assert within_peak(remove_response(counts, rate, curve, single, length), expected) < 1e-5
            else:
                agreeing += 1
    assert agreeing >= 40
    assert len(reasons) >= 15
    assert all(reason.startswith(name) for name, reason in reasons)
    text = "\n".join(reason for _, reason in reasons)
    for reason in (
        "no response",
        "is a polynomial",
        "no input units",
        "PA, is no ground motion",
        "response stage 2: it takes M/S",
    ):
        assert reason in text


def sample_epochs(recorder):
    """The epochs of one of the sample archive's channels."""
    return [epoch for epoch in read_responses(station_xml(recorder.station)) if epoch.name == recorder.name]


def test_the_sample_archive_is_as_in_obspy():
    for recorder in {(r.sensor, r.rate): r for r in RECORDERS}.values():
        epoch = sample_epochs(recorder)[0]
        samples = np.rint(np.cumsum(np.random.default_rng(1).standard_normal(40_000))).astype(np.int32)
        for units in UNITS:
            curve = epoch.curve(units, recorder.rate)
            # the archive's own formula of the sensor, well below the filters
            f = np.geomspace(1e-3, 0.1 * recorder.rate, 100)
            power = {"disp": 1, "vel": 0, "acc": -1}[units]
            truth = recorder.counts_a_metre_a_second(f) * (2j * np.pi * f) ** power
            assert np.abs(curve.at(f) / truth - 1).max() < 1e-6
            for removal in removals(recorder.rate):
                expected = with_obspy(samples, recorder.rate, epoch.response, units, removal)
                length = obspy_length(len(samples))
                found = remove_response(samples, recorder.rate, curve, removal, length)
                assert within_peak(found, expected) < limit_of(epoch.response, recorder.rate, units, removal, length)


def test_a_gain_that_changes_has_two_epochs_that_meet():
    [recorder] = {recorder for recorder in RECORDERS if recorder.gain_factor_from_noon != 1}
    one, other = sample_epochs(recorder)
    assert one.end_ns == other.start_ns
    first, second = one.curve("vel", recorder.rate), other.curve("vel", recorder.rate)
    assert second.factor / first.factor == pytest.approx(recorder.gain_factor_from_noon)
    assert (second.origin or second) is (first.origin or first)


@pytest.mark.parametrize("station", ["CCA", "HEC"])
def test_real_channel_days_are_as_in_obspy(real_archive, station):
    document = (real_archive / f"FDSNstationXML/CI/CI_{station}.xml").read_bytes()
    path = real_archive / f"continuous_waveforms/2022/2022_002/CI{station}__BHN___2022002.ms"
    trace = max(obspy.read(str(path), format="MSEED"), key=len)
    rate, start_ns = trace.stats.sampling_rate, trace.stats.starttime.ns
    [epoch] = [
        epoch
        for epoch in read_responses(document)
        if epoch.name == parse_channel(f"CI.{station}..BHN") and epoch.start_ns <= start_ns < epoch.end_ns
    ]
    samples = trace.data[:1_000_000]
    for units, pre_filt, water_level in (
        ("vel", (0.01, 0.02, 8.0, 9.0), 60.0),
        ("disp", (0.01, 0.02, 15.0, 18.0), None),
        ("acc", (0.01, 0.02, 15.0, 18.0), 60.0),
    ):
        removal = Removal(pre_filt, water_level, precision="float64")
        curve = epoch.curve(units, rate)
        expected = with_obspy(samples, rate, epoch.response, units, removal)
        assert within_peak(remove_response(samples, rate, curve, removal, obspy_length(len(samples))), expected) < 1e-9
        edge = math.ceil(edge_seconds(removal) * rate)
        assert within_peak(remove_response(samples, rate, curve, removal), expected, edge) < 1e-6
        assert within_peak(remove_response(samples, rate, curve, Removal(pre_filt, water_level)), expected, edge) < 1e-5


def test_without_pre_filt_a_real_day_is_as_in_obspy_at_its_length(real_archive):
    epoch = read_responses((real_archive / "FDSNstationXML/CI/CI_CCA.xml").read_bytes())[0]
    path = real_archive / "continuous_waveforms/2022/2022_002/CICCA__BHN___2022002.ms"
    samples = max(obspy.read(str(path), format="MSEED"), key=len).data[:300_000]
    for units in UNITS:
        for water_level in (None, 60.0):
            removal = Removal(None, water_level, precision="float64")
            expected = with_obspy(samples, 40.0, epoch.response, units, removal)
            found = remove_response(samples, 40.0, epoch.curve(units, 40.0), removal, obspy_length(len(samples)))
            assert within_peak(found, expected) < 1e-9


def changed(change, file="core/tests/data/IU_ANMO_00_BHZ.xml") -> ResponseEpoch:
    """A packaged epoch of three stages whose response was changed."""
    epoch = read_responses(packaged(file))[0]
    response = copy.deepcopy(epoch.response)
    change(response)
    return ResponseEpoch(epoch.name, epoch.start_ns, epoch.end_ns, response)


def setting(stage, **values):
    return lambda response: [setattr(response.response_stages[stage - 1], key, value) for key, value in values.items()]


POLYNOMIAL = PolynomialResponseStage(1, 1.0, 0.0, "M/S", "V", 0.0, 1.0, 0.0, 1.0, 0.0, [0.0, 2.0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (setting(1, stage_gain=0.0), "response stage 1: its gain is 0.0"),
        (setting(2, stage_gain=0.0), "response stage 2: its gain is 0.0"),
        (setting(3, stage_gain=math.nan), "response stage 3: its gain is nan"),
        (setting(1, stage_gain=None), "response stage 1: its gain is None"),
        (setting(2, stage_gain_frequency=None), "response stage 2: it cannot be evaluated"),
        (setting(1, normalization_factor=0.0), "response stage 1: its normalization factor is 0.0"),
        (setting(3, decimation_input_sample_rate=0.0), "response stage 3: its input sample rate is 0"),
        (setting(3, numerator=[0.0, 0.0]), "response stage 3: "),
        (lambda response: response.response_stages.pop(0), "response stage 1: it is missing"),
        (lambda response: response.response_stages.pop(1), "response stage 2: it is missing"),
        (lambda response: response.response_stages.append(response.response_stages[1]), "response stage 2: there is more"),
        (lambda response: response.response_stages.clear(), ": its response has no stages"),
        (lambda response: response.response_stages.__setitem__(0, POLYNOMIAL), "response stage 1: it is a polynomial"),
        (lambda response: setattr(response.instrument_sensitivity, "value", 0.0), ": its overall sensitivity is 0.0"),
        (setting(1, input_units="PA"), "response stage 1: its input, PA, is no ground motion"),
        (setting(1, input_units="M/M"), "response stage 1: its input, M/M, is no ground motion"),
        (setting(1, input_units="COUNTS"), "response stage 1: its input, COUNTS, is no ground motion"),
        (setting(2, input_units="A"), "response stage 2: it takes A, and stage 1 gives V"),
    ],
)
def test_a_defect_is_said_with_its_stage(change, reason, capfd):
    epoch = changed(change)
    for units in UNITS:
        for _ in range(2):
            with pytest.raises(Rejected) as error:
                epoch.curve(units, 20.0)
            assert str(error.value).startswith(str(NAME))
            assert reason in str(error.value)


def test_an_epoch_without_a_response_is_said():
    with pytest.raises(Rejected, match=r"IU\.ANMO\.00\.BHZ: its epoch has no response"):
        ResponseEpoch(NAME, 0, 1, None).curve("vel", 20.0)


@pytest.mark.parametrize(
    ("spelling", "plain", "factor"),
    [
        ("m/s", "M/S", 1),
        ("M/SEC", "M/S", 1),
        ("nm/s", "M/S", 1e9),
        ("CM/S", "M/S", 1e2),
        ("um/s", "M/S", 1e6),
        ("M/S/S", "M/S**2", 1),
        ("m/s^2", "M/S**2", 1),
        ("M/(S**2)", "M/S**2", 1),
        ("m/s2", "M/S**2", 1),
        ("CM/SEC**2", "M/S**2", 1e2),
        ("cm/s**2", "M/S**2", 1e2),
        ("MM", "M", 1e3),
    ],
)
def test_units_have_many_spellings(spelling, plain, factor):
    """evalresp scales some of those in centimetres, leaves others, and takes what it does not know for what was asked."""
    f = np.geomspace(1e-3, 9, 50)
    for units in UNITS:
        curve = changed(setting(1, input_units=spelling)).curve(units, 20.0)
        expected = changed(setting(1, input_units=plain)).response.get_evalresp_response_for_frequencies(f, units.upper())
        np.testing.assert_allclose(curve.at(f), factor * expected, rtol=1e-9)


def test_components_that_differ_in_gain_share_one_shape():
    inventory = obspy.read_inventory(str(OBSPY / "core/tests/data/IU_ANMO_00_BHZ.xml"), format="STATIONXML")
    station = inventory[0][0]
    other = copy.deepcopy(station[0])
    other.code = "BHE"
    other.response.response_stages[0].stage_gain *= 1.07
    other.response.instrument_sensitivity.value *= 1.07
    station.channels.append(other)
    out = io.BytesIO()
    inventory.write(out, format="STATIONXML")
    one, two = read_responses(out.getvalue())
    first, second = one.curve("vel", 20.0), two.curve("vel", 20.0)
    assert second.origin is first
    np.testing.assert_allclose(second.values, 1.07 * first.values, rtol=1e-12)
    assert one.curve("vel", 20.0) is first
    assert one.curve("vel", 20.00002) is first  # a recorder's measured rate


def test_what_is_no_stationxml_is_corrupt():
    whole = packaged("core/tests/data/IU_ANMO_00_BHZ.xml")
    for data in (b"", b"<a/>", whole[: len(whole) // 2], b"<!DOCTYPE x>" + whole):
        with pytest.raises(Corrupt):
            read_responses(data)
    assert read_responses(memoryview(whole))[0].name == NAME


def test_epochs_are_those_of_the_document():
    epochs = read_responses(packaged("core/tests/data/IU_ANMO_BH.xml"))
    inventory = obspy.read_inventory(str(Path(OBSPY) / "core/tests/data/IU_ANMO_BH.xml"), format="STATIONXML")
    channels = [channel for network in inventory for station in network for channel in station]
    assert [epoch.start_ns for epoch in epochs] == [channel.start_date.ns for channel in channels]
    assert all(one.start_ns < one.end_ns for one in epochs)


def test_comments_in_values_change_nothing():
    """Obspy reads a pole whose number follows a comment as zero."""
    (recorder,) = (recorder for recorder in RECORDERS if str(recorder.name) == "XX.ALFA..BHZ")
    plain = station_xml(recorder.station)
    at = np.array([0.005, 0.01, 1.0])
    expected = [epoch.curve("vel", 20.0).at(at) for epoch in read_responses(plain) if epoch.name == recorder.name]
    for tag in (b"Real", b"Imaginary", b"Value", b"Frequency", b"Name", b"NumeratorCoefficient", b"Elevation", b"Delay"):
        noted = re.sub(b"<%s( [^>]*)?>" % tag, rb"\g<0><!-- checked --><?seen?>", plain)
        assert noted != plain
        found = [epoch.curve("vel", 20.0).at(at) for epoch in read_responses(noted) if epoch.name == recorder.name]
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        assert read_stations(noted) == read_stations(plain)


def test_samples_at_a_higher_rate_than_the_response_gives_are_not_those_of_its_epoch():
    """Its filters end at 10 Hz: what was recorded of 10 to 50 Hz would be divided by what they say nothing about."""
    (recorder,) = (recorder for recorder in RECORDERS if str(recorder.name) == "XX.ALFA..BHZ")
    (epoch,) = (epoch for epoch in read_responses(station_xml(recorder.station)) if epoch.name == recorder.name)
    assert recorder.rate == 20.0
    with pytest.raises(Rejected, match=r"XX.ALFA..BHZ, response stage \d: it gives 20 Hz, recorded are 100 Hz"):
        epoch.curve("vel", 100.0)
    assert epoch.curve("vel", 20.02).frequencies[-1] > 10.0
    assert epoch.curve("vel", 10.0).frequencies[-1] > 5.0
