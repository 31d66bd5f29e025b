"""Probabilistic analysis: everything uncertain drawn at once; how sure the choice is, and what uncertainty costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.study.measured import COST, OF_VALUE, QALY
from hcc_sim.analyses.study.objective import NET_BENEFIT, SURVIVAL, Objective, objective_of
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.economics import CostsAndEffects
from hcc_sim.economics.net_benefit import (
    acceptability,
    acceptability_frontier,
    expected_loss,
    net_monetary_benefit,
    value_of_perfect_information,
)
from hcc_sim.outcomes import Contrast, Table, Told

Floats = NDArray[np.float64]

DRAWS = 1_000
CENTRAL = (2.5, 97.5)
"""Percentiles between which an interval of a parameter's making lies."""

STEPS = 60
"""Of thresholds on curves, from 0 to twice the highest that the scenario names."""

REPLICATES = 20
"""Times that noise is added once more, to tell what it did."""


class Acceptable(NamedTuple):
    """A strategy at a threshold: in what share of draws it is best, and what choosing it is expected to lose."""

    threshold: float
    strategy: str
    share_best: float
    expected_net_benefit: float
    expected_loss: float
    on_frontier: str
    currency: str


class Perfect(NamedTuple):
    """What it is worth to know everything, per patient; `by_noise` is what few patients in each draw add to it."""

    threshold: float
    value: float
    standard_error: float
    by_noise: float
    currency: str


@dataclass(frozen=True)
class Probabilistic:
    """The reading of joint draws; `base` is the same study of the base case alone, by many patients."""

    study: Study
    table: DrawTable
    base: DrawTable

    @property
    def leading(self) -> Probabilistic:
        """The reading of the draws whose inputs are known."""
        return self if self.table.leading is self.table else replace(self, table=self.table.leading)

    @property
    def strategies(self) -> tuple[str, ...]:
        """In the order of the scenario."""
        return self.table.shape.strategies

    @property
    def valued(self) -> bool:
        """Whether there are costs and QALYs."""
        return self.study.scenario.terms is not None

    @cached_property
    def costs_and_effects(self) -> CostsAndEffects:
        """Of all draws.

        Raises:
            ValueError: the scenario has no terms.
        """
        terms = self.study.scenario.terms
        if terms is None:
            raise ValueError("the scenario has no economics")
        return self.table.costs_and_effects(terms.money)

    @cached_property
    def thresholds(self) -> tuple[float, ...]:
        """On curves: even steps, and those that the scenario names."""
        terms = self.study.scenario.terms
        if terms is None:
            return ()
        highest = 2.0 * terms.thresholds[-1]
        step = _round(highest / STEPS)
        even = [step * k for k in range(math.ceil(highest / step) + 1)]
        return tuple(sorted({*even, *terms.thresholds}))

    @property
    def objective(self) -> Objective:
        """Net benefit at the highest threshold, or survival."""
        return objective_of(self.study.scenario, self.study.measures)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The same, then costs and QALYs where there are any, then survival."""
        scenario, measures = self.study.scenario, self.study.measures
        names = [*((QALY, COST) if self.valued else ()), SURVIVAL]
        found = (objective_of(scenario, measures, name) for name in names)
        return (self.objective, *(one for one in found if one != self.objective))

    def tables(self) -> dict[str, Table[Any]]:
        """By the names of their files."""
        found: dict[str, Table[Any]] = {"summary": self.summary(), "contrasts": self.contrasts()}
        if self.valued:
            found |= {"acceptability": self.acceptability(), "perfect-information": self.perfect()}
        return found

    def summary(self) -> Table[Told]:
        """Outcomes by strategy: means over draws with their standard errors, and the central 95% of draws."""
        rows = []
        for s, strategy in enumerate(self.strategies):
            for whose, name, unit, values, _ in self._told():
                mean, error, low, high = _spread(values[:, s])
                rows.append(Told(strategy, whose, name, mean, error, low, high, unit))
        return Table(Told._fields, rows)

    def contrasts(self) -> Table[Contrast]:
        """The same of every pair of strategies."""
        rows = []
        for whose, name, unit, values, _ in self._told():
            for versus, one in combinations(range(len(self.strategies)), 2):
                mean, error, low, high = _spread(values[:, one] - values[:, versus])
                pair = (self.strategies[one], self.strategies[versus])
                rows.append(Contrast(whose, name, *pair, mean, error, low, high, unit))
        return Table(Contrast._fields, rows)

    def _told(self) -> Sequence[tuple[str, str, str, Floats, Floats]]:
        """Whose, which outcome, its unit, its (D, S) values and those of the base case."""
        study, terms = self.study, self.study.scenario.terms
        money = "" if terms is None else terms.money
        found = []
        for part in self.table.shape.parts:
            for name in self.table.shape.outcomes:
                whose, unit = study.measures.population_of(name, part), study.measures.unit(name, money)
                found.append((whose, name, unit, self.table.outcome(name, part), self.base.outcome(name, part)))
            for threshold in terms.thresholds if terms is not None else ():
                one = objective_of(study.scenario, study.measures, NET_BENEFIT, threshold)
                whose = study.measures.population_of(QALY, part)
                named = f"{NET_BENEFIT} at {threshold:g}"
                found.append((whose, named, money, one.values(self.table, part), one.values(self.base, part)))
        return found

    def against_base(self) -> list[tuple[str, str, float, float, float]]:
        """Strategy, outcome, mean over draws, its standard error, and the value in the base case."""
        found = []
        for whose, name, _, values, base in self._told():
            if not whose.count(",") or name in OF_VALUE:
                for s, strategy in enumerate(self.strategies):
                    mean, error, *_ = _spread(values[:, s])
                    found.append((strategy, name, mean, error, float(base[0, s])))
        return found

    def acceptability(self) -> Table[Acceptable]:
        """Curves and frontier of acceptability, and expected loss."""
        draws = self.costs_and_effects
        shares, losses = acceptability(draws, self.thresholds), expected_loss(draws, self.thresholds)
        frontier = acceptability_frontier(draws, self.thresholds)
        rows = [
            Acceptable(
                threshold, name, float(shares[t, s]), float(net_monetary_benefit(draws, threshold)[:, s].mean()),
                float(losses[t, s]), "yes" if frontier[t].strategy == name else "no", draws.currency,
            )
            for t, threshold in enumerate(self.thresholds)
            for s, name in enumerate(self.strategies)
        ]  # fmt: skip
        return Table(Acceptable._fields, rows)

    def perfect(self) -> Table[Perfect]:
        """The expected value of perfect information at each threshold."""
        return self._perfect

    @cached_property
    def _perfect(self) -> Table[Perfect]:
        draws = self.costs_and_effects
        rows = [
            Perfect(one.threshold, one.value, one.standard_error, self._by_noise(one.threshold), draws.currency)
            for one in value_of_perfect_information(draws, self.thresholds)
        ]
        return Table(Perfect._fields, rows)

    def _by_noise(self, threshold: float) -> float:
        """What few patients add to the value of perfect information: what as much noise once more would add.

        Simulation and extrapolation: J. R. Cook and L. A. Stefanski, Journal of the American Statistical Association
        89 (1994) 1314-1328, doi:10.1080/01621459.1994.10476871, to first order.
        """
        benefit = net_monetary_benefit(self.costs_and_effects, threshold)
        one = objective_of(self.study.scenario, self.study.measures, NET_BENEFIT, threshold)
        covariance = one.covariance(self.table)
        if not np.isfinite(covariance).all():
            return math.nan
        sizes, axes = np.linalg.eigh(covariance)
        spread = axes * np.sqrt(np.clip(sizes, 0.0, None))
        random = np.random.Generator(np.random.PCG64(self.study.scenario.seed))
        off = benefit - benefit[:, :1]
        before = _perfect(off)
        added = [
            _perfect(off + (random.standard_normal(off.shape)[:, np.newaxis] * spread).sum(axis=-1)) - before
            for _ in range(REPLICATES)
        ]
        return float(np.mean(added))

    def shares_best(self, threshold: float) -> dict[str, float]:
        """Strategy -> the share of draws in which it has the highest net benefit."""
        return dict(zip(self.strategies, acceptability(self.costs_and_effects, [threshold])[0].tolist(), strict=True))

    def sentences(self) -> tuple[str, ...]:
        """The headline: which strategy is expected to be best, how sure that is, and what knowing would be worth."""
        draws, patients = self.table.draws, self.study.patients
        size = f"{draws:,} draws of everything uncertain, {patients:,} patients in each under every strategy."
        terms = self.study.scenario.terms
        if terms is None:
            values = self.objective.values(self.table)
            best = self.objective.best(np.nanmean(values, axis=0))
            share = float(np.mean(values.argmax(axis=1) == best))
            name = self.strategies[best]
            return (size, f"'{name}' is expected to be best in {self.objective.name}, and is in {share:.0%} of draws.")
        found = [size]
        perfect = {one.threshold: one for one in self.perfect().rows}
        for threshold in terms.thresholds:
            shares, worth = self.shares_best(threshold), perfect[threshold]
            choice = acceptability_frontier(self.costs_and_effects, [threshold])[0].strategy
            others = ", ".join(f"'{name}' in {share:.0%}" for name, share in shares.items() if name != choice)
            found.append(
                f"At {threshold:,.0f} {terms.money} a QALY '{choice}' has the highest expected net benefit, and is "
                f"best in {shares[choice]:.0%} of draws{f' ({others})' if others else ''}; to know everything would "
                f"be worth {worth.value:,.0f} ± {1.96 * worth.standard_error:,.0f} {terms.money} a patient, of "
                f"which few patients in each draw make about {worth.by_noise:,.0f}."
            )
        return tuple(found)

    def explained(self) -> tuple[str, ...]:
        """Why means over draws are not the base case."""
        if not self.valued:
            return ()
        told = []
        for strategy, name, mean, error, base in self.against_base():
            if name in (COST, QALY):
                far = abs(mean - base) / error if error > 0.0 else math.inf
                told.append(
                    f"{name} under '{strategy}' {base:,.4g} in the base case, {mean:,.4g} over draws ({far:.1f} SE)"
                )
        return tuple(told)


def _perfect(benefit: Floats) -> float:
    return float(benefit.max(axis=1).mean() - benefit.mean(axis=0).max())


def _spread(values: Floats) -> tuple[float, float, float, float]:
    """Mean, its standard error, and the central 95%."""
    if np.isnan(values).any():
        return (math.nan,) * 4
    error = float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
    low, high = (float(one) for one in np.percentile(values, CENTRAL))
    return float(values.mean()), error, low, high


def _round(step: float) -> float:
    """The next higher of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(nice * power for nice in (1.0, 2.0, 5.0, 10.0) if nice * power >= step)
