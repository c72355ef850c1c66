"""The sample archive as a stranger reads it: by the layout that SCEDC publishes, with the csv module and obspy."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path

import obspy

BROKEN = {"missing", "truncated", "not_miniseed"}
"""Faults of files that hold no whole day of records."""


def day_folder(root: Path, date: dt.date) -> Path:
    return root / "continuous_waveforms" / f"{date:%Y}" / f"{date:%Y}_{date:%j}"


def day_file(root: Path, channel: str, date: dt.date) -> Path:
    """A channel is named NET.STA.LOC.CHA; SCEDC pads stations to five and locations to three characters."""
    net, sta, loc, cha = channel.split(".")
    return day_folder(root, date) / f"{net}{sta:_<5}{cha}{loc:_<3}{date:%Y}{date:%j}.ms"


def read_day(root: Path, channel: str, date: dt.date) -> obspy.Stream:
    return obspy.read(str(day_file(root, channel, date)), format="MSEED")


def midnight(date: dt.date) -> obspy.UTCDateTime:
    return obspy.UTCDateTime(date.isoformat())


def index_path(root: Path, date: dt.date, form: str) -> Path:
    folder = root / f"continuous_waveforms/index/{form}/year={date:%Y}/year_doy={date:%Y}_{date:%j}"
    return folder / f"{date:%Y}_{date:%j}_waveform_index.{form}"


def index_rows(root: Path, date: dt.date) -> list[dict[str, str]]:
    """Rows of a day's csv index, as text."""
    with index_path(root, date, "csv").open(newline="") as file:
        return list(csv.DictReader(file))


def indexed_channel(row: dict[str, str]) -> str:
    return ".".join((row["net"], row["sta"], row["location"].strip(), row["seedchan"]))


def parameters(root: Path) -> dict:
    return json.loads((root / "parameters.json").read_text())


def days(root: Path) -> list[dt.date]:
    return [dt.date.fromisoformat(day) for day in parameters(root)["days"]]


def station_inventory(root: Path, sta: str) -> obspy.Inventory:
    return obspy.read_inventory(str(root / f"FDSNstationXML/XX/XX_{sta}.xml"), format="STATIONXML")
