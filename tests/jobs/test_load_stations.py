"""StationXML loaded into tables, against obspy reading the same files."""

from __future__ import annotations

import io
import re

import numpy as np
import obspy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs.results import outcomes


def table(out, name):
    return pa.concat_tables([pq.read_table(file) for file in sorted((out / name).glob("*.parquet"))]).to_pylist()


@pytest.fixture(scope="module")
def out(sample_archive, run_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stations") / "out"
    assert run_job("load_stations", "--root", sample_archive, "--archive", "scedc", "--out", folder) == 0
    return folder


def epochs(archive):
    """Every channel epoch of the archive's files, as obspy has it."""
    for file in sorted((archive / "FDSNstationXML").rglob("*.xml")):
        for network in obspy.read_inventory(file, format="STATIONXML"):
            for station in network:
                for item in station:
                    yield network, station, item


def test_every_epoch_is_a_row_with_obspy_s_values(out, sample_archive):
    rows = {(row["sta"], row["loc"], row["chan"], row["starttime"].timestamp()): row for row in table(out, "channel")}
    theirs = list(epochs(sample_archive))
    assert len(rows) == len(theirs) == len(table(out, "channel"))
    for network, station, item in theirs:
        row = rows[station.code, item.location_code, item.code, item.start_date.timestamp]
        assert row["net"] == network.code
        assert (row["lat"], row["lon"]) == (item.latitude, item.longitude)
        assert row["elev"] == pytest.approx(item.elevation / 1000)
        assert row["edepth"] == pytest.approx(item.depth / 1000)
        assert (row["hang"], row["vang"]) == (item.azimuth, item.dip + 90)
        assert row["sampling_rate"] == item.sample_rate
        assert row["gain"] == item.response.instrument_sensitivity.value
        assert row["endtime"] == (item.end_date and item.end_date.datetime.replace(tzinfo=row["starttime"].tzinfo))
    sites = {row["site_id"] for row in table(out, "site")}
    assert {row["site_id"] for row in rows.values()} == sites
    assert len(sites) == len({station.code for _, station, _ in theirs})


def test_each_response_alone_is_the_response_in_its_file(out, sample_archive):
    rows = table(out, "response")
    whole = {(s.code, c.location_code, c.code, c.start_date.timestamp): c.response for _, s, c in epochs(sample_archive)}
    frequencies = np.array([0.01, 0.1, 1.0, 5.0])
    for row in rows:
        (network,) = obspy.read_inventory(io.BytesIO(row["stationxml"].encode()), format="STATIONXML")
        ((channel,),) = network
        theirs = whole.pop((row["sta"], row["loc"], row["chan"], channel.start_date.timestamp))
        ours = channel.response.get_evalresp_response_for_frequencies(frequencies, "VEL")
        np.testing.assert_array_equal(ours, theirs.get_evalresp_response_for_frequencies(frequencies, "VEL"))
    assert not whole


def test_a_selection_keeps_its_channels_and_their_stations(sample_archive, run_job, tmp_path):
    options = ["--root", sample_archive, "--archive", "scedc", "--channels", "XX.[AJ]*.*.BHZ", "--out", tmp_path / "out"]
    assert run_job("load_stations", *options) == 0
    assert {(row["sta"], row["chan"]) for row in table(tmp_path / "out", "channel")} == {("ALFA", "BHZ"), ("JULI", "BHZ")}
    assert {row["sta"] for row in table(tmp_path / "out", "site")} == {"ALFA", "JULI"}


def damaged(text, what):
    match what:
        case "ampersand":
            return text.replace("synthetic</Name>", "R & D</Name>").encode()
        case "doctype":
            head, rest = text.split("?>", 1)
            entity = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/hostname">]>'
            return f"{head}?>{entity}{rest.replace('synthetic</Name>', '&secret;</Name>')}".encode()
        case "encoding":
            return text.replace("synthetic</Name>", "Mühldorf</Name>").encode("latin-1")
        case "stage":
            first = text.index('<Stage number="2"')
            return (text[:first] + text[text.index("</Stage>", first) + 8 :]).encode()
        case "cut":
            return text[:-2000].encode()
        case "html":
            return b"<html><body>no such station</body></html>"
        case "place":
            return re.sub("(<Latitude[^>]*>)", r"\g<1>9", text, count=1).encode()


def test_bad_files_are_outcomes_and_the_rest_is_loaded(sample_archive, run_job, tmp_path):
    source = sample_archive / "FDSNstationXML/XX"
    stations = tmp_path / "stations"
    stations.mkdir()
    for code in ("ALFA", "BRAV"):
        (stations / f"XX_{code}.xml").write_bytes((source / f"XX_{code}.xml").read_bytes())
    text = (source / "XX_CHAR.xml").read_text()
    expected = {
        "ampersand": ("corrupt", "not well-formed"),
        "doctype": ("corrupt", "document type is refused"),
        "encoding": ("corrupt", "not well-formed"),
        "stage": ("rejected", "stage 2 is missing"),
        "cut": ("corrupt", "not well-formed"),
        "html": ("corrupt", "not StationXML: the document is 'html'"),
        "place": ("rejected", "no possible place"),
    }
    for what in expected:
        (stations / f"{what}.xml").write_bytes(damaged(text, what))
    (stations / "empty.xml").write_bytes(b"")
    (stations / "README.txt").write_text("not a station")
    options = ["--stations", stations, "--out", tmp_path / "out", "--max-bad-fraction", 0.9]
    assert run_job("load_stations", *options) == 0
    found = outcomes_without_day(tmp_path / "out")
    assert len(found) == len(expected) + 3
    for what, (outcome, reason) in expected.items():
        assert found[f"{what}.xml"]["outcome"] == outcome, found[f"{what}.xml"]
        assert reason in found[f"{what}.xml"]["reason"]
    assert found["empty.xml"]["outcome"] == "corrupt"
    assert found["XX_ALFA.xml"]["outcome"] == "ok"
    # Of the file with a stage missing, the channel is there, and its other channels' responses are.
    whole = sum(1 for _, station, _ in epochs(sample_archive) if station.code == "CHAR")
    of_char = [row for row in table(tmp_path / "out", "channel") if row["s3key"] == "stage.xml"]
    assert len(of_char) == whole
    responses = [row for row in table(tmp_path / "out", "response") if row["sta"] == "CHAR"]
    assert len(responses) == whole - 1  # the file with an impossible place has no station


def outcomes_without_day(out):
    rows = pq.read_table(out / "outcomes" / "outcomes.parquet").to_pylist()
    return {row["unit"]: row for row in rows if row["kind"] == "station-file"}


def test_one_file_and_a_bucket(sample_archive, run_job, tmp_path, s3_server):
    import boto3

    file = sample_archive / "FDSNstationXML/XX/XX_ALFA.xml"
    assert run_job("load_stations", "--stations", file, "--out", tmp_path / "one") == 0
    bucket = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")
    bucket.create_bucket(Bucket="stations")
    bucket.put_object(Bucket="stations", Key="a/b/XX_ALFA.xml", Body=file.read_bytes(), ACL="public-read")
    options = ["--stations", "s3://stations/a", "--source-endpoint", s3_server, "--out", tmp_path / "bucket"]
    assert run_job("load_stations", *options, "--no-anonymous") == 0
    for name in ("site", "channel", "response"):
        one, other = ([row | {"s3key": ""} for row in table(tmp_path / place, name)] for place in ("one", "bucket"))
        assert one == other
    assert outcomes_without_day(tmp_path / "one").keys() == {"XX_ALFA.xml"}


def test_what_cannot_be_is_said(run_job, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    assert run_job("load_stations", "--stations", tmp_path / "none", "--out", tmp_path / "out") == 2
    assert "no StationXML file" in capsys.readouterr().err
    assert run_job("load_stations", "--archive", "geonet", "--out", tmp_path / "out") == 2
    assert "has no StationXML files: give --stations" in capsys.readouterr().err
    assert run_job("load_stations", "--stations", tmp_path / "nowhere", "--out", tmp_path / "out") == 1
    assert "there is no folder" in capsys.readouterr().err


def test_real_stations(real_archive, run_job, tmp_path):
    options = ["--archive", "scedc", "--root", real_archive, "--out", tmp_path / "out"]
    assert run_job("load_stations", *options) == 0
    rows = {row["sta"]: row for row in table(tmp_path / "out", "channel")}
    assert (rows["CCA"]["lat"], rows["CCA"]["lon"], rows["CCA"]["elev"]) == (35.15252, -118.01649, 0.71)
    assert rows["CCA"]["gain"] == pytest.approx(626915166.035)
    assert rows["CCA"]["units"].upper() == "M/S"
    assert {row["outcome"] for row in outcomes(tmp_path / "out", "station-file").values()} <= {"ok"}
