"""The data source: what Spark reads of an archive against what obspy reads of its files."""

from __future__ import annotations

import datetime as dt
import io
import os
import re

import boto3
import numpy as np
import obspy
import pytest
import seisbatch.datasource
from pyspark.errors import PySparkException
from seisbatch.acquire.objects import Part
from seisbatch.acquire.pack import pack
from seisbatch.archives import ARCHIVES, earthscope, scedc, sds
from seisbatch.config import OptionError
from seisbatch.datasource.batches import record_batches
from seisbatch.datasource.options import read_request
from seisbatch.datasource.planning import PARTITION_BYTES, PARTITION_OBJECTS, PlannedObject, partitioned, planned_objects
from seisbatch.names import Channel, parse_channel
from seisbatch.process.segments import Segment
from seisbatch.sample.faults import FAULTS
from seisbatch.sample.network import DAYS
from seisbatch.schema import SEGMENT
from seisbatch.times import day_start_ns

from tests.faulty_s3 import Bucket, serving
from tests.jobs.results import indexed
from tests.jobs.test_archives import NAMES, relay

HEADERS = ["net", "sta", "loc", "chan", "starttime", "endtime", "sampling_rate", "npts", "date", "s3key", "outcome", "reason"]


@pytest.fixture(scope="module")
def read(spark):
    """Reads an archive with options."""
    seisbatch.datasource.register(spark)

    def load(root, **options):
        return spark.read.format("miniseed").options(**options).load(str(root))

    return load


def rows_of(frame):
    """Rows as dictionaries; samples are arrays, or bytes."""
    table = frame.toArrow()
    rows = table.select([name for name in table.column_names if name != "samples"]).to_pylist()
    if "samples" in table.column_names:
        for row, samples in zip(rows, table["samples"], strict=True):
            row["samples"] = (
                samples.values.to_numpy() if samples.is_valid and row["encoding"] != "miniseed" else samples.as_py()
            )
    return rows


def recorded(archive, s3key):
    """The traces of a file by obspy, in the order of their times."""
    return sorted(obspy.read(archive / s3key, format="MSEED"), key=lambda trace: (trace.stats.starttime, trace.stats.npts))


def utc(time):
    return obspy.UTCDateTime(time.replace(tzinfo=None))


def in_order(rows):
    return sorted(rows, key=lambda row: (row["s3key"], row["starttime"], row["npts"]))


def assert_like(row, trace):
    """A row's header is that of a trace by obspy, whose rate has single precision: over a day that comes to milliseconds."""
    assert row["npts"] == trace.stats.npts
    for name in ("starttime", "endtime"):
        assert abs(utc(row[name]) - trace.stats[name]) < 0.1 * trace.stats.delta
    assert row["sampling_rate"] == pytest.approx(trace.stats.sampling_rate, rel=1e-6)


ODD = "XX.ALFA..BH?,XX.CHAR..BHN,XX.FOXT..BHZ,XX.DELT.10.BHZ,XX.JULI.10.BHZ"
"""Of the first day: overlaps, 300 gaps, three hours of data, a sub-sample offset, a rate that is none, another location."""


def test_segments_are_those_of_the_files(read, sample_archive):
    rows = in_order(rows_of(read(sample_archive, start="2023-12-31", channels=ODD)))
    assert {row["outcome"] for row in rows} == {"ok"}
    assert len(rows) == 2 + 301 + 1 + 1 + 1 + 1 + 1
    traces = [trace for key in sorted({row["s3key"] for row in rows}) for trace in recorded(sample_archive, key)]
    for row, trace in zip(rows, traces, strict=True):
        assert_like(row, trace)
        assert abs(utc(row["starttime"]) - trace.stats.starttime) < 2e-6
        assert (row["net"], row["sta"], row["chan"]) == tuple(trace.id.split(".")[n] for n in (0, 1, 3))
        assert (row["encoding"], row["date"]) == ("int32", dt.date(2023, 12, 31))
        np.testing.assert_array_equal(row["samples"], trace.data)  # counts, to the last
    (other,) = (row for row in rows if row["sta"] == "JULI")
    assert (other["loc"], other["reason"]) == ("10", "records carry location code '00'")


def test_the_same_segments_as_records_and_by_headers_alone(read, sample_archive):
    options = {"start": "2023-12-31", "channels": ODD}
    decoded = read(sample_archive, **options).drop("samples", "encoding")
    whole = read(sample_archive, **options, samples="miniseed")
    assert in_order(rows_of(whole.drop("samples", "encoding"))) == in_order(rows_of(decoded))
    headers = read(sample_archive, **options, samples="none")
    assert headers.columns == [*HEADERS, "encoding"]
    assert in_order(rows_of(headers.drop("encoding"))) == in_order(rows_of(decoded))
    for row in rows_of(whole.where("chan <> 'BHN' OR npts = 5740")):
        assert row["encoding"] == "miniseed"
        (ours,) = obspy.read(io.BytesIO(row["samples"]), format="MSEED")
        (theirs,) = (t for t in recorded(sample_archive, row["s3key"]) if t.stats.starttime == ours.stats.starttime)
        assert_like(row, ours)
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_every_channel_day_of_the_index_has_rows_and_faults_a_reason(read, sample_archive):
    frame = read(sample_archive, start=str(DAYS[0]), days=3, samples="none")
    rows = rows_of(frame)
    unit = "{net}.{sta}.{loc}.{chan}/{date}"
    assert {unit.format(**row) for row in rows} == set(indexed(sample_archive))
    bad = {unit.format(**row): row for row in rows if row["outcome"] != "ok"}
    planted = {f"{fault.channel}/{fault.date}": fault for fault in FAULTS if fault.outcome in ("missing", "corrupt")}
    assert bad.keys() == planted.keys()
    assert len(planted) == 3
    for name, row in bad.items():
        assert row["outcome"] == planted[name].outcome
        assert re.search(planted[name].reason, row["reason"])
        assert row["npts"] is None
    samples = read(sample_archive, start=str(DAYS[0]), channels="XX.KILO..BH?").where("outcome <> 'ok'").select("samples")
    assert [row["samples"] for row in samples.collect()] == [None, None]


@pytest.mark.parametrize(
    ("channels", "day", "message"),
    [
        ("XX.KILO..BHN", 0, r"XX\.KILO\.\.BHN of 2023-12-31: corrupt: truncated: byte"),
        ("XX.GOLF..BHZ", 1, r"XX\.GOLF\.\.BHZ of 2024-01-01: missing: no object"),
        ("*.*.*.*", 40, "missing: index of the day"),
    ],
)
def test_what_cannot_be_read_ends_the_query_where_that_is_asked_for(channels, day, message, read, sample_archive):
    start = DAYS[0] + dt.timedelta(days=day)
    frame = read(sample_archive, start=str(start), channels=channels, errors="fail")
    with pytest.raises(Exception, match=message):  # of the plan, Spark's own kind; of a task, that of the bridge to Java
        frame.count()
    (row,) = rows_of(read(sample_archive, start=str(start), channels=channels))
    assert row["outcome"] in ("corrupt", "missing")


def test_sql(read, spark, sample_archive):
    read(sample_archive, start=str(DAYS[2]), channels="XX.[A-D]*.*.BHZ").createOrReplaceTempView("segments")
    found = spark.sql("""
        SELECT sta, loc, sum(npts) AS n, max(array_max(samples)) AS high, min(array_min(samples)) AS low,
               sum(aggregate(samples, 0D, (sum, x) -> sum + x * x)) AS energy
        FROM segments WHERE outcome = 'ok' GROUP BY sta, loc ORDER BY sta, loc
    """).collect()
    assert [(row.sta, row.loc) for row in found] == [("ALFA", ""), ("BRAV", ""), ("CHAR", ""), ("DELT", ""), ("DELT", "10")]
    for row in found:
        key = scedc.day_file_key(Channel("XX", row.sta, row.loc, "BHZ"), DAYS[2])
        data = np.concatenate([trace.data.astype(np.int64) for trace in recorded(sample_archive, key)])
        assert (row.n, row.high, row.low, row.energy) == (len(data), data.max(), data.min(), (data**2).sum())


def test_a_day_at_100_hz_and_a_longer_row_than_one_may_be(read, spark, sample_archive, tmp_path):
    """With the properties of local runs; a segment of more than 20 million samples comes in several rows."""
    key = scedc.day_file_key(parse_channel("XX.BRAV..HHZ"), DAYS[0])
    (trace,) = recorded(sample_archive, key)
    (row,) = (
        read(sample_archive, start=str(DAYS[0]), channels="XX.BRAV..HHZ")
        .selectExpr("size(samples) AS n", "aggregate(samples, 0D, (sum, x) -> sum + x) AS total", "samples[8639999] AS last")
        .collect()
    )
    assert (row.n, row.total, row.last) == (8_640_000, trace.data.astype(np.int64).sum(), trace.data[-1])

    name, day = Channel("XX", "FAST", "", "CHZ"), dt.date(2022, 1, 2)
    data = np.random.default_rng(1).integers(-100, 100, 25_000_000).astype(np.int32)
    path = tmp_path / sds.day_file_key(name, day)
    path.parent.mkdir(parents=True)
    path.write_bytes(pack(name, Segment(day_start_ns(day), 500.0, data)))
    rows = read(tmp_path, archive="sds", start=str(day)).selectExpr(
        "starttime", "endtime", "npts", "size(samples) AS n", "aggregate(samples, 0D, (sum, x) -> sum + x) AS total"
    )
    one, two = rows.orderBy("starttime").collect()
    assert (one.npts, one.n, two.npts, two.n) == (20_000_000, 20_000_000, 5_000_000, 5_000_000)
    assert (one.total, two.total) == (data[:20_000_000].sum(), data[20_000_000:].sum())
    assert two.starttime - one.endtime == dt.timedelta(seconds=1 / 500)
    records = read(tmp_path, archive="sds", start=str(day), samples="miniseed").orderBy("starttime").toArrow()
    again = [obspy.read(io.BytesIO(value.as_py()), format="MSEED")[0].data for value in records["samples"]]
    np.testing.assert_array_equal(np.concatenate(again), data)


def test_a_window_across_midnight(read, sample_archive):
    """Samples from 23:58 to 00:03, those of every object that has some: a day file may go beyond its midnight."""
    first, end = obspy.UTCDateTime("2023-12-31T23:58:00"), obspy.UTCDateTime("2024-01-01T00:03:00")
    options = {"starttime": "2023-12-31T23:58:00", "endtime": "2024-01-01T00:03:00"}
    rows = rows_of(read(sample_archive, **options))
    assert len({(row["s3key"]) for row in rows}) == 48
    n_compared = 0
    for row in rows:
        if row["outcome"] != "ok":
            continue
        traces = [
            part
            for trace in recorded(sample_archive, row["s3key"])
            for part in [trace.slice(first, end - 0.001, nearest_sample=False)]
            if part.stats.npts
        ]
        (trace,) = (part for part in traces if abs(part.stats.starttime - utc(row["starttime"])) < 0.5 * part.stats.delta)
        assert_like(row, trace)
        np.testing.assert_array_equal(row["samples"], trace.data)
        n_compared += 1
    assert n_compared >= 40
    outcomes = {f"{row['sta']}.{row['loc']}.{row['chan']}/{row['date']}": row["outcome"] for row in rows}
    assert outcomes["GOLF..BHZ/2024-01-01"] == "missing"
    assert outcomes["DELT..BHZ/2024-01-01"] == "empty"  # it starts late
    assert outcomes["KILO..BHE/2023-12-31"] == "corrupt"
    records = in_order(rows_of(read(sample_archive, **options, samples="miniseed").where("outcome = 'ok'")))
    for row, decoded in zip(records, in_order([row for row in rows if row["outcome"] == "ok"]), strict=True):
        (trace,) = obspy.read(io.BytesIO(row["samples"]), format="MSEED")
        np.testing.assert_array_equal(trace.data, decoded["samples"])


def there(endpoint):
    return {"endpoint": endpoint, "region": "us-east-1"}


def test_only_what_is_selected_is_asked_for(read, sample_archive):
    bucket = Bucket(sample_archive, 0.0)
    with serving(bucket) as endpoint:
        frame = read("s3://any/", **there(endpoint), start=str(DAYS[1]), days=2, channels="XX.ALFA..BH[NZ],XX.DELT.10.*")
        assert not bucket.requests  # not before there is a query
        assert frame.where("outcome = 'ok'").count() >= 4
    names = [parse_channel(text) for text in ("XX.ALFA..BHN", "XX.ALFA..BHZ", "XX.DELT.10.BHZ")]
    days = DAYS[1:3]
    objects = {scedc.day_file_key(name, day) for name in names for day in days}
    there_are = {key for key in objects if (sample_archive / key).exists()}
    assert set(bucket.requests) - objects == {scedc.day_index_key(day) for day in days}
    assert set(bucket.requests) & objects == there_are


def test_of_a_window_only_its_bytes_are_fetched(read, sample_archive):
    bucket = Bucket(sample_archive, 0.0)
    with serving(bucket) as endpoint:
        where = {**there(endpoint), "channels": "XX.BRAV..HHZ"}
        frame = read("s3://any", **where, starttime="2023-12-31T12:00:00", endtime="2023-12-31T12:01:00")
        (row,) = frame.collect()
        assert row.npts == 6000
        size = (sample_archive / row.s3key).stat().st_size
        index = (sample_archive / scedc.day_index_key(DAYS[0])).stat().st_size
        assert bucket.sent - index < 0.1 * size
        assert set(bucket.requests) == {row.s3key, scedc.day_index_key(DAYS[0])}
        # So near to midnight the day before is looked at too; that it has nothing is not worth a row.
        bucket.requests.clear()
        (row,) = read("s3://any", **where, starttime="2024-01-01T00:00:01", endtime="2024-01-01T00:00:02").collect()
        assert row.date == DAYS[1]
        assert scedc.day_file_key(parse_channel("XX.BRAV..HHZ"), DAYS[0]) in bucket.requests


def test_a_refused_object_is_a_row(read, sample_archive):
    bucket = Bucket(sample_archive, 0.0)
    bucket.denied = {scedc.day_file_key(parse_channel("XX.ALFA..BHZ"), DAYS[0])}
    with serving(bucket) as endpoint:
        rows = rows_of(read("s3://any", **there(endpoint), start=str(DAYS[0]), channels="XX.[AB]*..BHZ", samples="none"))
    assert {row["sta"]: row["outcome"] for row in rows} == {"ALFA": "denied", "BRAV": "ok"}
    assert "access denied" in next(row["reason"] for row in rows if row["sta"] == "ALFA")


@pytest.mark.parametrize("layout", ["sds", "ncedc", "geonet"])
def test_listed_archives_in_s3(layout, read, s3_server, sample_archive, tmp_path):
    """The sample's day files under the keys of archives without an index, in a bucket that is open to all."""
    if layout == "geonet":  # whose locations are numbers
        for day in DAYS[:2]:
            path = tmp_path / ARCHIVES[layout].day_file_key(parse_channel("XX.DELT.10.BHZ"), day)
            path.parent.mkdir(parents=True)
            os.link(sample_archive / scedc.day_file_key(parse_channel("XX.DELT.10.BHZ"), day), path)
    else:
        relay(sample_archive, tmp_path, ARCHIVES[layout])
    client = boto3.client("s3", endpoint_url=s3_server)
    bucket = f"listed-{layout}"  # servers of one process share their buckets
    client.create_bucket(Bucket=bucket, ACL="public-read")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            key = f"copy/{path.relative_to(tmp_path)}"
            client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ACL="public-read")
    frame = read(
        f"s3://{bucket}/copy",
        **there(s3_server),
        archive=layout,
        start=str(DAYS[0]),
        days=2,
        samples="none",
        channels="XX.*.*.*",
    )
    names = ["XX.DELT.10.BHZ"] if layout == "geonet" else NAMES
    theirs = read(sample_archive, start=str(DAYS[0]), days=2, channels=",".join(names), samples="none")
    columns = [name for name in HEADERS if name != "s3key"]
    ours = [[row[name] for name in columns] for row in rows_of(frame.where("net IS NOT NULL"))]
    assert sorted(ours) == sorted([row[name] for name in columns] for row in rows_of(theirs))
    strangers = rows_of(frame.where("net IS NULL"))
    assert len(strangers) == (2 if layout == "ncedc" else 0)  # a year's prefix does not say of which day a stray file is
    assert all("checksums.txt" in row["reason"] for row in strangers)


def test_objects_of_whole_stations(read, sample_archive, tmp_path):
    """EarthScope's layout: every channel of a station's day in one object, some of them text, or none that is wanted."""
    log = obspy.Trace(np.frombuffer(b"clock locked ", dtype="|S1"), {"network": "XX", "station": "ALFA", "channel": "LOG"})
    log.stats.starttime = obspy.UTCDateTime(2023, 12, 31, 4)
    text = io.BytesIO()
    log.write(text, format="MSEED", encoding="ASCII", reclen=512)
    for sta in ("ALFA", "BRAV"):
        files = sorted((sample_archive / "continuous_waveforms/2023/2023_365").glob(f"XX{sta}_*.ms"))
        path = tmp_path / earthscope.day_file_key(Channel("XX", sta, "", "BHZ"), DAYS[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(file.read_bytes() for file in files) + (text.getvalue() if sta == "ALFA" else b""))
    options = {"archive": "earthscope", "channels": "XX.*..BH[NE],XX.*..LOG"}
    rows = rows_of(read(tmp_path, **options, start=str(DAYS[0])))
    assert {f"{row['sta']}.{row['chan']}": (row["outcome"], row["reason"]) for row in rows if row["outcome"] != "ok"} == {
        "ALFA.LOG": ("corrupt", "records hold text, not samples"),
        "BRAV.None": ("empty", f"the object holds XX.BRAV..BHZ, XX.BRAV..HHZ, none of which matches {options['channels']}"),
    }
    ours = in_order([row for row in rows if row["outcome"] == "ok"])
    traces = recorded(tmp_path, ours[0]["s3key"])
    traces = [trace for trace in traces if trace.stats.channel in ("BHN", "BHE")]
    assert len(ours) == len(traces) == 303
    by_start = {(trace.stats.channel, trace.stats.starttime.timestamp): trace for trace in traces}
    for row in ours:
        trace = by_start[row["chan"], utc(row["starttime"]).timestamp]
        assert_like(row, trace)
        np.testing.assert_array_equal(row["samples"], trace.data)
    window = {"starttime": "2023-12-31T15:20:00", "endtime": "2023-12-31T15:20:10"}
    wanted = rows_of(read(tmp_path, archive="earthscope", channels="XX.*..BHZ", **window))  # text that is not is no matter
    assert [(row["sta"], row["chan"], row["npts"]) for row in wanted] == [("ALFA", "BHZ", 200), ("BRAV", "BHZ", 200)]
    found = rows_of(read(tmp_path, archive="earthscope", channels="XX.*..BHZ,XX.*..LOG", **window))
    assert [(row["sta"], row["chan"], row["outcome"], row["npts"]) for row in found] == [
        ("ALFA", "BHZ", "ok", 200),
        ("ALFA", "LOG", "corrupt", None),
        ("BRAV", "BHZ", "ok", 200),
    ]


def test_channels_of_whole_stations_by_their_pieces(read, run_job, sample_archive, tmp_path):
    """An index that knows where each channel stands: nothing but its bytes are fetched, whole days and windows alike."""
    files = sorted((sample_archive / "continuous_waveforms/2023/2023_365").glob("XXALFA_*.ms"))
    log = obspy.Trace(np.frombuffer(b"clock locked ", dtype="|S1"), {"network": "XX", "station": "ALFA", "channel": "LOG"})
    text = io.BytesIO()
    log.write(text, format="MSEED", encoding="ASCII", reclen=512)
    path = tmp_path / "archive" / earthscope.day_file_key(Channel("XX", "ALFA", "", "BHZ"), DAYS[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(text.getvalue() + b"".join(file.read_bytes() for file in files))
    bucket = Bucket(tmp_path / "archive", 0.0)
    with serving(bucket) as endpoint:
        of_archive = ["--archive", "earthscope", "--root", "s3://any", "--source-endpoint", endpoint]
        of_archive += ["--source-region", "us-east-1", "--channels", "XX.*.*.*", "--start", DAYS[0], "--days", 1, "--segments"]
        assert run_job("index_archive", *of_archive, "--out", tmp_path / "index") == 0
        options = {**there(endpoint), "archive": "earthscope", "channels": "XX.*..BHE", "index": str(tmp_path / "index")}
        bucket.sent = 0
        ours = rows_of(read("s3://any", **options, start=str(DAYS[0])))
        (own,) = [file for file in files if "BHE" in file.name]
        assert bucket.sent == own.stat().st_size
        theirs = rows_of(read(sample_archive, channels="XX.ALFA..BHE", start=str(DAYS[0]), days=1))
        for mine, same in zip(in_order(ours), in_order(theirs), strict=True):
            assert (mine["starttime"], mine["npts"]) == (same["starttime"], same["npts"])
            np.testing.assert_array_equal(mine["samples"], same["samples"])
        bucket.sent = 0
        window = {"starttime": "2023-12-31T15:20:00", "endtime": "2023-12-31T15:20:10"}
        (row,) = rows_of(read("s3://any", **options, **window))
        assert (row["chan"], row["npts"]) == ("BHE", 200)
        assert bucket.sent < 0.1 * own.stat().st_size


def test_what_was_read_is_kept(read, sample_archive, tmp_path):
    bucket = Bucket(sample_archive, 0.0)
    with serving(bucket) as endpoint:
        options = {**there(endpoint), "channels": "XX.ALFA..BHZ", "start": str(DAYS[0]), "cache": str(tmp_path / "kept")}
        first = rows_of(read("s3://any", **options))
        sent = bucket.sent
        assert sent > 1e5
        again = rows_of(read("s3://any", **options))
        assert bucket.sent == sent
    assert [row["npts"] for row in again] == [row["npts"] for row in first]


def test_an_index_that_index_archive_wrote(read, run_job, sample_archive, tmp_path):
    assert run_job("index_archive", "--root", sample_archive, "--out", tmp_path / "index") == 0
    options = {"start": str(DAYS[0]), "days": 2, "samples": "none"}
    bucket = Bucket(sample_archive, 0.0)
    own = read(sample_archive, **options)
    with serving(bucket) as endpoint:
        ours = read("s3://any", **there(endpoint), **options, index=str(tmp_path / "index"))
        assert in_order(rows_of(ours.where("outcome = 'ok'"))) == in_order(rows_of(own.where("outcome = 'ok'")))
    assert not [key for key in bucket.requests if "/index/" in key]


def test_the_sample_archive_needs_no_options(sample_archive, tmp_path, monkeypatch):
    (tmp_path / "sample-archive").symlink_to(sample_archive)
    monkeypatch.chdir(tmp_path)
    objects = planned_objects(read_request({"archive": "sample"}))
    assert {f"{item.channel}/{item.date}" for item in objects} == set(indexed(sample_archive))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chanels": "CI.*..BHZ"}, "unknown option chanels (channels?); known are archive"),
        ({"header": "true"}, "unknown option header; known are archive, path, channels"),
        ({"archive": "iris"}, "option archive 'iris': Input should be 'sample', 'scedc'"),
        ({"archive": "sds", "start": "2022-01-02"}, "archive sds has no public bucket: load a folder or s3://bucket/prefix"),
        ({"path": "gs://bucket", "start": "2022-01-02"}, "gs://bucket: write s3://bucket/prefix, or the name of a folder"),
        ({"channels": "BHZ", "start": "2022-01-02"}, "option channels: 'BHZ' is no channel pattern: write NET.STA.LOC.CHA"),
        ({}, "archive scedc needs option start, such as 2022-01-02, or both of starttime and endtime"),
        ({"starttime": "2022-01-02"}, "needs option start"),
        ({"start": "noon"}, "option start: 'noon' is not a day: write 2022-01-02"),
        ({"start": "2022-01-02", "days": "0"}, "option days '0': Input should be greater than 0"),
        ({"start": "2022-01-02", "days": "3", "end": "2022-01-04"}, "days 3 and end 2022-01-04 contradict each other"),
        ({"start": "2022-01-02", "end": "2022-01-02"}, "end 2022-01-02 is not after start 2022-01-02"),
        ({"starttime": "10:00", "endtime": "2022-01-02"}, "option starttime: '10:00' is no time: write 2011-03-11T05:46:23.2"),
        ({"starttime": "2022-01-02", "endtime": "2022-01-01"}, "option endtime 2022-01-01 is not after starttime 2022-01-02"),
        ({"start": "2022-01-02", "endtime": "2022-01-01"}, "option endtime 2022-01-01 leaves nothing of 2022-01-02"),
        ({"start": "2022-01-02", "samples": "raw"}, "option samples 'raw': Input should be 'decoded', 'miniseed' or 'none'"),
        ({"start": "2022-01-02", "errors": "skip"}, "option errors 'skip': Input should be 'rows' or 'fail'"),
        ({"start": "2022-01-02", "ahead": "much"}, "option ahead 'much': 'much' is no amount of bytes: write 1500MB or 2GB"),
        ({"start": "2022-01-02", "anonymous": "maybe"}, "option anonymous 'maybe': Input should be a valid boolean"),
    ],
)
def test_options_that_cannot_be_are_said(options, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        read_request(options)


def test_what_is_wrong_reaches_the_user(read, spark, sample_archive, tmp_path):
    with pytest.raises(PySparkException, match=r"option samples 'raw': Input should be 'decoded', 'miniseed' or 'none'"):
        read(sample_archive, start=str(DAYS[0]), samples="raw")
    with pytest.raises(PySparkException, match=r"no channel matches option channels ZZ\.\*\.\*\.\* from 2023-12-31"):
        read(sample_archive, start=str(DAYS[0]), channels="ZZ.*.*.*").count()
    with pytest.raises(PySparkException, match="there is no folder"):
        read(tmp_path / "nowhere", start=str(DAYS[0])).count()
    asked = spark.read.format("miniseed").option("start", str(DAYS[0])).schema("net string, samples array<float>")
    with pytest.raises(PySparkException, match=r"leave \.schema\(\.\.\.\) away"):
        asked.load(str(sample_archive)).count()


def planned(n_bytes, number=0):
    return PlannedObject(DAYS[0], "XX", f"S{number}", "", "BHZ", Part(f"key{number}"), None, None, None, None, n_bytes, True)


def test_partitions_are_bounded_and_enough_for_every_core(read, sample_archive):
    a_year = [planned(10_000_000, number) for number in range(1000)]
    groups = list(partitioned(a_year, cores=8))
    assert [item for group in groups for item in group] == a_year
    assert max(sum(item.n_bytes for item in group) for group in groups) <= PARTITION_BYTES
    assert groups == list(partitioned(a_year, cores=16))  # there is enough work for both
    assert len(list(partitioned(a_year[:32], cores=16))) >= 16
    assert len(list(partitioned([planned(1000, number) for number in range(100)], cores=16))) == 1
    many = list(partitioned([planned(1000, number) for number in range(1000)], cores=16))
    assert max(map(len, many)) == PARTITION_OBJECTS
    large = list(partitioned([planned(500_000_000, number) for number in range(3)], cores=1))
    assert list(map(len, large)) == [1, 1, 1]
    assert read(sample_archive, start=str(DAYS[0])).rdd.getNumPartitions() >= 2


def test_one_large_segment_is_held_at_a_time():
    """Rows are asked for one after another, and small ones share a batch."""
    asked = []

    def rows(sizes):
        for number, size in enumerate(sizes):
            asked.append(number)
            yield {"npts": size, "date": DAYS[0], "outcome": "ok", "reason": "", "samples": np.full(size, number, np.int32)}

    batches = record_batches(rows([3_000_000, 3_000_000, 10, 20]), SEGMENT)
    first = next(batches)
    assert (asked, first.num_rows) == ([0], 1)
    assert first["samples"][0].values.to_pylist() == [0.0] * 3_000_000
    assert [batch.num_rows for batch in batches] == [1, 2]
