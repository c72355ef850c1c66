"""Which index files an archive holds, on a disk and on S3."""

from __future__ import annotations

import datetime as dt
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from seisbatch.acquire.objects import StoreSettings, open_store
from seisbatch.archives import scedc
from seisbatch.outcome import RunError
from seisbatch.plan.index_files import index_files

START, END = dt.date(2023, 12, 30), dt.date(2024, 1, 2)
WANTED = [
    "continuous_waveforms/index/csv/year=2023/year_doy=2023_365/2023_365_waveform_index.csv",
    "continuous_waveforms/index/parquet/year=2023/year_doy=2023_365/2023_365_waveform_index.parquet",
    "continuous_waveforms/index/parquet/year=2024/year_doy=2024_001/2024_001_waveform_index.parquet",
    "earthquake_catalogs/index/csv/year=2023/2023_catalog_index.csv",
    "earthquake_catalogs/index/parquet/year=2024/2024_catalog_index.parquet",
]
OTHERS = [
    "continuous_waveforms/index/csv/year=2023/year_doy=2023_363/2023_363_waveform_index.csv",  # before the first day
    "continuous_waveforms/index/csv/year=2024/year_doy=2024_002/2024_002_waveform_index.csv",  # after the last
    "continuous_waveforms/index/csv/year=2024/year_doy=2024_367/2024_367_waveform_index.csv",  # no day
    "continuous_waveforms/index/csv/year=2024/year_doy=2024_001/2024_002_waveform_index.csv",
    "continuous_waveforms/index/csv/year=2024/year_doy=2024_001/2024_001_waveform_index.csv.tmp",
    "continuous_waveforms/index/csv/year=2024/year_doy=2024_001/_SUCCESS",
    "continuous_waveforms/2024/2024_001/CICCA__BHN___2024001.ms",
    "earthquake_catalogs/index/csv/year=2025/2025_catalog_index.csv",
    "earthquake_catalogs/index/csv/year=2024/2023_catalog_index.csv",
]


@pytest.fixture(params=["folder", "s3"])
def archive(request, tmp_path):
    if request.param == "folder":
        for key in WANTED + OTHERS:
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).touch()
        return open_store(StoreSettings(str(tmp_path)))
    endpoint = request.getfixturevalue("s3_server")
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="archive")
    for key in WANTED + OTHERS:
        client.put_object(Bucket="archive", Key=f"some/prefix/{key}", Body=b"")
    return open_store(StoreSettings("s3://archive/some/prefix", endpoint, "us-east-1"))


def test_what_is_there_of_the_days_and_their_years(archive):
    found = index_files(archive, scedc, START, END)
    assert sorted(file.s3key for file in found) == WANTED
    assert [file.date for file in sorted(found) if file.date] == [dt.date(2023, 12, 31)] * 2 + [dt.date(2024, 1, 1)]
    assert index_files(archive, scedc, dt.date(1990, 1, 1), dt.date(1991, 1, 1)) == []


class _Refusing(BaseHTTPRequestHandler):
    """S3's answer to those who may not list a bucket."""

    def do_GET(self):  # noqa: N802
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_a_bucket_that_may_not_be_listed_is_told():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        store = open_store(StoreSettings("s3://archive", endpoint, "us-east-1", anonymous=True))
        with pytest.raises(RunError, match=r"index files cannot be listed: s3://archive/.*AccessDenied"):
            index_files(store, scedc, START, END)
        server.shutdown()
