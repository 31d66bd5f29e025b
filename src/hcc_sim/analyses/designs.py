"""What two usual designs would find in the simulation, beside what is true there.

Operated patients are compared with the others from the start of therapy, although they had to live to be operated
(immortal time) and were chosen; responders with non-responders, although response has causes that matter by themselves.
The truth is known of the same patients with the same luck, had they not been operated, or not responded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.strategies import chunks_of
from hcc_sim.engine import compile_pathway
from hcc_sim.outcomes.hazard_ratio import hazard_ratio
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.scenario import Scenario, Strategy, programs

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

WITHIN_MONTHS = 60.0
FEWEST = 30
"""Patients of a group with whom no comparison is made."""


@dataclass(frozen=True)
class Design:
    """Who is compared with all others by what has happened to them, and what takes that away."""

    name: str
    group: str
    others: str
    exits: tuple[str, ...]
    without: Mapping[str, float]


DESIGNS = (
    Design(
        "operated against not operated, from the start of therapy",
        "operated",
        "not operated",
        ("survives the operation",),
        {"surgery.delay": math.inf, "salvage.curable_share": 0.0, "second_conversion.rate": 0.0},
    ),
    Design(
        "responders against non-responders, from the start of therapy",
        "responders",
        "non-responders",
        ("response",),
        {"response.probability": 0.0},
    ),
)


@dataclass(frozen=True)
class Difference:
    """Of restricted mean survival times, months, with its Monte-Carlo standard error."""

    months: float
    mc_se: float


@dataclass(frozen=True)
class Finding:
    """What a design finds, and what is true of the patients of its group.

    `naive` compares the group with the others, `causal` the group with itself had it been without; `hazard_ratio` is
    the naive one.  All within `within_months` of the start of therapy.
    """

    design: Design
    group: int
    others: int
    naive: Difference
    causal: Difference
    hazard_ratio: float
    within_months: float

    @property
    def bias_months(self) -> float:
        """By how much the design is wrong."""
        return self.naive.months - self.causal.months


def biased_designs(scenario: Scenario, strategy: str = "", threads: int | None = None) -> list[Finding]:
    """The findings of both designs among patients who have one strategy, by default the scenario's first.

    Designs of which one group has fewer than `FEWEST` patients are left out, and those about something that cannot be
    taken away from these patients.

    Raises:
        KeyError: no strategy of that name.
        InputError, EngineError: as a run of the scenario.
    """
    programs(scenario)  # refuses what does not fit the pathway
    chosen = scenario.strategies[0] if not strategy else {one.name: one for one in scenario.strategies}[strategy]
    within = min(WITHIN_MONTHS, scenario.horizon_months)
    found = []
    for design in DESIGNS:
        death, happened = _simulated(scenario, chosen, {}, design.exits, threads)
        group, others = int(happened.sum()), int((~happened).sum())
        if min(group, others) < FEWEST:
            continue
        lived = np.minimum(death, within)
        death_without, still = _simulated(scenario, chosen, design.without, design.exits, threads)
        if still.any():  # it comes by a road that nothing here closes: surgery of who is resectable from the start
            continue
        without = np.minimum(death_without, within)
        naive = Difference(
            float(lived[happened].mean() - lived[~happened].mean()),
            math.hypot(_error(lived[happened]), _error(lived[~happened])),
        )
        gained = (lived - without)[happened]
        died = death <= within
        log_ratio = hazard_ratio(lived[happened], died[happened], lived[~happened], died[~happened]).log_ratio
        causal = Difference(float(gained.mean()), _error(gained))
        found.append(Finding(design, group, others, naive, causal, math.exp(log_ratio), within))
    return found


def _error(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _simulated(
    scenario: Scenario, strategy: Strategy, changes: Mapping[str, float], exits: tuple[str, ...], threads: int | None
) -> tuple[Floats, Flags]:
    """When each patient dies, and whether any of the exits is ever taken."""
    pathway = next(iter(programs(scenario).values())).pathway
    program = compile_pathway(pathway, {**strategy.parameters.values_only(), **changes})
    death = np.full(scenario.size, np.inf)
    happened = np.zeros(scenario.size, dtype=bool)
    finals = [program.state_names.index(name) for name in DEATHS]
    taken = [program.exit_names.index(name) for name in exits]
    for part in chunks_of(scenario, program, scenario.size, threads=threads):
        stays = part.stays
        who = stays.patient.astype(np.int64)
        died = np.isin(stays.next_state, finals)
        death[who[died]] = stays.left_months[died]
        happened[who[np.isin(stays.ended_by, taken)]] = True
    return death, happened
