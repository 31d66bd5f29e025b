"""Which parameters move an outcome at all, and which of them not by the same everywhere?  Screening with few draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hcc_sim.analyses.unit_cube import RESAMPLES, Floats, check_parameters, factors, problem, results

BOOTSTRAP = 1
"""Stands beside the seed where resamples are drawn, so that they have nothing to do with the points."""


class ElementaryEffect(NamedTuple):
    """By how much a parameter (or group) moves an outcome, in its unit, across the whole central interval.

    `mean` keeps the sign, `mean_absolute` (with a 95% interval, held at 0 below) does not: the one that ranks
    parameters.  `standard_deviation` is that of effects between places: 0 where the outcome is a straight line in the
    parameter's quantile level and nothing interacts with it.  Members of a group rise and fall each for itself, so that
    of a group of several neither sign nor spread means anything: both are NaN.  All are NaN where the outcome is not a
    finite number in some draw; of an outcome that is the same in all draws all effects are 0.
    """

    outcome: str
    parameter: str
    mean: float
    mean_absolute: float
    mean_absolute_low: float
    mean_absolute_high: float
    standard_deviation: float


@dataclass(frozen=True)
class MorrisDesign:
    """Trajectories over a grid that move one parameter (or group) at a time, and the reading that belongs to them.

    `trajectories` x (P + 1) draws for P parameters or groups, trajectory by trajectory.  The same fields give the same
    points to the bit.  The grid has `levels` (an even number) for each parameter, evenly from one end of the central
    interval of its distribution to the other: 0.025 to 0.975 by default, since at 0 and 1 values may be infinite.  A
    step is levels / (2 (levels - 1)) of that interval, 2/3 for four levels; an effect is the change of the outcome
    divided by this share, thus a change across the central 95%, if it went on like that.

    Sampling: M. D. Morris, Technometrics 33 (1991) 161-174, 10.1080/00401706.1991.10484804.  The mean of absolute
    effects, and groups: F. Campolongo, J. Cariboni and A. Saltelli, Environmental Modelling & Software 22 (2007)
    1509-1518, 10.1016/j.envsoft.2006.10.004.  Intervals are 1.96 standard deviations of a bootstrap of the effects,
    either way.

    Raises:
        ValueError: parameters, groups or seed that no design can have, fewer than 2 trajectories, levels that are not
            even, a central share that is not between 0 and 1.
    """

    names: tuple[str, ...]
    trajectories: int
    levels: int
    seed: int
    groups: tuple[str, ...] | None = None
    central: float = 0.95

    def __post_init__(self) -> None:
        check_parameters(self.names, self.groups, self.seed)
        if self.trajectories < 2:
            raise ValueError(f"a Morris design has 2 trajectories or more, not {self.trajectories}")
        if self.levels < 2 or self.levels % 2:  # an odd number would visit levels unequally often
            raise ValueError(f"a Morris design has an even number of levels, 2 or more, not {self.levels}")
        if not 0.0 < self.central < 1.0:
            raise ValueError(f"the central share of distributions is between 0 and 1, not {self.central}")

    @property
    def factors(self) -> tuple[str, ...]:
        """What effects are told of: parameters, or groups."""
        return factors(self.names, self.groups)

    @property
    def draws(self) -> int:
        """How many points there are."""
        return self.trajectories * (len(self.factors) + 1)

    def points(self) -> Floats:
        """(D, P) in the open unit cube, from (1 - central) / 2 to (1 + central) / 2."""
        from SALib.sample import morris

        told = problem(self.names, self.groups)
        drawn = morris.sample(told, self.trajectories, num_levels=self.levels, seed=int(self.seed))
        return 0.5 * (1.0 - self.central) + self.central * drawn

    def read(
        self, outcomes: Floats, names_of_outcomes: Sequence[str], points: Floats | None = None
    ) -> list[ElementaryEffect]:
        """Effects on every outcome, a column of the results (D, Y) of `points()`, parameter by parameter.

        Rows out of order cannot be told from results: give the `points` that were simulated, and they are compared.

        Raises:
            ValueError: results of another shape, or `points` that are not this design's to the bit.
        """
        from SALib.analyze import morris

        size = len(self.factors)
        design = (
            f"a Morris design of {size} parameters or groups and {self.trajectories} trajectories "
            f"({self.trajectories} x ({size} + 1) = {self.draws:,} draws)"
        )
        drawn = self.points()
        found = results(outcomes, names_of_outcomes, design, drawn.shape, lambda: drawn, points)
        members = [(self.groups or self.names).count(name) for name in self.factors]
        effects = []
        for outcome, column in zip(names_of_outcomes, found.T, strict=True):
            told = np.full((4, size), np.nan)
            if np.isfinite(column).all():
                read = morris.analyze(
                    problem(self.names, self.groups),
                    drawn,
                    np.ascontiguousarray(column),
                    num_resamples=RESAMPLES,
                    num_levels=self.levels,
                    seed=[self.seed, BOOTSTRAP],
                )
                told = np.stack([np.asarray(read[key]) for key in ("mu", "mu_star", "mu_star_conf", "sigma")])
            for name, many, (mean, size_of, reach, spread) in zip(self.factors, members, told.T.tolist(), strict=True):
                mean, spread = (mean, spread) if many == 1 else (np.nan, np.nan)
                low = max(size_of - reach, 0.0)
                effects.append(ElementaryEffect(outcome, name, mean, size_of, low, size_of + reach, spread))
        return effects
