"""Options that name files of this computer: a cluster gets the files that it can read, and the others are refused.

What only the driver reads goes along in an archive that is unpacked in its working folder; what can be read from S3, as outputs
are, is uploaded; folders and archives are the user's to upload. Either way a run is known by the content, not by the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seisbatch.config import OptionError, as_words, given, options_of, shown
from seisbatch.launch.bundle import FILES, Artefact, artefact, files_zip
from seisbatch.options import JOBS

UPLOADED = frozenset({"events", "arrivals"})
"""Files that a job reads from S3 too, with the credentials that it writes its output with."""
CARRIED = frozenset({"pairs", "request", "sensitivity"})
"""Files that only the driver reads, and as files."""
PLACES = frozenset("root cache stations index waveforms stations_table tables ccfs catalog recordings sync out".split())
"""Folders, and files that workers read: on a cluster they must be where every machine reaches them."""
NOT_ARCHIVES = frozenset({"waveforms", "recordings"})
"""Options that are given instead of an archive."""

_NO_PLACE = frozenset({"auto", "none", "env", ""})
_REMOTE = re.compile(r"(s3|https?|mongodb(\+srv)?)://")
_OUTPUT = re.compile(r"s3://")
WRITTEN = frozenset({"out", "sync", "cache"})


@dataclass(frozen=True)
class SentOptions:
    """A job's options as a cluster gets them, and the files that go with them.

    A file whose name is a flag, such as ``--events``, is one whose place on S3 becomes that option's value.
    """

    words: list[str]
    files: list[Artefact]


def sent_options(job: str, words: Sequence[str], build: Path) -> SentOptions:
    """What a cluster gets of a job's options: what ``--config`` says, and each file of this computer by where it is there.

    ``job`` is the name of one of the suite's, or of a user's own, whose options are not known: those stay as they are. Raises
    OptionError where one names a folder or file of this computer that a cluster cannot read, or write to.
    """
    if job not in JOBS:
        _refuse_files(words)
        return SentOptions(list(words), [])
    options = given(job, words)
    values = {option.key: option.default for option in options_of(job)} | options
    _require_reachable(values)
    files: dict[str, Path] = {}
    artefacts: list[Artefact] = []
    for key, value in values.items():
        path = _named_file(key, value)
        if path is None:
            continue
        if key in CARRIED:
            files[f"{key}{path.suffix}"] = path
            options[key] = f"{'@' if key == 'pairs' else ''}./{FILES}/{key}{path.suffix}"
        else:
            if values.get("out_endpoint", "auto") != "auto":
                raise OptionError(f"{_flag(key)} {path}: upload it to where --out is, and name it there")
            artefacts.append(artefact(_flag(key), path))
    if files:
        artefacts.append(files_zip(build, files))
    return SentOptions(as_words(options), artefacts)


def _require_reachable(values: Mapping[str, Any]) -> None:
    for key in sorted(PLACES & values.keys()):
        reached = _OUTPUT if key in WRITTEN else _REMOTE
        for place in str(values[key]).split(",") if key == "tables" else [str(values[key])]:
            if place.strip() not in _NO_PLACE and not reached.match(place.strip()):
                what = "writes to" if key in WRITTEN else "reads"
                where = "is no place that a cluster reaches: it" if "://" in place else "is on this computer, and a cluster"
                raise OptionError(
                    f"{_flag(key)} {shown(place)} {where} {what} s3://bucket/prefix"
                    + ("" if what == "writes to" else ": upload it (aws s3 cp --recursive), and name it there")
                )
    of_archive = all(values.get(key, "none") == "none" for key in NOT_ARCHIVES)
    if values.get("archive") == "sample" and of_archive:
        raise OptionError("--archive sample is made on this computer: on a cluster, name another archive")


def _named_file(key: str, value: Any) -> Path | None:
    """The file of this computer that an option names, if it does; OptionError where there is no such file."""
    if key not in UPLOADED | CARRIED or not isinstance(value, str):
        return None
    if key == "pairs" and not value.startswith("@"):
        return None
    name = value.removeprefix("@") if key == "pairs" else value
    if key != "pairs" and (name in _NO_PLACE or _REMOTE.match(name) or _is_word(key, name)):
        return None
    if path := _here(name, Path.is_file):
        return path
    if _here(name, Path.is_dir):
        raise OptionError(
            f"{_flag(key)} {value} is a folder of this computer: upload it (aws s3 cp --recursive), and name it there"
        )
    raise OptionError(f"{_flag(key)} {value}: there is no such file")


def _is_word(key: str, value: str) -> bool:
    """Whether a value is a choice of the option, not a name."""
    if key == "sensitivity":
        return value == "stationxml" or bool(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", value, re.IGNORECASE))
    return key == "events" and value == "archive"


def _refuse_files(words: Sequence[str]) -> None:
    for word in words:
        name = word.partition("=")[2] if word.startswith("--") else word
        if name and not _REMOTE.match(name) and _here(name.removeprefix("@"), Path.is_file):
            raise OptionError(
                f"{shown(word)} is a file of this computer, which a cluster cannot read: upload it, and name it there"
            )


def _here(name: str, is_wanted: Callable[[Path], bool]) -> Path | None:
    """What a name stands for on this computer, if it is wanted; a name that can be none stands for nothing."""
    try:
        path = Path(name).expanduser()
        return path if is_wanted(path) else None
    except (OSError, RuntimeError, ValueError):  # too long, of no such user, with a null
        return None


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"
