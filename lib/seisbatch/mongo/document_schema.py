"""What the documents of MongoDB hold, as ``documents.toml`` and a user's own file in its form say; documents checked by it.

>>> schema = load_schema()
>>> schema.canonical("wf_TimeSeries", "dt"), schema.type_of("wf_TimeSeries", "channel_hang")
('delta', 'double')
>>> schema.checked({"npts": "3", "delta": 1}, "wf_TimeSeries", "cautious").document
{'npts': 3, 'delta': 1.0}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from seisbatch.mongo.connect import Document
from seisbatch.mongo.document_types import converted, is_of, shown, type_name
from seisbatch.mongo.schema_file import merged, parsed, validated


class Kind(StrEnum):
    """What a collection is for."""

    WAVEFORMS = "waveforms"
    """One document a datum."""
    NORMALISING = "normalising"
    """What many data share, such as a station; read-only to processing."""
    LOG = "log"
    """What became of data; never cleaned."""


class Mode(StrEnum):
    """What is done about values of wrong types when documents are read or written."""

    PROMISCUOUS = "promiscuous"
    """Nothing: the document is taken as it is."""
    CAUTIOUS = "cautious"
    """They are converted where that loses nothing; else the datum is killed."""
    PEDANTIC = "pedantic"
    """The datum is killed."""


@dataclass(frozen=True)
class SchemaField:
    """A field of a collection."""

    name: str
    type: str
    aliases: tuple[str, ...] = ()
    required: bool = False
    read_only: bool = False
    excluded: bool = False
    """Whether it is left out where documents are read into data."""
    reference: str | None = None
    """The collection whose ``_id`` it repeats."""


@dataclass(frozen=True)
class SchemaCollection:
    """A collection and its fields, by their names."""

    name: str
    kind: Kind
    fields: Mapping[str, SchemaField]

    @cached_property
    def by_any_name(self) -> Mapping[str, SchemaField]:
        """Its fields by their names and aliases."""
        return {name: field for field in self.fields.values() for name in (field.name, *field.aliases)}


@dataclass(frozen=True)
class Conversion:
    """A value that became another type."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Problem:
    """A value of a wrong type that was not converted; ``message`` names key, value and types in one line."""

    key: str
    message: str


@dataclass(frozen=True)
class Checked:
    """A document, what was converted in it, and why its datum is to be killed, if anything."""

    document: Document
    conversions: tuple[Conversion, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The collections, by their names. Every answer about one that it does not have is a ValueError."""

    collections: Mapping[str, SchemaCollection]

    def collection(self, name: str) -> SchemaCollection:
        """A collection."""
        if name not in self.collections:
            raise ValueError(f"the schema has no collection {name}; it has {', '.join(self.collections)}")
        return self.collections[name]

    def field(self, collection: str, key: str) -> SchemaField | None:
        """The field that a key stands for, by name, by alias or as a value of a normalising collection; None if unknown."""
        if found := self.collection(collection).by_any_name.get(key):
            return found
        prefix = self._prefix(collection, key)
        return self.collections[prefix[:-1]].fields.get(key.removeprefix(prefix)) if prefix else None

    def canonical(self, collection: str, key: str) -> str:
        """The name of the field that a key is an alias of; other keys as they are."""
        found = self.collection(collection).by_any_name.get(key)
        return found.name if found else key

    def type_of(self, collection: str, key: str) -> str | None:
        """The type of a key's field; None of a key that the schema does not know."""
        found = self.field(collection, key)
        return found.type if found else None

    def required(self, collection: str) -> tuple[str, ...]:
        """The fields that every document must have."""
        return tuple(field.name for field in self.collection(collection).fields.values() if field.required)

    def missing(self, document: Mapping[str, Any], collection: str) -> tuple[str, ...]:
        """The required fields that a document has neither by name nor by alias."""
        there = {self.canonical(collection, key) for key in document}
        return tuple(name for name in self.required(collection) if name not in there)

    def undefined(self, document: Mapping[str, Any], collection: str) -> tuple[str, ...]:
        """The keys of a document that the schema does not know."""
        return tuple(key for key in document if self.field(collection, key) is None)

    def references(self, collection: str) -> Mapping[str, str]:
        """The fields that repeat an ``_id``, each with the collection whose it is."""
        return {field.name: field.reference for field in self.collection(collection).fields.values() if field.reference}

    def normalised_prefixes(self, collection: str) -> tuple[str, ...]:
        """What keys of a datum start with that are values of a document that its ids refer to, such as ``site_``."""
        return self._prefixes[self.collection(collection).name]

    def is_normalised(self, collection: str, key: str) -> bool:
        """Whether a key is a value of a normalising collection, which is never saved with a datum; its ids are none."""
        return bool(self._prefix(collection, key))

    def is_read_only(self, collection: str, key: str) -> bool:
        """Whether processing must leave a key as it is; so it must all that normalising collections hold."""
        found = self.collection(collection)
        named = found.by_any_name.get(key)
        return found.kind is Kind.NORMALISING or bool(named and named.read_only) or self.is_normalised(collection, key)

    def excluded(self, collection: str) -> tuple[str, ...]:
        """The keys of a collection's documents that are left out where data are read, aliases too."""
        return tuple(key for key, field in self.collection(collection).by_any_name.items() if field.excluded)

    def is_excluded(self, collection: str, key: str) -> bool:
        """Whether a key of a datum is left out where it is read, as one of its own or of a normalising collection."""
        found = self.field(collection, key)
        return bool(found and found.excluded)

    def is_immutable(self, collection: str, key: str) -> bool:
        """Whether a key is the id of a normalising document: a datum whose id was changed is killed."""
        return f"{key.removesuffix('_id')}_" in self.normalised_prefixes(collection) and key.endswith("_id")

    def checked(self, document: Mapping[str, Any], collection: str, mode: Mode | str) -> Checked:
        """A document with its values' types checked as a mode says; aliases keep their names, unknown keys their values.

        Only types are looked at: what a document must hold is another question (:meth:`missing`), as a new datum gets its
        ``_id`` when it is saved. The document given is not changed. Raises ValueError of an unknown mode or collection.
        """
        mode, found = Mode(mode), dict(document)
        self.collection(collection)
        conversions, problems = [], []
        for key, value in document.items() if mode is not Mode.PROMISCUOUS else ():
            wanted = self.type_of(collection, key)
            if wanted is None or is_of(value, wanted):
                continue
            if mode is Mode.PEDANTIC:
                problems.append(Problem(key, f"{key}: {shown(value)} is {type_name(value)}, not {wanted}"))
                continue
            try:
                found[key] = converted(value, wanted)
            except ValueError as error:
                problems.append(Problem(key, f"{key}: {error}"))
            else:
                conversions.append(Conversion(key, value, found[key]))
        return Checked(found, tuple(conversions), tuple(problems))

    @cached_property
    def _prefixes(self) -> Mapping[str, tuple[str, ...]]:
        normalising = {name for name, found in self.collections.items() if found.kind is Kind.NORMALISING}
        return {
            name: tuple(
                f"{target}_"
                for key, target in self.references(name).items()
                if found.kind is Kind.WAVEFORMS and target in normalising and key == f"{target}_id"
            )
            for name, found in self.collections.items()
        }

    def _prefix(self, collection: str, key: str) -> str:
        """The normalised prefix that a key starts with; empty of ids and other fields of the collection itself."""
        if key in self.collection(collection).by_any_name:
            return ""
        return next((prefix for prefix in self.normalised_prefixes(collection) if key.startswith(prefix)), "")


def load_schema(path: Path | str | None = None) -> Schema:
    """The schema of ``documents.toml``, and of a file of the user's own that adds to it or overrides it.

    Raises :class:`~seisbatch.mongo.schema_file.SchemaError`, which names file, collection and field, of a file that cannot be
    read or says what cannot be.
    """
    shipped = files("seisbatch.mongo").joinpath("documents.toml")
    tables = parsed(shipped.read_bytes(), shipped.name)
    source = shipped.name
    if path is not None:
        source = str(path)
        tables = merged(tables, parsed(Path(path), source), source)
    return Schema({name: _collection(name, table) for name, table in validated(tables, source).items()})


def _collection(name: str, table: Mapping[str, Any]) -> SchemaCollection:
    fields = {
        key: SchemaField(key, **{**about, "aliases": tuple(about.get("aliases", ()))}) for key, about in table["fields"].items()
    }
    return SchemaCollection(name, Kind(table["kind"]), fields)
