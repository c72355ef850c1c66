"""The report's pictures, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from seisbatch.report.page import Availability, RecordSection
from seisbatch.report.waveforms import WaveformSection

WIGGLES = 150
"""Up to this many pairs are drawn as traces, more as an image of distance bins."""
PAIRS_A_BIN = 4
MOST_COLUMNS = 1200
"""Lags of an image: about one a dot."""
REFERENCE_VELOCITIES = (1.0, 2.0, 3.0, 4.0)
"""km/s."""
LABELLED = 40
"""Stations or rows up to which each has its name written beside it."""
INK, BLUE, ORANGE = "#1c2024", "#2a78b5", "#c4571b"
DOTS_AN_INCH = 130


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=DOTS_AN_INCH, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", pil_kwargs={"compress_level": 3})
    return out.getvalue()


def reference_lines(
    distances_km: npt.NDArray[np.float64], velocity: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lags [s] and distances [km] of a line of constant velocity, from zero to the largest distance."""
    distances = np.array([0.0, float(distances_km.max())])
    return distances / velocity, distances


def record_section(section: RecordSection) -> bytes:
    """CCFs over lag by distance, each scaled to its own peak, with lines of constant velocity."""
    figure = _figure(9.5, 7.0)
    axes = figure.subplots()
    peaks = np.abs(section.ccfs).max(axis=1, keepdims=True)
    traces = section.ccfs / np.where(peaks > 0, peaks, 1)
    furthest = float(max(section.distances_km))
    if len(traces) <= WIGGLES:
        height = 0.9 * furthest / max(12.0, min(len(traces), 50))
        lines = [
            np.column_stack((section.lags_s, distance + height * trace))
            for distance, trace in zip(section.distances_km, traces, strict=True)
        ]
        axes.add_collection(LineCollection(lines, colors=INK, linewidths=0.5, alpha=0.85))
        axes.set_ylim(-0.03 * furthest, furthest * 1.05 + height)
    else:
        seen = np.unique(np.linspace(0, len(section.lags_s) - 1, MOST_COLUMNS).round().astype(int))
        image = by_distance(section.distances_km, traces[:, seen].astype(np.float32))
        extent = (float(section.lags_s[0]), float(section.lags_s[-1]), 0.0, furthest)
        axes.imshow(
            image, aspect="auto", origin="lower", extent=extent, cmap="RdBu_r", vmin=-0.7, vmax=0.7, interpolation="nearest"
        )
    maxlag = min(float(section.lags_s[-1]), 1.3 * furthest / REFERENCE_VELOCITIES[0])
    for place, velocity in enumerate(REFERENCE_VELOCITIES):
        lags, distances = reference_lines(section.distances_km, velocity)
        for sign in (-1, 1):
            axes.plot(sign * lags, distances, color=ORANGE, linewidth=0.9, linestyle=(0, (5, 3)), alpha=0.8)
        at = min((1 - 0.05 * place) * furthest, 0.93 * maxlag * velocity)  # labels at different heights: lines are steep
        axes.annotate(
            f"{velocity:g} km/s",
            (at / velocity, at),
            xytext=(2, 3),
            textcoords="offset points",
            color=ORANGE,
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )
    axes.set_xlim(-maxlag, maxlag)
    axes.set_xlabel("lag [s]; positive: the receiver is later")
    axes.set_ylabel("distance [km]")
    return _png(figure)


def waveforms(section: WaveformSection) -> bytes:
    """Traces under one another: by distance where the event is known and they differ in it, else one a line, with names."""
    wiggles = section.wiggles
    figure = _figure(9.5, min(14.0, max(2.5, 0.28 * len(wiggles) + 1.4)))
    axes = figure.subplots()
    distances = [wiggle.distance_km for wiggle in wiggles if wiggle.distance_km is not None]
    by_km = len(distances) == len(wiggles) and len({round(km) for km in distances}) > LABELLED
    places = distances if by_km else [float(-number) for number in range(len(wiggles))]
    height = (max(places) - min(places)) / max(12.0, len(places)) if by_km else 0.45
    for place, wiggle in zip(places, wiggles, strict=True):
        peak = float(np.abs(wiggle.samples).max()) or 1.0
        axes.plot(wiggle.seconds, place + height * wiggle.samples / peak, color=INK, linewidth=0.5)
        if wiggle.arrival_seconds is not None:
            axes.plot([wiggle.arrival_seconds] * 2, [place - height, place + height], color=ORANGE, linewidth=1.2)
    if by_km:
        axes.set_ylabel("distance [km]")
    else:
        names = [
            wiggle.name + (f"  {wiggle.distance_km:,.0f} km" if wiggle.distance_km is not None else "") for wiggle in wiggles
        ]
        axes.set_yticks(places, names, fontsize=7)
    phases = sorted({wiggle.phase for wiggle in wiggles if wiggle.phase and wiggle.arrival_seconds is not None})
    axes.set_xlabel(f"seconds after {section.since}" + (f"; marked: {', '.join(phases)}" if phases else ""))
    axes.margins(x=0)
    return _png(figure)


def by_distance(distances_km: npt.NDArray[np.float64], traces: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Mean trace of every bin of distance from zero to the largest, shape (bin, lag); NaN where a bin is empty."""
    n_bins = max(1, len(distances_km) // PAIRS_A_BIN)
    edges = np.linspace(0, float(distances_km.max()), n_bins + 1)
    number = np.clip(np.digitize(distances_km, edges) - 1, 0, n_bins - 1)
    image = np.full((n_bins, traces.shape[1]), np.nan)
    for row in np.unique(number):
        image[row] = traces[number == row].mean(axis=0)
    return image


def station_map(stations: Sequence[tuple[str, float, float]], paths: Sequence[tuple[str, str, int]]) -> bytes:
    """Stations by longitude and latitude in true proportion, a scale bar, faint lines between pairs that have CCFs."""
    figure = _figure(7.5, 6.5)
    axes = figure.subplots()
    places = {name: (lon, lat) for name, lat, lon in stations}
    lons, lats = np.array(list(places.values())).T
    lines = [(places[a], places[b]) for a, b, _ in paths if a in places and b in places]
    if lines:
        axes.add_collection(LineCollection(lines, colors=BLUE, linewidths=0.6, alpha=max(0.04, min(0.35, 20 / len(lines)))))
    axes.scatter(lons, lats, marker="^", s=70 if len(stations) <= LABELLED else 14, color=ORANGE, edgecolor="white", zorder=3)
    if len(stations) <= LABELLED:
        for name, (lon, lat) in places.items():
            axes.annotate(name, (lon, lat), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8, color=INK)
    shrink = float(np.cos(np.radians(lats.mean())))
    span = max(float(np.ptp(lons)) * shrink, float(np.ptp(lats)), 0.05)
    middle = (lons.max() + lons.min()) / 2, (lats.max() + lats.min()) / 2
    axes.set_xlim(middle[0] - 0.62 * span / shrink, middle[0] + 0.62 * span / shrink)
    axes.set_ylim(middle[1] - 0.62 * span, middle[1] + 0.62 * span)
    axes.set_aspect(1 / shrink)
    axes.ticklabel_format(useOffset=False)
    _scale_bar(axes, span * 111.2, shrink)
    axes.set_xlabel("longitude")
    axes.set_ylabel("latitude")
    axes.grid(color="#e4e8ec", linewidth=0.6)
    axes.set_axisbelow(True)
    return _png(figure)


def _scale_bar(axes: Axes, span_km: float, shrink: float) -> None:
    length = float(
        next(step * 10.0**power for power in range(-2, 5) for step in (1, 2, 5) if step * 10.0**power >= span_km / 6)
    )
    left, bottom = axes.get_xlim()[0], axes.get_ylim()[0]
    width, height = (np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))
    x, y = left + 0.04 * width, bottom + 0.04 * height
    axes.plot([x, x + length / 111.2 / shrink], [y, y], color=INK, linewidth=2)
    axes.annotate(f"{length:g} km", (x, y), xytext=(0, 4), textcoords="offset points", fontsize=8)


def availability(data: Availability) -> bytes:
    """A heat map: channels down, days along, shade by the share of windows used."""
    n_channels, n_days = data.fraction.shape
    figure = _figure(9.5, min(11.0, max(2.2, 0.24 * n_channels + 1.2)))
    axes = figure.subplots()
    colors = [(1 - s * (1 - 0.16), 1 - s * (1 - 0.47), 1 - s * (1 - 0.71)) for s in np.linspace(0.06, 1, 256)]
    shades = ListedColormap(colors).with_extremes(bad="#ffffff")
    image = axes.imshow(data.fraction, aspect="auto", interpolation="nearest", cmap=shades, vmin=0, vmax=1)
    rows, columns = np.nonzero(data.bad)
    axes.scatter(columns, rows, marker="x", s=30 if n_channels <= LABELLED else 4, color=ORANGE, linewidths=1.3)
    if n_channels <= 2 * LABELLED:
        axes.set_yticks(range(n_channels), data.channels, fontsize=7 if n_channels > 30 else 8)
    else:
        at = np.linspace(0, n_channels - 1, 20).astype(int)
        axes.set_yticks(at, [data.channels[number] for number in at], fontsize=7)
    at = np.unique(np.linspace(0, n_days - 1, min(n_days, 8)).astype(int))
    axes.set_xticks(at, [data.days[number] for number in at], fontsize=8)
    figure.colorbar(image, ax=axes, label="share of windows used", fraction=0.03, pad=0.02)
    return _png(figure)
