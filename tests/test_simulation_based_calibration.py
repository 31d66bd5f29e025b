"""Draws around the most probable point are draws from the posterior: ranks of truths among them, on a straight model.

`tests/slow` does it for the pathway.  With 100 replicates a spread that is halved (95% intervals hold
67% of truths) or a centre that is off by half a standard deviation (92%, ranks piled on one side) is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ranks import coverage, error_of_coverage, holm, one_of_each_pair, rank, uniformity
from test_calibration_fit import straight

from hcc_sim.calibration.fit import sizes_of
from hcc_sim.calibration.posterior import draw_posterior
from hcc_sim.calibration.whitening import covariance_of
from hcc_sim.figures import load_evidence
from hcc_sim.parameters import load_calibration

CALIBRATION = Path(__file__).parents[1] / "calibration"
REPLICATES, DRAWS, LEAST_P, Z = 100, 39, 0.01, 4.0

Floats = np.ndarray
Spoil = Callable[[Floats], Floats]


@pytest.fixture(scope="module")
def replicates() -> tuple[Floats, Floats]:
    """Truths (R, U + 1) and independent draws (R, D, U + 1) of all unknowns and of one prediction."""
    known = load_calibration(CALIBRATION)
    evidence = load_evidence(CALIBRATION, known.sources)
    model, search = straight(known, evidence)
    lower = np.linalg.cholesky(covariance_of(model.targets, sizes_of(evidence)))
    numbers = np.random.Generator(np.random.PCG64(2018))
    quantities = np.vstack((np.eye(4), model.matrix[0]))
    truths, draws = [], []
    for number in range(REPLICATES):
        z = numbers.standard_normal(4)
        search.observed = model.matrix @ z + model.start + lower @ numbers.standard_normal(len(lower))
        best = search.run(np.zeros(4))
        truths.append(quantities @ z)
        pairs = draw_posterior(search, best, search.told, 2 * DRAWS, seed=number).draws
        draws.append(one_of_each_pair(pairs) @ quantities.T)
    return np.array(truths), np.array(draws)


def check(truths: Floats, draws: Floats) -> None:
    """Ranks of every quantity are uniform, and 95% intervals hold 95%."""
    numbers = np.random.Generator(np.random.PCG64(1))
    ranks = rank(truths, draws.transpose(1, 0, 2), numbers).T
    assert holm(np.array([uniformity(of_one, DRAWS) for of_one in ranks])).min() > LEAST_P
    band = Z * error_of_coverage(0.95, REPLICATES)
    assert band < 0.1, "too few replicates to see a spread that is halved"
    for of_one in ranks:
        assert abs(coverage(of_one, DRAWS, 0.95) - 0.95) < band


def test_truths_fall_anywhere_among_their_draws(replicates: tuple[Floats, Floats]):
    check(*replicates)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda d: 0.5 * (d + d.mean(axis=1, keepdims=True)), id="spread halved"),
        pytest.param(lambda d: 2.0 * d - d.mean(axis=1, keepdims=True), id="spread doubled"),
        pytest.param(lambda d: d + 0.5 * d.std(axis=1, keepdims=True), id="centre off"),
    ],
)
def test_a_wrong_posterior_is_seen(replicates: tuple[Floats, Floats], spoil: Spoil):
    truths, draws = replicates
    with pytest.raises(AssertionError):
        check(truths, spoil(draws))


def test_ranks_by_hand():
    numbers = np.random.Generator(np.random.PCG64(1))
    assert rank(2.5, np.array([3.0, 1.0, 2.0]), numbers) == 2
    tied = rank(np.full(400, 1.0), np.array([0.0, 1.0, 1.0, 2.0])[:, None] * np.ones(400), numbers)
    assert sorted(set(tied)) == [1, 2, 3]
    each = np.arange(40)
    assert uniformity(each, 39) == pytest.approx(1.0)
    assert coverage(each, 39, 0.95) == 0.95
    assert uniformity(np.repeat(20, 200), 39) < 1e-10
    assert holm(np.array([0.02, 0.5, 0.01])) == pytest.approx([0.04, 0.5, 0.03])


def test_both_draws_of_a_pair_would_double_the_middle_rank():
    """Of pairs of a straight model a truth lies between those that are farther out than itself, and beyond the rest."""
    replicates, pairs = 4000, 19
    numbers = np.random.Generator(np.random.PCG64(1))
    truths = numbers.standard_normal(replicates)
    half = numbers.standard_normal((pairs, replicates))
    both = np.stack((half, -half), axis=1).reshape(2 * pairs, replicates)
    assert np.array_equal(one_of_each_pair(both), half)
    in_the_middle = np.mean(rank(truths, both, numbers) == pairs)
    error = np.sqrt((1 / (pairs + 1)) * (pairs / (pairs + 1)) / replicates)
    assert Z * error < 1 / (pairs + 1) - 1 / (2 * pairs + 1)
    assert abs(in_the_middle - 1 / (pairs + 1)) < Z * error
    assert uniformity(rank(truths, half, numbers), pairs, pairs + 1) > LEAST_P
