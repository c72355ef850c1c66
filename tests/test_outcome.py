"""What becomes of an error: of a unit, of the run, of the machine."""

from __future__ import annotations

import errno

import pytest
from seisbatch.outcome import Corrupt, Denied, Empty, Missing, Outcome, Rejected, RunError, UnitError, guard


def raising(error: BaseException):
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Empty("why"), "empty"), (Missing("why"), "missing"), (Denied("why"), "denied"), (Corrupt("why"), "corrupt"),
     (Rejected("why"), "rejected"), (UnitError("why"), "failed")],
)  # fmt: skip
def test_a_units_error_is_its_outcome_with_the_reason(error, outcome):
    result = guard(raising(error))
    assert (result.value, result.outcome, result.reason) == (None, outcome, "why")


def test_a_bug_is_seen_with_its_place():
    result = guard(lambda: 1 / 0)
    assert result.outcome == Outcome.FAILED
    assert "ZeroDivisionError at test_outcome.py:" in result.reason


def test_success_keeps_its_value_and_its_time():
    result = guard(lambda: 7)
    assert (result.value, result.outcome, result.reason) == (7, "ok", "")
    assert result.seconds >= 0


@pytest.mark.parametrize("error", [RunError("r"), MemoryError(), KeyboardInterrupt(), SystemExit(3)])
def test_what_is_wrong_with_the_run_or_the_machine_ends_it(error):
    with pytest.raises(type(error)):
        guard(raising(error))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_the_runs(number):
    with pytest.raises(RunError, match="no space left"):
        guard(raising(OSError(number, "full")))


def test_a_reason_cannot_bloat_the_table():
    assert len(guard(raising(Corrupt("x" * 100_000))).reason) <= 500
