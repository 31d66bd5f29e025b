"""From tallies to numbers with their Monte-Carlo errors, alone and strategy against strategy.

Every error comes from one device, the delete-a-group jackknife over the 100 groups (patient mod 100): the estimate is
formed again without each group, se^2 = (G - 1)/G sum over g of (theta_g - mean of theta_g)^2.  That is the jackknife
of Efron and Stein (1981), Annals of Statistics 9, 586-596, doi:10.1214/aos/1176345462, with groups of patients in the
place of observations.  For medians, which are not smooth, it holds if the groups are large: Shao and Wu (1989), Annals
of Statistics 17, 1176-1197, doi:10.1214/aos/1176347263, ask for more than the square root of n patients left out,
n > 10,000 here; with fewer the error of a median is rough.  Contrasts are paired, because a group holds the same
patients under every strategy.  What happened to nobody, or to everybody, has error 0: no group can tell otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcc_sim.outcomes.definitions import Endpoint, Population, Share, reported_for
from hcc_sim.outcomes.tally import GROUPS, Floats, Integers, Tally

WITHIN = 1.96
"""Standard errors from an estimate to either end of its 95% interval."""

Estimates = Mapping[str, Sequence["Estimate"]]
"""Strategy -> its estimates."""


@dataclass(frozen=True)
class Estimate:
    """One outcome in one population: `estimates[0]` from all patients, `estimates[1 + g]` from all but group g."""

    population: str
    outcome: str
    unit: str
    estimates: Floats
    remark: str = ""
    """Why the value or its error is missing, if it is."""

    @property
    def value(self) -> float:
        """The estimate from all patients; NaN where there is none."""
        return float(self.estimates[0])

    @property
    def mc_se(self) -> float:
        """Its Monte-Carlo standard error; NaN where a group is empty."""
        return float(jackknife_se(self.estimates[1:]))

    def with_interval(self) -> tuple[float, float, float, float]:
        """Value, standard error, and the ends of the 95% interval."""
        value, error = self.value, self.mc_se
        return value, error, value - WITHIN * error, value + WITHIN * error

    def __sub__(self, other: Estimate) -> Estimate:
        """The paired contrast with the same outcome under another strategy: without each group in both."""
        return replace(self, estimates=self.estimates - other.estimates, remark="")


def jackknife_se(without: Floats) -> Floats:
    """The standard error from the estimates without each group (first axis): sqrt((G - 1)/G sum (theta_g - mean)^2)."""
    groups = without.shape[0]
    return np.sqrt((groups - 1) / groups * np.sum((without - without.mean(axis=0)) ** 2, axis=0))


def estimates(tally: Tally) -> list[Estimate]:
    """All outcomes of all populations, in the order of their definitions; what follow-up cannot tell is left out."""
    return [estimate for population in tally.definitions.populations for estimate in _of(population, tally)]


def estimate_named(tally: Tally, population: str, outcome: str) -> Estimate | None:
    """One outcome of one population by its name; None where it was not asked for, or follow-up cannot tell it."""
    kind, _, rest = outcome.partition(": ")
    times = {time.name for time in tally.definitions.times}
    for what, begins in (("endpoint", "restricted mean to "), ("time", "to ")):
        if rest.startswith(begins) and (kind in times) == (what == "time"):  # at once: curves take longer
            months = rest.removeprefix(begins).removesuffix(" months")
            told = next((m for p, o, m in tally.months if (p, o) == (population, kind) and f"{m:g}" == months), None)
            if told is None or told > tally.follow_up_months[population]:
                return None
            return _mean(tally, population, kind, outcome, told)
    whose = next((p for p in tally.definitions.populations if p.name == population), None)
    return None if whose is None else next((e for e in _of(whose, tally) if e.outcome == outcome), None)


def estimates_of(tallies: Mapping[str, Tally]) -> Estimates:
    """The estimates of each strategy; ValueError if the strategies cannot be compared."""
    check_comparable(tallies)
    return {strategy: estimates(tally) for strategy, tally in tallies.items()}


def restricted_mean(tally: Tally, population: str, endpoint: str, months: float) -> Estimate | None:
    """Mean months from time zero to the endpoint, or to `months` if that comes first; None beyond the follow-up.

    KeyError if it was not asked for.
    """
    if months > tally.follow_up_months[population]:
        return None
    return _mean(tally, population, endpoint, f"{endpoint}: restricted mean to {months:g} months", months)


def curve(tally: Tally, population: Population, endpoint: Endpoint) -> tuple[Floats, Floats, Floats, Floats]:
    """Months, survival without the endpoint and the ends of its 95% interval, at the tally's points that are known."""
    days = tally.points[tally.points < known_days(population, tally)]
    return _share_by_day(tally, population, _event_free(population, endpoint, tally)[:, days], days)


def incidence(tally: Tally, population: Population, share: Share) -> tuple[Floats, Floats, Floats, Floats]:
    """Months, the share to whom it has happened and the ends of its 95% interval, at the same points as curves.

    Nobody is censored within the follow-up of all, so that this share is the estimate of Aalen and Johansen (1978),
    Scandinavian Journal of Statistics 5, 141-150.
    """
    days = tally.points[tally.points < known_days(population, tally)]
    happened = np.cumsum(tally.incident[population.name, share.name], axis=1)[:, : len(days)]
    return _share_by_day(tally, population, happened, days)


def _share_by_day(
    tally: Tally, population: Population, counts: Integers, days: NDArray[np.intp]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Months, the share of members and the ends of its 95% interval, from counts (groups x days)."""
    groups = tally.members[population.name]
    values = _ratio(whole_and_without(counts), whole_and_without(groups)[:, np.newaxis])
    error = np.full(len(days), np.nan) if np.any(groups == 0) else jackknife_se(values[1:])
    return tally.grid_months[days], values[0], values[0] - WITHIN * error, values[0] + WITHIN * error


def same_patients(tallies: Mapping[str, Tally]) -> dict[str, bool]:
    """For each population, whether it holds the same patients with the same time zero under every strategy."""
    check_comparable(tallies)
    populations = next(iter(tallies.values())).definitions.populations if tallies else ()
    return {p.name: len({tally.digest(p.name) for tally in tallies.values()}) == 1 for p in populations}


def same_fate_of_others(tallies: Mapping[str, Tally], population: str) -> bool:
    """Whether all who do not belong to a population end at the same time and place under every strategy."""
    check_comparable(tallies)
    return len({tally.digest_of_others(population) for tally in tallies.values()}) <= 1


def notes(tallies: Mapping[str, Tally], found: Estimates) -> tuple[str, ...]:
    """What a reader of the tables must be told: outcomes left out, values or errors missing, each with its reason.

    Of subgroups only which lack something: their follow-up is never shorter than that of all.
    """
    said: dict[str, list[str]] = {}
    for strategy, tally in tallies.items():
        for population in tally.definitions.populations:
            for note in _notes_on(population, tally, found[strategy]) if population.subgroup is None else ():
                said.setdefault(f"{population.name}: {note}.", []).append(strategy)
    told = [
        note if len(strategies) == len(tallies) else f"{', '.join(strategies)}: {note}"
        for note, strategies in said.items()
    ]
    if lacking := _subgroups_that_lack(tallies, found):
        told.append(
            "Subgroups too small to tell everything of, what is missing being empty in the tables: "
            f"{'; '.join(lacking)}."
        )
    return tuple(told)


def _subgroups_that_lack(tallies: Mapping[str, Tally], found: Estimates) -> list[str]:
    remarked = {e.population for of_one in found.values() for e in of_one if e.remark}
    subgroups = {p.name: None for t in tallies.values() for p in t.definitions.populations if p.subgroup is not None}
    return [name for name in subgroups if name in remarked]


def _notes_on(population: Population, tally: Tally, found: Sequence[Estimate]) -> Iterator[str]:
    if left_out := _left_out(population, tally):
        follow_up = tally.follow_up_months[population.name]
        times = ", ".join(f"{t:g}" for t in left_out)
        yield f"not everybody is followed for longer than {follow_up:.1f} months, so nothing is told at {times} months"
    remarks: dict[str, list[str]] = {}
    for e in found:
        if e.population == population.name and e.remark:
            remarks.setdefault(e.remark, []).append(e.outcome)
    yield from (f"{remark}: {'; '.join(outcomes)}" for remark, outcomes in remarks.items())


def _of(population: Population, tally: Tally) -> Iterator[Estimate]:
    """The outcomes of one population: endpoints, shares, times."""
    name = population.name
    restrictions = [r for r in tally.restrictions_months if r <= tally.follow_up_months[name]]
    for endpoint in reported_for(population, tally.definitions.endpoints):
        yield from _from_curve(population, endpoint, tally)
        for r in restrictions:
            yield _mean(tally, name, endpoint.name, f"{endpoint.name}: restricted mean to {r:g} months", r)
    for share in reported_for(population, tally.definitions.shares):
        at_risk = tally.at_risk[name, share.name]
        part = _ratio(whole_and_without(tally.happened[name, share.name]), whole_and_without(at_risk))
        yield estimate_of(name, share.name, "share", part, at_risk)
    for time in reported_for(population, tally.definitions.times):
        for r in restrictions:
            yield _mean(tally, name, time.name, f"{time.name}: to {r:g} months", r)


def _mean(tally: Tally, population: str, what: str, outcome: str, restriction: float) -> Estimate:
    """Mean months until an endpoint, or in states, within the restriction."""
    groups = tally.members[population]
    months = tally.months[population, what, restriction]
    return estimate_of(
        population, outcome, "months", _ratio(whole_and_without(months), whole_and_without(groups)), groups
    )


def _from_curve(population: Population, endpoint: Endpoint, tally: Tally) -> Iterator[Estimate]:
    """Median and landmarks, both interpolated linearly between the ends of days."""
    known = known_days(population, tally)
    free = _event_free(population, endpoint, tally)[:, :known]
    grid = tally.grid_months[:known]
    groups = tally.members[population.name]
    median = _median(free, groups, grid)
    yield estimate_of(
        population.name, f"{endpoint.name}: median", "months", median, groups, "survival stays above one half"
    )
    for landmark in tally.landmarks_months:
        if landmark > grid[-1]:
            continue
        day = max(int(np.searchsorted(grid, landmark)), 1)
        part = (landmark - grid[day - 1]) / (grid[day] - grid[day - 1])
        before, after = whole_and_without(free[:, day - 1]), whole_and_without(free[:, day])
        at = _ratio(before + part * (after - before), whole_and_without(groups))
        yield estimate_of(population.name, f"{endpoint.name}: at {landmark:g} months", "share", at, groups)


def _median(free: Integers, groups: Integers, grid: Floats) -> Floats:
    """When half of all members, and half of those without each group, are free of the event; NaN if more stay free.

    `free` (groups x days) are those still free at the end of each day.
    """
    members = whole_and_without(groups)
    everybody = free.sum(axis=0)

    def left(day: Integers) -> Integers:
        """Those still free at the end of a day: of all on the first of the days, without group g on day 1 + g."""
        return everybody[day] - np.append(0, free[np.arange(len(groups)), day[1:]])

    # Numbers fall from day to day: halve the days until the first is left that leaves no more than half, or the last.
    day, last = np.zeros(len(members), np.int64), np.full(len(members), len(grid) - 1)
    while (day < last).any():
        middle = (day + last) // 2
        reached = 2 * left(middle) <= members
        day, last = np.where(reached, day, np.minimum(middle + 1, last)), np.where(reached, middle, last)
    before = np.maximum(day - 1, 0)
    fell = np.maximum(left(before) - left(day), 1)
    part = (left(before) - members / 2) / fell
    months = np.where(day == 0, 0.0, grid[before] + part * (grid[day] - grid[before]))
    return np.where((2 * left(day) <= members) & (members > 0), months, np.nan)


def _event_free(population: Population, endpoint: Endpoint, tally: Tally) -> Integers:
    """Patients of each group free of the event at the end of each day (groups x days)."""
    free = tally.days[population.name, endpoint.name].astype(np.int64)
    np.cumsum(free, axis=1, out=free)  # of equal types, in place: five times as fast as with dtype=np.int64
    return np.subtract(tally.members[population.name][:, np.newaxis], free, out=free)


def known_days(population: Population, tally: Tally) -> int:
    """How many points of the day grid lie within everybody's follow-up."""
    return int(np.searchsorted(tally.grid_months, tally.follow_up_months[population.name], side="right"))


def _left_out(population: Population, tally: Tally) -> list[float]:
    """Landmarks and restriction times that lie beyond the population's shortest follow-up."""
    last_day = tally.grid_months[known_days(population, tally) - 1]
    landmarks = {t for t in tally.landmarks_months if t > last_day}
    beyond = {t for t in tally.restrictions_months if t > tally.follow_up_months[population.name]}
    return sorted(landmarks | beyond)


def estimate_of(
    population: str, outcome: str, unit: str, values: Floats, groups: Integers, if_missing: str = ""
) -> Estimate:
    """An estimate whose error is left out if a group is empty, with the reason of what is missing."""
    remark = ""
    if empty := int(np.count_nonzero(groups == 0)):
        values = np.where(np.arange(len(values)) == 0, values, np.nan)
        remark = f"{empty} of {GROUPS} groups are empty, so no standard error"
    if not groups.any():
        remark = "there is nobody to tell it of"
    elif math.isnan(values[0]):
        remark = if_missing
    elif not remark and np.isnan(values).any():
        remark = f"no standard error, because without some group {if_missing}"
    return Estimate(population, outcome, unit, values, remark)


def whole_and_without(by_group: NDArray[Any]) -> NDArray[Any]:
    """Sums over all groups, then over all but each: (100, ...) becomes (101, ...)."""
    whole = by_group.sum(axis=0)[np.newaxis]
    return np.concatenate([whole, whole - by_group])


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """NaN where there is nobody."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator / denominator, np.float64)


def check_comparable(tallies: Mapping[str, Tally]) -> None:
    """ValueError if the tallies do not ask the same of the same number of patients over the same time."""
    asked = [(t.definitions, t.horizon_months, t.first_patient, t.patients) for t in tallies.values()]
    if any(a != asked[0] for a in asked):
        raise ValueError("strategies can be compared only with the same definitions, horizon and patients")
