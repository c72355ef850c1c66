"""Samples in GridFS and in files: in MsPASS's order, and told apart from what is gone, cut or something else."""

from __future__ import annotations

import io
import resource
import signal

import numpy as np
import obspy
import pytest
from bson import ObjectId
from gridfs import GridFSBucket
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect
from seisbatch.mongo.storage import append_file, put_gridfs, read_samples
from seisbatch.outcome import Corrupt, Missing, Rejected

from tests.mongo.mspass_documents import mspass_document
from tests.obspy_example import obspy_example

ONE = np.random.default_rng(0).normal(size=70_000)
THREE = np.random.default_rng(1).normal(size=(3, 41))


@pytest.fixture
def bucket(mongo_database):
    return GridFSBucket(mongo_database)


def test_gridfs_holds_one_component_after_another(bucket):
    for samples, n_components in ((ONE, 1), (THREE, 3), (THREE[:, ::2], 3), (np.empty(0), 1)):
        document = put_gridfs(bucket, samples)
        with bucket.open_download_stream(document["gridfs_id"]) as stream:
            np.testing.assert_array_equal(np.frombuffer(stream.read()).reshape(samples.shape), samples)
        document["npts"] = samples.shape[-1]
        np.testing.assert_array_equal(read_samples(bucket, document, n_components), samples)


def test_a_file_holds_the_components_of_an_instant_together(bucket, tmp_path):
    written = [append_file(tmp_path / "new", "data", samples) | {"npts": samples.shape[-1]} for samples in (ONE, THREE, ONE)]
    assert [document["foff"] for document in written] == [0, 8 * 70_000, 8 * (70_000 + 123)]
    body = (tmp_path / "new/data").read_bytes()
    first = written[1]["foff"]
    np.testing.assert_array_equal(np.frombuffer(body[first : first + written[1]["nbytes"]]).reshape(41, 3).T, THREE)
    for document, samples in zip(written, (ONE, THREE, ONE), strict=True):
        assert document["nbytes"] == samples.nbytes
        np.testing.assert_array_equal(read_samples(bucket, document, 1 if samples.ndim == 1 else 3), samples)


def test_a_file_of_miniseed(bucket, tmp_path):
    trace = obspy.Trace(np.arange(5000, dtype=np.int32), {"network": "BW", "station": "RJOB", "channel": "EHZ"})
    records = io.BytesIO()
    trace.write(records, format="MSEED")
    (tmp_path / "day").write_bytes(b"x" * 100 + records.getvalue())
    document = {"storage_mode": "file", "format": "mseed", "dir": str(tmp_path), "dfile": "day", "foff": 100,
                "nbytes": len(records.getvalue()), "npts": 5000}  # fmt: skip
    np.testing.assert_array_equal(read_samples(bucket, document), trace.data)
    as_doubles = {name: float(document[name]) for name in ("npts", "foff", "nbytes")}  # as some builds of MsPASS store them
    np.testing.assert_array_equal(read_samples(bucket, document | as_doubles), trace.data)
    with pytest.raises(Corrupt, match=r"segments of \[5000\] samples, not one of 4999"):
        read_samples(bucket, document | {"npts": 4999})
    with pytest.raises(Corrupt, match="bytes before the samples"):
        read_samples(bucket, document | {"foff": 200})


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"gridfs_id": ObjectId()}, Missing, "no samples in GridFS"),
        ({"npts": 12}, Corrupt, "not the 96 of 12 samples"),
        ({"npts": "3"}, Corrupt, "not a number of samples"),
        ({"storage_mode": "tape"}, Rejected, "illegal storage_mode 'tape'"),
        ({"storage_mode": "file", "dir": "/nowhere", "dfile": "x", "foff": 0}, Missing, "/nowhere/x"),
        ({"storage_mode": "file", "format": "SAC", "dfile": "x"}, Rejected, "format 'SAC'"),
        ({"storage_mode": "file", "dfile": "x", "foff": -8}, Corrupt, "no place in a file"),
    ],
)
def test_what_cannot_be_read_says_why(bucket, wrong, error, message):
    document = put_gridfs(bucket, ONE) | {"npts": len(ONE)}
    with pytest.raises(error, match=message):
        read_samples(bucket, document | wrong)


def test_a_name_that_leaves_its_folder_is_refused(tmp_path):
    for name in ("", "..", "a/b", "../x"):
        with pytest.raises(ValueError, match="no name of a file"):
            append_file(tmp_path, name, ONE)


def test_samples_that_mspass_wrote(mongo_database, bucket):
    """They are those of obspy's example of the same station."""
    document = mspass_document("wf_TimeSeries: storage_mode gridfs, straight after save_data")
    for collection in ("fs.files", "fs.chunks"):
        mongo_database[collection].insert_one(mspass_document(collection))
    (trace,) = obspy_example().select(channel="EHZ")
    samples = read_samples(bucket, document)
    np.testing.assert_array_equal(samples, trace.data)
    assert (trace.stats.starttime.timestamp, trace.stats.station) == (document["starttime"], document["sta"])


def test_a_write_that_fails_half_way_leaves_the_file_as_it_was(tmp_path):
    append_file(tmp_path, "data", ONE)
    before = (tmp_path / "data").read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            append_file(tmp_path, "data", ONE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "data").read_bytes() == before


def test_an_upload_that_fails_half_way_leaves_no_chunks(bucket, mongo_database, monkeypatch):
    insert = Collection.insert_one

    def fails(self, *args, **options):
        if self.name == "fs.files":
            raise AutoReconnect("connection closed")
        return insert(self, *args, **options)

    monkeypatch.setattr(Collection, "insert_one", fails)
    with pytest.raises(AutoReconnect):
        put_gridfs(bucket, ONE)
    assert mongo_database["fs.chunks"].count_documents({}) == 0


@pytest.mark.parametrize("number", [10**12, 2**62])
@pytest.mark.parametrize("form", ["binary", "mseed"])
def test_absurd_numbers_of_samples_ask_for_no_memory(bucket, tmp_path, number, form):
    document = append_file(tmp_path, "data", ONE) | {"npts": number, "nbytes": number, "format": form}
    with pytest.raises(Corrupt, match="bytes before the samples"):
        read_samples(bucket, document)
