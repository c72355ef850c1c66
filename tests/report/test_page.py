"""The report page: whole, self-contained, and safe whatever names and reasons it is given."""

from __future__ import annotations

import base64
import datetime as dt
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib import image as png_reader
from seisbatch.report import plots
from seisbatch.report.page import Availability, RecordSection, RunReport, UnitRow, render

VOID = {"meta", "img", "br"}
HOSTILE = "<script>alert('x')</script>\"&é—../../"


class Page(HTMLParser):
    """Tags, their balance, text and pictures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href", "action", "data", "poster")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def pictures(self) -> list[np.ndarray]:
        bodies = [base64.b64decode(reference.removeprefix("data:image/png;base64,")) for reference in self.references]
        return [png_reader.imread(io.BytesIO(body), format="png") for body in bodies]


def section(n_pairs: int, n_lags: int = 401) -> RecordSection:
    rng = np.random.default_rng(n_pairs)
    return RecordSection(
        distances_km=np.sort(rng.uniform(5, 100, n_pairs)),
        lags_s=np.linspace(-100, 100, n_lags),
        ccfs=rng.normal(size=(n_pairs, n_lags)).astype(np.float32),
        names=[f"XX.A{n}..BHZ:XX.B{n}..BHZ" for n in range(n_pairs)],
        what="what it is",
    )


def report(**changed: object) -> RunReport:
    values: dict[str, object] = {
        "job": "cross_correlate",
        "run_id": "cross_correlate-1",
        "parameters_id": "1",
        "version": "0",
        "started": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        "finished": dt.datetime(2024, 1, 1, 0, 1, tzinfo=dt.UTC),
        "out": "out",
        "max_bad_fraction": 0.5,
        "parameters": [("freqmin", "0.1", "Lower edge")],
        "counts": [("channel-day", "ok", "", 9), ("channel-day", "missing", "no object", 1)],
        "planned": {"channel-day": 10},
        "availability": Availability(["XX.A..BHZ"], ["2024-01-01"], np.array([[0.5]]), np.array([[True]])),
        "stations": [("XX.A", 34.0, -117.0), ("XX.B", 34.5, -117.5)],
        "paths": [("XX.A", "XX.B", 3)],
        "section": section(3),
        "waveforms": None,
        "slowest": [UnitRow("XX.A..BHZ/2024-01-01", "ok", "", 1.5, 1000)],
        "worst": [UnitRow("XX.B..BHZ/2024-01-01", "missing", "no object", 0.1, 0)],
        "totals": [("Wall time", "60.0 s")],
        "written": [("ccf", "out/ccf", 1, 3)],
    }
    return RunReport(**(values | changed))  # type: ignore[arg-type]


def test_the_page_is_whole_and_loads_nothing():
    text = render(report())
    page = Page(text)
    assert page.open == []
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not re.search(r"https?://|url\(|@import|<script|<link", text)
    assert len(page.pictures) == 3
    for picture in page.pictures:
        assert min(picture.shape[:2]) > 200
        assert picture[..., :3].std() > 0.01  # something is drawn


def test_whatever_it_is_given_is_text():
    text = render(
        report(
            job=HOSTILE,
            run_id=HOSTILE,
            out=HOSTILE,
            parameters=[(HOSTILE, HOSTILE, HOSTILE)],
            counts=[("channel-day", HOSTILE, HOSTILE, 10)],
            worst=[UnitRow(HOSTILE, HOSTILE, HOSTILE, 0, 0)],
            totals=[(HOSTILE, HOSTILE)],
            written=[(HOSTILE, HOSTILE, 1, 1)],
        )
    )
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert "".join(page.text).count(HOSTILE) >= 12


@pytest.mark.parametrize(
    ("counts", "planned", "verdict"),
    [
        ([("channel-day", "ok", "", 10)], 10, "The run is whole."),
        ([("channel-day", "ok", "", 5), ("channel-day", "corrupt", "r", 5)], 10, "The run is whole."),
        ([("channel-day", "ok", "", 4), ("channel-day", "corrupt", "r", 6)], 10, "The run needs a look."),
        ([("channel-day", "ok", "", 9)], 10, "The run needs a look."),
    ],
)
def test_the_verdict(counts, planned, verdict):
    assert verdict in "".join(Page(render(report(counts=counts, planned={"channel-day": planned}))).text)


def test_what_there_is_none_of_is_left_out():
    page = Page(render(report(section=None, stations=[], paths=[], availability=None, worst=[], slowest=[])))
    assert page.pictures == []
    assert "Record section" not in "".join(page.text)


@pytest.mark.parametrize("n_pairs", [1, 66, 400])
def test_a_record_section_of_any_number_of_pairs(n_pairs):
    assert png_reader.imread(io.BytesIO(plots.record_section(section(n_pairs))), format="png").shape[0] > 500


def test_a_reference_line_is_distance_over_velocity():
    lags, distances = plots.reference_lines(np.array([10.0, 60.0]), 3.0)
    assert distances[-1] == 60
    assert lags[-1] == pytest.approx(20)


def test_distance_bins_hold_the_mean_of_their_pairs():
    many = section(120)
    image = plots.by_distance(many.distances_km, many.ccfs)
    width = many.distances_km.max() / len(image)
    seen = 0
    for number, row in enumerate(image):
        inside = [
            ccf
            for distance, ccf in zip(many.distances_km, many.ccfs, strict=True)
            if min(int(distance // width), len(image) - 1) == number
        ]
        seen += len(inside)
        if inside:
            np.testing.assert_allclose(row, np.mean(inside, axis=0), atol=1e-6)
        else:
            assert np.isnan(row).all()
    assert seen == 120


@pytest.mark.parametrize(
    "stations",
    [
        [("XX.A", 34.0, -117.0)],
        [("XX.A", 34.0, -117.0), ("XX.B", 34.0, -117.0)],
        [("XX.A", -1.0, 179.0), ("XX.B", 1.0, 179.9)],
        [(f"XX.{n:03d}", 30 + n / 100, -110 - n / 90) for n in range(500)],
    ],
)
def test_a_map_of_any_stations(stations):
    names = [name for name, *_ in stations]
    paths = [(a, b, 1) for a in names[:20] for b in names[:20] if a < b]
    assert png_reader.imread(io.BytesIO(plots.station_map(stations, paths)), format="png").shape[0] > 300


@pytest.mark.parametrize(("n_channels", "n_days"), [(1, 1), (400, 400)])
def test_availability_of_any_size(n_channels, n_days):
    rng = np.random.default_rng(0)
    data = Availability(
        [f"XX.S{n}..BHZ" for n in range(n_channels)],
        [f"day {n}" for n in range(n_days)],
        rng.uniform(size=(n_channels, n_days)),
        rng.uniform(size=(n_channels, n_days)) < 0.05,
    )
    body = plots.availability(data)
    assert len(body) < 1_500_000
    assert png_reader.imread(io.BytesIO(body), format="png").shape[0] > 200
