"""Tables read back: the Parquet files of one table under an output, local or on S3."""

from __future__ import annotations

from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from seisbatch.acquire.objects import StoreSettings
from seisbatch.schema import Table


def table_dataset(out: StoreSettings, table: Table) -> ds.Dataset | None:
    """The files of a table as a dataset under the table's own schema; None where there are none."""
    if out.root.startswith("s3://"):
        endpoint = urlsplit(out.endpoint) if out.endpoint else None
        options = {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme} if endpoint else {}
        filesystem: pafs.FileSystem = pafs.S3FileSystem(region=out.region, anonymous=out.anonymous, **options)
        folder = f"{out.root.removeprefix('s3://').rstrip('/')}/{table.name}"
    else:
        filesystem, folder = pafs.LocalFileSystem(), f"{out.root.rstrip('/')}/{table.name}"
    if filesystem.get_file_info(folder).type == pafs.FileType.NotFound:
        return None
    return ds.dataset(folder, filesystem=filesystem, format="parquet", schema=table.arrow(), partitioning=None)


def samples_matrix(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """The samples of rows as a matrix (row, sample)."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat: npt.NDArray[np.float32] = array.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(array), -1)
