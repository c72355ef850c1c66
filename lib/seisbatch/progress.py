"""The progress of a stage: a line that renews itself on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

log = logging.getLogger("seisbatch")

SECONDS_BETWEEN_LOG_LINES = 10.0


class Progress:
    """Shows units done of units planned, rate, bad units and time left, from counters that it only reads.

    The counters may count a retried task twice: they show, they never decide.
    """

    def __init__(self, what: str, planned: int, done: Callable[[], int], bad: Callable[[], int]) -> None:
        self._what, self._planned, self._done, self._bad = what, planned, done, bad
        self._terminal = sys.stderr.isatty()
        self._stop = threading.Event()
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            self._show(self.line(), last=True)

    def line(self) -> str:
        """The progress in words."""
        seconds = time.monotonic() - self._started
        done = min(self._done(), self._planned)
        rate = done / seconds if seconds > 0 else 0.0
        left = f", {duration((self._planned - done) / rate)} left" if 0 < done < self._planned else ""
        bad = f", {self._bad():,} bad" if self._bad() else ""
        return f"{self._what}: {done:,} of {self._planned:,} ({rate:.1f}/s{bad}{left}) after {duration(seconds)}"

    def _follow(self) -> None:
        pause = 0.5 if self._terminal else SECONDS_BETWEEN_LOG_LINES
        while not self._stop.wait(pause):
            self._show(self.line())

    def _show(self, line: str, *, last: bool = False) -> None:
        if self._terminal:
            print(f"\r\x1b[K{line}", end="\n" if last else "", file=sys.stderr, flush=True)
        else:
            log.info(line)


def duration(seconds: float) -> str:
    """Seconds as people read them.

    >>> duration(75), duration(4.25), duration(7322)
    ('1 min 15 s', '4.2 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60} min"
