from __future__ import annotations

import io
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import obspy
import pytest
from miniseed_files import OBSPY, REAL
from seisbatch.acquire.stationxml import ChannelEpoch, place_at, read_stations
from seisbatch.names import Channel, parse_channel
from seisbatch.outcome import Corrupt

CHANNEL = """
<Channel code="{code}" locationCode="{loc}" startDate="{start}"{end}>
  <Latitude>{lat}</Latitude><Longitude>{lon}</Longitude><Elevation>{elevation}</Elevation><Depth>0</Depth>
  <Azimuth>{azimuth}</Azimuth><Dip>{dip}</Dip><SampleRate>{rate}</SampleRate>
</Channel>"""


def coordinates(epochs, name, instant_ns):
    """Latitude, longitude and elevation of the epoch that tells a channel's place."""
    found = place_at(epochs, name, instant_ns)
    return found and (found.lat, found.lon, found.elevation)


def channel_xml(code="BHN", loc="", start="2010-01-01", end="", lat=35.0, lon=-118.0, elevation=700, azimuth=0, dip=0, rate=40):
    end = f' endDate="{end}"' if end else ""
    return CHANNEL.format(**locals())


def document(*channels: str, declaration: str = '<?xml version="1.0" encoding="UTF-8"?>', name: str = "Airport") -> bytes:
    return f"""{declaration}
<FDSNStationXML xmlns="http://www.fdsn.org/xml/station/1" schemaVersion="1.1">
<Source>test</Source><Created>2024-01-01T00:00:00</Created>
<Network code="CI"><Station code="CCA" startDate="2000-01-01">
<Latitude>35.5</Latitude><Longitude>-118.5</Longitude><Elevation>555</Elevation>
<Site><Name>{name}</Name></Site><CreationDate>2000-01-01</CreationDate>
{"".join(channels)}
</Station></Network></FDSNStationXML>""".encode()


def instant(text: str) -> int:
    return obspy.UTCDateTime(text).ns


# -- what is read -----------------------------------------------------------------------------------------------------


def test_epochs_of_channels_and_of_the_station() -> None:
    epochs = read_stations(document(channel_xml(loc="10", end="2020-06-01T12:00:00", azimuth=90, dip=-90)))
    assert epochs == [
        ChannelEpoch(Channel("CI", "CCA", "", ""), instant("2000-01-01"), 2**63 - 1, 35.5, -118.5, 555.0),
        ChannelEpoch(
            parse_channel("CI.CCA.10.BHN"),
            instant("2010-01-01"), instant("2020-06-01T12:00:00"),
            35.0, -118.0, 700.0, 40.0, 90.0, -90.0,
        ),
    ]  # fmt: skip


@pytest.mark.skipif(not REAL.is_dir(), reason="no real files: set SEISBATCH_TEST_DATA")
@pytest.mark.parametrize(("station", "place"), [("CCA", (35.15252, -118.01649, 710.0)), ("HEC", (34.8294, -116.335, 920.0))])
def test_real_files(station: str, place: tuple[float, float, float]) -> None:
    data = (REAL / f"FDSNstationXML/CI/CI_{station}.xml").read_bytes()
    epochs = read_stations(data)
    assert coordinates(epochs, parse_channel(f"CI.{station}..BHN"), instant("2022-01-02T12:00:00")) == place


def packaged() -> list[Path]:
    return sorted(path for path in OBSPY.rglob("*.xml") if "data" in path.parts)


def test_packaged_files_have_one_outcome_each() -> None:
    n_read = 0
    for path in packaged():
        data = path.read_bytes()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                epochs = read_stations(data)
        except Corrupt:
            assert b"<FDSNStationXML" not in data[:2000], path
            continue
        n_read += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inventory = obspy.read_inventory(io.BytesIO(data), format="STATIONXML")
        n_channels = sum(len(station) for network in inventory for station in network)
        assert sum(bool(epoch.name.chan) for epoch in epochs) <= n_channels
    assert n_read >= 50


def test_no_end_is_for_ever_and_a_bad_code_is_left_out() -> None:
    epochs = read_stations(document(channel_xml(), channel_xml(code="B/N")))
    assert [str(epoch.name) for epoch in epochs] == ["CI.CCA..", "CI.CCA..BHN"]
    assert epochs[1].end_ns == 2**63 - 1


# -- coordinates ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def epochs() -> list[ChannelEpoch]:
    return read_stations(
        document(
            channel_xml(start="2010-01-01", end="2015-01-01", lat=1),
            channel_xml(start="2015-01-01", end="2020-01-01", lat=2),
            channel_xml(loc="10", start="2010-01-01", end="2022-01-01", lat=3),
            channel_xml(code="HHZ", start="2010-01-01", lat=4),
        )
    )


@pytest.mark.parametrize(
    ("name", "when", "lat"),
    [
        ("CI.CCA..BHN", "2012-01-01", 1.0),
        ("CI.CCA..BHN", "2014-12-31T23:59:59.999999", 1.0),
        ("CI.CCA..BHN", "2015-01-01", 2.0),
        ("CI.CCA.10.BHN", "2015-01-01", 3.0),
        ("CI.CCA..BHN", "2021-01-01", 3.0),  # another location code
        ("CI.CCA.99.BHN", "2021-01-01", 3.0),
        ("CI.CCA..BHN", "2023-01-01", 35.5),  # the station
        ("CI.CCA..EHZ", "2012-01-01", 35.5),
        ("CI.CCA..BHN", "1999-01-01", None),
        ("CI.XXX..BHN", "2012-01-01", None),
        ("NC.CCA..BHN", "2012-01-01", None),
    ],
)
def test_coordinates(epochs: list[ChannelEpoch], name: str, when: str, lat: float | None) -> None:
    place = coordinates(epochs, parse_channel(name), instant(when))
    assert (place and place[0]) == lat


def test_no_epochs() -> None:
    assert coordinates([], parse_channel("CI.CCA..BHN"), 0) is None


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lat", 91),
        ("lat", "nan"),
        ("lat", "x"),
        ("lat", ""),
        ("lon", 181),
        ("lon", "inf"),
        ("elevation", "nan"),
        ("elevation", ""),
    ],
)
def test_a_channel_without_a_possible_place_is_never_placed(field: str, value: object) -> None:
    try:
        epochs = read_stations(document(channel_xml(**{field: value})))
    except Corrupt:
        return
    assert [str(epoch.name) for epoch in epochs] == ["CI.CCA.."]


@pytest.mark.parametrize(("field", "value"), [("start", "not a day"), ("end", "2020-13-45"), ("end", "later")])
def test_a_date_that_is_none_says_the_line(field: str, value: str) -> None:
    with pytest.raises(Corrupt, match=rf"line \d+: {field}Date '{value}' is no date"):
        read_stations(document(channel_xml(**{field: value})))


def test_a_raw_ampersand_says_the_line() -> None:
    with pytest.raises(Corrupt, match="not well-formed: .*line 6"):
        read_stations(document(name="Smith & Sons"))


@pytest.mark.parametrize(
    "data", [b"", b"x", b"<", b"<a/>", b"\0" * 1000, b"{}", b"\xff\xfe", b"<FDSNStationXML/>", b"PK\x03\x04", b"<a>" * 5000]
)
def test_what_is_not_stationxml(data: bytes) -> None:
    with pytest.raises(Corrupt):
        read_stations(data)


def test_a_cut_document() -> None:
    data = document(channel_xml())
    for keep in range(0, len(data) - 1, 7):
        with pytest.raises(Corrupt):
            read_stations(data[:keep])


BOMB = '<!DOCTYPE a [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 20}">' for n in range(1, 12)) + "]>"


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "UTF-16LE", "UTF-32", "ISO-8859-1", "cp037", "UTF-7"])
def test_a_document_type_is_refused_in_every_encoding(encoding: str) -> None:
    text = document(name="&a11;").decode().replace('encoding="UTF-8"?>', f'encoding="{encoding}"?>{BOMB}')
    data = text.encode(encoding)
    if encoding == "UTF-7":
        data = text.encode().replace(b"<!", b"+ADwAIQ-")
    started = time.process_time()
    with pytest.raises(Corrupt):
        read_stations(data)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("attack", [
    '<!DOCTYPE a SYSTEM "{url}">',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "{url}">]>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE a [<!ENTITY % x SYSTEM "{url}"> %x;]>',
    "<!doctype a>",
])  # fmt: skip
def test_nothing_outside_the_document_is_asked_for(attack: str, tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    declaration = '<?xml version="1.0"?>' + attack.format(url=f"http://127.0.0.1:{server.server_port}/dtd")
    with pytest.raises(Corrupt):
        read_stations(document(declaration=declaration, name="&x;"))
    server.shutdown()
    server.server_close()
    assert asked == []
