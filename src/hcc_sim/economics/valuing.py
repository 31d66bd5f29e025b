"""Quantities priced: what a strategy costs by item and category, and what it is worth in QALYs, per patient.

What is told are estimates like those of `outcomes`, with the same errors; contrasts are paired, since all strategies
treat the same patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.economics.costs_and_effects import CostsAndEffects
from hcc_sim.economics.discounting import MONTHS_A_YEAR
from hcc_sim.economics.doses import Packs
from hcc_sim.economics.items import CATEGORIES, Rules
from hcc_sim.economics.quantities import DISCOUNTED, PLAIN, Quantities
from hcc_sim.outcomes.estimates import Estimate, estimate_of, whole_and_without
from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.pathway.model import Amount, number

Floats = NDArray[np.float64]


KINDS = {DISCOUNTED: "discounted", PLAIN: "undiscounted"}
HIGHEST_UTILITY = 1.0


class Lived(NamedTuple):
    """A health state: its utility, and (2, 101) years in it and years times years since the start."""

    utility: float
    years: Floats
    aged_years: Floats


class Lost(NamedTuple):
    """A loss of utility, and (2, 101) years for which it is lost."""

    loss: float
    years: Floats


@dataclass(frozen=True)
class Valued:
    """A strategy, per patient: `[0]` of all patients, `[1 + g]` without group g.

    QALYs are the sum over health states of utility x (years - share lost by ageing x aged years), less the losses.

    Attributes:
        rules: what was counted.
        currency: of prices, with the price year.
        prices: item -> price of a unit.
        amounts: item -> units each time that it counts.
        counted: item -> (2, 101) how often it counts (months, cycles, events), plain and discounted.
        used: item -> (2, 101) units, plain and discounted: `amounts` x `counted`.
        lived: health state -> time in it, to the horizon.
        lost: loss of utility -> time for which it is lost, to the horizon.
        lost_share_per_year: of utility, by ageing.
        until_months: K times; the last is the horizon.
        qalys: (2, K, 101) up to each of these times, plain and discounted.
        life_years: the same.
        members: (100,) patients of each group.
        rates: annual discount rates of costs and of effects.
    """

    rules: Rules
    currency: str
    prices: Mapping[str, float]
    amounts: Mapping[str, float]
    counted: Mapping[str, Floats]
    used: Mapping[str, Floats]
    lived: Mapping[str, Lived]
    lost: Mapping[str, Lost]
    lost_share_per_year: float
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

    def net_benefit(self, threshold: float) -> Estimate:
        """Net monetary benefit at a threshold: threshold x QALYs - costs, discounted."""
        money = self.cost().estimates
        values = threshold * self.qalys[DISCOUNTED, -1] - money
        return estimate_of(EVERYBODY, f"net monetary benefit at {threshold:g}", self.currency, values, self.members)

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

    def means(sums: Mapping[str, Floats]) -> dict[str, Floats]:
        """Those of several, worked out at once."""
        return dict(zip(sums, mean(np.stack(list(sums.values()))), strict=True)) if sums else {}

    times = {item.name: _at_least_0(item.name, "amount", _amount(item.amount, values)) for item in rules.items}
    by_age = number(rules.lost_share_per_year, values)
    if by_age and not quantities.aged:
        raise ValueError("utilities fall with age, but what ageing takes was not counted")
    utilities = {one.name: _utility(one.name, number(one.utility, values)) for one in rules.health}
    losses = {one.name: _at_least_0(one.name, "loss of utility", number(one.loss, values)) for one in rules.decrements}
    months = np.sum(list(quantities.lived.values()), axis=0)
    weighted = np.zeros_like(months)
    for name, sums in quantities.lived.items():
        weighted += utilities[name] * (sums - by_age * quantities.aged[name] if by_age else sums)
    for name, sums in quantities.lost.items():
        weighted -= losses[name] * sums
    nothing = np.zeros((2, len(members)))
    years = means({name: sums[:, -1] / MONTHS_A_YEAR for name, sums in quantities.lived.items()})
    aged = means({name: sums[:, -1] / MONTHS_A_YEAR for name, sums in quantities.aged.items()}) if by_age else {}
    lost = means({name: sums[:, -1] / MONTHS_A_YEAR for name, sums in quantities.lost.items()})
    return Valued(
        rules,
        currency,
        {item.name: _at_least_0(item.name, "price", number(item.price, values)) for item in rules.items},
        times,
        means(quantities.used),
        means({name: times[name] * sums for name, sums in quantities.used.items()}),
        {name: Lived(utilities[name], years[name], aged.get(name, nothing)) for name in years},
        {name: Lost(losses[name], lost[name]) for name in lost},
        by_age,
        quantities.until_months,
        mean(weighted / MONTHS_A_YEAR),
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


def _amount(amount: Amount | Packs, values: Mapping[str, float]) -> float:
    return amount.number(values) if isinstance(amount, Packs) else number(amount, values)


def _at_least_0(name: str, what: str, value: float) -> float:
    if not 0.0 <= value < np.inf:
        raise ValueError(f"{name!r}: the {what} is {value}; it must be at least 0 and finite")
    return value


def _utility(name: str, value: float) -> float:
    if not -np.inf < value <= HIGHEST_UTILITY:
        raise ValueError(f"{name!r}: the utility is {value}; it must be at most 1")
    return value
