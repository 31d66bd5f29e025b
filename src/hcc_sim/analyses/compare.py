"""Compare the strategies of a scenario on the same patients, with the same luck."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from hcc_sim.analyses.flow import Flow, flows
from hcc_sim.analyses.precision import Precision, Reached, run_until
from hcc_sim.analyses.strategies import Keep, Progress, Run, asked_by, primary_population, restricted_means
from hcc_sim.analyses.turning import AGGRESSIVENESS, EFFECT_OF_SURGERY, SURVIVAL, Turning, turning_points
from hcc_sim.analyses.valuation import Valuation, all_estimates, valuation_of
from hcc_sim.engine import CHUNK
from hcc_sim.outcomes import (
    Contrast,
    Definitions,
    Estimate,
    Estimates,
    Incident,
    Point,
    RateRatio,
    Table,
    Tally,
    Told,
    contrast_table,
    curve_table,
    hazard_ratio_table,
    incidence_table,
    notes,
    same_fate_of_others,
    same_patients,
    summary_table,
)
from hcc_sim.outcomes.hcc import CONVERTED, ENROLLED, EVERYBODY, WITHIN_MONTHS
from hcc_sim.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

STANDARD_ERRORS = 1.96


class Assumption(NamedTuple):
    """How far a contrast hangs on a parameter: the difference at its value and the ends of its prior."""

    outcome: str
    parameter: str
    kind: str
    value: float
    low: float
    high: float
    strategy: str
    versus: str
    difference: float
    difference_at_low: float
    difference_at_high: float
    turns_at: float
    unit: str

    @classmethod
    def of(cls, t: Turning) -> Assumption:
        """A turning as a row; `turns_at` is NaN where nothing turns."""
        (low, value, high), (at_low, at_value, at_high) = t.values, t.differences
        prior = (t.parameter.name, t.parameter.kind, value, low, high)
        turns_at = math.nan if t.turns_at is None else t.turns_at
        return cls(t.outcome, *prior, t.strategy, t.versus, at_value, at_low, at_high, turns_at, t.unit)


class Tables(NamedTuple):
    """All tables of a comparison; their names are those of the files."""

    summary: Table[Told]
    contrasts: Table[Contrast]
    curves: Table[Point]
    assumptions: Table[Assumption]
    incidence: Table[Incident]
    hazard_ratios: Table[RateRatio]


@dataclass(frozen=True)
class Comparison:
    """The outcomes of all strategies of a scenario.

    `turnings` say on which assumption the answer hangs, `turnings_of_value` the same of net benefit; `valuation` holds
    costs and QALYs, None where the scenario has no terms for them.
    """

    scenario: Scenario
    tallies: Mapping[str, Tally]
    turnings: tuple[Turning, ...]
    reached: Reached | None = None
    valuation: Valuation | None = None
    turnings_of_value: tuple[Turning, ...] = ()

    @property
    def definitions(self) -> Definitions:
        """What was asked."""
        return asked_by(self.scenario)

    @property
    def time_zero(self) -> str:
        """From when the primary population is followed, in words."""
        if self.primary == ENROLLED:
            return f"coming to '{self.scenario.start}'"
        return "conversion" if self.primary == CONVERTED else "the start of therapy"

    @property
    def same_converters(self) -> bool:
        """Whether the same patients convert, at the same times, under all strategies."""
        return same_patients(self.tallies)[CONVERTED]

    @property
    def primary(self) -> str:
        """The population of the primary estimand: the converted, unless strategies differ in who converts."""
        return primary_population(self.tallies)

    @cached_property
    def estimates(self) -> Estimates:
        """All outcomes by strategy, then costs and QALYs."""
        return all_estimates(self.tallies, self.valuation)

    @cached_property
    def flows(self) -> tuple[Flow, ...]:
        """Where patients go under each strategy, from stage to stage."""
        return flows(self.scenario)

    @cached_property
    def tables(self) -> Tables:
        """What is told, as rows."""
        assumptions = [Assumption.of(turning) for turning in (*self.turnings, *self.turnings_of_value)]
        return Tables(
            summary_table(self.estimates),
            contrast_table(self.estimates),
            curve_table(self.tallies),
            Table(Assumption._fields, assumptions),
            incidence_table(self.tallies),
            hazard_ratio_table(self.tallies),
        )

    def summary(self) -> pd.DataFrame:
        """strategy, population, outcome, value, mc_se, low, high, unit."""
        return self.tables.summary.frame()

    def contrasts(self) -> pd.DataFrame:
        """population, outcome, strategy, versus, difference, mc_se, low, high, unit, for every pair."""
        return self.tables.contrasts.frame()

    def curves(self) -> pd.DataFrame:
        """strategy, population, outcome, months, value, low, high."""
        return self.tables.curves.frame()

    def incidence(self) -> pd.DataFrame:
        """strategy, population, cause, months, value, low, high: deaths by cause, relapse seen, decompensation."""
        return self.tables.incidence.frame()

    def hazard_ratios(self) -> pd.DataFrame:
        """population, outcome, strategy, versus, from_months, to_months, hazard_ratio, low, high, for every pair."""
        return self.tables.hazard_ratios.frame()

    def survival(self, endpoint: str = "OS", population: str | None = None) -> pd.DataFrame:
        """The curves of one endpoint, by default in the population of the primary estimand."""
        table = self.curves()
        wanted = (table["outcome"] == endpoint) & (table["population"] == (population or self.primary))
        return table[wanted].reset_index(drop=True)

    def costs(self) -> pd.DataFrame:
        """strategy, category, item, price, units, cost, mc_se, ...: per patient who starts, discounted and not.

        Raises:
            ValueError: the scenario has no terms for costs.
        """
        return self._valued().tables.costs.frame()

    def qalys(self) -> pd.DataFrame:
        """strategy, health, utility, years, qalys, ...: per patient who starts, discounted and not.

        Raises:
            ValueError: the scenario has no terms for QALYs.
        """
        return self._valued().tables.qalys.frame()

    def icer(self) -> pd.DataFrame:
        """Strategies in order of cost, with dominance and the incremental cost-effectiveness ratios of the frontier.

        Raises:
            ValueError: the scenario has no terms for costs.
        """
        return self._valued().tables.increments.frame()

    def net_benefit(self) -> pd.DataFrame:
        """Net monetary and health benefit of each strategy at each threshold.

        Raises:
            ValueError: the scenario has no terms for costs.
        """
        return self._valued().tables.net_benefit.frame()

    def _valued(self) -> Valuation:
        if self.valuation is None:
            raise ValueError("the scenario says nothing of economics: add currency, price year, discount, thresholds")
        return self.valuation

    def assumptions(self) -> pd.DataFrame:
        """On which assumption the answer hangs, strongest first: the difference at the ends of each prior."""
        return self.tables.assumptions.frame()

    def notes(self) -> tuple[str, ...]:
        """What a reader must know: what is left out and why, and which populations differ."""
        told = [*notes(self.tallies, self.estimates), *(self.valuation.notes if self.valuation else ())]
        if differ := self._subgroups_that_differ():
            told.insert(
                0,
                f"Strategies differ in who belongs to: {'; '.join(differ)}: results there compare different patients, "
                "and a difference may be theirs.",
            )
        if self.reached is not None:
            told.insert(0, self.reached.sentence())
        if self.primary == ENROLLED:
            if not same_patients(self.tallies)[ENROLLED]:
                told.insert(
                    0,
                    f"Strategies differ in who comes to '{self.scenario.start}', or when: results compare different "
                    "patients, and a difference may be theirs.",
                )
        elif not self.same_converters:
            told.insert(
                0,
                f"Strategies differ in who converts: results among the {CONVERTED} compare different patients; "
                f"the primary results are those of {EVERYBODY} who starts therapy.",
            )
        elif not same_fate_of_others(self.tallies, CONVERTED):
            told.insert(
                0,
                f"Strategies differ in what becomes of those who never convert: the primary results are those of "
                f"{EVERYBODY} who starts therapy.",
            )
        return tuple(told)

    def _subgroups_that_differ(self) -> list[str]:
        """Those that do not hold the same patients, or not from the same time zero, where their whole population does.

        Of a whole that differs a reader is told anyhow.
        """
        same, populations = same_patients(self.tallies), self.definitions.populations
        wholes = {(p.entering, p.latest_months): p.name for p in populations if p.subgroup is None}
        parts = (p for p in populations if p.subgroup is not None)
        return [p.name for p in parts if same[wholes[p.entering, p.latest_months]] and not same[p.name]]

    def headline(self) -> str:
        """The answer in one sentence, with its Monte-Carlo uncertainty; then whether the fit is not renewed."""
        names = self.scenario.fit_not_renewed
        told = f" Fit not renewed for {', '.join(names)}: held where no draw of it lies." if names else ""
        return self._answer() + told

    def _answer(self) -> str:
        found = restricted_means(self.tallies, self.primary)
        if found is None:
            return "The horizon is too short, or the patients too few, for a headline: see the tables."
        means = {name: mean.value for name, mean in found.items()}
        within = f"of the first {WITHIN_MONTHS / 12:g} years after {self.time_zero}"
        best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        if len(means) == 1:
            return f"Under '{best}' patients live {means[best]:.1f} months {within}."
        if means[best] == means[worst]:
            return f"Under every strategy patients live {means[best]:.1f} months {within}: no difference at all."
        gap = found[best] - found[worst]
        others = (name for name in means if name not in (best, worst))
        equal = [f"'{name}'" for name in others if not _told_apart(found[best] - found[name])]
        if not _told_apart(gap):
            size = self.scenario.size
            return (
                f"No strategy can be told apart by survival with {size:,} patient{'s' if size > 1 else ''}: '{best}' "
                f"gives {means[best]:.1f} months {within}, {_plus_minus(gap)} more than '{worst}'."
            )
        text = (
            f"Patients live longest under '{best}': {means[best]:.1f} months {within}, "
            f"{_plus_minus(gap)} more than under '{worst}', the shortest"
        )
        return text + (f"; not told apart from it: {', '.join(equal)}." if equal else ".")

    def strongest_assumption(self) -> str:
        """The assumption that moves the headline's contrast most, and where it turns the answer."""
        return next((t.sentence() for t in self.turnings if t.parameter.name != AGGRESSIVENESS), "")

    def answer_of_value(self) -> str:
        """What is best at each threshold, and by how much; empty where the scenario has no terms."""
        return "" if self.valuation is None else self.valuation.answer()

    def strongest_assumption_of_value(self) -> str:
        """The assumption that moves the contrast of net benefit most, and where it turns the answer."""
        return next((t.sentence() for t in self.turnings_of_value if t.parameter.name != AGGRESSIVENESS), "")

    def unseen_differences(self) -> str:
        """The headline's contrast at three sizes of what patients differ by and nobody sees, none included."""
        return next((t.sentence() for t in self.turnings if t.parameter.name == AGGRESSIVENESS), "")

    def turned_as_asked(self) -> tuple[str, ...]:
        """A sentence for each parameter that the scenario asks to turn and that nothing else tells, strongest first."""
        told = {self.strongest_assumption(), self.effect_of_surgery(), self.unseen_differences()}
        sentences = (t.sentence() for t in self.turnings if self.scenario.turn)
        return tuple(sentence for sentence in sentences if sentence not in told)

    def effect_of_surgery(self) -> str:
        """The same for the effect of surgery on what is left behind, which every timing result must state."""
        told = next((t.sentence() for t in self.turnings if t.parameter.name == EFFECT_OF_SURGERY), "")
        return "" if told == self.strongest_assumption() else told


def compare(
    scenario: Scenario,
    *,
    threads: int | None = None,
    chunk: int = CHUNK,
    keep: Keep | None = None,
    progress: Progress | None = None,
    precision: Precision | None = None,
) -> Comparison:
    """Simulate the scenario's patients under every strategy, and find on which assumption the answer hangs.

    Args:
        scenario: what `load_scenario` gives.
        threads: how many to use; by default one per processor.
        chunk: patients whose stays are in memory at once, a multiple of 1,000.
        keep: called with every chunk of stays.
        progress: called as histories are finished.
        precision: goes on until that is reached, with the scenario's patients at most.

    Raises:
        InputError: the parameters' values do not fit the pathway; a precision of an outcome that is not told.
        EngineError: a run that had to stop.
    """
    run = Run(scenario, threads=threads, chunk=chunk, keep=keep, progress=progress, value=True)
    reached = None
    if precision is None:
        run.up_to(scenario.size)
    else:
        reached = run_until(run, precision, scenario.size)
        scenario = replace(scenario, size=run.patients)
    turnings = turning_points(run, primary_population(run.tallies), threads)
    of_survival = tuple(turning for turning in turnings if turning.outcome == SURVIVAL)
    return Comparison(
        scenario,
        run.tallies,
        of_survival,
        reached,
        valuation_of(scenario, run.quantities),
        turnings[len(of_survival) :],
    )


def _told_apart(gap: Estimate) -> bool:
    """Whether a difference is clear of its Monte-Carlo error; one whose error is not known is not."""
    return gap.value > STANDARD_ERRORS * gap.mc_se


def _plus_minus(gap: Estimate) -> str:
    error = "(error unknown)" if math.isnan(gap.mc_se) else f"± {STANDARD_ERRORS * gap.mc_se:.2f}"
    return f"{gap.value:.2f} {error}"
