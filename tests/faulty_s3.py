"""A bucket that fails: serves a folder as S3 does, and spoils a share of the requests for objects.

Beside the usual faults there is ``garbled``: an answer of the right length with other bytes, which only its ETag tells.

Faults are chosen by the key and the number of the request for it, so that a test gives the same every time.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

FAULTS = ("500", "503", "cut", "reset", "stall")
STALL_SECONDS = 3.0


class Bucket:
    """What is served, how it fails, and what was asked for."""

    def __init__(self, folder: Path, share: float, faults: tuple[str, ...] = FAULTS, seed: int = 0) -> None:
        self.folder, self.share, self.faults, self.seed = folder, share, faults, seed
        self.denied: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.spoilt: Counter[str] = Counter()
        self.sent = 0
        self.lock = threading.Lock()
        self.etag = ""
        """What every object's ETag is, where it is not the digest of its bytes."""
        self.allows: Callable[[str, Message], bool] = lambda key, headers: True
        """Whether a request with these headers may read a key, or list a prefix."""
        self.before_answer: Callable[[str, int], None] = lambda key, number: None

    def fault(self, key: str) -> str | None:
        """The fault of the next request for a key, or None."""
        with self.lock:
            number = self.requests[key]
            self.requests[key] += 1
        digest = hashlib.sha256(f"{self.seed} {key} {number}".encode()).digest()
        if int.from_bytes(digest[:4], "big") / 2**32 >= self.share:
            return None
        fault = self.faults[digest[4] % len(self.faults)]
        with self.lock:
            self.spoilt[fault] += 1
        return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def log_message(self, *arguments: object) -> None:
        """Nothing is logged."""

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer(body=False)

    def do_GET(self) -> None:  # noqa: N802
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        url = urlsplit(self.path)
        key = unquote(url.path).lstrip("/").partition("/")[2]
        query = parse_qs(url.query)
        if "list-type" in query:
            return self._list(query.get("prefix", [""])[0])
        fault = self.bucket.fault(key)
        self.bucket.before_answer(key, self.bucket.requests[key])
        if key in self.bucket.denied or not self.bucket.allows(key, self.headers):
            return self._error(403, "AccessDenied", body=body)
        if fault in ("500", "503"):
            return self._error(int(fault), "InternalError" if fault == "500" else "SlowDown", body=body)
        if fault == "reset":
            return self._hang_up()
        if fault == "stall":
            time.sleep(STALL_SECONDS)
            return self._hang_up()
        path = self.bucket.folder / key
        if not path.is_file():
            return self._error(404, "NoSuchKey", body=body)
        data = path.read_bytes()
        etag = f'"{hashlib.md5(data).hexdigest()}"'  # noqa: S324
        if self.headers.get("If-Match", etag) != etag:
            return self._error(412, "PreconditionFailed", body=body)
        if fault == "garbled":
            data = secrets.token_bytes(len(data))
        first, stop, status = self._range(len(data))
        if first >= len(data) and status == 206:
            return self._error(416, "InvalidRange", body=body)
        part = data[first:stop]
        self.send_response(status)
        self.send_header("Content-Length", str(len(part)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(data)}")
        self.send_header("ETag", self.bucket.etag or etag)
        self.send_header("Last-Modified", "Sat, 01 Jan 2022 00:00:00 GMT")
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if not body:
            return None
        if fault == "cut":
            self.wfile.write(part[: len(part) // 2])
            return self._hang_up()
        self.wfile.write(part)
        with self.bucket.lock:
            self.bucket.sent += len(part)
        return None

    def _list(self, prefix: str) -> None:
        """All keys under a prefix, on one page, with no folders among them."""
        if not self.bucket.allows(prefix, self.headers):
            return self._error(403, "AccessDenied", body=True)
        files = sorted(path for path in self.bucket.folder.rglob("*") if path.is_file())
        keys = {path.relative_to(self.bucket.folder).as_posix(): path.read_bytes() for path in files}
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>&quot;{hashlib.md5(data).hexdigest()}&quot;</ETag>"  # noqa: S324
            "<LastModified>2022-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, data in keys.items()
            if key.startswith(prefix)
        )
        text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        return None

    def _range(self, size: int) -> tuple[int, int, int]:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return 0, size, 200
        low, high = match.groups()
        if not low:
            return max(0, size - int(high)), size, 206
        return int(low), min(size, int(high) + 1) if high else size, 206

    def _error(self, status: int, code: str, *, body: bool) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if body:
            self.wfile.write(text)

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was first


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


@contextmanager
def serving(bucket: Bucket) -> Iterator[str]:
    """The endpoint of a server of the bucket, whose name may be any."""
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
