"""What an answer hangs on: bars from one end of each parameter's interval to the other, longest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from hcc_sim.report.plot_words import head, in_lines, tick
from hcc_sim.report.style import COLOURS, DARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.one_way import Swing
    from hcc_sim.analyses.turning import Turning

WIDTH_INCHES = 9.2
MOST = 14
"""Bars at most, unless told otherwise: beyond them nothing moves the answer."""

ROOM = 0.2
"""Of the width of all bars, on either side, for the words beside them."""

BAR_INCHES, HEAD_INCHES, FOOT_INCHES = 0.31, 0.75, 0.75
NAME_LETTERS = 44


class Bar(NamedTuple):
    """A contrast across the interval of a parameter: its values at the low end, base and high end, and differences."""

    parameter: str
    parameter_unit: str
    values: tuple[float, ...]
    differences: tuple[float, ...]
    unit: str


class Words(NamedTuple):
    """Title, of what it tells, the axis, and what else the foot says."""

    title: str
    about: str
    axis: str
    foot: str = ""


def bar_of_turning(one: Turning) -> Bar:
    """Of an assumption that a run turns."""
    return Bar(one.parameter.name, one.parameter.unit, one.values, one.differences, one.unit)


def bar_of_swing(one: Swing) -> Bar:
    """Of a parameter of a one-way analysis."""
    values, differences = (one.low, one.base, one.high), (one.at_low, one.at_base, one.at_high)
    return Bar(one.parameter, one.unit, values, differences, one.outcome_unit)


def tornado_figure(bars: Sequence[Bar], words: Words, scale: float, most: int = MOST) -> tuple[Figure, pd.DataFrame]:
    """The bars of one contrast, the longest given first, differences times `scale`, with the values at either end."""
    shown = bars[:most]
    foot = (
        "Blue: the lower end, orange: the upper. Beside a bar the parameter's value there. A red line: no difference."
    )
    told = [foot, *words.foot.splitlines()]
    below = FOOT_INCHES + 0.135 * (len(told) - 1)
    height = HEAD_INCHES + BAR_INCHES * len(shown) + below
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, words.title, words.about, height)
    axes = figure.add_axes((0.36, below / height, 0.56, BAR_INCHES * len(shown) / height))
    base = scale * shown[0].differences[1]
    for row, bar in enumerate(shown):
        _draw(axes, row, bar, base, scale)
    ends = [scale * difference for bar in shown for difference in bar.differences]
    room = ROOM * ((max(ends) - min(ends)) or 1.0)
    axes.set_xlim(min(ends) - room, max(ends) + room)
    axes.axvline(base, color=DARK, linewidth=1.0)
    if axes.get_xlim()[0] < 0 < axes.get_xlim()[1]:
        axes.axvline(0.0, color="#AA0000", linewidth=0.9, linestyle=(0, (3, 2)))
    names = [in_lines(bar.parameter, NAME_LETTERS) for bar in shown]
    small = 8.5 if all("\n" not in name for name in names) else 7.5
    axes.set_yticks(range(len(shown)), names, fontsize=small, parse_math=False, linespacing=1.0)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(words.axis, parse_math=False)
    figure.text(0.03, 0.1 / height, "\n".join(told), fontsize=7.5, color="#666666", parse_math=False)
    data = [
        {"parameter": bar.parameter, "low": bar.values[0], "value": bar.values[1], "high": bar.values[2],
         "difference_at_low": bar.differences[0], "difference": bar.differences[1],
         "difference_at_high": bar.differences[2], "unit": bar.unit}
        for bar in bars
    ]  # fmt: skip
    return figure, pd.DataFrame(data)


def _draw(axes: Axes, row: int, bar: Bar, base: float, scale: float) -> None:
    low, _, high = (scale * difference for difference in bar.differences)
    for end, other, colour, value in (
        (low, high, COLOURS[0], bar.values[0]),
        (high, low, COLOURS[1], bar.values[2]),
    ):
        axes.barh(row, end - base, left=base, height=0.6, color=colour, linewidth=0, zorder=2 + (abs(end) < abs(other)))
        # Of two ends on one side the nearer is named on the other side of the line, so that no two meet.
        nearer = (end - base) * (other - base) > 0 and abs(end - base) < abs(other - base)
        at = base if nearer else end
        right = (end < base) if nearer else (end > base or (end == base and other < base))
        axes.annotate(
            tick(bar.parameter_unit, value, 2), (at, row), xytext=(4 if right else -4, 0),
            textcoords="offset points", fontsize=7, color=DARK, ha="left" if right else "right", va="center",
        )  # fmt: skip
