"""Settings of hydrophone steps, and recordings of known pressure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from seisbatch.acquire.objects import StoreSettings
from seisbatch.names import Channel
from seisbatch.process.levels import Calibration
from seisbatch.steps.sound_settings import BAND_SETS, SoundSettings

HYDROPHONE = Channel("OO", "HYEA2", "", "YDH")
SENSITIVITY = -50.0
"""[dB re 1 count per uPa]"""


def sound_settings(folder: Path, **changes: Any) -> SoundSettings:
    """Settings of a run that reads and writes under a folder."""
    usual: dict[str, Any] = {
        "run_id": "run", "job": "make_spectrograms", "out": StoreSettings(str(folder / "out")), "parameters_id": "id",
        "metadata": (), "archive": StoreSettings(str(folder)), "ahead_bytes": 10_000_000, "track": 1, "clip_s": 5.0,
        "step_s": 5.0, "gaps": "leave_out", "sound": "wav32", "gain": None, "picture": None, "places": ("parquet",),
        "band_sets": BAND_SETS, "calibration": Calibration(np.asarray(SENSITIVITY)), "stations": None,
        "long_term": lambda *_, **__: b"picture",
    }  # fmt: skip
    return SoundSettings(**{**usual, **changes})


def tone_counts(frequency: float, level: float, rate: float, seconds: float) -> np.ndarray:
    """Counts of a tone of a level [dB re 1 uPa, root mean square], float32."""
    times = np.arange(round(seconds * rate)) / rate
    pressure = np.sqrt(2) * 10 ** (level / 20) * np.sin(2 * np.pi * frequency * times)
    return (pressure * 10 ** (SENSITIVITY / 20)).astype(np.float32)
