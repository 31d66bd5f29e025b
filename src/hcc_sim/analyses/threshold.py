"""At which value of a parameter the decision changes, and what value a strategy would need to be the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.grid import Axis
from hcc_sim.analyses.study.design import Listed, listed
from hcc_sim.analyses.study.measured import ALL
from hcc_sim.analyses.study.objective import Objective
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.outcomes import Table
from hcc_sim.quantiles import scale_of

Floats = NDArray[np.float64]

POINTS = 11


class Region(NamedTuple):
    """Between two values of a parameter a strategy is the best; ends that are no turn are those of the range.

    `from_mc_se` and `to_mc_se` are Monte-Carlo errors of the place of a turn, in the parameter's unit, NaN at an end of
    the range.  `lead` is the largest advantage over the next best there.
    """

    parameter: str
    unit: str
    strategy: str
    from_value: float
    from_mc_se: float
    to_value: float
    to_mc_se: float
    lead: float
    outcome: str
    outcome_unit: str


class Need(NamedTuple):
    """What a strategy would need of a parameter to be the best: values from and to, NaN where none in range makes it.

    `shortfall` is what it lacks at the value that serves it best, 0 where it is the best somewhere.
    """

    parameter: str
    unit: str
    strategy: str
    from_value: float
    to_value: float
    shortfall: float
    base: float
    outcome: str
    outcome_unit: str


def design_of(axes: Sequence[Axis]) -> Listed:
    """Along each axis, one parameter at a time."""
    rows = [{axis.quantity.name: value} for axis in axes for value in axis.values]
    return listed([axis.quantity for axis in axes], rows, axes=[len(axis.values) for axis in axes])


@dataclass(frozen=True)
class Thresholds:
    """The reading of parameters turned one at a time along their ranges."""

    study: Study
    table: DrawTable
    axes: tuple[Axis, ...]
    objective: Objective

    def along(self, axis: Axis) -> Floats:
        """(points, S) of the objective."""
        before = self.axes[: self.axes.index(axis)]
        first = sum(len(one.values) for one in before)
        return self.objective.values(self.table)[first : first + len(axis.values)]

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Of each parameter in turn, from its lowest value up."""
        return tuple(region for axis in self.axes for region in self._along(axis))

    def _along(self, axis: Axis) -> list[Region]:
        values = self.along(axis)
        best = [self.objective.best(row) for row in values]
        edges: list[tuple[float, float, int, int]] = []  # place, its error, from whom, to whom
        for k in range(len(best) - 1):
            edges += self._turns(axis, k, values, best[k], best[k + 1])
        found = []
        begin, begin_error = axis.values[0], math.nan
        whose = [*(edge[2] for edge in edges), best[-1]]
        for strategy, edge in zip(whose, [*edges, None], strict=True):
            end, end_error = (axis.values[-1], math.nan) if edge is None else edge[:2]
            inside = [row for row, value in zip(values, axis.values, strict=True) if begin <= value <= end]
            lead = max((self._lead(row, strategy) for row in inside), default=0.0)
            name = self.table.shape.strategies[strategy]
            found.append(
                Region(
                    axis.quantity.name, axis.quantity.unit, name, begin, begin_error, end, end_error, lead,
                    self.objective.name, self.objective.unit,
                )
            )  # fmt: skip
            begin, begin_error = end, end_error
        return found

    def _turns(self, axis: Axis, k: int, values: Floats, here: int, there: int) -> list[tuple[float, float, int, int]]:
        """Where the best changes between two points: along straight lines on the scale of the distribution."""
        if here == there:
            return []
        low, high = axis.values[k], axis.values[k + 1]
        to, back = scale_of(axis.quantity.distribution.family if low > 0.0 and math.isfinite(high) else "normal")
        try:
            begin, end = to(low), to(high)
        except (ValueError, ZeroDivisionError):
            begin, end, back = low, high, float
        if not math.isfinite(end):  # never: nothing lies between
            return [(high, math.nan, here, there)]
        sign = -1.0 if self.objective.less_is_better else 1.0
        a, b = sign * values[k], sign * values[k + 1]
        turns, at, current = [], 0.0, here
        while current != there:
            # The upper envelope of straight lines: who first overtakes the one that leads.
            slope = (b - a) - (b - a)[current]
            gap = (a - a[current]) + at * slope
            with np.errstate(divide="ignore", invalid="ignore"):
                further = np.where(slope > 0.0, at - gap / slope, np.inf)
            further[current] = np.inf
            following = int(np.argmin(further))
            at = float(min(max(further[following], at), 1.0))
            place = back(begin + at * (end - begin))
            error = (
                self._error(axis, k, current, following) * abs(high - low) / max(abs(float(slope[following])), 1e-300)
            )
            turns.append((place, error, current, following))
            current = following
        return turns

    def _error(self, axis: Axis, k: int, strategy: int, versus: int) -> float:
        """The Monte-Carlo error of a contrast at the nearer point."""
        before = self.axes[: self.axes.index(axis)]
        draw = sum(len(one.values) for one in before) + k
        assert self.table.covariances is not None
        covariance = self.table.covariances[draw][self.table.shape.parts.index(ALL)]
        names = self.table.shape.strategies
        return self.objective.error(self.table, covariance, names[strategy], names[versus])

    def _lead(self, row: Floats, strategy: int) -> float:
        """By how much a strategy is better than the best of all others; below 0 if it is not."""
        others = np.delete(row, strategy)
        if not len(others):
            return 0.0
        if self.objective.less_is_better:
            return float(others.min() - row[strategy])
        return float(row[strategy] - others.max())

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """For every parameter and strategy, at which values it is the best, or by how much it never is."""
        found = []
        for axis in self.axes:
            ours = [region for region in self.regions if region.parameter == axis.quantity.name]
            for s, name in enumerate(self.table.shape.strategies):
                best = [region for region in ours if region.strategy == name]
                low, high = (best[0].from_value, best[-1].to_value) if best else (math.nan, math.nan)
                lead = max(self._lead(row, s) for row in self.along(axis))
                found.append(
                    Need(
                        axis.quantity.name, axis.quantity.unit, name, low, high, max(-lead, 0.0) if not best else 0.0,
                        axis.quantity.base, self.objective.name, self.objective.unit,
                    )
                )  # fmt: skip
        return tuple(found)

    def tables(self) -> dict[str, Table[Any]]:
        """Regions and needs."""
        return {
            "thresholds": Table(Region._fields, list(self.regions)),
            "headroom": Table(Need._fields, list(self.needs)),
        }

    def sentences(self) -> tuple[str, ...]:
        """Of each parameter, where the decision changes."""
        found, steady = [], []
        for axis in self.axes:
            ours = [region for region in self.regions if region.parameter == axis.quantity.name]
            if len(ours) == 1:
                steady.append(axis.quantity.name)
                continue
            turns = ", then ".join(
                f"'{after.strategy}' from {axis.quantity.text(after.from_value)}"
                + (f" (± {1.96 * after.from_mc_se:,.2g})" if after.from_mc_se == after.from_mc_se else "")
                for after in ours[1:]
            )
            found.append(f"{axis.quantity.name}: '{ours[0].strategy}' is best up to there, {turns}.")
        if steady:
            best = {r.parameter: r.strategy for r in self.regions}
            names = ", ".join(dict.fromkeys(f"'{best[name]}'" for name in steady))
            found.append(f"Nowhere across {', '.join(steady)} does the decision change ({names} is best throughout).")
        return tuple(found)
