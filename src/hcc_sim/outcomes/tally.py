"""Counts what happened, chunk after chunk of stays, in memory that does not grow with the number of patients.

Everything is kept per group (patient mod 100), so that errors can be estimated by leaving groups out.  What can be
counted is counted in integers; months are added block by block in patient order, so that no chunking changes a bit.
"""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hcc_sim.errors import nearest
from hcc_sim.history import BLOCK, Stays
from hcc_sim.outcomes.definitions import Definitions, Population, reported_for
from hcc_sim.outcomes.record import Record, Zero
from hcc_sim.units import DAYS_PER_MONTH

GROUPS = 100
"""Groups of patients, patient mod 100; a block holds the same number of each."""

CURVE_POINTS = 500
"""At most so many points of a curve are told, closer together in early months."""

SMALL = np.uint16
"""Counts by day take little room while no group has more patients than it can count."""

_DAY_SLACK = 1e-6
"""How much of a day an event may come after the end of a day, by rounding, and still count in that day."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NO_SUBGROUPS: Mapping[str, Bools] = {}


class Tally:
    """What `definitions` ask of the patients added so far, per group.

    `members[population]` counts (100 groups).  `days[population, endpoint]` counts events by day (100 x days + 1):
    column 0 those at time zero, column d those after the end of day d - 1 and up to the end of day d.
    `months[population, outcome, restriction]` are sums of months (100), which mean something only for restrictions
    within the follow-up.  `happened[population, share]` are counts (100) of those it happened to, `at_risk` of those it
    is a share of.  `incident[population, share]` counts, of shares over time, whom it first happened to after one of
    the days `points` and up to the next (100 x points).  `follow_up_months[population]` is the shortest follow-up of a
    member.  `grid_months` is time at the end of each day from 0 on; the last day ends at the horizon.  Unknown names
    raise ValueError.
    """

    def __init__(
        self, definitions: Definitions, state_names: Sequence[str], exit_names: Sequence[str], horizon_months: float
    ) -> None:
        if not 0 < horizon_months < math.inf:
            raise ValueError(f"the horizon is a positive number of months, not {horizon_months}")
        self.definitions = definitions
        self.horizon_months = float(horizon_months)
        self.landmarks_months = definitions.landmarks_within(self.horizon_months)
        self.restrictions_months = definitions.restrictions_within(self.horizon_months)
        self.patients = 0
        self.first_patient: int | None = None
        self._states = list(state_names)
        self._exits = list(exit_names)
        self._tables = {
            what.name: self._table(what.entering, what.ended_by)
            for what in (*definitions.endpoints, *definitions.shares)
        }
        self._entries = {p.name: self._table((p.entering,), ()) for p in definitions.populations if p.entering}
        self._apart = {p.name: self._table((p.others_until,), ()) for p in definitions.populations if p.others_until}
        tables = (*self._tables.values(), *self._entries.values(), *self._apart.values(), self._table((), ()))
        self._noted = np.any(tables, axis=0)
        self._inside = {t.name: among(self._states, t.states, "state") for t in definitions.times}

        day_count = max(math.ceil(self.horizon_months * DAYS_PER_MONTH - _DAY_SLACK), 1)
        self.grid_months = np.append(np.arange(day_count) / DAYS_PER_MONTH, self.horizon_months)
        self.points = np.unique(np.rint(day_count * np.linspace(0.0, 1.0, CURVE_POINTS) ** 2).astype(np.intp))
        self.members: dict[str, Integers] = {}
        self.follow_up_months: dict[str, float] = {}
        self.days: dict[tuple[str, str], NDArray[np.integer]] = {}
        self.months: dict[tuple[str, str, float], Floats] = {}
        self.happened: dict[tuple[str, str], Integers] = {}
        self.at_risk: dict[tuple[str, str], Integers] = {}
        self.incident: dict[tuple[str, str], NDArray[np.integer]] = {}
        self._digests = {p.name: hashlib.blake2b(digest_size=16) for p in definitions.populations}
        self._digests_of_others = {p.name: hashlib.blake2b(digest_size=16) for p in definitions.populations}
        for population in definitions.populations:
            self.members[population.name] = np.zeros(GROUPS, np.int64)
            self.follow_up_months[population.name] = self.horizon_months
            for endpoint in reported_for(population, definitions.endpoints):
                self.days[population.name, endpoint.name] = np.zeros((GROUPS, day_count + 1), SMALL)
            for share in reported_for(population, definitions.shares):
                self.happened[population.name, share.name] = np.zeros(GROUPS, np.int64)
                self.at_risk[population.name, share.name] = np.zeros(GROUPS, np.int64)
                if share.over_time:
                    self.incident[population.name, share.name] = np.zeros((GROUPS, len(self.points)), np.int32)
            for outcome in (
                *reported_for(population, definitions.endpoints),
                *reported_for(population, definitions.times),
            ):
                for restriction in self.restrictions_months:
                    self.months[population.name, outcome.name, restriction] = np.zeros(GROUPS)

    def digest(self, population: str) -> str:
        """A fingerprint of who belongs to the population and of each member's time zero, to the last bit."""
        return self._digests[population].hexdigest()

    def digest_of_others(self, population: str) -> str:
        """A fingerprint of when and where everybody ends, or comes into `others_until`, who does not belong to it.

        Of a subgroup: of its members who do not come into the population.
        """
        return self._digests_of_others[population].hexdigest()

    def add(
        self, stays: Stays, first_patient: int, patients: int, subgroups: Mapping[str, Bools] = NO_SUBGROUPS
    ) -> None:
        """Count the stays of `patients` patients from `first_patient` on: all of theirs, in order of patient and time.

        `subgroups` tells of each patient whether he belongs to a subgroup, for every subgroup that is asked of.
        Chunks come in order without gaps, each beginning at a multiple of 1,000.  ValueError if they do not, if a
        patient has no stay, if a stay ends after the horizon, or if it is not told who belongs to a subgroup.
        """
        if first_patient % BLOCK or (
            self.first_patient is not None and first_patient != self.first_patient + self.patients
        ):
            raise ValueError(
                f"chunks come in order and begin at a multiple of {BLOCK}; patient {first_patient} does not"
            )
        record = Record(stays, first_patient, patients, self.horizon_months, len(self._exits) + 1, self._noted)
        self._check_memberships(subgroups, patients)

        self.first_patient = first_patient if self.first_patient is None else self.first_patient
        self.patients += patients
        if self.patients > GROUPS * np.iinfo(SMALL).max:
            self.days = {key: days.astype(np.int32, copy=False) for key, days in self.days.items()}
        ids = np.arange(patients, dtype=np.uint64) + np.uint64(first_patient)
        rows = {name: record.rows(table) for name, table in self._tables.items()}
        zeros: dict[tuple[str | None, float], Zero] = {}
        for population in self.definitions.populations:
            since = population.entering, population.latest_months
            zero = zeros[since] = zeros.get(since) or self._zero(population, record)
            if population.subgroup is not None:
                zero = zero.within(subgroups[population.subgroup], len(record.left))
            self._count_members(population.name, zero, ids)
            self._note_others(population, zero, ids, record)
            self._add_endpoints(population, zero, record, rows)
            self._add_shares(population, zero, record, rows)
            self._add_times(population, zero, record)

    def _check_memberships(self, subgroups: Mapping[str, Bools], patients: int) -> None:
        asked = {p.subgroup for p in self.definitions.populations if p.subgroup is not None}
        if missing := sorted(asked - set(subgroups)):
            raise ValueError(f"it is not told who belongs to: {', '.join(missing)}")
        for name in sorted(asked):
            if subgroups[name].dtype != np.bool_ or subgroups[name].shape != (patients,):
                raise ValueError(f"who belongs to '{name}' is told by a row of {patients} truths, one for each patient")

    def _zero(self, population: Population, record: Record) -> Zero:
        patients, beyond = len(record.starts), len(record.left)
        everybody = np.ones(patients, np.bool_)
        start = record.entered[record.starts]
        from_start = Zero(everybody, start, record.starts, record.starts, everybody, everybody)
        if population.entering is None:
            return from_start
        table = self._entries[population.name]
        at_start = table[record.starting]
        first_end = np.full(patients, beyond)
        months = np.zeros(patients)
        patient, row = record.first(record.rows(table), from_start)
        in_time = record.left[row] <= population.latest_months
        patient, row = patient[in_time], row[in_time]
        first_end[patient], months[patient] = row, record.left[row]
        first_stay = first_end + 1
        for ours, of_the_start in ((first_end, record.starts), (first_stay, record.starts), (months, start)):
            np.copyto(ours, of_the_start, where=at_start)
        return Zero(first_end < beyond, months, first_end, first_stay, at_start, everybody)

    def _count_members(self, population: str, zero: Zero, ids: NDArray[np.uint64]) -> None:
        self.members[population] += _by_group(zero.member)
        months = zero.months[zero.member] + 0.0
        if len(months):
            shortest = self.horizon_months - float(months.max())
            self.follow_up_months[population] = min(self.follow_up_months[population], shortest)
        # Patient beside time, so that the fingerprint does not know where chunks end.
        entries = np.column_stack([ids[zero.member].astype("<u8"), months.astype("<f8").view("<u8")])
        self._digests[population].update(entries.tobytes())

    def _note_others(self, population: Population, zero: Zero, ids: NDArray[np.uint64], record: Record) -> None:
        ends = np.append(record.starts[1:], len(record.left)) - 1
        if population.others_until is not None:
            from_start = replace(zero, first_end=record.starts)
            patient, row = record.first(record.rows(self._apart[population.name]), from_start)
            ends[patient] = row
        others = zero.asked & ~zero.member
        ends = ends[others]
        left = (record.left[ends] + 0.0).astype("<f8").view("<u8")
        entries = np.column_stack([ids[others].astype("<u8"), left, record.ending(ends).astype("<u8")])
        self._digests_of_others[population.name].update(entries.tobytes())

    def _add_endpoints(self, population: Population, zero: Zero, record: Record, rows: dict[str, Integers]) -> None:
        for endpoint in reported_for(population, self.definitions.endpoints):
            until = self._until(endpoint.name, zero, record, rows[endpoint.name])
            had, day = _days(until)
            _count(self.days[population.name, endpoint.name], had, day)
            for restriction in self.restrictions_months:
                lived = np.where(zero.member, np.minimum(until, restriction), 0.0)
                _add_in_blocks(self.months[population.name, endpoint.name, restriction], lived)

    def _until(self, what: str, zero: Zero, record: Record, rows: Integers) -> Floats:
        """Months from time zero until it first happens; inf where it does not."""
        until = np.full(len(record.starts), np.inf)
        patient, row = record.first(rows, zero)
        until[patient] = record.left[row] - zero.months[patient]
        until[self._tables[what][record.starting] & zero.at_start] = 0.0
        return until

    def _add_shares(self, population: Population, zero: Zero, record: Record, rows: dict[str, Integers]) -> None:
        counts: dict[str, Bools] = {}
        for share in self.definitions.shares:
            if (key := (population.name, share.name)) in self.incident:
                until = self._until(share.name, zero, record, rows[share.name])
                had, day = _days(until)
                _count(self.incident[key], had, np.searchsorted(self.points, day))
                happened = until < np.inf
            else:
                happened = self._tables[share.name][record.starting] & zero.at_start
                happened[record.first(rows[share.name], zero)[0]] = True
            counts[share.name] = zero.member & (happened != share.never)
        for share in reported_for(population, self.definitions.shares):
            of = counts[share.among] if share.among else zero.member
            self.at_risk[population.name, share.name] += _by_group(of)
            self.happened[population.name, share.name] += _by_group(of & counts[share.name])

    def _add_times(self, population: Population, zero: Zero, record: Record) -> None:
        for time in reported_for(population, self.definitions.times):
            months = record.months_in(self._inside[time.name], zero, self.restrictions_months)
            for restriction, spent in zip(self.restrictions_months, months, strict=True):
                _add_in_blocks(self.months[population.name, time.name, restriction], spent)

    def _table(self, entering: Sequence[str], ended_by: Sequence[str]) -> Bools:
        """Whether it happens, for every pair of state entered and exit, at (state + 1) * (exits + 1) + exit + 1."""
        states = np.append(False, among(self._states, entering, "state"))
        exits = np.append(False, among(self._exits, ended_by, "exit"))
        return (states[:, np.newaxis] | exits).reshape(-1)


def among(names: Sequence[str], chosen: Collection[str], what: str) -> Bools:
    """Which of the names are chosen; a name that stands for several positions chooses them all."""
    for name in chosen:
        if name not in names:
            raise ValueError(f"unknown {what} '{name}'. {nearest(name, names)}".rstrip())
    return np.array([name in chosen for name in names], np.bool_)


def _days(until: Floats) -> tuple[Integers, Integers]:
    """Who has it, and on which day."""
    had = np.flatnonzero(until < np.inf)
    return had, np.maximum(np.ceil(until[had] * DAYS_PER_MONTH - _DAY_SLACK), 0).astype(np.intp)


def _count(by_group: NDArray[np.integer], patients: Integers, columns: Integers) -> None:
    """Add 1 for each patient, in the row of his group and a column."""
    np.add.at(by_group.reshape(-1), patients % GROUPS * by_group.shape[1] + columns, by_group.dtype.type(1))


def _by_group(happened: Bools) -> Integers:
    return np.bincount(np.flatnonzero(happened) % GROUPS, minlength=GROUPS)


def _add_in_blocks(sums: Floats, values: Floats) -> None:
    """Add one value for each patient to the group sums: each block by itself, then block after block."""
    whole = np.zeros(math.ceil(len(values) / BLOCK) * BLOCK)
    whole[: len(values)] = values
    rounds = whole.reshape(-1, BLOCK // GROUPS, GROUPS)
    blocks = rounds[:, 0].copy()
    for i in range(1, rounds.shape[1]):
        blocks += rounds[:, i]
    for block in blocks:
        sums += block
