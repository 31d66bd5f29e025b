"""The kernel: blocks of patients through a compiled pathway, state by state.

The rules are those of the design: events spend a budget of luck, the earliest exit wins, ties go to the exit declared
first, branches take no time.  A block is worked off in steps: all patients who stand in one state take their next stay
together, exit by exit, in loops over contiguous arrays that the compiler can vectorise.  Patients do not wait for each
other: the state with most patients comes next.  What happens to a patient does not depend on who stands beside him.

`words`, `reals` and the places of a life are explained in `tables`.  Whatever goes wrong is written into the block's
`trouble` (what, whose, at which exit) and stops the run; nothing is guessed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled
from hcc_sim.engine import tables as t
from hcc_sim.engine.actions import act
from hcc_sim.engine.block import (
    BUFFER_FULL,
    CLOCK_IN_FUTURE,
    CLOCK_NOT_STARTED,
    FINE,
    NO_EXIT,
    NO_STATE,
    NOT_A_NUMBER,
    TOO_MANY_STAYS,
    WHAT,
    Block,
    Record,
    Step,
    in_order,
    last_exit,
    new_block,
    new_step,
    stand,
    stop,
    those_who_chose,
)
from hcc_sim.engine.branches import choose_arms
from hcc_sim.engine.hazards import hazard_dates, settle_others
from hcc_sim.engine.tables import Reals, Words, holds
from hcc_sim.engine.visits import next_alarm, next_visit
from hcc_sim.laws import LawTable


@compiled
def those_who_may(words: Words, reals: Reals, block: Block, exit: int, step: Step, n: int) -> int:
    """Find those of the first n here for whom an exit's condition holds, and when its clock started for each."""
    first, last, clock = words[exit + t.X_WHEN], words[exit + t.X_WHEN_END], words[exit + t.X_CLOCK]
    m = 0
    for j in range(n):
        p = step.here[j]
        if first == t.NONE or holds(words, reals, first, last, block.lives, p):
            origin = block.lives[clock, p]
            if not block.lives[t.NOW, p] >= origin:
                stop(block, CLOCK_NOT_STARTED if np.isnan(origin) else CLOCK_IN_FUTURE, p, words[exit + t.X_NAME])
            step.who[m], step.at[m], step.origin[m] = p, j, origin
            m += 1
    return m


@compiled
def exit_dates(
    words: Words, reals: Reals, laws: LawTable, block: Block, exit: int, step: Step, m: int, seed: np.uint64
) -> None:
    """When each of those who may take an exit takes it, if no other comes first."""
    kind = words[exit + t.X_KIND]
    if kind == t.HAZARD:
        hazard_dates(words, reals, laws, block, exit, step, m, seed)
    elif kind == t.DELAY:
        for j in range(m):
            step.date[j] = max(block.lives[t.NOW, step.who[j]], step.origin[j] + reals[exit + t.X_DURATION])
    elif kind == t.VISIT:
        for j in range(m):
            p = step.who[j]
            now, patient = block.lives[t.NOW, p], block.patient[p]
            step.date[j] = next_visit(words, reals, words[exit + t.X_SCHEDULE], step.origin[j], now, seed, patient)
    else:
        for j in range(m):
            p = step.who[j]
            step.date[j] = next_alarm(words, reals, block.lives, exit, step.origin[j], p, seed, block.patient[p])


@compiled
def write(words: Words, block: Block, state: int, step: Step, n: int) -> None:
    """The stays of this step, from now until `earliest`, and where `chosen` (an exit or an arm) leads."""
    now, back = block.lives[t.NOW], block.lives[t.LAST_TIMED]
    first = block.rows[0]
    for j in range(n):
        p, chosen = step.here[j], step.chosen[j]
        name, target = NO_EXIT, NO_STATE
        if chosen != t.NONE:
            to = words[chosen + t.X_TO]
            target = words[(int(back[p]) if to == t.NONE else to) + t.S_NAME]
            name = words[chosen + t.X_NAME]
        row = first + j
        block.row_patient[row], block.row_state[row] = p, words[state + t.S_NAME]
        block.row_next[row], block.row_ended_by[row] = target, name
        block.row_entered[row], block.row_left[row] = now[p], step.earliest[j]
        now[p] = step.earliest[j]
        block.stays[p] += 1
    block.rows[0] = first + n


@compiled
def enter(
    words: Words, reals: Reals, block: Block, state: int, who: NDArray[np.int32], seed: np.uint64, name: int
) -> None:
    """Arrive in a state: its clock starts if it has timed exits, and what happens on arrival happens."""
    kind = words[state + t.S_KIND]
    if kind == t.FINAL:
        return
    if kind == t.TIMED:
        for j in range(len(who)):
            block.lives[t.ENTERED, who[j]] = block.lives[t.NOW, who[j]]
    act(words, reals, block, words[state + t.S_ARRIVAL], words[state + t.S_ARRIVAL_END], who, seed, name)
    stand(block, words[state + t.S_NAME], who)


@compiled
def leave(
    words: Words, reals: Reals, block: Block, state: int, exit: int, who: NDArray[np.int32], seed: np.uint64
) -> None:
    """Take a timed exit: what it does is done, and the patients are where it leads."""
    lives, name = block.lives, words[exit + t.X_NAME]
    if words[exit + t.X_KIND] == t.HAZARD:
        event = words[exit + t.X_EVENT]
        for j in range(len(who)):
            lives[event + t.STRIKES, who[j]] += 1.0
            lives[event + t.AT_RISK, who[j]] = 0.0
            lives[event + t.DRAWN, who[j]] = 0.0
    act(words, reals, block, words[exit + t.X_DOES], words[exit + t.X_DOES_END], who, seed, name)
    if words[exit + t.X_IN_PLACE] == 0:
        enter(words, reals, block, words[exit + t.X_TO], who, seed, name)
        return
    if words[exit + t.X_RESTARTS] == 1:
        for j in range(len(who)):
            lives[t.ENTERED, who[j]] = lives[t.NOW, who[j]]
    stand(block, words[state + t.S_NAME], who)


@compiled
def step_in_time(
    words: Words,
    reals: Reals,
    laws: LawTable,
    block: Block,
    state: int,
    step: Step,
    n: int,
    horizon: float,
    seed: np.uint64,
) -> None:
    """The first n here take their next stay in a state with timed exits: the earliest exit wins."""
    step.earliest[:n] = np.inf
    step.chosen[:n] = t.NONE
    first, last = words[state + t.S_FIRST], words[state + t.S_LAST]
    for exit in range(first, last, t.EXIT):
        m = those_who_may(words, reals, block, exit, step, n)
        if m == 0:
            continue
        exit_dates(words, reals, laws, block, exit, step, m, seed)
        for j in range(m):
            date, at = step.date[j], step.at[j]
            if np.isnan(date):
                stop(block, NOT_A_NUMBER, step.who[j], words[exit + t.X_NAME])
            if date < step.earliest[at]:
                step.earliest[at], step.chosen[at] = date, exit
        if block.trouble[WHAT] != FINE:
            return
    settle_others(words, laws, block, step.here[:n])
    for j in range(n):
        block.lives[t.LAST_TIMED, step.here[j]] = state
        if step.earliest[j] >= horizon:
            step.earliest[j], step.chosen[j] = horizon, t.NONE
    write(words, block, state, step, n)
    for exit in range(first, last, t.EXIT):
        who = step.who[: those_who_chose(exit, step, n)]
        if len(who) > 0:
            leave(words, reals, block, state, exit, who, seed)


@compiled
def step_at_once(words: Words, reals: Reals, block: Block, state: int, step: Step, n: int, seed: np.uint64) -> None:
    """The first n here go through a branch."""
    choose_arms(words, reals, block, state, step, n, seed)
    if block.trouble[WHAT] != FINE:
        return
    for j in range(n):
        step.earliest[j] = block.lives[t.NOW, step.here[j]]
    write(words, block, state, step, n)
    for arm in range(words[state + t.S_FIRST], words[state + t.S_LAST], t.ARM):
        who = step.who[: those_who_chose(arm, step, n)]
        if len(who) == 0:
            continue
        act(words, reals, block, words[arm + t.A_DOES], words[arm + t.A_DOES_END], who, seed, words[arm + t.A_NAME])
        if words[arm + t.A_TO] != t.NONE:
            enter(words, reals, block, words[arm + t.A_TO], who, seed, words[arm + t.A_NAME])
        else:
            go_back(words, block, who)


@compiled
def go_back(words: Words, block: Block, who: NDArray[np.int32]) -> None:
    """Stand again where one stood last in time, without a new entry."""
    for p in who:
        state = words[int(block.lives[t.LAST_TIMED, p]) + t.S_NAME]
        block.members[state, block.standing[state]] = p
        block.standing[state] += 1


@compiled
def begin(words: Words, reals: Reals, block: Block, who: NDArray[np.int32], seed: np.uint64) -> None:
    """Give patients their attributes and epochs."""
    act(words, reals, block, words[t.START_DOES], words[t.START_DOES_END], who, seed, NO_EXIT)


@compiled
def live_block(
    words: Words,
    laws: LawTable,
    newborn: Reals,
    seed: np.uint64,
    first_patient: np.uint64,
    patients: int,
    horizon: float,
    max_stays: int,
    record: Record,
) -> tuple[int, int, int, int]:
    """Lives of consecutive patients.

    Returns:
        rows written; what stopped it (0 if nothing did); at which patient, counted from the first; at which exit.
    """
    reals = words.view(np.float64)
    states = words[t.STATES]
    block = new_block(words, newborn, first_patient, patients, states, len(record.patient))
    step = new_step(patients, words[t.MOST_ARMS])
    for p in range(patients):
        step.who[p] = p
    begin(words, reals, block, step.who, seed)
    enter(words, reals, block, words[t.START], step.who, seed, NO_EXIT)
    while block.trouble[WHAT] == FINE:
        fullest = int(np.argmax(block.standing))
        n = int(block.standing[fullest])
        if n == 0:
            break
        if block.rows[0] + n > len(block.row_patient):
            return 0, BUFFER_FULL, 0, NO_EXIT
        step.here[:n] = block.members[fullest, :n]
        for j in range(n):
            if block.stays[step.here[j]] == max_stays:
                stop(block, TOO_MANY_STAYS, step.here[j], NO_EXIT)
        block.standing[fullest] = 0
        state = t.HEADER + fullest * t.STATE
        if block.trouble[WHAT] != FINE:
            break
        if words[state + t.S_KIND] == t.BRANCH:
            step_at_once(words, reals, block, state, step, n, seed)
        else:
            step_in_time(words, reals, laws, block, state, step, n, horizon, seed)
    if block.trouble[WHAT] != FINE:
        what, whose, where = block.trouble
        return 0, what, whose, last_exit(block, whose) if where == NO_EXIT else where
    in_order(block, record)
    return block.rows[0], FINE, patients, NO_EXIT


@compiled
def newborn_life(words: Words, newborn: Reals, seed: np.uint64, patient: np.uint64) -> Reals:
    """A life as it begins: attributes and epochs given, no time passed."""
    block = new_block(words, newborn, patient, 1, words[t.STATES], 1)
    begin(words, words.view(np.float64), block, np.zeros(1, np.int32), seed)
    return block.lives[:, 0].copy()
