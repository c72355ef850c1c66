"""Objects of a web server's directory listing, to be read: pages of Apache, nginx, Python's http.server and their like."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from html.parser import HTMLParser
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import Request, urlopen

from seisbatch.acquire.backend import Changed, Listed, Opened, StoreSettings
from seisbatch.outcome import RunError, UnitError

SCHEMES = ("http://", "https://")
SECONDS = 60
"""A server may be silent for so long."""
WAITS: tuple[float, ...] = (0.1, 0.3, 0.9, 2.7, 8.1)
"""Seconds before a request is repeated that the server failed at."""
FIRST_WAITS = WAITS[:3]
"""The same where no server has answered yet: a name or a port that is wrong stays wrong."""
LONGEST_WAIT = 60
"""A server that asks for a longer one is not waited for longer."""
PAGES = 8
"""Pages of a listing that are fetched at a time."""
MAX_DEPTH = 16
"""Folders in one another; more are a folder that has a link to itself."""

_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_BROKEN = (http.client.HTTPException, OSError)
_TOTAL = re.compile(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)")

T = TypeVar("T")


def is_web(root: str) -> bool:
    """Whether a store's root is a web address."""
    return root.startswith(SCHEMES)


def check_address(root: str) -> str:
    """The address of a listing, if it is one that may be told; ValueError, without what may be a secret, else.

    >>> check_address("https://rawdata.oceanobservatories.org/files/")
    'https://rawdata.oceanobservatories.org/files'
    """
    url = urlsplit(root)
    if "@" in url.netloc:
        raise ValueError(f"{url.scheme}://...@{url.hostname}: an address with a user's name or a password is not read")
    if not url.hostname or url.query or url.fragment or "?" in root or "#" in root:
        raise ValueError(f"{url.scheme}://{url.netloc}{url.path}: write http(s)://host/path/ of a directory listing")
    return root.rstrip("/")


class Web:
    """Objects under an address, read alone; a key is what follows it, decoded.

    What a server lists are the links on the page of a folder that lead right into that folder; those that sort, that lead
    up, or elsewhere, are passed over. Listings tell no sizes or versions: an object's version is its ETag, or else the time of
    its last change and its size. A server that has no ranges sends the whole object.

    Raises FileNotFoundError, PermissionError, OSError where the server goes on failing, and RunError where there is no server.
    """

    def __init__(self, settings: StoreSettings) -> None:
        try:
            self._root = check_address(settings.root)
        except ValueError as error:
            raise RunError(str(error)) from None
        self._address = quote(self._root, safe="/:%[]@!$&'()*+,;=~")
        self._is_there = False

    def require(self) -> None:
        """Raise RunError where there is no such page."""
        try:
            with self._answer(""):
                pass
        except FileNotFoundError:
            raise RunError(f"{self._root}/: the server has no such page") from None
        except PermissionError as error:
            raise RunError(f"{self._root}/: access denied ({error})") from None

    def open(self, key: str) -> Opened:
        answer = self._answer(key)
        size, version = _size(answer), _version(answer, _size(answer))
        if size < 0:
            body = self._whole(key, version, answer)
            return Opened(len(body), version, lambda: body)
        return Opened(size, version, partial(self._whole, key, version, answer))

    def _whole(self, key: str, version: str, answer: Any) -> bytes:
        """The body of an answer, which is asked for anew where the connection breaks; Changed if that is another by then."""
        answers: list[Any] = [answer]

        def read() -> bytes:
            with answers.pop() if answers else self._ask(key) as found:
                if _version(found, _size(found)) != version:
                    raise Changed(key)
                return bytes(found.read())

        return self._patiently(read)

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int], version: str | None) -> list[Any]:
        parts: list[Any] = []
        for start, length in zip(starts, lengths, strict=True):
            there, part = self._range(key, start, length) if length else (None, b"")
            if there is None and (version is not None or not length):
                _, there = self.head(key)
            if there != version is not None:
                raise Changed(key)
            parts.append(part)
        return parts

    def _range(self, key: str, start: int, length: int) -> tuple[str | None, bytes]:
        """The object's version, None where the answer does not tell it, and a range of it."""

        def read() -> tuple[str | None, bytes]:
            with self._ask(key, f"bytes={start}-{start + length - 1}") as answer:
                size, first = _part(answer)
                if first is None:
                    return None, b""
                if first > start:
                    raise UnitError(f"asked for bytes from {start} on, the server sends those from {first} on")
                wanted = length if size < 0 else min(length, max(0, size - start))
                _skip(answer, start - first)
                body = bytes(answer.read(wanted)) if wanted else b""
                if size >= 0 and len(body) < wanted:
                    raise http.client.IncompleteRead(body, wanted - len(body))
                return _version(answer, size), body

        return self._patiently(read)

    def tail(self, key: str, length: int) -> tuple[int, Any]:
        def read() -> tuple[int, bytes]:
            with self._ask(key, f"bytes=-{length}") as answer:
                size, first = _part(answer)
                body = b"" if first is None else answer.read()
                return (size if size >= 0 else len(body)), body[-length:] if length else b""

        return self._patiently(read)

    def head(self, key: str) -> tuple[int, str]:
        with self._answer(key, "HEAD") as answer:
            if answer.headers["Content-Length"] is not None:
                return _size(answer), _version(answer, _size(answer))
        opened = self.open(key)
        return opened.size, opened.version

    def put(self, key: str, data: Any) -> None:
        raise self._read_only()

    def delete(self, keys: Sequence[str]) -> None:
        raise self._read_only()

    def delete_prefix(self, prefix: str) -> None:
        raise self._read_only()

    def _read_only(self) -> RunError:
        return RunError(f"{self._root} is a web server's listing, which is read only: write to a folder or s3://bucket/prefix")

    def touch(self, key: str) -> None:
        """Nothing is written."""

    def list(self, prefix: str) -> Iterator[Listed]:
        waiting = [prefix]
        depth = 0
        with ThreadPoolExecutor(PAGES, thread_name_prefix="list") as pool:
            while waiting:
                if depth > MAX_DEPTH:
                    raise RunError(f"{self._root}/{waiting[0]}: more than {MAX_DEPTH} folders deep: is one a link to itself?")
                below: list[str] = []
                for folder, names in zip(waiting, pool.map(self._links, waiting), strict=True):
                    for name in names:
                        key = f"{folder}/{name}" if folder else name
                        if key.endswith("/"):
                            below.append(key[:-1])
                        else:
                            yield Listed(key, -1, "", 0.0)
                waiting, depth = below, depth + 1

    def list_flat(self, prefix: str) -> Iterator[Listed]:
        names = (name for name in self._links(prefix) if not name.endswith("/"))
        return (Listed(f"{prefix}/{name}" if prefix else name, -1, "", 0.0) for name in names)

    def folders(self, prefix: str) -> Iterator[str]:
        return (name[:-1] for name in self._links(prefix) if name.endswith("/"))

    def _links(self, folder: str) -> Sequence[str]:
        """Names in a folder, in order, those of folders with a ``/`` at the end; none where there is no such folder."""
        try:
            answer = self._answer(f"{folder}/" if folder else "")
        except FileNotFoundError:
            if folder:
                return []
            raise RunError(f"{self._root}/: the server has no such page") from None
        address, kind = answer.url, answer.headers.get_content_type()
        page = self._whole(f"{folder}/" if folder else "", _version(answer, _size(answer)), answer)
        if kind not in ("text/html", "application/xhtml+xml"):
            raise RunError(f"{self._root}/{folder}: the server lists no folder there, it sends {kind}")
        return _children(address, page)

    def _answer(self, key: str, method: str = "GET") -> Any:
        return self._patiently(lambda: self._ask(key, method=method))

    def _ask(self, key: str, part: str = "", method: str = "GET") -> Any:
        """The server's answer, that there is no such part among them; HTTPError where it refuses."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": part} if part else {})
        try:
            answer = urlopen(Request(f"{self._address}/{quote(key)}", headers=headers, method=method), timeout=SECONDS)
        except HTTPError as error:
            self._is_there = True
            if error.code == 416:
                return error
            raise
        self._is_there = True
        return answer

    def _patiently(self, ask: Callable[[], T]) -> T:
        """What ``ask`` gives, tried again while the server or the way to it fails."""
        for number in range(len(WAITS) + 1):
            try:
                return ask()
            except HTTPError as error:
                error.close()
                waits, wait, failure = WAITS, _asked_wait(error), _refusal(error)
                if error.code not in _BUSY:
                    raise failure from None
            except URLError as error:  # no server answered
                waits, wait = WAITS if self._is_there else FIRST_WAITS, 0.0
                failure = RunError(
                    f"{self._root}: no connection after {len(waits)} retries ({error.reason}): "
                    "check the address and the network"
                )
            except _BROKEN as error:
                waits, wait, failure = WAITS, 0.0, OSError(f"the connection broke ({type(error).__name__}: {error})"[:200])
            if number == len(waits):
                raise failure
            time.sleep(max(wait, waits[number]))
        raise AssertionError("not reached")


def _refusal(error: HTTPError) -> Exception:
    told = f"HTTP status {error.code} {error.reason}"[:200]
    if error.code in (404, 410):
        return FileNotFoundError(told)
    return PermissionError(told) if error.code in (401, 403, 407) else OSError(told)


def _asked_wait(error: HTTPError) -> float:
    """The seconds that a busy server asks to be left alone."""
    asked = error.headers.get("Retry-After", "")
    return float(min(int(asked), LONGEST_WAIT)) if asked.isdecimal() else 0.0


def _size(answer: Any) -> int:
    length = answer.headers["Content-Length"] or ""
    return int(length) if length.isdecimal() else -1


def _part(answer: Any) -> tuple[int, int | None]:
    """The object's size, -1 where it is not told, and where in it the answer's body begins, None where there is nothing."""
    if answer.status == 200:
        return _size(answer), 0
    found = _TOTAL.match(answer.headers.get("Content-Range", ""))
    if answer.status != 206:
        return int(found[2]) if found and found[2] else -1, None
    if found is None or found[1] is None:
        raise UnitError("the answer is a part, and does not tell of what")
    return int(found[2]) if found[2] else -1, int(found[1])


def _version(answer: Any, size: int) -> str:
    etag = str(answer.headers.get("ETag", "")).removeprefix("W/").strip('"')
    return etag or f"{answer.headers.get('Last-Modified', '')}-{size}".replace(",", "").replace(" ", "-")


def _skip(answer: Any, n_bytes: int) -> None:
    while n_bytes > 0 and (part := answer.read(min(n_bytes, 1 << 20))):
        n_bytes -= len(part)


class _Links(HTMLParser):
    """Where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _children(address: str, page: bytes) -> Sequence[str]:
    """Names of what the links of a folder's page lead to right in that folder; a folder's own ends in ``/``."""
    parser = _Links()
    parser.feed(page.decode("utf-8", "replace"))
    here = urlsplit(address.partition("?")[0].rstrip("/") + "/")
    above = _segments(here.path)[:-1]
    names: dict[str, None] = {}
    for link in parser.found:
        try:
            there = urlsplit(urljoin(here.geturl(), link))
        except ValueError:  # what is no address
            continue
        name, *rest = _segments(there.path)[len(above) :] or [""]
        is_inside = (there.scheme, there.netloc) == (here.scheme, here.netloc) and _segments(there.path)[: len(above)] == above
        if is_inside and not there.query and rest in ([], [""]) and name not in ("", ".", "..") and "/" not in name:
            names["/".join((name, *rest))] = None
    return list(names)


def _segments(path: str) -> Sequence[str]:
    return [unquote(segment) for segment in path.split("/")]
