"""A trial arm read off the stays: five lives written by hand, then an arm that is simulated, read a second time."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from hcc_sim.calibration.trial import HORIZON_MONTHS, Arm, arm_of, simulate_arm, survival_at
from hcc_sim.engine import Program, compile_pathway, simulate_all
from hcc_sim.history import Stays
from hcc_sim.parameters import load_calibration
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.pathway.model import Pathway
from hcc_sim.scenario import hcc_pathway_of

CALIBRATION = Path(__file__).parents[1] / "calibration"
INF = np.inf


@pytest.fixture(scope="module")
def values() -> dict[str, float]:
    return load_calibration(CALIBRATION).parameters.values_only()


@pytest.fixture(scope="module")
def pathway() -> Pathway:
    return hcc_pathway_of(load_calibration(CALIBRATION))


@pytest.fixture(scope="module")
def program(pathway: Pathway, values: dict[str, float]) -> Program:
    return compile_pathway(pathway, values)


# --- five lives -------------------------------------------------------------------------------------------------------

Life = list[tuple[str, float, float, str, str]]
"""Stays: state, entered, left, ended by, next state; empty names where the horizon ended one."""


def at(months: float, *steps: tuple[str, str, str]) -> Life:
    """Branches, which take no time: state, ended by, next state."""
    return [(state, months, months, by, to) for state, by, to in steps]


def seen(months: float, *steps: tuple[str, str, str]) -> Life:
    return at(months, ("what the visit shows", "seen on the scan", "disease seen"), *steps)


def until(state: str, entered: float, left: float, by: str, to: str) -> Life:
    return [(state, entered, left, by, to)]


NEXT_LINE = ("beyond cure", "next line", "next-line therapy")


def converts(response: float, conversion: float, operation: float) -> Life:
    """From the start to the operation, without anything seen."""
    return [
        *at(0, ("start of therapy", "will respond", "on conversion therapy")),
        *until("on conversion therapy", 0, response, "response", "depth of response"),
        *at(response, ("depth of response", "can become resectable", "responding")),
        *until("responding", response, conversion, "assessment", "resection criteria"),
        *at(conversion, ("resection criteria", "criteria met", "treated tumour")),
        *at(conversion, ("treated tumour", "treated tumour viable", "elsewhere")),
        *at(conversion, ("elsewhere", "no occult disease", "converted")),
        *until("converted", conversion, operation, "date for surgery", "candidate"),
        *at(operation, ("candidate", "no test", "surgical decision")),
        *at(operation, ("surgical decision", "accepts surgery", "wash-out")),
        *until("wash-out", operation, operation, "drugs washed out", "awaiting surgery"),
        *until("awaiting surgery", operation, operation, "theatre slot", "kind of treatment"),
        *at(operation, ("kind of treatment", "resected", "resection")),
    ]


def recovers(months: float, specimen: str) -> Life:
    return at(
        months,
        ("resection", "survives the operation", "what the surgeon finds"),
        ("what the surgeon finds", "nothing unseen elsewhere", "margin"),
        ("margin", "R0", "specimen"),
        ("specimen", specimen, "recovery"),
        ("recovery", "no major complication", "adjuvant decision"),
        ("adjuvant decision", "may have adjuvant therapy", "adjuvant offer"),
        ("adjuvant offer", "no adjuvant therapy", "disease left behind"),
        ("disease left behind", "no relapse treated: as it was", "after surgery"),
    )


PROGRESSES: Life = [
    *at(0, ("start of therapy", "will not respond", "on conversion therapy")),
    *until("on conversion therapy", 0, 6, "therapy scan", "what the visit shows"),
    *seen(6, ("disease seen", "progression seen", "beyond cure"), NEXT_LINE),
    *until("next-line therapy", 6, 14.5, "death of cancer", "dead of cancer"),
]
DIES_AT_OPERATION: Life = [
    *converts(2, 4, 6),
    *at(6, ("resection", "perioperative death", "dead around an operation")),
]
RELAPSES_TWICE: Life = [
    *converts(1, 3, 5),
    *recovers(5, "pathological complete response"),
    *until("after surgery", 5, 30, "follow-up scan", "what the visit shows"),
    *seen(30, ("disease seen", "relapse seen after surgery", "relapse after surgery")),
    *at(
        30,
        ("relapse after surgery", "curative treatment again", "curative treatment again"),
        ("curative treatment again", "relapse removed", "disease left behind"),
        ("disease left behind", "no occult disease now", "after surgery"),
    ),
    *until("after surgery", 30, 50, "follow-up scan", "what the visit shows"),
    *seen(50, ("disease seen", "relapse seen after surgery", "relapse after surgery")),
    *at(
        50,
        ("relapse after surgery", "curative treatment again", "curative treatment again"),
        ("curative treatment again", "relapse removed", "disease left behind"),
        ("disease left behind", "no occult disease now", "after surgery"),
    ),
    *until("after surgery", 50, 55, "decompensation", "decompensated liver"),
    *until("decompensated liver", 55, 61, "death of liver failure", "dead of liver failure"),
]
LIVES_ON: Life = [
    *converts(2.5, 8, 9),
    *recovers(9, "viable tumour in the specimen"),
    *until("after surgery", 9, HORIZON_MONTHS, "", ""),
]
ABANDONED: Life = [
    *converts(3, 4, 7)[:-6],
    *until("converted", 4, 12, "watching scan", "what the visit shows"),
    *seen(12, ("disease seen", "relapse seen while watched", "relapse while watched")),
    *at(12, ("relapse while watched", "salvage surgery offered", "salvage decision")),
    *at(12, ("salvage decision", "accepts salvage", "wash-out")),
    *until("wash-out", 12, 12.5, "drugs washed out", "awaiting surgery"),
    *until("awaiting surgery", 12.5, 13, "theatre slot", "kind of treatment"),
    *at(13, ("kind of treatment", "resected", "resection")),
    *at(13, ("resection", "survives the operation", "what the surgeon finds")),
    *at(13, ("what the surgeon finds", "found elsewhere", "found at surgery")),
    *at(13, ("found at surgery", "operation abandoned", "beyond cure")),
    *at(13, ("beyond cure", "too ill for more", "supportive care")),
    *until("supportive care", 13, 20, "death of other causes", "dead of other causes"),
]
FIVE = (PROGRESSES, DIES_AT_OPERATION, RELAPSES_TWICE, LIVES_ON, ABANDONED)

READ = {
    "death": [14.5, 6, 61, INF, 20],
    "progression": [6, INF, 30, INF, 12],
    "response": [INF, 2, 1, 2.5, 3],
    "conversion": [INF, 4, 3, 8, 4],
    "operation": [INF, 6, 5, 9, 13],
    "resection": [INF, INF, 5, 9, INF],
    "recurrence": [INF, INF, 30, INF, INF],
    "repeat": [INF, INF, 30, INF, INF],
    "complete_pathological_response": [False, False, True, False, False],
    "of_other_causes": [False, False, False, False, True],
}


def record(program: Program, lives: tuple[Life, ...]) -> Stays:
    rows = [(patient, *stay) for patient, life in enumerate(lives) for stay in life]
    patient, state, entered, left, by, to = zip(*rows, strict=True)
    return Stays(
        np.array(patient, np.uint64),
        np.array([program.state_names.index(name) for name in state], np.int16),
        np.array(entered, np.float64),
        np.array(left, np.float64),
        np.array([program.state_names.index(name) if name else -1 for name in to], np.int16),
        np.array([program.exit_names.index(name) if name else -1 for name in by], np.int16),
    )


@pytest.mark.parametrize("life", FIVE)
def test_the_lives_are_lives_of_the_pathway(pathway: Pathway, life: Life):
    """Each stay ends by an exit of its state that leads where the next one is."""
    for (_, _, left, _, to), (state, entered, *_) in pairwise(life):
        assert (to, left) == (state, entered)
    assert life[-1][-1] in (*DEATHS, "")
    for state, entered, left, by, to in life:
        leads = set()
        for exit in pathway.exits_of(pathway.state(state)):
            leads |= {(part.name, part.to) for part in getattr(exit, "arms", (exit,))}
        assert not by or (by, to) in leads, state
        assert (pathway.state(state).branch is None) or entered == left


@pytest.mark.parametrize("name", READ)
def test_five_lives(program: Program, name: str):
    arm = arm_of(record(program, FIVE), program, 5)
    assert_array_equal(getattr(arm, name), READ[name])


def test_every_time_of_an_arm_is_in_the_table():
    assert [field.name for field in fields(Arm)] == list(READ)


def test_what_follows_from_them(program: Program):
    arm = arm_of(record(program, FIVE), program, 5)
    assert arm.patients == 5
    assert_array_equal(arm.failure, [6, 6, 30, INF, 12])
    assert [survival_at(arm.death, months) for months in (0, 6, 14.4, 14.5, 60, 61, 120)] == [
        1.0, 0.8, 0.8, 0.6, 0.4, 0.2, 0.2,
    ]  # fmt: skip


def test_each_patient_alone_reads_the_same(program: Program):
    for patient, life in enumerate(FIVE):
        arm = arm_of(record(program, (life,)), program, 1)
        assert [getattr(arm, name)[0] for name in READ] == [column[patient] for column in READ.values()]


def test_patients_without_a_stay(program: Program):
    arm = arm_of(record(program, FIVE), program, 7)
    assert arm.patients == 7
    assert np.isinf(arm.death[5:]).all()


def test_a_complete_response_of_a_second_specimen_does_not_count(program: Program):
    """At the first resection there was viable tumour."""
    twice = [*LIVES_ON[:-1], *recovers(40, "pathological complete response")]
    arm = arm_of(record(program, (twice,)), program, 1)
    assert (arm.resection[0], arm.complete_pathological_response[0]) == (9, False)


@pytest.mark.parametrize("death", DEATHS)
def test_every_death_is_one(program: Program, death: str):
    life = [*PROGRESSES[:-1], *until("next-line therapy", 6, 14.5, "death of cancer", death)]
    assert arm_of(record(program, (life,)), program, 1).death[0] == 14.5


def test_a_move_to_another_state_is_no_death(program: Program):
    life = [*PROGRESSES[:-1], *until("next-line therapy", 6, 14.5, "decompensation", "decompensated liver")]
    assert np.isinf(arm_of(record(program, (life,)), program, 1).death[0])


# --- a simulated arm --------------------------------------------------------------------------------------------------

PATIENTS, SEED = 2000, 11


@pytest.fixture(scope="module")
def favourable(values: dict[str, float]) -> dict[str, float]:
    """So that every event happens to many."""
    return values | {
        "response.probability": 0.7,
        "conversion.convertible_share": 0.7,
        "surgery.delay": 1.0,
        "resection.death": 0.08,
        "progression.median_of_non_responders": 8.0,
    }


@pytest.fixture(scope="module")
def arm(pathway: Pathway, favourable: dict[str, float]) -> Arm:
    return simulate_arm(pathway, favourable, seed=SEED, patients=PATIENTS)


def test_times_come_in_order(arm: Arm):
    order = ("response", "conversion", "operation", "resection", "recurrence", "repeat")
    for earlier, later in pairwise(order):
        before, after = getattr(arm, earlier), getattr(arm, later)
        reached = np.isfinite(after)
        assert np.count_nonzero(reached) > 50, later
        assert np.count_nonzero(np.isfinite(before) & ~reached) > 20, later  # and not by everybody
        assert (before[reached] <= after[reached]).all(), later
    assert (arm.conversion < arm.operation)[np.isfinite(arm.operation)].all()
    assert (arm.resection < arm.recurrence)[np.isfinite(arm.recurrence)].all()


def test_death_comes_after_everything(arm: Arm):
    died = np.isfinite(arm.death)
    assert 0.3 < died.mean() < 1.0
    assert (arm.death <= HORIZON_MONTHS)[died].all()
    for name in ("progression", "response", "conversion", "operation", "resection", "recurrence", "repeat"):
        times = getattr(arm, name)
        happened = np.isfinite(times)
        assert (times[happened] >= 0).all()
        assert (times[happened] <= HORIZON_MONTHS).all(), name
        assert (times[happened] <= arm.death[happened]).all(), name
    assert (arm.failure <= arm.death).all()


def test_flags_fit_the_times(arm: Arm):
    resected, operated = np.isfinite(arm.resection), np.isfinite(arm.operation)
    assert_array_equal(arm.resection[resected], arm.operation[resected])  # an operation takes no time
    complete = arm.complete_pathological_response
    assert complete.dtype == bool
    assert 50 < np.count_nonzero(complete) < np.count_nonzero(resected) - 50
    assert resected[complete].all()
    around = operated & (arm.death == arm.operation)
    assert np.count_nonzero(around) > 10
    assert not resected[around].any()
    relapsed = np.isfinite(arm.recurrence)
    assert (arm.progression <= arm.recurrence)[relapsed].all()  # seen before, or then


def test_read_again_from_the_table_of_stays(pathway: Pathway, favourable: dict[str, float], arm: Arm):
    """With pandas, by the names of states."""
    program = compile_pathway(pathway, favourable)
    stays = simulate_all(program, seed=SEED, patients=PATIENTS, horizon_months=HORIZON_MONTHS, threads=1)
    table = stays.to_frame(program.state_names, program.exit_names)

    def first(rows: pd.Series, column: str) -> np.ndarray:
        return table[rows].groupby("patient")[column].min().reindex(range(PATIENTS)).fillna(INF).to_numpy()

    entered = {
        "progression": "disease seen",
        "response": "depth of response",
        "conversion": "treated tumour",
        "operation": "resection",
        "resection": "margin",
        "recurrence": "relapse after surgery",
        "repeat": "curative treatment again",
    }
    resected = np.isfinite(first(table.state == "margin", "entered_months"))
    for name, state in entered.items():
        times = first(table.state == state, "entered_months")
        if name in ("recurrence", "repeat"):  # not those after a second conversion
            assert np.isfinite(times[~resected]).any()
            times = np.where(resected, times, INF)
        assert_array_equal(getattr(arm, name), times)
    others = set(table.patient[table.next_state == "dead of other causes"])
    assert set(np.flatnonzero(arm.of_other_causes)) == others
    assert_array_equal(arm.death, first(table.next_state.isin(DEATHS), "left_months"))
    complete = set(table.patient[table.ended_by == "pathological complete response"])
    assert set(np.flatnonzero(arm.complete_pathological_response)) == complete


def test_the_same_seed_is_the_same_arm(pathway: Pathway, favourable: dict[str, float], arm: Arm):
    again = simulate_arm(pathway, favourable, seed=SEED, patients=PATIENTS, threads=2)
    other = simulate_arm(pathway, favourable, seed=SEED + 1, patients=PATIENTS)
    few = simulate_arm(pathway, favourable, seed=SEED, patients=100)
    for field in fields(Arm):
        assert_array_equal(getattr(again, field.name), getattr(arm, field.name))
        assert_array_equal(getattr(few, field.name), getattr(arm, field.name)[:100])
    assert (other.death != arm.death).any()
