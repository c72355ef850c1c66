"""Two S3 services side by side: one that takes no signature, and one that takes nothing without."""

from __future__ import annotations

import functools
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

OWNER = "AKIAOWNER"
"""Access key of whoever owns both buckets, and fills and empties them for the tests; jobs have another."""
REFUSED = "<?xml version='1.0'?><Error><Code>{0}</Code><Message>{0}</Message></Error>"
Hold = Callable[[str, str], None]


class Service:
    """moto's S3 behind a door that lets in one bucket only, and only requests that are signed, or only those that are not.

    Its owner comes in always, and what the owner puts can be read by all: moto sees to that of everybody else. ``hold`` is
    called before each request with its method and path, and may keep it waiting.
    """

    def __init__(self, bucket: str, *, signed: bool) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.bucket, self.signed = bucket, signed
        self.hold: Hold | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path.split("/")[1] not in (self.bucket, "moto-api"):
            return _refuse(start_response, "404 Not Found", "NoSuchBucket")
        signature = environ.get("HTTP_AUTHORIZATION", "")
        if bool(signature) != self.signed and OWNER not in signature:
            return _refuse(start_response, "403 Forbidden", "AccessDenied")
        if self.hold:
            self.hold(environ["REQUEST_METHOD"], path)
        return self._app(environ, start_response)

    @functools.cached_property
    def client(self) -> Any:
        """The owner's client."""
        return boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=OWNER, aws_secret_access_key="of-the-owner")

    def put(self, key: str, path: Path) -> None:
        """Copy a file to an object that all may read."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=path.read_bytes(), ACL="public-read")

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Copy the files of a folder to objects under a prefix."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path)

    def download(self, prefix: str, folder: Path) -> list[str]:
        """Copy the objects under a prefix to a folder; their keys under it."""
        client = self.client
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{prefix}/")
        keys = [item["Key"].removeprefix(f"{prefix}/") for page in pages for item in page.get("Contents", [])]
        for key in keys:
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(self.bucket, f"{prefix}/{key}", str(path))
        return keys

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _refuse(start_response: Any, status: str, code: str) -> list[bytes]:
    body = REFUSED.format(code).encode()
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def source_and_results() -> Iterator[tuple[Service, Service]]:
    """A service with a bucket ``archive`` that is open to all, and another with a bucket ``results`` that needs keys."""
    with Service("archive", signed=False) as source, Service("results", signed=True) as results:
        urllib.request.urlopen(f"{source.endpoint}/moto-api/reset", data=b"").close()  # buckets of tests before
        source.client.create_bucket(Bucket=source.bucket, ACL="public-read")
        results.client.create_bucket(Bucket=results.bucket)
        yield source, results
