"""The kernel: blocks of patients through a compiled pathway, state by state.

The rules are those of the design: events spend a budget of luck, the earliest exit wins, ties go to the exit declared
first, branches take no time.  A block is worked off in steps: all patients who stand in one state take their next stay
together, exit by exit, in loops over contiguous arrays that the compiler can vectorise.  Patients do not wait for each
other, and what happens to a patient does not depend on who stands beside him.

`words`, `reals` and the places of a life are explained in `tables`, room to work in `block`.  Whatever goes wrong is
written into the block's `trouble` (what, whose, at which exit) and stops the run; nothing is guessed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled, inner, merged
from hcc_sim.engine import tables as t
from hcc_sim.engine.actions import act
from hcc_sim.engine.block import (
    ALL_PASS,
    AT,
    BUFFER_FULL,
    CHOSEN,
    CLOCK_IN_FUTURE,
    CLOCK_NOT_STARTED,
    DATE,
    EVERYBODY,
    FINE,
    HERE,
    HOLDS,
    LEFT,
    MOVING,
    NO_EXIT,
    NO_STATE,
    NOW,
    ORIGIN,
    TOO_MANY_STAYS,
    WHAT,
    WHERE,
    WHO,
    WHOSE,
    Block,
    Group,
    Record,
    Room,
    Step,
    in_order,
    keep_earlier,
    last_exit,
    names_of_stay,
    stand,
    stop,
    those_who_chose,
    unborn,
)
from hcc_sim.engine.branches import choose_arms
from hcc_sim.engine.conditions import gather, judge
from hcc_sim.engine.hazards import hazard_strikes, settle_others
from hcc_sim.engine.tables import Places, Reals, Words
from hcc_sim.engine.visits import next_alarms, next_visits
from hcc_sim.laws import LawTable

TIME = 0
"""The first column of a step: the time now."""


@inner
def those_who_may(words: Words, reals: Reals, block: Block, exit: int, here: Places, step: Step, may: Group) -> int:
    """Find those here for whom an exit's condition holds, and when its clock started for each."""
    n, who, at = len(here), may.places[WHO], may.places[AT]
    time, started = step.columns[TIME], step.columns[words[exit + t.X_CLOCK]]
    now, origin = may.reals[NOW], may.reals[ORIGIN]
    m = n
    if words[exit + t.X_WHEN] == t.NONE:
        for j in range(n):
            who[j], at[j] = here[j], j
        for j in range(n):
            now[j], origin[j] = time[j], started[j]
    else:
        holds, first, last = step.flags[HOLDS], words[exit + t.X_WHEN], words[exit + t.X_WHEN_END]
        judge(words, reals, first, last, step.columns, n, holds, step.flags[ALL_PASS])
        m = 0
        for j in range(n):
            who[m], at[m] = here[j], j
            m += holds[j]
        for j in range(m):
            now[j], origin[j] = time[at[j]], started[at[j]]
    fine = True
    for j in range(m):
        fine &= now[j] >= origin[j]
    for j in range(0 if fine else m):
        if not now[j] >= origin[j]:
            trouble = CLOCK_NOT_STARTED if np.isnan(origin[j]) else CLOCK_IN_FUTURE
            stop(block, trouble, who[j], words[exit + t.X_NAME])
    return m


@inner
def delays(duration: float, may: Group, m: int) -> None:
    """The dates on which a delay is over, of those who may take it."""
    now, origin, date = may.reals[NOW], may.reals[ORIGIN], may.reals[DATE]
    for j in range(m):
        date[j] = max(now[j], origin[j] + duration)


@merged
def find_earliest(
    words: Words,
    reals: Reals,
    laws: LawTable,
    block: Block,
    state: int,
    here: Places,
    step: Step,
    may: Group,
    fresh: Group,
    seed: np.uint64,
) -> None:
    """Find when each who is here leaves a state with timed exits, and by which: the earliest wins."""
    n = len(here)
    step.reals[LEFT][:n] = np.inf
    step.places[CHOSEN][:n] = t.NONE
    for rests in range(words[state + t.S_RESTS], words[state + t.S_RESTS_END]):
        step.cared[words[words[rests] + t.E_NUMBER]][:n] = False
    for exit in range(words[state + t.S_FIRST], words[state + t.S_LAST], t.EXIT):
        m = those_who_may(words, reals, block, exit, here, step, may)
        if m == 0:
            continue
        kind, name = words[exit + t.X_KIND], words[exit + t.X_NAME]
        if kind == t.HAZARD:
            hazard_strikes(words, reals, laws, block, exit, may, m, n, step, fresh, seed)
        else:
            if kind == t.DELAY:
                delays(reals[exit + t.X_DURATION], may, m)
            elif kind == t.VISIT:
                next_visits(words, reals, block, exit, may, m, seed)
            else:
                next_alarms(words, reals, block, exit, may, m, seed)
            keep_earlier(block, step, may, m, n, exit, name)
        if block.trouble[WHAT] != FINE:
            return
    settle_others(words, laws, block, state, here, step)


@inner
def write(words: Words, block: Block, state: int, here: Places, step: Step) -> None:
    """The stays of this step, which end at `LEFT`, and where what was chosen (an exit or an arm) leads."""
    n, first = len(here), block.rows[0]
    left_months, names = block.row_left[first : first + n], block.row_names[first : first + n]
    left, chosen, now, back = step.reals[LEFT], step.places[CHOSEN], block.lives[t.NOW], block.lives[t.LAST_TIMED]
    own = words[state + t.S_NAME]
    stays_on = names_of_stay(own, NO_STATE, NO_EXIT)
    for j in range(n):
        left_months[j] = left[j]
    for j in range(n):
        names[j] = stays_on
    for j in range(n):
        now[here[j]] = left[j]
        block.stays[here[j]] += 1
    # Exit by exit and not patient by patient: the compiler can then compare many at once.
    size = t.ARM if words[state + t.S_KIND] == t.BRANCH else t.EXIT
    for exit in range(words[state + t.S_FIRST], words[state + t.S_LAST], size):
        to, exit_name = words[exit + t.X_TO], words[exit + t.X_NAME]
        if to != t.NONE:
            leads = names_of_stay(own, words[to + t.S_NAME], exit_name)
            for j in range(n):
                names[j] = leads if chosen[j] == exit else names[j]
        else:
            for j in range(n):
                if chosen[j] == exit:
                    names[j] = names_of_stay(own, words[int(back[here[j]]) + t.S_NAME], exit_name)
    for j in range(n):
        names[j] |= np.uint64(here[j]) << np.uint64(48)
    show(words, block, here, block.row_shown[first : first + n])
    block.rows[0] = first + n


@inner
def show(words: Words, block: Block, here: Places, shown: NDArray[np.uint16]) -> None:
    """Which of the attributes that stays show are not zero."""
    for j in range(len(here)):
        shown[j] = 0
    for bit, place in enumerate(range(words[t.SHOWN], words[t.SHOWN_END])):
        values = block.lives[words[place]]
        for j in range(len(here)):
            shown[j] |= np.uint16(values[here[j]] != 0.0) << np.uint16(bit)


@inner
def enter(
    words: Words, reals: Reals, block: Block, state: int, who: Places, seed: np.uint64, name: int, step: Step
) -> None:
    """Arrive in a state: its clock starts if it has timed exits, and what happens on arrival happens."""
    kind = words[state + t.S_KIND]
    if kind == t.FINAL:
        return
    if kind == t.TIMED:
        start_clock(block, who)
    act(words, reals, block, words[state + t.S_ARRIVAL], words[state + t.S_ARRIVAL_END], who, seed, name, step)
    stand(block, words[state + t.S_NAME], who)


@inner
def start_clock(block: Block, who: Places) -> None:
    """The clock of entry starts now."""
    entered, now = block.lives[t.ENTERED], block.lives[t.NOW]
    for j in range(len(who)):
        entered[who[j]] = now[who[j]]


@inner
def strike(words: Words, block: Block, event: int, who: Places) -> None:
    """An event strikes: it is counted, and its budget used up."""
    place = words[event + t.E_PLACE]
    if words[event + t.E_COUNTS] == 1:
        strikes = block.lives[place + t.STRIKES]
        for j in range(len(who)):
            strikes[who[j]] += 1.0
    if words[event + t.E_LASTS] == 1:
        law_of, remaining = block.lives[place + t.LAW], block.lives[place + t.REMAINING]
        for j in range(len(who)):
            law_of[who[j]], remaining[who[j]] = t.RESTS, t.UNDRAWN


@inner
def leave(
    words: Words, reals: Reals, block: Block, state: int, exit: int, who: Places, seed: np.uint64, step: Step
) -> None:
    """Take a timed exit: what it does is done, and the patients are where it leads."""
    name = words[exit + t.X_NAME]
    if words[exit + t.X_KIND] == t.HAZARD:
        strike(words, block, words[exit + t.X_EVENT], who)
    act(words, reals, block, words[exit + t.X_DOES], words[exit + t.X_DOES_END], who, seed, name, step)
    if words[exit + t.X_IN_PLACE] == 0:
        enter(words, reals, block, words[exit + t.X_TO], who, seed, name, step)
        return
    if words[exit + t.X_RESTARTS] == 1:
        start_clock(block, who)
    stand(block, words[state + t.S_NAME], who)


@merged
def step_in_time(
    words: Words,
    reals: Reals,
    laws: LawTable,
    block: Block,
    state: int,
    here: Places,
    step: Step,
    may: Group,
    fresh: Group,
    horizon: float,
    seed: np.uint64,
) -> None:
    """All who are here take their next stay in a state with timed exits."""
    find_earliest(words, reals, laws, block, state, here, step, may, fresh, seed)
    if block.trouble[WHAT] != FINE:
        return
    n, left, chosen, last_timed = len(here), step.reals[LEFT], step.places[CHOSEN], block.lives[t.LAST_TIMED]
    for j in range(n):
        chosen[j] = t.NONE if left[j] >= horizon else chosen[j]
    for j in range(n):
        left[j] = horizon if left[j] >= horizon else left[j]
    for j in range(n):
        last_timed[here[j]] = state
    write(words, block, state, here, step)
    for exit in range(words[state + t.S_FIRST], words[state + t.S_LAST], t.EXIT):
        who = step.places[MOVING][: those_who_chose(exit, step, n)]
        if len(who) > 0:
            leave(words, reals, block, state, exit, who, seed, step)


@merged
def step_at_once(
    words: Words, reals: Reals, block: Block, state: int, here: Places, step: Step, seed: np.uint64
) -> None:
    """All who are here go through a branch."""
    choose_arms(words, reals, block, state, here, step, seed)
    if block.trouble[WHAT] != FINE:
        return
    n = len(here)
    for j in range(n):
        step.reals[LEFT, j] = step.columns[TIME, j]
    write(words, block, state, here, step)
    for arm in range(words[state + t.S_FIRST], words[state + t.S_LAST], t.ARM):
        who = step.places[MOVING][: those_who_chose(arm, step, n)]
        name, to = words[arm + t.A_NAME], words[arm + t.A_TO]
        if len(who) == 0:
            continue
        act(words, reals, block, words[arm + t.A_DOES], words[arm + t.A_DOES_END], who, seed, name, step)
        if to != t.NONE:
            enter(words, reals, block, to, who, seed, name, step)
        else:
            go_back(words, block, who)


@inner
def go_back(words: Words, block: Block, who: Places) -> None:
    """Stand again where one stood last in time, without a new entry."""
    for p in who:
        state = words[int(block.lives[t.LAST_TIMED, p]) + t.S_NAME]
        block.members[state, block.standing[state]] = p
        block.standing[state] += 1


@inner
def begin(
    words: Words,
    reals: Reals,
    block: Block,
    given: Reals,
    given_row: NDArray[np.int64],
    first: int,
    everybody: Places,
    seed: np.uint64,
    step: Step,
) -> None:
    """Give patients their attributes and epochs.

    Attributes are drawn, or given: (attributes, patients) numbers, from column `first` on; `given_row` tells by
    attribute which row is its, or -1.
    """
    for number, action in enumerate(range(words[t.START_DOES], words[t.ATTRIBUTES_END], t.ACTION)):
        row = given_row[number]
        if row < 0:
            act(words, reals, block, action, action + t.ACTION, everybody, seed, NO_EXIT, step)
            continue
        target, draws = block.lives[words[action + t.C_TARGET]], block.lives[words[action + t.C_DRAWS]]
        for p in range(len(everybody)):
            target[p] = given[row, first + p]
        if words[action + t.C_VALUE] in t.DRAWN:  # its later draws keep their luck
            for p in range(len(everybody)):
                draws[p] += 1.0
    act(words, reals, block, words[t.ATTRIBUTES_END], words[t.START_DOES_END], everybody, seed, NO_EXIT, step)


@inner
def gather_here(words: Words, block: Block, number: int, step: Step, n: int, max_stays: int) -> None:
    """Take the n who stand in a state out of it, with what its exits read; stop at those who have stayed too often."""
    here, members, state = step.places[HERE][:n], block.members[number], t.HEADER + number * t.STATE
    for j in range(n):
        here[j] = members[j]
    block.standing[number] = 0
    most = 0
    for j in range(n):
        most = max(most, block.stays[here[j]])
    for j in range(n if most >= max_stays else 0):
        if block.stays[here[j]] >= max_stays:
            stop(block, TOO_MANY_STAYS, here[j], NO_EXIT)
    gather(words, words[state + t.S_READS], words[state + t.S_READS_END], block.lives, here, step.columns)


@inner
def next_state(block: Block) -> int:
    """Where patients stand: the state declared first, so that those who come from it meet in later ones; else -1."""
    for state in range(len(block.standing)):
        if block.standing[state] > 0:
            return state
    return -1


@merged
def live(
    words: Words,
    laws: LawTable,
    everybody: Places,
    seed: np.uint64,
    horizon: float,
    max_stays: int,
    most_rows: int,
    room: Room,
) -> None:
    """The lives of patients who have begun, to their end or the horizon."""
    reals, block, step = words.view(np.float64), room.block, room.step
    enter(words, reals, block, words[t.START], everybody, seed, NO_EXIT, step)
    while block.trouble[WHAT] == FINE:
        number = next_state(block)
        if number < 0:
            return
        n, state = block.standing[number], t.HEADER + number * t.STATE
        if block.rows[0] + n > most_rows:
            stop(block, BUFFER_FULL, everybody[0], NO_EXIT)
            return
        gather_here(words, block, number, step, n, max_stays)
        here = step.places[HERE][:n]
        if block.trouble[WHAT] != FINE:
            return
        if words[state + t.S_KIND] == t.BRANCH:
            step_at_once(words, reals, block, state, here, step, seed)
        else:
            step_in_time(words, reals, laws, block, state, here, step, room.may, room.fresh, horizon, seed)


@compiled
def live_span(
    words: Words,
    laws: LawTable,
    newborn: Reals,
    given: Reals,
    given_row: NDArray[np.int64],
    seed: np.uint64,
    first_patient: np.uint64,
    patients: int,
    horizon: float,
    max_stays: int,
    room: Room,
    record: Record,
) -> tuple[int, int, int, int, int]:
    """Lives of consecutive patients, block after block in the same room.

    Returns:
        patients done and rows written, both up to the last whole block; what stopped it (0 if nothing did); at which
        patient, counted from the first; at which exit.
    """
    most, block = len(room.block.stays), room.block
    rows: Any = np.int64(0)  # not Python's 0, for which `in_order` would be compiled anew
    for first in range(0, patients, most):
        n = min(most, patients - first)
        everybody = room.step.places[EVERYBODY][:n]
        unborn(block, newborn, first_patient + np.uint64(first), n)
        begin(words, words.view(np.float64), block, given, given_row, first, everybody, seed, room.step)
        most_rows = min(len(record.patient) - rows, len(block.row_left))
        live(words, laws, everybody, seed, horizon, max_stays, most_rows, room)
        what, whose, where = block.trouble[WHAT], block.trouble[WHOSE], block.trouble[WHERE]
        if what != FINE:
            exit = last_exit(block, whose) if where == NO_EXIT and what != BUFFER_FULL else where
            return first, rows, what, first + whose, exit
        in_order(room, n, record, rows)
        rows += block.rows[0]
    return patients, rows, FINE, patients, NO_EXIT


@compiled
def be_born(
    words: Words,
    newborn: Reals,
    given: Reals,
    given_row: NDArray[np.int64],
    seed: np.uint64,
    first_patient: np.uint64,
    patients: int,
    room: Room,
) -> None:
    """Let the room hold consecutive patients who have begun, no time passed."""
    unborn(room.block, newborn, first_patient, patients)
    everybody = room.step.places[EVERYBODY][:patients]
    begin(words, words.view(np.float64), room.block, given, given_row, 0, everybody, seed, room.step)
