"""How patients leave each state under a strategy: what share by which exit, and after how long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hcc_sim.analyses.flow import PATIENTS
from hcc_sim.analyses.strategies import chunks_of
from hcc_sim.scenario import Scenario, programs


class Way(NamedTuple):
    """An exit of a state: how many stays ended by it, their share of all that ended there, and their median length.

    A stay goes on through what happens in place and through branches that lead back; `median_months` is from entry, 0
    in a branch.
    """

    state: str
    exit: str
    stays: int
    share: float
    median_months: float


def ways(scenario: Scenario, strategy: str = "") -> list[Way]:
    """All exits that anybody takes, of the scenario's first patients (at most `PATIENTS`), horizon left out.

    Raises:
        KeyError: no strategy of that name.
        InputError, EngineError: as a run of the scenario.
    """
    program = programs(scenario)[strategy or scenario.strategies[0].name]
    states, exits, months = [], [], []
    for part in chunks_of(scenario, program, min(scenario.size, PATIENTS)):
        stays = part.stays
        timed = np.array([state.branch is None for state in program.pathway.states])[stays.state]
        since = stays.entered_months.copy()
        rows = np.flatnonzero(timed)
        same = (stays.patient[rows][1:] == stays.patient[rows][:-1]) & (stays.state[rows][1:] == stays.state[rows][:-1])
        first = np.r_[True, ~same] if len(rows) else np.zeros(0, dtype=bool)
        since[rows] = since[rows][np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))]
        ended = stays.ended_by >= 0
        states.append(stays.state[ended])
        exits.append(stays.ended_by[ended])
        months.append((stays.left_months - since)[ended])
    state, exit, lengths = np.concatenate(states), np.concatenate(exits), np.concatenate(months)
    found = []
    for here in np.unique(state):
        inside = state == here
        for by in np.unique(exit[inside]):
            taken = inside & (exit == by)
            count, total = int(taken.sum()), int(inside.sum())
            names = program.state_names[here], program.exit_names[by]
            found.append(Way(*names, count, count / total, float(np.median(lengths[taken]))))
    return found
