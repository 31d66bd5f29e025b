"""When to operate: what each delay of surgery is expected to bring, which is best, and how sure its place is.

Every delay is a strategy, and every draw gives all of them the same patients in the same world.  That the patients are
the same in all draws too does not average out: errors of means hold the spread between draws and the error that so few
patients leave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.study.measured import ALL, QALY
from hcc_sim.analyses.study.objective import NET_BENEFIT, SURVIVAL, Objective, objective_of
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.timing import DIAL, INTERVAL, Timing
from hcc_sim.outcomes import Table
from hcc_sim.units import format_duration

Floats = NDArray[np.float64]

DRAWS = 200
RESAMPLES = 2_000
"""Of the draws, to tell how sure the place of the best expectation is."""

CENTRAL = (2.5, 97.5)


class Delayed(NamedTuple):
    """An outcome at a delay, with its difference from the first delay in the same draws.

    `standard_error` is that of the mean over draws, `low` and `high` the central 95% of draws; `share_best` the share
    of draws in which this delay is the best, `chance_optimal` how likely its expectation is the best, as far as so many
    draws can tell.
    """

    patients: str
    delay_months: float
    interval_months: float
    outcome: str
    mean: float
    standard_error: float
    low: float
    high: float
    difference: float
    difference_standard_error: float
    share_best: float
    chance_optimal: float
    unit: str


class Best(NamedTuple):
    """Where an objective is expected to be best: the delay, the delays that cannot be told from it, and the middle half
    of the best delays of single draws."""

    patients: str
    outcome: str
    delay_months: float
    interval_months: float
    equal_from_months: float
    equal_to_months: float
    chance_optimal: float
    share_best: float
    best_in_draws_low: float
    best_in_draws_median: float
    best_in_draws_high: float
    unit: str


@dataclass(frozen=True)
class OptimalTiming:
    """The reading of joint draws over delays; `base` is what the base case alone says, and what ends the window."""

    study: Study
    table: DrawTable
    strategy: str
    base: Timing | None = None

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        """Net benefit at every threshold, QALYs, survival."""
        scenario, measures = self.study.scenario, self.study.measures
        terms = scenario.terms
        found = [objective_of(scenario, measures, SURVIVAL)]
        if terms is not None:
            found.insert(0, objective_of(scenario, measures, QALY))
            of_value = [objective_of(scenario, measures, NET_BENEFIT, one) for one in reversed(terms.thresholds)]
            found = [*of_value, *found]
        return tuple(found)

    @property
    def delays(self) -> tuple[float, ...]:
        """Of each strategy, months."""
        return tuple(one.given[DIAL] for one in self.study.scenario.strategies)

    @property
    def intervals(self) -> tuple[float, ...]:
        """Of each strategy, months between visits while watched."""
        return tuple(one.parameters[INTERVAL].value for one in self.study.scenario.strategies)

    @cached_property
    def rows(self) -> tuple[Delayed, ...]:
        """Every objective at every delay, of all patients and of subgroups."""
        found = []
        for part in self.table.shape.parts:
            for objective in self.objectives:
                values = objective.values(self.table, part)
                noise = objective.covariance(self.table, part)
                shares, chances = self._best(objective, values), self._optimal(objective, values, noise)
                for s in range(values.shape[1]):
                    gap = values[:, s] - values[:, 0]
                    of_gap = noise[s, s] + noise[0, 0] - 2.0 * noise[s, 0]
                    low, high = (float(end) for end in np.percentile(values[:, s], CENTRAL))
                    found.append(
                        Delayed(
                            part, self.delays[s], self.intervals[s], objective.name, float(values[:, s].mean()),
                            _error(values[:, s], noise[s, s]), low, high, float(gap.mean()), _error(gap, of_gap),
                            float(shares[s]), float(chances[s]), objective.unit,
                        )
                    )  # fmt: skip
        return tuple(found)

    @cached_property
    def best(self) -> tuple[Best, ...]:
        """Of every objective, of all patients and of subgroups."""
        found = []
        delays = np.array(self.delays)
        for part in self.table.shape.parts:
            for objective in self.objectives:
                values = objective.values(self.table, part)
                s = objective.best(values.mean(axis=0))
                gaps = values[:, [s]] - values
                noise = objective.covariance(self.table, part)
                of_gaps = noise[s, s] + np.diag(noise) - 2.0 * noise[s]
                errors = np.array([_error(gap, of_gap) for gap, of_gap in zip(gaps.T, of_gaps, strict=True)])
                equal = delays[(np.abs(gaps.mean(axis=0)) <= 1.96 * errors) | (np.arange(len(delays)) == s)]
                in_draws = np.sort(delays[[objective.best(row) for row in values]])
                low, middle, high = (float(in_draws[int(q * (len(in_draws) - 1))]) for q in (0.25, 0.5, 0.75))
                shares, chances = self._best(objective, values), self._optimal(objective, values, noise)
                found.append(
                    Best(
                        part, objective.name, float(delays[s]), self.intervals[s], float(equal.min()),
                        float(equal.max()), float(chances[s]), float(shares[s]), low, middle, high, objective.unit,
                    )
                )  # fmt: skip
        return tuple(found)

    def _best(self, objective: Objective, values: Floats) -> Floats:
        """(S,) the share of draws in which each is the best; equal ones share a draw."""
        sign = -1.0 if objective.less_is_better else 1.0
        top = sign * values == (sign * values).max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # not known in some draw: in none
            return np.asarray((top / top.sum(axis=1, keepdims=True)).mean(axis=0))

    def _optimal(self, objective: Objective, values: Floats, noise: Floats) -> Floats:
        """(S,) how often each has the best mean when draws are drawn again (B. Efron, Annals of Statistics 7 (1979)
        1-26, doi:10.1214/aos/1176344552), and patients err otherwise, with their (S, S) covariance."""
        random = np.random.Generator(np.random.PCG64(self.study.scenario.seed))
        draws = len(values)
        weights = random.multinomial(draws, np.full(draws, 1.0 / draws), size=RESAMPLES)
        sizes, axes = np.linalg.eigh(np.nan_to_num(noise))
        spread = axes * np.sqrt(np.clip(sizes, 0.0, None))
        counts = np.zeros(values.shape[1])
        for weight in weights:
            mean = (weight[:, np.newaxis] * values).sum(axis=0) / draws
            counts[objective.best(mean + (spread * random.standard_normal(len(mean))).sum(axis=1))] += 1.0
        return counts / RESAMPLES

    def tables(self) -> dict[str, Table[Any]]:
        """By the names of their files."""
        return {
            "delays": Table(Delayed._fields, list(self.rows)),
            "optimum": Table(Best._fields, list(self.best)),
            **({} if self.base is None else self.base.tables()),
        }

    def sentences(self) -> tuple[str, ...]:
        """Where the best delay lies, and how sure that is."""
        size = (
            f"{self.table.draws:,} draws of everything uncertain, the same {self.study.patients:,} patients in each; "
            f"all else as under '{self.strategy}'."
        )
        found = [size]
        for one in self.best:
            whose = "" if one.patients == ALL else f"{one.patients}: "
            watched = f", seen every {format_duration(one.interval_months)}" if len(set(self.intervals)) > 1 else ""
            equal = (
                f"not told apart from it: {format_duration(one.equal_from_months)} to "
                f"{format_duration(one.equal_to_months)}"
                if one.equal_from_months != one.equal_to_months
                else "told apart from all others"
            )
            unit = f" ({one.unit})" if one.outcome == NET_BENEFIT else ""
            found.append(
                f"{whose}{one.outcome}{unit} is expected to be highest with a delay of "
                f"{format_duration(one.delay_months)}{watched} ({equal}); so few draws leave a chance of "
                f"{1 - one.chance_optimal:.0%} that another's expectation is higher. In single draws it is the best in "
                f"{one.share_best:.0%}; the middle half of their best delays runs from "
                f"{format_duration(one.best_in_draws_low)} to {format_duration(one.best_in_draws_high)}."
            )
        return (*found, *([] if self.base is None else [self._windows(self.base)]))

    @staticmethod
    def _windows(base: Timing) -> str:
        """What ends the window of those who wait longest, in the base case."""
        longest = max(row.delay_months for row in base.endings)
        ended = [row for row in base.endings if row.delay_months == longest and row.share > 0.0]
        told = ", ".join(f"{row.ended_by} {row.share:.0%}" for row in sorted(ended, key=lambda row: -row.share))
        whose = f"Of the {base.population} with a delay of {format_duration(longest)}, in the base case,"
        return f"{whose} the window ends by: {told}." if told else f"{whose} nobody's window ends."


def _error(values: Floats, noise: float) -> float:
    """Of the mean over draws: their spread, and the variance that the same patients leave in all of them."""
    if len(values) < 2:
        return math.nan
    return math.sqrt(float(np.var(values, ddof=1)) / len(values) + max(float(noise), 0.0))
