"""The bytes that are fetched ahead of their use: a budget of them, and the line in which it is given out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any


class Budget:
    """Bytes that may be held at a time, given out strictly in the order of the line: nobody waits for one behind him.

    Whoever is next is woken, nobody else: a line of many threads would spend its time on waking.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: dict[int, int] = {}
        self._total = 0
        self._next = 0
        self._gone: set[int] = set()
        """Who left the line before it was their turn."""
        self._closed = False
        self._lock = threading.Lock()
        self._waiting: dict[int, threading.Condition] = {}

    def take(self, number: int, size: int, seconds: float | None = None) -> bool:
        """Take ``size`` bytes when it is this one's turn and there is room; False once closed, or after ``seconds``."""
        with self._lock:
            if self._grant(number, size):
                return True
            turn = self._waiting[number] = threading.Condition(self._lock)
            turn.wait_for(lambda: self._closed or self._grant(number, size), seconds)
            del self._waiting[number]
            return number in self._held

    def leave(self, number: int) -> None:
        """Take nothing any more: the line goes on without this one."""
        with self._lock:
            if number >= self._next:
                self._gone.add(number)
                self._go_on()

    def give_back(self, number: int) -> None:
        """What this one took is held no longer."""
        with self._lock:
            self._total -= self._held.pop(number, 0)
            self._go_on()

    def close(self) -> None:
        """Let everyone who waits go."""
        with self._lock:
            self._closed = True
            for turn in self._waiting.values():
                turn.notify()

    def _grant(self, number: int, size: int) -> bool:
        if self._closed or number != self._next or (self._total and self._total + size > self._max_bytes):
            return False
        self._held[number] = size
        self._total += size
        self._next += 1
        self._go_on()
        return True

    def _go_on(self) -> None:
        while self._next in self._gone:
            self._gone.remove(self._next)
            self._next += 1
        if turn := self._waiting.get(self._next):
            turn.notify()


def consume(waiting: deque[tuple[int, str, Future[Any]]], budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield the first in line; what it held is free once the consumer asks for the next."""
    number, key, future = waiting.popleft()
    body = future.result()
    del future
    yield key, body
    del body
    budget.give_back(number)
