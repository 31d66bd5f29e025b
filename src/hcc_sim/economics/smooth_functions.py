"""Smooth functions of inputs, as columns of a regression: each input alone, and inputs together.

Inputs enter by their normal scores, so a result is the same whether an input or its logarithm is given.  A function of
one score is a cubic spline on uniform knots, linear beyond them, with a penalty on second differences (P. H. C. Eilers
and B. D. Marx, Statistical Science 11 (1996) 89-121, doi:10.1214/ss/1038425655), written in functions that are
uncorrelated where scores are normal and bend the more the later they come; the first is straight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

KNOTS = np.linspace(-2.5, 2.5, 16)
# Cubic splines on them, without the constant and the straight line.
BENDS = len(KNOTS)
# Of that many inputs all pairs and triples are looked at together; of more, those that stand out.
FEW = 6
MOST_CURVED = 20
MOST_PAIRS = 20
BENDS_WHEN_MANY = 8
BENDS_TRIED = 4
LOWEST_BAR = 3.5
LEAST_SIZE = 1e-6
# Which functions of two inputs are multiplied: score x score, score x first bend, and so on.
PRODUCTS = ((0, 0), (0, 1), (1, 0), (0, 2), (2, 0), (1, 1))
ROWS_AT_ONCE = 8192
SCORES_FOR_BASIS = 2000


def normal_scores(inputs: Floats) -> Floats:
    """(D, P) what a standard normal would have at the rank of each draw; equal ones share their mean rank."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores = np.empty(inputs.shape)
    for j, one in enumerate(inputs.T):
        scores[:, j] = ndtri((rankdata(one) - 0.5) / len(one))
    return scores


def curves(scores: Floats, most: int | None = None) -> Floats:
    """(n, k) of scores (n,) a straight line and its bends, the later the more bent and the smaller."""
    splines, to_curves, means = _basis()
    return np.asarray((splines.transform(scores[:, None]) - means) @ to_curves[:, :most])


@lru_cache(maxsize=1)
def _basis() -> tuple[Any, Floats, Floats]:
    """The splines, what turns them into curves, and their means over a standard normal."""
    from scipy.special import ndtri
    from sklearn.preprocessing import SplineTransformer

    splines = SplineTransformer(knots=KNOTS[:, None], degree=3, extrapolation="linear").fit(KNOTS[:, None])
    values = splines.transform(ndtri((np.arange(SCORES_FOR_BASIS) + 0.5) / SCORES_FOR_BASIS)[:, None])
    means = values.mean(axis=0)
    sizes, axes = np.linalg.eigh((values - means).T @ (values - means) / SCORES_FOR_BASIS)
    # The splines sum to one: one direction is constant and goes with the mean.
    orthonormal = axes[:, 1:] / np.sqrt(sizes[1:])
    bends = np.diff(orthonormal, n=2, axis=0)
    penalties, turned = np.linalg.eigh(bends.T @ bends)
    to_curves = orthonormal @ turned
    # Each ends upwards: its sign is nobody's choice.
    to_curves *= np.sign(to_curves[-1])
    # Scaled so that one common variance of coefficients is the penalty; the first bend keeps its size.
    scale = np.sqrt(penalties[1] / np.maximum(penalties, penalties[1]))
    return splines, to_curves * scale, means


@dataclass(frozen=True)
class Columns:
    """The columns of a regression on inputs, in blocks of a common variance.

    Attributes:
        scores: (D, P) normal scores of inputs.
        indices: (D, I) normal scores of linear combinations of inputs.
        curved: inputs whose bends are columns, each of `bends` of them.
        bends: how many.
        pairs: inputs that are multiplied.
        triples: inputs that are multiplied.
    """

    scores: Floats
    indices: Floats
    curved: tuple[int, ...]
    bends: int
    pairs: tuple[tuple[int, int], ...]
    triples: tuple[tuple[int, int, int], ...]

    @property
    def draws(self) -> int:
        """How many rows."""
        return len(self.scores)

    def blocks(self) -> Whole:
        """(K,) the block of each column."""
        sizes = (
            self.scores.shape[1],
            len(self.curved) * self.bends,
            len(self.pairs) * len(PRODUCTS),
            len(self.triples),
            self.indices.shape[1] * BENDS,
        )
        some = [size for size in sizes if size]
        return np.repeat(np.arange(len(some)), some)

    def matrix(self, rows: slice) -> Floats:
        """(n, K) the columns of some draws."""
        scores, indices = self.scores[rows], self.indices[rows]
        together = {j for pair in self.pairs for j in pair}
        by_input = {j: curves(scores[:, j]) for j in sorted(together.union(self.curved))}
        found = [scores]
        found += [by_input[j][:, 1 : 1 + self.bends] for j in self.curved]
        for i, j in self.pairs:
            found.append(np.stack([by_input[i][:, a] * by_input[j][:, b] for a, b in PRODUCTS], axis=1))
        found += [(scores[:, i] * scores[:, j] * scores[:, k])[:, None] for i, j, k in self.triples]
        found += [curves(index)[:, 1:] for index in indices.T]
        return np.concatenate(found, axis=1)

    def pieces(self) -> Iterator[tuple[slice, Floats]]:
        """All draws, some at a time, so that memory stays flat."""
        for start in range(0, self.draws, ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            yield rows, self.matrix(rows)


def linear_columns(scores: Floats) -> Columns:
    """The scores alone."""
    return Columns(scores, scores[:, :0], (), 0, (), ())


def columns_for(scores: Floats, indices: Floats, residuals: Floats) -> Columns:
    """The columns that a regression on these inputs needs.

    Of two to `FEW` inputs: bends of each, products of all pairs and triples.  Of one, and of more, the bends and pairs
    that stand out in what a linear regression leaves: beyond sqrt(2 ln n), n candidates, which is where the largest of
    n standard normals lies (D. L. Donoho and I. M. Johnstone, Biometrika 81 (1994) 425-455,
    doi:10.1093/biomet/81.3.425), and beyond `LOWEST_BAR`, for hundreds of inputs may be looked at one by one.  And the
    bends of sums of inputs: what they do together is often a bent function of one such sum.

    Args:
        scores: (D, P) normal scores.
        indices: (D, I) linear combinations of them.
        residuals: (D, S) what a linear regression leaves of outcomes.
    """
    sums, count = normal_scores(indices), scores.shape[1]
    if 1 < count <= FEW:
        every = range(count)
        return Columns(scores, sums, tuple(every), BENDS, tuple(combinations(every, 2)), tuple(combinations(every, 3)))
    # By rank, for an outlier would make many products stand out.
    left = normal_scores(residuals)
    if count == 1:
        return Columns(scores, sums, _curved(scores, left), BENDS, (), ())
    return Columns(scores, sums, _curved(scores, left), BENDS_WHEN_MANY, _pairs(scores, left), ())


def _curved(scores: Floats, left: Floats) -> tuple[int, ...]:
    height = np.empty(scores.shape[1])
    for j, one in enumerate(scores.T):
        bends = curves(one, 1 + BENDS_TRIED)[:, 1:]
        bends = bends - bends.mean(axis=0)
        size = np.maximum(np.sqrt((bends**2).sum(axis=0)), LEAST_SIZE * np.sqrt(len(one)))
        height[j] = np.max(np.abs(left.T @ bends) / size)
    return tuple(sorted(_standing_out(height, MOST_CURVED, BENDS_TRIED * left.shape[1])))


def _pairs(scores: Floats, left: Floats) -> tuple[tuple[int, int], ...]:
    first, second = np.triu_indices(scores.shape[1], 1)
    squares = np.zeros((scores.shape[1], scores.shape[1]))
    products = np.zeros((left.shape[1], *squares.shape))
    for start in range(0, len(scores), ROWS_AT_ONCE):
        some = scores[start : start + ROWS_AT_ONCE]
        squares += (some**2).T @ some**2
        for s, one in enumerate(left[start : start + ROWS_AT_ONCE].T):
            products[s] += (some * one[:, None]).T @ some
    size = np.maximum(np.sqrt(squares), LEAST_SIZE * np.sqrt(len(scores)))
    height = (np.abs(products).max(axis=0) / size)[first, second]
    return tuple((int(first[n]), int(second[n])) for n in _standing_out(height, MOST_PAIRS, left.shape[1]))


def _standing_out(height: Floats, most: int, tries: int) -> list[int]:
    """The highest, at most so many, that chance among all candidates does not explain."""
    bar = max(LOWEST_BAR, np.sqrt(2.0 * np.log(len(height) * tries)))
    return [int(n) for n in np.argsort(-height, kind="stable")[:most] if height[n] > bar]
