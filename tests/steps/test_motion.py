"""A batch of channel-days, as a worker does it."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from pymseed import MS3TraceList, nslc2sourceid
from seisbatch.acquire.objects import StoreSettings
from seisbatch.acquire.responses import read_responses
from seisbatch.archives import ARCHIVES
from seisbatch.names import Channel
from seisbatch.process.response import Removal
from seisbatch.reader.waveforms import read_waveforms
from seisbatch.sample.network import RECORDERS
from seisbatch.sample.stationxml import station_xml
from seisbatch.schema import CHANNEL_DAY
from seisbatch.steps.ground_motion import Motion
from seisbatch.steps.motion import write_motion
from seisbatch.steps.motion_objects import MotionSettings
from seisbatch.steps.stations import StationFiles
from seisbatch.times import day_start_ns

DAY = dt.date(2024, 1, 2)
(RECORDER,) = (recorder for recorder in RECORDERS if str(recorder.name) == "XX.ALFA..BHZ")


@pytest.mark.parametrize("to", ["parquet", "mseed", "sac"])
def test_a_station_whose_code_is_longer_than_miniseed_2_has_room_for(to, tmp_path):
    """SDS and EarthScope have them, in records of miniSEED 3; one such station is no reason to end the run."""
    name = Channel("XX", "ALFA2024", "", "BHZ")
    counts = np.random.default_rng(1).integers(-1000, 1000, 20_000, dtype=np.int32)
    traces = MS3TraceList()
    traces.add_data(nslc2sourceid(*name), counts, "i", 20.0, starttime=day_start_ns(DAY))
    key = ARCHIVES["sds"].day_file_key(name, DAY)
    (tmp_path / "archive" / key).parent.mkdir(parents=True)
    (tmp_path / "archive" / key).write_bytes(b"".join(traces.generate(max_record_length=4096, format_version=3)))
    xml = station_xml(RECORDER.station).replace(b'code="ALFA"', b'code="ALFA2024"')
    assert len(read_responses(xml)) > 0
    (tmp_path / "XX_ALFA2024.xml").write_bytes(xml)
    run = MotionSettings(
        run_id="run", job="remove_response", out=StoreSettings(str(tmp_path / "out")), parameters_id="id", metadata=(),
        archive=StoreSettings(str(tmp_path / "archive")), layout="sds",
        stations=StationFiles(StoreSettings(str(tmp_path)), "sds", False),
        motion=Motion("vel", Removal(pre_filt=(0.02, 0.05, 7.0, 9.0))), span=None, to=to, data_tag="motion",
        ahead_bytes=1_000_000,
    )  # fmt: skip
    row = dict.fromkeys(CHANNEL_DAY.names) | {**name._asdict(), "unit": f"{name}/{DAY}", "date": DAY, "s3key": key}
    batch = pa.RecordBatch.from_pylist([{"name": "year=2024/month=01/motion-00000", "channel_days": [row]}])
    told = [row for rows in write_motion(run, iter([batch])) for row in rows.to_pylist()]
    assert {row["outcome"] for row in told} == {"ok"}
    [trace] = read_waveforms(tmp_path / "out")
    assert (trace.stats.station, trace.stats.npts, trace.stats.sampling_rate) == ("ALFA2024", 20_000, 20.0)
