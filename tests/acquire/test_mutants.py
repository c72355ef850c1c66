"""300 of the gauntlet's mutants; all of them by hand: ``python tests/benchmarks/gauntlet_mutants.py 10000``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GAUNTLET = Path(__file__).parents[1] / "benchmarks/gauntlet_mutants.py"


def test_each_mutant_has_one_outcome() -> None:
    done = subprocess.run([sys.executable, str(GAUNTLET), "300"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "miniseed: 150 mutants" in done.stdout
    assert "stationxml: 150 mutants" in done.stdout
