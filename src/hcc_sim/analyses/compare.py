"""Compare the strategies of a scenario on the same patients, with the same luck."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_sim.engine import CHUNK, Program, simulate
from hcc_sim.history import Stays
from hcc_sim.outcomes import Definitions, Tally, contrasts, curves, estimates, notes, same_patients, summary
from hcc_sim.outcomes.hcc import CONVERTED, EVERYBODY, HCC_OUTCOMES, OVERALL_SURVIVAL, WITHIN_MONTHS
from hcc_sim.parameters import Parameter
from hcc_sim.scenario import Scenario, programs

if TYPE_CHECKING:
    import pandas as pd

TIMING_ASSUMPTIONS = ("surgery.effect", "drugs.withdrawal_effect_on_outgrowth")
"""Parameters that no source settles and on which the answer to the timing question may hang."""

TURNING_PATIENTS = 20_000
"""Patients behind a turning value: enough to place it within the breadth of its prior, quick enough for every run."""

HEADLINE = f"{OVERALL_SURVIVAL.name}: restricted mean to {WITHIN_MONTHS:g} months"
STANDARD_ERRORS = 1.96

Keep = Callable[[str, Program, Stays], None]
"""Takes the stays of one chunk of one strategy."""

Progress = Callable[[int], None]
"""Told how many histories (one patient under one strategy) have been simulated since it was last told."""


@dataclass(frozen=True)
class Turning:
    """How far a contrast hangs on one parameter that no source settles.

    `differences` are those of the restricted mean survival time (months, `best` minus `worst`) at `values`, which span
    the prior's central 95% interval; `turns_at` is where the sign changes, None if it does not.
    """

    parameter: Parameter
    values: tuple[float, ...]
    differences: tuple[float, ...]
    turns_at: float | None


@dataclass(frozen=True)
class Comparison:
    """The outcomes of all strategies of a scenario."""

    scenario: Scenario
    tallies: Mapping[str, Tally]
    turnings: tuple[Turning, ...]

    @property
    def definitions(self) -> Definitions:
        """What was asked."""
        return HCC_OUTCOMES

    @property
    def same_converters(self) -> bool:
        """Whether the same patients convert, at the same times, under all strategies."""
        return same_patients(self.tallies)[CONVERTED]

    @property
    def primary(self) -> str:
        """The population of the primary estimand: the converted, unless strategies differ in who converts."""
        return CONVERTED if self.same_converters and self._anybody_converted else EVERYBODY

    @property
    def _anybody_converted(self) -> bool:
        return all(tally.members[CONVERTED].sum() > 0 for tally in self.tallies.values())

    def summary(self) -> pd.DataFrame:
        """strategy, population, outcome, value, mc_se, low, high, unit."""
        return summary(self.tallies)

    def contrasts(self) -> pd.DataFrame:
        """population, outcome, strategy, versus, difference, mc_se, low, high, unit, for every pair."""
        return contrasts(self.tallies)

    def curves(self) -> pd.DataFrame:
        """strategy, population, outcome, months, value, low, high."""
        return curves(self.tallies)

    def survival(self, endpoint: str = "OS", population: str | None = None) -> pd.DataFrame:
        """The curves of one endpoint, by default in the population of the primary estimand."""
        table = self.curves()
        wanted = (table["outcome"] == endpoint) & (table["population"] == (population or self.primary))
        return table[wanted].reset_index(drop=True)

    def notes(self) -> tuple[str, ...]:
        """What a reader must know: what is left out and why, and which populations differ."""
        told = list(notes(self.tallies))
        if not self.same_converters:
            told.insert(
                0,
                f"Strategies differ in who converts: results among the {CONVERTED} compare different patients; "
                f"the primary results are those of {EVERYBODY} who starts therapy.",
            )
        return tuple(told)

    def headline(self) -> str:
        """The answer in one sentence, with its Monte-Carlo uncertainty."""
        means = _restricted_means(self.tallies, self.primary)
        if means is None:
            return "The horizon is too short for a headline: see the tables."
        time_zero = "conversion" if self.primary == CONVERTED else "the start of therapy"
        best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        within = f"of the first {WITHIN_MONTHS / 12:g} years after {time_zero}"
        if best == worst:
            return f"Under '{best}' patients live {means[best]:.1f} months {within}."
        gaps = {name: _gap(self.tallies, self.primary, best, name) for name in means if name != best}
        equal = [f"'{name}'" for name, (gap, error) in gaps.items() if gap <= STANDARD_ERRORS * error]
        gap, error = gaps[worst]
        text = (
            f"Patients live longest under '{best}': {means[best]:.1f} months {within}, "
            f"{gap:.2f} ± {STANDARD_ERRORS * error:.2f} more than under '{worst}', the shortest"
        )
        return text + (f"; not told apart from it: {', '.join(equal)}." if equal else ".")

    def strongest_assumption(self) -> str:
        """The unsettled parameter that moves the headline's contrast most, and where it turns the answer."""
        if not self.turnings:
            return ""
        turning = max(self.turnings, key=lambda t: max(t.differences) - min(t.differences))
        parameter, distribution = turning.parameter, turning.parameter.distribution
        prior = "" if distribution is None else f", prior {distribution.low:g} to {distribution.high:g}"
        span = f"{min(turning.differences):+.1f} to {max(turning.differences):+.1f} months"
        turns = (
            f"the order turns at about {turning.turns_at:.2g}"
            if turning.turns_at is not None
            else "no value within the prior turns the order"
        )
        assumed = f"{parameter.name} = {parameter.value:g} ({parameter.kind}{prior})"
        return f"{assumed}: across it that difference is {span}; {turns}."


def compare(
    scenario: Scenario,
    *,
    threads: int | None = None,
    chunk: int = CHUNK,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Simulate the scenario's patients under every strategy.

    Args:
        scenario: what `load_scenario` gives.
        threads: how many to use; by default one per processor.
        chunk: patients whose stays are in memory at once, a multiple of 1,000.
        keep: called with every chunk of stays.
        progress: called as histories are finished.

    Raises:
        InputError: the parameters' values do not fit the pathway.
        EngineError: a run that had to stop.
    """
    tallies = _simulate(scenario, programs(scenario), threads, chunk, keep, progress)
    return Comparison(scenario, tallies, _turnings(scenario, tallies, threads))


def _simulate(
    scenario: Scenario,
    compiled: Mapping[str, Program],
    threads: int | None,
    chunk: int,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> dict[str, Tally]:
    tallies = {
        name: Tally(HCC_OUTCOMES, program.state_names, program.exit_names, scenario.horizon_months)
        for name, program in compiled.items()
    }
    for name, program in compiled.items():
        parts = simulate(
            program,
            seed=scenario.seed,
            patients=scenario.size,
            horizon_months=scenario.horizon_months,
            chunk=chunk,
            threads=threads,
        )
        for part in parts:
            tallies[name].add(part.stays, part.first_patient, part.patients)
            if keep is not None:
                keep(name, program, part.stays)
            if progress is not None:
                progress(part.patients)
    return tallies


def _restricted_means(tallies: Mapping[str, Tally], population: str) -> dict[str, float] | None:
    means = {}
    for name, tally in tallies.items():
        found = [e.value for e in estimates(tally) if (e.population, e.outcome) == (population, HEADLINE)]
        if not found or math.isnan(found[0]):
            return None
        means[name] = found[0]
    return means


def _gap(tallies: Mapping[str, Tally], population: str, strategy: str, versus: str) -> tuple[float, float]:
    """Restricted mean survival time of `strategy` minus that of `versus`, and its Monte-Carlo standard error."""
    table = contrasts({versus: tallies[versus], strategy: tallies[strategy]})
    row = table[(table["population"] == population) & (table["outcome"] == HEADLINE)].iloc[0]
    return float(row["difference"]), float(row["mc_se"])


def _turnings(scenario: Scenario, tallies: Mapping[str, Tally], threads: int | None) -> tuple[Turning, ...]:
    """Where the contrast between the best and the worst strategy turns, for each parameter that no source settles."""
    population = CONVERTED if same_patients(tallies)[CONVERTED] else EVERYBODY
    means = _restricted_means(tallies, population)
    if means is None or len(means) < 2:
        return ()
    pair = (max(means, key=means.__getitem__), min(means, key=means.__getitem__))
    if pair[0] == pair[1]:
        return ()
    turnings = []
    for name in TIMING_ASSUMPTIONS:
        parameter = scenario.strategies[0].parameters[name]
        decided = any(name in strategy.given for strategy in scenario.strategies)
        if parameter.distribution is not None and not decided:
            turnings.append(_turning(scenario, parameter, pair, population, threads))
    return tuple(turnings)


def _turning(
    scenario: Scenario, parameter: Parameter, pair: tuple[str, str], population: str, threads: int | None
) -> Turning:
    assert parameter.distribution is not None
    low, high = parameter.distribution.low, parameter.distribution.high
    steps = 5
    values = tuple(math.exp(math.log(low) + i / (steps - 1) * math.log(high / low)) for i in range(steps))
    differences = []
    for value in values:
        chosen = tuple(
            replace(s, parameters=s.parameters.with_values({parameter.name: value}, "turning value"))
            for s in scenario.strategies
            if s.name in pair
        )
        varied = replace(scenario, strategies=chosen, size=min(scenario.size, TURNING_PATIENTS))
        means = _restricted_means(_simulate(varied, programs(varied), threads, CHUNK), population)
        assert means is not None
        differences.append(means[pair[0]] - means[pair[1]])
    return Turning(parameter, values, tuple(differences), _crossing(values, differences))


def _crossing(values: Sequence[float], differences: Sequence[float]) -> float | None:
    """Where the differences first change sign, interpolated on the logarithm of the values."""
    for a, b, left, right in zip(values, values[1:], differences, differences[1:], strict=False):
        if left == 0.0:
            return a
        if left * right < 0:
            return math.exp(math.log(a) + left / (left - right) * math.log(b / a))
    return None
