"""A block of patients at work: their lives, where they stand, the stays written so far, and room for one step.

A patient is named by his place in the block.  Room that holds one entry for each of some patients is filled from the
front and means nothing beyond.  Arrays of one kind lie together as rows of one array with names for the rows: every
array that a compiled function is given costs time at each call, and a step makes many calls.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import inner
from hcc_sim.engine import tables as t
from hcc_sim.engine.tables import Lives, Places, Reals, Words

# What can stop a run.  Numbers of NumPy: for each of Python's a function that is given it would be compiled anew.
(
    FINE, CLOCK_NOT_STARTED, CLOCK_IN_FUTURE, NOT_A_NUMBER, NO_ARM, NO_WEIGHT, WEIGHTS_ABOVE_ONE, NO_SUCH_LAW,
    NO_VALUE, TOO_MANY_STAYS, BUFFER_FULL,
) = cast(Any, map(np.int64, range(11)))  # fmt: skip

# Places in `Block.trouble`.
WHAT, WHOSE, WHERE = range(3)

NO_EXIT: Any = np.int64(-1)
"""In place of an exit's name, where a run stopped before any exit; and of a stay that the horizon ended."""

NO_STATE: Any = np.int64(-1)
"""In place of the next state of a stay that the horizon ended."""


class Record(NamedTuple):
    """Columns of stays, to be filled in order of patient and time."""

    patient: NDArray[np.uint64]
    state: NDArray[np.int16]
    entered_months: NDArray[np.float64]
    left_months: NDArray[np.float64]
    next_state: NDArray[np.int16]
    ended_by: NDArray[np.int16]
    shown: NDArray[np.uint16]


def new_record(rows: int) -> Record:
    """Room for so many stays."""
    return Record(
        np.empty(rows, np.uint64),
        np.empty(rows, np.int16),
        np.empty(rows),
        np.empty(rows),
        np.empty(rows, np.int16),
        np.empty(rows, np.int16),
        np.empty(rows, np.uint16),
    )


class Block(NamedTuple):
    """The patients of a block; (n,) is an entry for each."""

    first_patient: NDArray[np.uint64]
    """(1,) number of the patient in place 0; the others follow."""
    lives: Lives
    stays: NDArray[np.int64]
    """(n,) stays written so far."""
    members: NDArray[np.int32]
    """(states, n): who stands in a state, in the first `standing` places."""
    standing: NDArray[np.int64]
    trouble: NDArray[np.int64]
    # Stays in the order in which they are written; a stay begins when the patient's last one ended.
    rows: NDArray[np.int64]
    """(1,) how many."""
    row_left: NDArray[np.float64]
    row_names: NDArray[np.uint64]
    """State, next state, exit and patient, 16 bits each."""
    row_shown: NDArray[np.uint16]
    """Which of the attributes that stays show are not zero, a bit each."""


# Rows of `Step.reals`, for all who are here ...
(LEFT, LUCK, TOTAL, REST,
 # ... and for those who take an exit or do an action, in turn: what they use to find a value or date.
 VALUE, BUDGET, BEFORE, HAZARD, SPEED, STEP_REALS) = range(10)  # fmt: skip

# Rows of `Step.places`: the whole block; who is here, what ends the stay of each (an address); who moves, acts, is
# settled; and room.
EVERYBODY, HERE, CHOSEN, MOVING, DOING, SETTLED, SOME, STEP_PLACES = range(8)

# Rows of `Step.addresses`, of the luck to look up: numbers of patients and counts.
PATIENT, TIMES = range(2)

# Rows of `Step.flags`.
HOLDS, ALL_PASS, STEP_FLAGS = range(3)


class Step(NamedTuple):
    """Room for one step."""

    reals: NDArray[np.float64]
    places: NDArray[np.int32]
    addresses: NDArray[np.uint64]
    flags: NDArray[np.bool_]
    weight: NDArray[np.float64]
    """(arms, n): weights of a branch's arms; 0 where an arm's condition fails."""
    columns: NDArray[np.float64]
    """What exits, arms or conditions read of those concerned; the first column is the time now."""
    cared: NDArray[np.bool_]
    """(events, n): whether an exit of this state took care of an event; for all who are here."""


# Rows of `Group.reals` and `Group.places`; AT is the place among those who are here.
NOW, ORIGIN, LOG_RATIO, LOG_SPEED, DATE, GROUP_REALS = range(6)
WHO, AT, GROUP_PLACES = range(3)


class Group(NamedTuple):
    """Some of those who are here, and what an exit needs of each, side by side."""

    reals: NDArray[np.float64]
    places: NDArray[np.int32]


class Room(NamedTuple):
    """Room to work in, for one block after another."""

    block: Block
    step: Step
    may: Group
    """Those who may take an exit."""
    fresh: Group
    """Those of them whose date must be found anew."""
    place: NDArray[np.int64]
    """(n,) and ..."""
    order: NDArray[np.int32]
    """(rows,) to put stays in order."""


def new_room(words: Words, life: int, n: int, rows: int) -> Room:
    """Room for n patients with a life of so many places, and for so many stays of theirs."""
    states, arms, events = (int(words[size]) for size in (t.STATES, t.MOST_ARMS, t.EVENTS))
    columns = int(words[t.MOST_COLUMNS])
    block = Block(
        np.empty(1, np.uint64),
        np.empty((life, n)),
        np.empty(n, np.int64),
        np.empty((states, n), np.int32),
        np.empty(states, np.int64),
        np.empty(3, np.int64),
        np.empty(1, np.int64),
        np.empty(rows),
        np.empty(rows, np.uint64),
        np.empty(rows, np.uint16),
    )
    step = Step(
        np.empty((STEP_REALS, n)),
        np.empty((STEP_PLACES, n), np.int32),
        np.empty((2, n), np.uint64),
        np.empty((STEP_FLAGS, n), np.bool_),
        np.empty((arms, n)),
        np.empty((columns, n)),
        np.empty((events, n), np.bool_),
    )
    step.places[EVERYBODY] = np.arange(n)
    may, fresh = (Group(np.empty((GROUP_REALS, n)), np.empty((GROUP_PLACES, n), np.int32)) for _ in range(2))
    return Room(block, step, may, fresh, np.empty(n, np.int64), np.empty(rows, np.int32))


@inner
def stop(block: Block, what: int, whose: int, where: int) -> None:
    """Note what stops the run; the first trouble stays."""
    if block.trouble[WHAT] == FINE:
        block.trouble[WHAT], block.trouble[WHOSE], block.trouble[WHERE] = what, whose, where


@inner
def unborn(block: Block, newborn: Reals, first_patient: np.uint64, n: int) -> None:
    """Let the block hold n patients who have not begun."""
    block.first_patient[0] = first_patient
    block.trouble[WHAT], block.trouble[WHOSE], block.trouble[WHERE] = FINE, 0, NO_EXIT
    for place in range(len(newborn)):
        block.lives[place][:n] = newborn[place]
    block.stays[:n] = 0
    block.standing[:] = 0
    block.rows[0] = 0


@inner
def names_of_stay(state: int, next_state: int, ended_by: int) -> np.uint64:
    """Three names in one word, without the patient; each may be -1."""
    return np.uint64((state & 0xFFFF) | (next_state & 0xFFFF) << 16 | (ended_by & 0xFFFF) << 32)


@inner
def patient_of(names: np.uint64) -> int:
    """The patient's place in the block, which stands before the names."""
    return int(names >> np.uint64(48))


@inner
def in_order(room: Room, n: int, record: Record, first: int) -> None:
    """The stays of n patients in order of patient, from row `first` on; each patient's are in order of time already."""
    block, place, order = room.block, room.place, room.order
    rows = block.rows[0]
    row = 0
    for p in range(n):
        place[p] = row
        row += block.stays[p]
    for source in range(rows):
        p = patient_of(block.row_names[source])
        order[place[p]] = source
        place[p] += 1
    patient, left, entered = record.patient[first:], record.left_months[first:], record.entered_months[first:]
    state, next_state, ended_by = record.state[first:], record.next_state[first:], record.ended_by[first:]
    for row in range(rows):
        names = block.row_names[order[row]]
        patient[row] = block.first_patient[0] + (names >> np.uint64(48))
        state[row], next_state[row] = np.int16(names), np.int16(names >> np.uint64(16))
        ended_by[row] = np.int16(names >> np.uint64(32))
    shown = record.shown[first:]
    for row in range(rows):
        left[row] = block.row_left[order[row]]
    for row in range(rows):
        shown[row] = block.row_shown[order[row]]
    for row in range(1, rows):
        entered[row] = left[row - 1]
    for p in range(n):
        if block.stays[p] > 0:
            entered[place[p] - block.stays[p]] = 0.0


@inner
def last_exit(block: Block, p: int) -> int:
    """The exit that ended the last stay of patient p."""
    for row in range(block.rows[0] - 1, -1, -1):
        if patient_of(block.row_names[row]) == p:
            return int(np.int16(block.row_names[row] >> np.uint64(32)))
    return NO_EXIT


@inner
def stand(block: Block, state_name: int, who: Places) -> None:
    """Put patients into a state."""
    n, members = block.standing[state_name], block.members[state_name]
    for j in range(len(who)):
        members[n + j] = who[j]
    block.standing[state_name] = n + len(who)


@inner
def those_who_chose(chosen: int, step: Step, n: int) -> int:
    """Fill `MOVING` with those of the first n here who take an exit or an arm; how many."""
    moving, here, choice = step.places[MOVING], step.places[HERE], step.places[CHOSEN]
    m = 0
    for j in range(n):  # everybody is noted, and overwritten if not meant: cheaper than to guess a branch wrong
        moving[m] = here[j]
        m += choice[j] == chosen
    return m


@inner
def keep_earlier(block: Block, step: Step, group: Group, m: int, n: int, exit: int, name: int) -> None:
    """An exit ends the stay of those in a group of m, of n here, whom it takes before all exits so far."""
    date, at, left, chosen = group.reals[DATE], group.places[AT], step.reals[LEFT], step.places[CHOSEN]
    fine = True
    for j in range(m):
        fine &= date[j] == date[j]
    for j in range(0 if fine else m):
        if np.isnan(date[j]):
            stop(block, NOT_A_NUMBER, group.places[WHO, j], name)
    if m == n:
        for j in range(n):
            chosen[j] = exit if date[j] < left[j] else chosen[j]
        for j in range(n):
            left[j] = date[j] if date[j] < left[j] else left[j]
    else:
        for j in range(m):
            if date[j] < left[at[j]]:
                left[at[j]], chosen[at[j]] = date[j], exit
