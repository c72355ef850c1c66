"""Objects of an S3 bucket, through obstore."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from seisbatch.acquire.backend import NO_BUCKET, Changed, Listed, Opened, StoreSettings, first_line
from seisbatch.outcome import RunError

CONNECT_SECONDS = 10
REQUEST_SECONDS = 120
RETRIES = 8
RETRY_SECONDS = 180
BACKOFF_BASE = 3
"""With a first wait of 0.1 s, the eight retries of a request are spread over about ten seconds."""

BODY_TRIES = 3
"""An object whose bytes are not those of its ETag is fetched this often."""

_MD5 = re.compile(r"[0-9a-f]{32}")
_BEYOND_THE_END = re.compile(r"416 Range Not Satisfiable|<Code>InvalidRange</Code>")
_NOT_A_PART = re.compile(_BEYOND_THE_END.pattern + "|Received non-partial response")


class S3:
    """Objects of a bucket under a prefix; ``credentials`` gives those that the environment does not."""

    def __init__(self, settings: StoreSettings, credentials: Callable[[], Any] | None = None) -> None:
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
        if credentials is not None:
            options["credential_provider"] = credentials
        elif settings.anonymous:
            options["skip_signature"] = True
        else:
            options["credential_provider"] = _credentials(settings)
        if settings.region:
            options["region"] = settings.region
        self._bucket_seen = False
        self._etags_are_digests = True
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

    def open(self, key: str) -> Opened:
        found = obstore.get(self._store, key)
        self._bucket_seen = True
        return Opened(int(found.meta["size"]), _version(found.meta), functools.partial(self._read, key, found))

    def _read(self, key: str, found: Any) -> Any:
        """The body of an answer, fetched again where it is not of the length or the ETag that the answer names.

        An ETag of 32 hexadecimal digits is the MD5 of the bytes, unless the bucket encrypts with keys of its own: then two
        fetches give the same bytes and another digest, and no ETag of it is compared any more.
        """
        seen: set[str] = set()
        for number in range(BODY_TRIES):
            answer = obstore.get(self._store, key) if number else found
            body, etag = answer.bytes(), _version(answer.meta)
            if len(body) != answer.meta["size"]:
                continue
            if not self._etags_are_digests or not _MD5.fullmatch(etag):
                return body
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
            if digest == etag:
                return body
            if digest in seen:
                self._etags_are_digests = False
                return body
            seen.add(digest)
        raise exceptions.GenericError(f"{BODY_TRIES} bodies were not what their length and ETag say")

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int], version: str | None) -> list[Any]:
        wanted = [number for number, length in enumerate(lengths) if length]
        parts: list[Any] = [b""] * len(lengths)
        try:
            found: Sequence[Any]
            if len(wanted) == 1:
                (only,) = wanted
                found = [self._range(key, starts[only], lengths[only], version)]
            elif wanted:
                size, there = self.head(key)
                if there != version is not None:
                    raise Changed(key)
                wanted = [number for number in wanted if starts[number] < size]
                ends = [min(starts[number] + lengths[number], size) for number in wanted]
                found = obstore.get_ranges(self._store, key, starts=[starts[number] for number in wanted], ends=ends)
            else:
                self.head(key)
                found = []
        except exceptions.BaseError as error:
            if _BEYOND_THE_END.search(str(error)):
                return parts
            raise
        for number, part in zip(wanted, found, strict=True):
            parts[number] = part
        return parts

    def _range(self, key: str, start: int, length: int, version: str | None) -> Any:
        if version is None:
            return obstore.get_range(self._store, key, start=start, length=length)
        options: Any = {"range": (start, start + length), "if_match": f'"{version}"'}
        try:
            return obstore.get(self._store, key, options=options).bytes()
        except exceptions.PreconditionError:
            raise Changed(key) from None

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

    def head(self, key: str) -> tuple[int, str]:
        try:
            found = obstore.head(self._store, key)
            return int(found["size"]), _version(found)
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

    def list(self, prefix: str) -> Iterator[Listed]:
        for batch in obstore.list(self._store, prefix or None):
            for item in batch:
                yield _listed(item)

    def list_flat(self, prefix: str) -> Iterator[Listed]:
        for item in obstore.list_with_delimiter(self._store, prefix or None)["objects"]:
            yield _listed(item)

    def touch(self, key: str) -> None:
        """S3 knows only when an object was written."""

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
        self.delete([item.key for item in self.list(prefix)])


def _listed(item: Any) -> Listed:
    return Listed(str(item["path"]), int(item["size"]), _version(item), item["last_modified"].timestamp())


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
