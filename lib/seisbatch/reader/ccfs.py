"""Results in a notebook: tables of CCFs and stacks as ``xarray`` datasets."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xarray as xr

from seisbatch.acquire.objects import StoreSettings
from seisbatch.names import Channel, Pair, parse_pair
from seisbatch.schema import CCF, STACK
from seisbatch.sinks.dataset import samples_matrix, table_dataset

MAX_BYTES = 4_000_000_000
_PARAMETERS = b"seisbatch.parameters"


def open_ccfs(
    path: str | Path,
    pair: str | tuple[str, str] | None = None,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    stacks: bool | None = None,
    endpoint: str | None = None,
    region: str | None = None,
) -> xr.Dataset:
    """CCFs that cross_correlate wrote, or the stacks of it and of stack_ccfs.

    ``path`` is the job's ``--out``, a folder or ``s3://bucket/prefix`` (with ``endpoint`` and ``region`` where they are not
    Amazon's own). ``pair`` is ``"NET.STA.LOC.CHA:NET.STA.LOC.CHA"`` or a tuple of the two names; asked for in the other
    order than it was computed in, the lag axis and the azimuths are turned round. ``start`` and ``end`` are UTC days,
    half-open. ``stacks`` chooses between the two tables; by default the CCFs are read where there are any.

    Returns a dataset with dimensions ``pair``, ``time`` and ``lag`` [s]:

    - ``ccf`` (pair, time, lag) float32, NaN where a pair has no CCF at a time;
    - ``n_windows`` (pair, time) int32, zero there;
    - coordinates along ``pair``: ``source``, ``receiver``, ``distance`` [km], ``azimuth``, ``back_azimuth`` [degrees],
      ``source_lat``, ``source_lon``, ``receiver_lat``, ``receiver_lon``; along ``time``: ``endtime``;
    - attributes: ``method``, ``parameters_id`` and every parameter of the run. A positive lag is energy that reaches the
      receiver after the source.

    Raises FileNotFoundError where the path holds no such table, KeyError where nothing matches, and ValueError where the
    result would be larger than 4 GB, or a deconvolution is asked for by its receiver: it is no mirror image.
    """
    root = str(path) if str(path).startswith("s3://") else str(Path(path).expanduser().resolve())
    settings = StoreSettings(root=root, endpoint=endpoint, region=region, anonymous=False)
    tables = (CCF, STACK) if stacks is None else (STACK,) if stacks else (CCF,)
    dataset = next(filter(None, (table_dataset(settings, table) for table in tables)), None)
    if dataset is None:
        raise FileNotFoundError(f"{path} holds no {' or '.join(table.name for table in tables)} table")
    asked = _pair(pair)
    stored = Pair(*sorted(asked)) if asked else None
    is_turned = asked != stored
    condition = _condition(stored, start, end)
    n_rows = dataset.count_rows(filter=condition)
    if not n_rows:
        raise KeyError(f"{path} holds no CCF of {pair or 'any pair'} from {start or 'the start'} to {end or 'the end'}")
    first = dataset.head(1, columns=["samples"], filter=condition)
    n_bytes = n_rows * len(first["samples"][0]) * 4
    if n_bytes > MAX_BYTES:
        raise ValueError(f"{n_rows} CCFs are {n_bytes / 1e9:.1f} GB: name a pair, or a start and an end")
    result = _dataset(dataset.to_table(filter=condition))
    result.attrs.update(_parameters(dataset))
    if is_turned and result.attrs["method"] == "deconvolution":
        raise ValueError(f"{path} holds deconvolutions by {stored and stored.source}: ask for {stored}")
    return _turned(result) if is_turned else result


def _pair(pair: str | tuple[str, str] | None) -> Pair | None:
    if pair is None:
        return None
    return parse_pair(pair if isinstance(pair, str) else ":".join(pair))


def _condition(pair: Pair | None, start: str | dt.date | None, end: str | dt.date | None) -> pc.Expression | None:
    terms = []
    if pair:
        for role, name in (("source", pair.source), ("receiver", pair.receiver)):
            terms += [pc.field(f"{role}_{code}") == value for code, value in name._asdict().items()]
    if start is not None:
        terms.append(pc.field("date") >= pa.scalar(_day(start)))
    if end is not None:
        terms.append(pc.field("date") < pa.scalar(_day(end)))
    condition = None
    for term in terms:
        condition = term if condition is None else condition & term
    return condition


def _day(day: str | dt.date) -> dt.date:
    return day if isinstance(day, dt.date) else dt.date.fromisoformat(day)


def _dataset(table: pa.Table) -> xr.Dataset:
    table = table.combine_chunks()
    names = {role: [str(Channel(*row)) for row in _codes(table, role)] for role in ("source", "receiver")}
    keys = np.array([f"{a}:{b}" for a, b in zip(names["source"], names["receiver"], strict=True)])
    pairs, first, of_pair = np.unique(keys, return_index=True, return_inverse=True)
    times, first_time, of_time = np.unique(_times(table, "starttime"), return_index=True, return_inverse=True)
    samples = samples_matrix(table["samples"])
    half, step = samples.shape[1] // 2, table["lag_step"][0].as_py()
    ccf = np.full((len(pairs), len(times), samples.shape[1]), np.nan, np.float32)
    ccf[of_pair, of_time] = samples
    n_windows = np.zeros((len(pairs), len(times)), np.int32)
    n_windows[of_pair, of_time] = table["n_windows"].to_numpy()
    along_pair = {
        name: ("pair", table[name].to_numpy()[first], {"units": unit})
        for name, unit in [("distance", "km"), ("azimuth", "degrees"), ("back_azimuth", "degrees")]
        + [(f"{role}_{axis}", "degrees") for role in ("source", "receiver") for axis in ("lat", "lon")]
    }
    return xr.Dataset(
        {
            "ccf": (("pair", "time", "lag"), ccf),
            "n_windows": (("pair", "time"), n_windows, {"long_name": "windows averaged"}),
        },
        coords={
            "pair": pairs,
            "time": ("time", times, {"long_name": "start of the first window"}),
            "lag": (
                "lag",
                np.arange(-half, half + 1) * step,
                {"units": "s", "long_name": "lag, positive: receiver later"},
            ),
            "endtime": ("time", _times(table, "endtime")[first_time]),
            **{role: ("pair", np.array(names[role])[first]) for role in names},
            **along_pair,
        },
        attrs={"method": table["method"][0].as_py(), "parameters_id": table["parameters_id"][0].as_py()},
    )


def _codes(table: pa.Table, role: str) -> list[tuple[str, str, str, str]]:
    columns = [table[f"{role}_{code}"].to_pylist() for code in Channel._fields]
    return list(zip(*columns, strict=True))


def _times(table: pa.Table, name: str) -> npt.NDArray[np.datetime64]:
    times: npt.NDArray[np.datetime64] = table[name].cast(pa.timestamp("us")).to_numpy()
    return times


def _parameters(dataset: Any) -> dict[str, Any]:
    """Parameters that stand in the files, as attributes that netCDF can hold."""
    metadata = next(dataset.get_fragments()).physical_schema.metadata or {}
    values = json.loads(metadata.get(_PARAMETERS, b"{}"))
    return {
        key: value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else json.dumps(value)
        for key, value in values.items()
    }


def _turned(result: xr.Dataset) -> xr.Dataset:
    """The same CCFs with source and receiver exchanged."""
    turned = result.copy()
    turned["ccf"] = (("pair", "time", "lag"), result["ccf"].values[:, :, ::-1])
    exchange = {
        "source": "receiver",
        "source_lat": "receiver_lat",
        "source_lon": "receiver_lon",
        "azimuth": "back_azimuth",
    }
    for one, other in exchange.items():
        turned[one], turned[other] = result[other], result[one]
    turned["pair"] = [str(name).partition(":")[2] + ":" + str(name).partition(":")[0] for name in result["pair"].values]
    return turned
