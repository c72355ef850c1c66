"""One call, from a bucket that is read without credentials to one that is written with them: what is put, and what is said."""

from __future__ import annotations

import io
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import boto3
import numpy as np
import obspy
import pyarrow.parquet as pq
import pytest
from seisbatch.oneshot import handler
from seisbatch.oneshot.requests import RequestError
from seisbatch.outcome import RunError, UnitError

from tests.faulty_s3 import Bucket, serving

PRE_FILT = (0.01, 0.02, 7.0, 9.0)
DAY = obspy.UTCDateTime("2024-01-02")
ALFA = "XX.ALFA.BHZ."
KEY = "continuous_waveforms/2024/2024_002/XXALFA_BHZ___2024002.ms"
STATIONS = "FDSNstationXML/XX/XX_{}.xml"
EDGE_SECONDS = 6000
"""The taper and the spectrum's lowest corner are felt no farther than this from a day's ends."""


@pytest.fixture(scope="module")
def archive(sample_archive, tmp_path_factory):
    """Three stations of the sample archive: of BRAV a stage of the response has no gain, a day of CHAR is no miniSEED."""
    folder = tmp_path_factory.mktemp("archive")
    for name in ("ALFA", "BRAV", "CHAR"):
        for path in [sample_archive / STATIONS.format(name), *sample_archive.rglob(f"XX{name}_BHZ___*.ms")]:
            copy = folder / path.relative_to(sample_archive)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    inventory = obspy.read_inventory(folder / STATIONS.format("BRAV"), format="STATIONXML")
    for channel in inventory[0][0]:
        channel.response.response_stages[1].stage_gain = 0.0
    inventory.write(folder / STATIONS.format("BRAV"), format="STATIONXML")
    spoilt = folder / "continuous_waveforms/2024/2024_001/XXCHAR_BHZ___2024001.ms"
    spoilt.write_bytes(b"no miniSEED" * 1000)
    return folder


@pytest.fixture
def source(archive):
    """What is served of the archive, to whoever sends no credentials."""
    bucket = Bucket(archive, share=0.0)
    bucket.allows = lambda key, headers: "Authorization" not in headers
    with serving(bucket) as endpoint:
        bucket.endpoint = endpoint
        yield bucket


@pytest.fixture
def results(s3_server, source, monkeypatch):
    """A client of the bucket of the results; the environment names it, and the archive."""
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="results")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary-token")
    for name, value in {
        "S3_OUTPUT_BUCKET": "results/motion",
        "SEISBATCH_OUT_ENDPOINT": s3_server,
        "SEISBATCH_ROOT": "s3://archive",
        "SEISBATCH_SOURCE_ENDPOINT": source.endpoint,
        "SEISBATCH_PRE_FILT": ",".join(map(str, PRE_FILT)),
    }.items():
        monkeypatch.setenv(name, value)
    return client


def read(client, key, form="MSEED"):
    return obspy.read(io.BytesIO(client.get_object(Bucket="results", Key=key)["Body"].read()), format=form)


@pytest.fixture(scope="module")
def expected(archive):
    """The day's ground velocity as obspy makes it."""
    [trace] = obspy.read(archive / KEY, format="MSEED")
    inventory = obspy.read_inventory(archive / STATIONS.format("ALFA"), format="STATIONXML")
    return trace.remove_response(inventory, output="VEL", pre_filt=PRE_FILT, water_level=60)


def assert_same_motion(trace, expected):
    """Within 1e-5 of the peak, away from the day's ends."""
    start, end = max(DAY + EDGE_SECONDS, trace.stats.starttime), min(DAY + 86_400 - EDGE_SECONDS, trace.stats.endtime)
    found, wanted = (one.slice(start, end, nearest_sample=False) for one in (trace, expected))
    assert found.stats.starttime == wanted.stats.starttime
    assert len(found) == len(wanted) > 1000
    assert np.abs(found.data - wanted.data).max() < 1e-5 * np.abs(expected.data).max()


def test_a_day_goes_from_the_archive_to_the_bucket(results, source, expected):
    answer = handler({"day": "2024,002", "nscl": ALFA}, None)
    key = f"motion/waveforms/{KEY}"
    assert answer == {"key": key, "keys": [key], "bucket": "results", "outcome": "ok", "reason": ""}
    [trace] = read(results, answer["key"])
    assert trace.id == "XX.ALFA..BHZ"
    assert_same_motion(trace, expected)
    assert source.requests.keys() == {KEY, STATIONS.format("ALFA")}


def test_a_window_is_cut_from_whole_days(results, expected):
    window = {"nscl": ALFA, "start_time": "2024-01-02T06:00", "end_time": (DAY + 6.5 * 3600).timestamp}
    answer = handler(window | {"format": "sac"}, None)
    assert answer["key"].endswith(".sac")
    [trace] = read(results, answer["key"], "SAC")
    assert (trace.stats.starttime, trace.stats.npts) == (DAY + 6 * 3600, 1800 * 20)
    assert_same_motion(trace, expected)
    [key] = handler(window | {"format": "parquet"}, None)["keys"]
    [row] = pq.read_table(io.BytesIO(results.get_object(Bucket="results", Key=key)["Body"].read())).to_pylist()
    assert (row["units"], row["npts"], row["net"], row["sta"]) == ("m/s", 1800 * 20, "XX", "ALFA")


def test_a_window_over_midnight_has_both_days(results):
    answer = handler({"nscl": ALFA, "start_time": "2024-01-01T23:30", "end_time": "2024-01-02T00:30"}, None)
    assert answer["outcome"] == "ok"
    traces = read(results, answer["key"])
    assert sum(len(trace) for trace in traces) == 3600 * 20
    assert (min(trace.stats.starttime for trace in traces), traces[-1].stats.endtime) == (DAY - 1800, DAY + 1800 - 0.05)


def test_a_window_of_which_one_day_is_spoilt_has_the_other(results):
    answer = handler({"nscl": "XX.CHAR.BHZ.", "start_time": "2024-01-01T23:30", "end_time": "2024-01-02T00:30"}, None)
    assert answer["outcome"] == "ok"
    assert "2024-01-01 corrupt: not miniSEED" in answer["reason"]
    assert sum(len(trace) for trace in read(results, answer["key"])) == 1800 * 20


def rest(fields, **more):
    return {"httpMethod": "POST", "path": "/", "body": json.dumps(fields), "requestContext": {}} | more


def http(fields, **more):
    event = {"version": "2.0", "routeKey": "$default", "requestContext": {"http": {"method": "POST"}}}
    return event | {"body": json.dumps(fields)} | more


gateways = pytest.mark.parametrize("gateway", [rest, http])


@gateways
def test_a_gateway_gets_the_same_answer_as_json(gateway, results):
    window = {"nscl": ALFA, "start_time": "2024-01-02T06:00", "end_time": "2024-01-02T06:10"}
    answer = handler(gateway(window), None)
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "application/json")
    assert json.loads(answer["body"]) == handler(window, None)
    assert json.loads(answer["body"])["outcome"] == "ok"


@gateways
@pytest.mark.parametrize(
    ("fields", "outcome", "status", "reason"),
    [
        ({"day": "2024,003", "nscl": ALFA}, "missing", 404, "2024_003"),
        ({"day": "2024,002", "nscl": "XX.NONE.BHZ."}, "missing", 404, "XXNONE"),
        ({"day": "2024,001", "nscl": "XX.CHAR.BHZ."}, "corrupt", 422, "not miniSEED"),
        ({"day": "2024,002", "nscl": "XX.BRAV.BHZ."}, "rejected", 422, "stage 2"),
        ({"day": "2023,365", "nscl": ALFA}, "denied", 502, "access denied"),
    ],
)
def test_what_the_data_do_not_give_is_an_answer(gateway, fields, outcome, status, reason, results, source, caplog):
    source.denied.add("continuous_waveforms/2023/2023_365/XXALFA_BHZ___2023365.ms")
    answer = handler(fields, None)
    assert (answer["key"], answer["keys"], answer["outcome"]) == (None, [], outcome)
    assert reason in answer["reason"]
    told = handler(gateway(fields), None)
    assert told["statusCode"] == status
    body = json.loads(told["body"])
    assert (body["key"], body["outcome"]) == (None, outcome)
    assert reason in body["reason"]
    assert "Contents" not in results.list_objects_v2(Bucket="results")
    assert "canary" not in str(answer) + str(told) + caplog.text


@gateways
def test_a_wrong_request_is_the_caller_s(gateway, results):
    with pytest.raises(RequestError, match="day '2024,367'"):
        handler({"day": "2024,367", "nscl": ALFA}, None)
    told = handler(gateway({"day": "2024,367", "nscl": ALFA}), None)
    assert told["statusCode"] == 400
    assert json.loads(told["body"])["error"].startswith("day '2024,367'")


@gateways
@pytest.mark.parametrize(
    ("variable", "value", "kind", "told"),
    [
        ("S3_OUTPUT_BUCKET", "", RunError, "S3_OUTPUT_BUCKET is not set"),
        ("S3_OUTPUT_BUCKET", "nowhere", RunError, "no such bucket"),
        ("SEISBATCH_UNITS", "m", RunError, "SEISBATCH_UNITS"),
    ],
)
def test_what_is_wrong_with_the_function_is_raised_and_told_in_its_log_alone(
    gateway, variable, value, kind, told, results, monkeypatch, caplog
):
    monkeypatch.setenv(variable, value)
    request = {"day": "2024,002", "nscl": ALFA}
    with pytest.raises(kind, match=told):
        handler(request, None)
    caplog.clear()
    answer = handler(gateway(request), SimpleNamespace(aws_request_id="8f50"))
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {"error": "the call failed: its log tells why (request 8f50)"}
    assert told in caplog.text
    assert "canary" not in caplog.text


@gateways
def test_a_store_that_fails_is_raised_for_lambda_to_try_again(gateway, results, source, caplog):
    source.share, source.faults = 1.0, ("garbled",)
    request = {"day": "2024,002", "nscl": ALFA}
    with pytest.raises(UnitError, match="3 bodies were not what their length and ETag say"):
        handler(request, None)
    assert handler(gateway(request), None)["statusCode"] == 500
    assert "3 bodies" in caplog.text


class Refusing(BaseHTTPRequestHandler):
    """A store that takes nothing."""

    def do_PUT(self):  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<Error><Code>AccessDenied</Code></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Nothing is logged."""


def test_an_output_that_refuses_is_no_answer(results, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("SEISBATCH_OUT_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    try:
        with pytest.raises(RunError, match="the output cannot be written: s3://results/motion/.*access denied"):
            handler({"nscl": ALFA, "start_time": "2024-01-02T06:00", "end_time": "2024-01-02T06:10"}, None)
    finally:
        server.shutdown()
        server.server_close()


class Broken(dict):
    """What nobody foresaw."""

    def __iter__(self):
        return iter([1 / 0])


def test_an_unforeseen_error_is_raised_and_a_gateway_is_told_nothing_of_it(results, caplog):
    with pytest.raises(ZeroDivisionError):
        handler(Broken(nscl=ALFA), None)
    answer = handler(http({"nscl": ALFA}, queryStringParameters=Broken(day="2024,002")), None)
    assert (answer["statusCode"], json.loads(answer["body"])) == (500, {"error": "the call failed: its log tells why"})
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_call_is_told_in_the_log(results, caplog):
    caplog.set_level(logging.INFO)
    handler({"nscl": ALFA, "start_time": "2024-01-02T06:00", "end_time": "2024-01-02T06:10"}, None)
    [line] = [record.message for record in caplog.records if record.name == "seisbatch.oneshot"]
    told = json.loads(line)
    assert (told["request"], told["outcome"]) == ("XX.ALFA..BHZ 2024-01-02T06:00:00/2024-01-02T06:10:00", "ok")
    assert told["bytes_read"] > 100_000
