"""The engine against closed forms and dates worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf, log, nextafter, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import integrate, linalg, stats

from hcc_sim import laws
from hcc_sim.engine import attributes_at_start, compile_pathway, simulate_all
from hcc_sim.history import HORIZON, NO_STATE, Stays
from hcc_sim.luck import luck
from hcc_sim.pathway.model import (
    BACK,
    REST,
    Action,
    Add,
    Arm,
    Bernoulli,
    Branch,
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
    Schedule,
    Service,
    Set,
    State,
    TimeSince,
    Uniform,
    Value,
    Visit,
    when,
)

Z = 4.0
"""Width of every tolerance in standard errors; with a fixed seed a test passes always or fails always."""

SEED = 20240502
PATIENTS = 100_000
END = State("end", final=True)
ROOT = Path(__file__).parents[1]


# --- simulating and comparing -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Stays, read by name."""

    stays: Stays
    states: tuple[str, ...]
    exits: tuple[str, ...]

    def ended_by(self, name: str) -> np.ndarray:
        return self.stays.ended_by == self.exits.index(name)

    def within(self, name: str) -> np.ndarray:
        return self.stays.state == self.states.index(name)

    def led_to(self, name: str) -> np.ndarray:
        return self.stays.next_state == self.states.index(name)

    def left(self, name: str) -> np.ndarray:
        """When stays were left by this exit."""
        return self.stays.left_months[self.ended_by(name)]

    def life(self) -> list[tuple[str, float, float, str | None, str | None]]:
        """The stays as a person would write them down."""
        s, states, exits = self.stays, (*self.states, None), (*self.exits, None)
        columns = (s.state, s.entered_months, s.left_months, s.next_state, s.ended_by)
        return [
            (states[a], b, c, states[d], exits[e])
            for a, b, c, d, e in zip(*map(np.ndarray.tolist, columns), strict=True)
        ]


def simulated(*states: State, patients: int = PATIENTS, horizon: float = 1e6, first: int = 0, **more: Any) -> Run:
    pathway = Pathway(title="example", start=states[0].name, states=(*states, END), **more)
    program = compile_pathway(pathway, {})
    stays = simulate_all(program, seed=SEED, patients=patients, first_patient=first, horizon_months=horizon, threads=1)
    return Run(stays, program.state_names, program.exit_names)


def one_life(*states: State, horizon: float = 100.0, patient: int = 0, **more: Any) -> list[tuple]:
    return simulated(*states, patients=1, first=patient, horizon=horizon, **more).life()


def agrees(found: float, expected: float, standard_error: float, smallest_error: float) -> bool:
    """Whether a number is as expected, with so many draws that `smallest_error` would be seen."""
    assert Z * standard_error < smallest_error, f"too few draws to see such an error: {Z * standard_error}"
    return abs(found - expected) < Z * standard_error


def mean_agrees(sample: np.ndarray, expected: float, smallest_error: float) -> bool:
    return agrees(np.mean(sample), expected, np.std(sample, ddof=1) / sqrt(len(sample)), smallest_error)


def share_agrees(hits: np.ndarray, expected: float, smallest_error: float = 0.01) -> bool:
    return agrees(np.mean(hits), expected, sqrt(expected * (1.0 - expected) / len(hits)), smallest_error)


def curve_agrees(times: np.ndarray, survival: Any, smallest_distance: float = 0.01) -> bool:
    """Kolmogorov and Smirnov: P(D > d) is close to 2 exp(-2 n d^2), here that of Z standard errors."""
    n = len(times)
    band = sqrt(log(2.0 / (2.0 * stats.norm.sf(Z))) / 2.0 / n)
    assert band < smallest_distance, "too few draws to see such a distance"
    ordered = np.sort(times)
    share = 1.0 - survival(ordered)
    ranks = np.arange(n + 1) / n
    return max(np.max(ranks[1:] - share), np.max(share - ranks[:-1])) < band


def counts_agree(found: np.ndarray, expected: np.ndarray) -> bool:
    """Pearson's chi-square, at the probability of Z standard errors."""
    assert expected.min() > 5.0
    statistic = np.sum((found - expected) ** 2 / expected)
    return statistic < stats.chi2.isf(2.0 * stats.norm.sf(Z), len(expected) - 1)


# --- laws and budgets -------------------------------------------------------------------------------------------------


def test_competing_exponentials_split_by_rate():
    rates = {"cancer": 0.02, "liver": 0.05, "other": 0.03}
    exits = tuple(Hazard(name, name, to="end") for name in rates)
    run = simulated(State("start", exits), laws={name: laws.Exponential(rate) for name, rate in rates.items()})
    times = run.stays.left_months
    assert curve_agrees(times, laws.Exponential(0.10).survival)
    assert not curve_agrees(times, laws.Exponential(0.102).survival)
    for name, rate in rates.items():
        assert share_agrees(run.ended_by(name), rate / 0.10)
        assert not share_agrees(run.ended_by(name), 1.0 / 3.0)
        assert curve_agrees(run.left(name), laws.Exponential(0.10).survival, 0.02), (
            "the cause tells nothing of the time"
        )
        assert not curve_agrees(run.left(name), laws.Exponential(rate).survival, 0.02)


def test_a_weibull_whose_clock_started_earlier_is_conditional():
    law = laws.Weibull(1.7, 30.0)
    start = State("start", (Hazard("death", "law", to="end", since="diagnosis"),))
    run = simulated(start, laws={"law": law}, epochs=(Epoch("diagnosis"),), at_start=(Mark("diagnosis", -18.0),))
    assert curve_agrees(run.stays.left_months, lambda t: law.survival(18.0 + t) / law.survival(18.0))
    assert not curve_agrees(run.stays.left_months, law.survival)
    assert not curve_agrees(run.stays.left_months, lambda t: law.survival(20.0 + t) / law.survival(20.0))


def test_a_cured_share_is_a_plateau():
    law = laws.CuredShare(laws.Exponential(0.2), 0.37)
    run = simulated(State("start", (Hazard("death", "law", to="end"),)), laws={"law": law}, horizon=1200.0)
    never = run.stays.ended_by == HORIZON
    assert share_agrees(never, 0.37)
    assert not share_agrees(never, 0.36, 0.0099)
    dead_times = run.stays.left_months[~never]
    assert curve_agrees(dead_times, laws.Exponential(0.2).survival), "the others follow the law"
    for months in (1.0, 3.0, 10.0):
        assert share_agrees(run.stays.left_months > months, 0.37 + 0.63 * exp(-0.2 * months))


def test_a_hazard_ratio_under_a_cured_share_multiplies_the_hazard_of_all():
    law = laws.CuredShare(laws.Exponential(0.2), 0.37)
    death = Hazard("death", "law", to="end", hazard_ratios={None: 0.5})
    run = simulated(State("start", (death,)), laws={"law": law}, horizon=1200.0)
    never = run.stays.ended_by == HORIZON
    assert share_agrees(never, 0.37**0.5)
    assert not share_agrees(never, 0.37), "the ratio would act on the others only"


def test_a_budget_is_spent_across_states_as_a_piecewise_exponential():
    rate = 0.08

    def death(ratio: float) -> Hazard:
        return Hazard("death", "law", to="end", hazard_ratios={None: ratio})

    states = (
        State("treated", (death(1.0), Delay(6.0, to="better"))),
        State("better", (death(0.4), Delay(6.0, to="safe"))),
        State("safe", (Delay(6.0, to="worse"),)),
        State("worse", (death(2.5),)),
    )
    times = simulated(*states, laws={"law": laws.Exponential(rate)}).left("death")
    assert len(times) == PATIENTS

    def survival(*ratios: float) -> Any:
        return laws.PiecewiseExponential((0.0, 6.0, 12.0, 18.0), tuple(rate * ratio for ratio in ratios)).survival

    assert curve_agrees(times, survival(1.0, 0.4, 0.0, 2.5))
    assert not curve_agrees(times, survival(1.0, 0.45, 0.0, 2.5))
    assert not curve_agrees(times, survival(1.0, 1.0, 0.0, 2.5)), "the ratio left out on leaving"
    # and patient by patient: what is left of -log U is spent at the rate of the state he is in
    for patient in range(200):
        left, date = -log(luck(SEED, patient, "event:death", 0)), 0.0
        for ratio, length in ((1.0, 6.0), (0.4, 6.0), (0.0, 6.0), (2.5, inf)):
            step = min(left / (rate * ratio) if ratio else inf, length)
            date, left = date + step, left - step * rate * ratio
            if step < length:
                break
        assert times[patient] == pytest.approx(date, rel=1e-9)


def test_an_event_that_strikes_again_is_a_poisson_process():
    """Each time with a number of its own; the law counts from an epoch, so the rate goes on as if nothing had been."""
    law = laws.Weibull(1.5, 10.0)
    state = State("start", (Hazard("growth", "law", in_place=True, since="begin"), Delay(18.0, to="end", name="over")))
    run = simulated(state, laws={"law": law}, epochs=(Epoch("begin"),), at_start=(Mark("begin"),))
    strikes = np.bincount(run.stays.patient.astype(int)) - 1
    expected = law.cumulative_hazard(18.0)
    assert counts_agree(np.bincount(strikes, minlength=9)[:9], PATIENTS * stats.poisson.pmf(np.arange(9), expected))
    assert not counts_agree(
        np.bincount(strikes, minlength=9)[:9], PATIENTS * stats.poisson.pmf(np.arange(9), 1.02 * expected)
    )


def test_a_budget_rests_while_the_patient_is_away_and_goes_on_when_he_is_back():
    states = (
        State("at risk", (Hazard("death", "law", to="end"), Delay(6.0, to="away"))),
        State("away", (Delay(4.0, to="at risk"),)),
    )
    dates = simulated(*states, laws={"law": laws.Exponential(0.08)}).left("death")
    at_risk = 6.0 * np.floor(dates / 10.0) + dates % 10.0
    assert np.all(dates % 10.0 <= 6.0)
    assert curve_agrees(at_risk, laws.Exponential(0.08).survival)
    assert not curve_agrees(dates, laws.Exponential(0.08).survival)


AGED = laws.Weibull(2.0, 20.0)
AT_RISK = Hazard("death", "law", to="end", since="begin")
IF_ON = Hazard("death", "law", to="end", since="begin", when="on")


def at(months: float, to: str | None, **more: Any) -> Delay:
    return Delay(months, to=to, since="begin", name=f"at {months:g}", **more)


def takes(name: str, *arms: Arm) -> State:
    return State(name, (Branch(name, arms),))


AWAY = State("away", (at(8.0, "again"),))
SWITCH_OFF = (Set("on", 0.0),)

RESTS = {
    "in a state without the event": (State("at risk", (AT_RISK, at(5.0, "away"))), AWAY),
    "in two such states, one after the other": (
        State("at risk", (AT_RISK, at(5.0, "near"))),
        State("near", (at(6.0, "far"),)),
        State("far", (at(7.0, "away"),)),
        AWAY,
    ),
    "behind a branch": (State("at risk", (AT_RISK, at(5.0, "choice"))), takes("choice", Arm("away", 1.0)), AWAY),
    "behind two branches": (
        State("at risk", (AT_RISK, at(5.0, "choice"))),
        takes("choice", Arm("second", 1.0)),
        takes("second", Arm("away", 0.5, "a"), Arm("away", REST, "b")),
        AWAY,
    ),
    "where its condition fails": (
        State("at risk", (AT_RISK, at(5.0, "off", does=SWITCH_OFF))),
        State("off", (IF_ON, at(8.0, "again"))),
    ),
    "in the same state, when its condition falls": (
        State("at risk", (IF_ON, at(5.0, None, in_place=True, when="on", does=SWITCH_OFF), at(8.0, "again"))),
    ),
    "in the same state, back from a branch": (
        State("at risk", (IF_ON, at(5.0, "choice", when="on"), at(8.0, "again", when=~when("on")))),
        takes("choice", Arm(BACK, 1.0, does=SWITCH_OFF)),
    ),
}


@pytest.mark.parametrize("states", RESTS.values(), ids=RESTS.keys())
def test_a_budget_rests_wherever_a_patient_is_not_at_risk(states: tuple[State, ...]):
    """From the fifth month to the eighth; the law counts on."""
    run = simulated(
        *states,
        State("again", (AT_RISK,)),
        laws={"law": AGED},
        patients=300,
        attributes={"on": 1.0},
        epochs=(Epoch("begin"),),
        at_start=(Mark("begin"),),
    )
    gap = AGED.cumulative_hazard(8.0) - AGED.cumulative_hazard(5.0)
    later = 0
    for patient, date in enumerate(run.left("death")):
        budget = -log(luck(SEED, patient, "event:death", 0))
        rested = budget > AGED.cumulative_hazard(5.0)
        assert date == pytest.approx(AGED.inverse_cumulative_hazard(budget + gap * rested), rel=1e-9), patient
        later += rested
    assert 250 < later < 300


def test_a_budget_rests_for_those_who_are_not_at_risk_beside_those_who_are():
    states = (
        State("before", (AT_RISK, at(5.0, "mixed"))),
        State("mixed", (IF_ON, at(8.0, "again"))),
        State("again", (AT_RISK,)),
    )
    run = simulated(
        *states,
        laws={"law": AGED},
        patients=500,
        attributes={"on": Bernoulli(0.5)},
        epochs=(Epoch("begin"),),
        at_start=(Mark("begin"),),
    )
    gap = AGED.cumulative_hazard(8.0) - AGED.cumulative_hazard(5.0)
    resting = 0
    for patient, date in enumerate(run.left("death")):
        budget = -log(luck(SEED, patient, "event:death", 0))
        safe = luck(SEED, patient, "attribute:on", 0) > 0.5
        rested = safe and budget > AGED.cumulative_hazard(5.0)
        assert date == pytest.approx(AGED.inverse_cumulative_hazard(budget + gap * rested), rel=1e-9), patient
        resting += rested
    assert 200 < resting < 280


@pytest.mark.parametrize("how", ["the entry restarts", "the epoch is marked again"])
def test_what_is_left_of_a_budget_is_spent_on_a_clock_that_starts_again(how: str):
    since = "entry" if how == "the entry restarts" else "begin"
    again = Delay(5.0, in_place=True, restarts=since == "entry", since="birth", when="on", name="again")
    does = SWITCH_OFF if since == "entry" else (*SWITCH_OFF, Mark("begin"))
    run = simulated(
        State("start", (replace(AT_RISK, since=since), replace(again, does=does))),
        laws={"law": AGED},
        patients=300,
        attributes={"on": 1.0},
        epochs=(Epoch("begin"), Epoch("birth")),
        at_start=(Mark("begin"), Mark("birth")),
    )
    spent = AGED.cumulative_hazard(5.0)
    for patient, date in enumerate(run.left("death")):
        budget = -log(luck(SEED, patient, "event:death", 0))
        early, late = AGED.inverse_cumulative_hazard(budget), AGED.inverse_cumulative_hazard(max(0.0, budget - spent))
        assert date == pytest.approx(early if budget < spent else 5.0 + late, rel=1e-9), patient


def test_a_budget_is_settled_under_the_law_that_each_patient_had():
    """Three laws that an attribute chooses, then a fourth; some die before, some are safe for a while."""
    rates = {"slow": 0.01, "middling": 0.06, "fast": 0.15, "other": 0.04}
    chosen = Hazard("death", ("slow", "middling", "fast"), to="end", law_by="kind", hazard_ratios={"x": 2.0})
    states = (
        State("first", (chosen, Delay(4.0, to="second"))),
        State("second", (replace(chosen, when="x"), Delay(3.0, to="third"))),
        State("third", (Hazard("death", "other", to="end"),)),
    )
    run = simulated(
        *states,
        laws={name: laws.Exponential(rate) for name, rate in rates.items()},
        patients=500,
        attributes=dict.fromkeys(("x", "more", "most"), Bernoulli(0.5)) | {"kind": Linear({"more": 1.0, "most": 1.0})},
    )
    for patient, date in enumerate(run.left("death")):
        x, more, most = (luck(SEED, patient, f"attribute:{name}", 0) <= 0.5 for name in ("x", "more", "most"))
        left, expected = -log(luck(SEED, patient, "event:death", 0)), 0.0
        hazard = list(rates.values())[more + most] * (2.0 if x else 1.0)
        for rate, months in ((hazard, 4.0), (hazard if x else 0.0, 3.0), (rates["other"], inf)):
            stay = min(left / rate if rate else inf, months)
            expected, left = expected + stay, left - rate * stay
            if stay < months:
                break
        assert date == pytest.approx(expected, rel=1e-9), patient


def test_a_budget_is_spent_at_the_rate_of_whatever_law_holds():
    given = {"fast": laws.Exponential(0.08), "slow": laws.Exponential(0.02), "fast too": laws.Exponential(0.08)}

    def dates(second: str) -> np.ndarray:
        states = (
            State("first", (Hazard("death", "fast", to="end", since="begin"), Delay(6.0, to="second"))),
            State("second", (Hazard("death", second, to="end", since="begin"),)),
        )
        begun = {"epochs": (Epoch("begin"),), "at_start": (Mark("begin"),)}
        return simulated(*states, laws=given, **begun).left("death")

    def survival(rate: float) -> Any:
        return laws.PiecewiseExponential((0.0, 6.0), (0.08, rate)).survival

    assert curve_agrees(dates("slow"), survival(0.02))
    assert not curve_agrees(dates("slow"), survival(0.08)), "carried over though the law changed"
    assert curve_agrees(dates("fast too"), survival(0.08))


def test_a_law_that_an_attribute_chooses_changes_with_it():
    given = {"before": laws.Exponential(0.03), "after": laws.Exponential(0.15)}
    death = Hazard("death", ("before", "after"), to="end", law_by="grown")
    dates = simulated(State("start", (death, due(9.0))), laws=given, attributes={"grown": 0.0, "due": 1.0})
    assert curve_agrees(dates.left("death"), laws.Exponential(0.03).survival)
    grows = Delay(9.0, name="grows", in_place=True, when=when("grown", "==", 0.0), does=(Set("grown", 1.0),))
    times = simulated(State("start", (death, grows)), laws=given, attributes={"grown": 0.0}).left("death")
    assert curve_agrees(times, laws.PiecewiseExponential((0.0, 9.0), (0.03, 0.15)).survival)
    assert not curve_agrees(times, laws.Exponential(0.03).survival)


def test_a_budget_outlasts_a_gap_in_a_law_that_ages():
    law = laws.Weibull(2.0, 20.0)
    death = Hazard("death", "law", to="end", since="begin")
    states = (
        State("at risk", (death, Delay(5.0, to="safe"))),
        State("safe", (Delay(8.0, to="again"),)),
        State("again", (death,)),
    )
    times = simulated(*states, laws={"law": law}, epochs=(Epoch("begin"),), at_start=(Mark("begin"),)).left("death")
    early = law.cumulative_hazard(5.0)

    def survival(gap: float) -> Any:
        return lambda t: np.where(
            t < 5.0,
            law.survival(t),
            np.exp(-early - law.cumulative_hazard(np.maximum(t, 13.0)) + law.cumulative_hazard(gap)),
        )

    assert curve_agrees(times, survival(13.0))
    assert not curve_agrees(times, survival(5.0)), "the hazard of the gap counted"


def test_accelerated_time_is_a_rescaled_law():
    law = laws.Weibull(1.5, 30.0)
    death = Hazard("death", "law", to="end", accelerated_by={"x": log(2.0)})
    times = simulated(State("start", (death,)), laws={"law": law}, attributes={"x": 1.5}).left("death")
    assert curve_agrees(times, laws.Weibull(1.5, 30.0 / 2.0**1.5).survival)
    assert not curve_agrees(times, laws.Weibull(1.5, 30.0 * 2.0**1.5).survival), "slowed, not accelerated"
    assert not curve_agrees(times, laws.Weibull(1.5, 30.0 / 2.0).survival), "proportional hazards"
    both = Hazard("death", "law", to="end", accelerated_by={"x": log(2.0)}, scaled_by={"x": 0.3})
    times = simulated(State("start", (both,)), laws={"law": law}, attributes={"x": 1.5}).left("death")
    assert curve_agrees(times, lambda t: law.survival(t * 2.0**1.5) ** exp(0.45))
    assert not curve_agrees(times, lambda t: law.survival(t * 2.0**1.5) ** exp(-0.45))


def test_accelerated_time_across_states():
    law = laws.Weibull(1.5, 30.0)
    states = (
        State(
            "fast", (Hazard("death", "law", to="end", accelerated_by={"x": 0.8}, since="begin"), Delay(7.0, to="slow"))
        ),
        State("slow", (Hazard("death", "law", to="end", since="begin"),)),
    )
    more = {"epochs": (Epoch("begin"),), "at_start": (Mark("begin"),), "attributes": {"x": 1.0}}
    times = simulated(*states, laws={"law": law}, **more).left("death")
    fast = 7.0 * exp(0.8)

    def survival(spent: float) -> Any:
        return lambda t: np.where(
            t < 7.0,
            law.survival(t * exp(0.8)),
            np.exp(-spent - law.cumulative_hazard(np.maximum(t, 7.0)) + law.cumulative_hazard(7.0)),
        )

    assert curve_agrees(times, survival(law.cumulative_hazard(fast)))
    assert not curve_agrees(times, survival(law.cumulative_hazard(7.0))), "settled without the speed"


# --- clocks in several states -----------------------------------------------------------------------------------------


def test_a_clock_that_an_event_started_goes_on_in_later_states():
    """Illness-death in which death counts from onset, but threatens only in the severe state, which comes later.

    With onset at 0, F and f of the time to the severe state, and S of the law of death,
    P(alive at u) = 1 - F(u) + S(u) * integral of f(v) / S(v) for v up to u.
    """
    worsening, law = laws.Exponential(0.09), laws.Weibull(2.2, 20.0)
    states = (
        State("well", (Hazard("onset", "onset", to="ill", does=(Mark("onset"),)),)),
        State("ill", (Hazard("worsening", "worsening", to="severe"),)),
        State("severe", (Hazard("death", "death", to="end", since="onset"),)),
    )
    given = {"onset": laws.Weibull(1.6, 25.0), "worsening": worsening, "death": law}
    run = simulated(*states, laws=given, epochs=(Epoch("onset"),))
    times = run.left("death") - run.left("onset")
    assert len(times) == PATIENTS

    u = np.linspace(0.0, 300.0, 3_001)

    def alive(severe: np.ndarray) -> Any:
        return lambda t: np.interp(t, u, worsening.survival(u) + severe)

    density, came = 0.09 * worsening.survival(u), 1.0 - worsening.survival(u)
    late = law.survival(u) * integrate.cumulative_trapezoid(density / law.survival(u), u, initial=0.0)
    assert curve_agrees(times, alive(late))
    reset = np.convolve(density, law.survival(u))[: len(u)] * u[1]
    assert not curve_agrees(times, alive(reset)), "counted from entry into the severe state"
    assert not curve_agrees(times, alive(came * law.survival(u))), "drawn from onset, and dead on arrival if it is past"


BEGUN = {"epochs": (Epoch("begin"),), "at_start": (Mark("begin"),)}


def renewed(law: laws.Law, months: float, restarts: bool) -> np.ndarray:
    """How often each patient has had an event whose clock begins anew with each, if it restarts."""
    again = Hazard("renewal", "law", in_place=True, restarts=restarts)
    run = simulated(State("start", (again, Delay(months, to="end", since="begin"))), laws={"law": law}, **BEGUN)
    return np.bincount(run.stays.patient.astype(int)) - 1


def test_a_clock_that_restarts_makes_a_renewal_process():
    """Gamma intervals of shape 2 are every second point of a Poisson process: N = floor(Poisson / 2)."""
    rate, months, most = 0.3, 20.0, 9
    poisson = stats.poisson(rate * months)
    found = np.bincount(renewed(laws.GeneralisedGamma.from_flexsurv_gamma(2.0, rate), months, True), minlength=most)
    k = np.arange(most)
    expected = PATIENTS * (poisson.pmf(2 * k) + poisson.pmf(2 * k + 1))
    assert found[most:].sum() < 50
    assert counts_agree(found[:most], expected)
    assert not counts_agree(found[:most], PATIENTS * stats.poisson.pmf(k, np.sum(k * expected) / PATIENTS))
    goes_on = renewed(laws.GeneralisedGamma.from_flexsurv_gamma(2.0, rate), months, False)
    assert not counts_agree(np.bincount(goes_on, minlength=most)[:most], expected), "the clock of entry went on"


def test_a_state_visited_again_and_again_has_the_occupancy_of_a_matrix_exponential():
    """Stages: working fails after gamma (2, a), its clock reset at each entry, repair takes an exponential time b."""
    a, b, death = 0.25, 0.4, 0.01
    states = (
        State("working", (Hazard("failure", "failure", to="repair"), Hazard("death", "death", to="end"))),
        State("repair", (Hazard("mending", "mending", to="working"), Hazard("death", "death", to="end"))),
    )
    given = {
        "failure": laws.GeneralisedGamma.from_flexsurv_gamma(2.0, a),
        "mending": laws.Exponential(b),
        "death": laws.Exponential(death),
    }
    run = simulated(*states, laws=given)
    # new, worn, in repair; the last row counts failures
    flow = np.array([[-a, 0.0, b, 0.0], [a, -a, 0.0, 0.0], [0.0, a, -b, 0.0], [0.0, a, 0.0, 0.0]])
    flow[range(3), range(3)] -= death
    s = run.stays

    def of_patients(rows: np.ndarray) -> np.ndarray:
        return np.bincount(s.patient[rows].astype(int), minlength=PATIENTS)

    def there(state: str, t: float) -> np.ndarray:
        return run.within(state) & (s.entered_months <= t) & (t < s.left_months)

    for t in (2.0, 6.0, 15.0, 40.0, 90.0):
        new, worn, repair, failures = linalg.expm(flow * t)[:, 0]
        assert share_agrees(of_patients(there("working", t)), new + worn)
        assert share_agrees(of_patients(there("repair", t)), repair)
        assert mean_agrees(of_patients(run.ended_by("failure") & (s.left_months <= t)), failures, 0.1)
    memoryless = linalg.expm(2.0 * np.array([[-a / 2.0 - death, b], [a / 2.0, -b - death]]))[1, 0]
    assert not share_agrees(of_patients(there("repair", 2.0)), memoryless), (
        "the mean time to failure, without its clock"
    )


def test_a_gompertz_that_falls_leaves_some_for_ever():
    """H(inf) = rate / -shape: a share exp(-H) never has the event, and from d on exp(H(d) - H(inf))."""
    shape, rate, ratio, months = -0.08, 0.06, 1.5, 9.0
    law = laws.Gompertz(shape, rate)
    death = Hazard("death", "law", to="end", since="begin", hazard_ratios={None: ratio})
    left = ratio * rate / -shape

    def never(*states: State) -> np.ndarray:
        stays = simulated(*states, laws={"law": law}, horizon=1e5, **BEGUN).stays
        return np.bincount(stays.patient[stays.ended_by == HORIZON].astype(int), minlength=PATIENTS)

    at_once = never(State("start", (death,)))
    assert share_agrees(at_once, exp(-left))
    assert not share_agrees(at_once, exp(-left / ratio)), "without the hazard ratio"
    later = never(State("start", (Delay(months, to="later"),)), State("later", (death,)))
    assert share_agrees(later, exp(-left * exp(shape * months)))
    assert not share_agrees(later, exp(-left)), "counted from entry"


def test_returns_to_a_defective_law_are_geometric():
    """Who may never relapse asks again after each relapse: P(k relapses) = p^k (1 - p), p = 1 - exp(-H(inf))."""
    p = 1.0 - exp(-0.06 / 0.05)
    states = (
        State("remission", (Hazard("relapse", "relapse", to="relapsed"), NEVER)),
        State("relapsed", (Hazard("response", "response", to="remission"),)),
    )
    given = {"relapse": laws.Gompertz(-0.05, 0.06), "response": laws.Weibull(1.5, 4.0)}
    run = simulated(*states, laws=given, horizon=1e5)
    count = np.bincount(run.stays.patient[run.ended_by("relapse")].astype(int), minlength=PATIENTS)
    k = np.arange(16)
    assert counts_agree(np.bincount(count, minlength=16)[:16], PATIENTS * p**k * (1.0 - p))
    assert not counts_agree(np.bincount(count, minlength=16)[:16], PATIENTS * 0.69**k * 0.31)


# --- visits, alarms, services, delays ---------------------------------------------------------------------------------

NEVER = Delay(inf, to="end", name="never")


def visits(schedule: Schedule, **more: Any) -> State:
    return State("start", (Visit("look", schedule, in_place=True), NEVER), **more)


def test_visits_come_at_their_dates():
    life = one_life(visits(Schedule("scan", 3.0)), horizon=10.0)
    assert life == [
        ("start", 0.0, 3.0, "start", "look"),
        ("start", 3.0, 6.0, "start", "look"),
        ("start", 6.0, 9.0, "start", "look"),
        ("start", 9.0, 10.0, None, None),
    ]


def test_visits_count_from_their_clock():
    schedule = Schedule("scan", 3.0, since="surgery")
    more = {"epochs": (Epoch("surgery"),), "at_start": (Mark("surgery", -4.0),)}
    assert [stay[2] for stay in one_life(visits(schedule), horizon=9.0, **more)] == [2.0, 5.0, 8.0, 9.0]


@pytest.mark.parametrize(
    ("moved", "dates"), [(5.9, [6.0, 9.0, 12.0]), (6.0, [9.0, 12.0]), (6.1, [9.0, 12.0]), (9.0, [12.0])]
)
def test_the_next_visit_is_strictly_later(moved: float, dates: list[float]):
    schedule = Schedule("scan", 3.0, since="begin")
    first = State("first", (Delay(moved, to="start"),))
    more = {"epochs": (Epoch("begin"),), "at_start": (Mark("begin"),)}
    life = one_life(first, visits(schedule), horizon=13.0, **more)
    assert [stay[2] for stay in life] == [moved, *dates, 13.0]


def test_visits_count_on_through_the_pieces_of_their_schedule():
    schedule = Schedule("scan", ((7.0, 2.0), (15.0, 3.0), (inf, 10.0)))
    assert [stay[2] for stay in one_life(visits(schedule), horizon=40.0)] == [2, 4, 6, 9, 12, 15, 25, 35, 40]
    pause = Schedule("scan", ((12.0, 3.0), (24.0, inf), (inf, 6.0)))
    assert [stay[2] for stay in one_life(visits(pause), horizon=40.0)] == [3, 6, 9, 12, 30, 36, 40]
    ended = Schedule("scan", ((7.0, 3.0), (inf, inf)))
    assert [stay[2] for stay in one_life(visits(ended), horizon=40.0)] == [3, 6, 40]


def test_scattered_visits_are_where_their_luck_puts_them():
    schedule = Schedule("scan", ((7.0, 2.0), (15.0, 3.0), (inf, 10.0)), scatter=0.6)
    planned = [(2, 2), (4, 2), (6, 2), (9, 3), (12, 3), (15, 3), (25, 10), (35, 10), (45, 10)]
    for patient in range(50):
        dates = [
            date + 0.6 * d * (luck(SEED, patient, "visit:scan", k) - 0.5) for k, (date, d) in enumerate(planned, 1)
        ]
        expected = [date for date in dates if date < 44.0]
        found = [stay[2] for stay in one_life(visits(schedule), horizon=44.0, patient=patient)]
        assert found == pytest.approx([*expected, 44.0], rel=1e-12)


def test_scatter_is_uniform_and_within_its_bounds():
    run = simulated(visits(Schedule("scan", 4.0, scatter=0.6)), horizon=4.0 * 10.3, patients=6_000)
    dates = run.left("look") / 4.0
    assert len(dates) == 10 * 6_000, "dates never overtake each other"
    off = dates - np.round(dates)
    assert abs(off).max() <= 0.3
    assert curve_agrees(off, lambda x: 0.5 - x / 0.6)
    assert not curve_agrees(off, lambda x: 0.5 - x / 0.61 - 0.005), "shifted by a hundredth of its width"
    assert not curve_agrees(off, lambda x: stats.norm.sf(x, scale=0.6 / sqrt(12.0)))
    pairs = off.reshape(-1, 10)
    correlation = np.corrcoef(pairs[:, :-1].ravel(), pairs[:, 1:].ravel())[0, 1]
    assert agrees(correlation, 0.0, 1.0 / sqrt(9 * 6_000), 0.02)


def test_false_alarms_come_at_visits_a_geometric_number_apart():
    share, length = 0.15, 60
    alarm = Visit("alarm", Schedule("scan", 2.0), in_place=True, probability=share)
    run = simulated(State("start", (alarm, NEVER)), horizon=2.0 * length + 1.0, patients=20_000)
    number = run.left("alarm") / 2.0
    assert np.array_equal(number, np.round(number)), "only at dates of the schedule"
    assert share_agrees(np.repeat([True, False], [len(number), 20_000 * length - len(number)]), share, 0.002)
    ends = np.flatnonzero(run.stays.ended_by == HORIZON)
    firsts = np.r_[0, ends[:-1] + 1]

    def gaps(geometric: float) -> bool:
        """First and second alarms: each gap k has probability p (1-p)^(k-1); the last class is all that is longer."""
        longest = 20
        for rows in (firsts, firsts + 1):
            here = rows[(rows <= ends) & (run.stays.entered_months[rows] <= 2.0 * (length - longest))]
            gap = np.minimum((run.stays.left_months - run.stays.entered_months)[here] / 2.0, longest + 1.0)
            k = np.arange(1, longest + 1)
            chance = np.r_[geometric * (1.0 - geometric) ** (k - 1), (1.0 - geometric) ** longest]
            if not counts_agree(np.bincount(gap.astype(int), minlength=longest + 2)[1:], len(gap) * chance):
                return False
        return True

    assert gaps(share)
    assert not gaps(share + 0.01)
    assert not gaps(share / (1.0 + share)), "counted from 0"


def test_false_alarms_begin_anew_from_a_new_origin():
    alarm = Visit("alarm", Schedule("scan", 1.0, since="begin"), to="end", probability=0.3)
    again = Delay(2.5, in_place=True, restarts=True, does=(Mark("begin"),))
    more = {"epochs": (Epoch("begin"),), "at_start": (Mark("begin"),)}
    run = simulated(State("start", (alarm, again)), patients=20_000, **more)
    dates = run.left("alarm")
    # two dates of the schedule before each new beginning; a run that kept its date would be later
    assert set(np.unique(dates % 2.5)) == {1.0, 2.0}
    alarms = 2.0 * np.floor(dates / 2.5) + dates % 2.5
    assert mean_agrees(alarms, 1.0 / 0.3, 0.1)
    assert counts_agree(np.bincount(alarms.astype(int))[1:11], 20_000 * stats.geom.pmf(np.arange(1, 11), 0.3))


@pytest.mark.parametrize(("probability", "dates"), [(0.0, [10.0]), (1.0, [3.0, 6.0, 9.0, 10.0])])
def test_false_alarms_never_and_always(probability: float, dates: list[float]):
    alarm = Visit("alarm", Schedule("scan", 3.0), in_place=True, probability=probability)
    assert [stay[2] for stay in one_life(State("start", (alarm, NEVER)), horizon=10.0)] == dates


def test_a_service_is_a_wait_that_nothing_in_place_interrupts():
    tick = Visit("tick", Schedule("tick", 2.0), in_place=True)
    assert one_life(State("start", (Service("theatre", 5.0, to="end"), tick))) == [
        ("start", 0.0, 2.0, "start", "tick"),
        ("start", 2.0, 4.0, "start", "tick"),
        ("start", 4.0, 5.0, "end", "theatre"),
    ]


EPOCHS = {
    "epochs": (Epoch("first", first=True), Epoch("latest")),
    "at_start": (Mark("first", 1.0), Mark("latest", 1.0)),
}


def test_delays_count_from_entry_or_an_epoch():
    first = State("first", (Delay(4.0, to="second", name="wait"),))

    def second(delay: Delay) -> list[tuple]:
        return one_life(first, State("second", (delay, NEVER)), **EPOCHS)[1:]

    assert second(Delay(3.0, to="end", name="d")) == [("second", 4.0, 7.0, "end", "d")]
    assert second(Delay(3.5, to="end", name="d", since="latest")) == [("second", 4.0, 4.5, "end", "d")]
    assert second(Delay(3.0, to="end", name="d", since="latest")) == [("second", 4.0, 4.0, "end", "d")]
    assert second(Delay(0.5, to="end", name="d", since="latest")) == [("second", 4.0, 4.0, "end", "d")], "date passed"
    assert second(Delay(inf, to="end", name="d", since="latest")) == [("second", 4.0, 100.0, None, None)]
    assert second(Delay(0.0, to="end", name="d")) == [("second", 4.0, 4.0, "end", "d")]


def test_the_first_or_the_latest_occurrence_of_an_epoch_counts():
    again = (Mark("first"), Mark("latest"))
    states = (
        State("a", (Delay(4.0, to="b", does=again, name="go"),)),
        State("b", (Delay(4.0, to="c", does=again, name="go"),)),
    )
    at_start = (Mark("first"), Mark("latest"))

    def last(since: str) -> float:
        third = State("c", (Delay(20.0, to="end", since=since),))
        return one_life(*states, third, epochs=EPOCHS["epochs"], at_start=at_start)[-1][2]

    assert last("first") == 20.0
    assert last("latest") == 28.0


# --- in place, back, entry --------------------------------------------------------------------------------------------


def due(months: float, **more: Any) -> Delay:
    return Delay(months, name="tick", in_place=True, when="due", does=(Set("due", 0.0),), **more)


def test_in_place_is_no_new_entry_unless_it_restarts():
    wait = Delay(10.0, to="end", name="wait")
    more = {"attributes": {"due": 1.0}}
    assert one_life(State("start", (wait, due(4.0))), **more) == [
        ("start", 0.0, 4.0, "start", "tick"),
        ("start", 4.0, 10.0, "end", "wait"),
    ]
    assert one_life(State("start", (wait, due(4.0, restarts=True))), **more) == [
        ("start", 0.0, 4.0, "start", "tick"),
        ("start", 4.0, 14.0, "end", "wait"),
    ]


@pytest.mark.parametrize("restarts", [False, True])
def test_in_place_does_not_arrive(restarts: bool):
    arrived = Add("arrivals", 1.0)
    waits = tuple(Delay(10.0, to="end", name=f"{n} arrivals", when=when("arrivals", "==", n)) for n in (0, 1, 2))
    state = State("start", (*waits, due(4.0, restarts=restarts)), (arrived,))
    assert one_life(state, attributes={"due": 1.0, "arrivals": 0.0})[-1][4] == "1 arrivals"


def test_back_is_no_new_entry_and_no_arrival():
    seen = State("seen", (Branch("reading", (Arm(BACK, name="missed", does=(Add("missed", 1.0),)),)),))
    states = (
        State("before", (Delay(2.0, to="start", name="wait"),)),
        State(
            "start",
            (
                Visit("look", Schedule("scan", 3.0), to="seen"),
                Delay(10.0, to="end", name="once", when=when("arrivals", "==", 1.0)),
                Delay(10.0, to="end", name="more than once"),
            ),
            (Add("arrivals", 1.0),),
        ),
        seen,
    )
    assert one_life(*states, attributes={"arrivals": 0.0, "missed": 0.0}) == [
        ("before", 0.0, 2.0, "start", "wait"),
        ("start", 2.0, 5.0, "seen", "look"),
        ("seen", 5.0, 5.0, "start", "missed"),
        ("start", 5.0, 8.0, "seen", "look"),
        ("seen", 8.0, 8.0, "start", "missed"),
        ("start", 8.0, 11.0, "seen", "look"),
        ("seen", 11.0, 11.0, "start", "missed"),
        ("start", 11.0, 12.0, "end", "once"),
    ]


def test_back_through_two_branches_leads_to_the_last_state_that_takes_time():
    states = (
        State("a", (Delay(1.0, to="b", name="wait"),)),
        State(
            "b",
            (Visit("look", Schedule("scan", 2.0), to="first", when=when("n", "<", 1)), Delay(9.0, to="end", name="d")),
        ),
        State("first", (Branch("first", (Arm("second", does=(Add("n", 1.0),)),)),)),
        State("second", (Branch("second", (Arm(BACK),)),)),
    )
    assert [stay[0] for stay in one_life(*states, attributes={"n": 0.0})] == ["a", "b", "first", "second", "b"]
    assert one_life(*states, attributes={"n": 0.0})[-1] == ("b", 3.0, 10.0, "end", "d")


# --- the life table ---------------------------------------------------------------------------------------------------


def life_table(sex: str) -> laws.PiecewiseExponential:
    table = yaml.safe_load((ROOT / "calibration" / "life_table.yaml").read_text(encoding="utf-8"))
    return laws.PiecewiseExponential.from_life_table(table["ages_years"], table[f"{sex}_per_year"])


LIFE_EXPECTANCY_AT_60 = {"male": 19.9, "female": 24.0}


def expectancy_years(law: laws.PiecewiseExponential, age_years: float) -> float:
    """The integral of the survival curve from an age on, exact on each piece of constant hazard."""
    total, alive, now = 0.0, 1.0, age_years
    ends = [start / 12.0 for start in law.breaks_months[1:]] + [inf]
    for end, rate in zip(ends, law.rates_per_month, strict=True):
        if end > now:
            left = exp(-12.0 * rate * (end - now)) if end < inf else 0.0
            total += alive * (1.0 - left) / (12.0 * rate)
            alive, now = alive * left, end
    return total


@pytest.mark.parametrize("sex", LIFE_EXPECTANCY_AT_60)
def test_life_expectancy_at_60(sex: str):
    law = life_table(sex)
    exact = expectancy_years(law, 60.0)
    assert round(exact, 1) == LIFE_EXPECTANCY_AT_60[sex]
    state = State("start", (Hazard("death", "life table", to="end", since="birth"),))
    birth = {"epochs": (Epoch("birth"),), "at_start": (Mark("birth", Linear({"age": -12.0})),)}
    run = simulated(state, laws={"life table": law}, attributes={"age": 60.0}, patients=200_000, **birth)
    years = run.left("death") / 12.0
    assert len(years) == 200_000
    assert mean_agrees(years, exact, 0.1)
    assert not mean_agrees(years, expectancy_years(law, 60.25), 0.1), "a quarter of a year older"


AGES_YEARS = (48.0, 61.5, 74.0)
BANDS_YEARS = np.arange(45.0, 95.0, 5.0)
ILL_RATIO = 1.8


def deaths_and_risk_by_age(law: laws.PiecewiseExponential, read_older_years: float) -> tuple[np.ndarray, np.ndarray]:
    """Deaths in each band of age, and the cumulative hazard to which patients in it were exposed by the table.

    The ages with which the table is read may be wrong, for a model that must fail.
    """
    death = Hazard("death", "life table", to="end", since="birth")
    states = (
        State("well", (Hazard("illness", "illness", to="ill"), death)),
        State("ill", (Hazard("death", "life table", to="end", since="birth", hazard_ratios={None: ILL_RATIO}),)),
    )
    more = {"epochs": (Epoch("birth"),), "at_start": (Mark("birth", Linear({"age": -12.0})),)}
    given = {"life table": law, "illness": laws.Weibull(1.5, 120.0)}
    deaths, risk = np.zeros(len(BANDS_YEARS) - 1), np.zeros(len(BANDS_YEARS) - 1)
    for age in AGES_YEARS:
        run = simulated(*states, laws=given, attributes={"age": age}, horizon=240.0, **more)
        deaths += np.histogram(age + run.left("death") / 12.0, BANDS_YEARS)[0]
        ratio = np.where(run.within("ill"), ILL_RATIO, 1.0)
        for band in range(len(risk)):
            begin, end = (
                np.clip(12.0 * age + months, *12.0 * BANDS_YEARS[band : band + 2]) + 12.0 * read_older_years
                for months in (run.stays.entered_months, run.stays.left_months)
            )
            risk[band] += np.sum(ratio * (law.cumulative_hazard(end) - law.cumulative_hazard(begin)))
    return deaths, risk


def test_deaths_at_every_age_are_what_the_life_table_expects():
    """Some fall ill on the way: deaths less the cumulative hazards H of all who were there have mean 0, variance H."""
    deaths, risk = deaths_and_risk_by_age(life_table("male"), 0.0)
    assert risk.min() > 300.0
    assert np.all(abs(deaths - risk) < Z * np.sqrt(risk))
    deaths, older = deaths_and_risk_by_age(life_table("male"), 1.0)
    assert np.max(abs(deaths - older) / np.sqrt(older)) > Z, "a year older"


# --- branches ---------------------------------------------------------------------------------------------------------


def chosen(*arms: Arm, patients: int = PATIENTS, **more: Any) -> Run:
    """What a branch chooses, after the attributes have their values."""
    return simulated(State("start", (Branch("choice", arms),)), patients=patients, **more)


def test_a_branch_takes_its_arms_by_weight_and_shift():
    slope = 0.7
    arms = (
        Arm("end", 0.3, "a", shifted_by={"x": slope}),
        Arm("end", 0.2, "b", shifted_by={"x": -0.2, "male": 0.5}),
        Arm("end", REST, "c"),
    )
    for x, male in ((0.0, 0.0), (1.0, 0.0), (-2.0, 1.0)):
        run = chosen(*arms, attributes={"x": x, "male": male})
        weights = {"a": 0.3 * exp(slope * x), "b": 0.2 * exp(-0.2 * x + 0.5 * male), "c": 0.5}
        for name, weight in weights.items():
            assert share_agrees(run.ended_by(name), weight / sum(weights.values()))
        if x:
            assert not share_agrees(run.ended_by("a"), 0.3), "the shift left out"
            assert not share_agrees(run.ended_by("a"), weights["a"]), "not renormalised"


def test_two_arms_are_a_logistic_model():
    arms = (Arm("end", 0.25, "yes", shifted_by={"x": 0.9}), Arm("end", REST, "no"))
    for x in (-1.5, 0.5, 2.0):
        yes = chosen(*arms, attributes={"x": x}).ended_by("yes")
        assert share_agrees(yes, 1.0 / (1.0 + 3.0 * exp(-0.9 * x)))
        assert not share_agrees(yes, 1.0 / (1.0 + 3.0 * exp(0.9 * x)))


def test_arms_whose_condition_fails_are_left_out():
    def share(*arms: Arm) -> np.ndarray:
        run = chosen(*arms, attributes={"fit": 0.0})
        assert not run.ended_by("b").any()
        return run.ended_by("a")

    unfit = Arm("end", 0.3, "b", when="fit")
    assert share_agrees(share(Arm("end", 0.2, "a"), unfit, Arm("end", 0.5, "c")), 0.2 / 0.7)
    taken = share(Arm("end", 0.2, "a"), unfit, Arm("end", REST, "c"))
    assert share_agrees(taken, 0.2), "the rest takes over what a failed condition leaves"
    assert not share_agrees(taken, 0.2 / 0.7)
    assert share(Arm("end", 0.0, "zero"), unfit, Arm("end", 0.01, "a", when=~when("fit"))).all()


def test_every_turn_of_a_branch_has_its_own_luck():
    arms = (Arm(BACK, 0.5, "again"), Arm("end", 0.5, "stop"))
    states = (
        State("start", (Visit("look", Schedule("scan", 1.0), to="choice"),)),
        State("choice", (Branch("choice", arms),)),
    )
    dates = simulated(*states).left("stop").astype(int)
    expected = PATIENTS * 0.5 ** np.arange(1, 12)
    assert counts_agree(np.bincount(dates)[1:12], expected)
    assert not counts_agree(np.bincount(dates)[1:12], PATIENTS * 0.51 * 0.49 ** np.arange(11))


# --- attributes -------------------------------------------------------------------------------------------------------

DRAWS = 30_000


@pytest.mark.parametrize(
    ("value", "known", "wrong"),
    [
        (Normal(5.0, 2.0), stats.norm(5.0, 2.0), stats.norm(5.0, 2.1)),
        (Normal(5.0, 2.0, 4.0, 8.0), stats.truncnorm(-0.5, 1.5, 5.0, 2.0), stats.norm(5.0, 2.0)),
        (Normal(5.0, 2.0, low=6.0), stats.truncnorm(0.5, inf, 5.0, 2.0), stats.truncnorm(0.55, inf, 5.0, 2.0)),
        (Normal(5.0, 2.0, high=3.0), stats.truncnorm(-inf, -1.0, 5.0, 2.0), stats.truncnorm(-inf, -1.05, 5.0, 2.0)),
        (Uniform(-3.0, 5.0), stats.uniform(-3.0, 8.0), stats.uniform(-3.0, 8.2)),
    ],
)
def test_attributes_are_drawn_from_their_distributions(value: Value, known: Any, wrong: Any):
    pathway = Pathway("example", "start", (State("start", (Delay(1.0, to="end"),)), END), attributes={"x": value})
    program = compile_pathway(pathway, {})
    x = np.array([attributes_at_start(program, seed=SEED, patient=i)["x"] for i in range(DRAWS)])
    low, high = known.support()
    assert low <= x.min()
    assert x.max() <= high
    assert curve_agrees(x, known.sf, 0.02)
    assert not curve_agrees(x, wrong.sf, 0.02)
    assert mean_agrees(x, known.mean(), 0.06)
    deviation = (x - known.mean()) ** 2
    assert mean_agrees(deviation, known.var(), 0.2)


def test_bernoulli_attributes():
    run = chosen(
        Arm("end", when="x", name="yes"),
        Arm("end", when=~when("x"), name="no", weight=1.0),
        attributes={"x": Bernoulli(0.3)},
    )
    assert share_agrees(run.ended_by("yes"), 0.3)
    assert not share_agrees(run.ended_by("yes"), 0.31, 0.0099)


def test_every_draw_of_an_attribute_is_a_new_one():
    """Both draws below 1/2 in a quarter of the patients; were they one draw, in half of them."""
    start = State("start", (Delay(1.0, to="choice"),), (Set("first", Linear({"x": 1.0})), Set("x", Uniform(0.0, 1.0))))
    both = when("first", "<", 0.5) & when("x", "<", 0.5)
    arms = (Arm("end", 1.0, "both", when=both), Arm("end", 1.0, "not both", when=~both))
    run = simulated(
        start, State("choice", (Branch("choice", arms),)), attributes={"x": Uniform(0.0, 1.0), "first": 0.0}
    )
    assert share_agrees(run.ended_by("both")[run.within("choice")], 0.25)
    assert not share_agrees(run.ended_by("both")[run.within("choice")], 0.26, 0.0099)


def read(
    *states: State, attributes: dict[str, Value] | None = None, epochs: tuple[Epoch, ...] = (), **more: Any
) -> float:
    """The attribute `x` on arrival in the state `read`: a delay of 1000 months from an epoch x months ago."""
    reader = State("read", (Delay(1000.0, to="end", since="x"),), (Mark("x", Linear({"x": -1.0})),))
    more |= {"attributes": {"x": 0.0} | (attributes or {}), "epochs": (*epochs, Epoch("x"))}
    *_, (_, entered, left, *_) = one_life(*states, reader, horizon=2000.0, **more)
    return entered + 1000.0 - left


def waits(*does: Action, months: float = 5.0, on_arrival: tuple[Action, ...] = ()) -> tuple[State, State]:
    """Two months before, then a wait at whose end something is done."""
    return (
        State("before", (Delay(2.0, to="waiting", name="before"),)),
        State("waiting", (Delay(months, to="read", name="wait", does=does),), on_arrival),
    )


def test_values_by_hand():
    assert read(*waits(Set("x", 7.5))) == 7.5
    assert read(*waits(Set("x", 2.0), Add("x", 1.5), Add("x", 1.5))) == 5.0
    assert read(*waits(Set("x", TimeSince("entry")))) == 5.0
    assert read(*waits(on_arrival=(Set("x", TimeSince("entry")),))) == 0.0
    begun = {"epochs": (Epoch("begin"),), "at_start": (Mark("begin", -3.0),)}
    assert read(*waits(Set("x", TimeSince("begin"))), **begun) == 10.0
    assert read(*waits(Set("x", TimeSince("begin", exceeds=9.9))), **begun) == 1.0
    assert read(*waits(Set("x", TimeSince("begin", exceeds=10.0))), **begun) == 0.0
    linear = Linear({"a": 2.0, "b": -0.5}, constant=1.25)
    assert read(*waits(Set("x", linear)), attributes={"a": 3.0, "b": 4.0}) == 5.25
    assert read(*waits(Set("x", 1.0, when="a"), Set("x", 2.0, when="b")), attributes={"a": 0.0, "b": 1.0}) == 2.0
    in_order = (Set("b", 1.0, when="a"), Set("a", 0.0), Set("x", 9.0, when="b"), Set("x", 1.0, when="a"))
    assert read(*waits(*in_order), attributes={"a": 1.0, "b": 0.0}) == 9.0, "each sees the ones before"
    assert read(*waits(Set("x", Normal(3.0, 0.0, 4.0, 5.0)))) == 3.0, "no spread: the mean"


def test_counts_by_hand():
    certain = {"laws": {"soon": laws.Exponential(1000.0)}}
    growth = Hazard("growth", "soon", in_place=True, when=when("n", "<", 4.0), does=(Add("n", 1.0),))
    counted = Delay(50.0, to="choice", name="wait")
    arms = (Arm("choice again", does=(Set("x", Count("growth")),)),)
    states = (
        State("start", (growth, counted)),
        State("choice", (Branch("choice", arms),)),
        State(
            "choice again",
            (Branch("twice", (Arm("read", does=(Add("x", Count("choice")), Add("x", Count("twice")))),)),),
        ),
    )
    assert read(*states, attributes={"n": 0.0}, **certain) == 4.0 + 1.0 + 1.0
    inside = Hazard("growth", "soon", to="read", does=(Set("x", Count("growth")),))
    assert read(State("start", (inside,)), **certain) == 1.0, "the event itself is counted before anything is done"


# --- ties, horizon, bookkeeping ---------------------------------------------------------------------------------------


def winner(*exits: Any, **more: Any) -> str | None:
    return one_life(State("start", exits), **more)[0][4]


def delay(name: str, months: float) -> Delay:
    return Delay(months, to="end", name=name)


def test_ties_go_to_the_exit_declared_first_and_everywhere_comes_last():
    a, b = delay("a", 3.0), delay("b", 3.0)
    look = Visit("look", Schedule("scan", 3.0), in_place=True)
    assert winner(a, b) == "a"
    assert winner(b, a) == "b"
    assert winner(look, a) == "look"
    assert winner(a, look) == "a"
    assert winner(Service("theatre", 3.0, to="end"), look, a) == "theatre"
    assert winner(a, everywhere=(b,)) == "a"
    assert winner(delay("a", 4.0), everywhere=(b,)) == "b"
    assert winner(delay("a", 4.0), b) == "b"


HORIZON_MONTHS = 7.0


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        (nextafter(HORIZON_MONTHS, 0.0), "end"),
        (HORIZON_MONTHS, None),
        (nextafter(HORIZON_MONTHS, inf), None),
        (inf, None),
    ],
)
def test_an_exit_at_the_horizon_does_not_happen(months: float, expected: str | None):
    (life,) = one_life(State("start", (delay("wait", months),)), horizon=HORIZON_MONTHS)
    assert life == ("start", 0.0, min(months, HORIZON_MONTHS), expected, expected and "wait")
    stays = simulated(State("start", (delay("wait", 8.0),)), horizon=HORIZON_MONTHS, patients=1).stays
    assert (stays.next_state[0], stays.ended_by[0]) == (NO_STATE, HORIZON)


ILL, DIE, DIE_ILL = 0.04, 0.01, 0.09


def illness_death(horizon: float = 1e6) -> Run:
    states = (
        State("well", (Hazard("illness", "ill", to="ill"), Hazard("death of the well", "die", to="end"))),
        State("ill", (Hazard("death of the ill", "die ill", to="end"),)),
    )
    rates = {"ill": laws.Exponential(ILL), "die": laws.Exponential(DIE), "die ill": laws.Exponential(DIE_ILL)}
    return simulated(*states, laws=rates, horizon=horizon)


def test_occupancy_of_an_illness_death_model():
    run = illness_death()
    away = ILL + DIE

    def in_state(name: str, months: float) -> np.ndarray:
        """Whether each patient is in the state at that time."""
        s = run.stays
        here = run.within(name) & (s.entered_months <= months) & (months < s.left_months)
        return np.bincount(s.patient[here].astype(int), minlength=PATIENTS)

    for t in (1.0, 5.0, 12.0, 30.0, 80.0):
        ill = ILL / (away - DIE_ILL) * (exp(-DIE_ILL * t) - exp(-away * t))
        assert share_agrees(in_state("well", t), exp(-away * t))
        assert share_agrees(in_state("ill", t), ill)
        if t == 12.0:
            assert not share_agrees(in_state("ill", t), exp(-DIE * t) - exp(-away * t)), "ill, but not dying of it"
    s = run.stays
    stay = (s.left_months - s.entered_months)[run.within("ill")]
    assert mean_agrees(stay, 1.0 / DIE_ILL, 0.5)
    assert share_agrees(np.bincount(s.patient[run.within("ill")].astype(int), minlength=PATIENTS), ILL / away)


@pytest.mark.parametrize("horizon", [30.0, 1e6])
def test_everybody_ends_dead_or_at_the_horizon(horizon: float):
    run = illness_death(horizon)
    s, end = run.stays, run.states.index("end")
    last = np.r_[np.diff(s.patient) > 0, True]
    assert np.array_equal(s.patient[last], np.arange(PATIENTS))
    assert not run.within("end").any(), "a final state leaves no stay"
    at_horizon = last & (s.next_state == NO_STATE)
    assert np.array_equal(last, at_horizon | (s.next_state == end))
    assert np.all(s.left_months[at_horizon] == horizon)
    assert np.all(s.ended_by[at_horizon] == HORIZON)
    assert np.all(s.left_months[~at_horizon] < horizon)
    assert at_horizon.any() == (horizon < 1e6)
    # what one stay leads to, the next one is; time has no holes
    assert np.array_equal(s.next_state[:-1][~last[:-1]], s.state[1:][~last[:-1]])
    assert np.array_equal(s.left_months[:-1][~last[:-1]], s.entered_months[1:][~last[:-1]])
    first = np.r_[True, last[:-1]]
    assert np.all(s.entered_months[first] == 0.0)
    assert np.all(run.within("well")[first])
    # in = out, state by state
    for name in ("well", "ill"):
        came_in = np.sum(run.led_to(name)) + (PATIENTS if name == "well" else 0)
        went_out = np.sum(run.within(name) & ~at_horizon)
        assert came_in == went_out + np.sum(at_horizon & run.within(name))
    assert np.sum(run.led_to("end")) + np.sum(at_horizon) == PATIENTS


# --- a model of five states, against several independent engines ------------------------------------------------------


def weibull(rate: float, shape: float) -> laws.Weibull:
    """H(t) = rate t^shape."""
    return laws.Weibull(shape, rate ** (-1.0 / shape))


FIVE_STATES = {  # exit: (shape, rate, coefficient of age, coefficient of male sex)
    "0->1": (1.3, 0.20, 0.10, 0.15),
    "0->2": (0.9, 0.30, -0.20, 0.0),
    "0->4": (1.1, 0.05, 0.30, 0.10),
    "1->4": (1.2, 0.55, 0.20, 0.10),
    "2->3": (0.8, 0.25, 0.05, 0.20),
    "2->4": (1.4, 0.02, 0.40, 0.10),
    "3->4": (1.1, 0.50, 0.15, 0.10),
}
TRUTH = {"dead by 20 years": 0.9894, "median time to death": 3.580, "ever progressed": 0.4615, "recurred": 0.3546}
TRUTH_PATIENTS = 1_000_000


def test_a_model_of_five_states():
    def exits(state: str) -> tuple[Hazard, ...]:
        return tuple(
            Hazard(name, name, to=name[-1], scaled_by={"age": FIVE_STATES[name][2], "male": FIVE_STATES[name][3]})
            for name in FIVE_STATES
            if name[0] == state
        )

    states = tuple(State(name, exits(name)) for name in "0123")
    law = {name: weibull(rate, shape) for name, (shape, rate, *_) in FIVE_STATES.items()}
    attributes = {"age": Normal(0.0, 1.0), "male": Bernoulli(0.75)}
    pathway = Pathway("example", "0", (*states, State("4", final=True)), law, attributes)
    program = compile_pathway(pathway, {})
    patients = 400_000
    stays = simulate_all(program, seed=SEED, patients=patients, horizon_months=20.0, threads=1)
    run = Run(stays, program.state_names, program.exit_names)
    died = stays.left_months[run.led_to("4")]
    found = {
        "dead by 20 years": len(died) / patients,
        "median time to death": float(np.sort(np.r_[died, np.full(patients - len(died), inf)])[patients // 2]),
        "ever progressed": np.sum(run.ended_by("0->1")) / patients,
        "recurred": np.sum(run.ended_by("2->3")) / patients,
    }
    # the truth was simulated too, and is rounded
    spread = sqrt(1.0 / patients + 1.0 / TRUTH_PATIENTS)
    median = found["median time to death"]
    density = np.mean(abs(died - median) < 0.1) * len(died) / patients / 0.2
    for name, value in TRUTH.items():
        by_share = name != "median time to death"
        error = sqrt(value * (1.0 - value)) * spread if by_share else 0.5 / density * spread
        assert agrees(found[name], value, error + (5e-5 if by_share else 5e-4) / Z, 0.005 if by_share else 0.04), name
    assert not agrees(found["ever progressed"], TRUTH["ever progressed"] - 0.005, 0.5 * spread, 0.005)
    visits_per_patient = len(stays) / patients
    assert visits_per_patient == pytest.approx(2.26, abs=0.01)


def test_grades_have_the_shares_and_the_odds_that_are_asked_for():
    """Shares beyond each grade where nothing shifts them; where something does, all their odds change alike."""
    onward, log_odds, patients = (0.6, 0.5, 0.3), 0.9, 400_000
    attributes = {"exposed": Bernoulli(0.5), "grade": Ordered(onward, {"exposed": "shift"}, lowest=1.0)}
    leaves = [Delay(grade, to="end", when=when("grade", "==", grade), name=str(grade)) for grade in (1, 2, 3, 4)]
    exposed = Delay(0.5, in_place=True, when="exposed", name="exposed", does=(Set("exposed", 0),))
    states = (State("start", (exposed, *leaves)), State("end", final=True))
    program = compile_pathway(Pathway("example", "start", states, attributes=attributes), {"shift": log_odds})
    stays = simulate_all(program, seed=SEED, patients=patients, horizon_months=20.0, threads=1)
    run = Run(stays, program.state_names, program.exit_names)
    was_exposed = np.zeros(patients, dtype=bool)
    was_exposed[stays.patient[run.ended_by("exposed")].astype(int)] = True
    left = run.led_to("end")
    grade = np.zeros(patients)
    grade[stays.patient[left].astype(int)] = stays.left_months[left]
    for lowest, share in enumerate((0.6, 0.3, 0.09), start=1):
        for group, odds in (
            (~was_exposed, share / (1.0 - share)),
            (was_exposed, share / (1.0 - share) * exp(log_odds)),
        ):
            expected = odds / (1.0 + odds)
            error = sqrt(expected * (1.0 - expected) / group.sum())
            assert agrees(float(np.mean(grade[group] > lowest)), expected, error, 0.006)


def test_laws_by_name_and_parameter_are_the_laws():
    """Numbers given by name, a law chosen by an attribute, and a law given outright meet in the same dates."""
    by_name = Law(laws.Weibull.from_median, {"median_months": "median", "shape": "shape"}, cured_share="cured")
    outright = laws.CuredShare(laws.Weibull.from_median(15.0, 1.2), 0.1)

    def dates(given: Any, law: Any, **more: Any) -> np.ndarray:
        state = State("start", (Hazard("death", law, to="end", **more),))
        pathway = Pathway(
            "example", "start", (state, END), {"law": given, "other": laws.Exponential(1.0)}, {"kind": 1.0}
        )
        program = compile_pathway(pathway, {"median": 15.0, "shape": 1.2, "cured": 0.1})
        return simulate_all(program, seed=SEED, patients=1_000, horizon_months=1200.0, threads=1).left_months

    assert np.array_equal(dates(by_name, "law"), dates(outright, "law"))
    assert np.array_equal(dates(by_name, ("other", "law"), law_by="kind"), dates(outright, "law"))
    assert not np.array_equal(dates(by_name, ("law", "other"), law_by="kind"), dates(outright, "law"))
