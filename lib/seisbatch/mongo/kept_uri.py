"""MongoDB's URI where it may hold a password: in the environment, or in a file that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from seisbatch.mongo.uri import MongoUri, parse_uri

MONGO_URI = "SEISBATCH_MONGO_URI"
"""The environment variable that may hold MongoDB's URI, or ``file:`` and the path of a file that does."""
FILE = "file:"
LINE_BYTES = 65_536
_OTHERS = stat.S_IROTH | stat.S_IWOTH
_GROUP = stat.S_IRGRP | stat.S_IWGRP


def kept_uri(option: str, word: str) -> MongoUri:
    """The URI that ``env`` or ``file:PATH`` stands for, in what ``option`` says. ValueError, in one line, where it is none."""
    where, text = option, word
    if word == "env":
        where, text = MONGO_URI, os.environ.get(MONGO_URI, "").strip()
        if not text:
            raise ValueError(f"{option}: there is no environment variable {MONGO_URI}, which holds MongoDB's URI")
    if text.startswith(FILE):
        where, text = f"{where} {text}", _first_line(where, Path(text.removeprefix(FILE)).expanduser())
    try:
        uri = parse_uri(text)
        if not (uri.hosts and uri.servers):
            raise ValueError("it names no host")
    except ValueError as error:
        raise ValueError(f"{where}: this is no URI of MongoDB: {error}") from None
    return uri


def _first_line(where: str, path: Path) -> str:
    """The first line of a file that nobody else may read, as it may hold a password."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            line = file.readline(LINE_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{where} {FILE}{path}: {getattr(error, 'strerror', None) or 'it holds no text'}") from None
    closed_to = _OTHERS | (_GROUP if about.st_uid == os.getuid() else 0)  # a group may have been given what root owns
    if stat.S_ISREG(about.st_mode) and about.st_mode & closed_to:
        raise ValueError(f"{where} {FILE}{path}: others may read or write it, and it may hold a password: chmod 600 {path}")
    if not line:
        raise ValueError(f"{where} {FILE}{path}: its first line is empty; it should be MongoDB's URI")
    return line
