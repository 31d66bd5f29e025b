"""Counts what `items` ask, chunk after chunk of stays, in memory that does not grow with the number of patients.

What is counted carries no price: a run can be priced again, and costs are sums of price x quantity that anybody can
check.  Everything is kept per group (patient mod 100) for the jackknife, and summed block by block in patient order, so
that no chunking changes a bit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from copy import copy
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from hcc_sim.economics.counting import (
    NOT_THESE_PATIENTS,
    TOO_LATE,
    Asked,
    Rows,
    add_blocks,
    add_events,
    add_months,
    add_profiles,
    add_values,
    lay_out,
    room_for_moments,
    room_for_timed,
    rows_of,
    spans_of,
)
from hcc_sim.economics.discounting import Spans, check_rate, cycles_from, factors
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
        profile, self._in_item, self._in_health = self._profiles()
        events = [item for item in rules.items if isinstance(item, PerEvent)]
        self._holds = {one.name: self._names.holds(one.shown) for one in events}
        self._ends = {one.name: self._names.ends(one.entering, one.ended_by) for one in events}
        self._ends_of_losses = {one.name: self._names.ends(one.entering, one.ended_by) for one in rules.decrements}
        ends = (*self._ends.values(), *self._ends_of_losses.values(), self._names.ends((), ()))
        states, exits = (np.any([end[part] for end in ends], axis=0) for part in (0, 1))
        # Most stays end by what nothing is counted at: they are looked at once, and not for each item.
        self._asked = Asked(self._names.bits, profile, self._names.staying, states, exits)
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
        self._alike = tuple((rules.items.index(some[0]), some) for some in alike.values())

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
        belongs = np.ones(max(patients, 0), np.bool_) if members is None else np.ascontiguousarray(members)
        chunk = _Chunk(stays, first_patient, belongs, self.horizon_months, self._asked, self.rate_of_costs)
        if patients < 1 or chunk.trouble == NOT_THESE_PATIENTS:
            raise ValueError(
                f"not the stays of the {patients} patients from {first_patient} on, each with at least one"
            )
        if chunk.trouble == TOO_LATE:
            raise ValueError(f"a stay ends after the horizon of {self.horizon_months:g} months, or at no time at all")
        self._next_patient = first_patient + patients
        self.members += np.bincount(np.flatnonzero(belongs) % GROUPS, minlength=GROUPS)
        self._add_times(chunk)
        for place, alike in self._alike:
            self._add_cycles(alike, self._in_item[place], chunk)
        factors_then = factors(chunk.moments.when, self.rate_of_costs)
        for item in self.rules.items:
            if isinstance(item, PerEvent):
                self._add_events(item, chunk, factors_then)
        for decrement in self.rules.decrements:
            self._add_losses(decrement, chunk)

    def _add_times(self, chunk: _Chunk) -> None:
        """Months in which each rule held, by what rules hold together: each stay is looked at once."""
        entered, left = chunk.timed.entered, chunk.timed.left
        profiles = len(self._in_health[0])
        first = chunk.home + chunk.home // GROUPS * (GROUPS * (profiles - 1))  # of the patient, in the first profile
        key = first[chunk.timed.who] + chunk.timed.profile * GROUPS
        room, nothing = np.empty(GROUPS), np.empty(0)

        def summed(months: Floats, cut: Floats, until: float) -> Floats:
            sums = np.zeros((chunk.blocks, profiles, GROUPS))
            add_months(months, cut, entered, left, until, key, sums.reshape(-1))
            return sums

        spans = {rate: Spans(entered, left, rate) for rate in (0.0, self.rate_of_effects)}
        spans[self.rate_of_costs] = chunk.costs
        for kind, rate in ((PLAIN, 0.0), (DISCOUNTED, self.rate_of_costs)):
            by_profile = summed(spans[rate].months, nothing, self.horizon_months)
            for item, holds in zip(self.rules.items, self._in_item, strict=True):
                if isinstance(item, PerMonth):
                    add_profiles(by_profile, holds, room, self.used[item.name][kind])
        for kind, rate in ((PLAIN, 0.0), (DISCOUNTED, self.rate_of_effects)):
            for k, until in enumerate(self.until_months):
                whole, cut = spans[rate], spans[rate].across(until)
                lived = summed(whole.months, cut.months, until)
                aged = summed(whole.aged_months, cut.aged_months, until) if self.aged else None
                for health, holds in zip(self.rules.health, self._in_health, strict=True):
                    add_profiles(lived, holds, room, self.lived[health.name][kind, k])
                    if aged is not None:
                        add_profiles(aged, holds, room, self.aged[health.name][kind, k])

    def _add_cycles(self, items: Sequence[PerCycle], holds: Bools, chunk: _Chunk) -> None:
        """Items that are counted alike: counted once."""
        item = items[0]
        named = ("interval_months", "after_months", "until_months", "most")
        interval, after, until, most = (self._numbers[item.name, what] for what in named)
        interval = min(interval, 2.0 * self.horizon_months)  # beyond the horizon is as good as never
        size = len(chunk.timed.who)
        at, begin, count = np.empty(size, np.int64), np.empty(size), np.empty(size)
        n = spans_of(chunk.timed, holds, item.each_entry, after, until, interval, most, at, begin, count)
        at, begin, count = at[:n], begin[:n], count[:n]
        at_begin = chunk.costs.factors[at] if after == 0.0 else factors(begin, self.rate_of_costs)
        discounted = cycles_from(at_begin, interval, count, self.rate_of_costs)
        self._use([one.name for one in items], chunk, chunk.timed.who[at], count, discounted)

    def _add_events(self, item: PerEvent, chunk: _Chunk, factors_then: Floats) -> None:
        by_block = np.zeros((2, chunk.blocks, GROUPS))
        most, plain, discounted = self._numbers[item.name, "most"], by_block[PLAIN], by_block[DISCOUNTED]
        add_events(
            chunk.moments,
            factors_then,
            *self._ends[item.name],
            self._holds[item.name],
            most,
            chunk.home,
            plain.reshape(-1),
            discounted.reshape(-1),
        )
        for kind in (PLAIN, DISCOUNTED):
            add_blocks(by_block[kind], self.used[item.name][kind])

    def _add_losses(self, decrement: Decrement, chunk: _Chunk) -> None:
        rows = np.empty(len(chunk.moments.who), np.int64)
        rows = rows[: rows_of(chunk.moments, *self._ends_of_losses[decrement.name], rows)]
        who, when = chunk.moments.who[rows], chunk.moments.when[rows]
        over = np.minimum(when + self._numbers[decrement.name, "months"], chunk.end[who])
        for kind, rate in ((PLAIN, 0.0), (DISCOUNTED, self.rate_of_effects)):
            spans = Spans(when, over, rate)
            for k, until in enumerate(self.until_months):
                lost = np.where(over <= until, spans.months, 0.0)
                lost[spans.within(until)] = spans.across(until).months
                add_blocks(chunk.by_group(who, lost), self.lost[decrement.name][kind, k])

    def _use(self, names: Sequence[str], chunk: _Chunk, who: Integers, plain: Floats, discounted: Floats) -> None:
        for kind, values in ((PLAIN, plain), (DISCOUNTED, discounted)):
            by_group = chunk.by_group(who, values)
            for name in names:
                add_blocks(by_group, self.used[name][kind])

    def _profiles(self) -> tuple[Integers, list[Bools], list[Bools]]:
        """Code -> profile; for each item, and for each health state, in which profiles (P,) it holds."""
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
        in_item = [np.ascontiguousarray(column) for column in holds[first].T]
        return profile, in_item, [health[first] == place for place in range(len(self.rules.health))]


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
        self.bits = np.array([list(shown).index(name) for name in self.shown], np.int64)
        self.sets = 1 << len(self.shown)
        self.codes = len(self.states) * self.sets
        self.staying = np.zeros((len(self.states), len(self.exits) + 1), np.bool_)
        for state, exit in staying:
            self.staying[self.states.index(state), self.exits.index(exit)] = True

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
    """The stays of consecutive patients, numbered from 0, of whom those count who `belong`."""

    def __init__(
        self,
        stays: Stays,
        first_patient: int,
        belong: Bools,
        horizon_months: float,
        asked: Asked,
        rate_of_costs: float,
    ) -> None:
        size, patients = len(stays), np.arange(len(belong))
        rows = Rows(*(np.ascontiguousarray(getattr(stays, one.name)) for one in fields(Stays)))
        timed, moments = room_for_timed(size), room_for_moments(size + len(belong))
        self.end = np.zeros(len(belong))
        first = np.uint64(first_patient)
        self.trouble, n, m = lay_out(rows, first, horizon_months, belong, asked, timed, moments, self.end)
        self.timed, self.moments = timed.first(n), moments.first(m)
        self.costs = Spans(self.timed.entered, self.timed.left, rate_of_costs)
        self.blocks = math.ceil(len(belong) / BLOCK)
        self.home = patients // BLOCK * GROUPS + patients % GROUPS
        """Of each patient: his place in sums (blocks, 100)."""

    def by_group(self, who: Integers, values: Floats) -> Floats:
        """Sums (blocks, 100) of values of patients by group."""
        sums = np.zeros((self.blocks, GROUPS))
        add_values(who, values, self.home, sums.reshape(-1))
        return sums


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
