"""Which places a run may read, and which it may write to."""

from __future__ import annotations

import pytest
from seisbatch.config import OptionError, parse
from seisbatch.options import JOBS
from seisbatch.plan.stores import archive_store, out_store, store_settings


def options(*arguments: str):
    return parse("index_archive", JOBS["index_archive"], ["--archive", "sds", *arguments])


def test_a_listing_on_the_web_is_read_but_never_written_to():
    store = archive_store(options("--root", "https://archive.example.org/hydrophone/", "--out", "here"))
    assert (store.root, store.place) == ("https://archive.example.org/hydrophone",) * 2
    with pytest.raises(OptionError, match=r"https://archive\.example\.org/ is read only: write s3://bucket"):
        out_store(options("--root", "there", "--out", "https://archive.example.org/"))


@pytest.mark.parametrize(
    "root",
    [
        "https://me:canary@host/x/",
        "http://canary@host/",
        "https://host/x?key=canary",
        "https://host/#canary",
        "ftp://me:canary@h/",
    ],
)
def test_no_secret_of_an_address_is_told(root):
    for place in (
        lambda: store_settings(root, None, None, False),
        lambda: out_store(options("--root", "there", "--out", root)),
    ):
        with pytest.raises(OptionError) as raised:
            place()
        if "@" in root:
            assert "canary" not in str(raised.value)


@pytest.mark.parametrize("root", ["https://host/x?key=1", "https:///x", "http://host/#part"])
def test_other_addresses_are_told(root):
    with pytest.raises(OptionError, match=r"write http\(s\)://host/path/ of a directory listing"):
        store_settings(root, None, None, False)
