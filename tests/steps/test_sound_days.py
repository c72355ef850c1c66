"""A hydrophone's channel-days, as a worker makes them of clips and minutes that stand in files."""

from __future__ import annotations

import datetime as dt
import json

import netCDF4
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from seisbatch.acquire.objects import open_store
from seisbatch.process.clock import ClockWindow
from seisbatch.process.segments import Segment
from seisbatch.schema import CLIP, PSD
from seisbatch.sinks.parquet import TableFile
from seisbatch.steps import day_levels
from seisbatch.steps.minutes import MINUTE_NS, bands_of, minute_row
from seisbatch.steps.sound_days import write_sound_days
from seisbatch.steps.sound_settings import BAND_SETS, HYBRID_MILLIDECADE, ONE_HERTZ, THIRD_OCTAVE
from seisbatch.times import DAY_NS, SECOND_NS, day_start_ns, to_datetime

from tests.steps.sound_made import HYDROPHONE, SENSITIVITY, sound_settings, tone_counts

DAY = dt.date(2017, 10, 9)
START = day_start_ns(DAY)
RATE = 2000.0
NAME = "year=2017/month=10/OO.HYEA2..YDH-20171009"
PERCENTS = (1, 5, 10, 25, 50, 75, 90, 95, 99)
FREQUENCY = 700.0


def unit_name(hour: int) -> str:
    return f"{NAME}T{hour:02}00"


def made_counts(number: int, rate: float = RATE) -> np.ndarray:
    """A minute of noise, louder from minute to minute, and of a tone of 120 dB re 1 uPa."""
    noise = 10 * (1 + number / 10) * np.random.default_rng(number).standard_normal(round(60 * rate))
    return (tone_counts(FREQUENCY, 120.0, rate, 60.0) + noise).astype(np.float32)


def write_unit(settings, hour: int, rows, clips=()) -> None:
    """The files of a unit of clips and minutes, as the stage before leaves them."""
    store = open_store(settings.out)
    for table, of_table in ((PSD, rows), (CLIP, clips)):
        if of_table or table is CLIP:
            with TableFile(store, f"{table.name}/{unit_name(hour)}.parquet", table, {}) as file:
                file.write_rows(of_table)
                file.commit({})


def minute_rows(settings, hour: int, numbers, rate: float = RATE, samples=made_counts):
    rows = []
    for number in numbers:
        clock_ns = START + hour * 60 * MINUTE_NS + number * MINUTE_NS
        piece = Segment(clock_ns, rate, samples(number, rate))
        rows.append(minute_row(settings, HYDROPHONE, ClockWindow(clock_ns, (piece,)), rate, settings.calibration))
    return rows


def clip_rows(hour: int, numbers, **changes):
    """Rows of clips of five seconds, ``numbers`` of them in an hour."""
    rows = []
    for number in numbers:
        clock_ns = START + hour * 60 * MINUTE_NS + number * 5 * SECOND_NS
        clock = to_datetime(clock_ns)
        rows.append({
            "id": f"{HYDROPHONE}/{clock:%Y%m%dT%H%M%S}Z", **HYDROPHONE._asdict(), "clock": clock, "starttime": clock,
            "endtime": to_datetime(clock_ns + 5 * SECOND_NS - round(SECOND_NS / RATE)), "sampling_rate": RATE, "npts": 10_000,
            "n_padded": 0, "rms": 100.0, "peak": 110.0, "units": "1 uPa", "gain": 1.0, "n_clipped": 0, "s3key": "a,b",
            "sound_format": "wav32", "sound": b"sound", "picture": b"picture", "picture_nbytes": 7, "parameters_id": "id",
            **changes,
        })  # fmt: skip
    return rows


def run_day(settings, units=(0, 1), span=(START, START + DAY_NS)):
    """The outcomes of a day: its own, and its batch's."""
    row = {"name": NAME, **HYDROPHONE._asdict(), "date": DAY, "start_ns": span[0], "end_ns": span[1],
           "units": [unit_name(hour) for hour in units]}  # fmt: skip
    batches = write_sound_days(settings, iter([pa.RecordBatch.from_pylist([row])]))
    own, of_batch = (row for rows in batches for row in rows.to_pylist())
    assert (own["kind"], own["unit"], own["date"]) == ("channel-day", f"{HYDROPHONE}/{DAY}", DAY)
    assert (of_batch["kind"], of_batch["unit"]) == ("batch", f"batch/{NAME}")
    return own, of_batch


def day_rows(tmp_path):
    rows = pq.read_table(tmp_path / "out" / "psd_day" / f"{NAME}.parquet").to_pylist()
    return {row["bands"]: row for row in rows}


def power(row, column):
    """Powers of whole bands [uPa**2] of a row's levels."""
    lower, upper, levels = (np.array(row[name], float) for name in ("lower", "upper", column))
    return 10 ** (levels / 10) * (1 if row["bands"] == THIRD_OCTAVE else upper - lower)


@pytest.fixture
def two_units(tmp_path):
    settings = sound_settings(tmp_path)
    for hour, numbers in ((0, range(5)), (1, range(5, 9))):
        write_unit(settings, hour, minute_rows(settings, hour, numbers))
    return settings


def test_a_tone_and_noise_have_their_levels_all_the_way(two_units, tmp_path):
    own, of_batch = run_day(two_units)
    assert own["outcome"] == "ok"
    assert (own["windows"], own["windows_planned"]) == (540, 86_400)
    assert own["reason"] in ("partial: 0.1 of 24 h recorded", "partial: 0.2 of 24 h recorded")
    assert of_batch["windows"] == 3
    rows = day_rows(tmp_path)
    assert set(rows) == set(BAND_SETS)
    with netCDF4.Dataset(tmp_path / "out" / "levels" / f"{NAME}.nc") as file:
        file.set_auto_mask(False)
        for band_set, row in rows.items():
            assert (row["minutes"], row["seconds"], row["units"]) == (9, 540.0, "1 uPa")
            lower, upper = np.array(row["lower"]), np.array(row["upper"])
            near = (upper > FREQUENCY - 3) & (lower < FREQUENCY + 3)
            assert 10 * np.log10(power(row, "mean")[near].sum()) == pytest.approx(120, abs=0.1)
            variance = np.mean([(10 * (1 + number / 10)) ** 2 for number in range(9)])
            far = (lower > 200) & (upper < 500)
            density = 10 * np.log10(power(row, "mean")[far].sum() / (upper - lower)[far].sum())
            assert density == pytest.approx(10 * np.log10(variance / (RATE / 2)) - SENSITIVITY, abs=0.1)
            np.testing.assert_array_equal(file[f"{band_set}_mean"][:], np.array(row["mean"], np.float32))
            found = file[f"{band_set}_percentiles"][:]
            np.testing.assert_array_equal(found, np.array([row[f"p{percent}"] for percent in PERCENTS], np.float32))
            assert list(file["percentile"][:]) == list(PERCENTS)
        assert file.sensitivity == SENSITIVITY
        starts = [0, 60, 120, 180, 240, 3900, 3960, 4020, 4080]
        np.testing.assert_allclose(file["time"][:], START / SECOND_NS + np.array(starts))


def test_percentiles_are_over_minutes_and_means_over_seconds(two_units, tmp_path):
    settings = two_units
    short = minute_rows(settings, 2, [9], samples=lambda number, rate: 100 * made_counts(number, rate)[: round(9.5 * rate)])
    write_unit(settings, 2, short)
    run_day(settings, units=(0, 1, 2))
    minutes = [
        row for hour in range(3) for row in pq.read_table(tmp_path / "out" / "psd" / f"{unit_name(hour)}.parquet").to_pylist()
    ]
    frames = np.array([row["frames"] for row in minutes])
    assert list(frames) == [119] * 9 + [18]
    for band_set, row in day_rows(tmp_path).items():
        levels = np.array([minute[band_set] for minute in minutes])
        expected = np.percentile(levels, PERCENTS, axis=0)
        np.testing.assert_allclose([row[f"p{percent}"] for percent in PERCENTS], expected, atol=1e-4)
        mean = 10 * np.log10(frames @ 10 ** (levels / 10) / frames.sum())
        np.testing.assert_allclose(row["mean"], mean, atol=1e-3)


def test_a_block_of_bands_at_a_time_gives_the_same(two_units, tmp_path, monkeypatch):
    run_day(two_units)
    whole = day_rows(tmp_path)
    for file in (tmp_path / "out" / "psd_day").rglob("*.parquet"):
        file.unlink()
    monkeypatch.setattr(day_levels, "BLOCK_BYTES", 4 * 1441 * 300)  # of the 1001 bands
    run_day(two_units)
    assert day_rows(tmp_path) == whole


def test_a_day_is_made_again_when_a_unit_of_it_changed_and_not_otherwise(two_units, tmp_path):
    settings = two_units
    missing, _ = run_day(settings, units=(0, 1, 2))
    assert missing["reason"].endswith("1 of its 3 units are not there")
    file = tmp_path / "out" / "psd_day" / f"{NAME}.parquet"
    written = file.stat().st_mtime_ns
    assert run_day(settings, units=(0, 1, 2))[0] == missing
    assert file.stat().st_mtime_ns == written
    write_unit(settings, 2, minute_rows(settings, 2, [0]))
    now, _ = run_day(settings, units=(0, 1, 2))
    assert file.stat().st_mtime_ns > written
    assert now["windows"] == 600
    assert "units" not in now["reason"]
    (tmp_path / "out" / "levels" / f"{NAME}.nc").unlink()
    run_day(settings, units=(0, 1, 2))
    assert (tmp_path / "out" / "levels" / f"{NAME}.nc").is_file()


def test_only_what_is_asked_for_of_a_day_is_in_it(two_units, tmp_path):
    own, _ = run_day(two_units, span=(START + 2 * MINUTE_NS, START + 5 * MINUTE_NS))
    assert (own["outcome"], own["reason"], own["windows"], own["windows_planned"]) == ("ok", "", 180, 180)
    assert {row["minutes"] for row in day_rows(tmp_path).values()} == {3}


def test_units_of_two_rates_are_rejected_with_both(tmp_path):
    settings = sound_settings(tmp_path)
    write_unit(settings, 0, minute_rows(settings, 0, [0]))
    write_unit(settings, 1, minute_rows(settings, 1, [0], rate=4000.0))
    own, _ = run_day(settings)
    assert own["outcome"] == "rejected"
    assert f"2000 Hz in {unit_name(0)}, at 4000 Hz in {unit_name(1)}" in own["reason"]


def test_units_of_two_kinds_of_levels_are_rejected_with_both(tmp_path):
    settings = sound_settings(tmp_path)
    write_unit(settings, 0, minute_rows(settings, 0, [0]))
    write_unit(settings, 1, minute_rows(sound_settings(tmp_path, calibration=None), 1, [0]))
    own, _ = run_day(settings)
    assert own["outcome"] == "rejected"
    assert "re 1 uPa" in own["reason"]
    assert "re 1 count" in own["reason"]


def test_a_damaged_unit_is_an_outcome(two_units, tmp_path):
    (tmp_path / "out" / "psd" / f"{unit_name(0)}.parquet").write_bytes(b"PAR1 is not enough PAR1")
    own, _ = run_day(two_units)
    assert own["outcome"] == "corrupt"
    assert unit_name(0) in own["reason"]


def test_a_day_without_a_minute_is_empty(two_units, tmp_path):
    run_day(two_units)
    assert (tmp_path / "out" / "long_term" / f"{NAME}.png").is_file()
    for hour in (0, 1):
        (tmp_path / "out" / "psd" / f"{unit_name(hour)}.parquet").unlink()
        write_unit(two_units, hour, [])
    own, of_batch = run_day(two_units)
    assert (own["outcome"], own["reason"]) == ("empty", "no minute has a second without a gap")
    assert (own["windows"], of_batch["windows"]) == (0, 0)
    assert not (tmp_path / "out" / "long_term" / f"{NAME}.png").exists()
    assert not (tmp_path / "out" / "levels" / f"{NAME}.nc").exists()


@pytest.mark.parametrize(
    ("band_sets", "shown"),
    [(BAND_SETS, HYBRID_MILLIDECADE), ((THIRD_OCTAVE,), THIRD_OCTAVE), ((ONE_HERTZ,), HYBRID_MILLIDECADE)],
)
def test_the_picture_is_of_densities_in_the_narrowest_bands_there_are(band_sets, shown, tmp_path):
    drawn = []

    def long_term(minutes_ns, levels, lower, upper, units, title):
        drawn.append((minutes_ns, levels, lower, upper, units, title))
        return b"picture"

    settings = sound_settings(tmp_path, band_sets=band_sets, long_term=long_term)
    silent = lambda number, rate: made_counts(number, rate) if number else np.zeros(round(60 * rate), np.float32)  # noqa: E731
    write_unit(settings, 0, minute_rows(settings, 0, range(3), samples=silent))
    run_day(settings, units=(0,))
    [(minutes_ns, levels, lower, upper, units, title)] = drawn
    assert (tmp_path / "out" / "long_term" / f"{NAME}.png").read_bytes() == b"picture"
    assert (units, title) == ("1 uPa", f"{HYDROPHONE} {DAY}")
    np.testing.assert_array_equal(minutes_ns, START + MINUTE_NS * np.arange(3))
    assert (levels.shape, levels.dtype) == ((3, len(bands_of(shown, RATE))), np.float32)
    assert (levels[0] == -np.inf).all()
    [near] = np.flatnonzero((lower < 300) & (upper > 300))
    assert levels[2, near] == pytest.approx(10 * np.log10(12**2 / (RATE / 2)) - SENSITIVITY, abs=1.0)


def test_the_manifest_has_every_clip_and_what_is_missing(tmp_path):
    settings = sound_settings(tmp_path, places=("objects",))
    write_unit(
        settings, 0, minute_rows(settings, 0, [0]), [*clip_rows(0, [0, 1, 4]), *clip_rows(0, [5], rms=-np.inf, n_padded=9)]
    )
    write_unit(settings, 1, [], clip_rows(1, range(2), sound_format="flac", picture_nbytes=None))
    own, _ = run_day(settings, units=(0, 1, 2), span=(START, START + 60 * MINUTE_NS + 10 * SECOND_NS))
    assert own["outcome"] == "ok"
    made = json.loads((tmp_path / "out" / "clips/2017/10/09/OO.HYEA2..YDH.manifest.json").read_bytes())
    assert (made["channel"], made["parameters_id"], made["n_clips"]) == ("OO.HYEA2..YDH", "id", 6)
    assert [clip["id"][-16:] for clip in made["clips"][:3]] == ["20171009T000000Z", "20171009T000005Z", "20171009T000020Z"]
    second = made["clips"][1]
    assert (second["start"], second["end"]) == ("2017-10-09T00:00:05Z", "2017-10-09T00:00:09.999500Z")
    stem = "clips/2017/10/09/OO.HYEA2..YDH.20171009T000005Z"
    assert second["files"] == [f"{stem}.wav", f"{stem}.png"]
    assert (second["rms"], second["peak"], second["gain"], second["recordings"]) == (100.0, 110.0, 1.0, ["a", "b"])
    assert (made["clips"][3]["rms"], made["clips"][3]["n_padded"]) == (None, 9)
    assert made["clips"][5]["files"] == ["clips/2017/10/09/OO.HYEA2..YDH.20171009T010005Z.flac"]
    assert made["missing"] == [
        {"start": "2017-10-09T00:00:10Z", "end": "2017-10-09T00:00:20Z", "clips": 2},
        {"start": "2017-10-09T00:00:30Z", "end": "2017-10-09T01:00:00Z", "clips": 714},
    ]
    assert made["units_missing"] == [unit_name(2)]


def test_without_levels_there_are_the_clips_alone(tmp_path):
    settings = sound_settings(tmp_path, places=("objects",), band_sets=())
    write_unit(settings, 0, [], clip_rows(0, range(720)))
    own, of_batch = run_day(settings, units=(0,), span=(START, START + 60 * MINUTE_NS))
    assert (own["outcome"], own["reason"], own["windows"]) == ("ok", "", 3600)
    assert of_batch["windows"] == 0
    assert not (tmp_path / "out" / "levels").exists()
    write_unit(settings, 0, [], clip_rows(0, range(360), n_padded=5000))
    own, _ = run_day(settings, units=(0,), span=(START, START + 60 * MINUTE_NS))
    assert (own["windows"], own["reason"]) == (900, "partial: 0.2 of 1 h recorded")
    write_unit(settings, 0, [], [])
    assert run_day(settings, units=(0,))[0]["outcome"] == "empty"
