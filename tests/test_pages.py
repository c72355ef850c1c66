"""The pages for users: every job is told of, and every command line in them is one that its job takes."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest
from seisbatch.config import parse
from seisbatch.options import JOBS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(ROOT.glob("*.md"))
LAUNCHER = (ROOT / "submit.sh").read_text()
FENCED = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ANCHOR = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def commands(text):
    """The words of every ``./submit.sh`` command of a page, in blocks and within sentences."""
    blocks = FENCED.findall(text)
    sentences = FENCED.sub("", text)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", sentences)]
    found = [line.removeprefix("$ ") for line in lines]
    return [shlex.split(line, comments=True)[1:] for line in found if line.startswith("./submit.sh ")]


def job_and_options(words):
    """A command's job, or other word, and what it gives to that: without the launcher's own options, and Spark's."""
    words = [word for word in words if word != "..."]
    while words and words[0].startswith("--"):
        words = words[2 if words[0] == "--on" else 1 :]
    given = itertools.takewhile(lambda word: word not in {"--", "|", "&&", "&", ";", ">"}, words[1:])
    return words[0] if words else "", list(given)


def readme():
    return (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_are_taken(page):
    for words in commands(page.read_text()):
        job, options = job_and_options(words)
        if job in JOBS and "--help" not in options:
            parse(job, JOBS[job], options)
        elif job not in JOBS and job not in ("", "JOB") and not job.endswith(".py"):
            assert re.search(rf"\./submit\.sh (\S+\|)*{re.escape(job)}\b", LAUNCHER), words


def test_the_table_of_jobs_tells_what_each_reads_and_writes():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", readme(), re.MULTILINE)
    assert sorted(name for name, *_ in rows) == sorted(JOBS)


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_an_example_with_its_output(job):
    blocks = [block for block in FENCED.findall(readme()) if block.startswith(f"$ ./submit.sh {job}")]
    assert blocks, "no block that begins with its command"
    command, _, printed = re.sub(r"\\\n\s*", "", blocks[0]).partition("\n")
    assert printed.strip(), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in ANCHOR.findall(FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = ROOT / name if name else page
        assert target.exists(), link
        titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, link
