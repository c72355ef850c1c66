"""The index of an archive as a table, against its own csv files, the objects themselves and obspy."""

from __future__ import annotations

import datetime as dt
import io
import os
import shutil

import numpy as np
import obspy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import seisbatch
from seisbatch.acquire.miniseed import decode
from seisbatch.archives import earthscope, scedc, sds
from seisbatch.names import Channel
from seisbatch.sample.events import EVENTS
from seisbatch.sample.network import DAYS

from tests.faulty_s3 import Bucket, serving
from tests.jobs.results import data_columns, indexed, outcomes, rows


@pytest.fixture
def archive(sample_archive, tmp_path):
    copy = tmp_path / "archive"
    shutil.copytree(sample_archive, copy, copy_function=os.link)
    return copy


@pytest.fixture(scope="module")
def out(sample_archive, run_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "out"
    assert run_job("index_archive", "--root", sample_archive, "--segments", "--out", folder) == 0
    return folder


def unit(row):
    return f"{row['net']}.{row['sta']}.{row['loc']}.{row['chan']}/{row['date']}"


def read_anew(out):
    """Days that the last run read, by month."""
    return [row["reason"].partition(" ")[0] for row in sorted(outcomes(out, "batch").values(), key=lambda row: row["unit"])]


def test_every_object_of_the_archive_s_own_index(out, sample_archive):
    found = rows(out, "index")
    assert sorted(map(unit, found)) == sorted(indexed(sample_archive))
    for row in found:
        assert row["archive"] == "scedc"
        assert (row["year"], row["day"]) == (row["date"].year, row["date"].timetuple().tm_yday)
        assert row["s3key"].startswith(f"continuous_waveforms/{row['date']:%Y/%Y_%j}/")


def test_pieces_are_obspy_s_and_their_bytes_hold_them(out, sample_archive):
    pieces = {}
    for row in rows(out, "wf_miniseed"):
        pieces.setdefault(row["s3key"], []).append(row)
    assert len(pieces) == 67  # of 70: one is missing, two are no miniSEED or cut
    for key, of_object in pieces.items():
        path = sample_archive / key
        body = path.read_bytes()
        traces = obspy.read(path, format="MSEED")
        assert sum(row["npts"] for row in of_object) == sum(len(trace) for trace in traces)
        first = min(of_object, key=lambda row: row["starttime"])
        assert abs(obspy.UTCDateTime(first["starttime"]) - min(trace.stats.starttime for trace in traces)) < 2e-4
        last = max(of_object, key=lambda row: row["endtime"])
        step = 1 / last["sampling_rate"]
        assert abs(obspy.UTCDateTime(last["endtime"]) - max(trace.stats.endtime for trace in traces)) < step / 2
        ends = np.cumsum([row["nbytes"] for row in of_object])
        assert [row["foff"] for row in of_object] == [0, *ends[:-1]]  # the pieces fill the object, in its order
        assert ends[-1] == len(body)
        for row in of_object[:3]:
            (trace,) = obspy.read(io.BytesIO(body[row["foff"] : row["foff"] + row["nbytes"]]), format="MSEED")
            assert (len(trace), trace.id) == (row["npts"], f"{row['net']}.{row['sta']}.{row['loc']}.{row['chan']}")
            assert abs(trace.stats.starttime - obspy.UTCDateTime(row["starttime"])) < 1e-4
    assert {row["outcome"] for row in outcomes(out, "object").values()} == {"ok", "corrupt", "missing"}


def test_a_later_run_reads_what_has_changed_and_only_that(archive, run_job, tmp_path):
    out = tmp_path / "out"
    options = ["--root", archive, "--archive", "scedc", "--start", DAYS[0], "--days", 3, "--out", out]
    assert run_job("index_archive", *options) == 0
    assert read_anew(out) == ["1", "2"]
    before = {file: file.read_bytes() for file in (out / "index").rglob("*.parquet")}
    assert run_job("index_archive", *options) == 0
    assert read_anew(out) == ["0", "0"]
    assert {file: file.read_bytes() for file in (out / "index").rglob("*.parquet")} == before
    key = archive / scedc.day_index_key(DAYS[2])
    table = pq.read_table(key, partitioning=None)
    key.unlink()
    pq.write_table(table.slice(0, 5), key)
    assert run_job("index_archive", *options) == 0
    assert read_anew(out) == ["0", "1"]
    found = rows(out, "index")
    assert sum(row["date"] == DAYS[2] for row in found) == 5
    assert sum(row["date"] == DAYS[1] for row in found) == sum(name.endswith(str(DAYS[1])) for name in indexed(archive))


def test_days_are_added_to_a_month_and_none_is_lost(archive, run_job, tmp_path):
    out = tmp_path / "out"
    options = ["--root", archive, "--archive", "scedc", "--out", out]
    for day in (DAYS[2], DAYS[1], DAYS[0]):
        assert run_job("index_archive", *options, "--start", day, "--days", 1) == 0
    assert sorted(map(unit, rows(out, "index"))) == sorted(indexed(archive))
    (archive / scedc.day_index_key(DAYS[1])).unlink()
    (archive / scedc.day_index_key(DAYS[1], "csv")).unlink()
    assert run_job("index_archive", *options, "--start", DAYS[1], "--days", 2) == 0
    assert outcomes(out, "day")[f"index/{DAYS[1]}"]["outcome"] == "missing"


def test_a_listed_archive_is_listed_again_only_where_it_may_have_changed(sample_archive, run_job, tmp_path):
    today = dt.datetime.now(dt.UTC).date()
    days = [today - dt.timedelta(days=40), today - dt.timedelta(days=3)]
    archive = tmp_path / "sds"
    name = Channel("XX", "ALFA", "", "BHZ")
    source = sample_archive / scedc.day_file_key(name, DAYS[0])
    for day in days:
        path = archive / sds.day_file_key(name, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
    options = ["--archive", "sds", "--root", archive, "--start", days[0], "--out", tmp_path / "out", "--max-bad-fraction", 1]
    assert run_job("index_archive", *options) == 0
    found = rows(tmp_path / "out", "index")
    assert [row["date"] for row in found] == days
    assert [row["size"] for row in found] == [source.stat().st_size] * 2
    assert sum(map(int, read_anew(tmp_path / "out"))) == 40
    late = archive / sds.day_file_key(name, days[1] - dt.timedelta(days=1))
    late.parent.mkdir(parents=True, exist_ok=True)
    late.write_bytes(source.read_bytes())
    assert run_job("index_archive", *options) == 0
    assert len(rows(tmp_path / "out", "index")) == 3
    assert sum(map(int, read_anew(tmp_path / "out"))) == 30  # the last thirty days, not the forty


def test_windows_planned_from_the_table_are_the_same(out, sample_archive, run_job, tmp_path):
    options = ["--root", sample_archive, "--channels", "XX.*..BHZ"]
    assert run_job("cut_windows", *options, "--out", tmp_path / "own") == 0
    assert run_job("cut_windows", *options, "--index", out, "--out", tmp_path / "table") == 0
    one, other = (data_columns(tmp_path / name, "wf_TimeSeries") for name in ("own", "table"))
    assert one.num_rows > 8
    assert one.equals(other)
    options += ["--time", "2022-05-05", "--index", out]
    assert run_job("cut_windows", *options, "--out", tmp_path / "none") == 2


def test_windows_by_pieces_move_less_and_hold_the_same(sample_archive, run_job, tmp_path):
    """One request of a day file where a reader that knows nothing of it needs two."""
    of_archive = ["--archive", "scedc", "--root", "s3://any", "--source-region", "us-east-1"]
    channels = ["--channels", "XX.*.*.*"]
    bucket = Bucket(sample_archive, 0.0)
    with serving(bucket) as endpoint:
        of_archive += ["--source-endpoint", endpoint]
        days = ["--start", DAYS[0], "--days", 1]
        assert run_job("index_archive", *of_archive, *days, *channels, "--segments", "--out", tmp_path / "index") == 0
        found = {}
        for name, index in (("plain", []), ("pieces", ["--index", tmp_path / "index"])):
            bucket.requests.clear()
            options = ["--time", EVENTS[0].time.isoformat(), *channels, "--out", tmp_path / name]
            assert run_job("cut_windows", *of_archive, *options, *index) == 0
            found[name] = {key: number for key, number in bucket.requests.items() if key.endswith(".ms")}
    one, other = (data_columns(tmp_path / name, "wf_TimeSeries") for name in ("plain", "pieces"))
    assert one.num_rows > 15
    for ours, theirs in zip(other.to_pylist(), one.to_pylist(), strict=True):
        about = {"samples": None, "starttime": None, "endtime": None, "sampling_rate": None}  # time tags have 0.1 ms
        assert {**ours, **about} == {**theirs, **about}
        assert abs((ours["starttime"] - theirs["starttime"]).total_seconds()) < 1e-4
        assert ours["sampling_rate"] == pytest.approx(theirs["sampling_rate"], rel=1e-6)
        (mine,), (same,) = (decode(row["samples"]).values() for row in (ours, theirs))
        assert all((a.samples == b.samples).all() for a, b in zip(mine, same, strict=True))
    plain, pieces = (outcomes(tmp_path / name, "window") for name in ("plain", "pieces"))
    assert {unit: row["outcome"] for unit, row in plain.items()} == {unit: row["outcome"] for unit, row in pieces.items()}
    assert sum(found["pieces"].values()) < 0.7 * sum(found["plain"].values())
    assert sum(row["bytes_read"] for row in pieces.values()) < sum(row["bytes_read"] for row in plain.values())


def test_an_index_in_a_bucket_of_ones_own(sample_archive, run_job, tmp_path, s3_server):
    """The archive is read anonymously at its service, index and events with credentials at that of the outputs."""
    import boto3

    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="own")
    rows_of_arrivals = "net,sta,time\nXX,ALFA,2023-12-31T15:20:30\n"
    client.put_object(Bucket="own", Key="picks.csv", Body=rows_of_arrivals.encode())
    bucket = Bucket(sample_archive, 0.0)
    bucket.allows = lambda key, headers: "Authorization" not in headers  # nobody's credentials are sent to it
    with serving(bucket) as endpoint:
        options = ["--archive", "scedc", "--root", "s3://any", "--source-endpoint", endpoint, "--source-region", "us-west-2"]
        options += ["--out-endpoint", s3_server, "--out-region", "us-east-1"]
        days = ["--start", DAYS[0], "--days", 1, "--segments"]
        assert run_job("index_archive", *options, *days, "--out", "s3://own/index") == 0
        options += ["--index", "s3://own/index", "--arrivals", "s3://own/picks.csv", "--cache", "s3://own/kept"]
        assert run_job("cut_windows", *options, "--out", "s3://own/out") == 0
        sent = bucket.sent
        assert run_job("cut_windows", *options, "--out", "s3://own/again") == 0
        assert bucket.sent == sent  # what was read is kept in the bucket of one's own
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="own")["Contents"]]
    assert [key for key in keys if key.startswith("kept/seisbatch-cache/")]
    stream = seisbatch.read_waveforms("s3://own/again", endpoint=s3_server, region="us-east-1")
    assert {trace.id for trace in stream} == {"XX.ALFA..BHZ", "XX.ALFA..BHN", "XX.ALFA..BHE"}


def test_an_index_that_no_longer_holds_is_passed_over(sample_archive, run_job, tmp_path):
    archive = tmp_path / "archive"
    shutil.copytree(sample_archive, archive, copy_function=os.link)
    options = ["--root", archive, "--channels", "XX.ALFA.*.*"]
    assert run_job("index_archive", *options, "--segments", "--out", tmp_path / "index") == 0
    path = archive / scedc.day_file_key(Channel("XX", "ALFA", "", "BHZ"), DAYS[0])
    body = path.read_bytes()
    path.unlink()
    path.write_bytes(body[512 * 40 :])  # every piece stands elsewhere now; no version tells
    for name, index in (("plain", []), ("pieces", ["--index", tmp_path / "index"])):
        assert run_job("cut_windows", *options, *index, "--out", tmp_path / name) == 0
    one, other = (data_columns(tmp_path / name, "wf_TimeSeries") for name in ("plain", "pieces"))
    assert set(one["chan"].to_pylist()) == {"BHZ", "BHN", "BHE"}
    assert one.select(["id", "starttime", "npts"]).equals(other.select(["id", "starttime", "npts"]))


def test_pieces_of_objects_that_hold_whole_stations(sample_archive, run_job, tmp_path):
    archive = tmp_path / "archive"
    files = sorted((sample_archive / "continuous_waveforms/2023/2023_365").glob("XXALFA_*.ms"))
    path = archive / earthscope.day_file_key(Channel("XX", "ALFA", "", "BHZ"), DAYS[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    options = ["--archive", "earthscope", "--root", archive, "--start", DAYS[0], "--days", 1, "--segments"]
    assert run_job("index_archive", *options, "--out", tmp_path / "out") == 0
    (row,) = rows(tmp_path / "out", "index")
    assert (row["net"], row["sta"], row["loc"], row["chan"]) == ("XX", "ALFA", None, None)
    pieces = rows(tmp_path / "out", "wf_miniseed")
    assert {piece["chan"] for piece in pieces} == {"BHZ", "BHN", "BHE"}
    assert sum(piece["nbytes"] for piece in pieces) == path.stat().st_size


def test_a_year_of_days_with_and_without_header(run_job, tmp_path):
    """Every third index is Parquet, every third csv with a header, every third csv without."""
    archive = tmp_path / "archive"
    n_rows = 40
    for number in range(365):
        day = dt.date(2021, 1, 1) + dt.timedelta(days=number)
        table = pa.table(
            {
                "ms_filename": [f"CIA{n:02d}__BHZ___{day:%Y%j}.ms" for n in range(n_rows)],
                "net": ["CI"] * n_rows,
                "sta": [f"A{n:02d}" for n in range(n_rows)],
                "seedchan": ["BHZ"] * n_rows,
                "location": ["  "] * n_rows,
                "lat": [34.0] * n_rows,
                "lon": pa.array([None] * n_rows, pa.float64()),
                "sample_rate": [40.0] * n_rows,
            }
        )
        form = "parquet" if number % 3 == 0 else "csv"
        path = archive / scedc.day_index_key(day, form)
        path.parent.mkdir(parents=True)
        if form == "parquet":
            pq.write_table(table, path)
            continue
        lines = [",".join("" if value is None else str(value) for value in row.values()) for row in table.to_pylist()]
        header = [",".join(table.column_names)] if number % 3 == 1 else []
        path.write_text("\n".join([*header, *lines]) + "\n")
    options = ["--archive", "scedc", "--root", archive, "--start", "2021-01-01", "--end", "2022-01-01"]
    assert run_job("index_archive", *options, "--out", tmp_path / "out") == 0
    found = rows(tmp_path / "out", "index")
    assert len({unit(row) for row in found}) == len(found) == 365 * n_rows
    assert {row["outcome"] for row in outcomes(tmp_path / "out", "day").values()} == {"ok"}


def test_what_cannot_be_is_said(sample_archive, run_job, tmp_path, capsys):
    for options, message in [
        (["--archive", "scedc", "--root", sample_archive], "needs --start"),
        (["--start", "2022-01-02", "--end", "2022-01-01"], "--end 2022-01-01 is not after --start 2022-01-02"),
        (["--channels", "XX"], "is no channel pattern"),
    ]:
        assert run_job("index_archive", *options, "--out", tmp_path / "out") == 2
        assert message in capsys.readouterr().err
    other = ["--archive", "ncedc", "--root", sample_archive, "--start", DAYS[0], "--days", 1, "--max-bad-fraction", 1]
    run_job("index_archive", *other, "--out", tmp_path / "out")
    capsys.readouterr()
    assert run_job("index_archive", "--root", sample_archive, "--out", tmp_path / "out") == 1
    assert "other parameters" in capsys.readouterr().err
