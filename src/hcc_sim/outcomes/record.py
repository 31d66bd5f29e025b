"""One chunk of stays as a tally looks at it: which patient a row belongs to, and what happens at its end.

The loops over all rows are compiled; what they add is added in the order in which it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled
from hcc_sim.history import Stays

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Positions = NDArray[np.int16]

FINE, NOT_THESE_PATIENTS, TOO_LATE = 0, 1, 2


@dataclass(frozen=True)
class Zero:
    """Where each patient of the chunk belongs to a population, and from where in the record on."""

    member: Bools
    months: Floats
    """Time zero; 0 for those who do not belong."""
    first_end: Integers
    """The first row whose end counts; beyond the record for those who do not belong."""
    first_stay: Integers
    """The first row in which time counts."""
    at_start: Bools
    """Members whose time zero is the start of the record, so that being there already counts."""
    asked: Bools
    """Who is looked at at all: everybody, or the subgroup."""

    def within(self, subgroup: Bools, beyond: int) -> Zero:
        """The same of a subgroup only; `beyond` is a row after the record."""
        member = self.member & subgroup
        return Zero(
            member,
            np.where(member, self.months, 0.0),
            np.where(member, self.first_end, beyond),
            np.where(member, self.first_stay, beyond),
            self.at_start & subgroup,
            subgroup,
        )


class Record:
    """One chunk, row by row.

    Things that happen are told by tables over pairs of state entered and exit, at (state + 1) x codes + exit + 1;
    `noted` is the table of all that any other asks.

    Raises:
        ValueError: rows are not those of all `patients` in order, or end after the horizon.
    """

    def __init__(
        self, stays: Stays, first_patient: int, patients: int, horizon_months: float, codes: int, noted: Bools
    ) -> None:
        size = len(stays)
        self.left = np.ascontiguousarray(stays.left_months)
        self.entered = np.ascontiguousarray(stays.entered_months)
        self.state = np.ascontiguousarray(stays.state)
        self._next_state = np.ascontiguousarray(stays.next_state)
        self._ended_by = np.ascontiguousarray(stays.ended_by)
        self._codes = codes
        self.starts, self.patient = np.empty(max(patients, 0), np.int64), np.empty(size, np.int64)
        self.noted = np.empty(size, np.int64)
        trouble, n = _look_through(
            np.ascontiguousarray(stays.patient),
            self.left,
            self._next_state,
            self._ended_by,
            np.uint64(first_patient),
            horizon_months,
            codes,
            noted,
            self.starts,
            self.patient,
            self.noted,
        )
        if patients < 1 or trouble == NOT_THESE_PATIENTS:
            raise ValueError(
                f"not the stays of the {patients} patients from {first_patient} on, each with at least one"
            )
        if trouble == TOO_LATE:
            raise ValueError(f"a stay ends after the horizon of {horizon_months} months, or at no time at all")
        # Most stays end by what nothing is asked of: they are looked at once, and not for each thing asked.
        self.noted = self.noted[:n]
        self._noted_ending = self.ending(self.noted)
        self.starting = (self.state[self.starts].astype(np.int64) + 1) * codes

    def ending(self, rows: Integers) -> Integers:
        """Places in tables of what happens at the end of some rows."""
        return (self._next_state[rows].astype(np.int64) + 1) * self._codes + self._ended_by[rows] + 1

    def rows(self, table: Bools) -> Integers:
        """Rows that end by something of a table, whose everything must have been noted."""
        return self.noted[table[self._noted_ending]]

    def first(self, rows: Integers, zero: Zero) -> tuple[Integers, Integers]:
        """The patients who have one of the rows at or after time zero, and the first of these rows."""
        patient = self.patient[rows]
        counts = rows >= zero.first_end[patient]
        rows, patient = rows[counts], patient[counts]
        is_first = np.diff(patient, prepend=-1) != 0
        return patient[is_first], rows[is_first]

    def months_in(self, inside: Bools, zero: Zero, restrictions_months: Sequence[float]) -> Floats:
        """By restriction and patient, the months from time zero to it in the states that are `inside`."""
        found = np.zeros((len(restrictions_months), len(self.starts)))
        _add_months(
            self.state,
            self.patient,
            self.entered,
            self.left,
            inside,
            zero.first_stay,
            zero.months,
            np.array(restrictions_months),
            found,
        )
        return found


@compiled
def _look_through(
    patient: NDArray[np.uint64],
    left: Floats,
    next_state: Positions,
    ended_by: Positions,
    first_patient: np.uint64,
    horizon_months: float,
    codes: int,
    noted: Bools,
    starts: Integers,
    whose: Integers,
    rows: Integers,
) -> tuple[int, int]:
    """Fill where each patient starts, whose each row is, and the rows that end by something noted; how many these are.

    First what is wrong with the rows, if anything is.
    """
    late, who, n = False, np.int64(-1), 0
    for row in range(patient.size):
        one = np.int64(patient[row] - first_patient)
        if one != who:
            if one != who + 1 or one >= starts.size:
                return NOT_THESE_PATIENTS, 0
            who = one
            starts[who] = row
        late |= not left[row] <= horizon_months
        whose[row] = who
        rows[n] = row  # which the next one replaces if this is not noted: quicker than to decide
        n += noted[(np.int64(next_state[row]) + 1) * codes + ended_by[row] + 1]
    if who != starts.size - 1:
        return NOT_THESE_PATIENTS, 0
    return TOO_LATE if late else FINE, n


@compiled
def _add_months(
    state: Positions,
    whose: Integers,
    entered: Floats,
    left: Floats,
    inside: Bools,
    first_stay: Integers,
    zero_months: Floats,
    restrictions_months: Floats,
    months: Floats,
) -> None:
    """Add to each patient's `months` those of his stays `inside`, from `first_stay` on."""
    for row in range(state.size):
        if inside[state[row]]:
            who = whose[row]
            if row >= first_stay[who]:
                begin, end = entered[row] - zero_months[who], left[row] - zero_months[who]
                for place in range(restrictions_months.size):
                    until = restrictions_months[place]
                    months[place, who] += min(end, until) - min(begin, until)
