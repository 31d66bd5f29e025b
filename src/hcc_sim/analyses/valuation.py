"""What the strategies of a run cost and are worth, and which to choose: the base case of an economic evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.strategies import rules_of
from hcc_sim.economics import CostsAndEffects, increments
from hcc_sim.economics.quantities import DISCOUNTED, PLAIN, Quantities
from hcc_sim.economics.terms import Terms
from hcc_sim.economics.valuing import Valued, costs_and_effects, valued
from hcc_sim.outcomes import Estimate, Estimates, Table, Tally, estimates_of
from hcc_sim.outcomes.estimates import WITHIN
from hcc_sim.scenario import Scenario

Floats = NDArray[np.float64]


class Cost(NamedTuple):
    """An item under a strategy, per patient: `cost` = `price` x `units`, discounted; then the same undiscounted."""

    strategy: str
    category: str
    item: str
    price: float
    units: float
    cost: float
    mc_se: float
    units_undiscounted: float
    cost_undiscounted: float
    currency: str


class Health(NamedTuple):
    """A health state, or a loss of utility, under a strategy, per patient: years and the QALYs they count."""

    strategy: str
    health: str
    utility: float
    years: float
    qalys: float
    years_undiscounted: float
    qalys_undiscounted: float


class Step(NamedTuple):
    """A strategy in order of expected cost, and what it adds to the one before on the frontier."""

    strategy: str
    cost: float
    cost_mc_se: float
    qalys: float
    qalys_mc_se: float
    status: str
    versus: str
    incremental_cost: float
    incremental_cost_mc_se: float
    incremental_qalys: float
    incremental_qalys_mc_se: float
    icer: float
    icer_mc_se: float
    currency: str


class Benefit(NamedTuple):
    """Net benefit of a strategy at a threshold; `loss` is what it falls short of the best, with its paired error."""

    threshold: float
    strategy: str
    net_monetary_benefit: float
    net_health_benefit: float
    best: str
    loss: float
    loss_mc_se: float
    currency: str


class Beyond(NamedTuple):
    """How much of the difference in QALYs lies past a time: where no trial has followed anybody."""

    strategy: str
    versus: str
    past_years: float
    incremental_qalys: float
    past: float
    share: float


class ValueTables(NamedTuple):
    """All tables; their names are those of the files."""

    costs: Table[Cost]
    qalys: Table[Health]
    increments: Table[Step]
    net_benefit: Table[Benefit]
    beyond: Table[Beyond]


@dataclass(frozen=True)
class Valuation:
    """Costs and QALYs per patient who starts, discounted, of all strategies of a run.

    `notes` say what had to be taken for another where a price or a drug is not known.
    """

    terms: Terms
    strategies: Mapping[str, Valued]
    notes: tuple[str, ...]

    @cached_property
    def table(self) -> CostsAndEffects:
        """Of one draw: the base case."""
        return costs_and_effects(self.strategies)

    def best(self, threshold: float) -> str:
        """The strategy of the highest net monetary benefit."""
        return max(self.strategies, key=lambda name: self.strategies[name].net_benefit(threshold).value)

    def answer(self) -> str:
        """Which strategy has the highest net benefit at each threshold, by how much, and how it compares."""
        names = list(self.strategies)
        if len(names) == 1:
            one = self.strategies[names[0]]
            return f"'{names[0]}' costs {_money(one.cost())} {self.terms.money} and gives {_effect(one.qaly())} QALYs."
        return " ".join(map(self._best_in_words, self.terms.thresholds))

    def _best_in_words(self, threshold: float) -> str:
        """The best at a threshold beside the worst; at the last of all thresholds what costs and QALYs differ by."""
        benefits = {name: one.net_benefit(threshold) for name, one in self.strategies.items()}
        best = self.best(threshold)
        worst = min(benefits, key=lambda name: benefits[name].value)
        at, gap = f"At {threshold:,.0f} {self.terms.money} a QALY", benefits[best] - benefits[worst]
        if gap.value == 0.0:
            return f"{at} no strategy is better than another."
        if not _told_apart(gap):
            return (
                f"{at} no strategy can be told apart: '{best}' has a net benefit {_money(gap)} above that of '{worst}'."
            )
        others = (name for name in benefits if name not in (best, worst))
        equal = [f"'{name}'" for name in others if not _told_apart(benefits[best] - benefits[name])]
        apart = f"; not told apart from it: {', '.join(equal)}" if equal else ""
        text = f"{at} '{best}' has the highest net benefit, {_money(gap)} more than '{worst}', the lowest{apart}"
        if threshold != self.terms.thresholds[-1]:
            return f"{text}."
        one, other = self.strategies[best], self.strategies[worst]
        return (
            f"{text}: it costs {_more_or_less(one.cost() - other.cost(), _money)} and gives "
            f"{_more_or_less(one.qaly() - other.qaly(), _effect)} QALYs than '{worst}'."
        )

    @cached_property
    def tables(self) -> ValueTables:
        """What is told, as rows."""
        return ValueTables(
            Table(Cost._fields, list(self._costs())),
            Table(Health._fields, list(self._health())),
            Table(Step._fields, self._steps()),
            Table(Benefit._fields, list(self._benefits())),
            Table(Beyond._fields, list(self._beyond())),
        )

    def _costs(self) -> Sequence[Cost]:
        return [
            Cost(
                name, item.category, item.name, one.prices[item.name], float(one.used[item.name][DISCOUNTED, 0]),
                (told := one.item(item.name)).value, told.mc_se, float(one.used[item.name][PLAIN, 0]),
                one.item(item.name, PLAIN).value, one.currency,
            )
            for name, one in self.strategies.items()
            for item in sorted(one.rules.items, key=lambda item: one.categories.index(item.category))
        ]  # fmt: skip

    def _health(self) -> Sequence[Health]:
        rows = []
        for name, one in self.strategies.items():
            for health, lived in one.lived.items():
                years = lived.years[:, 0]
                qalys = lived.utility * (years - one.lost_share_per_year * lived.aged_years[:, 0])
                rows.append(_row(name, health, lived.utility, years, qalys))
            for loss, lost in one.lost.items():
                years = lost.years[:, 0]
                rows.append(_row(name, f"lost: {loss}", -lost.loss, years, -lost.loss * years))
        return rows

    def _steps(self) -> list[Step]:
        rows = []
        for step in increments(self.table):
            one = self.strategies[step.strategy]
            cost, qaly = one.cost(), one.qaly()
            more = (math.nan,) * 3
            if not math.isnan(step.icer):
                other = self.strategies[step.versus]
                cost_more, qaly_more = cost - other.cost(), qaly - other.qaly()
                more = (cost_more.mc_se, qaly_more.mc_se, ratio_of(cost_more, qaly_more).mc_se)
            rows.append(
                Step(
                    step.strategy, cost.value, cost.mc_se, qaly.value, qaly.mc_se, str(step.status), step.versus,
                    step.incremental_cost, more[0], step.incremental_effect, more[1], step.icer, more[2], one.currency,
                )
            )  # fmt: skip
        return rows

    def _benefits(self) -> Sequence[Benefit]:
        rows = []
        for threshold in self.terms.thresholds:
            best = self.best(threshold)
            highest = self.strategies[best].net_benefit(threshold)
            for name, one in self.strategies.items():
                benefit = one.net_benefit(threshold)
                lost = highest - benefit
                rows.append(
                    Benefit(
                        threshold, name, benefit.value, benefit.value / threshold, "yes" if name == best else "no",
                        lost.value, lost.mc_se, one.currency,
                    )
                )  # fmt: skip
        return rows

    def _beyond(self) -> Sequence[Beyond]:
        rows = []
        for versus, name in combinations(self.strategies, 2):
            one, other = self.strategies[name], self.strategies[versus]
            gap = one.qalys[DISCOUNTED, :, 0] - other.qalys[DISCOUNTED, :, 0]
            for until, up_to in zip(one.until_months[:-1], gap[:-1], strict=True):
                past = float(gap[-1] - up_to)
                share = past / float(gap[-1]) if gap[-1] else math.nan
                rows.append(Beyond(name, versus, until / 12.0, float(gap[-1]), past, share))
        return rows


def _told_apart(gap: Estimate) -> bool:
    return gap.value > WITHIN * gap.mc_se


def _money(of: Estimate) -> str:
    return f"{of.value:,.0f} ± {WITHIN * of.mc_se:,.0f}"


def _effect(of: Estimate) -> str:
    return f"{of.value:.3f} ± {WITHIN * of.mc_se:.3f}"


def _more_or_less(gap: Estimate, told: Callable[[Estimate], str]) -> str:
    if gap.value == 0.0:
        return "no more and no less"
    if gap.value > 0.0:
        return f"{told(gap)} more"
    return f"{told(replace(gap, estimates=-gap.estimates))} less"


def _row(name: str, health: str, utility: float, years: Floats, qalys: Floats) -> Health:
    return Health(
        name, health, utility, float(years[DISCOUNTED]), float(qalys[DISCOUNTED]), float(years[PLAIN]),
        float(qalys[PLAIN]),
    )  # fmt: skip


def ratio_of(cost: Estimate, effect: Estimate) -> Estimate:
    """The incremental cost-effectiveness ratio of two paired contrasts, formed again without each group."""
    return replace(cost, outcome="ICER", estimates=cost.estimates / effect.estimates)


def valuation_of(scenario: Scenario, quantities: Mapping[str, Quantities]) -> Valuation | None:
    """The quantities of a run at the scenario's prices; None where it has no terms.

    Raises:
        ValueError: a price or utility that cannot be.
    """
    if scenario.terms is None or not quantities:
        return None
    strategies, told = {}, {}
    for strategy in scenario.strategies:
        values = strategy.parameters.values_only()
        strategies[strategy.name] = valued(quantities[strategy.name], values, scenario.terms.money)
        told[strategy.name] = rules_of(scenario, strategy)[1]
    return Valuation(scenario.terms, strategies, _notes(told))


def all_estimates(tallies: Mapping[str, Tally], valuation: Valuation | None) -> Estimates:
    """All outcomes by strategy, then costs and QALYs where they are valued.

    Raises:
        ValueError: the strategies cannot be compared.
    """
    found = estimates_of(tallies)
    if valuation is None:
        return found
    return {name: [*told, *valuation.strategies[name].estimates()] for name, told in found.items()}


def _notes(told: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Each note once, with the strategies that it is about where it is not about all."""
    about: dict[str, list[str]] = {}
    for name, notes in told.items():
        for note in notes:
            about.setdefault(note, []).append(f"'{name}'")
    return tuple(
        f"{note}." if len(names) == len(told) else f"{note} ({', '.join(names)})." for note, names in about.items()
    )
