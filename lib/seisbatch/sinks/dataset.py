"""Tables read back: the Parquet files of one table under an output, local or on S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from seisbatch.acquire.objects import StoreSettings, check_key
from seisbatch.outcome import Corrupt, Missing, UnitError
from seisbatch.schema import Table


def _filesystem(out: StoreSettings) -> tuple[pafs.FileSystem, str]:
    """Arrow's own file system for a store, and the store's root in it."""
    if not out.root.startswith("s3://"):
        return pafs.LocalFileSystem(), out.root.rstrip("/")
    endpoint = urlsplit(out.endpoint) if out.endpoint else None
    options = {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme} if endpoint else {}
    return pafs.S3FileSystem(region=out.region, anonymous=out.anonymous, **options), out.root.removeprefix("s3://").rstrip("/")


def table_dataset(out: StoreSettings, table: Table) -> ds.Dataset | None:
    """The files of a table as a dataset under the table's own schema; None where there are none."""
    filesystem, root = _filesystem(out)
    folder = f"{root}/{table.name}"
    if filesystem.get_file_info(folder).type == pafs.FileType.NotFound:
        return None
    return ds.dataset(folder, filesystem=filesystem, format="parquet", schema=table.arrow(), partitioning=None)


@contextmanager
def parquet_file(store: StoreSettings, key: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file of a store, of which only what is asked for is read."""
    filesystem, root = _filesystem(store)
    with filesystem.open_input_file(f"{root}/{check_key(key)}") as source, pq.ParquetFile(source) as file:
        yield file


def reading_error(key: str, error: Exception) -> UnitError:
    """What becomes of what a file of a table holds: Arrow tells a store's troubles, and a damaged file, as text alone."""
    if isinstance(error, FileNotFoundError):
        return Missing(f"no object {key}")
    told = f"{key}: {' '.join(str(error).split())[:200]}"
    return UnitError(told) if "AWS Error" in told else Corrupt(told)


def samples_matrix(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """The samples of rows as a matrix (row, sample)."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat: npt.NDArray[np.float32] = array.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(array), -1)
