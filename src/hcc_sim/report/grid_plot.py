"""A grid of parameters turned at once: maps of a difference with its zero line and the best strategy; or one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hcc_sim.report.numbers import STANDARD_ERRORS
from hcc_sim.report.plot_words import (
    axis_name,
    foot_inches,
    foot_lines,
    head,
    in_lines,
    put_foot,
    put_key,
    scaled,
    short,
    tick,
)
from hcc_sim.report.style import COLOURS, DARK, strategy_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from hcc_sim.analyses.grid import Axis, Grid

WIDTH_INCHES = 9.2
MOST_PANELS = 6
MOST_TOLD = 110
"""Cells of a single map up to which each says its difference."""

GAP = 0.35
"""Between the last duration and `never`, in cells."""

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
DIVERGING = LinearSegmentedColormap.from_list("differences", [COLOURS[1], "#FFFFFF", COLOURS[0]])
BAD = "#DDDDDD"


class _Map(NamedTuple):
    """A slice of the grid: (X, Y) differences and places of the best, and what is held there."""

    differences: NDArray[np.float64]
    best: NDArray[np.int64]
    held: str


def grid_figure(reading: Grid) -> tuple[Figure, pd.DataFrame]:
    """A line along one axis, a map of two, up to six maps of more."""
    data = pd.DataFrame(reading.tables()["grid"].rows)
    figure = _line_figure(reading) if len(reading.axes) == 1 else _maps_figure(reading)
    return figure, data


def _contrast(reading: Grid) -> str:
    return f"'{short(reading.strategy, 40)}' minus '{short(reading.versus, 40)}'"


def _title(reading: Grid) -> str:
    return f"{reading.objective.name.capitalize()} over a grid: {reading.study.scenario.title}"


# --- maps -------------------------------------------------------------------------------------------------------------


def _maps_figure(reading: Grid) -> Figure:
    scale, unit = scaled(reading.objective.unit)
    maps, among = _maps(reading, scale)
    found = [
        place for place in range(len(reading.table.shape.strategies)) if any((m.best == place).any() for m in maps)
    ]
    names = reading.table.shape.strategies
    told = "Black line: no difference. " if _turns(maps) else "The difference has the same sign everywhere. "
    told += (
        f"'{short(names[found[0]], 40)}' is the best of all strategies at every point shown."
        if len(found) == 1
        else "Marks: which is the best of all strategies."
    )
    lines = foot_lines(f"{told} Of {reading.study.patients:,} patients, the same at every point.",
                       reading.study.scenario.seed)  # fmt: skip
    across = 2 if len(maps) == 4 else min(3, len(maps))
    down = math.ceil(len(maps) / across)
    wide = {1: 5.6, 2: 2.65, 3: 1.75}[across]
    tall = {1: 3.7, 2: 2.3, 3: 1.75}[across]
    held = 0.2 if len(maps) > 1 else 0.0
    each = tall + held + 0.25
    aslant = _aslant(reading.axes[0], wide)
    height = 0.85 + each * down + (0.6 if aslant else 0.25) + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, _title(reading), short(f"{_contrast(reading)}, {unit}{among}", 130), height)
    largest = max(
        (float(np.nanmax(np.abs(m.differences))) for m in maps if np.isfinite(m.differences).any()), default=0
    )
    norm = Normalize(-(largest or 1.0), largest or 1.0)
    for place, one in enumerate(maps):
        row, column = divmod(place, across)
        left = (1.25 + column * (wide + 0.25)) / WIDTH_INCHES
        top = 0.85 + row * each + held
        axes = figure.add_axes((left, 1 - (top + tall) / height, wide / WIDTH_INCHES, tall / height))
        _draw(axes, reading.axes, one, norm, found, small=len(maps) > 1)
        _ticks(axes, reading.axes, lower=place + across >= len(maps), left=column == 0, aslant=aslant)
    figure.text((1.25 + 0.5 * (across * (wide + 0.25) - 0.25)) / WIDTH_INCHES, (foot_inches(lines) + 0.06) / height,
                axis_name(*_of(reading.axes[0])), ha="center", va="bottom", parse_math=False)  # fmt: skip
    figure.text(0.018, 1 - (0.85 + 0.5 * (each * down - 0.25)) / height, axis_name(*_of(reading.axes[1]), 34),
                rotation=90, ha="left", va="center", parse_math=False, multialignment="center")  # fmt: skip
    _keys(figure, height, norm, unit, found, names)
    put_foot(figure, lines, height)
    return figure


def _of(axis: Axis) -> tuple[str, str]:
    return axis.quantity.name, axis.quantity.unit


def _maps(reading: Grid, scale: float) -> tuple[list[_Map], str]:
    """Slices by the values of the third axis and further ones; if there are too many, some at even steps."""
    others = reading.axes[2:]
    differences, best = scale * reading.differences(), reading.best()
    points = list(product(*(range(len(axis.values)) for axis in others)))
    chosen = [
        points[k] for k in np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_PANELS)).round().astype(int))
    ]
    found = []
    for point in chosen:
        where = (slice(None), slice(None), *point)
        held = "\n".join(
            short(f"{axis.quantity.name} = {axis.quantity.text(axis.values[k])}", 40)
            for axis, k in zip(others, point, strict=True)
        )
        found.append(_Map(differences[where], best[where], held))
    among = f"; {len(chosen)} of {len(points)} slices" if len(chosen) < len(points) else ""
    return found, among


def _turns(maps: Sequence[_Map]) -> bool:
    values = np.concatenate([m.differences.ravel() for m in maps])
    return bool((values > 0.0).any() and (values < 0.0).any())


def _edges(values: Sequence[float]) -> NDArray[np.float64]:
    """(n, 2) from where to where the cell of each value goes; `never` stands apart."""
    begin = np.arange(len(values)) + np.where(np.isinf(values), GAP, 0.0)
    return np.stack([begin - 0.5, begin + 0.5], axis=1)


def _draw(axes: Axes, of: Sequence[Axis], one: _Map, norm: Normalize, found: Sequence[int], *, small: bool) -> None:
    x, y = _edges(of[0].values), _edges(of[1].values)
    told = not small and one.differences.size <= MOST_TOLD
    most = norm.vmax or 0.0
    places = 2 if most < 10.0 else 1 if most < 100.0 else 0
    marked = len(found) > 1
    for i, j in np.ndindex(one.differences.shape):
        value = one.differences[i, j]
        colour = DIVERGING(norm(value)) if math.isfinite(value) else BAD
        corners = (x[i][[0, 1, 1, 0]], y[j][[0, 0, 1, 1]])
        axes.fill(*corners, facecolor=colour, edgecolor=colour, linewidth=0.4)
        if told:
            text = "-" if not math.isfinite(value) else f"{value:+,.{places}f}"
            axes.text(x[i].mean(), y[j].mean() - (0.15 if marked else 0.0), text, fontsize=6.5, ha="center",
                      va="center", color=DARK, zorder=4)  # fmt: skip
        if marked:
            mark = found.index(int(one.best[i, j]))
            axes.plot(x[i].mean(), y[j].mean() + (0.2 if told else 0.0), MARKS[mark % len(MARKS)],
                      markersize=4.8 if small else 6.0, color=strategy_style(found[mark])["color"],
                      markeredgecolor=DARK, markeredgewidth=0.7, zorder=4)  # fmt: skip
    _zero(axes, one.differences, x, y)
    axes.set_xlim(x[0, 0], x[-1, 1])
    axes.set_ylim(y[0, 0], y[-1, 1])
    axes.grid(visible=False)
    axes.set_title(one.held, fontsize=7.5, parse_math=False, color=DARK, loc="left", pad=3)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _zero(axes: Axes, differences: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """The line of no difference between points with dates; towards `never` it goes along edges of cells."""
    dated = [int((edges[:, 0] == np.arange(len(edges)) - 0.5).sum()) for edges in (x, y)]
    inside = differences[: dated[0], : dated[1]]
    if min(inside.shape) > 1 and (inside > 0.0).any() and (inside < 0.0).any():
        wider = np.ma.masked_invalid(np.pad(inside, 1, mode="edge")).T  # on to the edges of the outer cells
        at = [np.r_[-0.5, np.arange(n), n - 0.5] for n in dated]
        axes.contour(*at, wider, levels=[0.0], colors=["black"], linewidths=[1.6], zorder=3)
    for i, j in np.ndindex(differences.shape):
        for other, edge in (((i + 1, j), "x"), ((i, j + 1), "y")):
            if other[0] >= len(x) or other[1] >= len(y) or (max(other[0] - dated[0], other[1] - dated[1]) < 0
                                                             and min(inside.shape) > 1):  # fmt: skip
                continue
            if differences[i, j] * differences[other] < 0.0:
                line: Any = ([x[i, 1]] * 2, y[j]) if edge == "x" else (x[i], [y[j, 1]] * 2)
                axes.plot(*line, color="black", linewidth=1.6)


def _aslant(axis: Axis, wide: float) -> bool:
    """Whether the names of values would meet in a row."""
    return sum(len(tick(axis.quantity.unit, value)) + 2 for value in axis.values) > 14.0 * wide


def _ticks(axes: Axes, of: Sequence[Axis], *, lower: bool, left: bool, aslant: bool) -> None:
    for axis, edges, here, shown in (
        (of[0], _edges(of[0].values), axes.xaxis, lower),
        (of[1], _edges(of[1].values), axes.yaxis, left),
    ):
        texts = [tick(axis.quantity.unit, value) for value in axis.values]
        here.set_ticks(edges.mean(axis=1), texts if shown else [], fontsize=7.5)
        if here is axes.xaxis and aslant:
            for label in axes.get_xticklabels():
                label.set(rotation=40, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)


def _keys(
    figure: Figure, height: float, norm: Normalize, unit: str, found: Sequence[int], names: Sequence[str]
) -> None:
    bar = figure.add_axes((0.79, 1 - 2.75 / height, 0.018, 1.75 / height))
    figure.colorbar(ScalarMappable(norm, DIVERGING), cax=bar)
    bar.tick_params(labelsize=7.5)
    bar.yaxis.set_major_formatter("{x:+,.4g}")
    bar.set_title(in_lines(unit, 20, 3), fontsize=7.5, loc="left", parse_math=False)
    bar.spines[:].set_visible(False)
    if len(found) > 1:
        handles = [
            Line2D([], [], linestyle="none", marker=MARKS[k % len(MARKS)], color=strategy_style(place)["color"],
                   markersize=7, markeredgecolor=DARK, markeredgewidth=0.7) for k, place in enumerate(found)
        ]  # fmt: skip
        labels = [in_lines(names[place], 20) for place in found]
        key = put_key(figure, handles, labels, loc="upper left", bbox_to_anchor=(0.775, 1 - 2.95 / height), fontsize=8,
                      title="best of all")  # fmt: skip
        key.set_alignment("left")
        key.get_title().set_fontsize(8)


# --- a line -----------------------------------------------------------------------------------------------------------


def _line_figure(reading: Grid) -> Figure:
    scale, unit = scaled(reading.objective.unit)
    (axis,) = reading.axes
    rows = reading.tables()["grid"].rows
    lines = foot_lines(
        f"Bars: ±1.96 Monte-Carlo standard errors. Of {reading.study.patients:,} patients, the same at every point. "
        "Marks: which is the best of all strategies.",
        reading.study.scenario.seed,
    )
    height = 4.3 + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, _title(reading), short(_contrast(reading), 130), height)
    axes = figure.add_axes((0.11, (foot_inches(lines) + 0.75) / height, 0.6, 2.65 / height))
    places = _places(axis)
    values = np.array([scale * row.difference for row in rows])
    half = STANDARD_ERRORS * scale * np.array([row.mc_se for row in rows])
    dated = np.isfinite(axis.values)
    axes.plot(places[dated], values[dated], color="#888888", linewidth=1.3, zorder=2)
    axes.errorbar(places, values, yerr=half, fmt="none", ecolor="#888888", elinewidth=1.1, capsize=2.5, zorder=2)
    axes.axhline(0.0, color="#AA0000", linewidth=0.9, linestyle=(0, (3, 2)))
    names = reading.table.shape.strategies
    found = [name for name in names if any(row.best == name for row in rows)]
    handles = []
    for k, name in enumerate(found):
        ours = [place for place, row in enumerate(rows) if row.best == name]
        colour = strategy_style(names.index(name))["color"]
        handles += axes.plot(places[ours], values[ours], MARKS[k % len(MARKS)], color=colour, markersize=7, zorder=3)
    axes.set_xticks(places, [tick(axis.quantity.unit, value) for value in axis.values], fontsize=8)
    _thin(axes, places)
    axes.set_xlabel(axis_name(*_of(axis)), parse_math=False)
    axes.set_ylabel(f"{in_lines(reading.objective.name, 40)}\n({unit})", parse_math=False)
    key = put_key(figure, handles, [in_lines(name, 22) for name in found], loc="upper left",
                  bbox_to_anchor=(0.73, 1 - 0.9 / height), title="best of all")  # fmt: skip
    key.set_alignment("left")
    put_foot(figure, lines, height)
    return figure


def _places(axis: Axis) -> NDArray[np.float64]:
    """Values themselves where they fit on a straight axis, else even steps; `never` behind a gap."""
    values = np.array(axis.values)
    dated = values[np.isfinite(values)]
    places = np.arange(len(values), dtype=np.float64)
    spread = float(dated.max() - dated.min()) if len(dated) > 1 else 0.0
    if spread > 0.0 and np.diff(dated).min() >= 0.03 * spread:
        places[: len(dated)] = dated
        places[len(dated) :] = dated.max() + 0.14 * spread
    else:
        places[len(dated) :] += GAP
    return places


def _thin(axes: Axes, places: NDArray[np.float64]) -> None:
    """Labels that would meet stand aslant."""
    gaps = np.diff(places)
    width = max((len(label.get_text()) for label in axes.get_xticklabels()), default=0)
    span = float(places[-1] - places[0]) or 1.0
    if len(gaps) and gaps.min() / span * 5.5 < 0.075 * width:
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
