"""What an answer hangs on: bars from one end of each assumption's interval to the other, longest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from hcc_sim.report.plot_words import head
from hcc_sim.report.style import COLOURS, DARK
from hcc_sim.units import UNITS, is_money

if TYPE_CHECKING:
    from hcc_sim.analyses.turning import Turning

WIDTH_INCHES = 9.2
MOST = 14
"""Bars at most: beyond them nothing moves the answer."""

ROOM = 0.2
"""Of the width of all bars, on either side, for the words beside them."""

BAR_INCHES, HEAD_INCHES, FOOT_INCHES = 0.31, 0.75, 0.75


def tornado_figure(turnings: Sequence[Turning], title: str, unit: str, scale: float) -> tuple[Figure, pd.DataFrame]:
    """The bars of one contrast, differences times `scale` in `unit`, with the values at either end."""
    shown = turnings[:MOST]
    height = HEAD_INCHES + BAR_INCHES * len(shown) + FOOT_INCHES
    figure = Figure(figsize=(WIDTH_INCHES, height))
    first = shown[0]
    about = f"'{first.strategy}' minus '{first.versus}' across the central 95% of each, what was fitted taken given it"
    head(figure, title, about, height)
    axes = figure.add_axes((0.36, FOOT_INCHES / height, 0.56, BAR_INCHES * len(shown) / height))
    base = scale * first.differences[1]
    for row, turning in enumerate(shown):
        low, _, high = (scale * difference for difference in turning.differences)
        for end, other, colour, value in (
            (low, high, COLOURS[0], turning.values[0]),
            (high, low, COLOURS[1], turning.values[2]),
        ):
            axes.barh(
                row, end - base, left=base, height=0.6, color=colour, linewidth=0, zorder=2 + (abs(end) < abs(other))
            )
            # Of two ends on one side the nearer is named on the other side of the line, so that no two meet.
            nearer = (end - base) * (other - base) > 0 and abs(end - base) < abs(other - base)
            at = base if nearer else end
            right = (end < base) if nearer else (end > base or (end == base and other < base))
            axes.annotate(
                _end(turning.parameter.unit, value), (at, row), xytext=(4 if right else -4, 0),
                textcoords="offset points", fontsize=7, color=DARK, ha="left" if right else "right", va="center",
            )  # fmt: skip
    ends = [scale * difference for turning in shown for difference in turning.differences]
    room = ROOM * ((max(ends) - min(ends)) or 1.0)
    axes.set_xlim(min(ends) - room, max(ends) + room)
    axes.axvline(base, color=DARK, linewidth=1.0)
    if axes.get_xlim()[0] < 0 < axes.get_xlim()[1]:
        axes.axvline(0.0, color="#AA0000", linewidth=0.9, linestyle=(0, (3, 2)))
    axes.set_yticks(range(len(shown)), [turning.parameter.name for turning in shown], fontsize=8.5)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(unit)
    note = (
        "Blue: the lower end, orange: the upper. Beside a bar the assumption's value there. A red line: no difference."
    )
    figure.text(0.03, 0.1 / height, note, fontsize=7.5, color="#666666")
    data = [
        {"parameter": t.parameter.name, "low": t.values[0], "value": t.values[1], "high": t.values[2],
         "difference_at_low": t.differences[0], "difference": t.differences[1], "difference_at_high": t.differences[2],
         "unit": t.unit}
        for t in turnings
    ]  # fmt: skip
    return figure, pd.DataFrame(data)


def _end(unit: str, value: float) -> str:
    """Two digits; money without its unit, which the axis says."""
    short = float(f"{value:.2g}")
    return f"{short:,g}" if is_money(unit) else UNITS[unit].format(short)
