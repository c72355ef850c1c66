"""What was read is kept: fetched once, by version, within its bounds; and never more is removed than was kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from seisbatch.acquire import cache as cache_module
from seisbatch.acquire.backend import CacheSettings
from seisbatch.acquire.objects import Replaced, Store, StoreSettings
from seisbatch.outcome import Missing, RunError

from tests.faulty_s3 import Bucket, serving

RNG = np.random.default_rng(0)
OBJECTS = {f"year/k{number}": RNG.bytes(10_000 + number) for number in range(8)}


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    for key, body in OBJECTS.items():
        (tmp_path / "bucket" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bucket" / key).write_bytes(body)
    return Bucket(tmp_path / "bucket", 0.0)


@pytest.fixture
def endpoint(bucket: Bucket) -> Iterator[str]:
    with serving(bucket) as endpoint:
        yield endpoint


def settings(endpoint: str, kept: Path, max_bytes: int = 10_000_000) -> StoreSettings:
    cache = CacheSettings(StoreSettings(str(kept)), max_bytes)
    return StoreSettings("s3://any", endpoint, "us-east-1", anonymous=True, cache=cache)


def kept_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_an_object_is_fetched_once(bucket, endpoint, tmp_path):
    for number in range(3):
        store = Store(settings(endpoint, tmp_path / "kept"))
        before = bucket.sent
        assert {key: bytes(store.get(key)) for key in OBJECTS} == OBJECTS
        with store.fetch_ahead(OBJECTS, max_bytes=50_000, max_in_flight=4) as bodies:
            assert {key: bytes(body) for key, body in bodies} == OBJECTS
        assert bucket.sent - before == (0 if number else sum(map(len, OBJECTS.values())))
        with pytest.raises(Missing):
            store.get("nothing")


def test_a_range_is_fetched_once_and_an_object_serves_its_ranges(bucket, endpoint, tmp_path):
    key, body = "year/k1", OBJECTS["year/k1"]
    wanted = [(0, 10), (5000, 300), (9990, 100), (20_000, 5), (7, 0)]
    expected = [body[start : start + length] for start, length in wanted]
    for number in range(2):
        store = Store(settings(endpoint, tmp_path / "kept"))
        before = bucket.sent
        assert [bytes(store.get_range(key, *part)) for part in wanted] == expected
        assert [bytes(part) for part in store.get_ranges(key, *zip(*wanted, strict=True))] == expected
        size, tail = store.tail(key, 300)
        assert (size, bytes(tail)) == (len(body), body[-300:])
        assert (bucket.sent == before) == (number > 0)
    store.get("year/k2")
    before = bucket.sent
    assert bytes(store.get_range("year/k2", 77, 1000)) == OBJECTS["year/k2"][77:1077]
    assert bucket.sent == before


def test_what_has_changed_is_read_anew(bucket, endpoint, tmp_path, monkeypatch):
    store = Store(settings(endpoint, tmp_path / "kept"))
    key = "year/k3"
    old_version = store.version(key)
    store.get_range(key, 0, 100)
    new = OBJECTS[key][::-1] + b"more"
    (bucket.folder / key).write_bytes(new)
    assert bytes(store.get_range(key, 200, 50)) == new[200:250]  # not kept yet: the bucket says that it has changed
    assert bytes(store.get(key)) == new
    assert bytes(store.get_range(key, 0, 100)) == new[:100]
    with pytest.raises(Replaced):
        store.get_ranges(key, [0], [10], old_version)
    fresh = Store(settings(endpoint, tmp_path / "kept"))
    assert bytes(fresh.get(key)) == new


def test_the_version_is_asked_for_again_after_a_while(bucket, endpoint, tmp_path, monkeypatch):
    store = Store(settings(endpoint, tmp_path / "kept"))
    key = "year/k3"
    store.get(key)
    (bucket.folder / key).write_bytes(b"new")
    monkeypatch.setattr(cache_module, "HEAD_SECONDS", 0)
    assert bytes(store.get(key)) == b"new"


def test_places_do_not_mix(endpoint, tmp_path):
    one = Store(settings(endpoint, tmp_path / "kept"))
    other = Store(replace(settings(endpoint, tmp_path / "kept"), root="s3://any/year"))
    assert bytes(one.get("year/k1")) == bytes(other.get("k1")) == OBJECTS["year/k1"]
    with pytest.raises(Missing):
        other.get("year/k1")


def test_it_stays_within_its_bounds_and_the_oldest_goes(bucket, endpoint, tmp_path):
    kept = tmp_path / "kept"
    store = Store(settings(endpoint, kept, 50_000))
    for number, key in enumerate(OBJECTS):
        store.get(key)
        assert kept_bytes(kept) <= 50_000
        for path in kept.rglob("*"):  # time passes
            if path.is_file():
                os.utime(path, (time.time() - 1000, path.stat().st_mtime - 100))
        store.get("year/k0")  # in use all the time
        assert number == 0 or kept_bytes(kept) > 10_000
    before = bucket.sent
    store.get("year/k0"), store.get("year/k7")
    assert bucket.sent == before
    store.get("year/k1")
    assert bucket.sent > before
    (bucket.folder / "large").write_bytes(bytes(20_000))
    store.get("large")  # more than a fourth of all that may be kept
    assert kept_bytes(kept) <= 50_000
    store.get("year/k0"), store.get("year/k7")


def test_a_damaged_copy_is_fetched_again(endpoint, tmp_path):
    store = Store(settings(endpoint, tmp_path / "kept"))
    store.get("year/k4")
    [path] = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    path.write_bytes(b"short")
    assert bytes(store.get("year/k4")) == OBJECTS["year/k4"]
    assert path.read_bytes() == OBJECTS["year/k4"]


def test_a_cache_that_cannot_be_written_ends_the_run(endpoint, tmp_path):
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(RunError, match="kept"):
        Store(settings(endpoint, tmp_path / "kept")).get("year/k0")


def test_in_a_bucket(bucket, endpoint, s3_server, tmp_path):
    import boto3

    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket="kept")
    kept = CacheSettings(StoreSettings("s3://kept/cache", s3_server, "us-east-1"), 100_000)
    for number in range(2):
        store = Store(replace(settings(endpoint, tmp_path), cache=kept))
        before = bucket.sent
        assert bytes(store.get("year/k0")) == OBJECTS["year/k0"][:]
        assert bytes(store.get_range("year/k1", 5, 500)) == OBJECTS["year/k1"][5:505]
        assert (bucket.sent == before) == (number > 0)


def test_an_object_that_is_replaced_while_many_read_it(bucket, endpoint, tmp_path):
    store = Store(settings(endpoint, tmp_path / "kept"))
    assert store.size("year/k3") == len(OBJECTS["year/k3"])
    new = RNG.bytes(7000)
    (tmp_path / "bucket" / "year/k3").write_bytes(new)
    with ThreadPoolExecutor(16) as pool:
        tails = list(pool.map(lambda _: store.tail("year/k3", 100), range(16)))
        parts = list(pool.map(lambda start: bytes(store.get_range("year/k3", start, 50)), range(16)))
    assert {(size, bytes(tail)) for size, tail in tails} == {(7000, new[-100:])}
    assert parts == [new[start : start + 50] for start in range(16)]
