"""Fetching from a bucket that fails: what can be had is had, the rest is an outcome, and neither takes for ever."""

from __future__ import annotations

import time

import numpy as np
import pytest
from seisbatch.acquire import s3
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.outcome import Denied, Missing, UnitError

from tests.faulty_s3 import Bucket, serving

N_OBJECTS = 150
TRIES = 1 + s3.RETRIES


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Timeouts and waits of tests: a stalled answer is given up after a second."""
    monkeypatch.setattr(s3, "REQUEST_SECONDS", 1)
    monkeypatch.setattr(s3, "BACKOFF_BASE", 1.5)


@pytest.fixture
def objects(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "objects"
    folder.mkdir()
    bodies = {f"k{number:03d}": rng.bytes(int(rng.integers(1, 200_000))) for number in range(N_OBJECTS)}
    for key, body in bodies.items():
        (folder / key).write_bytes(body)
    return folder, bodies


def fetch(endpoint, keys):
    store = Store(StoreSettings("s3://archive", endpoint=endpoint, region="us-east-1", anonymous=True))
    with store.fetch_ahead(keys, max_bytes=20_000_000, max_in_flight=32) as bodies:
        return {key: body if isinstance(body, UnitError) else bytes(body) for key, body in bodies}


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_what_is_there_is_fetched_whole(share, objects):
    folder, bodies = objects
    bucket = Bucket(folder, share)
    bucket.denied = {f"k{number:03d}" for number in (3, 77)}
    absent = ["nothing-1", "nothing-2", "nothing-3"]
    started = time.perf_counter()
    with serving(bucket) as endpoint:
        found = fetch(endpoint, [*bodies, *absent])
    seconds = time.perf_counter() - started
    assert found.keys() == {*bodies, *absent}
    for key in absent:
        assert isinstance(found[key], Missing)
    for key in bucket.denied:
        assert isinstance(found[key], Denied)
    lost = {key for key in bodies.keys() - bucket.denied if found[key] != bodies[key]}
    # With half of all requests failing, one in 2^9 fails every time: an outcome, with the reason.
    assert len(lost) <= (2 if share == 0.5 else 0)
    assert all(isinstance(found[key], UnitError) for key in lost)
    assert max(bucket.requests.values()) <= 3 * TRIES
    assert all(bucket.requests[key] <= 3 * TRIES for key in absent)
    if share == 0.5:
        assert len(bucket.spoilt) == 5  # every kind of fault was met
    assert seconds < 60


@pytest.mark.parametrize("fault", ["500", "503", "cut", "reset", "stall"])
def test_each_fault_is_overcome(fault, objects):
    folder, bodies = objects
    bucket = Bucket(folder, 0.2, faults=(fault,), seed=1)
    some = dict(list(bodies.items())[:40])
    with serving(bucket) as endpoint:
        assert fetch(endpoint, some) == some
    assert bucket.spoilt[fault] > 2


def test_a_body_that_is_not_that_of_its_etag_is_fetched_again(objects):
    folder, bodies = objects
    bucket = Bucket(folder, 0.2, faults=("garbled",), seed=4)
    some = dict(list(bodies.items())[:60])
    with serving(bucket) as endpoint:
        assert fetch(endpoint, some) == some
    assert bucket.spoilt["garbled"] > 2


def test_a_body_that_never_is_that_of_its_etag_is_an_outcome(objects):
    folder, bodies = objects
    bucket = Bucket(folder, 0.0)
    bucket.etag = f'"{"0" * 32}"'
    bucket.before_answer = lambda key, number: (folder / key).write_bytes(bytes([number]) * 1000)  # other bytes each time
    with serving(bucket) as endpoint:
        found = fetch(endpoint, ["k001"])
    assert type(found["k001"]) is UnitError
    assert "ETag" in str(found["k001"])
    assert bucket.requests["k001"] == s3.BODY_TRIES


def test_an_etag_that_is_no_digest_is_found_out_and_costs_one_object_twice(objects):
    """Of buckets that encrypt with a key of their own the ETag is no MD5, though it looks like one."""
    folder, bodies = objects
    bucket = Bucket(folder, 0.0)
    bucket.etag = '"0123456789abcdef0123456789abcdef"'
    with serving(bucket) as endpoint:
        store = Store(StoreSettings("s3://archive", endpoint=endpoint, region="us-east-1", anonymous=True))
        assert all(bytes(store.get(key)) == body for key, body in bodies.items())
    assert sum(bucket.requests.values()) == len(bodies) + 1


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_ranges_are_fetched_whole(share, objects):
    folder, bodies = objects
    bucket = Bucket(folder, share, faults=("500", "503", "cut", "reset"), seed=2)
    with serving(bucket) as endpoint:
        store = Store(StoreSettings("s3://archive", endpoint=endpoint, region="us-east-1", anonymous=True))
        for key in list(bodies)[:40]:
            body = bodies[key]
            first, length = len(body) // 3, len(body) // 4
            assert bytes(store.get_range(key, first, length)) == body[first : first + length]
            size, tail = store.tail(key, 4096)
            assert (size, bytes(tail)) == (len(body), body[-4096:])


def test_what_fails_always_ends_soon_and_says_so(objects):
    folder, bodies = objects
    bucket = Bucket(folder, 1.0, faults=("503",))
    started = time.perf_counter()
    with serving(bucket) as endpoint:
        found = fetch(endpoint, list(bodies)[:20])
    assert all(type(error) is UnitError for error in found.values())
    assert all("503" in str(error) or "SlowDown" in str(error) for error in found.values())
    assert max(bucket.requests.values()) <= TRIES
    assert time.perf_counter() - started < 40


def test_denied_is_not_asked_again(objects):
    folder, bodies = objects
    bucket = Bucket(folder, 0.0)
    bucket.denied = set(bodies)
    with serving(bucket) as endpoint:
        found = fetch(endpoint, bodies)
    assert all(isinstance(error, Denied) for error in found.values())
    assert set(bucket.requests.values()) == {1}


def test_a_listing_that_is_denied(objects):
    folder, _ = objects
    bucket = Bucket(folder, 0.0)
    bucket.allows = lambda key, headers: False
    with serving(bucket) as endpoint:
        store = Store(StoreSettings("s3://archive", endpoint=endpoint, region="us-east-1", anonymous=True))
        for attempt in (lambda: list(store.list("k")), lambda: store.folders("k")):
            with pytest.raises(Denied):
                attempt()


def test_an_object_replaced_while_it_is_read_is_one_or_the_other(objects):
    """The first half of one and the second of the other would be neither."""
    folder, bodies = objects
    key = max(bodies, key=lambda name: len(bodies[name]))
    old, new = bodies[key], bytes(reversed(bodies[key]))
    bucket = Bucket(folder, 1.0, faults=("cut",))

    def replace(asked, number):
        if number == 2:
            (folder / key).write_bytes(new)
            bucket.share = 0.0

    bucket.before_answer = replace
    with serving(bucket) as endpoint:
        found = fetch(endpoint, [key])[key]
    assert isinstance(found, UnitError) or found in (old, new)
