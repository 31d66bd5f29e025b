"""All plots of a reading of a study, by name; a reading that has nothing to show in a plot does not have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from hcc_sim.analyses.grid import Grid
from hcc_sim.analyses.one_way import OneWay
from hcc_sim.analyses.optimal_timing import OptimalTiming
from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.questions import Reading
from hcc_sim.analyses.screening import Screening
from hcc_sim.analyses.sobol import SobolDesign
from hcc_sim.analyses.threshold import Thresholds
from hcc_sim.analyses.voi import EVERYTHING, Information
from hcc_sim.report.delays_plot import delays_by_subgroup_figure, delays_figure
from hcc_sim.report.draws_plots import (
    acceptability_figure,
    outcomes_figure,
    perfect_information_figure,
    plane_of_draws_figure,
)
from hcc_sim.report.grid_plot import grid_figure
from hcc_sim.report.information_plots import information_effects_figure, information_figure, variance_figure
from hcc_sim.report.plot_words import scaled, short
from hcc_sim.report.plots import Plot
from hcc_sim.report.screen import NOT_ADVICE
from hcc_sim.report.screening_plots import morris_figure, sobol_figure
from hcc_sim.report.style import STYLE
from hcc_sim.report.threshold_plot import thresholds_figure
from hcc_sim.report.timing_plot import timing_figure
from hcc_sim.report.tornado_plot import Words, bar_of_swing, tornado_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = Callable[[Any], "tuple[Figure, pd.DataFrame]"]

MOST_SWINGS = 20


def plots_of_reading(reading: Reading) -> dict[str, Callable[[], Plot]]:
    """Name -> what draws it, of every plot that this reading has something to show in."""
    return {name: partial(_plot, drawn, reading) for name, drawn in _drawn(reading).items()}


def plots_of_readings(readings: Iterable[Reading]) -> dict[str, Callable[[], Plot]]:
    """Those of several."""
    return {name: drawn for reading in readings for name, drawn in plots_of_reading(reading).items()}


def draw_reading(reading: Reading, name: str) -> Plot:
    """One of the plots of a reading.

    Raises:
        ValueError: there is none of that name.
    """
    found = plots_of_reading(reading)
    if name not in found:
        raise ValueError(f"no plot {name!r}; there are {', '.join(found)}")
    with mpl.rc_context(STYLE):
        return found[name]()


def _plot(drawn: Drawn, reading: Reading) -> Plot:
    figure, data = drawn(reading)
    return Plot(figure, {"": data})


def _drawn(reading: Reading) -> Mapping[str, Drawn]:
    match reading:
        case Probabilistic():
            return _of_draws(reading)
        case OneWay():
            return {"one-way": _one_way} if reading.moving else {}
        case Grid():
            return {"grid": grid_figure}
        case Thresholds():
            return {"thresholds": thresholds_figure}
        case OptimalTiming():
            several = len(reading.table.shape.parts) > 1
            of_parts: dict[str, Drawn] = {"delays-subgroups": delays_by_subgroup_figure} if several else {}
            of_base: dict[str, Drawn] = {} if reading.base is None else {"windows": _windows}
            return {"delays": delays_figure} | of_parts | of_base
        case Screening():
            return {"sobol": sobol_figure} if isinstance(reading.scheme, SobolDesign) else {"morris": morris_figure}
        case Information():
            found: dict[str, Drawn] = {}
            if any(one.value > 0.0 for one in reading.ranked(EVERYTHING)):
                found["information"] = information_figure
            if reading.effects and reading.effects[0].value > 0.0:
                found["information-effects"] = information_effects_figure
            return found | ({"variance": variance_figure} if reading.explained else {})


def _windows(reading: OptimalTiming) -> tuple[Figure, pd.DataFrame]:
    assert reading.base is not None
    return timing_figure(reading.base), reading.base.tables()["timing-windows"].frame()


def _of_draws(reading: Probabilistic) -> Mapping[str, Drawn]:
    found: dict[str, Drawn] = {"draws": outcomes_figure}
    if reading.valued and len(reading.strategies) > 1:
        found |= {
            "draws-plane": plane_of_draws_figure,
            "acceptability": acceptability_figure,
            "perfect-information": perfect_information_figure,
        }
    return found


def _one_way(reading: OneWay) -> tuple[Figure, pd.DataFrame]:
    moving = reading.moving
    scale, unit = scaled(reading.objective.unit)
    contrast = f"'{short(reading.strategy, 40)}' minus '{short(reading.versus, 40)}'"
    about = f"{contrast} across the central 95% of each, one at a time; {reading.study.patients:,} patients"
    still = len(reading.swings) - len(moving)
    told = [f"Seed {reading.study.scenario.seed}. {NOT_ADVICE}"]
    if more := [*([f"{len(moving) - MOST_SWINGS} more move it less"] if len(moving) > MOST_SWINGS else []),
                *([f"{still} do not move it"] if still else [])]:  # fmt: skip
        told.insert(0, f"{'; '.join(more).capitalize()}: one-way.csv has all.")
    title = f"What {short(reading.objective.name, 40)} hangs on: {reading.study.scenario.title}"
    words = Words(title, short(about, 130), f"{reading.objective.name}, {unit}", "\n".join(told))
    return tornado_figure([bar_of_swing(one) for one in moving], words, scale, MOST_SWINGS)
