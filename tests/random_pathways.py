"""Random pathways, valid by construction as far as that is easy, with the values of their parameters.

Every word of the pathway's vocabulary occurs.  Timeless exits lead forward, or are taken once (they need the attribute
`due` and clear it), so that few pathways are refused.  A few lives stop on purpose: a clock that was never started or
lies ahead, a law that an attribute does not choose, no arm left, too many stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from hcc_sim import laws
from hcc_sim.pathway.checks import problems_of_values
from hcc_sim.pathway.model import (
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
    Epoch,
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
    when,
)

EVENTS = ("A", "B", "C", "D")
READ = ("flag", "kind", "x", "age", "n", "waited", "score", "due")
"""The attributes; `flag`, `due` and `seen` are 0 or 1, `kind` chooses a law, `x` and `score` are small."""
SLOPES = {"flag": 0.7, "kind": -0.3, "x": 0.5, "age": 0.01, "n": -0.02, "waited": 0.003, "score": 0.2, "due": -0.4}
"""A log hazard ratio per unit that keeps every hazard within reason."""


@dataclass(frozen=True)
class Example:
    """A pathway, the values of its parameters, and how far to follow a patient."""

    pathway: Pathway
    values: dict[str, float]
    horizon_months: float
    max_stays: int


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """A random pathway that the checks accept."""
    maker = _Maker(draw)
    try:
        pathway = maker.pathway()
    except PathwayError:
        assume(False)
    assume(not problems_of_values(pathway, maker.values))
    horizon = maker.one_of([60.0, 7.25, 150.0])
    return Example(pathway, maker.values, horizon, maker.one_of([300, 300, 25]))


@dataclass
class _Maker:
    """Makes the parts of one pathway, each by one rule; simple choices come first, so that failures shrink to them."""

    draw: st.DrawFn
    values: dict[str, float] = field(default_factory=dict)
    timed: list[str] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    final: list[str] = field(default_factory=list)
    starts_timed: bool = True
    schedules: list[Schedule] = field(default_factory=list)
    habits: dict[str, Hazard] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)
    named: int = 0

    # --- choices ------------------------------------------------------------------------------------------------------

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def one_of(self, choices: Sequence[Any]) -> Any:
        return choices[self.draw(st.integers(0, len(choices) - 1))]

    def amount(self, *choices: float) -> Amount:
        """A number, outright or as a parameter."""
        number = self.one_of(choices)
        return self.parameter(number) if self.chance(30) else number

    def parameter(self, number: float) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = number
        return name

    def new_name(self, kind: str) -> str:
        self.named += 1
        return f"{kind}{self.named}"

    # --- the whole ----------------------------------------------------------------------------------------------------

    def pathway(self) -> Pathway:
        self.timed = [f"T{i}" for i in range(self.one_of([2, 3, 4, 1]))]
        self.branches = [f"B{i}" for i in range(self.one_of([1, 2, 0, 3]))]
        self.final = [f"F{i}" for i in range(self.one_of([1, 2]))]
        self.starts_timed = not (self.branches and self.chance(15))
        start = self.timed[0] if self.starts_timed else self.branches[0]
        self.counted = [f"branch {name}" for name in self.branches]
        self.schedules = [self.schedule(i) for i in range(3)]
        built_laws = self.laws()
        self.habits = {event: self.habit(event, list(built_laws)) for event in EVENTS}
        leads_to = self.roads(start)
        states = [self.timed_state(name, leads_to[name]) for name in self.timed]
        states += [self.branch_state(name, leads_to[name]) for name in self.branches]
        states += [State(name, final=True) for name in self.final]
        return Pathway(
            title="random",
            start=start,
            states=tuple(states),
            laws=built_laws,
            attributes=self.attributes(),
            epochs=(Epoch("birth"), Epoch("latest"), Epoch("first", first=True), Epoch("found")),
            at_start=self.at_start(),
            everywhere=self.everywhere(),
        )

    def roads(self, start: str) -> dict[str, list[str]]:
        """For each state the targets that it must have, so that every state is reached and none is a trap."""
        others = [s for s in self.draw(st.permutations(self.timed)) if s != start]
        # branches stay in order, for a branch leads to later branches only
        waiting = [*others, *(b for b in self.branches if b != start)]
        reached, roads = [start], {name: [] for name in (*self.timed, *self.branches)}
        for name in waiting:
            roads[self.one_of(reached)].append(name)
            reached.append(name)
        for name in self.final:
            roads[self.one_of(reached)].append(name)
        for targets in roads.values():
            if not targets:
                targets.append(self.one_of(self.final))
        return roads

    def everywhere(self) -> tuple[TimedExit, ...]:
        exits: list[TimedExit] = []
        if self.chance(60):
            exits.append(Hazard("other causes", law="life table", to=self.final[-1], since="birth"))
        if self.chance(20):
            exits.append(Hazard("complaint", law="law0", in_place=True, does=self.actions(timed=True)))
        return tuple(exits)

    # --- the patient --------------------------------------------------------------------------------------------------

    def attributes(self) -> dict[str, Value]:
        return {
            "age": self.one_of([Uniform(30.0, self.amount(70.0, 55.0)), Normal(60.0, 8.0, 40.0, 80.0), 50]),
            "flag": self.one_of([0.0, Bernoulli(self.amount(0.5, 0.2, 1.0, 0.0)), self.parameter(1.0)]),
            "kind": self.one_of([0.0, 1, Bernoulli(0.4)]),  # chooses among two laws: never a higher grade
            "x": self.small_draw(),
            "n": self.one_of([0.0, Count(self.counted[0]) if self.counted else 0.0, self.grade()]),
            "waited": 0.0,
            "score": Linear({"x": self.amount(0.5, -1.0), "flag": 0.25}, self.amount(0.0, -0.25)),
            "due": self.one_of([1.0, Bernoulli(0.5)]),
            "seen": self.one_of([0.0, 1.0]),
        }

    def grade(self) -> Value:
        """A whole number from 0 or 1 on; what shifts it is drawn before."""
        onward = (self.amount(0.8, 0.6), self.amount(0.5, 1.0), self.amount(0.3, 0.0))
        return Ordered(onward, {"x": self.amount(0.7, -1.0), "flag": 0.5}, lowest=self.one_of([0.0, 1]))

    def small_draw(self) -> Value:
        return self.one_of(
            [
                Normal(0.0, self.amount(0.5, 0.2)),
                Normal(self.amount(0.1, -0.2), 0.7, low=self.amount(-1.0, -0.5)),
                Normal(0.0, 0.7, high=1.0),
                Normal(0.2, self.amount(0.6, 1.5), low=-1.0, high=self.amount(1.0, 0.5)),
                Normal(0.3, 0.0),
                Uniform(self.amount(-1.0, 0.0), 1.0),
                self.amount(0.5, -0.5, 0.0),
            ]
        )

    def at_start(self) -> tuple[Action, ...]:
        actions: list[Action] = [Mark("birth", shift=Linear({"age": -12.0}))]
        if not self.chance(4):
            actions.append(Mark("latest", shift=self.one_of([0.0, -3, self.parameter(-1.5)])))
        actions.append(Mark("first", when="flag" if self.chance(8) else None))
        actions.append(Mark("found", shift=-2.0, when="seen"))
        if self.chance(30):
            actions.append(Set("x", self.small_draw(), when=self.maybe_condition(70)))
        return tuple(actions)

    # --- laws ---------------------------------------------------------------------------------------------------------

    def laws(self) -> dict[str, Any]:
        """Four random laws, one of them again under another name, one that depends on age, and one that never fires."""
        made = {f"law{i}": self.law() for i in range(4)}
        shape, rate = self.amount(0.007, 0.0), self.amount(3e-5, 1e-3)
        return {
            **made,
            "law0 again": made["law0"],
            "life table": Law(laws.Gompertz, {"shape_per_month": shape, "rate_per_month": rate}),
            "never": laws.Exponential(0.0),
        }

    def law(self) -> Any:
        pieces = [
            ((0.0, 6.0, 24.0), (0.02, 0.08, 0.01)),
            ((0.0, 3.0, 9.0), (0.1, 0.0, 0.05)),
            ((0.0, 12.0), (0.05, 0.0)),
        ]
        family, amounts = self.one_of(
            [
                (laws.Exponential, {"rate_per_month": self.amount(0.05, 0.02, 0.1, 0.0)}),
                (laws.Weibull, {"shape": self.amount(1.5, 0.8, 1.0), "scale_months": self.amount(15.0, 40.0)}),
                (
                    laws.Gompertz,
                    {"shape_per_month": self.amount(-0.05, 0.03, -0.1, 0.0), "rate_per_month": self.amount(0.05, 0.02)},
                ),
                (laws.LogNormal, {"log_mean": self.amount(2.5, 3.2), "log_sd": self.amount(0.6, 1.2)}),
                (laws.PiecewiseExponential, None),
            ]
        )
        cured = self.amount(0.3, 0.6) if self.chance(25) else None
        if amounts is None:
            law = family(*self.one_of(pieces))
            return law if cured is None else laws.CuredShare(law, self.values.get(cured, cured))
        return Law(family, amounts, cured)

    # --- conditions and values ----------------------------------------------------------------------------------------

    def test(self) -> Condition:
        attribute = self.one_of(READ)
        if attribute == "age":
            return when("age", self.one_of([">", "<="]), self.amount(55.0, 60.0))
        if attribute in ("n", "waited"):
            return when(attribute, self.one_of(["<", ">="]), self.amount(2.0, 5.0))
        if attribute in ("x", "score"):
            return when(attribute, self.one_of([">", "<", ">=", "<="]), self.amount(0.0, 0.3, -0.4))
        return when(attribute, self.one_of(["!=", "=="]), self.one_of([0.0, 1.0]))

    def condition(self) -> Condition | str:
        match self.one_of(["name", "test", "and", "or", "not", "all"]):
            case "name":
                return self.one_of(["flag", "due"])
            case "test":
                return self.test()
            case "and":
                return self.test() & self.test()
            case "or":
                return self.test() | self.test()
            case "not":
                return ~(self.test() & self.test()).named("both")
        return ~(self.test() | self.test()) | (self.test() & ~self.test())

    def maybe_condition(self, percent: int) -> Condition | str | None:
        return self.condition() if self.chance(percent) else None

    def time_since(self, timed: bool) -> TimeSince:
        clocks = ["latest", "birth", "latest", ENTRY] if timed or self.starts_timed else ["latest", "birth"]
        return TimeSince(self.one_of(clocks), self.one_of([None, self.amount(3.0, 10.0)]))

    def action(self, timed: bool) -> Action:
        """Something that happens; what is timed may also make the timeless exits due again."""
        condition = self.maybe_condition(25)
        choices: list[Action] = [
            Set("flag", self.one_of([1.0, 0, Bernoulli(self.amount(0.5, 0.3))]), condition),
            Mark("latest", when=condition),
            Set("x", self.small_draw(), condition),
            Add("score", self.one_of([self.amount(0.1, -0.2), Uniform(-0.1, 0.1), Linear({"x": 0.05})]), condition),
            Add("n", self.one_of([1, Bernoulli(0.5), self.grade()]), condition),
            Set("n", Count(self.one_of(self.counted)), condition) if self.counted else Add("n", 1.0),
            Set("waited", self.time_since(timed), condition),
            Set("kind", self.one_of([0.0, 1.0, Bernoulli(0.5), Linear({"flag": 1.0})]), condition),
            Mark("first", shift=self.one_of([0.0, self.amount(-0.5, -1.0)]), when=condition),
            Mark("latest", shift=Linear({"x": 0.1}, -0.2), when=condition),
        ]
        if timed:
            choices.append(Set("due", 1.0, condition))
        if self.chance(1):
            return self.one_of([Mark("latest", shift=3.0), Set("kind", 7.0)])
        return self.one_of(choices)

    def actions(self, timed: bool) -> tuple[Action, ...]:
        return tuple(self.action(timed) for _ in range(self.one_of([0, 1, 0, 2])))

    # --- timed states -------------------------------------------------------------------------------------------------

    def timed_state(self, name: str, must: list[str]) -> State:
        """A state with an exit to each target that it must have, and others."""
        exits: list[TimedExit] = []
        taken: set[str] = set()
        for target in must:
            exits.append(self.exit(name, target, taken))
        for _ in range(self.one_of([2, 1, 3, 4])):
            target = self.one_of([None, *self.timed, *self.branches, *self.branches, self.final[0]])
            exits.append(self.exit(name, target, taken))
        exits = list(self.draw(st.permutations(exits)))
        return State(name, tuple(exits), on_arrival=self.actions(timed=False))

    def exit(self, state: str, target: str | None, taken: set[str]) -> TimedExit:
        """An exit to a target, in place for None; `taken` are the names that this state has used up."""
        where: dict[str, Any] = {"to": target}
        if target is None:
            where = {"in_place": True, "restarts": self.chance(35)}
        kind = self.one_of(
            ["hazard", "hazard", "visit", "alarm", "delay", "hazard", "once", "service", "past", "hazard"]
        )
        free = [event for event in EVENTS if event not in taken]
        if kind == "hazard" and free:
            return self.hazard(self.one_of(free), where, taken)
        if kind in ("visit", "alarm"):
            return self.visit(kind == "alarm", where, taken)
        if kind == "once":
            return self.once(where)
        if kind == "service" and target is not None:
            wait = self.amount(1.5, 0.25, 4.0, inf)
            return Service(
                self.new_name("service"), wait, to=target, when=self.maybe_condition(30), does=self.actions(True)
            )
        if kind == "past" and target in self.timed and self.timed.index(target) > self.timed.index(state):
            return self.delay(self.one_of(["latest", "first"]), self.amount(8.0, 0.0, 20.0, inf), where)
        return self.delay(ENTRY, self.amount(2.5, 7.0, 12.0, inf), where)

    def hazard(self, event: str, where: dict[str, Any], taken: set[str]) -> Hazard:
        """An event as it is in other states, or with something that differs here."""
        taken.add(event)
        self.counted = sorted({*self.counted, event})
        told = {name: getattr(self.habits[event], name) for name in Hazard.__dataclass_fields__}
        told |= {"in_place": False} | where | {"does": self.actions(timed=True)}
        if self.chance(40):
            other = self.habit(event, [f"law{i}" for i in range(4)])
            changed = self.one_of(
                ["law", "since", "scaled_by", "hazard_ratios", "accelerated_by", "when", "name of law"]
            )
            if changed == "law":
                told |= {"law": other.law, "law_by": other.law_by}
            elif changed == "name of law":
                told["law"] = "law0 again" if told["law"] == "law0" else told["law"]
            elif changed == "when":
                told["when"] = self.condition()
            else:
                told[changed] = getattr(other, changed)
        if told["since"] == "found":
            told["when"] = when("seen")
        if self.chance(20):
            told["does"] = (Mark("found"), Set("seen", 1.0), *told["does"])
        return Hazard(**told)

    def habit(self, event: str, law_names: list[str]) -> Hazard:
        """An event as it is in most states."""
        law, law_by = self.one_of([*law_names[:4], *law_names]), None
        if self.chance(25):
            law, law_by = tuple(self.one_of(law_names[:4]) for _ in range(3)), "kind"
        return Hazard(
            event,
            law=law,
            law_by=law_by,
            since=self.one_of([ENTRY, "latest", "first", ENTRY, "birth" if law == "life table" else "latest", "found"]),
            scaled_by=self.slopes(40),
            hazard_ratios=self.ratios(),
            accelerated_by=self.slopes(20),
            in_place=True,
        )

    def slopes(self, percent: int) -> dict[str, Amount]:
        if not self.chance(percent):
            return {}
        names = [self.one_of(READ), self.one_of(READ)]
        return {name: self.amount(SLOPES[name], -0.5 * SLOPES[name]) for name in names}

    def ratios(self) -> dict[str | None, Amount]:
        ratios: dict[str | None, Amount] = {}
        if self.chance(30):
            ratios[None] = self.amount(0.7, 1.6, 1.0)
        if self.chance(20):
            ratios["flag"] = self.amount(0.5, 2.0)
        return ratios

    def delay(self, clock: str, duration: Amount, where: dict[str, Any]) -> Delay:
        """A delay; one in place from entry restarts the entry, or would fire again and again."""
        if where.get("in_place") and not self.chance(3):
            where = where | {"restarts": True}
        name = self.one_of([self.new_name("delay"), "delay"]) if clock == ENTRY else self.new_name("past")
        return Delay(duration, since=clock, name=name, when=self.maybe_condition(30), does=self.actions(True), **where)

    def once(self, where: dict[str, Any]) -> Delay:
        """A delay whose date may have passed, taken once."""
        clock, duration = self.one_of(["latest", ENTRY, "first"]), self.amount(5.0, 0.0, 15.0)
        return Delay(duration, since=clock, name=self.new_name("once"), when="due", does=(Set("due", 0.0),), **where)

    # --- visits -------------------------------------------------------------------------------------------------------

    def schedule(self, i: int) -> Schedule:
        since = self.one_of([ENTRY, "latest", "first", "birth"])
        if since == "birth":  # decades of visits have passed
            return Schedule(f"schedule{i}", self.amount(36.0, 60.5), since, self.amount(0.0, 0.9))
        interval = self.one_of(
            [
                self.amount(3.0, 2.2, 6.0),
                ((12.0, 2.0), (inf, 6.0)),
                ((6.0, self.amount(1.5, 2.1)), (self.amount(15.0, 24.5), 3.0), (inf, self.amount(5.0, inf))),
                ((7.0, 9.0), (20.0, 5.0), (inf, 8.0)),
                self.parameter(inf),
            ]
        )
        return Schedule(f"schedule{i}", interval, since, self.amount(0.0, 0.25, 0.5))

    def visit(self, alarm: bool, where: dict[str, Any], taken: set[str]) -> TimedExit:
        schedule = self.one_of(self.schedules)
        names = ["alarm", "bell"] if alarm else [schedule.name, "check"]
        free = [name for name in names if name not in taken]
        if not free:
            return self.delay(ENTRY, self.amount(2.5, 7.0), where)
        name = self.one_of(free)
        taken.add(name)
        probability = self.amount(0.3, 0.1, 1.0, 0.0, 1e-11) if alarm else None
        condition, does = self.maybe_condition(30), self.actions(True)
        return Visit(name, schedule, when=condition, probability=probability, does=does, **where)

    # --- branches -----------------------------------------------------------------------------------------------------

    def branch_state(self, name: str, must: list[str]) -> State:
        """A branch with an arm to each target that it must have, and others; later branches only, so that it ends."""
        later = self.branches[self.branches.index(name) + 1 :]
        others = [*self.timed, *later, self.final[0], *([BACK, BACK] if self.starts_timed else [])]
        targets = must + [self.one_of(others) for _ in range(self.one_of([1, 2, 3]))]
        targets = list(self.draw(st.permutations(targets)))
        parts = [1, *(self.one_of([1, 2, 3, 0]) for _ in targets[1:])]
        rest = self.draw(st.integers(-1, len(targets) - 1))
        arms = [
            self.arm(i, target, part / sum(parts), i == rest)
            for i, (target, part) in enumerate(zip(targets, parts, strict=True))
        ]
        return State(name, (Branch(f"branch {name}", tuple(arms)),), on_arrival=self.actions(timed=False))

    def arm(self, i: int, target: str, share: float, is_rest: bool) -> Arm:
        """An arm; the first has no condition, mostly, so that one is left."""
        weight: Amount = share
        if is_rest:
            weight = REST
        elif self.chance(30):
            weight = self.parameter(share)
        condition = self.maybe_condition(5 if i == 0 else 35)
        name = self.one_of(["", f"arm{i}"])
        return Arm(target, weight, name, condition, self.slopes(25), does=self.actions(timed=False))
