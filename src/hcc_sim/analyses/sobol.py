"""What share of an outcome's variance does each parameter explain, alone and with all that it interacts with?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hcc_sim.analyses.unit_cube import RESAMPLES, Floats, check_parameters, factors, problem, results, tells_nothing
from hcc_sim.quantiles import CENTRAL

HALF_CELL = 2.0**-31
"""Scrambled Sobol points are multiples of 2^-30, 0 among them; half a cell is the nearest that any comes to an end."""

BOOTSTRAP = 1
"""Stands beside the seed where resamples are drawn, so that they have nothing to do with the points."""

LEAST_VARIANCE = 1e-12
"""Of a resample, as a share of the variance of all draws: below it the resample tells nothing."""


class SobolIndex(NamedTuple):
    """Shares of the variance of an outcome, with 95% intervals.

    `first_order` is what the parameter (or group) explains alone, `total_order` what would be left if all others were
    known.  Estimates, so that small ones may lie below 0 and large ones above 1; they are shown as they are.  NaN where
    the outcome is the same in all draws, or is not a finite number in one of them; only the intervals are NaN where it
    differs in so few draws that a resample may miss them all.
    """

    outcome: str
    parameter: str
    first_order: float
    first_order_low: float
    first_order_high: float
    total_order: float
    total_order_low: float
    total_order_high: float


class SobolPair(NamedTuple):
    """The share of the variance of an outcome that two parameters explain by their interaction, with a 95% interval."""

    outcome: str
    parameter: str
    other: str
    second_order: float
    second_order_low: float
    second_order_high: float


@dataclass(frozen=True)
class SobolDesign:
    """Saltelli's scheme on scrambled Sobol points, and the reading that belongs to it.

    Two tables A and B of `base` points each; AB_j is A with the column of parameter j (of all parameters of group j)
    from B.  A design has `base` x (P + 2) draws for P parameters or groups, `base` x (2 P + 2) with `second_order`:
    for each point of A the row of A, those of AB_1 ... AB_P, with `second_order` those of B with a column from A, and
    the row of B.  The same fields give the same points to the bit.

    Points: A. Saltelli, Computer Physics Communications 145 (2002) 280-297, 10.1016/S0010-4655(02)00280-1.  Indices:
    A. Saltelli and others, Computer Physics Communications 181 (2010) 259-270, 10.1016/j.cpc.2009.09.018, table 2 b
    for the first order and f (Jansen) for the total; second order as in 2002.

    Intervals are 1.96 standard deviations of a bootstrap either way, which takes the points of A for independent.
    Scrambled Sobol points are spread more evenly than that, so intervals are rather too wide than too narrow: 3 to 6
    times for Ishigami's function of three parameters and a base of 1,024, up to twice for 64.

    Raises:
        ValueError: parameters, groups or seed that no design can have, or a base that is not a power of two.
    """

    names: tuple[str, ...]
    base: int
    seed: int
    groups: tuple[str, ...] | None = None
    second_order: bool = False

    def __post_init__(self) -> None:
        check_parameters(self.names, self.groups, self.seed)
        if self.base < 2:
            raise ValueError(f"the base of a Sobol design is a power of two, 2 at least, not {self.base}")
        if self.base & (self.base - 1):
            below = 1 << (self.base.bit_length() - 1)
            nearest = f"the nearest are {below} and {2 * below}"
            raise ValueError(f"the base of a Sobol design is a power of two, not {self.base}; {nearest}")

    @property
    def factors(self) -> tuple[str, ...]:
        """What indices are told of: parameters, or groups."""
        return factors(self.names, self.groups)

    @property
    def draws(self) -> int:
        """How many points there are."""
        return self.base * self._rows

    @property
    def _rows(self) -> int:
        """Draws for each point of A."""
        return (2 if self.second_order else 1) * len(self.factors) + 2

    def points(self) -> Floats:
        """(D, P) in the open unit cube, at least `HALF_CELL` from its sides: 0 is a number that is drawn."""
        from SALib.sample import sobol

        told = problem(self.names, self.groups)
        luck = np.random.default_rng(self.seed)
        drawn = sobol.sample(told, self.base, calc_second_order=self.second_order, scramble=True, seed=luck)
        return np.clip(drawn, HALF_CELL, 1.0 - HALF_CELL)

    def read(
        self, outcomes: Floats, names_of_outcomes: Sequence[str], points: Floats | None = None
    ) -> list[SobolIndex]:
        """Indices of every outcome, a column of the results (D, Y) of `points()`, parameter by parameter.

        Rows out of order cannot be told from results: give the `points` that were simulated, and they are compared.

        Raises:
            ValueError: results of another shape, or `points` that are not this design's to the bit.
        """
        counts, found = self._counts(), []
        for outcome, parts in self._parts(outcomes, names_of_outcomes, points):
            first = total = np.full((len(self.factors), 3), np.nan)
            if parts is not None:
                variance = _variances(counts, parts)
                first = _with_intervals(counts, parts.b * (parts.ab - parts.a), variance)
                total = _with_intervals(counts, 0.5 * (parts.a - parts.ab) ** 2, variance)
            for name, alone, whole in zip(self.factors, first.tolist(), total.tolist(), strict=True):
                found.append(SobolIndex(outcome, name, *alone, *whole))
        return found

    def read_pairs(
        self, outcomes: Floats, names_of_outcomes: Sequence[str], points: Floats | None = None
    ) -> list[SobolPair]:
        """Interactions of every two parameters, as `read`.

        Raises:
            ValueError: as `read`, or a design without `second_order`.
        """
        if not self.second_order:
            raise ValueError("pairs are read from a design with second_order=True; this one has it off")
        counts, found = self._counts(), []
        for outcome, parts in self._parts(outcomes, names_of_outcomes, points):
            variance = None if parts is None else _variances(counts, parts)
            for j, name in enumerate(self.factors):
                others = self.factors[j + 1 :]
                pairs = np.full((len(others), 3), np.nan)
                if parts is not None and variance is not None and others:
                    pairs = _with_intervals(counts, _pairs_of(parts, j), variance)
                for other, told in zip(others, pairs.tolist(), strict=True):
                    found.append(SobolPair(outcome, name, other, *told))
        return found

    def _parts(
        self, outcomes: Floats, names_of_outcomes: Sequence[str], points: Floats | None
    ) -> Iterator[tuple[str, _Parts | None]]:
        """Each outcome in parts; None where nothing can be told of it."""
        what = "interactions too" if self.second_order else "first and total order"
        design = (
            f"a Sobol design ({what}) of {len(self.factors)} parameters or groups and base {self.base} "
            f"({self.base} x {self._rows} = {self.draws:,} draws)"
        )
        found = results(outcomes, names_of_outcomes, design, (self.draws, len(self.names)), self.points, points)
        for name, outcome in zip(names_of_outcomes, found.T, strict=True):
            yield name, None if tells_nothing(outcome) else _parts_of(outcome, self.base, len(self.factors))

    def _counts(self) -> Floats:
        """(1 + resamples, base): how often each point of A counts, once in the estimate, then in every resample."""
        chosen = np.random.default_rng([self.seed, BOOTSTRAP]).integers(self.base, size=(self.base, RESAMPLES))
        counts = np.ones((1 + RESAMPLES, self.base))
        for row, picks in zip(counts[1:], chosen.T, strict=True):
            row[:] = np.bincount(picks, minlength=self.base)
        return counts


class _Parts(NamedTuple):
    """One outcome by table: `a` and `b` (base, 1), `ab` and `ba` (base, P), `ba` without columns if it is not drawn."""

    a: Floats
    b: Floats
    ab: Floats
    ba: Floats


def _parts_of(outcome: Floats, base: int, size: int) -> _Parts:
    """Centred, without which the first order is far from precise, and scaled by the standard deviation."""
    table = ((outcome - outcome.mean()) / outcome.std()).reshape(base, -1)
    return _Parts(table[:, :1], table[:, -1:], table[:, 1 : size + 1], table[:, size + 1 : -1])


def _variances(counts: Floats, parts: _Parts) -> Floats:
    """(1 + resamples, 1): the variance of A and B together, NaN where a resample has none."""
    both = np.hstack([parts.a, parts.b])
    means = counts @ np.stack([both.mean(axis=1), (both**2).mean(axis=1)], axis=1) / len(both)
    variance = means[:, 1:] - means[:, :1] ** 2
    return np.where(variance > LEAST_VARIANCE, variance, np.nan)


def _pairs_of(parts: _Parts, j: int) -> Floats:
    """(base, those after j): what is averaged for the interactions of parameter j, first orders taken off."""
    after = parts.ab[:, j + 1 :]
    alone = parts.b * (parts.ab[:, j : j + 1] - parts.a) + parts.b * (after - parts.a)
    return parts.ba[:, j : j + 1] * after - parts.a * parts.b - alone


def _with_intervals(counts: Floats, terms: Floats, variance: Floats) -> Floats:
    """(K, 3): the estimate and both ends of its interval, of the means over points of A of terms (base, K)."""
    shares = counts @ terms / len(terms) / variance
    reach = CENTRAL * shares[1:].std(axis=0, ddof=1)
    return np.stack([shares[0], shares[0] - reach, shares[0] + reach], axis=1)
