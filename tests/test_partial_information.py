"""The value of knowing some inputs: closed forms, integrals, other libraries; its errors; and estimators that fail."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from heormodel.models import Outcomes
from heormodel.voi import evppi as evppi_of_heormodel
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from hcc_sim.economics import (
    CostsAndEffects,
    Partial,
    population_value,
    regression,
    shares_of_variance,
    smooth_functions,
    value_of_partial_information,
    value_of_perfect_information,
)
from hcc_sim.economics import partial_information as module
from hcc_sim.economics.regression import _fit, threads
from hcc_sim.economics.smooth_functions import linear_columns, normal_scores

Floats = NDArray[np.float64]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For least squares in tests: many threads on small matrices wait for each other."""
    with threads().limit(limits=1, user_api="blas"):
        yield


Z = 4.0
DRAWS = 1000
THRESHOLD = 20_000.0

quick = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def table_of(*increments: Floats) -> CostsAndEffects:
    """A first strategy with net benefit 0 and others with these increments, half of each in costs at the threshold."""
    values = np.stack([np.zeros_like(increments[0]), *increments], axis=1)
    names = [f"strategy {n}" for n in range(values.shape[1])]
    return CostsAndEffects(names, -values / 2.0, values / 2.0 / THRESHOLD)


def estimate(inputs: Floats, *increments: Floats) -> Partial:
    return value_of_partial_information(table_of(*increments), inputs, THRESHOLD)


def perfect(*increments: Floats) -> float:
    (found,) = value_of_perfect_information(table_of(*increments), THRESHOLD)
    return found.value


def normal_loss(mean: float, deviation: float) -> float:
    """What knowing a normal increment is worth: the unit normal loss, for a mean of either sign."""
    height = abs(mean) / deviation
    return float(deviation * (norm.pdf(height) - height * norm.sf(height)))


def assert_near(found: Partial, expected: float, smallest_error_to_catch: float) -> None:
    band = Z * found.standard_error
    assert band < smallest_error_to_catch, "too few draws to see such an error"
    assert abs(found.value - expected) < band


def seen(expected: float, values: list[float]) -> float:
    """By how many standard errors the mean of replicates is off."""
    return abs(float(np.mean(values)) - expected) / (np.std(values, ddof=1) / math.sqrt(len(values)))


def least_squares(inputs: Floats, increments: Floats) -> float:
    """The estimator without penalty: cubic polynomials of one input, a plane of several."""
    columns = np.vander(inputs, 4) if inputs.ndim == 1 else np.c_[np.ones(len(inputs)), inputs]
    fitted = columns @ np.linalg.lstsq(columns, increments, rcond=None)[0]
    return float(np.maximum(fitted, 0.0).mean() - max(increments.mean(), 0.0))


# --- known answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.6])
@pytest.mark.parametrize("mean", [-0.4, 0.3])
def test_two_strategies_with_normal_inputs(mean: float, correlation: float):
    """Increment mean + x + y / 2: given x its deviation is |1 + correlation / 2|, given y |1 / 2 + correlation|.

    Of both the value is that of perfect information: the same draws, no noise.
    """
    random = np.random.default_rng(1)
    x, other = random.standard_normal((2, 5000))
    y = correlation * x + math.sqrt(1.0 - correlation**2) * other
    increment = 1000.0 * (mean + x + y / 2.0)
    for one, slope in ((x, 1.0 + correlation / 2.0), (y, 0.5 + correlation)):
        expected = 1000.0 * normal_loss(mean, abs(slope))
        assert_near(estimate(one, increment), expected, 60.0)
    both = estimate(np.stack([x, y], axis=1), increment)
    assert both.value == pytest.approx(perfect(increment), rel=1e-3)
    assert_near(both, 1000.0 * normal_loss(mean, math.sqrt(1.25 + correlation)), 60.0)


def curves_of_three(x: float | Floats) -> tuple[float | Floats, float | Floats]:
    return 0.6 * x - 0.25, 0.5 * x**2 - 0.7 + 0.2 * np.sin(2.0 * x)


def value_by_integration() -> float:
    def best(x: float) -> float:
        return max(0.0, *curves_of_three(x)) * norm.pdf(x)

    points = list(np.linspace(-8.0, 8.0, 65))
    pieces = [quad(best, low, high)[0] for low, high in pairwise(points)]
    means = [quad(lambda x, k=k: curves_of_three(x)[k] * norm.pdf(x), -8.0, 8.0)[0] for k in range(2)]
    return math.fsum(pieces) - max(0.0, *means)


def test_three_strategies_against_an_integral():
    """Of one input that moves them in curves, with noise in each that is shared in part."""
    random = np.random.default_rng(2)
    x, shared, first, second = random.standard_normal((4, 5000))
    one, other = curves_of_three(x)
    found = estimate(np.exp(x), one + shared + 0.5 * first, other + shared + 0.8 * second)
    assert_near(found, value_by_integration(), 0.08)


def test_a_strategy_that_is_not_the_reference_may_come_first():
    """The same strategies in another order: only the luck of coefficients is dealt differently."""
    random = np.random.default_rng(3)
    x, noise, more = random.standard_normal((3, DRAWS))
    one, other = 0.5 * x - 0.2 + noise, 0.4 * x**2 - 0.5 + more
    found = estimate(x, one, other)
    turned = estimate(x, other - one, -one)
    assert turned.value == pytest.approx(found.value, abs=0.05 * found.standard_error)
    assert turned.standard_error == pytest.approx(found.standard_error, rel=0.1)


@pytest.mark.parametrize("count", [2, 20])
def test_inputs_that_matter_only_as_a_pair(count: int):
    """Increment x1 x2: neither tells anything alone; E max(0, x1 x2) = 1 / pi."""
    random = np.random.default_rng(4)
    inputs = random.standard_normal((4000, count))
    increment = inputs[:, 0] * inputs[:, 1] + 0.5 * random.standard_normal(4000)
    for alone in (estimate(inputs[:, 0], increment), estimate(inputs[:, 1], increment)):
        assert alone.value < Z * alone.standard_error
        assert alone.value < 0.05
    together = estimate(inputs, increment)
    # The two means differ from 0 by chance, and what chance chooses is valued low.
    expected = 1.0 / math.pi - abs(increment.mean()) / 2.0
    assert_near(together, expected, 0.06)
    assert least_squares(inputs, increment) < expected - Z * together.standard_error


def test_a_curve_without_a_slope():
    """Increment x^2 - 1.3, given as it is: E max(0, x^2 - c) = 2 (sqrt(c) pdf + (1 - c) sf) at sqrt(c)."""
    random = np.random.default_rng(5)
    x, noise = random.standard_normal((2, 4000))
    root = math.sqrt(1.3)
    expected = 2.0 * (root * norm.pdf(root) + (1.0 - 1.3) * norm.sf(root))
    found = estimate(x, x**2 - 1.3 + noise)
    assert_near(found, expected, 0.13)
    line = np.polyval(np.polyfit(x, x**2 - 1.3 + noise, 1), x)
    assert np.maximum(line, 0.0).mean() < expected - Z * found.standard_error


def test_three_inputs_that_multiply():
    """Cost = rate x price x months, all log-normal, all known: the value of perfect information."""
    inputs = np.exp(0.5 * np.random.default_rng(6).standard_normal((DRAWS, 3)))
    increment = inputs.prod(axis=1) - 1.7
    assert estimate(inputs, increment).value == pytest.approx(perfect(increment), rel=0.02)
    assert estimate(inputs[:, :2], increment).value < 0.9 * perfect(increment)


def test_inputs_that_matter_only_as_three():
    """Increment x1 x2 x3 - 0.2, all known."""
    inputs = np.random.default_rng(34).standard_normal((DRAWS, 3))
    increment = inputs.prod(axis=1) - 0.2
    assert estimate(inputs, increment).value > 0.95 * perfect(increment)
    pair = estimate(inputs[:, :2], increment)
    assert pair.value < Z * pair.standard_error


def test_many_inputs_in_one_bent_sum():
    """Increment 2 / (1 + exp(-s)) - 1.2 + noise, s the sum of ten: products of pairs do not bend so."""

    def expected_increment(s: Floats | float) -> Floats | float:
        return 2.0 / (1.0 + np.exp(-s)) - 1.2

    scale = math.sqrt(10.0)
    turn = math.log(1.5)
    expected, _ = quad(lambda s: expected_increment(s) * norm.pdf(s, scale=scale), turn, 8.0 * scale)
    random = np.random.default_rng(35)
    inputs, noise = random.standard_normal((2000, 10)), random.standard_normal(2000)
    assert_near(estimate(inputs, expected_increment(inputs.sum(axis=1)) + 0.5 * noise), expected, 0.055)


def test_correlated_inputs_that_multiply():
    """The mean of x y is not 0 then; x y is known, so all of its variance is explained."""
    random = np.random.default_rng(36)
    x, other = random.standard_normal((2, DRAWS))
    inputs = np.stack([x, 0.9 * x + math.sqrt(0.19) * other], axis=1)
    outcome = inputs.prod(axis=1) + 0.1 * other
    (source,) = shares_of_variance(outcome, {"x and y": inputs}).sources
    assert source.share > 0.999
    fit = regression.regression(inputs, (outcome - outcome.mean())[:, None])
    centred = fit.columns.matrix(slice(None))
    centred = centred - centred.mean(axis=0)
    assert fit.gram == pytest.approx(centred.T @ centred, abs=1e-8 * DRAWS)
    assert fit.fitted[:, 0] == pytest.approx(centred @ fit.likely.mean[0], abs=1e-8)
    assert fit.fitted.mean() == pytest.approx(0.0, abs=1e-10)


def test_the_scale_of_an_input_does_not_count():
    random = np.random.default_rng(7)
    x, noise = random.standard_normal((2, DRAWS))
    assert estimate(np.exp(3.0 * x), x + noise) == estimate(x, x + noise)


def test_the_scale_of_money_does_not_count():
    random = np.random.default_rng(8)
    inputs, noise = random.standard_normal((DRAWS, 4)), random.standard_normal(DRAWS)
    increment = inputs[:, 0] - 0.3 + 0.5 * inputs[:, 1] ** 2 + noise
    one, scaled = estimate(inputs, increment), estimate(inputs, 2.0**20 * increment)
    assert scaled.value == pytest.approx(2.0**20 * one.value, rel=1e-6)
    assert scaled.standard_error == pytest.approx(2.0**20 * one.standard_error, rel=1e-6)


@pytest.mark.parametrize("name", ["x", "y", "both"])
def test_heormodel_finds_the_same(name: str):
    """Its unpenalised splines and ours, on the same draws: apart by what few degrees of freedom can bend."""
    random = np.random.default_rng(9)
    x, y, noise, more = random.standard_normal((4, 5000))
    values = np.stack([np.zeros(5000), 0.8 * x + np.sin(y) + noise - 0.2, y - 0.1 + 0.4 * x + more], axis=1)
    table = CostsAndEffects("abc", -values, np.zeros_like(values))
    frame = pd.DataFrame({"x": x, "y": y}, index=pd.RangeIndex(5000, name="iteration"))
    theirs = Outcomes.from_wide(
        pd.DataFrame(table.costs, columns=list("abc"), index=frame.index),
        pd.DataFrame(table.effects, columns=list("abc"), index=frame.index),
    )
    chosen = ["x", "y"] if name == "both" else [name]
    expected = evppi_of_heormodel(theirs, frame, chosen, wtp=1.0)
    found = value_of_partial_information(table, frame[chosen].to_numpy(), 1.0)
    assert found.value == pytest.approx(expected, abs=found.standard_error)
    assert found.standard_error < 0.06 * expected


def test_a_linear_block_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    """Its BayesianRidge maximises the same likelihood, by other steps."""
    from sklearn.linear_model import BayesianRidge

    random = np.random.default_rng(10)
    scores = normal_scores(random.standard_normal((400, 30)) + random.standard_normal((400, 1)))
    outcome = scores @ random.standard_normal(30) * 0.1 + random.standard_normal(400)
    outcome -= outcome.mean()
    ours = _fit(linear_columns(scores), outcome[:, None])
    theirs = BayesianRidge(max_iter=1000, tol=1e-8, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0).fit(scores, outcome)
    assert ours.likely.mean[0] == pytest.approx(theirs.coef_, abs=2e-3)
    # It does not count the mean as a degree of freedom.
    left = 400.0 - ours.degrees_of_freedom[0]
    assert ours.noise[0] == pytest.approx(left / (left - 1.0) / theirs.alpha_, rel=1e-3)
    monkeypatch.setattr(regression, "DRAWN", 40_000)
    drawn = ours.drawn(ours.likely)[:, 0]
    assert drawn.mean(axis=0) == pytest.approx(ours.likely.mean[0], abs=1e-12), "each draw has its mirror image"
    size = np.sqrt(np.diag(theirs.sigma_))
    assert np.cov(drawn.T) / np.outer(size, size) == pytest.approx(theirs.sigma_ / np.outer(size, size), abs=0.04)


@pytest.mark.parametrize("correlation", [0.9, -0.5])
def test_errors_of_two_strategies_go_together(monkeypatch: pytest.MonkeyPatch, correlation: float):
    """Coefficients of two outcomes are as correlated as their residuals are."""
    random = np.random.default_rng(37)
    scores = normal_scores(random.standard_normal((DRAWS, 5)))
    one, other = random.standard_normal((2, DRAWS))
    noise = np.stack([one, correlation * one + math.sqrt(1.0 - correlation**2) * other], axis=1)
    outcomes = scores @ random.standard_normal((5, 2)) + noise * [1.0, 3.0]
    fit = _fit(linear_columns(scores), outcomes - outcomes.mean(axis=0))
    monkeypatch.setattr(regression, "DRAWN", 40_000)
    drawn = fit.drawn(fit.likely)
    found = np.corrcoef(drawn[:, :, 0].T)[0, 1]
    assert found == pytest.approx(np.corrcoef(fit.residuals.T)[0, 1], abs=Z / math.sqrt(20_000.0))
    assert found == pytest.approx(correlation, abs=Z / math.sqrt(DRAWS))


# --- errors -----------------------------------------------------------------------------------------------------------


def single(random: np.random.Generator) -> tuple[Floats, list[Floats]]:
    x, noise = random.standard_normal((2, 500))
    return x[:, None], [0.5 * x - 0.3 + math.sqrt(0.75) * noise]


def three_strategies(random: np.random.Generator) -> tuple[Floats, list[Floats]]:
    """One noise in both others, so that errors of their fits go together: they hardly differ, and one is for nought."""
    x, noise, more = random.standard_normal((3, 500))
    return x[:, None], [0.5 * x - 0.3 + noise, 0.55 * x - 0.35 + noise + 0.1 * more]


def weak_group(random: np.random.Generator) -> tuple[Floats, list[Floats]]:
    """Fifty inputs, each of which moves next to nothing: a tenth of the variance all together."""
    inputs, noise = random.standard_normal((400, 50)), random.standard_normal(400)
    return inputs, [inputs.sum(axis=1) * math.sqrt(0.1 / 50.0) - 0.1 + math.sqrt(0.9) * noise]


def value_of_three_strategies() -> float:
    pieces = [
        quad(lambda x: max(0.0, 0.5 * x - 0.3, 0.55 * x - 0.35) * norm.pdf(x), *ends)[0]
        for ends in ((-8.0, 0.6), (0.6, 1.0), (1.0, 8.0))
    ]
    return math.fsum(pieces)


REPLICATES = 200


@pytest.mark.parametrize(
    ("draw", "expected", "replicates"),
    [
        (single, normal_loss(0.3, 0.5), REPLICATES),
        (three_strategies, value_of_three_strategies(), REPLICATES),
        (weak_group, normal_loss(0.1, math.sqrt(0.1)), 100),
    ],
)
def test_intervals_cover_as_often_as_they_say(
    draw: Callable[[np.random.Generator], tuple[Floats, list[Floats]]], expected: float, replicates: int
):
    found = []
    for replicate in range(replicates):
        inputs, increments = draw(np.random.default_rng([11, replicate]))
        found.append(estimate(inputs, *increments))
    values, errors = np.array([(one.value, one.standard_error) for one in found]).T
    covered = np.mean(np.abs(values - expected) < norm.ppf(0.975) * errors)
    assert covered > 0.95 - Z * math.sqrt(0.95 * 0.05 / replicates)
    # The error of a standard deviation of normal numbers is one part in sqrt(2 n); a tenth is what they are not.
    assert np.std(values, ddof=1) == pytest.approx(
        math.sqrt(np.mean(errors**2)), rel=Z / math.sqrt(2.0 * replicates) + 0.1
    )
    assert np.mean(errors) / math.sqrt(replicates) < 0.05 * expected


def test_a_weak_group_has_its_value_and_neither_fit_nor_least_squares_have_it():
    """What the correction is for: the fit alone gives less than half, least squares much too much."""
    expected = normal_loss(0.1, math.sqrt(0.1))
    found, of_fits, of_planes = [], [], []
    for replicate in range(60):
        inputs, (increment,) = weak_group(np.random.default_rng([12, replicate]))
        one = estimate(inputs, increment)
        found.append(one.value)
        of_fits.append(one.value - one.correction)
        of_planes.append(least_squares(inputs, increment))
    # On both sides of it lies what 0 as a bound and the choice by the same draws do: not nothing, but small.
    assert abs(np.mean(found) - expected) < 0.1 * expected
    assert np.mean(of_fits) < 0.7 * expected
    assert np.mean(of_planes) > 1.3 * expected
    assert seen(expected, of_fits) > Z
    assert seen(expected, of_planes) > Z


def test_residuals_that_vary_with_the_input():
    """Increment x - 0.2 + x e: the regression takes one variance for all, and its intervals still cover."""
    expected = normal_loss(0.2, 1.0)
    covered = []
    for replicate in range(REPLICATES):
        x, e = np.random.default_rng([13, replicate]).standard_normal((2, 500))
        one = estimate(x, x - 0.2 + x * e)
        covered.append(abs(one.value - expected) < norm.ppf(0.975) * one.standard_error)
    assert np.mean(covered) > 0.95 - Z * math.sqrt(0.95 * 0.05 / REPLICATES)


# --- inputs that do not matter ----------------------------------------------------------------------------------------


def test_of_two_hundred_inputs_that_do_not_matter_none_looks_important():
    """Three that matter come first; the highest of the rest lies within two errors of 0 and at 4% of the most.

    Cubic polynomials would give it twice as much.
    """
    random = np.random.default_rng(14)
    inputs = random.standard_normal((DRAWS, 203))
    increment = inputs[:, 0] + 0.6 * inputs[:, 1] ** 2 - 0.7 + 0.5 * inputs[:, 2] + random.standard_normal(DRAWS)
    found = [estimate(one, increment) for one in inputs.T]
    values = np.array([one.value for one in found])
    assert set(np.argsort(-values)[:3]) == {0, 1, 2}
    idle = found[3:]
    assert max(one.value for one in idle) < 0.04 * perfect(increment)
    assert all(one.value <= 2.0 * one.standard_error for one in idle)
    assert np.median([one.value for one in idle]) < 0.002 * perfect(increment)
    assert max(least_squares(one, increment) for one in inputs.T[3:]) > 2.0 * max(one.value for one in idle)


@pytest.mark.parametrize("count", [1, 5, 30, 150])
def test_a_group_that_does_not_matter(count: int):
    random = np.random.default_rng(15)
    inputs = random.standard_normal((DRAWS, count))
    increment = random.standard_normal(DRAWS) ** 3 - 0.3
    found = estimate(inputs, increment)
    assert found.value < 2.0 * found.standard_error
    assert found.value < 0.15 * perfect(increment)


def test_outliers_of_an_outcome_are_not_taken_for_a_bend():
    """A heavy tail that 150 inputs have nothing to do with."""
    random = np.random.default_rng(16)
    outcome = random.standard_normal(DRAWS) ** 3 + 0.5 * random.standard_normal(DRAWS)
    for _ in range(5):
        (source,) = shares_of_variance(outcome, {"idle": random.standard_normal((DRAWS, 150))}).sources
        assert source.share < 0.06
        assert source.share < 2.5 * source.standard_error


def test_outliers_do_not_bend_what_is_straight():
    """One input of 150 moves the outcome, along a line: the others add next to nothing to its share, if anything.

    A sum of inputs that is fitted to a draw itself follows its outlier, and then seems to be bent: 0.03 more.
    """
    random = np.random.default_rng(38)
    more = []
    for _ in range(6):
        inputs = random.standard_normal((DRAWS, 150))
        outcome = inputs[:, 0] + 0.4 * random.standard_normal(DRAWS) ** 3
        one, group = shares_of_variance(outcome, {"one": inputs[:, 0], "group": inputs}).sources
        more.append(group.share - one.share)
    assert abs(np.mean(more)) < 0.015


def test_no_group_loses_by_an_input_more():
    """Groups that grow one by one, inputs correlated, most of them idle."""
    random = np.random.default_rng(17)
    base = random.standard_normal((DRAWS, 14))
    inputs = base + 0.5 * base[:, [3, *range(13)]]
    increment = inputs[:, 0] + 0.5 * inputs[:, 2] * inputs[:, 5] + 0.4 * inputs[:, 9] ** 2 - 0.5
    increment = increment + random.standard_normal(DRAWS)
    grown = [estimate(inputs[:, :count], increment) for count in range(1, 15)]
    for smaller, larger in pairwise(grown):
        assert larger.value > smaller.value - 0.5 * smaller.standard_error
    assert grown[5].value > grown[4].value + grown[4].standard_error, "the pair shows when it is whole"
    assert grown[-1].value < perfect(increment)


@st.composite
def anything(draw: st.DrawFn) -> tuple[Floats, CostsAndEffects]:
    """Few draws of few or many inputs, skewed, with ties, some constant or twice; strategies that depend or do not."""
    size, count, others = draw(st.integers(20, 150)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs = random.lognormal(0.0, 1.0, (size, count))
    inputs[:, :: draw(st.integers(1, 4))] = random.integers(0, draw(st.integers(1, 4)), (size, 1))
    slopes = random.standard_normal((count, others)) * draw(st.sampled_from([0.0, 1.0]))
    values = inputs @ slopes + random.standard_normal((size, others)) * draw(st.sampled_from([0.0, 1.0, 1e3]))
    names = "abcde"[: others + 1]
    return inputs, CostsAndEffects(list(names), np.c_[np.zeros(size), values], np.zeros((size, others + 1)))


@quick
@given(anything())
def test_a_value_lies_between_nothing_and_perfect_information(drawn: tuple[Floats, CostsAndEffects]):
    inputs, table = drawn
    found = value_of_partial_information(table, inputs, 1.0)
    (most,) = value_of_perfect_information(table, 1.0)
    assert 0.0 <= found.value <= most.value
    assert 0.0 <= found.standard_error < math.inf
    assert 0.0 <= found.degrees_of_freedom <= table.draws


def test_the_bound_is_seldom_what_holds_a_value():
    """All that matters is known, with noise: the estimate before its bound (fit and correction) lies below it too."""
    for seed in range(5):
        random = np.random.default_rng([18, seed])
        inputs = random.standard_normal((DRAWS, 5))
        increment = (
            inputs[:, 0] * (1.0 + inputs[:, 1]) + np.abs(inputs[:, 2]) - 1.0 + 0.5 * random.standard_normal(DRAWS)
        )
        found = estimate(inputs, increment)
        assert found.value < perfect(increment)


# --- what is nothing is exactly nothing -------------------------------------------------------------------------------


def test_equal_strategies():
    random = np.random.default_rng(19)
    cost, effect = random.lognormal(8.0, 1.0, (2, DRAWS, 1))
    table = CostsAndEffects("abc", np.repeat(cost, 3, axis=1), np.repeat(effect, 3, axis=1))
    assert value_of_partial_information(table, cost, THRESHOLD) == Partial(0.0, 0.0, 0.0, 0.0)


def test_a_strategy_that_equals_the_best_adds_nothing():
    random = np.random.default_rng(20)
    x, noise = random.standard_normal((2, DRAWS))
    alone, twin = estimate(x, x + noise - 0.2), estimate(x, np.zeros(DRAWS), x + noise - 0.2)
    assert twin == alone


def test_a_strategy_that_is_worse_by_the_same_in_every_draw():
    inputs = np.random.default_rng(21).standard_normal((DRAWS, 3))
    assert estimate(inputs, np.full(DRAWS, -5.0)) == Partial(0.0, 0.0, 0.0, 0.0)


def test_an_input_that_does_not_vary():
    random = np.random.default_rng(22)
    x, noise = random.standard_normal((2, DRAWS))
    still = np.full(DRAWS, 7.0)
    assert estimate(still, x + noise) == Partial(0.0, 0.0, 0.0, 0.0)
    assert estimate(np.stack([x, still], axis=1), x + noise) == estimate(x, x + noise)


def test_an_input_of_two_values():
    """Increment 1 or -2: knowing which is worth 1 / 2 where both are as likely."""
    random = np.random.default_rng(23)
    kind = np.repeat([0.0, 1.0], 1000)
    found = estimate(kind, np.where(kind == 0.0, 1.0, -2.0) + random.standard_normal(2000))
    assert_near(found, 0.5, 0.15)
    assert found.degrees_of_freedom < 1.01


# --- noise of few patients; many draws; the same again ----------------------------------------------------------------


def test_noise_of_few_patients_raises_perfect_information_alone():
    random = np.random.default_rng(24)
    inputs, noise = random.standard_normal((4000, 3)), random.standard_normal(4000)
    increment = inputs @ [0.8, 0.4, 0.2] - 0.3
    quiet, loud = estimate(inputs, increment), estimate(inputs, increment + 2.0 * noise)
    expected = normal_loss(0.3, math.sqrt(0.84))
    assert_near(quiet, expected, 0.07)
    assert_near(loud, expected, 0.17)
    assert perfect(increment + 2.0 * noise) > 2.0 * expected


def test_the_same_again_on_any_number_of_threads():
    random = np.random.default_rng(25)
    inputs, noise = random.standard_normal((DRAWS, 60)), random.standard_normal((2, DRAWS))
    first = estimate(inputs, inputs[:, 0] + noise[0], inputs[:, 1] + noise[1] - 0.1)
    for count in (1, 2):
        with threads().limit(limits=count):
            assert estimate(inputs, inputs[:, 0] + noise[0], inputs[:, 1] + noise[1] - 0.1) == first


def test_pieces_of_draws_give_the_same(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(26)
    inputs, noise = random.standard_normal((DRAWS, 8)), random.standard_normal(DRAWS)
    increment = inputs[:, 0] * inputs[:, 1] + inputs[:, 2] + noise - 0.2
    whole = estimate(inputs, increment)
    monkeypatch.setattr(smooth_functions, "ROWS_AT_ONCE", 77)
    assert estimate(inputs, increment) == pytest.approx(whole, rel=1e-6)
    monkeypatch.setattr(module, "MOST_DRAWS_LOOKED_AT", 300)
    fewer = estimate(inputs, increment)
    assert fewer.value == pytest.approx(whole.value, abs=0.05 * whole.standard_error)
    assert fewer.standard_error == pytest.approx(whole.standard_error, rel=0.05)


def test_memory_stays_flat_in_many_draws():
    random = np.random.default_rng(27)
    inputs, noise = random.standard_normal((60_000, 10)), random.standard_normal(60_000)
    table = table_of(inputs[:, 0] * inputs[:, 1] + 0.5 * inputs[:, 2] + noise - 0.2)
    tracemalloc.start()
    value_of_partial_information(table, inputs, THRESHOLD)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The inputs themselves take 5 MB, and all columns at once would take 100 MB or more.
    assert most < 80e6


# --- shares of variance -----------------------------------------------------------------------------------------------


def outcome_and_sources(random: np.random.Generator) -> tuple[Floats, dict[str, Floats]]:
    """0.6 a + 0.5 (b^2 - 1) + 0.5 c d + 0.3 noise: variances 0.36, 0.5, 0.25 and 0.09."""
    a, b, c, d, idle, noise = random.standard_normal((6, DRAWS))
    outcome = 0.6 * a + 0.5 * (b**2 - 1.0) + 0.5 * c * d + 0.3 * noise
    return outcome, {"a": np.exp(a), "b": b, "c": c, "c and d": np.stack([c, d], axis=1), "idle": idle}


SHARES = {"a": 0.30, "b": 0.5 / 1.2, "c": 0.0, "c and d": 0.25 / 1.2, "idle": 0.0}


def test_shares_are_known_and_their_intervals_cover():
    replicates = 100
    found = []
    for replicate in range(replicates):
        outcome, sources = outcome_and_sources(np.random.default_rng([28, replicate]))
        shares = shares_of_variance(outcome, sources, noise_variance=0.09)
        assert shares.noise == pytest.approx(0.09 / np.var(outcome, ddof=1))
        assert shares.rest + shares.noise + sum(one.share for one in shares.sources) == pytest.approx(1.0)
        rows = [(one.share, one.standard_error) for one in shares.sources]
        found.append([*rows, (shares.rest, shares.rest_standard_error)])
    values, errors = np.moveaxis(np.array(found), -1, 0)
    expected = np.array([*SHARES.values(), 0.0])
    assert expected.sum() == pytest.approx(1.0 - 0.09 / 1.2)
    plain = expected[:-1] > 0.0
    plain = np.append(plain, True)
    off = np.abs(values.mean(axis=0) - expected)
    band = Z * values.std(axis=0, ddof=1) / math.sqrt(replicates)
    assert (band < 0.02).all()
    assert (off < band)[plain].all()
    assert (off[~plain] < 0.01).all(), "no share can be below 0, so on average those of nothing are above"
    covered = (np.abs(values - expected) < norm.ppf(0.975) * errors).mean(axis=0)
    assert (covered > 0.95 - Z * math.sqrt(0.95 * 0.05 / replicates)).all()


def test_a_share_without_degrees_of_freedom_would_be_wrong():
    """A group of fifty that explains a tenth: R^2 of least squares gives twice as much."""
    shares, plain = [], []
    for replicate in range(50):
        inputs, (outcome,) = weak_group(np.random.default_rng([29, replicate]))
        found = shares_of_variance(outcome, {"group": inputs})
        (one,) = found.sources
        assert found.rest_standard_error == pytest.approx(one.standard_error), "what is left of it errs as it does"
        shares.append(one.share)
        columns = np.c_[np.ones(len(inputs)), inputs]
        left = outcome - columns @ np.linalg.lstsq(columns, outcome, rcond=None)[0]
        plain.append(1.0 - left.var() / outcome.var())
    assert abs(np.mean(shares) - 0.1) < 0.02
    assert seen(0.1, plain) > Z
    assert np.mean(plain) > 0.18


def test_correlated_sources_count_twice_and_the_rest_says_so():
    random = np.random.default_rng(30)
    a, other, noise = random.standard_normal((3, 4000))
    b = 0.8 * a + 0.6 * other
    shares = shares_of_variance(a + b + noise, {"a": a, "b": b})
    expected = 1.8**2 / (2.0 + 1.6 + 1.0)
    for one in shares.sources:
        assert abs(one.share - expected) < Z * one.standard_error < 0.05
    assert shares.rest < -0.3
    assert abs(shares.rest - (1.0 - 2.0 * expected)) < Z * shares.rest_standard_error
    assert math.isnan(shares.noise)


def test_an_outcome_that_is_its_source():
    x = np.random.default_rng(31).standard_normal(DRAWS)
    shares = shares_of_variance(x, {"x": x, "nothing": np.zeros(DRAWS)})
    # All but what the sample's tails have that normal scores have not.
    assert shares.sources[0].share == pytest.approx(1.0, abs=1e-3)
    assert shares.sources[0].standard_error < 1e-3
    assert shares.sources[1].share == shares.sources[1].standard_error == 0.0
    assert shares.rest == pytest.approx(0.0, abs=1e-3)
    assert shares.variance == pytest.approx(np.var(x, ddof=1))


# --- for all whom a decision concerns ---------------------------------------------------------------------------------


def test_three_years_by_hand():
    """100 a patient, 1,000 patients a year, 5%: 100,000 (0.952381 + 0.907029 + 0.863838)."""
    found = population_value(100.0, 10.0, 1000.0, 3, 0.05)
    assert found.value == pytest.approx(272_324.80, abs=0.01)
    assert found.standard_error == pytest.approx(27_232.48, abs=0.01)
    assert found.patients == pytest.approx(2723.248, abs=1e-3)


def test_an_annuity():
    expected = 50.0 * 700.0 * (1.0 - 1.03**-20) / 0.03
    assert population_value(50.0, 0.0, 700.0, 20, 0.03).value == pytest.approx(expected)
    assert population_value(50.0, 0.0, 700.0, 20, 0.0).value == pytest.approx(50.0 * 700.0 * 20.0)
    assert math.isnan(population_value(50.0, math.nan, 700.0, 20, 0.0).standard_error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"per_patient": -1.0}, "value per patient"),
        ({"per_patient": math.nan}, "value per patient"),
        ({"standard_error": -1.0}, "standard error"),
        ({"standard_error": math.inf}, "standard error"),
        ({"patients_per_year": -1.0}, "patients"),
        ({"patients_per_year": math.inf}, "patients"),
        ({"years": 0}, "years"),
        ({"years": 2.5}, "years"),
        ({"years": math.inf}, "years"),
        ({"years": math.nan}, "years"),
        ({"discount_rate": -0.01}, "discount rate"),
        ({"discount_rate": math.nan}, "discount rate"),
    ],
)
def test_nonsense_about_a_population(change: dict[str, float], message: str):
    sense = {"per_patient": 1.0, "standard_error": 1.0, "patients_per_year": 1.0, "years": 1, "discount_rate": 0.0}
    with pytest.raises(ValueError, match=message):
        population_value(**{**sense, **change})


# --- what is refused --------------------------------------------------------------------------------------------------


def test_inputs_that_do_not_fit():
    x = np.random.default_rng(32).standard_normal(30)
    table = table_of(x)
    with pytest.raises(ValueError, match=r"shape \(29,\); they need \(30,"):
        value_of_partial_information(table, x[:29], 1.0)
    with pytest.raises(ValueError, match=r"shape \(30, 0\)"):
        value_of_partial_information(table, np.zeros((30, 0)), 1.0)
    gap = np.stack([x, x], axis=1)
    gap[4, 1] = math.nan
    with pytest.raises(ValueError, match="input 1 in draw 4 is nan"):
        value_of_partial_information(table, gap, 1.0)
    with pytest.raises(ValueError, match="threshold"):
        value_of_partial_information(table, x, -1.0)
    with pytest.raises(ValueError, match="at least 20"):
        value_of_partial_information(table_of(x[:10]), x[:10], 1.0)


def test_shares_that_cannot_be():
    x = np.random.default_rng(33).standard_normal(30)
    with pytest.raises(ValueError, match="same in all draws"):
        shares_of_variance(np.ones(30), {"x": x})
    with pytest.raises(ValueError, match="draws of 'short'"):
        shares_of_variance(x, {"short": x[:20]})
    with pytest.raises(ValueError, match="outcome"):
        shares_of_variance(np.append(x[1:], np.nan), {"x": x})
    with pytest.raises(ValueError, match="outcome"):
        shares_of_variance(x[:10], {"x": x[:10]})
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="noise variance"):
            shares_of_variance(x, {"x": x}, wrong)
