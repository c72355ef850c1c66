"""A database of waveforms and what belongs to them: saved, read, brought up to date and deleted by MsPASS's rules.

The methods are those that MsPASS's users know, of the same names and with the same documents behind them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, Unpack

import pymongo.database
from bson import ObjectId
from obspy import Stream, Trace
from pymongo import MongoClient
from pymongo.cursor import Cursor

from seisbatch.mongo import catalog as catalogs
from seisbatch.mongo import linking, maintain, stations
from seisbatch.mongo.connect import Document
from seisbatch.mongo.convert import time_series_or_dead
from seisbatch.mongo.data import Datum, Ensemble, Seismogram, SeismogramEnsemble, TimeSeriesEnsemble
from seisbatch.mongo.deleting import Deleted, delete
from seisbatch.mongo.document_schema import Kind, Mode, Schema, load_schema
from seisbatch.mongo.ensembles import MAX_BYTES, MAX_MEMBERS, read_ensemble
from seisbatch.mongo.logs import bury, save_elog_of_ensemble
from seisbatch.mongo.objects import Stores
from seisbatch.mongo.outgoing import WriteOptions
from seisbatch.mongo.reading import Reading, read_datum
from seisbatch.mongo.saving import Destination, returned, save_datum
from seisbatch.mongo.storage import BINARY, GRIDFS
from seisbatch.mongo.updating import update_datum, update_samples

TIME_SERIES, SEISMOGRAM = "wf_TimeSeries", "wf_Seismogram"
D = TypeVar("D", bound=Datum)


class Database(pymongo.database.Database[Document]):
    """A database of MongoDB, as pymongo has it, with methods for data.

    ``db_schema`` is the collection that methods mean where none is named: ``wf_TimeSeries`` or ``wf_Seismogram``. What
    collections hold is in ``schema``: what ships with this package, or with the file of a user's own (a path) over it.
    ``stores`` is how objects on S3 are reached that documents refer to.

    No method raises for a datum that is not as it should be: it is repaired, or killed and buried in ``cemetery``, and its log
    tells (:class:`~seisbatch.mongo.elog.Badness` says how bad it is). What is wrong with the call is a ValueError, with the
    server an error of pymongo, with the disk a RunError or Denied.

    >>> from pymongo import MongoClient
    >>> database = Database(MongoClient("mongodb://localhost:27017", connect=False), "tohoku")
    >>> database.wf_TimeSeries.full_name
    'tohoku.wf_TimeSeries'
    """

    def __init__(
        self,
        client: MongoClient[Document],
        name: str,
        db_schema: str = TIME_SERIES,
        *,
        schema: Schema | Path | str | None = None,
        stores: Stores | None = None,
    ) -> None:
        super().__init__(client, name)
        self._stores = stores or Stores()
        self._schema = schema if isinstance(schema, Schema) else load_schema(schema)
        self._default = self._waveforms(db_schema)

    @property
    def schema(self) -> Schema:
        """What the collections hold."""
        return self._schema

    def _waveforms(self, collection: str) -> str:
        if self._schema.collection(collection).kind is not Kind.WAVEFORMS:
            raise ValueError(f"{collection} holds no waveforms")
        return collection

    def _collection_of(self, datum: Datum, collection: str | None) -> str:
        """The collection that is named, or else the one of that kind of datum."""
        is_seismogram = isinstance(datum, Seismogram)
        if collection is not None:
            if self._holds_seismograms(self._waveforms(collection)) != is_seismogram:
                raise ValueError(f"{collection} holds no {type(datum).__name__}")
            return collection
        if self._holds_seismograms(self._default) == is_seismogram:
            return self._default
        return SEISMOGRAM if is_seismogram else TIME_SERIES

    def _holds_seismograms(self, collection: str) -> bool:
        return "tmatrix" in self._schema.required(collection)

    # --- create -------------------------------------------------------------------------------------------------------

    def save_data(
        self,
        data: Datum | Ensemble[Any] | Trace | Stream,
        *,
        mode: Mode | str = Mode.PROMISCUOUS,
        storage_mode: str = GRIDFS,
        dir: str | Path | None = None,
        dfile: str | None = None,
        format: str = BINARY,
        reference: Mapping[str, Any] | None = None,
        exclude_keys: Collection[str] = (),
        collection: str | None = None,
        data_tag: str | None = None,
        save_history: bool = True,
        alg_id: str = "0",
        return_data: bool = False,
        return_list: Iterable[str] = ("_id",),
    ) -> Any:
        """Save a datum: always as a new document, with a new ``_id``.

        ``data`` is a TimeSeries, a Seismogram, an ensemble of them, or an obspy Trace or Stream. Samples go to GridFS, or with
        ``storage_mode="file"`` to the end of ``dfile`` in ``dir`` (those of the metadata, if not given), as float64, or as
        miniSEED with ``format="MSEED"``; with ``reference`` they stay where its fields say
        (:mod:`seisbatch.mongo.references`). ``exclude_keys`` are not saved. ``data_tag`` marks what is saved; without one a
        tag that the datum had is not saved again. A history, where there is one, is saved unless ``save_history`` is False,
        and rooted anew at what was saved.

        Of normalising collections only ids are saved. A datum with a changed id is killed. In the modes cautious and
        pedantic values of wrong types are converted, or kill it; in all modes MongoDB's own limits are kept, by conversion.
        The samples of dead data are thrown away, the rest is buried in ``cemetery``, or in ``abortions`` if it was never born.

        Returns a dict of ``is_live`` and what ``return_list`` names of the document, or the id of the grave as
        ``cemetery_id`` or ``abortions_id``; with ``return_data`` the datum, which in memory is what its document is. Of
        ensembles and streams a list of these, or the ensemble.
        """
        options = WriteOptions(Mode(mode), _names(exclude_keys), data_tag, save_history, alg_id)
        destination = Destination(storage_mode, dir, dfile, format, dict(reference) if reference is not None else None)
        if isinstance(data, Stream):
            data = TimeSeriesEnsemble([time_series_or_dead(trace) for trace in data])
        members: list[Datum]
        if isinstance(data, Ensemble):
            if reference is not None and len(data.members) > 1:
                raise ValueError("a reference is that of one datum: save the members one by one")
            data.metadata_to_members()
            members = list(data.members)
        else:
            data = time_series_or_dead(data) if isinstance(data, Trace) else data
            members = [data]
        places = [(self._collection_of(member, collection), destination.of(member)) for member in members]
        told = [self._save(member, *place, options, tuple(return_list)) for member, place in zip(members, places, strict=True)]
        if isinstance(data, Ensemble):
            save_elog_of_ensemble(self, data, data_tag)
            return data if return_data else told
        return data if return_data else told[0]

    def save_ensemble_data(self, ensemble: Ensemble[Any], **options: Any) -> Any:
        """Save the members of an ensemble, as :meth:`save_data` does, with its options.

        First the ensemble's metadata are copied to each member, over its own of the same name.
        """
        return self.save_data(ensemble, **options)

    def _save(
        self, datum: Datum, name: str, destination: Destination, options: WriteOptions, wanted: tuple[str, ...]
    ) -> Document:
        document = save_datum(self, self._schema, datum, name, destination, options)
        place = None if document is not None else self._bury(datum, name, options.data_tag)
        return returned(datum, document, place, wanted)

    def _bury(self, datum: Datum, collection: str, data_tag: str | None = None) -> tuple[str, ObjectId]:
        grave = bury(self, datum, collection, data_tag)
        if datum.npts:
            datum.discard_samples()
        return grave

    def save_catalog(self, catalog: Any, *, mspass_pickles: bool = False) -> catalogs.SavedCatalog:
        """Save QuakeML or an obspy Catalog in ``source``; see :func:`seisbatch.mongo.catalog.save_catalog`."""
        return catalogs.save_catalog(self, catalog, mspass_pickles)

    def save_inventory(self, inventory: Any, *, mspass_pickles: bool = False) -> stations.SavedInventory:
        """Save StationXML or an obspy Inventory in ``site`` and ``channel``, each epoch once.

        See :func:`seisbatch.mongo.stations.save_inventory`.
        """
        return stations.save_inventory(self, inventory, mspass_pickles)

    # --- read ---------------------------------------------------------------------------------------------------------

    def read_data(self, id: Any, *, collection: str | None = None, **options: Unpack[Reading]) -> Any:
        """Read a datum, a TimeSeries or Seismogram, by its ``_id`` or a document that has one; None where there is none of it.

        ``options`` are ``mode``, ``normalize``, ``required``, ``load_history`` and ``exclude_keys``, as
        :func:`seisbatch.mongo.reading.read_datum` tells. A cursor is read as an ensemble, as :meth:`read_ensemble_data` does.

        What could not be read, or was killed for a value's type, comes back dead, its log says why, and a document of
        ``abortions`` keeps both.
        """
        if isinstance(id, Cursor):
            return self.read_ensemble_data(id, collection=collection, **options)
        name = collection or self._default
        datum = read_datum(self, self._schema, id, name, **({"stores": self._stores} | options))
        if datum is not None and not datum.live:
            bury(self, datum, name)
        return datum

    def read_ensemble_data(
        self,
        ids: Iterable[Any],
        *,
        collection: str | None = None,
        max_members: int = MAX_MEMBERS,
        max_bytes: int = MAX_BYTES,
        **options: Unpack[Reading],
    ) -> TimeSeriesEnsemble | SeismogramEnsemble:
        """Read the data of ids, or of a cursor's documents, as one ensemble, with the options of :meth:`read_data`.

        The limits are those of :func:`seisbatch.mongo.ensembles.read_ensemble`. Dead data are in ``dead`` of the ensemble, and
        in ``abortions``.
        """
        name, limits = collection or self._default, {"max_members": max_members, "max_bytes": max_bytes}
        ensemble = read_ensemble(self, self._schema, ids, name, **limits, **({"stores": self._stores} | options))
        for datum in ensemble.dead:
            bury(self, datum, name)
        return ensemble

    def read_response(self, waveform: Any) -> Any:
        """The response of the channel epoch that a datum, its document or a ``channel_id`` refers to: an obspy Inventory.

        See :func:`seisbatch.mongo.stations.response_of`.
        """
        return stations.response_of(self, waveform)

    def normalize(
        self, collection: str | None = None, query: Mapping[str, Any] | None = None, **options: Any
    ) -> linking.Linked:
        """Link documents of waveforms to ``site``, ``channel`` and ``source`` by codes and times.

        See :func:`seisbatch.mongo.linking.link` for the options.
        """
        return linking.link(self, self._schema, collection or self._default, query, **options)

    # --- update -------------------------------------------------------------------------------------------------------

    def update_metadata(
        self,
        datum: D,
        *,
        mode: Mode | str = Mode.CAUTIOUS,
        collection: str | None = None,
        exclude_keys: Collection[str] = (),
        ignore_metadata_changed_test: bool = False,
        data_tag: str | None = None,
    ) -> D:
        """Write what was changed in a datum's metadata to the document that it was read from or saved as; the datum.

        Only changed keys travel, all of them with ``ignore_metadata_changed_test``, those of ``exclude_keys`` never. A
        deleted key is deleted. Read-only keys, those of normalising collections and where the samples are stay as they are in
        the document: the changed value is saved under another name, and logged. A changed id of a normalising document kills
        the datum and sends it to the cemetery, as does a value of a wrong type, by ``mode``. ``data_tag`` replaces the tag.

        ``collection`` is by default the one that it was read from or saved in. ValueError for a datum that was never saved.
        """
        name = self._updated(datum, collection)
        options = WriteOptions(Mode(mode), _names(exclude_keys), data_tag)
        done = update_datum(self, self._schema, datum, name, options, every_key=ignore_metadata_changed_test)
        if not done:
            self._bury(datum, name, data_tag)
        return datum

    def update_data(
        self,
        datum: D,
        *,
        mode: Mode | str = Mode.CAUTIOUS,
        storage_mode: str = GRIDFS,
        dir: str | Path | None = None,
        dfile: str | None = None,
        format: str = BINARY,
        collection: str | None = None,
        exclude_keys: Collection[str] = (),
        data_tag: str | None = None,
        save_history: bool = True,
        alg_id: str = "0",
    ) -> D:
        """Put a datum's samples in the place of those of its document, and write what was changed in its metadata; the datum.

        The new samples are saved as :meth:`save_data` does, whatever the old ones were saved as; what GridFS held of the old
        ones is deleted, a file keeps them. Otherwise as :meth:`update_metadata`.
        """
        name = self._updated(datum, collection)
        options = WriteOptions(Mode(mode), _names(exclude_keys), data_tag, save_history, alg_id)
        destination = Destination(storage_mode, dir, dfile, format).of(datum)
        done = update_samples(self, self._schema, datum, name, destination, options)
        if not done:
            self._bury(datum, name, data_tag)
        return datum

    def _updated(self, datum: Datum, collection: str | None) -> str:
        if "_id" not in datum.metadata.loaded:
            raise ValueError(f"{datum!r} was neither read nor saved: there is no document to update; save_data makes one")
        return self._collection_of(datum, collection or datum.collection)

    # --- delete -------------------------------------------------------------------------------------------------------

    def delete_data(
        self,
        id: Any,
        remove_unreferenced_files: bool = False,
        clear_history: bool = True,
        clear_elog: bool = False,
        *,
        collection: str | None = None,
    ) -> Deleted:
        """Delete a datum: its document and what GridFS has of it, by its ``_id``; see :meth:`delete_many_data`."""
        return self.delete_many_data([id], remove_unreferenced_files, clear_history, clear_elog, collection=collection)

    def delete_many_data(
        self,
        ids: Iterable[Any],
        remove_unreferenced_files: bool = False,
        clear_history: bool = True,
        clear_elog: bool = False,
        *,
        collection: str | None = None,
    ) -> Deleted:
        """Delete data by their ``_id``s; how many documents and files there were.

        With ``remove_unreferenced_files`` files that no other document names by ``dir`` and ``dfile`` go too: that is asked
        once for all of the ids. ``clear_history`` and ``clear_elog`` delete their histories and logs. Documents of normalising
        collections are refused, by a ValueError: nothing tells what refers to them.
        """
        return delete(
            self, self._schema, collection or self._default, ids, remove_unreferenced_files=remove_unreferenced_files,
            clear_history=clear_history, clear_elog=clear_elog,
        )  # fmt: skip

    # --- upkeep -------------------------------------------------------------------------------------------------------

    def clean(self, collection: str | None = None, query: Mapping[str, Any] | None = None, **options: Any) -> maintain.Cleaned:
        """Set documents right by the schema, a dry run unless ``dry_run=False``; see :func:`seisbatch.mongo.maintain.clean`."""
        return maintain.clean(self, self._schema, collection or self._default, query, **options)

    def verify(
        self,
        collection: str | None = None,
        query: Mapping[str, Any] | None = None,
        tests: Collection[str] = maintain.TESTS,
    ) -> Iterator[maintain.Verified]:
        """What is wrong with documents by the schema; see :func:`seisbatch.mongo.maintain.verify`."""
        return maintain.verify(self, self._schema, collection or self._default, query, tests)


def _names(keys: Collection[str]) -> frozenset[str]:
    if isinstance(keys, str):
        raise ValueError(f"exclude_keys is a list of keys, not {keys!r}")
    return frozenset(keys)
