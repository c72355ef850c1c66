"""Requests to AWS as templates in ``conf/emr``: JSON with named places, and with a reason beside every key.

A key that begins with ``//`` is a comment. A place is ``${name}``; a key whose value is nothing but a place without a value is
left out, so that an optional field is one line of the template. Run as a program it prints a template filled in.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seisbatch.outcome import RunError

COMMENT = "//"
_PLACE = re.compile(r"\$\{(\w*)\}")
_LEFT_OUT = object()


def read_template(path: Path, places: Mapping[str, str]) -> dict[str, Any]:
    """The request in a file, without comments and with its places filled in.

    Raises RunError, naming the file, where it is not JSON or names a place that is not among ``places``.
    """
    try:
        template = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{path} is not JSON: {error}") from error
    if not isinstance(template, dict):
        raise RunError(f"{path} is no request: it should be an object in braces")
    try:
        return filled(template, places)
    except KeyError as error:
        raise RunError(f"{path}: there is no place ${{{error.args[0]}}}; places are {', '.join(sorted(places))}") from None


def filled(template: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """A request out of a template; KeyError names a place that is not there.

    >>> filled({"//a": "why", "a": "x-${name}", "b": "${key}", "c": {"d": 1}}, {"name": "y", "key": ""})
    {'a': 'x-y', 'c': {'d': 1}}
    """
    pairs = ((key, _filled(value, places)) for key, value in template.items() if not key.startswith(COMMENT))
    return {key: value for key, value in pairs if value is not _LEFT_OUT}


def _filled(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return filled(value, places)
    if isinstance(value, list):
        return [item for item in (_filled(item, places) for item in value) if item is not _LEFT_OUT]
    if not isinstance(value, str):
        return value
    text = _PLACE.sub(lambda place: places[place[1]], value)
    return _LEFT_OUT if not text and value else text


def main(arguments: list[str]) -> int:
    """Print a template with places given as name=value."""
    places = dict(word.split("=", 1) for word in arguments[1:] if "=" in word)
    try:
        print(json.dumps(read_template(Path(arguments[0]), places), indent=2))
    except IndexError:
        print("usage: python -m seisbatch.launch.template FILE name=value ...", file=sys.stderr)
        return 2
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
