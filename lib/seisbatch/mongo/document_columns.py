"""Documents as columns, as Spark's connector takes them: how each kind of value becomes the one of BSON that it should.

The connector makes of a string that looks like JSON what it says, so an ObjectId is written ``{"$oid": "..."}``, and a list or
a sub-document as extended JSON. A plain text that happens to look like JSON would become a document too, and whole numbers are
columns of int32, as MsPASS has them: documents that the columns cannot hold are told apart here, to be written another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bson import ObjectId, json_util

from seisbatch.mongo.connect import Document

INT32 = np.iinfo(np.int32)


class Kind(Enum):
    """What a field is in BSON."""

    TEXT = "string"
    DOUBLE = "double"
    INT = "int"
    BOOL = "bool"
    BINARY = "binary"
    ID = "ObjectId"
    """As a column, its 24 hexadecimal digits."""
    EMBEDDED = "a list or a sub-document"
    """As a column, extended JSON."""


Fields = Mapping[str, Kind]
Columns = dict[str, pa.Array]
_TYPES = {Kind.DOUBLE: pa.float64(), Kind.INT: pa.int64(), Kind.BOOL: pa.bool_(), Kind.BINARY: pa.binary()}
_LOOKS_LIKE_JSON = r"(?s)^(\{.*\}|\[.*\])$"


def connector_schema(fields: Fields) -> pa.Schema:
    """What the connector is given; a null is a field that the document does not have."""
    types = {kind: pa.int32() if kind is Kind.INT else _type(kind) for kind in Kind}
    return pa.schema([(name, types[kind]) for name, kind in fields.items()])


def _type(kind: Kind) -> pa.DataType:
    return _TYPES.get(kind, pa.string())


def for_connector(fields: Fields, columns: Columns) -> tuple[pa.RecordBatch, list[Document]]:
    """A batch for the connector, and the documents that it cannot be given, which are not in the batch.

    A field without a column is one that none of the documents has.
    """
    odd = _is_odd(fields, columns)
    others: list[Document] = []
    if pc.any(odd).as_py():
        others = list(documents(fields, {name: column.filter(odd) for name, column in columns.items()}))
        kept = pc.invert(odd)
        columns = {name: column.filter(kept) for name, column in columns.items()}
    n_rows = len(columns["_id"])
    schema = connector_schema(fields)
    arrays = [
        _encoded(kind, columns[name]) if name in columns else pa.nulls(n_rows, schema.field(name).type)
        for name, kind in fields.items()
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema), others


def _is_odd(fields: Fields, columns: Columns) -> pa.BooleanArray:
    odd = pa.array(np.zeros(len(columns["_id"]), np.bool_))
    for name, column in columns.items():
        if fields[name] is Kind.TEXT:
            strange = pc.match_substring_regex(column, _LOOKS_LIKE_JSON)
        elif fields[name] is Kind.INT:
            strange = pc.or_(pc.greater(column, int(INT32.max)), pc.less(column, int(INT32.min)))
        else:
            continue
        odd = pc.or_(odd, pc.fill_null(strange, False))
    return odd


def _encoded(kind: Kind, column: pa.Array) -> pa.Array:
    match kind:
        case Kind.ID:
            return pc.binary_join_element_wise('{"$oid":"', column, '"}', "")
        case Kind.INT:
            return column.cast(pa.int32())
        case _:
            return column


def columns_of(fields: Fields, rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Documents as columns; what is None is as what is not there."""
    return {name: pa.array([_plain(kind, row.get(name)) for row in rows], _type(kind)) for name, kind in fields.items()}


def _plain(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    match kind:
        case Kind.ID:
            return str(value)
        case Kind.EMBEDDED:
            return embedded(value)
        case _:
            return value


def embedded(value: Any) -> str:
    """A list or a sub-document as extended JSON that keeps the types of all that is in it."""
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)


def documents(fields: Fields, columns: Columns) -> Iterator[Document]:
    """Documents out of their columns."""
    lists = [columns[name].to_pylist() for name in columns]
    kinds = [fields[name] for name in columns]
    for values in zip(*lists, strict=True):
        told = zip(columns, kinds, values, strict=True)
        yield {name: _value(kind, value) for name, kind, value in told if value is not None}


def _value(kind: Kind, value: Any) -> Any:
    match kind:
        case Kind.ID:
            return ObjectId(value)
        case Kind.EMBEDDED:
            return json_util.loads(value, json_options=json_util.CANONICAL_JSON_OPTIONS)
        case _:
            return value


def seconds(column: pa.Array) -> pa.Array:
    """Times of microseconds as epoch seconds."""
    return pc.divide(column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).cast(pa.float64()), 1e6)
