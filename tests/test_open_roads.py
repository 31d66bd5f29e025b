"""Roads that nobody can take are left out of what the kernel looks at, and no stay changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from random_pathways import Example, examples
from test_engine_bits import same_bits
from test_hcc_pathway import NEVER as NEVER_MONTHS
from test_hcc_pathway import PATHWAY, values_of

from hcc_sim import laws
from hcc_sim.engine import EngineError, Program, compile, compile_pathway, parameters_in_use, simulate_all
from hcc_sim.engine.roads import NEVER, Closing, Roads
from hcc_sim.history import Stays
from hcc_sim.pathway.model import (
    ALWAYS,
    REST,
    Add,
    Arm,
    Bernoulli,
    Branch,
    Delay,
    Hazard,
    Law,
    Linear,
    Normal,
    Ordered,
    Pathway,
    Schedule,
    Set,
    State,
    Visit,
    when,
)
from hcc_sim.scenario import load_scenario, programs

SCENARIOS = sorted(Path("scenarios").glob("*.yaml"))
END = State("end", final=True)


class AllOpen(Roads):
    """No road is closed, and nothing is known of anybody."""

    def parts(self, state):
        exits = self._pathway.exits_of(state)
        return iter([*chain.from_iterable(e.arms if isinstance(e, Branch) else (e,) for e in exits)])

    def matters(self, action):
        return True

    def left_of(self, given):
        return given

    def counts(self, attribute, amount, none=0.0):
        return True


@contextmanager
def everything_open() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compile, "Roads", AllOpen)
        compile._form_of.cache_clear()
        yield
    compile._form_of.cache_clear()


def all_open(program: Program) -> Program:
    with everything_open():
        return compile_pathway(program.pathway, program.values)


def stays_of(program: Program, patients: int = 2_000, **more: float) -> Stays:
    return simulate_all(program, seed=5, patients=patients, horizon_months=360.0, **more)


# --- nothing changes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_no_stay_of_any_scenario_changes(path: Path):
    for program in programs(load_scenario(path)).values():
        opened = all_open(program)
        assert len(opened.words) > len(program.words)
        assert same_bits(stays_of(program), stays_of(opened))


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(examples())
def test_no_stay_of_a_random_pathway_changes(example: Example):
    program = compile_pathway(example.pathway, example.values)

    def run(program: Program) -> Stays:
        return simulate_all(
            program,
            seed=9,
            patients=40,
            horizon_months=example.horizon_months,
            max_stays=example.max_stays,
            threads=1,
        )

    try:
        expected = run(all_open(program))
    except EngineError:
        return
    assert same_bits(run(program), expected)


def test_attributes_that_are_given_open_what_they_would_close():
    exits = (Delay(5.0, to="end", name="late"), Delay(2.0, to="end", name="early", when="hurried"))
    made = Pathway("example", "start", (State("start", exits), END), attributes={"hurried": 0.0})
    program = compile_pathway(made, {})
    assert set(stays_of(program, 10).left_months) == {5.0}
    given = pd.DataFrame({"hurried": [0.0, 1.0] * 5})
    assert stays_of(program, 10, attributes=given).left_months.tolist() == [5.0, 2.0] * 5


def test_an_alarm_that_two_states_share_keeps_its_luck():
    """In the first state it has no date, and is drawn all the same; in the second it is the next one."""

    def visit(schedule: Schedule) -> Visit:
        return Visit("scan", schedule, to="end", probability=0.3)

    made = Pathway(
        "example",
        "a",
        (
            State("a", (visit(Schedule("none", "never")), Delay(2.0, to="b", name="on"))),
            State("b", (visit(Schedule("some", 3.0)),)),
            END,
        ),
    )
    program = compile_pathway(made, {"never": inf})
    assert same_bits(stays_of(program), stays_of(all_open(program)))


def test_a_program_keeps_the_values_it_was_compiled_with():
    values = {"wait": 5.0}
    exits = (Delay("wait", to="end", name="over"),)
    program = compile_pathway(Pathway("example", "s", (State("s", exits), END), attributes={"x": 0.0}), values)
    values["wait"] = 9.0
    assert set(stays_of(program, 2, attributes=pd.DataFrame({"x": [1.0, 2.0]})).left_months) == {5.0}


# --- what is closed ---------------------------------------------------------------------------------------------------


def roads(*exits, attributes=None, states=(), telling=(), **more) -> Roads:
    made = Pathway("example", "start", (State("start", exits), *states, END), attributes=attributes or {}, **more)
    return Roads(made, Closing(frozenset(telling)))


def names(found: Roads, state: str = "start") -> list[str]:
    return [part.name for part in found.parts(found._pathway.state(state))]


AT_LAST = Delay(99.0, to="end", name="at last")


@pytest.mark.parametrize(
    ("exit", "telling", "is_open"),
    [
        (Delay(1.0, to="end", name="x", when="zero"), (), False),
        (Delay(1.0, to="end", name="x", when=~when("zero")), (), True),
        (Delay(1.0, to="end", name="x", when=when("zero") | when("any")), (), True),
        (Delay(1.0, to="end", name="x", when=when("zero") & when("any")), (), False),
        (Delay(1.0, to="end", name="x", when=when("any", ">", "limit")), [("limit", inf)], False),
        (Delay(1.0, to="end", name="x", when=when("any", ">", "limit")), (), True),
        (Delay(1.0, to="end", name="x", when=when("any", ">=", "limit")), [("limit", inf)], True),
        (Delay("wait", to="end", name="x"), [("wait", inf)], False),
        (Delay("wait", to="end", name="x"), (), True),
        (Visit("x", Schedule("s", "interval"), to="end"), [("interval", inf)], False),
        (Visit("x", Schedule("s", (("until", inf), (inf, 3.0))), to="end"), (), True),
        (Visit("x", Schedule("s", 3.0), to="end", probability="rate"), [("rate", 0.0)], False),
        (Visit("x", Schedule("s", 3.0), to="end", probability="rate"), [("rate", 1.0)], True),
        (Visit("x", Schedule("s", "interval"), to="end", probability=0.5), [("interval", inf)], True),
    ],
)
def test_an_exit_is_closed_if_nobody_can_take_it(exit, telling, is_open: bool):
    found = roads(exit, AT_LAST, attributes={"zero": 0.0, "any": Normal(0.0, 1.0)}, telling=telling)
    assert names(found) == ["x", "at last"] if is_open else ["at last"]


def test_an_event_that_never_strikes_is_closed():
    made = Pathway(
        "example",
        "start",
        (State("start", (Hazard("x", ("a", "b"), to="end", law_by="any"), AT_LAST)), END),
        attributes={"any": Bernoulli(0.5)},
        laws={"a": Law(laws.Exponential, {"rate_per_month": "rate"}), "b": laws.Exponential(0.0)},
    )
    assert names(Roads(made, Closing(frozenset(), frozenset({"a", "b"})))) == ["at last"]
    assert names(Roads(made, Closing(frozenset(), frozenset({"b"})))) == ["x", "at last"]
    assert compile._closing(made, {"rate": 0.0}, laws.tabulate([laws.Exponential(0.0)]), (0, 0), ()).laws == {"a", "b"}


def test_roads_behind_closed_roads_are_closed_too():
    """What would open the second exit happens in a state that nobody reaches."""
    states = (State("aside", (Delay(1.0, to="start", name="back again", does=(Set("key", 1.0),)),)),)
    exits = (Delay(1.0, to="aside", when="lock", name="to the key"), Delay(2.0, to="end", when="key"), AT_LAST)
    found = roads(*exits, states=states, attributes={"lock": 0.0, "key": 0.0})
    assert names(found) == ["at last"]
    assert found.reached == {"start", "end"}
    assert found.constant == {"lock": 0.0, "key": 0.0}
    found = roads(*exits, states=states, attributes={"lock": Bernoulli(0.5), "key": 0.0})
    assert names(found) == ["to the key", "2.0", "at last"]
    assert found.constant == {}


@pytest.mark.parametrize(
    ("value", "telling", "constant"),
    [
        (3, (), 3.0),
        ("share", (), None),
        ("share", [("share", 1.0)], 1.0),
        (Bernoulli("share"), (), None),
        (Bernoulli("share"), [("share", 0.0)], 0.0),
        (Bernoulli("share"), [("share", 1.0)], 1.0),
        (Ordered(("share", 0.5), lowest=5), [("share", 0.0)], 5.0),
        (Ordered((0.5, "share"), lowest=5), [("share", 0.0)], None),
        (Normal(0.0, 0.0), (), None),
        (Linear({}), (), None),
    ],
)
def test_attributes_are_constant_if_they_start_so(value, telling, constant: float | None):
    found = roads(AT_LAST, attributes={"x": value}, telling=telling)
    assert found.constant.get("x") == constant


@pytest.mark.parametrize(
    ("does", "stays"),
    [
        (Set("x", 1.0), True),
        (Set("x", 2.0), False),
        (Set("x", 2.0, when="y"), True),
        (Set("x", 2.0, when=~when("y")), False),
        (Set("x", Bernoulli(1.0)), False),
        (Add("x", 0.0), True),
        (Add("x", 1.0), False),
    ],
)
def test_attributes_stay_constant_while_nobody_changes_them(does, stays: bool):
    found = roads(Delay(1.0, to="end", does=(does,)), attributes={"x": 1.0, "y": 0.0})
    assert ("x" in found.constant) == stays


def test_an_arm_of_weight_0_is_closed_where_another_takes_the_rest():
    def arms(*made: Arm) -> list[str]:
        branch = State("which", (Branch("which", made),))
        return names(roads(Delay(1.0, to="which"), states=(branch,), telling=[("none", 0.0)]), "which")

    assert arms(Arm("end", "none", name="x"), Arm("end", REST, name="rest")) == ["rest"]
    assert arms(Arm("end", "none", name="x"), Arm("end", "some", name="y")) == ["x", "y"]
    assert arms(Arm("end", 0.5, name="x"), Arm("end", REST, name="rest")) == ["x", "rest"]


def test_what_is_left_of_a_condition():
    found = roads(AT_LAST, attributes={"zero": 0.0, "one": 1.0, "any": Bernoulli(0.5)})
    assert found.left_of(when("one")) == ALWAYS
    assert found.left_of(when("zero")) == NEVER
    assert found.left_of(when("one") & when("any")).clauses == when("any").clauses
    assert found.left_of(when("zero") | when("any")).clauses == when("any").clauses
    assert found.left_of(when("any") | when("one")) == ALWAYS


def test_numbers_of_closed_roads_are_checked_too():
    values = values_of({"hold.rate": 0.0, "liver_directed.effect_of_stopping_on_progression": -1.0})
    with pytest.raises(ValueError, match=r"the hazard ratio 'liver_directed\.effect_of_stopping_on_progression' is -1"):
        compile_pathway(PATHWAY, values)


# --- parameters that nothing asks about -------------------------------------------------------------------------------


def test_parameters_that_are_not_in_use_change_nothing():
    values = values_of({"surgery.delay": 0.0})
    varying = {name for name in PATHWAY.parameters() if values[name] not in (0.0, 1.0, inf)}
    unused = varying - parameters_in_use(PATHWAY, values, varying)
    assert {"transplantation.death", "remnant.growth_time", "neoadjuvant.progression_median"} & set(values) <= unused
    moved = values | {name: 0.9 * values[name] for name in unused}
    assert moved != values
    assert same_bits(stays_of(compile_pathway(PATHWAY, values)), stays_of(compile_pathway(PATHWAY, moved)))


def test_parameters_that_may_have_any_value_close_nothing():
    values = values_of({"surgery.delay": 0.0, "hold.rate": 0.0, "surgery.effect": 1.0})
    assert "hold.duration" not in parameters_in_use(PATHWAY, values, {"hold.duration"})
    assert "hold.duration" in parameters_in_use(PATHWAY, values, {"hold.duration", "hold.rate"})
    assert "surgery.effect" in parameters_in_use(PATHWAY, values, {"surgery.effect"})
    never = values | {"surgery.delay": NEVER_MONTHS, "salvage.share": 0.0}
    assert "sterilisation.rate" in parameters_in_use(PATHWAY, never, {"sterilisation.rate"})


def test_a_program_with_closed_roads_is_the_same_to_a_reader():
    """Names and places of a life are those of the whole pathway."""
    program = compile_pathway(PATHWAY, values_of())
    opened = all_open(program)
    assert program.state_names == opened.state_names
    assert program.exit_names == opened.exit_names
    assert np.array_equal(program.newborn, opened.newborn, equal_nan=True)
