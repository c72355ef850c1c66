"""Samples where documents say: in GridFS, in files (``dir``, ``dfile``, ``foff``), or in objects (``url``).

The first two are MsPASS's, and hold float64 as the machine has it. Of three components GridFS holds one after another, a binary
file the three samples of each instant together. Objects hold miniSEED, as such or in rows of the table ``wf_TimeSeries``.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bson import ObjectId
from gridfs import GridFSBucket
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.errors import PyMongoError
from pymseed import PymseedError

from seisbatch.acquire.miniseed import decode
from seisbatch.acquire.pack import pack
from seisbatch.mongo.connect import Document
from seisbatch.mongo.objects import Objects
from seisbatch.mongo.plain import is_name
from seisbatch.names import Channel
from seisbatch.outcome import Corrupt, Denied, Missing, Rejected, RunError, UnitError, is_out_of_space
from seisbatch.process.segments import Segment

GRIDFS, FILE, URL = "gridfs", "file", "url"
BINARY, MINISEED = "binary", "MSEED"
ITEM_BYTES = 8

Samples = npt.NDArray[np.float64]


def put_gridfs(bucket: GridFSBucket, samples: Samples) -> Document:
    """Put samples, shape (npts,) or (3, npts), into GridFS; the fields of a document that say so."""
    gridfs_id = ObjectId()
    try:
        bucket.upload_from_stream_with_id(gridfs_id, "", np.ascontiguousarray(samples, np.float64).tobytes())
    except Exception:  # nothing would name the chunks that are there
        with contextlib.suppress(PyMongoError):
            bucket.delete(gridfs_id)
        raise
    return {"storage_mode": GRIDFS, "gridfs_id": gridfs_id}


def append_file(folder: str | Path, name: str, samples: Samples) -> Document:
    """Add samples, shape (npts,) or (3, npts), to the end of a file; the fields of a document that say where they are.

    Raises Denied where the file may not be written, RunError where the disk is full, ValueError where the name is none of a
    file in the folder.
    """
    return _append(folder, name, np.ascontiguousarray(np.asarray(samples, np.float64).T).tobytes()) | {"format": BINARY}


def append_miniseed(folder: str | Path, name: str, channel: Channel, segment: Segment) -> Document:
    """Add a segment's records of miniSEED to the end of a file, as :func:`append_file` does samples.

    Raises ValueError too where codes, times or rate are none that miniSEED holds: records that do not give the samples again
    are not written.
    """
    try:
        records = pack(channel, segment)
        fits = np.array_equal(_of_records(records, len(segment.samples)), segment.samples, equal_nan=True)
    except (PymseedError, UnitError, OverflowError) as error:
        raise ValueError(f"it does not fit into miniSEED: {error}") from None
    if not fits:
        raise ValueError("it does not fit into miniSEED: the records give other samples")
    return _append(folder, name, records) | {"format": MINISEED}


def check_name(name: Any, folder: Any) -> None:
    """ValueError of what is no name of a file in a folder, or no folder."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or not is_name(name):
        raise ValueError(f"{name!r} is no name of a file in {folder}")
    if folder is not None and (not isinstance(folder, str | Path) or not is_name(str(folder))):
        raise ValueError(f"{folder!r} is no name of a folder")


def _append(folder: str | Path, name: str, body: bytes) -> Document:
    check_name(name, folder)
    place = Path(folder).expanduser().absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with (place / name).open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two writers' samples, one after the other
            offset = file.seek(0, os.SEEK_END)
            try:
                _write_all(file, body)
            except BaseException:  # half of the samples would be in the way of who reads the whole file
                with contextlib.suppress(OSError):
                    file.truncate(offset)
                raise
    except PermissionError as error:
        raise Denied(f"{place / name}: {error.strerror}") from None
    except OSError as error:
        if is_out_of_space(error):
            raise RunError(f"no space left to write {place / name}") from None
        raise
    return {"storage_mode": FILE, "dir": str(place), "dfile": name, "foff": offset, "nbytes": len(body)}


def _write_all(file: io.FileIO, body: bytes) -> None:
    rest = memoryview(body)
    while rest:
        rest = rest[file.write(rest) :]


def read_samples(
    bucket: GridFSBucket, document: Mapping[str, Any], n_components: int = 1, objects: Objects | None = None
) -> Samples:
    """The samples that a document names: float64, shape (npts,), or (3, npts) for three components.

    ``objects`` is how those are reached that a ``url`` names; without, as the environment says.

    Raises Missing where they are gone, Denied where they may not be read, Corrupt where they are not ``npts`` samples, Rejected
    of a ``storage_mode`` or format that is not read.
    """
    npts = _whole(document.get("npts"))
    if npts is None:
        raise Corrupt(f"npts is {document.get('npts')!r}, not a number of samples")
    mode, form = document.get("storage_mode"), str(document.get("format", BINARY))
    if mode == GRIDFS:
        return _of_bytes(_from_gridfs(bucket, document.get("gridfs_id")), npts, n_components).reshape(
            _shape(npts, n_components)
        )
    if mode == URL and n_components == 1:
        return _of_records((objects or Objects()).records(document), npts)
    if mode != FILE:
        raise Rejected(f"illegal storage_mode {mode!r} of {n_components} components: known are {GRIDFS}, {FILE} and {URL}")
    if form == BINARY:
        body = _from_file(document, ITEM_BYTES * npts * n_components)
        together = _of_bytes(body, npts, n_components).reshape(npts, n_components).T
        return np.ascontiguousarray(together).reshape(_shape(npts, n_components))
    if form.lower() == "mseed" and n_components == 1:
        return _of_records(_from_file(document, document.get("nbytes")), npts)
    raise Rejected(f"files of format {form!r} are not read, of {n_components} components")


def _whole(value: Any) -> int | None:
    """A whole number of samples or bytes, which some programs store as a double; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value < 0 or value != value // 1:
        return None
    return int(value)


def _shape(npts: int, n_components: int) -> tuple[int, ...]:
    return (npts,) if n_components == 1 else (n_components, npts)


def _of_bytes(body: bytes, npts: int, n_components: int) -> Samples:
    expected = ITEM_BYTES * npts * n_components
    if len(body) != expected:
        raise Corrupt(f"{len(body)} bytes, not the {expected} of {npts} samples of {n_components} components")
    return np.frombuffer(body, np.float64).copy()


def _of_records(body: bytes, npts: int) -> Samples:
    segments = [segment for found in decode(body).values() for segment in found]
    if len(segments) != 1 or len(segments[0].samples) != npts:
        told = [len(segment.samples) for segment in segments]
        raise Corrupt(f"the records hold segments of {told[:5]} samples, not one of {npts}")
    return np.asarray(segments[0].samples, np.float64)


def _from_gridfs(bucket: GridFSBucket, gridfs_id: Any) -> bytes:
    try:
        with bucket.open_download_stream(gridfs_id) as stream:
            return bytes(stream.read())
    except NoFile:
        raise Missing(f"no samples in GridFS under {gridfs_id!r}") from None
    except CorruptGridFile as error:
        raise Corrupt(f"samples in GridFS under {gridfs_id!r}: {error}") from None


def _from_file(document: Mapping[str, Any], n_bytes: Any) -> bytes:
    folder, name = document.get("dir", ""), document.get("dfile", "")
    offset, length = _whole(document.get("foff", 0)), _whole(n_bytes)
    if offset is None or length is None:
        raise Corrupt(f"foff {document.get('foff')!r} and nbytes {n_bytes!r} are no place in a file")
    path = Path(str(folder), str(name))
    try:
        with path.open("rb") as file:
            there = os.fstat(file.fileno()).st_size - offset
            if there < n_bytes:  # told before memory is asked for
                raise Corrupt(f"{path} ends {n_bytes - there} bytes before the samples from byte {offset} on do")
            file.seek(offset)
            body = file.read(length)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise Missing(f"{path}: {error.strerror}") from None
    except PermissionError as error:
        raise Denied(f"{path}: {error.strerror}") from None
    if len(body) != length:
        raise Corrupt(f"{path} ends {length - len(body)} bytes before the samples from byte {offset} on do")
    return body
