"""Quantities priced: what a strategy costs by item and category, and what it is worth in QALYs, per patient.

What is told are estimates like those of `outcomes`, with the same errors; contrasts are paired, since all strategies
treat the same patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcc_sim.economics.costs_and_effects import CostsAndEffects
from hcc_sim.economics.discounting import MONTHS_A_YEAR
from hcc_sim.economics.items import CATEGORIES, Rules
from hcc_sim.economics.quantities import DISCOUNTED, PLAIN, Quantities
from hcc_sim.outcomes.estimates import Estimate, estimate_of, whole_and_without
from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.pathway.model import number

Floats = NDArray[np.float64]


KINDS = {DISCOUNTED: "discounted", PLAIN: "undiscounted"}
HIGHEST_UTILITY = 1.0


@dataclass(frozen=True)
class Valued:
    """A strategy, per patient: `[0]` of all patients, `[1 + g]` without group g.

    Attributes:
        rules: what was counted.
        currency: of prices, with the price year.
        prices: item -> price of a unit.
        used: item -> (2, 101) units, plain and discounted.
        until_months: K times; the last is the horizon.
        qalys: (2, K, 101) up to each of these times, plain and discounted.
        life_years: the same.
        members: (100,) patients of each group.
        rates: annual discount rates of costs and of effects.
    """

    rules: Rules
    currency: str
    prices: Mapping[str, float]
    used: Mapping[str, Floats]
    until_months: tuple[float, ...]
    qalys: Floats
    life_years: Floats
    members: NDArray[np.int64]
    rates: tuple[float, float]

    def item(self, name: str, kind: int = DISCOUNTED) -> Estimate:
        """What an item costs.

        Raises:
            KeyError: there is none of that name.
        """
        return self._money(f"cost of {name}", kind, [name])

    def category(self, category: str, kind: int = DISCOUNTED) -> Estimate:
        """What the items of a category cost.

        Raises:
            ValueError: an unknown category.
        """
        if category not in CATEGORIES:
            raise ValueError(f"category {category!r} is none of {', '.join(CATEGORIES)}")
        names = [item.name for item in self.rules.items if item.category == category]
        return self._money(f"costs: {category}", kind, names)

    def cost(self, kind: int = DISCOUNTED) -> Estimate:
        """What everything costs."""
        return self._money("costs", kind, self.used)

    def qaly(self, kind: int = DISCOUNTED) -> Estimate:
        """QALYs up to the horizon."""
        return self._estimate("QALYs", kind, "QALY", self.qalys[kind, -1])

    def life_year(self, kind: int = DISCOUNTED) -> Estimate:
        """Life years up to the horizon."""
        return self._estimate("life years", kind, "years", self.life_years[kind, -1])

    def estimates(self) -> Iterator[Estimate]:
        """Totals, costs by category, and QALYs that lie past each of the times before the horizon."""
        for kind in KINDS:
            yield self.cost(kind)
            yield from (self.category(category, kind) for category in self.categories)
            yield self.qaly(kind)
            yield self.life_year(kind)
            for until, qalys in zip(self.until_months[:-1], self.qalys[kind], strict=False):
                after = self.qalys[kind, -1] - qalys
                yield self._estimate(f"QALYs past {until / MONTHS_A_YEAR:g} years", kind, "QALY", after)

    @property
    def categories(self) -> tuple[str, ...]:
        """Those that some item belongs to, in the order of all."""
        some = {item.category for item in self.rules.items}
        return tuple(category for category in CATEGORIES if category in some)

    def _money(self, outcome: str, kind: int, names: Iterable[str]) -> Estimate:
        nothing = np.zeros_like(self.qalys[kind, -1])
        values = sum((self.prices[name] * self.used[name][kind] for name in names), start=nothing)
        return self._estimate(outcome, kind, self.currency, values)

    def _estimate(self, outcome: str, kind: int, unit: str, values: Floats) -> Estimate:
        return estimate_of(EVERYBODY, f"{outcome} ({KINDS[kind]})", unit, values, self.members)


def valued(quantities: Quantities, values: Mapping[str, float], currency: str = "") -> Valued:
    """What was counted, at the prices, utilities and losses of these values.

    Raises:
        ValueError: a price below 0, a utility above 1, a number that is not finite, nobody counted.
    """
    if not quantities.members.any():
        raise ValueError("no patient was counted")
    rules = quantities.rules
    members = whole_and_without(quantities.members).astype(np.float64)

    def mean(sums: Floats) -> Floats:
        """(..., 100) by group to (..., 101) means."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.moveaxis(whole_and_without(np.moveaxis(sums, -1, 0)), 0, -1) / members)

    times = {item.name: _at_least_0(item.name, "amount", number(item.amount, values)) for item in rules.items}
    months = np.sum([quantities.lived[one.name] for one in rules.health], axis=0)
    weighted = sum(
        _utility(one.name, number(one.utility, values)) * quantities.lived[one.name] for one in rules.health
    ) - sum(
        _at_least_0(one.name, "loss of utility", number(one.loss, values)) * quantities.lost[one.name]
        for one in rules.decrements
    )
    return Valued(
        rules,
        currency,
        {item.name: _at_least_0(item.name, "price", number(item.price, values)) for item in rules.items},
        {name: mean(times[name] * sums) for name, sums in quantities.used.items()},
        quantities.until_months,
        mean(np.asarray(weighted) / MONTHS_A_YEAR),
        mean(months / MONTHS_A_YEAR),
        quantities.members.copy(),
        (quantities.rate_of_costs, quantities.rate_of_effects),
    )


def costs_and_effects(strategies: Mapping[str, Valued]) -> CostsAndEffects:
    """The base case of all strategies as a table of one draw: discounted costs and QALYs.

    Raises:
        ValueError: no strategy; strategies that differ in currency, discount rates, horizon or number of patients.
    """
    found = strategies.values()
    of = {(one.currency, one.rates, one.until_months, one.members.tobytes()) for one in found}
    if len(of) > 1:
        raise ValueError("strategies can be compared only in one currency, with equal rates, horizon and patients")
    currency = next(iter(found)).currency if strategies else ""
    return CostsAndEffects(
        tuple(strategies), [one.cost().value for one in found], [one.qaly().value for one in found], currency
    )


def _at_least_0(name: str, what: str, value: float) -> float:
    if not 0.0 <= value < np.inf:
        raise ValueError(f"{name!r}: the {what} is {value}; it must be at least 0 and finite")
    return value


def _utility(name: str, value: float) -> float:
    if not -np.inf < value <= HIGHEST_UTILITY:
        raise ValueError(f"{name!r}: the utility is {value}; it must be at most 1")
    return value
