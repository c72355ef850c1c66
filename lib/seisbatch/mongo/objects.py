"""miniSEED records that a document names by ``url``: a part of an object or file, or a row of the table ``wf_TimeSeries``."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from seisbatch.acquire.objects import NoSuchBucket, Store, StoreSettings, check_key, open_store
from seisbatch.outcome import Corrupt, Missing, Rejected
from seisbatch.sinks.parquet import read_footer

MSEED, PARQUET = "mseed", "parquet"
COLUMNS = ["id", "encoding", "samples"]


@dataclass(frozen=True)
class Stores:
    """How objects on S3 are reached: URL of the service, region; with the environment's credentials, or anonymously."""

    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False

    def settings(self, root: str) -> StoreSettings:
        """The settings of one store."""
        return StoreSettings(root, self.endpoint, self.region, self.anonymous)


class Objects:
    """What reads them. The last row group is kept, as rows are mostly read one after another: no more is ever held."""

    def __init__(self, stores: Stores | None = None) -> None:
        self._stores = stores or Stores()
        self._held: tuple[tuple[Any, ...], pa.Table] | None = None

    def records(self, document: Mapping[str, Any]) -> bytes:
        """The records that a document names.

        Of format ``mseed`` these are ``nbytes`` bytes from ``foff`` on of ``url``, which is ``s3://bucket/key`` or
        ``file:///path``; of format ``parquet`` the column ``samples`` of the row of number ``row`` in ``row_group``, whose
        ``id`` must be ``row_id``.

        Raises Missing where they are gone, Denied where they may not be read, Corrupt where something else is there, Rejected
        of other formats and places.
        """
        form = str(document.get("format", ""))
        if form.lower() not in (MSEED, PARQUET):
            raise Rejected(f"objects of format {form!r} are not read: known are {MSEED} and {PARQUET}")
        try:
            store, key = self._place(document.get("url"))
            return self._row(store, key, document) if form.lower() == PARQUET else _part(store, key, document)
        except NoSuchBucket as error:
            raise Missing(str(error)) from None

    def _place(self, url: Any) -> tuple[Store, str]:
        scheme, _, rest = str(url).partition("://")
        place, _, key = rest.partition("/")
        if scheme == "s3" and place:
            root = f"s3://{place}"
        elif scheme == "file" and not place:
            root, key = "/", unquote(key)
        else:
            raise Rejected(f"illegal url {url!r:.200}: known are s3://bucket/key and file:///path")
        try:
            return open_store(self._stores.settings(root)), check_key(key)
        except ValueError as error:
            raise Rejected(f"illegal url {url!r:.200}: {error}") from None

    def _row(self, store: Store, key: str, document: Mapping[str, Any]) -> bytes:
        group, number = _whole(document, "row_group"), _whole(document, "row")
        table = self._row_group(store, key, group)
        if number >= table.num_rows:
            raise Corrupt(f"{document['url']}: row group {group} has {table.num_rows} rows, none of number {number}")
        row = table.slice(number, 1).to_pylist()[0]
        if row["id"] != document.get("row_id"):
            raise Corrupt(f"{document['url']}: row {number} of row group {group} is {row['id']}, not {document.get('row_id')}")
        if row["samples"] is None:
            raise Missing(f"{document['url']}: {row['id']} has no samples in its row")
        if row["encoding"] != "miniseed":
            raise Corrupt(f"{document['url']}: samples of {row['id']} are encoded as {row['encoding']}, not as miniseed")
        return bytes(row["samples"])

    def _row_group(self, store: Store, key: str, number: int) -> pa.Table:
        own = store.settings, key, number
        if self._held is None or self._held[0] != own:
            self._held = None
            self._held = own, _read_row_group(store, key, number)
        return self._held[1]


def _read_row_group(store: Store, key: str, number: int) -> pa.Table:
    footer = read_footer(store, key)
    if number >= footer.num_row_groups:
        raise Corrupt(f"{key} has {footer.num_row_groups} row groups, none of number {number}")
    if missing := sorted(set(COLUMNS) - set(footer.schema.to_arrow_schema().names)):
        raise Corrupt(f"{key} is no table of waveforms: it has no column {', '.join(missing)}")
    try:
        with pq.ParquetFile(_Ranges(store, key), metadata=footer) as file:
            return file.read_row_group(number, columns=COLUMNS)
    except (pa.ArrowException, OSError) as error:  # of what the bytes are: they are all there
        raise Corrupt(f"{key}, row group {number}: {error}") from None


def _part(store: Store, key: str, document: Mapping[str, Any]) -> bytes:
    offset, length = _whole(document, "foff"), _whole(document, "nbytes")
    body = bytes(store.get_range(key, offset, length))
    if len(body) != length:
        raise Corrupt(f"{document['url']} ends {length - len(body)} bytes before the records from byte {offset} on do")
    return body


def _whole(document: Mapping[str, Any], name: str) -> int:
    number = document.get(name)
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise Corrupt(f"{name} is {number!r}, which is no place in {document.get('url')!r:.200}")
    return number


class _Ranges(io.RawIOBase):
    """An object as a file of which what is read is asked for, and no more."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key, self._size, self._at = store, key, store.size(key), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        length = self._size - self._at if size is None or size < 0 else min(size, self._size - self._at)
        body = bytes(self._store.get_range(self._key, self._at, length)) if length > 0 else b""
        self._at += len(body)
        return body
