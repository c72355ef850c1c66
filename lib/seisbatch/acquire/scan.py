"""What an object holds, told by the headers of its records: nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pymseed import DataEncoding, MS3Record, PymseedError, sourceid2nslc

from seisbatch.names import Channel, channel
from seisbatch.outcome import Corrupt
from seisbatch.times import SECOND_NS

ONE_RATE = 1e-4
"""Rates within this share of each other are one, as libmseed has it."""


@dataclass
class RecordedPiece:
    """Records of one channel that follow one another in time and in the object; offsets in bytes."""

    name: Channel
    start_ns: int
    last_ns: int
    """Time of the last sample."""
    rate: float
    n_samples: int
    offset: int
    n_bytes: int
    record_bytes: int | None
    """Length of each record, where they are of one length."""


def scan(data: Any) -> Iterator[RecordedPiece]:
    """Every contiguous piece of an object, in its order; records without samples, or of text, are passed over.

    Corrupt where something between records is none, the last is cut, or headers are impossible.
    """
    if not len(data):
        raise Corrupt("0 bytes")
    piece: RecordedPiece | None = None
    source = ""
    name = Channel("", "", "", "")
    offset = 0
    try:
        for record in MS3Record.from_buffer(memoryview(data).cast("B")):
            length, n_samples, rate = record.reclen, record.samplecnt, record.samprate
            if n_samples > 0 and record.encoding != DataEncoding.TEXT:
                if not rate > 0:
                    raise Corrupt(f"byte {offset}: {n_samples} samples at {rate} Hz")
                if record.sourceid != source:
                    source = record.sourceid
                    name = channel(*sourceid2nslc(source))
                last_ns = record.starttime + round((n_samples - 1) * SECOND_NS / rate)  # without a leap second between
                if piece is not None and _continues(piece, name, record.starttime, rate, offset):
                    piece.n_samples += n_samples
                    piece.n_bytes += length
                    piece.last_ns = last_ns
                    if length != piece.record_bytes:
                        piece.record_bytes = None
                else:
                    if piece is not None:
                        yield piece
                    piece = RecordedPiece(name, record.starttime, last_ns, rate, n_samples, offset, length, length)
            offset += length
    except (PymseedError, ValueError, OverflowError) as error:
        raise Corrupt(f"byte {offset}: {' '.join(str(error).split())}"[:200]) from None
    if piece is not None:
        yield piece


def _continues(piece: RecordedPiece, name: Channel, start_ns: int, rate: float, offset: int) -> bool:
    """Whether a record is the next of a piece: within half a sample of the time expected."""
    if piece.name != name or piece.offset + piece.n_bytes != offset or abs(rate / piece.rate - 1) > ONE_RATE:
        return False
    step = SECOND_NS / piece.rate
    return abs(start_ns - piece.last_ns - step) <= step / 2
