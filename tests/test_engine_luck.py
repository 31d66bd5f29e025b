"""What luck that is looked up by name buys: pairs that differ only where a strategy reaches a patient."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_sim import elementary, laws
from hcc_sim.engine import Program, compile_pathway, simulate_all
from hcc_sim.luck import luck
from hcc_sim.pathway.model import (
    BACK,
    REST,
    Add,
    Arm,
    Bernoulli,
    Branch,
    Delay,
    Epoch,
    Hazard,
    Mark,
    Normal,
    Pathway,
    Schedule,
    Set,
    State,
    Visit,
)

Z = 4.0
"""Width of every tolerance in standard errors; with a fixed seed a test passes always or fails always."""

SEED = 20240502
LARGEST = 2**64 - 1
END = State("end", final=True)
BEGIN: dict[str, Any] = {"epochs": (Epoch("begin"),), "at_start": (Mark("begin"),)}

Stay = tuple[int, str, float, float, str | None, str | None]


def pathway(*states: State, **more: Any) -> Pathway:
    return Pathway(**{"title": "example", "start": states[0].name, "states": (*states, END)} | more)


def lives(
    made: Pathway, patients: int = 2_000, first: int = 0, seed: int = SEED, horizon: float = 600.0, **values: float
) -> list[Stay]:
    """All stays by name: patient, state, entered, left, next state, ended by."""
    program = compile_pathway(made, values)
    s = simulate_all(program, seed=seed, patients=patients, first_patient=first, horizon_months=horizon, threads=1)
    columns = (s.patient, s.state, s.entered_months, s.left_months, s.next_state, s.ended_by)
    states, exits = (*program.state_names, None), (*program.exit_names, None)
    rows = zip(*map(np.ndarray.tolist, columns), strict=True)
    return [(patient, states[a], b, c, states[d], exits[e]) for patient, a, b, c, d, e in rows]


def dates(stays: list[Stay], name: str) -> list[tuple[int, float]]:
    """Patient and time of everything of this name that happened."""
    return [(patient, left) for patient, _, _, left, _, ended_by in stays if ended_by == name]


# --- strategies that change no hazard ---------------------------------------------------------------------------------

EVENTS = ("growth", "primary", "death")


def moving(since: str = "begin") -> Pathway:
    """A patient moves between states when the strategy says so; the same hazards wait for him everywhere."""
    at_risk = (
        Hazard(
            "growth",
            "growth",
            in_place=True,
            since=since,
            scaled_by={"aggressive": 0.8},
            does=(Add("grown", 1.0), Mark("growth")),
        ),
        Hazard("primary", "primary", in_place=True, since="begin", accelerated_by={"aggressive": 0.2}),
        Hazard("death", "death", to="end", since="birth", scaled_by={"grown": 0.6}, hazard_ratios={None: 0.8}),
    )
    look = Visit("look", Schedule("scan", "interval"), to="reading")
    states = (
        State("converted", (Delay("surgery", to="decision"), look, *at_risk)),
        State("decision", (Branch("decision", (Arm("operated", 0.6), Arm("watched", REST))),)),
        State("operated", (*at_risk, Delay(4.0, to="resting"))),
        State("resting", (*at_risk, Delay(2.0, to="decided again"))),
        State("decided again", (Branch("second", (Arm("third"),)),)),
        State("third", (Branch("third", (Arm("watched", 0.5), Arm("operated", 0.5))),)),
        State("watched", (look, *at_risk)),
        State("reading", (Branch("reading", (Arm(BACK, 0.7), Arm("watched", 0.2), Arm("resting", 0.1))),)),
    )
    return pathway(
        *states,
        laws={
            "growth": laws.Weibull(1.4, 25.0),
            "primary": laws.LogNormal(3.5, 0.9),
            "death": laws.Gompertz(0.008, 0.00004),
        },
        attributes={"aggressive": Normal(0.0, 1.0), "grown": 0.0},
        epochs=(Epoch("begin"), Epoch("growth"), Epoch("birth")),
        at_start=(Mark("begin"), Mark("birth", -720.0)),
    )


def test_strategies_that_change_no_hazard_differ_by_exactly_nothing():
    strategies = [
        lives(moving(), surgery=surgery, interval=interval)
        for surgery, interval in ((0.0, 3.0), (3.7, 3.0), (9.8, 2.1), (float("inf"), 50.0))
    ]
    first, *others = strategies
    for other in others:
        assert dates(first, "look") != dates(other, "look")
        assert dates(first, "operated") != dates(other, "operated"), "they do move at different times"
        for event in EVENTS:
            assert dates(first, event) == dates(other, event)
    for event in EVENTS:
        assert len(dates(first, event)) > 1_000


def test_a_clock_that_starts_on_entry_would_be_seen():
    first, other = (lives(moving(since="entry"), surgery=surgery, interval=3.0) for surgery in (0.0, 9.8))
    assert dates(first, "growth") != dates(other, "growth")


# --- the precision that pairs have ------------------------------------------------------------------------------------

RATIO = 0.7
PAIRS = 20_000


def death_dates(move: float, in_second: str, ratio: float = RATIO) -> np.ndarray:
    """When patients die who move at `move` to a state of hazard ratio `ratio`, in which death has this name."""
    states = (
        State("first", (Hazard("death", "law", to="end", since="begin"), Delay(move, to="second", name="move"))),
        State("second", (Hazard(in_second, "law", to="end", since="begin", hazard_ratios={None: ratio}),)),
    )
    program = compile_pathway(pathway(*states, laws={"law": laws.Weibull(1.2, 20.0)}, **BEGIN), {})
    stays = simulate_all(program, seed=SEED, patients=PAIRS, horizon_months=1e6, threads=1)
    return stays.left_months[stays.next_state == program.state_names.index("end")]


def measure() -> dict[str, float]:
    """The paired difference in months between moving at 6 and at 9: its mean and SD, with budgets and drawing anew.

    A name of its own in each state is drawing anew: the distribution of a life is the same, the patient is not.
    """
    found: dict[str, float] = {}
    for how, name in (("budget", "death"), ("anew", "death in the second state")):
        difference = death_dates(6.0, name) - death_dates(9.0, name)
        found[f"mean, {how}"], found[f"sd, {how}"] = float(np.mean(difference)), float(np.std(difference, ddof=1))
    found["ratio of sd"] = found["sd, anew"] / found["sd, budget"]
    found["ratio of patients"] = found["ratio of sd"] ** 2
    print("; ".join(f"{name} {value:.4g}" for name, value in found.items()))
    return found


def test_budgets_make_pairs_far_more_precise_and_change_no_mean():
    found = measure()
    error = sqrt((found["sd, anew"] ** 2 + found["sd, budget"] ** 2) / PAIRS)
    assert Z * error < 0.5 * found["mean, budget"], "too few pairs to see half of the effect"
    assert abs(found["mean, anew"] - found["mean, budget"]) < Z * error
    assert found["ratio of sd"] > 15.0
    assert found["sd, budget"] < 1.0


def test_the_distribution_of_a_life_is_that_of_drawing_anew():
    """The same curve either way: the quantiles differ by what chance allows (Kolmogorov-Smirnov, two samples)."""
    budget, anew = death_dates(6.0, "death"), death_dates(6.0, "death in the second state")

    def distance(other: np.ndarray) -> float:
        both = np.sort(np.r_[budget, other])
        ranks = [np.searchsorted(np.sort(times), both, side="right") / len(times) for times in (budget, other)]
        return float(np.max(abs(ranks[0] - ranks[1])))

    band = sqrt(-np.log(3.2e-5) / PAIRS)  # at the probability of Z standard errors
    assert band < 0.025, "too few draws to see a distance of 2.5 percentage points"
    assert distance(anew) < band
    assert distance(death_dates(6.0, "death in the second state", ratio=0.8)) > band


# --- what is added changes nobody else --------------------------------------------------------------------------------


def followed(*, further_state: bool = False, further_event: bool = False) -> Pathway:
    """Some of everything, with or without a state that nobody comes to and an event that changes nothing."""
    cough = (Hazard("cough", "cough", in_place=True, does=(Add("coughs", 1.0),)),) if further_event else ()
    spells = (Arm("spell", 0.0, does=(Set("treated", 9.0),)),) if further_state else ()
    spell = State(
        "spell", (Hazard("spell", "growth", to="watched"), Visit("spell look", Schedule("spell", 1.0), to="end"))
    )
    scan = Schedule("scan", 3.0, scatter=0.5)
    states = (
        *((State("cold spell", (Branch("cold spell", (Arm("spell"),)),)),) if further_state else ()),
        *((spell,) if further_state else ()),
        State(
            "watched",
            (
                *cough,
                Hazard(
                    "growth", "growth", in_place=True, scaled_by={"size": 0.5}, does=(Mark("growth"), Add("seen", 1.0))
                ),
                Visit("alarm", scan, to="reading", probability=0.1),
                Visit("look", scan, to="reading"),
                Hazard("death", "death", to="end"),
            ),
        ),
        State(
            "reading",
            (
                Branch(
                    "reading",
                    (
                        *((Arm("cold spell", 0.0),) if further_state else ()),
                        Arm(BACK, 0.6, "missed"),
                        Arm("treated", 0.3, shifted_by={"size": 0.4}),
                        *spells,
                        Arm("watched", REST, "again"),
                    ),
                ),
            ),
        ),
        State(
            "treated",
            (*cough, Delay(7.0, to="watched"), Hazard("death", "death", to="end", hazard_ratios={None: 2.0})),
            (Set("treated", Bernoulli(0.5)), Add("size", Normal(0.0, 0.1))),
        ),
    )
    return pathway(
        *states,
        start="watched",
        laws={
            **({"cough": laws.Exponential(0.3)} if further_event else {}),
            "growth": laws.Weibull(1.3, 12.0),
            "death": laws.Exponential(0.03),
        },
        attributes={
            **({"coughs": 0.0} if further_event else {}),
            "size": Normal(0.0, 1.0),
            "treated": 0.0,
            "seen": 0.0,
        },
        epochs=(*((Epoch("cough"),) if further_event else ()), Epoch("growth", first=True)),
    )


def test_a_further_state_with_a_way_in_of_probability_0_changes_no_bit():
    plain, further = lives(followed()), lives(followed(further_state=True))
    assert len(plain) > 20_000
    assert further == plain


def test_a_way_back_of_probability_0_changes_no_bit():
    """Budgets that need not be kept from stay to stay are the same numbers as those that must."""

    def road(*back: Arm) -> Pathway:
        exits = (
            Hazard("growth", ("weibull", "normal"), to="seen", law_by="kind", scaled_by={"x": 0.5}),
            Hazard("death in the first", "gompertz", to="end", since="begin", accelerated_by={"x": 0.3}),
        )
        choice = Branch("choice", (*back, Arm("treated", 0.7), Arm("end", REST, "gone")))
        states = (
            State("watched", exits),
            State("seen", (choice,)),
            State("treated", (Hazard("death in the second", "gompertz", to="end", since="begin"),)),
        )
        return pathway(
            *states,
            laws={
                "weibull": laws.Weibull(1.3, 12.0),
                "normal": laws.LogNormal(2.0, 1.0),
                "gompertz": laws.Gompertz(0.01, 0.02),
            },
            attributes={"x": Normal(0.0, 1.0), "kind": Bernoulli(0.5)},
            **BEGIN,
        )

    plain = lives(road())
    assert len(dates(plain, "death in the second")) > 500
    assert lives(road(Arm("watched", 0.0, "never"))) == plain
    assert lives(road(Arm(BACK, 0.0, "never"))) == plain


def test_a_further_event_changes_nobody_elses_luck():
    plain, further = lives(followed()), lives(followed(further_event=True))
    assert len(dates(further, "cough")) > 10_000
    for name in ("growth", "death", "look", "alarm", "missed", "treated", "again"):
        assert dates(further, name) == dates(plain, name)
        assert len(dates(plain, name)) > 500


def test_patients_whom_a_treatment_cannot_reach_have_identical_histories():
    def offered(ratio: float) -> list[Stay]:
        treatment = Hazard("death", "law", to="end", hazard_ratios={"responds": ratio})
        states = (
            State("sorted", (Branch("sorting", (Arm("responders", 1.0, when="responds"), Arm("others", REST))),)),
            State("responders", (treatment, Delay(5.0, to="after"))),
            State("others", (treatment, Delay(5.0, to="after"))),
            State("after", (Hazard("death", "law", to="end"),)),
        )
        return lives(pathway(*states, laws={"law": laws.Gompertz(0.02, 0.02)}, attributes={"responds": Bernoulli(0.4)}))

    def by_patient(stays: list[Stay]) -> dict[int, list[Stay]]:
        grouped: dict[int, list[Stay]] = {}
        for stay in stays:
            grouped.setdefault(stay[0], []).append(stay)
        return grouped

    untreated, treated = by_patient(offered(1.0)), by_patient(offered(0.5))
    reached = [patient for patient, life in untreated.items() if life[0][4] == "responders"]
    others = [patient for patient in untreated if patient not in set(reached)]
    assert min(len(reached), len(others)) > 700
    assert all(untreated[patient] == treated[patient] for patient in others)
    assert all(untreated[patient] != treated[patient] for patient in reached)


LAWS = st.one_of(
    st.builds(laws.Exponential, st.floats(0.001, 1.0)),
    st.builds(laws.Weibull, st.floats(0.3, 4.0), st.floats(1.0, 200.0)),
    st.builds(laws.Gompertz, st.floats(-0.05, 0.05), st.floats(0.001, 0.2)),
    st.builds(laws.LogNormal, st.floats(0.0, 5.0), st.floats(0.2, 2.0)),
    st.builds(
        laws.PiecewiseExponential,
        st.just((0.0, 3.0, 10.0, 40.0)),
        st.tuples(*[st.floats(0.0, 0.5)] * 3, st.floats(0.001, 0.5)),
    ),
)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(
    LAWS | st.builds(laws.CuredShare, LAWS, st.floats(0.01, 0.9)),
    st.floats(0.05, 1.0),
    st.floats(0.0, 30.0),
    st.booleans(),
    st.floats(0.0, 60.0),
)
def test_a_hazard_ratio_below_1_makes_the_event_no_earlier_for_anybody(
    law: laws.Law, ratio: float, move: float, first: bool, began: float
):
    def times(here: float) -> np.ndarray:
        ratios = (here, 1.0) if first else (1.0, here)
        death = [Hazard("death", "law", to="end", since="begin", hazard_ratios={None: r}) for r in ratios]
        states = (State("first", (death[0], Delay(move, to="second"))), State("second", (death[1],)))
        made = pathway(*states, laws={"law": law}, epochs=(Epoch("begin"),), at_start=(Mark("begin", -began),))
        stays = simulate_all(compile_pathway(made, {}), seed=SEED, patients=200, horizon_months=1e5, threads=1)
        return stays.left_months[np.r_[np.diff(stays.patient) > 0, True]]

    without, protected, harmed = times(1.0), times(ratio), times(1.0 / ratio)
    rounding = 1e-9 * (without + began)  # the inverse of a law is not monotone to the last bit
    assert np.all(protected >= without - rounding)
    assert np.all(harmed <= without + rounding)
    if not first:
        assert np.array_equal(protected[without < move], without[without < move])


# --- addresses --------------------------------------------------------------------------------------------------------


def program_of(law: laws.Law) -> Program:
    return compile_pathway(pathway(State("start", (Hazard("death", "law", to="end"),)), laws={"law": law}), {})


@pytest.mark.parametrize("seed", [0, 1, 2**32, LARGEST])
@pytest.mark.parametrize("first", [0, 2**32 - 3, 2**33, 2**63 + 1, 2**64 - 6])
def test_an_event_strikes_when_its_own_number_says(seed: int, first: int):
    law = laws.Weibull(1.3, 20.0)
    stays = simulate_all(program_of(law), seed=seed, patients=6, first_patient=first, horizon_months=1e6, threads=1)
    assert stays.patient.tolist() == list(range(first, first + 6))
    for patient, left in zip(stays.patient.tolist(), stays.left_months, strict=True):
        budget = -float(elementary.log(luck(seed, patient, "event:death", 0)))
        assert left == law.inverse_cumulative_hazard(budget)


def test_seeds_and_patients_differ():
    law = laws.Exponential(0.05)
    seeds = (0, 1, 2**32, 2**32 + 1, 2**63, LARGEST)
    firsts = (0, 2**32, 2**33, 2**63)
    found = {
        tuple(simulate_all(program_of(law), seed=seed, patients=3, first_patient=first, horizon_months=1e6).left_months)
        for seed in seeds
        for first in firsts
    }
    assert len(found) == len(seeds) * len(firsts)


@pytest.mark.parametrize("seed", [0, LARGEST])
@pytest.mark.parametrize("first", [0, 2**32 - 1_500, 2**33])
def test_a_patient_can_be_replayed_alone(seed: int, first: int):
    together = lives(followed(), patients=3_000, first=first, seed=seed)
    for patient in (first, first + 1, first + 999, first + 1_000, first + 1_501, first + 2_999):
        alone = lives(followed(), patients=1, first=patient, seed=seed)
        assert alone == [stay for stay in together if stay[0] == patient]
    assert lives(followed(), patients=1_700, first=first + 700, seed=seed) == [
        stay for stay in together if first + 700 <= stay[0] < first + 2_400
    ]
