"""What a study is asked about: an outcome, or net benefit, of each strategy and between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.precision import SHORT
from hcc_sim.analyses.study.measured import ALL, COST, QALY, Measures, error_of
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.outcomes.hcc import OVERALL_SURVIVAL, WITHIN_MONTHS
from hcc_sim.scenario import Scenario

Floats = NDArray[np.float64]

NET_BENEFIT = "net monetary benefit"
SURVIVAL = "survival"
"""Short for the restricted mean survival time."""


@dataclass(frozen=True)
class Objective:
    """A sum of outcomes with weights, of which more is better; of costs less is."""

    name: str
    unit: str
    weights: Mapping[str, float]
    threshold: float | None = None

    @property
    def less_is_better(self) -> bool:
        """Whether the best strategy is that of the least."""
        return set(self.weights) == {COST}

    def values(self, table: DrawTable, part: str = ALL) -> Floats:
        """(D, S) of each strategy in each draw."""
        return np.asarray(sum(weight * table.outcome(name, part) for name, weight in self.weights.items()))

    def best(self, values: Floats) -> int:
        """The place of the best strategy, by (S,) values; of equal ones the first."""
        return int(np.argmin(values) if self.less_is_better else np.argmax(values))

    def covariance(self, table: DrawTable, part: str = ALL) -> Floats:
        """(S, S) of the Monte-Carlo errors of strategies in a draw, mean over draws."""
        weights = np.zeros(len(table.shape.outcomes))
        for name, weight in self.weights.items():
            weights[table.shape.outcomes.index(name)] = weight
        whole = table.noise[table.shape.parts.index(part)]
        return np.asarray((whole * weights[:, np.newaxis, np.newaxis] * weights).sum(axis=(1, 3)))

    def error(self, table: DrawTable, covariance: Floats, strategy: str, versus: str | None = None) -> float:
        """The Monte-Carlo error of a strategy, or of a contrast, from a covariance (S, K, S, K)."""
        weights = np.zeros(covariance.shape[:2])
        for name, weight in self.weights.items():
            place = table.shape.outcomes.index(name)
            weights[table.shape.strategies.index(strategy), place] += weight
            if versus is not None:
                weights[table.shape.strategies.index(versus), place] -= weight
        return error_of(covariance, weights)


def objective_of(
    scenario: Scenario, measures: Measures, name: str | None = None, threshold: float | None = None, where: str = ""
) -> Objective:
    """An outcome by its name, or net benefit at a threshold; by default that of the highest, or survival without terms.

    Raises:
        InputError: an outcome that the study does not keep, or net benefit without terms.
    """
    terms = scenario.terms
    if name is None:
        name = NET_BENEFIT if terms is not None else SURVIVAL
    if name.casefold() in ("net benefit", NET_BENEFIT):
        if terms is None:
            told = "the scenario has no economics, so there is no net benefit; name another outcome"
            raise InputError(Problem(where, None, name, told))
        value = terms.thresholds[-1] if threshold is None else threshold
        return Objective(NET_BENEFIT, f"{terms.money} at {value:,.10g} a QALY", {QALY: value, COST: -1.0}, value)
    if name.casefold() == SURVIVAL:
        months = min(WITHIN_MONTHS, scenario.horizon_months)
        name = f"{OVERALL_SURVIVAL.name}: restricted mean to {months:g} months"
    name = SHORT.get(name.casefold(), name)
    if name not in measures.outcomes:
        told = f"{nearest(name, measures.outcomes)} Accepted: {NET_BENEFIT}, {SURVIVAL}, {', '.join(measures.outcomes)}"
        raise InputError(Problem(where, None, name, f"is not kept by this study. {told}"))
    return Objective(name, measures.unit(name, "" if terms is None else terms.money), {name: 1.0})
