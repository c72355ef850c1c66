"""What S3 alone does: signatures, missing buckets, regions, faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from seisbatch.acquire import s3 as s3_module
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.outcome import Denied, Missing, RunError, UnitError

REGION = "us-west-2"


def test_anonymous_access_reads_what_is_public(s3, s3_endpoint: str) -> None:
    s3.put_object(Bucket="archive", Key="open/a.ms", Body=b"public", ACL="public-read")
    store = Store(StoreSettings("s3://archive/open", s3_endpoint, REGION, anonymous=True))
    assert bytes(store.get("a.ms")) == b"public"
    with pytest.raises(Missing):
        store.get("b.ms")


def test_anonymous_access_sends_no_signature(fake: Fake) -> None:
    fake.store(anonymous=True).get("k")
    assert "authorization" not in fake.headers[-1]


@pytest.mark.usefixtures("credentials")
def test_signed_access_follows_the_environment(fake: Fake) -> None:
    fake.store().get("k")
    assert "CANARY-KEY" in fake.headers[-1]["authorization"]
    assert "CANARY-SECRET" not in str(fake.headers)


def test_signed_access_follows_a_profile(fake: Fake, credentials: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "profiles").write_text("[group]\naws_access_key_id = PROFILE-KEY\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "profiles"))
    monkeypatch.setenv("AWS_PROFILE", "group")
    fake.store().get("k")
    assert "PROFILE-KEY" in fake.headers[-1]["authorization"]


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_ends_the_run(s3_endpoint: str) -> None:
    for attempt in (
        lambda store: store.get("k"),
        lambda store: store.size("k"),
        lambda store: store.exists("k"),
        lambda store: store.get_ranges("k", [0, 5], [1, 1]),
        lambda store: list(store.list("k")),
        lambda store: store.put("k", b"x"),
        lambda store: store.put("k", b"x" * 7_000_000),
        lambda store: store.delete(["k"]),
        lambda store: store.delete_prefix("k"),
    ):
        store = Store(StoreSettings("s3://no-such-bucket/p", s3_endpoint, REGION))
        with pytest.raises(RunError, match=r"s3://no-such-bucket/p: no such bucket at http://"):
            attempt(store)


def test_keys_named_like_errors_are_only_missing(s3, s3_endpoint: str) -> None:
    store = Store(StoreSettings("s3://archive", s3_endpoint, REGION))
    for key in ("NoSuchBucket", "PermanentRedirect/dns error", "kind: Connect", "InvalidRange"):
        with pytest.raises(Missing):
            store.get(key)


# -- a server that answers as it is told ------------------------------------------------------------------------------


class Fake:
    """A server whose next answers are in ``answers`` (the last one stays): status, headers, body; or a function."""

    def __init__(self) -> None:
        self.answers: list = [(200, {}, b"body")]
        self.headers: list[dict[str, str]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args) -> None:
                pass

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                fake.headers.append({name.lower(): value for name, value in self.headers.items()})
                answer = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
                if callable(answer):
                    answer(self)
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("ETag", '"e"')
                self.send_header("Last-Modified", "Sun, 02 Jan 2022 00:00:00 GMT")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def store(self, *, anonymous: bool = False) -> Store:
        return Store(StoreSettings("s3://archive", self.endpoint, REGION, anonymous))


@pytest.fixture
def fake() -> Iterator[Fake]:
    server = Fake()
    yield server
    server.server.shutdown()
    server.server.server_close()


def error(status: int, code: str, message: str = "canary message") -> tuple[int, dict[str, str], bytes]:
    return status, {}, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def cut(handler: BaseHTTPRequestHandler) -> None:
    """A body that ends before it should."""
    handler.send_response(200)
    handler.send_header("ETag", '"e"')
    handler.send_header("Last-Modified", "Sun, 02 Jan 2022 00:00:00 GMT")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x" * 10)
    handler.wfile.flush()
    handler.close_connection = True


@pytest.mark.parametrize(
    "fault", [error(500, "InternalError"), error(503, "SlowDown"), error(502, "BadGateway"), error(429, "TooManyRequests")]
)
def test_a_passing_fault_is_retried(fake: Fake, fault) -> None:
    fake.answers = [fault, fault, (200, {}, b"body")]
    assert bytes(fake.store(anonymous=True).get("k")) == b"body"


@pytest.mark.parametrize("fault", [error(500, "InternalError"), error(503, "SlowDown")])
def test_a_lasting_fault_fails_the_unit_after_bounded_retries(fake: Fake, fault, monkeypatch) -> None:
    monkeypatch.setattr(s3_module, "RETRIES", 3)
    fake.answers = [fault]
    started = time.perf_counter()
    with pytest.raises(UnitError, match=r"s3://archive/k at http://.* 50[03]") as caught:
        fake.store(anonymous=True).get("k")
    assert caught.value.outcome == "failed"
    assert len(fake.headers) == 4
    assert time.perf_counter() - started < 20


def test_a_body_that_is_cut_is_fetched_again_or_fails(fake: Fake, monkeypatch) -> None:
    monkeypatch.setattr(s3_module, "RETRIES", 2)
    fake.answers = [cut]
    with pytest.raises(UnitError) as caught:
        fake.store(anonymous=True).get("k")
    assert caught.value.outcome == "failed"


def test_a_server_that_says_nothing_times_out(fake: Fake, monkeypatch) -> None:
    monkeypatch.setattr(s3_module, "RETRIES", 1)
    monkeypatch.setattr(s3_module, "REQUEST_SECONDS", 0.5)
    fake.answers = [lambda handler: time.sleep(3)]
    started = time.perf_counter()
    with pytest.raises(UnitError):
        fake.store(anonymous=True).get("k")
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("answer", [error(403, "AccessDenied"), error(401, "Unauthorized"), error(403, "InvalidAccessKeyId")])
def test_denied(fake: Fake, answer) -> None:
    fake.answers = [answer]
    for attempt in ("get", "size"):
        with pytest.raises(Denied, match="s3://archive/k: access denied"):
            getattr(fake.store(anonymous=True), attempt)("k")
    assert len(fake.headers) == 2


@pytest.mark.parametrize(
    "answer",
    [
        error(301, "PermanentRedirect"),
        error(400, "AuthorizationHeaderMalformed", "the region is wrong; expecting 'us-east-2'"),
    ],
)
def test_the_wrong_region_ends_the_run(fake: Fake, answer) -> None:
    fake.answers = [answer]
    with pytest.raises(RunError, match=r"s3://archive is not in us-west-2 at http://.*: name the bucket's own region"):
        fake.store(anonymous=True).get("k")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_an_endpoint_that_cannot_be_reached_ends_the_run(endpoint: str, monkeypatch) -> None:
    monkeypatch.setattr(s3_module, "RETRIES", 1)
    store = Store(StoreSettings("s3://archive", endpoint, REGION, anonymous=True))
    for attempt in (lambda: store.get("k"), lambda: list(store.list("")), lambda: store.put("k", b"x")):
        with pytest.raises(RunError, match=rf"s3://archive: no connection at {endpoint} .*check the endpoint"):
            attempt()


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("answer", [error(403, "AccessDenied"), error(500, "InternalError"), error(301, "PermanentRedirect")])
def test_no_secret_in_a_message(fake: Fake, answer, monkeypatch, capfd) -> None:
    monkeypatch.setattr(s3_module, "RETRIES", 1)
    fake.answers = [answer]
    with pytest.raises((UnitError, RunError)) as caught:
        fake.store().get("k")
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "CANARY" not in "".join(capfd.readouterr())


def test_time_limits_are_set() -> None:
    assert timedelta(seconds=s3_module.REQUEST_SECONDS) <= timedelta(minutes=5)
    assert 0 < s3_module.RETRIES <= 10
    assert s3_module.RETRY_SECONDS < 300
