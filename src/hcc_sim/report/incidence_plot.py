"""What patients die of, and when: stacked areas of the causes of death, a panel for each strategy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hcc_sim.outcomes.hcc import WITHIN_MONTHS
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.report.style import COLOURS, DARK, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_INCHES = 10.6
LEFT_INCHES, RIGHT_INCHES = 0.75, 0.1
LABEL_INCHES = 1.5
"""Room to the right of a panel for the names of its areas."""
HIGH_INCHES, WIDEST_INCHES = 2.35, 6.5
HEAD_INCHES, GAP_INCHES, FOOT_INCHES = 1.05, 0.8, 0.95
LINE_INCHES = 0.17
MOST_BESIDE = 3

FILLS = (COLOURS[1], COLOURS[6], COLOURS[4], "#BDBDBD")
"""By cause of death; neighbours also differ in lightness."""


class Words(NamedTuple):
    """What is written around the panels."""

    title: str
    about: str
    time_axis: str
    foot: str


def incidence_figure(table: pd.DataFrame, names: Sequence[str], words: Words) -> Figure:
    """Shares dead of each cause within ten years, from rows of one population: strategy, cause, months, value."""
    rows = math.ceil(len(names) / MOST_BESIDE)
    columns = math.ceil(len(names) / rows)
    total = HEAD_INCHES + rows * HIGH_INCHES + (rows - 1) * GAP_INCHES + FOOT_INCHES
    cell = (WIDTH_INCHES - LEFT_INCHES - RIGHT_INCHES) / columns
    wide = min(cell - LABEL_INCHES, WIDEST_INCHES)
    end = min(WITHIN_MONTHS, float(table["months"].max()))
    figure = Figure(figsize=(WIDTH_INCHES, total))
    left = LEFT_INCHES / WIDTH_INCHES
    figure.text(left, 1 - 0.2 / total, words.title, fontsize=12.5, fontweight="bold", va="top", parse_math=False)
    figure.text(left, 1 - 0.48 / total, words.about, fontsize=9.5, color="#333333", va="top", parse_math=False)
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        bottom = total - HEAD_INCHES - row * (HIGH_INCHES + GAP_INCHES) - HIGH_INCHES
        x = LEFT_INCHES + column * cell
        axes = figure.add_axes((x / WIDTH_INCHES, bottom / total, wide / WIDTH_INCHES, HIGH_INCHES / total))
        _panel(axes, table[table["strategy"] == name], end, wide)
        axes.set_title(_short(name, int(cell / 0.095)), fontsize=9.5, loc="left", parse_math=False)
        axes.tick_params(labelleft=column == 0)
        if column == 0:
            axes.set_ylabel("patients (%)")
        if place + columns >= len(names):
            axes.set_xlabel(words.time_axis)
    figure.text(left, 0.1 / total, words.foot, fontsize=7.5, color="#666666", va="bottom")
    return figure


def _panel(axes: Axes, table: pd.DataFrame, end: float, wide: float) -> None:
    by_cause = {cause: table[table["cause"] == cause] for cause in DEATHS}
    months = next(iter(by_cause.values()))["months"].to_numpy()
    shown = np.append(months[months < end], end)
    shares = [100 * np.interp(shown, months, rows["value"].to_numpy()) for rows in by_cause.values()]
    axes.stackplot(shown, shares, colors=FILLS, linewidth=0)
    axes.set_xlim(0, end)
    axes.set_ylim(0, 100)
    axes.set_xticks(_ticks(end))
    last = [float(share[-1]) for share in shares]
    _labels(axes, [*map(_cause_in_words, DEATHS), "alive"], [*last, 100 - sum(last)], wide)


def _labels(axes: Axes, words: Sequence[str], parts: Sequence[float], wide: float) -> None:
    """Name each area at the end of the axis, with its share there; names are moved apart, a line leads to each.

    `wide` is the panel's width in inches.
    """
    middles = np.cumsum(parts) - np.array(parts) / 2
    places = moved_apart(middles.tolist(), 100 * LINE_INCHES / HIGH_INCHES, 100.0)
    for word, part, middle, place, fill in zip(words, parts, middles, places, (*FILLS, GREY), strict=True):
        axes.annotate(
            f"{word} {part:.1f}%" if part < 9.95 else f"{word} {part:.0f}%",
            xy=(1 + 0.01 / wide, middle), xytext=(1 + 0.13 / wide, place), xycoords=("axes fraction", "data"),
            fontsize=8, color=DARK, va="center", ha="left", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": fill, "linewidth": 1.3, "shrinkA": 1, "shrinkB": 0},
        )  # fmt: skip


def moved_apart(places: Sequence[float], apart: float, most: float) -> list[float]:
    """Rising places moved as little as needed to lie `apart` and between 0 and `most`."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + apart if moved else apart / 2))
    above = most - apart / 2
    for position in range(len(moved) - 1, -1, -1):
        moved[position] = min(moved[position], above)
        above = moved[position] - apart
    return moved


def _cause_in_words(death: str) -> str:
    return death.removeprefix("dead ").removeprefix("of ").replace("around an", "around")


def _ticks(end: float) -> list[float]:
    step = next((s for s in (1, 2, 3, 6, 12, 24) if end / s <= 6), 24)
    return [float(t) for t in range(0, int(end) + 1, step)]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
