"""Turn a pathway and the values of its parameters into the words that the kernel reads (see `tables`).

Every name becomes a place, every condition a range of tests: the form, which is the same for all values but for which
laws are equal.  It is kept, and filled with numbers for each set of values.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain, repeat
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcc_sim import laws
from hcc_sim.engine import tables as t
from hcc_sim.engine.form import Blank, Check, Form, Values, log_of, product_of, wrong_normal, wrong_uniform
from hcc_sim.engine.roads import TELLING, Closing, Roads
from hcc_sim.luck import name_key
from hcc_sim.pathway.checks import problems_of_values
from hcc_sim.pathway.model import (
    ALWAYS,
    BACK,
    ENTRY,
    REST,
    Action,
    Add,
    Amount,
    Arm,
    Bernoulli,
    Branch,
    Condition,
    Count,
    Delay,
    Draw,
    Hazard,
    Law,
    Linear,
    Mark,
    Normal,
    Ordered,
    Pathway,
    PathwayError,
    Schedule,
    Service,
    Set,
    State,
    TimedExit,
    TimeSince,
    Uniform,
    Value,
    Visit,
    condition,
    names_in,
    number,
)

COMPARISONS = {"==": t.EQUAL, "!=": t.UNEQUAL, "<": t.BELOW, "<=": t.AT_MOST, ">": t.ABOVE, ">=": t.AT_LEAST}

Row = list[int | float | Blank]
"""One row of words; its floats become reals, its integers stay."""

Range = tuple[int, int]


@dataclass(frozen=True)
class Program:
    """A pathway compiled with the values of its parameters.

    `words` is what the kernel reads, `newborn` a life before it begins.
    """

    pathway: Pathway
    values: Values
    words: NDArray[np.int64]
    newborn: NDArray[np.float64]
    laws: laws.LawTable
    state_names: tuple[str, ...]
    exit_names: tuple[str, ...]
    attribute_names: tuple[str, ...]

    def fingerprint(self) -> bytes:
        """Equal for programs of one pathway under which every patient has the same stays."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.words, self.newborn, *self.laws):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.digest()


def compile_pathway(pathway: Pathway, values: Values, given: Iterable[str] = ()) -> Program:
    """The pathway with its parameters' values filled in.

    Args:
        pathway: the states and exits.
        values: parameter name -> value (durations in months); more than are used do no harm.
        given: attributes that patients bring with them; they may hold anything at the start.

    Raises:
        PathwayError: a parameter has no value, weights do not sum, a law or a schedule refuses its numbers ...
    """
    problems = problems_of_values(pathway, values)
    if problems:
        raise PathwayError(pathway.title, problems)
    law_list, positions = _laws_with(pathway, values)
    table = laws.tabulate(law_list)
    form = _form_of(pathway, positions, _closing(pathway, values, table, positions, given))
    problems = [problem for check in form.checks if (problem := check(values))]
    if problems:
        raise PathwayError(pathway.title, problems)
    return Program(
        pathway,
        MappingProxyType(dict(values)),
        form.filled(values),
        form.newborn,
        table,
        form.state_names,
        form.exit_names,
        form.attribute_names,
    )


def _laws_with(pathway: Pathway, values: Values) -> tuple[list[laws.Law], tuple[int, ...]]:
    """The laws that differ, and the position among them of each law of the pathway.

    Laws of equal value share a position, so that the kernel compares laws by position.
    """
    found: list[laws.Law] = []
    positions, problems = [], []
    for name, given in pathway.laws.items():
        try:
            law = given.build(values) if isinstance(given, Law) else given
        except (TypeError, ValueError) as error:  # TypeError: an argument that the constructor does not have
            problems.append(f"law {name!r}: {error}")
            continue
        if law not in found:
            found.append(law)
        positions.append(found.index(law))
    if problems:
        raise PathwayError(pathway.title, problems)
    return found, tuple(positions)


def parameters_in_use(pathway: Pathway, values: Values, varying: Collection[str]) -> frozenset[str]:
    """The parameters on which stays may depend.

    Args:
        pathway: the states and exits.
        values: as for `compile_pathway`.
        varying: parameters that may have any value; the others have that of `values`.
    """
    law_list, positions = _laws_with(pathway, values)
    closing = _closing(pathway, values, laws.tabulate(law_list), positions, ())
    return _in_use(
        pathway,
        replace(
            closing,
            values=frozenset((name, value) for name, value in closing.values if name not in varying),
            laws=frozenset(law for law in closing.laws if not set(names_in(pathway.laws[law])).intersection(varying)),
        ),
    )


@lru_cache(maxsize=256)
def _in_use(pathway: Pathway, closing: Closing) -> frozenset[str]:
    return Roads(pathway, closing).parameters()


def _closing(
    pathway: Pathway, values: Values, table: laws.LawTable, positions: Sequence[int], given: Iterable[str]
) -> Closing:
    telling = frozenset((name, value) for name in pathway.parameters() if (value := float(values[name])) in TELLING)
    never = table.never()
    of_laws = frozenset(name for name, position in zip(pathway.laws, positions, strict=True) if never[position])
    return Closing(telling, of_laws, frozenset(given))


@lru_cache(maxsize=256)
def _form_of(pathway: Pathway, law_positions: tuple[int, ...], closing: Closing) -> Form:
    return _Compiler(pathway, law_positions, Roads(pathway, closing)).form()


class _Compiler:
    """One compilation: rows are appended to `words` behind the rows that they refer to; states have places reserved."""

    def __init__(self, pathway: Pathway, law_positions: tuple[int, ...], roads: Roads) -> None:
        self.pathway = pathway
        self.roads = roads
        self.law_position = dict(zip(pathway.laws, law_positions, strict=True))
        self.checks: list[Check] = []
        self.state_place = {s.name: t.HEADER + i * t.STATE for i, s in enumerate(pathway.states)}
        self.words: Row = [0] * (t.HEADER + t.STATE * len(pathway.states))
        parts = (p for s in pathway.states for e in pathway.exits_of(s) for p in _parts(e))
        self.exit_names = tuple(dict.fromkeys(part.name for part in parts))
        self.schedule_place: dict[Schedule, int] = {}
        self.first_piece: dict[Schedule, int] = {}
        self.hazards = {s.name: [e for e in roads.parts(s) if isinstance(e, Hazard)] for s in pathway.states}
        self.ways = ways_on(pathway)
        self.lasting = lasting_events(pathway)
        self.most_columns = 1
        self._lay_out_life()
        self._place_events()
        self._place_schedules()

    def _lay_out_life(self) -> None:
        alarms = (e.name for s in self.pathway.states for e in self.pathway.exits_of(s) if isinstance(e, Visit))
        drawn = [a.attribute for a in self._all_actions() if isinstance(a, Set | Add) and isinstance(a.value, Draw)]
        events = self.pathway.events()
        size = t.LIFE
        places: list[dict[str, int]] = []
        for names, width in (
            (self.pathway.attributes, 1),
            (dict.fromkeys(drawn), 1),
            ([epoch.name for epoch in self.pathway.epochs], 1),
            ([branch.name for branch in self.pathway.branches()], 1),
            ([event for event in events if event in self.lasting], t.BUDGET),
            ([event for event in events if event not in self.lasting], t.STRIKES + 1),
            (dict.fromkeys(alarms), t.ALARM_ROW),
        ):
            places.append({name: size + i * width for i, name in enumerate(names)})
            size += width * len(places[-1])
        self.attribute, self.draws, self.epoch, self.taken, lasting, passing, self.alarm = places
        self.budget = lasting | passing
        self.life_size = size

    def _all_actions(self) -> Iterable[Action]:
        """Of attributes, the start, arrivals, exits and arms."""
        yield from (Set(name, value) for name, value in self.pathway.attributes.items())
        yield from self.pathway.at_start
        for state in self.pathway.states:
            yield from state.on_arrival
            yield from (action for exit in self.pathway.exits_of(state) for p in _parts(exit) for action in p.does)

    def _place_events(self) -> None:
        """A row for each event: what it is, and the laws that its exits may give it."""
        counted = {a.value.of for a in self._all_actions() if isinstance(a, Set | Add) and isinstance(a.value, Count)}
        self.event_place: dict[str, int] = {}
        exits_of: dict[str, list[Hazard]] = {event: [] for event in self.budget}
        for exit in chain.from_iterable(self.hazards.values()):
            exits_of[exit.event].append(exit)
        for position, (event, place) in enumerate(self.budget.items()):
            lasts = event in self.lasting
            flags: Row = [int(lasts), int(lasts or event in counted)]  # the luck of a lasting event counts its strikes
            exits = exits_of[event]
            flags += int(any(map(self._scales, exits))), int(any(e.accelerated_by for e in exits))
            laws_range = self._append(
                [[law] for law in dict.fromkeys(self.law_position[n] for e in exits for n in _laws(e))]
            )
            row: Row = [position, place, name_key(f"event:{event}"), *flags, *laws_range]
            self.event_place[event], _ = self._append([row])

    def form(self) -> Form:
        """The words of the whole pathway, with their blanks."""
        attributes = tuple(Set(name, value) for name, value in self.pathway.attributes.items())
        born = [self._action(action, "at the start") for action in attributes]
        at_start = [
            (self._action(action, "at the start"), self.roads.matters(action)) for action in self.pathway.at_start
        ]
        first, last = self._append([*born, *(row for row, matters in at_start if matters)])
        for state in self.pathway.states:
            place = self.state_place[state.name]
            self.words[place : place + t.STATE] = self._state(state)
        most_arms = max((len(branch.arms) for branch in self.pathway.branches()), default=0)
        self.words[: t.HEADER] = [
            self.state_place[self.pathway.start],
            first,
            first + t.ACTION * len(attributes),
            last,
            len(self.state_place),
            most_arms,
            self.most_columns,
            len(self.event_place),
            *self._append([[self.attribute[name]] for name in self.pathway.shown]),
        ]
        newborn = np.zeros(self.life_size)
        newborn[[t.ENTERED, *self.attribute.values(), *self.epoch.values()]] = np.nan
        for event in self.lasting:
            newborn[self.budget[event] + t.REMAINING], newborn[self.budget[event] + t.LAW] = t.UNDRAWN, t.RESTS
        blanks = [(place, word) for place, word in enumerate(self.words) if isinstance(word, Blank)]
        named = {place: blank.name for place, blank in blanks if blank.of is None}
        return Form(
            _as_words([0.0 if isinstance(word, Blank) else word for word in self.words]),
            np.array(list(named), dtype=np.int64),
            tuple(named.values()),
            tuple((place, blank.of) for place, blank in blanks if blank.of is not None),
            self.first_piece,
            tuple(self.checks),
            newborn,
            tuple(self.state_place),
            self.exit_names,
            tuple(self.attribute),
        )

    def _append(self, rows: Sequence[Row]) -> Range:
        """Put rows behind each other; their range."""
        first = len(self.words)
        for row in rows:
            self.words += row
        return first, len(self.words)

    # --- numbers ------------------------------------------------------------------------------------------------------

    def _number(self, amount: Amount) -> float | Blank:
        return Blank(amount) if isinstance(amount, str) else float(amount)

    def _checked(
        self, amount: Amount, holds: Callable[[float], bool], problem: Callable[[float], str]
    ) -> float | Blank:
        """A number of which something must hold."""

        def check(values: Values) -> str:
            value = number(amount, values)
            return "" if holds(value) else problem(value)

        if isinstance(amount, str) or check({}):  # numbers that hold need not be asked again
            self.checks.append(check)
        return self._number(amount)

    # --- states and exits ---------------------------------------------------------------------------------------------

    def _state(self, state: State) -> Row:
        where = f"state {state.name!r}"
        columns = _Columns()
        row: Row = [0] * t.STATE
        row[t.S_NAME] = list(self.state_place).index(state.name)
        row[t.S_ARRIVAL], row[t.S_ARRIVAL_END] = self._actions(state.on_arrival, where)
        if state.final:
            row[t.S_KIND] = t.FINAL
        elif state.branch is not None:
            row[t.S_KIND], row[t.S_TAKEN] = t.BRANCH, self.taken[state.branch.name]
            row[t.S_KEY] = name_key(f"branch:{state.branch.name}")
            row[t.S_FIRST], row[t.S_LAST] = self._append(self._rows(state, self._arm, columns, "arm"))
        else:
            row[t.S_KIND] = t.TIMED
            row[t.S_FIRST], row[t.S_LAST] = self._append(self._rows(state, partial(self._exit, state), columns, "exit"))
            row[t.S_RESTS], row[t.S_RESTS_END] = self._append([[self.event_place[e]] for e in self._may_rest(state)])
        row[t.S_READS], row[t.S_READS_END] = self._reads(columns)
        return row

    def _rows(
        self, state: State, row_of: Callable[[Any, _Columns, str], Row], columns: _Columns, kind: str
    ) -> list[Row]:
        """Rows of the open exits or arms; the numbers of closed ones are checked too."""
        is_open = set(map(id, self.roads.parts(state)))
        rows = []
        for part in chain.from_iterable(map(_parts, self.pathway.exits_of(state))):
            row = row_of(
                part, columns if id(part) in is_open else _Columns(), f"state {state.name!r}, {kind} {part.name!r}"
            )
            if id(part) in is_open:
                rows.append(row)
        return rows

    def _reads(self, columns: _Columns) -> Range:
        self.most_columns = max(self.most_columns, len(columns))
        return self._append([[place] for place in columns])

    def _may_rest(self, state: State) -> list[str]:
        """The lasting events of those who come here that may rest here: any but those that all here are at risk of."""
        always = {exit.event for exit in self.hazards[state.name] if self.roads.left_of(condition(exit.when)) == ALWAYS}
        before = {e.event: None for name, ways in self.ways.items() if state.name in ways for e in self.hazards[name]}
        return [event for event in before if event in self.lasting and event not in always]

    def _arm(self, arm: Arm, columns: _Columns, where: str) -> Row:
        row: Row = [0] * t.ARM
        row[t.A_NAME] = self.exit_names.index(arm.name)
        row[t.A_TO] = t.NONE if arm.to == BACK else self.state_place[arm.to]
        row[t.A_WHEN], row[t.A_WHEN_END] = self._condition(condition(arm.when), columns)
        self._coefficients(arm.shifted_by, where)
        row[t.A_SHIFT], row[t.A_SHIFT_END] = self._append(self._terms(arm.shifted_by, columns))
        row[t.A_DOES], row[t.A_DOES_END] = self._actions(arm.does, where)
        row[t.A_WEIGHT] = np.nan if arm.weight == REST else self._number(arm.weight)
        return row

    def _scales(self, exit: Hazard) -> bool:
        """Whether patients differ in the hazard ratio of an exit, or there is one for all."""
        scaled = any(self.roads.counts(name, amount) for name, amount in exit.scaled_by.items())
        return scaled or any(self.roads.counts(name, amount, none=1.0) for name, amount in exit.hazard_ratios.items())

    def _exit(self, state: State, exit: TimedExit, columns: _Columns, where: str) -> Row:
        row: Row = [0] * t.EXIT
        row[t.X_NAME] = self.exit_names.index(exit.name)
        row[t.X_TO] = self.state_place[state.name if exit.to is None else exit.to]
        row[t.X_IN_PLACE], row[t.X_RESTARTS] = int(exit.in_place), int(exit.restarts)
        row[t.X_WHEN], row[t.X_WHEN_END] = self._condition(condition(exit.when), columns)
        row[t.X_DOES], row[t.X_DOES_END] = self._actions(exit.does, where)
        row[t.X_DURATION] = row[t.X_PROBABILITY] = np.nan
        match exit:
            case Hazard():
                self._hazard(row, exit, columns, where)
            case Delay():
                row[t.X_KIND], row[t.X_CLOCK] = t.DELAY, columns.of(self._clock(exit.since))
                row[t.X_DURATION] = self._duration(exit.duration_months, where)
            case Service():
                row[t.X_KIND], row[t.X_CLOCK] = t.DELAY, columns.of(self._clock(ENTRY))
                row[t.X_DURATION] = self._duration(exit.wait_months, where)
            case Visit():
                row[t.X_KIND], row[t.X_CLOCK] = t.VISIT, columns.of(self._clock(exit.schedule.since))
                row[t.X_SCHEDULE] = self.schedule_place[exit.schedule]
                if exit.probability is not None:
                    row[t.X_KIND], row[t.X_ALARM] = t.ALARM, self.alarm[exit.name]
                    row[t.X_KEY] = name_key(f"visit:{exit.name}")
                    row[t.X_PROBABILITY] = self._probability(exit.probability, where)
        return row

    def _hazard(self, row: Row, exit: Hazard, columns: _Columns, where: str) -> None:
        row[t.X_KIND], row[t.X_CLOCK] = t.HAZARD, columns.of(self._clock(exit.since))
        row[t.X_EVENT] = self.event_place[exit.event]
        row[t.X_LAW], row[t.X_LAW_END] = self._append([[self.law_position[name]] for name in _laws(exit)])
        row[t.X_LAW_BY] = t.NONE if exit.law_by is None else columns.of(self.attribute[exit.law_by])
        self._coefficients({**exit.scaled_by, **exit.accelerated_by}, where)
        scale = self._terms(exit.scaled_by, columns)
        for attribute, amount in exit.hazard_ratios.items():
            told = partial("{}: the hazard ratio {!r} is {}, and must be above 0 and finite".format, where, amount)
            self._checked(amount, lambda ratio: 0.0 < ratio < np.inf, told)
            if self.roads.counts(attribute, amount, none=1.0):
                column = t.NONE if attribute is None else columns.of(self.attribute[attribute])
                scale.append([column, Blank(of=partial(log_of, amount))])
        row[t.X_SCALE], row[t.X_SCALE_END] = self._append(scale)
        row[t.X_SPEED], row[t.X_SPEED_END] = self._append(self._terms(exit.accelerated_by, columns))

    def _duration(self, amount: Amount, where: str) -> float | Blank:
        told = partial("{}: the duration is {} months, and must be at least 0".format, where)
        return self._checked(amount, lambda months: months >= 0.0, told)

    def _probability(self, amount: Amount, where: str) -> float | Blank:
        told = partial("{}: the probability is {}, and must be between 0 and 1".format, where)
        return self._checked(amount, lambda probability: 0.0 <= probability <= 1.0, told)

    def _clock(self, name: str) -> int:
        return t.ENTERED if name == ENTRY else self.epoch[name]

    # --- conditions, terms, actions, schedules ------------------------------------------------------------------------

    def _condition(self, given: Condition, columns: _Columns) -> Range:
        left = self.roads.left_of(given)
        if left == ALWAYS:
            return t.NONE, t.NONE
        clauses: list[Row] = []
        for clause in left.clauses:
            tests: list[Row] = [
                [
                    columns.of(self.attribute[test.attribute]),
                    COMPARISONS[test.comparison],
                    self._number(test.than),
                ]
                for test in clause
            ]
            clauses.append([*self._append(tests)])
        return self._append(clauses)

    def _terms(self, given: Mapping[str, Amount], columns: _Columns | None = None) -> list[Row]:
        given = {name: amount for name, amount in given.items() if self.roads.counts(name, amount)}
        places = {name: self.attribute[name] for name in given}
        if columns is not None:
            places = {name: columns.of(place) for name, place in places.items()}
        return [[places[name], self._number(amount)] for name, amount in given.items()]

    def _coefficients(self, given: Mapping[str, Amount], where: str) -> None:
        """Check those that roads leave out, too."""
        for name, amount in given.items():
            told = partial("{}: the coefficient of {!r} is {}, and must be finite".format, where, name)
            self._checked(amount, math.isfinite, told)

    def _actions(self, given: Iterable[Action], where: str) -> Range:
        rows = [(self._action(action, where), self.roads.matters(action)) for action in given]
        return self._append([row for row, matters in rows if matters])

    def _action(self, action: Action, where: str) -> Row:
        row: Row = [0] * t.ACTION
        columns = _Columns()
        row[t.C_WHEN], row[t.C_WHEN_END] = self._condition(condition(action.when), columns)
        row[t.C_READS], row[t.C_READS_END] = self._reads(columns)
        if isinstance(action, Mark):
            first = any(epoch.first for epoch in self.pathway.epochs if epoch.name == action.epoch)
            row[t.C_KIND], row[t.C_TARGET] = t.MARK_FIRST if first else t.MARK, self.epoch[action.epoch]
            self._value(row, action.shift, where)
        else:
            row[t.C_KIND] = t.SET if isinstance(action, Set) else t.ADD
            row[t.C_TARGET] = self.attribute[action.attribute]
            row[t.C_KEY] = name_key(f"attribute:{action.attribute}")
            row[t.C_DRAWS] = self.draws.get(action.attribute, t.NONE)
            self._value(row, action.value, where)
        return row

    def _value(self, row: Row, value: Value, where: str) -> None:
        row[t.C_A] = row[t.C_B] = row[t.C_LOW] = row[t.C_HIGH] = 0.0
        match value:
            case Normal():
                row[t.C_VALUE] = t.NORMAL
                row[t.C_A : t.C_HIGH + 1] = map(self._number, (value.mean, value.sd, value.low, value.high))
                self.checks.append(partial(wrong_normal, value, where))
            case Uniform():
                row[t.C_VALUE] = t.UNIFORM
                row[t.C_A], row[t.C_B] = self._number(value.low), self._number(value.high)
                self.checks.append(partial(wrong_uniform, value, where))
            case Bernoulli():
                row[t.C_VALUE], row[t.C_A] = t.BERNOULLI, self._probability(value.probability, where)
            case Ordered():
                row[t.C_VALUE], row[t.C_A] = t.ORDERED, float(value.lowest)
                self._coefficients(value.shifted_by, where)
                row[t.C_TERMS], row[t.C_TERMS_END] = self._append(self._terms(value.shifted_by))
                for share in value.onward:
                    self._probability(share, where)
                beyond = [Blank(of=partial(product_of, value.onward[: n + 1])) for n in range(len(value.onward))]
                row[t.C_BEYOND], row[t.C_BEYOND_END] = self._append([[blank] for blank in beyond])
            case Count():
                event = value.of in self.budget
                row[t.C_VALUE] = t.COUNT
                row[t.C_REFERENCE] = self.budget[value.of] + t.STRIKES if event else self.taken[value.of]
            case TimeSince():
                row[t.C_VALUE] = t.TIME_SINCE if value.exceeds is None else t.TIME_EXCEEDS
                row[t.C_REFERENCE] = self._clock(value.clock)
                row[t.C_A] = 0.0 if value.exceeds is None else self._number(value.exceeds)
            case Linear():
                self._coefficients(value.terms, where)
                row[t.C_VALUE], row[t.C_A] = t.LINEAR, self._number(value.constant)
                row[t.C_TERMS], row[t.C_TERMS_END] = self._append(self._terms(value.terms))
            case _:
                row[t.C_VALUE], row[t.C_A] = t.PLAIN, self._number(value)

    def _place_schedules(self) -> None:
        """Every schedule with room for its pieces, which its timetable fills."""
        exits = (exit for state in self.pathway.states for exit in self.pathway.exits_of(state))
        for schedule in dict.fromkeys(exit.schedule for exit in exits if isinstance(exit, Visit)):
            first, last = self._append([[0.0] * t.PIECE for _ in schedule.pieces()])
            self.first_piece[schedule] = first
            row: Row = [name_key(f"visit:{schedule.name}"), first, last, self._number(schedule.scatter)]
            self.schedule_place[schedule], _ = self._append([row])


class _Columns(dict[int, int]):
    """Places of a life, numbered in the order in which they are first asked for; the first is the time now."""

    def __init__(self) -> None:
        super().__init__({t.NOW: 0})

    def of(self, place: int) -> int:
        return self.setdefault(place, len(self))


@lru_cache(maxsize=64)
def hazards_of(pathway: Pathway) -> Mapping[str, Sequence[Hazard]]:
    """By state, its exits that are hazards."""
    return {s.name: [e for e in pathway.exits_of(s) if isinstance(e, Hazard)] for s in pathway.states}


@lru_cache(maxsize=64)
def lasting_events(pathway: Pathway) -> frozenset[str]:
    """The events whose budget must be kept from stay to stay.

    An event that is an exit of one state only, in which no patient stays twice, is drawn and spent within one stay.
    """
    states_of: dict[str, list[str]] = {}
    for state, exits in hazards_of(pathway).items():
        for exit in exits:
            states_of.setdefault(exit.event, []).append(state)
    ways = ways_on(pathway)
    return frozenset(
        event for event, states in states_of.items() if len(states) > 1 or _may_stay_again(states[0], ways)
    )


def _may_stay_again(state: str, ways: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    waiting = [state]
    while waiting:
        new = ways[waiting.pop()] - seen
        seen |= new
        waiting += new
    return state in seen


@lru_cache(maxsize=64)
def ways_on(pathway: Pathway) -> Mapping[str, set[str]]:
    """By state, the states with timed exits in which its patients may stay next, through branches; `back` is itself."""
    ways = {}
    for state in pathway.states:
        ways[state.name], waiting, seen = set[str](), [state], set[str]()
        while waiting:
            for exit in pathway.exits_of(waiting.pop()):
                for part in _parts(exit):
                    name = state.name if part.to is None or part.to == BACK else part.to
                    to = pathway.state(name)
                    if to.branch is None:
                        ways[state.name].add(name)
                    elif name not in seen:
                        seen.add(name)
                        waiting.append(to)
    return ways


def _laws(exit: Hazard) -> tuple[str, ...]:
    return (exit.law,) if isinstance(exit.law, str) else exit.law


def _parts(exit: TimedExit | Branch) -> tuple[TimedExit | Arm, ...]:
    return exit.arms if isinstance(exit, Branch) else (exit,)


def _as_words(row: Row) -> NDArray[np.int64]:
    """Integers as they are, floats by their bits."""
    reals = np.array(row, dtype=np.float64)
    whole = np.frombuffer(bytes(map(isinstance, row, repeat(int))), np.bool_)
    words = reals.view(np.int64)
    words[whole] = reals[whole].astype(np.int64)  # places and keys are far below 2^53, so none has been rounded
    return words
