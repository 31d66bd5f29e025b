"""Tables of draws written by hand, for readings: what a model would have given is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from hcc_sim.analyses.study.design import Listed
from hcc_sim.analyses.study.folder import Shape
from hcc_sim.analyses.study.measured import COST, QALY, Measures, measures_of
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import ASSUMPTIONS, Uncertain
from hcc_sim.parameters import Distribution
from hcc_sim.scenario import Scenario, load_scenario


@cache
def timing_scenario() -> Scenario:
    """The shipped scenario on timing, four strategies."""
    return load_scenario("scenarios/surgical-timing.yaml")


@cache
def usual_measures() -> Measures:
    """What its studies keep."""
    return measures_of(timing_scenario(), "converted")


def uncertain(
    name: str, low: float, high: float, *, base: float | None = None, family: str = "uniform", unit: str = "number"
) -> Uncertain:
    """A quantity that no scenario knows."""
    middle = 0.5 * (low + high) if base is None else base
    bounds = (float("-inf"), float("inf"))
    prior = Distribution(family, low, high)
    return Uncertain(name, name, ASSUMPTIONS, middle, prior, unit, "assumed", name, bounds, ())


def table_of(
    strategies: Sequence[str],
    inputs: Mapping[str, np.ndarray],
    costs: np.ndarray,
    qalys: np.ndarray,
    *,
    error: float = 0.0,
    others: float = 1.0,
) -> DrawTable:
    """Costs and QALYs (D, S); every mean with the same Monte-Carlo error, independent of the others."""
    outcomes = usual_measures().outcomes
    draws, several = costs.shape
    means = np.full((draws, several, 1, len(outcomes)), others)
    means[:, :, 0, outcomes.index(COST)] = costs
    means[:, :, 0, outcomes.index(QALY)] = qalys
    size = several * len(outcomes)
    covariance = error**2 * np.eye(size).reshape(1, several, len(outcomes), several, len(outcomes))
    given = np.column_stack(list(inputs.values())) if inputs else np.empty((draws, 0))
    return DrawTable(
        Shape(tuple(strategies), ("all",), outcomes, tuple(inputs)),
        given,
        means,
        covariance,
        np.broadcast_to(covariance, (draws, *covariance.shape)),
    )


def study_of(analysis: str = "test", design: Listed | None = None, patients: int = 1_000) -> Study:
    """A study that was not run."""
    empty = Listed((), np.empty((1, 0))) if design is None else design
    return Study(analysis, timing_scenario(), empty, usual_measures(), patients)
