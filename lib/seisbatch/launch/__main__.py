"""What ./submit.sh calls for runs on Amazon EMR: ``run``, ``status``, ``logs``. Each ends with an exit code."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seisbatch.config import CONF, EXIT_USAGE, OptionError
from seisbatch.launch.bundle import artefacts as artefacts_of
from seisbatch.launch.bundle import jars as jars_of
from seisbatch.launch.clients import client
from seisbatch.launch.follow import EXIT_LEFT, Follower, Screen
from seisbatch.launch.local_files import sent_options
from seisbatch.launch.logs import manifest_exit_code
from seisbatch.launch.rates import REPOSITORY, build_folder
from seisbatch.launch.runs import Record, find, new_name, save, shown_command
from seisbatch.launch.secrecy import redacted
from seisbatch.launch.sending import Where, checked_options, places, service_for
from seisbatch.launch.service import Request, Service
from seisbatch.launch.settings import LaunchSettings, read_settings
from seisbatch.launch.spark_arguments import spark_submit_arguments
from seisbatch.launch.upload import place_of, upload
from seisbatch.outcome import RunError

JOBS_FOLDER = REPOSITORY / "jobs"
EXIT_RUN = 1
JARS = "SEISBATCH_JARS"
"""The environment variable by which submit.sh names Java libraries that a run needs, comma separated."""

USAGE = """usage: ./submit.sh --on WHERE [--dry-run] JOB [options] [-- spark-submit arguments]
       ./submit.sh status [RUN]
       ./submit.sh logs [RUN] [--follow]

WHERE is emr (a cluster is made for the run), emr:j-CLUSTER, emr-serverless (an application is made once), or
emr-serverless:APPLICATION. RUN is a run's name or how it begins, its step, job run or cluster; by default the last run."""


class Command(NamedTuple):
    """A call of ``run``."""

    where: Where
    is_dry: bool
    job: str
    options: list[str]
    extra: list[str]


class Bundle(NamedTuple):
    """What is sent with a run: spark-submit's arguments, and the files that they name, by their places on S3."""

    arguments: list[str]
    uploads: dict[str, str]


def command_of(words: Sequence[str]) -> Command:
    """``--on WHERE [--dry-run] JOB options [-- arguments]``; OptionError where it is none."""
    left, where, is_dry = list(words), None, False
    while left and left[0].startswith("--"):
        word = left.pop(0)
        if word == "--dry-run":
            is_dry = True
        elif word == "--on" and left:
            where = left.pop(0)
        elif word.startswith("--on="):
            where = word.removeprefix("--on=")
        else:
            raise OptionError(f"unknown option {word}; options of a job come after its name")
    if where is None or not left:
        raise OptionError("name where a job is to run, and the job")
    job, *options = left
    cut = options.index("--") if "--" in options else len(options)
    return Command(Where.of(where), is_dry, job, options[:cut], options[cut + 1 :])


def run(words: Sequence[str]) -> int:
    """Send a job and follow it; the job's own exit code. With ``--dry-run`` only tell what would be sent."""
    command = command_of(words)
    file, job = job_file(command.job), Path(command.job).stem
    values = checked_options(job, command.options, command.extra)
    settings = read_settings()
    name = new_name(job, dt.datetime.now(dt.UTC))
    filled = places(settings, name, job)
    settings.required_region()  # before minutes of packing
    if command.is_dry:
        bundle = bundled(file, command, settings)
        print(dry_run(service_for(command.where, None, filled).requests(name, bundle.arguments), bundle.uploads))
        return 0
    s3 = client("s3", settings.region, settings.profile)
    service = service_for(command.where, client(command.where.service, settings.region, settings.profile), filled, s3)
    service.require()
    bundle = bundled(file, command, settings)
    told = command._replace(job=job if file.parent == JOBS_FOLDER else command.job)
    return sent_and_followed(service, told, name, bundle.arguments, values, settings)


def job_file(job: str) -> Path:
    """The file of a job of the suite, by its name or its path, or of a user's own; OptionError where there is none."""
    file = Path(job).resolve() if job.endswith(".py") else JOBS_FOLDER / f"{job}.py"
    if not file.is_file():
        raise OptionError(f"there is no job {job}")
    return file


def bundled(file: Path, command: Command, settings: LaunchSettings) -> Bundle:
    """Build what a run needs, and upload it where it is not there yet, but not for ``--dry-run``."""
    build, staging = build_folder(), settings.required_staging()
    sent = sent_options(file.stem, command.options, build)
    jars = [Path(word) for word in os.environ.get(JARS, "").split(",") if word]
    artefacts = [*artefacts_of(build, file, settings), *jars_of(jars), *sent.files]
    if command.is_dry:
        uris = {one.name: place_of(staging, one) for one in artefacts}
    else:
        uris = upload(client("s3", settings.region, settings.profile), staging, artefacts)
    properties = CONF / "spark" / "emr.conf"
    words = spark_submit_arguments(uris, properties, file.stem, sent.words, command.extra, settings)
    return Bundle(list(words), {str(one.path): uris[one.name] for one in artefacts})


def dry_run(requests: Sequence[Request], uploads: dict[str, str]) -> str:
    """What would be sent, as JSON: files with their places, and each request with the parameters that boto3 is given."""
    told = [{"service": one.service, "operation": one.operation, "parameters": one.parameters} for one in requests]
    return json.dumps({"uploads": uploads, "requests": told}, indent=2)


def sent_and_followed(
    service: Service,
    command: Command,
    name: str,
    arguments: Sequence[str],
    values: Any,
    settings: LaunchSettings,
    screen: Screen | None = None,
) -> int:
    """Submit a run, keep a record of it, and follow it to its end; its exit code."""
    screen = screen or Screen.of_this_process()
    started = dt.datetime.now(dt.UTC)
    taken = service.submit(name, arguments)
    s3 = client("s3", settings.region, settings.profile)
    record = Record(
        name=name,
        where=str(command.where),
        service=command.where.service,
        region=s3.meta.region_name,
        profile=settings.profile,
        job=command.job,
        options=tuple(redacted([*command.options, *(["--", *command.extra] if command.extra else [])])),
        started=started.isoformat(timespec="seconds"),
        run=taken,
        out=values.get("out"),
        out_endpoint=values.get("out_endpoint"),
        out_region=values.get("out_region"),
    )
    save(build_folder() / "runs", record)
    screen.say(f"{name}: {taken.id} on {taken.group}; ./submit.sh status {name} finds it again")
    screen.say(service.page(taken))
    return follower(service, record, screen).follow()


def status(words: Sequence[str]) -> int:
    """Tell the state of a run, where to see it, and how it was started."""
    record, screen = _found(words), Screen.of_this_process()
    service = _service_of(record)
    one = follower(service, record, screen)
    state = service.state(record.run)
    for line in (record.name, one.line(state), state.message, shown_command(record), one.link()):
        if line:
            screen.show(line)
    return 0


def logs(words: Sequence[str]) -> int:
    """Show the driver's last lines so far; with ``--follow`` all of them, and more until the run ends: then its exit code."""
    record, screen = _found([word for word in words if word != "--follow"]), Screen.of_this_process()
    service = _service_of(record)
    if "--follow" in words:
        return follower(service, record, screen, streams=True).follow()
    return 0 if follower(service, record, screen).show_logs() else EXIT_RUN


def follower(
    service: Service, record: Record, screen: Screen, profile: str | None = None, *, streams: bool = False
) -> Follower:
    """What follows a run, with the clients that it reads logs and the manifest with."""
    s3 = client("s3", record.region, record.profile)

    def manifest_code() -> int | None:
        if not record.out:
            return None
        to_out = client("s3", record.out_region or record.region, record.profile, record.out_endpoint)
        return manifest_exit_code(to_out, record.out, record.started_at)

    return Follower(service, record, s3, screen, manifest_code, streams=streams)


def _found(words: Sequence[str]) -> Record:
    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise OptionError(f"{' '.join(words)}: name one run, or none for the last")
    return find(build_folder() / "runs", words[0] if words else None)


def _service_of(record: Record) -> Service:
    s3 = client("s3", record.region, record.profile)
    return service_for(Where.of(record.where), client(record.service, record.region, record.profile), s3=s3)


def main(words: Sequence[str]) -> int:
    commands = {"run": run, "status": status, "logs": logs}
    name, *arguments = words or [""]
    if name not in commands or (name != "run" and {"-h", "--help"} & set(arguments)):
        print(USAGE, file=sys.stdout if {"-h", "--help"} & set(words) else sys.stderr)
        return 0 if {"-h", "--help"} & set(words) else EXIT_USAGE
    try:
        return commands[name](arguments)
    except OptionError as error:
        print(f"submit.sh: {error}", file=sys.stderr)
        return EXIT_USAGE
    except RunError as error:
        print(f"submit.sh: {error}", file=sys.stderr)
        return EXIT_RUN
    except KeyboardInterrupt:  # before there is a run to ask about
        return EXIT_LEFT


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
