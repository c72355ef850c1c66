"""Objects of an S3 bucket, through obstore."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from seisbatch.acquire.backend import NO_BUCKET, StoreSettings, first_line
from seisbatch.outcome import RunError

CONNECT_SECONDS = 10
REQUEST_SECONDS = 120
RETRIES = 8
RETRY_SECONDS = 180
BACKOFF_BASE = 3
"""With a first wait of 0.1 s, the eight retries of a request are spread over about ten seconds."""

_BEYOND_THE_END = re.compile(r"416 Range Not Satisfiable|<Code>InvalidRange</Code>")
_NOT_A_PART = re.compile(_BEYOND_THE_END.pattern + "|Received non-partial response")


class S3:
    """Objects of a bucket under a prefix."""

    def __init__(self, settings: StoreSettings) -> None:
        bucket, _, prefix = settings.root.removeprefix("s3://").partition("/")
        if not bucket:
            raise RunError(f"{settings.root} names no bucket: write s3://bucket/prefix")
        options: dict[str, Any] = {}
        if settings.endpoint:
            url = urlsplit(settings.endpoint)
            if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
                raise RunError("the endpoint is none: write http://host:port or https://host, without a user's name")
            options["endpoint"] = settings.endpoint.rstrip("/")
            options["virtual_hosted_style_request"] = False
        if settings.anonymous:
            options["skip_signature"] = True
        else:
            options["credential_provider"] = _credentials(settings)
        if settings.region:
            options["region"] = settings.region
        self._bucket_seen = False
        try:
            self._store = S3Store(
                bucket,
                prefix=prefix.strip("/") or None,
                client_options={
                    "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                    "timeout": timedelta(seconds=REQUEST_SECONDS),
                    "allow_http": True,
                },
                retry_config={
                    "max_retries": RETRIES,
                    "retry_timeout": timedelta(seconds=RETRY_SECONDS),
                    "backoff": {
                        "init_backoff": timedelta(seconds=0.1),
                        "max_backoff": timedelta(seconds=15),
                        "base": BACKOFF_BASE,
                    },
                },
                **options,
            )
        except (exceptions.BaseError, ValueError) as error:
            raise RunError(f"{settings.root} cannot be used: {first_line(error)}") from None

    def require(self) -> None:
        """A bucket that is missing says so at the first access."""

    def open(self, key: str) -> tuple[int, Callable[[], Any]]:
        found = obstore.get(self._store, key)
        self._bucket_seen = True
        return int(found.meta["size"]), found.bytes

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[Any]:
        wanted = [number for number, length in enumerate(lengths) if length]
        parts: list[Any] = [b""] * len(lengths)
        try:
            found: Sequence[Any]
            if len(wanted) == 1:
                (only,) = wanted
                found = [obstore.get_range(self._store, key, start=starts[only], length=lengths[only])]
            elif wanted:
                size = self.size(key)
                wanted = [number for number in wanted if starts[number] < size]
                ends = [min(starts[number] + lengths[number], size) for number in wanted]
                found = obstore.get_ranges(self._store, key, starts=[starts[number] for number in wanted], ends=ends)
            else:
                self.size(key)
                found = []
        except exceptions.BaseError as error:
            if _BEYOND_THE_END.search(str(error)):
                return parts
            raise
        for number, part in zip(wanted, found, strict=True):
            parts[number] = part
        return parts

    def tail(self, key: str, length: int) -> tuple[int, Any]:
        try:
            found = obstore.get(self._store, key, options={"range": {"suffix": length}})
        except exceptions.BaseError as error:
            if _NOT_A_PART.search(str(error)):  # an empty object has no last bytes; some servers send all of a small one
                found = obstore.get(self._store, key)
                return int(found.meta["size"]), bytes(found.bytes())[-length:]
            raise
        self._bucket_seen = True
        return int(found.meta["size"]), found.bytes()

    def size(self, key: str) -> int:
        return int(self._head(key)["size"])

    def _head(self, key: str) -> Any:
        try:
            return obstore.head(self._store, key)
        except FileNotFoundError:
            if not self._bucket_seen:  # the answer to HEAD has no body that would tell a missing bucket from an object
                try:
                    obstore.get_range(self._store, key, start=0, length=1)
                except FileNotFoundError as error:
                    self._bucket_seen = not NO_BUCKET.search(str(error))
                    raise
            raise

    def put(self, key: str, data: Any) -> None:
        obstore.put(self._store, key, iter(data) if isinstance(data, list | tuple) else data)

    def version(self, key: str) -> str:
        return _version(self._head(key))

    def list(self, prefix: str) -> Iterator[tuple[str, int, str]]:
        for batch in obstore.list(self._store, prefix or None):
            for item in batch:
                yield str(item["path"]), int(item["size"]), _version(item)

    def folders(self, prefix: str) -> Iterator[str]:
        for found in obstore.list_with_delimiter(self._store, prefix or None)["common_prefixes"]:
            yield str(found).rstrip("/").rpartition("/")[2]

    def delete(self, keys: Sequence[str]) -> None:
        for first in range(0, len(keys), 1000):
            try:
                obstore.delete(self._store, list(keys[first : first + 1000]))
            except FileNotFoundError as error:
                if NO_BUCKET.search(str(error)):
                    raise

    def delete_prefix(self, prefix: str) -> None:
        self.delete([key for key, _, _ in self.list(prefix)])


def _version(item: Any) -> str:
    return str(item.get("e_tag") or f"{item['last_modified']:%Y%m%dT%H%M%S}-{item['size']}").strip('"')


def _credentials(settings: StoreSettings) -> Boto3CredentialProvider:
    """The chain of credentials that every AWS tool follows: environment, profiles, roles."""
    try:
        return Boto3CredentialProvider()
    except Exception as error:  # botocore raises its own kinds for a profile that is not there, or half written
        raise RunError(
            f"no AWS credentials for {settings.root} ({type(error).__name__}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, a profile or a role"
        ) from None
