"""State occupancy of a mixed-clock multi-state model: the engine against a convolution written here.

The model is an illness that comes, rests and comes back, with crises on the way:

    well -> ill <-> crisis,  ill <-> remission,  ill or crisis -> dead of it,  everywhere -> dead of other causes

Within a state some hazards count from entry (clock reset), others from the start of the study or from birth (clock
forward).  An entry at s is left, for one cell of the covariates, with

    S(s, t) = R(t - s) F(t) / F(s),   R(u) = exp(-sum of H(u), reset),   F(t) = exp(-sum of H(c + t) - H(c), forward)

so that with the rate a(s) of entries, and b = a / F, occupancy is P(t) = F(t) (b * R)(t), and the rate of leaving by a
reset hazard h is F(t) (b * R h)(t), by a forward one P(t) h(c + t): renewal equations of Volterra's second kind, solved
forward in time with the trapezoidal rule.  (Putter, Fiocco and Geskus 2007, doi:10.1002/sim.2712, for the clocks.)
An event's budget that rests or is spent in part is a conditional draw, so that this theory holds for budgets too.

Laws come from scipy: nothing but the engine's answer is from the package.  The step is halved to see the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, linalg, optimize, stats

from hcc_sim import laws
from hcc_sim.engine import compile_pathway, simulate
from hcc_sim.outcomes import StateTally
from hcc_sim.pathway.model import Bernoulli, Epoch, Hazard, Linear, Mark, Pathway, State

SEED = 20240502
PATIENTS = 200_000
HORIZON_MONTHS = 120.0
TIMES_MONTHS = (3.0, 6.0, 12.0, 20.0, 35.0, 60.0, 90.0, 120.0)
STEP_MONTHS = 0.1
ENOUGH = 30
"""Patients expected in a state below which its share is not compared: its error would not be normal."""
CHANCE = 0.001
"""That a right engine fails a test; shared out over what the test compares (Bonferroni).  The seed is fixed."""
LASTING = ("well", "ill", "crisis", "remission")
STATES = (*LASTING, "dead of it", "dead of other causes")

SHARE_X, SHARE_OLD = 0.4, 0.3
AGES_MONTHS = (55.0 * 12.0, 70.0 * 12.0)
ENTRY, START, BIRTH = "entry", "start", "birth"

# --- the model as the engine is told it -------------------------------------------------------------------------------


def pathway() -> Pathway:
    def dies(ratio: float = 1.0) -> Hazard:
        return Hazard(
            "other death",
            "ageing",
            to="dead of other causes",
            since=BIRTH,
            scaled_by={"x": 0.5},
            hazard_ratios={None: ratio},
        )

    def dies_of_it(ratio: float = 1.0) -> Hazard:
        return Hazard(
            "death of it",
            "fatality",
            to="dead of it",
            since=START,
            scaled_by={"old": 0.5},
            accelerated_by={"x": 0.4},
            hazard_ratios={None: ratio},
        )

    return Pathway(
        title="mixed clocks",
        start="well",
        attributes={"x": Bernoulli(SHARE_X), "old": Bernoulli(SHARE_OLD)},
        epochs=(Epoch(BIRTH), Epoch(START)),
        at_start=(Mark(BIRTH, Linear({"old": AGES_MONTHS[0] - AGES_MONTHS[1]}, -AGES_MONTHS[0])), Mark(START)),
        laws={
            "onset": laws.GeneralisedGamma(2.6, 0.7, 0.6),
            "crisis": laws.GeneralisedGamma(2.2, 0.9, -0.5),
            "recovery": laws.CuredShare(laws.LogNormal(1.8, 0.7), 0.2),
            "discharge": laws.LogLogistic(2.5, 3.0),
            "relapse": laws.Gompertz(-0.05, 0.06),
            "fatality": laws.LogLogistic(1.8, 40.0),
            "ageing": laws.Gompertz(0.0079, 4.4e-6),
        },
        states=(
            State("well", (Hazard("onset", "onset", to="ill", accelerated_by={"x": 0.5}), dies())),
            State(
                "ill",
                (
                    Hazard("crisis", "crisis", to="crisis", scaled_by={"old": 0.6}),
                    Hazard("recovery", "recovery", to="remission", accelerated_by={"old": -0.6}),
                    dies_of_it(),
                    dies(),
                ),
            ),
            State(
                "crisis",
                (
                    Hazard("discharge", "discharge", to="ill", accelerated_by={"x": -0.5}),
                    dies_of_it(3.0),
                    dies(2.0),
                ),
            ),
            State("remission", (Hazard("relapse", "relapse", to="ill", scaled_by={"x": 0.7}), dies())),
            State("dead of it", final=True),
            State("dead of other causes", final=True),
        ),
    )


@cache
def simulated() -> tuple[np.ndarray, pd.DataFrame]:
    """The share of patients in every state (rows) at TIMES_MONTHS, and the months in each until then."""
    program = compile_pathway(pathway(), {})
    tally = StateTally(program, times_months=TIMES_MONTHS, horizon_months=HORIZON_MONTHS)
    for part in simulate(program, seed=SEED, patients=PATIENTS, horizon_months=HORIZON_MONTHS, threads=1):
        tally.add(part.stays, part.first_patient, part.patients)
    shares = tally.occupancy().pivot(index="state", columns="time_months", values="share")
    return shares.loc[list(STATES)].to_numpy(), tally.time_in_state()


# --- the model written again ------------------------------------------------------------------------------------------

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Curve:
    """A law of the reference patient: S and f = -dS/dt."""

    survival: Function
    density: Function

    @classmethod
    def of(cls, distribution: stats.rv_continuous) -> Curve:
        return cls(distribution.sf, distribution.pdf)

    @classmethod
    def gompertz(cls, shape: float, rate: float) -> Curve:
        def survival(t: np.ndarray) -> np.ndarray:
            return np.exp(-rate / shape * np.expm1(shape * t))

        return cls(survival, lambda t: rate * np.exp(shape * t) * survival(t))

    @classmethod
    def generalised_gamma(cls, mu: float, sigma: float, shape: float) -> Curve:
        """Prentice's law of shape Q in Stacy's form: (t / scale)^c has a gamma law of shape 1 / Q^2, c = Q / sigma."""
        c = shape / sigma
        return cls.of(stats.gengamma(shape**-2, c, scale=np.exp(mu) * abs(shape) ** (2.0 / c)))

    def cured(self, share: float) -> Curve:
        return Curve(lambda t: share + (1.0 - share) * self.survival(t), lambda t: (1.0 - share) * self.density(t))


@dataclass(frozen=True)
class Exit:
    """A hazard in one state: exp(ratio + speed) h(t exp(speed)), t since `since`."""

    state: str
    to: str
    curve: Curve
    since: str = ENTRY
    log_ratio: Mapping[str, float] = field(default_factory=dict)
    log_speed: Mapping[str, float] = field(default_factory=dict)
    times: float = 1.0

    def _predictors(self, cell: Mapping[str, float]) -> tuple[float, float]:
        ratio, speed = (
            np.exp(sum(slope * cell[name] for name, slope in slopes.items()))
            for slopes in (self.log_ratio, self.log_speed)
        )
        return self.times * ratio, speed

    def cumulative_hazard(self, t: np.ndarray, cell: Mapping[str, float]) -> np.ndarray:
        ratio, speed = self._predictors(cell)
        return -ratio * np.log(self.curve.survival(t * speed))

    def hazard(self, t: np.ndarray, cell: Mapping[str, float]) -> np.ndarray:
        ratio, speed = self._predictors(cell)
        return ratio * speed * self.curve.density(t * speed) / self.curve.survival(t * speed)


Model = Mapping[str, Exit]

AGEING = Exit("", "dead of other causes", Curve.gompertz(0.0079, 4.4e-6), BIRTH, {"x": 0.5})
FATALITY = Exit("", "dead of it", Curve.of(stats.fisk(1.8, scale=40.0)), START, {"old": 0.5}, {"x": 0.4})
RIGHT: Model = {
    "onset": Exit("well", "ill", Curve.generalised_gamma(2.6, 0.7, 0.6), log_speed={"x": 0.5}),
    "crisis": Exit("ill", "crisis", Curve.generalised_gamma(2.2, 0.9, -0.5), log_ratio={"old": 0.6}),
    "recovery": Exit(
        "ill", "remission", Curve.of(stats.lognorm(0.7, scale=np.exp(1.8))).cured(0.2), log_speed={"old": -0.6}
    ),
    "discharge": Exit("crisis", "ill", Curve.of(stats.fisk(2.5, scale=3.0)), log_speed={"x": -0.5}),
    "relapse": Exit("remission", "ill", Curve.gompertz(-0.05, 0.06), log_ratio={"x": 0.7}),
    "death of it, ill": replace(FATALITY, state="ill"),
    "death of it, crisis": replace(FATALITY, state="crisis", times=3.0),
    **{f"other death, {state}": replace(AGEING, state=state) for state in LASTING},
    "other death, crisis": replace(AGEING, state="crisis", times=2.0),
}


# --- convolution ------------------------------------------------------------------------------------------------------


def occupancy_of_cell(model: Model, cell: Mapping[str, float], t: np.ndarray) -> np.ndarray:
    """P of every state (rows) at the equally spaced times t, for patients with the covariates of the cell."""
    begins = {ENTRY: 0.0, START: 0.0, BIRTH: AGES_MONTHS[int(cell["old"])]}

    def exits(state: str, reset: bool) -> list[Exit]:
        return [e for e in model.values() if e.state == state and (e.since == ENTRY) == reset]

    n, step = len(t), t[1]
    stay, forward = np.ones((len(LASTING), n)), np.ones((len(LASTING), n))
    leave = np.zeros((len(LASTING), len(STATES), n))  # from, to: R h
    for j, state in enumerate(LASTING):
        for e in exits(state, reset=True):
            stay[j] *= np.exp(-e.cumulative_hazard(t, cell))
        for e in exits(state, reset=True):
            leave[j, STATES.index(e.to)] += stay[j] * e.hazard(t, cell)
        for e in exits(state, reset=False):
            c = begins[e.since]
            forward[j] *= np.exp(e.cumulative_hazard(np.array(c), cell) - e.cumulative_hazard(c + t, cell))

    # b is the rate of entries over F; everybody enters the first state at 0, as a lump beside the rate.
    b = np.zeros((len(LASTING), n))
    lump = np.eye(len(LASTING))[0]
    back = leave[:, : len(LASTING)]
    at_once = np.linalg.inv(np.eye(len(LASTING)) - 0.5 * step * back[:, :, 0].T)  # the rate of now feeds itself
    weighted = np.zeros_like(b)  # b with the weights of the trapezoidal rule, but for its end
    for i in range(n):
        past = np.einsum("jm,jkm->jk", weighted[:, :i], back[:, :, i:0:-1]) if i else np.zeros(back.shape[:2])
        flow = forward[:, i, np.newaxis] * (past + lump[:, np.newaxis] * back[:, :, i])
        b[:, i] = at_once @ flow.sum(axis=0) / forward[:, i]
        weighted[:, i] = step * b[:, i] * (0.5 if i == 0 else 1.0)

    def still(j: int, kernel: np.ndarray) -> np.ndarray:
        """F (b * kernel): from all entries into state j until t."""
        area = np.convolve(weighted[j], kernel)[:n] - 0.5 * step * b[j] * kernel[0]
        area[0] = 0.0
        return forward[j] * (area + lump[j] * kernel)

    found = np.zeros((len(STATES), n))
    for j in range(len(LASTING)):
        found[j] = still(j, stay[j])
        for e in exits(LASTING[j], reset=False):
            died = integrate.cumulative_trapezoid(found[j] * e.hazard(begins[e.since] + t, cell), t, initial=0.0)
            found[STATES.index(e.to)] += died
        for k in range(len(LASTING), len(STATES)):
            found[k] += integrate.cumulative_trapezoid(still(j, leave[j, k]), t, initial=0.0)
    return found


def occupancy_of_all(model: Model, step: float) -> np.ndarray:
    """P of every state (rows) every `step` months, the cells mixed."""
    t = np.linspace(0.0, HORIZON_MONTHS, round(HORIZON_MONTHS / step) + 1)
    mixed = np.zeros((len(STATES), len(t)))
    for x, old in product((0, 1), repeat=2):
        weight = (SHARE_X if x else 1.0 - SHARE_X) * (SHARE_OLD if old else 1.0 - SHARE_OLD)
        mixed += weight * occupancy_of_cell(model, {"x": x, "old": old}, t)
    return mixed


def extrapolated(model: Model, step: float = STEP_MONTHS) -> np.ndarray:
    """P every `step` months, from that step and from half of it (Richardson)."""
    return (4.0 * occupancy_of_all(model, 0.5 * step)[:, ::2] - occupancy_of_all(model, step)) / 3.0


def at_times(found: np.ndarray) -> np.ndarray:
    """The columns of TIMES_MONTHS."""
    return found[:, [round(t * (found.shape[1] - 1) / HORIZON_MONTHS) for t in TIMES_MONTHS]]


def binomial_errors(expected: np.ndarray) -> np.ndarray:
    return np.sqrt(expected * (1.0 - expected) / PATIENTS)


def farthest(model: Model) -> float:
    """The largest distance of the engine's shares from the model's, in standard errors, where it expects enough."""
    expected = at_times(extrapolated(model))
    enough = expected * PATIENTS > ENOUGH
    return np.max((abs(simulated()[0] - expected) / binomial_errors(expected))[enough])


COMPARISONS = len(STATES) * len(TIMES_MONTHS)
BAND = stats.norm.isf(0.5 * CHANCE / COMPARISONS)


# --- tests ------------------------------------------------------------------------------------------------------------


def test_the_convolution_of_a_markov_model_is_a_matrix_exponential():
    """With constant hazards clocks do not matter; what is left is dP/dt = Q P, for each cell."""

    def constant(exit: Exit, rate: float) -> Exit:
        return replace(exit, curve=Curve.of(stats.expon(scale=1.0 / rate)))

    model = {name: constant(exit, 0.02 + 0.01 * i) for i, (name, exit) in enumerate(RIGHT.items())}
    for x, old in product((0, 1), repeat=2):
        cell, q = {"x": x, "old": old}, np.zeros((len(STATES), len(STATES)))
        for exit in model.values():
            rate = float(exit.hazard(np.array(1.0), cell))
            q[STATES.index(exit.state), STATES.index(exit.state)] -= rate
            q[STATES.index(exit.to), STATES.index(exit.state)] += rate
        expected = np.column_stack([linalg.expm(q * t)[:, 0] for t in TIMES_MONTHS])
        errors = [
            abs(at_times(occupancy_of_cell(model, cell, np.linspace(0.0, HORIZON_MONTHS, n + 1))) - expected).max()
            for n in (1_200, 2_400)
        ]
        assert errors[0] < 5e-4
        assert errors[1] < 0.26 * errors[0], "the error falls with the square of the step"


def test_the_error_of_the_convolution_is_far_below_that_of_the_simulation():
    expected = extrapolated(RIGHT)
    finer = extrapolated(RIGHT, 0.5 * STEP_MONTHS)[:, ::2]
    compared = at_times(finer) * PATIENTS > ENOUGH
    assert compared.sum() >= COMPARISONS - 2, "nobody is well any more in the end; all else is compared"
    assert np.max((abs(at_times(finer - expected)) / binomial_errors(at_times(finer)))[compared]) < 0.01
    assert np.max(abs(finer.sum(axis=0) - 1.0)) < 1e-6, "nobody is lost"


def test_occupancy_is_that_of_the_convolution():
    assert farthest(RIGHT) < BAND


def test_time_in_state_is_the_area_under_the_convolution():
    expected = integrate.cumulative_trapezoid(extrapolated(RIGHT), dx=STEP_MONTHS, initial=0.0)
    months = simulated()[1]
    found, error = (
        months.pivot(index="state", columns="until_months", values=column).loc[list(STATES)].to_numpy()
        for column in ("mean_months", "mc_se")
    )
    distance = np.max(abs(found - at_times(expected)) / error)
    band = stats.t.isf(0.5 * CHANCE / COMPARISONS, 99)  # the errors are a jackknife's over 100 groups
    assert distance < band
    assert np.max(abs(found - 1.01 * at_times(expected)) / error) > band, "one in a hundred would be seen"


def flipped(name: str) -> dict[str, Exit]:
    """The signs of an exit's coefficients turned round."""
    exit = RIGHT[name]
    turned = ({key: -slope for key, slope in slopes.items()} for slopes in (exit.log_ratio, exit.log_speed))
    return {name: replace(exit, **dict(zip(("log_ratio", "log_speed"), turned, strict=True)))}


def proportional(name: str) -> dict[str, Exit]:
    """Hazards proportional that should be accelerated, by the ratio that gives the same median."""
    exit = RIGHT[name]
    ((covariate, slope),) = exit.log_speed.items()
    median = optimize.brentq(lambda t: exit.curve.survival(t) - 0.5, 0.01, 1_000.0)
    ratio = -np.log(2.0) / np.log(exit.curve.survival(median * np.exp(-slope)))
    return {name: replace(exit, log_ratio={**exit.log_ratio, covariate: np.log(ratio)}, log_speed={})}


def accelerated(name: str) -> dict[str, Exit]:
    exit = RIGHT[name]
    return {name: replace(exit, log_ratio={}, log_speed=exit.log_ratio)}


def counting_from(clock: str, *names: str) -> dict[str, Exit]:
    return {name: replace(RIGHT[name], since=clock) for name in names}


WRONG: dict[str, Model] = {
    "fatality counts from entry": counting_from(ENTRY, "death of it, ill", "death of it, crisis"),
    "fatality counts from entry into a crisis": counting_from(ENTRY, "death of it, crisis"),
    "ageing counts from the start": counting_from(START, *(name for name in RIGHT if name.startswith("other"))),
    "sign of onset": flipped("onset"),
    "sign of recovery": flipped("recovery"),
    "sign of crisis": flipped("crisis"),
    "sign of discharge": flipped("discharge"),
    "sign of relapse": flipped("relapse"),
    "sign of fatality": flipped("death of it, ill"),
    "onset proportional": proportional("onset"),
    "recovery proportional": proportional("recovery"),
    "discharge proportional": proportional("discharge"),
    "fatality proportional": proportional("death of it, ill"),
    "crisis accelerated": accelerated("crisis"),
    "relapse accelerated": accelerated("relapse"),
    "everybody relapses": {"relapse": replace(RIGHT["relapse"], curve=Curve.gompertz(-1e-9, 0.06))},
    "everybody recovers": {
        "recovery": replace(RIGHT["recovery"], curve=Curve.of(stats.lognorm(0.7, scale=np.exp(1.8))))
    },
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_model_is_seen(wrong: str):
    assert farthest({**RIGHT, **WRONG[wrong]}) > BAND
