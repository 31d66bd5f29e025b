"""Global sensitivity in pictures: shares of variance of Sobol as bars, effects of Morris by size and spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hcc_sim.analyses.morris import ElementaryEffect
from hcc_sim.analyses.sobol import SobolIndex
from hcc_sim.report.plot_words import foot_inches, foot_lines, head, in_lines, put_foot, put_key, scaled, short
from hcc_sim.report.style import COLOURS, DARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.screening import Screening

WIDTH_INCHES = 9.2
MOST_BARS, MOST_NUMBERED = 20, 16
BAR_INCHES, HEAD_INCHES = 0.36, 0.95
NUMBER_POINTS = (11.0, 9.0)
"""Width and height that the number of a point takes."""


def _about(reading: Screening) -> str:
    factors = len(reading.scheme.factors)
    told = f"{reading.table.draws:,} draws of {factors:,} parameter{'' if factors == 1 else 's'}"
    return short(f"{reading.headline}; {told}, {reading.study.patients:,} patients", 135)


# --- Sobol ------------------------------------------------------------------------------------------------------------


def sobol_figure(reading: Screening) -> tuple[Figure, pd.DataFrame]:
    """Two bars for each parameter: what it explains alone, and with all that it interacts with."""
    rows = [row for row in reading.ranked() if isinstance(row, SobolIndex)]
    shown = rows[:MOST_BARS]
    more = f" And {len(rows) - len(shown)} more, each less: sobol.csv." if len(rows) > len(shown) else ""
    lines = foot_lines(
        "Alone: the share of the variance that the parameter explains by itself (first order). In all: what would be "
        "left if all others were known (total order). Lines: 95% intervals of so few draws; estimates may lie below 0."
        f"{more}",
        reading.study.scenario.seed,
    )
    inside = BAR_INCHES * len(shown)
    height = HEAD_INCHES + max(inside, 0.7) + 0.6 + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"Whose uncertainty matters: {reading.study.scenario.title}", _about(reading), height)
    axes = figure.add_axes((0.34, 1 - (HEAD_INCHES + inside) / height, 0.49, inside / height))
    for row, one in enumerate(shown):
        for off, value, low, high, colour in (
            (-0.19, one.total_order, one.total_order_low, one.total_order_high, "#9CC9E3"),
            (0.19, one.first_order, one.first_order_low, one.first_order_high, COLOURS[0]),
        ):
            if not math.isfinite(value):
                continue
            axes.barh(row + off, value, height=0.36, color=colour, linewidth=0)
            if math.isfinite(low):
                axes.plot([low, high], [row + off] * 2, color=DARK, linewidth=1.0)
    axes.axvline(0.0, color=DARK, linewidth=0.8)
    if not any(math.isfinite(one.total_order) for one in shown):
        axes.set_xlim(0.0, 1.0)
        axes.text(0.5, 0.5, "the outcome is the same in all draws, or is not known in some", transform=axes.transAxes,
                  ha="center", va="center", fontsize=8.5, color=DARK)  # fmt: skip
    _named(axes, [one.parameter for one in shown])
    axes.set_xlabel("share of the variance")
    put_key(figure, [Patch(facecolor="#9CC9E3"), Patch(facecolor=COLOURS[0])], ["in all", "alone"], loc="upper left",
            bbox_to_anchor=(0.85, 1 - (HEAD_INCHES - 0.1) / height))  # fmt: skip
    put_foot(figure, lines, height)
    return figure, pd.DataFrame(rows)


def _named(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [in_lines(name, 40) for name in names], fontsize=8, parse_math=False,
                    linespacing=1.0)  # fmt: skip
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


# --- Morris -----------------------------------------------------------------------------------------------------------


def morris_figure(reading: Screening) -> tuple[Figure, pd.DataFrame]:
    """Parameters by mean absolute effect and by how much effects differ; the strongest numbered, names at the side."""
    rows = [row for row in reading.ranked() if isinstance(row, ElementaryEffect)]
    scale, unit = scaled(reading.objectives[0].unit)
    numbered = [row for row in rows if row.mean_absolute > 0.0][:MOST_NUMBERED]
    lines = foot_lines(
        "To the right: parameters that move the outcome, all else being wherever it may be. Upwards: their effect "
        "differs from place to place, by interactions or by curvature. Dotted: as large a spread as effect; below "
        "the dashed line effects hardly differ. Groups of parameters have no spread and stand at 0.",
        reading.study.scenario.seed,
    )
    height = HEAD_INCHES + max(3.9, 0.24 * len(numbered) + 0.3) + 0.65 + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"What moves the outcome at all: {reading.study.scenario.title}", _about(reading), height)
    bottom = foot_inches(lines) + 0.6
    axes = figure.add_axes((0.09, bottom / height, 0.5, (height - HEAD_INCHES - bottom) / height))
    x = [scale * row.mean_absolute for row in rows]
    y = [0.0 if row.standard_deviation != row.standard_deviation else scale * row.standard_deviation for row in rows]
    rest = range(len(numbered), len(rows))
    axes.plot([x[k] for k in rest], [y[k] for k in rest], "o", color="#AAAAAA", markersize=3.5, zorder=2)
    axes.plot(x[: len(numbered)], y[: len(numbered)], "o", color=COLOURS[0], markersize=5.0, zorder=3)
    reach = max([value for value in (*x, *y) if math.isfinite(value)], default=1.0) or 1.0
    axes.plot([0.0, 2.0 * reach], [0.0, 2.0 * reach], color="#999999", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    axes.plot([0.0, 2.0 * reach], [0.0, 0.2 * reach], color="#999999", linewidth=0.9, linestyle=(0, (5, 3)), zorder=1)
    known_x, known_y = ([v for v in values if math.isfinite(v)] or [1.0] for values in (x, y))
    axes.set_xlim(-0.03 * (max(known_x) or 1.0), 1.12 * (max(known_x) or 1.0))
    axes.set_ylim(-0.06 * (max(known_y) or 1.0), 1.15 * (max(known_y) or 1.0))
    axes.set_xlabel(f"mean absolute effect ({unit})", parse_math=False)
    axes.set_ylabel("standard deviation of effects")
    _number(axes, list(zip(x, y, strict=True)), len(numbered))
    labels = [
        f"{k}  {in_lines(row.parameter, 36)}: {scale * row.mean_absolute:,.3g}".replace("\n", "\n     ")
        for k, row in enumerate(numbered, start=1)
    ]
    if labels:
        blank = [Line2D([], [], linestyle="none")] * len(labels)
        key = put_key(figure, blank, labels, loc="upper left", fontsize=7.5, labelspacing=0.55, handlelength=0.0,
                      handletextpad=0.0, bbox_to_anchor=(0.605, 1 - (HEAD_INCHES - 0.1) / height),
                      title="the strongest first")  # fmt: skip
        key.set_alignment("left")
    put_foot(figure, lines, height)
    return figure, pd.DataFrame(rows)


def _number(axes: Axes, points: Sequence[tuple[float, float]], count: int) -> None:
    """Numbers beside points, where they meet neither points nor other numbers; with a line if that is farther off."""
    figure = axes.get_figure()
    assert figure is not None
    to_points = 72.0 / figure.dpi
    at = [tuple(to_points * axes.transData.transform(point)) for point in points if all(map(math.isfinite, point))]
    box = axes.get_window_extent()
    edges = (to_points * box.x0, to_points * box.y0, to_points * box.x1, to_points * box.y1)
    taken = [(x - 3.0, y - 3.0, x + 3.0, y + 3.0) for x, y in at[: max(count, 60)]]
    for k in range(count):
        offset = _free(at[k], taken, edges)
        x, y = at[k][0] + offset[0], at[k][1] + offset[1]
        taken.append(_around(x, y))
        far = math.hypot(*offset) > 14.0
        axes.annotate(
            f"{k + 1}", points[k], xytext=offset, textcoords="offset points", fontsize=8, ha="center", va="center",
            color=DARK, zorder=4, arrowprops={"arrowstyle": "-", "color": "#888888", "linewidth": 0.6, "shrinkA": 4,
                                              "shrinkB": 2} if far else None,
        )  # fmt: skip


def _around(x: float, y: float) -> tuple[float, float, float, float]:
    wide, high = NUMBER_POINTS
    return x - 0.5 * wide, y - 0.5 * high, x + 0.5 * wide, y + 0.5 * high


def _free(
    at: tuple[float, ...], taken: Sequence[tuple[float, ...]], edges: tuple[float, float, float, float]
) -> tuple[float, float]:
    """The nearest of places around a point at which a number meets nothing; the farthest if all do."""
    offset = (0.0, 0.0)
    for distance in (9.5, 13.0, 19.0, 26.0, 34.0, 43.0, 53.0, 64.0):
        for step in range(16):
            angle = math.pi * (0.25 + step / 8.0)
            offset = (distance * math.cos(angle), distance * math.sin(angle))
            left, low, right, high = _around(at[0] + offset[0], at[1] + offset[1])
            inside = left > edges[0] and low > edges[1] and right < edges[2] and high < edges[3]
            if inside and not any(left < t[2] and right > t[0] and low < t[3] and high > t[1] for t in taken):
                return offset
    return offset
