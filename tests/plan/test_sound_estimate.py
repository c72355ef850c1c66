"""What a run of make_spectrograms takes: counts worked out by hand, dollars by the price table, sizes by real files."""

from __future__ import annotations

import dataclasses
import io
import wave

import numpy as np
import pytest
import soundfile
from seisbatch.config import CONF
from seisbatch.launch.rates import RATES_FILE, read_rates
from seisbatch.names import parse_channel
from seisbatch.plan.prices import read_prices
from seisbatch.plan.sound_estimate import SoundEstimate, SoundWork
from seisbatch.steps.sound_settings import BAND_SETS

CLIPS_A_DAY = 17_280
YEAR = SoundWork(
    channel=parse_channel("OO.HYEA2..YDH"), rate=64_000.0, seconds=365 * 86_400.0, days=365, recordings=365 * 288,
    read_bytes=365 * 288 * 20_000_000, clip_s=5.0, step_s=5.0, sound="wav32", picture=(512, 512), band_sets=BAND_SETS,
    unit_seconds=1200.0, place="parquet", cores=96,
)  # fmt: skip
PRICES = read_prices()
SHIPPED = read_rates(CONF / RATES_FILE)
RATES = SHIPPED.model_copy(
    update={
        "core_seconds": SHIPPED.core_seconds.model_copy(
            update={"sound_msamples": 0.01, "picture_mpixels": 0.06, "level_msamples": 0.025, "get": 0.0005, "put": 0.00025}
        )
    }
)


def estimate(**changed) -> SoundEstimate:
    return SoundEstimate(dataclasses.replace(YEAR, **changed), RATES, PRICES)


def test_a_year_as_objects_is_two_objects_a_clip_and_their_puts_are_paid():
    year = estimate()
    assert year.work.clips == 365 * CLIPS_A_DAY
    assert year.clip_objects == 12_614_400
    beside = year.document.objects - year.clip_objects - 365  # a manifest a day
    assert beside == 2 * 365 * 72 + 3 * 365 + 4  # tables by 20 minutes, three files a day, the run's own
    assert year.document.cost.puts >= year.document.objects
    clips_alone = 12_614_400 / 1000 * 0.005
    assert clips_alone < year.document.cost.request_dollars(PRICES) < clips_alone + 5
    assert "12,6" in dict(year.lines())["objects of clips"]


def test_a_year_packed_is_hundreds_of_times_fewer_objects_of_the_same_bytes():
    year = estimate()
    assert year.packed.objects == 2 * 365 * 72 + 3 * 365 + 4
    assert year.packed.objects * 200 < year.document.objects
    assert year.packed.n_bytes == pytest.approx(year.document.n_bytes, rel=0.001)
    assert year.packed.cost.request_dollars(PRICES) < year.document.cost.request_dollars(PRICES) / 2
    shards = estimate(place="tar").packed
    # 240 clips of 1,280,044 + 204,472 bytes are 356 MB: one shard, as they are begun anew beyond 400 MB
    assert shards.objects == year.packed.objects + 365 * 72


def test_packed_objects_are_put_in_parts_each_of_which_is_a_request():
    """240 clips of some 1,484,500 bytes in one object: 68 parts of 5 MiB, one request that begins and one that completes."""
    alone = estimate(band_sets=())
    assert alone.work.sound_bytes + alone.work.picture_bytes == 1_280_044 + round(0.78 * 512 * 512)
    assert alone.packed.cost.puts == 365 * 72 * (68 + 2) + 4


@pytest.mark.parametrize(("sound", "bits"), [("wav32", 32), ("wav16", 16)])
def test_bytes_of_a_wav_file_are_those_of_a_file(sound, bits):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(bits // 8)
        out.setframerate(64_000)
        out.writeframes(bytes(bits // 8 * 320_000))
    assert estimate(sound=sound).work.sound_bytes == len(file.getvalue())


def test_bytes_of_flac_are_near_those_of_a_noisy_sea():
    counts = np.cumsum(np.random.default_rng(1).normal(0, 60, 80_000)).astype(np.int32)
    counts -= np.linspace(counts[0], counts[-1], len(counts)).astype(np.int32)
    file = io.BytesIO()
    soundfile.write(file, counts << 8, 16_000, format="FLAC", subtype="PCM_24")
    assert estimate(sound="flac", rate=16_000.0).work.sound_bytes == pytest.approx(len(file.getvalue()), rel=0.4)


def test_work_grows_with_samples_pixels_and_levels():
    """Five minutes at 64 kHz: 19.2 million samples, 60 pictures of 512 x 512, which are 15.7 million pixels."""
    five = {"seconds": 300.0, "days": 1, "recordings": 1, "read_bytes": 20_000_000, "cores": 1}
    assert estimate(**five).work.kernels == pytest.approx(
        {"sound_msamples": 19.2, "picture_mpixels": 15.72864, "level_msamples": 19.2}
    )
    without = estimate(**five, band_sets=(), picture=None).work.kernels
    assert (without["picture_mpixels"], without["level_msamples"]) == (0, 0)


def test_compute_costs_what_core_hours_cost():
    """Kernels, and requests that each carry at most 512 kB: what is read and put in 0.0005 s and 0.00025 s for so much."""
    cost = estimate().packed.cost
    kernels = 0.01 * 2_018_304 + 0.06 * 6_307_200 * 0.262144 + 0.025 * 2_018_304
    requests = 0.0005 * 365 * 288 * 20 / 0.512 + 0.00025 * cost.out_bytes / 512_000
    assert cost.core_seconds(RATES) == pytest.approx(kernels + requests)
    on_demand, spot, serverless = cost.compute_dollars(RATES, PRICES)
    assert on_demand == pytest.approx((kernels + requests) / 3600 * (0.0408 + 0.0102))
    assert spot < on_demand
    assert serverless == pytest.approx((kernels + requests) / 3600 * (0.0421 + 4 * 0.00462))
    assert cost.month_dollars(PRICES) == pytest.approx(estimate().packed.n_bytes / 1e9 * 0.023)


def test_lines_tell_both_layouts_and_the_date_of_the_prices():
    lines = dict(estimate().lines())
    assert "6,307,200 of 5 s" in lines["clips"]
    assert "105,120, 8,760.0 h on 365 days" in lines["recordings"]
    for layout in ("packed in Parquet", "objects of clips"):
        assert all(word in lines[layout] for word in ("objects", "core-hours", "on 96 cores", "$", "a month"))
    assert "2025" in lines["prices"]
    assert str(RATES.date) in lines["rates"]
    assert "levels" not in dict(estimate(band_sets=()).lines())


def test_nothing_but_levels_has_no_objects_of_clips():
    levels = estimate(sound=None, picture=None)
    assert levels.clip_objects == 0
    assert levels.document.objects == levels.packed.objects
    assert levels.document.n_bytes == levels.packed.n_bytes


def test_no_recording_at_all_takes_next_to_nothing():
    nothing = estimate(seconds=0.0, days=0, recordings=0, read_bytes=0)
    assert nothing.packed.objects == nothing.document.objects == 4
    assert nothing.lines()
