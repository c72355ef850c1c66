import datetime as dt
import io

import numpy as np
import obspy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson import ObjectId
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.mongo.data import TimeSeries
from seisbatch.mongo.rows import row_of, time_series_of_row
from seisbatch.outcome import Corrupt, Missing
from seisbatch.reader.waveforms import read_waveforms
from seisbatch.schema import WF_TIME_SERIES
from seisbatch.sinks.samples import with_records

START = dt.datetime(2019, 7, 6, 3, 19, 53, 40_000, tzinfo=dt.UTC)


@pytest.fixture
def counts():
    return np.random.default_rng(1).integers(-100_000, 100_000, 500, dtype=np.int32)


@pytest.fixture
def row(counts):
    """A row as cut_windows writes it, its records by obspy."""
    header = {
        "network": "CI",
        "station": "CCC",
        "channel": "HHZ",
        "sampling_rate": 100.0,
        "starttime": obspy.UTCDateTime(START),
    }
    file = io.BytesIO()
    obspy.Trace(counts, header).write(file, format="MSEED", encoding="STEIM2")
    return dict.fromkeys(WF_TIME_SERIES.names) | {
        "id": "CI.CCC..HHZ/w1/0", "net": "CI", "sta": "CCC", "loc": "", "chan": "HHZ",
        "starttime": START, "endtime": START + dt.timedelta(seconds=4.99), "sampling_rate": 100.0, "npts": 500,
        "units": "counts", "data_tag": "run", "window": "w1", "lat": 35.5, "lon": -117.4, "source_id": "ci38457511",
        "source_time": START - dt.timedelta(seconds=10), "s3key": "a.ms", "parameters_id": "p", "encoding": "miniseed",
        "samples": file.getvalue(),
    }  # fmt: skip


def through_parquet(row):
    """The row as the table gives it back; its batch refuses what the table cannot hold."""
    batch = WF_TIME_SERIES.batch([row])
    batch.validate(full=True)
    assert all(field.nullable or batch[field.name].null_count == 0 for field in batch.schema)
    return batch.to_pylist()[0]


def test_a_row_becomes_a_time_series(row, counts):
    series = time_series_of_row(row)
    np.testing.assert_array_equal(series.samples, counts)
    epoch = START.timestamp()
    expected = {
        "id": "CI.CCC..HHZ/w1/0", "net": "CI", "loc": "", "starttime": epoch, "endtime": pytest.approx(epoch + 4.99, abs=1e-6),
        "sampling_rate": 100.0, "delta": 0.01, "npts": 500, "source_time": pytest.approx(epoch - 10), "lat": 35.5,
        "units": "counts", "source_id": "ci38457511",
    }  # fmt: skip
    assert {name: series.metadata[name] for name in expected} == expected
    assert not {"samples", "phase", "elev", "dfile"} & series.metadata.keys()
    assert series.metadata.changed == frozenset()
    assert (series.live, len(series.elog)) == (True, 0)
    assert [step.parameters["id"] for step in series.history] == ["CI.CCC..HHZ/w1/0"]


def test_a_row_comes_back_as_it_was(row):
    again = through_parquet(row_of(time_series_of_row(row)))
    assert {**again, "samples": None} == {**row, "samples": None}
    [trace] = obspy.read(io.BytesIO(again["samples"]), format="MSEED")
    assert (trace.id, trace.stats.starttime, trace.stats.sampling_rate) == ("CI.CCC..HHZ", obspy.UTCDateTime(START), 100.0)
    assert trace.stats.mseed.encoding == "STEIM2"
    np.testing.assert_array_equal(trace.data, time_series_of_row(row).samples)


def test_the_table_s_reader_reads_it(row, tmp_path):
    series = time_series_of_row(row)
    series.starttime += 3600
    series.samples = 0.5 * series.samples
    series.metadata["units"] = "half counts"
    (tmp_path / "wf_TimeSeries").mkdir()
    pq.write_table(pa.Table.from_batches([WF_TIME_SERIES.batch([row_of(series)])]), tmp_path / "wf_TimeSeries" / "part.parquet")
    [trace] = read_waveforms(tmp_path, chan="HH?", source_id="ci38457511")
    np.testing.assert_array_equal(trace.data, series.samples)
    assert (trace.id, trace.stats.starttime) == ("CI.CCC..HHZ", obspy.UTCDateTime(START) + 3600)
    assert (trace.stats.coordinates.latitude, trace.stats.source.time) == (35.5, obspy.UTCDateTime(START) - 10)


@pytest.mark.parametrize("samples", [[0.5, -1.25, 1e-300], [0.0, 2.0**31, 1.0], [1.0, float("nan"), float("inf")]])
def test_samples_that_are_no_counts_lose_nothing(row, samples):
    series = time_series_of_row(row)
    series.samples = samples
    again = through_parquet(row_of(series))
    [trace] = obspy.read(io.BytesIO(again["samples"]), format="MSEED")
    np.testing.assert_array_equal(trace.data, samples)
    np.testing.assert_array_equal(time_series_of_row(again).samples, samples)
    assert again["endtime"] == START + dt.timedelta(seconds=0.02)


def test_columns_that_are_given_come_first_and_ids_of_mongodb_become_text(row):
    series = TimeSeries(np.arange(5), {"net": "CI", "sta": "CCC", "loc": "", "chan": "HHZ", "data_tag": "old", "snr": 3.0,
                                       "_id": ObjectId(), "source_id": ObjectId("6b04d0534ec34db51fab873c"),
                                       "dfile": "old.bin", "foff": 8, "nbytes": 40}, starttime=1.5, delta=0.5)  # fmt: skip
    given = {"id": "a", "data_tag": "new", "window": "w", "units": "m/s", "s3key": "", "parameters_id": "p"}
    again = through_parquet(row_of(series, given))
    assert given.items() <= again.items()
    assert (again["source_id"], again["dfile"], again["nbytes"]) == ("6b04d0534ec34db51fab873c", None, None)
    assert (again["sampling_rate"], again["endtime"]) == (2.0, dt.datetime(1970, 1, 1, 0, 0, 3, 500_000, tzinfo=dt.UTC))


def test_records_of_an_object_are_read_with_the_row(row, counts, tmp_path):
    records = row["samples"]
    (tmp_path / "w1.ms").write_bytes(b"x" * 100 + records)
    beside = row | {"samples": None, "dfile": "w1.ms", "foff": 100, "nbytes": len(records)}
    lost = beside | {"dfile": "w2.ms"}
    store = Store(StoreSettings(root=str(tmp_path), endpoint=None, region=None, anonymous=False))
    [(_, found), (_, not_found)] = with_records(store, [beside, lost])
    series = time_series_of_row(beside, found)
    np.testing.assert_array_equal(series.samples, counts)
    assert series.metadata["dfile"] == "w1.ms"
    with pytest.raises(Missing):
        time_series_of_row(lost, not_found)


@pytest.mark.parametrize("change", [{"samples": None}, {"samples": b"no records"}, {"npts": 499}, {"encoding": "wav"}])
def test_a_damaged_row_is_corrupt(row, change):
    with pytest.raises(Corrupt):
        time_series_of_row(row | change)


def test_what_is_no_row_is_refused(row):
    series = time_series_of_row(row)
    del series.metadata["units"]
    with pytest.raises(ValueError, match="has no units"):
        row_of(series)
    with pytest.raises(ValueError, match="chan code"):
        row_of(series, {"units": "counts", "chan": "Z"})
    series.kill("snr", "too low")
    with pytest.raises(ValueError, match="dead"):
        row_of(series, {"units": "counts"})
