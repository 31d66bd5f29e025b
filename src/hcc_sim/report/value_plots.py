"""Plots of costs and effects: what they are made of, strategies on the plane, net benefit across thresholds."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hcc_sim.report.numbers import STANDARD_ERRORS
from hcc_sim.report.plot_words import head
from hcc_sim.report.style import DARK, strategy_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.analyses.valuation import Valuation

WIDTH_INCHES = 9.2
THOUSAND = 1_000.0
GAP_INCHES, FOOT_INCHES = 1.05, 0.6
LEAST_TOLD = 0.07
"""Parts of a bar below this share of the longest have no number in them."""

_HATCHES = ("", "///", "", "...", "", "\\\\\\", "", "xxx", "")
_SHADES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#7A7A7A", "#D55E00", "#56B4E9", "#C9B458", "#B9D9EB")


def _about(comparison: Comparison) -> str:
    return f"All {comparison.scenario.size:,} patients, from the start of therapy; discounted; per patient"


def _valued(comparison: Comparison) -> Valuation:
    assert comparison.valuation is not None
    return comparison.valuation


# --- what costs and QALYs are made of ---------------------------------------------------------------------------------


def parts_figure(comparison: Comparison) -> tuple[Figure, pd.DataFrame]:
    """Two stacks of bars, a bar for each strategy: costs by category, QALYs by health state."""
    valuation = _valued(comparison)
    names = list(valuation.strategies)
    costs = {
        name: {c: one.category(c).value / THOUSAND for c in one.categories}
        for name, one in valuation.strategies.items()
    }
    qalys: dict[str, dict[str, float]] = {name: {} for name in names}
    for row in valuation.tables.qalys.rows:
        part = "lost to treatment" if row.qalys < 0.0 else row.health
        qalys[row.strategy][part] = qalys[row.strategy].get(part, 0.0) + row.qalys
    bar = 0.42 * len(names)
    height = 0.85 + 2 * bar + GAP_INCHES + FOOT_INCHES
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"What costs and QALYs are made of: {comparison.scenario.title}", _about(comparison), height)
    for top, parts, label in (
        (0.85, costs, f"costs (1,000 {valuation.terms.money})"),
        (0.85 + bar + GAP_INCHES, qalys, "QALYs"),
    ):
        axes = figure.add_axes((0.2, 1 - (top + bar) / height, 0.5, bar / height))
        _stack(axes, parts, label)
    data = [
        {"strategy": name, "what": what, "part": part, "value": value}
        for what, of in (("costs, 1,000", costs), ("QALYs", qalys))
        for name, parts in of.items()
        for part, value in parts.items()
    ]
    return figure, pd.DataFrame(data)


def _stack(axes: Axes, parts: Mapping[str, Mapping[str, float]], label: str) -> None:
    """Horizontal bars, one below another in the order of strategies; what is lost goes to the left of 0."""
    names = list(parts)
    kinds = [kind for kind in dict.fromkeys(k for of in parts.values() for k in of) if _ever(parts, kind)]
    longest = max(sum(max(v, 0.0) for v in of.values()) for of in parts.values()) or 1.0
    left = np.zeros(len(names))
    for place, kind in enumerate(kinds):
        widths = np.array([of.get(kind, 0.0) for of in parts.values()])
        begin = np.where(widths < 0.0, 0.0, left)
        colour, hatch = _SHADES[place % len(_SHADES)], _HATCHES[place % len(_HATCHES)]
        axes.barh(
            range(len(names)), widths, left=begin, height=0.72, color=colour, hatch=hatch, edgecolor="white",
            linewidth=0.6, label=kind,
        )  # fmt: skip
        for row, width in enumerate(widths):
            if width >= LEAST_TOLD * longest:
                axes.text(
                    begin[row] + width / 2, row, f"{width:.1f}" if longest > 5 else f"{width:.2f}", ha="center",
                    va="center", fontsize=7.5, color=DARK,
                    bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.7},
                )  # fmt: skip
        left = left + np.maximum(widths, 0.0)
    axes.set_yticks(
        range(len(names)), [textwrap.shorten(name, 24, placeholder="…") for name in names], parse_math=False
    )
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(label)
    axes.axvline(0.0, color=DARK, linewidth=0.8)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1.05), frameon=False, fontsize=8, handlelength=1.4, labelspacing=0.3
    )


def _ever(parts: Mapping[str, Mapping[str, float]], kind: str) -> bool:
    return any(abs(of.get(kind, 0.0)) > 0.0 for of in parts.values())


# --- the plane --------------------------------------------------------------------------------------------------------


def plane_figure(comparison: Comparison) -> tuple[Figure, pd.DataFrame]:
    """Strategies by QALYs and costs, with Monte-Carlo errors; the frontier joins those that are not dominated."""
    valuation = _valued(comparison)
    steps = valuation.tables.increments.rows
    order = list(valuation.strategies)
    height = 5.2
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"Costs and QALYs: {comparison.scenario.title}", _about(comparison), height)
    axes = figure.add_axes((0.1, 0.14, 0.62, 0.67))
    frontier = [step for step in steps if step.status == "on the frontier"]
    axes.plot(
        [s.qalys for s in frontier], [s.cost / THOUSAND for s in frontier], color="#999999", linewidth=1.2, zorder=2
    )
    for step in steps:
        style = strategy_style(order.index(step.strategy))
        axes.errorbar(
            step.qalys, step.cost / THOUSAND, xerr=STANDARD_ERRORS * step.qalys_mc_se,
            yerr=STANDARD_ERRORS * step.cost_mc_se / THOUSAND, color=style["color"], linewidth=1.2, zorder=3, fmt="o",
            markersize=7, markerfacecolor=style["color"] if step.status == "on the frontier" else "white",
        )  # fmt: skip
    axes.margins(0.15)
    axes.set_xlabel("QALYs")
    axes.set_ylabel(f"costs (1,000 {valuation.terms.money})")
    _thresholds(axes, valuation, frontier[0].qalys, frontier[0].cost / THOUSAND)
    lines = []
    for step in steps:
        colour = strategy_style(order.index(step.strategy))["color"]
        inside = colour if step.status == "on the frontier" else "white"
        told = textwrap.fill(f"{step.strategy}: {_stands(step.status, step.icer)}", 30)
        lines += axes.plot([], [], "o", color=colour, markersize=7, markerfacecolor=inside, label=told)
    figure.legend(
        handles=lines, loc="upper left", bbox_to_anchor=(0.73, 0.83), frameon=False, fontsize=8.5, labelspacing=0.8
    )
    note = "Bars: ±1.96 Monte-Carlo standard errors; those of differences are in contrasts.csv."
    figure.text(0.1, 0.02, note, fontsize=7.5, color="#666666")
    columns = ["strategy", "qalys", "qalys_mc_se", "cost", "cost_mc_se", "status", "icer", "currency"]
    return figure, pd.DataFrame(steps)[columns]


def _stands(status: str, icer: float) -> str:
    return f"on the frontier, {icer:,.0f} a QALY" if icer == icer else status


def _thresholds(axes: Axes, valuation: Valuation, qalys: float, cost: float) -> None:
    """Lines of equal net benefit through the cheapest strategy, as far as the axes go."""
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    to_the_right = high - qalys > qalys - low  # named where there is room
    for threshold in valuation.terms.thresholds:
        ends = np.array([low, high])
        axes.plot(
            ends,
            cost + (ends - qalys) * threshold / THOUSAND,
            color="#BBBBBB",
            linewidth=0.9,
            linestyle=(0, (2, 2)),
            zorder=1,
        )
        slope = threshold / THOUSAND
        at = min(high, qalys + (top - cost) / slope) if to_the_right else max(low, qalys - (cost - bottom) / slope)
        axes.annotate(
            f"{threshold:,.0f} a QALY", (at, cost + (at - qalys) * slope), fontsize=7, color="#666666",
            ha="right" if to_the_right else "left", va="top" if to_the_right else "bottom",
            xytext=(-8, -3) if to_the_right else (4, 2), textcoords="offset points",
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5},
        )  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)


# --- net benefit ------------------------------------------------------------------------------------------------------


def net_benefit_figure(comparison: Comparison) -> tuple[Figure, pd.DataFrame]:
    """What each strategy falls short of the best, across thresholds, with paired Monte-Carlo bands."""
    valuation = _valued(comparison)
    highest = 1.6 * valuation.terms.thresholds[-1]
    thresholds = np.linspace(0.0, highest, 81)
    height = 4.6
    figure = Figure(figsize=(WIDTH_INCHES, height))
    head(figure, f"Net benefit below the best: {comparison.scenario.title}", _about(comparison), height)
    axes = figure.add_axes((0.1, 0.15, 0.62, 0.63))
    rows = []
    best = {t: valuation.strategies[valuation.best(t)].net_benefit(t) for t in thresholds}
    for position, (name, one) in enumerate(valuation.strategies.items()):
        gaps = [one.net_benefit(t) - best[t] for t in thresholds]
        values = np.array([gap.value for gap in gaps]) / THOUSAND
        half = STANDARD_ERRORS * np.array([gap.mc_se for gap in gaps]) / THOUSAND
        style = strategy_style(position)
        axes.fill_between(
            thresholds / THOUSAND, values - half, values + half, color=style["color"], alpha=0.16, linewidth=0
        )
        axes.plot(thresholds / THOUSAND, values, label=textwrap.fill(name, 26), **style)
        rows += [
            {"strategy": name, "threshold": t, "net_monetary_benefit": one.net_benefit(t).value,
             "below_best": THOUSAND * v, "half_width": THOUSAND * h}
            for t, v, h in zip(thresholds, values, half, strict=True)
        ]  # fmt: skip
    for threshold in valuation.terms.thresholds:
        axes.axvline(threshold / THOUSAND, color="#999999", linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate(
            f"{threshold:,.0f}", (threshold / THOUSAND, 1.0), xycoords=("data", "axes fraction"), fontsize=7.5,
            color="#666666", ha="center", va="bottom",
        )  # fmt: skip
    axes.set_xlim(0.0, highest / THOUSAND)
    axes.set_xlabel(f"threshold (1,000 {valuation.terms.money} a QALY)")
    axes.set_ylabel(f"net benefit below the best\n(1,000 {valuation.terms.money})")
    figure.legend(
        *axes.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0.73, 0.8), frameon=False, handlelength=3.2
    )
    note = "Bands: ±1.96 paired Monte-Carlo standard errors; parameters are held at their base values."
    figure.text(0.1, 0.02, note, fontsize=7.5, color="#666666")
    return figure, pd.DataFrame(rows)
