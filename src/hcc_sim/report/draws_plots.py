"""Plots of joint draws: outcomes with their spread, the plane, acceptability, what knowing everything is worth."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hcc_sim.analyses.psa import Acceptable
from hcc_sim.economics.net_benefit import DEFINITIONS
from hcc_sim.report.numbers import STANDARD_ERRORS
from hcc_sim.report.plot_words import foot_inches, foot_lines, head, in_lines, put_foot, put_key, scaled, short
from hcc_sim.report.style import DARK, strategy_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from hcc_sim.analyses.psa import Probabilistic

WIDTH_INCHES = 9.2
THOUSAND = 1_000.0
MOST_POINTS = 3_000
"""Draws in a cloud; the outlines and the means are those of all."""

OF_95 = math.sqrt(-2.0 * math.log(0.05))
"""Standard deviations from the middle to the outline that holds 95% of a normal distribution of two numbers."""

CORNERS = 181
STAGGER = 0.17
LEAST = 1e-9
MOST_PANELS = 10
ROW_INCHES, PANEL_INCHES = 0.26, 0.68


def about_draws(reading: Probabilistic) -> str:
    """How many draws of how many patients."""
    draws, patients = reading.table.draws, reading.study.patients
    many = "1 draw" if draws == 1 else f"{draws:,} draws"
    return f"{many} of everything uncertain, {patients:,} patients in each under every strategy"


# --- outcomes ---------------------------------------------------------------------------------------------------------


def outcomes_figure(reading: Probabilistic) -> tuple[Figure, pd.DataFrame]:
    """A panel for each outcome: mean over draws, the central 95% of draws, and the base case, of each strategy."""
    names = list(reading.strategies)
    ours = {reading.study.measures.population_of(name) for name in reading.table.shape.outcomes}
    rows = [row for row in reading.summary().rows if row.population in ours]
    outcomes = list(dict.fromkeys(row.outcome for row in rows))[:MOST_PANELS]
    base: dict[tuple[str, str], float] = {}
    for strategy, outcome, *_, value in reading.against_base():
        base.setdefault((strategy, outcome), value)
    lines = foot_lines(
        "Dots: means over draws. Lines: the central 95% of draws, which share their luck between strategies: "
        "differences are surer than lines that overlap suggest. Diamonds: the base case, its parameters at their base "
        "values.",
        reading.study.scenario.seed,
    )
    panels = math.ceil(len(outcomes) / 2)
    each = ROW_INCHES * len(names) + PANEL_INCHES
    height = 0.75 + panels * each + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"Outcomes over draws: {reading.study.scenario.title}", about_draws(reading), height)
    data = []
    for place, outcome in enumerate(outcomes):
        of = {row.strategy: row for row in rows if row.outcome == outcome}
        left, top = (0.2 if place % 2 == 0 else 0.61), 0.85 + each * (place // 2) + 0.22
        inside = ROW_INCHES * len(names)
        axes = figure.add_axes((left, 1 - (top + inside) / height, 0.36, inside / height))
        for position, name in enumerate(names):
            row, style = of[name], strategy_style(position)
            scale, _ = scaled(row.unit)
            axes.plot([scale * row.low, scale * row.high], [position] * 2, color=style["color"], linewidth=2.6,
                      solid_capstyle="butt")  # fmt: skip
            axes.plot(scale * row.value, position, "o", color=style["color"], markersize=6, markeredgecolor="white")
            axes.plot(scale * base[name, outcome], position, "D", markersize=5.5, markerfacecolor="none",
                      markeredgecolor=DARK, markeredgewidth=1.0)  # fmt: skip
            data.append({**row._asdict(), "base": base[name, outcome]})
        _rows_named(axes, names if place % 2 == 0 else [])
        axes.set_ylim(len(names) - 0.5, -0.5)
        unit = scaled(next(iter(of.values())).unit)[1]
        axes.set_title(short(outcome if unit in outcome else f"{outcome}, {unit}", 62), fontsize=8.5, loc="left",
                       parse_math=False, color=DARK)  # fmt: skip
        axes.margins(x=0.08)
        axes.tick_params(axis="x", labelsize=8)
    put_foot(figure, lines, height)
    return figure, pd.DataFrame(data)


def _rows_named(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), [in_lines(name, 24) for name in names], fontsize=8, parse_math=False)
    axes.grid(visible=False, axis="y")


# --- the plane --------------------------------------------------------------------------------------------------------


def plane_of_draws_figure(reading: Probabilistic) -> tuple[Figure, pd.DataFrame]:
    """Each strategy minus the first in every draw: QALYs and costs, with lines of the thresholds."""
    draws, names = reading.costs_and_effects, list(reading.strategies)
    effects, costs = draws.effects - draws.effects[:, :1], (draws.costs - draws.costs[:, :1]) / THOUSAND
    lines = foot_lines(
        "Points: draws. Outlines: where 95% of them would lie were they normally distributed. Crosses: means. Below a "
        f"dotted line a strategy is worth its cost at that threshold, against '{short(names[0], 40)}'.",
        reading.study.scenario.seed,
    )
    height = 5.4 + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"Costs and QALYs over draws: {reading.study.scenario.title}", about_draws(reading), height)
    axes = figure.add_axes((0.1, (foot_inches(lines) + 0.55) / height, 0.6, 4.0 / height))
    axes.axhline(0.0, color="#888888", linewidth=0.9, zorder=1)
    axes.axvline(0.0, color="#888888", linewidth=0.9, zorder=1)
    _cloud(axes, effects[:, 1:], costs[:, 1:])
    handles, labels = [], []
    for s, name in enumerate(names[1:], start=1):
        style = strategy_style(s)
        x, y = _outline(effects[:, s], costs[:, s])
        axes.plot(x, y, linewidth=1.5, zorder=4, **style)
        mean = float(effects[:, s].mean()), float(costs[:, s].mean())
        axes.plot(*mean, "P", color=style["color"], markersize=9, markeredgecolor="white", zorder=5)
        handles.append(Line2D([], [], marker="P", markersize=8, markeredgecolor="white", linewidth=1.5, **style))
        told = f"{mean[0]:+.3g} QALYs\n{THOUSAND * mean[1]:+,.0f} {draws.currency}"
        labels.append(f"{textwrap.fill(short(name, 60), 26)}\n{told}")
    axes.margins(0.08)
    _threshold_lines(axes, reading)
    one = f"'{short(names[1], 30)}'" if len(names) == 2 else "each strategy"
    against = f"{one} minus '{short(names[0], 30)}'"
    axes.set_xlabel(f"QALYs: {against}", parse_math=False)
    axes.set_ylabel(f"costs (1,000 {draws.currency}):\n{against}", parse_math=False)
    key = put_key(figure, handles, labels, loc="upper left", bbox_to_anchor=(0.72, 1 - 0.85 / height), fontsize=8.5,
                  labelspacing=0.9, handlelength=2.6, title=f"minus '{short(names[0], 26)}', means")  # fmt: skip
    key.get_title().set(fontsize=8.5, parse_math=False)
    key.set_alignment("left")
    put_foot(figure, lines, height)
    data = [
        {"draw": d, "strategy": name, "versus": names[0], "incremental_qalys": float(effects[d, s]),
         "incremental_cost": float(THOUSAND * costs[d, s]), "currency": draws.currency}
        for s, name in enumerate(names) if s
        for d in range(draws.draws)
    ]  # fmt: skip
    return figure, pd.DataFrame(data)


def _cloud(axes: Axes, effects: NDArray[np.float64], costs: NDArray[np.float64]) -> None:
    """Points draw by draw, so that no strategy covers another; as pixels, or the file would be long."""
    shown = effects[:MOST_POINTS], costs[:MOST_POINTS]
    count = len(shown[0])
    colours = [strategy_style(s + 1)["color"] for s in range(effects.shape[1])] * count
    size, alpha = (14.0, 0.5) if count <= 300 else (7.0, 0.3) if count <= 1_200 else (4.0, 0.2)
    axes.scatter(shown[0].ravel(), shown[1].ravel(), s=size, c=colours, alpha=alpha, linewidths=0, rasterized=True,
                 zorder=2)  # fmt: skip


def _outline(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ellipse that holds 95% of a normal distribution with the draws' means and covariances; none of two draws."""
    if len(x) < 3:
        return np.empty(0), np.empty(0)
    values, vectors = np.linalg.eigh(np.cov(x, y))
    angles = np.linspace(0.0, 2.0 * math.pi, CORNERS)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    ring = vectors @ (np.sqrt(np.maximum(values, 0.0))[:, np.newaxis] * circle) * OF_95
    return x.mean() + ring[0], y.mean() + ring[1]


def _threshold_lines(axes: Axes, reading: Probabilistic) -> None:
    """Lines of equal net benefit through the first strategy, named where they leave the axes."""
    terms = reading.study.scenario.terms
    assert terms is not None
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    right = high >= -low
    for place, threshold in enumerate(terms.thresholds):
        slope = threshold / THOUSAND
        axes.plot([low, high], [low * slope, high * slope], color="#777777", linewidth=1.0, linestyle=(0, (1.5, 2)),
                  zorder=1.5)  # fmt: skip
        x = min(high, top / max(slope, LEAST)) if right else max(low, bottom / max(slope, LEAST))
        x *= 1.0 - STAGGER * place  # lines that leave close together are named apart
        axes.annotate(
            f"{threshold:,.0f} a QALY", (x, x * slope), fontsize=7.5, color="#555555", ha="right" if right else "left",
            va="top" if right else "bottom", xytext=(-6, -4) if right else (6, 4), textcoords="offset points",
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5}, zorder=6,
        )  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)


# --- over thresholds --------------------------------------------------------------------------------------------------


def acceptability_figure(reading: Probabilistic) -> tuple[Figure, pd.DataFrame]:
    """The share of draws in which each strategy is best, over thresholds; the frontier is the broad line."""
    rows = reading.acceptability().rows
    lines = foot_lines(
        f"Acceptability: {DEFINITIONS['acceptability']}. Frontier (broad): {DEFINITIONS['acceptability frontier']}; "
        "it is what to go by, and may not be the highest line.",
        reading.study.scenario.seed,
    )
    height = 4.4 + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"How sure the choice is: {reading.study.scenario.title}", about_draws(reading), height)
    axes = figure.add_axes((0.09, (foot_inches(lines) + 0.55) / height, 0.62, 2.85 / height))
    handles, labels = [], []
    for s, name in enumerate(reading.strategies):
        ours = [row for row in rows if row.strategy == name]
        at = [row.threshold / THOUSAND for row in ours]
        shares = [100.0 * row.share_best for row in ours]
        _frontier(axes, ours, strategy_style(s)["color"])
        axes.plot(at, shares, zorder=3, **strategy_style(s))
        handles.append(Line2D([], [], linewidth=1.9, **strategy_style(s)))
        labels.append(textwrap.fill(short(name, 60), 24))
    handles.append(Line2D([], [], color="#999999", linewidth=8.0, alpha=0.4, solid_capstyle="butt"))
    labels.append("on the frontier")
    axes.set_ylim(-2.0, 102.0)
    axes.set_ylabel("best in % of draws")
    _over_thresholds(axes, reading)
    put_key(figure, handles, labels, loc="upper left", bbox_to_anchor=(0.73, 1 - 0.95 / height), handlelength=3.2,
            fontsize=8.5, labelspacing=0.7)  # fmt: skip
    put_foot(figure, lines, height)
    return figure, pd.DataFrame(rows)


def _frontier(axes: Axes, rows: list[Acceptable], colour: str) -> None:
    """Where a strategy has the highest expected net benefit its line is broad; a single threshold shows as a block."""
    at = np.array([row.threshold / THOUSAND for row in rows])
    shares = np.array([100.0 * row.share_best if row.on_frontier == "yes" else math.nan for row in rows])
    axes.plot(at, shares, color=colour, linewidth=8.0, alpha=0.3, solid_capstyle="butt", zorder=2)


def perfect_information_figure(reading: Probabilistic) -> tuple[Figure, pd.DataFrame]:
    """What it would be worth to know everything, over thresholds."""
    rows = reading.perfect().rows
    at = [row.threshold / THOUSAND for row in rows]
    value = np.array([row.value for row in rows])
    half = STANDARD_ERRORS * np.array([row.standard_error for row in rows])
    without = np.maximum(value - np.array([row.by_noise for row in rows]), 0.0)
    lines = foot_lines(
        f"Expected value of perfect information: {DEFINITIONS['expected value of perfect information']}. It is the "
        "expected loss by choosing now. Band: ±1.96 standard errors of so few draws. Dashes: about what is left "
        "without the noise of few patients in each draw, which it takes for knowledge.",
        reading.study.scenario.seed,
    )
    height = 4.1 + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"What knowing everything is worth: {reading.study.scenario.title}", about_draws(reading), height)
    axes = figure.add_axes((0.09, (foot_inches(lines) + 0.55) / height, 0.62, 2.55 / height))
    colour = strategy_style(0)["color"]
    axes.fill_between(at, np.maximum(value - half, 0.0), value + half, color=colour, alpha=0.18, linewidth=0)
    (all_of_it,) = axes.plot(at, value, color=colour)
    (no_noise,) = axes.plot(at, without, color=DARK, linewidth=1.1, linestyle=(0, (4, 2)))
    axes.set_ylim(bottom=0.0)
    if axes.get_ylim()[1] < 1e-6:
        axes.set_ylim(0.0, 1.0)
    axes.set_ylabel(f"{rows[0].currency} per patient")
    axes.yaxis.set_major_formatter("{x:,.10g}")
    _over_thresholds(axes, reading)
    put_key(figure, [all_of_it, no_noise], ["of all draws", "without noise of\nfew patients, about"],
            loc="upper left", bbox_to_anchor=(0.73, 1 - 0.95 / height), handlelength=3.2)  # fmt: skip
    put_foot(figure, lines, height)
    return figure, pd.DataFrame(rows)


def _over_thresholds(axes: Axes, reading: Probabilistic) -> None:
    """The axis of thresholds, with those that the scenario names."""
    terms = reading.study.scenario.terms
    assert terms is not None
    for threshold in terms.thresholds:
        axes.axvline(threshold / THOUSAND, color="#777777", linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        axes.annotate(
            f"{threshold:,.0f}", (threshold / THOUSAND, 1.0), xycoords=("data", "axes fraction"), fontsize=7.5,
            color="#555555", ha="center", va="bottom", xytext=(0, 2), textcoords="offset points",
        )  # fmt: skip
    axes.set_xlim(0.0, reading.thresholds[-1] / THOUSAND)
    axes.set_xlabel(f"threshold (1,000 {terms.money} a QALY); dashed: those of the scenario")
