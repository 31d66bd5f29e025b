"""Where the choice turns: a strip for each parameter from its low to its high end, coloured by the best strategy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hcc_sim.quantiles import scale_of
from hcc_sim.report.plot_words import foot_inches, foot_lines, head, in_lines, put_foot, put_key, short, tick
from hcc_sim.report.style import DARK, strategy_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.grid import Axis
    from hcc_sim.analyses.threshold import Region, Thresholds

WIDTH_INCHES = 9.2
MOST = 24
"""Strips at most."""

STRIP_INCHES, HEAD_INCHES = 0.37, 0.85
TO_NEVER = 0.86
"""Where the last date stands on a strip that ends in `never`, as a share of its length."""

NEVER_FROM = 0.92
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "---", "+++")
LETTER = 0.0155
"""Width of a letter beside a strip, as a share of its length."""


def thresholds_figure(reading: Thresholds) -> tuple[Figure, pd.DataFrame]:
    """One picture of all parameters, those that turn the choice near their base value first."""
    axes_of = sorted(reading.axes, key=lambda axis: _interest(reading, axis))
    shown = axes_of[:MOST]
    names = reading.table.shape.strategies
    best = [name for name in names if any(region.strategy == name for region in reading.regions)]
    lines = foot_lines(_foot(reading, axes_of, shown), reading.study.scenario.seed)
    height = HEAD_INCHES + STRIP_INCHES * len(shown) + 0.1 + foot_inches(lines)
    height = max(height, HEAD_INCHES + 0.5 + 0.36 * len(best) + foot_inches(lines))
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"Where the choice turns: {reading.study.scenario.title}", short(_about(reading), 130), height)
    inside = STRIP_INCHES * len(shown)
    axes = figure.add_axes((0.32, 1 - (HEAD_INCHES + inside) / height, 0.42, inside / height))
    for row, axis in enumerate(shown):
        _strip(axes, row, axis, _regions(reading, axis), names)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xticks([])
    labels = [in_lines(axis.quantity.name, 36) for axis in shown]
    axes.set_yticks(range(len(shown)), labels, fontsize=7.5, parse_math=False, linespacing=1.0)
    axes.tick_params(axis="y", length=0, pad=56)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    handles = [_patch(names.index(name)) for name in best]
    key = put_key(figure, handles, [in_lines(name, 16) for name in best], loc="upper left", fontsize=8,
                  handlelength=1.5, bbox_to_anchor=(0.825, 1 - (HEAD_INCHES - 0.05) / height),
                  title="the best")  # fmt: skip
    key.set_alignment("left")
    put_foot(figure, lines, height)
    return figure, pd.DataFrame(reading.regions)


def _about(reading: Thresholds) -> str:
    return (
        f"By {reading.objective.name} ({reading.objective.unit}); one parameter at a time, all else at its base value; "
        f"{reading.study.patients:,} patients"
    )


def _foot(reading: Thresholds, axes_of: Sequence[Axis], shown: Sequence[Axis]) -> str:
    told = (
        "Numbers at the ends: the lowest and the highest value tried. Above a strip: where the choice turns. Diamonds: "
        "base values. The scale of a strip is that on which its parameter's distribution is broad."
    )
    rest = axes_of[len(shown) :]
    if not rest:
        return told
    turning = sum(len(_regions(reading, axis)) > 1 for axis in rest)
    does = f"{turning} of them turn the choice" if turning else "none of them turns the choice"
    return f"And {len(rest)} more, of which thresholds.csv tells: {does}.\n{told}"


def _regions(reading: Thresholds, axis: Axis) -> list[Region]:
    return [region for region in reading.regions if region.parameter == axis.quantity.name]


def _interest(reading: Thresholds, axis: Axis) -> tuple[float, float]:
    """Turning parameters by how near to the base value they turn; then the others, the narrowest lead first."""
    ours = _regions(reading, axis)
    if len(ours) > 1:
        base = _place(axis, axis.quantity.base)
        return 0.0, min(abs(_place(axis, region.from_value) - base) for region in ours[1:])
    return 1.0, ours[0].lead if ours[0].lead == ours[0].lead else math.inf


def _place(axis: Axis, value: float) -> float:
    """Where a value stands between 0 and 1 on its strip."""
    dated = [one for one in axis.values if math.isfinite(one)]
    end = 1.0 if len(dated) == len(axis.values) else TO_NEVER
    if not math.isfinite(value):
        return 0.5 * (NEVER_FROM + 1.0)
    if len(dated) < 2:
        return 0.5 * end
    low, high = dated[0], dated[-1]
    to, _ = scale_of(axis.quantity.distribution.family if low > 0.0 else "normal")
    try:
        begin, far, here = to(low), to(high), to(value)
    except (ValueError, ZeroDivisionError):
        begin, far, here = low, high, value
    share = (here - begin) / (far - begin) if far > begin else 0.5
    return end * min(max(share, 0.0), 1.0)


def _strip(axes: Axes, row: int, axis: Axis, regions: Sequence[Region], names: Sequence[str]) -> None:
    unit = axis.quantity.unit
    endless = not math.isfinite(axis.values[-1])
    end = TO_NEVER if endless else 1.0
    reach = -math.inf
    for k, region in enumerate(regions):
        position = names.index(region.strategy)
        begin = _place(axis, region.from_value) if k else 0.0
        until = _place(axis, region.to_value) if k < len(regions) - 1 else 1.0
        if endless and not math.isfinite(region.to_value):
            until = end
            if k == len(regions) - 1:
                _bar(axes, row, NEVER_FROM, 1.0, position)
                if not math.isfinite(region.from_value):  # it holds nothing but `never`
                    continue
        _bar(axes, row, min(begin, end), min(until, end), position)
        if k:
            reach = _turn_named(axes, row, begin, tick(unit, region.from_value), reach)
            axes.plot([begin] * 2, [row - 0.26, row + 0.22], color=DARK, linewidth=1.1)
    base = axis.quantity.base
    if axis.values[0] <= base <= axis.values[-1]:
        axes.plot(
            _place(axis, base),
            row,
            "D",
            markersize=5,
            color="white",
            markeredgecolor=DARK,
            markeredgewidth=0.9,
            clip_on=False,
        )
    for at, value, where in ((0.0, axis.values[0], "right"), (1.0, axis.values[-1], "left")):
        axes.annotate(tick(unit, value), (at, row), xytext=(-4 if where == "right" else 4, 0), fontsize=7, ha=where,
                      textcoords="offset points", va="center", color="#444444", annotation_clip=False)  # fmt: skip


def _turn_named(axes: Axes, row: int, at: float, text: str, reach: float) -> float:
    """A turn's value above it, a little to the right where another stands there, or left out; how far names reach."""
    half = 0.5 * LETTER * (len(text) + 1)
    place = max(at, reach + half)
    if place - at > 2.0 * half:
        return reach
    axes.annotate(text, (place, row - 0.22), xytext=(0, 1), textcoords="offset points", fontsize=7, ha="center",
                  va="bottom", color=DARK, annotation_clip=False)  # fmt: skip
    return place + half


def _bar(axes: Axes, row: int, begin: float, until: float, position: int) -> None:
    axes.barh(row, until - begin, left=begin, height=0.44, **_filled(position))


def _filled(position: int) -> dict[str, Any]:
    return {
        "facecolor": strategy_style(position)["color"], "hatch": HATCHES[position % len(HATCHES)], "edgecolor": "white",
        "linewidth": 0, "alpha": 0.85,
    }  # fmt: skip


def _patch(position: int) -> Patch:
    return Patch(**_filled(position))
