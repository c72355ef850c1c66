"""The same recordings under every layout's keys, listed instead of indexed, give the same CCFs."""

from __future__ import annotations

import os

import pytest
import seisbatch
from seisbatch.archives import ARCHIVES, scedc
from seisbatch.names import Channel, parse_channel
from seisbatch.sample.network import DAYS

from tests.jobs.results import data_columns, outcomes

NAMES = ["XX.ALFA..BHZ", "XX.BRAV..BHZ", "XX.JULI.10.BHZ", "XX.DELT.10.BHZ"]
THREE = "XX.ALFA.--.BHZ,XX.BRAV.--.BHZ,XX.DELT.10.BHZ"
OPTIONS = ["--start", DAYS[0], "--days", 2]


def relay(sample_archive, folder, layout) -> None:
    """Links to the sample's day files under the keys of another layout."""
    for text in NAMES:
        name = parse_channel(text)
        for day in DAYS[:2]:
            source = sample_archive / ARCHIVES["scedc"].day_file_key(name, day)
            path = folder / layout.day_file_key(name, day)
            if not source.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, path)
            (path.parent / "checksums.txt").write_text("not a channel-day")


@pytest.fixture(scope="module")
def indexed(sample_archive, run_job, tmp_path_factory):
    out = tmp_path_factory.mktemp("indexed") / "out"
    options = [*OPTIONS, "--root", sample_archive, "--channels", ",".join(NAMES), "--out", out]
    assert run_job("cross_correlate", *options) == 0
    return out


@pytest.mark.parametrize(("name", "channels"), [("sds", "*.*.*.*"), ("ncedc", "XX.*.*.BHZ")])
def test_a_listed_archive(name, channels, indexed, sample_archive, run_job, tmp_path, capsys):
    relay(sample_archive, tmp_path / "archive", ARCHIVES[name])
    options = [*OPTIONS, "--archive", name, "--root", tmp_path / "archive", "--channels", channels]
    options += ["--stations", sample_archive / "FDSNstationXML", "--out", tmp_path / "out"]
    assert run_job("cross_correlate", *options) == 0
    assert same_ccfs(tmp_path / "out", indexed)
    found = {unit: row["outcome"] for unit, row in outcomes(tmp_path / "out").items()}
    others = {unit for unit in found if unit.startswith("listing/")}
    assert len(others) == (2 if name == "ncedc" else 0)  # a year's prefix does not say of which day a stray file is
    assert {found[unit] for unit in others} <= {"rejected"}
    assert {unit: outcome for unit, outcome in found.items() if unit not in others} == {
        unit: row["outcome"] for unit, row in outcomes(indexed).items()
    }
    assert seisbatch.open_ccfs(tmp_path / "out").attrs["archive"] == name


@pytest.fixture(scope="module")
def whole_stations(sample_archive, tmp_path_factory):
    """The sample's recordings, every channel of a station's day in one object, as EarthScope has them."""
    folder = tmp_path_factory.mktemp("stations") / "archive"
    layout = ARCHIVES["earthscope"]
    for day in DAYS[:2]:
        for sta in ("ALFA", "BRAV", "DELT"):
            files = sorted((sample_archive / scedc.day_folder(day)).glob(f"XX{sta}_*.ms"))
            path = folder / layout.day_file_key(Channel("XX", sta, "", "BHZ"), day)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(file.read_bytes() for file in files))
    return folder


@pytest.fixture(scope="module")
def three(sample_archive, run_job, tmp_path_factory):
    out = tmp_path_factory.mktemp("three") / "out"
    options = [*OPTIONS, "--root", sample_archive, "--channels", THREE, "--out", out]
    assert run_job("cross_correlate", *options) == 0
    return out


def test_channels_of_whole_stations_that_are_named(three, whole_stations, sample_archive, run_job, tmp_path):
    options = [*OPTIONS, "--archive", "earthscope", "--root", whole_stations, "--channels", f"{THREE},XX.ALFA.10.BHZ"]
    options += ["--stations", sample_archive / "FDSNstationXML", "--out", tmp_path / "out"]
    assert run_job("cross_correlate", *options) == 0
    assert same_ccfs(tmp_path / "out", three)
    found = outcomes(tmp_path / "out")
    for day in DAYS[:2]:
        absent = found.pop(f"XX.ALFA.10.BHZ/{day}")
        assert absent["outcome"] == "empty"
        assert "the object holds XX.ALFA..BH" in absent["reason"]
    assert {unit: row["outcome"] for unit, row in found.items()} == {
        unit: row["outcome"] for unit, row in outcomes(three).items()
    }
    n_bytes = sum(path.stat().st_size for path in whole_stations.rglob("*.*.*.*") if path.is_file())
    assert sum(row["bytes_read"] for row in found.values()) == n_bytes  # each object once, however many channels are named


def test_channels_of_whole_stations_by_their_pieces(three, whole_stations, sample_archive, run_job, tmp_path):
    of_archive = ["--archive", "earthscope", "--root", whole_stations, *OPTIONS]
    assert run_job("index_archive", *of_archive, "--segments", "--out", tmp_path / "index") == 0
    options = [*of_archive, "--channels", "XX.[AB]*.*.BHZ,XX.DELT.1?.BHZ", "--stations", sample_archive / "FDSNstationXML"]
    assert run_job("cross_correlate", *options, "--index", tmp_path / "index", "--out", tmp_path / "out") == 0
    assert same_ccfs(tmp_path / "out", three)
    found, expected = outcomes(tmp_path / "out"), outcomes(three)
    # Of an object the bytes of the channel alone.
    assert {unit: (row["outcome"], row["bytes_read"]) for unit, row in found.items()} == {
        unit: (row["outcome"], row["bytes_read"]) for unit, row in expected.items()
    }

    [path] = whole_stations.rglob(f"ALFA.XX.{DAYS[0]:%Y}.*")
    body = path.read_bytes()
    path.write_bytes(body + body[:512])
    again = run_job("cross_correlate", *options, "--index", tmp_path / "index", "--out", tmp_path / "again")
    path.write_bytes(body)
    assert again == 0
    assert [
        row["outcome"] for unit, row in outcomes(tmp_path / "again").items() if "ALFA" in unit and str(DAYS[0]) in unit
    ] == ["failed"]
    reason = outcomes(tmp_path / "again")[f"XX.ALFA..BHZ/{DAYS[0]}"]["reason"]
    assert "not what it was when it was indexed" in reason


def test_an_index_without_pieces_does_not_tell_the_channels(whole_stations, sample_archive, run_job, tmp_path):
    of_archive = ["--archive", "earthscope", "--root", whole_stations, *OPTIONS]
    assert run_job("index_archive", *of_archive, "--out", tmp_path / "index") == 0
    options = [*of_archive, "--index", tmp_path / "index", "--out", tmp_path / "out"]
    assert run_job("cross_correlate", *options, "--channels", "XX.*.*.BHZ") == 2
    assert run_job("cross_correlate", *options, "--channels", "XX.*..BHZ") == 0


def same_ccfs(one, other) -> bool:
    same = [column for column in data_columns(one).column_names if column != "parameters_id"]
    return data_columns(one).select(same).equals(data_columns(other).select(same))


def test_what_cannot_be_is_said_before_anything_runs(run_job, tmp_path, capsys):
    assert run_job("cross_correlate", *OPTIONS, "--archive", "sds", "--out", tmp_path / "out") == 2
    assert "--archive sds has no public bucket: give --root" in capsys.readouterr().err
    assert run_job("cross_correlate", *OPTIONS, "--archive", "earthscope", "--out", tmp_path / "out") == 2
    assert "its objects hold whole stations" in capsys.readouterr().err
