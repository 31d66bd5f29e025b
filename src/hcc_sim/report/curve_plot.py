"""Curves of an endpoint by strategy: bands, patients left below, and differences from the first with paired errors."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hcc_sim.report.plot_words import about, foot, short, time_axis
from hcc_sim.report.style import strategy_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.compare import Comparison

WIDTH_INCHES = 9.2
LEFT, RIGHT = 0.085, 0.755
BAND = 0.16
NEARLY_NOBODY = 0.04
"""The time axis ends where the last curve falls below this share."""


@dataclass(frozen=True)
class CurvePlot:
    """One endpoint: file name, title, and what is on the vertical axis."""

    endpoint: str
    file: str
    title: str
    axis: str
    left: str


CURVES = (
    CurvePlot("OS", "survival", "Overall survival", "alive (%)", "alive"),
    CurvePlot("PFS", "progression-free", "Progression-free survival", "progression-free (%)", "progression-free"),
    CurvePlot(
        "failure-free", "failure-free", "Freedom from failure of strategy", "free of failure (%)", "failure-free"
    ),
)


def landmarks_of(contrasts: pd.DataFrame, comparison: Comparison, endpoint: str, versus: str) -> pd.DataFrame:
    """Differences from the first strategy at the landmarks, with their paired errors; `months` added."""
    months = {f"{endpoint}: at {t:g} months": t for t in comparison.definitions.landmarks_months}
    wanted = (
        (contrasts["population"] == comparison.primary)
        & (contrasts["versus"] == versus)
        & contrasts["outcome"].isin(list(months))
    )
    table = contrasts[wanted].copy()
    table.insert(4, "months", [months[outcome] for outcome in table["outcome"]])
    return table.reset_index(drop=True)


def curve_figure(
    plot: CurvePlot, curves: pd.DataFrame, landmarks: pd.DataFrame, names: Sequence[str], comparison: Comparison
) -> Figure:
    """Curves with their bands, patients left under them, and below the differences from the first strategy."""
    by_name = {name: curves[curves["strategy"] == name] for name in names}
    last = _last_month(curves)
    several = len(names) > 1
    strip = 0.17 * len(names) + 0.45
    heights = {
        "head": 0.9,
        "curves": 3.5,
        "strip": strip,
        "gap": 0.55 if several else 0.1,
        "differences": 2.3 if several else 0.0,
    }
    total = sum(heights.values()) + 0.95
    figure = Figure(figsize=(WIDTH_INCHES, total))
    _head(figure, plot, comparison, total)

    def axes_at(top: float, height: float, sharex: Axes | None = None) -> Axes:
        place = (LEFT, 1 - (top + height) / total, RIGHT - LEFT, height / total)
        return figure.add_axes(place, sharex=sharex)

    upper = axes_at(heights["head"], heights["curves"])
    _draw_curves(upper, by_name, plot.axis, last)
    _patients_left(figure, upper, by_name, plot, comparison, (heights["head"] + heights["curves"], total))
    if several:
        top = sum(heights[part] for part in ("head", "curves", "strip", "gap"))
        lower = axes_at(top, heights["differences"], upper)
        _draw_differences(lower, by_name, landmarks, last)
        over = f"Difference from '{short(names[0], 60)}', with paired errors at the landmarks"
        figure.text(LEFT, 1 - (top - 0.12) / total, over, fontsize=9.5, color="#333333", va="bottom", parse_math=False)
        lower.set_xlabel(time_axis(comparison))
        upper.tick_params(labelbottom=True)
        _legend(figure, upper, names, by_name, last)
    else:
        figure.text((LEFT + RIGHT) / 2, 0.55 / total, time_axis(comparison), ha="center", va="bottom", color="#222222")
    figure.text(LEFT, 0.12 / total, foot(comparison), fontsize=7.5, color="#666666", va="bottom")
    return figure


def _last_month(curves: pd.DataFrame) -> float:
    """Where the time axis ends: hardly anybody is left, or follow-up is over; in whole years if it can be."""
    most = curves.groupby("months")["value"].max()
    few = most.index[most.to_numpy() < NEARLY_NOBODY]
    end = float(most.index.max())
    return min(12 * np.ceil(float(few[0]) / 12), end) if len(few) and few[0] > 0 else end


def _ticks(last: float) -> list[float]:
    step = next((s for s in (1, 2, 3, 6, 12, 24, 36, 60) if last / s <= 11), 120)
    return [float(t) for t in range(0, int(last) + 1, step)]


def _draw_curves(axes: Axes, by_name: dict[str, pd.DataFrame], label: str, last: float) -> None:
    for position, table in enumerate(by_name.values()):
        style = strategy_style(position)
        months = table["months"]
        axes.fill_between(
            months, 100 * table["low"], 100 * table["high"], color=style["color"], alpha=BAND, linewidth=0
        )
        axes.plot(months, 100 * table["value"], zorder=3 + 1 / (1 + position), **style)
    axes.set_ylim(0, 101)
    axes.set_xlim(0, last)
    axes.set_xticks(_ticks(last))
    axes.set_ylabel(label)


def _draw_differences(axes: Axes, by_name: dict[str, pd.DataFrame], landmarks: pd.DataFrame, last: float) -> None:
    """Lines are differences of the curves above; bars at the landmarks are paired errors, side by side."""
    names = list(by_name)
    first = by_name[names[0]].set_index("months")["value"]
    axes.axhline(0, linewidth=1.2, **strategy_style(0))
    for position, name in enumerate(names[1:], 1):
        style = strategy_style(position)
        line = by_name[name].set_index("months")["value"] - first
        within = line.index <= last
        axes.plot(line.index[within], 100 * line[within], zorder=3, **{**style, "linewidth": 1.4})
        rows = landmarks[(landmarks["strategy"] == name) & (landmarks["months"] <= last)]
        aside = (position - len(names) / 2) * last * min(0.007, 0.03 / len(names))
        half = 100 * (rows["high"] - rows["difference"])
        axes.errorbar(
            rows["months"] + aside, 100 * rows["difference"], yerr=half, fmt="o", markersize=3.2,
            elinewidth=1.3, capsize=2.2, color=style["color"], zorder=4,
        )  # fmt: skip
    axes.set_ylabel("difference (% points)")
    axes.margins(y=0.12)
    low, high = axes.get_ylim()
    if high - low < 1:  # do not blow up nothing
        axes.set_ylim(min(low, -0.5), max(high, 0.5))


def _patients_left(
    figure: Figure,
    axes: Axes,
    by_name: dict[str, pd.DataFrame],
    plot: CurvePlot,
    comparison: Comparison,
    place: tuple[float, float],
) -> None:
    """Numbers under the curves: within the follow-up shown nobody is lost, so curve times patients is who is left."""
    top, total = place
    y = top + 0.45
    figure.text(LEFT, 1 - (y - 0.06) / total, f"patients {plot.left}", fontsize=7.5, color="#444444", va="bottom")
    for position, (name, table) in enumerate(by_name.items()):
        y += 0.17
        members = int(comparison.tallies[name].members[comparison.primary].sum())
        months, values = table["months"].to_numpy(), table["value"].to_numpy()
        for tick in axes.get_xticks():
            left = values[np.searchsorted(months, tick, side="right") - 1] * members
            x = LEFT + (RIGHT - LEFT) * tick / axes.get_xlim()[1]
            figure.text(
                x, 1 - (y - 0.1) / total, f"{left:,.0f}" if left == left else "-", fontsize=7.5,
                color=strategy_style(position)["color"], ha="center", va="center",
            )  # fmt: skip
        figure.text(
            RIGHT + 0.025, 1 - (y - 0.1) / total, short(name, 32), fontsize=7.5,
            color=strategy_style(position)["color"], va="center", parse_math=False,
        )  # fmt: skip


def _legend(figure: Figure, axes: Axes, names: Sequence[str], by_name: dict[str, pd.DataFrame], last: float) -> None:
    """To the right of the curves, in their order at the end of the axis, so that it covers nothing."""

    def height(name: str) -> float:
        table = by_name[name]
        values = table[table["months"] <= last / 3]["value"]
        return float(values.iloc[-1]) if len(values) and values.iloc[-1] == values.iloc[-1] else 0.0

    ordered = sorted(range(len(names)), key=lambda position: -height(names[position]))
    lines = [Line2D([], [], linewidth=1.9, **strategy_style(position)) for position in ordered]
    labels = [textwrap.fill(short(names[position], 60), 20) for position in ordered]
    figure.legend(
        lines, labels, loc="upper left", bbox_to_anchor=(RIGHT + 0.01, axes.get_position().y1 + 0.01), frameon=False,
        handlelength=3.2, labelspacing=0.7, fontsize=9,
    )  # fmt: skip


def _head(figure: Figure, plot: CurvePlot, comparison: Comparison, total: float) -> None:
    title = f"{plot.title}: {short(comparison.scenario.title, 60)}"
    figure.text(LEFT, 1 - 0.22 / total, title, fontsize=12.5, fontweight="bold", va="top", parse_math=False)
    figure.text(LEFT, 1 - 0.5 / total, about(comparison), fontsize=9.5, color="#333333", va="top", parse_math=False)
