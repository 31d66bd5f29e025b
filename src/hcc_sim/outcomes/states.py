"""Where patients are: how many in each state at given times, and the mean time in each up to them, for any pathway.

A stay is half open: from `entered_months` on, until just before `left_months`.  At the moment of a move a patient is
where it leads; where several moves share a moment, only where the last one leads.  Who has come into a final state is
there from then on.  Who is found in a state by the horizon is there at the horizon too: no exit happens at it.  Nothing
is told of later times.  Stays of no length count nowhere, so nobody is ever in a branch, and branches have no rows.

Errors are those of `estimates`: a delete-a-group jackknife over the 100 groups (patient mod 100), NaN where one is
empty.  A record of stays must hold whole histories, or it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcc_sim.history import BLOCK, NO_STATE, Stays
from hcc_sim.outcomes.estimates import jackknife_se
from hcc_sim.outcomes.tally import GROUPS, Floats, Integers
from hcc_sim.pathway.model import Pathway

if TYPE_CHECKING:
    import pandas as pd


class Compiled(Protocol):
    """What is read of a compiled pathway: its states, in the order in which stays number them."""

    @property
    def pathway(self) -> Pathway:
        """The states and exits."""


class Part(Protocol):
    """The stays of patients `first_patient` to `first_patient + patients - 1`, complete, as `simulate` gives them."""

    @property
    def first_patient(self) -> int:
        """The first patient's number."""

    @property
    def patients(self) -> int:
        """How many."""

    @property
    def stays(self) -> Stays:
        """All of theirs, in order of patient and time."""


def occupancy(
    stays: Stays | Iterable[Part],
    program: Compiled,
    *,
    times_months: ArrayLike,
    horizon_months: float,
    patients: int | None = None,
) -> pd.DataFrame:
    """State occupancy: how many patients, and what share of all, are in each state at each time.

    Args:
        stays: what `simulate` yields (memory stays flat) or what `simulate_all` returns; of the latter also the stays
            of some patients only, who are then all that there are.
        program: the compiled pathway.
        times_months: when to look, months from the start, 0 to the horizon.
        horizon_months: the horizon with which the stays were simulated.
        patients: how many there are, if that is to be checked; every patient has at least one stay.

    Returns:
        One row for each time (rising) and state that takes time or is final: time_months, state, count, share and
        mc_se, the Monte-Carlo standard error of the share.

    Raises:
        ValueError: a time outside of 0 to the horizon; histories that are not whole or belong to another horizon;
            another number of patients.
    """
    return _tally(stays, program, times_months, horizon_months, patients).occupancy()


def time_in_state(
    stays: Stays | Iterable[Part],
    program: Compiled,
    *,
    horizon_months: float,
    until_months: ArrayLike | None = None,
    patients: int | None = None,
) -> pd.DataFrame:
    """Mean months in each state from the start up to each time: the area under the state's occupancy.

    Arguments and errors are those of `occupancy`; `until_months` is the horizon unless given.

    Returns:
        One row for each time (rising) and state that takes time or is final: until_months, state, mean_months and
        mc_se, its Monte-Carlo standard error.  The means of all states sum to the time.
    """
    until = horizon_months if until_months is None else until_months
    return _tally(stays, program, until, horizon_months, patients).time_in_state()


class StateTally:
    """Both at once, added up chunk after chunk in memory that does not grow with the number of patients.

    Kept per group (patient mod 100), so that errors can be estimated by leaving groups out.  Patients are counted in
    integers; months are added block by block in patient order, so that no chunking changes a bit.
    """

    def __init__(self, program: Compiled, *, times_months: ArrayLike, horizon_months: float) -> None:
        if not 0.0 < horizon_months < math.inf:
            raise ValueError(f"the horizon is a positive number of months, not {horizon_months}")
        self.horizon_months = float(horizon_months)
        self.times_months = _times(times_months, self.horizon_months)
        self.patients = 0
        self.members = np.zeros(GROUPS, np.int64)
        self._next_patient: int | None = None
        states = program.pathway.states
        self._names = [state.name for state in states]
        self._final = np.array([state.final for state in states])
        self._lasting = np.array([state.branch is None for state in states])
        self._edges = np.union1d(0.0, self.times_months)
        shape = (GROUPS, len(states), len(self._edges))
        self._moves = np.zeros(shape, np.int64)
        """Who came less who left, after the edge before and up to this one."""
        self._rests = np.zeros(shape)
        """Months from coming to this edge less months from leaving to this edge, of the same moves."""

    def add(self, stays: Stays, first_patient: int, patients: int) -> None:
        """Count the stays of `patients` patients from `first_patient` on: all of theirs, in order of patient and time.

        Chunks come in order without gaps, all but the last of a multiple of 1,000 patients.

        Raises:
            ValueError: they do not, a patient has no stay, or histories are not whole.
        """
        if self._next_patient is not None and (first_patient != self._next_patient or self.patients % BLOCK):
            raise ValueError(
                f"chunks come in order, each but the last of a multiple of {BLOCK:,} patients; after {self.patients:,} "
                f"patients up to {self._next_patient - 1} cannot come patient {first_patient}"
            )
        expected = np.arange(patients, dtype=np.uint64) + np.uint64(first_patient)
        if not np.array_equal(stays.patient[_first_rows(stays)], expected):
            raise ValueError(
                f"not the stays of the {patients} patients from {first_patient} on, each with at least one"
            )
        self._count(stays)
        self._next_patient = first_patient + patients

    def occupancy(self) -> pd.DataFrame:
        """The table of `occupancy`."""
        counts = np.cumsum(self._moves, axis=2)[:, :, self._asked()]
        share, error = self._per_patient(counts)
        columns = {"count": counts.sum(axis=0), "share": share, "mc_se": error}
        return self._table("time_months", columns)

    def time_in_state(self) -> pd.DataFrame:
        """The table of `time_in_state`."""
        there = np.cumsum(self._moves, axis=2)[:, :, :-1] * np.diff(self._edges)
        between = self._rests.copy()
        between[:, :, 1:] += there
        mean, error = self._per_patient(np.cumsum(between, axis=2)[:, :, self._asked()])
        return self._table("until_months", {"mean_months": mean, "mc_se": error})

    def _count(self, stays: Stays) -> None:
        """Count whole histories of any patients, in order of patient and time."""
        first = _first_rows(stays)
        self._check(stays, first)
        numbers = stays.patient[first]
        self.patients += len(numbers)
        self.members += np.bincount(_group(numbers), minlength=GROUPS)
        for block in stays.blocks(int(numbers[0])):
            self._count_block(block)

    def _count_block(self, stays: Stays) -> None:
        """Add who comes into a state and who leaves it, each at the first edge that does not lie before."""
        over = self._final[stays.next_state] & (stays.next_state != NO_STATE)
        lasts = stays.left_months > stays.entered_months
        leaves = lasts & (stays.next_state != NO_STATE)
        state, after = stays.state.astype(np.intp), stays.next_state.astype(np.intp)
        cell = _group(stays.patient) * len(self._names)
        self._move(
            np.concatenate([(cell + state)[lasts], (cell + after)[over]]),
            np.concatenate([stays.entered_months[lasts], stays.left_months[over]]),
            1,
        )
        self._move((cell + state)[leaves], stays.left_months[leaves], -1)

    def _move(self, cells: Integers, months: Floats, sign: int) -> None:
        edge = np.searchsorted(self._edges, months)
        seen = edge < len(self._edges)
        edge, rest = edge[seen], self._edges[edge[seen]] - months[seen]
        places, which = np.unique(cells[seen] * len(self._edges) + edge, return_inverse=True)
        self._moves.reshape(-1)[places] += sign * np.bincount(which)
        self._rests.reshape(-1)[places] += sign * np.bincount(which, weights=rest)

    def _check(self, stays: Stays, first: Integers) -> None:
        """ValueError unless every patient's stays follow each other from 0 to a final state or to the horizon."""
        if not len(stays):
            raise ValueError("there are no stays, and every patient has at least one")
        last = np.append(first[1:], len(stays)) - 1
        entered, left, after = stays.entered_months, stays.left_months, stays.next_state
        follows = np.append(True, (entered[1:] == left[:-1]) & (stays.state[1:] == after[:-1]))
        follows[first] = entered[first] == 0.0
        follows[first[1:]] &= stays.patient[first[1:]] > stays.patient[first[1:] - 1]
        ends = np.ones(len(stays), np.bool_)
        ends[last] = np.where(after[last] == NO_STATE, left[last] == self.horizon_months, self._final[after[last]])
        whole = follows & ends & (entered <= left) & (left <= self.horizon_months)
        if not whole.all():
            row = int(np.argmin(whole))
            raise ValueError(
                f"the stay of patient {stays.patient[row]} from {entered[row]} to {left[row]} months does not fit: the "
                f"stays of a patient follow each other from 0 months to a final state or to the horizon of "
                f"{self.horizon_months} months, and patients come in rising order"
            )

    def _asked(self) -> Integers:
        return np.searchsorted(self._edges, self.times_months)

    def _per_patient(self, sums: NDArray[Any]) -> tuple[Floats, Floats]:
        """Means of all patients (states x times) from group sums (groups x states x times), and their errors."""
        if not self.patients:
            raise ValueError("nobody has been added")
        whole = sums.sum(axis=0)
        mean = whole / self.patients
        if not self.members.all():
            return mean, np.full(mean.shape, np.nan)
        others = self.patients - self.members
        return mean, jackknife_se((whole - sums) / others[:, np.newaxis, np.newaxis])

    def _table(self, time: str, columns: dict[str, NDArray[Any]]) -> pd.DataFrame:
        """Tidy rows from arrays (states x times): by time, then by state in the order of the pathway."""
        import pandas as pd

        names = [name for name, lasts in zip(self._names, self._lasting, strict=True) if lasts]
        frame: dict[str, Any] = {
            time: np.repeat(self.times_months, len(names)),
            "state": pd.Categorical(names * len(self.times_months), categories=names),
        }
        return pd.DataFrame(frame | {name: values[self._lasting].T.ravel() for name, values in columns.items()})


def _tally(
    stays: Stays | Iterable[Part], program: Compiled, times: ArrayLike, horizon_months: float, patients: int | None
) -> StateTally:
    tally = StateTally(program, times_months=times, horizon_months=horizon_months)
    if isinstance(stays, Stays):
        tally._count(stays)
    else:
        for part in stays:
            tally.add(part.stays, part.first_patient, part.patients)
    if patients is not None and patients != tally.patients:
        raise ValueError(f"these are stays of {tally.patients} patients, not of {patients}")
    return tally


def _times(given: ArrayLike, horizon_months: float) -> Floats:
    """The times in rising order, each once; ValueError if there are none, or one is not within 0 to the horizon."""
    times = np.unique(np.ravel(np.asarray(given, np.float64))) + 0.0
    if not len(times):
        raise ValueError("no times are given")
    if wrong := [float(t) for t in times if not 0.0 <= t <= horizon_months]:
        raise ValueError(
            f"times lie between 0 and the horizon of {horizon_months} months, beyond which nothing is simulated; "
            f"not {', '.join(f'{t:g}' for t in wrong)}"
        )
    return times


def _first_rows(stays: Stays) -> Integers:
    """The row of each patient's first stay."""
    return np.flatnonzero(np.diff(stays.patient, prepend=stays.patient[:1] + np.uint64(1)))


def _group(patients: NDArray[np.uint64]) -> Integers:
    return (patients % np.uint64(GROUPS)).astype(np.int64)
