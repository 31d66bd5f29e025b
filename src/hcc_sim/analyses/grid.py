"""Grids: several parameters turned at once, every value of one with every value of the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.study.design import Listed, listed
from hcc_sim.analyses.study.measured import ALL
from hcc_sim.analyses.study.objective import Objective
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import FAMILY, Uncertain
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.outcomes import Table
from hcc_sim.quantiles import scale_of

Floats = NDArray[np.float64]

POINTS = 9
"""Of an axis, unless its values are given."""


class Axis(NamedTuple):
    """A parameter and its values, in rising order."""

    quantity: Uncertain
    values: tuple[float, ...]


class Span(NamedTuple):
    """From one value to another."""

    low: float
    high: float


class Cell(NamedTuple):
    """A point of the grid: the values of up to two parameters beside those of the others, and what is best there."""

    values: str
    first: float
    second: float
    strategy: str
    versus: str
    outcome: str
    difference: float
    mc_se: float
    best: str
    unit: str


def not_renewed(study: Study, axes: Sequence[Axis]) -> tuple[str, ...]:
    """A sentence on parameters some of whose values lie beyond the draws of the fit; none where all are within."""
    worlds = Worlds(study.scenario)
    beyond = [axis.quantity.name for axis in axes if worlds.beyond_the_fit(axis.quantity.name, axis.values)]
    if not beyond:
        return ()
    return (f"Fit not renewed: some values of {', '.join(beyond)} lie beyond its draws; it is taken at their edge.",)


def axis_of(quantity: Uncertain, points: int = POINTS) -> Axis:
    """Even steps from one end of its interval to the other, on the scale on which its distribution is broad."""
    return Axis(quantity, between(quantity, quantity.distribution.low, quantity.distribution.high, points))


def between(quantity: Uncertain, low: float, high: float, points: int) -> tuple[float, ...]:
    """Even steps between two values, on the scale on which its distribution is broad."""
    if quantity.name.startswith(FAMILY):
        return (low, high)  # one or the other
    to, back = scale_of(quantity.distribution.family if low > 0.0 and math.isfinite(high) else "normal")
    try:
        begin, end = to(low), to(high)
    except (ValueError, ZeroDivisionError):  # 0 or 1 of a share
        (begin, end), back = (low, high), float
    inner = [back(begin + (end - begin) * k / (points - 1)) for k in range(1, points - 1)]
    return (low, *inner, high)


def design_of(axes: Sequence[Axis]) -> Listed:
    """Every combination; the last axis runs fastest."""
    names = [axis.quantity.name for axis in axes]
    rows = [dict(zip(names, point, strict=True)) for point in product(*(axis.values for axis in axes))]
    return listed([axis.quantity for axis in axes], rows, axes=[len(axis.values) for axis in axes])


@dataclass(frozen=True)
class Grid:
    """The reading of a grid."""

    study: Study
    table: DrawTable
    axes: tuple[Axis, ...]
    objective: Objective
    strategy: str
    versus: str

    def differences(self) -> Floats:
        """(points of each axis) of the objective, `strategy` minus `versus`."""
        contrast = self.objective.contrast(self.table, self.strategy, self.versus)
        return contrast.reshape([len(axis.values) for axis in self.axes])

    def best(self) -> NDArray[np.int64]:
        """(points of each axis) the place of the best of all strategies."""
        found = [self.objective.best(row) for row in self.objective.values(self.table)]
        return np.array(found).reshape([len(axis.values) for axis in self.axes])

    def tables(self) -> dict[str, Table[Any]]:
        """A row for each point."""
        part = self.table.shape.parts.index(ALL)
        covariances = self.table.covariances
        assert covariances is not None
        rows = []
        points = product(*(axis.values for axis in self.axes))
        for draw, (point, difference, best) in enumerate(
            zip(points, self.differences().ravel(), self.best().ravel(), strict=True)
        ):
            error = self.objective.error(self.table, covariances[draw][part], self.strategy, self.versus)
            told = "; ".join(
                f"{axis.quantity.name} = {axis.quantity.text(value)}"
                for axis, value in zip(self.axes, point, strict=True)
            )
            rows.append(
                Cell(
                    told, point[0], point[1] if len(point) > 1 else math.nan, self.strategy, self.versus,
                    self.objective.name, float(difference), error, self.table.shape.strategies[best],
                    self.objective.unit,
                )
            )  # fmt: skip
        return {"grid": Table(Cell._fields, rows)}

    def sentences(self) -> tuple[str, ...]:
        """Over how much of the grid which strategy is best."""
        best = self.best().ravel()
        names = self.table.shape.strategies
        shares = {names[s]: int((best == s).sum()) for s in range(len(names)) if (best == s).any()}
        told = ", ".join(f"'{name}' at {count}" for name, count in sorted(shares.items(), key=lambda item: -item[1]))
        differences = self.differences()
        axes = " by ".join(f"{axis.quantity.name} ({len(axis.values)} values)" for axis in self.axes)
        return (
            f"{axes}: of {best.size} points the highest {self.objective.name} ({self.objective.unit}) is that of "
            f"{told}; {self.objective.of_whom(self.strategy, self.versus)} runs from {differences.min():+,.4g} to "
            f"{differences.max():+,.4g} ({self.study.patients:,} patients).",
            *not_renewed(self.study, self.axes),
        )
