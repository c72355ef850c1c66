"""A server of one made object, for a process of its own: just enough of S3 to time requests. It imports nothing else."""

from __future__ import annotations

import http.server
from multiprocessing.connection import Connection
from typing import Any


class _Bucket(http.server.BaseHTTPRequestHandler):
    """Hands out one object under any key, and takes any."""

    protocol_version = "HTTP/1.1"
    body = b""

    def do_GET(self) -> None:  # noqa: N802
        self._answer(self.body)

    def do_PUT(self) -> None:  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"made"')
        self.send_header("Last-Modified", "Tue, 02 Jan 2024 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


def serve(port: Connection, n_bytes: int) -> None:
    """Serve an object of so many bytes until the process is ended; ``port`` gets the server's."""
    _Bucket.body = bytes(n_bytes)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Bucket)
    port.send(server.server_address[1])
    server.serve_forever()
