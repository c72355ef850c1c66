"""PNG files of at most 256 colours: one byte a pixel and a palette (PNG specification, third edition, colour type 3)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def palette_png(indices: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of ``indices``, uint8, shape (height, width), into ``palette``, uint8, shape (n <= 256, 3): red, green, blue.

    Spectrograms are noise to a compressor: there is nothing to repeat but runs of one colour. Looking for runs only (a strategy
    of deflate; any reader of PNG can read it) takes under half of the time of zlib's fastest level, and the file is as small.

    Raises ValueError where shapes or types are others, or an index is beyond the palette.
    """
    if indices.ndim != 2 or indices.dtype != np.uint8 or not indices.size:
        raise ValueError(f"indices of type {indices.dtype}, shape {indices.shape}: give uint8 of two dimensions")
    if palette.dtype != np.uint8 or palette.ndim != 2 or palette.shape[1] != 3 or not 0 < len(palette) <= 256:
        raise ValueError(
            f"a palette of type {palette.dtype}, shape {palette.shape}: give uint8 of shape (n, 3), n from 1 to 256"
        )
    if indices.max() >= len(palette):
        raise ValueError(f"index {indices.max()} is beyond the palette of {len(palette)} colours")
    height, width = indices.shape
    lines = np.zeros((height, width + 1), np.uint8)  # a line begins with its filter's number: none
    lines[:, 1:] = indices
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    data = deflate.compress(lines.data) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return (
        SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"PLTE", palette.tobytes()) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
