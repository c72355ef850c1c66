"""The recording that obspy has as its example, from its own file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import obspy


def obspy_example() -> obspy.Stream:
    """Three components of BW.RJOB, 30 s of 100 Hz from 2009-08-24T00:20:03 on: EHZ, EHN, EHE."""
    with np.load(Path(obspy.__path__[0]) / "core/data/example.npz", allow_pickle=False) as data:
        start = obspy.UTCDateTime(2009, 8, 24, 0, 20, 3)
        header = {"network": "BW", "station": "RJOB", "sampling_rate": 100.0, "starttime": start}
        return obspy.Stream([obspy.Trace(data[code], header | {"channel": code}) for code in ("EHZ", "EHN", "EHE")])
