"""make_spectrograms from end to end: the sample's recordings, other inputs, every way of writing, running again."""

import datetime as dt
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time

import numpy as np
import obspy
import pyarrow.parquet as pq
import pytest
import soundfile
import xarray
from matplotlib import image
from seisbatch.sample import hydrophone
from seisbatch.sample.hydrophone import CHANNEL, RATE, SENSITIVITY, TONES, write_sample_recordings

from tests.conftest import REPOSITORY
from tests.jobs.results import outcomes, rows

START = hydrophone.START
UNIT = ["--unit-minutes", "10"]
GOOD = (0, 1, 2, 5)
"""Numbers of the files that can be read; the third has a gap of 12 s, from 862.3 s on, which three clips touch."""
N_CLIPS = 60 * len(GOOD) - 3


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hydrophone") / "recordings"
    write_sample_recordings(folder, quiet=True)
    return folder


def options(recordings, out, *more):
    return ["--recordings", str(recordings), "--sensitivity", str(SENSITIVITY), *UNIT, "--out", str(out), *more]


@pytest.fixture(scope="module")
def undisturbed(run_job, recordings, tmp_path_factory):
    out = tmp_path_factory.mktemp("sound") / "out"
    assert run_job("make_spectrograms", *options(recordings, out, "--write", "parquet,tar,objects", "--size", "128x64")) == 0
    return out


def seconds(row, column="clock"):
    return (row[column] - START).total_seconds()


def as_recorded(recordings):
    """What obspy reads of the files that can be read."""
    stream = obspy.Stream()
    for file in sorted(recordings.iterdir()):
        if file.name.endswith(".mseed") and "T002000" not in file.name:
            stream += obspy.read(str(file), format="MSEED")
    return stream


def test_every_clip_has_its_sound_picture_and_row(undisturbed, recordings):
    clips = rows(undisturbed, "clip")
    assert len(clips) == len({clip["id"] for clip in clips}) == N_CLIPS
    lost = {seconds(row, "starttime") for row in rows(undisturbed, "cemetery") if "gap" in row["reason"]}
    assert lost == {860.0, 870.0}  # of the one between them nothing was recorded
    stream = as_recorded(recordings)
    for clip in clips[::29]:
        counts, rate = soundfile.read(io.BytesIO(clip["sound"]), dtype="int32")
        first = obspy.UTCDateTime(clip["starttime"])
        told = stream.slice(first, obspy.UTCDateTime(clip["endtime"])).merge()
        assert rate == RATE
        assert len(counts) == 5 * RATE
        np.testing.assert_array_equal(counts, told[0].data)
        assert image.imread(io.BytesIO(clip["picture"])).shape[:2] == (64, 128)
        pressure = (counts - counts.mean()) * 10 ** (-SENSITIVITY / 20)
        assert clip["rms"] == pytest.approx(20 * np.log10(pressure.std()), abs=0.01)
        assert (clip["units"], clip["gain"], clip["n_clipped"]) == ("1 uPa", 1.0, 0)


def test_outcomes_tell_the_corrupt_the_missing_and_the_partial(undisturbed):
    objects = outcomes(undisturbed, "object")
    assert sorted(row["outcome"] for row in objects.values()) == ["corrupt", "missing", "ok", "ok", "ok", "ok"]
    (missing,) = (unit for unit, row in objects.items() if row["outcome"] == "missing")
    assert missing == f"{CHANNEL}/2022-01-02T00:15:00/2022-01-02T00:20:00"
    (day,) = outcomes(undisturbed, "channel-day").values()
    assert day["outcome"] == "ok"
    assert "partial" in day["reason"]
    assert day["windows"] == pytest.approx(1188, abs=1)
    manifest = json.loads((undisturbed / "manifest.json").read_text())  # the last recording may be longer: a unit looks
    assert manifest["planned"] == {"object": 6, "channel-day": 1, "batch": 5}


def test_a_ships_tones_come_out_at_their_levels(undisturbed, recordings):
    """Minutes 5 to 11, in which the ship is near."""
    minutes = [row for row in rows(undisturbed, "psd") if 300 <= seconds(row, "starttime") < 720]
    assert len(minutes) == 7
    days = {row["bands"]: row for row in rows(undisturbed, "psd_day")}
    assert set(days) == {"one_hertz", "hybrid_millidecade", "third_octave"}
    for tone in TONES:
        for bands in ("one_hertz", "hybrid_millidecade"):
            centre = np.array(days[bands]["centre"])
            around = np.abs(centre - tone.frequency) < 1.6  # a Hann window spreads a tone over three bands of 1 Hz
            power = np.mean([10 ** (np.array(row[bands])[around] / 10) for row in minutes], axis=0)
            assert 10 * np.log10(power.sum()) == pytest.approx(tone.level, abs=0.1)
    with xarray.open_dataset(next((undisturbed / "levels").rglob("*.nc"))) as levels:
        assert levels.attrs["Conventions"].startswith("CF-")
    assert next((undisturbed / "long_term").rglob("*.png")).stat().st_size > 10_000


def test_shards_and_objects_hold_the_same_as_rows(undisturbed):
    clips = {clip["id"]: clip for clip in rows(undisturbed, "clip")}
    manifests = [json.loads(file.read_text()) for file in (undisturbed / "clips").rglob("*manifest.json")]
    assert len(manifests) == 1
    files = [file for file in (undisturbed / "clips").rglob("*") if file.suffix in (".wav", ".png")]
    assert len(files) == 2 * N_CLIPS
    bodies = {}
    for shard in (undisturbed / "shards").rglob("*.tar"):
        with tarfile.open(shard) as archive:
            for member in archive:
                bodies[member.name.rpartition("/")[2]] = archive.extractfile(member).read()
    assert len(bodies) == 3 * N_CLIPS
    for clip in list(clips.values())[::23]:
        stem = clip["id"].replace("/", ".")
        key = f"clips/2022/01/02/{stem}"
        assert (undisturbed / f"{key}.wav").read_bytes() == clip["sound"]
        assert (undisturbed / f"{key}.png").read_bytes() == clip["picture"]
        with open(undisturbed / clip["sound_file"], "rb") as file:
            file.seek(clip["sound_foff"])
            assert file.read(clip["sound_nbytes"]) == clip["sound"]
        assert bodies[stem.replace(".", "_") + ".wav"] == clip["sound"]


def test_the_report_shows_levels_days_and_clips(undisturbed):
    page = (undisturbed / "report.html").read_text()
    for words in ("Long-term", "ercentile", "oudest", "uietest", "partial"):
        assert words in page


def written(out):
    return {file: file.stat().st_mtime_ns for file in out.rglob("*.parquet") if "outcomes" not in file.parts}


def test_running_again_adds_what_has_come_since_and_nothing_else(run_job, recordings, tmp_path):
    source, out, copy = tmp_path / "source", tmp_path / "out", tmp_path / "copy"
    shutil.copytree(recordings, source)
    more = ("--sound", "flac", "--no-pictures", "--bands", "third_octave", "--sync", str(copy))
    assert run_job("make_spectrograms", *options(source, out, *more)) == 0
    before, copied = written(out), written(copy)
    assert len(copied) == len(before)
    assert run_job("make_spectrograms", *options(source, out, *more)) == 0
    assert written(out) == before
    assert written(copy) == copied
    late = hydrophone.START + dt.timedelta(seconds=300 * hydrophone.MISSING)
    name = f"{CHANNEL}.{late:%Y%m%dT%H%M%S}.wav"
    silence = (1000 * np.sin(np.arange(int(300 * RATE)))).astype(np.int32)
    soundfile.write(source / name, silence, int(RATE), subtype="PCM_24")  # the missing five minutes, in another format
    assert run_job("make_spectrograms", *options(source, out, *more)) == 0
    changed = {file.relative_to(out).as_posix() for file, when in written(out).items() if before.get(file) != when}
    assert not any("T0000" in name for name in changed)  # those that the recording is in or may reach into
    assert any(name.startswith("clip/") and "T0010" in name for name in changed)
    assert len(rows(out, "clip")) == N_CLIPS + 60
    assert {file.relative_to(copy) for file in written(copy)} == {file.relative_to(out) for file in written(out)}


def test_sound_files_of_another_rate_are_rejected_and_gaps_are_padded(run_job, tmp_path):
    source, out = tmp_path / "wavs", tmp_path / "out"
    source.mkdir()
    rate = 8000
    wave = np.round(2000 * np.sin(2 * np.pi * 440 * np.arange(62 * rate) / rate)).astype(np.int16)
    soundfile.write(source / "MARS_20171009_000000.wav", wave[: 32 * rate], rate)
    soundfile.write(source / "MARS_20171009_000034.flac", wave[: 30 * rate], rate, subtype="PCM_16")  # two seconds late
    soundfile.write(source / "MARS_20171009_000104.wav", wave[: 30 * rate], 2 * rate)
    more = ("--recordings", str(source), "--channel", "XX.MARS..BDH", "--gaps", "pad", "--preset", "whaledr", "--nfft", "512")
    more += ("--frequencies", "10,3000", "--bands", "none", "--sound", "wav16", "--out", str(out))
    assert run_job("make_spectrograms", *more) == 0
    clips = {seconds_of_day(clip): clip for clip in rows(out, "clip")}
    assert {at: clip["n_padded"] for at, clip in clips.items() if clip["n_padded"]} == {30: 2 * rate, 60: rate}
    samples, _ = soundfile.read(io.BytesIO(clips[30]["sound"]), dtype="int16")
    assert clips[30]["gain"] == pytest.approx(32767 / 2000, rel=1e-3)
    np.testing.assert_array_equal(samples[2 * rate : 4 * rate], 0)
    reasons = {unit: row["reason"] for unit, row in outcomes(out, "object").items() if row["outcome"] == "rejected"}
    assert [*reasons] == ["XX.MARS..BDH/MARS_20171009_000104.wav"]
    assert "16000 Hz" in reasons["XX.MARS..BDH/MARS_20171009_000104.wav"]


def test_recordings_that_come_one_by_one_are_added(run_job, tmp_path):
    source, out = tmp_path / "wavs", tmp_path / "out"
    source.mkdir()
    rate = 1000
    wave = np.random.default_rng(0).normal(scale=0.1, size=120 * rate).astype(np.float32)
    more = ("--recordings", source, "--channel", "XX.MARS..BDH", "--no-pictures", "--bands", "none", "--out", out)
    soundfile.write(source / "20171009_000000.wav", wave[: 60 * rate], rate, subtype="FLOAT")
    assert run_job("make_spectrograms", *more) == 0
    soundfile.write(source / "20171009_000100.wav", wave[60 * rate :], rate, subtype="FLOAT")
    soundfile.write(source / "20171009_000150.wav", wave[: 20 * rate], rate, subtype="FLOAT")  # ten seconds of it are others
    assert run_job("make_spectrograms", *more) == 0
    clips = {seconds_of_day(clip): soundfile.read(io.BytesIO(clip["sound"]), dtype="float32")[0] for clip in rows(out, "clip")}
    assert sorted(clips) == [*range(0, 110, 5), 120, 125]
    np.testing.assert_array_equal(np.concatenate([clips[at] for at in range(0, 110, 5)]), wave[: 110 * rate])
    left_out = [row["reason"] for row in rows(out, "cemetery") if "copies that differ" in row["reason"]]
    assert len(left_out) == 2
    assert run_job("make_spectrograms", *more, "--time-pattern", "%Y%m%d_%H%M%S") == 1


def test_an_archive_of_low_rates_with_a_day_missing(run_job, tmp_path):
    for day in (1, 3):
        trace = obspy.Trace(np.arange(6000, dtype=np.int32), {"network": "BK", "station": "OBS", "channel": "BDH"})
        trace.stats.update({"sampling_rate": 20.0, "starttime": obspy.UTCDateTime(2022, 1, day)})
        file = tmp_path / f"sds/2022/BK/OBS/BDH.D/BK.OBS..BDH.D.2022.{day:03d}"
        file.parent.mkdir(parents=True, exist_ok=True)
        trace.write(str(file), format="MSEED")
    words = ("--archive", "sds", "--root", tmp_path / "sds", "--start", "2022-01-01", "--days", 3, "--out", tmp_path / "out")
    assert run_job("make_spectrograms", *words, "--clip-s", 60, "--step-s", 60, "--bands", "none", "--size", "16x16") == 0
    assert [seconds_of_day(clip) for clip in rows(tmp_path / "out", "clip")] == 2 * [0, 60, 120, 180, 240]
    missing = [unit for unit, row in outcomes(tmp_path / "out", "object").items() if row["outcome"] == "missing"]
    assert missing == ["BK.OBS..BDH/2022-01-02T00:00:00/2022-01-03T00:00:00"]


def seconds_of_day(clip):
    clock = clip["clock"]
    return clock.hour * 3600 + clock.minute * 60 + clock.second


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--write", "zip"], "--write zip: give some of parquet, tar, objects"),
        (["--unit-minutes", "7"], "--unit-minutes 7"),
        (["--frequencies", "10,9000"], "--frequencies 10,9000"),
        (["--nfft", "200000"], "--nfft 200000"),
        (["--sensitivity", "stationxml"], "--stations"),
        (["--channel", "XX.MARS..BDH"], "XX.MARS..BDH"),
        (["--start", "2023-01-01"], "2022-01-02"),
        (["--memory", "301MB"], "--memory 301.0 MB"),
        (["--step-s", "0.00001"], "--step-s 1e-05 is less than a sample"),
        (["--recordings", ".", "--out", "clips", "--write", "objects"], "within the recordings"),
        (["--out", "clips", "--sync", "clips/copy"], "--sync"),
    ],
)
def test_options_that_cannot_be_are_told_in_a_line(words, told, run_job, recordings, tmp_path, capsys):
    assert run_job("make_spectrograms", *options(recordings, tmp_path / "out"), *words) in (1, 2)
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_killed_run_goes_on_and_ends_as_one_that_was_not(undisturbed, recordings, tmp_path):
    out = tmp_path / "out"
    words = options(recordings, out, "--write", "parquet,tar,objects", "--size", "128x64")
    command = [str(REPOSITORY / "submit.sh"), "--on", "local[1]", "make_spectrograms", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    deadline = time.monotonic() + 240
    while not list(out.glob("clip/**/*.parquet")):
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (out / "manifest.json").exists()
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    for table in ("clip", "psd", "psd_day", "cemetery"):
        for file in sorted((undisturbed / table).rglob("*.parquet")):
            mine = pq.read_table(out / file.relative_to(undisturbed), partitioning=None)
            assert mine.equals(pq.read_table(file, partitioning=None))
    for folder in ("shards", "clips", "long_term"):
        files = [file for file in (undisturbed / folder).rglob("*") if file.is_file()]
        assert files
        for file in files:
            assert (out / file.relative_to(undisturbed)).read_bytes() == file.read_bytes()
