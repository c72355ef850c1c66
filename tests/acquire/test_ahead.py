"""The line in which bytes are given out."""

from __future__ import annotations

import random
import threading
import time

from seisbatch.acquire.ahead import Budget


def test_in_order_and_never_more_than_there_is() -> None:
    budget = Budget(100)
    rng = random.Random(0)
    sizes = [rng.choice([0, 10, 60, 100, 250]) for _ in range(200)]
    order: list[int] = []
    held: dict[int, int] = {}
    changed = threading.Condition()

    def fetch(number: int) -> None:
        time.sleep(rng.random() * 0.002)
        if sizes[number]:
            assert budget.take(number, sizes[number])
            with changed:
                order.append(number)
                held[number] = sizes[number]
                assert sum(held.values()) <= 100 or len(held) == 1
        budget.leave(number)
        with changed:
            done.add(number)
            changed.notify_all()

    done: set[int] = set()
    threads = [threading.Thread(target=fetch, args=(number,), daemon=True) for number in range(len(sizes))]
    for thread in threads:
        thread.start()
    for number in range(len(sizes)):
        with changed:
            assert changed.wait_for(lambda number=number: number in done, 20), f"{number} waits for ever"
            held.pop(number, None)
        budget.give_back(number)
    assert order == [number for number, size in enumerate(sizes) if size]


def test_who_leaves_early_holds_nobody_up() -> None:
    budget = Budget(100)
    for number in (2, 1):  # before their turn
        budget.leave(number)
    assert not budget.take(3, 10, seconds=0.01)
    budget.leave(0)
    assert budget.take(3, 10)


def test_no_room_in_time_and_closed() -> None:
    budget = Budget(100)
    assert budget.take(0, 90)
    assert not budget.take(1, 20, seconds=0.01)
    threading.Timer(0.05, budget.give_back, (0,)).start()
    assert budget.take(1, 20)
    threading.Timer(0.05, budget.close).start()
    assert not budget.take(2, 90)
    assert not budget.take(2, 1)
