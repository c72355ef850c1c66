"""A run's gzipped logs on S3: their last lines, what is new in them, the exit code that the last lines tell."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from seisbatch.launch.failures import told
from seisbatch.launch.secrecy import printable

TAIL_LINES = 40
LINE_LENGTH = 2_000
_MISSING = {"NoSuchKey", "404"}
_EXIT_CODE = re.compile(r"(?:Step failed with exitCode|ended with exit code|User application exited with(?: status)?) (\d+)")
"""How a step's controller tells the exit code of spark-submit, and spark-submit what YARN says of a driver's."""


def lines_of(s3: Any, uri: str) -> Iterator[str] | None:
    """The lines of a log, read as they are asked for; None where it has not been written yet. RunError where S3 refuses."""
    found = _get(s3, uri)
    return None if found is None else _lines(found["Body"])


def tail(s3: Any, uri: str, count: int = TAIL_LINES) -> list[str] | None:
    """The last lines of a log; None where it has not been written yet. RunError where S3 refuses."""
    lines = lines_of(s3, uri)
    return None if lines is None else list(deque(lines, count))


def written_at(s3: Any, uri: str) -> datetime | None:
    """When a log was last written, as a whole; None where it has not been yet. RunError where S3 refuses."""
    found = _get(s3, uri)
    if found is None:
        return None
    found["Body"].close()
    when: datetime = found["LastModified"]
    return when


def exit_code_of(lines: Iterable[str]) -> int | None:
    """The last exit code other than 0 that a step's log tells.

    >>> exit_code_of(["INFO waitProcessCompletion ended with exit code 3", "WARN Step failed with exitCode 3 and took 26 s"])
    3
    """
    codes = [int(code) for line in lines for code in _EXIT_CODE.findall(line)]
    return next((code for code in reversed(codes) if code), None)


def manifest_exit_code(s3: Any, out: str, since: datetime) -> int | None:
    """The exit code in a run's manifest; None where there is none that was written since the run was sent."""
    found = _get(s3, f"{out.rstrip('/')}/manifest.json")
    if found is None or found["LastModified"] < since.replace(microsecond=0):  # S3 tells whole seconds
        return None
    try:
        code = json.loads(found["Body"].read())["exit_code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None


def _get(s3: Any, uri: str) -> Any:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        return s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING:
            return None
        raise told(error, f"reading {uri}") from None
    except BotoCoreError as error:
        raise told(error, f"reading {uri}") from None


def _lines(body: Any) -> Iterator[str]:
    """Lines as they may be shown; a log that is cut off in the middle ends there."""
    try:
        with gzip.GzipFile(fileobj=body) as file:
            while line := file.readline(LINE_LENGTH):
                yield printable(line.decode("utf-8", errors="replace"))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return
