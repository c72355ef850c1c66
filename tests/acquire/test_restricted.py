"""Restricted networks: EarthScope's own client asks an API of the tests' own, and a bucket knows whose key may read what."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from seisbatch.acquire import restricted
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.outcome import Denied, Missing, RunError

from tests import earthscope_api
from tests.earthscope_api import CANARIES, Api, allows
from tests.faulty_s3 import Bucket, serving

KEYS = {
    f"miniseed/{net}/2022/002/ANMO.{net}.2022.002#{version}": f"{net} {version}".encode()
    for net in ("XA", "ZZ")
    for version in (1, 2)
}


@pytest.fixture
def api(monkeypatch) -> Iterator[Api]:
    made = Api()
    restricted._client.cache_clear()
    with earthscope_api.serving(made) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield made
    restricted._client.cache_clear()


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    for key, body in KEYS.items():
        (tmp_path / "bucket" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bucket" / key).write_bytes(body)
    made = Bucket(tmp_path / "bucket", 0.0)
    made.allows = allows
    return made


@pytest.fixture
def endpoint(bucket: Bucket) -> Iterator[str]:
    with serving(bucket) as endpoint:
        yield endpoint


def store_at(endpoint: str) -> Store:
    return Store(StoreSettings("s3://point", endpoint, "us-east-2", credentials="earthscope"))


def test_each_network_is_read_with_its_own_credentials(api, endpoint, caplog):
    caplog.set_level(logging.DEBUG)
    store = store_at(endpoint)
    with store.fetch_ahead(KEYS, max_bytes=10_000, max_in_flight=4) as bodies:
        assert {key: bytes(body) for key, body in bodies} == KEYS
    assert [key for key, _ in store.list("miniseed/XA/2022/002/")] == sorted(key for key in KEYS if "/XA/" in key)
    with pytest.raises(Missing):
        store.get("miniseed/XA/2022/003/ANMO.XA.2022.003#1")
    with pytest.raises(Missing):
        store.get("XA/XA_ANMO.xml")
    assert sorted(api.asked) == ["XA", "ZZ"]  # once each, however many objects
    assert all(token.startswith("Bearer canary-token") for token in api.tokens)
    assert not [canary for canary in CANARIES if canary in caplog.text]
    assert not [canary for canary in CANARIES if canary in repr(store.settings)]


def test_credentials_are_fetched_again_before_they_end(api, endpoint):
    api.valid = restricted.BEFORE_THE_END + dt.timedelta(seconds=1)
    store = store_at(endpoint)
    key = next(iter(KEYS))
    store.get(key)
    before = len(api.asked)
    time.sleep(1.2)  # five minutes of validity are left
    store.get(key)
    assert len(api.asked) > before
    api.valid = dt.timedelta(hours=1)
    store.get(key)
    before = len(api.asked)
    store.get(key), store.get(key)
    assert len(api.asked) == before


@pytest.mark.parametrize(("status", "told"), [(403, "UnauthorizedError"), (422, "EarthScope answers 422")])
def test_a_network_that_is_refused_ends_the_run_and_tells_no_secret(status, told, api, endpoint):
    api.refuses = {"ZZ": status}
    with pytest.raises(RunError) as error:
        store_at(endpoint).get("miniseed/ZZ/2022/002/ANMO.ZZ.2022.002#1")
    assert f"network ZZ ({told})" in str(error.value)
    assert not [canary for canary in CANARIES if canary in str(error.value)]


def test_without_a_login_it_is_said(api, endpoint, monkeypatch, tmp_path):
    monkeypatch.delenv("ES_OAUTH2__ACCESS_TOKEN")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RunError, match="es login"):
        store_at(endpoint).get(next(iter(KEYS)))


def test_all_networks_at_once_cannot_be_listed(api, endpoint):
    with pytest.raises(RunError, match="name the networks"):
        store_at(endpoint).folders("miniseed/")


def test_what_the_bucket_refuses_is_denied(api, bucket, endpoint):
    bucket.allows = lambda key, headers: False
    with pytest.raises(Denied) as error:
        store_at(endpoint).get(next(iter(KEYS)))
    assert not [canary for canary in CANARIES if canary in str(error.value)]


def test_without_the_package_it_is_said(endpoint, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "earthscope_sdk", None)
    restricted._client.cache_clear()
    with pytest.raises(RunError, match="pip install 'earthscope-sdk"):
        store_at(endpoint).get(next(iter(KEYS)))
