"""The schema is that of mspasspy's own documents; values are converted as its readers promise; wrong files are told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bson import Decimal128, Int64, ObjectId
from seisbatch.mongo.document_schema import load_schema
from seisbatch.mongo.schema_file import SchemaError
from seisbatch.outcome import RunError

from tests.mongo.mspass_documents import mspass_documents

HEX = "6b04d0534ec34db51fab873f"


@pytest.fixture(scope="module")
def schema():
    return load_schema()


# --- true to mspasspy ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mspass(schema):
    """What mspasspy wrote in a live run, with the types it has there: (collection, document)."""
    return [
        (one["collection"], one["document"]) for one in mspass_documents().values() if one["collection"] in schema.collections
    ]


def test_documents_of_mspasspy_are_whole_and_of_the_right_types(schema, mspass):
    assert {collection for collection, _ in mspass} == set(schema.collections)
    assert len(mspass) == 18
    for collection, document in mspass:
        found = schema.checked(document, collection, "pedantic")
        assert (collection, found.problems) == (collection, ())
        assert (collection, schema.missing(document, collection)) == (collection, ())


def test_of_the_keys_of_mspasspy_only_those_of_users_are_unknown(schema, mspass):
    unknown = {key for collection, document in mspass for key in schema.undefined(document, collection)}
    assert unknown == {"snr", "tags", "gather"}


def test_every_value_of_mspasspy_is_checked(schema, mspass):
    """Each value replaced by one of another type is found, so no field is let through unlooked at."""
    for collection, document in mspass:
        known = set(document) - {"snr", "tags", "gather"}
        wrong = {key: None if key in known else value for key, value in document.items()}
        assert {problem.key for problem in schema.checked(wrong, collection, "pedantic").problems} == known


def test_the_schema_is_there_in_the_package_that_a_cluster_gets(tmp_path):
    library = Path(__file__).resolve().parents[2] / "lib"
    package = shutil.make_archive(str(tmp_path / "package"), "zip", library, "seisbatch")
    program = "from seisbatch.mongo import document_schema as d; print(d.__file__, *d.load_schema().collections)"
    told = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": package}, capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith(package)
    assert told.split()[1] == "wf_TimeSeries"


# --- what it answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alias", "name"), [("dt", "delta"), ("t0", "starttime"), ("time", "starttime"), ("nsamp", "npts")])
def test_aliases_of_mspass(schema, alias, name):
    assert schema.canonical("wf_Seismogram", alias) == name
    assert schema.type_of("wf_TimeSeries", alias) == schema.type_of("wf_TimeSeries", name)


def test_an_alias_is_one_where_it_is_no_field(schema):
    assert schema.canonical("source", "time") == "time"


def test_required_fields(schema):
    of_all = {"_id", "npts", "delta", "starttime", "utc_convertible", "time_standard", "storage_mode"}
    assert set(schema.required("wf_TimeSeries")) == of_all
    assert set(schema.required("wf_Seismogram")) == of_all | {"tmatrix", "cardinal", "orthogonal"}
    assert set(schema.required("wf_miniseed")) == of_all - {"utc_convertible"}


def test_a_required_field_is_there_by_its_alias(schema):
    document = dict.fromkeys(schema.required("wf_TimeSeries"))
    del document["delta"], document["npts"]
    assert schema.missing(document | {"dt": 1.0}, "wf_TimeSeries") == ("npts",)


def test_what_processing_must_not_change(schema):
    read_only = {"_id", "net", "sta", "chan", "loc", "site_lat", "channel_hang", "source_time", "site_anything"}
    free = {"npts", "delta", "starttime", "data_tag", "snr", "site_id", "channel_id", "source_id", "elog_id"}
    assert {key for key in read_only | free if schema.is_read_only("wf_TimeSeries", key)} == read_only
    ids = {key for key in read_only | free if schema.is_immutable("wf_TimeSeries", key)}
    assert ids == {"site_id", "channel_id", "source_id"}
    assert schema.is_read_only("site", "lat")


def test_normalised_keys_are_values_and_no_ids(schema):
    assert set(schema.normalised_prefixes("wf_miniseed")) == {"site_", "channel_", "source_"}
    assert schema.normalised_prefixes("channel") == schema.normalised_prefixes("elog") == ()
    assert schema.is_normalised("wf_TimeSeries", "source_depth")
    assert not schema.is_normalised("wf_TimeSeries", "source_id")
    assert schema.type_of("wf_TimeSeries", "source_depth") == "double"


def test_references(schema):
    assert dict(schema.references("wf_TimeSeries")) == {
        "gridfs_id": "fs.files",
        "source_id": "source",
        "site_id": "site",
        "channel_id": "channel",
        "elog_id": "elog",
        "history_object_id": "history_object",
    }
    assert schema.references("cemetery")["wf_Seismogram_id"] == "wf_Seismogram"


def test_collections_and_modes_that_are_not_there(schema):
    with pytest.raises(ValueError, match="no collection wf_Timeseries; it has wf_TimeSeries, "):
        schema.type_of("wf_Timeseries", "npts")
    with pytest.raises(ValueError, match="carefree"):
        schema.checked({}, "site", "carefree")


# --- the modes -------------------------------------------------------------------------------------------------------


def test_promiscuous_takes_it_as_it_is(schema):
    document = {"npts": "xyz", "delta": [1], "anything": object}
    found = schema.checked(document, "wf_TimeSeries", "promiscuous")
    assert (found.document, found.conversions, found.problems) == (document, (), ())


CONVERTED = [
    ("npts", "3", 3),
    ("npts", " 3 ", 3),
    ("npts", 3.0, 3),
    ("npts", "3e3", 3000),
    ("npts", np.int64(3), 3),
    ("npts", "9223372036854775807", 2**63 - 1),
    ("npts", Decimal128("12"), 12),
    ("delta", 1, 1.0),
    ("delta", Int64(1), 1.0),
    ("delta", "0.01", 0.01),
    ("delta", "-.5e-3", -0.0005),
    ("dt", 1, 1.0),
    ("site_lat", "47.7", 47.7),
    ("sta", 501, "501"),
    ("utc_convertible", 1, True),
    ("utc_convertible", "False", False),
    ("site_id", HEX, ObjectId(HEX)),
]


@pytest.mark.parametrize(("key", "before", "after"), CONVERTED)
def test_cautious_converts_what_loses_nothing(schema, key, before, after):
    given = {key: before, "tags": ["a"]}
    found = schema.checked(given, "wf_TimeSeries", "cautious")
    assert found.document == {key: after, "tags": ["a"]}
    assert type(found.document[key]) is type(after)
    assert [(one.key, one.before, one.after) for one in found.conversions] == [(key, before, after)]
    assert found.problems == ()
    assert given[key] is before
    assert schema.checked(found.document, "wf_TimeSeries", "pedantic").problems == ()


@pytest.mark.parametrize(("key", "before", "_"), CONVERTED)
def test_pedantic_converts_nothing(schema, key, before, _):
    found = schema.checked({key: before}, "wf_TimeSeries", "pedantic")
    assert found.document[key] is before
    assert found.conversions == ()
    assert [problem.key for problem in found.problems] == [key]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("npts", "xyz"),
        ("npts", 3.5),
        ("npts", True),
        ("npts", float("nan")),
        ("npts", float("inf")),
        ("npts", 2**63),
        ("npts", "9" * 5000),
        ("npts", "1e300"),
        ("npts", "1_0"),
        ("npts", "٣"),
        ("npts", None),
        ("delta", [1.0]),
        ("delta", "nan"),
        ("delta", "1e999"),
        ("delta", False),
        ("delta", 2**60 + 1),
        ("delta", None),
        ("sta", True),
        ("sta", ["RJOB"]),
        ("sta", b"RJOB"),
        ("utc_convertible", 2),
        ("utc_convertible", "yes"),
        ("site_id", "FUR"),
        ("site_id", b"twelve bytes"),
        ("processing", "filter"),
    ],
)
@pytest.mark.parametrize("mode", ["cautious", "pedantic"])
def test_what_cannot_be_converted_kills(schema, key, value, mode):
    found = schema.checked({key: value, "npts_of": 1}, "wf_TimeSeries", mode)
    [problem] = found.problems
    assert problem.message.startswith(f"{key}: ")
    assert schema.type_of("wf_TimeSeries", key) in problem.message
    assert len(problem.message) < 150
    assert found.conversions == ()
    assert found.document[key] is value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("npts", 3),
        ("npts", Int64(2**40)),
        ("delta", float("nan")),
        ("delta", np.float64(0.01)),
        ("utc_convertible", False),
        ("snr", {"rms": 1}),
    ],
)
def test_what_is_right_is_left(schema, key, value):
    for mode in ("cautious", "pedantic"):
        found = schema.checked({key: value}, "wf_TimeSeries", mode)
        assert (found.document[key] is value, found.conversions, found.problems) == (True, (), ())


# --- files of one's own ----------------------------------------------------------------------------------------------


def with_file(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_schema(path)


def test_a_file_of_ones_own_adds_and_overrides(tmp_path):
    mine = with_file(
        tmp_path,
        """
        [wf_TimeSeries.fields]
        snr = "dict"
        delta = { required = false }
        npts = { aliases = ["samples"] }
        shot_id = { type = "ObjectId", reference = "shot" }
        [shot]
        kind = "normalising"
        [shot.fields]
        number = "int"
        """,
    )
    assert mine.type_of("wf_TimeSeries", "snr") == "dict"
    assert mine.type_of("wf_TimeSeries", "delta") == "double"
    assert "delta" not in mine.required("wf_TimeSeries")
    assert mine.canonical("wf_TimeSeries", "samples") == "npts"
    assert mine.canonical("wf_TimeSeries", "nsamp") == "nsamp"
    assert mine.required("shot") == ("_id",)
    assert mine.type_of("wf_TimeSeries", "shot_number") == "int"
    assert mine.is_immutable("wf_TimeSeries", "shot_id")
    assert mine.type_of("wf_Seismogram", "snr") == "dict"
    assert mine.type_of("site", "lat") == "double"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[site", ["is no TOML"]),
        (b"\xff\xfe", ["is no TOML"]),
        ("a = " + "[" * 100_000, ["nested too deeply"]),
        ("a = " + "9" * 10_000, ["is no TOML"]),
        ("#" * 1_000_001, ["larger than"]),
        ("site = 3", ["collection 'site'", "expected a table, not 3"]),
        ("[site]\nfield = {}", ["collection 'site'", "unknown 'field'; did you mean fields?"]),
        ("[site]\nkind = 3", ["collection 'site'", "kind must be a str"]),
        ("[site]\nkind = 'log'", ["collection 'site'", "kind cannot be changed"]),
        ("[elog]\nkind = 'waveforms'", ["collection 'elog'", "kind cannot be changed"]),
        ("[mine.fields]\na = 'int'", ["collection 'mine'", "kind must be one of waveforms, normalising, log"]),
        ("[mine]\nkind = 'logs'", ["collection 'mine'", "not 'logs'"]),
        ("[mine]\nkind = 'log'\nlike = 'yours'", ["collection 'mine'", "like 'yours', which is not there"]),
        ("[a]\nkind = 'log'\nlike = 'b'\n[b]\nkind = 'log'\nlike = 'a'", ["collection 'a'", "like itself"]),
        ("['a$b']\nkind = 'log'", ["collection 'a$b'", "no collections of such a name"]),
        ("['system.users']\nkind = 'log'", ["collection 'system.users'"]),
        ("[site.fields]\nlat = 'float'", ["collection 'site', field 'lat'", "unknown type 'float'; types are double, int"]),
        ("[site.fields]\nlat = 3", ["collection 'site', field 'lat'", "expected a table"]),
        ("[site.fields]\nvault = { required = true }", ["collection 'site', field 'vault'", "has no type"]),
        ("[site.fields]\nlat = { requierd = true }", ["field 'lat'", "did you mean required?"]),
        ("[site.fields]\nlat = { required = 1 }", ["field 'lat'", "required must be a bool, not 1"]),
        ("[site.fields]\nlat = { aliases = [3] }", ["field 'lat'", "3 cannot be an alias"]),
        ("[site.fields]\nlat = { aliases = ['$x'] }", ["field 'lat'", "'$x' cannot be an alias"]),
        ("[site.fields]\nlat = { aliases = ['lon'] }", ["field 'lat'", "'lon' is the name of a field already"]),
        ("[site.fields]\nlat = { aliases = ['y'] }\nlon = { aliases = ['y'] }", ["field 'lon'", "an alias of 'lat' already"]),
        ("[site.fields]\n'a.b' = 'int'", ["collection 'site', field 'a.b'"]),
        ("[site.fields]\n'$where' = 'string'", ["field '$where'"]),
        ("[site.fields]\nx = { type = 'ObjectId', reference = 'no' }", ["field 'x'", "'no', which is not there"]),
        (
            "[site.fields]\nx = { type = 'list', reference = 'source' }",
            ["field 'x'", "an id is ObjectId, string, int, not list"],
        ),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path, text, problems):
    with pytest.raises(SchemaError) as caught:
        with_file(tmp_path, text)
    message = str(caught.value)
    for problem in [str(tmp_path / "mine.toml"), *problems]:
        assert problem in message
    assert len(message) < 600


def test_a_file_that_is_not_there_ends_the_run(tmp_path):
    with pytest.raises(RunError, match=r"none.toml cannot be read: No such file"):
        load_schema(tmp_path / "none.toml")
