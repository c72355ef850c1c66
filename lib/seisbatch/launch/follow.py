"""Following a run until it ends: its state, the driver's last words, the Spark UI, the job's own exit code.

On a terminal Ctrl-C asks whether to cancel; a second one leaves the run alone. Elsewhere the first one does.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, TextIO

from seisbatch.launch.failures import Unreachable
from seisbatch.launch.logs import TAIL_LINES, exit_code_of, lines_of, tail, written_at
from seisbatch.launch.runs import Record
from seisbatch.launch.service import Log, RunState, Service
from seisbatch.outcome import RunError
from seisbatch.progress import duration

FIRST_PAUSE, LAST_PAUSE, GROWTH = 2.0, 30.0, 1.5
"""Seconds between two looks at a run: soon after it changed, then less and less often."""
PATIENCE = 10
"""Looks in a row that may stay without an answer, each of several tries: a network that is away for some minutes."""
LOG_SECONDS, LOG_PAUSE = 420.0, 15.0
"""How long the driver's log is waited for after the end: Amazon writes logs every five minutes."""
BEFORE_THE_END = 60.0
"""Seconds before a run's end within which a log counts as its last one: the driver ends a little before the run does."""
NEVER_RAN = ("CANCELLED", "PENDING")
"""States, by how they begin, in which a run may have ended without a driver that wrote a log: none is waited for."""
EXIT_LEFT = 130
"""Exit code where the run was cancelled, or left alone, with Ctrl-C; shells give 130 to what SIGINT ended."""


@dataclass
class Screen:
    """Where a run is shown: the driver's lines to ``out``, all else to ``err``."""

    out: TextIO
    err: TextIO
    is_terminal: bool
    """Whether somebody is there who sees a line renew itself, and can answer."""
    answers: TextIO

    @classmethod
    def of_this_process(cls) -> Screen:
        return cls(sys.stdout, sys.stderr, sys.stderr.isatty() and sys.stdin.isatty(), sys.stdin)

    def progress(self, line: str, *, is_new: bool) -> None:
        """A line that renews itself on a terminal; elsewhere a line whenever it is new."""
        if self.is_terminal:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be renewed
            print(f"\r\x1b[K{line[:width]}", end="", file=self.err, flush=True)
        elif is_new:
            print(line, file=self.err, flush=True)

    def say(self, line: str) -> None:
        print(f"\r\x1b[K{line}" if self.is_terminal else line, file=self.err, flush=True)

    def show(self, line: str) -> None:
        if self.is_terminal:
            print("\r\x1b[K", end="", file=self.err, flush=True)
        print(line, file=self.out, flush=True)

    def ask(self, question: str) -> str:
        """What is answered; EOFError where nobody can any more."""
        print(f"\n{question} ", end="", file=self.err, flush=True)
        answer = self.answers.readline()
        if not answer:
            raise EOFError
        return answer.strip().lower()


class Follower:
    """Follows one run. ``s3`` reads its logs; ``manifest_code`` gives the exit code in its manifest, if there is one.

    With ``streams`` the driver's lines are shown whenever Amazon has written more of them, else the last ones at the end.
    """

    def __init__(
        self,
        service: Service,
        record: Record,
        s3: Any,
        screen: Screen,
        manifest_code: Callable[[], int | None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        *,
        streams: bool = False,
    ) -> None:
        self._service, self._record, self._s3, self._screen = service, record, s3, screen
        self._manifest_code, self._sleep, self._clock = manifest_code, sleep, clock
        self._streams = streams
        self._shown = ""
        self._seen: Counter[str] = Counter()

    def follow(self) -> int:
        """Until the run has ended, or is cancelled or left; the exit code. RunError where AWS refuses to tell."""
        try:
            state = self._until_final()
        except KeyboardInterrupt:
            return EXIT_LEFT
        except RunError as error:
            raise RunError(f"{error}\n{self._how_to_find()}") from error
        self._tell_end(state)
        return self.exit_code(state)

    def line(self, state: RunState) -> str:
        """A run's state in words."""
        run, seconds = self._record.run, max(0.0, self._clock() - self._record.started_at.timestamp())
        return f"{self._record.job} on {run.group}, {run.id}: {state.name} after {duration(seconds)}"

    def _until_final(self) -> RunState:
        """Its last state; KeyboardInterrupt where it was cancelled or left alone, which has been told then."""
        pause, unanswered = FIRST_PAUSE, 0
        while True:
            try:
                state = self._service.state(self._record.run)
                unanswered = 0
                is_new = state.name != self._shown
                self._shown = state.name
                self._screen.progress(self.line(state), is_new=is_new)
                if state.is_final:
                    return state
                if self._streams:
                    self._show_new_lines()
                pause = FIRST_PAUSE if is_new else min(pause * GROWTH, LAST_PAUSE)
                self._sleep(pause)
            except Unreachable as error:
                unanswered += 1
                if unanswered == PATIENCE:
                    raise
                self._screen.say(f"{error}; trying again, the run goes on")
                self._sleep_or_leave(LAST_PAUSE)
            except KeyboardInterrupt:
                self._interrupted()

    def _sleep_or_leave(self, seconds: float) -> None:
        try:
            self._sleep(seconds)
        except KeyboardInterrupt:
            self._interrupted()

    def _interrupted(self) -> None:
        """Ask what is to become of the run; returns where it is followed on."""
        what = "the run and its cluster" if self._record.run.owns_group else "the run"
        answer = "leave"
        if self._screen.is_terminal:
            try:
                answer = self._screen.ask(f"Cancel {what}? [y: cancel, n: follow it on, Ctrl-C: leave it running]")
            except (KeyboardInterrupt, EOFError):
                answer = "leave"
        if answer in ("y", "yes"):
            self._service.cancel(self._record.run)
            self._screen.say(f"{what} is being cancelled; ./submit.sh status {self._record.name} tells how far that is")
            raise KeyboardInterrupt
        if answer == "leave":
            self._screen.say(self._how_to_find())
            raise KeyboardInterrupt

    def _how_to_find(self) -> str:
        name = self._record.name
        return f"{name} has been left as it is: ./submit.sh status {name}, ./submit.sh logs {name}\n{self.page()}"

    def page(self) -> str:
        return self._service.page(self._record.run)

    def link(self) -> str:
        """To the Spark UI. A link that lets in whoever has it is for a terminal, not for a log that others read."""
        ui = self._service.ui(self._record.run) if self._screen.is_terminal else None
        return f"Spark UI: {ui}" if ui else f"Amazon's page of it, with the Spark UI: {self.page()}"

    def _tell_end(self, state: RunState) -> None:
        self._screen.say(self.line(state))
        if state.message:
            self._screen.say(state.message)
        try:
            wait = 0.0 if state.name.startswith(NEVER_RAN) else LOG_SECONDS
            ended = min(self._clock(), state.ended.timestamp() if state.ended else self._clock())
            if self._streams:
                self._wait_for_logs(ended, wait, self._show_new_lines)
                self._show_new_lines()
            else:
                self.show_logs(ended, wait)
            self._screen.say(self.link())
        except RunError as error:  # the run has ended as it has, whoever may read its logs
            self._screen.say(str(error))

    def show_logs(self, ended: float = 0.0, wait: float = 0.0, lines: int = TAIL_LINES) -> bool:
        """The last lines of the driver's logs, or else of the step's; whether there were any.

        Those of a run that has ended are waited for, up to ``wait`` seconds after its end.
        """
        where = self._record.run.logs
        if not where:
            self._screen.say("the cluster keeps no logs on S3 (its LogUri is not set)")
            return False
        self._wait_for_logs(ended, wait)
        found = self._tails(lines, drivers=True)
        for log, of_log in (found or self._tails(lines, drivers=False)).items():
            self._screen.say(f"--- {log.name}, its last {len(of_log)} lines of {log.uri}")
            for line in of_log:
                self._screen.show(line)
            found[log] = of_log
        if not any(log.is_drivers for log in found):
            again = f"./submit.sh logs {self._record.name}"
            self._screen.say(f"the driver's log is not there yet; {again} looks again, under {where}")
        return bool(found)

    def _wait_for_logs(self, ended: float, wait: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Until a log of the driver's is there that was written at the end: what is there before lacks the last minutes."""
        line = f"waiting for the driver's log, which Amazon writes some minutes after the end, under {self._record.run.logs}"
        try:
            while self._record.run.logs and self._clock() < ended + wait and not self._is_written(ended - BEFORE_THE_END):
                self._screen.progress(line, is_new=self._shown != line)
                self._shown = line
                self._sleep(LOG_PAUSE)
                meanwhile()
        except KeyboardInterrupt:
            self._screen.say("no longer waiting for the driver's log")

    def _is_written(self, since: float) -> bool:
        """Whether one of the driver's logs with lines in it was written since then."""
        logs = [log for log in self._service.logs(self._record.run) if log.is_drivers]
        written = {log: when.timestamp() for log in logs if (when := written_at(self._s3, log.uri))}
        return any(when >= since and tail(self._s3, log.uri, 1) for log, when in written.items())

    def _tails(self, lines: int, *, drivers: bool) -> dict[Log, list[str]]:
        """The last lines of logs that are there and not empty, of the driver or of what started it."""
        logs = [log for log in self._service.logs(self._record.run) if log.is_drivers == drivers]
        return {log: of_log for log in logs if (of_log := tail(self._s3, log.uri, lines))}

    def _show_new_lines(self) -> None:
        """Lines that have come since the last look; a log is written anew as a whole, every few minutes."""
        for log in self._service.logs(self._record.run):
            if not log.is_drivers:
                continue
            for line in islice(lines_of(self._s3, log.uri) or (), self._seen[log.uri], None):
                self._seen[log.uri] += 1
                self._screen.show(line)

    def exit_code(self, state: RunState) -> int:
        """The job's own exit code, of a run that has ended: as the service tells it, its logs, or its manifest; else 1.

        spark-submit itself ends with 1, whatever a driver within the cluster ended with: the manifest knows better then.
        """
        if state.is_ok:
            return 0
        try:
            code = state.exit_code or self._logged_code()
            return (self._manifest_code() or code or 1) if code in (None, 1) else code
        except RunError as error:
            self._screen.say(str(error))
            return 1

    def _logged_code(self) -> int | None:
        """The driver's exit code as spark-submit or the step's controller has logged it."""
        for log in self._service.logs(self._record.run):
            if not log.is_drivers and (code := exit_code_of(lines_of(self._s3, log.uri) or ())):
                return code
        return None
