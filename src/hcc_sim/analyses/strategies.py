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
        told_apart = {population.subgroup for population in asked.populations}
        self._subgroups = [subgroup for subgroup in scenario.subgroups if subgroup.name in told_apart]
        self.scenario = scenario
        self.patients = 0
        self._programs = programs(scenario)
        self._threads, self._chunk, self._keep, self._progress = threads, chunk, keep, progress
        self.tallies = {
            name: Tally(asked, program.state_names, program.exit_names, scenario.horizon_months)
            for name, program in self._programs.items()
        }
        self.quantities = _quantities(scenario, self._programs) if value else {}

    def up_to(self, patients: int) -> None:
        """Simulate all strategies up to so many patients; a run that goes on must have a multiple of 1,000 so far.

        Raises:
            ValueError: fewer than it has.
        """
        if patients < self.patients:
            raise ValueError(f"a run of {self.patients:,} patients cannot go back to {patients:,}")
        for name, program in self._programs.items():
            further = chunks_of(
                self.scenario, program, patients, first=self.patients, chunk=self._chunk, threads=self._threads
            )
            for part in further:
                members = self._memberships(program, part)
                self.tallies[name].add(part.stays, part.first_patient, part.patients, members)
                if name in self.quantities:
                    self.quantities[name].add(part.stays, part.first_patient, part.patients)
                if self._keep is not None:
                    self._keep(name, program, part.stays)
                if self._progress is not None:
                    self._progress(part.patients)
        self.patients = patients

    def _memberships(self, program: Program, part: Chunk) -> dict[str, NDArray[np.bool_]]:
        """Who of a chunk belongs to each subgroup, by what is true at the start under the strategy's own values."""
        if not self._subgroups:
            return {}
        patients, names = self.scenario.patients, list({subgroup.attribute: None for subgroup in self._subgroups})
        values = starting_attributes(
            program,
            names,
            seed=self.scenario.seed,
            patients=part.patients,
            first_patient=part.first_patient,
            attributes=None if patients is None else patients.frame(part.first_patient, part.patients),
        )
        return {subgroup.name: subgroup.holds(values[names.index(subgroup.attribute)]) for subgroup in self._subgroups}


def asked_by(scenario: Scenario) -> Definitions:
    """What is asked of a scenario's patients from its start on, and of its subgroups."""
    asked = outcomes_from(scenario.start, scenario.horizon_months)
    names = [subgroup.name for subgroup in scenario.subgroups]
    return with_subgroups(asked, names) if names else asked


def rules_of(scenario: Scenario, strategy: Strategy) -> tuple[Rules, tuple[str, ...]]:
    """What is counted under a strategy of a scenario with terms, and notes on what had to be taken for another."""
    assert scenario.terms is not None
    around = strategy.around_surgery
    given = Given(strategy.layers.regimen.given, around.get("adjuvant", ""), around.get("neoadjuvant", ""))
    return hcc_rules(given, strategy.parameters.values_only(), scenario.terms.items)


def _quantities(scenario: Scenario, compiled: Mapping[str, Program]) -> dict[str, Quantities]:
    """Nothing counted yet, for each strategy; none where the scenario has no terms."""
    if scenario.terms is None:
        return {}
    found = {}
    for strategy in scenario.strategies:
        program, values = compiled[strategy.name], strategy.parameters.values_only()
        found[strategy.name] = Quantities(
            rules_of(scenario, strategy)[0],
            values,
            state_names=program.state_names,
            exit_names=program.exit_names,
            shown_names=program.pathway.shown,
            staying=program.pathway.staying(),
            horizon_months=scenario.horizon_months,
            discount_costs=scenario.terms.discount_costs,
            discount_effects=scenario.terms.discount_effects,
        )
    return found


def chunks_of(
    scenario: Scenario,
    program: Program,
    patients: int,
    *,
    first: int = 0,
    chunk: int = CHUNK,
    threads: int | None = None,
) -> Iterator[Chunk]:
    """A scenario's patients `first` to `patients - 1` in chunks.

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
            attributes=None if scenario.patients is None else scenario.patients.frame(begin, count),
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
