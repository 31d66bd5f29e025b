"""The loops over stays that `quantities` counts with, compiled.

What is added up is added in the order in which it stands, block after block of patients, whatever chunk it came in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled, inner

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

FINE, NOT_THESE_PATIENTS, TOO_LATE = 0, 1, 2
"""What `lay_out` says of the stays."""

NOWHERE = -1
"""Place behind the last state or exit: at it nothing is ever counted."""

_SLACK = 1e-9
"""Of an interval: how much rounding may take from a span without losing it a cycle."""


class Rows(NamedTuple):
    """The columns of stays, each in one piece."""

    patient: NDArray[np.uint64]
    state: NDArray[np.int16]
    entered: Floats
    left: Floats
    next_state: NDArray[np.int16]
    ended_by: NDArray[np.int16]
    shown: NDArray[np.uint16]


class Asked(NamedTuple):
    """What rules ask of a stay, by place.

    `bits` are those of the attributes that are asked for; a stay's code is state x 2^bits + theirs.  `profile` (codes,)
    says which rules hold, `staying` (states, exits + 1) whether nobody enters anew as a stay ends; `states` and `exits`
    (one longer) where some event may be counted.
    """

    bits: Integers
    profile: Integers
    staying: Bools
    states: Bools
    exits: Bools


class Timed(NamedTuple):
    """Stays that take time, in order: whose, profile, from when to when; whether the stay before led on without entry.

    Patients are numbered from 0 in the chunk.
    """

    who: Integers
    profile: Integers
    entered: Floats
    left: Floats
    stayed_on: Bools

    def first(self, n: int) -> Timed:
        """Those of them."""
        return Timed(self.who[:n], self.profile[:n], self.entered[:n], self.left[:n], self.stayed_on[:n])


def room_for_timed(size: int) -> Timed:
    """Room for so many."""
    who, profile = np.empty(size, np.int64), np.empty(size, np.int64)
    return Timed(who, profile, np.empty(size), np.empty(size), np.empty(size, np.bool_))


class Moments(NamedTuple):
    """When something may count as an event, in order: whose, when, the state come into, the exit, the code there."""

    who: Integers
    when: Floats
    into: Integers
    by: Integers
    code: Integers

    def first(self, n: int) -> Moments:
        """Those of them."""
        return Moments(self.who[:n], self.when[:n], self.into[:n], self.by[:n], self.code[:n])


def room_for_moments(size: int) -> Moments:
    """Room for so many."""
    into, by, code = (np.empty(size, np.int64) for _ in range(3))
    return Moments(np.empty(size, np.int64), np.empty(size), into, by, code)


@compiled
def lay_out(
    rows: Rows,
    first_patient: np.uint64,
    horizon_months: float,
    members: Bools,
    asked: Asked,
    timed: Timed,
    moments: Moments,
    end: Floats,
) -> tuple[int, int, int]:
    """Fill `timed`, `moments`, and the `end` of each member's last stay; what is wrong, and how many of both there are.

    `members` has a truth for each patient; rows must be those of all patients, in order.
    """
    late, who, n_timed, n_moments = False, np.int64(-1), 0, 0
    for row in range(rows.patient.size):
        patient = np.int64(rows.patient[row] - first_patient)
        comes = patient != who
        if comes:
            if patient != who + 1 or patient >= members.size:
                return NOT_THESE_PATIENTS, 0, 0
            who = patient
        left = rows.left[row]
        late |= not left <= horizon_months
        if not members[who]:
            continue
        end[who] = left
        if comes and asked.states[rows.state[row]]:  # to begin in a state is to come into it
            moments.who[n_moments] = -1 - row
            n_moments += 1
        # What does not count the next one replaces: quicker than to decide.
        timed.who[n_timed] = moments.who[n_moments] = row
        n_timed += left > rows.entered[row]
        n_moments += asked.states[rows.next_state[row]] or asked.exits[rows.ended_by[row]]
    if who != members.size - 1:
        return NOT_THESE_PATIENTS, 0, 0
    for place in range(n_timed):
        _note_time(rows, first_patient, asked, timed, place)
    for place in range(n_moments):
        _note_moment(rows, first_patient, asked, moments, place)
    return TOO_LATE if late else FINE, n_timed, n_moments


@inner
def _code(rows: Rows, asked: Asked, row: int) -> np.int64:
    """A stay's state with the attributes that are asked for."""
    code = np.int64(rows.state[row]) << asked.bits.size
    for place in range(asked.bits.size):
        code += ((np.int64(rows.shown[row]) >> asked.bits[place]) & 1) << place
    return code


@inner
def _note_time(rows: Rows, first_patient: np.uint64, asked: Asked, timed: Timed, place: int) -> None:
    """Fill in what there is to say of a stay, in the place where its row stands."""
    row = timed.who[place]
    timed.who[place] = np.int64(rows.patient[row] - first_patient)
    timed.profile[place] = asked.profile[_code(rows, asked, row)]
    timed.entered[place], timed.left[place] = rows.entered[row], rows.left[row]
    timed.stayed_on[place] = row > 0 and asked.staying[rows.state[row - 1], rows.ended_by[row - 1]]


@inner
def _note_moment(rows: Rows, first_patient: np.uint64, asked: Asked, moments: Moments, place: int) -> None:
    """Fill in what there is to say of a moment: the end of the row that stands in its place; if below 0, its start."""
    row, starts = moments.who[place], False
    if row < 0:
        row, starts = -1 - row, True
    moments.who[place] = np.int64(rows.patient[row] - first_patient)
    moments.code[place] = _code(rows, asked, row)
    if starts:
        moments.when[place], moments.into[place], moments.by[place] = rows.entered[row], rows.state[row], NOWHERE
    else:
        stays_on = asked.staying[rows.state[row], rows.ended_by[row]]
        moments.when[place], moments.by[place] = rows.left[row], rows.ended_by[row]
        moments.into[place] = NOWHERE if stays_on else rows.next_state[row]


@compiled
def add_months(
    months: Floats, cut: Floats, begin: Floats, end: Floats, until: float, key: Integers, sums: Floats
) -> None:
    """Add by key the months of spans up to a time; of those that it lies within they are `cut`, in order."""
    n = 0
    for row in range(key.size):
        if end[row] <= until:
            sums[key[row]] += months[row]
        elif begin[row] < until:
            sums[key[row]] += cut[n]
            n += 1


@compiled
def add_values(who: Integers, values: Floats, home: Integers, sums: Floats) -> None:
    """Add values of patients where their `home` is."""
    for row in range(who.size):
        sums[home[who[row]]] += values[row]


@compiled
def spans_of(
    timed: Timed,
    holds: Bools,
    each_entry: bool,
    after: float,
    until: float,
    interval: float,
    most: float,
    at: Integers,
    begin: Floats,
    count: Floats,
) -> int:
    """Spans without a break in which a rule holds: the stay `at` which each starts, when its cycles begin, how many.

    Of all cycles of a patient the first `most` count.  Returns how many spans there are.
    """
    n, who, before = 0, np.int64(-1), 0.0
    row, size = 0, timed.who.size
    while row < size:
        if not holds[timed.profile[row]]:
            row += 1
            continue
        first, patient = row, timed.who[row]
        row += 1
        while row < size and holds[timed.profile[row]] and timed.who[row] == patient:
            if each_entry and not timed.stayed_on[row]:
                break
            row += 1
        if patient != who:
            who, before = patient, 0.0
        start = timed.entered[first]
        end = min(timed.left[row - 1], start + until)
        start = min(start + after, end)
        cycles = np.ceil((end - start) / interval - _SLACK)
        at[n], begin[n], count[n] = first, start, min(max(most - before, 0.0), cycles)
        before += cycles
        n += 1
    return n


@compiled
def add_events(
    moments: Moments,
    factors: Floats,
    states: Bools,
    exits: Bools,
    holds: Bools,
    most: float,
    home: Integers,
    plain: Floats,
    discounted: Floats,
) -> None:
    """Add events of a rule at the patient's `home`, the first `most` of each; `factors` are what one counts when."""
    who, before = np.int64(-1), 0
    for row in range(moments.who.size):
        if (states[moments.into[row]] or exits[moments.by[row]]) and holds[moments.code[row]]:
            if moments.who[row] != who:
                who, before = moments.who[row], 0
            if before < most:
                plain[home[who]] += 1.0
                discounted[home[who]] += factors[row]
            before += 1


@compiled
def rows_of(moments: Moments, states: Bools, exits: Bools, rows: Integers) -> int:
    """Fill `rows` with those at which somebody comes into one of the states, or takes one of the exits; how many."""
    n = 0
    for row in range(moments.who.size):
        rows[n] = row
        n += states[moments.into[row]] or exits[moments.by[row]]
    return n


@compiled
def add_blocks(by_block: Floats, total: Floats) -> None:
    """Add (blocks, groups) to a total (groups,), block after block."""
    for block in range(by_block.shape[0]):
        for group in range(total.size):
            total[group] += by_block[block, group]


@compiled
def add_profiles(by_profile: Floats, holds: Bools, room: Floats, total: Floats) -> None:
    """Add of (blocks, profiles, groups) those profiles that hold to a total (groups,), block after block."""
    for block in range(by_profile.shape[0]):
        room[:] = 0.0
        for profile in range(holds.size):
            if holds[profile]:
                for group in range(total.size):
                    room[group] += by_profile[block, profile, group]
        for group in range(total.size):
            total[group] += room[group]
