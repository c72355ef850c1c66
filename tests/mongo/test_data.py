import copy
import os

import bson
import numpy as np
import pytest
from bson import ObjectId
from seisbatch.mongo.data import Seismogram, TimeSeries, TimeSeriesEnsemble
from seisbatch.mongo.elog import Badness, ErrorLog
from seisbatch.mongo.history import History
from seisbatch.mongo.metadata import Metadata

# Documents as MsPASS 2.4.3 wrote them.
WF = {
    "_id": ObjectId("6b04d0534ec34db51fab8741"),
    "sta": "RJOB",
    "storage_mode": "gridfs",
    "calib": 1.0,
    "time_standard": "UTC",
    "gridfs_id": ObjectId("6b04d0534ec34db51fab873f"),
    "starttime": 1251073203.0,
    "net": "BW",
    "endtime": 1251073232.99,
    "chan": "EHZ",
    "utc_convertible": True,
    "npts": 3000,
    "sampling_rate": 100.0,
    "delta": 0.01,
    "data_tag": "raw",
}
TINY = 2.6484540326036093e-14
WF_SEISMOGRAM = WF | {
    "tmatrix": [1.0, 0.0, TINY, TINY, 1.0, TINY, 0.0, 0.0, 1.0],
    "cardinal": True,
    "orthogonal": True,
    "data_tag": "3c",
}
LOGDATA = [
    {
        "job_id": 0,
        "algorithm": "snr",
        "badness": "ErrorSeverity.Invalid",
        "error_message": "SNR below threshold",
        "process_id": 10290,
    },
    {
        "job_id": 0,
        "algorithm": "MsPASSError",
        "badness": "ErrorSeverity.Fatal",
        "error_message": "Undertaker._is_abortion",
        "process_id": 10290,
    },
]


@pytest.fixture
def series():
    return TimeSeries(np.arange(3000), WF)


def timing(datum):
    names = ("starttime", "delta", "sampling_rate", "npts", "endtime")
    return {name: getattr(datum, name) for name in names}, {name: datum.metadata[name] for name in names}


class TestMetadata:
    def test_what_was_changed_added_or_deleted_is_told(self):
        metadata = Metadata({"kept": 1, "put": 1, "gone": 1, "same": 1.5, "inner": {"rms": [1.0]}})
        metadata["put"] = 2
        metadata["new"] = None
        metadata["same"] = 1.5
        metadata["inner"]["rms"].append(2.0)
        del metadata["gone"]
        assert metadata.changed == {"put", "new", "gone", "inner"}
        assert metadata.loaded["inner"] == {"rms": [1.0]}

    def test_what_was_put_back_is_not_changed(self):
        metadata = Metadata({"source_id": "a", "snr": float("nan")})
        metadata["source_id"] = "b"
        assert metadata.changed == {"source_id"}
        metadata["source_id"] = "a"
        metadata["snr"] = float("nan")
        assert metadata.changed == frozenset()

    @pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), ([1], [1.0]), ({"a": 0}, {"a": False}), ("1", 1)])
    def test_another_type_is_a_change(self, one, other):
        metadata = Metadata({"value": one})
        metadata["value"] = other
        assert metadata.changed == {"value"}

    def test_clear_changed_begins_anew(self):
        metadata = Metadata()
        metadata.update(a=1, b=2)
        metadata.clear_changed()
        assert metadata.changed == frozenset()
        metadata.pop("a")
        assert metadata.changed == {"a"}

    def test_a_loaded_dict_is_left_alone(self):
        document = {"a": 1}
        metadata = Metadata(document)
        metadata["a"] = 2
        assert document == {"a": 1}

    def test_scalars_of_numpy_can_be_stored(self):
        metadata = Metadata({"snr": np.float32(1.5)})
        metadata["n"] = np.int64(3)
        assert bson.decode(bson.encode(metadata)) == {"snr": 1.5, "n": 3}


class TestLogAndHistory:
    def test_logdata_of_mspass_comes_back_as_it_was(self):
        log = ErrorLog.from_documents(LOGDATA)
        assert [(entry.algorithm, entry.badness, entry.message) for entry in log] == [
            ("snr", Badness.INVALID, "SNR below threshold"),
            ("MsPASSError", Badness.FATAL, "Undertaker._is_abortion"),
        ]
        assert log.documents() == LOGDATA

    def test_an_entry_carries_the_process(self):
        log = ErrorLog()
        log.post("bandpass", "clipped", Badness.SUSPECT)
        assert bson.decode(bson.encode({"logdata": log.documents()}))["logdata"] == [
            {
                "job_id": 0,
                "algorithm": "bandpass",
                "badness": "ErrorSeverity.Suspect",
                "error_message": "clipped",
                "process_id": os.getpid(),
            }
        ]

    @pytest.mark.parametrize("wrong", [{"badness": "ErrorSeverity.Terrible"}, {"process_id": "one"}])
    def test_an_entry_that_is_none_is_refused(self, wrong):
        with pytest.raises(ValueError, match="Terrible|one"):
            ErrorLog.from_documents([LOGDATA[0] | wrong])

    def test_an_entry_without_a_message_is_refused(self):
        with pytest.raises(ValueError, match="error_message"):
            ErrorLog.from_documents([{name: value for name, value in LOGDATA[0].items() if name != "error_message"}])

    def test_history_begins_anew_at_what_was_saved(self):
        history = History()
        history.add("bandpass", freqmin=0.5)
        history.reroot("wf_TimeSeries", WF["_id"])
        [origin] = history
        assert (origin.algorithm, origin.parameters["id"]) == ("ORIGIN", str(WF["_id"]))

    def test_ids_follow_from_the_steps_and_the_origin(self):
        def ids(origin, *corners):
            history = History()
            history.reroot("wf_TimeSeries", origin)
            return [history.add("bandpass", freqmin=corner).id for corner in corners]

        assert ids("a", 0.5, 0.5) == ids("a", 0.5, 0.5)
        assert len({*ids("a", 0.5, 0.5), *ids("b", 0.5, 0.5), *ids("a", 0.6)}) == 5

    def test_history_survives_the_database(self):
        history = History()
        history.add("bandpass", freqmin=0.5, corners=[1, 2])
        stored = bson.decode(bson.encode({"steps": history.documents()}))["steps"]
        assert History.from_documents(stored) == history


class TestTimeSeries:
    def test_a_document_that_was_read_is_not_changed(self, series):
        assert dict(series.metadata) == WF
        assert series.metadata.changed == frozenset()
        assert series.samples.dtype == np.float64
        assert series.live
        assert not len(series.elog)

    def test_attributes_are_seen_in_the_metadata(self, series):
        series.starttime = 1000
        series.delta = 0.5
        expected = {"starttime": 1000.0, "delta": 0.5, "sampling_rate": 2.0, "npts": 3000, "endtime": 2499.5}
        assert timing(series) == (expected, expected)
        assert series.metadata.changed == {"starttime", "delta", "sampling_rate", "endtime"}
        assert type(series.metadata["starttime"]) is float

    def test_metadata_are_seen_in_the_attributes(self, series):
        series.metadata.update(starttime=-5.0, sampling_rate=4)
        expected = {"starttime": -5.0, "delta": 0.25, "sampling_rate": 4.0, "npts": 3000, "endtime": 744.75}
        assert timing(series) == (expected, expected)

    def test_samples_set_their_number_and_the_end(self, series):
        series.samples = np.zeros(101, np.int32)
        expected = {"starttime": WF["starttime"], "delta": 0.01, "sampling_rate": 100.0, "npts": 101, "endtime": 1251073204.0}
        assert timing(series) == (expected, expected)
        assert series.metadata.changed == {"npts", "endtime"}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("npts", 2999),
            ("endtime", 0.0),
            ("delta", 0.0),
            ("delta", float("nan")),
            ("sampling_rate", -1.0),
            ("starttime", "2009-08-24"),
            ("starttime", True),
        ],
    )
    def test_what_contradicts_the_samples_is_refused_and_changes_nothing(self, series, name, value):
        with pytest.raises(ValueError, match=name):
            series.metadata[name] = value
        assert dict(series.metadata) == WF

    @pytest.mark.parametrize("name", ["starttime", "delta", "sampling_rate", "npts", "endtime"])
    def test_times_cannot_be_deleted(self, series, name):
        with pytest.raises(ValueError, match=name):
            del series.metadata[name]

    def test_a_document_needs_no_more_than_start_and_interval(self):
        series = TimeSeries([1.0, 2.0, 3.0], {"starttime": 10, "delta": 2})
        assert (series.sampling_rate, series.endtime, series.npts) == (0.5, 14.0, 3)

    def test_a_rate_that_contradicts_the_interval_is_corrected_and_told(self):
        series = TimeSeries(np.zeros(3000), WF | {"sampling_rate": 40.0, "endtime": 0.0})
        assert (series.sampling_rate, series.endtime) == (100.0, pytest.approx(1251073232.99, abs=1e-6))
        assert series.metadata.changed == {"sampling_rate", "endtime"}
        assert [entry.badness for entry in series.elog] == [Badness.COMPLAINT] * 2
        assert "40.0" in series.elog.entries[0].message

    def test_a_rate_of_a_drifting_clock_is_kept(self):
        series = TimeSeries(np.zeros(10), {"starttime": 0.0, "delta": 0.025, "sampling_rate": 40.000016})
        assert (series.delta, series.sampling_rate) == (0.025, 40.000016)

    @pytest.mark.parametrize(
        ("samples", "document", "problem"),
        [
            (np.zeros(2999), WF, "npts is 3000"),
            (np.zeros((3, 3000)), WF, "one axis"),
            (np.zeros(3000, complex), WF, "complex"),
            (np.ma.masked_equal(np.arange(3000), 5), WF, "gaps"),
            (np.zeros(5), {"starttime": 0.0}, "delta or sampling_rate"),
            (np.zeros(5), {"delta": 1.0}, "starttime"),
        ],
    )
    def test_what_is_no_time_series_is_refused(self, samples, document, problem):
        with pytest.raises(ValueError, match=problem):
            TimeSeries(samples, document)

    def test_given_times_come_before_those_of_the_metadata(self):
        series = TimeSeries(np.zeros(3000), WF, starttime=0.0, delta=1.0)
        assert (series.starttime, series.sampling_rate, series.endtime) == (0.0, 1.0, 2999.0)

    def test_the_dead_say_why(self, series):
        series.kill("snr", "SNR 1.2 below 3")
        assert not series.live
        [entry] = series.elog
        assert (entry.algorithm, entry.badness, entry.message) == ("snr", Badness.INVALID, "SNR 1.2 below 3")

    def test_one_that_was_never_read_is_dead_and_keeps_its_document(self):
        series = TimeSeries(None, WF | {"storage_mode": "tape"})
        assert not series.live
        assert (series.npts, series.metadata["npts"]) == (0, 3000)
        with pytest.raises(ValueError, match="never read"):
            series.samples = np.zeros(3)

    def test_a_copy_is_its_own(self, series):
        other = copy.deepcopy(series)
        other.delta = 1.0
        other.samples[0] = 7
        other.kill("a", "b")
        assert dict(series.metadata) == WF
        assert (series.samples[0], series.live, len(series.elog)) == (0.0, True, 0)


class TestSeismogram:
    def test_a_document_that_was_read_is_not_changed(self):
        seismogram = Seismogram(np.zeros((3, 3000)), WF_SEISMOGRAM)
        assert dict(seismogram.metadata) == WF_SEISMOGRAM
        assert seismogram.metadata.changed == frozenset()
        assert (seismogram.npts, seismogram.cardinal, seismogram.orthogonal) == (3000, True, True)
        np.testing.assert_array_equal(seismogram.tmatrix, np.reshape(WF_SEISMOGRAM["tmatrix"], (3, 3)))

    @pytest.mark.parametrize(
        ("tmatrix", "cardinal", "orthogonal"),
        [
            (np.eye(3), True, True),
            ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], False, True),
            ([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], False, False),
            (2 * np.eye(3), False, False),
        ],
    )
    def test_flags_follow_from_the_matrix_in_both_places(self, tmatrix, cardinal, orthogonal):
        seismogram = Seismogram(np.zeros((3, 5)), starttime=0.0, delta=1.0, tmatrix=[1, 2, 3, 4, 5, 6, 7, 8, 10])
        assert not seismogram.orthogonal
        seismogram.tmatrix = tmatrix
        assert seismogram.metadata["tmatrix"] == [float(element) for element in np.ravel(tmatrix)]
        assert (seismogram.metadata["cardinal"], seismogram.metadata["orthogonal"]) == (cardinal, orthogonal)
        assert (seismogram.cardinal, seismogram.orthogonal) == (cardinal, orthogonal)
        assert bson.decode(bson.encode(seismogram.metadata)) == dict(seismogram.metadata)

    def test_a_flag_that_contradicts_the_matrix_is_corrected_and_told(self):
        seismogram = Seismogram(np.zeros((3, 3000)), WF_SEISMOGRAM | {"cardinal": False})
        assert seismogram.cardinal
        assert seismogram.metadata.changed == {"cardinal"}
        assert "cardinal" in seismogram.elog.entries[0].message

    def test_what_is_no_seismogram_is_refused(self):
        with pytest.raises(ValueError, match="tmatrix"):
            Seismogram(np.zeros((3, 3000)), WF)
        with pytest.raises(ValueError, match="shape"):
            Seismogram(np.zeros((3000, 3)), WF_SEISMOGRAM)
        with pytest.raises(ValueError, match="nine finite"):
            Seismogram(np.zeros((3, 3000)), WF_SEISMOGRAM | {"tmatrix": [1.0] * 8})
        with pytest.raises(ValueError, match="orthogonal"):
            Seismogram(np.zeros((3, 3000)), WF_SEISMOGRAM).metadata["orthogonal"] = False


def test_metadata_of_an_ensemble_replace_the_members_own_but_for_their_times():
    members = [TimeSeries(np.zeros(3000), WF), TimeSeries(np.zeros(5), {"gather": "old"}, starttime=3.0, delta=1.0)]
    ensemble = TimeSeriesEnsemble(members, Metadata({"gather": "g1", "tags": ["a"], "starttime": 0.0, "npts": 7}))
    ensemble.metadata_to_members()
    assert [(member.metadata["gather"], member.starttime, member.npts) for member in members] == [
        ("g1", WF["starttime"], 3000),
        ("g1", 3.0, 5),
    ]
    members[0].metadata["tags"].append("b")
    assert members[1].metadata["tags"] == ensemble.metadata["tags"] == ["a"]
