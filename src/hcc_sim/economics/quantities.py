"""Counts what `items` ask, chunk after chunk of stays, in memory that does not grow with the number of patients.

What is counted carries no price: a run can be priced again, and costs are sums of price x quantity that anybody can
check.  Everything is kept per group (patient mod 100) for the jackknife, and summed block by block in patient order, so
that no chunking changes a bit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from hcc_sim.economics.discounting import (
    check_rate,
    discounted_aged_months,
    discounted_cycles,
    discounted_months,
    factors,
)
from hcc_sim.economics.items import Decrement, PerCycle, PerEvent, PerMonth, Rules
from hcc_sim.history import BLOCK, Stays
from hcc_sim.outcomes.tally import GROUPS, among
from hcc_sim.pathway.model import number

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

PLAIN, DISCOUNTED = 0, 1
"""First axis of what was counted."""

_NUMBERS = ("interval_months", "after_months", "until_months", "most", "months")
"""What numbers items and losses are counted by."""

_SLACK = 1e-9
"""Of an interval: how much rounding may take from a span without losing it a cycle."""


class Quantities:
    """What the patients added so far used and lived through, per group.

    `used[item]` (2, 100) are units, plain and discounted at the rate of costs.  `lived[health]` and `lost[decrement]`
    (2, K, 100) are months up to each of `until_months` (the last is the horizon), plain and discounted at the rate of
    effects; what is lost is not yet multiplied by how much.  `aged[health]`, of the same shape, are months times years
    since the start, counted only where ageing takes something.  `members` (100,) counts patients.
    """

    def __init__(
        self,
        rules: Rules,
        values: Mapping[str, float],
        *,
        state_names: Sequence[str],
        exit_names: Sequence[str],
        shown_names: Sequence[str],
        staying: Collection[tuple[str, str]] = (),
        horizon_months: float,
        discount_costs: float,
        discount_effects: float,
        split_months: Sequence[float] = (60.0, 120.0),
    ) -> None:
        """Nothing counted yet.

        Args:
            rules: what to count.
            values: of the parameters that rules name for intervals, durations and how many count at most.
            state_names: as stays number them.
            exit_names: as stays number them.
            shown_names: attributes that stays show, by bit.
            staying: state and exit of the stays after which nobody enters anew (`Pathway.staying`).
            horizon_months: of the run.
            discount_costs: annual rate.
            discount_effects: annual rate.
            split_months: times up to which health is told apart, besides the horizon; those beyond it are left out.

        Raises:
            ValueError: a name that the pathway does not have, a number out of range.
        """
        self.rules = rules
        self.horizon_months = float(horizon_months)
        self.rate_of_costs, self.rate_of_effects = check_rate(discount_costs), check_rate(discount_effects)
        self.until_months = (*sorted(t for t in split_months if 0.0 < t < horizon_months), self.horizon_months)
        asked = {name for one in (*rules.items, *rules.health) for name in getattr(one, "shown", {})}
        self._names = _Names(state_names, exit_names, shown_names, asked, staying)
        self._profile, self._of_profile, self._health = self._profiles()
        events = [item for item in rules.items if isinstance(item, PerEvent)]
        self._ends = {one.name: self._names.ends(one.entering, one.ended_by) for one in events}
        self._ends_of_losses = {one.name: self._names.ends(one.entering, one.ended_by) for one in rules.decrements}
        ends = (*self._ends.values(), *self._ends_of_losses.values(), self._names.ends((), ()))
        self._any_end = tuple(np.any([end[part] for end in ends], axis=0) for part in (0, 1))
        self._begin(values)

    def _begin(self, values: Mapping[str, float]) -> None:
        """Nothing counted yet, with these values of what rules count by."""
        rules = self.rules
        self.members = np.zeros(GROUPS, np.int64)
        self.used = {item.name: np.zeros((2, GROUPS)) for item in rules.items}
        shape = (2, len(self.until_months), GROUPS)
        self.lived = {health.name: np.zeros(shape) for health in rules.health}
        self.lost = {decrement.name: np.zeros(shape) for decrement in rules.decrements}
        ages = number(rules.lost_share_per_year, values) > 0.0
        self.aged = {health.name: np.zeros(shape) for health in rules.health} if ages else {}
        self._next_patient: int | None = None
        self._numbers = {
            (one.name, what): _positive(one.name, what, number(getattr(one, what), values))
            for one in (*rules.items, *rules.decrements)
            for what in _NUMBERS
            if hasattr(one, what)
        }
        alike: dict[object, list[PerCycle]] = {}
        for item in rules.items:
            if isinstance(item, PerCycle):
                numbers = tuple(self._numbers.get((item.name, what)) for what in _NUMBERS)
                shown = tuple(sorted(item.shown.items()))
                alike.setdefault((item.states, shown, item.each_entry, numbers), []).append(item)
        self._alike = tuple(alike.values())

    def anew(self, values: Mapping[str, float]) -> Quantities:
        """The same with nothing counted, for other values of what rules count by."""
        fresh = copy(self)
        fresh._begin(values)
        return fresh

    def counts_by(self) -> Hashable:
        """Equal where the same stays give the same counts under the same rules."""
        return (bool(self.aged), *self._numbers.values())

    def add(self, stays: Stays, first_patient: int, patients: int, members: Bools | None = None) -> None:
        """Count the stays of `patients` patients from `first_patient` on: all of theirs, in order.

        Chunks come in order without gaps, each beginning at a multiple of 1,000.  With `members`, a truth for each
        patient, only those who are count.

        Raises:
            ValueError: they do not, a patient has no stay, a stay ends after the horizon.
        """
        if first_patient % BLOCK or self._next_patient not in (None, first_patient):
            raise ValueError(
                f"chunks come in order and begin at a multiple of {BLOCK}; patient {first_patient} does not"
            )
        local = (stays.patient - np.uint64(first_patient)).astype(np.int64)
        firsts = np.flatnonzero(np.diff(local, prepend=-1))
        if patients < 1 or not np.array_equal(local[firsts], np.arange(patients)):
            raise ValueError(
                f"not the stays of the {patients} patients from {first_patient} on, each with at least one"
            )
        if not stays.left_months.max() <= self.horizon_months:
            raise ValueError(f"a stay ends after the horizon of {self.horizon_months:g} months, or at no time at all")
        self._next_patient = first_patient + patients
        if members is not None:
            stays, local = stays[members[local]], local[members[local]]
            firsts = np.flatnonzero(np.diff(local, prepend=-1))
        self.members += np.bincount(local[firsts] % GROUPS, minlength=GROUPS)
        if not len(local):
            return
        chunk = _Chunk(stays, local, firsts, patients, self._names, self._profile, self._any_end)
        self._add_times(chunk)
        for alike in self._alike:
            self._add_cycles(alike, chunk)
        for item in self.rules.items:
            if isinstance(item, PerEvent):
                self._add_events(item, chunk)
        for decrement in self.rules.decrements:
            self._add_losses(decrement, chunk)

    def _add_times(self, chunk: _Chunk) -> None:
        """Months in which each rule held, by what rules hold together: each stay is looked at once."""
        rows, profile = chunk.timed, chunk.profile
        key, size = profile * GROUPS + chunk.patient[rows] % GROUPS, len(self._of_profile) * GROUPS
        entered, left = chunk.entered[rows], chunk.left[rows]

        def summed(months: Floats) -> Floats:
            return chunk.in_blocks(chunk.patient[rows], key, months, size).reshape(chunk.blocks, -1, GROUPS)

        by_profile = [summed(left - entered), summed(discounted_months(entered, left, self.rate_of_costs))]
        for place, item in enumerate(self.rules.items):
            if isinstance(item, PerMonth):
                for kind in (PLAIN, DISCOUNTED):
                    _add(self.used[item.name][kind], by_profile[kind][:, self._of_profile[:, place]].sum(axis=1))
        for k, until in enumerate(self.until_months):
            begin, end = np.minimum(entered, until), np.minimum(left, until)
            for kind, rate in ((PLAIN, 0.0), (DISCOUNTED, self.rate_of_effects)):
                months = summed(discounted_months(begin, end, rate))
                for place, health in enumerate(self.rules.health):
                    _add(self.lived[health.name][kind, k], months[:, self._health == place].sum(axis=1))
                if self.aged:
                    aged = summed(discounted_aged_months(begin, end, rate))
                    for place, health in enumerate(self.rules.health):
                        _add(self.aged[health.name][kind, k], aged[:, self._health == place].sum(axis=1))

    def _add_cycles(self, items: Sequence[PerCycle], chunk: _Chunk) -> None:
        """Items that are counted alike: counted once."""
        item = items[0]
        place = self.rules.items.index(item)
        named = ("interval_months", "after_months", "until_months", "most")
        interval, after, until, most = (self._numbers[item.name, what] for what in named)
        interval = min(interval, 2.0 * self.horizon_months)  # beyond the horizon is as good as never
        held = np.flatnonzero(self._of_profile[:, place][chunk.profile])
        rows = chunk.timed[held]
        who = chunk.patient[rows]
        begins = np.ones(len(held) + 1, np.bool_)
        goes_on = (held[1:] == held[:-1] + 1) & (who[1:] == who[:-1])
        if item.each_entry:
            goes_on &= chunk.stays_on[rows[1:] - 1]
        begins[1:-1] = ~goes_on
        first, last = np.flatnonzero(begins[:-1]), np.flatnonzero(begins[1:])
        who, begin = who[first], chunk.entered[rows[first]]
        end = np.minimum(chunk.left[rows[last]], begin + until)
        begin = np.minimum(begin + after, end)
        count = np.ceil((end - begin) / interval - _SLACK)
        before = _before(who, count)
        count = np.clip(most - before, 0.0, count)
        discounted = discounted_cycles(begin, interval, count, self.rate_of_costs)
        self._use([one.name for one in items], chunk, who, count, discounted)

    def _add_events(self, item: PerEvent, chunk: _Chunk) -> None:
        who, when, rows = chunk.events(self._ends[item.name])
        holds = self._names.holds(item.shown)[chunk.code[rows]]
        who, when = who[holds], when[holds]
        counts = _before(who, np.ones(len(who))) < self._numbers[item.name, "most"]
        self._use([item.name], chunk, who, counts.astype(np.float64), counts * factors(when, self.rate_of_costs))

    def _add_losses(self, decrement: Decrement, chunk: _Chunk) -> None:
        who, when, _ = chunk.events(self._ends_of_losses[decrement.name])
        over = np.minimum(when + self._numbers[decrement.name, "months"], chunk.end[who])
        for k, until in enumerate(self.until_months):
            begin, end = np.minimum(when, until), np.minimum(over, until)
            for kind, rate in ((PLAIN, 0.0), (DISCOUNTED, self.rate_of_effects)):
                lost = discounted_months(begin, end, rate)
                _add(self.lost[decrement.name][kind, k], chunk.by_group(who, lost))

    def _use(self, names: Sequence[str], chunk: _Chunk, who: Integers, plain: Floats, discounted: Floats) -> None:
        for kind, values in ((PLAIN, plain), (DISCOUNTED, discounted)):
            by_group = chunk.by_group(who, values)
            for name in names:
                _add(self.used[name][kind], by_group)

    def _profiles(self) -> tuple[Integers, Bools, Integers]:
        """Code -> profile; (P, items) which rules hold in it; (P,) which health state."""
        holds = np.column_stack(
            [
                np.zeros(self._names.codes, np.bool_)
                if isinstance(item, PerEvent)
                else self._names.where(item.states) & self._names.holds(item.shown)
                for item in self.rules.items
            ]
            or [np.empty((self._names.codes, 0), np.bool_)]
        )
        applies = [self._names.where(one.states) & self._names.holds(one.shown) for one in self.rules.health]
        health = np.argmax(np.column_stack(applies), axis=1)
        # A row as bytes that sort as it does: compared rule by rule, rows took a fifth of the time of a short run.
        rows = np.ascontiguousarray(np.column_stack((np.packbits(holds, axis=1), health.astype(">u2").view("2u1"))))
        _, first, profile = np.unique(rows.view(f"V{rows.shape[1]}").ravel(), return_index=True, return_inverse=True)
        return profile, holds[first], health[first]


class _Names:
    """Positions behind names, and a code for each state with each set of attributes shown."""

    def __init__(
        self,
        states: Sequence[str],
        exits: Sequence[str],
        shown: Sequence[str],
        asked: Collection[str],
        staying: Collection[tuple[str, str]],
    ) -> None:
        among(list(shown), asked, "attribute that stays show")
        self.states, self.exits = list(states), list(exits)
        self.shown = [name for name in shown if name in asked]
        self._bits = [list(shown).index(name) for name in self.shown]
        self.sets = 1 << len(self.shown)
        self.codes = len(self.states) * self.sets
        self._staying = np.zeros((len(self.states), len(self.exits) + 1), np.bool_)
        for state, exit in staying:
            self._staying[self.states.index(state), self.exits.index(exit)] = True

    def code(self, stays: Stays) -> Integers:
        """Of each stay."""
        code = stays.state.astype(np.int64) * self.sets
        for place, bit in enumerate(self._bits):
            code += ((stays.shown >> bit) & 1).astype(np.int64) << place
        return code

    def stays_on(self, stays: Stays) -> Bools:
        """Whether nobody enters a state anew as a stay ends."""
        return np.asarray(self._staying[stays.state, stays.ended_by])

    def where(self, states: Sequence[str]) -> Bools:
        """(codes,) those of the states; all if none is named."""
        inside = among(self.states, states, "state") if states else np.ones(len(self.states), np.bool_)
        return np.repeat(inside, self.sets)

    def holds(self, shown: Mapping[str, bool]) -> Bools:
        """(codes,) those with these truths."""
        found = np.ones(self.sets, np.bool_)
        for name, truth in shown.items():
            found &= ((np.arange(self.sets) >> self.shown.index(name)) & 1).astype(np.bool_) == truth
        return np.tile(found, len(self.states))

    def ends(self, entering: Sequence[str], ended_by: Sequence[str]) -> tuple[Bools, Bools]:
        """Whether an event happens where a stay leads into a state (states + 1,), or ends by an exit (exits + 1,)."""
        states = np.append(among(self.states, entering, "state"), False)
        exits = np.append(among(self.exits, ended_by, "exit"), False)
        return states, exits


class _Chunk:
    """The stays of consecutive patients, numbered from 0."""

    def __init__(
        self,
        stays: Stays,
        patient: Integers,
        firsts: Integers,
        patients: int,
        names: _Names,
        profile: Integers,
        any_end: tuple[Bools, ...],
    ) -> None:
        self.patient, self.firsts, self.code = patient, firsts, names.code(stays)
        self.stays_on = names.stays_on(stays)
        self.entered, self.left = stays.entered_months, stays.left_months
        self.state, self.next_state, self.ended_by = stays.state, stays.next_state, stays.ended_by
        self.timed = np.flatnonzero(self.left > self.entered)
        self.profile = profile[self.code[self.timed]]
        any_state, any_exit = any_end
        # Most stays end by what nothing is counted at: they are looked at once, and not for each item.
        self.ending = np.flatnonzero(any_state[self.next_state] | any_exit[self.ended_by])
        self.ending_in, self.ending_by = self.next_state[self.ending], self.ended_by[self.ending]
        self.ending_anew = ~self.stays_on[self.ending]
        self.starting = firsts[any_state[self.state[firsts]]]
        self.end = np.zeros(patients)
        self.end[patient[firsts]] = self.left[np.append(firsts[1:], len(patient)) - 1]
        self.blocks = math.ceil(patients / BLOCK)

    def in_blocks(self, who: Integers, key: Integers, values: Floats, size: int) -> Floats:
        """Sums (blocks, size) of values of patients by key."""
        sums = np.bincount(who // BLOCK * size + key, values, self.blocks * size).astype(np.float64, copy=False)
        return np.asarray(sums.reshape(self.blocks, size))

    def by_group(self, who: Integers, values: Floats) -> Floats:
        """Sums (blocks, 100) of values of patients by group."""
        return self.in_blocks(who, who % GROUPS, values, GROUPS)

    def events(self, ends: tuple[Bools, Bools]) -> tuple[Integers, Floats, Integers]:
        """Who has an event, when, and in which row, in order of patient and time."""
        states, exits = ends
        started = self.starting[states[self.state[self.starting]]]
        ended = self.ending[(states[self.ending_in] & self.ending_anew) | exits[self.ending_by]]
        if not len(started):
            return self.patient[ended], self.left[ended], ended
        rows = np.concatenate((started, ended))
        when = np.concatenate((self.entered[started], self.left[ended]))
        order = np.argsort(self.patient[rows], kind="stable")  # who begins there does so before anything ends
        return self.patient[rows[order]], when[order], rows[order]


def _add(total: Floats, by_block: Floats) -> None:
    """Block after block, whatever chunk it came in."""
    for block in by_block:
        total += block


def _before(who: Integers, count: Floats) -> Floats:
    """How much of each patient's comes before, in rows in order of patient."""
    total = np.cumsum(count) - count
    first = np.flatnonzero(np.diff(who, prepend=-1))
    return total - np.repeat(total[first], np.diff(np.append(first, len(who))))


def _positive(name: str, what: str, value: float) -> float:
    if what == "most":
        fine, least = value >= 0.0 and (value == math.inf or value.is_integer()), "a whole number of 0 or more"
    elif what in ("months", "after_months", "until_months"):
        fine, least = value >= 0.0, "at least 0"
    else:
        fine, least = value > 0.0, "above 0"
    if not fine:
        raise ValueError(f"{name!r}: {what} is {value}; it must be {least}")
    return value
