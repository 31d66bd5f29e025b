"""A block of patients at work: their lives, where they stand, the stays written so far, and room for one step.

A patient is named by his place in the block.  Arrays that hold one entry for each patient of a step are filled from the
front and hold nothing beyond.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled
from hcc_sim.engine.tables import Lives, Reals, Words

# What can stop a run.
(
    FINE, CLOCK_NOT_STARTED, CLOCK_IN_FUTURE, NOT_A_NUMBER, NO_ARM, NO_WEIGHT, WEIGHTS_ABOVE_ONE, NO_SUCH_LAW,
    NO_VALUE, TOO_MANY_STAYS, BUFFER_FULL,
) = range(11)  # fmt: skip

# Places in `Block.trouble`.
WHAT, WHOSE, WHERE = range(3)

NO_EXIT = -1
"""In place of an exit's name, where a run stopped before any exit; and of a stay that the horizon ended."""

NO_STATE = -1
"""In place of the next state of a stay that the horizon ended."""


class Record(NamedTuple):
    """Columns of stays, to be filled in order of patient and time."""

    patient: NDArray[np.uint64]
    state: NDArray[np.int16]
    entered_months: NDArray[np.float64]
    left_months: NDArray[np.float64]
    next_state: NDArray[np.int16]
    ended_by: NDArray[np.int16]


class Block(NamedTuple):
    """The patients of a block: their lives, where they stand, and room to work in.

    Patients are named by their place in the block.
    """

    lives: Lives
    """(places, patients)."""
    patient: NDArray[np.uint64]
    stays: NDArray[np.int64]
    """Stays written so far, by patient."""
    members: NDArray[np.int32]
    """(states, patients): who stands in a state, in the first `standing` places."""
    standing: NDArray[np.int64]
    trouble: NDArray[np.int64]
    # Room for actions: who does one, the values it gives, and the addresses of their luck.
    doers: NDArray[np.int32]
    values: NDArray[np.float64]
    key: NDArray[np.uint64]
    times: NDArray[np.uint64]
    # Stays in the order in which they were written.
    rows: NDArray[np.int64]
    row_patient: NDArray[np.int32]
    row_state: NDArray[np.int16]
    row_next: NDArray[np.int16]
    row_ended_by: NDArray[np.int16]
    row_entered: NDArray[np.float64]
    row_left: NDArray[np.float64]


class Step(NamedTuple):
    """Room for one step: who is here, what is the earliest exit of each; and for one exit of those who may take it."""

    here: NDArray[np.int32]
    earliest: NDArray[np.float64]
    chosen: NDArray[np.int64]
    who: NDArray[np.int32]
    at: NDArray[np.int32]
    """Place in `here` of each of `who`."""
    date: NDArray[np.float64]
    origin: NDArray[np.float64]
    log_ratio: NDArray[np.float64]
    log_speed: NDArray[np.float64]
    fresh: NDArray[np.int32]
    """Places in `who` of those whose date must be found anew."""
    drawing: NDArray[np.int32]
    key: NDArray[np.uint64]
    times: NDArray[np.uint64]
    luck: NDArray[np.float64]
    budget: NDArray[np.float64]
    elapsed: NDArray[np.float64]
    hazard: NDArray[np.float64]
    speed: NDArray[np.float64]
    weight: NDArray[np.float64]
    """(arms, patients): weights of a branch's arms; 0 where an arm's condition fails."""
    total: NDArray[np.float64]
    rest: NDArray[np.float64]


@compiled
def stop(block: Block, what: int, whose: int, where: int) -> None:
    """Note what stops the run; the first trouble stays."""
    if block.trouble[WHAT] == FINE:
        block.trouble[WHAT], block.trouble[WHOSE], block.trouble[WHERE] = what, whose, where


@compiled
def new_block(words: Words, newborn: Reals, first_patient: np.uint64, n: int, states: int, rows: int) -> Block:
    """Patients who have not begun."""
    lives = np.empty((len(newborn), n))
    for place in range(len(newborn)):
        lives[place] = newborn[place]
    patient = np.empty(n, np.uint64)
    for p in range(n):
        patient[p] = first_patient + np.uint64(p)
    return Block(
        lives,
        patient,
        np.zeros(n, np.int64),
        np.empty((states, n), np.int32),
        np.zeros(states, np.int64),
        np.array([FINE, 0, NO_EXIT]),
        np.empty(n, np.int32),
        np.empty(n),
        np.empty(n, np.uint64),
        np.empty(n, np.uint64),
        np.zeros(1, np.int64),
        np.empty(rows, np.int32),
        np.empty(rows, np.int16),
        np.empty(rows, np.int16),
        np.empty(rows, np.int16),
        np.empty(rows),
        np.empty(rows),
    )


@compiled
def new_step(n: int, arms: int) -> Step:
    """Room for steps of up to n patients."""
    return Step(
        np.empty(n, np.int32),
        np.empty(n),
        np.empty(n, np.int64),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.uint64),
        np.empty(n, np.uint64),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty((arms, n)),
        np.empty(n),
        np.empty(n),
    )


@compiled
def in_order(block: Block, record: Record) -> None:
    """The stays of the block in order of patient; each patient's are in order of time already."""
    n = len(block.patient)
    place = np.empty(n, np.int64)
    row = 0
    for p in range(n):
        place[p] = row
        row += block.stays[p]
    for source in range(block.rows[0]):
        p = block.row_patient[source]
        row = place[p]
        place[p] = row + 1
        record.patient[row] = block.patient[p]
        record.state[row], record.next_state[row] = block.row_state[source], block.row_next[source]
        record.ended_by[row] = block.row_ended_by[source]
        record.entered_months[row], record.left_months[row] = block.row_entered[source], block.row_left[source]


@compiled
def last_exit(block: Block, p: int) -> int:
    """The exit that ended the last stay of patient p."""
    for row in range(block.rows[0] - 1, -1, -1):
        if block.row_patient[row] == p:
            return block.row_ended_by[row]
    return NO_EXIT


@compiled
def stand(block: Block, state_name: int, who: NDArray[np.int32]) -> None:
    """Put patients into a state."""
    n = block.standing[state_name]
    for j in range(len(who)):
        block.members[state_name, n + j] = who[j]
    block.standing[state_name] = n + len(who)


@compiled
def those_who_chose(chosen: int, step: Step, n: int) -> int:
    """Find those of the first n here who take an exit or an arm."""
    m = 0
    for j in range(n):
        if step.chosen[j] == chosen:
            step.who[m] = step.here[j]
            m += 1
    return m
