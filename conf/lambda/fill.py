"""The requests and policies of this folder with their placeholders filled in, as files that the AWS command line takes.

    python conf/lambda/fill.py FOLDER ACCOUNT=123456789012 REGION=us-west-2 OUTPUT=my-bucket/prefix [FUNCTION=seisbatch-oneshot]

ACCOUNT is the number of the AWS account, OUTPUT the bucket, or a prefix in it, that the results go to, and FUNCTION the name of
the Lambda function, of its role, and of the repository of its image. Prints the path of each file.
"""

from __future__ import annotations

import json
import re
import string
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
VALID = {
    "ACCOUNT": (r"\d{12}", "the account's twelve digits"),
    "REGION": (r"[a-z]{2}(-[a-z]+)+-\d", "a region such as us-west-2"),
    "OUTPUT": (r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=-]+)*", "bucket, or bucket/prefix, without s3://"),
    "FUNCTION": (r"[a-z][a-z0-9-]{1,63}", "lower case letters, digits and -"),
}
DEFAULTS = {"FUNCTION": "seisbatch-oneshot"}


class FillError(Exception):
    """A value is missing or impossible, in one line."""


def values_of(words: Sequence[str]) -> dict[str, str]:
    """The values of NAME=VALUE words, each checked."""
    values = dict(DEFAULTS)
    for word in words:
        name, _, value = word.partition("=")
        if name not in VALID:
            raise FillError(f"{word}: write NAME=VALUE with one of {', '.join(VALID)}")
        pattern, what = VALID[name]
        if not re.fullmatch(pattern, value, re.ASCII):
            raise FillError(f"{word}: {name} is {what}")
        values[name] = value
    if missing := [name for name in VALID if name not in values]:
        raise FillError(f"{missing[0]} is missing: {missing[0]} is {VALID[missing[0]][1]}")
    return values


def filled(values: Mapping[str, str]) -> dict[str, str]:
    """The text of each JSON file of this folder, by its name."""
    texts = {path.name: string.Template(path.read_text(encoding="utf-8")).substitute(values) for path in HERE.glob("*.json")}
    for text in texts.values():
        json.loads(text)
    return dict(sorted(texts.items()))


def main() -> int:
    if len(sys.argv) < 2 or "=" in sys.argv[1] or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2
    try:
        texts = filled(values_of(sys.argv[2:]))
    except FillError as error:
        print(f"fill.py: {error}", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
