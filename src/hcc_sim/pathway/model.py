"""What a pathway is: states and their exits, as data that can be drawn, checked and read aloud.

Nothing here draws luck or advances time; `engine` does. Numbers are given outright or by the name of a parameter,
so that one pathway serves every strategy. Durations are in months (1 month = 365.25/12 days).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from hcc_sim import laws

Amount = float | str
"""A number, or the name of the parameter that holds it."""

ENTRY = "entry"
"""The clock that counts from entry into the state."""

REST = "rest"
"""The weight of a branch's arm that takes what the other arms leave over."""

BACK = "back"
"""The target of an arm that leads back to the state the patient came from, without a new entry."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


# --- conditions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Test:
    """One comparison of an attribute with a number."""

    attribute: str
    comparison: str
    than: Amount

    def opposite(self) -> Test:
        """The test that holds exactly where this one fails."""
        return Test(self.attribute, _OPPOSITE[self.comparison], self.than)

    def __str__(self) -> str:
        if self.than == 0 and self.comparison in ("!=", "=="):
            return self.attribute if self.comparison == "!=" else f"not {self.attribute}"
        return f"{self.attribute} {self.comparison} {self.than}"


@dataclass(frozen=True)
class Condition:
    """What must be true of the patient's attributes: any of the clauses, each of which is a set of tests that all hold.

    Combine with `&`, `|` and `~`.  `name` is what a reader is shown.
    """

    clauses: tuple[tuple[Test, ...], ...]
    name: str | None = None

    def __and__(self, other: Condition) -> Condition:
        return Condition(tuple(a + b for a in self.clauses for b in other.clauses))

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.clauses + other.clauses)

    def __invert__(self) -> Condition:
        name = None if self.name is None else f"not {self.name}"
        return Condition(tuple(tuple(t.opposite() for t in choice) for choice in product(*self.clauses)), name)

    def named(self, name: str) -> Condition:
        """The same condition under a name of its own."""
        return Condition(self.clauses, name)

    def __str__(self) -> str:
        if self.name is not None:
            return self.name
        return " or ".join(" and ".join(map(str, clause)) for clause in self.clauses)


ALWAYS = Condition(((),), "always")


def when(attribute: str, comparison: str = "!=", than: Amount = 0.0) -> Condition:
    """The condition that `attribute` compares with `than`; by default that it is not zero.

    Raises:
        ValueError: the comparison is none of == != < <= > >=.
    """
    if comparison not in COMPARISONS:
        raise ValueError(f"comparison {comparison!r} is none of {' '.join(COMPARISONS)}")
    return Condition(((Test(attribute, comparison, than),),))


# --- values an attribute can be given ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Normal:
    """A draw from a normal distribution, kept between `low` and `high` by truncation."""

    mean: Amount
    sd: Amount
    low: Amount = float("-inf")
    high: Amount = float("inf")


@dataclass(frozen=True)
class Uniform:
    """A draw from a uniform distribution between `low` and `high`."""

    low: Amount
    high: Amount


@dataclass(frozen=True)
class Bernoulli:
    """1 with the given probability, else 0."""

    probability: Amount


@dataclass(frozen=True)
class Ordered:
    """A draw of a grade: `lowest`, or a higher one.

    `onward` is the share of patients above the lowest grade; of those, the share above the next; and so on.  Products
    of them are the shares above each grade, whose log odds are all shifted by coefficient x attribute: proportional
    odds (P. McCullagh, Journal of the Royal Statistical Society B 42 (1980) 109-142,
    doi:10.1111/j.2517-6161.1980.tb01109.x).
    """

    onward: tuple[Amount, ...]
    shifted_by: Mapping[str, Amount] = field(default_factory=dict)
    lowest: float = 0.0


@dataclass(frozen=True)
class Count:
    """How often an event has struck, or a branch has been taken, so far."""

    of: str


@dataclass(frozen=True)
class TimeSince:
    """Months since an epoch, or since `entry` into the last timed state; with `exceeds`, 1 if that is more, else 0."""

    clock: str
    exceeds: Amount | None = None


@dataclass(frozen=True)
class Linear:
    """A linear combination of attributes with named coefficients: constant + sum of coefficient x attribute."""

    terms: Mapping[str, Amount]
    constant: Amount = 0.0


Draw = Normal | Uniform | Bernoulli | Ordered
Value = float | int | str | Draw | Count | TimeSince | Linear


# --- what happens on an exit or on arrival ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """Start an epoch now, or `shift` months from now (an age makes the epoch 'birth' lie in the past)."""

    epoch: str
    shift: Value = 0.0
    when: Condition | str | None = None


@dataclass(frozen=True)
class Set:
    """Give an attribute a value."""

    attribute: str
    value: Value
    when: Condition | str | None = None


@dataclass(frozen=True)
class Add:
    """Add a value to an attribute."""

    attribute: str
    value: Value
    when: Condition | str | None = None


Action = Mark | Set | Add


# --- exits ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Law:
    """A time-to-event law whose numbers are parameters: a constructor of `hcc_sim.laws` and its arguments by name.

    `cured_share`, if given, is the share to whom the event never happens.
    """

    make: Any
    amounts: Mapping[str, Amount]
    cured_share: Amount | None = None

    def build(self, values: Mapping[str, float]) -> laws.Law:
        """The law with the numbers filled in.

        Raises:
            KeyError: a parameter has no value.
            ValueError: the law refuses its numbers.
        """
        law = self.make(**{name: number(amount, values) for name, amount in self.amounts.items()})
        return law if self.cured_share is None else laws.CuredShare(law, number(self.cured_share, values))

    def __str__(self) -> str:
        return getattr(self.make, "__qualname__", str(self.make))


@dataclass(frozen=True)
class Hazard:
    """An event with a law, spent from one budget of luck in whatever states it stands.

    The log hazard ratio is the sum of `scaled_by` (attribute -> log hazard ratio per unit), of the logarithms of
    `hazard_ratios` (attribute -> hazard ratio per unit, None -> always) ; `accelerated_by` (attribute -> log time scale
    per unit) reads the law at a multiple of the time.  `law` names one of the pathway's laws, or several of them
    between which the attribute `law_by` chooses (0, 1, 2 ...).
    """

    event: str
    law: str | tuple[str, ...]
    to: str | None = None
    since: str = ENTRY
    when: Condition | str | None = None
    scaled_by: Mapping[str, Amount] = field(default_factory=dict)
    hazard_ratios: Mapping[str | None, Amount] = field(default_factory=dict)
    accelerated_by: Mapping[str, Amount] = field(default_factory=dict)
    law_by: str | None = None
    in_place: bool = False
    restarts: bool = False
    does: tuple[Action, ...] = ()

    @property
    def name(self) -> str:
        """What the stay that it ends is ended by."""
        return self.event


@dataclass(frozen=True)
class Delay:
    """A fixed time after entry or after an epoch; one whose date has passed fires at once, one of `never` does not."""

    duration_months: Amount
    to: str | None = None
    since: str = ENTRY
    when: Condition | str | None = None
    name: str = ""
    in_place: bool = False
    restarts: bool = False
    does: tuple[Action, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", str(self.duration_months))


@dataclass(frozen=True)
class Schedule:
    """Dates c + (k + scatter (U_k - 1/2)) interval, k = 1, 2, ..., from the clock's origin c.

    `interval_months` is one interval, or a tuple of (until_months, interval_months) through which k counts on; the
    last one goes on for ever.
    """

    name: str
    interval_months: Amount | tuple[tuple[Amount, Amount], ...]
    since: str = ENTRY
    scatter: Amount = 0.0

    def pieces(self) -> tuple[tuple[Amount, Amount], ...]:
        """The schedule as (until_months, interval_months) pairs, also where it is one interval."""
        if isinstance(self.interval_months, tuple):
            return self.interval_months
        return ((float("inf"), self.interval_months),)

    def timetable(self, values: Mapping[str, float]) -> list[Piece]:
        """The pieces with their numbers filled in: what a piece holds is fixed by those before it."""
        pieces: list[Piece] = []
        begins, before = 0.0, 0
        for until_amount, interval_amount in self.pieces():
            until, interval = number(until_amount, values), number(interval_amount, values)
            if until == float("inf") or interval == float("inf"):
                ends, visits = until, 0  # a pause holds none; the last piece is not counted
            else:
                visits = max(0, int((until - begins) / interval + 1e-9))
                ends = begins + visits * interval
            pieces.append(Piece(before, begins, ends, interval))
            begins, before = ends, before + visits
        return pieces


@dataclass(frozen=True)
class Piece:
    """Part of a schedule: visits before it, where it begins and ends (months from the origin), and its interval."""

    visits_before: int
    begins_months: float
    ends_months: float
    interval_months: float


@dataclass(frozen=True)
class Visit:
    """The next date of a schedule; with `probability`, only the dates drawn with that chance (a false alarm)."""

    name: str
    schedule: Schedule
    to: str | None = None
    when: Condition | str | None = None
    probability: Amount | None = None
    in_place: bool = False
    restarts: bool = False
    does: tuple[Action, ...] = ()


@dataclass(frozen=True)
class Service:
    """A fixed wait from entry, plus queueing where capacity is simulated and short."""

    name: str
    wait_months: Amount
    to: str | None = None
    when: Condition | str | None = None
    does: tuple[Action, ...] = ()
    in_place: bool = field(default=False, init=False)
    restarts: bool = field(default=False, init=False)


@dataclass(frozen=True)
class Arm:
    """One way out of a branch: taken with weight x exp(shift), renormalised over the arms whose condition holds."""

    to: str
    weight: Amount = REST
    name: str = ""
    when: Condition | str | None = None
    shifted_by: Mapping[str, Amount] = field(default_factory=dict)
    does: tuple[Action, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.to)


@dataclass(frozen=True)
class Branch:
    """A choice made at once."""

    name: str
    arms: tuple[Arm, ...]


TimedExit = Hazard | Delay | Visit | Service
Exit = TimedExit | Branch


@dataclass(frozen=True)
class State:
    """A place on the pathway.  It holds timed exits, or one branch, or is `final`."""

    name: str
    exits: tuple[Exit, ...] = ()
    on_arrival: tuple[Action, ...] = ()
    final: bool = False

    @property
    def branch(self) -> Branch | None:
        """The branch that is this state's only exit, if it has one."""
        return self.exits[0] if self.exits and isinstance(self.exits[0], Branch) else None


@dataclass(frozen=True)
class Epoch:
    """A named moment in a patient's life; its latest occurrence counts unless `first` is kept."""

    name: str
    first: bool = False


@dataclass(frozen=True, eq=False)
class Pathway:
    """The states, and what is true of everybody.

    It is equal to itself alone, so that what follows from its states is found once (`functools.cache`).

    Args:
        title: what a reader is shown.
        start: the state in which a patient starts.
        states: all of them, in the order in which a reader should meet them.
        laws: the laws by name.
        attributes: attribute -> the value with which it starts, evaluated in this order.
        epochs: the named moments; those that no patient has at the start are marked on the way.
        at_start: what happens before the first state is entered (after the attributes have their values).
        everywhere: exits that every state with timed exits has too, after its own.
        shown: attributes of which each stay shows whether they were not zero during it; 16 at most.

    Raises:
        PathwayError: everything that is wrong with it, at once.
    """

    title: str
    start: str
    states: tuple[State, ...]
    laws: Mapping[str, Law | laws.Law] = field(default_factory=dict)
    attributes: Mapping[str, Value] = field(default_factory=dict)
    epochs: tuple[Epoch, ...] = ()
    at_start: tuple[Action, ...] = ()
    everywhere: tuple[TimedExit, ...] = ()
    shown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        from hcc_sim.pathway.checks import problems_of  # the checks read the finished pathway

        problems = problems_of(self)
        if problems:
            raise PathwayError(self.title, problems)

    def state(self, name: str) -> State:
        """The state of that name.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, State]:
        return {state.name: state for state in self.states}

    def exits_of(self, state: State) -> tuple[Exit, ...]:
        """The state's exits in the order that breaks ties: its own, then those that hold everywhere."""
        if state.final or state.branch is not None:
            return state.exits
        return state.exits + self.everywhere

    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that the pathway uses, sorted."""
        return self._parameters

    @cached_property
    def _parameters(self) -> tuple[str, ...]:
        return tuple(sorted(set(names_in(self))))

    def uses(self) -> dict[str, tuple[str, ...]]:
        """Parameter -> what uses it, in order: exits and arms by name, `attribute ...` at the start, `arrival in ...`.

        A law's parameters are those of every exit with that law.
        """
        found: dict[str, dict[str, None]] = {}

        def note(where: str, *things: object) -> None:
            for thing in things:
                for name in names_in(thing, True):
                    found.setdefault(name, {})[where] = None

        for attribute, value in self.attributes.items():
            note(f"attribute {attribute}", value)
        for state in self.states:
            note(f"arrival in {state.name}", state.on_arrival)
            for exit in self.exits_of(state):
                for part in exit.arms if isinstance(exit, Branch) else (exit,):
                    note(part.name, part)
                    if isinstance(part, Hazard):
                        laws = (part.law,) if isinstance(part.law, str) else part.law
                        note(part.name, *(self.laws[law] for law in laws))
        note("start", self.at_start)
        return {name: tuple(found[name]) for name in sorted(found)}

    def events(self) -> tuple[str, ...]:
        """The events, in order of appearance."""
        exits = (e for s in self.states for e in self.exits_of(s) if isinstance(e, Hazard))
        return tuple(dict.fromkeys(e.event for e in exits))

    def staying(self) -> frozenset[tuple[str, str]]:
        """State and exit of the stays after which nobody enters anew: exits in place, and arms that lead back."""
        return self._staying

    @cached_property
    def _staying(self) -> frozenset[tuple[str, str]]:
        exits = ((state.name, exit) for state in self.states for exit in self.exits_of(state))
        parts = ((name, part) for name, exit in exits for part in (exit.arms if isinstance(exit, Branch) else (exit,)))
        return frozenset(
            (name, part.name) for name, part in parts if (part.to == BACK if isinstance(part, Arm) else part.in_place)
        )

    def branches(self) -> tuple[Branch, ...]:
        """The branches, in order of appearance."""
        return self._branches

    @cached_property
    def _branches(self) -> tuple[Branch, ...]:
        return tuple(s.branch for s in self.states if s.branch is not None)


class PathwayError(ValueError):
    """A pathway that cannot be meant: everything that is wrong with it."""

    def __init__(self, title: str, problems: Iterable[str]) -> None:
        self.title = title
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{title}: {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[type[PathwayError], tuple[str, tuple[str, ...]]]:
        """So that it can be told from another process."""
        return PathwayError, (self.title, self.problems)


def number(amount: Amount, values: Mapping[str, float]) -> float:
    """The number behind an amount.

    Raises:
        KeyError: it names a parameter that has no value.
    """
    return float(values[amount]) if isinstance(amount, str) else float(amount)


def condition(given: Condition | str | None) -> Condition:
    """A condition from what an exit carries: an attribute's name means that it is not zero, None means always."""
    if given is None:
        return ALWAYS
    return when(given) if isinstance(given, str) else given


def names_in(thing: object, is_amount: bool = False) -> Iterable[str]:
    """Every parameter named anywhere in a pathway: found by the type of the field that holds it."""
    match thing:
        case str():
            if is_amount and thing != REST:
                yield thing
        case Pathway():
            for part in (thing.states, thing.everywhere, thing.at_start):
                yield from names_in(part)
            for law in thing.laws.values():
                yield from names_in(law)
            for value in thing.attributes.values():
                yield from names_in(value, True)
        case State():
            yield from names_in(thing.exits)
            yield from names_in(thing.on_arrival)
        case Law():
            yield from _amounts(thing.amounts.values(), thing.cured_share)
        case Hazard():
            yield from _amounts(thing.scaled_by.values(), thing.hazard_ratios.values(), thing.accelerated_by.values())
            yield from names_in(thing.does)
            yield from names_in(thing.when)
        case Delay():
            yield from _amounts(thing.duration_months)
            yield from names_in(thing.does)
            yield from names_in(thing.when)
        case Visit():
            yield from _amounts(thing.probability, thing.schedule.scatter, *thing.schedule.pieces())
            yield from names_in(thing.does)
            yield from names_in(thing.when)
        case Service():
            yield from _amounts(thing.wait_months)
            yield from names_in(thing.does)
            yield from names_in(thing.when)
        case Branch():
            yield from names_in(thing.arms)
        case Arm():
            yield from _amounts(thing.weight, thing.shifted_by.values())
            yield from names_in(thing.does)
            yield from names_in(thing.when)
        case Mark():
            yield from names_in(thing.shift, True)
            yield from names_in(thing.when)
        case Set() | Add():
            yield from names_in(thing.value, True)
            yield from names_in(thing.when)
        case Normal():
            yield from _amounts(thing.mean, thing.sd, thing.low, thing.high)
        case Uniform():
            yield from _amounts(thing.low, thing.high)
        case Bernoulli():
            yield from _amounts(thing.probability)
        case Ordered():
            yield from _amounts(thing.onward, thing.shifted_by.values())
        case TimeSince():
            yield from _amounts(thing.exceeds)
        case Linear():
            yield from _amounts(thing.terms.values(), thing.constant)
        case Condition():
            yield from _amounts(test.than for clause in thing.clauses for test in clause)
        case tuple():
            for part in thing:
                yield from names_in(part)


def _amounts(*given: Any) -> Iterable[str]:
    for amount in given:
        if isinstance(amount, str):
            yield from names_in(amount, True)
        elif isinstance(amount, Iterable):
            yield from _amounts(*amount)
