"""The hazard ratio of two groups: against a plain maximisation of the partial likelihood, and known ratios."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from hcc_sim.outcomes.hazard_ratio import hazard_ratio

Z = 4.0

Group = tuple[NDArray[np.float64], NDArray[np.bool_]]


def group(*rows: tuple[float, int]) -> Group:
    """Rows of (months, 1 for an event or 0 for censoring)."""
    return np.array([float(months) for months, _ in rows]), np.array([event == 1 for _, event in rows])


# --- a second implementation ------------------------------------------------------------------------------------------


def log_partial_likelihood(beta: float, first: Group, second: Group) -> float:
    """Cox's, patient by patient; Breslow: each event of a tie has the whole risk set of its time."""
    everybody = [(t, e, 1.0) for t, e in zip(*first, strict=True)] + [(t, e, 0.0) for t, e in zip(*second, strict=True)]
    total = 0.0
    for at, event, covariate in everybody:
        if event:
            total += beta * covariate - math.log(sum(math.exp(beta * x) for t, _, x in everybody if t >= at))
    return total


def by_search(first: Group, second: Group) -> float:
    """The log ratio at the highest point, to about 1e-7: a flat top shows no more in double precision."""
    found = optimize.minimize_scalar(lambda beta: -log_partial_likelihood(beta, first, second), bracket=(-1.0, 1.0))
    return float(found.x)


def has_maximum(first: Group, second: Group) -> bool:
    """Whether in each group somebody has an event while somebody of the other is at risk; else it rises for ever."""

    def overlap(one: Group, other: Group) -> bool:
        return any(bool((other[0] >= at).any()) for at in one[0][one[1]])

    return overlap(first, second) and overlap(second, first)


SAMPLES = {
    "no ties, no censoring": (group((1, 1), (4, 1), (5, 1)), group((2, 1), (3, 1), (6, 1), (7, 1))),
    "censoring": (group((1, 1), (2, 0), (5, 1), (9, 0)), group((2, 1), (3, 0), (6, 1), (7, 1), (9, 0))),
    "ties within a group": (group((2, 1), (2, 1), (5, 1)), group((1, 1), (4, 1), (4, 1), (6, 1))),
    "ties across groups": (group((2, 1), (2, 0), (4, 1), (4, 1)), group((2, 1), (2, 1), (4, 1), (5, 0))),
    "event and censoring at one time": (group((3, 0), (3, 1), (8, 1)), group((3, 1), (3, 0), (5, 1), (8, 0))),
    "groups of unequal size": (group((1, 1), (6, 1)), group(*((t, 1) for t in range(2, 14)))),
    "far from 1": (group(*((t / 10, 1) for t in range(1, 12))), group((1, 1), *((t, 1) for t in range(10, 22)))),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_it_is_the_highest_point_of_the_partial_likelihood(name: str):
    first, second = SAMPLES[name]
    found = hazard_ratio(*first, *second)
    assert found.log_ratio == pytest.approx(by_search(first, second), abs=1e-5)
    assert found.events == (int(first[1].sum()), int(second[1].sum()))


@pytest.mark.parametrize("name", SAMPLES)
def test_its_error_is_the_curvature_there(name: str):
    first, second = SAMPLES[name]
    found = hazard_ratio(*first, *second)
    step = 1e-3  # off by step^2 / 12 of the fourth derivative, and by 1e-16 * 100 / step^2
    below, here, above = (
        log_partial_likelihood(found.log_ratio + by, first, second) for by in (-step, 0.0, step)
    )  # fmt: skip
    assert found.error == pytest.approx(((2.0 * here - below - above) / step**2) ** -0.5, rel=1e-5)


def test_by_hand():
    """Events at 1 (first), 2 (second), 3: risk sets 2 + 1, 1 + 1, 1 + 0, so that 2 - 2 r / (2 r + 1) - r / (r + 1) = 1.

    That is 2 r^2 = 1.
    """
    found = hazard_ratio(*group((1, 1), (3, 1)), *group((2, 1)))
    assert math.exp(found.log_ratio) == pytest.approx(math.sqrt(0.5), rel=1e-12)


# --- known ratios -----------------------------------------------------------------------------------------------------


def exponential(rng: np.random.Generator, rate: float, patients: int, follow_up: float) -> Group:
    """Exponential times, censored evenly up to the end of follow-up."""
    times, ends = rng.exponential(1.0 / rate, patients), rng.uniform(0.0, follow_up, patients)
    return np.minimum(times, ends), times <= ends


def standard_errors_off(ratio: float, assumed: float) -> float:
    rng = np.random.default_rng(20240501)
    found = hazard_ratio(*exponential(rng, 0.1 * ratio, 4000, 40.0), *exponential(rng, 0.1, 3000, 40.0))
    return abs(found.log_ratio - math.log(assumed)) / found.error


@pytest.mark.parametrize("ratio", [0.3, 0.8, 1.0, 1.7])
def test_a_known_ratio_is_found(ratio: float):
    assert standard_errors_off(ratio, ratio) < Z
    assert standard_errors_off(ratio, ratio * 1.25) > Z  # an error of a quarter would be seen
    assert standard_errors_off(ratio, ratio / 1.25) > Z


def test_the_error_is_the_spread_of_many_trials():
    rng = np.random.default_rng(7)
    trials = 600
    off = np.empty(trials)
    for trial in range(trials):
        found = hazard_ratio(*exponential(rng, 0.06, 80, 30.0), *exponential(rng, 0.1, 80, 30.0))
        off[trial] = (found.log_ratio - math.log(0.6)) / found.error
    band = Z / math.sqrt(2.0 * trials)  # error of a standard deviation
    assert band < 0.15
    assert abs(off.std(ddof=1) - 1.0) < band


def test_censored_later_than_all_events_changes_only_the_risk_sets():
    first, second = group((1, 1), (4, 1), (5, 1)), group((2, 1), (3, 1), (6, 1))
    longer = group((1, 1), (4, 1), (5, 1), (7, 0)), group((2, 1), (3, 1), (6, 1), (7, 0))
    assert hazard_ratio(*longer[0], *longer[1]).log_ratio == pytest.approx(by_search(*longer), abs=1e-5)
    later = group((1, 1), (4, 1), (5, 1), (99, 0)), group((2, 1), (3, 1), (6, 1), (99, 0))
    assert hazard_ratio(*later[0], *later[1]) == hazard_ratio(*longer[0], *longer[1])
    assert hazard_ratio(*first, *second) != hazard_ratio(*longer[0], *longer[1])


def test_censored_before_the_first_event_counts_for_nothing():
    first, second = group((2, 1), (5, 1)), group((3, 1), (4, 0), (6, 1))
    with_more = hazard_ratio(*group((1, 0), (2, 1), (5, 1)), *group((1, 0), (0.5, 0), (3, 1), (4, 0), (6, 1)))
    assert with_more == hazard_ratio(*first, *second)


# --- groups without events --------------------------------------------------------------------------------------------


def test_no_events_in_the_first_group():
    found = hazard_ratio(*group((1, 0), (5, 0)), *group((2, 1), (3, 1)))
    assert (found.log_ratio, found.error, found.events) == (-math.inf, math.inf, (0, 2))


def test_no_events_in_the_second_group():
    found = hazard_ratio(*group((1, 1), (5, 0)), *group((2, 0), (3, 0)))
    assert (found.log_ratio, found.error, found.events) == (math.inf, math.inf, (1, 0))


@pytest.mark.parametrize("first", [group((1, 0), (5, 0)), group()])
def test_no_events_at_all(first: Group):
    found = hazard_ratio(*first, *group((2, 0)))
    assert math.isnan(found.log_ratio)
    assert math.isnan(found.error)
    assert found.events == (0, 0)


@pytest.mark.parametrize("last", [1, 3])
def test_groups_that_never_overlap(last: int):
    """All events of the first come before all of the second: the likelihood rises for ever."""
    first, second = group(*((t, 1) for t in range(1, last + 1))), group(*((t, 1) for t in range(4, 4 + last)))
    found = hazard_ratio(*first, *second)
    assert (found.log_ratio, found.error) == (math.inf, math.inf)


# --- what must not matter ---------------------------------------------------------------------------------------------

rows = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 1)), min_size=1, max_size=15)
several = settings(max_examples=150, deadline=None, derandomize=True)


@several
@given(rows, rows)
def test_any_small_sample_against_the_search(first: list[tuple[int, int]], second: list[tuple[int, int]]):
    one, other = group(*first), group(*second)
    assume(has_maximum(one, other))
    assert hazard_ratio(*one, *other).log_ratio == pytest.approx(by_search(one, other), abs=1e-5)


@several
@given(rows, rows)
def test_groups_swapped(first: list[tuple[int, int]], second: list[tuple[int, int]]):
    one, other = group(*first), group(*second)
    assume(has_maximum(one, other))
    here, there = hazard_ratio(*one, *other), hazard_ratio(*other, *one)
    assert here.log_ratio == pytest.approx(-there.log_ratio, abs=1e-8)
    assert here.error == pytest.approx(there.error, rel=1e-8)
    assert here.events == there.events[::-1]


@several
@given(rows, rows, st.lists(st.floats(0.01, 50.0), min_size=12, max_size=12))
def test_another_clock(first: list[tuple[int, int]], second: list[tuple[int, int]], gaps: list[float]):
    """Only the order of times enters: any clock that keeps it gives the same bits."""
    one, other = group(*first), group(*second)
    assume(has_maximum(one, other))
    clock = np.concatenate(([0.0], np.cumsum(gaps)))

    def on_clock(group: Group) -> Group:
        return clock[group[0].astype(int)], group[1]

    assert hazard_ratio(*on_clock(one), *on_clock(other)) == hazard_ratio(*one, *other)


@several
@given(rows, rows, st.randoms(use_true_random=False))
def test_the_order_of_patients(first: list[tuple[int, int]], second: list[tuple[int, int]], random):
    one, other = group(*first), group(*second)
    assume(has_maximum(one, other))
    shuffled = random.sample(first, len(first)), random.sample(second, len(second))
    assert hazard_ratio(*group(*shuffled[0]), *group(*shuffled[1])) == hazard_ratio(*one, *other)
