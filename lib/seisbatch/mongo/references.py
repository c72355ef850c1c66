"""Samples that stay where they are: what a document says of records in an object, and of a row of a table."""

from __future__ import annotations

from pathlib import Path

from seisbatch.mongo.connect import Document
from seisbatch.mongo.objects import MSEED, PARQUET
from seisbatch.mongo.storage import FILE, URL


def object_reference(url: str, offset: int, n_bytes: int) -> Document:
    """Whole records of miniSEED in an object, ``s3://bucket/key``, or in a file, a path, which MsPASS reads too.

    >>> object_reference("s3://scedc-pds/continuous_waveforms/2011/2011_070/CIBZN__BHZ___2011070.ms", 512, 1024)["format"]
    'mseed'
    """
    if offset < 0 or n_bytes <= 0:
        raise ValueError(f"foff {offset} and nbytes {n_bytes} are no place in an object")
    place = {"foff": offset, "nbytes": n_bytes, "format": MSEED}
    if url.startswith("s3://"):
        return {"storage_mode": URL, "url": url} | place
    path = Path(url).expanduser().absolute()
    return {"storage_mode": FILE, "dir": str(path.parent), "dfile": path.name} | place


def row_reference(url: str, row_group: int, row: int, row_id: str) -> Document:
    """A row of a file of the table ``wf_TimeSeries``, ``s3://bucket/key`` or a path: row group, number in that, ``id``."""
    if not url.startswith("s3://"):
        url = Path(url).expanduser().absolute().as_uri()
    return {
        "storage_mode": URL,
        "url": url,
        "format": PARQUET,
        "row_group": row_group,
        "row": row,
        "row_id": row_id,
    }
