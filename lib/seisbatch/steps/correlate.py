"""Tiles of pairs in, outcomes out: reads the band spectra of two sides of channels, writes the CCFs of all their pairs."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.outcome import Corrupt, Empty, Missing, UnitError, guard
from seisbatch.process.correlation import accumulate_pairs, ccfs_from_pair_spectra, common_windows
from seisbatch.process.grid import Preprocessing, n_lags
from seisbatch.schema import CCF, OUTCOMES, STACK, Table
from seisbatch.sinks.parquet import TableFile, recorded_unit
from seisbatch.sinks.spectra_file import ChannelSpectra, Spectra
from seisbatch.steps.memory import give_back
from seisbatch.steps.pairs import Geometry, PairSelection, geometry
from seisbatch.steps.sides import Reader, Side, read_side, slabs
from seisbatch.times import SECOND_NS, day_start_ns, period_end, to_datetime

INVERSE_BYTES = 16_000_000
"""CCFs that are transformed back at a time."""


@dataclass(frozen=True)
class CorrelateSettings:
    """Where spectra are read, which pairs are correlated and how, and where the CCFs go."""

    run_id: str
    job: str
    out: StoreSettings
    scratch: str
    preprocessing: Preprocessing
    pairs: PairSelection
    substack: int
    stack_over: str
    start: dt.date
    end: dt.date
    parameters_id: str
    metadata: tuple[tuple[str, str], ...]

    @property
    def stacked(self) -> bool:
        return self.stack_over != "none"

    @property
    def table(self) -> Table:
        return STACK if self.stacked else CCF

    @property
    def window_groups(self) -> list[slice]:
        """The windows of each CCF of a day."""
        n_windows = self.preprocessing.n_windows
        step = self.substack or n_windows
        return [slice(first, min(first + step, n_windows)) for first in range(0, n_windows, step)]


def tile_key(table: Table, group: dt.date, source_side: int, receiver_side: int) -> str:
    """The key of a tile's file."""
    folder = f"{table.name}/year={group.year:04d}/month={group.month:02d}"
    return f"{folder}/{group}-{source_side:04d}-{receiver_side:04d}.parquet"


def write_tiles(settings: CorrelateSettings, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :data:`OUTCOMES`, one a tile (columns ``group source_side receiver_side source_blocks receiver_blocks``).

    A tile whose file is there, made of the same channel-days, is not done again: its outcome is read from the file.
    """
    out = open_store(settings.out)
    common = {"run_id": settings.run_id, "job": settings.job, "kind": "tile"}
    for batch in batches:
        for tile in batch.to_pylist():
            done = guard(functools.partial(_tile, settings, out, tile))
            give_back()
            row = done.value or {"bytes_read": 0, "bytes_written": 0}
            if done.value is None or "seconds" not in row:
                row["seconds"] = done.seconds
            yield OUTCOMES.batch(
                [
                    {
                        **common,
                        "unit": f"{tile['group']}/{tile['source_side']}/{tile['receiver_side']}",
                        "date": tile["group"],
                        "outcome": str(done.outcome),
                        "reason": done.reason,
                        **row,
                    }
                ]
            )


def _tile(settings: CorrelateSettings, out: Store, tile: dict[str, Any]) -> dict[str, Any]:
    """Correlate a tile, unless that is done; columns of its outcome row. Empty where no pair has a common window."""
    group = tile["group"]
    diagonal = tile["source_side"] == tile["receiver_side"]
    try:
        sources = read_side(out, settings.scratch, group, tile["source_blocks"])
        receivers = sources if diagonal else read_side(out, settings.scratch, group, tile["receiver_blocks"])
    except (Missing, Corrupt) as error:  # of this run's own scratch: another try makes it anew
        raise UnitError(f"scratch: {error}") from error
    key = tile_key(settings.table, group, tile["source_side"], tile["receiver_side"])
    inputs = sources.digest() + receivers.digest()
    try:
        recorded = recorded_unit(out, key)
        if recorded.pop("inputs") == inputs:
            return recorded
    except (Missing, Corrupt):  # a file that is damaged is written anew
        pass
    dates = sorted(sources.blocks.keys() & receivers.blocks.keys())
    spans = [dates] if settings.stacked else [[date] for date in dates]
    row: dict[str, Any] = {"s3key": key, "windows": 0, "windows_planned": 0, "bytes_read": 0}
    with TableFile(out, key, settings.table, dict(settings.metadata)) as file:
        for span in spans:
            pairs = SpanPairs(settings, out, group, span, sources, receivers, diagonal)
            row["windows_planned"] += pairs.n_selected
            for columns in pairs.rows():
                file.write(columns)
            row["bytes_read"] += pairs.bytes_read
        row["windows"] = file.rows
        if row["windows_planned"] and not file.rows:
            raise Empty(f"none of the {row['windows_planned']} pairs asked for has a common window")
        row["reason"] = "" if file.rows else "no pair of this tile was asked for"
        row["bytes_written"] = file.commit({**row, "inputs": inputs})
    return row


class SpanPairs:
    """The pairs of a tile over some days, averaged over all their common windows (or those of each substack)."""

    def __init__(
        self,
        settings: CorrelateSettings,
        out: Store,
        group: dt.date,
        dates: Sequence[dt.date],
        sources: Side,
        receivers: Side,
        diagonal: bool,
    ) -> None:
        self.settings, self.out, self.group, self.dates = settings, out, group, dates
        self.sides = (sources, receivers)
        self.names = (sources.names(dates), receivers.names(dates))
        self.diagonal = diagonal
        self.bytes_read = 0
        self.selected = settings.pairs.mask(*self.names)
        self.geometry = self._geometries()
        self.n_selected = int(self.selected.sum())

    def _geometries(self) -> dict[tuple[int, int], Geometry]:
        """Geometry of every pair asked for; pairs whose distance is not in range are struck from the selection."""
        places = [{item.name: item for date in self.dates for item in side.channels(date)} for side in self.sides]
        self.places = [[places[of][name] for name in self.names[of]] for of in (0, 1)]
        geometries = {}
        for s, r in zip(*np.nonzero(self.selected), strict=True):
            source, receiver = self.places[0][s], self.places[1][r]
            found = geometry((source.lat, source.lon), (receiver.lat, receiver.lon))
            if self.settings.pairs.distance_matches(found.distance):
                geometries[int(s), int(r)] = found
            else:
                self.selected[s, r] = False
        return geometries

    def rows(self) -> Iterator[dict[str, Any]]:
        """Columns of the table, a chunk of pairs at a time."""
        if not self.n_selected:
            return
        preprocessing = self.settings.preprocessing
        counts, days = self._counts()
        spectra = self._pair_spectra()
        lags = n_lags(preprocessing.maxlag, preprocessing.ccf_rate)
        chunk = max(1, INVERSE_BYTES // (4 * lags))
        for windows, count, spectrum in zip(self.settings.window_groups, counts, spectra, strict=True):
            s, r = np.nonzero(self.selected & (count > 0))
            for first in range(0, len(s), chunk):
                pairs = slice(first, first + chunk)
                ccfs = ccfs_from_pair_spectra(spectrum, s[pairs], r[pairs], count[s[pairs], r[pairs]], preprocessing)
                yield self._columns(s[pairs], r[pairs], windows, count, days, ccfs)

    def _counts(self) -> tuple[list[npt.NDArray[np.int32]], npt.NDArray[np.int32]]:
        """Common windows of every pair, for each group of windows; and days with at least one."""
        shape = (len(self.names[0]), len(self.names[1]))
        counts = [np.zeros(shape, np.int32) for _ in self.settings.window_groups]
        days = np.zeros(shape, np.int32)
        for date in self.dates:
            valid = [self._valid(of, date) for of in (0, 1)]
            for count, windows in zip(counts, self.settings.window_groups, strict=True):
                count += common_windows(valid[0][:, windows], valid[1][:, windows])
            days += common_windows(*valid) > 0
        return counts, days

    def _valid(self, of: int, date: dt.date) -> npt.NDArray[np.bool_]:
        held = {item.name: item.valid for item in self.sides[of].channels(date)}
        absent = np.zeros(self.settings.preprocessing.n_windows, bool)
        return np.array([held.get(name, absent) for name in self.names[of]])

    def _pair_spectra(self) -> list[Spectra]:
        """Summed pair spectra, shape (frequency, source, receiver), for each group of windows."""
        preprocessing, groups = self.settings.preprocessing, self.settings.window_groups
        shape = (preprocessing.n_bins, len(self.names[0]), len(self.names[1]))
        sums = [np.zeros(shape, np.complex64) for _ in groups]
        by_source = preprocessing.method == "deconvolution"
        for date in self.dates:
            readers = [Reader(self.out, self.sides[0].blocks[date], self.names[0], int(by_source))]
            if by_source or not self.diagonal:
                readers.append(Reader(self.out, self.sides[1].blocks[date], self.names[1], 0))
            if not all(reader.filled for reader in readers):
                continue
            for first, stop, parts in slabs(readers, preprocessing.n_bins, preprocessing.n_windows):
                self.bytes_read += sum(part.nbytes for part in parts)
                for total, windows in zip(sums, groups, strict=True):
                    of_group = [part[:, :, windows] for part in parts]
                    accumulate_pairs(of_group[0], of_group[1] if len(of_group) > 1 else None, total[first:stop])
        return sums

    def _columns(
        self,
        s: npt.NDArray[np.intp],
        r: npt.NDArray[np.intp],
        windows: slice,
        count: npt.NDArray[np.int32],
        days: npt.NDArray[np.int32],
        ccfs: npt.NDArray[np.float32],
    ) -> dict[str, Any]:
        preprocessing = self.settings.preprocessing
        n = len(s)
        sources: list[ChannelSpectra] = [self.places[0][number] for number in s]
        receivers: list[ChannelSpectra] = [self.places[1][number] for number in r]
        shapes = [self.geometry[int(a), int(b)] for a, b in zip(s, r, strict=True)]
        start, end = self._span(windows)
        date = self.group if self.settings.stacked else self.dates[0]
        columns: dict[str, Any] = {"date": [date] * n, "starttime": [start] * n, "endtime": [end] * n}
        if self.settings.stacked:
            columns["n_days"] = days[s, r]
        for role, items in (("source", sources), ("receiver", receivers)):
            for code in ("net", "sta", "loc", "chan"):
                columns[f"{role}_{code}"] = [getattr(item.name, code) for item in items]
            columns[f"{role}_lat"] = [item.lat for item in items]
            columns[f"{role}_lon"] = [item.lon for item in items]
        for name in ("distance", "azimuth", "back_azimuth"):
            columns[name] = [getattr(shape, name) for shape in shapes]
        return columns | {
            "n_windows": count[s, r],
            "lag_step": np.full(n, 1 / preprocessing.ccf_rate),
            "maxlag": np.full(n, (ccfs.shape[1] - 1) / 2 / preprocessing.ccf_rate),
            "method": [preprocessing.method] * n,
            "parameters_id": [self.settings.parameters_id] * n,
            "samples": ccfs,
        }

    def _span(self, windows: slice) -> tuple[dt.datetime, dt.datetime]:
        """From the first window's start to the last one's end; for stacks, what of their period was asked for."""
        if self.settings.stacked:
            end = period_end(self.group, self.settings.stack_over, self.settings.end)
            days = max(self.group, self.settings.start), min(end, self.settings.end)
            return to_datetime(day_start_ns(days[0])), to_datetime(day_start_ns(days[1]))
        first = day_start_ns(self.dates[0])
        step, length = self.settings.preprocessing.cc_step, self.settings.preprocessing.cc_len
        start = first + round(windows.start * step * SECOND_NS)
        return to_datetime(start), to_datetime(first + round(((windows.stop - 1) * step + length) * SECOND_NS))
