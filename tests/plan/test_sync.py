"""An output copied to another place: what is new and nothing else, the manifest last; folders, and buckets of a server."""

from __future__ import annotations

import os
import time
from pathlib import Path

import boto3
import pytest
from seisbatch.acquire.objects import StoreSettings
from seisbatch.outcome import RunError
from seisbatch.plan.sync import Copied, sync_output
from seisbatch.steps import copies

FILES = {
    "report.html": b"<html>",
    "clip/year=2017/month=10/OO.HYEA2..YDH-20171009T0000.parquet": b"PAR1" * 500,
    "clips/2017/10/09/OO.HYEA2..YDH.20171009T000000Z.wav": b"RIFF" * 1000,
    "clips/2017/10/09/OO.HYEA2..YDH.20171009T000005Z.wav": b"RIFF" * 1001,
    "clips/2017/10/deeper/than/days/are/a b.png": b"PNG",
    "empty": b"",
    "manifest.json": b"{}",
}
OWN = {"_run.json": b"{}", "_scratch/abc/block.npy": b"x", "clips/2017/_put-1.tmp": b"x"}
N_BYTES = sum(map(len, FILES.values()))
LATER = 5.0


@pytest.fixture
def out(tmp_path) -> Path:
    """An output that was written a while ago."""
    folder = tmp_path / "out"
    for key, data in {**FILES, **OWN}.items():
        write(folder / key, data, -60)
    return folder


def write(path: Path, data: bytes, seconds: float) -> None:
    """A file that was written so many seconds from now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time.time() + seconds,) * 2)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def settings(place: object) -> StoreSettings:
    return StoreSettings(str(place))


def test_to_a_folder_everything_but_what_a_run_keeps_to_itself(spark, out, tmp_path):
    to = tmp_path / "copy"
    write(to / "not/ours.txt", b"kept", 0)
    assert sync_output(spark, settings(out), settings(to)) == Copied(len(FILES), N_BYTES, 0)
    assert contents(to) == {**FILES, "not/ours.txt": b"kept"}
    written = {path: path.stat().st_mtime_ns for path in to.rglob("*")}

    assert sync_output(spark, settings(out), settings(to)) == Copied(0, 0, len(FILES))
    assert {path: path.stat().st_mtime_ns for path in to.rglob("*")} == written

    first, second, *_ = [key for key in FILES if key.endswith(".wav")]
    write(out / first, b"longer" * 1000, -120)  # another size, though older than the copy
    write(out / second, b"FFIR" * 1001, LATER)  # the same size, written later
    (out / "report.html").unlink()  # what is gone here stays there
    assert sync_output(spark, settings(out), settings(to)) == Copied(2, 6000 + 4004, len(FILES) - 3)
    assert contents(to) == {**FILES, "not/ours.txt": b"kept", first: b"longer" * 1000, second: b"FFIR" * 1001}


def test_a_copy_is_a_file_of_its_own(spark, out, tmp_path):
    """What is written into the original later must not show in the copy."""
    key = "clips/2017/10/09/large.wav"
    write(out / key, b"a" * 9_000_000, -60)
    sync_output(spark, settings(out), settings(tmp_path / "copy"))
    with (out / key).open("r+b") as file:
        file.write(b"changed")
    assert (tmp_path / "copy" / key).read_bytes() == b"a" * 9_000_000


@pytest.fixture
def bucket(s3_server):
    """A client of a server with a bucket that keeps every version, and the settings of a prefix in it."""
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="mine")
    client.put_bucket_versioning(Bucket="mine", VersioningConfiguration={"Status": "Enabled"})
    return client, StoreSettings("s3://mine/runs/one", endpoint=s3_server, region="us-east-1")


def puts(client) -> dict[str, int]:
    """How often each key was put."""
    found: dict[str, int] = {}
    for version in client.list_object_versions(Bucket="mine").get("Versions", ()):
        found[version["Key"]] = found.get(version["Key"], 0) + 1
    return found


def test_to_a_bucket_only_what_is_new_is_put(spark, out, bucket):
    client, to = bucket
    large = os.urandom(9_000_000)  # through a temporary file, in parts
    write(out / "shards/one.tar", large, -60)
    assert sync_output(spark, settings(out), to) == Copied(len(FILES) + 1, N_BYTES + len(large), 0)
    assert puts(client) == {f"runs/one/{key}": 1 for key in (*FILES, "shards/one.tar")}
    for key, data in {**FILES, "shards/one.tar": large}.items():
        assert client.get_object(Bucket="mine", Key=f"runs/one/{key}")["Body"].read() == data
    written = {item["Key"]: item["LastModified"] for item in client.list_objects_v2(Bucket="mine")["Contents"]}
    assert written["runs/one/manifest.json"] == max(written.values())  # to the second

    write(out / "levels/new.nc", b"new", -60)
    write(out / "report.html", b"<HTML>", LATER)
    assert sync_output(spark, settings(out), to) == Copied(2, 9, len(FILES))
    assert sum(puts(client).values()) == len(FILES) + 1 + 2
    assert puts(client)["runs/one/report.html"] == 2
    assert client.get_object(Bucket="mine", Key="runs/one/report.html")["Body"].read() == b"<HTML>"


def test_from_a_bucket_to_a_folder(spark, bucket, tmp_path):
    client, source = bucket
    for key, data in {**FILES, **OWN}.items():
        client.put_object(Bucket="mine", Key=f"runs/one/{key}", Body=data)
    client.put_object(Bucket="mine", Key="runs/one-other/x", Body=b"of another run")
    assert sync_output(spark, source, settings(tmp_path / "copy")).n_copied == len(FILES)
    assert contents(tmp_path / "copy") == FILES
    assert sync_output(spark, source, settings(tmp_path / "copy")) == Copied(0, 0, len(FILES))


def test_what_could_not_be_copied_is_told_and_copied_by_the_next_try(spark, out, tmp_path):
    to = tmp_path / "copy"
    in_the_way = [key for key in FILES if key.endswith(".wav")]
    for key in in_the_way:
        write(to / key / "a folder of that name", b"", 0)
    with pytest.raises(RunError) as failed:
        sync_output(spark, settings(out), settings(to))
    assert f"2 of {len(FILES) - 1} objects could not be copied" in str(failed.value)
    assert f"The first is {in_the_way[0]}: " in str(failed.value)
    assert not (to / "manifest.json").exists()
    for key in in_the_way:
        (to / key / "a folder of that name").unlink()
        (to / key).rmdir()
    assert sync_output(spark, settings(out), settings(to)).n_copied == 3
    assert contents(to) == FILES


def test_a_place_that_cannot_be_is_told_at_once(spark, out, bucket, tmp_path):
    _, to = bucket
    for inside in (out, out / "copy"):
        with pytest.raises(RunError, match="is the output itself, or within it"):
            sync_output(spark, settings(out), settings(inside))
    with pytest.raises(RunError, match="no such bucket"):
        sync_output(spark, settings(out), StoreSettings("s3://none/x", to.endpoint, to.region))
    write(tmp_path / "file", b"", 0)
    with pytest.raises(RunError, match="cannot be used as a folder"):
        sync_output(spark, settings(out), settings(tmp_path / "file"))


def test_a_place_that_takes_nothing_is_not_asked_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "GIVE_UP", 3)
    write(tmp_path / "out/a", b"0123", -60)
    copier = copies.Copier(copies.CopySettings(settings(tmp_path / "out"), settings(tmp_path / "copy")))
    reasons = [copier.copy(f"missing-{number}", 4, "").reason for number in range(4)]
    assert reasons == [f"no object missing-{number}" for number in range(3)] + [copies.NOT_TRIED]


def test_a_large_object_is_read_by_ranges_and_one_that_changes_meanwhile_is_not_mixed(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "IN_MEMORY_BYTES", 10)
    monkeypatch.setattr(copies, "RANGE_BYTES", 7)
    source, to = settings(tmp_path / "out"), settings(tmp_path / "copy")
    write(tmp_path / "out/a", b"0123456789abcdefghi", -60)
    copier = copies.Copier(copies.CopySettings(source, to))
    version = copies.open_store(source).version("a")
    assert copier.copy("a", 19, version).reason == ""
    assert contents(tmp_path / "copy") == {"a": b"0123456789abcdefghi"}
    write(tmp_path / "out/a", b"ihgfedcba9876543210", -30)
    assert "is not what it was" in copier.copy("a", 19, version).reason
    assert contents(tmp_path / "copy") == {"a": b"0123456789abcdefghi"}
