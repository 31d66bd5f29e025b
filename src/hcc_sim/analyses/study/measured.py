"""What a study keeps of each draw: means of some outcomes under every strategy, and how sure few patients make them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.precision import SHORT
from hcc_sim.analyses.strategies import asked_by
from hcc_sim.economics.quantities import Quantities
from hcc_sim.economics.valuing import Valued, valued
from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.outcomes import Definitions, Estimate, Tally, estimate_named, only
from hcc_sim.outcomes.hcc import EVERYBODY, OVERALL_SURVIVAL, WITHIN_MONTHS, WITHOUT_DISEASE
from hcc_sim.scenario import Scenario

Floats = NDArray[np.float64]

ALL = "all"
"""The part of the patients that is all of them."""

COST, QALY, LIFE_YEAR = SHORT["cost"], SHORT["qaly"], SHORT["life year"]
OF_VALUE = (COST, QALY, LIFE_YEAR)
"""Told of all who start, where a scenario has terms; all other outcomes of the population of the primary estimand."""


class Kept(NamedTuple):
    """Of one draw: (S, P, K) means by strategy, part of the patients and outcome, NaN where they are not known.

    `covariance` (P, S, K, S, K) is that of the Monte-Carlo errors of these means, by the jackknife over groups: the
    error of any contrast of any outcomes follows from it.
    """

    means: Floats
    covariance: Floats


@dataclass(frozen=True)
class Measures:
    """Which outcomes of whom: names as in `summary.csv`, `population` that of the primary estimand, and subgroups."""

    outcomes: tuple[str, ...]
    population: str
    parts: tuple[str, ...]
    valued: bool
    definitions: Definitions

    def population_of(self, outcome: str, part: str = ALL) -> str:
        """Whose outcome it is."""
        whose = EVERYBODY if outcome in OF_VALUE else self.population
        return whose if part == ALL else f"{whose}, {part}"

    def unit(self, outcome: str, currency: str) -> str:
        """Of an outcome."""
        if outcome in OF_VALUE:
            return {COST: currency, QALY: "QALY", LIFE_YEAR: "years"}[outcome]
        return "months" if outcome.endswith(("months", "median")) and ": at " not in outcome else "share"

    def of(
        self,
        tallies: Sequence[Tally],
        quantities: Sequence[Mapping[str, Quantities]],
        values: Sequence[Mapping[str, float]],
        currency: str,
    ) -> Kept:
        """What is kept of one draw, from what was counted under each strategy."""
        told = np.full((len(tallies), len(self.parts), len(self.outcomes), 101), np.nan)
        for s, (tally, counted, own) in enumerate(zip(tallies, quantities, values, strict=True)):
            for p, part in enumerate(self.parts):
                priced = self._valued(counted, part, own, currency)
                for k, outcome in enumerate(self.outcomes):
                    estimate = self._estimate(outcome, part, tally, priced)
                    if estimate is not None:
                        told[s, p, k] = estimate.estimates
        return Kept(told[..., 0].copy(), _covariances(told[..., 1:]))

    def _valued(
        self, counted: Mapping[str, Quantities], part: str, values: Mapping[str, float], currency: str
    ) -> Valued | None:
        quantities = counted.get(EVERYBODY if part == ALL else part)
        if quantities is None or not quantities.members.any():
            return None
        return valued(quantities, values, currency)

    def _estimate(self, outcome: str, part: str, tally: Tally, priced: Valued | None) -> Estimate | None:
        if outcome not in OF_VALUE:
            return estimate_named(tally, self.population_of(outcome, part), outcome)
        if priced is None:
            return None
        return {COST: priced.cost, QALY: priced.qaly, LIFE_YEAR: priced.life_year}[outcome]()


def _covariances(without: Floats) -> Floats:
    """(S, P, K, 100) estimates without each group to (P, S, K, S, K) covariances, by sums in a fixed order."""
    groups = without.shape[-1]
    off = without - without.mean(axis=-1, keepdims=True)
    by_part = np.moveaxis(off, 1, 0)
    found = (by_part[:, :, :, None, None, :] * by_part[:, None, None, :, :, :]).sum(axis=-1)
    return np.asarray((groups - 1) / groups * found)


def measures_of(
    scenario: Scenario, population: str, more: Sequence[str] = (), *, by_subgroup: bool = False
) -> Measures:
    """Costs, QALYs and life years where a scenario has terms, months alive and without disease, and those asked for.

    Args:
        scenario: what is studied.
        population: of the primary estimand.
        more: further outcomes as `summary.csv` names them.
        by_subgroup: whether to tell the scenario's subgroups apart.

    Raises:
        InputError: no such outcome.
    """
    months = f"{min(WITHIN_MONTHS, scenario.horizon_months):g} months"
    usual = [f"{OVERALL_SURVIVAL.name}: restricted mean to {months}", f"{WITHOUT_DISEASE}: to {months}"]
    value = scenario.terms is not None
    asked = asked_by(scenario)
    known = [*(OF_VALUE if value else ()), *_names(asked, population, scenario.horizon_months)]
    wanted = [SHORT.get(name.casefold(), name) for name in more]
    if unknown := [name for name in wanted if name not in known]:
        hint = nearest(unknown[0], known)
        told = f"no such outcome of {population}. {hint} summary.csv of a run names all, such as {known[-1]}"
        raise InputError(Problem("--outcome", None, unknown[0], " ".join(told.split())))
    outcomes = tuple(dict.fromkeys([*(OF_VALUE if value else ()), *usual, *wanted]))
    parts = (ALL, *(one.name for one in scenario.subgroups)) if by_subgroup else (ALL,)
    found = Measures(outcomes, population, parts, value, asked)
    counted = [(found.population_of(name, part), name) for name in outcomes if name not in OF_VALUE for part in parts]
    return Measures(outcomes, population, parts, value, only(asked, counted))


def _names(asked: Definitions, population: str, horizon_months: float) -> list[str]:
    """The names of all outcomes that stays alone tell of a population."""
    restrictions = [f"{t:g} months" for t in asked.restrictions_within(horizon_months)]
    landmarks = [f"at {t:g} months" for t in asked.landmarks_within(horizon_months)]
    ours = [r for r in (*asked.endpoints, *asked.shares, *asked.times) if not r.of or population in r.of]
    found = []
    for one in ours:
        if one in asked.endpoints:
            rest = ("median", *landmarks, *(f"restricted mean to {t}" for t in restrictions))
            found += [f"{one.name}: {told}" for told in rest]
        elif one in asked.times:
            found += [f"{one.name}: to {t}" for t in restrictions]
        else:
            found.append(one.name)
    return found


def error_of(covariance: Floats, weights: Floats) -> float:
    """The standard error of a sum of means with these weights (S, K), from their covariance (S, K, S, K)."""
    both = weights[:, :, None, None] * weights[None, None]
    variance = float(np.where(both != 0.0, both * covariance, 0.0).sum())  # what does not count may be unknown
    return math.sqrt(max(variance, 0.0)) if not math.isnan(variance) else math.nan
