"""Hazard ratios between strategies, and how they change: ratios of event rates by period."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.elementary import exp, log
from hcc_sim.outcomes.definitions import Endpoint, Population, reported_for
from hcc_sim.outcomes.estimates import WITHIN, check_comparable, jackknife_se, known_days, whole_and_without
from hcc_sim.outcomes.tables import Table
from hcc_sim.outcomes.tally import Floats, Integers, Tally

CUTS_MONTHS = (0.0, 12.0, 24.0, 60.0, 120.0)
"""Between these lie the periods of which ratios are told."""


class RateRatio(NamedTuple):
    """The event rate under `strategy` over that under `versus`, from one time to another."""

    population: str
    outcome: str
    strategy: str
    versus: str
    from_months: float
    to_months: float
    hazard_ratio: float
    low: float
    high: float


class _Rate(NamedTuple):
    """Events and person-months at risk, of all and without each group (101,)."""

    events: Integers
    months: Floats


class _Period(NamedTuple):
    """From the end of one day to the end of another, and what it is called."""

    from_day: int
    to_day: int
    from_months: float
    to_months: float


def hazard_ratio_table(tallies: Mapping[str, Tally]) -> Table[RateRatio]:
    """A row for each population, endpoint, pair of strategies and period, and for the whole common follow-up.

    Told is the ratio of two occurrence-exposure rates, events over person-months at risk, of those who are free of the
    event when the period begins.  It estimates the hazard ratio where both hazards are about constant within the
    period.  Cox's estimate, which `ratios_by_period` gives of people, then agrees closely and not exactly: it weighs
    times of events by who is at risk, and does not know how long they are.  Where hazards change within a period and
    their ratio with them, which may be so over the whole follow-up, the two average it differently.

    Periods lie within the follow-up of both strategies.  They end with the day into which their end falls, an event
    counts half of its day at risk, and whoever has it at time zero belongs to no period.  Errors are jackknifed on the
    logarithm.  A ratio is NaN where either has no event; so is its interval, also where a group is empty or holds all
    events.

    Raises:
        ValueError: strategies that cannot be compared.
    """
    check_comparable(tallies)
    rows: list[RateRatio] = []
    for first in list(tallies.values())[:1]:
        for population in first.definitions.populations:
            for endpoint in reported_for(population, first.definitions.endpoints):
                rows += _of(population, endpoint, tallies)
    return Table(RateRatio._fields, rows)


def _of(population: Population, endpoint: Endpoint, tallies: Mapping[str, Tally]) -> Iterator[RateRatio]:
    known = {name: known_days(population, tally) for name, tally in tallies.items()}
    rates: dict[tuple[str, int], dict[_Period, _Rate]] = {}
    for versus, strategy in combinations(tallies, 2):
        common = min(known[versus], known[strategy])
        for name in (versus, strategy):
            if (name, common) not in rates:
                rates[name, common] = _rates(tallies[name], population, endpoint, common)
        for period, rate in rates[strategy, common].items():
            ratio = _ratio(rate, rates[versus, common][period])
            within = period.from_months, period.to_months
            yield RateRatio(population.name, endpoint.name, strategy, versus, *within, *ratio)


def _periods(grid_months: Floats) -> list[_Period]:
    """Those that end within the grid, and the whole of it."""
    last = len(grid_months) - 1
    ends = [(int(np.searchsorted(grid_months, cut)), cut) for cut in CUTS_MONTHS if cut <= grid_months[-1]]
    periods = [_Period(a, b, low, high) for (a, low), (b, high) in pairwise(ends)]
    return [*periods, _Period(0, last, 0.0, float(grid_months[-1]))] if last else []


def _rates(tally: Tally, population: Population, endpoint: Endpoint, known: int) -> dict[_Period, _Rate]:
    """By period, of one strategy within the days that are known."""
    grid = tally.grid_months[:known]
    days = tally.days[population.name, endpoint.name][:, :known]
    members = tally.members[population.name]
    periods = _periods(grid)
    edges = sorted({day for period in periods for day in (period.from_day, period.to_day)})
    if not periods:
        return {}
    middles = (grid[:-1] + grid[1:]) / 2
    events = np.add.reduceat(days[:, 1:], edges[:-1], axis=1, dtype=np.int64)
    dates = np.add.reduceat(days[:, 1:] * middles, edges[:-1], axis=1)
    had = days[:, 0].astype(np.int64)[:, np.newaxis] + np.cumsum(events, axis=1)
    found = {}
    for period in periods:
        inside = slice(edges.index(period.from_day), edges.index(period.to_day))
        here = events[:, inside].sum(axis=1)
        begin, end = grid[period.from_day], grid[period.to_day]
        months = dates[:, inside].sum(axis=1) - begin * here + (members - had[:, inside.stop - 1]) * (end - begin)
        rate = _Rate(whole_and_without(here), whole_and_without(months))
        if np.any(members == 0):
            rate.months[1:] = np.nan
        found[period] = rate
    return found


def _ratio(one: _Rate, other: _Rate) -> tuple[float, float, float]:
    """The ratio and its 95% interval."""
    known = (one.events > 0) & (other.events > 0)
    ratios = np.full(len(known), np.nan)
    np.divide(one.events * other.months, other.events * one.months, out=ratios, where=known)
    logs: NDArray[np.float64] = np.array([log(ratio) for ratio in ratios.tolist()])
    spread = WITHIN * float(jackknife_se(logs[1:]))
    return float(ratios[0]), exp(float(logs[0]) - spread), exp(float(logs[0]) + spread)
