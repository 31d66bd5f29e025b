"""Run the strategies of a scenario on the same patients, with the same luck, into tallies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from hcc_sim.economics.hcc import Given, hcc_rules
from hcc_sim.economics.items import Rules
from hcc_sim.economics.quantities import Quantities
from hcc_sim.engine import CHUNK, Chunk, Program, simulate, starting_attributes
from hcc_sim.history import Stays
from hcc_sim.outcomes import (
    Definitions,
    Estimate,
    Tally,
    restricted_mean,
    same_fate_of_others,
    same_patients,
    with_subgroups,
)
from hcc_sim.outcomes.hcc import CONVERTED, ENROLLED, EVERYBODY, OVERALL_SURVIVAL, WITHIN_MONTHS, outcomes_from
from hcc_sim.scenario import Scenario, Strategy, programs

Keep = Callable[[str, Program, Stays], None]
"""Takes the stays of one chunk of one strategy."""

Progress = Callable[[int], None]
"""Told how many histories (one patient under one strategy) have been simulated since it was last told."""


CHUNKS_OF_A_FILE = 10
"""Chunks for which attributes are laid out at once."""


def simulate_strategies(
    scenario: Scenario,
    definitions: Definitions | None = None,
    *,
    threads: int | None = None,
    chunk: int = CHUNK,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> dict[str, Tally]:
    """What `definitions` ask (by default `asked_by` the scenario), tallied by strategy, in its order.

    Raises:
        InputError: the parameters' values do not fit the pathway.
        EngineError: a run that had to stop.
    """
    run = Run(scenario, definitions, threads=threads, chunk=chunk, keep=keep, progress=progress)
    run.up_to(scenario.size)
    return run.tallies


class Arm:
    """One strategy as it is simulated: its program, and what was counted so far.

    `quantities` are what costs and QALYs are made of, by subgroup, `EVERYBODY` for all; empty where nothing is valued.
    Where a file gives the patients, number `first` is the one of its first row.
    """

    def __init__(
        self,
        scenario: Scenario,
        program: Program,
        asked: Definitions,
        quantities: Mapping[str, Quantities],
        first: int = 0,
    ) -> None:
        told_apart = {p.subgroup for p in asked.populations} | set(quantities)
        self._scenario, self._first = scenario, first
        self._subgroups = [subgroup for subgroup in scenario.subgroups if subgroup.name in told_apart]
        self.program = program
        self.tally = Tally(asked, program.state_names, program.exit_names, scenario.horizon_months)
        self.quantities = quantities

    def parts(self, first: int, patients: int, chunk: int = CHUNK, threads: int | None = None) -> Iterator[Chunk]:
        """Simulate patients `first` to `patients - 1`, each chunk counted before it is handed on."""
        for part in chunks_of(
            self._scenario, self.program, patients, first=first, chunk=chunk, threads=threads, row_of_0=self._first
        ):
            members = self._memberships(part)
            self.tally.add(part.stays, part.first_patient, part.patients, members)
            for name, quantities in self.quantities.items():
                quantities.add(part.stays, part.first_patient, part.patients, members.get(name))
            yield part

    def _memberships(self, part: Chunk) -> dict[str, NDArray[np.bool_]]:
        """Who of a chunk belongs to each subgroup, by what is true at the start under the strategy's own values."""
        if not self._subgroups:
            return {}
        patients, names = self._scenario.patients, list({one.attribute: None for one in self._subgroups})
        values = starting_attributes(
            self.program,
            names,
            seed=self._scenario.seed,
            patients=part.patients,
            first_patient=part.first_patient,
            attributes=None if patients is None else patients.frame(part.first_patient - self._first, part.patients),
        )
        return {subgroup.name: subgroup.holds(values[names.index(subgroup.attribute)]) for subgroup in self._subgroups}


class Run:
    """A run of all strategies that can go on: `tallies` by strategy, of the same first patients.

    `quantities` are what costs and QALYs are made of, counted with `value` where the scenario has terms for them; else
    there are none.  Other arguments, and errors, are those of `simulate_strategies`.
    """

    def __init__(
        self,
        scenario: Scenario,
        definitions: Definitions | None = None,
        *,
        threads: int | None = None,
        chunk: int = CHUNK,
        keep: Keep | None = None,
        progress: Progress | None = None,
        value: bool = False,
    ) -> None:
        asked = asked_by(scenario) if definitions is None else definitions
        self.scenario = scenario
        self.patients = 0
        self._threads, self._chunk, self._keep, self._progress = threads, chunk, keep, progress
        compiled, valued = programs(scenario), value and scenario.terms is not None
        self._arms: dict[str, Arm] = {}
        for strategy in scenario.strategies:
            program = compiled[strategy.name]
            counted = {}
            if valued:
                counted = {EVERYBODY: nothing_counted(scenario, strategy, program, strategy.parameters.values_only())}
            self._arms[strategy.name] = Arm(scenario, program, asked, counted)

    @property
    def tallies(self) -> dict[str, Tally]:
        """By strategy."""
        return {name: arm.tally for name, arm in self._arms.items()}

    @property
    def quantities(self) -> dict[str, Quantities]:
        """By strategy; none where nothing is valued."""
        return {name: arm.quantities[EVERYBODY] for name, arm in self._arms.items() if arm.quantities}

    def up_to(self, patients: int) -> None:
        """Simulate all strategies up to so many patients; a run that goes on must have a multiple of 1,000 so far.

        Raises:
            ValueError: fewer than it has.
        """
        if patients < self.patients:
            raise ValueError(f"a run of {self.patients:,} patients cannot go back to {patients:,}")
        for name, arm in self._arms.items():
            for part in arm.parts(self.patients, patients, self._chunk, self._threads):
                if self._keep is not None:
                    self._keep(name, arm.program, part.stays)
                if self._progress is not None:
                    self._progress(part.patients)
        self.patients = patients


def make_ready(scenario: Scenario, program: Program) -> None:
    """Have all compiled code at hand that a run needs: one patient under the first strategy, whose program it is.

    Raises:
        EngineError: that patient's run had to stop.
    """
    strategy, counted = scenario.strategies[0], {}
    if scenario.terms is not None:
        counted = {EVERYBODY: nothing_counted(scenario, strategy, program, strategy.parameters.values_only())}
    for _ in Arm(scenario, program, asked_by(scenario), counted).parts(0, 1, threads=1):
        pass


def asked_by(scenario: Scenario) -> Definitions:
    """What is asked of a scenario's patients from its start on, and of its subgroups."""
    asked = outcomes_from(scenario.start, scenario.horizon_months)
    names = [subgroup.name for subgroup in scenario.subgroups]
    return with_subgroups(asked, names) if names else asked


def rules_of(
    scenario: Scenario, strategy: Strategy, values: Mapping[str, float] | None = None
) -> tuple[Rules, tuple[str, ...]]:
    """What is counted under a strategy of a scenario with terms, and notes on what had to be taken for another.

    With the strategy's own values of parameters, or with others.
    """
    assert scenario.terms is not None
    around = strategy.around_surgery
    given = Given(strategy.layers.regimen.given, around.get("adjuvant", ""), around.get("neoadjuvant", ""))
    return hcc_rules(given, strategy.parameters.values_only() if values is None else values, scenario.terms.items)


def nothing_counted(
    scenario: Scenario,
    strategy: Strategy,
    program: Program,
    values: Mapping[str, float],
    like: Quantities | None = None,
) -> Quantities:
    """Nothing counted yet, of a strategy of a scenario with terms; quicker `like` another of the same rules."""
    assert scenario.terms is not None
    rules = rules_of(scenario, strategy, values)[0]
    if like is not None and like.rules == rules:
        return like.anew(values)
    return Quantities(
        rules,
        values,
        state_names=program.state_names,
        exit_names=program.exit_names,
        shown_names=program.pathway.shown,
        staying=program.pathway.staying(),
        horizon_months=scenario.horizon_months,
        discount_costs=scenario.terms.discount_costs,
        discount_effects=scenario.terms.discount_effects,
    )


def chunks_of(
    scenario: Scenario,
    program: Program,
    patients: int,
    *,
    first: int = 0,
    chunk: int = CHUNK,
    threads: int | None = None,
    row_of_0: int = 0,
) -> Iterator[Chunk]:
    """A scenario's patients `first` to `patients - 1` in chunks; of a file's patients, number `row_of_0` is the first.

    Where a file gives their attributes these are laid out for some chunks at a time, so that memory stays flat.
    """
    at_once = max(patients - first, 1) if scenario.patients is None else CHUNKS_OF_A_FILE * chunk
    for begin in range(first, patients, at_once):
        count = min(at_once, patients - begin)
        yield from simulate(
            program,
            seed=scenario.seed,
            patients=count,
            first_patient=begin,
            attributes=None if scenario.patients is None else scenario.patients.frame(begin - row_of_0, count),
            horizon_months=scenario.horizon_months,
            chunk=chunk,
            threads=threads,
        )


def primary_population(tallies: Mapping[str, Tally]) -> str:
    """Whom the primary estimand is about: the enrolled, where a scenario says who they are, else the converted.

    Everybody, where nobody converts or strategies differ before conversion: others convert, or at other times, or those
    who never convert have other fates.
    """
    if all(ENROLLED in tally.members for tally in tallies.values()):
        return ENROLLED
    converted = all(tally.members[CONVERTED].sum() > 0 for tally in tallies.values())
    same = same_patients(tallies)[CONVERTED] and same_fate_of_others(tallies, CONVERTED)
    return CONVERTED if converted and same else EVERYBODY


def restricted_means(tallies: Mapping[str, Tally], population: str) -> dict[str, Estimate] | None:
    """Restricted mean survival time by strategy, months; None where the horizon or the patients do not suffice."""
    means = {}
    for name, tally in tallies.items():
        mean = restricted_mean(tally, population, OVERALL_SURVIVAL.name, WITHIN_MONTHS)
        if mean is None or math.isnan(mean.value):
            return None
        means[name] = mean
    return means
