"""Regression of outcomes on inputs of which nobody knows how many matter, and what sampling leaves open about it.

The columns of `smooth_functions` come in blocks.  The coefficients of a block are normal around 0 with a variance of
its own, residuals are normal; all variances have the values under which the outcomes are most likely (empirical Bayes;
REML where the only fixed effect is the mean).  A block that explains nothing is so shrunk to nothing, and degrees of
freedom are counted.  Variances by the fixed point of D. J. C. MacKay, Neural Computation 4 (1992) 415-447,
doi:10.1162/neco.1992.4.3.415, which is the Fellner-Schall method of S. N. Wood and M. Fasiolo, Biometrics 73 (2017)
1071-1081, doi:10.1111/biom.12666; likelihood rather than generalised cross-validation, because it undersmooths less
often (P. T. Reiss and R. T. Ogden, Journal of the Royal Statistical Society B 71 (2009) 505-523,
doi:10.1111/j.1467-9868.2008.00695.x), and because coefficients drawn given the data then have the spread of the true
ones, which neither the fit nor unpenalised least squares has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.economics.smooth_functions import Columns, columns_for, linear_columns, normal_scores

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Floats = NDArray[np.float64]

MOST_STEPS = 50
STEP_IN_FREEDOM = 0.01
LEAST_RESIDUAL = 1e-9
PLAINLY = 3.0
DRAWN = 200
SEED = 20140311


class Coefficients(NamedTuple):
    """The distribution of coefficients given the data: mean (S, K), and what turns standard normals into deviations.

    A deviation is `spread` (S, K) times the solution of `root` (S, K, K) transposed.
    """

    mean: Floats
    spread: Floats
    root: Floats


class Regression(NamedTuple):
    """Outcomes (D, S), centred, regressed on inputs.

    Attributes:
        columns: what they are regressed on.
        means: (K,) of the columns.
        gram: (K, K) sums of products of the centred columns.
        fitted: (D, S).
        residuals: (D, S).
        noise: (S,) their variances, degrees of freedom accounted for.
        likely: coefficients at the likeliest variances of blocks.
        wide: the same where each such variance is higher by its standard error.
        degrees_of_freedom: (S,) effective, without the mean.
    """

    columns: Columns
    means: Floats
    gram: Floats
    fitted: Floats
    residuals: Floats
    noise: Floats
    likely: Coefficients
    wide: Coefficients
    degrees_of_freedom: Floats

    def drawn(self, given: Coefficients) -> Floats:
        """(B, S, K) coefficients drawn given the data; always the same luck, each draw with its mirror image.

        Residuals of two outcomes are correlated, and so are errors of their coefficients.
        """
        outcomes, count = given.mean.shape
        half = np.random.default_rng(SEED).standard_normal((DRAWN // 2, outcomes, count))
        joint = np.einsum("st,btk->sbk", _root_of_correlation(self.residuals), half)
        deviations = [
            np.linalg.solve(root.T, some.T).T * spread
            for root, some, spread in zip(given.root, joint, given.spread, strict=True)
        ]
        steps = np.stack(deviations, axis=1)
        return given.mean + np.concatenate([steps, -steps])


@lru_cache(maxsize=1)
def threads() -> ThreadpoolController:
    """What holds linear algebra to one thread: matrices are small, and bits then do not hang on how many there are."""
    import scipy.linalg  # noqa: F401  (only libraries that are loaded are found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def regression(inputs: Floats, outcomes: Floats) -> Regression:
    """Outcomes (D, S), each of mean 0 and not constant, on inputs (D, P), none constant."""
    scores = normal_scores(inputs)
    linear = _fit(linear_columns(scores), outcomes)
    # Of one input there is no sum but itself.
    indices = _indices(linear, outcomes) if scores.shape[1] > 1 else outcomes[:, :0]
    columns = columns_for(scores, indices, linear.residuals)
    return linear if len(columns.blocks()) == len(linear.means) else _fit(columns, outcomes)


class _Sums(NamedTuple):
    """What the data say: sums of products of columns (K, K), with outcomes (S, K), of outcomes (S,); blocks; draws."""

    gram: Floats
    with_outcomes: Floats
    outcomes: Floats
    member: Floats
    draws: int


class _State(NamedTuple):
    """Coefficients at given variances.

    Their means in units of their spread (S, K), that spread (S, K), their precision in these units (S, K, K), its
    inverse, and the degrees of freedom of blocks (S, B).
    """

    in_units: Floats
    spread: Floats
    precision: Floats
    inverse: Floats
    freedom: Floats


def _fit(columns: Columns, outcomes: Floats) -> Regression:
    blocks = columns.blocks()
    means = np.zeros(len(blocks))
    gram = np.zeros((len(blocks), len(blocks)))
    products = np.zeros((outcomes.shape[1], len(blocks)))
    for rows, matrix in columns.pieces():
        means += matrix.sum(axis=0) / columns.draws
        gram += matrix.T @ matrix
        products += outcomes[rows].T @ matrix
    gram -= columns.draws * np.outer(means, means)
    member = (blocks == np.arange(blocks[-1] + 1)[:, None]).astype(np.float64)
    sums = _Sums(gram, products, (outcomes**2).sum(axis=0), member, columns.draws)
    of_blocks, of_residuals = _likeliest(sums)
    state = _state(sums, of_blocks, of_residuals)
    wide = _state(sums, of_blocks + _errors_of_variances(sums, state, of_residuals), of_residuals)
    likely = _coefficients(state)
    fitted = np.empty_like(outcomes)
    for rows, matrix in columns.pieces():
        fitted[rows] = (matrix - means) @ likely.mean.T
    freedom = state.freedom.sum(axis=1)
    return Regression(
        columns, means, gram, fitted, outcomes - fitted, of_residuals, likely, _coefficients(wide), freedom
    )


def _indices(linear: Regression, outcomes: Floats) -> Floats:
    """(D, I) of each outcome that inputs plainly move what the linear fit to all other draws expects of a draw.

    Its fit to the draw itself would follow outliers, and bend with them.  Plainly: the share explained is above three
    standard errors that it has where nothing is explained, which is sqrt(2 P) / D each.
    """
    draws, count = linear.columns.scores.shape
    share = 1.0 - linear.noise / outcomes.var(axis=0)
    plain = share > PLAINLY * np.sqrt(2.0 * count) / draws
    left = np.empty_like(outcomes)
    for rows, matrix in linear.columns.pieces():
        for s, (spread, root, noise) in enumerate(
            zip(linear.likely.spread, linear.likely.root, linear.noise, strict=True)
        ):
            own = (np.linalg.solve(root, ((matrix - linear.means) * spread).T) ** 2).sum(axis=0) / noise
            left[rows, s] = linear.residuals[rows, s] / np.maximum(1.0 - own, np.finfo(float).tiny)
    return np.asarray((outcomes - left)[:, plain])


def _likeliest(sums: _Sums) -> tuple[Floats, Floats]:
    """Variances of coefficients by block (S, B) and of residuals (S,)."""
    weight = np.maximum(sums.member @ np.diag(sums.gram), np.finfo(float).tiny)
    total = sums.outcomes[:, None]
    # To begin with, half of the variance is noise and the blocks share the rest.
    of_blocks = 0.5 * total / weight / len(weight)
    of_residuals = 0.5 * sums.outcomes / sums.draws
    for _ in range(MOST_STEPS):
        state = _state(sums, of_blocks, of_residuals)
        # Sum of squares over effective number: 1 where the variance is right.
        ratio = state.in_units**2 @ sums.member.T / state.freedom
        mean = state.in_units * state.spread
        left = sums.outcomes - 2.0 * (mean * sums.with_outcomes).sum(axis=1)
        left = left + np.einsum("sk,kl,sl->s", mean, sums.gram, mean)
        next_residuals = np.maximum(
            left / np.maximum(sums.draws - 1.0 - state.freedom.sum(axis=1), 1.0),
            LEAST_RESIDUAL * sums.outcomes / sums.draws,
        )
        settled = np.max(np.abs(state.freedom * (ratio - 1.0))) < STEP_IN_FREEDOM
        settled &= bool(np.max(np.abs(next_residuals / of_residuals - 1.0)) < STEP_IN_FREEDOM)
        of_blocks = np.maximum(of_blocks * np.clip(ratio, 1e-3, 1e3), 1e-12 * total / weight)
        of_residuals = next_residuals
        if settled:
            break
    return of_blocks, of_residuals


def _state(sums: _Sums, of_blocks: Floats, of_residuals: Floats) -> _State:
    noise = of_residuals[:, None]
    spread = np.sqrt(of_blocks @ sums.member)
    precision = np.eye(len(sums.gram)) + spread[:, :, None] * (sums.gram / noise[:, :, None]) * spread[:, None, :]
    inverse: Floats = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    in_units = np.einsum("skl,sl->sk", inverse, spread * sums.with_outcomes / noise)
    freedom = sums.member.sum(axis=1) - np.einsum("skk->sk", inverse) @ sums.member.T
    return _State(in_units, spread, precision, inverse, np.maximum(freedom, 1e-12))


def _errors_of_variances(sums: _Sums, state: _State, of_residuals: Floats) -> Floats:
    """(S, B) standard errors of the variances of blocks, by their Fisher information, each for itself.

    It is half the sum of squares of F' V^-1 F, F the columns of a block, V the covariance of an outcome over draws.
    """
    errors = []
    for spread, inverse, noise in zip(state.spread, state.inverse, of_residuals, strict=True):
        seen = sums.gram * spread
        squares = ((sums.gram - seen @ inverse @ seen.T / noise) / noise) ** 2
        information = np.einsum("bk,kl,bl->b", sums.member, squares, sums.member)
        errors.append(np.sqrt(2.0 / np.maximum(information, np.finfo(float).tiny)))
    return np.array(errors)


def _coefficients(state: _State) -> Coefficients:
    root: Floats = np.asarray(np.linalg.cholesky(state.precision), dtype=np.float64)
    return Coefficients(state.in_units * state.spread, state.spread, root)


def _root_of_correlation(residuals: Floats) -> Floats:
    """(S, S) the symmetric root of the correlation of residuals; an outcome without any is correlated with none."""
    sums = residuals.T @ residuals
    size = np.sqrt(np.maximum(np.diag(sums), np.finfo(float).tiny))
    values, axes = np.linalg.eigh(sums / np.outer(size, size))
    return np.asarray(axes * np.sqrt(np.maximum(values, 0.0)) @ axes.T)
