"""Readings for tests, of draws that are made up: nothing is simulated, and what they should say is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hcc_sim.analyses.grid import Axis, Grid, axis_of
from hcc_sim.analyses.grid import design_of as design_of_grid
from hcc_sim.analyses.morris import MorrisDesign
from hcc_sim.analyses.one_way import OneWay
from hcc_sim.analyses.one_way import design_of as design_of_one_way
from hcc_sim.analyses.optimal_timing import OptimalTiming
from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.questions import Reading
from hcc_sim.analyses.screening import Screening
from hcc_sim.analyses.screening import design_of as design_of_screening
from hcc_sim.analyses.sobol import SobolDesign
from hcc_sim.analyses.study.design import Design, Listed
from hcc_sim.analyses.study.folder import Shape
from hcc_sim.analyses.study.measured import COST, QALY, measures_of
from hcc_sim.analyses.study.objective import SURVIVAL, Objective, objective_of
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import Uncertain, chosen, uncertain_in
from hcc_sim.analyses.threshold import Thresholds
from hcc_sim.analyses.threshold import design_of as design_of_thresholds
from hcc_sim.analyses.timing import ALIVE, ENDINGS, FREE, Ended, Timed, Timing, swept_over
from hcc_sim.analyses.voi import Information, Population
from hcc_sim.economics import CostsAndEffects
from hcc_sim.scenario import Scenario, Strategy

PATIENTS = 1_000
TURNED = ("surgery.effect", "hepatectomy.price", "utility.after_surgery", "regrowth.median", "conversion.occult_share")
DELAY = "opportunistic: surgery.delay"


def with_strategies(scenario: Scenario, count: int) -> Scenario:
    """So many of it, the first ones its own."""
    given = list(scenario.strategies)

    def further(k: int) -> Strategy:
        return replace(given[k % len(given)], name=f"{given[k % len(given)].name}, once more ({k})")

    return replace(scenario, strategies=tuple([*given, *(further(k) for k in range(count))][:count]))


def study_of(scenario: Scenario, analysis: str, design: Design) -> Study:
    return Study(analysis, scenario, design, measures_of(scenario, "converted"), PATIENTS)


def table_of(study: Study, inputs: np.ndarray, seed: int = 1) -> DrawTable:
    """Costs and QALYs that hang on the inputs, by ranks, each strategy otherwise, and on luck."""
    random = np.random.default_rng(seed)
    shape = replace(study.shape, inputs=study.design.columns)
    draws, strategies, parts, outcomes = len(inputs), len(shape.strategies), len(shape.parts), len(shape.outcomes)
    ranks = np.zeros_like(inputs)
    for place, values in enumerate(inputs.T):
        known = np.unique(values)
        ranks[:, place] = np.searchsorted(known, values) / max(len(known) - 1, 1) - 0.5
    means = np.empty((draws, strategies, parts, outcomes))
    for k, name in enumerate(shape.outcomes):
        level, spread = (30_000.0, 9_000.0) if name == COST else (2.0, 0.4) if name == QALY else (50.0, 9.0)
        slopes = random.standard_normal((inputs.shape[1], strategies))
        luck = random.standard_normal((draws, 1)) + 0.3 * random.standard_normal((draws, strategies))
        for p in range(parts):
            means[:, :, p, k] = level + spread * (ranks @ slopes + 0.5 * luck + 0.1 * p)
    covariance = np.zeros((draws, parts, strategies, outcomes, strategies, outcomes))
    for s in range(strategies):
        for k, name in enumerate(shape.outcomes):
            covariance[:, :, s, k, s, k] = (100.0 if name == COST else 0.01) ** 2
    return DrawTable(shape, inputs, means, covariance.mean(axis=0), covariance)


def objective_in(study: Study) -> Objective:
    return objective_of(study.scenario, study.measures)


def quantities_in(scenario: Scenario, names: Sequence[str] = TURNED) -> list[Uncertain]:
    return chosen(scenario, uncertain_in(scenario), names, "test", held=True)


def contrast_in(scenario: Scenario) -> tuple[str, str]:
    """The first strategy against the last."""
    return scenario.strategies[0].name, scenario.strategies[-1].name


def probabilistic(scenario: Scenario, draws: int = 60, seed: int = 1) -> Probabilistic:
    quantities = quantities_in(scenario)
    random = np.random.default_rng(seed + 1)
    inputs = np.column_stack([random.uniform(one.distribution.low, one.distribution.high, draws) for one in quantities])
    study = study_of(scenario, "psa", Listed(tuple(one.name for one in quantities), inputs))
    base = study_of(scenario, "base", Listed((), np.empty((1, 0))))
    return Probabilistic(study, table_of(study, inputs, seed), table_of(base, np.empty((1, 0)), seed + 2))


def probabilistic_of(scenario: Scenario, draws: CostsAndEffects) -> Probabilistic:
    """Of costs and effects that are given; the scenario lends its terms."""
    study = study_of(scenario, "psa", Listed((), np.empty((draws.draws, 0))))
    means = np.stack([draws.costs, draws.effects], axis=-1)[:, :, np.newaxis, :]
    noise = np.zeros((1, len(draws.strategies), 2, len(draws.strategies), 2))
    table = DrawTable(Shape(draws.strategies, ("all",), (COST, QALY), ()), np.empty((draws.draws, 0)), means, noise)
    return Probabilistic(study, table, table)


def information(scenario: Scenario, draws: int = 60, population: Population | None = None) -> Information:
    return Information(probabilistic(scenario, draws), uncertain_in(scenario), population)


def one_way(scenario: Scenario) -> OneWay:
    quantities = quantities_in(scenario)
    design = design_of_one_way(quantities)
    study = study_of(scenario, "one-way", design)
    inputs = np.where(np.isnan(design.values), [one.base for one in quantities], design.values)
    return OneWay(study, table_of(study, inputs), tuple(quantities), objective_in(study), *contrast_in(scenario))


def axes_in(scenario: Scenario, names: Sequence[str], points: int = 4) -> tuple[Axis, ...]:
    """Even steps of each; of a delay days, years and never."""
    return tuple(
        Axis(one, (0.0, 3.0, 12.0, math.inf)) if one.unit == "months" and one.name == DELAY else axis_of(one, points)
        for one in quantities_in(scenario, names)
    )


def grid(scenario: Scenario, names: Sequence[str] = TURNED[:2], points: int = 4) -> Grid:
    axes = axes_in(scenario, names, points)
    design = design_of_grid(axes)
    study = study_of(scenario, "grid", design)
    return Grid(study, table_of(study, design.values), axes, objective_in(study), *contrast_in(scenario))


def thresholds(scenario: Scenario, names: Sequence[str] = TURNED) -> Thresholds:
    axes = axes_in(scenario, names)
    design = design_of_thresholds(axes)
    study = study_of(scenario, "thresholds", design)
    bases = [one.base for one in quantities_in(scenario, names)]
    inputs = np.where(np.isnan(design.values), bases, design.values)
    return Thresholds(study, table_of(study, inputs), axes, objective_in(study))


def delays(
    scenario: Scenario, draws: int = 30, delays_months: Sequence[float] = (0.0, 1.0, 3.0, 12.0, math.inf),
    intervals_months: Sequence[float] = (),
) -> OptimalTiming:  # fmt: skip
    swept = swept_over(scenario, "", delays_months, intervals_months)
    study = study_of(swept, "timing", Listed((), np.empty((draws, 0))))
    first = scenario.strategies[0].name
    timed = [Timed(m, name, 50.0 - k, 0.5, -k, 0.1) for name in (ALIVE, FREE) for k, m in enumerate(delays_months)]
    ended = [Ended(m, name, 0.02 * k, 0.005) for name in ENDINGS for k, m in enumerate(delays_months)]
    base = Timing(scenario, first, "converted", tuple(timed), tuple(ended))
    return OptimalTiming(study, table_of(study, np.empty((draws, 0))), first, base)


def screening(scenario: Scenario, *, morris: bool = False) -> Screening:
    quantities = quantities_in(scenario)
    names = tuple(one.name for one in quantities)
    scheme = MorrisDesign(names, 4, 4, 1) if morris else SobolDesign(names, 8, 1)
    design = design_of_screening(quantities, scheme)
    study = study_of(scenario, "morris" if morris else "sobol", design)
    survival = objective_of(scenario, study.measures, SURVIVAL)
    objectives = tuple(dict.fromkeys((objective_in(study).name, survival.name)))
    asked = tuple(objective_of(scenario, study.measures, name) for name in objectives)
    return Screening(study, table_of(study, design.values), scheme, asked, *contrast_in(scenario))


def every_reading(scenario: Scenario) -> list[Reading]:
    """One of each kind."""
    return [
        probabilistic(scenario), one_way(scenario), grid(scenario), thresholds(scenario), delays(scenario),
        screening(scenario), screening(scenario, morris=True), information(scenario, 60, Population(1_000.0, 5)),
    ]  # fmt: skip
