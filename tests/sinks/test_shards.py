"""Tar shards read back by tarfile, and by the offsets that are told."""

from __future__ import annotations

import io
import tarfile

import pytest
from seisbatch.sinks.shards import TarShards

TIME_NS = 1_507_507_205_900_000_000


@pytest.fixture
def put():
    """Takes what is put, as a store would; the objects by key."""
    objects = {}

    def take(key, path):
        objects[key] = path.read_bytes()

    take.objects = objects
    return take


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_what_belongs_together_stands_together_and_is_found_by_offset(put):
    shards = TarShards(put, "shards/a")
    clips = {f"clip{n}": {"wav": bytes([n]) * (700 + n), "png": b"", "json": b"{}" * 256} for n in range(3)}
    places = {name: shards.add(name, TIME_NS, files) for name, files in clips.items()}
    shards.finish()
    [(key, data)] = put.objects.items()
    assert key == "shards/a.tar"
    assert list(members(data).items()) == [(f"{name}.{ext}", body) for name in clips for ext, body in clips[name].items()]
    for name, files in clips.items():
        for extension, body in files.items():
            place = places[name][extension]
            assert place.key == key
            assert data[place.offset : place.offset + place.length] == body


def test_members_say_the_time_and_no_owner(put):
    shards = TarShards(put, "a")
    shards.add("clip", TIME_NS, {"wav": b"sound"})
    shards.finish()
    with tarfile.open(fileobj=io.BytesIO(put.objects["a.tar"])) as tar:
        [member] = tar.getmembers()
    assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (TIME_NS // 10**9, 0, 0, "", "")


def test_a_new_shard_begins_when_one_is_full(put):
    shards = TarShards(put, "a", shard_bytes=4096)
    places = [shards.add(f"clip{n}", TIME_NS, {"wav": bytes(1500), "json": b"{}"}) for n in range(5)]
    shards.finish()
    assert [place["wav"].key for place in places] == ["a.tar", "a.tar", "a-1.tar", "a-1.tar", "a-2.tar"]
    assert all(place["wav"].key == place["json"].key for place in places)
    assert {key: len(members(data)) for key, data in put.objects.items()} == {"a.tar": 4, "a-1.tar": 4, "a-2.tar": 2}


def test_nothing_added_is_no_shard(put):
    TarShards(put, "a").finish()
    assert put.objects == {}


def test_a_key_with_a_dot_would_be_split_by_readers(put):
    with pytest.raises(ValueError, match=r"OO\.HYEA2 has a dot"):
        TarShards(put, "a").add("OO.HYEA2", TIME_NS, {"wav": b""})
