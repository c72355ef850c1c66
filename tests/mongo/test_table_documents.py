"""Rows of tables as documents: those that the same files give by other ways, and MsPASS's."""

from __future__ import annotations

import datetime as dt
import io

import numpy as np
import obspy
import pytest
from bson import ObjectId
from seisbatch.acquire.inventory import read_inventory
from seisbatch.acquire.quakeml import event_row
from seisbatch.mongo.catalog import save_catalog
from seisbatch.mongo.stations import save_inventory
from seisbatch.mongo.table_documents import (
    cemetery_document,
    correlation_document,
    event_document,
    piece_document,
    station_documents,
    waveform_document,
)
from seisbatch.schema import CCF

from tests.mongo.mspass_documents import bson_types, mspass_document, mspass_documents

UTC = dt.UTC
START = dt.datetime(2023, 12, 31, 5, 46, 23, 200_000, tzinfo=UTC)
CODES = {"net": "BW", "sta": "RJOB", "loc": "", "chan": "EHZ"}


def waveform_row(**more):
    row = CODES | {
        "id": "BW.RJOB..EHZ/w/0", "starttime": START, "endtime": START + dt.timedelta(seconds=30), "sampling_rate": 100.0,
        "npts": 3001, "units": "counts", "data_tag": "raw", "window": "w", "lat": 47.7, "elev": 0.86, "source_lat": 1.0,
        "s3key": "a/b.ms", "parameters_id": "abc", "encoding": "miniseed", "samples": b"x",
    }  # fmt: skip
    return row | more


def test_stations_are_those_that_save_inventory_saves(mongo_database):
    buffer = io.BytesIO()
    obspy.read_inventory().write(buffer, format="STATIONXML")
    save_inventory(mongo_database, buffer.getvalue())
    found = read_inventory(buffer.getvalue())
    problems: list[str] = []
    documents = list(station_documents(found.sites, found.channels, found.responses, problems))
    assert not problems
    for name in ("site", "channel"):
        mine = {one["_id"]: one for collection, one in documents if collection == name}
        assert mine == {one["_id"]: one for one in mongo_database[name].find()}


def test_events_are_those_that_save_catalog_saves(mongo_database):
    catalog = obspy.read_events()
    save_catalog(mongo_database, catalog)
    documents = {}
    for event in catalog:
        row = event_row(event)
        document = event_document({"source_id": row["event_id"], **row, "catalog": "c.xml", "s3key": None})
        assert document.pop("catalog") == "c.xml"
        document.pop("event_type", None)
        documents[document["_id"]] = document
    assert documents == {one["_id"]: one for one in mongo_database.source.find()}


def test_a_waveform_has_mspasss_fields_and_refers_to_documents(mongo_database):
    buffer = io.BytesIO()
    obspy.read_inventory().write(buffer, format="STATIONXML")
    save_inventory(mongo_database, buffer.getvalue())
    found = read_inventory(buffer.getvalue())
    channel = next(row for row in found.channels if row["sta"] == "RJOB" and row["chan"] == "EHZ" and row["endtime"] is None)
    row = waveform_row(site_id=channel["site_id"], channel_id=channel["channel_id"], source_id="smi:local/1")
    document = waveform_document(row)
    wanted = bson_types(mspass_document("wf_TimeSeries: storage_mode gridfs, straight after save_data"))
    for name in ("calib", "gridfs_id", "storage_mode"):  # which it does not know, or which the writer of samples says
        del wanted[name]
    assert {name: bson_types(document[name]) for name in wanted} == wanted
    assert document["starttime"] == pytest.approx(obspy.UTCDateTime(START.isoformat()).timestamp, abs=1e-6)
    assert document["delta"] == 0.01
    assert not {"samples", "loc", "source_lat", "encoding"} & document.keys()
    assert mongo_database.channel.find_one({"_id": document["channel_id"]})["chan"] == "EHZ"
    assert mongo_database.site.find_one({"_id": document["site_id"]})["sta"] == "RJOB"
    assert type(document["source_id"]) is ObjectId


def test_ids_follow_from_what_a_row_is_and_from_its_data_set():
    first = waveform_document(waveform_row())["_id"]
    assert waveform_document(waveform_row(npts=5))["_id"] == first
    others = [waveform_document(waveform_row(**{name: "other"}))["_id"] for name in ("id", "data_tag", "parameters_id")]
    assert len({first, *others}) == 4


def test_the_dead_have_a_tombstone_and_a_log():
    row = CODES | {"unit": "BW.RJOB..EHZ/w", "starttime": START, "endtime": START, "data_tag": "raw", "outcome": "missing",
                   "reason": "no such object", "parameters_id": "abc"}  # fmt: skip
    document = cemetery_document(row, "cut_windows")
    wanted = bson_types(mspass_document("cemetery: a new datum killed, saved"))
    assert bson_types(document["logdata"]) == wanted["logdata"][:1]
    assert document["logdata"][0]["error_message"] == "missing: no such object"
    stone = document["tombstone"]
    assert (stone["loc"], stone["sta"], type(stone["starttime"])) == ("", "RJOB", float)


def test_a_correlation_keeps_its_samples_as_float32():
    lags = np.linspace(-1, 1, 401, dtype=np.float32)
    pair = {f"{role}_{code}": value for role in ("source", "receiver") for code, value in CODES.items()}
    row = pair | {
        "date": dt.date(2024, 1, 2),
        "starttime": START,
        "endtime": START,
        "samples": lags.tolist(),
        "parameters_id": "p",
    }
    document = correlation_document(CCF, row)
    np.testing.assert_array_equal(np.frombuffer(document["samples"], "<f4"), lags)
    assert (document["date"], document["encoding"]) == ("2024-01-02", "float32")
    assert "distance" not in document


def test_a_piece_of_an_object_is_what_mspass_indexes():
    row = CODES | {"archive": "scedc", "s3key": "2011/2011_070/a.ms", "starttime": START, "endtime": START, "npts": 3000,
                   "sampling_rate": 100.0, "foff": 512, "nbytes": 1024, "reclen": 512, "loc": "00"}  # fmt: skip
    on_disk = piece_document(row, "/some/dir")
    title = next(one for one in mspass_documents() if one.startswith("wf_miniseed"))
    wanted = bson_types(mspass_document(title))
    known = {name: type_ for name, type_ in wanted.items() if "_" not in name or name in ("storage_mode", "time_standard")}
    assert {name: bson_types(on_disk[name]) for name in known} == known
    assert (on_disk["dir"], on_disk["dfile"], on_disk["foff"]) == ("/some/dir/2011/2011_070", "a.ms", 512)
    assert piece_document(row, "s3://bucket")["url"] == "s3://bucket/2011/2011_070/a.ms"
