"""Files that say what documents hold: read, laid over one another, and refused where they say what cannot be."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seisbatch.mongo.document_types import TYPES
from seisbatch.outcome import RunError

KINDS = ("waveforms", "normalising", "log")
GRIDFS = "fs.files"
"""The collection of GridFS that ids of samples refer to; MongoDB's drivers know its documents, not the schema."""
ID: Mapping[str, Any] = {"type": "ObjectId", "required": True, "read_only": True}
IDS = ("ObjectId", "string", "int")
"""Types of fields that refer to other documents."""
LARGEST = 1_000_000
"""Bytes of a file; more is no schema."""

Tables = dict[str, dict[str, Any]]
_ABOUT_COLLECTION = {"kind": str, "like": str, "fields": dict}
_ABOUT_FIELD = {"type": str, "aliases": list, "required": bool, "read_only": bool, "excluded": bool, "reference": str}
_COLLECTION_NAME = re.compile(r"(?!system\.)[A-Za-z_][\w.-]{0,119}", re.ASCII)
_FIELD_NAME = re.compile(r"[^.$\0][^.\0]{0,119}")


class SchemaError(RunError, ValueError):
    """A file cannot be read as a schema; the message names the file, the collection and the field."""


def parsed(content: bytes | Path, source: str) -> Tables:
    """The tables of a file, or of its content, with every field as a table; ``source`` is its name in errors."""
    if isinstance(content, Path):
        try:
            with content.open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as error:
            raise SchemaError(f"{source} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise SchemaError(f"{source} is larger than {LARGEST} bytes")
    try:
        tables = tomllib.loads(content.decode())
    except RecursionError:
        raise SchemaError(f"{source} is nested too deeply") from None
    except ValueError as error:  # of TOML, UTF-8 or a number
        raise SchemaError(f"{source} is no TOML: {error}") from None
    for name, table in tables.items():
        place = f"{source}, collection {name!r}"
        if not _COLLECTION_NAME.fullmatch(name):
            raise SchemaError(f"{place}: MongoDB has no collections of such a name")
        _expect(table, _ABOUT_COLLECTION, place)
        table["fields"] = {key: _field(about, key, f"{place}, field {key!r}") for key, about in table.get("fields", {}).items()}
    return tables


def _field(about: Any, key: str, place: str) -> dict[str, Any]:
    if not _FIELD_NAME.fullmatch(key):
        raise SchemaError(f"{place}: a key holds no . and does not start with $")
    about = {"type": about} if isinstance(about, str) else about
    _expect(about, _ABOUT_FIELD, place)
    if about.get("type", "int") not in TYPES:
        raise SchemaError(f"{place}: unknown type {about['type']!r}; types are {', '.join(TYPES)}")
    for alias in about.get("aliases", ()):
        if not isinstance(alias, str) or not _FIELD_NAME.fullmatch(alias):
            raise SchemaError(f"{place}: {alias!r} cannot be an alias")
    return dict(about)


def _expect(about: Any, known: Mapping[str, type], place: str) -> None:
    """Refuse what is no table, and what a table says besides what is known or as another type."""
    if not isinstance(about, dict):
        raise SchemaError(f"{place}: expected a table, not {about!r:.60}")
    for key, value in about.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise SchemaError(f"{place}: unknown {key!r}; {hint}")
        if not isinstance(value, known[key]):
            raise SchemaError(f"{place}: {key} must be a {known[key].__name__}, not {value!r:.60}")


def merged(below: Tables, above: Tables, source: str) -> Tables:
    """Tables laid over others: collections and fields are added, and of those that are there what is named is replaced."""
    found = {name: {**table, "fields": dict(table["fields"])} for name, table in below.items()}
    for name, table in above.items():
        there = found.setdefault(name, {"fields": {}})
        for key in ("kind", "like"):
            if name in below and table.get(key, there.get(key)) != there.get(key):
                raise SchemaError(f"{source}, collection {name!r}: its {key} cannot be changed")
        fields = {key: {**there["fields"].get(key, {}), **about} for key, about in table["fields"].items()}
        there.update({**table, "fields": {**there["fields"], **fields}})
    return found


def validated(tables: Tables, source: str) -> Tables:
    """Tables with the fields of what each collection is like, and its ``_id``; refused where they do not go together."""
    whole: Tables = {}
    for name, table in tables.items():
        place = f"{source}, collection {name!r}"
        if table.get("kind") not in KINDS:
            raise SchemaError(f"{place}: its kind must be one of {', '.join(KINDS)}, not {table.get('kind')!r}")
        fields: dict[str, dict[str, Any]] = {"_id": dict(ID)}
        for line in reversed(_ancestry(name, tables, place)):
            for key, about in tables[line]["fields"].items():
                fields[key] = {**fields.get(key, {}), **about}
        whole[name] = {"kind": table["kind"], "fields": fields}
    for name, table in whole.items():
        _check_fields(table["fields"], whole.keys(), f"{source}, collection {name!r}")
    return whole


def _ancestry(name: str, tables: Tables, place: str) -> list[str]:
    """A collection, what it is like, what that is like."""
    line = [name]
    while like := tables[line[-1]].get("like"):
        if like not in tables:
            raise SchemaError(f"{place}: it is like {like!r}, which is not there")
        if like in line:
            raise SchemaError(f"{place}: it is like itself, by {' and '.join(line)}")
        line.append(like)
    return line


def _check_fields(fields: Mapping[str, Mapping[str, Any]], collections: Iterable[str], place: str) -> None:
    taken = dict.fromkeys(fields, "the name of a field")
    for key, about in fields.items():
        here = f"{place}, field {key!r}"
        if "type" not in about:
            raise SchemaError(f"{here}: it has no type; types are {', '.join(TYPES)}")
        reference = about.get("reference")
        if reference is not None and reference not in (*collections, GRIDFS):
            raise SchemaError(f"{here}: it refers to the collection {reference!r}, which is not there")
        if reference is not None and about["type"] not in IDS:
            raise SchemaError(f"{here}: an id is {', '.join(IDS)}, not {about['type']}")
        for alias in about.get("aliases", ()):
            if alias in taken:
                raise SchemaError(f"{here}: its alias {alias!r} is {taken[alias]} already")
            taken[alias] = f"an alias of {key!r}"
