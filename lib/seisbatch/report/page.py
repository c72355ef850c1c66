"""The report of a run as one self-contained HTML page."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from seisbatch.outcome import Outcome, plural
from seisbatch.report.sound import SoundSection
from seisbatch.report.waveforms import WaveformSection


@dataclass(frozen=True, eq=False)
class Availability:
    """Share of windows used, shape (channel, day), NaN where nothing was planned; ``bad`` marks units that are not ok."""

    channels: Sequence[str]
    days: Sequence[str]
    fraction: npt.NDArray[np.float64]
    bad: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RecordSection:
    """CCFs by distance: distances [km] shape (pair,), lags [s] shape (lag,), samples (pair, lag), and what they are."""

    distances_km: npt.NDArray[np.float64]
    lags_s: npt.NDArray[np.float64]
    ccfs: npt.NDArray[np.float32]
    names: Sequence[str]
    what: str


@dataclass(frozen=True)
class UnitRow:
    """A unit worth a look."""

    unit: str
    outcome: str
    reason: str
    seconds: float
    n_bytes: int


@dataclass(frozen=True, eq=False)
class RunReport:
    """All that the page shows.

    ``parameters``: option, value, comment. ``counts``: kind of unit, outcome, reason, number. ``planned``: units by kind.
    ``stations``: NET.STA, latitude, longitude. ``paths``: two NET.STA and the CCFs between them. ``written``: table (or
    folder of objects, or collection), place, files, rows (None where it has none).
    """

    job: str
    run_id: str
    parameters_id: str
    version: str
    started: dt.datetime
    finished: dt.datetime
    out: str
    max_bad_fraction: float
    parameters: Sequence[tuple[str, str, str]]
    counts: Sequence[tuple[str, str, str, int]]
    planned: Mapping[str, int]
    availability: Availability | None
    stations: Sequence[tuple[str, float, float]]
    paths: Sequence[tuple[str, str, int]]
    section: RecordSection | None
    waveforms: WaveformSection | None
    slowest: Sequence[UnitRow]
    worst: Sequence[UnitRow]
    totals: Sequence[tuple[str, str]]
    written: Sequence[tuple[str, str, int | None, int | None]]
    sound: SoundSection | None = None


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5d6670; --line: #d6dbe0; --paper: #fff; --wash: #f4f6f8;
  --ok: #2a78b5; --bad: #c4571b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4ae; --line: #3a424a; --paper: #14181c;
  --wash: #1d2329; --ok: #5aa7e0; --bad: #ea8b52; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 1080px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
p.lead { color: var(--soft); margin: .2rem 0 1.2rem; overflow-wrap: anywhere; }
.verdict { border-left: 4px solid var(--ok); background: var(--wash); padding: .7rem 1rem; margin: 1rem 0; }
.verdict.bad { border-color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 500; font-size: .85rem; }
td.n, th.n { text-align: right; white-space: nowrap; } td.id { font-family: ui-monospace, Menlo, Consolas, monospace;
  font-size: .85rem; overflow-wrap: anywhere; min-width: 9rem; } td.unit, td.kind { white-space: nowrap; }
td.unit { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .85rem; }
td.why { overflow-wrap: anywhere; min-width: 12rem; }
.bar { height: .55rem; min-width: 2px; background: var(--bad); } .bar.ok { background: var(--ok); } td.b { width: 22%; }
figure { margin: .6rem 0; background: #fff; border: 1px solid var(--line); padding: .4rem; }
figure img { width: 100%; height: auto; display: block; }
figcaption { color: #5d6670; font-size: .85rem; padding: .2rem .4rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: .8rem; }
.sheet figure { margin: 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .8rem; margin: 0; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: 1.1rem; }
summary { cursor: pointer; color: var(--soft); }
@media print { body { max-width: none; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""


def render(report: RunReport) -> str:
    """The page: HTML with its style and pictures inside, nothing loaded from elsewhere."""
    from seisbatch.report import plots, sound_page

    parts = [
        f"<h1>{escape(report.job)}</h1>",
        f'<p class="lead">{escape(report.out)}<br>{report.started:%Y-%m-%d %H:%M:%S} to {report.finished:%H:%M:%S} UTC, '
        f"run {escape(report.run_id)}, seisbatch {escape(report.version)}</p>",
        _verdict(report),
        "<h2>In numbers</h2>",
        "<dl>" + "".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>" for a, b in report.totals) + "</dl>",
        "<h2>Written</h2>",
        table(
            ("Table", "Where", "#Files", "#Rows"),
            (
                (name, _id(where), *("" if number is None else whole(number) for number in numbers))
                for name, where, *numbers in report.written
            ),
        ),
        "<h2>Outcomes</h2>",
        _outcomes(report.counts),
    ]
    if report.section is not None:
        parts += ["<h2>Record section</h2>", figure(plots.record_section(report.section), report.section.what)]
    if report.waveforms is not None:
        parts += ["<h2>Waveforms</h2>", figure(plots.waveforms(report.waveforms), report.waveforms.what)]
    if report.sound is not None:
        parts += sound_page.sections(report.sound)
    if report.stations:
        told = f"{len(report.stations)} stations" + (f", {len(report.paths)} paths with CCFs" if report.paths else "")
        parts += ["<h2>Stations</h2>", figure(plots.station_map(report.stations, report.paths), told)]
    if report.availability is not None:
        told = "Share of each day that was used; crosses mark channel-days with another outcome than ok."
        parts += ["<h2>Data availability</h2>", figure(plots.availability(report.availability), told)]
    parts += ["<h2>Units that are not ok</h2>", _units(report.worst), "<h2>Slowest units</h2>", _units(report.slowest)]
    parts += ["<h2>Parameters</h2>", _parameters(report)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.job)}: {escape(report.run_id)}</title><style>{_STYLE}</style></head>\n"
        "<body>" + "\n".join(parts) + "</body></html>\n"
    )


def _verdict(report: RunReport) -> str:
    lines, good = [], True
    for kind, planned in report.planned.items():
        numbers = [(outcome, number) for of, outcome, _, number in report.counts if of == kind]
        found = sum(number for _, number in numbers)
        bad = sum(number for outcome, number in numbers if outcome != Outcome.OK)
        share = bad / found if found else 0.0
        good = good and found == planned and share <= report.max_bad_fraction
        balance = f"all {planned:,} planned" if found == planned else f"{found:,} of {planned:,} planned"
        lines.append(f"{plural(kind)}: {balance} have an outcome, {bad:,} bad ({share:.1%})")
    limit = f"Up to {report.max_bad_fraction:.0%} bad are tolerated."
    headline = "The run is whole." if good else "The run needs a look."
    return (
        f'<div class="verdict{"" if good else " bad"}"><strong>{headline}</strong> '
        f"{escape('; '.join(lines).capitalize())}. {limit}</div>"
    )


def _outcomes(counts: Sequence[tuple[str, str, str, int]]) -> str:
    most = max((number for *_, number in counts), default=1)
    rows = (
        (
            ("kind", escape(kind)),
            ("kind", escape(outcome)),
            ("why", escape(reason)),
            whole(number),
            ("b", f'<div class="bar{" ok" if outcome == Outcome.OK else ""}" style="width:{100 * number / most:.1f}%"></div>'),
        )
        for kind, outcome, reason, number in counts
    )
    return table(("Unit", "Outcome", "Reason or remark (N stands for a number)", "#Units", ""), rows)


def _units(units: Sequence[UnitRow]) -> str:
    if not units:
        return "<p>None.</p>"
    rows = (
        (
            ("unit", escape(row.unit)),
            ("kind", escape(row.outcome)),
            ("why", escape(row.reason)),
            whole(row.n_bytes),
            ("n", f"{row.seconds:.2f}"),
        )
        for row in units
    )
    return table(("Unit", "Outcome", "Reason or remark", "#Bytes read", "#Seconds"), rows)


def _parameters(report: RunReport) -> str:
    rows = ((_id(key), ("why", escape(value)), ("why", escape(comment))) for key, value, comment in report.parameters)
    return (
        f"<details><summary>{len(report.parameters)} parameters, id {escape(report.parameters_id)}</summary>"
        + table(("Option", "Value", "Meaning"), rows)
        + "</details>"
    )


def whole(number: int) -> tuple[str, str]:
    """A cell of a whole number."""
    return "n", f"{number:,}"


def _id(text: str) -> tuple[str, str]:
    return "id", escape(text)


def table(heads: Sequence[str], rows: Iterable[Sequence[str | tuple[str, str]]]) -> str:
    """A table; heads that begin with # are of numbers, cells are text, or (class, HTML)."""
    head = "".join(f"<th{' class=n' if text.startswith('#') else ''}>{escape(text.lstrip('#'))}</th>" for text in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(cell)}</td>" if isinstance(cell, str) else f'<td class="{cell[0]}">{cell[1]}</td>' for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def picture_source(png: bytes) -> str:
    """What an ``img`` shows a picture by, without loading it from elsewhere."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def figure(png: bytes, caption: str) -> str:
    """A picture over the whole width, with its caption."""
    alt, source = escape(caption), picture_source(png)
    return f'<figure><img alt="{alt}" src="{source}"><figcaption>{alt}</figcaption></figure>'
