"""Run the strategies of a scenario on the same patients, with the same luck, into tallies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from hcc_sim.engine import CHUNK, Program, simulate
from hcc_sim.history import Stays
from hcc_sim.outcomes import Definitions, Estimate, Tally, restricted_mean, same_patients
from hcc_sim.outcomes.hcc import CONVERTED, EVERYBODY, HCC_OUTCOMES, OVERALL_SURVIVAL, WITHIN_MONTHS
from hcc_sim.scenario import Scenario, programs

Keep = Callable[[str, Program, Stays], None]
"""Takes the stays of one chunk of one strategy."""

Progress = Callable[[int], None]
"""Told how many histories (one patient under one strategy) have been simulated since it was last told."""


def simulate_strategies(
    scenario: Scenario,
    definitions: Definitions = HCC_OUTCOMES,
    *,
    threads: int | None = None,
    chunk: int = CHUNK,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> dict[str, Tally]:
    """What `definitions` ask, tallied by strategy, in the scenario's order.

    Raises:
        InputError: the parameters' values do not fit the pathway.
        EngineError: a run that had to stop.
    """
    tallies = {}
    for name, program in programs(scenario).items():
        tally = Tally(definitions, program.state_names, program.exit_names, scenario.horizon_months)
        parts = simulate(
            program,
            seed=scenario.seed,
            patients=scenario.size,
            horizon_months=scenario.horizon_months,
            chunk=chunk,
            threads=threads,
        )
        for part in parts:
            tally.add(part.stays, part.first_patient, part.patients)
            if keep is not None:
                keep(name, program, part.stays)
            if progress is not None:
                progress(part.patients)
        tallies[name] = tally
    return tallies


def primary_population(tallies: Mapping[str, Tally]) -> str:
    """Whom the primary estimand is about: the converted, unless strategies differ in who converts, or nobody does."""
    converted = all(tally.members[CONVERTED].sum() > 0 for tally in tallies.values())
    return CONVERTED if converted and same_patients(tallies)[CONVERTED] else EVERYBODY


def restricted_means(tallies: Mapping[str, Tally], population: str) -> dict[str, Estimate] | None:
    """Restricted mean survival time by strategy, months; None where the horizon or the patients do not suffice."""
    means = {}
    for name, tally in tallies.items():
        mean = restricted_mean(tally, population, OVERALL_SURVIVAL.name, WITHIN_MONTHS)
        if mean is None or math.isnan(mean.value):
            return None
        means[name] = mean
    return means
