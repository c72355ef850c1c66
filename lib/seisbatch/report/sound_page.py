"""Sections of a report page about sound: long-term averages, percentiles of levels, days, the loudest and quietest clips."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from html import escape
from urllib.parse import quote

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from seisbatch.report.clip_sheet import ClipSheet, SheetClip
from seisbatch.report.labelled import decibels, long_term_picture
from seisbatch.report.long_term import shown_from
from seisbatch.report.page import figure, picture_source, table, whole
from seisbatch.report.sound import SoundDay, SoundSection
from seisbatch.report.sound_levels import PERCENTS, ChannelLevels
from seisbatch.steps.sound_settings import HYBRID_MILLIDECADE, ONE_HERTZ, THIRD_OCTAVE
from seisbatch.times import SECOND_NS

BANDS = {HYBRID_MILLIDECADE: "hybrid millidecades", THIRD_OCTAVE: "third octaves", ONE_HERTZ: "bands of 1 Hz"}
BLUE, ORANGE = "#2a78b5", "#c4571b"
OPEN_DAYS = 40
"""Longer tables of days are folded up."""


def sections(sound: SoundSection) -> list[str]:
    """HTML of each section that there is something to show in."""
    parts = []
    if sound.levels:
        parts.append("<h2>Long-term spectral average</h2>")
        if sound.n_channels > len(sound.levels):
            parts.append(f"<p>{len(sound.levels)} of {sound.n_channels:,} channels.</p>")
        for levels in sound.levels:
            title = f"{levels.name}   {_days_of(levels)}"
            picture = long_term_picture(
                levels.times_ns, levels.levels, levels.lower, levels.upper, levels.units, title, row_ns=levels.row_ns
            )
            parts.append(figure(picture, f"{levels.name}, {BANDS[levels.bands]}. {levels.averaged}; blank: nothing recorded."))
        parts.append("<h2>Spectral levels</h2>")
        for levels in sound.levels:
            told = f"{levels.name}, {BANDS[levels.bands]}: percentiles {levels.over}, and the level of the mean power."
            parts.append(figure(percentile_plot(levels), told))
    if sound.days:
        parts += ["<h2>Days</h2>", _days(sound)]
    if sound.sheet is not None:
        parts += _sheet(sound.sheet)
    return parts


def percentile_plot(levels: ChannelLevels) -> bytes:
    """Percentiles and mean of a channel's levels over frequency, as a PNG file."""
    drawing = Figure(figsize=(9.5, 4.4), dpi=130, layout="constrained", facecolor="white")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots()
    lowest = shown_from(levels.lower, levels.upper)
    seen = levels.centre >= lowest
    centre = levels.centre[seen]
    low, quarter, median, three_quarters, high = np.where(np.isfinite(levels.percentiles), levels.percentiles, np.nan)[:, seen]
    axes.fill_between(centre, low, high, color=BLUE, alpha=0.16, linewidth=0, label=f"{PERCENTS[0]} to {PERCENTS[-1]} %")
    axes.fill_between(
        centre, quarter, three_quarters, color=BLUE, alpha=0.32, linewidth=0, label=f"{PERCENTS[1]} to {PERCENTS[-2]} %"
    )
    for edge in (low, quarter, three_quarters, high):
        axes.plot(centre, edge, color=BLUE, linewidth=0.5, alpha=0.6)
    axes.plot(centre, median, color=BLUE, linewidth=1.3, label="50 %")
    axes.plot(centre, np.where(np.isfinite(levels.mean), levels.mean, np.nan)[seen], color=ORANGE, linewidth=1, label="mean")
    axes.set_xscale("log")
    axes.set_xlim(lowest, levels.upper[-1])
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set_xlabel("frequency [Hz]")
    axes.set_ylabel(f"level [{decibels(levels.units)}]")
    axes.grid(color="#e4e8ec", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, fontsize=9)
    out = io.BytesIO()
    drawing.savefig(out, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 3})
    return out.getvalue()


def _days_of(levels: ChannelLevels) -> str:
    first, last = (dt.datetime.fromtimestamp(ns // SECOND_NS, dt.UTC).date() for ns in levels.times_ns[[0, -1]].tolist())
    return f"{first}" if first == last else f"{first} to {last}"


def _days(sound: SoundSection) -> str:
    units = sound.sheet.units if sound.sheet else {}
    heads = ("Channel", "Day", "#Hours recorded", "#Clips", "#Left out", "#Median of clips' rms", "Remark")
    html = table(heads, (_day(day, units.get(day.channel, "")) for day in sound.days))
    if sound.n_days > len(sound.days):
        html += f"<p>The first {len(sound.days):,} of {sound.n_days:,} channel-days.</p>"
    if len(sound.days) > OPEN_DAYS:
        return f"<details><summary>{sound.n_days:,} channel-days</summary>{html}</details>"
    return html


def _day(day: SoundDay, units: str) -> tuple[tuple[str, str], ...]:
    hours = f"{day.hours:.2f}" + (f" of {day.planned_hours:g}" if day.planned_hours else "")
    return (
        ("unit", escape(day.channel)),
        ("kind", str(day.date)),
        ("n", hours),
        whole(day.clips),
        whole(day.left_out),
        ("n", "" if day.rms is None else escape(_level(day.rms, units))),
        ("why", escape(day.remark)),
    )


def _level(level: float, units: str) -> str:
    return f"{level:.1f} dB re {units.replace('uPa', 'µPa')}"


def _sheet(sheet: ClipSheet) -> list[str]:
    told = f"Of {sheet.n_clips:,} clips, by their rms."
    if sheet.n_silent:
        told += f" {sheet.n_silent:,} without any sound, or of no known level, are not among them."
    if sheet.n_read < sheet.n_files:
        told += f" Read from {sheet.n_read:,} of {sheet.n_files:,} files, spread evenly over the run."
    parts = ["<h2>Loudest clips</h2>", f"<p>{told}</p>", _clips(sheet.loudest)]
    return [*parts, "<h2>Quietest clips</h2>", _clips(sheet.quietest)] if sheet.quietest else parts


def _clips(clips: Sequence[SheetClip]) -> str:
    return '<div class="sheet">' + "".join(map(_clip, clips)) + "</div>"


def _clip(clip: SheetClip) -> str:
    time = f"{clip.clock:%Y-%m-%d %H:%M:%S}" + (f".{clip.clock:%f}".rstrip("0") if clip.clock.microsecond else "")
    lines = [escape(clip.name), time, f"rms {_level(clip.rms, clip.units)}"]
    if clip.peak is not None:
        lines.append(f"peak {clip.peak:.1f} dB")
    if clip.n_padded:
        lines.append(f"{clip.n_padded:,} samples padded")
    told = "<br>".join(escape(line) for line in lines[1:])
    if clip.sound:
        told += f'<br><a href="{escape(quote(clip.sound))}">sound</a>'
    alt = escape(f"{clip.name} {time}")
    image = f'<img alt="{alt}" src="{picture_source(clip.picture)}">' if clip.picture else "<p>No picture here.</p>"
    return f"<figure>{image}<figcaption>{lines[0]}<br>{told}</figcaption></figure>"
