"""All plots of a comparison, by name: drawn one by one, or written as SVG and PNG with their data beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd

from hcc_sim.analyses.flow import PATIENTS
from hcc_sim.outcomes.hcc import WITHIN_MONTHS
from hcc_sim.pathway.diagram import svg
from hcc_sim.pathway.hcc import AGGRESSIVENESS, DEATHS
from hcc_sim.report.curve_plot import CURVES, CurvePlot, curve_figure, landmarks_of
from hcc_sim.report.flow_plot import flow_figure
from hcc_sim.report.incidence_plot import Words, incidence_figure
from hcc_sim.report.plot_words import about, foot, short, time_axis
from hcc_sim.report.screen import regimens_in_words
from hcc_sim.report.style import STYLE
from hcc_sim.report.tornado_plot import Words as TornadoWords
from hcc_sim.report.tornado_plot import bar_of_turning, tornado_figure
from hcc_sim.report.value_plots import net_benefit_figure, parts_figure, plane_figure
from hcc_sim.scenario import hcc_pathway_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.analyses.turning import Turning

PIXELS_PER_INCH = 200

DIFFERENCES = "-differences"
"""What the name of a second table of a plot ends with."""


@dataclass(frozen=True)
class Plot:
    """A plot and the numbers it is drawn from; `tables` by what the names of their files end with."""

    figure: Figure
    tables: Mapping[str, pd.DataFrame]


def plots_of(comparison: Comparison) -> dict[str, Callable[[], Plot]]:
    """Name -> what draws it, of every plot that this comparison has something to show in."""
    found: dict[str, Callable[[], Plot]] = {}
    curves = comparison.curves()
    ours = curves[curves["population"] == comparison.primary]
    for plot in CURVES:
        if not (table := ours[ours["outcome"] == plot.endpoint]).empty:
            found[plot.file] = partial(_curves, plot, table, comparison)
    incidence = comparison.incidence()
    incidence = incidence[(incidence["population"] == comparison.primary) & incidence["cause"].isin(DEATHS)]
    if incidence.groupby("strategy")["months"].max().min() > 0 and not incidence["value"].isna().any():
        found["incidence"] = partial(_incidence, incidence, comparison)
    if comparison.valuation is not None:
        of_value = [("costs-and-qalys", parts_figure)]
        if len(comparison.valuation.strategies) > 1:
            of_value += [("plane", plane_figure), ("net-benefit", net_benefit_figure)]
        for name, draw in of_value:
            found[name] = partial(_of_value, draw, comparison)
    for name, turnings, unit, scale in (
        ("survival", comparison.turnings, f"months of the first {WITHIN_MONTHS:g}", 1.0),
        ("value", comparison.turnings_of_value, "net benefit, 1,000 ", 0.001),
    ):
        if moving := [one for one in turnings if one.parameter.name != AGGRESSIVENESS]:
            told = unit if name == "survival" else f"{unit}{moving[0].unit}"
            what = "survival" if name == "survival" else "net benefit"
            found[f"hangs-on-{name}"] = partial(_tornado, moving, comparison, what, told, scale)
    found["flow"] = partial(_flow, comparison)
    return found


def draw(comparison: Comparison, name: str) -> Plot:
    """One of the plots of a comparison.

    Raises:
        ValueError: there is none of that name.
    """
    found = plots_of(comparison)
    if name not in found:
        raise ValueError(f"no plot {name!r}; there are {', '.join(found)}")
    with mpl.rc_context(STYLE):
        return found[name]()


def write_plots(folder: Path, comparison: Comparison) -> None:
    """Write all plots of a comparison into the folder, and the pathway."""
    save_plots(folder, plots_of(comparison))
    (folder / "pathway.svg").write_text(svg(hcc_pathway_of(comparison.scenario.calibration)), encoding="utf-8")


def save_plots(folder: Path, plots: Mapping[str, Callable[[], Plot]]) -> None:
    """Write plots by name as SVG and PNG with their data beside them; the folder is made."""
    folder.mkdir(exist_ok=True)
    for name, drawn in plots.items():
        with mpl.rc_context(STYLE):
            plot = drawn()
            # Dots by the inch matter to what is drawn as pixels alone: clouds of thousands of points.
            plot.figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, dpi=PIXELS_PER_INCH)
            plot.figure.savefig(folder / f"{name}.png", dpi=150)
        for ending, table in plot.tables.items():
            text = table.to_csv(index=False, lineterminator="\n")
            (folder / f"{name}{ending}.csv").write_text(text, encoding="utf-8", newline="")


def _curves(plot: CurvePlot, table: pd.DataFrame, comparison: Comparison) -> Plot:
    names = [strategy.name for strategy in comparison.scenario.strategies]
    landmarks = landmarks_of(comparison.contrasts(), comparison, plot.endpoint, names[0])
    tables = {"": table.drop(columns=["population", "outcome"])}
    if len(names) > 1:
        tables[DIFFERENCES] = landmarks
    return Plot(curve_figure(plot, table, landmarks, names, comparison), tables)


def _incidence(table: pd.DataFrame, comparison: Comparison) -> Plot:
    """Causes of death in the primary population."""
    names = [strategy.name for strategy in comparison.scenario.strategies]
    title = f"What patients die of: {short(comparison.scenario.title, 60)}"
    below = foot(comparison, "Shares beside the panels are those at the end of the time axis;")
    figure = incidence_figure(table, names, Words(title, about(comparison), time_axis(comparison), below))
    return Plot(figure, {"": table.drop(columns="population")})


def _of_value(draw: Callable[[Comparison], tuple[Figure, pd.DataFrame]], comparison: Comparison) -> Plot:
    figure, data = draw(comparison)
    return Plot(figure, {"": data})


def _tornado(turnings: Sequence[Turning], comparison: Comparison, what: str, unit: str, scale: float) -> Plot:
    first = turnings[0]
    about = f"'{first.strategy}' minus '{first.versus}' across the central 95% of each, what was fitted taken given it"
    words = TornadoWords(f"What {what} hangs on: {comparison.scenario.title}", about, unit)
    figure, data = tornado_figure([bar_of_turning(one) for one in turnings], words, scale)
    return Plot(figure, {"": data})


def _flow(comparison: Comparison) -> Plot:
    scenario = comparison.scenario
    regimens = regimens_in_words(scenario)
    told = f"The first {min(scenario.size, PATIENTS):,} patients" + (f"; regimen {regimens}" if regimens else "")
    title = f"Where patients go: {short(scenario.title, 60)}"
    return Plot(
        flow_figure(comparison.flows, title, f"{told}; seed {scenario.seed}"), {"": pd.DataFrame(comparison.flows)}
    )
