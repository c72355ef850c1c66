"""The report of a run over hydrophone recordings: levels, days, and the loudest and quietest clips, from made tables."""

from __future__ import annotations

import datetime as dt
import io

import numpy as np
import pytest
from matplotlib import image
from seisbatch.acquire.objects import Store, StoreSettings
from seisbatch.process.bands import hybrid_millidecade_bands, third_octave_bands
from seisbatch.report import sound_levels, sound_page
from seisbatch.report.collect import RunFacts, read_outcomes, remove_strangers, write_report
from seisbatch.report.sound import sound_section
from seisbatch.report.sound_levels import PERCENTS, channel_levels
from seisbatch.schema import CEMETERY, CLIP, OUTCOMES, PSD, PSD_DAY
from seisbatch.sinks.colours import colour_table
from seisbatch.sinks.parquet import TableFile
from seisbatch.sinks.png import palette_png
from seisbatch.steps.batches import BatchFiles

from tests.report.test_page import HOSTILE, Page

RATE = 2000.0
BANDS = hybrid_millidecade_bands(RATE)
NAME = "XX.HYD..YDH"
CODES = dict(zip(("net", "sta", "loc", "chan"), ("XX", "HYD", "", "YDH"), strict=True))
DAYS = [dt.date(2024, 1, 31), dt.date(2024, 2, 1)]
CLIPS_A_DAY = 40


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def batch_name(day: dt.date, of: str = "") -> str:
    return f"year={day:%Y}/month={day:%m}/{NAME}-{day:%Y%m%d}{of}"


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(StoreSettings(str(tmp_path / "out")))


def picture(shade: int) -> bytes:
    return palette_png(np.full((16, 16), shade, np.uint8), colour_table("viridis"))


def shade_of(shown: np.ndarray) -> int:
    colour = (255 * shown[8, 8, :3]).round()
    return int(np.abs(colour_table("viridis").astype(int) - colour).sum(axis=1).argmin())


def clip_row(day: dt.date, number: int, rms: float, **changed: object) -> dict[str, object]:
    clock = midnight(day) + dt.timedelta(seconds=5 * number)
    return {
        **CODES, "id": f"{NAME}/{clock:%FT%T}", "clock": clock, "starttime": clock, "endtime": clock + dt.timedelta(seconds=5),
        "sampling_rate": RATE, "npts": 10_000, "n_padded": 0, "rms": rms, "peak": rms + 12, "units": "1 uPa", "s3key": "a.wav",
        "parameters_id": "p",
    } | changed  # fmt: skip


def minute_levels(day: dt.date, n_minutes: int = 60) -> np.ndarray:
    levels = np.random.default_rng(day.toordinal()).normal(70, 4, (n_minutes, len(BANDS))).astype(np.float32)
    levels[:, np.searchsorted(BANDS.upper, 300.0)] += 30
    return levels


def write_minutes(store: Store, day: dt.date, levels: np.ndarray) -> None:
    with TableFile(store, f"psd/{batch_name(day, 'T0000')}.parquet", PSD, {}) as file:
        n = len(levels)
        common = {**CODES, "sampling_rate": RATE, "seconds": 60.0, "frames": 119, "units": "1 uPa", "parameters_id": "p"}
        at = [midnight(day) + dt.timedelta(minutes=minute) for minute in range(n)]
        columns = {name: [value] * n for name, value in common.items()}
        file.write({**columns, "starttime": at, "hybrid_millidecade": levels})
        file.commit({})


def write_day(store: Store, day: dt.date, levels: np.ndarray, seconds: float = 86_400, bands=BANDS, of="hybrid_millidecade"):
    row = {
        **CODES, "date": day, "sampling_rate": RATE, "seconds": seconds, "minutes": len(levels), "bands": of, "units": "1 uPa",
        "lower": bands.lower, "centre": bands.centre, "upper": bands.upper,
        "mean": 10 * np.log10(np.mean(10 ** (levels.astype(float) / 10), axis=0)), "parameters_id": "p",
        **{f"p{p}": np.percentile(levels, p, axis=0) for p in (1, 5, 10, 25, 50, 75, 90, 95, 99)},
    }  # fmt: skip
    key = f"psd_day/{batch_name(day)}.parquet"
    with TableFile(store, key, PSD_DAY, {}) as file:
        file.write({name: [value] for name, value in row.items()})
        file.commit({})
    return day, key


def write_clips(store: Store, rows_by_day: dict[dt.date, list[dict[str, object]]]) -> None:
    for day, rows in rows_by_day.items():
        for half, of in ((rows[::2], "T0000"), (rows[1::2], "T0020")):
            with BatchFiles(store, [], [CLIP, CEMETERY], batch_name(day, of)) as files:
                files.add(CLIP, half)
                files.commit([], [])


def outcome(kind: str, unit: str, day: dt.date, **changed: object) -> dict[str, object]:
    return {
        "run_id": "r", "job": "make_spectrograms", "kind": kind, "unit": unit, "date": day, "outcome": "ok", "reason": "",
        "bytes_read": 0, "bytes_written": 10, "seconds": 0.5, "windows": 0, "windows_planned": 0,
    } | changed  # fmt: skip


def write_run(store: Store) -> dict[str, int]:
    """Two days, the second of them partial; clips' levels by their ids, which their pictures' shades tell too."""
    rng = np.random.default_rng(0)
    order = rng.permutation(2 * CLIPS_A_DAY)
    rows, outcomes, shades = {}, [], {}
    for number, day in enumerate(DAYS):
        rows[day] = []
        for clip in range(CLIPS_A_DAY):
            shade = int(order[number * CLIPS_A_DAY + clip])
            row = clip_row(day, clip, 80.0 + shade, picture=picture(shade))
            shades[row["id"]] = shade
            rows[day].append(row)
        rows[day].append(clip_row(day, CLIPS_A_DAY, -np.inf, picture=picture(0)))
        write_minutes(store, day, minute_levels(day))
        write_day(store, day, minute_levels(day))
        outcomes.append(
            outcome("channel-day", f"{NAME}/{day}", day, windows=86_400 if number == 0 else 43_200, windows_planned=86_400,
                    reason="" if number == 0 else "partial: 144 of 288 files <missing>")
        )  # fmt: skip
        for of, n_rows in (("T0000", 21), ("T0020", 20)):
            name = batch_name(day, of)
            outcomes.append(outcome("batch", f"batch/{name}", day, s3key=f"clip/{name}.parquet", windows=n_rows))
        outcomes.append(
            outcome("batch", f"batch/{batch_name(day)}", day, s3key=f"psd_day/{batch_name(day)}.parquet", windows=1)
        )
    write_clips(store, rows)
    with TableFile(store, f"cemetery/{batch_name(DAYS[1], 'T0020')}.parquet", CEMETERY, {}) as file:
        at = [midnight(DAYS[1]) + dt.timedelta(hours=12, seconds=5 * n) for n in range(7)]
        common = {"unit": "u", **CODES, "data_tag": "", "outcome": "rejected", "reason": "a gap", "parameters_id": "p"}
        file.write_rows([{**common, "starttime": time, "endtime": time + dt.timedelta(seconds=5)} for time in at])
        file.commit({})
    with TableFile(store, "outcomes/year=2024/month=01/outcomes.parquet", OUTCOMES, {}) as file:
        file.write_rows(outcomes)
        file.commit({})
    return shades


def report(store: Store) -> tuple[Page, str, dict[str, object]]:
    facts = RunFacts("make_spectrograms", "r", "p", {}, {}, dt.datetime.now(dt.UTC), {"channel-day": 2}, 0.5)
    manifest = write_report(store, facts, read_outcomes(store))
    text = bytes(store.get("report.html")).decode()
    return Page(text), text, manifest


def test_the_page_of_a_run(store):
    write_run(store)
    page, text, manifest = report(store)
    assert page.open == []
    told = " ".join(page.text)
    assert "The run is whole." in told
    assert told.index("Long-term") < told.index("Spectral levels") < told.index("Loudest clips") < told.index("Quietest clips")
    partial = text[text.index("partial: 144 of 288 files &lt;missing&gt;") - 400 :]
    row = partial[partial.index("2024-02-01") : partial.index("&lt;missing")]
    assert [cell in row for cell in ("12.00 of 24", ">41<", ">7<")] == [True] * 3
    sheet = page.pictures[2:26]  # after the long-term average and the percentiles
    shades = [shade_of(one) for one in sheet]
    assert shades == [*range(79, 67, -1), *range(12)]
    assert "rms 159.0 dB re 1 µPa" in told
    assert "2 without any sound" in told
    tables = manifest["tables"]
    assert {name: tables[name]["rows"] for name in ("clip", "psd", "psd_day", "cemetery")} == {
        "clip": 82, "psd": 120, "psd_day": 2, "cemetery": 7
    }  # fmt: skip
    assert len(text) < 3_000_000


def test_percentiles_are_over_the_minutes_of_some_days(store):
    keys = []
    for day in DAYS:
        write_minutes(store, day, minute_levels(day))
        keys.append(write_day(store, day, minute_levels(day)))
    minutes = [f"psd/{batch_name(day, 'T0000')}.parquet" for day in DAYS]
    levels = channel_levels(store.settings, NAME, keys, minutes)
    every = np.concatenate([minute_levels(day) for day in DAYS])
    np.testing.assert_allclose(levels.percentiles, np.percentile(every, PERCENTS, axis=0), atol=1e-4)
    np.testing.assert_allclose(levels.mean, 10 * np.log10((10 ** (every.astype(float) / 10)).mean(axis=0)), atol=1e-3)
    assert "120 minutes of 2 days" in levels.over
    assert levels.row_ns == 60 * 10**9  # the two are 24 h apart, from first to last 1,500 minutes
    assert len(levels.times_ns) == 120


def test_long_runs_are_told_by_their_days(store, monkeypatch):
    monkeypatch.setattr(sound_levels, "MINUTE_DAYS", 2)
    days = [DAYS[0] + dt.timedelta(days=number) for number in range(5)]
    made = [minute_levels(day) + 3 * number for number, day in enumerate(days)]
    keys = [write_day(store, day, levels, 3600.0 * (1 + n)) for n, (day, levels) in enumerate(zip(days, made, strict=True))]
    levels = channel_levels(store.settings, NAME, keys[::-1], [])
    own = np.array([np.percentile(one, PERCENTS, axis=0) for one in made])
    np.testing.assert_allclose(levels.percentiles, np.median(own, axis=0), atol=1e-4)
    power = np.average([(10 ** (one.astype(float) / 10)).mean(axis=0) for one in made], axis=0, weights=[1, 2, 3, 4, 5])
    np.testing.assert_allclose(levels.mean, 10 * np.log10(power), atol=1e-3)
    assert "median of 5 days" in levels.over
    assert levels.levels.shape == (5, len(BANDS))
    monkeypatch.setattr(sound_levels, "MOST_DAYS", 3)
    assert len(channel_levels(store.settings, NAME, keys, []).times_ns) == 3


def test_days_without_levels_take_nothing_from_the_others(store):
    empty = DAYS[0] - dt.timedelta(days=1)
    keys = [(empty, f"psd_day/{batch_name(empty)}.parquet"), write_day(store, DAYS[0], minute_levels(DAYS[0]))]
    with TableFile(store, keys[0][1], PSD_DAY, {}) as file:
        file.commit({})
    keys.append(write_day(store, DAYS[1], np.full((1, len(BANDS)), np.nan), 20.0))  # less than a minute
    levels = channel_levels(store.settings, NAME, keys, [])
    np.testing.assert_allclose(levels.percentiles, np.percentile(minute_levels(DAYS[0]), PERCENTS, axis=0), atol=1e-4)
    assert np.isfinite(levels.mean).all()


def test_third_octaves_are_shown_per_hertz(store):
    bands = third_octave_bands(RATE)
    level = np.tile(60 + 10 * np.log10(bands.width), (10, 1)).astype(np.float32)  # white noise of 60 dB per Hz
    keys = [write_day(store, DAYS[0], level, bands=bands, of="third_octave")]
    levels = channel_levels(store.settings, NAME, keys, [])
    np.testing.assert_allclose(levels.mean, 60, atol=1e-3)
    np.testing.assert_allclose(levels.percentiles, 60, atol=1e-3)


def test_clips_that_stand_as_objects_are_linked_and_those_in_tar_files_shown(store):
    store.put("clips/2024/01/31/a b.wav", b"RIFF")
    store.put("clips/2024/01/31/a b.png", picture(7))
    store.put("shards/x.tar", b"0" * 100 + picture(9) + b"0" * 50)
    rows = [
        clip_row(DAYS[0], 0, 90.0, sound_file="clips/2024/01/31/a b.wav", sound_nbytes=4,
                 picture_file="clips/2024/01/31/a b.png", picture_nbytes=len(picture(7))),
        clip_row(DAYS[0], 1, 80.0, sound_file="shards/x.tar", sound_foff=10, sound_nbytes=20, picture_file="shards/x.tar",
                 picture_foff=100, picture_nbytes=len(picture(9)), n_padded=1234),
        clip_row(DAYS[0], 2, 70.0, picture_file="clips/gone.png", picture_nbytes=10, s3key=HOSTILE, peak=None),  # of a curve
    ]  # fmt: skip
    write_clips(store, {DAYS[0]: rows})
    html = "".join(sound_page.sections(sound_section(store, OUTCOMES.arrow().empty_table())))
    page = Page(html)
    links = [reference for reference in page.references if not reference.startswith("data:")]
    assert links == ["clips/2024/01/31/a%20b.wav"]
    shown = [reference for reference in page.references if reference.startswith("data:")]
    page.references = shown
    assert [shade_of(one) for one in page.pictures] == [7, 9]
    assert "1,234 samples padded" in " ".join(page.text)
    assert "No picture here." in page.text
    assert html.count("peak ") == 2


def test_the_percentiles_plot_shows_something(store):
    write_run(store)
    levels = sound_section(store, read_outcomes(store)).levels[0]
    shown = image.imread(io.BytesIO(sound_page.percentile_plot(levels)), format="png")
    assert shown[..., :3].std() > 0.05


def test_objects_of_this_run_stay_and_others_go(store):
    day = DAYS[0]
    write_run(store)
    own = [
        f"levels/{batch_name(day)}.nc",
        f"long_term/{batch_name(day)}.png",
        f"clips/2024/01/31/{NAME}.manifest.json",
        f"clips/2024/01/31/{NAME}.20240131T000000Z.wav",
        f"shards/{batch_name(day, 'T0000')}-1.tar",
    ]
    row = clip_row(day, 0, 90.0, sound_file=own[3], picture_file=own[4])
    write_clips(store, {day: [row, clip_row(day, 1, 80.0)]})
    strange = [key.replace("01", "03").replace("31", "30") for key in own]
    strange += [f"clip/{batch_name(dt.date(2023, 1, 1), 'T0000')}.parquet", f"psd/{batch_name(dt.date(2023, 1, 1))}.parquet"]
    for key in own + strange:
        store.put(key, b"x")
    remove_strangers(store, read_outcomes(store))
    left = {key for key, _ in store.list("")}
    assert set(own) <= left
    assert not left & set(strange)
    assert {f"{table}/{batch_name(day, 'T0000')}.parquet" for table in ("clip", "psd")} <= left
    assert f"psd_day/{batch_name(day)}.parquet" in left


def test_a_run_without_any_rows(store):
    section = sound_section(store, OUTCOMES.arrow().empty_table())
    assert sound_page.sections(section) == []
