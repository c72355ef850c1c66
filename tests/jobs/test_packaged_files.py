"""Every miniSEED file inside the obspy wheel, the bizarre and the broken ones, as an event's object: one outcome each."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import obspy
import pytest
import seisbatch

from tests.jobs.results import outcomes, rows

OBSPY = Path(obspy.__file__).parent


def packaged():
    found = {}
    for path in sorted(OBSPY.rglob("*")):
        is_one = "mseed" in str(path.relative_to(OBSPY)) or path.suffix == ".ms"
        if path.is_file() and "data" in path.parts and is_one:
            found[f"{len(found):04d}"] = path
    return found


@pytest.fixture(scope="module")
def files():
    return packaged()


@pytest.fixture(scope="module")
def out(files, run_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packaged")
    lines = ["EVID,ORIGIN_DATETIME,LATITUDE,LONGITUDE,DEPTH,MAG"]
    for number, path in files.items():
        target = folder / "archive" / f"event_waveforms/2020/2020_001/{number}.ms"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        lines.append(f"{number},2020-01-01 00:00:00,0,0,0,1")
    # Ids of digits alone would be read as numbers.
    (folder / "events.csv").write_text("\n".join([lines[0], *(f"E{line}" for line in lines[1:])]) + "\n")
    for path in (folder / "archive").rglob("*.ms"):
        path.rename(path.with_name(f"E{path.name}"))
    options = ["--archive", "scedc", "--root", folder / "archive", "--events", folder / "events.csv", "--max-bad-fraction", 1]
    assert run_job("extract_events", *options, "--out", folder / "out") == 0
    return folder / "out"


def test_each_has_one_outcome(out, files):
    assert len(files) > 100
    found = outcomes(out, "event")
    assert found.keys() == {f"E{number}" for number in files}
    assert {row["outcome"] for row in found.values()} <= {"ok", "corrupt", "empty", "rejected"}
    assert sum(row["outcome"] == "ok" for row in found.values()) > 60
    assert sum(row["windows"] for row in found.values()) == len(rows(out, "wf_TimeSeries"))
    dead = {unit for unit, row in found.items() if row["outcome"] != "ok"}
    assert dead <= {row["unit"] for row in rows(out, "cemetery")}
    for unit in dead:
        assert found[unit]["reason"]


def test_the_samples_are_obspy_s(out, files):
    """Where both read a file, and both find as many traces: sample for sample."""
    ours = {}
    for trace in seisbatch.read_waveforms(out):
        ours.setdefault(trace.stats.window, {}).setdefault(trace.id, []).append(trace)
    compared = 0
    for number, path in files.items():
        try:
            stream = obspy.read(io.BytesIO(path.read_bytes()), format="MSEED")
        except Exception:  # obspy raises eight kinds for what it cannot read
            continue
        theirs = {}
        for trace in stream:
            if len(trace):
                theirs.setdefault(trace.id, []).append(trace)
        found = ours.get(f"E{number}", {})
        if {name: len(parts) for name, parts in found.items()} != {name: len(parts) for name, parts in theirs.items()}:
            continue
        for name, parts in theirs.items():
            for one, two in zip(
                sorted(found[name], key=lambda trace: trace.stats.starttime),
                sorted(parts, key=lambda trace: trace.stats.starttime),
                strict=True,
            ):
                np.testing.assert_array_equal(one.data, two.data)
                assert abs(one.stats.starttime - two.stats.starttime) < 1e-3
        compared += 1
    assert compared > 80
