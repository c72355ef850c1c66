"""Which spans of the clock become units, which recordings each reads, and what is told of the time between recordings."""

import datetime as dt

import pytest
from pyspark.sql import functions as F  # noqa: N812
from seisbatch.config import OptionError
from seisbatch.names import Channel
from seisbatch.plan.sound_units import Spacing, check_unit_minutes, holes, sound_days, sound_units, spacing_of, unit_minutes
from seisbatch.schema import RECORDING
from seisbatch.times import DAY_NS, SECOND_NS, day_start_ns

NAME = Channel("OO", "HYEA2", "", "YDH")
OTHER = Channel("OO", "HYSB1", "", "YDH")
MINUTE_NS = 60 * SECOND_NS
DAY = day_start_ns(dt.date(2017, 10, 9))
FIVE = Spacing(5 * MINUTE_NS, 40_000_000)


def recordings(spark, minutes, name=NAME, size=40_000_000):
    """Recordings that begin so many minutes after midnight."""
    rows = [
        {"unit": f"{name}-{minute:05g}", **name._asdict(), "s3key": f"{name}-{minute:05g}.mseed",
         "start_ns": DAY + round(minute * MINUTE_NS), "size": size, "version": "v"}
        for minute in minutes
    ]  # fmt: skip
    return spark.createDataFrame([tuple(row.get(key) for key in RECORDING.names) for row in rows], RECORDING.spark())


def units_of(spark, frame, minutes=20, spacing=FIVE, span=(DAY, DAY + DAY_NS), rates=None):
    rows = sound_units(frame, rates or {NAME: 64_000.0}, minutes, spacing, span).orderBy("name").collect()
    return [row.asDict(recursive=True) for row in rows]


def test_every_recording_is_the_own_of_one_unit_with_its_neighbours(spark):
    begins = [5 * number for number in range(24)]  # two hours
    units = units_of(spark, recordings(spark, begins))
    assert [unit["name"] for unit in units][:2] == [
        "year=2017/month=10/OO.HYEA2..YDH-20171009T0000",
        "year=2017/month=10/OO.HYEA2..YDH-20171009T0020",
    ]
    keys = [[one["s3key"] for one in unit["recordings"]] for unit in units]
    assert sum(keys, []) == [f"{NAME}-{minute:05g}.mseed" for minute in begins]
    assert [len(of_unit) for of_unit in keys[:6]] == [4] * 6
    second = units[1]
    assert (second["start_ns"], second["end_ns"]) == (DAY + 20 * MINUTE_NS, DAY + 40 * MINUTE_NS)
    assert second["before"]["s3key"] == f"{NAME}-00015.mseed"
    assert second["after"]["s3key"] == f"{NAME}-00040.mseed"
    assert units[0]["before"] is None
    assert second["rate"] == 64_000.0
    # the last recording may be longer than usual: units after it look into it, and find nothing
    assert [unit["recordings"] for unit in units[6:]] == [[]] * len(units[6:])
    assert all(unit["before"]["s3key"] == f"{NAME}-00115.mseed" for unit in units[6:])


def test_recordings_that_begin_between_units_reach_into_the_next(spark):
    units = units_of(
        spark, recordings(spark, [-1.5, 18.5, 38.5], size=160_000_000), spacing=Spacing(20 * MINUTE_NS, 160_000_000)
    )
    first = units[0]
    assert first["name"].endswith("T0000")
    assert first["before"]["s3key"] == f"{NAME}--01.5.mseed"
    assert [one["s3key"] for one in first["recordings"]] == [f"{NAME}-018.5.mseed"]
    assert first["after"]["s3key"] == f"{NAME}-038.5.mseed"


def test_a_long_recording_makes_the_units_that_it_covers(spark):
    units = units_of(spark, recordings(spark, [0, 60, 180]), spacing=Spacing(60 * MINUTE_NS, 40_000_000))
    numbers = [(unit["start_ns"] - DAY) // (20 * MINUTE_NS) for unit in units]
    assert numbers[:9] == list(range(9))
    assert units[1]["recordings"] == []
    assert units[1]["before"]["s3key"] == f"{NAME}-00000.mseed"
    assert units[8]["before"]["s3key"] == f"{NAME}-00060.mseed"


def test_channels_do_not_mix_and_days_have_their_units(spark):
    frame = recordings(spark, [0, 5, 1435]).unionByName(recordings(spark, [0, 5, 10], OTHER))
    rates = {NAME: 64_000.0, OTHER: 32_000.0}
    units = sound_units(frame, rates, 20, FIVE, (DAY, DAY + DAY_NS))
    for row in units.collect():
        own = {one["s3key"][: len(str(NAME))] for one in row["recordings"]}
        assert own <= {".".join((row["net"], row["sta"], row["loc"], row["chan"]))}
        assert row["rate"] == (64_000.0 if row["sta"] == "HYEA2" else 32_000.0)
    days = {row["sta"]: row for row in sound_days(units).collect()}
    assert set(days) == {"HYEA2", "HYSB1"}
    assert days["HYEA2"]["name"] == "year=2017/month=10/OO.HYEA2..YDH-20171009"
    assert days["HYEA2"]["date"] == dt.date(2017, 10, 9)
    assert (days["HYEA2"]["start_ns"], days["HYEA2"]["end_ns"]) == (DAY, DAY + DAY_NS)
    assert days["HYEA2"]["units"][0].endswith("T0000")
    assert days["HYEA2"]["units"][-1].endswith("T2340")


def test_missing_recordings_are_told_by_their_times(spark):
    frame = recordings(spark, [0, 5, 15, 20, 1500])
    assert spacing_of(recordings(spark, range(0, 100, 5))) == FIVE
    found = sorted((row["unit"], row["date"], row["outcome"]) for row in holes(frame, FIVE, None).collect())
    assert found == [
        (f"{NAME}/2017-10-09T00:10:00/2017-10-09T00:15:00", dt.date(2017, 10, 9), "missing"),
        (f"{NAME}/2017-10-09T00:25:00/2017-10-10T00:00:00", dt.date(2017, 10, 9), "missing"),
        (f"{NAME}/2017-10-10T00:00:00/2017-10-10T01:00:00", dt.date(2017, 10, 10), "missing"),
    ]
    whole = {row["unit"] for row in holes(recordings(spark, [60, 65]), FIVE, (DAY, DAY + DAY_NS)).collect()}
    assert whole == {
        f"{NAME}/2017-10-09T00:00:00/2017-10-09T01:00:00",
        f"{NAME}/2017-10-09T01:10:00/2017-10-10T00:00:00",
    }


def test_copies_do_not_make_the_usual_spacing(spark):
    assert spacing_of(recordings(spark, [0, 0, 5, 5, 10, 10])) == FIVE


def test_a_wav_alone_lasts_as_its_bytes_tell(spark):
    alone = recordings(spark, [0], size=44 + 2 * 64_000 * 300)
    assert spacing_of(alone, 64_000.0).ns == DAY_NS  # what compresses tells nothing
    wav = alone.withColumn("s3key", F.lit("a.WAV"))
    assert spacing_of(wav, 64_000.0).ns == pytest.approx(5 * MINUTE_NS, rel=1e-5)
    assert [row["unit"] for row in holes(wav, spacing_of(wav, 64_000.0), (DAY, DAY + DAY_NS)).collect()] == [
        f"{NAME}/2017-10-09T00:05:00/2017-10-10T00:00:00"
    ]


def test_nothing_is_missing_after_a_recording_that_is_longer_than_usual(spark):
    frame = recordings(spark, [0, 5, 70, 75]).unionAll(recordings(spark, [10], size=480_000_000))  # one of an hour
    assert holes(frame, FIVE, None).count() == 0
    late = recordings(spark, [0, 5, 80, 85]).unionAll(recordings(spark, [10], size=480_000_000))
    assert [row["unit"] for row in holes(late, FIVE, None).collect()] == [f"{NAME}/2017-10-09T01:10:00/2017-10-09T01:20:00"]
    louder = recordings(spark, [0, 5, 20, 25]).unionAll(recordings(spark, [10], size=70_000_000))  # and five minutes missing
    assert holes(louder, FIVE, None).count() == 1


def test_recorders_that_sleep_between_recordings_miss_nothing(spark):
    every_half_hour = recordings(spark, range(0, 1440, 30))
    assert holes(every_half_hour, spacing_of(every_half_hour), (DAY, DAY + DAY_NS)).count() == 0


def test_minutes_of_a_unit(spark):
    assert unit_minutes(FIVE, 4 * 64_000) == 20  # wav of 32 bit: 307 MB
    assert unit_minutes(FIVE, 40_000) == 120
    assert unit_minutes(Spacing(DAY_NS, 1), 1_000) == 1440
    assert unit_minutes(Spacing(60 * MINUTE_NS, 1), 4 * 500_000) == 60  # a recording at least
    check_unit_minutes(20)
    with pytest.raises(OptionError, match="--unit-minutes 7"):
        check_unit_minutes(7)
