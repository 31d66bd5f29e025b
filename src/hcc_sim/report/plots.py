"""Plots of a comparison and the picture of the pathway, as SVG and PNG with their data beside them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hcc_sim.analyses.flow import PATIENTS
from hcc_sim.outcomes.hcc import WITHIN_MONTHS
from hcc_sim.pathway.diagram import svg
from hcc_sim.pathway.hcc import AGGRESSIVENESS, DEATHS
from hcc_sim.report.flow_plot import flow_figure
from hcc_sim.report.incidence_plot import Words, incidence_figure
from hcc_sim.report.screen import NOT_ADVICE, population_in_words, regimens_in_words
from hcc_sim.report.style import STYLE, strategy_style
from hcc_sim.report.tornado_plot import tornado_figure
from hcc_sim.report.value_plots import value_figures
from hcc_sim.scenario import hcc_pathway_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.scenario import Scenario

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


def write_plots(folder: Path, comparison: Comparison) -> None:
    """Write all plots of a comparison into the folder."""
    folder.mkdir(exist_ok=True)
    curves, contrasts = comparison.curves(), comparison.contrasts()
    for plot in CURVES:
        table = curves[(curves["outcome"] == plot.endpoint) & (curves["population"] == comparison.primary)]
        if table.empty:
            continue
        names = [strategy.name for strategy in comparison.scenario.strategies]
        landmarks = _landmarks(contrasts, comparison, plot.endpoint, names[0])
        with mpl.rc_context(STYLE):
            figure = curve_figure(plot, table, landmarks, names, comparison)
            _save(folder, plot.file, figure)
        data = table.drop(columns=["population", "outcome"])
        _write(folder / f"{plot.file}.csv", data)
        if len(names) > 1:
            _write(folder / f"{plot.file}-differences.csv", landmarks)
    _write_incidence(folder, comparison)
    with mpl.rc_context(STYLE):
        for name, (figure, data) in {**value_figures(comparison), **_tornados(comparison)}.items():
            _save(folder, name, figure)
            _write(folder / f"{name}.csv", data)
        about = f"{_who(comparison.scenario)}; seed {comparison.scenario.seed}"
        figure = flow_figure(comparison.flows, f"Where patients go: {_short(comparison.scenario.title, 60)}", about)
        _save(folder, "flow", figure)
    _write(folder / "flow.csv", pd.DataFrame(comparison.flows))
    (folder / "pathway.svg").write_text(svg(hcc_pathway_of(comparison.scenario.calibration)), encoding="utf-8")


def _save(folder: Path, name: str, figure: Figure) -> None:
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", dpi=150)


def _tornados(comparison: Comparison) -> dict[str, tuple[Figure, pd.DataFrame]]:
    """File name -> what survival and net benefit hang on, where anything moves them."""
    title, found = comparison.scenario.title, {}
    of_survival = [one for one in comparison.turnings if one.parameter.name != AGGRESSIVENESS]
    if of_survival:
        unit = f"months of the first {WITHIN_MONTHS:g}"
        found["hangs-on-survival"] = tornado_figure(of_survival, f"What survival hangs on: {title}", unit, 1.0)
    of_value = [one for one in comparison.turnings_of_value if one.parameter.name != AGGRESSIVENESS]
    if of_value:
        unit = f"net benefit, 1,000 {of_value[0].unit}"
        found["hangs-on-value"] = tornado_figure(of_value, f"What net benefit hangs on: {title}", unit, 0.001)
    return found


def _write_incidence(folder: Path, comparison: Comparison) -> None:
    """Causes of death in the primary population; nothing where there is nobody."""
    table = comparison.incidence()
    table = table[(table["population"] == comparison.primary) & table["cause"].isin(DEATHS)]
    names = [strategy.name for strategy in comparison.scenario.strategies]
    if table.groupby("strategy")["months"].max().min() > 0 and not table["value"].isna().any():
        title = f"What patients die of: {_short(comparison.scenario.title, 60)}"
        foot = _foot(comparison, "Shares beside the panels are those at the end of the time axis;")
        with mpl.rc_context(STYLE):
            figure = incidence_figure(table, names, Words(title, _about(comparison), _time_axis(comparison), foot))
            _save(folder, "incidence", figure)
        _write(folder / "incidence.csv", table.drop(columns="population"))


def _who(scenario: Scenario) -> str:
    regimens = regimens_in_words(scenario)
    return f"The first {min(scenario.size, PATIENTS):,} patients" + (f"; regimen {regimens}" if regimens else "")


def _write(path: Path, table: pd.DataFrame) -> None:
    path.write_text(table.to_csv(index=False, lineterminator="\n"), encoding="utf-8", newline="")


def _landmarks(contrasts: pd.DataFrame, comparison: Comparison, endpoint: str, versus: str) -> pd.DataFrame:
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


# --- the figure -----------------------------------------------------------------------------------------------------


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
        over = f"Difference from '{_short(names[0], 60)}', with paired errors at the landmarks"
        figure.text(LEFT, 1 - (top - 0.12) / total, over, fontsize=9.5, color="#333333", va="bottom", parse_math=False)
        lower.set_xlabel(_time_axis(comparison))
        upper.tick_params(labelbottom=True)
        _legend(figure, upper, names, by_name, last)
    else:
        figure.text((LEFT + RIGHT) / 2, 0.55 / total, _time_axis(comparison), ha="center", va="bottom", color="#222222")
    figure.text(LEFT, 0.12 / total, _foot(comparison), fontsize=7.5, color="#666666", va="bottom")
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
            RIGHT + 0.025, 1 - (y - 0.1) / total, _short(name, 32), fontsize=7.5,
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
    labels = [textwrap.fill(_short(names[position], 60), 20) for position in ordered]
    figure.legend(
        lines, labels, loc="upper left", bbox_to_anchor=(RIGHT + 0.01, axes.get_position().y1 + 0.01), frameon=False,
        handlelength=3.2, labelspacing=0.7, fontsize=9,
    )  # fmt: skip


def _head(figure: Figure, plot: CurvePlot, comparison: Comparison, total: float) -> None:
    title = f"{plot.title}: {_short(comparison.scenario.title, 60)}"
    figure.text(LEFT, 1 - 0.22 / total, title, fontsize=12.5, fontweight="bold", va="top", parse_math=False)
    figure.text(LEFT, 1 - 0.5 / total, _about(comparison), fontsize=9.5, color="#333333", va="top", parse_math=False)


def _about(comparison: Comparison) -> str:
    regimens = regimens_in_words(comparison.scenario)
    about = f"{population_in_words(comparison).capitalize()}" + (f"; regimen {regimens}" if regimens else "")
    return _short(about, 120)


def _time_axis(comparison: Comparison) -> str:
    return f"months since {comparison.time_zero.removeprefix('the ')}"


def _foot(comparison: Comparison, what: str = "Bands and bars: ±1.96 Monte-Carlo standard errors;") -> str:
    return f"{what} parameters are held at their base values. Seed {comparison.scenario.seed}.\n{NOT_ADVICE}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
