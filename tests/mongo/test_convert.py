import bson
import numpy as np
import obspy
import pytest
from bson import ObjectId
from obspy.core import AttribDict
from obspy.signal.rotate import rotate2zne
from seisbatch.mongo.convert import ensemble_of, seismogram_of, seismograms_of, stream_of, time_series_of, trace_of
from seisbatch.mongo.data import Seismogram, SeismogramEnsemble, TimeSeries

START = obspy.UTCDateTime(2009, 8, 24, 0, 20, 3)
ANGLES = {"1": (33.0, 90.0), "2": (123.0, 90.0), "Z": (0.0, 0.0)}


def trace(chan, *, npts=50, shift=0.0, rate=100.0, sta="RJOB", **stats):
    samples = np.random.default_rng(sum(map(ord, sta + chan))).normal(size=npts)
    header = {"network": "BW", "station": sta, "channel": chan, "sampling_rate": rate, "starttime": START + shift, **stats}
    return obspy.Trace(samples, header)


def oriented(angles, band="EH"):
    return obspy.Stream([trace(band + letter, hang=hang, vang=vang) for letter, (hang, vang) in angles.items()])


def same(one, other):
    np.testing.assert_array_equal(one.data, other.data)
    assert dict(one.stats) == dict(other.stats)


class TestTraces:
    def test_a_real_trace_becomes_what_mspass_makes_of_it(self):
        [first, *_] = obspy.read(format="GSE2")  # obspy's own example, which MsPASS's documents are made of
        series = time_series_of(first)
        expected = {
            "net": "BW", "sta": "RJOB", "loc": "", "chan": "EHZ", "calib": 1.0, "npts": 3000, "sampling_rate": 100.0,
            "delta": 0.01, "starttime": 1251073203.0, "endtime": 1251073232.99,
        }  # fmt: skip
        assert {name: series.metadata[name] for name in expected} == expected
        assert not {"network", "station", "response"} & series.metadata.keys()
        np.testing.assert_array_equal(series.samples, first.data)
        assert series.live
        assert not len(series.elog)
        bson.encode(series.metadata)

    def test_a_trace_comes_back_as_it_was(self):
        before = trace("EHZ", rate=40.000016, location="00", calib=2.5, processing=["detrended"], snr={"rms": 3.5}, n=3)
        same(trace_of(time_series_of(before)), before)

    def test_ids_of_mongodb_survive_a_visit_to_obspy(self):
        series = time_series_of(trace("EHZ"))
        series.metadata.update({"_id": ObjectId(), "source_id": ObjectId(), "snr": {"rms": [3.5], "peak": None}})
        again = time_series_of(trace_of(series).filter("lowpass", freq=5.0))
        assert not len(again.elog)
        assert dict(again.metadata).items() >= dict(series.metadata).items()

    def test_whole_numbers_become_float64_without_loss(self):
        before = trace("EHZ")
        before.data = np.array([-(2**31), 2**31 - 1, 0], dtype=np.int32)
        series = time_series_of(before)
        assert series.samples.dtype == np.float64
        assert series.samples.tolist() == [-2147483648.0, 2147483647.0, 0.0]

    def test_plain_stats_are_kept_and_others_told(self):
        before = trace("EHZ", picks={"P": START + 1.5, "residuals": [np.float32(0.5)]}, response=object(), catalog=object())
        series = time_series_of(before)
        assert series.metadata["picks"] == {"P": 1251073204.5, "residuals": [0.5]}
        assert not {"response", "catalog"} & series.metadata.keys()
        [entry] = series.elog
        assert entry.message.startswith("catalog")
        bson.encode(series.metadata)

    def test_metadata_do_not_overwrite_what_obspy_reads_its_own_meaning_into(self):
        series = time_series_of(trace("EHZ"))
        series.metadata.update(station="other", component="N", network=5, snr=1.5)
        stats = trace_of(series).stats
        assert (stats.network, stats.station, stats.channel, stats.snr) == ("BW", "RJOB", "EHZ", 1.5)

    def test_gaps_and_the_dead_are_refused(self):
        with_gap = obspy.Stream([trace("EHZ"), trace("EHZ", shift=2)]).merge()[0]
        with pytest.raises(ValueError, match="gaps"):
            time_series_of(with_gap)
        series = time_series_of(trace("EHZ"))
        series.kill("a", "b")
        with pytest.raises(ValueError, match="dead"):
            trace_of(series)

    def test_a_stream_comes_back_without_the_dead(self):
        before = obspy.Stream([trace("EHZ"), trace("EHN", npts=7), trace("BHE", rate=20.0)])
        ensemble = ensemble_of(before)
        assert all(isinstance(member, TimeSeries) for member in ensemble.members)
        ensemble.members[1].kill("a", "b")
        after = stream_of(ensemble)
        assert len(after) == 2
        same(after[0], before[0])
        same(after[1], before[2])


class TestSeismograms:
    @pytest.mark.parametrize("letters", ["ENZ", "ZNE", "NZE"])
    def test_letters_give_directions_and_order(self, letters):
        stream = obspy.Stream([trace("EH" + letter, tag="a") for letter in letters])
        seismogram = seismogram_of(stream)
        for row, letter in enumerate("ENZ"):
            np.testing.assert_array_equal(seismogram.samples[row], stream.select(component=letter)[0].data)
        np.testing.assert_array_equal(seismogram.tmatrix, np.eye(3))
        assert (seismogram.cardinal, seismogram.orthogonal) == (True, True)
        assert (seismogram.metadata["chan"], seismogram.metadata["tag"]) == ("EHZ", "a")
        assert (seismogram.starttime, seismogram.npts, seismogram.delta) == (START.timestamp, 50, 0.01)
        bson.encode(seismogram.metadata)

    @pytest.mark.parametrize(
        "angles",
        [
            ANGLES,
            {"1": (33.0, 88.0), "2": (121.0, 93.0), "Z": (200.0, 3.0)},
            {"U": (30.0, 54.7), "V": (150.0, 54.7), "W": (270.0, 54.7)},
        ],
    )
    def test_the_matrix_turns_the_ground_s_motion_into_the_samples_as_obspy_has_it(self, angles):
        stream = oriented(angles)
        seismogram = seismogram_of(stream)
        arguments = [value for part in stream for value in (part.data, part.stats.hang, part.stats.vang - 90)]
        up, north, east = rotate2zne(*arguments)
        np.testing.assert_allclose(seismogram.tmatrix @ np.stack([east, north, up]), seismogram.samples, atol=1e-12)
        assert not seismogram.cardinal

    def test_mspass_s_names_of_the_angles_are_known(self):
        stream = obspy.Stream([trace(f"EH{n}", channel_hang=h, channel_vang=v) for n, (h, v) in ANGLES.items()])
        np.testing.assert_array_equal(seismogram_of(stream).tmatrix, seismogram_of(oriented(ANGLES)).tmatrix)

    def test_angles_come_before_letters(self):
        stream = oriented({"E": (95.0, 90.0), "N": (5.0, 90.0), "Z": (0.0, 0.0)})
        seismogram = seismogram_of(stream)
        assert not seismogram.cardinal
        assert seismogram.orthogonal
        assert seismogram.tmatrix[0, 1] == pytest.approx(-np.sin(np.radians(5)))

    @pytest.mark.parametrize("angles", [ANGLES, {"E": (90.0, 90.0), "N": (0.0, 90.0), "Z": (0.0, 0.0)}])
    def test_three_traces_come_back_as_they_were(self, angles):
        before = oriented(angles)
        for one, other in zip(stream_of(seismogram_of(before)), before, strict=True):
            np.testing.assert_array_equal(one.data, other.data)
            assert (one.id, one.stats.starttime) == (other.id, other.stats.starttime)
            assert (one.stats.hang, one.stats.vang) == pytest.approx((other.stats.hang, other.stats.vang), abs=1e-9)

    @pytest.mark.parametrize(
        ("last", "problem"),
        [
            (trace("EHZ", shift=0.004), "differ in start: by 0.004"),
            (trace("EHZ", rate=99.9), "differ in rate"),
            (trace("EHZ", npts=49), "differ in length: 50 and 49"),
            (trace("EHZ", sta="FUR"), "one sensor"),
            (trace("BHZ"), "one sensor"),
            (trace("EHN"), "one sensor"),
            (trace("EH3"), "EH3 has no hang and vang"),
            (trace("EH3", vang=0.0), "vang alone"),
            (trace("EHZ", hang=45.0, vang=90.0), "in one plane"),
            (trace("EHZ", hang=np.nan, vang=90.0), "not finite"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, last, problem):
        with pytest.raises(ValueError, match=problem):
            seismogram_of(obspy.Stream([trace("EHE"), trace("EHN"), last]))

    def test_other_than_three_traces_are_refused(self):
        with pytest.raises(ValueError, match="three traces, not 2"):
            seismogram_of(obspy.Stream([trace("EHE"), trace("EHN")]))

    def test_starts_within_a_hundredth_of_a_sample_are_one(self):
        seismogram = seismogram_of(obspy.Stream([trace("EHE"), trace("EHN", shift=5e-5), trace("EHZ")]))
        assert seismogram.starttime == START.timestamp

    def test_a_stream_of_several_stations_is_an_ensemble_and_comes_back(self):
        traces = [trace(chan, sta=sta) for chan in ("EHE", "EHN", "EHZ") for sta in ("RJOB", "FUR")]
        ensemble = seismograms_of(obspy.Stream(traces))
        assert isinstance(ensemble, SeismogramEnsemble)
        assert [member.metadata["sta"] for member in ensemble.members] == ["RJOB", "FUR"]
        after = stream_of(ensemble)
        assert sorted(one.id for one in after) == sorted(one.id for one in traces)
        for one in traces:
            np.testing.assert_array_equal(after.select(id=one.id)[0].data, one.data)

    def test_rows_that_are_no_directions_have_no_angles(self):
        seismogram = Seismogram(np.zeros((3, 5)), starttime=0.0, delta=1.0, tmatrix=2 * np.eye(3))
        with pytest.raises(ValueError, match="unit length"):
            stream_of(seismogram)

    def test_nested_stats_in_common_are_kept(self):
        parts = [trace("EH" + letter, coordinates=AttribDict(latitude=47.7), only=letter) for letter in "ENZ"]
        metadata = seismogram_of(obspy.Stream(parts)).metadata
        assert metadata["coordinates"] == {"latitude": 47.7}
        assert "only" not in metadata
