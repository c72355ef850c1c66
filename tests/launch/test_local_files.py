"""Options that name files of this computer: which go along, which are uploaded, which are refused."""

import re
import zipfile

import pytest
from seisbatch.config import OptionError, options_of, parse
from seisbatch.launch.local_files import CARRIED, PLACES, UPLOADED, sent_options
from seisbatch.launch.spark_arguments import with_places
from seisbatch.options import JOBS

OUT = ["--out", "s3://mine/run", "--archive", "scedc"]


def test_every_option_that_may_name_a_file_or_folder_is_known():
    words = [r"\bfolder or s3://", "s3://bucket", r"\bA (StationXML|catalogue|JSON|CSV|csv)\b.*\bfile", "@FILE"]
    told = re.compile("|".join([*words, r"\bcsv or Parquet file"]), re.IGNORECASE)
    named = {option.key for job in JOBS for option in options_of(job) if told.search(option.comment)}
    assert {"out", "events", "pairs", "request", "sensitivity"} <= named  # the words are found
    assert named - {"archive"} <= UPLOADED | CARRIED | PLACES
    keys = {option.key for job in JOBS for option in options_of(job)}
    assert UPLOADED | CARRIED | PLACES <= keys


def test_what_a_file_of_options_says_is_sent_and_the_command_line_overrides_it(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[selection]\nstart = "2022-01-02"\ndays = 3\n[processing]\nfreqmin = 0.2\ncircular = true\n')
    words = ["--config", str(file), *OUT, "--days", "7", "--no-anonymous", "--plan"]
    sent = sent_options("cross_correlate", words, tmp_path)
    assert not [word for word in sent.words if "mine.toml" in word]
    assert sent.files == []
    assert parse("cross_correlate", JOBS["cross_correlate"], sent.words) == parse(
        "cross_correlate", JOBS["cross_correlate"], words
    )


def test_a_file_that_is_read_from_s3_is_uploaded(tmp_path):
    picks = tmp_path / "picks of mine.csv"
    picks.write_text("net,sta,time\n")
    sent = sent_options("cut_windows", [*OUT, "--arrivals", str(picks)], tmp_path / "build")
    [file] = sent.files
    assert (file.name, file.path) == ("--arrivals", picks)
    place = "s3://staging/packages/abc/picks of mine.csv"
    assert f"--arrivals={place}" in with_places(sent.words, {file.name: place})
    with pytest.raises(OptionError, match="upload it to where --out is"):
        sent_options("cut_windows", [*OUT, "--arrivals", str(picks), "--out-endpoint", "https://host"], tmp_path)


def test_a_file_that_only_the_driver_reads_goes_along(tmp_path):
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("CI.A..BHZ:CI.B..BHZ\n")
    sent = sent_options("cross_correlate", [*OUT, "--pairs", f"@{pairs}"], tmp_path / "build")
    [archive] = sent.files
    assert (archive.name, archive.path.suffix) == ("files", ".zip")
    assert "--pairs=@./files/pairs.txt" in sent.words
    with zipfile.ZipFile(archive.path) as files:
        assert {name: files.read(name) for name in files.namelist()} == {"pairs.txt": pairs.read_bytes()}


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (
            "cross_correlate",
            ["--pairs", "CI.A..BHZ:CI.B..BHZ", "--root", "s3://bucket/prefix", "--stations", "mongodb://host/db"],
        ),
        ("cut_windows", ["--events", "archive", "--index", "s3://mine/index"]),
        ("make_spectrograms", ["--recordings", "https://host/path/", "--archive", "sample", "--sensitivity", "-170.5"]),
        ("remove_response", ["--waveforms", "s3://mine/windows", "--archive", "sample"]),
    ],
)
def test_what_names_nothing_here_stays_as_it_is(job, words, tmp_path):
    sent = sent_options(job, [*OUT, *words], tmp_path)
    assert sent.files == []
    assert parse(job, JOBS[job], sent.words) == parse(job, JOBS[job], [*OUT, *words])


@pytest.mark.parametrize(
    ("job", "words", "told"),
    [
        ("cross_correlate", ["--archive", "scedc"], "--out out/cross_correlate is on this computer"),
        ("cross_correlate", ["--out", "s3://mine/run"], "--archive sample is made on this computer"),
        (
            "cross_correlate",
            ["--archive", "scedc", "--out", "s3a://mine/run"],
            "s3a://mine/run is no place that a cluster reaches",
        ),
        ("cross_correlate", [*OUT, "--root", "file:///home/me"], "file:///home/me is no place that a cluster reaches"),
        ("cross_correlate", [*OUT, "--root", "."], r"--root \. is on this computer.*aws s3 cp --recursive"),
        ("cut_windows", [*OUT, "--arrivals", "no such.csv"], "--arrivals no such.csv: there is no such file"),
        ("cut_windows", [*OUT, "--events", "~nobody-of-this-name/picks.xml"], "there is no such file"),
        ("cut_windows", [*OUT, "--events", "."], r"--events \. is a folder of this computer"),
        ("load_mongo", ["--out", "s3://mine/run", "--tables", "s3://mine/a,out/b"], "--tables out/b is on this computer"),
        ("stack_ccfs", ["--out", "s3://mine/run"], "--ccfs out/cross_correlate is on this computer"),
        ("cross_correlate", [*OUT, "--chanels", "x"], "unknown option --chanels; is --channels meant"),
        ("cross_correlate", [*OUT, "--config", "none.toml"], "--config none.toml: No such file"),
    ],
)
def test_what_a_cluster_cannot_reach_is_refused(job, words, told, tmp_path):
    with pytest.raises(OptionError, match=told):
        sent_options(job, words, tmp_path)


def test_options_of_a_users_own_job_stay_and_files_among_them_are_refused(tmp_path):
    words = ["--out", "s3://mine", "first", "--depth=-3"]
    words += [f"--ids={','.join(map(str, range(200)))}", "--note=~nobody-of-this-name"]  # which name no file
    assert sent_options("my_job", words, tmp_path).words == words
    file = tmp_path / "input.txt"
    file.touch()
    for given in ([str(file)], ["--input", str(file)], [f"--input={file}"], [f"@{file}"]):
        with pytest.raises(OptionError, match="is a file of this computer"):
            sent_options("my_job", given, tmp_path)
