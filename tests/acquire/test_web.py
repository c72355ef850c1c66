"""Objects of web servers' directory listings."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from seisbatch.acquire.objects import Part, Replaced, Store, StoreSettings
from seisbatch.outcome import Denied, Missing, RunError, UnitError
from web_servers import SERVERS, Python, serving

OOI = "2017/10/09/OO-HYEA2--YDH-2017-10-09T00:00:00.000015.mseed"
FILES = {
    OOI: bytes(range(256)) * 40,
    "2017/10/10/a b+c&d;e.wav": b"odd",
    "2017/été#1 50%25.flac": b"percent",
    "readme?.txt": b"0123456789",
    "empty": b"",
}


@pytest.fixture(params=SERVERS)
def store(request, tmp_path):
    """A folder below the one that is served, so that links lead out of it."""
    for key, content in FILES.items():
        path = tmp_path / "files" / "site 1" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "files" / "outside.wav").touch()
    with serving(request.param, tmp_path) as address:
        yield Store(StoreSettings(f"{address}/files/site 1/"))


def test_everything_below_is_listed_and_nothing_else(store: Store) -> None:
    store.require()
    assert {key: size for key, size in store.list("")} == {key: len(content) for key, content in FILES.items()}
    assert [key for key, _ in store.list("2017/10/10")] == ["2017/10/10/a b+c&d;e.wav"]
    assert list(store.list("2018")) == []
    assert store.folders("2017") == ["10"]
    for item in store.list_versions(""):
        assert item.version == store.version(item.key)
    assert {item.key for item in store.list_known("")} == set(FILES)


@pytest.mark.parametrize("key", FILES)
def test_objects_come_whole_and_in_parts(store: Store, key: str) -> None:
    content = FILES[key]
    assert bytes(store.get(key)) == content
    assert store.size(key) == len(content)
    for start, length in [(0, 4), (3, 5000), (7, 0), (len(content), 5), (10_000_000, 5)]:
        assert bytes(store.get_range(key, start, length)) == content[start : start + length]
    assert [bytes(part) for part in store.get_ranges(key, [5, 0], [3, 2], store.version(key))] == [content[5:8], content[:2]]
    for length in (3, 100_000):
        size, tail = store.tail(key, length)
        assert (size, bytes(tail)) == (len(content), content[-length:])
    with store.fetch_ahead([key, Part(key, ((1, 2),)), "no"], max_bytes=1000, max_in_flight=2) as bodies:
        first, second, third = [body for _, body in bodies]
    assert (bytes(first), bytes(second)) == (content, content[1:3])
    assert isinstance(third, Missing)


def test_what_is_not_there_is_missing(store: Store) -> None:
    for ask in (store.get, store.size, store.version, lambda key: store.tail(key, 5), lambda key: store.get_range(key, 0, 5)):
        with pytest.raises(Missing, match="no object 2017/none.wav"):
            ask("2017/none.wav")
    with pytest.raises(RunError, match="the server has no such page"):
        Store(StoreSettings(store.settings.root + "/none")).require()


def test_an_object_that_changed_is_told(store: Store, tmp_path: Path) -> None:
    version = store.version(OOI)
    assert len(store.get_ranges(OOI, [0], [10], version)[0]) == 10
    path = tmp_path / "files" / "site 1" / OOI
    path.write_bytes(b"other")
    os.utime(path, (1e9, 1e9))
    with pytest.raises(Replaced):
        store.get_ranges(OOI, [0], [3], version)


def test_nothing_is_written(store: Store) -> None:
    for write in (lambda: store.put("a", b""), lambda: store.delete([OOI]), lambda: store.delete_prefix("2017")):
        with pytest.raises(RunError, match="is read only: write to a folder or s3://bucket/prefix"):
            write()


HOSTILE = """<html><body><a href="a.wav">x<a href=b.wav><A HREF='sub/'>s</A><a name="here"><a href="">e</a>
<a href="./">.</a><a href="../">up</a><a href="../../etc/passwd">p</a><a href="/files/">top</a><a href="/files/x/c.wav">c</a>
<a href="http://elsewhere.invalid/files/x/d.wav">d</a><a href="//elsewhere.invalid/files/x/e.wav">e</a><a href="ftp://h/x">f</a>
<a href="%2e%2e/g.wav">g</a><a href="a%2fh.wav">h</a><a href="far/below/i.wav">i</a><a href="javascript:void(0)">j</a>
<a href="mailto:k@example.org">k</a><a href="l.wav?C=N;O=D">l</a><a href="m.wav#part">m</a><a href="http://[n">n</a>
<a href="a.wav">again</a>"""


class Answers(BaseHTTPRequestHandler):
    """Answers as they are given, by path: status, content and headers, one after another, the last for ever."""

    given: dict[str, list[tuple[int, bytes, dict[str, str]]]]

    def __init__(self, *arguments, directory: str, **options) -> None:
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:  # noqa: N802
        answers = self.given.get(self.path, [(404, b"", {})])
        status, body, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "text/html", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering(tmp_path):
    """A store whose server gives these answers."""
    opened = []

    def store(given, root="/files/x/"):
        server = serving(type("Given", (Answers,), {"given": given}), tmp_path)
        opened.append(server)
        return Store(StoreSettings(server.__enter__() + root))

    yield store
    for server in opened:
        server.__exit__(None, None, None)


def test_links_that_lead_elsewhere_are_not_followed(answering) -> None:
    given = {"/files/x/": [(200, HOSTILE.encode(), {})], "/files/x/sub/": [(200, b'<a href="../"><a href="z.wav">', {})]}
    keys = [item.key for item in answering(given).list_known("")]
    assert keys == ["a.wav", "b.wav", "c.wav", "m.wav", "sub/z.wav"]


def test_folders_in_a_circle_end(tmp_path) -> None:
    (tmp_path / "again").symlink_to(tmp_path)
    with serving(Python, tmp_path) as address, pytest.raises(RunError, match="more than 16 folders deep"):
        Store(StoreSettings(address)).list_known("")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_fails_for_a_while_is_asked_again(answering, status) -> None:
    page = b'<a href="a.wav">'
    given = {"/files/x/": [(status, b"", {}), (200, page, {})], "/files/x/a.wav": [(status, b"", {}), (200, b"whole", {})]}
    store = answering(given)
    assert [item.key for item in store.list_known("")] == ["a.wav"]
    assert bytes(store.get("a.wav")) == b"whole"


def test_a_body_that_breaks_off_is_asked_for_again(answering) -> None:
    cut = (200, b"wh", {"Content-Length": "5", "ETag": "1"})
    store = answering(
        {"/files/x/a": [cut, cut, (200, b"whole", {"ETag": "1"})], "/files/x/b": [cut, (200, b"other", {"ETag": "2"})]}
    )
    assert bytes(store.get("a")) == b"whole"
    with pytest.raises(Replaced):
        store.get("b")


@pytest.mark.parametrize(("status", "error"), [(401, Denied), (403, Denied), (404, Missing), (410, Missing), (400, UnitError)])
def test_refusals_are_outcomes(answering, status, error) -> None:
    store = answering({"/files/x/a": [(status, b"", {})], "/files/x/": [(403, b"", {})]})
    for ask in (store.get, store.size, lambda key: store.get_range(key, 0, 1)):
        with pytest.raises(error) as raised:
            ask("a")
        assert type(raised.value) is error
    with pytest.raises(Denied, match="status 403"):
        store.list_known("")
    with pytest.raises(RunError, match="access denied"):
        store.require()


def test_what_is_no_listing_is_told(answering) -> None:
    with pytest.raises(RunError, match="the server lists no folder there, it sends application/json"):
        answering({"/files/x/": [(200, b"{}", {"Content-Type": "application/json"})]}).list_known("")


def test_lengths_that_are_not_told_are_no_trouble(answering) -> None:
    class Bare(Answers):
        given = {"/a": [(200, b"whole", {})]}  # noqa: RUF012

        def send_header(self, name: str, value: str) -> None:
            if name != "Content-Length":
                super().send_header(name, value)

    with serving(Bare, Path()) as address:
        store = Store(StoreSettings(address))
        assert bytes(store.get("a")) == b"whole"
        assert (store.size("a"), bytes(store.get_range("a", 1, 3)), store.tail("a", 2)) == (5, b"hol", (5, b"le"))
        assert bytes(store.get_ranges("a", [0], [9], store.version("a"))[0]) == b"whole"


def test_parts_of_which_the_server_tells_little(answering) -> None:
    total_unknown = (206, b"hol", {"Content-Range": "bytes 1-3/*", "ETag": "1"})
    store = answering({"/files/x/a": [total_unknown]})
    assert bytes(store.get_range("a", 1, 3)) == b"hol"
    for headers in ({}, {"Content-Range": "bytes 2-4/9"}):
        store = answering({"/files/x/a": [(206, b"hol", headers)]})
        with pytest.raises(UnitError, match="the server sends those from 2 on|does not tell of what"):
            store.get_range("a", 1, 3)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/files/", "http://no-such-host.invalid/"])
def test_no_server_ends_the_run(address) -> None:
    with pytest.raises(RunError, match=r"no connection after 3 retries \(.*\): check the address and the network"):
        Store(StoreSettings(address)).get("a")


@pytest.mark.parametrize(
    "address", ["https://me:secret@host/x/", "http://secret@host/x", "https://host/x/?token=secret", "http:///x"]
)
def test_addresses_with_secrets_are_refused_untold(address) -> None:
    with pytest.raises(RunError) as raised:
        Store(StoreSettings(address))
    assert "secret" not in str(raised.value)
