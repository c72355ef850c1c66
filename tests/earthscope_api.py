"""An API of the tests' own that gives credentials for EarthScope's networks, and what an access point does with them."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

CANARIES = ("canary-token", "canary-secret", "canary-session")


class Api:
    """What gives credentials: how often it was asked for each network, and for how long they are valid."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.valid = dt.timedelta(hours=1)
        self.refuses: dict[str, int] = {}

    def answer(self, url: str, headers: Message) -> tuple[int, dict[str, str]]:
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        assert path.endswith("/beta/user/credentials/aws/s3-miniseed-v2"), path
        (network,) = query["network"]
        self.asked.append(network)
        self.tokens.append(headers.get("Authorization", ""))
        if network in self.refuses:
            return self.refuses[network], {"detail": "canary-secret"}
        return 200, {
            "aws_access_key_id": f"KEY{network}{len(self.asked)}",
            "aws_secret_access_key": "canary-secret",
            "aws_session_token": f"canary-session-{network}",
            "expiration": (dt.datetime.now(dt.UTC) + self.valid).isoformat(),
        }


@contextmanager
def serving(api: Api) -> Iterator[dict[str, str]]:
    """The environment of someone who is logged in, whose requests the API answers."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Nothing is logged."""

        def do_GET(self) -> None:  # noqa: N802
            status, found = api.answer(self.path, self.headers)
            text = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    body = {"aud": "x", "iss": "x", "iat": 0, "exp": 4e9, "sub": "auth0|canary", "client_id": "x", "scope": ""}
    payload = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
    try:
        yield {
            "ES_OAUTH2__ACCESS_TOKEN": f"canary-token.{payload}.x",
            "ES_OAUTH2__ALLOWED_HOSTS": '["127.0.0.1"]',
            "ES_RESOURCES__API_URL": f"http://127.0.0.1:{server.server_address[1]}/",
        }
    finally:
        server.shutdown()
        server.server_close()


def allows(key: str, headers: Message) -> bool:
    """As an access point does: a network's objects for that network's credentials."""
    network = key.split("/")[1]
    signed = f"Credential=KEY{network}" in headers.get("Authorization", "")
    return signed and headers.get("x-amz-security-token") == f"canary-session-{network}"
