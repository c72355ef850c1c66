"""Options: read from ``conf/jobs/JOB.toml``, overridden by the command line, validated before Spark starts.

The TOML file is the one place of every default and of every explanation (the comment above a key is its help text);
:mod:`seisbatch.options` says which values are possible.
"""

from __future__ import annotations

import argparse
import datetime as dt
import difflib
import hashlib
import json
import os
import re
import sys
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from seisbatch.options import JOBS, Options

CONF = Path(os.environ.get("SEISBATCH_CONF", Path(__file__).resolve().parents[2] / "conf"))

EXIT_USAGE = 2
"""Exit code of a run that a wrong option keeps from starting."""


class OptionError(ValueError):
    """An option is unknown, impossible, or does not go with another; the message names it and what would be valid."""


@dataclass(frozen=True)
class Option:
    """An option as its job's TOML file has it."""

    key: str
    group: str
    default: Any
    comment: str

    @property
    def flag(self) -> str:
        return "--" + self.key.replace("_", "-")


def options_of(job: str, path: Path | None = None) -> list[Option]:
    """Every option of a job, in the file's order, with the comment above it as its explanation."""
    path = path or CONF / "jobs" / f"{job}.toml"
    text = path.read_text(encoding="utf-8")
    values = _flatten(tomllib.loads(text))
    options, comment, group = [], [], ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
            continue
        if line.startswith("["):
            group = line.strip("[]")
        elif "=" in line:
            key = line.partition("=")[0].strip()
            options.append(Option(key, group, values[key], " ".join(comment)))
        comment = []
    return options


def _flatten(tables: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        flat.update(value if isinstance(value, dict) else {key: value})
    return flat


def _parser(job: str, description: str, options: Sequence[Option]) -> argparse.ArgumentParser:
    class Format(argparse.RawDescriptionHelpFormatter):
        def __init__(self, prog: str) -> None:
            super().__init__(prog, max_help_position=30, width=110)

        def _split_lines(self, text: str, width: int) -> list[str]:  # argparse's own breaks paths at their hyphens
            return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False, break_long_words=False)

    parser = argparse.ArgumentParser(
        prog=f"./submit.sh {job}",
        usage=f"./submit.sh {job} [options] [-- spark-submit arguments]",
        description=textwrap.dedent(description).strip(),
        formatter_class=Format,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file with options that override the defaults")
    groups: dict[str, Any] = {}
    for option in options:
        group = groups.setdefault(option.group, parser.add_argument_group(option.group))
        help_text = f"{option.comment} Default: {shown(option.default)}".replace("%", "%%")
        if isinstance(option.default, bool):
            group.add_argument(option.flag, dest=option.key, action=argparse.BooleanOptionalAction, help=help_text)
        else:
            group.add_argument(option.flag, dest=option.key, metavar=_metavar(option), help=help_text)
    return parser


def _metavar(option: Option) -> str:
    unit = re.search(r"\[(\w+)\]", option.comment)
    return unit[1].upper() if unit else option.key.rpartition("_")[2].upper()


def shown(value: Any) -> str:
    """A value as it is told; of a MongoDB URI only that it is one, as it may hold a password, and no user's of any other."""
    if isinstance(value, bool | float):
        return str(value).lower() if isinstance(value, bool) else f"{value:g}"
    without = re.sub(r"(?i)(mongo[a-z+]*://).*", r"\1...", str(value), flags=re.DOTALL)
    return re.sub(r"://[^/\s]*@", "://...@", without)


Model = TypeVar("Model", bound=Options)


def parse(job: str, model: type[Model], argv: Sequence[str], description: str = "") -> Model:
    """The validated options of a job: its TOML file, then ``--config``, then the command line.

    Raises OptionError; ``--help`` prints and exits, as argparse has it.
    """
    defaults = {option.key: option.default for option in options_of(job)}
    return validated(model, defaults | given(job, argv, description))


def given(job: str, argv: Sequence[str], description: str = "") -> dict[str, Any]:
    """What ``--config`` and, over it, a command line say of a job's options, not validated yet.

    Raises OptionError where there is no such option; ``--help`` prints and exits, as argparse has it.
    """
    options = options_of(job)
    parser = _parser(job, description, options)
    known, unknown = parser.parse_known_args(_with_negative_values(argv))
    if unknown:
        raise OptionError(_unknown(unknown, options))
    values = vars(known)
    if config := values.pop("config", None):
        values = _from_file(Path(config), {option.key: option.default for option in options}) | values
    return values


def as_words(values: Mapping[str, Any]) -> list[str]:
    """Options as a command line has them.

    >>> as_words({"min_depth": -2.5, "plan": True, "anonymous": False, "pre_filt": [1, 2.5]})
    ['--min-depth=-2.5', '--plan', '--no-anonymous', '--pre-filt=1,2.5']
    """
    words = []
    for key, value in values.items():
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{flag}")
        else:
            words.append(f"--{flag}={','.join(map(str, value)) if isinstance(value, list | tuple) else value}")
    return words


def validated(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Options of a job from values of every one of them; OptionError names each that is impossible."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise OptionError("\n".join(_explain(problem) for problem in error.errors())) from None


def _with_negative_values(argv: Sequence[str]) -> list[str]:
    """Values such as ``-119,-116,33,36`` tied to their options: argparse would take them for options themselves."""
    words: list[str] = []
    for word in argv:
        if words and re.match(r"-[\d.]", word) and re.fullmatch(r"--[a-z][a-z-]*", words[-1]):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _unknown(words: Sequence[str], options: Sequence[Option]) -> str:
    flags = [word.partition("=")[0] for word in words if word.startswith("-")]
    if not flags:
        return f"{shown(words[0])}: what is this for? Options are written --name value"
    near = difflib.get_close_matches(flags[0], [option.flag for option in options], 3, 0.7)
    return f"unknown option {shown(flags[0])}" + (f"; is {' or '.join(near)} meant?" if near else "")


def _from_file(path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    try:
        values = _flatten(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise OptionError(f"--config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"--config {path}: {error}") from error
    if unknown := sorted(values.keys() - known.keys()):
        raise OptionError(f"--config {path}: unknown option {', '.join(unknown)}; known are {', '.join(known)}")
    return values


def _explain(problem: Mapping[str, Any]) -> str:
    flag = "--" + str(problem["loc"][0]).replace("_", "-")
    return f"{flag} {shown(problem['input'])}: {problem['msg'].removeprefix('Value error, ')}"


def parse_or_exit(job: str, argv: Sequence[str], description: str) -> Any:
    """:func:`parse` for a job's entry point: an impossible option ends it with one message and exit code 2."""
    try:
        return parse(job, JOBS[job], argv, description)
    except OptionError as error:
        print(f"{job}: {error}\nSee ./submit.sh {job} --help", file=sys.stderr)
        raise SystemExit(EXIT_USAGE) from None


def parameters_id(values: Mapping[str, Any]) -> str:
    """A short id of what determines a result: the same values give the same id, in any order."""
    canonical = json.dumps(values, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def day_range(start: dt.date, days: int | None, end: dt.date | None) -> tuple[dt.date, dt.date]:
    """First day and the day after the last; OptionError where ``--days`` and ``--end`` contradict or nothing is left."""
    if days is not None and end is not None and start + dt.timedelta(days=days) != end:
        raise OptionError(f"--days {days} and --end {end} contradict each other: give one of them")
    end = end or start + dt.timedelta(days=days or 1)
    if end <= start:
        raise OptionError(f"--end {end} is not after --start {start}")
    return start, end
