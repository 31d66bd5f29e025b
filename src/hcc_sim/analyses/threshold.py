"""At which value of a parameter the decision changes, and what value a strategy would need to be the best."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.grid import Axis, not_renewed
from hcc_sim.analyses.study.design import Listed, listed
from hcc_sim.analyses.study.measured import ALL
from hcc_sim.analyses.study.objective import Objective
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import FAMILY
from hcc_sim.outcomes import Table
from hcc_sim.outcomes.estimates import WITHIN
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
        """Regions in which a strategy is the best, and is told apart from that of either neighbour.

        Where few patients leave it open which of two is better, the one before goes on: what flips by chance is no
        turn.
        """
        line = _Line(self, axis)
        parts = line.told_apart(line.parts())
        found = []
        for k, (strategy, begin, end) in enumerate(parts):
            inside = [line.lead(strategy, place) for place in _places(begin, end)]
            ends = [line.turn(parts, k - 1), line.turn(parts, k)]
            found.append(
                Region(
                    axis.quantity.name, axis.quantity.unit, self.table.shape.strategies[strategy], *ends[0], *ends[1],
                    max(inside), self.objective.name, self.objective.unit,
                )
            )  # fmt: skip
        return found

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
            parts = [f"'{ours[0].strategy}' up to {self._place(axis, ours[0])}"]
            parts += [f"'{one.strategy}' up to {self._place(axis, one)}" for one in ours[1:-1]]
            found.append(f"{axis.quantity.name}: the best is {', then '.join(parts)}, '{ours[-1].strategy}' above.")
        if steady:
            best = {r.parameter: r.strategy for r in self.regions}
            names = ", ".join(dict.fromkeys(f"'{best[name]}'" for name in steady))
            found.append(
                f"Nowhere across {', '.join(steady)} does a change of the decision show ({names} throughout; "
                f"{self.study.patients:,} patients)."
            )
        return (*found, *not_renewed(self.study, self.axes))

    @staticmethod
    def _place(axis: Axis, region: Region) -> str:
        error = region.to_mc_se
        return axis.quantity.text(region.to_value) + (f" (± {WITHIN * error:,.2g})" if error == error else "")


Part = tuple[int, float, float]
"""A strategy, and from where to where it is the best: places count points of the axis from 0."""


class _Line:
    """The objective along an axis, straight between its points."""

    def __init__(self, whole: Thresholds, axis: Axis) -> None:
        self.axis, self._of = axis, whole
        self._sign = -1.0 if whole.objective.less_is_better else 1.0
        self._values = self._sign * whole.along(axis)
        before = whole.axes[: whole.axes.index(axis)]
        self._first = sum(len(one.values) for one in before)

    def parts(self) -> list[Part]:
        """Who leads from where to where: the upper envelope."""
        found: list[Part] = []
        begin, current = 0.0, int(np.argmax(self._values[0]))
        for k in range(len(self._values) - 1):
            for place, following in self._overtakes(k, current):
                found.append((current, begin, place))
                begin, current = place, following
        return [*found, (current, begin, float(len(self._values) - 1))]

    def _overtakes(self, k: int, current: int) -> Iterator[tuple[float, int]]:
        """Between two points, where who leads is overtaken by whom."""
        a, b = self._values[k], self._values[k + 1]
        at = 0.0
        while True:
            slope = (b - a) - (b - a)[current]
            gap = (a - a[current]) + at * slope
            with np.errstate(divide="ignore", invalid="ignore"):
                further = np.where(slope > 0.0, at - gap / slope, np.inf)
            further[current] = np.inf
            following = int(np.argmin(further))
            if not further[following] < 1.0:
                return
            at, current = max(float(further[following]), at), following
            yield k + at, following

    def told_apart(self, parts: list[Part]) -> list[Part]:
        """Without those that cannot be told apart from a neighbour; the least sure goes first."""
        while len(parts) > 1:
            margins = [self._margin(parts, k) for k in range(len(parts))]
            least = int(np.argmin(margins))
            if margins[least] > 0.0:
                break
            _, begin, end = parts[least]
            if least == 0:
                parts = [(parts[1][0], begin, parts[1][2]), *parts[2:]]
            else:
                parts = [*parts[: least - 1], (parts[least - 1][0], parts[least - 1][1], end), *parts[least + 1 :]]
            parts = _merged(parts)
        return parts

    def _margin(self, parts: list[Part], k: int) -> float:
        """How far beyond chance a part's strategy is better than that of either neighbour, where it is most so."""
        strategy, begin, end = parts[k]
        neighbours = [parts[other][0] for other in (k - 1, k + 1) if 0 <= other < len(parts)]
        return min(
            max(self._gap(strategy, other, place) - WITHIN * self._error(strategy, other, place)
                for place in _places(begin, end))
            for other in neighbours
        )  # fmt: skip

    def lead(self, strategy: int, place: float) -> float:
        """By how much a strategy is better than the best of the others."""
        others = [other for other in range(self._values.shape[1]) if other != strategy]
        return min((self._gap(strategy, other, place) for other in others), default=0.0)

    def turn(self, parts: list[Part], k: int) -> tuple[float, float]:
        """The value at which part k gives way to the next, and its error; the end of the range without one."""
        if k < 0 or k == len(parts) - 1:
            return (self.axis.values[0] if k < 0 else self.axis.values[-1]), math.nan
        one, other, place = parts[k][0], parts[k + 1][0], parts[k][2]
        at = min(int(place), len(self._values) - 2)
        low, high = self.axis.values[at], self.axis.values[at + 1]
        if self.axis.quantity.name.startswith(FAMILY):
            return 0.5, math.nan  # one family or the other: nothing lies between
        slope = self._gap(one, other, at + 1) - self._gap(one, other, at)
        if not math.isfinite(high):
            return high, math.nan
        error = self._error(one, other, place) * abs(high - low) / abs(slope) if slope else math.nan
        return _between(self.axis, low, high, place - at), error

    def _gap(self, strategy: int, versus: int, place: float) -> float:
        at = min(int(place), len(self._values) - 2) if len(self._values) > 1 else 0
        here, there = self._values[at], self._values[min(at + 1, len(self._values) - 1)]
        row = here + (place - at) * (there - here)
        return float(row[strategy] - row[versus])

    def _error(self, strategy: int, versus: int, place: float) -> float:
        """The Monte-Carlo error of a contrast at the nearest point; none that is known counts as none."""
        covariances, names = self._of.table.covariances, self._of.table.shape.strategies
        assert covariances is not None
        covariance = covariances[self._first + round(place)][self._of.table.shape.parts.index(ALL)]
        error = self._of.objective.error(self._of.table, covariance, names[strategy], names[versus])
        return 0.0 if math.isnan(error) else error


def _places(begin: float, end: float) -> list[float]:
    """The points of a part, and its middle."""
    return [*(float(k) for k in range(math.ceil(begin), math.floor(end) + 1)), 0.5 * (begin + end)]


def _merged(parts: list[Part]) -> list[Part]:
    """Neighbours of one strategy as one."""
    found: list[Part] = []
    for strategy, begin, end in parts:
        if found and found[-1][0] == strategy:
            found[-1] = (strategy, found[-1][1], end)
        else:
            found.append((strategy, begin, end))
    return found


def _between(axis: Axis, low: float, high: float, part: float) -> float:
    """A value between two, on the scale on which the parameter's distribution is broad."""
    to, back = scale_of(axis.quantity.distribution.family if low > 0.0 else "normal")
    try:
        begin, end = to(low), to(high)
    except (ValueError, ZeroDivisionError):  # 0 or 1 of a share
        return low + part * (high - low)
    return back(begin + part * (end - begin))
