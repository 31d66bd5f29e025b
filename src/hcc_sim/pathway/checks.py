"""What can be wrong with a pathway before any number is known, and what can be once they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

from hcc_sim.luck import name_keys
from hcc_sim.pathway.model import (
    BACK,
    COMPARISONS,
    ENTRY,
    REST,
    Action,
    Add,
    Amount,
    Arm,
    Branch,
    Condition,
    Count,
    Delay,
    Draw,
    Exit,
    Hazard,
    Linear,
    Mark,
    Ordered,
    Pathway,
    Piece,
    Schedule,
    Service,
    Set,
    State,
    Test,
    TimeSince,
    Visit,
    condition,
    number,
)

WEIGHT_TOLERANCE = 1e-9

MOST_SHOWN = 16
"""Attributes that stays can show: bits of a word."""


def problems_of(pathway: Pathway) -> list[str]:
    """Everything that is wrong with the structure of a pathway, whatever its numbers; empty if nothing is."""
    problems = list(_names(pathway))
    if problems:  # what follows looks names up
        return problems
    problems += _reach(pathway)
    problems += _clocks(pathway)
    problems += _weights(pathway)
    problems += _luck(pathway)
    problems += timeless_cycles(pathway)
    return problems


def problems_of_values(pathway: Pathway, values: Mapping[str, float]) -> list[str]:
    """What is wrong with a pathway once its parameters have values; empty if nothing is."""
    missing = [name for name in pathway.parameters() if name not in values]
    if missing:
        return [f"parameter {name!r} is used but has no value" for name in missing]
    problems: list[str] = []
    fixed = _fixed(pathway)
    for branch in fixed.branches:
        problems += _weights_of(branch, values)
    for schedule in fixed.schedules:
        problems += _schedule(schedule, values)
    problems += (
        f"parameter {name!r}, with which a condition compares, is not a number"  # it would fail without a word
        for name in fixed.thresholds
        if values[name] != values[name]
    )
    at_once = frozenset(where for where, wait in fixed.waits.items() if number(wait, values) == 0.0)
    return problems + list(timeless_cycles(pathway, at_once))


class _Fixed(NamedTuple):
    """What is looked at whatever the values: branches whose weights are parameters, schedules, parameters that
    conditions compare with, fixed waits."""

    branches: tuple[Branch, ...]
    schedules: tuple[Schedule, ...]
    thresholds: tuple[str, ...]
    waits: Mapping[tuple[str, str], Amount]


@lru_cache(maxsize=64)
def _fixed(pathway: Pathway) -> _Fixed:
    exits = [(state.name, exit) for state in pathway.states for exit in pathway.exits_of(state)]
    parts = (part for _, exit in exits for part in (exit.arms if isinstance(exit, Branch) else (exit,)))
    asked = [*parts, *_actions(pathway, pathway.states)]
    tests = (test for part in asked for clause in condition(part.when).clauses for test in clause)
    waits = {(name, exit.name): exit.duration_months for name, exit in exits if isinstance(exit, Delay)}
    waits |= {(name, exit.name): exit.wait_months for name, exit in exits if isinstance(exit, Service)}
    return _Fixed(
        tuple(branch for branch in pathway.branches() if _weighs_by_parameters(branch)),
        tuple(dict.fromkeys(_schedules(pathway))),
        tuple(dict.fromkeys(test.than for test in tests if isinstance(test.than, str))),
        waits,
    )


# --- names ------------------------------------------------------------------------------------------------------------


def _names(pathway: Pathway) -> Iterator[str]:
    names = [state.name for state in pathway.states]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield f"state {name!r} is declared {names.count(name)} times"
    if BACK in names:
        yield f"a state may not be called {BACK!r}"
    if pathway.start not in names:
        yield f"start {pathway.start!r} is not a state"
    elif pathway.state(pathway.start).final:
        yield f"start {pathway.start!r} is final: nothing would happen"
    epochs = [epoch.name for epoch in pathway.epochs]
    for name in sorted({e for e in epochs if epochs.count(e) > 1}):
        yield f"epoch {name!r} is declared {epochs.count(name)} times"
    if ENTRY in epochs:
        yield f"an epoch may not be called {ENTRY!r}"
    for name in dict.fromkeys(pathway.shown):
        if name not in pathway.attributes:
            yield f"stays are to show {name!r}, which is no attribute"
    if len(pathway.shown) > MOST_SHOWN or len(set(pathway.shown)) < len(pathway.shown):
        yield f"stays are to show {len(pathway.shown)} attributes: {MOST_SHOWN} at most, each once"
    for law_name in pathway.laws:
        if not law_name:
            yield "a law has an empty name"
    yield from _undeclared(pathway, "at the start", pathway.at_start)
    earlier: set[str] = set()
    for name, value in pathway.attributes.items():
        yield from _undeclared(pathway, f"attribute {name!r}", [Set(name, value)])
        read = value.terms if isinstance(value, Linear) else value.shifted_by if isinstance(value, Ordered) else ()
        for other in read:
            if other in pathway.attributes and other not in earlier:
                yield f"attribute {name!r} reads {other!r}, which has no value yet: declare that one before it"
        earlier.add(name)
    for state in pathway.states:
        yield from _names_of_state(pathway, state, set(names))
    schedules: dict[str, Schedule] = {}
    for schedule in _schedules(pathway):
        if schedules.setdefault(schedule.name, schedule) != schedule:
            yield f"schedule {schedule.name!r} is declared twice with different dates"
    for schedule in schedules.values():
        if not schedule.pieces():
            yield f"schedule {schedule.name!r} has no pieces: it needs an interval"
    for state, visit in _visits(pathway):
        if visit.probability is not None and visit.name in schedules:
            yield f"{state.name}: visit {visit.name!r} needs a name other than its schedule's, for its own luck"


def _names_of_state(pathway: Pathway, state: State, names: set[str]) -> Iterator[str]:
    where = f"state {state.name!r}"
    yield from _undeclared(pathway, where, state.on_arrival)
    if state.final:
        if state.exits or state.on_arrival:
            yield f"{where} is final but has exits or does something on arrival"
        return
    exits = pathway.exits_of(state)
    branches = [exit for exit in exits if isinstance(exit, Branch)]
    if branches and len(exits) > 1:
        yield f"{where} has a branch beside other exits: a branch is taken at once, so it must be the only one"
        return
    if branches:
        yield from _names_of_branch(pathway, where, branches[0], names)
        return
    events = [exit.event for exit in exits if isinstance(exit, Hazard)]
    for event in sorted({e for e in events if events.count(e) > 1}):
        yield f"{where} names the event {event!r} {events.count(event)} times"
    alarms = [exit.name for exit in exits if isinstance(exit, Visit)]
    for name in sorted({a for a in alarms if alarms.count(a) > 1}):
        yield f"{where} names the visit {name!r} {alarms.count(name)} times"
    for exit in exits:
        yield from _names_of_exit(pathway, f"{where}, exit {exit.name!r}", exit, names)


def _names_of_branch(pathway: Pathway, where: str, branch: Branch, names: set[str]) -> Iterator[str]:
    if not branch.arms:
        yield f"{where}: branch {branch.name!r} has no arms"
    for arm in branch.arms:
        here = f"{where}, arm {arm.name!r}"
        if arm.to not in names and arm.to != BACK:
            yield f"{here} leads to {arm.to!r}, which is not a state"
        yield from _unknown_attributes(pathway, here, arm.shifted_by)
        yield from _unknown_attributes(pathway, here, _read_by(condition(arm.when)))
        yield from _undeclared(pathway, here, arm.does)


def _names_of_exit(pathway: Pathway, where: str, exit: Exit, names: set[str]) -> Iterator[str]:
    assert not isinstance(exit, Branch)
    if exit.in_place and exit.to is not None:
        yield f"{where} is in place and leads to {exit.to!r}: it can be only one of them"
    elif exit.restarts and not exit.in_place:
        yield f"{where} restarts the stay but is not in place"
    elif not exit.in_place and exit.to not in names:
        yield f"{where} leads to {exit.to!r}, which is not a state"
    yield from _unknown_attributes(pathway, where, _read_by(condition(exit.when)))
    yield from _undeclared(pathway, where, exit.does)
    epochs = {epoch.name for epoch in pathway.epochs} | {ENTRY}
    for clock in _clocks_of(exit):
        if clock not in epochs:
            yield f"{where} counts from {clock!r}, which is neither 'entry' nor a declared epoch"
    if isinstance(exit, Hazard):
        for law in (exit.law,) if isinstance(exit.law, str) else exit.law:
            if law not in pathway.laws:
                yield f"{where} uses the law {law!r}, which is not declared"
        if not exit.law:
            yield f"{where} names no law"
        if isinstance(exit.law, tuple) != (exit.law_by is not None):
            yield f"{where} needs both several laws and `law_by`, or neither"
        read = chain(exit.scaled_by, exit.hazard_ratios, exit.accelerated_by, [exit.law_by])
        yield from _unknown_attributes(pathway, where, (a for a in read if a is not None))


def _undeclared(pathway: Pathway, where: str, actions: Iterable[Action]) -> Iterator[str]:
    epochs = {epoch.name for epoch in pathway.epochs}
    counted = set(pathway.events()) | {branch.name for branch in pathway.branches()}
    for action in actions:
        yield from _unknown_attributes(pathway, where, _read_by(condition(action.when)))
        value = action.shift if isinstance(action, Mark) else action.value
        if isinstance(action, Mark):
            if action.epoch not in epochs:
                yield f"{where} marks the epoch {action.epoch!r}, which is not declared"
            if isinstance(action.shift, Draw):
                yield f"{where} shifts the epoch {action.epoch!r} by a draw; draw an attribute first"
        else:
            yield from _unknown_attributes(pathway, where, [action.attribute])
        if isinstance(value, Linear):
            yield from _unknown_attributes(pathway, where, value.terms)
        if isinstance(value, Ordered):
            yield from _unknown_attributes(pathway, where, value.shifted_by)
        if isinstance(value, Count) and value.of not in counted:
            yield f"{where} counts {value.of!r}, which is neither an event nor a branch"
        if isinstance(value, TimeSince) and value.clock not in epochs | {ENTRY}:
            yield f"{where} reads the clock {value.clock!r}, which is neither 'entry' nor a declared epoch"


def _unknown_attributes(pathway: Pathway, where: str, read: Iterable[str]) -> Iterator[str]:
    for name in read:
        if name not in pathway.attributes:
            yield f"{where} uses the attribute {name!r}, which is not declared"


def _read_by(given: Condition) -> Iterator[str]:
    return (test.attribute for clause in given.clauses for test in clause)


# --- reach, clocks, weights, luck -------------------------------------------------------------------------------------


def _targets(pathway: Pathway, state: State) -> Iterator[str]:
    """Where a state leads, `BACK` included, itself left out."""
    for exit in pathway.exits_of(state):
        if isinstance(exit, Branch):
            yield from (arm.to for arm in exit.arms)
        elif exit.to is not None:
            yield exit.to


def _reached(pathway: Pathway) -> list[State]:
    reached, waiting = {pathway.start}, [pathway.start]
    while waiting:
        for target in _targets(pathway, pathway.state(waiting.pop())):
            if target != BACK and target not in reached:
                reached.add(target)
                waiting.append(target)
    return [state for state in pathway.states if state.name in reached]


def _reach(pathway: Pathway) -> Iterator[str]:
    reached = _reached(pathway)
    for state in pathway.states:
        if state not in reached:
            yield f"state {state.name!r} cannot be reached from {pathway.start!r}"
        elif not state.final and not any(target != state.name for target in _targets(pathway, state)):
            yield f"state {state.name!r} cannot be left and is not final"
    chain_from_start, waiting = {pathway.start}, [pathway.start]
    while waiting:
        state = pathway.state(waiting.pop())
        if state.branch is None:
            continue
        for arm in state.branch.arms:
            if arm.to == BACK:
                yield f"state {state.name!r}: arm {arm.name!r} leads back, but a patient can come here before any stay"
            elif arm.to not in chain_from_start:
                chain_from_start.add(arm.to)
                waiting.append(arm.to)


def _actions(pathway: Pathway, states: Iterable[State]) -> Iterator[Action]:
    yield from pathway.at_start
    for state in states:
        yield from state.on_arrival
        for exit in pathway.exits_of(state):
            for part in exit.arms if isinstance(exit, Branch) else (exit,):
                yield from part.does


def _clocks(pathway: Pathway) -> Iterator[str]:
    reached = _reached(pathway)
    marked = {action.epoch for action in _actions(pathway, reached) if isinstance(action, Mark)}
    for state in reached:
        for exit in pathway.exits_of(state):
            for clock in _clocks_of(exit):
                if clock != ENTRY and clock not in marked:
                    yield f"state {state.name!r}, exit {exit.name!r}: the clock {clock!r} is never started"


def _clocks_of(exit: Exit) -> tuple[str, ...]:
    match exit:
        case Hazard() | Delay():
            return (exit.since,)
        case Visit():
            return (exit.schedule.since,)
    return ()


def _weights(pathway: Pathway) -> Iterator[str]:
    for branch in pathway.branches():
        if sum(arm.weight == REST for arm in branch.arms) > 1:
            yield f"branch {branch.name!r} has more than one arm of weight 'rest'"
        if not _weighs_by_parameters(branch):
            yield from _weights_of(branch, {})


def _weighs_by_parameters(branch: Branch) -> bool:
    return any(isinstance(arm.weight, str) and arm.weight != REST for arm in branch.arms)


def _weights_of(branch: Branch, values: Mapping[str, float]) -> Iterator[str]:
    where = f"branch {branch.name!r}"
    always = 0.0
    given_that: dict[Condition, float] = {}
    for arm in branch.arms:
        if arm.weight == REST:
            continue
        weight = number(arm.weight, values)
        if not 0.0 <= weight < float("inf"):
            yield f"{where}: arm {arm.name!r} has the weight {weight}, which is no weight"
            return
        if arm.when is None:
            always += weight
        else:
            given_that[condition(arm.when)] = given_that.get(condition(arm.when), 0.0) + weight
    for when, given in ((None, 0.0), *given_that.items()):
        if always + given > 1.0 + WEIGHT_TOLERANCE:
            only = "" if when is None else f" where {when}"
            yield f"{where}: the weights sum to {always + given:.6g}{only}, which is more than 1"
            return
    rest = any(arm.weight == REST for arm in branch.arms)
    if always < 1.0 - WEIGHT_TOLERANCE and not rest and not given_that:
        yield f"{where}: the weights sum to {always:.6g} instead of 1 and no arm takes the rest"


def _schedules(pathway: Pathway) -> Iterator[Schedule]:
    return (visit.schedule for _, visit in _visits(pathway))


def _visits(pathway: Pathway) -> Iterator[tuple[State, Visit]]:
    for state in pathway.states:
        for exit in pathway.exits_of(state):
            if isinstance(exit, Visit):
                yield state, exit


def _schedule(schedule: Schedule, values: Mapping[str, float]) -> Iterator[str]:
    where = f"schedule {schedule.name!r}"
    scatter = number(schedule.scatter, values)
    if not 0.0 <= scatter < 1.0:
        yield f"{where}: the scatter is {scatter}, and must be at least 0 and below 1"
        return
    pieces = [(number(until, values), number(interval, values)) for until, interval in schedule.pieces()]
    untils = [until for until, _ in pieces]
    rising = all(before < after for before, after in pairwise([0.0, *untils]))  # false where one is NaN
    if not rising or untils[-1] != float("inf"):
        yield f"{where}: the pieces must end later and later, the last one never (inf); they end at {untils}"
        return
    for _, interval in pieces:
        if not interval > 0:
            yield f"{where}: the interval is {interval} months, and must be above 0"
            return
    held = [piece for piece in schedule.timetable(values) if _holds_visits(piece)]
    for before, after in pairwise(held):
        # the last date of a piece may be late by scatter/2 of its interval, the next one early by as much of its own
        latest = before.ends_months + scatter * before.interval_months / 2
        if latest >= after.begins_months + after.interval_months * (1 - scatter / 2):
            turn = f"{before.interval_months:g} turns to {after.interval_months:g} months"
            yield f"{where}: with scatter {scatter}, dates may overtake each other where {turn}"


def _holds_visits(piece: Piece) -> bool:
    return piece.interval_months < float("inf") and piece.ends_months > piece.begins_months


def _luck(pathway: Pathway) -> Iterator[str]:
    names = [f"event:{name}" for name in pathway.events()]
    names += [f"branch:{branch.name}" for branch in pathway.branches()]
    names += [f"attribute:{name}" for name in pathway.attributes]
    for _, visit in _visits(pathway):
        names += [f"visit:{visit.schedule.name}", f"visit:{visit.name}"]
    branches = [branch.name for branch in pathway.branches()]
    for name in sorted({b for b in branches if branches.count(b) > 1}):
        yield f"branch {name!r} stands in {branches.count(name)} states: they would share their luck"
    try:
        name_keys(dict.fromkeys(names))
    except ValueError as collision:
        yield str(collision)


# --- cycles that take no time -----------------------------------------------------------------------------------------

Known = frozenset[tuple[str, float]]
Spot = tuple[str, str, bool, Known]
"""Where a road is: state, state to go back to, whether its entry lies in the past, attributes known."""


@lru_cache(maxsize=64)
def timeless_cycles(pathway: Pathway, at_once: frozenset[tuple[str, str]] = frozenset()) -> tuple[str, ...]:
    """Roads on which a patient could go round without time passing.

    A delay from an epoch counts as timeless, since its date may have passed; so do the exits `at_once` (state, exit).
    So does a delay from entry once the patient has come back, or stayed in place, without a new entry (`stale`).
    Attributes set to plain numbers on the road are known, so an exit whose condition they forbid is not taken.
    """
    found: dict[str, None] = {}
    done: set[Spot] = set()

    def walk(state: State, origin: str, stale: bool, known: Known, road: tuple[Spot, ...]) -> None:
        here = (state.name, origin, stale, known)
        if here in road:
            names = [spot[0] for spot in road[road.index(here) :]] + [state.name]
            found.setdefault("a cycle that can take no time: " + " -> ".join(names))
            return
        if here in done:
            return
        for exit in _timeless(pathway, state, stale, known, at_once):
            after = _known_after(exit.does, known)
            enters = exit.to is not None and exit.to != BACK
            if not enters and pathway.state(origin).branch is not None:
                continue  # nowhere to go back to: refused elsewhere
            target = pathway.state(exit.to if enters and exit.to is not None else origin)
            if target.final:
                continue
            if enters:
                after = _known_after(target.on_arrival, after)
            new_entry = (enters and target.branch is None) or (not isinstance(exit, Arm) and exit.restarts)
            walk(
                target, target.name if target.branch is None else origin, stale and not new_entry, after, (*road, here)
            )
        done.add(here)

    for state in pathway.states:
        if not state.final and (state.branch is None or state.name == pathway.start):
            walk(state, state.name, True, frozenset(), ())
    return tuple(found)


def _timeless(
    pathway: Pathway, state: State, stale: bool, known: Known, at_once: Collection[tuple[str, str]]
) -> Iterator[Delay | Service | Arm]:
    for exit in pathway.exits_of(state):
        if isinstance(exit, Branch):
            yield from (arm for arm in exit.arms if _may_hold(condition(arm.when), known))
        elif isinstance(exit, Delay | Service) and _may_hold(condition(exit.when), known):
            from_epoch = isinstance(exit, Delay) and exit.since != ENTRY
            if stale or from_epoch or (state.name, exit.name) in at_once:
                yield exit


def _known_after(actions: Iterable[Action], known: Known) -> Known:
    facts = dict(known)
    for action in actions:
        if isinstance(action, Mark) or not _may_hold(condition(action.when), frozenset(facts.items())):
            continue
        sure = action.when is None
        if isinstance(action, Set) and sure and isinstance(action.value, int | float):
            facts[action.attribute] = float(action.value)
        elif isinstance(action, Set | Add):
            facts.pop(action.attribute, None)
    return frozenset(facts.items())


def _may_hold(given: Condition, known: Known) -> bool:
    facts = dict(known)
    return any(all(_may_pass(test, facts) for test in clause) for clause in given.clauses)


def _may_pass(test: Test, facts: Mapping[str, float]) -> bool:
    if test.attribute not in facts or isinstance(test.than, str):
        return True
    return COMPARISONS[test.comparison](facts[test.attribute], test.than)
