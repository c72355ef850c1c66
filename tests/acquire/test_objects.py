from __future__ import annotations

import errno
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from seisbatch.acquire import folder as folder_module
from seisbatch.acquire.objects import Store, StoreSettings, check_key, open_store
from seisbatch.outcome import Denied, Missing, RunError, UnitError

ODD_KEYS = [
    "plain.ms",
    "year=2022/day=002/a b.parquet",
    "ANMO.IU.2022.002#2",
    "50%25/a+b&c.ms",
    "été/日本.ms",
    "a~b/'quoted'(1).ms",
    "_scratch/x",
    "x" * 200,
]


# -- one suite for folders and S3 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_comes_back_as_it_was_written(store: Store, key: str) -> None:
    store.put(key, b"content")
    assert bytes(store.get(key)) == b"content"
    assert list(store.list("")) == [(key, 7)]
    assert store.size(key) == 7
    assert store.exists(key)
    store.delete([key])
    assert not store.exists(key)


def test_what_stands_right_in_a_folder_is_listed_without_what_is_below(store: Store) -> None:
    for key in ("top", "a/one", "a/two", "a/b/three", "ab/four"):
        store.put(key, b"content")
    assert [(item.key, item.size) for item in store.list_flat("")] == [("top", 7)]
    below = store.list_flat("a")
    assert [item.key for item in below] == ["a/one", "a/two"]
    assert list(below) == [item for item in store.list_versions("a/") if item.key != "a/b/three"]
    assert list(store.list_flat("none")) == []


def test_put_takes_bytes_parts_and_files_and_replaces(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"from a file")
    for data, expected in [
        (b"bytes", b"bytes"),
        ([b"two ", memoryview(b"parts")], b"two parts"),
        (source, b"from a file"),
        (memoryview(b"view"), b"view"),
        (b"", b""),
    ]:
        store.put("a/b", data)
        assert bytes(store.get("a/b")) == expected


def test_a_large_object_goes_in_many_parts(store: Store, tmp_path: Path) -> None:
    data = os.urandom(17_000_000)
    store.put("large", data)
    assert bytes(store.get("large")) == data
    (tmp_path / "large").write_bytes(data)
    store.put("from-file", tmp_path / "large")
    assert bytes(store.get("from-file")) == data
    store.put("from-parts", [data[:6_000_000], data[6_000_000:]])
    assert bytes(store.get("from-parts")) == data


def test_ranges(store: Store) -> None:
    store.put("k", bytes(range(100)))
    assert bytes(store.get_range("k", 10, 5)) == bytes(range(10, 15))
    assert bytes(store.get_range("k", 95, 50)) == bytes(range(95, 100))
    assert bytes(store.get_range("k", 100, 5)) == b""
    assert bytes(store.get_range("k", 500, 5)) == b""
    assert bytes(store.get_range("k", 5, 0)) == b""
    parts = store.get_ranges("k", [90, 0, 200, 3], [20, 2, 5, 0])
    assert [bytes(part) for part in parts] == [bytes(range(90, 100)), bytes([0, 1]), b"", b""]
    assert store.get_ranges("k", [], []) == []
    for length, expected in ((3, bytes([97, 98, 99])), (100, bytes(range(100))), (500, bytes(range(100)))):
        size, tail = store.tail("k", length)
        assert (size, bytes(tail)) == (100, expected)
    store.put("empty", b"")
    assert store.tail("empty", 5) == (0, b"")
    with pytest.raises(Missing):
        store.tail("nothing", 5)


@pytest.mark.parametrize(("starts", "lengths"), [([-1], [1]), ([0], [-1]), ([0, 1], [1])])
def test_impossible_ranges_are_refused(store: Store, starts: list[int], lengths: list[int]) -> None:
    store.put("k", b"x")
    with pytest.raises(ValueError, match="ranges"):
        store.get_ranges("k", starts, lengths)


def test_what_is_not_there_is_missing(store: Store) -> None:
    store.put("folder/file", b"x")
    for key in ("nothing", "folder", "folder/file/below", "folder/nothing"):
        for attempt in (
            lambda key=key: store.get(key),
            lambda key=key: store.size(key),
            lambda key=key: store.get_range(key, 0, 1),
            lambda key=key: store.get_ranges(key, [0, 1], [1, 1]),
            lambda key=key: store.get_range(key, 0, 0),
        ):
            with pytest.raises(Missing, match=key):
                attempt()
        assert not store.exists(key)
    with pytest.raises(Missing):
        store.get("y" * 300)  # longer than a file's name may be


def test_list_is_sorted_and_of_one_folder(store: Store) -> None:
    for key in ("b/2", "b/1", "a/1", "b/sub/3", "bc/4", "b.txt"):
        store.put(key, b"xx")
    assert [key for key, _ in store.list("b")] == ["b/1", "b/2", "b/sub/3"]
    assert [key for key, _ in store.list("b/")] == ["b/1", "b/2", "b/sub/3"]
    assert [key for key, _ in store.list("")] == ["a/1", "b.txt", "b/1", "b/2", "b/sub/3", "bc/4"]
    assert list(store.list("nothing/here")) == []
    assert list(store.list("b.txt")) == []


def test_more_keys_than_a_page_holds(store: Store) -> None:
    keys = [f"many/{number:05d}" for number in range(1205)]
    for key in keys:
        store.put(key, b"x")
    assert [key for key, _ in store.list("many")] == keys
    store.delete(keys[:1100])
    assert [key for key, _ in store.list("many")] == keys[1100:]
    store.delete_prefix("many")
    assert list(store.list("")) == []


def test_delete_prefix_takes_one_folder_alone(store: Store) -> None:
    for key in ("_scratch/run/a", "_scratch/run/b/c", "_scratch/runner/d", "keep"):
        store.put(key, b"x")
    store.delete_prefix("_scratch/run")
    assert [key for key, _ in store.list("")] == ["_scratch/runner/d", "keep"]
    store.delete_prefix("_scratch/run")
    store.delete(["nothing"])
    store.delete([])
    store.delete_prefix("_scratch/runner")
    assert [key for key, _ in store.list("")] == ["keep"]


@pytest.mark.parametrize(
    "key",
    [
        "", "..", "../x", "a/../x", "a/..", "/etc/passwd", "//a", "a//b", "a/", "./a", "a/./b",
        "nul\0", "new\nline", "back\\slash", "..\\x", "\u202eabc", "a\ud800", "x" * 1025, "é" * 513,
    ],
)  # fmt: skip
def test_hostile_keys_are_refused(store: Store, key: str) -> None:
    for attempt in (
        lambda: check_key(key),
        lambda: store.get(key),
        lambda: store.get_range(key, 0, 1),
        lambda: store.size(key),
        lambda: store.exists(key),
        lambda: store.put(key, b"x"),
        lambda: store.delete([key]),
    ):
        with pytest.raises(ValueError, match="valid key"):
            attempt()
    if key.strip("/"):
        with pytest.raises(ValueError, match="valid key"):
            list(store.list(key if not key.endswith("/") else f"{key}/../b"))
    with pytest.raises(ValueError, match="valid key"):
        store.delete_prefix(key if key != "a/" else "")


def test_a_key_of_exactly_1024_bytes() -> None:
    assert check_key("é" * 512)


def test_a_source_that_is_not_there_is_no_missing_object(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="there is no file") as caught:
        store.put("k", tmp_path / "nowhere")
    assert not isinstance(caught.value, Missing)
    assert not store.exists("k")


# -- folders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    return Store(StoreSettings(str(tmp_path / "root")))


def test_a_key_is_the_file_s_name_letter_by_letter(folder: Store) -> None:
    for key in ODD_KEYS:
        folder.put(key, b"x")
        assert Path(folder.settings.root, key).read_bytes() == b"x"


def test_nobody_sees_half_a_file(folder: Store) -> None:
    root = Path(folder.settings.root)
    old, new = b"o" * 3_000_000, b"n" * 3_000_000
    folder.put("table/part.parquet", old)
    names: set[str] = set()
    bodies: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            names.update(os.listdir(root / "table"))
            bodies.add((root / "table/part.parquet").read_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(20):
        folder.put("table/part.parquet", [new[:1_000_000], new[1_000_000:]])
        folder.put("table/part.parquet", old)
    done.set()
    watcher.join()
    assert bodies <= {old, new}
    assert all(name == "part.parquet" or name.startswith("_") for name in names)
    assert os.listdir(root / "table") == ["part.parquet"]


def test_a_put_that_fails_leaves_what_was_there(folder: Store) -> None:
    folder.put("a/k", b"old")

    def parts():
        yield b"new"
        raise RuntimeError("source broke")

    with pytest.raises(RuntimeError, match="source broke"):
        folder.put("a/k", parts())  # type: ignore[arg-type]
    assert bytes(folder.get("a/k")) == b"old"
    assert os.listdir(Path(folder.settings.root, "a")) == ["k"]


def test_left_over_staged_files_are_no_objects(folder: Store) -> None:
    folder.put("_scratch/run/a", b"x")
    left = Path(folder.settings.root, "_scratch/run/_put-0123456789abcdef.tmp")
    left.write_bytes(b"half")
    assert [key for key, _ in folder.list("")] == ["_scratch/run/a"]
    folder.delete_prefix("_scratch/run")
    assert not left.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_the_run(folder: Store, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(path: str):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder_module, "_create", full)
    with pytest.raises(RunError, match=r"no space left .*root/k"):
        folder.put("k", b"x")


def test_denied_by_the_system(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("k", b"x")

    def refuse(path: str):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(folder_module.os, "stat", refuse)
    with pytest.raises(Denied, match="access denied"):
        folder.get("k")


def test_delete_prefix_does_not_follow_links(folder: Store, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_bytes(b"x")
    folder.put("_scratch/run/a", b"x")
    Path(folder.settings.root, "_scratch/run/link").symlink_to(precious)
    folder.delete_prefix("_scratch/run")
    assert (precious / "data").exists()
    assert not Path(folder.settings.root, "_scratch").exists()


def test_links_are_read_and_circles_end(folder: Store, tmp_path: Path) -> None:
    folder.put("2022/a", b"x")
    disk = tmp_path / "disk2"
    disk.mkdir()
    (disk / "b").write_bytes(b"yy")
    Path(folder.settings.root, "2023").symlink_to(disk)
    Path(folder.settings.root, "2022/up").symlink_to(folder.settings.root)
    Path(folder.settings.root, "2022/gone").symlink_to(tmp_path / "nowhere")
    assert list(folder.list("")) == [("2022/a", 1), ("2023/b", 2)]


def test_a_pipe_does_not_hang(folder: Store) -> None:
    folder.put("k", b"x")
    os.mkfifo(Path(folder.settings.root, "pipe"))
    with pytest.raises(Missing):
        folder.get("pipe")


def test_many_writers_while_folders_come_and_go(folder: Store) -> None:
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for _ in range(60):
                folder.put(f"_scratch/{number}/k", b"x")
                folder.delete_prefix(f"_scratch/{number}")  # and _scratch with it, where the others write
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match="cannot be used as a folder"):
        Store(StoreSettings(str(tmp_path / "file")))
    with pytest.raises(RunError, match="cannot be used as a folder"):
        Store(StoreSettings("nul\0"))


def test_a_folder_is_made_by_the_first_object_only(tmp_path: Path) -> None:
    store = Store(StoreSettings(str(tmp_path / "not" / "yet")))
    assert not store.exists("k")
    assert list(store.list("")) == []
    with pytest.raises(RunError, match="there is no folder"):
        store.require()
    assert not (tmp_path / "not").exists()
    store.put("k", b"x")
    store.require()
    assert bytes(store.get("k")) == b"x"


# -- settings ---------------------------------------------------------------------------------------------------------


def test_one_store_a_process(tmp_path: Path) -> None:
    settings = StoreSettings(str(tmp_path))
    assert open_store(settings) is open_store(StoreSettings(str(tmp_path)))
    assert hash(settings) == hash(StoreSettings(str(tmp_path)))
    here = open_store(settings)
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, b"new" if open_store(settings) is not here else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 3) == b"new"


@pytest.mark.parametrize("endpoint", ["minio:9000", "ftp://host", "http://user:CANARY@host", "http://"])
def test_an_impossible_endpoint_ends_the_run(endpoint: str) -> None:
    with pytest.raises(RunError, match="endpoint") as caught:
        Store(StoreSettings("s3://bucket", endpoint, anonymous=True))
    assert "CANARY" not in str(caught.value)


def test_a_root_without_a_bucket() -> None:
    with pytest.raises(RunError, match="names no bucket"):
        Store(StoreSettings("s3://", anonymous=True))


@pytest.mark.usefixtures("credentials")
def test_no_credentials_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(RunError, match=r"no AWS credentials for s3://bucket .*AWS_ACCESS_KEY_ID"):
        Store(StoreSettings("s3://bucket", region="us-west-2"))
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(RunError, match="no AWS credentials"):
        Store(StoreSettings("s3://bucket", region="us-west-2"))


@pytest.mark.usefixtures("credentials")
def test_settings_and_store_hold_no_secret(s3_endpoint: str) -> None:
    store = Store(StoreSettings("s3://archive", s3_endpoint, "us-west-2"))
    assert "CANARY" not in repr(store) + repr(store.settings) + repr(vars(store))


class _Refusing(BaseHTTPRequestHandler):
    """Repeats what it is sent of credentials, as S3 does where it refuses them."""

    def do_GET(self) -> None:  # noqa: N802
        token, key = self.headers["X-Amz-Security-Token"], self.headers["Authorization"].partition("Credential=")[2][:10]
        status, code = (400, "ExpiredToken") if self.path.endswith("expired") else (403, "InvalidAccessKeyId")
        told = f"<Message>No.</Message><Token-0>{token}</Token-0><AWSAccessKeyId>{key}</AWSAccessKeyId>"
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code>{told}</Error>'.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing is logged."""


@pytest.mark.usefixtures("credentials")
def test_what_a_service_repeats_of_credentials_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "CANARY-TOKEN")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    store = Store(StoreSettings("s3://bucket", f"http://127.0.0.1:{server.server_address[1]}", "us-west-2"))
    try:
        for key, code, kind in (("expired", "ExpiredToken", UnitError), ("unknown", "InvalidAccessKeyId", Denied)):
            with pytest.raises(kind, match=code) as raised:
                store.get(key)
            assert "CANARY" not in str(raised.value)
    finally:
        server.shutdown()
        server.server_close()


def test_unit_error_is_what_callers_catch() -> None:
    assert issubclass(Missing, UnitError)
    assert not issubclass(RunError, UnitError)


def test_a_file_is_put_again_and_removed(folder: Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"samples")
    for _ in range(2):
        folder.put("a/k", file)
        assert os.listdir(Path(folder.settings.root, "a")) == ["k"]
    file.unlink()
    assert bytes(folder.get("a/k")) == b"samples"
