"""Which roads of a pathway are open: what can happen to somebody at all, at some values of its parameters.

A drug that nobody stops, a scan that nobody has: their exits would be looked at in vain for every patient.  What is
said here changes no stay; it says what the kernel need not look at.

Attributes are followed from the start through all exits that may be taken.  Those that hold one value wherever they are
set close the exits that want another, and those may have been all that would have changed a further one: constants and
reachability found together, as by M. N. Wegman and F. K. Zadeck, ACM Transactions on Programming Languages and Systems
13 (1991) 181-210, doi:10.1145/103135.103136.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from hcc_sim.pathway.model import (
    ALWAYS,
    BACK,
    COMPARISONS,
    REST,
    Action,
    Add,
    Amount,
    Arm,
    Bernoulli,
    Branch,
    Condition,
    Delay,
    Hazard,
    Mark,
    Ordered,
    Pathway,
    Service,
    State,
    Test,
    TimedExit,
    Value,
    Visit,
    condition,
    names_in,
)

TELLING = (0.0, 1.0, math.inf)
"""Values by which parameters close roads: shares, rates and coefficients of 0, ratios of 1, what happens `never`."""

NEVER = Condition(())


@dataclass(frozen=True)
class Closing:
    """What may close roads: parameters with a telling value, laws by which nothing happens, attributes given from
    outside, which may hold anything.
    """

    values: frozenset[tuple[str, float]]
    laws: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()


class Roads:
    """The roads that are open.  `constant` holds the attributes that never change, with their value."""

    def __init__(self, pathway: Pathway, closing: Closing) -> None:
        self._pathway = pathway
        self._values = dict(closing.values)
        self._laws = closing.laws
        values = pathway.attributes.items()
        starts = {name: at for name, value in values if (at := self._at_start(value)) is not None}
        self.constant = {name: at for name, at in starts.items() if name not in closing.given}
        before = -1
        while before != len(self.constant):
            before = len(self.constant)
            self.reached = self._walk()

    def is_open(self, part: TimedExit | Arm) -> bool:
        """Whether somebody may take an exit or an arm (of those who reach it)."""
        match part:
            case Hazard():
                laws = (part.law,) if isinstance(part.law, str) else part.law
                happens = not self._laws.issuperset(laws)
            case Delay():
                happens = self._known(part.duration_months) != math.inf
            case Service():
                happens = self._known(part.wait_months) != math.inf
            case Visit():
                # An alarm is drawn even where it has no date, and the next one elsewhere would be another.
                if part.probability is None:
                    happens = any(self._known(interval) != math.inf for _, interval in part.schedule.pieces())
                else:
                    happens = self._known(part.probability) != 0.0
            case Arm():
                happens = self._known(part.weight) != 0.0
        return happens and self.may_hold(part)

    def parts(self, state: State) -> Iterator[TimedExit | Arm]:
        """The open exits of a state, or the open arms of its branch.

        Where no arm takes the rest, all stay: the kernel says whose weights are all 0.
        """
        return self._parts(state) if state.name in self.reached else iter(())

    def _parts(self, state: State) -> Iterator[TimedExit | Arm]:
        for exit in self._pathway.exits_of(state):
            if not isinstance(exit, Branch):
                if self.is_open(exit):
                    yield exit
            elif any(arm.weight == REST and condition(arm.when) == ALWAYS for arm in exit.arms):
                yield from filter(self.is_open, exit.arms)
            else:
                yield from filter(self.may_hold, exit.arms)

    def matters(self, action: Action) -> bool:
        """Whether an action may change anything for somebody."""
        return (isinstance(action, Mark) or action.attribute not in self.constant) and self.may_hold(action)

    def may_hold(self, part: TimedExit | Arm | Action) -> bool:
        """Whether the condition of an exit, an arm or an action may hold for somebody."""
        return bool(self.left_of(condition(part.when)).clauses)

    def left_of(self, given: Condition) -> Condition:
        """What of a condition must still be asked; `NEVER` if it cannot hold."""
        clauses = []
        for clause in given.clauses:
            answers = [(test, self._passes(test)) for test in clause]
            if all(answer is not False for _, answer in answers):
                clauses.append(tuple(test for test, answer in answers if answer is None))
        if () in clauses:
            return ALWAYS
        return Condition(tuple(clauses))

    def counts(self, attribute: str | None, amount: Amount, none: float = 0.0) -> bool:
        """Whether attribute x amount may be other than 0; `none` is the amount that stands for 0."""
        return self._known(amount) != none and (attribute is None or self.constant.get(attribute) != 0.0)

    def parameters(self) -> frozenset[str]:
        """The parameters that some stay may depend on."""
        found = set(names_in(self._trimmed(self._pathway.at_start)))
        for value in self._pathway.attributes.values():
            found.update(names_in(value, is_amount=True))
        for state in self._pathway.states:
            if state.name in self.reached:
                found.update(names_in(self._trimmed(state.on_arrival)))
            for part in self.parts(state):
                found.update(names_in(self._asked(part)))
                if isinstance(part, Hazard):
                    laws = (part.law,) if isinstance(part.law, str) else part.law
                    found.update(chain.from_iterable(names_in(self._pathway.laws[law]) for law in laws))
        return frozenset(found)

    def _asked(self, part: TimedExit | Arm) -> TimedExit | Arm:
        """An exit or arm without what concerns nobody."""
        part = replace(part, when=self.left_of(condition(part.when)), does=self._trimmed(part.does))
        if isinstance(part, Arm):
            return replace(part, shifted_by=self._varying(part.shifted_by))
        if isinstance(part, Hazard):
            return replace(
                part,
                scaled_by=self._varying(part.scaled_by),
                hazard_ratios=self._varying(part.hazard_ratios),
                accelerated_by=self._varying(part.accelerated_by),
            )
        return part

    def _trimmed(self, actions: Iterable[Action]) -> tuple[Action, ...]:
        return tuple(filter(self.matters, actions))

    def _varying(self, terms: Mapping[Any, Amount]) -> dict[Any, Amount]:
        return {name: amount for name, amount in terms.items() if self.constant.get(name) != 0.0}

    def _walk(self) -> frozenset[str]:
        """The states that somebody may reach; attributes that change on the way are no longer constant."""
        reached: set[str] = set()
        waiting = [self._pathway.start]
        self._change(self._pathway.at_start)
        while waiting:
            if (name := waiting.pop()) in reached:
                continue
            reached.add(name)
            state = self._pathway.state(name)
            self._change(state.on_arrival)
            for part in self._parts(state):
                self._change(part.does)
                if part.to is not None and part.to != BACK:
                    waiting.append(part.to)
        return frozenset(reached)

    def _change(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Mark) or action.attribute not in self.constant or not self.may_hold(action):
                continue
            value = None if isinstance(action.value, Ordered | Bernoulli) else self._at_start(action.value)
            stays = 0.0 if isinstance(action, Add) else self.constant[action.attribute]
            if value != stays:
                del self.constant[action.attribute]

    def _at_start(self, value: Value) -> float | None:
        """The one value that something can have, None if it may have several."""
        match value:
            case int() | float() | str():
                return self._known(value)
            case Bernoulli():
                share = self._known(value.probability)
                return share if share in (0.0, 1.0) else None
            case Ordered():
                return value.lowest if value.onward and self._known(value.onward[0]) == 0.0 else None
            case _:
                return None

    def _known(self, amount: Amount) -> float | None:
        return self._values.get(amount) if isinstance(amount, str) else float(amount)

    def _passes(self, test: Test) -> bool | None:
        """None if patients differ."""
        fact, than = self.constant.get(test.attribute), self._known(test.than)
        if than is None:
            return None
        if fact is None:
            return False if (test.comparison, than) in ((">", math.inf), ("<", -math.inf)) else None
        return COMPARISONS[test.comparison](fact, than)
