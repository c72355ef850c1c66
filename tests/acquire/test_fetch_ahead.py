from __future__ import annotations

import threading
import time

import pytest
from seisbatch.acquire.backend import Opened
from seisbatch.acquire.objects import Store
from seisbatch.outcome import Corrupt, Missing, RunError, UnitError


class Watched:
    """A place whose objects are as many bytes as their key says; counts what is read and held."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.lock = threading.Lock()
        self.opened = 0
        self.reading = self.most_reading = 0
        self.read: list[str] = []

    def open(self, key: str) -> Opened:
        self.opened += 1
        if key.startswith("missing"):
            raise FileNotFoundError(key)
        if key == "broken":
            raise OSError(5, "Input/output error")
        if key == "full":
            raise OSError(28, "No space left on device")

        def read() -> bytes:
            with self.lock:
                self.reading += 1
                self.most_reading = max(self.most_reading, self.reading)
            time.sleep(self.delay)
            with self.lock:
                self.reading -= 1
                self.read.append(key)
            return bytes(int(key.rpartition("-")[2]))

        return Opened(int(key.rpartition("-")[2]), "1", read)


@pytest.fixture
def watched(tmp_path) -> tuple[Store, Watched]:
    from seisbatch.acquire.objects import StoreSettings

    store, place = Store(StoreSettings(str(tmp_path))), Watched()
    store._backend = place  # type: ignore[assignment]
    return store, place


def test_in_order_with_what_each_became(store: Store) -> None:
    for number in range(20):
        store.put(f"k/{number:02d}", bytes([number]) * number)
    keys = [f"k/{number:02d}" for number in range(20)]
    keys.insert(3, "k/missing")
    keys.insert(7, "../x")
    with store.fetch_ahead(keys, max_bytes=10_000, max_in_flight=4) as bodies:
        found = list(bodies)
    assert [key for key, _ in found] == keys
    for key, body in found:
        if key == "k/missing":
            assert isinstance(body, Missing)
        elif key == "../x":
            assert isinstance(body, Corrupt)
            assert "valid key" in str(body)
        else:
            assert bytes(body) == bytes([int(key[2:])]) * int(key[2:])


def test_nothing_to_fetch(store: Store) -> None:
    with store.fetch_ahead([], max_bytes=1, max_in_flight=1) as bodies:
        assert list(bodies) == []


def test_a_key_twice_is_fetched_twice(store: Store) -> None:
    store.put("k", b"x")
    with store.fetch_ahead(["k", "k"], max_bytes=100, max_in_flight=2) as bodies:
        assert [bytes(body) for _, body in bodies] == [b"x", b"x"]


def test_fetches_while_the_consumer_works(watched) -> None:
    store, place = watched
    place.delay = 0.1
    with store.fetch_ahead([f"{n}-10" for n in range(16)], max_bytes=1000, max_in_flight=8) as bodies:
        started = time.perf_counter()
        assert len(list(bodies)) == 16
    assert time.perf_counter() - started < 0.1 * 16 / 2
    assert 2 < place.most_reading <= 8


@pytest.mark.parametrize("sizes", [[100] * 30, [1, 1, 1, 300, 1, 1, 500, 400, 1, 1], [600] * 5, [299, 2] * 10])
def test_never_more_bytes_than_allowed_but_always_one(watched, sizes: list[int]) -> None:
    store, place = watched
    keys = [f"{n}-{size}" for n, size in enumerate(sizes)]
    consumed: list[str] = []
    with store.fetch_ahead(keys, max_bytes=300, max_in_flight=6) as bodies:
        for key, body in bodies:
            time.sleep(0.005)
            held = [k for k in list(place.read) if k not in consumed]
            total = sum(int(k.rpartition("-")[2]) for k in held)
            assert total <= 300 or len(held) == 1, held
            assert len(body) == int(key.rpartition("-")[2])
            consumed.append(key)
    assert consumed == keys


def test_never_more_objects_than_allowed(watched) -> None:
    store, place = watched
    with store.fetch_ahead([f"{n}-1" for n in range(50)], max_bytes=10**9, max_in_flight=5) as bodies:
        for number, _ in enumerate(bodies):
            time.sleep(0.002)
            assert place.opened <= number + 6


def test_objects_without_bytes(watched) -> None:
    store, _ = watched
    with store.fetch_ahead([f"{n}-0" for n in range(20)], max_bytes=1, max_in_flight=3) as bodies:
        assert len(list(bodies)) == 20


def test_faults_do_not_stop_the_line(watched) -> None:
    store, _ = watched
    keys = ["missing1", "1-500", "broken", "2-500", "missing2", "../..", "3-10"]
    with store.fetch_ahead(keys, max_bytes=100, max_in_flight=4) as bodies:
        kinds = [type(body).__name__ for _, body in bodies]
    assert kinds == ["Missing", "bytes", "UnitError", "bytes", "Missing", "Corrupt", "bytes"]


def test_what_is_wrong_with_the_run_is_raised(watched) -> None:
    store, _ = watched
    with store.fetch_ahead(["1-1", "full", "2-1"], max_bytes=100, max_in_flight=2) as bodies:
        assert next(bodies)[0] == "1-1"
        with pytest.raises(RunError, match="no space left"):
            next(bodies)


@pytest.mark.parametrize("after", [0, 1, 5])
def test_abandoned_it_closes(watched, after: int) -> None:
    store, place = watched
    place.delay = 0.01
    threads = threading.active_count()
    with store.fetch_ahead((f"{n}-200" for n in range(10_000)), max_bytes=300, max_in_flight=8) as bodies:
        for _ in range(after):
            next(bodies)
    assert threading.active_count() == threads
    assert len(place.read) <= after + 3


def test_the_consumer_s_error_goes_through(watched) -> None:
    store, _ = watched

    def consume() -> None:
        with store.fetch_ahead(["1-1", "2-1"], max_bytes=9, max_in_flight=2) as bodies:
            next(bodies)
            raise KeyError("mine")

    with pytest.raises(KeyError):
        consume()


def test_keys_may_be_a_generator_that_is_read_only_as_needed(watched) -> None:
    store, _ = watched
    taken: list[int] = []

    def keys():
        for number in range(1000):
            taken.append(number)
            yield f"{number}-1"

    with store.fetch_ahead(keys(), max_bytes=100, max_in_flight=4) as bodies:
        next(bodies)
        assert len(taken) <= 5


def test_an_error_is_a_unit_error(watched) -> None:
    store, _ = watched
    with store.fetch_ahead(["broken"], max_bytes=1, max_in_flight=1) as bodies:
        ((_, body),) = bodies
    assert isinstance(body, UnitError)
    assert body.outcome == "failed"
