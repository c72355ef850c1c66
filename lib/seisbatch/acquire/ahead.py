"""The bytes that are fetched ahead of their use: a budget of them, and the line in which it is given out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any


class Budget:
    """Bytes that may be held at a time, given out strictly in the order of the line: nobody waits for one behind him."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: dict[int, int] = {}
        self._total = 0
        self._next = 0
        self._closed = False
        self._changed = threading.Condition()

    def try_take(self, number: int, size: int) -> bool:
        """Take ``size`` bytes if it is this one's turn and there is room."""
        with self._changed:
            return self._grant(number, size)

    def take(self, number: int, size: int) -> bool:
        """Take ``size`` bytes when it is this one's turn and there is room, unless its turn is over; False once closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._next > number or self._grant(number, size)) and (
                not self._closed
            )

    def give_back(self, number: int) -> None:
        """What this one took is held no longer."""
        with self._changed:
            self._total -= self._held.pop(number, 0)
            self._changed.notify_all()

    def close(self) -> None:
        """Let everyone who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _grant(self, number: int, size: int) -> bool:
        if number != self._next or (self._total and self._total + size > self._max_bytes):
            return False
        self._next = number + 1
        self._held[number] = size
        self._total += size
        self._changed.notify_all()
        return True


def consume(waiting: deque[tuple[int, str, Future[Any]]], budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield the first in line; what it held is free once the consumer asks for the next."""
    number, key, future = waiting.popleft()
    body = future.result()
    del future
    yield key, body
    del body
    budget.give_back(number)
