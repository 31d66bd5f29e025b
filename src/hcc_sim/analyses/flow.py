"""Where patients go under a strategy: from the start through conversion and surgery to where they are years later."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.strategies import chunks_of
from hcc_sim.engine import Program
from hcc_sim.history import Stays
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.scenario import Scenario, programs

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PATIENTS = 10_000
"""Patients who are followed, at most: a percentage point is then known to half of one."""

AT_MONTHS = 60.0
"""When it is asked where patients are; the horizon, if that is sooner."""

STAGES = ("at the start", "conversion", "surgery", "later")


class Flow(NamedTuple):
    """Patients of one strategy who go from a place of one stage to a place of the next."""

    strategy: str
    stage: str
    place: str
    next_stage: str
    next_place: str
    patients: int
    share: float


def flows(scenario: Scenario) -> tuple[Flow, ...]:
    """All flows of all strategies, in order of stages; shares are of all patients of a strategy.

    Raises:
        InputError, EngineError: as a run of the scenario.
    """
    import pandas as pd

    found: list[Flow] = []
    size = min(scenario.size, PATIENTS)
    for name, program in programs(scenario).items():
        parts = chunks_of(scenario, program, size)
        places = pd.concat(
            pd.DataFrame(_places(part.stays, program, part.first_patient, part.patients, scenario.horizon_months))
            for part in parts
        )
        for stage, following in pairwise(STAGES):
            counted = places.groupby([stage, following], sort=True).size().reset_index()
            for here, there, count in counted.itertuples(index=False, name=None):
                found.append(Flow(name, stage, here, following, there, int(count), int(count) / size))
    return tuple(found)


def _places(stays: Stays, program: Program, first_patient: int, patients: int, horizon: float) -> dict[str, Any]:
    """Stage -> the place of each patient."""
    who = (stays.patient - np.uint64(first_patient)).astype(np.int64)

    def when(rows: Flags) -> Floats:
        times = np.full(patients, np.inf)
        at = np.flatnonzero(rows)[::-1]  # the first row of a patient is written last
        times[who[at]] = stays.left_months[at]
        return times

    def ended_by(exit: str) -> Floats:
        return when(stays.ended_by == program.exit_names.index(exit))

    def entered(state: str) -> Floats:
        return when(stays.next_state == program.state_names.index(state))

    resectable = np.isfinite(ended_by("is resectable already"))
    converted = np.isfinite(entered("treated tumour"))
    operated = np.isfinite(entered("kind of treatment"))
    salvaged = np.isfinite(ended_by("accepts salvage"))
    at = min(AT_MONTHS, horizon)
    deaths = {state: entered(state) <= at for state in DEATHS}
    dead = np.any(list(deaths.values()), axis=0)
    there = (stays.entered_months <= at) & (stays.left_months > at)
    free = np.zeros(patients, dtype=bool)
    free[who[there & (stays.state == program.state_names.index("after surgery"))]] = True
    start = np.where(resectable, "resectable", "on therapy")
    by_conversion = np.select([resectable, converted], ["resectable", "converted"], "not converted")
    by_surgery = np.select(
        [operated & salvaged, operated & resectable, operated],
        ["operated at relapse", "operated first", "operated at conversion"],
        "not operated",
    )
    years = f"{at / 12:g} years"
    later = np.select(
        [deaths["dead of cancer"], dead, free],
        [f"dead of cancer by {years}", f"dead otherwise by {years}", f"alive at {years}, no relapse seen"],
        f"alive at {years}, otherwise",
    )
    return dict(zip(STAGES, (start, by_conversion, by_surgery, later), strict=True))
