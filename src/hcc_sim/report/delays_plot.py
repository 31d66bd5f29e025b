"""When to operate: what each delay is expected to bring, against the first delay, and how likely it is the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hcc_sim.analyses.study.measured import ALL
from hcc_sim.report.numbers import STANDARD_ERRORS
from hcc_sim.report.plot_words import foot_inches, foot_lines, head, in_lines, put_foot, put_key, scaled, short
from hcc_sim.report.style import DARK, strategy_style
from hcc_sim.report.timing_plot import delay_axis, places_of
from hcc_sim.units import format_duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.optimal_timing import Best, Delayed, OptimalTiming

WIDTH_INCHES = 10.2
ROW_INCHES, ROW_GAP_INCHES, HEAD_INCHES = 1.45, 0.62, 1.25
MOST_PARTS = 8
"""Subgroups with a row of their own."""

_LEFTS, _WIDE = (0.085, 0.41, 0.735), 0.25
_TITLES = ("expected, central 95% of draws", "minus that of the first, ±1.96 SE", "best in % of draws")


class _Row(NamedTuple):
    """A row of panels: one outcome of one part of the patients."""

    label: str
    rows: Sequence[Delayed]
    best: Best


def delays_figure(reading: OptimalTiming) -> tuple[Figure, pd.DataFrame]:
    """A row of panels for each objective: expectation, difference from the first delay, share of draws as the best."""
    rows = []
    for place, objective in enumerate(reading.objectives):
        _, unit = scaled(objective.unit)
        label = objective.name if unit in objective.name else f"{objective.name}\n{unit}".replace(" at ", "\nat ")
        rows.append(_row(reading, ALL, place, label))
    figure = _panels(reading, rows, f"The best delay: {reading.study.scenario.title}", "")
    return figure, pd.DataFrame(row for row in reading.rows if row.patients == ALL)


def delays_by_subgroup_figure(reading: OptimalTiming) -> tuple[Figure, pd.DataFrame]:
    """The same of the first objective alone, a row of panels for each part of the patients."""
    parts = reading.table.shape.parts
    rows = [_row(reading, part, 0, "all patients" if part == ALL else short(part, 60)) for part in parts[:MOST_PARTS]]
    objective = reading.objectives[0]
    about = f"; {objective.name} ({scaled(objective.unit)[1]})"
    if len(parts) > MOST_PARTS:
        about += f"; {MOST_PARTS} of {len(parts)} parts, all in delays.csv"
    figure = _panels(reading, rows, f"The best delay, by subgroup: {reading.study.scenario.title}", about)
    mine = {id(one) for row in rows for one in row.rows}
    return figure, pd.DataFrame(row for row in reading.rows if id(row) in mine)


def _row(reading: OptimalTiming, part: str, objective: int, label: str) -> _Row:
    """Rows come by part, objective and delay: those of net benefit at two thresholds share their names."""
    delays, objectives = len(reading.delays), len(reading.objectives)
    first = (reading.table.shape.parts.index(part) * objectives + objective) * delays
    best = reading.best[reading.table.shape.parts.index(part) * objectives + objective]
    return _Row(label, reading.rows[first : first + delays], best)


def _panels(reading: OptimalTiming, rows: Sequence[_Row], title: str, more: str) -> Figure:
    intervals = list(dict.fromkeys(reading.intervals))
    lines = foot_lines(
        "Rings: the best expectation. Grey: delays that cannot be told from it. Pins: the share of draws in which a "
        "delay is the best, equal ones sharing a draw. Left, draws differ much more than delays do, since all delays "
        "share a draw's world; the middle tells delays apart.",
        reading.study.scenario.seed,
    )
    height = HEAD_INCHES + len(rows) * (ROW_INCHES + ROW_GAP_INCHES) + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    draws = f"{reading.table.draws:,} draws, the same {reading.study.patients:,} patients in each"
    head(figure, title, short(f"{draws}; all else as under '{short(reading.strategy, 40)}'{more}", 140), height)
    for left, told in zip(_LEFTS, _TITLES, strict=True):
        figure.text(left, 1 - (HEAD_INCHES - 0.12) / height, told, fontsize=8.5, color=DARK, fontweight="bold")
    delays = list(dict.fromkeys(reading.delays))
    places = dict(zip(delays, places_of(delays), strict=True))
    for row, one in enumerate(rows):
        top = HEAD_INCHES + row * (ROW_INCHES + ROW_GAP_INCHES)
        panels = [
            figure.add_axes((left, 1 - (top + ROW_INCHES) / height, _WIDE, ROW_INCHES / height)) for left in _LEFTS
        ]
        _draw(panels, one, places, intervals)
        for axes in panels:
            delay_axis(axes, delays, list(places.values()), most=6)
            axes.set_xlim(left=-0.03 * max(places.values()))
            axes.tick_params(labelsize=7.5)
        panels[0].set_ylabel(in_lines(one.label, 26, 3) if "\n" not in one.label else one.label, fontsize=8,
                             parse_math=False)  # fmt: skip
        if row == len(rows) - 1:
            panels[1].set_xlabel("delay of surgery after conversion, days", fontsize=8.5)
    if len(intervals) > 1:
        handles = [Line2D([], [], marker="o", markersize=3.5, **strategy_style(k)) for k in range(len(intervals))]
        labels = [f"seen every {format_duration(interval)}" for interval in intervals]
        put_key(figure, handles, labels, loc="upper left", bbox_to_anchor=(0.02, 1 - 0.6 / height), fontsize=8.5,
                ncols=len(labels), handlelength=3.0)  # fmt: skip
    put_foot(figure, lines, height)
    return figure


def _draw(panels: Sequence[Axes], one: _Row, places: dict[float, float], intervals: Sequence[float]) -> None:
    scale, _ = scaled(one.best.unit)
    for k, interval in enumerate(intervals):
        ours = [row for row in one.rows if row.interval_months == interval]
        style = strategy_style(k)
        values = [scale * row.mean for row in ours]
        _curve(panels[0], ours, places, values, [(scale * row.low, scale * row.high) for row in ours], style)
        gaps = [scale * row.difference for row in ours]
        half = [scale * STANDARD_ERRORS * row.difference_standard_error for row in ours]
        bands = [(gap - error, gap + error) for gap, error in zip(gaps, half, strict=True)]
        _curve(panels[1], ours, places, gaps, bands, style)
        shift = (k - 0.5 * (len(intervals) - 1)) * 0.012 * max(places.values())
        at = [places[row.delay_months] + shift for row in ours]
        shares = [100.0 * row.share_best for row in ours]
        panels[2].vlines(at, 0.0, shares, color=style["color"], linewidth=2.2)
        panels[2].plot(at, shares, "o", color=style["color"], markersize=3.5)
        for row, value, gap, share, x in zip(ours, values, gaps, shares, at, strict=True):
            if (row.delay_months, interval) == (one.best.delay_months, one.best.interval_months):
                here = places[row.delay_months]
                for axes, xy in zip(panels, ((here, value), (here, gap), (x, share)), strict=True):
                    axes.plot(*xy, "o", markersize=9, markerfacecolor="none", markeredgecolor=DARK, zorder=5,
                              markeredgewidth=1.3, clip_on=False)  # fmt: skip
    panels[1].axhline(0.0, color="#888888", linewidth=0.8)
    top = max((100.0 * row.share_best for row in one.rows), default=100.0)
    panels[2].set_ylim(0.0, 1.15 * top if top > 0.0 else 100.0)
    _span(panels, one.best, places)


def _curve(
    axes: Axes,
    rows: Sequence[Delayed],
    places: dict[float, float],
    values: Sequence[float],
    bands: Sequence[tuple[float, float]],
    style: dict[str, Any],
) -> None:
    """A line with its band; `never` stands apart, with a bar."""
    dated = sum(math.isfinite(row.delay_months) for row in rows)
    at = [places[row.delay_months] for row in rows]
    low, high = (np.array([band[side] for band in bands]) for side in (0, 1))
    axes.fill_between(at[:dated], low[:dated], high[:dated], color=style["color"], alpha=0.16, linewidth=0)
    axes.plot(at[:dated], values[:dated], marker="o", markersize=3.0, **{**style, "linewidth": 1.4})
    for k in range(dated, len(rows)):
        axes.plot([at[k]] * 2, [low[k], high[k]], color=style["color"], alpha=0.45, linewidth=3.0)
        axes.plot(at[k], values[k], "o", markersize=4.0, color=style["color"])


def _span(panels: Sequence[Axes], best: Best, places: dict[float, float]) -> None:
    """Delays whose expectation cannot be told from the best; one alone is as wide as its ring."""
    begin, end = places[best.equal_from_months], places[best.equal_to_months]
    if begin == end:
        return
    for axes in panels[:2]:
        axes.axvspan(begin, end, color="#555555", alpha=0.12, linewidth=0, zorder=0)
