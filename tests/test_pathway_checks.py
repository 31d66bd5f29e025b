"""Every refusal of a pathway, with its message; the roads that are not refused; the algebra of conditions."""

from __future__ import annotations

import operator
from itertools import product
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_sim import laws, luck
from hcc_sim.engine import compile_pathway, simulate_all
from hcc_sim.pathway.model import (
    ALWAYS,
    BACK,
    COMPARISONS,
    REST,
    Add,
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
    TimeSince,
    Uniform,
    Visit,
    when,
)

END = State("end", final=True)
DEATH = Hazard("death", "law", to="end")
START = State("start", (DEATH,))
SCAN = Schedule("scan", 3.0)
CYCLE = "a cycle that can take no time: "


def pathway(*states: State, **more: Any) -> Pathway:
    """A pathway of these states and the end, which starts in the first of them."""
    states = states or (START,)
    defaults = {"start": states[0].name, "laws": {"law": laws.Exponential(0.1)}}
    return Pathway(**{"title": "example", "states": (*states, END)} | defaults | more)


def start(*exits: Any, on_arrival: tuple = (), **more: Any) -> Pathway:
    """A pathway with one state that has these exits, and one way to the end."""
    return pathway(State("start", (*exits, DEATH), on_arrival), **more)


def branch(*arms: Arm, name: str = "choice") -> State:
    return State(name, (Branch(name, arms),))


def to(name: str) -> Delay:
    return Delay(1.0, to=name)


def choice(*arms: Arm, **more: Any) -> Pathway:
    """A pathway with a branch of these arms."""
    return pathway(State("start", (to("choice"),)), branch(*arms), **more)


def told(problem: str) -> Any:
    """A problem, up to where a cycle is entered."""
    if not problem.startswith(CYCLE):
        return problem
    road = problem.removeprefix(CYCLE).split(" -> ")
    assert road[0] == road[-1]
    return min((*road[i:-1], *road[:i]) for i in range(len(road) - 1))


def refused(make: Any) -> tuple[str, ...]:
    """What is wrong with the pathway that is made."""
    with pytest.raises(PathwayError) as error:
        make()
    assert str(error.value) == "\n".join(f"example: {problem}" for problem in error.value.problems)
    return error.value.problems


# --- refused when built -----------------------------------------------------------------------------------------------

WHERE = "state 'start'"
UNKNOWN = "uses the attribute 'x', which is not declared"

NAMES = {
    "a state twice": (lambda: pathway(START, START), "state 'start' is declared 2 times"),
    "a state called back": (
        lambda: pathway(State("start", (to("back"), DEATH)), State("back", (DEATH,))),
        "a state may not be called 'back'",
    ),
    "a start that is no state": (lambda: pathway(start="nowhere"), "start 'nowhere' is not a state"),
    "a final start": (lambda: pathway(start="end"), "start 'end' is final: nothing would happen"),
    "an attribute that reads a later one": (
        lambda: pathway(START, attributes={"a": Linear({"b": 1.0}), "b": 1.0}),
        "attribute 'a' reads 'b', which has no value yet: declare that one before it",
    ),
    "a grade that is shifted by itself": (
        lambda: pathway(START, attributes={"a": Ordered((0.5,), {"a": 1.0})}),
        "attribute 'a' reads 'a', which has no value yet: declare that one before it",
    ),
    "an epoch twice": (lambda: pathway(epochs=(Epoch("e"), Epoch("e", True))), "epoch 'e' is declared 2 times"),
    "an epoch called entry": (lambda: pathway(epochs=(Epoch("entry"),)), "an epoch may not be called 'entry'"),
    "a law without a name": (
        lambda: pathway(laws={"law": laws.Exponential(1.0), "": laws.Exponential(1.0)}),
        "a law has an empty name",
    ),
    "a final state with exits": (
        lambda: pathway(START, State("dead", (DEATH,), final=True)),
        "state 'dead' is final but has exits or does something on arrival",
    ),
    "a final state that does something": (
        lambda: pathway(START, State("dead", (), (Set("x", 1.0),), True), attributes={"x": 0.0}),
        "state 'dead' is final but has exits or does something on arrival",
    ),
    "a branch beside other exits": (
        lambda: start(Branch("choice", (Arm("end"),))),
        f"{WHERE} has a branch beside other exits: a branch is taken at once, so it must be the only one",
    ),
    "a branch behind other exits": (
        lambda: pathway(State("start", (DEATH, Branch("choice", (Arm("end"),))))),
        f"{WHERE} has a branch beside other exits: a branch is taken at once, so it must be the only one",
    ),
    "an event twice in a state": (lambda: start(DEATH), f"{WHERE} names the event 'death' 2 times"),
    "an event of a state everywhere too": (
        lambda: pathway(everywhere=(Hazard("death", "law", to="end"),)),
        f"{WHERE} names the event 'death' 2 times",
    ),
    "a visit twice in a state": (
        lambda: start(Visit("look", SCAN, to="end"), Visit("look", SCAN, in_place=True)),
        f"{WHERE} names the visit 'look' 2 times",
    ),
    "a schedule of two minds": (
        lambda: start(Visit("a", SCAN, to="end"), Visit("b", Schedule("scan", 4.0), to="end")),
        "schedule 'scan' is declared twice with different dates",
    ),
    "a false alarm called as its schedule": (
        lambda: start(Visit("scan", SCAN, to="end", probability=0.1)),
        "start: visit 'scan' needs a name other than its schedule's, for its own luck",
    ),
    "a branch without arms": (
        lambda: pathway(State("start", (to("choice"), DEATH)), branch()),
        "state 'choice': branch 'choice' has no arms",
    ),
    "an arm to nowhere": (
        lambda: choice(Arm("end", 0.5), Arm("nowhere", 0.5)),
        "state 'choice', arm 'nowhere' leads to 'nowhere', which is not a state",
    ),
    "an exit to nowhere": (
        lambda: start(Delay(1.0, to="nowhere", name="wait")),
        f"{WHERE}, exit 'wait' leads to 'nowhere', which is not a state",
    ),
    "an exit without a target": (
        lambda: start(Service("theatre", 1.0)),
        f"{WHERE}, exit 'theatre' leads to None, which is not a state",
    ),
    "in place, yet elsewhere": (
        lambda: start(Delay(1.0, to="end", name="wait", in_place=True)),
        f"{WHERE}, exit 'wait' is in place and leads to 'end': it can be only one of them",
    ),
    "a restart of nothing": (
        lambda: start(Delay(1.0, to="end", name="wait", restarts=True)),
        f"{WHERE}, exit 'wait' restarts the stay but is not in place",
    ),
    "an unknown clock of a delay": (
        lambda: start(Delay(1.0, to="end", name="wait", since="birth")),
        f"{WHERE}, exit 'wait' counts from 'birth', which is neither 'entry' nor a declared epoch",
    ),
    "an unknown clock of a visit": (
        lambda: start(Visit("look", Schedule("scan", 1.0, since="birth"), to="end")),
        f"{WHERE}, exit 'look' counts from 'birth', which is neither 'entry' nor a declared epoch",
    ),
    "an unknown law": (
        lambda: start(Hazard("growth", "rule", to="end")),
        f"{WHERE}, exit 'growth' uses the law 'rule', which is not declared",
    ),
    "laws without a choice": (
        lambda: start(Hazard("growth", ("law", "law"), to="end")),
        f"{WHERE}, exit 'growth' needs both several laws and `law_by`, or neither",
    ),
    "a choice without laws": (
        lambda: start(Hazard("growth", "law", to="end", law_by="kind"), attributes={"kind": 0.0}),
        f"{WHERE}, exit 'growth' needs both several laws and `law_by`, or neither",
    ),
    "an epoch that is not declared": (
        lambda: start(on_arrival=(Mark("surgery"),)),
        f"{WHERE} marks the epoch 'surgery', which is not declared",
    ),
    "an epoch shifted by a draw": (
        lambda: pathway(at_start=(Mark("e", Uniform(0.0, 1.0)),), epochs=(Epoch("e"),)),
        "at the start shifts the epoch 'e' by a draw; draw an attribute first",
    ),
    "a count of nothing": (
        lambda: pathway(attributes={"n": Count("nothing")}),
        "attribute 'n' counts 'nothing', which is neither an event nor a branch",
    ),
    "the time since nothing": (
        lambda: pathway(attributes={"n": TimeSince("nothing")}),
        "attribute 'n' reads the clock 'nothing', which is neither 'entry' nor a declared epoch",
    ),
    # every place in which an attribute can be read or written
    "unknown when an exit holds": (lambda: start(Delay(1.0, to="end", name="wait", when="x")), f"{WHERE}, exit 'wait'"),
    "unknown in a condition with others": (
        lambda: start(Delay(1.0, to="end", name="wait", when=when("y") | ~when("x", ">", 2.0)), attributes={"y": 0.0}),
        f"{WHERE}, exit 'wait'",
    ),
    "unknown to a hazard's scale": (
        lambda: start(Hazard("a", "law", to="end", scaled_by={"x": 1.0})),
        f"{WHERE}, exit 'a'",
    ),
    "unknown to a hazard ratio": (
        lambda: start(Hazard("a", "law", to="end", hazard_ratios={None: 2.0, "x": 1.0})),
        f"{WHERE}, exit 'a'",
    ),
    "unknown to a hazard's speed": (
        lambda: start(Hazard("a", "law", to="end", accelerated_by={"x": 1.0})),
        f"{WHERE}, exit 'a'",
    ),
    "unknown chooser of laws": (
        lambda: start(Hazard("a", ("law",), to="end", law_by="x")),
        f"{WHERE}, exit 'a'",
    ),
    "unknown to an arm's shift": (
        lambda: choice(Arm("end", REST, "go", shifted_by={"x": 1.0})),
        "state 'choice', arm 'go'",
    ),
    "unknown when an arm holds": (lambda: choice(Arm("end", REST, "go", when="x")), "state 'choice', arm 'go'"),
    "unknown to what an arm does": (
        lambda: choice(Arm("end", REST, "go", does=(Add("x", 1.0),))),
        "state 'choice', arm 'go'",
    ),
    "unknown to what an exit does": (
        lambda: start(Delay(1.0, to="end", name="wait", does=(Set("x", 1.0),))),
        f"{WHERE}, exit 'wait'",
    ),
    "unknown on arrival": (lambda: start(on_arrival=(Set("x", 1.0),)), WHERE),
    "unknown to a condition of what is done": (
        lambda: start(on_arrival=(Set("y", 1.0, when="x"),), attributes={"y": 0.0}),
        WHERE,
    ),
    "unknown to a linear value": (
        lambda: start(on_arrival=(Mark("e", Linear({"x": 1.0})),), epochs=(Epoch("e"),)),
        WHERE,
    ),
    "unknown to an attribute": (lambda: pathway(attributes={"y": Linear({"x": 1.0})}), "attribute 'y'"),
    "unknown at the start": (lambda: pathway(at_start=(Set("x", 1.0),)), "at the start"),
}

ROADS = {
    "unreachable": (
        lambda: pathway(START, State("island", (DEATH,))),
        "state 'island' cannot be reached from 'start'",
    ),
    "reachable from an island only": (
        lambda: pathway(START, State("island", (to("isle"),)), State("isle", (to("island"),))),
        ("state 'island' cannot be reached from 'start'", "state 'isle' cannot be reached from 'start'"),
    ),
    "no exits": (
        lambda: pathway(State("start", (to("trap"), DEATH)), State("trap")),
        "state 'trap' cannot be left and is not final",
    ),
    "only exits in place": (
        lambda: pathway(State("start", (to("trap"), DEATH)), State("trap", (Hazard("growth", "law", in_place=True),))),
        "state 'trap' cannot be left and is not final",
    ),
    "only back to itself": (
        lambda: pathway(State("start", (to("trap"), DEATH)), State("trap", (to("trap"),))),
        "state 'trap' cannot be left and is not final",
    ),
    "back before any stay": (
        lambda: pathway(branch(Arm(BACK, 0.5), Arm("end", 0.5))),
        "state 'choice': arm 'back' leads back, but a patient can come here before any stay",
    ),
    "back before any stay, by another branch": (
        lambda: pathway(
            branch(Arm("second"), name="first"), branch(Arm(BACK, 0.5, "return"), Arm("end"), name="second")
        ),
        "state 'second': arm 'return' leads back, but a patient can come here before any stay",
    ),
    "a clock never started": (
        lambda: start(Delay(1.0, to="end", name="wait", since="surgery"), epochs=(Epoch("surgery"),)),
        f"{WHERE}, exit 'wait': the clock 'surgery' is never started",
    ),
    "a visit's clock never started": (
        lambda: start(Visit("look", Schedule("scan", 1.0, since="surgery"), to="end"), epochs=(Epoch("surgery"),)),
        f"{WHERE}, exit 'look': the clock 'surgery' is never started",
    ),
    "a clock started where nobody comes": (
        lambda: pathway(
            State("start", (Hazard("death", "law", to="end", since="surgery"),)),
            State("island", (to("end"),), (Mark("surgery"),)),
            epochs=(Epoch("surgery"),),
        ),
        (
            "state 'island' cannot be reached from 'start'",
            f"{WHERE}, exit 'death': the clock 'surgery' is never started",
        ),
    ),
    "two rests": (
        lambda: choice(Arm("end", name="a"), Arm("end", name="b")),
        "branch 'choice' has more than one arm of weight 'rest'",
    ),
    "weights below 1": (
        lambda: choice(Arm("end", 0.5, "a"), Arm("end", 0.25, "b")),
        "branch 'choice': the weights sum to 0.75 instead of 1 and no arm takes the rest",
    ),
    "weights above 1": (
        lambda: choice(Arm("end", 0.5, "a"), Arm("end", 0.75, "b"), Arm("end", REST, "c")),
        "branch 'choice': the weights sum to 1.25, which is more than 1",
    ),
    "weights above 1 together with those that always hold": (
        lambda: choice(
            Arm("end", 0.5, "a", when="x"), Arm("end", 0.75, "b"), Arm("end", REST, "c"), attributes={"x": 0.0}
        ),
        "branch 'choice': the weights sum to 1.25 where x, which is more than 1",
    ),
    "a weight below 0": (
        lambda: choice(Arm("end", -0.25, "a"), Arm("end", REST, "b")),
        "branch 'choice': arm 'a' has the weight -0.25, which is no weight",
    ),
    "a weight that is no number": (
        lambda: choice(Arm("end", nan, "a"), Arm("end", REST, "b")),
        "branch 'choice': arm 'a' has the weight nan, which is no weight",
    ),
    "a branch in two states": (
        lambda: pathway(
            State("start", (to("a"), DEATH)),
            State("a", (Branch("choice", (Arm("b"),)),)),
            State("b", (Branch("choice", (Arm("end"),)),)),
        ),
        "branch 'choice' stands in 2 states: they would share their luck",
    ),
}

AT_ONCE = {"epochs": (Epoch("begin"),), "at_start": (Mark("begin"),)}
DATE = Delay(3.0, name="date", since="begin", to="choice")

CYCLES = {
    "branches alone": (
        lambda: pathway(
            State("start", (to("a"), DEATH)),
            branch(Arm("b"), name="a"),
            branch(Arm("a", 0.5), Arm("end", 0.5), name="b"),
        ),
        "a -> b -> a",
    ),
    "delays from an epoch": (
        lambda: pathway(
            State("start", (Delay(3.0, to="other", since="begin"), DEATH)),
            State("other", (Delay(6.0, to="start", since="begin"),)),
            **AT_ONCE,
        ),
        "start -> other -> start",
    ),
    "a delay from an epoch in place": (
        lambda: start(Delay(3.0, since="begin", in_place=True), **AT_ONCE),
        "start -> start",
    ),
    "a delay from an epoch in place that restarts": (
        lambda: start(Delay(3.0, since="begin", in_place=True, restarts=True), **AT_ONCE),
        "start -> start",
    ),
    "a delay from entry in place": (lambda: start(Delay(3.0, in_place=True)), "start -> start"),
    "back to a date that has passed": (
        lambda: pathway(State("start", (DATE, DEATH)), branch(Arm(BACK)), **AT_ONCE),
        "start -> choice -> start",
    ),
    "back to a delay from entry": (
        lambda: pathway(State("start", (Delay(3.0, to="choice"), DEATH)), branch(Arm(BACK))),
        "start -> choice -> start",
    ),
    "back to a service": (
        lambda: pathway(State("start", (Service("theatre", 3.0, to="choice"), DEATH)), branch(Arm(BACK))),
        "start -> choice -> start",
    ),
    "an attribute that does not forbid it": (
        lambda: start(
            Delay(3.0, since="begin", in_place=True, when=when("x", "<", 2.0), does=(Set("x", 1.0),)),
            attributes={"x": 0.0},
            **AT_ONCE,
        ),
        "start -> start",
    ),
    "an attribute that may be set": (
        lambda: start(
            Delay(3.0, since="begin", in_place=True, when="x", does=(Set("x", 0.0, when="y"),)),
            attributes={"x": 1.0, "y": 0.0},
            **AT_ONCE,
        ),
        "start -> start",
    ),
    "an attribute that is set to an unknown value": (
        lambda: start(
            Delay(3.0, since="begin", in_place=True, when="x", does=(Set("x", 0.0), Add("x", 1.0))),
            attributes={"x": 1.0},
            **AT_ONCE,
        ),
        "start -> start",
    ),
}

BUILT = (
    NAMES | ROADS | {name: (make, f"a cycle that can take no time: {road}") for name, (make, road) in CYCLES.items()}
)


@pytest.mark.parametrize("name", BUILT)
def test_refused_when_built(name: str):
    make, expected = BUILT[name]
    if name.startswith("unknown "):
        expected = f"{expected} {UNKNOWN}"
    expected = (expected,) if isinstance(expected, str) else expected
    assert [told(problem) for problem in refused(make)] == [told(problem) for problem in expected]


def test_a_cycle_of_branches_is_refused_where_only_the_start_leads_to_it():
    arms = Arm("second", 0.5), Arm("start", 0.5)
    states = (
        State("choice", (Branch("choice", arms),)),
        State("second", (Branch("second", (Arm("choice", 0.5), Arm("start", 0.5))),)),
        START,
    )
    assert [told(problem) for problem in refused(lambda: pathway(*states))] == [("choice", "second")]


def test_all_problems_are_told_at_once():
    def named() -> Pathway:
        return start(
            DEATH,
            Hazard("growth", "rule", to="nowhere", scaled_by={"x": 1.0}),
            on_arrival=(Mark("surgery"),),
            epochs=(Epoch("e"), Epoch("e")),
        )

    assert refused(named) == (
        "epoch 'e' is declared 2 times",
        f"{WHERE} marks the epoch 'surgery', which is not declared",
        f"{WHERE} names the event 'death' 2 times",
        f"{WHERE}, exit 'growth' leads to 'nowhere', which is not a state",
        f"{WHERE}, exit 'growth' uses the law 'rule', which is not declared",
        f"{WHERE}, exit 'growth' {UNKNOWN}",
    )

    def built() -> Pathway:
        return pathway(
            State("start", (Delay(1.0, to="choice", name="wait", since="surgery"), DEATH)),
            branch(Arm(BACK, name="a"), Arm("end", name="b")),
            State("island", (to("end"),)),
            epochs=(Epoch("surgery"),),
        )

    assert refused(built) == (
        "state 'island' cannot be reached from 'start'",
        f"{WHERE}, exit 'wait': the clock 'surgery' is never started",
        "branch 'choice' has more than one arm of weight 'rest'",
        f"{CYCLE}start -> choice -> start",
    )


def test_names_that_would_share_their_luck_are_refused(monkeypatch: pytest.MonkeyPatch):
    true_key = luck.name_key
    alike = {"event:death", "visit:scan"}
    monkeypatch.setattr(luck, "name_key", lambda name: 7 if name in alike else true_key(name))

    def make() -> Pathway:
        return start(Visit("look", SCAN, in_place=True))

    problem = "'event:death' and 'visit:scan' would share their luck (both have key 7): rename one of them"
    assert refused(make) == (problem,)
    alike.remove("visit:scan")
    make()


# --- not refused ------------------------------------------------------------------------------------------------------

ONCE = (Set("due", 0.0),)
DUE = {"due": 1.0, "other": 0.0}
FREE = {
    "in place while due": lambda: start(
        Delay(3.0, since="begin", in_place=True, when="due", does=ONCE), attributes=DUE, **AT_ONCE
    ),
    "in place from entry while due": lambda: start(Delay(3.0, in_place=True, when="due", does=ONCE), attributes=DUE),
    "in place from entry, restarting": lambda: start(Delay(3.0, in_place=True, restarts=True)),
    "back, no longer due": lambda: pathway(
        State("start", (Delay(3.0, since="begin", to="choice", when="due"), DEATH)),
        branch(Arm(BACK, does=ONCE)),
        attributes=DUE,
        **AT_ONCE,
    ),
    "forbidden on arrival": lambda: pathway(
        State("start", (Delay(3.0, since="begin", to="choice", when=when("due", "==", 1)), DEATH)),
        branch(Arm("later")),
        State("later", (Delay(3.0, since="begin", to="start"),), (Set("due", 0),)),
        attributes=DUE,
        **AT_ONCE,
    ),
    "every clause of the condition forbidden": lambda: start(
        Delay(
            3.0,
            since="begin",
            in_place=True,
            when=(when("due") & when("other", "<", 5.0)) | when("due", ">=", 1.0),
            does=ONCE,
        ),
        attributes=DUE,
        **AT_ONCE,
    ),
    "a cycle with a delay from entry": lambda: pathway(
        State("start", (Delay(3.0, to="other"), DEATH)), State("other", (Delay(3.0, to="start"),))
    ),
    "a cycle with an event": lambda: pathway(
        State("start", (Delay(3.0, to="other", since="begin"), DEATH)),
        State("other", (Hazard("growth", "law", to="start"),)),
        **AT_ONCE,
    ),
    "visits in place": lambda: start(Visit("look", SCAN, in_place=True)),
    "back from a visit": lambda: pathway(State("start", (Visit("look", SCAN, to="choice"), DEATH)), branch(Arm(BACK))),
    "a visit at a schedule's name": lambda: start(Visit("scan", SCAN, in_place=True)),
    "weights that conditions renormalise": lambda: choice(
        Arm("end", 0.25, "a", when="due"), Arm("end", 0.5, "b"), attributes=DUE
    ),
    "weights that sum up to rounding": lambda: choice(*(Arm("end", 0.1, str(i)) for i in range(10))),
    "a parameter's weight": lambda: choice(Arm("end", "share", "a"), Arm("end", 0.9, "b")),
    "another delay of the same name that takes no time": lambda: pathway(
        State("start", (Delay(0.0, to="first", name="wait"), DEATH)),
        State("first", (Delay(3.0, to="second", name="wait"), DEATH)),
        State("second", (Delay(3.0, to="first", name="wait"), DEATH)),
    ),
    "a clock marked on another road": lambda: pathway(
        State("start", (Delay(1.0, to="other", does=(Mark("begin"),)), DEATH)),
        State("other", (Delay(1.0, to="end", since="begin"),)),
        epochs=(Epoch("begin"),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FREE)
def test_not_refused(name: str):
    made = FREE[name]()
    program = compile_pathway(made, {"share": 0.1})
    simulate_all(program, seed=1, patients=200, horizon_months=240.0, threads=1, max_stays=300)


# --- refused when the numbers are known -------------------------------------------------------------------------------


def with_schedule(interval: Any, scatter: Any = 0.0) -> Pathway:
    return start(Visit("look", Schedule("scan", interval, scatter=scatter), in_place=True))


def with_value(value: Any) -> Pathway:
    return start(on_arrival=(Set("x", value),), attributes={"x": 0.0})


EXIT = f"{WHERE}, exit"
LATER = "the pieces must end later and later, the last one never (inf); they end at"
VALUES = {
    "no value": (start(Delay("wait", to="end")), "parameter 'wait' is used but has no value"),
    "no value for a law": (
        pathway(laws={"law": Law(laws.Exponential, {"rate_per_month": "rate"})}),
        "parameter 'rate' is used but has no value",
    ),
    "no value in a condition": (
        start(Delay(1.0, to="end", when=when("x", ">", "limit")), attributes={"x": 0.0}),
        "parameter 'limit' is used but has no value",
    ),
    "weights above 1": (
        choice(Arm("end", "three quarters", "a"), Arm("end", 0.5, "b"), Arm("end", REST, "c")),
        "branch 'choice': the weights sum to 1.25, which is more than 1",
    ),
    "weights below 1": (
        choice(Arm("end", "three quarters", "a"), Arm("end", 0.0, "b")),
        "branch 'choice': the weights sum to 0.75 instead of 1 and no arm takes the rest",
    ),
    "a weight below 0": (
        choice(Arm("end", "minus one", "a"), Arm("end", REST, "b")),
        "branch 'choice': arm 'a' has the weight -1.0, which is no weight",
    ),
    "scatter of 1": (
        with_schedule(3.0, "one"),
        "schedule 'scan': the scatter is 1.0, and must be at least 0 and below 1",
    ),
    "scatter below 0": (
        with_schedule(3.0, "minus one"),
        "schedule 'scan': the scatter is -1.0, and must be at least 0 and below 1",
    ),
    "an interval of 0": (with_schedule("zero"), "schedule 'scan': the interval is 0.0 months, and must be above 0"),
    "an interval that is no number": (
        with_schedule("nan"),
        "schedule 'scan': the interval is nan months, and must be above 0",
    ),
    "a last piece that ends": (with_schedule(((12.0, 3.0),)), f"schedule 'scan': {LATER} [12.0]"),
    "pieces that end earlier": (
        with_schedule(((24.0, 3.0), (12.0, 6.0), (inf, 12.0))),
        f"schedule 'scan': {LATER} [24.0, 12.0, inf]",
    ),
    "a piece that ends before it begins": (
        with_schedule((("minus one", 3.0), (inf, 12.0))),
        f"schedule 'scan': {LATER} [-1.0, inf]",
    ),
    "dates that overtake": (
        with_schedule(((20.0, 10.0), (inf, 2.0)), 0.5),
        "schedule 'scan': with scatter 0.5, dates may overtake each other where 10 turns to 2 months",
    ),
    "dates that overtake beyond a piece without visits": (
        with_schedule(((20.0, 10.0), (20.5, 5.0), (21.0, 2.5), (inf, 1.3)), 0.5),
        "schedule 'scan': with scatter 0.5, dates may overtake each other where 10 turns to 1.3 months",
    ),
    "a hazard ratio of 0": (
        start(Hazard("growth", "law", to="end", hazard_ratios={None: "zero"})),
        f"{EXIT} 'growth': the hazard ratio 'zero' is 0.0, and must be above 0 and finite",
    ),
    "an infinite hazard ratio": (
        start(Hazard("growth", "law", to="end", hazard_ratios={None: inf})),
        f"{EXIT} 'growth': the hazard ratio inf is inf, and must be above 0 and finite",
    ),
    "a hazard ratio that is no number": (
        start(Hazard("growth", "law", to="end", hazard_ratios={None: "nan"})),
        f"{EXIT} 'growth': the hazard ratio 'nan' is nan, and must be above 0 and finite",
    ),
    "a law that refuses its number": (
        pathway(laws={"law": Law(laws.Weibull, {"shape": "minus one", "scale_months": 1.0})}),
        "law 'law': Weibull: shape must be finite and above 0, not -1.0",
    ),
    "a cured share above 1": (
        pathway(laws={"law": Law(laws.Exponential, {"rate_per_month": 1.0}, cured_share="two")}),
        "law 'law': CuredShare: cured_share must lie between 0 and 1, not 2.0",
    ),
    "a negative delay": (
        start(Delay("minus one", to="end")),
        f"{EXIT} 'minus one': the duration is -1.0 months, and must be at least 0",
    ),
    "a delay that is no number": (
        start(Delay("nan", to="end")),
        f"{EXIT} 'nan': the duration is nan months, and must be at least 0",
    ),
    "a negative wait": (
        start(Service("theatre", "minus one", to="end")),
        f"{EXIT} 'theatre': the duration is -1.0 months, and must be at least 0",
    ),
    "a false alarm above 1": (
        start(Visit("alarm", SCAN, in_place=True, probability="two")),
        f"{EXIT} 'alarm': the probability is 2.0, and must be between 0 and 1",
    ),
    "a false alarm below 0": (
        start(Visit("alarm", SCAN, in_place=True, probability="minus one")),
        f"{EXIT} 'alarm': the probability is -1.0, and must be between 0 and 1",
    ),
    "a chance above 1": (with_value(Bernoulli("two")), f"{WHERE}: the probability is 2.0, and must be between 0 and 1"),
    "a negative sd": (
        with_value(Normal(0.0, "minus one")),
        f"{WHERE}: a normal draw needs sd >= 0 and low < high, not -1.0, -inf, inf",
    ),
    "a normal draw between nothing": (
        with_value(Normal(0.0, 1.0, "two", "one")),
        f"{WHERE}: a normal draw needs sd >= 0 and low < high, not 1.0, 2.0, 1.0",
    ),
    "a uniform draw between nothing": (
        with_value(Uniform("two", "one")),
        f"{WHERE}: a uniform draw needs low <= high, not 2.0, 1.0",
    ),
    "a share of a grade above 1": (
        with_value(Ordered(("two", 0.5))),
        f"{WHERE}: the probability is 2.0, and must be between 0 and 1",
    ),
    "a delay of 0 in a cycle": (
        pathway(State("start", (Delay("zero", to="other"), DEATH)), State("other", (Service("go", 0.0, to="start"),))),
        f"{CYCLE}start -> other -> start",
    ),
    "a delay of 0 in place that restarts": (
        start(Delay("zero", in_place=True, restarts=True)),
        f"{CYCLE}start -> start",
    ),
}
NUMBERS = {"zero": 0.0, "one": 1.0, "two": 2.0, "minus one": -1.0, "nan": nan, "three quarters": 0.75}


@pytest.mark.parametrize("name", VALUES)
def test_refused_when_the_numbers_are_known(name: str):
    made, expected = VALUES[name]
    assert [told(problem) for problem in refused(lambda: compile_pathway(made, NUMBERS))] == [told(expected)]


@pytest.mark.parametrize("amount", [inf, -inf, nan])
def test_coefficients_are_finite_even_where_nobody_can_meet_them(amount: float):
    growth = Hazard("growth", "law", to="end", when="x", scaled_by={"x": "a"}, accelerated_by={"y": "a"})
    arms = (Arm("end", 0.5, shifted_by={"x": "a"}), Arm("end", REST, "other"))
    states = (State("start", (growth, to("choice"), DEATH)), branch(*arms))
    made = pathway(*states, attributes={"x": 0.0, "y": Linear({"x": "a"})})
    found = refused(lambda: compile_pathway(made, {"a": amount}))
    assert found == (
        f"at the start: the coefficient of 'x' is {amount}, and must be finite",
        f"{EXIT} 'growth': the coefficient of 'x' is {amount}, and must be finite",
        f"{EXIT} 'growth': the coefficient of 'y' is {amount}, and must be finite",
        f"state 'choice', arm 'end': the coefficient of 'x' is {amount}, and must be finite",
    )


def test_all_problems_with_numbers_are_told_at_once():
    made = start(
        Delay("minus one", to="end", name="wait"),
        Hazard("growth", "law", to="end", hazard_ratios={None: "zero"}),
        on_arrival=(Set("x", Bernoulli("two")),),
        attributes={"x": 0.0},
    )
    assert refused(lambda: compile_pathway(made, NUMBERS)) == (
        f"{WHERE}: the probability is 2.0, and must be between 0 and 1",
        f"{EXIT} 'wait': the duration is -1.0 months, and must be at least 0",
        f"{EXIT} 'growth': the hazard ratio 'zero' is 0.0, and must be above 0 and finite",
    )
    missing = start(Delay("a", to="end"), Service("theatre", "b", to="end"))
    assert refused(lambda: compile_pathway(missing, {})) == (
        "parameter 'a' is used but has no value",
        "parameter 'b' is used but has no value",
    )


@pytest.mark.parametrize(
    "pieces", [((12.0, 3.0), (24.0, inf), (inf, 6.0)), inf, ((12.0, 3.0), (inf, inf)), "zero or one"]
)
def test_schedules_with_pauses_are_not_refused(pieces: Any):
    compile_pathway(with_schedule(pieces, 0.5), NUMBERS | {"zero or one": 1.0})


def test_a_comparison_that_is_none_is_refused():
    with pytest.raises(ValueError, match="comparison '=' is none of == != < <= > >="):
        when("x", "=", 1.0)


# --- the algebra of conditions ----------------------------------------------------------------------------------------

ATTRIBUTES = ("a", "b", "c")
LEVELS = (0.0, 1.0, 2.0)
COMPARE = dict(
    zip(COMPARISONS, (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge), strict=True)
)
Patient = dict[str, float]


def one_test(attribute: str, comparison: str, than: float) -> tuple[Condition, Any]:
    return when(attribute, comparison, than), lambda patient: COMPARE[comparison](patient[attribute], than)


def combined(inner: st.SearchStrategy) -> st.SearchStrategy:
    def both(pair: Any) -> tuple[Condition, Any]:
        (a, truth_a), (b, truth_b) = pair
        return a & b, lambda patient: truth_a(patient) and truth_b(patient)

    def either(pair: Any) -> tuple[Condition, Any]:
        (a, truth_a), (b, truth_b) = pair
        return a | b, lambda patient: truth_a(patient) or truth_b(patient)

    def negated(one: Any) -> tuple[Condition, Any]:
        return ~one[0], lambda patient: not one[1](patient)

    pairs = st.tuples(inner, inner)
    return pairs.map(both) | pairs.map(either) | inner.map(negated)


CONDITIONS = st.recursive(
    st.just((ALWAYS, lambda patient: True))
    | st.builds(one_test, st.sampled_from(ATTRIBUTES), st.sampled_from(list(COMPARISONS)), st.sampled_from(LEVELS)),
    combined,
    max_leaves=5,
)


def holds(given: Condition, patient: Patient) -> bool:
    return any(all(COMPARE[t.comparison](patient[t.attribute], t.than) for t in clause) for clause in given.clauses)


def engine_holds(given: Condition, patient: Patient) -> bool:
    """What the engine makes of the condition: does the exit that carries it end the stay?"""
    made = pathway(
        State("start", (Delay(1.0, to="end", when=given, name="held"), Delay(2.0, to="end", name="not held"))),
        attributes=dict(patient),
    )
    program = compile_pathway(made, {})
    stays = simulate_all(program, seed=1, patients=1, horizon_months=10.0, threads=1)
    return program.exit_names[stays.ended_by[0]] == "held"


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(CONDITIONS, st.fixed_dictionaries({name: st.sampled_from(LEVELS) for name in ATTRIBUTES}))
def test_conditions_combine_as_their_truth_tables(pair: Any, patient: Patient):
    made, truth = pair
    for levels in product(LEVELS, repeat=3):
        anybody = dict(zip(ATTRIBUTES, levels, strict=True))
        assert holds(made, anybody) == truth(anybody)
        assert holds(~made, anybody) != truth(anybody)
    assert engine_holds(made, patient) == truth(patient)


def test_conditions_read_as_they_were_written():
    assert str(when("fit") & ~when("seen") | when("age", ">=", 70.0)) == "fit and not seen or age >= 70.0"
    assert str((when("fit") & when("age", "<", 70.0)).named("operable")) == "operable"
    assert str(~when("fit").named("operable")) == "not operable"
    assert str(ALWAYS) == "always"


# --- faults that once ended in a raw error or in silence --------------------------------------------------------------


def compiled_with(make: Any, values: dict[str, float]) -> tuple[str, ...]:
    return refused(lambda: compile_pathway(make(), values))


def test_an_argument_that_a_law_does_not_have():
    (problem,) = compiled_with(
        lambda: start(laws={"law": laws.Exponential(0.1), "rule": Law(laws.Exponential, {"rate": 0.1})}), {}
    )
    assert problem.startswith("law 'rule': ")
    assert "unexpected keyword argument 'rate'" in problem


def test_a_schedule_without_pieces_is_refused():
    empty = refused(lambda: start(Visit("scan", Schedule("scan", ()), to="end")))
    assert empty == ("schedule 'scan' has no pieces: it needs an interval",)


def test_a_schedule_that_ends_at_no_number_is_refused_once():
    scan = Schedule("scan", (("until", 10.0), (float("inf"), 1.0)))
    visits = (Visit("scan", scan, to="end"), Visit("again", scan, to="end"))
    (problem,) = compiled_with(lambda: start(*visits), {"until": float("nan")})
    assert problem.startswith("schedule 'scan': the pieces must end later and later")


def test_a_hazard_without_a_law_is_refused():
    bare = Hazard("growth", (), to="end", law_by="x")
    assert f"{WHERE}, exit 'growth' names no law" in refused(lambda: start(bare, attributes={"x": 0.0}))


def test_a_condition_on_a_parameter_that_is_no_number_is_refused():
    late = Delay(1.0, to="end", name="late", when=when("x", ">", "limit"))
    (problem,) = compiled_with(lambda: start(late, attributes={"x": 0.0}), {"limit": float("nan")})
    assert problem == "parameter 'limit', with which a condition compares, is not a number"
    compile_pathway(start(late, attributes={"x": 0.0}), {"limit": 1.0})
