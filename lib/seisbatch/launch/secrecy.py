"""Secrets stay out of requests, records and what is shown: what is refused, and what is left out.

Amazon shows the arguments of a step and of a job run to everyone who may list them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from seisbatch.config import OptionError, shown

LEFT_OUT = "..."
_SECRET_NAME = re.compile(r"secret|password|passwd|token|access[._-]?key|credential", re.IGNORECASE)
"""Names of properties whose values Spark itself redacts (spark.redaction.regex), and a few more."""
_NOT_SECRET = re.compile(r"credentials?[._-]?provider", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MONGO = re.compile(r"mongo[a-z+]*://", re.IGNORECASE)


def refuse_secrets(options: Mapping[str, object], words: Sequence[str], extra: Sequence[str]) -> None:
    """OptionError where a run's options, or spark-submit's arguments besides, hold what others must not see.

    ``options`` are the validated ones, if the job is one of the suite; ``words`` the same as they were written.
    """
    uri = options.get("mongo_uri")
    text = uri.get_secret_value() if hasattr(uri, "get_secret_value") else ""
    if (text and text != "env") or any(_MONGO.search(word) and "@" in word for word in [*words, *extra]):
        raise OptionError(
            "a URI of MongoDB: Amazon shows a run's arguments to everyone who may list them: write --mongo-uri env, and give "
            "the driver SEISBATCH_MONGO_URI"
        )
    for word in extra:
        name, equals, _ = word.removeprefix("--conf=").partition("=")
        if equals and _is_secret(name):
            raise OptionError(
                f"{name}: Amazon shows a run's arguments to everyone who may list them: give the run's role what it needs, "
                "instead of keys"
            )


def redacted(words: Sequence[str]) -> list[str]:
    """Words of a command line without the secrets that they may hold.

    >>> redacted(["--mongo-uri", "mongodb://me:secret@host", "--conf", "spark.x.password=y", "--token", "z", "--out", "s3://b/c"])
    ['--mongo-uri', 'mongodb://...', '--conf', 'spark.x.password=...', '--token', '...', '--out', 's3://b/c']
    """
    clean: list[str] = []
    hides_next = False
    for word in words:
        name, equals, _ = word.partition("=")
        if hides_next and not word.startswith("--"):
            clean.append(LEFT_OUT)
        elif equals and _is_secret(name):
            clean.append(f"{name}={LEFT_OUT}")
        else:
            clean.append(shown(word))
        hides_next = word.startswith("--") and not equals and _is_secret(word)
    return clean


def printable(line: str) -> str:
    """A line of a log as it may be shown: no password of MongoDB's, nothing that a terminal would obey."""
    return _CONTROL.sub("", shown(line.rstrip("\n")))


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(_NOT_SECRET.sub("", name)))
