"""One-way analysis: each parameter to either end of its own interval, all else held; what moves the answer most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hcc_sim.analyses.study.design import Listed, listed
from hcc_sim.analyses.study.measured import ALL
from hcc_sim.analyses.study.objective import Objective, objective_of
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import FAMILY, Uncertain
from hcc_sim.analyses.turning import crossing
from hcc_sim.outcomes import Table

BASE = 0
"""The draw of the base case; parameter k has draws 1 + 2 k, its low end, and 2 + 2 k."""

STRONGEST = 5
"""Parameters that the headline names."""


class Swing(NamedTuple):
    """A contrast across the interval of one parameter: at its low end, its base value and its high end.

    `mc_se` is the largest Monte-Carlo error of the three; `turns_at` where the contrast changes sign, interpolated, NaN
    where it does not; `best_at_low` and `best_at_high` are the best of all strategies there.
    """

    parameter: str
    source: str
    kind: str
    unit: str
    low: float
    base: float
    high: float
    outcome: str
    strategy: str
    versus: str
    at_low: float
    at_base: float
    at_high: float
    span: float
    mc_se: float
    turns_at: float
    best_at_low: str
    best_at_high: str
    outcome_unit: str


def design_of(quantities: Sequence[Uncertain]) -> Listed:
    """The base case, then either end of each: its central 95%, of a uniform distribution its bounds."""
    rows: list[dict[str, float]] = [{}]
    for one in quantities:
        rows += [{one.name: one.distribution.low}, {one.name: one.distribution.high}]
    return listed(quantities, rows)


@dataclass(frozen=True)
class OneWay:
    """The reading of a one-way design."""

    study: Study
    table: DrawTable
    quantities: tuple[Uncertain, ...]
    objective: Objective
    strategy: str
    versus: str

    @cached_property
    def swings(self) -> tuple[Swing, ...]:
        """Of the objective, the strongest first."""
        return tuple(sorted(self._of(self.objective), key=lambda one: -one.span if one.span == one.span else 0.0))

    @property
    def moving(self) -> tuple[Swing, ...]:
        """Those that move it at all."""
        return tuple(one for one in self.swings if one.span > 0.0)

    def _of(self, objective: Objective) -> list[Swing]:
        values = objective.values(self.table)
        names = self.table.shape.strategies
        contrast = objective.contrast(self.table, self.strategy, self.versus)
        part = self.table.shape.parts.index(ALL)
        covariances = self.table.covariances
        assert covariances is not None
        errors = [objective.error(self.table, c[part], self.strategy, self.versus) for c in covariances]
        found = []
        for k, quantity in enumerate(self.quantities):
            draws = (1 + 2 * k, BASE, 2 + 2 * k)
            at_low, at_base, at_high = (float(contrast[draw]) for draw in draws)
            prior = quantity.distribution
            ends = (prior.low, quantity.base, prior.high)
            turns = None
            if prior.low <= quantity.base <= prior.high:
                turns = crossing(prior, ends, (at_low, at_base, at_high))
            if turns is not None and quantity.name.startswith(FAMILY):
                turns = 0.5  # one family or the other: nothing lies between
            span = max(at_low, at_base, at_high) - min(at_low, at_base, at_high)
            contrasts = (at_low, at_base, at_high, span)
            found.append(
                Swing(
                    quantity.name, quantity.source, quantity.kind, quantity.unit, *ends, objective.name, self.strategy,
                    self.versus, *contrasts, max(errors[draw] for draw in draws),
                    math.nan if turns is None else turns, names[objective.best(values[draws[0]])],
                    names[objective.best(values[draws[2]])], objective.unit,
                )
            )  # fmt: skip
        return found

    def tables(self) -> dict[str, Table[Any]]:
        """Of the objective, and of every outcome that was kept."""
        everything = list(self.swings)
        for name in self.table.shape.outcomes:
            if name != self.objective.name:
                everything += self._of(objective_of(self.study.scenario, self.study.measures, name))
        return {"one-way": Table(Swing._fields, everything)}

    def sentences(self) -> tuple[str, ...]:
        """Which parameters the answer hangs on most, and whether any turns it."""
        base = self.swings[0].at_base if self.swings else math.nan
        what = (
            f"The {self.objective.name} of {self.objective.of_whom(self.strategy, self.versus)} ({self.objective.unit})"
        )
        strongest = "; ".join(
            f"{one.parameter} ({one.at_low:+,.4g} to {one.at_high:+,.4g})" for one in self.moving[:STRONGEST]
        )
        turning = [one.parameter for one in self.moving if not math.isnan(one.turns_at)]
        others = [one for one in self.moving if {one.best_at_low, one.best_at_high} != {self._best()}]
        turns = f"{', '.join(turning)} would turn its sign" if turning else "none alone would turn its sign"
        choice = (
            f"another strategy would be best at an end of {', '.join(one.parameter for one in others)}"
            if others
            else f"'{self._best()}' stays the best at either end of each"
        )
        return (
            f"{what} is {base:+,.5g} in the base case ({self.study.patients:,} patients). "
            + (f"It hangs most on {strongest}." if strongest else "None of these parameters moves it."),
            f"Of {len(self.quantities)} parameters, each to the ends of its own interval, {turns}; {choice}.",
        )

    def _best(self) -> str:
        return self.table.shape.strategies[self.objective.best(self.objective.values(self.table)[BASE])]


def pair_of(table: DrawTable, objective: Objective, draw: int = BASE) -> tuple[str, str]:
    """The best strategy and the worst, in a draw; of one strategy itself twice."""
    values = objective.values(table)[draw]
    best, worst = objective.best(values), objective.best(-np.asarray(values))
    return table.shape.strategies[best], table.shape.strategies[worst]
