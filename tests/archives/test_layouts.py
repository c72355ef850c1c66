"""What holds for every bucket layout: keys go there and back, and nothing else is taken for one."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pytest
from seisbatch.archives import ARCHIVES
from seisbatch.archives.layout import lists_years
from seisbatch.names import Channel

DAY = dt.date(2022, 1, 2)
NAME = Channel("NZ", "WEL", "10", "HHZ")
PUBLIC = {  # keys of the public buckets, or of SeisComP's documentation
    "scedc": ("continuous_waveforms/2022/2022_002/CICCA__BHN___2022002.ms", Channel("CI", "CCA", "", "BHN")),
    "ncedc": ("continuous_waveforms/NC/2022/2022.002/GDXB.NC.HHZ..D.2022.002", Channel("NC", "GDXB", "", "HHZ")),
    "geonet": ("waveforms/miniseed/2022/2022.002/WEL.NZ/2022.002.WEL.10-HHZ.NZ.D", NAME),
    "earthscope": ("miniseed/IU/2022/002/ANMO.IU.2022.002", Channel("IU", "ANMO", "00", "BHZ")),
    "sds": ("2022/GE/APE/BHZ.D/GE.APE..BHZ.D.2022.002", Channel("GE", "APE", "", "BHZ")),
}


@pytest.fixture(params=sorted(ARCHIVES))
def layout(request):
    return ARCHIVES[request.param]


def test_the_keys_that_archives_have(layout):
    key, name = PUBLIC[layout.NAME]
    assert layout.day_file_key(name, DAY) == key
    found = layout.parse_day_file_key(key)
    assert (found.net, found.sta, found.date) == (name.net, name.sta, DAY)


def test_there_and_back(layout):
    rng = np.random.default_rng(0)
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    for _ in range(300):
        net, sta, chan = ("".join(rng.choice(letters, size)) for size in (2, rng.integers(1, 6), 3))
        loc = f"{rng.integers(0, 100):02d}" if layout.NAME == "geonet" else str(rng.choice(["", "00", "10", "A1"]))
        name, day = Channel(net, sta, loc, chan), dt.date(1999, 1, 1) + dt.timedelta(days=int(rng.integers(0, 10_000)))
        found = layout.parse_day_file_key(layout.day_file_key(name, day))
        whole = (loc, chan) if layout.HOLDS == "channel-day" else (None, None)
        assert found == (net, sta, *whole, day, 0)


def test_a_key_stands_under_its_days_prefix(layout):
    for day in (DAY, dt.date(2024, 12, 31), dt.date(2023, 1, 1)):
        key = layout.day_file_key(NAME, day)
        under = [prefix for prefix in layout.day_prefixes(day, ["AA", NAME.net]) if key.startswith(prefix)]
        assert len(under) == 1
        assert under[0].endswith("/")
        if not lists_years(layout):
            assert not any(key.startswith(prefix) for prefix in layout.day_prefixes(day - dt.timedelta(days=1), [NAME.net]))
        if (networks := layout.networks_prefix(day.year)) is not None:
            assert key.removeprefix(networks).split("/")[0] == NAME.net


def test_hostile_and_inconsistent_keys_are_refused(layout):
    key = layout.day_file_key(NAME, DAY)
    layout.parse_day_file_key(key)
    hostile = [
        "", "/", "../" + key, "/" + key, key + "/", key + "\n", key + "\0", key.replace("/", "//", 1), key + "/../../x",
        key.replace("NZ", "..", 1), key.replace("WEL", "W/L"), key.replace("WEL", "../x"), key.replace("WEL", ""), key[:-1],
        key.replace("WEL", "WÉL"), key.replace("WEL", "W%2F"), key.replace("2022", "20x2"), "x/" + key, key * 40,
        key.replace("002", "367"), key.replace("002", "000"), key.replace("\u0030", "\u0660"),
        re.sub(r"2022(?!.*2022)", "2021", key),
    ]  # fmt: skip
    if key.count("002") > 1:
        hostile.append(re.sub(r"002(?!.*002)", "003", key))
    for bad in hostile:
        with pytest.raises(ValueError):  # noqa: PT011
            layout.parse_day_file_key(bad)


def test_names_that_a_layout_cannot_hold(layout):
    if layout.NAME == "geonet":
        with pytest.raises(ValueError, match="two digits"):
            layout.day_file_key(Channel("NZ", "WEL", "", "HHZ"), DAY)


def test_a_version_of_a_restricted_object():
    found = ARCHIVES["earthscope"].parse_day_file_key("miniseed/IU/2022/002/ANMO.IU.2022.002#2")
    assert (found.sta, found.version) == ("ANMO", 2)
