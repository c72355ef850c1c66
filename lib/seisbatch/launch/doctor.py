"""``./submit.sh doctor``: whether a run can go well from here, and what to do where it cannot.

Every line is ok, a warning or a problem; a problem makes the exit code 1. Nothing but a probe in ``--out``, which is deleted
at once, is written anywhere.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence

from seisbatch.config import EXIT_USAGE, OptionError
from seisbatch.launch import checks_here as here
from seisbatch.launch import checks_there as there
from seisbatch.launch.finding import Finding, Level, problem
from seisbatch.launch.settings import LaunchSettings, read_settings
from seisbatch.outcome import RunError, plural

USAGE = """usage: ./submit.sh doctor [--on WHERE] [--out s3://BUCKET/PREFIX]

Checks what a run from here needs; for a WHERE of emr or emr-serverless what a run there needs besides, for --out whether
results can be written there."""
WHERE = re.compile(r"local(\[(\d+|\*)\])?|spark://.+|yarn|emr(-serverless)?(:.+)?")
EXIT_PROBLEM = 1


def findings(where: str, out: str | None, environment: dict[str, str]) -> Iterator[Finding]:
    """Every check, one after another, the quick ones first."""
    on_emr = where.startswith("emr")
    staging = profile = region = None
    if on_emr:
        try:
            settings = read_settings()
            profile, region, staging = settings.profile, settings.region, settings.staging
            yield from _lacking(settings, where)
        except RunError as error:
            yield problem("settings", str(error), "runs on Amazon EMR start from there")
    yield here.java(environment, is_local=not on_emr)
    yield here.python()
    yield here.packages()
    yield here.spark(here.pyspark_version(), on_emr=on_emr)
    if where.startswith("local"):
        yield here.memory(here.total_memory(), _cores(where))
    yield here.space()
    yield here.build()
    needs_aws = on_emr or (out or "").startswith("s3://")
    yield there.credentials(needed=needs_aws, profile=profile, region=region)
    yield there.region(needed=on_emr, profile=profile, named=region)
    for what, place in (("output", out), ("staging", staging)):
        if place and (on_emr or "://" in place):
            yield from there.bucket(what, place, profile, region)
    yield from there.archives()
    if found := there.mongodb(environment):
        yield found


def _lacking(settings: LaunchSettings, where: str) -> Iterator[Finding]:
    """What a run on Amazon EMR would end for at once."""
    if settings.staging is None:
        to_do = "set staging in conf/emr/launch.toml, or SEISBATCH_STAGING=s3://bucket/prefix"
        yield problem("staging", "no place for packages and logs", to_do)
    if where.startswith("emr-serverless") and settings.serverless_role is None:
        yield problem("role", "none that job runs of EMR Serverless have", "set serverless_role in conf/emr/launch.toml")
    if settings.wheels and not settings.wheels.is_dir():
        yield problem("wheels", f"{settings.wheels} is no folder", "correct wheels in conf/emr/launch.toml")


def _cores(where: str) -> int:
    named = re.fullmatch(r"local\[(\d+)\]", where)
    return int(named[1]) if named else os.cpu_count() or 1


def asked(words: Sequence[str]) -> tuple[str, str | None]:
    """``--on WHERE`` and ``--out PLACE``; OptionError where something else is said."""
    given: dict[str, str | None] = {"--on": "local", "--out": None}
    left = list(words)
    while left:
        name, is_joined, value = left.pop(0).partition("=")
        if name not in given or (not is_joined and not left):
            raise OptionError(f"doctor: {name}: it takes --on WHERE and --out s3://BUCKET/PREFIX")
        given[name] = value if is_joined else left.pop(0)
    if not WHERE.fullmatch(str(given["--on"])):
        raise OptionError(f"--on {given['--on']}: local, local[N], spark://HOST:PORT, yarn, emr... or emr-serverless...")
    return str(given["--on"]), given["--out"]


def main(words: Sequence[str]) -> int:
    """Check and tell; the exit code."""
    if {"-h", "--help"} & set(words):
        print(USAGE)
        return 0
    try:
        where, out = asked(words)
    except OptionError as error:
        print(f"submit.sh: {error}\n{USAGE}", file=sys.stderr)
        return EXIT_USAGE
    counted = dict.fromkeys(Level, 0)
    for found in findings(where, out, dict(os.environ)):
        counted[found.level] += 1
        print(found, flush=True)
    told = [f"{number} {level if number == 1 else plural(level)}" for level, number in counted.items() if level is not Level.OK]
    print(f"doctor: {', '.join(told)}" if any(list(counted.values())[1:]) else "doctor: all is well")
    return EXIT_PROBLEM if counted[Level.PROBLEM] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
