"""The sides of a tile: which channels they hold on which days, and their band spectra, a slab of frequencies at a time."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from seisbatch.acquire.objects import Store
from seisbatch.names import Channel
from seisbatch.sinks.spectra_file import ChannelSpectra, Spectra, SpectraHeader, read_header, slab, slab_range
from seisbatch.steps.spectra import spectra_key

SLAB_BYTES = 32_000_000
"""Spectra of one side that are held at a time; as much again is read ahead."""
READERS = 8


@dataclass(frozen=True, eq=False)
class Block:
    """A block of spectra on storage."""

    key: str
    header: SpectraHeader


@dataclass(frozen=True, eq=False)
class Side:
    """Channels of one side of a tile: the blocks that hold them, by day."""

    blocks: Mapping[dt.date, Sequence[Block]]

    def channels(self, date: dt.date) -> list[ChannelSpectra]:
        """The channels of a day, in the order of their spectra."""
        return [item for block in self.blocks.get(date, ()) for item in block.header.channels]

    def names(self, dates: Sequence[dt.date]) -> list[Channel]:
        """The names of all channels of some days, sorted."""
        return sorted({item.name for date in dates for item in self.channels(date)})

    def digest(self) -> str:
        """What of the plan came out of preprocessing: it changes when a channel-day that failed is done after all."""
        told = [f"{date} {item.name} {item.valid.tobytes().hex()}" for date in self.blocks for item in self.channels(date)]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def read_side(store: Store, scratch: str, group: dt.date, blocks: Sequence[Mapping[str, Any]]) -> Side:
    """A side from the blocks (``date``, ``block``) that the plan gives it; Missing where one was not written."""
    by_day: dict[dt.date, list[Block]] = {}
    for item in blocks:
        key = spectra_key(scratch, group, item["date"], item["block"])
        by_day.setdefault(item["date"], []).append(Block(key, read_header(store, key)))
    return Side(by_day)


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads one side's spectra of one day into the places of ``names``; ``array`` chooses among those of a block."""

    store: Store
    blocks: Sequence[Block]
    names: Sequence[Channel]
    array: int

    @property
    def filled(self) -> list[Block]:
        """The blocks that hold any spectra."""
        return [block for block in self.blocks if block.header.channels]

    def submit(self, pool: ThreadPoolExecutor, first: int, stop: int) -> list[Future[Any]]:
        """Begin to read the frequencies ``first`` to ``stop``."""
        return [
            pool.submit(self.store.get_range, block.key, *slab_range(block.header, first, stop, array=self.array))
            for block in self.filled
        ]

    def collect(self, parts: Sequence[Future[Any]]) -> Spectra:
        """What was read, shape (frequency, channel, window) for the channels ``names``; absent ones are zero."""
        arrays = [slab(block.header, part.result()) for block, part in zip(self.filled, parts, strict=True)]
        held = [item.name for block in self.filled for item in block.header.channels]
        if held == list(self.names):
            return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)
        place = {name: number for number, name in enumerate(self.names)}
        out = np.zeros((arrays[0].shape[0], len(self.names), arrays[0].shape[2]), np.complex64)
        for block, values in zip(self.filled, arrays, strict=True):
            out[:, [place[item.name] for item in block.header.channels]] = values
        return out


def slabs(readers: Sequence[Reader], n_bins: int, n_windows: int) -> Iterator[tuple[int, int, list[Spectra]]]:
    """First and last frequency and the spectra of every reader, slab after slab; the next is read meanwhile."""
    widest = max(len(reader.names) for reader in readers) * n_windows * np.dtype(np.complex64).itemsize
    height = max(1, min(n_bins, SLAB_BYTES // max(1, widest)))
    edges = [(first, min(first + height, n_bins)) for first in range(0, n_bins, height)]
    with ThreadPoolExecutor(READERS) as pool:
        ahead = [reader.submit(pool, *edges[0]) for reader in readers]
        for number, (first, stop) in enumerate(edges):
            current = ahead
            if number + 1 < len(edges):
                ahead = [reader.submit(pool, *edges[number + 1]) for reader in readers]
            yield first, stop, [reader.collect(parts) for reader, parts in zip(readers, current, strict=True)]
