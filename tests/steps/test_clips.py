"""Clips written and read back by others: soundfile, Pillow, tarfile, pyarrow."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.names import Channel
from seisbatch.outcome import UnitError
from seisbatch.process.levels import Calibration
from seisbatch.process.segments import Segment
from seisbatch.schema import CEMETERY, CLIP
from seisbatch.sinks.parquet import recorded_unit
from seisbatch.steps.batches import PUTS_IN_FLIGHT, BatchFiles, recorded_batch
from seisbatch.steps.clips import ClipWriter
from seisbatch.steps.sound_settings import PictureSettings, SoundSettings

NAME = Channel("OO", "HYEA2", "", "YDH")
BATCH = "year=2017/month=10/OO.HYEA2..YDH-20171009T0000"
RATE, CLIP_S = 8000.0, 1
CLOCK_NS = 1_507_507_200 * 10**9  # 2017-10-09
STAMPS = [f"20171009T00000{n}Z" for n in range(3)]


def settings(out: Path, **changes) -> SoundSettings:
    given = {"run_id": "r", "job": "make_spectrograms", "parameters_id": "p", "metadata": (), "ahead_bytes": 1, "track": 1,
             "clip_s": CLIP_S, "step_s": CLIP_S, "gaps": "leave_out", "sound": "wav32", "gain": 1.0,
             "picture": PictureSettings(width=32, height=16), "places": ("parquet",), "band_sets": (), "calibration": None,
             "stations": None, "long_term": lambda: b""}  # fmt: skip
    store = StoreSettings(str(out))
    return SoundSettings(out=store, archive=store, **(given | changes))


def noise(n_clips: int = 3) -> list[np.ndarray]:
    """Counts of 24 bits."""
    rng = np.random.default_rng(0)
    return [np.rint(1e5 * rng.standard_normal(round(CLIP_S * RATE))).astype(np.int32) for _ in range(n_clips)]


def write(out: Path, clips: list[np.ndarray], calibration: Calibration | None = None, shard_bytes=10**9, **changes):
    """Clips written as a batch; the rows of both tables."""
    chosen = settings(out, **changes)
    store = Store(chosen.out)
    with BatchFiles(store, (), (CLIP, CEMETERY), BATCH) as files:
        writer = ClipWriter(chosen, NAME, BATCH, RATE, calibration, files, shard_bytes)
        for number, samples in enumerate(clips):
            clock_ns = CLOCK_NS + number * CLIP_S * 10**9
            writer.add(clock_ns, Segment(clock_ns + 20_000, RATE, samples), 0, ["a.ms", "b.ms"])
        writer.finish()
        files.commit([], ["a.ms", "b.ms"])
    assert writer.n_written + writer.n_left_out == len(clips)
    return rows(out, "clip"), rows(out, "cemetery")


def rows(out: Path, table: str) -> list[dict]:
    path = out / table / f"{BATCH}.parquet"
    return pq.ParquetFile(path).read().to_pylist() if path.exists() else []


def stored(out: Path, row: dict, kind: str) -> bytes:
    """A file's bytes by the place that its row tells."""
    with (out / row[f"{kind}_file"]).open("rb") as file:
        file.seek(row[f"{kind}_foff"])
        return file.read(row[f"{kind}_nbytes"])


def sound(data: bytes, shift: int = 0) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(data), dtype="int32")
    assert rate == RATE
    return samples >> shift


@pytest.mark.parametrize(("kind", "shift"), [("wav32", 0), ("flac", 8)])
def test_a_row_holds_the_sound_and_the_picture(tmp_path, kind, shift):
    clips = noise()
    found, dead = write(tmp_path, clips, sound=kind)
    assert dead == []
    for row, samples, stamp in zip(found, clips, STAMPS, strict=True):
        np.testing.assert_array_equal(sound(row["sound"], shift), samples)
        with Image.open(io.BytesIO(row["picture"])) as picture:
            assert (picture.format, picture.size) == ("PNG", (32, 16))
        assert row["id"] == f"OO.HYEA2..YDH/{stamp}"
        assert (row["gain"], row["n_clipped"], row["sound_format"], row["s3key"]) == (1.0, 0, kind, "a.ms,b.ms")
        assert (row["npts"], row["sampling_rate"], row["n_padded"]) == (8000, 8000.0, 0)
        assert (row["sound_nbytes"], row["sound_file"]) == (len(row["sound"]), None)
        assert row["starttime"].microsecond - row["clock"].microsecond == 20
        assert (row["endtime"] - row["starttime"]).total_seconds() == CLIP_S - 1 / RATE
        assert row["bottom"] < row["top"]


def test_a_shard_holds_each_clips_files_and_rows_tell_where(tmp_path):
    clips = noise()
    inside, _ = write(tmp_path / "rows", clips)
    found, _ = write(tmp_path, clips, places=("tar",))
    with tarfile.open(tmp_path / f"shards/{BATCH}.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    names = [f"OO_HYEA2__YDH_{stamp}" for stamp in STAMPS]
    assert list(members) == [f"{name}.{extension}" for name in names for extension in ("wav", "png", "json")]
    for name, row, whole in zip(names, found, inside, strict=True):
        assert row["sound"] is row["picture"] is None
        assert members[f"{name}.wav"] == stored(tmp_path, row, "sound") == whole["sound"]
        assert members[f"{name}.png"] == stored(tmp_path, row, "picture") == whole["picture"]
        told = json.loads(members[f"{name}.json"])
        assert (told["id"], told["npts"], told["starttime"]) == (row["id"], 8000, row["starttime"].isoformat())
        np.testing.assert_allclose(told["rms"], row["rms"], rtol=1e-6)


def test_shards_are_the_same_bytes_again_and_large_ones_are_followed_by_others(tmp_path):
    for place in ("a", "b"):
        found, _ = write(tmp_path / place, noise(), places=("tar",), shard_bytes=50_000)
        assert [row["sound_file"] for row in found] == [f"shards/{BATCH}{n}.tar" for n in ("", "", "-1")]
    for shard in (f"shards/{BATCH}.tar", f"shards/{BATCH}-1.tar"):
        assert (tmp_path / "a" / shard).read_bytes() == (tmp_path / "b" / shard).read_bytes()
    write(tmp_path / "b", noise(), places=("tar",))
    assert [file.name for file in (tmp_path / "b/shards").rglob("*.tar")] == [f"{BATCH.rpartition('/')[2]}.tar"]


def test_own_objects_have_the_days_folders_and_the_batch_is_not_whole_without_them(tmp_path):
    clips = noise()
    found, _ = write(tmp_path, clips, places=("objects",))
    for row, samples, stamp in zip(found, clips, STAMPS, strict=True):
        key = f"clips/2017/10/09/OO.HYEA2..YDH.{stamp}"
        assert (row["sound_file"], row["picture_file"]) == (f"{key}.wav", f"{key}.png")
        np.testing.assert_array_equal(sound(stored(tmp_path, row, "sound")), samples)
        assert len(stored(tmp_path, row, "picture")) == (tmp_path / f"{key}.png").stat().st_size
    store, inputs = Store(StoreSettings(str(tmp_path))), ["a.ms", "b.ms"]
    assert len(recorded_unit(store, f"clip/{BATCH}.parquet")["objects"]) == 6
    assert recorded_batch(store, CLIP, BATCH, inputs) is not None
    (tmp_path / found[1]["picture_file"]).unlink()
    assert recorded_batch(store, CLIP, BATCH, inputs) is None


def test_every_place_at_once(tmp_path):
    [row], _ = write(tmp_path, noise(1), places=("objects", "tar", "parquet"))
    assert row["sound_file"] == f"shards/{BATCH}.tar"
    own = tmp_path / f"clips/2017/10/09/OO.HYEA2..YDH.{STAMPS[0]}.wav"
    assert row["sound"] == stored(tmp_path, row, "sound") == own.read_bytes()


def test_a_clip_between_seconds_has_the_fraction_in_its_name(tmp_path):
    chosen = settings(tmp_path, places=("objects", "tar"), picture=None)
    with BatchFiles(Store(chosen.out), (), (CLIP, CEMETERY), BATCH) as files:
        writer = ClipWriter(chosen, NAME, BATCH, RATE, None, files)
        writer.add(CLOCK_NS + 500_000_000, Segment(CLOCK_NS + 500_000_000, RATE, noise(1)[0]), 0, ["a.ms"])
        writer.finish()
        files.commit([], ["a.ms"])
    assert (tmp_path / "clips/2017/10/09/OO.HYEA2..YDH.20171009T000000.500000Z.wav").exists()
    with tarfile.open(tmp_path / f"shards/{BATCH}.tar") as tar:
        assert tar.getnames()[0] == "OO_HYEA2__YDH_20171009T000000_500000Z.wav"


def test_levels_of_a_sine_are_those_of_its_pressure(tmp_path):
    """A sine of 120 dB re 1 uPa; its density in the Hann window's bin is less by the noise bandwidth of 1.5 bins."""
    sensitivity, amplitude = -20.0, np.sqrt(2) * 10 ** (120 / 20)
    counts = amplitude * 10 ** (sensitivity / 20) * np.sin(2 * np.pi * 1000 * np.arange(8000) / RATE)
    drawing = PictureSettings(nfft=512, width=32, height=16, shades=(0.0, 1.0))
    [row], _ = write(tmp_path, [counts], Calibration(np.asarray(sensitivity)), picture=drawing)
    np.testing.assert_allclose((row["rms"], row["peak"]), (120, 120 + 10 * np.log10(2)), atol=1e-3)
    assert (row["units"], row["picture_units"]) == ("1 uPa", "1 uPa")
    np.testing.assert_allclose(row["top"], 120 - 10 * np.log10(1.5 * RATE / 512), atol=0.1)


def test_levels_that_are_asked_for_are_pressures_where_a_sensitivity_is_known(tmp_path):
    """Half of the colours apart: a picture of counts at their levels, and one of pressures at levels higher by 20 dB."""
    flat = Calibration(np.asarray(-20.0))
    [counts], _ = write(tmp_path / "a", noise(1), picture=PictureSettings(width=32, height=16, decibels=(50, 80)))
    [pressure], _ = write(tmp_path / "b", noise(1), flat, picture=PictureSettings(width=32, height=16, decibels=(70, 100)))
    assert counts["picture"] == pressure["picture"]
    np.testing.assert_allclose((pressure["bottom"], pressure["top"]), (70, 100))
    curve = Calibration(np.array([-20.0, -20.0]), np.array([1.0, 4000.0]))
    [of_curve], _ = write(tmp_path / "c", noise(1), curve)
    assert (of_curve["units"], of_curve["picture_units"], of_curve["peak"]) == ("1 uPa", "1 count", None)
    np.testing.assert_allclose(of_curve["rms"], pressure["rms"], atol=0.1)


def test_gain_to_the_peak_states_the_gain(tmp_path):
    [row], _ = write(tmp_path, [np.array([0, 250, -1000] * 1000, np.int32)], gain=None)
    assert sound(row["sound"])[:3].tolist() == [0, (2**31 - 1) // 4, -(2**31) + 1]
    np.testing.assert_allclose(row["gain"], (2**31 - 1) / 1000)


def test_clipping_is_counted(tmp_path):
    samples = noise(1)[0]
    [row], _ = write(tmp_path, [samples], sound="wav16")
    assert row["n_clipped"] == np.count_nonzero((samples > 32_767) | (samples < -32_768)) > 0
    np.testing.assert_array_equal(sound(row["sound"], 16), np.clip(samples, -32_768, 32_767))


def test_silence_has_a_row(tmp_path):
    [row], dead = write(tmp_path, [np.zeros(8000, np.int32)], places=("parquet", "tar"))
    assert dead == []
    assert row["rms"] == row["peak"] == row["bottom"] == -np.inf
    with tarfile.open(tmp_path / f"shards/{BATCH}.tar") as tar:
        told = json.loads(tar.extractfile(tar.getnames()[-1]).read())
    assert told["rms"] is told["bottom"] is None


@pytest.mark.parametrize(
    ("samples", "changes", "told"),
    [
        (np.full(8000, np.nan, np.float32), {}, "no finite numbers"),
        (np.zeros(100, np.int32), {}, "100 samples are fewer than the 512"),
        (noise(1)[0], {"picture": PictureSettings(nfft=512, overlap=512)}, "--overlap 512"),
        (noise(1)[0], {"picture": PictureSettings(high=32_000.0)}, "reach above 4000 Hz"),
    ],
)
def test_what_cannot_be_drawn_is_in_the_cemetery_and_others_are_written(tmp_path, samples, changes, told):
    places = ("parquet", "tar", "objects")
    found, [dead] = write(tmp_path, [samples], places=places, **changes)
    assert found == []
    assert told in dead["reason"]
    assert (dead["unit"], dead["outcome"]) == (f"OO.HYEA2..YDH/{STAMPS[0]}", "rejected")
    assert (dead["endtime"] - dead["starttime"]).total_seconds() == CLIP_S
    assert not list((tmp_path).rglob("*.wav")) + list(tmp_path.rglob("*.tar"))
    if not changes:
        found, [dead] = write(tmp_path, [samples, noise(1)[0]], places=places)
        assert [row["id"] for row in found] == [f"OO.HYEA2..YDH/{STAMPS[1]}"]


def test_a_rate_that_a_sound_file_cannot_state_is_told(tmp_path):
    chosen = settings(tmp_path, picture=None)
    with BatchFiles(Store(chosen.out), (), (CLIP, CEMETERY), BATCH) as files:
        writer = ClipWriter(chosen, NAME, BATCH, 62.5, None, files)
        writer.add(CLOCK_NS, Segment(CLOCK_NS, 62.5, noise(1)[0]), 0, ["a.ms"])
        files.commit([], ["a.ms"])
    assert "62.5 Hz" in rows(tmp_path, "cemetery")[0]["reason"]


def test_levels_alone_need_no_files(tmp_path):
    [row], _ = write(tmp_path, noise(1), sound=None, picture=None, places=())
    assert row["rms"] > 0
    assert row["sound"] is row["sound_file"] is row["picture"] is row["gain"] is row["picture_units"] is None


def test_labelled_pictures_are_drawn_by_whom_the_run_names(tmp_path):
    asked = []

    def labelled(name, clip, frames, look, picture, table, relative_to):
        asked.append((name, len(clip.samples), look.width, picture.indices.shape, table.shape, relative_to))
        return b"drawn"

    drawing = PictureSettings(width=32, height=16, labelled=labelled)
    [row], _ = write(tmp_path, noise(1), Calibration(np.asarray(0.0)), picture=drawing)
    assert row["picture"] == b"drawn"
    assert asked == [(NAME, 8000, 32, (16, 32), (256, 3), "1 uPa")]


class Meeting(Store):
    """A folder whose puts wait until as many are under way as may be."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        self.barrier = threading.Barrier(PUTS_IN_FLIGHT, timeout=20)

    def put(self, key, data):
        if key.startswith("clips/"):
            self.barrier.wait()
        super().put(key, data)


def test_objects_are_put_beside_one_another(tmp_path):
    with BatchFiles(Meeting(StoreSettings(str(tmp_path))), (), (CLIP,), BATCH) as files:
        for number in range(2 * PUTS_IN_FLIGHT):
            files.put_soon(f"clips/{number}", bytes([number]))
        files.commit([], [])
    assert {int(file.name): file.read_bytes()[0] for file in (tmp_path / "clips").iterdir()} == {
        n: n for n in range(2 * PUTS_IN_FLIGHT)
    }


def test_an_object_that_cannot_be_put_leaves_the_batch_undone(tmp_path):
    (tmp_path / f"clips/2017/10/09/OO.HYEA2..YDH.{STAMPS[1]}.wav").mkdir(parents=True)
    with pytest.raises(UnitError, match=STAMPS[1]):
        write(tmp_path, noise(), places=("objects", "tar"))
    assert rows(tmp_path, "clip") == []


def test_large_files_and_rows_without_one_stand_in_the_same_table(tmp_path):
    samples = np.random.default_rng(0).integers(-(2**23), 2**23, 60_000, dtype=np.int32)
    found, _ = write(tmp_path, [samples, samples[:8000], samples[::-1], samples], picture=None)
    assert [row["npts"] for row in found] == [60_000, 8000, 60_000, 60_000]
    np.testing.assert_array_equal(sound(found[2]["sound"]), samples[::-1])
    np.testing.assert_array_equal(sound(found[1]["sound"]), samples[:8000])
    assert found[0]["picture"] is None


def test_binaries_have_no_statistics_and_pictures_are_not_compressed_again(tmp_path):
    write(tmp_path, noise())
    group = pq.ParquetFile(tmp_path / f"clip/{BATCH}.parquet").metadata.row_group(0)
    columns = {group.column(number).path_in_schema: group.column(number) for number in range(group.num_columns)}
    assert not columns["sound"].is_stats_set
    assert not columns["picture"].is_stats_set
    assert columns["picture"].compression == "UNCOMPRESSED"
    assert columns["sound"].total_compressed_size < 0.95 * columns["sound"].total_uncompressed_size
    assert columns["clock"].statistics.max > columns["clock"].statistics.min


@pytest.mark.parametrize(
    ("rate", "seconds", "nfft"),
    [(64_000.0, 5, 4096), (8_000.0, 5, 512), (100.0, 60, 256), (100.0, 5, 32), (20.0, 60, 128), (1.0, 5, 4)],
)
def test_recordings_of_low_rates_have_frames_that_tell_frequencies(rate, seconds, nfft):
    assert PictureSettings().of(rate, round(rate * seconds))[0].nfft == nfft
