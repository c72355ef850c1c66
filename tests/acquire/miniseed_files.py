"""miniSEED to test with: real files, packaged files, and made ones."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import obspy
from pymseed import DataEncoding, MS3TraceList

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = Path(os.environ.get("SEISBATCH_TEST_DATA", SHARED)) / "scedc-pds"
OBSPY = Path(obspy.__file__).parent
START_NS = 1641081600_000_000_000
"""2022-01-02T00:00:00"""

ENCODINGS: dict[str, tuple[DataEncoding, Any]] = {
    "steim1": (DataEncoding.STEIM1, np.int32),
    "steim2": (DataEncoding.STEIM2, np.int32),
    "int16": (DataEncoding.INT16, np.int32),
    "int32": (DataEncoding.INT32, np.int32),
    "float32": (DataEncoding.FLOAT32, np.float32),
    "float64": (DataEncoding.FLOAT64, np.float64),
}
_TYPES = {"i": "i", "f": "f", "d": "d"}


def packaged() -> list[Path]:
    """Every miniSEED file, and what is tested as one, inside the obspy wheel."""
    found = [
        path
        for path in OBSPY.rglob("*")
        if path.is_file() and "data" in path.parts and ("mseed" in str(path.relative_to(OBSPY)) or path.suffix == ".ms")
    ]
    return sorted(found)


def signal(n: int, seed: int = 0) -> np.ndarray:
    """Counts as a seismometer gives them: noise that wanders."""
    return np.cumsum(np.random.default_rng(seed).integers(-40, 41, n)).astype(np.int32)


def records(
    samples: np.ndarray,
    *,
    source_id: str = "FDSN:CI_CCA__B_H_N",
    start_ns: int = START_NS,
    rate: float = 40.0,
    encoding: str = "steim2",
    version: int = 2,
    length: int = 512,
) -> bytes:
    """Records of one run of samples."""
    code, dtype = ENCODINGS[encoding]
    array = samples.astype(dtype)
    traces = MS3TraceList()
    traces.add_data(source_id, array, _TYPES[array.dtype.kind if array.dtype.itemsize < 8 else "d"], rate, starttime=start_ns)
    return b"".join(traces.generate(max_record_length=length, encoding=code, format_version=version))


def obspy_records(samples: np.ndarray, **options: Any) -> bytes:
    """Records of miniSEED 2 in either byte order."""
    header = {"network": "CI", "station": "CCA", "channel": "BHN", "sampling_rate": 40.0}
    out = io.BytesIO()
    trace = obspy.Trace(samples, {**header, "starttime": obspy.UTCDateTime(START_NS / 1e9)})
    trace.write(out, format="MSEED", **options)
    return out.getvalue()


def obspy_read(data: bytes) -> obspy.Stream:
    return obspy.read(io.BytesIO(data), format="MSEED")


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.array([])
