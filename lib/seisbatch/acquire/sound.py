"""Hydrophone recordings to segments: miniSEED, wav and flac, told apart by what is in them."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from pymseed import DataEncoding, MS3Record, PymseedError, sourceid2nslc

from seisbatch.acquire.miniseed import MAX_RATE, decode
from seisbatch.names import Channel, channel
from seisbatch.outcome import Corrupt, Empty, Rejected
from seisbatch.process.segments import Segment

HEAD_BYTES = 256 * 1024
"""So much of an object's beginning tells what it holds."""
SAMPLES_A_BYTE = 16
"""No recording is packed denser, silence aside: of that, :data:`SILENT_SAMPLES` are believed."""
SILENT_SAMPLES = 1 << 28

_MINISEED = re.compile(rb"MS\x03|[0-9 \0]{6}[DRQM]")
_FLAC = b"fLaC"
_STREAM_INFO = struct.Struct(">4xB3xHH3x3xQ")
"""Of flac's first block: its type, the sizes of blocks, and rate (20 bits), channels (3), bits (5), samples (36)."""
_BYTE_ORDERS = {b"RIFF": "<", b"RF64": "<", b"RIFX": ">"}
_NO_LENGTH = 0xFFFFFFFF
_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOATS: dict[str, np.dtype[Any]] = {"FLOAT": np.dtype(np.float32), "DOUBLE": np.dtype(np.float64)}
_BLOCK_FRAMES = 1 << 18


@dataclass(frozen=True)
class RecordingHeader:
    """What an object's beginning tells: channels of its records, time of the first sample [ns], rate [Hz], tracks.

    wav and flac have no channels and no time, but ``tracks`` side by side; miniSEED has none.
    """

    channels: tuple[Channel, ...]
    start_ns: int | None
    rate: float
    tracks: int = 0


@dataclass(frozen=True)
class _SoundHeader:
    """Of a wav or flac file: rate [Hz], tracks, and bytes of samples that are promised (wav) and where they begin."""

    rate: int
    tracks: int
    first_byte: int = 0
    n_bytes: int = 0


def decode_recording(data: Any, s3key: str, name: Channel, start_ns: int, track: int = 1) -> list[Segment]:
    """The segments of a channel in a recording.

    ``data`` is any buffer. Of miniSEED the records tell the times, and the channel's segments are as
    :func:`~seisbatch.acquire.miniseed.decode` has them; wav and flac are one segment from ``start_ns`` on, of ``track`` (from 1
    on) where there are several side by side. Samples of PCM are int32 counts of their own scale, whatever their width; floats
    are float32 or float64, as recorded. Beside the samples and ``data`` no more than a small block is held.

    Raises Corrupt where the object is none of the three, is cut short or broken; Empty where the channel has no samples;
    Rejected where there is no such channel or track, naming those there are, or samples of another kind.
    """
    buffer = memoryview(data).cast("B")
    header = _sound_header(buffer[:HEAD_BYTES], s3key)
    if header is None:
        return _of_records(buffer, name)
    samples = _samples(buffer, header, track)
    if not len(samples):
        raise Empty("no samples")
    return [Segment(start_ns=start_ns, rate=float(header.rate), samples=samples)]


def recording_header(head: bytes, s3key: str, name: Channel | None = None) -> RecordingHeader:
    """What the first :data:`HEAD_BYTES` of an object tell; Corrupt where they are of no recording.

    The time and the rate are those of the channel ``name``, where it is there, else of the first.
    """
    buffer = memoryview(head).cast("B")
    sound = _sound_header(buffer, s3key)
    if sound is not None:
        return RecordingHeader((), None, float(sound.rate), sound.tracks)
    found: dict[Channel, tuple[int, float]] = {}
    try:
        for record in MS3Record.from_buffer(buffer):
            if record.samplecnt > 0 and record.encoding != DataEncoding.TEXT and 0 < record.samprate < MAX_RATE:
                key = channel(*sourceid2nslc(record.sourceid))
                start_ns = min(record.starttime, found[key][0]) if key in found else record.starttime
                found[key] = (start_ns, record.samprate)
    except (PymseedError, ValueError, OverflowError) as error:  # which the last record is, cut at the head's end
        if not found:
            raise Corrupt(f"not miniSEED: {' '.join(str(error).split())}"[:200]) from None
    if not found:
        raise Corrupt("no samples in its first records")
    start_ns, rate = found[name if name in found else next(iter(found))]
    return RecordingHeader(tuple(sorted(found)), start_ns, rate)


def _of_records(buffer: memoryview, name: Channel) -> list[Segment]:
    traces = decode(buffer, lambda found: found == name)
    if name not in traces:
        raise Rejected(f"no channel {name} in it: it holds {', '.join(map(str, sorted(traces)))}")
    if not traces[name]:
        raise Empty(f"no samples of {name}")
    return traces[name]


def _sound_header(head: memoryview, s3key: str) -> _SoundHeader | None:
    """The header of a wav or flac file; None of miniSEED. Corrupt where it is none of them."""
    if not len(head):
        raise Corrupt("0 bytes")
    begins = bytes(head[:12])
    if begins[:4] == _FLAC:
        return _flac_header(head)
    if begins[:4] in _BYTE_ORDERS and begins[8:] == b"WAVE":
        return _wav_header(head, _BYTE_ORDERS[begins[:4]])
    if not _MINISEED.match(begins):
        raise Corrupt(f"{s3key} is no miniSEED, wav or flac: it begins with {begins!r}")
    return None


def _flac_header(head: memoryview) -> _SoundHeader:
    if len(head) < _STREAM_INFO.size:
        raise Corrupt("truncated: a flac file's header is cut")
    kind, _, _, packed = _STREAM_INFO.unpack_from(head)
    rate, tracks, n_frames = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    if kind & 0x7F or not rate:
        raise Corrupt("a flac file without a valid header")
    if not n_frames:
        raise Corrupt("a flac file whose header states no length")
    return _SoundHeader(rate, tracks)


def _wav_header(head: memoryview, order: str) -> _SoundHeader:
    """Walks the chunks up to the samples, as EBU Tech 3306 has them: in RF64 the first, ``ds64``, has the lengths."""
    offset, long_bytes = 12, None
    format_chunk: tuple[int, ...] | None = None
    while offset + 8 <= len(head):
        kind, n_bytes = struct.unpack_from(f"{order}4sI", head, offset)
        offset += 8
        if kind == b"data":
            if format_chunk is None or not format_chunk[1] or not format_chunk[2]:
                raise Corrupt("a wav file whose header states no rate or number of channels before its samples")
            if long_bytes is not None and n_bytes == _NO_LENGTH:
                n_bytes = long_bytes
            elif n_bytes == _NO_LENGTH:
                raise Corrupt("a wav file whose header states no length")
            return _SoundHeader(format_chunk[2], format_chunk[1], offset, n_bytes)
        if kind == b"ds64" and offset + 16 <= len(head):
            (long_bytes,) = struct.unpack_from("<8xQ", head, offset)
        if kind == b"fmt " and offset + 16 <= len(head):
            format_chunk = struct.unpack_from(f"{order}HHI", head, offset)
        offset += n_bytes + n_bytes % 2
    raise Corrupt("truncated: a wav file's header is cut, or its samples come late")


def _samples(buffer: memoryview, header: _SoundHeader, track: int) -> npt.NDArray[Any]:
    there = len(buffer) - header.first_byte
    if header.n_bytes > there:
        raise Corrupt(f"truncated: the header promises {header.n_bytes:,} bytes of samples, {there:,} are there")
    if header.n_bytes == 0 < there and header.first_byte:
        raise Corrupt("a wav file whose header was never finished: it states no samples")
    try:
        with soundfile.SoundFile(_Buffer(buffer)) as file:
            if not 1 <= track <= file.channels:
                raise Rejected(f"no track {track}: it has {file.channels}")
            bits, dtype = _BITS.get(file.subtype), _FLOATS.get(file.subtype, np.dtype(np.int32))
            if bits is None and file.subtype not in _FLOATS:
                raise Rejected(f"samples are {file.subtype}, neither PCM nor float")
            if file.frames > max(SAMPLES_A_BYTE * len(buffer), SILENT_SAMPLES):
                raise Corrupt(f"the header promises {file.frames:,} samples in {len(buffer):,} bytes")
            samples = np.empty(file.frames, dtype)
            n_read = _read_track(file, samples, track)
    except soundfile.SoundFileError as error:
        told = str(error).partition(">: ")[2] or str(error)
        raise Corrupt(f"cannot be decoded: {told}"[:200]) from None
    if n_read != len(samples):
        raise Corrupt(f"truncated: the header promises {len(samples):,} samples, {n_read:,} are there")
    if bits is not None and bits < 32:
        samples >>= 32 - bits  # libsndfile gives whole numbers as parts of 2**31
    return samples


def _read_track(file: soundfile.SoundFile, samples: npt.NDArray[Any], track: int) -> int:
    """Read one track into ``samples``; how many there were."""
    if file.channels == 1:
        return len(file.read(dtype=str(samples.dtype), out=samples))
    block = np.empty((_BLOCK_FRAMES, file.channels), samples.dtype)
    first = 0
    while first < len(samples) and len(part := file.read(len(samples) - first, dtype=str(samples.dtype), out=block)):
        samples[first : first + len(part)] = part[:, track - 1]
        first += len(part)
    return first


class _Buffer(io.RawIOBase):
    """A file in memory, of which no copy is made."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer, self._at = buffer, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        part = self._buffer[self._at : self._at + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, len(self._buffer))[whence])
        return self._at

    def tell(self) -> int:
        return self._at
