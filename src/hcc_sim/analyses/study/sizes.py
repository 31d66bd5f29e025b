"""How many patients a draw needs: from a pilot, by what part of the variance is uncertainty and what part few patients.

A. O'Hagan, M. Stevenson and J. Madan, Health Economics 16 (2007) 1009-1023, doi:10.1002/hec.1199: the variance between
draws of a mean over n patients is that of the expectation, plus that between patients divided by n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hcc_sim.analyses.strategies import Run, asked_by, primary_population
from hcc_sim.analyses.study.design import joint_draws
from hcc_sim.analyses.study.measured import ALL, Measures
from hcc_sim.analyses.study.objective import Objective
from hcc_sim.analyses.study.runs import Runner, Task
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.history import BLOCK
from hcc_sim.outcomes import Definitions
from hcc_sim.scenario import Scenario

PILOT_DRAWS, PILOT_PATIENTS = 24, 2_000

NOISE, NOISE_OF_SAME = 0.05, 0.01
"""Of the variance that uncertainty makes: what few patients may add.  It widens an interval by a fortieth; where all
draws have the same patients it does not average out, and a tenth of a standard deviation is what it may be."""

FEWEST, MOST = 1_000, 50_000

FOR_POPULATION = 10_000
"""Patients from whom it is told whether strategies differ before conversion."""


@dataclass(frozen=True)
class Split:
    """What a pilot says of a contrast: variance by uncertainty, variance between patients, and sizes that follow."""

    strategy: str
    versus: str
    objective: str
    unit: str
    uncertainty: float
    between_patients: float
    patients: int

    def noise_share(self, patients: int) -> float:
        """Of the variance between draws of so many patients, what few patients make."""
        noise = self.between_patients / patients
        total = self.uncertainty + noise
        return noise / total if total > 0.0 else 0.0

    def standard_error(self, patients: int, draws: int) -> float:
        """Of the mean over draws, each with patients of its own."""
        return math.sqrt((self.uncertainty + self.between_patients / patients) / draws)

    def sentence(self, patients: int, draws: int, *, same_patients: bool = False) -> str:
        """What a reader is told."""
        told = (
            f"Sizes, by a pilot of {PILOT_DRAWS} draws of {PILOT_PATIENTS:,} patients: the {self.objective} of "
            f"'{self.strategy}' minus '{self.versus}' has a standard deviation of {math.sqrt(self.uncertainty):,.3g} "
            f"({self.unit}) by uncertainty and {math.sqrt(self.between_patients):,.3g} between patients"
        )
        if same_patients:
            error = math.sqrt(self.between_patients / patients)
            who = f"{patients:,} patients, the same in all {draws:,} draws"
            return f"{told}; {who}, leave a standard error of {error:,.2g}."
        return (
            f"{told}; with {patients:,} patients a draw, {100 * self.noise_share(patients):.1f}% of the variance "
            f"between draws is few patients', and the mean over {draws:,} draws has a standard error of "
            f"{self.standard_error(patients, draws):,.2g}."
        )


def pilot(
    scenario: Scenario, worlds: Worlds, measures: Measures, objective: Objective, *, same_patients: bool = False
) -> Split:
    """Run a pilot, and tell how many patients a draw needs for the contrast of the best and the worst strategy.

    More where all draws are to have the same patients.

    Raises:
        InputError, EngineError: as a run of the scenario.
    """
    from hcc_sim.analyses.study.study import Study

    design = joint_draws(scenario, worlds.uncertain, PILOT_DRAWS)
    task = Task(scenario, measures, PILOT_PATIENTS, design.same_patients, design.columns, design.unknowns)
    done = Runner(task).run(design.rows(0, PILOT_DRAWS))
    study = Study("pilot", scenario, design, measures, PILOT_PATIENTS)
    table = study.table_of([done])
    values = objective.values(table)
    mean = np.nanmean(values, axis=0)
    best = objective.best(mean)
    worst = objective.best(-mean)
    names = table.shape.strategies
    contrast = values[:, best] - values[:, worst]
    between = objective.error(table, table.noise[table.shape.parts.index(ALL)], names[best], names[worst]) ** 2
    between = 0.0 if math.isnan(between) else between * PILOT_PATIENTS
    total = float(np.nanvar(contrast, ddof=1))
    uncertainty = max(total - between / PILOT_PATIENTS, 0.0)
    noise = NOISE_OF_SAME if same_patients else NOISE
    needed = between / (noise * uncertainty) if uncertainty > 0.0 else (MOST if between > 0.0 else FEWEST)
    patients = min(max(math.ceil(needed / BLOCK) * BLOCK, FEWEST), MOST)
    return Split(names[best], names[worst], objective.name, objective.unit, uncertainty, between, patients)


def population_in(scenario: Scenario) -> str:
    """Whom the primary estimand is about, told from some thousand patients in the base case."""
    asked = asked_by(scenario)
    whole = tuple(population for population in asked.populations if population.subgroup is None)
    run = Run(scenario, Definitions(populations=whole))
    run.up_to(min(scenario.size, FOR_POPULATION))
    return primary_population(run.tallies)
