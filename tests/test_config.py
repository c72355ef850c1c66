"""Options: one place of defaults, one clear message for what cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from seisbatch.config import OptionError, options_of, parameters_id, parse
from seisbatch.options import JOBS, NOT_PARAMETERS

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("job", JOBS)
def test_help_tells_every_option_its_default_and_what_it_is(job):
    environment = {"PYTHONPATH": str(REPOSITORY / "lib"), "PATH": "", "SEISBATCH_CONF": str(REPOSITORY / "conf")}
    file = REPOSITORY / "jobs" / f"{job}.py"
    done = subprocess.run([sys.executable, file, "--help"], env=environment, capture_output=True, text=True, check=True)
    told = " ".join(done.stdout.split())
    for option in options_of(job):
        assert f"{option.flag} " in told or f"{option.flag}," in told
        assert option.comment
        assert " ".join(option.comment.split()) in told
    assert {option.key for option in options_of(job)} == {field.alias or name for name, field in JOBS[job].model_fields.items()}


def test_every_job_has_its_options():
    assert {path.stem for path in (REPOSITORY / "jobs").glob("*.py")} == set(JOBS)
    assert {path.stem for path in (REPOSITORY / "conf/jobs").glob("*.toml")} == set(JOBS)


def options(*arguments: str):
    return parse("cross_correlate", JOBS["cross_correlate"], arguments)


def test_the_command_line_beats_the_file_and_the_file_the_defaults(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("maxlag = 50.0\n[preprocessing]\nfreqmin = 0.2\nfreqmax = 0.8\n")
    found = options("--config", str(file), "--freqmax", "0.7")
    assert (found.maxlag, found.freqmin, found.freqmax, found.cc_len) == (50, 0.2, 0.7, 1800)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("freq_min = 1", "unknown option freq_min; known are .*freqmin"),
        ("freqmin = ", r"mine\.toml: "),
        ("freqmin = 'low'", "--freqmin low: .*number"),
        ("[preprocessing]\ncc_len = -5", "--cc-len -5: "),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(OptionError, match=message):
        options("--config", str(file))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.toml"], "nowhere.toml: No such file"),
        (["--freq-max", "1"], "unknown option --freq-max; is --freqmax"),
        (["0.5"], "0.5: what is this for"),
        (["--whitening", "pink"], "--whitening pink: .*'none', 'phase_only' or 'rma'"),
        (["--memory", "lots"], "--memory lots: .*write 1500MB or 2GB"),
        (["--cc-len", "nan"], "--cc-len nan: "),
        (["--max-bad-fraction", "2"], "--max-bad-fraction 2: "),
        (["--start", "2022-01-02", "--substack", "-1"], "--substack -1: "),
    ],
)
def test_a_wrong_option_is_named_with_what_is_wrong(arguments, message):
    with pytest.raises(OptionError, match=message):
        options(*arguments)


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("1500MB", 1.5e9), ("2GB", 2e9), ("2g", 2e9), ("0.5 GiB", 2**29), ("800000000", 8e8)]
)
def test_amounts_of_memory(text, n_bytes):
    assert options("--memory", text).memory == n_bytes


def test_words_for_nothing_and_for_what_follows_from_other_options():
    found = options("--max-distance", "none", "--ccf-rate", "auto", "--no-anonymous")
    assert found.max_distance is None
    assert found.ccf_rate is None
    assert found.anonymous is False


def test_the_id_of_parameters_depends_on_every_value_and_on_no_order():
    values = options().model_dump()
    first = parameters_id(values)
    assert parameters_id(dict(reversed(values.items()))) == first
    assert all(parameters_id(values | {key: "other"}) != first for key in values)


def test_where_and_how_a_run_works_is_no_parameter_of_its_results():
    from seisbatch.plan.run import correlation_run

    elsewhere = ["--out", "b", "--out-region", "x", "--max-bad-fraction", "0.1", "--plan", "--root", "c", "--no-anonymous"]
    one, other = (correlation_run(options(*arguments)) for arguments in ([], elsewhere))
    assert one.parameters_id == other.parameters_id
    assert correlation_run(options("--freqmax", "0.4")).parameters_id != one.parameters_id
    assert {"out", "root", "memory"} <= NOT_PARAMETERS
