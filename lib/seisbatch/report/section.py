"""The record section of a run: a bounded sample of its CCFs, stacked by pair, by distance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from seisbatch.acquire.objects import StoreSettings
from seisbatch.names import Channel
from seisbatch.report.page import RecordSection
from seisbatch.schema import Table
from seisbatch.sinks.dataset import samples_matrix, table_dataset

MAX_FILES = 24
MAX_BYTES = 200_000_000
MAX_PAIRS = 300


def record_section(
    out: StoreSettings, table: Table, parameters: Mapping[str, Any]
) -> tuple[RecordSection, list[tuple[str, str, int]]] | None:
    """Stacks of at most :data:`MAX_PAIRS` pairs between stations, and how many CCFs each station pair has.

    The pairs are those of one component pair, the one with most pairs (of several, the last by name: ZZ before NE). Large
    runs are sampled: files spread evenly over the run, as much as :data:`MAX_BYTES` of samples. None where there is no CCF
    with a distance.
    """
    dataset = table_dataset(out, table)
    fragments = list(dataset.get_fragments()) if dataset else []
    fragments = (
        [fragments[n] for n in np.unique(np.linspace(0, len(fragments) - 1, MAX_FILES).astype(int))] if fragments else []
    )
    sums: dict[str, dict[str, Any]] = {}
    paths: Counter[tuple[str, str]] = Counter()
    n_bytes, step = 0, 1.0
    for fragment in fragments:
        for batch in fragment.to_batches(schema=table.arrow()):
            if n_bytes > MAX_BYTES or not batch.num_rows:
                break
            samples = samples_matrix(batch.column("samples"))
            n_bytes += samples.nbytes
            rows = batch.drop_columns(["samples"]).to_pylist()
            for row, ccf in zip(rows, samples, strict=True):
                source, receiver = (
                    Channel(*(row[f"{role}_{code}"] for code in Channel._fields)) for role in ("source", "receiver")
                )
                if not row["distance"]:
                    continue
                step = row["lag_step"]
                paths[source.station, receiver.station] += 1
                name = f"{source}:{receiver}"
                stacks = sums.setdefault(source.chan[-1] + receiver.chan[-1], {})
                if name not in stacks and len(stacks) < MAX_PAIRS:
                    stacks[name] = [np.zeros(len(ccf)), 0, row["distance"]]
                if name in stacks:
                    stacks[name][0] += ccf * float(row["n_windows"])
                    stacks[name][1] += row["n_windows"]
    if not sums:
        return None
    components = max(sums, key=lambda pair: (len(sums[pair]), pair))
    shown = sums[components]
    names = sorted(shown, key=lambda name: shown[name][2])
    ccfs = np.array([shown[name][0] / shown[name][1] for name in names], np.float32)
    half = ccfs.shape[1] // 2
    section = RecordSection(
        distances_km=np.array([shown[name][2] for name in names]),
        lags_s=np.arange(-half, half + 1) * step,
        ccfs=ccfs,
        names=names,
        what=f"{len(names)} pairs {components}, {parameters.get('freqmin', '')} to {parameters.get('freqmax', '')} Hz",
    )
    return section, [(*pair, number) for pair, number in sorted(paths.items())]
