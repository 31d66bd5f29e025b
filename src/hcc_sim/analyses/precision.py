"""A run that goes on until the Monte-Carlo error of a contrast is as small as asked for."""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

from hcc_sim.analyses.strategies import Run, primary_population
from hcc_sim.analyses.valuation import all_estimates, valuation_of
from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.history import BLOCK
from hcc_sim.outcomes import Estimates
from hcc_sim.outcomes.hcc import EVERYBODY

PILOT = 10_000
"""Patients from whom it is first told how many are needed."""

AT_MOST_TIMES = 10
"""So many times as many patients at once: an error is itself known to some percent only."""

ENOUGH_TO_TELL = 100_000
"""Patients from whom an error can be told, if it ever can: what happens to none of a few has no error, or one of 0."""

MARGIN = 1.02
"""More patients than the error so far asks for, so that one more round is rarely needed."""


SHORT = {"qaly": "QALYs (discounted)", "cost": "costs (discounted)", "life year": "life years (discounted)"}
"""Other names of outcomes."""


class Precision(NamedTuple):
    """The standard error that is asked for, of an outcome as `summary.csv` names it or `SHORT` does, in its unit."""

    outcome: str
    error: float


class Reached(NamedTuple):
    """How it went: the largest standard error of a contrast of that outcome, with so many patients."""

    asked: Precision
    population: str
    error: float
    patients: int

    @property
    def enough(self) -> bool:
        """Whether it is as small as asked for."""
        return self.error <= self.asked.error

    def sentence(self) -> str:
        """What a reader is told."""
        error = f"standard error {self.error:.2g} of '{self.asked.outcome}' in {self.population}"
        told = f"{self.patients:,} patients: {error}"
        if self.enough:
            return f"{told}, as asked for ({self.asked.error:g} at most)."
        return f"{told}; {self.asked.error:g} was asked for and not reached with the patients allowed."


def run_until(run: Run, precision: Precision, most: int) -> Reached:
    """Let a run that has not begun go on until every contrast is as precise as asked for, or `most` patients are done.

    Of a single strategy the outcome itself.

    Raises:
        InputError: no such outcome in the primary population nor of everybody, or its error cannot be told.
    """
    precision = precision._replace(outcome=SHORT.get(precision.outcome.casefold(), precision.outcome))
    run.up_to(min(PILOT, most))
    while True:
        found = all_estimates(run.tallies, valuation_of(run.scenario, run.quantities))
        population = _population(found, primary_population(run.tallies), precision.outcome)
        error = _largest_error(found, population, precision.outcome)
        many = run.patients >= min(ENOUGH_TO_TELL, most)
        if math.isnan(error) and many:
            why = "its value is not known under every strategy, or one of the 100 groups of patients has nobody"
            told = f"the error of '{precision.outcome}' cannot be told with {run.patients:,} patients: {why}"
            raise InputError(Problem("--precision", None, "", told))
        if (error <= precision.error and (error > 0.0 or many)) or run.patients >= most:
            return Reached(precision, population, error, run.patients)
        needed = math.inf if not error > 0.0 else MARGIN * run.patients * (error / precision.error) ** 2
        needed = min(max(needed, run.patients + BLOCK), AT_MOST_TIMES * run.patients)
        run.up_to(min(math.ceil(needed / BLOCK) * BLOCK, most))


def _population(found: Estimates, primary: str, outcome: str) -> str:
    """The primary population; everybody where the outcome is told of nobody else, as costs and QALYs are."""
    told = {(one.population, one.outcome) for of_one in found.values() for one in of_one}
    return EVERYBODY if (primary, outcome) not in told and (EVERYBODY, outcome) in told else primary


def _largest_error(found: Estimates, population: str, outcome: str) -> float:
    of_outcome = [
        next((one for one in told if (one.population, one.outcome) == (population, outcome)), None)
        for told in found.values()
    ]
    ours = [one for one in of_outcome if one is not None]
    if len(ours) < len(of_outcome):
        names = [one.outcome for one in next(iter(found.values())) if one.population == population]
        listed = f"summary.csv names all, such as {names[0]}"
        told = f"no outcome '{outcome}' of {population}. {nearest(outcome, names)} {listed}"
        raise InputError(Problem("--precision", None, "", " ".join(told.split())))
    if len(ours) == 1:
        return ours[0].mc_se
    return max((one - other).mc_se for one, other in combinations(ours, 2))
