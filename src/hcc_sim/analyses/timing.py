"""Outcomes of a strategy against the delay of surgery, on the same patients; what ended the window of the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from hcc_sim.analyses.strategies import primary_population, simulate_strategies
from hcc_sim.engine import Program
from hcc_sim.history import Stays
from hcc_sim.outcomes import Table, restricted_mean
from hcc_sim.outcomes.hcc import OVERALL_SURVIVAL, WITHIN_MONTHS, WITHOUT_DISEASE
from hcc_sim.scenario import Scenario
from hcc_sim.units import DAYS_PER_MONTH, format_duration

DIAL, INTERVAL = "surgery.delay", "watching.interval"
DELAYS_MONTHS = (
    *(days / DAYS_PER_MONTH for days in (0, 14, 28, 42, 63, 91, 126, 182, 240, 298, 365, 548, 730)),
    math.inf,
)

ENDINGS = {
    "relapse beyond cure": ("window lost",),
    "unfit at relapse": ("unfit for salvage", "still unfit", "too small for salvage"),
    "declined at relapse": ("declines salvage",),
    "disease found at surgery": ("operation abandoned",),
    "liver failed while waiting": ("decompensation",),
    "died while waiting": ("death of cancer", "death of other causes"),
}
"""What may end the window of a converted patient who has had no surgery, by exits."""

WAITING = ("converted", "wash-out", "growing remnant", "awaiting surgery")
"""States in which the last two of them count."""


ALIVE, FREE = "months alive of 120", "of these without evidence of disease"


class Timed(NamedTuple):
    """One outcome at one delay, with its difference from the first delay on the same patients, all in months."""

    delay_months: float
    outcome: str
    value: float
    mc_se: float
    difference: float
    difference_mc_se: float


class Ended(NamedTuple):
    """The share of the patients of a sweep whose window one thing ended, at one delay."""

    delay_months: float
    ended_by: str
    share: float
    mc_se: float


@dataclass(frozen=True)
class Timing:
    """A sweep of the delay of surgery."""

    scenario: Scenario
    strategy: str
    population: str
    outcomes: tuple[Timed, ...]
    endings: tuple[Ended, ...]

    def tables(self) -> dict[str, Table[Any]]:
        """By the names of their files."""
        return {
            "timing": Table(Timed._fields, list(self.outcomes)),
            "timing-windows": Table(Ended._fields, list(self.endings)),
        }


def timing(
    scenario: Scenario,
    strategy: str = "",
    delays_months: Sequence[float] = DELAYS_MONTHS,
    threads: int | None = None,
) -> Timing:
    """Sweep the delay of surgery of one strategy, by default the scenario's first, all else as it sets.

    Raises:
        KeyError: no strategy of that name.
        ValueError: the horizon is too short, or the patients too few, to tell survival.
        InputError, EngineError: as a run of the scenario.
    """
    swept = replace(swept_over(scenario, strategy, delays_months), subgroups=())
    names = {one.name: one.given[DIAL] for one in swept.strategies}
    counts = {name: dict.fromkeys(ENDINGS, 0) for name in names}

    def count(name: str, program: Program, stays: Stays) -> None:
        for ending, patients in _endings(program, stays).items():
            counts[name][ending] += patients

    tallies = simulate_strategies(swept, threads=threads, keep=count)
    population = primary_population(tallies)
    outcomes = []
    for label, outcome in ((ALIVE, OVERALL_SURVIVAL.name), (FREE, WITHOUT_DISEASE)):
        found = {name: restricted_mean(tally, population, outcome, WITHIN_MONTHS) for name, tally in tallies.items()}
        first = next(iter(found.values()))
        for name, here in found.items():
            if here is None or first is None or math.isnan(here.value):
                raise ValueError("the horizon is too short, or the patients too few, to tell survival by delay")
            gap = here - first
            outcomes.append(Timed(names[name], label, here.value, here.mc_se, gap.value, gap.mc_se))
    endings = []
    for name, tally in tallies.items():
        members = int(tally.members[population].sum())
        for ending, patients in counts[name].items():
            share = patients / members
            endings.append(Ended(names[name], ending, share, math.sqrt(share * (1.0 - share) / members)))
    chosen = strategy or scenario.strategies[0].name
    return Timing(scenario, chosen, population, tuple(outcomes), tuple(endings))


def swept_over(
    scenario: Scenario, strategy: str, delays_months: Sequence[float], intervals_months: Sequence[float] = ()
) -> Scenario:
    """The scenario with a strategy for each delay, or each delay with each watching interval, all else as one sets.

    Raises:
        KeyError: no strategy of that name; empty stands for the first.
    """
    chosen = scenario.strategies[0] if not strategy else {one.name: one for one in scenario.strategies}[strategy]
    found = []
    for delay in delays_months:
        for interval in intervals_months or (None,):
            name, given = format_duration(delay), {**chosen.given, DIAL: delay}
            if interval is not None:
                name, given = f"{name}, seen every {format_duration(interval)}", {**given, INTERVAL: interval}
            layers = replace(chosen.layers, strategy=name, given=given)
            found.append(replace(chosen, name=name, given=given, layers=layers, parameters=layers.parameters()))
    return replace(scenario, strategies=tuple(found))


def _endings(program: Program, stays: Stays) -> dict[str, int]:
    """How many patients of a chunk each thing ended the window of."""
    waiting = np.isin(stays.state, [program.state_names.index(name) for name in WAITING])
    found = {}
    for ending, exits in ENDINGS.items():
        rows = np.isin(stays.ended_by, [program.exit_names.index(name) for name in exits])
        if ending.endswith("while waiting"):
            rows &= waiting
        found[ending] = len(np.unique(stays.patient[rows]))
    return found
