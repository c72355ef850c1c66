"""The built-in sample archive: a small synthetic network with true physics and the world's faults, in SCEDC's layout.

``python -m seisbatch.sample FOLDER`` writes it.
"""

from __future__ import annotations

from seisbatch.sample.network import DAYS
from seisbatch.sample.write import write_sample_archive

__all__ = ["DAYS", "write_sample_archive"]
