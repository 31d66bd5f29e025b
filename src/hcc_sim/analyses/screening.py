"""Global sensitivity of a scenario: the designs of Sobol and of Morris on its uncertain parameters, and their reading.

Parameters are taken as independent, each with its own distribution: what the calibration says of how they go together
is left out (where an assumption is turned, what was fitted is taken given it).  Joint draws keep it: see `psa`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.morris import ElementaryEffect, MorrisDesign
from hcc_sim.analyses.sobol import SobolDesign, SobolIndex
from hcc_sim.analyses.study.design import Listed
from hcc_sim.analyses.study.objective import Objective
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import Uncertain
from hcc_sim.outcomes import Table
from hcc_sim.quantiles import NORMAL, value_of

Floats = NDArray[np.float64]

BASE, TRAJECTORIES, LEVELS = 64, 10, 4
STRONGEST = 5


def design_of(quantities: Sequence[Uncertain], scheme: SobolDesign | MorrisDesign) -> Listed:
    """The points of a scheme as values of quantities, each by the quantiles of its distribution.

    Raises:
        ValueError: quantities that are not those of the scheme, in its order.
    """
    if tuple(one.name for one in quantities) != scheme.names:
        raise ValueError("the quantities are not those of the scheme")
    points = scheme.points()
    values = np.empty_like(points)
    for place, one in enumerate(quantities):
        at = value_of(one.distribution.family, one.distribution.low, one.distribution.high)
        low, high = one.bounds
        values[:, place] = [min(max(at(NORMAL.inv_cdf(p)), low), high) for p in points[:, place].tolist()]
    return Listed(scheme.names, values, {"scheme": type(scheme).__name__, "seed": scheme.seed})


@dataclass(frozen=True)
class Screening:
    """The reading of either scheme: of every objective, of each strategy and of each pair."""

    study: Study
    table: DrawTable
    scheme: SobolDesign | MorrisDesign
    objectives: tuple[Objective, ...]
    strategy: str
    versus: str

    def _outcomes(self) -> tuple[Floats, list[str]]:
        """(D, Y) of every objective under each strategy and between every two, and their names."""
        columns, names = [], []
        strategies = self.table.shape.strategies
        for objective in self.objectives:
            values = objective.values(self.table)
            for s, strategy in enumerate(strategies):
                columns.append(values[:, s])
                names.append(f"{self._named(objective)}: {strategy}")
            for versus, one in combinations(range(len(strategies)), 2):
                columns.append(values[:, one] - values[:, versus])
                names.append(f"{self._named(objective)}: {strategies[one]} minus {strategies[versus]}")
        return np.column_stack(columns), names

    @staticmethod
    def _named(objective: Objective) -> str:
        return objective.name if objective.threshold is None else f"{objective.name} at {objective.threshold:g}"

    @cached_property
    def rows(self) -> list[SobolIndex] | list[ElementaryEffect]:
        """Indices or effects of all of them."""
        outcomes, names = self._outcomes()
        return self.scheme.read(outcomes, names, self.scheme.points())

    @property
    def headline(self) -> str:
        """The outcome that the headline is about: the first objective, one strategy minus another."""
        names = self.table.shape.strategies
        if len(names) == 1:
            return f"{self._named(self.objectives[0])}: {names[0]}"
        one, other = sorted((self.strategy, self.versus), key=names.index, reverse=True)
        return f"{self._named(self.objectives[0])}: {one} minus {other}"

    def ranked(self) -> list[SobolIndex] | list[ElementaryEffect]:
        """Of the headline's outcome, the strongest first."""
        ours: list[Any] = [row for row in self.rows if row.outcome == self.headline]
        return sorted(ours, key=lambda row: -np.nan_to_num(_size(row)))

    def tables(self) -> dict[str, Table[Any]]:
        """By the name of the file."""
        if isinstance(self.scheme, SobolDesign):
            return {"sobol": Table(SobolIndex._fields, list(self.rows))}
        return {"morris": Table(ElementaryEffect._fields, list(self.rows))}

    def sentences(self) -> tuple[str, ...]:
        """Which parameters matter most for the first objective."""
        ranked = self.ranked()[:STRONGEST]
        unit = self.objectives[0].unit
        size = f"{self.table.draws:,} draws of {len(self.scheme.factors)} parameters, {self.study.patients:,} patients"
        if isinstance(self.scheme, SobolDesign):
            told = "; ".join(
                f"{row.parameter} {row.total_order:.2f} ({row.total_order_low:.2f} to {row.total_order_high:.2f}; "
                f"alone {row.first_order:.2f})"
                for row in ranked
                if isinstance(row, SobolIndex)
            )
            return (f"{size}. Shares of the variance of the {self.headline} ({unit}), total order: {told}.",)
        told = "; ".join(
            f"{row.parameter} {row.mean_absolute:,.4g} ({row.mean_absolute_low:,.4g} to {row.mean_absolute_high:,.4g}; "
            f"signed {row.mean:+,.4g}, spread {row.standard_deviation:,.3g})"
            for row in ranked
            if isinstance(row, ElementaryEffect)
        )
        return (f"{size}. Mean absolute effects on the {self.headline} ({unit}) across the central 95%: {told}.",)


def _size(row: SobolIndex | ElementaryEffect) -> float:
    return row.total_order if isinstance(row, SobolIndex) else row.mean_absolute
