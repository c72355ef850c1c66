"""Scratch objects: the band spectra of one block of channel-days, read by ranges of frequency.

Layout: 8 bytes ``SBSPEC01``, a little-endian uint64 with the header's length, the header (JSON, UTF-8, padded with spaces to
a multiple of 64 bytes), then one or two arrays of little-endian complex64, C order, shape (frequency, channel, window): the
spectra, and for methods that need them the spectra of the channels as sources. Windows that are not valid are zero.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seisbatch.acquire.objects import Store
from seisbatch.names import Channel, parse_channel
from seisbatch.outcome import Corrupt

Spectra = npt.NDArray[np.complex64]

_MAGIC = b"SBSPEC01"
_LONGEST = 1 << 28
_FIRST_READ = 65_536


@dataclass(frozen=True, eq=False)
class ChannelSpectra:
    """What a block says of one channel-day that can be correlated: its place in the plan, windows and coordinates."""

    rank: int
    name: Channel
    valid: npt.NDArray[np.bool_]
    lat: float | None
    lon: float | None


@dataclass(frozen=True, eq=False)
class SpectraHeader:
    """A block's header: the outcome rows of all its channel-days, and the channels whose spectra follow."""

    shape: tuple[int, int, int]
    arrays: int
    channels: tuple[ChannelSpectra, ...]
    outcomes: list[dict[str, Any]]
    data_start: int

    @property
    def size(self) -> int:
        """Bytes that the whole block has."""
        return self.data_start + self.arrays * math.prod(self.shape) * np.dtype(np.complex64).itemsize


def encode(channels: list[ChannelSpectra], arrays: list[Spectra], outcomes: list[dict[str, Any]]) -> list[Any]:
    """The parts of a block's bytes, in order; ``arrays`` all of one shape (frequency, channel, window)."""
    header = json.dumps(
        {
            "shape": arrays[0].shape if arrays else (0, 0, 0),
            "arrays": len(arrays),
            "channels": [
                {
                    "rank": item.rank,
                    "name": str(item.name),
                    "valid": np.packbits(item.valid).tobytes().hex(),
                    "lat": item.lat,
                    "lon": item.lon,
                }
                for item in channels
            ],
            "outcomes": outcomes,
        },
        default=str,
    ).encode()
    header += b" " * (-(len(header) + 16) % 64)
    return [
        _MAGIC,
        struct.pack("<Q", len(header)),
        header,
        *(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in arrays),
    ]


def read_header(store: Store, key: str) -> SpectraHeader:
    """The header of a block; Missing where it was never written, Corrupt where it is not one."""
    start = bytes(store.get_range(key, 0, _FIRST_READ))
    if start[:8] != _MAGIC:
        raise Corrupt(f"{key} is no block of spectra")
    length = int.from_bytes(start[8:16], "little")
    text = start[16 : 16 + length]
    if len(text) < length:
        text += bytes(store.get_range(key, len(start), min(length, _LONGEST) - len(text)))
    try:
        return _header(json.loads(text), data_start=16 + length)
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"{key} has no header that can be read: {error}") from error


def _header(header: dict[str, Any], data_start: int) -> SpectraHeader:
    frequencies, channels, windows = header["shape"]
    return SpectraHeader(
        shape=(frequencies, channels, windows),
        arrays=header["arrays"],
        channels=tuple(
            ChannelSpectra(
                item["rank"],
                parse_channel(item["name"]),
                np.unpackbits(np.frombuffer(bytes.fromhex(item["valid"]), np.uint8), count=windows).astype(bool),
                item["lat"],
                item["lon"],
            )
            for item in header["channels"]
        ),
        outcomes=header["outcomes"],
        data_start=data_start,
    )


def slab_range(header: SpectraHeader, first: int, stop: int, *, array: int = 0) -> tuple[int, int]:
    """Offset and length of the bytes that hold the frequencies ``first`` to ``stop`` of an array."""
    frequencies, channels, windows = header.shape
    row = channels * windows * np.dtype(np.complex64).itemsize
    return header.data_start + (array * frequencies + first) * row, (stop - first) * row


def slab(header: SpectraHeader, data: Any) -> Spectra:
    """The bytes of a slab as an array (frequency, channel, window)."""
    return np.frombuffer(data, dtype="<c8").reshape(-1, *header.shape[1:])
